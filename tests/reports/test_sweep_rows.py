"""Derived figures of a sweep, held against plain arithmetic and against `kernels.measure.stats`."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import synthetic_sweep
from hypothesis import given
from hypothesis import strategies as st
from mmbench.configs.cases import Case, Samples, Status
from mmbench.configs.codec import decode, encode
from mmbench.configs.plan import Cell, SweepEnd
from mmbench.configs.runlog import RunWriter
from mmbench.configs.sweepdoc import SweepDocument, SweepRow
from mmbench.configs.sweeplog import read_sweep
from mmbench.kernels import sweep as sweeps
from mmbench.kernels.measure import stats
from mmbench.kernels.roofline import Roofs
from mmbench.reports.comparison import ratio_of
from mmbench.reports.sweep_rows import NEAR, cells_of, each_s, fused_gains, interval, pass_bytes, short_names, sweep_document
from mmbench.reports.sweep_words import disturbed_words, mark_words, relative_width, warnings
from synthetic_machine import synthetic_machine

times = st.lists(st.floats(1e-9, 1e3), min_size=3, max_size=120)


@given(times)
def test_the_interval_is_that_of_the_statistics(each: list[float]) -> None:
    assert interval(each) == pytest.approx(stats.interval_over_time(each), rel=1e-12)


@pytest.mark.parametrize("count", [*range(3, 200), 500, 1000])
def test_the_interval_covers_as_many_samples_for_every_count(count: int) -> None:
    each = [float(i * 7919 % count + 1) for i in range(count)]
    assert interval(each) == pytest.approx(stats.interval_over_time(each), rel=1e-12)


def test_no_samples_have_no_interval() -> None:
    assert all(math.isnan(value) for value in interval([]))


@pytest.mark.parametrize("each", [[2.0], [2.0, 2.0], [1.0, 3.0]])
def test_one_or_two_samples_know_nothing_of_their_spread(each: list[float]) -> None:
    middle, low, high = interval(each)
    assert middle == 2.0
    assert math.isnan(low)
    assert math.isnan(high)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_row_of_few_samples_has_a_time_and_is_never_called_known(tmp_path: Path, count: int) -> None:
    cell = synthetic_sweep.CELLS[0]
    taken = Samples((1,) * count, (1e-3,) * count, (4.1e9,) * count)
    with RunWriter(tmp_path).open(synthetic_sweep.RUN) as writer:
        writer.append("plan", synthetic_sweep.plan((cell,)))
        writer.append("row", replace(synthetic_sweep.row(cell, "vectorized"), samples=taken))
    document = sweep_document(read_sweep(writer.path), synthetic_machine())
    (row,) = document.rows
    known = count >= 3
    assert row.timed
    assert (row.time_s, row.samples) == (1e-3, count)
    assert (relative_width(row) is not None) == known
    assert mark_words(row) == ("" if known else "?")
    assert any("not known to" in words for _, words in warnings(document)) != known
    assert not row.above_roof
    assert decode(SweepDocument, encode(document)).rows[0].samples == count  # a document with unknown ends can be read again
    assert (ratio_of(row, row) is not None) == known


def test_disturbed_samples_and_times_that_cannot_be_are_left_out_where_enough_others_remain() -> None:
    samples = Samples((2, 2, 2, 4), (2.0, 9.0, -1.0, 4.4), (3e9, 1e9, 3e9, 3e9), (), ("", "steal", "negative", ""))
    assert each_s(samples) == ([1.0, 4.5, pytest.approx(1.1)], [3e9, 1e9, 3e9])  # two alone would agree by chance
    assert each_s(replace(samples, dirty=("steal",) * 4))[0] == [1.0, 4.5, pytest.approx(1.1)]
    many = Samples((1,) * 8, (9.0, *(1.0,) * 6, -1.0), (), (), ("steal", *("",) * 7))
    assert each_s(many)[0] == [1.0] * 6
    assert each_s(replace(samples, dirty=(), clock_hz=())) == ([1.0, 4.5, pytest.approx(1.1)], [])
    assert each_s(Samples()) == ([], [])
    assert each_s(Samples((1,), (-1.0,), (), (), ("negative",))) == ([], [])


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> SweepDocument:
    path = synthetic_sweep.write_sweep(tmp_path_factory.mktemp("sweep"))
    return sweep_document(read_sweep(path), synthetic_machine())


def found(document: SweepDocument, kernel: str, case: Case) -> SweepRow:
    (row,) = [row for row in document.rows if row.kernel == kernel and row.case == case]
    return row


def test_a_row_has_the_figures_of_its_samples(document: SweepDocument) -> None:
    case = synthetic_sweep.CELLS[0].case
    row = found(document, "vectorized", case)
    measured = next(r for r in synthetic_sweep.rows_of(synthetic_sweep.plan()) if r.case == case and r.variant.kernel == "vectorized")
    clean = [t / n for t, n, d in zip(measured.samples.time_s, measured.samples.calls, measured.samples.dirty, strict=True) if not d]
    assert (row.time_s, row.low_s, row.high_s) == pytest.approx(stats.interval_over_time(clean))
    assert (row.samples, row.dropped, row.disturbed, row.unclean) == (29, 1, {"switched": 1}, 0)
    assert row.rate == pytest.approx(2 * 128 * 768 * 768 / row.time_s)
    assert row.traffic == pytest.approx(4 * (128 * 768 + 768 * 768 + 128 * 768) / row.time_s)
    assert row.intensity == pytest.approx(row.rate / row.traffic)
    assert row.cycles == pytest.approx(row.time_s * 4.1e9)
    roof = Roofs.of(synthetic_machine()).roof(case, 4.1e9)
    assert roof is not None
    assert row.roof_share == pytest.approx(row.rate / roof.rate)
    assert (row.roof_bound, row.roof_name) == (roof.bound, roof.name)
    assert (row.cell, row.case_id, row.origin) == (case.name, case.id, synthetic_sweep.CELLS[0].origin)
    assert (row.first_call_s, row.code_sha, row.timed_by) == (0.012, "0a1b2c3d", "machine")


def test_ratios_are_to_the_fastest_of_the_cell(document: SweepDocument) -> None:
    for cell in cells_of(document):
        best = min(row.time_s for row in cell.timed)
        assert [row.ratio for row in cell.timed] == pytest.approx([row.time_s / best for row in cell.timed])
        assert cell.timed[0].ratio == 1.0
        assert all(not row.timed for row in cell.rows[len(cell.timed) :])


def test_only_right_rows_have_times(document: SweepDocument) -> None:
    assert {row.status for row in document.rows if row.timed} == {Status.OK, Status.NOISY}
    assert all(not math.isfinite(row.rate) and not math.isfinite(row.ratio) for row in document.rows if not row.timed)


def test_who_serves_and_who_is_near_the_best_is_counted(document: SweepDocument) -> None:
    for kernel in document.kernels:
        mine = [row for row in document.rows if row.kernel == kernel.kernel]
        assert kernel.served == sum(row.timed for row in mine)
        assert kernel.near == sum(row.timed and row.ratio <= NEAR for row in mine)
        assert kernel.best == sum(row.ratio == 1.0 for row in mine)
    counted = {k.kernel: (k.served, k.near, k.best, k.failed) for k in document.kernels}
    assert counted["vectorized"] == (9, 9, 9, 0)
    assert counted["openblas@debian"] == (7, 7, 0, 0)
    assert counted["onednn@onednn"] == (7, 0, 0, 2)
    assert counted["mkl@mkl"] == (0, 0, 0, 9)
    assert document.measured == document.cells == 9


def test_skips_of_the_plan_and_of_the_rows_are_counted(document: SweepDocument) -> None:
    assert {(s.kernel, s.cells) for s in document.skips} == {("naive", 2), ("onednn-unfused@onednn", 8), ("openblas@debian", 2)}


def test_fused_epilogues_are_held_against_unfused_ones(document: SweepDocument) -> None:
    (gain,) = fused_gains(document)
    assert (gain.kernel, gain.cells) == ("onednn@onednn", 1)
    assert gain.gain == pytest.approx(80 / 60, rel=0.02)
    assert gain.least_bytes == gain.most_bytes == 2 * 128 * 3072 * 4  # C in f32: read and written once more
    (each,) = document.fused
    assert (each.kernel, each.saved_bytes, each.gain) == (gain.kernel, gain.most_bytes, gain.gain)
    assert each.case_id == synthetic_sweep.CELLS[4].case.id


def test_a_separate_pass_moves_c_of_every_problem_in_its_stored_type() -> None:
    assert pass_bytes(Case(10, 20, 7, epilogue="relu", batch=3)) == 2 * 10 * 20 * 4 * 3
    assert pass_bytes(Case(10, 20, 7, dtype="f64", epilogue="relu")) == 2 * 10 * 20 * 8
    assert pass_bytes(Case(10, 20, 7, dtype="bf16bf16", epilogue="bias+residual")) == 2 * 10 * 20 * 2


def test_disturbances_are_counted_by_word_and_row(tmp_path: Path) -> None:
    """One row with enough clean samples beside disturbed ones, one with too few, one that nothing disturbed."""
    dirty = (
        (*("",) * 6, "steal+switched", "switched", "negative"),
        ("", *("steal",) * 3, *("off-cpu",) * 5),
        ("",) * 9,
    )
    cells = tuple(Cell(Case(8 + i, 8, 8)) for i in range(len(dirty)))
    with RunWriter(tmp_path).open(synthetic_sweep.RUN) as writer:
        writer.append("plan", synthetic_sweep.plan(cells))
        for cell, marks in zip(cells, dirty, strict=True):
            row = synthetic_sweep.row(cell, "vectorized")
            times = (*(1e-3,) * 8, -1e-3 if "negative" in marks else 1e-3)
            writer.append("row", replace(row, samples=Samples((1,) * 9, times, (), (), marks if any(marks) else ())))
    document = sweep_document(read_sweep(writer.path), None)
    mixed, few, clean = (found(document, "vectorized", cell.case) for cell in cells)
    assert (mixed.samples, mixed.dropped, mixed.unclean) == (6, 3, 0)
    assert mixed.disturbed == {"switched": 2, "steal": 1, "negative": 1}
    assert (few.samples, few.dropped, few.unclean, few.disturbed) == (9, 0, 8, {"off-cpu": 5, "steal": 3})
    assert (clean.samples, clean.dropped, clean.unclean, clean.disturbed) == (9, 0, 0, {})
    assert (document.samples, document.dropped) == (24, 3)
    assert document.disturbed == {"switched": 2, "steal": 4, "negative": 1, "off-cpu": 5}
    words = disturbed_words(document)
    assert words.startswith("3 of 27 samples disturbed and left out, 8 more kept in 1 row that has too few others: 5 off-cpu, 4 steal")
    assert disturbed_words(replace(document, disturbed={})) == ""


def test_names_are_short_where_that_is_unambiguous() -> None:
    entrants = [replace(synthetic_sweep.ENTRANTS[2], kernel=name) for name in ("a@x", "a@y", "b@x", "b-unfused@x", "own")]
    assert short_names(entrants) == {"a@x": "a@x", "a@y": "a@y", "b@x": "b", "b-unfused@x": "b-unfused", "own": "own"}


def test_a_file_that_the_user_named_keeps_that_in_its_name() -> None:
    entrants = [replace(synthetic_sweep.ENTRANTS[2], kernel=name) for name in ("openblas@given", "mkl@mkl")]
    assert short_names(entrants) == {"openblas@given": "openblas@given", "mkl@mkl": "mkl"}


def test_what_stands_behind_plus_minus_is_what_ends_sampling() -> None:
    """Uneven: half of the whole interval would be 3 %, its longer side is 6 %."""
    each = [1.0] * 11 + [1.055] * 9
    samples = Samples((1,) * 20, tuple(each))
    entry = sweeps._Entry(synthetic_sweep.ENTRANTS[0], None)  # type: ignore[arg-type] - its worker is not asked
    entry.samples = {"time_s": list(samples.time_s), "calls": list(samples.calls), "dirty": []}
    low_to_high = interval(each_s(samples)[0])
    row = SweepRow("", "", Case(8, 8, 8), "naive", Status.OK, time_s=low_to_high[0], low_s=low_to_high[1], high_s=low_to_high[2])
    assert relative_width(row) == pytest.approx(entry.spread(), rel=1e-12)
    assert entry.spread() > 1.5 * (row.high_s - row.low_s) / 2 / row.time_s
    entry.samples = {"time_s": each[:5], "calls": [1] * 5, "dirty": []}
    assert math.isinf(entry.spread())


def test_without_a_machine_shares_are_unknown_and_the_reason_is_kept(tmp_path: Path) -> None:
    document = sweep_document(read_sweep(synthetic_sweep.write_sweep(tmp_path)), None, "no machine file is stored")
    assert document.no_roofs == "no machine file is stored"
    assert all(math.isnan(row.roof_share) and row.roof_bound == "" for row in document.rows)
    assert found(document, "vectorized", synthetic_sweep.CELLS[0].case).rate > 0


def test_rows_of_another_device_have_no_roof_here(tmp_path: Path) -> None:
    cell = synthetic_sweep.CELLS[0]
    row = synthetic_sweep.row(cell, "vectorized")
    row = replace(row, variant=replace(row.variant, params={"device": "cuda:0"}))
    with RunWriter(tmp_path).open(synthetic_sweep.RUN) as writer:
        writer.append("plan", synthetic_sweep.plan((cell,)))
        writer.append("row", row)
    (shown,) = sweep_document(read_sweep(writer.path), synthetic_machine()).rows
    assert shown.timed
    assert math.isnan(shown.roof_share)


def test_parts_of_a_resumed_sweep_add_up_and_a_cut_off_one_says_so(tmp_path: Path) -> None:
    path = synthetic_sweep.write_sweep(tmp_path, end=False)
    assert "cut off" in sweep_document(read_sweep(path), None).end_reason
    with RunWriter(tmp_path).reopen(path) as writer:
        writer.append("end", SweepEnd(False, 3.0, {"sampling": 2.0, "other": 1.0}, "interrupted"))
        writer.append("end", SweepEnd(True, 2.0, {"sampling": 2.0}))
    document = sweep_document(read_sweep(path), None)
    assert (document.finished, document.wall_s, document.parts_s) == (True, 5.0, {"sampling": 4.0, "other": 1.0})


def test_cells_of_one_type_come_together_with_plain_ones_first() -> None:
    cells = [Case(8, 8, 8, "s8"), Case(8, 8, 8, temperature="cold"), Case(16, 8, 8), Case(8, 8, 8), Case(8, 8, 8, threads=2)]
    rows = tuple(SweepRow(c.name, c.id, c, "x", Status.OK, time_s=1.0) for c in cells)
    ordered = [cell.case for cell in cells_of(SweepDocument(1, "", "", "", rows=rows))]
    assert ordered == [cells[3], cells[2], cells[1], cells[4], cells[0]]


def test_a_row_that_was_written_twice_counts_once(tmp_path: Path) -> None:
    cell = Cell(Case(8, 8, 8))
    with RunWriter(tmp_path).open(synthetic_sweep.RUN) as writer:
        writer.append("plan", synthetic_sweep.plan((cell,)))
        for number in range(2):
            writer.append("row", synthetic_sweep.row(cell, "vectorized", number))
    assert len(sweep_document(read_sweep(writer.path), None).rows) == 1
