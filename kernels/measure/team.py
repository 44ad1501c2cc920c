"""Run kernels on several pinned threads over one common window of time, and count the work done inside that window.

Each thread repeats its kernel, stamping the timer after every pass, until all are told to stop. The rate of the team is the work
that falls between the moment when the last thread had started and the moment when the first one stopped; passes that
straddle an end count in part. It is not the sum of the threads' own rates: those would include times when others stood still.
"""

from __future__ import annotations

import ctypes
import threading
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..emit import ir
from ..emit.jit import compile_ir
from ..emit.target import Target
from .affinity import pin
from .contamination import Contamination
from .stopwatch import Kernel
from .timer import Timer, TimerRow, row_for, timer

# Slots of a member's context; the control array is shared: [0] threads ready, [1] go, [2] stop.
_SLOTS = ("%kernel", "%work", "%units", "%control", "%stamps", "%room")


def team_ir(target: Target, row: TimerRow | None = None) -> str:
    """`void member(ptr context, i64 ready)`: wait for all, then repeat kernel(work, units) and stamp, until stop or no room.

    Slots: kernel, work, units, control, stamps, room, and slot 6 receives the number of stamps.
    """
    row = row or row_for(target)
    kinds = ("ptr", "ptr", "i64", "ptr", "ptr", "i64")
    lines = ["entry:", *(ir.slot(name, i, kind) for i, (name, kind) in enumerate(zip(_SLOTS, kinds, strict=True)))]
    lines += [
        "  %go = getelementptr i64, ptr %control, i64 1",
        "  %stop = getelementptr i64, ptr %control, i64 2",
        "  call void %kernel(ptr %work, i64 %units)",
        "  %mine = atomicrmw add ptr %control, i64 1 seq_cst",
        "  br label %wait",
        "wait:",
        "  %may = load atomic i64, ptr %go acquire, align 8",
        "  %went = icmp ne i64 %may, 0",
        "  br i1 %went, label %begin, label %wait",
        "begin:",
        row.lines.format(out="%t0"),
        "  store i64 %t0, ptr %stamps",
        "  br label %pass",
        "pass:",
        "  %i = phi i64 [ 1, %begin ], [ %i.next, %pass ]",
        "  call void %kernel(ptr %work, i64 %units)",
        row.lines.format(out="%t"),
        "  %at = getelementptr i64, ptr %stamps, i64 %i",
        "  store i64 %t, ptr %at",
        "  %i.next = add i64 %i, 1",
        "  %halt = load atomic i64, ptr %stop monotonic, align 8",
        "  %halted = icmp ne i64 %halt, 0",
        "  %full = icmp uge i64 %i.next, %room",
        "  %ends = or i1 %halted, %full",
        "  br i1 %ends, label %done, label %pass",
        "done:",
        "  %was = atomicrmw add ptr %stop, i64 1 seq_cst",
        ir.set_slot(6, "i64", "%i.next"),
        "  ret void",
    ]
    return ir.function("member", "\n".join(lines)) + row.declarations


@dataclass(frozen=True, slots=True)
class TeamRun:
    """What a team did: units of work of each member inside the common window, and the window in seconds (0: there was none).

    `marks` names what disturbed any member, in the words of `contamination`, for `Point.dirty`; empty when nothing did.
    """

    units: tuple[float, ...]
    window_s: float
    unpinned: tuple[str, ...]  # why a member could not be pinned
    marks: str = ""


def inside(stamps: NDArray[np.int64], units: float, start: float, end: float) -> float:
    """Units of work between `start` and `end` (ticks) of a member whose passes of `units` ended at `stamps[1:]`."""
    done = np.arange(len(stamps)) * units
    return float(np.interp(end, stamps, done) - np.interp(start, stamps, done))


class Team:
    """Threads that run kernels together; `run` may be called many times."""

    def __init__(self, clock: Timer | None = None) -> None:
        self.timer = clock or timer()
        self.code = compile_ir(team_ir(Target.host(), self.timer.row))
        self._member = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(self.code.address("member"))

    def run(self, kernels: list[Kernel], units: list[int], cpus: list[int], window_s: float, room: int = 1 << 16) -> TeamRun:
        """Each kernel does passes of its units on its own CPU for about `window_s`."""
        control = np.zeros(64, dtype=np.int64)  # a line of its own
        stamps = [np.zeros(room + 1, dtype=np.int64) for _ in kernels]
        contexts = []
        for kernel, count, array in zip(kernels, units, stamps, strict=True):
            slots = [kernel.address, kernel.context, count, control.ctypes.data, array.ctypes.data, room, 0]
            contexts.append(np.array(slots, dtype=np.int64))
        reasons: list[str] = []
        marks: set[str] = set()

        def work(i: int) -> None:
            reason = pin(cpus[i])
            if reason:
                reasons.append(reason)
            watch = Contamination()  # of this thread, after it was pinned
            watch.begin()
            began = time.perf_counter()
            self._member(contexts[i].ctypes.data, 0)
            marks.update(filter(None, watch.end(time.perf_counter() - began).split("+")))
            watch.close()

        threads = [threading.Thread(target=work, args=(i,), daemon=True) for i in range(len(kernels))]
        for thread in threads:
            thread.start()
        while int(control[0]) < len(threads):
            time.sleep(0.0005)
        control[1] = 1
        time.sleep(window_s)
        control[2] = 1
        for thread in threads:
            thread.join()
        ends = [array[: int(context[6])] for array, context in zip(stamps, contexts, strict=True)]
        start, end = max(int(e[0]) for e in ends), min(int(e[-1]) for e in ends)
        if end <= start:
            return TeamRun(tuple(0.0 for _ in ends), 0.0, tuple(reasons), "+".join(sorted(marks)))
        counted = tuple(inside(e, float(u), start, end) for e, u in zip(ends, units, strict=True))
        return TeamRun(counted, (end - start) / self.timer.hz, tuple(reasons), "+".join(sorted(marks)))
