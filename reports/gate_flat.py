"""Lay the cells of a gate out flat: one dict a cell, with the unit in each name, for tables of other programs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ..configs.gatedoc import GateDocument
from .flat import CASE
from .gate_summary import interval_of
from .text import clean

_PLAIN = {
    "origin": "origin",
    "family": "family",
    "change": "change_share",
    "low": "low_share",
    "high": "high_share",
    "p": "p",
    "needed": "p_needed",
    "blocks": "launches",
    "confirmed_on": "fresh_launches",
    "dropped": "dropped_launches",
    "promised": "promised_share",
    "smallest": "smallest_share",
    "could_hide": "could_hide",
    "old_s": "old_s",
    "new_s": "new_s",
    "noise": "noise_share",
    "calls": "calls",
    "units": "units",
    "advisory": "advisory",
    "why": "why",
    "command": "command",
}
GATE_COLUMNS = ("machine", "run", "cell", "kernel", "control", "verdict", "case_id", *CASE, "temperature", *_PLAIN.values())


def gate_flat_rows(document: GateDocument) -> Iterator[dict[str, Any]]:
    """Every cell with the keys of `GATE_COLUMNS` in that order, those of controls last; what is unknown is None. Words are
    one harmless line each."""
    for row in (*document.rows, *document.control_rows):
        flat: dict[str, Any] = {"machine": document.machine_id, "run": document.run_id, "cell": row.name, "kernel": row.kernel}
        flat |= {"control": row.control.value, "verdict": row.verdict.value, "case_id": row.case_id}
        flat |= {name: getattr(row.case, name) for name in CASE}
        flat["temperature"] = row.case.temperature
        ends = dict(zip(("low", "high"), interval_of(row), strict=True))
        for name, column in _PLAIN.items():
            value = ends[name] if name in ends else getattr(row, name)
            flat[column] = None if isinstance(value, float) and not math.isfinite(value) else value
        yield {column: clean(value, 2000) if isinstance(value, str) else value for column, value in flat.items()}
