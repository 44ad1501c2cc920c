"""`--library NAME=PATH` with a file that cannot be read or holds nothing: one sentence that names it, before anything runs.

The tests may run as root, who may read every file: permission is refused by a stand-in for `open`, as the system refuses it to others.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from mmbench.cli import main
from mmbench.configs.errors import NotPossibleError, UsageError
from mmbench.kernels.vendor.files import architecture
from mmbench.kernels.vendor.library import given


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the files lie; nothing of the caller's settings, while the object cache stays."""
    monkeypatch.setenv("XDG_CACHE_HOME", os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser()))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", "")
    monkeypatch.delenv("MMBENCH_RESULTS", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def closed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that nobody may read, in a folder that anybody may look into."""
    path = folder / "closed.so"
    path.write_bytes(b"\x7fELF")
    opens = Path.open

    def refusing(self: Path, *arguments: Any, **named: Any) -> Any:
        if self.name == path.name:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return opens(self, *arguments, **named)

    monkeypatch.setattr(Path, "open", refusing)
    return path


def swept(*words: str) -> Result:
    return CliRunner().invoke(main.cli, ["--results", "results", "sweep", "--shapes", "64", "--no-probe", *words])


def refused(result: Result, *said: str) -> None:
    """A sentence and a hint at most, the exit code of bad usage, and nothing done."""
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) <= 2
    for words in said:
        assert words in result.stderr
    assert "Traceback" not in result.output
    assert not Path("results").exists()


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_library_that_may_not_be_read_is_refused(closed: Path, more: tuple[str, ...]) -> None:
    refused(swept("--library", f"openblas={closed.name}", *more), "--library openblas=closed.so: cannot be read: Permission denied")


def test_permission_may_be_lost_between_two_looks(closed: Path) -> None:
    with pytest.raises(NotPossibleError, match=r"closed\.so cannot be read: Permission denied"):
        architecture(closed)


def test_a_folder_is_no_library(folder: Path) -> None:
    (folder / "lib").mkdir()
    refused(swept("--library", "openblas=lib"), "--library openblas=lib: cannot be read: Is a directory")
    with pytest.raises(UsageError, match="cannot be read: No such file or directory"):
        given("openblas", "absent.so")


@pytest.mark.parametrize("name", ["openblas", "mkl", "onednn", "blis"])
def test_an_empty_file_is_refused_as_such(folder: Path, name: str) -> None:
    (folder / "empty.so").touch()
    refused(swept("--library", f"{name}=empty.so"), f"--library {name}", f"{folder / 'empty.so'} is empty")
