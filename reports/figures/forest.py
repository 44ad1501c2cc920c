"""Draw ratios with their intervals, sorted, on a logarithmic axis with a line at 1, and geometric means as diamonds.

The ratio is the time of B over that of A, so to the right of the line A is faster. What shows no difference is hollow and grey.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from matplotlib.axes import Axes

from ...configs.comparedoc import Mean, Outcome, Ratio
from ..compare_words import broken, outcome_words, span_words, times
from .keys import Entry, draw_key_below, key_height
from .theme import DIM, INK, LINE, NARROW, PAPER, SERIES, SMALL, Drawing, Mark, axes_in, colour_of, drawing, marker_of

_ROW, _LINE, _RIGHT, _TOP = 12.5, 12.5, 16.0, 24.0  # pixels: a row, one more line of its label, margins
_LETTER = 6.6  # pixels of a character of small type, rather too many
_MOST_LABEL = 27  # characters of a line of a label
_FARTHEST = 1e6  # what lies beyond is drawn at the edge
_STRETCH = 2.5  # so many times the usual distance from 1, on the logarithmic scale, a ratio may stretch the axis
_BEYOND = 3.0  # so far beyond the farthest ratio an interval may stretch the axis
_NEAREST = 1.06  # the axis reaches so far at least
_APART = 32.0  # pixels between two ticks
_STRIP, _MEAN_ROOM = 30.0, 92.0
_KEY_LEFT, _KEY_RIGHT = 10.0, 6.0

# outcome -> colour, marker, filled
_LOOKS = {
    Outcome.A_FASTER: (SERIES[0], "o", True),
    Outcome.B_FASTER: (SERIES[1], "s", True),
    Outcome.NO_DIFFERENCE: (DIM, "o", False),
}


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One ratio: its label at the left, the words of its tooltip, and the key of its cell in every figure."""

    label: str
    ratio: Ratio
    words: str
    key: str = ""

    @property
    def outcome(self) -> Outcome:
        """What its interval shows."""
        return self.ratio.outcome


@dataclass(frozen=True, slots=True)
class Strip:
    """One line of cells: its name, the number that gives its colour and marker, the ratios of its cells, and their mean."""

    name: str
    number: int
    rows: tuple[ForestRow, ...]
    mean: Mean


def draw_forest(rows: Sequence[ForestRow], counts: Mapping[Outcome, int], mean: Mean | None, a: str, b: str) -> Drawing:
    """One line a ratio, and the mean below them. `a` and `b` are short names of the sides, `counts` those of all cells, drawn or not."""
    labels = [_lines(row.label) for row in rows]
    heights = [_ROW + _LINE * (len(lines) - 1) for lines in labels]
    body = sum(heights) + (2 * _ROW if mean else 0) + 6
    entries = [_entry(outcome, counts[outcome], a, b) for outcome in _LOOKS]
    bottom = 44 + key_height(entries, left=_KEY_LEFT, right=_KEY_RIGHT)
    left = 10 + _LETTER * max([9, *(len(line) for lines in labels for line in lines)])
    drawn = drawing(_TOP + body + bottom)
    axes = axes_in(drawn, left=left, right=_RIGHT, top=_TOP, bottom=bottom, grid="x", xscale="log")
    plot_width = NARROW - left - _RIGHT
    low, high = _limits([row.ratio for row in rows] + ([Ratio(mean.value, mean.low, mean.high)] if mean and mean.has_interval else []))
    _prepare(axes, low, high, body, plot_width, a, b)
    centres = [3 + sum(heights[:i]) + heights[i] / 2 for i in range(len(rows))]
    for y, lines in zip(centres, labels, strict=True):
        text = "\n".join(lines)
        across = axes.get_yaxis_transform()
        label = axes.text(-6 / plot_width, y, text, transform=across, ha="right", va="center", fontsize=SMALL, linespacing=1.0)
        drawn.follow(label, "y")
    for outcome in _LOOKS:
        _draw_outcome(drawn, axes, outcome, [(y, row) for y, row in zip(centres, rows, strict=True) if row.outcome is outcome], (low, high))
    if mean is not None:
        y = body - _ROW
        axes.axhline(body - 2 * _ROW, color=LINE, lw=0.8)
        words = f"mean of {mean.n}" if mean.n > 1 else "the one cell"
        across = axes.get_yaxis_transform()
        drawn.follow(axes.text(-6 / plot_width, y, words, transform=across, ha="right", va="center", fontsize=SMALL, weight="bold"), "y")
        _diamond(drawn, axes, y, mean, "mean", _mean_words(mean, a, b), (low, high))
    draw_key_below(drawn, entries, left=_KEY_LEFT, right=_KEY_RIGHT)
    return drawn


def draw_strips(strips: Sequence[Strip], a: str, b: str) -> Drawing:
    """One line a kernel: its cells as points, their geometric mean as a diamond with its interval, the figure at the right."""
    body = _STRIP * len(strips) + 6
    left = 10 + _LETTER * max([6, *(min(len(strip.name), 22) for strip in strips)])
    drawn = drawing(_TOP + body + 40)
    axes = axes_in(drawn, left=left, right=_MEAN_ROOM, top=_TOP, bottom=40, grid="x", xscale="log")
    plot_width = NARROW - left - _MEAN_ROOM
    low, high = _limits([row.ratio for strip in strips for row in strip.rows])
    _prepare(axes, low, high, body, plot_width, a, b)
    for index, strip in enumerate(strips):
        middle = 3 + _STRIP * (index + 0.5)
        _cells(drawn, axes, strip, middle, (low, high))
        across = axes.get_yaxis_transform()
        name = "\n".join(_lines(strip.name, 22))
        drawn.follow(axes.text(-6 / plot_width, middle, name, transform=across, ha="right", va="center", fontsize=SMALL), "y")
        words = f"{times(strip.mean.value)}\nn = {strip.mean.n}"
        mean = axes.text(1 + 8 / plot_width, middle, words, transform=across, ha="left", va="center", fontsize=SMALL, linespacing=1.1)
        drawn.follow(mean, "y")
        _diamond(drawn, axes, middle + 7, strip.mean, f"mean{index}", f"{strip.name}: {_mean_words(strip.mean, a, b)}", (low, high))
        drawn.series[f"mean{index}"] = strip.name
    return drawn


def _cells(drawn: Drawing, axes: Axes, strip: Strip, middle: float, ends: tuple[float, float]) -> None:
    """The cells of a strip, in three lanes so that neighbours overlap less."""
    if not strip.rows:
        return
    gid = f"cells-{strip.number}-{middle:.0f}"
    xs = [_within(row.ratio.value, *ends) for row in strip.rows]
    ys = [middle - 6 + 4.0 * (i % 3 - 1) for i in range(len(xs))]
    colour = colour_of(strip.number)
    line = axes.plot(xs, ys, color=colour, ls="", marker=marker_of(strip.number), ms=3.6, mew=0.4, mec=PAPER)[0]
    line.set_gid(gid)
    drawn.marks[gid] = [Mark(row.words, row.key) for row in strip.rows]
    drawn.series[gid] = strip.name


def _draw_outcome(
    drawn: Drawing, axes: Axes, outcome: Outcome, found: Sequence[tuple[float, ForestRow]], ends: tuple[float, float]
) -> None:
    """All rows that came out alike: their intervals, and above these their points."""
    if not found:
        return
    colour, marker, filled = _LOOKS[outcome]
    gid, ys = outcome.value, [y for y, _ in found]
    lows, values, highs = ([_within(getattr(r.ratio, end), *ends) for _, r in found] for end in ("low", "value", "high"))
    bars = axes.hlines(ys, lows, highs, colors=colour, lw=1.3)
    bars.set_gid(f"{gid}-interval")
    for y, row in found:
        _tell_beyond(axes, y, row.ratio.value, ends)
    points = axes.plot(values, ys, color=colour, ls="", marker=marker, ms=4.6, mfc=colour if filled else PAPER, mew=1.1, zorder=3)[0]
    points.set_gid(gid)
    drawn.marks[gid] = [Mark(row.words, row.key) for _, row in found]
    drawn.series[gid] = drawn.series[f"{gid}-interval"] = gid


def _tell_beyond(axes: Axes, y: float, value: float, ends: tuple[float, float]) -> None:
    """Write a ratio that lies beyond the axis beside its point at the edge."""
    low, high = ends
    if low <= value <= high:
        return
    right = value > high
    place = _within(value, *ends)
    moved = place / math.pow(high / low, 0.035) if right else place * math.pow(high / low, 0.035)
    text = f"{times(value)} →" if right else f"← {times(value)}"
    axes.text(moved, y, text, ha="right" if right else "left", va="center", fontsize=SMALL, color=DIM)


def _diamond(drawn: Drawing, axes: Axes, y: float, mean: Mean, gid: str, words: str, ends: tuple[float, float]) -> None:
    """A mean with its interval."""
    if mean.has_interval:
        axes.hlines([y], [_within(mean.low, *ends)], [_within(mean.high, *ends)], colors=INK, lw=1.6)
    artist = axes.plot([_within(mean.value, *ends)], [y], color=INK, ls="", marker="D", ms=5.4, mew=0, zorder=4)[0]
    artist.set_gid(gid)
    drawn.marks[gid] = [Mark(words)]


def _mean_words(mean: Mean, a: str, b: str) -> str:
    kind = f"geometric mean of {mean.n} cells" if mean.n > 1 else "one cell"
    spread = f"interval {span_words(mean)}" if mean.has_interval else "no interval"
    median = f", median {times(mean.median)}" if mean.n > 2 else ""
    return f"{kind}: {a} is {times(mean.value)} as fast as {b}, {spread}{median}"


def _prepare(axes: Axes, low: float, high: float, body: float, plot_width: float, a: str, b: str) -> None:
    """Limits, ticks, the line at 1, and which side of it is whose."""
    axes.set_xlim(low, high)
    axes.set_ylim(body, 0)
    axes.spines["left"].set_visible(False)
    axes.set_yticks([])
    ticks = ratio_ticks(low, high, plot_width)
    axes.set_xticks(ticks, [f"{tick:g}x" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlabel(f"time of {b} over time of {a}", loc="right", fontsize=SMALL)
    axes.axvline(1.0, color=INK, lw=0.9, zorder=1)
    above = axes.get_xaxis_transform()
    for name, place, side in ((f"← {b} faster", low, "left"), (f"{a} faster →", high, "right")):
        axes.text(place, 1 + 5 / body, name, transform=above, ha=side, va="bottom", fontsize=SMALL, color=DIM)


def _entry(outcome: Outcome, count: int, a: str, b: str) -> Entry:
    """What points of that look mean, and how many there are; what there is none of switches nothing."""
    colour, marker, filled = _LOOKS[outcome]
    return Entry(f"{outcome_words(outcome, a, b)}: {count}", outcome.value if count else "", colour, marker, "-", filled)


def _lines(label: str, most: int = _MOST_LABEL) -> list[str]:
    """A label in two lines at most; what is longer stands whole in the tooltip and the table."""
    if len(label) <= most:
        return [label]
    lines = [line if len(line) <= most else line[: most - 1] + "…" for line in broken(label, most, indent=0)]
    return lines if len(lines) <= 2 else [lines[0], lines[1][: most - 1].rstrip("…") + "…"]


def _limits(ratios: Iterable[Ratio]) -> tuple[float, float]:
    """Ends of the axis: 1 and nearly every ratio are on it. A few that lie far out, and long intervals, do not make all else small."""
    kept = list(ratios)
    values = [min(_FARTHEST, max(1 / _FARTHEST, ratio.value)) for ratio in kept]
    low = 1 / _reach([1 / value for value in values])
    high = _reach(values)
    low = min(low, max(low / _BEYOND, min((r.low for r in kept), default=1.0)))
    high = max(high, min(high * _BEYOND, max((r.high for r in kept), default=1.0)))
    edge = math.pow(high / low, 0.04)
    return low / edge, high * edge


def _reach(values: Sequence[float]) -> float:
    """How far above 1 the axis goes: to the farthest, or, where that is far beyond nearly all, to nearly all."""
    farthest = max(_NEAREST, *values, _NEAREST)
    usual = sorted(values)[math.floor(0.95 * (len(values) - 1))] if values else 1.0
    usual = max(usual, 2.0, *(1 / value for value in sorted(values)[:1]))
    return farthest if math.log(farthest) <= _STRETCH * math.log(usual) else usual


def _within(value: float, low: float, high: float) -> float:
    """The value, or the edge that it lies beyond; a little inside, so that its mark is drawn."""
    edge = math.pow(high / low, 0.016)
    return min(high / edge, max(low * edge, value))


def ratio_ticks(low: float, high: float, width: float) -> list[float]:
    """Ticks of a logarithmic axis of that many pixels, 1 among them: even steps near 1, else 1-2-5, else powers of ten."""
    per = width / math.log(high / low)
    for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5):
        count = max((1 - low) / step, (high - 1) / step)
        if count < 20:
            found = [round(1 + k * step, 4) for k in range(-20, 21) if low <= 1 + k * step <= high]
            if _far_enough(found, per) and _covers(found, low, high):
                return found
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        found = [float(f"{s}e{d}") for d in decades for s in steps if low <= float(f"{s}e{d}") <= high]
        if _far_enough(found, per):
            return found
    each = max(2, math.ceil(_APART / (per * math.log(10))))
    return [10.0**d for d in decades if d % each == 0 and low <= 10.0**d <= high]


def _covers(ticks: Sequence[float], low: float, high: float) -> bool:
    """Whether no half of the axis is without one."""
    return all(math.log(b / a) <= 0.45 * math.log(high / low) for a, b in pairwise([low, *ticks, high]))


def _far_enough(ticks: Sequence[float], per: float) -> bool:
    """Whether there are two at least, and none so near to the next that their labels would touch."""
    return len(ticks) > 1 and all(math.log(b / a) * per >= _APART for a, b in pairwise(ticks))
