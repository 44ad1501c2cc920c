"""Emit the step from a stored element to the number that is computed with, and back.

Reading: f64, f32 and integers as they are; f16 by the machine's conversion, bf16 by a shift; narrower floats and 4-bit elements by a
table of f32 that lies in memory (256 or 16 entries). Writing rounds to nearest, ties to even; NaN stays NaN.
"""

from __future__ import annotations

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
    if sums == "s32":
        extend = "zext" if element == "u8" else "sext"
        return w.let(f"{extend} {vector('i8')} {value} to {vector('i16')}")  # packed as 16-bit integers
    return w.let(f"{'ui' if element == 'u8' else 'si'}tofp {vector('i8')} {value} to {vector('float')}")


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
