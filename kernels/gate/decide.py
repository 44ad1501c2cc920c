"""Decide for every cell: regression, improvement, equivalent, or inconclusive with the smallest effect that it could have seen.

Screen, then confirm. The screen (`flags`) asks of each cell whether a slowdown of the size to detect can be excluded; cells where it
cannot go on to fresh blocks. Only fresh blocks can confirm. Since their test holds its level whatever the screen saw, the error over the
whole grid is kept by Holm's steps over all m cells, in which a cell that was not flagged has p = 1 (Holm, Scand. J. Statist. 6 (1979) 65).
m counts every planned cell, those that crashed too.

Equivalent means that the whole interval lies within the effect to detect. A cell that was never timed on both sides, or was wrong, is
named so, and is never green.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...configs.gatedoc import Verdict
from .blocks import Cell, State, counted
from .planning import Noise, noises_of, smallest_effect
from .rules import Direction, Rules
from .signed_rank import bounds_of, shift_of, signed_rank_tail, upper_bound


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict on a cell. `change`, `low` and `high` are shares (0.03: 3 % more time), NaN or infinite where nothing is known.

    `p` and `needed` are those of the verdict's direction (slower, where it has none): its p-value and the level of its Holm step.
    `smallest` is the least slowdown that its blocks would have confirmed, 0 where that question does not arise. `could_hide` says that a
    slowdown of the size to detect is not excluded: the one thing that an inconclusive cell must own up to.
    """

    cell: str
    family: str
    verdict: Verdict
    change: float = math.nan
    low: float = -math.inf
    high: float = math.inf
    p: float = 1.0
    needed: float = 0.0
    blocks: int = 0
    confirmed_on: int = 0
    dropped: int = 0
    smallest: float = 0.0
    could_hide: bool = True
    why: str = ""


@dataclass(frozen=True, slots=True)
class Flag:
    """A cell to confirm: in which directions the screen could not let it pass, and the upper end of its interval (a share)."""

    cell: str
    slower: bool
    faster: bool
    upper: float


def flags(cells: Sequence[Cell], rules: Rules) -> dict[str, Flag]:
    """The cells that go on to fresh blocks, by name. A timed cell without a block that counts is among them."""
    found = {}
    for cell in cells:
        if cell.state is State.TIMED:
            differences = counted(cell.screen)
            effect = math.log1p(max(cell.sees, rules.detect)) if math.isfinite(cell.sees) else rules.detect_log
            slower = _flagged(differences, effect, rules.slower)
            faster = _flagged([-d for d in differences], effect, rules.faster)
            if slower or faster:
                found[cell.name] = Flag(cell.name, slower, faster, share_of(_upper(differences, (1 - rules.level) / 2)))
    return found


def share_of(difference: float) -> float:
    """A difference of logs as a share; infinite beyond what a double holds."""
    return math.expm1(difference) if difference < 700 else math.inf


def _upper(differences: Sequence[float], error: float) -> float:
    return upper_bound(differences, error) if differences else math.inf


def _flagged(differences: Sequence[float], effect: float, direction: Direction) -> bool:
    """Whether one direction cannot be let pass."""
    if direction.miss < 1 and _upper(differences, direction.miss) >= effect:
        return True
    return direction.flag_alpha > 0 and signed_rank_tail(differences).upper <= direction.flag_alpha


def holm(p_values: Sequence[float], alpha: float) -> list[tuple[bool, float]]:
    """(rejected, the level that it was held against) of each p-value, in order: the family-wise error stays below `alpha`.

    What comes after the first failure is held against the level of that failure's step: it would not have helped to come sooner.
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    found = [(False, 0.0)] * len(p_values)
    going = True
    level = 0.0
    for step, i in enumerate(order):
        if going:
            level = alpha / (len(p_values) - step)
            going = p_values[i] <= level
        found[i] = (going, level)
    return found


def decide(cells: Sequence[Cell], rules: Rules, noises: Mapping[str, Noise] | None = None) -> tuple[Finding, ...]:
    """The verdicts, in the order of the cells. `noises` (by cell) serve `smallest`; left out, they come from the screen's blocks.

    ValueError for two cells of one name.
    """
    if len({cell.name for cell in cells}) != len(cells):
        raise ValueError("two cells have one name")
    flagged = flags(cells, rules)
    fresh = {cell.name: counted(cell.confirm) for cell in cells if cell.name in flagged}
    slower = [_p_value(fresh.get(cell.name, []), rules.margin_log) for cell in cells]
    faster = [_p_value([-d for d in fresh.get(cell.name, [])], rules.margin_log) for cell in cells]
    worse = holm(slower, rules.slower.alpha / rules.looks)
    better = holm(faster, rules.faster.alpha / rules.looks)
    noises = noises if noises is not None else _noises(cells)
    findings = []
    for i, cell in enumerate(cells):
        if cell.state is not State.TIMED:
            findings.append(Finding(cell.name, cell.family, Verdict(cell.state.value), why=cell.note or _WHY[cell.state]))
            continue
        blocks = fresh[cell.name] if fresh.get(cell.name) else counted(cell.screen)
        if worse[i][0]:
            verdict, p, needed = Verdict.REGRESSION, slower[i], worse[i][1]
        elif better[i][0]:
            verdict, p, needed = Verdict.IMPROVEMENT, faster[i], better[i][1]
        else:
            verdict, p, needed = None, slower[i], worse[i][1]
        findings.append(_finding(cell, blocks, verdict, (p, needed), rules, (noises.get(cell.name), len(cells), cell.name in flagged)))
    return tuple(findings)


_WHY = {
    State.DELETED: "the old side has this cell, the new one does not",
    State.MISSING: "planned, and never timed",
    State.CRASHED: "a side crashed",
    State.TIMEOUT: "a side did not come to an end",
    State.WRONG: "a side gave a wrong result",
}


def _p_value(differences: Sequence[float], margin: float) -> float:
    return signed_rank_tail(differences, margin).upper if differences else 1.0


def _noises(cells: Sequence[Cell]) -> dict[str, Noise]:
    """Noise from the screen; empty where no cell has enough blocks."""
    timed = [cell for cell in cells if cell.state is State.TIMED]
    try:
        return dict(zip((cell.name for cell in timed), noises_of([counted(c.screen) for c in timed], [0.0] * len(timed)), strict=True))
    except ValueError:
        return {}


def _finding(
    cell: Cell,
    blocks: Sequence[float],
    verdict: Verdict | None,
    evidence: tuple[float, float],
    rules: Rules,
    background: tuple[Noise | None, int, bool],
) -> Finding:
    """One timed cell: estimate, interval, and the verdict where the tests have none."""
    noise, count, flagged = background
    low, high = bounds_of(blocks, rules.level) if blocks else (-math.inf, math.inf)
    confirmed_on = len(counted(cell.confirm)) if flagged else 0
    smallest, why = 0.0, ""
    could_hide = high >= rules.detect_log
    if verdict is None:
        if -rules.detect_log < low and high < rules.detect_log:
            verdict = Verdict.EQUIVALENT
        else:
            verdict = Verdict.INCONCLUSIVE
            smallest = _could_have_seen(cell, confirmed_on, noise, rules, count, flagged)
            why = _why_inconclusive(confirmed_on, flagged, smallest, could_hide)
    return Finding(
        cell.name,
        cell.family,
        verdict,
        math.expm1(shift_of(blocks)),
        math.expm1(low),
        share_of(high),
        *evidence,
        len(blocks),
        confirmed_on,
        sum(bool(block.dropped) for block in (*cell.screen, *cell.confirm)),
        smallest,
        could_hide or verdict is Verdict.REGRESSION,
        why,
    )


def _could_have_seen(cell: Cell, confirmed_on: int, noise: Noise | None, rules: Rules, count: int, flagged: bool) -> float:
    """The smallest slowdown that would have been confirmed; for a cell that was let pass, the one that it was screened for."""
    if not flagged:
        return max(cell.sees, rules.detect)
    return smallest_effect(confirmed_on, noise, rules, count) if noise else math.inf


def _why_inconclusive(confirmed_on: int, flagged: bool, smallest: float, could_hide: bool) -> str:
    if not could_hide:
        return "the slowdown to detect is excluded; a speed-up of that size is neither shown nor excluded"
    if not flagged:
        return f"the screen excludes a slowdown of {100 * smallest:.3g} %, and no less than that"
    if not confirmed_on:
        return "the screen could not let it pass, and no fresh block was taken"
    if math.isinf(smallest):
        return f"{confirmed_on} fresh blocks are too few to confirm anything"
    return f"{confirmed_on} fresh blocks would have confirmed {100 * smallest:.2g} % or more"
