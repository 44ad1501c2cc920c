"""Read line size, ways and sharing of a cache level from chases at chosen strides and from two chases at once.

All functions are pure and unit-free in latency: both latencies of a call have the same unit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...kernels.measure.stats import mad_sd, median, nan_median

Floats = NDArray[np.float64]

MIN_RISE_SHARE = 0.1  # a line's worth of stride must cost at least this much more
LEFT_SHARE = 0.25  # a set overflows when latency is this far on the way to the next level
FLOOR_FIT = (0.6, 1.7)  # ways × first stride of the floor, in shares of the size
SHARED_BELOW, PRIVATE_ABOVE = 0.72, 0.85  # capacity for each of two threads, in shares of one thread's


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number or a word with its bounds, or None; `why` says how it came about or what stood in the way."""

    value: float | str | None
    low: float | None = None
    high: float | None = None
    why: str = ""


def line_size(stride_bytes: ArrayLike, latency: ArrayLike) -> Estimate:
    """Bytes of a cache line from the cost of a load at each stride [rounds × strides], at a footprint beyond the level.

    Each load of a plain stride sweep costs in proportion to the stride until every one of them needs a new line (a ramp up to
    the line size). Pairs of loads, the second a stride behind the first, cost nothing more until the second leaves the line
    (a step at it). Either shape is told from the data; so is a prefetcher that fetches lines in pairs (a second, later step).
    Flaw: a ramp with such a prefetcher looks like lines of twice the size.
    """
    strides = np.asarray(stride_bytes, dtype=np.float64)
    rows = np.atleast_2d(np.asarray(latency, dtype=np.float64))
    seen = np.isfinite(rows).any(axis=0) & (strides > 0)
    order = np.argsort(strides[seen])
    strides, rows = strides[seen][order], rows[:, seen][:, order]
    if len(strides) < 4:
        return Estimate(None, why="fewer than four strides were measured")
    costs = nan_median(rows)
    noise = max(median([mad_sd(rows[:, j]) for j in range(len(strides))]), 0.005 * float(np.median(costs)))
    rise = float(np.median(costs[-2:]) - np.min(costs[:2]))
    if rise < max(MIN_RISE_SHARE * float(np.min(costs[:2])), 3 * noise):
        return Estimate(
            None, why="the cost of a load does not depend on the stride: a prefetcher hides the lines, or the footprint still fits"
        )
    fits = _line_fits(strides, costs, noise)
    best = min(fits, key=lambda f: f[0])
    near = sorted(f[1] for f in fits if f[0] < best[0] + 6)
    return Estimate(best[1], near[0], near[-1], best[2])


def _line_fits(strides: Floats, costs: Floats, noise: float) -> list[tuple[float, float, str]]:
    """(criterion, line, words) of each shape at each stride that could be the line size."""
    shapes = []
    for line in strides[1:-1]:
        shapes.append(((strides >= line).astype(float)[None, :], line, "cost steps up at this stride"))
        shapes.append((np.minimum(strides / line, 1.0)[None, :], line, "cost grows with the stride up to this one"))
        pair = np.array([(strides >= line) & (strides < 2 * line), strides >= 2 * line], dtype=float)
        if line >= strides[2] and pair[0].any() and pair[1].sum() >= 2:
            shapes.append((pair, line, "cost steps up at this stride and again at twice of it: lines are fetched in pairs"))
    found = []
    for columns, line, words in shapes:
        design = np.vstack([np.ones(len(strides)), columns]).T
        solution, *_ = np.linalg.lstsq(design, costs, rcond=None)
        if np.any(solution[1:] <= 0) or (len(solution) == 3 and not 0.15 < solution[1] / solution[2] < 0.85):
            continue
        residual = float(np.sum(np.square(costs - design @ solution))) / (noise**2 + (0.03 * float(np.ptp(costs))) ** 2)
        found.append((residual + len(solution) * math.log(len(strides)), float(line), words))
    return found or [(math.inf, float(strides[-1]), "no shape fits")]


def ways(table: Mapping[int, tuple[Floats, Floats]], plateau_latency: float, next_latency: float, size_bytes: float) -> Estimate:
    """Associativity of a level from {stride: (nodes, latency [bases × nodes])}.

    At stride s about size/s nodes fit, half as many at each doubling, until all nodes fall into one set: then as many fit as
    the level has ways, at every further stride. Flaws: a level that does not contain the ones above it shows the larger of
    their associativities; a TLB with few ways ends the floor early at large strides.
    """
    if not next_latency > plateau_latency * 1.1:
        return Estimate(None, why="the next level is not slower enough to tell when a set overflows")
    strides = sorted(table)
    fits = {s: _nodes_that_fit(*table[s], plateau_latency, next_latency) for s in strides}
    fits = {s: f for s, f in fits.items() if f is not None}
    runs = _floors([(s, f[0]) for s, f in sorted(fits.items()) if f is not None])
    for stride, nodes, count in runs:
        if FLOOR_FIT[0] <= nodes * stride / size_bytes <= FLOOR_FIT[1]:
            members = [f for s, f in fits.items() if f is not None and s >= stride and f[0] == nodes][:count]
            low, high = min(f[1] for f in members), max(f[2] for f in members)
            return Estimate(nodes, min(low, nodes), max(high, nodes), f"{nodes:.0f} nodes fit at {count} strides from {stride} B on")
    return Estimate(None, why=_why_no_floor(strides, fits, size_bytes))


def _nodes_that_fit(nodes: Floats, rows: Floats, plateau: float, below: float) -> tuple[float, float, float] | None:
    """(nodes, low, high) that stay in the level, over all bases; None where it is never left."""
    counts = np.asarray(nodes, dtype=np.float64)
    found = [_last_inside(counts, row, plateau + LEFT_SHARE * (below - plateau)) for row in np.atleast_2d(rows)]
    kept = [f for f in found if f is not None]
    if len(kept) * 2 <= len(found):
        return None
    return float(np.round(np.median(kept))), min(kept), max(kept)


def _last_inside(counts: Floats, row: Floats, limit: float) -> float | None:
    seen = np.isfinite(row)
    outside = row[seen] > limit
    # Two in a row: a single disturbance is no overflow. The last point stands alone.
    both = outside & np.append(outside[1:], outside[-1:])
    if not both.any():
        return None
    first = int(np.argmax(both))
    return float(counts[seen][first - 1]) if first else 0.0


def _floors(fits: Sequence[tuple[int, float]]) -> list[tuple[int, float, int]]:
    """(first stride, nodes, how many strides) of each run of at least two strides that hold equally many nodes."""
    runs: list[tuple[int, float, int]] = []
    for stride, nodes in fits:
        if runs and runs[-1][1] == nodes:
            runs[-1] = (runs[-1][0], nodes, runs[-1][2] + 1)
        else:
            runs.append((stride, nodes, 1))
    return [r for r in runs if r[2] >= 2 and r[1] >= 1]


def _why_no_floor(strides: Sequence[int], fits: Mapping[int, tuple[float, float, float] | None], size_bytes: float) -> str:
    known = {s: f for s, f in fits.items() if f is not None}
    if not known:
        return "latency left the level at no stride: the index is hashed, or too few nodes were tried"
    spread = [f for f in known.values() if f[2] > 1.5 * max(f[1], 1.0)]
    if len(spread) * 2 > len(known):
        return "it depends on the base address: pages are smaller than a way, so the sets that a stride meets are chance"
    largest = max(known)
    if largest < max(strides) or known[largest][0] * largest > 3 * size_bytes:
        return "at large strides more nodes fit than one set can hold: the index is hashed, not measurable by stride"
    return "the number of nodes that fit reaches no floor that matches the size"


def sharing(
    size_bytes: ArrayLike,
    latency_one_thread: ArrayLike,
    latency_two_threads: ArrayLike,
    level_size: float,
    levels: tuple[float, float],
) -> Estimate:
    """`shared` or `private`: whether two threads with buffers of their own each keep the whole level, or half of it.

    Latencies over `size_bytes` (for each thread's buffer) may be one row or [rounds × sizes]; `levels` are the latencies of
    this level and of the next one. `low` and `high` bound the share of one thread's capacity that is left with two.
    """
    sizes = np.asarray(size_bytes, dtype=np.float64)
    order = np.argsort(sizes)
    sizes = sizes[order]
    one, two = (np.atleast_2d(np.asarray(t, dtype=np.float64))[:, order] for t in (latency_one_thread, latency_two_threads))
    if not levels[1] > levels[0] * 1.15:
        return Estimate(None, why="the next level is hardly slower: an edge that moves could not be seen")
    alone, together = (_capacity(sizes, nan_median(rows), levels) for rows in (one, two))
    if alone is None or together is None:
        return Estimate(None, why="latencies are missing, or lie above this level already at the smallest size")
    if together >= sizes[-1] and alone >= sizes[-1]:
        ratio = 1.0
        if sizes[-1] < 0.7 * level_size:
            return Estimate(None, why="the sizes measured do not reach the edge of the level, with one thread or with two")
    else:
        ratio = together / alone
    gap = float(np.max(sizes[1:] / sizes[:-1])) if len(sizes) > 1 else 2.0
    bounds = (ratio / math.sqrt(gap), ratio * math.sqrt(gap))
    words = f"two threads keep {ratio:.0%} each of what one keeps alone"
    if ratio < SHARED_BELOW:
        return Estimate("shared", *bounds, words)
    if ratio > PRIVATE_ABOVE:
        return Estimate("private", *bounds, words)
    return Estimate(None, *bounds, words + ": neither half nor all")


def _capacity(sizes: Floats, latency: Floats, levels: tuple[float, float]) -> float | None:
    """Size at which latency has gone 30 % of the way to the next level; the largest size where it never does."""
    seen = np.isfinite(latency)
    if seen.sum() < 3:
        return None
    x, share = np.log(sizes[seen]), (latency[seen] - levels[0]) / (levels[1] - levels[0])
    above = np.nonzero(share >= 0.3)[0]
    if not len(above):
        return float(sizes[seen][-1])
    i = int(above[0])
    if i == 0:
        return None
    return float(math.exp(np.interp(0.3, share[i - 1 : i + 1], x[i - 1 : i + 1])))
