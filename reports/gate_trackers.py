"""Write a gate for services that keep a history: github-action-benchmark's custom format and Bencher's metric format.

Both take one value of each cell: the new side's time. On another machine, or an hour later, it moves by itself, so the change against the
old side of the same run goes along: as words for the first, as a measure of its own (`slowdown`, new over old, with its interval) for the
second. Cells without a time are left out, for neither format can say so.
Sources: benchmark-action/github-action-benchmark, README.md, "customSmallerIsBetter"; bencher.dev, "Bencher Metric Format (BMF)".
"""

from __future__ import annotations

import json
import math
from typing import Any

from ..configs.gatedoc import GateDocument, GateRow
from .exchange import LEAST_S, MOST_S
from .gate_summary import change_words, interval_of, named, sides_words, times_words
from .numbers import percent

_NS = 1e9


def _timed(document: GateDocument) -> list[tuple[str, GateRow]]:
    """(name, row) of the cells with a time; names are unique."""
    return named(row for row in document.rows if LEAST_S < row.new_s < MOST_S)


def gate_gab(document: GateDocument) -> str:
    """`customSmallerIsBetter`: nanoseconds a call of the new side."""
    entries: list[dict[str, Any]] = []
    for name, row in _timed(document):
        entry: dict[str, Any] = {"name": name, "unit": "ns", "value": row.new_s * _NS}
        low, high = interval_of(row)
        if math.isfinite(low) and math.isfinite(high) and row.change > -1:
            half = max(high - row.change, row.change - low) / (1 + row.change)
            entry["range"] = percent(half)
        said = (f"verdict: {row.verdict.value}", f"change: {change_words(row)}", times_words(row), sides_words(document))
        entries.append({**entry, "extra": "\n".join(said)})
    return json.dumps(entries, ensure_ascii=False, indent=1) + "\n"


def gate_bencher(document: GateDocument) -> str:
    """Bencher's metric format: `latency` in nanoseconds, `slowdown` as new over old with its interval."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name, row in _timed(document):
        measures = {"latency": {"value": row.new_s * _NS}}
        if math.isfinite(row.change):
            low, high = interval_of(row)
            ends = {"lower_value": 1 + low, "upper_value": 1 + high}
            measures["slowdown"] = {"value": 1 + row.change, **{end: value for end, value in ends.items() if math.isfinite(value)}}
        found[name] = measures
    return json.dumps(found, ensure_ascii=False, indent=1) + "\n"
