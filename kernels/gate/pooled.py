"""See a small shift that all cells of a family share, too small to be seen in any one of them.

A launch visits every cell, and its cells share its luck. So a family is judged on one number a launch: the median over its cells of their
differences in that launch. These numbers are tested by signed ranks against a margin of their own, with a share of alpha that is theirs
alone, and Holm's steps over the families. Only blocks of the screen take part: every cell has them, and no one chose them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...configs.gatedoc import Verdict
from ..measure.stats import median
from .blocks import Cell, State
from .decide import holm, share_of
from .rules import Rules
from .signed_rank import bounds_of, shift_of, signed_rank_tail

ALL = "all"  # the family of all cells
LEAST_CELLS = 5  # below this a family is what its cells are
PRESENT_SHARE = 0.5  # of a family's cells must have a block that counts in a launch


@dataclass(frozen=True, slots=True)
class FamilyFinding:
    """The verdict on a family: `change`, `low` and `high` are shares."""

    family: str
    cells: int
    launches: int
    verdict: Verdict
    change: float
    low: float
    high: float
    p: float
    needed: float


def families_of(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    """The families that are tested: those with `LEAST_CELLS` timed cells or more, and all cells together."""
    timed = [cell for cell in cells if cell.state is State.TIMED]
    named: dict[str, list[Cell]] = {}
    for cell in timed:
        if cell.family:
            named.setdefault(cell.family, []).append(cell)
    kept = {name: members for name, members in named.items() if LEAST_CELLS <= len(members) < len(timed)}
    return kept | ({ALL: timed} if len(timed) >= LEAST_CELLS else {})


def launch_shifts(members: Sequence[Cell]) -> list[float]:
    """For each launch that has half of the family: the median of its differences."""
    by_launch: dict[int, list[float]] = {}
    for cell in members:
        for block in cell.screen:
            if not block.dropped:
                by_launch.setdefault(block.launch, []).append(block.difference)
    return [median(found) for _, found in sorted(by_launch.items()) if len(found) >= PRESENT_SHARE * len(members)]


def decide_families(cells: Sequence[Cell], rules: Rules) -> tuple[FamilyFinding, ...]:
    """The verdicts on the families, "all" last. A shift below the margin of families, or one not seen, is inconclusive or equivalent."""
    families = families_of(cells)
    margin = math.log1p(rules.pooled_margin)
    shifts = {name: launch_shifts(members) for name, members in families.items()}
    slower = [signed_rank_tail(found, margin).upper for found in shifts.values()]
    faster = [signed_rank_tail([-d for d in found], margin).upper for found in shifts.values()]
    worse, better = holm(slower, rules.pooled_alpha), holm(faster, rules.pooled_alpha)
    findings = []
    for i, (name, found) in enumerate(shifts.items()):
        low, high = bounds_of(found, rules.level) if found else (-math.inf, math.inf)
        p, needed = slower[i], worse[i][1]
        if worse[i][0]:
            verdict = Verdict.REGRESSION
        elif better[i][0]:
            verdict, p, needed = Verdict.IMPROVEMENT, faster[i], better[i][1]
        else:
            verdict = Verdict.EQUIVALENT if -rules.margin_log < low and high < rules.margin_log else Verdict.INCONCLUSIVE
        change = math.expm1(shift_of(found))
        ends = (math.expm1(low), share_of(high))
        findings.append(FamilyFinding(name, len(families[name]), len(found), verdict, change, *ends, p, needed))
    return tuple(findings)
