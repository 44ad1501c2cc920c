"""Draw a sweep's tables: the fastest kernel of each cell, the digest of a large grid, and every row of every cell.

The tables of a screen are laid out alike. Every time keeps its own interval; where the screen is narrow columns go, and a line says which.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence

from ..configs.shape_sets import set_title
from ..configs.sweepdoc import SweepDocument, SweepRow
from .look import Line, Look, Span, flow, joined
from .numbers import figure
from .sweep_rows import CellRows
from .sweep_words import (
    bits_words,
    case_words,
    code_words,
    condition_words,
    mark_words,
    next_best,
    precision_words,
    rate_unit,
    rate_words,
    ratio_words,
    share_words,
    short,
    time_words,
)
from .tables import Cell, Column, Row, grid, sheet, sheets, table

_MOST_SETS = 40
_NAME = 40  # cells of a kernel's name
_PRECISION = 6  # cells of `±0.4 %`: marks behind it stand in a column


def best_tables(document: SweepDocument, cells: Sequence[CellRows], look: Look) -> list[list[Line]]:
    """The fastest kernel of each cell: a table for each data type, parted by conditions, each on a line of its own."""
    if not cells:
        return []
    names = {kernel: look.word(name, _NAME) for kernel, name in short(document).items()}
    groups: dict[str, dict[str, list[tuple[Cell, ...]]]] = {}
    for cell in cells:
        groups.setdefault(cell.case.dtype, {}).setdefault(condition_words(cell.case), []).append(_best_row(cell, names, look))
    rows = [row for parts in groups.values() for part in parts.values() for row in part]
    columns = (
        Column("", "left", least=max(map(len, groups), default=0)),
        Column("fastest", "left"),
        Column("time"),
        Column("GFLOP/s"),
        Column("roof", optional=True),
        Column("next", "left", optional=True),
    )
    alike = sheet(columns, rows, look)
    units = {cell.case.dtype: rate_unit(cell.case) for cell in cells}
    made: list[list[Line]] = []
    lost: dict[str, None] = {}
    for dtype, parts in groups.items():
        drawn = sheet(columns, [row for part in parts.values() for row in part], look) if alike.stacked else alike
        lost.update({columns[i].head: None for i in drawn.left_out if any(row[i].text for row in rows)})
        heads = [dtype, "fastest", "time", units[dtype], "roof", "next"]
        for i, (condition, part) in enumerate(parts.items()):
            lines: list[Line] = [(Span(look.own(f"{dtype} {condition}"), "strong"),)] if condition else []
            if i == 0 and not (condition and drawn.stacked):
                lines += drawn.head(["" if condition else dtype, *heads[1:]])
            made.append([*lines, *(line for row in part for line in drawn.row(row, heads))])
    return [*made, flow(f"no room here for {' and '.join(lost)}: {_every(document, look)}", look, style="dim")] if lost else made


def _every(document: SweepDocument, look: Look) -> str:
    return f"mmbench show {look.word(document.run_id, 40)} --full"


def _best_row(cell: CellRows, names: dict[str, str], look: Look) -> tuple[Cell, ...]:
    shape = Cell(look.word(cell.case.shape, 100))
    second = Cell(look.word(next_best(cell, names), 60))
    if not cell.timed:
        return shape, Cell("none", "bad"), Cell(look.missing, "dim"), Cell(look.missing, "dim"), Cell(), second._replace(style="bad")
    best = cell.timed[0]
    name = names.get(best.kernel, look.word(best.kernel, _NAME))
    return shape, Cell(name, "good"), time_cell(best, look), Cell(rate_words(best)), _share(best), second


def time_cell(row: SweepRow, look: Look) -> Cell:
    """The time, and its interval with the marks behind it."""
    tail, marks = look.own(precision_words(row)), mark_words(row)
    if marks:
        tail = f"{tail:<{_PRECISION + (look.ascii_only and 1)}} {marks}"
    return Cell(look.own(time_words(row)) or look.missing, "" if row.timed else "dim", tail)


def _share(row: SweepRow) -> Cell:
    words = share_words(row.roof_share, row.above_roof)
    return Cell(words, "odd" if words.startswith("!") else "")


def summary_table(document: SweepDocument, cells: Sequence[CellRows], look: Look) -> list[list[Line]]:
    """Large grids: who is fastest most often, by data type and origin (by data type alone where there are too many origins)."""
    names = short(document)
    sets: dict[tuple[str, str], list[CellRows]] = {}
    for cell in cells:
        sets.setdefault((cell.case.dtype, set_title(cell.origin)), []).append(cell)
    if len(sets) > _MOST_SETS:
        sets = {}
        for cell in cells:
            sets.setdefault((cell.case.dtype, ""), []).append(cell)
    rows = []
    for (dtype, name), group in sets.items():
        best = [cell.timed[0] for cell in group if cell.timed]
        won = Counter(names.get(row.kernel, row.kernel) for row in best).most_common(2)
        shares = [row.roof_share for row in best if row.roof_share == row.roof_share]
        rates = [row.rate * 1e-9 for row in best]
        rows.append(
            (
                Cell(dtype),
                Cell(look.word(name, 30)),
                Cell(str(len(group))),
                Cell(figure(statistics.median(rates)) if rates else look.missing),
                Cell(share_words(statistics.median(shares)) if shares else ""),
                Cell(look.word(", ".join(f"{who} {count}" for who, count in won) or "nobody is right", 60)),
            )
        )
    columns = (
        Column("type", "left"),
        Column("shapes", "left"),
        Column("cells"),
        Column("Gop/s"),
        Column("roof"),
        Column("fastest most often", "left", flows=True),
    )
    why = f"medians over the fastest kernel of each cell; all {len(cells)} cells, each with all of its rows: {_every(document, look)}"
    return [[*table(grid(columns, rows), look), *flow(why, look, style="dim")]]


_FULL = ("kernel", "time", "GFLOP/s", "roof", "ratio", "bound", "GB/s", "GHz", "cycles", "first call", "n", "bits", "code", "error")
_LEFT = ("kernel", "bound", "bits", "code")


def every_row(document: SweepDocument, cells: Sequence[CellRows], look: Look) -> list[list[Line]]:
    """Every row of every cell, with every figure: where the width does not hold all columns, they follow in a second table."""
    if not cells:
        return []
    names = {kernel: look.word(name, _NAME) for kernel, name in short(document).items()}
    rows = {id(cell): [_full_row(row, names, look) for row in cell.rows] for cell in cells}
    columns = tuple(Column(head, "left" if head in _LEFT else "right") for head in _FULL)
    parts = sheets(columns, [row for each in rows.values() for row in each], look)
    made = []
    for cell in cells:
        title = f"{cell.case.dtype} {case_words(cell.case)}"
        lines = joined(list(filter(None, (look.word(title, 100), look.prose(cell.origin, 100)))), look, style="strong")
        heads = [rate_unit(cell.case) if head == "GFLOP/s" else head for head in _FULL]
        for part in parts:
            shown = [row for row in rows[id(cell)] if any(row[i].text for i in part.keep[1:])]
            lines += [*part.head(heads), *(line for row in shown for line in part.row(row, heads))] if shown else []
        made.append(lines)
    return [*made, flow(look.prose(_FULL_KEY), look, style="dim")]


_FULL_KEY = (
    "roof: share of what this machine can do at the row's own clock (GHz); ratio: time over that of the fastest; bound: what the roof is; "
    "GB/s: least traffic; n: samples that count + samples left out as disturbed; bits: of two runs; code: hash of the machine code; "
    "error: the largest that the check saw, as a share of what it allows"
)


def _full_row(row: SweepRow, names: dict[str, str], look: Look) -> Row:
    name = Cell(names.get(row.kernel, look.word(row.kernel, _NAME)))
    if not row.timed:
        bad = row.status.value not in ("ok", "noisy", "skipped")
        status = Cell(row.status.value.upper() if bad else row.status.value, "bad" if bad else "dim")
        return name, status, *(Cell(),) * (len(_FULL) - 2)
    check = row.check
    error = f"{100 * check.error / check.bound:.2g} %" if check and check.bound > 0 else ""
    return (
        name,
        time_cell(row, look),
        Cell(rate_words(row)),
        _share(row),
        Cell(ratio_words(row)),
        Cell(look.word(row.roof_bound, 12)),
        Cell(figure(row.traffic * 1e-9)),
        Cell(figure(row.clock_hz * 1e-9) if row.clock_hz > 0 else ""),
        Cell(figure(row.cycles) if row.clock_hz > 0 else ""),
        Cell(f"{1e3 * row.first_call_s:.3g} ms" if row.first_call_s is not None else ""),
        Cell(f"{row.samples}" + (f"+{row.dropped}" if row.dropped else "")),
        Cell(bits_words(row)),
        Cell(look.word(code_words(row), 8)),
        Cell(error),
    )
