"""`--save-baseline`, `--baseline` and `--against run:` as a user types them: small real sweeps, refusals, exit codes."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from mmbench import __version__
from mmbench.cli import main
from mmbench.configs.baselines import list_baselines, save_baseline
from mmbench.configs.runlog import list_runs, read_head
from synthetic_history import course, write_day
from synthetic_machine import synthetic_machine

SMALL = ("--shapes", "24,25,26,27,28,29,30,31,32", "--kernels", "vectorized", "--no-probe", "--precision", "50%", "--time-budget", "20s")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser()))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", "")
    for name in ("MMBENCH_RESULTS", "MMBENCH_TIME_BUDGET", "MMBENCH_SEED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def sweep(*words: str) -> Result:
    return CliRunner().invoke(main.cli, ["--results", "results", "sweep", *words])


def test_a_run_is_kept_and_the_next_held_against_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(Path().absolute().parent))
    monkeypatch.setenv("GITHUB_SHA", "0123456789abcdef")
    first = sweep(*SMALL, "--save-baseline", "main")
    assert first.exit_code == 0, first.output
    (run,) = list_runs(Path("results"))
    assert list_baselines(Path("results"), run.machine_id) == ["main"]
    assert "kept as baseline 'main'" in first.stderr
    assert read_head(run.path).versions["commit"] == "0123456789abcdef"
    second = sweep(*SMALL, "--baseline", "main", "--json")
    assert second.exit_code in (0, 1), second.output
    document = json.loads(second.stdout)
    assert (document["kind"], document["old"]["word"], len(document["rows"])) == ("gate", "baseline main", 9)
    assert document["weak"]
    third = sweep(*SMALL, "-k", "not 24x24x24", "--against", f"run:{run.id}", "--save-baseline", "other")
    assert third.exit_code in (1, 4)
    assert "1 deleted" in " ".join(third.stdout.split()), third.stdout
    assert "not kept as baseline 'other'" in third.stderr
    assert list_baselines(Path("results"), run.machine_id) == ["main"]
    assert sweep("--baseline", "main", "--dry-run").exit_code == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--baseline", "main"], 5, "no baseline 'main' is kept"),
        (["--baseline", "../main"], 2, "cannot be the name"),
        (["--save-baseline", "a/b"], 2, "cannot be the name"),
        (["--save-baseline", ""], 2, "--save-baseline"),
        (["--against", "run:none"], 5, "no run 'none' is stored"),
        (["--against", "run:"], 2, "no side can be made of it"),
        (["--against", "5a3e"], 2, "run:ID"),
        (["--against", "run:x", "--baseline", "y"], 2, "both name the old side"),
        (["--fail-on", "inconclusive"], 2, "there is no 'inconclusive'"),
        (["--fail-on", "regression"], 2, "there is no 'regression'"),
    ],
)
def test_what_is_refused_before_anything_is_measured(words: list[str], code: int, said: str) -> None:
    found = sweep(*SMALL, *words)
    assert (found.exit_code, said in found.output) == (code, True), found.output
    assert list_runs(Path("results")) == []


def test_other_machines_other_versions_and_other_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = write_day(Path("there"), 0, course(), machine="zen5-16c-000000")
    other = sweep(*SMALL, "--against", f"run:{elsewhere}")
    assert (other.exit_code, "is of zen5-16c-000000" in other.output) == (5, True)
    here = replace(synthetic_machine(), id="this-1")
    monkeypatch.setattr("mmbench.cli.machine_file.identified", lambda: here)
    old = write_day(Path("results"), 0, course(), machine="this-1", versions={"mmbench": "0.0.0"})
    save_baseline(Path("results"), "this-1", "main", old)
    aged = sweep(*SMALL, "--baseline", "main")
    assert (aged.exit_code, "measured by mmbench 0.0.0" in aged.output) == (5, True)
    torn = write_day(Path("results"), 1, course(), machine="this-1", versions={"mmbench": __version__})
    torn.write_bytes(torn.read_bytes().replace(b'"event":"row"', b'"event":7', 1))
    damaged = sweep(*SMALL, "--against", f"run:{torn}")
    assert (damaged.exit_code, "line" in damaged.output) == (2, True)
