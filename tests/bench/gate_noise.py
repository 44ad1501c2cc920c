"""The noise that simulated gates run in: what a machine recorded (`recorded_blocks`), and one that is assumed, harsher.

Recorded: visits of real gates of unchanged code in the order of time (`gate_traces.py`). A simulated launch takes a stretch of them that is
as long as it has cells, from a random place, so that what neighbouring visits share stays together; each cell has the spread of a recorded
one.

Assumed: one machine's time line in steps of 10 ms, and what a fresh launch adds. The log of a step's time is a sum of

    drift       a slow wander, SD 2.66 %, over 10 minutes   (runs of one benchmark on different hosts: reference/ci.md 2b, CodSpeed)
    neighbours  SD 5 %, over 50 ms                          (with the rest: SD of timings of 10 ms 9 %, of a quartet 4.6 %: evidence.md)
    bursts      +20 %, for 0.5 s, every 20 s on average
    spikes      one step in 20, one-sided, 15 % on average
    white       SD 2 %

A side alone in a step has all of it. Two sides that alternate call by call within the step share all but a residual of SD 1 % a step, three
times that in a burst (evidence.md measured 0.2 to 0.6 % and calls it optimistic). A burst that begins in a block is seen by the system's
counters one time in two. What a fresh pair of processes adds to a difference, `luck`, is normal, and in one block of ten five times wider.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from gate_traces import Trace
from numpy.typing import NDArray
from scipy.signal import lfilter

STEP_S = 0.010
BLOCK_STEPS = 12
DRIFT_SD, DRIFT_S = 0.0266, 600.0
NEIGHBOUR_SD, NEIGHBOUR_S = 0.05, 0.05
BURST, BURST_S, BURST_EVERY_S, BURST_SEEN = math.log(1.20), 0.5, 20.0, 0.5
SPIKE_SHARE, SPIKE = 0.05, 0.15
WHITE_SD = 0.02
RESIDUAL_SD, BURST_RESIDUAL = 0.01, 3.0
WILD_SHARE, WILD_SCALE = 0.10, 5.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TimeLine:
    """The log of the time of each step for a side that has it alone, and whether a burst is on."""

    logs: Floats
    burst: NDArray[np.bool_]


def wander(random: np.random.Generator, steps: int, sd: float, over_s: float) -> Floats:
    """An Ornstein-Uhlenbeck walk, in its long-run state from the start."""
    stay = math.exp(-STEP_S / over_s)
    kicks = random.normal(0, sd * math.sqrt(1 - stay**2), size=steps)
    return np.asarray(lfilter([1.0], [1.0, -stay], kicks, zi=[stay * random.normal(0, sd)])[0])


def bursts(random: np.random.Generator, steps: int) -> NDArray[np.bool_]:
    """Whether a burst is on, step by step."""
    on = np.zeros(steps, dtype=np.bool_)
    for begin in random.integers(0, steps, size=random.poisson(steps * STEP_S / BURST_EVERY_S)):
        on[begin : begin + 1 + int(random.exponential(BURST_S) / STEP_S)] = True
    return on


def time_line(random: np.random.Generator, steps: int) -> TimeLine:
    """One stretch of time on the machine."""
    on = bursts(random, steps)
    logs = wander(random, steps, DRIFT_SD, DRIFT_S) + wander(random, steps, NEIGHBOUR_SD, NEIGHBOUR_S) + BURST * on
    logs += np.where(random.random(steps) < SPIKE_SHARE, random.exponential(SPIKE, size=steps), 0.0) + random.normal(
        0, WHITE_SD, size=steps
    )
    return TimeLine(logs, on)


def luck(random: np.random.Generator, shape: tuple[int, ...], sd: float) -> Floats:
    """What fresh launches add to differences; a single side's share of it is 1/√2."""
    return random.normal(0, sd, size=shape) * np.where(random.random(shape) < WILD_SHARE, WILD_SCALE, 1.0)


@dataclass(frozen=True, slots=True)
class Blocks:
    """Blocks of some launches, cells by launches: difference of the sides, what both share, and whether the counters saw a disturbance."""

    differences: Floats
    shared: Floats
    seen: NDArray[np.bool_]


def alternating_blocks(random: np.random.Generator, cells: int, launches: int, sd: float) -> Blocks:
    """Blocks of `BLOCK_STEPS` steps whose sides alternate call by call; each launch visits the cells in an order of its own."""
    line = time_line(random, cells * launches * BLOCK_STEPS)
    steps = line.logs.reshape(launches, cells, BLOCK_STEPS)
    on = line.burst.reshape(launches, cells, BLOCK_STEPS)
    residual = random.normal(0, RESIDUAL_SD, size=steps.shape) * np.where(on, BURST_RESIDUAL, 1.0)
    begins = on.any(axis=2) & ~on.all(axis=2)
    seen = begins & (random.random(begins.shape) < BURST_SEEN)
    differences = np.median(residual, axis=2) + luck(random, (launches, cells), sd)
    order = np.argsort(random.random((launches, cells)), axis=1)  # the cell of each place

    def by_cell(values: Floats) -> Floats:
        sorted_values = np.empty_like(values)
        np.put_along_axis(sorted_values, order, values, axis=1)
        return sorted_values.T

    return Blocks(by_cell(differences), by_cell(np.median(steps, axis=2)), by_cell(seen.astype(np.float64)) > 0)


def recorded_blocks(random: np.random.Generator, sigmas: Floats, launches: int, trace: Trace) -> Blocks:
    """Blocks as the machine gave them, of cells with these spreads: each launch visits them in an order of its own, over a stretch of
    recorded visits. The sign of a launch is a coin, as it was in the gates that were recorded."""
    cells = sigmas.size
    differences, shared, seen = np.empty((cells, launches)), np.empty((cells, launches)), np.zeros((cells, launches), dtype=np.bool_)
    for launch in range(launches):
        at = (random.integers(trace.z.size) + np.arange(cells)) % trace.z.size
        order = random.permutation(cells)
        differences[order, launch] = sigmas[order] * trace.z[at] * random.choice((-1.0, 1.0))
        shared[order, launch] = trace.shared[at]
        seen[order, launch] = trace.dropped[at]
    return Blocks(differences, shared, seen)


def turn_blocks(random: np.random.Generator, cells: int, launches: int, sd: float) -> Floats:
    """Differences of blocks of three quartets whose turns last a whole step: what longer turns cost."""
    steps = time_line(random, cells * launches * BLOCK_STEPS).logs.reshape(cells, launches, BLOCK_STEPS // 4, 4)
    quartets = (steps[..., 1] + steps[..., 2] - steps[..., 0] - steps[..., 3]) / 2
    return np.median(quartets, axis=2) + luck(random, (cells, launches), sd)
