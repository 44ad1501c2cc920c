"""Real processes that trap, hang, exit and raise."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mmbench.kernels.emit.jit import compile_ir
from mmbench.kernels.measure.trap import can_trap, run_trapping

pytestmark = pytest.mark.skipif(not can_trap(), reason="no fork on this system")


def call_trap() -> None:
    code = compile_ir(
        "declare void @llvm.trap()\ndefine void @f(ptr %context, i64 %n) nounwind {\n  call void @llvm.trap()\n  ret void\n}\n"
    )
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(code.address("f"))(None, 1)


def test_a_value_comes_back() -> None:
    ended = run_trapping(lambda: {"answer": b"\x00" * 200_000})
    assert ended.ok
    assert ended.value == {"answer": b"\x00" * 200_000}
    assert ended.reason == ""


def test_an_illegal_instruction_is_named() -> None:
    ended = run_trapping(call_trap)
    assert not ended.ok
    assert ended.signal_name in ("SIGILL", "SIGTRAP")  # brk on Arm is a trap
    assert ended.reason.startswith(ended.signal_name + ": ")


def test_a_bad_pointer_is_named() -> None:
    ended = run_trapping(lambda: ctypes.string_at(8))
    assert (ended.ok, ended.signal_name) == (False, "SIGSEGV")
    assert "bad memory access" in ended.reason


def test_a_hang_is_killed_in_time() -> None:
    start = time.monotonic()
    ended = run_trapping(lambda: time.sleep(60), timeout_s=0.2)
    assert not ended.ok
    assert "hung" in ended.reason
    assert time.monotonic() - start < 10


def test_a_hang_that_ignores_signals_is_killed() -> None:
    def deaf() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(1)

    assert "hung" in run_trapping(deaf, timeout_s=0.2).reason


def test_an_exit_gives_its_code() -> None:
    assert "exit code 7" in run_trapping(lambda: os._exit(7)).reason


def test_sys_exit_does_not_run_the_parents_frames() -> None:
    ended = run_trapping(lambda: sys.exit(0))
    assert not ended.ok
    assert "exit code 1" in ended.reason


def test_an_exception_is_told_in_words() -> None:
    def fail() -> None:
        raise ValueError("not like that")

    ended = run_trapping(fail)
    assert (ended.ok, ended.signal_name, ended.reason) == (False, "", "ValueError: not like that")


def test_an_unknown_signal_is_told() -> None:
    ended = run_trapping(lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert ended.signal_name == "SIGKILL"


def test_nothing_reaches_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    def noisy() -> None:
        os.write(1, b"to stdout")
        os.write(2, b"to stderr")
        ctypes.string_at(8)

    run_trapping(noisy)
    assert capfd.readouterr() == ("", "")


def test_no_child_is_left() -> None:
    for work in (lambda: 1, call_trap, lambda: time.sleep(60)):
        run_trapping(work, timeout_s=0.3)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_without_fork_there_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fork")
    ended = run_trapping(lambda: 1)
    assert not ended.ok
    assert "cannot fork" in ended.reason


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux: a death signal of the parent")
def test_a_child_that_hangs_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    code = (
        "import os, pathlib, time\n"
        "from mmbench.kernels.measure.trap import run_trapping\n"
        f"run_trapping(lambda: (pathlib.Path({str(told)!r}).write_text(str(os.getpid())), time.sleep(60)), 60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 20
    while not (told.exists() and told.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    child = int(told.read_text())
    parent.kill()
    parent.wait()
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.02)
    os.kill(child, 9)
    pytest.fail("the child lives on without its parent")
