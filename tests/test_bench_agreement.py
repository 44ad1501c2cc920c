"""The benchmark that counts agreeing facts counts them right."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from source_tree import ROOT
from synthetic_machine import synthetic_machine


@pytest.fixture(autouse=True)
def beside_the_benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT / "tests" / "bench"), *sys.path])


def test_a_machine_agrees_with_itself() -> None:
    from bench_probe import agreement, comparable

    machine = synthetic_machine()
    overlapping, apart, bare = agreement(machine, machine)
    assert apart == []
    assert overlapping > 0
    assert overlapping + bare == len(comparable(machine))


def test_a_fact_whose_interval_moved_is_named() -> None:
    from bench_probe import agreement

    machine = synthetic_machine()
    before = agreement(machine, machine)[0]
    level = machine.caches[0]
    assert level.latency.value is not None
    slower = replace(level.latency, value=2 * level.latency.value, low=1.9 * level.latency.value, high=2.1 * level.latency.value)
    moved = replace(machine, caches=(replace(level, latency=slower), *machine.caches[1:]))
    overlapping, apart, _ = agreement(machine, moved)
    assert overlapping == before - 1
    assert len(apart) == 1
    assert "latency" in apart[0]
