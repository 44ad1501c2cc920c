"""Collect what every source says of caches and TLBs, side by side: sysfs, CPUID, sysctl, getconf, /proc/cpuinfo.

Nothing is merged or corrected here: sources that differ are a finding. All functions are pure over a curve's readings.
Known flaws: CPUID counts how many CPUs *could* share a cache (reserved numbers, often a power of two), sysfs how many do. glibc's
getconf repeats CPUID on x86. Hypervisors pass CPUID of the host's last-level cache through, whatever share the guest may use.
Sources: Intel SDM vol. 2A CPUID leaves 2, 4, 18H; AMD APM vol. 3 E.4 (80000005H, 80000006H, 80000019H, 8000001DH); Linux
arch/x86/kernel/cpu/cacheinfo.c and intel.c (tables of the descriptors and of the encoded ways),
Documentation/ABI/testing/sysfs-devices-system-cpu; Apple developer documentation, "Determining system capabilities" (hw.*).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..configs.curve import Curve
from ..configs.machine import CacheClaim, Machine
from ..kernels.emit.cpuid import Registers, parse_leaf
from ..kernels.measure.system_files import cpu_list, whole_number

_KINDS = {1: "data", 2: "instruction", 3: "unified"}
# Ways as the extended leaves encode them. 0xF is full; 7 (Intel) and 9 (AMD) send the reader to the deterministic leaf.
_WAYS = {1: 1, 2: 2, 4: 4, 6: 8, 8: 16, 0xA: 32, 0xB: 48, 0xC: 64, 0xD: 96, 0xE: 128}
_SEE_DETERMINISTIC = 9

# Legacy descriptors of leaf 2 that are about data or unified caches and TLBs: (level, kind, KiB, ways, line).
_DESCRIPTOR_CACHES = {
    0x0A: (1, "data", 8, 2, 32),
    0x0C: (1, "data", 16, 4, 32),
    0x0D: (1, "data", 16, 4, 64),
    0x0E: (1, "data", 24, 6, 64),
    0x21: (2, "unified", 256, 8, 64),
    0x2C: (1, "data", 32, 8, 64),
    0x30: (1, "instruction", 32, 8, 64),
    0x60: (1, "data", 16, 8, 64),
    0x66: (1, "data", 8, 4, 64),
    0x67: (1, "data", 16, 4, 64),
    0x68: (1, "data", 32, 4, 64),
    0x78: (2, "unified", 1024, 4, 64),
    0x7D: (2, "unified", 2048, 8, 64),
    0x80: (2, "unified", 512, 8, 64),
    0x86: (2, "unified", 512, 4, 64),
    0x87: (2, "unified", 1024, 8, 64),
}
# (name, page sizes, entries, ways; 0 for fully associative). Only those for data on which the sources agree: C2H, for one, is 4 KiB
# and 2 MiB pages in one and 2 MiB and 4 MiB in another.
_DESCRIPTOR_TLBS = {
    0x03: ("L1 dTLB", (4096,), 64, 4),
    0x57: ("L1 dTLB", (4096,), 16, 4),
    0x59: ("L1 dTLB", (4096,), 16, 0),
    0x5A: ("L1 dTLB", (2**21, 2**22), 32, 4),
    0x63: ("L1 dTLB", (2**30,), 4, 4),
    0x6B: ("L1 dTLB", (4096,), 256, 8),
    0x6C: ("L1 dTLB", (2**21, 2**22), 128, 8),
    0x6D: ("L1 dTLB", (2**30,), 16, 0),
    0xB3: ("L1 dTLB", (4096,), 128, 4),
    0xB4: ("L1 dTLB", (4096,), 256, 4),
    0xBA: ("L1 dTLB", (4096,), 64, 4),
    0xC1: ("L2 TLB", (4096, 2**21), 1024, 8),
    0xCA: ("L2 TLB", (4096,), 512, 4),
}


@dataclass(frozen=True, slots=True)
class TlbClaim:
    """What one source says of one TLB for one page size. `ways` is 0 for fully associative or where the source does not say."""

    name: str  # L1 dTLB, L1 iTLB, L2 TLB
    page_bytes: int
    entries: int
    ways: int
    source: str


def leaves_of(readings: dict[str, Any], cpu: int | None = None) -> dict[str, str]:
    """The CPUID answers of the CPU that the probe ran on, or of `cpu` where each was asked."""
    found = readings.get("cpuid") if cpu is None else (readings.get("cpuid_by_cpu") or {}).get(str(cpu))
    return found if isinstance(found, dict) else {}


def files_of(readings: dict[str, Any]) -> dict[str, str]:
    """The file texts among the readings."""
    files = readings.get("files")
    return {str(path): str(text) for path, text in files.items()} if isinstance(files, dict) else {}


def cache_claims(readings: dict[str, Any], cpu: int | None = None) -> tuple[CacheClaim, ...]:
    """Every source's claims for the caches of `cpu` (the probe's own CPU by default), by level within a source."""
    files, leaves = files_of(readings), leaves_of(readings)
    if cpu is not None:
        leaves = leaves | leaves_of(readings, cpu)
    claims = [
        *_from_sysfs(files, cpu if cpu is not None else _home_cpu(readings)),
        *_from_leaf(leaves, 0x4, "cpuid.4"),
        *_from_leaf(leaves, 0x8000001D, "cpuid.8000001d"),
        *_from_extended(leaves),
        *_from_descriptors(leaves),
        *_from_sysctl(sysctl_values(readings.get("sysctl"))),
        *_from_getconf(readings.get("getconf") or {}),
        *_from_cpuinfo(files.get("/proc/cpuinfo", "")),
    ]
    return tuple(dict.fromkeys(claims))


def _home_cpu(readings: dict[str, Any]) -> int:
    cpu = readings.get("cpu")
    return cpu if isinstance(cpu, int) else 0


def _size(text: str | None) -> int:
    """`48K`, `2048 KB`, `32M` in bytes, 0 for anything else."""
    match = re.fullmatch(r"\s*(\d{1,12})\s*([KMG]?)i?B?\s*", text or "", re.IGNORECASE)
    return int(match[1]) * {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}[match[2].upper()] if match else 0


def _from_sysfs(files: dict[str, str], cpu: int) -> Iterator[CacheClaim]:
    for index in range(16):
        folder = f"/sys/devices/system/cpu/cpu{cpu}/cache/index{index}/"
        level, size = whole_number(files.get(folder + "level")), _size(files.get(folder + "size"))
        kind = files.get(folder + "type", "").lower()
        if level is None or not 1 <= level <= 9 or size <= 0 or kind not in _KINDS.values():
            continue
        ways, line = (whole_number(files.get(folder + name)) or 0 for name in ("ways_of_associativity", "coherency_line_size"))
        shared = len(cpu_list(files.get(folder + "shared_cpu_list")))
        yield CacheClaim("sysfs", level, kind, size, max(0, ways), max(0, line), shared)


def _from_leaf(leaves: dict[str, str], leaf: int, source: str) -> Iterator[CacheClaim]:
    """Deterministic cache parameters; both vendors use one layout."""
    for subleaf in range(16):
        registers = parse_leaf(leaves, leaf, subleaf)
        if registers is None or registers[0] & 0x1F not in _KINDS:
            return
        eax, ebx, ecx, _ = registers
        ways, partitions, line = (ebx >> 22) + 1, (ebx >> 12 & 0x3FF) + 1, (ebx & 0xFFF) + 1
        size = ways * partitions * line * (ecx + 1)
        yield CacheClaim(source, eax >> 5 & 0x7, _KINDS[eax & 0x1F], size, 0 if eax >> 9 & 1 else ways, line, (eax >> 14 & 0xFFF) + 1)


def _from_extended(leaves: dict[str, str]) -> Iterator[CacheClaim]:
    first, second = parse_leaf(leaves, 0x80000005), parse_leaf(leaves, 0x80000006)
    if first:
        for register, kind in ((first[2], "data"), (first[3], "instruction")):
            size, ways = (register >> 24) * 1024, register >> 16 & 0xFF
            if size:
                yield CacheClaim("cpuid.80000005", 1, kind, size, 0 if ways == 0xFF else ways, register & 0xFF)
    if second:
        for level, size, register in ((2, (second[2] >> 16) * 1024, second[2]), (3, (second[3] >> 18) * 512 * 1024, second[3])):
            code = register >> 12 & 0xF
            if size and code not in (0, _SEE_DETERMINISTIC):
                yield CacheClaim("cpuid.80000006", level, "unified", size, _WAYS.get(code, 0), register & 0xFF)


def _descriptors(leaves: dict[str, str]) -> list[int]:
    """The descriptor bytes of leaf 2: the low byte of EAX is a count, and a register with its top bit set holds none."""
    registers: Registers | None = parse_leaf(leaves, 0x2)
    if registers is None:
        return []
    found: list[int] = []
    for index, register in enumerate(registers):
        if not register >> 31:
            found.extend(register >> shift & 0xFF for shift in range(8 if index == 0 else 0, 32, 8))
    return found


def _from_descriptors(leaves: dict[str, str]) -> Iterator[CacheClaim]:
    for byte in _descriptors(leaves):
        if byte in _DESCRIPTOR_CACHES:
            level, kind, kib, ways, line = _DESCRIPTOR_CACHES[byte]
            yield CacheClaim("cpuid.2", level, kind, kib * 1024, ways, line)


def sysctl_values(text: Any) -> dict[str, str]:
    """`name: value` lines as a dict (a dict passes through)."""
    if isinstance(text, dict):
        return {str(name): str(value) for name, value in text.items()}
    pairs = (line.partition(":") for line in str(text or "").splitlines())
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}


def perflevels(values: dict[str, str]) -> list[str]:
    """macOS: a short name for each kind of core, fastest first (`hw.perflevel0` is the fastest): P and E, or the system's own names."""
    names = []
    for level in range(whole_number(values.get("hw.nperflevels")) or 0):
        full = values.get(f"hw.perflevel{level}.name", "")
        names.append({"Performance": "P", "Efficiency": "E", "Super": "S"}.get(full, full or f"level{level}"))
    return names


def _from_sysctl(values: dict[str, str]) -> Iterator[CacheClaim]:
    """macOS. `hw.l1dcachesize` and its like describe one kind of core, not always the fast one; `hw.perflevelN.*` say which."""
    line = whole_number(values.get("hw.cachelinesize")) or 0
    sources = {"hw.": "sysctl"} | {f"hw.perflevel{n}.": f"sysctl {kind}" for n, kind in enumerate(perflevels(values))}
    for prefix, source in sources.items():
        shared = whole_number(values.get(prefix + "cpusperl2")) or 0
        for name, level, kind in (("l1d", 1, "data"), ("l1i", 1, "instruction"), ("l2", 2, "unified"), ("l3", 3, "unified")):
            size = whole_number(values.get(f"{prefix}{name}cachesize")) or 0
            if size > 0:
                yield CacheClaim(source, level, kind, size, 0, max(0, line), max(0, shared) if level == 2 else 0)


def _from_getconf(values: dict[str, Any]) -> Iterator[CacheClaim]:
    for name, level, kind in (
        *(("LEVEL1_DCACHE", 1, "data"), ("LEVEL1_ICACHE", 1, "instruction")),
        *(("LEVEL2_CACHE", 2, "unified"), ("LEVEL3_CACHE", 3, "unified"), ("LEVEL4_CACHE", 4, "unified")),
    ):
        size, ways, line = (whole_number(str(values.get(f"{name}_{what}", ""))) or 0 for what in ("SIZE", "ASSOC", "LINESIZE"))
        if size > 0:
            yield CacheClaim("getconf", level, kind, size, max(0, ways), max(0, line))


def _from_cpuinfo(text: str) -> Iterator[CacheClaim]:
    """`cache size`: the last level on Intel, L2 on AMD (Linux arch/x86/kernel/cpu/cacheinfo.c); no source says so in the file."""
    size, vendor = (re.search(rf"^{name}\s*:\s*(.+)$", text, re.MULTILINE) for name in ("cache size", "vendor_id"))
    if size and vendor and _size(size[1]):
        intel = vendor[1].strip() == "GenuineIntel"
        yield CacheClaim("cpuinfo", 3 if intel else 2, "unified", _size(size[1]))


def tlb_claims(curve: Curve) -> tuple[TlbClaim, ...]:
    """What CPUID says of the TLBs, from a topology curve: leaf 18H, the extended leaves, leaf 2. Empty on other chips: no file says."""
    leaves = leaves_of(curve.readings)
    return tuple(dict.fromkeys([*_tlb_leaf_18(leaves), *_tlb_extended(leaves), *_tlb_descriptors(leaves)]))


def _tlb_leaf_18(leaves: dict[str, str]) -> Iterator[TlbClaim]:
    for subleaf in range(17):
        registers = parse_leaf(leaves, 0x18, subleaf)
        if registers is None or registers[3] & 0x1F == 0:
            continue
        _, ebx, sets, edx = registers
        kind = {1: "dTLB", 2: "iTLB", 3: "TLB", 4: "dTLB (loads)", 5: "dTLB (stores)"}.get(edx & 0x1F)
        ways, fully = ebx >> 16, bool(edx >> 8 & 1)
        if kind is None or not ways or not sets:
            continue
        for bit, page_bytes in enumerate((4096, 2**21, 2**22, 2**30)):
            if ebx >> bit & 1:
                yield TlbClaim(f"L{edx >> 5 & 7} {kind}", page_bytes, ways * sets, 0 if fully else ways, "cpuid.18")


def _tlb_extended(leaves: dict[str, str]) -> Iterator[TlbClaim]:
    first, second, third = (parse_leaf(leaves, leaf) for leaf in (0x80000005, 0x80000006, 0x80000019))
    if first:
        for register, page_bytes in ((first[1], 4096), (first[0], 2**21)):
            for shift, name in ((16, "L1 dTLB"), (0, "L1 iTLB")):
                entries, ways = register >> shift & 0xFF, register >> (shift + 8) & 0xFF
                if entries:
                    yield TlbClaim(name, page_bytes, entries, 0 if ways == 0xFF else ways, "cpuid.80000005")
    rows: list[tuple[int, int, int, str]] = []
    if second:
        rows += [(2, second[1], 4096, "cpuid.80000006"), (2, second[0], 2**21, "cpuid.80000006")]
    if third:
        rows += [(1, third[0], 2**30, "cpuid.80000019"), (2, third[1], 2**30, "cpuid.80000019")]
    for level, register, page_bytes, source in rows:
        for shift, name in ((16, "dTLB"), (0, "iTLB")):
            entries, code = register >> shift & 0xFFF, register >> (shift + 12) & 0xF
            if entries and code:
                yield TlbClaim(f"L{level} {name}", page_bytes, entries, _WAYS.get(code, 0), source)


def _tlb_descriptors(leaves: dict[str, str]) -> Iterator[TlbClaim]:
    for byte in _descriptors(leaves):
        if byte in _DESCRIPTOR_TLBS:
            name, pages, entries, ways = _DESCRIPTOR_TLBS[byte]
            for page_bytes in pages:
                yield TlbClaim(name, page_bytes, entries, ways, "cpuid.2")


def claimed_line(machine: Machine) -> int:
    """The largest line that any source claims for data, 64 where none does."""
    return max((c.line_bytes for c in machine.cache_claims if c.kind != "instruction" and c.line_bytes in (32, 64, 128, 256)), default=64)
