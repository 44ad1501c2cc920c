"""Power vectors (VSX, 128 bits) and the Matrix-Multiply Assist of Power10: 4×4 accumulators of 512 bits.

Eight accumulators exist; they lie over the first 32 vector registers. There is no 8-bit multiplication of whole vectors. Claims: the
kernel's HWCAP names (`vsx`, `arch_3_1`, `mma`), where a list of flags has them. System: nothing beyond that.
Source: Power ISA 3.1B, chapters 7 and 7.6 (VSX outer products).
"""

from __future__ import annotations

from ..instruction import Instruction, Operand, UnitRow, vector
from .meanings import fma_row, mix_row, outer, two_operand

_CHAINS = 24


def _floats(dtype: str, letter: str) -> tuple[Instruction, ...]:
    lanes = 128 // int(dtype[1:])
    fused = rf"\bxvmadd[am]{letter}\b"
    return (
        fma_row(dtype, lanes, 128, f"xvmadda{letter}", fused, chains=_CHAINS),
        mix_row(dtype, lanes, 128, f"xvmadda{letter} + xvadd{letter}", fused, chains=_CHAINS),
        two_operand("mul", dtype, lanes, 128, f"xvmul{letter}", rf"\bxvmul{letter}\b", chains=_CHAINS),
        two_operand("add", dtype, lanes, 128, f"xvadd{letter}", rf"\bxvadd{letter}\b", chains=_CHAINS),
    )


def _integers() -> tuple[Instruction, ...]:
    adds = [
        two_operand("add", f"int{w}", 128 // w, 128, f"vaddu{x}m", rf"\bvaddu{x}m\b", chains=_CHAINS)
        for w, x in ((8, "b"), (16, "h"), (32, "w"))
    ]
    return (*adds, two_operand("mul", "int32", 4, 128, "vmuluwm", r"\bvmuluwm\b", chains=_CHAINS))


def _ger(dtype: str, name: str, left: str, right: str, result: str) -> Instruction:
    """An outer product added to an accumulator; LLVM's accumulator is 512 single bits, its operands are 16 bytes."""
    bits = {"f32": 32, "bf16": 16, "f16": 16, "int16": 16, "int8": 8}[dtype]
    a, b = vector(left, 128 // bits), vector(right, 128 // bits)
    call = f"llvm.ppc.mma.{name}"
    acc = Operand(result, 16, type="<512 x i1>")
    code = f"""{{out}}.a = bitcast {a.type} {{a}} to <16 x i8>
{{out}}.b = bitcast {b.type} {{b}} to <16 x i8>
{{out}} = call <512 x i1> @{call}(<512 x i1> {{acc}}, <16 x i8> {{out}}.a, <16 x i8> {{out}}.b)"""
    declaration = f"declare <512 x i1> @{call}(<512 x i1>, <16 x i8>, <16 x i8>)"
    return Instruction(
        *("mma", dtype, 512, name, code, acc, a, b, 2 * 16 * (32 // bits), outer, declaration, rf"\b{name}\b"),
        tolerance=64.0,
        chains=4,
        opaque=False,
    )


_SOURCE = "Power ISA 3.1B"
UNITS = (
    UnitRow(
        *("vsx", "ppc64le", 128, ("vsx",), "", ("+vsx", "+power8-vector")),
        (
            *_floats("f64", "dp"),
            *_floats("f32", "sp"),
            *_integers(),
            fma_row("f64", 1, 64, "xsmaddadp", r"\bxsmadd[am]dp\b", chains=_CHAINS),
        ),
        source=_SOURCE,
    ),
    UnitRow(
        *("mma", "ppc64le", 512, ("mma",), "", ("+vsx", "+mma", "+power10-vector", "+paired-vector-memops")),
        (
            _ger("f32", "xvf32gerpp", "f32", "f32", "f32"),
            _ger("bf16", "xvbf16ger2pp", "bf16", "bf16", "f32"),
            _ger("f16", "xvf16ger2pp", "f16", "f16", "f32"),
            _ger("int16", "xvi16ger2pp", "int16", "int16", "int32"),
            _ger("int8", "xvi8ger4pp", "int8", "uint8", "int32"),
        ),
        matrix=True,
        source=_SOURCE,
    ),
)
