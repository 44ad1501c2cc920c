"""The gate on small shapes: right kernels pass in every type, each fault is found in the part that is there for it."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mmbench.configs.cases import Case, Variant
from mmbench.configs.dtypes import MIXES
from mmbench.configs.errors import NotPossibleError
from mmbench.kernels import battery
from mmbench.kernels.abi import Slot
from mmbench.kernels.battery import has_long_sums, prove
from mmbench.kernels.host import Host
from mmbench.kernels.measure.trap import can_trap, run_trapping
from mmbench.kernels.registry import Prepared, own_kernel

sys.path.insert(0, str(Path(__file__).parent))
from broken_libraries.build import build_bytes, compiler
from broken_python import kernel

HOST = Host.of(None, (0,))
PARTS = ("integer-exact", "begins at a trapping page", "rows with gaps", "sizes of 0")
needs_gcc = pytest.mark.skipif(compiler() is None, reason="needs gcc")


def case_of(dtype: str = "f32", **rest) -> Case:
    return Case(40, 40, 40, dtype=dtype, layout="nt" if MIXES[dtype].packed else rest.pop("layout", "nn"), **rest)


@pytest.mark.parametrize("dtype", list(MIXES))
def test_a_right_kernel_passes_every_part(dtype):
    check = prove(kernel(), case_of(dtype))
    assert check.passed, check
    mix = MIXES[dtype]
    assert set(PARTS) <= set(check.steps)
    assert check.bitwise == "yes"
    assert ("normal numbers" in check.steps) != mix.integer
    assert ("full-range integers" in check.steps) == mix.integer
    assert ("alpha 2, beta 2" if mix.integer else "alpha 0.7, beta 1.3") in check.steps
    special = {"e4m3": "NaN stays in its row", "e2m1": "", "s8": "", "u8": ""}.get(mix.a, "infinity and NaN stay in their row")
    assert [step for step in check.steps if step.endswith(" row")] == ([special] if special else [])
    (left_out,) = [step for step in check.steps if step.startswith("not applicable: ")]
    assert (f"infinity and NaN ({mix.a} has neither)" in left_out) == (not special)
    assert ("normal numbers (integers)" in left_out) == mix.integer
    assert ("full-range bytes" in left_out) != mix.integer


def test_the_three_loops_pass_with_all_tails():
    naive = own_kernel("naive")
    check = prove(lambda case: naive.prepare(case, HOST), case_of("s8"), thorough=True)
    assert check.passed, check
    assert "all tails" in check.steps


def tails(m: int, n: int):
    """A fault of one shape only, such as only a search through all tails finds."""

    def fault(operands, results):
        if (operands.case.m, operands.case.n) == (m, n):
            results[0][-1, -1] += 1

    return fault


def test_a_fault_of_a_single_tail_needs_the_thorough_gate():
    assert prove(kernel(tails(27, 63)), case_of()).passed
    check = prove(kernel(tails(27, 63)), case_of(), thorough=True)
    assert (check.passed, check.failed[:18]) == (False, "all tails at 27x63")
    assert check.where.startswith("row 26, column 62: ")


@pytest.mark.parametrize(("tile", "last"), [("6x16", "12x32"), ("2x3", "4x6"), ("", "28x64"), ("99x999", "64x192"), ("wide", "28x64")])
def test_the_tails_are_those_of_the_kernels_own_tile(tile, last, monkeypatch):
    told: list[str] = []

    def prepare(case: Case) -> Prepared:
        prepared = kernel()(case)
        prepared.variant = Variant("python", "1", params={"tile": tile} if tile else {})
        return prepared

    if last == "64x192":
        monkeypatch.setattr(battery, "_MOST_TAILS", (8, 10))
        last = "8x10"
    assert prove(prepare, case_of(), thorough=True, tell=told.append).passed
    tails = [tuple(int(x) for x in step.split()[3].split("x")) for step in told if step.startswith("all tails at ")]
    m, n = (int(x) for x in last.split("x"))
    assert [(i, j) for i, j, _ in tails] == [(i, j) for i in range(1, m + 1) for j in range(1, n + 1)]
    if m >= 16:
        assert {k for i, _, k in tails if i == m} == {k for _, j, k in tails if j == n} == {k for _, _, k in tails}
    assert len({k for _, _, k in tails}) >= min(16, m * n // 2)


def when(condition, change):
    """A fault where `condition(operands)` holds."""

    def fault(operands, results):
        if condition(operands) and results[0].size:
            change(operands, results)

    return fault


def off(_operands, results):
    results[-1][-1, -1] += 100


def lose_special_numbers(_operands, results):
    results[0][:] = np.nan_to_num(results[0], nan=0.0, posinf=0.0, neginf=0.0)


def spread_special_numbers(_operands, results):
    if not np.isfinite(results[0]).all():
        results[0][5] = results[0][4]


FAULTS = [
    ("f32", when(lambda o: True, off), "integer-exact at 12x20x9"),
    ("f32", when(lambda o: o.case.m == 1, off), "integer-exact at 1x1x1"),
    ("s8", when(lambda o: o.case.k == 65 and 40 <= o.case.n <= 48, off), "integer-exact at 33x47x65"),
    ("f32", when(lambda o: o.case.k % 64 == 1 and o.case.k > 64 and o.case.n == 40, off), "integer-exact at 17x40x65"),
    ("f16", when(lambda o: o.case.n % 48 == 0, off), "integer-exact at 50x96x129"),
    ("f64", when(lambda o: o.case.k > 256, off), "integer-exact at 31x64x257"),
    ("int4f16", when(lambda o: o.case.k == 127, off), "integer-exact at 19x23x127:nt"),
    ("mxfp4", when(lambda o: o.case.k == 33, off), "integer-exact at 18x21x33:nt"),
    ("nvfp4", when(lambda o: o.case.k == 32, off), "integer-exact at 20x24x32:nt"),
    ("f32", when(lambda o: o.fill == "normal" and o.case.k == 130, off), "normal numbers at 6x50x130"),
    ("u8s8", when(lambda o: o.fill == "full-range", off), "full-range integers at 9x21x67"),
    ("s8", when(lambda o: o.fill == "alternating", off), "alternating integers at 9x21x67"),
    ("f32", when(lambda o: o.case.beta == 1.3 and o.case.alpha == 0.7, off), "alpha 0.7, beta 1.3 at 7x18x11"),
    ("f32", when(lambda o: o.case.beta == 0 and o.case.alpha == 0, off), "alpha 0, beta 0 at 7x18x11"),
    ("s8", when(lambda o: o.case.beta == 2, off), "alpha 2, beta 2 at 7x18x11"),
    ("f32", when(lambda o: o.case.ldc, off), "rows with gaps at 7x12x10[lda=12,ldb=14,ldc=14]"),
    ("f32", when(lambda o: o.case.k == 0, off), "sizes of 0 at 3x4x0"),
    ("f32", when(lambda o: True, lose_special_numbers), "inf in row 4 of A"),
    ("f64", when(lambda o: True, spread_special_numbers), "inf in row 4 of A"),
    ("e5m2", when(lambda o: True, lose_special_numbers), "inf in row 4 of A"),
    ("e4m3", when(lambda o: True, lose_special_numbers), "nan in row 4 of A"),
    ("e4m3", when(lambda o: True, spread_special_numbers), "nan in row 4 of A"),
]


@pytest.mark.parametrize(("dtype", "fault", "failed"), FAULTS, ids=[f"{d}-{failed}" for d, _, failed in FAULTS])
def test_each_fault_is_found_in_its_part(dtype, fault, failed):
    check = prove(kernel(fault), case_of(dtype))
    assert not check.passed
    assert check.failed == failed
    assert check.where


def test_what_spreads_is_told_by_its_rows():
    check = prove(kernel(spread_special_numbers), case_of())
    assert check.where == "it reaches rows [4, 5], not row 4 alone"


def spread_over_the_batch(_operands, results):
    if not np.isfinite(results[0]).all():
        results[-1][4] = np.nan


@pytest.mark.parametrize("kind", ["strided", "pointers", "same-a", "same-b"])
@pytest.mark.parametrize("epilogue", ["", "bias+relu+residual", "bias+gelu", "silu"])
def test_special_numbers_are_followed_through_batches_and_epilogues(kind, epilogue):
    given = case_of(batch=3, batch_kind=kind, epilogue=epilogue)
    check = prove(kernel(), given)
    assert check.passed, check
    assert "infinity and NaN stay in their row" in check.steps
    lost = prove(kernel(lose_special_numbers), given)
    assert (lost.failed, lost.where) == ("inf in row 4 of A", "it is lost: row 4 of problem 0 is finite")
    spread = prove(kernel(spread_over_the_batch), given)
    if kind == "same-a":
        assert spread.passed  # row 4 of every problem has its part in it
    else:
        assert spread.where == "it reaches rows [4] of problem 2, which have no part in it"


def test_an_activation_may_make_a_number_of_nan():
    def cleared(operands, results):
        if np.isnan(operands.a.astype(np.float64)).any():
            lose_special_numbers(operands, results)

    assert prove(kernel(cleared), case_of(epilogue="bias+relu")).passed
    assert prove(kernel(cleared), case_of(epilogue="bias")).failed == "nan in row 4 of A"


def test_the_cases_own_scalars_are_tried_too():
    fault = when(lambda o: o.case.beta == 0.25, off)
    assert prove(kernel(fault), case_of()).passed
    assert prove(kernel(fault), case_of(alpha=3.0, beta=0.25)).failed.startswith("alpha 3, beta 0.25")


def test_the_class_of_the_case_is_what_is_proven():
    """Type, layout, batch, epilogue and threads of the case reach every product; leading dimensions and temperature do not."""
    seen: list[Case] = []

    def note(operands, _results):
        seen.append(operands.case)

    given = case_of("bf16", layout="tn", batch=3, batch_kind="pointers", epilogue="bias+gelu", threads=2, lda=64, temperature="cold")
    assert prove(kernel(note), given).passed
    assert {(c.dtype, c.layout, c.batch, c.batch_kind, c.epilogue, c.threads) for c in seen} == {
        ("bf16", "tn", 3, "pointers", "bias+gelu", 2)
    }
    assert {c.temperature for c in seen} == {"hot"}
    assert 0 in {c.lda for c in seen}
    assert 64 not in {c.lda for c in seen}


def test_refusals_are_listed_and_are_no_failure():
    check = prove(kernel(refuses=lambda case: case.beta != 0 or case.alpha != 1), case_of())
    assert check.passed
    assert check.steps[-1] == "7 parts refused: alpha 0, beta 1 (it refuses 7x18x11)"


def test_whoever_refuses_every_plain_product_is_not_proven():
    check = prove(kernel(refuses=lambda case: True), case_of())
    assert (check.passed, check.where) == (False, "every plain product was refused")
    assert "it refuses 12x20x9" in check.cause
    assert prove(kernel(refuses=lambda case: case.k > 3), case_of()).passed  # one was served


def test_refusing_later_parts_does_not_hide_a_fault_before_them():
    check = prove(kernel(off, refuses=lambda case: case.k == 9), case_of())
    assert check.failed == "integer-exact at 5x7x3"


def test_chance_is_told_as_such():
    random = np.random.default_rng(0)

    def fault(_operands, results):
        results[0][0, 0] += random.integers(1, 1000)

    assert "likely chance" in prove(kernel(fault), case_of()).cause


def test_results_that_only_differ_in_their_last_bits_are_said_to_differ():
    calls = iter(range(1000))

    def fault(operands, results):
        if operands.fill == "normal":
            results[0] *= 1 + next(calls) % 2 * 2e-7

    for thorough in (False, True):
        check = prove(kernel(fault), case_of(), thorough=thorough)
        assert check.passed, check
        assert (check.bitwise, check.threads_bitwise) == ("no", "")


def split_by_threads(operands, results):
    """Sums that depend on the number of threads in their last bits; `threads` is that of the kernel, which the operands do not know."""
    del operands
    results[0] *= 1 + 2e-7


def test_bits_that_depend_on_the_number_of_threads_are_said_to():
    seen: list[int] = []

    def by_threads(case: Case) -> Prepared:
        seen.append(case.threads)
        return kernel(split_by_threads if case.threads == 1 else None)(case)

    check = prove(by_threads, case_of(threads=3))
    assert check.passed, check
    assert (check.bitwise, check.threads_bitwise) == ("yes", "no")
    assert seen.count(1) == 1
    assert seen[-1] == 3  # a library is left with the case's number of threads
    check = prove(kernel(), case_of(threads=3))
    assert (check.bitwise, check.threads_bitwise) == ("yes", "yes")
    check = prove(kernel(), case_of())
    assert (check.bitwise, check.threads_bitwise) == ("yes", "")


def test_a_kernel_without_one_thread_is_not_compared_with_it():
    check = prove(kernel(refuses=lambda case: case.threads == 1), case_of(threads=2))
    assert check.passed, check
    assert (check.bitwise, check.threads_bitwise) == ("yes", "")
    assert check.steps[-1] == "1 parts refused: one thread (it refuses 96x128x256)"


def test_what_is_computed_next_is_told_first():
    told: list[str] = []

    def fault(_operands, _results):
        if len(told) == 5:
            raise NotPossibleError(told[-1])

    check = prove(kernel(fault), case_of(), tell=told.append)
    assert told[:2] == ["integer-exact at 12x20x9 (canaries around it)", "integer-exact at 5x7x3"]
    assert check.steps[-1] == f"1 parts refused: integer-exact ({told[4]})"


def machine_code(function) -> Prepared:
    """A Python function behind mmbench's C signature: it sees only addresses, as real kernels do."""
    made = ctypes.CFUNCTYPE(None, ctypes.POINTER(ctypes.c_int64))(function)
    address = ctypes.cast(made, ctypes.c_void_p).value
    assert address
    return Prepared(Variant("c", "1"), address, keep=[made])


def reading(slot: Slot, distance: int):
    """Reads one float that far behind the end of (or, negative, before) an operand's tight memory, and computes nothing."""

    def function(s):
        if distance < 0:
            place = s[slot] + 4 * distance
        else:
            rows, columns, ld = {Slot.A: (s[Slot.M], s[Slot.K], s[Slot.LDA]), Slot.B: (s[Slot.K], s[Slot.N], s[Slot.LDB])}[slot]
            place = s[slot] + 4 * ((rows - 1) * ld + columns + distance)
        ctypes.string_at(place, 4)

    return function


@pytest.mark.skipif(not can_trap(), reason="needs Linux")
@pytest.mark.parametrize("slot", [Slot.A, Slot.B])
def test_reading_past_the_end_of_an_operand_ends_the_process(slot):
    naive = own_kernel("naive")

    def prepare(case: Case) -> Prepared:
        good = naive.prepare(case, HOST)
        call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(good.address)
        extra = reading(slot, 0)

        def function(s):
            extra(s)
            call(ctypes.addressof(s.contents))

        made = machine_code(function)
        return replace(made, bind=good.bind, keep=[*made.keep, good])

    ended = run_trapping(lambda: prove(prepare, case_of()).passed, 20)
    assert ended.signal_name in ("SIGSEGV", "SIGBUS"), ended


@pytest.mark.skipif(not can_trap(), reason="needs Linux")
@pytest.mark.parametrize("slot", [Slot.A, Slot.B])
def test_reading_before_the_beginning_of_an_operand_ends_the_process(slot):
    naive = own_kernel("naive")

    def prepare(case: Case) -> Prepared:
        good = naive.prepare(case, HOST)
        call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(good.address)

        def function(s):
            if s[Slot.M] == 11:
                reading(slot, -1)(s)
            call(ctypes.addressof(s.contents))

        made = machine_code(function)
        return replace(made, bind=good.bind, keep=[*made.keep, good])

    ended = run_trapping(lambda: prove(prepare, case_of()).passed, 20)
    assert ended.signal_name in ("SIGSEGV", "SIGBUS"), ended


def bytes_kernel(folder: Path, *defines: str):
    library = ctypes.CDLL(str(build_bytes(folder, *defines)))
    address = ctypes.cast(library.f, ctypes.c_void_p).value
    assert address
    return lambda _case: Prepared(Variant("bytes", "1"), address, keep=[library])


@needs_gcc
@pytest.mark.parametrize(("dtype", "left"), [("u8s8", "uint8_t"), ("s8", "int8_t")])
def test_a_product_of_bytes_in_c_passes(tmp_path, dtype, left):
    for thorough in (False, True):
        check = prove(bytes_kernel(tmp_path, f"LEFT={left}"), case_of(dtype), thorough=thorough)
        assert check.passed, check


@needs_gcc
@pytest.mark.parametrize("define", ["SATURATES", "WIDE_ONLY"])
@pytest.mark.parametrize(("dtype", "left", "part"), [("u8s8", "uint8_t", "full-range"), ("s8", "int8_t", "alternating")])
def test_bytes_that_saturate_at_16_bits_are_found_and_named(tmp_path, dtype, left, part, define):
    """Small numbers pass; of signed bytes only (-128)² twice saturates, which only the extremes bring together."""
    check = prove(bytes_kernel(tmp_path, define, f"LEFT={left}"), case_of(dtype))
    assert not check.passed
    assert check.failed.startswith(f"{part} integers at ")
    assert "likely saturation at 16 bits: pairs of products are added in 16-bit lanes (vpmaddubsw)" in check.cause
    assert check.where.startswith("row ")


@pytest.mark.parametrize(("dtype", "k", "long"), [("s8", 1023, False), ("s8", 1025, True), ("u8s8", 514, False), ("u8s8", 515, True)])
def test_sums_of_bytes_that_single_precision_cannot_hold_are_a_class_of_their_own(dtype, k, long):
    assert has_long_sums(Case(8, 8, k, dtype=dtype)) == long
    assert not has_long_sums(Case(8, 8, 1 << 30))


def test_sums_that_go_through_single_precision_are_found_where_k_allows_them():
    def rounded(_operands, results):
        for values in results:
            values[...] = values.astype(np.float32).astype(np.int64)

    short = prove(kernel(rounded), Case(8, 8, 64, dtype="s8"))
    assert short.passed
    assert any("sums beyond 2^24" in step for step in short.steps)
    found = prove(kernel(rounded), Case(8, 8, 4096, dtype="s8"))
    assert not found.passed
    assert found.failed.startswith("sums beyond 2^24")
    assert "single precision" in found.cause
