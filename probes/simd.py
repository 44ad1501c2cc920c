"""Time every vector instruction that the chip claims: throughput and latency in core cycles, and operations a second.

Each instruction runs in registers only, on as many independent chains as hide its latency (throughput) and on one (latency). The core's
clock is read within a microsecond of each burst of 20 µs: longer scalar pauses let the chip raise its clock and cut the power
of the wide units, and both made 512-bit rates wander by ± 10 % where this was tried. Nothing is timed that was not first executed
and found right in a child process.

A point's unit of work is one machine instruction. Known flaws: the clock during the loop is taken to be that of the chain of additions
just before and after it; a busy sibling thread halves a rate (look at the interval). Source: reference 2.2 and 2.7.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterable
from typing import Any

from ..configs.curve import Curve, Point, joined
from ..configs.facts import Fact, Scalar, measured, unknown
from ..configs.machine import Machine, UnitRate
from ..configs.published import chip_of
from ..kernels.emit.instruction import Instruction, UnitRow, links_of
from ..kernels.emit.isa.registry import units_of
from ..kernels.emit.isa.trial import PATTERNS, Proof, Trial, key, timing_bench
from ..kernels.emit.target import Target, host_arch
from ..kernels.measure.sampler import Plan, Sampler
from ..kernels.measure.stats import interval_over_time
from ..kernels.measure.stopwatch import MachineStopwatch
from ..kernels.measure.trap import Trapped, can_trap, run_trapping
from .context import Context, Effort
from .judge import judge_operation_latency, judge_rate
from .registry import probe

TRIAL_S = 10.0  # a child that compiles and proves one unit takes some 0.1 s
_BURST_S = 20e-6
_CHAIN_TICKS = 1000  # a chain of additions is this many steps of the counter long: its time is good to 0.1 %


def claimed(unit: UnitRow, machine: Machine) -> tuple[bool, str]:
    """Whether the chip claims a unit, and by what: the system's list of flags, or what LLVM reads where there is none."""
    if machine.features:
        have = {word.lower() for word in machine.features}
        lacking = [word for word in unit.flags if not have & {spelling.lower() for spelling in word.split("|")}]
        return not lacking, "flags of the system" + (f": no {', '.join(lacking)}" if lacking else "")
    detected = Target.host().features
    lacking = [name for name in unit.features if name.startswith("+") and name not in detected and not name.startswith("+fast-")]
    return not lacking, "LLVM's own detection" + (f": no {', '.join(lacking)}" if lacking else "")


def prove_in_child(unit: UnitRow, seed: int) -> Trapped:
    """Compile a unit and run each instruction against its meaning where it may trap; the value is {instruction: Proof}."""
    return run_trapping(lambda: Trial.of(unit).prove(seed), TRIAL_S)


def close_sampler() -> Sampler:
    """A sampler whose clock is read close to the kernel: chains just long enough for the counter."""
    watch = MachineStopwatch()
    step_s = 1 / watch.timer.hz if watch.timer.row.name in ("tsc", "cntvct") else watch.timer.step_s
    watch.chain_c = min(watch.chain_c, max(32, math.ceil(_CHAIN_TICKS * step_s * 3e9 / 64)))
    return Sampler(watch)


ROUNDS = 3  # the probe comes back to each instruction, so that a neighbour's visit shows in the interval


def plan_of(effort: Effort, n: int = 0) -> Plan:
    """How each point is sampled in one round; `n` as tuned in the first."""
    return Plan(samples=effort.pick(3, 4, 9), sample_s=effort.pick(6, 15, 40) * 1e-4, burst_s=_BURST_S, n=n)


Proven = tuple[Trial, list[str]]


def time_units(proven: list[Proven], sampler: Sampler, context: Context) -> tuple[Point, ...]:
    """Points of every proven instruction of every unit, in rounds."""
    points: list[Point] = []
    tuned: dict[tuple[Scalar, ...], int] = {}
    for number in range(ROUNDS):
        for trial, right in proven:
            points += time_unit(trial, right, sampler, context, tuned)
        context.progress(0.4 + 0.6 * (number + 1) / ROUNDS, "")
    return joined(points)


def time_unit(trial: Trial, right: Iterable[str], sampler: Sampler, context: Context, tuned: dict[tuple[Scalar, ...], int]) -> list[Point]:
    """Points of each proven instruction: throughput and latency, in deep runs with three kinds of data."""
    points = []
    patterns = PATTERNS if context.effort is Effort.DEEP else PATTERNS[:1]
    wanted = set(right)
    for number, row in enumerate(trial.unit.instructions):
        if key(row) not in wanted or context.expired():
            continue
        for pattern in patterns:
            bench = timing_bench(row, trial.vscale, pattern, context.seed)
            for test, prefix in row.timed:
                if pattern != PATTERNS[0] and test != "throughput":
                    continue
                kernel = bench.kernel(trial.code.address(f"{prefix}_{number}"), trial.code)
                at = setting(trial.unit, row, test, pattern, trial.vscale)
                links, name = links_of(row, test), tuple(at.values())
                points.append(sampler.point(kernel, at, links, plan_of(context.effort, tuned.get(name, 0))))
                tuned.setdefault(name, round(points[-1].work / links))
    return points


def setting(unit: UnitRow, row: Instruction, test: str, pattern: str = PATTERNS[0], vscale: int = 1) -> dict[str, Scalar]:
    """What a point is measured at; `ops` are arithmetic operations of one machine instruction, `count` instructions of one step."""
    return {
        "unit": unit.name,
        "op": row.op,
        "dtype": row.dtype,
        "width_bits": width_of(row, vscale),
        "instruction": row.name,
        "test": test,
        "pattern": pattern,
        "ops": row.ops_each(vscale),
        "count": row.count,
    }


def width_of(row: Instruction, vscale: int) -> int:
    """Bits of the row's vectors on this machine."""
    return row.width_bits * (vscale if row.acc.scalable or row.a.scalable else 1)


@probe("simd", version=1, needs=("identity", "clock"), seconds=(1, 2.5, 19), per_kind=True)
def measure(context: Context) -> Curve:
    """Prove and time every claimed vector unit."""
    arch = host_arch()
    rows = [row for row in units_of(arch) if not row.matrix and claimed(row, context.machine)[0]]
    missing: list[str] = [] if units_of(arch) else [f"SIMD rates: no instructions are known here for {arch}"]
    sampler = close_sampler()
    ready: list[Proven] = []
    proofs: dict[str, dict[str, str]] = {}
    for done, row in enumerate(rows):
        if context.expired():
            missing.append(f"{row.name}: out of time")
            continue
        context.progress(0.4 * done / len(rows), row.name)
        right, told = proven(row, context.seed)
        proofs[row.name] = told
        missing += [f"{row.name} {name}: {why}" for name, why in told.items() if why]
        if right:
            ready.append((Trial.of(row), right))
    points = time_units(ready, sampler, context)
    return Curve("simd", 1, "instruction", points, {"proofs": proofs}, tuple(missing), context.core_kind)


def proven(unit: UnitRow, seed: int) -> tuple[list[str], dict[str, str]]:
    """The instructions of a unit that are right here, and for each what was wrong (empty: nothing); `*`: the unit as a whole."""
    if can_trap():
        ended = prove_in_child(unit, seed)
        if not ended.ok:
            return [], {"*": ended.reason}
        results: dict[str, Proof] = ended.value
    else:  # claimed by the chip, so it is tried in this worker, whose death costs this probe only
        results = Trial.of(unit).prove(seed)
    return [name for name, proof in results.items() if proof.right], {name: proof.detail for name, proof in results.items()}


def infer(curve: Curve, machine: Machine) -> Machine:
    """Rates and latencies of every instruction; rows of the same core kind from an earlier curve of this probe are replaced."""
    rates = unit_rates(curve, machine)
    return dataclasses.replace(machine, simd=merged(machine.simd, rates))


def merged(old: tuple[UnitRate, ...], new: tuple[UnitRate, ...]) -> tuple[UnitRate, ...]:
    """`new` in place of rows of `old` about the same instruction of the same kind of core."""

    def name(row: UnitRate) -> tuple[str, str, int, str]:
        return row.unit, row.instruction, row.width_bits, row.core_kind

    replaced = {name(row) for row in new}
    return tuple(row for row in old if name(row) not in replaced) + new


def unit_rates(curve: Curve, machine: Machine) -> tuple[UnitRate, ...]:
    """One row for each instruction that has a throughput in the curve."""
    return tuple(_rate(curve, point, machine) for point in curve.where(test="throughput", pattern=PATTERNS[0]))


def _fact(samples: list[float], unit: str, by: str, why: str, note: str = "") -> Fact[float]:
    """The median with its interval."""
    if not samples:
        return unknown(unit, by, why)
    middle, low, high = interval_over_time(samples)
    return measured(middle, unit, by, low, high, note)


def _times(fact: Fact[float], factor: float, unit: str) -> Fact[float]:
    if fact.value is None:
        return dataclasses.replace(fact, unit=unit)
    low, high = (None if bound is None else bound * factor for bound in (fact.low, fact.high))
    return dataclasses.replace(fact, value=fact.number() * factor, unit=unit, low=low, high=high)


def _rate(curve: Curve, point: Point, machine: Machine) -> UnitRate:
    at, by = point.at, curve.by
    no_clock = "the clock could not be measured around this loop"
    ops = float(at["ops"])
    each = _fact([1 / c for c in point.each_cycles() if c > 0], "instr/cycle", by, no_clock)
    per_cycle = _times(each, ops, "op/cycle")
    rate = _times(_fact(point.rates(), "instr/s", by, "the loop took no measurable time"), ops, "op/s")
    clocks = [hz for hz in point.clock_hz if hz > 0]
    latency = _latency(curve, point)
    names: dict[str, Any] = {name: at[name] for name in ("unit", "op", "dtype", "width_bits")}
    chip = chip_of(machine, curve.core_kind)
    judgement, oddities = judge_rate(**names, ops_per_instruction=ops, instr_per_cycle=each, op_per_cycle=per_cycle, chip=chip)
    oddities += judge_operation_latency(**names, cycles=latency, chip=chip)
    return UnitRate(
        **names,
        instruction=str(at["instruction"]),
        rate=rate,
        op_per_cycle=per_cycle,
        instr_per_cycle=each,
        latency_cycles=latency,
        clock_hz=_fact(clocks, "Hz", by, no_clock),
        judgement=judgement,
        oddities=oddities + _by_data(curve, point),
        core_kind=curve.core_kind,
    )


def _same(curve: Curve, point: Point, test: str, pattern: str) -> Point | None:
    keys = ("unit", "instruction", "width_bits")
    found = curve.where(test=test, pattern=pattern, **{k: point.at[k] for k in keys})
    return found[0] if found else None


def _latency(curve: Curve, point: Point) -> Fact[float]:
    """Cycles of one step through the accumulator; the note tells when the way through a multiplicand is longer."""
    through = _same(curve, point, "latency", PATTERNS[0])
    if through is None:
        return unknown("cycle", curve.by, "a mix of instructions has no latency of its own" if "+" in str(point.at["op"]) else "not timed")
    count = int(point.at["count"])
    operand = _same(curve, point, "latency-operand", PATTERNS[0])
    note = "through the accumulator"
    if operand is not None and operand.each_cycles():
        note += f"; {statistics.median(operand.each_cycles()):.1f} cycles through a multiplicand"
    cycles = [c * count for c in through.each_cycles()]
    return _fact(cycles, "cycle", curve.by, "the clock could not be measured around this loop", note)


def _by_data(curve: Curve, point: Point) -> tuple[str, ...]:
    """A sentence where the rate in operations a second depends on the data by more than 3 %."""
    usual = statistics.median(point.rates()) if point.rates() else 0.0
    said = []
    for pattern in PATTERNS[1:]:
        other = _same(curve, point, "throughput", pattern)
        if other is not None and other.rates() and usual > 0:
            ratio = statistics.median(other.rates()) / usual
            if abs(ratio - 1) > 0.03:
                said.append(f"on {pattern} it runs at {100 * ratio:.0f} % of the rate on varied data")
    return tuple(said)
