"""Lay the arrays of streams over a buffer, and give the stopwatch and the team kernels that walk them.

A set that fits a cache is walked again and again. A set meant for memory is walked in stretches, each pass going on where the one before
ended, so that a sample may be short and still no line is met again before all others were.
Each array begins nine lines past a multiple of the array's length: three arrays at equal places of their pages would make loads wait for
older stores that only look alike in their low twelve address bits (Intel Optimization Manual, 4K aliasing).
"""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass

import numpy as np

from ..emit.jit import compile_ir
from ..emit.streams import (
    STREAM_SLOTS,
    STREAMS,
    UNROLL,
    Stream,
    block_bytes,
    is_scalable,
    register_bytes_ir,
    stream_ir,
    widest_vector_bytes,
)
from ..emit.target import Target
from .affinity import pinned
from .memory import Buffer
from .stopwatch import Kernel

SLACK_BYTES = 4096  # what a buffer needs beyond its working set
_APART_BYTES = 9 * 64
_PATTERN = 4096  # floats


@dataclass(frozen=True, slots=True)
class Width:
    """How wide each access is, and whether by registers whose length shows at run time only."""

    vector_bytes: int
    scalable: bool = False


@functools.cache
def widest_here() -> Width:
    """The widest vectors of this machine. Scalable ones of 16 bytes are passed over on Arm: its cores load more fixed ones a cycle."""
    target = Target.host()
    fixed = Width(widest_vector_bytes(target))
    if not is_scalable(target):
        return fixed
    code = compile_ir(register_bytes_ir(target))
    out = np.zeros(1, dtype=np.int64)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(code.address("register_bytes"))(out.ctypes.data, 1)
    return fixed if target.arch == "aarch64" and out[0] <= fixed.vector_bytes else Width(int(out[0]), True)


def stream(name: str) -> Stream:
    """The stream of this name."""
    return next(s for s in STREAMS if s.name == name)


class Walk:
    """One stream over the first `size_bytes` of a buffer, all arrays together.

    `stretch_bytes` > 0 makes a pass cover only that much (all arrays together) and the next pass go on from there. `pause` > 0 makes that
    many additions follow each block; it can be changed between runs. `size_bytes` is what is really covered, `pass_bytes` what a pass
    counts by STREAM's rule, `passes` how many make a lap.
    """

    def __init__(self, kind: Stream, buffer: Buffer, size_bytes: int, width: Width, *, stretch_bytes: int = 0, pause: int = 0) -> None:
        self.width = width
        self.code = compile_ir(_ir(kind, self.width, pause > 0))
        self.buffer = buffer
        self.kind = kind
        step = UNROLL * self.width.vector_bytes
        each = max(1, size_bytes // kind.arrays // step)
        blocks = min(each, max(1, stretch_bytes // kind.arrays // step)) if stretch_bytes else each
        self.passes = each // blocks
        self.size_bytes = self.passes * blocks * step * kind.arrays
        self.pass_bytes = blocks * block_bytes(kind, self.width.vector_bytes)
        length = self.passes * blocks * step
        if (kind.arrays - 1) * (length + _APART_BYTES) + length > buffer.size_bytes:
            raise ValueError(f"{kind.name} over {size_bytes} bytes does not fit a buffer of {buffer.size_bytes}")
        arrays = [buffer.address + i * (length + _APART_BYTES) if i < kind.arrays else 0 for i in range(3)]
        self.context = np.zeros(STREAM_SLOTS, dtype=np.int64)
        self.context[:] = (*arrays, blocks, blocks * step, self.passes, 0, max(pause, 1))

    @property
    def kernel(self) -> Kernel:
        """For the sampler and the team; a unit of work is a pass."""
        return Kernel(self.code.address(self.kind.function), self.context.ctypes.data, self)

    def pause(self, additions: int) -> None:
        """Make this many additions follow each block (at least one); only for a walk made with a pause."""
        self.context[7] = max(1, additions)

    def run(self, passes: int) -> None:
        """Walk without timing."""
        ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(self.kernel.address)(self.context.ctypes.data, passes)


def _ir(kind: Stream, width: Width, pausing: bool) -> str:
    return stream_ir(kind, Target.host(), width.vector_bytes, scalable=width.scalable, pausing=pausing)


def filled_buffer(size_bytes: int, cpu: int) -> Buffer:
    """A buffer on huge pages where they can be had, touched first on `cpu`, so that its memory is near, and full of varied floats.

    Zeros would draw less power and denormals would stall arithmetic. Raises NotPossibleError like Buffer.
    """
    with pinned(cpu):
        buffer = Buffer((size_bytes + SLACK_BYTES + 4 * _PATTERN - 1) // (4 * _PATTERN) * (4 * _PATTERN), "huge")
        pattern = np.random.default_rng(1).uniform(1.0, 2.0, _PATTERN).astype(np.float32)
        buffer.bytes.view(np.float32).reshape(-1, _PATTERN)[:] = pattern
    return buffer
