"""OpenBLAS: NumPy's and SciPy's own copies, the wheels scipy-openblas32 and 64, and the system's.

Copies differ in how they spell their functions, in the width of their integers, and in the kernels that were built in
(`openblas_get_config` and `corename` tell). NumPy's copy is in every worker anyway; its own function sets its threads.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import ClassVar

from .cblas import Cblas
from .discovery import in_packages, on_system
from .files import first_of, text_of
from .library import Found

_PARALLEL = {0: "sequential", 1: "pthreads", 2: "openmp"}


class OpenBlas(Cblas):
    """OpenBLAS in one of its builds."""

    name = "openblas"
    title = "OpenBLAS"
    licence = "BSD-3-Clause"
    bring = "pip install scipy-openblas32"
    prefixes = ("OPENBLAS_", "GOTO_", "OMP_", "GOMP_")
    source = "https://github.com/OpenMathLib/OpenBLAS"
    spellings: ClassVar[Sequence[tuple[str, int]]] = (
        *(("scipy_cblas_{}64_", 64), ("scipy_cblas_{}", 32), ("cblas_{}64_", 64), ("cblas_{}_64", 64), ("cblas_{}", 32)),
    )
    more_types: ClassVar[dict[str, str]] = {"bf16": "sbgemm", "f16": "shgemm"}

    def find(self) -> Sequence[Found]:
        """The wheels first, then what NumPy and SciPy carry, then the system's."""
        wheels = (
            ("scipy-openblas32", "scipy_openblas32/lib/libscipy_openblas*.so"),
            ("scipy-openblas64", "scipy_openblas64/lib/libscipy_openblas*.so"),
            ("numpy", "numpy.libs/libscipy_openblas*"),
            ("numpy", "numpy/.dylibs/libscipy_openblas*"),
            ("scipy", "scipy.libs/libscipy_openblas*"),
            ("scipy", "scipy/.dylibs/libscipy_openblas*"),
        )
        return [*in_packages(self.name, wheels), *on_system(self.name, ("libopenblas.so", "libopenblasp", "libopenblas.dylib"))]

    def _function(self, name: str) -> str:
        return first_of(self.handle, [f"scipy_{name}64_", f"scipy_{name}", f"{name}64_", f"{name}_64", name])

    def describe(self) -> tuple[str, str, str]:
        """From its own configuration text."""
        texts = {}
        for name in ("openblas_get_config", "openblas_get_corename"):
            symbol = self._function(name)
            if symbol:
                function = getattr(self.handle, symbol)
                function.restype = ctypes.c_char_p
                texts[name] = text_of(function)
        words = texts.get("openblas_get_config", "").split()
        version = words[1] if len(words) > 1 and words[0] == "OpenBLAS" else ""
        parallel = self._function("openblas_get_parallel")
        threading = _PARALLEL.get(int(getattr(self.handle, parallel)()), "") if parallel else ""
        return version, texts.get("openblas_get_corename", ""), threading

    def set_threads(self, count: int) -> str:
        """Set, and read back: a build may hold fewer."""
        setter, getter = self._function("openblas_set_num_threads"), self._function("openblas_get_num_threads")
        if not setter:
            return super().set_threads(count)
        getattr(self.handle, setter)(count)
        got = int(getattr(self.handle, getter)()) if getter else count
        return "" if got == count else f"asked for {count} threads, OpenBLAS says {got}"


LIBRARY = OpenBlas()
