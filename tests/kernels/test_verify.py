"""The gate at the case's own size: right products pass in every type, and a single wrong element is found, told and explained."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmbench.configs.cases import Case, Check
from mmbench.configs.dtypes import ELEMENTS, MIXES
from mmbench.kernels.guards import Guarded
from mmbench.kernels.host import Host
from mmbench.kernels.operands import Operands
from mmbench.kernels.registry import own_kernel
from mmbench.kernels.verify import bind, call, check_close, check_exact, merged, verify, verify_again

sys.path.insert(0, str(Path(__file__).parent))
from broken_python import kernel

HOST = Host.of(None, (0,))


def case_of(dtype: str = "f32", m: int = 12, n: int = 14, k: int = 18, **rest) -> Case:
    return Case(m, n, k, dtype=dtype, layout="nt" if MIXES[dtype].packed else rest.pop("layout", "nn"), **rest)


def verified(case: Case, fault=None, **rest) -> Check:
    return verify(kernel(fault)(case), Operands(case, timing=True), **rest)


@pytest.mark.parametrize("dtype", list(MIXES))
@pytest.mark.parametrize("rest", [{}, {"beta": 1.0}, {"batch": 3, "batch_kind": "pointers", "epilogue": "bias+relu+residual"}, {"ldc": 20}])
def test_a_right_product_passes(dtype, rest):
    check = verified(case_of(dtype, **rest))
    assert check.passed, check
    assert check.steps == ("integer-exact", "full range" if MIXES[dtype].integer else "normal numbers")
    assert check.error <= check.bound or MIXES[dtype].integer


@pytest.mark.parametrize("dtype", list(MIXES))
@pytest.mark.parametrize("rest", [{}, {"beta": 2.0, "alpha": 2.0}, {"batch": 2, "epilogue": "bias+residual"}])
def test_one_wrong_element_is_found_and_told(dtype, rest):
    case = case_of(dtype, **rest)
    problem, size = case.batch - 1, 0 if ELEMENTS[case.mix.c].bits >= 32 else 0.1  # a narrow result hides an error of 1

    def fault(operands, results):
        if operands.fill == "integers":
            results[problem][7, 11] += 1 + size * abs(results[problem][7, 11])

    check = verified(case, fault)
    assert not check.passed
    assert check.failed == "integer-exact"
    found = re.fullmatch(r"row 7, column 11(, problem 1)?: (\S+) instead of (\S+)", check.where)
    assert found, check.where
    assert bool(found[1]) == (case.batch > 1)
    assert float(found[2]) - float(found[3]) == pytest.approx(1.0, abs=1e-9) or size
    assert check.cause != ""


@settings(max_examples=60)
@given(
    row=st.integers(0, 11),
    column=st.integers(0, 13),
    error=st.one_of(st.sampled_from([1, -1, 2**31, 2**30, 2**16, 255, 65535]), st.integers(-(2**31) + 1, 2**31 - 1).filter(bool)),
    seed=st.integers(0, 2**32),
)
def test_no_single_error_of_a_32_bit_sum_gets_lost(row, column, error, seed):
    def fault(_operands, results):
        results[0][row, column] += error

    check = verified(case_of("s8"), fault, seed=seed)
    assert check.where.startswith(f"row {row}, column {column}: ")


@settings(max_examples=40)
@given(
    places=st.sets(st.tuples(st.integers(0, 11), st.integers(0, 13)), min_size=2, max_size=20), size=st.sampled_from([1.0, -3.0, 0.5, 1e30])
)
def test_the_first_of_several_wrong_elements_is_told(places, size):
    def fault(_operands, results):
        for number, (row, column) in enumerate(sorted(places)):
            results[0][row, column] += size * (-1) ** number  # they add up to nothing, or nearly

    row, column = min(places)
    assert verified(case_of("f64"), fault).where.startswith(f"row {row}, column {column}: ")


def test_an_error_that_only_shows_with_fractions_is_found():
    def fault(operands, results):
        if operands.fill == "normal":
            results[0][3, 4] *= 1 + 1e-4

    check = verified(case_of(), fault)
    assert (check.failed, check.where[:15]) == ("normal numbers", "row 3, column 4")


def test_saturation_that_small_numbers_hide_is_found_with_bytes_of_full_range():
    def fault(operands, results):
        a, b = operands.a_of(0).astype(np.int64), operands.b_of(0).astype(np.int64)
        pairs = [np.clip(a[:, p : p + 2] @ b[p : p + 2], -32768, 32767) for p in range(0, a.shape[1], 2)]
        results[0][:] = sum(pairs)

    check = verified(case_of("u8s8", k=64), fault)
    assert check.failed == "full range"
    assert "saturation at 16 bits" in check.cause
    assert re.match(r"row \d+, column \d+: -?\d+ instead of -?\d+$", check.where)


def plain(operands: Operands) -> np.ndarray:
    return operands.a_of(0).astype(np.float64) @ operands.b_of(0).astype(np.float64)


def not_written(rows, columns):
    def fault(_operands, results):
        results[0][rows, columns] = np.nan

    return fault


def over(function):
    """A fault that puts `function(operands)` in the place of the product."""

    def fault(operands, results):
        results[0][:] = function(operands)

    return fault


ALL = slice(None)
CAUSES = [
    ({}, not_written(ALL, ALL), "nothing was written"),
    ({}, not_written(slice(8, None), ALL), "a tail"),
    ({}, not_written(ALL, slice(8, None)), "a tail"),
    ({}, not_written(3, slice(2, 5)), "a part of C is not written"),
    ({}, over(lambda o: np.where(np.arange(14) < 8, plain(o), plain(o) + 1)), "the last columns (a tail): the row is right up to column 7"),
    ({"alpha": 2.0}, over(plain), "alpha is left out"),
    ({"beta": 1.0}, over(plain), "beta is left out"),
    ({"beta": 2.0}, over(lambda o: plain(o) + o.c_before()[0]), "beta is taken as 1"),
    ({"epilogue": "bias"}, over(plain), "the epilogue is left out"),
    ({"m": 12, "n": 12}, over(lambda o: plain(o).T), "C is transposed"),
    ({"k": 12}, over(lambda o: o.a_of(0).T.astype(np.float64) @ o.b_of(0)), "A is transposed"),
    ({"n": 18}, over(lambda o: o.a_of(0).astype(np.float64) @ o.b_of(0).T), "B is transposed"),
    ({"m": 12, "n": 12, "k": 12}, over(lambda o: o.a_of(0).T.astype(np.float64) @ o.b_of(0).T), "A and B are transposed"),
    ({"k": 12, "layout": "tn"}, over(lambda o: o.a_of(0).astype(np.float64) @ o.b_of(0)), "A is transposed"),
    ({"n": 18, "layout": "nt"}, over(lambda o: o.a_of(0).astype(np.float64) @ o.b_of(0)), "B is transposed"),
    ({"k": 300}, over(lambda o: _summed(o, np.float16)), "sums in f16"),
    ({"dtype": "f64", "k": 300}, over(lambda o: _summed(o, np.float32)), "sums in f32"),
]


def _summed(operands: Operands, kind) -> np.ndarray:
    a, b = operands.a_of(0), operands.b_of(0)
    total = np.zeros((a.shape[0], b.shape[1]), dtype=kind)
    for p in range(a.shape[1]):
        with np.errstate(over="ignore"):
            total = (total + (a[:, p, None] * b[None, p]).astype(kind)).astype(kind)
    return total.astype(np.float64)


@pytest.mark.parametrize(("rest", "fault", "words"), CAUSES, ids=[f"{i}-{words[:20]}" for i, (_, _, words) in enumerate(CAUSES)])
def test_the_likely_cause_is_named(rest, fault, words):
    case = case_of(**rest)
    check = verified(case, fault)
    assert not check.passed
    assert words in check.cause, check


def test_the_right_kernel_of_a_neighbouring_type_is_no_precision_problem():
    """A large error is not called one of digits."""

    def fault(_operands, results):
        results[0][:] = results[0] * 3 + 1

    assert "sums in" not in verified(case_of(), fault).cause


def test_a_result_that_differs_from_run_to_run_is_called_chance():
    runs = iter(range(100))

    def fault(_operands, results):
        results[0][2, 3] += next(runs) + 1

    assert "likely chance" in verified(case_of(), fault).cause


def test_what_is_written_beside_c_fails_the_check():
    def fault(operands, _results):
        operands.a_of(0)[2, 2] += 1

    check = verified(case_of(), fault)
    assert (check.passed, check.failed, check.where) == (False, "integer-exact", "A was changed, an input")
    assert check.cause == "it writes where it must not"


class Counting:
    """A fault that begins with the n-th call."""

    def __init__(self, good: int, fault) -> None:
        self.left, self.fault = good, fault

    def __call__(self, operands, results):
        self.left -= 1
        if self.left < 0:
            self.fault(operands, results)


def one_off(_operands, results):
    results[0][5, 6] += 1


@pytest.mark.parametrize("dtype", ["f32", "s8", "bf16bf16"])
def test_after_the_timed_calls_a_right_kernel_passes_again(dtype):
    for beta in (0.0, 1.0):
        case = case_of(dtype, beta=beta)
        operands = Operands(case, timing=True)
        prepared = kernel()(case)
        assert verify(prepared, operands).passed
        if beta:
            operands.c[...] = 77  # what many calls with beta leave there is no product any more
        check = verify_again(prepared, operands)
        assert check.passed, check


@pytest.mark.parametrize("dtype", ["f32", "s8"])
def test_a_kernel_that_goes_wrong_after_a_while_is_found(dtype):
    case = case_of(dtype)
    operands = Operands(case, timing=True)
    prepared = kernel(Counting(2, one_off))(case)
    assert verify(prepared, operands).passed
    check = verify_again(prepared, operands)
    assert (check.passed, check.where[:15]) == (False, "row 5, column 6")


def test_what_the_timed_calls_left_is_looked_at_even_where_the_next_call_is_right():
    case = case_of()
    operands = Operands(case, timing=True)
    prepared = kernel()(case)
    assert verify(prepared, operands).passed
    operands.c_of(0)[5, 6] += 1
    check = verify_again(prepared, operands)
    assert (check.passed, check.failed, check.where[:15]) == (False, "after the timed calls", "row 5, column 6")


def test_a_kernel_that_remembers_the_answer_is_found():
    case = case_of()
    operands = Operands(case, timing=True)
    prepared = kernel(Counting(2, not_written(ALL, ALL)))(case)
    assert verify(prepared, operands).passed
    assert "nothing was written" in verify_again(prepared, operands).cause


def test_damage_that_the_timed_calls_did_is_told():
    case = case_of()
    operands = Operands(case, timing=True)
    prepared = kernel()(case)
    assert verify(prepared, operands).passed
    operands.b_of(0)[0, 0] += 1
    assert verify_again(prepared, operands).where == "B was changed, an input"


LARGE = Case(300, 500, 260)


@pytest.mark.parametrize("place", [(0, 0), (299, 499), (299, 0), (0, 499), (150, 250), (283, 483)])
def test_of_a_large_product_ends_and_tails_are_always_looked_at(place):
    """With normal numbers only a sample is compared: first, last, middle and the one a tile of 16 or so before the end are in it."""
    operands = Operands(LARGE, "normal", timing=True)
    call(kernel()(LARGE), operands)
    assert check_close(operands, "normal").passed
    operands.c_of(0)[place] += 0.01
    assert check_close(operands, "normal").where.startswith(f"row {place[0]}, column {place[1]}: ")


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 299), st.integers(0, 499))
def test_of_a_large_product_every_element_is_looked_at_with_integers(row, column):
    operands = _integers()
    stored = operands.c_of(0)
    kept = stored[row, column]
    stored[row, column] += 1
    where = check_exact(operands, "integers").where
    stored[row, column] = kept
    assert where.startswith(f"row {row}, column {column}: ")


_KEPT: list[Operands] = []


def _integers() -> Operands:
    if not _KEPT:
        _KEPT.append(Operands(LARGE, "integers", timing=True))
        call(kernel()(LARGE), _KEPT[0])
        assert check_exact(_KEPT[0], "integers").passed
    return _KEPT[0]


def test_of_a_large_product_every_hole_is_seen():
    """Elements that were not written are found everywhere, sampled or not."""
    operands = Operands(LARGE, "normal", timing=True)
    call(kernel()(LARGE), operands)
    operands.c_of(0)[123, 321] = np.nan
    assert check_close(operands, "normal").where.startswith("row 123, column 321: nan instead of")


def test_machine_code_is_bound_to_each_set_of_operands():
    case = case_of("int4f16")
    naive = own_kernel("naive")
    prepared = naive.prepare(case, HOST)
    for seed in (1, 2):
        operands = Operands(case, "integers", seed=seed)
        assert isinstance(operands._operands["a"].owner, Guarded)
        call(prepared, operands)
        assert operands.bound is prepared
        assert check_exact(operands, "exact").passed
    other = naive.prepare(case, HOST)
    bind(other, operands)
    assert operands.bound is other


def test_two_checks_become_one():
    good = Check(True, 0.2, 1.0, "of the bound", "f64", ("a",))
    assert merged(good, Check(True, 0.4, 1.0, "of the bound", "f64", ("b",))) == Check(True, 0.4, 1.0, "of the bound", "f64", ("a", "b"))
    bad = Check(False, failed="c")
    assert merged(good, bad) is bad


def test_nothing_to_compute_is_right():
    for m, n, k in ((0, 3, 2), (3, 0, 2), (3, 4, 0)):
        case = Case(m, n, k)
        assert verified(case).passed


def test_the_search_for_causes_never_fails_itself():
    """Whatever the type, layout and kind of error: an explanation or none, never an exception."""
    random = np.random.default_rng(1)
    for dtype in MIXES:
        for layout in ("nt",) if MIXES[dtype].packed else ("nn", "nt", "tn", "tt"):
            for m, n, k in ((1, 1, 1), (5, 3, 2), (2, 9, 40), (9, 2, 1), (4, 4, 4), (3, 4, 0)):
                for epilogue, beta in (("", 0.0), ("bias+relu", 1.0)):
                    case = Case(m, n, k, dtype=dtype, layout=layout, epilogue=epilogue, beta=beta, batch=2, batch_kind="pointers")

                    def fault(_operands, results):
                        spot = tuple(random.integers(0, s) for s in results[1].shape)
                        results[1][spot] += random.choice([1, 300, 1e5, np.inf]) if results[1].dtype.kind == "f" else 70000

                    check = verified(case, fault)
                    assert not check.passed
                    assert check.where
