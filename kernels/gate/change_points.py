"""Find where a series of runs changed: E-divisive on ranks, an energy statistic with a permutation test, split again and again.

Matteson and James, J. Am. Stat. Assoc. 109 (2014) 334 (doi:10.1080/01621459.2013.849605): of all places tau, and all ends kappa of what
comes after it, the one is taken at which the energy distance between both parts, weighted by n·m / (n + m), is largest. Whether that is
more than chance is asked of the same values in random order, with the same search: the p-value is one after maximising.

Values are replaced by their ranks. Single wild runs then weigh no more than others, and what random order leads to is the same for all
series of one length: it is drawn once for all of them, and hundreds of series cost little more than one. Parts of a series are ranked anew,
and their permutations end once enough of them reached what was seen (Besag and Clifford, Biometrika 78 (1991) 301).

Over series, the first split of each is held against Holm's steps: the chance of any change in series that have none stays below alpha.
A series in which one was found is split further, each part at half the level at which the whole was split. Series too short to reach any
level, whatever they hold, are not tested and do not count (Tarone, Biometrics 46 (1990) 515).

Assumes that runs without a change could have come in any order. A slow drift is none such, and is found as a change.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .decide import holm

Floats = NDArray[np.float64]
LEAST = 3  # values on either side of a change
_REACHED = 10  # permutations that reach what was seen: enough to know that it is nothing special
_BATCH = 100_000  # distances at a time: what fits into a cache near the core
_FEWEST_DRAWS = 999
_ROUNDING = 1e-9  # sums in another order differ in their last digits


@dataclass(frozen=True, slots=True)
class Split:
    """A change: the first value after it, by index, and the p-value of its split."""

    at: int
    p: float


@dataclass(frozen=True, slots=True)
class Found:
    """What a series holds. `p` is that of its first split, `needed` the level of its Holm step; NaN where it was too short for a test."""

    p: float = math.nan
    needed: float = math.nan
    splits: tuple[Split, ...] = ()


def runs_needed(alpha: float, series: int = 1) -> int:
    """The fewest runs with which a change can be found in `series` series at once: with fewer, even a perfect step has too large a p."""
    runs = 2 * LEAST
    while 2 / math.comb(runs, runs // 2) > alpha / max(series, 1):  # a step in the middle, up or down, among all orders
        runs += 1
    return runs


def series_allowed(alpha: float, runs: int) -> int:
    """How many series of so many runs can be tested at once; 0 where there are too few for one."""
    return math.floor(alpha * math.comb(runs, runs // 2) / 2) if runs >= 2 * LEAST else 0


def long_enough(lengths: Sequence[int], alpha: float) -> list[bool]:
    """Which series can be tested beside one another: all from some length on, the shortest for which there are not too many of them."""
    for least in sorted(set(lengths)):
        if sum(length >= least for length in lengths) <= series_allowed(alpha, least):
            return [length >= least for length in lengths]
    return [False] * len(lengths)


def change_points(series: Mapping[str, Sequence[float]], *, alpha: float = 0.05, seed: int = 0) -> dict[str, Found]:
    """What each series holds; the random order of a series depends on its name and the seed alone. ValueError for no numbers."""
    names = list(series)
    values = {name: np.asarray(series[name], dtype=np.float64) for name in names}
    if not all(np.all(np.isfinite(each)) for each in values.values()):
        raise ValueError("a series holds something that is no number")
    chosen = [n for n, fits in zip(names, long_enough([len(values[n]) for n in names], alpha), strict=True) if fits]
    found = dict.fromkeys(names, Found())
    if not chosen:
        return found
    draws = max(_FEWEST_DRAWS, math.ceil(2 * len(chosen) / alpha))
    randoms = {name: np.random.default_rng([seed, zlib.crc32(name.encode())]) for name in chosen}
    firsts = [_first_split(values[name], randoms[name], draws) for name in chosen]
    for name, first, (rejected, level) in zip(chosen, firsts, holm([f.p for f in firsts], alpha), strict=True):
        splits = _split_on(values[name], 0, first, level, randoms[name], draws) if rejected else []
        found[name] = Found(first.p, level, tuple(sorted(splits, key=lambda s: s.at)))
    return found


def _split_on(values: Floats, start: int, first: Split, level: float, random: np.random.Generator, draws: int) -> list[Split]:
    """A split that counts, and those of both its parts."""
    splits = [Split(start + first.at, first.p)]
    level /= 2
    for part, begin in ((values[: first.at], start), (values[first.at :], start + first.at)):
        if series_allowed(level, len(part)):
            below = best_split(part, random, draws)
            if below.p <= level:
                splits += _split_on(part, begin, below, level, random, draws)
    return splits


def _first_split(values: Floats, random: np.random.Generator, draws: int) -> Split:
    """The split of a whole series: by what was drawn for all of its length, or by draws of its own where values are equal."""
    if np.unique(values).size < values.size:
        return best_split(values, random, draws)
    seen, places = _searched(_distances(_ranks(values))[None])
    chance = _chance(values.size, draws)
    reached = chance.size - int(np.searchsorted(chance, seen[0] * (1 - _ROUNDING)))
    return Split(int(places[0]), (reached + 1) / (draws + 1))


@lru_cache(maxsize=64)
def _chance(size: int, draws: int) -> Floats:
    """The statistic of so many ranks in random order, sorted; the same in every process."""
    random = np.random.default_rng([size, draws])
    flat = _distances(np.arange(size, dtype=np.float64)).ravel()
    most = max(1, _BATCH // size**2)
    found = [_shuffled(flat, size, min(most, draws - drawn), random) for drawn in range(0, draws, most)]
    return np.sort(np.concatenate(found))


def _shuffled(flat: Floats, size: int, count: int, random: np.random.Generator) -> Floats:
    """The statistic of `count` random orders of values with these distances."""
    orders = random.permuted(np.tile(np.arange(size), (count, 1)), axis=1)
    return _searched(np.take(flat, orders[:, :, None] * size + orders[:, None, :]))[0]


def _ranks(values: Floats) -> Floats:
    """Ranks from 0; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts + 1) / 2)[place], dtype=np.float64)


def _distances(values: Floats) -> Floats:
    return np.abs(values[:, None] - values[None, :])


def best_split(values: ArrayLike, random: np.random.Generator, draws: int = _FEWEST_DRAWS) -> Split:
    """The most likely place of a change, with its permutation p-value; at least six values."""
    each = np.asarray(values, dtype=np.float64)
    if each.size < 2 * LEAST:
        raise ValueError(f"{each.size} values cannot be split: {2 * LEAST} are needed")
    distances = _distances(_ranks(each))
    flat = distances.ravel()
    seen, places = _searched(distances[None])
    bar = float(seen[0]) * (1 - _ROUNDING)
    reached = drawn = 0
    while drawn < draws:
        count = min(draws - drawn, max(1, _BATCH // each.size**2), max(64, drawn))
        best = _shuffled(flat, each.size, count, random)
        hits = np.flatnonzero(best >= bar)
        if reached + hits.size >= _REACHED:
            return Split(int(places[0]), _REACHED / (drawn + int(hits[_REACHED - reached - 1]) + 1))
        reached += hits.size
        drawn += count
    return Split(int(places[0]), (reached + 1) / (draws + 1))


@dataclass(frozen=True, slots=True)
class _Places:
    """Every place tau and end kappa of so many values, and what the sums of distances up to them weigh in the statistic.

    With S[a, b] the sum of distances between the first a and the first b values, the weighted energy distance between the first tau values
    and those up to kappa is `between`·S[tau, kappa] + `before`·S[tau, tau] + `whole`·S[kappa, kappa].
    """

    tau: NDArray[np.intp]
    kappa: NDArray[np.intp]
    between: Floats
    before: Floats
    whole: Floats


@lru_cache(maxsize=8)
def _places(size: int) -> _Places:
    pairs = [(t, k) for t in range(LEAST, size - LEAST + 1) for k in range(t + LEAST, size + 1)]
    tau, kappa = (np.array(each, dtype=np.intp) for each in zip(*pairs, strict=True))
    n, m = tau.astype(np.float64), (kappa - tau).astype(np.float64)
    across, within_n, within_m = 1 / (n * m), 1 / (n * (n - 1)), 1 / (m * (m - 1))
    weight = n * m / (n + m)
    return _Places(tau, kappa, weight * 2 * (across + within_m), -weight * (2 * across + within_n + within_m), -weight * within_m)


def _searched(distances: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """(the largest weighted energy distance, its place) of each of a stack of distance matrices."""
    count, size, _ = distances.shape
    at = _places(size)
    sums = np.cumsum(np.cumsum(distances, axis=1), axis=2).reshape(count, -1)
    diagonal = sums[:, :: size + 1]
    weighted = at.between * np.take(sums, (at.tau - 1) * size + at.kappa - 1, axis=1)
    weighted += at.before * np.take(diagonal, at.tau - 1, axis=1)
    weighted += at.whole * np.take(diagonal, at.kappa - 1, axis=1)
    best = np.argmax(weighted, axis=1)
    return weighted[np.arange(count), best], at.tau[best]
