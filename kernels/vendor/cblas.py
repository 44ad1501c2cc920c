"""Call any library that speaks CBLAS: sgemm and dgemm, with 32-bit or 64-bit integers, under whatever names it exports them.

Row-major, as the cases are. A batch is a loop over its problems in the emitted thunk. An epilogue is a pass of its own after the
product, because CBLAS has none. Source: the CBLAS interface of Netlib's reference BLAS; spellings as found in the libraries themselves.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from ...configs.cases import Case, Variant
from ...configs.dtypes import ELEMENTS
from ...configs.errors import NotPossibleError
from ..abi import Slot
from ..emit.jit import compile_ir
from ..epilogue import separate_epilogue
from ..host import Host
from ..registry import Prepared
from .environment import overrides, warnings_of
from .files import address, file_sha, first_of, has, mapped_files, open_library, taken_files
from .library import Found, Library, Loaded
from .thunk import Arg, CCall, thunk_ir

ROW_MAJOR, NO_TRANS, TRANS = 101, 111, 112
_LIMIT = 2**31 - 1


class Cblas(Library):
    """A library with `cblas_sgemm` and `cblas_dgemm`.

    A subclass gives `spellings` (patterns with `{}` for the name, and the bits of their integers), and may override `describe`,
    `set_threads` and `extra_calls` (other data types). `alone` False: it serves f32 and f64 only.
    """

    spellings: ClassVar[Sequence[tuple[str, int]]] = (("cblas_{}", 32),)
    more_types: ClassVar[dict[str, str]] = {}  # data type to the CBLAS-shaped function that serves it in single precision

    def __init__(self) -> None:
        self._handle: ctypes.CDLL | None = None
        self._loaded = Loaded("")
        self._found = Found(self.name, "", "")
        self._spelling, self._bits = "", 32
        self._sha = ""

    @property
    def handle(self) -> ctypes.CDLL:
        """The loaded library."""
        assert self._handle is not None
        return self._handle

    def serves(self, case: Case) -> str:
        """f32 and f64, and what `more_types` adds."""
        if case.dtype not in ("f32", "f64", *self.more_types):
            return f"{self.title} has no product of this type"
        return ""

    def load(self, found: Found) -> Loaded:
        """Load it, find how it spells its functions, and ask it what it is."""
        before = mapped_files()
        self._handle = self.open(found)
        self._found = found
        for pattern, bits in self.spellings:
            if has(self.handle, pattern.format("sgemm")):
                self._spelling, self._bits = pattern, bits
                break
        else:
            names = ", ".join(pattern.format("sgemm") for pattern, _ in self.spellings)
            raise NotPossibleError(f"{found.path} has no function {names}", f"it does not look like {self.title}")
        version, core, threading = self.describe()
        files, size = taken_files(before, found.path)
        set_here = overrides(self.prefixes)
        self._sha = file_sha(found.path)
        warned = tuple(warnings_of(set_here))
        self._loaded = Loaded(version or found.package_version, core, threading, files, size, tuple(set_here), warned)
        return self._loaded

    def open(self, found: Found) -> ctypes.CDLL:
        """The library in this process; what it needs first is the subclass's to load."""
        return open_library(found.path)

    def describe(self) -> tuple[str, str, str]:
        """(version, chosen kernels, threading) in the library's own words; empty where it has none."""
        return "", "", ""

    def set_threads(self, count: int) -> str:
        """Ask for so many threads; a warning where it cannot or will not."""
        return "" if count == 1 else f"{self.title} gives no way to ask for {count} threads"

    def function(self, case: Case) -> tuple[str, str]:
        """(symbol, LLVM type of alpha and beta) for the case's type; NotPossibleError where this build lacks it."""
        if case.dtype in ("f32", "f64"):
            symbol = self._spelling.format("sgemm" if case.dtype == "f32" else "dgemm")
            kind = "float" if case.dtype == "f32" else "double"
        else:
            symbol, kind = first_of(self.handle, [p.format(self.more_types[case.dtype]) for p, _ in self.spellings]), "float"
        if not symbol or not has(self.handle, symbol):
            raise NotPossibleError(f"this build of {self.title} has no {self.more_types.get(case.dtype, 'gemm')} for {case.dtype}")
        return symbol, kind

    def arguments(self, case: Case, kind: str) -> list[Arg]:
        """The CBLAS arguments of one problem."""
        whole = f"i{self._bits}"
        sides = [Arg("i32", TRANS if side == "t" else NO_TRANS) for side in case.layout]
        width = {name: ELEMENTS[getattr(case.mix, name)].bits / 8 for name in "abc"}
        return [
            Arg("i32", ROW_MAJOR),
            *sides,
            *(Arg(whole, slot) for slot in (Slot.M, Slot.N, Slot.K)),
            *(Arg(kind, Slot.ALPHA), Arg("ptr", "a", element_bytes=width["a"]), Arg(whole, Slot.LDA)),
            *(Arg("ptr", "b", element_bytes=width["b"]), Arg(whole, Slot.LDB), Arg(kind, Slot.BETA)),
            *(Arg("ptr", "c", element_bytes=width["c"]), Arg(whole, Slot.LDC)),
        ]

    def prepare(self, case: Case, host: Host, *, fused: bool = True) -> Prepared:
        """The thunk for the case, threads set."""
        del host, fused
        if self._bits == 32 and max(case.m, case.n, case.k, case.stride_a, case.stride_b, case.stride_c) > _LIMIT:
            raise NotPossibleError(f"this build of {self.title} counts with 32 bits")
        symbol, kind = self.function(case)
        return self.thunk(case, [CCall(0, self.arguments(case, kind))], [address(self.handle, symbol)], {"symbol": symbol})

    def thunk(self, case: Case, calls: list[CCall], addresses: list[int], params: dict[str, str]) -> Prepared:
        """A prepared call of these functions for each problem, and of the separate epilogue after all of them."""
        keep: list[object] = []
        warning = self.set_threads(case.threads)
        product = compile_ir(thunk_ir(calls, loop=True, pointers=case.batch_kind == "pointers" and case.batch > 1, name="call"))
        keep.append(product)
        start = product.address("call")
        if case.epilogue:
            epilogue, kept = separate_epilogue(case)
            params = {**params, "epilogue": "a pass of its own"}
            both = compile_ir(_one_after_another())
            addresses = [*addresses, 0]
            table = np.array(addresses, dtype=np.int64)
            chain = np.array([start, epilogue], dtype=np.int64)
            keep += [kept, both, chain, table]
            # slot STATE carries the two steps; the product's own table stays in TABLE
            return Prepared(
                self._variant(params), both.address("both"), lambda _o: int(chain.ctypes.data), table, None, self._sha, _some(warning), keep
            )
        table = np.array(addresses, dtype=np.int64)
        return Prepared(self._variant(params), start, None, table, None, self._sha, _some(warning), [*keep, table])

    def _variant(self, params: dict[str, str]) -> Variant:
        return Variant(self._found.spec, self._loaded.version, self._loaded.core, dict(params))


def _some(warning: str) -> tuple[str, ...]:
    return (warning,) if warning else ()


def _one_after_another() -> str:
    """`void both(ptr arguments)`: call the two functions whose addresses lie where STATE points, with the same block."""
    from ..emit import ir

    lines = ["entry:", ir.slot("%steps", Slot.STATE, context="%arguments")]
    for index in range(2):
        lines += [ir.slot(f"%f{index}", index, context="%steps"), f"  call void %f{index}(ptr %arguments)"]
    return ir.function("both", "\n".join([*lines, "  ret void"]), arguments="ptr %arguments")
