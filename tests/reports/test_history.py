"""Histories: what is a series, what it is divided by, what is refused, what is found, and what the screen says."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from mmbench.configs.cases import Case
from mmbench.configs.errors import UsageError
from mmbench.configs.gatelog import read_gate
from mmbench.configs.historydoc import HistoryDocument, HistorySeries, Unit
from mmbench.configs.plan import Cell
from mmbench.configs.sweeplog import list_sweeps, read_sweep
from mmbench.kernels.roofline import Roofs
from mmbench.reports.history import Past, history_document, past_of_gate, past_of_sweep
from mmbench.reports.history_screen import history_screen
from mmbench.reports.sweep_rows import RowMaker
from synthetic_gate import write_gate
from synthetic_history import GRID, KERNELS, course, write_day, write_history


def pasts(results: Path) -> list[Past]:
    found = []
    for stored in list_sweeps(results):
        sweep, maker = read_sweep(stored.path), RowMaker(Roofs.of(None))
        for row in sweep.rows:
            maker.take(row)
        found.append(past_of_sweep(sweep, maker.rows()))
    return found


def of(document: HistoryDocument, kernel: str, cell: int = 0) -> HistorySeries:
    return next(s for s in document.series if s.kernel == kernel and s.case == GRID[cell].case)


@pytest.fixture(scope="module")
def stepped(tmp_path_factory: pytest.TempPathFactory) -> HistoryDocument:
    results = tmp_path_factory.mktemp("history")
    write_history(results)
    return history_document(pasts(results))


def test_a_step_is_found_with_its_day_commit_and_what_changed_there(stepped: HistoryDocument) -> None:
    changes = [(s.kernel, s.case, c) for s in stepped.series for c in s.changes if s.unit is Unit.RATIO]
    assert [(kernel, case) for kernel, case, _ in changes] == [("openblas@debian", GRID[1].case)]
    change = changes[0][2]
    assert stepped.runs[change.after].id == "d018"
    assert stepped.runs[change.before].commit.startswith("17ab")
    assert stepped.runs[change.after].commit.startswith("18ab")
    assert 0.03 < change.change < 0.07
    assert [(a.what, a.old, a.new) for a in change.altered] == [("library", "0.3.29", "0.3.30"), ("package", "0.3.29", "0.3.30")]


def test_the_reference_cancels_the_machines_drift(stepped: HistoryDocument, tmp_path: Path) -> None:
    """Days differ by 3 %; what is left of a ratio is its own noise. A machine that becomes slower for good changes no ratio."""
    assert stepped.reference == "naive"
    assert of(stepped, "vectorized").noise < 0.025 < of(stepped, "naive").noise
    for day in range(24):
        write_day(tmp_path, day, lambda d, k, c: course(noise=0.005, step=0)(d, k, c) * (1.2 if d >= 12 else 1.0))
    document = history_document(pasts(tmp_path))
    assert [s.kernel for s in document.series if s.changes and s.unit is Unit.RATIO] == []
    assert {s.kernel for s in document.series if s.changes and s.unit is Unit.SECONDS} == {"naive"}


def test_a_reference_is_one_whose_code_never_changed(tmp_path: Path) -> None:
    for day in range(9):
        write_day(tmp_path, day, course(), sha={"naive": "new" if day > 4 else "old"})
    found = pasts(tmp_path)
    document = history_document(found)
    assert document.reference == "vectorized"
    assert [a.altered[0].what for a in of(document, "naive").altered] == ["code"]
    with pytest.raises(UsageError, match="not the same in all runs"):
        history_document(found, reference="naive")
    with pytest.raises(UsageError, match="no sweep here has a time of 'mkl'"):
        history_document(found, reference="mkl")
    assert history_document(found, reference="openblas@debian").reference == "openblas@debian"


def test_raw_times_and_ratios_never_share_a_series(tmp_path: Path) -> None:
    """Where most runs have the reference the others are left out and counted; where most have none, all are raw."""
    for day in range(10):
        write_day(tmp_path / "most", day, course(), kernels=KERNELS[1:] if day < 3 else KERNELS)
        write_day(tmp_path / "few", day, course(), kernels=KERNELS[1:] if day < 7 else KERNELS)
    most = of(history_document(pasts(tmp_path / "most"), reference="naive"), "vectorized")
    assert (most.unit, len(most.values), most.left_out) == (Unit.RATIO, 7, 3)
    assert max(most.values) < 1
    few = of(history_document(pasts(tmp_path / "few"), reference="naive"), "vectorized")
    assert (few.unit, len(few.values), few.left_out) == (Unit.SECONDS, 10, 0)


def test_without_any_fixed_kernel_times_are_raw_and_it_says_so(tmp_path: Path) -> None:
    for day in range(4):
        write_day(tmp_path, day, course(), sha=dict.fromkeys(KERNELS, f"sha{day}"))
    document = history_document(pasts(tmp_path))
    assert document.reference == ""
    assert {s.unit for s in document.series} == {Unit.SECONDS}
    assert "no kernel of ours kept its machine code" in history_screen(document).replace("\n", " ")


def test_runs_of_another_mmbench_are_refused_unless_asked_for(tmp_path: Path) -> None:
    for day in range(6):
        write_day(tmp_path, day, course(), versions={"mmbench": "0.0.9" if day < 2 else "0.1.0", "numpy": f"2.{day // 3}"})
    document = history_document(pasts(tmp_path))
    assert len(document.runs) == 4
    assert set(document.refused) == {"d000", "d001"}
    assert "2 runs left out: measured by mmbench 0.0.9" in history_screen(document)
    every = history_document(pasts(tmp_path), across=True)
    assert [(run.id, [a.what for a in run.altered]) for run in every.runs if run.altered] == [("d002", ["mmbench"]), ("d003", ["numpy"])]


def test_a_gate_is_a_series_of_its_own(tmp_path: Path) -> None:
    write_day(tmp_path, 0, course(), machine="synthetic-golden-000000")
    gate = past_of_gate(read_gate(write_gate(tmp_path)))
    assert len(gate.answers) == 12  # its own cells, none of its controls
    document = history_document([*pasts(tmp_path), gate])
    mine = [s for s in document.series if s.kind == "gate"]
    assert len(mine) == 12
    assert {(s.unit, s.kernel) for s in mine} == {(Unit.SECONDS, "openblas@numpy")}
    assert "gate, raw" in history_screen(document, full=True, width=120)


def test_too_few_runs_say_how_many_are_needed(tmp_path: Path) -> None:
    for day in range(9):
        write_day(tmp_path, day, course())
    few = history_document(pasts(tmp_path)[:5])
    assert {s.untested for s in few.series} == {"5 runs, and a change cannot be told from chance in fewer than 8"}
    assert "fewer than 8" in history_screen(few).replace("\n", " ")
    nine = history_document(pasts(tmp_path))
    assert nine.tested == 0
    assert nine.series[0].untested == "9 runs: enough for 3 series at once, and 12 series need 12"
    chosen = history_document(pasts(tmp_path), keeps=lambda a: a.kernel == "vectorized" and a.case == GRID[0].case)
    assert (chosen.tested, len(chosen.series)) == (1, 1)


def test_rows_without_a_time_and_runs_given_twice_do_not_count(tmp_path: Path) -> None:
    write_day(tmp_path, 0, course())
    found = pasts(tmp_path)
    assert len(history_document([*found, *found]).runs) == 1
    sweep = read_sweep(list_sweeps(tmp_path)[0].path)
    maker = RowMaker(Roofs.of(None))
    for row in sweep.rows:
        maker.take(replace(row, samples=replace(row.samples, time_s=(), calls=(), clock_hz=(), at_s=(), dirty=())))
    assert past_of_sweep(sweep, maker.rows()).answers == ()
    assert "no kernel has a time" in history_screen(history_document([Past(sweep.run, "x", ())]))


def test_changes_of_one_run_are_told_together(tmp_path: Path) -> None:
    """Six cells of a library that became slower with one update are one thing that happened."""
    grid = tuple(Cell(Case(64 + 16 * i, 64, 64), "cube") for i in range(6))
    noise = course(step=0, noise=0.003)
    for day in range(24):
        write_day(tmp_path, day, lambda d, k, c: noise(d, k, c) * (1.3 if "@" in k and d >= 10 else 1), grid=grid)
    lines = history_screen(history_document(pasts(tmp_path))).splitlines()
    assert [line for line in lines if line.startswith("2026-09-11")] == ["2026-09-11  run d009 to d010 · commit 09abababab to 10abababab"]
    assert sum("%  openblas f32" in line for line in lines) == 4
    assert any("2 more of openblas: +" in line for line in lines)


@pytest.mark.parametrize(("width", "ascii_only"), [(80, False), (60, True), (120, False)])
def test_the_screen_fits_and_is_harmless(stepped: HistoryDocument, width: int, ascii_only: bool) -> None:
    hostile = "\x1b[31m" + "x" * 300
    runs = tuple(replace(run, commit=hostile) for run in stepped.runs)
    for document in (stepped, replace(stepped, machine_id=hostile, runs=runs, notes=(hostile,))):
        text = history_screen(document, width=width, ascii_only=ascii_only, full=True)
        assert max(map(len, text.splitlines())) <= width
        assert "\x1b" not in text
        assert text.isascii() or not ascii_only


def test_the_screen_is_as_it_was(stepped: HistoryDocument, request: pytest.FixtureRequest) -> None:
    path = Path(__file__).parents[1] / "golden" / "history.txt"
    text = history_screen(stepped)
    if request.config.getoption("--update-golden"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
    assert math.isclose(stepped.alpha, 0.05)
