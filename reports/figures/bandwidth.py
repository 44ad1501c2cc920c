"""Draw how fast each level streams: a mark for one thread and one for all, a colour for each kind of stream."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from ...configs.machine import Bandwidth
from ..numbers import figure as three
from ..numbers import half_width, plus_minus, value_of
from ..page.blocks import plain
from .keys import Entry, Series, draw_key, key_height, set_log_ticks
from .theme import DIM, INK, PAPER, Drawing, Mark, axes_in, colour_of, drawing, marker_of

_PLOT, _LEFT, _RIGHT, _BOTTOM = 236.0, 50.0, 12.0, 28.0
_KERNELS = ("read", "write", "copy", "triad", "nt-write")
MOST_KERNELS, MOST_LEVELS = 7, 6
_SANE = (1.0, 1e17)  # B/s


def sane_rate(row: Bandwidth) -> float | None:
    """GB/s; None where there is none that a machine can have."""
    rate = value_of(row.rate)
    return rate * 1e-9 if rate is not None and _SANE[0] <= rate <= _SANE[1] else None


def streams(rows: Sequence[Bandwidth]) -> list[str]:
    """The kinds of stream of these rows, the usual ones first."""
    present = dict.fromkeys(row.kernel for row in rows)
    return [k for k in _KERNELS if k in present] + sorted(k for k in present if k not in _KERNELS)


def fastest(rows: Sequence[Bandwidth], level: str, kernel: str, threads: int) -> Bandwidth | None:
    """The fastest width of one stream."""
    found = [b for b in rows if (b.level, b.kernel, b.threads) == (level, kernel, threads) and sane_rate(b) is not None]
    return max(found, key=lambda b: sane_rate(b) or 0.0, default=None)


def thread_counts(rows: Sequence[Bandwidth]) -> list[int]:
    """The least and the greatest number of threads."""
    counts = {row.threads for row in rows if sane_rate(row) is not None}
    return sorted({min(counts), max(counts)}) if counts else []


def draw_bandwidth(rows: Sequence[Bandwidth]) -> Drawing:
    """Levels from left to right, GB/s on a logarithmic axis; one thread hollow, all threads filled, a line between the two."""
    counts = thread_counts(rows)
    kernels, levels = streams(rows)[:MOST_KERNELS], list(dict.fromkeys(row.level for row in rows))[:MOST_LEVELS]
    names = [plain(kernel, 14) for kernel in kernels]
    entries = [Series(name, i).entry(dashed=False) for i, name in enumerate(names)]
    if len(counts) == 2:
        entries += [Entry(_threads(counts[0]), "", INK, "o", filled=False), Entry(_threads(counts[1]), "", INK, "o")]
    top = key_height(entries, left=_LEFT, right=_RIGHT) + 6
    drawn = drawing(top + _PLOT + _BOTTOM)
    axes = axes_in(drawn, left=_LEFT, right=_RIGHT, top=top, bottom=_BOTTOM, yscale="log", ylabel="GB/s", grid="y")
    for number, kernel in enumerate(kernels):
        offset = (number - (len(kernels) - 1) / 2) * 0.8 / max(len(kernels), 2)
        _stream(drawn, axes, rows, levels, kernel, number, offset, counts)
    _frame(axes, levels, rows)
    draw_key(drawn, entries, left=_LEFT, right=_RIGHT)
    return drawn


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{three(count)} threads"


def _frame(axes: Axes, levels: Sequence[str], rows: Sequence[Bandwidth]) -> None:
    axes.set_xlim(-0.5, max(len(levels), 1) - 0.5)
    axes.set_xticks(range(len(levels)), [plain(level, 8) for level in levels])
    axes.tick_params(axis="x", length=0, labelcolor=INK)
    rates = [rate for row in rows if (rate := sane_rate(row)) is not None]
    ends = [end for row in rows if sane_rate(row) is not None for end in _whisker(row)]
    bottom, top = min((*rates, *ends), default=1.0) / 1.35, max((*rates, *ends), default=100.0) * 1.35
    axes.set_ylim(bottom, top)
    set_log_ticks(axes.yaxis, bottom, top)
    for edge in range(1, len(levels)):
        axes.axvline(edge - 0.5, color=DIM, lw=0.6, alpha=0.5)


def _whisker(row: Bandwidth) -> tuple[float, float]:
    """The interval in GB/s; the value itself for an end that is missing or absurd."""
    rate = sane_rate(row) or 0.0
    low, high = (end * 1e-9 if end is not None and _SANE[0] <= end <= _SANE[1] else rate for end in (row.rate.low, row.rate.high))
    return min(low, rate), max(high, rate)


def _stream(
    drawn: Drawing, axes: Axes, rows: Sequence[Bandwidth], levels: Sequence[str], kernel: str, number: int, offset: float, counts: list[int]
) -> None:
    """All marks of one kind of stream."""
    name, colour = plain(kernel, 14), colour_of(number)
    for threads in counts:
        found = [(i + offset, row) for i, level in enumerate(levels) if (row := fastest(rows, level, kernel, threads)) is not None]
        if not found:
            continue
        filled = threads == counts[-1]
        xs, ys = [x for x, _ in found], [sane_rate(row) or math.nan for _, row in found]
        gid = f"stream{number}-{'all' if filled else 'one'}"
        ends = [_whisker(row) for _, row in found]
        bars = axes.vlines(xs, [low for low, _ in ends], [high for _, high in ends], color=colour, lw=1.6)
        artist = axes.scatter(
            xs, ys, marker=marker_of(number), s=26, color=colour if filled else PAPER, edgecolors=colour, lw=1.2, zorder=4
        )
        artist.set_gid(gid)
        bars.set_gid(f"{gid}-interval")
        drawn.series |= {gid: name, f"{gid}-interval": name}
        drawn.marks[gid] = [Mark(_words(row)) for _, row in found]
    if len(counts) == 2:
        pairs = [
            (i + offset, sane_rate(one), sane_rate(several))
            for i, level in enumerate(levels)
            if (one := fastest(rows, level, kernel, counts[0])) and (several := fastest(rows, level, kernel, counts[1]))
        ]
        link = axes.vlines(
            [p[0] for p in pairs], [p[1] or 0 for p in pairs], [p[2] or 0 for p in pairs], color=colour, lw=1.0, alpha=0.8, ls=(0, (1, 2))
        )
        link.set_gid(f"stream{number}-link")
        drawn.series[f"stream{number}-link"] = name


def _words(row: Bandwidth) -> str:
    rate = sane_rate(row) or 0.0
    spread = plus_minus(rate, half_width(row.rate, 1e-9))
    width = f", {three(row.width_bits)} bit" if row.width_bits > 0 else ""
    number = " ".join(filter(None, (three(rate), spread, "GB/s")))
    return f"{plain(row.level, 8)} {plain(row.kernel, 14)}, {_threads(row.threads)}{width}: {number}"
