"""`mmbench sweep` as a user types it: what is refused before anything runs, small real sweeps, exports, exit codes, and going on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner, Result
from mmbench.cli import main
from mmbench.cli.exports import Exports
from mmbench.cli.machine_file import ROOF_PROBES, with_roofs
from mmbench.cli.sweep_course import SweepCourse
from mmbench.cli.sweep_request import check_same_kernels
from mmbench.configs.errors import UsageError
from mmbench.configs.machine import Machine
from mmbench.configs.plan import Entrant
from mmbench.configs.profiles import load_profile
from mmbench.configs.schema_files import sweep_schema
from mmbench.configs.settings import Settings
from mmbench.configs.sweeplog import list_sweeps, read_sweep
from mmbench.kernels import sweep as sweeps
from mmbench.kernels.vendor.library import library
from mmbench.probes.context import Effort
from mmbench.probes.runner import make_plan
from synthetic_sweep import plan as sweep_plan
from synthetic_sweep import write_sweep

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


EMPTY = ("--dtypes", "--kernels", "--threads", "--layouts", "--epilogues", "-k", "--preset", "--time-budget", "--precision", "--fail-on")
REFUSED = [
    (["--shapes", "0x5"], "shape '0x5', column 1: a size is 0"),
    (["--shapes=-3x2x1"], "shape '-3x2x1', column 1: a size is -3"),
    (["--shapes", "5xfx4"], "shape '5xfx4'"),
    (["--dtypes", "f33"], "there is no data type 'f33'"),
    (["--preset", "qick"], "there is no preset 'qick'"),
    (["--preset", "./nowhere.toml"], "nowhere.toml"),
    (["--layouts", "xx"], "there is no layout 'xx'"),
    (["--epilogues", "tanh"], "there is no step 'tanh'"),
    (["--threads", "0"], "'0' is no number of threads"),
    (["--threads", "1000000000000"], "65536 are the most"),
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
    *((["--shapes", "64", option, value], f"{option} was given without a word") for option in EMPTY for value in ("", " ")),
    (["--shapes", ""], "--shapes was given without a word"),
    (["--shapes", "64", "--kernels", ","], "--kernels was given without a word"),
    (["--shapes", "64", "--library", ""], "a name and a path are needed"),
    (["--shapes", "64", "--export-json", ""], "--export-json: '' is not a file name"),
    (["--shapes", "64", "--dry-run", "--export-json", "x"], "--export-json: --dry-run runs nothing"),
    (["--resume", "--dry-run", "--export-markdown", "x"], "--export-markdown: --dry-run runs nothing"),
    (["--shapes", "64", "--kernels", "naive", "--threads", "2", "--dry-run"], "no kernel serves the one cell"),
    (["--shapes", "64,65", "--kernels", "naive", "--threads", "2"], "no kernel serves any of the 2 cells"),
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
    assert "WRONG openblas@given" in result.stdout
    assert "1 row is wrong" in result.stderr
    assert mmbench(*words, "--fail-on", "none").exit_code == 0


ONLY_SINGLE = """
void cblas_sgemm(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb,
                 float beta, float *c, int ldc) {
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++) {
      float sum = 0;
      for (int l = 0; l < k; l++) sum += (ta == 111 ? a[i * lda + l] : a[l * lda + i]) * (tb == 111 ? b[l * ldb + j] : b[j * ldb + l]);
      c[i * ldc + j] = alpha * sum + (beta == 0 ? 0 : beta * c[i * ldc + j]);
    }
}
"""


@pytest.fixture
def only_single(tmp_path: Path) -> Path:
    """A library with a right cblas_sgemm and nothing else."""
    gcc = compiler()
    if gcc is None:
        pytest.skip("needs gcc")
    source, made = tmp_path / "single.c", tmp_path / "libsingle.so"
    source.write_text(ONLY_SINGLE, encoding="ascii")
    subprocess.run([gcc, "-O1", "-shared", "-fPIC", "-o", str(made), str(source)], check=True)
    return made


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_missing_symbol_is_refused_with_symbol_and_file_before_anything_is_timed(only_single: Path, more: tuple[str, ...]) -> None:
    given = ["--library", f"openblas={only_single}", *more]
    result = mmbench("sweep", "--shapes", "16", "--dtypes", "f64", "--kernels", "vectorized", *given)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 2
    assert "cblas_dgemm" in result.stderr
    assert str(only_single) in result.stderr
    assert not Path("results").exists()


def test_what_a_given_library_lacks_of_several_types_is_a_skip_of_the_plan(only_single: Path) -> None:
    words = ["sweep", "--shapes", "16,17", "--dtypes", "f32,f64", "--kernels", "vectorized", "--library", f"openblas={only_single}"]
    plan = json.loads(mmbench(*words, "--dry-run", "--json").stdout)
    (skip,) = [s for s in plan["skips"] if s["kernel"] == "openblas@given"]
    assert (skip["cells"], "cblas_dgemm" in skip["reason"]) == (2, True)
    assert {c["case"]["dtype"]: c["kernels"] for c in plan["cells"]} == {"f32": ["vectorized", "openblas@given"], "f64": ["vectorized"]}
    result = mmbench(*words, *HURRY)
    assert result.exit_code == 0, result.output
    assert "openblas@given 2" in result.stdout
    (stored,) = list_sweeps(Path("results"))
    rows = Counter((row.variant.kernel, row.case.dtype) for row in read_sweep(stored.path).rows)
    assert rows == {("vectorized", "f32"): 2, ("vectorized", "f64"): 2, ("openblas@given", "f32"): 2}


def test_two_builds_of_one_library_take_part_in_the_order_given(only_single: Path) -> None:
    other = only_single.with_name("libother.so")
    other.write_bytes(only_single.read_bytes())
    given = [f"--library=openblas={other}", f"--library=openblas={only_single}"]
    result = mmbench("sweep", "--shapes", "16", "--kernels", "openblas@given", *given, *HURRY)
    assert result.exit_code == 0, result.output
    (stored,) = list_sweeps(Path("results"))
    run = read_sweep(stored.path)
    builds = {"openblas@given": str(other), "openblas@given-2": str(only_single)}
    assert {e.kernel: e.path for e in run.plan.entrants} == builds
    assert {row.variant.kernel for row in run.rows if row.samples.time_s} == set(builds)
    assert all(name in result.stdout for name in ("openblas@given ", "openblas@given-2 ", "libother.so", "libsingle.so"))
    twice = mmbench("sweep", "--shapes", "16", *given, f"--library=openblas={other}")
    assert twice.exit_code == 2
    assert "the same file was given before" in twice.stderr


def test_a_resumed_sweep_knows_its_given_files_by_their_own_names(tmp_path: Path) -> None:
    """Also where -k left the first of them out."""
    file = tmp_path / "new.so"
    file.write_bytes(b"\x7fELF")
    version = library("openblas").version
    second = Entrant("openblas@given-2", "library", version, "OpenBLAS", str(file))
    found = read_sweep(write_sweep(tmp_path, replace(sweep_plan(()), entrants=(second,)), end=False))
    check_same_kernels(found)
    other = replace(found, plan=replace(found.plan, entrants=(replace(second, version="0"),)))
    with pytest.raises(UsageError, match="openblas@given-2 changed since sweep 5a3e was begun: its version was 0"):
        check_same_kernels(other)
    file.unlink()
    with pytest.raises(UsageError, match="cannot be read"):
        check_same_kernels(found)


def test_a_sweep_without_any_time_ends_with_its_own_code() -> None:
    result = mmbench("sweep", "--shapes", "64", "--kernels", "naive", "--no-probe", "--time-budget", "1ms")
    assert result.exit_code == 5, result.output
    assert "no kernel got a time in the one cell: the time budget ended before the one cell" in result.stderr
    assert "not finished: the time budget ended before the one cell" in " ".join(result.stdout.split())


@pytest.mark.skipif(compiler() is None, reason="needs gcc")
def test_wrong_results_alone_are_no_success_either(tmp_path: Path) -> None:
    words = ["sweep", "--shapes", "24", "--kernels", "openblas@given", f"--library=openblas={build(tmp_path, 'writes_nothing')}", *HURRY]
    assert mmbench(*words).exit_code == 4
    result = mmbench(*words, "--fail-on", "none")
    assert result.exit_code == 5, result.output
    assert "openblas@given wrong" in result.stderr


def test_a_budget_that_ends_with_cells_left_is_no_failure_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def left_s(self: sweeps._Sweep) -> float:
        return 5.0 if self.parts_s["finishing"] == 0 else -1.0

    monkeypatch.setattr(sweeps._Sweep, "left_s", left_s)
    result = mmbench("sweep", "--shapes", "24,25", "--kernels", "vectorized", *HURRY)
    assert result.exit_code == 0, result.output
    said = " ".join(result.stdout.split())
    assert "not finished: the time budget ended before 1 of 2 cells; go on with: mmbench sweep --resume" in said


def test_measuring_the_roofs_first_counts_as_time_of_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    course = SweepCourse(
        Settings(results=Path("results")), {"as_json": True, "full": False, "no_probe": False}, Exports(None, None, None), frozenset()
    )

    def measured(_settings: Settings, *, may_probe: bool, quiet: bool, time_budget_s: float) -> tuple[Machine, str]:
        assert (may_probe, quiet, time_budget_s) == (True, True, plan.time_budget_s)
        clock[0] += took[0]
        return Machine(1, "here"), ""

    clock, took = [100.0], [0.0]
    monkeypatch.setattr("mmbench.cli.machine_file.with_roofs", measured)
    monkeypatch.setattr("mmbench.cli.sweep_course.time.monotonic", lambda: clock[0])
    for budget_s, took[0], left_s in ((50.0, 13.0, 37.0), (50.0, 40.0, 25.0), (0.0, 13.0, 0.0)):
        plan = replace(sweep_plan(), time_budget_s=budget_s)
        assert course._roofs(plan)[2].time_budget_s == left_s


def test_roofs_are_not_measured_in_a_budget_that_is_too_short_for_them() -> None:
    settings = Settings(results=Path("results").absolute())
    machine, why = with_roofs(settings, may_probe=True, quiet=True, time_budget_s=5.0)
    assert machine.id
    assert "half of the time budget is too short" in why
    assert not Path("results").exists()
    quick = load_profile("quick")
    assert make_plan(ROOF_PROBES, Effort.QUICK, quick.time_budget_s / 2).scale == 1.0


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
    parent = psutil.Process(process.pid)
    rows: list[str] = []
    while time.monotonic() < deadline and len(rows) < 3:
        time.sleep(0.05)
        files = list(results.glob("*/runs/*.jsonl"))
        rows = [line for line in files[0].read_text().splitlines() if '"event": "row"' in line or '"event":"row"' in line] if files else []
    workers = parent.children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert len(workers) >= 2
    assert not [worker.pid for worker in workers if outlives(worker, 10.0)]
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


def outlives(worker: psutil.Process, patience_s: float) -> bool:
    """Whether a worker still runs some time after its parent was killed. Where nobody waits for orphans it stays as a zombie."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        with contextlib.suppress(psutil.NoSuchProcess):
            if worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.05)
                continue
        return False
    return True
