"""The clocks out of planted chains, and one real measurement."""

from __future__ import annotations

import dataclasses

import pytest
from mmbench.configs.curve import Curve, Point
from mmbench.configs.machine import Machine
from mmbench.probes.clock import infer, measure
from mmbench.probes.context import Context, Effort

EMPTY = Machine(1, "test")
READINGS = {"timer": "tsc", "ordered": "fenced", "timer_hz": 2e9, "timer_hz_error": 1e-6, "step_s": 1e-9, "cost_s": 2e-8, "why": ""}


def chain(load: str, hz: float, *, kind: str = "add", cycles: float = 1.0, dirty: tuple[str, ...] = (), count: int = 9) -> Point:
    seen = tuple(hz * (1 + 1e-4 * (i - count // 2)) for i in range(count))
    return Point({"load": load, "chain": kind}, 1000.0, tuple(1000 * cycles / s for s in seen), seen, dirty)


def curve(*points: Point, core_kind: str = "", **readings: object) -> Curve:
    return Curve("clock", 1, "link", points, {**READINGS, **readings}, core_kind=core_kind)


def test_the_clock_is_the_median_around_clean_samples_of_each_load() -> None:
    machine = infer(curve(chain("scalar", 3e9), chain("128", 3e9, kind="fma"), chain("512", 2.5e9, kind="fma")), EMPTY)
    (clock,) = machine.clocks
    assert clock.core_hz.value == pytest.approx(3e9)
    assert clock.core_hz.low is not None
    assert clock.core_hz.high is not None
    assert clock.core_hz.low <= 3e9 <= clock.core_hz.high
    assert {load: fact.number() for load, fact in clock.under_load.items()} == pytest.approx({"scalar": 3e9, "128": 3e9, "512": 2.5e9})
    assert (clock.timer.value, clock.timer.note) == ("tsc", "fenced")
    assert clock.timer_hz.low == pytest.approx(2e9 * (1 - 1e-6))
    assert machine.notices == ()


def test_disturbed_samples_do_not_count_unless_there_are_no_others() -> None:
    point = chain("scalar", 3e9, count=5)
    point = dataclasses.replace(point, clock_hz=(1e9, 3e9, 3e9, 3e9, 1e9), dirty=("steal", "", "", "", "steal"))
    assert infer(curve(point), EMPTY).clocks[0].core_hz.value == pytest.approx(3e9)
    all_dirty = dataclasses.replace(point, dirty=("steal",) * 5)
    assert infer(curve(all_dirty), EMPTY).clocks[0].core_hz.value == pytest.approx(3e9)


def test_without_a_clock_there_is_a_reason() -> None:
    point = Point({"load": "scalar", "chain": "add"}, 1000.0, (1e-6,) * 3, (0.0,) * 3)
    assert "made no sense" in infer(curve(point), EMPTY).clocks[0].core_hz.note
    assert "not measured" in infer(curve(), EMPTY).clocks[0].core_hz.note


@pytest.mark.parametrize(("cycles", "doubtful"), [(3.0, False), (4.03, False), (2.6, True), (3.2, True)])
def test_a_multiplication_of_broken_cycles_makes_the_clock_doubtful(cycles: float, doubtful: bool) -> None:
    machine = infer(curve(chain("scalar", 3e9), chain("scalar", 3e9, kind="multiply", cycles=cycles)), EMPTY)
    assert [n.what for n in machine.notices] == (["the measured core clock is doubtful"] if doubtful else [])
    assert list(machine.clocks[0].under_load) == ["scalar"]


def test_a_poor_timer_is_noticed() -> None:
    machine = infer(curve(chain("scalar", 3e9), why="the counter is not constant"), EMPTY)
    assert [n.why for n in machine.notices] == ["the counter is not constant"]


def test_each_kind_of_core_has_its_own_clock_and_keeps_it() -> None:
    machine = infer(curve(chain("scalar", 4e9), core_kind="P"), EMPTY)
    machine = infer(curve(chain("scalar", 3e9), core_kind="E"), machine)
    machine = infer(curve(chain("scalar", 5e9), core_kind="P"), machine)
    assert {c.core_kind: c.core_hz.value for c in machine.clocks} == pytest.approx({"E": 3e9, "P": 5e9})


def test_a_curve_without_its_readings_is_an_error_that_the_fold_catches() -> None:
    with pytest.raises(LookupError):
        infer(Curve("clock", 1, "link", (chain("scalar", 3e9),)), EMPTY)


def test_this_machine_has_a_plausible_clock() -> None:
    found = measure(Context(Effort.QUICK, EMPTY))
    (clock,) = infer(found, EMPTY).clocks
    assert 0.2e9 < clock.core_hz.number() < 8e9
    assert {p.at["load"] for p in found.points} >= {"scalar", "128"}
    widths = {str(p.at["load"]) for p in found.points} | {m.split("-bit")[0].rsplit(" ", 1)[-1] for m in found.missing}
    assert widths == {"scalar", "128", "256", "512"}  # measured, or said why not
