"""p-values against enumeration and SciPy, estimates and intervals against their definitions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmbench.kernels.gate.signed_rank import (
    EXACT_FLIPS,
    EXACT_RANKS,
    binomial_tail,
    bounds_of,
    critical_rank_sum,
    flip_mean_tail,
    flip_median_tail,
    lower_bound,
    pair_means,
    shift_of,
    signed_rank_tail,
    upper_tails,
)
from scipy.stats import binomtest, rankdata, wilcoxon

SMALL = st.lists(st.integers(-6, 6).map(lambda n: n / 4), min_size=1, max_size=9)  # many ties, many noughts


def by_enumeration(values, statistic):
    """The share of all sign patterns of |values| whose statistic reaches that of the values."""
    sizes = np.abs(values)
    patterns = [statistic(np.array(signs) * sizes) for signs in itertools.product((-1, 1), repeat=len(values))]
    return float(np.mean(np.array(patterns) >= statistic(np.array(values)) - 1e-12))


def rank_statistic(values):
    return rankdata(np.abs(values))[np.array(values) > 0].sum()


@pytest.mark.parametrize(
    ("values", "p"),
    [
        ([1.0], 1 / 2),
        ([1.0, 2.0, 3.0], 1 / 8),
        ([-1.0, 2.0, 3.0], 2 / 8),  # positive ranks 2 + 3 = 5: {2,3} and {1,2,3}
        ([1.0, -2.0, 3.0], 3 / 8),  # 4: {1,3}, {2,3}, {1,2,3}
        ([1.0, -1.0], 3 / 4),  # both share rank 1.5: all but the two negatives
        ([0.0, 2.0], 1 / 2),  # the nought says nothing
        ([0.0, 0.0], 1.0),
        ([], 1.0),
        ([-1.0, -2.0], 1.0),
    ],
)
def test_small_cases_by_hand(values, p):
    tail = signed_rank_tail(values)
    assert (tail.p, tail.upper, tail.exact) == (p, p, True)


@given(SMALL)
@settings(max_examples=150, deadline=None)
def test_ties_and_noughts_agree_with_enumeration(values):
    assert signed_rank_tail(values).p == pytest.approx(by_enumeration(values, rank_statistic), abs=1e-12)
    assert flip_mean_tail(values).p == pytest.approx(by_enumeration(values, np.sum), abs=1e-12)

    def lower_median(v):
        return np.sort(v)[(len(v) - 1) // 2]

    assert flip_median_tail(values).p == pytest.approx(by_enumeration(values, lower_median), abs=1e-12)


@pytest.mark.parametrize("count", [5, 12, 25, 50, 69])
@pytest.mark.parametrize("shift", [-0.3, 0.0, 0.5, 1.0])
def test_signed_ranks_agree_with_scipy(count, shift):
    values = np.random.default_rng(count).normal(shift, 1, size=count)
    for margin in (0.0, 0.25):
        theirs = wilcoxon(values - margin, alternative="greater", method="exact").pvalue
        assert signed_rank_tail(values, margin).p == pytest.approx(theirs, rel=1e-9)


def test_far_tails_keep_their_digits():
    for count in (15, 60, 200):
        assert upper_tails(count)[-1] == pytest.approx(2.0**-count, rel=1e-12)
        assert upper_tails(count)[0] == pytest.approx(1.0, rel=1e-12)
    assert signed_rank_tail([0.02] * 20).p == pytest.approx(2.0**-20, rel=1e-12)


def test_halves_agree_with_full_enumeration_at_a_size_where_both_can_be_done():
    values = np.random.default_rng(1).normal(0.4, 1, size=16)
    assert flip_mean_tail(values).p == pytest.approx(by_enumeration(values, np.sum), abs=1e-12)
    assert flip_mean_tail(np.random.default_rng(2).normal(size=EXACT_FLIPS)).exact


def test_draws_bound_the_exact_value_from_above():
    values = np.random.default_rng(3).normal(0.35, 1, size=EXACT_FLIPS + 1)
    drawn = flip_mean_tail(values, draws=40_000)
    assert not drawn.exact
    exact = flip_mean_tail(values[:EXACT_FLIPS])
    assert exact.exact
    assert drawn.p < drawn.upper < 2 * drawn.p + 1e-3
    # The same quantity, known exactly: a rank sum is a subset sum, so feed ranks as sizes.
    ranks = np.arange(1.0, 41) * np.where(np.arange(40) % 3, 1, -1)
    known = signed_rank_tail(ranks).p
    tail = flip_mean_tail(ranks / 1e3, draws=40_000)
    assert tail.upper >= known
    assert tail.p == pytest.approx(known, rel=0.5)
    assert tail == flip_mean_tail(ranks / 1e3, draws=40_000)


def test_no_draw_that_reaches_still_leaves_a_bound_above_nought():
    tail = flip_mean_tail([0.01] * 60, draws=20_000)
    assert tail.p == pytest.approx(1 / 20_001)
    assert 6e-4 < tail.upper < 8e-4  # -ln(1e-6) / 20,000


def test_too_many_blocks_for_ranks_are_drawn():
    values = np.random.default_rng(4).normal(0.02, 1, size=EXACT_RANKS + 1)
    tail = signed_rank_tail(values, draws=5_000)
    assert not tail.exact
    assert abs(tail.p - wilcoxon(values, alternative="greater").pvalue) < 0.03
    with pytest.raises(ValueError, match="1000 blocks"):
        bounds_of(values)


def test_the_median_needs_twice_the_blocks():
    alike = [0.01 + k * 1e-5 for k in range(15)]
    assert signed_rank_tail(alike).p == 2.0**-15
    assert flip_median_tail(alike).p == 2.0**-8


@pytest.mark.parametrize("bad", [[math.nan], [math.inf, 1.0]])
def test_what_is_not_finite_is_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        signed_rank_tail(bad)


def test_huge_differences_are_refused():
    with pytest.raises(ValueError, match="that large"):
        flip_mean_tail([1e5])


def test_hodges_lehmann_by_hand():
    assert pair_means([1.0, 2.0, 6.0]).tolist() == [1.0, 1.5, 2.0, 3.5, 4.0, 6.0]
    assert shift_of([1.0, 2.0, 6.0]) == 2.75
    assert math.isnan(shift_of([]))


def test_an_interval_of_six_by_hand():
    values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert bounds_of(values, 0.95) == (1.0, 6.0)  # 2^-6 = 0.016 <= 0.025 < 2 * 2^-6
    assert bounds_of(values[:5], 0.95) == (-math.inf, math.inf)


@given(st.lists(st.floats(-1, 1), min_size=5, max_size=14, unique=True), st.floats(-1, 1))
@settings(max_examples=200, deadline=None)
def test_interval_and_test_are_two_sides_of_one_thing(values, margin):
    sizes = np.abs(np.rint((np.array(values) - margin) * 1e12))
    if len(set(sizes.tolist())) < len(values) or 0 in sizes:
        return
    if np.min(np.abs(pair_means(values) - margin)) < 1e-9:
        return
    for error in (0.2, 0.05, 0.01):
        assert (lower_bound(values, error) > margin) == (signed_rank_tail(values, margin).p <= error)


def test_the_interval_covers_as_often_as_it_says_and_not_much_oftener():
    random = np.random.default_rng(11)
    hits = sum(low <= 0.3 <= high for low, high in (bounds_of(0.3 + random.standard_t(2, size=13)) for _ in range(2000)))
    assert binomtest(hits, 2000, 0.95, alternative="less").pvalue > 1e-3
    assert binomtest(hits, 2000, 0.97, alternative="greater").pvalue > 1e-3


def test_the_critical_sum_is_the_first_that_is_significant():
    for count, alpha in ((15, 5e-5), (20, 0.01), (69, 4e-5)):
        tails, critical = upper_tails(count), critical_rank_sum(count, alpha)
        assert tails[critical - 1] > alpha
        assert critical == tails.size or tails[critical] <= alpha
    assert critical_rank_sum(10, 5e-5) == 56  # 55 is the most there is


def test_binomial_tails():
    assert binomial_tail(4, 2) == 11 / 16
    assert binomial_tail(4, 0) == 1.0
    assert binomial_tail(4, 5) == 0.0
    assert binomial_tail(5, 4, 0.95) == pytest.approx(0.97741, abs=1e-5)


@pytest.mark.parametrize("noise", ["normal", "cauchy", "growing", "slow"])
def test_the_level_holds_whatever_the_noise_when_a_coin_chose_the_sign(noise):
    """Slots have any noise; only the coin is ours. Autocorrelated, growing, heavy: the test must reject at most as often as it says."""
    random = np.random.default_rng(21)
    rejected = 0
    for _ in range(3000):
        steps = random.standard_cauchy(20) if noise == "cauchy" else random.normal(size=20)
        size = {"growing": steps * np.arange(20), "slow": np.cumsum(steps)}.get(noise, steps)
        rejected += signed_rank_tail(1e-3 * size * random.choice((-1, 1), size=20)).p <= 0.05
    assert binomtest(rejected, 3000, 0.05, alternative="greater").pvalue > 1e-3
    assert binomtest(rejected, 3000, 0.04, alternative="less").pvalue > 1e-3
