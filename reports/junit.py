"""Write a sweep as a JUnit file, which every CI system shows: one test case for each kernel in each cell.

A test case's class is the data type, its name the cell and the kernel. WRONG, CRASHED and TIMEOUT are failures; SKIPPED rows and what the
plan left out are skipped; a NOISY row passed, and says so. What a sweep that was cut off did not come to is not listed. The time is that
of one call. Source: the JUnit XML that Jenkins and GitLab read ("xunit2": testsuites, testsuite, testcase, properties).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

from ..configs.cases import Status
from ..configs.plan import SweepPlan
from ..configs.sweepdoc import SweepDocument, SweepRow
from .sweep_rows import FAILED
from .sweep_words import (
    disturbed_words,
    failure_words,
    is_helped,
    mark_words,
    precision_words,
    rate_unit,
    rate_words,
    share_words,
    time_words,
)
from .text import clean

# What XML 1.0 allows (section 2.2); everything else would make the whole file unreadable.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(text: str, limit: int = 2000) -> str:
    """`text` without what XML does not allow, escape sequences included."""
    return _NOT_XML.sub("", clean(text, limit))


def attributes(**values: str) -> str:
    """The attributes of an element, each with a space before it, quoted."""
    return "".join(f" {name}={quoteattr(xml_text(value))}" for name, value in values.items())


def sweep_junit(document: SweepDocument, plan: SweepPlan) -> str:
    """The file's text; `plan` says what was left out."""
    rows = document.rows
    left_out = [(plan.cells[i], skip) for skip in plan.skips for i in skip.cells if 0 <= i < len(plan.cells)]
    failed = sum(row.status in FAILED for row in rows)
    skipped = len(left_out) + sum(row.status is Status.SKIPPED for row in rows)
    counts = {"tests": str(len(rows) + len(left_out)), "failures": str(failed), "errors": "0", "skipped": str(skipped)}
    time_s = f"{document.wall_s:.3f}" if math.isfinite(document.wall_s) else "0"
    stamp = document.started_at.removesuffix("Z")
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<testsuites{attributes(name='mmbench sweep', **{k: v for k, v in counts.items() if k != 'skipped'}, time=time_s)}>",
        f" <testsuite{attributes(name=f'mmbench sweep {document.run_id}', **counts, time=time_s, timestamp=stamp)}>",
        "  <properties>",
        *(f"   <property{attributes(name=name, value=value)}/>" for name, value in _properties(document)),
        "  </properties>",
        *(line for row in rows for line in _case(row)),
        *(line for cell, skip in left_out for line in _skipped(cell.case.dtype, f"{cell.case.name} [{skip.kernel}]", skip.reason)),
        " </testsuite>",
        "</testsuites>",
    ]
    return "\n".join(lines) + "\n"


def _properties(document: SweepDocument) -> Iterable[tuple[str, str]]:
    yield "machine", document.machine_id
    yield "preset", document.preset
    yield "seed", str(document.seed)
    yield "finished", "yes" if document.finished else f"no: {document.end_reason}"
    yield "cells", f"{document.measured} of {document.cells}"
    yield "samples", disturbed_words(document) or f"{document.samples:,}, none disturbed"
    for kernel in document.kernels:
        yield f"kernel {kernel.kernel}", " ".join(filter(None, (kernel.library_version or kernel.version, kernel.core, kernel.problem)))
    for missing in document.absent:
        yield f"absent {missing.library}", missing.reason


def _case(row: SweepRow) -> Iterable[str]:
    name = f"{row.cell} [{row.kernel}]"
    head = f"  <testcase{attributes(classname=row.case.dtype, name=name, time=_seconds(row))}"
    if row.status in FAILED:
        words = failure_words(row)
        yield head + ">"
        yield f"   <failure{attributes(message=words, type=row.status.value)}>{escape(xml_text(_details(row, words)))}</failure>"
        yield "  </testcase>"
    elif row.status is Status.SKIPPED:
        yield from _skipped(row.case.dtype, name, row.reason)
    elif row.timed:
        yield head + ">"
        yield f"   <system-out>{escape(xml_text(_figures(row)))}</system-out>"
        yield "  </testcase>"
    else:
        yield head + "/>"


def _skipped(dtype: str, name: str, reason: str) -> Iterable[str]:
    yield f"  <testcase{attributes(classname=dtype, name=name, time='0')}>"
    yield f"   <skipped{attributes(message=reason or 'not served')}/>"
    yield "  </testcase>"


def _seconds(row: SweepRow) -> str:
    return f"{row.time_s:.9f}" if row.timed else "0"


def _details(row: SweepRow, words: str) -> str:
    check = row.check
    parts = [words]
    if check and not check.passed:
        parts.append(f"error {check.error:g} of {check.bound:g} {check.unit}".rstrip())
        parts.append(f"oracle: {check.oracle or 'not said'}; passed before: {', '.join(check.steps) or 'nothing'}")
    return "; ".join([*parts, f"kernel version {row.version or 'not said'}", row.origin or "origin not said"])


def _figures(row: SweepRow) -> str:
    share = share_words(row.roof_share, row.above_roof)
    parts = [f"{time_words(row)} {precision_words(row)} {mark_words(row)}".rstrip(), f"{rate_words(row)} {rate_unit(row.case)}"]
    parts += [f"{share} of the roof ({row.roof_name})"] if share else []
    return "; ".join([*parts, *([f"noisy: {row.reason}"] if row.status is Status.NOISY else []), *filter(is_helped, row.warnings)])
