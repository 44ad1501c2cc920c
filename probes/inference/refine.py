"""Say which working-set sizes to measure next, so that each edge of a latency curve is cut as finely as wanted.

Bisection where the curve climbs: a cliff needs one more size a round, a wide edge only those that share out its climb.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from ...configs.units import KIB, MIB
from .curves import Prepared, prepare
from .grouping import group_plateaus
from .plateaus import find_plateaus

LINE_BYTES = 64
COARSE_BYTES = 256 * KIB
COARSE_ABOVE = 16 * MIB
SHARE_OF_CLIMB = 0.12  # neighbours closer than this share of the climb are near enough, however far apart in size


def refine_sizes(size_bytes: ArrayLike, latency: ArrayLike, *, tolerance: float = 0.03, most: int = 24, cycles: bool = False) -> list[int]:
    """Sizes in bytes to measure next, ascending: the middle of each pair of neighbours that still hides an edge.

    Call it again with the new points until it returns nothing: neighbours are then within `tolerance` wherever the curve
    climbs. Sizes are multiples of 64 bytes, above 16 MiB of 256 KiB. At most `most`, the steepest first. Input as for
    `find_levels`.
    """
    ready = prepare(size_bytes, latency)
    if ready is None:
        return []
    groups = group_plateaus(ready, find_plateaus(ready.x, ready.tamed, ready.sd, cycles=cycles))
    found: dict[int, float] = {}
    for lower, upper in pairwise(groups):
        first, last = lower.plateaus[-1].last, max(upper.plateaus[0].first, lower.plateaus[-1].last + 1)
        found.update(_middles(ready, first, last, upper.plateaus[0].level - lower.plateaus[-1].level, tolerance))
    steepest = sorted(found, key=lambda size: -found[size])[:most]
    return sorted(steepest)


def _middles(ready: Prepared, first: int, last: int, height: float, tolerance: float) -> dict[int, float]:
    """Middle size of each pair in the climb first..last that is still too far apart, with its share of the climb."""
    half = (ready.fit[first] + ready.fit[last]) / 2
    found = {}
    for i in range(first, last):
        below, above = float(ready.sizes[i]), float(ready.sizes[i + 1])
        share = float(ready.fit[i + 1] - ready.fit[i]) / max(height, 1e-9)
        holds_half = ready.fit[i] <= half <= ready.fit[i + 1]
        if above / below <= 1 + tolerance or not (share > SHARE_OF_CLIMB or holds_half):
            continue
        middle = _rounded(math.sqrt(below * above))
        if below < middle < above and not np.any(ready.sizes == middle):
            found[middle] = share
    return found


def _rounded(size: float) -> int:
    unit = COARSE_BYTES if size > COARSE_ABOVE else LINE_BYTES
    return round(size / unit) * unit
