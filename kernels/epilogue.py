"""Do the epilogue in a pass of its own over C, for libraries that cannot fuse it: what fusing is held against."""

from __future__ import annotations

import functools

from ..configs.cases import Case
from ..configs.dtypes import ELEMENTS, MIXES
from .abi import Slot
from .emit.epilogue import finish_ir
from .emit.jit import Code, compile_ir
from .emit.writer import Writer


def rounds_early(case: Case) -> str:
    """Empty, or why the case's epilogue cannot be a pass of its own: C, which is narrower than the sums, would be rounded twice."""
    mix = case.mix
    narrow = bool(case.epilogue) and ELEMENTS[mix.c].bits < ELEMENTS[mix.acc].bits
    return f"a pass of its own would round to {mix.c} before the epilogue" if narrow else ""


def separate_epilogue(case: Case) -> tuple[int, object]:
    """(address of `void epilogue(int64_t *arguments)`, what keeps it alive): the case's steps over C in place, all problems."""
    code = _compiled(case.dtype, case.steps)
    return code.address("epilogue"), code


@functools.cache
def _compiled(dtype: str, steps: tuple[str, ...]) -> Code:
    return compile_ir(epilogue_ir(dtype, steps), optimize=True)


def epilogue_ir(dtype: str, steps: tuple[str, ...]) -> str:
    """The IR of `epilogue` for one data type."""
    w = Writer("epilogue", (("ptr", "s"),), internal=False)
    listed = w.slot("%s", Slot.LIST_C, "ptr")
    first = w.load("i64", listed, 8)
    residual = w.slot("%s", Slot.RESIDUAL)
    bias, ldc = w.slot("%s", Slot.BIAS, "ptr"), w.slot("%s", Slot.LDC)
    rows, columns = w.slot("%s", Slot.M), w.slot("%s", Slot.N)
    with w.loop(0, w.slot("%s", Slot.BATCH)) as problem:
        place = w.load("i64", w.at(listed, problem), 8)
        own = w.let(f"inttoptr i64 {w.add(residual, w.sub(place, first))} to ptr")
        c = w.let(f"inttoptr i64 {place} to ptr")
        w.call("finish", [("ptr", c), ("i64", ldc), ("ptr", c), ("i64", ldc), ("i64", rows), ("i64", columns), ("ptr", bias), ("ptr", own)])
    return w.text() + finish_ir(MIXES[dtype], steps, stored=True, in_place=True)
