from __future__ import annotations

import dataclasses
from typing import Any

from mmbench.configs.facts import Fact
from mmbench.reports.facts import machine_facts
from mmbench.reports.samples import machine_samples, sample_columns
from screen_machines import hybrid
from synthetic_machine import synthetic_machine


def _count(value: Any) -> int:
    """Facts in a record, found in another way than the code does: through plain dictionaries."""
    if isinstance(value, Fact):
        return 1
    if isinstance(value, dict):
        return sum(map(_count, value.values()))
    if isinstance(value, (list, tuple)):
        return sum(map(_count, value))
    if dataclasses.is_dataclass(value):
        return sum(_count(getattr(value, f.name)) for f in dataclasses.fields(value))
    return 0


def test_paths_name_every_fact_once() -> None:
    for machine in (synthetic_machine(), hybrid()):
        paths = [path for path, _ in machine_facts(machine)]
        assert len(set(paths)) == len(paths)
        pairs = sum(len(m.cpus) * (len(m.cpus) - 1) for m in machine.core_to_core)
        assert len(paths) == _count(machine) + pairs


def test_paths_can_be_read_and_typed() -> None:
    facts = dict(machine_facts(synthetic_machine()))
    assert facts["caches.L2.size"].value == 2 * 2**20
    assert facts["tlbs.L1-dTLB.4KiB.entries"].value == 96
    assert facts["bandwidths.L2.read.512b.1t.rate"].unit == "B/s"
    assert facts["clocks.under_load.512"].value == 3.2e9
    assert facts["conditions.before.governor"].value == "performance"
    assert facts["core_to_core.cas.0-2"].value == 120e-9
    assert facts["core_to_core.cas.0-2"].high == 120e-9 * 1.08
    assert not any(" " in path for path in facts)


def test_kinds_of_core_are_part_of_the_path() -> None:
    facts = dict(machine_facts(hybrid()))
    assert facts["caches.P.L1d.latency_cycles"].value == 5.0
    assert facts["caches.E.L1d.latency_cycles"].value == 6.0


def test_records_of_one_name_are_told_apart() -> None:
    machine = synthetic_machine()
    facts = dict(machine_facts(dataclasses.replace(machine, caches=(machine.caches[0],) * 2)))
    assert facts["caches.L1d.size"] is facts["caches.L1d.size~2"]


def test_every_sample_is_a_row() -> None:
    machine = synthetic_machine()
    rows = list(machine_samples(machine))
    assert len(rows) == sum(len(p.time_s) for c in machine.curves.values() for p in c.points)
    columns = set(sample_columns(machine))
    assert all(set(row) <= columns for row in rows)
    assert len(columns) == len(sample_columns(machine))
    first = next(row for row in rows if row["curve"] == "latency")
    assert first["at.size_bytes"] == 4096
    assert first["at.pages"] == "huge"
    assert first["probe"] == "latency"
    assert first["unit"] == "load"
    assert any(row["dirty"] == "steal" for row in rows)


def test_a_clock_that_was_not_measured_is_no_zero() -> None:
    machine = synthetic_machine()
    curve = machine.curves["clock"]
    point = dataclasses.replace(curve.points[0], clock_hz=(0.0,) * 9)
    rows = machine_samples(dataclasses.replace(machine, curves={"clock": dataclasses.replace(curve, points=(point,))}))
    assert [row["clock_hz"] for row in rows] == [None] * 9
