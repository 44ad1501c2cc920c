"""Run measurements in a process of their own, so that a trap, a hang or a kill costs that measurement only.

The parent speaks to a worker in JSON lines: `{"call": "package.module:function", "arguments": ...}` down, and any number of
`{"progress": [fraction, note]}` up, then one `{"result": ...}` or `{"error": ...}`. The function gets the arguments and a progress
callback.
A worker serves many calls, one after another; after a crash the next call starts a fresh one.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from ...configs.errors import MmbenchError
from .lean import one_arena
from .trap import die_with_parent

Progress = Callable[[float, str], None]


class WorkerError(MmbenchError):
    """A measurement that ended without a result; `message` says how. `died`: its process did; `hung`: it was ended, for it gave no answer
    in time (and so died, too)."""

    def __init__(self, message: str, hint: str = "", *, died: bool = False, hung: bool = False) -> None:
        super().__init__(message, hint)
        self.died = died or hung
        self.hung = hung


class Worker:
    """The parent's side of one worker process.

    `command` starts it, another interpreter's perhaps (this one's where left out); `environment` is set besides what this process has.
    """

    def __init__(self, command: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> None:
        self._command = list(command)
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        self._stderr_tail: list[str] = []
        self._tail_keeper: threading.Thread | None = None
        self._paused = False

    def call(self, function: str, arguments: Any, timeout_s: float, progress: Progress | None = None) -> Any:
        """Run `function` there; WorkerError when it cannot be started, traps, dies, exceeds `timeout_s` or raises."""
        request = json.dumps({"call": function, "arguments": arguments})
        try:
            process = self._started()
            if self._paused:
                self.resume()
            return self._ask(process, request, timeout_s, progress)
        except WorkerError:
            raise
        except BaseException:  # an interrupt, or a callback that failed: the answer still to come is no later call's
            self.stop()
            raise

    def _ask(self, process: subprocess.Popen[bytes], request: str, timeout_s: float, progress: Progress | None) -> Any:
        """Send one request and wait for its answer."""
        assert process.stdin is not None
        try:
            process.stdin.write(request.encode() + b"\n")
            process.stdin.flush()
        except OSError:
            raise WorkerError(self._epitaph(), died=True) from None
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                self.stop()
                raise WorkerError(f"no answer within {timeout_s:.0f} s: ended", hung=True) from None
            if line is None or not line.endswith(b"\n"):  # the end, or what a killed process had written of its answer
                raise WorkerError(self._epitaph(), died=True)
            answer = json.loads(line)
            if "progress" in answer:
                if progress is not None:
                    progress(*answer["progress"])
            elif "error" in answer:
                raise WorkerError(answer["error"]["message"], answer["error"]["hint"])
            else:
                return answer["result"]

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process now, from the calling thread: it is ended when the thread that started it ends (Linux counts threads)."""
        self._started()

    def pause(self) -> None:
        """Stop the process and all of its threads where they are, until the next call: a thread pool that spins while it waits for work
        would take the core from the next kernel. Nothing happens where the system has no such signal."""
        self._signal("SIGSTOP")

    def resume(self) -> None:
        """Let it go on; `call` does so by itself."""
        self._signal("SIGCONT")

    def _signal(self, name: str) -> None:
        number = getattr(signal, name, None)
        if self._process is not None and number is not None and hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)
        self._paused = name == "SIGSTOP" and self._process is not None

    def stop(self) -> None:
        """End the process, at once."""
        process, self._process = self._process, None
        self._paused = False
        if process is not None:
            _end(process)
            self._close(process)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.stop()
        self._lines = queue.Queue()
        self._stderr_tail = []
        one_arena()
        command = self._command or [sys.executable, "-m", __name__]
        pipe = subprocess.PIPE
        environment = {**os.environ, **self._environment} if self._environment else None
        try:
            process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True, env=environment)
        except OSError as error:
            why = f"no worker process could be started: {error.strerror or error}"
            raise WorkerError(why, "memory or the number of processes may be limited") from None
        assert process.stdout is not None
        assert process.stderr is not None
        threading.Thread(target=_pump, args=(process.stdout, self._lines), daemon=True).start()
        self._tail_keeper = threading.Thread(target=self._keep_tail, args=(process.stderr,), daemon=True)
        self._tail_keeper.start()
        self._process = process
        return process

    def _keep_tail(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(ValueError, OSError):  # closed by `stop`
            for line in stream:
                self._stderr_tail = [*self._stderr_tail[-9:], line.decode(errors="replace").rstrip()]

    def _close(self, process: subprocess.Popen[bytes]) -> None:
        """Close the pipes of a process that ended, its last words once they are read."""
        if self._tail_keeper is not None:
            self._tail_keeper.join(timeout=1.0)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _epitaph(self) -> str:
        """How the process died, and its last words."""
        process, self._process = self._process, None
        self._paused = False
        assert process is not None
        code = _end(process, dying=True)
        self._close(process)
        words = f" ({self._stderr_tail[-1]})" if self._stderr_tail else ""
        if code < 0:
            return f"killed by {_signal_words(-code)}{words}"
        return f"ended with exit code {code}{words}"


def _end(process: subprocess.Popen[bytes], *, dying: bool = False) -> int:
    """Kill a worker and the children that it forked; its exit code.

    `dying`: it ends by itself, and how it does so is wanted. Until it is reaped its number, which is that of its group, is its own.
    """
    if dying and process.returncode is None and hasattr(os, "waitid"):
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    elif dying:
        process.wait()
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
    return process.wait()


def _signal_words(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    known = {
        "SIGILL": "an instruction that this machine does not execute",
        "SIGSEGV": "a bad memory access",
        "SIGKILL": "from outside, perhaps out of memory",
    }
    return f"{name} ({known[name]})" if name in known else name


def _pump(stream: IO[bytes], lines: queue.Queue[bytes | None]) -> None:
    with contextlib.suppress(ValueError, OSError):
        for line in stream:
            lines.put(line)
    lines.put(None)


def _die_before_parent() -> None:
    """Where memory runs out Linux is to end this process, which loses one measurement, and not the one that keeps the others."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")


def serve() -> None:
    """The worker's side: answer calls from standard input until it is closed.

    Standard output belongs to the protocol alone: whatever a library prints goes to standard error.
    """
    die_with_parent()
    _die_before_parent()
    one_arena()
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means

    def say(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(answer).encode() + b"\n")

    for line in sys.stdin.buffer:
        request = json.loads(line)
        try:
            module, name = request["call"].split(":")
            function = getattr(importlib.import_module(module), name)
            result = function(request["arguments"], lambda fraction, note: say({"progress": [fraction, note]}))
            say({"result": result})
        except MmbenchError as error:
            say({"error": {"message": error.message, "hint": error.hint}})
        except MemoryError as error:
            say({"error": {"message": f"memory ran out: {error}".rstrip(": "), "hint": "raise the limit on memory or address space"}})
        except Exception as error:  # whatever it is, it is this measurement's own; the parent reports it with its place
            frame = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{os.path.basename(frame.filename)}:{frame.lineno}"  # noqa: PTH119
            say({"error": {"message": f"{type(error).__name__}: {error} ({where})", "hint": "a bug in mmbench; please report it"}})


if __name__ == "__main__":
    serve()
