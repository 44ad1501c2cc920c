"""Say from the screen's blocks what a gate can show in its time, and how many fresh blocks each doubtful cell needs."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import replace

from ...configs.gateplan import Control, Promise, Stage
from .course import Course
from .decide import Flag, flags
from .evidence import rules_of
from .planning import EFFECTS, Noise, noises_of, sentence, stages_for
from .planning import plan as planned
from .pooled import families_of


def _noises(course: Course) -> dict[int, Noise]:
    """The noise of each cell by its screening blocks; empty where nothing can be said."""
    alive = course.alive()
    counted = [[b.difference for b in course.blocks[Stage.SCREEN].get(i, ()) if not b.dropped] for i in alive]
    seconds = [_middle(course.block_s.get(i, ()), course.plan.visit_s) for i in alive]
    try:
        return dict(zip(alive, noises_of(counted, seconds), strict=True))
    except ValueError:
        return {}


def _middle(values: Iterable[float], otherwise: float) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2] if ordered else otherwise


def promise(course: Course) -> None:
    """Let the planner say what this machine can show, and write it."""
    plan, rules = course.plan, rules_of(course.plan)
    noises = _noises(course)
    count = len(plan.cells)
    sees: list[float | None] = [None] * count
    screen, confirm = [0] * count, [0] * count
    alive = list(noises)
    families = len(families_of(course.judged(i for i in alive if plan.cells[i].control is Control.NONE)))
    spent_s = time.monotonic() - course.began
    taken_s = sum(sum(course.block_s.get(i, ())) for i in alive) + sum(course.launch_s[1:])
    budget_s = plan.time_budget_s - (spent_s - taken_s) if plan.time_budget_s else math.inf
    made = planned([noises[i] for i in alive], rules, budget_s, _middle(course.launch_s, 0.5), max(families, 1))
    for i, stages, effect in zip(alive, made.stages, made.sees, strict=True):
        sees[i], screen[i], confirm[i] = (effect if math.isfinite(effect) else None), stages.screen, stages.confirm
    own = [k for k, i in enumerate(alive) if plan.cells[i].control is Control.NONE]
    shown = replace(made, stages=tuple(made.stages[k] for k in own), sees=tuple(made.sees[k] for k in own))
    course.promise = Promise(sentence(shown), tuple(sees), tuple(screen), tuple(confirm), made.time_s)
    course.writer.append("promise", course.promise)
    course.watch.promise(course.promise)


def to_confirm(course: Course) -> dict[int, int]:
    """Cells that the screen could not let pass, with the fresh blocks that each needs by the screen's whole noise.

    Where these would take longer than there is time, a larger effect is aimed at: fewer blocks for every cell are worth more than all that
    are needed for some.
    """
    rules, plan = rules_of(course.plan), course.plan
    alive = course.alive()
    cells = course.judged(alive)
    flagged: dict[str, Flag] = flags(cells, rules)
    noises = _noises(course)
    doubtful = [
        i for i, cell in zip(alive, cells, strict=True) if cell.name in flagged and i in noises and _promised(course, i) is not None
    ]
    count = sum(cell.control is Control.NONE for cell in plan.cells)
    launch_s = _middle(course.launch_s, 0.5)
    wanted: dict[int, int] = {}
    for aim in (plan.detect, *(effect for effect in EFFECTS if effect > plan.detect)):
        stages = {i: stages_for(noises[i], max(aim, _promised(course, i) or aim), rules, count) for i in doubtful}
        wanted = {i: found.confirm for i, found in stages.items() if found is not None}
        needed_s = sum(blocks * noises[i].block_s for i, blocks in wanted.items()) + max(wanted.values(), default=0) * launch_s
        if needed_s <= course.left_s():
            break
    return wanted


def _promised(course: Course, cell: int) -> float | None:
    return course.promise.sees[cell] if course.promise is not None else None
