"""Keep what mmbench itself takes small: address space and threads of its libraries, and the least that it can run in.

NumPy carries an OpenBLAS that starts a thread a CPU and reserves some 40 MiB of address space for each as soon as it is loaded (seen
with NumPy 2.4 on two CPUs), and that aborts where it cannot have them (`ulimit -v`). (SciPy carries one more, which spun for ever
there: the package does without SciPy.)
glibc reserves 64 MiB for each thread that allocates (mallopt(3), M_ARENA_MAX). No probe needs either.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from ...configs.errors import NotPossibleError
from ...configs.units import MIB, size_words
from .conditions import memory_rooms_here

_VARIABLE = "OPENBLAS_NUM_THREADS"
_M_ARENA_MAX = -8  # malloc.h of glibc

# Linux, x86-64, Python 3.11, NumPy 2.4, LLVM 22: a probe answered under ulimit -v 330 MiB (315: OpenBLAS aborts), under ulimit -d
# 130 MiB (110: it aborts), and in a control group of 64 MiB, where it lost half of its probes (of 96 MiB: none). Each with a margin.
LEAST_BYTES = {"RLIMIT_AS": 336 * MIB, "RLIMIT_DATA": 128 * MIB}
LEAST_MEMORY_BYTES = 56 * MIB


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """A BLAS that is loaded within keeps to the calling thread.

    OpenBLAS reads its variable when it is loaded and never again, so the environment is put back at once: what users set stays on record.
    """
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_VARIABLE]
        else:
            os.environ[_VARIABLE] = before


def one_arena() -> None:
    """All threads of this process allocate from one arena, where the C library is glibc."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def check_room(root: Path = Path("/")) -> None:
    """NotPossibleError where the libraries that a probe needs cannot even be loaded."""
    for room, source in sorted(memory_rooms_here(root)):
        least = LEAST_BYTES.get(source, LEAST_MEMORY_BYTES)
        if room < least:
            what = f"{size_words(room)} may still be used here ({source}), and a probe's own libraries take {size_words(least)}"
            raise NotPossibleError(what, "raise the limit: ulimit -v, or the memory limit of the container")
