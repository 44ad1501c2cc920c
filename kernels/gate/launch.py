"""One launch of a gate: fresh processes for both sides (and for the old side's second copy), and their visits to cells.

What is drawn anew for each launch: the size of the environment and the length of the path under which a library is loaded (each process's
own), the place of operands within a page (alike on both sides, so that neither has the better one), and which side is started first.
Address space is randomised by the system besides.

During a visit the processes hand the turn to each other (`relay`). Where they cannot (several threads, whose pools would spin beside the
other side; calls from Python; systems without a futex), the driver hands over, and stops everybody whose turn it is not.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import Any

from ...configs.codec import decode, encode
from ...configs.gateplan import Contest, Control, GateBlock, GateCell, Launch, Stage, Tuned
from ...configs.plan import Entrant, Opened
from ..host import Host
from ..measure.stats import median
from ..measure.worker import Worker, WorkerError
from .host_watch import HostWatch
from .relay import Baton

OLD, NEW, COPY = "old", "new", "copy"
_KERNELS, _GATE = "mmbench.kernels.session", "mmbench.kernels.gate.session"
_OPEN_S = 120.0
_PREPARE_S = 120.0
_VISIT_S = 60.0  # beyond what a visit should take
MOST_UNITS = 512  # timed ones of a visit: all are kept in the run file
_MOST_QUARTETS = 128
_PADDINGS = 4096  # sizes of the environment, in bytes
PATHS = 112  # lengths of the path, beyond the shortest
CLOCK_STEP = 0.05  # of the clock: halves of 96 visits on a shared guest differed by 4 % at most
_ENOUGH_CLOCKS = 32  # in each half

# A process of one side that is not started yet, and its kernel as it is seen from there; what was made for it goes when it is left.
Starter = Callable[[str, Contest, Launch], AbstractContextManager[tuple[Worker, Entrant]]]


class SideError(Exception):
    """A side fell out of a cell: which, in what state (a word of `blocks.State`), and why. `gone`: its process has to be started again."""

    def __init__(self, side: str, state: str, reason: str, *, gone: bool = False) -> None:
        super().__init__(f"{side}: {reason}")
        self.side, self.state, self.reason, self.gone = side, state, reason, gone


@dataclass(slots=True)
class Proven:
    """What is remembered over launches: digests of proven results by (contest, side, case), and by which steps they were proven."""

    digests: dict[tuple[str, str, str], str] = field(default_factory=dict)
    proofs: dict[tuple[str, str, str], str] = field(default_factory=dict)


@dataclass(slots=True)
class Ready:
    """A cell that both of its sides are ready for."""

    cell: GateCell
    old: str
    new: str
    relays: bool
    call_s: float
    proofs: tuple[str, str]
    clock_hz: float = 3e9


class Launched:
    """The processes of one launch of one contest. `with` ends them."""

    def __init__(self, contest: Contest, launch: Launch, start: Starter, host: Host, baton: Baton, baton_path: str, began: float) -> None:
        self._contest, self.launch, self._start_worker, self._host = contest, launch, start, host
        self._baton, self._baton_path, self._began = baton, baton_path, began
        self._workers: dict[str, Worker] = {}
        self._places = ExitStack()
        self._pool = ThreadPoolExecutor(3)
        self._watch = HostWatch(host.cpus[-1])
        self.opened: dict[str, Opened] = {}

    def __enter__(self) -> Launched:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End all processes, at once."""
        for worker in self._workers.values():
            worker.stop()
        self._workers.clear()
        self._places.close()
        self._pool.shutdown(cancel_futures=True)

    def open(self, sides: Sequence[str]) -> None:
        """Start these sides' processes, in the order that was drawn; SideError for one that cannot serve at all."""
        ordered = sorted(sides, key=lambda side: side != self.launch.first)
        entrants: dict[str, Entrant] = {}
        for side in ordered:
            self._workers[side], entrants[side] = self._places.enter_context(self._start_worker(side, self._contest, self.launch))
            with contextlib.suppress(WorkerError):  # `_open` meets it again and says it
                self._workers[side].start()  # from this thread: a worker ends with the thread that started it
        for side, found in zip(ordered, self._each(lambda side: self._open(side, entrants[side]), ordered), strict=True):
            self.opened[side] = found

    def _open(self, side: str, entrant: Entrant) -> Opened:
        arguments = {"entrant": encode(entrant), "host": encode(self._host)}
        try:
            return decode(Opened, self._workers[side].call(f"{_KERNELS}:open_kernel", arguments, _OPEN_S))
        except WorkerError as error:
            words = f"{error.message} ({error.hint})" if error.hint else error.message
            raise SideError(side, "crashed" if error.died else "missing", words, gone=True) from None

    def _each(self, act: Callable[[str], Any], sides: Sequence[str]) -> list[Any]:
        """`act` for every side at the same time, in threads that only wait; all have ended before a side's error is raised.

        An interrupt ends the processes, so that no thread waits on.
        """
        try:
            futures = [self._pool.submit(act, side) for side in sides]
            errors = [error for future in futures if (error := future.exception()) is not None]
        except BaseException:
            for worker in self._workers.values():
                worker.stop()
            raise
        for error in sorted(errors, key=lambda error: not (isinstance(error, SideError) and error.gone)):
            raise error
        return [future.result() for future in futures]

    def prepare(self, cell: GateCell, proven: Proven, *, thorough: bool) -> Ready:
        """Both sides ready for a cell, each result proven; SideError where one is not."""
        sides = (OLD, NEW) if cell.control is Control.NONE else (OLD, COPY)

        def ask(number: int) -> dict[str, Any]:
            side = sides[number]
            key = (cell.contest, OLD if side == COPY else side, cell.case.id)
            # Which side prepares on the CPU that is measured is drawn with the order of starting, so that it favours neither.
            place = min((number + (self.launch.first == NEW)) % 2, len(self._host.cpus) - 1)
            arguments = {"case": encode(cell.case), "digest": proven.digests.get(key, ""), "shift": self.launch.offset_bytes}
            arguments |= {"place": place, "thorough": thorough}
            answer = self._call(side, "prepare_cell", arguments, _PREPARE_S)
            if answer["status"] != "ok":
                raise SideError(side, "missing" if answer["status"] == "skipped" else "wrong", answer["reason"])
            if answer["proof"]:
                proven.proofs.setdefault(key, answer["proof"])
            proven.digests[key] = answer["digest"]
            return dict(answer)

        answers = self._each(lambda side: ask(sides.index(side)), sides)
        keys = [(cell.contest, OLD if side == COPY else side, cell.case.id) for side in sides]
        proofs = tuple(proven.proofs.get(key, "") for key in keys)
        relays = all(answer["relays"] for answer in answers)
        return Ready(cell, sides[0], sides[1], relays, answers[0]["call_s"], (proofs[0], proofs[1]))

    def finish(self, ready: Ready) -> None:
        """Look at the operands of both sides once more; SideError for damage, or for a result that is wrong now."""
        sides = (ready.old, ready.new)
        for side, problem in zip(sides, self._each(lambda side: self._call(side, "finish_cell", {}, _PREPARE_S), sides), strict=True):
            if problem:
                raise SideError(side, "wrong", f"after its turns: {problem}")

    def trace(self, ready: Ready, trace_s: float, visit_s: float) -> dict[str, Any]:
        """Calls of a unit, and units of the old side back to back (`session.tune_cell`)."""
        arguments = {"trace_s": trace_s, "visit_s": visit_s, "most_units": MOST_UNITS}
        return dict(self._call(ready.old, "tune_cell", arguments, _PREPARE_S))

    def visit(self, ready: Ready, index: int, stage: Stage, tuned: Tuned, orders: str, planted: float) -> GateBlock:
        """Quartets of turns in these orders; SideError where a side died."""
        schedules = schedule_of(orders)
        self._watch.begin()
        began = time.monotonic()
        plant = {ready.old: 0.0, ready.new: planted if ready.cell.control is Control.PLANTED else 0.0}
        numbers = {"calls": tuned.calls, "units": tuned.units, "spoiled": tuned.spoiled, "unit_s": tuned.call_s * tuned.calls}
        numbers["clock_hz"] = ready.clock_hz
        take_turns = self._relayed if ready.relays else self._driven
        answers = take_turns(ready, schedules, numbers, plant)
        wall_s = time.monotonic() - began
        times, marks = woven(schedules, answers, tuned.units)
        dropped = self._watch.end(wall_s)
        if ready.relays and clock_stepped(clocks_of(schedules, answers)):
            dropped = "+".join(filter(None, (dropped, "clock")))
        at_s, number = round(began - self._began, 3), self.launch.launch
        kept = tuple(marks) if any(marks) else ()
        return GateBlock(index, number, stage, orders, tuned.units, tuple(times), kept, dropped, at_s, round(wall_s, 4))

    def _relayed(
        self, ready: Ready, schedules: tuple[list[int], list[int]], numbers: dict[str, Any], plant: dict[str, float]
    ) -> list[dict[str, Any]]:
        self._baton.reset()
        sides = (ready.old, ready.new)
        expected_s = 4 * len(schedules[0]) * (numbers["units"] + numbers["spoiled"]) * numbers["unit_s"]

        def take(side: str) -> dict[str, Any]:
            arguments = {**numbers, "baton": self._baton_path, "schedule": schedules[sides.index(side)], "planted": plant[side]}
            try:
                return dict(self._call(side, "relay_cell", arguments, _VISIT_S + 10 * expected_s))
            except SideError:
                self._baton.abort()
                raise

        answers = self._each(take, sides)
        # The upper quartile: behind long turns half of the readings are too low, for the first microsecond is not the core's usual one.
        clocks = sorted(hz for answer in answers for hz in answer["clock_hz"] if hz > 0)
        ready.clock_hz = clocks[3 * len(clocks) // 4] if clocks else ready.clock_hz
        for side, schedule, answer in zip(sides, schedules, answers, strict=True):
            if len(answer["marks"]) != len(schedule):
                raise SideError(side, "crashed", "the turns of this visit ended early")
        return answers

    def _driven(
        self, ready: Ready, schedules: tuple[list[int], list[int]], numbers: dict[str, Any], plant: dict[str, float]
    ) -> list[dict[str, Any]]:
        sides = (ready.old, ready.new)
        taken: list[dict[str, Any]] = [{"time_s": [], "marks": []} for _ in sides]
        for side in sides:
            self._workers[side].pause()
        owner = dict.fromkeys(schedules[0], 0) | dict.fromkeys(schedules[1], 1)
        for turn in sorted(owner):
            side = sides[owner[turn]]
            answer = self._call(side, "turn_cell", {**numbers, "planted": plant[side]}, _VISIT_S + 100 * numbers["unit_s"])
            self._workers[side].pause()
            for name in ("time_s", "marks"):
                taken[owner[turn]][name].extend(answer[name])
        return taken

    def _call(self, side: str, function: str, arguments: dict[str, Any], timeout_s: float) -> Any:
        try:
            return self._workers[side].call(f"{_GATE}:{function}", arguments, timeout_s)
        except WorkerError as error:
            if not error.died:
                raise SideError(side, "crashed", f"{error.message} ({error.hint})" if error.hint else error.message, gone=True) from None
            raise SideError(side, "timeout" if error.hung else "crashed", error.message, gone=True) from None


def schedule_of(orders: str) -> tuple[list[int], list[int]]:
    """Numbers of the turns of the old and of the new side: `a` is old new new old, `b` the other way round."""
    sides: tuple[list[int], list[int]] = ([], [])
    for quartet, letter in enumerate(orders):
        outer = 0 if letter == "a" else 1
        for place in range(4):
            sides[outer if place in (0, 3) else 1 - outer].append(4 * quartet + place)
    return sides


def woven(schedules: tuple[list[int], list[int]], answers: Sequence[dict[str, Any]], units: int) -> tuple[list[float], list[str]]:
    """Times of units and marks of turns, in the order of time."""
    turns = sum(map(len, schedules))
    times: list[float] = [0.0] * (turns * units)
    marks = [""] * turns
    for schedule, answer in zip(schedules, answers, strict=True):
        for i, turn in enumerate(schedule):
            times[turn * units : (turn + 1) * units] = [float(f"{t:.5g}") for t in answer["time_s"][i * units : (i + 1) * units]]
            marks[turn] = answer["marks"][i]
    return times, marks


def clocks_of(schedules: tuple[list[int], list[int]], answers: Sequence[dict[str, Any]]) -> list[float]:
    """The core's clock behind each turn (Hz, 0 where unknown), in the order of time."""
    clocks = [0.0] * sum(map(len, schedules))
    for schedule, answer in zip(schedules, answers, strict=True):
        for turn, clock_hz in zip(schedule, answer["clock_hz"], strict=True):
            clocks[turn] = float(clock_hz)
    return clocks


def clock_stepped(clocks: Sequence[float]) -> bool:
    """Whether the core ran at another clock in one half of the visit than in the other, by the medians of both.

    Of halves, because each holds both sides alike: a side whose vectors slow the core does so in both. One reading is a chain of a
    microsecond, which a neighbour may slow to a third (one in ten on a shared guest), so a visit of few turns is not judged by it, and no
    turn ever is.
    """
    known = [[hz for hz in half if hz > 0] for half in (clocks[: len(clocks) // 2], clocks[len(clocks) // 2 :])]
    if min(map(len, known)) < _ENOUGH_CLOCKS:
        return False
    first, second = map(median, known)
    return abs(first / second - 1) > CLOCK_STEP


def quartets_of_visit(tuned: Tuned, visit_s: float, least: int) -> int:
    """How many quartets fill a visit; no fewer than `least`, and no more units than are kept."""
    quartet_s = 4 * ((tuned.units + tuned.spoiled) * tuned.calls * tuned.call_s + tuned.switch_s)
    return max(least, min(_MOST_QUARTETS, MOST_UNITS // (4 * tuned.units), round(visit_s / max(quartet_s, 1e-9))))


def drawn_orders(count: int, order: random.Random) -> str:
    """A fair coin for each quartet."""
    return "".join(order.choice("ab") for _ in range(count))


def drawn_launch(number: int, stage: Stage, order: random.Random) -> Launch:
    """What this launch's processes get."""
    return Launch(number, stage, order.randrange(_PADDINGS), order.randrange(PATHS), 64 * order.randrange(64), order.choice((OLD, NEW)))


def turned(drawn: int, size: int, side: str) -> int:
    """What was drawn below `size`, moved on for each side, so that all are drawn evenly and no two are the same."""
    return (drawn + (OLD, NEW, COPY).index(side) * size // 3) % size


def padding(launch: Launch, side: str) -> dict[str, str]:
    """The variable that makes the environment so many bytes larger."""
    return {"MMBENCH_PADDING": "x" * turned(launch.environment_bytes, _PADDINGS, side)}
