"""Call AMD's AOCL-BLAS: BLIS with AMD's kernels, and its low-precision products (LPGEMM) for bf16 and bytes.

The wheel `aoclda` carries the multithreaded build with an OpenMP runtime of its own. LPGEMM's functions return nothing: on a chip without
VNNI or AVX-512 BF16 they print a line and leave C as it was, which the gate finds. B is given as it lies; reordering it beforehand, as
LPGEMM's users would for weights, is left out, and so are its post-operations (their structure changes between releases) and its products
with 4-bit weights, which take reordered weights only. An epilogue is a pass of its own.
Source: AOCL-BLAS 5.3, aocl_gemm interface; symbols as found in the wheel.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ...configs.cases import Case
from ...configs.dtypes import ELEMENTS
from ...configs.errors import NotPossibleError
from ..abi import Slot
from ..host import Host
from ..registry import Prepared
from .blis import Blis
from .cblas import Routine
from .discovery import copies, in_packages, on_system
from .environment import OPENMP
from .files import address, has, open_library
from .framework import confine
from .library import Found
from .thunk import Arg, CCall


@dataclass(frozen=True, slots=True)
class _LowPrecision:
    """A product of LPGEMM: its function, and the type of alpha and beta."""

    name: str
    scalar: str


_LPGEMM = {
    "bf16": _LowPrecision("aocl_gemm_bf16bf16f32of32", "float"),
    "bf16bf16": _LowPrecision("aocl_gemm_bf16bf16f32obf16", "float"),
    "u8s8": _LowPrecision("aocl_gemm_u8s8s32os32", "i32"),
    "s8": _LowPrecision("aocl_gemm_s8s8s32os32", "i32"),
}


class Aocl(Blis):
    """AMD's AOCL-BLAS."""

    name = "aocl"
    title = "AOCL-BLAS"
    licence = "BSD-3-Clause (the wheel: AMD's EULA)"
    bring = "pip install aoclda"
    platforms: ClassVar[tuple[str, ...]] = ("x86_64", "amd64")
    prefixes: ClassVar[tuple[str, ...]] = ("BLIS_", "AOCL_", *OPENMP)
    source = "https://github.com/amd/blis"
    spellings: ClassVar[Sequence[tuple[str, int]]] = (("cblas_{}", 32),)
    routines: ClassVar[dict[str, Routine]] = {**Blis.routines, **{name: Routine(low.name, low.scalar) for name, low in _LPGEMM.items()}}

    def find(self) -> Sequence[Found]:
        """The wheel's, then those of AMD's installer."""
        wheel = in_packages(self.name, (("aoclda", "aoclda.libs/libblis-mt*.so*"),))
        system = on_system(self.name, ("libblis-mt.so", "libblis.so"))
        return copies([*wheel, *(f for f in system if "aocl" in f.path.lower() or "/amd/" in f.path.lower())])

    def serves(self, case: Case) -> str:
        """As BLIS; LPGEMM refuses sizes of 0, in a line that it prints."""
        if case.dtype in _LPGEMM and min(case.m, case.n, case.k) == 0:
            return "LPGEMM takes no size of 0"
        return super().serves(case)

    def open(self, found: Found) -> ctypes.CDLL:
        """The library; the wheel keeps its OpenMP runtime beside it."""
        beside = [str(path) for path in sorted(Path(found.path).parent.glob("libomp-*.so"))]
        return open_library(found.path, preload=beside)

    def prepare(self, case: Case, host: Host, *, fused: bool = True) -> Prepared:
        """CBLAS's call, or LPGEMM's."""
        if case.dtype not in _LPGEMM:
            return super().prepare(case, host, fused=fused)
        low = _LPGEMM[case.dtype]
        if not has(self.handle, low.name):
            raise NotPossibleError(f"this build of {self.title} has no {low.name} ({case.mix.summary})")
        if case.threads > 1:
            confine(host.cpus)
        params = {"symbol": low.name, **({"batch": "a loop"} if case.batch > 1 else {})}
        return self.thunk(case, [CCall(0, _low_arguments(case, low))], [address(self.handle, low.name)], params)


def _low_arguments(case: Case, low: _LowPrecision) -> list[Arg]:
    """order, transa, transb, m, n, k, alpha, a, lda, format of a, b, ldb, format of b, beta, c, ldc, no post-operations."""

    def letter(word: str) -> Arg:
        return Arg("i8", ord(word), "signext")

    def operand(name: str) -> list[Arg]:
        pointer = Arg("ptr", name, element_bytes=ELEMENTS[getattr(case.mix, name)].bits / 8)
        return [pointer, Arg("i64", Slot[f"LD{name.upper()}"])]

    return [
        *(letter("r"), letter(case.layout[0]), letter(case.layout[1])),
        *(Arg("i64", slot) for slot in (Slot.M, Slot.N, Slot.K)),
        *(Arg(low.scalar, Slot.ALPHA), *operand("a"), letter("n"), *operand("b"), letter("n")),
        *(Arg(low.scalar, Slot.BETA), *operand("c"), Arg("ptr", 0)),
    ]


LIBRARY = Aocl()
