"""Draw load-to-use latency against working set, with the levels that were found and what is claimed of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...configs.machine import CacheLevel, Machine
from ...configs.units import size_words
from ..numbers import figure as three
from ..numbers import value_of
from ..page.blocks import plain
from ..sparkline import LatencyCurve
from .theme import BAD, DIM, INK, SERIES, SMALL, Drawing, Mark, axes_in, drawing

_HEIGHT = 300
_TICKS = tuple(1 << i for i in range(10, 44, 3))  # 1 KiB, 8 KiB, 64 KiB, ...


def draw_latency(machine: Machine, curves: Sequence[LatencyCurve]) -> Drawing:
    """One line a curve; the levels as bands with their latency, each level's size with its interval, claims as ticks at the foot."""
    drawn = drawing(_HEIGHT)
    axes = axes_in(drawn, left=46, right=16, top=18, bottom=42, xscale="log", yscale="log", xlabel="working set", ylabel="ns a load")
    for number, curve in enumerate(curves):
        sizes = [size for size, _ in curve.latency_s]
        nanoseconds = [latency * 1e9 for _, latency in curve.latency_s]
        gid = f"curve{number}"
        line = axes.plot(sizes, nanoseconds, color=SERIES[number], ls="-" if number == 0 else "--", marker="o", ms=2.6, mew=0, lw=1.3)[0]
        line.set_gid(gid)
        drawn.series[gid] = words_of(curve)
        drawn.marks[gid] = [Mark(f"{size_words(s)}: {three(ns)} ns ({words_of(curve)})") for s, ns in zip(sizes, nanoseconds, strict=True)]
    low = min((s for c in curves for s, _ in c.latency_s), default=1 << 12)
    high = max((s for c in curves for s, _ in c.latency_s), default=1 << 28)
    axes.set_xlim(low / 1.3, high * 1.3)
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom * 0.8, top * 1.5)
    ticks = [t for t in _TICKS if low / 1.3 <= t <= high * 1.3]
    axes.set_xticks(ticks, [size_words(t) for t in ticks])
    axes.set_xticks([], minor=True)
    axes.yaxis.set_major_formatter(lambda value, _pos: three(value))
    axes.yaxis.set_minor_formatter(lambda _value, _pos: "")
    _levels(drawn, machine.caches, low, high)
    _legend(drawn, curves)
    return drawn


def words_of(curve: LatencyCurve) -> str:
    """What a curve is, in words."""
    kind = f"{plain(curve.core_kind, 12)} core, " if curve.core_kind else ""
    return f"{kind}{plain(curve.setting, 40)}"


def _levels(drawn: Drawing, caches: Sequence[CacheLevel], low: float, high: float) -> None:
    """Each level: its size as a line with its interval shaded, its name above, its claims as triangles below."""
    axes = drawn.figure.axes[0]
    top = axes.get_ylim()[1]
    foot = axes.get_ylim()[0]
    left = low
    for cache in caches:
        size = value_of(cache.size)
        right = min(size, high) if size else high
        if right > left:
            axes.text(math.sqrt(left * right), top / 1.08, plain(cache.name, 8), ha="center", va="top", color=DIM, fontsize=SMALL)
        if size and low <= size <= high:
            axes.axvline(size, color=INK, lw=0.9)
            if cache.size.low and cache.size.high:
                axes.axvspan(max(cache.size.low, low), min(cache.size.high, high), color=DIM, alpha=0.14, lw=0)
            left = size
        claims = sorted({c.size_bytes for c in cache.claims if low <= c.size_bytes <= high})
        if claims:
            gid = f"claim-{plain(cache.name, 8)}"
            artist = axes.scatter(claims, [foot * 1.12] * len(claims), marker="^", s=26, color=BAD, lw=0, zorder=5)
            artist.set_gid(gid)
            drawn.marks[gid] = [Mark(f"claimed {plain(cache.name, 8)}: {size_words(c)}") for c in claims]


def _legend(drawn: Drawing, curves: Sequence[LatencyCurve]) -> None:
    axes = drawn.figure.axes[0]
    for number, curve in enumerate(curves):
        y = 0.9 - 0.075 * number
        axes.plot([0.03, 0.09], [y, y], color=SERIES[number], ls="-" if number == 0 else "--", transform=axes.transAxes, lw=1.5)
        text = axes.text(0.105, y, words_of(curve), transform=axes.transAxes, va="center", fontsize=SMALL)
        text.set_gid(f"legend{number}")
        drawn.legend[f"legend{number}"] = words_of(curve)
    axes.text(0.105, 0.9 - 0.075 * len(curves), "claimed sizes", transform=axes.transAxes, va="center", fontsize=SMALL)
    axes.plot([0.06], [0.9 - 0.075 * len(curves)], marker="^", ms=5, color=BAD, mew=0, transform=axes.transAxes)
