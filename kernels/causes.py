"""Guess why an element is wrong: the usual mistakes of kernels and of those who call them, tried one after another.

A guess is shown as one ("likely"), never as a finding. Sources: the traps of reference section 1, and the bugs named in its section 4.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from ..configs.dtypes import ELEMENTS
from . import oracle
from .fills import decoded, untouched
from .operands import Operands

Array = NDArray[Any]
CANARIES = " (canaries around it)"  # behind the name of a part of the gate whose operands lie at no trapping page
_FRONT = "begins at"  # how the name of the part begins whose operands begin at one


def likely_cause(operands: Operands, problem: int, row: int, column: int, want: float) -> str:
    """One phrase for the first wrong element, or empty."""
    case, mix = operands.case, operands.case.mix
    c = operands.c_of(problem)
    got = float(decoded(c[row : row + 1], mix.c, case.n)[0, column])
    if case.beta == 0:
        left = untouched(c, mix.c)
        if left[row, column]:
            return _unwritten(left, row, column)
    if ELEMENTS[mix.c].kind == "int":
        return _integer_cause(operands, problem, row, column, got, want)
    if not np.isfinite(got):
        return "likely NaN or infinity came from C, which must not be read when beta is 0" if case.beta == 0 else "likely an overflow"
    linear = _linear_cause(operands, problem, row, column, got, want)
    return linear or _tail_cause(operands, problem, row) or _precision_cause(operands, problem, row, column, got, want)


def likely_cause_of_death(step: str, words: str) -> str:
    """One phrase for how a worker died in a step of the gate (as `battery` tells it; empty: while it was timed), or empty.

    Operands of the gate's parts end at a page that may not be touched (`guards`), those of other steps do not.
    """
    if "SIGABRT" in words:
        return "likely it ended itself: a check of its own failed, or memory could not be had"
    if "SIGFPE" in words:
        return "likely a division of whole numbers by 0"
    if not ("SIGSEGV" in words or "SIGBUS" in words) or " at " not in step or step.endswith(CANARIES):
        return ""
    if step.startswith(_FRONT):
        return "likely it read or wrote before its operands, which begin at an unmapped page there"
    return "likely it read or wrote beyond its operands, which end at an unmapped page there"


def _unwritten(left: Array, row: int, column: int) -> str:
    if left.all():
        return "likely nothing was written: it returned without computing"
    if left[row:, column:].all() or left[:, column:].all() or left[row:].all():
        return "likely the last rows or columns (a tail) are not written"
    return "a part of C is not written"


def _integer_cause(operands: Operands, problem: int, row: int, column: int, got: float, want: float) -> str:
    case = operands.case
    if abs(want) > 2**24 and abs(got - want) <= 2.0**-20 * abs(want):
        return "likely the sum went through single precision, which holds even numbers only from 2^24 on"
    a = oracle.rows_of_a(operands, problem, np.array([row]))[0]
    b = oracle.columns_of_b(operands, problem, np.array([column]))[0]
    products = (a * b)[: len(a) // 2 * 2]
    pairs = np.clip(products.reshape(-1, 2).sum(axis=1), -32768, 32767)
    saturated = int(pairs.sum() + (a * b)[len(products) :].sum())
    if got == saturated != want or (abs(got) < abs(want) and np.abs(products.reshape(-1, 2).sum(axis=1)).max(initial=0) > 32767):
        return "likely saturation at 16 bits: pairs of products are added in 16-bit lanes (vpmaddubsw)"
    linear = _linear_cause(operands, problem, row, column, got, want)
    return linear or _tail_cause(operands, problem, row) or f"off by {got - want:g} of {case.k} products"


def _linear_cause(operands: Operands, problem: int, row: int, column: int, got: float, want: float) -> str:
    """Mistakes of the call: an operand transposed, alpha or beta left out, C transposed, the epilogue left out."""
    case = operands.case
    plain = _plain(operands, problem, row, column)
    if plain is None:
        return ""
    before = float(operands.c_before()[operands.order_c(problem)][row, column].astype(np.float64)) if case.beta else 0.0
    close = 0.05 * abs(got - want) + 2 * ELEMENTS[case.mix.c].unit_roundoff * abs(got)
    tries = {
        "alpha is left out": plain + case.beta * before if case.alpha != 1 else None,
        "beta is left out: C is overwritten": case.alpha * plain if case.beta else None,
        "beta is taken as 1": case.alpha * plain + before if case.beta not in (0.0, 1.0) else None,
        "the epilogue is left out": case.alpha * plain + case.beta * before if case.epilogue else None,
    }
    if not case.epilogue and not case.beta:
        if row < case.n and column < case.m and row != column:
            other = _plain(operands, problem, column, row)
            tries["C is transposed: row-major and column-major mixed up"] = None if other is None else case.alpha * other
        for turned, total in _turned(operands, problem, row, column).items():
            tries[f"{turned}: as if it were stored the other way round"] = case.alpha * total
    for words, value in tries.items():
        if value is not None and abs(value - got) <= close and abs(value - want) > 2 * close:
            return f"likely {words}"
    return ""


def _plain(operands: Operands, problem: int, row: int, column: int) -> float | None:
    """The bare sum of products."""
    a = oracle.rows_of_a(operands, problem, np.array([row]))[0].astype(np.float64)
    b = oracle.columns_of_b(operands, problem, np.array([column]))[0].astype(np.float64)
    total = float((a * b).sum())
    return total if np.isfinite(total) else None


def _turned(operands: Operands, problem: int, row: int, column: int) -> dict[str, float]:
    """Sums of products with A, with B, or with both read transposed, where those elements exist."""
    case, mix = operands.case, operands.case.mix
    if mix.packed or mix.scaled or operands.fill == "full-range":
        return {}
    a = oracle.rows_of_a(operands, problem, np.array([row]))[0].astype(np.float64)
    b = oracle.columns_of_b(operands, problem, np.array([column]))[0].astype(np.float64)
    stored_a, stored_b = operands.a_of(problem), operands.b_of(problem)
    across_a = stored_a[:, row] if case.layout[0] == "n" and row < case.k else stored_a[row] if row < case.k else a[:0]
    across_b = stored_b[column] if case.layout[1] == "n" and column < case.k else stored_b[:, column] if column < case.k else b[:0]
    sums = {}
    if len(across_a) >= case.k:
        sums["A is transposed"] = float((across_a[: case.k].astype(np.float64) * b).sum())
    if len(across_b) >= case.k:
        sums["B is transposed"] = float((a * across_b[: case.k].astype(np.float64)).sum())
    if len(sums) == 2:
        sums["A and B are transposed"] = float((across_a[: case.k].astype(np.float64) * across_b[: case.k].astype(np.float64)).sum())
    return {words: value for words, value in sums.items() if np.isfinite(value)}


def _tail_cause(operands: Operands, problem: int, row: int) -> str:
    """Only a few elements of the row are wrong: which."""
    case, mix = operands.case, operands.case.mix
    if case.n < 4:
        return ""
    before = operands.c_before()[operands.order_c(problem)] if case.beta else None
    reference = oracle.expected(operands, problem, np.array([row]), np.arange(case.n), before)
    want = oracle.wrapped(reference.values) if mix.acc == "s32" else reference.values
    got = decoded(operands.c_of(problem)[row : row + 1], mix.c, case.n)
    wrong = np.flatnonzero(~(np.abs(got - want) <= oracle.bound(case, reference))[0])
    if not 0 < len(wrong) <= case.n // 2:
        return ""
    if len(wrong) == case.n - wrong[0]:
        return f"likely the last columns (a tail): the row is right up to column {wrong[0] - 1}"
    return f"{len(wrong)} of the row's {case.n} elements are wrong"


def _precision_cause(operands: Operands, problem: int, row: int, column: int, got: float, want: float) -> str:
    """Close, but not close enough: which type would have made such an error."""
    case = operands.case
    a = oracle.rows_of_a(operands, problem, np.array([row]))[0].astype(np.float64)
    b = oracle.columns_of_b(operands, problem, np.array([column]))[0].astype(np.float64)
    weight = float(np.abs(a * b).sum()) * abs(case.alpha)
    narrower = {"f64": ("f32", "f16", "bf16"), "f32": ("f16", "bf16")}.get(case.mix.acc, ())
    for name in narrower if case.beta == 0 and not case.epilogue else ():
        kind = np.dtype(getattr(ml_dtypes, ELEMENTS[name].numpy, None) or ELEMENTS[name].numpy)
        rounded = case.alpha * float((a.astype(kind).astype(np.float64) * b.astype(kind).astype(np.float64)).sum())
        if abs(rounded - got) < 0.02 * abs(got - want) and abs(got - want) > 1e-12 * weight:
            return f"likely A and B are rounded to {name} before they are multiplied (a fast mode)"
    for name in narrower:
        if abs(got - want) <= 4 * ELEMENTS[name].unit_roundoff * weight:
            return f"likely sums in {name}: the error is that of its {ELEMENTS[name].digits} digits"
    return ""
