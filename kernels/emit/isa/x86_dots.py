"""x86 dot-product instructions: pairs of AVX2, VNNI in its AVX-512 and VEX forms, bfloat16.

The pairs of AVX2 have no accumulator: `vpmaddubsw` saturates at 16 bits, so full-range products of it are not exact. Claims: flags
of /proc/cpuinfo (CPUID leaf 7, subleafs 0 and 1). System: XCR0 as for the vectors. Source: Intel SDM vol. 2 by mnemonic;
Intel Architecture Instruction Set Extensions, AVX-VNNI-INT8 and -INT16.
"""

from __future__ import annotations

from ..instruction import Instruction, UnitRow, vector
from .meanings import dot, pairs, pairs_added, pairs_saturated


def _chains(width: int) -> int:
    """AVX-512 has 32 registers, and on some cores a latency that differs by pipe: 12 chains do not fill them."""
    return 20 if width == 512 else 12


def _dot(dtype: str, width: int, name: str, call: str, left: str, right: str, result: str = "int32", typed: bool = True) -> Instruction:
    """`acc += a · b` in groups. `typed`: the intrinsic takes vectors of the elements, else of 32-bit lanes (as LLVM chose)."""
    bits = {"bf16": 16}.get(dtype) or int(dtype[3:])
    acc, a, b = vector(result, width // 32), vector(left, width // bits), vector(right, width // bits)
    x, y = (a.type, b.type) if typed else (acc.type, acc.type)
    cast = ""
    names = ("{a}", "{b}")
    if not typed:
        cast = f"{{out}}.a = bitcast {a.type} {{a}} to {x}\n{{out}}.b = bitcast {b.type} {{b}} to {y}\n"
        names = ("{out}.a", "{out}.b")
    code = f"{cast}{{out}} = call {acc.type} @llvm.x86.{call}({acc.type} {{acc}}, {x} {names[0]}, {y} {names[1]})"
    declaration = f"declare {acc.type} @llvm.x86.{call}({acc.type}, {x}, {y})"
    tolerance = 16.0 if dtype == "bf16" else 0.0
    ops = 2 * width // bits
    return Instruction(
        "dot", dtype, width, name, code, acc, a, b, ops, dot, declaration, rf"\b{name}\b", tolerance=tolerance, chains=_chains(width)
    )


def _pairs(width: int, intrinsics: str) -> tuple[Instruction, ...]:
    """`vpmaddubsw` and `vpmaddwd` by themselves, and the latter with its addition."""
    bytes_, words, longs = width // 8, width // 16, width // 32
    left, right, sums = vector("uint8", bytes_), vector("int8", bytes_), vector("int16", words)
    wide, long = vector("int16", words), vector("int32", longs)
    narrow, wider = ("pmaddubs.w", "pmaddw.d") if width == 512 else ("pmadd.ub.sw", "pmadd.wd")
    tail = ".512" if width == 512 else ""
    call_b, call_w = f"llvm.x86.{intrinsics}.{narrow}{tail}", f"llvm.x86.{intrinsics}.{wider}{tail}"
    declare_b = f"declare {sums.type} @{call_b}({left.type}, {right.type})"
    declare_w = f"declare {long.type} @{call_w}({wide.type}, {wide.type})"
    code_b = f"{{out}}.s = call {sums.type} @{call_b}({left.type} {{acc}}, {right.type} {{b}})\n"
    code_b += f"{{out}} = bitcast {sums.type} {{out}}.s to {left.type}"
    code_w = f"{{out}}.s = call {long.type} @{call_w}({wide.type} {{acc}}, {wide.type} {{b}})\n"
    code_w += f"{{out}} = bitcast {long.type} {{out}}.s to {wide.type}"
    code_a = f"{{out}}.s = call {long.type} @{call_w}({wide.type} {{a}}, {wide.type} {{b}})\n"
    code_a += f"{{out}} = add {long.type} {{acc}}, {{out}}.s"
    chains = _chains(width)
    return (
        Instruction(
            *("dot", "int8", width, "vpmaddubsw", code_b, left, right, right, 2 * bytes_, pairs_saturated, declare_b),
            pattern=r"\bvpmaddubsw\b",
            result=sums,
            chains=chains,
        ),
        Instruction(
            *("dot", "int16", width, "vpmaddwd", code_w, wide, wide, wide, 2 * words, pairs, declare_w),
            pattern=r"\bvpmaddwd\b",
            result=long,
            chains=chains,
        ),
        Instruction(
            *("dot", "int16", width, "vpmaddwd + vpaddd", code_a, long, wide, wide, 2 * words, pairs_added, declare_w),
            pattern=r"\bvpaddd\b",
            count=2,
            fresh=True,
            chains=chains,
        ),
    )


def _vnni_int8(width: int) -> tuple[Instruction, ...]:
    signs = {"s": "int8", "u": "uint8"}
    return tuple(
        _dot("int8", width, f"vpdpb{x}{y}d", f"avx2.vpdpb{x}{y}d.{width}", signs[x], signs[y])
        for x, y in (("s", "s"), ("s", "u"), ("u", "u"))
    )


def _vnni_int16(width: int) -> tuple[Instruction, ...]:
    signs = {"s": "int16", "u": "uint16"}
    return tuple(
        _dot("int16", width, f"vpdpw{x}{y}d", f"avx2.vpdpw{x}{y}d.{width}", signs[x], signs[y])
        for x, y in (("s", "u"), ("u", "s"), ("u", "u"))
    )


# `+fast-dpwssd`: LLVM otherwise replaces a chain of vpdpwssd by vpmaddwd and vpaddd, which have the shorter latency.
def _vnni(width: int) -> tuple[Instruction, ...]:
    return (
        _dot("int8", width, "vpdpbusd", f"avx512.vpdpbusd.{width}", "uint8", "int8"),
        _dot("int16", width, "vpdpwssd", f"avx512.vpdpwssd.{width}", "int16", "int16"),
    )


def _bf16(width: int) -> Instruction:
    return _dot("bf16", width, "vdpbf16ps", f"avx512bf16.dpbf16ps.{width}", "bf16", "bf16", "f32")


# The pairs' units switch VNNI off: LLVM would join vpmaddwd and vpaddd to one vpdpwssd.
_512 = "xcr0:0xe6"
UNITS = (
    UnitRow("avx2_pairs", "x86_64", 256, ("avx2",), "xcr0:0x6", ("+avx2", "-avx512f", "-avxvnni"), _pairs(256, "avx2"), matrix=True),
    UnitRow(
        *("avx512bw_pairs", "x86_64", 512, ("avx512f", "avx512bw"), _512, ("+avx512f", "+avx512bw", "-avx512vnni", "-avxvnni")),
        _pairs(512, "avx512"),
        matrix=True,
    ),
    UnitRow(
        "avx_vnni",
        "x86_64",
        256,
        ("avx2", "avx_vnni"),
        "xcr0:0x6",
        ("+avx2", "+avxvnni", "+fast-dpwssd", "-avx512f"),
        _vnni(256),
        matrix=True,
    ),
    UnitRow(
        *("avx_vnni_int8", "x86_64", 256, ("avx2", "avx_vnni_int8"), "xcr0:0x6", ("+avx2", "+avxvnniint8", "-avx512f")),
        _vnni_int8(256),
        matrix=True,
    ),
    UnitRow(
        *("avx_vnni_int16", "x86_64", 256, ("avx2", "avx_vnni_int16"), "xcr0:0x6", ("+avx2", "+avxvnniint16", "-avx512f")),
        _vnni_int16(256),
        matrix=True,
    ),
    UnitRow(
        "avx512_vnni", "x86_64", 512, ("avx512f", "avx512_vnni"), _512, ("+avx512f", "+avx512vnni", "+fast-dpwssd"), _vnni(512), matrix=True
    ),
    UnitRow(
        *("avx512_bf16", "x86_64", 512, ("avx512f", "avx512_bf16"), _512, ("+avx512f", "+avx512vl", "+avx512bf16")),
        (_bf16(512), _bf16(256)),
        matrix=True,
    ),
)
