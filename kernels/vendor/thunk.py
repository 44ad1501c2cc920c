"""Emit the code that turns an argument block into a library's own call: what the stopwatch times is that call and a few loads.

`thunk_ir` makes `void call(ptr arguments)` that calls one or more C functions, whose addresses lie in the array of slot TABLE. It goes
through the problems of a batch itself where the library has no batch call (`loop`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..abi import Slot
from ..emit import ir

_POINTERS = {"a": (Slot.A, Slot.STEP_A, Slot.LIST_A), "b": (Slot.B, Slot.STEP_B, Slot.LIST_B), "c": (Slot.C, Slot.STEP_C, Slot.LIST_C)}


@dataclass(frozen=True, slots=True)
class Held:
    """The word at an index of the table, which may hold addresses of constants beside those of functions."""

    index: int


@dataclass(frozen=True, slots=True)
class Within:
    """The address so many bytes behind the one in slot STATE: a part of what the kernel keeps for these operands."""

    offset_bytes: int


@dataclass(frozen=True, slots=True)
class Arg:
    """One argument of a C call: LLVM's type, and where its value comes from.

    `source` is a Slot, a word that the table holds, a place behind STATE, a constant, "arguments" (the block itself), or one of "a", "b",
    "c": the operand of the problem at hand (with `loop`), of `element_bytes` (may be 0.5). A slot that holds a double (ALPHA, BETA) becomes
    a `float` or an integer where `type` asks for it. `attribute` is such as `zeroext`, which small integers need.
    """

    type: str
    source: Slot | Held | Within | int | float | str
    attribute: str = ""
    element_bytes: float = 0.0


@dataclass(frozen=True, slots=True)
class CCall:
    """A call of the function at `index` of the table."""

    index: int
    arguments: Sequence[Arg]
    returns: str = "void"


def thunk_ir(calls: Sequence[CCall], *, loop: bool = False, pointers: bool = False, name: str = "call") -> str:
    """`void call(ptr arguments)`: the C calls, one after another; with `loop` once for each problem of the batch.

    `pointers`: operands come from the lists of pointers instead of steps.
    """
    lines = ["entry:", ir.slot("%table", Slot.TABLE, context="%arguments"), ir.slot("%batch", Slot.BATCH, "i64", "%arguments")]
    lines += ["  br label %problem", "problem:", "  %i = phi i64 [ 0, %entry ], [ %i.next, %problem ]"]
    for number, call in enumerate(calls):
        lines += _call_lines(f"%c{number}", call, loop=loop, pointers=pointers)
    lines += ["  %i.next = add i64 %i, 1", f"  %more = icmp slt i64 %i.next, {'%batch' if loop else '1'}"]
    lines += ["  br i1 %more, label %problem, label %done", "done:", "  ret void"]
    return ir.function(name, "\n".join(lines), arguments="ptr %arguments")


def _call_lines(prefix: str, call: CCall, *, loop: bool, pointers: bool) -> list[str]:
    lines = [ir.slot(f"{prefix}.f", call.index, context="%table")]
    words = []
    for number, arg in enumerate(call.arguments):
        value = f"{prefix}.a{number}"
        words.append(f"{arg.type} {arg.attribute} {_value(value, arg, lines, loop=loop, pointers=pointers)}".replace("  ", " "))
    result = "" if call.returns == "void" else f"{prefix}.r = "
    lines.append(f"  {result}call {call.returns} {prefix}.f({', '.join(words)})")
    return lines


def _value(value: str, arg: Arg, lines: list[str], *, loop: bool, pointers: bool) -> str:
    """Lines that compute the argument; returns its name or its constant."""
    if arg.source == "arguments":
        return "%arguments"
    if isinstance(arg.source, str):
        lines += _operand(value, arg, loop=loop, pointers=pointers)
        return value
    if isinstance(arg.source, Held):
        lines.append(ir.slot(value, arg.source.index, arg.type, "%table"))
        return value
    if isinstance(arg.source, Within):
        lines.append(ir.slot(f"{value}.state", Slot.STATE, context="%arguments"))
        lines.append(f"  {value} = getelementptr i8, ptr {value}.state, i64 {arg.source.offset_bytes}")
        return value
    if isinstance(arg.source, Slot):
        lines += _from_slot(value, arg.type, arg.source)
        return value
    if isinstance(arg.source, float):
        return f"{arg.source!r}"
    return "null" if arg.type == "ptr" and not arg.source else str(arg.source)


def _from_slot(value: str, type_: str, source: Slot) -> list[str]:
    if source in (Slot.ALPHA, Slot.BETA):
        if type_ == "double":
            return [ir.slot(value, source, "double", "%arguments")]
        convert = "fptrunc" if type_ in ("float", "half", "bfloat") else "fptosi"
        return [ir.slot(f"{value}.d", source, "double", "%arguments"), f"  {value} = {convert} double {value}.d to {type_}"]
    if type_ in ("ptr", "i64"):
        return [ir.slot(value, source, type_, "%arguments")]
    return [ir.slot(f"{value}.w", source, "i64", "%arguments"), f"  {value} = trunc i64 {value}.w to {type_}"]


def _operand(value: str, arg: Arg, *, loop: bool, pointers: bool) -> list[str]:
    base, step, listed = _POINTERS[str(arg.source)]
    if not loop:
        return [ir.slot(value, base, context="%arguments")]
    if pointers:
        return [
            ir.slot(f"{value}.list", listed, context="%arguments"),
            f"  {value}.at = getelementptr ptr, ptr {value}.list, i64 %i",
            f"  {value} = load ptr, ptr {value}.at, align 8",
        ]
    bits = round(arg.element_bytes * 8)
    return [
        ir.slot(f"{value}.base", base, context="%arguments"),
        ir.slot(f"{value}.step", step, "i64", "%arguments"),
        f"  {value}.elements = mul i64 {value}.step, %i",
        f"  {value}.bits = mul i64 {value}.elements, {bits}",
        f"  {value}.bytes = lshr i64 {value}.bits, 3",
        f"  {value} = getelementptr i8, ptr {value}.base, i64 {value}.bytes",
    ]
