"""Name the chip that code is emitted for: this one, or any other that LLVM knows."""

from __future__ import annotations

import functools
import platform
from dataclasses import dataclass

import llvmlite.binding as llvm

from ...configs.errors import UsageError

# What LLVM calls each family: (triple, features that every core of it has but LLVM's model leaves to the user).
# Source of the CPU names: `llc -mcpu=help` of LLVM 20; a test emits for each.
_FAMILIES: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "x86_64": (
        "x86_64-unknown-linux-gnu",
        (),
        (
            *("x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4", "haswell", "skylake", "skylake-avx512", "cascadelake", "cooperlake"),
            *("icelake-server", "sapphirerapids", "emeraldrapids", "graniterapids", "alderlake", "arrowlake", "sierraforest"),
            *("znver1", "znver2", "znver3", "znver4", "znver5"),
        ),
    ),
    "aarch64": (
        "aarch64-unknown-linux-gnu",
        (),
        (
            *("cortex-a72", "cortex-a76", "cortex-a720", "cortex-x4", "neoverse-n1", "neoverse-n2", "neoverse-v1", "neoverse-v2"),
            *("neoverse-v3", "a64fx", "ampere1", "ampere1a", "oryon-1"),
        ),
    ),
    "apple": ("arm64-apple-macosx14.0.0", (), ("apple-m1", "apple-m2", "apple-m3", "apple-m4")),
    "riscv64": (
        "riscv64-unknown-linux-gnu",
        ("+m", "+a", "+f", "+d", "+c", "+v"),
        ("generic-rv64", "sifive-x280", "sifive-p670", "spacemit-x60"),
    ),
    "ppc64le": ("powerpc64le-unknown-linux-gnu", (), ("pwr8", "pwr9", "pwr10")),
    "s390x": ("s390x-unknown-linux-gnu", (), ("z14", "z15", "z16")),
    "loongarch64": ("loongarch64-unknown-linux-gnu", (), ("la464",)),
}
# LLVM 22's scheduling model of these fails an assertion ("DefIdx exceeds machine model writes") over paired loads, and ends the process.
_BROKEN_MODELS = frozenset({"oryon-1"})
_ARCH_OF_PREFIX = {"x86_64": "x86_64", "arm64": "aarch64", "aarch64": "aarch64", "riscv64": "riscv64", "powerpc64le": "ppc64le"}


@functools.cache
def initialize() -> None:
    """Load every LLVM back end once.

    Only the host's assembly parser can be had from llvmlite, so code for other chips must hold no inline assembly but the
    empty one (`ir.opaque`), which needs no parser.
    """
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    llvm.initialize_native_asmparser()


@dataclass(frozen=True, slots=True)
class Target:
    """A chip to emit for. `features` are LLVM's (`+avx2`), on top of those that `cpu` implies."""

    name: str
    triple: str
    cpu: str
    features: tuple[str, ...] = ()

    @property
    def arch(self) -> str:
        """x86_64, aarch64, riscv64, ppc64le, or the triple's own first word."""
        first = self.triple.split("-")[0]
        return _ARCH_OF_PREFIX.get(first, first)

    @property
    def is_host(self) -> bool:
        """Whether code for this target may be run here."""
        return self.name == "host"

    @staticmethod
    @functools.cache
    def host() -> Target:
        """The chip under this process, with exactly the features that LLVM detects as usable."""
        initialize()
        try:
            detected = llvm.get_host_cpu_features()
            features = tuple(sorted(("+" if on else "-") + name for name, on in detected.items()))
        except RuntimeError:  # LLVM cannot ask on some systems; the cpu name then implies the features
            features = ()
        return Target("host", llvm.get_process_triple(), llvm.get_host_cpu_name(), features)

    @staticmethod
    def named(name: str) -> Target:
        """A target by its LLVM CPU name (`neoverse-v2`), or `host`; UsageError with the known names otherwise."""
        if name == "host":
            return Target.host()
        for triple, features, cpus in _FAMILIES.values():
            if name in cpus:
                return Target(name, triple, name, features)
        raise UsageError(f"unknown target '{name}'", "known: host, " + ", ".join(known_targets()))

    @property
    def attributes(self) -> str:
        """LLVM function attributes that this chip needs: another chip's scheduling model where its own is broken."""
        return '"tune-cpu"="generic"' if self.cpu in _BROKEN_MODELS else ""

    def with_features(self, *extra: str) -> Target:
        """The same chip with more features switched on or off; later ones win."""
        kept = tuple(f for f in self.features if not any(f[1:] == e[1:] for e in extra))
        return Target(self.name, self.triple, self.cpu, kept + extra)

    def machine(self, optimize: int = 3) -> llvm.TargetMachine:
        """LLVM's code generator for this chip. Small code model: constants are addressed relative to the code."""
        initialize()
        target = llvm.Target.from_triple(self.triple)
        return target.create_target_machine(
            cpu=self.cpu, features=",".join(self.features), opt=optimize, reloc="pic", codemodel="small", jit=self.is_host
        )


def known_targets() -> list[str]:
    """The names that `Target.named` takes, family by family."""
    return [cpu for _, _, cpus in _FAMILIES.values() for cpu in cpus]


def host_arch() -> str:
    """This machine's architecture in the words of `Target.arch`, without loading LLVM's back ends."""
    machine = platform.machine().lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
