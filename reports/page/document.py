"""Describe a report for programs: what `--format json` writes and `--format csv` lays out flat.

Numbers are in base units, as in a sweep's own document; what is not known is null. `verdict` has the sentences of the page's first section.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from typing import Any

from ...configs.codec import encode
from ..csvtext import csv_text
from ..flat import COLUMNS, GATE_COLUMNS, flat_gate, flat_rows
from .blocks import Prose, Section
from .evidence import Evidence, Subject

REPORT_SCHEMA = 1


def report_json(evidence: Evidence, sections: Sequence[Section]) -> str:
    """The report as one JSON document."""
    sentences = [b.text for s in sections if s.name == "verdict" for b in s.blocks if isinstance(b, Prose) and b.kind == "lead"]
    document = {
        "schema": REPORT_SCHEMA,
        "kind": "report",
        "verdict": sentences,
        "machines": [_machine(subject) for subject in evidence.subjects],
        "gates": [encode(gate) for gate in evidence.gates],
        "skipped": [encode(skipped) for skipped in evidence.skipped],
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _machine(subject: Subject) -> dict[str, Any]:
    machine = encode(subject.machine) if subject.machine is not None else None
    if machine is not None:
        del machine["curves"]  # hundreds of kilobytes of samples: they are in the machine file
    return {
        "id": subject.id,
        "label": subject.label,
        "synthetic": subject.synthetic,
        "machine": machine,
        "no_machine": subject.no_machine,
        "sweeps": [{k: v for k, v in encode(sweep).items() if k != "rows"} for sweep in subject.sweeps],
        "rows": list(flat_rows(subject.id, subject.rows)),
        "superseded_rows": subject.superseded,
    }


def report_csv(evidence: Evidence) -> str:
    """Every row of every machine, one a line; a head line alone where there is none. Cells of gates follow, in columns of their own."""
    rows = (flat for subject in evidence.subjects for flat in flat_rows(subject.id, subject.rows))
    if not evidence.gates:
        return csv_text(rows, COLUMNS)
    empty = dict.fromkeys((*COLUMNS, *GATE_COLUMNS))
    every = chain(rows, (flat for gate in evidence.gates for flat in flat_gate(gate)))
    return csv_text(({**empty, **flat} for flat in every), (*COLUMNS, *GATE_COLUMNS))
