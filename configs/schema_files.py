"""Make the JSON Schemas that ship with the package, out of the records themselves (so that they cannot drift apart).

`configs/schemas/*.schema.json` hold the results; a test makes them again and compares, `pytest --update-golden` rewrites them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from . import gatelog
from .cases import Measurement
from .codec import json_schema
from .comparedoc import CompareDocument
from .gatedoc import GateDocument
from .historydoc import HistoryDocument
from .machine import Machine
from .plan import Opened, SweepPlan
from .runlog import Event
from .runs import Run
from .sweepdoc import SweepDocument
from .sweeplog import Missing

FOLDER = Path(__file__).parent / "schemas"
_HOME = "urn:mmbench:schema:"


def machine_schema() -> dict[str, Any]:
    """Of a machine file."""
    return json_schema(Machine, "mmbench machine file", _HOME + "machine")


# What the events of a sweep and of a gate hold; a probe's are curves, and words of why one failed.
_EVENTS: dict[str, type] = {
    "plan": SweepPlan,
    "opened": Opened,
    "row": Measurement,
    **{name: kind for name, kind in gatelog.EVENTS.items() if kind is not str},  # `conditions` and `end` are those of a sweep, too
}


def run_schema() -> dict[str, Any]:
    """Of one line of a run file: the first is a Run, every later one an Event; those of a sweep or a gate with their payload."""
    first, later = json_schema(Run, "", ""), json_schema(Event, "", "")
    payloads = {name: json_schema(kind, "", "") for name, kind in _EVENTS.items()}
    absent = json_schema(Missing, "", "")
    holds = {name: {"$ref": made["$ref"]} for name, made in payloads.items()}
    holds |= {"absent": {"type": "array", "items": {"$ref": absent["$ref"]}}, "note": {"type": "string"}}
    definitions = {**first["$defs"], **later["$defs"], **absent["$defs"]}
    for made in payloads.values():
        definitions |= made["$defs"]
    definitions["Event"] = {**definitions["Event"], "allOf": [_if_event(name, held) for name, held in holds.items()]}
    return {
        "$schema": first["$schema"],
        "$id": _HOME + "run",
        "title": "one line of an mmbench run file (the first line is a Run, every later line an Event)",
        "anyOf": [{"$ref": first["$ref"]}, {"$ref": later["$ref"]}],
        "$defs": definitions,
    }


def _if_event(name: str, held: dict[str, Any]) -> dict[str, Any]:
    return {"if": {"properties": {"event": {"const": name}}}, "then": {"properties": {"payload": held}}}


def sweep_schema() -> dict[str, Any]:
    """Of what `mmbench sweep --json` and `--export-json` write."""
    return json_schema(SweepDocument, "mmbench sweep document", _HOME + "sweep")


def gate_schema() -> dict[str, Any]:
    """Of what `mmbench sweep --against` writes as JSON, and `mmbench export json` of a gate."""
    return json_schema(GateDocument, "mmbench gate document", _HOME + "gate")


def compare_schema() -> dict[str, Any]:
    """Of what `mmbench compare --json` writes."""
    return json_schema(CompareDocument, "mmbench comparison document", _HOME + "compare")


def history_schema() -> dict[str, Any]:
    """Of what `mmbench history --json` writes."""
    return json_schema(HistoryDocument, "mmbench history document", _HOME + "history")


def schema_texts() -> dict[str, str]:
    """File name -> text, as shipped."""
    made = {
        "machine.schema.json": machine_schema(),
        "run.schema.json": run_schema(),
        "sweep.schema.json": sweep_schema(),
        "gate.schema.json": gate_schema(),
        "compare.schema.json": compare_schema(),
        "history.schema.json": history_schema(),
    }
    return {name: json.dumps(schema, indent=1, ensure_ascii=False) + "\n" for name, schema in made.items()}
