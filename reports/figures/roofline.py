"""Draw a roofline: what a machine can do against operations a byte, and every kernel in every shape as a point below it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes

from ..numbers import figure as three
from .keys import Series, draw_key_below, key_height, power_words
from .theme import BAD, DIM, INK, NARROW, PAPER, SMALL, Drawing, Mark, apart, axes_in, colour_of, drawing, marker_of
from .thinning import thinned_together

_LEFT, _TOP, _BOTTOM, _PLOT = 46.0, 24.0, 40.0, 262.0  # pixels around the axes, and their height
_SPACING, _LETTER, _LEADER = 4.0, 6.3, 11.0  # a letter as a phone shows it, where type is a sixth larger
_KEY_LEFT, _KEY_RIGHT = 10.0, 6.0
_NEAR = 0.05  # ceilings nearer to each other than this share one line and one label
_PUBLISHED: Any = (0, (4, 2.5))
_ROOM = 1.05  # decades left of the points, in which memory levels are named


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A level line: its name ("": none is written), op/s; `binding` is what points are held against, `published` was not measured."""

    name: str
    rate: float
    binding: bool = False
    published: bool = False


@dataclass(frozen=True, slots=True)
class Slope:
    """A memory level: its name, B/s."""

    name: str
    rate: float


@dataclass(frozen=True, slots=True)
class Point:
    """One kernel in one shape: op/B, op/s, and its mark; `above` its roof it is an error."""

    series: Series
    intensity: float
    rate: float
    mark: Mark
    above: bool = False


@dataclass(frozen=True, slots=True)
class _Frame:
    """The axes' limits: op/B, and op/s."""

    left: float
    right: float
    low: float
    high: float
    width: float  # of the axes, in pixels

    def place(self, intensity: float, rate: float) -> tuple[float, float]:
        """A point in pixels from the lower left corner."""
        return (
            self.width * math.log(intensity / self.left) / math.log(self.right / self.left),
            _PLOT * math.log(rate / self.low) / math.log(self.high / self.low),
        )

    def rate_at(self, pixels: float) -> float:
        """The op/s that high above the foot."""
        return self.low * math.exp(pixels / _PLOT * math.log(self.high / self.low))

    @property
    def angle(self) -> float:
        """Degrees at which a memory level rises."""
        x, y = self.place(self.left * 10, self.low * 10)
        return math.degrees(math.atan2(y, x))


def kept_points(ceilings: Sequence[Ceiling], slopes: Sequence[Slope], points: Sequence[Point], most: int) -> list[Point]:
    """The points to draw: all above their roof (as far as `most` goes), and of each kernel those that do not overlap, `most` in all."""
    frame = _frame(ceilings, slopes, points)
    odd = [p for p in points if p.above][:most]
    series: dict[str, list[Point]] = {}
    for point in points:
        if not point.above:
            series.setdefault(point.series.name, []).append(point)
    places = [[frame.place(p.intensity, p.rate) for p in own] for own in series.values()]
    chosen = thinned_together(places, _SPACING, most - len(odd))
    kept = [own[i] for own, indices in zip(series.values(), chosen, strict=True) for i in indices]
    return [*kept[: most - len(odd)], *odd]


def draw_roofline(ceilings: Sequence[Ceiling], slopes: Sequence[Slope], points: Sequence[Point], unit: str) -> Drawing:
    """Ceilings with their names, points (already thinned by `kept_points`) and a key of the kernels."""
    series = list(dict.fromkeys(p.series for p in sorted(points, key=lambda p: (p.series.number, p.series.name))))
    entries = [each.entry(dashed=False) for each in series]
    foot = key_height(entries, left=_KEY_LEFT, right=_KEY_RIGHT)
    drawn = drawing(_TOP + _PLOT + _BOTTOM + foot + 6)
    frame = _frame(ceilings, slopes, points)
    axes = axes_in(drawn, left=_LEFT, right=NARROW - _LEFT - frame.width, top=_TOP, bottom=_BOTTOM + foot + 6, xscale="log", yscale="log")
    axes.set_xlim(frame.left, frame.right)
    axes.set_ylim(frame.low, frame.high)
    axes.set_xlabel("operations a byte")
    axes.text((2 - _LEFT) / frame.width, 1 + 12 / _PLOT, unit, color=DIM, transform=axes.transAxes, va="center")
    _ticks(axes)
    _ceilings(drawn, axes, ceilings, slopes, frame, unit)
    _slopes(axes, slopes, _top_rate(ceilings), frame)
    _points(drawn, axes, series, points)
    draw_key_below(drawn, entries, left=_KEY_LEFT, right=_KEY_RIGHT)
    return drawn


def _frame(ceilings: Sequence[Ceiling], slopes: Sequence[Slope], points: Sequence[Point]) -> _Frame:
    """Limits that hold everything, with room on the left for the names of the memory levels."""
    frame = _limits(ceilings, slopes, points, _ROOM)
    longest = max((len(_slope_words(group)) for group in _near(sorted(slopes, key=lambda s: -s.rate), frame)), default=0)
    return _limits(ceilings, slopes, points, min(2.2, max(_ROOM, 0.065 * longest)))


def _limits(ceilings: Sequence[Ceiling], slopes: Sequence[Slope], points: Sequence[Point], room: float) -> _Frame:
    rates = [p.rate for p in points] + [c.rate for c in ceilings]
    intensities = [p.intensity for p in points] or [1.0]
    high = max(rates, default=1e9) * 1.45
    low = min(min((p.rate for p in points), default=high / 1e3) / 1.8, high / 120)
    top = _top_rate(ceilings)
    ridges = [top / s.rate for s in slopes] if top else []
    left = min(min(intensities) / 3, min(ridges, default=math.inf) / 10**room)
    right = max(max(intensities) * 1.6, max(ridges, default=0.0) * 2.5, left * 100)
    longest = max((len(_ceiling_words(c, "GFLOP/s")) for c in merged(ceilings)), default=0)
    margin = min(165.0, max(40.0, _LEADER + 4 + _LETTER * longest))
    return _Frame(left, right, low, high, NARROW - _LEFT - margin)


def _top_rate(ceilings: Sequence[Ceiling]) -> float:
    """The ceiling that binds; else the highest measured one; 0 without any."""
    measured = [c for c in ceilings if not c.published]
    return max((c.rate for c in measured if c.binding), default=max((c.rate for c in measured), default=0.0))


def _ticks(axes: Axes) -> None:
    for axis, scale in ((axes.xaxis, 1.0), (axes.yaxis, 1e-9)):
        axis.set_major_formatter(partial(_tick, scale))
        axis.set_minor_formatter(lambda _value, _pos: "")
    axes.tick_params(which="minor", length=0)


def _tick(scale: float, value: float, _place: int) -> str:
    return power_words(value * scale)


def merged(ceilings: Sequence[Ceiling]) -> list[Ceiling]:
    """Ceilings of (nearly) one rate as one, so that lines and labels stay apart; the names of all, the binding one first."""
    groups: list[list[Ceiling]] = []
    for ceiling in sorted((c for c in ceilings if c.name), key=lambda c: -c.rate):
        near = [g for g in groups if g[0].published == ceiling.published and ceiling.rate > g[0].rate * (1 - _NEAR)]
        if near:
            near[0].append(ceiling)
        else:
            groups.append([ceiling])
    made = []
    for group in groups:
        first = min(group, key=lambda c: (not c.binding, -c.rate))
        more = f", {len(group) - 1} more:" if len(group) > 1 else ""
        made.append(Ceiling(first.name + more, first.rate, first.binding, first.published))
    return made


def _ceilings(drawn: Drawing, axes: Axes, ceilings: Sequence[Ceiling], slopes: Sequence[Slope], frame: _Frame, unit: str) -> None:
    """Level lines from the steepest memory level on to the right, where they are named."""
    for quiet in (c for c in ceilings if not c.name and c.rate >= frame.low):
        axes.plot([frame.left, frame.right], [quiet.rate] * 2, color=DIM, lw=0.8, ls=_PUBLISHED, zorder=1.9)
    steepest = max((s.rate for s in slopes), default=0.0)
    lines = [c for c in merged(ceilings) if c.rate >= frame.low]
    heights = [frame.place(frame.left, c.rate)[1] for c in lines]
    labels = apart(heights, 11.5, 4, _PLOT + 4)
    for ceiling, height, place in zip(lines, heights, labels, strict=True):
        start = max(frame.left, ceiling.rate / steepest) if steepest and not ceiling.published else frame.left
        colour, line_width = (INK, 1.5) if ceiling.binding else (DIM, 0.8)
        dash = _PUBLISHED if ceiling.published else "-"
        axes.plot([start, frame.right], [ceiling.rate] * 2, color=colour, lw=line_width, ls=dash, zorder=2)
        leader = axes.plot(
            [1, 1 + 5 / frame.width, 1 + 9 / frame.width],
            [height / _PLOT] + [place / _PLOT] * 2,
            color=DIM,
            lw=0.6,
            transform=axes.transAxes,
            clip_on=False,
        )[0]
        name = axes.text(
            1 + _LEADER / frame.width, place / _PLOT, _ceiling_words(ceiling, unit),
            color=INK if ceiling.binding else DIM, fontsize=SMALL - 0.5, va="center_baseline", transform=axes.transAxes, clip_on=False,
        )  # fmt: skip
        for artist in (leader, name):
            drawn.follow(artist, "y")


def _ceiling_words(ceiling: Ceiling, unit: str) -> str:
    return f"{ceiling.name} {three(ceiling.rate * 1e-9)}" + (f" {unit}" if ceiling.binding else "")


def _slopes(axes: Axes, slopes: Sequence[Slope], top: float, frame: _Frame) -> None:
    """Memory levels up to the ceiling, each named along its line; levels of nearly one rate share a label."""
    if not top:
        top = frame.high
    angle = frame.angle
    ordered = sorted(slopes, key=lambda s: -s.rate)
    for slope in ordered:
        ends = (max(frame.left, frame.low / slope.rate), top / slope.rate)
        axes.plot(ends, [slope.rate * end for end in ends], color=INK, lw=1.2, zorder=2)
    for group in _near(ordered, frame):
        first = group[0]
        start = max(frame.left, frame.low / first.rate)
        x, y = frame.place(start, first.rate * start)
        sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
        along = (12 * sine + 2) / cosine  # so that the label's upper corner stays right of the axis
        axes.text(
            (x + along * cosine - 2.5 * sine) / frame.width, (y + along * sine + 2.5 * cosine) / _PLOT, _slope_words(group),
            rotation=angle, rotation_mode="anchor", fontsize=SMALL - 0.5, color=DIM, va="bottom", transform=axes.transAxes, zorder=1,
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.3},
        )  # fmt: skip


def _slope_words(group: Sequence[Slope]) -> str:
    return ", ".join(f"{s.name} {three(s.rate * 1e-9)}" for s in group) + " GB/s"


def _near(ordered: Sequence[Slope], frame: _Frame) -> list[list[Slope]]:
    """Levels whose labels would overlap, together."""
    groups: list[list[Slope]] = [[s] for s in ordered[:1]]
    for before, slope in pairwise(ordered):
        gap = abs(frame.place(1.0, before.rate)[1] - frame.place(1.0, slope.rate)[1]) * math.cos(math.radians(frame.angle))
        if gap < 11.5:
            groups[-1].append(slope)
        else:
            groups.append([slope])
    return groups


def _points(drawn: Drawing, axes: Axes, series: Sequence[Series], points: Sequence[Point]) -> None:
    """Each kernel's points; those above their roof as crosses on top of everything."""
    for index, each in enumerate(series):
        for above in (False, True):
            own = [p for p in points if p.series == each and p.above is above]
            if not own:
                continue
            gid = f"{'above' if above else 'points'}{index}"
            style: dict[str, Any] = {"color": colour_of(each.number), "marker": marker_of(each.number), "ms": 4.6, "mew": 0, "zorder": 4}
            if above:
                style = {"color": BAD, "marker": "x", "ms": 7, "mew": 2.0, "zorder": 6}
            line = axes.plot([p.intensity for p in own], [p.rate for p in own], ls="", **style)[0]
            line.set_gid(gid)
            drawn.marks[gid] = [p.mark for p in own]
            drawn.series[gid] = each.name
