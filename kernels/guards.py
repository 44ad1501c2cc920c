"""Stand guard over a kernel: memory that traps on a step too far, and a watch over what the process does besides.

`Guarded` is a piece of memory with a page on either side that may not be touched: a read or write past the end ends the worker with a
bad memory access, which costs the kernel's rows only. Where pages cannot be protected, canaries (known bytes) stand there instead: they see
writes, not reads. `ProcessWatch` compares what the system says of this process before and after: threads, memory.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..configs.errors import NotPossibleError
from ..configs.units import size_words

Bytes = NDArray[np.uint8]
CANARY = 0xC9
_PAGE = mmap.PAGESIZE
_GROWTH_BYTES = 1 << 20  # what allocators take and keep without leaking
_LEAST_CPU_S = 0.02
_OTHERS_SHARE = 0.2


def _protect(address: int, length: int) -> bool:
    """Forbid every access to these pages; False where the system has no way."""
    if sys.platform == "win32":
        return False
    return bool(ctypes.CDLL(None).mprotect(ctypes.c_void_p(address), ctypes.c_size_t(length), 0) == 0)


class Guarded:
    """`size_bytes` of memory that ends (or begins, with `front`) at a page that traps. `bytes` is the memory, `address` its start.

    `trapping` is False where pages cannot be protected; `damage()` then still sees writes by the canaries around.
    """

    def __init__(self, size_bytes: int, *, front: bool = False) -> None:
        inner = max(1, -(-size_bytes // _PAGE)) * _PAGE
        try:
            self._map = mmap.mmap(-1, inner + 2 * _PAGE)
        except (OSError, ValueError, OverflowError, MemoryError) as error:
            raise NotPossibleError(f"{size_words(size_bytes)} of memory cannot be had: {error}") from error
        everything = np.frombuffer(self._map, dtype=np.uint8)
        base = everything.ctypes.data
        self.trapping = _protect(base, _PAGE) and _protect(base + inner + _PAGE, _PAGE)
        inside = everything[_PAGE : _PAGE + inner]
        inside[:] = CANARY
        start = 0 if front else inner - size_bytes
        self.bytes: Bytes = inside[start : start + size_bytes]
        self._around = (inside[:start], inside[start + size_bytes :])
        self.address = base + _PAGE + start

    def damage(self) -> str:
        """Empty, or where something was written beside the memory, within its own pages."""
        before, after = self._around
        if before.size and (before != CANARY).any():
            return "wrote before its beginning"
        if after.size and (after != CANARY).any():
            return f"wrote past its end ({int(np.flatnonzero(after != CANARY)[0])} bytes after it)"
        return ""


@dataclass(frozen=True, slots=True)
class ProcessState:
    """What the system says of a process: threads, resident bytes, CPU seconds of all threads and of the calling one, wall seconds, and
    processes that it started and that still run. None where it does not say."""

    threads: int | None
    resident_bytes: int | None
    cpu_s: float
    wall_s: float
    caller_cpu_s: float | None = None
    children: int | None = None
    float_mode: str = ""  # what the calling thread's arithmetic does otherwise than is usual


def process_state(root: Path = Path("/")) -> ProcessState:
    """Read it, of this process."""
    try:
        threads: int | None = sum(1 for _ in (root / "proc/self/task").iterdir())
    except OSError:
        threads = None
    try:
        resident: int | None = int((root / "proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        resident = None
    try:  # Linux tells them by the thread that started them
        lists = [(task / "children").read_text(encoding="ascii") for task in (root / "proc/self/task").iterdir()]
        children: int | None = sum(len(text.split()) for text in lists)
    except OSError:
        children = None
    return ProcessState(threads, resident, time.process_time(), time.perf_counter(), time.thread_time(), children, float_mode())


def float_mode(smallest: float = 5e-324, one: float = 1.0, tiny: float = 2.0**-60) -> str:
    """Empty, or in words what a library has changed in this thread's arithmetic: it stays so for whatever is computed later.

    Libraries linked with `-ffast-math` do so when they are loaded (crtfastmath.o, GCC before 13). Seen by computing: the arguments are no
    literals of the sums, which would be computed beforehand.
    """
    if smallest * one == 0.0:
        return "it made this thread take numbers below the smallest normal one for 0, and left it so"
    if one + tiny != one or one - tiny != one:
        return "it made this thread round otherwise than to nearest, and left it so"
    return ""


def findings(before: ProcessState, after: ProcessState, asked_threads: int, calls: int) -> list[str]:
    """Sentences about what a kernel did that it was not asked for: threads and processes of its own, CPU time, memory that grows.

    Threads that were there before are told by the CPU time that is not the caller's: pinned to one CPU, and stopped between turns, they
    never keep more than one CPU busy by the wall clock.
    """
    said = []
    wall_s, cpu_s = after.wall_s - before.wall_s, after.cpu_s - before.cpu_s
    started = 0 if before.threads is None or after.threads is None else after.threads - before.threads
    busy = cpu_s / wall_s if wall_s > 0.02 else 0.0
    if asked_threads == 1 and started > 0:
        said.append(f"it started {started} thread{'s' if started > 1 else ''} where one thread was asked for")
    if after.float_mode:
        said.append(after.float_mode)
    if after.children:
        said.append(f"it runs {after.children} process{'es' if after.children > 1 else ''} of its own")
    others_s = 0.0 if before.caller_cpu_s is None or after.caller_cpu_s is None else cpu_s - (after.caller_cpu_s - before.caller_cpu_s)
    if asked_threads == 1 and cpu_s > _LEAST_CPU_S and others_s > _OTHERS_SHARE * cpu_s:
        said.append(f"threads of its own used {100 * others_s / cpu_s:.0f} % of the CPU time where one thread was asked for")
    elif busy > asked_threads + 0.5:
        said.append(f"it kept {busy:.1f} CPUs busy where {asked_threads} {'was' if asked_threads == 1 else 'were'} asked for")
    if before.resident_bytes is not None and after.resident_bytes is not None and calls > 0:
        grown = after.resident_bytes - before.resident_bytes
        if grown > _GROWTH_BYTES:
            said.append(f"memory grew by {size_words(grown)} over {calls} calls")
    return said


class ProcessWatch:
    """`begin()` after the first call, `findings(threads, calls)` at the end: see `findings`."""

    def __init__(self) -> None:
        self._before = process_state()

    def begin(self) -> None:
        """Note how things stand."""
        self._before = process_state()

    def findings(self, asked_threads: int, calls: int) -> list[str]:
        """What is different now."""
        return findings(self._before, process_state(), asked_threads, calls)


def digest(memory: Any) -> tuple[int, int]:
    """Two sums over the bytes of a contiguous array, as fast as memory: enough to see that it was written to."""
    raw = np.frombuffer(memory, dtype=np.uint8)
    words = raw[: len(raw) // 8 * 8].view(np.uint64)
    tail = raw[len(raw) // 8 * 8 :]
    with np.errstate(over="ignore"):
        return int(np.bitwise_xor.reduce(words)) if len(words) else 0, int(words.sum(dtype=np.uint64)) + int(tail.sum()) * 7


def have_mprotect() -> bool:
    """Whether pages can be protected here."""
    return os.name == "posix"
