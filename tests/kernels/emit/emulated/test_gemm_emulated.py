"""The generated product computes on other architectures, under emulation, what it computes here: every form, and types of every kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from emulator import FOREIGN, Call, Here, Slot, program
from mmbench.configs.cases import Case
from mmbench.configs.dtypes import MIXES
from mmbench.kernels import abi, vectorized
from mmbench.kernels.blocks import Blocks
from mmbench.kernels.compiled import table
from mmbench.kernels.emit.gemm.recipe import Recipe, default_recipe
from mmbench.kernels.emit.gemm.state import STATE_SLOTS, State
from mmbench.kernels.emit.jit import optimized
from mmbench.kernels.host import Host
from mmbench.kernels.operands import Operands
from mmbench.kernels.vectorized import _Workspaces, form_ir, form_of
from mmbench.kernels.verify import check_close, check_exact

HOST = Host.of(None, (0,))
LISTS = abi.SLOT_COUNT + STATE_SLOTS  # where the three lists of one address each begin
DTYPES = ("f32", "f64", "f16", "bf16bf16", "s8", "u8s8", "int4bf16", "e4m3", "nvfp4")
PAIRS = [(arch, dtype) for arch in FOREIGN for dtype in (DTYPES if arch == "aarch64" else ("f32", "s8", "nvfp4"))]
SHAPES = (Case(29, 37, 41), Case(3, 70, 300, layout="nt"), Case(70, 2, 300), Case(2, 3, 4))


def cases_of(dtype: str) -> list[Case]:
    """The shapes in a layout that the type has, the first also with alpha, beta and an epilogue."""
    packed = MIXES[dtype].packed
    found = [replace(case, dtype=dtype, layout="nt" if packed else case.layout) for case in SHAPES]
    steps = "bias+relu+residual"
    whole = MIXES[dtype].integer
    return [*found, replace(found[0], alpha=2.0 if whole else 0.5, beta=2.0, epilogue=steps)]


def image(case: Case, operands: Operands, recipe: Recipe) -> list[Slot]:
    """The argument block, then the record in STATE, then the lists: everything that is an address as what it points to."""
    work = _Workspaces(case, recipe, vectorized.blocks_for(case, recipe, HOST), form_of(case))
    memory = {name: operand.memory.copy() for name, operand in operands._operands.items()}
    slots: list[Slot] = [int(word) for word in operands.block]
    for name in ("bias", "residual", "scale_a", "scale_b"):
        if name in memory:
            slots[abi.Slot[name.upper()]] = memory[name]
    slots[abi.Slot.STATE] = Here(abi.SLOT_COUNT)
    for index, slot in enumerate((abi.Slot.LIST_A, abi.Slot.LIST_B, abi.Slot.LIST_C)):
        slots[slot] = Here(LISTS + index)
    state: list[Slot] = [int(word) for word in work.states[0]]
    size = work.buffers[0].bytes.size
    for each in (State.PACK_A, State.PACK_B, State.SUMS, State.EDGE):
        state[each] = np.zeros(size, dtype=np.uint8)
    mix = case.mix
    tables = (State.TABLE_A, State.TABLE_B, State.TABLE_SCALE_A, State.TABLE_SCALE_B)
    for each, element in zip(tables, (mix.a, mix.b, mix.scale_a, mix.scale_b), strict=True):
        state[each] = table(element).copy()
    return [*slots, *state, *(memory[name] for name in "abc")]


@pytest.mark.parametrize(("arch", "dtype"), PAIRS)
def test_products_are_right_on_other_architectures(arch: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target = FOREIGN[arch].target
    monkeypatch.setattr(vectorized, "block_sizes", lambda *_: Blocks(24, 32, 64, 48))  # several blocks each way
    recipe = default_recipe(MIXES[dtype], target)
    for case in cases_of(dtype):
        built = program(arch, optimized(form_ir(dtype, recipe, target, case.steps, form_of(case)), target), target)
        sets = [Operands(case, fill, seed=5) for fill in ("integers", "normal")]
        answers = built.run([Call("gemm", image(case, operands, recipe)) for operands in sets])
        for operands, answer in zip(sets, answers, strict=True):
            operands._operands["c"].memory[:] = answer.arrays[LISTS + 2]
            exact = operands.fill == "integers" or MIXES[dtype].integer
            check = check_exact(operands, "emulated") if exact else check_close(operands, "emulated")
            assert check.passed, f"{case.name} {form_of(case)} {operands.fill}: {check.where} {check.cause}"
