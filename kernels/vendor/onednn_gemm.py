"""Call oneDNN's gemm functions, which need no primitive: sgemm, and those of bytes and bf16 that it exports without documenting them.

They are what some programs call instead of matmul. In 3.2 `dnnl_gemm_u8s8s32` on a chip with AVX2 alone returns success and wrong numbers
(pairs of products are added in 16 bits); it is asked for the full range here as anywhere, and the gate judges it. Row-major; bytes with
zero offsets; integers with alpha 1, because alpha is in single precision.
Source: dnnl.h of 3.x (`dnnl_sgemm`, `dnnl_gemm_u8s8s32`); `dnnl_gemm_bf16bf16f32` by its symbol.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...configs.cases import Case
from ...configs.errors import NotPossibleError
from ..abi import Slot
from ..host import Host
from ..registry import Prepared
from .cblas import Routine
from .files import address
from .framework import confine
from .onednn import OneDnn
from .thunk import Arg, CCall, Held

_BYTES = ("s8", "u8s8")


class OneDnnGemm(OneDnn):
    """oneDNN's gemm functions."""

    name = "onednn-gemm"
    title = "oneDNN's gemm functions"
    unfused = False
    routines: ClassVar[dict[str, Routine]] = {
        "f32": Routine("sgemm", "float"),
        "bf16": Routine("gemm_bf16bf16f32", "float"),
        "u8s8": Routine("gemm_u8s8s32", "float"),
        "s8": Routine("gemm_s8s8s32", "float"),
    }

    def serves(self, case: Case) -> str:
        """Its four types; a loop over batches."""
        if case.dtype not in self.routines:
            return f"{self.title} have no product of {case.mix.summary}"
        if case.mix.integer and (case.alpha != 1.0 or case.beta not in (0.0, 1.0)):
            return "oneDNN scales integers in single precision"
        return ""

    def prepare(self, case: Case, host: Host, *, fused: bool = True) -> Prepared:
        """The function's thunk."""
        del fused
        if case.beta == 0.0 and case.k == 0:
            raise NotPossibleError("oneDNN computes nothing where a size is 0")
        confine(host.cpus[-case.threads :] if case.threads == 1 else host.cpus)
        symbol, routine = self.function(case)
        zero = np.zeros(1, dtype=np.int32)
        table = [address(self.handle, symbol), zero.ctypes.data]
        call = CCall(0, _arguments(case, routine), "i32")
        params = {"symbol": symbol, **({"batch": "a loop"} if case.batch > 1 else {})}
        prepared = self.thunk(case, [call], table, params)
        prepared.keep.append(zero)
        return prepared


def _arguments(case: Case, routine: Routine) -> list[Arg]:
    """transa, transb, (offset,) m, n, k, alpha, a, lda, (ao,) b, ldb, (bo,) beta, c, ldc(, offsets of c)."""
    size = {"a": 1.0 if case.dtype in _BYTES else 4.0 if case.dtype == "f32" else 2.0, "c": 4.0}

    def operand(name: str) -> list[Arg]:
        pointer = Arg("ptr", name, element_bytes=size["c" if name == "c" else "a"])
        return [pointer, Arg("i64", Slot[f"LD{name.upper()}"])]

    bytes_ = case.dtype in _BYTES
    zero = [Arg("i8", 0, "signext")] if bytes_ else []
    sides = [Arg("i8", ord(side.upper()), "signext") for side in case.layout]
    return [
        *(*sides, *([Arg("i8", ord("F"), "signext")] if bytes_ else [])),
        *(Arg("i64", slot) for slot in (Slot.M, Slot.N, Slot.K)),
        *(Arg(routine.scalar, Slot.ALPHA), *operand("a"), *zero, *operand("b"), *zero),
        *(Arg(routine.scalar, Slot.BETA), *operand("c"), *([Arg("ptr", Held(1))] if bytes_ else [])),
    ]


LIBRARY = OneDnnGemm()
