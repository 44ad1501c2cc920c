"""Draw the rising curve that noisy points most likely lie on, and find where they do not rise.

A pointer chase over a larger set can only be slower, unless a prefetcher has learnt the chase. So the true curve never falls:
a monotone fit takes noise out without assuming any shape, and a real fall under it is a finding of its own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FALL_SHARE = 0.05  # a fall under the running maximum that counts (temporal prefetchers of Neoverse V2 and V3 show far more)
FALL_POINTS = 3  # neighbours that must all lie low: one or two are a disturbance


def weighted_median(values: Floats, weights: Floats) -> float:
    """The value with half the weight on either side (the lower one of two)."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])


def isotonic_fit(values: Floats, weights: Floats) -> Floats:
    """The non-decreasing curve nearest to `values` in weighted absolute distance (pool adjacent violators, median pools).

    Medians, not means: one outlier then bends nothing. Weights must be above zero.
    """
    starts: list[int] = []
    levels: list[float] = []
    for i in range(len(values)):
        starts.append(i)
        levels.append(float(values[i]))
        while len(levels) > 1 and levels[-2] > levels[-1]:
            starts.pop()
            levels.pop()
            levels[-1] = weighted_median(values[starts[-1] : i + 1], weights[starts[-1] : i + 1])
    fit = np.empty(len(values))
    for start, end, level in zip(starts, [*starts[1:], len(values)], levels, strict=True):
        fit[start:end] = level
    return fit


def running_median(values: Floats, reach: int = 1) -> Floats:
    """Median of each value and `reach` neighbours on either side; shorter at the ends."""
    return np.array([np.median(values[max(0, i - reach) : i + reach + 1]) for i in range(len(values))])


def falling_spans(logs: Floats, sd: Floats) -> list[tuple[int, int]]:
    """Index spans [from, to] in which the curve lies more than 5 % (and 2.5 deviations) under its own earlier maximum.

    `logs` are natural logarithms and `sd` their standard errors. A span starts at the maximum and ends with the last low point.
    """
    smooth = running_median(logs)
    spans: list[tuple[int, int]] = []
    top, low_from = 0, -1
    for i in range(1, len(logs) + 1):
        margin = FALL_SHARE + 2.5 * float(np.hypot(sd[i], sd[top])) if i < len(logs) else 0.0
        if i < len(logs) and smooth[top] - smooth[i] > margin:
            low_from = i if low_from < 0 else low_from
            continue
        if low_from >= 0 and i - low_from >= FALL_POINTS:
            if spans and spans[-1][0] == top:
                spans.pop()
            spans.append((top, i - 1))
        low_from = -1
        if i < len(logs) and smooth[i] >= smooth[top]:
            top = i
    return spans
