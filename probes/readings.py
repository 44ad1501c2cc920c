"""Collect what the identity and topology probes share: cut-down /proc/cpuinfo, sysctl, getconf, CPUID of one CPU or of all."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..configs.errors import MmbenchError
from ..kernels.emit.cpuid import parse_leaf, read_leaves
from ..kernels.measure.system_files import read_text, under

# glibc's numbers for sysconf(3), which getconf(1) prints under these names; asked directly, since slim containers lack the program.
_GETCONF = {
    name: number
    for number, name in enumerate(
        f"{cache}_{what}"
        for cache in ("LEVEL1_ICACHE", "LEVEL1_DCACHE", "LEVEL2_CACHE", "LEVEL3_CACHE", "LEVEL4_CACHE")
        for what in ("SIZE", "ASSOC", "LINESIZE")
    )
}
_GETCONF_FIRST = 185  # bits/confname.h, _SC_LEVEL1_ICACHE_SIZE


def cpuinfo_lines(root: Path, keys: tuple[str, ...]) -> str | None:
    """/proc/cpuinfo with only the lines of `keys`, a block a CPU; None where it cannot be read."""
    text = read_text(under(root, "/proc/cpuinfo"))
    if text is None:
        return None
    blocks = []
    for block in text.split("\n\n"):
        kept = [line.rstrip() for line in block.splitlines() if line.partition(":")[0].strip() in keys]
        if kept:
            blocks.append("\n".join(kept))
    return "\n\n".join(blocks)


def cpuinfo_blocks(text: str) -> list[dict[str, str]]:
    """/proc/cpuinfo text as one dict a block."""
    blocks = []
    for block in text.split("\n\n"):
        pairs = (line.partition(":") for line in block.splitlines())
        values = {name.strip(): value.strip() for name, colon, value in pairs if colon}
        if values:
            blocks.append(values)
    return blocks


def distinct_blocks(text: str) -> str:
    """Blocks that differ in more than the CPU's own number: one for each kind of core."""
    seen: dict[str, str] = {}
    for block in text.split("\n\n"):
        seen.setdefault("\n".join(line for line in block.splitlines() if not re.match(r"processor\s*:", line)), block)
    return "\n\n".join(seen.values())


def read_sysctl() -> dict[str, str]:
    """macOS: the hw.* and machdep.cpu.* values; empty elsewhere."""
    if platform.system() != "Darwin":
        return {}
    try:
        done = subprocess.run(
            ["/usr/sbin/sysctl", "hw", "machdep.cpu", "kern.hv_vmm_present"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    pairs = (line.partition(":") for line in done.stdout.splitlines())
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}


def read_getconf() -> dict[str, str]:
    """What the C library says of the caches, under getconf's names; empty without glibc, whose numbers these are."""
    if platform.libc_ver()[0] != "glibc" or not hasattr(os, "sysconf"):
        return {}
    values = {}
    for name, offset in _GETCONF.items():
        try:
            value = os.sysconf(_GETCONF_FIRST + offset)
        except (OSError, ValueError):
            continue
        if value > 0:
            values[name] = str(value)
    return values


def read_cpuid(missing: list[str]) -> dict[str, str]:
    """CPUID of this CPU; empty with a sentence in `missing` where the chip is no x86 or no code can be made executable."""
    try:
        return read_leaves()
    except MmbenchError as error:
        missing.append(f"CPUID: {error.message}")
    except (OSError, RuntimeError) as error:  # LLVM or the system refuses to map executable memory
        missing.append(f"CPUID: {error}")
    return {}


@contextmanager
def _on_cpu(cpu: int) -> Iterator[bool]:
    """Run the block on `cpu` and go back afterwards; false where this thread cannot be moved there."""
    try:
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {cpu})
    except (AttributeError, OSError):
        yield False
        return
    try:
        yield True
    finally:
        os.sched_setaffinity(0, before)


def read_cpuid_by_cpu(leaves: dict[str, str], cpus: tuple[int, ...], missing: list[str]) -> dict[str, dict[str, str]]:
    """Caches, TLBs, topology and core type of each allowed CPU, on hybrid chips only (leaf 7, EDX bit 15); empty elsewhere."""
    features = parse_leaf(leaves, 0x7)
    if features is None or not features[3] >> 15 & 1:
        return {}
    found = {}
    for cpu in cpus:
        with _on_cpu(cpu) as moved:
            if moved:
                found[str(cpu)] = read_leaves(only=(0x4, 0xB, 0x18, 0x1A))
            else:
                missing.append(f"core type of CPU {cpu}: this process may not run there")
    return found
