"""Draw load-to-use latency against working set: one machine with its levels and claims, or the curves of several machines."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from ...configs.machine import CacheLevel, Verdict
from ...configs.units import size_words
from ..numbers import figure as three
from ..numbers import value_of
from ..page.blocks import plain
from ..sparkline import LatencyCurve
from .keys import Entry, Series, draw_key, draw_key_below, key_height, set_log_ticks, set_size_ticks
from .theme import BAD, DIM, INK, NARROW, SMALL, UNIT, Drawing, Mark, apart, axes_in, colour_of, dash_of, drawing, marker_of
from .thinning import spread

_PLOT = 236.0  # pixels of the plot's height
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 22.0, 48.0, 38.0
_KEY_LEFT = 10.0
MOST_CURVES, MOST_LEVELS = 4, 6
MOST_MACHINES = 8
_MOST_POINTS = 40  # of a line, where machines share a figure
_SPACING = 3.0  # pixels between the points of one line
_SANE_S = (1e-12, 1.0)  # of a load

Points = list[tuple[int, float]]


def shown(curve: LatencyCurve) -> tuple[Points, int]:
    """The points of a curve that are drawn, in bytes and nanoseconds, and how many there are that no machine can have.

    Points that would lie on the one before are left out: a figure has some hundred of them.
    """
    sane = [(size, s * 1e9) for size, s in curve.latency_s if size > 0 and _SANE_S[0] <= s <= _SANE_S[1]]
    if not sane:
        return [], len(curve.latency_s)
    octaves = math.log2(max(s for s, _ in sane) / min(s for s, _ in sane)) or 1.0
    least = octaves * _SPACING / (NARROW - _LEFT - _RIGHT)
    kept: Points = []
    for size, ns in sane:
        if not kept or math.log2(size / kept[-1][0]) >= least:
            kept.append((size, ns))
    return kept, len(curve.latency_s) - len(sane)


def curve_names(curves: Sequence[LatencyCurve]) -> list[str]:
    """What each curve is, in words that differ: `huge pages`, `small pages`; with their order where that alone differs."""
    names = [_words(curve, 1) for curve in curves]
    names = [name if names.count(name) == 1 else _words(curve, 6) for name, curve in zip(names, curves, strict=True)]
    return [name if names.count(name) == 1 else f"{name} ({i})" for i, name in enumerate(names, 1)]


def _words(curve: LatencyCurve, most: int) -> str:
    words = [plain(word, 16) for word in curve.setting.split()[:most]]
    return " ".join(f"{word} pages" if word in ("huge", "small") else word for word in words) or "latency"


def draw_latency(caches: Sequence[CacheLevel], curves: Sequence[LatencyCurve]) -> Drawing:
    """One line a curve; each level's name and latency above, its size with the interval, claims at the foot, and below what is what."""
    lines = [shown(curve)[0] for curve in curves[:MOST_CURVES]]
    names = curve_names(curves[:MOST_CURVES])
    entries = [Series(name, number).entry() for number, (name, points) in enumerate(zip(names, lines, strict=True)) if points]
    entries += [Entry("claimed size", "", DIM, "^")] if any(c.claims for c in caches) else []
    entries += [Entry("measured size, with its interval", "", INK, "|")] if any(value_of(c.size) for c in caches) else []
    foot = key_height(entries, left=_KEY_LEFT, right=0)
    drawn = drawing(_TOP + _PLOT + _BOTTOM + foot)
    axes = axes_in(drawn, left=_LEFT, right=_RIGHT, top=_TOP, bottom=_BOTTOM + foot, xscale="log", yscale="log", ylabel="ns a load")
    axes.set_xlabel("working set")
    _frame(axes, lines, caches)
    _levels(drawn, axes, caches)
    for number, (name, points) in enumerate(zip(names, lines, strict=True)):
        _line(drawn, axes, number, name, points)
    draw_key_below(drawn, entries, left=_KEY_LEFT, right=0)
    return drawn


def draw_overlay(curves: Sequence[tuple[str, LatencyCurve]]) -> Drawing:
    """One line a machine, named in the key above."""
    chosen = curves[:MOST_MACHINES]
    entries = [Series(label, i).entry() for i, (label, _) in enumerate(chosen)]
    top = key_height(entries, left=_LEFT, right=_RIGHT) + 8
    drawn = drawing(top + _PLOT + _BOTTOM)
    axes = axes_in(drawn, left=_LEFT, right=_RIGHT, top=top, bottom=_BOTTOM, xscale="log", yscale="log", ylabel="ns a load")
    axes.set_xlabel("working set")
    lines = [shown(curve)[0] for _, curve in chosen]
    _frame(axes, lines, ())
    for number, (entry, points) in enumerate(zip(entries, lines, strict=True)):
        _line(drawn, axes, number, entry.series, spread(points, _MOST_POINTS))
    draw_key(drawn, entries, left=_LEFT, right=_RIGHT)
    return drawn


def _line(drawn: Drawing, axes: Axes, number: int, name: str, points: Points) -> None:
    if not points:
        return
    xs, ys = zip(*points, strict=True)
    artist = axes.plot(xs, ys, color=colour_of(number), ls=dash_of(number), marker=marker_of(number), ms=3, mew=0, lw=1.3)[0]
    gid = f"curve{number}"
    artist.set_gid(gid)
    drawn.series[gid] = name
    drawn.marks[gid] = [Mark(f"{size_words(size)}: {three(ns)} ns ({name})") for size, ns in points]


def _frame(axes: Axes, lines: Sequence[Points], caches: Sequence[CacheLevel]) -> None:
    """Limits that hold every point, and claims that are not absurdly far away; ticks."""
    sizes = [size for points in lines for size, _ in points] or [1 << 12, 1 << 28]
    times = [ns for points in lines for _, ns in points] or [1.0, 100.0]
    claims = [c.size_bytes for cache in caches for c in cache.claims if max(sizes) < c.size_bytes <= 8 * max(sizes)]
    low, high = min(sizes) / 1.25, max(*sizes, *claims, 4 * min(sizes)) * 1.25
    bottom, top = min(times) / 1.7, max(times) * (1.9 if len(lines) < 2 else 2.7)
    axes.set_xlim(low, high)
    axes.set_ylim(bottom, top)
    set_size_ticks(axes, low, high)
    set_log_ticks(axes.yaxis, bottom, top)


def _across(axes: Axes, size: float) -> float:
    """Pixels from the left edge of the figure to a size."""
    low, high = axes.get_xlim()
    return _LEFT + (NARROW - _LEFT - _RIGHT) * math.log(size / low) / math.log(high / low)


def _levels(drawn: Drawing, axes: Axes, caches: Sequence[CacheLevel]) -> None:
    """Sizes as lines with their intervals, names with latencies between them, claims as triangles."""
    low, high = axes.get_xlim()
    height = drawn.figure.get_size_inches()[1] * UNIT
    placed: list[tuple[CacheLevel, float]] = []  # with the middle of its region
    ends: list[tuple[float, str]] = []
    left = low
    for cache in caches[:MOST_LEVELS]:
        size = value_of(cache.size)
        right = min(size, high) if size and size > left else high
        placed.append((cache, _across(axes, math.sqrt(left * right))))
        if size and left < size < high:
            axes.axvline(size, color=INK, lw=0.9)
            _interval(axes, cache, low, high)
            ends.append((_across(axes, size), size_words(size)))
            left = size
        _claims(drawn, axes, cache, len(placed))
    for (cache, _), x in zip(placed, apart([x for _, x in placed], 48, _LEFT + 16, NARROW - _RIGHT - 16), strict=True):
        ns = value_of(cache.latency, 1e9)
        words = f"{three(ns)} ns" if ns is not None else "–"
        for text, y, weight in ((plain(cache.name, 6), 8, "bold"), (words, 21, "normal")):
            place = (x / NARROW, 1 - y / height)
            drawn.follow(drawn.figure.text(*place, text, ha="center", va="center", fontsize=SMALL, fontweight=weight), "x")
    for (_, words), x in zip(ends, apart([x for x, _ in ends], 50, _LEFT + 16, NARROW - _RIGHT - 16), strict=True):
        place = (x / NARROW, 1 - 37 / height)
        drawn.follow(drawn.figure.text(*place, words, ha="center", va="center", fontsize=SMALL, color=DIM), "x")


def _interval(axes: Axes, cache: CacheLevel, low: float, high: float) -> None:
    ends = [end for end in (cache.size.low, cache.size.high) if end is not None and math.isfinite(end) and end > 0]
    if len(ends) == 2:
        axes.axvspan(max(ends[0], low), min(ends[1], high), color=DIM, alpha=0.16, lw=0)


def _claims_within(cache: CacheLevel, axes: Axes) -> list[int]:
    low, high = axes.get_xlim()
    return sorted({c.size_bytes for c in cache.claims if low <= c.size_bytes <= high})[:8]


def _claims(drawn: Drawing, axes: Axes, cache: CacheLevel, number: int) -> None:
    """Triangles at the foot: red where what is claimed is not what was measured."""
    claims = _claims_within(cache, axes)
    if not claims:
        return
    agrees = cache.judgement.verdict in (Verdict.AGREES, Verdict.NO_CLAIM, Verdict.NOT_MEASURABLE)
    foot = axes.get_ylim()[0] * 1.13
    artist = axes.scatter(claims, [foot] * len(claims), marker="^", s=30, color=DIM if agrees else BAD, lw=0, zorder=5)
    artist.set_gid(f"claims{number}")
    name = plain(cache.name, 8)
    drawn.marks[f"claims{number}"] = [Mark(f"claimed {name}: {size_words(c)} ({cache.judgement.verdict.value})") for c in claims]
