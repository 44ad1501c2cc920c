"""Draw rate against size: lines through the cubes with their intervals, other shapes as faint points, and the roof."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from matplotlib.axes import Axes

from .keys import Series, power_words
from .theme import DIM, INK, NARROW, SMALL, Drawing, Mark, apart, axes_in, colour_of, dash_of, drawing, marker_of
from .thinning import thinned_together

_LEFT, _TOP, _BOTTOM, _PLOT = 46.0, 24.0, 40.0, 250.0
_LETTER, _LEADER = 6.6, 14.0
_SPACING = 5.0  # pixels between other shapes of one kernel
_TICKS = tuple(1 << i for i in range(40))
_FLAT = 8.0  # kernels whose best is so many times below the top of the axis cannot be read on a linear one


@dataclass(frozen=True, slots=True)
class Step:
    """A cube: its side, op/s with the ends of their interval, and its mark."""

    size: float
    rate: float
    low: float
    high: float
    mark: Mark


@dataclass(frozen=True, slots=True)
class Line:
    """A kernel: its cubes in order of size, and its other shapes, (size, op/s, mark)."""

    series: Series
    steps: tuple[Step, ...]
    others: tuple[tuple[float, float, Mark], ...] = field(default=())

    @property
    def best(self) -> float:
        """Its highest rate."""
        return max([s.rate for s in self.steps] + [rate for _, rate, _ in self.others], default=0.0)


@dataclass(frozen=True, slots=True)
class Roof:
    """The roof of a cube by its side, (size, op/s), and its name."""

    name: str
    places: tuple[tuple[float, float], ...]


def kept_others(lines: Sequence[Line], most: int) -> list[Line]:
    """The same lines with the other shapes thinned: of each kernel those that do not overlap, `most` in all."""
    sizes = [x for line in lines for x, _, _ in line.others]
    rates = [y for line in lines for _, y, _ in line.others]
    if not sizes:
        return list(lines)
    across = 250.0 / max(math.log(max(sizes) / min(sizes)), 0.5)
    up = _PLOT / max(math.log(max(rates) / min(rates)), 0.5)
    places = [[(across * math.log(x), up * math.log(y)) for x, y, _ in line.others] for line in lines]
    kept = thinned_together(places, _SPACING, most)
    return [replace(line, others=tuple(line.others[i] for i in own)) for line, own in zip(lines, kept, strict=True)]


def draw_sizes(lines: Sequence[Line], roof: Roof | None, unit: str) -> Drawing:
    """A line a kernel with its name at its end; kernels without cubes have points and a name, too."""
    drawn = drawing(_TOP + _PLOT + _BOTTOM)
    names = [line.series.name for line in lines] + ([roof.name] if roof else [])
    margin = min(160.0, max(40.0, _LEADER + 6 + _LETTER * max(map(len, names), default=4)))
    axes = axes_in(drawn, left=_LEFT, right=margin, top=_TOP, bottom=_BOTTOM, xscale="log")
    width = NARROW - _LEFT - margin
    _limits(axes, lines, roof)
    axes.text((2 - _LEFT) / width, 1 + 12 / _PLOT, unit, color=DIM, transform=axes.transAxes, va="center")
    axes.set_xlabel("cube root of m·n·k")
    ends: list[tuple[float, float, str, int]] = []
    if roof:
        axes.plot([x for x, _ in roof.places], [y for _, y in roof.places], color=INK, lw=1.2, zorder=2)
        ends.append((*roof.places[-1], roof.name, -1))
    for line in lines:
        _line(drawn, axes, line)
        last = (line.steps[-1].size, line.steps[-1].rate) if line.steps else line.others[-1][:2]
        ends.append((*last, line.series.name, line.series.number))
    _names(drawn, axes, ends, width)
    return drawn


def _limits(axes: Axes, lines: Sequence[Line], roof: Roof | None) -> None:
    sizes = [s.size for line in lines for s in line.steps] + [x for line in lines for x, _, _ in line.others]
    rates = [s.rate for line in lines for s in line.steps] + [y for line in lines for _, y, _ in line.others]
    top = max([*rates, *(y for _, y in roof.places if roof)] if roof else rates)
    least, most = min(sizes) / 1.15, max(sizes) * 1.15
    axes.set_xlim(least, max(most, least * 4))
    logarithmic = sum(line.best * _FLAT < top for line in lines) * 2 > len(lines)
    if logarithmic:
        axes.set_yscale("log")
        axes.set_ylim(min(rates) / 1.4, top * 1.25)
        axes.yaxis.set_minor_formatter(lambda _value, _pos: "")
        axes.tick_params(axis="y", which="minor", length=0)
    else:
        axes.set_ylim(0, top * 1.06)
    axes.yaxis.set_major_formatter(lambda value, _pos: power_words(value * 1e-9) if value else "0")
    ticks = [t for t in _TICKS if axes.get_xlim()[0] <= t <= axes.get_xlim()[1]]
    ticks = ticks[:: -(-len(ticks) // 8)] if ticks else []
    axes.set_xticks(ticks, [str(t) for t in ticks])
    axes.set_xticks([], minor=True)


def _line(drawn: Drawing, axes: Axes, line: Line) -> None:
    number = line.series.number
    colour, name = colour_of(number), line.series.name
    low, high = axes.get_ylim()
    if line.steps:
        sizes = [s.size for s in line.steps]
        band = axes.fill_between(
            sizes, [min(max(s.low, low), high) for s in line.steps], [min(max(s.high, low), high) for s in line.steps],
            color=colour, alpha=0.2, lw=0, zorder=2.5,
        )  # fmt: skip
        band.set_gid(f"band{number}")
        drawn.series[f"band{number}"] = name
        artist = axes.plot(
            sizes, [s.rate for s in line.steps], color=colour, ls=dash_of(number), lw=1.5, marker=marker_of(number), ms=4.4, mew=0, zorder=4
        )[0]
        artist.set_gid(f"line{number}")
        drawn.series[f"line{number}"] = name
        drawn.marks[f"line{number}"] = [s.mark for s in line.steps]
    if line.others:
        xs, ys = [x for x, _, _ in line.others], [y for _, y, _ in line.others]
        artist = axes.plot(xs, ys, color=colour, ls="", marker=marker_of(number), ms=3.4, mew=0, alpha=0.42, zorder=3)[0]
        artist.set_gid(f"others{number}")
        drawn.series[f"others{number}"] = name
        drawn.marks[f"others{number}"] = [mark for _, _, mark in line.others]


def _names(drawn: Drawing, axes: Axes, ends: Sequence[tuple[float, float, str, int]], width: float) -> None:
    """Names right of the axes, each led to the end of its line, none over another. The roof's number is -1."""
    places = [axes.transAxes.inverted().transform(axes.transData.transform((x, y))) for x, y, _, _ in ends]
    heights = apart([float(y) * _PLOT for _, y in places], 12, 4, _PLOT + 4)
    for (_, _, name, number), (x, y), height in zip(ends, places, heights, strict=True):
        colour = INK if number < 0 else colour_of(number)
        start = min(1.0, float(x) + 4 / width)
        leader = axes.plot(
            [start, 1 + 3 / width, 1 + 8 / width], [float(y), float(y), height / _PLOT],
            color=colour, lw=0.6, alpha=0.7, ls=(0, (1, 1.5)), transform=axes.transAxes, clip_on=False, zorder=1.5,
        )[0]  # fmt: skip
        drawn.follow(leader, "" if number >= 0 else "y")
        if number >= 0:
            place: Any = {"transform": axes.transAxes, "clip_on": False}
            axes.plot([1 + 12 / width], [height / _PLOT], color=colour, marker=marker_of(number), ms=4.2, mew=0, **place)
        text = axes.text(
            1 + (18 if number >= 0 else 10) / width, height / _PLOT, name, fontsize=SMALL, va="center_baseline", transform=axes.transAxes
        )
        if number >= 0:
            text.set_gid(f"name{number}")
            drawn.legend[f"name{number}"] = name
            drawn.series[f"name{number}"] = name
        else:
            drawn.follow(text, "y")
