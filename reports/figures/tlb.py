"""Draw what address translation adds to a load, against the number of pages that are touched."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from ...configs.curve import Curve
from ...configs.machine import TlbLevel
from ..numbers import figure as three
from ..numbers import value_of
from ..page.blocks import plain
from .keys import Series, draw_key, key_height, tick_words
from .theme import DIM, INK, NARROW, SMALL, UNIT, Drawing, Mark, apart, axes_in, drawing
from .thinning import spread

_PLOT, _LEFT, _RIGHT, _BOTTOM = 210.0, 46.0, 16.0, 40.0
MOST_POINTS = 90  # of a line
_MOST_PAGES = 2**40
_SANE_S = 1e-3


@dataclass(frozen=True, slots=True)
class Added:
    """Nanoseconds that a load takes longer on so many pages than on as many lines of few: median and middle half of the rounds."""

    pages: int
    ns: float
    low_ns: float
    high_ns: float
    rounds: int


def added_times(curve: Curve) -> dict[str, list[Added]]:
    """By kind of pages (small, huge): spread over pages less packed on few, pair by pair, at each number of pages."""
    pairs: dict[tuple[str, int], dict[tuple[object, object], dict[str, float]]] = {}
    for point in curve.points:
        kind, pages, layout = (point.at.get(name) for name in ("kind", "pages", "layout"))
        if isinstance(kind, str) and isinstance(layout, str) and type(pages) is int and 0 < pages < _MOST_PAGES and point.work > 0:
            seconds = _median_s(point.time_s, point.work)
            if seconds is not None:
                rounds = pairs.setdefault((kind, pages), {})
                rounds.setdefault((point.at.get("pass"), point.at.get("round")), {})[layout] = seconds
    found: dict[str, list[Added]] = {}
    for (kind, pages), rounds in sorted(pairs.items()):
        differences = [
            (each["spread"] - each["packed"]) * 1e9 for each in rounds.values() if len(each) > 1 and {"spread", "packed"} <= set(each)
        ]
        if differences:
            low, middle, high = _quartiles(differences)
            found.setdefault(kind, []).append(Added(pages, middle, low, high, len(differences)))
    return {kind: added for kind, added in sorted(found.items(), key=lambda item: (item[0] != "small", item[0])) if len(added) > 2}


def _median_s(times_s: Sequence[float], work: float) -> float | None:
    sane = [t / work for t in times_s if 0 < t < _SANE_S * work and t / work > 0]
    return statistics.median(sane) if sane else None


def _quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def draw_tlb(added: dict[str, list[Added]], levels: Sequence[TlbLevel]) -> Drawing:
    """A line for each kind of pages with the middle half of its rounds as a band; the levels' reach as lines with their intervals."""
    chosen = list(added.items())[:3]
    entries = [Series(f"{plain(kind, 12)} pages", i).entry() for i, (kind, _) in enumerate(chosen)]
    key = key_height(entries, left=_LEFT, right=_RIGHT)
    drawn = drawing(key + 34 + _PLOT + _BOTTOM)
    axes = axes_in(
        drawn, left=_LEFT, right=_RIGHT, top=key + 34, bottom=_BOTTOM, xscale="log", xlabel="pages touched", ylabel="ns added to a load"
    )
    least, most = math.inf, -math.inf
    for number, (entry, (_, everything)) in enumerate(zip(entries, chosen, strict=True)):
        points = spread(everything, MOST_POINTS)
        xs, gid = [p.pages for p in points], f"pages{number}"
        band = axes.fill_between(xs, [p.low_ns for p in points], [p.high_ns for p in points], color=entry.colour, alpha=0.18, lw=0)
        line = axes.plot(xs, [p.ns for p in points], color=entry.colour, ls=entry.dash, marker=entry.marker, ms=3, mew=0, lw=1.3)[0]
        band.set_gid(f"{gid}-band")
        line.set_gid(gid)
        drawn.series |= {gid: entry.series, f"{gid}-band": entry.series}
        drawn.marks[gid] = [Mark(f"{three(p.pages)} {entry.label}: {three(p.ns)} ns added") for p in points]
        least, most = min(least, *(p.low_ns for p in points)), max(most, *(p.high_ns for p in points))
    pages = [p.pages for _, points in chosen for p in points] or [1, 1024]
    low, high = min(pages) / 1.2, max(pages) * 1.2
    axes.set_xlim(low, high)
    room = (most - least if most > least else 1.0) * 0.06
    axes.set_ylim(least - room, most + room)
    axes.axhline(0, color=DIM, lw=0.8)
    powers = [2**p for p in range(0, 41, 2) if low <= 2**p <= high]
    axes.set_xticks(powers[:: max(1, math.ceil(len(powers) / 8))], [f"{p:,}" for p in powers[:: max(1, math.ceil(len(powers) / 8))]])
    axes.set_xticks([], minor=True)
    axes.yaxis.set_major_formatter(tick_words)
    _levels(drawn, levels, low, high, key)
    draw_key(drawn, entries, left=_LEFT, right=_RIGHT)
    return drawn


def drawn_levels(levels: Sequence[TlbLevel]) -> list[TlbLevel]:
    """The levels that lines stand for: those of small pages, or those that huge pages show where small ones show none."""
    small = [level for level in levels if level.pages != "huge"]
    return (small or list(levels))[:4]


def _levels(drawn: Drawing, levels: Sequence[TlbLevel], low: float, high: float, key: float) -> None:
    """Each level's entries as a line with its interval, and its name and entries above."""
    axes = drawn.figure.axes[0]
    names: list[tuple[str, str, float]] = []
    for level in drawn_levels(levels):
        entries = value_of(level.entries)
        if entries is None or not low < entries < high:
            continue
        axes.axvline(entries, color=INK, lw=0.9)
        ends = [end for end in (level.entries.low, level.entries.high) if end is not None and math.isfinite(end) and end > 0]
        if len(ends) == 2:
            axes.axvspan(max(ends[0], low), min(ends[1], high), color=DIM, alpha=0.16, lw=0)
        x = _LEFT + (NARROW - _LEFT - _RIGHT) * math.log(entries / low) / math.log(high / low)
        names.append((plain(level.name, 10), f"{three(int(entries))} pages", x))
    height = drawn.figure.get_size_inches()[1] * UNIT
    for (name, words, _), x in zip(names, apart([x for *_, x in names], 66, _LEFT + 26, NARROW - _RIGHT - 26), strict=True):
        for text, y, weight in ((name, key + 10, "bold"), (words, key + 23, "normal")):
            place = (x / NARROW, 1 - y / height)
            drawn.follow(drawn.figure.text(*place, text, ha="center", va="center", fontsize=SMALL, fontweight=weight), "x")
