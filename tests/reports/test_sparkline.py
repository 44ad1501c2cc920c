from __future__ import annotations

from dataclasses import replace

import pytest
from mmbench.configs.curve import Curve, Point
from mmbench.configs.machine import Machine
from mmbench.reports.look import Look, paint
from mmbench.reports.sparkline import LatencyCurve, curve_lines, latency_curves, sparkline
from screen_machines import hybrid
from synthetic_machine import synthetic_machine

STEPS = LatencyCurve("huge", "", tuple((2**i, 1e-9 if i < 16 else 10e-9 if i < 22 else 100e-9) for i in range(12, 28)))


def test_plateaus_are_flat_and_steps_rise() -> None:
    (line,) = sparkline(STEPS, 16, rows=1)
    assert line == "▁▁▁▁▅▅▅▅▅▅██████" or line == "▁▁▁▁▄▄▄▄▄▄██████"


def test_two_rows_show_twice_the_steps() -> None:
    upper, lower = sparkline(STEPS, 16)
    assert upper == "          ██████" or upper == "    ▁▁▁▁▁▁██████"
    assert lower.startswith("▁▁▁▁")
    assert lower.endswith("██████")


def test_ascii_says_the_same() -> None:
    (line,) = sparkline(STEPS, 16, ascii_only=True)
    assert line == "____======@@@@@@"


@pytest.mark.parametrize("cells", [16, 40, 100])
def test_columns_without_points_take_the_value_between(cells: int) -> None:
    lines = sparkline(STEPS, cells)
    assert all(len(line) == cells for line in lines)
    assert " " not in lines[-1]


def test_a_flat_curve_is_drawn() -> None:
    flat = LatencyCurve("", "", tuple((2**i, 2e-9) for i in range(12, 20)))
    assert sparkline(flat, 8, rows=1) == ["▁▁▁▁▁▁▁▁"]


def test_settings_and_kinds_are_kept_apart() -> None:
    assert [curve.setting for curve in latency_curves(synthetic_machine())] == ["huge grouped", "small random"]
    assert [(curve.core_kind, curve.setting) for curve in latency_curves(hybrid())] == [
        ("P", "huge grouped"),
        ("P", "small random"),
        ("E", "huge grouped"),
        ("E", "small random"),
    ]


def test_allocations_are_reduced_to_their_median() -> None:
    points = tuple(Point({"size_bytes": size, "allocation": a}, 1.0, ((a + 1) * 1e-9,)) for size in (4096, 8192, 16384) for a in range(3))
    (curve,) = latency_curves(Machine(1, "m", curves={"latency": Curve("latency", 1, "load", points)}))
    assert [latency for _, latency in curve.latency_s] == [2e-9] * 3


def test_nonsense_points_are_left_out() -> None:
    odd = [
        Point({"size_bytes": -4}, 1.0, (1e-9,)),
        Point({"size_bytes": "many"}, 1.0, (1e-9,)),
        Point({}, 1.0, (1e-9,)),
        Point({"size_bytes": 4096}, 0.0, (1e-9,)),
        Point({"size_bytes": 4096}, 1.0, ()),
        Point({"size_bytes": 4096}, 1.0, (float("nan"),)),
        Point({"size_bytes": 4096}, 1.0, (-1.0,)),
    ]
    assert latency_curves(Machine(1, "m", curves={"latency": Curve("latency", 1, "load", tuple(odd))})) == []


def test_the_axis_marks_the_end_of_each_cache() -> None:
    machine = synthetic_machine()
    look = Look()
    text = paint(curve_lines(latency_curves(machine)[0], machine.caches, look, 66), look).splitlines()
    assert text[0].endswith("113 ns")
    assert text[1].endswith("1.42 ns")
    assert text[2].startswith("4 KiB")
    assert all(f"╵{name}" in text[2] for name in ("L1d", "L2", "L3"))
    beyond = replace(machine.caches[0], name="L9", size=replace(machine.caches[0].size, value=2**40, low=None, high=None))
    assert "L9" not in paint(curve_lines(latency_curves(machine)[0], (beyond,), look, 66), look)
