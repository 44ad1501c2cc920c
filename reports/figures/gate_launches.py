"""Draw a gate launch by launch: how noisy the machine was and how many blocks it spoiled, and the blocks of one cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from .gate_changes import DASHES, Guide, percent_ticks, within
from .keys import Entry, draw_key, key_height
from .theme import BAD, DIM, INK, NARROW, SERIES, SMALL, Drawing, Mark, apart, axes_in, drawing

MOST_LAUNCHES = 300  # of a figure
_LEFT, _RIGHT, _BOTTOM = 46.0, 16.0, 38.0
_PLOT, _DROPPED, _BETWEEN, _STAGE = 170.0, 56.0, 16.0, 16.0

# stage -> colour, marker, dash; order of a block -> colour, marker
_STAGES = {"pilot": (SERIES[3], "D", (0, (1.4, 1.4))), "screen": (SERIES[0], "o", "-"), "confirm": (SERIES[1], "s", (0, (5, 1.6)))}
_OTHER = (SERIES[7], "v", (0, (2, 3)))
_ORDERS = {"ABBA": (SERIES[0], "^"), "BAAB": (SERIES[1], "v"), "mixed": (SERIES[2], "o")}


@dataclass(frozen=True, slots=True)
class LaunchPoint:
    """One launch: its stage, spread within its visits and share of dropped blocks in percent (NaN: unknown), the words of its tooltip."""

    stage: str
    spread: float
    dropped: float
    words: str


@dataclass(frozen=True, slots=True)
class BlockPoint:
    """One block of a cell: its change in percent, the order of its turns, the words of its tooltip."""

    change: float
    order: str
    words: str


def draw_noise(points: Sequence[LaunchPoint]) -> Drawing:
    """Above, the spread of each launch in the order of time, its stages marked; below, which share of its blocks was dropped."""
    stages = list(dict.fromkeys(point.stage for point in points))
    entries = [Entry(stage, stage, *_STAGES.get(stage, _OTHER)) for stage in stages]
    lost = any(point.dropped > 0 for point in points)
    entries += [Entry("dropped blocks", "dropped" if lost else "", BAD, "X")]
    top = key_height(entries, left=_LEFT, right=_RIGHT) + _STAGE
    drawn = drawing(top + _PLOT + _BETWEEN + _DROPPED + _BOTTOM)
    upper = axes_in(drawn, left=_LEFT, right=_RIGHT, top=top, bottom=_DROPPED + _BETWEEN + _BOTTOM, ylabel="spread, %")
    lower = axes_in(drawn, left=_LEFT, right=_RIGHT, top=top + _PLOT + _BETWEEN, bottom=_BOTTOM, ylabel="dropped, %")
    for stage in stages:
        colour, marker, dash = _STAGES.get(stage, _OTHER)
        own = [(x, point) for x, point in enumerate(points, 1) if point.stage == stage and math.isfinite(point.spread)]
        if not own:
            continue
        line = upper.plot([x for x, _ in own], [p.spread for _, p in own], color=colour, marker=marker, ls=dash, lw=1.2, ms=3.6)[0]
        line.set_gid(f"stage-{stage}")
        drawn.marks[f"stage-{stage}"] = [Mark(point.words) for _, point in own]
        drawn.series[f"stage-{stage}"] = stage
    _draw_dropped(drawn, lower, points)
    for axes in (upper, lower):
        _launch_axis(axes, len(points), words=axes is lower)
        _draw_stages(axes, points, named=axes is upper)
    upper.set_ylim(0, 1.1 * max([0.1, *(p.spread for p in points if math.isfinite(p.spread))]))
    upper.yaxis.set_major_formatter(_tick)
    draw_key(drawn, entries, left=_LEFT, right=_RIGHT)
    return drawn


def _tick(value: float, _place: float | None = None) -> str:
    """A number of percent at an axis."""
    return f"{value:.3g}"


def _draw_dropped(drawn: Drawing, axes: Axes, points: Sequence[LaunchPoint]) -> None:
    found = [(x, point) for x, point in enumerate(points, 1) if point.dropped > 0]
    most = max([10.0, *(point.dropped for _, point in found)])
    axes.set_ylim(0, 1.15 * most)
    axes.set_yticks([0, 50, 100] if most > 60 else [0, 10 * math.floor(most / 10)])
    if not found:
        axes.text(0.5, 0.5, "no block was dropped", transform=axes.transAxes, ha="center", va="center", fontsize=SMALL, color=DIM)
        return
    bars = axes.vlines([x for x, _ in found], 0, [p.dropped for _, p in found], colors=BAD, lw=1.4)
    bars.set_gid("dropped-bar")
    tops = axes.plot([x for x, _ in found], [p.dropped for _, p in found], color=BAD, marker="X", ls="", ms=4.4, clip_on=False)[0]
    tops.set_gid("dropped")
    drawn.marks["dropped"] = [Mark(point.words) for _, point in found]
    drawn.series["dropped"] = drawn.series["dropped-bar"] = "dropped"


def _draw_stages(axes: Axes, points: Sequence[LaunchPoint], *, named: bool) -> None:
    """A line where another stage begins, with its name above."""
    above = axes.get_xaxis_transform()
    height = axes.get_window_extent().height or 1.0
    free = 0.0  # pixels up to which names stand already
    for x, point in enumerate(points, 1):
        if x > 1 and points[x - 2].stage == point.stage:
            continue
        if x > 1:
            axes.axvline(x - 0.5, color=DIM, lw=0.9, ls=DASHES["margin"], zorder=1)
        place = (x - 0.5) / max(1, len(points)) * (NARROW - _LEFT - _RIGHT)
        if named and place >= free:
            axes.text(x - 0.5, 1 + 3 / height, f" {point.stage}" if x > 1 else point.stage, transform=above, fontsize=SMALL, color=DIM)
            free = place + 7.0 * (len(point.stage) + 2)


def _launch_axis(axes: Axes, count: int, *, words: bool) -> None:
    axes.set_xlim(0.5, max(1, count) + 0.5)
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100) if count / step <= 8)
    ticks = sorted({1, *range(step, count + 1, step)} - ({step} if step == 2 else set()))
    ticks = [tick for tick in ticks if tick == 1 or tick >= 1 + 0.6 * step]
    axes.set_xticks(ticks, [str(tick) for tick in ticks] if words else [""] * len(ticks))
    if words:
        axes.set_xlabel("launch, in the order of time")


def draw_blocks(points: Sequence[BlockPoint], estimate: tuple[float, float, float], guides: Sequence[Guide]) -> Drawing:
    """The change that each block of a cell shows, with its estimate and the interval of that as a band; changes in percent."""
    orders = [order for order in _ORDERS if any(point.order == order for point in points)]
    counts = {order: sum(point.order == order for point in points) for order in orders}
    entries = [Entry(f"{order}: {counts[order]}", order, *_ORDERS[order]) for order in orders]
    entries.append(Entry("estimate with interval", "", INK, "", "-"))
    top = key_height(entries, left=_LEFT, right=_RIGHT) + 6
    right = 84.0
    drawn = drawing(top + _PLOT + 30 + _BOTTOM)
    axes = axes_in(drawn, left=_LEFT, right=right, top=top, bottom=_BOTTOM, ylabel="more time of the new side, %")
    changes = [point.change for point in points if math.isfinite(point.change)]
    values = [0.0, *changes, *(guide.value for guide in guides)]
    low, high = min(values), max(values)
    edge = 0.07 * max(1e-3, high - low)
    ends = low - edge, high + edge
    axes.set_ylim(*ends)
    ticks = percent_ticks(*ends, _PLOT + 30)
    axes.set_yticks(ticks, [f"{tick:+g}" if tick else "0" for tick in ticks])
    _launch_axis(axes, len(points), words=True)
    change, lower, upper = estimate
    if math.isfinite(change):
        axes.axhspan(within(lower, ends), within(upper if not math.isnan(upper) else math.inf, ends), color=INK, alpha=0.14, lw=0, zorder=0)
        axes.axhline(within(change, ends), color=INK, lw=1.2, zorder=1)
    axes.axhline(0.0, color=INK, lw=0.7, zorder=1)
    _name_lines(axes, [("no change", 0.0), *((f"{g.name} {g.value:+.3g} %", g.value) for g in guides)], ends, NARROW - _LEFT - right)
    for guide in guides:
        axes.axhline(guide.value, color=DIM, lw=1.0, ls=DASHES[guide.name], zorder=1)
    for order in orders:
        colour, marker = _ORDERS[order]
        own = [(x, point) for x, point in enumerate(points, 1) if point.order == order]
        line = axes.plot([x for x, _ in own], [within(p.change, ends) for _, p in own], color=colour, marker=marker, ls="", ms=5)[0]
        line.set_gid(f"order-{order}")
        drawn.marks[f"order-{order}"] = [Mark(point.words) for _, point in own]
        drawn.series[f"order-{order}"] = order
    draw_key(drawn, entries, left=_LEFT, right=_RIGHT)
    return drawn


def _name_lines(axes: Axes, names: Sequence[tuple[str, float]], ends: tuple[float, float], width: float) -> None:
    """Names of horizontal lines at their right ends, moved apart where they would meet."""
    room = 12.0 * (ends[1] - ends[0]) / (_PLOT + 30)
    places = apart([value for _, value in names], room, ends[0] + room / 2, ends[1] - room / 2)
    for (name, _), place in zip(names, places, strict=True):
        axes.text(1 + 5 / width, place, name, transform=axes.get_yaxis_transform(), ha="left", va="center", fontsize=SMALL, color=DIM)
