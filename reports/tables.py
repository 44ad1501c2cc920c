"""Lay out plain text tables that never cut a cell.

Numbers are right-aligned, and their intervals stand in a narrow column of their own behind them. A table that is too wide
gives up, in this order: optional columns, the intervals (a line below then says how wide the widest is), the grid itself (a
row becomes a heading with `name value` pairs, wrapped between pairs).

Several tables that belong together are laid out alike by a `Sheet`, which keeps the intervals: optional columns go, and a first
cell that is too long stands on a line of its own. Where no column may go, `sheets` breaks the columns into several tables.
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
_LEAST_LEAD = 2  # an indent: every first cell then stands above its row
_FEW_LONG = 3


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
    while not fits(slim, look) and slim.has_optional:
        slim = slim.without_one()
    if fits(slim, look):
        return _laid_out(slim, look)
    bare = slim.without_tails()
    gap = next((gap for gap in (GAP, 1) if fits(bare, look, gap)), 0)
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


@dataclass(frozen=True, slots=True)
class Sheet:
    """One layout for several tables of the same columns. Heads and rows are given whole; it shows the columns in `keep`.

    `widths` of the first column may be less than its longest cell. `stacked` is true where even that finds no room.
    """

    columns: tuple[Column, ...]
    keep: tuple[int, ...]
    widths: tuple[_Widths, ...]
    gap: int
    look: Look
    stacked: bool = False

    @property
    def left_out(self) -> tuple[int, ...]:
        """Columns that are not shown."""
        return tuple(i for i in range(len(self.columns)) if i not in self.keep)

    def head(self, heads: Sequence[str]) -> list[Line]:
        """The heading; its first cell, which names the table, above it where it is too long."""
        if self.stacked:
            return [(Span(heads[0], "strong"),)]
        return self._with_lead([Cell(heads[i], "dim" if i else "strong") for i in self.keep])

    def row(self, row: Row, heads: Sequence[str]) -> list[Line]:
        """One row; its first cell above it where that is too long. `heads` are those of its table."""
        if self.stacked:
            return _pairs([heads[i] for i in self.keep], [row[i] for i in self.keep], self.look)
        return self._with_lead([row[i] for i in self.keep])

    def _with_lead(self, cells: list[Cell]) -> list[Line]:
        lead: list[Line] = []
        if cell_width(cells[0].text) > self.widths[0].whole:
            lead = [(Span(cells[0].text, cells[0].style),)]
            cells = [Cell(), *cells[1:]]
        shown = Grid(tuple(self.columns[i] for i in self.keep), ())
        return [*lead, _line(cells, shown, list(self.widths), self.gap)]


def sheet(columns: Sequence[Column], rows: Sequence[Row], look: Look) -> Sheet:
    """The layout for all of these rows, in whatever tables they come.

    Columns that are empty in every row go first. Then optional columns, one after another from the last. Of a set of columns a layout is
    taken when all first cells find room, if need be with narrow gaps, or all but a few: a line more is cheaper than a column.
    """
    slim = grid(columns, rows)
    everything = kept = [i for i, column in enumerate(columns) if any(column is each for each in slim.columns)]
    few = max(_FEW_LONG, len(rows) // 8)
    while True:
        widths = _widths(slim)
        for gap, long in ((GAP, 0), (1, 0), (GAP, few), (1, few if slim.has_optional else len(rows))):
            room = look.width - sum(width.whole + gap for width in widths[1:])
            lengths = [length for row in slim.rows if (length := cell_width(row[0].text)) <= room]
            if room >= _LEAST_LEAD and len(rows) - len(lengths) <= long:
                first = max([_LEAST_LEAD, slim.columns[0].least, *lengths])
                return Sheet(tuple(columns), tuple(kept), (_Widths(min(first, room), 0), *widths[1:]), gap, look)
        if not slim.has_optional:
            return Sheet(tuple(columns), tuple(everything), (), 1, look, stacked=True)
        lost = max(i for i, column in enumerate(slim.columns) if column.optional)
        slim, kept = slim.without_one(), [*kept[:lost], *kept[lost + 1 :]]


def sheets(columns: Sequence[Column], rows: Sequence[Row], look: Look) -> list[Sheet]:
    """The columns in as many tables as the width asks for, none left out that is not empty: each begins with the first column."""
    whole = grid(columns, rows)
    kept = [i for i, column in enumerate(columns) if any(column is each for each in whole.columns)]
    widths = dict(zip(kept, _widths(whole), strict=True))
    parts: list[list[int]] = []
    room = 0
    for i in kept[1:]:
        need = GAP + widths[i].whole
        if not parts or need > room:
            parts.append([])
            room = look.width - widths[0].whole
        parts[-1].append(i)
        room -= need
    made = []
    for part in parts:
        left = look.width - sum(GAP + widths[i].whole for i in part)  # one wide column alone may leave less than the longest first cell
        first = widths[0] if widths[0].whole <= left else _Widths(max(0, left), 0)
        made.append(Sheet(tuple(columns), (0, *part), (first, *(widths[i] for i in part)), GAP, look))
    return made


def fits(whole: Grid, look: Look, gap: int = GAP) -> bool:
    """Whether the table finds room as it is."""
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
        lines += _pairs([column.head for column in whole.columns], row, look)
    return lines


def _pairs(heads: Sequence[str], row: Row, look: Look) -> list[Line]:
    """`128x768x768: fastest mkl · time 1.79 ms ±1.2 %`"""
    pairs = [" ".join(filter(None, (head, cell.text, cell.tail))) for head, cell in zip(heads[1:], row[1:], strict=True) if cell.text]
    lead = f"{row[0].text}: " if row[0].text.strip() else ""
    return joined([lead + pairs[0], *pairs[1:]] if pairs else [row[0].text], look, rest="    ")
