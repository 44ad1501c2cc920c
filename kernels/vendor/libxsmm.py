"""Call libxsmm: a kernel that it generates for exactly these sizes, taken through its dispatch and called as the plain function it is.

Made for small products: what is larger than 64³ is left to others, as its own gemm does (`LIBXSMM_MAX_MNK`). It is column-major, so the
operands are exchanged. alpha is 1 and beta 0 or 1; transposed operands are what this release generates (none, mostly). Finding and
generating the kernel is the first call's; an epilogue is a pass of its own. Its products of bf16 and bytes take operands that were put into
pairs beforehand, and are left out. Debian ships a static archive, which cannot be loaded: the command in `bring` makes a shared library of
it, in /usr/local/lib, where it is found. The interface of 1.x is used; that of 2.x is another. The hash in a row is that of the generated
code itself, which libxsmm tells the size of.
Source: libxsmm.h and libxsmm_typedefs.h of 1.17 (`libxsmm_smmdispatch`, `libxsmm_dmmdispatch`, `libxsmm_get_kernel_info`).
"""

from __future__ import annotations

import ctypes
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
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
# What the program `LIBXSMM_VERSION` of the headers is in the library: a string alone. No function tells it.
_VERSION = re.compile(rb"\0((?:[a-z]+-)?\d+\.\d+(?:\.\d+)?(?:-\d+)?)\0")


class _KernelInfo(ctypes.Structure):
    """libxsmm_kernel_info: what kind of kernel, its operations, and the bytes of its code."""

    _fields_ = (("kind", ctypes.c_int), ("operations", ctypes.c_uint), ("code_bytes", ctypes.c_size_t))


class LibXsmm(Cblas):
    """libxsmm's generated kernels."""

    name = "libxsmm"
    title = "libxsmm"
    licence = "BSD-3-Clause"
    bring = (
        "apt-get install libxsmm-dev && gcc -shared -o /usr/local/lib/libxsmm.so -Wl,--whole-archive /usr/lib/libxsmm.a "
        "-Wl,--no-whole-archive /usr/lib/libxsmmnoblas.a -lm -ldl -lpthread  # Debian, Ubuntu, as root"
    )
    version = "2"
    platforms = ("x86_64", "amd64")
    prefixes = ("LIBXSMM_", *OPENMP)
    source = "https://github.com/libxsmm/libxsmm"
    routines: ClassVar[dict[str, Routine]] = {
        "f32": Routine("smmdispatch", "float"),
        "f64": Routine("dmmdispatch", "double"),
    }

    def find(self) -> Sequence[Found]:
        """Shared libraries only, also where the command of `bring` puts one."""
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
        """Its version, which is in no function but in the file; it names the architecture that it generates for."""
        self.handle.libxsmm_init()
        self.handle.libxsmm_get_target_arch.restype = ctypes.c_char_p
        told = dict.fromkeys(_VERSION.findall(Path(self._found.path).read_bytes()))
        version = next(iter(told)).decode() if len(told) == 1 else self._found.package_version or "1.x"
        return version, (self.handle.libxsmm_get_target_arch() or b"").decode(errors="replace"), "none"

    def prepare(self, case: Case, host: Host, *, fused: bool = True) -> Prepared:
        """The kernel for the case; NotPossibleError where libxsmm generates none."""
        del host, fused
        symbol, routine = self.function(case)
        kernel = self._dispatched(symbol, routine, case)
        size = {name: ELEMENTS[getattr(case.mix, name)].bits / 8 for name in "abc"}
        arguments = [Arg("ptr", name, element_bytes=size[name]) for name in "bac"]
        params = {"symbol": symbol, **({"batch": "a loop"} if case.batch > 1 else {})}
        prepared = self.thunk(case, [CCall(0, arguments)], [kernel], params)
        prepared.sha = self._generated_sha(kernel) or prepared.sha
        return prepared

    def _generated_sha(self, kernel: int) -> str:
        """The hash of the generated code; empty where this release does not tell how long it is."""
        info = _KernelInfo()
        if not has(self.handle, "libxsmm_get_kernel_info"):
            return ""
        refused = int(self.handle.libxsmm_get_kernel_info(ctypes.c_void_p(kernel), ctypes.byref(info)))
        return "" if refused else hashlib.sha256(ctypes.string_at(kernel, info.code_bytes)).hexdigest()[:16]

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
