"""The sweep's screen, plan, Markdown and JUnit, for a sweep whose answers are known, and for answers that nobody expects."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import synthetic_sweep
from mmbench.configs.cases import Case
from mmbench.configs.plan import Cell, SweepEnd
from mmbench.configs.runlog import RunWriter
from mmbench.configs.sweepdoc import SweepDocument
from mmbench.configs.sweeplog import Sweep, read_sweep
from mmbench.reports.junit import sweep_junit
from mmbench.reports.markdown import sweep_markdown
from mmbench.reports.sweep_plan import plan_document, plan_text
from mmbench.reports.sweep_rows import sweep_document
from mmbench.reports.sweep_screen import MOST_CELLS, sweep_screen
from mmbench.reports.text import cell_width
from synthetic_machine import synthetic_machine

LOOKS: dict[str, dict[str, Any]] = {
    "": {},
    "-60-ascii": {"width": 60, "ascii_only": True},
    "-120-full": {"width": 120, "full": True},
}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    return read_sweep(synthetic_sweep.write_sweep(tmp_path_factory.mktemp("sweep")))


@pytest.fixture(scope="module")
def document(sweep: Sweep) -> SweepDocument:
    return sweep_document(sweep, synthetic_machine())


@pytest.mark.parametrize("look", list(LOOKS))
def test_the_screen_is_as_it_was_read_last(document: SweepDocument, look: str, golden: Callable[[str, str], None]) -> None:
    text = sweep_screen(document, **LOOKS[look])
    assert max(cell_width(line) for line in text.splitlines()) <= LOOKS[look].get("width", 80)
    if LOOKS[look].get("ascii_only"):
        assert text.isascii()
    golden(f"sweep-screen{look}.txt", text + "\n")


def test_a_sweep_without_roofs_has_no_shares_and_says_why(sweep: Sweep) -> None:
    text = sweep_screen(sweep_document(sweep, None, "no machine file is stored"))
    assert "no machine file is stored" in text
    assert "roof" not in text.split("\n\n")[1]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_plan_fits_its_screen(width: int, golden: Callable[[str, str], None]) -> None:
    plan = replace(synthetic_sweep.plan(), notes=("3 cells left out: more memory than there is (16 GiB may be used)",))
    text = plan_text(plan, synthetic_sweep.ABSENT, width=width, cells=True)
    assert max(cell_width(line) for line in text.splitlines()) <= max(width, 60)
    if width == 80:
        golden("sweep-plan.txt", text + "\n")


def test_a_plan_of_thousands_of_cells_is_summed_up() -> None:
    plan = synthetic_sweep.plan(synthetic_sweep.many_cells(5000))
    assert len(plan_text(plan, (), cells=True).splitlines()) < 60
    assert len(plan_document(plan, ())["cells"]) == 5000


def test_a_cell_with_a_name_that_is_too_long_is_wrapped_not_cut(tmp_path: Path) -> None:
    cell = Cell(Case(123456, 123456, 123456, batch=1000, batch_kind="pointers", lda=130000, epilogue="bias+gelu+residual"), "x" * 300)
    run = read_sweep(synthetic_sweep.write_sweep(tmp_path, synthetic_sweep.plan((cell,))))
    text = sweep_screen(sweep_document(run, synthetic_machine()), full=True)
    assert max(cell_width(line) for line in text.splitlines()) <= 80


@pytest.mark.parametrize("count", [80, 400])
def test_each_cell_has_its_best_kernel_unless_there_are_very_many(tmp_path: Path, count: int) -> None:
    """80 is the size of preset ci."""
    cells = synthetic_sweep.many_cells(count)
    run = read_sweep(synthetic_sweep.write_sweep(tmp_path, synthetic_sweep.plan(cells), count=6))
    text = sweep_screen(sweep_document(run, synthetic_machine()))
    listed = sum(any(line.startswith(f"{cell.case.shape} ") for line in text.splitlines()) for cell in cells)
    assert listed == (count if count <= MOST_CELLS else 0)
    assert (f"all {count} cells" in text) == (count > MOST_CELLS)
    assert max(cell_width(line) for line in text.splitlines()) <= 80


def test_a_sweep_that_its_budget_ended_says_what_is_left(tmp_path: Path) -> None:
    path = synthetic_sweep.write_sweep(tmp_path, end=False)
    with RunWriter(tmp_path).reopen(path) as writer:
        writer.append("end", SweepEnd(False, 3.0, {"sampling": 3.0}, "the time budget ended before 2 of 9 cells"))
    found = sweep_document(read_sweep(path), None)
    for text in (sweep_screen(found), sweep_markdown(found)):
        joined = " ".join(text.replace("-\n", "-").split())
        assert "not finished: the time budget ended before 2 of 9 cells; go on with: mmbench sweep --resume 5a3e" in joined


def test_libraries_that_were_given_show_their_files(document: SweepDocument) -> None:
    """Two builds of one library: only the path tells which is which."""
    builds = {"openblas@given": "/builds/old.so", "openblas@given-2": "/builds/new.so"}
    kernels = tuple(replace(document.kernels[2], kernel=name, name=name, path=path) for name, path in builds.items())
    found = replace(document, kernels=kernels)
    for text in (sweep_screen(found, width=120), sweep_markdown(found)):
        assert all(path in text for path in builds.values())


def test_kernels_whose_runs_give_different_bits_are_named(document: SweepDocument) -> None:
    rows = tuple(
        replace(row, check=replace(row.check, bitwise="no")) if row.kernel == "naive" and row.check and row.timed else row
        for row in document.rows
    )
    found = replace(document, rows=rows)
    assert "two runs gave different bits: naive in 7 cells" in sweep_screen(found, width=120)
    assert "two runs gave different bits" not in sweep_screen(document, width=120)
    assert "differ" in sweep_screen(found, width=200, full=True)


def test_markdown_has_the_tables_of_the_screen(document: SweepDocument, golden: Callable[[str, str], None]) -> None:
    golden("sweep.md", sweep_markdown(document))


def test_junit_counts_what_failed_and_what_was_skipped(document: SweepDocument, sweep: Sweep) -> None:
    root = ET.fromstring(sweep_junit(document, sweep.plan))
    suites = [root] if root.tag == "testsuite" else list(root)
    failed = sum(row.status.value in ("wrong", "crashed", "timeout") for row in document.rows)
    assert failed > 2
    assert sum(len(suite.findall("testcase/failure")) for suite in suites) == failed
    for suite in suites:
        assert int(suite.attrib["tests"]) == len(suite.findall("testcase"))
        assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
        assert int(suite.attrib["skipped"]) == len(suite.findall("testcase/skipped"))
    text = "".join(failure.attrib.get("message", "") for suite in suites for failure in suite.findall("testcase/failure"))
    assert "row 3, column 2" in text


def test_words_that_would_break_a_file_are_escaped(tmp_path: Path) -> None:
    cell = Cell(Case(8, 8, 8), 'a | b <script> & "c" \x00\x1b[31m\n\ud800')
    run = read_sweep(synthetic_sweep.write_sweep(tmp_path, synthetic_sweep.plan((cell,))))
    found = sweep_document(run, synthetic_machine())
    ET.fromstring(sweep_junit(found, run.plan))
    markdown = sweep_markdown(found)
    assert "\x1b" not in markdown
    assert "<script>" not in markdown
