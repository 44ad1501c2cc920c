"""Environments made for `pip:SPEC`: from local wheels, with no index, and with nothing left behind whatever ends the making."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from gate_environments import WORKER_NEEDS, packages_folder, repacked_wheel, tiny_wheel
from mmbench.configs.errors import Exit, NotPossibleError, UsageError
from mmbench.configs.gateplan import Side
from mmbench.kernels.gate import installs
from mmbench.kernels.gate.environments import NEEDED, NUMBA, check_environment, contents_of
from mmbench.kernels.gate.installs import (
    environments,
    install,
    remove_environment,
    remove_stale,
    reopen_environment,
    requirements_in,
    to_install,
)
from mmbench.kernels.vendor.discovery import package_version

TINY = {"tiny-needed": "1.0"}
DAY_S = 86400.0

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder from which pip takes everything, and a cache folder of the test's own."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    tiny_wheel(folder, "tiny-needed", "1.0")
    for name, value in (("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", str(folder)), ("PIP_NO_COMPILE", "1"), ("PIP_USER", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MMBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(installs, "_HELD", {})
    return folder


def installed_in(side: Side) -> set[str]:
    """What was installed beside what every new environment has."""
    found = {path.name.removesuffix(".dist-info") for path in packages_folder(Path(side.place)).glob("*.dist-info")}
    return {name for name in found if not name.startswith(("pip-", "setuptools-"))}


def left() -> list[str]:
    return sorted(path.name for path in environments().iterdir())


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (" ", "names no package"),
        ("--index-url=x numpy", "'--index-url=x' is an option"),
        ("numpy -r x.txt", "'-r' is an option"),
        ("https://example.org/x.whl", "is a URL"),
        ("git+https://example.org/x", "is a URL"),
        ("x@file:///x.whl", "is a URL"),
        ("numpy >= 2", "'>=' is no requirement"),
        ("numpy;rm", "'numpy;rm' is no requirement"),
        ("./folder", "'./folder' is no wheel"),
        ("x-1.tar.gz/", "is no wheel"),
        ("gone-1.0-py3-none-any.whl", "does not exist"),
        ("numpy==", "is no requirement"),
    ],
)
def test_what_is_no_requirement_is_refused(spec: str, says: str) -> None:
    with pytest.raises(UsageError, match=re.escape(says)) as caught:
        requirements_in(spec)
    assert caught.value.hint


def test_requirements_are_parted_by_blanks_and_a_wheel_is_named_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert requirements_in("numpy>=2,<2.2  numba[x]==0.61.* a.b_c~=1.0") == ["numpy>=2,<2.2", "numba[x]==0.61.*", "a.b_c~=1.0"]
    monkeypatch.chdir(tmp_path)
    wheel = tiny_wheel(tmp_path, "odd", "1")
    assert requirements_in(wheel.name) == [str(wheel)]


def test_what_a_worker_needs_has_this_sides_version_unless_it_is_named(tmp_path: Path) -> None:
    here = {name: f"{name}=={package_version(name)}" for name in (*NEEDED, *NUMBA)}
    assert to_install("scipy-openblas32==0.3.27", NEEDED) == ["scipy-openblas32==0.3.27", *(here[name] for name in NEEDED)]
    assert to_install("numpy<2.3 ml_dtypes", NEEDED) == ["numpy<2.3", "ml_dtypes", here["llvmlite"]]
    wheel = tiny_wheel(tmp_path, "ml-dtypes", "9")
    assert to_install(str(wheel), NEEDED) == [str(wheel), here["numpy"], here["llvmlite"]]
    # each version of numba is for one of llvmlite
    assert f"llvmlite>={NEEDED['llvmlite']}" in to_install("numba==0.62.1", {**NEEDED, **NUMBA})
    assert f"numba>={NUMBA['numba']}" in to_install("llvmlite==0.45", {**NEEDED, **NUMBA})


def test_an_environment_is_made_held_and_removed(wheels: Path) -> None:
    tiny_wheel(wheels, "tiny-asked", "2.5")
    told: list[str] = []
    side = install("tiny-asked==2.5", TINY, "run-7", told.append)
    assert (side.word, side.kind, Path(side.place)) == ("pip:tiny-asked==2.5", "pip", environments() / "run-7")
    assert installed_in(side) == {"tiny_asked-2.5", "tiny_needed-1.0"}
    assert [line.split()[0] for line in told] == ["making", "installing"]
    assert remove_stale(-1.0) == []  # however old: this process holds it
    remove_environment(side)
    assert left() == []


def test_a_local_wheel_is_installed(wheels: Path, tmp_path: Path) -> None:
    wheel = tiny_wheel(tmp_path, "local-one", "3")
    assert installed_in(install(str(wheel), TINY)) == {"local_one-3", "tiny_needed-1.0"}


def test_the_environment_of_a_user_is_never_removed(wheels: Path, tmp_path: Path) -> None:
    del wheels
    (tmp_path / "mine").mkdir()
    for kind in ("pip", "venv"):
        remove_environment(Side(f"{kind}:x", kind, place=str(tmp_path / "mine")))
    assert (tmp_path / "mine").is_dir()


def test_a_worker_serves_in_what_pip_installed(wheels: Path) -> None:
    for name in WORKER_NEEDS:
        repacked_wheel(name, wheels)
    tiny_wheel(wheels, "scipy-openblas32", "0.0.1")
    side = install("scipy-openblas32", NEEDED)
    check_environment(side, [])
    contents = contents_of(side, ("vectorized",))
    assert [entrant.kernel for entrant in contents.chosen] == ["vectorized"]
    assert contents.packages == {name: package_version(name) for name in WORKER_NEEDS}
    remove_environment(side)


def test_pips_last_words_are_shown_and_nothing_is_left(wheels: Path) -> None:
    del wheels
    with pytest.raises(NotPossibleError, match="pip could not install no-such-package-mmbench-xyz: No matching distribution") as caught:
        install("no-such-package-mmbench-xyz", TINY)
    assert caught.value.exit_code is Exit.NOT_POSSIBLE
    assert "its last words:\n" in caught.value.hint
    assert left() == []


def test_a_conflict_with_what_a_worker_needs_says_how_to_free_it(wheels: Path) -> None:
    tiny_wheel(wheels, "tiny-asked", "1", requires="tiny-needed<1")
    tiny_wheel(wheels, "tiny-needed", "0.5")
    with pytest.raises(NotPossibleError, match=r"pip could not install tiny-asked tiny-needed==1\.0: Cannot install") as caught:
        install("tiny-asked tiny-needed==1.0", {})
    assert "name those that may differ, too" in caught.value.hint


def test_an_installer_that_takes_too_long_is_ended(wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del wheels
    monkeypatch.setattr(installs, "INSTALL_S", 0.0)  # each step has a second
    monkeypatch.setattr(installs.subprocess, "Popen", _sleeping(subprocess.Popen))
    with pytest.raises(NotPossibleError, match="no virtual environment could be made within 0 s"):
        install("tiny-asked", TINY)
    assert left() == []


def _sleeping(real: Callable[..., subprocess.Popen[bytes]]) -> Callable[..., subprocess.Popen[bytes]]:
    def popen(_words: list[str], **options: object) -> subprocess.Popen[bytes]:
        return real(["sleep", "60"], **options)

    return popen


def test_a_cache_that_cannot_be_written_is_said(wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del wheels
    (tmp_path / "file").write_text("", encoding="ascii")
    monkeypatch.setenv("MMBENCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(NotPossibleError, match=r"no environment can be made in .*file/environments: Not a directory"):
        install("tiny-asked", TINY)


@pytest.fixture
def hanging_index() -> Iterator[str]:
    """The address of an index that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/simple"


def _installing(index: str) -> subprocess.Popen[str]:
    """A process that installs from an index which never answers; it has come as far as pip."""
    script = """
        from mmbench.kernels.gate.installs import install
        print("end", install("tiny-asked", {}, "cut-off", lambda text: print(text, flush=True)), flush=True)
    """
    environment = {**os.environ, "PIP_INDEX_URL": index}
    environment.pop("PIP_NO_INDEX")
    environment.pop("PIP_FIND_LINKS")
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("making")
    assert process.stdout.readline().startswith("installing")
    return process


def _pips_below(place: Path) -> list[int]:
    """Processes whose command names this environment's Python."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(place).encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


def _waited(condition: Callable[[], bool], for_s: float = 20.0) -> bool:
    until = time.monotonic() + for_s
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


@needs_linux
def test_an_interrupt_leaves_nothing(wheels: Path, hanging_index: str) -> None:
    del wheels
    place = environments() / "cut-off"
    process = _installing(hanging_index)
    assert _waited(lambda: bool(_pips_below(place)))
    process.send_signal(signal.SIGINT)
    assert process.wait(30) != 0
    assert left() == []
    assert _waited(lambda: not _pips_below(place))


@needs_linux
def test_what_a_killed_process_leaves_is_removed_at_the_next_use_and_what_a_living_one_uses_is_not(
    wheels: Path, hanging_index: str
) -> None:
    tiny_wheel(wheels, "tiny-asked", "1")
    place = environments() / "cut-off"
    process = _installing(hanging_index)
    assert _waited(lambda: bool(_pips_below(place)))
    assert remove_stale(-1.0) == []  # not complete and old, but its process lives
    with pytest.raises(NotPossibleError, match="cut-off is in use by another process"):
        install("tiny-asked", TINY, "cut-off")
    process.kill()
    process.wait(30)
    assert _waited(lambda: not _pips_below(place))  # the installer ended with it
    assert place.is_dir()
    side = install("tiny-asked", TINY, "next")
    assert left() == ["next", "next.lock"]
    remove_environment(side)


@needs_linux
def test_what_is_complete_is_kept_for_a_while_and_found_again(wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_wheel(wheels, "tiny-asked", "1")
    side = install("tiny-asked", TINY, "kept")
    _ended(monkeypatch)
    assert remove_stale() == []
    marker = Path(side.place) / "complete"
    os.utime(marker, (time.time() - 13 * DAY_S,) * 2)
    assert remove_stale() == []
    reopen_environment(side)
    assert time.time() - marker.stat().st_mtime < DAY_S  # used now
    _ended(monkeypatch)
    os.utime(marker, (time.time() - 15 * DAY_S,) * 2)
    assert remove_stale() == ["kept"]
    with pytest.raises(NotPossibleError, match="the environment of pip:tiny-asked is gone"):
        reopen_environment(side)
    assert left() == []


def _ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the process that held environments had ended."""
    for descriptor in installs._HELD.values():
        os.close(descriptor)
    monkeypatch.setattr(installs, "_HELD", {})


def test_without_locks_only_what_is_old_is_removed(wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del wheels
    monkeypatch.setattr(installs, "fcntl", None)
    for name in ("young", "aged"):
        (environments() / name).mkdir(parents=True)
    os.utime(environments() / "aged", (time.time() - 15 * DAY_S,) * 2)
    assert remove_stale() == ["aged"]
    assert left() == ["young"]


def test_an_environment_without_its_marker_is_not_reopened(wheels: Path) -> None:
    del wheels
    place = environments() / "torn"
    place.mkdir(parents=True)
    side = Side("pip:x", "pip", place=str(place))
    with pytest.raises(NotPossibleError, match="is gone"):
        reopen_environment(side)
    remove_environment(replace(side, kind="venv"))
    assert place.is_dir()
    remove_environment(side)
    assert left() == []
