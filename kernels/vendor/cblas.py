"""Call any library that speaks CBLAS: sgemm and dgemm, with 32-bit or 64-bit integers, under whatever names it exports them.

Row-major, as the cases are. A strided batch goes to the library's own call where it has one; other batches, and those of a library without,
are a loop over the problems in the emitted thunk (`params["batch"]` says which). An epilogue is a pass of its own after the product,
because CBLAS has none. A leading dimension of 0 (a side is 0) is given as 1: BLAS refuses 0 and would leave C as it is.

Source: the CBLAS interface of Netlib's reference BLAS; spellings as found in the libraries themselves.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...configs.cases import Case, Variant
from ...configs.dtypes import ELEMENTS
from ...configs.errors import NotPossibleError
from ..abi import Slot
from ..emit import ir
from ..emit.jit import compile_ir
from ..epilogue import rounds_early, separate_epilogue
from ..host import Host
from ..registry import Prepared
from .environment import OPENMP, overrides, warnings_of
from .files import address, file_sha, first_of, has, mapped_files, open_library, taken_files
from .framework import confine
from .library import Found, Library, Loaded
from .thunk import Arg, CCall, thunk_ir

ROW_MAJOR, NO_TRANS, TRANS = 101, 111, 112
_LIMIT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Routine:
    """A product in CBLAS's shape: its name without prefix and suffix, and the type in which it takes alpha and beta (LLVM's word)."""

    name: str
    scalar: str

    def argument(self, slot: Slot, value: float) -> Arg:
        """Alpha or beta as the routine takes it; NotPossibleError where the value is none of its type. `i16`: the bits of a bfloat16."""
        if self.scalar != "i16":
            return Arg(self.scalar, slot)
        bits = struct.unpack("<I", struct.pack("<f", value))[0]
        if bits & 0xFFFF or struct.unpack("<f", struct.pack("<I", bits))[0] != value:
            raise NotPossibleError(f"{self.name} takes alpha and beta as bfloat16, and {value:g} is none")
        return Arg("i16", bits >> 16, "zeroext")


class Cblas(Library):
    """A library with `cblas_sgemm` and `cblas_dgemm`.

    A subclass gives `spellings` (patterns with `{}` for the name without `cblas_`, and the bits of their integers), `routines` where it has
    more than f32 and f64, and may override `open`, `describe` and `set_threads`. A library with another way to call it builds on `thunk`.
    """

    spellings: ClassVar[Sequence[tuple[str, int]]] = (("cblas_{}", 32),)
    routines: ClassVar[dict[str, Routine]] = {"f32": Routine("sgemm", "float"), "f64": Routine("dgemm", "double")}
    prefixes: ClassVar[tuple[str, ...]] = OPENMP

    def __init__(self) -> None:
        self._handle: ctypes.CDLL | None = None
        self._loaded = Loaded("")
        self._found = Found(self.name, "", "")
        self._spelling, self._bits = "", 32

    @property
    def handle(self) -> ctypes.CDLL:
        """The loaded library."""
        assert self._handle is not None
        return self._handle

    def serves(self, case: Case) -> str:
        """The types of `routines`; whether this build has them is seen when it is loaded."""
        if case.dtype not in self.routines:
            return f"{self.title} has no product of {case.mix.summary}"
        return rounds_early(case)

    def load(self, found: Found) -> Loaded:
        """Load it, find how it spells its functions, and ask it what it is."""
        before = mapped_files()
        self._handle = self.open(found)
        self._found = found
        self._spelling, self._bits = self.spelled(found)
        version, core, threading = self.describe()
        files, size = taken_files(before, self.files(found))
        set_here = overrides(self.prefixes)
        warned = tuple(warnings_of(set_here))
        self._loaded = Loaded(version or found.package_version, core, threading, files, size, tuple(set_here), warned)
        return self._loaded

    def open(self, found: Found) -> ctypes.CDLL:
        """The library in this process; what it needs first is the subclass's to load."""
        return open_library(found.path)

    def spelled(self, found: Found) -> tuple[str, int]:
        """(pattern of its names, bits of its integers): the first of `spellings` that it exports; NotPossibleError for none."""
        for pattern, bits in self.spellings:
            if has(self.handle, pattern.format("sgemm")):
                return pattern, bits
        names = ", ".join(pattern.format("sgemm") for pattern, _ in self.spellings)
        raise NotPossibleError(f"{found.path} has no function {names}", f"it does not look like {self.title}")

    def describe(self) -> tuple[str, str, str]:
        """(version, chosen kernels, threading) in the library's own words; empty where it has none."""
        return "", "", ""

    def code(self, params: Mapping[str, str]) -> str:
        """What a row keeps as the hash of the machine code: that of the library's file, where it lies in one."""
        del params
        return file_sha(self._found.path)

    def set_threads(self, count: int) -> str:
        """Ask for so many threads; a warning where it cannot or will not."""
        return "" if count == 1 else f"{self.title} gives no way to ask for {count} threads"

    def function(self, case: Case) -> tuple[str, Routine]:
        """(symbol, routine) for the case's type; NotPossibleError where this build lacks it."""
        routine = self.routines[case.dtype]
        symbol = self._spelling.format(routine.name)
        if not has(self.handle, symbol):
            raise NotPossibleError(f"this build of {self.title} has no {symbol} ({case.mix.summary})")
        return symbol, routine

    def arguments(self, case: Case, routine: Routine, *, strided: bool = False) -> list[Arg]:
        """The CBLAS arguments of one problem, or with `strided` those of the strided batch call."""
        whole = f"i{self._bits}"
        sides = [Arg("i32", TRANS if side == "t" else NO_TRANS) for side in case.layout]
        operands = []
        for name, stride in (("a", case.stride_a), ("b", case.stride_b), ("c", case.stride_c)):
            upper = name.upper()
            words = [Arg("ptr", name, element_bytes=ELEMENTS[getattr(case.mix, name)].bits / 8)]
            words.append(Arg(whole, Slot[f"LD{upper}"] if stride else 1))
            operands.append([*words, Arg(whole, Slot[f"STEP_{upper}"])] if strided else words)
        return [
            Arg("i32", ROW_MAJOR),
            *(*sides, *(Arg(whole, slot) for slot in (Slot.M, Slot.N, Slot.K))),
            *(routine.argument(Slot.ALPHA, case.alpha), *operands[0], *operands[1]),
            *(routine.argument(Slot.BETA, case.beta), *operands[2]),
            *((Arg(whole, Slot.BATCH),) if strided else ()),
        ]

    def prepare(self, case: Case, host: Host, *, fused: bool = True) -> Prepared:
        """The thunk for the case, threads set."""
        del fused
        sizes = (case.m, case.n, case.k, case.stride_a, case.stride_b, case.stride_c, case.batch, self._farthest(case))
        if self._bits == 32 and max(sizes) > _LIMIT:
            raise NotPossibleError(f"this build of {self.title} counts with 32 bits")
        if case.threads > 1:
            confine(host.cpus)  # its pool may have been started while this process was held on one CPU
        symbol, routine = self.function(case)
        batched = self._strided_call(routine) if case.batch > 1 and case.batch_kind != "pointers" else ""
        call = CCall(0, self.arguments(case, routine, strided=bool(batched)))
        params = {"symbol": batched or symbol}
        if case.batch > 1:
            params["batch"] = "its own call" if batched else "a loop"
        return self.thunk(case, [call], [address(self.handle, batched or symbol)], params, loop=not batched)

    def _strided_call(self, routine: Routine) -> str:
        """The library's call for a strided batch; empty without one. Some builds leave it without their prefix (NumPy's OpenBLAS)."""
        name = f"{routine.name}_batch_strided"
        return first_of(self.handle, [self._spelling.format(name), f"cblas_{name}"])

    @staticmethod
    def _farthest(case: Case) -> int:
        """The longest step between the problems of a batch, in elements."""
        return max(case.rows_a[0] * case.stride_a, case.rows_b[0] * case.stride_b, case.m * case.stride_c) if case.batch > 1 else 0

    def thunk(
        self, case: Case, calls: list[CCall], addresses: list[int], params: dict[str, str], *, loop: bool = True, then: bool | None = None
    ) -> Prepared:
        """A prepared call of these functions for each problem (once with `loop` False), and of the separate epilogue after all of them.

        `then`: whether there is such an epilogue; the case's, where that is left open. `addresses` may hold other words than functions.
        """
        warning = self.set_threads(case.threads)
        pointers = case.batch_kind == "pointers" and case.batch > 1
        text, name, keep = thunk_ir(calls, loop=loop, pointers=pointers, name="product"), "product", list[object]()
        if case.epilogue if then is None else then:
            epilogue, kept = separate_epilogue(case)
            text, name = text + then_ir(len(addresses)), "product_then"
            addresses, params = [*addresses, epilogue], {**params, "epilogue": "a pass of its own"}
            keep.append(kept)
        code = compile_ir(text)
        table = np.array(addresses, dtype=np.int64)
        variant = Variant(self._found.spec, self._loaded.version, self._loaded.core, dict(params))
        told = (warning,) if warning else ()
        return Prepared(variant, code.address(name), None, table, None, self.code(params), told, [*keep, code, table])


def then_ir(index: int) -> str:
    """`void product_then(ptr arguments)`: call `product`, then the function at `index` of the table, both with the same block."""
    lines = ["entry:", "  call void @product(ptr %arguments)", ir.slot("%table", Slot.TABLE, context="%arguments")]
    lines += [ir.slot("%f", index, context="%table"), "  call void %f(ptr %arguments)", "  ret void"]
    return ir.function("product_then", "\n".join(lines), arguments="ptr %arguments")
