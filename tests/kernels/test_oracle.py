"""The oracle against exact fractions, for every data type: decoding, scales, alpha and beta, epilogues, batches, and its error bound."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmbench.configs.cases import Case
from mmbench.configs.dtypes import ELEMENTS, MIXES
from mmbench.kernels import fills, oracle
from mmbench.kernels.operands import Operands

FILLS = ("integers", "normal", "full-range")
SCALARS = ((1.0, 0.0), (0.7, 1.3), (0.0, 1.3), (2.0, 1.0))


def float_of(code: int, exponent_bits: int, mantissa_bits: int, bias: int, *, top: str) -> Fraction | None:
    """A float's code by its definition: sign, exponent, mantissa; None for NaN and infinity. `top`: ieee, finite (NaN: all ones), none."""
    sign = -1 if code >> (exponent_bits + mantissa_bits) & 1 else 1
    exponent, mantissa = code >> mantissa_bits & ((1 << exponent_bits) - 1), code & ((1 << mantissa_bits) - 1)
    highest = (1 << exponent_bits) - 1
    if exponent == highest and (top == "ieee" or (top == "finite" and mantissa == (1 << mantissa_bits) - 1)):
        return None
    if exponent == 0:
        return sign * Fraction(mantissa, 1 << mantissa_bits) * Fraction(2) ** (1 - bias)
    return sign * (1 + Fraction(mantissa, 1 << mantissa_bits)) * Fraction(2) ** (exponent - bias)


DEFINITIONS = {
    "f16": lambda code: float_of(code, 5, 10, 15, top="ieee"),
    "bf16": lambda code: float_of(code, 8, 7, 127, top="ieee"),
    "e4m3": lambda code: float_of(code, 4, 3, 7, top="finite"),
    "e5m2": lambda code: float_of(code, 5, 2, 15, top="ieee"),
    "e2m1": lambda code: float_of(code, 2, 1, 1, top="none"),
    "s4": lambda code: Fraction(code - 16 if code >= 8 else code),
    "e8m0": lambda code: None if code == 255 else Fraction(2) ** (code - 127),
    "s8": lambda code: Fraction(code - 256 if code >= 128 else code),
    "u8": lambda code: Fraction(code),
}


def value_of(stored: np.ndarray, name: str, column: int) -> Fraction:
    """One element of a stored row by the definition of its type."""
    bits = ELEMENTS[name].bits
    if bits < 8:
        byte = int(stored.view(np.uint8)[column // 2])
        code = byte >> 4 if column % 2 else byte & 15
    elif name in DEFINITIONS:
        code = int(stored[column : column + 1].view(f"uint{bits}")[0])
    else:
        return Fraction(stored[column].item())
    value = DEFINITIONS[name](code)
    assert value is not None
    return value


def exact(operands: Operands, problem: int, row: int, column: int, before: np.ndarray | None) -> Fraction:
    """The element by the definition of the product, up to (without) an activation, the residual left out."""
    case, mix = operands.case, operands.case.mix
    total = Fraction(0)
    a, b = operands.a_of(problem), operands.b_of(problem)
    for p in range(case.k):
        x = value_of(a[row], mix.a, p) if case.layout[0] == "n" else value_of(a[p], mix.a, row)
        y = value_of(b[p], mix.b, column) if case.layout[1] == "n" else value_of(b[column], mix.b, p)
        if operands.scale_a is not None:
            x *= value_of(operands.scale_a[row], mix.scale_a, 0 if mix.group_a < 0 else p // mix.group_a)
        if operands.scale_b is not None:
            y *= value_of(operands.scale_b[column], mix.scale_b, p // mix.group_b)
        total += x * y
    total *= Fraction(case.alpha)
    if case.beta:
        assert before is not None
        total += Fraction(case.beta) * value_of(before[operands.order_c(problem)][row], mix.c, column)
    if operands.bias is not None:
        total += value_of(operands.bias, mix.c, column)
    return total


def compare(case: Case, fill: str, seed: int = 0) -> None:
    """The oracle's values and weights at all elements of all problems."""
    operands = Operands(case, fill, seed=seed)
    before = operands.c_before() if case.beta else None
    rows, columns = np.arange(case.m), np.arange(case.n)
    for problem in range(case.batch):
        own = None if before is None else before[operands.order_c(problem)]
        found = oracle.expected(operands, problem, rows, columns, own)
        for row in range(case.m):
            for column in range(case.n):
                want = exact(operands, problem, row, column, before)
                if "relu" in case.steps:
                    want = max(want, Fraction(0))
                if operands.residual is not None:
                    want += value_of(operands.residual[operands.order_c(problem)][row], case.mix.c, column)
                got = Fraction(found.values[row, column].item())
                whole = fill == "integers" and float(case.alpha).is_integer() and float(case.beta).is_integer()
                if case.mix.integer or whole:
                    assert got == want
                    continue
                # f64: 100 bits before the last rounding, alpha and beta in f64; others: f64 sums of exact products
                room = Fraction((8 if case.mix.acc == "f64" else 2 * case.k + 8) * 2.0**-53 * found.weights[row, column])
                assert abs(got - want) <= room
                assert room < Fraction(oracle.bound(case, found)[row, column]) or case.k < 2


@pytest.mark.parametrize("name", [n for n in DEFINITIONS if n not in ("s4", "e2m1")])
def test_every_code_is_decoded_as_its_type_is_defined(name):
    bits = ELEMENTS[name].bits
    stored = np.arange(1 << bits, dtype=f"uint{bits}").view(fills.storage(name))
    with np.errstate(invalid="ignore"):
        values = fills.decoded(stored[None, :], name, len(stored))[0]
    for code, value in enumerate(values):
        want = DEFINITIONS[name](code)
        assert (want is None and not np.isfinite(value)) or want == Fraction(value.item()), code


@pytest.mark.parametrize("name", ["s4", "e2m1"])
@pytest.mark.parametrize("columns", [1, 15, 16])
def test_every_pair_of_narrow_codes_is_decoded_low_half_first(name, columns):
    stored = np.array([[(2 * i) % 16 | ((2 * i + 1) % 16) << 4 for i in range((columns + 1) // 2)]], dtype=np.uint8)
    values = fills.decoded(stored, name, columns)[0]
    assert [Fraction(v.item()) for v in values] == [DEFINITIONS[name](code) for code in range(columns)]


@pytest.mark.parametrize("dtype", list(MIXES))
@pytest.mark.parametrize("fill", FILLS)
def test_products_of_every_type_are_those_of_exact_fractions(dtype, fill):
    layouts = ("nt",) if MIXES[dtype].packed else ("nn", "nt", "tn", "tt")
    for layout in layouts:
        compare(Case(3, 4, 37, dtype=dtype, layout=layout), fill, seed=3)


@pytest.mark.parametrize("dtype", [d for d in MIXES if MIXES[d].scaled])
def test_every_group_has_its_own_scale(dtype):
    compare(Case(2, 3, 300, dtype=dtype, layout="nt"), "normal", seed=5)


@pytest.mark.parametrize("dtype", list(MIXES))
@pytest.mark.parametrize(("alpha", "beta"), SCALARS)
def test_alpha_and_beta(dtype, alpha, beta):
    if MIXES[dtype].integer and not (alpha.is_integer() and beta.is_integer()):
        alpha, beta = 2.0, -1.0
    layout = "nt" if MIXES[dtype].packed else "tn"
    for fill in ("integers", "normal"):
        compare(Case(3, 4, 9, dtype=dtype, layout=layout, alpha=alpha, beta=beta, ldc=6), fill, seed=1)


@pytest.mark.parametrize("dtype", list(MIXES))
@pytest.mark.parametrize("kind", ["strided", "pointers", "same-a", "same-b"])
def test_bias_relu_and_residual_of_every_problem(dtype, kind):
    layout = "nt" if MIXES[dtype].packed else "nn"
    case = Case(3, 4, 9, dtype=dtype, layout=layout, batch=3, batch_kind=kind, epilogue="bias+relu+residual", beta=1.0)
    compare(case, "normal", seed=2)
    compare(case, "integers", seed=2)


@pytest.mark.parametrize("k", [0, 1])
@pytest.mark.parametrize("dtype", ["f64", "f32", "s8", "nvfp4"])
def test_the_smallest_sums(dtype, k):
    compare(Case(2, 3, k, dtype=dtype, layout="nt", beta=1.0), "normal")


@given(st.floats(-30, 30))
def test_activations_are_their_definitions(x):
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    one = np.array([x])
    assert oracle.gelu(one)[0] == pytest.approx(x / 2 * (1 + math.tanh(inner)), rel=1e-12, abs=1e-15)
    assert oracle.silu(one)[0] == pytest.approx(x / (1 + math.exp(-x)), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("dtype", ["f64", "f32", "bf16bf16", "mxfp4"])
@pytest.mark.parametrize(("name", "function"), [("gelu", oracle.gelu), ("silu", oracle.silu)])
def test_an_activation_is_between_bias_and_residual(dtype, name, function):
    case = Case(3, 4, 9, dtype=dtype, layout="nt", epilogue=f"bias+{name}+residual")
    operands = Operands(case, "normal", seed=4)
    found = oracle.expected(operands, 0, np.arange(3), np.arange(4))
    for row in range(3):
        for column in range(4):
            inner = function(np.array([float(exact(operands, 0, row, column, None))]))[0]
            want = inner + float(operands.residual[0][row, column])
            assert found.values[row, column] == pytest.approx(want, rel=1e-12, abs=1e-13)


def test_large_negative_and_positive_arguments_of_silu_do_not_overflow():
    assert oracle.silu(np.array([-1e4, 0.0, 1e4])).tolist() == [0.0, 0.0, 1e4]


SAFE = st.floats(-1e100, 1e100).filter(lambda x: x == 0 or abs(x) > 1e-100)


@given(SAFE, SAFE)
def test_a_sum_and_its_error_are_exact(x, y):
    total, error = oracle.two_sum(np.array(x), np.array(y))
    assert Fraction(total.item()) + Fraction(error.item()) == Fraction(x) + Fraction(y)


@given(SAFE, SAFE)
def test_a_product_and_its_error_are_exact(x, y):
    product, error = oracle.two_product(np.array(x), np.array(y))
    assert Fraction(product.item()) + Fraction(error.item()) == Fraction(x) * Fraction(y)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.floats(-1e15, 1e15), st.floats(-1e15, 1e15)), min_size=1, max_size=40))
def test_double_double_products_are_rounded_once_even_where_all_but_nothing_cancels(pairs):
    pairs = [*pairs, *((-x, y) for x, y in pairs), (1.0, 1.0 + 2.0**-40)]
    a, b = np.array([[x for x, _ in pairs]]), np.array([[y for _, y in pairs]])
    if (
        ((np.abs(a * b) < 1e-200) & (a * b != 0)).any()
        or ((a != 0) & (np.abs(a) < 1e-100)).any()
        or ((b != 0) & (np.abs(b) < 1e-100)).any()
    ):
        return  # the error of a product that underflows is lost: said in the function's text
    got = Fraction(oracle.precise_products(a, b)[0, 0].item())
    want = sum((Fraction(x) * Fraction(y) for x, y in pairs), Fraction(0))
    weight = sum((abs(Fraction(x) * Fraction(y)) for x, y in pairs), Fraction(0))
    assert abs(got - want) <= abs(want) * Fraction(2) ** -52 + weight * len(pairs) * Fraction(2) ** -100


@given(st.integers(-(2**40), 2**40))
def test_sums_wrap_as_32_bits_do(value):
    assert oracle.wrapped(np.array([value]))[0] == (value + 2**31) % 2**32 - 2**31


@pytest.mark.parametrize("k", [16, 64, 256, 1024, 8192])
@pytest.mark.parametrize("dtype", ["f32", "bf16", "f16f16", "e4m3", "f64"])
def test_the_bound_lets_plain_sums_pass_and_stops_narrower_ones(dtype, k):
    """Sums in the accumulator's type, in the order of k and without fusing, are well inside; in the next narrower type they are not."""
    case = Case(24, 24, k, dtype=dtype, layout="nt")
    operands = Operands(case, "normal", seed=6)
    everything = np.arange(24)
    reference = oracle.expected(operands, 0, everything, everything)
    allowed = oracle.bound(case, reference)
    a, b = (values(operands, 0, everything) for values in (oracle.rows_of_a, oracle.columns_of_b))

    def summed(kind) -> np.ndarray:
        total = np.zeros((24, 24), dtype=kind)
        for p in range(k):
            total = (total + (a[:, p].astype(kind)[:, None] * b[:, p].astype(kind)[None, :]).astype(kind)).astype(kind)
        return total.astype(fills.storage(case.mix.c)).astype(np.float64)

    own, narrow = (np.float64, np.float32) if dtype == "f64" else (np.float32, np.float16)
    rounds = case.mix.c in ("f16", "bf16")  # then the last rounding alone may take all but a hundredth of the bound
    assert (np.abs(summed(own) - reference.values) <= (1.0 if rounds else 0.8) * allowed).all()
    if not rounds or k >= 64:
        assert not (np.abs(summed(narrow) - reference.values) <= allowed).all()


def test_integers_have_no_room_for_errors():
    case = Case(3, 3, 9, dtype="u8s8")
    operands = Operands(case, "full-range")
    assert (oracle.bound(case, oracle.expected(operands, 0, np.arange(3), np.arange(3))) == 0).all()
