"""Core to core: how long a cache line takes from one CPU to another, for every pair, by compare-and-swap and by flags.

Method: two pinned threads hand a line to and fro in emitted code; one way is half a round trip. `cas`: both swap one word of one line.
`flag`: each writes a line of its own and watches the other's. A line's home (the memory node and the slice of the last level that its
address belongs to) decides much, so several lines in different pages are used, touched first on either side, over several
rounds; a sample is the median of five bursts on one line. The matrix holds the median over lines, homes and rounds.

Units of work: one-way trips. A matrix needs threads that can be pinned: without that there is none, and the reason is said. A wait
that the partner does not end gives up within seconds and costs that pair only.

Known flaws: both ways of a pair are one figure, for only round trips can be timed. On a guest two CPUs may share a core, or take turns on
one: trips longer than any interconnect takes are marked `time-shared`. Source: reference 2.6.
"""

from __future__ import annotations

import ctypes
import dataclasses
import itertools
import mmap
import threading
import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..configs.curve import Curve, Point
from ..configs.errors import NotPossibleError
from ..configs.facts import Scalar
from ..configs.machine import CoreToCore, Machine, Notice
from ..kernels.emit.jit import Code, compile_ir
from ..kernels.emit.lines import BOUNCE_SLOTS, MODES, WARM_ROUNDS, bounce_ir
from ..kernels.emit.target import Target
from ..kernels.measure.affinity import pin, pinned
from ..kernels.measure.contamination import Contamination
from ..kernels.measure.memory import Buffer
from ..kernels.measure.stats import interval_of_median, median
from ..kernels.measure.timer import Timer, timer
from .context import Context, Effort
from .registry import probe

LINES = 5  # for each home
BURSTS = 5
_APART_BYTES = 512  # between the two lines of flag mode: not neighbours that are fetched as a pair
_PATIENCE = {"cas": 1 << 26, "flag": 1 << 30}  # attempts in one wait: a second or so
_TIMEOUT_S = 2.0
_TIME_SHARED_S = 20e-6  # one way; the farthest sockets known take less than a microsecond
_FEW_PAIRS = 66  # beyond, each pair gets shorter bursts and fewer games
_MOST_CPUS = {Effort.QUICK: 8, Effort.DEFAULT: 32}


def chosen_cpus(cpus: tuple[int, ...], most: int) -> tuple[int, ...]:
    """At most `most` CPUs, in neighbouring twos spread evenly: near pairs are seen as well as far ones."""
    if len(cpus) <= most:
        return cpus
    groups = max(1, most // 2)
    starts = [round(i * (len(cpus) - 2) / max(1, groups - 1)) for i in range(groups)]
    return tuple(sorted({cpus[s + k] for s in starts for k in (0, 1)}))


def homes_in(buffer: Buffer) -> list[int]:
    """Addresses of `LINES` lines, each in a page of its own and at another place of its page."""
    places = mmap.PAGESIZE // (2 * _APART_BYTES)
    return [buffer.address + i * mmap.PAGESIZE + (3 * i + 1) % places * 2 * _APART_BYTES for i in range(LINES)]


@dataclass(slots=True)
class _Side:
    """What one thread of a game does and sees."""

    cpu: int
    contexts: list[NDArray[np.int64]]
    marks: list[str] = field(default_factory=list)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Game:
    """Seconds of a burst (median) and what disturbed it, a value a line; empty with a reason where the game was not finished."""

    burst_s: tuple[float, ...]
    marks: tuple[str, ...]
    problem: str = ""


class Court:
    """Where two threads play: compiled code of both modes."""

    def __init__(self, rounds: int, clock: Timer | None = None) -> None:
        self.rounds = rounds
        self.timer = clock or timer()
        row = self.timer.row
        self._codes: dict[str, Code] = {m: compile_ir(bounce_ir(m, Target.host(), row.lines, row.declarations)) for m in MODES}
        self._number = 1

    def play(self, mode: str, cpus: tuple[int, int], lines: list[int], timeout_s: float = _TIMEOUT_S) -> Game:
        """One game over all lines, each handed to and fro for `BURSTS` bursts."""
        stop = np.zeros(64, dtype=np.int64)
        stamps = np.zeros((2, len(lines), BURSTS, 2), dtype=np.int64)
        sides = [
            _Side(cpu, [self._context(mode, side, line, stamps[side, i], stop) for i, line in enumerate(lines)])
            for side, cpu in enumerate(cpus)
        ]
        self._number += BURSTS * (self.rounds + WARM_ROUNDS) + 1
        for line in lines:
            ctypes.memset(line, 0, 2 * _APART_BYTES)
        call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(self._codes[mode].address("bounce"))
        ready = threading.Barrier(2)
        threads = [threading.Thread(target=_side, args=(side, call, ready), daemon=True) for side in sides]
        for thread in threads:
            thread.start()
        until = time.monotonic() + timeout_s
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        stop[0] = 1  # whoever still waits gives up at the next attempt
        for thread in threads:
            thread.join()
        return self._result(sides, stamps)

    def _context(self, mode: str, side: int, line: int, stamps: NDArray[np.int64], stop: NDArray[np.int64]) -> NDArray[np.int64]:
        own, other = (line, line) if mode == "cas" else (line + side * _APART_BYTES, line + (1 - side) * _APART_BYTES)
        context = np.zeros(BOUNCE_SLOTS, dtype=np.int64)
        context[:9] = (own, other, side, self.rounds, stamps.ctypes.data, stop.ctypes.data, _PATIENCE[mode], 0, self._number)
        return context

    def _result(self, sides: list[_Side], stamps: NDArray[np.int64]) -> Game:
        problem = next((s.problem for s in sides if s.problem), "")
        if not problem and any(int(c[7]) < BURSTS for s in sides for c in s.contexts):
            problem = "the line did not come back in time"
        if problem:
            return Game((), (), problem)
        bursts_s = (stamps[0, :, :, 1] - stamps[0, :, :, 0]) / self.timer.hz
        middle = [float(m) for m in np.median(bursts_s, axis=1)]
        marks = []
        for i, burst_s in enumerate(middle):
            words = {word for side in sides for word in side.marks[i].split("+") if word}
            words |= {"time-shared"} if burst_s / (2 * self.rounds) > _TIME_SHARED_S else set()
            words |= {"negative"} if burst_s <= 0 else set()
            marks.append("+".join(sorted(words)))
        return Game(tuple(middle), tuple(marks))


def _side(side: _Side, call: ctypes._FuncPointer, ready: threading.Barrier) -> None:
    """One thread's part: pin, then each line in turn, with the system's own marks of what disturbed it.

    Nobody spins before both are ready and the starter has gone to sleep: it may be pinned to the CPU of one of them.
    """
    side.problem = pin(side.cpu)
    watch = Contamination()
    if side.problem:
        ready.abort()
    try:
        ready.wait(_TIMEOUT_S)
    except threading.BrokenBarrierError:
        side.problem = side.problem or "the other side did not start"
        watch.close()
        return
    for context in side.contexts:
        watch.begin()
        began_s = time.perf_counter()
        call(context.ctypes.data, BURSTS)
        side.marks.append(watch.end(time.perf_counter() - began_s))
    watch.close()


def _cannot(context: Context) -> str:
    """Why there can be no matrix; empty when there can."""
    if len(context.cpus) < 2:
        return "core to core: only one CPU may be used"
    for cpu in context.cpus:
        with pinned(cpu) as reason:
            if reason:
                return f"core to core: {reason}"
    return ""


@probe("core-to-core", version=1, needs=("topology", "clock"), seconds=(0.5, 2, 10), crew=True)
def measure(context: Context) -> Curve:
    """Every pair of CPUs, both modes."""
    reason = _cannot(context)
    if reason:
        return Curve("core-to-core", 1, "one-way trip", missing=(reason,))
    missing: list[str] = []
    cpus = chosen_cpus(context.cpus, _MOST_CPUS.get(context.effort, len(context.cpus)))
    if len(cpus) < len(context.cpus):
        missing.append(f"core to core: {len(cpus)} of {len(context.cpus)} CPUs; all of them with --deep")
    pairs = list(itertools.combinations(cpus, 2))
    few = len(pairs) <= _FEW_PAIRS
    court = Court(context.effort.pick(100, 200, 500) if few else 60)
    games = context.effort.pick(3, 5, 11) if few else 3
    points: list[Point] = []
    buffers: dict[int, Buffer] = {}
    try:
        for cpu in cpus:
            with pinned(cpu):
                buffers[cpu] = Buffer(LINES * mmap.PAGESIZE, "small")
    except NotPossibleError as error:
        return Curve("core-to-core", 1, "one-way trip", missing=(*missing, f"core to core: {error.message}"))
    for number, (a, b) in enumerate(pairs):
        if context.expired():
            missing.append(f"core to core: {number} of {len(pairs)} pairs, for lack of time")
            break
        for mode in MODES:
            points += _pair(court, mode, (a, b), buffers, games, missing)
        context.progress((number + 1) / len(pairs), f"CPU {a} and {b}")
    for buffer in buffers.values():
        buffer.close()
    readings = {"cpus": list(cpus), "lines": LINES, "bursts": BURSTS, "rounds": court.rounds}
    return Curve("core-to-core", 1, "one-way trip", tuple(points), readings, tuple(dict.fromkeys(missing)))


def _pair(court: Court, mode: str, cpus: tuple[int, int], buffers: dict[int, Buffer], games: int, missing: list[str]) -> list[Point]:
    """Games of one pair, a point for each home; more games, up to twice as many, while most samples are marked."""
    lines = [line for cpu in cpus for line in homes_in(buffers[cpu])]
    times: list[list[float]] = [[], []]
    marks: list[list[str]] = [[], []]
    played = 0
    while played < games or (played < 2 * games and sum(bool(m) for ms in marks for m in ms) > games * LINES):
        game = court.play(mode, cpus, lines)
        played += 1
        if game.problem:
            missing.append(f"{mode} between CPU {cpus[0]} and {cpus[1]}: {game.problem}")
            break
        for home in (0, 1):
            times[home] += game.burst_s[home * LINES : (home + 1) * LINES]
            marks[home] += game.marks[home * LINES : (home + 1) * LINES]
    points = []
    for home, cpu in enumerate(cpus):
        at: dict[str, Scalar] = {"mode": mode, "from": cpus[0], "to": cpus[1], "home": cpu}
        if times[home]:
            dirty = tuple(marks[home]) if any(marks[home]) else ()
            points.append(Point(at, 2.0 * court.rounds, tuple(times[home]), dirty=dirty))
    return points


def infer(curve: Curve, machine: Machine) -> Machine:
    """A matrix a mode; 0 where a pair was not measured."""
    matrices = tuple(m for m in (_matrix(curve, mode) for mode in MODES) if m is not None)
    return dataclasses.replace(machine, core_to_core=matrices, notices=(*machine.notices, *_hidden_siblings(matrices, machine)))


def _hidden_siblings(matrices: tuple[CoreToCore, ...], machine: Machine) -> tuple[Notice, ...]:
    """A notice for CPUs said to be different cores that hand a line over faster than any cache beyond their own could."""
    if machine.topology is None or not machine.caches:
        return ()
    core = {c.id: (c.package, c.core) for c in machine.topology.cpus if c.core >= 0}
    own = [c.latency.number() for c in machine.caches if c.name == "L2" and c.latency.known]
    if not own:
        return ()
    close = {
        (a, b)
        for m in matrices
        for (i, a), (j, b) in itertools.combinations(enumerate(m.cpus), 2)
        if 0 < m.median_s[i][j] < 2 * own[0] and core.get(a) != core.get(b)
    }
    if not close:
        return ()
    pairs = ", ".join(f"{a} and {b}" for a, b in sorted(close)[:4])
    why = f"CPUs {pairs} hand a line over within twice the L2 latency: only threads of one core can, and the system calls them two cores"
    return (Notice("cores are siblings in hiding", why, "count them as one core: they share its caches and units", "core-to-core"),)


def _matrix(curve: Curve, mode: str) -> CoreToCore | None:
    points = curve.where(mode=mode)
    cpus = tuple(sorted({int(p.at[end]) for p in points for end in ("from", "to")}))
    if not cpus:
        return None
    place = {cpu: i for i, cpu in enumerate(cpus)}
    table = np.zeros((3, len(cpus), len(cpus)))
    for a, b in itertools.combinations(cpus, 2):
        values = [s for p in points if {p.at["from"], p.at["to"]} == {a, b} for s in p.each_s()]
        if np.isfinite(median(values)):
            i, j = place[a], place[b]
            table[:, i, j] = table[:, j, i] = interval_of_median(values)
    middle, low, high = (tuple(tuple(float(v) for v in row) for row in t) for t in table)
    return CoreToCore(mode, cpus, middle, low, high)
