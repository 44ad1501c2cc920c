from __future__ import annotations

from dataclasses import replace

import pytest
from mmbench.configs.facts import unknown
from mmbench.configs.machine import CacheClaim, Judgement, Machine, Verdict
from mmbench.reports.look import Look, line_width, paint
from mmbench.reports.pyramid import pyramid_sections
from mmbench.reports.verdicts import check_cell
from screen_machines import five_levels, hybrid, two_levels
from synthetic_machine import synthetic_machine


def _drawn(machine: Machine, look: Look) -> str:
    return "".join(paint(section.lines, look) for section in pyramid_sections(machine, look))


@pytest.mark.parametrize("machine", [two_levels(), synthetic_machine(), five_levels()], ids=["2", "4", "5"])
def test_boxes_widen_downwards_whatever_the_number_of_levels(machine: Machine) -> None:
    lines = _drawn(machine, Look()).splitlines()
    edges = [line.split("╭")[1].index("╮") for line in lines if "╭" in line]
    assert len(edges) == len(machine.caches)
    assert edges == sorted(set(edges))
    assert sum("╰" in line for line in lines) == 1


@pytest.mark.parametrize("width", [60, 70, 80, 120, 200])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_the_picture_fits_and_keeps_its_numbers(width: int, ascii_only: bool) -> None:
    look = Look(width=width, ascii_only=ascii_only)
    (section,) = pyramid_sections(synthetic_machine(), look)
    assert all(line_width(line) <= width for line in section.lines)
    text = paint(section.lines, look)
    assert all(number in text for number in ("48 KiB", "2 MiB", "24 MiB", "1.43", "4.57", "21.1", "112", "392", "385", "14.7"))
    assert "30 MiB" in text


def test_a_tall_hierarchy_becomes_a_table() -> None:
    machine = synthetic_machine()
    levels = tuple(replace(machine.caches[0], name=f"L{i}") for i in range(12))
    text = _drawn(replace(machine, caches=levels), Look())
    assert "╭" not in text
    assert all(f"L{i} " in text for i in range(12))


def test_each_kind_of_core_has_its_picture() -> None:
    text = _drawn(hybrid(), Look())
    assert text.count("╰") == 2
    assert "P cores" in text
    assert "E cores" in text


def test_what_is_missing_is_a_dash_with_a_reason() -> None:
    machine = synthetic_machine()
    l2 = replace(machine.caches[1], latency=unknown("s", "latency@1", "too noisy"), size=unknown("B", "latency@1", "no edge"))
    (section,) = pyramid_sections(replace(machine, caches=(machine.caches[0], l2, *machine.caches[2:])), Look())
    assert ("L2 latency", "too noisy") in section.reasons
    assert ("L2 size", "no edge") in section.reasons
    assert not any(subject.startswith("DRAM size") for subject, _ in section.reasons), "memory has no size to miss"
    row = next(line for line in paint(section.lines, Look()).splitlines() if " L2 " in line)
    assert row.count("–") == 2


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        (Verdict.AGREES, "= reported"),
        (Verdict.CLAIM_LARGER, "≠ reported 32 MiB"),
        (Verdict.CLAIM_SMALLER, "≠ reported 32 MiB"),
        (Verdict.CLAIMS_DISAGREE, "≠ claims differ"),
        (Verdict.NO_CLAIM, "– no claim"),
        (Verdict.NOT_MEASURABLE, "– not measurable"),
    ],
)
def test_each_verdict_has_words(verdict: Verdict, text: str) -> None:
    claims = (CacheClaim("sysfs", 3, "unified", 32 * 2**20), CacheClaim("cpuid.4", 3, "unified", 32 * 2**20))
    assert check_cell(Judgement(verdict), Look(), claims).text == text


def test_claims_of_several_sizes_name_none() -> None:
    claims = (CacheClaim("sysfs", 3, "unified", 32 * 2**20), CacheClaim("cpuid.4", 3, "unified", 16 * 2**20))
    assert check_cell(Judgement(Verdict.CLAIM_LARGER), Look(), claims).text == "≠ claim larger"
