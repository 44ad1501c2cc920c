"""No output destroys what was measured: what is read, and what is stored, is never written over, whatever the command."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from mmbench.cli import export, main
from mmbench.configs.errors import StoreError
from mmbench.configs.store import load_machine, machine_text, save_machine
from report_evidence import OTHER, write_machines
from synthetic_machine import synthetic_machine
from synthetic_sweep import RUN


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results of two machines in `r`, beside which the test works."""
    write_machines(tmp_path / "r", cells=12)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "r"


def mmbench(results: Path, *words: str) -> Result:
    return CliRunner().invoke(main.cli, ["--results", str(results), *words])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def run_of(results: Path, machine_id: str = RUN.machine_id) -> Path:
    (path,) = (results / machine_id / "runs").glob("*.jsonl")
    return path


@pytest.mark.parametrize("through", ["itself", "link"])
@pytest.mark.parametrize(
    "words",
    [
        ("report", "r", "--format", "md", "-o", "MACHINE"),
        ("report", "RUN", "--format", "csv", "-o", "RUN"),
        ("report", OTHER, "--format", "json", "-o", "RUN"),  # stored, though it is not read here
        ("report", OTHER, "-o", "MACHINE"),
        ("export", "csv", "RUN", "-o", "RUN"),
        ("export", "json", "MACHINE", "-o", "MACHINE"),
        ("export", "json", OTHER, "-o", "MACHINE"),
        ("export", "parquet", "r", "-o", "RUN"),
    ],
    ids=" ".join,
)
def test_what_is_read_or_stored_is_not_written_over(stored: Path, words: tuple[str, ...], through: str) -> None:
    places = {"MACHINE": stored / RUN.machine_id / "machine.json", "RUN": run_of(stored)}
    before = contents(stored)
    said = [str(places.get(word, word)) for word in words]
    if through == "link":
        said[-1] = f"link{Path(said[-1]).suffix}"
        Path(said[-1]).symlink_to(places[words[-1]])
    result = mmbench(stored, *said)
    assert result.exit_code == 2, result.output
    assert "would be overwritten" in result.stderr
    assert contents(stored) == before


def test_a_copy_of_a_machine_is_no_store_and_an_input_of_any_name_is_one(stored: Path) -> None:
    for _ in range(2):  # the second time over the first
        assert mmbench(stored, "export", "json", OTHER, "-o", "machine.json").exit_code == 0
    assert mmbench(stored, "report", "machine.json", "--section", "verdict", "-o", "machine.json").exit_code == 2
    Path("alone").mkdir()
    folder = save_machine(Path("alone"), synthetic_machine())  # no runs beside it: its folder's name says what it is
    assert mmbench(stored, "report", OTHER, "--section", "verdict", "--format", "md", "-o", str(folder)).exit_code == 2


def test_figures_go_through_no_link_into_the_store(stored: Path) -> None:
    Path("f").mkdir()
    listed = mmbench(stored, "plot").stdout.split()
    name = next(word for word in listed if word.startswith("latency"))
    before = contents(stored)
    (Path("f") / f"{name}.svg").symlink_to(run_of(stored))
    result = mmbench(stored, "report", "--section", "memory", "--figures", "f", "-o", "r.html")
    assert result.exit_code == 2
    assert "--figures" in result.stderr
    assert mmbench(stored, "plot", name, "-o", f"f/{name}.svg").exit_code == 2
    assert contents(stored) == before


def test_a_sweep_refuses_to_export_over_a_run(stored: Path) -> None:
    before = contents(stored)
    result = mmbench(stored, "sweep", "--preset", "quick", "--export-json", str(run_of(stored)))
    assert result.exit_code == 2
    assert "--export-json" in result.stderr
    assert "would be overwritten" in result.stderr
    assert contents(stored) == before


def test_a_report_goes_into_a_pipe_and_leaves_it_there(stored: Path) -> None:
    os.mkfifo("pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(Path("pipe").read_text(encoding="utf-8")))
    reader.start()
    result = mmbench(stored, "report", "--section", "verdict", "--format", "md", "-o", "pipe")
    reader.join(20)
    assert result.exit_code == 0, result.stderr
    assert read[0].startswith("# ")
    assert Path("pipe").is_fifo()
    assert result.stdout == ""  # a pipe may end in the same reader


@pytest.mark.parametrize("name", ["x.pdf", "x.txt", "x.png", "report.2026"])
def test_an_ending_that_is_no_format_is_refused(stored: Path, name: str) -> None:
    result = mmbench(stored, "report", "-o", name)
    assert result.exit_code == 2
    assert ".html, .md, .csv, .json" in result.stderr
    assert not Path(name).exists()
    assert mmbench(stored, "report", "--section", "verdict", "--format", "md", "-o", name).exit_code == 0
    assert Path(name).read_text(encoding="utf-8").startswith("# ")


def test_a_page_needs_no_ending(stored: Path) -> None:
    assert mmbench(stored, "report", "--section", "verdict", "-o", "page").exit_code == 0
    assert Path("page").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("code", [2, 0])
def test_parquet_into_what_takes_no_bytes_is_one_sentence(stored: Path, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_descriptor: int, _content: bytes) -> None:
        raise OSError(28, "No space left on device") if code else BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(export, "write_all", refuse)
    if code:
        with pytest.raises(StoreError, match="standard output cannot be written: No space left on device"):
            export._write_binary(b"PAR1")
    else:
        with pytest.raises(BrokenPipeError):
            export._write_binary(b"PAR1")


def test_parquet_behind_a_redirection_is_whole(stored: Path) -> None:
    command = [sys.executable, "-m", "mmbench", "--results", str(stored), "export", "parquet"]
    with Path("out").open("wb") as stream:
        subprocess.run(command, stdout=stream, check=True, timeout=120)
    written = Path("out").read_bytes()
    assert written[:4] == written[-4:] == b"PAR1"


def test_export_takes_folders_as_report_does(stored: Path) -> None:
    nowhere = stored / "nowhere"
    whole = {form: mmbench(stored, "export", form).stdout for form in ("csv", "json", "gbench", "junit")}
    one = mmbench(stored, "export", "csv", OTHER).stdout
    assert whole["csv"].startswith("path,")
    assert {form: mmbench(nowhere, "export", form, "r").stdout for form in whole} == whole
    assert mmbench(nowhere, "export", "csv", f"r/{OTHER}").stdout == one
    sweep = mmbench(stored, "export", "gbench", str(run_of(stored, OTHER))).stdout
    assert mmbench(nowhere, "export", "gbench", f"r/{OTHER}").stdout == sweep
    assert mmbench(nowhere, "export", "csv", "--curves", "r").exit_code == 0
    (stored / OTHER / "machine.json").unlink()
    assert mmbench(nowhere, "export", "csv", f"r/{OTHER}").stdout.startswith("machine,")  # there is a sweep, and nothing else
    Path("empty").mkdir()
    for form in ("csv", "parquet"):
        result = mmbench(stored, "export", form, "empty")
        assert result.exit_code == 2
        assert "is stored in empty" in result.stderr


def test_a_machine_alone_in_a_folder_is_exported_whole(stored: Path) -> None:
    path = stored / RUN.machine_id / "machine.json"
    assert mmbench(stored, "export", "json", str(path.parent)).stdout == machine_text(load_machine(path))
