"""Hold a rate against the machine's own roof: the fastest fitting instruction, or the memory level that the operands come from.

roof = min(compute, intensity × bandwidth), where intensity is operations over the least bytes that must move (`Case.traffic_bytes`), and
the bandwidth that of the innermost level which holds all operands (hot), or of memory (cold). The compute roof of one thread is taken in
operations a cycle and multiplied by the clock that was measured around the sample: a core that slows down does not make a kernel worse.

Which instructions count: multiply-adds (fused, dot products, outer products) that give a right result. Saturating dot products do not;
sums in half precision do not, for products that are summed in single; nor do additions that run beside the multiply-adds (on Zen 5 a mix of
both reaches 88 op/cycle where multiply-adds alone reach 64), because a product has as many multiplications as additions.
Known flaw: memory roofs are absolute rates of the time of the probe, and shared memory moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..configs.cases import Case
from ..configs.machine import Machine

# Their result saturates, or is no sum: no product can be made of these alone.
_NO_CEILING = ("vpmaddubsw", "vpmaddwd")
_MULTIPLY_ADDS = ("fma", "dot", "mma")
# Types narrower than the sum: only instructions that add into a wider accumulator count.
_WIDENING_ONLY = ("f16", "bf16")
_WIDENING_OPS = ("dot", "mma")

TOO_FAST = 1.10  # over the compute roof: the flop count, the clock or the result is wrong


@dataclass(frozen=True, slots=True)
class Compute:
    """The fastest instruction for a data type: operations a second and a cycle of one core, and its name."""

    rate: float
    per_cycle: float
    name: str


@dataclass(frozen=True, slots=True)
class Roof:
    """The ceiling of one case: op/s, what bounds it (`compute` or a level), the name of the ceiling, and the intensity in op/B."""

    rate: float
    bound: str
    name: str
    intensity: float


@dataclass(frozen=True, slots=True)
class Level:
    """A place where operands can lie: its size (None for memory), whether it is shared, and bandwidth in B/s by number of threads."""

    name: str
    size_bytes: int | None
    shared: bool
    rates: dict[int, float]

    def holds(self, size_bytes: int, threads: int) -> bool:
        """Whether so much fits: private caches of several threads add up."""
        return self.size_bytes is None or size_bytes <= self.size_bytes * (1 if self.shared else threads)

    def rate(self, threads: int) -> float | None:
        """B/s of so many threads: as measured, or interpolated between the counts that were."""
        known = sorted(self.rates)
        if not known:
            return None
        if threads in self.rates:
            return self.rates[threads]
        above = [t for t in known if t > threads]
        below = [t for t in known if t < threads]
        if not above or not below:
            return self.rates[known[-1] if below else known[0]]
        low, high = below[-1], above[0]
        return self.rates[low] + (self.rates[high] - self.rates[low]) * (threads - low) / (high - low)


def elsewhere(params: Mapping[str, object]) -> bool:
    """Whether a kernel with these parameters ran on another device than the processor whose roofs are known."""
    return params.get("device", "cpu") != "cpu"


@dataclass(frozen=True, slots=True)
class Roofs:
    """The ceilings of one machine. Empty (`known` is false) where nothing was measured."""

    compute: dict[str, Compute]
    levels: tuple[Level, ...]

    @property
    def known(self) -> bool:
        """Whether any ceiling is known."""
        return bool(self.compute)

    @staticmethod
    def of(machine: Machine | None) -> Roofs:
        """The ceilings in a machine file, of its first kind of core."""
        if machine is None:
            return Roofs({}, ())
        return Roofs(_compute(machine), _levels(machine))

    def compute_of(self, case: Case) -> Compute | None:
        """The fastest instruction for the case's data type; None where none was measured."""
        found = [self.compute[name] for name in case.mix.rates if name in self.compute]
        return max(found, key=lambda c: c.rate) if found else None

    def level_of(self, case: Case) -> Level | None:
        """Where the operands come from."""
        if case.temperature == "cold":
            return self.levels[-1] if self.levels else None
        size = case.traffic_bytes()
        return next((level for level in self.levels if level.holds(size, case.threads)), None)

    def roof(self, case: Case, clock_hz: float = 0.0) -> Roof | None:
        """The case's ceiling at this clock (0: unknown, then the clock of the probe); None where nothing was measured."""
        compute = self.compute_of(case)
        if compute is None:
            return None
        intensity = case.operations / max(case.traffic_bytes(), 1)
        rate = (compute.per_cycle * clock_hz if clock_hz > 0 and compute.per_cycle > 0 else compute.rate) * case.threads
        level = self.level_of(case)
        bandwidth = level.rate(case.threads) if level else None
        if level is not None and bandwidth is not None and bandwidth * intensity < rate:
            return Roof(bandwidth * intensity, level.name, f"{level.name} bandwidth", intensity)
        return Roof(rate, "compute", compute.name, intensity)

    def too_fast(self, case: Case, rate: float, clock_hz: float) -> str:
        """Empty, or by how much `rate` (op/s) is over what the machine's units can do."""
        compute = self.compute_of(case)
        if compute is None or not rate > 0:
            return ""
        ceiling = (compute.per_cycle * clock_hz if clock_hz > 0 and compute.per_cycle > 0 else compute.rate) * case.threads
        if rate <= TOO_FAST * ceiling:
            return ""
        return (
            f"{rate / 1e9:.3g} Gop/s is {100 * rate / ceiling:.0f} % of the measured peak ({compute.name}): the work cannot have been done"
        )


def _compute(machine: Machine) -> dict[str, Compute]:
    best: dict[str, Compute] = {}
    kind = machine.topology.kinds[0] if machine.topology else ""
    for row in machine.simd:
        if not row.rate.known or row.core_kind not in (kind, "") or row.instruction in _NO_CEILING:
            continue
        if row.op not in (_WIDENING_OPS if row.dtype in _WIDENING_ONLY else _MULTIPLY_ADDS):
            continue
        rate = row.rate.number()
        if row.dtype not in best or rate > best[row.dtype].rate:
            per_cycle = row.op_per_cycle.number() if row.op_per_cycle.known else 0.0
            best[row.dtype] = Compute(rate, per_cycle, f"{row.unit} {row.instruction} {row.dtype}")
    return best


def _levels(machine: Machine) -> tuple[Level, ...]:
    levels = []
    for cache in machine.caches:
        if cache.core_kind != machine.caches[0].core_kind:
            continue
        rates = {r.threads: r.rate.number() for r in machine.roofs if r.kind == "memory" and r.level == cache.name and r.rate.known}
        size = None if cache.name == "DRAM" else cache.size.value
        if size is not None or cache.name == "DRAM":
            levels.append(Level(cache.name, size, cache.sharing.value == "shared", rates))
    return tuple(levels)
