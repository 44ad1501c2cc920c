"""Say on a terminal what a sweep is beside a stored one: why that is weak, what failed, what is green, what nobody can tell."""

from __future__ import annotations

import math

from ..configs.gatedoc import GateDocument, GateRow, Verdict
from ..configs.units import pretty
from .cells import plural
from .look import NARROWEST, WIDEST, Line, Look, Span, flow, paint
from .sweep_words import case_words
from .tables import Cell, Column, grid, table

_MOST_ROWS = 20  # without `full`
_STYLES = {Verdict.IMPROVEMENT: "good", Verdict.EQUIVALENT: "good", Verdict.INCONCLUSIVE: "dim"}
_QUIET = (Verdict.EQUIVALENT, Verdict.INCONCLUSIVE)


def stored_screen(document: GateDocument, *, width: int = 80, color: bool = False, ascii_only: bool = False, full: bool = False) -> str:
    """The screen in lines of at most `width` cells. Cells that are equivalent or inconclusive are counted; `full` shows them, too."""
    look = Look(min(WIDEST, max(NARROWEST, width)), color, ascii_only, full)
    counts = ", ".join(f"{count} {verdict.value}" for verdict, count in document.tally().items())
    lines: list[Line] = [*flow(look.prose(f"against {document.old.word}: {counts or 'no cell'}", 400), look, rest="  ", style="strong")]
    lines += flow(look.own(f"Weaker than a gate that runs both sides. {look.prose(document.weak)}"), look, rest="  ", style="warn")
    shown = [row for row in document.rows if full or row.verdict not in _QUIET]
    rows = [_row(row, look) for row in (shown if full else shown[:_MOST_ROWS])]
    columns = (
        Column("cell", "left"),
        Column("kernel", "left"),
        Column("old", optional=True),
        Column("new", optional=True),
        Column("change"),
        Column("interval", "left", optional=True),
        Column("verdict", "left"),
    )
    lines += [(), *table(grid(columns, rows), look)] if rows else []
    if len(shown) > len(rows):
        lines.append((Span(f"{plural(len(shown) - len(rows), 'more cell')} with --full", "dim"),))
    for sentence in _sentences(document, shown):
        lines += flow(look.prose(sentence), look, first="! ", rest="  ", style="warn")
    return paint(lines, look)


def _row(row: GateRow, look: Look) -> tuple[Cell, ...]:
    known = math.isfinite(row.change)
    span = f"{100 * row.low:+.1f} to {100 * row.high:+.1f} %" if known else ""
    return (
        Cell(look.word(f"{row.case.dtype} {case_words(row.case)}", 60)),
        Cell(look.word(row.kernel, 30)),
        Cell(look.own(pretty(row.old_s, "s")) if math.isfinite(row.old_s) else look.missing),
        Cell(look.own(pretty(row.new_s, "s")) if math.isfinite(row.new_s) else look.missing),
        Cell(f"{100 * row.change:+.1f} %" if known else look.missing),
        Cell(span, "dim"),
        Cell(row.verdict.value, _STYLES.get(row.verdict, "bad")),
    )


def _sentences(document: GateDocument, shown: list[GateRow]) -> list[str]:
    """Why cells have their verdicts, what the inconclusive ones could have hidden, and notes."""
    found = list(dict.fromkeys(f"{row.verdict.value}: {row.why}" for row in shown if row.why and row.verdict not in _QUIET))[:4]
    unsure = [row for row in document.rows if row.verdict is Verdict.INCONCLUSIVE]
    smallest = sorted(row.smallest for row in unsure if math.isfinite(row.smallest))
    if smallest:
        middle = smallest[len(smallest) // 2]
        found.append(
            f"{plural(len(unsure), 'cell is', 'cells are')} inconclusive: half of them would have shown a slowdown of {100 * middle:.2g} %"
        )
    elif unsure:
        found.append(f"{plural(len(unsure), 'cell is', 'cells are')} inconclusive: {unsure[0].why}")
    return [*found, *document.notes]
