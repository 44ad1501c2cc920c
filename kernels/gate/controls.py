"""Hold the gate itself to account: a second copy of the old side, and a planted slowdown, measured in the same run as the rest.

Negative: A against A', another copy at another path. Whatever is confirmed there is bias of place or order, which more blocks never cure.
Positive: B runs 103 iterations that are billed as 100. Each such cell is found with the power of the rules, and no oftener, so a miss is
not yet a failure: with one planted cell and a power of 95 %, "must be found" would condemn one run in twenty. The run is untrusted
where so few are found that a gate with the promised power would do as badly once in a hundred runs only. One cell can never show that;
two can.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...configs.gatedoc import Verdict
from .blocks import Cell, State, discard_share
from .decide import decide
from .rules import Rules
from .signed_rank import binomial_tail

FALSE_DISTRUST = 0.01  # how often a sound run may be called untrusted, for each control
MOST_DISCARDED = 0.5  # of all blocks: at more, what is left was chosen by the disturbance


@dataclass(frozen=True, slots=True)
class Controls:
    """What the controls said. `untrusted` holds the reasons, none for a run that can be trusted."""

    same: int
    same_hits: tuple[str, ...]
    planted: int
    planted_found: int
    power: tuple[float, float]
    discarded: float
    untrusted: tuple[str, ...]
    notes: tuple[str, ...]


def judge_controls(same: Sequence[Cell], planted: Sequence[Cell], cells: Sequence[Cell], rules: Rules) -> Controls:
    """Put the control cells through the gate, and say whether the run deserves trust. `cells` are the gate's own: for the discard rate, and
    because a planted slowdown has to pass the level of one cell in that many."""
    half = FALSE_DISTRUST / 2  # slower and faster are both bias
    both = replace(rules, slower=replace(rules.slower, alpha=half), faster=replace(rules.faster, alpha=half))
    hits = tuple(f.cell for f in decide(same, both) if f.verdict in (Verdict.REGRESSION, Verdict.IMPROVEMENT))
    level = rules.cell_alpha(len(cells))
    found = sum(finding.verdict is Verdict.REGRESSION and finding.p <= level for finding in decide(planted, rules))
    discarded = discard_share([*same, *planted, *cells])
    untrusted, notes = [], []
    if hits:
        untrusted.append(f"the old side against its own copy differs on {', '.join(hits)}")
    broken = [cell.name for cell in (*same, *planted) if cell.state is not State.TIMED]
    if broken:
        untrusted.append(f"no control came of {', '.join(broken)}")
    if planted and 1 - binomial_tail(len(planted), found + 1, rules.power) <= FALSE_DISTRUST:
        untrusted.append(f"a planted slowdown was found on {found} of {len(planted)} cells, which {rules.power:.0%} power hardly explains")
    if discarded > MOST_DISCARDED:
        untrusted.append(f"{discarded:.0%} of all blocks were disturbed")
    if (1 - rules.power) ** len(planted) > FALSE_DISTRUST:
        notes.append(f"{len(planted)} planted cells are too few to tell a blind gate from bad luck")
    if not same:
        notes.append("the old side was not run against its own copy")
    power = clopper_pearson(found, len(planted))
    return Controls(len(same), hits, len(planted), found, power, discarded, tuple(untrusted), tuple(notes))


def clopper_pearson(hits: int, count: int, level: float = 0.95) -> tuple[float, float]:
    """An interval for a chance from `hits` of `count` that covers it at least as often as `level` says."""
    from scipy.special import betaincinv

    error = (1 - level) / 2
    low = 0.0 if hits == 0 else float(betaincinv(hits, count - hits + 1, error))
    high = 1.0 if hits == count else float(betaincinv(hits + 1, count - hits, 1 - error))
    return low, high
