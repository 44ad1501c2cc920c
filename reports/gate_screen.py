"""The terminal screen of a gate: the outcome in one sentence, who met whom, what the controls said, and the cells, the worst first.

One string out of one document, the same wherever and whenever it is drawn. Equivalent cells are summed up in one line; `full` shows all.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..configs.gatedoc import GateDocument, GateFamily, GateRow, Verdict
from ..configs.units import pretty
from .cells import plural
from .gate_rows import PASSED, UNTRUSTED
from .gate_words import (
    cell_words,
    control_words,
    discard_words,
    effect_words,
    family_name,
    outcome_sentence,
    rules_words,
    seen_words,
    shown_of,
    side_words,
    tally_words,
    took_words,
    verdict_words,
    warnings_of,
    worst_first,
)
from .look import NARROWEST, WIDEST, Line, Look, Span, flow, joined, paint, titled
from .tables import Cell, Column, Row, grid, sheet, table

MOST_CELLS = 120  # of the table; `full` shows every one
_FEW = 8
_LEAD = 11  # cells of the titles at the left
_WITH_TIMES = 72  # columns from which both times are shown
_STYLES = {Verdict.REGRESSION: "bad", Verdict.IMPROVEMENT: "good", Verdict.INCONCLUSIVE: "odd", Verdict.EQUIVALENT: ""}


def gate_screen(document: GateDocument, *, width: int = 80, color: bool = False, ascii_only: bool = False, full: bool = False) -> str:
    """The screen in lines of at most `width` cells (60 to 200; other widths count as the nearest of these).

    `color` adds colour and no information, `ascii_only` draws the same with ASCII, `full` shows every row. Strings of the file are made
    harmless.
    """
    look = Look(min(WIDEST, max(NARROWEST, width)), color, ascii_only, full)
    groups = [
        _outcome(document, look),
        _who(document, look),
        _promise(document, look),
        _controls(document, look),
        _families(document, look),
        _cells(document, look),
        _reasons(document, look),
        _ending(document, look),
        _command(document, look),
    ]
    lines: list[Line] = []
    for group in groups:
        lines += [(), *group] if lines and group else group
    return paint(lines, look)


def outcome_style(document: GateDocument) -> str:
    """The colour of the whole."""
    if document.outcome == PASSED:
        return "good"
    return "odd" if document.outcome == Verdict.INCONCLUSIVE else "bad"


def verdict_style(verdict: Verdict) -> str:
    """The colour of a verdict."""
    return _STYLES.get(verdict, "bad")


def _outcome(document: GateDocument, look: Look) -> list[Line]:
    lines = flow(look.prose(outcome_sentence(document)), look, rest="  ", style=outcome_style(document))
    when = look.word(document.started_at, 32).replace("T", " ").replace("Z", " UTC")
    launches = plural(len(document.moments), "launch", "launches")
    second = [f"gate {look.word(document.run_id, 40)}", f"on {look.word(document.machine_id, 80)}", when]
    third = [f"preset {look.word(document.preset, 40)}"] if document.preset else []
    third += [] if document.weak else [f"{plural(len(document.control_rows), 'control')}, {launches}", f"seed {document.seed}"]
    tally = flow(look.prose(tally_words(document)), look, rest="  ")
    return [*lines, *tally, *joined(list(filter(None, second)), look), *joined(third, look)]


def _said(title: str, text: str, look: Look, style: str = "", limit: int = 2000) -> list[Line]:
    """A sentence beside its title."""
    return titled(title, flow(look.prose(text, limit), look, width=look.paragraph - _LEAD, style=style), _LEAD)


def _who(document: GateDocument, look: Look) -> list[Line]:
    """Both sides, and in what they differ besides."""
    lines: list[Line] = []
    for title, side, other in (("old", document.old, document.new), ("new", document.new, document.old)):
        words = [look.prose(word, 2000) for word in side_words(side, other)]
        lines += titled(title, joined(words, look, width=look.width - _LEAD), _LEAD)
    different = document.differences if look.full else document.differences[:_FEW]
    body = [
        line
        for each in different
        for line in flow(
            look.prose(f"{each.what}: {each.old} → {each.new}", 1000), look, rest="  ", width=look.paragraph - _LEAD, style="dim"
        )
    ]
    lines += titled("apart by", body, _LEAD) if body else []
    return [*lines, *_more(len(document.differences) - len(different), look, document)]


def _promise(document: GateDocument, look: Look) -> list[Line]:
    if document.weak:
        return _said("weaker", f"than a gate that runs both sides: {document.weak}", look, "warn")
    lines = _said("rules", rules_words(document), look)
    lines += _said("promised", document.promise or "nothing: it ended before there was a plan", look)
    return [*lines, *_said("came", took_words(document), look)]


def _controls(document: GateDocument, look: Look) -> list[Line]:
    if document.weak:
        return []  # a stored run has none, and that is part of why it is weaker
    lines: list[Line] = []
    for title, text in control_words(document):
        lines += _said(title, text, look, "warn" if title == "none" else "")
    for reason in document.controls.untrusted:
        lines += _said(UNTRUSTED, reason, look, "bad")
    if words := discard_words(document):
        lines += _said("discarded", words, look)
    return lines


def _families(document: GateDocument, look: Look) -> list[Line]:
    """Cells judged together: a shift too small to be seen in one of them."""
    columns = (
        Column("judged together", "left"),
        Column("cells", optional=look.width < 80),
        Column("launches", optional=look.width < 80),
        Column("change %"),
        Column("95 % interval"),
        Column("verdict", "left"),
    )
    rows = [_family(family, look) for family in document.families]
    return table(grid(columns, rows), look)


def _family(family: GateFamily, look: Look) -> tuple[Cell, ...]:
    texts, style = shown_of(family), verdict_style(family.verdict)
    return (
        Cell(look.word(family_name(family), 40)),
        Cell(f"{family.cells:,}"),
        Cell(f"{family.launches:,}"),
        Cell(texts.change or look.missing, style),
        Cell(texts.span or look.missing, "dim"),
        Cell(verdict_words(family), style),
    )


def _cells(document: GateDocument, look: Look) -> list[Line]:
    """One row a cell; those that are equivalent in one line, unless all are wanted."""
    rows = worst_first(document.rows)
    alike = [row for row in rows if row.verdict is Verdict.EQUIVALENT]
    told = rows if look.full else [row for row in rows if row.verdict is not Verdict.EQUIVALENT]
    shown = told if look.full else told[:MOST_CELLS]
    columns = (
        Column("cell", "left"),
        Column("old"),
        Column("new"),
        Column("change"),
        Column("interval %"),
        Column("verdict", "left"),
        Column("n", optional=look.width < 80),
        Column("sees"),
    )
    lines = labelled_rows(columns, [_row(row, document, look) for row in shown], look)
    lines += _more(len(told) - len(shown), look, document)
    if any(row.verdict is Verdict.INCONCLUSIVE for row in shown):
        text = "n: blocks that count; sees: the smallest slowdown that this cell's blocks would have confirmed; smaller ones may be there"
        lines += flow(text, look, rest="  ", style="dim")
    if alike and not look.full:
        lines += flow(look.prose(_alike_words(alike, document)), look, rest="  ")
    return lines


def _row(row: GateRow, document: GateDocument, look: Look) -> tuple[Cell, ...]:
    style = verdict_style(row.verdict)
    texts = shown_of(row)
    times = [look.own(pretty(time_s, "s")) if 0 < time_s < 1e9 else look.missing for time_s in (row.old_s, row.new_s)]
    times = times if look.width >= _WITH_TIMES else ["", ""]
    unsure = row.verdict is Verdict.INCONCLUSIVE
    return (
        Cell(look.word(cell_words(row, document), 200)),
        *(Cell(text) for text in times),
        Cell(texts.change or look.missing, style),
        Cell(texts.span or look.missing, "dim"),
        Cell(verdict_words(row), style),
        Cell(f"{row.blocks:,}"),
        Cell((seen_words(row.smallest) or "none") if unsure else ""),
    )


def labelled_rows(columns: Sequence[Column], rows: Sequence[Row], look: Look) -> list[Line]:
    """A table in which a label that is too long for its column stands above its row; no rows, no lines."""
    if not rows:
        return []
    heads = [column.head for column in columns]
    laid = sheet(columns, rows, look)
    return [*laid.head(heads), *(line for row in rows for line in laid.row(row, heads))]


def _alike_words(alike: Sequence[GateRow], document: GateDocument) -> str:
    widest = max(alike, key=lambda row: row.high - row.low)
    texts = shown_of(widest)
    subject = f"{plural(len(alike), 'cell')} {'is' if len(alike) == 1 else 'are'}"
    where = f"{'its' if len(alike) == 1 else 'the widest'} interval is that of {cell_words(widest, document)}, {texts.span} %"
    if len(alike) == 1:
        where = f"{cell_words(widest, document)}, {texts.span} %"
    return f"= {subject} equivalent within {effect_words(document.detect)}: {where}"


def _reasons(document: GateDocument, look: Look) -> list[Line]:
    """Why cells have no result, or none that is sure: each reason once, with the first cell and how many more."""
    groups: dict[tuple[Verdict, str], list[GateRow]] = {}
    for row in worst_first(document.rows):
        if row.why and row.verdict not in (Verdict.EQUIVALENT, Verdict.REGRESSION, Verdict.IMPROVEMENT):
            groups.setdefault((row.verdict, row.why), []).append(row)
    told = list(groups.items()) if look.full else list(groups.items())[:_FEW]
    lines: list[Line] = []
    for (verdict, why), rows in told:
        more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        text = f"{verdict.value.upper()} {cell_words(rows[0], document)}{more}: {why}"
        lines += flow(look.prose(text), look, rest="  ", style="bad" if verdict.broken else "odd")
    return [*lines, *_more(len(groups) - len(told), look, document)]


def _more(left: int, look: Look, document: GateDocument) -> list[Line]:
    if left <= 0:
        return []
    return [(Span(look.own(f"… and {left} more: mmbench show {look.word(document.run_id, 40)} --full"), "dim"),)]


def _ending(document: GateDocument, look: Look) -> list[Line]:
    """What to know besides, in one block; reasons for distrust stand further up."""
    lines: list[Line] = []
    found = [(subject, sentence) for subject, sentence in warnings_of(document) if subject != UNTRUSTED]
    for subject, sentence in found if look.full else found[:_FEW]:
        text = look.prose(f"{subject}: {sentence}" if subject else sentence)
        lines += flow(text, look, first="! ", rest="  ", style="warn")
    return [*lines, *(_more(len(found) - _FEW, look, document) if not look.full else [])]


def _command(document: GateDocument, look: Look) -> list[Line]:
    """What to run again: the whole gate, and its worst cell alone where one was slower."""
    worst = next((row for row in worst_first(document.rows) if row.verdict is Verdict.REGRESSION), None)
    lines = _said("again", document.command, look) if document.command else []
    return lines + (_said("worst", worst.command, look) if worst is not None and worst.command else [])
