"""Draw the memory hierarchy as boxes that widen downwards, with what was measured of each level beside it.

    size   latency            read  check
                              ns  cycles  GB/s
       ╭─────╮
       │ L1d │     48 KiB   1.30    4.98   530  = reported
    ╭──┴─────┴──╮  ±0.5    ±0.01   ±0.02    ±3

A level takes two lines: values beside its name, their intervals beside the edge below it. Any number of levels; where the
picture finds no room, the same cells become a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..configs.facts import Fact
from ..configs.machine import Bandwidth, CacheLevel, Machine
from .cells import kinds, number_cell, reasons
from .look import Line, Look, Section, Span
from .numbers import half_width, plus_minus, size_number, size_unit, value_of
from .tables import Cell, Column, grid, table
from .text import cell_width, pad, wrap
from .verdicts import check_cell

_MOST_LEVELS = 8
_LEAST_CHECK = 11
_GAP = 2


@dataclass(frozen=True, slots=True)
class _Box:
    """Characters of the drawing."""

    top_left: str = "╭"
    top_right: str = "╮"
    bottom_left: str = "╰"
    bottom_right: str = "╯"
    flat: str = "─"
    side: str = "│"
    join: str = "┴"


_ASCII_BOX = _Box("+", "+", "+", "+", "-", "|", "+")


@dataclass(frozen=True, slots=True)
class _Level:
    """One level as words: its name, and a Cell for each column."""

    name: str
    cells: tuple[Cell, ...]
    check: Cell


_Head = tuple[str, str]  # name, unit


def pyramid_sections(machine: Machine, look: Look) -> list[Section]:
    """A picture for each kind of core."""
    sections = []
    for kind in kinds(machine, machine.caches):
        levels = [level for level in machine.caches if level.core_kind == kind]
        bandwidths = [b for b in machine.bandwidths if b.core_kind == kind]
        title = look.own(f"{look.word(kind, 12)} cores") if kind else ""
        sections.append(_section(levels, bandwidths, title, look))
    return sections


def _section(caches: Sequence[CacheLevel], bandwidths: Sequence[Bandwidth], title: str, look: Look) -> Section:
    why: list[tuple[str, Fact[float] | Fact[int]]] = []
    rates = {cache.name: best_read(bandwidths, cache.name) for cache in caches}
    levels = []
    for cache in caches:
        memory = is_memory(cache, caches)
        name = look.word(cache.name, 10)
        rate = rates[cache.name]
        cells = [Cell() if memory else _size_cell(cache.size, look), number_cell(cache.latency, look, 1e9)]
        cells.append(number_cell(cache.latency_cycles, look))
        why += [] if memory else [(f"{name} size", cache.size)]
        why += [(f"{name} latency", cache.latency), (f"{name} cycles", cache.latency_cycles)]
        if any(rates.values()):
            cells.append(number_cell(rate.rate, look, 1e-9) if rate else Cell(look.missing, "dim"))
            why += [(f"{name} read bandwidth", rate.rate)] if rate else []
        levels.append(_Level(name, tuple(cells), Cell() if memory else check_cell(cache.judgement, look, cache.claims)))
    heads: list[_Head] = [("size", ""), ("latency", "ns"), ("", "cycles")] + [("read", "GB/s")] * any(rates.values())
    drawn = _drawn(levels, heads, title, look) or _as_table(levels, heads, title, look)
    prefix = f"{title} " if title else ""
    return Section(tuple(drawn), tuple((prefix + subject, note) for subject, note in reasons(why, look)))


def best_read(bandwidths: Sequence[Bandwidth], level: str) -> Bandwidth | None:
    """One thread's fastest read stream at this level."""
    rows = [b for b in bandwidths if b.level == level and b.threads == 1 and b.kernel == "read"]
    return max(rows, key=lambda b: value_of(b.rate) or 0.0, default=None)


def is_memory(cache: CacheLevel, caches: Sequence[CacheLevel]) -> bool:
    """Whether this is the level that holds everything: the last one, with no size and none claimed."""
    return cache is caches[-1] and cache.size.value is None and not cache.claims


def _size_cell(fact: Fact[int], look: Look) -> Cell:
    """Number and unit in the text, the interval in the tail in the same unit."""
    value = value_of(fact)
    if value is None:
        return Cell(look.missing, "dim")
    factor, unit = size_unit(value)
    text = size_number(value / factor)
    half = half_width(fact, 1 / factor)
    shown = float(text) if "." in text else value / factor
    return Cell(f"{text} {unit}", "", look.own(plus_minus(shown, half)))


def _drawn(levels: Sequence[_Level], heads: Sequence[_Head], title: str, look: Look) -> list[Line]:
    """The picture with the widest boxes that fit; nothing where none fits."""
    if not 1 <= len(levels) <= _MOST_LEVELS:
        return []
    check = max(cell_width(level.check.text) for level in levels)
    columns = _columns(levels, heads)
    box = _ASCII_BOX if look.ascii_only else _Box()
    for gap in (2, 1):
        for room in dict.fromkeys((check, min(check, _LEAST_CHECK))):
            for step in (3, 2, 1):
                art = _art([level.name for level in levels], step, box)
                whole = cell_width(art[-1]) + sum(gap + sum(column) for column in columns) + (gap + room if room else 0)
                if whole <= look.width and _two_lines(levels, room):
                    return _composed(levels, heads, title, _Frame(tuple(art), tuple(columns), gap, room))
    return []


@dataclass(frozen=True, slots=True)
class _Frame:
    """A layout that fits: the drawing, (number, unit) cells of each column, the gap before each, room for the check."""

    art: tuple[str, ...]
    columns: tuple[tuple[int, int], ...]
    gap: int
    room: int


def _two_lines(levels: Sequence[_Level], room: int) -> bool:
    return all(len(wrap(level.check.text, room)) <= 2 for level in levels if room)


def _art(names: Sequence[str], step: int, box: _Box) -> list[str]:
    """The boxes: an upper edge, then a name and a lower edge for each level."""
    inner = [max(cell_width(name) + 2 - 2 * step * i for i, name in enumerate(names))]
    inner[0] = max(5, inner[0])
    for _ in names[1:]:
        inner.append(inner[-1] + 2 * step)
    whole = inner[-1] + 2
    left = [(inner[-1] - width) // 2 for width in inner]
    lines = [" " * left[0] + box.top_left + box.flat * inner[0] + box.top_right]
    for i, name in enumerate(names):
        lines.append(" " * left[i] + box.side + pad(name, inner[i], "centre") + box.side)
        if i + 1 < len(names):
            shoulder = box.flat * (step - 1)
            middle = shoulder + box.join + box.flat * inner[i] + box.join + shoulder
            lines.append(" " * left[i + 1] + box.top_left + middle + box.top_right)
        else:
            lines.append(box.bottom_left + box.flat * inner[i] + box.bottom_right)
    return [pad(line, whole) for line in lines]


def _columns(levels: Sequence[_Level], heads: Sequence[_Head]) -> list[tuple[int, int]]:
    """(cells of the number, cells of its unit) for each column; only the size carries a unit in the cell."""
    widths = []
    for i, head in enumerate(heads):
        parts = [_parts(level.cells[i]) for level in levels]
        number = max(max(cell_width(n), cell_width(level.cells[i].tail)) for (n, _), level in zip(parts, levels, strict=True))
        unit = max(cell_width(u) for _, u in parts)
        widths.append((max(number, *(cell_width(word) - unit for word in head)), unit))
    return widths


def _parts(cell: Cell) -> tuple[str, str]:
    number, space, unit = cell.text.partition(" ")
    return number, space + unit


def _composed(levels: Sequence[_Level], heads: Sequence[_Head], title: str, frame: _Frame) -> list[Line]:
    art, space = frame.art, " " * frame.gap
    sized = list(zip(heads, frame.columns, strict=True))
    upper = [Span(pad(title, cell_width(art[0])), "strong"), *(Span(space + pad(head[0], sum(c), "right"), "dim") for head, c in sized)]
    units = [Span(art[0]), *(Span(space + pad(head[1], sum(c), "right"), "dim") for head, c in sized)]
    checked = [Span(space + "check", "dim")] if frame.room else []
    lines: list[Line] = [(*upper, *checked), tuple(units)]
    for i, level in enumerate(levels):
        values, intervals = [Span(art[2 * i + 1])], [Span(art[2 * i + 2])]
        for cell, (number, unit) in zip(level.cells, frame.columns, strict=True):
            text, name = _parts(cell)
            values.append(Span(space + pad(text, number, "right") + pad(name, unit), cell.style))
            intervals.append(Span(space + pad(cell.tail, number, "right") + " " * unit, "dim"))
        for spans, piece in zip((values, intervals), wrap(level.check.text, frame.room) if frame.room else (), strict=False):
            spans.append(Span(space + piece, level.check.style))
        lines += [tuple(values), tuple(intervals)]
    return lines


def _as_table(levels: Sequence[_Level], heads: Sequence[_Head], title: str, look: Look) -> list[Line]:
    columns = [Column(title or "memory", "left")]
    columns += [Column(" ".join(filter(None, (name if unit != "cycles" else "", unit)))) for name, unit in heads]
    columns.append(Column("check", "left"))
    return table(grid(columns, [(Cell(level.name), *level.cells, level.check) for level in levels]), look)
