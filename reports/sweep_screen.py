"""The terminal screen of a sweep: who is best at what, who is wrong or absent, and how many cells each serves.

One string out of one document, the same wherever and whenever it is drawn. A grid of more than `MOST_CELLS` cells is summed up by data
type and origin of the shapes; `full` shows every row.
"""

from __future__ import annotations

from ..configs.kernel_names import is_given
from ..configs.sweepdoc import SweepDocument
from .cells import plural
from .look import NARROWEST, WIDEST, Line, Look, Span, flow, joined, paint
from .sweep_notes import absent_digest, skip_digest
from .sweep_rows import cells_of
from .sweep_tables import best_tables, every_row, summary_table
from .sweep_words import (
    absent_words,
    case_words,
    compared,
    disturbed_words,
    end_words,
    failures,
    fragmentation,
    fused_words,
    is_helped,
    kernel_words,
    marked,
    proof_words,
    short,
    skip_words,
    unfinished_words,
    warnings,
)
from .text import cell_width, pad

MOST_CELLS = 120  # preset ci has 80
_FEW = 8
_NAME = 60  # cells of a kernel's name: it is the word to choose it by, and never cut short of that


def sweep_screen(document: SweepDocument, *, width: int = 80, color: bool = False, ascii_only: bool = False, full: bool = False) -> str:
    """The screen in lines of at most `width` cells (60 to 200; other widths count as the nearest of these).

    `color` adds colour and no information, `ascii_only` draws the same with ASCII, `full` shows every row. Strings of the file are made
    harmless.
    """
    look = Look(min(WIDEST, max(NARROWEST, width)), color, ascii_only, full)
    cells = cells_of(document)
    if full:
        tables = every_row(document, cells, look)
    elif len(cells) <= MOST_CELLS:
        tables = best_tables(document, cells, look)
    else:
        tables = summary_table(document, cells, look)
    groups = [
        _head(document, look),
        *(tables or [[(Span("no row was written"),)]]),
        _failed(document, look),
        _fused(document, look),
        _fragments(document, look),
        _who(document, look),
        _absent(document, look),
        _ending(document, look),
    ]
    lines: list[Line] = []
    for group in groups:
        lines += [(), *group] if lines and group else group
    return paint(lines, look)


def _head(document: SweepDocument, look: Look) -> list[Line]:
    when = look.word(document.started_at, 32).replace("T", " ").replace("Z", " UTC")
    first = [f"sweep {look.word(document.run_id, 40)}", f"on {look.word(document.machine_id, 80)}", when]
    counted = f"{plural(document.cells, 'cell')}, {plural(len(document.kernels), 'kernel')}"
    preset = f"preset {look.word(document.preset, 40)}" if document.preset else ""
    second = [preset, counted, f"seed {document.seed}"]
    lines = [(Span(line[0].text, "strong" if i == 0 else ""),) for i, line in enumerate(joined(list(filter(None, first)), look))]
    return [*lines, *joined(list(filter(None, second)), look), *flow(look.prose(end_words(document)), look, rest="  ")]


def _failed(document: SweepDocument, look: Look) -> list[Line]:
    names = short(document)
    found = failures(document)
    lines: list[Line] = []
    for f in found if look.full else found[:_FEW]:
        more = f" and {f.cells - 1} more" if f.cells > 1 else ""
        where = f"{f.first.case.dtype} {case_words(f.first.case)}{more}"
        text = f"{f.status.value.upper()} {names.get(f.kernel, f.kernel)}, {where}: {f.words}"
        lines += flow(look.prose(text), look, rest="  ", style="bad")
    return [*lines, *_more(len(found) - _FEW, look, document)]


def _more(left: int, look: Look, document: SweepDocument) -> list[Line]:
    if left <= 0 or look.full:
        return []
    return [(Span(look.own(f"… and {left} more: mmbench show {look.word(document.run_id, 40)} --full"), "dim"),)]


def _fused(document: SweepDocument, look: Look) -> list[Line]:
    return flow(look.prose(words), look, rest="  ") if (words := fused_words(document)) else []


def _fragments(document: SweepDocument, look: Look) -> list[Line]:
    return flow(look.prose(fragmentation(document), 2000), look, rest="  ", style="strong")


def _who(document: SweepDocument, look: Look) -> list[Line]:
    """Which builds these are: the versions without which no figure can be compared."""
    kernels = [kernel for kernel in compared(document) if not kernel.problem]
    names = [look.word(kernel.name, _NAME) for kernel in kernels]
    lead = max((width for name in names if (width := cell_width(name)) <= look.width // 2), default=0) + 2
    lines: list[Line] = []
    for kernel, name in zip(kernels, names, strict=True):
        if cell_width(name) > lead:
            lines, name = [*lines, (Span(name),)], ""
        body = flow(look.prose(kernel_words(kernel), 300), look, width=look.paragraph - lead)
        lines += [(Span(pad(name if i == 0 else "", lead)), *line) for i, line in enumerate(body)]
        if kernel.path and (look.full or is_given(kernel.kernel)):
            lines += _path(look.prose(kernel.path, 2000), lead, look)
        if look.full and (proof := proof_words(document, kernel.kernel)):
            lines += [(Span(" " * lead), *line) for line in flow(look.prose(proof), look, width=look.paragraph - lead, style="dim")]
    return lines


def _path(path: str, lead: int, look: Look) -> list[Line]:
    """A path to be copied: whole, further left where it has no room behind the name, broken behind a slash where it has none at all."""
    indent = max(2, min(lead, look.width - cell_width(path)))
    lines: list[str] = []
    line = ""
    for piece in path.replace("/", "/\0").split("\0"):
        if line and indent + cell_width(line) + cell_width(piece) > look.width:
            lines, line = [*lines, line], ""
        line += piece
    return [(Span(" " * indent), Span(each, "dim")) for each in [*lines, line]]


def _absent(document: SweepDocument, look: Look) -> list[Line]:
    each = [f"{missing.title or missing.library}: {absent_words(missing)}" for missing in document.absent]
    said = each if look.full else absent_digest(document.absent)
    return [line for text in said for line in flow(look.prose(text), look, first="absent  ", rest="        ", style="dim")]


def _ending(document: SweepDocument, look: Look) -> list[Line]:
    """What to know, what is unknown and why, and what to do next: one block."""
    lines: list[Line] = []
    if unfinished := unfinished_words(document):
        lines += flow(look.prose(unfinished), look, first="! ", rest="  ", style="warn")
    for mark, meaning in marked(document):
        lines += flow(look.prose(f"behind a time: {meaning}"), look, first=f"{mark} ", rest="  ", style="warn")
    found = [(subject, sentence) for subject, sentence in warnings(document) if look.full or not is_helped(sentence)]
    for subject, sentence in found if look.full else found[:_FEW]:
        text = look.prose(f"{subject}: {sentence}" if subject else sentence)
        lines += flow(text, look, first="! ", rest="  ", style="warn")
    lines += _more(len(found) - _FEW, look, document)
    if document.no_roofs:
        lines += flow(look.prose(f"roof: unknown, {document.no_roofs}"), look, first=f"{look.missing} ", rest="  ", style="dim")
    if disturbed := disturbed_words(document):
        lines += flow(look.prose(disturbed), look, first=f"{look.missing} ", rest="  ", style="dim")
    for who, reason in skip_words(document) if look.full else skip_digest(document):
        lines += flow(look.prose(f"{who}: {reason}"), look, first=f"{look.missing} ", rest="  ", style="dim")
    return lines
