"""Read the capacity of a cache from the way latency climbs from its plateau to the next one.

A cyclic random chase over x capacities misses a share m(x) that depends on how lines are placed and replaced:

- `lru`: true LRU, contiguous pages: 0 up to x = 1, then 1.
- `random`: random replacement: m = 1 - exp(-x m) above x = 1; half the loads miss only at x = 1.39.
- `coloured-W`: LRU with W ways and random page colours: m = P(Poisson(W x) >= W); half miss at x of about 1.
- `soft`: a logistic curve of free width in log size. No mechanism, but what neighbours on a shared cache or a mixture leave.

Each is fitted in log latency between two known levels; the Bayesian information criterion chooses, its price scaled by the
misfit of the best template, since no real curve matches any of them. Where it cannot choose, the interval spans them all.
Flaw: both levels are taken as known; a plateau that is read 3 % off shifts a wide edge by some percent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...kernels.measure.stats import nan_median, percentile_span

Floats = NDArray[np.float64]

WAYS = (4, 8, 12, 16)
WIDTHS_OCTAVES = (0.15, 0.25, 0.4, 0.6, 0.85, 1.2, 1.6, 2.1, 2.8, 3.6, 4.8)  # 10 % to 90 % of the misses
SHARP_OCTAVES = 0.3  # a logistic edge as narrow as this is a cliff
SOFT_OCTAVES = 1.6  # wider than any mechanism but the coloured one with few ways
STEPS_PER_OCTAVE = 96
TEMPLATE_ERROR = 0.03  # share of the height by which real edges miss every template
OUTLIER_SD = 4.0  # residuals count no more than this
RANDOM_HALF = 2 * math.log(2)  # x at which half the loads miss under random replacement
CANNOT_CHOOSE, MAY_BE = 2.0, 6.0  # differences of the criterion: no evidence, and weak evidence


@dataclass(frozen=True, slots=True)
class Edge:
    """A fitted edge: capacity with its interval in bytes, the mechanism, and the width (octaves, 10 % to 90 %) where soft.

    `template`, its width in octaves and its own best capacity draw the fitted curve again; `misfit` is its sum of squares.
    """

    size_bytes: float
    low: float
    high: float
    mechanism: str
    soft_octaves: float = 0.0
    template: str = "lru"
    width: float = 0.0
    template_bytes: float = 0.0
    misfit: float = 0.0

    def misses(self, sizes: Floats) -> Floats:
        """Share of loads that miss at each size, by the best template."""
        return missing_share(self.template, sizes / self.template_bytes, self.width)


@dataclass(frozen=True, slots=True)
class _Template:
    name: str
    width: float  # octaves; 0 for the mechanisms
    curves: Floats  # expected log latency [capacities × points]

    @property
    def parameters(self) -> int:
        return 2 if self.width else 1


def missing_share(name: str, x: Floats, width: float = 1.0) -> Floats:
    """Share of loads that miss at footprints of `x` capacities under the named mechanism."""
    if name == "lru":
        return (x > 1.0).astype(np.float64)
    if name == "random":
        return _random_share(x)
    if name == "soft":
        return np.asarray(1.0 / (1.0 + np.power(x, -2 * math.log(9) / (width * math.log(2)))))
    ways = int(name.removeprefix("coloured-"))
    return _poisson_tail(ways, ways * x)


def _random_share(x: Floats) -> Floats:
    """The positive root of m = 1 - exp(-x m) above x = 1, zero below: Newton's method from 1, where the function is concave."""
    above = np.maximum(x, 1.0 + 1e-6)
    share = np.ones_like(above)
    for _ in range(40):
        gone = np.exp(-above * share)
        share = share - (share - 1.0 + gone) / (1.0 - above * gone)
    return np.where(x > 1.0 + 1e-6, share, 0.0)


def _poisson_tail(ways: int, mean: Floats) -> Floats:
    """P(N >= ways) of a Poisson variable N, summed term by term; at most 16 ways are asked for."""
    term = np.exp(-mean)
    below = np.zeros_like(term)
    for k in range(ways):
        below += term
        term = term * mean / (k + 1)
    return np.asarray(1.0 - below)


def fit_edge(
    sizes: Floats,
    rows: Floats,
    sd: Floats,
    levels: tuple[float, float],
    bounds: tuple[float, float],
    *,
    background: Floats | None = None,
    seed: int = 0,
    bootstrap: int = 200,
) -> Edge:
    """The capacity behind the climb from levels[0] to levels[1].

    `rows` are log latencies [allocations × sizes], NaN allowed; `sd` the standard error of their medians. The capacity is
    looked for inside `bounds` (bytes); `background` is latency that neighbouring edges add at each size. `low` and `high`:
    bootstrap over allocations, the profile of the misfit, the span of the templates that the criterion cannot rule out, and
    the two sizes next to the capacity, whichever is widest.
    """
    height = math.log(levels[1] / levels[0])
    errors = np.hypot(sd, TEMPLATE_ERROR * height)
    capacities = _capacities(bounds)
    templates = _templates(sizes, capacities, levels, np.zeros(len(sizes)) if background is None else background)
    middle = nan_median(rows)
    misfits = [_misfit(t.curves, middle, errors) for t in templates]
    best = [float(np.min(m)) for m in misfits]
    scale = max(1.0, min(best) / max(len(sizes) - 2, 1))
    scores = np.array([b / scale + t.parameters * math.log(len(sizes)) for b, t in zip(best, templates, strict=True)])
    scores -= scores.min()
    likely = [i for i in range(len(templates)) if scores[i] < MAY_BE]
    draws = _draws(rows, seed, bootstrap if len(rows) > 1 else 0)
    spans = [_span(templates[i], misfits[i] / scale, draws, errors, capacities) for i in likely]
    weights = np.exp(-0.5 * scores[likely])
    centres = np.array([_lowest(misfits[i], capacities) for i in likely])
    size = float(np.exp(np.average(np.log(centres), weights=weights)))
    low, high = _no_finer_than_grid(size, min(s[0] for s in spans), max(s[1] for s in spans), sizes)
    first = int(np.argmin(scores))
    winner, own = templates[first], _lowest(misfits[first], capacities)
    soft = winner.width if winner.width >= SOFT_OCTAVES else 0.0
    return Edge(size, low, high, _name(templates, scores), soft, winner.name, winner.width, own, min(best))


def _capacities(bounds: tuple[float, float]) -> Floats:
    octaves = math.log2(bounds[1] / bounds[0])
    return np.asarray(np.geomspace(bounds[0], bounds[1], max(int(octaves * STEPS_PER_OCTAVE), 16)))


def _templates(sizes: Floats, capacities: Floats, levels: tuple[float, float], background: Floats) -> list[_Template]:
    x = sizes[None, :] / capacities[:, None]
    kinds = [("lru", 0.0), ("random", 0.0), *((f"coloured-{w}", 0.0) for w in WAYS), *(("soft", w) for w in WIDTHS_OCTAVES)]
    low, high = levels
    # Half the lower level: a floor for the logarithm where neighbours are subtracted, far under anything that fits.
    latencies = ((name, width, low + (high - low) * missing_share(name, x, width) + background) for name, width in kinds)
    return [_Template(name, width, np.log(np.maximum(latency, low / 2))) for name, width, latency in latencies]


def _misfit(curves: Floats, middle: Floats, errors: Floats) -> Floats:
    residuals = (curves - middle) / errors
    return np.asarray(np.sum(np.minimum(np.square(residuals), OUTLIER_SD**2), axis=1))


def _lowest(misfit: Floats, capacities: Floats) -> float:
    # A cliff between two sizes fits equally well anywhere between them: take the middle.
    flat = capacities[misfit <= misfit.min() + 1e-9]
    return float(math.sqrt(flat[0] * flat[-1]))


def _draws(rows: Floats, seed: int, count: int) -> list[Floats]:
    """Medians of `count` draws of as many allocations as there are, with replacement."""
    if not count:
        return []
    random = np.random.default_rng(seed)
    drawn = nan_median(rows[random.integers(0, len(rows), size=(count, len(rows)))], axis=1)
    return list(np.where(np.isnan(drawn), nan_median(rows), drawn))


def _span(template: _Template, misfit: Floats, draws: Sequence[Floats], errors: Floats, capacities: Floats) -> tuple[float, float]:
    inside = capacities[misfit <= misfit.min() + 3.84]  # 95 % point of chi square with one degree of freedom
    low, high = float(inside[0]), float(inside[-1])
    if draws:
        again = [_lowest(_misfit(template.curves, draw, errors), capacities) for draw in draws]
        first, last = percentile_span(again)
        low, high = min(low, first), max(high, last)
    if template.width >= SOFT_OCTAVES:
        middle, half = _lowest(misfit, capacities), 2 ** (template.width / 2)
        return min(low, middle / half), max(high, middle * half)
    if template.width > SHARP_OCTAVES:
        # Between a cliff and random replacement: the half-way point may be the capacity or 1.39 times it.
        return low / RANDOM_HALF, high
    return low, high


def _name(templates: Sequence[_Template], scores: Floats) -> str:
    names = ["lru" if 0 < t.width <= SHARP_OCTAVES else "between" if t.width else t.name for t in templates]
    winner = names[int(np.argmin(scores))]
    rivals = {name for name, score in zip(names, scores, strict=True) if score < CANNOT_CHOOSE}
    return winner if rivals == {winner} else "between"


def _no_finer_than_grid(size: float, low: float, high: float, sizes: Floats) -> tuple[float, float]:
    after = int(np.clip(np.searchsorted(sizes, size), 1, len(sizes) - 1))
    below, above = float(sizes[after - 1]), float(sizes[after])
    half = math.sqrt(above / below)
    return min(low, below, size / half), max(high, above, size * half)
