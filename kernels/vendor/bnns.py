"""Call Apple's BNNS, the part of Accelerate that multiplies f16, bf16 and f32: `BNNSMatMul`, with descriptors of its operands.

An operand is a row-major matrix (element (row, column) at column · stride[0] + row · stride[1], so size[0] is the columns), and with
batches a stack of them (the layout of an image of several channels); an operand that all problems share has no such dimension and is
broadcast. What is not asked of it: beta, which it lacks, lists of pointers, and sizes of 0. An epilogue is a pass of its own. Bytes are
asked for, and so are half-precision operands with single-precision results: BNNS has these types, but does not document which mixtures its
product takes, so it is asked by `BNNSMatMulWorkspaceSize`, which answers with a negative number for those that it does not (bytes, by what
others have seen). The workspace is given to every call, which then allocates nothing. A call that fails leaves C as it was, which the gate
finds. `n_threads` is the most threads that it may take.

In macOS since 13, called deprecated since 15 in favour of graphs that are compiled beforehand, and in the SDK of macOS 27 still. Not tried
on such a machine: written from Apple's documentation, the structure from its header; the gate judges it where it is.
Source: https://developer.apple.com/documentation/accelerate/bnnsmatmul(_:_:_:_:_:_:_:_:) and bnnsndarraydescriptor, bnnsfilterparameters,
bnnsdatalayoutrowmajormatrix, bnnsdatalayoutimagechw there; vecLib's bnns_structures.h and bnns_constants.h for the order of the fields and
the numbers of types and layouts (176 bytes, `data` at 136, `data_type` at 144).
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ...configs.cases import Case
from ...configs.errors import NotPossibleError
from ..abi import Slot
from ..epilogue import rounds_early
from ..host import Host
from ..registry import Prepared
from . import accelerate
from .cblas import Cblas
from .files import address, open_library
from .library import Found
from .thunk import Arg, CCall, Held, Within

if TYPE_CHECKING:
    from ..operands import Operands

# BNNSDataType: FloatBit 0x10000, IntBit 0x20000, UIntBit 0x40000, each with the bits of an element; bfloat16 has a bit of its own.
DATA_TYPES = {"f32": 0x10020, "f16": 0x10010, "bf16": 0x18010, "s8": 0x20008, "u8": 0x40008, "s32": 0x20020}
ROW_MAJOR_MATRIX, IMAGE_CHW = 0x20000, 0x30000  # BNNSDataLayout
_TYPES = ("f32", "f16", "f16f16", "bf16", "bf16bf16", "s8", "u8s8")


class Descriptor(ctypes.Structure):
    """BNNSNDArrayDescriptor. Sizes and strides in elements; a data_scale of 0 means 1."""

    _fields_ = (
        *(("flags", ctypes.c_uint32), ("layout", ctypes.c_uint32), ("size", ctypes.c_size_t * 8), ("stride", ctypes.c_size_t * 8)),
        *(("data", ctypes.c_void_p), ("data_type", ctypes.c_uint32), ("table_data", ctypes.c_void_p), ("table_data_type", ctypes.c_uint32)),
        *(("data_scale", ctypes.c_float), ("data_bias", ctypes.c_float)),
    )


class Parameters(ctypes.Structure):
    """BNNSFilterParameters: flags, the most threads, and functions that allocate and free (none: the usual ones)."""

    _fields_ = (
        *(("flags", ctypes.c_uint32), ("n_threads", ctypes.c_size_t)),
        *(("alloc_memory", ctypes.c_void_p), ("free_memory", ctypes.c_void_p)),
    )


class Bnns(Cblas):
    """Apple's BNNS."""

    name = "bnns"
    title = "Apple BNNS"
    licence = "part of macOS"
    bring = ""
    platforms = ("macos",)
    prefixes = ("VECLIB_", "BNNS_")
    source = "https://developer.apple.com/documentation/accelerate/bnns"
    spellings: ClassVar[Sequence[tuple[str, int]]] = (("{}", 64),)

    def find(self) -> Sequence[Found]:
        """Where Accelerate is."""
        return accelerate.of_macos(self.name)

    def serves(self, case: Case) -> str:
        """Its types with beta 0, plain or in strided batches; which mixtures this release takes is seen when one is made ready."""
        if case.dtype not in _TYPES:
            return f"{self.title} has no product of {case.mix.summary}"
        if case.beta != 0.0:
            return "BNNSMatMul has no beta"
        if case.mix.integer and case.alpha != 1.0:
            return "BNNSMatMul takes alpha in single precision"
        if case.batch > 1 and case.batch_kind == "pointers":
            return "BNNS takes stacks of matrices, no lists of pointers"
        if min(case.m, case.n, case.k) == 0:
            return "BNNS takes no size of 0"
        return rounds_early(case)

    def open(self, found: Found) -> ctypes.CDLL:
        """Accelerate, which has BNNS in it."""
        return open_library(found.path, ("BNNSMatMul", "BNNSMatMulWorkspaceSize"))

    def spelled(self, found: Found) -> tuple[str, int]:
        """One spelling; sizes are size_t."""
        del found
        return "{}", 64

    def describe(self) -> tuple[str, str, str]:
        """It has no version of its own: that of the system."""
        return f"macOS {platform.mac_ver()[0]}", "", "its own"

    def set_threads(self, count: int) -> str:
        """Each call says how many."""
        del count
        return ""

    def prepare(self, case: Case, host: Host, *, fused: bool = True) -> Prepared:
        """The call with its workspace; NotPossibleError where BNNS says that it does not take such operands."""
        del host, fused
        parameters = Parameters(0, case.threads, None, None)
        workspace = np.zeros(self._workspace_bytes(case, parameters), dtype=np.uint8)
        table = [address(self.handle, "BNNSMatMul"), workspace.ctypes.data if workspace.size else 0, ctypes.addressof(parameters)]
        step = ctypes.sizeof(Descriptor)
        sides = [Arg("i1", int(side == "t"), "zeroext") for side in case.layout]
        operands = [Arg("ptr", Within(index * step)) for index in range(3)]
        call = CCall(0, [*sides, Arg("float", Slot.ALPHA), *operands, Arg("ptr", Held(1)), Arg("ptr", Held(2))], "i32")
        params = {"symbol": "BNNSMatMul", "workspace_bytes": str(workspace.size)}
        if case.batch > 1:
            params["batch"] = "its own call"
        prepared = self.thunk(case, [call], table, params, loop=False)
        prepared.keep += [parameters, workspace]

        def bind(bound: Operands) -> int:
            held = described(case, [int(bound.block[slot]) for slot in (Slot.A, Slot.B, Slot.C)])
            prepared.keep.append(held)
            return ctypes.addressof(held)

        prepared.bind = bind
        return prepared

    def _workspace_bytes(self, case: Case, parameters: Parameters) -> int:
        """What BNNS wants beside the operands; it does not look at their data here."""
        ask = self.handle.BNNSMatMulWorkspaceSize
        ask.restype = ctypes.c_ssize_t
        ask.argtypes = [ctypes.c_bool, ctypes.c_bool, ctypes.c_float, *[ctypes.c_void_p] * 4]
        held = described(case, [0, 0, 0])
        places = [ctypes.addressof(held) + index * ctypes.sizeof(Descriptor) for index in range(3)]
        sides = [side == "t" for side in case.layout]
        size = int(ask(*sides, case.alpha, *places, ctypes.addressof(parameters)))
        if size < 0:
            raise NotPossibleError(f"BNNS of {self._loaded.version} takes no {case.mix.summary} here", "BNNSMatMulWorkspaceSize refuses it")
        return size


def described(case: Case, data: Sequence[int]) -> ctypes.Array[Descriptor]:
    """The descriptors of A, B and C as they are stored, with these addresses."""
    held = (Descriptor * 3)()
    shapes = ((case.rows_a, case.stride_a), (case.rows_b, case.stride_b), ((case.m, case.n), case.stride_c))
    for descriptor, name, ((rows, columns), lead), place in zip(held, "abc", shapes, data, strict=True):
        stacked = case.batch > 1 and case.batch_kind != f"same-{name}"
        descriptor.layout = IMAGE_CHW if stacked else ROW_MAJOR_MATRIX
        descriptor.size[:2], descriptor.stride[:2] = (columns, rows), (1, lead)
        if stacked:
            descriptor.size[2], descriptor.stride[2] = case.batch, rows * lead
        descriptor.data, descriptor.data_type = place, DATA_TYPES[getattr(case.mix, name)]
        descriptor.data_scale = 1.0
    return held


LIBRARY = Bnns()
