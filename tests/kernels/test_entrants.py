"""Who takes part: libraries given by path under names that tell them apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmbench.configs.codec import decode, encode
from mmbench.configs.errors import NotPossibleError, UsageError
from mmbench.configs.kernel_names import is_given, is_unfused
from mmbench.configs.plan import Entrant, Opened
from mmbench.kernels.entrants import copies_of, find_entrants
from mmbench.kernels.host import Host
from mmbench.kernels.measure.affinity import allowed_cpus
from mmbench.kernels.measure.worker import Worker
from mmbench.kernels.vendor.library import Found, library
from mmbench.kernels.vendor.openblas import OpenBlas
from mmbench.kernels.vendor.stated import stated_version, version_key


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


def test_the_newest_copy_is_told_by_the_librarys_own_version_not_by_its_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copies = []
    for origin, package, own in (("numpy", "2.4.6", b"0.3.9.1"), ("debian", "0.3.30-1", b"0.3.30"), ("odd", "9.9", b"")):
        path = tmp_path / origin
        path.write_bytes(b"\0" * 5000 + b"OpenBLAS " + own + b" DYNAMIC_ARCH\0")
        copies.append(Found("openblas", origin, str(path), package))
    monkeypatch.setattr(OpenBlas, "find", lambda _self: copies)
    adapter = library("openblas")
    assert [adapter.stated(copy) for copy in copies] == ["0.3.9.1", "0.3.30", ""]
    assert [copy.origin for copy in copies_of(adapter)[0]] == ["debian", "numpy", "odd"]
    assert [e.kernel for e in find_entrants(("openblas",))[0]] == ["openblas@debian"]


def test_a_version_that_is_not_there_is_empty(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert (
        stated_version(str(tmp_path / "empty"), b"(1)")
        == stated_version(str(tmp_path / "gone"), b"(1)")
        == stated_version("", b"(1)")
        == ""
    )
    assert version_key("0.3.30-1") == (0, 3, 30) > version_key("0.3.9.1") > version_key("unknown") == ()


@pytest.mark.parametrize("name", ["openblas", "blis", "aocl"])
def test_a_file_states_the_version_that_the_loaded_library_tells(name: str) -> None:
    copies = [e for e in find_entrants(every_copy=True)[0] if e.library == name and not is_unfused(e.kernel)]
    if not copies:
        pytest.skip(f"needs {name}")
    for entrant in copies:
        with Worker() as worker:  # a library that is loaded here would stay
            arguments = {"entrant": encode(entrant), "host": encode(Host.of(None, allowed_cpus()))}
            opened = decode(Opened, worker.call("mmbench.kernels.session:open_kernel", arguments, 60.0))
        stated = library(name).stated(Found(name, "", entrant.path))
        assert stated
        assert stated.startswith(opened.version) or opened.version.startswith(stated)


def test_a_copy_that_is_not_here_is_not_possible_and_a_word_that_means_nothing_is_usage(files: list[str]) -> None:
    with pytest.raises(NotPossibleError, match="there is no 'openblas@nowhere' on this machine"):
        find_entrants(("openblas@nowhere",), [("openblas", files[0])])
    with pytest.raises(UsageError, match="there is no kernel or library 'openblass'"):
        find_entrants(("openblass",))
