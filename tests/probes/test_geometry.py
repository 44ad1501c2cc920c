"""Line, ways and sharing out of planted points, and a real look at a small level."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from mmbench.configs.curve import Curve, Point
from mmbench.configs.facts import Fact, measured, unknown
from mmbench.configs.machine import CacheLevel, Machine
from mmbench.configs.units import KIB, MIB
from mmbench.kernels.measure.affinity import allowed_cpus
from mmbench.probes import geometry
from mmbench.probes.context import Context, Effort
from mmbench.probes.geometry import infer, measure

NONE: Fact[int] = unknown("", "t", "not measured yet")
WORD: Fact[str] = unknown("", "t", "not measured yet")


def level(name: str, size: int | None, latency_ns: float, core_kind: str = "") -> CacheLevel:
    bytes_: Fact[int] = unknown("B", "t", "memory") if size is None else measured(size, "B", "t")
    latency = measured(latency_ns * 1e-9, "s", "t")
    return CacheLevel(name, bytes_, latency, measured(latency_ns * 3, "cycles", "t"), NONE, NONE, WORD, core_kind=core_kind)


SIZE, HERE_NS, BELOW_NS = 48 * KIB, 1.6, 5.3
MACHINE = Machine(1, "test", caches=(level("L1d", SIZE, HERE_NS), level("L2", 2 * MIB, BELOW_NS), level("DRAM", None, 120)))


def point(latency_ns: float, **at: str | int) -> Point:
    return Point(dict(at), 1000.0, (1000 * latency_ns * 1e-9,))


def lines(size: int = 64) -> list[Point]:
    return [
        point(HERE_NS if stride < size else BELOW_NS, test="line", level="L1d", stride_bytes=stride, round=r)
        for r in range(3)
        for stride in geometry._LINE_STRIDES
    ]


def sets(size: int, ways: int) -> list[Point]:
    count = size // 64 // ways
    points = []
    for stride in (s for s in (64 << k for k in range(24)) if size // 64 <= s <= size):
        for base in range(3):
            for nodes in (*range(2, 25), 28, 32, 36, 40, 48):
                used = np.bincount(np.arange(nodes) * (stride // 64) % count, minlength=count)
                missing = float(np.sum(used[used > ways])) / nodes
                at = {"test": "ways", "level": "L1d", "stride_bytes": stride, "nodes": nodes, "base": base}
                points.append(point(HERE_NS + (BELOW_NS - HERE_NS) * missing, **at))
    return points


def two_chasers(share: float) -> list[Point]:
    """One thread keeps the whole level, each of two `share` of it."""
    points = []
    for number in range(3):
        for part in geometry._SHARE_SIZES:
            for threads, holds in ((1, 1.0), (2, share)):
                latency = HERE_NS + (BELOW_NS - HERE_NS) / (1 + np.exp(-np.log(part / holds) / 0.05))
                at = {"test": "sharing", "level": "L1d", "size_bytes": int(part * SIZE), "threads": threads, "round": number}
                points.append(point(float(latency), **at))
    return points


def inferred(*points: Point, missing: tuple[str, ...] = (), machine: Machine = MACHINE) -> tuple[CacheLevel, ...]:
    return infer(Curve("geometry", 1, "load", points, {"line_bytes": 64}, missing), machine).caches


@pytest.mark.parametrize("line", [32, 64, 128])
def test_the_line_is_where_the_second_load_leaves_it(line: int) -> None:
    levels = inferred(*lines(line))
    assert levels[0].line.value == line
    assert levels[1].line.value is None


@pytest.mark.parametrize(("size", "ways"), [(32 * KIB, 8), (48 * KIB, 12), (64 * KIB, 16)])
def test_ways_are_what_every_large_stride_still_holds(size: int, ways: int) -> None:
    machine = dataclasses.replace(MACHINE, caches=(level("L1d", size, HERE_NS), *MACHINE.caches[1:]))
    assert inferred(*sets(size, ways), machine=machine)[0].ways.value == ways


@pytest.mark.parametrize(("share", "word"), [(0.5, "shared"), (1.0, "private")])
def test_sharing_is_what_a_second_chaser_takes(share: float, word: str) -> None:
    assert inferred(*two_chasers(share))[0].sharing.value == word


def test_what_was_not_measured_says_why_and_memory_is_left_as_it_is() -> None:
    levels = inferred(missing=("ways of L1d cannot be seen: it is hashed", "sharing: only one CPU may be used"))
    assert "hashed" in levels[0].ways.note
    assert levels[0].sharing.note == "sharing: only one CPU may be used"
    assert "not measured" in levels[0].line.note
    assert levels[2] == MACHINE.caches[2]


def test_only_levels_of_the_same_kind_of_core_are_filled() -> None:
    machine = dataclasses.replace(MACHINE, caches=(level("L1d", SIZE, 2, "P"), level("L1d", SIZE, 2, "E"), level("L2", MIB, 6, "E")))
    curve = Curve("geometry", 1, "load", tuple(lines()), core_kind="E")
    found = infer(curve, machine).caches
    assert [c.line.value for c in found] == [None, 64, None]


def test_without_levels_there_is_nothing_to_look_into() -> None:
    curve = measure(Context(Effort.QUICK, Machine(1, "none")))
    assert curve.points == ()
    assert curve.missing == ("no cache level was found to look into",)
    assert infer(curve, Machine(1, "none")).caches == ()


def test_one_cpu_gives_the_reason_for_sharing_and_everything_else_is_measured() -> None:
    machine = dataclasses.replace(MACHINE, caches=(level("L1d", 32 * KIB, HERE_NS), level("DRAM", None, 5.0)))
    cpu = allowed_cpus()[0]
    curve = measure(Context(Effort.QUICK, machine, cpu=cpu, cpus=(cpu,)))
    assert any("only one CPU" in m for m in curve.missing)
    assert curve.where(test="line")
    assert curve.where(test="ways", level="L1d")
    assert "only one CPU" in infer(curve, machine).caches[0].sharing.note


def test_a_measurement_that_is_out_of_time_says_how_much_is_missing() -> None:
    curve = measure(Context(Effort.QUICK, MACHINE, deadline=0.0))
    assert curve.points == ()
    assert any("for lack of time" in m for m in curve.missing)
