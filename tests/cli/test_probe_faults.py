"""`mmbench probe` while things go wrong: real processes, killed, interrupted, and with nowhere to write."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner
from mmbench.cli import main
from mmbench.configs import files, store
from mmbench.configs.machine import Machine
from mmbench.probes import runner
from mmbench.probes.runner import Watcher

# Probes from outside, installed as any plug-in is: a module and an entry point.
PLUGIN = '''
"""Probes that behave as they are told."""

import dataclasses, os, signal, sys, time
from pathlib import Path
from mmbench.configs.curve import Curve
from mmbench.configs.facts import measured
from mmbench.probes.registry import probe

@probe("zz-a-good", version=1, needs=("topology",), seconds=(0.1, 0.1, 0.1))
def good(context):
    return Curve("zz-a-good", 1, readings={"pid": os.getpid()})

@probe("zz-b-slow", version=1, seconds=(0.1, 0.1, 0.1))
def slow(context):
    flag = Path(os.environ["ZZ_FLAG"])
    flag.with_suffix(".new").write_text(str(os.getpid()))
    flag.with_suffix(".new").rename(flag)
    time.sleep(60)

@probe("zz-c-after", version=1, seconds=(0.1, 0.1, 0.1))
def after(context):
    return Curve("zz-c-after", 1, readings={"pid": os.getpid()})

@probe("zz-d-trap", version=1, seconds=(0.1, 0.1, 0.1))
def trap(context):
    os.kill(os.getpid(), signal.SIGILL)

def infer(curve, machine):
    fact = measured(curve.readings["pid"], "", curve.by)
    return dataclasses.replace(machine, identity={**machine.identity, curve.probe: fact})
'''


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A home of its own, the plug-in installed, and the path at which its slow probe leaves its number."""
    site = tmp_path / "site"
    (site / "zz_probes-1.dist-info").mkdir(parents=True)
    (site / "zz_probes.py").write_text(PLUGIN)
    (site / "zz_probes-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: zz-probes\nVersion: 1\n")
    (site / "zz_probes-1.dist-info" / "entry_points.txt").write_text("[mmbench.probes]\nzz = zz_probes\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MMBENCH_")}
    return {
        **kept,
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "MMBENCH_RESULTS": str(tmp_path / "results"),
        "PYTHONPATH": str(site),
        "ZZ_FLAG": str(tmp_path / "slow.pid"),
    }


def start(environ: dict[str, str], *names: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "mmbench", "probe", "--only", ",".join(names)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ, cwd=environ["HOME"])


def slow_worker(environ: dict[str, str], process: subprocess.Popen[str]) -> int:
    """Wait until the slow probe runs; the number of its process."""
    flag, deadline = Path(environ["ZZ_FLAG"]), time.monotonic() + 30
    while not flag.exists():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    return int(flag.read_text())


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def stored(environ: dict[str, str]) -> Machine:
    (path,) = Path(environ["MMBENCH_RESULTS"]).glob("*/machine.json")
    return store.load_machine(path)


def run_events(environ: dict[str, str]) -> list[tuple[str, Any]]:
    (path,) = Path(environ["MMBENCH_RESULTS"]).glob("*/runs/*.jsonl")
    _, events, notes = store.read_run(path)
    assert notes == []
    return [(e.event, e.payload.get("label", e.payload)) for e in events]


SIGNALS = [
    pytest.param(name, marks=pytest.mark.skipif(not hasattr(signal, name), reason="needs Linux"))
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
]


@pytest.mark.parametrize("name", SIGNALS)
def test_an_interrupt_keeps_what_is_finished_and_leaves_no_worker(environ: dict[str, str], name: str) -> None:
    process = start(environ, "zz-a-good", "zz-b-slow")
    pid = slow_worker(environ, process)
    process.send_signal(getattr(signal, name))
    out, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert out == ""
    assert "interrupted; what was finished is kept in" in errors
    assert "Traceback" not in errors
    machine = stored(environ)
    assert set(machine.curves) == {"identity", "topology", "zz-a-good"}
    assert machine.identity["zz-a-good"].value == pid  # one worker for all
    assert str(Path(environ["MMBENCH_RESULTS"]) / machine.id / "machine.json") in errors
    assert run_events(environ) == [*(("curve", label) for label in machine.curves), ("ended", {"interrupted": True})]
    assert gone(pid)


def test_a_killed_worker_and_a_trap_cost_their_own_probe_only(environ: dict[str, str]) -> None:
    process = start(environ, "zz-a-good", "zz-b-slow", "zz-c-after", "zz-d-trap")
    pid = slow_worker(environ, process)
    os.kill(pid, signal.SIGKILL)
    out, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    machine = stored(environ)
    assert set(machine.curves) == {"identity", "topology", "zz-a-good", "zz-c-after"}
    assert machine.not_run["zz-b-slow"] == "killed by SIGKILL (from outside, perhaps out of memory)"
    assert machine.not_run["zz-d-trap"].startswith("killed by SIGILL")
    assert machine.identity["zz-c-after"].value != pid
    assert ("failed", "zz-b-slow") in run_events(environ)
    assert "zz-b-slow: killed by SIGKILL" in errors
    assert "killed" in out


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")
def test_when_the_command_itself_is_killed_the_run_file_has_what_was_finished(environ: dict[str, str]) -> None:
    process = start(environ, "zz-a-good", "zz-b-slow")
    pid = slow_worker(environ, process)
    process.kill()
    process.communicate()
    assert run_events(environ) == [("curve", "identity"), ("curve", "topology"), ("curve", "zz-a-good")]
    assert gone(pid)
    listed = subprocess.run(
        [sys.executable, "-m", "mmbench", "list", "runs", "--json"], capture_output=True, text=True, env=environ, check=True
    )
    assert len(json.loads(listed.stdout)["items"]) == 1


# --- nowhere to write


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/mmbench-results"])
def test_a_folder_that_cannot_be_written_ends_it_before_anything_is_measured(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place.startswith("/proc") and not Path("/proc/self").exists():
        pytest.skip("needs Linux")
    (tmp_path / "file").write_text("precious")

    def measure(*_: object, **__: object) -> Machine:
        raise AssertionError("measured although nothing could be kept")

    monkeypatch.setattr(runner, "run", measure)
    done = CliRunner().invoke(main.cli, ["probe", "--results", str(tmp_path / place)])
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith(f"error: {tmp_path / place} cannot be written: ")
    assert "hint: " in done.stderr
    assert done.stdout == ""
    assert (tmp_path / "file").read_text() == "precious"


def test_a_limit_on_file_size_is_told_before_measuring_and_costs_nothing(environ: dict[str, str]) -> None:
    resource = pytest.importorskip("resource", reason="needs Linux")
    done = subprocess.run(
        [sys.executable, "-m", "mmbench", "probe", "--only", "zz-b-slow"],
        capture_output=True,
        text=True,
        env=environ,
        check=False,
        timeout=30,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert done.returncode == 2, done.stderr
    assert "cannot be written: File too large" in done.stderr
    assert list(Path(environ["MMBENCH_RESULTS"]).iterdir()) == []
    assert not Path(environ["ZZ_FLAG"]).exists()


@pytest.fixture
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Machine]:
    """A results folder with this machine in it, as one real run left it."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    results = tmp_path / "results"
    done = CliRunner().invoke(main.cli, ["probe", "--only", "identity", "--results", str(results)])
    assert done.exit_code == 0, done.stderr
    (path,) = results.glob("*/machine.json")
    return path, store.load_machine(path)


@pytest.mark.parametrize("full_after", [0, 1, 3, 4])
def test_a_disk_that_fills_up_on_the_way_is_told_after_the_results(
    real: tuple[Path, Machine], monkeypatch: pytest.MonkeyPatch, full_after: int
) -> None:
    """Writes after the trial: the run's first line, two curves, the end, the machine file."""
    path, machine = real
    before = path.read_bytes()
    writes = 0

    def write_all(descriptor: int, content: bytes) -> None:
        nonlocal writes
        if len(content) != files._TRIAL_BYTES or set(content) != {0}:
            writes += 1
            if writes > full_after:
                os.write(descriptor, content[:10])  # a full disk may take a part
                raise OSError(errno.ENOSPC, "No space left on device")
        os.write(descriptor, content)

    def run(plan: object, watcher: Watcher, **_: object) -> Machine:
        for probe in runner.choose(("identity", "topology")):
            step = runner.Step(probe, "", 0, 0.1)
            watcher.finished(step, machine.curves[step.label], machine, 0.1)
        return machine

    monkeypatch.setattr(runner, "run", run)
    monkeypatch.setattr(files, "write_all", write_all)
    monkeypatch.setattr("mmbench.configs.runlog.write_all", write_all)
    done = CliRunner().invoke(main.cli, ["probe", "--results", str(path.parent.parent)])
    assert done.exit_code == 2, done.output
    assert "No space left on device" in done.stderr
    assert "the disk is full" in done.stderr
    assert "next: mmbench" in done.stdout  # the screen was drawn all the same
    assert path.read_bytes() == before
    assert not list(path.parent.glob(".*tmp"))
    for run_file in path.parent.glob("runs/*.jsonl"):
        if run_file.stat().st_size:
            assert store.read_run(run_file)[2] == []


def test_a_stored_file_that_cannot_be_moved_aside_stops_the_writing(real: tuple[Path, Machine], monkeypatch: pytest.MonkeyPatch) -> None:
    path, machine = real
    path.write_text("torn")

    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(runner, "run", lambda *_, **__: dataclasses.replace(machine, probed_at=""))
    monkeypatch.setattr(Path, "rename", refuse)
    done = CliRunner().invoke(main.cli, ["probe", "--results", str(path.parent.parent)])
    assert done.exit_code == 2
    assert "cannot be moved aside: Permission denied" in done.stderr
    assert path.read_text() == "torn"
    assert done.stdout
