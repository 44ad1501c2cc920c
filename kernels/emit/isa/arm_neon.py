"""Arm vectors of 128 bits (NEON), their half precision, and the dot and matrix instructions that came with Armv8.2 to 8.6.

Claims: Linux `Features` of /proc/cpuinfo (HWCAP names), macOS `hw.optional.arm.FEAT_*`. System: nothing beyond that. An 8-bit
multiplication exists (`mul`), an integer multiply-accumulate too (`mla`). Source: Arm ARM (DDI 0487), A64 SIMD instructions by
mnemonic; Linux Documentation/arch/arm64/elf_hwcaps.rst.
"""

from __future__ import annotations

from ..instruction import Instruction, UnitRow, vector
from .meanings import dot, fma, fma_row, mix_row, rows_by_rows, two_operand

_CHAINS = 24  # four pipes with a latency of four cycles, and 32 registers
_SHAPE = {"f64": "2d", "f32": "4s", "f16": "8h", "int8": "16b", "int16": "8h", "int32": "4s"}


def _bits(dtype: str) -> int:
    return int(dtype.lstrip("bfuint"))


def _pattern(name: str, dtype: str) -> str:
    # Apple's assembler style writes the shape after the mnemonic (fmla.4s), all others after the registers.
    return rf"\b{name}(\.{_SHAPE[dtype]}\b|\s+v\d+\.{_SHAPE[dtype]}\b)"


def _floats(dtypes: tuple[str, ...]) -> tuple[Instruction, ...]:
    rows = []
    for dtype in dtypes:
        lanes = 128 // _bits(dtype)
        rows += [
            fma_row(dtype, lanes, 128, "fmla", _pattern("fmla", dtype), chains=_CHAINS),
            mix_row(dtype, lanes, 128, "fmla + fadd", _pattern("fmla", dtype), chains=_CHAINS),
            two_operand("mul", dtype, lanes, 128, "fmul", _pattern("fmul", dtype), chains=_CHAINS),
            two_operand("add", dtype, lanes, 128, "fadd", _pattern("fadd", dtype), chains=_CHAINS),
        ]
    return tuple(rows)


def _mla(dtype: str) -> Instruction:
    lanes = 128 // _bits(dtype)
    one = vector(dtype, lanes)
    code = f"{{out}}.p = mul {one.type} {{a}}, {{b}}\n{{out}} = add {one.type} {{acc}}, {{out}}.p"
    return Instruction(
        *("fma", dtype, 128, "mla", code, one, one, one, 2 * lanes, fma),
        pattern=_pattern("mla", dtype),
        fresh=True,
        chains=_CHAINS,
    )


def _integers() -> tuple[Instruction, ...]:
    rows = []
    for dtype in ("int8", "int16", "int32"):
        lanes = 128 // _bits(dtype)
        rows += [
            two_operand("add", dtype, lanes, 128, "add", _pattern("add", dtype), chains=_CHAINS),
            two_operand("mul", dtype, lanes, 128, "mul", _pattern("mul", dtype), chains=_CHAINS),
            _mla(dtype),
        ]
    return tuple(rows)


def neon_row(op: str, dtype: str, name: str, left: str, right: str, result: str = "int32") -> Instruction:
    """A dot (`acc += a · b` in groups) or a 2×2 matrix product, as LLVM's `llvm.aarch64.neon.*`."""
    bits = _bits(dtype)
    acc, a, b = vector(result, 4), vector(left, 128 // bits), vector(right, 128 // bits)
    suffix = "" if name == "bfmmla" else f".v4{'f32' if result == 'f32' else 'i32'}.v{a.lanes}{'bf16' if dtype == 'bf16' else f'i{bits}'}"
    call = f"llvm.aarch64.neon.{name}{suffix}"
    code = f"{{out}} = call {acc.type} @{call}({acc.type} {{acc}}, {a.type} {{a}}, {b.type} {{b}})"
    declaration = f"declare {acc.type} @{call}({acc.type}, {a.type}, {b.type})"
    # bf16 products are summed with a rounding of their own (Arm ARM, BFDotAdd: round to odd), hence the wide tolerance.
    tolerance = 32.0 if dtype == "bf16" else 0.0
    ops, meaning = (2 * a.lanes, dot) if op == "dot" else (4 * a.lanes, rows_by_rows)
    return Instruction(
        *(op, dtype, 128, name, code, acc, a, b, ops, meaning, declaration),
        pattern=rf"\b{name}\b",
        tolerance=tolerance,
        chains=_CHAINS,
    )


_SCALAR = (
    fma_row("f64", 1, 64, "fmadd d", r"\bfmadd\s+d", chains=_CHAINS),
    fma_row("f32", 1, 32, "fmadd s", r"\bfmadd\s+s", chains=_CHAINS),
)
_SOURCE = "Arm DDI 0487"
UNITS = (
    UnitRow(
        *("neon", "aarch64", 128, ("asimd|neon|AdvSIMD|arm.AdvSIMD",), "", ("+neon",)),
        _floats(("f64", "f32")) + _SCALAR + _integers(),
        source=_SOURCE,
    ),
    UnitRow(
        *("neon_fp16", "aarch64", 128, ("asimdhp|fullfp16|arm.FEAT_FP16|neon_fp16",), "", ("+neon", "+fullfp16")),
        _floats(("f16",)),
        matrix=True,
        source=_SOURCE,
    ),
    UnitRow(
        *("dotprod", "aarch64", 128, ("asimddp|dotprod|arm.FEAT_DotProd",), "", ("+neon", "+dotprod")),
        (neon_row("dot", "int8", "sdot", "int8", "int8"), neon_row("dot", "int8", "udot", "uint8", "uint8")),
        matrix=True,
        source=_SOURCE,
    ),
    UnitRow(
        *("i8mm", "aarch64", 128, ("i8mm|arm.FEAT_I8MM",), "", ("+neon", "+i8mm")),
        (
            neon_row("mma", "int8", "smmla", "int8", "int8"),
            neon_row("mma", "int8", "ummla", "uint8", "uint8"),
            neon_row("mma", "int8", "usmmla", "uint8", "int8"),
            neon_row("dot", "int8", "usdot", "uint8", "int8"),
        ),
        matrix=True,
        source=_SOURCE,
    ),
    UnitRow(
        *("neon_bf16", "aarch64", 128, ("bf16|arm.FEAT_BF16",), "", ("+neon", "+bf16")),
        (neon_row("dot", "bf16", "bfdot", "bf16", "bf16", "f32"), neon_row("mma", "bf16", "bfmmla", "bf16", "bf16", "f32")),
        matrix=True,
        source=_SOURCE,
    ),
)
