"""Draw the latency curve in a few characters: time a load, log scale, over the working set, log scale.

Each column holds the median of the points that fall into it. Points that were measured several times (fresh allocations)
are reduced to the median of their medians first, so that the picture shows the usual allocation, not the luckiest.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..configs.curve import Curve, Point
from ..configs.machine import CacheLevel, Machine
from ..configs.units import size_words
from .look import Line, Look, Span
from .numbers import figure, value_of
from .text import cell_width, pad

_BLOCKS = " ▁▂▃▄▅▆▇█"
_RAMP = "_.-:=+*#@"  # nine steps as dark as their height, in ASCII
_ROWS = 2
_LONGEST = 100


@dataclass(frozen=True, slots=True)
class LatencyCurve:
    """Latency in seconds at each working set in bytes, under one setting (`huge`, `small`), on one kind of core."""

    setting: str
    core_kind: str
    latency_s: tuple[tuple[int, float], ...]


def latency_curves(machine: Machine) -> list[LatencyCurve]:
    """The latency curves of a machine, one for each kind of core and each setting in words, fastest core and huge pages first."""
    found: list[LatencyCurve] = []
    for curve in machine.curves.values():
        if curve.probe == "latency":
            for setting, points in _by_setting(curve).items():
                values = _medians(points)
                if len(values) > 2:
                    found.append(LatencyCurve(setting, curve.core_kind, tuple(sorted(values.items()))))
    order = {kind: i for i, kind in enumerate(machine.topology.kinds)} if machine.topology else {}
    return sorted(found, key=lambda c: (order.get(c.core_kind, len(order)), c.core_kind, "huge" not in c.setting, c.setting))


def _by_setting(curve: Curve) -> Mapping[str, list[Point]]:
    groups: dict[str, list[Point]] = {}
    for point in curve.points:
        words = [value[:_LONGEST] for value in point.at.values() if isinstance(value, str)]
        groups.setdefault(" ".join(words), []).append(point)
    return groups


def _medians(points: Iterable[Point]) -> dict[int, float]:
    samples: dict[int, list[float]] = {}
    for point in points:
        size = point.at.get("size_bytes")
        if isinstance(size, bool) or not isinstance(size, int) or not 0 < size < 2**60 or not point.time_s or not point.work > 0:
            continue
        median_s = _median_s(point)
        if math.isfinite(median_s) and median_s > 0:
            samples.setdefault(size, []).append(median_s)
    return {size: statistics.median(values) for size, values in samples.items()}


def _median_s(point: Point) -> float:
    """Seconds a load; NaN where a file holds numbers that no division survives."""
    try:
        return point.median_s()
    except (OverflowError, ZeroDivisionError):
        return math.nan


def sparkline(curve: LatencyCurve, cells: int, *, ascii_only: bool = False, rows: int = _ROWS) -> list[str]:
    """The curve in `rows` lines of `cells` characters, highest line first; one line in ASCII."""
    heights = _heights(curve, cells)
    if ascii_only:
        return ["".join(" " if h is None else _RAMP[round(h * (len(_RAMP) - 1))] for h in heights)]
    steps = len(_BLOCKS) - 1
    eighths = [None if h is None else 1 + round(h * (rows * steps - 1)) for h in heights]
    return ["".join(" " if e is None else _BLOCKS[min(steps, max(0, e - row * steps))] for e in eighths) for row in reversed(range(rows))]


def _heights(curve: LatencyCurve, cells: int) -> list[float | None]:
    """Height of each column, 0 to 1; columns without a point take the value between their neighbours."""
    logs = [math.log(latency) for _, latency in curve.latency_s]
    low, span = min(logs), (max(logs) - min(logs)) or 1.0
    columns: list[list[float]] = [[] for _ in range(cells)]
    for (size, latency), _ in zip(curve.latency_s, logs, strict=True):
        columns[_column(curve, size, cells)].append(math.log(latency))
    means = [statistics.median(column) if column else None for column in columns]
    return [None if value is None else (value - low) / span for value in _filled(means)]


def _filled(values: Sequence[float | None]) -> list[float | None]:
    known = [i for i, value in enumerate(values) if value is not None]
    result = list(values)
    for left, right in itertools.pairwise(known):
        for i in range(left + 1, right):
            a, b = values[left], values[right]
            assert a is not None
            assert b is not None
            result[i] = a + (b - a) * (i - left) / (right - left)
    return result


def _column(curve: LatencyCurve, size: float, cells: int) -> int:
    first, last = curve.latency_s[0][0], curve.latency_s[-1][0]
    return min(cells - 1, int(cells * math.log(size / first) / math.log(last / first)))


def curve_lines(curve: LatencyCurve, caches: Sequence[CacheLevel], look: Look, room: int) -> list[Line]:
    """The sparkline in at most `room` cells, its range behind it, and an axis below that marks where each cache ends."""
    values = [latency * 1e9 for _, latency in curve.latency_s]
    least, most = figure(min(values)), figure(max(values))
    first, last = (size_words(size) for size in (curve.latency_s[0][0], curve.latency_s[-1][0]))
    behind = [f"{least}-{most} ns"] if look.ascii_only else [f"{most} ns", *[""] * (_ROWS - 2), f"{least} ns"]
    cells = max(16, min(_LONGEST, room - 2 - max(map(cell_width, (*behind, last)))))
    drawn = sparkline(curve, cells, ascii_only=look.ascii_only)
    lines: list[Line] = [(Span(text, "level"), Span(f"  {words}", "dim")) for text, words in zip(drawn, behind, strict=True)]
    return [*lines, (Span(f"{_axis(curve, caches, look, cells, first)}  {last}", "dim"),)]


def _axis(curve: LatencyCurve, caches: Sequence[CacheLevel], look: Look, cells: int, first: str) -> str:
    """First size, then a mark with a name at each cache's end. A name that finds no room is left out with its mark."""
    axis = list(pad(first, cells))
    free_from = cell_width(first) + 1
    for cache in caches:
        size = value_of(cache.size)
        if size is None or not curve.latency_s[0][0] <= size <= curve.latency_s[-1][0]:
            continue
        label = ("'" if look.ascii_only else "╵") + look.word(cache.name, 8)
        at = _column(curve, size, cells)
        if at >= free_from and at + len(label) <= cells and cell_width(label) == len(label):
            axis[at : at + len(label)] = label
            free_from = at + len(label) + 1
    return "".join(axis)
