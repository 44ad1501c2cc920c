"""Hold libraries against each other, and machines against the first; only like with like, and why the rest cannot be compared."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ....configs.comparedoc import CompareDocument, Outcome, Pair
from ....configs.kernel_names import is_unfused
from ....configs.sweepdoc import SweepRow
from ...cells import plural
from ...compare_notes import same_runs
from ...compare_words import apart_groups, count_words, mean_words, outcome_words, span_words, times
from ...comparison import Side, compare, counted, geometric_mean, matched, ratio_of
from ...figures.forest import ForestRow, Strip, draw_forest, draw_strips
from ...figures.thinning import spread
from ...numbers import figure as three
from ...sweep_words import HELPED, case_words
from ..blocks import Block, Cell, Column, Figure, Heading, Points, Prose, Table, Value, numbers, plain
from ..evidence import Evidence, Subject
from ..registry import section
from ..rows import HELP_NOTE, rows_of

MOST_ROWS = 60  # of a forest
MOST_MARKS = 240  # of a figure of strips
MOST_LINES = 12  # of the same
MOST_TABLE = 300
_MOST_MACHINES = 3  # whose libraries are compared, and which are compared with the first
_MOST_REASONS = 40
OURS = "vectorized"
BEST = "the best library"
_NAME = 22  # letters of a side in a figure

_HOW = (
    "Each point is the time of {b} over the time of {a} in one cell, with its interval of about 95 %: right of the line {a} is faster, "
    "left of it {b}. Where an interval crosses the line, no difference is shown, which is not the same as none. The diamond is the "
    "geometric mean. A ratio beyond the axis is written beside its point at the edge."
)
_METHOD = (
    "Every ratio is the time of the second over the time of the first, so that 1.08x reads: the first is 1.08x as fast. Its interval "
    "combines those of both times as independent errors on the logarithmic scale. Kernels of one sweep took turns, so part of their "
    "errors is shared, and the interval is rather too wide. Rows of different runs share nothing, and what changed between the runs "
    "is in no interval. The interval of a mean is Student's t on the logarithms over its n cells: it takes them as a sample of the "
    "products that one may meet; below three cells a mean has none. A few far ratios draw a geometric mean with them: the median "
    "beside it does not move."
)


@section("comparison", "Comparison", after="fragmentation")
def comparison(evidence: Evidence) -> list[Block]:
    """Libraries of each machine, then every machine against the first."""
    swept = evidence.swept
    if not swept:
        return []
    blocks: list[Block] = []
    for index, subject in enumerate(swept[:_MOST_MACHINES]):
        ending = "" if len(swept) == 1 else f"-{index + 1}"
        blocks += _libraries(evidence, subject, ending)
    for index, subject in enumerate(swept[1 : 1 + _MOST_MACHINES]):
        blocks += _machines(evidence, swept[0], subject, "" if len(swept) == 2 else f"-{index + 2}")
    if not blocks:
        return [
            Prose(
                "There is nothing to compare yet: it takes two machines, or a library and another kernel, with a right result in one cell."
            )
        ]
    more = len(swept) - 1 - _MOST_MACHINES
    left_out = [Prose(f"{more} more machines are in the files; `mmbench compare A B` compares any two.", "note")] if more > 0 else []
    return [Prose(_METHOD, "how"), *blocks, *left_out]


@dataclass(frozen=True, slots=True)
class _Compared:
    """One comparison to be shown: short names of its sides, the name of its figures, what it compares."""

    a: str
    b: str
    name: str
    title: str
    document: CompareDocument


def side_of(subject: Subject, rows: Iterable[SweepRow], kernel: str = "", absence: str = "") -> Side:
    """A side of rows of a machine: those of one kernel, if it is named."""
    runs = tuple(sweep.run_id for sweep in subject.sweeps)
    name, kind = (kernel, "kernel") if kernel else (subject.id, "machine")
    return Side(name, kind, subject.id, tuple(rows), runs, kernel, subject.synthetic, absence)


def best_rows(rows: Iterable[SweepRow], kernels: Sequence[str]) -> list[SweepRow]:
    """Of each cell the fastest row of these kernels; cells that none serves right are left out."""
    best: dict[str, SweepRow] = {}
    for row in rows:
        if row.kernel in kernels and ratio_of(row, row) is not None:
            known = best.get(row.case_id)
            if known is None or (row.time_s, row.kernel) < (known.time_s, known.kernel):
                best[row.case_id] = row
    return list(best.values())


def _libraries(evidence: Evidence, subject: Subject, ending: str) -> list[Block]:
    """Our kernel against the best library of each cell, and each library against that."""
    rows = rows_of(subject)
    libraries = [name for name, kernel in subject.kernels.items() if kernel.kind == "library" and not is_unfused(name)]
    best = best_rows(rows, libraries)
    if not best:
        return []
    blocks: list[Block] = []
    ours = side_of(subject, (row for row in rows if row.kernel == OURS), kernel=OURS)
    if ours.rows:
        theirs = side_of(subject, best, kernel=BEST, absence="has no library with a right result in it")
        document = compare(ours, theirs)
        title = f"Our {OURS} against {BEST} of each cell: {subject.label}"
        notes = (
            "the best library is chosen in each cell by the time that is compared: chance favours it a little",
            *document.notes,
        )
        shown = _Compared(OURS, BEST, f"comparison-best{ending}", title, replace(document, notes=notes))
        blocks += _shown(evidence, shown, "chosen library")
    place = 1 + max((i for i, block in enumerate(blocks) if isinstance(block, Figure)), default=len(blocks) - 1)
    blocks[place:place] = _each_library(evidence, subject, rows, libraries, ending)  # figures side by side
    return [Heading(f"Libraries on {subject.label}"), *blocks] if blocks else []


def _each_library(evidence: Evidence, subject: Subject, rows: Sequence[SweepRow], libraries: Sequence[str], ending: str) -> list[Block]:
    """Each library against the best of the others in each cell: none is held against itself."""
    lines: list[tuple[str, list[Pair]]] = []
    for kernel in libraries:
        others = best_rows(rows, [name for name in libraries if name != kernel])
        pairs, _ = matched(side_of(subject, (row for row in rows if row.kernel == kernel), kernel), side_of(subject, others, BEST))
        if pairs:
            lines.append((kernel, pairs))
    if len(lines) < 2:
        return []
    title = f"Each library against the best of the other libraries in each cell: {subject.label}"
    said = (
        "Above 1 it is the fastest library itself. Cells that it or all others do not serve are not counted, so a high mean may stand on "
        "few cells."
    )
    return [*_strips(evidence, lines, f"comparison-libraries{ending}", title, ("the library", "the best other"), said)]


def _machines(evidence: Evidence, first: Subject, other: Subject, ending: str) -> list[Block]:
    """The same kernels at the same versions on two machines."""
    document = compare(side_of(first, rows_of(first)), side_of(other, rows_of(other)))
    title = f"Same kernels on {first.label} and {other.label}"
    a, b = (first.label, other.label) if max(len(first.label), len(other.label)) <= _NAME else ("A", "B")
    shown = _Compared(a, b, f"comparison-machines{ending}", title, document)
    lines: dict[str, list[Pair]] = {}
    for pair in document.pairs:
        lines.setdefault(pair.a.kernel, []).append(pair)
    who = [Points((("A", plain(first.label, 80)), ("B", plain(other.label, 80))))]
    strips: list[Block] = []
    if len(lines) > 1:
        strips = _strips(evidence, sorted(lines.items()), f"comparison-kernels{ending}", f"{title}: means", (a, b), "")
    return [Heading(f"{first.label} against {other.label}"), *who, *strips, *_shown(evidence, shown, "kernel")]


def _shown(evidence: Evidence, shown: _Compared, kernel_title: str) -> list[Block]:
    """Sentences, forest with its table, what to know, what cannot be compared."""
    counts = counted(shown.document.pairs)
    blocks: list[Block] = [Prose(f"{_capital(mean_words(shown.document.mean, shown.a, shown.b))}.")]
    if shown.document.pairs:
        words = count_words(counts[Outcome.A_FASTER], counts[Outcome.B_FASTER], counts[Outcome.NO_DIFFERENCE], shown.a, shown.b)
        blocks += [Prose(f"{_capital(words)}."), _forest(evidence, shown, kernel_title)]
        grave = "" if same_runs(shown.document) and not (shown.document.a.synthetic or shown.document.b.synthetic) else "warn"
        notes = tuple(("", plain(_capital(note), 400)) for note in shown.document.notes)
        blocks += [Points(notes, kind=grave)] if notes else []
    return [*blocks, *_apart(evidence, shown)]


def _forest(evidence: Evidence, shown: _Compared, kernel_title: str) -> Figure:
    drawn = spread(shown.document.pairs, MOST_ROWS)
    several = len({pair.a.kernel for pair in shown.document.pairs}) > 1
    rows = [_forest_row(evidence, pair, shown.a, shown.b, several=several) for pair in drawn]
    note = ""
    if len(drawn) < len(shown.document.pairs):
        note = f"{len(drawn)} of {len(shown.document.pairs):,} cells drawn, spread evenly over the sorted list; the mean is that of all."
    least, most = shown.document.pairs[-1].ratio.value, shown.document.pairs[0].ratio.value
    said = f"Ratio of times with interval in {plural(len(shown.document.pairs), 'cell')}, sorted, from {times(least)} to {times(most)}."
    return Figure(
        shown.name,
        shown.title,
        f"{said} {_capital(mean_words(shown.document.mean, shown.a, shown.b))}.",
        partial(draw_forest, rows, counted(shown.document.pairs), shown.document.mean, _short(shown.a), _short(shown.b)),
        _pair_table(evidence, shown.document.pairs, (shown.a, shown.b), kernel_title),
        how=_HOW.format(a=shown.a, b=shown.b),
        note=note,
    )


def _forest_row(evidence: Evidence, pair: Pair, a: str, b: str, *, several: bool) -> ForestRow:
    who = f"{evidence.name(pair.a.kernel)} " if several else ""
    label = f"{who}{plain(pair.case.dtype, 12)} {plain(case_words(pair.case), 80)}"
    third = f" ({evidence.name(pair.b.kernel)})" if pair.b.kernel != pair.a.kernel else ""
    star = _star([pair])
    words = f"{label}{third}: {times(pair.ratio.value)}{star}, {span_words(pair.ratio)}: {outcome_words(pair.outcome, a, b)}"
    return ForestRow(f"{label} {star}".rstrip(), pair.ratio, words, pair.case_id)


def _star(pairs: Sequence[Pair]) -> str:
    """The mark where threads that nobody asked for helped one side or the other."""
    return HELPED if any(pair.helped for pair in pairs) else ""


def _strips(
    evidence: Evidence, lines: Sequence[tuple[str, list[Pair]]], name: str, title: str, sides: tuple[str, str], said: str
) -> list[Block]:
    """A line of cells for each kernel, sorted by its mean."""
    each = max(3, MOST_MARKS // max(1, min(len(lines), MOST_LINES)))
    made: list[tuple[str, Strip, Sequence[Pair]]] = []
    for kernel, pairs in lines:
        mean = geometric_mean(pair.ratio for pair in pairs)
        if mean is not None:
            ordered = sorted(pairs, key=lambda p: (-p.ratio.value, p.case_id))
            rows = tuple(_forest_row(evidence, pair, *sides, several=True) for pair in spread(ordered, each))
            made.append((kernel, Strip(evidence.name(kernel), evidence.number(kernel), rows, mean), pairs))
    made.sort(key=lambda item: (-item[1].mean.value, item[0]))
    if not made:
        return []
    drawn = [strip for _, strip, _ in made[:MOST_LINES]]
    notes = [f"{len(made) - len(drawn)} more kernels are in the table."] if len(made) > len(drawn) else []
    if any(strip.mean.n > len(strip.rows) for strip in drawn):
        notes.append(f"At most {each} cells a line drawn, spread evenly over the sorted list; the means are those of all.")
    if any(pair.helped for _, _, pairs in made for pair in pairs):
        notes.append(HELP_NOTE)
    best = made[0][1]
    over = f"{times(best.mean.value)} over {plural(best.mean.n, 'cell')}"
    described = f"Ratios of all cells for {plural(len(made), 'kernel')}. Highest mean: {best.name}{_star(made[0][2])} with {over}."
    return [
        Figure(
            name,
            title,
            f"{described} {said}".strip(),
            partial(draw_strips, drawn, _short(sides[0]), _short(sides[1])),
            _mean_table(made[:MOST_TABLE], sides),
            how=f"Each point is a cell: the time of {sides[1]} over the time of {sides[0]}, so right of the line {sides[0]} is faster. "
            "The diamond below the points is their geometric mean with its interval; at the right stand its value and n.",
            note=" ".join(notes),
        )
    ]


def _mean_table(made: Sequence[tuple[str, Strip, Sequence[Pair]]], sides: tuple[str, str]) -> Table:
    a, b = sides
    counted_as = (f"{_capital(a)} faster", f"{_capital(b)} faster", "No difference shown")
    columns = (Column("Kernel"), *numbers("Cells", "Geometric mean", "Low", "High", "Median", *counted_as))
    rows: list[tuple[Cell, ...]] = []
    for _, strip, pairs in made:
        counts, mean = counted(pairs), strip.mean
        figures = (mean.value, mean.low, mean.high, mean.median)
        rows.append(
            (
                strip.name + _star(pairs),
                str(mean.n),
                *(Value(times(x), sort=x) if math.isfinite(x) else Value("–", "dim", "two cells have no interval") for x in figures),
                *(str(counts[o]) for o in (Outcome.A_FASTER, Outcome.B_FASTER, Outcome.NO_DIFFERENCE)),
            )
        )
    return Table(f"Geometric means of the time of {b} over the time of {a}", columns, tuple(rows))


def _pair_table(evidence: Evidence, pairs: Sequence[Pair], sides: tuple[str, str], kernel_title: str) -> Table:
    """The ratios with both times."""
    shown = spread(pairs, MOST_TABLE)
    columns = (
        Column("Cell"),
        Column(_capital(kernel_title)),
        *numbers((f"Time of {sides[0]}", "µs"), (f"Time of {sides[1]}", "µs"), "Ratio", "Low", "High"),
        Column("Shown"),
    )
    rows: list[tuple[Cell, ...]] = []
    for pair in shown:
        seconds = (pair.a.time_s, pair.b.time_s)
        figures = (pair.ratio.value, pair.ratio.low, pair.ratio.high)
        rows.append(
            (
                f"{plain(pair.case.dtype, 12)} {plain(case_words(pair.case), 80)}",
                evidence.name(pair.b.kernel),
                *(Value(three(s * 1e6), sort=s) for s in seconds),
                *(Value(times(x) + (_star([pair]) if x == pair.ratio.value else ""), sort=x) for x in figures),
                outcome_words(pair.outcome, *sides),
            )
        )
    note = (
        f"{len(shown)} of {len(pairs):,} cells, spread evenly over the sorted list; the raw data has all."
        if len(shown) < len(pairs)
        else ""
    )
    return Table(f"Time of {sides[1]} over time of {sides[0]}", columns, tuple(rows), note)


def _apart(evidence: Evidence, shown: _Compared) -> list[Block]:
    """What cannot be compared, counted by reason."""
    groups = apart_groups(shown.document.apart)
    if not groups:
        return []
    rows = tuple(
        (
            plain(group.words, 160),
            str(group.count),
            ", ".join(evidence.name(k) for k in group.kernels[:4])
            + (f" and {len(group.kernels) - 4} more" if len(group.kernels) > 4 else ""),
            plain(group.first.cell, 100),
        )
        for group in groups[:_MOST_REASONS]
    )
    note = f"{len(groups) - _MOST_REASONS} more reasons are left out." if len(groups) > _MOST_REASONS else ""
    columns = (Column("Why"), *numbers("Cells"), Column("Kernels"), Column("Such as"))
    caption = f"{plural(len(shown.document.apart), 'cell')} cannot be compared{_who(shown.a, shown.b)}"
    return [Table(caption, columns, rows, note, folded=True)]


def _who(a: str, b: str) -> str:
    """`: A is mkl, B is openblas`; empty where the letters are their names."""
    return "" if (a, b) == ("A", "B") else f": A is {a}, B is {b}"


def _short(name: str) -> str:
    return name if len(name) <= _NAME else name[: _NAME - 1] + "…"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
