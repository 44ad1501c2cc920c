"""Speak oneDNN's C interface: descriptors, attributes, primitives and memory, each freed with its owner.

Numbers are those of oneapi/dnnl/dnnl_types.h of 3.x. One has changed between releases, the base of a post-operation's arguments, and is
asked of each primitive (`post_op_argument`).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence

from ...configs.errors import NotPossibleError
from .files import has

DATA_TYPES = {
    "f16": 1,
    "bf16": 2,
    "f32": 3,
    "s32": 4,
    "s8": 5,
    "u8": 6,
    "f64": 7,
    "e5m2": 9,
    "e4m3": 10,
    "s4": 11,
    "e8m0": 13,
    "e2m1": 14,
}
SRC, SRC_1, DST, WEIGHTS, BIAS, SCALES = 1, 2, 17, 33, 41, 4096
FAST_MODES = {"bf16": 1, "f16": 2}  # fpmath modes: what whole numbers may be turned into
RELU, GELU_TANH, SWISH, BINARY_ADD = 0x20, 0x2B, 0x2C, 0x1FFF0
_POST_OP_BASES = (32768, 16384)  # since 3.10 or so, and before
_QUERY_IMPLEMENTATION, _QUERY_ARGUMENT, _QUERY_DIMENSIONS = 8, 255, 256
_NOT_IMPLEMENTED = 3
_STATUS = {
    1: "out of memory",
    2: "invalid arguments",
    3: "not implemented",
    4: "last implementation",
    5: "runtime error",
    6: "not required",
}
_RUNTIMES = {1: "sequential", 2: "openmp", 4: "tbb", 8: "threadpool", 512: "sycl, tbb"}
_ISA = {0x1: "sse41", 0x3: "avx", 0x7: "avx2", 0xF: "avx2_vnni", 0x1F: "avx2_vnni_2", 0x27: "avx512_core", 0x67: "avx512_core_vnni"}
_ISA |= {0xE7: "avx512_core_bf16", 0x1EF: "avx512_core_fp16", 0xFEF: "avx512_core_amx", 0x1FEF: "avx512_core_amx_fp16"}
Dims = ctypes.c_int64 * 12
Handle = ctypes.c_void_p


class Version(ctypes.Structure):
    """dnnl_version_t."""

    _fields_ = (
        *(("major", ctypes.c_int), ("minor", ctypes.c_int), ("patch", ctypes.c_int)),
        *(("hash", ctypes.c_char_p), ("cpu_runtime", ctypes.c_uint), ("gpu_runtime", ctypes.c_uint)),
    )


class Argument(ctypes.Structure):
    """dnnl_exec_arg_t: which operand, and its memory."""

    _fields_ = (("arg", ctypes.c_int), ("memory", Handle))


class Owned:
    """An object of oneDNN's, freed with this one."""

    def __init__(self, value: Handle, free: Callable[[Handle], int]) -> None:
        self.value, self._free = value, free

    def __del__(self) -> None:
        self._free(self.value)


class Api:
    """A loaded libdnnl with its engine for the processor and a stream."""

    def __init__(self, handle: ctypes.CDLL) -> None:
        self.handle = handle
        handle.dnnl_version.restype = ctypes.POINTER(Version)
        self.about = handle.dnnl_version().contents
        self.engine, self.stream = Handle(), Handle()
        self._must("dnnl_engine_create", ctypes.byref(self.engine), 1, ctypes.c_size_t(0))
        self._must("dnnl_stream_create", ctypes.byref(self.stream), self.engine, 1)

    @property
    def version(self) -> str:
        """As `3.13.2`."""
        return f"{self.about.major}.{self.about.minor}.{self.about.patch}"

    @property
    def runtime(self) -> str:
        """What its threads are."""
        number = int(self.about.cpu_runtime)
        return _RUNTIMES.get(number, f"runtime {number}")

    @property
    def isa(self) -> str:
        """The instructions that it generates code with here."""
        if not has(self.handle, "dnnl_get_effective_cpu_isa"):
            return ""
        number = int(self.handle.dnnl_get_effective_cpu_isa())
        return _ISA.get(number, f"isa {number:#x}")

    def _must(self, name: str, *arguments: object) -> None:
        status = int(getattr(self.handle, name)(*arguments))
        if status == _NOT_IMPLEMENTED:
            raise NotPossibleError(f"oneDNN {self.version} has no implementation of this on this chip ({self.isa})")
        if status:
            raise NotPossibleError(f"oneDNN: {name} says {_STATUS.get(status, f'status {status}')}")

    def _owned(self, name: str, free: str, *arguments: object) -> Owned:
        value = Handle()
        self._must(name, ctypes.byref(value), *arguments)
        return Owned(value, getattr(self.handle, free))

    def matrix(self, dims: Sequence[int], element: str, strides: Sequence[int]) -> Owned:
        """A descriptor of a strided array; strides in elements. NotPossibleError for a type that came with a later release."""
        value, make = Handle(), self.handle.dnnl_memory_desc_create_with_strides
        status = int(make(ctypes.byref(value), len(dims), Dims(*dims), DATA_TYPES[element], Dims(*strides)))
        if status:  # the sizes are right: what a release may not know is the type
            raise NotPossibleError(f"oneDNN {self.version} has no elements of type {element}")
        return Owned(value, self.handle.dnnl_memory_desc_destroy)

    def attributes(self) -> Owned:
        """Attributes, all as usual."""
        return self._owned("dnnl_primitive_attr_create", "dnnl_primitive_attr_destroy")

    def set_scale(self, attributes: Owned, argument: int) -> None:
        """One scale for a whole operand, given when it runs."""
        self._must("dnnl_primitive_attr_set_scales_mask", attributes.value, argument, 0)

    def set_scales(self, attributes: Owned, argument: int, mask: int, groups: Sequence[int], element: str) -> None:
        """Many scales, given when it runs: one for each index of the dimensions of `mask`, or each group of `groups` in the last two."""
        self._present("dnnl_primitive_attr_set_scales", "scales in groups")
        sizes = Dims(*groups) if groups else None
        self._must("dnnl_primitive_attr_set_scales", attributes.value, argument, mask, len(groups), sizes, DATA_TYPES[element])

    def set_fast_mode(self, attributes: Owned, element: str) -> None:
        """Whole numbers of the weights may be turned into this type of float, which is what makes them weights of a float's product."""
        self._present("dnnl_primitive_attr_set_fpmath_mode_v2", "products of floats and 4-bit integers")
        self._must("dnnl_primitive_attr_set_fpmath_mode_v2", attributes.value, FAST_MODES[element], 1)

    def _present(self, name: str, what: str) -> None:
        if not has(self.handle, name):
            raise NotPossibleError(f"oneDNN {self.version} has no {what}")

    def post_operations(self) -> Owned:
        """An empty list of operations on the result."""
        return self._owned("dnnl_post_ops_create", "dnnl_post_ops_destroy")

    def add_sum(self, operations: Owned, scale: float) -> None:
        """What the result held before, times `scale`."""
        self._must("dnnl_post_ops_append_sum", operations.value, ctypes.c_float(scale), 0, 0)

    def add_function(self, operations: Owned, kind: int, alpha: float) -> None:
        """A function of each element."""
        self._must("dnnl_post_ops_append_eltwise", operations.value, kind, ctypes.c_float(alpha), ctypes.c_float(0.0))

    def add_array(self, operations: Owned, descriptor: Owned) -> None:
        """An array that is added."""
        self._must("dnnl_post_ops_append_binary", operations.value, BINARY_ADD, descriptor.value)

    def set_post_operations(self, attributes: Owned, operations: Owned) -> None:
        """They are copied."""
        self._must("dnnl_primitive_attr_set_post_ops", attributes.value, operations.value)

    def matmul(self, source: Owned, weights: Owned, bias: Owned | None, target: Owned, attributes: Owned) -> tuple[Owned, Owned]:
        """(descriptor, primitive); NotPossibleError where there is no implementation."""
        operands = (source.value, weights.value, bias.value if bias else None, target.value)
        descriptor = self._owned(
            "dnnl_matmul_primitive_desc_create", "dnnl_primitive_desc_destroy", self.engine, *operands, attributes.value
        )
        return descriptor, self._owned("dnnl_primitive_create", "dnnl_primitive_destroy", descriptor.value)

    def implementation(self, descriptor: Owned) -> str:
        """Its name: `brg:avx512_core`, `ref:any`…"""
        name = ctypes.c_char_p()
        self.handle.dnnl_primitive_desc_query(descriptor.value, _QUERY_IMPLEMENTATION, 0, ctypes.byref(name))
        return (name.value or b"").decode(errors="replace")

    def post_op_argument(self, descriptor: Owned, index: int) -> int:
        """The number of the array that post-operation `index` adds."""
        self.handle.dnnl_primitive_desc_query_md.restype = Handle
        for base in _POST_OP_BASES:
            number = (base * (index + 1)) | SRC_1
            found = self.handle.dnnl_primitive_desc_query_md(descriptor.value, _QUERY_ARGUMENT, number)
            if found and self._dimensions(found):
                return number
        raise NotPossibleError(f"oneDNN {self.version} does not say where a post-operation's array goes")

    def _dimensions(self, descriptor: int) -> int:
        """How many dimensions a descriptor has: 0 is that of no operand."""
        count = ctypes.c_int(0)
        self.handle.dnnl_memory_desc_query(Handle(descriptor), _QUERY_DIMENSIONS, ctypes.byref(count))
        return count.value

    def memory(self, descriptor: Owned, address: int) -> Owned:
        """Memory of ours, described."""
        return self._owned("dnnl_memory_create", "dnnl_memory_destroy", descriptor.value, self.engine, Handle(address))
