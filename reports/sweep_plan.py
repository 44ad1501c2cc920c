"""Say what a sweep would do: its cells, who takes part, how long it may take, what cannot run and why. Text and JSON of one plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..configs.codec import encode
from ..configs.plan import SweepPlan
from ..configs.shape_sets import set_title
from ..configs.sweeplog import Missing
from ..configs.units import duration_words
from .cells import plural
from .look import NARROWEST, WIDEST, Line, Look, Span, flow, joined, paint
from .sweep_notes import absent_digest, grouped_skips
from .sweep_rows import short_names
from .sweep_words import case_words
from .tables import Cell, Column, fits, grid, table

PLAN_SCHEMA = 1
_MOST_CELLS = 100


def plan_document(plan: SweepPlan, absent: Sequence[Missing]) -> dict[str, Any]:
    """The plan as one JSON document; each cell names the kernels that will be asked."""
    skipped = {(i, skip.kernel) for skip in plan.skips for i in skip.cells}
    cells = [
        {
            "cell": cell.case.name,
            "case_id": cell.case.id,
            "case": encode(cell.case),
            "origin": cell.origin,
            "kernels": [e.kernel for e in plan.entrants if (i, e.kernel) not in skipped],
        }
        for i, cell in enumerate(plan.cells)
    ]
    return {
        "schema": PLAN_SCHEMA,
        "kind": "sweep plan",
        "preset": plan.preset,
        "seed": plan.seed,
        "precision": plan.precision,
        "time_budget_s": plan.time_budget_s,
        "check": plan.check,
        "estimate_s": round(plan.estimate_s, 1),
        "cells": cells,
        "kernels": encode(plan.entrants),
        "skips": [{"kernel": s.kernel, "reason": s.reason, "cells": len(s.cells)} for s in plan.skips],
        "absent": encode(list(absent)),
        "notes": list(plan.notes),
    }


def plan_text(
    plan: SweepPlan, absent: Sequence[Missing], *, width: int = 80, color: bool = False, ascii_only: bool = False, cells: bool = False
) -> str:
    """The plan in lines of at most `width` cells; `cells` lists each of them (or sums them up, where there are very many)."""
    look = Look(min(WIDEST, max(NARROWEST, width)), color, ascii_only)
    lines: list[Line] = [*_head(plan, look)]
    if cells:
        lines += [(), *(_each(plan, look) if len(plan.cells) <= _MOST_CELLS else _sums(plan, look)), ()]
    refused = _refused(plan, absent, look)
    lines += [(Span("cannot run:", "strong"),), *refused] if refused else []
    for note in plan.notes:
        lines += flow(look.prose(note), look, first="! ", rest="  ", style="warn")
    return paint(lines, look)


def _head(plan: SweepPlan, look: Look) -> list[Line]:
    budget = f" (budget {duration_words(plan.time_budget_s)})" if plan.time_budget_s else ""
    parts = [
        f"preset {look.word(plan.preset)}" if plan.preset else "",
        f"{plural(len(plan.cells), 'cell')}, {plural(len(plan.entrants), 'kernel')}",
        f"about {duration_words(plan.estimate_s)}{budget}, a guess",
        look.own(f"±{100 * plan.precision:.3g} %"),
        f"{plan.check} check",
        f"seed {plan.seed}",
    ]
    names = short_names(plan.entrants)
    kernels = ", ".join(look.word(names[e.kernel]) for e in plan.entrants) or "none"
    return [*joined([p for p in parts if p], look), *flow(f"kernels: {kernels}", look, rest="  ")]


def _asked(plan: SweepPlan) -> Counter[int]:
    """Index of a cell -> how many kernels will be asked."""
    asked = Counter(dict.fromkeys(range(len(plan.cells)), len(plan.entrants)))
    asked.subtract(i for skip in plan.skips for i in skip.cells)
    return asked


def _each(plan: SweepPlan, look: Look) -> list[Line]:
    """A table, or where it has no room `f32 127x127x127 · 9 kernels · cube`."""
    asked = _asked(plan)
    rows = [
        (
            Cell(cell.case.dtype),
            Cell(look.word(case_words(cell.case), 100)),
            Cell(str(asked[i])),
            Cell(look.prose(cell.origin, 100)),
        )
        for i, cell in enumerate(plan.cells)
    ]
    columns = (Column("type", "left"), Column("cell, in this order", "left"), Column("kernels"), Column("origin", "left", flows=True))
    whole = grid(columns, rows)
    if fits(whole, look):
        return table(whole, look)
    lines: list[Line] = [(Span("cells, in this order", "strong"),)]
    for i, (dtype, case, _, origin) in enumerate(rows):
        lines += joined(list(filter(None, (f"{dtype.text} {case.text}", plural(asked[i], "kernel"), origin.text))), look, rest="    ")
    return lines


def _sums(plan: SweepPlan, look: Look) -> list[Line]:
    asked = _asked(plan)
    cells: Counter[tuple[str, str]] = Counter()
    rows: Counter[tuple[str, str]] = Counter()
    for i, cell in enumerate(plan.cells):
        key = cell.case.dtype, set_title(cell.origin)
        cells[key] += 1
        rows[key] += asked[i]
    body = [(Cell(key[0]), Cell(look.word(key[1])), Cell(str(count)), Cell(str(rows[key]))) for key, count in sorted(cells.items())]
    return table(grid((Column("type", "left"), Column("shapes", "left"), Column("cells"), Column("rows")), body), look)


def _refused(plan: SweepPlan, absent: Sequence[Missing], look: Look) -> list[Line]:
    """What cannot run and why: an entry for each library and kernel, with the number of cells behind each reason."""
    names = short_names(plan.entrants)
    skips = [
        (names.get(skip.kernel, skip.kernel), skip.reason, [plan.cells[i].case.dtype for i in skip.cells])
        for skip in plan.skips
        if skip.cells
    ]
    said = [*grouped_skips(skips, len(plan.cells)), *absent_digest(absent)]
    return [line for text in said for line in flow(look.prose(text, 3000), look, first=f"{look.missing} ", rest="  ")]
