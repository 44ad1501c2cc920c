"""Write a report as GitHub-flavoured Markdown: the same sections and tables, each figure as what it shows and its data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..markdown import escaped
from .blocks import Block, Card, Cards, Code, Figure, Heading, Points, Prose, Section, Table, Value
from .html import SIGNS, Page

_MOST_ROWS = 60  # of a figure's table: Markdown is read, not searched


def page_markdown(page: Page, sections: Sequence[Section], figures: str = "") -> str:
    """The whole document; `figures` is the folder of the figures as seen from it ("": they are not written)."""
    lines = [f"# {escaped(page.title)}", "", escaped(page.subtitle), ""]
    for section in sections:
        lines += [f"## {escaped(section.title)}", ""]
        for block in section.blocks:
            lines += _block(block, figures)
    return "\n".join(lines).rstrip("\n") + "\n"


def _block(block: Block, figures: str) -> list[str]:
    if isinstance(block, Prose):
        return [f"**{escaped(block.text)}**" if block.kind == "lead" else escaped(block.text), ""]
    if isinstance(block, Heading):
        return [f"### {escaped(block.text)}", ""]
    if isinstance(block, Points):
        head = [f"{escaped(block.title)}:", ""] if block.title else []
        return [*head, *(f"- **{escaped(who)}** {escaped(text)}" if who else f"- {escaped(text)}" for who, text in block.items), ""]
    if isinstance(block, Code):
        fence = "`" * max(3, _longest_run(block.text) + 1)
        return [*([f"{escaped(block.title)}:", ""] if block.title else []), f"{fence}sh", *block.text.splitlines(), fence, ""]
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Figure):
        return _figure(block, figures)
    if isinstance(block, Cards):
        return [line for card in block.cards for line in _card(card, figures)]
    return []  # a file travels in the page alone


def _longest_run(text: str) -> int:
    longest = run = 0
    for character in text:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    return longest


def _card(card: Card, figures: str) -> list[str]:
    badge = f" ({escaped(card.badge)})" if card.badge else ""
    lines = [f"### {escaped(card.title)}{badge}", "", escaped(card.subtitle), ""]
    if card.lead:
        lines += ["| | |", "|---|---|", *(f"| {escaped(name)} | {_cell(value)} |" for name, value in card.lead), ""]
    for block in card.blocks:
        lines += _block(block, figures)
    return lines


def _figure(figure: Figure, figures: str) -> list[str]:
    lines = [f"### {escaped(figure.title)}", "", escaped(figure.description), ""]
    if figures:
        lines += [f"![{escaped(figure.description)}]({figures}/{figure.file_name}.svg)", ""]
    return [*lines, *([escaped(figure.note), ""] if figure.note else []), *_table(figure.table, _MOST_ROWS)]


def _table(table: Table, most: int = 1_000_000) -> list[str]:
    heads = [escaped(f"{c.title} ({c.unit})" if c.unit else c.title) for c in table.columns]
    lines = [
        f"{escaped(table.caption)}:",
        "",
        f"| {' | '.join(heads)} |",
        f"|{'|'.join('---:' if c.right else '---' for c in table.columns)}|",
    ]
    lines += [f"| {' | '.join(map(_cell, row))} |" for row in table.rows[:most]]
    notes: Iterable[str] = (table.note, f"{len(table.rows) - most} more rows are in the data." if len(table.rows) > most else "")
    return [*lines, "", *(line for note in notes if note for line in (escaped(note), ""))]


def _cell(cell: str | Value) -> str:
    value = cell if isinstance(cell, Value) else Value(cell)
    sign, _ = SIGNS.get(value.mark, ("", ""))
    return escaped(f"{sign} {value.text}" if sign else value.text)
