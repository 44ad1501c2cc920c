"""Put latency measurements in order: ascending sizes, medians over allocations, and how sure each of them is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...kernels.measure.stats import mad_sd, nan_median
from .isotonic import isotonic_fit, running_median

Floats = NDArray[np.float64]

MIN_SIZES = 8
SD_FLOOR = 0.006  # no plateau of a real machine is flatter


@dataclass(frozen=True, slots=True)
class Prepared:
    """Clean input: ascending sizes, log latencies [allocations × sizes], their median, its standard error, the rising fit."""

    sizes: Floats
    rows: Floats
    logs: Floats
    sd: Floats
    fit: Floats

    @property
    def x(self) -> Floats:
        """log2 of the sizes."""
        return np.asarray(np.log2(self.sizes))

    @property
    def tamed(self) -> Floats:
        """The median pulled to within three deviations of the rising fit: single disturbances cut no pieces."""
        return np.clip(self.logs, self.fit - 3 * self.sd, self.fit + 3 * self.sd)


def prepare(size_bytes: ArrayLike, latency: ArrayLike) -> Prepared | None:
    """Input in order and without what is no number; None where fewer than eight sizes are left."""
    sizes = np.asarray(size_bytes, dtype=np.float64)
    rows = np.atleast_2d(np.asarray(latency, dtype=np.float64)).copy()
    if rows.shape[1] != sizes.size:
        raise ValueError(f"{sizes.size} sizes but latencies for {rows.shape[1]}")
    rows[~(np.isfinite(rows) & (rows > 0))] = np.nan
    distinct = [s for s in np.unique(sizes[np.isfinite(sizes) & (sizes > 0)]) if np.isfinite(rows[:, sizes == s]).any()]
    if len(distinct) < MIN_SIZES:
        return None
    logs_of = [np.log(rows[:, sizes == s]).ravel() for s in distinct]
    deep = max(len(column) for column in logs_of)
    table = np.full((deep, len(distinct)), np.nan)
    for j, column in enumerate(logs_of):
        table[: len(column), j] = column
    middle = nan_median(table)
    sd = _standard_errors(table, middle)
    return Prepared(np.array(distinct), table, middle, sd, isotonic_fit(middle, 1 / np.square(sd)))


def _standard_errors(table: Floats, middle: Floats) -> Floats:
    """Of each median: from its own allocations, its neighbours' and the jitter from size to size, whichever is largest."""
    counts = np.sum(np.isfinite(table), axis=0)
    local = np.array([mad_sd(table[:, j]) for j in range(table.shape[1])]) * 1.2533 / np.sqrt(counts)
    bends = middle[1:-1] - (middle[:-2] + middle[2:]) / 2
    jitter = mad_sd(bends) / math.sqrt(1.5)
    return np.asarray(np.maximum.reduce([local, running_median(local, reach=6), np.full(len(middle), max(jitter, SD_FLOOR))]))
