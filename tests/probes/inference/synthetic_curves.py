"""Latency curves of machines that do not exist, with known answers: one place for all inference tests."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from scipy.stats import poisson

KIB, MIB = 1024, 1024**2


@dataclass(frozen=True)
class Cache:
    size: float
    latency: float
    how: str = "lru"  # lru, random, coloured, soft
    ways: int = 8
    octaves: float = 2.0  # 10 % to 90 % width of a soft edge


@dataclass(frozen=True)
class Fake:
    caches: tuple[Cache, ...]
    memory: float
    tlb: tuple[tuple[float, float], ...] = ()  # (reach in bytes, added latency)
    dips: tuple[tuple[float, float, float], ...] = field(default=())  # (from, to, added latency): a learnt chase falls after it

    def latency(self, size: float, lucky: float = 1.0) -> float:
        value = self.caches[0].latency if self.caches else self.memory
        levels = [*(c.latency for c in self.caches), self.memory]
        for cache, below in zip(self.caches, levels[1:], strict=True):
            own = levels[levels.index(below) - 1]
            value += (below - own) * missing(cache, size / (cache.size * lucky))
        value += sum(cost for reach, cost in self.tlb if size > reach)
        return value + sum(cost for low, high, cost in self.dips if low < size <= high)


def missing(cache: Cache, x: float) -> float:
    """Share of loads that miss when the footprint is x capacities."""
    if cache.how == "lru":
        return float(x > 1)
    if cache.how == "random":
        m = 1.0 if x > 1 else 0.0
        for _ in range(2000):
            m = 1 - math.exp(-x * m)
        return m
    if cache.how == "coloured":
        return float(poisson.sf(cache.ways - 1, cache.ways * x))
    return 1 / (1 + math.exp(-2 * math.log(9) / cache.octaves * math.log2(x)))


def grid(low: float = 4 * KIB, high: float = 256 * MIB, per_octave: int = 8) -> np.ndarray:
    steps = round(math.log2(high / low) * per_octave)
    return np.array([int(low * 2 ** (i / per_octave)) // 64 * 64 for i in range(steps + 1)], dtype=float)


def curve(
    fake: Fake, sizes: np.ndarray, *, allocations: int = 5, noise: float = 0.01, outliers: float = 0.0, lucky: float = 0.0, seed: int = 0
) -> np.ndarray:
    """Latencies [allocations × sizes] with lognormal noise and a share of outliers three times too high."""
    random = np.random.default_rng(seed)
    rows = []
    for _ in range(allocations):
        luck = math.exp(random.normal(0, lucky)) if lucky else 1.0
        true = np.array([fake.latency(s, luck) for s in sizes])
        true = true * np.exp(random.normal(0, noise, len(sizes)))
        rows.append(np.where(random.random(len(sizes)) < outliers, 3 * true, true))
    return np.array(rows)
