"""The section that compares: what is drawn and told of libraries and machines, what is not compared and why, and hostile evidence."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from comparison_sides import cases, timed, untimed
from mmbench.configs.cases import Case, Status
from mmbench.configs.comparedoc import Outcome, Ratio
from mmbench.configs.sweepdoc import SWEEP_DOCUMENT_SCHEMA, SweepDocument, SweepKernel, SweepRow
from mmbench.reports.comparison import geometric_mean
from mmbench.reports.figures.forest import ForestRow, Strip, draw_forest, draw_strips, ratio_ticks
from mmbench.reports.figures.svg import Classes, inline
from mmbench.reports.figures.theme import Drawing, styled
from mmbench.reports.page.blocks import Block, Figure, Points, Prose, Table, Value
from mmbench.reports.page.evidence import Evidence, Subject, arranged
from mmbench.reports.page.html import Page, page_html
from mmbench.reports.page.registry import all_sections, sections_of
from mmbench.reports.page.sections.comparison import MOST_MARKS, MOST_ROWS, MOST_TABLE, best_rows, comparison
from report_evidence import two_machines

KINDS = {"vectorized": "own", "naive": "own", "blocked": "own", "mkl@mkl": "library", "openblas@debian": "library", "torch": "framework"}


def subject(rows: Iterable[SweepRow], machine: str = "zen5-16c-1f3a2b", runs: Sequence[str] = ("5a3e",)) -> Subject:
    """A machine with rows, and no machine file."""
    kept = tuple(rows)
    kernels = tuple(SweepKernel(name, name, KINDS.get(name, "library")) for name in dict.fromkeys(row.kernel for row in kept))
    sweeps = tuple(SweepDocument(SWEEP_DOCUMENT_SCHEMA, run, machine, "2026-11-24T16:40:11Z", kernels=kernels) for run in runs)
    return Subject(machine, machine, sweeps=sweeps, rows=kept)


def kernels(times: dict[str, float], count: int = 5) -> list[SweepRow]:
    """Each of these kernels at so many microseconds in every one of `count` cells."""
    return [timed(1e-6 * t, case=case, kernel=kernel) for kernel, t in times.items() for case in cases(count)]


def figures(blocks: Iterable[Block]) -> dict[str, Figure]:
    return {block.name: block for block in blocks if isinstance(block, Figure)}


def prose(blocks: Iterable[Block]) -> str:
    return "\n".join(block.text for block in blocks if isinstance(block, Prose))


def tables(blocks: Iterable[Block]) -> list[Table]:
    return [block for block in blocks if isinstance(block, Table)]


def drawn(figure: Figure) -> Drawing:
    return styled(figure.draw)


def words(drawing: Drawing, gid: str) -> list[str]:
    return [mark.words for mark in drawing.marks.get(gid, ())]


def drawing_words(figure: Figure) -> set[str]:
    """What is written in a figure, the names of its axes too."""
    axes = drawn(figure).figure.axes[0]
    return {axes.get_xlabel(), *(text.get_text() for text in axes.texts)}


def test_two_cells_have_a_mean_without_an_interval_and_three_have_a_median() -> None:
    for count in (2, 3):
        blocks = comparison(arranged([subject(kernels({"vectorized": 1.0, "mkl@mkl": 2.0, "openblas@debian": 3.0}, count))]))
        figure = figures(blocks)["comparison-libraries"]
        cells = [cell.text if isinstance(cell, Value) else cell for cell in figure.table.rows[0]]
        assert (cells[3] == cells[4] == "–") is (count == 2)
        assert cells[5] == "1.50x"
        assert ("no interval: two cells say too little" in prose(blocks)) is (count == 2)
        assert ("; median 2.00x)" in prose(blocks)) is (count == 3)
        drawn(figure)


def test_the_axis_names_whose_times_are_divided() -> None:
    figure = figures(comparison(arranged([subject(kernels({"vectorized": 1.0, "mkl@mkl": 2.0}))])))["comparison-best"]
    assert "time of the best library over time of vectorized" in drawing_words(figure)
    assert [column.title for column in figure.table.columns][2:4] == ["Time of vectorized", "Time of the best library"]


def test_ratios_that_helpers_made_are_marked_and_explained_once() -> None:
    rows = [
        replace(row, warnings=("threads of its own used: 4",)) if row.kernel == "mkl@mkl" else row
        for row in kernels({"vectorized": 1.0, "mkl@mkl": 2.0})
    ]
    blocks = comparison(arranged([subject(rows)]))
    ratio = figures(blocks)["comparison-best"].table.rows[0][4]
    assert isinstance(ratio, Value)
    assert ratio.text == "2.00x*"
    told = [text for block in blocks if isinstance(block, Points) for _, text in block.items if "threads of a library's own helped" in text]
    assert len(told) == 1
    assert told[0].startswith("In 5 of 5 cells, marked *")
    assert "*" in words(drawn(figures(blocks)["comparison-best"]), "a-faster")[0]


def test_it_stands_behind_fragmentation() -> None:
    (maker,) = [m for m in all_sections() if m.name == "comparison"]
    assert (maker.title, maker.after) == ("Comparison", "fragmentation")


def test_our_kernel_against_the_best_library_of_each_cell() -> None:
    rows = kernels({"vectorized": 1.0, "mkl@mkl": 1.1, "openblas@debian": 2.0})
    rows[-1] = timed(0.5e-6, case=rows[-1].case, kernel="openblas@debian")  # the best of the last cell
    blocks = comparison(arranged([subject(rows)]))
    figure = figures(blocks)["comparison-best"]
    assert "of 5 cells, vectorized is faster in 4 and the best library in 1; no difference is shown in 0" in prose(blocks).lower()
    drawing = drawn(figure)
    assert len(words(drawing, "a-faster")) == 4
    assert len(words(drawing, "b-faster")) == 1
    assert "(openblas)" in words(drawing, "b-faster")[0]
    assert "0.500x" in words(drawing, "b-faster")[0]
    assert "the best library faster" in words(drawing, "b-faster")[0]
    assert drawing.marks["a-faster"][0].key == rows[0].case_id
    assert set(drawing.legend.values()) == {"a-faster", "b-faster"}
    assert "geometric mean of 5 cells" in words(drawing, "mean")[0]
    assert any("chance favours it" in text for block in blocks if isinstance(block, Points) for _, text in block.items)


def test_the_table_holds_what_is_drawn_with_units() -> None:
    blocks = comparison(arranged([subject(kernels({"vectorized": 2.0, "mkl@mkl": 3.0}, 2))]))
    table = figures(blocks)["comparison-best"].table
    assert [column.unit for column in table.columns] == ["", "", "µs", "µs", "", "", "", ""]
    cell, kernel, time_a, time_b, ratio, low, high, shown = table.rows[0]
    assert (cell, kernel, shown) == ("f32 16x64x32", "mkl", "vectorized faster")
    assert [value.text for value in (time_a, time_b, ratio) if isinstance(value, Value)] == ["2.00", "3.00", "1.50x"]
    assert isinstance(low, Value)
    assert isinstance(high, Value)
    assert low.sort is not None
    assert high.sort is not None
    assert low.sort < 1.5 < high.sort


def test_each_library_against_the_best() -> None:
    rows = kernels({"vectorized": 1.0, "mkl@mkl": 1.0, "openblas@debian": 2.0})
    figure = figures(comparison(arranged([subject(rows)])))["comparison-libraries"]
    assert [(row[0], row[1], row[2].text if isinstance(row[2], Value) else "") for row in figure.table.rows] == [
        ("mkl", "5", "2.00x"),
        ("openblas", "5", "0.500x"),
    ]
    assert [row[-3:] for row in figure.table.rows] == [("5", "0", "0"), ("0", "5", "0")]  # none is held against itself
    assert drawing_words(figure) >= {"time of the best other over time of the library"}
    drawing = drawn(figure)
    assert [len(marks) for gid, marks in drawing.marks.items() if gid.startswith("cells")] == [5, 5]
    assert set(drawing.series.values()) == {"mkl", "openblas"}


def test_what_no_library_serves_right_is_told_with_its_reason() -> None:
    first, second, third = cases(3)
    rows = [
        *(timed(1e-6, case=case, kernel="vectorized") for case in (first, second)),
        untimed(Status.WRONG, third, "vectorized"),
        timed(1e-6, case=first, kernel="mkl@mkl"),
        untimed(Status.WRONG, second, "mkl@mkl"),
        timed(1e-6, case=third, kernel="mkl@mkl"),
        timed(1e-6, case=first, kernel="torch", timed_by="python"),
    ]
    (table,) = tables(comparison(arranged([subject(rows)])))
    assert table.caption == "2 cells cannot be compared: A is vectorized, B is the best library"
    assert [(row[0], row[1]) for row in table.rows] == [
        ("wrong in A", "1"),
        ("only in A: B has no library with a right result in it", "1"),
    ]


def test_the_best_is_a_library_that_was_right() -> None:
    rows = [*kernels({"mkl@mkl": 2.0, "openblas@debian": 1.0}, 1), untimed(Status.WRONG, cases(1)[0], "onednn")]
    assert [row.kernel for row in best_rows(rows, ["mkl@mkl", "openblas@debian", "onednn"])] == ["openblas@debian"]
    assert best_rows([replace(rows[0], time_s=math.nan)], ["mkl@mkl"]) == []


def test_machines_are_compared_by_kernel_and_cell() -> None:
    here = subject(kernels({"vectorized": 1.0, "naive": 10.0}))
    there = subject(kernels({"vectorized": 2.0, "naive": 5.0, "blocked": 1.0}, 4), "neoverse-64c-aaaa", ("6b4f",))
    blocks = comparison(arranged([here, there]))
    found = figures(blocks)
    assert set(found) == {"comparison-kernels", "comparison-machines"}
    assert len(found["comparison-machines"].table.rows) == 8
    means = [(row[0], row[1], row[2].text) for row in found["comparison-kernels"].table.rows if isinstance(row[2], Value)]
    assert means == [("naive", "4", "2.00x"), ("vectorized", "4", "0.500x")]  # A is the machine with more rows
    (table,) = tables(blocks)
    reasons = " ".join(str(row[0]) for row in table.rows)
    assert "has no kernel blocked" in reasons
    assert "has no such question" in reasons
    warned = [text for block in blocks if isinstance(block, Points) and block.kind == "warn" for _, text in block.items]
    assert any("not in the intervals" in text for text in warned)


def test_other_versions_are_not_mixed() -> None:
    old, new = (subject([timed(1e-6, kernel="vectorized", version=v)], m, (m,)) for v, m in (("3", "aaaa"), ("4", "bbbb")))
    blocks = comparison(arranged([old, new]))
    assert not figures(blocks)
    assert "No cell can be compared, so there is no mean" in prose(blocks)
    assert "vectorized is version" in str(tables(blocks)[0].rows[0][0])


def test_a_long_list_is_thinned_with_a_note_and_counted_whole() -> None:
    rows = [
        timed(1e-6 * (1 + 0.01 * i if kernel == "mkl@mkl" else 2.0), case=case, kernel=kernel)
        for kernel in ("vectorized", "mkl@mkl", "openblas@debian")
        for i, case in enumerate(cases(400))
    ]
    found = figures(comparison(arranged([subject(rows)])))
    figure = found["comparison-best"]
    drawing = drawn(figure)
    assert sum(len(marks) for gid, marks in drawing.marks.items() if gid != "mean") == MOST_ROWS
    assert figure.note.startswith(f"{MOST_ROWS} of 400 cells drawn")
    assert len(figure.table.rows) == MOST_TABLE
    assert f"{MOST_TABLE} of 400" in figure.table.note
    assert "mean of 400" in "".join(text.get_text() for text in drawing.figure.axes[0].texts)
    strips = drawn(found["comparison-libraries"])
    assert sum(len(marks) for gid, marks in strips.marks.items() if gid.startswith("cells")) <= MOST_MARKS
    assert found["comparison-libraries"].note.startswith("At most")


def test_many_machines_are_bounded() -> None:
    many = [subject(kernels({"vectorized": 1.0 + i, "mkl@mkl": 2.0, "openblas@debian": 3.0}, 3), f"m{i}", (f"r{i}",)) for i in range(7)]
    blocks = comparison(arranged(many))
    assert len(figures(blocks)) == len([b for b in blocks if isinstance(b, Figure)]) <= 12
    assert "3 more machines are in the files" in prose(blocks)


def test_nothing_to_compare_says_what_it_takes() -> None:
    assert comparison(Evidence(())) == []
    assert comparison(arranged([subject([])])) == []
    assert "nothing to compare yet" in prose(comparison(arranged([subject(kernels({"naive": 1.0}))])))


def test_synthetic_machines_say_so() -> None:
    rows = kernels({"vectorized": 1.0, "mkl@mkl": 2.0})
    blocks = comparison(arranged([subject(rows, "synthetic-16c-000000")]))
    assert any(text.startswith("Synthetic: A and B are made up") for b in blocks if isinstance(b, Points) for _, text in b.items)


def test_sweeps_of_different_days_say_that_their_rows_mix() -> None:
    rows = kernels({"vectorized": 1.0, "mkl@mkl": 2.0})
    blocks = comparison(arranged([subject(rows, runs=("5a3e", "6b4f"))]))
    assert any("The rows are of 2 sweeps" in text for b in blocks if isinstance(b, Points) for _, text in b.items)


EVIL = "<script>alert(1)</script>\x00\u202e'\"$x$" + "y" * 3000
BAD = (math.nan, math.inf, -math.inf, 0.0, -1.0, 1e308, 1e-320)


@pytest.mark.parametrize("bad", BAD)
def test_absurd_numbers_and_hostile_names_do_no_harm(bad: float) -> None:
    rows = [
        replace(row, **{name: bad})
        for kernel in ("vectorized", "mkl@mkl", "openblas@debian", EVIL)
        for row, name in zip(kernels({kernel: 1.0}, 3), ("time_s", "low_s", "high_s"), strict=True)
    ]
    rows += [
        timed(t, case=Case(7, 9, 11), kernel=kernel, origin=EVIL, version=EVIL)
        for t, kernel in ((1e-9, "vectorized"), (1e5, "mkl@mkl"), (1.0, EVIL))
    ]
    evidence = arranged([subject(rows), subject(rows, "other", (EVIL,))])
    sections = sections_of(evidence, ("comparison",))
    html = page_html(Page("T", "s", "c"), sections)
    assert "<script>alert" not in html
    assert "\u202e" not in html
    assert len(html) < 400_000


def test_a_page_of_two_machines_is_the_same_twice(tmp_path: Path) -> None:
    evidence = two_machines(tmp_path, 20, 6)
    pages = [page_html(Page("T", "s", "c"), sections_of(evidence, ("comparison",))) for _ in range(2)]
    assert pages[0] == pages[1]
    assert "1e+" not in pages[0]


def forest_rows(values: Sequence[float]) -> list[ForestRow]:
    return [ForestRow(f"f32 {i}", Ratio(v, v * 0.98, v * 1.02), f"cell {i}", f"k{i}") for i, v in enumerate(values)]


def counts_of(rows: Sequence[ForestRow]) -> dict[Outcome, int]:
    return {outcome: sum(row.outcome is outcome for row in rows) for outcome in Outcome}


@pytest.mark.parametrize(
    "values", [[1.0], [1.2], [0.01, 100.0], [1e-9, 1.0, 1e9], [1.001, 1.002], [2.0] * 60, [1220.0, *[0.9] * 30], [5.0, 6.0], []]
)
def test_every_point_of_a_forest_is_drawn_inside_the_axes(values: list[float]) -> None:
    rows = forest_rows(values)
    mean = geometric_mean(row.ratio for row in rows)
    drawing = styled(lambda: draw_forest(rows, counts_of(rows), mean, "A", "B"))
    svg = inline(drawing, "f", "t", "d", Classes())
    for i in range(len(rows)):
        assert f"<title>cell {i}</title>" in svg
    axes = drawing.figure.axes[0]
    low, high = axes.get_xlim()
    assert low < 1 < high
    ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
    assert 2 <= len(ticks) <= 9
    for row in rows:
        if not low <= row.ratio.value <= high:
            assert any(f"{row.ratio.value:.0f}" in text.get_text() or "e" in text.get_text() for text in axes.texts)


def test_strips_hold_every_kind_of_mean() -> None:
    strips = [
        Strip(name, number, tuple(forest_rows(values)), mean)
        for number, (name, values) in enumerate({"one": [1.3], "same": [1.0, 1.0], "two": [0.1, 10.0]}.items())
        if (mean := geometric_mean(row.ratio for row in forest_rows(values))) is not None
    ]
    svg = inline(styled(lambda: draw_strips(strips, "A", "B")), "f", "t", "d", Classes())
    assert "n = 1" in svg
    assert svg.count("<title>cell") == 5
    assert "one: one cell: A is 1.30x as fast as B" in svg


@pytest.mark.parametrize("bounds", [(0.98, 1.02), (0.5, 2.0), (0.9, 30.0), (0.01, 100.0), (1e-7, 1e7), (0.99, 1e6)])
def test_ticks_are_round_include_one_and_do_not_touch(bounds: tuple[float, float]) -> None:
    ticks = ratio_ticks(*bounds, 220.0)
    assert 1.0 in ticks
    assert len(ticks) >= 2
    assert all(float(f"{tick:.3g}") == pytest.approx(tick) for tick in ticks)
    per = 220.0 / math.log(bounds[1] / bounds[0])
    assert all(math.log(b / a) * per > 25 for a, b in pairwise(ticks))


def test_a_long_label_takes_two_lines_and_the_rest_is_in_the_table() -> None:
    label = "openblas f32 255x257x251[lda=1024,ldb=1024,ldc=1024] +bias+gelu+residual t2 cold"
    rows = [ForestRow(label, Ratio(1.1, 1.0, 1.2), label)]
    drawing = styled(lambda: draw_forest(rows, counts_of(rows), None, "A", "B"))
    shown = next(text.get_text() for text in drawing.figure.axes[0].texts if text.get_text().startswith("openblas"))
    assert shown.count("\n") == 1
    assert shown.endswith("…")
    assert words(drawing, "no-difference-shown") == [label]
