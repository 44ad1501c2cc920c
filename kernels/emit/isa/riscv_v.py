"""RISC-V vectors (V), at register grouping 1: the vector length is read at run time, in steps of 64 bits.

Widths here are for 64 bits and grow with the length. Half precision needs Zvfh. Claims: the `isa` line of /proc/cpuinfo (`v` among its
letters, `zvfh` among its words). System: nothing beyond that; Linux has a prctl to take vectors away, which shows on execution.
No `opaque` between links here: LLVM sets the vector length anew after every piece of inline assembly. Strict floating operations do not
fold without it; integers are hidden once a round.
Source: RISC-V unprivileged ISA, V extension 1.0.
"""

from __future__ import annotations

import re

from ..instruction import Instruction, Meaning, UnitRow, vector
from .meanings import add, fma, fma_row, mix_row, mul, suffix, two_operand

_CHAINS = 16
_FUSED = r"\bvfm(acc|add)\.v"


def _floats(dtype: str) -> tuple[Instruction, ...]:
    lanes = 64 // int(dtype[1:])
    return (
        fma_row(dtype, lanes, 64, "vfmacc.vv", _FUSED, scalable=True, chains=_CHAINS, opaque=False),
        mix_row(dtype, lanes, 64, "vfmacc.vv + vfadd.vv", _FUSED, scalable=True, chains=_CHAINS, opaque=False),
        two_operand("mul", dtype, lanes, 64, "vfmul.vv", r"\bvfmul\.vv\b", scalable=True, chains=_CHAINS, opaque=False),
        two_operand("add", dtype, lanes, 64, "vfadd.vv", r"\bvfadd\.vv\b", scalable=True, chains=_CHAINS, opaque=False),
    )


def _integer(op: str, dtype: str, name: str, meaning: Meaning, ops: int) -> Instruction:
    """By LLVM's own intrinsics, hidden once a round: it shortens chains of additions and products.

    Length -1 is all that a register holds (x0 in the instruction).
    """
    one = vector(dtype, 64 // int(dtype[3:]), scalable=True)
    kind, call = one.type, f"llvm.riscv.{name.split('.')[0]}.{suffix(one)}.{suffix(one)}.i64"
    policy, declared = (", i64 3", ", i64 immarg") if op == "fma" else ("", "")  # 3: tail and mask agnostic
    first = {"fma": "{acc}", "add": "poison", "mul": "poison"}[op]
    second, third = {"fma": ("{a}", "{b}"), "add": ("{acc}", "{a}"), "mul": ("{acc}", "{b}")}[op]
    code = f"{{out}} = call {kind} @{call}({kind} {first}, {kind} {second}, {kind} {third}, i64 -1{policy})"
    declaration = f"declare {kind} @{call}({kind}, {kind}, {kind}, i64{declared})"
    pattern = r"\bvm(acc|add)\.vv\b" if op == "fma" else rf"\b{re.escape(name)}\b"
    return Instruction(
        *(op, dtype, 64, name, code, one, one, one, ops * one.lanes, meaning, declaration, pattern),
        chains=_CHAINS,
        opaque=False,
        grouped=op != "fma",
    )


def _integers(dtype: str) -> tuple[Instruction, ...]:
    return (
        _integer("add", dtype, "vadd.vv", add, 1),
        _integer("mul", dtype, "vmul.vv", mul, 1),
        _integer("fma", dtype, "vmacc.vv", fma, 2),
    )


_SCALAR = (
    fma_row("f64", 1, 64, "fmadd.d", r"\bfmadd\.d\b", chains=_CHAINS),
    fma_row("f32", 1, 32, "fmadd.s", r"\bfmadd\.s\b", chains=_CHAINS),
)
_V = "v|rv64imafdcv|rv64gcv|rv64imafdcvh|rv64gcvh"
UNITS = (
    UnitRow(
        "rv64d",
        "riscv64",
        64,
        ("d|rv64imafdc|rv64gc|rv64imafdch|rv64gch|rv64imafdcv|rv64gcv|rv64imafdcvh|rv64gcvh",),
        "",
        ("+f", "+d"),
        _SCALAR,
    ),
    UnitRow(
        *("rvv", "riscv64", 64, (_V,), "", ("+f", "+d", "+v")),
        (*_floats("f64"), *_floats("f32"), *_integers("int8"), *_integers("int16"), *_integers("int32")),
    ),
    UnitRow("rvv_f16", "riscv64", 64, (_V, "zvfh"), "", ("+f", "+d", "+v", "+zvfh"), _floats("f16"), matrix=True),
)
