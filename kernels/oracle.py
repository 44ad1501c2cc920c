"""Say what the product must be, exactly or in higher precision, and never by the code under test.

Integers, and floats that hold integers, are multiplied in int64 by NumPy's own loops (NumPy has no library for that). Other products are
summed in f64 from exactly decoded elements, again by NumPy's own loops (`einsum` without optimisation; `@` would call an OpenBLAS, which
is itself measured here). Products of f64 are summed in double-double arithmetic (Dekker's product, Knuth's sum), to about 100 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..configs.cases import Case
from ..configs.dtypes import ELEMENTS, Element
from .fills import decoded
from .operands import Operands

Array = NDArray[Any]
_SPLIT = 134217729.0  # 2^27 + 1: Dekker's constant for 53 bits


@dataclass(frozen=True, slots=True)
class Expected:
    """What some elements of C must be: `values`, and `weights` = |alpha|·Σ|a||b| + |beta||c| for the error bound; both [rows][columns]."""

    values: Array
    weights: Array


def _scales(stored: Array, rows: Array, k: int, group: int) -> Array:
    """The scale of each element along k, for these rows, as f64."""
    values = stored[rows].astype(np.float64)
    return np.asarray(np.repeat(values, k if group < 0 else group, axis=1)[:, :k])


def rows_of_a(operands: Operands, problem: int, rows: Array) -> Array:
    """Rows of A, decoded and scaled: (rows, k)."""
    case, mix = operands.case, operands.case.mix
    stored = operands.a_of(problem)
    picked = stored[rows] if case.layout[0] == "n" else stored[:, rows].T
    values = decoded(np.ascontiguousarray(picked), mix.a, case.k)
    return values if operands.scale_a is None else values * _scales(operands.scale_a, rows, case.k, mix.group_a)


def columns_of_b(operands: Operands, problem: int, columns: Array) -> Array:
    """Columns of B, decoded and scaled, one a row: (columns, k)."""
    case, mix = operands.case, operands.case.mix
    stored = operands.b_of(problem)
    picked = stored[:, columns].T if case.layout[1] == "n" else stored[columns]
    values = decoded(np.ascontiguousarray(picked), mix.b, case.k)
    return values if operands.scale_b is None else values * _scales(operands.scale_b, columns, case.k, mix.group_b)


def two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """a + b as a rounded sum and its error, exactly (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def two_product(a: Array, b: Array) -> tuple[Array, Array]:
    """a · b as a rounded product and its error, exactly where nothing over- or underflows (Dekker)."""
    high_a, high_b = _SPLIT * a, _SPLIT * b
    high_a, high_b = high_a - (high_a - a), high_b - (high_b - b)
    low_a, low_b = a - high_a, b - high_b
    product = a * b
    return product, ((high_a * high_b - product) + high_a * low_b + low_a * high_b) + low_a * low_b


def precise_products(a: Array, b: Array) -> Array:
    """Σ over k of a[i, k] · b[j, k] in double-double, rounded once: (rows, columns)."""
    high = np.zeros((len(a), len(b)))
    low = np.zeros_like(high)
    for position in range(a.shape[1]):
        product, error = two_product(a[:, position, None], b[None, :, position])
        high, carry = two_sum(high, product)
        low += carry + error
    return np.asarray(high + low)


def gelu(x: Array) -> Array:
    """x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))."""
    return np.asarray(0.5 * x * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (x + 0.044715 * x**3))))


def silu(x: Array) -> Array:
    """x / (1 + exp(-x)), without overflow."""
    with np.errstate(over="ignore"):
        return np.asarray(x / (1.0 + np.exp(-x)))


def expected(operands: Operands, problem: int, rows: Array, columns: Array, c_before: Array | None = None) -> Expected:
    """The elements at these rows and columns of one problem. `c_before` is that problem's C before the product, where beta is not 0."""
    case, mix = operands.case, operands.case.mix
    if case.alpha == 0 or case.k == 0:
        shape = (len(rows), len(columns))
        values: Array = np.zeros(shape, dtype=np.int64 if mix.integer else np.float64)
        weights: Array = np.zeros(shape)
    else:
        a, b = rows_of_a(operands, problem, rows), columns_of_b(operands, problem, columns)
        if a.dtype == np.int64 and b.dtype == np.int64:
            values = np.einsum("ik,jk->ij", a, b, optimize=False)
        elif mix.acc == "f64" and operands.fill == "normal":
            values = precise_products(a, b)
        else:
            values = np.einsum("ik,jk->ij", a, b, optimize=False)
        values = values * (int(case.alpha) if mix.integer else case.alpha)
        weights = np.abs(case.alpha) * np.einsum("ik,jk->ij", np.abs(a), np.abs(b), optimize=False).astype(np.float64)
    if case.beta and c_before is not None:
        before = c_before[np.ix_(rows, columns)].astype(np.int64 if mix.integer else np.float64)
        values = values + (int(case.beta) if mix.integer else case.beta) * before
        weights = weights + np.abs(case.beta * before)
    return _finished(operands, problem, rows, columns, values, weights)


def _finished(operands: Operands, problem: int, rows: Array, columns: Array, values: Array, weights: Array) -> Expected:
    """The epilogue's steps, in their order."""
    steps = operands.case.steps
    kind = values.dtype
    if operands.bias is not None:
        values = values + operands.bias[columns].astype(kind)[None, :]
        weights = weights + np.abs(operands.bias[columns].astype(np.float64))[None, :]
    if "relu" in steps:
        values = np.maximum(values, 0)
    elif "gelu" in steps:
        values = gelu(values)
    elif "silu" in steps:
        values = silu(values)
    if operands.residual is not None:
        added = operands.residual[operands.order_c(problem)][np.ix_(rows, columns)]
        values = values + added.astype(kind)
        weights = weights + np.abs(added.astype(np.float64))
    return Expected(values, weights)


def wrapped(values: Array) -> Array:
    """int64 as a 32-bit accumulator holds it."""
    return np.asarray(values.astype(np.int64).astype(np.int32).astype(np.int64))


def bound(case: Case, reference: Expected) -> Array:
    """How far a right kernel may be off, element by element.

    4·√k + 8 roundings of the accumulator, over the sum of magnitudes (rounding errors add up like a random walk; the worst case, k, would
    let sums in half precision pass), plus one rounding of the result, plus what an activation computed in the accumulator's type may lose.
    """
    mix = case.mix
    acc, c = ELEMENTS[mix.acc], ELEMENTS[mix.c]
    if mix.integer:
        return np.zeros_like(reference.weights)
    allowed = (4.0 * max(case.k, 1) ** 0.5 + 8.0) * acc.unit_roundoff * reference.weights
    if any(step in case.steps for step in ("gelu", "silu")):
        allowed = 1.2 * allowed + 64.0 * acc.unit_roundoff * (1.0 + reference.weights)
    return np.asarray(allowed + 1.01 * c.unit_roundoff * np.abs(reference.values) + tiniest(c))


def tiniest(element: Element) -> float:
    """The smallest normal number of a type: below it results may be flushed to zero."""
    return {"f64": 2.3e-308, "f32": 1.2e-38, "f16": 6.2e-5, "bf16": 1.2e-38}.get(element.name, 0.0)
