"""Find out whether one edge or two lie in a climb: a level may be too small to show a plateau of its own.

Two edges are fitted together: latency = A (1 - m1) + P (m1 - m2) + C m2, where m1 and m2 are the shares of loads that miss the
inner and the outer cache, A and C the known levels and P the level between, which is then a linear least-squares problem.
Two are believed only where they explain the climb much better than one, and where the fitted curve shows a shelf between them:
an edge that merely fades (a cache shared with neighbours) shows none.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .transitions import OUTLIER_SD, WAYS, WIDTHS_OCTAVES, missing_share

Floats = NDArray[np.float64]

SINGLE = (("lru", 0.0), ("random", 0.0), *((f"coloured-{ways}", 0.0) for ways in WAYS), *(("soft", width) for width in WIDTHS_OCTAVES))
KINDS = (("lru", 0.0), ("random", 0.0), ("coloured-8", 0.0), ("soft", 0.85), ("soft", 1.6), ("soft", 2.8))
STEPS_PER_OCTAVE = 8
SINGLE_STEPS_PER_OCTAVE = 48
TEMPLATE_ERROR = 0.02  # of the whole height, as in `transitions` but for two edges together
APART = 2.0  # capacities of two levels differ at least by this factor
STEP = 1.25  # and their latencies by this
CONTRAST = 2.5  # either climb is this much steeper than the shelf between them


@dataclass(frozen=True, slots=True)
class Shelf:
    """The level between two edges, as fitted: its latency, both capacities, and how much better two edges explain the climb."""

    latency: float
    inner_bytes: float
    outer_bytes: float
    gain: float  # difference of the information criterion, one edge minus two; above zero speaks for two
    contrast: float  # slope of the flatter climb over the slope of the shelf

    @property
    def shows(self) -> bool:
        """Whether the curve has a shelf at all, be it significant or not."""
        return self.contrast >= CONTRAST


def fit_shelf(sizes: Floats, logs: Floats, sd: Floats, low: float, high: float) -> Shelf | None:
    """The best two edges between levels `low` and `high`; None where no two edges are far enough apart."""
    height = math.log(high / low)
    errors = np.hypot(sd, TEMPLATE_ERROR * height)
    capacities = _capacities(sizes, STEPS_PER_OCTAVE)
    shares = [missing_share(name, sizes[None, :] / capacities[:, None], width) for name, width in KINDS]
    inner, outer = np.nonzero(capacities[:, None] * APART <= capacities[None, :])
    if not len(inner):
        return None
    one = _misfit_of_one(sizes, logs, errors, low, high)
    best: tuple[float, float, int, int, int] | None = None
    for first, second in itertools.product(range(len(KINDS)), repeat=2):
        misfit, levels = _pair(shares[first][inner], shares[second][outer], logs, errors, low, high)
        at = int(np.argmin(misfit))
        if best is None or misfit[at] < best[0]:
            best = (float(misfit[at]), float(levels[at]), first, second, at)
    assert best is not None
    two, level, first, second, at = best
    scale = max(1.0, two / max(len(sizes) - 4, 1))
    gain = (one - two) / scale - 2 * math.log(len(sizes))
    edges = (float(capacities[inner[at]]), float(capacities[outer[at]]))
    return Shelf(level, *edges, gain, _contrast(KINDS[first], KINDS[second], edges, (low, level, high)))


def _capacities(sizes: Floats, per_octave: int) -> Floats:
    return np.asarray(np.geomspace(sizes[0], sizes[-1], max(round(math.log2(sizes[-1] / sizes[0]) * per_octave), 4)))


def _misfit_of_one(sizes: Floats, logs: Floats, errors: Floats, low: float, high: float) -> float:
    x = sizes[None, :] / _capacities(sizes, SINGLE_STEPS_PER_OCTAVE)[:, None]
    shares = (missing_share(name, x, width) for name, width in SINGLE)
    return min(float(np.min(_misfit(np.log(low + (high - low) * share), logs, errors))) for share in shares)


def _pair(m1: Floats, m2: Floats, logs: Floats, errors: Floats, low: float, high: float) -> tuple[Floats, Floats]:
    """(misfit, level between) of each pair of edges: rows of `m1` with rows of `m2`."""
    latency = np.exp(logs)
    between = np.maximum(m1 - m2, 0.0)
    weights = 1.0 / np.square(errors * latency)
    wanted = latency - low * (1 - m1) - high * m2
    top = np.sum(weights * between * wanted, axis=1)
    bottom = np.sum(weights * np.square(between), axis=1)
    level = np.divide(top, bottom, out=np.full_like(top, low), where=bottom > 0)
    level = np.clip(level, low * STEP, max(high / STEP, low * STEP))
    curves = low * (1 - np.maximum(m1, m2)) + level[:, None] * between + high * m2
    return _misfit(np.log(curves), logs, errors), level


def _misfit(curves: Floats, logs: Floats, errors: Floats) -> Floats:
    return np.asarray(np.sum(np.minimum(np.square((curves - logs) / errors), OUTLIER_SD**2), axis=-1))


def _contrast(inner: tuple[str, float], outer: tuple[str, float], edges: tuple[float, float], levels: tuple[float, float, float]) -> float:
    """How much steeper than the shelf the flatter of both climbs is, on the fitted curve (slopes over a quarter octave)."""
    x = np.arange(math.log2(edges[0]) - 3, math.log2(edges[1]) + 3, 0.05)
    sizes = np.exp2(x)
    m1, m2 = missing_share(inner[0], sizes / edges[0], inner[1]), missing_share(outer[0], sizes / edges[1], outer[1])
    low, level, high = levels
    curve = np.log(low * (1 - np.maximum(m1, m2)) + level * np.maximum(m1 - m2, 0) + high * m2)
    slopes = (curve[5:] - curve[:-5]) / 0.25
    middles = (x[5:] + x[:-5]) / 2
    inside = np.nonzero((middles > math.log2(edges[0])) & (middles < math.log2(edges[1])))[0]
    rest = int(inside[np.argmin(slopes[inside])])
    flatter = min(float(np.max(slopes[: rest + 1])), float(np.max(slopes[rest:])))
    return flatter / max(float(slopes[rest]), 1e-6)
