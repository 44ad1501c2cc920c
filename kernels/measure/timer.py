"""Read time from inside emitted code: which counter, how its reads are fenced, its rate, its step and its cost.

The counter of choice is the one that an instruction reads (TSC, CNTVCT, rdtime); where it is not known to run at a constant
rate, the system's monotonic clock is called instead. It is never taken for the core clock: see `clock`.

Source: Intel SDM vol. 2 RDTSC (LFENCE before, so that all earlier instructions have ended; LFENCE after, so that no later one
has begun), Arm ARM D11 (ISB before reading CNTVCT_EL0), RISC-V unprivileged ISA, Zicntr.
"""

from __future__ import annotations

import ctypes
import functools
import platform
import statistics
import sys
import time
from dataclasses import dataclass

import llvmlite.binding as llvm
import numpy as np

from ..emit import ir
from ..emit.jit import Code, compile_ir
from ..emit.target import Target

_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class TimerRow:
    """How one counter is read: `lines` make `%{out}` (an i64 count of ticks), fenced on both sides."""

    name: str
    lines: str
    declarations: str
    ordered: str  # how the read is fenced, for the record


_TSC = TimerRow(
    "tsc",
    "  call void @llvm.x86.sse2.lfence()\n  {out} = call i64 @llvm.readcyclecounter()\n  call void @llvm.x86.sse2.lfence()",
    "declare void @llvm.x86.sse2.lfence()\ndeclare i64 @llvm.readcyclecounter()\n",
    "lfence; rdtsc; lfence",
)
_CNTVCT = TimerRow(
    "cntvct",
    "  call void @llvm.aarch64.isb(i32 15)\n  {out} = call i64 @llvm.read_volatile_register.i64(metadata !90)\n"
    "  call void @llvm.aarch64.isb(i32 15)",
    'declare void @llvm.aarch64.isb(i32)\ndeclare i64 @llvm.read_volatile_register.i64(metadata)\n!90 = !{!"cntvct_el0"}\n',
    "isb; mrs cntvct_el0; isb",
)
_RDTIME = TimerRow(
    "rdtime",
    "  fence seq_cst\n  {out} = call i64 @llvm.readsteadycounter()\n  fence seq_cst",
    "declare i64 @llvm.readsteadycounter()\n",
    "fence; rdtime; fence",
)
# CLOCK_MONOTONIC_RAW is 4 on Linux, CLOCK_MONOTONIC_RAW is 4 on macOS too (and counts in ns there).
_MONOTONIC = TimerRow(
    "monotonic",
    "  {out} = call i64 @mmbench_monotonic_ns()",
    """declare i32 @clock_gettime(i32, ptr)
define internal i64 @mmbench_monotonic_ns() noinline {
  %t = alloca [2 x i64], align 16
  %r = call i32 @clock_gettime(i32 4, ptr %t)
  %s = load volatile i64, ptr %t
  %q = getelementptr i64, ptr %t, i64 1
  %n = load volatile i64, ptr %q
  %m = mul i64 %s, 1000000000
  %v = add i64 %m, %n
  ret i64 %v
}
""",
    "clock_gettime(CLOCK_MONOTONIC_RAW)",
)
_QPC = TimerRow(
    "qpc",
    "  {out} = call i64 @mmbench_qpc()",
    """declare i32 @QueryPerformanceCounter(ptr)
define internal i64 @mmbench_qpc() noinline {
  %t = alloca i64, align 16
  %r = call i32 @QueryPerformanceCounter(ptr %t)
  %v = load volatile i64, ptr %t
  ret i64 %v
}
""",
    "QueryPerformanceCounter",
)


def row_for(target: Target, *, counter: bool = True) -> TimerRow:
    """The counter of a target, or with `counter=False` the system's monotonic clock."""
    if counter:
        row = {"x86_64": _TSC, "aarch64": _CNTVCT, "riscv64": _RDTIME}.get(target.arch)
        if row is not None:
            return row
    return _QPC if "windows" in target.triple else _MONOTONIC


def _counter_is_constant() -> bool:
    """Whether the instruction's counter runs at one rate in every state of the core and on every core."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return True  # CNTVCT and rdtime are constant by architecture
    if sys.platform.startswith("linux"):
        try:
            with open("/sys/devices/system/clocksource/clocksource0/available_clocksource", encoding="ascii") as file:  # noqa: PTH123
                if "tsc" not in file.read():  # the kernel found it unstable
                    return False
        except OSError:
            pass
    return _invariant_tsc()


def _invariant_tsc() -> bool:
    """CPUID 0x80000007 EDX bit 8 (Intel SDM vol. 3, 19.17.1; AMD APM vol. 3)."""
    from ..emit.cpuid import cpuid

    return cpuid(0x8000_0000)[0] >= 0x8000_0007 and bool(cpuid(0x8000_0007)[3] >> 8 & 1)


def read_many_ir(row: TimerRow) -> str:
    """`void read_many(ptr context, i64 n)`: n reads one after another into the array at slot 0."""
    blocks = "\n".join(
        [
            "entry:",
            ir.slot("%array", 0),
            "  br label %loop",
            ir.counted_loop(
                "loop",
                "%n",
                [("ptr", "%at", "%array", "%at.next")],
                [row.lines.format(out="%ticks"), "  store i64 %ticks, ptr %at", "  %at.next = getelementptr i64, ptr %at, i64 1"],
            ),
            "done:",
            "  ret void",
        ]
    )
    return ir.function("read_many", blocks) + row.declarations


@dataclass(frozen=True, slots=True)
class Timer:
    """A calibrated counter. `step_s` is the greatest step that all differences are multiples of, `cost_s` the median between two reads."""

    row: TimerRow
    hz: float
    hz_error: float  # relative, from two calibrations
    step_s: float
    cost_s: float
    why: str  # why this one and not the instruction's counter; empty when it is

    def seconds(self, ticks: float) -> float:
        """Ticks to seconds."""
        return ticks / self.hz


def _clock_ns() -> int:
    clock = getattr(time, "CLOCK_MONOTONIC_RAW", None)
    return time.perf_counter_ns() if clock is None else time.clock_gettime_ns(clock)


class _Reader:
    """`read_many` compiled for this machine."""

    def __init__(self, row: TimerRow) -> None:
        if row is _MONOTONIC or row is _QPC:
            _bind_clock(row)
        self.code: Code = compile_ir(read_many_ir(row))
        self.call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(self.code.address("read_many"))

    def read(self, count: int) -> np.ndarray:
        ticks = np.zeros(count, dtype=np.int64)
        context = np.array([ticks.ctypes.data], dtype=np.int64)
        self.call(context.ctypes.data, count)
        return ticks


def _bind_clock(row: TimerRow) -> None:
    """Give emitted code the address of the system's clock function."""
    name = "QueryPerformanceCounter" if row is _QPC else "clock_gettime"
    library = ctypes.CDLL("kernel32" if row is _QPC else None)
    llvm.add_symbol(name, ctypes.cast(getattr(library, name), ctypes.c_void_p).value)


def _rate(reader: _Reader, span_s: float) -> float:
    """Ticks a second against the system's raw monotonic clock, each end the tightest of several paired reads."""

    def pair() -> tuple[int, int]:
        best = None
        for _ in range(7):
            before = _clock_ns()
            ticks = int(reader.read(1)[0])
            after = _clock_ns()
            if best is None or after - before < best[0]:
                best = (after - before, ticks, (before + after) // 2)
        assert best is not None
        return best[1], best[2]

    ticks_0, ns_0 = pair()
    time.sleep(span_s)
    ticks_1, ns_1 = pair()
    return (ticks_1 - ticks_0) * _NS / (ns_1 - ns_0)


@functools.cache
def timer(span_s: float = 0.04) -> Timer:
    """The timer of this process, calibrated once (about 0.1 s)."""
    constant = _counter_is_constant()
    row = row_for(Target.host(), counter=constant)
    reader = _Reader(row)
    rates = [_rate(reader, span_s) for _ in range(2)]
    hz = statistics.mean(rates)
    steps = np.diff(np.concatenate([reader.read(256) for _ in range(4)]).reshape(4, 256), axis=1).ravel()
    positive = steps[steps > 0]
    cost = float(np.median(steps))
    if cost == 0:  # a counter slower than its reads: the average over a run of reads
        cost = float(np.mean(steps))
    step = float(np.gcd.reduce(positive)) if positive.size else 1.0
    why = "" if constant else "the cycle counter is not known to run at a constant rate here"
    return Timer(row, hz, abs(rates[0] - rates[1]) / hz, step / hz, cost / hz, why)
