"""Test by exact randomisation whether paired differences lie above a margin: Wilcoxon's signed ranks, sign flips, and the shift.

A difference d is the log of (new over old) of one block, so d > 0 means slower. The null hypothesis of every test here is "the shift is at
most `margin`". What makes the tests exact is the coin that chose the order of each block: under the null the sign of d - margin is fair,
given its size, whatever the noise looks like and however it hangs together over time.

The rule for equals: differences count in whole steps of `RESOLUTION`, so rounding in a logarithm cannot make or break a tie. Equal sizes
share their middle rank. A difference of nought takes its rank and then says nothing for either side (Pratt's rule); where all are nought,
p is 1. Every distribution is that of the ranks as they are, ties and all.

Exact: signed ranks up to `EXACT_RANKS` blocks by dynamic programming (relative error below 1e-12); the mean by adding up all sign patterns
of two halves, up to `EXACT_FLIPS` blocks; the median for any number, since it counts signs only. Beyond that: seeded draws, and `upper` is
then a bound that holds but for one chance in a million.

Sources: Wilcoxon, Biometrics Bulletin 1 (1945) 80; Pratt, JASA 54 (1959) 655; Hodges and Lehmann, Ann. Math. Stat. 34 (1963) 598;
Clopper and Pearson, Biometrika 26 (1934) 404; the halves: Pagano and Tritchler, JASA 78 (1983) 435, for why it need not be 2^n.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESOLUTION = 1e-12
EXACT_RANKS = 1000
EXACT_FLIPS = 36
DRAWS = 500_000  # enough for an upper bound of 3e-5 where no draw reaches the observation
DOUBT = 1e-6  # what a bound from draws may fail by

Whole = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tail:
    """A one-sided p-value. Decisions take `upper`, which is `p` itself where `exact`."""

    p: float
    upper: float
    exact: bool


def whole_steps(differences: ArrayLike, margin: float = 0.0) -> Whole:
    """Differences less the margin, in whole steps of `RESOLUTION`. ValueError for what is not finite."""
    values = np.asarray(differences, dtype=np.float64).ravel() - margin
    if not np.all(np.isfinite(values)):
        raise ValueError("a difference is not finite")
    if np.sum(np.abs(values)) > 2**52 * RESOLUTION:
        raise ValueError("differences of logarithms cannot be that large")
    return np.rint(values / RESOLUTION).astype(np.int64)


def signed_rank_tail(differences: ArrayLike, margin: float = 0.0, *, seed: int = 0, draws: int = DRAWS) -> Tail:
    """Wilcoxon's signed-rank test of "shift <= margin": the chance of so large a sum of the ranks above the margin."""
    steps = whole_steps(differences, margin)
    sizes = np.abs(steps)
    doubled = _doubled_ranks(sizes)
    observed = int(doubled[steps > 0].sum())
    weights = doubled[sizes > 0]
    if weights.size > EXACT_RANKS:
        return _drawn(weights, observed, seed, draws)
    if weights.size == sizes.size == np.unique(sizes).size:
        p = float(upper_tails(weights.size)[observed // 2])
    else:
        p = float(_tails(tuple(weights.tolist()))[observed])
    return Tail(p, p, exact=True)


def flip_mean_tail(differences: ArrayLike, margin: float = 0.0, *, seed: int = 0, draws: int = DRAWS) -> Tail:
    """The sign-flip test of the mean: the chance of so large a sum under fair signs.

    Flaw: one wild block hides a shift, for it is as large in every pattern. Use signed ranks unless tails are known to be light.
    """
    steps = whole_steps(differences, margin)
    sizes = np.abs(steps)
    observed = int(steps[steps > 0].sum())
    weights = sizes[sizes > 0]
    if weights.size > EXACT_FLIPS:
        return _drawn(weights, observed, seed, draws)
    half = weights.size // 2
    left, right = _subset_sums(weights[:half]), np.sort(_subset_sums(weights[half:]))
    reach = right.size - np.searchsorted(right, observed - left, side="left")
    p = int(reach.sum()) / 2**weights.size
    return Tail(p, p, exact=True)


def flip_median_tail(differences: ArrayLike, margin: float = 0.0) -> Tail:
    """The sign-flip test of the lower median, exact for any number: only the count of signs beyond it matters.

    Flaw: n blocks give no p below 2^-((n+1)/2), so it needs twice the blocks of signed ranks to say anything at all.
    """
    steps = np.sort(whole_steps(differences, margin))
    if not steps.size:
        return Tail(1.0, 1.0, exact=True)
    rank = (steps.size - 1) // 2
    middle, needed = int(steps[rank]), steps.size - rank
    sizes = np.abs(steps)
    if middle > 0:
        free, sure = int(np.sum(sizes >= middle)), 0
    else:
        free = int(np.sum(sizes > -middle))
        sure = steps.size - free
    p = binomial_tail(free, needed - sure)
    return Tail(p, p, exact=True)


def binomial_tail(count: int, least: int, chance: float = 0.5) -> float:
    """P(at least `least` of `count` come up); exact fractions for a fair coin."""
    if least <= 0:
        return 1.0
    if chance == 0.5:
        return float(sum(math.comb(count, k) for k in range(least, count + 1)) / 2**count)
    return math.fsum(math.comb(count, k) * chance**k * (1 - chance) ** (count - k) for k in range(least, count + 1))


def shift_of(differences: ArrayLike) -> float:
    """The Hodges-Lehmann estimate: the median of the means of all pairs, each with itself too; NaN for none."""
    means = pair_means(differences)
    return float(np.median(means)) if means.size else math.nan


def pair_means(differences: ArrayLike) -> Floats:
    """Means of all pairs (Walsh averages), sorted: n (n + 1) / 2 of them."""
    values = np.asarray(differences, dtype=np.float64).ravel()
    first, second = _pairs(values.size)
    return np.sort((values[first] + values[second]) / 2)


@lru_cache(maxsize=64)
def _pairs(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    return np.triu_indices(count)


def bounds_of(differences: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """The shifts that neither one-sided signed-rank test rejects at (1 - level) / 2; infinite where so few blocks can reject nothing.

    Closed ends, so ties only widen what it covers. ValueError above `EXACT_RANKS` blocks.
    """
    error = (1 - level) / 2
    return lower_bound(differences, error), upper_bound(differences, error)


def lower_bound(differences: ArrayLike, error: float) -> float:
    """The shift is below this with a chance of at most `error`."""
    means = pair_means(differences)
    outside = _outside(np.asarray(differences).size, error)
    return float(means[outside - 1]) if outside else -math.inf


def upper_bound(differences: ArrayLike, error: float) -> float:
    """The shift is above this with a chance of at most `error`."""
    means = pair_means(differences)
    outside = _outside(np.asarray(differences).size, error)
    return float(means[-outside]) if outside else math.inf


@lru_cache(maxsize=1024)
def _outside(count: int, error: float) -> int:
    """How many pair means to cut off one end: the largest k with P(T <= k - 1) <= error; 0 where there is none."""
    if count > EXACT_RANKS:
        raise ValueError(f"no exact interval for more than {EXACT_RANKS} blocks")
    upper = upper_tails(count)  # P(T <= k - 1) = P(T >= total - k + 1)
    return min(int(np.sum(upper[::-1] <= error)), upper.size - 1)


def critical_rank_sum(count: int, alpha: float) -> int:
    """The smallest sum of positive ranks that is significant at `alpha`; one more than can be reached where nothing is."""
    return int(np.sum(upper_tails(count) > alpha))


@lru_cache(maxsize=512)
def upper_tails(count: int) -> Floats:
    """P(T >= t) for t from 0 to n (n + 1) / 2: the sum of positive ranks of n blocks without ties."""
    return _tails(tuple(range(1, count + 1)))


def _tails(weights: tuple[int, ...]) -> Floats:
    """P(the sum of a random subset >= t) for every t, by adding one weight at a time."""
    chance = np.zeros(sum(weights) + 1)
    chance[0] = 1.0
    top = 0
    for weight in sorted(weights):
        chance[weight : top + weight + 1] += chance[: top + 1].copy()
        top += weight
        chance[: top + 1] *= 0.5
    return np.cumsum(chance[::-1])[::-1]  # smallest first, so that far tails keep their digits


def _doubled_ranks(sizes: Whole) -> Whole:
    """Twice the rank of each size, equals sharing the middle: whole numbers."""
    ordered = np.sort(sizes)
    low = np.searchsorted(ordered, sizes, side="left")
    high = np.searchsorted(ordered, sizes, side="right")
    return np.asarray(low + high + 1, dtype=np.int64)


def _subset_sums(weights: Whole) -> Whole:
    sums = np.zeros(1, dtype=np.int64)
    for weight in weights:
        sums = np.concatenate([sums, sums + weight])
    return sums


def _drawn(weights: Whole, observed: int, seed: int, draws: int) -> Tail:
    """The tail from random sign patterns; `upper` adds the doubt of a Clopper-Pearson bound."""
    from scipy.special import betaincinv

    random = np.random.default_rng(seed)
    values = weights.astype(np.float64)  # whole numbers below 2^53: sums are exact
    hits = 0
    for start in range(0, draws, 20_000):
        signs = random.integers(0, 2, size=(min(20_000, draws - start), weights.size), dtype=np.int8)
        hits += int(np.sum(signs.astype(np.float64) @ values >= observed))
    bound = 1.0 if hits == draws else float(betaincinv(hits + 1, draws - hits, 1 - DOUBT))
    return Tail((hits + 1) / (draws + 1), min(1.0, bound + DOUBT), exact=False)
