"""The terminal screen of a comparison: a sorted table of ratios with a forest beside it, the mean, and what cannot be compared.

One string out of one document, the same wherever and whenever it is drawn. Every ratio is the time of B over that of A.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..configs.comparedoc import CompareDocument, ComparedSide, KernelMean, Mean, Outcome, Pair, Ratio, Ruling
from ..configs.units import pretty
from .cells import plural
from .compare_notes import same_runs
from .compare_words import apart_groups, broken, count_words, mean_words, short_kernels, span_words, times
from .look import NARROWEST, WIDEST, Line, Look, Span, flow, joined, paint
from .numbers import figure
from .sweep_words import HELPED, case_words
from .tables import GAP, Cell, Column, grid, table
from .text import cell_width

MOST_CELLS = 60  # of the table; `full` shows every one
_ENDS = 20  # of a longer list, so many of either end
_FEW = 8
_DASH = "–"  # between the ends of an interval in a table
_LEAST_LABEL = 26  # cells without which the forest goes
_WIDE = 110  # columns from which the times of both sides are shown, too
_LEAST_SPAN, _MOST_SPAN = math.log(1.1), math.log(100.0)


def compare_screen(
    document: CompareDocument, *, width: int = 80, color: bool = False, ascii_only: bool = False, full: bool = False, by_name: bool = False
) -> str:
    """The screen in lines of at most `width` cells (60 to 200; other widths count as the nearest of these).

    Sorted by ratio, or `by_name` of the cell. `color` adds colour and no information, `ascii_only` draws the same with ASCII, `full` shows
    every cell. Strings of files are made harmless.
    """
    look = Look(min(WIDEST, max(NARROWEST, width)), color, ascii_only, full)
    groups = [
        _head(document, look),
        _cells(document, look, by_name=by_name),
        _kernels(document, look),
        _summary(document, look),
        _apart(document, look),
        _notes(document, look),
        _ruling(document.ruling, look),
    ]
    lines: list[Line] = []
    for group in groups:
        lines += [(), *group] if lines and group else group
    return paint(lines, look)


def _name(side: ComparedSide, look: Look) -> str:
    return look.word(side.name, 40)


def _names(document: CompareDocument, look: Look) -> tuple[str, str]:
    """Names for sentences: the letters where they would be long or the same."""
    a, b = _name(document.a, look), _name(document.b, look)
    return ("A", "B") if a == b or max(cell_width(a), cell_width(b)) > 24 else (a, b)


def _head(document: CompareDocument, look: Look) -> list[Line]:
    lines: list[Line] = []
    for letter, side in (("A", document.a), ("B", document.b)):
        named = side.name.removeprefix("sweep ")
        runs = [f"sweep {look.word(run, 40)}" for run in side.runs[:2] if run != named] + (
            [f"and {len(side.runs) - 2} more"] if len(side.runs) > 2 else []
        )
        where = f"on {look.word(side.machine_id, 80)}" if side.machine_id != side.name else ""
        made_up = ["synthetic"] if side.synthetic else []
        parts = list(filter(None, (f"{letter}  {_name(side, look)}", where, ", ".join(runs), *made_up)))
        lines += [(Span(line[0].text, "strong" if i == 0 else ""),) for i, line in enumerate(joined(parts, look, rest="   "))]
    text = "Each figure is the time of B over the time of A: 1.08x means that A is 1.08x as fast, below 1 B is faster."
    return [*lines, *flow(text, look, style="dim")]


def _cells(document: CompareDocument, look: Look, *, by_name: bool) -> list[Line]:
    """One line a cell, with the forest where there is room."""
    pairs = sorted(document.pairs, key=_name_key) if by_name else list(document.pairs)
    if not pairs:
        return [(Span("no cell can be compared"),)]
    left_out = 0 if look.full or len(pairs) <= MOST_CELLS else len(pairs) - 2 * _ENDS
    shown = pairs if not left_out else [*pairs[:_ENDS], *pairs[-_ENDS:]]
    laid = _Layout.of(document, pairs, look)
    times_too = look.width >= _WIDE or look.full
    columns = (
        Column("cell", "left"),
        Column("kernel", "left"),
        Column("time A", optional=True),
        Column("time B", optional=True),
        Column("ratio"),
        Column("interval", "left"),
        Column("faster", "left"),
        Column(laid.forest.scale if laid.forest else "", "left"),
    )
    blocks = [_row(pair, laid, look, times_too=times_too) for pair in shown]
    lines = table(grid(columns, [row for block in blocks for row in block]), look)
    if not left_out:
        return lines
    between = f"{plural(left_out, 'cell')} between these {'by name' if by_name else 'by ratio'}: all of them with --full"
    below = sum(len(block) for block in blocks[_ENDS:])
    place = len(lines) - below if len(lines) == 1 + sum(map(len, blocks)) else len(lines)  # rows may have been stacked
    return [*lines[:place], (Span(f"  {look.own('…')} {between}", "dim"),), *lines[place:]]


@dataclass(frozen=True, slots=True)
class _Layout:
    """What the rows of the table share: names of kernels ("" where they are all the same), the forest if it fits, room for a label."""

    names: dict[str, str]
    forest: Forest | None
    room: int

    @classmethod
    def of(cls, document: CompareDocument, pairs: Sequence[Pair], look: Look) -> _Layout:
        kernels = [] if document.a.kernel else list(dict.fromkeys(pair.a.kernel for pair in pairs))
        names = {kernel: look.word(name, 30) for kernel, name in short_kernels(kernels).items()} if len(kernels) > 1 else {}
        others = (
            max(cell_width(times(p.ratio.value)) + p.helped + cell_width(span_words(p.ratio, _DASH)) for p in pairs)
            + 3 * GAP
            + len("faster")
        )
        others += max(map(cell_width, names.values())) + GAP if names else 0
        forest = Forest.of([pair.ratio for pair in pairs], look)
        room = look.width - others - GAP - cell_width(forest.scale)
        return cls(names, forest, room) if room >= _LEAST_LABEL else cls(names, None, max(20, look.width - others))


def _name_key(pair: Pair) -> tuple[str, int, str, float, str]:
    case = pair.case
    return case.dtype, case.threads, case.temperature, case.operations, f"{pair.cell} {pair.a.kernel}"


_WHO = {Outcome.A_FASTER: ("A", "good"), Outcome.B_FASTER: ("B", "odd"), Outcome.NO_DIFFERENCE: ("", "")}


def _row(pair: Pair, laid: _Layout, look: Look, *, times_too: bool) -> list[tuple[Cell, ...]]:
    """A row; a label without room goes on below."""
    who, style = _WHO[pair.outcome]
    label = look.word(f"{pair.case.dtype} {case_words(pair.case)}", 120)
    first, *more = broken(label, laid.room)
    row = (
        Cell(first),
        Cell(laid.names.get(pair.a.kernel, "")),
        Cell(look.own(pretty(pair.a.time_s, "s")) if times_too else ""),
        Cell(look.own(pretty(pair.b.time_s, "s")) if times_too else ""),
        Cell(times(pair.ratio.value) + (HELPED if pair.helped else ""), style),
        Cell(look.own(span_words(pair.ratio, _DASH)), "dim"),
        Cell(who or look.missing, style or "dim"),
        Cell(laid.forest.bar(pair.ratio) if laid.forest else "", style),
    )
    return [row, *((Cell(f"  {piece}"), *[Cell()] * 7) for piece in more)]


class Forest:
    """Draws ratios with their intervals in a row of characters on a logarithmic scale, with a line at 1."""

    def __init__(self, half: int, span: float, look: Look) -> None:
        self._half, self._span = half, span
        self._dash, self._dot, self._line = ("-", "o", "|") if look.ascii_only else ("─", "●", "│")

    @classmethod
    def of(cls, ratios: Sequence[Ratio | Mean], look: Look) -> Forest:
        """One wide enough for these: the scale ends at the farthest value, 100x at most; what lies beyond is drawn at its end."""
        farthest = max((abs(math.log(ratio.value)) for ratio in ratios), default=0.0)
        half = 12 if look.width >= _WIDE else 7
        return cls(half, min(_MOST_SPAN, max(_LEAST_SPAN, farthest)), look)

    @property
    def scale(self) -> str:
        """The heading: the ratios at both ends and at the line."""
        low, high = (f"{figure(math.exp(sign * self._span))}x" for sign in (-1, 1))
        left = low.ljust(self._half)[: self._half]
        return left + "1" + high.rjust(self._half)[-self._half :]

    def bar(self, ratio: Ratio | Mean) -> str:
        """A point within its interval, and the line."""
        signs = [" "] * (2 * self._half + 1)
        known = math.isfinite(ratio.low) and math.isfinite(ratio.high)  # two cells have a mean without an interval
        for place in range(self._place(ratio.low), self._place(ratio.high) + 1) if known else ():
            signs[place] = self._dash
        signs[self._half] = self._line
        signs[self._place(ratio.value)] = self._dot
        return "".join(signs)

    def _place(self, value: float) -> int:
        share = math.log(value) / self._span
        return self._half + round(max(-1.0, min(1.0, share)) * self._half)


def _kernels(document: CompareDocument, look: Look) -> list[Line]:
    """The mean of each kernel, where the sides are machines or runs of several."""
    if len(document.kernels) < 2:
        return []
    forest = Forest.of([each.mean for each in document.kernels], look)
    columns = (
        Column("geometric mean of", "left"),
        Column("cells"),
        Column("ratio"),
        Column("interval", "left"),
        Column("A faster"),
        Column("B faster"),
        Column("neither"),
        Column(forest.scale, "left", optional=True),
    )
    names = short_kernels(each.kernel for each in document.kernels)
    return table(grid(columns, [_kernel_row(each, names[each.kernel], forest, look) for each in document.kernels]), look)


def _kernel_row(each: KernelMean, name: str, forest: Forest, look: Look) -> tuple[Cell, ...]:
    _, style = _WHO[each.mean.outcome]
    counts = (each.a_faster, each.b_faster, each.no_difference)
    return (
        Cell(look.word(name, 30)),
        Cell(str(each.mean.n)),
        Cell(times(each.mean.value), style),
        Cell(look.own(span_words(each.mean, _DASH)), "dim"),
        *(Cell(str(count)) for count in counts),
        Cell(forest.bar(each.mean), style),
    )


def _summary(document: CompareDocument, look: Look) -> list[Line]:
    a, b = _names(document, look)
    lines = flow(look.own(mean_words(document.mean, a, b)), look, rest="  ", style="strong")
    if document.pairs:
        counts = count_words(document.a_faster, document.b_faster, document.no_difference, a, b)
        lines += flow(look.own(counts), look, rest="  ")
    return lines


def _apart(document: CompareDocument, look: Look) -> list[Line]:
    """What cannot be compared, by reason."""
    groups = apart_groups(document.apart)
    if not groups:
        return []
    lines: list[Line] = [(Span(f"not compared: {plural(len(document.apart), 'cell')}", "strong"),)]
    for group in groups if look.full else groups[:_FEW]:
        told = document.a.kernel or len(group.kernels) > 3 or group.kernels[0] in group.words
        who = "" if told else f" ({', '.join(group.kernels)})"
        which = f", such as {group.first.cell}" if group.count > 1 else f": {group.first.cell}"
        text = look.prose(f"{group.words}{who}{which}", 400)
        lines += flow(text, look, first=f"{group.count:>5}  ", rest=" " * 7)
    if len(groups) > _FEW and not look.full:
        lines.append((Span(f"       {plural(len(groups) - _FEW, 'more reason')} with --full", "dim"),))
    return lines


def _notes(document: CompareDocument, look: Look) -> list[Line]:
    lines: list[Line] = []
    for note in document.notes:
        lines += flow(look.prose(note), look, first="! ", rest="  ", style="warn")
    if same_runs(document) and document.pairs:
        text = (
            "both sides took turns in one sweep, so that what disturbed one disturbed the other; the intervals do not know that, and are "
            "rather too wide than too narrow"
        )
        lines += flow(text, look, first=f"{look.missing} ", rest="  ", style="dim")
    return lines


def _ruling(ruling: Ruling | None, look: Look) -> list[Line]:
    """What --fail-on found, and by which rule."""
    if ruling is None:
        return []
    lines = flow(look.prose(f"--fail-on: {ruling.rule}"), look, rest="  ", style="dim")
    titles = (("slower", ruling.slower), ("failed", ruling.broken), ("missing", ruling.missing), ("unsure", ruling.unsure))
    for title, found in titles:
        for words in found if look.full else found[:_FEW]:
            lines += flow(look.prose(words), look, first=f"{title:<9}", rest=" " * 9, style="bad")
        if len(found) > _FEW and not look.full:
            lines.append((Span(f"{title:<9}{len(found) - _FEW} more, with --full", "bad"),))
    if ruling.not_judged:
        lines += flow(f"not judged: {ruling.not_judged}", look, rest="  ", style="warn")
    if not any(found for _, found in titles):
        lines.append((Span("nothing that it names", "good"),))
    return lines
