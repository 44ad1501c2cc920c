"""Rates and latencies out of invented curves with known answers, and one real run that asserts no speed."""

from __future__ import annotations

import time

import pytest
from mmbench.configs.codec import decode, encode
from mmbench.configs.curve import Curve, Point
from mmbench.configs.machine import MACHINE_SCHEMA, Machine, UnitRate
from mmbench.kernels.emit.isa.registry import unit, units_of
from mmbench.kernels.emit.target import Target, host_arch
from mmbench.probes import simd
from mmbench.probes.context import Context, Effort
from mmbench.probes.registry import choose

HZ = 3e9
FUSED = unit("avx512f", "x86_64").instructions[0]  # 16 operations


def machine(*features: str) -> Machine:
    return Machine(MACHINE_SCHEMA, "invented", features=features)


def point(
    test: str, cycles_each: list[float], *, pattern: str = "varied", row: int = 0, clock: bool = True, dirty: tuple[str, ...] = ()
) -> Point:
    chip = unit("avx512f", "x86_64")
    at = simd.setting(chip, chip.instructions[row], test, pattern)
    work = 1e5
    clocks = (HZ,) * len(cycles_each) if clock else (0.0,) * len(cycles_each)
    return Point(at, work, tuple(c * work / HZ for c in cycles_each), clocks, dirty)


def curve(*points: Point, kind: str = "") -> Curve:
    return Curve("simd", 1, "instruction", points, core_kind=kind)


def only(found: Machine) -> UnitRate:
    assert len(found.simd) == 1
    return found.simd[0]


def test_two_pipes_of_512_bits() -> None:
    samples = [0.500, 0.501, 0.499, 0.5, 0.5, 0.502, 0.498]
    row = only(simd.infer(curve(point("throughput", samples), point("latency", [4.0] * 7)), machine()))
    assert (row.unit, row.op, row.dtype, row.width_bits, row.instruction) == ("avx512f", "fma", "f64", 512, "vfmadd231pd")
    assert row.instr_per_cycle.number() == pytest.approx(2)
    assert row.op_per_cycle.number() == pytest.approx(32)
    assert row.rate.number() == pytest.approx(32 * HZ)
    assert row.latency_cycles.number() == pytest.approx(4)
    assert row.clock_hz.number() == pytest.approx(HZ)
    assert row.op_per_cycle.low is not None
    assert row.op_per_cycle.high is not None
    assert row.op_per_cycle.low < 32 < row.op_per_cycle.high
    assert row.op_per_cycle.by == "simd@1"


def test_disturbed_samples_do_not_count() -> None:
    dirty = ("", "", "", "", "steal", "steal", "steal")
    row = only(simd.infer(curve(point("throughput", [0.5] * 4 + [0.9] * 3, dirty=dirty)), machine()))
    assert row.instr_per_cycle.number() == pytest.approx(2)


def test_without_a_clock_there_is_a_rate_but_no_cycles() -> None:
    row = only(simd.infer(curve(point("throughput", [0.5] * 5, clock=False), point("latency", [4.0] * 5, clock=False)), machine()))
    assert row.rate.number() == pytest.approx(32 * HZ)
    for fact in (row.instr_per_cycle, row.op_per_cycle, row.latency_cycles, row.clock_hz):
        assert fact.value is None
        assert "clock could not be measured" in fact.note


def test_the_way_through_a_multiplicand_is_told() -> None:
    points = (point("throughput", [0.5] * 5), point("latency", [2.0] * 5), point("latency-operand", [4.0] * 5))
    row = only(simd.infer(curve(*points), machine()))
    assert row.latency_cycles.number() == pytest.approx(2)
    assert "4.0 cycles through a multiplicand" in row.latency_cycles.note


def test_a_mix_has_no_latency_and_counts_three_operations_in_two() -> None:
    row = only(simd.infer(curve(point("throughput", [1 / 3] * 5, row=1)), machine()))
    assert row.op == "fma+add"
    assert row.op_per_cycle.number() == pytest.approx(36)  # 3 instructions a cycle of 8 lanes at 1.5 operations
    assert row.latency_cycles.value is None


def test_data_that_change_the_rate_are_told() -> None:
    points = (
        point("throughput", [0.5] * 5),
        point("throughput", [0.45] * 5, pattern="zeros"),
        point("throughput", [0.5] * 5, pattern="ones"),
    )
    found = simd.infer(curve(*points), machine())
    assert [o for o in only(found).oddities if "varied data" in o] == ["on zeros it runs at 111 % of the rate on varied data"]


def test_inferring_twice_changes_nothing_and_kinds_stay_apart() -> None:
    performance, efficiency = curve(point("throughput", [0.5] * 5), kind="P"), curve(point("throughput", [1.0] * 5), kind="E")
    once = simd.infer(efficiency, simd.infer(performance, machine()))
    again = simd.infer(performance, once)
    assert [(r.core_kind, round(r.instr_per_cycle.number())) for r in once.simd] == [("P", 2), ("E", 1)]
    assert {r.core_kind: r for r in again.simd} == {r.core_kind: r for r in once.simd}


def test_a_stored_curve_gives_the_same_rows() -> None:
    original = curve(point("throughput", [0.5, 0.51, 0.52]), point("latency", [4.0] * 3))
    stored = decode(Curve, encode(original))
    assert simd.infer(stored, machine()).simd == simd.infer(original, machine()).simd


def test_a_pair_of_instructions_counts_the_step() -> None:
    chip = unit("avx2_pairs", "x86_64")
    pair = chip.instructions[2]
    work = 1000.0
    points = tuple(
        Point(simd.setting(chip, pair, test), work, (cycles * work / HZ,) * 5, (HZ,) * 5)
        for test, cycles in (("throughput", 0.5), ("latency", 0.5))
    )
    row = only(simd.infer(curve(*points), machine()))
    assert row.op_per_cycle.number() == pytest.approx(2 * pair.ops / 2)
    assert row.latency_cycles.number() == pytest.approx(1)  # two instructions of half a cycle


def test_claims_by_the_systems_flags() -> None:
    row = unit("avx512_vnni", "x86_64")
    assert simd.claimed(row, machine("avx512f", "avx512_vnni")) == (True, "flags of the system")
    assert simd.claimed(row, machine("avx512f")) == (False, "flags of the system: no avx512_vnni")
    assert simd.claimed(unit("dotprod", "aarch64"), machine("arm.FEAT_DotProd"))[0]
    assert simd.claimed(unit("dotprod", "aarch64"), machine("asimddp"))[0]


def test_claims_by_llvm_where_the_system_lists_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for features, expected in ((("+avx512f", "+avx512vnni"), True), (("+avx512f", "-avx512vnni"), False)):
        fake = Target("host", "x86_64-unknown-linux-gnu", "generic", features)
        monkeypatch.setattr(simd.Target, "host", staticmethod(lambda fake=fake: fake))
        assert simd.claimed(unit("avx512_vnni", "x86_64"), machine())[0] is expected


def test_a_unit_that_traps_costs_its_own_rows_only(monkeypatch: pytest.MonkeyPatch) -> None:
    if not units_of(host_arch()):
        pytest.skip("no instructions are known for this architecture")
    monkeypatch.setattr(simd, "proven", lambda row, seed: ([], {"*": "SIGILL: illegal instruction"}))
    found = simd.measure(Context(Effort.QUICK, machine()))
    assert found.points == ()
    assert all(text.endswith("SIGILL: illegal instruction") for text in found.missing)


def test_out_of_time_is_said() -> None:
    if not [row for row in units_of(host_arch()) if not row.matrix and simd.claimed(row, machine())[0]]:
        pytest.skip("no unit of this machine is known")
    found = simd.measure(Context(Effort.QUICK, machine(), deadline=time.monotonic() - 1))
    assert found.points == ()
    assert any("out of time" in text for text in found.missing)


def test_a_real_run_times_every_proven_instruction(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row for row in units_of(host_arch()) if not row.matrix and simd.claimed(row, machine())[0]][:2]
    if not rows:
        pytest.skip("no unit of this machine is known")
    monkeypatch.setattr(simd, "units_of", lambda arch: tuple(rows))
    found = simd.measure(Context(Effort.QUICK, machine()))
    assert found.missing == ()
    inferred = simd.infer(found, machine())
    assert len(inferred.simd) == sum(len(row.instructions) for row in rows)
    for row in inferred.simd:
        assert row.rate.number() > 0
        assert row.rate.low is not None
    assert len({(r.unit, r.instruction, r.width_bits) for r in inferred.simd}) == len(inferred.simd)


def test_the_probe_is_found() -> None:
    assert {"simd", "clock"} <= {p.name for p in choose(("simd",))}


def test_widths_grow_with_the_vector_length() -> None:
    assert simd.width_of(unit("sve", "aarch64").instructions[0], 2) == 256
    assert simd.width_of(FUSED, 1) == 512
