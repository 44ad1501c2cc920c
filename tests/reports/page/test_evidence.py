"""What a report stands on: files of every kind found, hostile and damaged ones skipped by name, the newest row of each cell kept."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from pathlib import Path

import pytest
from mmbench.configs.errors import UsageError
from mmbench.configs.store import RunWriter, save_machine
from mmbench.configs.sweeplog import read_sweep
from mmbench.reports.page.blocks import Points, Prose
from mmbench.reports.page.evidence import MOST_ROWS, Evidence, arranged, gather
from mmbench.reports.page.sections.verdict import verdict
from report_evidence import OTHER, two_machines, write_machines
from synthetic_machine import synthetic_machine
from synthetic_sweep import CELLS, ENTRANTS, RUN, plan, write_sweep


def run_file(results: Path, machine_id: str = RUN.machine_id) -> Path:
    (path,) = (results / machine_id / "runs").glob("*.jsonl")
    return path


def test_two_machines_are_told_apart_and_said_to_be_synthetic(tmp_path: Path) -> None:
    evidence = two_machines(tmp_path)
    assert {s.id for s in evidence.subjects} == {RUN.machine_id, OTHER}
    labels = [s.label for s in evidence.subjects]
    assert len(set(labels)) == 2
    assert all("(synthetic)" in label for label in labels)
    assert not evidence.skipped
    assert all(s.machine is not None and s.rows and s.sweeps for s in evidence.subjects)


@pytest.mark.parametrize("how", ["folder", "machine folder", "files", "glob", "ids", "run alone"])
def test_files_folders_globs_and_ids_name_the_same(tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_machines(tmp_path)
    monkeypatch.chdir(tmp_path)
    words = {
        "folder": ["."],
        "machine folder": [RUN.machine_id, OTHER],
        "files": [str(p) for p in sorted(tmp_path.rglob("*.json*"))],
        "glob": ["**/machine.json", f"{tmp_path}/*/runs/*.jsonl"],
        "ids": ["synthetic-16c", "synthetic-neo"],
        "run alone": ["5a3e", str(run_file(tmp_path, OTHER))],
    }[how]
    wanted = gather([], tmp_path)
    found = gather(words, tmp_path)
    assert [(s.id, s.label, len(s.rows), s.machine is not None) for s in found.subjects] == [
        (s.id, s.label, len(s.rows), s.machine is not None) for s in wanted.subjects
    ]


def test_kernels_keep_their_numbers_whatever_else_takes_part(tmp_path: Path) -> None:
    evidence = two_machines(tmp_path)
    assert evidence.number("vectorized") == 0
    assert evidence.number("openblas@debian") == 1
    assert evidence.name("openblas@debian") == "openblas"
    assert evidence.name("nobody@nowhere") == "nobody@nowhere"


def test_the_newest_row_of_a_cell_counts(tmp_path: Path) -> None:
    write_machines(tmp_path, cells=12)
    later = replace(RUN, id="7c5a", started_at="2026-11-25T10:00:00Z")
    write_sweep(tmp_path, plan(CELLS[:2], ENTRANTS[:3]), run=later, count=40)
    subject = next(s for s in gather([], tmp_path).subjects if s.id == RUN.machine_id)
    again = [r for r in subject.rows if r.case == CELLS[0].case and r.kernel == "vectorized"]
    assert len(again) == 1
    assert again[0].samples == 39  # of 40, one disturbed: the later run's
    assert subject.superseded == 6
    assert len(subject.sweeps) == 2
    assert subject.sweeps[0].run_id == "7c5a"
    best: dict[str, float] = {}
    for row in subject.rows:
        if row.timed:
            best[row.case_id] = min(best.get(row.case_id, math.inf), row.ratio)
    assert set(best.values()) == {1.0}  # ratios are to the fastest of all runs together


def spoil(path: Path, line: int, text: str) -> None:
    lines = path.read_text().splitlines(keepends=True)
    lines.insert(line, text)
    path.write_text("".join(lines))


@pytest.mark.parametrize(
    "text",
    [
        "{\n",
        "\n",
        "[]\n",
        '{"event": "row", "at": "x"}\n',
        '{"event": "row", "at": "x", "payload": {"case": 7}}\n',
        '{"event": "row", "at": "x", "payload": {"case": {"m": -1, "n": 2, "k": 3}, '
        '"variant": {"kernel": "a", "version": "1"}, "status": "ok"}}\n',
        '{"event": "row", "at": "x", "payload": NaN}\n',
        "\ud83d\n".encode("utf-8", errors="surrogatepass").decode("utf-8", errors="replace"),
        '{"a":' * 2000 + "\n",
    ],
)
def test_a_damaged_line_costs_itself(tmp_path: Path, text: str) -> None:
    write_machines(tmp_path)
    whole = gather([], tmp_path)
    spoil(run_file(tmp_path), 9, text)
    found = gather([], tmp_path)
    assert sum(len(s.rows) for s in found.subjects) == sum(len(s.rows) for s in whole.subjects)
    assert len(found.skipped) == 1
    assert "the line was skipped" in found.skipped[0].reason
    assert "line 10" in found.skipped[0].reason


def test_many_damaged_lines_are_counted_not_listed(tmp_path: Path) -> None:
    write_machines(tmp_path)
    spoil(run_file(tmp_path), 9, "{\n" * 100)
    said = [s.reason for s in gather([], tmp_path).skipped]
    assert len(said) == 6
    assert "95 more damaged lines" in said[-1]


def test_a_torn_end_is_told_and_additional_keys_are_ignored(tmp_path: Path) -> None:
    write_machines(tmp_path)
    path = run_file(tmp_path)
    document = json.loads(path.read_text().splitlines()[10])
    document["novel"] = {"of": "a newer writer"}
    document["payload"]["novel"] = 1
    with path.open("a") as file:
        file.write(json.dumps(document) + "\n" + json.dumps(document)[:100])
    found = gather([], tmp_path)
    assert [s.reason for s in found.skipped] == [
        f"line {path.read_text().count(chr(10)) + 1} is torn (the run was cut off while writing it) and was skipped"
    ]  # the path stands before it, and once


def test_damaged_files_cost_themselves(tmp_path: Path) -> None:
    write_machines(tmp_path)
    for name, content in (
        ("empty.jsonl", b""),
        ("binary.jsonl", bytes(range(256))),
        ("newer.jsonl", b'{"schema": 99, "id": "x", "kind": "sweep", "machine_id": "m", "started_at": "t"}\n'),
        ("planless.jsonl", b'{"schema": 1, "id": "x", "kind": "sweep", "machine_id": "m", "started_at": "t"}\n'),
        ("evil.jsonl", b'{"schema": 1, "id": "../../x", "kind": "sweep", "machine_id": "../../etc/passwd", "started_at": "t"}\n'),
        ("machine.json", b"{"),
    ):
        (tmp_path / "x").mkdir(exist_ok=True)
        (tmp_path / "x" / name).write_bytes(content)
    found = gather([], tmp_path)
    assert {s.id for s in found.subjects} == {RUN.machine_id, OTHER}
    assert len(found.skipped) == 6
    assert any("schema 99" in s.reason for s in found.skipped)


def test_a_probe_run_beside_is_no_sweep_and_no_fault(tmp_path: Path) -> None:
    write_machines(tmp_path)
    run_file(tmp_path).with_name("20260101T000000Z-probe.jsonl").write_text(
        '{"schema": 1, "id": "probe", "kind": "probe", "machine_id": "synthetic-16c-000000", "started_at": "2026-01-01T00:00:00Z"}\n'
    )
    assert not gather([], tmp_path).skipped


def test_a_sweep_without_a_machine_file_and_a_machine_without_sweeps(tmp_path: Path) -> None:
    write_sweep(tmp_path / "a")
    (subject,) = gather([], tmp_path / "a").subjects
    assert subject.machine is None
    assert subject.no_machine
    assert subject.rows
    save_machine(tmp_path / "b", replace(synthetic_machine(), id="synthetic-x-1"))
    (subject,) = gather([], tmp_path / "b").subjects
    assert not subject.rows
    assert gather([], tmp_path / "nothing") == Evidence(())


def test_words_that_name_nothing_are_refused(tmp_path: Path) -> None:
    for word in ("nowhere", "*.nothing", "", "a\0b", "x" * 5000):
        with pytest.raises(UsageError):
            gather([word], tmp_path)


def test_rows_beyond_the_most_are_skipped_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_machines(tmp_path)
    assert MOST_ROWS > 100_000
    monkeypatch.setattr("mmbench.reports.page.evidence.MOST_ROWS", 20)
    found = gather([], tmp_path)
    assert sum(len(s.rows) for s in found.subjects) == 20  # of all machines together
    assert len(found.skipped) == 2
    assert all("rows beyond the first" in s.reason for s in found.skipped)


def test_everything_that_is_skipped_is_named_once_with_the_reason(tmp_path: Path) -> None:
    write_machines(tmp_path, cells=12)
    runs = tmp_path / RUN.machine_id / "runs"
    os.mkfifo(runs / "pipe.jsonl")
    (runs / "folder.jsonl").mkdir()
    (runs / "loop.jsonl").symlink_to("loop.jsonl")
    (runs / "gone.jsonl").symlink_to("nowhere")
    (runs / "torn.jsonl").write_text("{")
    with RunWriter(tmp_path).open(replace(RUN, id="aaaa", kind="dance")):
        pass
    with RunWriter(tmp_path).open(replace(RUN, id="bbbb", kind="probe")):
        pass  # holds what the machine file holds: not worth a word
    (tmp_path / "circle").symlink_to(".")
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (tmp_path / "elsewhere").symlink_to(outside)
    found = {Path(s.place).name: s.reason for s in gather([], tmp_path).skipped}
    assert [name for name, words in _SKIPPED.items() if not found.get(name, "").startswith(words)] == []
    assert set(found) == {*_SKIPPED, next(p.name for p in runs.iterdir() if "aaaa" in p.name)}
    assert all(str(tmp_path) not in reason for reason in found.values())
    (dance,) = (reason for name, reason in found.items() if "aaaa" in name)
    assert dance == "there is no kind of run that is called 'dance'"


_SKIPPED = {
    "pipe.jsonl": "this is a pipe, not a file",
    "folder.jsonl": "this is a folder, not a file",
    "loop.jsonl": "cannot be read: ",
    "gone.jsonl": "cannot be read: ",
    "torn.jsonl": "line 1: not valid JSON",
    "elsewhere": "a link to a folder elsewhere is not followed",
}


def test_a_pipe_that_is_named_is_said_to_be_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is a pipe, not a file"):
        gather([str(tmp_path / "pipe")], tmp_path)
    write_machines(tmp_path, cells=12)
    (skipped,) = gather([str(tmp_path / "*")], tmp_path).skipped  # a pattern may meet one among others
    assert skipped.reason == "this is a pipe, not a file"


def spoil_rows(path: Path, change: dict[str, object]) -> int:
    """Every row that is right, changed in its samples or its case; how many."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    changed = 0
    for line in lines:
        payload = line.get("payload")
        if line.get("event") != "row" or payload["status"] not in ("ok", "noisy"):
            continue
        changed += 1
        count = len(payload["samples"]["time_s"])
        for name, value in change.items():
            if name == "threads":
                payload["case"][name] = value
            else:
                payload["samples"][name] = value if isinstance(value, list) else [value] * count
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return changed


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"time_s": -1.0}, "without a usable time"),
        ({"time_s": 0}, "without a usable time"),
        ({"time_s": [], "calls": [], "clock_hz": [], "at_s": [], "dirty": []}, "without a usable time"),
        ({"time_s": 1e308}, "with a call above a day"),
        ({"time_s": 1e-12}, "with a call below 1 ns"),
        ({"clock_hz": 1e30}, "with a clock outside 10 MHz to 20 GHz"),
        ({"clock_hz": 3.0}, "with a clock outside 10 MHz to 20 GHz"),
        ({"threads": 1_000_000}, "for more than 65536 threads"),
    ],
    ids=["negative", "zero", "none", "too long", "too short", "clock too fast", "clock too slow", "threads"],
)
def test_rows_that_cannot_be_are_set_aside_and_counted(tmp_path: Path, change: dict[str, object], why: str) -> None:
    write_machines(tmp_path, cells=12)
    path = run_file(tmp_path)
    count = spoil_rows(path, change)
    found = gather([], tmp_path)
    (skipped,) = found.skipped
    assert skipped.place == str(path)
    assert skipped.reason.startswith(f"{count} rows {why} were set aside, the first in line ")
    subject = next(s for s in found.subjects if s.id == RUN.machine_id)
    assert not any(row.timed for row in subject.rows)
    assert len(read_sweep(path).rows) > count  # the file itself can be read as ever
    lead = " ".join(b.text for b in verdict(found) if isinstance(b, Prose))
    assert "e+" not in lead
    assert "1,000,000" not in lead
    alone = arranged([subject], found.skipped)
    lead = " ".join(b.text for b in verdict(alone) if isinstance(b, Prose))
    assert "no kernel gave a right result" in lead
    assert "No kernel gave a wrong result" not in lead


def test_a_sweep_of_which_nothing_is_left_was_swept_all_the_same(tmp_path: Path) -> None:
    write_machines(tmp_path, cells=12)
    path = run_file(tmp_path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    kept = [line for line in lines if line.get("event") != "row" or line["payload"]["status"] == "ok"]
    path.write_text("".join(json.dumps(line) + "\n" for line in kept))
    spoil_rows(path, {"time_s": 0})
    told = [item for b in verdict(gather([], tmp_path)) if isinstance(b, Points) for item in b.items]
    assert [words for _, words in told if "no row of its sweeps could be read" in words]
    assert not [words for _, words in told if "not swept" in words]
    path.write_text("".join(json.dumps(line) + "\n" for line in kept if line.get("event") != "plan"))  # no sweep at all
    told = [item for b in verdict(gather([], tmp_path)) if isinstance(b, Points) for item in b.items]
    assert [words for _, words in told if "no row of its sweeps could be read" in words]
    path.unlink()
    told = [item for b in verdict(gather([], tmp_path)) if isinstance(b, Points) for item in b.items]
    assert [words for _, words in told if "was probed but not swept" in words]
