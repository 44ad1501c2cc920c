"""A fresh place for each launch: the library still finds what it needs, and nothing is left."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from gate_environments import linked_environment
from mmbench.configs.codec import decode, encode
from mmbench.configs.errors import NotPossibleError
from mmbench.configs.gateplan import Side
from mmbench.configs.plan import Entrant, Opened
from mmbench.kernels.entrants import find_entrants
from mmbench.kernels.gate import places
from mmbench.kernels.gate.environments import environment_side, worker_command
from mmbench.kernels.gate.places import moved, varied, varied_environment
from mmbench.kernels.host import Host
from mmbench.kernels.measure.affinity import allowed_cpus
from mmbench.kernels.measure.worker import Worker

SESSION = "mmbench.kernels.session"


def opened(entrant: Entrant, command: list[str]) -> Opened:
    with Worker(command) as worker:
        arguments = {"entrant": encode(entrant), "host": encode(Host.of(None, allowed_cpus()))}
        return decode(Opened, worker.call(f"{SESSION}:open_kernel", arguments, 60.0))


def compiled(folder: Path, name: str, text: str, *options: str) -> Path:
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "source.c").write_text(text, encoding="ascii")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(folder / name), str(folder / "source.c"), *options], check=True)
    return folder / name


def in_a_process(path: str) -> str:
    """What `answer` of the library says in a process of its own."""
    code = f"import ctypes; print(ctypes.CDLL({path!r}).answer())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("chars", [1, 40, 255])
def test_the_folder_has_as_many_characters_and_is_gone_afterwards(tmp_path: Path, chars: int) -> None:
    source = tmp_path / "lib" / "libx.so"
    source.parent.mkdir()
    source.write_bytes(b"one")
    (source.parent / "beside").write_text("two", encoding="ascii")
    folder = tmp_path / "fresh"
    with varied(str(source), folder, chars) as path:
        place = Path(path)
        assert (place.name, len(place.parent.name), place.parent.parent) == ("libx.so", chars, folder)
        assert place.read_bytes() == b"one"
        assert not place.is_symlink()
        assert not place.samefile(source)
        assert (place.parent / "beside").samefile(source.parent / "beside")
    assert list(folder.iterdir()) == []
    assert sorted(each.name for each in source.parent.iterdir()) == ["beside", "libx.so"]


def test_two_at_once_have_places_of_their_own_and_an_error_leaves_none(tmp_path: Path) -> None:
    source = tmp_path / "libx.so"
    source.write_bytes(b"one")
    with varied(str(source), tmp_path / "a", 3) as one, varied(str(source), tmp_path / "a", 3) as two:
        assert one != two
    fresh = varied(str(source), tmp_path / "a", 3)
    assert Path(fresh.__enter__()).is_file()
    assert not fresh.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)  # it goes on to whoever called
    assert list((tmp_path / "a").iterdir()) == []


def test_a_large_file_is_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MOST_COPIED_BYTES", 2)
    source = tmp_path / "libx.so"
    source.write_bytes(b"one")
    with varied(str(source), tmp_path / "fresh", 8) as path:
        assert Path(path).is_symlink()
        assert Path(path).samefile(source)


@pytest.mark.parametrize("where", [".", "../parts"])
def test_what_a_library_needs_is_found_from_where_it_lies(tmp_path: Path, where: str) -> None:
    needed = compiled(tmp_path / "home" / "lib" / where, "libneeded.so", "int deep(void) { return 42; }")
    options = (f"-L{needed.parent}", "-lneeded", f"-Wl,-rpath,$ORIGIN/{where}")
    library = compiled(tmp_path / "home" / "lib", "libx.so", "int deep(void); int answer(void) { return deep(); }", *options)
    with varied(str(library), tmp_path / "fresh", 20) as path:
        assert Path(path).is_relative_to(tmp_path / "fresh")
        assert in_a_process(path) == "42"
    assert library.is_file()
    assert needed.is_file()
    assert list((tmp_path / "fresh").iterdir()) == []


def test_every_library_here_opens_from_a_fresh_place(tmp_path: Path) -> None:
    copies = [entrant for entrant in find_entrants(every_copy=True)[0] if entrant.path and "-unfused" not in entrant.kernel]
    if not copies:
        pytest.skip("needs Linux")
    for entrant in copies:
        with varied(entrant.path, tmp_path / "fresh", 60) as path:
            found = opened(replace(entrant, path=path), worker_command(Side("here")))
            assert found.problem == "", entrant.kernel
            assert found.files, entrant.kernel
            assert [file for file in found.files if not Path(file).is_file()] == [], entrant.kernel


def test_an_environment_is_called_through_a_link(tmp_path: Path) -> None:
    place = linked_environment(tmp_path / "made")
    before = environment_side("venv:made", "venv", place)
    with varied_environment(before, tmp_path / "fresh", 90) as after:
        link = Path(after.place)
        assert (len(link.name), link.parent) == (90, tmp_path / "fresh")
        code = "import sys, numpy; print(sys.prefix); print(numpy.__file__)"
        said = subprocess.run([after.python, "-I", "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
        assert said[0] == str(link)
        assert Path(said[1]).is_relative_to(link)
        theirs = next((path for path in place.resolve().glob("lib/python*/site-packages/numpy.libs/*openblas*")), None)
        if theirs is not None:
            entrant = moved(Entrant("openblas@numpy", "library", "2", "", str(theirs)), before, after)
            assert Path(entrant.path).is_relative_to(link)
            assert opened(entrant, worker_command(after)).version
    assert list((tmp_path / "fresh").iterdir()) == []
    assert place.is_dir()


def test_this_installation_is_varied_where_it_is_a_virtual_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Side("here")
    with varied_environment(here, tmp_path / "fresh", 12) as after:
        if (Path(sys.prefix) / "pyvenv.cfg").is_file():
            assert Path(after.place).samefile(sys.prefix)
            assert opened(Entrant("vectorized", "own", "1"), worker_command(after)).kernel == "vectorized"
        else:
            assert after == here
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with varied_environment(here, tmp_path / "fresh", 12) as after:
        assert after == here


def test_what_lies_elsewhere_is_not_moved(tmp_path: Path) -> None:
    before, after = Side("venv:a", "venv", place=str(tmp_path / "a")), Side("venv:a", "venv", place=str(tmp_path / "b"))
    system = Entrant("blis@debian", "library", "1", path="/usr/lib/libblis.so.4")
    own = Entrant("vectorized", "own", "1")
    assert (moved(system, before, after), moved(own, before, after)) == (system, own)


def test_a_place_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="ascii")
    with pytest.raises(NotPossibleError, match=r"nothing can be put into .*: Not a directory"), varied("x.so", tmp_path / "file" / "in", 5):
        pass
    with pytest.raises(NotPossibleError, match=r"nothing can be put into .*: No such file"), varied("/nowhere/x.so", tmp_path / "fresh", 5):
        pass
    assert list((tmp_path / "fresh").iterdir()) == []
    with pytest.raises(ValueError, match="1 to 255 characters, not 256"), varied("x.so", tmp_path, 256):
        pass


def test_a_copy_is_another_library_to_the_loader(tmp_path: Path) -> None:
    library = compiled(tmp_path, "libcount.so", "static int n; int answer(void) { return ++n; }")
    with varied(str(library), tmp_path / "fresh", 9) as path:
        one, two = ctypes.CDLL(str(library)), ctypes.CDLL(path)
        assert (one.answer(), one.answer(), two.answer()) == (1, 2, 1)
