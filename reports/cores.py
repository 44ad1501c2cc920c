"""Show how long a cache line takes from one CPU to another: the matrix where it is small, its spread where it is not."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from ..configs.machine import CoreToCore, Machine
from .look import Line, Look, Section, joined, titled
from .numbers import figure, percent, plus_minus
from .tables import Cell, Column, grid, table

_MOST_CPUS, _FEW_CPUS = 16, 4


def core_section(machine: Machine, look: Look) -> Section:
    """One block for each mode (`cas`, `flag`)."""
    lines: list[Line] = []
    for matrix in machine.core_to_core:
        lines += _block(matrix, look)
    return Section(tuple(lines))


def _block(matrix: CoreToCore, look: Look) -> list[Line]:
    count = len(matrix.cpus)
    times = pairs_ns(matrix)
    if not times:
        return []
    if count == 2:
        return titled("core to core", joined([_pair_words(matrix, look)], look, rest="", width=look.width - look.lead), look.lead)
    summary = _summary(matrix, times, look)
    if count > (_MOST_CPUS if look.full else _FEW_CPUS) or [len(row) for row in matrix.median_s] != [count] * count:
        return summary
    columns = [
        Column("ns, from CPU", "left", least=look.lead),
        *(Column(f"to {figure(cpu)}" if i == 0 else figure(cpu)) for i, cpu in enumerate(matrix.cpus)),
    ]
    rows = []
    for i, cpu in enumerate(matrix.cpus):
        row = [Cell("." if i == j else _cell(matrix.median_s[i][j], look), "dim" if i == j else "") for j in range(count)]
        rows.append((Cell(figure(cpu)), *row))
    drawn = table(grid(columns, rows), look)
    return [*summary, *drawn] if len(drawn) == count + 1 else summary


def pairs_ns(matrix: CoreToCore) -> list[float]:
    """One-way nanoseconds between different CPUs, in both directions, of what is a number at all."""
    return [value * 1e9 for i, row in enumerate(matrix.median_s) for j, value in enumerate(row) if i != j and 0 < value < 1.0]


def _summary(matrix: CoreToCore, times: Sequence[float], look: Look) -> list[Line]:
    worst = _worst(matrix)
    parts = [
        f"one way by {look.word(matrix.mode, 12)}: median {figure(statistics.median(times))} ns",
        look.own(f"{figure(min(times))} to {figure(max(times))}"),
        look.own(f"all within {percent(worst)}") if worst is not None else "",
    ]
    return titled("core to core", joined([p for p in parts if p], look, rest="", width=look.width - look.lead), look.lead)


def _worst(matrix: CoreToCore) -> float | None:
    """The largest relative half-width of any pair."""
    widths = [
        half / value
        for i in range(len(matrix.median_s))
        for j in range(len(matrix.median_s[i]))
        if i != j and (value := _at(matrix.median_s, i, j)) is not None and (half := _half(matrix, i, j)) is not None
    ]
    return max(widths, default=None)


def _half(matrix: CoreToCore, i: int, j: int) -> float | None:
    value, low, high = (_at(values, i, j) for values in (matrix.median_s, matrix.low_s, matrix.high_s))
    return max(abs(low - value), abs(high - value)) if value is not None and low is not None and high is not None else None


def _pair_words(matrix: CoreToCore, look: Look) -> str:
    a, b = matrix.cpus
    values = []
    for i, j in ((0, 1), (1, 0)):
        value = _at(matrix.median_s, i, j)
        if value is None:
            values.append(look.missing)
            continue
        values.append(f"{figure(value)} {look.own(plus_minus(value, _half(matrix, i, j)))}".strip())
    if values[0] == values[1]:  # only round trips can be timed: both ways are then half of one
        return f"CPU {figure(a)} and {figure(b)} {values[0]} ns, one way by {look.word(matrix.mode, 12)}"
    words = f"CPU {figure(a)} to {figure(b)} {values[0]} ns, back {values[1]} ns"
    return f"{words}, one way by {look.word(matrix.mode, 12)}"


def _at(matrix: Sequence[Sequence[float]], i: int, j: int) -> float | None:
    """Nanoseconds at a place of a matrix that may be ragged, empty or absurd."""
    if i >= len(matrix) or j >= len(matrix[i]):
        return None
    value = matrix[i][j]
    return value * 1e9 if 0 < value < 1.0 else None


def _cell(value_s: float, look: Look) -> str:
    return figure(value_s * 1e9) if 0 < value_s < 1.0 else look.missing
