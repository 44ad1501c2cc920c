"""Stored gates as a user meets them: shown, listed, compared, and where their files are damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from mmbench.cli import listing, main
from synthetic_gate import OLD, gate_plan, write_gate
from synthetic_sweep import write_sweep


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", "")
    for name in ("MMBENCH_RESULTS", "MMBENCH_COLOR", "MMBENCH_ASCII"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def mmbench(*words: str) -> Result:
    return CliRunner().invoke(main.cli, ["--results", "results", *words])


def good(*words: str) -> str:
    result = mmbench(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_show_gives_the_screen_or_the_document() -> None:
    path = write_gate(Path("results"))
    for word in ("9a7e", "9a", str(path)):
        assert good("show", word).startswith("1 of 12 cells is slower: f64 32x32x32 by 6.0 % (5.8 to 6.2 %)\n")
    document = json.loads(good("show", "9a7e", "--json"))
    assert (document["kind"], document["schema"], document["outcome"]) == ("gate", 1, "regression")
    assert [row["verdict"] for row in document["rows"]].count("equivalent") == 10
    assert len(good("show", "9a7e", "--full").splitlines()) == len(good("show", "9a7e").splitlines()) + 8  # ten rows for two lines


def test_a_gate_whose_events_contradict_each_other_is_an_error_in_one_sentence() -> None:
    path = write_gate(Path("results"))
    path.write_text(path.read_text().replace('"stage":"confirm"', '"stage":"screen"', 40), encoding="utf-8")
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    state = next(line for line in lines if '"event":"tuned"' in line)
    head = json.loads(state)
    head.update(event="state", payload={"cell": 0, "state": "vanished", "side": "", "reason": ""})
    path.write_text("".join([*lines, json.dumps(head) + "\n"]), encoding="utf-8")
    result = mmbench("show", "9a7e")
    assert result.exit_code == 2
    assert "'vanished' is not a valid State" in result.stderr
    assert "Traceback" not in result.stderr


def test_lists_tell_what_came_of_a_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    results = Path("results")
    write_gate(results)
    write_gate(results, changes={}, finished=False, run_id="b0b0")
    write_sweep(results)
    items = {item["id"]: item for item in json.loads(good("list", "runs", "--json"))["items"]}
    assert items["9a7e"]["about"] == "preset ci, 12 cells, regression"
    assert items["b0b0"]["about"] == "preset ci, 12 cells, unfinished"
    assert (items["9a7e"]["against"], items["9a7e"]["cells"], items["9a7e"]["finished"]) == (OLD.word, 12, True)
    monkeypatch.setattr(listing, "MOST_JUDGED", 0)
    items = {item["id"]: item for item in json.loads(good("list", "runs", "--json"))["items"]}
    assert items["9a7e"]["about"] == "preset ci, 12 cells"
    assert items["b0b0"]["about"] == "preset ci, 12 cells, unfinished"


def test_a_gate_alone_is_compared_by_its_own_evidence() -> None:
    write_gate(Path("results"))
    text = good("compare", "9a7e")
    assert "1.060x  1.058 to 1.062  > regression" in text
    assert "1 of 12 cells is slower" in text
    assert json.loads(good("compare", "9a7e", "--json"))["kind"] == "gate"


def test_cells_of_a_gate_are_chosen_as_those_of_a_sweep() -> None:
    write_gate(Path("results"))
    text = good("compare", "9a7e", "--dtypes", "f32", "-k", "not 32x32x32")
    assert "f64" not in text
    assert "no regression: 4 of 5 cells are equivalent within 3 %, 1 faster" in text
    assert mmbench("compare", "9a7e", "-k", "nothing").exit_code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("9a7e", "b0b0"), "'9a7e' and 'b0b0' are gates: each holds an old and a new side"),
        (("9a7e", "5a3e"), "'9a7e' is a gate, which holds both of its sides: it cannot be held against '5a3e'"),
        (("naive", "9a7e"), "'9a7e' is a gate, which holds both of its sides: it cannot be held against 'naive'"),
        (("5a3e",), "'5a3e' alone is nothing to compare"),
        (("9a7e", "--fail-on", "5%"), "--fail-on says nothing of a gate"),
        (("9a7e", "--run", "5a3e"), "--run says nothing of a gate"),
    ],
)
def test_what_a_gate_cannot_say_is_refused_in_a_sentence(words: tuple[str, ...], said: str) -> None:
    write_gate(Path("results"))
    write_gate(Path("results"), run_id="b0b0")
    write_sweep(Path("results"))
    result = mmbench("compare", *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "hint: " in result.stderr


def test_a_report_is_strict_about_a_gate_that_cannot_be_trusted() -> None:
    path = write_gate(Path("results"), gate_plan(2), changes={1: 0.06})
    assert good("report", str(path), "--format", "md", "--strict").count("## Gate") == 1
    write_gate(Path("results"), gate_plan(4), changes={4: 0.05, 5: 0.05}, run_id="b0b0")  # the first two of "same" differ
    result = mmbench("report", "b0b0", "--format", "md", "--strict")
    assert result.exit_code == 3
    assert "untrusted, so that no verdict of this run counts" in result.stdout
    assert mmbench("report", "b0b0", "--format", "md").exit_code == 0


def test_figures_of_a_gate_are_plotted_by_name() -> None:
    write_gate(Path("results"), gate_plan(2))
    names = [line.split()[0] for line in good("plot").splitlines()[1:]]
    assert names == ["gate-forest", "gate-controls", "gate-noise", "gate-blocks"]
    good("plot", "gate-forest", "-o", "forest.svg")
    assert "f64 32x32x32" in Path("forest.svg").read_text(encoding="utf-8")
