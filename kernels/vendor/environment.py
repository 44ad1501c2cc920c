"""Find the environment variables that change what a library does: which code it picks, how many threads it starts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

# Variables that make a library run other code than it would choose for this chip.
_OTHER_CODE = (
    *("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MKL_ENABLE_INSTRUCTIONS", "MKL_DEBUG_CPU_TYPE", "MKL_CBWR", "BLIS_ARCH_TYPE"),
    *("AOCL_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "NVPL_BLAS_DEBUG_CPU_TYPE", "LIBXSMM_TARGET"),
)


def overrides(prefixes: Sequence[str], environ: Mapping[str, str] = os.environ) -> list[str]:
    """NAME=value of every variable with one of these beginnings, sorted."""
    return sorted(f"{name}={value}" for name, value in environ.items() if name.startswith(tuple(prefixes)))


def warnings_of(found: Sequence[str]) -> list[str]:
    """A sentence for each override that changes the code itself."""
    named = [item for item in found if item.split("=")[0] in _OTHER_CODE]
    return [f"{item} is set: it runs other code than it would choose for this chip" for item in named]
