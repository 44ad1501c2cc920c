"""Show rate against size for every kernel, and heatmaps of the best kernel against the roof and of one kernel against the best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ....configs.cases import Case
from ....configs.comparedoc import Outcome, Ratio
from ....configs.dtypes import MIXES
from ....configs.kernel_names import unfused_of
from ....configs.sweepdoc import SweepFused, SweepRow
from ....configs.units import size_words
from ....kernels.roofline import Roofs
from ...cells import plural
from ...compare_words import span_words, times
from ...comparison import geometric_mean, ratio_of
from ...figures.keys import Series
from ...figures.sizes import Line, Roof, Step, draw_sizes, kept_others
from ...figures.theme import Mark
from ...numbers import figure as three
from ...sweep_rows import Fused, fused_gains
from ...sweep_words import precision_words
from .. import rows as swept
from ..blocks import Block, Cell, Column, Figure, Heading, Prose, Table, Value, numbers, plain
from ..evidence import Evidence, Subject
from ..heat import heatmaps
from ..registry import section

MOST_FIGURES = 8
_OTHERS = 110  # faint points of one figure
_ROWS = 60  # of a table: each has a column a kernel
_SIZES = 6
_KERNELS = 16  # lines of one figure
_LEAST_GAINS = 3  # cells from which a gain is marked
_HOW = (
    "Lines go through cubes (m = n = k, hot, no epilogue); the band around a line is its interval of about 95 %. Faint points are "
    "other shapes at the cube root of their operations. The black line is the roof of a cube: the lower of compute and of the "
    "memory level that holds it."
)


@section("performance", "Performance", after="rooflines")
def performance(evidence: Evidence) -> list[Block]:
    """Rate against size, heatmaps, and what fusing an epilogue brings."""
    blocks: list[Block] = []
    wanted = [(s, g) for s in evidence.swept for g in _groups(s)]
    wanted.sort(key=lambda each: -len(each[1].rows))
    drawn = [each for each in wanted if _has_sizes(each[1])]
    if drawn:
        blocks.append(Heading("Rate against size"))
        blocks += [_figure(evidence, subject, group) for subject, group in drawn[:MOST_FIGURES]]
    left_out = [each for each in wanted if each not in drawn[:MOST_FIGURES]]
    if left_out:
        words = swept.listed(evidence, left_out)
        blocks.append(Prose(f"Not drawn against size, because fewer sizes or fewer rows speak of them: {words}.", "note"))
    heat = heatmaps(evidence)
    blocks += [Heading("By shape and data type"), *heat] if heat else []
    return [*blocks, *_fused(evidence)]


def _groups(subject: Subject) -> list[swept.Group]:
    """One thread, and the largest number of threads."""
    groups = swept.groups_of(row for row in swept.rows_of(subject) if swept.is_timed(row) and swept.size_of(row.case) > 0)
    most = max((g.threads for g in groups), default=1)
    return [g for g in groups if g.threads in (1, most)]


def _has_sizes(group: swept.Group) -> bool:
    """Whether rate against size says anything: two cubes that a line can join, or several sizes of other shapes."""
    cubes = {row.case.m for row in group.rows if is_plain_cube(row.case)}
    return len(cubes) > 1 or len({round(swept.size_of(row.case)) for row in group.rows}) >= _SIZES


def is_plain_cube(case: Case) -> bool:
    """A cube without anything else: what lines go through."""
    layout = "nt" if MIXES[case.dtype].packed else "nn"
    rest = (case.batch, case.lda, case.ldb, case.ldc, case.alpha, case.beta, case.epilogue, case.temperature, case.layout)
    return case.m == case.n == case.k and rest == (1, 0, 0, 0, 1.0, 0.0, "", "hot", layout)


# --- rate against size --------------------------------------------------------------------------------------------------------


def _figure(evidence: Evidence, subject: Subject, group: swept.Group) -> Figure:
    names = swept.names_of(evidence, subject, group.rows)
    lines = [_line(evidence.number(k), name, [r for r in group.rows if r.kernel == k]) for k, name in names.items()]
    shown = sorted(sorted(lines, key=lambda each: (-len(each.steps), -each.best))[:_KERNELS], key=lambda each: each.series.number)
    lean = kept_others(shown, _OTHERS)
    roof = _roof(subject, group)
    before, after = (sum(len(each.others) for each in some) for some in (lines, lean))
    notes = (
        f"{after:,} of {before:,} points of other shapes drawn: points that would overlap were left out." if after < before else "",
        f"{len(lines) - len(shown)} kernels with fewer sizes are in the table only." if len(lines) > len(shown) else "",
        "" if roof else "No roof: none was measured for this data type.",
        swept.python_note(names.values()),
        swept.help_note(group.rows),
    )
    return Figure(
        f"sizes-{group.name}{swept.suffix(evidence, subject)}",
        f"Rate against size, {group.words}: {subject.label}",
        _description(group, subject, names, lines),
        lambda: draw_sizes(lean, roof, group.unit),
        _table(group, names),
        how=_HOW,
        note=" ".join(filter(None, notes)),
    )


def _line(number: int, name: str, rows: list[SweepRow]) -> Line:
    cubes: dict[int, Step] = {}
    others = []
    for row in sorted(rows, key=lambda r: (swept.size_of(r.case), r.case_id)):
        mark = Mark(swept.point_words(name, row), row.case_id)
        if is_plain_cube(row.case):
            low, high = (row.operations / s if swept.positive(s) and row.operations > 0 else row.rate for s in (row.high_s, row.low_s))
            cubes[row.case.m] = Step(float(row.case.m), row.rate, low, high, mark)
        else:
            others.append((swept.size_of(row.case), row.rate, mark))
    return Line(Series(name, number), tuple(cubes.values()), tuple(others))


def _roof(subject: Subject, group: swept.Group) -> Roof | None:
    """The roof of cubes of every size between the smallest and the largest row."""
    roofs = Roofs.of(subject.machine)
    sizes = [swept.size_of(row.case) for row in group.rows]
    low, high = max(1.0, min(sizes)), max(2.0, max(sizes))
    sides = dict.fromkeys(round(low * (high / low) ** (i / 47)) for i in range(48))
    layout = "nt" if MIXES[group.dtype].packed else "nn"
    places = []
    for side in sides:
        roof = roofs.roof(Case(side, side, side, dtype=group.dtype, layout=layout, threads=group.threads))
        if roof is not None and swept.positive(roof.rate):
            places.append((float(side), roof.rate))
    return Roof(f"roof {three(places[-1][1] * 1e-9)}", tuple(places)) if places else None


def _description(group: swept.Group, subject: Subject, names: dict[str, str], lines: list[Line]) -> str:
    cubes = sum(1 for line in lines if line.steps)
    best = swept.highest(group.rows)
    rate = f"{three(best.rate * 1e-9)}{swept.help_mark(best)} {group.unit}"
    return (
        f"Rate against size for {plural(len(lines), 'kernel')} ({cubes} with cubes) in {group.words} "
        f"on {subject.label}; the highest is {names[best.kernel]} in {swept.shape_words(best.case)} with {rate}."
    )


def _table(group: swept.Group, names: dict[str, str]) -> Table:
    """A row a case, cubes first; a column a kernel, the fastest marked."""
    cells: dict[str, dict[str, SweepRow]] = {}
    for row in group.rows:
        cells.setdefault(row.case_id, {})[row.kernel] = row
    best: dict[str, float] = {}  # of the columns of this table
    for row in group.rows:
        best[row.case_id] = min(row.time_s, best.get(row.case_id, row.time_s))
    ordered = sorted(cells.items(), key=lambda item: _place(next(iter(item[1].values())).case))
    rows: list[tuple[Cell, ...]] = []
    for case_id, own in ordered[:_ROWS]:
        case = next(iter(own.values())).case
        rows.append(
            (
                swept.shape_words(case),
                Value(_side_words(swept.size_of(case)), sort=swept.size_of(case)),
                *(_rate(own.get(k), best[case_id]) for k in names),
            )
        )
    left_out = len(ordered) - len(rows)
    note = f"The raw data has {left_out:,} more cases." if left_out else ""
    columns = (Column("Case"), *numbers("Size", *((name, group.unit) for name in names.values())))
    return Table(f"Rate by size, {group.words}", columns, tuple(rows), note)


def _side_words(size: float) -> str:
    """The side of a cube: exact where it is whole, else three figures and never fewer than the whole ones."""
    return str(round(size)) if size >= 100 or abs(size - round(size)) < 1e-9 * size else three(size)


def _place(case: Case) -> tuple[bool, float, str]:
    return not is_plain_cube(case), swept.size_of(case), case.id


def _rate(row: SweepRow | None, best_s: float) -> Cell:
    if row is None:
        return Value("–", "dim")
    text = " ".join(filter(None, (three(row.rate * 1e-9) + swept.help_mark(row), precision_words(row))))
    mark = "bad" if swept.is_above(row) else "best" if row.time_s <= best_s and precision_words(row) else ""
    return Value(text, mark, f"above its roof: {swept.NOT_A_WIN}" if mark == "bad" else "", row.rate * 1e-9)


# --- fused against unfused ----------------------------------------------------------------------------------------------------


def _fused(evidence: Evidence) -> list[Block]:
    """What fusing an epilogue brings over doing it in a pass of its own, by machine and kernel."""
    rows: list[tuple[Cell, ...]] = []
    for subject in evidence.swept:
        newest: dict[tuple[str, str], SweepFused] = {}
        for sweep in subject.sweeps:
            for each in sweep.fused:
                if swept.positive(each.gain):
                    newest.setdefault((each.kernel, each.case_id), each)
        if not newest:
            continue
        answers = {(row.case_id, row.kernel): row for row in subject.rows}
        for gain in fused_gains(replace(subject.sweeps[0], fused=tuple(newest.values()))):
            mine = [_gain(each, answers) for each in newest.values() if each.kernel == gain.kernel]
            rows.append((evidence.name(gain.kernel), plain(subject.label, 60), str(gain.cells), *_gain_cells(gain, mine)))
    if not rows:
        return []
    counts = numbers("Cells", "Gain, median", "Least", "Most", "Faster", "Slower", "No difference shown")
    columns = (Column("Kernel"), Column("Machine"), *counts, Column("Not moved in a call"))
    note = (
        "Time with the epilogue in a pass of its own over time with it fused: above 1 the fused one is faster. Faster and slower "
        "count the cells whose interval of about 95 % lies wholly on one side of 1; a median is marked where most of three cells or "
        "more show it, and their mean does."
    )
    return [Heading("Fused epilogues"), Table("Fused epilogue against one in a pass of its own", columns, tuple(rows[:100]), note)]


def _gain(each: SweepFused, answers: dict[tuple[str, str], SweepRow]) -> Ratio:
    """A gain with the interval of its two times; one that reaches everywhere where they are not known."""
    fused, apart = (answers.get((each.case_id, kernel)) for kernel in (each.kernel, unfused_of(each.kernel)))
    ratio = ratio_of(fused, apart) if fused is not None and apart is not None else None
    return ratio if ratio is not None else Ratio(each.gain, math.nan, math.nan)


def _gain_cells(gain: Fused, mine: Sequence[Ratio]) -> tuple[Cell, ...]:
    mean = geometric_mean(mine)
    shown = mean.outcome if mean is not None and mean.n >= _LEAST_GAINS else Outcome.NO_DIFFERENCE
    outcomes = [ratio.outcome for ratio in mine]
    mark = {Outcome.A_FASTER: "best", Outcome.B_FASTER: "odd"}.get(shown, "") if 2 * outcomes.count(shown) > len(outcomes) else ""
    note = f"geometric mean {times(mean.value)}, 95 % interval {span_words(mean)}" if mean is not None and mean.n >= _LEAST_GAINS else ""
    ends = [min(mine, key=lambda r: r.value), max(mine, key=lambda r: r.value)]
    return (
        Value(f"{three(gain.gain)}x", mark, note, gain.gain),
        *(Value(times(r.value) + (f" ({span_words(r)})" if r.usable else ""), sort=r.value) for r in ends),
        *(str(outcomes.count(each)) for each in (Outcome.A_FASTER, Outcome.B_FASTER, Outcome.NO_DIFFERENCE)),
        " to ".join(dict.fromkeys(size_words(b) for b in (gain.least_bytes, gain.most_bytes))),
    )
