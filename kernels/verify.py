"""Prove that a kernel is right on the very operands that it will be timed with, at little cost.

`verify` does what the reference's gate asks at the case's own size: an integer-exact product (every sum exact in the accumulator, so
equality is asked for), and a product of normal numbers against higher precision on sampled rows and columns with a bound from the
accumulator's unit roundoff. Exact products are checked whole by Freivalds' method in int64 arithmetic modulo 2^64: C·t against A·(B·t)
with a random t, which costs three passes over the operands and hardly ever misses a wrong element. `battery` does the rest on small shapes.

Source: R. Freivalds, Probabilistic machines can use less running time, IFIP 1977; N. Higham, Accuracy and Stability of Numerical
Algorithms, 2nd ed., section 3.1; reference section 4.
"""

from __future__ import annotations

import ctypes
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..configs.cases import Case, Check
from ..configs.dtypes import ELEMENTS
from . import oracle
from .abi import Slot
from .causes import likely_cause
from .fills import decoded
from .operands import Operands
from .registry import Prepared, PythonCall

Array = NDArray[Any]
_WORK = 1 << 24  # multiplications that a sampled check may cost
_MOST_COLUMNS = 48
_MUST_NOT = "it writes where it must not"


def bind(prepared: Prepared, operands: Operands) -> None:
    """Set what the argument block lacks: the kernel's own state for these operands, and its table of functions."""
    if operands.bound is prepared:
        return
    if prepared.bind is not None:
        operands.block[Slot.STATE] = prepared.bind(operands)
    if prepared.table is not None:
        operands.block[Slot.TABLE] = prepared.table.ctypes.data
    operands.bound = prepared


def call(prepared: Prepared, operands: Operands) -> None:
    """Do the product once, whatever can call it; the result is in the operands' C afterwards."""
    if prepared.python is not None:
        once: PythonCall = prepared.python(operands)
        once(1)
        once.fetch()
        return
    bind(prepared, operands)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(prepared.address)(operands.block.ctypes.data)


def verify(prepared: Prepared, operands: Operands, seed: int = 0) -> Check:
    """The gate at the case's own size; the operands hold normal numbers afterwards. See the module's text."""
    operands.refill("integers", seed)
    call(prepared, operands)
    found = check_exact(operands, "integer-exact", seed)
    if found.passed:
        operands.refill("normal" if not operands.case.mix.integer else "full-range", seed + 1)
        call(prepared, operands)
        found = merged(found, _checked(operands, "full range" if operands.case.mix.integer else "normal numbers", seed))
    return found if found.passed else steadied(prepared, operands, found)


def _checked(operands: Operands, step: str, seed: int) -> Check:
    """The check that suits what the operands hold."""
    exact = operands.case.mix.integer or operands.fill == "integers"
    return check_exact(operands, step, seed) if exact else check_close(operands, step, seed)


def verify_again(prepared: Prepared, operands: Operands, seed: int = 0) -> Check:
    """After the timed calls: is what they left in C right, and does the kernel still compute? C is poisoned and computed once more.

    Kernels that go wrong after a while, and kernels that remember the answer for operands that they have seen, are found so. Where beta is
    not 0 the timed calls have changed C again and again, so only the new product is looked at. Costs one call and one check of `verify`,
    and a second check only where the new product differs in its bits.
    """
    bad = damaged(operands, "after the timed calls")
    if bad is not None:
        return bad
    left = None if operands.case.beta else operands.c.copy()
    operands.reset()
    call(prepared, operands)
    found = _checked(operands, "once more after the timed calls", seed)
    if not found.passed or left is None or left.tobytes() == operands.c.tobytes():
        return found
    operands.c[...] = left
    return merged(found, _checked(operands, "after the timed calls", seed))


def steadied(prepared: Prepared, operands: Operands, failed: Check) -> Check:
    """A failed check whose cause is replaced where a second run gives other numbers: then it is chance, not arithmetic, that is wrong."""
    if failed.cause == _MUST_NOT or not operands.c.size:
        return failed
    first = operands.c.tobytes()
    operands.reset()
    call(prepared, operands)
    if first == operands.c.tobytes():
        return failed
    return replace(failed, cause="likely chance: a second run gave other numbers (a race, or memory that was never set)")


def merged(first: Check, second: Check) -> Check:
    """Two checks as one: the second's failure, the steps of both, the larger error, what is known of their bits."""
    if not second.passed:
        return second
    error, limit = max((first.error, first.bound), (second.error, second.bound))
    same, threads = second.bitwise or first.bitwise, second.threads_bitwise or first.threads_bitwise
    steps = (*first.steps, *second.steps)
    return Check(True, error, limit, second.unit or first.unit, second.oracle or first.oracle, steps, bitwise=same, threads_bitwise=threads)


def passed(step: str, how: str, error: float = 0.0, limit: float = 0.0, unit: str = "") -> Check:
    """A part of the gate that went well."""
    return Check(True, error, limit, unit, how, (step,))


def failure(operands: Operands, step: str, problem: int, row: int, column: int, want: float, how: str) -> Check:
    """The first wrong element in words, and the likely cause."""
    got = float(decoded(operands.c_of(problem)[row : row + 1], operands.case.mix.c, operands.case.n)[0, column])
    where = f"row {row}, column {column}" + (f", problem {problem}" if operands.case.batch > 1 else "")
    where += f": {got:.9g} instead of {want:.9g}"
    cause = likely_cause(operands, problem, row, column, want)
    return Check(False, abs(got - want), 0.0, "", how, failed=step, where=where, cause=cause)


def damaged(operands: Operands, step: str) -> Check | None:
    """What the operands' guards saw, as a failed check."""
    seen = operands.damage()
    return Check(False, failed=step, where=seen, cause=_MUST_NOT) if seen else None


def check_exact(operands: Operands, step: str, seed: int = 0) -> Check:
    """Equality with the exact product: whole by Freivalds where the result is linear and an integer, else on sampled rows and columns."""
    bad = damaged(operands, step)
    if bad is not None:
        return bad
    case = operands.case
    if any(s in case.steps for s in ("gelu", "silu")):
        return check_close(operands, step, seed)
    linear = not case.epilogue and ELEMENTS[case.mix.c].bits >= 32 and float(case.alpha).is_integer() and float(case.beta).is_integer()
    if not linear:
        return _sampled(operands, step, seed, exact=float(case.alpha).is_integer() and float(case.beta).is_integer())
    before = operands.c_before() if case.beta else None
    for problem in range(case.batch):
        row = _freivalds(operands, problem, None if before is None else before[operands.order_c(problem)], seed)
        if row >= 0:
            return _first_in_row(operands, step, problem, row, before)
    return passed(step, "int64 arithmetic, all elements")


def _whole(values: Array) -> Array | None:
    """Decoded values as int64; None where one is no integer (a poisoned C)."""
    if values.dtype == np.int64:
        return values
    if not np.isfinite(values).all():
        return None
    return np.asarray(values.astype(np.int64))


def _freivalds(operands: Operands, problem: int, before: Array | None, seed: int) -> int:
    """The first row in which C·t differs from alpha·A·(B·t) + beta·C0·t, modulo 2^64 (2^32 for 32-bit sums that may wrap); -1 for none."""
    case, mix = operands.case, operands.case.mix
    t = np.random.default_rng((seed, problem)).integers(1, 1 << 31, size=case.n) | 1  # odd: modulo 2^32 too, no single error gets lost
    c = operands.c_of(problem)
    everything = np.arange(case.m)
    found = decoded(c, mix.c, case.n)
    bad = np.zeros(0, dtype=np.int64)
    if found.dtype != np.int64:
        bad = np.flatnonzero(~((np.abs(found) < 2.0**62) & (found == np.rint(found))).all(axis=1))  # NaN is bad too
        if bad.size:  # no integer at all: but an earlier row may be wrong by another integer
            found[bad] = 0.0
        found = found.astype(np.int64)
    with np.errstate(over="ignore"):
        left = found @ t
        right = np.zeros(case.m, dtype=np.int64)
        if case.alpha and case.k:
            a = _whole(oracle.rows_of_a(operands, problem, everything))
            bt = _times_b(operands, problem, t)
            assert a is not None
            right = int(case.alpha) * (a @ bt)
        if before is not None:
            whole = _whole(decoded(before, mix.c, case.n))
            assert whole is not None
            right = right + int(case.beta) * (whole @ t)
        difference = (left - right).astype(np.uint64)
    if mix.acc == "s32":  # each sum is only known modulo 2^32
        difference &= np.uint64(0xFFFFFFFF)
    if bad.size:
        difference[bad] = 1
    wrong = np.flatnonzero(difference)
    return int(wrong[0]) if wrong.size else -1


def _times_b(operands: Operands, problem: int, t: Array) -> Array:
    """B·t in int64, a slice of columns at a time so that the decoded copy stays small."""
    case = operands.case
    total = np.zeros(case.k, dtype=np.int64)
    step = max(1, (1 << 22) // max(case.k, 1))
    for start in range(0, case.n, step):
        columns = np.arange(start, min(case.n, start + step))
        part = _whole(oracle.columns_of_b(operands, problem, columns))
        assert part is not None
        total += t[columns] @ part
    return total


def _first_in_row(operands: Operands, step: str, problem: int, row: int, before: Array | None) -> Check:
    rows, columns = np.array([row]), np.arange(operands.case.n)
    own = None if before is None else before[operands.order_c(problem)]
    want = oracle.expected(operands, problem, rows, columns, own).values[0]
    if operands.case.mix.acc == "s32":
        want = oracle.wrapped(want)
    got = decoded(operands.c_of(problem)[row : row + 1], operands.case.mix.c, operands.case.n)[0]
    column = int(np.flatnonzero(~(got == want))[0])
    return failure(operands, step, problem, row, column, float(want[column]), "int64 arithmetic, all elements")


def _samples(case: Case, seed: int) -> tuple[Array, Array]:
    """Rows and columns to look at: the first, the last, the tails, and some in between; all where that is cheap."""
    if case.m * case.n * max(case.k, 1) <= _WORK // 8:
        return np.arange(case.m), np.arange(case.n)
    random = np.random.default_rng((seed, 5))
    most_rows = max(4, min(case.m, _WORK // max(1, max(case.k, 1) * min(case.n, _MOST_COLUMNS))))
    most_rows = min(most_rows, 64)

    def pick(size: int, most: int) -> Array:
        fixed = {0, 1, size - 1, size - 2, size - 17, size // 2} & set(range(size))
        some = random.integers(0, size, size=max(0, most - len(fixed)))
        return np.array(sorted(fixed | set(some.tolist())))

    return pick(case.m, most_rows), pick(case.n, min(case.n, _MOST_COLUMNS))


def check_close(operands: Operands, step: str, seed: int = 0) -> Check:
    """Sampled elements within the bound of `oracle.bound`, and all of C written and finite where it must be."""
    bad = damaged(operands, step)
    return bad if bad is not None else _sampled(operands, step, seed, exact=False)


def _sampled(operands: Operands, step: str, seed: int, *, exact: bool) -> Check:
    case, mix = operands.case, operands.case.mix
    rows, columns = _samples(case, seed)
    before = operands.c_before() if case.beta else None
    worst = (0.0, 0.0)
    how = "double-double arithmetic" if mix.acc == "f64" else "f64 arithmetic"
    for problem in sorted({0, case.batch - 1, case.batch // 2}):
        holes = _unwritten(operands, problem)
        own = None if before is None else before[operands.order_c(problem)]
        if holes is not None:
            want = oracle.expected(operands, problem, np.array([holes[0]]), np.array([holes[1]]), own).values[0, 0]
            return failure(operands, step, problem, *holes, float(want), how)
        reference = oracle.expected(operands, problem, rows, columns, own)
        got = decoded(np.ascontiguousarray(operands.c_of(problem)[np.ix_(rows, columns)]), mix.c, len(columns))
        want = oracle.wrapped(reference.values) if mix.acc == "s32" else reference.values
        allowed = _rounding(case, want) if exact else oracle.bound(case, reference)
        error = np.abs(got - want)
        wrong = np.argwhere(~(error <= allowed))
        if wrong.size:
            i, j = (int(x) for x in wrong[0])
            return failure(operands, step, problem, int(rows[i]), int(columns[j]), float(want[i, j]), how)
        if not exact and error.size:
            ratios = error / np.maximum(allowed, 1e-300)
            worst = max(worst, (float(ratios.max()), 1.0))
    return passed(step, how, worst[0], worst[1], "of the bound" if worst[1] else "")


def _rounding(case: Case, want: Array) -> Array:
    """An exact sum that is rounded once to the result's type."""
    return np.asarray(ELEMENTS[case.mix.c].unit_roundoff * np.abs(want) * (1.0 if ELEMENTS[case.mix.c].bits < 32 else 0.0))


def _unwritten(operands: Operands, problem: int) -> tuple[int, int] | None:
    """The first element of C that is not a finite number; None where all are (integers always are)."""
    c = operands.c_of(problem)
    if ELEMENTS[operands.case.mix.c].digits == 0 or not c.size:
        return None
    step = max(1, (1 << 22) // max(1, c.shape[1]))
    for start in range(0, c.shape[0], step):
        with np.errstate(invalid="ignore", over="ignore"):
            bad = np.argwhere(~np.isfinite(c[start : start + step]))
        if bad.size:
            return start + int(bad[0][0]), int(bad[0][1])
    return None
