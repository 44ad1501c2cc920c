"""Describe one machine instruction: how LLVM is made to emit it, what it means in NumPy, and the loops that time it.

Every instruction is an LLVM operation or a target intrinsic, so the assembly of any chip can be printed anywhere. Four functions
come of one instruction, all `void f(ptr context, i64 n)` with the same slots (accumulators, a, b, results; all arrays):

    rate_K     n × `links` instructions on `chains` independent accumulators, all in registers
    chain_K    n × `links` instructions, each waiting for the accumulator of the one before
    operand_K  the same, each waiting for a multiplicand (Arm cores forward the accumulator faster than a multiplicand)
    check_K    the instruction once, from memory to memory

Known flaw: where a latency is longer than `chains` × the time an instruction occupies its pipe, the rate is a lower bound.
Source: reference 2.7 (latency × pipes independent accumulators; 4 × 4 on Arm V1 and V2).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from . import ir
from .target import Target

Array = NDArray[Any]
Meaning = Callable[[Array, Array, Array], Array]

# mmbench's name of a data type to LLVM's and NumPy's.
DTYPES: dict[str, tuple[str, Any]] = {
    "f64": ("double", np.float64),
    "f32": ("float", np.float32),
    "f16": ("half", np.float16),
    "bf16": ("bfloat", ml_dtypes.bfloat16),
    "int64": ("i64", np.int64),
    "int32": ("i32", np.int32),
    "int16": ("i16", np.int16),
    "int8": ("i8", np.int8),
    "uint8": ("i8", np.uint8),
    "uint16": ("i16", np.uint16),
}
FLOATS = ("f64", "f32", "f16", "bf16")
SLOTS = ("%acc", "%a", "%b", "%out")
LINKS_LEAST = 48  # so that counting down costs a small share of the front end


@dataclass(frozen=True, slots=True)
class Operand:
    """A register's content: `lanes` elements (for each 64 or 128 bits of the vector length where `scalable`).

    `type` is LLVM's; empty for state that no value holds (tiles, ZA). `square`: lanes grow with the square of vscale (ZA).
    """

    dtype: str
    lanes: int
    scalable: bool = False
    type: str = ""
    square: bool = False

    def count(self, vscale: int) -> int:
        """How many elements there are on a machine with this vscale (1 for fixed vectors)."""
        return self.lanes * (vscale * vscale if self.square else vscale if self.scalable else 1)


def vector(dtype: str, lanes: int, *, scalable: bool = False) -> Operand:
    """A vector register of `lanes` elements, or a scalar for one lane."""
    element = DTYPES[dtype][0]
    if lanes == 1 and not scalable:
        return Operand(dtype, 1, type=element)
    return Operand(dtype, lanes, scalable, f"<{'vscale x ' if scalable else ''}{lanes} x {element}>")


@dataclass(frozen=True, slots=True)
class State:
    """How to enter and leave a unit whose accumulators are no LLVM values. The lines may use the pointers %acc, %a, %b and %out.

    `enter` ends in the block `ready` with every accumulator loaded from %acc. `leave` stores accumulator 0 to %out; `%{block}`
    in it stands for the block before it.
    """

    enter: str
    leave: str
    globals: str = ""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One row. `code` makes {out} from {acc}, {a} and {b} (state instructions: on accumulator number {i}).

    `ops` are arithmetic operations of one step (a fused multiply-add is 2 a lane, a dot 2 a product); a step is `count` machine
    instructions. `other`, where given, is what every second chain does instead (a mix that has no meaning of its own).
    `pattern` is a regular expression that the assembly must hold. `tolerance` is in units of the result's rounding step, times
    the sum of magnitudes; integers are exact.

    How LLVM is kept from being clever: `opaque` hides each link of a chain from it. `grouped` hides all chains at once after each
    round instead (`opaque` is off), where a piece of inline assembly costs an instruction. `fresh` hides a anew for each
    link, where a part of the code would be computed once and for all. `loose` takes the rate from instructions that do not wait
    for each other at all, where the latency is too long for as many chains as there are registers.
    """

    op: str
    dtype: str
    width_bits: int
    name: str
    code: str
    acc: Operand
    a: Operand
    b: Operand
    ops: float
    meaning: Meaning = field(compare=False)
    declarations: str = ""
    pattern: str = ""
    result: Operand | None = None
    other: str = ""
    count: int = 1
    chains: int = 12
    tolerance: float = 4.0
    opaque: bool = True
    state: State | None = None
    fresh: bool = False
    loose: bool = False
    grouped: bool = False
    square_ops: bool = False

    @property
    def out(self) -> Operand:
        """What the result register holds."""
        return self.result or self.acc

    @property
    def links(self) -> int:
        """Steps in one turn of a loop: a multiple of the chains, at least `LINKS_LEAST` instructions."""
        return self.chains * -(-LINKS_LEAST // (self.chains * self.count))

    @property
    def by_operand(self) -> bool:
        """Whether a chain through a multiplicand is another thing than one through the accumulator."""
        return self.op == "fma" and self.state is None and self.a.type == self.acc.type

    @property
    def timed(self) -> tuple[tuple[str, str], ...]:
        """(test, function prefix) of each loop that this row is timed with."""
        if self.other:
            return (("throughput", "rate"),)
        tests = (("throughput", "rate"), ("latency", "chain"))
        return (*tests, ("latency-operand", "operand")) if self.by_operand else tests

    def ops_each(self, vscale: int = 1) -> float:
        """Arithmetic operations of one machine instruction on a machine with this vscale."""
        scale = vscale * vscale if self.square_ops else vscale if self.acc.scalable else 1
        return self.ops * scale / self.count


@dataclass(frozen=True, slots=True)
class UnitRow:
    """One unit of an architecture: what the chip and the system must say for it, and its instructions.

    `flags`: every word must be among the chip's claims; a word may list spellings (`asimddp|FEAT_DotProd`). `system` names what
    the operating system must allow (see `isa.permission`). `features` are LLVM's. `matrix`: timed by the probe of matrix and
    dot units and not by that of SIMD. `attributes` are LLVM function attributes (streaming mode).
    """

    name: str
    arch: str
    width_bits: int
    flags: tuple[str, ...]
    system: str
    features: tuple[str, ...]
    instructions: tuple[Instruction, ...]
    matrix: bool = False
    attributes: str = ""
    source: str = ""

    @property
    def scalable(self) -> bool:
        """Whether the vector length is known only at run time."""
        return any(i.acc.scalable or i.a.scalable for i in self.instructions)


def _pointers() -> list[str]:
    return [ir.slot(name, i) for i, name in enumerate(SLOTS)]


def _fill(template: str, **names: str) -> str:
    return "\n".join("  " + line.strip() for line in template.format(**names).splitlines())


class _Writer:
    """Writes the functions of one instruction for one architecture."""

    def __init__(self, row: Instruction, arch: str, features: str) -> None:
        self.row, self.arch, self.features = row, arch, features

    def hidden(self, out: str, operand: Operand, value: str) -> str:
        """`out` = `value`, which LLVM cannot look through."""
        if self.arch == "riscv64" and operand.lanes == 1 and not operand.scalable:  # no vector register holds a scalar
            return f'  {out} = call {operand.type} asm sideeffect "", "=f,0"({operand.type} {value})'
        return ir.opaque(out, operand.type, value, self.arch, features=self.features)

    def hidden_group(self, link: int, values: list[str]) -> tuple[list[str], list[str]]:
        """Lines that hide several accumulators at once, and their new names."""
        kind, count = self.row.acc.type, len(values)
        if count == 1:
            return [self.hidden(f"%g{link}.0", self.row.acc, values[0])], [f"%g{link}.0"]
        register = ir.opaque("%g", kind, "%v", self.arch, features=self.features).split('"=')[1].split(",")[0]
        constraints = ",".join([f"={register}"] * count + [str(k) for k in range(count)])
        result = "{ " + ", ".join([kind] * count) + " }"
        lines = [f'  %g{link} = call {result} asm sideeffect "", "{constraints}"({", ".join(f"{kind} {v}" for v in values)})']
        lines += [f"  %g{link}.{k} = extractvalue {result} %g{link}, {k}" for k in range(count)]
        return lines, [f"%g{link}.{k}" for k in range(count)]

    def load(self, name: str, operand: Operand, pointer: str, index: int = 0) -> str:
        at = f"  {name}.at = getelementptr {operand.type}, ptr {pointer}, i64 {index}\n"
        align = max(1, np.dtype(DTYPES[operand.dtype][1]).itemsize)
        return at + f"  {name} = load {operand.type}, ptr {name}.at, align {align}"

    def store(self, name: str, operand: Operand, index: int = 0) -> str:
        align = max(1, np.dtype(DTYPES[operand.dtype][1]).itemsize)
        return (
            f"  {name}.to = getelementptr {operand.type}, ptr %out, i64 {index}\n"
            f"  store {operand.type} {name}, ptr {name}.to, align {align}"
        )

    def operands(self) -> list[str]:
        """The multiplicands, kept in registers for good."""
        lines = []
        for name, operand in (("a", self.row.a), ("b", self.row.b)):
            lines.append(self.load(f"%{name}.in", operand, f"%{name}"))
            if self.row.opaque:
                lines.append(self.hidden(f"%{name}.v", operand, f"%{name}.in"))
            else:
                lines[-1] = lines[-1].replace(f"%{name}.in", f"%{name}.v")
        return lines

    def step(self, link: int, value: str, *, chain: int = 0, turned: bool = False) -> tuple[list[str], str]:
        """One instruction on `value`, and the name of its result. `turned`: the value stands for a, and a for the accumulator."""
        out = f"%y{link}"
        code = self.row.other if self.row.other and chain % 2 else self.row.code
        acc, a = ("%c.v", value) if turned else (value, f"%a{link}" if self.row.fresh else "%a.v")
        # a goes on from link to link, so that hiding it costs no copy
        lines = [self.hidden(f"%a{link}", self.row.a, f"%a{link - 1}" if link else "%a.l")] if self.row.fresh else []
        lines += [_fill(code, out=out, acc=acc, a=a, b="%b.v", i=str(chain))]
        if not self.row.opaque:
            return lines, out
        lines.append(self.hidden(f"%x{link}", self.row.acc, out))
        return lines, f"%x{link}"

    def loop(self, chains: int, *, turned: bool = False) -> str:
        """A loop over `chains` independent accumulators."""
        row = self.row
        if row.state is not None:
            return self.state_loop(chains)
        head = ["entry:", *_pointers(), *self.operands()]
        if turned:
            head += [self.load("%c.in", row.acc, "%acc", 1), self.hidden("%c.v", row.acc, "%c.in")]
        source = "%a" if turned else "%acc"
        if row.loose and chains > 1:
            return self.loose_loop(head)
        head += [self.load(f"%s{k}", row.acc, source, 0 if turned else k) for k in range(chains)]
        links = row.links if chains > 1 else max(8, row.links // 2)
        values = [f"%p{k}" for k in range(chains)]
        body: list[str] = []
        for link in range(links):
            lines, values[link % chains] = self.step(link, values[link % chains], chain=link % chains, turned=turned)
            body += lines
            if row.grouped and link % chains == chains - 1:
                group, values = self.hidden_group(link, values)
                body += group
        carried = [(row.acc.type, f"%p{k}", f"%s{k}", values[k]) for k in range(chains)]
        if row.fresh:
            carried.append((row.a.type, "%a.l", "%a.v", f"%a{links - 1}"))
        tail = ["done:", *(self.store(values[k], row.acc, k) for k in range(chains)), "  ret void"]
        return "\n".join([*head, "  br label %loop", ir.counted_loop("loop", "%n", carried, body), *tail])

    def loose_loop(self, head: list[str]) -> str:
        """A loop of instructions on the same value, hidden anew each time; the results go nowhere."""
        row, body = self.row, []
        for link in range(row.links):
            body.append(self.hidden(f"%v{link}", row.acc, f"%v{link - 1}" if link else "%p0"))
            body += self.step(link, f"%v{link}")[0]
        loop = ir.counted_loop("loop", "%n", [(row.acc.type, "%p0", "%s0", f"%v{row.links - 1}")], body)
        return "\n".join([*head, self.load("%s0", row.acc, "%acc"), "  br label %loop", loop, "done:", "  ret void"])

    def state_loop(self, chains: int) -> str:
        row, state = self.row, self.row.state
        assert state is not None
        links = row.links if chains > 1 else max(8, row.links // 2)
        body = [_fill(row.code, i=str(link % chains), out="", acc="", a="", b="") for link in range(links)]
        loop = ir.counted_loop("loop", "%n", [], body, entry="ready")
        return "\n".join(
            ["entry:", *_pointers(), state.enter, "  br label %loop", loop, "done:", state.leave.replace("%{block}", "%done"), "  ret void"]
        )

    def check(self) -> str:
        row = self.row
        if row.state is not None:
            step = _fill(row.code, i="0", out="", acc="", a="", b="")
            return "\n".join(["entry:", *_pointers(), row.state.enter, step, row.state.leave.replace("%{block}", "%ready"), "  ret void"])
        lines = ["entry:", *_pointers(), *self.operands(), self.load("%s0", row.acc, "%acc")]
        if row.fresh:
            lines.append(self.hidden("%a.l", row.a, "%a.v"))
        body, out = self.step(0, "%s0")
        return "\n".join([*lines, *body, self.store(out, row.acc), "  ret void"])


def links_of(row: Instruction, test: str) -> int:
    """Machine instructions in one turn of the loop for a test: `throughput`, `latency` or `latency-operand`."""
    return (row.links if test == "throughput" else max(8, row.links // 2)) * row.count


def _vscale_function(define: Callable[[str, str], str]) -> str:
    blocks = "entry:\n  %v = call i64 @llvm.vscale.i64()\n  store i64 %v, ptr %context, align 8\n  ret void"
    return define("vscale", blocks)


def unit_ir(unit: UnitRow, target: Target, *, only: Sequence[int] | None = None) -> str:
    """The module of one unit: every function of every instruction (`only`: of those numbers), and `vscale` where vectors scale.

    The unit's features come after the target's own, so code can be had for a unit that the chip does not admit to.
    """
    features = (*target.features, *unit.features)
    joined = ",".join(unit.features)

    def define(name: str, blocks: str) -> str:
        text = ir.function(name, blocks, features=features)
        return text.replace(" nounwind", f" nounwind {unit.attributes}".rstrip(), 1)

    parts: list[str] = []
    declarations: dict[str, None] = {}
    for k, row in enumerate(unit.instructions):
        if only is not None and k not in only:
            continue
        writer = _Writer(row, target.arch, joined)
        parts.append(define(f"rate_{k}", writer.loop(row.chains)))
        if not row.other:
            parts.append(define(f"chain_{k}", writer.loop(1)))
        if row.by_operand:
            parts.append(define(f"operand_{k}", writer.loop(1, turned=True)))
        parts.append(define(f"check_{k}", writer.check()))
        text = row.declarations + ("\n" + row.state.globals if row.state else "")
        declarations.update((line.strip(), None) for line in text.splitlines() if line.strip())
    if unit.scalable:
        declarations["declare i64 @llvm.vscale.i64()"] = None
        parts.append(_vscale_function(define))
    return "\n".join(declarations) + "\n" + "\n".join(parts)


_STACK = {
    "x86_64": r"-?\d*\(%r[sb]p",
    "aarch64": r"\[(sp|x29)\b",
    "riscv64": r"\((sp|s0)\)",
    "ppc64le": r"\((r?1|r?31)\)",
}


def loop_of(assembly: str, function: str) -> list[str]:
    """The lines of the innermost loop that runs longest in `function`: from its label to the branch back to it."""
    lines = assembly.splitlines()
    first = next((i for i, line in enumerate(lines) if re.match(rf"_?{re.escape(function)}:", line)), None)
    if first is None:
        return []
    labels: dict[str, int] = {}
    best: list[str] = []
    for i in range(first + 1, len(lines)):
        label = re.match(r"([.\w$]+):", lines[i])
        if label:
            if not label[1].startswith((".", "L")):
                break
            labels[label[1]] = i
            continue
        branch = re.match(r"\s*(?:j|b|cb|tb)[\w.]*\s+(?:.*[\s,])?([.\w$]+)\s*$", lines[i])
        if branch and branch[1] in labels and i - labels[branch[1]] > len(best):
            best = lines[labels[branch[1]] + 1 : i + 1]
    return best


def spills(assembly: str, function: str, arch: str) -> list[str]:
    """The lines in a function's loop that touch the stack: registers that LLVM could not keep."""
    pattern = re.compile(_STACK.get(arch, r"\(sp\)"))
    return [line.strip() for line in loop_of(assembly, function) if pattern.search(line)]


@functools.cache
def itemsize(dtype: str) -> int:
    """Bytes of one element."""
    return int(np.dtype(DTYPES[dtype][1]).itemsize)
