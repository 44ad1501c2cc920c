"""Read the levels of the memory hierarchy from latency against working-set size.

Nothing is assumed of the number of levels or of their sizes. The median over allocations is cut into plateaus and climbs
(`plateaus`), steps that the TLB explains are taken out, and each climb is fitted by the way caches replace lines
(`transitions`). A size found here is *effective*: what one thread can keep at that latency, on this machine, at that time.

Known flaws: two edges with no plateau between them (a private L2 and a small share of an L3) read as one soft edge; where the
largest working set is under twice the last cache, memory latency is a lower bound, and says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...kernels.measure.stats import interval_of_median
from .curves import MIN_SIZES, Prepared, prepare
from .grouping import SURE_OCTAVES, Group, group_plateaus, settle_plateaus
from .isotonic import falling_spans
from .plateaus import find_plateaus
from .refine import refine_sizes
from .transitions import Edge, fit_edge

Floats = NDArray[np.float64]

OPEN_END_LEVELS = (1.0, 1.1, 1.25, 1.5)
FITTED_LEVELS = (1.0, 0.85, 1.15)
SWEEPS = 3  # of fitting each edge with its neighbours taken away

__all__ = ["LevelCurve", "LevelFit", "find_levels", "refine_sizes"]


@dataclass(frozen=True, slots=True)
class LevelFit:
    """One level: latency (unit of the input) and effective size in bytes, each with an approximate 95 % interval.

    `size_bytes` and its bounds are None for the last level, which no edge ends. `mechanism` says which replacement the edge
    looks like (`lru`, `random`, `coloured-8`), `between` where the curve cannot tell, empty for the last level.
    """

    latency: float
    latency_low: float
    latency_high: float
    size_bytes: float | None
    size_low: float | None
    size_high: float | None
    mechanism: str
    oddities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LevelCurve:
    """All levels, smallest first, the last being memory; size ranges (bytes) in which latency falls again; notes."""

    levels: tuple[LevelFit, ...] = ()
    non_monotone: tuple[tuple[float, float], ...] = ()
    notes: tuple[str, ...] = ()


def find_levels(
    size_bytes: ArrayLike,
    latency: ArrayLike,
    *,
    cycles: bool,
    steps_of_translation: Sequence[tuple[float, float]] = (),
    seed: int = 0,
    bootstrap: int = 200,
) -> LevelCurve:
    """The levels behind `latency` [allocations × sizes] over `size_bytes`.

    `cycles`: latency is in core cycles, not in nanoseconds. `steps_of_translation`: size ranges in bytes in which a TLB step
    was proven; a small step of the curve there ends no level. NaN marks a point that was not measured. The same input and
    seed give the same answer.
    """
    ready = prepare(size_bytes, latency)
    if ready is None:
        return LevelCurve(notes=(f"fewer than {MIN_SIZES} sizes with a latency: no levels can be told apart",))
    plateaus = settle_plateaus(ready, find_plateaus(ready.x, ready.tamed, ready.sd, cycles=cycles))
    groups = group_plateaus(ready, plateaus, steps_of_translation)
    falls = falling_spans(ready.logs, ready.sd)
    edges = _edges(ready, groups, seed, bootstrap)
    levels = [_level(ready, group, edge, falls) for group, edge in zip(groups, [*edges, None], strict=True)]
    spans = tuple((float(ready.sizes[a]), float(ready.sizes[b])) for a, b in falls)
    return LevelCurve(tuple(levels), spans, _notes(groups, spans))


def _notes(groups: Sequence[Group], falls: Sequence[tuple[float, float]]) -> tuple[str, ...]:
    notes = []
    if not groups:
        notes.append("latency rests at no size: no levels can be told apart")
    if len(groups) == 1:
        notes.append("one plateau only: no edge of a cache lies within the sizes measured")
    if falls:
        notes.append("latency falls with size in places, as when a prefetcher learns the chase: measure again with a longer chase")
    return tuple(notes)


def _edges(ready: Prepared, groups: Sequence[Group], seed: int, bootstrap: int) -> list[Edge]:
    """Every edge; those beside a short plateau again and again, without what their neighbours add to it."""
    pairs = list(pairwise(groups))
    inner = [_short(ready, g) for g in groups]
    inner[:1] = inner[-1:] = [False] * len(inner[:1])
    nothing = np.zeros(len(ready.sizes))
    edges = [_edge(ready, *pair, nothing, seed + i, 0) for i, pair in enumerate(pairs)]
    for turn in range(SWEEPS):
        count = bootstrap if turn == SWEEPS - 1 else 0
        for i, pair in enumerate(pairs):
            background = nothing.copy()
            if inner[i]:
                background -= _height(*pairs[i - 1]) * (1 - edges[i - 1].misses(ready.sizes))
            if inner[i + 1]:
                background += _height(*pairs[i + 1]) * edges[i + 1].misses(ready.sizes)
            if count or inner[i] or inner[i + 1]:
                edges[i] = _edge(ready, *pair, background, seed + i, count)
    return edges


def _height(lower: Group, upper: Group) -> float:
    return math.exp(upper.plateaus[0].level) - math.exp(lower.plateaus[-1].level)


def _short(ready: Prepared, group: Group) -> bool:
    octaves = ready.x[group.plateaus[-1].last] - ready.x[group.plateaus[0].first]
    return bool(octaves < SURE_OCTAVES or group.main.fitted)


def _edge(ready: Prepared, lower: Group, upper: Group, background: Floats, seed: int, bootstrap: int) -> Edge:
    """The edge between two levels, fitted on the climb and an octave or so of the plateaus beside it."""
    last, first = lower.plateaus[-1], upper.plateaus[0]
    x = ready.x
    start = max(last.first, int(np.searchsorted(x, x[last.last] - 1.5)))
    end = min(first.last, int(np.searchsorted(x, x[first.first] + 1.5)))
    window = slice(start, end + 1)
    levels = (math.exp(last.level), math.exp(first.level))
    bounds = (float(ready.sizes[max(last.last - 4, start)]), float(ready.sizes[min(first.first + 2, end)]))
    # A level that no plateau shows is known only roughly: let the fit choose among some.
    choices = OPEN_END_LEVELS if first.open_end else FITTED_LEVELS if first.fitted else (1.0,)
    starts = FITTED_LEVELS if last.fitted else (1.0,)
    edges = [
        fit_edge(
            ready.sizes[window],
            ready.rows[:, window],
            ready.sd[window],
            (levels[0] * less, levels[1] * more),
            bounds,
            background=background[window],
            seed=seed,
            bootstrap=bootstrap,
        )
        for less, more in product(starts, choices)
    ]
    best = min(edges, key=lambda e: e.misfit)
    likely = [e for e in edges if e.misfit < best.misfit + 6]
    return replace(best, low=min(e.low for e in likely), high=max(e.high for e in likely))


def _level(ready: Prepared, group: Group, edge: Edge | None, falls: Sequence[tuple[int, int]]) -> LevelFit:
    here = slice(group.main.first, group.main.last + 1)
    points = ready.logs[here]
    rows = ready.rows[:, here]
    each = [float(np.nanmedian(row)) for row in rows if np.isfinite(row).any()]
    middle = group.main.level
    lows, highs = zip(interval_of_median(points)[1:], interval_of_median(each)[1:], strict=True)
    oddities = list(group.oddities)
    if group.main.open_start:
        oddities.append("already rising at the smallest size measured: latency is an upper bound")
    if group.main.open_end:
        oddities.append("still rising at the largest size measured: latency is a lower bound")
    if group.main.fitted:
        oddities.append("no plateau of its own: latency and size come from a fit of the edges on either side")
    if any(a <= group.plateaus[-1].last and group.plateaus[0].first <= b for a, b in falls):
        oddities.append("latency falls with size here: a prefetcher may have learnt the chase")
    if edge is not None and edge.soft_octaves:
        oddities.append(f"soft edge: fades over {edge.soft_octaves:.1f} octaves")
    latency = (math.exp(middle), math.exp(min(middle, *lows)), math.exp(max(middle, *highs)))
    if edge is None:
        return LevelFit(*latency, None, None, None, "", tuple(oddities))
    return LevelFit(*latency, edge.size_bytes, edge.low, edge.high, edge.mechanism, tuple(oddities))
