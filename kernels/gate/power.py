"""Know beforehand what a signed-rank test of n blocks can see: the shift it needs, in units of the noise, for a power and a level.

A sample is significant once its shift exceeds what its own lower bound lacks. So one set of simulated samples of pure noise, seeded, gives
the power at every shift at once: the share of samples whose need lies below it. Above `SIMULATED` blocks the normal approximation serves
(Lehmann, Nonparametrics, 1975, section 2.4 A); below it that approximation promises up to 4 points of power too much.

The noise is a normal one of which a share is `TAIL_SCALE` times wider: the heavy tails of a shared machine, in one number.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .signed_rank import EXACT_RANKS, critical_rank_sum, upper_tails

TAIL_SCALE = 5.0
TAIL_SHARES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)  # shares are rounded up to one of these
SIMULATED = 64
SAMPLES = 4000
BLOCKS: tuple[int, ...] = (*range(1, 25), *range(26, 49, 2), *range(52, 65, 4), *(round(64 * 1.06**k) for k in range(1, 47)), EXACT_RANKS)


def rounded_tail(share: float) -> float:
    """The next share of wild blocks that tables are kept for; the last where it is larger."""
    return TAIL_SHARES[min(bisect_left(TAIL_SHARES, share - 1e-9), len(TAIL_SHARES) - 1)]


def power_of(blocks: int, shift_sd: float, alpha: float, tail_share: float = 0.0) -> float:
    """The chance that `blocks` blocks with a true shift of `shift_sd` (in units of the noise) are significant at `alpha`."""
    if blocks < 1 or 2.0**-blocks > alpha:
        return 0.0
    tail = rounded_tail(tail_share)
    if blocks <= SIMULATED:
        needs = _needs(blocks, alpha, tail)
        return float(np.searchsorted(needs, shift_sd, side="left")) / needs.size
    return _normal_power(blocks, shift_sd, alpha, tail)


def shift_seen(blocks: int, alpha: float, power: float, tail_share: float = 0.0) -> float:
    """The smallest shift, in units of the noise, that is found with `power`; infinite where so few blocks can find nothing."""
    if blocks < 1 or 2.0**-blocks > alpha:
        return math.inf
    tail = rounded_tail(tail_share)
    if blocks <= SIMULATED:
        needs = _needs(blocks, alpha, tail)
        return float(needs[min(math.ceil(power * needs.size), needs.size - 1)])
    return _normal_shift(blocks, alpha, power, tail)


def blocks_needed(shift_sd: float, alpha: float, power: float, tail_share: float = 0.0) -> int:
    """How many blocks find a shift of `shift_sd` with `power`; 0 where `EXACT_RANKS` are too few. Steps of 2 to 6 % above 24."""
    if shift_sd <= 0 or shift_seen(BLOCKS[-1], alpha, power, tail_share) > shift_sd:
        return 0
    low, high = 0, len(BLOCKS) - 1
    while low < high:
        middle = (low + high) // 2
        if shift_seen(BLOCKS[middle], alpha, power, tail_share) <= shift_sd:
            high = middle
        else:
            low = middle + 1
    return BLOCKS[low]


@lru_cache(maxsize=1024)
def _needs(blocks: int, alpha: float, tail_share: float) -> NDArray[np.float64]:
    """Sorted: the shift at which each simulated sample becomes significant."""
    random = np.random.default_rng(blocks)
    noise = random.normal(size=(SAMPLES, blocks))
    noise *= np.where(random.random(noise.shape) < tail_share, TAIL_SCALE, 1.0)
    outside = int(np.sum(upper_tails(blocks)[::-1] <= alpha))
    first, second = np.triu_indices(blocks)
    ends = [np.partition(part[:, first] + part[:, second], outside - 1, axis=1)[:, outside - 1] / 2 for part in np.array_split(noise, 8)]
    return np.sort(-np.concatenate(ends))


def _normal_power(blocks: int, shift_sd: float, alpha: float, tail_share: float) -> float:
    from scipy.special import ndtr

    mean, variance = _rank_sum(shift_sd, tail_share, blocks)
    return float(ndtr((mean - critical_rank_sum(blocks, alpha) + 0.5) / math.sqrt(max(variance, 1e-9))))


@lru_cache(maxsize=4096)
def _normal_shift(blocks: int, alpha: float, power: float, tail_share: float) -> float:
    low, high = 0.0, 20.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if _normal_power(blocks, middle, alpha, tail_share) >= power else (middle, high)
    return high


def _rank_sum(shift_sd: float, tail_share: float, blocks: int) -> tuple[float, float]:
    """Mean and variance of the sum of positive ranks under a shift."""
    from scipy.special import ndtr, ndtri

    plain, wild, scale = 1 - tail_share, tail_share, TAIL_SCALE
    one = plain * ndtr(shift_sd) + wild * ndtr(shift_sd / scale)
    root = math.sqrt(2) * shift_sd
    mixed = ndtr(2 * shift_sd / math.sqrt(1 + scale**2))
    two = plain**2 * ndtr(root) + 2 * plain * wild * mixed + wild**2 * ndtr(root / scale)
    grid = ndtri((np.arange(200) + 0.5) / 200)

    def beaten(at: NDArray[np.float64]) -> NDArray[np.float64]:  # the chance that another sum with a block at `at` is above nought, squared
        away = at + shift_sd
        return np.asarray((plain * ndtr(away) + wild * ndtr(away / scale)) ** 2)

    three = plain * np.mean(beaten(grid + shift_sd)) + wild * np.mean(beaten(grid * scale + shift_sd))
    n = blocks
    pairs = n * (n - 1) / 2
    mean = n * one + pairs * two
    variance = n * one * (1 - one) + pairs * (2 * (one - two) ** 2 + 3 * two * (1 - two)) + n * (n - 1) * (n - 2) * (three - two**2)
    return float(mean), float(variance)
