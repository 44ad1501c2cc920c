"""Draw how long a cache line takes from one CPU to another: a square of numbers in the order of the topology."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.path import Path

from ...configs.machine import CoreToCore, Cpu, Topology
from ..numbers import figure as three
from ..page.blocks import plain
from .theme import ABSENT, DIM, INK, LINE, NARROW, PAPER, SMALL, STEPS, UNIT, WIDE, Drawing, Mark, drawing, ink_on, step_of
from .thinning import spread

MOST_DRAWN, MOST_NARROW, MOST_MARKED = 64, 20, 16
_EDGE, _TOP, _FOOT = 34.0, 34.0, 40.0
_LARGEST_CELL = 66.0
_LEAST_S = 1e-12  # no line crosses faster: such a time is damage


@dataclass(frozen=True, slots=True)
class Matrix:
    """One-way nanoseconds between CPUs in the order of the topology; None where there is none. `groups` is what lines part."""

    cpus: tuple[int, ...]
    groups: tuple[tuple[int, int, str], ...]
    ns: tuple[tuple[float | None, ...], ...]
    low_ns: tuple[tuple[float | None, ...], ...]
    high_ns: tuple[tuple[float | None, ...], ...]

    def pairs(self) -> list[float]:
        """Every time between two different CPUs, both ways."""
        return [value for i, row in enumerate(self.ns) for j, value in enumerate(row) if i != j and value is not None]


def matrix_of(measured: CoreToCore, topology: Topology | None, most: int = MOST_DRAWN) -> Matrix:
    """In the order of packages, nodes, kinds, cores and CPUs; of more than `most` CPUs as many, evenly."""
    known = {cpu.id: cpu for cpu in (topology.cpus if topology else ())}
    places = [(known.get(cpu, Cpu(cpu)), index) for index, cpu in enumerate(measured.cpus)]
    places.sort(key=lambda place: (place[0].package, place[0].node, place[0].kind, place[0].core, place[0].id))
    kept = spread(places, most)
    order = [index for _, index in kept]
    tables = [
        tuple(tuple(_ns(table, i, j) if i != j else None for j in order) for i in order)
        for table in (measured.median_s, measured.low_s, measured.high_s)
    ]
    groups = tuple((cpu.package, cpu.node, cpu.kind) for cpu, _ in kept)
    return Matrix(tuple(cpu.id for cpu, _ in kept), groups, *tables)


def _ns(table: Sequence[Sequence[float]], i: int, j: int) -> float | None:
    """Nanoseconds at a place of a table that may be ragged, empty or absurd."""
    if i >= len(table) or j >= len(table[i]):
        return None
    value = table[i][j]
    return value * 1e9 if _LEAST_S < value < 1.0 else None


def is_wide(matrix: Matrix) -> bool:
    """Whether it needs the whole width of a page."""
    return len(matrix.cpus) > MOST_NARROW


def draw_cores(matrix: Matrix) -> Drawing:
    """Rows are the CPU that the line comes from, columns where it goes; the number stands in the cell."""
    count = max(len(matrix.cpus), 1)
    width = float(WIDE if is_wide(matrix) else NARROW)
    cell = min(_LARGEST_CELL, (width - _EDGE - 8) / count)
    times = matrix.pairs()
    scale = (min(times, default=1.0), max(times, default=1.0))
    foot = 6.0 if _alike(scale) else _FOOT
    drawn = drawing(_TOP + cell * count + foot, width=width)
    height = drawn.figure.get_size_inches()[1] * UNIT
    axes = drawn.figure.add_axes((_EDGE / width, foot / height, cell * count / width, cell * count / height))
    drawn.frame = (_EDGE, _TOP, cell * count, cell * count)
    axes.set_xlim(0, count)
    axes.set_ylim(count, 0)
    axes.set_frame_on(False)
    _ticks(axes, matrix, cell)
    _cells(drawn, axes, matrix, cell, scale)
    _numbers(axes, matrix, cell, scale)
    _parts(axes, matrix)
    drawn.figure.text(_EDGE / width, 1 - 7 / height, "to CPU", color=DIM, fontsize=SMALL, va="center", ha="left")
    drawn.figure.text(8 / width, (foot + cell * count) / height, "from", color=DIM, fontsize=SMALL, rotation=90, va="top", ha="center")
    if foot == _FOOT:
        _scale(drawn, scale)
    return drawn


def _ticks(axes: Axes, matrix: Matrix, cell: float) -> None:
    every = max(1, math.ceil(17 / cell))
    places = [i + 0.5 for i in range(0, len(matrix.cpus), every)]
    names = [plain(three(cpu), 5) for cpu in matrix.cpus[::every]]
    axes.xaxis.tick_top()
    axes.set_xticks(places, names)
    axes.set_yticks(places, names)
    axes.tick_params(length=0, pad=2)


def _colour(ns: float, scale: tuple[float, float]) -> str:
    """Logarithmic between the fastest and the slowest pair; one shade where all are alike."""
    low, high = scale
    if _alike(scale):
        return STEPS[2]
    return step_of(0.999 * math.log(ns / low) / math.log(high / low))


def _alike(scale: tuple[float, float]) -> bool:
    return scale[1] < 1.02 * scale[0]


def _cells(drawn: Drawing, axes: Axes, matrix: Matrix, cell: float, scale: tuple[float, float]) -> None:
    """Few cells are marks with words; of many, neighbours of one colour are one rectangle, and each colour is one shape."""
    count = len(matrix.cpus)
    if count <= MOST_MARKED:
        squares = [(i, j) for i in range(count) for j in range(count)]
        colours = [_fill(matrix, i, j, scale) for i, j in squares]
        artist = axes.scatter([j + 0.5 for _, j in squares], [i + 0.5 for i, _ in squares], marker="s", s=(cell - 1) ** 2, c=colours, lw=0)
        artist.set_gid("cells")
        drawn.marks["cells"] = [Mark(_words(matrix, i, j)) for i, j in squares]
        return
    shapes: dict[str, list[tuple[float, float]]] = {}
    for i in range(count):
        start = 0
        for j in range(1, count + 1):
            colour = _fill(matrix, i, start, scale)
            if j == count or _fill(matrix, i, j, scale) != colour:
                shapes.setdefault(colour, []).extend(((start, i), (j, i), (j, i + 1), (start, i + 1), (start, i)))
                start = j
    for colour in sorted(shapes):
        corners = shapes[colour]
        codes = [(Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY)[k % 5] for k in range(len(corners))]
        axes.add_collection(PathCollection([Path(corners, codes)], facecolors=colour, linewidths=0, transform=axes.transData))


def _fill(matrix: Matrix, i: int, j: int, scale: tuple[float, float]) -> str:
    value = matrix.ns[i][j]
    return ABSENT if i == j else LINE if value is None else _colour(value, scale)


def _numbers(axes: Axes, matrix: Matrix, cell: float, scale: tuple[float, float]) -> None:
    """In nanoseconds; whole ones where there are many CPUs."""
    whole = len(matrix.cpus) > 8
    longest = max((len(_number(value, whole=whole)) for value in matrix.pairs()), default=1)
    size = min(11.0, (cell - 1.5) / (0.62 * max(longest, 2)))
    for i, row in enumerate(matrix.ns):
        for j, value in enumerate(row):
            if i != j:
                words = "–" if value is None else _number(value, whole=whole)
                ink = DIM if value is None else ink_on(_colour(value, scale))
                axes.text(j + 0.5, i + 0.5, words, ha="center", va="center_baseline", fontsize=size, color=ink)


def _number(ns: float, *, whole: bool) -> str:
    if not whole or ns >= 1e4 or ns < 0.1:
        return three(ns)
    return f"{ns:.0f}" if ns >= 9.5 else f"{ns:.1f}"


def _words(matrix: Matrix, i: int, j: int) -> str:
    a, b = (plain(three(matrix.cpus[k]), 8) for k in (i, j))
    value, low, high = matrix.ns[i][j], matrix.low_ns[i][j], matrix.high_ns[i][j]
    if i == j:
        return f"CPU {a}"
    if value is None:
        return f"CPU {a} to {b}: no time"
    interval = f" ({three(low)} to {three(high)})" if low is not None and high is not None else ""
    return f"CPU {a} to {b}: {three(value)} ns{interval}"


def _parts(axes: Axes, matrix: Matrix) -> None:
    """Lines between packages, nodes and kinds of core."""
    count = len(matrix.cpus)
    for i in range(1, count):
        if matrix.groups[i] != matrix.groups[i - 1]:
            axes.plot([i, i], [0, count], color=INK, lw=1.2, solid_capstyle="butt")
            axes.plot([0, count], [i, i], color=INK, lw=1.2, solid_capstyle="butt")


def _scale(drawn: Drawing, scale: tuple[float, float]) -> None:
    """What the shades stand for, below the square."""
    width, height = (size * UNIT for size in drawn.figure.get_size_inches())
    y, step = 14.0, 14.0
    low, high = f"{three(scale[0])} ns", f"{three(scale[1])} ns"
    start = _EDGE + 8 + 5.7 * len(low)
    drawn.figure.text(_EDGE / width, y / height, low, fontsize=SMALL, va="center_baseline")
    axes = drawn.figure.add_axes((start / width, (y - 5) / height, step * len(STEPS) / width, 10 / height))
    axes.set_xlim(0, len(STEPS))
    axes.set_ylim(0, 1)
    axes.axis("off")
    axes.bar([i + 0.5 for i in range(len(STEPS))], 1, width=1.0, color=STEPS, edgecolor=PAPER, lw=0.5)
    drawn.figure.text((start + step * len(STEPS) + 8) / width, y / height, high, fontsize=SMALL, va="center_baseline")
