"""Draw the key of a figure above or below its axes, in rows that never overlap, and choose the ticks of axes and their words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import Collection
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D
from matplotlib.text import Text

from ...configs.units import size_words
from ..numbers import figure as three
from ..text import cell_width
from .theme import COLOURS, INK, NARROW, PAPER, SMALL, UNIT, Drawing, colour_of, dash_of, marker_of

ROW = 14.0  # pixels of a row of a key
_SAMPLE, _GAP, _BETWEEN = 18.0, 5.0, 12.0
_EM = 0.6  # mean width of a character of the type that files carry; a page's own is narrower


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a key: its words, the series that it switches ("" for none), and how that is drawn."""

    label: str
    series: str = ""
    colour: str = INK
    marker: str = ""
    dash: Any = ""
    filled: bool = True


@dataclass(frozen=True, slots=True)
class Series:
    """One series of a figure: its name, by which the page switches it, and its number, which gives colour, marker and dash."""

    name: str
    number: int

    def entry(self, *, dashed: bool = True) -> Entry:
        """Its entry in a key; without `dashed`, its marker alone."""
        return Entry(self.name, self.name, colour_of(self.number), marker_of(self.number), dash_of(self.number) if dashed else "")


def text_width(text: str, size: float = SMALL) -> float:
    """Pixels that a text may take, rather too many than too few."""
    return cell_width(text) * size * _EM


def key_rows(entries: Sequence[Entry], width: float) -> list[list[Entry]]:
    """The entries in rows of at most that width."""
    rows: list[list[Entry]] = []
    room = 0.0
    for entry in entries:
        needs = _width(entry)
        if not rows or needs > room:
            rows.append([])
            room = width
        rows[-1].append(entry)
        room -= needs
    return rows


def key_height(entries: Sequence[Entry], *, left: float, right: float, width: float = NARROW) -> float:
    """Pixels that the key takes."""
    return ROW * len(key_rows(entries, width - left - right)) + 4


def draw_key(drawn: Drawing, entries: Sequence[Entry], *, left: float, right: float, top: float = 2) -> None:
    """Draw it from that many pixels below the upper edge; each entry with a series switches it."""
    width, height = (size * UNIT for size in drawn.figure.get_size_inches())
    number = 0
    for row, line in enumerate(key_rows(entries, width - left - right)):
        y = 1 - (top + ROW * (row + 0.5)) / height
        x = left
        for entry in line:
            sample = _SAMPLE if entry.marker or entry.dash else 0.0
            if sample:
                drawn.figure.add_artist(_sample(entry, x / width, (x + sample) / width, y))
            text = drawn.figure.text((x + sample + (_GAP if sample else 0)) / width, y, entry.label, fontsize=SMALL, va="center_baseline")
            if entry.series:
                text.set_gid(f"key{number}")
                drawn.legend[f"key{number}"] = entry.series
            number += 1
            x += _width(entry)


def switches(drawn: Drawing) -> list[tuple[str, str, str]]:
    """(series, words, name of its colour) of every entry of a key that switches something, as drawn."""
    everything = [artist for parent in (drawn.figure, *drawn.figure.axes) for artist in parent.get_children()]
    artists = {artist.get_gid(): artist for artist in everything if artist.get_gid()}
    colours: dict[str, str] = {}
    for gid, name in drawn.series.items():
        artist = artists.get(gid)
        if isinstance(artist, Line2D | Collection):
            colour: Any = artist.get_color() if isinstance(artist, Line2D) else next(iter(artist.get_edgecolor()), INK)
            colours.setdefault(name, COLOURS.get(to_hex(colour), "ink"))
    found = []
    for gid, name in drawn.legend.items():
        text = artists.get(gid)
        if isinstance(text, Text) and name in colours:
            found.append((name, text.get_text(), colours[name]))
    return found


def draw_key_below(drawn: Drawing, entries: Sequence[Entry], *, left: float, right: float) -> None:
    """Draw it at the foot of the figure, in the `key_height` that was left there."""
    width, height = (size * UNIT for size in drawn.figure.get_size_inches())
    draw_key(drawn, entries, left=left, right=right, top=height - key_height(entries, left=left, right=right, width=width))


def _width(entry: Entry) -> float:
    return (_SAMPLE + _GAP if entry.marker or entry.dash else 0.0) + text_width(entry.label) + _BETWEEN


def _sample(entry: Entry, left: float, right: float, y: float) -> Line2D:
    middle = (left + right) / 2
    xs = [left, middle, right] if entry.dash else [middle]
    face = entry.colour if entry.filled else PAPER
    size = 11 if entry.marker == "|" else 5
    return Line2D(
        xs, [y] * len(xs), color=entry.colour, ls=entry.dash or "none", marker=entry.marker or "none", ms=size, mew=1.1, mfc=face,
        markevery=[len(xs) // 2], lw=1.5, solid_capstyle="butt",
    )  # fmt: skip


def tick_words(value: float, _place: float | None = None) -> str:
    """A number at an axis: three figures, whole ones without a point. A formatter for matplotlib, too."""
    return three(int(value)) if value == int(value) and abs(value) < 1e6 else three(value)


def power_words(value: float) -> str:
    """A power of ten at an axis: `0.1`, `1`, `1000`."""
    return f"{value:.10g}" if 1e-4 <= value < 1e6 else f"{value:.0e}"


def log_ticks(low: float, high: float, most: int = 9) -> list[float]:
    """1, 2 and 5 times powers of ten between these bounds; powers of ten alone, or fewer of them, where that were too many."""
    if not 0 < low < high < math.inf:
        return []
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**decade for decade in decades for step in steps if low <= step * 10.0**decade <= high]
        if len(ticks) <= most:
            return ticks
    return ticks[:: math.ceil(len(ticks) / most)]


def set_log_ticks(axis: Axis, low: float, high: float, most: int = 9) -> None:
    """Those ticks with plain figures."""
    ticks = log_ticks(low, high, most)
    axis.set_ticks(ticks, [tick_words(t) for t in ticks])
    axis.set_ticks([], minor=True)


def set_size_ticks(axes: Axes, low: float, high: float, most: int = 7) -> None:
    """Sizes in bytes on a logarithmic x axis: powers of two that are equally far apart and not too many."""
    first, last = math.ceil(math.log2(low)), math.floor(math.log2(high))
    step = next((s for s in (1, 2, 3, 5, 10) if (last - first) // s < most), 20)
    ticks = [2.0**power for power in range(first, last + 1) if power % step == 0] or [2.0**first]
    axes.set_xticks(ticks, [size_words(t) for t in ticks])
    axes.set_xticks([], minor=True)
