"""The three loops: what a matrix product is, one multiplication and one addition at a time. The lowest rung, and a second oracle.

Every data type, layout, batch, epilogue and scalar; one thread. Sums run in the accumulator's type in the order of k, products are rounded
before they are added (no fast mathematics: LLVM may neither fuse nor reorder them), integers wrap at 32 bits. Known flaw: LLVM unrolls the
inner loop; it stays scalar where the order of floating sums is fixed, but it may vectorise sums of integers.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from ..configs.cases import Case, Variant
from ..configs.dtypes import MIXES
from .abi import SLOT_COUNT, Slot
from .compiled import Compiled, Elements, compiled, ir_of, memory, numba, state_of
from .host import Host
from .registry import Prepared, kernel

if TYPE_CHECKING:
    from .operands import Operands


@kernel("naive", version=1, source="the definition")
class Naive:
    """Three loops, one element at a time."""

    name: str
    version: str

    def serves(self, case: Case) -> str:
        """Everything that is defined, on one thread: gelu and silu have no value in 32-bit integers."""
        if case.mix.integer and {"gelu", "silu"} & set(case.steps):
            return "gelu and silu have no meaning in 32-bit integers"
        return "one thread only" if case.threads > 1 else ""

    def prepare(self, case: Case, host: Host) -> Prepared:
        """The loops for the case's types; sizes and layouts are arguments."""
        del host
        code = loops(case.dtype, case.steps)
        state = state_of(case)

        def bind(_operands: Operands) -> int:
            return int(state.ctypes.data)

        return Prepared(Variant("naive", self.version, "scalar"), code.address, bind, sha=code.sha, keep=[code, state])


@functools.cache
def loops(dtype: str, steps: tuple[str, ...]) -> Compiled:
    """The compiled loops for one data type and epilogue."""
    return compiled(f"naive {dtype} {'+'.join(steps)}", lambda: _product(Elements.of(MIXES[dtype], steps)))


def product_ir(dtype: str, steps: tuple[str, ...] = ()) -> str:
    """LLVM IR of the loops, as numba gives it."""
    return ir_of(_product(Elements.of(MIXES[dtype], steps)))


def _product(types: Elements) -> Any:
    """The product in Python, as numba compiles it: below are its three loops, and nothing else is the kernel."""
    at, load_a, load_b, scale_a, scale_b, result = memory(), types.load_a, types.load_b, types.scale_a, types.scale_b, types.result
    codes_a, codes_b, codes_c, words, number = types.codes_a, types.codes_b, types.codes_c, types.words, types.number
    carray = numba().carray

    def gemm(arguments: Any) -> None:
        s = carray(arguments, (SLOT_COUNT,), np.int64)
        state = at(s[Slot.STATE.value], words)
        m, n, k = s[Slot.M.value], s[Slot.N.value], s[Slot.K.value]
        row_a, column_a, row_b, column_b = state[0], state[1], state[2], state[3]
        alpha = number(s.view(np.float64)[Slot.ALPHA.value])
        for problem in range(s[Slot.BATCH.value]):
            a = at(at(s[Slot.LIST_A.value], words)[problem], codes_a)
            b = at(at(s[Slot.LIST_B.value], words)[problem], codes_b)
            c = at(at(s[Slot.LIST_C.value], words)[problem], codes_c)
            for i in range(m):
                for j in range(n):
                    total = number(0)
                    for p in range(k if alpha != 0 else 0):
                        x = load_a(a, state, i * row_a + p * column_a) * scale_a(s, state, i, p)
                        y = load_b(b, state, p * row_b + j * column_b) * scale_b(s, state, j, p)
                        total += number(x * y)
                    result(s, state, c, problem, i, j, alpha * total)

    return gemm
