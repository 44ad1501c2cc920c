"""The micro-kernel for chips that are not here: one multiply-add for each sum, and every sum in a register."""

from __future__ import annotations

import re

import pytest
from mmbench.configs.dtypes import MIXES
from mmbench.kernels.emit.gemm.recipe import default_recipe
from mmbench.kernels.emit.gemm.tile import tile_ir
from mmbench.kernels.emit.instruction import loop_of, spills
from mmbench.kernels.emit.jit import assembly
from mmbench.kernels.emit.target import Target

CHIPS = ("haswell", "znver3", "skylake-avx512", "icelake-server", "znver5", "sapphirerapids", "neoverse-n1", "neoverse-v2", "apple-m1")
MULTIPLY_ADD = re.compile(r"\s*(vfn?madd|fmla|vpdpwssd|vpmaddwd|smlal|smull|mla)")


@pytest.mark.parametrize("dtype", ["f32", "f64", "s8"])
@pytest.mark.parametrize("chip", CHIPS)
def test_all_sums_stay_in_registers(chip: str, dtype: str) -> None:
    target = Target.named(chip)
    recipe = default_recipe(MIXES[dtype], target)
    text = assembly(tile_ir(recipe, target).replace("define internal", "define"), target)
    assert spills(text, "tile", target.arch) == []
    found = sum(bool(MULTIPLY_ADD.match(line)) for line in loop_of(text, "tile"))
    assert found >= recipe.mr * recipe.vectors * recipe.unroll


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_a_chip_without_fused_multiply_add_calls_no_function_for_one(dtype: str) -> None:
    target = Target.named("x86-64-v2")
    text = assembly(tile_ir(default_recipe(MIXES[dtype], target), target).replace("define internal", "define"), target)
    assert "call" not in text
    assert "mulp" in text
