"""Part a drawing as a spreadsheet freezes panes: what a zoom magnifies, what goes along an axis with it, and what stays in its place.

A reader who zooms wants to go on reading the axes. So only what lies inside the frame (the axes, or the rectangle that a drawing names) is
magnified and cut at its edge; labels of ticks and whatever a drawing lets `follow` go along x or y with what they label; titles, units and
keys stay. Ticks that are far apart in what was magnified get finer ones between them, which a page shows there only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from ...configs.units import size_words
from .keys import text_width
from .theme import UNIT, Drawing

AXES = "_axes"
_NUMBER = re.compile(r"([\d,]*\.?\d+(?:e[+-]?\d+)?)(\D*)")
_EDGE = 1.5  # pixels by which what is drawn on the frame may lie outside
_FAR = 4.5  # a ratio of two ticks of a logarithmic axis from which even steps would crowd at the upper one
_MOST = 4  # finer ticks between two
_HEIGHT = 13.0  # pixels that a label of a y axis takes


@dataclass(frozen=True, slots=True)
class Goes:
    """Where a group of the file goes: along `axis` (x or y), with the data at `place` (pixels from the left or upper edge).

    Without an axis it is seen as long as nobody zooms.
    """

    axis: str
    place: float


@dataclass(frozen=True, slots=True)
class Finer:
    """A label between those of two ticks of an axis, where it goes, and the magnification from which it is seen."""

    axis: str
    place: float
    words: str
    least: float


@dataclass(slots=True)
class Panes:
    """The frame (left, top, width, height in pixels), the groups of the axes that stay outside it, and those that go along an axis.

    In a `grid` marks and type are magnified, too: its cells touch each other.
    """

    frame: tuple[float, float, float, float]
    outside: set[str] = field(default_factory=set)
    along: dict[str, Goes] = field(default_factory=dict)
    finer: list[Finer] = field(default_factory=list)
    grid: bool = False


def parted(drawn: Drawing) -> Panes | None:
    """The panes of a drawing, whose artists get the names that are spoken of.

    None for a drawing of no or several axes that names no frame: nobody can say which of them a reader means.
    """
    figure = drawn.figure
    if not figure.axes or (drawn.frame is None and len(figure.axes) > 1):
        return None
    axes = figure.axes[0]
    axes.set_gid(AXES)
    panes = Panes(drawn.frame or _box(axes), grid=drawn.frame is not None)
    own = axes.get_children()
    frame = {id(axes.patch), *map(id, axes.spines.values())}
    for number, artist in enumerate(own):
        gid = artist.get_gid() or ""
        stays = gid in drawn.along or gid in drawn.legend or id(artist) in frame or _out(artist, panes)
        if stays and not isinstance(artist, Axis):
            artist.set_gid(gid or f"_out{number}")
            panes.outside.add(gid or f"_out{number}")
    for artist in [*own, *figure.get_children()]:
        if (gid := artist.get_gid() or "") in drawn.along and isinstance(artist, Text | Line2D):
            panes.along[gid] = Goes(drawn.along[gid], _place(artist)[drawn.along[gid] == "y"])
    _ticks(axes, axes.xaxis, "x", panes)
    _ticks(axes, axes.yaxis, "y", panes)
    return panes


def _pixels(figure: Figure, x: float, y: float) -> tuple[float, float]:
    """From the canvas's own places, whatever its resolution, to pixels from the upper left corner."""
    across, up = figure.transFigure.inverted().transform((x, y))
    width, height = figure.get_size_inches() * UNIT
    return float(across * width), float((1 - up) * height)


def _box(axes: Axes) -> tuple[float, float, float, float]:
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    left, top = _pixels(figure, axes.bbox.x0, axes.bbox.y1)
    right, bottom = _pixels(figure, axes.bbox.x1, axes.bbox.y0)
    return left, top, right - left, bottom - top


def _place(artist: Text | Line2D) -> tuple[float, float]:
    """Where a text is anchored, or a line ends, in pixels from the upper left corner."""
    figure = artist.get_figure()
    assert isinstance(figure, Figure)
    last = artist.get_position() if isinstance(artist, Text) else np.asarray(artist.get_xydata())[-1]
    return _pixels(figure, *artist.get_transform().transform(last))


def _out(artist: Artist, panes: Panes) -> bool:
    """Whether it lies outside the frame, and not by being cut there."""
    if isinstance(artist, Line2D):
        if not np.asarray(artist.get_xydata()).size:
            return False
        if not artist.get_clip_on():
            return True
    elif not isinstance(artist, Text):
        return False
    (x, y), (left, top, width, height) = _place(artist), panes.frame
    return math.isfinite(x + y) and not (-_EDGE <= x - left <= width + _EDGE and -_EDGE <= y - top <= height + _EDGE)


# --- ticks --------------------------------------------------------------------------------------------------------------------


def _ticks(axes: Axes, axis: Axis, name: str, panes: Panes) -> None:
    """Name the ticks by where they go, and find what can stand between them."""
    values = [float(value) for value in axis.get_major_locator()()]
    for number, (tick, value) in enumerate(zip(axis.get_major_ticks(len(values)), values, strict=True)):
        tick.set_gid(f"_{name}{number}")
        panes.along[f"_{name}{number}"] = Goes(name, _across(axes, value, name))
    low, high = sorted(axis.get_view_interval())
    seen = [value for value in values if low <= value <= high]
    finer = _finer(list(zip(seen, axis.get_major_formatter().format_ticks(seen), strict=True)), axis.get_scale() == "log")
    panes.finer += _magnified(axes, seen, finer, name)


def _across(axes: Axes, value: float, name: str) -> float:
    """Pixels from the left or upper edge to a value of an axis."""
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    x, y = (value, axes.get_ylim()[0]) if name == "x" else (axes.get_xlim()[0], value)
    return _pixels(figure, *axes.transData.transform((x, y)))[name == "y"]


def _magnified(axes: Axes, seen: Sequence[float], finer: Sequence[tuple[float, str]], name: str) -> list[Finer]:
    """Each finer label with the magnification from which those between its two ticks have room beside each other."""
    longest = max((text_width(text) for _, text in finer), default=0.0) + 4 if name == "x" else _HEIGHT
    found = []
    for low, high in pairwise(sorted(seen)):
        inside = [(_across(axes, value, name), words) for value, words in finer if low < value < high]
        places = sorted([_across(axes, low, name), *(place for place, _ in inside), _across(axes, high, name)])
        nearest = min(b - a for a, b in pairwise(places))
        found += [Finer(name, place, words, max(1.25, longest / max(nearest, 0.1))) for place, words in inside]
    return found


def _finer(ticks: list[tuple[float, str]], logarithmic: bool) -> list[tuple[float, str]]:
    """Values and labels between neighbouring ticks; none where labels are no numbers, or do not rise as the values do."""
    read = [(value, float(found[1].replace(",", "")), found[2]) for value, text in ticks if (found := _NUMBER.fullmatch(text.strip()))]
    if len(read) < max(2, len(ticks)):
        return []
    scales = {unit: value / number for value, number, unit in read if number}
    if not all(math.isclose(value, number * scales.get(unit, 1.0), rel_tol=0.01) for value, number, unit in read):
        return []
    finer = []
    for (a, *_), (b, _, unit) in pairwise(sorted(read)):
        for value in _between(a, b, scales[unit], logarithmic):
            words = size_words(round(value)) if unit.strip().endswith("B") else f"{float(f'{value / scales[unit]:.6g}'):.6g}{unit}"
            finer.append((value, words))
    return finer


def _between(a: float, b: float, unit: float, logarithmic: bool) -> list[float]:
    """Round values between two ticks: even steps, or powers of two, or 2, 3, 5 and 7 times a power of ten, or powers of ten."""
    if not logarithmic or b / a <= _FAR:
        parts = min((5, 4, 3, 2), key=lambda parts: len(f"{(b - a) / unit / parts:.8g}".replace(".", "").strip("0")))
        return [a + (b - a) * part / parts for part in range(1, parts)]
    twos = math.log2(b / a)
    if abs(twos - round(twos)) < 1e-9:
        return [a * 2.0**power for power in range(1, round(twos))][:_MOST]
    if b / a < 11:
        return [a * step for step in (2, 3, 5, 7) if a * step < b * 0.9]
    return [a * 10.0**power for power in range(1, round(math.log10(b / a)))][:_MOST]
