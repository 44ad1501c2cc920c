"""Call libxsmm: a kernel that it generates for exactly these sizes, taken through its dispatch and called as the plain function it is.

Made for small products: what is larger than 64³ is left to others, as its own gemm does (`LIBXSMM_MAX_MNK`). It is column-major, so the
operands are exchanged. alpha is 1 and beta 0 or 1; transposed operands are what this release generates (none, mostly). Finding and
generating the kernel is the first call's; an epilogue is a pass of its own. Its products of bf16 and bytes take operands that were put into
pairs beforehand, and are left out. Distributions ship static archives,
which cannot be loaded: a shared library is named by its path. The interface of 1.x is used; that of 2.x is another.
Source: libxsmm.h of 1.17 (`libxsmm_smmdispatch`, `libxsmm_dmmdispatch`).
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import ClassVar

from ...configs.cases import Case
from ...configs.dtypes import ELEMENTS
from ...configs.errors import NotPossibleError
from ..host import Host
from ..registry import Prepared
from .cblas import Cblas, Routine
from .discovery import copies, on_system
from .environment import OPENMP
from .files import has
from .library import Found
from .thunk import Arg, CCall

_MOST = 64**3  # multiplications
_TRANS_A, _TRANS_B = 1, 2


class LibXsmm(Cblas):
    """libxsmm's generated kernels."""

    name = "libxsmm"
    title = "libxsmm"
    licence = "BSD-3-Clause"
    bring = "build it as a shared library (make STATIC=0), and name it: --library libxsmm=/path/to/libxsmm.so"
    platforms = ("x86_64", "amd64")
    prefixes = ("LIBXSMM_", *OPENMP)
    source = "https://github.com/libxsmm/libxsmm"
    routines: ClassVar[dict[str, Routine]] = {
        "f32": Routine("smmdispatch", "float"),
        "f64": Routine("dmmdispatch", "double"),
    }

    def find(self) -> Sequence[Found]:
        """Shared libraries only."""
        return copies(on_system(self.name, ("libxsmm.so", "libxsmm.dylib")))

    def serves(self, case: Case) -> str:
        """Small products with alpha 1, beta 0 or 1, on one thread."""
        if case.m * case.n * case.k > _MOST:
            return "libxsmm generates code for products up to 64³"
        if min(case.m, case.n, case.k) == 0:
            return "libxsmm generates no code for a size of 0"
        if case.alpha != 1.0 or case.beta not in (0.0, 1.0):
            return "libxsmm's kernels have alpha 1, and beta 0 or 1"
        if case.threads > 1:
            return "libxsmm's kernels run on one thread"
        return super().serves(case)

    def spelled(self, found: Found) -> tuple[str, int]:
        """The dispatch of 1.x."""
        if not has(self.handle, "libxsmm_smmdispatch"):
            raise NotPossibleError(f"{found.path} has no function libxsmm_smmdispatch", "it is no libxsmm of 1.x")
        return "libxsmm_{}", 32

    def describe(self) -> tuple[str, str, str]:
        """It names the architecture that it generates for; its version is in no function."""
        self.handle.libxsmm_init()
        self.handle.libxsmm_get_target_arch.restype = ctypes.c_char_p
        return "1.x", (self.handle.libxsmm_get_target_arch() or b"").decode(errors="replace"), "none"

    def prepare(self, case: Case, host: Host, *, fused: bool = True) -> Prepared:
        """The kernel for the case; NotPossibleError where libxsmm generates none."""
        del host, fused
        symbol, routine = self.function(case)
        kernel = self._dispatched(symbol, routine, case)
        size = {name: ELEMENTS[getattr(case.mix, name)].bits / 8 for name in "abc"}
        arguments = [Arg("ptr", name, element_bytes=size[name]) for name in "bac"]
        params = {"symbol": symbol, **({"batch": "a loop"} if case.batch > 1 else {})}
        return self.thunk(case, [CCall(0, arguments)], [kernel], params)

    def _dispatched(self, symbol: str, routine: Routine, case: Case) -> int:
        """The generated function: C' = B' · A', all of them the row-major operands read as columns."""
        whole, real = ctypes.c_int, ctypes.c_double if routine.scalar == "double" else ctypes.c_float
        dispatch = getattr(self.handle, symbol)
        dispatch.restype = ctypes.c_void_p
        flags = (_TRANS_A if case.layout[1] == "t" else 0) | (_TRANS_B if case.layout[0] == "t" else 0)
        leads = (whole(case.stride_b), whole(case.stride_a), whole(case.stride_c))
        scalars = (real(1.0), real(case.beta))
        words = [ctypes.byref(word) for word in (*leads, *scalars, whole(flags))]
        found = dispatch(whole(case.n), whole(case.m), whole(case.k), *words, None)
        if not found:
            raise NotPossibleError(f"libxsmm generates no {case.dtype} kernel for layout {case.layout} here")
        return int(found)


LIBRARY = LibXsmm()
