"""Emit arithmetic that loads a core by vector width, for the clock under load and for chains of known latency."""

from __future__ import annotations

from . import ir
from .target import Target

ACCUMULATORS = 12
MULTIPLY_LINKS = 16


def fma_loop_ir(target: Target, width_bits: int, name: str = "fma_load") -> str:
    """`void fma_load(ptr context, i64 n)`: n × 12 independent f32 fused multiply-adds of `width_bits`, all in registers.

    Slot 0 points to a vector of numbers near one; the products stay near it, so nothing becomes denormal or infinite.
    """
    lanes = width_bits // 32
    kind = f"<{lanes} x float>"
    features = " ".join(target.features)
    body = []
    for i in range(ACCUMULATORS):
        body.append(f"  %f{i} = call {kind} @llvm.fma.v{lanes}f32({kind} %v, {kind} %w, {kind} %x{i})")
        body.append(ir.opaque(f"%y{i}", kind, f"%f{i}", target.arch, features=features))
    carried = [(kind, f"%x{i}", "%v", f"%y{i}") for i in range(ACCUMULATORS)]
    sums = [f"  store volatile {kind} %y{i}, ptr %sink, align 4" for i in range(ACCUMULATORS)]
    blocks = "\n".join(
        [
            "entry:",
            ir.slot("%p", 0),
            f"  %v = load {kind}, ptr %p, align 4",
            "  %p2 = getelementptr i8, ptr %p, i64 64",
            f"  %w = load {kind}, ptr %p2, align 4",
            "  %sink = getelementptr i8, ptr %p, i64 128",
            "  br label %loop",
            ir.counted_loop("loop", "%n", carried, body),
            "done:",
            *sums,
            "  ret void",
        ]
    )
    return ir.function(name, blocks) + f"declare {kind} @llvm.fma.v{lanes}f32({kind}, {kind}, {kind})\n"


def multiply_chain_ir(target: Target, name: str = "multiply_chain") -> str:
    """`void multiply_chain(ptr context, i64 n)`: n × 16 dependent 64-bit integer multiplications."""
    body = []
    for i in range(MULTIPLY_LINKS):
        body.append(f"  %m{i} = mul i64 %x{i}, %factor")
        body.append(ir.opaque(f"%x{i + 1}", "i64", f"%m{i}", target.arch))
    blocks = "\n".join(
        [
            "entry:",
            ir.slot("%factor", 0, "i64"),
            "  br label %loop",
            ir.counted_loop("loop", "%n", [("i64", "%x0", "%factor", f"%x{MULTIPLY_LINKS}")], body),
            "done:",
            ir.set_slot(1, "i64", f"%x{MULTIPLY_LINKS}"),
            "  ret void",
        ]
    )
    return ir.function(name, blocks)
