"""Run something that may crash in a child process, and say how it ended.

The child is forked, so it has everything that the parent had prepared, and its death costs nothing but its own answer. It
writes no core file, prints nothing, and is killed when its time is up.

Known flaws: threads do not survive a fork, so the function must not rely on any; a signal handler of the parent is set back to
the default in the child. Windows has no fork: there the answer is a reason. Source: fork(2), signal(7), setrlimit(2).
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import os
import pickle
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

_PR_SET_PDEATHSIG = 1
_WORDS = {
    "SIGILL": "illegal instruction",
    "SIGSEGV": "bad memory access",
    "SIGBUS": "bad memory alignment or mapping",
    "SIGFPE": "arithmetic trap",
    "SIGTRAP": "trap",
    "SIGABRT": "aborted (out of memory, or code that LLVM cannot generate)",
    "SIGKILL": "killed (out of memory?)",
    "SIGSYS": "forbidden by the container's system call filter",
}


@dataclass(frozen=True, slots=True)
class Trapped:
    """How it ended: a value, or the signal's name (empty where there was none) and a reason in words."""

    ok: bool
    value: Any = None
    signal_name: str = ""
    reason: str = ""


def can_trap() -> bool:
    """Whether this system can fork."""
    return hasattr(os, "fork") and sys.platform not in ("emscripten", "wasi")


def run_trapping(function: Callable[[], Any], timeout_s: float = 5.0) -> Trapped:
    """Call `function` in a forked child and bring its (pickled) value back. `timeout_s` is wall-clock time, start included."""
    if not can_trap():
        return Trapped(False, reason="this system cannot fork, so nothing that may trap is tried")
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # Python warns of forking with threads; the child touches none of theirs.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        os.close(reader)
        _child(function, writer)
    os.close(writer)
    try:
        data, ended = _collect(reader, time.monotonic() + timeout_s)
    except BaseException:  # Ctrl-C while waiting: leave no child behind
        _kill(pid)
        raise
    finally:
        os.close(reader)
    if not ended:
        _kill(pid)
        return Trapped(False, reason=f"hung: killed after {timeout_s:g} s")
    return _outcome(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), data)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _collect(reader: int, deadline: float) -> tuple[bytes, bool]:
    """What the child wrote until it closed the pipe, and whether it did so in time."""
    parts: list[bytes] = []
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reader], [], [], left)[0]:
            return b"".join(parts), False
        part = os.read(reader, 1 << 16)
        if not part:
            return b"".join(parts), True
        parts.append(part)


def _outcome(code: int, data: bytes) -> Trapped:
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return Trapped(False, signal_name=name, reason=f"{name}: {_WORDS.get(name, 'ended by a signal')}")
    if code != 0 or not data:
        return Trapped(False, reason=f"the child ended with exit code {code} and no answer")
    try:
        ok, value = pickle.loads(data)  # noqa: S301 - written by our own child through a private pipe
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError) as error:
        return Trapped(False, reason=f"the child's answer is torn: {error}")
    return Trapped(True, value) if ok else Trapped(False, reason=str(value))


def die_with_parent() -> None:
    """Ask Linux to end this process when its parent ends, even by kill -9."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _child(function: Callable[[], Any], writer: int) -> NoReturn:
    """Never returns: everything ends in os._exit, so that no clean-up of the parent's runs twice."""
    try:
        die_with_parent()
        _quiet()
        try:
            answer = pickle.dumps((True, function()))
        except Exception as error:
            answer = pickle.dumps((False, f"{type(error).__name__}: {error}"))
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(answer)
    except BaseException:  # also SystemExit and KeyboardInterrupt: no parent's frame may run on
        os._exit(1)
    os._exit(0)


def _quiet() -> None:
    """No core file, no traceback of a fault handler, nothing on the terminal, default signals."""
    gc.disable()
    faulthandler.disable()
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name in ("SIGILL", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGTRAP", "SIGABRT", "SIGTERM", "SIGINT", "SIGALRM"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
