"""The terminal screen of a history: what changed, when and at which commit; then each series with its newest value and its course.

One string out of one document. Strings of files are made harmless.
"""

from __future__ import annotations

import math
from collections import Counter

from ..configs.historydoc import Altered, ChangePoint, HistoryDocument, HistorySeries, Unit
from ..configs.units import pretty
from .cells import plural
from .compare_words import short_kernels
from .look import NARROWEST, WIDEST, Line, Look, Span, flow, joined, paint
from .numbers import figure, percent
from .sparkline import LatencyCurve, sparkline
from .sweep_words import case_words
from .tables import Cell, Column, grid, table

_MOST_MOMENTS = 8  # without `full`
_INDENT = 12  # behind a date
_MOST_SERIES = 12
_FEW = 4
_COURSE = 16  # cells of a sparkline
_SHA = 10  # characters of a commit


def history_screen(document: HistoryDocument, *, width: int = 80, color: bool = False, ascii_only: bool = False, full: bool = False) -> str:
    """The screen in lines of at most `width` cells (60 to 200; other widths count as the nearest of these). `full` shows every series."""
    look = Look(min(WIDEST, max(NARROWEST, width)), color, ascii_only, full)
    groups = [_head(document, look), _changes(document, look), _table(document, look), _alterations(document, look), _notes(document, look)]
    lines: list[Line] = []
    for group in groups:
        lines += [(), *group] if lines and group else group
    return paint(lines, look)


def _head(document: HistoryDocument, look: Look) -> list[Line]:
    runs = document.runs
    span = f"{_day(runs[0].started_at, look)} to {_day(runs[-1].started_at, look)}" if len(runs) > 1 else _day(runs[0].started_at, look)
    lines = [(Span(line[0].text, "strong"),) for line in joined([look.word(document.machine_id, 80), plural(len(runs), "run"), span], look)]
    if document.reference:
        name = look.word(document.reference)
        text = f"Times are divided by those of {name} in the same cell and run: {look.prose(document.reference_why)}."
    else:
        text = f"Raw times, drift of the machine and all: {look.prose(document.reference_why)}."
    return [*lines, *flow(look.own(text), look, style="dim")]


def _changes(document: HistoryDocument, look: Look) -> list[Line]:
    """Every change point, those of one run together, the newest run first; and by which standard they are changes."""
    found: dict[tuple[int, int], list[tuple[HistorySeries, ChangePoint]]] = {}
    for series in document.series:
        for change in series.changes:
            found.setdefault((change.after, change.before), []).append((series, change))
    lines = _verdict(document, sum(map(len, found.values())), look)
    names = short_kernels(s.kernel for s in document.series)
    ordered = sorted(found, reverse=True)
    shown = ordered if look.full else ordered[:_MOST_MOMENTS]
    for key in shown:
        lines += _moment(document, sorted(found[key], key=lambda pair: -abs(math.log1p(pair[1].change))), names, look)
    if len(ordered) > len(shown):
        left = sum(len(found[key]) for key in ordered[len(shown) :])
        lines.append((Span(f"{plural(left, 'earlier change')} with --full", "dim"),))
    return lines


def _verdict(document: HistoryDocument, count: int, look: Look) -> list[Line]:
    total = len(document.series)
    if not total:
        return [(Span("no kernel has a time in these runs", "strong"),)]
    if not document.tested:
        reasons = Counter(s.untested for s in document.series)
        why = max(reasons, key=lambda reason: reasons[reason])
        hint = " Fewer series (-k, --kernels) need fewer runs." if total > 1 and "enough for" in why else ""
        return flow(look.prose(f"No change can be looked for: {why}.{hint}"), look, style="warn")
    left = f"; {plural(total - document.tested, 'series is', 'series are')} too short" if total > document.tested else ""
    text = (
        f"{plural(count, 'change')} in {document.tested} series{left}. Where nothing changed, the chance of any is at most "
        f"{100 * document.alpha:g} %. Advisory: a history fails nothing."
    )
    return flow(look.own(text), look, style="strong")


def _moment(document: HistoryDocument, changes: list[tuple[HistorySeries, ChangePoint]], names: dict[str, str], look: Look) -> list[Line]:
    """`2026-11-12  run d017 to d018 · commit 17ab… to 18ab…`, what else was altered there, and the cells, the largest change first."""
    first = changes[0][1]
    after, before = document.runs[first.after], document.runs[first.before]
    parts = [f"run {look.word(before.id, 16)} to {look.word(after.id, 16)}"]
    if before.commit or after.commit:
        parts.append(f"commit {_commit(before.commit, look)} to {_commit(after.commit, look)}")
    parts += [_altered_words(each, look) for each in after.altered]
    altered = {f"{look.word(names[s.kernel], 30)}: {_altered_words(each, look)}": None for s, c in changes for each in c.altered}
    said = joined([*parts, *list(altered)[:_FEW]], look, rest="", width=look.width - _INDENT)
    day = f"{_day(after.started_at, look)}  "
    lines: list[Line] = [(Span((" " * _INDENT if i else day) + line[0].text, "strong"),) for i, line in enumerate(said)]
    shown = changes if look.full else changes[:_FEW]
    for series, change in shown:
        cell = look.word(f"{names[series.kernel]} {series.case.dtype} {case_words(series.case)}", 120)
        raw = "" if series.unit is Unit.RATIO else f" ({_kind(series)})"
        lines.append((
            Span(_share(change.change).rjust(_INDENT - 2), "bad" if change.change > 0 else "good"),
            Span(f"  {cell}{raw}"),
            Span(f"  p {figure(change.p)}", "dim"),
        ))  # fmt: skip
    left = changes[len(shown) :]
    if left:
        ends = sorted(change.change for _, change in left)
        who = ", ".join(dict.fromkeys(look.word(names[series.kernel], 30) for series, _ in left))
        lines += flow(
            look.own(f"{len(left)} more of {who}: {_share(ends[0])} to {_share(ends[-1])}"), look, first=" " * _INDENT, rest=" " * _INDENT
        )
    return lines


def _table(document: HistoryDocument, look: Look) -> list[Line]:
    """The series: those with a change first, then those that vary most."""
    ordered = sorted(document.series, key=lambda s: (not s.changes, -_spread(s), s.kernel, s.cell))
    shown = ordered if look.full else ordered[:_MOST_SERIES]
    if not shown:
        return []
    names = short_kernels(s.kernel for s in document.series)
    columns = (
        Column("cell", "left"),
        Column("kernel", "left"),
        Column("runs"),
        Column("newest"),
        Column("spread", optional=True),
        Column("changes", optional=True),
        Column("course", "left"),
    )
    rows = [_row(series, names[series.kernel], look) for series in shown]
    lines = table(grid(columns, rows), look)
    if len(ordered) > len(shown):
        lines.append((Span(f"{len(ordered) - len(shown)} more series with --full", "dim"),))
    return lines


def _row(series: HistorySeries, name: str, look: Look) -> tuple[Cell, ...]:
    newest = f"{figure(series.values[-1])}x" if series.unit is Unit.RATIO else pretty(series.values[-1], "s")
    raw = "" if series.unit is Unit.RATIO else f" ({_kind(series)})"
    return (
        Cell(look.word(f"{series.case.dtype} {case_words(series.case)}", 60)),
        Cell(look.word(name, 30) + raw),
        Cell(str(len(series.values))),
        Cell(look.own(newest)),
        Cell(look.own(percent(series.noise)) if math.isfinite(series.noise) else look.missing, "dim"),
        Cell(str(len(series.changes) or ""), "odd"),
        Cell(_course(series, look)),
    )


def _course(series: HistorySeries, look: Look) -> str:
    """The values as a line of blocks, lowest to highest; empty for fewer than two."""
    if len(series.values) < 2:
        return ""
    curve = LatencyCurve("", "", tuple((2**i, value) for i, value in enumerate(series.values)))  # its axis is a logarithm
    return sparkline(curve, min(_COURSE, len(series.values)), ascii_only=look.ascii_only, rows=1)[0]


def _alterations(document: HistoryDocument, look: Look) -> list[Line]:
    """Versions, packages and code that changed on the way, whether or not a time did: once for all cells of a kernel."""
    seen: dict[tuple[int, str], None] = {}
    for i, run in enumerate(document.runs):
        seen.update(dict.fromkeys((i, _altered_words(each, look)) for each in run.altered))
    names = short_kernels(s.kernel for s in document.series)
    for series in document.series:
        for alteration in series.altered:
            for each in alteration.altered:
                seen.setdefault((alteration.run, f"{look.word(names[series.kernel], 30)}: {_altered_words(each, look)}"))
    ordered = sorted(seen, reverse=True)
    lines: list[Line] = []
    for place, words in ordered if look.full else ordered[: 2 * _FEW]:
        lines += flow(look.own(f"{_day(document.runs[place].started_at, look)}  {words}"), look, rest=" " * 12)
    if len(ordered) > 2 * _FEW and not look.full:
        lines.append((Span(f"{len(ordered) - 2 * _FEW} more with --full", "dim"),))
    return [(Span("altered on the way", "strong"),), *lines] if lines else []


def _notes(document: HistoryDocument, look: Look) -> list[Line]:
    notes = list(document.notes)
    counted = Counter(document.refused.values())
    notes += [f"{plural(count, 'run')} left out: {why} (--across-versions takes all)" for why, count in counted.items()]
    short = Counter(s.untested for s in document.series if s.untested) if document.tested else {}
    notes += [f"{plural(count, 'series', 'series')} not tested: {why}" for why, count in short.items()]
    bare = sum(s.left_out for s in document.series)
    notes += [f"{plural(bare, 'time')} without one of the reference beside it left out"] if bare else []
    lines: list[Line] = []
    for note in notes if look.full else notes[: 2 * _FEW]:
        lines += flow(look.prose(note), look, first="! ", rest="  ", style="warn")
    return lines


def _spread(series: HistorySeries) -> float:
    return series.noise if math.isfinite(series.noise) else 0.0


def _kind(series: HistorySeries) -> str:
    """What a series without a reference is of."""
    return "gate, raw" if series.kind == "gate" else "raw"


def _share(change: float) -> str:
    return f"{100 * change:+.1f} %" if abs(change) < 10 else f"{figure(1 + change)}x"


def _day(moment: str, look: Look) -> str:
    return look.word(moment[:10], 10)


def _commit(sha: str, look: Look) -> str:
    plain, dash, mark = sha.partition("-")
    return look.word(plain[:_SHA] + dash + mark, 24) if sha else "unknown"


def _altered_words(each: Altered, look: Look) -> str:
    old, new = (_values(text, each.what) for text in (each.old, each.new))
    return look.prose(f"{each.what} {old} to {new}", 120)


def _values(text: str, what: str) -> str:
    return text[:8] if what == "code" else text
