"""Call a library's own batch of matrix products: `cblas_sgemm_batch`, with one group of problems of the same size.

The call takes lists of pointers, which every set of operands has, whatever the kind of batch: `same-a` names one matrix again and again.
Sizes, leading dimensions and scalars are arrays with one element for each group, all of them constants of the case. Two libraries have it
with the same arguments (oneMKL, AOCL-BLAS); they spread the problems over threads as they like.
Source: oneMKL developer reference, `cblas_?gemm_batch`; AOCL-BLAS cblas.h.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...configs.cases import Case
from ..abi import Slot
from ..host import Host
from ..registry import Prepared
from .cblas import NO_TRANS, ROW_MAJOR, TRANS, Cblas
from .files import address, has
from .framework import confine
from .thunk import Arg, CCall, Held

_SCALARS = {"float": np.float32, "double": np.float64}


class GroupBatch(Cblas):
    """A CBLAS with `cblas_?gemm_batch`, which is called where there is no call for the case's strided batch."""

    def prepare(self, case: Case, host: Host, *, fused: bool = True) -> Prepared:
        """The group call for batches that it suits; all else as without it."""
        symbol = self._group_call(case)
        if not symbol:
            return super().prepare(case, host, fused=fused)
        if case.threads > 1:
            confine(host.cpus)
        constants = self._constants(case)
        table = [address(self.handle, symbol), *(int(array.ctypes.data) for array in constants)]
        arguments = group_arguments(f"i{self._bits}")
        prepared = self.thunk(case, [CCall(0, arguments)], table, {"symbol": symbol, "batch": "its own call"}, loop=False)
        prepared.keep.append(constants)
        return prepared

    def _group_call(self, case: Case) -> str:
        """The name of the call; empty where the case is none for it, or where this build lacks it."""
        routine = self.routines.get(case.dtype)
        if case.batch == 1 or routine is None or routine.scalar not in _SCALARS:
            return ""
        if case.batch_kind != "pointers" and self._strided_call(routine):
            return ""
        if self._bits == 32 and max(case.m, case.n, case.k, case.stride_a, case.stride_b, case.stride_c, case.batch) >= 1 << 31:
            return ""
        symbol = self._spelling.format(f"{routine.name}_batch")
        return symbol if has(self.handle, symbol) else ""

    def _constants(self, case: Case) -> list[NDArray[np.generic]]:
        """transa, transb, m, n, k, alpha, lda, ldb, beta, ldc, problems: each an array of one element."""
        whole = np.int64 if self._bits == 64 else np.int32
        real = _SCALARS[self.routines[case.dtype].scalar]
        sides = [np.array([TRANS if side == "t" else NO_TRANS], dtype=np.int32) for side in case.layout]
        sizes = [np.array([size], dtype=whole) for size in (case.m, case.n, case.k)]
        leads = [np.array([max(1, lead)], dtype=whole) for lead in (case.stride_a, case.stride_b, case.stride_c)]
        alpha, beta = np.array([case.alpha], dtype=real), np.array([case.beta], dtype=real)
        return [*sides, *sizes, alpha, leads[0], leads[1], beta, leads[2], np.array([case.batch], dtype=whole)]


def group_arguments(whole: str) -> list[Arg]:
    """The call's arguments: constants of `GroupBatch._constants` from the table, and the operands' lists of pointers."""
    held = [Arg("ptr", Held(1 + index)) for index in range(11)]
    lists = [Arg("ptr", slot) for slot in (Slot.LIST_A, Slot.LIST_B, Slot.LIST_C)]
    return [
        Arg("i32", ROW_MAJOR),
        *(*held[:6], lists[0], held[6], lists[1], held[7]),
        *(held[8], lists[2], held[9], Arg(whole, 1), held[10]),
    ]
