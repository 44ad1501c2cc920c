"""Draw what a gate found: the change of each cell with its interval, with lines at nought, at the margin and at the effect to detect.

To the right of nought the new side takes longer. Every verdict has a marker, a fill and a colour of its own; where there are many cells,
those that are equivalent stand close together without labels, and their words are in tooltips and the table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from ...configs.gatedoc import Verdict
from ..compare_words import broken
from .keys import Entry, draw_key_below, key_height, text_width
from .theme import BAD, DIM, INK, NARROW, PAPER, SERIES, SMALL, Drawing, Mark, axes_in, drawing

SLIM_FROM = 40  # cells from which the equivalent ones are drawn slim
_ROW, _LINE, _SLIM, _HEAD = 12.5, 12.5, 4.2, 20.0  # pixels: a row, one more line of its label, a slim row, the title of a group
_TOP, _GUIDE, _UNDER, _GAP = 20.0, 12.0, 40.0, 6.0  # _GUIDE: the name of a line above the axes
_LETTER, _MOST_LABEL = 6.6, 27
_KEY_LEFT, _KEY_RIGHT = 10.0, 6.0
_FAR = 3.0  # so many times the usual change, or the largest line, a change may stretch the axis
_TICK_APART = 40.0  # pixels

# verdict -> colour, marker, filled
_LOOKS = {
    Verdict.REGRESSION: (SERIES[1], ">", True),
    Verdict.INCONCLUSIVE: (DIM, "D", False),
    Verdict.IMPROVEMENT: (SERIES[0], "<", True),
    Verdict.EQUIVALENT: (SERIES[2], "o", True),
}
DASHES = {"margin": (0, (1.4, 1.8)), "detect": (0, (5, 2)), "planted": (0, (5, 2))}


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One cell: changes in percent (NaN or infinite where nothing is known), its label, the text at its right, the words of its tooltip."""

    label: str
    verdict: Verdict
    change: float
    low: float
    high: float
    text: str
    words: str
    key: str = ""

    @property
    def drawn(self) -> bool:
        """Whether there is something to draw."""
        return math.isfinite(self.change) and not self.verdict.broken


@dataclass(frozen=True, slots=True)
class Guide:
    """A vertical line at that many percent: `name` is a key of `DASHES`."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Group:
    """Rows under a title ("" for none)."""

    title: str
    rows: tuple[ChangeRow, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    """Where a row stands, in pixels from the top, and the lines of its label (none for a slim row)."""

    centre: float
    label: tuple[str, ...]
    row: ChangeRow


def draw_changes(groups: Sequence[Group], guides: Sequence[Guide], counts: Sequence[tuple[Verdict, int]]) -> Drawing:
    """All groups below each other on one axis; `counts` are those of all cells, drawn or not."""
    lines, titles, body = _laid(groups)
    entries = [_entry(verdict, count) for verdict, count in counts if verdict in _LOOKS]
    bottom = _UNDER + key_height(entries, left=_KEY_LEFT, right=_KEY_RIGHT)
    ends = limits([line.row for line in lines], [guide.value for guide in guides])
    left = 10 + _LETTER * max([8, *(len(text) for line in lines for text in line.label)])
    right = 12 + 1.1 * max([30.0, *(text_width(_text(line.row, ends)) for line in lines if line.label)])
    top = _TOP + _GUIDE * len(guides)
    drawn = drawing(top + body + bottom)
    axes = axes_in(drawn, left=left, right=right, top=top, bottom=bottom, grid="x")
    width = NARROW - left - right
    _prepare(axes, ends, (width, body), 6 + _GUIDE * len(guides))
    _draw_guides(axes, guides, ends, (width, body))
    across = axes.get_yaxis_transform()
    for y, title in titles:
        axes.text(-(left - 8) / width, y, title, transform=across, ha="left", va="center", fontsize=SMALL, weight="bold")
    for line in lines:
        if not line.label:
            continue
        text = "\n".join(line.label)
        axes.text(-6 / width, line.centre, text, transform=across, ha="right", va="center", fontsize=SMALL, linespacing=1.0)
        colour = BAD if line.row.verdict.broken else INK
        axes.text(1 + 6 / width, line.centre, _text(line.row, ends), transform=across, ha="left", va="center", fontsize=SMALL, color=colour)
    for verdict in _LOOKS:
        _draw_verdict(drawn, axes, verdict, [line for line in lines if line.row.verdict is verdict and line.row.drawn], ends)
    draw_key_below(drawn, entries, left=_KEY_LEFT, right=_KEY_RIGHT)
    return drawn


def _text(row: ChangeRow, ends: tuple[float, float]) -> str:
    """The text at its right; an arrow says that its point lies beyond the axis."""
    if not row.drawn or ends[0] <= row.change <= ends[1]:
        return row.text
    return f"{row.text} →" if row.change > 0 else f"← {row.text}"


def _laid(groups: Sequence[Group]) -> tuple[list[_Line], list[tuple[float, str]], float]:
    """(lines, titles with their places, pixels that all of it takes)."""
    slim = sum(len(group.rows) for group in groups) >= SLIM_FROM
    lines: list[_Line] = []
    titles: list[tuple[float, str]] = []
    y = 3.0
    for group in groups:
        if group.title:
            titles.append((y + _HEAD / 2, group.title))
            y += _HEAD
        for row in group.rows:
            bare = slim and row.verdict is Verdict.EQUIVALENT
            label = () if bare else tuple(_label_lines(row.label))
            height = _SLIM if bare else _ROW + _LINE * (len(label) - 1)
            lines.append(_Line(y + height / 2, label, row))
            y += height
        y += _GAP if group.title else 0
    return lines, titles, y + 3


def _label_lines(label: str) -> list[str]:
    """A label in two lines at most; what is longer stands whole in the tooltip and the table."""
    cut = [line if len(line) <= _MOST_LABEL else line[: _MOST_LABEL - 1] + "…" for line in broken(label, _MOST_LABEL, indent=0)]
    return cut if len(cut) <= 2 else [cut[0], cut[1][: _MOST_LABEL - 1].rstrip("…") + "…"]


def limits(rows: Sequence[ChangeRow], guides: Sequence[float]) -> tuple[float, float]:
    """Ends of the axis, in percent: nought, every line and nearly every change are on it; a few far ones do not make all else small."""
    changes = [row.change for row in rows if row.drawn]
    base = 1.3 * max([0.5, *(abs(value) for value in guides if math.isfinite(value) and abs(value) < 1e4)])
    reach = {sign: _reach([sign * change for change in changes], base) for sign in (-1, 1)}
    lows = [-row.low for row in rows if row.drawn and math.isfinite(row.low)]
    highs = [row.high for row in rows if row.drawn and math.isfinite(row.high)]
    low = max(reach[-1], min(1.6 * reach[-1], max(lows, default=0.0)))
    high = max(reach[1], min(1.6 * reach[1], max(highs, default=0.0)))
    edge = 0.04 * (low + high)
    return -low - edge, high + edge


def _reach(values: Sequence[float], base: float) -> float:
    farthest = max([base, *values])
    usual = max(base, sorted(values)[math.floor(0.9 * (len(values) - 1))] if values else base)
    return farthest if farthest <= _FAR * usual else 1.5 * usual


def within(value: float, ends: tuple[float, float]) -> float:
    """The value, or the edge that it lies beyond; a little inside, so that its mark is drawn. NaN is at the lower edge."""
    edge = 0.012 * (ends[1] - ends[0])
    return min(ends[1] - edge, max(ends[0] + edge, value)) if not math.isnan(value) else ends[0] + edge


def percent_ticks(low: float, high: float, room: float) -> list[float]:
    """Even steps, nought among them, that many pixels for all."""
    for step in (float(f"{s}e{d}") for d in range(-2, 8) for s in (1, 2, 5)):
        if (high - low) / step <= max(2.0, room / _TICK_APART):
            return [round(k * step, 6) for k in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return [0.0]


def _prepare(axes: Axes, ends: tuple[float, float], size: tuple[float, float], above_px: float) -> None:
    """Limits, ticks, and which side of nought is whose, so far above the axes."""
    width, body = size
    axes.set_xlim(*ends)
    axes.set_ylim(body, 0)
    axes.spines["left"].set_visible(False)
    axes.set_yticks([])
    ticks = percent_ticks(*ends, width)
    axes.set_xticks(ticks, [f"{tick:+g}" if tick else "0" for tick in ticks])
    axes.set_xlabel("more time of the new side, %", loc="right", fontsize=SMALL)
    above = axes.get_xaxis_transform()
    for name, place, side in (("← new faster", ends[0], "left"), ("new slower →", ends[1], "right")):
        axes.text(place, 1 + above_px / body, name, transform=above, ha=side, va="bottom", fontsize=SMALL, color=DIM)


def _draw_guides(axes: Axes, guides: Sequence[Guide], ends: tuple[float, float], size: tuple[float, float]) -> None:
    """Nought as a line, the others dashed, on both sides; their names above, each in a row of its own. `size`: pixels of the axes."""
    width, body = size
    axes.axvline(0.0, color=INK, lw=0.9, zorder=1)
    above = axes.get_xaxis_transform()
    per = width / (ends[1] - ends[0])
    for row, guide in enumerate(guides):
        if not ends[0] <= guide.value <= ends[1]:
            continue
        sides = (guide.value,) if guide.name == "planted" else (-guide.value, guide.value)
        for value in sides:
            if ends[0] <= value <= ends[1]:
                axes.axvline(value, color=DIM, lw=1.0, ls=DASHES[guide.name], zorder=1)
        text = f"{guide.name} {guide.value:+.3g} %"
        inside = (ends[1] - guide.value) * per > 1.1 * text_width(text)
        place = guide.value + (2 / per if inside else -2 / per)
        side = "left" if inside else "right"
        axes.text(place, 1 + (4 + _GUIDE * row) / body, text, transform=above, ha=side, va="bottom", fontsize=SMALL, color=DIM)


def _draw_verdict(drawn: Drawing, axes: Axes, verdict: Verdict, found: Sequence[_Line], ends: tuple[float, float]) -> None:
    """All cells of one verdict: their intervals, and above these their points."""
    if not found:
        return
    colour, marker, filled = _LOOKS[verdict]
    gid, ys = verdict.value, [line.centre for line in found]
    bars = axes.hlines(
        ys, [within(line.row.low, ends) for line in found], [_upper(line.row, ends) for line in found], colors=colour, lw=1.3
    )
    bars.set_gid(f"{gid}-interval")
    size = 4.6 if all(line.label for line in found) else 3.4
    values = [within(line.row.change, ends) for line in found]
    points = axes.plot(values, ys, color=colour, ls="", marker=marker, ms=size, mfc=colour if filled else PAPER, mew=1.0, zorder=3)[0]
    points.set_gid(gid)
    drawn.marks[gid] = [Mark(line.row.words, line.row.key) for line in found]
    drawn.series[gid] = drawn.series[f"{gid}-interval"] = gid


def _upper(row: ChangeRow, ends: tuple[float, float]) -> float:
    return within(row.high if not math.isnan(row.high) else math.inf, ends)


def _entry(verdict: Verdict, count: int) -> Entry:
    """What a point of that look means, and how many there are; what there is none of switches nothing."""
    colour, marker, filled = _LOOKS[verdict]
    return Entry(f"{verdict.value}: {count}", verdict.value if count else "", colour, marker, "-", filled)
