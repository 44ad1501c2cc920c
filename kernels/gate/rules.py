"""Say what a gate must find, what it may cry wolf at, and how it is to decide: one record, made before the first timing."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Direction:
    """How one direction (slower, or faster) is screened and confirmed.

    `alpha` is the chance that any cell at all is confirmed wrongly. A cell is flagged for confirming where the screen cannot exclude, but
    for a chance of `miss`, an effect that the cell is to show (1: this never flags), or where its p against nought is at most `flag_alpha`.
    """

    alpha: float
    miss: float = 1.0
    flag_alpha: float = 0.0


@dataclass(frozen=True, slots=True)
class Rules:
    """All choices of a gate. Effects and margins are shares: 0.03 is 3 % more time.

    Slower is flagged by exclusion: whatever the noise, a cell that is slower by `detect` escapes the screen with a chance of `miss` at
    most, and noise only costs time. Faster is flagged where it is plain, since nothing fails for lack of an improvement.
    `alpha` of both tests for slower sums to the 1 % of the whole gate: cells and families share it.
    """

    margin: float = 0.01
    detect: float = 0.03
    power: float = 0.95
    slower: Direction = Direction(alpha=0.008, miss=0.025)
    faster: Direction = Direction(alpha=0.008, flag_alpha=0.01)
    pooled_alpha: float = 0.002
    pooled_margin: float = 0.0025
    level: float = 0.95  # of the interval that is shown, and by which cells are called equivalent
    looks: int = 1  # how often confirming may look, agreed on before: each look gets its share of alpha

    def __post_init__(self) -> None:
        if not 0 <= self.margin < self.detect:
            raise ValueError(f"an effect of {self.detect:g} to detect must lie above the margin of {self.margin:g}")
        if not 0 < self.level < 1 or not 0 < self.power < 1 or self.looks < 1 or self.pooled_margin < 0:
            raise ValueError("a level, a power or a number of looks that cannot be")
        if not all(0 < each.alpha < 1 and 0 < each.miss <= 1 and 0 <= each.flag_alpha < 1 for each in (self.slower, self.faster)):
            raise ValueError("chances of error lie between 0 and 1")

    @property
    def margin_log(self) -> float:
        """The margin as a difference of logs."""
        return math.log1p(self.margin)

    @property
    def detect_log(self) -> float:
        """The effect to detect as a difference of logs."""
        return math.log1p(self.detect)

    @property
    def confirm_power(self) -> float:
        """What confirming must reach so that, with what the screen may miss, the whole reaches `power`."""
        missed = self.slower.miss if self.slower.miss < 1 else (1 - self.power) / 2
        return min(0.999, self.power + missed)

    def cell_alpha(self, cells: int) -> float:
        """The level of the first step for one cell out of `cells`, at one look."""
        return self.slower.alpha / self.looks / max(cells, 1)

    def mirrored(self) -> Rules:
        """The same with slower and faster swapped."""
        return replace(self, slower=self.faster, faster=self.slower)
