"""Call Intel oneMKL: sgemm and dgemm, their strided batches, and the products of narrow types that it has.

`libmkl_rt` picks, at its first call, an interface, a threading layer and a kernel library for the chip (`libmkl_avx512`; `libmkl_def` on
many AMD chips), which the files that the process has mapped then name: a tiny product is computed on loading, so that it is there to be
named. Where the threading layer that it would take lacks its runtime, it ends the process; so another is chosen then, unless
MKL_THREADING_LAYER says which.

bf16, f16 and fp8 go through `cblas_gemm_*` with single-precision results, f16 with half-precision results through `cblas_hgemm`, which
takes alpha and beta in half precision. Its `libmkl_def` sums in single precision and then rounds toward zero, not to the nearest, which
the gate finds wrong; what it does on chips with arithmetic of half precision is for the gate to say there. Bytes: in row-major order MKL
takes A unsigned and B signed (operands the other way round give garbage and no error), so `u8s8` is served and `s8` is not: its offsets
are added to what was read as unsigned, which no constant turns into signed.
The hash in a row is that of `libmkl_rt` and the kernel libraries that it mapped, together.
Left out: products that were packed or generated beforehand (`*_compute`, `mkl_jit_*`).

Source: oneMKL developer reference; the symbols of 2026.2.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from ...configs.cases import Case
from ...configs.errors import NotPossibleError
from ..abi import Slot
from ..host import Host
from ..registry import Prepared
from .cblas import NO_TRANS, ROW_MAJOR, Cblas, Routine
from .cblas_batch import GroupBatch
from .discovery import copies, in_packages, on_system
from .environment import OPENMP
from .files import code_sha, has, mapped_files, open_library, taken_files
from .library import Found, Loaded
from .thunk import Arg

_FIX_OFFSET = 173  # CblasFixOffset: one offset for all of C
_KERNELS = ("libmkl_avx", "libmkl_def", "libmkl_mc", "mkl_avx", "mkl_def", "mkl_mc")
# What a threading layer needs beside its own file, and the number that MKL_Set_Threading_Layer takes for it; the first is MKL's own choice.
_LAYERS = (
    ("intel_thread", ("libiomp5.so",), 0),
    ("gnu_thread", ("libgomp.so.1",), 3),
    ("tbb_thread", ("libtbb.so.12",), 4),
    ("sequential", (), 1),
)


@dataclass(frozen=True, slots=True)
class _Half(Routine):
    """A routine that takes alpha and beta in half precision."""

    def argument(self, slot: Slot, value: float) -> Arg:
        """The bits of the constant; NotPossibleError where half precision lacks it."""
        del slot
        half = np.float16(value)
        if float(half) != value:
            raise NotPossibleError(f"{self.name} takes alpha and beta in half precision, and {value:g} is none")
        return Arg("i16", int(half.view(np.uint16)), "zeroext")


class Mkl(GroupBatch):
    """Intel oneMKL."""

    name = "mkl"
    title = "oneMKL"
    licence = "Intel Simplified Software License"
    bring = "pip install mkl"
    version = "2"
    platforms = ("x86_64", "amd64")
    prefixes = ("MKL_", "TBB_", *OPENMP)
    source = "https://www.intel.com/content/www/us/en/docs/onemkl/developer-reference-c/current/overview.html"
    spellings: ClassVar[Sequence[tuple[str, int]]] = (("cblas_{}_64", 64), ("cblas_{}", 32))
    routines: ClassVar[dict[str, Routine]] = {
        **Cblas.routines,
        "bf16": Routine("gemm_bf16bf16f32", "float"),
        "f16": Routine("gemm_f16f16f32", "float"),
        "f16f16": _Half("hgemm", "half"),
        "e4m3": Routine("gemm_e4m3e4m3f32", "float"),
        "e5m2": Routine("gemm_e5m2e5m2f32", "float"),
        "u8s8": Routine("gemm_s8u8s32", "float"),
    }

    def __init__(self) -> None:
        super().__init__()
        self._zero = np.zeros(1, dtype=np.int32)
        self._kernels: list[str] = []  # files that its dispatcher mapped for this chip

    def find(self) -> Sequence[Found]:
        """The wheel's, then the system's."""
        wheels = [("mkl", f"@lib/{name}") for name in ("libmkl_rt.so*", "libmkl_rt.*.dylib", "mkl_rt.*.dll")]
        return copies([*in_packages(self.name, wheels), *on_system(self.name, ("libmkl_rt.so",))])

    def files(self, found: Found) -> tuple[str, ...]:
        """libmkl_rt names nothing that it loads: interfaces, the usual threading layer, the core, and kernels for every chip."""
        folder = Path(found.path).parent
        parts = ("core", "intel_lp64", "intel_ilp64", "intel_thread", "def", "mc*", "avx*", "vml_*")
        more = [path for part in parts for path in sorted(folder.glob(f"libmkl_{part}.so*"))]
        more += [path for name in ("libiomp5.so", "libtbbmalloc.so.2") if (path := folder / name).is_file()]
        return (*super().files(found), *dict.fromkeys(str(path.resolve()) for path in more))

    def serves(self, case: Case) -> str:
        """As CBLAS; bytes only unsigned by signed."""
        if case.dtype == "s8":
            return "oneMKL multiplies unsigned by signed bytes only (u8s8)"
        return super().serves(case)

    def load(self, found: Found) -> Loaded:
        """As CBLAS; the files are counted, and its kernels named, after a first product."""
        before = mapped_files()
        loaded = super().load(found)
        self._first_product()
        files, size = taken_files(before, self.files(found))
        mapped = sorted(mapped_files() - before)
        names = [Path(file).name for file in mapped]
        self._kernels = [file for file, name in zip(mapped, names, strict=True) if name.startswith(_KERNELS)]
        core = ", ".join(Path(file).name.split(".")[0] for file in self._kernels)
        layers = [name.split(".")[0].removeprefix("libmkl_") for name in names if "_thread" in name or "_sequential" in name]
        threading = layers[0] if layers else os.environ.get("MKL_THREADING_LAYER", "intel_thread").lower()  # no maps to read
        self._loaded = replace(loaded, core=core, threading=threading, files=files, size_bytes=size)
        return self._loaded

    def code(self, params: Mapping[str, str]) -> str:
        """The dispatcher, and the kernels that it mapped: another chip or another setting runs other code from the same dispatcher."""
        del params
        return code_sha([self._found.path, *self._kernels])

    def open(self, found: Found) -> ctypes.CDLL:
        """libmkl_rt; wheels keep the OpenMP runtime beside it, where no loader path leads."""
        folder = Path(found.path).parent
        number, runtime = _layer(folder)
        beside = [str(folder / name) for name in runtime if (folder / name).is_file()]
        handle = open_library(found.path, ("MKL_Get_Version_String", "MKL_Set_Num_Threads"), shared=True, preload=beside)
        if number and has(handle, "MKL_Set_Threading_Layer"):
            handle.MKL_Set_Threading_Layer(number)
        return handle

    def _first_product(self) -> None:
        one, out = np.ones((8, 8), dtype=np.float32), np.zeros((8, 8), dtype=np.float32)
        gemm = getattr(self.handle, self._spelling.format("sgemm"))
        whole, single, pointer = (ctypes.c_int64 if self._bits == 64 else ctypes.c_int32), ctypes.c_float, ctypes.c_void_p
        gemm.argtypes = [*[ctypes.c_int] * 3, *[whole] * 3, single, pointer, whole, pointer, whole, single, pointer, whole]
        gemm.restype = None
        a, c = one.ctypes.data, out.ctypes.data
        gemm(ROW_MAJOR, NO_TRANS, NO_TRANS, 8, 8, 8, 1.0, a, 8, a, 8, 0.0, c, 8)

    def describe(self) -> tuple[str, str, str]:
        """Its version; the rest is known after a first product. It is told not to choose numbers of threads by itself."""
        text = ctypes.create_string_buffer(256)
        self.handle.MKL_Get_Version_String(text, 256)
        words = text.value.decode(errors="replace")
        version = re.search(r"Version (\d+(?:\.\d+)+)", words)  # "2026.2-Product"
        self.handle.MKL_Set_Dynamic(0)
        return version[1] if version else words, "", ""

    def set_threads(self, count: int) -> str:
        """For the whole process."""
        self.handle.MKL_Set_Num_Threads(count)
        got = int(self.handle.MKL_Get_Max_Threads())
        return "" if got == count else f"asked for {count} threads, oneMKL says {got}"

    def arguments(self, case: Case, routine: Routine, *, strided: bool = False) -> list[Arg]:
        """CBLAS's; for bytes with an offset for each operand, all zero, the one of C through the pointer in slot STATE."""
        plain = super().arguments(case, routine, strided=strided)
        if case.dtype != "u8s8":
            return plain
        zero = Arg("i8", 0, "signext")
        return [*plain[:3], Arg("i32", _FIX_OFFSET), *plain[3:9], zero, *plain[9:11], zero, *plain[11:], Arg("ptr", Slot.STATE)]

    def prepare(self, case: Case, host: Host, *, fused: bool = True) -> Prepared:
        """As CBLAS; bytes get the address of a zero for their offset."""
        prepared = super().prepare(case, host, fused=fused)
        if case.dtype == "u8s8":
            zero = int(self._zero.ctypes.data)
            prepared.bind = lambda _operands: zero
        return prepared


def _layer(folder: Path) -> tuple[int, tuple[str, ...]]:
    """(its number, its runtime's files) of the first threading layer here whose runtime can be had; 0 leaves the choice to MKL."""
    chosen = os.environ.get("MKL_THREADING_LAYER", "").lower()
    for name, runtime, number in _LAYERS:
        if chosen:
            if name.startswith(chosen):
                return 0, runtime  # MKL reads the variable itself
        elif any(folder.glob(f"libmkl_{name}.so*")) and all((folder / file).is_file() or _loads(file) for file in runtime):
            return number, runtime
    return 0, ()


def _loads(name: str) -> bool:
    """Whether the loader finds and loads a library of this name."""
    try:
        ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
    except OSError:
        return False
    return True


LIBRARY = Mkl()
