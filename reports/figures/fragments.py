"""Lay out who serves what: kernels and libraries by groups of cells, with the share served, the speed, and what was wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..sweep_words import HELPED
from .heatmap import Grid, Tile, percent_words
from .theme import Mark


@dataclass(frozen=True, slots=True)
class Standing:
    """How a kernel stands in a group of cells: of `cells`, how many it served right, in how many it failed, and its speed.

    `speed` is the geometric mean of the best time over its own in the cells that it serves; None where it serves none. `helped`: threads
    that nobody asked for worked in one of them.
    """

    cells: int
    served: int
    failed: int
    speed: float | None
    words: str
    helped: bool = False


def grid_of(rows: Sequence[str], kernels: Sequence[str], standings: Sequence[Sequence[Standing]], breaks: Sequence[int]) -> Grid:
    """The grid: a tile's colour and number are the share of the best speed, its bar the share of cells served."""
    tiles = [[_tile(each) for each in row] for row in standings]
    return Grid(rows, kernels, tiles, "of the best speed; the bar: share of cells served", breaks, row_px=24.0)


def _tile(each: Standing) -> Tile:
    mark = Mark(each.words)
    if each.speed is None or not each.served:
        return Tile("–" if not each.failed else "", None, mark, bad=each.failed > 0)
    return Tile(
        percent_words(each.speed) + (HELPED if each.helped else ""), each.speed, mark, bad=each.failed > 0, foot=each.served / each.cells
    )
