"""Special machines for the screen tests, all cut from the synthetic one: other counts of levels, kinds of core, nothing at all."""

from __future__ import annotations

from dataclasses import replace

from mmbench.configs.facts import measured, reported, unknown
from mmbench.configs.machine import CacheLevel, ClockFacts, CoreToCore, Cpu, Machine, Topology, Unit
from synthetic_machine import synthetic_machine


def _but(machine: Machine, *names: str) -> Machine:
    """The machine with these cache levels only."""
    return replace(
        machine,
        caches=tuple(c for c in machine.caches if c.name in names),
        bandwidths=tuple(b for b in machine.bandwidths if b.level in names),
        notices=(),
    )


def two_levels() -> Machine:
    """One cache and memory."""
    return _but(synthetic_machine(), "L1d", "DRAM")


def three_levels() -> Machine:
    """Two caches and memory."""
    return _but(synthetic_machine(), "L1d", "L2", "DRAM")


def five_levels() -> Machine:
    """Four caches and memory."""
    machine = synthetic_machine()
    l3, memory = machine.caches[2], machine.caches[3]
    l4 = replace(l3, name="L4", size=measured(128 * 2**20, "B", "latency@1", 100 * 2**20, 140 * 2**20), claims=(), oddities=())
    return replace(machine, caches=(*machine.caches[:3], l4, memory))


def no_caches() -> Machine:
    """Nothing but identity and the reasons why: what is left when every probe of memory failed."""
    machine = synthetic_machine()
    return replace(
        machine,
        caches=(),
        tlbs=(),
        bandwidths=(),
        loaded_latency=(),
        curves={},
        roofs=tuple(r for r in machine.roofs if r.kind == "compute"),
        not_run={"latency": "killed by signal 9 (out of memory?)", "bandwidth": "needs latency, which did not run"},
    )


def bare() -> Machine:
    """A machine file with a schema and an id, nothing else."""
    return Machine(1, "bare-0")


def one_cpu() -> Machine:
    """A guest with one CPU: no cores to talk to, no second thread."""
    machine = synthetic_machine()
    one = tuple(reported(1, "", "sysfs") for _ in range(4))
    before = {
        **machine.conditions.before,
        "governor": unknown("", "sysfs", "hidden by the guest"),
        "cpu_quota": reported(0.5, "cpu", "cpu.max"),
    }
    return replace(
        machine,
        topology=Topology(*one, cpus=(Cpu(0, 0, 0, 0),), allowed=(0,)),
        bandwidths=tuple(b for b in machine.bandwidths if b.threads == 1),
        roofs=tuple(r for r in machine.roofs if r.threads == 1),
        core_to_core=(),
        nodes=(),
        loaded_latency=(),
        conditions=replace(machine.conditions, before=before),
        not_run={"core-to-core": "only one CPU is allowed", "loaded-latency": "only one CPU is allowed"},
    )


def two_cpus() -> Machine:
    """Two CPUs: the core-to-core matrix is one pair."""
    machine = synthetic_machine()
    pair = CoreToCore("cas", (0, 1), ((0.0, 58.2e-9), (57.9e-9, 0.0)), ((0.0, 57e-9), (57e-9, 0.0)), ((0.0, 60e-9), (59e-9, 0.0)))
    return replace(machine, core_to_core=(pair,), nodes=())


def many_cpus(count: int = 64) -> Machine:
    """More CPUs than a matrix can show."""
    rows = tuple(tuple(0.0 if a == b else (40e-9 if a // 8 == b // 8 else 110e-9) for b in range(count)) for a in range(count))
    return replace(synthetic_machine(), core_to_core=(CoreToCore("cas", tuple(range(count)), rows),))


def hybrid() -> Machine:
    """Two kinds of core: 4 P and 8 E, each with its own caches, clock and rates."""
    machine = synthetic_machine()
    cpus = tuple(Cpu(i, i, 0, 0, "P" if i < 4 else "E") for i in range(12))
    counts = (reported(1, "", "sysfs"), reported(12, "", "sysfs"), reported(12, "", "sysfs"), reported(1, "", "sysfs"))

    def slower(cache: CacheLevel) -> CacheLevel:
        return replace(cache, core_kind="E", latency_cycles=replace(cache.latency_cycles, value=6.0, low=5.9, high=6.1), oddities=())

    clock = machine.clocks[0]
    e_clock = replace(clock, core_hz=measured(2.5e9, "Hz", "clock@1", 2.49e9, 2.51e9), under_load={}, core_kind="E")
    p_clock: ClockFacts = replace(clock, core_kind="P")
    return replace(
        machine,
        topology=Topology(*counts, cpus=cpus, allowed=tuple(range(12)), kinds=("P", "E")),
        clocks=(p_clock, e_clock),
        caches=(*(replace(c, core_kind="P") for c in machine.caches), *(slower(c) for c in machine.caches if c.name != "L3")),
        tlbs=tuple(replace(t, core_kind=k) for k in ("P", "E") for t in machine.tlbs),
        bandwidths=tuple(replace(b, core_kind=k) for k in ("P", "E") for b in machine.bandwidths),
        simd=(
            *(replace(r, core_kind="P") for r in machine.simd),
            *(replace(r, core_kind="E") for r in machine.simd if r.width_bits <= 256),
        ),
        matrix_units=tuple(replace(u, core_kind=k) for k in ("P", "E") for u in machine.matrix_units),
        roofs=tuple(replace(r, core_kind=k) for k in ("P", "E") for r in machine.roofs),
        curves={f"latency:{k}": replace(machine.curves["latency"], core_kind=k) for k in ("P", "E")},
        nodes=(),
        core_to_core=(),
    )


def many_units() -> Machine:
    """A chip that lacks most units, for one reason, and has a matrix unit that works."""
    machine = synthetic_machine()
    no = reported(False, "", "cpuid")
    never = unknown("", "matrix@1", "not tried: the chip does not claim it")
    names = ("amx_bf16", "amx_fp16", "avx512_fp16", "avx_vnni_int8", "sme")
    lacking = tuple(Unit(name, no, no, never, never, usable=False, reason="the chip does not claim it") for name in names)
    tile = replace(
        machine.simd[-1],
        unit="amx_int8",
        op="mma",
        dtype="i8",
        width_bits=8192,
        instruction="tdpbssd",
        op_per_cycle=measured(2048.0, "op/cycle", "simd@1", 2040.0, 2050.0),
        rate=measured(7.2e12, "op/s", "simd@1", 7.1e12, 7.3e12),
        latency_cycles=unknown("cycle", "simd@1", "not measured for tiles"),
        oddities=("1.62 instructions a cycle: between 1 and 2 pipes",),
    )
    return replace(machine, matrix_units=(*machine.matrix_units[:3], *lacking), simd=(*machine.simd, tile))
