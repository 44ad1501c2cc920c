"""Put memory on a chosen NUMA node, and read back on which node it really lies. Linux only; elsewhere the reason is said.

The calls are made through libc's `syscall`, for libnuma is rarely installed. A policy is a wish that a control group or a full node may
override, so whoever sets one must verify. Source: set_mempolicy(2), move_pages(2); call numbers from Linux
arch/x86/entry/syscalls/syscall_64.tbl, arch/powerpc/kernel/syscalls/syscall.tbl and include/uapi/asm-generic/unistd.h.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import platform
import sys
from collections.abc import Iterator
from typing import Protocol

_MPOL_DEFAULT, _MPOL_BIND = 0, 2
_NODES = 1024  # bits of a node mask
_GENERIC = (237, 239)
_NUMBERS = {"x86_64": (238, 279), "aarch64": _GENERIC, "riscv64": _GENERIC, "loongarch64": _GENERIC, "ppc64le": (261, 301)}
_SAMPLED_PAGES = 256


class NodeCalls(Protocol):
    """The two calls that placement needs; tests give a fake one."""

    def set_policy(self, nodes: tuple[int, ...]) -> str:
        """Take the calling thread's new pages from these nodes only, from anywhere for none; empty, or why not."""
        ...

    def nodes_of(self, addresses: list[int]) -> list[int] | str:
        """The node of the page at each address (negative: not there), or why it cannot be told."""
        ...


class LinuxNodeCalls:
    """The calls as this kernel offers them."""

    def __init__(self) -> None:
        self._numbers = _NUMBERS.get(platform.machine().lower()) if sys.platform.startswith("linux") else None
        self._syscall = ctypes.CDLL(None, use_errno=True).syscall if self._numbers else None

    def _call(self, which: int, *arguments: object) -> str:
        if self._numbers is None or self._syscall is None:
            return f"NUMA calls are not known for {sys.platform} on {platform.machine()}"
        result = self._syscall(ctypes.c_long(self._numbers[which]), *arguments)
        return "" if result == 0 else os.strerror(ctypes.get_errno())

    def set_policy(self, nodes: tuple[int, ...]) -> str:
        """See NodeCalls."""
        mask = (ctypes.c_uint64 * (_NODES // 64))()
        for node in nodes:
            mask[node // 64] |= 1 << node % 64
        mode = _MPOL_BIND if nodes else _MPOL_DEFAULT
        why = self._call(0, ctypes.c_int(mode), mask if nodes else None, ctypes.c_ulong(_NODES + 1 if nodes else 0))
        return f"the system refuses a memory policy: {why}" if why else ""

    def nodes_of(self, addresses: list[int]) -> list[int] | str:
        """See NodeCalls."""
        count = len(addresses)
        pages = (ctypes.c_void_p * count)(*addresses)
        found = (ctypes.c_int * count)(*([-1] * count))
        why = self._call(1, ctypes.c_int(0), ctypes.c_ulong(count), pages, None, found, ctypes.c_int(0))
        return f"the system does not tell where pages lie: {why}" if why else list(found)


@contextlib.contextmanager
def memory_on(node: int, calls: NodeCalls) -> Iterator[str]:
    """Take the calling thread's new pages from `node` for a while; yields the reason where that cannot be."""
    reason = calls.set_policy((node,))
    try:
        yield reason
    finally:
        if not reason:
            calls.set_policy(())


def share_on(node: int, address: int, size_bytes: int, calls: NodeCalls) -> float | str:
    """The share of the pages of a range (evenly sampled) that lie on `node`, or why it cannot be told."""
    pages = max(1, size_bytes // mmap.PAGESIZE)
    count = min(pages, _SAMPLED_PAGES)
    found = calls.nodes_of([address + i * pages // count * mmap.PAGESIZE for i in range(count)])
    return found if isinstance(found, str) else sum(n == node for n in found) / count
