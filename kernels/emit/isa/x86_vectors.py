"""x86 vector units: SSE (128 bit), AVX, FMA and AVX2 (256), AVX-512 (512) and its half precision.

There is no 8-bit multiplication on x86 in any of them, so there is no row for one; 64-bit integer multiplication came with
AVX512DQ. Claims: flags of /proc/cpuinfo (CPUID leaves 1 and 7). System: XCR0 (XGETBV 0) bits 1 and 2 for 256 bits, 5 to 7 too
for 512. Source: Intel SDM vol. 1, 13.2 to 13.6, 14.3, 15.2; vol. 2 by mnemonic.
"""

from __future__ import annotations

from ..instruction import Instruction, UnitRow
from .meanings import fma_row, mix_row, two_operand

_SUFFIX = {"f64": "pd", "f32": "ps", "f16": "ph"}
_FMA = r"vfmn?m?add(132|213|231)"
_SOURCE = "Intel SDM vol. 2"


def _floats(width: int, dtypes: tuple[str, ...], *, vex: bool = True) -> tuple[Instruction, ...]:
    v = "v" if vex else ""
    rows = []
    for dtype in dtypes:
        lanes = width // int(dtype[1:])
        for op in ("mul", "add"):
            name = f"{v}{op}{_SUFFIX[dtype]}"
            rows.append(two_operand(op, dtype, lanes, width, name, rf"\b{name}\b", chains=_chains(width)))
    return tuple(rows)


def _fmas(width: int, dtypes: tuple[str, ...]) -> tuple[Instruction, ...]:
    rows = []
    for dtype in dtypes:
        lanes = width // int(dtype[1:])
        name, pattern = f"vfmadd231{_SUFFIX[dtype]}", rf"{_FMA}{_SUFFIX[dtype]}\b"
        rows += [
            fma_row(dtype, lanes, width, name, pattern, chains=_chains(width)),
            mix_row(dtype, lanes, width, f"{name} + vadd{_SUFFIX[dtype]}", pattern, chains=_chains(width)),
        ]
    return tuple(rows)


def _scalar_fmas() -> tuple[Instruction, ...]:
    return tuple(fma_row(f"f{w}", 1, w, f"vfmadd231s{x}", rf"{_FMA}s{x}\b") for w, x in ((64, "d"), (32, "s")))


def _integers(width: int, multiplied: tuple[int, ...], *, vex: bool = True) -> tuple[Instruction, ...]:
    """Additions of 8, 16 and 32 bits; low halves of products where the instruction set has them."""
    v = "v" if vex else ""
    letter = {8: "b", 16: "w", 32: "d", 64: "q"}
    rows = []
    for op, widths in (("add", (8, 16, 32)), ("mull", multiplied)):
        for w in widths:
            name = f"{v}p{op}{letter[w]}"
            # 16 registers are too few chains for a latency of 10 cycles
            rows.append(two_operand(op[:3], f"int{w}", width // w, width, name, rf"\b{name}\b", chains=_chains(width), loose=op == "mull"))
    return tuple(rows)


def _chains(width: int) -> int:
    """AVX-512 has 32 registers, and its half precision a latency that differs by pipe: 12 chains do not fill them."""
    return 20 if width == 512 else 12


UNITS = (
    UnitRow(
        *("sse2", "x86_64", 128, ("sse2",), "", ("+sse2", "-sse3", "-avx", "-avx512f")),
        _floats(128, ("f64", "f32"), vex=False) + _integers(128, (16,), vex=False),
        source=_SOURCE,
    ),
    UnitRow(
        "sse4_1", "x86_64", 128, ("sse4_1",), "", ("+sse4.1", "-avx", "-avx512f"), (_integers(128, (32,), vex=False)[-1],), source=_SOURCE
    ),
    UnitRow("avx", "x86_64", 256, ("avx",), "xcr0:0x6", ("+avx", "-avx512f"), _floats(256, ("f64", "f32")), source=_SOURCE),
    UnitRow(
        *("fma", "x86_64", 256, ("avx", "fma"), "xcr0:0x6", ("+avx", "+fma", "-avx512f")),
        _fmas(256, ("f64", "f32")) + _fmas(128, ("f64", "f32")) + _scalar_fmas(),
        source=_SOURCE,
    ),
    UnitRow("avx2", "x86_64", 256, ("avx2",), "xcr0:0x6", ("+avx2", "-avx512f"), _integers(256, (16, 32)), source=_SOURCE),
    UnitRow(
        *("avx512f", "x86_64", 512, ("avx512f",), "xcr0:0xe6", ("+avx512f",)),
        (*_fmas(512, ("f64", "f32")), *_floats(512, ("f64", "f32")), _integers(512, (32,))[-2], _integers(512, (32,))[-1]),
        source=_SOURCE,
    ),
    UnitRow(
        *("avx512bw", "x86_64", 512, ("avx512f", "avx512bw"), "xcr0:0xe6", ("+avx512f", "+avx512bw")),
        (*_integers(512, ())[:2], _integers(512, (16,))[-1]),
        source=_SOURCE,
    ),
    UnitRow(
        *("avx512dq", "x86_64", 512, ("avx512f", "avx512dq"), "xcr0:0xe6", ("+avx512f", "+avx512dq")),
        (two_operand("mul", "int64", 8, 512, "vpmullq", r"\bvpmullq\b", chains=16),),
        source=_SOURCE,
    ),
    UnitRow(
        *("avx512_fp16", "x86_64", 512, ("avx512f", "avx512_fp16"), "xcr0:0xe6", ("+avx512f", "+avx512vl", "+avx512fp16")),
        _fmas(512, ("f16",)) + _floats(512, ("f16",)) + _fmas(256, ("f16",)),
        matrix=True,
        source=_SOURCE,
    ),
)
