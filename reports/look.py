"""Say how a screen is to look (width, colour, characters, depth), and turn styled lines into one string.

A screen is built from lines of styled spans; colour is added at the very end, so that layout never meets an escape code and
the plain and the coloured screen hold the same text. Codes: ECMA-48 "select graphic rendition", the 8 basic colours only,
so that the reader's own palette decides.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .text import cell_width, clean, pad, to_ascii, wrap

NARROWEST = 60
WIDEST = 200
_PARAGRAPH = 100  # running text wider than this is hard to read

_CODES = {"strong": "1", "dim": "2", "good": "32", "odd": "33", "bad": "31", "warn": "1;33", "level": "36"}


class Span(NamedTuple):
    """A piece of a line in one style: a key of `_CODES`, or empty."""

    text: str
    style: str = ""


Line = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """How a screen is to look. `full` shows everything that is known, otherwise what a first reader needs."""

    width: int = 80
    color: bool = False
    ascii_only: bool = False
    full: bool = False

    def word(self, text: str, limit: int = 40) -> str:
        """A string from a file as a harmless word or two."""
        return clean(text, limit, ascii_only=self.ascii_only)

    def prose(self, text: str, limit: int = 600) -> str:
        """A sentence from a file, harmless and of bounded length."""
        return clean(text, limit, ascii_only=self.ascii_only)

    def own(self, text: str) -> str:
        """One of our own strings, in the characters that may be used."""
        return to_ascii(text) if self.ascii_only else text

    @property
    def missing(self) -> str:
        """What stands where a value could not be had."""
        return "-" if self.ascii_only else "–"

    @property
    def lead(self) -> int:
        """Cells of the first column: the titles of all sections stand in one column."""
        return 14 if self.width >= 80 else 13

    @property
    def paragraph(self) -> int:
        """Width of running text."""
        return min(self.width, _PARAGRAPH)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a screen, and a (subject, reason) for each value in it that is missing."""

    lines: tuple[Line, ...] = ()
    reasons: tuple[tuple[str, str], ...] = ()


def flow(text: str, look: Look, *, first: str = "", rest: str = "", style: str = "", width: int = 0) -> list[Line]:
    """`text` wrapped at words: the first line begins with `first`, every other with `rest`."""
    room = (width or look.paragraph) - max(cell_width(first), cell_width(rest))
    return [(Span((rest if i else first) + piece, style),) for i, piece in enumerate(wrap(text, max(8, room)))]


def joined(parts: Sequence[str], look: Look, *, rest: str = "  ", style: str = "", width: int = 0) -> list[Line]:
    """Parts with a dot between them, broken between parts where the line is full, inside one only where it alone is too long."""
    dot = look.own(" · ")
    room = width or look.width
    lines: list[Line] = []
    line = ""
    for part in parts:
        if line and cell_width(line) + cell_width(dot) + cell_width(part) <= room:
            line += dot + part
            continue
        if line:
            lines.append((Span(line, style),))
        pieces = wrap(part, room - cell_width(rest))
        start = rest if lines else ""
        lines += [(Span((start if i == 0 else rest) + piece, style),) for i, piece in enumerate(pieces[:-1])]
        line = (start if len(pieces) == 1 else rest) + pieces[-1] if pieces else ""
    return [*lines, (Span(line, style),)] if line else lines


def titled(title: str, body: Iterable[Line], lead: int) -> list[Line]:
    """Lines set beside a title in a column of `lead` cells."""
    return [(Span(pad(title if i == 0 else "", lead), "strong"), *line) for i, line in enumerate(body)]


def line_width(line: Line) -> int:
    """Terminal cells of a line."""
    return sum(cell_width(span.text) for span in line)


def paint(lines: Iterable[Line], look: Look) -> str:
    """The lines as one string, each ended by a newline, without trailing spaces.

    A last guard: no control character passes here whatever the pieces did, and a line that is too wide is wrapped.
    """
    return "".join(_paint_line(line, look) + "\n" for whole in lines for line in _fitting(whole, look))


def _fitting(line: Line, look: Look) -> list[Line]:
    if line_width(line) <= look.width:
        return [line]
    text = "".join(span.text for span in line)
    indent = len(text) - len(text.lstrip(" "))
    return flow(text, look, first=" " * indent, rest=" " * min(indent + 2, 8), style=line[0].style, width=look.width)


def _paint_line(line: Line, look: Look) -> str:
    spans = [Span(_guard(span.text, look), span.style) for span in line]
    while spans and not spans[-1].text.rstrip():
        spans.pop()
    if spans:
        spans[-1] = Span(spans[-1].text.rstrip(), spans[-1].style)
    if not look.color:
        return "".join(span.text for span in spans)
    return "".join(f"\x1b[{_CODES[s.style]}m{s.text}\x1b[0m" if s.style and s.text.strip() else s.text for s in spans)


def _guard(text: str, look: Look) -> str:
    if text.isascii() and text.isprintable():
        return text
    safe = "".join("?" if unicodedata.category(c)[0] == "C" or c in "\u2028\u2029" else c for c in text)
    return to_ascii(safe) if look.ascii_only else safe
