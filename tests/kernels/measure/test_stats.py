import math

import numpy as np
import pytest
from mmbench.kernels.measure.stats import bootstrap_interval, interval_of_median, low_quantile, mad_sd, median, nan_median, ratio_interval


def test_few_samples_span_from_smallest_to_largest():
    assert interval_of_median([3.0, 1.0, 2.0]) == (2.0, 1.0, 3.0)
    assert interval_of_median([5.0]) == (5.0, 5.0, 5.0)
    assert interval_of_median([1, 2, 3, 4, 5, 6]) == (3.5, 1.0, 6.0)


@pytest.mark.parametrize(("count", "rank"), [(8, 1), (9, 2), (12, 3), (15, 4), (20, 6), (100, 40)])
def test_ranks_are_those_of_the_binomial_tables(count, rank):
    values = np.arange(1.0, count + 1)
    _, low, high = interval_of_median(values)
    assert (low, high) == (rank, count + 1 - rank)


def test_interval_covers_the_median_about_as_often_as_it_says():
    random = np.random.default_rng(1)
    hits = 0
    for _ in range(1000):
        _, low, high = interval_of_median(random.exponential(size=15))
        hits += low <= math.log(2) <= high
    assert 940 <= hits <= 990


def test_nan_is_ignored_and_nothing_gives_nan():
    assert median([math.nan, 2.0, math.inf, 4.0]) == 3.0
    assert all(math.isnan(v) for v in (*interval_of_median([]), *bootstrap_interval([math.nan]), *ratio_interval([], [1.0])))
    assert math.isnan(mad_sd([]))
    assert math.isnan(low_quantile([]))


def test_column_medians_are_those_of_numpy():
    table = np.random.default_rng(5).normal(size=(7, 6, 5))
    table[np.random.default_rng(6).random(table.shape) < 0.3] = math.nan
    for axis in range(3):
        np.testing.assert_array_equal(nan_median(table, axis=axis), np.nanmedian(table, axis=axis))
    assert np.isnan(nan_median([[math.nan, math.inf], [math.nan, 1.0]])).tolist() == [True, False]


def test_deviation_of_a_normal_sample_ignores_outliers():
    values = np.random.default_rng(2).normal(10, 2, size=4000)
    values[:200] = 1e6
    assert mad_sd(values) == pytest.approx(2, rel=0.15)
    assert low_quantile([1.0, 2.0, 3.0, 4.0, 100.0]) == 2.0


def test_bootstrap_is_the_same_for_the_same_seed_and_holds_the_truth():
    values = np.random.default_rng(3).normal(7, 1, size=200)
    first = bootstrap_interval(values, seed=5)
    assert first == bootstrap_interval(values, seed=5)
    assert first != bootstrap_interval(values, seed=6)
    assert first[1] < 7 < first[2]
    assert first[1] < first[0] < first[2]


def test_ratio_of_two_samples():
    random = np.random.default_rng(4)
    ratio, low, high = ratio_interval(random.normal(30, 1, 50).tolist(), random.normal(10, 1, 50).tolist())
    assert low < 3 < high
    assert low < ratio < high
