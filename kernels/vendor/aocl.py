"""Call AMD's AOCL-BLAS: BLIS with AMD's kernels, and its low-precision products (LPGEMM) for bf16 and bytes.

The wheel `aoclda` carries the multithreaded build with an OpenMP runtime of its own. Batches on several threads go to
`cblas_?gemm_batch`, which gives each thread problems of its own; on one thread they are a loop, which was never slower and 16 times
faster for 64 problems of 8³ (5.3.0, Zen 5). LPGEMM's functions return nothing: where the chip lacks what they need they print a line and
leave C as it was; for bytes that is AVX-512 VNNI, which is asked for beforehand, the rest is found by the gate. An epilogue is fused where
LPGEMM has it (see `aocl_lpgemm`); `aocl-unfused` does it in a pass of its own, in single precision after the product of CBLAS.
Source: AOCL-BLAS 5.3; symbols as found in the wheel.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from ...configs.cases import Case
from ...configs.errors import NotPossibleError
from ..emit.target import Target
from ..epilogue import rounds_early
from ..host import Host
from ..registry import Prepared
from . import aocl_lpgemm as lpgemm
from .blis import Blis
from .cblas import Routine
from .cblas_batch import GroupBatch
from .discovery import copies, in_packages, on_system
from .environment import OPENMP
from .files import address, has, open_library
from .framework import confine
from .library import Found
from .thunk import CCall

_LOW = tuple(name for name in lpgemm.PRODUCTS if name != "f32")


class Aocl(GroupBatch, Blis):
    """AMD's AOCL-BLAS."""

    name = "aocl"
    title = "AOCL-BLAS"
    licence = "BSD-3-Clause (the wheel: AMD's EULA)"
    bring = "pip install aoclda"
    platforms: ClassVar[tuple[str, ...]] = ("x86_64", "amd64")
    prefixes: ClassVar[tuple[str, ...]] = ("BLIS_", "AOCL_", *OPENMP)
    mark = rb"AOCL-BLAS ([0-9]+(?:\.[0-9]+)+)"
    source = "https://github.com/amd/blis"
    spellings: ClassVar[Sequence[tuple[str, int]]] = (("cblas_{}", 32),)
    routines: ClassVar[dict[str, Routine]] = {**Blis.routines, **{name: lpgemm.PRODUCTS[name] for name in _LOW}}
    version = "2"
    unfused = True

    def find(self) -> Sequence[Found]:
        """The wheel's, then those of AMD's installer."""
        wheel = in_packages(self.name, (("aoclda", "aoclda.libs/libblis-mt*.so*"),))
        system = on_system(self.name, ("libblis-mt.so", "libblis.so"))
        return copies([*wheel, *(f for f in system if "aocl" in f.path.lower() or "/amd/" in f.path.lower())])

    def serves(self, case: Case) -> str:
        """As BLIS; LPGEMM refuses sizes of 0, in a line that it prints. A narrow C with an epilogue is served where it is fused."""
        if case.dtype not in self.routines:
            return super().serves(case)
        if case.dtype in _LOW and min(case.m, case.n, case.k) == 0:
            return "LPGEMM takes no size of 0"
        return rounds_early(case) if case.batch > 1 and "residual" in case.steps else ""

    def open(self, found: Found) -> ctypes.CDLL:
        """The library; the wheel keeps its OpenMP runtime beside it."""
        beside = [str(path) for path in sorted(Path(found.path).parent.glob("libomp-*.so"))]
        return open_library(found.path, preload=beside)

    def _group_call(self, case: Case) -> str:
        """As any, with several threads only."""
        return super()._group_call(case) if case.threads > 1 else ""

    def prepare(self, case: Case, host: Host, *, fused: bool = True) -> Prepared:
        """CBLAS's call, or LPGEMM's; NotPossibleError where this build or this chip lacks it."""
        fused = fused and lpgemm.fuses(case, self._loaded.version)
        if case.dtype not in _LOW and not fused:
            return super().prepare(case, host, fused=False)
        if not fused and rounds_early(case):
            raise NotPossibleError(rounds_early(case))
        routine = lpgemm.PRODUCTS[case.dtype]
        if not has(self.handle, routine.name):
            raise NotPossibleError(f"this build of {self.title} has no {routine.name} ({case.mix.summary})")
        if case.mix.integer and "-avx512vnni" in Target.host().features:
            raise NotPossibleError("LPGEMM multiplies bytes on chips with AVX-512 VNNI only")
        if lpgemm.reads_behind(case, fused=fused):
            raise NotPossibleError(lpgemm.reads_behind(case, fused=fused))
        if case.threads > 1:
            confine(host.cpus)
        params = {"symbol": routine.name, **({"batch": "a loop"} if case.batch > 1 else {}), **({"epilogue": "fused"} if fused else {})}
        calls = [CCall(0, lpgemm.arguments(case, routine, fused=fused))]
        prepared = self.thunk(case, calls, [address(self.handle, routine.name)], params, then=bool(case.epilogue) and not fused)
        rounded = lpgemm.rounded_sums(case)
        prepared.warnings = (*prepared.warnings, *([rounded] if rounded else []))
        if fused:
            epilogue = lpgemm.Epilogue(case)
            prepared.bind = epilogue.bind
            prepared.keep.append(epilogue)
        return prepared


LIBRARY = Aocl()
