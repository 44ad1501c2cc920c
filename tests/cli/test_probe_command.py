"""`mmbench probe` on this machine, and what it does with what is stored already."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result
from mmbench.cli import main
from mmbench.cli.machine_file import merged
from mmbench.configs import store
from mmbench.configs.curve import Curve, Point
from mmbench.configs.machine import Machine
from mmbench.probes import runner
from mmbench.probes.context import Effort
from mmbench.probes.registry import all_probes
from mmbench.probes.runner import Step, Watcher

SCHEMAS = files("mmbench.configs") / "schemas"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the caller's settings."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", "")
    for name in ("MMBENCH_RESULTS", "MMBENCH_EFFORT", "MMBENCH_TIME_BUDGET", "MMBENCH_SEED", "MMBENCH_COLOR", "MMBENCH_ASCII"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def mmbench(results: Path, *words: str) -> Result:
    return CliRunner().invoke(main.cli, ["--results", str(results), *words])


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """The results of one real `probe --only identity --json`, and what it answered."""
    folder = tmp_path_factory.mktemp("probed")
    return folder, mmbench(folder, "probe", "--only", "identity", "--json")


@pytest.fixture
def results(probed: tuple[Path, Result], tmp_path: Path) -> Path:
    """A copy of them that a test may spoil."""
    return Path(shutil.copytree(probed[0], tmp_path / "results"))


def stored_path(results: Path) -> Path:
    (found,) = results.glob("*/machine.json")
    return found


def test_a_real_run_answers_with_the_machine_and_keeps_it(probed: tuple[Path, Result]) -> None:
    results, answer = probed
    assert answer.exit_code == 0, answer.stderr
    document = json.loads(answer.stdout)
    assert document["schema"] == 1
    assert list(document["curves"]) == ["identity", "topology"]
    path = stored_path(results)
    assert json.loads(path.read_text(encoding="utf-8")) == document
    jsonschema.validate(document, json.loads((SCHEMAS / "machine.schema.json").read_text(encoding="utf-8")))
    machine = store.load_machine(path)
    assert machine.id == path.parent.name == document["id"]
    assert machine.topology is not None
    assert len(machine.topology.allowed) >= 1
    assert machine.conditions.after
    assert machine.versions["mmbench"]


def test_a_real_run_leaves_a_run_file_with_each_curve(probed: tuple[Path, Result]) -> None:
    results, _ = probed
    (path,) = results.glob("*/runs/*.jsonl")
    run, events, notes = store.read_run(path)
    assert notes == []
    assert [(e.event, e.payload.get("label")) for e in events] == [("curve", "identity"), ("curve", "topology"), ("ended", None)]
    assert (run.kind, run.machine_id) == ("probe", stored_path(results).parent.name)
    assert run.settings["effort"] == "default"
    first = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    jsonschema.validate(first, json.loads((SCHEMAS / "run.schema.json").read_text(encoding="utf-8")))


def test_everything_that_reads_can_read_it(results: Path) -> None:
    machine = store.load_machine(stored_path(results))
    for words in (["show"], ["show", "--full"], ["show", machine.id], ["export", "json"], ["list", "machines"], ["list", "runs"]):
        done = mmbench(results, *words)
        assert done.exit_code == 0, done.output
        assert done.stdout
    assert store.parse_machine(mmbench(results, "export", "json").stdout, "here") == machine
    rows = list(csv.DictReader(io.StringIO(mmbench(results, "export", "csv").stdout)))
    assert any(row["path"].startswith("identity") for row in rows)
    assert [m["id"] for m in json.loads(mmbench(results, "list", "machines", "--json").stdout)["items"]] == [machine.id]
    (listed,) = json.loads(mmbench(results, "list", "runs", "--json").stdout)["items"]
    assert "identity" not in mmbench(results, "show", listed["id"]).stderr
    assert "2 curve, 1 ended" in mmbench(results, "show", listed["id"]).stdout


def test_inferring_again_from_the_file_changes_nothing(results: Path) -> None:
    machine = store.load_machine(stored_path(results))
    again = mmbench(results, "show", "--reinfer", "--json")
    assert again.exit_code == 0, again.stderr
    assert store.parse_machine(again.stdout, "here") == machine
    assert mmbench(results, "show", "--reinfer").stdout == mmbench(results, "show").stdout


# --- what would be done


def test_a_dry_run_says_what_it_would_do_and_leaves_nothing(tmp_path: Path) -> None:
    done = mmbench(tmp_path / "r", "probe", "--dry-run")
    assert done.exit_code == 0
    for probe in all_probes():
        assert any(line.startswith(f"{probe.name} ") for line in done.stdout.splitlines())
    assert "nothing was measured" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(("words", "effort"), [([], Effort.DEFAULT), (["--quick"], Effort.QUICK), (["--deep"], Effort.DEEP)])
def test_a_dry_run_as_json_adds_up(tmp_path: Path, words: list[str], effort: Effort) -> None:
    document = json.loads(mmbench(tmp_path, "probe", "--dry-run", "--json", *words).stdout)
    assert document["schema"] == 1
    assert document["effort"] == effort
    assert [p["probe"] for p in document["probes"]] == [p.name for p in all_probes()]
    assert document["estimate_s"] == pytest.approx(sum(p.estimate_s(effort) for p in all_probes()), abs=0.1)


def test_a_dry_run_of_some_probes_names_what_they_need_and_fits_the_budget(tmp_path: Path) -> None:
    document = json.loads(mmbench(tmp_path, "probe", "--dry-run", "--json", "--only", "clock,identity", "--time-budget", "1s").stdout)
    assert [p["probe"] for p in document["probes"]] == ["identity", "topology", "clock"]
    assert document["effort"] == "quick"
    assert document["estimate_s"] <= 1.05


def test_an_unknown_probe_is_refused_with_the_names_of_all(tmp_path: Path) -> None:
    for extra in ([], ["--dry-run"]):
        done = mmbench(tmp_path / "r", "probe", "--only", "latency,nonsense", *extra)
        assert done.exit_code == 2
        assert done.stderr.startswith("error: there is no probe 'nonsense'")
        assert "identity" in done.stderr
        assert "tlb" in done.stderr
        assert done.stdout == ""
    assert not (tmp_path / "r").exists()


# --- beside what is stored


class Said:
    """A run that has its answer ready, with real curves of this machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.before_end: Callable[[Watcher], None] = lambda _watcher: None

    def __call__(self, plan: runner.Plan, watcher: Watcher, *, seed: int = 0, **_: object) -> Machine:
        for label, curve in self.machine.curves.items():
            step = Step(next(p for p in all_probes() if p.name == curve.probe), "", 0, 0.1)
            assert step.label == label
            watcher.started(step, 0, 1)
            watcher.finished(step, curve, self.machine, 0.1)
        self.before_end(watcher)
        return self.machine


@pytest.fixture
def said(results: Path, monkeypatch: pytest.MonkeyPatch) -> Said:
    """A next run that finds what the real one found, with new times."""
    fake = Said(dataclasses.replace(store.load_machine(stored_path(results)), probed_at="", versions={}))
    monkeypatch.setattr(runner, "run", fake)
    return fake


def clock_curve(hz: float = 3e9, version: int = 1) -> Curve:
    point = Point({"load": "scalar", "chain": "add"}, 64.0, (64 / hz,) * 7, (hz,) * 7)
    readings = {"timer": "tsc", "ordered": "x", "timer_hz": 2e9, "timer_hz_error": 1e-6, "step_s": 1e-9, "cost_s": 2e-8, "why": ""}
    return Curve("clock", version, "link", (point,), readings)


def store_more(results: Path, hz: float = 3e9, **curves: Curve) -> Machine:
    """The stored machine with a clock besides, probed long ago."""
    machine = store.load_machine(stored_path(results))
    more = runner.reinfer(dataclasses.replace(machine, curves={**machine.curves, "clock": clock_curve(hz), **curves}))
    more = dataclasses.replace(more, probed_at="2001-02-03T04:05:06Z")
    store.save_machine(results, more)
    return more


def test_only_some_probes_leave_the_rows_of_the_others(results: Path, said: Said) -> None:
    old = store_more(results)
    done = mmbench(results, "probe", "--only", "identity")
    assert done.exit_code == 0, done.stderr
    new = store.load_machine(stored_path(results))
    assert new.clocks == old.clocks
    assert new.clocks[0].core_hz.value == pytest.approx(3e9)
    assert set(new.curves) == {"identity", "topology", "clock"}
    assert new.probed_at > old.probed_at
    assert new.conditions.after
    assert len(list(results.glob("*/runs/*.jsonl"))) == 2


def test_a_whole_run_replaces_everything(results: Path, said: Said) -> None:
    store_more(results)
    assert mmbench(results, "probe").exit_code == 0
    assert store.load_machine(stored_path(results)).clocks == ()


def test_an_interrupted_whole_run_keeps_what_was_there(results: Path, said: Said) -> None:
    old = store_more(results)

    def interrupt(_watcher: Watcher) -> None:
        raise KeyboardInterrupt

    said.before_end = interrupt
    done = mmbench(results, "probe")
    assert done.exit_code == 130
    assert "interrupted; what was finished is kept in" in done.stderr
    assert done.stdout == ""
    assert store.load_machine(stored_path(results)).clocks == old.clocks
    newest = max(results.glob("*/runs/*.jsonl"), key=lambda p: p.stat().st_mtime_ns)
    assert list(store.read_run(newest)[1])[-1].payload == {"interrupted": True}


def test_a_new_curve_wins_over_the_stored_one_and_a_failed_probe_keeps_its_rows(results: Path) -> None:
    stored = store_more(results)
    again = merged(stored, dataclasses.replace(stored, curves={"clock": clock_curve(2.5e9)}, probed_at="2002", not_run={}))
    assert again.clocks[0].core_hz.value == pytest.approx(2.5e9)
    assert again.identity == stored.identity
    without = {label: curve for label, curve in stored.curves.items() if label != "clock"}
    failed = merged(stored, dataclasses.replace(stored, curves=without, clocks=(), not_run={"clock": "killed by SIGILL"}))
    assert failed.clocks == stored.clocks
    assert failed.not_run == {"clock": "killed by SIGILL; its rows are those of 2001-02-03T04:05:06Z"}
    mended = merged(dataclasses.replace(stored, not_run={"clock": "hung", "tlb": "hung"}), stored)
    assert mended.not_run == {"tlb": "hung"}


def test_stored_curves_of_another_version_or_of_no_probe_here_are_named(results: Path, said: Said) -> None:
    store_more(results, clock=clock_curve(version=0), plugged=Curve("plugged", 3))
    assert mmbench(results, "probe", "--only", "identity").exit_code == 0
    new = store.load_machine(stored_path(results))
    assert new.clocks == ()
    assert new.not_run["clock"].startswith("measured by version 0")
    assert "no probe 'plugged'" in new.not_run["plugged"]


SPOILED = {
    "torn": (lambda text: text[: len(text) // 2], "not valid JSON"),
    "newer": (lambda text: text.replace('"schema": 1', '"schema": 99', 1), "schema 99"),
    "nonsense": (lambda text: text.replace('"curves": {', '"curves": {"x": 3, ', 1), "curves"),
    "empty": (lambda _text: "", "not valid JSON"),
    "binary": (lambda _text: "\udcff\udcfe", "UTF-8"),
}


@pytest.mark.parametrize("how", SPOILED)
@pytest.mark.parametrize("words", [["--only", "identity"], []])
def test_a_stored_file_that_cannot_be_read_is_moved_aside_and_told(results: Path, said: Said, how: str, words: list[str]) -> None:
    spoil, reason = SPOILED[how]
    path = stored_path(results)
    content = spoil(path.read_text(encoding="utf-8")).encode("utf-8", errors="surrogateescape")
    path.write_bytes(content)
    done = mmbench(results, "probe", *words)
    assert done.exit_code == 0, done.stderr
    (aside,) = path.parent.glob("machine.json.unreadable-*")
    assert aside.read_bytes() == content
    assert reason in done.stderr
    assert str(aside) in done.stderr
    assert store.load_machine(path).curves.keys() == said.machine.curves.keys()
    assert [m.problem for m in store.list_machines(results)] == [""]


def test_a_second_unreadable_file_does_not_replace_the_first(results: Path, said: Said) -> None:
    path = stored_path(results)
    for content in ("first", "second"):
        path.write_text(content)
        assert mmbench(results, "probe").exit_code == 0
    assert sorted(p.read_text() for p in path.parent.glob("machine.json.unreadable-*")) == ["first", "second"]


def test_a_machine_whose_topology_was_lost_is_kept_under_what_name_can_be_had(tmp_path: Path, said: Said) -> None:
    identity = {"identity": said.machine.curves["identity"]}
    lost = {"topology": "killed by SIGKILL"}
    said.machine = dataclasses.replace(said.machine, id="", topology=None, curves=identity, not_run=lost)
    done = mmbench(tmp_path / "new", "probe", "--only", "identity")
    assert done.exit_code == 0, done.stderr
    machine = store.load_machine(stored_path(tmp_path / "new"))
    assert machine.not_run == lost
    assert machine.identity == said.machine.identity
    assert len(list((tmp_path / "new").glob("*/runs/*.jsonl"))) == 1


def test_no_result_at_all_is_an_error_and_leaves_no_machine(tmp_path: Path, said: Said) -> None:
    said.machine = Machine(1, "")
    done = mmbench(tmp_path / "new", "probe")
    assert done.exit_code == 5
    assert "no probe gave a result" in done.stderr
    assert list((tmp_path / "new").iterdir()) == []


def test_quick_and_deep_at_once_are_refused_before_anything_is_measured(tmp_path: Path) -> None:
    done = mmbench(tmp_path, "probe", "--quick", "--deep")
    assert isinstance(done.exception, SystemExit)
    assert done.exit_code == 2
    assert "--quick and --deep exclude each other" in done.stderr
