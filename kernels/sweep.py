"""Run a sweep's plan: one worker a kernel, cells in the plan's order, and within a cell the kernels in turns, shuffled each round.

A cell goes like this. Every kernel that serves it is made ready and proven (`session.prepare_case`), two at a time. Those that passed take
turns of some milliseconds in an order that is drawn anew for each round, until each is known to the stated precision or the cell's
time is up; so all kernels of a cell see the same moments of a noisy machine. Then each is looked at once more, and its row is written.

While one kernel runs, all others are stopped (SIGSTOP), so that no pool of spinning threads takes a core from it. A kernel that dies, hangs
or is wrong loses this cell; its worker is started again for the next one. Rows are written when they are finished, and a row that was
written is never measured again by a resumed sweep.
"""

from __future__ import annotations

import contextlib
import math
import random
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar

from ..configs.cases import Case, Check, Measurement, Samples, Status, Variant
from ..configs.codec import decode, encode
from ..configs.machine import Machine
from ..configs.plan import Cell, Entrant, Opened, SweepEnd, SweepPlan
from ..configs.store import RunWriter
from .causes import likely_cause_of_death
from .host import Host
from .measure.stats import LEAST_CLEAN, counting, half_width_share, interval_over_time
from .measure.worker import Worker, WorkerError
from .roofline import Roofs, elsewhere

_SESSION = "mmbench.kernels.session"
T = TypeVar("T")
TURN_S = 0.012
_LEAST_ROUNDS = 3
_LEAST_KERNEL_S = 0.33  # each kernel is looked at for so long at least: noise of a shared machine comes and goes over tenths of a second
_MOST_ROUNDS = 60
_CELL_S = 4.0  # without a budget: what a cell of short calls may take, beyond its least rounds
_OPEN_S = 120.0  # a framework takes its time to be imported
CASE_TIMEOUT_S = 60.0
_FRAMEWORK_PATIENCE = 4.0  # Modular MAX took up to 112 s to build a graph
_PROVEN_AT_ONCE = 2  # nothing is timed meanwhile, save how long a first call takes
_CRASHES_LEFT_OUT = 3  # cells in a row that a kernel may crash in before it is left out of the rest


class Watch(Protocol):
    """What the command line shows while a sweep runs; a test records it."""

    def started(self, plan: SweepPlan) -> None:
        """The plan is about to begin."""

    def opened(self, info: Opened) -> None:
        """A kernel's worker answered, or did not (`problem`)."""

    def cell(self, index: int, total: int, cell: Cell, left_s: float) -> None:
        """A cell begins; `left_s` is the time left by what was seen so far."""

    def noise(self, share: float) -> None:
        """What stands behind ± (`stats.half_width_share`), of the cell's worst kernel so far."""

    def row(self, row: Measurement) -> None:
        """A row was written."""

    def note(self, text: str) -> None:
        """Something to know."""


@dataclass(slots=True)
class _Entry:
    """One kernel of the sweep: its worker, and what is going on in the present cell."""

    entrant: Entrant
    worker: Worker
    opened: Opened | None = None
    crashes: int = 0
    samples: dict[str, list[Any]] = field(default_factory=dict)
    answer: dict[str, Any] = field(default_factory=dict)
    fault: WorkerError | None = None  # how it died while it was opened
    step: str = ""  # of the gate, that it was in when it was heard of last

    @property
    def each_s(self) -> list[float]:
        """Seconds a call, of the samples that count."""
        times, calls = self.samples["time_s"], self.samples["calls"]
        return [times[i] / calls[i] for i in counting(times, self.samples["dirty"])]

    def spread(self) -> float:
        """What stands behind ±, the same as on every screen; infinite below the least number of samples."""
        each = self.each_s
        return half_width_share(*interval_over_time(each)) if len(each) >= LEAST_CLEAN else math.inf


@dataclass(slots=True)
class _Sweep:
    """A sweep under way."""

    plan: SweepPlan
    host: Host
    roofs: Roofs
    writer: RunWriter
    watch: Watch
    timeout_s: float
    entries: dict[str, _Entry]
    began: float
    parts_s: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("starting", "proving", "sampling", "finishing"), 0.0))

    def spend(self, part: str, since: float) -> None:
        """Book the time since a moment."""
        self.parts_s[part] += time.monotonic() - since

    def left_s(self) -> float:
        """What is left of the budget; infinite without one."""
        budget = self.plan.time_budget_s
        return budget - (time.monotonic() - self.began) if budget else float("inf")


def run_sweep(
    plan: SweepPlan,
    *,
    host: Host,
    machine: Machine | None,
    writer: RunWriter,
    watch: Watch,
    done: frozenset[tuple[str, str]] = frozenset(),
    timeout_s: float = CASE_TIMEOUT_S,
    make_worker: Callable[[], Worker] = Worker,
) -> SweepEnd:
    """Run what is not `done` (pairs of case id and kernel) and write it; KeyboardInterrupt passes through after an `end` was written.

    `timeout_s` is how long one kernel may take to make one case ready before it counts as hung; a framework, which compiles a graph,
    gets `_FRAMEWORK_PATIENCE` times that.
    """
    began = time.monotonic()
    entries = {e.kernel: _Entry(e, make_worker()) for e in plan.entrants}
    sweep = _Sweep(plan, host, Roofs.of(machine), writer, watch, timeout_s, entries, began)
    watch.started(plan)
    finished, reason = False, "interrupted"
    try:
        _open_all(sweep, _needed(plan, done))
        finished, reason = _run_cells(sweep, done)
    finally:
        for entry in entries.values():
            entry.worker.stop()
        wall_s = time.monotonic() - began
        sweep.parts_s["other"] = max(0.0, wall_s - sum(sweep.parts_s.values()))
        end = SweepEnd(finished, wall_s, dict(sweep.parts_s), reason)
        writer.append("end", end)
    return end


def _needed(plan: SweepPlan, done: frozenset[tuple[str, str]]) -> list[str]:
    """Kernels that have something left to do."""
    skipped = _skipped(plan)
    return [
        e.kernel
        for e in plan.entrants
        if any((c.case.id, e.kernel) not in done and (i, e.kernel) not in skipped for i, c in enumerate(plan.cells))
    ]


def _skipped(plan: SweepPlan) -> set[tuple[int, str]]:
    return {(index, skip.kernel) for skip in plan.skips for index in skip.cells}


def _open_all(sweep: _Sweep, names: Iterable[str]) -> None:
    """Start the workers, two at a time: nothing is timed yet."""
    since = time.monotonic()
    needed = [sweep.entries[name] for name in names]
    for entry in needed:
        with contextlib.suppress(WorkerError):  # `_open` meets it again and says it
            entry.worker.start()
    for info in _together(sweep, lambda entry: _open(sweep, entry), needed):
        sweep.writer.append("opened", info)
        sweep.watch.opened(info)
    sweep.spend("starting", since)


def _open(sweep: _Sweep, entry: _Entry) -> Opened:
    began = time.monotonic()
    arguments = {"entrant": encode(entry.entrant), "host": encode(sweep.host)}
    try:
        entry.opened = decode(Opened, entry.worker.call(f"{_SESSION}:open_kernel", arguments, _OPEN_S))
        entry.opened = replace(entry.opened, start_s=time.monotonic() - began)
        entry.fault = None
        entry.worker.pause()
    except WorkerError as error:
        problem = f"{error.message} ({error.hint})" if error.hint else error.message
        entry.opened = Opened(entry.entrant.kernel, entry.entrant.version, start_s=time.monotonic() - began, problem=problem)
        entry.fault = error if error.died else None
    return entry.opened


def _run_cells(sweep: _Sweep, done: frozenset[tuple[str, str]]) -> tuple[bool, str]:
    """All cells in order; (whether all were done, why not)."""
    skipped = _skipped(sweep.plan)
    order = random.Random(sweep.plan.seed)
    todo = []
    for index, cell in enumerate(sweep.plan.cells):
        names = [n for n in sweep.entries if (index, n) not in skipped and (cell.case.id, n) not in done]
        if names:
            todo.append((index, cell, names))
    for number, (index, cell, names) in enumerate(todo):
        left_s = sweep.left_s()
        if left_s <= 0:
            left = f"{len(todo) - number} of {len(todo)} cells" if len(todo) > 1 else "the one cell"
            return False, f"the time budget ended before {left}"
        share_s = left_s / (len(todo) - number) if sweep.plan.time_budget_s else float("inf")
        sweep.watch.cell(index, len(sweep.plan.cells), cell, _time_left_s(sweep, number, len(todo)))
        _run_cell(sweep, cell, [sweep.entries[n] for n in names], order, share_s)
    return True, ""


def _time_left_s(sweep: _Sweep, number: int, total: int) -> float:
    """By the plan's guess at first, then by the cells that were done; never more than the budget."""
    took_s = time.monotonic() - sweep.began
    guess_s = sweep.plan.estimate_s - took_s if number < 3 else took_s / number * (total - number)
    return max(0.0, min(guess_s, sweep.left_s()))


def _run_cell(sweep: _Sweep, cell: Cell, entries: list[_Entry], order: random.Random, share_s: float) -> None:
    began = time.monotonic()
    order.shuffle(entries)
    running = _prove_all(sweep, cell, entries)
    sweep.spend("proving", began)
    _sample(sweep, cell, running, order, began + share_s)
    since = time.monotonic()
    for entry in running:
        if entry.answer:  # it did not die while it was sampled
            _finish(sweep, cell, entry)
    sweep.spend("finishing", since)


def _prove_all(sweep: _Sweep, cell: Cell, entries: list[_Entry]) -> list[_Entry]:
    """Make kernels ready for the cell, `_PROVEN_AT_ONCE` at a time; those that may be timed. The rows of the others are written."""
    asked = [entry for entry in entries if _can_ask(sweep, cell, entry)]
    places: SimpleQueue[int] = SimpleQueue()
    for place in range(min(_PROVEN_AT_ONCE, len(sweep.host.cpus))):
        places.put(place)

    def ask(entry: _Entry) -> WorkerError | None:
        place = places.get()
        try:
            _prepare(sweep, cell, entry, place)
        except WorkerError as error:
            return error
        finally:
            places.put(place)
        return None

    ready = []
    for entry, error in zip(asked, _together(sweep, ask, asked), strict=True):
        if error is not None:
            _failed(sweep, cell, entry, error)
        elif entry.answer["status"] != Status.OK.value:
            entry.crashes = 0
            _write(sweep, cell, entry, Status(entry.answer["status"]), reason=entry.answer["reason"])
        else:
            ready.append(entry)
    return ready


def _together(sweep: _Sweep, act: Callable[[_Entry], T], entries: list[_Entry]) -> list[T]:
    """`act` on every entry, in threads that only wait for workers. An interrupt ends the workers, so that no thread waits on."""
    pool = ThreadPoolExecutor(_PROVEN_AT_ONCE)
    try:
        return list(pool.map(act, entries))
    except BaseException:
        for entry in sweep.entries.values():
            entry.worker.stop()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _can_ask(sweep: _Sweep, cell: Cell, entry: _Entry) -> bool:
    """Whether the kernel's worker is there to be asked; it is started again where it died. Otherwise its row is written."""
    entry.samples = {name: [] for name in ("calls", "time_s", "clock_hz", "at_s", "dirty")}
    entry.answer = {}
    if entry.crashes >= _CRASHES_LEFT_OUT:
        _write(sweep, cell, entry, Status.CRASHED, reason=f"left out: it failed in {entry.crashes} cells in a row")
        return False
    if entry.worker.alive and entry.opened is not None and not entry.opened.problem:
        return True
    opened = entry.opened if entry.opened and entry.opened.problem and not entry.fault else _open(sweep, entry)
    if not opened.problem:
        return True
    if entry.fault:
        _failed(sweep, cell, entry, entry.fault)
    else:
        _write(sweep, cell, entry, Status.SKIPPED, reason=opened.problem)
    return False


def _prepare(sweep: _Sweep, cell: Cell, entry: _Entry, place: int) -> None:
    """Ask one worker to make the case ready; WorkerError where it cannot."""
    arguments = {"case": encode(cell.case), "thorough": sweep.plan.check == "full", "seed": sweep.plan.seed, "place": place}
    patience = _FRAMEWORK_PATIENCE if entry.entrant.kind == "framework" else 1.0

    def hear(_share: float, step: str) -> None:
        entry.step = step

    entry.answer = entry.worker.call(f"{_SESSION}:prepare_case", arguments, sweep.timeout_s * patience, hear)
    entry.worker.pause()
    entry.step = ""


def _failed(sweep: _Sweep, cell: Cell, entry: _Entry, error: WorkerError) -> None:
    """A worker that died or hung: its row, and a fresh start for the next cell."""
    entry.crashes += 1
    entry.worker.stop()
    step, entry.step = entry.step, ""
    words = "; ".join(filter(None, (error.message, "" if error.hung else likely_cause_of_death(step, error.message))))
    _write(sweep, cell, entry, Status.TIMEOUT if error.hung else Status.CRASHED, reason=f"{step}: {words}" if step else words)
    entry.answer = {}


def _sample(sweep: _Sweep, cell: Cell, running: list[_Entry], order: random.Random, deadline: float) -> None:
    """Rounds of turns until every kernel is known well enough or the time is up."""
    since = time.monotonic()
    longest_s = sum(max(TURN_S, 2 * e.answer["call_s"]) for e in running)
    deadline = min(deadline, since + max(_CELL_S, 2 * _LEAST_ROUNDS * longest_s))
    active, rounds = list(running), 0
    while active and rounds < _MOST_ROUNDS:
        if rounds >= _LEAST_ROUNDS and time.monotonic() + longest_s > deadline:
            break
        order.shuffle(active)
        for entry in list(active):
            if not _turn(sweep, cell, entry):
                active.remove(entry)
                running.remove(entry)
        rounds += 1
        if rounds >= _LEAST_ROUNDS and rounds * TURN_S >= min(_LEAST_KERNEL_S, (deadline - since) / max(1, len(active))):
            spreads = {e.entrant.kernel: e.spread() for e in active}
            sweep.watch.noise(max(spreads.values(), default=0.0))
            active = [e for e in active if spreads[e.entrant.kernel] > sweep.plan.precision]
    sweep.spend("sampling", since)


def _turn(sweep: _Sweep, cell: Cell, entry: _Entry) -> bool:
    """One turn of one kernel; False where it ended the kernel's part in the cell."""
    timeout_s = 10.0 + 50 * entry.answer["call_s"]
    try:
        turn = entry.worker.call(f"{_SESSION}:take_turn", {"turn_s": TURN_S}, timeout_s)
        entry.worker.pause()
    except WorkerError as error:
        _failed(sweep, cell, entry, error)
        return False
    for name, values in entry.samples.items():
        values.extend(turn[name])
    return True


def _finish(sweep: _Sweep, cell: Cell, entry: _Entry) -> None:
    """The last look at the operands, the row's status, and the row."""
    try:
        last = entry.worker.call(f"{_SESSION}:finish_case", {}, sweep.timeout_s)
        entry.worker.pause()
    except WorkerError as error:
        _failed(sweep, cell, entry, error)
        return
    entry.crashes = 0
    entry.answer["warnings"] = [*entry.answer["warnings"], *last["warnings"]]
    status, reason = _judged(sweep, cell.case, entry, last["problem"])
    _write(sweep, cell, entry, status, reason=reason)


def _judged(sweep: _Sweep, case: Case, entry: _Entry, problem: str) -> tuple[Status, str]:
    """The status of a row whose samples are complete, and its reason."""
    if problem:
        return Status.WRONG, problem
    each = entry.each_s
    if not each:
        return Status.NOISY, "no sample has a time"
    middle = interval_over_time(each)[0]
    clocks = sorted(hz for hz in entry.samples["clock_hz"] if hz > 0)
    if not elsewhere(entry.answer["variant"]["params"]):
        too_fast = sweep.roofs.too_fast(case, case.operations / middle, clocks[len(clocks) // 2] if clocks else 0.0)
        if too_fast:
            return Status.WRONG, too_fast
    spread = entry.spread()
    if spread > sweep.plan.precision:
        known = f"±{math.ceil(1000 * spread - 1e-9) / 10:.1f} %" if math.isfinite(spread) else f"no ±: {len(each)} samples are too few"
        return Status.NOISY, f"known to {known}, asked for ±{100 * sweep.plan.precision:.3g} %"
    return Status.OK, ""


def _write(sweep: _Sweep, cell: Cell, entry: _Entry, status: Status, *, reason: str) -> None:
    """One row, written and shown."""
    answer = entry.answer
    taken = entry.samples["time_s"] and status in (Status.OK, Status.NOISY)
    samples = _samples(sweep, entry) if taken else Samples()
    row = Measurement(
        case=cell.case,
        variant=decode(Variant, answer["variant"]) if answer else Variant(entry.entrant.kernel, entry.entrant.version),
        status=status,
        origin=cell.origin,
        reason=reason,
        samples=samples,
        check=decode(Check, answer["check"]) if answer and answer["check"] else None,
        first_call_s=answer["first_call_s"] if answer else None,
        code_sha=answer["sha"] if answer else "",
        warnings=tuple(answer["warnings"]) if answer else (),
    )
    sweep.writer.append("row", row)
    sweep.watch.row(row)


def _samples(sweep: _Sweep, entry: _Entry) -> Samples:
    raw = entry.samples
    dirty = tuple(raw["dirty"]) if any(raw["dirty"]) else ()
    at_s = tuple(round(at - sweep.began, 6) for at in raw["at_s"])
    clocks = tuple(round(hz) for hz in raw["clock_hz"]) if any(raw["clock_hz"]) else ()
    return Samples(
        tuple(raw["calls"]), tuple(raw["time_s"]), tuple(float(hz) for hz in clocks), at_s, dirty, entry.answer.get("timed_by", "machine")
    )
