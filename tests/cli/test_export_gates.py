"""Gates written for other programs by the command, and by what a failing gate leaves behind."""

from __future__ import annotations

import shutil
from pathlib import Path

import click
import gate_documents
import pytest
from click.testing import CliRunner, Result
from gate_documents import Found
from mmbench.cli import main
from mmbench.cli.gate_exports import EXPORT_OPTIONS, SUMMARY, GateExports, gate_export_options
from mmbench.configs.errors import MmbenchError, StoreError, UsageError
from mmbench.reports.gate_exports import GATE_FORMS, gate_export_text
from synthetic_sweep import write_sweep


@pytest.fixture(scope="module")
def regressed(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """A stored gate."""
    return gate_documents.regressed(tmp_path_factory.mktemp("results"))


@pytest.fixture
def results(regressed: Found, tmp_path: Path) -> Path:
    """A copy of the folder that it is in."""
    return Path(shutil.copytree(regressed[0].path.parents[2], tmp_path / "results"))


def mmbench(results: Path, *words: str) -> Result:
    return CliRunner().invoke(main.cli, ["--results", str(results), *words])


@pytest.mark.parametrize("form", GATE_FORMS)
def test_every_form_of_a_stored_gate(form: str, regressed: Found, tmp_path: Path) -> None:
    gate, document = regressed
    out = tmp_path / "out"
    result = mmbench(gate.path.parents[2], "export", form, "aa02", "-o", str(out))
    assert result.exit_code == 0, result.output
    assert out.read_text() == gate_export_text(form, document, gate)


def test_a_gate_can_be_named_by_its_file_and_go_to_standard_output(regressed: Found, tmp_path: Path) -> None:
    gate, document = regressed
    result = mmbench(tmp_path, "export", "junit", str(gate.path))
    assert result.stdout == gate_export_text("junit", document, gate)


def test_the_newest_run_that_can_be_exported_so_is_meant(results: Path) -> None:
    write_sweep(results)  # newer than the gate
    assert '<testsuites name="mmbench sweep"' in mmbench(results, "export", "junit").stdout
    assert "mmbench_gate_verdict" in mmbench(results, "export", "openmetrics").stdout
    assert "mmbench_gate_verdict" in mmbench(results, "export", "openmetrics", str(results)).stdout


def test_what_cannot_be_exported_is_one_sentence(results: Path, tmp_path: Path) -> None:
    sweep = write_sweep(results)
    (tmp_path / "empty").mkdir()
    for words, said in (
        (["parquet", "aa02"], "is a gate, and parquet takes a sweep"),
        (["openmetrics", str(sweep)], "this is a sweep run, not a gate"),
        (["gab", str(tmp_path / "empty")], "no gate is stored in"),
        (["junit", str(tmp_path / "empty")], "no sweep or gate is stored in"),
    ):
        result = mmbench(results, "export", *words)
        assert result.exit_code == 2, words
        assert said in result.stderr
    nothing = mmbench(tmp_path / "elsewhere", "export", "bencher")
    assert nothing.exit_code == 2
    assert "mmbench sweep --against" in nothing.stderr


def test_a_gate_without_a_time_has_no_pyperf(tmp_path: Path) -> None:
    gate, document = gate_documents.found(gate_documents.synthetic_gate(tmp_path / "results", screen=0, confirm=0, finished=False))
    assert {row.verdict for row in document.rows} == {"missing"}
    result = mmbench(tmp_path, "export", "pyperf", str(gate.path))
    assert result.exit_code == 2
    assert "has no cell with a time" in result.stderr


def exports(**words: object) -> GateExports:
    given: dict[str, object] = {}

    @click.command()
    @gate_export_options
    def command(**found: object) -> None:
        given.update(found)

    arguments = [
        text for name, value in words.items() for text in ([f"--{name.replace('_', '-')}"] + ([str(value)] if value is not True else []))
    ]
    result = CliRunner().invoke(command, arguments, standalone_mode=False)
    assert result.exception is None
    return GateExports(given)


def test_all_files_are_written_and_the_summary_is_added_to(
    regressed: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gate, document = regressed
    summary = tmp_path / "summary.md"
    summary.write_text("what an earlier step wrote\n")
    monkeypatch.setenv(SUMMARY, str(summary))
    asked = exports(**{f"export_{form}": tmp_path / form for form in EXPORT_OPTIONS}, github=True)
    asked.check()
    asked.write(document, gate)
    for form in EXPORT_OPTIONS:
        assert (tmp_path / form).read_text() == gate_export_text(form, document, gate)
    assert summary.read_text() == "what an earlier step wrote\n" + gate_export_text("markdown", document, gate)
    said = capsys.readouterr()
    assert said.out == ""  # which is the answer's
    assert "\n::error title=mmbench%3A regression " in said.err


def test_one_file_that_fails_keeps_no_other_from_being_written(regressed: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, document = regressed
    monkeypatch.setenv(SUMMARY, str(tmp_path / "summary.md"))
    asked = exports(export_json="/dev/full", export_junit=tmp_path / "b.xml", github=True)
    with pytest.raises(StoreError, match="/dev/full") as raised:
        asked.write(document, gate)
    assert "mmbench export" in raised.value.hint
    assert (tmp_path / "b.xml").exists()
    assert (tmp_path / "summary.md").exists()


def test_what_could_not_be_written_is_said_before_anything_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for words, error in (
        ({"export_gab": tmp_path}, UsageError),
        ({"export_gab": "-"}, UsageError),
        ({"export_gab": tmp_path / "x", "export_pyperf": tmp_path / "x"}, UsageError),
        ({"export_bencher": tmp_path / "gone" / "x"}, StoreError),
    ):
        with pytest.raises(error):
            exports(**words).check()
    monkeypatch.setenv(SUMMARY, str(tmp_path / "gone" / "summary.md"))
    with pytest.raises(MmbenchError, match="--github: "):
        exports(github=True).check()
    monkeypatch.delenv(SUMMARY)
    exports(github=True).check()  # elsewhere than on GitHub there is no summary


def test_github_alone_writes_no_file(regressed: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SUMMARY, raising=False)
    before = set(tmp_path.rglob("*"))
    exports(github=True).write(regressed[1], regressed[0])
    assert set(tmp_path.rglob("*")) == before
