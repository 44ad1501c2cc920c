from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmbench.configs.facts import Fact, How, measured, unknown
from mmbench.reports.numbers import figure, half_width, percent, plus_minus, relative_width, size_number, size_unit, value_of, worst_width


@pytest.mark.parametrize(
    ("value", "half", "text"),
    [
        (4.98, 0.02, "±0.02"),
        (4.98, 0.0151, "±0.02"),
        (4.98, 0.001, "±0.01"),
        (112.0, 2.24, "±3"),
        (16.0, 0.05, "±0.1"),
        (1230.0, 24.0, "±30"),
        (96, 4.0, "±4"),
        (2.0, None, ""),
        (2.0, math.inf, ""),
    ],
)
def test_the_interval_has_the_decimals_of_the_value_and_is_rounded_up(value: float, half: float | None, text: str) -> None:
    assert plus_minus(value, half) == text


@given(st.floats(0.001, 1e6), st.floats(1e-6, 1e6))
def test_the_shown_interval_is_never_narrower(value: float, half: float) -> None:
    assert float(plus_minus(value, half)[1:]) >= half * (1 - 1e-6)


def test_an_uneven_interval_shows_its_longer_side() -> None:
    assert half_width(measured(5.0, "s", "x@1", 4.9, 5.3)) == pytest.approx(0.3)
    assert half_width(measured(5.0, "s", "x@1", high=5.3)) == pytest.approx(0.3)
    assert half_width(measured(5.0, "s", "x@1")) is None


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, 10**400, True, "word"])
def test_what_is_no_number_counts_as_missing(value: object) -> None:
    fact: Fact[float] = Fact(value, "s", How.MEASURED, "x@1")  # type: ignore[arg-type]
    assert value_of(fact) is None
    assert half_width(fact) is None
    assert relative_width(fact) is None


def test_absurd_numbers_stay_short() -> None:
    assert all(len(figure(value)) <= 10 for value in (10**400, -(10**400), 1e300, -1e300, 1e-300, 123456789, 2**60, 0.0))
    assert figure(1600) == "1600"
    assert figure(48.0) == "48.0"


def test_the_widest_interval_of_several() -> None:
    facts = [measured(10.0, "", "x@1", 9.0, 10.5), measured(100.0, "", "x@1", 99.0, 101.0), unknown("", "x@1", "why")]
    assert worst_width(facts) == pytest.approx(0.1)
    assert worst_width([]) is None
    assert percent(0.0031) == "±0.4 %"
    assert percent(0.123) == "±13 %"


def test_sizes_have_the_unit_in_which_they_read_best() -> None:
    assert size_unit(49152) == (1024, "KiB")
    assert size_unit(100) == (1, "B")
    assert size_number(48.0) == "48"
    assert size_number(1.25) == "1.25"
