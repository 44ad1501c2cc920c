"""Lay chains of pointers through memory for latency measurements.

One node a line, at a random word of that line (one node at the start of each page mis-measures cores that index by the low bits).
Every order is a single cycle drawn uniformly (what Sattolo's algorithm draws), so a chase visits every node before any again.

Two orders: `grouped` visits all lines of 1 MiB in random order, then those of the next: the TLB's second level holds the pages of a
group even where a guest's huge pages are small for its host, and the *cache* shows. `random` is one cycle over everything: cache and
address translation together, what an application meets.

The group's size was measured on an Emerald Rapids guest (512 MiB, cycles a load, nodes 64 B and 128 B apart): groups of 256 KiB 186 and
435, the region prefetcher still finding its pages; 512 KiB 388 and 398; 1 MiB 379 and 401; 64 MiB 637 and 445, with TLB misses.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..emit.jit import Code, compile_ir
from ..emit.streams import CHASE_UNROLL, chase_ir
from ..emit.touch import touch_ir
from .memory import Buffer
from .stopwatch import Kernel

GROUP_BYTES = 1024 * 1024
_PATTERNS = 16  # different orders within a group; groups draw from them


class Chase:
    """A chain in a buffer, and the kernel that follows it.

    `random`, `grouped` and `through` lay a new chain. A grouped chain over several groups can be shortened or lengthened in whole
    groups by `resize`, which changes one pointer, so that a curve over many sizes needs one laying.
    """

    def __init__(self, buffer: Buffer, line_bytes: int = 64, seed: int = 0) -> None:
        self.buffer = buffer
        self.line_bytes = line_bytes
        self.rng = np.random.default_rng(seed)
        self.code: Code = compile_ir(chase_ir() + touch_ir())
        self.context = np.zeros(1, dtype=np.int64)
        self.nodes = 0
        self._entries: NDArray[np.int64] = np.zeros(0, dtype=np.int64)  # first node of each group
        self._exits: NDArray[np.int64] = np.zeros(0, dtype=np.int64)  # word index of each group's last node
        self._closed = -1  # index of the group that leads back to the first; -1 for a chain without groups
        self._per_group = 0

    @property
    def kernel(self) -> Kernel:
        """For the sampler; a unit of work is `CHASE_UNROLL` loads."""
        return Kernel(self.code.address("chase"), self.context.ctypes.data, self)

    @property
    def is_grouped(self) -> bool:
        """Whether the chain has groups, which `touch` and `resize` need."""
        return self._closed >= 0

    def run(self, loads: int) -> None:
        """Follow the chain without timing it."""
        self._call("chase", self.context, max(1, loads // CHASE_UNROLL))

    def touch(self) -> None:
        """Touch every line of a grouped chain once, group by group as the chain does, in a random order within each.

        Leaves the caches as a lap of the chase would, many times faster: the loads are independent. (A linear pass would not do: its
        lines are taken for a stream, which some last-level caches do not keep.) ValueError for a chain without groups.
        """
        if not self.is_grouped:
            raise ValueError("only a grouped chain of several groups can be touched")
        offsets = self.rng.permutation(self._per_group).astype(np.int64) * self.line_bytes
        slots = np.array([self.buffer.address, self._per_group * self.line_bytes, offsets.ctypes.data, len(offsets)], dtype=np.int64)
        self._call("touch", slots, self._closed + 1)

    def _call(self, name: str, context: NDArray[np.int64], n: int) -> None:
        call: Callable[[int, int], None] = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(self.code.address(name))
        call(context.ctypes.data, n)

    def through(self, offsets: NDArray[np.int64]) -> None:
        """One cycle through the nodes at these byte offsets, in this order."""
        words = self.buffer.words
        words[offsets >> 3] = self.buffer.address + np.roll(offsets, -1)
        self.nodes = len(offsets)
        self.context[0] = self.buffer.address + int(offsets[0])
        self._closed = -1

    def random(self, size_bytes: int) -> None:
        """A random cycle over all lines of the first `size_bytes`."""
        lines = max(2, size_bytes // self.line_bytes)
        order = self.rng.permutation(lines)
        self.through(order * self.line_bytes + self._words(lines))

    def grouped(self, size_bytes: int) -> None:
        """A cycle that finishes each group of pages, in random order within the group, before the next.

        The groups share `size_bytes` evenly, so that every size can be had; they are `GROUP_BYTES` each when it is a multiple of that.
        """
        groups = size_bytes // GROUP_BYTES
        if groups < 2:
            self.random(size_bytes)
            return
        per_group = self._per_group = size_bytes // groups // self.line_bytes
        group_bytes = per_group * self.line_bytes
        words = self.buffer.words[: groups * group_bytes // 8].reshape(groups, group_bytes // 8)
        chosen = self.rng.integers(0, _PATTERNS, groups)
        self._entries = np.zeros(groups, dtype=np.int64)
        self._exits = np.zeros(groups, dtype=np.int64)
        bases = np.arange(groups, dtype=np.int64) * group_bytes
        for pattern in np.unique(chosen):
            mine = np.flatnonzero(chosen == pattern)
            offsets = self.rng.permutation(per_group) * self.line_bytes + self._words(per_group)
            following = np.roll(offsets, -1)
            for g in mine:
                words[g, offsets >> 3] = following + (self.buffer.address + int(bases[g]))
            self._entries[mine] = self.buffer.address + bases[mine] + offsets[0]
            self._exits[mine] = (bases[mine] + offsets[-1]) >> 3
        self.buffer.words[self._exits[:-1]] = self._entries[1:]
        self._close(groups - 1)

    def resize(self, size_bytes: int) -> None:
        """Make the grouped chain cover the first `size_bytes` (rounded to groups); the walk goes on where it was, if that is still inside.

        Going on, not back to the start: the first groups would be visited at every size, and so be kept by every cache.
        """
        if self._closed < 0:
            raise ValueError("only a grouped chain of several groups can be resized")
        last = min(len(self._entries), max(1, round(size_bytes / (self._per_group * self.line_bytes)))) - 1
        if self._closed + 1 < len(self._entries):
            self.buffer.words[self._exits[self._closed]] = self._entries[self._closed + 1]
        here = int(self.context[0])
        self._close(last)
        if here < self.buffer.address + self.nodes * self.line_bytes:
            self.context[0] = here

    def _close(self, last: int) -> None:
        self.buffer.words[self._exits[last]] = self._entries[0]
        self._closed = last
        self.nodes = (last + 1) * self._per_group
        self.context[0] = self._entries[0]

    def _words(self, count: int) -> NDArray[np.int64]:
        """A random word of its line for each of `count` nodes, in bytes."""
        return self.rng.integers(0, self.line_bytes // 8, count) * 8
