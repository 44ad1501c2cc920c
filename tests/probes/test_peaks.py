"""All CPUs together: which instructions are run, and that the roofs believe the measurement before the multiplication."""

import dataclasses
import os

import pytest
from mmbench.configs.curve import Curve, Point
from mmbench.configs.facts import How, measured
from mmbench.configs.machine import MACHINE_SCHEMA, Machine, UnitRate
from mmbench.probes.context import Context, Effort
from mmbench.probes.peaks import fastest, infer, measure
from mmbench.probes.roofs import add_roofs
from synthetic_machine import synthetic_machine


def test_the_fastest_row_of_each_type_is_chosen() -> None:
    chosen = fastest(synthetic_machine())
    assert len({row.dtype for row in chosen}) == len(chosen) > 1
    for row in chosen:
        rates = [r.rate.number() for r in synthetic_machine().simd if r.dtype == row.dtype and r.rate.known]
        assert row.rate.number() == max(rates)


def _with_curve(row: UnitRate, threads: int) -> Machine:
    at = {"unit": row.unit, "op": row.op, "dtype": row.dtype, "threads": threads}
    windows = (Point({**at, "round": 0}, 3e9, (0.01,)), Point({**at, "round": 1}, 9e9, (0.01,), dirty=("steal",)))
    machine = synthetic_machine()
    return infer(Curve("peaks", 1, "op", windows), dataclasses.replace(machine, curves={"peaks": Curve("peaks", 1, "op", windows)}))


def test_a_measured_peak_goes_before_a_multiplied_one_and_a_disturbed_window_does_not_count() -> None:
    machine = synthetic_machine()
    assert machine.topology is not None
    cores = len(machine.topology.allowed)
    row = fastest(machine)[0]
    roofs = {(r.name, r.threads): r for r in add_roofs(_with_curve(row, cores)).roofs if r.kind == "compute"}
    seen = roofs[f"{row.unit} {row.op} {row.dtype}", cores].rate
    assert seen.how is How.MEASURED
    assert seen.number() == pytest.approx(3e11)
    others = [r.rate for (name, threads), r in roofs.items() if threads == cores and name != f"{row.unit} {row.op} {row.dtype}"]
    assert others
    assert all(rate.how is How.DERIVED for rate in others)


def test_one_cpu_is_said_and_an_unknown_instruction_is_left_out() -> None:
    assert "only one CPU" in measure(Context(Effort.QUICK, Machine(MACHINE_SCHEMA, ""), cpus=(0,))).missing[0]
    row = dataclasses.replace(synthetic_machine().simd[0], instruction="no such instruction", rate=measured(1e9, "op/s", "simd@1"))
    cpus = tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else (0,)
    if len(cpus) > 1:
        curve = measure(Context(Effort.QUICK, Machine(MACHINE_SCHEMA, "", simd=(row,)), cpus=cpus))
        assert curve.points == ()
