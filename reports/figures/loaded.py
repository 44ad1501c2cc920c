"""Draw memory latency against the bandwidth that is drawn at the same time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...configs.machine import LoadedLatency
from ..numbers import figure as three
from ..numbers import half_width, plus_minus, value_of
from ..page.blocks import plain
from .keys import Series, draw_key, key_height, tick_words
from .theme import Drawing, Mark, axes_in, colour_of, dash_of, drawing, marker_of
from .thinning import spread

_PLOT, _LEFT, _RIGHT, _BOTTOM = 220.0, 46.0, 16.0, 40.0
MOST_LINES, MOST_POINTS = 8, 60  # of a figure, of a line


@dataclass(frozen=True, slots=True)
class Line:
    """What one machine showed under one kind of load, lowest first; its words, and its number, which chooses its looks."""

    label: str
    number: int
    rows: tuple[LoadedLatency, ...]


def sane(row: LoadedLatency) -> tuple[float, float] | None:
    """GB/s drawn and nanoseconds a load; None where a machine cannot have them."""
    rate, ns = value_of(row.rate, 1e-9), value_of(row.latency, 1e9)
    if row.injectors == 0 and rate is None:
        rate = 0.0
    return (rate, ns) if rate is not None and ns is not None and 0 <= rate < 1e8 and 0 < ns < 1e9 else None


def lines_of(label: str, number: int, rows: Sequence[LoadedLatency]) -> list[Line]:
    """A line for each kind of load that has at least two loads; the idle memory begins each. `label` "" leaves the kind alone as words."""
    usable = [row for row in rows if sane(row) is not None]
    idle = [row for row in usable if row.injectors == 0]
    found: list[Line] = []
    for kernel in list(dict.fromkeys(row.kernel for row in usable if row.injectors != 0))[:MOST_LINES]:
        mine = [*idle[:1], *(row for row in usable if row.injectors != 0 and row.kernel == kernel)]
        if len(mine) > 1:
            words = plain(kernel, 14) or "load"
            ordered = sorted(mine, key=lambda row: sane(row) or (0.0, 0.0))
            found.append(Line(f"{label}, {words}" if label else words, number + len(found), tuple(ordered)))
    return found


def draw_loaded(lines: Sequence[Line]) -> Drawing:
    """GB/s from left to right, nanoseconds from zero upwards, intervals of both as whiskers."""
    entries = [Series(line.label, line.number).entry() for line in lines]
    top = key_height(entries, left=_LEFT, right=_RIGHT) + 6
    drawn = drawing(top + _PLOT + _BOTTOM)
    axes = axes_in(drawn, left=_LEFT, right=_RIGHT, top=top, bottom=_BOTTOM, xlabel="GB/s drawn", ylabel="ns a load")
    right = height = 0.0
    for index, line in enumerate(lines):
        rows = spread(line.rows, MOST_POINTS)
        places = [place for row in rows if (place := sane(row)) is not None]
        xs, ys = [x for x, _ in places], [y for _, y in places]
        colour, gid = colour_of(line.number), f"line{index}"
        across = [_ends(row.rate.low, row.rate.high, x, 1e-9) for row, x in zip(rows, xs, strict=True)]
        up = [_ends(row.latency.low, row.latency.high, y, 1e9) for row, y in zip(rows, ys, strict=True)]
        bars = (
            axes.vlines(xs, [low for low, _ in up], [high for _, high in up], color=colour, lw=1.0, alpha=0.5),
            axes.hlines(ys, [low for low, _ in across], [high for _, high in across], color=colour, lw=1.0, alpha=0.5),
        )
        artist = axes.plot(xs, ys, color=colour, ls=dash_of(line.number), marker=marker_of(line.number), lw=1.4)[0]
        artist.set_gid(gid)
        for bar, name in zip(bars, ("up", "across"), strict=True):
            bar.set_gid(f"{gid}-{name}")
            drawn.series[f"{gid}-{name}"] = line.label
        drawn.series[gid] = line.label
        drawn.marks[gid] = [Mark(_words(line, row)) for row in rows]
        right, height = max(right, *(high for _, high in across)), max(height, *(high for _, high in up))
    axes.set_xlim(-0.03 * (right or 1.0), 1.05 * (right or 1.0))
    axes.set_ylim(0, 1.08 * (height or 100.0))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(tick_words)
    draw_key(drawn, entries, left=_LEFT, right=_RIGHT)
    return drawn


def _ends(low: float | None, high: float | None, value: float, scale: float) -> tuple[float, float]:
    """An interval in the axis's unit; the value itself for an end that is missing or absurd."""
    known = [end * scale if end is not None and math.isfinite(end) and 0 <= end * scale < 1e9 else value for end in (low, high)]
    return min(known[0], value), max(known[1], value)


def _words(line: Line, row: LoadedLatency) -> str:
    rate, ns = sane(row) or (0.0, 0.0)
    latency = " ".join(filter(None, (three(ns), plus_minus(ns, half_width(row.latency, 1e9)), "ns")))
    load = "no load" if row.injectors == 0 else f"{three(row.injectors)} injecting, {three(rate)} GB/s drawn"
    return f"{line.label}: {latency} at {load}"
