"""Derive the rooflines' ceilings from what was measured: compute by data type and unit, memory by level, one thread and all.

All cores together are measured: memory by the bandwidth probe, the fastest instruction of each data type by the peaks probe. The
other instructions are the rate of one core times the cores, marked as derived: clocks may fall when all run.
"""

from __future__ import annotations

import dataclasses

from ..configs.curve import undisturbed
from ..configs.facts import Fact, How, derived, measured
from ..configs.machine import Machine, Roof, UnitRate
from ..kernels.measure.stats import interval_over_time


def add_roofs(machine: Machine) -> Machine:
    """The machine with its roofs, made again from scratch."""
    return dataclasses.replace(machine, roofs=_compute(machine) + _memory(machine))


def _best(machine: Machine) -> list[UnitRate]:
    """For each core kind, unit and data type, the instruction with the highest rate, odd or not (the oddity is told there)."""
    best: dict[tuple[str, str, str], UnitRate] = {}
    for row in machine.simd:
        if not row.rate.known:
            continue
        key = (row.core_kind, row.unit, row.dtype)
        if key not in best or row.rate.number() > best[key].rate.number():
            best[key] = row
    return sorted(best.values(), key=lambda r: (r.core_kind, r.dtype, -r.rate.number()))


def _compute(machine: Machine) -> tuple[Roof, ...]:
    cores = len(machine.topology.allowed) if machine.topology else 1
    roofs = []
    for row in _best(machine):
        name = f"{row.unit} {row.op} {row.dtype}"
        roofs.append(Roof("compute", name, row.dtype, "", 1, row.rate, row.core_kind))
        if cores > 1 and not row.core_kind:
            rate = _measured_together(machine, row, cores) or _times(row.rate, cores)
            roofs.append(Roof("compute", name, row.dtype, "", cores, rate))
    return tuple(roofs)


def _measured_together(machine: Machine, row: UnitRate, cores: int) -> Fact[float] | None:
    """What the peaks probe saw of this row on all CPUs; None where it did not look."""
    curve = machine.curves.get("peaks")
    points = curve.where(unit=row.unit, op=row.op, dtype=row.dtype, threads=cores) if curve else []
    values = [r for p in undisturbed(points) for r in p.rates()]
    if curve is None or not values:
        return None
    middle, low, high = interval_over_time(values)
    return measured(middle, "op/s", curve.by, low, high)


def _times(rate: Fact[float], cores: int) -> Fact[float]:
    low = None if rate.low is None else rate.low * cores
    high = None if rate.high is None else rate.high * cores
    note = f"{cores} times one core's rate; clocks may fall when all cores run, and siblings share units"
    return derived(rate.number() * cores, rate.unit, "roofs@1", low, high, note)


def _memory(machine: Machine) -> tuple[Roof, ...]:
    best: dict[tuple[str, str, int], Roof] = {}
    for row in machine.bandwidths:
        if not row.rate.known or row.rate.how is How.ASSUMED:
            continue
        key = (row.core_kind, row.level, row.threads)
        if key not in best or row.rate.number() > best[key].rate.number():
            best[key] = Roof("memory", f"{row.level} {row.kernel}", "", row.level, row.threads, row.rate, row.core_kind)
    return tuple(best.values())
