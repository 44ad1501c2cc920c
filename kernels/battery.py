"""Prove a kernel on small awkward shapes: the correctness gate that a class of cases passes once in every process, before it is timed.

The parts, in the reference's order: integer-exact products at sizes that leave tails of vectors, tiles and blocks of k (and one more and
one less than a group where scales have groups), normal numbers against higher precision, bytes over their full range and with alternating
extremes, a C that starts as NaN (it does in every part where beta is 0), operands that begin at a trapping page (in all other parts they
end at one), an infinity and a NaN in one row of A, alpha and beta, leading dimensions with gaps, sizes of 0 and 1, two runs bit for bit
(and one thread against several), and all tails (`thorough`: every m and n up to two tiles). One product stands before all others, with
canaries instead of trapping pages around its operands: a kernel that writes beside C is then told so, where the page would only end it.

A kernel may refuse a part with NotPossibleError; the check lists what was refused, and which parts mean nothing for the class ("not
applicable"). One plain product, alpha 1 and beta 0, must be served. The layout is that of the class: the others are classes of their own.
Source: reference section 4; the sizes and scalars of Netlib's and BLIS's test programs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..configs.cases import Case, Check
from ..configs.dtypes import ELEMENTS, Element, Mix
from ..configs.errors import NotPossibleError
from . import oracle
from .causes import CANARIES
from .fills import storage
from .operands import Operands
from .registry import Prepared
from .verify import call, check_close, check_exact, merged, steadied

Prepare = Callable[[Case], Prepared]
Sizes = tuple[tuple[int, int, int], ...]

# m and n are off 8, 16, 32, 48 and 64 by little, k off 64, 128 and 256. oneDNN 3.13 with AMX is wrong at k = 65 with n of 40 to 48 alone.
_SIZES: Sizes = ((5, 7, 3), (1, 1, 1), (33, 47, 65), (17, 40, 65), (31, 1, 40), (1, 37, 129), (50, 96, 129), (31, 64, 257))
_NORMAL: Sizes = ((23, 29, 37), (6, 50, 130))
_BYTES: Sizes = ((9, 21, 67), (19, 8, 64), (33, 40, 300))
_LONG_SUM: Sizes = ((5, 17, 1300),)  # of bytes near 127: beyond 2^24, where single precision holds even numbers only
_SCALARS = ((0.0, 1.0), (1.0, 1.0), (0.7, 0.0), (0.7, 1.3), (0.0, 1.3), (0.0, 0.0), (1.0, 1.3))
_WHOLE_SCALARS = ((0.0, 1.0), (1.0, 1.0), (2.0, 0.0), (2.0, 2.0), (0.0, 0.0))
_ONCE: Sizes = ((37, 41, 53),)
_SHARED: Sizes = ((96, 128, 256),)  # large enough for libraries to use several threads: OpenBLAS does from 2^18 multiplications on
_USUAL_TILE = (14, 32)
_MOST_TAILS = (64, 192)  # rows and columns of two tiles, at most
_DEPTHS = (1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 31, 33, 63, 64, 65)
_SPECIAL_ROW, _SPECIAL_K = 4, 6
_ACTIVATIONS = {"relu", "gelu", "silu"}


@dataclass(slots=True)
class _Gate:
    """A run of the gate: what was found so far. `tile` is that of the kernel, as its parameters say it ("6x64"; "" where they do not)."""

    prepare: Prepare
    case: Case
    tell: Callable[[str], None]
    check: Check = field(default_factory=lambda: Check(True, oracle="exact or higher precision, element by element"))
    refused: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    served: int = 0
    tile: str = ""

    def try_part(self, step: str, case: Case, fill: str, *, front: bool = False, canaries: bool = False) -> Operands | None:
        """One product of small size, checked whole; None where it was refused. `canaries` around the operands instead of trapping pages."""
        self.tell(f"{step} at {case.shape}" + (CANARIES if canaries else ""))
        try:
            operands = Operands(case, fill, seed=len(step), front=front, timing=canaries)
            prepared = self.prepare(case)
            call(prepared, operands)
        except NotPossibleError as error:
            self.refused.append(f"{step} ({error.message})")
            return None
        self.served += 1
        self.tile = str(prepared.variant.params.get("tile", self.tile))
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
        _same_bits,
        *((_tails,) if thorough else ()),
    ):
        part(gate)
        if not gate.check.passed:
            return gate.check
        if part is _exact and not gate.served:
            return Check(False, failed="integer-exact", where="every plain product was refused", cause=gate.refused[0])
    steps = dict.fromkeys(gate.check.steps)
    if gate.left_out:
        steps["not applicable: " + ", ".join(gate.left_out)] = None
    if gate.refused:
        steps[f"{len(gate.refused)} parts refused: {gate.refused[0]}"] = None
    return replace(gate.check, steps=tuple(steps))


def _sized(gate: _Gate, sizes: Sizes) -> Iterator[Case]:
    for m, n, k in sizes:
        yield replace(gate.case, m=m, n=n, k=k, alpha=1.0, beta=0.0)


def _groups(mix: Mix) -> list[int]:
    """The lengths of the groups along k that share a scale."""
    return sorted({group for group in (mix.group_a, mix.group_b) if group > 0})


def _canaries(gate: _Gate) -> None:
    for case in _sized(gate, ((12, 20, 9),)):
        gate.try_part("integer-exact", case, "integers", canaries=True)


def _exact(gate: _Gate) -> None:
    """Equality; with groups also at their ends, and at two whole ones, which is all that some libraries serve beyond the first."""
    at_groups = tuple(size for g in _groups(gate.case.mix) for size in ((19, 23, g - 1), (18, 21, g + 1), (20, 24, 2 * g)))
    for case in _sized(gate, (*_SIZES, *at_groups)):
        if gate.check.passed:
            gate.try_part("integer-exact", case, "integers")


def _normal(gate: _Gate) -> None:
    if gate.case.mix.integer:
        gate.left_out.append("normal numbers (integers)")
        return
    for case in _sized(gate, _NORMAL):
        if gate.check.passed:
            gate.try_part("normal numbers", case, "normal")


def _full_range(gate: _Gate) -> None:
    """Bytes from end to end: neither 16-bit saturation nor sums in single precision show with the small numbers of test programs."""
    if not gate.case.mix.integer:
        gate.left_out.append("full-range bytes (not a product of bytes)")
        return
    for case in _sized(gate, _BYTES):
        for fill in ("full-range", "alternating"):
            if gate.check.passed:
                gate.try_part(f"{fill} integers", case, fill)
    if not has_long_sums(gate.case):
        gate.left_out.append("sums beyond 2^24 (k is too small for them)")
        return
    for case in _sized(gate, _LONG_SUM):
        if gate.check.passed:
            gate.try_part("sums beyond 2^24", case, "largest")


def has_long_sums(case: Case) -> bool:
    """Whether a sum of bytes can be more than single precision holds: such cases are a class of their own."""
    most = [max(-ELEMENTS[e].low, ELEMENTS[e].high) for e in (case.mix.a, case.mix.b)]
    return case.mix.integer and case.k * most[0] * most[1] > 2**24


def _front(gate: _Gate) -> None:
    for case in _sized(gate, ((11, 18, 21),)):
        gate.try_part("begins at a trapping page", case, "integers", front=True)


def special_values(element: Element) -> tuple[float, ...]:
    """Infinity and NaN, as far as the element holds them: e4m3 has NaN alone, integers and 4-bit floats have neither."""
    if element.kind != "float" or element.bits < 8:
        return ()
    held = np.array([np.inf, np.nan]).astype(storage(element.name)).astype(np.float64)
    return ((float("inf"),) if np.isinf(held[0]) else ()) + ((float("nan"),) if np.isnan(held[1]) else ())


def _special(gate: _Gate) -> None:
    """An infinity and a NaN in A reach their own row of C (in a batch, of the problems that share this A), and nothing else."""
    values = special_values(ELEMENTS[gate.case.mix.a])
    if not values:
        gate.left_out.append(f"infinity and NaN ({gate.case.mix.a} has neither)")
        return
    step = "infinity and NaN stay in their row" if len(values) == 2 else "NaN stays in its row"
    case = replace(gate.case, m=9, n=20, k=14, alpha=1.0, beta=0.0)
    for value in values:
        part = f"{value} in row {_SPECIAL_ROW} of A"
        gate.tell(f"{part} at {case.shape}")
        operands = Operands(case, "normal", seed=3)
        operands.set_a(_SPECIAL_ROW, _SPECIAL_K, value)
        try:
            call(gate.prepare(case), operands)
        except NotPossibleError as error:
            gate.refused.append(f"{step} ({error.message})")
            return
        where = _strayed(operands, value)
        if where:
            gate.check = Check(False, failed=part, where=where, cause="likely padding or masking that multiplies by 0")
            return
    gate.check = merged(gate.check, Check(True, steps=(step,)))


def _strayed(operands: Operands, value: float) -> str:
    """Empty, or where a special value of A went wrong: lost from its row, or seen outside of it.

    An activation may make a number of -infinity and of NaN, so with one only +infinity must be seen, and where B is positive.
    """
    case = operands.case
    for problem in range(case.batch):
        which = f" of problem {problem}" if case.batch > 1 else ""
        with np.errstate(invalid="ignore"):  # signalling NaNs of a C that was not written
            finite = np.isfinite(operands.c_of(problem).astype(np.float64))
        touched = problem == 0 or case.batch_kind == "same-a"
        rows = np.flatnonzero(~finite.all(axis=1))
        if set(rows.tolist()) - ({_SPECIAL_ROW} if touched else set()):
            alone = f"not row {_SPECIAL_ROW} alone" if touched else "which have no part in it"
            return f"it reaches rows {rows.tolist()}{which}, {alone}"
        if touched and (finite[_SPECIAL_ROW] & _must_show(operands, problem, value)).any():
            return f"it is lost: row {_SPECIAL_ROW}{which} is finite"
    return ""


def _must_show(operands: Operands, problem: int, value: float) -> NDArray[Any]:
    """Columns of the special row that cannot be finite."""
    case = operands.case
    if not _ACTIVATIONS & set(case.steps):
        return np.ones(case.n, dtype=bool)
    if np.isnan(value):
        return np.zeros(case.n, dtype=bool)
    return np.asarray(oracle.columns_of_b(operands, problem, np.arange(case.n))[:, _SPECIAL_K] > 0)


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


def _same_bits(gate: _Gate) -> None:
    """Two runs on the same operands, and one thread against the case's: the same bits, or not; either is told, neither is a failure.

    One thread comes first: a library whose number of threads is one for all its calls shall be left with the case's.
    """
    threads = gate.case.threads
    for case in _sized(gate, _ONCE if threads == 1 else _SHARED):
        gate.tell(f"two runs at {case.shape}")
        operands = Operands(case, "normal", seed=5)
        alone = _bits(gate, replace(case, threads=1), operands, "one thread") if threads > 1 else []
        runs = _bits(gate, case, operands, "two runs", times=2)
        if runs:
            gate.check = replace(gate.check, bitwise="yes" if runs[0] == runs[1] else "no")
        if runs and alone:
            gate.check = replace(gate.check, threads_bitwise="yes" if alone[0] == runs[0] else "no")


def _bits(gate: _Gate, case: Case, operands: Operands, part: str, times: int = 1) -> list[bytes]:
    """What `times` runs leave in C; nothing where the kernel refuses."""
    found = []
    try:
        prepared = gate.prepare(case)
        for _ in range(times):
            operands.reset()
            call(prepared, operands)
            found.append(operands.c.tobytes())
    except NotPossibleError as error:
        gate.refused.append(f"{part} ({error.message})")
        return []
    return found


def _two_tiles(tile: str) -> tuple[int, int]:
    """Rows and columns of two tiles of the kernel, of a usual one where it does not say its own."""
    rows, _, columns = tile.partition("x")
    sizes = (int(rows), int(columns)) if rows.isdecimal() and columns.isdecimal() else _USUAL_TILE
    return min(2 * sizes[0], _MOST_TAILS[0]), min(2 * sizes[1], _MOST_TAILS[1])


def _tails(gate: _Gate) -> None:
    """Every m and n up to two tiles. k goes round its own tails, so that each m, and each n, meets all of them or as many as there are."""
    most_m, most_n = _two_tiles(gate.tile)
    depths = [*_DEPTHS, *(k for g in _groups(gate.case.mix) for k in (g - 1, g + 1) if k not in _DEPTHS)]
    for m in range(1, most_m + 1):
        for n in range(1, most_n + 1):
            if not gate.check.passed:
                return
            k = depths[(7 * m + n) % len(depths)]
            gate.try_part("all tails", replace(gate.case, m=m, n=n, k=k, alpha=1.0, beta=0.0), "integers")
