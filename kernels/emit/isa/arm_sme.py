"""Arm's Scalable Matrix Extension: outer products into the ZA array, in streaming mode.

The vector length of streaming mode is its own, so lanes grow with it and results with its square. Four 32-bit accumulators (eight of
64 bits exist, four are used). One unit serves a cluster of cores, so rates of several threads do not add up. Functions switch to
streaming mode by LLVM's attributes, and ZA on by an intrinsic; nothing of the caller's ZA can be live here.

Claims: HWCAP2 names of /proc/cpuinfo (`sme`, `smef64f64`…), macOS `hw.optional.arm.FEAT_SME`. System: prctl(PR_SME_GET_VL) on Linux.
Source: Arm DDI 0487 (FMOPA, BFMOPA, SMOPA); LLVM AArch64SME.rst; latency of 4 and 8 cycles: tzakharko, m4-sme-exploration.
"""

from __future__ import annotations

from ..instruction import Instruction, Operand, State, UnitRow, vector
from .meanings import outer

_TILES = 4
_LETTER = {32: "w", 64: "d"}


def _state(bits: int, inputs: tuple[Operand, Operand], vector_type: str) -> State:
    """Switch ZA on, load every accumulator row by row and the two vectors once; at the end store accumulator 0."""
    lanes, letter = 128 // bits, _LETTER[bits]
    mask = f"<vscale x {lanes} x i1>"
    ld, st = f"llvm.aarch64.sme.ld1{letter}.horiz", f"llvm.aarch64.sme.st1{letter}.horiz"
    load = "\n".join(
        f"  %row.{t} = getelementptr i8, ptr %acc, i64 %from.{t}\n  call void @{ld}({mask} %all, ptr %row.{t}, i32 {t}, i32 %r)"
        for t in range(_TILES)
    )
    offsets = "\n".join(f"  %tile.{t} = mul i64 %tile, {t}\n  %from.{t} = add i64 %tile.{t}, %at" for t in range(_TILES))
    masks = "\n".join(
        f"  %{n}.m = call {mask_of(o)} @llvm.aarch64.sve.ptrue.nxv{o.lanes}i1(i32 31)" for n, o in zip("ab", inputs, strict=True)
    )
    enter = f"""  call void @llvm.aarch64.sme.za.enable()
  %a.v = load {vector_type}, ptr %a, align 1
  %b.v = load {vector_type}, ptr %b, align 1
{masks}
  %all = call {mask} @llvm.aarch64.sve.ptrue.nxv{lanes}i1(i32 31)
  %vscale = call i64 @llvm.vscale.i64()
  %rows = mul i64 %vscale, {lanes}
  %bytes = mul i64 %vscale, 16
  %tile = mul i64 %rows, %bytes
  br label %fill
fill:
  %i = phi i64 [ 0, %entry ], [ %i.next, %fill ]
  %r = trunc i64 %i to i32
  %at = mul i64 %i, %bytes
{offsets}
{load}
  %i.next = add i64 %i, 1
  %i.more = icmp ult i64 %i.next, %rows
  br i1 %i.more, label %fill, label %ready
ready:"""
    leave = f"""  br label %drain
drain:
  %j = phi i64 [ 0, %{{block}} ], [ %j.next, %drain ]
  %s = trunc i64 %j to i32
  %to = mul i64 %j, %bytes
  %row.out = getelementptr i8, ptr %out, i64 %to
  call void @{st}({mask} %all, ptr %row.out, i32 0, i32 %s)
  %j.next = add i64 %j, 1
  %j.more = icmp ult i64 %j.next, %rows
  br i1 %j.more, label %drain, label %end
end:
  call void @llvm.aarch64.sme.za.disable()"""
    names = {f"declare {mask_of(o)} @llvm.aarch64.sve.ptrue.nxv{o.lanes}i1(i32 immarg)" for o in inputs}
    names.add(f"declare {mask} @llvm.aarch64.sve.ptrue.nxv{lanes}i1(i32 immarg)")
    declarations = [
        "declare void @llvm.aarch64.sme.za.enable()",
        "declare void @llvm.aarch64.sme.za.disable()",
        "declare i64 @llvm.vscale.i64()",
        f"declare void @{ld}({mask}, ptr, i32 immarg, i32)",
        f"declare void @{st}({mask}, ptr, i32 immarg, i32)",
        *sorted(names),
    ]
    return State(enter, leave, "\n".join(declarations))


def mask_of(operand: Operand) -> str:
    """The type of a predicate for a vector."""
    return f"<vscale x {operand.lanes} x i1>"


def _pattern(name: str, out_bits: int, bits: int) -> str:
    """`fmopa za0.s, p0/m, p1/m, z0.h, z1.h`: the mnemonic alone does not tell the types."""
    shape = {64: "d", 32: "s", 16: "h", 8: "b"}
    return rf"\b{name.split()[0]}\s+za\d+\.{shape[out_bits]},.*z\d+\.{shape[bits]}\b"


def _mopa(dtype: str, name: str, call: str, left: str, right: str, result: str) -> Instruction:
    """One outer product: `wide` forms sum 2 or 4 neighbours."""
    bits = {"f64": 64, "f32": 32, "bf16": 16, "f16": 16, "int8": 8, "int16": 16}[dtype]
    out_bits = int(result.lstrip("bfuint"))
    a, b = vector(left, 128 // bits, scalable=True), vector(right, 128 // bits, scalable=True)
    side = 128 // out_bits
    code = f"call void @{call}(i32 {{i}}, {mask_of(a)} %a.m, {mask_of(b)} %b.m, {a.type} %a.v, {b.type} %b.v)"
    declaration = f"declare void @{call}(i32 immarg, {mask_of(a)}, {mask_of(b)}, {a.type}, {b.type})"
    return Instruction(
        *("mma", dtype, 128, name, code, Operand(result, side * side, square=True), a, b, 2 * side * side * (out_bits // bits), outer),
        declarations=declaration,
        pattern=_pattern(name, out_bits, bits),
        tolerance=64.0,
        chains=_TILES,
        opaque=False,
        state=_state(out_bits, (a, b), a.type),
        square_ops=True,
    )


_SME = "llvm.aarch64.sme"
_STREAMING = '"aarch64_pstate_sm_body"'
_SOURCE = "Arm DDI 0487"


def _unit(name: str, flags: tuple[str, ...], features: tuple[str, ...], rows: tuple[Instruction, ...]) -> UnitRow:
    return UnitRow(name, "aarch64", 128, flags, "sme", features, rows, matrix=True, attributes=_STREAMING, source=_SOURCE)


UNITS = (
    _unit(
        *("sme", ("sme|arm.FEAT_SME",), ("+sme",)),
        (
            _mopa("f32", "fmopa", f"{_SME}.mopa.nxv4f32", "f32", "f32", "f32"),
            _mopa("bf16", "bfmopa", f"{_SME}.mopa.wide.nxv8bf16", "bf16", "bf16", "f32"),
            _mopa("f16", "fmopa h", f"{_SME}.mopa.wide.nxv8f16", "f16", "f16", "f32"),
            _mopa("int8", "smopa", f"{_SME}.smopa.wide.nxv16i8", "int8", "int8", "int32"),
            _mopa("int8", "umopa", f"{_SME}.umopa.wide.nxv16i8", "uint8", "uint8", "int32"),
        ),
    ),
    _unit(
        *("sme_f64", ("smef64f64|sme_f64f64|arm.FEAT_SME_F64F64",), ("+sme", "+sme-f64f64")),
        (_mopa("f64", "fmopa d", f"{_SME}.mopa.nxv2f64", "f64", "f64", "f64"),),
    ),
    _unit(
        *("sme2", ("sme2|arm.FEAT_SME2",), ("+sme", "+sme2")),
        (_mopa("int16", "smopa h", f"{_SME}.smopa.za32.nxv8i16", "int16", "int16", "int32"),),
    ),
)
