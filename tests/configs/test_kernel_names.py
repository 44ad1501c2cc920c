"""Names of kernels: what each part is, and that twins name each other."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmbench.configs.kernel_names import UNFUSED, fused_of, is_given, is_unfused, library_of, named, origin_of, unfused_of, without_origin
from source_tree import ROOT, modules

WORDS = st.text("abcdefghij0123456789-", min_size=1).filter(lambda word: not word.endswith(UNFUSED))


@pytest.mark.parametrize(
    ("kernel", "library", "name", "origin", "unfused"),
    [
        ("vectorized", "vectorized", "vectorized", "", False),
        ("vectorized-unfused", "vectorized", "vectorized-unfused", "", True),
        ("openblas@debian-2", "openblas", "openblas", "debian-2", False),
        ("onednn-unfused@onednn", "onednn", "onednn-unfused", "onednn", True),
        ("mkl@of-unfused", "mkl", "mkl", "of-unfused", False),  # a folder may be called so
        ("unfused", "unfused", "unfused", "", False),
        ("x@y@z", "x", "x", "y@z", False),
        ("", "", "", "", False),
    ],
)
def test_parts_of_a_name(kernel: str, library: str, name: str, origin: str, unfused: bool) -> None:
    assert (library_of(kernel), without_origin(kernel), origin_of(kernel), is_unfused(kernel)) == (library, name, origin, unfused)


def test_twins_name_each_other_and_themselves() -> None:
    assert unfused_of("onednn@onednn") == unfused_of("onednn-unfused@onednn") == "onednn-unfused@onednn"
    assert fused_of("onednn-unfused@onednn") == fused_of("onednn@onednn") == "onednn@onednn"
    assert (unfused_of("vectorized"), fused_of("vectorized-unfused")) == ("vectorized-unfused", "vectorized")


@given(WORDS, st.one_of(st.just(""), WORDS))
def test_a_name_is_made_of_what_is_read_from_it(library: str, origin: str) -> None:
    kernel = named(library, origin)
    twin = unfused_of(kernel)
    assert (library_of(kernel), origin_of(kernel)) == (library_of(twin), origin_of(twin)) == (library, origin)
    assert is_unfused(twin)
    assert not is_unfused(kernel)
    assert fused_of(twin) == kernel


@pytest.mark.parametrize(
    ("kernel", "answer"),
    [("openblas@given", True), ("onednn-unfused@given-12", True), ("openblas@debian-2", False), ("naive", False), ("x@givens", False)],
)
def test_what_was_given_is_told_by_its_origin(kernel: str, answer: bool) -> None:
    assert is_given(kernel) == answer


def test_no_other_module_takes_names_apart() -> None:
    apart = re.compile(r"""\.r?(partition|split)\("@"|["']-unfused["']""")
    found = {path.as_posix() for path in modules() if apart.search((ROOT / path).read_text(encoding="utf-8"))}
    assert found == {"configs/kernel_names.py"}
