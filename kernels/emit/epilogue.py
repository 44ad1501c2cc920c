"""Emit what follows the product: bias, activation, residual, and the rounding to the stored type.

`finish(ptr from, i64 ld_from, ptr c, i64 ldc, i64 rows, i64 columns, ptr bias, ptr residual)`: for each element, in the type of the sums:
x + bias[column], the activation, + residual[row][column], stored as the element type of C. `from` holds sums, or elements of C where
`stored`; where it is C itself, `in_place` reads through `c`, so that LLVM sees that they are one. `bias` begins at the first column; the
residual has C's leading dimension. A loop over plain scalars without calls: LLVM's passes vectorise it.

exp(x) = 2^i · p(r) with i = round(x / ln 2), r = x - i · ln 2 in two parts, p by Taylor's series to the 7th (f32) or 13th (f64) power,
clamped at |x| = 87 (708). gelu is x / (1 + exp(-2y)) with y = √(2/π)(x + 0.044715 x³), which is x/2 (1 + tanh y) without its
cancellation; silu is x / (1 + exp(-x)). Source: J.-M. Muller, Elementary Functions, 3rd ed., chapter 11.
"""

from __future__ import annotations

import math
import struct

from ...configs.dtypes import Mix
from .elements import read_element, write_element
from .gemm.recipe import SUMS
from .writer import Writer

_LN2 = {"float": (0.693145751953125, 1.428606765330187e-06), "double": (0.6931471803691238, 1.9082149292705877e-10)}
_POWERS = {"float": 7, "double": 13}
_CLAMP = {"float": 87.0, "double": 708.0}
FINISH_ARGUMENTS = (
    *(("ptr", "from"), ("i64", "ld.from"), ("ptr", "c"), ("i64", "ldc"), ("i64", "rows"), ("i64", "columns")),
    *(("ptr", "bias"), ("ptr", "residual")),
)


def constant(kind: str, value: float) -> str:
    """A floating constant as LLVM writes it: the bits of a double that the type holds exactly."""
    exact = struct.unpack("f", struct.pack("f", value))[0] if kind == "float" else value
    return f"0x{struct.unpack('Q', struct.pack('d', exact))[0]:016X}"


def finish_ir(mix: Mix, steps: tuple[str, ...], *, stored: bool, in_place: bool, name: str = "finish") -> str:
    """The function `finish` for one mix of types and its steps; with its declarations."""
    kind, _ = SUMS[mix.acc]
    source = mix.c if stored else mix.acc
    w = Writer(name, FINISH_ARGUMENTS)
    with w.loop(0, "%rows") as row:
        from_row, c_row = w.mul(row, "%ld.from"), w.mul(row, "%ldc")
        with w.loop(0, "%columns") as column:
            place = w.add(c_row, column)
            where = ("%c", place) if in_place else ("%from", w.add(from_row, column))
            value = read_element(w, source, mix.acc, *where, "null")
            if "bias" in steps:
                value = _plus(w, kind, value, read_element(w, mix.c, mix.acc, "%bias", column, "null"))
            value = _activated(w, kind, value, steps)
            if "residual" in steps:
                value = _plus(w, kind, value, read_element(w, mix.c, mix.acc, "%residual", place, "null"))
            write_element(w, mix.c, value, w.at("%c", place, _stored_kind(mix.c)))
    return w.text() + declarations(kind)


def _stored_kind(element: str) -> str:
    from .elements import CODES

    return CODES[element]


def declarations(kind: str) -> str:
    """The intrinsics of an activation."""
    if kind == "i32":
        return ""
    suffix = {"float": "f32", "double": "f64"}[kind]
    one, two = f"{kind} @llvm", f"({kind}, {kind})"
    return (
        f"declare {one}.fmuladd.{suffix}({kind}, {kind}, {kind})\ndeclare {one}.rint.{suffix}({kind})\n"
        f"declare {one}.maxnum.{suffix}{two}\ndeclare {one}.minnum.{suffix}{two}\n"
    )


def _plus(w: Writer, kind: str, a: str, b: str) -> str:
    return w.op("add" if kind == "i32" else "fadd", a, b, kind)


def _activated(w: Writer, kind: str, x: str, steps: tuple[str, ...]) -> str:
    if "relu" in steps:
        if kind == "i32":
            return w.select(w.compare("sgt", x, 0, "i32"), x, 0, "i32")
        below = w.let(f"fcmp olt {kind} {x}, {constant(kind, 0.0)}")  # NaN is not below: it stays
        return w.select(below, constant(kind, 0.0), x, kind)
    if "silu" in steps:
        return _gated(w, kind, x, w.op("fmul", x, constant(kind, -1.0), kind))
    if "gelu" in steps:
        square = w.op("fmul", x, x, kind)
        inner = w.op("fadd", w.op("fmul", square, constant(kind, 0.044715), kind), constant(kind, 1.0), kind)
        y = w.op("fmul", w.op("fmul", inner, x, kind), constant(kind, -2.0 * math.sqrt(2.0 / math.pi)), kind)
        return _gated(w, kind, x, y)
    return x


def _gated(w: Writer, kind: str, x: str, exponent: str) -> str:
    """x / (1 + exp(exponent))."""
    return w.op("fdiv", x, w.op("fadd", exp_lines(w, kind, exponent), constant(kind, 1.0), kind), kind)


def exp_lines(w: Writer, kind: str, x: str) -> str:
    """exp(x), clamped to what the type holds; see the module's text."""
    suffix = {"float": "f32", "double": "f64"}[kind]
    limit = _CLAMP[kind]
    x = w.let(f"call {kind} @llvm.minnum.{suffix}({kind} {x}, {kind} {constant(kind, limit)})")
    x = w.let(f"call {kind} @llvm.maxnum.{suffix}({kind} {x}, {kind} {constant(kind, -limit)})")
    scaled = w.op("fmul", x, constant(kind, 1.0 / math.log(2.0)), kind)
    whole = w.let(f"call {kind} @llvm.rint.{suffix}({kind} {scaled})")
    rest = x
    for part in _LN2[kind]:
        rest = _fma(w, kind, whole, constant(kind, -part), rest)
    power = _POWERS[kind]
    total = constant(kind, 1.0 / math.factorial(power))
    for i in range(power - 1, -1, -1):
        total = _fma(w, kind, total, rest, constant(kind, 1.0 / math.factorial(i)))
    word, bias, shift = ("i32", 127, 23) if kind == "float" else ("i64", 1023, 52)
    exponent = w.op("shl", w.op("add", w.let(f"fptosi {kind} {whole} to {word}"), bias, word), shift, word)
    return w.op("fmul", total, w.let(f"bitcast {word} {exponent} to {kind}"), kind)


def _fma(w: Writer, kind: str, a: str, b: str, c: str) -> str:
    suffix = {"float": "f32", "double": "f64"}[kind]
    return w.let(f"call {kind} @llvm.fmuladd.{suffix}({kind} {a}, {kind} {b}, {kind} {c})")
