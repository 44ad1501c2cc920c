"""Describe the calls of AOCL's LPGEMM: products of bf16, bytes and single precision, with the epilogue in the same call.

All functions take: order, transa, transb, m, n, k, alpha, a, lda, format of a, b, ldb, format of b, beta, c, ldc, post-operations.
B is given as it lies (format `n`). Reordering it beforehand, as LPGEMM's users would for weights, is left out, and so are its products
with 4-bit weights, which take reordered weights with scales laid out the other way round.

Post-operations are a structure of arrays, one a kind, and a vector that orders them: bias, then the activation, then the residual, all
behind beta · C and in single precision. Its layout has been the same since AOCL 5.1; of other releases it is not known, and there the
epilogue is a pass of its own. Byte products: LPGEMM turns every sum into single precision, even without post-operations (5.2's source,
and seen in 5.3), so that results beyond ±2^24 are rounded: `rounded_sums` says when they may be.

Two products of 5.3.0 read behind their operands, up to 16 bytes (seen with a trapping page there); `reads_behind` says which, and they are
not called, so that all others can be timed: s8 with B transposed and k = 4i + 2, unless n is 1 or a multiple of 16; single precision with
post-operations, A transposed and n = 1 (where m leaves some remainders of 16, and k any).

Source: aocl_gemm_interface_apis.h and aocl_gemm_post_ops.h of AOCL-BLAS 5.2; tried with 5.3.
"""

from __future__ import annotations

import ctypes
import re
from typing import TYPE_CHECKING, ClassVar

from ...configs.cases import Case
from ...configs.dtypes import ELEMENTS
from ..abi import Slot
from .cblas import Routine
from .thunk import Arg

if TYPE_CHECKING:
    from ..operands import Operands

PRODUCTS = {
    "f32": Routine("aocl_gemm_f32f32f32of32", "float"),  # for its epilogues; without one CBLAS is called
    "bf16": Routine("aocl_gemm_bf16bf16f32of32", "float"),
    "bf16bf16": Routine("aocl_gemm_bf16bf16f32obf16", "float"),
    "u8s8": Routine("aocl_gemm_u8s8s32os32", "i32"),
    "s8": Routine("aocl_gemm_s8s8s32os32", "i32"),
}
_KNOWN = ((5, 1), (5, 4))  # releases from, and before, whose structure is the one below
_RELU, _GELU_TANH, _SWISH = 0, 2, 5  # AOCL_ELT_ALGO_TYPE
_ELTWISE, _BIAS, _MATRIX_ADD = 2, 3, 5  # AOCL_POST_OP_TYPE
_STORED = {"f32": 0, "bf16": 1, "s32": 5}  # AOCL_PARAMS_STORAGE_TYPES
_EXACT = 1 << 24  # integers that single precision holds


class _Eltwise(ctypes.Structure):
    _fields_: ClassVar = [
        *(("power_of_2", ctypes.c_bool), ("scale", ctypes.c_void_p), ("scale_length", ctypes.c_int64)),
        *(("alpha", ctypes.c_void_p), ("beta", ctypes.c_void_p), ("algorithm", ctypes.c_int)),
    ]


class _Bias(ctypes.Structure):
    _fields_: ClassVar = [("bias", ctypes.c_void_p), ("stored", ctypes.c_int)]


class _MatrixAdd(ctypes.Structure):
    _fields_: ClassVar = [
        *(("matrix", ctypes.c_void_p), ("scale", ctypes.c_void_p), ("scale_length", ctypes.c_int64)),
        *(("lead", ctypes.c_int64), ("stored", ctypes.c_int)),
    ]


class _PostOps(ctypes.Structure):
    _fields_: ClassVar = [
        *(("sum", ctypes.c_void_p), ("eltwise", ctypes.POINTER(_Eltwise)), ("bias", ctypes.POINTER(_Bias))),
        *(("matrix_add", ctypes.POINTER(_MatrixAdd)), ("matrix_mul", ctypes.c_void_p), ("count", ctypes.c_int64)),
        *(("order", ctypes.POINTER(ctypes.c_int)), ("before", ctypes.c_void_p), ("groups", ctypes.c_void_p)),
        ("eltwise_count", ctypes.c_int64),
    ]


class Epilogue:
    """A case's epilogue as post-operations, one structure for each set of operands that it is bound to."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._stored = _STORED[case.mix.c]
        self._one = ctypes.c_float(1.0)
        self._bound: list[object] = []

    def bind(self, operands: Operands) -> int:
        """The structure's address for these operands."""
        case, block, one = self._case, operands.block, ctypes.addressof(self._one)
        post, order = _PostOps(), []
        for step in case.steps:
            if step == "bias":
                post.bias = ctypes.pointer(_Bias(int(block[Slot.BIAS]), self._stored))
                order.append(_BIAS)
            elif step == "residual":
                post.matrix_add = ctypes.pointer(_MatrixAdd(int(block[Slot.RESIDUAL]), one, 1, case.stride_c, self._stored))
                order.append(_MATRIX_ADD)
            else:
                algorithm = {"relu": _RELU, "gelu": _GELU_TANH, "silu": _SWISH}[step]
                post.eltwise = ctypes.pointer(_Eltwise(False, None, 0, one, None, algorithm))
                post.eltwise_count = 1
                order.append(_ELTWISE)
        post.count, post.order = len(order), (ctypes.c_int * len(order))(*order)
        self._bound.append(post)
        return ctypes.addressof(post)


def fuses(case: Case, version: str) -> bool:
    """Whether this release does the case's epilogue in the product's call; the residual of a batch moves on, which it cannot be told."""
    found = re.match(r"(\d+)\.(\d+)", version)
    known = found is not None and _KNOWN[0] <= (int(found[1]), int(found[2])) < _KNOWN[1]
    alone = case.batch == 1 or "residual" not in case.steps
    return known and bool(case.epilogue) and case.dtype in PRODUCTS and not case.mix.integer and alone and min(case.m, case.n, case.k) > 0


def rounded_sums(case: Case) -> str:
    """A warning where sums of the full range of bytes may be beyond what single precision holds exactly; else empty."""
    a, b = ELEMENTS[case.mix.a], ELEMENTS[case.mix.b]
    largest = case.k * max(abs(a.low), a.high) * max(abs(b.low), b.high)
    if not case.mix.integer or largest <= _EXACT:
        return ""
    return "LPGEMM rounds its 32-bit sums to single precision: results beyond ±2^24 are not exact"


def reads_behind(case: Case, *, fused: bool) -> str:
    """Why LPGEMM must not be called for this case: it would read memory that is not its operands'. Empty where it does not."""
    if case.dtype == "s8" and case.layout[1] == "t" and case.k % 4 == 2 and case.n != 1 and case.n % 16:
        return "LPGEMM reads behind a transposed B of signed bytes where k is 4i + 2"
    if case.dtype == "f32" and fused and case.layout[0] == "t" and case.n == 1:
        return "LPGEMM reads behind a transposed A in single precision where n is 1"
    return ""


def arguments(case: Case, routine: Routine, *, fused: bool) -> list[Arg]:
    """The call's arguments; with `fused` the post-operations lie in slot STATE."""

    def letter(word: str) -> Arg:
        return Arg("i8", ord(word), "signext")

    def operand(name: str) -> list[Arg]:
        pointer = Arg("ptr", name, element_bytes=ELEMENTS[getattr(case.mix, name)].bits / 8)
        return [pointer, Arg("i64", Slot[f"LD{name.upper()}"])]

    return [
        *(letter("r"), letter(case.layout[0]), letter(case.layout[1])),
        *(Arg("i64", slot) for slot in (Slot.M, Slot.N, Slot.K)),
        *(Arg(routine.scalar, Slot.ALPHA), *operand("a"), letter("n"), *operand("b"), letter("n")),
        *(Arg(routine.scalar, Slot.BETA), *operand("c"), Arg("ptr", Slot.STATE if fused else 0)),
    ]
