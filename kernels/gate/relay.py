"""Hand the turn from one process to another on the same core, and time what each does in its turns: a loop of machine code on both sides.

Both processes run `relay` on a page that they share, the baton. Its first word is the number of the turn; a process whose turn it is times
its units, writes the next number, and wakes the other by a futex, which is the cheapest that Linux offers between processes: on one core a
hand-over is one system call on each side and one switch. No Python runs in between, so turns may be as short as one call.

A turn is `spoiled` units that warm what the switch has cooled, then `units` that are timed, each of `calls` calls. Around the timed ones
the thread's CPU time and its involuntary switches are read, and behind them the core's clock (`ir.chain_loop`), so that a disturbed turn is
told by the system's counters and never by its time. A planted slowdown is a chain of dependent additions behind each unit, inside what is
timed.

Flaws: steal shows in no counter of a thread (the visit looks for it); two processes share the core's predictors and caches, as any two
programs do. Source: futex(2); linux/futex.h; the numbers of the call by architecture are those of the kernel's syscall tables.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...configs.errors import NotPossibleError
from ..emit import ir
from ..emit.jit import Code, compile_ir
from ..emit.target import host_arch
from ..emit.writer import Writer
from ..measure.contamination import OFF_CPU_FLOOR_S, OFF_CPU_SHARE, SWITCH_COST_S
from ..measure.stopwatch import CHAIN_LINKS, Kernel
from ..measure.timer import Timer, TimerRow, timer

_FUTEX = {"x86_64": 202, "aarch64": 98, "riscv64": 98, "loongarch64": 98, "ppc64le": 221, "s390x": 238}
_WAIT, _WAKE = 0, 1  # shared between processes
_PATIENCE_NS = 50_000_000  # after so long asleep, look whether the other side is gone
_CPU_TIME, _THREAD = 3, 1  # CLOCK_THREAD_CPUTIME_ID, RUSAGE_THREAD
_SWITCHES_AT = 17  # 64-bit words into a struct rusage: ru_nivcsw
_READY, _ABORT = 16, 32  # 32-bit words of the baton, each on a line of its own; word 0 is the turn
BATON_BYTES = 4096
STATS = 5  # of each turn: ticks of all of it, CPU time in ns, involuntary switches, ticks of the short and of the long chain
CHAIN_C = 48
# What a switch is charged must pass this share of a turn before it marks it. Ten times the share that marks a sample: 5 % of all turns have
# a switch, most last microseconds, and a turn's time is only ever compared with those beside it.
_SWITCH_SHARE = 0.02

# Slots of the context.
_NAMES = (
    *("%kernel", "%work", "%calls", "%units", "%spoiled", "%schedule", "%baton", "%times", "%stats"),
    *("%system", "%clock", "%usage", "%planted", "%links", "%scratch", "%patience"),
)
_DONE = len(_NAMES)  # receives how many turns were taken


def relay_ir(arch: str, row: TimerRow) -> str:
    """`void relay(ptr context, i64 turns)`: take the turns of the schedule (their numbers, rising), as the module's text says."""
    w = Writer("relay", (("ptr", "context"), ("i64", "turns")), internal=False)
    kinds = dict.fromkeys(("%kernel", "%work", "%schedule", "%baton", "%times", "%stats", "%links", "%scratch", "%patience"), "ptr")
    kinds |= dict.fromkeys(("%system", "%clock", "%usage"), "ptr")
    for index, name in enumerate(_NAMES):
        w.line(f"{name}.slot = getelementptr i64, ptr %context, i64 {index}")
        w.line(f"{name} = load {kinds.get(name, 'i64')}, ptr {name}.slot, align 8")
    done = w.at("%context", _DONE)
    abort, ready = w.at("%baton", _ABORT, "i32"), w.at("%baton", _READY, "i32")
    # Whoever is ready last begins: neither side's own start disturbs the first turns.
    others = w.let(f"atomicrmw add ptr {ready}, i32 1 seq_cst")
    with w.when(w.compare("eq", others, 1, "i32")):
        w.line("store atomic i32 0, ptr %baton release, align 4")
        _futex(w, arch, _WAKE, "1", "null")
    with w.loop(0, "%turns") as turn:
        number = w.load("i64", w.at("%schedule", turn), 8)
        mine = w.let(f"trunc i64 {number} to i32")
        w.line("br label %wait")
        w.block("wait")
        now = w.let("load atomic i32, ptr %baton acquire, align 4")
        w.line(f"br i1 {w.compare('eq', now, mine, 'i32')}, label %go, label %sleep")
        w.block("sleep")
        gone = w.let(f"load atomic i32, ptr {abort} acquire, align 4")
        w.line(f"br i1 {w.compare('ne', gone, 0, 'i32')}, label %end, label %doze")
        w.block("doze")
        _futex(w, arch, _WAIT, w.let(f"zext i32 {now} to i64"), "%patience")
        w.line("br label %wait")
        w.block("go")
        _turn(w, row, turn)
        after = w.add(number, 1)
        w.line(f"store atomic i32 {w.let(f'trunc i64 {after} to i32')}, ptr %baton release, align 4")
        w.store("i64", w.add(turn, 1), done, 8)
        last = w.compare("eq", w.add(turn, 1), "%turns")
        following = w.load("i64", w.at("%schedule", w.add(turn, 1)), 8)  # the schedule has one entry more than there are turns
        with w.when(w.let(f"or i1 {last}, {w.compare('ne', following, after)}")):
            _futex(w, arch, _WAKE, "1", "null")
    w.line("br label %end")
    w.block("end")
    chain = ir.chain_loop(arch, CHAIN_LINKS).replace("define void @chain", "define internal void @chain")
    return chain + w.text() + row.declarations


def _futex(w: Writer, arch: str, what: int, value: str, timeout: str) -> None:
    w.let(f"call i64 (i64, ...) %system(i64 {_FUTEX[arch]}, ptr %baton, i64 {what}, i64 {value}, ptr {timeout}, i64 0, i64 0)")


def _turn(w: Writer, row: TimerRow, turn: str) -> None:
    """One turn: warm, read the counters, time the units, read the counters, tell the clock."""

    def ticks() -> str:
        out = w.name("t")
        w.line(row.lines.format(out=out).strip())
        return out

    def cpu_ns() -> str:
        w.let(f"call i32 %clock(i32 {_CPU_TIME}, ptr %scratch)")
        whole = w.mul(w.load("i64", "%scratch", 8), 1_000_000_000)
        return w.add(whole, w.load("i64", w.at("%scratch", 1), 8))

    def switches() -> str:
        w.let(f"call i32 %usage(i32 {_THREAD}, ptr %scratch)")
        return w.load("i64", w.at("%scratch", _SWITCHES_AT), 8)

    warm = w.mul("%calls", "%spoiled")
    with w.when(w.compare("sgt", warm, 0)):
        w.line(f"call void %kernel(ptr %work, i64 {warm})")
    switched, spent, began = switches(), cpu_ns(), ticks()
    first = w.mul(turn, "%units")
    with w.loop(0, "%units") as unit:
        start = ticks()
        w.line("call void %kernel(ptr %work, i64 %calls)")
        with w.when(w.compare("sgt", "%planted", 0)):
            w.line("call void @chain(ptr %links, i64 %planted)")
        w.store("i64", w.sub(ticks(), start), w.at("%times", w.add(first, unit)), 8)
    ended, used, moved = ticks(), cpu_ns(), switches()
    w.line("call void @chain(ptr %links, i64 4)")
    one = ticks()
    w.line(f"call void @chain(ptr %links, i64 {CHAIN_C})")
    two = ticks()
    w.line(f"call void @chain(ptr %links, i64 {2 * CHAIN_C})")
    three = ticks()
    place = w.mul(turn, STATS)
    for index, value in enumerate((w.sub(ended, began), w.sub(used, spent), w.sub(moved, switched), w.sub(two, one), w.sub(three, two))):
        w.store("i64", value, w.at("%stats", w.add(place, index)), 8)


def can_relay() -> str:
    """Empty, or why processes cannot hand over by themselves on this system."""
    if not sys.platform.startswith("linux"):
        return f"{platform.system()} has no futex between processes"
    return "" if host_arch() in _FUTEX else f"the number of the futex call is not known for {host_arch()}"


class Baton:
    """The shared page, at a path that both sides open."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        if create:
            path.write_bytes(bytes(BATON_BYTES))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), BATON_BYTES)
        self.words: NDArray[np.int32] = np.frombuffer(self._map, dtype=np.int32)

    @property
    def address(self) -> int:
        """Where it lies in this process."""
        return int(self.words.ctypes.data)

    def reset(self) -> None:
        """Before a visit: nobody is ready, no turn has begun."""
        self.words[[_READY, _ABORT]] = 0
        self.words[0] = -1

    def abort(self) -> None:
        """The other side is gone: whoever waits gives up within the patience of its sleep."""
        self.words[_ABORT] = 1


@dataclass(frozen=True, slots=True)
class Turns:
    """What one side measured: seconds of each timed unit (turns x units), what disturbed each turn, the core's clock behind each (Hz)."""

    time_s: NDArray[np.float64]
    marks: list[str]
    clock_hz: NDArray[np.float64]
    wall_s: float


@functools.cache
def _code() -> tuple[Code, Timer]:
    clock = timer()
    return compile_ir(relay_ir(host_arch(), clock.row)), clock


class Relay:
    """One side of the relay in this process."""

    def __init__(self) -> None:
        why = can_relay()
        if why:
            raise NotPossibleError(why)
        self._code, self._timer = _code()
        self._call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(self._code.address("relay"))
        libc = ctypes.CDLL(None)
        functions = (libc.syscall, libc.clock_gettime, libc.getrusage)
        self._functions = [ctypes.cast(function, ctypes.c_void_p).value or 0 for function in functions]
        self._links = np.ones(2, dtype=np.int64)
        self._scratch = np.zeros(64, dtype=np.int64)
        self._patience = np.array([0, _PATIENCE_NS], dtype=np.int64)

    def run(
        self, kernel: Kernel, schedule: Sequence[int], baton: Baton, *, calls: int, units: int, spoiled: int, planted: int = 0
    ) -> Turns:
        """Take these turns. `planted` is how often the chain of `CHAIN_LINKS` additions runs behind each unit.

        Fewer turns come back than were asked for where the other side was given up.
        """
        count = len(schedule)
        turns = np.array([*schedule, -1], dtype=np.int64)
        times, stats = np.zeros((count, units), dtype=np.int64), np.zeros((count, STATS), dtype=np.int64)
        context = np.zeros(_DONE + 1, dtype=np.int64)
        context[:_DONE] = (
            *(kernel.address, kernel.context, calls, units, spoiled),
            *(turns.ctypes.data, baton.address, times.ctypes.data, stats.ctypes.data),
            *(*self._functions, planted, self._links.ctypes.data, self._scratch.ctypes.data, self._patience.ctypes.data),
        )
        self._call(context.ctypes.data, count)
        done = int(context[_DONE])
        return turns_of(times[:done], stats[:done], self._timer.hz)


def turns_of(times: NDArray[np.int64], stats: NDArray[np.int64], tick_hz: float) -> Turns:
    """Seconds, marks and clocks out of what the loop stored."""
    wall_s = stats[:, 0] / tick_hz
    missing_s = wall_s - stats[:, 1] * 1e-9
    marks = []
    for turn in range(len(stats)):
        words = []
        if stats[turn, 2] * SWITCH_COST_S > _SWITCH_SHARE * wall_s[turn]:
            words.append("switched")
        if missing_s[turn] > max(OFF_CPU_FLOOR_S, OFF_CPU_SHARE * wall_s[turn]):
            words.append("off-cpu")
        marks.append("+".join(words))
    chain = stats[:, 4] - stats[:, 3]
    clock_hz = np.where(chain > 0, CHAIN_C * CHAIN_LINKS * tick_hz / np.maximum(chain, 1), 0.0)
    return Turns(times / tick_hz, marks, clock_hz, float(wall_s.sum()))


def planted_chain(share: float, unit_s: float, clock_hz: float) -> int:
    """How often the chain has to run behind a unit to make it longer by a share of itself; at least once."""
    return max(1, round(share * unit_s * clock_hz / CHAIN_LINKS))


def shared_folder() -> Path | None:
    """Where a shared page costs no disk; None where the usual folder for temporary files has to do."""
    place = Path("/dev/shm")  # noqa: S108
    return place if place.is_dir() and os.access(place, os.W_OK) else None
