"""What a gate is run against: words into two sides and contests, and a sentence for each that cannot be."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from gate_environments import bare_environment, fake_interpreter, linked_environment, packages_folder, pretend_installed, tiny_wheel
from mmbench.configs.codec import decode, encode
from mmbench.configs.errors import Exit, MmbenchError, NotPossibleError, UsageError
from mmbench.configs.gateplan import Side
from mmbench.configs.plan import Entrant
from mmbench.kernels.entrants import find_entrants
from mmbench.kernels.gate import artifact as module
from mmbench.kernels.gate import installs
from mmbench.kernels.gate.artifact import Artifact, Sides, parse_artifact, reopen, sides_of
from mmbench.kernels.gate.environments import NUMBA, Contents
from mmbench.kernels.gate.places import varied
from mmbench.kernels.vendor.discovery import package_version

OPENBLAS = Entrant("openblas@numpy", "library", "2", "OpenBLAS", "/new/libopenblas.so", "2.4.0")
ONEDNN = Entrant("onednn@onednn", "library", "3", "oneDNN", "/new/libdnnl.so.3", "2026.1")
UNFUSED = replace(ONEDNN, kernel="onednn-unfused@onednn")
GEMM = replace(ONEDNN, kernel="onednn-gemm@onednn")
BLIS = Entrant("blis@debian", "library", "1", "BLIS", "/new/libblis.so.4")
AOCL = Entrant("aocl@aoclda", "library", "2", "AOCL-BLAS", "/new/libblis-mt.so.5")
NAIVE = Entrant("naive", "own", "1")
VECTORIZED = Entrant("vectorized", "own", "1")


@pytest.fixture
def libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of files that pass for libraries of this machine."""
    monkeypatch.setattr(module, "architecture", lambda _path: module.this_architecture())
    folder = tmp_path / "old"
    folder.mkdir()
    names = ("libopenblas.so", "libdnnl.so.3.13", "libblis.so.4", "libblis-mt.so.5", "libblas.so.3", "libmine.so")
    for name in names:
        (folder / name).write_bytes(b"\x7fELF" + name.encode())
    return folder


def names_of(found: Sides) -> list[tuple[str, str]]:
    return [(contest.old.kernel, contest.new.kernel) for contest in found.contests]


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("", "begins with none of lib:, kernel:, venv:, pip:, run:", "write lib:PATH"),
        ("numpy", "begins with none of", "write lib:PATH"),
        ("kernal:naive", "begins with none of", "did you mean kernel:?"),
        ("lib:", "nothing is named behind 'lib:'", "lib:NAME=PATH"),
        ("kernel: ", "nothing is named behind 'kernel:'", "kernel:NAME"),
        ("lib:/no/such/file.so", "/no/such/file.so does not exist", "the shared library's own file"),
        ("lib:openblas=", "no file is named behind 'openblas='", "lib:NAME=PATH"),
        ("lib:openblass=/x.so", "there is no library 'openblass'", "libraries: "),
        ("lib:torch=/x.so", "torch is imported by Python", "venv:PATH"),
        ("lib:/", "is a folder", "the shared library's own file"),
        ("venv:/no/such/place", "/no/such/place does not exist", "name the folder"),
        ("pip:--pre numpy", "is an option", "PIP_INDEX_URL"),
        ("pip:", "nothing is named behind 'pip:'", "pip:SPEC"),
    ],
)
def test_words_that_mean_nothing(text: str, says: str, hint: str) -> None:
    with pytest.raises(UsageError, match=re.escape(says)) as caught:
        parse_artifact(text)
    assert hint in caught.value.hint


def test_a_path_without_its_kind_gets_it_as_a_hint(libraries: Path) -> None:
    wheel = tiny_wheel(libraries, "odd", "1")
    for place, kind in ((libraries / "libmine.so", "lib"), (wheel, "pip"), (libraries, "venv")):
        with pytest.raises(UsageError) as caught:
            parse_artifact(str(place))
        assert caught.value.hint == f"did you mean {kind}:{place}?"
    with pytest.raises(UsageError, match="is a file, not a folder"):
        parse_artifact(f"venv:{wheel}")


def test_words_become_an_artifact_and_words_again(libraries: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = libraries / "libmine.so"
    assert parse_artifact(f"lib:{path}") == Artifact("lib", str(path))
    assert parse_artifact(f"lib:openblas={path}") == Artifact("lib", str(path), "openblas")
    assert parse_artifact(f"lib:openblas={path}").word == f"lib:openblas={path}"
    odd = libraries / "a=b.so"
    odd.write_bytes(b"")
    assert parse_artifact(f"lib:{odd}") == Artifact("lib", str(odd))
    monkeypatch.chdir(libraries)
    assert parse_artifact("lib:a=b.so") == Artifact("lib", str(odd))
    assert parse_artifact("lib:libmine.so").value == str(path)
    assert parse_artifact("kernel:openblas@scipy") == Artifact("kernel", "openblas@scipy")
    assert parse_artifact("pip:numpy==2.1 numba") == Artifact("pip", "numpy==2.1 numba")
    assert parse_artifact(f"venv:{libraries}") == Artifact("venv", str(libraries))
    assert parse_artifact("run:whatever it is").word == "run:whatever it is"


@pytest.mark.parametrize(
    ("word", "chosen", "met"),
    [
        ("libopenblas.so", [OPENBLAS, ONEDNN, NAIVE], [("openblas@given", "openblas@numpy")]),
        ("libmine.so", [NAIVE, OPENBLAS], [("openblas@given", "openblas@numpy")]),
        ("openblas=libmine.so", [OPENBLAS, ONEDNN], [("openblas@given", "openblas@numpy")]),
        ("openblas=libdnnl.so.3.13", [OPENBLAS, ONEDNN], [("openblas@given", "openblas@numpy")]),
        (
            "libdnnl.so.3.13",
            [ONEDNN, UNFUSED, GEMM],
            [("onednn@given", ONEDNN.kernel), ("onednn-unfused@given", UNFUSED.kernel), ("onednn-gemm@given", GEMM.kernel)],
        ),
        ("libblis.so.4", [AOCL, BLIS], [("blis@given", "blis@debian")]),
        ("libblis-mt.so.5", [AOCL, BLIS], [("aocl@given", "aocl@aoclda")]),
    ],
)
def test_a_file_meets_the_chosen_copies_of_its_library(
    libraries: Path, word: str, chosen: list[Entrant], met: list[tuple[str, str]]
) -> None:
    name, _, file = word.rpartition("=")
    found = sides_of(Artifact("lib", str(libraries / file), name), chosen)
    assert names_of(found) == met
    assert {contest.old.path for contest in found.contests} == {str(libraries / file)}
    assert (found.old.kind, found.old.place, found.new.word) == ("lib", str(libraries / file), "here")
    left = [entrant.kernel for entrant in chosen if entrant.kernel not in {new for _, new in met}]
    assert found.notes == ((f"{found.old.word} is {name or met[0][0].split('@')[0]}: {', '.join(left)} left out",) if left else ())


def test_the_old_file_keeps_the_new_ones_adapter_and_the_path_is_resolved(libraries: Path) -> None:
    link = libraries / "libopenblas-link.so"
    link.symlink_to(libraries / "libopenblas.so")
    old = sides_of(Artifact("lib", str(link)), [OPENBLAS]).contests[0].old
    assert old == Entrant("openblas@given", "library", "2", "OpenBLAS", str(libraries / "libopenblas.so"))


def test_a_new_file_that_was_named_meets_the_old_one_alone(libraries: Path) -> None:
    given = replace(OPENBLAS, kernel="openblas@given", path="/build/libopenblas.so")
    old = Artifact("lib", str(libraries / "libopenblas.so"))
    assert names_of(sides_of(old, [OPENBLAS, given])) == [("openblas@given", "openblas@given")]
    everyone = sides_of(old, [OPENBLAS, given], wanted=("openblas@*",))
    assert names_of(everyone) == [("openblas@given", "openblas@numpy"), ("openblas@given", "openblas@given")]


def test_what_a_file_says_of_itself_counts_where_its_name_does_not(libraries: Path) -> None:
    file = libraries / "libblas.so.3"
    file.write_bytes(b"\0" * 99 + b"OpenBLAS 0.3.21 DYNAMIC_ARCH\0")
    assert names_of(sides_of(Artifact("lib", str(file)), [OPENBLAS, ONEDNN])) == [("openblas@given", "openblas@numpy")]
    amd = libraries / "libblis.so.4"
    amd.write_bytes(b"\0" * 99 + b"AOCL-BLAS 5.1\0")
    assert names_of(sides_of(Artifact("lib", str(amd)), [BLIS, AOCL])) == [("aocl@given", "aocl@aoclda")]


@pytest.mark.parametrize(
    ("file", "name", "chosen", "says"),
    [
        ("libmine.so", "", [OPENBLAS, ONEDNN], "its name does not tell which library it is"),
        ("libmine.so", "", [NAIVE], "its name does not tell which library it is"),
        ("libopenblas.so", "", [ONEDNN], "looks like openblas, and the chosen kernel is onednn"),
        ("libopenblas.so", "", [NAIVE], "is openblas, and no such kernel takes part (chosen: naive)"),
        ("libopenblas.so", "", [], "(chosen: none)"),
        ("libmine.so", "openblas", [BLIS, ONEDNN], "is openblas, and no such kernel takes part"),
    ],
)
def test_a_file_that_fits_nothing(libraries: Path, file: str, name: str, chosen: list[Entrant], says: str) -> None:
    with pytest.raises(UsageError, match=re.escape(says)) as caught:
        sides_of(Artifact("lib", str(libraries / file), name), chosen)
    assert caught.value.exit_code is Exit.USAGE
    assert caught.value.hint


def test_a_file_that_is_no_library_of_this_machine(tmp_path: Path) -> None:
    for content, says in ((b"", "is empty"), (b"#!/bin/sh", "is no shared library"), (b"\x7fELF\x02\x01", "is cut off")):
        (tmp_path / "libopenblas.so").write_bytes(content)
        with pytest.raises(NotPossibleError, match=says):
            sides_of(Artifact("lib", str(tmp_path / "libopenblas.so")), [OPENBLAS])


def test_the_same_file_on_both_sides_is_noted(libraries: Path) -> None:
    file = libraries / "libopenblas.so"
    copy = libraries / "copy.so"
    shutil.copy(file, copy)
    for new, same in ((file, True), (copy, True), (libraries / "libblas.so.3", False)):
        found = sides_of(Artifact("lib", str(file)), [replace(OPENBLAS, path=str(new))])
        assert any("both sides are the same file: this gate compares it with itself" in note for note in found.notes) == same


def test_a_real_file_meets_the_library_that_it_is(tmp_path: Path) -> None:
    chosen = [entrant for entrant in find_entrants()[0] if entrant.kind == "library"]
    if not chosen:
        pytest.skip("needs Linux")
    for new in chosen:
        with varied(new.path, tmp_path, 9) as path:
            old = sides_of(parse_artifact(f"lib:{path}"), [new]).contests[0].old
            assert (old.library, old.kernel.partition("@")[2], old.title) == (new.library, "given", new.title)


def test_a_kernel_meets_the_one_that_was_chosen() -> None:
    found = sides_of(Artifact("kernel", "naive"), [VECTORIZED])
    assert names_of(found) == [("naive", "vectorized")]
    assert (found.contests[0].name, found.old.word, found.notes) == ("vectorized", "kernel:naive", ())
    assert names_of(sides_of(Artifact("kernel", "naive"), [NAIVE, VECTORIZED])) == [("naive", "vectorized")]
    itself = sides_of(Artifact("kernel", "naive"), [NAIVE])
    assert itself.notes == ("naive: both sides are the same code in the same versions: this gate compares it with itself",)


@pytest.mark.parametrize(
    ("word", "chosen", "says"),
    [
        ("naive", [VECTORIZED, OPENBLAS], "exactly one kernel, and 2 are chosen: vectorized, openblas@numpy"),
        ("naive", [], "exactly one kernel, and 0 are chosen: none"),
        ("own/*", [OPENBLAS], "names 4 kernels: "),
        ("naiv", [VECTORIZED], "there is no kernel or library 'naiv'"),
    ],
)
def test_a_kernel_that_meets_nobody(word: str, chosen: list[Entrant], says: str) -> None:
    with pytest.raises(UsageError, match=re.escape(says)):
        sides_of(Artifact("kernel", word), chosen)


def test_a_kernel_whose_library_is_absent() -> None:
    absent = find_entrants(frameworks=True)[1]
    assert absent  # no machine has those of two systems
    with pytest.raises(NotPossibleError, match=f"{absent[0].name} is not here"):
        sides_of(Artifact("kernel", absent[0].name), [VECTORIZED])


def test_what_a_stored_run_names_is_not_made_here() -> None:
    with pytest.raises(UsageError, match="run:x is no artifact that can be run again"):
        sides_of(parse_artifact("run:x"), [VECTORIZED])


def fake_contents(monkeypatch: pytest.MonkeyPatch, entrants: list[Entrant], chosen: list[Entrant], packages: dict[str, str]) -> None:
    """An environment that answers so."""
    monkeypatch.setattr(module, "check_environment", lambda _side, _entrants: None)
    monkeypatch.setattr(module, "contents_of", lambda _side, _wanted: Contents(tuple(entrants), tuple(chosen), packages))


def test_namesakes_meet_and_the_others_are_new_or_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_interpreter(tmp_path / "other", "")
    older = replace(OPENBLAS, path="/old/libopenblas.so", package_version="2.1.0")
    gone = Entrant("plugged-in", "own", "1")
    debian = replace(OPENBLAS, kernel="openblas@nowhere")
    fake_contents(monkeypatch, [VECTORIZED, older, debian, gone], [VECTORIZED, older, gone], {"llvmlite": "0.1", "numpy": "2.1.0"})
    scipy = replace(OPENBLAS, kernel="openblas@scipy-openblas32")
    found = sides_of(Artifact("venv", str(tmp_path / "other")), [NAIVE, VECTORIZED, OPENBLAS, scipy, ONEDNN])
    assert [(contest.name, contest.old.path) for contest in found.contests] == [
        ("vectorized", ""),
        ("openblas@numpy", "/old/libopenblas.so"),
    ]
    assert found.absent == (gone,)
    assert found.notes == (
        f"naive: new, nothing to hold it against (venv:{tmp_path / 'other'} has no numba, and {NUMBA['numba']} is the least)",
        f"openblas@scipy-openblas32: new, nothing to hold it against (venv:{tmp_path / 'other'} has openblas@numpy, openblas@nowhere)",
        "onednn@onednn: new, nothing to hold it against",
        "plugged-in: only the old side has it, so its cells are deleted ones",
    )
    assert found.old == Side(
        f"venv:{tmp_path / 'other'}",
        "venv",
        f"{tmp_path}/other/bin/python",
        str(tmp_path / "other"),
        {"llvmlite": "0.1", "numpy": "2.1.0"},
    )
    assert found.new.packages["llvmlite"] == package_version("llvmlite")


def test_an_environment_with_nothing_that_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_interpreter(tmp_path / "other", "")
    fake_contents(monkeypatch, [VECTORIZED], [], {})
    with pytest.raises(NotPossibleError, match=r"has none of what is chosen here \(onednn@onednn\)") as caught:
        sides_of(Artifact("venv", str(tmp_path / "other")), [ONEDNN])
    assert caught.value.hint == "there: vectorized"
    with pytest.raises(UsageError, match="no kernel is chosen"):
        sides_of(Artifact("venv", str(tmp_path / "other")), [])


def test_own_code_made_by_the_same_packages_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_interpreter(tmp_path / "other", "")
    same = "both sides are the same code in the same versions"
    llvm = {"llvmlite": package_version("llvmlite")}
    for packages, noted in (({**llvm, "numba": "0.1"}, "vectorized: "), ({"llvmlite": "0.1"}, "")):
        fake_contents(monkeypatch, [NAIVE, VECTORIZED], [], packages)
        notes = sides_of(Artifact("venv", str(tmp_path / "other")), [NAIVE, VECTORIZED]).notes
        assert [note for note in notes if same in note] == ([f"{noted}{same}: this gate compares it with itself"] if noted else [])


def test_a_real_environment_against_this_one(tmp_path: Path) -> None:
    place = linked_environment(tmp_path / "other")
    chosen, _ = find_entrants(every_copy=True)
    found = sides_of(parse_artifact(f"venv:{place}"), chosen)
    met = {contest.name: contest for contest in found.contests}
    assert {"vectorized", "vectorized-unfused"} <= set(met)
    assert "naive" not in met
    assert found.absent == ()
    if "openblas@numpy" in {entrant.kernel for entrant in chosen}:
        both = met["openblas@numpy"]
        assert Path(both.old.path).is_relative_to(place.resolve())
        assert not Path(both.new.path).is_relative_to(place.resolve())
        assert any("openblas@numpy" in note and "the same file" in note for note in found.notes)  # other places, the same bytes
    assert decode(Side, encode(found.old)) == found.old
    reopen(found.old)


def test_an_environment_made_for_nothing_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr(module, "needed_by", lambda _entrants: {})
    monkeypatch.setattr(installs, "_HELD", {})
    wheel = tiny_wheel(tmp_path, "tiny-asked", "1")
    told: list[str] = []
    with pytest.raises(NotPossibleError, match="lacks numpy, llvmlite and ml-dtypes"):
        sides_of(parse_artifact(f"pip:{wheel}"), [VECTORIZED], run="run-1", tell=told.append)
    assert told[-1] == f"installing {wheel}"
    assert list(installs.environments().iterdir()) == []


def test_a_side_that_is_gone_is_not_taken_up_again(tmp_path: Path) -> None:
    file = tmp_path / "libx.so"
    file.write_bytes(b"")
    reopen(Side("lib:x", "lib", place=str(file)))
    reopen(Side("kernel:naive", "kernel"))
    file.unlink()
    place = bare_environment(tmp_path / "other")
    pretend_installed(place, "numpy", "2.0")
    environment = Side("venv:x", "venv", f"{place}/bin/python", str(place), {"numpy": "2.0"})
    reopen(environment)
    shutil.rmtree(packages_folder(place))
    for side in (Side("lib:x", "lib", place=str(file)), environment, Side("pip:x", "pip", place=str(tmp_path / "none"))):
        with pytest.raises(MmbenchError, match=r"is gone|has changed"):
            reopen(side)
