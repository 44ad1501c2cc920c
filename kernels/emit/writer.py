"""Write longer functions in LLVM IR: fresh names, memory, arithmetic and loops, so that a generator reads like the code it generates.

Loop counters live on the stack; LLVM's passes (`jit.optimized`) turn them into registers. Names are counted, so the same program gives the
same text, and the object cache finds it again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence


class Writer:
    """The body of one function. Methods add lines and return the name of the value; values are strings (`%v3`, `7`)."""

    def __init__(
        self, name: str, arguments: Sequence[tuple[str, str]], *, attributes: str = "", internal: bool = True, returns: str = "void"
    ):
        self._head = f"define {'internal ' if internal else ''}{returns} @{name}({', '.join(f'{t} %{n}' for t, n in arguments)}) nounwind"
        self._head += f" {attributes}" if attributes else ""
        self._slots: list[str] = []
        self._lines: list[str] = []
        self._count = 0

    def text(self) -> str:
        """The whole function; call once, at its end."""
        return "\n".join([self._head + " {", "entry:", *self._slots, *self._lines, "  ret void", "}", ""])

    def name(self, hint: str = "v") -> str:
        """A name that was not used yet."""
        self._count += 1
        return f"%{hint}{self._count}"

    def line(self, text: str) -> None:
        """Any line, as it is."""
        self._lines.append(f"  {text}")

    def let(self, expression: str, hint: str = "v") -> str:
        """A value from any expression."""
        value = self.name(hint)
        self.line(f"{value} = {expression}")
        return value

    def at(self, pointer: str, index: str | int, kind: str = "i64") -> str:
        """The address of element `index` of type `kind`."""
        return self.let(f"getelementptr {kind}, ptr {pointer}, i64 {index}", "p")

    def load(self, kind: str, pointer: str, align: int = 1) -> str:
        """A value from memory."""
        return self.let(f"load {kind}, ptr {pointer}, align {align}")

    def store(self, kind: str, value: str, pointer: str, align: int = 1) -> None:
        """A value into memory."""
        self.line(f"store {kind} {value}, ptr {pointer}, align {align}")

    def slot(self, block: str, index: int, kind: str = "i64") -> str:
        """64-bit slot `index` of an array."""
        return self.load(kind, self.at(block, index), 8)

    def op(self, what: str, a: str | int, b: str | int, kind: str = "i64") -> str:
        """A binary operation."""
        return self.let(f"{what} {kind} {a}, {b}")

    def add(self, a: str | int, b: str | int) -> str:
        """a + b, of 64-bit integers."""
        return self.op("add", a, b)

    def mul(self, a: str | int, b: str | int) -> str:
        """a · b, of 64-bit integers."""
        return self.op("mul", a, b)

    def sub(self, a: str | int, b: str | int) -> str:
        """a - b, of 64-bit integers."""
        return self.op("sub", a, b)

    def least(self, a: str | int, b: str | int) -> str:
        """The smaller of two signed 64-bit integers."""
        return self.select(self.let(f"icmp slt i64 {a}, {b}"), a, b)

    def select(self, condition: str, a: str | int, b: str | int, kind: str = "i64") -> str:
        """a where the condition holds, else b."""
        return self.let(f"select i1 {condition}, {kind} {a}, {kind} {b}")

    def variable(self, kind: str) -> str:
        """A stack slot, made once at the function's entry."""
        place = self.name("s")
        self._slots.append(f"  {place} = alloca {kind}, align 64")
        return place

    def block(self, label: str) -> None:
        """Begin a block; the one before must have ended."""
        self._lines.append(f"{label}:")

    @contextlib.contextmanager
    def loop(self, start: str | int, stop: str | int, step: str | int = 1) -> Iterator[str]:
        """`for i in range(start, stop, step)`; gives i."""
        counter = self.variable("i64")
        self._count += 1
        mark = f"L{self._count}"
        self.store("i64", str(start), counter, 8)
        self.line(f"br label %{mark}.test")
        self.block(f"{mark}.test")
        value = self.load("i64", counter, 8)
        inside = self.let(f"icmp slt i64 {value}, {stop}")
        self.line(f"br i1 {inside}, label %{mark}.body, label %{mark}.end")
        self.block(f"{mark}.body")
        yield value
        self.store("i64", self.add(value, step), counter, 8)
        self.line(f"br label %{mark}.test")
        self.block(f"{mark}.end")

    @contextlib.contextmanager
    def when(self, condition: str) -> Iterator[None]:
        """`if condition:`"""
        self._count += 1
        mark = f"I{self._count}"
        self.line(f"br i1 {condition}, label %{mark}.then, label %{mark}.end")
        self.block(f"{mark}.then")
        yield
        self.line(f"br label %{mark}.end")
        self.block(f"{mark}.end")

    def compare(self, what: str, a: str | int, b: str | int, kind: str = "i64") -> str:
        """A comparison, such as `eq` or `slt`."""
        return self.let(f"icmp {what} {kind} {a}, {b}")

    def call(self, function: str, arguments: Sequence[tuple[str, str | int]]) -> None:
        """Call a function of this module that returns nothing."""
        self.line(f"call void @{function}({', '.join(f'{t} {v}' for t, v in arguments)})")
