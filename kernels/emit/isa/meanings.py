"""Say in NumPy what instructions do: each function takes (acc, a, b) as stored and gives the result in a wide type.

Floating values are computed in f64 (f64's own in f64, where a fused and an unfused step differ by one rounding at most); integers in
int64, which the caller wraps to the width of the result. Sources: Intel SDM vol. 2, Arm ARM (DDI 0487), Power ISA 3.1, by mnemonic.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..instruction import FLOATS, Instruction, Meaning, Operand, vector

Array = NDArray[Any]


def wide(values: Array) -> Array:
    """f64 of floating elements, int64 of integers."""
    converted: Array = values.astype(np.int64 if values.dtype.kind in "iu" else np.float64)
    return converted


def fma(acc: Array, a: Array, b: Array) -> Array:
    """Multiply and add, lane by lane."""
    result: Array = wide(acc) + wide(a) * wide(b)
    return result


def mul(acc: Array, _a: Array, b: Array) -> Array:
    """The accumulator times b."""
    return wide(acc) * wide(b)


def add(acc: Array, a: Array, _b: Array) -> Array:
    """The accumulator plus a."""
    return wide(acc) + wide(a)


def dot(acc: Array, a: Array, b: Array) -> Array:
    """Each lane of the accumulator plus the products of its group of neighbours."""
    result: Array = wide(acc) + (wide(a) * wide(b)).reshape(len(acc), -1).sum(axis=1)
    return result


def pairs(acc: Array, _a: Array, b: Array) -> Array:
    """Products of neighbours, added in pairs (no accumulator)."""
    result: Array = (wide(acc) * wide(b)).reshape(-1, 2).sum(axis=1)
    return result


def pairs_saturated(acc: Array, a: Array, b: Array) -> Array:
    """`pairs`, held within 16 bits."""
    return np.clip(pairs(acc, a, b), -(1 << 15), (1 << 15) - 1)


def pairs_added(acc: Array, a: Array, b: Array) -> Array:
    """The accumulator plus the pairs of a and b."""
    return wide(acc) + pairs(a, a, b)


def rows_by_rows(acc: Array, a: Array, b: Array) -> Array:
    """2×2 blocks, one a 128-bit segment: acc += a · bᵀ with two rows each of a and b (Arm's MMLA)."""
    blocks = acc.reshape(-1, 2, 2)
    left, right = (wide(x).reshape(len(blocks), 2, -1) for x in (a, b))
    result: Array = (wide(blocks) + left @ right.transpose(0, 2, 1)).ravel()
    return result


def tiles(acc: Array, a: Array, b: Array) -> Array:
    """AMX: 16×16 accumulators, a by rows, b with groups of k side by side (the VNNI order)."""
    group = len(a) // 256
    left = wide(a).reshape(16, 16 * group)
    right = wide(b).reshape(16, 16, group).transpose(0, 2, 1).reshape(16 * group, 16)
    result: Array = (wide(acc).reshape(16, 16) + left @ right).ravel()
    return result


def outer(acc: Array, a: Array, b: Array) -> Array:
    """Outer product of a and b, with a few neighbours summed where they are narrower than the accumulator (SME, Power)."""
    side = int(np.sqrt(len(acc)))
    left, right = (wide(x).reshape(side, -1) for x in (a, b))
    result: Array = (wide(acc).reshape(side, side) + left @ right.T).ravel()
    return result


# --- rows that every architecture has, written once --------------------------------------------------------------------------


def _operands(dtype: str, lanes: int, scalable: bool) -> tuple[Operand, Operand, Operand]:
    one = vector(dtype, lanes, scalable=scalable)
    return one, one, one


def suffix(operand: Operand) -> str:
    """LLVM's name of a type in an overloaded intrinsic: `v8f32`, `nxv4f32`, `f64`."""
    scalar = {"f64": "f64", "f32": "f32", "f16": "f16", "bf16": "bf16"}.get(operand.dtype, f"i{operand.dtype.lstrip('uint')}")
    if operand.lanes == 1 and not operand.scalable:
        return scalar
    return f"{'nx' if operand.scalable else ''}v{operand.lanes}{scalar}"


def fma_row(dtype: str, lanes: int, width_bits: int, name: str, pattern: str = "", *, scalable: bool = False, **more: Any) -> Instruction:
    """Fused multiply-add of whole vectors (or of a scalar, for one lane)."""
    acc, a, b = _operands(dtype, lanes, scalable)
    call = f"llvm.fma.{suffix(acc)}"
    code = f"{{out}} = call {acc.type} @{call}({acc.type} {{a}}, {acc.type} {{b}}, {acc.type} {{acc}})"
    declaration = f"declare {acc.type} @{call}({acc.type}, {acc.type}, {acc.type})"
    return Instruction("fma", dtype, width_bits, name, code, acc, a, b, 2 * lanes, fma, declaration, pattern or name, **more)


def two_operand(
    op: str, dtype: str, lanes: int, width_bits: int, name: str, pattern: str = "", *, scalable: bool = False, **more: Any
) -> Instruction:
    """An addition or multiplication of whole vectors."""
    acc, a, b = _operands(dtype, lanes, scalable)
    word = ("f" if dtype in FLOATS else "") + op
    code = f"{{out}} = {word} {acc.type} {{acc}}, {'{b}' if op == 'mul' else '{a}'}"
    meaning: Meaning = mul if op == "mul" else add
    return Instruction(op, dtype, width_bits, name, code, acc, a, b, lanes, meaning, pattern=pattern or name, **more)


def mix_row(dtype: str, lanes: int, width_bits: int, name: str, pattern: str, *, scalable: bool = False, **more: Any) -> Instruction:
    """Fused multiply-adds and additions by turns: some cores have pipes that only add (AMD Zen)."""
    row = fma_row(dtype, lanes, width_bits, name, pattern, scalable=scalable, **more)
    other = f"{{out}} = fadd {row.acc.type} {{acc}}, {{a}}"
    return replace(row, op="fma+add", ops=1.5 * lanes, other=other)  # the mean of 2 and 1 operations a lane
