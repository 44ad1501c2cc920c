"""Facts as cells of tables: an interval whose sides differ is told by its ends, every other by one number behind ±."""

from __future__ import annotations

import pytest
from mmbench.configs.facts import measured
from mmbench.reports.page.values import number, size, without_interval

MIB = 1 << 20


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (121 * MIB, 77 * MIB, 234 * MIB, "121 (77 to 234) MiB"),
        (121 * MIB, 111 * MIB, 131 * MIB, "121 ±10 MiB"),
        (121 * MIB, 111 * MIB, 135 * MIB, "121 ±14 MiB"),  # sides that differ by less than half
        (100 * MIB, 99 * MIB, 100 * MIB, "100 ±1 MiB"),  # uneven, but known so well that nobody cares
        (MIB, 1e-12, 1e308, "1 (9.54e-19 to huge) MiB"),
    ],
)
def test_sizes(value: int, low: float, high: float, text: str) -> None:
    shown = size(measured(value, "B", "latency@1", low, high))
    assert shown.text == text
    short = without_interval(shown)
    assert short.text == f"{value // MIB} MiB"
    assert short.note.startswith(shown.text)


def test_numbers() -> None:
    assert number(measured(4.0, "s", "x@1", 3.0, 9.0)).text == "4.00 (3.00 to 9.00)"
    assert number(measured(4.0, "s", "x@1", 3.0, 5.0)).text == "4.00 ±1.00"
    assert without_interval(number(measured(4.0, "s", "x@1"))).note == ""
    assert without_interval(number(measured(4.0, "s", "x@1", 3.0, 9.0))).text == "4.00"
