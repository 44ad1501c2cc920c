"""Say what kernels may know of the machine that they run on: measured cache sizes, CPUs, rates. Plain data, handed to every worker."""

from __future__ import annotations

from dataclasses import dataclass

from ..configs.machine import Machine

# Where nothing was measured: sizes that every server and desktop core of the last ten years has at least.
_LEAST_CACHES = (("L1d", 32 << 10), ("L2", 256 << 10), ("L3", 2 << 20))


@dataclass(frozen=True, slots=True)
class CacheSize:
    """One data cache as measured (or the least that is usual, where `measured` is false). `shared_by` counts logical CPUs; 1 if private."""

    name: str
    size_bytes: int
    ways: int = 0
    line_bytes: int = 64
    shared_by: int = 1
    measured: bool = True


@dataclass(frozen=True, slots=True)
class Host:
    """What is known of this machine. `caches` are ordered from the core outwards, without DRAM; `cpus` are those to use, in order."""

    caches: tuple[CacheSize, ...]
    cpus: tuple[int, ...] = (0,)

    @property
    def last_cache_bytes(self) -> int:
        """Size of the outermost cache."""
        return self.caches[-1].size_bytes

    @staticmethod
    def of(machine: Machine | None, cpus: tuple[int, ...]) -> Host:
        """From a machine file, or from the least that is usual where there is none."""
        found = []
        for level in machine.caches if machine else ():
            size = level.size.value
            if level.name == "DRAM" or size is None or level.core_kind != machine.caches[0].core_kind:  # type: ignore[union-attr]
                continue
            shared = max((c.shared_by for c in level.claims), default=1) if level.sharing.value == "shared" else 1
            found.append(CacheSize(level.name, int(size), int(level.ways.value or 0), int(level.line.value or 64), max(shared, 1)))
        if not found:
            found = [CacheSize(name, size, measured=False) for name, size in _LEAST_CACHES]
        return Host(tuple(found), cpus)
