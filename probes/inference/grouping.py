"""Decide which plateaus are levels of their own, and which are one level whose latency steps or fades.

Two tests work against each other. A short plateau inside a climb is dropped where one edge explains the climb as well
without it; a wide climb without a plateau is split where only two edges explain it and a shelf shows between them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .curves import Prepared
from .plateaus import LEVEL_SHARE, Plateau
from .shelves import Shelf, fit_shelf

Floats = NDArray[np.float64]

SURE_OCTAVES = 2.0  # a plateau this wide needs no test
WIDE_OCTAVES = 1.2  # no narrower climb can hold a level
ENOUGH_GAIN = 4.0  # of the information criterion, for a plateau that was seen
MUCH_GAIN = 12.0  # for one that was not
TLB_STEP_SHARE = 0.75  # a step that raises latency more than this is no TLB step in a page-grouped chase


@dataclass(frozen=True, slots=True)
class Group:
    """The plateaus that make one level: more than one where latency steps inside it. `oddities` say so."""

    plateaus: tuple[Plateau, ...]
    main: Plateau
    oddities: tuple[str, ...] = ()


def settle_plateaus(ready: Prepared, found: Sequence[Plateau]) -> list[Plateau]:
    """`found` without short plateaus that one edge explains away, and with the levels that only a fit of two edges can see."""
    return _with_hidden(ready, _without_false(ready, list(found)))


def _without_false(ready: Prepared, found: list[Plateau]) -> list[Plateau]:
    i = 1
    while i < len(found) - 1:
        here = found[i]
        apart = min(here.level - found[i - 1].level, found[i + 1].level - here.level) > math.log(1 + LEVEL_SHARE)
        if apart and ready.x[here.last] - ready.x[here.first] < SURE_OCTAVES:
            shelf = _shelf(ready, found[i - 1], found[i + 1])
            if shelf is not None and shelf.gain < ENOUGH_GAIN:
                del found[i]
                continue
            if shelf is not None and shelf.shows and abs(math.log(shelf.latency) - here.level) < math.log(1 + LEVEL_SHARE):
                # The tails of both edges lie on so short a plateau: the fit sees under them.
                found[i] = replace(here, level=math.log(shelf.latency))
        i += 1
    return found


def _with_hidden(ready: Prepared, found: list[Plateau]) -> list[Plateau]:
    settled = found[:1]
    for upper in found[1:]:
        lower = settled[-1]
        if ready.x[upper.first] - ready.x[lower.last] > WIDE_OCTAVES:
            shelf = _shelf(ready, lower, upper)
            if shelf is not None and shelf.shows and shelf.gain > MUCH_GAIN:
                first, last = _points_on(ready, shelf, lower.last + 1, upper.first - 1)
                settled.append(Plateau(first, last, math.log(shelf.latency), fitted=True))
        settled.append(upper)
    return settled


def _shelf(ready: Prepared, lower: Plateau, upper: Plateau) -> Shelf | None:
    start = max(lower.first, int(np.searchsorted(ready.x, ready.x[lower.last] - 0.75)))
    end = min(upper.last, int(np.searchsorted(ready.x, ready.x[upper.first] + 1.0)))
    window = slice(start, end + 1)
    return fit_shelf(ready.sizes[window], ready.logs[window], ready.sd[window], math.exp(lower.level), math.exp(upper.level))


def _points_on(ready: Prepared, shelf: Shelf, first: int, last: int) -> tuple[int, int]:
    """The points first..last that lie well between both edges; the nearest one where none does."""
    inside = [i for i in range(first, last + 1) if 1.3 * shelf.inner_bytes < ready.sizes[i] < shelf.outer_bytes / 1.3]
    if inside:
        return inside[0], inside[-1]
    middle = math.log2(shelf.inner_bytes * shelf.outer_bytes) / 2
    nearest = min(range(first, last + 1), key=lambda i: abs(ready.x[i] - middle))
    return nearest, nearest


def group_plateaus(ready: Prepared, found: Sequence[Plateau], translation: Sequence[tuple[float, float]] = ()) -> list[Group]:
    """One group a level: steps under 25 % and steps that the TLB explains stay inside a level, as an oddity."""
    groups: list[Group] = []
    for plateau in found:
        before = groups[-1] if groups else None
        reason = _no_level(ready, before.plateaus[-1], plateau, translation) if before is not None else ""
        if before is None or not reason:
            groups.append(Group((plateau,), plateau))
            continue
        rise = f"latency rises by {math.exp(plateau.level - before.plateaus[-1].level) - 1:.0%} inside this level ({reason})"
        wide = max(before.main, plateau, key=lambda p: ready.x[p.last] - ready.x[p.first])
        main = wide if reason == "no edge of a cache is so low" else before.main
        groups[-1] = Group((*before.plateaus, plateau), main, (*before.oddities, rise))
    return groups


def _no_level(ready: Prepared, low: Plateau, high: Plateau, translation: Sequence[tuple[float, float]]) -> str:
    rise = math.exp(high.level - low.level) - 1
    start, end = float(ready.sizes[low.last]), float(ready.sizes[high.first])
    if rise < TLB_STEP_SHARE and any(a <= end and start <= b for a, b in translation):
        return "a TLB step"
    return "no edge of a cache is so low" if rise < LEVEL_SHARE else ""
