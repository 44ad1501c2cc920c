"""The JSON Schemas that ship: made from the records, valid, and true of what is written."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from mmbench.configs import schema_files, store
from mmbench.configs.codec import encode
from mmbench.configs.gatelog import read_gate
from mmbench.configs.machine import MACHINE_SCHEMA, Machine
from mmbench.configs.runs import Run
from mmbench.configs.sweeplog import read_sweep
from mmbench.reports.gate_rows import gate_document
from mmbench.reports.sweep_rows import sweep_document
from synthetic_gate import write_gate
from synthetic_machine import synthetic_machine
from synthetic_sweep import write_sweep


@pytest.mark.parametrize("name", sorted(schema_files.schema_texts()))
def test_the_shipped_schema_is_the_one_that_the_records_make(name: str, request: pytest.FixtureRequest) -> None:
    path = schema_files.FOLDER / name
    made = schema_files.schema_texts()[name]
    if request.config.getoption("--update-golden"):
        path.write_text(made, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == made, "records changed: run pytest --update-golden, and think of the schema's number"


def test_nothing_else_lies_in_the_folder() -> None:
    assert {p.name for p in schema_files.FOLDER.iterdir()} == set(schema_files.schema_texts())


def test_a_machine_file_is_valid() -> None:
    schema = schema_files.machine_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for machine in (synthetic_machine(), Machine(MACHINE_SCHEMA, "bare-1")):
        assert [e.message for e in validator.iter_errors(json.loads(store.machine_text(machine)))] == []
    damaged = {**json.loads(store.machine_text(synthetic_machine())), "caches": [{"name": 3}]}
    assert list(validator.iter_errors(damaged)) != []


def test_every_line_of_a_run_file_is_valid(tmp_path: Path) -> None:
    schema = schema_files.run_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    run = Run(1, "aa", "probe", "m-1", "2026-01-01T00:00:00Z", {"effort": "quick"})
    with store.RunWriter(tmp_path).open(run) as writer:
        writer.append("curve", synthetic_machine().curves["clock"])
        writer.append("ended")
    for line in writer.path.read_text().splitlines():
        assert [e.message for e in validator.iter_errors(json.loads(line))] == []
    assert list(validator.iter_errors({"event": 3})) != []


def test_every_line_of_a_sweep_is_valid_and_its_payloads_are_looked_at(tmp_path: Path) -> None:
    validator = jsonschema.Draft202012Validator(schema_files.run_schema())
    lines = [json.loads(line) for line in write_sweep(tmp_path).read_text().splitlines()]
    assert [e.message for line in lines for e in validator.iter_errors(line)] == []
    row = next(line for line in lines if line.get("event") == "row")
    row["payload"]["case"]["m"] = "many"
    assert list(validator.iter_errors(row)) != []


def test_a_sweep_document_is_valid(tmp_path: Path) -> None:
    schema = schema_files.sweep_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    document = json.loads(json.dumps(encode(sweep_document(read_sweep(write_sweep(tmp_path)), synthetic_machine())), allow_nan=False))
    assert [e.message for e in jsonschema.Draft202012Validator(schema).iter_errors(document)] == []
    assert len(document["rows"]) > 30


def test_every_line_of_a_gate_is_valid_and_its_payloads_are_looked_at(tmp_path: Path) -> None:
    validator = jsonschema.Draft202012Validator(schema_files.run_schema())
    lines = [json.loads(line) for line in write_gate(tmp_path, screen=2, confirm=1).read_text().splitlines()]
    first = {line.get("event"): line for line in lines}
    assert {"gate_plan", "gate_opened", "tuned", "promise", "launch", "block", "end"} <= set(first)
    assert [e.message for line in first.values() for e in validator.iter_errors(line)] == []
    first["block"]["payload"]["times_s"] = "many"
    assert list(validator.iter_errors(first["block"])) != []


def test_a_gate_document_is_valid(tmp_path: Path) -> None:
    schema = schema_files.gate_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    document = json.loads(json.dumps(encode(gate_document(read_gate(write_gate(tmp_path)))), allow_nan=False))
    assert [e.message for e in jsonschema.Draft202012Validator(schema).iter_errors(document)] == []
    document["rows"][0]["verdict"] = "fine"
    assert list(jsonschema.Draft202012Validator(schema).iter_errors(document)) != []
