"""Write a legend below the axes, in rows: a marker or a dash, and a name that the page can switch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .theme import NARROW, SMALL, UNIT, Drawing, colour_of, dash_of, marker_of

_ROW, _MARK, _GAP, _LETTER = 15.0, 16.0, 13.0, 5.7  # pixels; the width of a letter is that of the wider of the page's fonts


@dataclass(frozen=True, slots=True)
class Entry:
    """One series: its name, which is its series in the page too, and its number, which gives colour, marker and dash."""

    name: str
    number: int


def legend_height(entries: Sequence[Entry], width: float = NARROW, left: float = 10) -> float:
    """The pixels that the legend will take."""
    return _ROW * len(_rows(entries, width, left)) if entries else 0.0


def draw_legend(drawn: Drawing, entries: Sequence[Entry], *, foot: float = 4, left: float = 10, lines: bool = False) -> None:
    """Add it to the drawing, `foot` pixels above its lower edge; with `lines`, a piece of each series' dash behind its marker."""
    width, height = (size * UNIT for size in drawn.figure.get_size_inches())
    axes = drawn.figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    rows = _rows(entries, width, left)
    for row, members in enumerate(rows):
        y = foot + _ROW * (len(rows) - row - 0.5)
        for x, entry in members:
            colour = colour_of(entry.number)
            if lines:
                axes.plot([x, x + 12], [y, y], color=colour, ls=dash_of(entry.number), lw=1.4, marker="")
            axes.plot([x + 6], [y], color=colour, marker=marker_of(entry.number), ms=4.5, mew=0, ls="")
            text = axes.text(x + _MARK, y, entry.name, va="center_baseline", fontsize=SMALL)
            gid = f"legend-{entry.number}-{row}-{x:.0f}"
            text.set_gid(gid)
            drawn.legend[gid] = entry.name


def _rows(entries: Sequence[Entry], width: float, left: float) -> list[list[tuple[float, Entry]]]:
    """(x, entry) by row."""
    rows: list[list[tuple[float, Entry]]] = []
    x = width
    for entry in entries:
        needed = _MARK + _LETTER * len(entry.name)
        if x + needed > width - 6 or not rows:
            rows.append([])
            x = left
        rows[-1].append((x, entry))
        x += needed + _GAP
    return rows
