"""The grid of a sweep: shapes as they are typed and as data, presets, and what is refused with its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmbench.configs.cases import Case
from mmbench.configs.dtypes import MIXES
from mmbench.configs.errors import UsageError
from mmbench.configs.profiles import GIVEN, ad_hoc, load_profile, parse_epilogues, parse_share, parse_threads, profile_names, read_profile
from mmbench.configs.shape_sets import set_title, shape_sets, shapes_of
from mmbench.kernels.plan import problem_of

# What every sweep of the literature asks for, by the sets that hold it.
WANTED = {
    *("bert-base", "gpt-2-small", "clip-vit-b32-vision", "llama-3-8b", "resnet-50", "deepbench-server", "cubes", "primes", "powers"),
    *("tall", "skinny", "k-heavy", "outer", "batched", "strides", "transposes"),
}


def test_every_kind_of_shape_that_was_asked_for_is_there() -> None:
    assert set(shape_sets()) >= WANTED
    assert shapes_of("bert-base:scores", "")  # attention, QK^T and AV, in batches
    assert shapes_of("bert-base:values", "")


def test_every_set_has_a_source_and_every_shape_an_origin() -> None:
    for found in shape_sets().values():
        assert found.title
        assert found.source, found.name
        assert found.shapes
        for named in found.shapes:
            assert named.origin, found.name
            assert problem_of(named.shape.case("f32", "")) == "" or named.shape.case("f32", "").layout, named


def test_layers_of_models_have_the_sizes_of_their_papers() -> None:
    shapes = {(s.shape.m, s.shape.n, s.shape.k) for s in shapes_of("bert-base", "")}
    assert (128, 3072, 768) in shapes
    assert (128, 768, 3072) in shapes
    llama = {(s.shape.n, s.shape.k) for s in shapes_of("llama-3-8b:decode", "")}
    assert (4096, 14336) in llama  # down projection
    assert (28672, 4096) in llama or (14336, 4096) in llama  # gate and up, together or each


@pytest.mark.parametrize("name", profile_names())
def test_every_preset_is_read_and_has_cells_that_can_be_asked(name: str) -> None:
    profile = load_profile(name)
    assert profile.summary
    cells = profile.cells(4)
    assert cells
    assert len({cell.case for cell in cells}) == len(cells)
    assert all(cell.origin for cell in cells)
    refused = {problem_of(cell.case, 4) for cell in cells} - {""}
    assert all("4-bit" in reason or "gives integers" in reason or "threads" in reason for reason in refused), refused


def test_the_full_preset_has_every_data_type_layout_and_temperature() -> None:
    cells = load_profile("full").cells(4)
    assert {cell.case.dtype for cell in cells} == set(MIXES)
    assert {cell.case.layout for cell in cells} == {"nn", "nt", "tn", "tt"}
    assert {cell.case.temperature for cell in cells} == {"hot", "cold"}
    assert {cell.case.batch_kind for cell in cells if cell.case.batch > 1} == {"strided", "pointers", "same-a", "same-b"}
    assert {1, 4} <= {cell.case.threads for cell in cells}


BAD_SHAPES = (
    "0x5x5",
    "-3x2x1",
    "5x5",
    "1x2x3x4",
    "axbxc",
    "1x2x",
    "1.5x2x3",
    "٣x3x3",
    "9" * 40,
    "64:zz",
    "64[lda=3]",
    "64[ldx=80]",
    "{1,2",
    "",
)


@pytest.mark.parametrize("text", BAD_SHAPES)
def test_a_shape_that_means_nothing_is_refused_with_its_words(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        [named.shape.case("f32", "") for named in shapes_of(text, GIVEN)]
    assert caught.value.message
    assert len(caught.value.message) < 300


@given(st.text(max_size=30))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    try:
        found = list(shapes_of(text, GIVEN))
    except UsageError:
        return
    assert all(s.shape.m >= 1 and s.shape.n >= 1 and s.shape.k >= 1 for s in found)


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 10**6), st.sampled_from(["nn", "nt", "tn", "tt"]))
def test_what_a_case_is_called_names_it_again(m: int, n: int, k: int, layout: str) -> None:
    case = Case(m, n, k, layout=layout)
    (named,) = shapes_of(case.shape, GIVEN)
    assert named.shape.case("f32", "") == case


BAD_FILES = {
    'schema = 1\nsummary = "x"\n': "no [[grid]]",
    'schema = 9\nsummary = "x"\n': "schema",
    'schema = 1\nsummary = "x"\nunknown = 1\n[[grid]]\nshapes = ["64"]\n': "unknown",
    'schema = 1\nsummary = "x"\n[[grid]]\nshapes = []\n': "shapes",
    'schema = 1\nsummary = "x"\n[[grid]]\nshapes = ["64"]\ndtypes = ["f33"]\n': "f33",
    'schema = 1\nsummary = "x"\n[[grid]]\nshapes = ["64"]\nmost_gflop = -1\n': "most_gflop",
    'schema = 1\nsummary = "x"\ninclude = ["nosuch"]\n': "nosuch",
    'schema = 1\nsummary = "x"\nprecision = "300%"\n[[grid]]\nshapes = ["64"]\n': "precision",
    'schema = 1\nsummary = "x"\ntime_budget = "soon"\n[[grid]]\nshapes = ["64"]\n': "time_budget",
    'schema = 1\nsummary = "x"\ncheck = "some"\n[[grid]]\nshapes = ["64"]\n': "check",
    'schema = 1\nsummary = "x"\n[[grid]]\nshapes = ["64", "512"]\nmost_gflop = 0.0001\n': "grid 1: most_gflop = 0.0001 leaves none",
    'schema = 1\nsummary = "x"\n[[grid]]\nshapes = ["64"]\ndtypes = []\n': "grid 1: dtypes is an empty list",
    'schema = 1\nsummary = "x"\n[[grid]]\nshapes = ["64"]\nepilogues = ["bias+"]\n': "grid 1: epilogue 'bias+': a step is missing",
    "schema = \n": "line 1",
}


@pytest.mark.parametrize(("text", "word"), BAD_FILES.items(), ids=BAD_FILES.values())
def test_a_preset_that_cannot_be_understood_names_file_and_place(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_profile(path).cells(2)
    assert "mine.toml" in caught.value.message
    assert word in caught.value.message


def test_what_the_command_line_says_takes_the_place_of_a_presets_lists() -> None:
    profile = load_profile("ci").override(shapes=("64",), dtypes=("f32",))
    assert {cell.case.m for cell in profile.cells(2)} == {64}
    assert {cell.origin for cell in profile.cells(2)} == {GIVEN}
    assert {cell.case.dtype for cell in ad_hoc(dtypes=("int4*",), layouts=("nt",)).cells(2)} == {"int4f16", "int4bf16", "int4s8"}


def test_lists_of_threads_epilogues_and_shares() -> None:
    assert parse_threads(("scaling",), 12) == (1, 2, 4, 8, 12)
    assert parse_threads(("all,1", "2-4"), 8) == (8, 1, 2, 3, 4)
    assert parse_epilogues(("none", "residual+bias")) == ("", "bias+residual")
    assert parse_share("2%") == parse_share("0.02") == parse_share(".02") == 0.02
    for word in ("2", "0", "-1%", "60%", "x"):
        with pytest.raises(UsageError):
            parse_share(word)


def test_a_preset_that_is_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    os.mkfifo(path)
    with pytest.raises(UsageError, match=r"mine\.toml: the preset cannot be read: it is a pipe, not a regular file"):
        read_profile(path)
    with pytest.raises(UsageError, match="it is a device"):
        load_profile("/dev/zero")


@pytest.mark.parametrize(
    ("word", "message"), [("0", "no number"), ("8-1", "no number"), ("x", "no number"), ("9" * 13, "65536 are the most")]
)
def test_numbers_of_threads_that_mean_nothing(word: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse_threads((word,), 4)
    assert "all" in caught.value.hint


def test_a_mistyped_set_of_shapes_leads_to_the_list_of_shapes() -> None:
    with pytest.raises(UsageError) as caught:
        shapes_of("zzzz", GIVEN)
    assert "mmbench list shapes" in caught.value.hint


@pytest.mark.parametrize(
    ("origin", "title"),
    [
        ("Llama-3.2 1B ffn up, 4 tokens", "Llama-3.2 1B"),
        ("Neural collaborative filtering layers", "Neural collaborative filtering"),
        ("BLIS small and skinny one", "BLIS small and skinny"),
        ("cube", "cube"),
        ("cubes of my own, large", "cubes of my own"),
        ("given on the command line", "given on the command line"),
    ],
)
def test_an_origin_tells_its_set(origin: str, title: str) -> None:
    assert set_title(origin) == title


def test_every_origin_of_a_set_tells_that_set() -> None:
    for found in shape_sets().values():
        assert {set_title(named.origin) for named in found.shapes} == {found.title}
        assert not set(found.title) & set(":,")
