"""Name what a report is made of: sections that hold prose, tables, figures, cards and files, before anyone decides how they look.

Every string here may come from a hostile file. Nothing in these records is markup: each writer (HTML, Markdown, JSON) escapes what it
writes. Strings go through `plain`, which bounds their length and makes control and bidirectional characters visible.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..text import clean

if TYPE_CHECKING:
    from ..figures.theme import Drawing

# How a value stands: agrees with what is claimed, is odd, is wrong, is unknown, is best. Writers add a sign, so that colour is never alone.
MARKS = ("", "good", "odd", "bad", "dim", "best", "strong")


def plain(text: object, limit: int = 200) -> str:
    """A string of a file, harmless and of bounded length."""
    return clean(str(text), limit)


@dataclass(frozen=True, slots=True)
class Value:
    """A cell that says more than its text: a mark (of `MARKS`), the number to sort by, and a note for who looks closer."""

    text: str
    mark: str = ""
    note: str = ""
    sort: float | None = None


Cell = str | Value


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; the unit stands in the head. Numbers are `right`."""

    title: str
    unit: str = ""
    right: bool = False


def numbers(*titles: tuple[str, str] | str) -> tuple[Column, ...]:
    """Right-aligned columns from titles or (title, unit)."""
    return tuple(Column(t, right=True) if isinstance(t, str) else Column(t[0], t[1], right=True) for t in titles)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells, the first of each naming the row. `note` says what was left out. `folded`: closed until it is asked for."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    folded: bool = False

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.caption}: {len(row)} cells in {len(self.columns)} columns")


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture, what it shows in one sentence (`description`), how to read it, and its data.

    `name` is a stable word (`latency`, `roofline-f32-t1`): its id in the page, the file's name under `--figures`, and what `mmbench plot`
    takes; `machine` is added where several machines have such a figure. `wide`: it wants the whole width of the page. `note`: what was
    thinned. `draw` is called at most once by a writer.
    """

    name: str
    title: str
    description: str
    draw: Callable[[], Drawing]
    table: Table
    how: str = ""
    note: str = ""
    wide: bool = False

    @property
    def file_name(self) -> str:
        """Its name without an ending as a file: small letters, digits and hyphens, whatever the name holds."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")[:80] or "figure"


@dataclass(frozen=True, slots=True)
class Prose:
    """A paragraph. `kind`: "" plain, lead (the verdict), note (small print), warn, how (for who asks how to read what stands there)."""

    text: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Points:
    """A list of sentences, each with the subject that it is about ("" for none)."""

    items: tuple[tuple[str, str], ...]
    title: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """Words to be copied into a terminal."""

    text: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """Something to download: its content travels in the page."""

    name: str
    title: str
    mime: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Card:
    """One thing beside its like: a chip sheet. `lead` are pairs of name and value."""

    title: str
    subtitle: str
    lead: tuple[tuple[str, Cell], ...]
    blocks: tuple[Block, ...] = ()
    badge: str = ""


@dataclass(frozen=True, slots=True)
class Cards:
    """Cards side by side."""

    cards: tuple[Card, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading inside a section."""

    text: str


Block = Prose | Points | Table | Figure | Code | File | Cards | Heading


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page. `name` is its id, and its place in the address of the page."""

    name: str
    title: str
    blocks: tuple[Block, ...]

    def figures(self) -> list[Figure]:
        """Its figures, in order; those inside cards too."""
        return [block for block in _flat(self.blocks) if isinstance(block, Figure)]


def _flat(blocks: tuple[Block, ...]) -> list[Block]:
    found: list[Block] = []
    for block in blocks:
        found.append(block)
        if isinstance(block, Cards):
            for card in block.cards:
                found += _flat(card.blocks)
    return found
