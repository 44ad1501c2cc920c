"""Bandwidth of each cache level and of memory: read, write, copy, triad and non-temporal write, for one thread and for all CPUs.

Method: streams of the widest vectors, unrolled eight times, over a working set well inside the level (about half of what one thread can
keep there, and clear of the level below) or far beyond the last level. One thread: the stopwatch, with the core clock measured around each
sample. All CPUs: a team with a buffer a thread, touched first by the CPU that uses it; the rate is all bytes of a common window over
that window.

Units of work: bytes by STREAM's convention, those that the program loads and stores. A plain store to a line that no cache holds makes the
core read that line first (RFO): that traffic is real and *not* counted, so `write`, `copy` and `triad` on memory move up to twice,
1.5 and 4/3 times what is shown. The non-temporal write avoids it.

Known flaws: without cache sizes the working sets are guesses, and said to be. Where all CPUs share a level, the sets of all threads
together may fit it only if it does not repeat what the level below holds; such rows say so. A last-level cache that is larger than the
memory that may be used serves part of the "memory" rows; they say so, too.
Source: reference 2.6; McCalpin 1995, STREAM.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..configs.curve import Curve, Point, undisturbed
from ..configs.errors import NotPossibleError
from ..configs.facts import Fact, How, Scalar, measured, unknown
from ..configs.machine import Bandwidth, Machine
from ..configs.units import KIB, MIB, size_words
from ..kernels.emit.streams import STREAMS, Stream, has_nontemporal
from ..kernels.emit.target import Target
from ..kernels.measure.memory import Buffer
from ..kernels.measure.sampler import Plan, Sampler
from ..kernels.measure.stats import interval_over_time
from ..kernels.measure.streaming import SLACK_BYTES, Walk, Width, filled_buffer, widest_here
from ..kernels.measure.team import Team
from .context import Context, Effort
from .registry import probe

_CLEAR = 1.5  # a working set is at least this many times the level below
_STRETCH_BYTES = 4 * MIB  # one pass over memory
_SAMPLE_BYTES = 32 * MIB  # one sample of memory
_PASS_S = 30e-6  # a pass of a team's member in a cache
_ROUNDS = 3  # it comes back to each stream, so that a neighbour's visit shows in the interval
_LONG_BYTES = 8 * MIB  # a set whose lap lasts long enough that reading the timer costs nothing beside it
_LADDER = (16 * KIB, 256 * KIB, 4 * MIB)  # where nothing is known of any cache
_CONVENTION = "bytes that the program asked for; a line read because it is about to be written (RFO) is not counted"


@dataclass(frozen=True, slots=True)
class Level:
    """One level to measure: how much one thread can keep there (0: memory), and in the level below."""

    name: str
    size_bytes: int
    below_bytes: int
    shared: bool


@dataclass(frozen=True, slots=True)
class WorkingSet:
    """What each thread walks at a level, and what a reader should know of it. `size_bytes` is 0 where there is no sensible set."""

    size_bytes: int
    note: str = ""


def levels_of(machine: Machine, core_kind: str, missing: list[str]) -> list[Level]:
    """Cache levels from the smallest, then DRAM: as measured; else as claimed, else a ladder of sizes, and `missing` is told."""
    mine = [c for c in machine.caches if c.core_kind == core_kind and c.size.known]
    sizes = [(c.name, int(c.size.number()), c.sharing.value != "private" and not c.name.startswith("L1")) for c in mine]
    if not sizes and machine.cache_claims:
        missing.append("no cache size was measured: working sets follow the claims")
        claims = [c for c in machine.cache_claims if c.kind != "instruction" and c.size_bytes > 0]
        for level in sorted({c.level for c in claims}):
            size = min(c.size_bytes for c in claims if c.level == level)
            sizes.append((f"L{level}" + ("d" if level == 1 else ""), size, level > 2))
    if not sizes:
        missing.append("no cache size is known: working sets of fixed sizes, named by size")
        sizes = [(size_words(size), 2 * size, False) for size in _LADDER]
    below = [0, *(size for _, size, _ in sizes)]
    return [*(Level(n, s, b, shared) for (n, s, shared), b in zip(sizes, below, strict=False)), Level("DRAM", 0, below[-1], True)]


def cache_set(level: Level, threads: int) -> WorkingSet:
    """The working set of each of `threads` threads at a cache level."""
    size, below = level.size_bytes, level.below_bytes
    alone = max(size // 2, min(round(_CLEAR * below), round(0.8 * size)))
    if threads == 1 or not level.shared:
        return WorkingSet(alone)
    each = max(alone // threads, round(_CLEAR * below))
    if threads * each <= 0.9 * size:
        return WorkingSet(each)
    if threads * (each - below) <= 0.9 * size:
        return WorkingSet(each, f"{threads} working sets fit only if {level.name} does not repeat what the level below holds")
    return WorkingSet(0, f"{level.name} has no room for {threads} working sets that are each beyond the level below")


def memory_set(context: Context, levels: list[Level], threads: int) -> WorkingSet:
    """The working set for memory, of one thread or of each of `threads`."""
    claimed = max((c.size_bytes for c in context.machine.cache_claims), default=0)
    private = max((v.size_bytes for v in levels if not v.shared), default=0)
    largest = max(claimed, *(v.size_bytes for v in levels), private * threads)
    cap = min(context.effort.pick(128, 768, 2048) * MIB * max(1, threads // 16), context.memory_bytes // 3)
    total = min(max(4 * largest, 64 * MIB), cap) // MIB * MIB
    note = f"{size_words(total)} in all: a last-level cache of {size_words(largest)} may serve part of it" if total < 2 * largest else ""
    return WorkingSet(max(total // threads // KIB * KIB, 64 * KIB), note)


def kernels_for(level: str, effort: Effort, target: Target) -> list[Stream]:
    """Streams for a level: past the caches only at memory, or everywhere when deep."""
    past = has_nontemporal(target) and (level == "DRAM" or effort is Effort.DEEP)
    return [s for s in STREAMS if past or not s.nontemporal]


def widths_for(level: str, kernel: str, effort: Effort, widest: Width) -> list[Width]:
    """The widest vectors; for reads of the first level narrower ones, too, unless quick."""
    narrow = [Width(w) for w in (32, 16) if w < widest.vector_bytes]
    return [widest, *(narrow if level.startswith("L1") and kernel == "read" and effort is not Effort.QUICK else [])]


def crew_of(context: Context) -> list[int]:
    """The measuring CPU first, then the others that may be used; on a hybrid chip those of its kind only."""
    listed = context.machine.topology.cpus if context.machine.topology else ()
    kind = {c.id: c.kind for c in listed}
    alike = [c for c in context.cpus if not context.core_kind or kind.get(c, context.core_kind) == context.core_kind]
    return [context.cpu, *(c for c in alike if c != context.cpu)]


@probe("bandwidth", version=1, needs=("latency",), seconds=(2.5, 10, 40), per_kind=True, crew=True)
def measure(context: Context) -> Curve:
    """One thread at every level, then all CPUs at every level."""
    missing: list[str] = []
    readings: dict[str, object] = {"convention": _CONVENTION}
    levels = levels_of(context.machine, context.core_kind, missing)
    if not has_nontemporal(Target.host()):
        missing.append("nt-write: no store past the caches is known to the code generator for this chip")
    elif context.effort is not Effort.DEEP:
        missing.append("nt-write in cache levels: only with --deep (such stores go past the caches)")
    points: list[Point] = []
    cpus = crew_of(context)
    buffers: list[Buffer] = []
    try:
        for threads in (1, len(cpus)) if len(cpus) > 1 else (1,):
            job = _Job(context, levels, cpus[:threads], missing, readings)
            points.extend(_run(job, buffers, 0.0 if threads == 1 else 0.5))
    except NotPossibleError as error:
        missing.append(f"bandwidth: {error.message}")
    for buffer in buffers:
        buffer.close()
    if len(cpus) == 1:
        missing.append("every CPU: only one may be used")
    return Curve("bandwidth", 1, "B", tuple(points), readings, tuple(dict.fromkeys(missing)), context.core_kind)


@dataclass(frozen=True, slots=True)
class _Job:
    """One thread's or all threads' part of the measurement."""

    context: Context
    levels: list[Level]
    cpus: list[int]
    missing: list[str]
    readings: dict[str, object]

    @property
    def threads(self) -> str:
        """How many, in words."""
        return "one thread" if len(self.cpus) == 1 else f"{len(self.cpus)} threads"

    def sets(self) -> list[tuple[Level, WorkingSet]]:
        """Each level with its working set; those without one are told to `missing`, notes are kept in the readings."""
        chosen = []
        for level in self.levels:
            threads = len(self.cpus)
            found = cache_set(level, threads) if level.size_bytes else memory_set(self.context, self.levels, threads)
            if not found.size_bytes or found.size_bytes * threads > self.context.memory_bytes // 2:
                self.missing.append(f"{level.name}, {self.threads}: {found.note or 'its working sets exceed the memory that may be used'}")
                continue
            if found.note:
                self.readings[f"note.{level.name}.{threads}"] = found.note
            chosen.append((level, found))
        return chosen


def _run(job: _Job, buffers: list[Buffer], progress: float) -> Iterator[Point]:
    """Points of all levels and kernels, for one thread or for a team; `buffers` grows to one a thread, the first being the largest."""
    sets = job.sets()
    _fill(job, sets, buffers)
    room = min(b.size_bytes for b in buffers) - SLACK_BYTES
    sets = [(level, chosen) for level, chosen in sets if chosen.size_bytes <= room]  # what _fill gave up for an earlier buffer
    job.readings[f"huge_share.{len(job.cpus)}"] = buffers[-1].huge_share
    sample = _alone(job) if len(job.cpus) == 1 else _together(job)
    work = [  # a kernel at all levels before the next kernel: when time runs out, every level has its reads
        (level, chosen, kind, width)
        for kind in STREAMS
        for level, chosen in sets
        if kind in kernels_for(level.name, job.context.effort, Target.host())
        for width in widths_for(level.name, kind.name, job.context.effort, widest_here())
    ]
    rounds = [(r, *what) for r in range(_ROUNDS) for what in work]
    for number, (r, level, chosen, kind, width) in enumerate(rounds):
        if job.context.expired():
            job.missing.append(f"{level.name} {kind.name}, {job.threads}, round {r + 1} of {_ROUNDS} and what follows: for lack of time")
            return
        stretch = 0 if level.size_bytes else _STRETCH_BYTES
        walks = [Walk(kind, buffer, chosen.size_bytes, width, stretch_bytes=stretch) for buffer in buffers]
        at: dict[str, Scalar] = {"level": level.name, "kernel": kind.name, "threads": len(buffers), "round": r}
        at |= {"width_bits": 8 * width.vector_bytes, "size_bytes": walks[0].size_bytes}
        yield from sample(walks, at)
        job.context.progress(progress + 0.5 * (number + 1) / len(rounds), f"{level.name} {kind.name}")


def _fill(job: _Job, sets: list[tuple[Level, WorkingSet]], buffers: list[Buffer]) -> None:
    """Buffers for the threads that have none yet. Where memory cannot be had the largest set is given up, as long as another is left."""
    while len(buffers) < len(job.cpus):
        largest = max(range(len(sets)), key=lambda i: sets[i][1].size_bytes)
        try:
            buffers.append(filled_buffer(sets[largest][1].size_bytes + SLACK_BYTES, job.cpus[len(buffers)]))
        except NotPossibleError as error:
            if len(sets) == 1:
                raise
            job.missing.append(f"{sets[largest][0].name}, {job.threads}: {error.message}")
            del sets[largest]


_Sample = Callable[[list[Walk], dict[str, Scalar]], list[Point]]


def _alone(job: _Job) -> _Sample:
    """Samples of one thread by the stopwatch."""
    sampler = Sampler()
    cached = Plan(samples=job.context.effort.pick(2, 3, 10), sample_s=job.context.effort.pick(1, 3, 8) * 1e-3)

    def sample(walks: list[Walk], at: dict[str, Scalar]) -> list[Point]:
        walk = walks[0]
        if walk.size_bytes < _LONG_BYTES:
            return [sampler.point(walk.kernel, at, walk.pass_bytes, cached)]
        walk.run(walk.passes)  # a lap, so that the caches hold what a long run would leave, lines still to be written among them
        n = min(walk.passes, max(1, _SAMPLE_BYTES // walk.pass_bytes))
        plan = Plan(samples=job.context.effort.pick(2, 5, 14), n=n, bursts=1, doubled=False)
        return [sampler.point(walk.kernel, at, walk.pass_bytes, plan)]

    return sample


def _together(job: _Job) -> _Sample:
    """Windows of a team, each a point: every window has its own number of bytes."""
    team = Team()
    windows = job.context.effort.pick(1, 2, 5)

    def sample(walks: list[Walk], at: dict[str, Scalar]) -> list[Point]:
        memory = at["level"] == "DRAM"
        window_s = job.context.effort.pick(10, 20, 80) * 1e-3 * (2 if memory else 1)
        # 20 GB/s for a thread sets only how often a member stamps the timer, not what is measured.
        passes = 1 if memory else max(1, round(_PASS_S * 20e9 / walks[0].pass_bytes))
        if memory:
            team.run([w.kernel for w in walks], [w.passes for w in walks], job.cpus, 0.0)  # a lap, as for one thread
        points = []
        for window in range(windows):
            run = team.run([w.kernel for w in walks], [passes] * len(walks), job.cpus, window_s)
            job.missing.extend(f"every CPU: {why}" for why in run.unpinned)
            done = sum(units * w.pass_bytes for units, w in zip(run.units, walks, strict=True))
            if run.window_s > 0 and done > 0:
                points.append(Point({**at, "window": window}, done, (run.window_s,), dirty=(run.marks,) if run.marks else ()))
            else:
                job.missing.append(f"{at['level']} {at['kernel']}, {job.threads}: a window in which the threads did not run together")
        return points

    return sample


def infer(curve: Curve, machine: Machine) -> Machine:
    """Bandwidths of this kind of core, each with the interval of its median."""
    keys = dict.fromkeys(_key(p) for p in curve.points)
    rows = tuple(_row(curve, key) for key in keys)
    others = tuple(b for b in machine.bandwidths if b.core_kind != curve.core_kind)
    return dataclasses.replace(machine, bandwidths=others + rows)


_Key = tuple[str, str, int, int, int]


def _key(point: Point) -> _Key:
    at = point.at
    return str(at["level"]), str(at["kernel"]), int(at["threads"]), int(at["width_bits"]), int(at["size_bytes"])


def _row(curve: Curve, key: _Key) -> Bandwidth:
    points = [p for p in curve.points if _key(p) == key]
    if key[2] > 1:  # windows: a point each
        points = undisturbed(points)
    level, kernel, threads, width_bits, size_bytes = key
    stored = kernel in ("write", "copy", "triad")
    notes = [_CONVENTION if stored else "", str(curve.readings.get(f"note.{level}.{threads}", ""))]
    note = "; ".join(filter(None, notes))
    rate = _fact(curve, [r for p in points for r in p.rates()], "B/s", note)
    cycles = [1 / c for p in points for c in p.each_cycles() if c > 0]
    per_cycle = _fact(curve, cycles, "B/cycle", "") if threads == 1 else unknown("B/cycle", curve.by, "several cores have several clocks")
    return Bandwidth(level, kernel, threads, width_bits, rate, per_cycle, size_bytes, curve.core_kind)


def _fact(curve: Curve, values: list[float], unit: str, note: str) -> Fact[float]:
    if not values:
        return Fact(None, unit, How.MEASURED, curve.by, note="no sample could be used")
    middle, low, high = interval_over_time(values)
    return measured(middle, unit, curve.by, low, high, note)
