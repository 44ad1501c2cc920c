"""The doctor: what it finds, and that a process killed by what it tries is an answer, too."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from mmbench.cli import checks, doctor, main, trial
from mmbench.cli.checks import Check, State
from mmbench.configs.machine import Conditions, Notice
from mmbench.configs.settings import Settings

FINE = Check("code", State.OK, "fine")
POOR = Check("memory", State.WARN, "little", "buy some")
BROKEN = Check("results", State.FAIL, "no room", "make room")


def test_the_trials_answer_one_line_each() -> None:
    found = checks.trials()
    assert [check.name for check in found] == list(trial.TRIALS)
    assert all(check.words for check in found)
    assert found[0].state is State.OK, found[0]


@pytest.mark.parametrize(
    ("code", "last", "words"),
    [
        (-9, [], "killed by SIGKILL"),
        (-11, [], "killed by SIGSEGV"),
        (-4, [], "killed by SIGILL"),
        (1, ["ImportError: no llvmlite"], "failed: ImportError: no llvmlite"),
        (3, [], "failed with exit code 3"),
        (None, [], "hung"),
    ],
)
def test_a_child_that_does_not_end_well_names_its_trial(code: int | None, last: list[str], words: str) -> None:
    line = json.dumps(["code", "ok", "fine", ""])
    found = checks.read_trials(f"noise of a library\n{line}\n", code, last)
    assert found[0] == FINE
    assert (found[1].name, found[1].state) == ("timer", State.FAIL)
    assert words in found[1].words


def test_a_child_that_hangs_is_ended() -> None:
    found = checks.trials(limit_s=0.01)
    assert found[-1].state is State.FAIL
    assert "hung" in found[-1].words


def test_no_process_to_be_had_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_words: object, **_more: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "run", refuse)
    found = checks.trials()
    assert [check.state for check in found] == [State.FAIL]
    assert "pids.max" in found[0].hint


@pytest.mark.parametrize(("room", "state"), [(2**20, State.FAIL), (2**28, State.WARN), (2**33, State.OK)])
def test_memory_is_judged_by_what_may_be_used(monkeypatch: pytest.MonkeyPatch, room: int, state: State) -> None:
    monkeypatch.setattr("mmbench.kernels.measure.conditions.memory_budget_bytes", lambda _root: (room, "cgroup memory.max"))
    found = checks.memory()
    assert found.state is state
    assert "cgroup memory.max" in found.words


def test_folders_are_tried_and_left_as_they_were(tmp_path: Path) -> None:
    assert checks.results_folder(tmp_path / "new").state is State.OK
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    assert checks.results_folder(tmp_path / "file").state is State.FAIL
    assert checks.cache_folder(tmp_path / "file").state is State.WARN
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "kept").write_text("")
    assert checks.results_folder(tmp_path / "full").state is State.OK
    assert (tmp_path / "full" / "kept").exists()


def test_conditions_become_warnings_with_their_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    def diagnosed(conditions: Conditions, topology: object) -> tuple[Notice, ...]:
        assert isinstance(conditions, Conditions)
        return (Notice("steal is high", "it slows samples", "wait", "steal"),)

    monkeypatch.setattr("mmbench.probes.conditions.diagnose", diagnosed)
    assert checks.conditions() == [Check("conditions", State.WARN, "steal is high: it slows samples", "wait; see mmbench explain steal")]
    monkeypatch.setattr("mmbench.probes.conditions.diagnose", lambda *_: ())
    assert [check.state for check in checks.conditions()] == [State.OK]


def test_variables_that_set_nothing_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMBENCH_RESULT", "x")
    assert [check.hint for check in checks.variables()] == ["did you mean $MMBENCH_RESULTS?"]


@pytest.mark.parametrize(
    ("found", "strict", "code"),
    [([FINE], False, 0), ([FINE], True, 0), ([FINE, POOR], False, 0), ([FINE, POOR], True, 3), ([BROKEN], False, 0), ([BROKEN], True, 3)],
)
def test_the_exit_code_is_0_but_for_strict(monkeypatch: pytest.MonkeyPatch, found: list[Check], strict: bool, code: int) -> None:
    monkeypatch.setattr(doctor, "everything", lambda _settings: found)
    result = CliRunner().invoke(main.cli, ["doctor", *(["--strict"] if strict else [])])
    assert result.exit_code == code
    as_json = CliRunner().invoke(main.cli, ["doctor", "--json", *(["--strict"] if strict else [])])
    document = json.loads(as_json.stdout)
    assert document["trusted"] is (found == [FINE])
    assert [check["state"] for check in document["checks"]] == [check.state.value for check in found]
    assert as_json.exit_code == code


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("color", [True, False])
def test_the_report_fits_and_hides_no_escape(columns: int, color: bool) -> None:
    hostile = Check("conditions", State.WARN, "word " * 40 + "\x1b[2J\u202e", "hint " * 40)
    text = doctor.report([FINE, POOR, BROKEN, hostile], columns, color=color)
    plain = re.sub(r"\x1b\[3[123]m|\x1b\[0m", "", text)
    assert "\x1b" not in plain
    assert "\u202e" not in plain
    assert max(len(line) for line in plain.splitlines()[:-2]) <= columns
    assert ("\x1b[31m" in text) is color


def test_the_verdict_is_one_sentence() -> None:
    assert doctor.verdict([FINE]).startswith("All 1 checks are ok")
    assert doctor.verdict([FINE, POOR]).startswith("1 of 2 checks gave a warning")
    assert doctor.verdict([FINE, POOR, BROKEN]).startswith("1 of 3 checks failed")


def test_everything_is_looked_at_on_this_machine(tmp_path: Path) -> None:
    found = checks.everything(Settings(results=tmp_path / "r", cache=tmp_path / "c"))
    assert {"code", "timer", "pinning", "huge pages", "steadiness", "memory", "results", "cache", "conditions"} <= {c.name for c in found}
