"""`mmbench probe` where a system hides, limits or forbids: it answers, says what it could not see, and exits 0."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from mmbench.configs import store
from mmbench.configs.machine import Machine
from mmbench.kernels.measure.lean import LEAST_BYTES, LEAST_MEMORY_BYTES

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")

CELL = str(Path(__file__).with_name("cell.py"))
PROBE = [sys.executable, "-m", "mmbench", "probe", "--quick", "--time-budget", "1s"]
CLOCK = [sys.executable, "-m", "mmbench", "probe", "--only", "clock", "--quick"]
NOWHERE = "/nonexistent/for-sure"


@dataclass(frozen=True)
class Ran:
    """How a command ended, and the machine that it stored."""

    code: int
    screen: str
    told: str
    results: Path

    @property
    def machine(self) -> Machine:
        (path,) = self.results.glob("*/machine.json")
        return store.load_machine(path)

    def missing(self) -> str:
        """Every sentence on what could not be seen."""
        return "\n".join(f"{label}: {why}" for label, curve in self.machine.curves.items() for why in curve.missing)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user may write to and reach (pytest's own is closed to others)."""
    made = Path(tempfile.mkdtemp(prefix="mmbench-hostile-"))
    made.chmod(0o777)
    yield made
    shutil.rmtree(made)


def run(folder: Path, conditions: list[str], command: list[str] = PROBE, results: str = "results", **environ: str) -> Ran:
    """The command in a cell, with nothing of this process's environment but what is named."""
    env = {"HOME": NOWHERE, "MMBENCH_CACHE": str(folder / "cache"), "PATH": "/usr/bin:/bin", **environ}
    words = [sys.executable, "-I", CELL, *conditions, "--", *command, "--results", str(folder / results)]
    done = subprocess.run(
        words,
        env=env,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=120,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip(f"needs {' '.join(conditions)}: {done.stderr.strip()}")
    assert "Traceback" not in done.stdout + done.stderr
    assert "a bug in mmbench" not in done.stdout + done.stderr
    return Ran(done.returncode, done.stdout, done.stderr, folder / results)


def answered(ran: Ran) -> Machine:
    """The machine of a run that gave its whole answer: every probe came back, with the core's clock and the first cache level."""
    assert ran.code == 0, ran.told
    assert ran.machine.not_run == {}
    names = [ran.machine.identity[key].value for key in ("microarchitecture", "brand", "vendor")]  # the best name that the chip gives
    assert str(next(name for name in names if name)) in " ".join(ran.screen.split())
    assert ran.machine.curves["clock"].points
    assert ran.machine.caches[0].latency.known
    return ran.machine


def test_without_sysfs_and_cpuinfo(folder: Path) -> None:
    ran = run(folder, ["hide-sys"])
    machine = answered(ran)
    assert "/sys/devices/system/cpu cannot be read" in ran.missing()
    assert "/proc/cpuinfo is empty or cannot be read" in " ".join(ran.screen.split())
    assert machine.conditions.before["thp"].value is None


def test_without_proc_and_sysfs(folder: Path) -> None:
    ran = run(folder, ["hide-proc"])
    machine = answered(ran)
    assert "no file in which a system tells its state can be read here" in " ".join(ran.screen.split())
    assert machine.topology is not None
    assert machine.topology.threads.number() >= len(machine.topology.allowed)
    assert machine.curves["latency"].readings["huge_share.huge"] is None
    assert any("does not tell" in oddity for level in machine.caches for oddity in level.oddities)


def test_on_one_cpu(folder: Path) -> None:
    ran = run(folder, ["one-cpu"])
    machine = answered(ran)
    assert machine.core_to_core == ()
    assert machine.loaded_latency == ()
    for reason in ("core-to-core: only one CPU may be used", "loaded-latency: only one CPU may be used"):
        assert reason in " ".join(ran.screen.split())


def test_without_root_compiler_home_or_cache(folder: Path) -> None:
    (folder / "cache").mkdir(mode=0o755)
    ran = run(folder, ["user=65534"], PATH="", MMBENCH_CACHE=f"{NOWHERE}/cache")
    answered(ran)
    if os.geteuid() == 0:
        assert {path.stat().st_uid for path in ran.results.rglob("*")} == {65534}


def test_without_transparent_huge_pages(folder: Path) -> None:
    machine = answered(run(folder, ["no-thp"]))
    assert machine.curves["latency"].readings["huge_share.huge"] == 0
    assert any("only 0 % of the memory was on huge pages" in oddity for level in machine.caches for oddity in level.oddities)
    assert [n.what for n in machine.notices if n.topic == "huge-pages"] == ["huge pages were asked for, and 0% of the memory got them"]


@pytest.mark.parametrize("limit", ["group=256", "data=256", "address=512"])
def test_in_little_memory(folder: Path, limit: str) -> None:
    ran = run(folder, [limit])
    machine = answered(ran)
    assert [n.topic for n in machine.notices if n.what.startswith("only") and "of memory may be used" in n.what] == ["containers"]
    assert int(machine.curves["latency"].readings["top_bytes"]) < int(limit.partition("=")[2]) << 20
    assert "the memory that may be used is too small" in ran.missing()


@pytest.mark.parametrize(
    ("limit", "least"),
    [("address=128", LEAST_BYTES["RLIMIT_AS"]), ("data=64", LEAST_BYTES["RLIMIT_DATA"]), ("group=40", LEAST_MEMORY_BYTES)],
)
def test_too_little_memory_for_the_libraries_is_one_sentence(folder: Path, limit: str, least: int) -> None:
    ran = run(folder, [limit], CLOCK)
    assert ran.code == 5
    assert ran.screen == ""
    error, hint = ran.told.splitlines()
    assert error.startswith("error: ")
    assert error.endswith(f"a probe's own libraries take {least >> 20} MiB")
    assert hint.startswith("hint: raise the limit")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_with_standard_streams_closed(folder: Path, closed: str) -> None:
    ran = run(folder, [], ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *CLOCK])
    assert ran.code == 0
    assert ran.machine.curves["clock"].points
    assert (ran.screen == "") == (">&-" in closed.replace("2>&-", ""))


def test_an_answer_that_cannot_be_written_is_told_and_the_result_kept(folder: Path) -> None:
    ran = run(folder, [], ["/bin/sh", "-c", 'exec "$@" >/dev/full', "sh", *CLOCK])
    assert ran.code == 2
    assert "error: standard output cannot be written: No space left on device" in ran.told
    assert ran.machine.curves["clock"].points


@pytest.mark.parametrize(("columns", "widest"), [("40", 60), ("200", 120)])
def test_on_odd_terminals(folder: Path, columns: str, widest: int) -> None:
    plain = {"TERM": "dumb", "LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ran = run(folder, [], CLOCK, "a folder, named ä ☃", COLUMNS=columns, **plain)
    assert ran.code == 0
    assert ran.screen.isascii()
    assert max(map(len, ran.screen.splitlines())) <= widest
    assert ran.machine.curves["clock"].points


def test_a_long_path_is_no_trouble_and_one_too_long_is_a_sentence(folder: Path) -> None:
    step = "d" * 250
    assert run(folder, [], CLOCK, "/".join([step] * 4)).code == 0
    ran = run(folder, [], CLOCK, step + "d" * 10)
    assert ran.code == 2
    assert ran.told.splitlines()[0].endswith("cannot be written: File name too long")


def test_in_a_folder_that_cannot_be_written(folder: Path) -> None:
    words = [sys.executable, "-I", CELL, "user=65534", "--", *CLOCK]
    done = subprocess.run(words, cwd="/", env={"HOME": NOWHERE}, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 77:
        pytest.skip(f"needs user=65534: {done.stderr.strip()}")
    assert done.returncode == 2
    assert done.stdout == ""
    error, hint = done.stderr.splitlines()
    assert error.startswith("error: ")
    assert "--results" in hint
