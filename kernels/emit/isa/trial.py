"""Run a unit's instructions on this machine: once against their meaning, and as kernels for the stopwatch.

A proof has two rounds. In the first every value is a small multiple of a power of two (integers: the full range, with the extremes), so
the result is exact and must be equal. In the second values are random, and the error must stay below `tolerance` rounding
steps of the result's type times the sum of magnitudes. What is run here may trap: see `measure.trap`.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field

import ml_dtypes
import numpy as np

from ...measure.stopwatch import Kernel
from ..instruction import DTYPES, FLOATS, SLOTS, Array, Instruction, Operand, UnitRow, itemsize, unit_ir
from ..jit import Code, compile_ir
from ..target import Target
from .permission import prepare

PATTERNS = ("varied", "ones", "zeros")  # zeros switch fewer transistors: the clock may rise
_ALIGN = 64


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether an instruction gave what it means, and in what it did not."""

    right: bool
    detail: str = ""


def _aligned(values: Array) -> Array:
    """A copy that starts on a cache line."""
    raw = np.zeros(values.nbytes + _ALIGN, dtype=np.uint8)
    start = -raw.ctypes.data % _ALIGN
    out = raw[start : start + values.nbytes].view(values.dtype)
    out[:] = values
    return out


def _exact(dtype: str, count: int, random: np.random.Generator) -> Array:
    kind = DTYPES[dtype][1]
    if dtype in FLOATS:
        floats: Array = (random.integers(1, 9, count) * random.choice([-0.25, 0.25], count)).astype(kind)
        return floats
    info = np.iinfo(kind)
    values = random.integers(info.min, info.max, count, endpoint=True, dtype=np.int64)
    values[random.random(count) < 0.2] = info.max
    values[random.random(count) < 0.2] = info.min
    return values.astype(kind)


def _random(dtype: str, count: int, random: np.random.Generator) -> Array:
    if dtype in FLOATS:
        return random.normal(0, 1, count).astype(DTYPES[dtype][1])
    return _exact(dtype, count, random)


def _timed(dtype: str, count: int, pattern: str, random: np.random.Generator, place: str, op: str) -> Array:
    """Values that stay normal however long a loop runs: sums grow slowly, products keep their size (multiplicands of ±1, or below 1)."""
    kind = DTYPES[dtype][1]
    if pattern != "varied":
        return np.full(count, 1 if pattern == "ones" else 0).astype(kind)
    if dtype not in FLOATS:
        return (_exact(dtype, count, random).astype(np.int64) | 1).astype(kind)  # odd: a product of odd numbers is never zero
    sign = random.choice([-1.0, 1.0], count)
    if place == "b":
        return (sign * (1.0 if op == "mul" else random.uniform(0.5, 0.9, count))).astype(kind)
    return (sign * random.uniform(0.5, 1.5, count)).astype(kind)


@dataclass(frozen=True)
class Bench:
    """The memory of one instruction's functions: accumulators for every chain, a, b, and room for the results."""

    row: Instruction
    acc: Array
    a: Array
    b: Array
    out: Array
    context: Array = field(init=False)

    def __post_init__(self) -> None:
        slots = {"%acc": self.acc, "%a": self.a, "%b": self.b, "%out": self.out}
        object.__setattr__(self, "context", np.array([slots[name].ctypes.data for name in SLOTS], dtype=np.int64))

    def call(self, address: int, n: int = 1) -> None:
        """Run one function on this memory."""
        ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(address)(self.context.ctypes.data, n)

    def kernel(self, address: int, keep: object = None) -> Kernel:
        """One function on this memory, for the stopwatch."""
        return Kernel(address, self.context.ctypes.data, (self, keep))


def _bench(row: Instruction, vscale: int, make: dict[str, Array]) -> Bench:
    out = np.zeros(row.out.count(vscale) * itemsize(row.out.dtype) * row.chains, dtype=np.uint8)
    return Bench(row, _aligned(make["acc"]), _aligned(make["a"]), _aligned(make["b"]), _aligned(out))


def _places(row: Instruction) -> tuple[tuple[str, Operand], ...]:
    return (("acc", row.acc), ("a", row.a), ("b", row.b))


def timing_bench(row: Instruction, vscale: int = 1, pattern: str = "varied", seed: int = 0) -> Bench:
    """Memory for timing: normal, varied, non-zero values, or one of the other `PATTERNS`."""
    random = np.random.default_rng(seed)
    make = {
        place: _timed(operand.dtype, operand.count(vscale) * (max(2, row.chains) if place == "acc" else 1), pattern, random, place, row.op)
        for place, operand in _places(row)
    }
    return _bench(row, vscale, make)


@dataclass(frozen=True)
class Trial:
    """A unit compiled for this machine."""

    unit: UnitRow
    code: Code
    vscale: int

    @staticmethod
    def of(unit: UnitRow, target: Target | None = None) -> Trial:
        """Ask the system for the unit, compile its module, and read the vector length. May trap."""
        target = target or Target.host()
        prepare(unit)
        code = compile_ir(unit_ir(unit, target), target)
        vscale = 1
        if unit.scalable:
            answer = np.zeros(1, dtype=np.int64)
            ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(code.address("vscale"))(answer.ctypes.data, 1)
            vscale = int(answer[0])
        return Trial(unit, code, vscale)

    def prove(self, seed: int = 0) -> dict[str, Proof]:
        """Run each instruction once on both kinds of data. Keys are instruction names with their width (`vpdpbusd/512`)."""
        return {key(row): self._prove_one(k, row, seed) for k, row in enumerate(self.unit.instructions)}

    def _prove_one(self, number: int, row: Instruction, seed: int) -> Proof:
        random = np.random.default_rng(seed)
        for exact in (True, False):
            make = {p: (_exact if exact else _random)(o.dtype, o.count(self.vscale), random) for p, o in _places(row)}
            # Units with state load all their accumulators, even for one step.
            bench = _bench(row, self.vscale, make | {"acc": np.tile(make["acc"], row.chains)})
            bench.call(self.code.address(f"check_{number}"))
            wanted, scale = _wanted(row, make)
            count = row.out.count(self.vscale)
            found = bench.out[: count * itemsize(row.out.dtype)].view(DTYPES[row.out.dtype][1])
            wrong = _wrong(found, wanted, scale, 0.0 if exact else row.tolerance)
            if wrong:
                return Proof(False, f"{'exact' if exact else 'random'} values: {wrong}")
        return Proof(True)


def key(row: Instruction) -> str:
    """The name of an instruction within its unit."""
    return f"{row.name}/{row.width_bits}"


def _wanted(row: Instruction, make: dict[str, Array]) -> tuple[Array, Array]:
    """What the instruction means on these values, and the sum of magnitudes in each element."""
    wanted = row.meaning(make["acc"], make["a"], make["b"])
    if row.out.dtype not in FLOATS:
        return wanted.astype(np.int64).astype(DTYPES[row.out.dtype][1]), np.zeros(len(wanted))
    return wanted, np.asarray(row.meaning(*(np.abs(make[place]) for place in ("acc", "a", "b"))), dtype=np.float64)


def _wrong(found: Array, wanted: Array, scale: Array, tolerance: float) -> str:
    """What is wrong in words; empty for a right result."""
    if found.dtype.kind in "iu":
        bad = np.flatnonzero(found != wanted)
    else:
        step = float(ml_dtypes.finfo(found.dtype).eps)  # type: ignore[no-untyped-call]
        bad = np.flatnonzero(~(np.abs(found.astype(np.float64) - wanted) <= tolerance * step * scale))
    if bad.size == 0:
        return ""
    first = int(bad[0])
    return f"{bad.size} of {found.size} elements wrong, element {first} is {found[first]} instead of {wanted[first]}"
