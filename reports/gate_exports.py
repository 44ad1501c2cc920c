"""Write a gate in any of the forms that other programs read: one door to all of them."""

from __future__ import annotations

import json

from ..configs.codec import encode
from ..configs.gatedoc import GateDocument
from ..configs.gatelog import Gate
from ..configs.machine import Machine

GATE_FORMS = (
    *("json", "csv", "junit", "markdown", "github", "pyperf", "pyperf-old", "pyperf-new", "gbench"),
    *("gab", "bencher", "openmetrics"),
)


def gate_export_text(form: str, document: GateDocument, gate: Gate, machine: Machine | None = None) -> str:
    """The gate as `form`, one of `GATE_FORMS`. `gate` holds the raw times, which only pyperf and gbench take; `machine` what is known of
    where it ran (gbench). Empty where the form has no word for what there is: pyperf without a time, github without bad news."""
    if form == "json":
        return json.dumps(encode(document), ensure_ascii=False, indent=1) + "\n"
    if form == "csv":
        from .csvtext import csv_text
        from .gate_flat import GATE_COLUMNS, gate_flat_rows

        return csv_text(gate_flat_rows(document), GATE_COLUMNS)
    if form in ("pyperf", "pyperf-old", "pyperf-new", "gbench"):
        from .gate_times import gate_gbench, gate_pyperf

        return gate_gbench(gate, document, machine) if form == "gbench" else gate_pyperf(gate, document, form[7:])
    return _of_document(form, document)


def _of_document(form: str, document: GateDocument) -> str:
    if form == "junit":
        from .gate_junit import gate_junit

        return gate_junit(document)
    if form == "markdown":
        from .gate_markdown import gate_markdown

        return gate_markdown(document)
    if form == "github":
        from .gate_annotations import gate_annotations

        return gate_annotations(document)
    if form == "openmetrics":
        from .gate_metrics import gate_openmetrics

        return gate_openmetrics(document)
    from .gate_trackers import gate_bencher, gate_gab

    return {"gab": gate_gab, "bencher": gate_bencher}[form](document)
