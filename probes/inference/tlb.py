"""Read the levels of address translation from paired chases: one node a page (spread) and the same nodes side by side (packed).

Both touch as many cache lines, so the data caches cancel in delta = spread - packed, and what is left is translation. A step of
delta is a TLB level when it is large, clears the noise, stays, and shows again in a second pass with other orders.

The guard. Near the capacity of the L1 data cache spread lines may collide earlier than packed ones: delta then has a bump. It
falls back once both layouts miss, so a step near that capacity must still be there beyond twice of it. Smaller steps need no
guard: TLBs of 48, 64 or 96 entries lie far below the 512 or more lines of any such cache.

Known flaw: physically indexed caches may add their own slow rise at many thousand pages; only steps that level off count.
Source of the acceptance gate: macOS-mb, as collected in the project's reference on probes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...kernels.measure.stats import bootstrap_interval, mad_sd, median, nan_median
from .isotonic import running_median
from .segments import Segment, segment

Floats = NDArray[np.float64]

MIN_POINTS = 6
MIN_EFFECT_NS = 0.5
PERSIST_POINTS = 3  # the step itself and two more
CLIMB_OVER_SHELF = 3.0  # after a real step delta climbs this much slower, or not at all
MOST_LEVELS = 3
NEAR_POINTS = 4  # points on either side that measure the height of a step


@dataclass(frozen=True, slots=True)
class TlbStep:
    """One TLB level: pages that still hit (last point before the step) up to the first point that misses; cost of a miss.

    `entries` is the lower end where the step lies between two neighbouring points, else the half-way point. `miss` is in the
    unit of the input. `validated`: a second pass with other orders showed the step too.
    """

    entries: float
    entries_low: float
    entries_high: float
    miss: float
    miss_low: float
    miss_high: float
    validated: bool


@dataclass(frozen=True, slots=True)
class TlbFit:
    """The accepted steps, fewest entries first, and a sentence for each candidate that was turned down."""

    steps: tuple[TlbStep, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Candidate:
    before: Segment
    after: Segment


def find_tlb_steps(
    pages: ArrayLike,
    spread: ArrayLike,
    packed: ArrayLike,
    *,
    validation: tuple[ArrayLike, ArrayLike] | None = None,
    l1d_lines: int,
    noise_floor: float,
    cycles: bool,
    seed: int = 0,
) -> list[TlbStep]:
    """The TLB levels alone; see `find_tlb` for what each argument is and for the reasons of what was turned down."""
    return list(
        find_tlb(pages, spread, packed, validation=validation, l1d_lines=l1d_lines, noise_floor=noise_floor, cycles=cycles, seed=seed).steps
    )


def find_tlb(
    pages: ArrayLike,
    spread: ArrayLike,
    packed: ArrayLike,
    *,
    validation: tuple[ArrayLike, ArrayLike] | None = None,
    l1d_lines: int,
    noise_floor: float,
    cycles: bool,
    seed: int = 0,
) -> TlbFit:
    """The TLB levels behind latencies [rounds × pages] of both layouts, NaN allowed.

    `validation` holds the same two tables from a second pass. `l1d_lines`: lines of the L1 data cache. `noise_floor` in the
    unit of the latencies (core cycles if `cycles`, else ns, where no step under 0.5 ns counts either).
    """
    counts = np.asarray(pages, dtype=np.float64)
    order = np.argsort(counts, kind="stable")
    delta = (np.atleast_2d(np.asarray(spread, dtype=np.float64)) - np.atleast_2d(np.asarray(packed, dtype=np.float64)))[:, order]
    again = None
    if validation is not None:
        again = (np.atleast_2d(np.asarray(validation[0], dtype=np.float64)) - np.atleast_2d(np.asarray(validation[1], dtype=np.float64)))[
            :, order
        ]
    seen = np.isfinite(delta).any(axis=0) & (counts[order] > 0)
    counts, delta = counts[order][seen], delta[:, seen]
    again = again[:, seen] if again is not None else None
    if len(counts) < MIN_POINTS:
        return TlbFit(notes=(f"fewer than {MIN_POINTS} page counts: no step can be told from noise",))
    gate = noise_floor if cycles else max(noise_floor, MIN_EFFECT_NS)
    middle = nan_median(delta)
    candidates, notes = _candidates(np.log2(counts), middle, _standard_errors(delta, middle), gate)
    steps: list[TlbStep] = []
    for candidate in candidates:
        step, why = _accept(candidate, counts, middle, delta, again, (gate, noise_floor, 2 * l1d_lines), seed)
        if step is not None and len(steps) < MOST_LEVELS:
            steps.append(step)
        else:
            notes.append(f"step near {counts[candidate.after.first]:.0f} pages: {why or 'no machine has so many levels'}")
    return TlbFit(tuple(steps), tuple(notes))


def _standard_errors(delta: Floats, middle: Floats) -> Floats:
    counts = np.sum(np.isfinite(delta), axis=0)
    local = np.array([mad_sd(delta[:, j]) for j in range(delta.shape[1])]) * 1.2533 / np.sqrt(counts)
    jitter = mad_sd(middle[1:-1] - (middle[:-2] + middle[2:]) / 2) / math.sqrt(1.5)
    floor = max(jitter, 1e-3 * float(np.ptp(middle)), 1e-6)
    return np.asarray(np.maximum.reduce([local, running_median(local, reach=4), np.full(len(middle), floor)]))


def _candidates(x: Floats, middle: Floats, sd: Floats, gate: float) -> tuple[list[_Candidate], list[str]]:
    """Steps up from one level stretch to the next, and why some climbs are none."""
    pieces = segment(x, middle, sd)
    found: list[_Candidate] = []
    notes: list[str] = []
    base = pieces[0]
    for piece in pieces[1:]:
        if piece.points < PERSIST_POINTS:
            continue
        rise = piece.start - base.end
        climb = rise / max(x[piece.first] - x[base.last], 1e-9)
        if abs(piece.slope) > max(gate / 2, climb / CLIMB_OVER_SHELF):
            continue
        if rise >= gate:
            found.append(_Candidate(base, piece))
            base = piece
        elif rise <= -gate:
            notes += [
                f"rise near {2 ** x[c.after.first]:.0f} pages: falls back, so no TLB level"
                for c in found
                if piece.end < c.before.end + gate
            ]
            found = [c for c in found if piece.end >= c.before.end + gate]
            base = piece
        else:
            base = Segment(base.first, piece.last, base.start, piece.end, 0.0)
    if float(np.median(middle[-2:])) > base.end + 2 * gate:
        notes.append(
            f"delta still climbs beyond {2 ** x[base.last]:.0f} pages without levelling off: page walks that miss caches, not a TLB level"
        )
    return found, notes


def _accept(
    candidate: _Candidate,
    counts: Floats,
    middle: Floats,
    delta: Floats,
    again: Floats | None,
    limits: tuple[float, float, float],
    seed: int,
) -> tuple[TlbStep | None, str]:
    """The candidate as a step, or why it is none."""
    gate, noise_floor, guard = limits
    effects = _effects(candidate, delta)
    miss, low, high = bootstrap_interval(effects, seed=seed)
    half = (candidate.before.end + candidate.after.start) / 2
    if not (miss >= gate and low > noise_floor):
        return None, "within the noise"
    after = middle[candidate.after.first : candidate.after.first + PERSIST_POINTS]
    if len(after) < PERSIST_POINTS or np.any(after < half):
        return None, "does not persist over the next two points"
    if guard / 4 <= counts[candidate.after.first] and counts[candidate.before.last] <= guard:
        beyond = middle[(counts > guard) & (counts <= 4 * guard)]
        if not len(beyond) or np.median(beyond) < half:
            return None, "lies at the capacity of the L1 data cache and is not seen beyond it"
    if again is not None:
        seen, seen_low, _ = bootstrap_interval(_effects(candidate, again), seed=seed + 1)
        if not (seen >= gate and seen_low > noise_floor):
            return None, "not seen again in the validation pass"
    entries, least, most = _entries(candidate, counts, middle)
    return TlbStep(entries, least, most, miss, low, high, again is not None), ""


def _effects(candidate: _Candidate, delta: Floats) -> list[float]:
    """Height of the step in each round: points just after it against points just before it."""
    before = slice(max(candidate.before.first, candidate.before.last - NEAR_POINTS + 1), candidate.before.last + 1)
    after = slice(candidate.after.first, min(candidate.after.last, candidate.after.first + NEAR_POINTS - 1) + 1)
    return [median(row[after]) - median(row[before]) for row in delta]


def _entries(candidate: _Candidate, counts: Floats, middle: Floats) -> tuple[float, float, float]:
    """(entries, low, high): from the last point near the lower level to the first one near the upper level."""
    low, high = candidate.before.end, candidate.after.start
    first, last = candidate.before.last, candidate.after.first
    share = (middle[first : last + 1] - low) / (high - low)
    start = first + int(np.max(np.nonzero(share <= 0.2)[0], initial=0))
    end = first + int(np.min(np.nonzero(share >= 0.8)[0], initial=last - first))
    end = max(end, start + 1) if start < len(counts) - 1 else end
    if end == start + 1:
        return float(counts[start]), float(counts[start]), float(counts[end])
    inner = np.maximum.accumulate((middle[start : end + 1] - low) / (high - low))
    half = float(np.exp2(np.interp(0.5, inner, np.log2(counts[start : end + 1]))))
    return half, float(counts[start]), float(counts[end])
