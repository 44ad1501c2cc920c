"""Time a C function pointer from inside machine code, with the core clock measured around it.

One *burst* is six timed pieces, each between fenced reads of the timer, and one that is not timed:

    chain(c)  chain(2c)  |  (kernel(n))  kernel(n)  kernel(2n)  |  chain(c)  chain(2c)

The untimed run takes what the first microseconds cost: on an Emerald Rapids, 512-bit code starts 2.4 µs late after the scalar chain,
and n against 2n would turn that into rates 5 % too high. A short untimed chain goes before each timed pair for the same reason.

The cost of a read, of a call and of entering a loop is the same in `n` and in `2n`, so the difference is n units of work and
nothing else; no other code path is subtracted. `chain` is a chain of dependent one-cycle additions: its difference tells the
core's clock within microseconds of the work, in whatever state the work put the core. For work that takes milliseconds the
untimed run and the second half are left out (`doubled=False`).
"""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..emit import ir
from ..emit.jit import compile_ir
from ..emit.target import Target
from .timer import Timer, TimerRow, row_for, timer

CHAIN_LINKS = 64
STAMPS = 9
_LOW = 0.25  # quantile of a piece over the bursts
_LOW_RATIO = 0.35  # of kernel over chain: a disturbed chain makes it too small, a disturbed kernel too large


@dataclass(frozen=True, slots=True)
class Kernel:
    """A timed thing: a C function `void f(void *context, int64_t n)`, and its context kept alive."""

    address: int
    context: int
    keep: object = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One turn of the stopwatch: seconds of the kernel for `n` units, and the core clock around it."""

    time_s: float
    clock_hz: float
    wall_s: float


class Stopwatch(Protocol):
    """What the sampler needs; tests give a fake one."""

    def read(self, kernel: Kernel, n: int, bursts: int, *, doubled: bool) -> Reading:
        """Run `bursts` bursts of n (and 2n) units."""
        ...


def stopwatch_ir(target: Target, row: TimerRow | None = None) -> str:
    """`void stopwatch(ptr context, i64 bursts)`: slots: kernel, its context, n, 2n or 0, chain c, its context, stamps."""
    row = row or row_for(target)
    slots = [("%kernel", "ptr"), ("%work", "ptr"), ("%n1", "i64"), ("%n2", "i64"), ("%c", "i64"), ("%links", "ptr"), ("%stamps", "ptr")]
    stamp = "  {at} = getelementptr i64, ptr %out, i64 {i}\n  store volatile i64 {ticks}, ptr {at}"

    def read(i: int) -> str:
        return row.lines.format(out=f"%t{i}") + "\n" + stamp.format(at=f"%at{i}", i=i, ticks=f"%t{i}")

    first = [
        "burst:",
        "  %left = phi i64 [ %n, %entry ], [ %next, %tail ]",
        "  %out = phi ptr [ %stamps, %entry ], [ %out.next, %tail ]",
        *("  call void @chain(ptr %links, i64 4)", read(0), "  call void @chain(ptr %links, i64 %c)", read(1)),
        *("  call void @chain(ptr %links, i64 %c2)", read(2), "  br i1 %double, label %first, label %timed"),
        *("first:", "  call void %kernel(ptr %work, i64 %n1)", "  br label %timed"),
        *("timed:", read(3), "  call void %kernel(ptr %work, i64 %n1)", read(4), "  br i1 %double, label %again, label %tail"),
        *("again:", "  call void %kernel(ptr %work, i64 %n2)", "  br label %tail"),
        *("tail:", read(5), "  call void @chain(ptr %links, i64 4)", read(6), "  call void @chain(ptr %links, i64 %c)", read(7)),
        *("  call void @chain(ptr %links, i64 %c2)", read(8)),
        f"  %out.next = getelementptr i64, ptr %out, i64 {STAMPS}",
        *("  %next = sub i64 %left, 1", "  %more = icmp ne i64 %next, 0", "  br i1 %more, label %burst, label %done"),
        *("done:", "  ret void"),
    ]
    entry = ["entry:", *(ir.slot(name, i, kind) for i, (name, kind) in enumerate(slots)), "  %c2 = mul i64 %c, 2"]
    entry += ["  %double = icmp ne i64 %n2, 0", "  br label %burst"]
    blocks = "\n".join(entry + first)
    return (
        ir.chain_loop(target.arch, CHAIN_LINKS).replace("define void @chain", "define internal void @chain")
        + ir.function("stopwatch", blocks).replace("nounwind", "nounwind noinline")
        + row.declarations
    )


class MachineStopwatch:
    """The stopwatch as machine code of this process. `chain_c` sets the clock's precision: c × 64 additions, twice."""

    def __init__(self, clock: Timer | None = None, chain_c: int = 48) -> None:
        self.timer = clock or timer()
        self.chain_c = max(chain_c, self._coarse_chain())
        self.code = compile_ir(stopwatch_ir(Target.host(), self.timer.row))
        self._call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(self.code.address("stopwatch"))
        self._links = np.ones(2, dtype=np.int64)
        self._context = np.zeros(7, dtype=np.int64)

    def _coarse_chain(self) -> int:
        """A chain long enough for 400 steps of a slow counter (24 MHz on some Arm chips), taking 3 GHz for the core."""
        return round(400 * self.timer.step_s * 3e9 / CHAIN_LINKS)

    def stamps(self, kernel: Kernel, n: int, bursts: int, *, doubled: bool) -> NDArray[np.int64]:
        """Raw ticks, bursts × 9."""
        out = np.zeros((bursts, STAMPS), dtype=np.int64)
        self._context[:] = (
            *(kernel.address, kernel.context, n, 2 * n if doubled else 0),
            *(self.chain_c, self._links.ctypes.data, out.ctypes.data),
        )
        self._call(self._context.ctypes.data, bursts)
        return out

    def read(self, kernel: Kernel, n: int, bursts: int, *, doubled: bool) -> Reading:
        """See `reading_of`."""
        ticks = self.stamps(kernel, n, bursts, doubled=doubled)
        return reading_of(ticks, self.timer.hz, self.chain_c, doubled=doubled)


def reading_of(ticks: NDArray[np.int64], tick_hz: float, chain_c: int, *, doubled: bool) -> Reading:
    """Seconds and clock out of raw stamps; a clock of 0 where the stamps make no sense.

    The time is the lower quartile of the bursts' times: what disturbs a burst only ever lengthens it, and some events are so
    frequent that the median carries them (1.4 µs in every second burst on one guest). The minimum would be a record, not a time.
    The clock is chosen so that time × clock is the cycles of the bursts, each by its *own* chains: a core that steps between two
    frequencies every few bursts would otherwise give the time of one and the clock of the other. Around short work the faster of its two
    chains counts (the other was disturbed), around long work the one behind it.
    """
    pieces = np.diff(ticks, axis=1).astype(np.float64)
    low = np.quantile(pieces, _LOW, axis=0)
    time_ticks = float(low[4] - low[3] if doubled else low[3])
    work = pieces[:, 4] - pieces[:, 3] if doubled else pieces[:, 3]
    before, after = pieces[:, 1] - pieces[:, 0], pieces[:, 7] - pieces[:, 6]
    chains = np.minimum(before, after) if doubled else _after_long_work(before, after)
    good = (chains > 0) & (work > 0)
    wall_s = float(ticks[-1, -1] - ticks[0, 0]) / tick_hz
    if time_ticks <= 0 or not good.any():
        return Reading(time_ticks / tick_hz, 0.0, wall_s)
    in_chains = float(np.quantile(work[good] / chains[good], _LOW_RATIO))
    return Reading(time_ticks / tick_hz, in_chains * chain_c * CHAIN_LINKS / (time_ticks / tick_hz), wall_s)


_SLOWEST = 1.5  # wide vectors take a third of the clock at the most; an interrupt takes far more of a chain of a microsecond or two


def _after_long_work(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    """The chain behind each piece of work of milliseconds, which may have slowed the core; the one before it where that was disturbed.

    Measured on a guest with AVX-512: the core runs at 4.1 GHz before a matrix product and at 3.8 GHz behind it. The smaller of both chains
    gave a product of 10 ms the clock from before it, and so 8 % too many cycles.
    """
    return np.where((after > 0) & ((before <= 0) | (after <= _SLOWEST * before)), after, before)


@functools.cache
def stopwatch() -> MachineStopwatch:
    """The stopwatch of this process."""
    return MachineStopwatch()
