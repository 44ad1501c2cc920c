"""Say in words what a comparison found: what the screen and the page say alike.

Nothing here is made harmless for a terminal or a page: whoever shows it does that.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..configs.comparedoc import Apart, Mean, Outcome, Ratio, Why
from ..configs.kernel_names import without_origin
from .cells import plural
from .numbers import figure
from .text import cell_width

_ORDER = tuple(Why)


def times(value: float) -> str:
    """`1.08x`."""
    return f"{figure(float(value))}x"


def span_words(ratio: Ratio | Mean, between: str = " to ") -> str:
    """`1.06 to 1.10`; `unknown` of two cells. An end that three figures would round onto the 1 that it does not reach has more: `1.003`."""
    if not (math.isfinite(ratio.low) and math.isfinite(ratio.high)):
        return "unknown"
    return f"{_end(ratio.low)}{between}{_end(ratio.high)}"


def _end(value: float) -> str:
    shown = figure(float(value))
    if value == 1 or shown != figure(1.0):
        return shown
    return next((text for digits in range(4, 9) if float(text := f"{value:.{digits}g}") != 1), shown)


def short_kernels(kernels: Iterable[str]) -> dict[str, str]:
    """Kernel to the name to show: without its origin where that is unambiguous among these."""
    known = list(dict.fromkeys(kernels))
    plain = [without_origin(kernel) for kernel in known]
    return {kernel: name if plain.count(name) == 1 else kernel for kernel, name in zip(known, plain, strict=True)}


def mean_words(mean: Mean | None, a: str, b: str) -> str:
    """`geometric mean of 54 cells: openblas is 1.08x as fast as mkl (95 % interval 1.02 to 1.14; median 1.05x)`, and what that shows."""
    if mean is None:
        return "no cell can be compared, so there is no mean"
    over = "the one cell that can be compared" if mean.n == 1 else f"geometric mean of {mean.n} cells"
    kind = f"its own interval {span_words(mean)}" if mean.n == 1 else f"95 % interval {span_words(mean)}; median {times(mean.median)}"
    kind = kind if mean.has_interval else "no interval: two cells say too little of others"
    shown = ": no difference is shown" if mean.outcome is Outcome.NO_DIFFERENCE and mean.has_interval else ""
    return f"{over}: {a} is {times(mean.value)} as fast as {b} ({kind}){shown}"


def count_words(a_faster: int, b_faster: int, no_difference: int, a: str, b: str) -> str:
    """`of 54 cells, openblas is faster in 20 and mkl in 11; no difference is shown in 23`."""
    total = a_faster + b_faster + no_difference
    return f"of {plural(total, 'cell')}, {a} is faster in {a_faster} and {b} in {b_faster}; no difference is shown in {no_difference}"


def outcome_words(outcome: Outcome, a: str, b: str) -> str:
    """Who is faster."""
    return {Outcome.A_FASTER: f"{a} faster", Outcome.B_FASTER: f"{b} faster", Outcome.NO_DIFFERENCE: "no difference shown"}[outcome]


@dataclass(frozen=True, slots=True)
class ApartGroup:
    """Cells that cannot be compared for one reason: the reason, how many, the first of them, and the kernels."""

    why: Why
    words: str
    count: int
    first: Apart
    kernels: tuple[str, ...]


def apart_groups(apart: Iterable[Apart]) -> list[ApartGroup]:
    """What cannot be compared by reason, failures first, then the most frequent."""
    groups: dict[tuple[Why, str], list[Apart]] = {}
    for each in apart:
        groups.setdefault((each.why, each.words), []).append(each)
    made = [
        ApartGroup(why, words, len(group), group[0], tuple(dict.fromkeys(each.kernel for each in group)))
        for (why, words), group in groups.items()
    ]
    failures = (Why.FAILED_B, Why.FAILED_A, Why.FAILED_BOTH)
    return sorted(
        made,
        key=lambda g: (g.why not in failures, failures.index(g.why) if g.why in failures else 0, -g.count, _ORDER.index(g.why), g.words),
    )


def broken(label: str, room: int, indent: int = 2) -> list[str]:
    """A cell's label in lines of `room` characters, less an indent from the second on: broken at spaces, before brackets, behind commas."""
    lines = [""]
    for piece in re.split(r"(?<=,)|(?= )|(?=\[)", label):
        if lines[-1] and cell_width(lines[-1] + piece) > room - indent * (len(lines) > 1):
            lines.append(piece.lstrip())
        else:
            lines[-1] += piece
    return lines
