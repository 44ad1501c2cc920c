"""Find the environment variables that change what a library does: which code it picks, how many threads it starts, what it prints."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

OPENMP = ("OMP_", "GOMP_", "KMP_")  # beginnings that every library with OpenMP threads listens to

# Variables that make a library run other code than it would choose for this chip.
_OTHER_CODE = (
    *("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MKL_ENABLE_INSTRUCTIONS", "MKL_DEBUG_CPU_TYPE", "MKL_CBWR", "BLIS_ARCH_TYPE"),
    *("BLIS_MODEL_TYPE", "AOCL_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_CPU_ISA_HINTS"),
    *("ONEDNN_DEFAULT_FPMATH_MODE", "NVPL_BLAS_DEBUG_CPU_TYPE", "LIBXSMM_TARGET"),
)
_THREADS = ("OMP_THREAD_LIMIT", "OMP_DYNAMIC", "MKL_DYNAMIC", "VECLIB_MAXIMUM_THREADS", "MKL_DOMAIN_NUM_THREADS", "LIBXSMM_NTHREADS")
_THREAD_ENDINGS = ("_NUM_THREADS", "_NT")  # BLIS_JC_NT and its like
_PLACES = ("OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY", "KMP_HW_SUBSET")


def overrides(prefixes: Sequence[str], environ: Mapping[str, str] | None = None) -> list[str]:
    """NAME=value of every variable with one of these beginnings, sorted. `environ`: this process's where None."""
    seen = os.environ if environ is None else environ
    return sorted(f"{name}={value}" for name, value in seen.items() if name.startswith(tuple(prefixes)))


def warnings_of(found: Sequence[str]) -> list[str]:
    """A sentence for each of these NAME=value that makes times say less about the library and the chip."""
    return [f"{item} is set: {effect}" for item in found if (effect := _effect(*item.partition("=")[::2]))]


def _effect(name: str, value: str) -> str:
    """What the variable does, in words; empty for one that changes no time."""
    if name in _OTHER_CODE:
        return "it runs other code than it would choose for this chip"
    if name in _THREADS or name.endswith(_THREAD_ENDINGS):
        return "it may run on other numbers of threads than the case asks for"
    if name in _PLACES:
        return "it places its threads as told there"
    if name.endswith("_VERBOSE") and value not in ("", "0"):
        return "it prints while it is timed"
    return ""
