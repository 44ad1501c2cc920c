"""Call BLIS: Debian's shared library through CBLAS, and the one inside PyPI's `blis` package through BLIS's own typed interface.

The typed interface takes a row and a column stride for each matrix, so that every layout is one call without copies, and alpha and beta by
address. PyPI's build has no threads and an older version; which kernels each build chose is what `bli_arch_string` says of the chip.
Source: BLISTypedAPI.md of the project; symbols as found in both libraries.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from ...configs.cases import Case
from ...configs.dtypes import ELEMENTS
from ...configs.errors import NotPossibleError
from ..abi import Slot
from ..host import Host
from ..registry import Prepared
from .cblas import Cblas
from .discovery import copies, in_packages, on_system
from .environment import OPENMP
from .files import address, has
from .library import Found
from .thunk import Arg, CCall, Held

_TYPED = "bli_{}"
_NO_TRANSPOSE = 0


class Blis(Cblas):
    """BLIS in one of its builds."""

    name = "blis"
    title = "BLIS"
    licence = "BSD-3-Clause"
    bring = "pip install blis"
    prefixes: ClassVar[tuple[str, ...]] = ("BLIS_", *OPENMP)
    source = "https://github.com/flame/blis"
    mark = rb"\x00(?:BLIS )?([0-9]\.[0-9]{1,2}(?:\.[0-9]{1,2})?)\x00"
    spellings: ClassVar[Sequence[tuple[str, int]]] = (("cblas_{}", 32), (_TYPED, 64))

    def find(self) -> Sequence[Found]:
        """The system's, then the one inside PyPI's package."""
        package = in_packages(self.name, (("blis", "blis/cy.*.so"), ("blis", "blis/cy.*.pyd")))
        return copies([f for f in (*on_system(self.name, ("libblis.so", "libblis.dylib", "libblis-mt.so")), *package) if _is_blis(f)])

    def spelled(self, found: Found) -> tuple[str, int]:
        """CBLAS where it is built in, with the integers that it says; else the typed interface."""
        pattern, bits = super().spelled(found)
        if pattern != _TYPED and has(self.handle, "bli_info_get_blas_int_type_size"):
            self.handle.bli_info_get_blas_int_type_size.restype = ctypes.c_int64
            bits = int(self.handle.bli_info_get_blas_int_type_size())
        return pattern, bits

    def describe(self) -> tuple[str, str, str]:
        """From its own words; it says of itself which kernels it chose."""
        version = self._text("bli_info_get_version_str").removeprefix(f"{self.title} ")
        core = ""
        if has(self.handle, "bli_arch_query_id") and has(self.handle, "bli_arch_string"):
            self.handle.bli_arch_string.restype = ctypes.c_char_p
            core = (self.handle.bli_arch_string(self.handle.bli_arch_query_id()) or b"").decode(errors="replace")
        ways = [way for way in ("openmp", "pthreads") if self._enabled(f"bli_info_get_enable_{way}")]
        return version, core, ", ".join(ways) or "sequential"

    def _text(self, name: str) -> str:
        if not has(self.handle, name):
            return ""
        function = getattr(self.handle, name)
        function.restype = ctypes.c_char_p
        return (function() or b"").decode(errors="replace")

    def _enabled(self, name: str) -> bool:
        if not has(self.handle, name):
            return False
        function = getattr(self.handle, name)
        function.restype = ctypes.c_int64
        return bool(function())

    def set_threads(self, count: int) -> str:
        """Set, and read back: a build without threads keeps one."""
        if not has(self.handle, "bli_thread_set_num_threads"):
            return super().set_threads(count)
        self.handle.bli_thread_set_num_threads.argtypes = [ctypes.c_int64]
        self.handle.bli_thread_set_num_threads(count)
        self.handle.bli_thread_get_num_threads.restype = ctypes.c_int64
        got = int(self.handle.bli_thread_get_num_threads())
        if got == count and (count == 1 or self.describe()[2] != "sequential"):
            return ""
        return f"asked for {count} threads, but this build of {self.title} has none"

    def prepare(self, case: Case, host: Host, *, fused: bool = True) -> Prepared:
        """CBLAS's call, or the typed one with alpha and beta behind pointers."""
        if self._spelling != _TYPED:
            return super().prepare(case, host, fused=fused)
        if case.threads > 1 and self.set_threads(case.threads):
            raise NotPossibleError(f"this build of {self.title} has no threads")
        symbol, _ = self.function(case)
        scalars = np.array([case.alpha, case.beta], dtype=np.float32 if case.dtype == "f32" else np.float64)
        table = [address(self.handle, symbol), scalars.ctypes.data, scalars.ctypes.data + scalars.itemsize]
        params = {"symbol": symbol, **({"batch": "a loop"} if case.batch > 1 else {})}
        prepared = self.thunk(case, [CCall(0, _typed_arguments(case))], table, params)
        prepared.keep.append(scalars)
        return prepared


def _typed_arguments(case: Case) -> list[Arg]:
    """transa, transb, m, n, k, alpha, a, rs_a, cs_a, b, rs_b, cs_b, beta, c, rs_c, cs_c: a transposed matrix by its strides."""
    operands = []
    for name, side in (("a", case.layout[0]), ("b", case.layout[1]), ("c", "n")):
        lead = Arg("i64", Slot[f"LD{name.upper()}"])
        strides = [lead, Arg("i64", 1)] if side == "n" else [Arg("i64", 1), lead]
        operands.append([Arg("ptr", name, element_bytes=ELEMENTS[getattr(case.mix, name)].bits / 8), *strides])
    return [
        *(Arg("i32", _NO_TRANSPOSE), Arg("i32", _NO_TRANSPOSE)),
        *(Arg("i64", slot) for slot in (Slot.M, Slot.N, Slot.K)),
        *(Arg("ptr", Held(1)), *operands[0], *operands[1], Arg("ptr", Held(2)), *operands[2]),
    ]


def _is_blis(found: Found) -> bool:
    """AMD's build has a row of its own."""
    return "aocl" not in found.path.lower() and "/amd/" not in found.path.lower()


LIBRARY = Blis()
