"""Load-to-use latency against working set: the curve from which the cache levels are found.

Method: a pointer chase (one random cycle, one node a line, at a random word of the line, never fewer than 128 nodes), eight sizes
an octave, over several fresh allocations, then more sizes inside each transition. Two curves: `huge` pages in page-grouped order, where
the TLB stays quiet and the caches show; `small` pages in random order, caches and translation together, as applications meet
them. Each sample continues where the one before ended.

Units of work: loads. Known flaws: a guest's huge page may be small for its host, so that a physically indexed cache shows page
colours and nested translation; a working set beyond the last level is walked in part, after every line of it was touched in the
order of the groups. Source: reference 2.1; Sattolo 1986; Yotov, Pingali and Stodghill 2005 (doi:10.1145/1071690.1064233).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from ..configs.curve import Curve, Point
from ..configs.errors import NotPossibleError
from ..configs.facts import Scalar
from ..configs.machine import Machine
from ..configs.units import MIB, size_words
from ..kernels.emit.streams import CHASE_UNROLL
from ..kernels.measure.chase import GROUP_BYTES, Chase
from ..kernels.measure.memory import Buffer
from ..kernels.measure.sampler import Plan, Sampler
from .claims import claimed_line
from .context import Context
from .inference.levels import refine_sizes
from .levels import levels_of, table_of
from .registry import probe

MIN_NODES = 128
_RESIZED_FROM = 32 * MIB  # from here on, sizes are whole groups of one long chain
_GUESSED_LLC_BYTES = 64 * MIB  # where nothing is claimed: the top of the curve is four times that


@dataclass(frozen=True, slots=True)
class _Grid:
    """Sizes of one curve, and how often."""

    pages: str
    order: str
    sizes: tuple[int, ...]
    allocations: int
    scouts: int  # allocations after which the sizes inside the transitions are chosen, for the others to measure too


def top_bytes(context: Context) -> int:
    """Four times the largest claimed cache (twice when quick), within what may be allocated and what the effort allows."""
    claims = [c.size_bytes for c in context.machine.cache_claims]
    wanted = context.effort.pick(2, 4, 4) * max(claims, default=_GUESSED_LLC_BYTES)
    cap = context.effort.pick(768, 1024, 4096) * MIB
    return int(min(max(wanted, 64 * MIB), cap, context.memory_bytes // 3)) // GROUP_BYTES * GROUP_BYTES


def sizes_between(low: int, high: int, per_octave: int, line: int) -> tuple[int, ...]:
    """`per_octave` sizes an octave from low to high, multiples of the line, and of a group of pages where the chain is resized."""
    steps = np.arange(0, np.log2(high / low) + 1e-9, 1 / per_octave)
    exact = low * 2.0**steps
    unit = np.where(exact < _RESIZED_FROM, line, GROUP_BYTES)
    return tuple(int(s) for s in np.unique((np.round(exact / unit) * unit).astype(np.int64)))


def _grids(context: Context, line: int) -> list[_Grid]:
    low, high = MIN_NODES * line, top_bytes(context)
    claimed = max((c.size_bytes for c in context.machine.cache_claims), default=_GUESSED_LLC_BYTES)
    per_octave = context.effort.pick(4, 8, 16)
    knee = min(high, int(1.5 * claimed))  # nothing but memory is expected above
    sizes = sizes_between(low, knee, per_octave, line) + (sizes_between(knee, high, per_octave // 2, line) if knee < high else ())
    small_top = min(high, context.effort.pick(16, 64, 1024) * MIB)
    coarse = context.effort.pick(2, 4, 8)
    small = sizes_between(low, min(MIB, small_top), context.effort.pick(2, 8, 8), line) + sizes_between(MIB, small_top, coarse, line)
    return [
        _Grid("huge", "grouped", tuple(sorted(set(sizes))), context.effort.pick(3, 5, 9), context.effort.pick(2, 2, 3)),
        _Grid("small", "random", tuple(sorted(set(small))), context.effort.pick(2, 5, 5), 0),
    ]


@probe("latency", version=1, needs=("topology", "clock", "tlb"), seconds=(5, 18, 140), per_kind=True)
def measure(context: Context) -> Curve:
    """Both curves; the first is refined inside its transitions from the third allocation on."""
    line = claimed_line(context.machine)
    sampler = Sampler()
    points: list[Point] = []
    missing: list[str] = []
    readings: dict[str, object] = {"line_bytes": line, "top_bytes": top_bytes(context)}
    if top_bytes(context) < top_bytes(dataclasses.replace(context, memory_bytes=2**62)):
        missing.append(f"working sets beyond {size_words(top_bytes(context))}: the memory that may be used is too small")
    grids = _grids(context, line)
    total = sum(g.allocations for g in grids)
    done = 0
    for grid in grids:
        for allocation in range(grid.allocations):
            if context.expired() and allocation:
                missing.append(f"{grid.pages} pages: {grid.allocations - allocation} of {grid.allocations} allocations, for lack of time")
                break
            if grid.scouts and allocation == grid.scouts:
                grid = _refined(grid, points, most=context.effort.pick(8, 16, 48))
            points += _allocation(context, sampler, grid, allocation, line, readings, missing)
            done += 1
            context.progress(done / total, f"{grid.pages} pages")
    return Curve("latency", 1, "load", tuple(points), readings, tuple(dict.fromkeys(missing)), context.core_kind)


def _refined(grid: _Grid, points: list[Point], most: int) -> _Grid:
    """The grid with more sizes where the scouts saw the curve rise; bisected again as if each new point lay on the line between."""
    sizes, table = table_of(points, grid.pages)
    if len(sizes) < 4:
        return grid
    more = refine_sizes(sizes, table, most=most)
    return dataclasses.replace(grid, sizes=tuple(sorted({*grid.sizes, *more})))


def _allocation(
    context: Context, sampler: Sampler, grid: _Grid, allocation: int, line: int, readings: dict[str, object], missing: list[str]
) -> list[Point]:
    """One fresh buffer, all sizes of the grid."""
    try:
        buffer = Buffer(max(grid.sizes) // GROUP_BYTES * GROUP_BYTES + GROUP_BYTES, grid.pages)
    except NotPossibleError as error:
        missing.append(f"{grid.pages} pages: {error.message}")
        return []
    share = buffer.huge_share
    readings[f"huge_share.{grid.pages}"] = share
    if buffer.advice_error:
        missing.append(f"{grid.pages} pages could not be asked for: {buffer.advice_error}")
    chase = Chase(buffer, line, context.seed * 1000 + allocation)
    rng = np.random.default_rng(context.seed * 1000 + allocation)
    small = [s for s in grid.sizes if s < _RESIZED_FROM or grid.order == "random"]
    rng.shuffle(small)
    points = []
    at: dict[str, Scalar] = {"pages": grid.pages, "order": grid.order, "allocation": allocation}
    for number, size in enumerate(small):
        if allocation and context.expired():
            missing.append(f"{grid.pages} pages: {len(small) - number} sizes of allocation {allocation + 1}, for lack of time")
            break
        (chase.random if grid.order == "random" else chase.grouped)(size)
        _warm(chase)
        points.append(_point(sampler, chase, {**at, "size_bytes": size}))
    large = [s for s in grid.sizes if s not in set(small)]
    if large:
        chase.grouped(max(large))
    for size in large:
        if allocation and context.expired():
            missing.append(f"{grid.pages} pages: {size} B and more in allocation {allocation + 1}, for lack of time")
            break
        chase.resize(size)
        _warm(chase)
        points.append(_point(sampler, chase, {**at, "size_bytes": size}))
    buffer.close()
    return points


def _warm(chase: Chase) -> None:
    """Leave the caches as laps of the chase would: whole laps where they are short, else touches in its order.

    Some last-level caches keep only lines that came back once, hence more than one lap. A long random chain was just written in the
    order in which it will be followed, which is a lap.
    """
    if chase.nodes <= 32768:
        chase.run(3 * chase.nodes)
    elif chase.is_grouped:
        for _ in range(2 if chase.nodes < 1_000_000 else 1):
            chase.touch()


def _point(sampler: Sampler, chase: Chase, at: dict[str, Scalar]) -> Point:
    """Few whole cycles, doubled, where they are short; parts of a cycle, once, where they are long."""
    if chase.nodes <= 16384:
        cycles = max(1, round(8192 / chase.nodes))
        n = max(1, cycles * chase.nodes // CHASE_UNROLL)
        return sampler.point(chase.kernel, dict(at), CHASE_UNROLL, Plan(samples=3, n=n, bursts=7))
    n = 4096 // CHASE_UNROLL
    return sampler.point(chase.kernel, dict(at), CHASE_UNROLL, Plan(samples=3, n=n, bursts=3, doubled=False))


def infer(curve: Curve, machine: Machine) -> Machine:
    """Cache levels with latency, effective size and verdict; DRAM is the last level."""
    others = tuple(c for c in machine.caches if c.core_kind != curve.core_kind)
    return dataclasses.replace(machine, caches=others + levels_of(curve, machine))
