"""Plan a gate before it starts: how many blocks each cell gets, how long that takes, and what can be seen in the time there is.

Two stages. The screen visits every cell with `screen` blocks; a cell of unchanged code is flagged with the chance `flagged`, and then gets
`confirm` fresh blocks. Both numbers minimise the expected time for a cell's noise. Where the time is short, the noisiest cells give up
first: their effect is raised, one by one, until the plan fits, and the plan says so.

Choosing `confirm` from the screen's own noise is no cheating: the fresh blocks know nothing of the screen, so the test at the end is exact
for whatever number was chosen.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..measure.stats import MAD_TO_SD
from .power import BLOCKS, TAIL_SCALE, blocks_needed, power_of, rounded_tail, shift_seen
from .rules import Rules

EFFECTS = (0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.10, 0.15, 0.20, 0.30, 0.50, 1.0)  # what a plan may promise
BLIND = math.inf  # what a cell "sees" that no time could serve
LEAST_TAIL = 0.05  # share of wild blocks that a plan reckons with at least: a dozen calm ones do not show that there are none
_SIGMA_STEP = 1.02  # noise is rounded up to a power of this, so that plans of alike cells are made once


@dataclass(frozen=True, slots=True)
class Noise:
    """The noise of one cell's blocks: standard deviation of the calm ones, share of wild ones, seconds a block takes."""

    sigma: float
    tail_share: float = 0.0
    block_s: float = 0.12


@dataclass(frozen=True, slots=True)
class Stages:
    """Blocks for one cell; `flagged` is the chance that unchanged code is sent on to confirming. `expected` counts both."""

    screen: int
    confirm: int
    flagged: float

    @property
    def expected(self) -> float:
        """Blocks that unchanged code takes on average."""
        return self.screen + self.flagged * self.confirm


@dataclass(frozen=True, slots=True)
class Plan:
    """What each cell gets and may be seen to do, in the order of the cells; `sees` is `BLIND` where nothing can be."""

    stages: tuple[Stages, ...]
    sees: tuple[float, ...]
    launches: int
    time_s: float
    budget_s: float

    @property
    def fits(self) -> bool:
        """Whether the expected time lies within the budget."""
        return self.time_s <= self.budget_s


def noises_of(differences: Sequence[Sequence[float]], block_s: Sequence[float]) -> list[Noise]:
    """The noise of every cell from some blocks of each: robust, each about its own middle, so a shift does not count as noise.

    A spread from a dozen blocks is itself a guess to a quarter. So each cell's is drawn towards the median of all cells by as much as
    its own doubt is of the variety between cells (empirical Bayes on logs). The share of wild blocks is one for all. Cells with
    fewer than four blocks, or with all alike, get the largest noise found; where there are only such, ValueError.
    """
    residuals = [np.asarray(each, dtype=np.float64) - np.median(each) if len(each) >= 4 else np.zeros(0) for each in differences]
    spreads = [_spread(each) for each in residuals]
    known = [spread for spread in spreads if spread > 0]
    if not known:
        raise ValueError("noise needs four blocks of some cell, and a difference between them")
    middle = float(np.median(np.log(known)))
    doubts = [1.36 / each.size for each in residuals if each.size]
    variety = max(0.0, float(np.var(np.log(known))) - float(np.mean(doubts)))
    scaled = np.concatenate([each / spread for each, spread in zip(residuals, spreads, strict=True) if spread > 0])
    tail = max(LEAST_TAIL, tail_share_of(scaled))
    noises = []
    for each, spread, time_s in zip(residuals, spreads, block_s, strict=True):
        weight = variety / (variety + 1.36 / each.size) if spread > 0 else 0.0
        sigma = math.exp(weight * math.log(spread) + (1 - weight) * middle) if spread > 0 else max(known)
        noises.append(Noise(sigma, tail, time_s))
    return noises


def _spread(residuals: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """Standard deviation of the calm blocks; 0 where there are too few. The factor undoes what a median of few takes off."""
    count = residuals.size
    return float(MAD_TO_SD * np.median(np.abs(residuals)) * count / (count - 0.8)) if count else 0.0


def tail_share_of(scaled: Sequence[float] | np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """Which share of blocks is `TAIL_SCALE` times wider, from how many lie beyond three standard deviations; between 0 and 0.5."""
    values = np.asarray(scaled, dtype=np.float64)
    if not values.size:
        return 0.0
    calm, wild = math.erfc(3 / math.sqrt(2)), math.erfc(3 / TAIL_SCALE / math.sqrt(2))
    return min(0.5, max(0.0, (float(np.mean(np.abs(values) > 3)) - calm) / (wild - calm)))


def smallest_effect(blocks: int, noise: Noise, rules: Rules, cells: int) -> float:
    """The smallest slowdown (a share) that so many fresh blocks would have confirmed with the power of the rules; infinite for none."""
    seen = shift_seen(blocks, rules.cell_alpha(cells), rules.confirm_power, noise.tail_share)
    return math.expm1(rules.margin_log + seen * noise.sigma) if math.isfinite(seen) else math.inf


def stages_for(noise: Noise, effect: float, rules: Rules, cells: int, least_screen: int = 6) -> Stages | None:
    """Blocks by which a slowdown of `effect` is found with the power of the rules, at the least expected time; None if none serve."""
    rounded = math.ceil(math.log(max(noise.sigma, 1e-6)) / math.log(_SIGMA_STEP) - 1e-9)
    return _stages(_SIGMA_STEP**rounded, rounded_tail(noise.tail_share), effect, rules, cells, least_screen)


@lru_cache(maxsize=8192)
def _stages(sigma: float, tail: float, effect: float, rules: Rules, cells: int, least_screen: int) -> Stages | None:
    if effect <= rules.margin:
        return None
    confirm = blocks_needed((math.log1p(effect) - rules.margin_log) / sigma, rules.cell_alpha(cells), rules.confirm_power, tail)
    if not confirm:
        return None
    best = None
    for screen in (n for n in BLOCKS if n >= least_screen):
        if best and screen >= best.expected:
            break
        excluded = power_of(screen, math.log1p(effect) / sigma, rules.slower.miss, tail) if rules.slower.miss < 1 else 1.0
        stages = Stages(screen, confirm, min(1.0, 1 - excluded + rules.slower.flag_alpha + rules.faster.flag_alpha))
        if best is None or stages.expected < best.expected:
            best = stages
    return best


def least_launches(families: int, rules: Rules) -> int:
    """Launches below which the pooled test cannot speak: 2^-n must come below its level for one of so many families."""
    return max(6, math.ceil(-math.log2(rules.pooled_alpha / max(families, 1))))


def plan(noises: Sequence[Noise], rules: Rules, budget_s: float = math.inf, launch_s: float = 0.5, families: int = 1) -> Plan:
    """What to do with every cell, in `budget_s` seconds if they suffice.

    A launch serves all cells of its stage, so launches are as many as the cell with most blocks needs, in each stage. The last resort is a
    cell that sees nothing and gets no block.
    """
    count, least = len(noises), least_launches(families, rules)
    effects = sorted({rules.detect, *(effect for effect in EFFECTS if effect > rules.detect)})
    options = [[(effect, stages) for effect in effects if (stages := stages_for(noise, effect, rules, count, least))] for noise in noises]
    at = [0] * count

    def cost(cell: int, place: int) -> float:
        return options[cell][place][1].expected * noises[cell].block_s if place < len(options[cell]) else 0.0

    def launches() -> int:
        used = [options[cell][place][1] for cell, place in enumerate(at) if place < len(options[cell])]
        return max((s.screen for s in used), default=0) + max((s.confirm for s in used), default=0)

    total = sum(cost(cell, 0) for cell in range(count))
    while total + launches() * launch_s > budget_s and any(place < len(options[cell]) for cell, place in enumerate(at)):
        cell = max(range(count), key=lambda c: cost(c, at[c]))
        total += cost(cell, at[cell] + 1) - cost(cell, at[cell])
        at[cell] += 1
    chosen = [options[cell][place] if place < len(options[cell]) else (BLIND, Stages(0, 0, 0.0)) for cell, place in enumerate(at)]
    time_s = sum(stages.expected * noise.block_s for (_, stages), noise in zip(chosen, noises, strict=True)) + launches() * launch_s
    return Plan(tuple(s for _, s in chosen), tuple(e for e, _ in chosen), launches(), time_s, budget_s)


def sentence(made: Plan) -> str:
    """The plan in words: "in 8 min: 3 % on 187 of 200 cells; 13 need 6 %"."""
    count, minutes = len(made.sees), max(made.time_s, 1.0) / 60
    tally = sorted(Counter(made.sees).items())
    shown = f"{minutes:.0f} min" if minutes >= 1.5 else f"{60 * minutes:.0f} s"
    if not tally or tally[0][0] == BLIND:
        return f"in {shown}: nothing can be shown on any of {count} cells"
    words = [f"{100 * tally[0][0]:g} % on {tally[0][1]} of {count} cells"]
    words += ["nothing on " + str(number) if effect == BLIND else f"{number} need {100 * effect:g} %" for effect, number in tally[1:]]
    return f"in {shown}: " + "; ".join(words)
