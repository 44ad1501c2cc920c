"""Run a gate: prove and tune each cell, screen, promise, confirm on fresh launches only. What to do next is decided by pure functions.

A round is one launch of every contest that still has something to do; a cell gets one block of it. Rounds go on until every cell has the
blocks that the plan gives it (blocks that were dropped are taken again, up to twice as many), first for the screen, then for the cells that
the screen could not let pass. Every block is a line in the run file before the next one begins, so a gate that was cut off goes on where it
was: what its file holds is never measured again.
"""

from __future__ import annotations

import contextlib
import math
import os
import random
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from ...configs.errors import NotPossibleError
from ...configs.gatelog import Gate
from ...configs.gateplan import CellState, Contest, Control, GateOpened, GatePlan, Launch, Stage
from ...configs.plan import Entrant, Opened, SweepEnd
from ...configs.store import RunWriter
from ...configs.units import duration_words
from ..host import Host
from .course import Course, GateWatch
from .foresight import promise, to_confirm
from .launch import COPY, NEW, OLD, Launched, SideError, Starter, drawn_launch, drawn_orders, quartets_of_visit
from .relay import Baton, shared_folder
from .tuning import tune

PILOT_ROUNDS = 6  # of the screen, before the planner speaks: noise needs four blocks of a cell, and these lose some
_LONGEST_VISIT_S = 0.4
_TRIES = 2  # blocks that are taken at most, in multiples of those that are to count


def run_gate(
    plan: GatePlan,
    *,
    host: Host,
    writer: RunWriter,
    watch: GateWatch,
    start: Starter,
    seen: Gate | None = None,
) -> SweepEnd:
    """Run what `seen` (the same gate, cut off) does not hold yet; KeyboardInterrupt passes through after an `end` was written.

    NotPossibleError where the old side cannot be used in any contest.
    """
    began = time.monotonic()
    finished, reason = False, "interrupted"
    with _shared_page() as (baton, path):
        course = Course(plan, host, writer, watch, start, baton, path, began)
        if seen is not None:
            course.remember(seen)
        try:
            with _apart(host.cpus):
                finished, reason = _stages(course)
        finally:
            wall_s = time.monotonic() - began
            course.parts_s["other"] = max(0.0, wall_s - sum(course.parts_s.values()))
            end = SweepEnd(finished, wall_s, dict(course.parts_s), reason)
            writer.append("end", end)
    return end


@contextlib.contextmanager
def _shared_page() -> Iterator[tuple[Baton, str]]:
    folder = tempfile.mkdtemp(prefix="mmbench-gate-", dir=shared_folder())
    try:
        path = Path(folder) / "baton"
        yield Baton(path, create=True), str(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _apart(cpus: tuple[int, ...]) -> Iterator[None]:
    """Keep this process off the CPU that is measured, which is the last one, where there are others."""
    if len(cpus) < 2 or not hasattr(os, "sched_setaffinity"):
        yield
        return
    os.sched_setaffinity(0, cpus[:-1])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cpus)


def _stages(course: Course) -> tuple[bool, str]:
    """Pilot, screen, promise, the rest of the screen, confirm; (whether all that was planned was done, why not)."""
    untuned = [i for i in course.alive() if i not in course.tuned]
    if untuned:
        course.watch.stage(Stage.PILOT, len(untuned), 1)
        if not _round(course, Stage.PILOT, untuned):
            return False, _out_of_time(course)
    if not course.alive():
        return True, "no cell could be timed on both sides"
    if course.promise is None:
        if not _fill(course, Stage.SCREEN, dict.fromkeys(course.alive(), PILOT_ROUNDS)):
            return False, _out_of_time(course)
        promise(course)
    assert course.promise is not None
    if all(_sees_nothing(s) for s in course.promise.sees):
        return False, "the time budget is too short to show anything on any cell"
    if not _fill(course, Stage.SCREEN, {i: course.promise.screen[i] for i in course.alive()}):
        return False, _out_of_time(course)
    wanted = to_confirm(course)
    if wanted and not _fill(course, Stage.CONFIRM, wanted):
        return False, _out_of_time(course)
    return True, ""


def _sees_nothing(sees: float | None) -> bool:
    return sees is None or not math.isfinite(sees)


def _out_of_time(course: Course) -> str:
    return f"the time budget of {duration_words(course.plan.time_budget_s)} ended"


def _fill(course: Course, stage: Stage, wanted: Mapping[int, int]) -> bool:
    """Rounds until each cell has as many blocks that count as are wanted of it; False where the time was up before."""

    def lacking() -> list[int]:
        found = []
        for cell, count in wanted.items():
            taken = len(course.blocks[stage].get(cell, ()))
            if cell not in course.fallen and course.counted(stage, cell) < count and taken < _TRIES * count:
                found.append(cell)
        return found

    cells = lacking()
    if cells:
        course.watch.stage(stage, len(cells), max(wanted[i] - course.counted(stage, i) for i in cells))
    while cells:
        if course.left_s() <= 0 or not _round(course, stage, cells):
            return False
        cells = lacking()
    return True


def _round(course: Course, stage: Stage, cells: list[int]) -> bool:
    """One launch of every contest that has some of these cells; False where the time was up within it."""
    order = random.Random(f"{course.plan.seed}/{course.launches}")
    launch = drawn_launch(course.launches, stage, order)
    course.writer.append("launch", launch)
    course.launches += 1
    started_s = course.parts_s["starting"]
    complete = True
    for contest in course.plan.contests:
        mine = [i for i in cells if course.plan.cells[i].contest == contest.name]
        order.shuffle(mine)
        while mine and complete:
            mine, complete = _visits(course, contest, launch, stage, mine, order)
    course.launch_s.append(course.parts_s["starting"] - started_s)
    return complete


def _visits(
    course: Course, contest: Contest, launch: Launch, stage: Stage, cells: list[int], order: random.Random
) -> tuple[list[int], bool]:
    """Visit these cells with one pair of processes; (cells left over because a process died, whether there was time for all)."""
    own = [i for i in cells if course.plan.cells[i].control is Control.NONE]
    sides = [OLD, *([NEW] if own else []), *([COPY] if len(own) < len(cells) else [])]
    with Launched(contest, launch, course.start, course.host, course.baton, course.baton_path, course.began) as launched:
        since = time.monotonic()
        try:
            launched.open(sides)
        except SideError as error:
            return _not_opened(course, cells, own, error), True
        finally:
            course.parts_s["starting"] += time.monotonic() - since
        for side in sides:
            if side != COPY and (contest.name, side) not in course.told:
                course.told.add((contest.name, side))
                info = GateOpened(contest.name, side, _at_home(contest.old if side == OLD else contest.new, launched.opened[side]))
                course.writer.append("gate_opened", info)
                course.watch.opened(info)
        visit_s = _visit_s(course, len(cells))
        for number, index in enumerate(cells):
            if course.left_s() <= 0:
                return [], False
            course.watch.cell(stage, number, len(cells), course.plan.cells[index].name, course.left_s())
            try:
                _one(course, launched, stage, index, visit_s, order)
            except SideError as error:
                _fell(course, index, error)
                if error.gone:
                    return cells[number + 1 :], True
    return [], True


def _at_home(entrant: Entrant, opened: Opened) -> Opened:
    """With the library's file where it lies, and not where this launch saw it."""
    return replace(opened, files=(entrant.path, *opened.files[1:])) if entrant.path and opened.files else opened


def _visit_s(course: Course, cells: int) -> float:
    """How long a cell is visited: longer where so few cells share a launch that starting processes would be most of the time."""
    shared_s = course.launch_s[-1] / cells if course.launch_s else 0.0
    return max(course.plan.visit_s, min(_LONGEST_VISIT_S, shared_s))


def _one(course: Course, launched: Launched, stage: Stage, index: int, visit_s: float, order: random.Random) -> None:
    """One cell of one launch: ready, proven, measured, looked at again, written."""
    cell = course.plan.cells[index]
    since = time.monotonic()
    ready = launched.prepare(cell, course.proven, thorough=course.plan.check == "full")
    ready.clock_hz = course.clocks.get(index, ready.clock_hz)
    prepared = time.monotonic()
    course.parts_s["proving"] += prepared - since
    if index not in course.tuned:
        tune(course, launched, ready, index)
        course.parts_s["tuning"] += time.monotonic() - prepared
        prepared = time.monotonic()
    if stage is not Stage.PILOT:
        tuned = course.tuned[index]
        if ready.relays and index not in course.clocks and cell.control is Control.PLANTED:
            launched.visit(ready, index, Stage.PILOT, tuned, "a", 0.0)  # tells the clock that the planted chain is measured by
        orders = drawn_orders(quartets_of_visit(tuned, visit_s, course.plan.quartets), order)
        visit = launched.visit(ready, index, stage, tuned, orders, course.plan.planted)
        course.clocks[index] = ready.clock_hz
        course.keep(visit)
    course.parts_s["sampling"] += time.monotonic() - prepared
    launched.finish(ready)
    if stage is not Stage.PILOT:
        course.block_s.setdefault(index, []).append(time.monotonic() - since)


def _fell(course: Course, index: int, error: SideError) -> None:
    """A cell is out: written, and never green. What only the new side lacks was there before: it is deleted."""
    state = error.state
    if state == "missing" and error.side == NEW:
        state = "deleted"
    side = OLD if error.side == COPY else error.side
    fallen = CellState(index, state, side, error.reason)
    course.fallen[index] = fallen
    course.writer.append("state", fallen)
    course.watch.state(course.plan.cells[index].name, fallen)


def _not_opened(course: Course, cells: list[int], own: list[int], error: SideError) -> list[int]:
    """A side's process could not be had; the cells that are left. Once may be chance, as where memory is short: all are tried again. The
    second time those that need this side are out. NotPossibleError where it is the old side and nothing was measured yet.
    """
    if error.side != NEW and not any(course.blocks[Stage.SCREEN].values()) and len(course.plan.contests) == 1:
        message = f"the old side ({course.plan.old.word}) cannot be used: {error.reason}"
        raise NotPossibleError(message, "see what it needs with mmbench doctor")
    if (cells[0], error.side) not in course.retried:
        course.retried.add((cells[0], error.side))
        return cells
    needing = {NEW: own, COPY: [i for i in cells if i not in own]}.get(error.side, cells)
    for index in needing:
        _fell(course, index, error)
    return [i for i in cells if i not in needing]
