"""What all CPUs reach together: the fastest instruction of each data type on every CPU at once, over one common window.

Method: the throughput loop of the simd and matrix probes, one copy of its operands for each thread, pinned, in rounds. Not the rate of
one core times the cores: clocks fall when all cores run, and sibling threads share units. Units of work: arithmetic operations. Known
flaw: one instruction a data type; the other rows of the roofline for all CPUs are multiplied up and say so.
"""

from __future__ import annotations

from ..configs.curve import Curve, Point
from ..configs.facts import Scalar
from ..configs.machine import Machine, UnitRate
from ..kernels.emit.instruction import links_of
from ..kernels.emit.isa.registry import units_of
from ..kernels.emit.isa.trial import PATTERNS, Trial, timing_bench
from ..kernels.emit.target import host_arch
from ..kernels.measure.team import Team
from .context import Context
from .registry import probe
from .simd import ROUNDS, width_of

_PASS_S = 20e-6


@probe("peaks", version=1, needs=("simd", "matrix"), seconds=(0.4, 1, 3), crew=True)
def measure(context: Context) -> Curve:
    """The fastest row of each data type, on all CPUs."""
    missing: list[str] = []
    points: list[Point] = []
    if len(context.cpus) < 2:
        return Curve("peaks", 1, "op", missing=("peaks of all CPUs: only one CPU may be used",))
    team, best = Team(), fastest(context.machine)
    for number in range(ROUNDS):
        for rate in best:
            if context.expired():
                missing.append("peaks of all CPUs: not every round, for lack of time")
                return Curve("peaks", 1, "op", tuple(points), missing=tuple(missing))
            points += _together(context, team, rate, number, missing)
        context.progress((number + 1) / ROUNDS, "")
    return Curve("peaks", 1, "op", tuple(points), missing=tuple(dict.fromkeys(missing)))


def fastest(machine: Machine) -> list[UnitRate]:
    """The row with the highest rate of each data type; of the first kind of core on a hybrid chip."""
    kind = machine.topology.kinds[0] if machine.topology else ""
    best: dict[str, UnitRate] = {}
    for row in machine.simd:
        if row.rate.known and row.core_kind == kind and (row.dtype not in best or row.rate.number() > best[row.dtype].rate.number()):
            best[row.dtype] = row
    return list(best.values())


def _together(context: Context, team: Team, rate: UnitRate, number: int, missing: list[str]) -> list[Point]:
    """One window of one instruction on every CPU."""
    for unit in (u for u in units_of(host_arch()) if u.name == rate.unit):
        trial = Trial.of(unit)
        for index, row in enumerate(unit.instructions):
            if row.name != rate.instruction or width_of(row, trial.vscale) != rate.width_bits:
                continue
            benches = [timing_bench(row, trial.vscale, PATTERNS[0], context.seed + i) for i in range(len(context.cpus))]
            kernels = [bench.kernel(trial.code.address(f"rate_{index}"), trial.code) for bench in benches]
            work = links_of(row, "throughput") * row.ops_each(trial.vscale)
            units = max(1, round(_PASS_S * rate.rate.number() / work))
            run = team.run(kernels, [units] * len(kernels), list(context.cpus), context.effort.pick(6, 15, 60) * 1e-3)
            missing.extend(f"peaks of all CPUs: {why}" for why in run.unpinned)
            if run.window_s <= 0:
                missing.append(f"peaks of all CPUs, {rate.dtype}: a window in which the threads did not run together")
                return []
            at: dict[str, Scalar] = {"unit": rate.unit, "op": rate.op, "dtype": rate.dtype, "threads": len(kernels), "round": number}
            return [Point(at, sum(run.units) * work, (run.window_s,), dirty=(run.marks,) if run.marks else ())]
    return []


def infer(curve: Curve, machine: Machine) -> Machine:
    """Nothing by itself: the roofs are derived from the curve when all probes have run (`roofs`)."""
    del curve
    return machine
