"""The shape of each cache level: line size, ways where strides can show them, and whether another CPU shares it.

Method. *Line*: blocks of 1 KiB in random order, two loads in each, the second `stride` bytes after the first: it hits the line just
fetched until the stride reaches the line size. *Ways*: nodes at a stride of line × 2^k; how many fit before the latency leaves the level
halves with each doubling, down to the number of ways. *Sharing*: two chasers on two CPUs, each in a buffer of its own near the level's
size: a shared level no longer holds both.

Units of work: loads. Known flaws: ways of a physically indexed level need memory that is contiguous for the *host*; hashed indices
hide them altogether, and then the reason is given instead of a number. Source: reference 2.4, 2.5.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..configs.curve import Curve, Point, undisturbed
from ..configs.errors import NotPossibleError
from ..configs.facts import Fact, Scalar, measured, unknown
from ..configs.machine import CacheLevel, Machine
from ..configs.units import KIB, MIB
from ..kernels.emit.streams import CHASE_UNROLL
from ..kernels.measure.chase import GROUP_BYTES, Chase
from ..kernels.measure.memory import Buffer
from ..kernels.measure.sampler import Plan, Sampler
from ..kernels.measure.team import Team
from .claims import claimed_line
from .context import Context, Effort
from .inference.geometry import Estimate, line_size, sharing, ways
from .registry import probe

_BLOCK_BYTES = 1024
_LINE_STRIDES = (8, 16, 32, 64, 128, 256, 512)
_SHARE_SIZES = (0.25, 0.5, 0.7, 0.85, 1.0, 1.2)  # of the level's effective size
_QUICK_SHARING_BYTES = 32 * MIB
_WAYS_MOST_BYTES = 8 * MIB  # larger levels are sliced and hashed


@probe("geometry", version=1, needs=("latency",), seconds=(1, 4, 10), per_kind=True, crew=True)
def measure(context: Context) -> Curve:
    """Line, ways and sharing of every level with a known size."""
    levels = [c for c in context.machine.caches if c.core_kind == context.core_kind and c.size.known]
    if not levels:
        return Curve("geometry", 1, "load", (), {}, ("no cache level was found to look into",), context.core_kind)
    sampler, line = Sampler(), claimed_line(context.machine)
    points: list[Point] = []
    missing: list[str] = []
    steps: list[Callable[[], list[Point]]] = [partial(_line, context, sampler, level) for level in levels[:1]]
    steps += [partial(_ways, context, sampler, level, line, missing) for level in levels]
    steps += [partial(_sharing, context, level, line, missing) for level in levels]
    for number, step in enumerate(steps):
        if context.expired():
            missing.append(f"{len(steps) - number} of {len(steps)} tests, for lack of time")
            break
        try:
            points += step()
        except NotPossibleError as error:
            missing.append(error.message)
        context.progress((number + 1) / len(steps), "")
    return Curve("geometry", 1, "load", tuple(points), {"line_bytes": line}, tuple(dict.fromkeys(missing)), context.core_kind)


def _line(context: Context, sampler: Sampler, level: CacheLevel) -> list[Point]:
    """Two loads a block at a footprint of several times the level."""
    size = int(level.size.number()) * 6 // _BLOCK_BYTES * _BLOCK_BYTES
    blocks = size // _BLOCK_BYTES
    chase = Chase(Buffer(size + _BLOCK_BYTES, "huge"), 64, context.seed)
    points = []
    for number in range(context.effort.pick(3, 5, 9)):
        for stride in _LINE_STRIDES:
            first = chase.rng.permutation(blocks).astype(np.int64) * _BLOCK_BYTES
            chase.through(np.stack([first, first + stride], axis=1).ravel())
            chase.run(2 * chase.nodes)
            at: dict[str, Scalar] = {"test": "line", "level": level.name, "stride_bytes": stride, "round": number}
            points.append(sampler.point(chase.kernel, at, CHASE_UNROLL, Plan(samples=1, n=max(1, chase.nodes // CHASE_UNROLL), bursts=5)))
    return points


def _ways(context: Context, sampler: Sampler, level: CacheLevel, line: int, missing: list[str]) -> list[Point]:
    """Nodes at growing strides until the latency leaves the level."""
    size = int(level.size.number())
    if size > _WAYS_MOST_BYTES:
        missing.append(f"ways of {level.name}: a cache of this size is sliced, its index hashed")
        return []
    most_nodes = 48
    strides = [s for s in (line << k for k in range(24)) if size // 64 <= s <= size]
    buffer = Buffer(max(strides) * most_nodes + MIB, "huge")
    chase = Chase(buffer, line, context.seed + 7)
    points = []
    for stride in strides:
        near = max(1, size // stride)
        counts = sorted({n for n in (*range(2, 25), 28, 32, 36, 40, most_nodes) if n <= max(24, 2 * near)})
        for base in range(context.effort.pick(2, 3, 5)):
            start = int(chase.rng.integers(0, MIB // line)) * line
            for nodes in counts:
                order = chase.rng.permutation(nodes).astype(np.int64)
                chase.through(start + order * stride)
                chase.run(16 * nodes)
                at: dict[str, Scalar] = {"test": "ways", "level": level.name, "stride_bytes": stride, "nodes": nodes, "base": base}
                plan = Plan(samples=1, n=max(8, 512 // CHASE_UNROLL), bursts=3)
                points.append(sampler.point(chase.kernel, at, CHASE_UNROLL, plan))
    return points


def _sharing(context: Context, level: CacheLevel, line: int, missing: list[str]) -> list[Point]:
    """Latency of one chaser, and of two at once, over sizes around the level's."""
    others = [c for c in context.cpus if c != context.cpu]
    if not others:
        missing.append("sharing: only one CPU may be used")
        return []
    size = int(level.size.number())
    top = int(size * max(_SHARE_SIZES)) + KIB
    if context.effort is Effort.QUICK and size > _QUICK_SHARING_BYTES:
        missing.append(f"sharing of {level.name}: left out when quick, for its size")
        return []
    if 2 * top > context.memory_bytes // 2:
        missing.append(f"sharing of {level.name}: two buffers of its size exceed the memory that may be used")
        return []
    chases = [Chase(Buffer(top, "huge"), line, context.seed + 11 + i) for i in range(2)]
    team = Team()
    cpus = [context.cpu, others[0]]
    window_s = context.effort.pick(4, 8, 20) * (1e-3 if size < 4 * MIB else 3e-3)
    points = []
    long = size >= 32 * MIB  # laid once, then shortened and lengthened
    for chase in chases if long else ():
        chase.grouped(top // GROUP_BYTES * GROUP_BYTES)
    for number in range(context.effort.pick(3, 2 if long else 3, 5)):
        for share in _SHARE_SIZES:
            for chase in reversed(chases):  # the first last: alone, it must find its own lines where two sets do not fit
                (chase.resize if long else chase.grouped)(int(size * share) // line * line)
                for _ in range(2 if chase.is_grouped else 0):
                    chase.touch()
                chase.run(min(2 * chase.nodes, 60_000))
            units = max(1, min(chases[0].nodes, 4096) // CHASE_UNROLL)
            for threads in (1, 2):
                run = team.run([c.kernel for c in chases[:threads]], [units] * threads, cpus[:threads], window_s)
                if run.window_s > 0 and run.units[0] > 0:
                    at: dict[str, Scalar] = {"test": "sharing", "level": level.name, "threads": threads, "round": number}
                    at["size_bytes"] = int(size * share)
                    marks = (run.marks,) if run.marks else ()
                    points.append(Point(at, run.units[0] * CHASE_UNROLL, (run.window_s,), dirty=marks))
                else:
                    missing.append(f"sharing of {level.name}: a window in which the threads did not run together")
                missing += [f"sharing: {why}" for why in run.unpinned]
    return points


def infer(curve: Curve, machine: Machine) -> Machine:
    """Line, ways and sharing filled into the levels of this kind of core."""
    levels = list(machine.caches)
    mine = [i for i, c in enumerate(levels) if c.core_kind == curve.core_kind]
    line = _line_fact(curve)
    for position, i in enumerate(mine):
        level = levels[i]
        if not level.size.known:
            if level.name != "DRAM":
                no_number: Fact[int] = unknown("", curve.by, "its size is not known, and every test is sized by it")
                levels[i] = dataclasses.replace(level, line=no_number, ways=no_number, sharing=unknown("", curve.by, no_number.note))
            continue
        below_s = levels[mine[position + 1]].latency.number() if position + 1 < len(mine) else level.latency.number() * 3
        levels[i] = dataclasses.replace(
            level,
            line=line if position == 0 else unknown("B", curve.by, "the line test looks into the first level only"),
            ways=_ways_fact(curve, level, below_s),
            sharing=_sharing_fact(curve, level, below_s),
        )
    return dataclasses.replace(machine, caches=tuple(levels))


def _fact(found: Estimate, unit: str, by: str) -> Fact[int]:
    if found.value is None:
        return unknown(unit, by, found.why)
    return measured(int(found.value), unit, by, found.low, found.high, found.why)


def _line_fact(curve: Curve) -> Fact[int]:
    chosen = curve.where(test="line")
    if not chosen:
        return unknown("B", curve.by, "not measured: " + ("; ".join(curve.missing) or "no level to look into"))
    rounds = 1 + max(int(p.at["round"]) for p in chosen)
    table = np.full((rounds, len(_LINE_STRIDES)), np.nan)
    for p in chosen:
        table[int(p.at["round"]), _LINE_STRIDES.index(int(p.at["stride_bytes"]))] = p.median_s() * 1e9
    return _fact(line_size(np.array(_LINE_STRIDES, dtype=float), table), "B", curve.by)


def _why_missing(curve: Curve, test: str, level: CacheLevel) -> str:
    return next((m for m in curve.missing if m.startswith(test) and (level.name in m or "of" not in m)), "not measured")


def _ways_fact(curve: Curve, level: CacheLevel, below_s: float) -> Fact[int]:
    chosen = curve.where(test="ways", level=level.name)
    if not chosen:
        return unknown("ways", curve.by, _why_missing(curve, "ways", level))
    table: dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
    bases = sorted({int(p.at["base"]) for p in chosen})
    for stride in sorted({int(p.at["stride_bytes"]) for p in chosen}):
        here = [p for p in chosen if p.at["stride_bytes"] == stride]
        nodes = sorted({int(p.at["nodes"]) for p in here})
        seen = np.full((len(bases), len(nodes)), np.nan)
        for p in here:
            seen[bases.index(int(p.at["base"])), nodes.index(int(p.at["nodes"]))] = p.median_s() * 1e9
        table[stride] = (np.array(nodes, dtype=float), seen)
    found = ways(table, level.latency.number() * 1e9, below_s * 1e9, int(level.size.number()))
    return _fact(found, "ways", curve.by)


def _sharing_fact(curve: Curve, level: CacheLevel, below_s: float) -> Fact[str]:
    chosen = curve.where(test="sharing", level=level.name)
    if not chosen:
        return unknown("", curve.by, _why_missing(curve, "sharing", level))
    sizes = sorted({int(p.at["size_bytes"]) for p in chosen})
    tables = []
    for threads in (1, 2):
        cells = [undisturbed(p for p in chosen if p.at["threads"] == threads and p.at["size_bytes"] == s) for s in sizes]
        row = [[p.median_s() * 1e9 for p in cell] for cell in cells]
        tables.append(np.array([float(np.median(r)) if r else np.nan for r in row]))
    here_ns, below_ns = level.latency.number() * 1e9, below_s * 1e9
    found = sharing(np.array(sizes, dtype=float), tables[0], tables[1], int(level.size.number()), (here_ns, below_ns))
    if found.value is None:
        return unknown("", curve.by, found.why)
    return measured(str(found.value), "", curve.by, note=found.why)
