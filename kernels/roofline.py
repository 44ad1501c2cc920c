"""Hold a rate against the machine's own roof: the fastest fitting instruction, or the memory level that the operands come from.

roof = min(compute, intensity × bandwidth), where intensity is operations over the least bytes that must move (`Case.traffic_bytes`). A
roof is an upper bound, so the bandwidth is that of caches filled as well as can be: the innermost level holds as much of the operands as
fits, the next one the rest as far as it goes, and so on; the bytes of each come at its own rate, one level after the other. Cold operands
all come from memory. How much fits: for a private cache the larger of what was measured and what is claimed (what is measured moves with
the neighbour on the same core), for a shared one the upper end of the measured interval. The compute roof of one thread is taken in
operations a cycle and multiplied by the clock that was measured around the sample: a core that slows down does not make a kernel worse.

Which instructions count: multiply-adds (fused, dot products, outer products) that give a right result. Saturating dot products do not;
sums in half precision do not, for products that are summed in single; nor do additions that run beside the multiply-adds (on Zen 5 a mix of
both reaches 88 op/cycle where multiply-adds alone reach 64), because a product has as many multiplications as additions.
Known flaw: memory roofs are absolute rates of the time of the probe, and shared memory moves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..configs.cases import Case
from ..configs.facts import Fact, How
from ..configs.machine import CacheLevel, Machine, UnitRate

ABOVE_ROOF = 1.005  # over this share of its roof a rate is an error of one of the two; half a percent is the last figure shown
# Their result saturates, or is no sum: no product can be made of these alone.
_NO_CEILING = ("vpmaddubsw", "vpmaddwd")
_MULTIPLY_ADDS = ("fma", "dot", "mma")
# Types narrower than the sum: only instructions that add into a wider accumulator count.
_WIDENING_ONLY = ("f16", "bf16")
_WIDENING_OPS = ("dot", "mma")

TOO_FAST = 1.10  # over the compute roof: the flop count, the clock or the result is wrong


@dataclass(frozen=True, slots=True)
class Compute:
    """The fastest instruction for a data type: operations a second and a cycle of one core, and its name.

    `high` is the upper end of its interval over the value; `together` op/s and that share by number of threads, where it was measured.
    """

    rate: float
    per_cycle: float
    name: str
    high: float = 1.0
    together: dict[int, tuple[float, float]] = field(default_factory=dict)

    def at(self, threads: int, clock_hz: float) -> tuple[float, float]:
        """(op/s of so many threads, the upper end): of one thread at its clock, of several as measured, else that of one times them."""
        if threads > 1 and threads in self.together:
            rate, high = self.together[threads]
            return rate, rate * high
        one = self.per_cycle * clock_hz if clock_hz > 0 and self.per_cycle > 0 else self.rate
        return one * threads, one * threads * self.high


@dataclass(frozen=True, slots=True)
class Roof:
    """The ceiling of one case: op/s, what bounds it (`compute` or a level), its name, the intensity in op/B, and the ceiling's upper end.

    A rate is above its roof when it is so with its whole interval, and above the upper end of the roof's.
    """

    rate: float
    bound: str
    name: str
    intensity: float
    high: float

    def below(self, rate: float) -> bool:
        """Whether this is below a rate, which then is an error of one of the two."""
        return rate > self.high * ABOVE_ROOF


@dataclass(frozen=True, slots=True)
class Level:
    """A place where operands can lie: the most that fits (None for memory), whether it is shared, and bandwidth in B/s by threads.

    `high` is the largest upper end of their intervals over the value.
    """

    name: str
    size_bytes: int | None
    shared: bool
    rates: dict[int, float]
    high: float = 1.0

    def room(self, threads: int) -> float:
        """Bytes that fit: private caches of several threads add up."""
        return math.inf if self.size_bytes is None else self.size_bytes * (1 if self.shared else threads)

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

    def memory(self, case: Case) -> tuple[float, float, str] | None:
        """(B/s at which the operands can come at best, its upper end, the level that takes most of that time); None if one is unknown."""
        left, within = float(max(case.traffic_bytes(), 1)), 0.0
        total_s, least_s, slowest_s, slowest = 0.0, 0.0, 0.0, ""
        for level in self.levels[-1:] if case.temperature == "cold" else self.levels:
            rate = level.rate(case.threads)
            taken = min(left, max(0.0, level.room(case.threads) - within))  # what fits into a level includes what the inner ones hold
            if taken > 0:
                if rate is None or not rate > 0:
                    return None
                total_s, least_s = total_s + taken / rate, least_s + taken / (rate * level.high)
                if taken / rate > slowest_s:
                    slowest_s, slowest = taken / rate, level.name
            left, within = left - taken, within + taken
        if total_s <= 0 or left > 0:
            return None
        return case.traffic_bytes() / total_s, case.traffic_bytes() / least_s, slowest

    def roof(self, case: Case, clock_hz: float = 0.0) -> Roof | None:
        """The case's ceiling at this clock (0: unknown, then the clock of the probe); None where nothing was measured."""
        compute = self.compute_of(case)
        if compute is None:
            return None
        intensity = case.operations / max(case.traffic_bytes(), 1)
        rate, high = compute.at(case.threads, clock_hz)
        memory = self.memory(case)
        if memory is not None and memory[0] * intensity < rate:
            return Roof(memory[0] * intensity, memory[2], f"{memory[2]} bandwidth", intensity, min(memory[1] * intensity, high))
        return Roof(rate, "compute", compute.name, intensity, high)

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


def is_ceiling(row: UnitRate) -> bool:
    """Whether a right product can be made of this instruction, so that its rate bounds one."""
    ops = _WIDENING_OPS if row.dtype in _WIDENING_ONLY else _MULTIPLY_ADDS
    return row.op in ops and row.instruction not in _NO_CEILING


def _compute(machine: Machine) -> dict[str, Compute]:
    best: dict[str, Compute] = {}
    kind = machine.topology.kinds[0] if machine.topology else ""
    for row in machine.simd:
        if not row.rate.known or row.core_kind not in (kind, "") or not is_ceiling(row):
            continue
        rate = row.rate.number()
        if row.dtype not in best or rate > best[row.dtype].rate:
            per_cycle = row.op_per_cycle.number() if row.op_per_cycle.known else 0.0
            together = _together(machine, f"{row.unit} {row.op} {row.dtype}")
            best[row.dtype] = Compute(rate, per_cycle, f"{row.unit} {row.instruction} {row.dtype}", _upper(row.rate), together)
    return best


def _together(machine: Machine, name: str) -> dict[int, tuple[float, float]]:
    """What several threads reach at once, where that was measured: clocks fall when all cores run."""
    found = [r for r in machine.roofs if r.kind == "compute" and r.name == name and r.threads > 1]
    return {r.threads: (r.rate.number(), _upper(r.rate)) for r in found if r.rate.known and r.rate.how is How.MEASURED}


def _upper(fact: Fact[float]) -> float:
    """The upper end of a fact's interval over its value."""
    return max(1.0, fact.high / fact.number()) if fact.known and fact.high is not None and fact.number() > 0 else 1.0


def _levels(machine: Machine) -> tuple[Level, ...]:
    levels = []
    for cache in machine.caches:
        if cache.core_kind != machine.caches[0].core_kind:
            continue
        roofs = [r for r in machine.roofs if r.kind == "memory" and r.level == cache.name and r.rate.known]
        rates, high = {r.threads: r.rate.number() for r in roofs}, max((_upper(r.rate) for r in roofs), default=1.0)
        shared = cache.sharing.value == "shared"
        size = None if cache.name == "DRAM" else _most(cache, shared)
        if size is not None or cache.name == "DRAM":
            levels.append(Level(cache.name, size, shared, rates, high))
    return tuple(levels)


def _most(cache: CacheLevel, shared: bool) -> int | None:
    """The most bytes that may fit into a cache; None where its size is unknown."""
    if cache.size.value is None:
        return None
    known = [float(cache.size.value), cache.size.high or 0.0, *([] if shared else [float(c.size_bytes) for c in cache.claims])]
    return int(max(known))
