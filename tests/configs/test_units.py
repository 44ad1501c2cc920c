"""Numbers into words and back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmbench.configs.errors import UsageError
from mmbench.configs.units import duration_words, parse_duration, parse_size, pretty, scaled, size_words, three_figures


@pytest.mark.parametrize(
    ("value", "words"),
    [
        *((0, "0"), (1, "1.00"), (1.234, "1.23"), (12.34, "12.3"), (123.4, "123"), (1234, "1230"), (0.0123, "0.0123"), (-5.678, "-5.68")),
        *((9.995, "9.99"), (9.996, "10.0"), (99.96, "100"), (999.6, "1000"), (0.99996, "1.00"), (math.inf, "inf"), (math.nan, "nan")),
    ],
)
def test_three_figures(value: float, words: str) -> None:
    assert three_figures(value) == words


@given(st.floats(1e-9, 1e15))
def test_three_figures_lose_less_than_a_half_percent(value: float) -> None:
    assert float(three_figures(value)) == pytest.approx(value, rel=0.0051)
    assert "e" not in three_figures(value)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        *((0, "0 B"), (1, "1 B"), (1023, "1023 B"), (1024, "1 KiB"), (48 * 1024, "48 KiB"), (1.25 * 2**20, "1.25 MiB")),
        *(
            (2**30, "1 GiB"),
            (33 * 2**20, "33 MiB"),
            (1.375 * 2**20, "1.38 MiB"),
            (2**45, "32 TiB"),
            (3 * 2**50, "3 PiB"),
            (1500, "1.46 KiB"),
        ),
    ],
)
def test_size_words(size: float, words: str) -> None:
    assert size_words(size) == words


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (1.2e11, "FLOP/s", ("120", "GFLOP/s")),
        (3.5e9, "Hz", ("3.50", "GHz")),
        (1.4e-9, "s", ("1.40", "ns")),
        (0.9999e9, "Hz", ("1.00", "GHz")),
        (5e-15, "s", ("0.00500", "ps")),
        (2.5e18, "op/s", ("2500", "Pop/s")),
        (0, "s", ("0", "s")),
        (-2e-3, "s", ("-2.00", "ms")),
    ],
)
def test_scaled(value: float, unit: str, words: tuple[str, str]) -> None:
    assert scaled(value, unit) == words


def test_pretty_takes_bytes_for_sizes() -> None:
    assert pretty(49152, "B") == "48 KiB"
    assert pretty(2.5e10, "B/s") == "25.0 GB/s"
    assert pretty(3, "") == "3.00"


@pytest.mark.parametrize(
    ("text", "size"),
    [("48K", 49152), ("1.25MiB", 1310720), ("2g", 2**31), ("4096", 4096), (" 1 kb ", 1024), ("0", 0), ("1T", 2**40), ("3B", 3)],
)
def test_parse_size(text: str, size: int) -> None:
    assert parse_size(text) == size


@given(st.integers(0, 2**50))
def test_a_whole_size_survives(size: int) -> None:
    assert parse_size(str(size)) == size


@pytest.mark.parametrize("text", ["", "K", "-1K", "1 2", "1e3", "1X", "one", "1.2.3"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError, match="is not a size") as raised:
        parse_size(text)
    assert raised.value.hint


@pytest.mark.parametrize(
    ("text", "time_s"),
    [("90", 90), ("15s", 15), ("1.5m", 90), ("200ms", 0.2), ("2 min", 120), ("1h", 3600), ("5us", 5e-6), ("5µs", 5e-6), ("7ns", 7e-9)],
)
def test_parse_duration(text: str, time_s: float) -> None:
    assert parse_duration(text) == pytest.approx(time_s)


@pytest.mark.parametrize("text", ["", "0", "0s", "-5s", "s", "1d", "soon", "1:30", "inf", "nan"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("time_s", "words"),
    [(0.4, "0 s"), (8, "8 s"), (59.4, "59 s"), (59.6, "1:00 min"), (65, "1:05 min"), (3599, "59:59 min"), (7380, "2 h 03 min")],
)
def test_duration_words(time_s: float, words: str) -> None:
    assert duration_words(time_s) == words
