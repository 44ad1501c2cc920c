"""Lay out plain text tables that never cut a cell.

Numbers are right-aligned, and their intervals stand in a narrow column of their own behind them. A table that is too wide
gives up, in this order: optional columns, the intervals (a line below then says how wide the widest is), the grid itself (a
row becomes a heading with `name value` pairs, wrapped between pairs).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from .look import Line, Look, Span, joined, line_width
from .numbers import percent
from .text import cell_width, pad, wrap

GAP = 2
_LEAST_FLOW = 22  # cells that a column of running text needs to be readable


class Cell(NamedTuple):
    """One cell: text, style, and the interval that stands behind a number."""

    text: str = ""
    style: str = ""
    tail: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, which carries the unit, and how it is laid out.

    `optional` columns go first when room is short. The last column may have `flows` set: its text is wrapped at words.
    """

    head: str
    align: str = "right"
    optional: bool = False
    flows: bool = False
    least: int = 0  # cells


Row = Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Grid:
    """Columns and rows, and `worst`, the largest relative half-width of all its intervals, said where they find no room."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    worst: float | None = None

    def without_empty(self) -> Grid:
        """The grid without columns that hold no text in any row; the first column stays."""
        keep = [i for i in range(len(self.columns)) if i == 0 or any(row[i].text for row in self.rows)]
        return self._keeping(keep)

    @property
    def has_optional(self) -> bool:
        """Whether any column may still go."""
        return any(column.optional for column in self.columns)

    def without_one(self) -> Grid:
        """The grid without the last of its optional columns."""
        last = max(i for i, column in enumerate(self.columns) if column.optional)
        return self._keeping([i for i in range(len(self.columns)) if i != last])

    def without_tails(self) -> Grid:
        """The grid without intervals."""
        return replace(self, rows=tuple(tuple(cell._replace(tail="") for cell in row) for row in self.rows))

    def _keeping(self, keep: Sequence[int]) -> Grid:
        return replace(self, columns=tuple(self.columns[i] for i in keep), rows=tuple(tuple(row[i] for i in keep) for row in self.rows))


def grid(columns: Sequence[Column], rows: Sequence[Row], worst: float | None = None) -> Grid:
    """A Grid from any sequences, without its empty columns."""
    return Grid(tuple(columns), tuple(tuple(row) for row in rows), worst).without_empty()


def table(whole: Grid, look: Look) -> list[Line]:
    """The grid in lines of at most `look.width` cells: a heading, then the rows. No rows, no lines."""
    if not whole.rows:
        return []
    slim = whole
    while not _fits(slim, look) and slim.has_optional:
        slim = slim.without_one()
    if _fits(slim, look):
        return _laid_out(slim, look)
    bare = slim.without_tails()
    gap = next((gap for gap in (GAP, 1) if _fits(bare, look, gap)), 0)
    lines = _laid_out(bare, look, gap) if gap else _stacked(bare, look)
    if whole.worst is None or not any(cell.tail for row in whole.rows for cell in row):
        return lines
    note = look.own(f"all within {percent(whole.worst)}")
    if line_width(lines[0]) + 3 + cell_width(note) <= look.width:
        return [(*lines[0], Span("   " + note, "dim")), *lines[1:]]
    return [*lines, (Span("  " + note, "dim"),)]


class _Widths(NamedTuple):
    text: int
    tail: int

    @property
    def whole(self) -> int:
        return self.text + (1 + self.tail if self.tail else 0)


def _widths(whole: Grid) -> list[_Widths]:
    result = []
    for i, column in enumerate(whole.columns):
        cells = [row[i] for row in whole.rows]
        text = 0 if column.flows else max(cell_width(cell.text) for cell in cells)
        result.append(_Widths(max(text, cell_width(column.head), column.least), max(cell_width(cell.tail) for cell in cells)))
    return result


def _fits(whole: Grid, look: Look, gap: int = GAP) -> bool:
    widths = _widths(whole)
    total = sum(width.whole for width in widths) + gap * (len(widths) - 1)
    if whole.columns[-1].flows:
        longest = max((cell_width(row[-1].text) for row in whole.rows), default=0)
        total += max(0, min(longest, _LEAST_FLOW) - widths[-1].whole)
    return total <= look.width


def _laid_out(whole: Grid, look: Look, gap: int = GAP) -> list[Line]:
    widths = _widths(whole)
    room = look.width - sum(width.whole + gap for width in widths[:-1])
    heads = [Cell(column.head, "dim" if i else "strong") for i, column in enumerate(whole.columns)]
    lines = [_line(heads, whole, widths, gap)] if any(column.head for column in whole.columns) else []
    for row in whole.rows:
        last = row[-1]
        if not whole.columns[-1].flows or cell_width(last.text) <= room:
            lines.append(_line(row, whole, widths, gap))
            continue
        pieces = wrap(last.text, room)
        lines.append(_line([*row[:-1], last._replace(text=pieces[0])], whole, widths, gap))
        lines += [(Span(" " * (look.width - room)), Span(piece, last.style)) for piece in pieces[1:]]
    return lines


def _line(row: Row, whole: Grid, widths: list[_Widths], gap: int) -> Line:
    spans: list[Span] = []
    for i, (cell, column, width) in enumerate(zip(row, whole.columns, widths, strict=True)):
        if i:
            spans.append(Span(" " * gap))
        spans.append(Span(pad(cell.text, width.text, column.align), cell.style))
        if width.tail:
            spans.append(Span(" " + pad(cell.tail, width.tail), "dim"))
    return tuple(spans)


def _stacked(whole: Grid, look: Look) -> list[Line]:
    """Every row as its first cell and a list of `name value` pairs."""
    lines: list[Line] = [(Span(whole.columns[0].head, "strong"),)] if whole.columns[0].head else []
    for row in whole.rows:
        named = zip(whole.columns[1:], row[1:], strict=True)
        pairs = [f"{column.head} {cell.text}".strip() for column, cell in named if cell.text]
        head = f"{row[0].text}: " if row[0].text.strip() else ""
        lines += joined([head + pairs[0], *pairs[1:]] if pairs else [row[0].text], look, rest="    ")
    return lines
