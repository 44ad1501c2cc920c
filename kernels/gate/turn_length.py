"""Choose how long a turn lasts before the other side takes over, from timings recorded on this machine a moment ago.

The trace is one of equal code: calls of one kernel, back to back. Cut into quartets of turns of k calls, it gives differences whose true
value is nought, so their squares are variance. What counts is variance for each second of measuring: a short turn sees more of the same
neighbours on both sides, and pays more hand-offs. Neighbouring quartets hang together, so the spread is taken over the medians of
`SEGMENTS` stretches of the trace, never over single quartets.

Flaw: a trace of one process holds no hand-off. What a switch costs (`switch_s`) and how many calls it spoils (`spoiled`) come from outside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

SEGMENTS = 24
LEAST_SEGMENTS = 8


@dataclass(frozen=True, slots=True)
class TurnCost:
    """What turns of `calls` timed calls buy: variance of the robust centre times seconds of measuring, and its relative error."""

    calls: int
    turn_s: float
    variance_s: float
    relative_error: float


def turn_cost(trace_s: ArrayLike, calls: int, switch_s: float = 0.0, spoiled: int = 1) -> TurnCost | None:
    """The cost of turns of `calls` calls, of which none of the `spoiled` first ones counts; None where the trace is too short for it."""
    trace = np.log(np.asarray(trace_s, dtype=np.float64).ravel())
    if not np.all(np.isfinite(trace)):
        raise ValueError("a trace holds times above nought only")
    width = calls + spoiled
    quartets = trace.size // (4 * width)
    segments = min(SEGMENTS, quartets)
    if calls < 1 or segments < LEAST_SEGMENTS:
        return None
    turns = np.median(trace[: quartets * 4 * width].reshape(quartets, 4, width)[:, :, spoiled:], axis=2)
    differences = (turns[:, 1] + turns[:, 2] - turns[:, 0] - turns[:, 3]) / 2
    medians = np.array([np.median(part) for part in np.array_split(differences, segments)])
    call_s = float(np.exp(trace).mean())
    quartet_s = 4 * (width * call_s + switch_s)
    variance_s = float(np.mean(medians**2)) * quartet_s * quartets / segments
    return TurnCost(calls, width * call_s + switch_s, variance_s, math.sqrt(2 / segments))


def turn_costs(trace_s: ArrayLike, lengths: Sequence[int], switch_s: float = 0.0, spoiled: int = 1) -> list[TurnCost]:
    """The costs of all lengths that the trace is long enough for."""
    return [cost for calls in lengths if (cost := turn_cost(trace_s, calls, switch_s, spoiled))]


def choose_turn(costs: Sequence[TurnCost]) -> TurnCost:
    """The longest turn that is not told apart from the best: fewer hand-offs do less to caches. ValueError for none."""
    if not costs:
        raise ValueError("no turn length could be rated: the trace is too short")
    best = min(costs, key=lambda cost: cost.variance_s)
    return max((c for c in costs if c.variance_s <= best.variance_s * (1 + best.relative_error)), key=lambda cost: cost.calls)
