"""Write a sweep as GitHub-flavoured Markdown tables: what the screen says, for an issue, a pull request or a job summary.

Every string of the file is hostile: characters that Markdown or HTML would read are escaped, control characters vanish.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ..configs.kernel_names import is_given
from ..configs.sweepdoc import SweepDocument
from .cells import plural
from .sweep_notes import could_be_here, skip_digest
from .sweep_rows import CellRows, cells_of
from .sweep_words import (
    absent_words,
    bits_words,
    case_words,
    code_words,
    compared,
    disturbed_words,
    end_words,
    failures,
    fragmentation,
    fused_words,
    is_helped,
    kernel_words,
    mark_words,
    marked,
    next_best,
    precision_words,
    proof_words,
    rate_unit,
    rate_words,
    share_words,
    short,
    time_words,
    unfinished_words,
    warnings,
)
from .text import clean

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~#@&!$])")


def escaped(text: str, limit: int = 600) -> str:
    """`text` on one line, as itself: nothing of it is markup, a link, a mention or a cell's end."""
    return _SPECIAL.sub(r"\\\1", clean(text, limit))


def sweep_markdown(document: SweepDocument) -> str:
    """The whole sweep. Cells are listed one by one: GitHub cuts a comment after 65,536 characters, a file after some megabytes."""
    parts = [
        [f"## Sweep {escaped(document.run_id)}", "", _facts(document)],
        _best(document),
        _listed("Wrong, crashed, timed out", _failed(document)),
        [f"**Fragmentation**: {escaped(fragmentation(document), 2000)}"],
        [escaped(fused_words(document), 2000)] if fused_words(document) else [],
        _listed("Kernels", _kernels(document)),
        _listed("Absent", (f"{escaped(m.title or m.library)}: {escaped(absent_words(m))}" for m in could_be_here(document.absent))),
        _listed("To know", _notes(document)),
        _listed("Not asked or declined", (f"{escaped(who)}: {escaped(why)}" for who, why in skip_digest(document))),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _facts(document: SweepDocument) -> str:
    words = [f"machine {document.machine_id}", document.started_at, f"preset {document.preset}" if document.preset else ""]
    return escaped(", ".join(filter(None, [*words, plural(document.cells, "cell"), f"seed {document.seed}", end_words(document)])))


def table(head: Sequence[str], align: str, rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table; `align` has an l or an r for each column. Cells must be escaped already."""
    rule = ["---:" if letter == "r" else ":---" for letter in align]
    return [f"| {' | '.join(row)} |" for row in (head, rule, *rows)]


def _best(document: SweepDocument) -> list[str]:
    names = short(document)
    cells = cells_of(document)
    if not cells:
        return ["No row was written."]
    rows = [_best_row(cell, names) for cell in cells]
    return table(("type", "case", "fastest", "time", "±", "rate", "roof", "bits", "code", "next"), "lllrrrrlll", rows)


def _best_row(cell: CellRows, names: dict[str, str]) -> tuple[str, ...]:
    first = escaped(cell.case.dtype), escaped(case_words(cell.case))
    last = escaped(next_best(cell, names))
    if not cell.timed:
        return *first, "none", "", "", "", "", "", "", last
    best = cell.timed[0]
    rate = f"{rate_words(best)} {rate_unit(cell.case)}"
    share = escaped(share_words(best.roof_share, best.above_roof))
    return (
        *first,
        escaped(names.get(best.kernel, best.kernel)),
        time_words(best),
        escaped(f"{precision_words(best).removeprefix('±')} {mark_words(best)}".rstrip()),
        rate,
        share,
        escaped(bits_words(best)),
        escaped(code_words(best)),
        last,
    )


def _kernels(document: SweepDocument) -> Iterable[str]:
    for kernel in compared(document):
        if not kernel.problem:
            path = kernel.path if is_given(kernel.kernel) else ""
            words = filter(None, (kernel_words(kernel), path, proof_words(document, kernel.kernel)))
            yield f"{escaped(kernel.name)}: {escaped(', '.join(words))}"


def _failed(document: SweepDocument) -> Iterable[str]:
    names = short(document)
    for f in failures(document):
        more = f" and {f.cells - 1} more" if f.cells > 1 else ""
        where = f"{f.first.case.dtype} {case_words(f.first.case)}{more}"
        yield f"**{f.status.value.upper()}** {escaped(names.get(f.kernel, f.kernel))}, {escaped(where)}: {escaped(f.words)}"


def _notes(document: SweepDocument) -> Iterable[str]:
    if unfinished := unfinished_words(document):
        yield escaped(unfinished)
    for mark, meaning in marked(document):
        yield escaped(f"{mark} behind a time: {meaning}")
    for subject, sentence in warnings(document):
        if not is_helped(sentence):
            yield escaped(f"{subject}: {sentence}" if subject else sentence)
    if disturbed := disturbed_words(document):
        yield escaped(disturbed)
    if document.no_roofs:
        yield escaped(f"the roof is unknown: {document.no_roofs}")


def _listed(title: str, items: Iterable[str]) -> list[str]:
    lines = [f"- {item}" for item in items]
    return [f"### {title}", "", *lines] if lines else []
