"""How the CPUs are laid out: packages, cores, threads, kinds of core, NUMA nodes; and what each source claims of the caches.

Method: sysfs first, then /proc/cpuinfo, then CPUID and the system's own counts; each Fact says which. Kinds of core (hybrid chips)
are told apart by the PMU folders (x86 Linux), the core type of CPUID 1AH, part number and capacity (Arm), or performance levels
(macOS, which does not say which CPU is which). The machine's id is made here, from identity and topology together.
Known flaws: in a container the counts are the host's, the allowed CPUs are this process's. Guests often see a flat topology.
Sources: Linux Documentation/admin-guide/cputopology.rst, Documentation/ABI/testing/sysfs-devices-system-cpu; Intel SDM CPUID 0BH, 1AH, 1FH.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import platform
import re
from typing import Any

from ..configs.curve import Curve
from ..configs.facts import Fact, reported, unknown
from ..configs.machine import CacheClaim, Cpu, Machine, Topology
from ..kernels.emit.cpuid import parse_leaf
from ..kernels.emit.target import host_arch
from ..kernels.measure.system_files import cpu_list, read_files, whole_number
from .claims import TlbClaim, cache_claims, files_of, leaves_of, perflevels, sysctl_values, tlb_claims
from .context import Context
from .readings import cpuinfo_blocks, cpuinfo_lines, read_cpuid, read_cpuid_by_cpu, read_getconf, read_sysctl
from .registry import probe

__all__ = ["TlbClaim", "fingerprint", "infer", "machine_id", "measure", "tlb_claims"]

_CPU = "/sys/devices/system/cpu"
_FILES = (
    f"{_CPU}/online",
    f"{_CPU}/present",
    *(f"{_CPU}/cpu[0-9]*/topology/{name}" for name in ("physical_package_id", "core_id", "die_id", "cluster_id", "thread_siblings_list")),
    f"{_CPU}/cpu[0-9]*/cpu_capacity",
    f"{_CPU}/cpu[0-9]*/regs/identification/midr_el1",
    "/sys/devices/cpu_core/cpus",
    "/sys/devices/cpu_atom/cpus",
    "/sys/devices/cpu_lowpower/cpus",
    "/sys/devices/system/node/online",
    "/sys/devices/system/node/node[0-9]*/cpulist",
    "/sys/devices/system/node/node[0-9]*/distance",
)
_CACHE_FILES = ("level", "type", "size", "ways_of_associativity", "coherency_line_size", "shared_cpu_list")
_CPUINFO_KEYS = (
    *("processor", "vendor_id", "physical id", "siblings", "core id", "cpu cores", "cache size"),
    *("CPU implementer", "CPU part", "CPU variant", "CPU revision", "hart", "uarch"),
)
# Capacities this close belong to one kind of core: favoured cores of one design differ by a few percent in top frequency.
_SAME_CAPACITY = 0.9


@probe("topology", version=1, needs=("identity",), seconds=(0.3, 0.3, 0.3))
def measure(context: Context) -> Curve:
    """Collect the system's files, CPUID (of every CPU on a hybrid chip), sysctl and getconf."""
    missing: list[str] = []
    files = read_files(context.root, _FILES)
    shown = {context.cpu, *_representatives(files)}
    for cpu in sorted(shown):
        files |= read_files(context.root, [f"{_CPU}/cpu{cpu}/cache/index[0-9]*/{name}" for name in _CACHE_FILES])
    cpuinfo = cpuinfo_lines(context.root, _CPUINFO_KEYS)
    if cpuinfo is not None:
        files["/proc/cpuinfo"] = cpuinfo
    if platform.system() == "Linux":
        if not any(path.startswith(f"{_CPU}/") for path in files):
            missing.append(f"{_CPU} cannot be read: cores, packages and nodes come from other sources or stay unknown")
        elif not any("/cache/" in path for path in files):
            missing.append("the system shows no caches in sysfs")
        if not cpuinfo:
            missing.append("/proc/cpuinfo is empty or cannot be read")
    leaves = read_cpuid(missing) if host_arch() == "x86_64" else {}
    readings: dict[str, Any] = {
        "files": files,
        "cpuid": leaves,
        "cpuid_by_cpu": read_cpuid_by_cpu(leaves, context.cpus, missing),
        "sysctl": read_sysctl(),
        "getconf": read_getconf(),
        "allowed": sorted(context.cpus),
        "cpu": context.cpu,
        "counts": _counts(),
    }
    return Curve("topology", 1, readings=readings, missing=tuple(missing), core_kind=context.core_kind)


def infer(curve: Curve, machine: Machine) -> Machine:
    """Topology, cache claims of every source, and the machine's id."""
    readings = curve.readings
    files = files_of(readings)
    cpus = _cpus(files, readings)
    kinds = _kinds(files, readings, cpus)
    of_kind = {cpu: kind for kind, members in kinds.items() for cpu in members}
    cpus = tuple(dataclasses.replace(cpu, kind=of_kind.get(cpu.id, "")) for cpu in cpus)
    allowed = tuple(c for c in readings.get("allowed") or [] if isinstance(c, int))
    topology = Topology(
        packages=_packages(files, cpus, readings),
        cores=_cores(cpus, readings),
        threads=_threads(cpus, readings),
        nodes=_nodes(files),
        cpus=cpus,
        allowed=allowed,
        kinds=tuple(kinds) or ("",),
    )
    claims = _claims(readings, kinds)
    known = dict(machine.identity)
    known["threads_per_core"] = _threads_per_core(cpus, readings)
    machine = dataclasses.replace(machine, identity=known, topology=topology, cache_claims=claims)
    return dataclasses.replace(machine, id=machine_id(machine))


def _counts() -> dict[str, int]:
    """What the interpreter and psutil count, for systems without files."""
    counts = {"os_cpu_count": os.cpu_count() or 0}
    try:
        import psutil

        counts["psutil_cores"] = psutil.cpu_count(logical=False) or 0
        counts["psutil_threads"] = psutil.cpu_count(logical=True) or 0
    except (ImportError, OSError, RuntimeError, ValueError, KeyError, NotImplementedError):  # psutil parses what may be hidden
        return counts
    return counts


def _representatives(files: dict[str, str]) -> list[int]:
    """One CPU of each kind, of which the caches are read too."""
    groups = [cpu_list(files.get(f"/sys/devices/{name}/cpus")) for name in ("cpu_core", "cpu_atom", "cpu_lowpower")]
    first = [group[0] for group in groups if group]
    capacities = _capacities(files)
    seen: dict[tuple[str, int], int] = {}
    for cpu, capacity in sorted(capacities.items()):
        seen.setdefault((files.get(f"{_CPU}/cpu{cpu}/regs/identification/midr_el1", ""), capacity), cpu)
    return first or list(seen.values())[:8]


def _per_cpu(files: dict[str, str], name: str) -> dict[int, str]:
    """CPU to the text of one of its files."""
    found = {}
    for path, text in files.items():
        match = re.fullmatch(rf"{_CPU}/cpu(\d{{1,5}})/{name}", path)
        if match:
            found[int(match[1])] = text
    return found


def _capacities(files: dict[str, str]) -> dict[int, int]:
    values = {cpu: whole_number(text) for cpu, text in _per_cpu(files, "cpu_capacity").items()}
    return {cpu: value for cpu, value in values.items() if value is not None and value > 0}


def _cpus(files: dict[str, str], readings: dict[str, Any]) -> tuple[Cpu, ...]:
    """Every CPU that the system lists, with core, package and node where a source says; cores are numbered through."""
    blocks = _numbered_blocks(files)
    ids = set(cpu_list(files.get(f"{_CPU}/online"))) or set(blocks) or {c for c in readings.get("allowed") or [] if isinstance(c, int)}
    packages, siblings = _per_cpu(files, "topology/physical_package_id"), _per_cpu(files, "topology/thread_siblings_list")
    nodes = {
        cpu: int(match[1])
        for path, text in files.items()
        if (match := re.fullmatch(r"/sys/devices/system/node/node(\d{1,5})/cpulist", path))
        for cpu in cpu_list(text)
    }
    cores: dict[Any, int] = {}
    cpus = []
    for cpu in sorted(ids):
        block = blocks.get(cpu, {})
        package = whole_number(packages.get(cpu, block.get("physical id")))
        group: Any = cpu_list(siblings.get(cpu))
        if not group and "core id" in block:
            group = (block.get("physical id"), block["core id"])
        core = cores.setdefault(group, len(cores)) if group else -1
        cpus.append(Cpu(cpu, core, package if package is not None and package >= 0 else -1, nodes.get(cpu, -1)))
    return tuple(cpus)


def _numbered_blocks(files: dict[str, str]) -> dict[int, dict[str, str]]:
    blocks = {}
    for block in cpuinfo_blocks(files.get("/proc/cpuinfo", "")):
        number = whole_number(block.get("processor"))
        if number is not None and number >= 0:
            blocks[number] = block
    return blocks


def _kinds(files: dict[str, str], readings: dict[str, Any], cpus: tuple[Cpu, ...]) -> dict[str, tuple[int, ...]]:
    """Kind of core to its CPUs, fastest first; empty where all are alike or nothing tells."""
    pmus = {
        name: cpu_list(files.get(f"/sys/devices/{pmu}/cpus"))
        for name, pmu in (("P", "cpu_core"), ("E", "cpu_atom"), ("LP-E", "cpu_lowpower"))
    }
    found = {name: members for name, members in pmus.items() if members}
    if not found:
        found = _kinds_by_core_type(readings)
    if not found:
        found = _kinds_by_capacity(files)
    if not found:
        names = perflevels(sysctl_values(readings.get("sysctl")))
        found = dict.fromkeys(names, ())
    listed = {cpu.id for cpu in cpus}
    found = {name: tuple(c for c in members if c in listed) for name, members in found.items()}
    return found if len(found) > 1 else {}


def _kinds_by_core_type(readings: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """CPUID 1AH, EAX 31-24: 40H is a Core (P), 20H an Atom (E)."""
    found: dict[str, list[int]] = {}
    for cpu in readings.get("cpuid_by_cpu") or {}:
        number = whole_number(str(cpu))
        registers = parse_leaf(leaves_of(readings, number), 0x1A) if number is not None else None
        kind = {0x40: "P", 0x20: "E"}.get(registers[0] >> 24) if registers else None
        if kind and number is not None:
            found.setdefault(kind, []).append(number)
    return {kind: tuple(sorted(found[kind])) for kind in ("P", "E") if kind in found}


def _kinds_by_capacity(files: dict[str, str]) -> dict[str, tuple[int, ...]]:
    """Arm: CPUs of one part number and nearly one capacity are one kind."""
    capacities = _capacities(files)
    parts = {cpu: block.get("CPU part", "") for cpu, block in _numbered_blocks(files).items()}
    midrs = _per_cpu(files, "regs/identification/midr_el1")
    groups: list[tuple[str, int, list[int]]] = []
    for cpu in sorted(capacities, key=lambda c: (-capacities[c], c)):
        part = parts.get(cpu) or midrs.get(cpu, "")
        for known, top, members in groups:
            if known == part and capacities[cpu] >= _SAME_CAPACITY * top:
                members.append(cpu)
                break
        else:
            groups.append((part, capacities[cpu], [cpu]))
    names = {1: ("P",), 2: ("P", "E"), 3: ("P", "M", "E")}.get(len(groups), tuple(f"kind{n}" for n in range(len(groups))))
    return {name: tuple(sorted(members)) for name, (_, _, members) in zip(names, groups, strict=True)}


def _claims(readings: dict[str, Any], kinds: dict[str, tuple[int, ...]]) -> tuple[CacheClaim, ...]:
    """All claims; on a hybrid chip a claim of one kind of core carries its name after the source (`sysfs E`)."""
    if not any(kinds.values()):
        return cache_claims(readings)
    claims: list[CacheClaim] = []
    for kind, members in kinds.items():
        asked = next((c for c in members if _has_own_caches(readings, c)), None)
        if asked is None:
            continue
        per_core = ("sysfs", "cpuid.4", "cpuid.8000001d")
        for claim in cache_claims(readings, asked):
            named = claim.source in per_core and (claim.source == "sysfs" or leaves_of(readings, asked))
            claims.append(dataclasses.replace(claim, source=f"{claim.source} {kind}") if named else claim)
    return tuple(dict.fromkeys(claims)) or cache_claims(readings)


def _has_own_caches(readings: dict[str, Any], cpu: int) -> bool:
    return bool(leaves_of(readings, cpu)) or f"{_CPU}/cpu{cpu}/cache/index0/size" in files_of(readings)


def _count(readings: dict[str, Any], name: str) -> int:
    value = (readings.get("counts") or {}).get(name)
    return value if isinstance(value, int) and value > 0 else 0


def _threads(cpus: tuple[Cpu, ...], readings: dict[str, Any]) -> Fact[int]:
    online = cpu_list(files_of(readings).get(f"{_CPU}/online"))
    listed = _numbered_blocks(files_of(readings))
    for number, source in (
        (len(online), f"{_CPU}/online"),
        (len(listed), "/proc/cpuinfo"),
        (whole_number(sysctl_values(readings.get("sysctl")).get("hw.logicalcpu")) or 0, "sysctl"),
        (_count(readings, "psutil_threads"), "psutil"),
        (_count(readings, "os_cpu_count"), "os.cpu_count"),
        (len(cpus), "sched_getaffinity"),
    ):
        if number >= max(1, len(cpus)):  # psutil and the interpreter count 1 where /proc and /sys are hidden
            return reported(number, "", source)
    return unknown("", "topology", "no source counts the CPUs")


def _cores(cpus: tuple[Cpu, ...], readings: dict[str, Any]) -> Fact[int]:
    if cpus and all(cpu.core >= 0 for cpu in cpus):
        return reported(len({cpu.core for cpu in cpus}), "", "thread siblings")
    sysctl = whole_number(sysctl_values(readings.get("sysctl")).get("hw.physicalcpu"))
    if sysctl and sysctl > 0:
        return reported(sysctl, "", "sysctl")
    threads, each = _threads(cpus, readings), _smt_width(readings)
    if each and threads.value is not None and threads.value % each == 0:
        return reported(threads.value // each, "", "cpuid.b", "all CPUs, divided by the threads of a core")
    if _count(readings, "psutil_cores"):
        return reported(_count(readings, "psutil_cores"), "", "psutil")
    return unknown("", "topology", "no source says which CPUs share a core")


def _smt_width(readings: dict[str, Any]) -> int:
    """Threads of a core by CPUID, of the widest core where several were asked; 0 where it does not say."""
    asked = [leaves_of(readings), *(leaves_of(readings, whole_number(str(cpu)) or 0) for cpu in readings.get("cpuid_by_cpu") or {})]
    return max(_smt_width_of(leaves) for leaves in asked)


def _smt_width_of(leaves: dict[str, str]) -> int:
    """1FH or 0BH, subleaf 0 (both vendors), else 8000001EH."""
    for leaf in (0x1F, 0xB):
        registers = parse_leaf(leaves, leaf)
        if registers and registers[2] >> 8 & 0xFF == 1 and registers[1] & 0xFFFF:
            return registers[1] & 0xFFFF
    registers = parse_leaf(leaves, 0x8000001E)
    return (registers[1] >> 8 & 0xFF) + 1 if registers and any(registers) else 0


def _threads_per_core(cpus: tuple[Cpu, ...], readings: dict[str, Any]) -> Fact[str | int | float | bool]:
    """CPUID first: it answers the same with and without the system's files, so that the machine's id does."""
    if _smt_width(readings):
        return reported(_smt_width(readings), "", "cpuid.b")
    if cpus and all(cpu.core >= 0 for cpu in cpus):
        counts = [sum(other.core == cpu.core for other in cpus) for cpu in cpus]
        return reported(max(counts), "", "thread siblings")
    return unknown("", "topology", "no source says which CPUs share a core")


def _packages(files: dict[str, str], cpus: tuple[Cpu, ...], readings: dict[str, Any]) -> Fact[int]:
    if cpus and all(cpu.package >= 0 for cpu in cpus):
        source = "physical_package_id" if _per_cpu(files, "topology/physical_package_id") else "/proc/cpuinfo"
        return reported(len({cpu.package for cpu in cpus}), "", source)
    packages = whole_number(sysctl_values(readings.get("sysctl")).get("hw.packages"))
    return reported(packages, "", "sysctl") if packages and packages > 0 else unknown("", "topology", "the system does not say")


def _nodes(files: dict[str, str]) -> Fact[int]:
    nodes = [text for path, text in files.items() if re.fullmatch(r"/sys/devices/system/node/node\d+/cpulist", path)]
    if nodes:
        return reported(len(nodes), "", "/sys/devices/system/node", "nodes of memory alone count too")
    return unknown("", "topology", "the system shows no NUMA nodes")


def fingerprint(machine: Machine) -> str:
    """A short hash of what stays the same on this machine: numbers, feature bits, cache and core topology, hypervisor.

    Speeds, names, load, microcode and kernel are not in it. On x86 all of it comes from CPUID, so that hidden files change nothing.
    """
    kept = ("arch", "vendor", "family", "model", "stepping", "isa_words", "hypervisor", "threads_per_core")
    identity = {name: machine.identity[name].value if name in machine.identity else None for name in kept}
    threads = machine.topology.threads.value if machine.topology else None
    text = json.dumps([identity, threads, _stable_claims(machine.cache_claims)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def _stable_claims(claims: tuple[CacheClaim, ...]) -> list[tuple[int, str, int, int, int]]:
    """The best source's claims: one source only, since which others can be read depends on what is hidden."""
    by_source: dict[str, list[tuple[int, str, int, int, int]]] = {}
    for claim in claims:
        row = (claim.level, claim.kind, claim.size_bytes, claim.ways, claim.line_bytes)
        by_source.setdefault(claim.source.split(" ")[0], []).append(row)
    for source in ("cpuid.4", "cpuid.8000001d", "sysfs", "sysctl", "getconf", "cpuinfo"):
        if source in by_source:
            return sorted(set(by_source[source]))
    return []


def machine_id(machine: Machine) -> str:
    """`emeraldrapids-2c-1f3a2b`: the design, the product or the number of CPUs, and the fingerprint."""
    facts = {name: str(fact.value) for name, fact in machine.identity.items() if fact.value is not None}
    design = facts.get("microarchitecture") or facts.get("vendor") or facts.get("arch") or "unknown"
    threads = machine.topology.threads.value if machine.topology else None
    words = [design, _product(facts.get("brand", "")) or (f"{threads}c" if threads else ""), fingerprint(machine)]
    return "-".join(slug for word in words if (slug := re.sub(r"[^a-z0-9.]+", "-", word.lower()).strip("-.")))


def _product(brand: str) -> str:
    """The product's number out of a brand (`9950X`, `8488C`, `i7-12700K`, `M2 Pro`), or an empty string."""
    apple = re.match(r"Apple (M\d+(?: (?:Pro|Max|Ultra))?)", brand)
    if apple:
        return apple[1]
    without_clock = re.sub(r"@?\s*[\d.]+\s*GHz|\d+-Core|\(\w+\)|\b\d+(st|nd|rd|th) Gen\b", " ", brand)
    number = r"\b(?:i\d-|E\d-|W\d?-|Ultra \d )?(?:[A-Z]{0,2}\d{3,5}[A-Z]{0,4}\d?(?: v\d)?|\d[A-Z]\d\d)\b"
    numbers = re.findall(number, without_clock)
    return str(numbers[0]) if numbers else ""
