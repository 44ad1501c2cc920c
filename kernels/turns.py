"""Take samples of one kernel for a short turn, so that several kernels can take turns: each sample with its clock, moment and marks.

A call of microseconds is repeated: n calls against 2n, so that the cost of the loop and of reading the timer falls out. A call of more than
`LONG_S` is timed alone. What can only be called from Python is timed from there, by the system's clock, and has no core clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .measure.contamination import Contamination
from .measure.sampler import Plan, Sampler
from .measure.stopwatch import Kernel, Stopwatch, stopwatch
from .registry import PythonCall

BURST_S = 40e-6
SAMPLE_S = 0.004
LONG_S = 200e-6  # a read of the timer costs some 20 ns: 0.01 % of this
_PYTHON_SAMPLE_S = 0.002


@dataclass(slots=True)
class Turn:
    """The samples of one turn, in the order taken. `wall_s` is what the turn took, `executed` how often the kernel ran in all."""

    calls: list[int] = field(default_factory=list)
    time_s: list[float] = field(default_factory=list)
    clock_hz: list[float] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)  # time.monotonic(), one clock for all processes of a machine
    dirty: list[str] = field(default_factory=list)
    wall_s: float = 0.0
    executed: int = 0


class MachineTurns:
    """Turns of machine code. `call_s` is a first estimate of one call, from tuning."""

    timed_by = "machine"

    def __init__(self, kernel: Kernel, watch: Stopwatch | None = None, contamination: Contamination | None = None) -> None:
        self._kernel = kernel
        self._stopwatch = watch or stopwatch()
        self._contamination = contamination or Contamination()
        sampler = Sampler(self._stopwatch, self._contamination)
        self._n = sampler.tune(kernel, Plan(burst_s=BURST_S))
        first = self._stopwatch.read(kernel, self._n, 1, doubled=False)
        self.call_s = first.time_s / self._n
        self._doubled = self.call_s < LONG_S
        if not self._doubled:
            self._n = 1
        each_s = self.call_s * self._n * (4.0 if self._doubled else 1.0)
        self._bursts = max(1, min(64, round(SAMPLE_S / each_s))) if each_s < SAMPLE_S else 1

    def take(self, turn_s: float) -> Turn:
        """At least one sample, and more until `turn_s` has passed. An untimed call comes first: it warms caches."""
        turn = Turn()
        began = time.monotonic()
        if self._doubled:
            self._stopwatch.read(self._kernel, self._n, 1, doubled=False)
            turn.executed += self._n
        while not turn.time_s or time.monotonic() - began < turn_s:
            self._contamination.begin()
            at_s = time.monotonic()
            reading = self._stopwatch.read(self._kernel, self._n, self._bursts, doubled=self._doubled)
            turn.executed += self._n * self._bursts * (4 if self._doubled else 1)  # n before, n, and 2n
            mark = self._contamination.end(reading.wall_s)
            if reading.time_s <= 0:
                mark = "+".join(filter(None, (mark, "negative")))
            _keep(turn, self._n, reading.time_s, reading.clock_hz, at_s, mark)
        turn.wall_s = time.monotonic() - began
        return turn


class PythonTurns:
    """Turns of what only Python can call: `calls` are bound to operand sets and used in turn."""

    timed_by = "python"

    def __init__(
        self, calls: Sequence[PythonCall], contamination: Contamination | None = None, now: Callable[[], float] = time.perf_counter
    ) -> None:
        self._calls = list(calls)
        self._next = 0
        self._now = now
        self._contamination = contamination or Contamination()
        self._n = 1
        took_s = self._run(1)
        while len(self._calls) == 1 and took_s < _PYTHON_SAMPLE_S / 4 and self._n < 1 << 20:
            self._n *= 4
            took_s = self._run(self._n)
        self.call_s = took_s / self._n

    def _run(self, n: int) -> float:
        call = self._calls[self._next]
        self._next = (self._next + 1) % len(self._calls)
        began = self._now()
        call(n)
        return self._now() - began

    def take(self, turn_s: float) -> Turn:
        """As `MachineTurns.take`; the first call of a turn is not timed."""
        turn = Turn()
        began = time.monotonic()
        self._run(1)
        while not turn.time_s or time.monotonic() - began < turn_s:
            self._contamination.begin()
            at_s = time.monotonic()
            time_s = self._run(self._n)
            turn.executed += self._n
            _keep(turn, self._n, time_s, 0.0, at_s, self._contamination.end(time_s))
        turn.wall_s = time.monotonic() - began
        return turn


def _keep(turn: Turn, calls: int, time_s: float, clock_hz: float, at_s: float, mark: str) -> None:
    turn.calls.append(calls)
    turn.time_s.append(time_s)
    turn.clock_hz.append(clock_hz)
    turn.at_s.append(at_s)
    turn.dirty.append(mark)
