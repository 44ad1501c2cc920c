"""A full, plausible, invented machine: every field of `Machine` is filled, so that readers of machines can be tried without one.

No number here was measured anywhere. Two packages of two cores; 48 KiB, 2 MiB and 30 MiB caches, of which this "guest" gets
24 MiB; AMX claimed but not allowed; an index-hashed L3 whose associativity cannot be seen. Tests import it by its plain
name (`from synthetic_machine import synthetic_machine`): conftest puts this folder on the path.
"""

from __future__ import annotations

import itertools
import math
import random

from mmbench.configs.curve import Curve, Point
from mmbench.configs.facts import Fact, How, derived, measured, reported, unknown
from mmbench.configs.machine import (
    MACHINE_SCHEMA,
    Bandwidth,
    CacheClaim,
    CacheLevel,
    ClockFacts,
    Conditions,
    CoreToCore,
    Cpu,
    Judgement,
    LoadedLatency,
    Machine,
    NodeToNode,
    Notice,
    Roof,
    TlbLevel,
    Topology,
    Unit,
    UnitRate,
    Verdict,
)

KIB, MIB = 1024, 1024**2
CLOCK_HZ = 3.5e9
CPUS = (0, 1, 2, 3)
AGREES = Judgement(Verdict.AGREES, "the interval covers the claim")
# name, size (0 for memory), cycles a load, read B/cycle of one core
LEVELS = (("L1d", 48 * KIB, 5.0, 110.0), ("L2", 2 * MIB, 16.0, 48.0), ("L3", 24 * MIB, 74.0, 14.0), ("DRAM", 0, 392.0, 4.2))


def spread(value: float, unit: str, by: str, share: float = 0.01) -> Fact[float]:
    """A measured Fact with an interval of plus and minus `share`."""
    return measured(value, unit, by, value * (1 - share), value * (1 + share))


def _topology() -> Topology:
    cpus = tuple(Cpu(id=i, core=i, package=i // 2, node=i // 2) for i in CPUS)
    counts = (reported(2, "", "sysfs"), reported(4, "", "sysfs"), reported(4, "", "sysfs"), reported(2, "", "sysfs"))
    return Topology(*counts, cpus=cpus, allowed=CPUS)


def _claims() -> tuple[CacheClaim, ...]:
    rows = (
        (1, "data", 48 * KIB, 12, 1),
        (1, "instruction", 32 * KIB, 8, 1),
        (2, "unified", 2 * MIB, 16, 1),
        (3, "unified", 30 * MIB, 15, 2),
    )
    return tuple(
        CacheClaim(source, level, kind, size, ways, 64, shared)
        for source in ("sysfs", "cpuid.4")
        for level, kind, size, ways, shared in rows
    )


def _clock() -> ClockFacts:
    loads = {"scalar": CLOCK_HZ, "128": CLOCK_HZ, "256": 3.45e9, "512": 3.2e9}
    return ClockFacts(
        core_hz=spread(CLOCK_HZ, "Hz", "clock@1", 0.001),
        timer=reported("tsc", "", "clock@1"),
        timer_hz=spread(2.1e9, "Hz", "clock@1", 0.0001),
        timer_step_s=measured(9.5e-9, "s", "clock@1"),
        timer_cost_s=spread(1.2e-8, "s", "clock@1"),
        under_load={name: spread(hz, "Hz", "clock@1", 0.002) for name, hz in loads.items()},
    )


def _caches() -> tuple[CacheLevel, ...]:
    rows = []
    for number, (name, size, cycles, _) in enumerate(LEVELS, start=1):
        claims = tuple(c for c in _claims() if c.level == number and c.kind != "instruction")
        judgement = AGREES
        if name == "L3":
            judgement = Judgement(Verdict.CLAIM_LARGER, "30 MiB claimed: other guests share this cache")
        elif not size:
            judgement = Judgement(Verdict.NO_CLAIM)
        rows.append(
            CacheLevel(
                name=name,
                size=measured(size, "B", "latency@1", size * 0.96, size * 1.04)
                if size
                else unknown("B", "latency@1", "memory is the last level"),
                latency=spread(cycles / CLOCK_HZ, "s", "latency@1"),
                latency_cycles=spread(cycles, "cycle", "latency@1"),
                line=measured(64, "B", "geometry@1") if size else unknown("B", "geometry@1", "memory has no line of its own"),
                ways=_ways(name),
                sharing=measured("shared" if number > 2 else "private", "", "sharing@1"),
                claims=claims,
                judgement=judgement,
                oddities=("soft edge: the step to DRAM takes 1.5 octaves",) if name == "L3" else (),
            )
        )
    return tuple(rows)


def _ways(name: str) -> Fact[int]:
    known = {"L1d": 12, "L2": 16}
    if name in known:
        return measured(known[name], "", "geometry@1")
    return unknown("", "geometry@1", "index hashed: no stride shows the ways" if name == "L3" else "memory has no ways")


def _tlbs() -> tuple[TlbLevel, ...]:
    claim_larger = Judgement(Verdict.CLAIM_LARGER, "2048 claimed, about 1600 usable: normal for this core")
    return (
        TlbLevel(
            "L1 dTLB", 4096, measured(96, "", "tlb@1", 92, 100), spread(7 / CLOCK_HZ, "s", "tlb@1"), spread(7.0, "cycle", "tlb@1"), AGREES
        ),
        TlbLevel(
            "L2 TLB",
            4096,
            measured(1600, "", "tlb@1", 1450, 1700),
            spread(30 / CLOCK_HZ, "s", "tlb@1"),
            spread(30.0, "cycle", "tlb@1"),
            claim_larger,
        ),
    )


def _bandwidths() -> tuple[Bandwidth, ...]:
    share = {"read": 1.0, "write": 0.5, "copy": 0.8, "triad": 0.85, "nt-write": 0.6}
    rows = []
    for level, size, _, per_cycle in LEVELS:
        for kernel, factor in share.items():
            for threads in (1, len(CPUS)):
                rate = per_cycle * factor * CLOCK_HZ * (threads if size else min(threads, 2.4))
                one = spread(per_cycle * factor, "B/cycle", "bandwidth@1")
                several: Fact[float] = unknown("B/cycle", "bandwidth@1", "several cores have several clocks")
                rows.append(
                    Bandwidth(
                        level,
                        kernel,
                        threads,
                        512,
                        spread(rate, "B/s", "bandwidth@1", 0.02),
                        one if threads == 1 else several,
                        size // 2 or 256 * MIB,
                    )
                )
    return tuple(rows)


def _unit_rate(unit: str, op: str, dtype: str, bits: int, instruction: str, pipes: float, latency: float) -> UnitRate:
    lanes = bits // {"f64": 64, "f32": 32, "int32": 32, "f16": 16, "int16": 16, "bf16": 16, "int8": 8}[dtype]
    operations = lanes * (2 if op in ("fma", "dot") else 1)
    clock = {128: CLOCK_HZ, 256: 3.45e9, 512: 3.2e9}[bits]
    return UnitRate(
        unit,
        op,
        dtype,
        bits,
        instruction,
        rate=spread(pipes * operations * clock, "op/s", "simd@1"),
        op_per_cycle=spread(pipes * operations, "op/cycle", "simd@1", 0.003),
        instr_per_cycle=spread(pipes, "instr/cycle", "simd@1", 0.003),
        latency_cycles=spread(latency, "cycle", "simd@1", 0.003),
        clock_hz=spread(clock, "Hz", "simd@1", 0.002),
        judgement=AGREES,
    )


def _simd() -> tuple[UnitRate, ...]:
    rows = []
    for bits, unit in ((128, "avx"), (256, "avx2"), (512, "avx512f")):
        for dtype, suffix in (("f64", "pd"), ("f32", "ps")):
            rows.append(_unit_rate(unit, "fma", dtype, bits, f"vfmadd231{suffix}", 2.0, 4.0))
            rows.append(_unit_rate(unit, "mul", dtype, bits, f"vmul{suffix}", 2.0, 4.0))
            rows.append(_unit_rate(unit, "add", dtype, bits, f"vadd{suffix}", 2.0, 2.0))
        rows.append(_unit_rate(unit, "add", "int32", bits, "vpaddd", 2.0, 1.0))
    rows.append(_unit_rate("avx512_vnni", "dot", "int8", 512, "vpdpbusd", 2.0, 5.0))
    rows.append(_unit_rate("avx512_bf16", "dot", "bf16", 512, "vdpbf16ps", 1.0, 6.0))
    return tuple(rows)


def _units() -> tuple[Unit, ...]:
    def answer(value: bool, by: str) -> Fact[bool]:
        return Fact(value, "", How.REPORTED if by != "matrix@1" else How.MEASURED, by)

    rows = [
        Unit(name, answer(True, "cpuid"), answer(True, "xcr0"), answer(True, "matrix@1"), answer(True, "matrix@1"), usable=True)
        for name in ("avx512f", "avx512_vnni", "avx512_bf16")
    ]
    never: Fact[bool] = unknown("", "matrix@1", "not tried: the system does not allow it")
    reason = "the system refuses tile state (arch_prctl: operation not supported)"
    rows.append(Unit("amx_int8", answer(True, "cpuid"), answer(False, "arch_prctl"), never, never, usable=False, reason=reason))
    return tuple(rows)


def _roofs() -> tuple[Roof, ...]:
    rows = []
    for threads in (1, len(CPUS)):
        for dtype, per_cycle in (("f64", 32), ("f32", 64), ("bf16", 64)):
            rate = per_cycle * 3.2e9 * threads
            rows.append(
                Roof("compute", f"avx512f fma {dtype}", dtype, "", threads, derived(rate, "op/s", "roofs@1", rate * 0.99, rate * 1.01))
            )
        for level, size, _, per_cycle_bytes in LEVELS:
            rate = per_cycle_bytes * CLOCK_HZ * (threads if size else min(threads, 2.4))
            rows.append(Roof("memory", f"{level} read", "", level, threads, derived(rate, "B/s", "roofs@1", rate * 0.98, rate * 1.02)))
    return tuple(rows)


def _core_to_core() -> CoreToCore:
    def one_way_s(a: int, b: int) -> float:
        return 0.0 if a == b else 55e-9 if a // 2 == b // 2 else 120e-9

    rows = tuple(tuple(one_way_s(a, b) for b in CPUS) for a in CPUS)
    return CoreToCore(
        "cas", CPUS, rows, tuple(tuple(v * 0.95 for v in row) for row in rows), tuple(tuple(v * 1.08 for v in row) for row in rows)
    )


def _latency_curve(noise: random.Random) -> Curve:
    points = []
    for pages in ("huge", "small"):
        for allocation in range(5):
            for step in range(8 * 15):  # 4 KiB to 128 MiB, eight sizes an octave
                size = int(4096 * 2 ** (step / 8)) // 64 * 64
                cycles = LEVELS[0][2]
                for (_, capacity, before, _), (_, _, after, _) in itertools.pairwise(LEVELS):
                    share = min(1.0, max(0.0, (size / capacity - 0.95) / 0.2))
                    cycles += (after - before) * share
                if pages == "small":
                    cycles += 7 * (size > 96 * 4096) + 30 * (size > 1600 * 4096)
                samples = tuple(10_000 * cycles / CLOCK_HZ * math.exp(noise.gauss(0, 0.004)) for _ in range(3))
                order = "grouped" if pages == "huge" else "random"
                setting = {"size_bytes": size, "pages": pages, "order": order, "allocation": allocation}
                points.append(Point(setting, 10_000.0, samples, (CLOCK_HZ,) * 3, ("", "", "steal" if step == 60 else "")))
    return Curve("latency", 1, "load", tuple(points))


def _curves() -> dict[str, Curve]:
    noise = random.Random(7)
    chain = Point({"load": "scalar", "chain": "add"}, 1e6, tuple(1e6 / CLOCK_HZ * math.exp(noise.gauss(0, 0.001)) for _ in range(9)))
    stream = Point({"level": "L2", "kernel": "read", "threads": 1}, 1e8, (1e8 / (48 * CLOCK_HZ),) * 5, (CLOCK_HZ,) * 5, ("",) * 5)
    return {
        "identity": Curve("identity", 1, readings={"/proc/cpuinfo": "model name : Synthetic 4-core\n"}),
        "clock": Curve("clock", 1, "link", (chain,), missing=("cycle counter: perf_event_open is not allowed here",)),
        "latency": _latency_curve(noise),
        "bandwidth": Curve("bandwidth", 1, "B", (stream,)),
    }


def _identity() -> dict[str, Fact[str | int | float | bool]]:
    words: dict[str, str | int] = {
        "brand": "Synthetic 4-core (no such chip)",
        "vendor": "Synthetic",
        "family": 6,
        "model": 207,
        "stepping": 2,
        "microarchitecture": "syntheticlake",
        "arch": "x86_64",
        "hypervisor": "KVM",
        "os": "Linux",
        "kernel": "6.12.0",
    }
    return {key: reported(value, "", "identity@1") for key, value in words.items()}


def synthetic_machine() -> Machine:
    """The whole invented machine, the same on every call."""
    before: dict[str, Fact[str | int | float | bool]] = {
        "governor": reported("performance", "", "sysfs"),
        "turbo": reported("on", "", "sysfs"),
        "load_1m": reported(0.1, "", "/proc/loadavg"),
        "memory_room": reported(8 * 1024**3, "B", "cgroup memory.max"),
        "thp": reported("madvise", "", "sysfs"),
        "microcode": unknown("", "sysfs", "not shown inside this guest"),
    }
    return Machine(
        schema=MACHINE_SCHEMA,
        id="synthetic-4c-00c0ffee",
        identity=_identity(),
        features=("amx_int8", "avx", "avx2", "avx512_bf16", "avx512_vnni", "avx512f", "fma"),
        topology=_topology(),
        cache_claims=_claims(),
        clocks=(_clock(),),
        caches=_caches(),
        tlbs=_tlbs(),
        bandwidths=_bandwidths(),
        simd=_simd(),
        matrix_units=_units(),
        roofs=_roofs(),
        core_to_core=(_core_to_core(),),
        nodes=tuple(
            NodeToNode(
                a, b, spread(112e-9 if a == b else 190e-9, "s", "core-to-core@1"), spread(40e9 if a == b else 24e9, "B/s", "core-to-core@1")
            )
            for a in (0, 1)
            for b in (0, 1)
        ),
        loaded_latency=tuple(
            LoadedLatency(injectors, delay, spread(rate, "B/s", "loaded-latency@1"), spread(latency, "s", "loaded-latency@1"))
            for injectors, delay, rate, latency in (
                (0, 0, 0.1e9, 112e-9),
                (3, 400, 12e9, 118e-9),
                (3, 50, 30e9, 160e-9),
                (3, 0, 36e9, 310e-9),
            )
        ),
        notices=(
            Notice(
                "L3 measured 24 MiB, claimed 30 MiB",
                "other guests on this host share the cache, and their load moves the figure",
                "repeat at another time of day, or ask for a dedicated host",
                "cache-size",
            ),
        ),
        not_run={"geometry": "the time budget was spent"},
        probed_at="2026-01-02T03:04:05Z",
        versions={"mmbench": "0.1.0", "llvm": "20.1.8"},
        conditions=Conditions(before, {"load_1m": reported(0.9, "", "/proc/loadavg")}, {"OMP_NUM_THREADS": "2"}),
        curves=_curves(),
    )
