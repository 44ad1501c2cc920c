"""A sweep against a stored one as a document: verdicts by cell, what is refused, what it admits, and its screen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from mmbench.configs.cases import Case, Measurement, Samples, Status
from mmbench.configs.codec import encode
from mmbench.configs.errors import Exit, NotPossibleError
from mmbench.configs.facts import Fact, reported
from mmbench.configs.gatedoc import GateDocument, GateRow, Verdict
from mmbench.configs.plan import Cell, Skip, SweepEnd
from mmbench.configs.sweeplog import Sweep, read_sweep
from mmbench.reports.gate_screen import gate_screen
from mmbench.reports.gate_stored import stored_gate_document
from synthetic_history import course, write_day
from synthetic_machine import synthetic_machine

GRID = tuple(Cell(Case(64 + 16 * i, 64, 64, dtype="f64" if i % 2 else "f32"), "cube") for i in range(16))
OPENBLAS = "openblas@debian"


def run(folder: Path, day: int, *, slower: float = 0.0, **more: object) -> Sweep:
    """A sweep of 16 cells by three kernels; openblas has other code in each, and in cell 3 takes so much longer."""
    usual = course(step=0, seed=11)

    def time(at: int, kernel: str, cell: int) -> float:
        return usual(at, kernel, cell) * (1 + slower if kernel == OPENBLAS and cell == 3 else 1)

    path = write_day(folder, day, time, grid=GRID, sha={OPENBLAS: f"build {day}"}, package=f"0.3.{day}", **more)  # type: ignore[arg-type]
    return replace(read_sweep(path), ends=(SweepEnd(True, 40.0),))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sweep, Sweep]:
    folder = tmp_path_factory.mktemp("runs")
    return run(folder, 0), run(folder, 9, slower=0.25)


def changed(sweep: Sweep, case: Case, kernel: str, change: Callable[[Measurement], Measurement | None]) -> Sweep:
    """The sweep with one row as `change` makes it (None: gone)."""
    rows = [change(row) if (row.case, row.variant.kernel) == (case, kernel) else row for row in sweep.rows]
    return replace(sweep, rows=tuple(row for row in rows if row is not None))


def row_of(document: GateDocument, cell: int, kernel: str = OPENBLAS) -> GateRow:
    return next(row for row in document.rows if (row.case, row.kernel) == (GRID[cell].case, kernel))


def test_a_slow_cell_is_a_regression_and_the_rest_is_not(both: tuple[Sweep, Sweep]) -> None:
    document = stored_gate_document(*both)
    assert [(row.kernel, row.case) for row in document.rows if row.verdict is Verdict.REGRESSION] == [(OPENBLAS, GRID[3].case)]
    row = row_of(document, 3)
    assert 0.15 < row.low < row.change < row.high < 0.35
    assert row.p <= row.needed
    assert row.new_s > row.old_s > 0
    assert len(document.rows) == 48
    assert (document.outcome, document.kind, document.finished) == ("regression", "gate", True)
    encode(document)


def test_it_says_that_it_is_weak_and_what_it_assumes(both: tuple[Sweep, Sweep]) -> None:
    document = stored_gate_document(*both)
    assert "not run again" in document.weak
    assert "the 32 cells whose machine code is the same in both" in document.weak
    assert any("taken for the machine" in note for note in document.notes)
    unlike = replace(both[1], rows=tuple(replace(row, code_sha="other") for row in both[1].rows))
    assert "most of which must not have changed" in stored_gate_document(both[0], unlike).weak


def test_in_what_the_runs_differ(both: tuple[Sweep, Sweep]) -> None:
    found = {d.what: (d.old, d.new) for d in stored_gate_document(*both).differences}
    assert found[f"package {OPENBLAS}"] == ("0.3.0", "0.3.9")
    assert found[f"library {OPENBLAS}"] == ("0.3.0", "0.3.9")
    assert set(found) == {f"package {OPENBLAS}", f"library {OPENBLAS}", "run's commit"}


def test_runs_of_two_machines_are_refused_with_what_differs(both: tuple[Sweep, Sweep]) -> None:
    old, new = both
    there = replace(old, run=replace(old.run, machine_id="zen5-2c-000000"))
    with pytest.raises(NotPossibleError, match="is of zen5-2c-000000") as bare:
        stored_gate_document(there, new)
    assert "no machine file" in bare.value.message
    assert bare.value.exit_code is Exit.NOT_POSSIBLE
    here = synthetic_machine()
    facts: dict[str, Fact[object]] = {**here.identity, "model": reported("17", "", "x"), "isa_words": reported("0", "", "x")}
    beside = replace(here, identity=facts, cache_claims=(), topology=None)  # type: ignore[arg-type]
    with pytest.raises(NotPossibleError) as told:
        stored_gate_document(there, new, machines=(beside, here))
    assert "model 17 there" in told.value.message
    assert "instruction sets differ" in told.value.message
    assert "CPUs" in told.value.message


def test_runs_of_two_versions_are_refused(both: tuple[Sweep, Sweep]) -> None:
    old, new = both
    with pytest.raises(NotPossibleError, match=r"mmbench 0\.0\.9"):
        stored_gate_document(replace(old, run=replace(old.run, versions={"mmbench": "0.0.9"})), new)


def test_cells_without_a_result_are_what_they_are(both: tuple[Sweep, Sweep]) -> None:
    old, new = both
    cases = [cell.case for cell in GRID]
    new = changed(new, cases[0], OPENBLAS, lambda m: replace(m, status=Status.WRONG, samples=Samples(), reason="511 for 638"))
    new = changed(new, cases[1], OPENBLAS, lambda m: replace(m, status=Status.CRASHED, samples=Samples(), reason="SIGILL"))
    new = changed(new, cases[2], OPENBLAS, lambda m: replace(m, status=Status.TIMEOUT, samples=Samples()))
    new = changed(new, cases[4], OPENBLAS, lambda _: None)
    new = changed(new, cases[5], OPENBLAS, lambda _: None)
    new = changed(new, cases[6], OPENBLAS, lambda m: replace(m, status=Status.SKIPPED, samples=Samples(), reason="no f32"))
    new = replace(new, plan=replace(new.plan, skips=(Skip(OPENBLAS, "takes too long", (5,)),)))
    document = stored_gate_document(old, new)
    expected = ("wrong", "crashed", "timeout", "regression", "missing", "deleted", "deleted")
    assert tuple(row_of(document, i).verdict.value for i in range(7)) == expected
    assert row_of(document, 0).why == "511 for 638"
    assert "declines it: no f32" in row_of(document, 6).why
    assert math.isnan(row_of(document, 0).change)
    assert document.outcome == "regression"


def test_what_only_the_new_run_has_is_told_and_not_judged(both: tuple[Sweep, Sweep]) -> None:
    old, new = both
    document = stored_gate_document(changed(old, GRID[0].case, OPENBLAS, lambda _: None), new)
    assert len(document.rows) == 47
    assert "1 cell of the new run has nothing to be held against in the old one" in document.notes
    broken = changed(old, GRID[0].case, OPENBLAS, lambda m: replace(m, status=Status.WRONG, samples=Samples()))
    assert len(stored_gate_document(broken, new).rows) == 47
    assert len(stored_gate_document(broken, changed(new, GRID[0].case, OPENBLAS, lambda _: None)).rows) == 48  # planned, and not there


def test_other_stopwatches_and_missing_intervals_are_inconclusive(both: tuple[Sweep, Sweep]) -> None:
    old, new = both
    new = changed(new, GRID[0].case, OPENBLAS, lambda m: replace(m, samples=replace(m.samples, timed_by="python")))
    new = changed(new, GRID[1].case, OPENBLAS, lambda m: replace(m, samples=Samples((1,), (1e-3,), (4e9,), (0.0,))))
    document = stored_gate_document(old, new)
    assert [row_of(document, i).verdict for i in (0, 1)] == [Verdict.INCONCLUSIVE] * 2
    assert "python now" in row_of(document, 0).why
    assert row_of(document, 1).could_hide


def test_few_cells_have_no_verdict(tmp_path: Path, both: tuple[Sweep, Sweep]) -> None:
    old, new = (replace(s, rows=s.rows[:5], plan=replace(s.plan, cells=s.plan.cells[:5], entrants=s.plan.entrants[:1])) for s in both)
    document = stored_gate_document(old, new)
    assert {row.verdict for row in document.rows} == {Verdict.INCONCLUSIVE}
    assert "Too few cells" in document.weak
    assert document.outcome == "inconclusive"


def test_an_unfinished_run_is_no_pass(both: tuple[Sweep, Sweep]) -> None:
    old, _ = both
    same = replace(old, run=replace(old.run, id="again"), ends=(SweepEnd(False, 3.0, reason="the time budget ended"),))
    document = stored_gate_document(old, same)
    assert (document.finished, document.outcome, document.end_reason) == (False, "unfinished", "the time budget ended")


@pytest.mark.parametrize(("width", "ascii_only", "full"), [(80, False, False), (60, True, True), (120, False, True)])
def test_the_screen(both: tuple[Sweep, Sweep], width: int, ascii_only: bool, full: bool) -> None:
    document = stored_gate_document(*both, word="baseline main\x1b[31m")
    text = gate_screen(document, width=width, ascii_only=ascii_only, full=full)
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= width
    assert text.isascii() or not ascii_only
    plain = " ".join(text.split())
    assert "weaker than a gate that runs both sides" in plain
    assert "1 regression" in plain
    assert "112x64x64" in plain
    assert "sweep --baseline " in plain
