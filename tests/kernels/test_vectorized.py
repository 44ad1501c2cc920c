"""The generated product: every data type through the gate, in each of its forms, for this chip and for one with AVX2 only; and with other
recipes, block sizes and forms than it chooses itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmbench.configs.cases import Case
from mmbench.configs.dtypes import MIXES
from mmbench.configs.errors import NotPossibleError
from mmbench.kernels import catalog, vectorized
from mmbench.kernels.battery import prove
from mmbench.kernels.blocks import Blocks
from mmbench.kernels.emit.gemm.recipe import SUMS, Recipe, default_recipe, vector_bytes, vector_registers
from mmbench.kernels.emit.target import Target
from mmbench.kernels.host import Host
from mmbench.kernels.operands import Operands
from mmbench.kernels.registry import own_kernel
from mmbench.kernels.vectorized import form_of
from mmbench.kernels.verify import verify

HOST = Host.of(None, (0, 1))
EVERY_STEP = {True: "bias+relu+residual", False: "bias+gelu+residual"}


def proven(case: Case, name: str = "vectorized", *, thorough: bool = False, **choices: Any) -> None:
    """Through the whole gate; `choices`: a recipe, blocks, form or target other than its own."""
    kernel: Any = own_kernel(name)
    assert kernel.serves(case) == ""
    check = prove(lambda small: kernel.prepare(small, HOST, **choices), case, thorough=thorough)
    assert check.passed, f"{case.name}: {check.failed} {check.where} {check.cause} {choices}"
    assert not [step for step in check.steps if "refused" in step], check.steps


def layouts(dtype: str) -> tuple[str, ...]:
    return ("nt",) if MIXES[dtype].packed else ("nn", "nt", "tn", "tt")


@pytest.mark.parametrize("dtype", list(MIXES))
def test_every_data_type_passes_the_gate(dtype: str) -> None:
    for layout in layouts(dtype):
        proven(Case(40, 40, 40, dtype=dtype, layout=layout))


@pytest.mark.parametrize("dtype", ["f32", "f64", "f16f16", "bf16", "s8", "int4bf16", "nvfp4"])
def test_epilogues_batches_and_threads_pass_the_gate(dtype: str) -> None:
    layout, steps = layouts(dtype)[0], EVERY_STEP[MIXES[dtype].integer]
    proven(Case(40, 40, 40, dtype=dtype, layout=layout, epilogue=steps))
    proven(Case(40, 40, 40, dtype=dtype, layout=layout, batch=3, batch_kind="pointers", epilogue=steps))
    proven(Case(40, 40, 40, dtype=dtype, layout=layout, threads=2, epilogue=steps))


@pytest.mark.parametrize("dtype", ["f32", "s8", "int4f16"])
def test_the_epilogue_in_a_pass_of_its_own_gives_the_same(dtype: str) -> None:
    proven(Case(40, 40, 40, dtype=dtype, layout=layouts(dtype)[0], epilogue=EVERY_STEP[MIXES[dtype].integer]), "vectorized-unfused")


def test_a_narrow_result_has_no_epilogue_of_its_own() -> None:
    assert "round to f16 before" in own_kernel("vectorized-unfused").serves(Case(8, 8, 8, dtype="f16f16", epilogue="bias"))
    assert own_kernel("vectorized-unfused").serves(Case(8, 8, 8)) != ""


FORMS = [
    (Case(4, 4, 4), "tiny"),
    (Case(2, 3, 10), "tiny"),
    (Case(500, 1, 300), "few columns"),
    (Case(500, 1, 300, layout="tn"), "panels"),
    (Case(1, 500, 300, layout="nt"), "few rows"),
    (Case(1, 500, 300, layout="nn"), "panels"),
    (Case(7, 500, 1100, layout="nt", epilogue="bias+relu+residual"), "few rows"),
    (Case(7, 500, 8, layout="nt"), "panels"),
    (Case(64, 64, 64), "panels"),
]
TYPED_FORMS = [
    (replace(case, dtype=dtype), form)
    for case, form in FORMS
    for dtype in ("f32", "f16f16", "u8s8", "int4s8")
    if case.layout in layouts(dtype)
]


@pytest.mark.parametrize(("case", "form"), TYPED_FORMS, ids=lambda value: value if isinstance(value, str) else value.name)
def test_thin_and_tiny_products_are_right_in_their_own_form(case: Case, form: str) -> None:
    assert form_of(case) == form
    for fill in ("integers", "normal"):
        prepared = own_kernel("vectorized").prepare(case, HOST)
        assert prepared.variant.params["form"] == form
        check = verify(prepared, Operands(case, fill, seed=3))
        assert check.passed, f"{check.failed} {check.where} {check.cause}"


@pytest.fixture
def avx2() -> Target:
    """This chip without AVX-512, as an older one would be."""
    host = Target.host()
    if host.arch != "x86_64":
        pytest.skip("needs x86-64")
    return host.with_features("-avx512f", "-evex512")


@pytest.mark.parametrize("dtype", list(MIXES))
def test_every_data_type_is_right_with_avx2_alone(avx2: Target, dtype: str) -> None:
    case = Case(40, 40, 40, dtype=dtype, layout=layouts(dtype)[-1])
    code = vectorized._code(dtype, default_recipe(case.mix, avx2), (), "panels", avx2)
    assert "zmm" not in code.assembly()
    proven(case, target=avx2)
    proven(Case(3, 90, 200, dtype=dtype, layout="nt"), target=avx2)


def made(dtype: str, lanes_bytes: int, **choices: Any) -> Recipe:
    """A recipe for a type; `lanes_bytes` is the size of its vectors."""
    acc = MIXES[dtype].acc
    return Recipe(acc, lanes_bytes // SUMS[acc][1], pair=2 if acc == "s32" else 1, **choices)


def small_blocks(recipe: Recipe, kc: int = 16) -> Blocks:
    """Blocks so small that every loop over them runs more than once in the gate."""
    return Blocks(2 * recipe.mr, kc, 2 * recipe.nr, 3 * recipe.mr)


RECIPES = [
    ("f32", 32, {"mr": 4, "vectors": 3, "unroll": 1, "ahead": 0}),
    ("f32", 16, {"mr": 1, "vectors": 1, "unroll": 3, "prefetch_c": True}),
    ("f64", 16, {"mr": 7, "vectors": 1, "unroll": 8, "ahead_a": 256}),
    ("s8", 16, {"mr": 5, "vectors": 2, "unroll": 1, "ahead": 64}),
    ("u8s8", 32, {"mr": 3, "vectors": 1, "unroll": 5}),
    ("bf16bf16", 16, {"mr": 2, "vectors": 5, "unroll": 2}),
    ("int4s8", 32, {"mr": 9, "vectors": 1, "unroll": 4}),
    ("nvfp4", 16, {"mr": 6, "vectors": 2, "unroll": 7}),
]


@pytest.mark.parametrize(("dtype", "width", "choices"), RECIPES, ids=[f"{d}-{c['mr']}x{c['vectors']}x{w}" for d, w, c in RECIPES])
def test_other_recipes_and_blocks_pass_the_gate(dtype: str, width: int, choices: dict[str, int]) -> None:
    recipe = made(dtype, width, **choices)
    for layout in layouts(dtype):
        proven(Case(40, 40, 40, dtype=dtype, layout=layout), recipe=recipe, blocks=small_blocks(recipe))
    proven(Case(40, 40, 40, dtype=dtype, layout=layouts(dtype)[0], threads=2), recipe=recipe, blocks=small_blocks(recipe))


def test_all_tails_of_another_tile_are_right_and_its_own_are_meant() -> None:
    recipe = made("f32", 16, mr=5, vectors=3)
    told: list[str] = []
    kernel: Any = own_kernel("vectorized")

    def prepare(case: Case) -> Any:
        return kernel.prepare(case, HOST, recipe=recipe, blocks=small_blocks(recipe), form="panels")

    check = prove(prepare, Case(40, 40, 40), thorough=True, tell=told.append)
    assert check.passed, f"{check.failed} {check.where}"
    tails = [step.split()[3] for step in told if step.startswith("all tails at ")]
    assert len(tails) == 2 * 5 * 2 * 12
    assert tails[-1].startswith("10x24x")


@st.composite
def recipes(draw: st.DrawFn) -> tuple[str, Recipe]:
    """A data type, and any tile that this chip's registers hold."""
    dtype, target = draw(st.sampled_from(sorted(MIXES))), Target.host()
    size = SUMS[MIXES[dtype].acc][1]
    width = draw(st.sampled_from([w for w in (16, 32, 64) if w <= vector_bytes(target)]))
    registers, pair = vector_registers(target, width), 2 if MIXES[dtype].acc == "s32" else 1
    vectors = draw(st.integers(1, (registers - pair) // 2))
    mr = draw(st.integers(1, (registers - pair - vectors) // vectors))
    ahead = st.sampled_from((0, 64, 1024))
    unroll, fetch = draw(st.integers(1, 6)), (draw(st.booleans()), draw(ahead), draw(ahead))
    return dtype, Recipe(MIXES[dtype].acc, width // size, mr, vectors, unroll, pair, *fetch)


@settings(max_examples=12, deadline=None)
@given(recipes(), st.integers(1, 4), st.integers(1, 9), st.integers(1, 4))
def test_any_recipe_within_the_registers_passes_the_gate(drawn: tuple[str, Recipe], rows: int, depth: int, columns: int) -> None:
    dtype, recipe = drawn
    assert recipe.fits(Target.host())
    blocks = Blocks(rows * recipe.mr, 8 * depth, columns * recipe.nr, 2 * rows * recipe.mr)
    for layout in layouts(dtype)[-2:]:
        proven(Case(40, 40, 40, dtype=dtype, layout=layout), recipe=recipe, blocks=blocks)


@pytest.mark.parametrize("dtype", ["f32", "bf16", "s8", "nvfp4"])
def test_whether_to_pack_may_be_chosen(dtype: str) -> None:
    """What would be done unpacked is right in panels, and the other way round."""
    kernel: Any = own_kernel("vectorized")
    proven(Case(40, 40, 40, dtype=dtype, layout="nt"), form="panels")
    for case, form in ((Case(300, 3, 70), "few columns"), (Case(5, 300, 9), "few rows"), (Case(7, 9, 100), "tiny")):
        for layout in layouts(dtype):
            asked = replace(case, dtype=dtype, layout=layout)
            prepared = kernel.prepare(asked, HOST, form=form)
            assert prepared.variant.params["form"] == form
            for fill in ("integers", "normal"):
                check = verify(prepared, Operands(asked, fill, seed=4))
                assert check.passed, f"{asked.name} {form}: {check.failed} {check.where}"


def test_what_a_case_cannot_be_done_with_is_refused() -> None:
    kernel: Any = own_kernel("vectorized")
    case, recipe = Case(40, 40, 40), made("f32", 16, mr=4, vectors=2)
    for form in ("few rows", "few columns", "tiny", "nonsense"):
        with pytest.raises(NotPossibleError, match=f"'{form}' does not serve 40x40x40"):
            kernel.prepare(case, HOST, form=form)
    with pytest.raises(NotPossibleError, match="whose sums are s32"):
        kernel.prepare(replace(case, dtype="s8"), HOST, recipe=recipe)
    for blocks in (Blocks(6, 16, 16), Blocks(8, 12, 16), Blocks(8, 16, 12), Blocks(8, 16, 16, 3), Blocks(0, 16, 16)):
        with pytest.raises(NotPossibleError, match="do not go with a tile of 4 x 8"):
            kernel.prepare(case, HOST, recipe=recipe, blocks=blocks)
    for wrong in ({"lanes": 3}, {"mr": 0}, {"unroll": 0}, {"pair": 2}, {"ahead": -1}, {"sums": "s8"}):
        with pytest.raises(ValueError, match=r"lanes|tile|pair"):
            replace(recipe, **wrong)


@pytest.mark.parametrize("dtype", ["f32", "f64", "bf16", "s8", "nvfp4"])
def test_other_chips_get_code_of_their_own(dtype: str) -> None:
    for chip, word in (("haswell", "ymm"), ("skylake-avx512", "zmm"), ("neoverse-v2", "v0."), ("spacemit-x60", "")):
        assert word in catalog.emit(f"gemm-{dtype}", Target.named(chip))[1]


def test_the_row_says_how_it_was_done() -> None:
    prepared = own_kernel("vectorized").prepare(Case(64, 64, 64), HOST)
    assert {"tile", "form", "mc", "kc", "nc", "epilogue"} <= set(prepared.variant.params)
    assert len(prepared.sha) >= 8


def test_one_set_of_code_serves_every_size() -> None:
    shas = {own_kernel("vectorized").prepare(Case(n, n, n), HOST).sha for n in (64, 65, 200)}
    assert len(shas) == 1


def test_operands_of_two_sets_may_be_bound_in_turns() -> None:
    case = Case(33, 35, 37)
    prepared = own_kernel("vectorized").prepare(case, HOST)
    sets = [Operands(case, "integers", seed=i) for i in range(2)]
    for operands in (*sets, *sets):
        assert verify(prepared, operands).passed
    assert not np.array_equal(sets[0].block, sets[1].block)
