"""Emit the step from a stored element to the number that is computed with, and back.

Reading: f64, f32 and integers as they are; f16 by the machine's conversion, bf16 by a shift; narrower floats and 4-bit elements by
arithmetic on their bits (`widened`, `narrow_value`: for whole vectors, and for loops that LLVM shall vectorise), or one at a time by a
table of f32 that lies in memory (256 or 16 entries). Writing rounds to nearest, ties to even; NaN stays NaN. A 4-bit float's -0 becomes +0.
"""

from __future__ import annotations

from collections.abc import Callable

from ...configs.dtypes import ELEMENTS
from .writer import Writer

# LLVM's type of what is loaded for each element; elements that need a table are codes.
CODES = {
    "f64": "double",
    "f32": "float",
    "f16": "half",
    "bf16": "i16",
    "s32": "i32",
    **dict.fromkeys(("s8", "u8", "e4m3", "e5m2", "e8m0", "e2m1", "s4"), "i8"),
}
TABLED = ("e4m3", "e5m2", "e8m0", "e2m1", "s4")


def read_element(w: Writer, element: str, sums: str, base: str, index: str, table: str) -> str:
    """The value of element `index` (in elements, two a byte for the 4-bit ones) as the type that sums run in (`f32`, `f64`, `s32`)."""
    code = CODES[element]
    if ELEMENTS[element].bits < 8:
        byte = w.load("i8", w.at(base, w.op("lshr", index, 1), "i8"))
        shift = w.let(f"trunc i64 {w.op('shl', w.op('and', index, 1), 2)} to i8")
        number = w.op("and", w.op("lshr", byte, shift, "i8"), 15, "i8")
        return w.load("float", w.at(table, w.let(f"zext i8 {number} to i64"), "float"), 4)
    value = w.load(code, w.at(base, index, code))
    if element in TABLED:
        return w.load("float", w.at(table, w.let(f"zext i8 {value} to i64"), "float"), 4)
    return widened(w, element, sums, value)


def widened(w: Writer, element: str, sums: str, value: str, lanes: int = 0) -> str:
    """A loaded value (or vector of `lanes`) of an element without a table, as the type of the sums."""

    def vector(kind: str) -> str:
        return f"<{lanes} x {kind}>" if lanes else kind

    if element in ("f64", "f32", "s32"):
        return value
    if element == "f16":
        return w.let(f"fpext {vector('half')} {value} to {vector('float')}")
    if element == "bf16":
        wide = w.let(f"zext {vector('i16')} {value} to {vector('i32')}")
        sixteen = f"<{', '.join(['i32 16'] * lanes)}>" if lanes else "16"
        return w.let(f"bitcast {vector('i32')} {w.op('shl', wide, sixteen, vector('i32'))} to {vector('float')}")
    if element in ("e4m3", "e5m2"):
        return _wide_fp8(w, element, value, vector, lanes)
    if sums == "s32":
        extend = "zext" if element == "u8" else "sext"
        return w.let(f"{extend} {vector('i8')} {value} to {vector('i16')}")  # packed as 16-bit integers
    return w.let(f"{'ui' if element == 'u8' else 'si'}tofp {vector('i8')} {value} to {vector('float')}")


def _wide_fp8(w: Writer, element: str, value: str, vector: Callable[[str], str], lanes: int) -> str:
    """8-bit floats by their bits. e5m2 is the upper half of an f16; e4m3 is moved into an f32, its subnormals and NaN apart."""

    def all_(number: int | str) -> str:
        return f"<{', '.join([f'{scalar} {number}'] * lanes)}>" if lanes else str(number)

    def op(what: str, a: str, number: int | str) -> str:
        return w.op(what, a, all_(number), vector(scalar))

    if element == "e5m2":
        scalar = "i16"
        bits = op("shl", w.let(f"zext {vector('i8')} {value} to {vector('i16')}"), 8)
        half = w.let(f"bitcast {vector('i16')} {bits} to {vector('half')}")
        return w.let(f"fpext {vector('half')} {half} to {vector('float')}")
    scalar = "i32"
    code = w.let(f"zext {vector('i8')} {value} to {vector('i32')}")
    size, sign = op("and", code, 0x7F), op("shl", op("and", code, 0x80), 24)
    normal = op("add", op("shl", size, 20), 120 << 23)
    scalar = "float"
    small = op("fmul", w.let(f"uitofp {vector('i32')} {size} to {vector('float')}"), "0x3F60000000000000")  # 2^-9
    scalar = "i32"
    small = w.let(f"bitcast {vector('float')} {small} to {vector('i32')}")
    for what, number, bits in (("ult", 8, small), ("eq", 0x7F, all_(0x7FC00000))):
        chosen = w.let(f"icmp {what} {vector('i32')} {size}, {all_(number)}")
        normal = w.let(f"select {vector('i1')} {chosen}, {vector('i32')} {bits}, {vector('i32')} {normal}")
    return w.let(f"bitcast {vector('i32')} {w.op('or', normal, sign, vector('i32'))} to {vector('float')}")


def narrow_value(w: Writer, element: str, code: str) -> str:
    """A 4-bit element as f32, from its code in the low half of an i8: s4 is in two's complement; of e2m1, twice its value is an integer."""
    if element == "s4":
        signed = w.op("ashr", w.op("shl", code, 4, "i8"), 4, "i8")
        return w.let(f"sitofp i8 {signed} to float")
    wide = w.let(f"zext i8 {code} to i32")
    exponent, mantissa = w.op("and", w.op("lshr", wide, 1, "i32"), 3, "i32"), w.op("and", wide, 1, "i32")
    subnormal = w.compare("eq", exponent, 0, "i32")
    shift = w.select(subnormal, 0, w.op("sub", exponent, 1, "i32"), "i32")
    whole = w.select(subnormal, mantissa, w.op("shl", w.op("or", mantissa, 2, "i32"), shift, "i32"), "i32")
    negative = w.compare("ugt", wide, 7, "i32")
    signed = w.select(negative, w.op("sub", 0, whole, "i32"), whole, "i32")
    return w.op("fmul", w.let(f"sitofp i32 {signed} to float"), "0x3FE0000000000000", "float")


def write_element(w: Writer, element: str, value: str, pointer: str) -> None:
    """Round a value of the sums' type to the stored type and store it."""
    if element == "f16":
        w.store("half", w.let(f"fptrunc float {value} to half"), pointer)
    elif element == "bf16":
        bits = w.let(f"bitcast float {value} to i32")
        odd = w.op("and", w.op("lshr", bits, 16, "i32"), 1, "i32")
        rounded = w.op("add", w.op("add", bits, 0x7FFF, "i32"), odd, "i32")
        quiet = w.op("or", bits, 0x400000, "i32")
        unordered = w.let(f"fcmp uno float {value}, {value}")
        kept = w.op("lshr", w.select(unordered, quiet, rounded, "i32"), 16, "i32")
        w.store("i16", w.let(f"trunc i32 {kept} to i16"), pointer)
    else:
        w.store(CODES[element], value, pointer)
