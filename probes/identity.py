"""What the chip and the system say they are: brand, family, microarchitecture, features, hypervisor, kernel.

Every answer is what the machine reports, not a measurement; where sources differ (flags that a hypervisor masks), both are kept.
The brand comes from CPUID, /proc/cpuinfo or sysctl; py-cpuinfo is asked only where none of them answers, because it is slow.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import platform
import re
import struct
from typing import Any

from ..configs.curve import Curve
from ..configs.facts import Fact, Scalar, derived, reported, unknown
from ..configs.machine import Machine
from ..kernels.emit.cpuid import parse_leaf
from ..kernels.emit.target import Target, host_arch
from ..kernels.measure.system_files import read_files, whole_number
from ..kernels.measure.virtualisation import hypervisor_name
from .claims import files_of, leaves_of, sysctl_values
from .context import Context
from .microarchitectures import IMPLEMENTERS, arm_name, borrowed, same_design, x86_name
from .readings import cpuinfo_blocks, cpuinfo_lines, distinct_blocks, read_cpuid, read_sysctl
from .registry import probe

_FILES = (
    "/sys/devices/system/cpu/cpu0/regs/identification/midr_el1",
    "/sys/devices/system/cpu/cpu0/regs/identification/revidr_el1",
    "/sys/hypervisor/type",
    "/sys/class/dmi/id/sys_vendor",
    "/sys/class/dmi/id/product_name",
    "/proc/device-tree/hypervisor/compatible",
    "/proc/device-tree/model",
    "/proc/device-tree/compatible",
)
_CPUINFO_KEYS = (
    *("processor", "vendor_id", "cpu family", "model", "model name", "stepping", "flags", "cpu", "machine", "platform"),
    *("CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision", "Features", "Hardware"),
    *("uarch", "isa", "mvendorid", "marchid", "mimpid", "revision", "CPU Family", "Model Name", "features"),
)
Facts = dict[str, Fact[Scalar]]


@probe("identity", version=1, seconds=(0.3, 0.3, 0.3))
def measure(context: Context) -> Curve:
    """Collect the texts, CPUID answers and names from which `infer` tells the machine."""
    missing: list[str] = []
    files = read_files(context.root, _FILES)
    cpuinfo = cpuinfo_lines(context.root, _CPUINFO_KEYS)
    if not cpuinfo:
        if platform.system() == "Linux":
            missing.append("/proc/cpuinfo is empty or cannot be read")
    else:
        files["/proc/cpuinfo"] = distinct_blocks(cpuinfo)
    leaves = read_cpuid(missing) if host_arch() == "x86_64" else {}
    sysctl = read_sysctl()
    readings: dict[str, Any] = {"files": files, "cpuid": leaves, "sysctl": sysctl, "system": _system_names(missing)}
    if not _brand(files, leaves, sysctl).known:
        readings["system"]["py_cpuinfo_brand"] = _slow_brand()
    return Curve("identity", 1, readings=readings, missing=tuple(missing), core_kind=context.core_kind)


def infer(curve: Curve, machine: Machine) -> Machine:
    """Identity facts and feature names. The machine's id needs the topology as well and is set there."""
    readings = curve.readings
    files, leaves, sysctl = files_of(readings), leaves_of(readings), sysctl_values(readings.get("sysctl"))
    names = readings.get("system") if isinstance(readings.get("system"), dict) else {}
    names = {str(key): str(value) for key, value in (names or {}).items()}
    facts: Facts = {"brand": _brand(files, leaves, sysctl, names)}
    facts["arch"] = _named(names, "arch", "platform", "the interpreter does not say")
    facts |= _x86_numbers(files, leaves) or _arm_numbers(files) or _riscv_numbers(files) or _no_numbers(sysctl)
    features = _features(files, sysctl, names)
    facts |= _microarchitecture(facts, sysctl, names, features)
    facts["isa_words"] = _isa_words(leaves, files, sysctl)
    facts["hypervisor"] = _hypervisor(files, leaves, sysctl, names)
    for name in ("os", "kernel", "libc", "python"):
        facts[name] = _named(names, name, "platform", "the interpreter does not say")
    facts["llvm_cpu"] = _named(names, "llvm_cpu", "llvm", "LLVM does not know this chip")
    return dataclasses.replace(machine, identity=machine.identity | facts, features=features)


def _named(names: dict[str, str], key: str, by: str, why: str) -> Fact[Scalar]:
    return reported(names[key], "", by) if names.get(key) else unknown("", by, why)


def _system_names(missing: list[str]) -> dict[str, str]:
    """What the interpreter, LLVM and archspec say."""
    names = {
        "arch": host_arch(),
        "os": platform.system(),
        "kernel": platform.release(),
        "libc": " ".join(word for word in platform.libc_ver() if word),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "processor": platform.processor(),
    }
    try:
        host = Target.host()
        names["llvm_cpu"], names["llvm_features"] = host.cpu, ",".join(f[1:] for f in host.features if f.startswith("+"))
    except RuntimeError as error:
        missing.append(f"LLVM's name for this chip: {error}")
    try:
        import archspec.cpu

        names["archspec"] = str(archspec.cpu.host().name)
        names["archspec_version"] = importlib.metadata.version("archspec")
    except (ImportError, RuntimeError, OSError, ValueError, KeyError) as error:  # it parses what this system may hide
        missing.append(f"archspec's name for this chip: {error}")
    return names


def _slow_brand() -> str:
    """py-cpuinfo's brand: starts programs and may take a second, so only where nothing else answers."""
    try:
        import cpuinfo

        return str(cpuinfo.get_cpu_info().get("brand_raw", ""))
    except (ImportError, OSError, RuntimeError, ValueError, KeyError):
        return ""


def _ascii(*registers: int) -> str:
    return struct.pack(f"<{len(registers)}I", *registers).split(b"\0")[0].decode("latin-1").strip()


def _brand(files: dict[str, str], leaves: dict[str, str], sysctl: dict[str, str], names: dict[str, str] | None = None) -> Fact[Scalar]:
    parts = [parse_leaf(leaves, leaf) for leaf in (0x80000002, 0x80000003, 0x80000004)]
    found = _ascii(*(word for part in parts if part for word in part)) if all(parts) else ""
    if found:
        return reported(" ".join(found.split()), "", "cpuid.80000002")
    for block in cpuinfo_blocks(files.get("/proc/cpuinfo", "")):
        for key in ("model name", "Model Name", "cpu", "Hardware"):
            if block.get(key) and not block[key].isdigit():
                return reported(" ".join(block[key].split()), "", "/proc/cpuinfo")
    if sysctl.get("machdep.cpu.brand_string"):
        return reported(sysctl["machdep.cpu.brand_string"], "", "sysctl")
    if names and names.get("py_cpuinfo_brand"):
        return reported(names["py_cpuinfo_brand"], "", "py-cpuinfo")
    return unknown("", "identity", "neither CPUID nor the system gives a brand (usual for Arm servers)")


def _x86_numbers(files: dict[str, str], leaves: dict[str, str]) -> Facts:
    first, basic = parse_leaf(leaves, 0x1), parse_leaf(leaves, 0x0)
    if first and basic:
        signature = first[0]
        family, model = signature >> 8 & 0xF, signature >> 4 & 0xF
        if family in (0x6, 0xF):  # the extended fields count only for these (SDM, CPUID leaf 1)
            model |= signature >> 12 & 0xF0
        if family == 0xF:
            family += signature >> 20 & 0xFF
        values: tuple[Scalar, ...] = (_ascii(basic[1], basic[3], basic[2]), family, model, signature & 0xF)
        return {key: reported(value, "", "cpuid.1") for key, value in zip(("vendor", "family", "model", "stepping"), values, strict=True)}
    for block in cpuinfo_blocks(files.get("/proc/cpuinfo", "")):
        numbers = [whole_number(block.get(key)) for key in ("cpu family", "model", "stepping")]
        if block.get("vendor_id") and None not in numbers:
            facts: Facts = {"vendor": reported(block["vendor_id"], "", "/proc/cpuinfo")}
            for key, number in zip(("family", "model", "stepping"), numbers, strict=True):
                facts[key] = reported(number or 0, "", "/proc/cpuinfo")
            return facts
    return {}


def _arm_numbers(files: dict[str, str]) -> Facts:
    """Implementer, part, variant and revision (MIDR_EL1), under the names that x86 uses, part as the model."""
    midr_path = "/sys/devices/system/cpu/cpu0/regs/identification/midr_el1"
    source = midr_path
    try:
        midr = int(files.get(midr_path, ""), 16)
        numbers = [midr >> 24 & 0xFF, midr >> 4 & 0xFFF, midr >> 20 & 0xF, midr & 0xF]
    except ValueError:
        numbers, source = _cpuinfo_midr(files), "/proc/cpuinfo"
    if not numbers:
        return {}
    implementer, part, variant, revision = numbers
    return {
        "vendor": reported(IMPLEMENTERS.get(implementer, f"implementer 0x{implementer:02x}"), "", source),
        "family": reported(implementer, "", source, "MIDR implementer"),
        "model": reported(part, "", source, f"MIDR part 0x{part:03x}"),
        "stepping": reported(f"r{variant}p{revision}", "", source),
    }


def _cpuinfo_midr(files: dict[str, str]) -> list[int]:
    """The MIDR's fields out of /proc/cpuinfo. The highest part number stands for a chip with several kinds of core."""
    found = []
    for block in cpuinfo_blocks(files.get("/proc/cpuinfo", "")):
        try:
            found.append([int(block[f"CPU {key}"], 0) for key in ("implementer", "part", "variant", "revision")])
        except (KeyError, ValueError):
            continue
    return max(found, default=[])


def _riscv_numbers(files: dict[str, str]) -> Facts:
    for block in cpuinfo_blocks(files.get("/proc/cpuinfo", "")):
        if "isa" in block:
            ids = {key: block.get(name, "") for key, name in (("vendor", "mvendorid"), ("model", "marchid"), ("stepping", "mimpid"))}
            facts: Facts = {k: reported(v, "", "/proc/cpuinfo") if v else unknown("", "/proc/cpuinfo", "not given") for k, v in ids.items()}
            return facts | {"family": reported(block.get("uarch", "riscv"), "", "/proc/cpuinfo")}
    return {}


def _no_numbers(sysctl: dict[str, str]) -> Facts:
    family = sysctl.get("hw.cpufamily")
    why = "neither CPUID nor the system gives it"
    facts: Facts = {key: unknown("", "identity", why) for key in ("vendor", "family", "model", "stepping")}
    if family:
        facts["family"] = reported(family, "", "sysctl")
        facts["vendor"] = (
            reported("Apple", "", "sysctl") if sysctl.get("machdep.cpu.brand_string", "").startswith("Apple") else facts["vendor"]
        )
    return facts


def _microarchitecture(facts: Facts, sysctl: dict[str, str], names: dict[str, str], features: tuple[str, ...]) -> Facts:
    """The design by the chip's numbers; beside it what archspec makes of the flags, and a note when they differ."""
    vendor, family, model, stepping = (facts[key].value for key in ("vendor", "family", "model", "stepping"))
    by_number, source = "", "family and model"
    if isinstance(family, int) and isinstance(model, int):
        by_number = x86_name(str(vendor), family, model, stepping) if isinstance(stepping, int) else arm_name(family, model)
    apple = re.match(r"Apple (M\d+)\b", sysctl.get("machdep.cpu.brand_string", ""))
    if not by_number and apple:
        by_number, source = f"apple-{apple[1].lower()}", "brand"
    by_flags = names.get("archspec", "")
    result: Facts = {"archspec": reported(by_flags, "", "archspec") if by_flags else unknown("", "archspec", "archspec gives no name")}
    generic = by_flags in ("", "x86_64", "aarch64", "arm", "riscv64", "ppc64le") or by_flags.startswith(("x86_64_v", "armv"))
    impossible, fitting = borrowed(by_number, features)
    if impossible:
        why = f"{vendor} family {family} model {model} is {by_number}, which has no {', '.join(impossible)}: the number is borrowed"
        result["microarchitecture"] = unknown("", "identity", f"{why}; the features fit {', '.join(fitting)}")
    elif by_number:
        differs = by_flags and not same_design(by_number, by_flags)
        note = f"archspec says '{by_flags}': it goes by the feature flags, and knows only its own list" if differs else ""
        result["microarchitecture"] = derived(by_number, "", source, note=note)
    elif not generic:
        result["microarchitecture"] = reported(by_flags, "", "archspec", "the chip's own numbers are in no table here")
    else:
        shown = f"{vendor} family {family} model {model}" if family is not None else "no numbers"
        result["microarchitecture"] = unknown("", "identity", f"not in the tables here ({shown}), and archspec gives no specific name")
    return result


def _isa_words(leaves: dict[str, str], files: dict[str, str], sysctl: dict[str, str]) -> Fact[Scalar]:
    """The feature bits in the chip's own form, for the machine's id: no kernel's choice of names is in them.

    Left out: leaf 1's EBX (which CPU this is), bits that follow the system's settings (OSXSAVE, OSPKE), and bits that microcode
    switches (TSX, and the speculation controls of leaf 7, EDX).
    """
    first, seventh, extended = parse_leaf(leaves, 0x1), parse_leaf(leaves, 0x7), parse_leaf(leaves, 0x80000001)
    if first and seventh:
        more = parse_leaf(leaves, 0x7, 1) or (0, 0, 0, 0)
        _, _, extended_ecx, extended_edx = extended or (0, 0, 0, 0)
        words = (
            *(_without(first[2], 27), first[3]),
            *(_without(seventh[1], 4, 11), _without(seventh[2], 4), _without(seventh[3], 9, 10, 11, 13, *range(26, 32))),
            *(more[0], more[3], extended_ecx, extended_edx),
        )
        return reported(".".join(f"{word:x}" for word in words), "", "cpuid.1+7+80000001")
    for block in cpuinfo_blocks(files.get("/proc/cpuinfo", "")):
        for key in ("flags", "Features", "features", "isa"):
            if block.get(key):
                return reported(" ".join(sorted(block[key].split())), "", "/proc/cpuinfo")
    arm = sorted(name.removeprefix("hw.optional.") for name, value in sysctl.items() if name.startswith("hw.optional.") and value == "1")
    return reported(" ".join(arm), "", "sysctl") if arm else unknown("", "identity", "neither CPUID nor the system lists features")


def _without(word: int, *bits: int) -> int:
    return word & ~sum(1 << bit for bit in bits)


def _hypervisor(files: dict[str, str], leaves: dict[str, str], sysctl: dict[str, str], names: dict[str, str]) -> Fact[Scalar]:
    answer, first = parse_leaf(leaves, 0x40000000), parse_leaf(leaves, 0x1)
    if answer and first and first[2] >> 31 & 1:
        return hypervisor_name(files, _ascii(*answer[1:]), names.get("os", "")) if _ascii(*answer[1:]) else _unnamed()
    if first:
        return _unnamed() if first[2] >> 31 & 1 else reported("none seen", "", "cpuid.1", "a hypervisor may hide itself")
    if sysctl.get("kern.hv_vmm_present") in ("0", "1"):
        return reported("apple" if sysctl["kern.hv_vmm_present"] == "1" else "none seen", "", "sysctl")
    return hypervisor_name(files, "", names.get("os", ""))


def _unnamed() -> Fact[Scalar]:
    return reported("unknown hypervisor", "", "cpuid.1", "the hypervisor bit is set and nothing names it")


def _features(files: dict[str, str], sysctl: dict[str, str], names: dict[str, str]) -> tuple[str, ...]:
    """Feature names as the system spells them; LLVM's where the system lists none."""
    for block in cpuinfo_blocks(files.get("/proc/cpuinfo", "")):
        for key in ("flags", "Features", "features", "isa"):
            if block.get(key):
                return tuple(sorted(set(block[key].replace("_", " ").split() if key == "isa" else block[key].split())))
    arm = tuple(
        sorted(name.removeprefix("hw.optional.") for name, value in sysctl.items() if name.startswith("hw.optional.") and value == "1")
    )
    return arm or tuple(sorted(filter(None, names.get("llvm_features", "").split(","))))
