"""Performance: lines through cubes with their intervals and the roof, heatmaps with a number in each cell, and what fusing brings."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from mmbench.configs.cases import Case, Status
from mmbench.configs.machine import Machine
from mmbench.configs.sweepdoc import SweepFused
from mmbench.reports.figures.heatmap import Grid, Tile, draw_heatmap, is_wide, percent_words
from mmbench.reports.figures.keys import Series
from mmbench.reports.figures.sizes import Line, Step, draw_sizes, kept_others
from mmbench.reports.figures.theme import ABSENT, PAPER, STEPS, Mark, styled
from mmbench.reports.page.blocks import Value
from mmbench.reports.page.evidence import Evidence
from mmbench.reports.page.heat import heatmaps
from mmbench.reports.page.origins import MOST_ROWS, OTHERS, labels_of
from mmbench.reports.page.rows import HELP_NOTE
from mmbench.reports.page.sections.performance import MOST_FIGURES, is_plain_cube, performance
from report_evidence import two_machines
from report_rows import answer, assert_harmless, evidence_of, figures, hostile_rows, marks_in, prose, svg_of, tables, texts, words_in
from synthetic_machine import synthetic_machine

CUBES = [Case(n, n, n) for n in (64, 128, 256, 512)]


def two_kernels() -> Evidence:
    rows = [answer(c, k, gops) for c in CUBES for k, gops in (("vectorized", 80.0), ("mkl@pip", 100.0))]
    return evidence_of([*rows, answer(Case(128, 512, 64), "mkl@pip", 70.0)], machine=synthetic_machine())


# --- rate against size --------------------------------------------------------------------------------------------------------


def test_lines_go_through_cubes_with_bands_and_others_are_points() -> None:
    figure = figures(performance(two_kernels()))["sizes-f32-t1"]
    drawn = styled(figure.draw)
    assert {gid: len(marks) for gid, marks in drawn.marks.items()} == {"line0": 4, "line1": 4, "others1": 1}
    assert {"band0", "band1"} <= set(drawn.series)
    assert drawn.marks["line1"][0].words == "mkl 64x64x64: 100 GFLOP/s ±2.0 %, 50 % of the roof (compute)"
    assert [mark.key for mark in drawn.marks["line0"]] == [case.id for case in CUBES]
    svg_of(figure)


def test_lines_are_named_at_their_ends_and_the_roof_too() -> None:
    words = words_in(svg_of(figures(performance(two_kernels()))["sizes-f32-t1"]))
    assert {"vectorized", "mkl", "roof 205", "GFLOP/s", "cube root of m·n·k"} <= set(words)


def test_names_at_ends_of_lines_do_not_overlap() -> None:
    lines = [Line(Series(f"k{i}", i), tuple(Step(n, 1e9 * (1 + i / 1000), 1e9, 1e9, Mark("x")) for n in (8.0, 16.0))) for i in range(9)]
    axes = styled(lambda: draw_sizes(lines, None, "GFLOP/s")).figure.axes[0]
    heights = sorted(text.get_position()[1] * 250 for text in axes.texts if text.get_text().startswith("k"))
    assert len(heights) == 9
    assert min(b - a for a, b in pairwise(heights)) > 10.5


@pytest.mark.parametrize(("slow", "scale"), [(40.0, "linear"), (0.5, "log")])
def test_the_axis_is_linear_where_most_lines_can_be_read_on_it(slow: float, scale: str) -> None:
    rates = {"vectorized": slow, "naive": slow, "mkl@pip": 100.0}
    evidence = evidence_of([answer(c, k, gops) for c in CUBES for k, gops in rates.items()])
    drawn = styled(figures(performance(evidence))["sizes-f32-t1"].draw)
    assert drawn.figure.axes[0].get_yscale() == scale


def test_one_thread_and_the_most_threads_are_drawn() -> None:
    rows = [answer(replace(c, threads=t), "mkl@pip") for c in CUBES for t in (1, 2, 4)]
    assert set(figures(performance(evidence_of(rows)))) == {"sizes-f32-t1", "sizes-f32-t4", "roof-heat", "best-heat"}


def test_one_size_makes_no_figure_and_is_named() -> None:
    rows = [*(answer(c, "mkl@pip") for c in CUBES), answer(Case(64, 64, 64, dtype="bf16"), "mkl@pip")]
    blocks = performance(evidence_of(rows))
    assert "sizes-bf16-t1" not in figures(blocks)
    assert "Not drawn against size, because fewer sizes or fewer rows speak of them: bf16, 1 thread." in prose(blocks)


def test_without_cubes_several_sizes_are_enough() -> None:
    rows = [answer(Case(8, 64, 64 * (i + 1)), "mkl@pip") for i in range(6)]
    assert "sizes-f32-t1" in figures(performance(evidence_of(rows)))
    assert "sizes-f32-t1" not in figures(performance(evidence_of(rows[:5])))
    assert "sizes-f32-t1" not in figures(performance(evidence_of([*rows[:3], answer(CUBES[0], "mkl@pip")])))


def test_the_table_has_a_row_a_case_and_marks_the_fastest() -> None:
    table = figures(performance(two_kernels()))["sizes-f32-t1"].table
    assert [c.title for c in table.columns] == ["Case", "Size", "vectorized", "mkl"]
    assert texts(table)[0] == ("64x64x64", "64", "80.0 ±2.0 %", "100 ±2.0 %")
    assert texts(table)[-1] == ("128x512x64", "161", "–", "70.0 ±2.0 %")  # no cube: last, and vectorized has no answer
    first = table.rows[0]
    assert isinstance(first[3], Value)
    assert first[3].mark == "best"


def test_sizes_that_are_whole_stay_exact() -> None:
    rows = [answer(case, "mkl@pip") for case in (Case(2, 2, 2), *CUBES, Case(1024, 1024, 1024), Case(2048, 2048, 2048), Case(2, 3, 4))]
    table = figures(performance(evidence_of(rows)))["sizes-f32-t1"].table
    assert [row[1] for row in texts(table)] == ["2", "64", "128", "256", "512", "1024", "2048", "2.88"]


@pytest.mark.parametrize(
    ("dtype", "unit"), [("int4s8", "GOP/s"), ("mxfp4", "GOP/s"), ("s8", "GOP/s"), ("int4bf16", "GFLOP/s"), ("f32", "GFLOP/s")]
)
def test_the_unit_is_that_of_the_roof(dtype: str, unit: str) -> None:
    rows = [
        answer(replace(case, dtype=dtype, layout="nt" if dtype in ("int4s8", "mxfp4", "int4bf16") else "nn"), "vectorized")
        for case in CUBES
    ]
    assert {c.unit for c in figures(performance(evidence_of(rows)))[f"sizes-{dtype}-t1"].table.columns[2:]} == {unit}


def test_other_shapes_are_thinned_with_a_note() -> None:
    rows = [answer(Case(60 + i % 30, 60 + i // 30, 200), "mkl@pip", 50.0 + i * 0.01) for i in range(600)]
    figure = figures(performance(evidence_of([*rows, *(answer(c, "mkl@pip") for c in CUBES)])))["sizes-f32-t1"]
    others = len(styled(figure.draw).marks["others0"])
    assert others <= 110
    assert f"{others:,} of 600 points of other shapes drawn" in figure.note


def test_thinning_keeps_lines() -> None:
    steps = tuple(Step(float(n), 1e9, 1e9, 1e9, Mark("x")) for n in range(1, 40))
    others = tuple((float(n), 1e9 + n, Mark("y")) for n in range(1, 400))
    (kept,) = kept_others([Line(Series("a", 0), steps, others)], 20)
    assert kept.steps == steps
    assert 1 <= len(kept.others) <= 20


@pytest.mark.parametrize(
    ("case", "plain"),
    [
        (Case(64, 64, 64), True),
        (Case(64, 64, 64, layout="nt"), False),
        (Case(64, 64, 64, dtype="int4bf16", layout="nt"), True),
        (Case(64, 64, 65), False),
        (Case(64, 64, 64, epilogue="bias"), False),
        (Case(64, 64, 64, beta=1.0), False),
        (Case(64, 64, 64, temperature="cold"), False),
        (Case(64, 64, 64, lda=72), False),
        (Case(64, 64, 64, batch=2), False),
    ],
)
def test_only_plain_cubes_are_joined_by_lines(case: Case, plain: bool) -> None:
    assert is_plain_cube(case) is plain


def test_at_most_so_many_figures(tmp_path: Path) -> None:
    found = figures(performance(two_machines(tmp_path, 80)))
    assert sum(name.startswith("sizes-") for name in found) == MOST_FIGURES
    assert {"roof-heat", "best-heat", "roof-heat-2", "best-heat-2"} <= set(found)
    for figure in found.values():
        svg_of(figure)


# --- heatmaps -----------------------------------------------------------------------------------------------------------------


def heat_rows() -> Evidence:
    """Two origins by two types; in one cell vectorized is half as fast, in one it is wrong, one is above its roof."""
    a, b = Case(64, 64, 64), Case(128, 64, 32)
    return evidence_of(
        [
            answer(a, "vectorized", 50.0, share=0.4), answer(a, "mkl@pip", 100.0, share=0.8),
            answer(b, "vectorized", 90.0, share=0.9, origin="wide"),
            answer(replace(a, dtype="f64"), "vectorized", status=Status.WRONG), answer(replace(a, dtype="f64"), "mkl@pip", 30.0, share=1.2),
            answer(replace(a, dtype="s8"), "mkl@pip", status=Status.SKIPPED),
        ]
    )  # fmt: skip


def test_the_best_kernels_share_of_the_roof_by_shape_and_type() -> None:
    figure = figures(performance(heat_rows()))["roof-heat"]
    assert [c.title for c in figure.table.columns] == ["Shapes", "f64", "f32", "s8"]
    assert texts(figure.table) == [("128x64x32", "", "90", ""), ("64x64x64", "120", "80", "–")]
    words = words_in(svg_of(figure))
    assert {"90", "120", "80", "–", "64x64x64", "f32", "0 to 100 % of the roof"} <= set(words)
    assert "64x64x64, f64: 120 % of the roof (1 cell); above the roof in 1" in " ".join(marks_in(figure))
    bad = [cell.text for row in figure.table.rows for cell in row if isinstance(cell, Value) and cell.mark == "bad"]
    assert bad == ["120"]


def test_one_kernel_against_the_best_and_where_it_failed() -> None:
    figure = figures(performance(heat_rows()))["best-heat"]
    assert figure.title.startswith("Speed of vectorized, share of the best")
    assert texts(figure.table) == [("128x64x32", "", "100", ""), ("64x64x64", "failed", "50", "–")]
    assert "64x64x64, f64: wrong, crashed or hung in 1" in marks_in(figure)


def test_without_ours_the_kernel_that_serves_most_is_held_against_the_best() -> None:
    rows = [answer(c, "openblas@debian") for c in CUBES] + [answer(CUBES[0], "mkl@pip")]
    assert figures(heatmaps(evidence_of(rows)))["best-heat"].title.startswith("Speed of openblas, ")
    assert figures(heatmaps(evidence_of([*rows, answer(CUBES[0], "naive")])))["best-heat"].title.startswith("Speed of naive, ")


def test_without_any_roof_there_is_no_heatmap_of_it() -> None:
    assert set(figures(heatmaps(evidence_of([answer(CUBES[0], "mkl@pip", share=math.nan)])))) == {"best-heat"}


def test_a_tile_is_the_geometric_mean_of_its_cells() -> None:
    rows = [answer(Case(n, 64, 64), "mkl@pip", share=share, origin=f"set {n}") for n, share in ((8, 0.2), (16, 0.8))]
    many = [answer(Case(4, 4, 5 + i), "mkl@pip", share=0.5, origin="tails") for i in range(MOST_ROWS + 1)]
    origins = [replace(row, origin="pair, each") for row in rows]
    found = figures(heatmaps(evidence_of([*origins, *many])))["roof-heat"]
    assert dict(texts(found.table)) == {"pair, each (2)": "40", f"tails ({MOST_ROWS + 1})": "50"}
    assert "pair, each, f32: 40 % of the roof (2 of 2 cells, 20 to 80 %)" in marks_in(found)


def test_text_on_a_tile_can_be_read() -> None:
    tiles = [[Tile(str(i), i / 9.5, Mark(f"tile {i}")) for i in range(10)] + [Tile("–", None, Mark("none"))]]
    drawn = styled(lambda: draw_heatmap(Grid(["row"], [f"c{i}" for i in range(11)], tiles)))
    colours = {text.get_text(): text.get_color() for text in drawn.figure.axes[0].texts}
    assert colours["0"] != PAPER
    assert colours["9"] == PAPER
    assert tiles[0][-1].colour == ABSENT
    assert tiles[0][9].colour == STEPS[9]


def test_many_columns_make_a_wide_figure() -> None:
    assert not is_wide(Grid(["a"], ["b"] * 8, []))
    assert is_wide(Grid(["a" * 20], ["b"] * 20, []))


@pytest.mark.parametrize(("share", "words"), [(0.0, "0"), (0.001, "<1"), (0.954, "95"), (1.2, "120"), (1e12, "huge")])
def test_shares_in_words(share: float, words: str) -> None:
    assert percent_words(share) == words


# --- rows of a heatmap --------------------------------------------------------------------------------------------------------


def names(*origins: str) -> set[str]:
    rows = [answer(Case(8, 8, 8 + i), "mkl@pip", origin=origin) for i, origin in enumerate(origins)]
    return set(labels_of(rows).values())


def test_few_shapes_are_rows_themselves() -> None:
    assert names("cube", "cube") == {"8x8x8", "8x8x9"}


def test_unlike_questions_have_rows_of_their_own() -> None:
    plain = [Case(8, 8, 8 + i) for i in range(MOST_ROWS)]
    cube = Case(64, 64, 64)
    odd = [
        cube,
        replace(cube, temperature="cold"),
        replace(cube, beta=1.0),
        replace(cube, layout="nt"),
        replace(cube, alpha=2.0, temperature="cold"),
    ]
    found = set(labels_of([answer(case, "mkl@pip", origin="cube") for case in (*plain, *odd)]).values())
    assert found == {"cube", "cube cold", "cube scaled", "cube transposed", "cube scaled cold"}
    alone = set(labels_of([answer(case, "mkl@pip") for case in odd]).values())
    assert len(alone) == len(odd)  # shapes say their layout themselves, conditions are added


def test_many_shapes_are_rows_by_origin_its_head_and_its_set() -> None:
    assert names(*["cube", "tails"] * 20) == {"cube", "tails"}
    by_head = [f"BERT-base ffn up, batch {i}" for i in range(30)] + ["cube"]
    assert names(*by_head) == {"BERT-base ffn up", "cube"}
    by_set = [f"BERT-base part{i}, 1" for i in range(30)] + [f"GPT-2 xl part{i}, 1" for i in range(30)]
    assert names(*by_set) == {"BERT-base", "GPT-2 xl"}


def test_too_many_sets_are_the_common_ones_and_others() -> None:
    found = names(*[f"set{i}" for i in range(60) for _ in range(2)])
    assert len(found) == MOST_ROWS
    assert OTHERS in found


# --- fused --------------------------------------------------------------------------------------------------------------------


def test_fused_against_unfused_counts_the_newest_of_each_cell() -> None:
    evidence = evidence_of([answer(CUBES[0], "mkl@pip")])
    subject = evidence.subjects[0]
    new = replace(
        subject.sweeps[0], fused=(SweepFused("mkl@pip", "a", "f32 a", 1.2, 1 << 20), SweepFused("mkl@pip", "b", "f32 b", 1.4, 1 << 21))
    )
    old = replace(
        subject.sweeps[0], fused=(SweepFused("mkl@pip", "a", "f32 a", 9.0, 1 << 20), SweepFused("mkl@pip", "c", "f32 c", math.nan, 1))
    )
    found = tables(performance(replace(evidence, subjects=(replace(subject, sweeps=(new, old)),))))
    table = found["Fused epilogue against one in a pass of its own"]
    assert texts(table) == [("mkl", "box0", "2", "1.30x", "1.20x", "1.40x", "0", "0", "2", "1 MiB to 2 MiB")]


@pytest.mark.parametrize(("count", "slower", "mark"), [(1, 1.33, ""), (2, 1.33, ""), (3, 1.33, "best"), (3, 0.8, "odd"), (3, 1.001, "")])
def test_a_gain_has_intervals_and_is_marked_only_where_several_cells_show_it(count: int, slower: float, mark: str) -> None:
    cases = [replace(case, epilogue="bias") for case in CUBES[:count]]
    rows = [answer(case, kernel, 50.0 / by) for case in cases for kernel, by in (("mkl@pip", 1.0), ("mkl-unfused@pip", slower))]
    evidence = evidence_of(rows)
    subject = evidence.subjects[0]
    gains = tuple(SweepFused("mkl@pip", case.id, case.id, slower, 1 << 20) for case in cases)
    sweeps = (replace(subject.sweeps[0], fused=gains),)
    table = tables(performance(replace(evidence, subjects=(replace(subject, sweeps=sweeps),))))[
        "Fused epilogue against one in a pass of its own"
    ]
    (row,) = table.rows
    assert isinstance(row[3], Value)
    assert row[3].mark == mark
    assert " to " in texts(table)[0][4]  # the least with its interval
    shown = slower != 1.001
    assert texts(table)[0][6:9] == (str(count * (shown and slower > 1)), str(count * (slower < 1)), str(count * (not shown)))


def test_what_helpers_sped_up_is_marked_and_explained_once() -> None:
    rows = [answer(c, k, gops) for c in CUBES for k, gops in (("vectorized", 80.0), ("mkl@pip", 100.0))]
    aided = [replace(row, warnings=("threads of its own used: 4",)) if row.kernel == "mkl@pip" else row for row in rows]
    found = figures(performance(evidence_of(aided)))
    assert texts(found["sizes-f32-t1"].table)[0][2:] == ("80.0 ±2.0 %", "100* ±2.0 %")
    assert found["sizes-f32-t1"].note.count(HELP_NOTE) == found["best-heat"].note.count(HELP_NOTE) == 1
    assert {row[1] for row in texts(found["best-heat"].table)} == {"80*"}
    assert any("100 GFLOP/s ±2.0 %*" in words and words.endswith("Threads of its own helped") for words in marks_in(found["sizes-f32-t1"]))
    assert not any(HELP_NOTE in figure.note for figure in figures(performance(evidence_of(rows))).values())


def test_unfused_twins_are_in_no_figure(tmp_path: Path) -> None:
    evidence = two_machines(tmp_path, 20)
    for figure in figures(performance(evidence)).values():
        assert not any("-unfused" in words for words in marks_in(figure))
        assert not any("-unfused" in column.title for column in figure.table.columns)


# --- hostile ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("machine", [None, Machine(1, "bare"), synthetic_machine()], ids=["none", "bare", "full"])
def test_hostile_rows_harm_nothing(machine: Machine | None) -> None:
    blocks = performance(evidence_of(hostile_rows(), machine=machine))
    assert_harmless(blocks)
    assert figures(blocks)


def test_nothing_to_say_is_no_section() -> None:
    assert performance(evidence_of()) == []
    assert performance(evidence_of([answer(CUBES[0], "mkl@pip", status=Status.WRONG)])) == []


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    one, two = (figures(performance(two_machines(tmp_path / name, 60))) for name in "ab")
    assert [svg_of(figure) for figure in one.values()] == [svg_of(figure) for figure in two.values()]
