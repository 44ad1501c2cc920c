"""Say which kernel or library serves which cells right, how near to the best, and where it is absent or wrong."""

from __future__ import annotations

from collections import Counter

from ....configs.cases import Status
from ....configs.dtypes import MIXES
from ....configs.sweepdoc import SweepRow
from ...cells import plural
from ...figures.fragments import Standing, grid_of
from ...figures.heatmap import draw_heatmap, is_wide, percent_words
from ...sweep_rows import FAILED
from ...sweep_words import HELPED
from ..blocks import Block, Cell, Column, Figure, Heading, Prose, Table, Value, numbers, plain
from ..evidence import Evidence
from ..registry import section
from ..rows import CLASS_WORDS, TYPE_ORDER, failed, help_note, helped, is_timed, mean_share, python_note, shape_class, shape_words, suffix
from ..standings import Standings, Total

MOST_MACHINES = 4
MOST_GROUPS = 40
MOST_FAILURES = 120
MOST_REASONS = 60
_HOW = (
    "The number and the colour of a tile are the share of the best speed in percent: the geometric mean, over the cells that the "
    "kernel serves, of the shortest time of any kernel over its own. The bar at its foot is the share of the cells that it serves "
    "right. Grey with a dash: it serves none of them. A red outline with a cross: in at least one cell its answer was wrong, or it "
    "crashed or hung. "
)


@section("fragmentation", "Fragmentation", after="performance")
def fragmentation(evidence: Evidence) -> list[Block]:
    """A sentence, a picture and tables for each machine."""
    blocks: list[Block] = []
    several = len(evidence.swept) > 1
    for subject in evidence.swept[:MOST_MACHINES]:
        view = Standings.of(evidence, subject)
        if view is None:
            continue
        blocks += [Heading(subject.label)] if several else []
        blocks += [
            Prose(sentence(view), "lead"),
            _totals(view),
            _figure(view, suffix(evidence, subject)),
            *_reasons(view),
            *_failures(view),
        ]
    left = [s.label for s in evidence.swept[MOST_MACHINES:]]
    if left and blocks:
        blocks.append(Prose(f"Not shown here: {', '.join(left[:20])}; the raw data has their rows.", "note"))
    return blocks


# --- the sentence -------------------------------------------------------------------------------------------------------------


def sentence(view: Standings) -> str:
    """How many cells each serves, whether anybody serves all, what ours alone serve, and who is wrong."""
    count = len(view.cells)
    libraries = [t for t in view.totals if t.kind in ("library", "framework")]
    parts = [_serves(t) for t in (libraries or list(view.totals))[:5]]
    if len(libraries) > 5:
        parts.append(f"{len(libraries) - 5} more {'serves' if len(libraries) == 6 else 'serve'} fewer")
    head = f"Of {plural(count, 'cell')} on {view.subject.label}, {'; '.join(parts)}."
    return " ".join(filter(None, (head, _all_served(libraries, count), _ours(view), _wrong(view))))


def _serves(total: Total) -> str:
    if not total.served:
        return f"{total.name} serves none"
    return f"{total.marked} serves {total.served:,} and is within 5\u00a0% of the best in {total.near:,}"


def _all_served(libraries: list[Total], count: int) -> str:
    if not libraries:
        return "No library took part."
    everyone = [t.name for t in libraries if t.served == count]
    if not everyone:
        return "No library serves all of them."
    return f"{', '.join(everyone[:4])} {'serves' if len(everyone) == 1 else 'serve'} all of them."


def _ours(view: Standings) -> str:
    """The cells that only our own kernels serve, and those that nobody does."""
    by_cell = view.served_by()
    alone = [view.cells[c] for c, who in by_cell.items() if who == {"own"}]
    nobody = len(view.cells) - len(by_cell)
    words = []
    if alone and any(t.kind != "own" for t in view.totals):
        types = Counter(row.case.dtype for row in alone)
        shown = ", ".join(f"{n} of {dtype}" for dtype, n in sorted(types.items(), key=lambda item: (-item[1], TYPE_ORDER[item[0]]))[:5])
        words.append(f"{plural(len(alone), 'cell')} {'is' if len(alone) == 1 else 'are'} served by nobody but our own kernels ({shown}).")
    if nobody:
        words.append(f"{plural(nobody, 'cell')} {'is' if nobody == 1 else 'are'} served right by nobody.")
    return " ".join(words)


def _wrong(view: Standings) -> str:
    parts = [
        f"{t.name} {' and '.join(f'{status.value} in {t.failed[status]:,}' for status in FAILED if t.failed[status])}"
        for t in view.totals
        if t.failed
    ]
    if not parts:
        return "No answer was wrong, and nothing crashed."
    more = f"; {len(parts) - 6} more kernels failed" if len(parts) > 6 else ""
    return f"Wrong or failed: {'; '.join(parts[:6])}{more}."


# --- the picture --------------------------------------------------------------------------------------------------------------


def _groups(view: Standings) -> tuple[list[tuple[tuple[int, int, str], list[str]]], int]:
    """Cells by data type, threads and class of shapes: ((place of the type, threads, class), cells); without classes if too many.

    The second result is how many groups were left out.
    """
    for classes in (True, False):
        found: dict[tuple[int, int, str], list[str]] = {}
        for case_id, row in view.cells.items():
            key = (TYPE_ORDER[row.case.dtype], row.case.threads, shape_class(row.case) if classes else "")
            found.setdefault(key, []).append(case_id)
        if len(found) <= MOST_GROUPS:
            break
    kept = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))[:MOST_GROUPS]
    return sorted(kept), len(found) - len(kept)


def _figure(view: Standings, end: str) -> Figure:
    groups, left_out = _groups(view)
    by_place = {(row.case_id, row.kernel): row for row in view.rows}
    types = list(MIXES)
    names = [_group_words(types[t], threads, shapes, len(cells)) for (t, threads, shapes), cells in groups]
    standings = [
        [_standing(view, by_place, total, name, cells) for total in view.totals] for name, (_, cells) in zip(names, groups, strict=True)
    ]
    breaks = [i for i in range(1, len(groups)) if groups[i][0][:2] != groups[i - 1][0][:2]]
    grid = grid_of(names, [t.name for t in view.totals], standings, breaks if any(key[2] for key, _ in groups) else [])
    table = Table(
        f"Who serves what on {view.subject.label}: cells served, and share of the best speed",
        (Column("Cells"), *numbers(*(t.name for t in view.totals))),
        tuple((name, *(_value(each) for each in row)) for name, row in zip(names, standings, strict=True)),
    )
    notes = (
        f"{left_out} groups with fewer cells were left out." if left_out else "",
        python_note(t.name for t in view.totals),
        help_note(filter(is_timed, view.rows)),
    )
    return Figure(
        f"fragments{end}",
        f"Who serves what, and how fast: {view.subject.label}",
        sentence(view),
        lambda: draw_heatmap(grid),
        table,
        how=_HOW + CLASS_WORDS,
        note=" ".join(filter(None, notes)),
        wide=is_wide(grid),
    )


def _group_words(dtype: str, threads: int, shapes: str, cells: int) -> str:
    """`f32 t2 vector (12)`."""
    return " ".join(filter(None, (dtype, f"t{threads}" if threads != 1 else "", shapes, f"({cells})")))


def _standing(view: Standings, by_place: dict[tuple[str, str], SweepRow], total: Total, name: str, cells: list[str]) -> Standing:
    own = [by_place[c, total.kernel] for c in cells if (c, total.kernel) in by_place]
    timed = [row for row in own if is_timed(row)]
    failures = Counter(row.status for row in own if failed(row))
    speed = mean_share(view.best[row.case_id] / row.time_s for row in timed)
    wrong = sum(failures.values())
    absent = len(cells) - len(timed) - wrong
    words = [f"{len(timed)} of {len(cells)} served"]
    words += [f"{percent_words(speed)} % of the best speed"] if speed is not None else []
    words += [f"{status.value} in {failures[status]}" for status in FAILED if failures[status]]
    words += [f"absent in {absent}"] if absent else []
    aided = sum(map(helped, timed))
    words += [f"with threads that nobody asked for in {aided}"] if aided else []
    said = f"{total.name}, {name.rpartition(' ')[0]}: {', '.join(words)}"
    return Standing(len(cells), len(timed), wrong, speed, said, aided > 0)


def _value(each: Standing) -> Value:
    wrong = f", {each.failed} failed" if each.failed else ""
    if not each.served:
        return Value(f"0 of {each.cells}{wrong}" if wrong else "–", "bad" if wrong else "dim", each.words)
    speed = f", {percent_words(each.speed)} %{HELPED if each.helped else ''}" if each.speed is not None else ""
    return Value(f"{each.served} of {each.cells}{speed}{wrong}", "bad" if wrong else "", each.words, each.speed)


# --- tables -------------------------------------------------------------------------------------------------------------------


def _totals(view: Standings) -> Table:
    count = len(view.cells)
    kernels = view.subject.kernels
    rows: list[tuple[Cell, ...]] = []
    for t in view.totals:
        known = kernels.get(t.kernel)
        version = plain((known.library_version or known.version) if known else "", 24)
        absent = count - t.served - sum(t.failed.values())
        failures = [_failed_cell(t.failed[status]) for status in (Status.WRONG, Status.CRASHED, Status.TIMEOUT)]
        speed = Value(percent_words(t.speed), sort=t.speed) if t.speed is not None else Value("–", "dim")
        kind = {"own": "ours", "library": "library", "framework": "framework"}.get(t.kind, plain(t.kind, 12))
        counts = (_count(t.served, count), _count(absent), *failures, _count(t.best), _count(t.near))
        rows.append((t.marked, kind, version, *counts, speed))
    columns = (
        Column("Kernel"),
        Column("Kind"),
        Column("Version"),
        *numbers("Served", "Absent", "Wrong", "Crashed", "Hung", "Fastest", "Within 5 %", ("Speed", "% of best")),
    )
    note = "Absent: it does not serve the cell, or was not asked (a call would have taken too long)."
    note = " ".join(filter(None, (note, python_note(t.name for t in view.totals), help_note(view.rows))))
    return Table(f"All {plural(count, 'cell')} on {view.subject.label}", columns, tuple(rows), note)


def _count(number: int, of: int = 0) -> Value:
    return Value(f"{number:,}" + (" (all)" if of and number == of else ""), "dim" if not number else "", sort=float(number))


def _failed_cell(number: int) -> Value:
    return Value(f"{number:,}", "bad", sort=float(number)) if number else Value("0", "dim", sort=0.0)


def _reasons(view: Standings) -> list[Block]:
    """Why kernels are absent from cells, in their own words."""
    names = {t.kernel: t.name for t in view.totals}
    counted: Counter[tuple[str, str]] = Counter()
    for sweep in view.subject.sweeps[:1]:
        for skip in sweep.skips:
            if skip.kernel in names:
                counted[names[skip.kernel], plain(skip.reason, 160)] += skip.cells
    rows = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    if not rows:
        return []
    note = f"The {MOST_REASONS} most frequent of {len(rows)}; the raw data has the rest." if len(rows) > MOST_REASONS else ""
    cells = tuple((name, reason, Value(f"{n:,}", sort=float(n))) for (name, reason), n in rows[:MOST_REASONS])
    columns = (Column("Kernel"), Column("Why it is absent"), *numbers("Cells"))
    return [Table(f"Why kernels are absent, in the newest sweep on {view.subject.label}", columns, cells, note, folded=True)]


def _failures(view: Standings) -> list[Block]:
    """Every failure, wrong answers first."""
    rows = [row for row in view.rows if failed(row)]
    if not rows:
        return []
    names = {t.kernel: t.name for t in view.totals}
    rows.sort(key=lambda r: (FAILED.index(r.status), names[r.kernel], r.case.dtype, r.case.operations, r.case_id))
    shown = rows[:MOST_FAILURES]
    cells: list[tuple[Cell, ...]] = []
    for row in shown:
        check = row.check
        where = plain(check.where, 80) if check is not None and check.where else "–"
        cause = check.cause if check is not None and check.cause else row.reason
        words = plain(cause.removeprefix("likely "), 140) or "no reason was given"
        cells.append((names[row.kernel], Value(row.status.value.upper(), "bad"), f"{row.case.dtype} {shape_words(row.case)}", where, words))
    note = f"{len(shown)} of {len(rows):,}; the raw data has the rest." if len(rows) > len(shown) else ""
    columns = (Column("Kernel"), Column("What"), Column("Cell"), Column("First element that differs"), Column("Likely cause, or reason"))
    return [Table(f"Every failure on {view.subject.label}", columns, tuple(cells), note, folded=len(shown) > 12)]
