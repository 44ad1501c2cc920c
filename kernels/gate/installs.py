"""Make an environment for `pip:SPEC` with the standard library's venv and pip, keep it while somebody uses it, and leave nothing behind.

They lie in `environments` below the cache folder, one for each run. An environment has a lock file beside it, which the process that uses
it holds (the system lets go of it when that process ends, however it ends), and a file `complete` in it, once all is installed. Whatever is
not held and not complete, or was not used for 14 days, is removed when the next one is made. Where a file system has no locks, only what is
old is removed.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path

from ...configs.errors import NotPossibleError, UsageError
from ...configs.files import is_id
from ...configs.gateplan import Side
from ...configs.settings import default_cache
from .environments import environment_side, interpreter_in, pinned

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

KEPT_S = 14 * 86400.0
INSTALL_S = 900.0
_COMPLETE = "complete"
_TAIL_LINES = 8
_REQUIREMENT = re.compile(
    r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?:\[[A-Za-z0-9._,-]*\])?((?:(?:===|==|~=|!=|<=|>=|<|>)[A-Za-z0-9.*+!_-]+,?)*)"
)
# Settings of pip that would put packages elsewhere than into the environment; the others (an index, a proxy) are the user's to make.
_MISLEADING = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON", "PIP_DRY_RUN", "PIP_NO_DEPS", "PIP_REQUIREMENT")
# Linux ends the installer with its parent, even by kill -9 (PR_SET_PDEATHSIG, which outlives exec).
_DIES_WITH_PARENT = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); os.execv(sys.argv[1], sys.argv[1:])"
# Of two packages that need one another at a certain version, naming one leaves the other free.
_BOUND = ({"numba", "llvmlite"},)

_HELD: dict[str, int] = {}  # environment -> descriptor of its lock, for the life of this process


class _Lock(Enum):
    """What came of trying to hold an environment."""

    HELD = "held"
    TAKEN = "taken"  # by another process, which lives
    NONE = "none"  # this file system has no locks


def environments() -> Path:
    """The folder of all of them."""
    return default_cache().absolute() / "environments"


def requirements_in(spec: str) -> list[str]:
    """The requirements of SPEC, which blanks part: `numpy==2.1`, `numba[x]>=0.62,<0.64`, a wheel's path.

    UsageError for anything else: options belong into pip's own settings, and what a URL or a folder of sources brings has no version that
    could be held against.
    """
    words = spec.split()
    if not words:
        raise UsageError("pip: names no package", "for instance: --against pip:numpy==2.1.0")
    for word in words:
        shown = f"pip:{spec}: '{word}'"
        if word.startswith("-"):
            raise UsageError(f"{shown} is an option, and only packages can be named", "set it in pip's own settings, such as PIP_INDEX_URL")
        if "://" in word or word == "@" or "@" in word.partition("=")[0]:
            raise UsageError(f"{shown} is a URL, and only what has a version can be held against", "fetch the wheel, and name its path")
        if "/" in word or word.endswith(".whl") or (os.sep in word):
            if not word.endswith(".whl"):
                raise UsageError(f"{shown} is no wheel", "build one: python -m pip wheel --no-deps PATH")
            if not Path(word).expanduser().is_file():
                raise UsageError(f"{shown} does not exist", "name the wheel's path, from here or from the root")
        elif not _REQUIREMENT.fullmatch(word):
            raise UsageError(f"{shown} is no requirement", "write each without blanks: pip:'numpy>=2,<2.4 numba==0.62.1'")
    return [str(Path(word).expanduser().absolute()) if word.endswith(".whl") else word for word in words]


def to_install(spec: str, needed: Mapping[str, str]) -> list[str]:
    """What is installed: the requirements, and what a worker needs at this side's versions, as far as the requirements do not name it."""
    words = requirements_in(spec)
    named = {_distribution(word) for word in words}
    bound = {name for pair in _BOUND if pair & named for name in pair}
    rest = [f"{name}>={least}" if name in bound else pinned(name, least) for name, least in needed.items() if name not in named]
    return [*words, *rest]


def _distribution(word: str) -> str:
    """The normalised name of what a requirement or a wheel holds (PEP 503)."""
    if word.endswith(".whl"):
        name = Path(word).name.partition("-")[0]
    else:
        match = _REQUIREMENT.fullmatch(word)
        name = match[1] if match else word
    return re.sub(r"[-_.]+", "-", name).lower()


def install(spec: str, needed: Mapping[str, str], run: str = "", tell: Callable[[str], None] = lambda _: None) -> Side:
    """Make the environment of `pip:SPEC`, which this process then holds; NotPossibleError with pip's last words where that fails.

    `run` names its folder. `tell` hears what is done. Whatever ends it (an interrupt, too) leaves nothing behind.
    """
    words = to_install(spec, needed)
    remove_stale()
    place = environments() / (run if run and is_id(run) else secrets.token_hex(6))
    word = f"pip:{spec}"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if _hold(place) is _Lock.TAKEN:
            raise NotPossibleError(f"{place} is in use by another process", "wait until that run has ended, or end it")
    except OSError as error:
        raise _unwritable(place, error) from None
    try:
        _erase(place)
        place.mkdir()
        tell(f"making an environment for {word}")
        deadline = time.monotonic() + INSTALL_S
        _run([sys.executable, "-I", "-m", "venv", str(place)], deadline, "no virtual environment could be made")
        tell(f"installing {' '.join(words)}")
        command = [str(interpreter_in(place)), "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input", *words]
        _run(command, deadline, f"pip could not install {spec}")
        (place / _COMPLETE).write_text(spec + "\n", encoding="utf-8")
    except BaseException as error:
        _remove(place)
        if isinstance(error, OSError):
            raise _unwritable(place, error) from None
        raise
    return environment_side(word, "pip", place)


def reopen_environment(side: Side) -> None:
    """Hold a `pip:` side's environment again, for a run that is resumed; NotPossibleError where it is gone or used by another process."""
    place = Path(side.place)
    if place.is_dir() and _hold(place) is _Lock.TAKEN:
        raise NotPossibleError(f"{place} is in use by another process", "wait until that run has ended, or end it")
    if not (place / _COMPLETE).is_file():  # asked after it is held: until then another process may have been removing it
        _let_go(place)
        raise NotPossibleError(f"the environment of {side.word} is gone: {place}", "start a new gate")
    with contextlib.suppress(OSError):
        os.utime(place / _COMPLETE)


def remove_environment(side: Side) -> None:
    """Remove what `install` made, once its run is finished; nothing happens to an environment that is the user's own."""
    place = Path(side.place)
    if side.kind == "pip" and place.parent == environments() and _hold(place) is not _Lock.TAKEN:
        _remove(place)


def remove_stale(older_s: float = KEPT_S) -> list[str]:
    """Remove environments that nobody uses and that were not finished, or not used for so long; their names."""
    folder, removed = environments(), []
    with contextlib.suppress(OSError):
        for place in sorted({folder / entry.name.removesuffix(".lock") for entry in folder.iterdir() if not entry.is_symlink()}):
            if str(place) in _HELD:
                continue
            lock = _hold(place)
            finished = (place / _COMPLETE).is_file()
            aged = _idle_s(place) > older_s
            if aged or (lock is _Lock.HELD and not finished):
                if lock is not _Lock.TAKEN:
                    _remove(place)
                    removed.append(place.name)
            elif lock is _Lock.HELD:
                _let_go(place)
    return removed


def _idle_s(place: Path) -> float:
    """Seconds since it was last used, as far as its files tell; a clock that was set back makes nothing old."""
    for each in (place / _COMPLETE, place):
        with contextlib.suppress(OSError):
            return time.time() - each.stat().st_mtime
    return 0.0


def _lock_file(place: Path) -> Path:
    return place.with_name(place.name + ".lock")


def _hold(place: Path) -> _Lock:
    """Try to hold an environment until this process ends. OSError where the lock file cannot be made."""
    if str(place) in _HELD:
        return _Lock.HELD
    if fcntl is None:
        return _Lock.NONE
    while True:
        descriptor = os.open(_lock_file(place), os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), _lock_file(place).stat()):
                _HELD[str(place)] = descriptor
                return _Lock.HELD
        except BlockingIOError:
            os.close(descriptor)
            return _Lock.TAKEN
        except FileNotFoundError:  # who removed the environment meanwhile removed this file, too
            pass
        except OSError:
            os.close(descriptor)
            return _Lock.NONE
        os.close(descriptor)


def _let_go(place: Path) -> None:
    descriptor = _HELD.pop(str(place), -1)
    if descriptor >= 0:
        os.close(descriptor)


def _remove(place: Path) -> None:
    """Remove an environment and its lock. An interrupt meanwhile leaves one that is not complete, which the next use removes."""
    try:
        _erase(place)
        if not place.exists():
            with contextlib.suppress(OSError):
                _lock_file(place).unlink(missing_ok=True)
    finally:
        _let_go(place)


def _erase(place: Path) -> None:
    with contextlib.suppress(OSError):
        (place / _COMPLETE).unlink(missing_ok=True)
    for _ in range(3):  # an installer that was killed a moment ago may have left a process that still writes
        shutil.rmtree(place, ignore_errors=True)
        if not place.exists():
            return
        time.sleep(0.2)


def _run(command: Sequence[str], deadline: float, failed: str) -> None:
    """Run an installer to its end; NotPossibleError with its last lines where it fails or takes too long. No shell, no questions asked."""
    environment = {name: value for name, value in os.environ.items() if name not in _MISLEADING}
    words = [sys.executable, "-I", "-c", _DIES_WITH_PARENT, *command] if sys.platform.startswith("linux") else list(command)
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=pipe, stderr=subprocess.STDOUT, env=environment, start_new_session=True
    )
    try:
        said = process.communicate(timeout=max(1.0, deadline - time.monotonic()))[0].decode(errors="replace")
    except subprocess.TimeoutExpired:
        raise NotPossibleError(f"{failed} within {INSTALL_S:.0f} s", "make the environment by hand, and name it: venv:PATH") from None
    finally:
        _end(process)
    if process.returncode == 0:
        return
    lines = [line for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ") and "ResolutionImpossible" not in line]
    why = (errors or lines or [""])[-1]  # what pip says of an impossible resolution is where to read about it
    hint = "its last words:\n  " + "\n  ".join(lines[-_TAIL_LINES:]) if lines else ""
    if "ensurepip" in said:
        hint = "the standard library's ensurepip is missing here (Debian: apt install python3-venv)"
    elif "conflict" in said.lower():
        hint += (
            "\nwhat a worker needs is installed at this side's versions: name those that may differ, too (pip:'numba==0.62.1 numpy<2.4')"
        )
    raise NotPossibleError(f"{failed}: {why or f'exit code {process.returncode}'}", hint)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill an installer that still runs, and what it started."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _unwritable(place: Path, error: OSError) -> NotPossibleError:
    why = f"no environment can be made in {place.parent}: {error.strerror or error}"
    return NotPossibleError(why, "name a folder that can be written, with room for some hundred megabytes: MMBENCH_CACHE=PATH")
