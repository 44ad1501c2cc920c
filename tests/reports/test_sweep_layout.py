"""How a sweep's tables find room: no interval is lost at any width, what is left out is said, and `full` leaves nothing out."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import synthetic_sweep
from hypothesis import given, settings
from hypothesis import strategies as st
from mmbench.configs.cases import Case
from mmbench.configs.plan import Cell
from mmbench.configs.sweepdoc import SweepDocument
from mmbench.configs.sweeplog import read_sweep
from mmbench.reports.look import Look, paint
from mmbench.reports.sweep_rows import sweep_document
from mmbench.reports.sweep_screen import sweep_screen
from mmbench.reports.sweep_tables import _FULL
from mmbench.reports.sweep_words import precision_words
from mmbench.reports.tables import Cell as TableCell
from mmbench.reports.tables import Column, sheet, sheets
from mmbench.reports.text import cell_width
from synthetic_machine import synthetic_machine

WIDTHS = (60, 80, 100, 120, 200)
CELLS = (
    Cell(Case(512, 512, 512, dtype="int4bf16", layout="nt", epilogue="bias+gelu", threads=2, temperature="cold"), "cube"),
    Cell(Case(128, 768, 768, epilogue="bias+silu+residual", threads=2, temperature="cold"), "BERT-base"),
    Cell(Case(256, 256, 256, lda=1024, ldb=1024, ldc=1024), "cube"),
    *(Cell(Case(64 + i, 64, 64), "cube") for i in range(12)),
)


def document_of(folder: Path, cells: tuple[Cell, ...]) -> SweepDocument:
    return sweep_document(read_sweep(synthetic_sweep.write_sweep(folder, synthetic_sweep.plan(cells))), synthetic_machine())


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> SweepDocument:
    return document_of(tmp_path_factory.mktemp("layout"), CELLS)


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_time_keeps_its_own_interval_in_a_table(document: SweepDocument, width: int, ascii_only: bool) -> None:
    text = sweep_screen(document, width=width, ascii_only=ascii_only)
    assert max(cell_width(line) for line in text.splitlines()) <= width
    rows = [line for line in text.splitlines() if re.search(r"\bvectorized +[\d.]+ [nµum]?s (±|\+-)[\d.]+ %", line)]
    assert len(rows) == len(CELLS)
    assert len({re.search(r"±|\+-", row).start() for row in rows}) == 1  # type: ignore[union-attr] - found above
    assert "fastest vectorized" not in text


@pytest.mark.parametrize("width", WIDTHS)
def test_a_condition_stands_on_a_line_of_its_own(document: SweepDocument, width: int) -> None:
    lines = sweep_screen(document, width=width).splitlines()
    assert "int4bf16 +bias+gelu t2 cold" in lines
    assert "f32 +bias+silu+residual t2 cold" in lines


@pytest.mark.parametrize("width", WIDTHS)
def test_columns_that_found_no_room_are_named(tmp_path: Path, width: int) -> None:
    many = document_of(tmp_path, tuple(Cell(Case(1024 + i, 1024, 1024, layout="nt", batch=12), "cube") for i in range(30)))
    named = tuple(replace(k, name="openblas@scipy-openblas32") if k.name == "openblas" else k for k in many.kernels)
    text = sweep_screen(replace(many, kernels=named), width=width)
    head = next(line for line in text.splitlines() if "fastest" in line)
    lost = [name for name in ("roof", "next") if name not in head]
    assert (f"no room here for {' and '.join(lost)}: mmbench show 5a3e --full" in text) == bool(lost)
    assert bool(lost) == (width < 100)


@pytest.mark.parametrize("width", WIDTHS)
def test_every_row_shows_every_figure_at_every_width(document: SweepDocument, width: int) -> None:
    text = sweep_screen(document, width=width, full=True)
    assert max(cell_width(line) for line in text.splitlines()) <= width
    heads = {"GFLOP/s": "GFLOP/s", "code": "code"}
    blocks = text.split("\n\n")
    for cell in CELLS:
        block = next(b for b in blocks if b.startswith(f"{cell.case.dtype} {cell.case.shape}"))
        for head in _FULL:
            assert re.search(rf"(^|\s){re.escape(heads.get(head, head))}(\s|$)", block), (head, block)
        row = next(r for r in document.rows if r.case == cell.case and r.kernel == "vectorized")
        assert precision_words(row) in block
        assert sum(line.startswith("vectorized ") for line in block.splitlines()) == sum(
            line.startswith("kernel ") for line in block.splitlines()
        )


def test_the_name_to_choose_a_library_by_is_whole(document: SweepDocument) -> None:
    name = "openblas-unfused@scipy-openblas32-2"
    kernels = tuple(replace(k, name=name) if k.name == "openblas" else k for k in document.kernels)
    for width in WIDTHS:
        assert any(line.startswith(name) for line in sweep_screen(replace(document, kernels=kernels), width=width).splitlines())


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_path_is_broken_behind_a_slash_only(document: SweepDocument, width: int) -> None:
    path = "/opt/environments/project/lib/python3.11/site-packages/scipy_openblas32/lib/libscipy_openblas.so"
    kernels = tuple(replace(k, path=path) if k.name == "openblas" else k for k in document.kernels)
    lines = [line.strip() for line in sweep_screen(replace(document, kernels=kernels), width=width, full=True).splitlines()]
    start = next(i for i, line in enumerate(lines) if line.startswith("/opt/environments"))
    pieces = next(lines[start:end] for end in range(start + 1, start + 5) if "".join(lines[start:end]) == path)
    assert all(piece.endswith("/") for piece in pieces[:-1])


COLUMNS = (
    Column("", "left"),
    Column("who", "left"),
    Column("time"),
    Column("roof", optional=True),
    Column("next", "left", optional=True),
)
_WORDS = st.text(alphabet="abc漢", min_size=1, max_size=24)


@settings(max_examples=80)
@given(st.lists(st.tuples(*[_WORDS] * 5), min_size=1, max_size=6), st.integers(40, 120))
def test_no_layout_is_wider_than_the_screen_and_the_columns_that_must_stay_do(words: list[tuple[str, ...]], width: int) -> None:
    look = Look(width=width)
    rows = [tuple(TableCell(word, tail="±1 %" if i == 2 else "") for i, word in enumerate(row)) for row in words]
    drawn = sheet(COLUMNS, rows, look)
    heads = ["f32", "who", "time", "roof", "next"]
    painted = paint([line for row in rows for line in drawn.row(row, heads)], look)
    assert all(cell_width(line) <= width for line in painted.splitlines())
    assert painted.count("±1 %") == len(rows)
    for row in words:
        for i, word in enumerate(row):
            assert i in drawn.left_out or word in painted.replace("\n", "") or cell_width(word) > width // 2


@settings(max_examples=80)
@given(st.lists(st.tuples(*[_WORDS] * 5), min_size=1, max_size=6), st.integers(60, 120))
def test_columns_in_several_tables_are_all_there_once(words: list[tuple[str, ...]], width: int) -> None:
    rows = [tuple(map(TableCell, row)) for row in words]
    parts = sheets(COLUMNS, rows, Look(width=width))
    assert [i for part in parts for i in part.keep[1:]] == [1, 2, 3, 4]
    assert all(part.keep[0] == 0 for part in parts)
    assert all(cell_width("".join(span.text for span in line)) <= width for part in parts for row in rows for line in part.row(row, []))
