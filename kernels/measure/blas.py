"""Load numerical libraries without the threads and the memory that their BLAS would take for itself.

NumPy and SciPy each carry an OpenBLAS that starts a thread a CPU and reserves 40 MiB of address space for each as soon as it is
loaded (seen with NumPy 2.4 and SciPy 1.17), and that ends the process where it cannot (`ulimit -v`). No probe calls it. OpenBLAS
reads its variable when it is loaded and never again, so the environment is put back at once: what users set stays on record.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

_VARIABLE = "OPENBLAS_NUM_THREADS"


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """A BLAS that is loaded within keeps to the calling thread; the environment is as before afterwards."""
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_VARIABLE]
        else:
            os.environ[_VARIABLE] = before
