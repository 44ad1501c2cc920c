"""The templates for CI: their very steps are run, with hostile values, with failing gates, and once with real exports."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gate_documents
import pytest
import yaml
from junitparser import JUnitXml

ROOT = Path(__file__).parents[1]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
GITLAB: dict[str, Any] = yaml.safe_load((ROOT / "docs/ci/gitlab.yml").read_text(encoding="utf-8"))["mmbench-gate"]
MINIMAL = ROOT / "docs/ci/minimal.sh"
INPUTS = sorted(set(ACTION["inputs"]) - {"python"})
HOSTILE = "$(touch pwned) `touch pwned`; touch pwned\n\"'|| touch pwned && ${IFS} %0A::set-output name=verdict::fine\nverdict=fine --help *"

# Stands in for `python3 -m pip`, `python3 -m mmbench` and `mmbench`: keeps its words, writes what it is told to, ends as it is told to.
# Whatever else is asked of python3 is done by the real one.
STAND_IN = """\
import json, os, subprocess, sys
here, name, words = os.path.dirname(__file__), sys.argv[1], sys.argv[2:]
if name == "python3" and words[:1] != ["-m"]:
    os.execv(sys.executable, [sys.executable, *words])
words = words[1:] if name == "python3" else [name, *words]
with open(os.path.join(here, "calls.jsonl"), "a") as file:
    file.write(json.dumps(words) + "\\n")
if words[:2] == ["mmbench", "sweep"]:
    run = os.environ.get("STAND_IN_RUN")
    for word in words:
        if word.startswith("--export-") and not os.environ.get("STAND_IN_SILENT"):
            form, _, path = word.removeprefix("--export-").partition("=")
            if run:
                subprocess.run([sys.executable, "-m", "mmbench", "export", form, run, "-o", path], check=True)
            else:
                with open(path, "w") as file:
                    file.write(json.dumps({"outcome": os.environ.get("STAND_IN_OUTCOME", "passed")}))
    sys.exit(int(os.environ.get("STAND_IN_CODE", "0")))
if words[:2] == ["mmbench", "report"]:
    if os.environ.get("STAND_IN_REPORT") == "fails":
        sys.exit(2)
    open(words[words.index("-o") + 1], "w").close()
"""


@dataclass
class Ran:
    """How a step ended."""

    code: int
    stderr: str
    calls: list[list[str]]
    outputs: dict[str, str] = field(default_factory=dict)


class Place:
    """A folder with stand-ins first on PATH, in which steps are run as a CI system runs them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.work = folder / "work"
        for each in (self.bin, self.work, folder / "temp"):
            each.mkdir()
        (self.bin / "stand_in.py").write_text(STAND_IN, encoding="utf-8")
        for name in ("python3", "mmbench"):
            script = self.bin / name
            script.write_text(f'#!/bin/bash\nexec {shlex.quote(sys.executable)} {self.bin / "stand_in.py"} {name} "$@"\n', encoding="utf-8")
            script.chmod(0o755)

    def run(self, words: list[str], more: Mapping[str, str]) -> Ran:
        """A command in the working folder, with only these variables besides what Python needs."""
        output = self.folder / "output"
        output.write_text("")
        runner = {
            "GITHUB_ACTION_PATH": "/the/action's own checkout",
            "GITHUB_OUTPUT": str(output),
            "RUNNER_TEMP": str(self.folder / "temp"),
        }
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "PYTHONPATH") if name in os.environ}
        environment = {**kept, **runner, "PATH": f"{self.bin}:{os.environ['PATH']}", **more}
        ran = subprocess.run(words, cwd=self.work, env=environment, capture_output=True, text=True, check=False)
        calls = self.bin / "calls.jsonl"
        lines = calls.read_text().splitlines() if calls.exists() else []
        calls.unlink(missing_ok=True)
        outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
        return Ran(ran.returncode, ran.stderr, [json.loads(line) for line in lines], outputs)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Nothing in it but stand-ins."""
    return Place(tmp_path)


def step(place: Place, name: str, inputs: Mapping[str, str], **more: str) -> Ran:
    """One step of the action, as the runner does it: expressions in `env` are replaced, then bash runs the script."""
    found = next(each for each in ACTION["runs"]["steps"] if each["name"] == name)
    values = {name: str(about.get("default", "")) for name, about in ACTION["inputs"].items()} | dict(inputs)

    def value(text: str) -> str:
        return re.sub(r"\$\{\{ inputs\.([a-z-]+) \}\}", lambda match: values[match[1]], text)

    script = place.folder / "script.sh"
    script.write_text(found["run"], encoding="utf-8")
    environment = {key: value(text) for key, text in found["env"].items()}
    return place.run(["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)], {**environment, **more})


def gate(place: Place, inputs: Mapping[str, str], **more: str) -> Ran:
    return step(place, "Run the gate", {"against": "lib:/old.so", **inputs}, **more)


def sweep_of(ran: Ran) -> list[str]:
    return next(words for words in ran.calls if words[:2] == ["mmbench", "sweep"])[2:]


def test_the_action_is_what_github_takes() -> None:
    assert set(ACTION) == {"name", "description", "inputs", "outputs", "runs"}
    assert ACTION["runs"]["using"] == "composite"
    assert {key for each in ACTION["inputs"].values() for key in each} == {"description", "required", "default"}
    assert ACTION["inputs"]["against"]["required"] is True
    assert all(isinstance(each.get("default", ""), str) for each in ACTION["inputs"].values())
    for each in ACTION["runs"]["steps"]:
        assert set(each) <= {"name", "id", "shell", "env", "run"}
        assert each["shell"] == "bash"
    ids = {each.get("id") for each in ACTION["runs"]["steps"]}
    for output in ACTION["outputs"].values():
        assert re.fullmatch(r"\$\{\{ steps\.([a-z]+)\.outputs\.[a-z]+ \}\}", output["value"])[1] in ids


def test_no_script_has_an_expression_in_it_and_every_input_is_used() -> None:
    scripts = [each["run"] for each in ACTION["runs"]["steps"]]
    assert [script for script in scripts if "${{" in script] == []
    used = {text for each in ACTION["runs"]["steps"] for text in each["env"].values()}
    assert {f"${{{{ inputs.{name} }}}}" for name in ACTION["inputs"]} <= used


def test_the_action_installs_its_own_checkout(place: Place) -> None:
    ran = step(place, "Install mmbench", {})
    assert ran.code == 0, ran.stderr
    assert [words[:2] for words in ran.calls] == [["pip", "install"]]
    assert ran.calls[0][-1] == "/the/action's own checkout"


def test_the_inputs_are_the_words_of_the_gate(place: Place) -> None:
    given = {name: f"the {name}" for name in INPUTS if name != "args"} | {"args": "-k 'bert and not cold' --seed 3"}
    words = sweep_of(gate(place, given))
    assert {f"--{name}=the {name}" for name in given if name != "args"} <= set(words)
    assert words[-4:] == ["-k", "bert and not cold", "--seed", "3"]
    few = sweep_of(gate(place, {}))
    assert {word.partition("=")[0] for word in few} == {
        *("--github", "--export-json", "--export-junit", "--export-markdown", "--against", "--preset", "--results")
    }


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 5, 70, 130])
def test_the_exit_code_of_the_gate_is_that_of_the_step(code: int, place: Place) -> None:
    ran = gate(place, {}, STAND_IN_CODE=str(code), STAND_IN_OUTCOME="regression")
    assert ran.code == code
    assert ran.outputs["verdict"] == "regression"
    for name in ("junit", "markdown", "json", "report"):
        assert Path(ran.outputs[name]).is_file()


def test_a_gate_that_wrote_nothing_has_no_verdict(place: Place) -> None:
    ran = gate(place, {}, STAND_IN_CODE="2", STAND_IN_SILENT="1")
    assert ran.code == 2
    assert ran.outputs == {"verdict": "none", "report": "", "junit": "", "markdown": "", "json": ""}


def test_a_page_that_cannot_be_drawn_changes_nothing(place: Place) -> None:
    ran = gate(place, {}, STAND_IN_REPORT="fails", STAND_IN_CODE="1")
    assert (ran.code, ran.outputs["report"], ran.outputs["verdict"]) == (1, "", "passed")


def test_a_verdict_is_a_word_whatever_the_file_says(place: Place) -> None:
    ran = gate(place, {}, STAND_IN_OUTCOME="passed\nreport=/etc/passwd")
    assert ran.outputs["verdict"] == "none"
    assert ran.outputs["report"].endswith("report.html")


@pytest.mark.parametrize("name", INPUTS)
def test_a_hostile_input_is_a_value_and_nothing_more(name: str, place: Place) -> None:
    value = HOSTILE if name != "args" else shlex.quote(HOSTILE)
    ran = gate(place, {name: value})
    assert ran.code == 0, ran.stderr
    words = sweep_of(ran)
    assert (f"--{name}={HOSTILE}" if name != "args" else HOSTILE) in words
    assert list(place.work.rglob("pwned")) == []
    assert ran.outputs["verdict"] == "passed"
    assert set(ran.outputs) == set(ACTION["outputs"])


def test_a_quote_that_does_not_end_is_no_regression(place: Place) -> None:
    ran = gate(place, {"args": "-k 'bert"})
    assert ran.code == 2
    assert "a quote that does not end" in ran.stderr
    assert ran.calls == []


def test_the_files_of_a_gate_that_failed_are_the_real_ones(place: Place) -> None:
    found, document = gate_documents.regressed(place.folder / "results")
    ran = gate(place, {}, STAND_IN_RUN=str(found.path), STAND_IN_CODE="1")
    assert (ran.code, ran.outputs["verdict"]) == (1, "regression"), ran.stderr
    junit = JUnitXml.fromstring(Path(ran.outputs["junit"]).read_bytes())
    assert (junit.failures, junit.tests) == (1, len(document.rows) + len(document.families))
    assert json.loads(Path(ran.outputs["json"]).read_text())["run_id"] == found.run.id
    assert Path(ran.outputs["markdown"]).read_text().startswith("## ❌ 1 of 12 cells is slower")


def gitlab(place: Place, **more: str) -> Ran:
    """The job's script as GitLab's shell runs it: a line after the other, ending at the first that fails."""
    script = place.folder / "script.sh"
    script.write_text("set -eo pipefail\n" + "\n".join(GITLAB["script"]) + "\n", encoding="utf-8")
    return place.run(["bash", str(script)], {**GITLAB["variables"], **more})


@pytest.mark.parametrize("code", [0, 1, 3, 4])
def test_gitlab_ends_as_the_gate_does_with_its_files_there(code: int, place: Place) -> None:
    ran = gitlab(place, STAND_IN_CODE=str(code))
    assert ran.code == code
    kept = GITLAB["artifacts"]
    assert kept["when"] == "always"
    assert (place.work / kept["reports"]["junit"]).is_file()
    for path in kept["paths"]:
        assert (place.work / path).is_file() or f"--results={path.rstrip('/')}" in sweep_of(ran)
    assert GITLAB["allow_failure"] == {"exit_codes": [3]}


def test_gitlab_hands_on_hostile_variables_as_they_are(place: Place) -> None:
    names = ("GATE_MMBENCH", "GATE_AGAINST", "GATE_KERNELS", "GATE_PRESET", "GATE_FAIL_ON")
    assert set(GITLAB["variables"]) == set(names)
    ran = gitlab(place, **dict.fromkeys(names, HOSTILE))
    assert ran.code == 0, ran.stderr
    assert ran.calls[0][-1] == HOSTILE
    assert {f"--{name}={HOSTILE}" for name in ("against", "kernels", "preset", "fail-on")} <= set(sweep_of(ran))
    assert list(place.work.rglob("pwned")) == []


@pytest.mark.parametrize("code", [0, 1, 5])
def test_the_smallest_script_writes_its_files_and_ends_as_the_gate_does(code: int, place: Place) -> None:
    ran = place.run(["bash", str(MINIMAL), HOSTILE, "--kernels", HOSTILE], {"STAND_IN_CODE": str(code)})
    assert ran.code == code
    assert f"--against={HOSTILE}" in sweep_of(ran)
    assert sweep_of(ran)[-2:] == ["--kernels", HOSTILE]
    assert {path.name for path in place.work.iterdir()} == {"mmbench-gate.xml", "mmbench-gate.md"}


def test_the_smallest_script_says_how_it_is_used(place: Place) -> None:
    ran = place.run(["bash", str(MINIMAL)], {})
    assert (ran.code, ran.calls) == (2, [])
    assert ran.stderr.startswith("usage: ")
    assert os.access(MINIMAL, os.X_OK)
