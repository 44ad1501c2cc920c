from __future__ import annotations

import dataclasses
import enum
import itertools
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import screen_machines
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmbench.configs.facts import Fact, unknown
from mmbench.configs.machine import CoreToCore, Machine, Notice
from mmbench.reports.facts import machine_facts
from mmbench.reports.screen import machine_screen
from mmbench.reports.text import cell_width
from synthetic_machine import synthetic_machine
from synthetic_neoverse import synthetic_neoverse

MACHINES: dict[str, Callable[[], Machine]] = {
    "full-machine": synthetic_machine,
    "two-levels": screen_machines.two_levels,
    "three-levels": screen_machines.three_levels,
    "five-levels": screen_machines.five_levels,
    "no-caches": screen_machines.no_caches,
    "bare": screen_machines.bare,
    "one-cpu": screen_machines.one_cpu,
    "two-cpus": screen_machines.two_cpus,
    "many-cpus": screen_machines.many_cpus,
    "hybrid": screen_machines.hybrid,
    "many-units": screen_machines.many_units,
    "neoverse": synthetic_neoverse,
}
GOLDEN_LOOKS: dict[str, dict[str, Any]] = {
    "ascii": {"ascii_only": True},
    "60": {"width": 60},
    "60-ascii": {"width": 60, "ascii_only": True},
    "120": {"width": 120},
    "full": {"full": True},
}


@pytest.mark.parametrize("name", MACHINES)
def test_80_columns(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"screen-{name}.txt", machine_screen(MACHINES[name]()))


@pytest.mark.parametrize("look", GOLDEN_LOOKS)
def test_other_looks(look: str, golden: Callable[[str, str], None]) -> None:
    golden(f"screen-full-machine-{look}.txt", machine_screen(synthetic_machine(), **GOLDEN_LOOKS[look]))


def _is_fit(screen: str, width: int) -> None:
    for line in screen.split("\n"):
        assert cell_width(line) <= width, line
        assert line == line.rstrip()
        assert not any(unicodedata.category(c)[0] == "C" or c in "\u2028\u2029" for c in line), repr(line)


@pytest.mark.parametrize("name", MACHINES)
def test_every_machine_fits_every_width(name: str) -> None:
    machine = MACHINES[name]()
    for width, ascii_only, full in itertools.product((60, 64, 72, 80, 100, 160, 200), (False, True), (False, True)):
        screen = machine_screen(machine, width=width, ascii_only=ascii_only, full=full)
        _is_fit(screen, width)
        assert screen.isascii() or not ascii_only
        assert "…" not in screen.replace("… and", ""), "nothing of a sane machine is shortened"


def test_widths_out_of_range_count_as_the_nearest() -> None:
    machine = synthetic_machine()
    assert machine_screen(machine, width=1) == machine_screen(machine, width=60)
    assert machine_screen(machine, width=10_000) == machine_screen(machine, width=200)


@pytest.mark.parametrize("full", [False, True])
def test_colour_adds_nothing_but_colour(full: bool) -> None:
    machine = screen_machines.hybrid()
    coloured = machine_screen(machine, color=True, full=full)
    assert "\x1b[" in coloured
    stripped = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert [line.rstrip() for line in stripped.splitlines()] == machine_screen(machine, full=full).splitlines()


def test_ascii_holds_the_same_numbers() -> None:
    def numbers(text: str) -> list[str]:
        return re.findall(r"\d+(?:\.\d+)?", text)

    machine = synthetic_machine()
    wide, plain = machine_screen(machine, width=120), machine_screen(machine, width=120, ascii_only=True)
    assert sorted(numbers(wide)) == sorted(numbers(plain))


def test_the_default_screen_is_for_one_reading() -> None:
    assert len(machine_screen(screen_machines.two_cpus()).splitlines()) <= 60
    assert len(machine_screen(synthetic_machine()).splitlines()) <= 70


def test_the_full_screen_shows_every_instruction_and_verdict() -> None:
    machine = synthetic_machine()
    screen = machine_screen(machine, width=140, full=True)
    assert all(rate.instruction in screen for rate in machine.simd)
    assert all(roof.name in screen for roof in machine.roofs)
    assert all(feature in screen for feature in machine.features)
    assert "the interval covers the claim" in screen
    assert machine.id in screen


def test_reasons_of_missing_values_are_told_once() -> None:
    machine = synthetic_machine()
    why = "the clock moved too much"
    caches = tuple(replace(c, latency_cycles=unknown("cycle", "latency@1", why)) for c in machine.caches)
    screen = machine_screen(replace(machine, caches=caches))
    assert screen.count(why) == 1
    assert "– L1d cycles, L2 cycles, L3 cycles, DRAM cycles: " + why in screen


def test_probes_that_did_not_run_give_their_reasons() -> None:
    screen = machine_screen(replace(synthetic_machine(), not_run={"latency": "left out by --only", "tlb": "left out by --only"}))
    assert "– probe latency, probe tlb: left out by --only" in screen


def test_many_notices_are_cut_with_a_count_and_shown_in_full() -> None:
    notices = tuple(Notice(f"thing {i}", "it matters", "do this", "doctor") for i in range(9))
    machine = replace(synthetic_machine(), notices=notices)
    short, full = machine_screen(machine), machine_screen(machine, full=True)
    assert "thing 3" in short
    assert "thing 4" not in short
    assert "… and 5 more: mmbench show --full" in short
    assert all(f"thing {i}" in full for i in range(9))


def test_a_topic_that_is_no_word_is_not_offered_as_a_command() -> None:
    notice = Notice("odd", "because", "try it", "x; rm -rf ~")
    screen = machine_screen(replace(synthetic_machine(), notices=(notice,)))
    assert "rm -rf" not in screen


def _poisoned(value: Any, text: str, number: float, turn: Callable[[], bool]) -> Any:
    """The record with some of its strings and numbers replaced, whatever its types promise."""
    if isinstance(value, enum.Enum) or value is None:
        return value
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return text if turn() else value
    if isinstance(value, (int, float)):
        return number if turn() else value
    if isinstance(value, tuple):
        return tuple(_poisoned(item, text, number, turn) for item in value)
    if isinstance(value, dict):
        return {(text if isinstance(k, str) and turn() else k): _poisoned(v, text, number, turn) for k, v in value.items()}
    fields = {f.name: _poisoned(getattr(value, f.name), text, number, turn) for f in dataclasses.fields(value)}
    if isinstance(value, Fact):
        fields["note"] = fields["note"] or "why"
        low, high = fields["low"], fields["high"]
        if low is not None and high is not None and low > high:
            fields["low"], fields["high"] = high, low
    return type(value)(**fields)


def _small(machine: Machine) -> Machine:
    """The machine with a few points a curve: a poisoned megabyte in each would be slow for nothing."""
    curves = {key: replace(curve, points=curve.points[:40]) for key, curve in machine.curves.items()}
    return replace(machine, curves=curves)


HOSTILE = {
    "escapes": "\x1b[2J\x1b[31mred",
    "title": "\x1b]0;title\x07",
    "right to left": "\u202etfel ot thgir",
    "a megabyte": "a" * 1_000_000,
    "a megabyte of words": "word " * 200_000,
    "wide": "漢字" * 500,
    "breaks": "line\nbreak\r\ttab\x00nul\x7fdel",
    "marks": "e" + "\u0301" * 5000,
    "surrogate": "\ud800 lone",
    "empty": "",
    "blank": " ",
    "separators": "\u2028\u2029\u0085",
    "joined": "\U0001f468\u200d\U0001f469\u200d\U0001f467 family",
}
NUMBERS = {"beyond float": 10**400, "2**63": 2**63, "inf": float("inf"), "-inf": float("-inf"), "nan": float("nan")}
NUMBERS |= {str(number): number for number in (0, -1, 1, 7, 1e300, -1e300, 1e-300, 0.5, 123456.789)}
BASES = {"one kind": synthetic_machine, "hybrid": screen_machines.hybrid, "units": screen_machines.many_units}
SMALL = {name: _small(make()) for name, make in BASES.items()}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    base=st.sampled_from(sorted(SMALL)),
    text=st.one_of(st.sampled_from(sorted(HOSTILE)), st.text(max_size=80)),
    number=st.sampled_from(sorted(NUMBERS)),
    every=st.integers(1, 9),
    width=st.integers(60, 200),
    ascii_only=st.booleans(),
    full=st.booleans(),
)
def test_no_file_can_break_the_screen(base: str, text: str, number: str, every: int, width: int, ascii_only: bool, full: bool) -> None:
    counter = itertools.count()
    machine = _poisoned(SMALL[base], HOSTILE.get(text, text), NUMBERS[number], lambda: next(counter) % every == 0)
    screen = machine_screen(machine, width=width, ascii_only=ascii_only, full=full)
    _is_fit(screen, width)
    assert screen.isascii() or not ascii_only
    assert len(screen) < 2_000_000
    assert len({path for path, _ in machine_facts(machine)}) == len(list(machine_facts(machine)))
    coloured = machine_screen(machine, width=width, ascii_only=ascii_only, full=full, color=True)
    _is_fit(re.sub(r"\x1b\[[0-9;]*m", "", coloured), width)


def test_a_pair_of_cpus_has_one_figure_where_only_round_trips_were_timed() -> None:
    both = ((0.0, 58e-9), (58e-9, 0.0))
    matrix = CoreToCore("cas", (0, 1), both, both, both)
    screen = machine_screen(dataclasses.replace(synthetic_machine(), core_to_core=(matrix,)), width=80)
    assert "CPU 0 and 1 58.0" in screen
    assert "back" not in screen
