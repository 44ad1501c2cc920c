"""Compile kernels that are written in Python: numba's part, imported only when such a kernel is asked for.

A readable loop over elements of every type needs three things that Python has no word for: memory at an address, the value of a stored
element, and the rounding of a sum to its stored type. Narrow elements are decoded by a table of f32 (a code is its index), which the
argument block's STATE slot points to; so one loop serves every type.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import importlib.metadata
import math
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numpy.typing import NDArray

from ..configs.cases import Case
from ..configs.dtypes import ELEMENTS, Mix
from ..configs.settings import default_cache
from .abi import Slot
from .emit.jit import cache_dir, cached_object, linked, store_object
from .emit.target import Target
from .fills import narrow_values, storage

Array = NDArray[Any]
DIRECT = ("f64", "f32", "s8", "u8", "s32")  # elements that the loop reads as they are
_UNBOUNDED = 1 << 40  # elements behind a pointer, as far as an array type must say


@functools.cache
def numba() -> Any:
    """The package, with its cache inside ours. Importing it takes some 0.4 s, compiling a loop about 1 s, once a machine and version."""
    os.environ.setdefault("NUMBA_CACHE_DIR", str(default_cache() / "numba"))
    import numba as package

    return package


@functools.cache
def table(element: str) -> Array:
    """The values of all codes of a narrow element as f32; a single 0 for elements that need no table."""
    if not element or element in DIRECT:
        return np.zeros(1, dtype=np.float32)
    if ELEMENTS[element].bits < 8:
        return narrow_values(element).astype(np.float32)
    codes = np.arange(1 << ELEMENTS[element].bits, dtype=np.uint16 if ELEMENTS[element].bits == 16 else np.uint8)
    with np.errstate(invalid="ignore"):
        return np.asarray(codes.view(storage(element)).astype(np.float32))


def state_of(case: Case) -> NDArray[np.int64]:
    """What STATE points to: the steps of A (row, column) and B (row, column) in elements, then the tables of a, b, scales and c.

    `STATE_TABLES` says at which index each table's address lies.
    """
    steps = [case.stride_a, 1] if case.layout[0] == "n" else [1, case.stride_a]
    steps += [case.stride_b, 1] if case.layout[1] == "n" else [1, case.stride_b]
    mix = case.mix
    return np.array([*steps, *(table(e).ctypes.data for e in (mix.a, mix.b, mix.scale_a, mix.scale_b, mix.c))], dtype=np.int64)


STATE_TABLES = {"a": 4, "b": 5, "scale_a": 6, "scale_b": 7, "c": 8}


def code_type(element: str) -> Any:
    """NumPy's type of what the loop loads: the number itself, or its code."""
    if element in DIRECT:
        return storage(element)
    return np.dtype(np.uint16) if element and ELEMENTS[element].bits == 16 else np.dtype(np.uint8)


@functools.cache
def memory() -> Any:
    """`memory(address, like)`: an array without bounds over the memory at `address`, of the type of the array `like`."""
    package = numba()
    types = package.core.types

    @package.extending.intrinsic  # type: ignore[untyped-decorator]
    def pointer(_context: Any, address: Any) -> Any:
        def make(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return types.voidptr(address), make

    @package.njit  # type: ignore[untyped-decorator]
    def view(address: int, like: Array) -> Any:
        return package.carray(pointer(address), (_UNBOUNDED,), like.dtype)

    return view


@functools.cache
def half() -> Any:
    """`half(x)`: the bits of an f32 rounded to f16, by the machine's own conversion."""
    package = numba()
    types = package.core.types

    @package.extending.intrinsic  # type: ignore[untyped-decorator]
    def bits(_context: Any, _value: Any) -> Any:
        def make(_c: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            from llvmlite import ir

            return builder.bitcast(builder.fptrunc(arguments[0], ir.HalfType()), ir.IntType(16))

        return types.uint16(types.float32), make

    return bits


@functools.cache
def loader(element: str, place: str) -> Any:
    """`load(codes, state, index)`: the value of element number `index`, decoded by the table of `place` where it is a narrow one."""
    package, at, single, slot = numba(), memory(), np.zeros(1, np.float32), STATE_TABLES[place]
    if element in DIRECT:

        def load(codes: Any, state: Any, index: int) -> Any:  # noqa: ARG001 - all loaders are called alike
            return codes[index]

    elif ELEMENTS[element].bits < 8:

        def load(codes: Any, state: Any, index: int) -> Any:
            return at(state[slot], single)[(codes[index >> 1] >> ((index & 1) << 2)) & 15]

    else:

        def load(codes: Any, state: Any, index: int) -> Any:
            return at(state[slot], single)[codes[index]]

    return package.njit(load)


@functools.cache
def scaler(element: str, place: str, slot: int, group: int, unit: Callable[[Any], Any]) -> Any:
    """`scale(arguments, state, row, p)`: the scale of element p of a row; 1 where the type has none."""
    package, at = numba(), memory()
    if not element:

        def scale(s: Any, state: Any, row: int, p: int) -> Any:  # noqa: ARG001 - all scalers are called alike
            return unit(1)

    else:
        load, codes = loader(element, place), np.zeros(1, code_type(element))

        def scale(s: Any, state: Any, row: int, p: int) -> Any:
            groups = 1 if group < 0 else (s[Slot.K.value] + group - 1) // group
            return load(at(s[slot], codes), state, row * groups + (0 if group < 0 else p // group))

    return package.njit(scale)


@functools.cache
def storer(element: str) -> Any:
    """`store(codes, index, value)`: the value rounded to the stored type, to nearest, ties to even."""
    package = numba()
    if element == "f16":
        bits = half()

        def store(codes: Any, index: int, value: Any) -> None:
            codes[index] = bits(np.float32(value))

    elif element == "bf16":

        def store(codes: Any, index: int, value: Any) -> None:
            word = np.float32(value).view(np.uint32)
            if value != value:  # NaN: rounding could carry it into infinity
                codes[index] = np.uint16((word >> 16) | 64)
            else:
                codes[index] = np.uint16((word + 0x7FFF + ((word >> 16) & 1)) >> 16)

    else:

        def store(codes: Any, index: int, value: Any) -> None:
            codes[index] = value

    return package.njit(store)


@functools.cache
def activation(steps: tuple[str, ...], unit: Callable[[Any], Any]) -> Any:
    """`activate(x)`: relu, gelu by tanh, or silu, in the type `unit`; x itself where the steps name none."""
    package = numba()
    root, cubic = unit(math.sqrt(2.0 / math.pi)), unit(0.044715)
    one, middle = unit(1), unit(0.5)
    if "relu" in steps:

        def activate(x: Any) -> Any:
            return max(x, unit(0))

    elif "gelu" in steps:

        def activate(x: Any) -> Any:
            return middle * x * (one + unit(math.tanh(root * (x + cubic * x * x * x))))

    elif "silu" in steps:

        def activate(x: Any) -> Any:
            return x / (one + unit(math.exp(-x)))

    else:

        def activate(x: Any) -> Any:
            return x

    return package.njit(activate)


@functools.cache
def finisher(mix: Mix, steps: tuple[str, ...]) -> Any:
    """`result(arguments, state, c, problem, i, j, value)`: beta, the epilogue in the accumulator's type, and the store."""
    package, at = numba(), memory()
    unit: Any = storage(mix.acc).type
    load, store, activate = loader(mix.c, "c"), storer(mix.c), activation(steps, unit)
    codes, words = np.zeros(1, code_type(mix.c)), np.zeros(1, np.int64)
    bias, residual = "bias" in steps, "residual" in steps

    def result(s: Any, state: Any, c: Any, problem: int, i: int, j: int, value: Any) -> None:
        beta = unit(s.view(np.float64)[Slot.BETA.value])
        place = i * s[Slot.LDC.value] + j
        if beta != 0:  # where it is 0, C must not even be read: it may hold NaN
            value += beta * unit(load(c, state, place))
        if bias:
            value += unit(load(at(s[Slot.BIAS.value], codes), state, j))
        value = activate(unit(value))
        if residual:  # it lies as C does: problem i of it is as far from its beginning
            listed = at(s[Slot.LIST_C.value], words)
            value += unit(load(at(s[Slot.RESIDUAL.value] + listed[problem] - listed[0], codes), state, place))
        store(c, place, value)

    return package.njit(result)


@dataclass(frozen=True, slots=True)
class Elements:
    """The functions and example arrays for one mix of types and epilogue, as `naive` and `blocked` use them."""

    load_a: Any
    load_b: Any
    scale_a: Any
    scale_b: Any
    result: Any
    codes_a: Array
    codes_b: Array
    codes_c: Array
    words: Array
    number: Any

    @staticmethod
    def of(mix: Mix, steps: tuple[str, ...]) -> Elements:
        """Everything for this mix."""
        unit: Any = storage(mix.acc).type
        codes = [np.zeros(1, code_type(name)) for name in (mix.a, mix.b, mix.c)]
        scale_a = scaler(mix.scale_a, "scale_a", int(Slot.SCALE_A), mix.group_a, unit)
        scale_b = scaler(mix.scale_b, "scale_b", int(Slot.SCALE_B), mix.group_b, unit)
        load_a, load_b, result = loader(mix.a, "a"), loader(mix.b, "b"), finisher(mix, steps)
        return Elements(load_a, load_b, scale_a, scale_b, result, codes[0], codes[1], codes[2], np.zeros(1, np.int64), unit)


@dataclass(frozen=True, slots=True)
class Compiled:
    """Machine code of a Python loop: its address, a hash of it, and what keeps it alive."""

    address: int
    sha: str
    keep: object


# What compiled code would call to raise an exception, which these loops never do: numba gives the addresses when it is imported.
_NEVER_CALLED = (
    *("NRT_Free", "NRT_MemInfo_call_dtor", "numba_do_raise", "numba_gil_ensure", "numba_gil_release", "numba_unpickle"),
    "numba_runtime_build_excinfo_struct",
)


def compiled(name: str, build: Callable[[], Callable[[Any], None]]) -> Compiled:
    """The function that `build` gives, of slots to nothing, as `void f(int64_t *arguments)`.

    `name` says which it is. The object is kept in the cache, keyed by name, sources, numba and chip: then numba is not even imported, which
    saves some 0.4 s a worker and 0.5 s a data type.
    """
    target = Target.host()
    path = cache_dir() / f"{_key(name, target)}.numba"
    kept = cached_object(path)
    if kept is None:
        kept = _built(build())
        store_object(path, kept)
    symbol, body = kept.split(b"\n", 1)
    if "numba" not in sys.modules:
        stub = ctypes.cast(ctypes.CDLL(None).abort, ctypes.c_void_p).value
        for undefined in _NEVER_CALLED:
            llvm.add_symbol(undefined, stub)
    engine = linked(body, target)
    return Compiled(int(engine.get_function_address(symbol.decode())), hashlib.sha256(body).hexdigest()[:16], engine)


def _key(name: str, target: Target) -> str:
    """What the machine code depends on."""
    sources = [Path(__file__).with_name(f).read_text(encoding="utf-8") for f in ("compiled.py", "naive.py", "blocked.py")]
    parts = (name, *sources, importlib.metadata.version("numba"), target.cpu, ",".join(target.features))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _built(function: Callable[[Any], None]) -> bytes:
    """The symbol of the compiled function, a line's end, and the object."""
    package = numba()
    kinds = package.core.types
    made = package.cfunc(kinds.void(kinds.CPointer(kinds.int64)), nopython=True, error_model="numpy")(function)
    _, _, (body, _) = made._library.serialize_using_object_code()
    return bytes(made.native_name.encode() + b"\n" + body)


def ir_of(function: Callable[[Any], None]) -> str:
    """LLVM IR of a loop, as numba gives it."""
    package = numba()
    kinds = package.core.types
    made = package.cfunc(kinds.void(kinds.CPointer(kinds.int64)), nopython=True, error_model="numpy")(function)
    return str(made.inspect_llvm())
