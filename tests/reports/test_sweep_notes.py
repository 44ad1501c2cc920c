"""The end of a sweep's screen: marks and what they mean, reasons by class, libraries that can be had, what clocks do to shares."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import synthetic_sweep
from mmbench.configs.cases import Case
from mmbench.configs.plan import Skip
from mmbench.configs.sweepdoc import SweepDocument, SweepFused, SweepSkip
from mmbench.configs.sweeplog import Missing, read_sweep
from mmbench.kernels.entrants import copies_of
from mmbench.kernels.guards import ProcessState, findings
from mmbench.kernels.vendor.library import libraries
from mmbench.reports.junit import sweep_junit
from mmbench.reports.markdown import sweep_markdown
from mmbench.reports.sweep_notes import absent_digest, class_of, could_be_here, digest
from mmbench.reports.sweep_plan import plan_text
from mmbench.reports.sweep_rows import sweep_document
from mmbench.reports.sweep_screen import sweep_screen
from mmbench.reports.sweep_words import fused_words, in_cells, is_helped, mark_words, warnings
from synthetic_machine import synthetic_machine

HELPED = "threads of its own used 99 % of the CPU time where one thread was asked for"


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> SweepDocument:
    return sweep_document(read_sweep(synthetic_sweep.write_sweep(tmp_path_factory.mktemp("notes"))), synthetic_machine())


def test_what_guards_say_of_helpers_is_what_is_marked() -> None:
    before = ProcessState(1, 1 << 20, 0.0, 0.0, 0.0, 0)
    helped = [
        *findings(before, ProcessState(1, 1 << 20, 1.0, 1.0, 0.1, 0), 1, 10),
        *findings(before, ProcessState(9, 1 << 20, 6.0, 1.0, 1.0, 0), 2, 10),
        *findings(before, ProcessState(1, 1 << 20, 0.5, 1.0, 0.5, 2), 1, 10),
    ]
    assert len(helped) == 3
    assert all(map(is_helped, helped))
    alone = findings(before, ProcessState(5, 1 << 30, 1.0, 1.0, 1.0, 0), 1, 10)  # threads that idle, and memory that grew
    assert len(alone) == 2
    assert not any(map(is_helped, alone))


def test_times_that_are_not_to_be_ranked_are_marked_everywhere_and_explained_once(document: SweepDocument) -> None:
    first, second, *others = [row for row in document.rows if row.kernel == "vectorized"]
    changed = {
        id(first): replace(first, high_s=2.67 * first.time_s),
        id(second): replace(second, warnings=(HELPED,)),
    }
    found = replace(document, rows=tuple(changed.get(id(row), row) for row in document.rows))
    assert [mark_words(changed[id(row)]) for row in (first, second)] == ["?", "*"]
    assert not any(map(mark_words, others))
    assert mark_words(replace(first, high_s=2.67 * first.time_s, warnings=(HELPED,))) == "?*"
    for width in (60, 80, 120):
        for full in (False, True):
            text = sweep_screen(found, width=width, full=full)
            assert "±167 % ?" in text
            assert "±0.4 % *" in text
            assert " ".join(text.split()).count("? behind a time: it is not known to ±25 %") == 1
            assert " ".join(text.split()).count("* behind a time: threads or processes of its own helped") == 1
    assert "behind a time" not in sweep_screen(document)
    markdown = sweep_markdown(found)
    assert "167 % ?" in markdown
    assert r"\* behind a time: threads" in markdown
    junit = sweep_junit(found, synthetic_sweep.plan())
    assert "±167 % ?" in junit
    assert HELPED in junit


def test_the_mark_of_the_second_best_stands_behind_its_ratio(document: SweepDocument) -> None:
    rows = tuple(replace(row, warnings=(HELPED,)) if row.kernel == "openblas@debian" else row for row in document.rows)
    assert "openblas 1.02x *" in sweep_screen(replace(document, rows=rows))


def test_a_warning_counts_the_rows_whose_shown_interval_is_wide(document: SweepDocument) -> None:
    """Also where the run file, by an older rule, calls such a row ok."""
    row = next(row for row in document.rows if row.kernel == "vectorized")
    assert row.status.value == "ok"
    found = replace(document, rows=tuple(replace(r, high_s=1.03 * r.time_s) if r is row else r for r in document.rows))
    assert ("", "not known to ±2 %, as was asked: naive in 7, vectorized in 1 cell; the intervals say how well each is known") in warnings(
        found
    )


def test_where_clocks_differ_it_is_said_that_shares_and_ratios_do_not_agree(document: SweepDocument) -> None:
    assert not any("clock of kernels" in text for _, text in warnings(document))
    slow = next(row for row in document.rows if row.kernel == "openblas@debian" and row.case.dtype == "f64")
    rows = tuple(replace(row, clock_hz=0.8 * row.clock_hz) if row is slow else row for row in document.rows)
    (text,) = [text for _, text in warnings(replace(document, rows=rows)) if "clock of kernels" in text]
    assert text.startswith("the clock of kernels differed by more than 3 % in f64 512x512x512 t1 hot (25 %)")


def test_a_fused_epilogue_says_which_is_faster(document: SweepDocument) -> None:
    case = Case(8, 8, 8, epilogue="relu")
    gains = [("onednn@onednn", 0.9), ("vectorized", 1.12), ("vectorized", 1.2)]
    fused = tuple(SweepFused(kernel, f"{i}", case.name, gain, 2048) for i, (kernel, gain) in enumerate(gains))
    words = fused_words(replace(document, fused=fused))
    assert "onednn is 0.900x as fast, so slower in 1 cell" in words
    assert "vectorized is 1.16x as fast (1.12x to 1.20x) in 2 cells" in words
    assert words.endswith("a call moves 2 KiB less")


def test_reasons_are_told_by_class_and_by_themselves_where_they_stand_alone() -> None:
    skips = [
        ("blis", "BLIS has no product of signed bytes, exact", 3),
        ("mkl", "oneMKL multiplies unsigned by signed bytes only (u8s8)", 1),
        ("aocl-unfused", "without an epilogue it is aocl@aoclda", 9),
        ("naive", "a call would take more than 0.05 s, by a guess", 2),
    ]
    assert digest(skips) == [
        ("blis in 3, mkl in 1 cell", "the data type is not served"),
        ("aocl-unfused in 9 cells", "the same as aocl@aoclda where there is no epilogue"),
        ("naive in 2 cells", "a call would take more than 0.05 s, by a guess"),
    ]


def test_reasons_of_every_library_fall_into_their_classes() -> None:
    """What adapters say of a type that they do not have, and of a batch that one does not take."""
    for library in libraries().values():
        reasons = {library.serves(Case(64, 64, 256, dtype=dtype, layout="nt")) for dtype in ("nvfp4", "mxfp4", "e4m3", "f64")}
        assert all(class_of(reason) == "the data type is not served" for reason in reasons if " no product of " in reason)
    onednn = libraries()["onednn"].serves(Case(64, 64, 64, batch=3, batch_kind="pointers"))
    assert onednn
    assert class_of(onednn).startswith("the shape, layout")


def test_an_ordinary_sweep_ends_in_few_lines(document: SweepDocument) -> None:
    reasons = [f"BLIS has no product of type {i}" for i in range(40)]
    skips = tuple(SweepSkip("openblas@debian", reason, 1) for reason in reasons)
    absent = (
        Missing("a", "A", "not installed", "pip install a"),
        Missing("b", "B", "not installed", "pip install b"),
        Missing("c", "C", "not for Linux on x86_64: it exists for macos", ""),
    )
    found = replace(document, skips=skips, absent=absent)
    short, full = sweep_screen(found, width=120), sweep_screen(found, width=120, full=True)
    assert "openblas in 40 cells: the data type is not served" in short
    assert "A, B: not installed; mmbench list vendors says how to bring them" in short
    assert "C: not for Linux" not in short
    assert "C: not for Linux" in full
    assert all(reason in full for reason in reasons)


def test_libraries_that_exist_for_other_systems_only_are_known_by_their_reason() -> None:
    absent = {name: copies_of(library)[1] for name, library in libraries().items()}
    there = [Missing(name, reason=reason) for name, reason in absent.items() if reason]
    assert [m.library for m in there if m not in could_be_here(there)] == [m.library for m in there if "it exists for" in m.reason]
    assert absent_digest([Missing("x", "X", "not installed", "pip install x")]) == ["X: not installed; to bring it: pip install x"]


def test_what_cannot_run_is_grouped_by_library() -> None:
    plan = synthetic_sweep.plan()
    skips = (
        Skip("openblas@debian", "OpenBLAS has no product of signed bytes, exact", (7, 8)),
        Skip("naive", "one thread only", (5,)),
        Skip("openblas@debian", "OpenBLAS has no product of double precision", (6,)),
        Skip("onednn-unfused@onednn", "without an epilogue it is onednn@onednn", (0, 1)),
    )
    lines = plan_text(replace(plan, skips=skips), (), width=120).splitlines()
    assert lines[lines.index("cannot run:") + 1 :] == [
        "– openblas: no product of s8 (2), f64 (1)",
        "– naive: one thread only (1)",
        "– onednn-unfused in 2 cells: where there is no epilogue, the same as without -unfused",
    ]


def test_a_narrow_plan_names_each_cell_in_one_line() -> None:
    lines = plan_text(synthetic_sweep.plan(), (), width=60, cells=True).splitlines()
    assert "f32 1021x1021x1021 · 4 kernels · prime cube" in lines
    assert "type" not in lines


def test_numbers_agree_with_their_words(tmp_path: Path) -> None:
    one = sweep_document(read_sweep(synthetic_sweep.write_sweep(tmp_path, synthetic_sweep.plan(synthetic_sweep.CELLS[4:5]))), None)
    for text in (sweep_screen(one, full=True), sweep_markdown(one)):
        assert "1 cells" not in text.replace("31 cells", "")
        assert "1 rows" not in text
    assert in_cells(Counter(a=1)) == "a in 1 cell"
