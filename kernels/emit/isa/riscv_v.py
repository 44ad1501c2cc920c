"""RISC-V vectors (V), at register grouping 1: the vector length is read at run time, in steps of 64 bits.

Widths here are for 64 bits and grow with the length. Half precision needs Zvfh. Claims: the `isa` line of /proc/cpuinfo (`v` among its
letters, `zvfh` among its words). System: nothing beyond that; Linux has a prctl to take vectors away, which shows on execution.
Source: RISC-V unprivileged ISA, V extension 1.0.
"""

from __future__ import annotations

from ..instruction import Instruction, UnitRow, vector
from .meanings import fma, fma_row, mix_row, two_operand

_CHAINS = 16
_FUSED = r"\bvfm(acc|add)\.v"


def _floats(dtype: str) -> tuple[Instruction, ...]:
    lanes = 64 // int(dtype[1:])
    return (
        fma_row(dtype, lanes, 64, "vfmacc.vv", _FUSED, scalable=True, chains=_CHAINS),
        mix_row(dtype, lanes, 64, "vfmacc.vv + vfadd.vv", _FUSED, scalable=True, chains=_CHAINS),
        two_operand("mul", dtype, lanes, 64, "vfmul.vv", r"\bvfmul\.vv\b", scalable=True, chains=_CHAINS),
        two_operand("add", dtype, lanes, 64, "vfadd.vv", r"\bvfadd\.vv\b", scalable=True, chains=_CHAINS),
    )


def _integers(dtype: str) -> tuple[Instruction, ...]:
    lanes = 64 // int(dtype[3:])
    one = vector(dtype, lanes, scalable=True)
    code = f"{{out}}.p = mul {one.type} {{a}}, {{b}}\n{{out}} = add {one.type} {{acc}}, {{out}}.p"
    return (
        two_operand("add", dtype, lanes, 64, "vadd.vv", r"\bvadd\.vv\b", scalable=True, chains=_CHAINS),
        two_operand("mul", dtype, lanes, 64, "vmul.vv", r"\bvmul\.vv\b", scalable=True, chains=_CHAINS),
        Instruction(
            *("fma", dtype, 64, "vmacc.vv", code, one, one, one, 2 * lanes, fma),
            pattern=r"\bvm(acc|add)\.vv\b",
            fresh=True,
            chains=_CHAINS,
        ),
    )


_SCALAR = (
    fma_row("f64", 1, 64, "fmadd.d", r"\bfmadd\.d\b", chains=_CHAINS),
    fma_row("f32", 1, 32, "fmadd.s", r"\bfmadd\.s\b", chains=_CHAINS),
)
_V = "v|rv64imafdcv|rv64gcv|rv64imafdcvh|rv64gcvh"
UNITS = (
    UnitRow("rv64d", "riscv64", 64, ("d|rv64imafdc|rv64gc|rv64imafdch|rv64gch|rv64imafdcv|rv64gcv|rv64imafdcvh|rv64gcvh",), "", ("+f", "+d"), _SCALAR),
    UnitRow(
        *("rvv", "riscv64", 64, (_V,), "", ("+f", "+d", "+v")),
        (*_floats("f64"), *_floats("f32"), *_integers("int8"), *_integers("int16"), *_integers("int32")),
    ),
    UnitRow("rvv_f16", "riscv64", 64, (_V, "zvfh"), "", ("+f", "+d", "+v", "+zvfh"), _floats("f16"), matrix=True),
)
