"""Prove a kernel on small awkward shapes: the correctness gate that a class of cases passes once in every process, before it is timed.

The parts, in order: integer-exact products at awkward sizes, normal numbers against higher precision, bytes over their full range and with
alternating extremes, a C that starts as NaN (it does in every part where beta is 0), operands that begin at a trapping page (in all other
parts they end at one), an infinity and a NaN in one row of A, alpha and beta, leading dimensions with gaps, sizes of 0 and 1, two runs bit
for bit, and all tails (`thorough`: every m and n up to two tiles).

A kernel may refuse a part with NotPossibleError; the check lists what was refused. The plain part, alpha 1 and beta 0, must be served.
Source: reference section 4; the sizes and scalars of Netlib's and BLIS's test programs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from ..configs.cases import Case, Check
from ..configs.dtypes import ELEMENTS
from ..configs.errors import NotPossibleError
from .operands import Operands
from .registry import Prepared
from .verify import call, check_close, check_exact, merged, steadied

Prepare = Callable[[Case], Prepared]

_SIZES = ((5, 7, 3), (1, 1, 1), (17, 33, 19), (8, 16, 64), (31, 1, 40), (1, 37, 129), (49, 48, 32), (13, 97, 260))
_NORMAL = ((23, 29, 37), (6, 50, 130))
_BYTES = ((9, 21, 67), (19, 8, 64), (33, 40, 300))
_SCALARS = ((0.0, 1.0), (1.0, 1.0), (0.7, 0.0), (0.7, 1.3), (0.0, 1.3), (0.0, 0.0), (1.0, 1.3))
_WHOLE_SCALARS = ((0.0, 1.0), (1.0, 1.0), (2.0, 0.0), (2.0, 2.0), (0.0, 0.0))
_TAILS_M, _TAILS_N = 28, 64


@dataclass(slots=True)
class _Gate:
    """A run of the gate: what was found so far."""

    prepare: Prepare
    case: Case
    tell: Callable[[str], None]
    check: Check = field(default_factory=lambda: Check(True, oracle="exact or higher precision, element by element"))
    refused: list[str] = field(default_factory=list)

    def try_part(self, step: str, case: Case, fill: str, *, front: bool = False, canaries: bool = False) -> Operands | None:
        """One product of small size, checked whole; None where it was refused. `canaries` around the operands instead of trapping pages."""
        self.tell(f"{step} at {case.shape}")
        try:
            operands = Operands(case, fill, seed=len(step), front=front, timing=canaries)
            prepared = self.prepare(case)
            call(prepared, operands)
        except NotPossibleError as error:
            self.refused.append(f"{step} ({error.message})")
            return None
        exact = fill == "integers" or (fill != "normal" and case.mix.integer)
        found = check_exact(operands, step) if exact else check_close(operands, step)
        if not found.passed:
            found = replace(steadied(prepared, operands, found), failed=f"{step} at {case.shape}")
        self.check = merged(self.check, found)
        return operands


def prove(prepare: Prepare, case: Case, *, thorough: bool = False, tell: Callable[[str], None] = lambda _step: None) -> Check:
    """The gate for all cases of the same type, layout, kind of batch, epilogue and threads as `case`; `prepare` gives its kernel.

    `tell` hears of each product before it is computed: what was said last is what a process died of.
    """
    gate = _Gate(prepare, replace(case, lda=0, ldb=0, ldc=0, temperature="hot"), tell)
    for part in (
        _canaries,
        _exact,
        _normal,
        _full_range,
        _front,
        _special,
        _scalars,
        _gaps,
        _nothing,
        _twice,
        *((_tails,) if thorough else ()),
    ):
        part(gate)
        if not gate.check.passed:
            return gate.check
        if part is _exact and len(gate.refused) == len(_SIZES) + 1:  # and that with canaries
            return Check(False, failed="integer-exact", where="every plain product was refused", cause=gate.refused[0])
    steps = dict.fromkeys(gate.check.steps)
    if gate.refused:
        steps[f"{len(gate.refused)} parts refused: {gate.refused[0]}"] = None
    return replace(gate.check, steps=tuple(steps))


def _sized(gate: _Gate, sizes: tuple[tuple[int, int, int], ...]) -> Iterator[Case]:
    for m, n, k in sizes:
        yield replace(gate.case, m=m, n=n, k=k, alpha=1.0, beta=0.0)


def _canaries(gate: _Gate) -> None:
    """First with canaries around the operands: a kernel that writes beside C is told so, where a trapping page would only end it."""
    for case in _sized(gate, ((12, 20, 9),)):
        gate.try_part("integer-exact", case, "integers", canaries=True)


def _exact(gate: _Gate) -> None:
    for case in _sized(gate, _SIZES):
        if gate.check.passed:
            gate.try_part("integer-exact", case, "integers")


def _normal(gate: _Gate) -> None:
    if gate.case.mix.integer:
        return
    for case in _sized(gate, _NORMAL):
        if gate.check.passed:
            gate.try_part("normal numbers", case, "normal")


def _full_range(gate: _Gate) -> None:
    """Bytes from end to end: 16-bit saturation cannot be seen with the small numbers that test programs like."""
    mix = gate.case.mix
    if ELEMENTS[mix.a].digits or ELEMENTS[mix.b].digits:
        return
    for case in _sized(gate, _BYTES):
        for fill in ("full-range", "alternating"):
            if gate.check.passed and mix.integer:
                gate.try_part(f"{fill} integers", case, fill)


def _front(gate: _Gate) -> None:
    for case in _sized(gate, ((11, 18, 21),)):
        gate.try_part("begins at a trapping page", case, "integers", front=True)


def _special(gate: _Gate) -> None:
    """An infinity and a NaN in A reach their own row, and no other."""
    a = ELEMENTS[gate.case.mix.a]
    if a.digits < 8 or gate.case.batch > 1 or gate.case.epilogue or a.bits < 16:
        return
    case = replace(gate.case, m=9, n=20, k=14, alpha=1.0, beta=0.0)
    for value in (np.inf, np.nan):
        operands = Operands(case, "normal", seed=3)
        operands.set_a(4, 6, value)
        try:
            call(gate.prepare(case), operands)
        except NotPossibleError as error:
            gate.refused.append(f"infinity and NaN ({error.message})")
            return
        finite = np.isfinite(operands.c_of(0).astype(np.float64))
        kept = not finite[4].any() and np.delete(finite, 4, axis=0).all()
        if not kept:
            rows = np.flatnonzero(~finite.all(axis=1))
            where = "it is lost: row 4 is finite" if finite[4].any() else f"it reaches rows {rows.tolist()}, not row 4 alone"
            gate.check = Check(False, failed=f"{value} in row 4 of A", where=where, cause="likely padding or masking that multiplies by 0")
            return
    gate.check = merged(gate.check, Check(True, steps=("infinity and NaN stay in their row",)))


def _scalars(gate: _Gate) -> None:
    """alpha and beta. Where the case itself asks for neither, a kernel without them loses nothing: failures count, refusals do not."""
    pairs = list(_WHOLE_SCALARS if gate.case.mix.integer else _SCALARS)
    own = (gate.case.alpha, gate.case.beta)
    for alpha, beta in [*pairs, *([own] if own not in pairs and own != (1.0, 0.0) else [])]:
        if gate.check.passed:
            case = replace(gate.case, m=7, n=18, k=11, alpha=alpha, beta=beta)
            gate.try_part(f"alpha {alpha:g}, beta {beta:g}", case, "integers" if gate.case.mix.integer else "normal")


def _gaps(gate: _Gate) -> None:
    case = replace(gate.case, m=7, n=12, k=10, alpha=1.0, beta=0.0)
    for extra in (2, 64):
        gapped = replace(case, lda=case.rows_a[1] + extra, ldb=case.rows_b[1] + extra, ldc=case.n + extra)
        if gate.check.passed:
            gate.try_part("rows with gaps", gapped, "integers")


def _nothing(gate: _Gate) -> None:
    """Sizes of 0: C stays as it is (m or n), or becomes beta·C (k)."""
    for m, n, k in ((0, 3, 2), (3, 0, 2), (3, 4, 0)):
        if gate.check.passed:
            gate.try_part("sizes of 0", replace(gate.case, m=m, n=n, k=k, alpha=1.0, beta=0.0), "integers")


def _twice(gate: _Gate) -> None:
    """Two runs on the same operands: the same bits, or not; either is told, neither is a failure."""
    case = replace(gate.case, m=37, n=41, k=53, alpha=1.0, beta=0.0)
    try:
        operands = Operands(case, "normal", seed=5)
        prepared = gate.prepare(case)
        call(prepared, operands)
        first = operands.c.tobytes()
        operands.reset()
        call(prepared, operands)
    except NotPossibleError as error:
        gate.refused.append(f"two runs ({error.message})")
        return
    gate.check = replace(gate.check, bitwise="yes" if operands.c.tobytes() == first else "no")


def _tails(gate: _Gate) -> None:
    for m in range(1, _TAILS_M + 1):
        for n in range(1, _TAILS_N + 1):
            if not gate.check.passed:
                return
            gate.try_part("all tails", replace(gate.case, m=m, n=n, k=5 + (m + n) % 4, alpha=1.0, beta=0.0), "integers")
