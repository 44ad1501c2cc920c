"""Operands in memory: what lies where, what it is filled with, and that whatever is written beside it is seen."""

from __future__ import annotations

import ctypes
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmbench.configs.cases import Case
from mmbench.configs.dtypes import ELEMENTS, MIXES
from mmbench.kernels import fills
from mmbench.kernels.abi import Slot, double_bits
from mmbench.kernels.guards import CANARY
from mmbench.kernels.measure.trap import can_trap, run_trapping
from mmbench.kernels.operands import Operands

BATCHES = ("strided", "pointers", "same-a", "same-b")


def layout_of(dtype: str) -> str:
    return "nt" if MIXES[dtype].packed else "nn"


def case_of(dtype: str = "f32", m: int = 7, n: int = 9, k: int = 10, **rest) -> Case:
    return Case(m, n, k, dtype=dtype, layout=rest.pop("layout", layout_of(dtype)), **rest)


def at(address: int, array: np.ndarray) -> np.ndarray:
    """What lies at an address, in the shape and strides of `array`, read through the address alone."""
    span = sum((size - 1) * step for size, step in zip(array.shape, array.strides, strict=True)) + array.itemsize
    raw = (ctypes.c_char * span).from_address(address)
    return np.ndarray(array.shape, array.dtype, raw, strides=array.strides)


@pytest.mark.parametrize("timing", [False, True])
@pytest.mark.parametrize("kind", BATCHES)
def test_the_block_leads_to_every_operand_of_every_problem(kind, timing):
    case = case_of(batch=5, batch_kind=kind, lda=13, ldb=12, ldc=11, alpha=0.7, beta=1.3, epilogue="bias+relu+residual")
    operands = Operands(case, "normal", seed=4, timing=timing)
    s = operands.block
    assert list(s[[Slot.M, Slot.N, Slot.K, Slot.BATCH]]) == [7, 9, 10, 5]
    assert list(s[[Slot.LDA, Slot.LDB, Slot.LDC]]) == [13, 12, 11]
    assert (s[Slot.ALPHA], s[Slot.BETA]) == (double_bits(0.7), double_bits(1.3))
    for name, of in (("A", operands.a_of), ("B", operands.b_of), ("C", operands.c_of)):
        listed = at(int(s[Slot[f"LIST_{name}"]]), np.zeros(5, dtype=np.int64))
        for problem in range(5):
            stored = of(problem)
            np.testing.assert_array_equal(at(int(listed[problem]), stored), stored)
            if kind != "pointers":  # then steps must lead there too
                assert listed[problem] == s[Slot[name]] + 4 * problem * s[Slot[f"STEP_{name}"]]
        assert s[Slot[name]] == listed[0]
    np.testing.assert_array_equal(at(int(s[Slot.BIAS]), operands.bias), operands.bias)
    for problem in range(5):  # it lies as C does
        own = operands.residual[operands.order_c(problem)]
        np.testing.assert_array_equal(at(int(s[Slot.RESIDUAL] + listed[problem] - listed[0]), own), own)
    assert s[Slot.SCALE_A] == s[Slot.SCALE_B] == s[Slot.STATE] == s[Slot.TABLE] == 0


def test_what_is_shared_lies_once_and_pointers_go_in_another_order_than_memory():
    assert Operands(case_of(batch=6, batch_kind="same-a")).a.shape == (1, 7, 10)
    assert Operands(case_of(batch=6, batch_kind="same-b")).b.shape == (1, 10, 9)
    assert Operands(case_of(batch=6, batch_kind="same-a")).block[Slot.STEP_A] == 0
    operands = Operands(case_of(batch=6, batch_kind="pointers"))
    places = at(int(operands.block[Slot.LIST_C]), np.zeros(6, dtype=np.int64))
    assert sorted(places) != list(places)
    assert len(set(places)) == 6


@pytest.mark.parametrize("dtype", list(MIXES))
@pytest.mark.parametrize("timing", [False, True])
def test_every_type_has_its_scales_and_room(dtype, timing):
    case = case_of(dtype, m=5, n=6, k=150)
    mix = case.mix
    operands = Operands(case, "normal", timing=timing)
    for scales, group, rows, element in ((operands.scale_a, mix.group_a, 5, mix.scale_a), (operands.scale_b, mix.group_b, 6, mix.scale_b)):
        assert (scales is None) == (not element)
        if element:
            assert scales.shape == (rows, 1 if group < 0 else -(-150 // group))
            assert (scales.astype(np.float64) > 0).all()
    assert operands.a.nbytes == 5 * 150 * ELEMENTS[mix.a].bits // 8
    assert operands.b.nbytes == 6 * 150 * ELEMENTS[mix.b].bits // 8
    assert operands.c.shape == (1, 5, 6)
    assert operands.damage() == ""


@pytest.mark.parametrize("dtype", list(MIXES))
def test_c_begins_poisoned_where_it_must_not_be_read_and_filled_where_it_must(dtype):
    poisoned = Operands(case_of(dtype), "normal")
    assert fills.untouched(poisoned.c_of(0), MIXES[dtype].c).all()
    if not MIXES[dtype].integer:
        with np.errstate(invalid="ignore"):
            assert np.isnan(poisoned.c.astype(np.float64)).all()
    filled = Operands(case_of(dtype, beta=1.0), "normal")
    assert not fills.untouched(filled.c_of(0), MIXES[dtype].c).any()
    np.testing.assert_array_equal(filled.c, filled.c_before())
    filled.c[...] = 1
    filled.reset()
    np.testing.assert_array_equal(filled.c, filled.c_before())


@pytest.mark.parametrize("dtype", [d for d in MIXES if not MIXES[d].integer])
def test_arithmetic_on_the_poison_leaves_a_trace(dtype):
    """A C that was read (0 · C + x) is told from one that was never written."""
    name = MIXES[dtype].c
    stored = np.full((2, 3), fills.poison(name))
    assert fills.untouched(stored, name).all()
    with np.errstate(invalid="ignore"):
        stored[0] = (stored[0] * stored.dtype.type(0) + stored.dtype.type(1)).astype(stored.dtype)
    assert np.isnan(stored[0].astype(np.float64)).all()
    assert fills.untouched(stored, name).tolist() == [[False] * 3, [True] * 3]


@pytest.mark.parametrize("dtype", list(MIXES))
@pytest.mark.parametrize("k", [1, 150, 3000])
def test_sums_of_the_integer_fill_are_exact_in_the_accumulator(dtype, k):
    mix = MIXES[dtype]
    operands = Operands(case_of(dtype, m=3, n=4, k=k), "integers", seed=2)
    a = fills.decoded(operands.a_of(0), mix.a, k)
    stored_b = operands.b_of(0)
    b = fills.decoded(stored_b, mix.b, k if mix.packed else 4)
    assert (a == np.rint(a)).all()
    assert (b == np.rint(b)).all()
    assert k < 100 or (((a < 0).any() or ELEMENTS[mix.a].low == 0) and (a > 0).any() and (b < 0).any() and (b > 0).any())
    scale = max((float(s.astype(np.float64).max()) for s in (operands.scale_a, operands.scale_b) if s is not None), default=1.0)
    most = np.abs(a).max() * np.abs(b).max() * scale * scale * k
    exact = 2.0 ** ELEMENTS[mix.acc].digits if ELEMENTS[mix.acc].digits else 2.0**31
    assert most <= exact or operands.limit == 1
    assert np.count_nonzero(a) + np.count_nonzero(b) >= 0.1 * (a.size + b.size)


def test_bytes_are_filled_from_end_to_end():
    operands = Operands(case_of("u8s8", m=60, n=60, k=60), "full-range")
    assert (operands.a.min(), operands.a.max(), operands.b.min(), operands.b.max()) == (0, 255, -128, 127)
    operands.refill("alternating")
    assert set(np.unique(operands.a)) == {0, 255}
    assert set(np.unique(operands.b)) == {-128, 127}


def test_rows_are_not_alike_and_another_seed_gives_other_values():
    one, other = Operands(case_of(m=40, k=64), seed=1), Operands(case_of(m=40, k=64), seed=2)
    assert len({row.tobytes() for row in one.a_of(0)}) == 40
    assert one.a.tobytes() != other.a.tobytes()
    again = Operands(case_of(m=40, k=64), seed=2)
    assert other.a.tobytes() == again.a.tobytes()


DAMAGE = ["a", "b", "bias", "residual", "scale_a", "scale_b"]


@pytest.mark.parametrize("timing", [False, True])
@pytest.mark.parametrize("name", DAMAGE)
def test_an_input_that_was_written_to_is_named(name, timing):
    operands = Operands(case_of("int4s8", epilogue="bias+residual"), "normal", timing=timing)
    raw = getattr(operands, name).view(np.uint8)
    raw[(0,) * raw.ndim] ^= 1
    assert operands.damage() == (
        f"{name.upper()} was changed, an input" if len(name) == 1 else f"{name.replace('_', ' ')} was changed, an input"
    )
    operands.refill("normal")
    assert operands.damage() == ""


@pytest.mark.parametrize("timing", [False, True])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(("column", "words"), [(8, ""), (9, "C: wrote into the gap between its rows")])
@pytest.mark.parametrize("m", [1, 7])
def test_the_gap_between_rows_of_c_is_watched(column, words, batch, m, timing):
    if m * batch == 1:
        return  # one row has no gap behind it
    operands = Operands(case_of(m=m, ldc=14, batch=batch), timing=timing)
    place = int(operands.block[Slot.C]) + 4 * column  # the last element of the first row, or the one after it
    ctypes.c_float.from_address(place).value = 3.0
    assert operands.damage() == words


def test_timed_operands_keep_canaries_on_both_sides_and_begin_at_different_places():
    operands = Operands(case_of(epilogue="bias+residual"), timing=True)
    s = operands.block
    starts = [int(s[slot]) % 4096 for slot in (Slot.A, Slot.B, Slot.C, Slot.BIAS, Slot.RESIDUAL)]
    assert len(set(starts)) == 5
    assert all(start % 64 == 0 for start in starts)
    for slot, size, name in ((Slot.C, 7 * 9, "C"), (Slot.A, 7 * 10, "A"), (Slot.BIAS, 9, "bias")):
        for address, words in ((int(s[slot]) + 4 * size, "wrote past its end"), (int(s[slot]) - 4, "wrote before its beginning")):
            if slot is Slot.A and "before" in words:
                continue  # A begins where its memory begins
            byte = ctypes.c_uint8.from_address(address)
            byte.value = 0
            assert operands.damage() == f"{name}: {words}"
            byte.value = CANARY
    assert operands.damage() == ""


@pytest.mark.skipif(not can_trap(), reason="needs Linux")
@pytest.mark.parametrize("dtype", ["f64", "u8s8", "nvfp4"])
def test_checked_operands_end_at_a_page_that_traps(dtype):
    case = case_of(dtype, k=33, lda=40, ldb=40)
    operands = Operands(case, "integers")
    mix = case.mix
    for slot, element, rows, columns, ld in (
        (Slot.A, mix.a, *case.rows_a, case.stride_a),
        (Slot.B, mix.b, *case.rows_b, case.stride_b),
        (Slot.C, mix.c, case.m, case.n, case.stride_c),
    ):
        bits = ELEMENTS[element].bits
        used = (rows - 1) * (ld * bits // 8) + (columns * bits + 7) // 8  # the last row ends with its last element, without its gap
        end = int(operands.block[slot]) + used
        assert run_trapping(lambda end=end: len(ctypes.string_at(end - 1, 1))).ok
        assert run_trapping(lambda end=end: len(ctypes.string_at(end, 1))).signal_name in ("SIGSEGV", "SIGBUS")


def test_set_a_puts_a_value_where_the_product_finds_it_and_it_is_no_damage():
    for layout, place in (("nn", (4, 6)), ("tn", (6, 4))):
        operands = Operands(case_of(layout=layout), "normal")
        operands.set_a(4, 6, float("inf"))
        assert np.argwhere(~np.isfinite(operands.a_of(0))).tolist() == [list(place)]
        assert operands.damage() == ""


def test_sizes_of_nothing_have_addresses_and_no_elements():
    for m, n, k in ((0, 3, 2), (3, 0, 2), (3, 4, 0)):
        operands = Operands(case_of(m=m, n=n, k=k))
        assert operands.c_of(0).shape == (m, n)
        assert operands.a_of(0).size == m * k
        assert operands.damage() == ""
        assert all(operands.block[slot] for slot in (Slot.A, Slot.B, Slot.C))


@settings(max_examples=60)
@given(
    dtype=st.sampled_from(list(MIXES)),
    m=st.integers(0, 9),
    n=st.integers(0, 9),
    k=st.integers(0, 40),
    gaps=st.tuples(*[st.sampled_from([0, 2, 6])] * 3),
    batch=st.sampled_from([(1, "strided"), (3, "pointers"), (2, "same-a"), (2, "same-b")]),
    fill=st.sampled_from(fills.FILLS),
    timing=st.booleans(),
    front=st.booleans(),
)
def test_whatever_the_case_writing_all_of_c_is_no_damage_and_the_next_byte_is(dtype, m, n, k, gaps, batch, fill, timing, front):
    case = case_of(dtype, m, n, k, batch=batch[0], batch_kind=batch[1])
    a, b, c = ((size + size % 2 + gap) if gap else 0 for size, gap in zip((case.rows_a[1], case.rows_b[1], n), gaps, strict=True))
    case = replace(case, lda=a, ldb=b, ldc=c)
    operands = Operands(case, fill, timing=timing, front=front)
    for problem in range(case.batch):
        operands.c_of(problem)[...] = 1
    assert operands.damage() == ""
    if operands.c.size and (timing or front):
        last = max(operands.c_of(p).ctypes.data for p in range(case.batch))  # the others end at gaps or neighbours
        width = operands.c.itemsize
        end = last + ((m - 1) * case.stride_c + n) * width
        if (end % 4096) or timing:
            ctypes.c_uint8.from_address(end).value ^= 0xFF
            assert "C: wrote past its end" in operands.damage()
