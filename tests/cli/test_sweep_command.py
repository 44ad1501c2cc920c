"""`mmbench sweep` as a user types it: what is refused before anything runs, small real sweeps, exports, exit codes, and going on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from mmbench.cli import main
from mmbench.configs.schema_files import sweep_schema
from mmbench.configs.sweeplog import list_sweeps, read_sweep

sys.path.insert(0, str(Path(__file__).parent.parent / "kernels"))
from broken_libraries.build import build, compiler

HURRY = ("--no-probe", "--precision", "50%", "--time-budget", "20s")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the caller's settings; the object cache stays, so that little is compiled."""
    monkeypatch.setenv("XDG_CACHE_HOME", os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser()))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", "")
    for name in ("MMBENCH_RESULTS", "MMBENCH_TIME_BUDGET", "MMBENCH_SEED", "MMBENCH_COLOR", "MMBENCH_ASCII"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def mmbench(*words: str) -> Result:
    return CliRunner().invoke(main.cli, ["--results", "results", *words])


REFUSED = [
    (["--shapes", "0x5"], "shape '0x5', column 1: a size is 0"),
    (["--shapes=-3x2x1"], "shape '-3x2x1', column 1: a size is -3"),
    (["--shapes", "5xfx4"], "shape '5xfx4'"),
    (["--shapes", "99999999x99999999x4"], "more than there is"),
    (["--dtypes", "f33"], "there is no data type 'f33'"),
    (["--preset", "qick"], "there is no preset 'qick'"),
    (["--preset", "./nowhere.toml"], "nowhere.toml"),
    (["--layouts", "xx"], "there is no layout 'xx'"),
    (["--epilogues", "tanh"], "there is no step 'tanh'"),
    (["--threads", "0"], "'0' is no number of threads"),
    (["--threads", "65000"], "65000 threads were asked for"),
    (["--kernels", "vectorised"], "there is no kernel or library 'vectorised'"),
    (["--library", "openblas"], "a name and a path are needed"),
    (["--library", "openblas=/nowhere.so"], "/nowhere.so: cannot be read"),
    (["--library", "nolib=/nowhere.so"], "there is no library 'nolib'"),
    (["-k", "a and ("], "column 8: a word is missing"),
    (["-k", "nosuchword"], "selects no cell"),
    (["--time-budget", "soon"], "'soon' is not a duration"),
    (["--precision", "5"], "--precision: '5' is not a share"),
    (["--fail-on", "everything"], "--fail-on: there is no 'everything'"),
    (["--export-json", "nowhere/x.json"], "--export-json: nowhere/x.json cannot be written"),
    (["--export-json", "x", "--export-junit", "./x"], "name the same file"),
    (["--resume", "nosuch"], "no run 'nosuch' is stored"),
    (["--resume", "--shapes", "64"], "--shapes cannot be given with it"),
    (["--dtypes", "s8", "--epilogues", "gelu"], "gives integers"),
]


@pytest.mark.parametrize(("words", "message"), REFUSED, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_bad_words_are_one_sentence_before_anything_runs(words: list[str], message: str) -> None:
    result = mmbench("sweep", *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) <= 2
    assert not Path("results").exists()


def test_a_malformed_preset_is_refused_with_its_line() -> None:
    Path("mine.toml").write_text('schema = 1\n[[grid]\nshapes = ["64"]\n')
    result = mmbench("sweep", "--preset", "./mine.toml")
    assert result.exit_code == 2
    assert "mine.toml: not valid TOML" in result.stderr
    assert "line 2" in result.stderr


@pytest.mark.parametrize("name", ["text.so", "cut.so", "foreign.so", "other.so"])
def test_a_library_that_cannot_be_used_is_refused_with_its_path(name: str) -> None:
    system = next(Path("/").glob("lib/*/libm.so.6"), None) or next(Path("/").glob("usr/lib*/libm.so.6"), None)
    if system is None:
        pytest.skip("needs Linux")
    whole = bytearray(system.read_bytes())
    foreign = bytearray(whole)
    foreign[18] = 243 if sys.platform != "linux" or foreign[18] != 243 else 62  # e_machine: RISC-V
    content = {"text.so": b"hello\n", "cut.so": bytes(whole[:700]), "foreign.so": bytes(foreign), "other.so": bytes(whole)}[name]
    Path(name).write_bytes(content)
    result = mmbench("sweep", "--shapes", "64", "--library", f"openblas={name}")
    assert result.exit_code == 2
    assert name in result.stderr
    expected = {"text.so": "is no shared library", "cut.so": "", "foreign.so": "is for riscv64", "other.so": "has no function"}[name]
    assert expected in result.stderr
    assert not Path("results").exists()


def test_a_dry_run_lists_the_cells_and_runs_nothing() -> None:
    result = mmbench("sweep", "--dry-run", "--shapes", "64,32x48x16:nt", "--dtypes", "f32,s8", "--kernels", "own/*")
    assert result.exit_code == 0
    assert "nothing was run" in result.stdout
    assert "32x48x16:nt" in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= 80
    document = json.loads(mmbench("sweep", "--dry-run", "--preset", "ci", "--json").stdout)
    assert document["cells"]
    assert not Path("results").exists()


def test_the_seed_alone_decides_the_order() -> None:
    orders = [
        [cell["case"] for cell in json.loads(mmbench("sweep", "--dry-run", "--json", "--seed", seed).stdout)["cells"]]
        for seed in ("1", "1", "2")
    ]
    assert orders[0] == orders[1] != orders[2]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """One small real sweep with all of its exports."""
    folder = tmp_path_factory.mktemp("swept")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        words = ["--shapes", "24x32x16,33", "--dtypes", "f32,s8", "--kernels", "naive,vectorized", *HURRY]
        exports = ["--export-json", "out.json", "--export-junit", "out.xml", "--export-markdown", "out.md"]
        return folder, mmbench("sweep", *words, *exports)


def test_a_sweep_ends_with_its_tables(swept: tuple[Path, Result]) -> None:
    folder, result = swept
    assert result.exit_code == 0, result.output
    for word in ("24x32x16", "vectorized serves 4", "of 4 cells"):
        assert word in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= 80
    (stored,) = list_sweeps(folder / "results")
    run = read_sweep(stored.path)
    assert run.finished
    assert len(run.rows) == 8
    assert {row.status.value for row in run.rows} <= {"ok", "noisy"}
    for row in run.rows:
        assert row.check is not None
        assert row.check.passed
        assert row.first_call_s is not None
        assert row.code_sha
        assert len(row.samples.time_s) >= 6


def test_its_exports_say_the_same(swept: tuple[Path, Result]) -> None:
    import jsonschema

    folder, _ = swept
    document = json.loads((folder / "out.json").read_text())
    jsonschema.validate(document, sweep_schema())
    assert len(document["rows"]) == 8
    root = ET.parse(folder / "out.xml").getroot()
    assert len(list(root.iter("testcase"))) == 8
    assert "24x32x16" in (folder / "out.md").read_text()


def test_a_stored_sweep_is_shown_again(swept: tuple[Path, Result]) -> None:
    folder, first = swept
    (stored,) = list_sweeps(folder / "results")
    shown = CliRunner().invoke(main.cli, ["--results", str(folder / "results"), "show", stored.path.stem.split("-")[-1]])
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.splitlines()[:1] == first.stdout.splitlines()[:1]
    assert CliRunner().invoke(main.cli, ["--results", str(folder / "results"), "show", str(stored.path), "--full"]).exit_code == 0
    listed = CliRunner().invoke(main.cli, ["--results", str(folder / "results"), "list", "runs"])
    assert "sweep" in listed.stdout


def test_a_finished_sweep_is_not_resumed(swept: tuple[Path, Result]) -> None:
    folder, _ = swept
    (stored,) = list_sweeps(folder / "results")
    again = CliRunner().invoke(main.cli, ["--results", str(folder / "results"), "sweep", "--resume", stored.path.stem.split("-")[-1]])
    assert again.exit_code == 2
    assert "nothing is left" in again.stderr
    newest = CliRunner().invoke(main.cli, ["--results", str(folder / "results"), "sweep", "--resume"])
    assert newest.exit_code == 2
    assert "no unfinished sweep" in newest.stderr


@pytest.mark.skipif(compiler() is None, reason="needs gcc")
def test_a_wrong_library_fails_the_command_unless_that_is_asked_for(tmp_path: Path) -> None:
    path = build(tmp_path, "writes_nothing" if "writes_nothing" in manners() else manners()[0])
    words = ["sweep", "--shapes", "24", "--kernels", "vectorized", "--library", f"openblas={path}", *HURRY]
    result = mmbench(*words)
    assert result.exit_code == 4, result.output
    assert "WRONG openblas" in result.stdout
    assert "1 row is wrong" in result.stderr
    assert mmbench(*words, "--fail-on", "none").exit_code == 0


def manners() -> list[str]:
    from broken_libraries.build import MANNERS

    return [name for name in MANNERS if name != "right"]


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs Linux")
def test_a_sweep_that_was_killed_goes_on_without_losing_or_doubling_a_row(tmp_path: Path) -> None:
    words = ["sweep", "--shapes", "24,25,26,27,28,29", "--kernels", "naive,vectorized", "--no-probe", "--precision", "50%"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mmbench", "--results", "results", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    results = Path("results")
    deadline = time.monotonic() + 60
    rows: list[str] = []
    while time.monotonic() < deadline and len(rows) < 3:
        time.sleep(0.05)
        files = list(results.glob("*/runs/*.jsonl"))
        rows = [line for line in files[0].read_text().splitlines() if '"event": "row"' in line or '"event":"row"' in line] if files else []
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert 3 <= len(rows) < 12, "it ended before it could be killed"
    with files[0].open("a") as file:
        file.write('{"event": "row", "payl')  # and the line that it was writing
    result = mmbench("sweep", "--resume")
    assert result.exit_code == 0, result.output
    run = read_sweep(files[0])
    counted = Counter((row.case.id, row.variant.kernel) for row in run.rows)
    assert set(counted.values()) == {1}
    assert len(counted) == 12
    kept = files[0].read_text()
    assert all(row in kept for row in rows)
    assert not psutil_children_of(process.pid)


def psutil_children_of(pid: int) -> list[int]:
    """Workers that outlived the killed parent."""
    import psutil

    return [p.pid for p in psutil.process_iter() if p.ppid() == pid]
