"""A gate in the forms of others, read back by their own tools or by what their documentation says."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import statistics
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import gate_documents
import jsonschema
import pyperf
import pytest
from gate_documents import EVERY, Found
from junitparser import Error, Failure, JUnitXml, Properties, Skipped, TestCase, TestSuite
from mmbench.configs import schema_files
from mmbench.configs.gatedoc import Verdict
from mmbench.reports.gate_exports import GATE_FORMS, gate_export_text
from mmbench.reports.gate_flat import GATE_COLUMNS
from mmbench.reports.gate_times import launch_times
from prometheus_client.openmetrics.parser import text_string_to_metric_families

# bencher.dev, "Bencher Metric Format (BMF) JSON Schema", as published; and what github-action-benchmark's README says of its custom format.
BMF = {
    "$schema": "http://json-schema.org/draft-07/schema",
    "type": "object",
    "patternProperties": {
        ".+": {
            "type": "object",
            "patternProperties": {
                ".+": {
                    "type": "object",
                    "properties": {"value": {"type": "number"}, "lower_value": {"type": "number"}, "upper_value": {"type": "number"}},
                    "required": ["value"],
                }
            },
        }
    },
}
GAB = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "unit": {"type": "string"}, "value": {"type": "number"}}
        | {"range": {"type": "string"}, "extra": {"type": "string"}},
        "required": ["name", "unit", "value"],
        "additionalProperties": False,
    },
}


@pytest.fixture(params=sorted(EVERY), scope="module")
def any_gate(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Found:
    """Each of the gates in turn."""
    return EVERY[request.param](tmp_path_factory.mktemp("gate"))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """A gate with every verdict but inconclusive."""
    return gate_documents.mixed(tmp_path_factory.mktemp("gate"))


def text_of(form: str, found: Found) -> str:
    gate, document = found
    return gate_export_text(form, document, gate)


def finite(text: str) -> Any:
    """JSON as the standard has it: no NaN."""

    def refuse(word: str) -> None:
        raise AssertionError(word)

    return json.loads(text, parse_constant=refuse)


def cases(found: Found) -> dict[str, TestCase]:
    suite = next(iter(JUnitXml.fromstring(text_of("junit", found).encode())))
    return {case.name: case for case in suite}


def properties_of(case: TestCase) -> dict[str, str]:
    return {each.name: each.value for each in case.child(Properties)}


def of_verdict(found: Found, verdict: str) -> str:
    return next(row.name for row in found[1].rows if row.verdict == verdict)


def test_every_form_can_be_made_of_every_gate(any_gate: Found) -> None:
    for form in GATE_FORMS:
        assert isinstance(text_of(form, any_gate), str)


def test_json_is_the_document_and_valid(any_gate: Found) -> None:
    document = finite(text_of("json", any_gate))
    assert [e.message for e in jsonschema.Draft202012Validator(schema_files.gate_schema()).iter_errors(document)] == []
    assert document["outcome"] == any_gate[1].outcome
    assert [row["verdict"] for row in document["rows"]] == [row.verdict for row in any_gate[1].rows]


def test_csv_has_a_row_for_each_cell_and_control(mixed: Found) -> None:
    rows = list(csv.DictReader(io.StringIO(text_of("csv", mixed))))
    assert tuple(rows[0]) == GATE_COLUMNS
    wanted = [*mixed[1].rows, *mixed[1].control_rows]
    assert [row["cell"] for row in rows] == [row.name for row in wanted]
    assert [row["control"] for row in rows] == [row.control for row in wanted]
    for got, row in zip(rows, wanted, strict=True):
        assert got["change_share"] == ("" if math.isnan(row.change) else repr(row.change))


def test_junit_counts_add_up_for_its_own_parser(any_gate: Found) -> None:
    read = JUnitXml.fromstring(text_of("junit", any_gate).encode())
    suite = next(iter(read))
    assert isinstance(suite, TestSuite)
    kinds = [type(result) for case in suite for result in case.result]
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (
        len(any_gate[1].rows) + len(any_gate[1].families),
        *(kinds.count(kind) for kind in (Failure, Error, Skipped)),
    )
    assert (read.tests, read.failures, read.errors) == (suite.tests, suite.failures, suite.errors)
    assert len({case.name for case in suite}) == suite.tests


def test_junit_has_the_elements_and_the_order_that_readers_ask_for(any_gate: Found) -> None:
    """As the "xunit2" schema has them: nothing else, in this order, with these attributes and no other."""
    root = ElementTree.fromstring(text_of("junit", any_gate))
    assert [child.tag for child in root] == ["testsuite"]
    suite = root[0]
    assert set(suite.attrib) == {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
    assert [child.tag for child in suite] == ["properties", *["testcase"] * int(suite.attrib["tests"])]
    for case in suite.iter("testcase"):
        assert set(case.attrib) == {"classname", "name", "time"}
        assert re.fullmatch(r"properties( failure| error| skipped system-out| system-out)", " ".join(child.tag for child in case))
        for result in case:
            allowed = {"failure": {"message", "type"}, "error": {"message", "type"}, "skipped": {"message"}}
            assert set(result.attrib) == allowed.get(result.tag, set())


def test_junit_says_how_each_cell_ended(mixed: Found) -> None:
    found = cases(mixed)
    slow = found[of_verdict(mixed, "regression")]
    assert slow.classname == "mmbench.gemm.f64"
    assert [(type(result), result.type) for result in slow.result] == [(Failure, "PerformanceRegression")]
    for word in ("wrong", "crashed", "timeout", "deleted", "missing"):
        assert [(type(r), r.type) for r in found[of_verdict(mixed, word)].result] == [(Error, word)]
    for word in ("improvement", "equivalent"):
        assert found[of_verdict(mixed, word)].result == []
    properties = properties_of(slow)
    row = next(row for row in mixed[1].rows if row.verdict is Verdict.REGRESSION)
    numbers = {"estimate": row.change, "interval_low": row.low, "interval_high": row.high, "p": row.p, "promised_effect": row.promised}
    assert {name: float(properties[name]) for name in numbers} == pytest.approx(numbers)
    assert mixed[1].machine_id in properties["fingerprint"]


def test_junit_skips_what_nobody_can_tell(tmp_path: Path) -> None:
    found = gate_documents.inconclusive(tmp_path)
    case = cases(found)[of_verdict(found, "inconclusive")]
    assert [type(result) for result in case.result] == [Skipped]
    assert case.result[0].message.startswith("inconclusive: ")
    assert float(properties_of(case)["promised_effect"]) == pytest.approx(0.03)


def test_junit_fails_nothing_for_an_untrusted_run_or_an_advisory_cell(tmp_path: Path) -> None:
    for make in (gate_documents.untrusted, gate_documents.advisory):
        found = make(tmp_path)
        assert Verdict.REGRESSION in found[1].tally()
        assert [r for case in cases(found).values() for r in case.result if isinstance(r, (Failure, Error))] == []


def test_junit_has_a_case_for_a_family_that_is_slower(tmp_path: Path) -> None:
    found = gate_documents.family(tmp_path)
    assert Verdict.REGRESSION not in found[1].tally()
    case = cases(found)["family all"]
    assert [(type(r), r.type) for r in case.result] == [(Failure, "PerformanceRegression")]


def test_markdown_says_the_verdict_first_and_the_worst_next(mixed: Found, golden: Any) -> None:
    text = text_of("markdown", mixed)
    golden("gate.md", text)
    lines = text.splitlines()
    assert lines[0].startswith("## ❌ 1 of 12 cells is slower")
    table = [line for line in lines if line.startswith(("| **", "| improvement", "| equivalent"))]
    verdicts = [re.sub(r"[*| ]", "", line.split("|")[1]) for line in table]
    assert verdicts[:6] == ["regression", "wrong", "crashed", "timeout", "deleted", "missing"]
    assert verdicts[6] == "improvement"
    assert text.count("<details>") == text.count("</details>") == 1
    assert lines[lines.index("<details><summary>6 more cells</summary>") + 1] == ""  # or GitHub shows the table as text


def test_markdown_stays_below_what_a_summary_may_hold(mixed: Found) -> None:
    gate, document = mixed
    many = tuple(replace(row, name=f"{row.name} {i} {'é' * 200}", why="because " * 40) for i in range(400) for row in document.rows)
    text = gate_export_text("markdown", replace(document, rows=many), gate)
    assert len(text.encode()) < 2**20
    assert "more would not fit here" in text
    assert "### Controls" in text
    left_out = int(re.search(r"^([\d,]+) cells more would not fit", text, re.MULTILINE)[1].replace(",", ""))
    assert text.count("\n| ") - 4 == len(many) - left_out


@pytest.mark.parametrize(
    ("make", "beginning"),
    [
        (gate_documents.passed, "## ✅ No regression: all 12 cells are equivalent within 3 %"),
        (gate_documents.broken, "## ❌ No regression, but 1 of 12 cells gave a wrong result: f64 64x64x64"),
        (gate_documents.inconclusive, "## ❔ No regression was confirmed: 0 of 12 cells are equivalent within 3 %, 12 inconclusive"),
        (gate_documents.untrusted, "## ⚠️ Untrusted, so that no verdict of this run counts: the old side against its own copy differs"),
        (gate_documents.advisory, "## ✅ No regression: all 11 cells"),
        (gate_documents.family, "## ❌ No cell alone is slower, but 12 cells together are, by 0.6"),
    ],
)
def test_every_outcome_has_its_first_line(make: Any, beginning: str, tmp_path: Path) -> None:
    assert text_of("markdown", make(tmp_path)).startswith(beginning)


def test_pyperf_reads_a_run_for_each_launch(mixed: Found, tmp_path: Path) -> None:
    path = tmp_path / "both.json"
    path.write_text(text_of("pyperf", mixed))
    suite = pyperf.BenchmarkSuite.load(str(path))
    rows = {row.name.replace(" ", "/"): row for row in mixed[1].rows if not row.verdict.broken}
    assert set(suite.get_benchmark_names()) == {f"{name}/{side}" for name in rows for side in ("old", "new")}
    for name, row in rows.items():
        old, new = (suite.get_benchmark(f"{name}/{side}") for side in ("old", "new"))
        assert old.get_nrun() == new.get_nrun() == row.blocks
        assert new.median() / old.median() - 1 == pytest.approx(row.change, abs=0.01)


def test_pyperf_compares_the_two_sides(tmp_path: Path) -> None:
    found = gate_documents.regressed(tmp_path)
    for side in ("old", "new"):
        (tmp_path / f"{side}.json").write_text(text_of(f"pyperf-{side}", found))
    command = [sys.executable, "-m", "pyperf", "compare_to", "old.json", "new.json", "--table"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    slow, fast = (of_verdict(found, word).replace(" ", "/") for word in ("regression", "improvement"))
    assert re.search(rf"{re.escape(slow)} .*1\.06x slower", run.stdout), run.stdout
    assert re.search(rf"{re.escape(fast)} .*1\.0[89]x faster", run.stdout), run.stdout


def test_launch_times_are_those_that_the_verdict_rests_on(mixed: Found) -> None:
    gate, document = mixed
    for row, old, new in launch_times(gate, document):
        assert len(old) == len(new) == row.blocks
        assert statistics.median(math.log(n / o) for o, n in zip(old, new, strict=True)) == pytest.approx(math.log1p(row.change), abs=0.005)


def test_gbench_has_every_launch_as_a_repetition(mixed: Found) -> None:
    document = finite(text_of("gbench", mixed))
    assert document["context"]["json_schema_version"] == 1
    runs: dict[str, list[dict[str, Any]]] = {}
    for entry in document["benchmarks"]:
        assert {"name", "run_name", "run_type", "repetitions", "threads", "iterations", "real_time", "cpu_time", "time_unit"} <= set(entry)
        if entry["run_type"] == "iteration":
            runs.setdefault(entry["run_name"], []).append(entry)
    for row in (row for row in mixed[1].rows if not row.verdict.broken):
        entries = runs[f"{row.name.replace(' ', '/')}/new"]
        assert [entry["repetition_index"] for entry in entries] == list(range(row.blocks))
        assert all(entry["items_per_second"] == pytest.approx(row.case.operations / entry["real_time"] * 1e9) for entry in entries)


def test_gab_and_bencher_take_their_formats(any_gate: Found) -> None:
    timed = {row.name: row for row in any_gate[1].rows if not math.isnan(row.new_s)}
    gab, bencher = finite(text_of("gab", any_gate)), finite(text_of("bencher", any_gate))
    jsonschema.Draft202012Validator(GAB).validate(gab)
    jsonschema.Draft7Validator(BMF).validate(bencher)
    assert len({entry["name"] for entry in gab}) == len(gab) == len(bencher) == len(timed)
    for entry, measures, row in zip(gab, bencher.values(), timed.values(), strict=True):
        assert entry["value"] == measures["latency"]["value"] == pytest.approx(row.new_s * 1e9)
        slowdown = measures["slowdown"]
        assert slowdown.get("lower_value", 0) <= slowdown["value"] <= slowdown.get("upper_value", math.inf)
        assert ("upper_value" in slowdown) == ("range" in entry) == (row.high < 1e9)


def test_openmetrics_is_read_by_prometheus(any_gate: Found) -> None:
    text = text_of("openmetrics", any_gate)
    assert text.endswith("\n# EOF\n")
    families = {family.name: family for family in text_string_to_metric_families(text)}
    verdicts = [sample.labels["verdict"] for sample in families["mmbench_gate_verdict"].samples]
    assert verdicts == [row.verdict for row in any_gate[1].rows]
    changes = [sample.value for sample in families["mmbench_gate_change_ratio"].samples]
    assert changes == pytest.approx([row.change for row in any_gate[1].rows if not math.isnan(row.change)])
    assert families["mmbench_gate_new_seconds"].unit == "seconds"
    counts = {sample.labels["verdict"]: sample.value for sample in families["mmbench_gate_cells"].samples}
    assert sum(counts.values()) == len(any_gate[1].rows)
    assert families["mmbench_gate_trusted"].samples[0].value == (not any_gate[1].controls.untrusted)
    assert families["mmbench_gate"].samples[0].labels["outcome"] == any_gate[1].outcome


def test_an_interval_without_an_end_is_said_to_have_none(tmp_path: Path) -> None:
    found = gate_documents.inconclusive(tmp_path)  # so few launches that nothing is excluded
    assert all(row.high > 1e300 for row in found[1].rows)
    assert "huge" not in "".join(text_of(form, found) for form in GATE_FORMS)
    assert "(any change)" in text_of("junit", found)
    ends = [line for line in text_of("openmetrics", found).splitlines() if line.startswith("mmbench_gate_change_high_ratio{")]
    assert [line.rsplit(" ", 1)[1] for line in ends] == ["+Inf"] * 12
