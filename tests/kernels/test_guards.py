"""Memory that traps or keeps canaries, and what is said of a process that does more than it was asked."""

from __future__ import annotations

import ctypes
import mmap
import re
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mmbench.configs.errors import NotPossibleError
from mmbench.kernels import guards
from mmbench.kernels.guards import CANARY, Guarded, ProcessState, ProcessWatch, digest, findings, process_state
from mmbench.kernels.measure.trap import can_trap, run_trapping

PAGE = mmap.PAGESIZE
SIZES = (1, 63, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE + 5)
needs_fork = pytest.mark.skipif(not can_trap(), reason="needs Linux")  # a trap ends the process that meets it


def write(address: int) -> bool:
    ctypes.memset(address, 1, 1)
    return True


def read(address: int) -> bytes:
    return ctypes.string_at(address, 1)


@needs_fork
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("access", [read, write])
def test_the_first_byte_past_the_end_traps_and_the_last_does_not(size, access):
    memory = Guarded(size)
    assert memory.trapping
    assert run_trapping(lambda: bool(access(memory.address + size - 1))).ok
    assert run_trapping(lambda: bool(access(memory.address + size))).signal_name in ("SIGSEGV", "SIGBUS")


@needs_fork
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("access", [read, write])
def test_in_front_the_byte_before_the_beginning_traps(size, access):
    memory = Guarded(size, front=True)
    assert run_trapping(lambda: bool(access(memory.address))).ok
    assert run_trapping(lambda: bool(access(memory.address - 1))).signal_name in ("SIGSEGV", "SIGBUS")


@pytest.mark.parametrize(("front", "words"), [(False, "wrote before its beginning"), (True, "wrote past its end (3 bytes after it)")])
def test_the_side_without_a_trap_keeps_canaries(front, words):
    memory = Guarded(100, front=front)
    assert memory.damage() == ""
    write(memory.address + 103 if front else memory.address - 1)
    assert memory.damage() == words


def test_without_protected_pages_canaries_still_see_writes(monkeypatch):
    monkeypatch.setattr(guards, "_protect", lambda *_: False)
    memory = Guarded(10)
    assert not memory.trapping
    memory.bytes[:] = 7
    assert memory.damage() == ""


def test_the_memory_is_all_there_and_nothing_else():
    memory = Guarded(12345)
    assert memory.bytes.ctypes.data == memory.address
    assert len(memory.bytes) == 12345
    assert (memory.bytes == CANARY).all()
    assert Guarded(0).damage() == ""


def test_memory_that_cannot_be_had_is_not_possible():
    with pytest.raises(NotPossibleError, match="of memory cannot be had"):
        Guarded(1 << 62)


def test_a_digest_sees_every_single_byte_and_swapped_words():
    memory = np.arange(8 * 9 + 5, dtype=np.uint8)
    before = digest(memory)
    assert digest(memory.copy()) == before
    for place in range(len(memory)):
        other = memory.copy()
        other[place] ^= 1
        assert digest(other) != before, place


STILL = ProcessState(threads=3, resident_bytes=10 << 20, cpu_s=1.0, wall_s=1.0, caller_cpu_s=1.0, children=0)


def after(**changes: float) -> ProcessState:
    return replace(STILL, **{name: getattr(STILL, name) + by for name, by in changes.items()})


@pytest.mark.parametrize(
    ("state", "threads", "words"),
    [
        (STILL, 1, ""),
        (after(wall_s=1.0, cpu_s=1.0, caller_cpu_s=1.0), 1, ""),
        (after(threads=1), 1, "started 1 thread where"),
        (after(threads=2), 1, "started 2 threads where"),
        (after(threads=2), 2, ""),
        (after(wall_s=1.0, cpu_s=1.0, caller_cpu_s=0.5), 1, "threads of its own used 50 % of the CPU time where one"),
        (after(wall_s=1.0, cpu_s=1.0, caller_cpu_s=0.5), 2, ""),
        (after(wall_s=1.0, cpu_s=1.0, caller_cpu_s=0.9), 1, ""),
        (after(wall_s=0.001, cpu_s=0.002, caller_cpu_s=0.001), 1, ""),  # too little to say
        (after(wall_s=1.0, cpu_s=3.7, caller_cpu_s=1.0), 2, "kept 3.7 CPUs busy where 2 were asked for"),
        (after(children=1), 4, "runs 1 process of its own"),
        (after(children=2), 1, "runs 2 processes of its own"),
        (replace(STILL, float_mode="it rounds oddly"), 1, "it rounds oddly"),
        (after(resident_bytes=1 << 20), 1, ""),
        (after(resident_bytes=3 << 20), 1, "memory grew by 3 MiB over 500 calls"),
    ],
)
def test_what_a_kernel_does_besides_is_said_in_words(state, threads, words):
    said = findings(STILL, state, threads, 500)
    assert len(said) == bool(words)
    assert words in " ".join(said)


def test_arithmetic_is_as_usual_here():
    assert guards.float_mode() == ""
    assert "for 0" in guards.float_mode(smallest=0.0)
    assert "to nearest" in guards.float_mode(tiny=2.0**-40)


def test_nothing_is_said_of_what_is_not_known():
    unknown = ProcessState(None, None, 1.0, 1.0)
    assert findings(unknown, replace(unknown, cpu_s=2.0, wall_s=2.0), 1, 500) == []


def test_what_the_system_says_of_this_process(tmp_path):
    (tmp_path / "proc/self/task/1").mkdir(parents=True)
    (tmp_path / "proc/self/task/2").mkdir()
    (tmp_path / "proc/self/statm").write_text("900 25 3 1 0 9 0\n")
    (tmp_path / "proc/self/task/1/children").write_text("14 15 ")
    (tmp_path / "proc/self/task/2/children").write_text("")
    state = process_state(tmp_path)
    assert (state.threads, state.resident_bytes, state.children) == (2, 25 * PAGE, 2)
    nothing = process_state(tmp_path / "nowhere")
    assert (nothing.threads, nothing.resident_bytes, nothing.children) == (None, None, None)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux")
def test_the_watch_sees_a_thread_that_burns_and_memory_that_stays():
    watch = ProcessWatch()
    done = threading.Event()

    def burn():
        while not done.is_set():
            pass

    burner = threading.Thread(target=burn)
    burner.start()
    kept = mmap.mmap(-1, 64 << 20)  # fresh pages: an array might take what was freed before
    kept.write(b"x" * (64 << 20))
    began = time.process_time()
    while time.process_time() - began < 0.15:
        pass
    said = " ".join(watch.findings(1, 3))
    done.set()
    burner.join()
    assert "it started 1 thread where one thread was asked for" in said
    assert "of the CPU time" in said
    assert re.search(r"memory grew by [456]\d(\.\d)? MiB", said)
    kept.close()
