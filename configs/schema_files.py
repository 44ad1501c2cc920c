"""Make the JSON Schemas that ship with the package, out of the records themselves (so that they cannot drift apart).

`configs/schemas/*.schema.json` hold the results; a test makes them again and compares, `pytest --update-golden` rewrites them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .codec import json_schema
from .machine import Machine
from .runlog import Event
from .runs import Run

FOLDER = Path(__file__).parent / "schemas"
_HOME = "urn:mmbench:schema:"


def machine_schema() -> dict[str, Any]:
    """Of a machine file."""
    return json_schema(Machine, "mmbench machine file", _HOME + "machine")


def run_schema() -> dict[str, Any]:
    """Of one line of a run file: the first is a Run, every later one an Event."""
    first, later = json_schema(Run, "", ""), json_schema(Event, "", "")
    return {
        "$schema": first["$schema"],
        "$id": _HOME + "run",
        "title": "one line of an mmbench run file (the first line is a Run, every later line an Event)",
        "anyOf": [{"$ref": first["$ref"]}, {"$ref": later["$ref"]}],
        "$defs": {**first["$defs"], **later["$defs"]},
    }


def schema_texts() -> dict[str, str]:
    """File name -> text, as shipped."""
    made = {"machine.schema.json": machine_schema(), "run.schema.json": run_schema()}
    return {name: json.dumps(schema, indent=1, ensure_ascii=False) + "\n" for name, schema in made.items()}
