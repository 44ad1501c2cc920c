"""An invented machine of another architecture than most that run these tests: AArch64, eight cores of the kind of Arm's Neoverse V2.

Nothing here was measured anywhere. What is true of such chips is what can be read: the numbers of its MIDR, the words of /proc/cpuinfo, the
units and instructions (taken from the tables that the probes emit from), 64 KiB and 1 MiB of private cache, lines of 64 bytes, pages of
64 KiB as many systems for such servers have them, a counter of 1 GHz beside a clock of 2.8 GHz, no vectors wider than 128 bits and nothing
of x86. Identity, topology and features are not filled in but inferred by the probes out of what such a system says. Every time and rate is
made up, near what is published, so that verdicts have something to say: the shared cache shows less than it claims.

Its id begins with `synthetic-`, which a report says wherever it shows the machine, and its brand says that there is no such chip.
"""

from __future__ import annotations

import functools
import itertools
import math
import random
from dataclasses import replace

from mmbench.configs.curve import Curve, Point
from mmbench.configs.facts import derived, measured, reported, unknown
from mmbench.configs.machine import (
    MACHINE_SCHEMA,
    Bandwidth,
    CacheClaim,
    CacheLevel,
    ClockFacts,
    Conditions,
    CoreToCore,
    Judgement,
    LoadedLatency,
    Machine,
    NodeToNode,
    Notice,
    Roof,
    TlbLevel,
    Unit,
    UnitRate,
    Verdict,
)
from mmbench.configs.plan import Entrant, Opened
from mmbench.configs.sweeplog import Missing
from mmbench.kernels.emit.instruction import Instruction
from mmbench.kernels.emit.isa import arm_neon, arm_sve
from mmbench.probes import identity, topology
from synthetic_machine import AGREES, KIB, MIB, spread
from synthetic_sweep import Party

ID = "synthetic-neoverse-000001"
CLOCK_HZ = 2.8e9
COUNT = 8
CPUS = tuple(range(COUNT))
PAGE = 64 * KIB
# name, size (0 for memory), cycles a load, read B/cycle of one core, what is claimed
LEVELS = (
    ("L1d", 64 * KIB, 4.0, 48.0, 64 * KIB),
    ("L2", 1 * MIB, 10.0, 32.0, 1 * MIB),
    ("L3", 32 * MIB, 84.0, 12.0, 36 * MIB),
    ("DRAM", 0, 336.0, 8.6, 0),
)
# instructions a cycle by operation; four pipes, of which two multiply integers
PIPES = {"fma": 4.0, "mul": 4.0, "add": 4.0, "dot": 4.0, "mma": 4.0}
LATENCY = {"fma": 4.0, "mul": 3.0, "add": 2.0, "dot": 3.0, "mma": 4.0}
ROWS = (*arm_neon.UNITS, *arm_sve.UNITS)
FEATURES = (
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm jscvt fcma lrcpc dcpop sha3 asimddp sha512 sve "
    "asimdfhm uscat ilrcpc flagm sb dcpodp sve2 svei8mm svebf16 i8mm bf16 dgh rng bti"
)
_MIDR = "0x00000000410fd4f1"  # implementer 0x41 (Arm), part 0xd4f (Neoverse V2), r0p1


def synthetic_neoverse() -> Machine:
    """The whole invented machine, the same on every call."""
    machine = _read()
    brand = reported("Synthetic Neoverse V2 (no such chip)", "", "identity@1", "written by hand: Arm servers give no brand")
    return replace(
        machine,
        identity={**machine.identity, "brand": brand},
        cache_claims=_claims(),
        clocks=(_clock(),),
        caches=_caches(),
        tlbs=_tlbs(),
        bandwidths=_bandwidths(),
        simd=_simd(),
        matrix_units=_units(),
        roofs=_roofs(),
        core_to_core=(_core_to_core(),),
        nodes=(NodeToNode(0, 0, spread(120e-9, "s", "nodes@1"), spread(190e9, "B/s", "nodes@1")),),
        loaded_latency=_loaded(),
        notices=(
            Notice(
                "L3 measured 32 MiB, claimed 36 MiB",
                "this machine was made up, and so was the difference",
                "measure a real one",
                "cache-size",
            ),
        ),
        not_run={"geometry": "this machine was made up: nothing ran on it"},
        probed_at="2026-01-02T03:04:05Z",
        versions={"mmbench": "0.1.0", "llvm": "20.1.8"},
        conditions=Conditions({"governor": unknown("", "sysfs", "not shown inside this guest"), "page": reported(PAGE, "B", "sysconf")}),
        curves={**machine.curves, "latency": _latency_curve(), "clock": _clock_curve()},
    )


def _read() -> Machine:
    """What the probes infer of such a system's own words."""
    numbers = "CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd4f\nCPU revision\t: 1"
    blocks = [f"processor\t: {cpu}\nBogoMIPS\t: 2000.00\nFeatures\t: {FEATURES}\n{numbers}" for cpu in CPUS]
    one = "/sys/devices/system/cpu/cpu{}/"
    files = {"/proc/cpuinfo": blocks[0], one.format(0) + "regs/identification/midr_el1": _MIDR}
    system = {"arch": "aarch64", "os": "Linux", "kernel": "6.12.0-64k", "llvm_cpu": "neoverse-v2", "archspec": "neoverse_v2"}
    of_cpus = {"topology/physical_package_id": "0", "regs/identification/midr_el1": _MIDR}
    places = {one.format(cpu) + name: text for cpu in CPUS for name, text in of_cpus.items()}
    for cpu in CPUS:
        places |= {one.format(cpu) + f"topology/{name}": str(cpu) for name in ("core_id", "thread_siblings_list")}
    places |= {"/proc/cpuinfo": "\n\n".join(blocks), "/sys/devices/system/cpu/online": f"0-{COUNT - 1}"}
    places["/sys/devices/system/node/node0/cpulist"] = f"0-{COUNT - 1}"
    nothing: dict[str, str] = {}
    readings = {"files": files, "cpuid": nothing, "sysctl": nothing, "system": system}
    curves = {
        "identity": Curve("identity", 1, readings=readings),
        "topology": Curve(
            "topology",
            1,
            readings={
                **dict.fromkeys(("cpuid", "cpuid_by_cpu", "sysctl", "getconf"), nothing),
                "files": places,
                "allowed": list(CPUS),
                "cpu": 0,
                "counts": {"os_cpu_count": COUNT},
            },
        ),
    }
    machine = topology.infer(curves["topology"], identity.infer(curves["identity"], Machine(MACHINE_SCHEMA, ID)))
    return replace(machine, id=ID, curves=curves)


def _claims() -> tuple[CacheClaim, ...]:
    rows = (
        *((1, "data", 64 * KIB, 4, 1), (1, "instruction", 64 * KIB, 4, 1)),
        *((2, "unified", 1 * MIB, 8, 1), (3, "unified", 36 * MIB, 12, COUNT)),
    )
    return tuple(CacheClaim("sysfs", level, kind, size, ways, 64, shared) for level, kind, size, ways, shared in rows)


def _clock() -> ClockFacts:
    return ClockFacts(
        core_hz=spread(CLOCK_HZ, "Hz", "clock@1", 0.001),
        timer=reported("cntvct", "", "clock@1"),
        timer_hz=spread(1e9, "Hz", "clock@1", 0.0001),
        timer_step_s=measured(1e-9, "s", "clock@1"),
        timer_cost_s=spread(1.6e-8, "s", "clock@1"),
        under_load={name: spread(CLOCK_HZ, "Hz", "clock@1", 0.002) for name in ("scalar", "128")},
    )


def _caches() -> tuple[CacheLevel, ...]:
    rows = []
    for number, (name, size, cycles, _, claimed) in enumerate(LEVELS, start=1):
        judgement = Judgement(Verdict.NO_CLAIM) if not size else AGREES
        if size != claimed:
            judgement = Judgement(Verdict.CLAIM_LARGER, "36 MiB claimed: a part of it serves the mesh")
        rows.append(
            CacheLevel(
                name=name,
                size=measured(size, "B", "latency@1", size * 0.97, size * 1.05)
                if size
                else unknown("B", "latency@1", "memory is the last level"),
                latency=spread(cycles / CLOCK_HZ, "s", "latency@1"),
                latency_cycles=spread(cycles, "cycle", "latency@1"),
                line=measured(64, "B", "geometry@1") if size else unknown("B", "geometry@1", "memory has no line of its own"),
                ways=measured({"L1d": 4, "L2": 8}[name], "", "geometry@1") if number < 3 else unknown("", "geometry@1", "index hashed"),
                sharing=measured("shared" if number > 2 else "private", "", "sharing@1"),
                claims=tuple(c for c in _claims() if c.level == number and c.kind != "instruction"),
                judgement=judgement,
            )
        )
    return tuple(rows)


def _tlbs() -> tuple[TlbLevel, ...]:
    return tuple(
        TlbLevel(
            name, PAGE, measured(entries, "", "tlb@1", entries * 0.97, entries * 1.02), spread(cycles / CLOCK_HZ, "s", "tlb@1"),
            spread(cycles, "cycle", "tlb@1"), AGREES,
        )
        for name, entries, cycles in (("L1 dTLB", 48, 5.0), ("L2 TLB", 2048, 26.0))
    )  # fmt: skip


def _together(threads: int, size: int) -> float:
    """How many times the rate of one core so many get: all of it from caches, less from memory."""
    return threads if size else min(threads, 7.0)


def _bandwidths() -> tuple[Bandwidth, ...]:
    share = {"read": 1.0, "write": 0.6, "copy": 0.7, "triad": 0.75, "nt-write": 0.65}
    rows = []
    for level, size, _, per_cycle, _ in LEVELS:
        for kernel, factor in share.items():
            for threads in (1, COUNT):
                rate = spread(per_cycle * factor * CLOCK_HZ * _together(threads, size), "B/s", "bandwidth@1", 0.02)
                several = unknown("B/cycle", "bandwidth@1", "several cores have several clocks")
                one = spread(per_cycle * factor, "B/cycle", "bandwidth@1") if threads == 1 else several
                rows.append(Bandwidth(level, kernel, threads, 128, rate, one, size // 2 or 256 * MIB))
    return tuple(rows)


def _simd() -> tuple[UnitRate, ...]:
    """Every instruction that the probes time on such a chip: NEON and SVE of 128 bits, dot products and small matrix products."""
    return tuple(_unit_rate(row.name, i) for row in ROWS for i in row.instructions if i.op in PIPES)


def _unit_rate(unit: str, i: Instruction) -> UnitRate:
    pipes = PIPES[i.op] / (2 if i.dtype.startswith("int") and i.op in ("mul", "fma") else 1)
    return UnitRate(
        unit,
        i.op,
        i.dtype,
        i.width_bits,
        i.name,
        rate=spread(pipes * i.ops * CLOCK_HZ, "op/s", "simd@1"),
        op_per_cycle=spread(pipes * i.ops, "op/cycle", "simd@1", 0.003),
        instr_per_cycle=spread(pipes, "instr/cycle", "simd@1", 0.003),
        latency_cycles=spread(LATENCY[i.op], "cycle", "simd@1", 0.003),
        clock_hz=spread(CLOCK_HZ, "Hz", "simd@1", 0.002),
        judgement=AGREES,
    )


def _units() -> tuple[Unit, ...]:
    yes, ran = reported(True, "", "/proc/cpuinfo"), measured(True, "", "matrix@1")
    allowed = {"sve": reported(True, "", "prctl")}
    usable = [Unit(row.name, yes, allowed.get(row.system, yes), ran, ran, usable=True) for row in ROWS if row.matrix]
    never = unknown("", "matrix@1", "not tried: the chip does not claim it")
    no = reported(False, "", "/proc/cpuinfo")
    return (*usable, Unit("sme", no, no, never, never, usable=False, reason="the chip does not claim it"))


def _roofs() -> tuple[Roof, ...]:
    best = {
        ("neon", "fma", "f64"),
        ("neon", "fma", "f32"),
        ("neon_fp16", "fma", "f16"),
        ("neon_bf16", "mma", "bf16"),
        ("i8mm", "mma", "int8"),
    }
    rates = {
        (row.unit, row.op, row.dtype): row.rate.number()
        for row in _simd()
        if (row.unit, row.op, row.dtype) in best and row.width_bits == 128
    }
    rows = []
    for threads in (1, COUNT):
        for (unit, op, dtype), one in rates.items():
            rate = one * threads
            name = f"{unit} {op} {dtype}"
            rows.append(Roof("compute", name, dtype, "", threads, derived(rate, "op/s", "roofs@1", rate * 0.99, rate * 1.01)))
        for level, size, _, per_cycle, _ in LEVELS:
            rate = per_cycle * CLOCK_HZ * _together(threads, size)
            rows.append(Roof("memory", f"{level} read", "", level, threads, derived(rate, "B/s", "roofs@1", rate * 0.98, rate * 1.02)))
    return tuple(rows)


def _core_to_core() -> CoreToCore:
    """A mesh: the farther apart, the longer; no clusters."""
    rows = tuple(tuple(0.0 if a == b else (38 + 3.0 * abs(a - b)) * 1e-9 for b in CPUS) for a in CPUS)
    low, high = (tuple(tuple(value * by for value in row) for row in rows) for by in (0.96, 1.06))
    return CoreToCore("cas", CPUS, rows, low, high)


def _loaded() -> tuple[LoadedLatency, ...]:
    rows = ((0, 0, 0.1e9, 120e-9), (7, 400, 60e9, 126e-9), (7, 50, 130e9, 148e-9), (7, 0, 165e9, 240e-9))
    return tuple(
        LoadedLatency(injectors, delay, spread(rate, "B/s", "loaded-latency@1"), spread(latency, "s", "loaded-latency@1"))
        for injectors, delay, rate, latency in rows
    )


@functools.cache
def _latency_curve() -> Curve:
    noise = random.Random(11)
    points = []
    for pages, allocation, step in itertools.product(("huge", "small"), range(5), range(8 * 16)):  # 4 KiB to 256 MiB
        size = int(4096 * 2 ** (step / 8)) // 64 * 64
        cycles = LEVELS[0][2]
        for (_, capacity, before, *_), (_, _, after, *_) in itertools.pairwise(LEVELS):
            cycles += (after - before) * min(1.0, max(0.0, (size / capacity - 0.95) / 0.2))
        if pages == "small":
            cycles += 5 * (size > 48 * PAGE) + 26 * (size > 2048 * PAGE)
        samples = tuple(10_000 * cycles / CLOCK_HZ * math.exp(noise.gauss(0, 0.004)) for _ in range(3))
        setting = {"size_bytes": size, "pages": pages, "order": "grouped" if pages == "huge" else "random", "allocation": allocation}
        points.append(Point(setting, 10_000.0, samples, (CLOCK_HZ,) * 3, ("", "", "")))
    return Curve("latency", 1, "load", tuple(points))


def _clock_curve() -> Curve:
    chain = Point({"load": "scalar", "chain": "add"}, 1e6, (1e6 / CLOCK_HZ,) * 9)
    return Curve("clock", 1, "link", (chain,), missing=("cycle counter: perf_event_open is not allowed here",))


# --- who takes part in its sweep ------------------------------------------------------------------------------------------------

PARTY = Party(
    entrants=(
        Entrant("naive", "own", "1", "the three loops"),
        Entrant("vectorized", "own", "3", "packed panels and a generated micro-kernel"),
        Entrant("openblas@debian", "library", "1", "OpenBLAS", "/usr/lib/aarch64-linux-gnu/libopenblas.so.0", "0.3.29"),
        Entrant("onednn@debian", "library", "1", "oneDNN", "/usr/lib/aarch64-linux-gnu/libdnnl.so.3", "3.6"),
        Entrant("onednn-unfused@debian", "library", "1", "oneDNN", "/usr/lib/aarch64-linux-gnu/libdnnl.so.3", "3.6"),
        Entrant("nvpl@nvpl-blas", "library", "1", "NVPL BLAS", "/opt/lib/libnvpl_blas_lp64_gomp.so.0", "0.6.0"),
    ),
    opened=(
        Opened("naive", "1", start_s=0.4),
        Opened("vectorized", "3", start_s=0.6),
        Opened("openblas@debian", "0.3.29", "neoversev2", "pthreads", ("libopenblas.so.0",), 33 << 20, start_s=0.5),
        Opened("onednn@debian", "3.6", "sve_128", "libgomp", ("libdnnl.so.3",), 21 << 20, start_s=0.8),
        Opened("onednn-unfused@debian", "3.6", "sve_128", "libgomp", ("libdnnl.so.3",), 21 << 20, start_s=0.8),
        Opened("nvpl@nvpl-blas", "0.6.0", "", "openmp", ("libnvpl_blas_lp64_gomp.so.0",), 19 << 20, start_s=0.5),
    ),
    absent=(
        Missing("mkl", "oneMKL", "not for Linux on aarch64: it exists for x86_64, amd64", ""),
        Missing("armpl", "Arm Performance Libraries", "not installed", "https://developer.arm.com/downloads/-/arm-performance-libraries"),
    ),
    speed={
        "naive": 1.1e9,
        "vectorized": 82e9,
        "openblas@debian": 71e9,
        "nvpl@nvpl-blas": 84e9,
        "onednn@debian": 66e9,
        "onednn-unfused@debian": 52e9,
    },
    isa={"f64": "sve", "f32": "sve", "bf16": "sve_bf16", "int4bf16": "sve_bf16", "s8": "sve_i8mm"},
    slower={"f64": 2.0, "s8": 0.5, "bf16": 0.6},
    declined={"openblas@debian": ("s8",), "nvpl@nvpl-blas": ("s8", "bf16", "int4bf16")},
    clock_hz=CLOCK_HZ,
)
