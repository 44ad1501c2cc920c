"""How a sweep ends early and goes on: Ctrl-C pressed more than once, what is shown then, and what a resumed run remembers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from mmbench.cli import main
from mmbench.cli.sweep import _NEVER_EMPTY
from mmbench.cli.sweep_course import NO_PROBE, SweepCourse
from mmbench.configs.runs import Run
from mmbench.configs.sweeplog import list_sweeps, read_sweep

WORDS = ["--shapes", "24,25,26,27,28,29", "--kernels", "naive,vectorized", "--no-probe", "--precision", "50%"]


def start(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "mmbench", "--results", "results", "sweep", *WORDS]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def rows(folder: Path) -> int:
    return sum(file.read_text().count('"event":"row"') for file in folder.glob("results/*/runs/*.jsonl"))


@pytest.mark.skipif(os.name == "nt", reason="needs Linux")
def test_ctrl_c_pressed_thrice_ends_with_the_tables_of_what_is_finished(tmp_path: Path) -> None:
    process = start(tmp_path)
    deadline = time.monotonic() + 60
    while rows(tmp_path) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.03)
    out, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "fastest" in out
    assert "not finished: interrupted; go on with: mmbench sweep --resume" in " ".join(out.split())
    *_, said, hint = told.splitlines()
    assert said.startswith("error: interrupted; ")
    assert "kept in results/" in said
    (stored,) = list_sweeps(tmp_path / "results")
    assert hint == f"hint: go on with mmbench sweep --resume {stored.id}"
    run = read_sweep(stored.path)
    assert run.ends[-1].reason == "interrupted"
    assert len(run.rows) == rows(tmp_path) >= 2


ONE = """
import signal, time
from mmbench.cli.interrupts import hear_one_interrupt
hear_one_interrupt()
try:
    print("ready", flush=True)
    time.sleep(30)
except KeyboardInterrupt:
    print("heard", flush=True)
    time.sleep(0.5)
print("put away", flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="needs Linux")
def test_a_second_ctrl_c_does_not_disturb_what_is_put_away() -> None:
    process = subprocess.Popen([sys.executable, "-c", ONE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for expected in ("ready\n", "heard\n"):
        assert process.stdout.readline() == expected
        process.send_signal(signal.SIGINT)
    out, told = process.communicate(timeout=30)
    assert (process.returncode, out, told) == (0, "put away\n", "")


@pytest.mark.parametrize(("then", "now", "may"), [(True, False, False), (False, True, False), (False, False, True)])
def test_a_sweep_without_roofs_goes_on_without_them(monkeypatch: pytest.MonkeyPatch, then: bool, now: bool, may: bool) -> None:
    asked = []
    words = {"as_json": True, "full": False, "no_probe": now}
    course = SweepCourse(None, words, None, frozenset())  # type: ignore[arg-type] - neither is asked
    monkeypatch.setattr(SweepCourse, "_roofs", lambda self, plan: asked.append(self.may_probe) or (None, "", plan))
    monkeypatch.setattr(SweepCourse, "_run", lambda *_: 0)

    class Found:
        run = Run(1, "5a3e", "sweep", "here", "2026-11-24T16:40:11Z", settings={NO_PROBE: True} if then else {})
        plan: Any = None
        done: frozenset[tuple[str, str]] = frozenset()

    course.go_on(Found, None, None)  # type: ignore[arg-type] - a part of each
    assert asked == [may]


def test_no_probe_is_kept_with_the_run(tmp_path: Path) -> None:
    words = ["--results", str(tmp_path / "r"), "sweep", "--shapes", "24", "--kernels", "naive", "--no-probe", "--precision", "50%"]
    assert CliRunner().invoke(main.cli, words).exit_code == 0
    (stored,) = list_sweeps(tmp_path / "r")
    assert read_sweep(stored.path).run.settings[NO_PROBE] is True


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
def test_a_device_that_takes_nothing_is_refused_before_anything_runs(tmp_path: Path) -> None:
    words = ["--results", str(tmp_path / "r"), "sweep", "--shapes", "24", "--kernels", "naive", "--export-markdown", "/dev/full"]
    result = CliRunner().invoke(main.cli, words)
    assert "--export-markdown: /dev/full cannot be written: No space left on device" in result.stderr
    assert result.exit_code == 2
    assert not (tmp_path / "r").exists()


def test_an_empty_name_is_no_run_to_resume() -> None:
    result = CliRunner().invoke(main.cli, ["sweep", "--resume", ""])
    assert "resume" in _NEVER_EMPTY
    assert (result.exit_code, "--resume was given without a word" in result.stderr) == (2, True)
