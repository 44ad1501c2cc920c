"""Get memory for measurements: aligned, touched, with huge pages or without them, and verified which.

Pages are written before use (an untouched anonymous page is the shared zero page, one line of cache for the whole buffer).
Whether huge pages were really given is read from the kernel's own account of the mapping (smaps), never assumed. A guest's huge
page need not be huge for its host: no file shows that, but the TLB probe can.
"""

from __future__ import annotations

import mmap
import re
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...configs.errors import NotPossibleError
from ...configs.units import size_words
from .conditions import memory_budget_bytes

HUGE_BYTES = 2 * 1024 * 1024
_SURELY_THERE_BYTES = 16 * 1024 * 1024  # asking takes about a millisecond, which small buffers are spared
_RAISE = "lower the load or raise the limit"
_MADV_HUGEPAGE = getattr(mmap, "MADV_HUGEPAGE", None)
_MADV_NOHUGEPAGE = getattr(mmap, "MADV_NOHUGEPAGE", None)


class Buffer:
    """Anonymous memory of `size_bytes`, aligned to 2 MiB, every page touched.

    `pages` is what was asked for: `huge`, `small` or `default`. `huge_share` is the share of the buffer that the kernel says is on huge
    pages; None where the system does not tell. Raises NotPossibleError when the memory cannot be had.
    """

    def __init__(self, size_bytes: int, pages: str = "default") -> None:
        self.size_bytes = size_bytes
        self.pages = pages
        length = (size_bytes + HUGE_BYTES - 1) // HUGE_BYTES * HUGE_BYTES + HUGE_BYTES
        _check_room(length)
        try:
            self._map = _anonymous(length)
        except (OSError, ValueError, OverflowError, MemoryError) as error:
            raise NotPossibleError(f"{size_bytes} bytes of memory cannot be had: {error}", _RAISE) from error
        advice = {"huge": _MADV_HUGEPAGE, "small": _MADV_NOHUGEPAGE}.get(pages)
        self.advice_error = ""
        if advice is not None:
            try:
                self._map.madvise(advice)
            except OSError as error:
                self.advice_error = str(error.strerror)
        elif pages != "default":
            self.advice_error = f"{sys.platform} has no way to ask for {pages} pages"
        everything = np.frombuffer(self._map, dtype=np.uint8)
        base = everything.ctypes.data
        start = -base % HUGE_BYTES
        self.bytes: NDArray[np.uint8] = everything[start : start + size_bytes]
        self.address: int = base + start
        self.bytes[:: mmap.PAGESIZE] = 1

    @property
    def words(self) -> NDArray[np.int64]:
        """The buffer as 64-bit words."""
        return self.bytes[: self.size_bytes // 8 * 8].view(np.int64)

    @property
    def huge_share(self) -> float | None:
        """Share on huge pages by /proc/self/smaps (AnonHugePages of the mapping), None where that cannot be read."""
        found = _anonymous_huge_bytes(self.address, self.address + self.size_bytes)
        return None if found is None else min(1.0, found / max(self.size_bytes, 1))

    def close(self) -> None:
        """Give the memory back. Views of it must be gone: they would point nowhere."""
        self.bytes = np.zeros(0, dtype=np.uint8)
        try:
            self._map.close()
        except BufferError:  # a view is still held: the map goes when the last view does
            return


def _check_room(length: int) -> None:
    """NotPossibleError for what a control group would answer with a kill: it promises memory freely, and ends who touches it."""
    if length < _SURELY_THERE_BYTES:
        return
    room, source = memory_budget_bytes()
    if length > room:
        raise NotPossibleError(f"{size_words(length)} of memory cannot be had: {size_words(room)} may be used ({source})", _RAISE)


def _anonymous(length: int) -> mmap.mmap:
    """Private pages: Python's default is a shared mapping, which gets huge pages only where shmem is set up for them."""
    if sys.platform == "win32":
        return mmap.mmap(-1, length)
    return mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def _anonymous_huge_bytes(start: int, end: int) -> int | None:
    try:
        text = Path("/proc/self/smaps").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    total, inside = 0, False
    for line in text.splitlines():
        head = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line)
        if head:
            inside = int(head[1], 16) < end and int(head[2], 16) > start
        elif inside and line.startswith("AnonHugePages:"):
            total += int(line.split()[1]) * 1024
    return total
