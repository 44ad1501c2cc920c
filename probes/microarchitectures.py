"""Name a microarchitecture by the numbers that a chip gives itself, whatever flags a hypervisor hides.

Detectors that go by feature flags fall back to an older name as soon as one flag is masked (archspec does; AMX off turns an
Emerald Rapids into "icelake"). Family and model are not masked, so they decide here; the names are one word for each core design
(or for the product where only that has a name).

Sources: Linux arch/x86/include/asm/intel-family.h (Intel), arch/x86/kernel/cpu/amd.c `bsp_init_amd` (AMD Zen), and for the part
numbers of the MIDR Linux arch/arm64/include/asm/cputype.h, util-linux sys-utils/lscpu-arm.c and archspec's
microarchitectures.json. A number that is not in them gets no name here.
"""

from __future__ import annotations

from collections.abc import Iterable

# (family, model) to name. On hybrid chips the product names the pair of designs.
_INTEL: dict[tuple[int, int], str] = {
    **dict.fromkeys([(6, 0x1A), (6, 0x1E), (6, 0x1F), (6, 0x2E)], "nehalem"),
    **dict.fromkeys([(6, 0x25), (6, 0x2C), (6, 0x2F)], "westmere"),
    **dict.fromkeys([(6, 0x2A), (6, 0x2D)], "sandybridge"),
    **dict.fromkeys([(6, 0x3A), (6, 0x3E)], "ivybridge"),
    **dict.fromkeys([(6, 0x3C), (6, 0x3F), (6, 0x45), (6, 0x46)], "haswell"),
    **dict.fromkeys([(6, 0x3D), (6, 0x47), (6, 0x4F), (6, 0x56)], "broadwell"),
    **dict.fromkeys([(6, 0x4E), (6, 0x5E)], "skylake"),
    (6, 0x55): "skylake-avx512",  # cascadelake and cooperlake by stepping, below
    **dict.fromkeys([(6, 0x8E), (6, 0x9E)], "kabylake"),
    **dict.fromkeys([(6, 0xA5), (6, 0xA6)], "cometlake"),
    (6, 0x66): "cannonlake",
    **dict.fromkeys([(6, 0x6A), (6, 0x6C)], "icelake-server"),
    **dict.fromkeys([(6, 0x7D), (6, 0x7E), (6, 0x9D)], "icelake-client"),
    **dict.fromkeys([(6, 0x8C), (6, 0x8D)], "tigerlake"),
    (6, 0xA7): "rocketlake",
    (6, 0x8F): "sapphirerapids",
    (6, 0xCF): "emeraldrapids",
    **dict.fromkeys([(6, 0xAD), (6, 0xAE)], "graniterapids"),
    (6, 0x8A): "lakefield",
    **dict.fromkeys([(6, 0x97), (6, 0x9A)], "alderlake"),
    **dict.fromkeys([(6, 0xB7), (6, 0xBA), (6, 0xBF)], "raptorlake"),
    **dict.fromkeys([(6, 0xAA), (6, 0xAC)], "meteorlake"),
    **dict.fromkeys([(6, 0xB5), (6, 0xC5), (6, 0xC6)], "arrowlake"),
    (6, 0xBD): "lunarlake",
    (6, 0xCC): "pantherlake",
    (6, 0xD5): "wildcatlake",
    **dict.fromkeys([(6, 0x5C), (6, 0x5F)], "goldmont"),
    (6, 0x7A): "goldmont-plus",
    **dict.fromkeys([(6, 0x86), (6, 0x96), (6, 0x9C)], "tremont"),
    (6, 0xBE): "gracemont",
    (6, 0xAF): "sierraforest",
    (6, 0xB6): "grandridge",
    (6, 0xDD): "clearwaterforest",
    (6, 0x57): "knl",
    (6, 0x85): "knm",
    (19, 0x01): "diamondrapids",
}

# (family, first model, last model) to name.
_AMD: tuple[tuple[int, int, int, str], ...] = (
    (0x17, 0x00, 0x2F, "zen1"),
    (0x17, 0x50, 0x5F, "zen1"),
    (0x17, 0x30, 0x4F, "zen2"),
    (0x17, 0x60, 0x7F, "zen2"),
    (0x17, 0x90, 0x91, "zen2"),
    (0x17, 0xA0, 0xAF, "zen2"),
    (0x19, 0x00, 0x0F, "zen3"),
    (0x19, 0x20, 0x5F, "zen3"),
    (0x19, 0x10, 0x1F, "zen4"),
    (0x19, 0x60, 0xAF, "zen4"),
    (0x1A, 0x00, 0x2F, "zen5"),
    (0x1A, 0x40, 0x4F, "zen5"),
    (0x1A, 0x60, 0x7F, "zen5"),
    (0x1A, 0x50, 0x5F, "zen6"),
    (0x1A, 0x80, 0xAF, "zen6"),
    (0x1A, 0xC0, 0xEF, "zen6"),
)

# (implementer, part) of the MIDR to name.
_ARM: dict[tuple[int, int], str] = {
    (0x41, 0xD03): "cortex-a53",
    (0x41, 0xD05): "cortex-a55",
    (0x41, 0xD07): "cortex-a57",
    (0x41, 0xD08): "cortex-a72",
    (0x41, 0xD09): "cortex-a73",
    (0x41, 0xD0A): "cortex-a75",
    (0x41, 0xD0B): "cortex-a76",
    (0x41, 0xD0C): "neoverse-n1",
    (0x41, 0xD0D): "cortex-a77",
    (0x41, 0xD40): "neoverse-v1",
    (0x41, 0xD41): "cortex-a78",
    (0x41, 0xD44): "cortex-x1",
    (0x41, 0xD46): "cortex-a510",
    (0x41, 0xD47): "cortex-a710",
    (0x41, 0xD48): "cortex-x2",
    (0x41, 0xD49): "neoverse-n2",
    (0x41, 0xD4B): "cortex-a78c",
    (0x41, 0xD4D): "cortex-a715",
    (0x41, 0xD4E): "cortex-x3",
    (0x41, 0xD4F): "neoverse-v2",
    (0x41, 0xD81): "cortex-a720",
    (0x41, 0xD82): "cortex-x4",
    (0x41, 0xD83): "neoverse-v3ae",
    (0x41, 0xD84): "neoverse-v3",
    (0x41, 0xD85): "cortex-x925",
    (0x41, 0xD87): "cortex-a725",
    (0x41, 0xD8E): "neoverse-n3",
    (0x43, 0x0AF): "thunderx2",
    (0x46, 0x001): "a64fx",
    (0x48, 0xD01): "tsv110",
    (0x4E, 0x004): "carmel",
    (0x4E, 0x010): "olympus",
    **dict.fromkeys([(0x61, part) for part in (0x22, 0x23, 0x24, 0x25, 0x28, 0x29)], "apple-m1"),
    **dict.fromkeys([(0x61, part) for part in (0x32, 0x33, 0x34, 0x35, 0x38, 0x39)], "apple-m2"),
    (0x6D, 0xD49): "neoverse-n2",  # Azure Cobalt 100
    (0xC0, 0xAC3): "ampere1",
    (0xC0, 0xAC4): "ampere1a",
}

# Who designed the core, by the MIDR's implementer code (Arm ARM, MIDR_EL1).
IMPLEMENTERS = {
    0x41: "ARM",
    0x42: "Broadcom",
    0x43: "Cavium",
    0x46: "Fujitsu",
    0x48: "HiSilicon",
    0x4E: "NVIDIA",
    0x50: "APM",
    0x51: "Qualcomm",
    0x53: "Samsung",
    0x56: "Marvell",
    0x61: "Apple",
    0x6D: "Microsoft",
    0xC0: "Ampere",
}


def x86_name(vendor: str, family: int, model: int, stepping: int) -> str:
    """The core design of an x86 chip, or an empty string."""
    if vendor == "GenuineIntel":
        if (family, model) == (6, 0x55) and stepping >= 5:
            return "cooperlake" if stepping >= 10 else "cascadelake"
        return _INTEL.get((family, model), "")
    if vendor == "AuthenticAMD":
        for known_family, first, last, name in _AMD:
            if family == known_family and first <= model <= last:
                return name
    return "zen1" if vendor == "HygonGenuine" and family == 0x18 else ""


# Feature flags, as Linux names them, and the only Intel designs that have them: a chip that claims an older number has a borrowed one.
_ONLY_IN = {
    "amx_tile": ("sapphirerapids", "emeraldrapids", "graniterapids", "diamondrapids"),
    "avx512_fp16": ("sapphirerapids", "emeraldrapids", "graniterapids", "diamondrapids"),
    "amx_fp16": ("graniterapids", "diamondrapids"),
}


def borrowed(name: str, features: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(features that the Intel design of this name cannot have, the designs that have all of them); empty where nothing contradicts it.

    Hypervisors hide a chip behind the model number of another; the features that the guest may use, and that a trial executes, tell.
    Source: Intel 64 and IA-32 SDM and Architecture Instruction Set Extensions reference, tables of recent instructions by processor.
    """
    present = set(features)
    impossible = tuple(flag for flag, designs in _ONLY_IN.items() if flag in present and name in _INTEL.values() and name not in designs)
    fitting = [set(_ONLY_IN[flag]) for flag in impossible]
    return impossible, tuple(d for d in _ONLY_IN["amx_tile"] if fitting and all(d in designs for designs in fitting))


def arm_name(implementer: int, part: int) -> str:
    """The core design of an Arm chip, or an empty string."""
    return _ARM.get((implementer, part), "")


def same_design(name: str, other: str) -> bool:
    """Whether two sources mean the same design in their own spelling (`zen4`, `znver4`; `icelake`, `icelake-server`; `m1`, `apple-m1`)."""
    first, second = (_plain(word) for word in (name, other))
    return bool(first and second) and (first == second or first.startswith(second) or second.startswith(first))


def _plain(name: str) -> str:
    """The name without what only spelling adds."""
    plain = name.lower().replace("_", "-").removeprefix("apple-").replace("znver", "zen")
    return "zen1" if plain == "zen" else plain.removesuffix("-client").removesuffix("-server")
