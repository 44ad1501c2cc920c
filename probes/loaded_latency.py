"""Latency of memory under load: what a load takes while other CPUs draw bandwidth at the same time.

Method: one chaser (grouped order on huge pages, so that translation stays quiet) on the measuring CPU; on all others injectors that read
memory (`read`), or read half and write half (`copy`), with a chain of additions after each block. Longer chains draw less. Latency and
drawn bandwidth come from the same common window of the team. The idle point has no injectors.

Units of work: loads of the chaser; the bytes of the injectors in that window stand beside each point. Known flaws: one chaser draws little
itself, and that little is not counted; the sets lie beyond every cache only as far as memory allows; with few CPUs the injectors
cannot fill the memory's bandwidth, so that the steep end of the curve is not seen. Source: reference 2.6.
"""

from __future__ import annotations

import dataclasses

from ..configs.curve import Curve, Point, undisturbed
from ..configs.errors import NotPossibleError
from ..configs.facts import Fact, Scalar, measured
from ..configs.machine import LoadedLatency, Machine
from ..configs.units import MIB, size_words
from ..kernels.emit.streams import CHASE_UNROLL
from ..kernels.measure.affinity import pinned
from ..kernels.measure.chase import GROUP_BYTES, Chase
from ..kernels.measure.memory import Buffer
from ..kernels.measure.stats import interval_over_time
from ..kernels.measure.streaming import SLACK_BYTES, Walk, filled_buffer, stream, widest_here
from ..kernels.measure.team import Team
from .context import Context, Effort
from .registry import probe

_STRETCH_BYTES = 256 * 1024  # an injector stamps the timer after each; two arrays of it when it copies
_CHASE_UNITS = 256  # a pass of the chaser: 4096 loads
_LINE_BYTES = 64
_KINDS = ("read", "copy")


# Additions after a block of an injector, from the heaviest load to the lightest.
_DELAYS = {
    Effort.QUICK: (1, 128, 1024),
    Effort.DEFAULT: (1, 64, 128, 256, 512, 2048),
    Effort.DEEP: (1, 16, 32, 64, 96, 128, 192, 256, 384, 512, 1024, 2048, 4096),
}


def set_bytes(context: Context, threads: int) -> tuple[int, int]:
    """(chaser's set, each injector's set): beyond four times the largest claimed or measured cache, as far as memory and effort allow."""
    claimed = [c.size_bytes for c in context.machine.cache_claims]
    found = [int(c.size.number()) for c in context.machine.caches if c.size.known]
    wanted = 4 * max([*claimed, *found, 16 * MIB])
    cap = min(context.effort.pick(128, 384, 1024) * MIB, context.memory_bytes // 4)
    chaser = min(wanted, cap) // GROUP_BYTES * GROUP_BYTES
    each = max(min(wanted, cap) // max(1, threads - 1), 4 * MIB)
    return chaser, each // MIB * MIB


@probe("loaded-latency", version=1, needs=("latency", "bandwidth"), seconds=(1, 4, 20), crew=True)
def measure(context: Context) -> Curve:
    """The idle point, then each delay for both kinds of injector, in rounds."""
    others = [c for c in context.cpus if c != context.cpu]
    if not others:
        return Curve("loaded-latency", 1, "load", missing=("loaded latency: only one CPU may be used, there is none to make load with",))
    with pinned(context.cpu) as reason:
        if reason:
            return Curve("loaded-latency", 1, "load", missing=(f"loaded latency: {reason}",))
    chase_bytes, each_bytes = set_bytes(context, len(others) + 1)
    if chase_bytes < 8 * MIB or each_bytes * len(others) > context.memory_bytes // 2:
        return Curve(
            "loaded-latency", 1, "load", missing=("loaded latency: the memory that may be used is too small for sets beyond the caches",)
        )
    missing: list[str] = []
    readings: dict[str, object] = {"chase_bytes": chase_bytes, "injector_bytes": each_bytes}
    largest = max((c.size_bytes for c in context.machine.cache_claims), default=0)
    if chase_bytes < 2 * largest:
        readings["note"] = f"a set of {size_words(chase_bytes)}: a last-level cache of {size_words(largest)} may serve part of it"
    try:
        points = _sweep(context, others, chase_bytes, each_bytes, missing, readings)
    except NotPossibleError as error:
        return Curve("loaded-latency", 1, "load", missing=(f"loaded latency: {error.message}",))
    return Curve("loaded-latency", 1, "load", tuple(points), readings, tuple(dict.fromkeys(missing)))


def _sweep(
    context: Context, others: list[int], chase_bytes: int, each_bytes: int, missing: list[str], readings: dict[str, object]
) -> list[Point]:
    """All settings, several rounds over all of them, so that a slow disturbance does not fall on one setting."""
    with pinned(context.cpu):
        chase = Chase(Buffer(chase_bytes, "huge"), _LINE_BYTES, context.seed + 31)
        chase.grouped(chase_bytes)
    buffers = [filled_buffer(each_bytes + SLACK_BYTES, cpu) for cpu in others]
    readings["huge_share"] = chase.buffer.huge_share
    walks = {k: [Walk(stream(k), b, each_bytes, widest_here(), stretch_bytes=_STRETCH_BYTES, pause=1) for b in buffers] for k in _KINDS}
    chase.run(min(chase.nodes, 400_000))
    team = Team()
    settings: list[tuple[str, int]] = [("", 0), *((k, d) for k in _KINDS for d in _DELAYS[context.effort])]
    rounds = context.effort.pick(2, 5, 9)
    points: list[Point] = []
    for number in range(rounds):
        for kind, delay in settings:
            if context.expired():
                missing.append(f"loaded latency: {number} of {rounds} rounds, for lack of time")
                return points
            for walk in walks.get(kind, []):
                walk.pause(delay)
            point = _window(context, team, chase, walks.get(kind, []), [context.cpu, *others], missing)
            if point is not None:
                at: dict[str, Scalar] = {**point.at, "kernel": kind, "delay": delay, "round": number}
                points.append(dataclasses.replace(point, at=at))
        context.progress((number + 1) / rounds, "under load")
    chase.buffer.close()
    for buffer in buffers:
        buffer.close()
    return points


def _window(context: Context, team: Team, chase: Chase, walks: list[Walk], cpus: list[int], missing: list[str]) -> Point | None:
    """One common window: loads of the chaser, and the bytes that the injectors drew in it."""
    kernels = [chase.kernel, *(w.kernel for w in walks)]
    window_s = context.effort.pick(12, 30, 80) * 1e-3
    run = team.run(kernels, [_CHASE_UNITS] + [1] * len(walks), cpus[: len(kernels)], window_s)
    missing.extend(f"loaded latency: {why}" for why in run.unpinned)
    loads = run.units[0] * CHASE_UNROLL
    if run.window_s <= 0 or loads <= 0:
        missing.append("loaded latency: a window in which the threads did not run together")
        return None
    drawn = sum(units * walk.pass_bytes for units, walk in zip(run.units[1:], walks, strict=True))
    return Point({"injectors": len(walks), "drawn_bytes": drawn}, loads, (run.window_s,), dirty=(run.marks,) if run.marks else ())


def infer(curve: Curve, machine: Machine) -> Machine:
    """A row a setting, lowest drawn bandwidth first."""
    settings = dict.fromkeys((str(p.at["kernel"]), int(p.at["delay"]), int(p.at["injectors"])) for p in curve.points)
    rows = [_row(curve, *setting) for setting in settings]
    return dataclasses.replace(machine, loaded_latency=tuple(sorted(rows, key=lambda r: r.rate.number())))


def _row(curve: Curve, kernel: str, delay: int, injectors: int) -> LoadedLatency:
    points = undisturbed(curve.where(kernel=kernel, delay=delay))
    rates = [float(p.at["drawn_bytes"]) / p.time_s[0] for p in points]
    words = {"read": "injectors read", "copy": "injectors read half and write half"}.get(kernel, "no injectors")
    note = "; ".join(filter(None, (words, str(curve.readings.get("note", "")))))
    rate = _fact(curve, rates, "B/s", note)
    return LoadedLatency(injectors, delay, rate, _fact(curve, [p.median_s() for p in points], "s", note), kernel)


def _fact(curve: Curve, values: list[float], unit: str, note: str) -> Fact[float]:
    middle, low, high = interval_over_time(values)
    return measured(middle, unit, curve.by, low, high, note)
