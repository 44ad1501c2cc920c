"""Write a gate as GitHub-flavoured Markdown for a step's summary or a comment: the verdict first, then the worst cells, the rest folded.

A step's summary may hold 1 MiB; where the rows are too many, the last (the least grave) are left out and counted.
Source of the limit: docs.github.com, "Workflow commands for GitHub Actions", "Step isolation and limits".
"""

from __future__ import annotations

from collections.abc import Sequence

from ..configs.gatedoc import GateDocument, GateRow, Verdict
from .cells import plural
from .gate_summary import (
    counts_words,
    family_words,
    finding_words,
    headline,
    held_words,
    interval_words,
    name_of,
    run_words,
    sees_words,
    share_words,
    sides_words,
    times_words,
)
from .gate_words import worst_first
from .markdown import escaped, table
from .text import clean

LIMIT_BYTES = 1_000_000  # a little below 1 MiB: somebody else may write to the same summary
_OPEN_ROWS = 30
_HEAD = ("verdict", "cell", "change", "interval", "time", "p", "needed", "sees", "launches")
_ALIGN = "llrrrrrrr"


def gate_markdown(document: GateDocument, limit_bytes: int = LIMIT_BYTES) -> str:
    """The whole gate in at most `limit_bytes` of UTF-8."""
    rows = worst_first(document.rows)
    bad = [row for row in rows if not row.verdict.green]
    good = [row for row in rows if row.verdict.green]
    shown, folded = bad[:_OPEN_ROWS], [*bad[_OPEN_ROWS:], *good]
    head = [
        [f"## {_mark(document)} {escaped(headline(document), 1500)}"],
        [escaped(sides_words(document)), "", escaped(counts_words(document)), "", escaped(run_words(document))],
        [f"**A weak baseline**: {escaped(document.weak)}"] if document.weak else [],
    ]
    tail = [
        _listed("Families", [escaped(f"{f.verdict.value}: {family_words(f)}") for f in document.families[:50]]),
        _listed("Controls", [escaped(sentence) for sentence in held_words(document)]),
        _listed("In what the sides differ", [f"{escaped(d.what)}: {escaped(d.old)} → {escaped(d.new)}" for d in document.differences[:50]]),
        _listed("To know", [escaped(note) for note in (document.promise, *document.notes[:50]) if note]),
        [f"To run it again: {_code(document.command)}"] if document.command else [],
    ]
    room = limit_bytes - _size(head) - _size(tail) - 2000  # for the frames of the tables
    first, room = _fitting(shown, room)
    words = _listed("Why", [_why(row) for row in first if row.why or row.verdict is Verdict.REGRESSION])
    room -= _size([words])
    second, room = _fitting(folded, room)
    left_out = len(rows) - len(first) - len(second)
    parts = [*head, table(_HEAD, _ALIGN, map(_row, first)) if first else [], words if room > 0 else []]
    parts += [_folded(second)] if second else []
    parts += [[f"{plural(left_out, 'cell')} more would not fit here; the JSON export has them all."]] if left_out else []
    return "\n\n".join("\n".join(part) for part in [*parts, *tail] if part) + "\n"


def _mark(document: GateDocument) -> str:
    """A sign beside the word, for a list of many summaries."""
    return {"passed": "✅", "inconclusive": "❔", "unfinished": "❔", "untrusted": "⚠️"}.get(document.outcome, "❌")


def _size(parts: Sequence[Sequence[str]]) -> int:
    return sum(len(line.encode()) + 2 for part in parts for line in part)


def _fitting(rows: Sequence[GateRow], room: int) -> tuple[list[GateRow], int]:
    """As many of the first rows as there is room for, and what is left of it."""
    taken: list[GateRow] = []
    for row in rows:
        room -= len(" | ".join(_row(row)).encode()) + 5
        if room < 0:
            break
        taken.append(row)
    return taken, max(room, 0)


def _row(row: GateRow) -> tuple[str, ...]:
    verdict = escaped(row.verdict.value) + (" (advisory)" if row.advisory else "")
    verdict = verdict if row.verdict.green else f"**{verdict}**"
    known = row.change == row.change and not row.verdict.broken
    return (
        verdict,
        escaped(name_of(row)),
        escaped(share_words(row.change)) if known else "",
        escaped(interval_words(row)),
        escaped(times_words(row)),
        f"{row.p:.2g}" if known and row.p == row.p else "",
        f"{row.needed:.2g}" if known and row.needed == row.needed else "",
        escaped(sees_words(row)),
        str(row.blocks),
    )


def _why(row: GateRow) -> str:
    again = f"; again: {_code(row.command)}" if row.verdict is Verdict.REGRESSION and row.command else ""
    return f"{escaped(name_of(row))}: {escaped(finding_words(row))}{again}"


def _code(text: str) -> str:
    """A command as code. A backtick would end it, so such a command is written as text."""
    line = clean(text, 600)
    return escaped(line) if "`" in line else f"`{line}`"


def _folded(rows: Sequence[GateRow]) -> list[str]:
    """A table behind a line to click; GitHub reads Markdown in there only after an empty line."""
    return [f"<details><summary>{plural(len(rows), 'more cell')}</summary>", "", *table(_HEAD, _ALIGN, map(_row, rows)), "", "</details>"]


def _listed(title: str, items: Sequence[str]) -> list[str]:
    return [f"### {title}", "", *(f"- {item}" for item in items)] if items else []
