"""Change points: how often nothing is taken for something, what is found, and the same places as another library finds."""

from __future__ import annotations

import math

import numpy as np
import pytest
import ruptures
from mmbench.kernels.gate.change_points import LEAST, best_split, change_points, long_enough, runs_needed, series_allowed

ALPHA = 0.05


def random(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def steps(seed: int, *, runs: int = 30, noise: float = 0.01, at: tuple[int, ...] = (), size: float = 0.05) -> np.ndarray:
    """Logs of times with noise, and a step up and down in turn at each of `at`."""
    values = random(seed).normal(0, noise, runs)
    for number, place in enumerate(at):
        values[place:] += math.log1p(size) * (1 if number % 2 == 0 else -1)
    return values


@pytest.mark.parametrize("kind", ["normal", "heavy tails"])
def test_nothing_is_found_in_noise_more_often_than_stated(kind: str) -> None:
    families, alarms = 120, 0
    source = random(7)
    for number in range(families):
        draw = source.normal(0, 0.01, (8, 24)) if kind == "normal" else 0.01 * source.standard_t(2, (8, 24))
        found = change_points({f"{number} {i}": row for i, row in enumerate(draw)}, alpha=ALPHA)
        alarms += any(each.splits for each in found.values())
    assert alarms <= ALPHA * families + 3 * math.sqrt(families * ALPHA * (1 - ALPHA))


def test_the_p_value_is_one_after_maximising() -> None:
    """Under nothing, p is at most x in no more than a share x of series, although the best of all places was chosen."""
    source = random(3)
    draws = source.normal(0, 1, (400, 20))
    p = np.array([best_split(row, random(i), 999).p for i, row in enumerate(draws)])
    alone = np.array([change_points({"x": row})["x"].p for row in draws])  # by draws that all series of one length share
    assert np.max(np.abs(alone - p)[p < 0.1]) < 0.08
    for x in (0.01, 0.05, 0.2):
        for each in (p, alone):
            assert np.mean(each <= x) <= x + 3 * math.sqrt(x * (1 - x) / p.size)
    assert np.mean(p <= 0.2) > 0.1  # and it is no useless one


def test_a_step_of_five_percent_is_found_among_fifty_series() -> None:
    found = 0
    for seed in range(12):
        series = {str(i): steps(1000 * seed + i) for i in range(49)} | {"stepped": steps(seed, at=(17,))}
        splits = change_points(series, alpha=ALPHA)["stepped"].splits
        found += len(splits) >= 1 and min(abs(s.at - 17) for s in splits) <= 1
    assert found >= 11


def test_what_comes_and_goes_is_found_at_both_ends() -> None:
    found = change_points({"x": steps(5, runs=45, at=(15, 30), size=0.06)})["x"]
    assert [any(abs(s.at - at) <= 1 for s in found.splits) for at in (15, 30)] == [True, True]
    assert len(found.splits) == 2


@pytest.mark.parametrize("at", [(5,), (15,), (24,), (10, 20)])
def test_the_places_are_those_that_ruptures_finds(at: tuple[int, ...]) -> None:
    """Given how many there are, ruptures' exact search finds where; this one has to find the number, too, but for its chance of error."""
    more = 0
    for seed in range(10):
        values = steps(100 + seed, at=at, size=0.08)
        theirs = ruptures.Dynp(model="l2", min_size=LEAST, jump=1).fit(values).predict(n_bkps=len(at))[:-1]
        ours = [s.at for s in change_points({"x": values}, alpha=0.01)["x"].splits]
        assert all(min(abs(place - found) for found in ours) <= 1 for place in theirs)
        more += len(ours) - len(theirs)
    assert more <= 1


def test_the_parts_of_a_changed_series_hold_no_more_than_stated() -> None:
    runs, more = 300, 0
    for seed in range(runs):
        more += len(change_points({"x": steps(500 + seed, at=(15,), size=0.08)}, alpha=ALPHA)["x"].splits) > 1
    assert more <= ALPHA * runs + 3 * math.sqrt(runs * ALPHA)


def test_few_runs_are_not_tested_and_how_many_are_needed_is_known() -> None:
    assert [runs_needed(ALPHA, series) for series in (1, 10, 50, 200)] == [8, 11, 14, 16]
    for runs in (8, 11, 14):
        assert runs_needed(ALPHA, series_allowed(ALPHA, runs)) <= runs
        assert runs_needed(ALPHA, series_allowed(ALPHA, runs) + 1) > runs
    assert series_allowed(ALPHA, 5) == 0
    short = change_points({"x": steps(1, runs=7, noise=1e-6, at=(4,), size=1.0)})["x"]
    assert math.isnan(short.p)
    assert short.splits == ()
    assert change_points({"x": steps(1, runs=8, noise=1e-6, at=(4,), size=1.0)})["x"].splits[0].at == 4


def test_short_series_do_not_count_against_long_ones() -> None:
    assert long_enough([30, 8, 8], ALPHA) == [True, False, False]  # with 8 runs one series alone could be tested
    assert long_enough([9] * 12, ALPHA) == [False] * 12  # and not three of them, whichever
    assert long_enough([6, 5], ALPHA) == [False, False]
    assert long_enough([], ALPHA) == []
    series = {f"short {i}": steps(i, runs=8) for i in range(500)} | {"long": steps(2, at=(12,))}
    found = change_points(series)
    assert found["long"].needed == ALPHA
    assert found["long"].splits[0].at == 12


def test_the_same_series_gives_the_same_answer_whatever_stands_beside_it() -> None:
    values = steps(11, at=(9,), size=0.02)
    alone, beside = change_points({"x": values}), change_points({"a": steps(1), "x": values})
    assert alone["x"].p == pytest.approx(beside["x"].p, rel=0.5)
    assert change_points({"x": values}) == alone


def test_single_wild_runs_are_no_change_and_hide_none() -> None:
    wild = steps(21, at=(15,))
    wild[[3, 20]] += (0.4, -0.3)
    assert any(abs(s.at - 15) <= 1 for s in change_points({"x": wild})["x"].splits)
    calm = steps(22)
    calm[12] += 0.5
    assert change_points({"x": calm})["x"].splits == ()


def test_constant_series_and_ties_are_nothing() -> None:
    assert change_points({"x": [0.5] * 20})["x"].splits == ()
    assert change_points({"x": [0.0, 1.0] * 12})["x"].splits == ()


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="no number"):
        change_points({"x": [0.0] * 10 + [math.nan]})
    with pytest.raises(ValueError, match="6 are needed"):
        best_split([1.0, 2.0], random(0))
