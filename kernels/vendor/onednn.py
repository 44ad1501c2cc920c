"""Call oneDNN's matmul primitive: every data type that it takes, any strides, batches, and epilogues fused as post-operations.

A primitive is made for a case beforehand, as an application would, and its first execution is the first call of the row; weights keep
their plain layout, as a BLAS gets them (letting oneDNN choose one, `any`, would reorder them beforehand). What it generated is in the row
as `implementation`; `ref` is a reference loop. alpha is a scale of A, beta a sum with what C held; integers get neither. Lists of pointers
are not asked of it.

An epilogue is fused as post-operations, which run in single precision, those of integers too: 127 · 127 summed 2048 times comes out wrong
by one behind a ReLU or with a bias (seen in 3.13.2 on avx512_core_amx, AMX or not). So an epilogue of integers is fused only where the
sums stay below 2²³, which leaves as much to a bias and a residual, and is a pass of its own elsewhere.

4-bit weights are integers with scales that it turns into the floats of A (its "weights decompression", which the fast mode of that type
permits). It does so a whole group at a time, and wants their scales as [groups][n]: where there are several groups, the call that is timed
puts them into that order first, which an application would do once. On chips with products of bf16 it rounds weight × scale to bf16 before
it multiplies (seen in 3.13), and such rows come out WRONG; one scale a column is applied to the sums, and right.

PyPI's `onednn` is built for SYCL: its engine is a device of Intel's OpenCL runtime for processors, which the wheel brings and finds only
when OCL_ICD_FILENAMES names it; that is set here before loading. Each call then goes through a SYCL queue, as its users' calls do. Its
threads are oneTBB's, which are held to the number asked for by a `global_control`.
Source: oneDNN developer guide (matmul, attributes), dnnl_types.h of 3.x.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...configs.cases import Case, Variant
from ...configs.dtypes import ELEMENTS, group_count
from ...configs.errors import NotPossibleError
from ...configs.kernel_names import unfused_of
from ..abi import Slot
from ..emit.jit import Code, compile_ir
from ..emit.writer import Writer
from ..epilogue import rounds_early
from ..host import Host
from ..registry import Prepared
from . import onednn_api as dnn
from .cblas import Cblas
from .discovery import copies, in_packages, on_system
from .environment import OPENMP
from .files import address, code_sha, has, open_library
from .framework import confine
from .library import Found
from .onednn_api import Api, Argument, Owned
from .thunk import Arg, CCall, Held

if TYPE_CHECKING:
    from ..operands import Operands

# What libdnnl of the wheel needs, in the order in which it can be loaded; no loader path leads to the folder of an environment.
# libimf needs libintlc, libsvml needs libimf, libsycl needs libur_loader; libsycl's number goes up with most releases.
_BESIDE = ("libtbb.so.12", "libintlc.so.5", "libimf.so", "libsvml.so", "libur_loader.so.?", "libsycl.so.?", "libsycl.so.??")
_TBB_CREATE = "_ZN3tbb6detail2r16createERNS0_2d114global_controlE"
_TBB_DESTROY = "_ZN3tbb6detail2r17destroyERNS0_2d114global_controlE"
# What the SYCL wheel loads once its engine starts: Intel's OpenCL runtime for processors, with the functions for every chip.
_RUN_TIME = (
    *("libOpenCL.so.1", "libintelocl.so", "libcommon_clang.so.*", "libocl_svml_*.so", "libirng.so", "libur_loader.so.?", "libumf.so.1"),
    *("libur_adapter_level_zero.so.?", "libur_adapter_level_zero_v2.so.?", "libhwloc.so.15", "libtbbmalloc.so.2"),
)
_EXACT = 2**23  # single precision holds every integer up to twice this
_TYPES = ("f32", "f16", "f16f16", "bf16", "bf16bf16", "s8", "u8s8", "e4m3", "e5m2", "int4f16", "int4bf16", "int4s8")


class _TbbControl(ctypes.Structure):
    """tbb::global_control: a value, a reserved word, and what it limits (0: the parallelism)."""

    _fields_ = (("value", ctypes.c_size_t), ("reserved", ctypes.c_ssize_t), ("what", ctypes.c_int))


class OneDnn(Cblas):
    """Intel's oneDNN through its matmul primitive."""

    name = "onednn"
    title = "oneDNN"
    licence = "Apache-2.0"
    bring = "pip install onednn"
    version = "3"
    prefixes: ClassVar[tuple[str, ...]] = ("ONEDNN_", "DNNL_", "TBB_", "SYCL_", "OCL_ICD_", *OPENMP)
    unfused = True
    source = "https://uxlfoundation.github.io/oneDNN/"

    def __init__(self) -> None:
        super().__init__()
        self._api: Api | None = None
        self._control: _TbbControl | None = None

    @property
    def api(self) -> Api:
        """The loaded library's interface."""
        assert self._api is not None
        return self._api

    def find(self) -> Sequence[Found]:
        """The wheels', then the system's; the interface of 3.x only."""
        wheels = in_packages(self.name, (("onednn", "@lib/libdnnl.so.3"), ("onednn-cpu-gomp", "@lib/libdnnl.so.3")))
        return copies([*wheels, *on_system(self.name, ("libdnnl.so.3",))])

    def files(self, found: Found) -> tuple[str, ...]:
        """What libdnnl needs, and for a build with SYCL what its engine loads."""
        folder, files = Path(found.path).parent, super().files(found)
        if not (folder / "libintelocl.so").is_file():
            return files
        more = [str(path.resolve()) for name in _RUN_TIME for path in sorted(folder.glob(name))]
        return tuple(dict.fromkeys((*files, *more)))

    def serves(self, case: Case) -> str:
        """Its types, plain or in strided batches; whether there is an implementation is seen when one is made."""
        if case.dtype not in _TYPES:
            return f"{self.title} has no product of {case.mix.summary} on processors"
        if case.batch > 1 and case.batch_kind == "pointers":
            return "oneDNN's matmul takes strided batches, no lists of pointers"
        if min(case.m, case.n, case.k) == 0:
            return "oneDNN computes nothing where a size is 0"
        if case.mix.integer and (case.alpha, case.beta) != (1.0, 0.0):
            return "oneDNN scales and adds integers in single precision"
        if case.mix.scale_a and case.alpha != 1.0:
            return "oneDNN takes alpha as the scale of A, which has scales of its own here"
        groups = group_count(case.k, case.mix.group_b)
        if groups > 1 and case.k % case.mix.group_b:
            return f"oneDNN takes whole groups of {case.mix.group_b} along k"
        return ""

    def open(self, found: Found) -> ctypes.CDLL:
        """libdnnl after what it needs."""
        folder = Path(found.path).parent
        beside = [str(file) for name in _BESIDE for file in sorted(folder.glob(name))]
        return open_library(found.path, ("dnnl_version", "dnnl_sgemm"), preload=beside)

    def spelled(self, found: Found) -> tuple[str, int]:
        """One spelling; sizes are 64-bit integers."""
        del found
        return "dnnl_{}", 64

    def describe(self) -> tuple[str, str, str]:
        """Starts the engine; the instructions that it generates for are its core."""
        device = Path(self._found.path).parent / "libintelocl.so"
        ours = device.is_file() and "OCL_ICD_FILENAMES" not in os.environ
        if ours:
            os.environ["OCL_ICD_FILENAMES"] = str(device)
        try:
            self._api = Api(self.handle)
        finally:
            if ours:  # what is recorded as set in the environment is the user's
                del os.environ["OCL_ICD_FILENAMES"]
        return self.api.version, self.api.isa, self.api.runtime

    def code(self, params: Mapping[str, str]) -> str:
        """The file, this adapter and the implementation in it: what oneDNN generates differs between them, and is not in the file."""
        return code_sha([self._found.path], self.name, params.get("implementation", params.get("symbol", "")))

    def set_threads(self, count: int) -> str:
        """Through OpenMP, or a limit on oneTBB's parallelism that lasts until the next one."""
        if has(self.handle, _TBB_CREATE):
            if self._control is not None:
                getattr(self.handle, _TBB_DESTROY)(ctypes.byref(self._control))
            self._control = _TbbControl(count, 0, 0)
            getattr(self.handle, _TBB_CREATE)(ctypes.byref(self._control))
            return ""
        if has(self.handle, "omp_set_num_threads"):
            self.handle.omp_set_num_threads(count)
            return ""
        return super().set_threads(count)

    def prepare(self, case: Case, host: Host, *, fused: bool = True) -> Prepared:
        """The primitive for the case; NotPossibleError where oneDNN has none here."""
        confine(host.cpus[-case.threads :] if case.threads == 1 else host.cpus)
        warning = self.set_threads(case.threads)
        exact = fuses_exactly(case)
        if not fused and case.epilogue and not exact:
            raise NotPossibleError(
                f"at k = {case.k} a fused epilogue of {case.dtype} is not exact: onednn itself does it in a pass of its own"
            )
        fused = fused and bool(case.epilogue) and exact
        if case.epilogue and not fused and rounds_early(case):
            raise NotPossibleError(rounds_early(case))
        product = _Product(self.api, case, fused=fused)
        table = [address(self.handle, "dnnl_primitive_execute"), product.primitive.value.value or 0, self.api.stream.value or 0]
        table.append(address(self.handle, "dnnl_stream_wait"))
        execute = [Arg("ptr", Held(1)), Arg("ptr", Held(2)), Arg("i32", len(product.needed)), Arg("ptr", Slot.STATE)]
        calls = [CCall(0, execute, "i32"), CCall(3, [Arg("ptr", Held(2))], "i32")]
        params = {"implementation": product.implementation}
        if product.groups > 1:
            turning = _turning(case, product.groups, len(product.needed))
            product.keep.append(turning)
            table.append(turning.address("turn"))
            calls.insert(0, CCall(4, [Arg("ptr", "arguments")]))
            params["scales"] = "put in order by each call"
        if case.epilogue:
            params["epilogue"] = "fused" if fused else "a pass of its own"
        prepared = self.thunk(case, calls, table, params, loop=False, then=bool(case.epilogue) and not fused)
        prepared.warnings = (warning,) if warning else ()
        prepared.bind = product.bind
        prepared.keep.append(product)
        name = self._found.spec if fused or not case.epilogue else unfused_of(self._found.spec)
        prepared.variant = Variant(name, self._loaded.version, self._loaded.core, dict(prepared.variant.params))
        return prepared


def fuses_exactly(case: Case) -> bool:
    """Whether single precision holds all that a fused epilogue meets: always for floats, for integers while their sums are small."""
    if not case.mix.integer:
        return True
    most = [max(-ELEMENTS[name].low, ELEMENTS[name].high) for name in (case.mix.a, case.mix.b)]
    return case.k * most[0] * most[1] < _EXACT


class _Product:
    """A primitive with descriptors of its operands, and the memory objects of each set that it was bound to."""

    def __init__(self, api: Api, case: Case, *, fused: bool) -> None:
        self._api, self._case = api, case
        mix = case.mix
        self._a = self._operand("a", case.layout[0], (case.m, case.k), case.stride_a, case.rows_a[0])
        self._b = self._operand("b", case.layout[1], (case.k, case.n), case.stride_b, case.rows_b[0])
        self._c = self._operand("c", "n", (case.m, case.n), case.stride_c, case.m)
        ones = (1,) * (2 if case.batch > 1 else 1)
        steps = case.steps if fused else ()
        self._bias = api.matrix((*ones, case.n), mix.c, (*(case.n for _ in ones), 1)) if "bias" in steps else None
        self._one = api.matrix((1,), "f32", (1,)) if case.alpha != 1.0 else None
        self._alpha = (ctypes.c_float * 1)(case.alpha)
        self.groups = group_count(case.k, mix.group_b)
        attributes = self._attributes()
        operations = api.post_operations()
        count = self._append(operations, steps)
        api.set_post_operations(attributes, operations)
        self._descriptor, self.primitive = api.matmul(self._a, self._b, self._bias, self._c, attributes)
        self.implementation = api.implementation(self._descriptor)
        self.needed = [dnn.SRC, dnn.WEIGHTS, dnn.DST]
        self.needed += [dnn.BIAS] if self._bias is not None else []
        self.needed += [dnn.SCALES | dnn.SRC] if self._one is not None or mix.scale_a else []
        self.needed += [dnn.SCALES | dnn.WEIGHTS] if mix.scale_b else []
        self._residual = api.post_op_argument(self._descriptor, count - 1) if "residual" in steps else 0
        self.needed += [self._residual] if self._residual else []
        self.keep: list[object] = []  # arguments, memory objects and scales of each set of operands

    def _attributes(self) -> Owned:
        """Alpha or scales, and leave to turn 4-bit weights into floats."""
        api, case, mix = self._api, self._case, self._case.mix
        attributes, columns = api.attributes(), 4 if case.batch > 1 else 2  # the bit of the last dimension
        if self._one is not None:
            api.set_scale(attributes, dnn.SRC)
        if mix.scale_a:
            api.set_scales(attributes, dnn.SRC, columns // 2, (), mix.scale_a)
        if mix.scale_b:
            mask, sizes = (columns | columns // 2, (mix.group_b, 1)) if self.groups > 1 else (columns, ())
            api.set_scales(attributes, dnn.WEIGHTS, mask, sizes, mix.scale_b)
        if ELEMENTS[mix.b].bits < 8 and mix.a in dnn.FAST_MODES:
            api.set_fast_mode(attributes, mix.a)
        return attributes

    def _operand(self, name: str, side: str, shape: tuple[int, int], lead: int, rows: int) -> Owned:
        """The descriptor of one operand; with batches its problems are a third dimension in front, of one where all share it."""
        case = self._case
        strides = (lead, 1) if side == "n" else (1, lead)
        element = getattr(case.mix, name)
        if case.batch == 1:
            return self._api.matrix(shape, element, strides)
        shared = case.batch_kind == f"same-{name}"
        return self._api.matrix((1 if shared else case.batch, *shape), element, (rows * lead, *strides))

    def _append(self, operations: Owned, steps: tuple[str, ...]) -> int:
        """beta · C, then the epilogue behind the bias; how many there are."""
        api, count = self._api, 0
        if self._case.beta != 0.0:
            api.add_sum(operations, self._case.beta)
            count += 1
        for step, kind, alpha in (("relu", dnn.RELU, 0.0), ("gelu", dnn.GELU_TANH, 0.0), ("silu", dnn.SWISH, 1.0)):
            if step in steps:
                api.add_function(operations, kind, alpha)
                count += 1
        if "residual" in steps:
            api.add_array(operations, self._c)
            count += 1
        return count

    def bind(self, operands: Operands) -> int:
        """The address of the arguments for this set of operands; behind them, as one more, where the scales of B are put in order."""
        arguments = (Argument * (len(self.needed) + 1))()
        ordered = np.zeros((self.groups, self._case.n), dtype=f"uint{ELEMENTS[self._case.mix.scale_b].bits}") if self.groups > 1 else None
        for index, number in enumerate(self.needed):
            memory = self._memory(number, operands, ordered)
            self.keep.append(memory)
            arguments[index] = Argument(number, memory.value)
        arguments[len(self.needed)] = Argument(0, None if ordered is None else ordered.ctypes.data)
        self.keep += [arguments, ordered]
        return ctypes.addressof(arguments)

    def _memory(self, number: int, operands: Operands, ordered: NDArray[Any] | None) -> Owned:
        """The memory of one argument."""
        api, mix, block = self._api, self._case.mix, operands.block
        if number == dnn.SCALES | dnn.SRC and self._one is not None:
            return api.memory(self._one, ctypes.addressof(self._alpha))
        if number == dnn.SCALES | dnn.SRC:
            return api.memory(api.matrix((self._case.m,), mix.scale_a, (1,)), int(block[Slot.SCALE_A]))
        if number == dnn.SCALES | dnn.WEIGHTS and ordered is not None:
            return api.memory(api.matrix(ordered.shape, mix.scale_b, (self._case.n, 1)), ordered.ctypes.data)
        if number == dnn.SCALES | dnn.WEIGHTS:
            return api.memory(api.matrix((self._case.n,), mix.scale_b, (1,)), int(block[Slot.SCALE_B]))
        places = {dnn.SRC: (self._a, Slot.A), dnn.WEIGHTS: (self._b, Slot.B), dnn.DST: (self._c, Slot.C), dnn.BIAS: (self._bias, Slot.BIAS)}
        descriptor, slot = places.get(number, (self._c, Slot.RESIDUAL))
        assert descriptor is not None
        return api.memory(descriptor, int(block[slot]))


def _turning(case: Case, groups: int, place: int) -> Code:
    """`void turn(ptr arguments)`: the scales of B, [n][groups], as [groups][n] to where argument `place` of the kernel's state points."""
    kind = f"i{ELEMENTS[case.mix.scale_b].bits}"
    w = Writer("turn", (("ptr", "s"),), internal=False)
    source, columns = w.slot("%s", Slot.SCALE_B, "ptr"), w.slot("%s", Slot.N)
    target = w.slot(w.slot("%s", Slot.STATE, "ptr"), 2 * place + 1, "ptr")
    with w.loop(0, columns) as column:
        row = w.at(source, w.mul(column, groups), kind)
        with w.loop(0, groups) as group:
            value = w.load(kind, w.at(row, group, kind), 2)
            w.store(kind, value, w.at(target, w.add(w.mul(columns, group), column), kind), 2)
    return compile_ir(w.text(), optimize=True)


LIBRARY = OneDnn()
