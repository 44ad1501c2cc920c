"""Cut a noisy curve into flat pieces and ramps, with as few pieces as the noise allows.

Exact dynamic programming over all cuts; each piece is a constant or a straight line, and pays for its parameters as in the
Bayesian information criterion. Nothing fixes the number of pieces.
Source of the method: Killick, Fearnhead and Eckley 2012, doi:10.1080/01621459.2012.737745 (the criterion; the points are so
few here that their pruning is not needed).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FLAT_PARAMETERS = 2  # a level and a cut
RAMP_PARAMETERS = 3  # and a slope


@dataclass(frozen=True, slots=True)
class Segment:
    """Points first..last (both inside), fitted by a line from `start` to `end`; `slope` in y per x, 0 for a flat piece."""

    first: int
    last: int
    start: float
    end: float
    slope: float

    @property
    def points(self) -> int:
        """How many points it holds."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class _Sums:
    """Running sums of w, wx, wy, wxx, wxy, wyy with a leading zero: any piece's sums are one subtraction."""

    table: Floats

    @classmethod
    def of(cls, x: Floats, y: Floats, weights: Floats) -> _Sums:
        rows = np.vstack([weights, weights * x, weights * y, weights * x * x, weights * x * y, weights * y * y])
        return cls(np.concatenate([np.zeros((6, 1)), np.cumsum(rows, axis=1)], axis=1))

    def pieces(self, firsts: NDArray[np.intp], last: int) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """(mean x, mean y, slope, misfit of the constant, misfit of the line) of each piece first..last."""
        w, wx, wy, wxx, wxy, wyy = self.table[:, last + 1 : last + 2] - self.table[:, firsts]
        mean_x, mean_y = wx / w, wy / w
        var_x = np.maximum(wxx - wx * mean_x, 0.0)
        flat = np.maximum(wyy - wy * mean_y, 0.0)
        cross = wxy - wx * mean_y
        slope = np.divide(cross, var_x, out=np.zeros_like(cross), where=var_x > 1e-9 * w)
        return mean_x, mean_y, slope, flat, np.maximum(flat - slope * cross, 0.0)


def segment(x: Floats, y: Floats, sd: Floats, *, strictness: float = 1.5) -> list[Segment]:
    """The best cut of (x, y), x ascending, where `sd` is the standard error of each y.

    `strictness` scales the price of a piece: 1 is the plain criterion, more asks for clearer evidence (errors of neighbouring
    points are correlated, which the criterion does not know).
    """
    count = len(x)
    if count == 0:
        return []
    centre = float(np.mean(y))
    sums = _Sums.of(x, y - centre, 1.0 / np.square(sd))
    price = strictness * float(np.log(max(count, 2)))
    best = np.concatenate([[0.0], np.full(count, np.inf)])
    cut = np.zeros(count + 1, dtype=np.intp)
    ramp = np.zeros(count + 1, dtype=bool)
    for last in range(count):
        firsts = np.arange(last + 1)
        _, _, _, flat, line = sums.pieces(firsts, last)
        as_flat = best[: last + 1] + flat + FLAT_PARAMETERS * price
        as_ramp = best[: last + 1] + line + RAMP_PARAMETERS * price
        as_ramp[firsts > last - 2] = np.inf
        one, other = int(np.argmin(as_flat)), int(np.argmin(as_ramp))
        ramp[last + 1] = as_ramp[other] < as_flat[one]
        cut[last + 1] = other if ramp[last + 1] else one
        best[last + 1] = min(as_flat[one], as_ramp[other])
    return _walk_back(x, sums, cut, ramp, centre)


def _walk_back(x: Floats, sums: _Sums, cut: NDArray[np.intp], ramp: NDArray[np.bool_], centre: float) -> list[Segment]:
    found: list[Segment] = []
    end = len(x)
    while end > 0:
        first = int(cut[end])
        mean_x, mean_y, slopes, _, _ = sums.pieces(np.array([first]), end - 1)
        slope = float(slopes[0]) if ramp[end] else 0.0
        level = float(mean_y[0]) + centre
        middle = float(mean_x[0])
        found.append(Segment(first, end - 1, level + slope * (x[first] - middle), level + slope * (x[end - 1] - middle), slope))
        end = first
    return found[::-1]
