"""Guess why an element is wrong: the usual mistakes of kernels and of those who call them, tried one after another.

A guess is shown as one ("likely"), never as a finding. Sources: the traps of reference section 1, and the bugs named in its section 4.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..configs.dtypes import ELEMENTS
from . import oracle
from .fills import decoded, poison
from .operands import Operands

Array = NDArray[Any]


def likely_cause(operands: Operands, problem: int, row: int, column: int, want: float) -> str:
    """One phrase for the first wrong element, or empty."""
    case, mix = operands.case, operands.case.mix
    c = decoded(operands.c_of(problem), mix.c, case.n)
    got = float(c[row, column])
    mark = float(np.asarray(poison(mix.c), dtype=np.float64))
    untouched = np.isnan(c) if np.isnan(mark) else c == mark
    if case.beta == 0 and untouched[row, column]:
        return _unwritten(untouched, row, column)
    if ELEMENTS[mix.c].kind == "int":
        return _integer_cause(operands, problem, row, column, got, want)
    if not np.isfinite(got):
        return "likely NaN or infinity came from C, which must not be read when beta is 0" if case.beta == 0 else "likely an overflow"
    return _linear_cause(operands, problem, row, column, got, want) or _precision_cause(operands, got, want)


def _unwritten(untouched: Array, row: int, column: int) -> str:
    if untouched.all():
        return "likely nothing was written: it returned without computing"
    if untouched[row:, column:].all() or untouched[:, column:].all() or untouched[row:].all():
        return "likely the last rows or columns (a tail) are not written"
    return "a part of C is not written"


def _integer_cause(operands: Operands, problem: int, row: int, column: int, got: float, want: float) -> str:
    case = operands.case
    a = oracle.rows_of_a(operands, problem, np.array([row]))[0]
    b = oracle.columns_of_b(operands, problem, np.array([column]))[0]
    products = (a * b)[: len(a) // 2 * 2]
    pairs = np.clip(products.reshape(-1, 2).sum(axis=1), -32768, 32767)
    saturated = int(pairs.sum() + (a * b)[len(products) :].sum())
    if got == saturated != want or (abs(got) < abs(want) and np.abs(products.reshape(-1, 2).sum(axis=1)).max(initial=0) > 32767):
        return "likely saturation at 16 bits: pairs of products are added in 16-bit lanes (vpmaddubsw)"
    return _linear_cause(operands, problem, row, column, got, want) or f"off by {got - want:g} of {case.k} products"


def _linear_cause(operands: Operands, problem: int, row: int, column: int, got: float, want: float) -> str:
    """Mistakes of the call: an operand transposed, alpha or beta left out, C transposed, the epilogue left out."""
    case = operands.case
    plain = _plain(operands, problem, row, column)
    if plain is None:
        return ""
    before = float(operands.c_before()[operands.order_c(problem)][row, column].astype(np.float64)) if case.beta else 0.0
    close = 1e-3 * max(1.0, abs(got))
    tries = {
        "alpha is left out": plain + case.beta * before if case.alpha != 1 else None,
        "beta is left out: C is overwritten": case.alpha * plain if case.beta else None,
        "beta is taken as 1": case.alpha * plain + before if case.beta not in (0.0, 1.0) else None,
        "the epilogue is left out": case.alpha * plain + case.beta * before if case.epilogue else None,
    }
    if row < case.n and column < case.m and row != column and not case.epilogue and not case.beta:
        other = _plain(operands, problem, column, row)
        tries["C is transposed: row-major and column-major mixed up"] = None if other is None else case.alpha * other
    for words, value in tries.items():
        if value is not None and abs(value - got) <= close and abs(value - want) > close:
            return f"likely {words}"
    return ""


def _plain(operands: Operands, problem: int, row: int, column: int) -> float | None:
    """The bare sum of products."""
    a = oracle.rows_of_a(operands, problem, np.array([row]))[0].astype(np.float64)
    b = oracle.columns_of_b(operands, problem, np.array([column]))[0].astype(np.float64)
    total = float((a * b).sum())
    return total if np.isfinite(total) else None


def _precision_cause(operands: Operands, got: float, want: float) -> str:
    """Close, but not close enough: which type would have made such an error."""
    scale = max(abs(want), 1e-30)
    relative = abs(got - want) / scale
    narrower = {"f64": ("f32", "f16"), "f32": ("f16", "bf16")}.get(operands.case.mix.acc, ())
    for name in narrower:
        if relative <= 64 * ELEMENTS[name].unit_roundoff:
            return f"likely sums in {name}: the error is that of its {ELEMENTS[name].digits} digits"
    return ""
