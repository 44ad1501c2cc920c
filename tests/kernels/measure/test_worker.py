"""Workers as real processes: what each kind of end costs, and what it says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from mmbench.kernels.emit.target import host_arch
from mmbench.kernels.measure import worker as workers
from mmbench.kernels.measure.worker import Worker, WorkerError

# What runs in the worker; a module of its own, found through PYTHONPATH as a plug-in would be.
THERE = """
import ctypes, os, signal, subprocess, sys, time
from mmbench.configs.errors import NotPossibleError

def pid(arguments, progress):
    return os.getpid()

def echo(arguments, progress):
    for i in range(3):
        progress(i / 3, f"step {i}")
    return arguments

def refuse(arguments, progress):
    raise NotPossibleError("the chip has no wings", "try a bird")

def fail(arguments, progress):
    return 1 / arguments

def chatter(arguments, progress):
    print('{"result": "printed"}')
    sys.__stdout__.write("more") and sys.__stdout__.flush()
    os.write(1, b"raw\\n")
    subprocess.run(["echo", "a child speaks"], check=True)
    return "said"

def trap(arguments, progress):
    from mmbench.kernels.emit.jit import compile_ir
    code = compile_ir("declare void @llvm.trap()\\ndefine void @t() {\\n call void @llvm.trap()\\n ret void\\n}\\n")
    ctypes.CFUNCTYPE(None)(code.address("t"))()

def fault(arguments, progress):
    ctypes.string_at(0)

def leave(arguments, progress):
    print("last words", file=sys.stderr, flush=True)
    os._exit(7)

def hang(arguments, progress):
    progress(0.0, str(os.getpid()))
    time.sleep(60)

def half(arguments, progress):
    for number in range(3, 30):  # the protocol's own pipe, wherever it was put
        try:
            if os.readlink(f"/proc/self/fd/{number}").startswith("pipe:") and number != 2:
                os.write(number, b'{"result": [1, 2, ')
        except OSError:
            pass
    os.kill(os.getpid(), signal.SIGKILL)

def fork(arguments, progress):
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    progress(0.0, str(child))
    time.sleep(60)

def unspeakable(arguments, progress):
    return object()
"""


@pytest.fixture(autouse=True)
def _there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there.py").write_text(THERE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.fixture
def worker() -> Iterator[Worker]:
    with Worker() as one:
        yield one


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet collected does not count."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def gone(pid: int, within_s: float = 10.0) -> bool:
    deadline = time.monotonic() + within_s
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)


def said(worker: Worker, function: str, arguments: object = None, timeout_s: float = 30.0) -> str:
    """How a call failed, after which the next one must work."""
    with pytest.raises(WorkerError) as caught:
        worker.call(f"there:{function}", arguments, timeout_s)
    assert worker.call("there:echo", [1, "a"], 30) == [1, "a"]
    return caught.value.message


def test_answers_and_progress_come_back_in_order(worker: Worker) -> None:
    heard: list[tuple[float, str]] = []
    value = {"a": [1, 2.5, None, "ü\n"], "big": "x" * 300_000}
    assert worker.call("there:echo", value, 30, lambda fraction, note: heard.append((fraction, note))) == value
    assert heard == [(0, "step 0"), (1 / 3, "step 1"), (2 / 3, "step 2")]


def test_one_process_serves_many_calls_and_is_not_this_one(worker: Worker) -> None:
    first = worker.call("there:pid", None, 30)
    assert first == worker.call("there:pid", None, 30) != os.getpid()
    worker.stop()
    assert gone(first)
    assert worker.call("there:pid", None, 30) != first


def test_our_own_errors_keep_their_words(worker: Worker) -> None:
    with pytest.raises(WorkerError) as caught:
        worker.call("there:refuse", None, 30)
    assert (caught.value.message, caught.value.hint) == ("the chip has no wings", "try a bird")


def test_other_exceptions_say_what_and_where_and_spare_the_process(worker: Worker) -> None:
    before = worker.call("there:pid", None, 30)
    assert said(worker, "fail", 0).startswith("ZeroDivisionError: division by zero (there.py:")
    assert "not JSON serializable" in said(worker, "unspeakable")
    assert "nowhere" in said(worker, "nowhere")
    assert worker.call("there:pid", None, 30) == before


def test_what_is_printed_there_is_no_answer(worker: Worker) -> None:
    assert worker.call("there:chatter", None, 30) == "said"
    assert worker.call("there:echo", 5, 30) == 5


def test_a_trap_is_named(worker: Worker) -> None:
    name = {"x86_64": "SIGILL"}.get(host_arch(), "SIG")
    assert f"killed by {name}" in said(worker, "trap")


def test_a_bad_memory_access_is_named(worker: Worker) -> None:
    assert "killed by SIGSEGV (a bad memory access)" in said(worker, "fault")


def test_an_exit_is_told_with_the_last_words(worker: Worker) -> None:
    assert said(worker, "leave") == "ended with exit code 7 (last words)"


def test_a_kill_from_outside_is_told_at_once(worker: Worker) -> None:
    began = time.monotonic()
    with pytest.raises(WorkerError, match=r"killed by SIGKILL \(from outside, perhaps out of memory\)"):
        worker.call("there:hang", None, 50, lambda _fraction, pid: os.kill(int(pid), signal.SIGKILL))
    assert time.monotonic() - began < 40
    assert worker.call("there:echo", 1, 30) == 1


def test_a_kill_between_calls_costs_nothing(worker: Worker) -> None:
    pid = worker.call("there:pid", None, 30)
    os.kill(pid, signal.SIGKILL)
    assert gone(pid) or not alive(pid)
    assert worker.call("there:pid", None, 30) != pid


def test_a_hang_is_ended_and_its_process_is_gone(worker: Worker) -> None:
    pids: list[int] = []
    with pytest.raises(WorkerError, match="no answer within") as caught:
        worker.call("there:hang", None, 1.5, lambda _fraction, pid: pids.append(int(pid)))
    assert caught.value.hung
    assert caught.value.died
    assert len(pids) == 1
    assert gone(pids[0])
    assert worker.call("there:echo", 1, 30) == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")
def test_half_an_answer_is_a_death_and_no_answer(worker: Worker) -> None:
    assert "killed by SIGKILL" in said(worker, "half")


def test_children_that_a_worker_forked_end_with_it(worker: Worker) -> None:
    pids: list[int] = []
    with pytest.raises(WorkerError, match="no answer within"):
        worker.call("there:fork", None, 1.0, lambda _fraction, pid: pids.append(int(pid)))
    assert gone(pids[0])


def test_an_interrupt_ends_the_worker_and_its_late_answer_with_it(worker: Worker) -> None:
    def interrupt(_fraction: float, note: str) -> None:
        pids.append(int(note))
        raise KeyboardInterrupt

    pids: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        worker.call("there:hang", None, 30, interrupt)
    assert gone(pids[0])
    assert worker.call("there:echo", "fresh", 30) == "fresh"


def test_an_interrupt_of_the_terminal_does_not_reach_a_worker(worker: Worker) -> None:
    pid = worker.call("there:pid", None, 30)
    os.kill(pid, signal.SIGINT)
    assert worker.call("there:pid", None, 30) == pid
    assert os.getpgid(pid) == pid


def test_a_worker_that_cannot_be_started_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, worker: Worker) -> None:
    real = sys.executable
    monkeypatch.setattr(workers.sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(WorkerError, match="no worker process could be started: No such file"):
        worker.call("there:echo", 1, 30)
    monkeypatch.setattr(workers.sys, "executable", real)
    assert worker.call("there:echo", 1, 30) == 1


def test_a_python_that_fails_at_once_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, worker: Worker) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho cannot find my library >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(workers.sys, "executable", str(broken))
    with pytest.raises(WorkerError, match=r"exit code 3 \(cannot find my library\)"):
        worker.call("there:echo", 1, 30)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")
def test_a_worker_dies_with_its_parent_even_by_kill(tmp_path: Path) -> None:
    script = """
        from mmbench.kernels.measure.worker import Worker
        worker = Worker()
        print(worker.call("there:pid", None, 30), flush=True)
        worker.call("there:hang", None, 60)
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert alive(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert gone(pid)


def test_no_thread_or_pipe_is_left_behind() -> None:
    def descriptors() -> int:
        return len(list(Path("/dev/fd").iterdir()))

    with Worker() as one:
        one.call("there:echo", 1, 30)
    threads, open_now = threading.active_count(), descriptors()
    for function in ("fault", "leave"):
        with Worker() as one, pytest.raises(WorkerError):
            one.call(f"there:{function}", None, 30)
    deadline = time.monotonic() + 5
    while threading.active_count() > threads and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= threads
    assert descriptors() <= open_now


def test_every_signal_has_words() -> None:
    assert workers._signal_words(signal.SIGSEGV) == "SIGSEGV (a bad memory access)"
    assert workers._signal_words(signal.SIGTERM) == "SIGTERM"
    assert workers._signal_words(250) == "signal 250"
