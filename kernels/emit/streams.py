"""Emit the memory loops: a pointer chase, and streams that read, write, copy and combine arrays.

Loads and stores of the streams are volatile in the IR, so that each is done as written, with no arithmetic around it. A unit of
work of a stream is one *pass* over a stretch of its arrays; a stretch is made of *blocks* of `UNROLL` vectors of each array. A pass may
move on to the next stretch and begin again after a lap, so that arrays far larger than a cache are walked in short samples.
Of a chase, a unit is `CHASE_UNROLL` dependent loads.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from . import ir
from .jit import assembly
from .target import Target

CHASE_UNROLL = 16
UNROLL = 8
STREAM_SLOTS = 8
_GROUP = 4  # registers in one access of a RISC-V stream: LMUL 4 leaves room for two loads and a sum


def chase_ir(name: str = "chase") -> str:
    """`void chase(ptr context, i64 n)`: 16 n dependent loads from the address in slot 0, which is left where it ends.

    Plain loads of the next address, `mov r, [r]`: an index register or an offset would add a cycle on some cores.
    """
    body = [f"  %p{i + 1} = load volatile ptr, ptr %p{i}, align 8" for i in range(CHASE_UNROLL)]
    blocks = "\n".join(
        [
            "entry:",
            ir.slot("%start", 0),
            "  br label %loop",
            ir.counted_loop("loop", "%n", [("ptr", "%p0", "%start", f"%p{CHASE_UNROLL}")], body),
            "done:",
            ir.set_slot(0, "ptr", f"%p{CHASE_UNROLL}"),
            "  ret void",
        ]
    )
    return ir.function(name, blocks)


@dataclass(frozen=True, slots=True)
class Stream:
    """One kind of stream: which arrays it loads and which it stores, and how many bytes a vector step counts.

    `counted` follows STREAM: bytes that the program loads and stores. A plain store to a line that is not cached also makes the
    core read that line first (RFO), which is *not* counted; the non-temporal store exists to avoid it.
    """

    name: str
    loads: int
    stores: int
    nontemporal: bool = False

    @property
    def arrays(self) -> int:
        """How many different arrays it touches."""
        return self.loads + self.stores

    @property
    def counted(self) -> int:
        """Vectors counted for each vector step."""
        return self.loads + self.stores

    @property
    def function(self) -> str:
        """The name of the emitted function."""
        return f"stream_{self.name.replace('-', '_')}"


STREAMS = (
    Stream("read", 1, 0),
    Stream("write", 0, 1),
    Stream("copy", 1, 1),
    Stream("triad", 2, 1),
    Stream("nt-write", 0, 1, nontemporal=True),
)


def has_nontemporal(target: Target) -> bool:
    """Whether LLVM has a store for this chip that goes past the caches (movnt, stnp); elsewhere the hint is dropped."""
    return target.arch in ("x86_64", "aarch64")


def is_scalable(target: Target) -> bool:
    """Whether the chip has vectors whose length only shows at run time: RISC-V V, or SVE where the target says so."""
    wanted = {"riscv64": "+v", "aarch64": "+sve"}.get(target.arch)
    return wanted is not None and wanted in target.features


def block_bytes(stream: Stream, vector_bytes: int) -> int:
    """Bytes counted for one block."""
    return stream.counted * UNROLL * vector_bytes


@dataclass(frozen=True, slots=True)
class _Kind:
    """The type of one access: its IR text, its suffix in intrinsics, how many make a block, its alignment."""

    text: str
    suffix: str
    accesses: int
    align: int
    step: str  # type and count by which an address goes on: "i8, … i64 64", or one scalable vector

    @property
    def factor(self) -> str:
        """The constant of the triad and of the writes; a power of two, so that values stay normal and exact."""
        return "2.0" if self.text == "double" else "splat (float 2.0)"


def _kind(stream: Stream, target: Target, vector_bytes: int, scalable: bool) -> _Kind:
    if scalable and target.arch == "riscv64":
        return _Kind(f"<vscale x {2 * _GROUP} x float>", f"nxv{2 * _GROUP}f32", UNROLL // _GROUP, 8, "")
    if scalable:
        return _Kind("<vscale x 4 x float>", "nxv4f32", UNROLL, 16, "")
    if vector_bytes == 8:
        return _Kind("double", "f64", UNROLL, 8, "8")
    # A pair of registers becomes one stnp; single ones would be cut in halves.
    pair = 2 if stream.nontemporal and target.arch == "aarch64" else 1
    lanes = pair * vector_bytes // 4
    return _Kind(f"<{lanes} x float>", f"v{lanes}f32", UNROLL // pair, vector_bytes, str(pair * vector_bytes))


def stream_ir(
    stream: Stream,
    target: Target,
    vector_bytes: int,
    name: str | None = None,
    features: tuple[str, ...] = (),
    *,
    scalable: bool = False,
    pausing: bool = False,
) -> str:
    """`void stream(ptr context, i64 n)`: n passes.

    Slots 0 to 2 hold the arrays (loads first, then the store), 3 the blocks of a pass (> 0), 4 the bytes from one stretch to the next,
    5 the stretches of a lap (> 0), 6 the stretch to begin with, left where it ends; 7 with `pausing` the additions (> 0) after a block.
    With `scalable` the registers are as long as the chip has them, and `vector_bytes` says nothing here.
    """
    kind = _kind(stream, target, vector_bytes, scalable)
    arrays = range(stream.arrays)
    numbers = (("%blocks", 3), ("%step", 4), ("%lap", 5), ("%first", 6), ("%pause", 7))
    lines = ["entry:", *(ir.slot(f"%a{i}", i) for i in arrays), *(ir.slot(name_, i, "i64") for name_, i in numbers), "  br label %pass"]
    lines += [
        "pass:",
        "  %left = phi i64 [ %n, %entry ], [ %left.next, %passed ]",
        "  %at = phi i64 [ %first, %entry ], [ %at.next, %passed ]",
    ]
    lines += [
        "  %offset = mul i64 %at, %step",
        *(f"  %s{i} = getelementptr i8, ptr %a{i}, i64 %offset" for i in arrays),
        "  br label %block",
    ]
    lines += _block_loop(stream, kind, target, pausing)
    lines += [
        "passed:",
        "  %at.up = add i64 %at, 1",
        "  %wraps = icmp uge i64 %at.up, %lap",
        "  %at.next = select i1 %wraps, i64 0, i64 %at.up",
    ]
    lines += ["  %left.next = sub i64 %left, 1", "  %more = icmp ne i64 %left.next, 0", "  br i1 %more, label %pass, label %done"]
    end = ["  fence seq_cst"] if stream.nontemporal else []
    lines += ["done:", *end, ir.set_slot(6, "i64", "%at.next"), "  ret void"]
    text = ir.function(name or stream.function, "\n".join(lines), features=features)
    if stream.loads == 2:
        text += f"declare {kind.text} @llvm.fmuladd.{kind.suffix}({kind.text}, {kind.text}, {kind.text})\n"
    return text + ("!91 = !{i32 1}\n" if stream.nontemporal else "")


def _block_loop(stream: Stream, kind: _Kind, target: Target, pausing: bool) -> list[str]:
    """The loop over the blocks of a pass, with a chain of additions after each block where it is to pause."""
    arrays = range(stream.arrays)
    back = "paused" if pausing else "block"
    lines = ["block:", f"  %b = phi i64 [ %blocks, %pass ], [ %b.next, %{back} ]"]
    lines += [f"  %p{i} = phi ptr [ %s{i}, %pass ], [ %p{i}.next, %{back} ]" for i in arrays]
    lines += _vectors(stream, kind)
    for i in arrays:
        last = f"%q{i}.{kind.accesses}"
        # LLVM would make one index of several arrays on x86; an indexed store cannot use every address unit of Haswell and later.
        lines.append(ir.opaque(f"%p{i}.next", "ptr", last, target.arch) if target.arch == "x86_64" else _same(f"%p{i}.next", last))
    if pausing:
        link = ["  %y.sum = add i64 %y, %pause", ir.opaque("%y.next", "i64", "%y.sum", target.arch)]
        lines += [
            "  br label %wait",
            ir.counted_loop("wait", "%pause", [("i64", "%y", "%b", "%y.next")], link, entry="block", after="paused"),
        ]
        lines += ["paused:"]
    return [*lines, "  %b.next = sub i64 %b, 1", "  %b.more = icmp ne i64 %b.next, 0", "  br i1 %b.more, label %block, label %passed"]


def _same(out: str, pointer: str) -> str:
    """A new name of a pointer, without an instruction."""
    return f"  {out} = getelementptr i8, ptr {pointer}, i64 0"


def _vectors(stream: Stream, kind: _Kind) -> list[str]:
    """The body of one block: addresses, loads, arithmetic, stores."""
    lines = []
    store = stream.arrays - 1
    hint = ", !nontemporal !91" if stream.nontemporal else ""
    for i in range(stream.arrays):
        for u in range(kind.accesses + 1):
            step = f"i8, ptr %p{i}, i64 {u * int(kind.step)}" if kind.step else f"{kind.text}, ptr %p{i}, i64 {u}"
            lines.append(f"  %q{i}.{u} = getelementptr {step}")
    for u in range(kind.accesses):
        lines += [f"  %v{i}.{u} = load volatile {kind.text}, ptr %q{i}.{u}, align {kind.align}" for i in range(stream.loads)]
        value = f"%v0.{u}" if stream.loads else kind.factor
        if stream.loads == 2:
            operands = f"{kind.text} %v1.{u}, {kind.text} {kind.factor}, {kind.text} %v0.{u}"
            lines.append(f"  %w{u} = call {kind.text} @llvm.fmuladd.{kind.suffix}({operands})")
            value = f"%w{u}"
        if stream.stores:
            lines.append(f"  store volatile {kind.text} {value}, ptr %q{store}.{u}, align {kind.align}{hint}")
    return lines


def register_bytes_ir(target: Target, name: str = "register_bytes") -> str:
    """`void register_bytes(ptr context, i64 n)`: slot 0 receives the length of a scalable register; for targets that have such."""
    granule = 8 if target.arch == "riscv64" else 16  # bytes to which LLVM's vscale of 1 corresponds
    body = [
        "entry:",
        "  %v = call i64 @llvm.vscale.i64()",
        f"  %bytes = mul i64 %v, {granule}",
        ir.set_slot(0, "i64", "%bytes"),
        "  ret void",
    ]
    return ir.function(name, "\n".join(body)) + "declare i64 @llvm.vscale.i64()\n"


def widest_vector_bytes(target: Target) -> int:
    """The widest fixed vector of a target: 64, 32 or 16 bytes, 8 for a chip without vectors; of a scalable one, its least length."""
    on = {f[1:] for f in target.features if f.startswith("+")}
    if target.arch == "x86_64":
        if on:
            return 64 if "avx512f" in on else 32 if "avx" in on else 16
        return _implied_vector_bytes(target)
    if target.arch == "riscv64":
        return 16 if "v" in on else 8
    if target.arch == "loongarch64":
        return _implied_vector_bytes(target)
    return 16


@functools.cache
def _implied_vector_bytes(target: Target) -> int:
    """What LLVM takes for legal on a chip given by name only: the widest register in the code for a wide read."""
    text = assembly(stream_ir(STREAMS[0], target, 64), target)
    for register, size in (("%zmm", 64), ("%ymm", 32), ("$xr", 32), ("%xmm", 16), ("$vr", 16)):
        if register in text:
            return size
    return 8
