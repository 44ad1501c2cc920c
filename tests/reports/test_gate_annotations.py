"""Annotations as GitHub's runner takes them, and names that would like to be more than names."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from xml.dom import minidom

import gate_documents
import pytest
from gate_documents import Found
from mmbench.configs.gatedoc import Verdict
from mmbench.reports.gate_exports import GATE_FORMS, gate_export_text


@dataclass
class Command:
    """A workflow command as the runner understands it."""

    name: str
    title: str
    text: str


def commands(output: str) -> list[Command]:
    """What the runner makes of a step's output, after actions/runner, ActionCommand.cs: commands begin a line; then unescaping."""
    found = []
    for line in re.split(r"\r\n|\r|\n", output):
        match = re.fullmatch(r"::([a-z-]+)(?: ([^:]*))?::(.*)", line.lstrip())
        if match:
            properties = dict(pair.split("=", 1) for pair in (match[2] or "").split(",") if pair)
            title = properties.pop("title", "")
            assert properties == {}
            for code, character in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
                title = title.replace(code, character)
            text = match[3].replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
            found.append(Command(match[1], title, text))
        elif line:
            raise AssertionError(f"no command: {line!r}")
    return found


def annotations(found: Found) -> list[Command]:
    gate, document = found
    return commands(gate_export_text("github", document, gate))


def test_a_gate_that_passed_says_nothing(tmp_path: Path) -> None:
    assert annotations(gate_documents.passed(tmp_path)) == []


def test_regressions_come_first_and_are_errors(tmp_path: Path) -> None:
    found = annotations(gate_documents.mixed(tmp_path))
    assert [command.name for command in found] == ["error"] * 6
    assert found[0].title.startswith("mmbench: regression openblas@numpy f64 32x32x32")
    assert found[0].text.startswith("+6.1")
    assert "%25" not in found[0].text


def test_an_untrusted_run_says_that_first_and_confirms_nothing(tmp_path: Path) -> None:
    first, *rest = annotations(gate_documents.untrusted(tmp_path))
    assert (first.name, first.title) == ("error", "mmbench: untrusted")
    assert {command.name for command in rest} == {"warning"}


def test_an_advisory_regression_is_a_notice(tmp_path: Path) -> None:
    assert [command.name for command in annotations(gate_documents.advisory(tmp_path))] == ["notice"]


def test_ten_at_most_and_the_tenth_counts_the_rest(tmp_path: Path) -> None:
    gate, document = gate_documents.mixed(tmp_path)
    slow = next(row for row in document.rows if row.verdict is Verdict.REGRESSION)
    rows = (*document.rows, *(replace(slow, name=f"{slow.name} {i}") for i in range(12)))
    found = annotations((gate, replace(document, rows=rows)))
    assert len(found) == 10
    assert all("regression" in command.title for command in found)
    last = found[-1].text.splitlines()
    assert len(last) == 2
    assert last[1] == "and 8 more: 3 regression, 1 wrong, 1 crashed, 1 timeout, 1 deleted, 1 missing"
    assert all("\n" not in command.text for command in found[:-1])
    ten = annotations((gate, replace(document, rows=rows[:-8])))
    assert len(ten) == 10
    assert "more" not in ten[-1].text


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """A gate whose every word is hostile."""
    return gate_documents.hostile(tmp_path_factory.mktemp("gate"))


def test_hostile_words_stay_words_in_annotations(hostile: Found) -> None:
    found = annotations(hostile)
    assert {command.name for command in found} <= {"error", "warning", "notice"}
    assert len(found) == 6
    assert any("%0A::error::z" in command.title for command in found)  # as itself, and so no end of a line
    assert all("\n" not in command.title for command in found)


def test_hostile_words_stay_words_in_xml(hostile: Found) -> None:
    gate, document = hostile
    tree = minidom.parseString(gate_export_text("junit", document, gate).encode())
    names = {node.tagName for node in tree.getElementsByTagName("*")}
    assert names == {"testsuites", "testsuite", "testcase", "properties", "property", "failure", "error", "system-out"}
    assert "<script>alert(1)</script>" in tree.getElementsByTagName("testcase")[0].getAttribute("name")


def test_hostile_words_stay_words_in_markdown(hostile: Found) -> None:
    gate, document = hostile
    text = gate_export_text("markdown", document, gate)
    outside = re.sub(r"\\[\\`*_\[\]<>|~#@&!$]", "", text)  # what is escaped is itself
    assert set(re.findall(r"<[^>]*>", outside)) <= {"<details>", "<summary>", "</summary>", "</details>"}
    assert "](" not in outside
    assert "`" not in outside
    tables = [line for line in outside.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in tables} == {10}


@pytest.mark.parametrize("form", sorted({*GATE_FORMS} - {"github"}))
def test_no_line_of_any_form_is_a_command_and_none_holds_a_control_character(form: str, hostile: Found) -> None:
    gate, document = hostile
    text = gate_export_text(form, document, gate)
    assert [line for line in re.split(r"\r\n|\r|\n", text) if line.lstrip().startswith("::")] == []
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    if form != "json":  # which has the strings as they are
        assert "\u202e" not in text
