"""Take samples of a kernel until they are enough: calibrate, measure, mark what was disturbed, stop in time.

States of a sampler, in order: TUNE (find `n` so that a sample lasts long enough), DISCARD (the first sample after a change of
kernel warms caches, predictors and the clock), COLLECT. Samples that the system disturbed are *marked*, never dropped here: the
mark comes from the system's own counters (`contamination`), not from the value. When most samples of a point are marked, more
are taken, up to twice as many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ...configs.curve import Point
from ...configs.facts import Scalar
from .contamination import Contamination
from .stopwatch import Kernel, Reading, Stopwatch, stopwatch

_MOST_UNITS = 1 << 40  # where a stopwatch that always says nought ends the search; twice of it still is an int64


class Watch(Protocol):
    """What tells whether a sample was disturbed; `contamination.Contamination` or a fake."""

    def begin(self) -> None:
        """Before the sample."""

    def end(self, wall_s: float) -> str:
        """After it: empty, or what happened."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """How to sample one point.

    A sample is some bursts of the stopwatch, its time their median. `sample_s` is how long one sample should last in all,
    `burst_s` how long the kernel runs for n units in one burst; at least three bursts, so that the median means something.
    `n` fixes the units and `bursts` their number (0: chosen from the two times).
    """

    samples: int = 7
    sample_s: float = 0.002
    burst_s: float = 40e-6
    doubled: bool = True
    n: int = 0
    bursts: int = 0


class Sampler:
    """Measure kernels with one stopwatch; see the module's text for the states."""

    def __init__(self, watch: Stopwatch | None = None, contamination: Watch | None = None) -> None:
        self.stopwatch: Stopwatch = watch or stopwatch()
        self.contamination: Watch = contamination or Contamination()

    def tune(self, kernel: Kernel, plan: Plan) -> int:
        """The n whose run lasts about `burst_s`: doubled until it is measurable, then scaled once."""
        n = 1
        while True:
            time_s = min(self.stopwatch.read(kernel, n, 1, doubled=False).time_s for _ in range(2))
            if time_s >= plan.burst_s / 4 or n >= _MOST_UNITS:
                return min(_MOST_UNITS, max(1, round(n * plan.burst_s / max(time_s, 1e-12))))
            n = max(n + 1, min(n * 16, round(n * plan.burst_s / max(time_s, plan.burst_s / 16))))

    def point(self, kernel: Kernel, at: dict[str, Scalar], work_per_n: float, plan: Plan) -> Point:
        """Samples of `kernel` at one setting; each did n × `work_per_n` units of work."""
        n = plan.n or self.tune(kernel, plan)
        bursts = plan.bursts or max(3, round(plan.sample_s / (plan.burst_s * (4.5 if plan.doubled else 1.2))))
        self.stopwatch.read(kernel, n, 1, doubled=plan.doubled)
        readings: list[Reading] = []
        dirty: list[str] = []
        while len(readings) < plan.samples or (dirty.count("") < (plan.samples + 1) // 2 and len(readings) < 2 * plan.samples):
            self.contamination.begin()
            reading = self.stopwatch.read(kernel, n, bursts, doubled=plan.doubled)
            mark = self.contamination.end(reading.wall_s)
            if reading.time_s <= 0:
                mark = "+".join(filter(None, (mark, "negative")))
            readings.append(reading)
            dirty.append(mark)
        return Point(
            dict(at),
            n * work_per_n,
            tuple(r.time_s for r in readings),
            tuple(r.clock_hz for r in readings),
            tuple(dirty) if any(dirty) else (),
        )
