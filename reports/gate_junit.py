"""Write a gate as a JUnit file: a test case for each cell, its estimate as properties.

The class is `mmbench.<op>.<type>`, the name that of the cell. A regression is a `failure` of the type PerformanceRegression; a cell that
was wrong, crashed, timed out, was deleted or never timed is an `error` of that type. An inconclusive cell is skipped, for it shows nothing
either way; so is every timed cell where the run is untrusted, since nothing is confirmed there. What is advisory never fails. A family
that is slower as a whole is a test case of its own. `time` is that of one call of the new side.
Source: as `junit.py`; `properties` within a test case as pytest writes them for "xunit2".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from xml.sax.saxutils import escape

from ..configs.gatedoc import BROKEN, GateDocument, GateFamily, GateRow, Verdict
from .gate_summary import (
    change_words,
    counts_words,
    family_words,
    finding_words,
    fingerprint,
    headline,
    held_words,
    interval_of,
    name_of,
    sides_words,
)
from .gate_words import worst_first
from .junit import attributes, xml_text

FAILURE = "PerformanceRegression"
_UNTRUSTED = "the run is untrusted, so nothing in it is confirmed"
_Child = tuple[str, str, str]  # element, type, message


def gate_junit(document: GateDocument) -> str:
    """The file's text, the worst first."""
    untrusted = bool(document.controls.untrusted)
    cases = [(_row_name(row), row.case.op, row.case.dtype, row, _child(row, untrusted)) for row in worst_first(document.rows)]
    families = [(family, _family_child(family, untrusted)) for family in document.families]
    children = [child for *_, child in cases] + [child for _, child in families]
    failures, errors, skipped = (sum(child[0] == kind for child in children) for kind in ("failure", "error", "skipped"))
    counts = {"tests": str(len(children)), "failures": str(failures), "errors": str(errors)}
    time_s = f"{document.wall_s:.3f}" if math.isfinite(document.wall_s) else "0"
    suite = attributes(
        name=f"mmbench gate {document.run_id}", **counts, skipped=str(skipped), time=time_s, timestamp=document.started_at.removesuffix("Z")
    )
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<testsuites{attributes(name='mmbench gate', **counts, time=time_s)}>",
        f" <testsuite{suite}>",
        *_properties(_facts(document), "  "),
    ]
    for name, op, dtype, row, child in cases:
        seconds = f"{row.new_s:.9f}" if math.isfinite(row.new_s) else "0"
        head = attributes(classname=f"mmbench.{op}.{dtype}", name=name, time=seconds)
        lines += _case(head, _row_properties(row, document), child, (finding_words(row), row.command))
    for family, child in families:
        head = attributes(classname="mmbench.family", name=f"family {family.family}", time="0")
        lines += _case(head, _family_properties(family), child, (family_words(family),))
    return "\n".join([*lines, " </testsuite>", "</testsuites>"]) + "\n"


def _row_name(row: GateRow) -> str:
    return f"{name_of(row)} (advisory)" if row.advisory else name_of(row)


def _child(row: GateRow, untrusted: bool) -> _Child:
    """The element that says how the case ended; its name is empty where it passed."""
    words = finding_words(row)
    if row.verdict in BROKEN:
        return ("skipped", "", words) if row.advisory else ("error", row.verdict.value, words)
    if row.verdict is Verdict.REGRESSION:
        if row.advisory or untrusted:
            return "skipped", "", words if row.advisory else f"{_UNTRUSTED}: {words}"
        return "failure", FAILURE, f"{change_words(row)}"
    if row.verdict is Verdict.INCONCLUSIVE:
        return "skipped", "", f"inconclusive: {words}"
    return ("skipped", "", _UNTRUSTED) if untrusted else ("", "", "")


def _family_child(family: GateFamily, untrusted: bool) -> _Child:
    if untrusted:
        return "skipped", "", _UNTRUSTED
    if family.verdict is Verdict.REGRESSION:
        return "failure", FAILURE, family_words(family)
    return ("skipped", "", f"inconclusive: {family_words(family)}") if family.verdict is Verdict.INCONCLUSIVE else ("", "", "")


def _case(head: str, properties: Iterable[tuple[str, str]], child: _Child, details: Iterable[str]) -> Iterator[str]:
    element, kind, message = child
    text = "\n".join(escape(xml_text(line)) for line in details if line)
    yield f"  <testcase{head}>"
    yield from _properties(properties, "   ")
    if element == "skipped":
        yield f"   <skipped{attributes(message=message)}/>"
    elif element:
        yield f"   <{element}{attributes(message=message, type=kind)}>{text}</{element}>"
    if not element or element == "skipped":
        yield f"   <system-out>{text}</system-out>"
    yield "  </testcase>"


def _properties(pairs: Iterable[tuple[str, str]], indent: str) -> Iterator[str]:
    yield f"{indent}<properties>"
    yield from (f"{indent} <property{attributes(name=name, value=value)}/>" for name, value in pairs if value)
    yield f"{indent}</properties>"


def _facts(document: GateDocument) -> Iterator[tuple[str, str]]:
    yield "verdict", headline(document)
    yield "outcome", document.outcome
    yield "counts", counts_words(document)
    yield "sides", sides_words(document)
    yield "machine", document.machine_id
    yield "fingerprint", fingerprint(document)
    yield "seed", str(document.seed)
    yield "promise", document.promise
    yield "weak", document.weak
    yield "finished", "yes" if document.finished else f"no: {document.end_reason}"
    for number, sentence in enumerate(held_words(document), 1):
        yield f"control {number}", sentence
    for difference in document.differences:
        yield f"differs: {difference.what}", f"{difference.old} -> {difference.new}"


def _number(value: float) -> str:
    return f"{value:.9g}" if math.isfinite(value) else ""


def _row_properties(row: GateRow, document: GateDocument) -> Iterator[tuple[str, str]]:
    """Shares and seconds as plain numbers; what is unknown is left out."""
    yield "verdict", row.verdict.value
    yield "estimate", _number(row.change)
    low, high = interval_of(row)
    yield "interval_low", _number(low)
    yield "interval_high", _number(high)
    yield "p", _number(row.p)
    yield "p_needed", _number(row.needed)
    yield "smallest_effect", _number(row.smallest)
    yield "promised_effect", _number(row.promised)
    yield "launches", str(row.blocks)
    yield "old_s", _number(row.old_s)
    yield "new_s", _number(row.new_s)
    yield "origin", row.origin
    yield "case_id", row.case_id
    yield "fingerprint", fingerprint(document)


def _family_properties(family: GateFamily) -> Iterator[tuple[str, str]]:
    yield "verdict", family.verdict.value
    yield "estimate", _number(family.change)
    low, high = interval_of(family)
    yield "interval_low", _number(low)
    yield "interval_high", _number(high)
    yield "p", _number(family.p)
    yield "p_needed", _number(family.needed)
    yield "cells", str(family.cells)
