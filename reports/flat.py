"""Lay rows of sweeps and cells of gates out flat: one dict each, with the unit in each name, for tables of other programs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

from ..configs.codec import encode
from ..configs.gatedoc import GateDocument
from ..configs.sweepdoc import SweepRow

# Fields of a Case that have a column.
CASE = ("op", "m", "n", "k", "dtype", "layout", "batch", "batch_kind", "lda", "ldb", "ldc", "alpha", "beta", "epilogue", "threads")
# Fields of SweepRow and the columns that they become.
_PLAIN = {
    "kernel": "kernel",
    "version": "kernel_version",
    "isa": "isa",
    "origin": "origin",
    "reason": "reason",
    "operations": "operations",
    "time_s": "time_s",
    "low_s": "low_s",
    "high_s": "high_s",
    "samples": "samples",
    "dropped": "dropped_samples",
    "timed_by": "timed_by",
    "rate": "rate_op_per_s",
    "traffic": "traffic_byte_per_s",
    "intensity": "intensity_op_per_byte",
    "clock_hz": "clock_hz",
    "cycles": "cycles",
    "roof_share": "roof_share",
    "roof_bound": "roof_bound",
    "roof_name": "roof_name",
    "ratio": "ratio_to_best",
    "first_call_s": "first_call_s",
    "code_sha": "code_sha",
}


COLUMNS = (
    *("machine", "cell", "case_id", *CASE, "temperature", "status", *_PLAIN.values()),
    *("check_passed", "check_error", "check_bound", "check_bitwise", "params", "warnings"),
)


def flat_rows(machine_id: str, rows: Iterable[SweepRow]) -> Iterator[dict[str, Any]]:
    """Every row with the keys of `COLUMNS` in that order; what is unknown is None, parameters are JSON."""
    for row in rows:
        flat: dict[str, Any] = {"machine": machine_id, "cell": row.cell, "case_id": row.case_id}
        flat.update((name, getattr(row.case, name)) for name in CASE)
        flat["temperature"] = row.case.temperature
        flat["status"] = row.status.value
        flat.update((column, _finite(getattr(row, name))) for name, column in _PLAIN.items())
        check = row.check
        flat["check_passed"] = None if check is None else check.passed
        flat["check_error"] = None if check is None else _finite(check.error)
        flat["check_bound"] = None if check is None else _finite(check.bound)
        flat["check_bitwise"] = None if check is None else check.bitwise
        flat["params"] = json.dumps(encode(row.params), ensure_ascii=False, sort_keys=True)
        flat["warnings"] = "; ".join(row.warnings)
        yield flat


# Fields of GateRow and the columns that they become; shares are of the old side's time.
_GATE = {
    "verdict": "gate_verdict",
    "control": "gate_control",
    "change": "change_share",
    "low": "change_low_share",
    "high": "change_high_share",
    "p": "gate_p",
    "needed": "gate_p_needed",
    "blocks": "blocks",
    "confirmed_on": "confirmed_on",
    "dropped": "dropped_blocks",
    "promised": "promised_share",
    "smallest": "would_have_seen_share",
    "old_s": "old_s",
    "new_s": "new_s",
}
GATE_COLUMNS = ("gate", *_GATE.values())


def flat_gate(document: GateDocument) -> Iterator[dict[str, Any]]:
    """Every cell of a gate and its controls: what names the cell, and `GATE_COLUMNS`. It has no time of a sweep."""
    for row in (*document.rows, *document.control_rows):
        flat: dict[str, Any] = {"machine": document.machine_id, "cell": row.name, "case_id": row.case_id}
        flat.update((name, getattr(row.case, name)) for name in CASE)
        flat |= {"temperature": row.case.temperature, "kernel": row.kernel, "origin": row.origin, "reason": row.why}
        flat["gate"] = document.run_id
        flat.update((column, _finite(getattr(row, name))) for name, column in _GATE.items())
        yield flat


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
