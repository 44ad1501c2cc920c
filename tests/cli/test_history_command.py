"""`mmbench history` as a user types it: whose runs are read, what is chosen, every error; and the commit that a sweep notes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result
from mmbench.cli import main, revision
from mmbench.cli.history import _since
from mmbench.configs.errors import UsageError
from mmbench.configs.schema_files import history_schema
from synthetic_history import MACHINE, course, write_day, write_history


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    write_history(folder, 20)
    write_day(folder, 3, course(), machine="synthetic-other-000000", run_id="0the")
    return folder


def history(results: Path, *words: str) -> Result:
    return CliRunner().invoke(main.cli, ["--results", str(results), "history", *words], env={"COLUMNS": "80"})


def test_the_screen_and_the_document(results: Path) -> None:
    shown = history(results, "--machine", MACHINE)
    assert shown.exit_code == 0, shown.output
    assert "20 runs" in shown.output
    found = history(results, "--machine", "synthetic-h", "--json")
    document = json.loads(found.stdout)
    jsonschema.validate(document, history_schema())
    assert (document["kind"], document["machine_id"], len(document["runs"])) == ("history", MACHINE, 20)


def test_files_folders_and_globs(results: Path) -> None:
    folder = results / MACHINE
    for words in ([str(folder)], [str(folder / "runs" / "*.jsonl")], sorted(map(str, (folder / "runs").iterdir()))):
        document = json.loads(history(Path("nowhere"), *words, "--json").stdout)
        assert len(document["runs"]) == 20
    both = history(results, str(results))
    assert both.exit_code == 2
    assert "2 machines" in both.output


def test_what_is_asked_for(results: Path) -> None:
    def series(*words: str) -> list[tuple[str, str]]:
        found = json.loads(history(results, "--machine", MACHINE, "--json", *words).stdout)["series"]
        return [(s["kernel"], s["cell"]) for s in found]

    assert {kernel for kernel, _ in series("--kernels", "openblas")} == {"openblas@debian"}
    assert len(series("-k", "f64 and vectorized")) == 2
    assert len(json.loads(history(results, "--machine", MACHINE, "--since", "2026-09-11", "--json").stdout)["runs"]) == 10
    nothing = history(results, "--machine", MACHINE, "-k", "mkl")
    assert nothing.exit_code == 2
    assert json.loads(history(results, "--machine", MACHINE, "--reference", "vectorized", "--json").stdout)["reference"] == "vectorized"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--machine", "zen"], 5, "no sweep or gate of machine zen"),
        ([], 5, "choose one with --machine"),
        (["--machine", "synthetic"], 2, "could mean 2 machines"),
        (["--machine", MACHINE, "--since", "soon"], 2, "is no date"),
        (["--machine", MACHINE, "--since", "2027-01-01"], 5, "since 2027-01-01"),
        (["--machine", MACHINE, "--reference", "mkl"], 2, "no sweep here has a time of 'mkl'"),
        (["--machine", MACHINE, "-k", "("], 2, "-k"),
        (["--machine", ""], 2, "--machine"),
        (["nowhere/*.jsonl"], 2, "no file, folder or glob"),
    ],
)
def test_errors(results: Path, words: list[str], code: int, said: str) -> None:
    found = history(results, *words)
    assert (found.exit_code, said in found.output) == (code, True), found.output


def test_damaged_files_cost_themselves(tmp_path: Path) -> None:
    write_history(tmp_path, 9)
    first, second, *_ = sorted((tmp_path / MACHINE / "runs").iterdir())
    first.write_text("{}\n", encoding="utf-8")
    second.write_bytes(second.read_bytes() + b"{torn")
    found = history(tmp_path, "--machine", MACHINE)
    assert found.exit_code == 0
    assert "8 runs" in found.stdout
    assert "torn" in found.stderr
    assert "note:" in history(tmp_path, str(tmp_path)).stderr


def test_since() -> None:
    assert _since("2026-11-01") == "2026-11-01T00:00:00Z"
    assert _since("2026-11-01T12:00:00+02:00") == "2026-11-01T10:00:00Z"
    assert _since("3d") < _since("1d")
    with pytest.raises(UsageError):
        _since("5w")


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_the_commit_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    ci = "0123456789abcdef0123456789abcdef01234567"
    assert revision.revision({}) == {}
    assert revision.revision({"BUILDKITE_COMMIT": "HEAD", "CI_COMMIT_SHA": ci}) == {"commit": ci}
    git(tmp_path, "init", "-q")
    assert revision.revision({}) == {}  # no commit yet
    (tmp_path / "x").write_text("1", encoding="utf-8")
    git(tmp_path, "add", "x")
    git(tmp_path, "commit", "-qm", "x")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert revision.revision({"GITHUB_SHA": ci}) == {"commit": head}  # what is checked out, whatever the CI system says
    (tmp_path / "x").write_text("2", encoding="utf-8")
    assert revision.revision({}) == {"commit": f"{head}-dirty"}
    monkeypatch.setenv("PATH", str(tmp_path))
    assert revision.revision({"GITHUB_SHA": ci}) == {"commit": ci}  # without git
