"""Keep what a probe saw: raw samples at points, and raw readings, from which every Fact can be inferred again."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .facts import Scalar


@dataclass(frozen=True, slots=True)
class Point:
    """All samples taken at one setting.

    `at` is the setting (`{"size_bytes": 4096, "pages": "huge", "allocation": 0}`). Each sample did `work` units of work
    (loads, bytes, operations: the curve's `unit`) in `time_s[i]` seconds while the core ran at `clock_hz[i]` (0 where it
    could not be measured). `dirty[i]` names what disturbed sample i (`steal`, `switched`, `throttled`), empty when nothing did. A time is a
    difference of two, so noise can make it zero or negative: such a sample is kept as it was, marked `negative`, and never used.
    """

    at: dict[str, Scalar]
    work: float
    time_s: tuple[float, ...]
    clock_hz: tuple[float, ...] = ()
    dirty: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("clock_hz", "dirty"):
            others = getattr(self, name)
            if others and len(others) != len(self.time_s):
                raise ValueError(f"{name} has {len(others)} entries for {len(self.time_s)} samples")

    def each_s(self) -> list[float]:
        """Seconds for one unit of work, a value a clean sample (all samples where none is clean, and never one without a time)."""
        return [self.time_s[i] / self.work for i in self._clean()]

    def each_cycles(self) -> list[float]:
        """Core cycles for one unit of work, by the clock measured around the same sample; empty without a clock."""
        return [self.time_s[i] * self.clock_hz[i] / self.work for i in self._clean() if self.clock_hz and self.clock_hz[i] > 0]

    def rates(self) -> list[float]:
        """Units of work a second, a value a clean sample."""
        return [1.0 / s for s in self.each_s() if s > 0]

    def median_s(self) -> float:
        """Median seconds for one unit of work; NaN where no sample has a time."""
        each = self.each_s()
        return statistics.median(each) if each else math.nan

    def _clean(self) -> list[int]:
        timed = [i for i in range(len(self.time_s)) if self.time_s[i] > 0]
        return [i for i in timed if not (self.dirty and self.dirty[i])] or timed


def undisturbed(points: Iterable[Point]) -> list[Point]:
    """Those of several points about one thing (windows, rounds) that nothing disturbed; all where something disturbed each."""
    everything = list(points)
    return [p for p in everything if not any(p.dirty)] or everything


def joined(points: Iterable[Point]) -> tuple[Point, ...]:
    """Points of the same setting and work as one, their samples in the order taken: the rounds of a probe that comes back to each."""
    groups: dict[tuple[tuple[tuple[str, Scalar], ...], float], list[Point]] = {}
    for point in points:
        groups.setdefault((tuple(point.at.items()), point.work), []).append(point)
    return tuple(_joined(group) for group in groups.values())


def _joined(group: list[Point]) -> Point:
    count = [len(p.time_s) for p in group]
    marks = [mark for p, n in zip(group, count, strict=True) for mark in (p.dirty or ("",) * n)]
    clocks = [hz for p, n in zip(group, count, strict=True) for hz in (p.clock_hz or (0.0,) * n)]
    times = tuple(t for p in group for t in p.time_s)
    return Point(group[0].at, group[0].work, times, tuple(clocks) if any(clocks) else (), tuple(marks) if any(marks) else ())


@dataclass(frozen=True, slots=True)
class Curve:
    """What one probe saw on one kind of core: points with raw samples, readings as they were read, and what it could not do.

    `readings` holds text and numbers that are no timings (the content of a system file, a CPUID leaf, a trap's signal).
    `missing` holds a sentence for each thing that could not be measured here.
    """

    probe: str
    version: int
    unit: str = ""
    points: tuple[Point, ...] = ()
    readings: dict[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    core_kind: str = ""

    @property
    def by(self) -> str:
        """The name under which Facts cite this curve."""
        return f"{self.probe}@{self.version}"

    def where(self, **at: Scalar) -> list[Point]:
        """The points whose setting has all of these values, in the order they were measured."""
        return [p for p in self.points if all(p.at.get(key) == value for key, value in at.items())]
