"""AMX: tiles of 16 rows of 64 bytes, and dot products of them.

Four accumulators, then a and b: the shape of a 2×2 block of tiles. The unit was published to do 1024 products of bytes a cycle, which is a
tile product every 16 cycles; that four of them hide its latency was not measured here, so a rate below that is a lower bound.
Claims:
flags of /proc/cpuinfo (CPUID leaf 7). System: XCR0 bits 17 and 18, and on Linux a permission asked for once a process before its
threads (arch_prctl(ARCH_REQ_XCOMP_PERM, XTILEDATA); Documentation/arch/x86/xstate.rst). Hypervisors may claim palette 0 only.
Source: Intel SDM vol. 1 chapter 18; vol. 2, LDTILECFG, TDPBSSD, TDPBF16PS.
"""

from __future__ import annotations

from ..instruction import Instruction, Operand, State, UnitRow
from .meanings import tiles

_TILES = 8
# Byte 0: palette 1. From 16: bytes a row, 16 bits a tile. From 48: rows, a byte a tile.
_CONFIG = bytes([1]) + bytes(15) + b"\x40\x00" * _TILES + bytes(16) + b"\x10" * _TILES + bytes(8)
_GLOBAL = '@amx.config = internal constant [64 x i8] c"' + "".join(f"\\{b:02X}" for b in _CONFIG) + '", align 64'
_DECLARATIONS = """declare void @llvm.x86.ldtilecfg(ptr)
declare void @llvm.x86.tileloadd64(i8 immarg, ptr, i64)
declare void @llvm.x86.tilestored64(i8 immarg, ptr, i64)
declare void @llvm.x86.tilerelease()
"""


def _load(tile: int, pointer: str) -> str:
    return f"  call void @llvm.x86.tileloadd64(i8 {tile}, ptr {pointer}, i64 64)"


_STATE = State(
    enter="\n".join(
        [
            "  call void @llvm.x86.ldtilecfg(ptr @amx.config)",
            *(f"  %acc.{i} = getelementptr i8, ptr %acc, i64 {1024 * i}\n{_load(i, f'%acc.{i}')}" for i in range(4)),
            *(_load(4, "%a"), _load(5, "%b")),
            *("  br label %ready", "ready:"),
        ]
    ),
    leave="  call void @llvm.x86.tilestored64(i8 0, ptr %out, i64 64)\n  call void @llvm.x86.tilerelease()",
    globals=_GLOBAL,
)


def _tile(dtype: str, name: str, left: str, right: str, result: str) -> Instruction:
    bits = 8 if dtype == "int8" else 16
    call = f"llvm.x86.{name}"
    code = f"call void @{call}(i8 {{i}}, i8 4, i8 5)"
    declarations = _DECLARATIONS + f"declare void @{call}(i8 immarg, i8 immarg, i8 immarg)"
    acc, a, b = Operand(result, 256), Operand(left, 8192 // bits), Operand(right, 8192 // bits)
    return Instruction(
        *("mma", dtype, 8192, name, code, acc, a, b, 2 * 16 * 16 * 512 // bits, tiles, declarations, rf"\b{name}\b"),
        chains=4,
        tolerance=64.0,
        opaque=False,
        state=_STATE,
    )


_SIGNS = {"s": "int8", "u": "uint8"}
UNITS = (
    UnitRow(
        *("amx_int8", "x86_64", 8192, ("amx_tile", "amx_int8"), "amx", ("+amx-tile", "+amx-int8")),
        tuple(_tile("int8", f"tdpb{x}{y}d", _SIGNS[x], _SIGNS[y], "int32") for x, y in (("s", "s"), ("s", "u"), ("u", "s"), ("u", "u"))),
        matrix=True,
        source="Intel SDM vol. 1 ch. 18",
    ),
    UnitRow(
        *("amx_bf16", "x86_64", 8192, ("amx_tile", "amx_bf16"), "amx", ("+amx-tile", "+amx-bf16")),
        (_tile("bf16", "tdpbf16ps", "bf16", "bf16", "f32"),),
        matrix=True,
        source="Intel SDM vol. 1 ch. 18",
    ),
    UnitRow(
        *("amx_fp16", "x86_64", 8192, ("amx_tile", "amx_fp16"), "amx", ("+amx-tile", "+amx-fp16")),
        (_tile("f16", "tdpfp16ps", "f16", "f16", "f32"),),
        matrix=True,
        source="Intel SDM vol. 1 ch. 18",
    ),
)
