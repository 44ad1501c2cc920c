"""Find the centre of noisy samples and an honest interval around it.

Noise of a shared machine is one-sided and slow: neighbours only ever add time. Hence medians and order statistics, no means
and no normal intervals. Units go through unchanged. Every function ignores NaN; an empty sample gives NaN, never an error.
Flaw of all intervals here: samples taken one after the other are correlated, so true coverage is somewhat below 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# What two readings of one thing may differ by on a quiet machine: a clock chain of 1 µs read in steps of the counter (0.04 % each), and
# the core's own small steps of frequency. Two probes in a row on a quiet guest differed by up to 0.3 % in rates that cannot change.
INSTRUMENT_SHARE = 0.003

_FEW = 64  # values
LEAST_CLEAN = 6  # below so many samples there is no distribution-free interval of 95 %

# Standard deviation of a normal distribution over its median absolute deviation: 1 / Phi^-1(3/4).
MAD_TO_SD = 1.4826


def finite(samples: ArrayLike) -> Floats:
    """The finite values of `samples`, flat."""
    values = np.asarray(samples, dtype=np.float64).ravel()
    return values[np.isfinite(values)]


def median(samples: ArrayLike) -> float:
    """Median of the finite values; NaN where there is none."""
    values = finite(samples)
    if 0 < values.size <= _FEW:  # the same figure at a fifth of the cost: a gate takes medians of a handful by the hundred thousand
        ordered = sorted(values.tolist())
        return float((ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2)
    return float(np.median(values)) if values.size else math.nan


def nan_median(table: ArrayLike, axis: int = 0) -> Floats:
    """Median of the finite values along `axis`; NaN, and no warning, where there is nothing else. Quick for many short columns."""
    values = np.asarray(table, dtype=np.float64)
    ordered = np.sort(np.where(np.isfinite(values), values, np.nan), axis=axis)  # NaN sorts last
    counts = np.expand_dims(np.sum(np.isfinite(ordered), axis=axis), axis)
    low = np.take_along_axis(ordered, np.maximum(counts - 1, 0) // 2, axis=axis)
    high = np.take_along_axis(ordered, np.minimum(counts // 2, np.maximum(counts - 1, 0)), axis=axis)
    return np.asarray(np.squeeze((low + high) / 2, axis=axis))


def low_quantile(samples: ArrayLike, share: float = 0.25) -> float:
    """The value that `share` of the finite values lie under: the centre of what disturbances did not lengthen."""
    values = finite(samples)
    return float(np.quantile(values, share)) if values.size else math.nan


def mad_sd(samples: ArrayLike) -> float:
    """Standard deviation as the median absolute deviation says it; 0 for one value, NaN for none."""
    values = finite(samples)
    return float(MAD_TO_SD * np.median(np.abs(values - np.median(values)))) if values.size else math.nan


@lru_cache(maxsize=4096)
def _outer_rank(count: int) -> int:
    """Largest k for which [k-th smallest, k-th largest] covers the median with 95 % (binomial tails); at least 1."""
    rank, tail = 0, 0.0
    for k in range(count // 2):
        tail += math.exp(math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1) - count * math.log(2))
        if 2 * tail > 0.05:
            break
        rank = k + 1
    return max(rank, 1)


def interval_of_median(samples: ArrayLike, seed: int = 0) -> tuple[float, float, float]:  # noqa: ARG001 - one signature for all intervals
    """(median, low, high): the distribution-free 95 % interval from order statistics.

    Below six samples no such interval exists: it is then the smallest and the largest value (94 % for five, 75 % for three).
    Exact, so `seed` changes nothing; it is there so that callers can swap in `bootstrap_interval`.
    Source: David and Nagaraja, Order Statistics, 3rd ed., section 7.1.
    """
    values = np.sort(finite(samples))
    if not values.size:
        return math.nan, math.nan, math.nan
    rank = _outer_rank(values.size)
    return float(np.median(values)), float(values[rank - 1]), float(values[values.size - rank])


def interval_over_time(samples: ArrayLike, parts: int = 3) -> tuple[float, float, float]:
    """(median, low, high) of samples in the order in which they were taken, honest about drift and about the instrument.

    Neighbours on a shared host come and go over seconds, so samples of one moment agree too well with one another. The interval is
    the hull of `interval_of_median` and of the medians of `parts` consecutive parts of the samples, widened by what the instrument
    itself is good to (`INSTRUMENT_SHARE`).
    """
    values = finite(samples)
    if not values.size:
        return math.nan, math.nan, math.nan
    middle, low, high = interval_of_median(values)
    centres = [float(np.median(part)) for part in np.array_split(values, min(parts, values.size))]
    return middle, min(low, *centres) * (1 - INSTRUMENT_SHARE), max(high, *centres) * (1 + INSTRUMENT_SHARE)


def half_width_share(middle: float, low: float, high: float) -> float:
    """What stands behind ± everywhere: the larger distance from the middle to an end of its interval, over the middle.

    Infinite where there is no interval or the middle is not above 0. An uneven interval reads wider so than it is, never narrower.
    """
    share = max(high - middle, middle - low) / middle if middle > 0 else math.inf
    return share if math.isfinite(share) else math.inf


def counting(times: Sequence[float], marks: Sequence[object]) -> list[int]:
    """Which samples count, by index: those with a time that nothing disturbed; where these are fewer than `LEAST_CLEAN`, all with a time.

    `marks` says of each what disturbed it (falsy: nothing), or is empty. Two undisturbed samples among ten disturbed ones would agree by
    chance, and claim to know what nobody knows.
    """
    timed = [i for i, time_s in enumerate(times) if time_s > 0]
    clean = [i for i in timed if not marks[i]] if marks else timed
    return clean if len(clean) >= LEAST_CLEAN else timed


def bootstrap_interval(
    samples: ArrayLike, statistic: Callable[[Floats], float] = median, *, seed: int = 0, count: int = 400, level: float = 0.95
) -> tuple[float, float, float]:
    """(statistic, low, high): percentile bootstrap over the finite samples, the same for the same seed.

    Flaw: too narrow below about eight samples; use `interval_of_median` there.
    """
    values = finite(samples)
    if not values.size:
        return math.nan, math.nan, math.nan
    random = np.random.default_rng(seed)
    draws = random.integers(0, values.size, size=(count, values.size))
    found = finite([statistic(values[draw]) for draw in draws])
    low, high = percentile_span(found, level)
    return float(statistic(values)), low, high


def percentile_span(found: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """The central `level` of the values; NaN, NaN for none."""
    values = finite(found)
    if not values.size:
        return math.nan, math.nan
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def ratio_interval(upper: ArrayLike, lower: ArrayLike, *, seed: int = 0, count: int = 400) -> tuple[float, float, float]:
    """(ratio of medians, low, high) of two independent samples by bootstrap; NaN where either is empty."""
    above, below = finite(upper), finite(lower)
    if not above.size or not below.size:
        return math.nan, math.nan, math.nan
    random = np.random.default_rng(seed)
    tops = np.median(above[random.integers(0, above.size, size=(count, above.size))], axis=1)
    bottoms = np.median(below[random.integers(0, below.size, size=(count, below.size))], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = percentile_span(tops / bottoms)
        return float(np.median(above) / np.median(below)), low, high
