"""Describe one machine: what it is, what it claims and what was measured, as frozen records of Facts.

A Machine is a fold of `infer` over the curves of its probes (see `probes.runner`): nothing here is filled in any other way,
so that a stored machine can be inferred again from its own curves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from .curve import Curve
from .facts import Fact, Scalar

MACHINE_SCHEMA = 1


class Verdict(StrEnum):
    """How a measured value stands to what is claimed of it."""

    AGREES = "agrees"
    CLAIM_LARGER = "claim larger"
    CLAIM_SMALLER = "claim smaller"
    CLAIMS_DISAGREE = "claims disagree"
    NO_CLAIM = "no claim"
    NOT_MEASURABLE = "not measurable"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its reason in words, and the usual causes where there are any."""

    verdict: Verdict
    why: str = ""


@dataclass(frozen=True, slots=True)
class CacheClaim:
    """What one source (`sysfs`, `cpuid.4`, `cpuid.8000001d`, `sysctl`, `getconf`…) says of one cache of one CPU."""

    source: str
    level: int
    kind: str  # data, instruction, unified
    size_bytes: int
    ways: int = 0
    line_bytes: int = 0
    shared_by: int = 0  # logical CPUs; 0 where the source does not say


@dataclass(frozen=True, slots=True)
class Cpu:
    """One logical CPU: where it sits. -1 where the system does not say."""

    id: int
    core: int = -1
    package: int = -1
    node: int = -1
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Topology:
    """Counts, and every logical CPU. `allowed` are those this process may use."""

    packages: Fact[int]
    cores: Fact[int]
    threads: Fact[int]
    nodes: Fact[int]
    cpus: tuple[Cpu, ...] = ()
    allowed: tuple[int, ...] = ()
    kinds: tuple[str, ...] = ("",)  # kinds of core, fastest first; one empty name where all are alike


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """The clocks of one core: its own frequency under several loads, and the timer that measured it."""

    core_hz: Fact[float]
    timer: Fact[str]  # tsc, cntvct, monotonic…
    timer_hz: Fact[float]
    timer_step_s: Fact[float]  # what all differences are multiples of
    timer_cost_s: Fact[float]  # two reads back to back
    under_load: dict[str, Fact[float]] = field(default_factory=dict)  # "scalar", "128", "256", "512" to Hz
    core_kind: str = ""


@dataclass(frozen=True, slots=True)
class CacheLevel:
    """One level of the memory hierarchy as measured; DRAM is the last, without a size.

    `size` is the *effective* size in bytes: what one thread on this machine can keep there. `verdict` holds it against `claims`.
    """

    name: str  # L1d, L2, L3, …, DRAM
    size: Fact[int]
    latency: Fact[float]  # seconds a load
    latency_cycles: Fact[float]
    line: Fact[int]  # bytes
    ways: Fact[int]
    sharing: Fact[str]  # "private" | "shared"
    claims: tuple[CacheClaim, ...] = ()
    judgement: Judgement = Judgement(Verdict.NO_CLAIM)
    oddities: tuple[str, ...] = ()
    core_kind: str = ""


@dataclass(frozen=True, slots=True)
class TlbLevel:
    """One level of address translation: entries of `page_bytes` that it reaches, and what a miss adds.

    `pages` is what the memory was asked to be on. Steps found on `huge` pages at the spacing of small ones show that huge pages
    act as small ones here, as in a guest whose host backs them so.
    """

    name: str  # L1 dTLB, L2 TLB
    page_bytes: int
    entries: Fact[int]
    miss: Fact[float]  # seconds added to a load
    miss_cycles: Fact[float]
    judgement: Judgement = Judgement(Verdict.NO_CLAIM)
    core_kind: str = ""
    pages: str = "small"  # small, huge


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """How fast one kind of stream runs at one level. `rate` counts the bytes the program asked for (no RFO traffic)."""

    level: str
    kernel: str  # read, write, copy, triad, nt-write
    threads: int
    width_bits: int
    rate: Fact[float]  # B/s
    per_cycle: Fact[float]  # B/cycle of one core; unknown for several threads
    size_bytes: int = 0  # working set of one thread
    core_kind: str = ""


@dataclass(frozen=True, slots=True)
class UnitRate:
    """What one instruction of one unit does: throughput and latency.

    `op_per_cycle` counts arithmetic operations (a fused multiply-add is 2 for each element, a dot step 2 for each product).
    """

    unit: str  # the ISA row, such as avx512f, avx512_vnni, amx_int8
    op: str  # fma, mul, add, dot, mma
    dtype: str
    width_bits: int
    instruction: str
    rate: Fact[float]  # op/s
    op_per_cycle: Fact[float]
    instr_per_cycle: Fact[float]
    latency_cycles: Fact[float]
    clock_hz: Fact[float]
    judgement: Judgement = Judgement(Verdict.NO_CLAIM)
    oddities: tuple[str, ...] = ()
    core_kind: str = ""


@dataclass(frozen=True, slots=True)
class Unit:
    """Whether a vector or matrix unit can be used, and why not.

    Present = claimed by the chip, allowed by the system, executed in a child process that was free to trap, and right in value.
    """

    name: str
    claimed: Fact[bool]
    allowed: Fact[bool]
    executed: Fact[bool]
    right: Fact[bool]
    usable: bool
    reason: str = ""
    core_kind: str = ""


@dataclass(frozen=True, slots=True)
class Roof:
    """A ceiling of the roofline: op/s of a unit and data type, or B/s of a level, for a number of threads."""

    kind: str  # compute, memory
    name: str  # "avx512f fma f32", "L2 read"
    dtype: str
    level: str
    threads: int
    rate: Fact[float]
    core_kind: str = ""


@dataclass(frozen=True, slots=True)
class CoreToCore:
    """One-way time of a cache line between two CPUs, in seconds: median over several lines, homed on either side."""

    mode: str  # cas, flag
    cpus: tuple[int, ...]
    median_s: tuple[tuple[float, ...], ...]  # [from][to]; 0.0 on the diagonal
    low_s: tuple[tuple[float, ...], ...] = ()
    high_s: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class NodeToNode:
    """Latency and read bandwidth from the CPUs of one NUMA node to the memory of another."""

    cpu_node: int
    memory_node: int
    latency: Fact[float]
    rate: Fact[float]


@dataclass(frozen=True, slots=True)
class LoadedLatency:
    """Memory latency while injectors draw bandwidth: one row a load."""

    injectors: int
    delay: int  # pause between an injector's lines, in loop steps
    rate: Fact[float]  # B/s drawn by the injectors
    latency: Fact[float]  # seconds a load of the chaser
    kernel: str = "read"  # what the injectors do: read, copy; empty without any


@dataclass(frozen=True, slots=True)
class Conditions:
    """The state of the system around a run: facts before and after, overrides in the environment."""

    before: dict[str, Fact[Scalar]] = field(default_factory=dict)
    after: dict[str, Fact[Scalar]] = field(default_factory=dict)
    overrides: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a reader must know: what, why it matters, what to try."""

    what: str
    why: str
    hint: str = ""
    topic: str = ""  # `mmbench explain TOPIC`


@dataclass(frozen=True, slots=True)
class Machine:
    """Everything known of one machine. `schema` and `id` first; every list is empty until its probe has run."""

    schema: int
    id: str
    identity: dict[str, Fact[Scalar]] = field(default_factory=dict)
    features: tuple[str, ...] = ()  # ISA flags as the system names them
    topology: Topology | None = None
    cache_claims: tuple[CacheClaim, ...] = ()
    clocks: tuple[ClockFacts, ...] = ()
    caches: tuple[CacheLevel, ...] = ()
    tlbs: tuple[TlbLevel, ...] = ()
    bandwidths: tuple[Bandwidth, ...] = ()
    simd: tuple[UnitRate, ...] = ()
    matrix_units: tuple[Unit, ...] = ()
    roofs: tuple[Roof, ...] = ()
    core_to_core: tuple[CoreToCore, ...] = ()
    nodes: tuple[NodeToNode, ...] = ()
    loaded_latency: tuple[LoadedLatency, ...] = ()
    notices: tuple[Notice, ...] = ()
    not_run: dict[str, str] = field(default_factory=dict)  # probe to the reason why its rows are absent
    probed_at: str = ""  # ISO 8601, UTC
    versions: dict[str, str] = field(default_factory=dict)
    conditions: Conditions = field(default_factory=Conditions)
    curves: dict[str, Curve] = field(default_factory=dict)
