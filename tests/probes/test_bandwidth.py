import dataclasses

import pytest
from mmbench.configs.curve import Curve, Point
from mmbench.configs.errors import NotPossibleError
from mmbench.configs.facts import measured, unknown
from mmbench.configs.machine import CacheClaim, CacheLevel, Cpu, Machine, Topology
from mmbench.configs.units import KIB, MIB
from mmbench.kernels.emit.streams import has_nontemporal
from mmbench.kernels.emit.target import Target
from mmbench.kernels.measure.affinity import allowed_cpus
from mmbench.kernels.measure.memory import Buffer
from mmbench.probes import bandwidth
from mmbench.probes.bandwidth import Level, cache_set, infer, kernels_for, levels_of, memory_set, widths_for
from mmbench.probes.context import Context, Effort
from mmbench.probes.registry import all_probes

EMPTY = Machine(1, "test")


def level(name: str, size: int, sharing: str) -> CacheLevel:
    """A cache level with a size (0: unknown) and a way of sharing (empty: unknown)."""
    no_number = unknown("", "test", "not tried")
    return CacheLevel(
        name,
        measured(size, "B", "test") if size else unknown("B", "test", "memory has no size"),
        no_number,
        no_number,
        no_number,
        no_number,
        measured(sharing, "", "test") if sharing else no_number,
    )


MEASURED = dataclasses.replace(
    EMPTY,
    caches=(level("L1d", 48 * KIB, "private"), level("L2", 2 * MIB, "private"), level("L3", 24 * MIB, "shared"), level("DRAM", 0, "")),
    cache_claims=(CacheClaim("sysfs", 3, "unified", 260 * MIB),),
)


def test_levels_are_those_that_were_measured_and_memory():
    missing: list[str] = []
    found = levels_of(MEASURED, "", missing)
    assert [(v.name, v.size_bytes, v.below_bytes, v.shared) for v in found] == [
        ("L1d", 48 * KIB, 0, False),
        ("L2", 2 * MIB, 48 * KIB, False),
        ("L3", 24 * MIB, 2 * MIB, True),
        ("DRAM", 0, 24 * MIB, True),
    ]
    assert missing == []


def test_without_measured_sizes_claims_and_without_claims_a_ladder_and_both_are_said():
    claims = (CacheClaim("a", 1, "data", 32 * KIB), CacheClaim("b", 1, "data", 48 * KIB), CacheClaim("a", 1, "instruction", 8 * KIB))
    claimed = dataclasses.replace(EMPTY, cache_claims=(*claims, CacheClaim("a", 3, "unified", 32 * MIB)))
    missing: list[str] = []
    assert [(v.name, v.size_bytes) for v in levels_of(claimed, "", missing)] == [("L1d", 32 * KIB), ("L3", 32 * MIB), ("DRAM", 0)]
    assert "claims" in missing[0]
    missing = []
    assert [v.name for v in levels_of(EMPTY, "", missing)] == ["16 KiB", "256 KiB", "4 MiB", "DRAM"]
    assert "no cache size is known" in missing[0]
    assert levels_of(MEASURED, "efficiency", [])[0].name == "L3"  # sizes of another kind of core are not taken


@pytest.mark.parametrize(
    ("cache", "threads", "size"),
    [
        (Level("L1d", 48 * KIB, 0, False), 1, 24 * KIB),
        (Level("L2", 2 * MIB, 48 * KIB, False), 64, MIB),
        (Level("L2", 512 * KIB, 256 * KIB, False), 1, 384 * KIB),  # clear of the level below
        (Level("L3", 24 * MIB, 2 * MIB, True), 1, 12 * MIB),
        (Level("L3", 24 * MIB, 2 * MIB, True), 2, 6 * MIB),
        (Level("L3", 24 * MIB, 2 * MIB, True), 7, 3 * MIB),
    ],
)
def test_working_sets_lie_inside_their_level_and_beyond_the_one_below(cache, threads, size):
    assert cache_set(cache, threads).size_bytes == size
    assert cache_set(cache, threads).note == ""


def test_a_shared_level_that_cannot_hold_all_sets_says_so_or_is_left_out():
    tight = cache_set(Level("L3", 24 * MIB, 2 * MIB, True), 16)
    assert tight.size_bytes == 3 * MIB
    assert "does not repeat" in tight.note
    none = cache_set(Level("L3", 24 * MIB, 2 * MIB, True), 64)
    assert none.size_bytes == 0
    assert "no room for 64" in none.note


def test_the_set_for_memory_is_four_times_the_largest_cache_unless_memory_or_effort_forbid():
    levels = levels_of(MEASURED, "", [])
    small = dataclasses.replace(MEASURED, cache_claims=())
    assert memory_set(Context(Effort.DEFAULT, small, memory_bytes=8 << 30), levels, 1).size_bytes == 96 * MIB
    held = memory_set(Context(Effort.QUICK, MEASURED, memory_bytes=8 << 30), levels, 1)
    assert held.size_bytes == 128 * MIB
    assert "260 MiB may serve part" in held.note
    two = memory_set(Context(Effort.DEFAULT, MEASURED, memory_bytes=8 << 30), levels, 2)
    assert two.size_bytes == 384 * MIB
    assert two.note == ""
    assert memory_set(Context(Effort.DEFAULT, small, memory_bytes=96 * MIB), levels, 1).size_bytes == 32 * MIB


def test_stores_past_the_caches_and_narrow_widths_only_where_they_say_something():
    target = Target.named("haswell")
    assert [s.name for s in kernels_for("L2", Effort.DEFAULT, target)] == ["read", "write", "copy", "triad"]
    assert [s.name for s in kernels_for("L2", Effort.DEEP, target)][-1] == "nt-write"
    assert [s.name for s in kernels_for("DRAM", Effort.QUICK, target)][-1] == "nt-write"
    assert [s.name for s in kernels_for("DRAM", Effort.DEEP, Target.named("pwr10"))][-1] == "triad"
    wide = bandwidth.Width(64)
    assert [w.vector_bytes for w in widths_for("L1d", "read", Effort.DEFAULT, wide)] == [64, 32, 16]
    assert widths_for("L1d", "read", Effort.QUICK, wide) == widths_for("L2", "read", Effort.DEEP, wide) == [wide]


def test_infer_gives_the_median_rate_bytes_a_cycle_and_what_must_be_known():
    at = {"level": "L1d", "kernel": "copy", "threads": 1, "width_bits": 512, "size_bytes": 24576}
    one = Point(at, 1e6, (1e-5, 1.25e-5, 2e-5, 5e-5), (2e9,) * 4, ("", "", "", "steal"))
    team = [Point({**at, "threads": 2, "kernel": "read", "window": i}, 1e6 * (i + 1), (4e-6 * (i + 1),)) for i in range(3)]
    curve = Curve("bandwidth", 1, "B", (one, *team), {"note.L1d.2": "said aloud"}, core_kind="p")
    other = infer(dataclasses.replace(curve, core_kind="e"), EMPTY)
    machine = infer(curve, other)
    assert infer(curve, machine) == machine  # again, from the file: nothing is doubled
    assert len(machine.bandwidths) == 4
    alone, both = [b for b in machine.bandwidths if b.core_kind == "p"]
    assert alone.rate.number() == pytest.approx(8e10)
    assert (alone.rate.low, alone.rate.high) == (pytest.approx(5e10, rel=4e-3), pytest.approx(1e11, rel=4e-3))
    assert alone.per_cycle.number() == pytest.approx(40)
    assert "RFO" in alone.rate.note
    assert both.rate.number() == pytest.approx(2.5e11)
    assert both.rate.note == "said aloud"
    assert not both.per_cycle.known
    assert "several clocks" in both.per_cycle.note


def test_measure_covers_every_level_and_both_crews_within_little_memory():
    small = dataclasses.replace(EMPTY, caches=(level("L1d", 32 * KIB, "private"), level("L2", 256 * KIB, "private")))
    cpus = allowed_cpus()[:2]
    curve = bandwidth.measure(Context(Effort.QUICK, small, cpu=cpus[0], cpus=cpus, memory_bytes=64 * MIB))
    machine = infer(curve, small)
    rows = {(b.level, b.kernel, b.threads) for b in machine.bandwidths}
    past = {"nt-write"} if has_nontemporal(Target.host()) else set()
    wanted = {(v, k, t) for v in ("L1d", "L2", "DRAM") for k in ("read", "write", "copy", "triad") for t in {1, len(cpus)}}
    assert rows == wanted | {("DRAM", k, t) for k in past for t in {1, len(cpus)}}
    assert all(b.rate.number() > 0 and b.size_bytes > 0 for b in machine.bandwidths)
    assert all(b.per_cycle.known == (b.threads == 1) for b in machine.bandwidths)


def test_a_crew_is_of_one_kind_and_begins_with_the_measuring_cpu():
    one = measured(1, "", "test")
    cpus = tuple(Cpu(i, kind="p" if i < 2 else "e") for i in range(4))
    hybrid = dataclasses.replace(EMPTY, topology=Topology(one, one, one, one, cpus, (0, 1, 2, 3)))
    assert bandwidth.crew_of(Context(Effort.QUICK, hybrid, cpu=3, cpus=(0, 1, 2, 3), core_kind="e")) == [3, 2]
    assert bandwidth.crew_of(Context(Effort.QUICK, hybrid, cpu=1, cpus=(0, 1, 2, 3))) == [1, 0, 2, 3]


def test_memory_that_cannot_be_had_costs_its_level_only(monkeypatch):
    def scarce(size_bytes: int, _cpu: int) -> Buffer:
        if size_bytes > 8 * MIB:
            raise NotPossibleError("no more memory")
        return Buffer(size_bytes)

    monkeypatch.setattr(bandwidth, "filled_buffer", scarce)
    small = dataclasses.replace(EMPTY, caches=(level("L1d", 32 * KIB, "private"),))
    curve = bandwidth.measure(Context(Effort.QUICK, small, cpu=allowed_cpus()[0], memory_bytes=1 << 30))
    assert {p.at["level"] for p in curve.points} == {"L1d"}
    assert "DRAM, one thread: no more memory" in curve.missing


def test_a_probe_out_of_time_says_what_it_left_out():
    curve = bandwidth.measure(Context(Effort.QUICK, MEASURED, cpu=allowed_cpus()[0], memory_bytes=48 * MIB, deadline=0.0))
    assert curve.points == ()
    assert any("lack of time" in m for m in curve.missing)
    assert infer(curve, MEASURED).bandwidths == ()


def test_it_is_registered_as_a_probe_of_the_whole_crew():
    found = {p.name: p for p in all_probes()}["bandwidth"]
    assert (found.crew, found.per_kind, found.needs) == (True, True, ("latency",))
