"""Every row emits what it names, keeps its registers, and means what it says."""

from __future__ import annotations

import re
from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest
from mmbench.configs.errors import UsageError
from mmbench.kernels.emit.instruction import UnitRow, links_of, loop_of, spills, unit_ir
from mmbench.kernels.emit.isa import meanings
from mmbench.kernels.emit.isa.permission import allowed
from mmbench.kernels.emit.isa.registry import all_units, unit, units_of
from mmbench.kernels.emit.isa.trial import PATTERNS, Trial, _exact, _wrong, key, timing_bench
from mmbench.kernels.emit.jit import assembly
from mmbench.kernels.emit.target import Target, host_arch
from mmbench.kernels.measure.trap import can_trap, run_trapping

TARGETS = {
    "x86_64": ("haswell", "skylake-avx512", "sapphirerapids", "znver3"),
    "aarch64": ("neoverse-v2", "apple-m4"),
    "riscv64": ("spacemit-x60",),
    "ppc64le": ("pwr10",),
}
ALL = [pytest.param(row, name, id=f"{row.name}-{name}") for row in all_units() for name in TARGETS[row.arch]]
HOST = [pytest.param(row, id=row.name) for row in units_of(host_arch())]


@pytest.mark.parametrize(("row", "target_name"), ALL)
def test_loops_hold_the_instruction_and_stay_in_registers(row: UnitRow, target_name: str) -> None:
    target = Target.named(target_name)
    text = assembly(unit_ir(row, target), target)
    for number, instruction in enumerate(row.instructions):
        for test, prefix in instruction.timed:
            name = f"{prefix}_{number}"
            lines = loop_of(text, name)
            found = sum(bool(re.search(instruction.pattern, line)) for line in lines)
            # Of a mix, and of a pair, the pattern names one of two instructions.
            share = 2 if instruction.other or instruction.count == 2 else 1
            assert found * share == links_of(instruction, test), f"{name} ({instruction.name})"
            assert spills(text, name, target.arch) == [], f"{name} ({instruction.name})"
            # A loop holds the instructions, its counting, and at most a register move for each.
            assert len(lines) <= 2 * links_of(instruction, test) + 6, f"{name} ({instruction.name})"


def usable(row: UnitRow) -> bool:
    return all(word in Target.host().features for word in row.features if word.startswith("+") and not word.startswith("+fast"))


@pytest.mark.parametrize("row", HOST)
def test_what_this_machine_claims_is_right(row: UnitRow) -> None:
    if not can_trap():
        pytest.skip("no fork on this system")
    ended = run_trapping(lambda: Trial.of(row).prove(seed=7), 20)
    if ended.ok:
        assert [name for name, proof in ended.value.items() if not proof.right] == []
    else:
        assert not usable(row), ended.reason
        assert ended.signal_name in ("SIGILL", "SIGSEGV")


def test_a_wrong_meaning_is_found() -> None:
    rows = [row for row in units_of(host_arch()) if usable(row)]
    if not rows or not can_trap():
        pytest.skip("no unit can be tried on this system")
    row = rows[0]
    first = row.instructions[0]
    broken = replace(row, instructions=(replace(first, meaning=lambda acc, a, b: first.meaning(acc, a, b) + 1),))
    ended = run_trapping(lambda: Trial.of(broken).prove())
    assert ended.ok
    assert not ended.value[key(first)].right
    assert "elements wrong" in ended.value[key(first)].detail


def test_loops_leave_normal_numbers() -> None:
    rows = [row for row in units_of(host_arch()) if usable(row) and not row.scalable]
    if not rows:
        pytest.skip("no unit of this machine is known")
    for row in rows:
        trial = Trial.of(row)
        for number, instruction in enumerate(row.instructions):
            if instruction.state is not None or instruction.loose or instruction.out.dtype not in ("f64", "f32"):
                continue
            bench = timing_bench(instruction)
            bench.call(trial.code.address(f"rate_{number}"), 20_000)
            values = np.abs(bench.out.view(_kind(instruction)))
            assert np.isfinite(values).all(), f"{row.name} {instruction.name}"
            assert (values > 1e-30).all(), f"{row.name} {instruction.name}"


def _kind(instruction: object) -> type:
    return np.float64 if instruction.out.dtype == "f64" else np.float32  # type: ignore[attr-defined]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_data_of_each_pattern(pattern: str) -> None:
    row = unit("avx2", "x86_64").instructions[-1]
    bench = timing_bench(row, pattern=pattern)
    if pattern == "varied":
        assert (bench.a % 2 == 1).all()  # odd numbers never multiply to zero
        assert len(set(bench.acc.tolist())) > 4
    else:
        assert set(bench.acc.tolist()) == {1 if pattern == "ones" else 0}
    assert bench.acc.ctypes.data % 64 == 0


def test_exact_values_are_exact_in_the_narrowest_type() -> None:
    values = _exact("bf16", 1000, np.random.default_rng(1)).astype(np.float64)
    assert (values != 0).all()
    assert (np.abs(values) <= 2).all()
    assert (values * 4 == np.round(values * 4)).all()


def test_full_range_integers_hold_the_extremes() -> None:
    values = _exact("int8", 200, np.random.default_rng(1))
    assert {-128, 127} <= set(values.tolist())


def test_meanings_by_hand() -> None:
    byte, word = np.int8, np.int32
    acc = np.array([10, 20], dtype=word)
    a, b = np.array([1, 2, 3, 4, -1, -2, -3, -4], dtype=byte), np.array([1, 1, 1, 1, 2, 2, 2, 2], dtype=byte)
    assert meanings.dot(acc, a, b).tolist() == [20, 0]
    full, signed = np.array([255, 255], dtype=np.uint8), np.array([127, 127], dtype=byte)
    assert meanings.pairs_saturated(full, full, signed).tolist() == [32767]
    assert meanings.pairs(full, full, signed).tolist() == [64770]
    block = np.zeros(4, dtype=np.float32)
    left, right = np.arange(8, dtype=ml_dtypes.bfloat16), np.ones(8, dtype=ml_dtypes.bfloat16)
    assert meanings.rows_by_rows(block, left, right).tolist() == [6.0, 6.0, 22.0, 22.0]
    assert meanings.outer(np.zeros(4), np.array([1.0, 2.0]), np.array([3.0, 4.0])).tolist() == [3.0, 4.0, 6.0, 8.0]


def test_tiles_by_a_plain_loop() -> None:
    random = np.random.default_rng(3)
    acc, a, b = (random.integers(-9, 9, n).astype(kind) for n, kind in ((256, np.int32), (1024, np.int8), (1024, np.int8)))
    rows, columns = a.reshape(16, 64).astype(int), b.reshape(16, 64).astype(int)
    wanted = acc.reshape(16, 16).astype(int)
    for m in range(16):
        for n in range(16):
            wanted[m, n] += sum(rows[m, 4 * k + i] * columns[k, 4 * n + i] for k in range(16) for i in range(4))
    assert meanings.tiles(acc, a, b).tolist() == wanted.ravel().tolist()


def test_wrong_results_are_told_apart_from_rounding() -> None:
    wanted, scale = np.array([1.0, 2.0]), np.array([1.0, 2.0])
    near = (wanted * (1 + 2e-7)).astype(np.float32)
    assert _wrong(near, wanted, scale, 4.0) == ""
    assert "2 of 2 elements wrong" in _wrong(near, wanted, scale, 0.0)
    assert "1 of 2" in _wrong(np.array([1.0, np.nan], dtype=np.float32), wanted, scale, 4.0)


def test_every_unit_is_named_once_and_can_be_found() -> None:
    names = [(row.arch, row.name) for row in all_units()]
    assert len(set(names)) == len(names)
    for arch, name in names:
        assert unit(name, arch).name == name
    for row in all_units():
        keys = [(key(i), i.op) for i in row.instructions]
        assert len(row.instructions) > 0
        if row.arch == "x86_64":
            assert len({k for k, _ in keys}) == len(keys), row.name


def test_an_unknown_unit_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no unit 'mmx9'"):
        unit("mmx9", "x86_64")


def test_the_system_is_asked_without_executing_anything() -> None:
    for row in units_of(host_arch()):
        answer = allowed(row)
        assert answer.value in (True, False, None)
        assert answer.note


def test_operations_count_by_vector_length() -> None:
    fused = unit("sve", "aarch64").instructions[0]
    assert (fused.dtype, fused.ops_each(1), fused.ops_each(2)) == ("f64", 4, 8)
    outer = unit("sme", "aarch64").instructions[0]
    assert (outer.dtype, outer.ops_each(4)) == ("f32", 512)  # 16×16 multiply-adds at 512 bits
    assert unit("amx_int8", "x86_64").instructions[0].ops_each() == 2 * 16 * 16 * 64
    assert unit("avx512f", "x86_64").instructions[0].ops_each() == 16
