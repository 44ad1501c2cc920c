"""Run files: whole lines or none, whatever ends the process."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mmbench.configs import files, runlog
from mmbench.configs.codec import decode
from mmbench.configs.curve import Curve, Point
from mmbench.configs.errors import SchemaError, StoreError, UsageError
from mmbench.configs.runs import RUN_SCHEMA, Run

RUN = Run(RUN_SCHEMA, "7c2e", "probe", "zen5-16c-22", "2026-11-22T16:40:11Z", {"effort": "quick"}, 7)
CURVE = Curve("latency", 1, "load", (Point({"size_bytes": 4096}, 10.0, (1.0, 2.0)),))


def written(results: Path, events: int = 2) -> Path:
    with runlog.RunWriter(results).open(RUN) as writer:
        for number in range(events):
            writer.append("curve" if number % 2 else "note", CURVE if number % 2 else {"n": number})
    return writer.path


def test_a_run_comes_back_with_its_events(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert path == tmp_path / RUN.machine_id / "runs" / "20261122T164011Z-7c2e.jsonl"
    run, events, notes = runlog.read_run(path)
    everything = list(events)
    assert run == RUN
    assert [e.event for e in everything] == ["note", "curve"]
    assert decode(Curve, everything[1].payload) == CURVE
    assert notes == []


def test_a_moment_with_an_offset_names_the_file_alike(tmp_path: Path) -> None:
    run = dataclasses.replace(RUN, started_at="2026-11-22T16:40:11.123+00:00")
    with runlog.RunWriter(tmp_path).open(run) as writer:
        assert writer.path.name == "20261122T164011Z-7c2e.jsonl"


def test_two_runs_never_share_a_file(tmp_path: Path) -> None:
    path = written(tmp_path)
    before = path.read_bytes()
    with pytest.raises(StoreError):
        runlog.RunWriter(tmp_path).open(RUN)
    assert path.read_bytes() == before


def test_nothing_is_written_after_the_end(tmp_path: Path) -> None:
    with runlog.RunWriter(tmp_path).open(RUN) as writer:
        writer.close()
        with pytest.raises(StoreError, match="not open"):
            writer.append("note", 1)


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_torn_last_line_is_reported_and_skipped(tmp_path: Path, cut: int) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-cut])
    run, events, notes = runlog.read_run(path)
    everything = list(events)
    assert run == RUN
    whole = cut == 1  # only the end of the line is missing: the line itself is all there
    assert len(everything) == (2 if whole else 1)
    assert [("torn" in note, "line 3" in note) for note in notes] == ([] if whole else [(True, True)])


def test_damage_that_is_no_torn_end_is_an_error_with_its_line(tmp_path: Path) -> None:
    path = written(tmp_path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1][:20], lines[2]]) + "\n")
    with pytest.raises(SchemaError, match="line 2"):
        runlog.read_run(path)
    path.write_text("\n".join([lines[0], '{"event": 3, "at": "x"}']) + "\n")
    with pytest.raises(SchemaError, match=r"line 2: \$\.event: expected a word"):
        runlog.read_run(path)


@pytest.mark.parametrize("content", ["", "\n", "{", "[]\n", '{"schema": 1}\n', '{"schema": 99, "id": "x"}\n', "\x00\n"])
def test_a_file_that_is_no_run(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(content)
    with pytest.raises(SchemaError, match=r"x\.jsonl"):
        runlog.read_run(path)


def test_an_older_run_is_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text().replace('"schema":1', f'"schema":{RUN_SCHEMA - 1}').replace('"kind":"probe"', '"sort":"probe"'))
    monkeypatch.setitem(runlog.RUN_MIGRATIONS, RUN_SCHEMA - 1, lambda d: {**d, "kind": d["sort"]})
    assert runlog.read_run(path)[0] == RUN


def test_a_disk_that_fills_up_half_way_through_a_line_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.write
    with runlog.RunWriter(tmp_path).open(RUN) as writer:
        writer.append("note", "kept")
        before = writer.path.read_bytes()
        calls = iter([10])

        def half(descriptor: int, data: memoryview) -> int:
            for size in calls:
                return really(descriptor, data[:size])
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(files.os, "write", half)
        with pytest.raises(StoreError) as raised:
            writer.append("note", "lost")
        assert "disk is full" in raised.value.hint
        monkeypatch.setattr(files.os, "write", really)
        assert writer.path.read_bytes() == before
        writer.append("note", "after")
    assert [e.payload for e in runlog.read_run(writer.path)[1]] == ["kept", "after"]


def test_a_killed_writer_loses_at_most_its_last_line(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom mmbench.configs import runlog\nfrom mmbench.configs.runs import Run\n"
        "writer = runlog.RunWriter(Path(sys.argv[1])).open(Run(1, 'aa', 'probe', 'm-1', '2026-01-01T00:00:00Z'))\n"
        "n = 0\n"
        "while True:\n    writer.append('n', {'n': n, 'fill': 'x' * 5000})\n    n += 1\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)])
    path = tmp_path / "m-1" / "runs" / "20260101T000000Z-aa.jsonl"
    try:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and not (path.exists() and path.stat().st_size > 100_000):
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    _, events, notes = runlog.read_run(path)
    numbers = [e.payload["n"] for e in events]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= 15
    assert len(notes) <= 1


def test_runs_are_listed_and_found(tmp_path: Path) -> None:
    path = written(tmp_path)
    other = path.with_name("20270101T000000Z-bbbb.jsonl")
    other.write_text(
        json.dumps({"schema": 1, "id": "bbbb", "kind": "probe", "machine_id": "zen5-16c-22", "started_at": "2027-01-01T00:00:00Z"})
    )
    path.with_name("damaged.jsonl").write_text("{")
    found = runlog.list_runs(tmp_path)
    assert [r.id for r in found] == ["bbbb", "7c2e", ""]
    assert "damaged.jsonl" in found[2].problem
    assert runlog.list_runs(tmp_path, "zen5-16c-22") == found
    assert runlog.list_runs(tmp_path / "nowhere") == []
    for name in ("7c2e", "7c", path.name, path.stem, "20261122", str(path)):
        assert runlog.find_run(tmp_path, name) == path
    with pytest.raises(UsageError, match="2 runs"):
        runlog.find_run(tmp_path, "202")
    with pytest.raises(UsageError, match="no run"):
        runlog.find_run(tmp_path, "zzz")


def test_ids_of_runs_cannot_leave_the_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="run id"):
        runlog.RunWriter(tmp_path).open(dataclasses.replace(RUN, id="../x"))
    assert runlog.new_run_id() != runlog.new_run_id()
