"""Say how figures look, once: sizes, colours, type; and hold a drawing together with what its marks mean.

One unit of a drawing is one CSS pixel at the width of a phone: a figure is `NARROW` wide (or `WIDE`), its type 11 px, and a page scales it
up to half as much again. Colours are those of Okabe and Ito, which colour-blind readers tell apart; every series has a marker and a dash of
its own besides. Each colour used here has a name, under which the page gives it for light, dark and print (`svg.py`).
Source: M. Okabe and K. Ito, Color Universal Design, https://jfly.uni-koeln.de/color/.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

NARROW, WIDE = 420, 860
UNIT = 72.0  # units of an SVG by matplotlib in one of its inches
TYPE = 11.0
SMALL = 9.5

# Names of colours, and their values on white. The page has others for dark and print under the same names.
INK, DIM, LINE, PAPER, BAD = "#1b1f24", "#5c6670", "#d5dbe1", "#ffffff", "#b3261e"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9", "#7a4fb5", "#4d4d4d")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", (0, (5, 1.6)), (0, (1.4, 1.4)), (0, (6, 1.6, 1.4, 1.6)), (0, (3, 1.4)), (0, (9, 2)), (0, (2, 3)), (0, (6, 2, 2, 2, 2, 2)))
# Ten steps from nothing to all, and one for what is absent. Monotone in lightness, so that print and colour-blind readers see the order.
STEPS = ("#f4f7fa", "#e1ebf3", "#cadeec", "#aecde2", "#8db9d6", "#69a2c8", "#4689b8", "#276fa3", "#12568a", "#063e6b")
ABSENT = "#eceff1"
COLOURS: dict[str, str] = {
    INK: "ink",
    DIM: "dim",
    LINE: "line",
    PAPER: "paper",
    BAD: "bad",
    ABSENT: "absent",
    **{colour: f"c{i}" for i, colour in enumerate(SERIES)},
    **{colour: f"h{i}" for i, colour in enumerate(STEPS)},
}

STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mmbench",
    "pdf.fonttype": 42,
    "text.parse_math": False,  # a dollar in a name is a dollar
    "axes.formatter.use_mathtext": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # what matplotlib carries: the same on every machine
    "font.size": TYPE,
    "axes.edgecolor": DIM,
    "axes.labelcolor": DIM,
    "axes.labelsize": TYPE,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": TYPE,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "text.color": INK,
    "xtick.color": DIM,
    "ytick.color": DIM,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "path.simplify": False,
}


@dataclass(frozen=True, slots=True)
class Mark:
    """What one mark of a drawing stands for: the words of its tooltip, and the key that the same thing has in every figure."""

    words: str
    key: str = ""


@dataclass(slots=True)
class Drawing:
    """A figure of matplotlib's, and what its marks mean.

    `marks[gid]` are the marks of the artist with that gid, in the order in which it draws them. `series[gid]` is the series that an artist
    belongs to: what a legend switches, and what is highlighted together. `legend[gid]` is the series that an entry of the legend switches.
    `frame` (left, top, width and height in pixels) is what a zoom magnifies, marks and type with it, where that is a grid and not axes.
    `along[gid]` is the axis, x or y, along which an artist outside of it goes with what it labels; empty: it is seen without a zoom only.
    """

    figure: Figure
    marks: dict[str, Sequence[Mark]] = field(default_factory=dict)
    series: dict[str, str] = field(default_factory=dict)
    legend: dict[str, str] = field(default_factory=dict)
    frame: tuple[float, float, float, float] | None = None
    along: dict[str, str] = field(default_factory=dict)

    def follow(self, artist: Artist, axis: str) -> None:
        """Let a text or a line outside the frame go along x or y with what it labels when a reader zooms, or vanish ("")."""
        gid = artist.get_gid() or f"along{len(self.along)}"
        artist.set_gid(gid)
        self.along[gid] = axis


def styled(draw: Callable[[], Drawing]) -> Drawing:
    """What `draw` draws, in the project's style."""
    with mpl.rc_context(STYLE):
        return draw()


def drawing(height: float, *, width: float = NARROW) -> Drawing:
    """An empty drawing of that size; `axes_in` adds axes to it. Call it, and draw, inside `styled`."""
    return Drawing(Figure(figsize=(width / UNIT, height / UNIT)))


def axes_in(
    drawn: Drawing, *, left: float = 52, right: float = 14, top: float = 14, bottom: float = 40, grid: str = "both", **more: Any
) -> Axes:
    """Axes that leave so many pixels on each side, with a light grid along `grid` (x, y, both or "")."""
    width, height = (size * UNIT for size in drawn.figure.get_size_inches())
    axes = drawn.figure.add_axes((left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height), **more)
    if grid:
        axes.grid(True, axis=grid)  # type: ignore[arg-type]
    axes.tick_params(length=3)
    return axes


def colour_of(index: int) -> str:
    """The colour of the series of that number; there are eight, then they come again with another marker."""
    return SERIES[index % len(SERIES)]


def marker_of(index: int) -> str:
    """Its marker: shifted by one each time the colours come again, so that no two of 64 series look alike."""
    return MARKERS[(index + index // len(SERIES)) % len(MARKERS)]


def dash_of(index: int) -> Any:
    """Its dash."""
    return DASHES[(index + index // len(SERIES)) % len(DASHES)]


def step_of(share: float) -> str:
    """The colour of a share from 0 to 1 of a heatmap."""
    return STEPS[min(len(STEPS) - 1, max(0, int(share * len(STEPS))))]


def ink_on(colour: str) -> str:
    """What can be read on a step of a heatmap: our ink or our paper."""
    return PAPER if colour in STEPS[5:] else INK


def apart(places: Sequence[float], distance: float, low: float, high: float) -> list[float]:
    """Places moved as little as possible so that labels `distance` apart do not overlap, kept within low and high."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = [places[i] for i in order]
    for _ in range(60):
        for i in range(1, len(moved)):
            if moved[i] - moved[i - 1] < distance:
                middle = (moved[i] + moved[i - 1]) / 2
                moved[i - 1], moved[i] = middle - distance / 2, middle + distance / 2
        moved = [min(high, max(low, y)) for y in moved]
    for i in range(1, len(moved)):  # what is crowded against an end is settled from below, then from above
        moved[i] = max(moved[i], moved[i - 1] + distance)
    for i in range(len(moved) - 1, -1, -1):
        moved[i] = min(moved[i], high if i == len(moved) - 1 else moved[i + 1] - distance)
    result = [0.0] * len(places)
    for rank, i in enumerate(order):
        result[i] = moved[rank]
    return result
