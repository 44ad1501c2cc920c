"""Tables of a gate for the page: the data behind each figure, families, differences of the sides, commands."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...configs.gatedoc import GateDocument, GateFamily, GateRow, Verdict
from ..gate_words import cell_words, family_name, known, seen_words, shown_of, verdict_words, worst_first
from ..numbers import figure as three
from .blocks import Block, Cell, Column, Table, Value, numbers, plain

MOST_ROWS = 300
_DASH = Value("–", "dim")


def _number(value: float, text: str = "") -> Value:
    """A number to sort by; a dash for what is unknown."""
    return Value(text or three(value), sort=value) if math.isfinite(value) and (text or abs(value) < 1e12) else _DASH


def _times(seconds: float) -> Value:
    return _number(1e6 * seconds) if 0 < seconds < 1e9 else _DASH


def _verdict(row: GateRow | GateFamily) -> Value:
    note = plain(row.why, 300) if isinstance(row, GateRow) else ""
    if row.verdict.broken:
        return Value(row.verdict.value.upper(), "bad", note)
    return Value(verdict_words(row), "strong" if row.verdict in (Verdict.REGRESSION, Verdict.IMPROVEMENT) else "", note)


def _changes(row: GateRow | GateFamily) -> tuple[Value, Value, Value]:
    texts, values = shown_of(row), (row.change, row.low, row.high)
    change, low, high = (Value(text, sort=100 * value) if text else _DASH for text, value in zip(texts, values, strict=True))
    return change, low, high


def _left_out(shown: int, of: int, what: str) -> str:
    return f"{shown} of {of:,} {what}; the gate's own file has all." if shown < of else ""


def cell_table(document: GateDocument, rows: Sequence[GateRow], caption: str) -> Table:
    """Every figure of each cell, in the order given."""
    columns = (
        Column("Cell"),
        Column("Verdict"),
        *numbers(("Change", "%"), ("Low", "%"), ("High", "%"), ("Old", "µs"), ("New", "µs")),
        *numbers("Blocks", "Confirmed on", "Dropped", ("Noise of a block", "%"), "Would have seen"),
    )
    made: list[tuple[Cell, ...]] = []
    for row in rows[:MOST_ROWS]:
        star = "*" if row.advisory else ""
        sees = seen_words(row.smallest) or "nothing"
        made.append(
            (
                plain(cell_words(row, document), 100) + (f" [{row.control.value}]" if row.control else "") + star,
                _verdict(row),
                *_changes(row),
                _times(row.old_s),
                _times(row.new_s),
                *(Value(f"{count:,}", sort=_sortable(count)) for count in (row.blocks, row.confirmed_on, row.dropped)),
                _number(100 * row.noise, f"{100 * row.noise:.2g}") if known(row.noise) else _DASH,
                Value(sees, sort=row.smallest if known(row.smallest) else math.inf) if row.verdict is Verdict.INCONCLUSIVE else "",
            )
        )
    return Table(caption, columns, tuple(made), _left_out(len(made), len(rows), "cells, the worst first"))


def _sortable(count: int) -> float:
    return float(max(-(10**15), min(10**15, count)))


def launch_table(document: GateDocument) -> Table:
    """The noise of every launch."""
    columns = (Column("Launch"), Column("Stage"), *numbers(("Began at", "s"), ("Spread", "%"), "Blocks", "Dropped"), Column("Turns marked"))
    rows: list[tuple[Cell, ...]] = [
        (
            plain(moment.launch, 12),
            plain(moment.stage, 20),
            _number(moment.at_s),
            _number(100 * moment.spread) if known(moment.spread) else _DASH,
            plain(moment.blocks, 12),
            Value(plain(moment.dropped, 12), "" if moment.dropped else "dim"),
            plain(", ".join(f"{plain(name, 30)} {plain(count, 8)}" for name, count in sorted(moment.marks.items())[:8]) or "none", 200),
        )
        for moment in document.moments[:MOST_ROWS]
    ]
    note = _left_out(len(rows), len(document.moments), "launches, the first ones")
    return Table("Spread and dropped blocks of each launch", columns, tuple(rows), note)


def block_table(row: GateRow, label: str) -> Table:
    """The blocks of one cell."""
    columns = (Column("Launch"), Column("Order"), *numbers(("Change", "%"), "Log of new over old"))
    count = min(MOST_ROWS, len(row.differences), len(row.launches), len(row.orders))
    rows: list[tuple[Cell, ...]] = []
    for log, launch, order in list(zip(row.differences, row.launches, row.orders, strict=False))[:count]:
        change = math.expm1(log) if math.isfinite(log) and log < 50 else math.nan
        first = _number(100 * change, f"{100 * change:+.2f}") if known(change) else _DASH
        rows.append((plain(launch, 12), plain(order, 8), first, _number(log, f"{log:+.5f}") if known(change) else _DASH))
    return Table(f"Blocks of {label}", columns, tuple(rows), _left_out(count, len(row.differences), "blocks"))


def families_table(document: GateDocument) -> list[Block]:
    """Cells judged together; nothing where none were."""
    if not document.families:
        return []
    columns = (
        Column("Family"),
        Column("Verdict"),
        *numbers("Cells", "Launches", ("Change", "%"), ("Low", "%"), ("High", "%"), "p", "p needed"),
    )
    rows = tuple(
        (
            plain(family_name(family), 40),
            _verdict(family),
            plain(family.cells, 12),
            plain(family.launches, 12),
            *_changes(family),
            _number(family.p, f"{family.p:.2g}"),
            _number(family.needed, f"{family.needed:.2g}"),
        )
        for family in document.families[:MOST_ROWS]
    )
    return [Table("Cells judged together, for shifts too small to be seen in one", columns, rows)]


def differences_table(document: GateDocument) -> list[Block]:
    """In what the sides differ besides; nothing where they do not."""
    shown = document.differences[:MOST_ROWS]
    if not shown:
        return []
    rows = tuple((plain(each.what, 120), plain(each.old, 300), plain(each.new, 300)) for each in shown)
    note = _left_out(len(shown), len(document.differences), "differences")
    return [Table("In what the sides differ", (Column("What"), Column("Old"), Column("New")), rows, note)]


def command_table(document: GateDocument) -> list[Block]:
    """The command that measures each cell again, alone."""
    rows = [row for row in worst_first(document.rows) if row.command]
    if not rows:
        return []
    cells = tuple((plain(cell_words(row, document), 100), plain(row.command, 390)) for row in rows[:MOST_ROWS])
    note = _left_out(len(cells), len(rows), "cells")
    return [Table("The command for each cell alone", (Column("Cell"), Column("Command")), cells, note, folded=True)]
