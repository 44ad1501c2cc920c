"""The terminal screen of a gate seen as a comparison: the time of the new side over that of the old, by the gate's own evidence.

The ratio is the gate's estimate with its interval, from blocks in which the sides took turns, not the quotient of the times beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..configs.comparedoc import Ratio
from ..configs.gatedoc import GateDocument, GateRow
from ..configs.units import pretty
from .cells import plural
from .compare_screen import Forest
from .gate_screen import labelled_rows, outcome_style, verdict_style
from .gate_words import cell_words, known, outcome_sentence, side_words, tally_words, verdict_words, worst_first
from .look import NARROWEST, WIDEST, Line, Look, Span, flow, joined, paint, titled
from .tables import Cell, Column

MOST_CELLS = 60  # of the table; `full` shows every one
_LEAD = 5
_WIDE = 110  # columns from which the times of both sides are shown, too
_BOUND = 1e9  # of an end that is drawn: what is not known reaches to the edge


def gate_compare_screen(
    document: GateDocument, *, width: int = 80, color: bool = False, ascii_only: bool = False, full: bool = False, by_name: bool = False
) -> str:
    """The screen in lines of at most `width` cells (60 to 200), worst first or `by_name` of the cell. Strings are made harmless."""
    look = Look(min(WIDEST, max(NARROWEST, width)), color, ascii_only, full)
    rows = sorted(document.rows, key=lambda row: row.name) if by_name else worst_first(document.rows)
    told = rows if full else rows[:MOST_CELLS]
    lines = [*_head(document, look), (), *_table(document, told, look)]
    if len(told) < len(rows):
        lines.append((Span(f"  {look.own('…')} {len(rows) - len(told)} more: all of them with --full", "dim"),))
    sentence = f"{outcome_sentence(document)}; {tally_words(document)}"
    lines += [(), *flow(look.prose(sentence), look, rest="  ", style=outcome_style(document))]
    more = f"controls, promise and how to run it again: mmbench show {look.word(document.run_id, 40)}"
    return paint([*lines, *flow(more, look, rest="  ", style="dim")], look)


def _head(document: GateDocument, look: Look) -> list[Line]:
    lines: list[Line] = []
    for title, side, other in (("old", document.old, document.new), ("new", document.new, document.old)):
        lines += titled(title, joined([look.prose(word, 2000) for word in side_words(side, other)], look, width=look.width - _LEAD), _LEAD)
    where = f"gate {look.word(document.run_id, 40)} on {look.word(document.machine_id, 80)}, {plural(len(document.rows), 'cell')}"
    text = "Each ratio is the time of new over the time of old, so 1.060x means 6 % more time for new. It is estimated from turns "
    text += "that both sides took in fresh processes, with a 95 % interval."
    return [*lines, *flow(where, look, rest="  "), *flow(text, look, style="dim")]


def _ratio(row: GateRow) -> Ratio | None:
    """The gate's estimate as a ratio; None where there is none. Ends that are not known lie far out."""
    if not known(row.change):
        return None
    low = 1 + row.low if known(row.low) else 1 / _BOUND
    high = 1 + row.high if known(row.high) else _BOUND
    return Ratio(1 + row.change, low, high)


def _table(document: GateDocument, rows: Sequence[GateRow], look: Look) -> list[Line]:
    if not rows:
        return [(Span("no cell can be compared"),)]
    ratios = [ratio for row in rows if (ratio := _ratio(row)) is not None]
    forest = Forest.of(ratios, look) if ratios and look.width >= 80 else None
    columns = (
        Column("cell", "left"),
        Column("time old"),
        Column("time new"),
        Column("ratio"),
        Column("interval", "left"),
        Column("verdict", "left"),
        Column(forest.scale if forest else "", "left", optional=look.width < 100),
    )
    body = [(Cell(look.word(cell_words(row, document), 200)), *_figures(row, forest, look)) for row in rows]
    return labelled_rows(columns, body, look)


def _figures(row: GateRow, forest: Forest | None, look: Look) -> list[Cell]:
    ratio, style = _ratio(row), verdict_style(row.verdict)
    seconds = [look.own(pretty(time_s, "s")) if 0 < time_s < _BOUND else look.missing for time_s in (row.old_s, row.new_s)]
    seconds = seconds if look.width >= _WIDE or look.full else ["", ""]
    span = f"{ratio.low:.3f} to {ratio.high:.3f}" if ratio is not None and known(row.low) and known(row.high) else "unknown"
    drawable = ratio is not None and math.isfinite(ratio.value) and ratio.value > 0
    return [
        *(Cell(text) for text in seconds),
        Cell(f"{ratio.value:.3f}x" if ratio is not None else look.missing, style),
        Cell(look.own(span) if ratio is not None else look.missing, "dim"),
        Cell(verdict_words(row), style),
        Cell(forest.bar(ratio) if forest and ratio is not None and drawable else "", style),
    ]
