"""Rooflines: what is drawn for known rows and a known machine, what is an error, what is left out, and what hostile rows cannot do."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from mmbench.configs.cases import Case
from mmbench.configs.facts import derived, measured, reported, unknown
from mmbench.configs.machine import Machine, Roof
from mmbench.kernels.roofline import is_ceiling
from mmbench.reports.figures.keys import Series
from mmbench.reports.figures.roofline import Ceiling, Point, Slope, draw_roofline, kept_points, merged
from mmbench.reports.figures.theme import Mark, styled
from mmbench.reports.page.blocks import Block, Value
from mmbench.reports.page.rows import NOT_A_WIN, groups_of
from mmbench.reports.page.sections.rooflines import MOST_FIGURES, lines_of, rooflines
from report_evidence import two_machines
from report_rows import answer, assert_harmless, evidence_of, figures, hostile_rows, marks_in, prose, svg_of, texts, words_in
from synthetic_machine import synthetic_machine

CUBE = Case(256, 256, 256)


def emerald() -> Machine:
    """The synthetic machine as a chip of which figures are published: 64 f32 operations a cycle with AVX-512."""
    machine = synthetic_machine()
    numbers = {"arch": "x86_64", "vendor": "GenuineIntel", "family": 6, "model": 207, "stepping": 2}
    return replace(machine, identity={name: reported(value, "", "cpuid.1") for name, value in numbers.items()})


def test_a_figure_for_each_machine_data_type_and_number_of_threads(tmp_path: Path) -> None:
    evidence = two_machines(tmp_path, 60)
    found = figures(rooflines(evidence))
    wanted = {f"{row.case.dtype}-t{row.case.threads}" for row in evidence.subjects[0].rows if row.timed}
    assert len(found) == MOST_FIGURES
    assert all(name.removesuffix("-2").removeprefix("roofline-") in wanted for name in found)
    assert {"roofline-f32-t1", "roofline-f32-t1-2"} <= set(found)
    sizes = [len(marks_in(figure)) for figure in found.values()]
    assert max(sizes) <= 250
    for figure in found.values():
        svg_of(figure)


def test_those_with_fewer_rows_are_named_in_a_note(tmp_path: Path) -> None:
    blocks = rooflines(two_machines(tmp_path, 60))
    rows = {name.removeprefix("roofline-") for name in figures(blocks)}
    assert "Not drawn, because fewer rows speak of them: " in prose(blocks)
    assert "f32, 1 thread on" not in prose(blocks)
    assert "f32-t1" in rows


def test_each_point_says_kernel_shape_rate_interval_share_and_bound() -> None:
    figure = figures(rooflines(evidence_of([answer(CUBE, "mkl@pip", 50.0, share=0.25)], machine=synthetic_machine())))["roofline-f32-t1"]
    assert marks_in(figure) == ["mkl 256x256x256: 50.0 GFLOP/s ±2.0 %, 25 % of the roof (compute)"]
    assert "No point is above its roof." in figure.description
    row = texts(figure.table)[-1]
    assert row == ("mkl", "256x256x256", "42.7", "50.0 ±2.0 %", "25.0", "compute")


def test_every_measured_ceiling_is_named_with_level_and_unit() -> None:
    figure = figures(rooflines(evidence_of([answer(CUBE, "mkl@pip")], machine=synthetic_machine())))["roofline-f32-t1"]
    words = words_in(svg_of(figure))
    assert "avx512f 205 GFLOP/s" in words
    assert {"L1d 385 GB/s", "L2 168 GB/s", "L3 49.0 GB/s", "DRAM 14.7 GB/s"} <= set(words)
    table = {row[0]: row for row in texts(figure.table)}
    assert table["L2"][1] == "L2 read"
    assert table["avx512f"][3] == "205 GFLOP/s ±3"
    assert "Nothing is published here of this chip" in figure.note


def test_only_ceilings_that_bound_such_a_product_are_drawn_and_five_at_most() -> None:
    machine = emerald()
    rates = {(row.unit, word, row.dtype): row for row in machine.simd for word in (row.op, row.instruction)}
    for dtype in ("s8", "mxfp4", "bf16", "f32"):
        case = replace(CUBE, dtype=dtype, layout="nt" if dtype == "mxfp4" else "nn")
        lines = lines_of(machine, groups_of([answer(case, "vectorized")])[0])
        measured = [
            row[1].text for row, line in zip(lines.rows, lines.ceilings, strict=False) if not line.published and isinstance(row[1], Value)
        ]
        assert 1 <= len(measured) <= 5
        named = [rates[unit, op, kind] for unit, op, kind in (words.partition(",")[0].split() for words in measured)]
        assert len({row.dtype for row in named}) == 1
        assert all(is_ceiling(row) for row in named)


def test_streams_that_are_not_reading_are_named_at_their_line() -> None:
    machine = synthetic_machine()
    roofs = tuple(replace(r, name="L1d copy") if r.level == "L1d" else r for r in machine.roofs)
    lines = lines_of(replace(machine, roofs=roofs), groups_of([answer(CUBE, "mkl@pip")])[0])
    assert [slope.name for slope in lines.slopes][:2] == ["L1d copy", "L2"]


def test_ceilings_are_those_of_the_number_of_threads() -> None:
    case = replace(CUBE, threads=4)
    group = groups_of([answer(case, "mkl@pip")])[0]
    lines = lines_of(synthetic_machine(), group)
    assert [c.rate for c in lines.ceilings if c.binding] == [64 * 3.2e9 * 4]
    assert {s.name: s.rate for s in lines.slopes}["L1d"] == 4 * 110 * 3.5e9


def test_between_measured_numbers_of_threads_bandwidth_is_interpolated_and_said_to_be() -> None:
    group = groups_of([answer(replace(CUBE, threads=2), "mkl@pip")])[0]
    lines = lines_of(synthetic_machine(), group)
    assert {s.name: s.rate for s in lines.slopes}["L1d"] == pytest.approx(2 * 110 * 3.5e9)
    words = [row[1] for row in lines.rows]
    assert any(isinstance(each, Value) and "between the numbers of threads that were measured" in each.text for each in words)
    assert sum(c.binding for c in lines.ceilings) == 1


def test_published_ceilings_that_agree_continue_the_line_and_are_told() -> None:
    group = groups_of([answer(CUBE, "mkl@pip")])[0]
    machine = emerald()
    lines = lines_of(machine, group)
    assert [c for c in lines.ceilings if c.published] == [Ceiling("", pytest.approx(64 * 3.2e9, rel=0.05), published=True)]
    assert "Published for Emerald Rapids" in lines.missing
    assert "avx512f 64 op a cycle" in lines.missing


def test_published_ceilings_that_differ_are_dashed_and_named() -> None:
    machine = emerald()
    slower = tuple(
        replace(u, op_per_cycle=derived(u.op_per_cycle.number() / 3, "op/cycle", "peaks@1")) if u.op_per_cycle.known else u
        for u in machine.simd
    )
    figure = figures(rooflines(evidence_of([answer(CUBE, "mkl@pip")], machine=replace(machine, simd=slower))))["roofline-f32-t1"]
    assert any(words.startswith("publ. avx512f ") for words in words_in(svg_of(figure)))
    assert any("published: 32 op a cycle" in str(row[1]) for row in texts(figure.table))


def test_a_point_above_its_roof_is_an_error_in_figure_note_and_table() -> None:
    rows = [answer(CUBE, "mkl@pip", 50.0, share=0.9), answer(Case(1, 512, 512), "mkl@pip", 20.0, share=1.14)]
    figure = figures(rooflines(evidence_of(rows, machine=synthetic_machine())))["roofline-f32-t1"]
    drawn = styled(figure.draw)
    assert [mark.words for mark in drawn.marks["above0"]] == [
        f"mkl 1x512x512: 20.0 GFLOP/s ±2.0 %, 114 % of the roof (compute): {NOT_A_WIN}"
    ]
    assert len(drawn.marks["points0"]) == 1
    assert f"1 point is above its roof, most of all mkl in 1x512x512 (114 % of compute): {NOT_A_WIN}." in figure.note
    marked = [cell for row in figure.table.rows for cell in row if isinstance(cell, Value) and cell.mark == "bad"]
    assert [cell.text for cell in marked] == ["114"]
    assert "GFLOP/s" in figure.description
    assert "mkl in 256x256x256" in figure.description  # what is above its roof is never the best


@pytest.mark.parametrize("share", [1.005, 1.0, math.nan])
def test_at_its_roof_a_point_is_no_error(share: float) -> None:
    figure = figures(rooflines(evidence_of([answer(CUBE, "mkl@pip", share=share)], machine=synthetic_machine())))["roofline-f32-t1"]
    assert "above" not in figure.note
    assert list(styled(figure.draw).marks) == ["points0"]


def test_points_that_would_overlap_are_thinned_with_a_note() -> None:
    rows = [answer(Case(64 + i % 40, 64 + i // 40, 64), kernel, 40 + i * 0.001) for i in range(400) for kernel in ("mkl@pip", "vectorized")]
    figure = figures(rooflines(evidence_of(rows, machine=synthetic_machine())))["roofline-f32-t1"]
    drawn = len(marks_in(figure))
    assert 2 <= drawn <= 250
    assert f"{drawn:,} of 800 points drawn: points that would overlap were left out." in figure.note
    assert len(figure.table.rows) <= 260
    assert "the raw data has the other" in figure.table.note


def test_no_point_above_its_roof_is_ever_thinned_away() -> None:
    entry = Series("mkl", 1)
    points = [Point(entry, 1.0 + i * 1e-6, 1e9, Mark(str(i)), above=i % 10 == 0) for i in range(500)]
    kept = kept_points([], [], points, 250)
    assert sum(p.above for p in kept) == 50
    assert len(kept) < 60


def test_ceilings_of_nearly_one_rate_share_a_line_and_say_so() -> None:
    ceilings = [Ceiling("a", 100e9), Ceiling("b", 99e9, binding=True), Ceiling("c", 50e9), Ceiling("publ. a", 100e9, published=True)]
    assert merged(ceilings) == [Ceiling("b, 1 more:", 99e9, True), Ceiling("publ. a", 100e9, published=True), Ceiling("c", 50e9)]


def test_series_are_switched_by_the_legend() -> None:
    entry, other = Series("mkl", 1), Series("vectorized", 0)
    points = [Point(entry, 1.0, 1e9, Mark("x")), Point(other, 2.0, 2e9, Mark("y"), above=True)]
    drawn = styled(lambda: draw_roofline([Ceiling("avx", 1e11, True)], [Slope("L1d", 1e11)], points, "GFLOP/s"))
    assert set(drawn.series.values()) == {"mkl", "vectorized"} == set(drawn.legend.values())


def test_labels_of_ceilings_do_not_overlap() -> None:
    ceilings = [Ceiling(f"unit{i}", 1e9 * 1.07**i) for i in range(12)]
    drawn = styled(lambda: draw_roofline(ceilings, [], [Point(Series("mkl", 1), 1.0, 1e9, Mark("x"))], "GFLOP/s"))
    axes = drawn.figure.axes[0]
    heights = sorted(text.get_position()[1] * 262 for text in axes.texts if text.get_text().startswith("unit"))
    assert min(b - a for a, b in pairwise(heights)) > 10


def test_what_ran_on_another_device_has_no_place_under_these_roofs() -> None:
    gpu = replace(answer(CUBE, "jax@pip"), params={"device": "gpu"})
    assert rooflines(evidence_of([gpu], machine=synthetic_machine())) == []
    both = figures(rooflines(evidence_of([gpu, answer(CUBE, "mkl@pip")], machine=synthetic_machine())))
    assert len(marks_in(both["roofline-f32-t1"])) == 1


def test_unfused_twins_are_left_out_and_frameworks_say_that_python_timed_them() -> None:
    rows = [answer(CUBE, "mkl-unfused@pip"), answer(CUBE, "pytorch@pip")]
    figure = figures(rooflines(evidence_of(rows)))["roofline-f32-t1"]
    assert [words.partition(" 256")[0] for words in marks_in(figure)] == ["pytorch (py)"]
    assert "timed from there" in figure.note


def test_without_a_machine_file_points_are_drawn_and_the_missing_roof_is_told() -> None:
    figure = figures(rooflines(evidence_of([answer(CUBE, "mkl@pip", share=math.nan)])))["roofline-f32-t1"]
    assert "`mmbench probe` writes one" in figure.note
    assert marks_in(figure) == ["mkl 256x256x256: 50.0 GFLOP/s ±2.0 %"]
    svg_of(figure)


@pytest.mark.parametrize("machine", [None, Machine(1, "bare"), synthetic_machine()], ids=["none", "bare", "full"])
def test_hostile_rows_harm_nothing(machine: Machine | None) -> None:
    blocks: list[Block] = rooflines(evidence_of(hostile_rows(), machine=machine))
    assert_harmless(blocks)
    assert "roofline-f32-t1" in figures(blocks)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 0.0, 1e308, 5e-324])
def test_absurd_ceilings_are_not_drawn(value: float) -> None:
    machine = synthetic_machine()
    roofs = tuple(replace(r, rate=measured(value, r.rate.unit, "x@1"), name="<script>" * 10_000) for r in machine.roofs)
    blocks = rooflines(evidence_of([answer(CUBE, "mkl@pip")], machine=replace(machine, roofs=roofs)))
    assert_harmless(blocks)
    figure = figures(blocks)["roofline-f32-t1"]
    assert not any("GB/s" in words for words in words_in(svg_of(figure)))


def test_ceilings_that_are_unknown_or_of_another_kind_of_core_are_not_drawn() -> None:
    machine = synthetic_machine()
    unknown_rate = Roof("compute", "x fma f32", "f32", "", 1, unknown("op/s", "roofs@1", "not run"))
    slow_core = Roof("compute", "y fma f32", "f32", "", 1, measured(1e9, "op/s", "roofs@1"), "E")
    lines = lines_of(replace(machine, roofs=(*machine.roofs, unknown_rate, slow_core)), groups_of([answer(CUBE, "a")])[0])
    assert {c.name for c in lines.ceilings} == {"avx512f"}


def test_nothing_to_say_is_no_section() -> None:
    assert rooflines(evidence_of()) == []
    assert rooflines(evidence_of([], machine=synthetic_machine())) == []
    assert rooflines(evidence_of([replace(answer(CUBE, "a"), time_s=math.nan)])) == []


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    one, two = (figures(rooflines(two_machines(tmp_path / name, 60)))["roofline-f32-t1"] for name in "ab")
    assert svg_of(one) == svg_of(two)
