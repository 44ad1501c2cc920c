"""The sampler against a stopwatch that does not look at any clock."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from mmbench.configs.facts import measured
from mmbench.kernels.measure.sampler import Plan, Sampler
from mmbench.kernels.measure.stopwatch import Kernel, Reading

KERNEL = Kernel(0, 0)
UNIT_S = 3e-9


class FakeStopwatch:
    """Says that n units take n × unit_s, plus a fixed cost, as changed by `noise(call number, seconds)`; remembers every call."""

    def __init__(
        self, unit_s: float = UNIT_S, noise: Callable[[int, float], float] = lambda _call, time_s: time_s, cost_s: float = 0.0
    ) -> None:
        self.unit_s, self.noise, self.cost_s = unit_s, noise, cost_s
        self.calls: list[tuple[int, int, bool]] = []

    def read(self, kernel: Kernel, n: int, bursts: int, *, doubled: bool) -> Reading:
        assert kernel is KERNEL
        assert 0 < n < 2**62
        self.calls.append((n, bursts, doubled))
        time_s = self.noise(len(self.calls), n * self.unit_s + self.cost_s)
        return Reading(time_s, 3e9 + len(self.calls), 4 * abs(time_s) * bursts)


class FakeContamination:
    """Gives out prepared marks in order, then empty ones."""

    def __init__(self, *marks: str) -> None:
        self.marks = list(marks)
        self.walls: list[float] = []
        self.open = False

    def begin(self) -> None:
        assert not self.open
        self.open = True

    def end(self, wall_s: float) -> str:
        assert self.open
        self.open = False
        self.walls.append(wall_s)
        return self.marks.pop(0) if self.marks else ""


def sampler(watch: FakeStopwatch, *marks: str) -> Sampler:
    return Sampler(watch, FakeContamination(*marks))


@pytest.mark.parametrize("unit_s", [1e-12, 3e-9, 2e-6, 0.5])
def test_tuning_reaches_the_time_of_a_burst(unit_s: float) -> None:
    watch, plan = FakeStopwatch(unit_s), Plan(burst_s=40e-6)
    n = sampler(watch).tune(KERNEL, plan)
    assert n * unit_s == pytest.approx(max(40e-6, unit_s), rel=0.02 if unit_s < 1e-6 else 0.5)
    assert max(c[0] for c in watch.calls) * unit_s <= 2 * max(40e-6, unit_s)
    assert {(bursts, doubled) for _, bursts, doubled in watch.calls} == {(1, False)}


def test_tuning_goes_by_the_faster_of_two_runs_and_never_to_less_than_one_unit() -> None:
    disturbed = FakeStopwatch(noise=lambda call, time_s: time_s + (1e-3 if call % 2 else 0))
    assert sampler(disturbed).tune(KERNEL, Plan()) * UNIT_S == pytest.approx(40e-6, rel=0.1)
    assert sampler(FakeStopwatch(3.0)).tune(KERNEL, Plan()) == 1


@pytest.mark.parametrize("time_s", [0.0, -1e-6])
def test_tuning_ends_with_a_stopwatch_that_never_shows_a_time(time_s: float) -> None:
    n = sampler(FakeStopwatch(noise=lambda _call, _time_s: time_s)).tune(KERNEL, Plan())
    assert 1 <= n <= 2**40


def test_a_fixed_n_and_a_fixed_number_of_bursts_are_used_as_given() -> None:
    watch = FakeStopwatch()
    point = sampler(watch).point(KERNEL, {"size_bytes": 64}, 16, Plan(samples=5, n=123, bursts=9))
    assert [c[0] for c in watch.calls] == [123] * 6
    assert {c[1] for c in watch.calls[1:]} == {9}
    assert point.work == 123 * 16
    assert point.at == {"size_bytes": 64}


@pytest.mark.parametrize(("doubled", "bursts"), [(True, 11), (False, 42)])
def test_bursts_fill_the_time_of_a_sample(doubled: bool, bursts: int) -> None:
    watch = FakeStopwatch()
    sampler(watch).point(KERNEL, {}, 1, Plan(n=10, sample_s=2e-3, burst_s=40e-6, doubled=doubled))
    assert watch.calls[-1] == (10, bursts, doubled)
    sampler(watch).point(KERNEL, {}, 1, Plan(n=10, sample_s=1e-9, doubled=doubled))
    assert watch.calls[-1][1] == 3


def test_the_first_run_is_discarded_and_every_later_one_kept() -> None:
    slow_first = FakeStopwatch(noise=lambda call, time_s: time_s * (50 if call == 1 else 1))
    point = sampler(slow_first).point(KERNEL, {}, 1, Plan(samples=7, n=100))
    assert point.time_s == pytest.approx((100 * UNIT_S,) * 7)
    assert point.clock_hz == tuple(3e9 + call for call in range(2, 9))
    assert point.dirty == ()


def test_values_alone_mark_nothing_however_they_drift_or_jump() -> None:
    wild = FakeStopwatch(noise=lambda call, time_s: time_s * (1 + 0.1 * call) * (1000 if call == 4 else 1))
    point = sampler(wild).point(KERNEL, {}, 1, Plan(samples=7, n=100))
    assert len(point.time_s) == 7
    assert point.dirty == ()
    assert max(point.time_s) / min(point.time_s) > 500
    assert len(point.each_s()) == 7


def test_marks_stand_beside_their_samples_and_cost_no_more_while_most_are_clean() -> None:
    watch = FakeStopwatch()
    point = sampler(watch, "", "steal", "", "", "switched", "", "steal").point(KERNEL, {}, 1, Plan(samples=7, n=100))
    assert point.dirty == ("", "steal", "", "", "switched", "", "steal")
    assert len(point.time_s) == len(point.clock_hz) == 7
    assert len(point.each_s()) == 4


def test_more_samples_are_taken_until_half_as_many_as_wanted_are_clean() -> None:
    point = sampler(FakeStopwatch(), *["steal"] * 5).point(KERNEL, {}, 1, Plan(samples=7, n=100))
    assert point.dirty == ("steal",) * 5 + ("",) * 4


@pytest.mark.parametrize("samples", [1, 2, 7])
def test_never_more_than_twice_as_many_and_the_marked_ones_stay(samples: int) -> None:
    point = sampler(FakeStopwatch(), *["throttled"] * 99).point(KERNEL, {}, 1, Plan(samples=samples, n=100))
    assert point.dirty == ("throttled",) * (2 * samples)
    assert len(point.each_s()) == 2 * samples  # none is clean, so all count


@pytest.mark.parametrize("time_s", [0.0, -1e-7])
def test_a_time_of_nought_or_less_is_kept_and_marked(time_s: float) -> None:
    watch = FakeStopwatch(noise=lambda call, true_s: time_s if call in (3, 4) else true_s)
    point = sampler(watch, "", "steal").point(KERNEL, {}, 1, Plan(samples=5, n=100))
    assert point.time_s[1] == point.time_s[2] == time_s
    assert point.dirty == ("", "steal+negative", "negative", "", "")
    assert point.median_s() == pytest.approx(UNIT_S)


def test_the_contamination_hears_how_long_each_sample_was() -> None:
    watch, contamination = FakeStopwatch(), FakeContamination()
    Sampler(watch, contamination).point(KERNEL, {}, 1, Plan(samples=3, n=100, bursts=5))
    assert contamination.walls == pytest.approx([4 * 100 * UNIT_S * 5] * 3)


def test_noise_that_only_ever_adds_leaves_the_median_near_the_truth() -> None:
    random = np.random.default_rng(4)
    watch = FakeStopwatch(noise=lambda _call, time_s: time_s * (1 + random.exponential(0.01)), cost_s=0.0)
    point = sampler(watch).point(KERNEL, {}, 1, Plan(samples=41))
    assert point.median_s() == pytest.approx(UNIT_S, rel=0.02)


def test_a_sampler_of_this_machine_marks_with_the_counters_of_this_machine() -> None:
    real = Sampler(FakeStopwatch())
    point = real.point(KERNEL, {}, 1, Plan(samples=3, n=100))
    assert len(point.time_s) >= 3
    assert dataclasses.is_dataclass(point)
    assert measured(point.median_s(), "s", "x").known
