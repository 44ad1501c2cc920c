"""Who takes part: libraries given by path under names that tell them apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmbench.configs.errors import UsageError
from mmbench.configs.plan import Entrant, is_given
from mmbench.kernels.entrants import find_entrants


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Three files; who takes part is asked without loading any."""
    paths = [tmp_path / name for name in ("c.so", "a.so", "b.so")]
    for path in paths:
        path.write_bytes(b"\x7fELF")
    return [str(path) for path in paths]


def given_of(found: list[Entrant]) -> dict[str, str]:
    return {e.kernel: e.path for e in found if is_given(e.kernel)}


def test_files_of_one_library_are_numbered_in_the_order_given(files: list[str]) -> None:
    found, _ = find_entrants((), [("openblas", files[0]), ("blis", files[2]), ("openblas", files[1])])
    assert given_of(found) == {"openblas@given": files[0], "openblas@given-2": files[1], "blis@given": files[2]}


def test_they_take_part_beside_what_is_named_and_can_be_named_alone(files: list[str]) -> None:
    pairs = [("openblas", path) for path in files]
    beside, _ = find_entrants(("naive",), pairs)
    assert [e.kernel for e in beside] == ["naive", "openblas@given", "openblas@given-2", "openblas@given-3"]
    assert given_of(find_entrants(("openblas@given-3",), pairs)[0])["openblas@given-3"] == files[2]


def test_twins_with_a_separate_epilogue_are_numbered_alike(files: list[str]) -> None:
    found = given_of(find_entrants(("naive",), [("onednn", files[0]), ("onednn", files[1])])[0])
    assert found == {
        "onednn@given": files[0],
        "onednn-unfused@given": files[0],
        "onednn@given-2": files[1],
        "onednn-unfused@given-2": files[1],
    }


def test_a_file_that_is_given_twice_is_refused_under_whatever_name(files: list[str], tmp_path: Path) -> None:
    link = tmp_path / "link.so"
    link.symlink_to(files[0])
    with pytest.raises(UsageError, match=rf"--library openblas={link}: the same file was given before, as {files[0]}"):
        find_entrants((), [("openblas", files[0]), ("openblas", str(link))])
    found, _ = find_entrants(("naive",), [("openblas", files[0]), ("blis", str(link))])
    assert len(given_of(found)) == 2  # one file may hold two libraries


def test_a_framework_has_no_file(files: list[str]) -> None:
    with pytest.raises(UsageError, match="imported by Python, not loaded from a file"):
        find_entrants((), [("torch", files[0])])


@pytest.mark.parametrize(
    ("kernel", "answer"),
    [("openblas@given", True), ("onednn-unfused@given-12", True), ("openblas@debian-2", False), ("naive", False), ("x@givens", False)],
)
def test_what_was_given_is_told_by_its_origin(kernel: str, answer: bool) -> None:
    assert is_given(kernel) == answer
