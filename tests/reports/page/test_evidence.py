"""What a report stands on: files of every kind found, hostile and damaged ones skipped by name, the newest row of each cell kept."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from mmbench.configs.errors import UsageError
from mmbench.configs.store import save_machine
from mmbench.reports.page.evidence import MOST_ROWS, Evidence, gather
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
        f"{path}: line {path.read_text().count(chr(10)) + 1} is torn (the run was cut off while writing it) and was skipped"
    ]


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
    assert all(len(s.rows) == 20 for s in found.subjects)
    assert all("rows beyond the first 20 were skipped" in s.reason for s in found.skipped)
