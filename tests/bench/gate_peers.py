"""The decision rules of other tools, restated from their documentation and source as read in reference/ci.md 2a: logs in, alarms out.

Each rule takes the logs of all timings of the old and of the new side, cells by samples, and says for each cell whether it would be called
a regression. Each schedule says when the tool takes these samples; all sides run alone in a step. Left out: time to start processes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from gate_noise import STEP_S, Floats, luck, time_line
from gate_traces import Trace
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu, norm, t, ttest_ind

Alarms = NDArray[np.bool_]


def asv(old: Floats, new: Floats) -> Alarms:
    """`asv continuous`: the medians differ by more than 1.1, and exact Mann-Whitney p < 0.002."""
    p = mannwhitneyu(new, old, axis=1, method="exact" if old.shape[1] <= 10 else "asymptotic").pvalue
    return (np.median(new, axis=1) - np.median(old, axis=1) > np.log(1.1)) & (p < 0.002)


def pytest_benchmark(old: Floats, new: Floats) -> Alarms:
    """`--benchmark-compare-fail=mean:5%`: the ratio of means, and no test."""
    return np.exp(new).mean(axis=1) / np.exp(old).mean(axis=1) > 1.05


def pyperf(old: Floats, new: Floats) -> Alarms:
    """`pyperf compare_to`: pooled two-sample t over all values at 95 %, no least effect unless asked for."""
    result = ttest_ind(np.exp(new), np.exp(old), axis=1)
    return (result.pvalue < 0.05) & (result.statistic > 0)


def google_benchmark(old: Floats, new: Floats) -> Alarms:
    """`compare.py`: Mann-Whitney p < 0.05, and red, which is above +5 %. It exits 0 in any case."""
    p = mannwhitneyu(new, old, axis=1, method="asymptotic").pvalue
    return (np.median(new, axis=1) - np.median(old, axis=1) > np.log(1.05)) & (p < 0.05)


def criterion(old: Floats, new: Floats) -> Alarms:
    """p < 0.05 and the whole 95 % interval of the change of the mean above +1 %. The bootstrap is replaced by its limit, Welch's t."""
    ours, theirs = np.exp(new), np.exp(old)
    count = ours.shape[1]
    mean_new, mean_old = ours.mean(axis=1), theirs.mean(axis=1)
    error = np.sqrt((ours.var(axis=1, ddof=1) + theirs.var(axis=1, ddof=1)) / count)
    p = 2 * t.sf(np.abs(mean_new - mean_old) / error, 2 * count - 2)
    change = mean_new / mean_old - 1
    change_error = np.hypot(ours.std(axis=1, ddof=1) / mean_old, mean_new * theirs.std(axis=1, ddof=1) / mean_old**2) / np.sqrt(count)
    return (p < 0.05) & (change - norm.ppf(0.975) * change_error > 0.01)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a tool takes its samples: `sides` names whose turn each pass over all cells is; a pass has `processes` fresh processes a cell,
    each with `idle` steps of warm-up, then `samples` samples of `width` steps."""

    sides: str
    processes: int
    idle: int
    samples: int
    width: int

    def seconds(self, cells: int) -> float:
        """Measuring and warming up, all cells."""
        return len(self.sides) * cells * self.processes * (self.idle + self.samples * self.width) * STEP_S

    def take(self, random: np.random.Generator, cells: int, sd: float, trace: Trace | None = None) -> tuple[Floats, Floats]:
        """Logs of the timings of both sides, equal code, cells by samples.

        With a `trace`, a step is what one recorded visit measured for the old side (its median, so calmer than 10 ms of one process), visit
        after visit from a random one on, round and round; `sd` is then the luck of a process by the recorded spreads.
        """
        each = self.idle + self.samples * self.width
        count = len(self.sides) * cells * self.processes * each
        if trace is None:
            logs = time_line(random, count).logs
        else:
            logs = trace.shared[(random.integers(trace.shared.size) + np.arange(count)) % trace.shared.size]
        steps = logs.reshape(len(self.sides), cells, self.processes, each)[..., self.idle :]
        values = steps.reshape(*steps.shape[:3], self.samples, self.width).mean(axis=4)
        values = values + luck(random, steps.shape[:3], sd / np.sqrt(2))[..., None]
        passes = [values[i].reshape(cells, -1) for i in range(len(self.sides))]
        old = np.concatenate([p for p, side in zip(passes, self.sides, strict=True) if side == "A"], axis=1)
        new = np.concatenate([p for p, side in zip(passes, self.sides, strict=True) if side == "B"], axis=1)
        return old, new


Rule = Callable[[Floats, Floats], Alarms]
PEERS: dict[str, tuple[Rule, Schedule]] = {
    "asv continuous": (asv, Schedule("BAAB", processes=1, idle=10, samples=5, width=1)),
    "pytest-benchmark mean:5%": (pytest_benchmark, Schedule("AB", processes=1, idle=0, samples=100, width=1)),
    "pyperf compare_to": (pyperf, Schedule("AB", processes=20, idle=10, samples=3, width=10)),
    "google-benchmark compare": (google_benchmark, Schedule("AB", processes=1, idle=50, samples=9, width=50)),
    "criterion": (criterion, Schedule("AB", processes=1, idle=300, samples=100, width=5)),
}
