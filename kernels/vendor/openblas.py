"""OpenBLAS: NumPy's and SciPy's own copies, the wheels scipy-openblas32 and 64, and the system's.

Copies differ in how they spell their functions, in the width of their integers, and in the kernels that were built in
(`openblas_get_config` and `corename` tell). NumPy's copy is in every worker anyway, loaded for one thread;
`openblas_set_num_threads` starts what its pool lacks (driver/others/blas_server.c), so its threads are set like any other's.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import ClassVar

from .cblas import Cblas, Routine
from .discovery import copies, in_packages, on_system
from .environment import OPENMP
from .files import first_of, text_of
from .library import Found

_PARALLEL = {0: "sequential", 1: "pthreads", 2: "openmp"}


class OpenBlas(Cblas):
    """OpenBLAS in one of its builds."""

    name = "openblas"
    title = "OpenBLAS"
    licence = "BSD-3-Clause"
    bring = "pip install scipy-openblas32"
    version = "2"
    mark = rb"OpenBLAS ([0-9]+(?:\.[0-9]+)+)"
    prefixes = ("OPENBLAS_", "GOTO_", *OPENMP)
    source = "https://github.com/OpenMathLib/OpenBLAS"
    spellings: ClassVar[Sequence[tuple[str, int]]] = (
        *(("scipy_cblas_{}64_", 64), ("scipy_cblas_{}", 32), ("cblas_{}64_", 64), ("cblas_{}_64", 64), ("cblas_{}", 32)),
    )
    # bf16 and f16 only where a build was made with BUILD_BFLOAT16 or BUILD_HFLOAT16
    routines: ClassVar[dict[str, Routine]] = {
        **Cblas.routines,
        "bf16": Routine("sbgemm", "float"),
        "bf16bf16": Routine("bgemm", "i16"),
        "f16": Routine("shgemm", "float"),
    }

    def find(self) -> Sequence[Found]:
        """The wheels first, then what NumPy and SciPy carry, then the system's."""
        wheels = (
            ("scipy-openblas32", "scipy_openblas32/lib/*scipy_openblas*"),
            ("scipy-openblas64", "scipy_openblas64/lib/*scipy_openblas*"),
            ("numpy", "numpy.libs/libscipy_openblas*"),
            ("numpy", "numpy/.dylibs/libscipy_openblas*"),
            ("scipy", "scipy.libs/libscipy_openblas*"),
            ("scipy", "scipy/.dylibs/libscipy_openblas*"),
        )
        names = ("libopenblas.", "libopenblas64", "libopenblasp", "libopenblaso", "libopenblas_", "libopenblas-r")
        found = [*in_packages(self.name, wheels), *on_system(self.name, names)]
        return copies([f for f in found if not f.path.endswith((".a", ".lib", ".pc", ".cmake"))])

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
