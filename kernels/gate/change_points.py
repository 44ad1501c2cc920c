"""Find where a series of runs changed: E-divisive, an energy statistic with a permutation test, split again and again. Pure functions.

Matteson and James, J. Am. Stat. Assoc. 109 (2014) 334 (doi:10.1080/01621459.2013.849605): of all places tau, and all ends kappa of what
comes after it, the one is taken at which the energy distance between both parts, weighted by n·m / (n + m), is largest. Whether that is
more than chance is asked of the same values in random order, with the same search: the p-value is one after maximising. Permutations end
once enough of them reached what was seen (Besag and Clifford, Biometrika 78 (1991) 301), so that series without a change cost little.

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

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .decide import holm

Floats = NDArray[np.float64]
LEAST = 3  # values on either side of a change
_REACHED = 10  # permutations that reach what was seen: enough to know that it is nothing special
_BATCH = 1_000_000  # distances at a time
_FEWEST_DRAWS = 999


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
    firsts = [best_split(values[name], randoms[name], draws) for name in chosen]
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


def best_split(values: ArrayLike, random: np.random.Generator, draws: int = _FEWEST_DRAWS) -> Split:
    """The most likely place of a change, with its permutation p-value; at least six values."""
    each = np.asarray(values, dtype=np.float64)
    if each.size < 2 * LEAST:
        raise ValueError(f"{each.size} values cannot be split: {2 * LEAST} are needed")
    distances = np.abs(each[:, None] - each[None, :])
    seen, places = _searched(distances[None])
    bar = float(seen[0]) * (1 - 1e-9)  # sums in another order differ in their last digits
    reached = drawn = 0
    while drawn < draws:
        count = min(draws - drawn, max(1, _BATCH // each.size**2), max(64, drawn))
        orders = random.permuted(np.tile(np.arange(each.size), (count, 1)), axis=1)
        best, _ = _searched(distances[orders[:, :, None], orders[:, None, :]])
        hits = np.flatnonzero(best >= bar)
        if reached + hits.size >= _REACHED:
            return Split(int(places[0]), _REACHED / (drawn + int(hits[_REACHED - reached - 1]) + 1))
        reached += hits.size
        drawn += count
    return Split(int(places[0]), (reached + 1) / (draws + 1))


def _searched(distances: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """(the largest weighted energy distance, its place) of each of a stack of distance matrices."""
    count, size, _ = distances.shape
    sums = np.zeros((count, size + 1, size + 1))
    np.cumsum(np.cumsum(distances, axis=1), axis=2, out=sums[:, 1:, 1:])
    pairs = [(t, k) for t in range(LEAST, size - LEAST + 1) for k in range(t + LEAST, size + 1)]
    tau, kappa = (np.array(each) for each in zip(*pairs, strict=True))
    before, between, whole = sums[:, tau, tau], sums[:, tau, kappa], sums[:, kappa, kappa]
    n, m = tau.astype(np.float64), (kappa - tau).astype(np.float64)
    energy = 2 * (between - before) / (n * m) - before / (n * (n - 1)) - (whole - 2 * between + before) / (m * (m - 1))
    weighted = n * m / (n + m) * energy
    best = np.argmax(weighted, axis=1)
    return weighted[np.arange(count), best], tau[best]
