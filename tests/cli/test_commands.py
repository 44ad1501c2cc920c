"""Each reading command on a stored machine that nobody measured."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from mmbench.cli import export, main
from mmbench.cli.listing import KINDS
from mmbench.configs import store
from mmbench.configs.machine import Machine
from mmbench.configs.runs import Run
from mmbench.kernels.vendor.library import libraries
from mmbench.reports.csvtext import csv_text
from synthetic_machine import synthetic_machine

MACHINE = synthetic_machine()


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A results folder with one machine and one run, and a home without settings."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", "")
    for name in ("MMBENCH_RESULTS", "MMBENCH_COLOR", "MMBENCH_ASCII"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "results"
    store.save_machine(folder, MACHINE)
    run = Run(1, "7c2e", "probe", MACHINE.id, "2026-01-02T03:04:05Z", {"effort": "quick"}, 7, {"mmbench": "0.1.0"})
    with store.RunWriter(folder).open(run) as writer:
        writer.append("curve", {"label": "clock"})
        writer.append("curve", {"label": "latency"})
        writer.append("ended", {"interrupted": False})
    return folder


def mmbench(results: Path, *words: str) -> Result:
    return CliRunner().invoke(main.cli, ["--results", str(results), *words])


def good(results: Path, *words: str) -> str:
    result = mmbench(results, *words)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_show_draws_the_machine_that_was_probed_last(results: Path) -> None:
    shown = good(results, "show")
    assert "Synthetic 4-core" in shown
    assert "L2" in shown
    assert "\x1b" not in shown
    assert good(results, "show", "synth") == shown
    assert good(results, "show", str(results / MACHINE.id)) == shown
    assert CliRunner().invoke(main.cli, ["show", "--results", str(results)]).stdout == shown


def test_show_draws_in_colour_and_in_ascii_when_asked(results: Path) -> None:
    assert "\x1b[" in CliRunner().invoke(main.cli, ["--color", "--results", str(results), "show"], color=True).stdout
    assert CliRunner().invoke(main.cli, ["--ascii", "--results", str(results), "show"]).stdout.isascii()


def test_show_json_is_the_stored_document(results: Path) -> None:
    document = json.loads(good(results, "show", "--json"))
    assert document["schema"] == 1
    assert store.parse_machine(good(results, "show", "--json"), "here") == MACHINE


def test_show_of_a_run_counts_its_events(results: Path) -> None:
    for name in ("7c2e", str(next((results / MACHINE.id / "runs").iterdir()))):
        shown = good(results, "show", name)
        assert "probe run 7c2e on synthetic-4c-00c0ffee" in shown
        assert "2 curve, 1 ended" in shown
    document = json.loads(good(results, "show", "7c2e", "--json"))
    assert document["schema"] == 1
    assert [event["event"] for event in document["events"]] == ["curve", "curve", "ended"]


def test_show_of_a_torn_run_says_so_and_shows_the_rest(results: Path) -> None:
    path = next((results / MACHINE.id / "runs").iterdir())
    path.write_bytes(path.read_bytes()[:-10])
    result = mmbench(results, "show", "7c2e")
    assert result.exit_code == 0
    assert "torn" in result.stderr
    assert "2 curve" in result.stdout


def test_reinfer_needs_curves(results: Path) -> None:
    store.save_machine(results, dataclasses.replace(MACHINE, curves={}, id="bare-1"))
    result = mmbench(results, "show", "bare-1", "--reinfer")
    assert result.exit_code == 2
    assert "holds no curves" in result.stderr


def test_a_damaged_machine_is_one_sentence(results: Path) -> None:
    path = store.machine_path(results, MACHINE.id)
    path.write_text(path.read_text()[:1000])
    for words in (["show", MACHINE.id], ["show"], ["export", "csv"], ["export", "json", MACHINE.id]):
        result = mmbench(results, *words)
        assert result.exit_code == 2
        assert result.stderr.startswith(f"error: {path}: not valid JSON")
    listed = mmbench(results, "list", "machines")
    assert listed.exit_code == 0
    assert "not valid JSON" in listed.stdout


@pytest.fixture
def no_overrides(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without variables that change what a library does."""
    prefixes = tuple(prefix for library in libraries().values() for prefix in library.prefixes)
    for name in list(os.environ):
        if name.startswith(prefixes):
            monkeypatch.delenv(name)


@pytest.mark.usefixtures("no_overrides")
def test_the_list_of_libraries_names_what_is_here_and_how_to_bring_the_rest(results: Path) -> None:
    text = good(results, "list", "vendors").splitlines()
    items = json.loads(good(results, "list", "vendors", "--json"))["items"]
    assert {item["name"].partition("@")[0] for item in items} == set(libraries())
    for item in items:
        if item["state"] == "absent":
            assert item["reason"]
            assert any(item["reason"][:30] in line for line in text)
            assert not item["bring"] or f"    {item['bring']}" in text
        else:
            assert f"    {item['where']}" in text
            assert item["size_bytes"] > 0 or item["name"].endswith("@macos")  # it lies in the loader's cache
            assert item["overrides"] == []
            assert item["licence"]
    assert max(len(line) for line in text if not line.startswith("    ")) <= 80  # a path stays whole, to be copied


@pytest.mark.usefixtures("no_overrides")
def test_the_list_of_libraries_tells_what_the_environment_makes_them_do(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    items = json.loads(good(results, "list", "vendors", "--json"))["items"]
    told = {item["name"]: item["overrides"] for item in items if item["state"] == "found"}
    assert told
    for name, overrides in told.items():
        assert overrides == (["OPENBLAS_CORETYPE=Haswell"] if name.startswith("openblas@") else [])
    shown = "set here: OPENBLAS_CORETYPE=Haswell" in good(results, "list", "vendors")
    assert shown == any(name.startswith("openblas@") for name in told)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "vendors"])
def test_every_list_has_rows_and_a_json_document(results: Path, kind: str) -> None:
    text = good(results, "list", kind).splitlines()
    assert max(len(line) for line in text) <= 80
    table = [line for line in text if not line.startswith(" ")]
    document = json.loads(good(results, "list", kind, "--json"))
    assert isinstance(document["schema"], int)
    assert document["kind"] == f"list {kind}"
    assert len(document["items"]) == len(table) - 1 > 0


def test_lists_of_nothing_say_what_to_do(results: Path, tmp_path: Path) -> None:
    for kind in ("machines", "runs"):
        result = mmbench(tmp_path / "empty", "list", kind)
        assert result.exit_code == 0
        assert result.stdout == ""
        assert "mmbench probe" in result.stderr


def test_export_json_can_be_read_again(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "m.json"
    result = mmbench(results, "export", "json", "-o", str(out))
    assert result.exit_code == 0
    assert result.stdout == ""
    assert store.load_machine(out) == MACHINE


def test_export_csv_has_a_row_for_each_fact(results: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(good(results, "export", "csv"))))
    assert tuple(rows[0]) == export.FACT_COLUMNS
    by_path = {row["path"]: row for row in rows}
    assert len(by_path) == len(rows)
    sizes = [row for path, row in by_path.items() if path.endswith("L2.size")]
    assert sizes[0]["value"] == str(2 * 1024**2)
    unknown = [row for row in rows if row["value"] == ""]
    assert unknown
    assert all(row["note"] for row in unknown)


def test_export_csv_of_curves_has_a_row_for_each_sample(results: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(good(results, "export", "csv", "--curves"))))
    samples = sum(len(point.time_s) for curve in MACHINE.curves.values() for point in curve.points)
    assert len(rows) == samples


def test_a_word_that_a_spreadsheet_would_run_is_disarmed() -> None:
    text = csv_text([{"a": "=1+1", "b": -1.5, "c": None, "d": 'x,\n"y"', "e": True, "f": "@x"}], tuple("abcdef"))
    assert list(csv.reader(io.StringIO(text)))[1] == ["'=1+1", "-1.5", "", 'x,\n"y"', "true", "'@x"]


def test_an_export_that_cannot_be_written_is_one_sentence(results: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = mmbench(results, "export", "json", "-o", str(tmp_path / "file" / "x.json"))
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


def test_config_tells_where_each_value_comes_from(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMBENCH_SEED", "5")
    monkeypatch.setenv("MMBENCH_SEDE", "6")
    result = mmbench(results, "config", "show", "--origin")
    assert result.exit_code == 0
    lines = {line.split()[0]: line.split()[-1] for line in result.stdout.splitlines()}
    assert lines["seed"] == "$MMBENCH_SEED"
    assert lines["results"] == "--results"
    assert lines["effort"] == "default"
    assert "$MMBENCH_SEDE sets nothing; did you mean $MMBENCH_SEED?" in result.stderr
    document = json.loads(good(results, "config", "show", "--json"))
    assert document["settings"]["seed"] == 5
    assert document["origins"]["seed"] == "$MMBENCH_SEED"


def test_emit_prints_code_for_other_chips(results: Path) -> None:
    kernels = json.loads(good(results, "emit", "--json"))["kernels"]
    assert kernels
    name = min(kernels)
    assert name in good(results, "emit")
    ir = good(results, "emit", name, "--show", "ir", "--target", "neoverse-v2")
    assert "define" in ir
    assembly = good(results, "emit", name, "--target", "neoverse-v2")
    assert "define" not in assembly
    assert assembly == json.loads(good(results, "emit", name, "--target", "neoverse-v2", "--json"))["asm"]


def test_emit_names_what_it_does_not_know(results: Path) -> None:
    name = min(json.loads(good(results, "emit", "--json"))["kernels"])
    unknown_target = mmbench(results, "emit", name, "--target", "pentium")
    assert unknown_target.exit_code == 2
    assert "unknown target 'pentium'" in unknown_target.stderr
    unknown_kernel = mmbench(results, "emit", "zzz")
    assert unknown_kernel.exit_code == 2
    assert "there is no kernel 'zzz'" in unknown_kernel.stderr


def test_a_machine_without_anything_can_be_shown_and_exported(tmp_path: Path) -> None:
    store.save_machine(tmp_path, Machine(1, "bare-1"))
    for words in (["show"], ["show", "--full"], ["export", "csv"], ["export", "csv", "--curves"], ["export", "json"]):
        assert mmbench(tmp_path, *words).exit_code == 0
