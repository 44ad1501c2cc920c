"""Choose how a cell is measured from what is measured on it now: calls of a unit, units that a switch spoils, units of a turn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ...configs.gateplan import GatePlan, Stage, Tuned, TurnRate
from ..measure.stats import MAD_TO_SD, median
from .course import Course
from .launch import Launched, Ready, quartets_of_visit
from .turn_length import choose_turn, turn_costs

_LENGTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)  # units a turn that are rated
_TRACE_S = 0.1
_ENOUGH_QUARTETS = 16
_PILOT_UNITS = 4
_PILOT_QUARTETS = 6
_COOLED = 0.003  # a first unit after the switch that is slower by more than this, and by more than chance, is not counted
_MOST_SPOILED = 2


def tune(course: Course, launched: Launched, ready: Ready, index: int) -> None:
    """How this cell is measured: calls of a unit, units that a switch spoils, units of a turn; a control takes what its cell has."""
    twin = next((i for i in course.tuned if _same_cell(course.plan, i, index)), None)
    if twin is not None:
        tuned = replace(course.tuned[twin], cell=index)
    else:
        found = launched.trace(ready, _TRACE_S, course.plan.visit_s)
        first = Tuned(index, int(found["calls"]), 1, 0, float(found["call_s"]))
        spoiled, switch_s = _spoiled(launched, ready, first, index)
        measured = replace(first, spoiled=spoiled, switch_s=switch_s)
        rates = turn_costs(found["trace_s"], _lengths(measured, course.plan), switch_s, spoiled)
        units = choose_turn(rates).calls if rates else 1
        tuned = replace(
            measured,
            units=units,
            costs=tuple(TurnRate(rate.calls, rate.variance_s) for rate in rates),
            cost_error=rates[0].relative_error if rates else 0.0,
        )
    tuned = replace(tuned, handoff="futex" if ready.relays else "driver", proofs=ready.proofs)
    course.tuned[index] = tuned
    course.clocks[index] = ready.clock_hz
    course.writer.append("tuned", tuned)


def _lengths(tuned: Tuned, plan: GatePlan) -> list[int]:
    """Lengths of turns by which a visit still holds enough quartets for a median that a few wild ones do not move; one unit at least."""
    return [k for k in _LENGTHS if quartets_of_visit(replace(tuned, units=k), plan.visit_s, plan.quartets) >= _ENOUGH_QUARTETS] or [1]


def _same_cell(plan: GatePlan, one: int, other: int) -> bool:
    return (plan.cells[one].case, plan.cells[one].contest) == (plan.cells[other].case, plan.cells[other].contest)


def _spoiled(launched: Launched, ready: Ready, tuned: Tuned, index: int) -> tuple[int, float]:
    """(units that are slow after a switch, seconds that a switch takes), from turns of four units in which none is left out."""
    turns = replace(tuned, units=_PILOT_UNITS)
    visit = launched.visit(ready, index, Stage.PILOT, turns, "ab" * (_PILOT_QUARTETS // 2), 0.0)
    groups = [visit.times_s[at : at + _PILOT_UNITS] for at in range(0, len(visit.times_s), _PILOT_UNITS)]
    switch_s = max(0.0, (visit.wall_s - sum(visit.times_s) * tuned.calls) / len(groups)) if ready.relays else 0.0
    return spoiled_of(groups), switch_s


def spoiled_of(groups: Sequence[Sequence[float]]) -> int:
    """How many units at the beginning of a turn are slower than those behind them, by more than chance, out of the times of turns."""
    count = 0
    while count < _MOST_SPOILED:
        logs = [math.log(group[count] / median(list(group[count + 1 :]))) for group in groups if min(group) > 0]
        middle = median(logs) if logs else 0.0
        doubt = 1.25 * MAD_TO_SD * median([abs(x - middle) for x in logs]) / math.sqrt(len(logs)) if logs else 0.0
        if middle <= max(_COOLED, 2 * doubt):
            break
        count += 1
    return count
