"""Find the plateaus of a latency curve: the sizes over which latency hardly changes.

A plateau is a flat piece of some width, or a gentle slope between two climbs that are far steeper (a level whose latency
drifts because translation or distance grows with size). Everything between two plateaus is one climb, however it is cut.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .segments import Segment, segment

Floats = NDArray[np.float64]

FLAT_SLOPE = 0.085  # ln latency per octave: drift that any level may show
SHELF_SLOPE = 0.27  # steeper drift, believed only beside much steeper climbs
SHELF_CONTRAST = 3.5
MIN_POINTS = 3
MIN_OCTAVES = 0.36
MIN_INNER_OCTAVES = 0.6  # inside a climb a short rest is more likely noise
SAME_SHARE = 0.08
SAME_CYCLES = 1.5
LEVEL_SHARE = 0.25  # no two levels of a real machine lie closer; parts of one level do
END_RISE = 0.26  # ln: a climb at the end of the curve that must lead somewhere


@dataclass(frozen=True, slots=True)
class Plateau:
    """Points first..last at one level (natural logarithm of latency).

    `open_start`, `open_end`: seen only as the foot or the top of a climb that the curve cuts off. `fitted`: no flat stretch of
    its own, its level comes from a fit of the edges on either side.
    """

    first: int
    last: int
    level: float
    open_start: bool = False
    open_end: bool = False
    fitted: bool = False


def find_plateaus(x: Floats, logs: Floats, sd: Floats, *, cycles: bool) -> list[Plateau]:
    """The plateaus of `logs` (ln latency) over `x` (log2 size), lowest first; no two closer than 8 % or 1.5 cycles."""
    pieces = _joined(segment(x, logs, sd), x, cycles)
    kept = [p for i, p in enumerate(pieces) if _is_plateau(pieces, i, x)]
    found = [Plateau(p.first, p.last, _level(logs, p.first, p.last)) for p in kept]
    found = merge_close(found, x, lambda low, high: same_level(low, high, cycles))
    return _with_end(_with_start(found, logs, sd), logs, sd)


def same_level(low: float, high: float, cycles: bool) -> bool:
    """Whether two levels (ln latency) differ by less than 8 %, or by less than 1.5 where latency is in core cycles."""
    gap = abs(math.exp(high) - math.exp(low))
    return gap < SAME_SHARE * math.exp(low) or (cycles and gap < SAME_CYCLES)


def merge_close(found: list[Plateau], x: Floats, same: Callable[[float, float], bool]) -> list[Plateau]:
    """`found` with neighbours joined, the closest pair first, until no two are the `same`."""
    found = list(found)
    while len(found) > 1:
        gaps = [abs(found[i + 1].level - found[i].level) for i in range(len(found) - 1)]
        order = [i for i in np.argsort(gaps) if same(found[i].level, found[i + 1].level) or found[i + 1].level < found[i].level]
        if not order:
            break
        i = int(order[0])
        one, other = found[i], found[i + 1]
        wide = max(one, other, key=lambda p: x[p.last] - x[p.first])
        found[i : i + 2] = [Plateau(one.first, other.last, wide.level)]
    return found


def _level(logs: Floats, first: int, last: int) -> float:
    return float(np.median(logs[first : last + 1]))


def _joined(pieces: list[Segment], x: Floats, cycles: bool) -> list[Segment]:
    """Flat neighbours of nearly the same level as one piece: a cut that noise made must not shorten a plateau."""
    joined: list[Segment] = []
    for piece in pieces:
        before = joined[-1] if joined else None
        if (
            before is not None
            and abs(before.slope) <= FLAT_SLOPE
            and abs(piece.slope) <= FLAT_SLOPE
            and same_level(min(before.end, piece.start), max(before.end, piece.start), cycles)
            and abs(piece.end - before.start) <= FLAT_SLOPE * max(x[piece.last] - x[before.first], 1.0) + SAME_SHARE
        ):
            joined[-1] = replace(before, last=piece.last, end=piece.end)
        else:
            joined.append(piece)
    return joined


def _is_plateau(pieces: list[Segment], index: int, x: Floats) -> bool:
    piece = pieces[index]
    octaves = float(x[piece.last] - x[piece.first])
    if piece.points < MIN_POINTS or octaves < MIN_OCTAVES:
        return False
    before, after = _climb_before(pieces, index, x), _climb_after(pieces, index, x)
    inner = 0 < index < len(pieces) - 1
    if abs(piece.slope) <= FLAT_SLOPE:
        return not inner or octaves >= MIN_INNER_OCTAVES or min(before, after) > 1.0
    steep = SHELF_CONTRAST * piece.slope
    return 0 < piece.slope <= SHELF_SLOPE and octaves >= 0.75 and min(before, after) >= steep


def _climb_after(pieces: list[Segment], index: int, x: Floats) -> float:
    """Mean slope over the half octave after a piece; infinite at the end of the curve."""
    here = pieces[index]
    if index == len(pieces) - 1:
        return math.inf
    goal = x[here.last] + 0.5
    value, reached = here.end, float(x[here.last])
    for piece in pieces[index + 1 :]:
        if x[piece.first] > goal and reached > x[here.last]:
            break
        reached = min(float(x[piece.last]), max(goal, float(x[piece.first])))
        value = piece.start + piece.slope * (reached - float(x[piece.first]))
    return (value - here.end) / max(reached - float(x[here.last]), 0.5)


def _climb_before(pieces: list[Segment], index: int, x: Floats) -> float:
    """Mean slope over the half octave before a piece; infinite at the start of the curve."""
    here = pieces[index]
    if index == 0:
        return math.inf
    goal = x[here.first] - 0.5
    value, reached = here.start, float(x[here.first])
    for piece in reversed(pieces[:index]):
        if x[piece.last] < goal and reached < x[here.first]:
            break
        reached = max(float(x[piece.first]), min(goal, float(x[piece.last])))
        value = piece.start + piece.slope * (reached - float(x[piece.first]))
    return (here.start - value) / max(float(x[here.first]) - reached, 0.5)


def _with_start(found: list[Plateau], logs: Floats, sd: Floats) -> list[Plateau]:
    """`found`, and one more where the curve starts far below the first plateau."""
    if not found or found[0].first < 2:
        return found
    head = min(3, found[0].first)
    bottom = float(np.median(logs[:head]))
    if found[0].level - bottom > max(END_RISE, 4 * float(np.median(sd[:head]))):
        return [Plateau(0, head - 1, bottom, open_start=True), *found]
    return found


def _with_end(found: list[Plateau], logs: Floats, sd: Floats) -> list[Plateau]:
    """`found`, and one more where the curve ends far above the last plateau."""
    count = len(logs)
    tail = min(3, count)
    top = float(np.median(logs[-tail:]))
    if not found:
        return []
    last = found[-1]
    if last.last < count - 2 and top - last.level > max(END_RISE, 4 * float(np.median(sd[-tail:]))):
        return [*found, Plateau(count - tail, count - 1, top, open_end=True)]
    return found
