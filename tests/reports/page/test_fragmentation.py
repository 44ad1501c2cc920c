"""Fragmentation: who serves how many cells and how fast, whose answers were wrong, and what nobody but ours serves."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from mmbench.configs.cases import Case, Status
from mmbench.configs.machine import Machine
from mmbench.configs.sweepdoc import SweepRow, SweepSkip
from mmbench.reports.figures.fragments import Standing, grid_of
from mmbench.reports.figures.theme import ABSENT, BAD, styled
from mmbench.reports.page.blocks import Heading, Value
from mmbench.reports.page.rows import HELP_NOTE, shape_class, size_of
from mmbench.reports.page.sections.fragmentation import MOST_FAILURES, MOST_GROUPS, fragmentation
from report_evidence import two_machines
from report_rows import answer, assert_harmless, evidence_of, figures, hostile_rows, marks_in, prose, svg_of, tables, texts
from synthetic_machine import synthetic_machine

A, B, C, D = Case(64, 64, 64), Case(1, 512, 512), Case(64, 64, 64, dtype="bf16"), Case(64, 64, 64, dtype="nvfp4", layout="nt")


def four_cells() -> list[SweepRow]:
    """vectorized serves all four; mkl two (fastest) and is wrong in one; openblas one, near the best, and crashes in one."""
    return [
        answer(A, "vectorized", 50.0), answer(B, "vectorized", 8.0), answer(C, "vectorized", 100.0), answer(D, "vectorized", 20.0),
        answer(A, "mkl@pip", 100.0), answer(B, "mkl@pip", 10.0), answer(C, "mkl@pip", status=Status.WRONG),
        answer(A, "openblas@debian", 98.0), answer(B, "openblas@debian", status=Status.CRASHED),
    ]  # fmt: skip


# --- the sentence -------------------------------------------------------------------------------------------------------------


def test_the_sentence_counts_who_serves_what() -> None:
    words = prose(fragmentation(evidence_of(four_cells()))).replace("\u00a0", " ")
    assert words.startswith(
        "Of 4 cells on box0, mkl serves 2 and is within 5 % of the best in 2; openblas serves 1 and is within 5 % of the best in 1."
    )
    assert "No library serves all of them." in words
    assert "2 cells are served by nobody but our own kernels (1 of bf16, 1 of nvfp4)." in words
    assert "Wrong or failed: mkl wrong in 1; openblas crashed in 1." in words


def test_a_library_that_serves_all_is_named_and_nothing_wrong_is_said() -> None:
    words = prose(fragmentation(evidence_of([answer(A, "mkl@pip"), answer(B, "mkl@pip"), answer(A, "naive", 1.0)])))
    assert "mkl serves all of them." in words
    assert "No answer was wrong, and nothing crashed." in words
    assert "nobody" not in words


def test_cells_that_nobody_serves_are_counted() -> None:
    words = prose(fragmentation(evidence_of([answer(A, "mkl@pip"), answer(B, "mkl@pip", status=Status.WRONG)])))
    assert "1 cell is served right by nobody." in words


def test_without_libraries_our_own_are_counted() -> None:
    words = prose(fragmentation(evidence_of([answer(A, "vectorized")])))
    assert "vectorized serves 1" in words
    assert "No library took part." in words


# --- the picture and its table ------------------------------------------------------------------------------------------------


def test_tiles_say_share_served_and_share_of_the_best_speed() -> None:
    figure = figures(fragmentation(evidence_of(four_cells())))["fragments"]
    assert [c.title for c in figure.table.columns] == ["Cells", "vectorized", "mkl", "openblas"]
    assert texts(figure.table) == [
        ("f32 near cube (1)", "1 of 1, 50 %", "1 of 1, 100 %", "1 of 1, 98 %"),
        ("f32 vector (1)", "1 of 1, 80 %", "1 of 1, 100 %", "0 of 1, 1 failed"),
        ("bf16 near cube (1)", "1 of 1, 100 %", "0 of 1, 1 failed", "–"),
        ("nvfp4 near cube (1)", "1 of 1, 100 %", "–", "–"),
    ]
    words = marks_in(figure)
    assert "mkl, f32 vector: 1 of 1 served, 100 % of the best speed" in words
    assert "mkl, bf16 near cube: 0 of 1 served, wrong in 1" in words
    assert "openblas, nvfp4 near cube: 0 of 1 served, absent in 1" in words
    svg_of(figure)


def test_wrong_is_outlined_with_a_cross_and_absent_is_grey_with_a_dash() -> None:
    drawn = styled(figures(fragmentation(evidence_of(four_cells())))["fragments"].draw)
    lines = drawn.figure.axes[0].lines
    crosses = [line for line in lines if line.get_marker() == "x" and line.get_color() == BAD]
    assert len(crosses) == 2
    grey = [line for line in lines if line.get_color() == ABSENT and line.get_gid()]
    assert [len(line.get_xdata()) for line in grey] == [5]  # three absent, two failed
    assert [text.get_text() for text in drawn.figure.axes[0].texts].count("–") == 3


def test_the_speed_is_the_geometric_mean_over_served_cells_only() -> None:
    rows = [answer(Case(64, 64, 60 + i), k, gops) for i, (k, gops) in enumerate([("mkl@pip", 100.0)] * 3)]
    rows += [answer(Case(64, 64, 60), "vectorized", 25.0), answer(Case(64, 64, 61), "vectorized", 100.0)]
    figure = figures(fragmentation(evidence_of(rows)))["fragments"]
    assert texts(figure.table) == [("f32 near cube (3)", "3 of 3, 100 %", "2 of 3, 50 %")]


def test_kernels_that_helpers_sped_up_are_marked() -> None:
    rows = [replace(row, warnings=("threads of its own used: 4",)) if row.kernel == "mkl@pip" else row for row in four_cells()]
    blocks = fragmentation(evidence_of(rows))
    assert HELP_NOTE in figures(blocks)["fragments"].note
    (totals,) = [table for caption, table in tables(blocks).items() if caption.startswith("All ")]
    assert [row[0] for row in texts(totals) if row[0].startswith("mkl")] == ["mkl*"]
    assert "mkl* serves" in prose(blocks)
    assert any("with threads that nobody asked for in" in words for words in marks_in(figures(blocks)["fragments"]))


def test_a_bar_shows_the_share_served() -> None:
    standing = Standing(4, 1, 0, 0.5, "a")
    ((tile,),) = grid_of(["r"], ["k"], [[standing]], ()).tiles
    assert (tile.text, tile.share, tile.foot, tile.bad) == ("50", 0.5, 0.25, False)


def test_unfused_twins_are_no_libraries_and_frameworks_are_marked() -> None:
    rows = [answer(A, "mkl@pip"), answer(A, "mkl-unfused@pip"), answer(A, "pytorch@pip")]
    figure = figures(fragmentation(evidence_of(rows)))["fragments"]
    assert [c.title for c in figure.table.columns] == ["Cells", "mkl", "pytorch (py)"]
    assert "timed from there" in figure.note


def test_too_many_classes_are_told_by_data_type_alone() -> None:
    types = ("f32", "f64", "bf16", "s8", "f16", "u8s8", "e4m3")
    shapes = ((64, 64, 64), (1, 64, 64), (8, 64, 64), (64, 8, 64), (64, 64, 8), (32, 32, 640), (640, 64, 64), (64, 640, 64))
    rows = [answer(Case(*shape, dtype=dtype), "mkl@pip") for dtype in types for shape in shapes]
    assert len(types) * len({shape_class(row.case) for row in rows}) > MOST_GROUPS
    figure = figures(fragmentation(evidence_of(rows)))["fragments"]
    assert {row[0] for row in texts(figure.table)} == {f"{dtype} (8)" for dtype in types}


def test_groups_beyond_the_limit_are_left_out_with_a_note() -> None:
    rows = [answer(Case(64, 64, 64, threads=t), "mkl@pip") for t in range(1, MOST_GROUPS + 6)]
    figure = figures(fragmentation(evidence_of(rows)))["fragments"]
    assert len(figure.table.rows) == MOST_GROUPS
    assert "5 groups with fewer cells were left out." in figure.note


# --- tables -------------------------------------------------------------------------------------------------------------------


def test_the_totals_count_served_absent_and_failed() -> None:
    table = tables(fragmentation(evidence_of(four_cells())))["All 4 cells on box0"]
    titles = [c.title for c in table.columns]
    mkl = dict(zip(titles, texts(table)[1], strict=True))
    assert mkl["Kernel"] == "mkl"
    assert mkl["Kind"] == "library"
    assert [mkl[t] for t in ("Served", "Absent", "Wrong", "Crashed", "Hung", "Fastest", "Within 5 %")] == [
        "2",
        "1",
        "1",
        "0",
        "0",
        "2",
        "2",
    ]
    assert texts(table)[0][3] == "4 (all)"
    (bad,) = [cell for cell in table.rows[1] if isinstance(cell, Value) and cell.mark == "bad"]
    assert bad.text == "1"


def test_every_failure_has_its_first_element_and_likely_cause() -> None:
    table = tables(fragmentation(evidence_of(four_cells())))["Every failure on box0"]
    assert texts(table) == [
        ("mkl", "WRONG", "bf16 64x64x64", "row 3, column 2: 511 for 638", "saturation"),
        ("openblas", "CRASHED", "f32 1x512x512", "–", "signal 11"),
    ]


def test_failures_are_bounded_wrong_answers_first() -> None:
    rows = [answer(Case(8, 8, 8 + i), "openblas@debian", status=Status.CRASHED) for i in range(MOST_FAILURES)]
    rows += [answer(Case(8, 8, 8 + i), "mkl@pip", status=Status.WRONG) for i in range(3)]
    table = tables(fragmentation(evidence_of(rows)))["Every failure on box0"]
    assert len(table.rows) == MOST_FAILURES
    assert [row[0] for row in texts(table)[:4]] == ["mkl", "mkl", "mkl", "openblas"]
    assert f"{MOST_FAILURES} of {MOST_FAILURES + 3}" in table.note


def test_reasons_of_absence_are_listed() -> None:
    evidence = evidence_of(four_cells())
    subject = evidence.subjects[0]
    skips = (SweepSkip("mkl@pip", "oneMKL has no nvfp4", 1), SweepSkip("mkl-unfused@pip", "not one of them", 4))
    sweeps = (replace(subject.sweeps[0], skips=skips),)
    found = tables(fragmentation(replace(evidence, subjects=(replace(subject, sweeps=sweeps),))))
    assert texts(found["Why kernels are absent, in the newest sweep on box0"]) == [("mkl", "oneMKL has no nvfp4", "1")]


# --- classes of shapes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "word"),
    [
        ((1, 512, 512), "vector"),
        ((512, 1, 512), "vector"),
        ((8, 512, 512), "few rows"),
        ((512, 8, 512), "few columns"),
        ((512, 512, 64), "shallow"),
        ((64, 64, 10_000), "deep"),
        ((4096, 64, 64), "tall"),
        ((64, 4096, 64), "wide"),
        ((128, 256, 200), "near cube"),
        ((0, 0, 0), "vector"),
    ],
)
def test_classes_of_shapes(shape: tuple[int, int, int], word: str) -> None:
    assert shape_class(Case(*shape)) == word
    assert shape_class(replace(Case(*shape), batch=8)) == "batch"


def test_the_size_of_a_batch_is_that_of_all_its_products() -> None:
    assert size_of(Case(64, 64, 64)) == pytest.approx(64.0)
    assert size_of(Case(64, 64, 64, batch=8)) == pytest.approx(128.0)


# --- several machines, and hostile ones ---------------------------------------------------------------------------------------


def test_each_machine_has_its_own_sentence_figure_and_tables(tmp_path: Path) -> None:
    blocks = fragmentation(two_machines(tmp_path, 60))
    assert set(figures(blocks)) == {"fragments", "fragments-2"}
    assert sum(isinstance(block, Heading) for block in blocks) == 2
    for figure in figures(blocks).values():
        svg_of(figure)


@pytest.mark.parametrize("machine", [None, Machine(1, "bare"), synthetic_machine()], ids=["none", "bare", "full"])
def test_hostile_rows_harm_nothing(machine: Machine | None) -> None:
    blocks = fragmentation(evidence_of(hostile_rows(), machine=machine))
    assert_harmless(blocks)
    assert figures(blocks)


def test_a_time_that_is_no_time_is_not_served() -> None:
    rows = [replace(answer(A, "mkl@pip"), time_s=value, kernel=f"k{i}") for i, value in enumerate((math.nan, math.inf, 0.0, -1.0))]
    words = prose(fragmentation(evidence_of([*rows, answer(A, "vectorized")])))
    assert "k0 serves none" in words
    assert "vectorized" not in words or "served by nobody but our own" in words


def test_nothing_to_say_is_no_section() -> None:
    assert fragmentation(evidence_of()) == []
    assert fragmentation(evidence_of([], machine=synthetic_machine())) == []


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    one, two = (figures(fragmentation(two_machines(tmp_path / name, 60)))["fragments"] for name in "ab")
    assert svg_of(one) == svg_of(two)
