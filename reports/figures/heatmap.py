"""Draw a heatmap: rows by columns, a number in each cell, grey with a dash where there is nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.path import Path

from .theme import ABSENT, BAD, DIM, NARROW, PAPER, SMALL, STEPS, WIDE, Drawing, Mark, drawing, ink_on, step_of

_HEAD, _KEY, _GAP, _LETTER = 10.0, 30.0, 2.0, 6.5  # pixels


@dataclass(frozen=True, slots=True)
class Tile:
    """One cell: its text, its share from 0 to 1 (None: grey), and its mark.

    `bad` outlines it and adds a cross, `foot` (0 to 1) draws a bar along its lower edge; a place for which nothing was asked
    stays empty (`NOTHING`).
    """

    text: str
    share: float | None
    mark: Mark
    bad: bool = False
    foot: float | None = None

    @property
    def colour(self) -> str:
        """Its ground."""
        return ABSENT if self.share is None else step_of(self.share)


def percent_words(share: float) -> str:
    """A share as a whole number of percent; `<1` for what is not nothing."""
    number = 100 * share
    return "<1" if 0 < number < 0.95 else f"{number:.0f}" if number < 9999.5 else "huge"


NOTHING = Tile("", None, Mark(""))


@dataclass(frozen=True, slots=True)
class Grid:
    """Tiles by row and column; `breaks` are the rows before which a thin gap parts groups. `row_px` is the height of a row."""

    rows: Sequence[str]
    columns: Sequence[str]
    tiles: Sequence[Sequence[Tile]]
    key: str = "of the roof"
    breaks: Sequence[int] = ()
    row_px: float = 21.0


def is_wide(grid: Grid) -> bool:
    """Whether it needs the width of a page."""
    return _label_width(grid) + len(grid.columns) * 24 > NARROW - 6


def draw_heatmap(grid: Grid) -> Drawing:
    """The grid, the names of its columns above (upright where they do not fit), those of its rows on the left, and a key below."""
    width = float(WIDE if is_wide(grid) else NARROW)
    left = _label_width(grid)
    tile = min(64.0, (width - left - 6) / max(1, len(grid.columns)))
    longest = max(map(len, grid.columns), default=1)
    upright = longest * _LETTER > tile - 3
    top = _HEAD + (longest * _LETTER if upright else 14.0)
    tops = _tops(grid, top)
    height = (tops[-1] + grid.row_px if tops else top) + _KEY
    drawn = drawing(height, width=width)
    axes = drawn.figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    for column, name in enumerate(grid.columns):
        x = left + tile * (column + 0.5)
        text = axes.text(x, top - 5, name, fontsize=SMALL, ha="center", va="bottom", rotation=90 if upright else 0, color=DIM)
        drawn.follow(text, "x")
    for name, y in zip(grid.rows, tops, strict=True):
        drawn.follow(axes.text(left - 6, y + grid.row_px / 2, name, fontsize=SMALL, ha="right", va="center_baseline"), "y")
    drawn.frame = (left, top, width - left, height - _KEY - top)
    _tiles(drawn, axes, grid, left, tile, tops)
    _key(axes, grid, height - _KEY)
    return drawn


def _label_width(grid: Grid) -> float:
    return 10 + _LETTER * max(map(len, grid.rows), default=4)


def _tops(grid: Grid, top: float) -> list[float]:
    """The upper edge of each row."""
    tops = []
    y = top
    for row in range(len(grid.rows)):
        y += 6 if row in grid.breaks and row else 0
        tops.append(y)
        y += grid.row_px
    return tops


def _rectangle(width: float, height: float) -> tuple[Path, float]:
    """A marker of that size, and the size to draw it at: markers are scaled to their longer side."""
    x, y = width / 2, height / 2
    return Path([(-x, -y), (x, -y), (x, y), (-x, y), (-x, -y)], closed=True), max(width, height)


def _tiles(drawn: Drawing, axes: Axes, grid: Grid, left: float, tile: float, tops: Sequence[float]) -> None:
    """Cells of one colour are one artist's markers, so that each can say its words."""
    marker, size = _rectangle(tile - _GAP, grid.row_px - _GAP)
    by_colour: dict[str, list[tuple[float, float, Mark]]] = {}
    for y, tiles in zip(tops, grid.tiles, strict=True):
        for column, each in enumerate(tiles):
            if each == NOTHING:
                continue
            x, middle = left + tile * (column + 0.5), y + grid.row_px / 2
            by_colour.setdefault(each.colour, []).append((x, middle, each.mark))
            _written(axes, each, x, middle, (tile, grid.row_px))
    for colour, places in by_colour.items():
        gid = f"tiles-{'absent' if colour == ABSENT else STEPS.index(colour)}"
        artist = axes.plot(
            [x for x, _, _ in places], [y for _, y, _ in places], ls="", marker=marker, ms=size, mew=0, color=colour, zorder=1
        )[0]
        artist.set_gid(gid)
        drawn.marks[gid] = [mark for _, _, mark in places]


def _written(axes: Axes, each: Tile, x: float, y: float, size: tuple[float, float]) -> None:
    """What stands on the tile: number, bar, and the outline of what is wrong."""
    tile, row = size
    ink = DIM if each.share is None else ink_on(each.colour)
    raised = 1.5 if each.foot is not None else 0.0
    if each.bad:
        marker, longer = _rectangle(tile - _GAP - 2, row - _GAP - 2)
        axes.plot([x], [y], ls="", marker=marker, ms=longer, mew=1.6, mfc="none", mec=BAD, zorder=3)
        alone = each.share is None  # then the cross stands in the number's place, else on the corner
        corner = (x, y) if alone else (x + (tile - _GAP) / 2 - 1, y - (row - _GAP) / 2 + 1)  # on the outline, clear of the number
        axes.plot([corner[0]], [corner[1]], ls="", marker="s", ms=8 if alone else 6.5, mew=0, color=ABSENT if alone else PAPER, zorder=3.5)
        axes.plot([corner[0]], [corner[1]], ls="", marker="x", ms=8 if alone else 4.5, mew=2.0 if alone else 1.6, color=BAD, zorder=4)
    place = x - 1 if each.bad and tile < 34 else x
    if each.text:
        axes.text(place, y - raised, each.text, fontsize=SMALL - 0.5, ha="center", va="center_baseline", color=ink, zorder=5)
    if each.foot is not None:
        inner, bottom = tile - _GAP - 4, y + row / 2 - 4
        if each.foot > 0:
            axes.plot(
                [x - inner / 2, x - inner / 2 + inner * min(1.0, each.foot)],
                [bottom, bottom],
                color=ink,
                lw=1.6,
                solid_capstyle="butt",
                zorder=4,
            )


def _key(axes: Axes, grid: Grid, top: float) -> None:
    """Ten steps from 0 to 100 %, and what they count."""
    step = 11.0
    y = top + 18
    for index, colour in enumerate(STEPS):
        marker, size = _rectangle(step, 8)
        axes.plot([10 + step * (index + 0.5)], [y], ls="", marker=marker, ms=size, mew=0, color=colour)
    x = 10 + step * len(STEPS) + 6
    axes.text(x, y, f"0 to 100 % {grid.key}", fontsize=SMALL, va="center_baseline", color=DIM)
