"""Choose which of many points a figure draws: evenly along a list, or so that no two of a series lie on each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")
_COARSER = 1.25
_COARSEST = 300.0  # pixels: about the height of a plot, beyond which coarser squares leave out nothing more


def spread(items: Sequence[T], most: int) -> list[T]:
    """At most so many items, spread over the whole list: the first and the last are among them."""
    if len(items) <= most:
        return list(items)
    if most < 2:
        return list(items[:most])
    step = (len(items) - 1) / (most - 1)
    return [items[round(i * step)] for i in range(most)]


def thinned(places: Iterable[tuple[float, float]], spacing: float) -> list[int]:
    """Which of these places (in pixels) to draw, so that no two share a square of `spacing`; the first of a square stays."""
    taken: set[tuple[int, int]] = set()
    kept = []
    for index, (x, y) in enumerate(places):
        square = (int(x // spacing), int(y // spacing))
        if square not in taken:
            taken.add(square)
            kept.append(index)
    return kept


def thinned_together(series: Sequence[Sequence[tuple[float, float]]], spacing: float, most: int) -> list[list[int]]:
    """The same of several series, each for itself, in squares that grow until `most` are left of all (or one of each series)."""
    while True:
        kept = [thinned(places, spacing) for places in series]
        if sum(map(len, kept)) <= most or spacing > _COARSEST:
            return kept
        spacing *= _COARSER
