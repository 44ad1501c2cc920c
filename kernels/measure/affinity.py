"""Pin the calling thread to one CPU, where the system can, and say why where it cannot."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator


def allowed_cpus() -> tuple[int, ...]:
    """The CPUs that this process may use; all of them where the system does not say."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def pin(cpu: int) -> str:
    """Pin the calling thread to `cpu`; empty when done, else the reason why not."""
    if hasattr(os, "sched_setaffinity"):
        try:
            os.sched_setaffinity(0, {cpu})  # 0 is the calling thread on Linux
        except OSError as error:
            return f"CPU {cpu} cannot be had: {error.strerror}"
        return ""
    if sys.platform == "win32":
        kernel32 = ctypes.WinDLL("kernel32")
        handle = kernel32.GetCurrentThread()
        return "" if kernel32.SetThreadAffinityMask(handle, ctypes.c_size_t(1 << cpu)) else f"Windows refused CPU {cpu}"
    return f"{sys.platform} has no way to pin a thread: it may move between cores during a measurement"


@contextlib.contextmanager
def pinned(cpu: int) -> Iterator[str]:
    """Pin for a while, then give the thread its CPUs back; yields the reason where it cannot be pinned."""
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    reason = pin(cpu)
    try:
        yield reason
    finally:
        if before is not None:
            os.sched_setaffinity(0, before)
