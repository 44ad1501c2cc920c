"""The generated product: every data type through the gate, in each of its forms, for this chip and for one with AVX2 only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from mmbench.configs.cases import Case
from mmbench.configs.dtypes import MIXES
from mmbench.kernels import catalog, vectorized
from mmbench.kernels.battery import prove
from mmbench.kernels.emit.target import Target
from mmbench.kernels.host import Host
from mmbench.kernels.operands import Operands
from mmbench.kernels.registry import own_kernel
from mmbench.kernels.vectorized import form_of
from mmbench.kernels.verify import verify

HOST = Host.of(None, (0, 1))
EVERY_STEP = {True: "bias+relu+residual", False: "bias+gelu+residual"}


def proven(case: Case, name: str = "vectorized") -> None:
    kernel = own_kernel(name)
    assert kernel.serves(case) == ""
    check = prove(lambda small: kernel.prepare(small, HOST), case)
    assert check.passed, f"{case.name}: {check.failed} {check.where} {check.cause}"


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
def avx2(monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    """This chip without AVX-512, as an older one would be."""
    host = Target.host()
    if host.arch != "x86_64":
        pytest.skip("needs x86-64")
    only = host.with_features("-avx512f", "-evex512")
    monkeypatch.setattr(Target, "host", staticmethod(lambda: only))
    vectorized._code.cache_clear()
    yield only
    vectorized._code.cache_clear()


@pytest.mark.parametrize("dtype", list(MIXES))
def test_every_data_type_is_right_with_avx2_alone(avx2: Target, dtype: str) -> None:
    case = Case(40, 40, 40, dtype=dtype, layout=layouts(dtype)[-1])
    code = vectorized._code(dtype, vectorized.default_recipe(case.mix, avx2), (), "panels")
    assert "zmm" not in code.assembly()
    proven(case)
    proven(Case(3, 90, 200, dtype=dtype, layout="nt"))


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
