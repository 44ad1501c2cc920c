"""Write a gate as annotations of a GitHub workflow: commands that the runner takes from a step's output and shows beside the run.

A step shows ten annotations of a kind, so ten at most are written, gravest first; what is left is summed up within the tenth. They are
lines `::error title=…::…`. Within them `%`, CR and LF are written as `%25`, `%0D`, `%0A`, and within a title `:` and `,` as `%3A`, `%2C`,
so that no name of a kernel can end a command or begin another.
Sources: docs.github.com, "Workflow commands for GitHub Actions"; actions/toolkit, packages/core/src/command.ts; of the limit: zizmor#634.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ..configs.gatedoc import BROKEN, GateDocument, GateRow, Verdict
from .gate_summary import NAME, family_words, finding_words, headline, name_of
from .gate_words import worst_first
from .text import clean

MOST = 10
_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = _DATA | str.maketrans({":": "%3A", ",": "%2C"})


@dataclass(frozen=True, slots=True)
class _Annotation:
    level: str  # error, warning, notice
    title: str
    text: str
    kind: str  # by which those that have no room are counted


def gate_annotations(document: GateDocument) -> str:
    """The commands, a line each; empty for a gate that says nothing but good."""
    found = _annotations(document)
    shown, rest = found[:MOST], found[MOST:]
    lines = [_command(each) for each in shown[:-1]]
    if shown:
        counted = ", ".join(f"{count} {kind}" for kind, count in Counter(each.kind for each in rest).items())
        lines.append(_command(shown[-1], f"\nand {len(rest)} more: {counted}" if rest else ""))
    return "".join(f"{line}\n" for line in lines)


def _command(each: _Annotation, more: str = "") -> str:
    return f"::{each.level} title={clean(each.title, NAME).translate(_PROPERTY)}::{(clean(each.text, 2000) + more).translate(_DATA)}"


def _annotations(document: GateDocument) -> list[_Annotation]:
    """All of them: why the run is untrusted, regressions of cells and families, broken cells, then cells that may hide one."""
    untrusted = bool(document.controls.untrusted)
    found = [_Annotation("error", "mmbench: untrusted", headline(document), "untrusted")] if untrusted else []
    rows = worst_first(document.rows)
    rest = [row for row in rows if row.verdict in BROKEN or (row.verdict is Verdict.INCONCLUSIVE and row.could_hide)]
    found += [_of_row(row, untrusted) for row in rows if row.verdict is Verdict.REGRESSION]
    for family in document.families:
        if family.verdict is Verdict.REGRESSION:
            level = "warning" if untrusted else "error"
            whose = "all cells" if family.family == "all" else f"the family {family.family}"
            found.append(_Annotation(level, f"mmbench: regression of {whose} together", family_words(family), "regression"))
    found += [_of_row(row, untrusted) for row in rest]
    if not document.finished:
        found.append(_Annotation("warning", "mmbench: unfinished", document.end_reason or "it was cut off", "unfinished"))
    if document.weak:
        found.append(_Annotation("notice", "mmbench: a weak baseline", document.weak, "notice"))
    return found


def _of_row(row: GateRow, untrusted: bool) -> _Annotation:
    if row.advisory:
        level = "notice"
    elif row.verdict in BROKEN or (row.verdict is Verdict.REGRESSION and not untrusted):
        level = "error"
    else:
        level = "warning"
    return _Annotation(level, f"mmbench: {row.verdict.value} {name_of(row)}", finding_words(row), row.verdict.value)
