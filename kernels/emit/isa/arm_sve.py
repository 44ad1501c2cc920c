"""Arm's scalable vectors (SVE): 128 to 2048 bits in steps of 128, the length read at run time.

Widths here are for a vector length of 128 bits and grow with it. SVE2 adds nothing to multiplication, addition and dot products
of these types that SVE and its i8mm and bf16 extensions have not, but is tried by one instruction of its own (`smlalb`).
Claims: HWCAP names of /proc/cpuinfo; Apple has SVE in streaming mode only. System: prctl(PR_SVE_GET_VL).
Source: Arm DDI 0487 and DDI 0584; Linux Documentation/arch/arm64/sve.rst.
"""

from __future__ import annotations

from ..instruction import Instruction, UnitRow, vector
from .meanings import Array, dot, fma_row, mix_row, rows_by_rows, two_operand, wide

_CHAINS = 24
_SHAPE = {64: "d", 32: "s", 16: "h", 8: "b"}


def _bits(dtype: str) -> int:
    return int(dtype.lstrip("bfuint"))


def _pattern(names: str, dtype: str) -> str:
    return rf"\b({names})\s+z\d+\.{_SHAPE[_bits(dtype)]}\b"


def _floats(dtype: str) -> tuple[Instruction, ...]:
    lanes = 128 // _bits(dtype)
    fused = _pattern("fmla|fmad", dtype)
    return (
        fma_row(dtype, lanes, 128, "fmla z", fused, scalable=True, chains=_CHAINS),
        mix_row(dtype, lanes, 128, "fmla z + fadd z", fused, scalable=True, chains=_CHAINS),
        two_operand("mul", dtype, lanes, 128, "fmul z", _pattern("fmul", dtype), scalable=True, chains=_CHAINS),
        two_operand("add", dtype, lanes, 128, "fadd z", _pattern("fadd", dtype), scalable=True, chains=_CHAINS),
    )


def _integers(dtype: str) -> tuple[Instruction, ...]:
    lanes = 128 // _bits(dtype)
    return (
        two_operand("add", dtype, lanes, 128, "add z", _pattern("add", dtype), scalable=True, chains=_CHAINS),
        two_operand("mul", dtype, lanes, 128, "mul z", _pattern("mul", dtype), scalable=True, chains=_CHAINS),
    )


def _long(acc: Array, a: Array, b: Array) -> Array:
    """Products of the even lanes, widened and added (SMLALB)."""
    result: Array = wide(acc) + wide(a)[::2] * wide(b)[::2]
    return result


def _row(op: str, dtype: str, name: str, left: str, right: str, result: str = "int32") -> Instruction:
    """A dot or a matrix product in each 128-bit segment, as LLVM's `llvm.aarch64.sve.*`."""
    bits = _bits(dtype)
    acc = vector(result, 128 // _bits(result), scalable=True)
    a, b = vector(left, 128 // bits, scalable=True), vector(right, 128 // bits, scalable=True)
    suffix = {"sdot": ".nxv4i32", "udot": ".nxv4i32", "smmla": ".nxv4i32", "ummla": ".nxv4i32", "usmmla": ".nxv4i32", "smlalb": ".nxv4i32"}
    call = f"llvm.aarch64.sve.{name}{suffix.get(name, '')}"
    code = f"{{out}} = call {acc.type} @{call}({acc.type} {{acc}}, {a.type} {{a}}, {b.type} {{b}})"
    declaration = f"declare {acc.type} @{call}({acc.type}, {a.type}, {b.type})"
    ops, meaning = {"dot": (2 * a.lanes, dot), "mma": (4 * a.lanes, rows_by_rows), "fma": (2 * acc.lanes, _long)}[op]
    return Instruction(
        *(op, dtype, 128, f"{name} z", code, acc, a, b, ops, meaning, declaration),
        pattern=rf"\b{name}\s+z",
        tolerance=32.0 if dtype == "bf16" else 0.0,
        chains=_CHAINS,
    )


_SOURCE = "Arm DDI 0487"
UNITS = (
    UnitRow(
        *("sve", "aarch64", 128, ("sve",), "sve", ("+sve",)),
        (
            *(*_floats("f64"), *_floats("f32"), *_floats("f16")),
            *(*_integers("int8"), *_integers("int16"), *_integers("int32")),
            *(_row("dot", "int8", "sdot", "int8", "int8"), _row("dot", "int8", "udot", "uint8", "uint8")),
        ),
        matrix=True,
        source=_SOURCE,
    ),
    UnitRow(
        *("sve2", "aarch64", 128, ("sve2",), "sve", ("+sve", "+sve2")),
        (_row("fma", "int16", "smlalb", "int16", "int16"),),
        matrix=True,
        source=_SOURCE,
    ),
    UnitRow(
        *("sve_i8mm", "aarch64", 128, ("svei8mm",), "sve", ("+sve", "+i8mm")),
        (
            _row("mma", "int8", "smmla", "int8", "int8"),
            _row("mma", "int8", "ummla", "uint8", "uint8"),
            _row("mma", "int8", "usmmla", "uint8", "int8"),
        ),
        matrix=True,
        source=_SOURCE,
    ),
    UnitRow(
        *("sve_bf16", "aarch64", 128, ("svebf16",), "sve", ("+sve", "+bf16")),
        (_row("dot", "bf16", "bfdot", "bf16", "bf16", "f32"), _row("mma", "bf16", "bfmmla", "bf16", "bf16", "f32")),
        matrix=True,
        source=_SOURCE,
    ),
)
