"""Ask an x86 chip about itself by the CPUID and XGETBV instructions, through emitted code: no file of the system is needed.

Under a hypervisor the host answers, and may mask what the chip has. Each call leaves the guest (some 1 to 70 µs), so nothing here
belongs in a timed region. Sources: Intel SDM vol. 2A CPUID, vol. 1 13.3; AMD APM vol. 3 appendix E.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable

from ...configs.errors import NotPossibleError
from .jit import Code, compile_ir
from .target import host_arch

Registers = tuple[int, int, int, int]  # eax, ebx, ecx, edx

# One buffer of six 32-bit words: leaf and subleaf in, four registers out.
_IR = """
define void @mmbench_cpuid(ptr %io) {
  %p1 = getelementptr i32, ptr %io, i64 1
  %p2 = getelementptr i32, ptr %io, i64 2
  %p3 = getelementptr i32, ptr %io, i64 3
  %p4 = getelementptr i32, ptr %io, i64 4
  %p5 = getelementptr i32, ptr %io, i64 5
  %leaf = load i32, ptr %io
  %subleaf = load i32, ptr %p1
  %r = call { i32, i32, i32, i32 } asm sideeffect "cpuid",
      "={ax},={bx},={cx},={dx},0,2,~{dirflag},~{fpsr},~{flags}"(i32 %leaf, i32 %subleaf)
  %a = extractvalue { i32, i32, i32, i32 } %r, 0
  %b = extractvalue { i32, i32, i32, i32 } %r, 1
  %c = extractvalue { i32, i32, i32, i32 } %r, 2
  %d = extractvalue { i32, i32, i32, i32 } %r, 3
  store i32 %a, ptr %p2
  store i32 %b, ptr %p3
  store i32 %c, ptr %p4
  store i32 %d, ptr %p5
  ret void
}

define void @mmbench_xgetbv(ptr %io) {
  %p1 = getelementptr i32, ptr %io, i64 1
  %index = load i32, ptr %io
  %r = call { i32, i32 } asm sideeffect "xgetbv", "={ax},={dx},{cx},~{dirflag},~{fpsr},~{flags}"(i32 %index)
  %a = extractvalue { i32, i32 } %r, 0
  %d = extractvalue { i32, i32 } %r, 1
  store i32 %a, ptr %io
  store i32 %d, ptr %p1
  ret void
}
"""


@functools.cache
def _compiled() -> tuple[Code, Callable[[ctypes.Array[ctypes.c_uint32]], None], Callable[[ctypes.Array[ctypes.c_uint32]], None]]:
    if host_arch() != "x86_64":
        raise NotPossibleError(f"CPUID is an x86 instruction; this machine is {host_arch()}")
    code = compile_ir(_IR)
    prototype = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
    return code, prototype(code.address("mmbench_cpuid")), prototype(code.address("mmbench_xgetbv"))


def cpuid(leaf: int, subleaf: int = 0) -> Registers:
    """EAX, EBX, ECX and EDX of one leaf on the CPU that runs this thread; NotPossibleError where the chip is no x86.

    A leaf above the highest one (leaf 0 or 0x80000000, EAX) returns other leaves' data on Intel: check first.
    """
    io = (ctypes.c_uint32 * 6)(leaf, subleaf)
    _compiled()[1](io)
    return io[2], io[3], io[4], io[5]


def xgetbv(index: int = 0) -> int:
    """The extended control register `index` (0: which register states the system saves).

    NotPossibleError where the chip is no x86 or the system does not use XSAVE (the instruction would trap).
    """
    _, _, features, _ = cpuid(1)
    if not features >> 27 & 1:  # OSXSAVE
        raise NotPossibleError("the system does not switch on XSAVE, so XGETBV cannot be asked")
    io = (ctypes.c_uint32 * 2)(index)
    _compiled()[2](io)
    return io[0] | io[1] << 32


# Leaves with one answer; those whose subleaves go on until one says that there are no more; those whose first answer counts them
# (EAX). The serial number (leaf 3) and everything that is not about identity, features, caches, TLBs or topology stays unread.
_SINGLE = (
    *(0x0, 0x1, 0x2, 0x6, 0x15, 0x16, 0x19, 0x1A, 0x21),
    *(0x40000000, 0x40000001, 0x40000010),
    *(*range(0x80000000, 0x80000009), 0x80000019, 0x8000001A, 0x8000001E, 0x80000021),
)
_LISTED = (0x4, 0xB, 0xD, 0x1F, 0x8000001D, 0x80000026)
_COUNTED = (0x7, 0x18, 0x1D, 0x1E, 0x24)
_SUBLEAF_LIMIT = 16


def _last(leaf: int, subleaf: int, registers: Registers) -> bool:
    """Whether the leaf has no further subleaf worth reading."""
    eax, _, ecx, _ = registers
    if leaf in (0x4, 0x8000001D):
        return eax & 0x1F == 0  # no more caches
    if leaf in (0xB, 0x1F, 0x80000026):
        return ecx >> 8 & 0xFF == 0  # level type: invalid
    if leaf == 0xD:
        return subleaf >= 1
    return False


def leaf_key(leaf: int, subleaf: int = 0) -> str:
    """The name under which `read_leaves` keeps one answer: `0x4.2`."""
    return f"0x{leaf:x}.{subleaf}"


def read_leaves(only: tuple[int, ...] = ()) -> dict[str, str]:
    """The answers of this thread's CPU as `{"0x4.0": "04000121 02c0003f 0000003f 00000000"}`; NotPossibleError where it is no x86.

    `only` keeps to some leaves (for asking every CPU of a hybrid chip). Leaves above the chip's highest are left out.
    """
    highest = {0x0: cpuid(0)[0], 0x80000000: cpuid(0x80000000)[0]}
    if cpuid(1)[2] >> 31 & 1:  # a hypervisor: without one, 0x40000000 holds other leaves' data
        highest[0x40000000] = cpuid(0x40000000)[0]
    asked = [leaf for leaf in (*_SINGLE, *_LISTED, *_COUNTED) if leaf <= highest.get(leaf & 0xC0000000, -1)]
    found: dict[str, str] = {}
    for leaf in asked:
        if only and leaf not in only:
            continue
        first = cpuid(leaf)
        found[leaf_key(leaf)] = _hex(first)
        if leaf in _COUNTED:
            subleaves = range(1, min(first[0], _SUBLEAF_LIMIT) + 1)
            found.update({leaf_key(leaf, subleaf): _hex(cpuid(leaf, subleaf)) for subleaf in subleaves})
        elif leaf in _LISTED and not _last(leaf, 0, first):
            found.update(_listed(leaf))
    return found


def _listed(leaf: int) -> dict[str, str]:
    """Subleaf 1 and on, up to the one that says there are no more."""
    found: dict[str, str] = {}
    for subleaf in range(1, _SUBLEAF_LIMIT):
        registers = cpuid(leaf, subleaf)
        found[leaf_key(leaf, subleaf)] = _hex(registers)
        if _last(leaf, subleaf, registers):
            break
    return found


def _hex(registers: Registers) -> str:
    return " ".join(f"{value:08x}" for value in registers)


def parse_leaf(leaves: dict[str, str], leaf: int, subleaf: int = 0) -> Registers | None:
    """The registers of one answer out of `read_leaves`, or None where it is absent or no four hexadecimal words."""
    words = str(leaves.get(leaf_key(leaf, subleaf), "")).split()
    try:
        values = [int(word, 16) for word in words]
    except ValueError:
        return None
    if len(values) != 4 or any(not 0 <= value < 2**32 for value in values):
        return None
    return values[0], values[1], values[2], values[3]
