"""A sweep's run file: what is written comes back, what means nothing is refused with its line, and a run that was cut off goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import synthetic_sweep
from mmbench.configs.cases import Measurement
from mmbench.configs.errors import SchemaError, StoreError
from mmbench.configs.plan import SweepEnd
from mmbench.configs.runlog import RunWriter, read_head
from mmbench.configs.sweeplog import Outline, list_sweeps, outline, read_sweep, stream_sweep

RUN = synthetic_sweep.RUN


def test_a_sweep_comes_back_whole(tmp_path: Path) -> None:
    plan = synthetic_sweep.plan()
    path = synthetic_sweep.write_sweep(tmp_path)
    sweep = read_sweep(path)
    assert sweep.run == RUN
    assert sweep.plan == plan
    assert sweep.rows == tuple(synthetic_sweep.rows_of(plan))
    assert sweep.opened == synthetic_sweep.OPENED
    assert sweep.absent == synthetic_sweep.ABSENT
    assert sweep.finished
    assert len(sweep.done) == len(sweep.rows)
    assert (plan.cells[0].case.id, "vectorized") in sweep.done


def test_a_torn_row_is_told_and_the_others_are_kept(tmp_path: Path) -> None:
    path = synthetic_sweep.write_sweep(tmp_path, end=False)
    whole = read_sweep(path)
    path.write_bytes(path.read_bytes()[:-200])
    sweep = read_sweep(path)
    assert sweep.rows == whole.rows[:-1]
    assert not sweep.finished
    assert "torn" in sweep.torn[0]


def test_the_last_end_and_the_last_opened_count(tmp_path: Path) -> None:
    path = synthetic_sweep.write_sweep(tmp_path, end=False)
    with RunWriter(tmp_path).reopen(path) as writer:
        writer.append("end", SweepEnd(False, 1.0, {}, "the time budget ended"))
        writer.append("opened", replace(synthetic_sweep.OPENED[1], core="another"))
        writer.append("from a newer mmbench", {"x": 1})
        writer.append("note", "gone on")
        writer.append("end", SweepEnd(True, 2.0))
    sweep = read_sweep(path)
    assert [end.finished for end in sweep.ends] == [False, True]
    assert sweep.finished
    assert next(info.core for info in sweep.opened if info.kernel == "vectorized") == "another"
    assert len(sweep.opened) == len(synthetic_sweep.OPENED)
    assert sweep.notes == ("gone on",)


def changed(path: Path, event: str, change: dict[str, Any]) -> int:
    """The file with the first such event changed; its line."""
    lines = path.read_text().splitlines()
    number = next(i for i, line in enumerate(lines) if json.loads(line).get("event") == event)
    document = json.loads(lines[number])
    target = document["payload"]
    *steps, last = next(iter(change))
    for step in steps:
        target = target[step]
    target[last] = next(iter(change.values()))
    lines[number] = json.dumps(document)
    path.write_text("\n".join(lines) + "\n")
    return number + 1


@pytest.mark.parametrize(
    ("event", "place", "value", "message"),
    [
        ("row", ("case", "dtype"), "f33", "there is no dtype 'f33'"),
        ("row", ("case", "layout"), "xx", "there is no layout"),
        ("row", ("case", "epilogue"), "bias+magic", "there is no epilogue 'magic'"),
        ("row", ("case", "m"), -3, "m is out of range"),
        ("row", ("case", "k"), 2**70, "k is out of range"),
        ("row", ("case", "threads"), 0, "threads is out of range"),
        ("row", ("samples", "calls"), [0] * 30, "less than one call"),
        ("row", ("samples", "calls"), [1], "calls has 1 entries for 30 samples"),
        ("row", ("samples", "dirty"), ["x"], "dirty has 1 entries for 30 samples"),
        ("row", ("samples", "time_s"), ["fast"], r"\$\.samples\.time_s\[0\]: expected a number"),
        ("row", ("status",), "good", r"\$\.status: expected 'ok' or"),
        ("plan", ("cells",), {}, r"\$\.cells: expected a list"),
        ("plan", ("cells", 3, "case", "temperature"), "tepid", "there is no temperature 'tepid'"),
        ("end", ("wall_s",), "long", r"\$\.wall_s"),
    ],
)
def test_what_means_nothing_is_refused_with_its_line(tmp_path: Path, event: str, place: tuple[Any, ...], value: Any, message: str) -> None:
    path = synthetic_sweep.write_sweep(tmp_path)
    line = changed(path, event, {place: value})
    with pytest.raises(SchemaError, match=rf"line {line}: {event} .*{message}"):
        read_sweep(path)


def test_other_runs_and_runs_without_a_plan_are_no_sweeps(tmp_path: Path) -> None:
    with RunWriter(tmp_path).open(replace(RUN, kind="probe", id="aa")) as writer:
        writer.append("curve", {})
    with pytest.raises(SchemaError, match="this is a probe run"):
        read_sweep(writer.path)
    with RunWriter(tmp_path).open(replace(RUN, id="bb")) as writer:
        pass
    with pytest.raises(SchemaError, match="before its plan"):
        read_sweep(writer.path)
    assert [run.id for run in list_sweeps(tmp_path, RUN.machine_id)] == ["bb"]
    assert read_head(writer.path).id == "bb"


# --- what can be read, and cannot be


@pytest.mark.parametrize(
    ("place", "value", "why"),
    [
        (("case", "threads"), 65_537, "for more than 65536 threads"),
        (("samples", "time_s"), [0.0] * 30, "without a usable time"),
        (("samples", "time_s"), [1e-11] * 30, "with a call below 1 ns"),
        (("samples", "time_s"), [1e-3] * 29 + [1e300], "with a call above a day"),
        (("samples", "clock_hz"), [1e30] * 30, "with a clock outside 10 MHz to 20 GHz"),
        (("case", "k"), 10**17, "with more than 10^18 operations a second"),
    ],
)
def test_a_row_that_cannot_be_is_set_aside_by_whoever_reads_what_others_wrote(
    tmp_path: Path, place: tuple[str, ...], value: Any, why: str
) -> None:
    path = synthetic_sweep.write_sweep(tmp_path)
    rows = read_sweep(path).rows
    line = changed(path, "row", {place: value})
    assert len(read_sweep(path).rows) == len(rows)
    taken: list[Measurement] = []
    sweep = stream_sweep(path, taken.append, 10_000)
    assert sweep.torn == (f"{path}: 1 row {why} was set aside, in line {line}",)
    assert [row.case for row in taken] == [row.case for row in rows[1:]]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("samples", "clock_hz"), [0.0] * 30),  # unknown
        (("samples", "clock_hz"), [4e9] * 29 + [3e6]),  # one was interrupted
        (("samples", "time_s"), [1e-3] * 29 + [-1e-9]),  # less than its stopwatch costs
        (("case", "threads"), 65_536),
    ],
)
def test_a_row_with_an_odd_sample_is_a_result(tmp_path: Path, place: tuple[str, ...], value: Any) -> None:
    path = synthetic_sweep.write_sweep(tmp_path)
    changed(path, "row", {place: value})
    assert stream_sweep(path, lambda _row: None, 10_000).torn == ()


# --- going on with a file


def test_reopening_removes_a_torn_line_and_appends(tmp_path: Path) -> None:
    path = synthetic_sweep.write_sweep(tmp_path, end=False)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]) + lines[-1][:-30])
    with RunWriter(tmp_path).reopen(path) as writer:
        writer.append("note", "on")
    assert path.read_bytes().splitlines(keepends=True)[:-1] == lines[:-1]
    assert read_sweep(path).torn == ()


def test_reopening_keeps_a_whole_line_that_lacks_its_end(tmp_path: Path) -> None:
    path = synthetic_sweep.write_sweep(tmp_path, end=False)
    before = path.read_bytes()
    path.write_bytes(before[:-1])
    rows = read_sweep(path).rows
    with RunWriter(tmp_path).reopen(path):
        pass
    assert path.read_bytes() == before
    assert read_sweep(path).rows == rows


def test_a_long_torn_line_is_found_from_its_end(tmp_path: Path) -> None:
    path = synthetic_sweep.write_sweep(tmp_path, end=False)
    before = path.read_bytes()
    path.write_bytes(before + b'{"event":"row","payload":"' + b"x" * 300_000)
    with RunWriter(tmp_path).reopen(path):
        pass
    assert path.read_bytes() == before


def test_a_file_that_is_being_written_cannot_be_reopened(tmp_path: Path) -> None:
    pytest.importorskip("fcntl", reason="needs POSIX file locks")
    with RunWriter(tmp_path).open(RUN) as writer:
        before = writer.path.read_bytes()
        with pytest.raises(StoreError, match="is being written by another process"):
            RunWriter(tmp_path).reopen(writer.path)
        assert writer.path.read_bytes() == before
        writer.append("note", "still mine")
    with RunWriter(tmp_path).reopen(writer.path) as again:
        again.append("note", "mine now")


def test_what_cannot_be_reopened_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        RunWriter(tmp_path).reopen(tmp_path / "nothing.jsonl")


def test_a_killed_writer_leaves_a_run_that_goes_on_without_losing_or_doubling_a_row(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nsys.path.insert(0, sys.argv[2])\nimport synthetic_sweep as s\n"
        "from mmbench.configs.runlog import RunWriter\n"
        "plan = s.plan(s.many_cells(4000))\n"
        "with RunWriter(Path(sys.argv[1])).open(s.RUN) as writer:\n"
        "    writer.append('plan', plan)\n"
        "    for row in s.rows_of(plan):\n        writer.append('row', row)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path), str(Path(__file__).parents[1])])
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not any(p.stat().st_size > 3_000_000 for p in tmp_path.glob("*/runs/*.jsonl")):
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    (path,) = tmp_path.glob("*/runs/*.jsonl")
    done = read_sweep(path).done
    assert done
    with RunWriter(tmp_path).reopen(path) as writer:
        sweep = read_sweep(path)
        kept = sweep.done
        assert kept >= done
        skipped = {(i, skip.kernel) for skip in sweep.plan.skips for i in skip.cells}
        left = [
            (cell, e.kernel)
            for i, cell in enumerate(sweep.plan.cells)
            for e in sweep.plan.entrants
            if (i, e.kernel) not in skipped and (cell.case.id, e.kernel) not in kept
        ]
        for cell, kernel in left[:50]:
            writer.append("row", synthetic_sweep.row(cell, kernel))
    rows = read_sweep(path).rows
    assert len(rows) == len(done) + min(50, len(left))
    assert len({(row.case.id, row.variant.kernel) for row in rows}) == len(rows)


def test_an_outline_counts_what_reading_the_sweep_counts(tmp_path: Path) -> None:
    path = synthetic_sweep.write_sweep(tmp_path)
    whole = read_sweep(path)
    assert outline(path) == Outline("quick", len(whole.plan.cells), len(whole.rows), finished=True)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:9]) + lines[9][:-40])
    cut = read_sweep(path)
    assert outline(path) == Outline("quick", len(cut.plan.cells), len(cut.rows), finished=False)
    path.write_bytes(lines[0] + b'{"event":"plan","at":"x","payload":[1]}\n{"event":"end"\n\xff\n')
    assert outline(path) == outline(tmp_path / "gone") == Outline()
