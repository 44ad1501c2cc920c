"""`mmbench sweep --against` from its words to its exit code, on sides that measure nothing; and once for real, killed and resumed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from gate_fakes import FakeWorker, Model, dying
from mmbench.cli import main
from mmbench.configs.gatelog import list_gates, read_gate
from mmbench.configs.gateplan import Contest, GatePlan, Launch
from mmbench.configs.plan import Entrant
from mmbench.kernels.gate import starting

WORDS = ["sweep", "--against", "kernel:vectorized", "--kernels", "vectorized", "--shapes", "16,24,32", "--dtypes", "f32"]


@pytest.fixture
def gated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Run a gate whose times come from a model."""

    def run(*words: str, model: Model | None = None, start: tuple[str, ...] = tuple(WORDS)) -> Result:
        made = model or Model()

        def starter(_plan: GatePlan, _folder: Path | None = None) -> Any:
            @contextlib.contextmanager
            def started(side: str, contest: Contest, launch: Launch) -> Iterator[tuple[Any, Entrant]]:
                yield FakeWorker(made, side if side != "copy" else "old'", launch), contest.old

            return started

        monkeypatch.setattr(starting, "starter", starter)
        return CliRunner().invoke(main.cli, ["--results", str(tmp_path / "results"), *start, *words])

    return run


def test_unchanged_code_passes_and_says_what_it_could_see(gated: Callable[..., Result]) -> None:
    done = gated()
    assert done.exit_code == 0, done.stderr
    assert "equivalent" in done.stdout
    assert "this machine can show, in " in done.stderr
    assert "0 of 2 differ" in done.stdout


def test_a_slower_cell_exits_1_and_every_file_is_written(gated: Callable[..., Result], tmp_path: Path) -> None:
    files = {form: tmp_path / f"gate.{form}" for form in ("json", "junit", "markdown", "openmetrics", "bencher", "gab", "gbench", "pyperf")}
    words = [word for form, path in files.items() for word in (f"--export-{form}", str(path))]
    done = gated(*words, model=Model(change={"24x24x24": 0.06}))
    assert done.exit_code == 1, done.stderr
    assert "f32 24x24x24" in done.stdout
    assert all(path.stat().st_size > 100 for path in files.values())
    document = json.loads(files["json"].read_text(encoding="utf-8"))
    assert document["outcome"] == "regression"
    assert [row["verdict"] for row in document["rows"]].count("regression") == 1
    shown = CliRunner().invoke(main.cli, ["--results", str(tmp_path / "results"), "show", "--json"])
    assert shown.exit_code == 0, shown.stderr
    assert json.loads(shown.stdout)["rows"] == document["rows"]


def test_what_fail_on_does_not_name_fails_nothing(gated: Callable[..., Result]) -> None:
    assert gated("--fail-on", "wrong", model=Model(change={"24x24x24": 0.06})).exit_code == 0
    assert gated("--fail-on", "none", model=Model(change={"24x24x24": 0.06})).exit_code == 0


def test_a_machine_too_noisy_is_inconclusive_and_exits_3_where_that_is_asked_for(gated: Callable[..., Result]) -> None:
    noisy = Model(launch_sd=0.1, turn_sd=0.05)
    words = ("--time-budget", "2s", "--fail-on", "inconclusive")
    done = gated(*words, model=noisy)
    assert done.exit_code == 3, (done.stdout, done.stderr)


def test_a_crash_exits_4(gated: Callable[..., Result]) -> None:
    def fails(side: str, function: str, case: Any, launch: int) -> None:
        if side == "new" and function == "relay_cell" and case.shape == "32x32x32" and launch == 2:
            raise dying()

    done = gated(model=Model(fails=fails))
    assert done.exit_code == 4, done.stderr
    assert "CRASHED" in done.stderr
    assert "killed by SIGSEGV" in done.stdout


def test_a_kernel_that_the_new_side_lost_is_deleted_and_never_green(gated: Callable[..., Result]) -> None:
    def fails(side: str, function: str, _case: Any, _launch: int) -> None:
        if side == "new" and function == "open_kernel":
            raise dying("libfoo.so: cannot be loaded")

    done = gated(model=Model(fails=fails))
    assert done.exit_code != 0
    assert "deleted" in done.stdout.lower()


def test_an_old_side_that_cannot_be_used_exits_5(gated: Callable[..., Result], tmp_path: Path) -> None:
    def fails(side: str, function: str, _case: Any, _launch: int) -> None:
        if side == "old" and function == "open_kernel":
            raise dying("libfoo.so: undefined symbol: bar")

    done = gated(model=Model(fails=fails))
    assert done.exit_code == 5
    assert "undefined symbol: bar" in done.stderr
    assert not list_gates(tmp_path / "results")  # nothing was begun


def test_an_interrupt_keeps_what_is_there_and_the_rest_is_resumed(gated: Callable[..., Result], tmp_path: Path) -> None:
    calls = 0

    def fails(_side: str, function: str, _case: Any, _launch: int) -> None:
        nonlocal calls
        calls += function == "relay_cell"
        if calls == 60:
            raise KeyboardInterrupt

    cut = gated(model=Model(fails=fails))
    assert cut.exit_code == 130
    (stored,) = list_gates(tmp_path / "results")
    assert f"mmbench sweep --resume {stored.id}" in cut.stderr
    before = len(read_gate(stored.path).blocks)
    assert before > 0
    done = gated("--resume", model=Model(), start=("sweep",))
    assert done.exit_code == 0, done.stderr
    assert f"{before} blocks are done and kept" in done.stderr
    assert read_gate(stored.path).finished
    again = gated("--resume", stored.id, model=Model(), start=("sweep",))
    assert again.exit_code == 2
    assert "is finished" in again.stderr


def test_other_aims_are_kept_in_the_plan(gated: Callable[..., Result], tmp_path: Path) -> None:
    plan = json.loads(gated("--dry-run", "--json", "--power", "99%", "--alpha", "0.1%", "--detect", "10%", "--margin", "2%").stdout)
    assert (plan["power"], plan["alpha"], plan["detect"], plan["margin"]) == (0.99, 0.001, 0.1, 0.02)


def test_a_dry_run_names_sides_and_cells_and_runs_nothing(gated: Callable[..., Result], tmp_path: Path) -> None:
    done = gated("--dry-run")
    assert done.exit_code == 0
    assert "3 cells:" in done.stdout
    assert not list_gates(tmp_path / "results")
    plan = json.loads(gated("--dry-run", "--json").stdout)
    assert len(plan["cells"]) == 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--margin", "5%"], "must lie above --margin"),
        (["--detect", "0.5%"], "must lie above --margin"),
        (["--detect", "often"], "--detect"),
        (["--alpha", "90%"], "--alpha: '90%' is not a share"),
        (["--power", "10%"], "--power: '10%' is not a share"),
        (["--fail-on", "slow"], "there is no 'slow'"),
        (["--save-baseline", "main"], "this is a gate"),
        (["--against", "lib:"], "nothing is named"),
        (["--against", "git:main"], "begins with none of"),
        (["--against", "kernel:nothing"], "nothing"),
        (["--against", "venv:/does/not/exist"], "does not exist"),
        (["--dry-run", "--export-json", "x.json"], "--dry-run runs nothing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_words_are_one_sentence_before_anything_runs(gated: Callable[..., Result], words: list[str], told: str, tmp_path: Path) -> None:
    done = gated(*words)
    assert done.exit_code in (2, 5), done.output
    assert told in done.stderr
    assert "Traceback" not in done.output
    assert not list_gates(tmp_path / "results")


@pytest.mark.parametrize("words", [["--detect", "3%"], ["--github"], ["--export-gab", "x"]], ids=" ".join)
def test_what_only_a_gate_can_do_needs_one(tmp_path: Path, words: list[str]) -> None:
    done = CliRunner().invoke(main.cli, ["--results", str(tmp_path), "sweep", "--shapes", "16", *words])
    assert done.exit_code == 2
    assert "belongs to a gate" in done.stderr


@pytest.mark.hardware
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")
def test_a_real_gate_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "mmbench", "--results", "results", *WORDS[:5], "--shapes", "32", "--dtypes", "f32", "--no-probe"]
    process = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def blocks() -> int:
        return sum(file.read_text(errors="replace").count('"event":"block"') for file in tmp_path.glob("results/*/runs/*.jsonl"))

    deadline = time.monotonic() + 90
    while blocks() < 12 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    (stored,) = list_gates(tmp_path / "results")
    before = read_gate(stored.path).blocks
    assert len(before) >= 12
    done = subprocess.run(
        [*words[:5], "sweep", "--resume", "--time-budget", "60s", "--fail-on", "none", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    whole = read_gate(stored.path)
    assert whole.blocks[: len(before)] == before
    assert len(whole.blocks) > len(before)
    assert {row["verdict"] for row in document["rows"]} <= {"equivalent", "inconclusive", "regression", "improvement"}
