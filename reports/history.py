"""Turn stored runs of one machine into series, one for each kernel and cell, and find the runs at which times changed.

A value is the time of a kernel over that of a reference in the same cell and run: whatever slows the whole machine down cancels. The
reference is a kernel whose machine code was the same in all runs, by the `code_sha` of its rows. Where a cell has none, its series is of
raw times and says so; a gate's rows are always raw, since they are timed otherwise than a sweep's and hold no proof of their code.

Versions of kernels and libraries may change along a series: that is what a history is for. They are noted at the run where they change.
Runs of another mmbench measured otherwise and are refused unless asked for.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from ..configs.cases import Case
from ..configs.errors import UsageError
from ..configs.gatelog import Gate
from ..configs.gateplan import GATE, Control, Stage
from ..configs.historydoc import (
    HISTORY_SCHEMA,
    Alteration,
    Altered,
    ChangePoint,
    HistoryDocument,
    HistoryRun,
    HistorySeries,
    Unit,
)
from ..configs.runs import Run
from ..configs.sweepdoc import SweepRow
from ..configs.sweeplog import SWEEP, Sweep
from ..kernels.gate.change_points import Found, change_points, runs_needed, series_allowed
from ..kernels.gate.evidence import times_of
from ..kernels.measure.stats import mad_sd
from .cells import plural

ALPHA = 0.05  # the chance that anything at all is found where nothing changed
MOST_RUNS = 200  # the search for a change takes time with their square
COMMIT = "commit"  # in the versions of a run
REFERENCES = ("naive", "blocked", "vectorized")  # in this order: the simplest depends on the least
_NO_REFERENCE = "no kernel of ours kept its machine code in all runs"


@dataclass(frozen=True, slots=True)
class Answer:
    """The time of one kernel in one cell of one run, and what answered: `about` holds version, code and package by name."""

    kernel: str
    case_id: str
    case: Case
    cell: str
    origin: str
    time_s: float
    timed_by: str
    code_sha: str
    about: dict[str, str]


@dataclass(frozen=True, slots=True)
class Past:
    """One stored run with the answers that have a time."""

    run: Run
    file: str
    answers: tuple[Answer, ...]


def past_of_sweep(sweep: Sweep, rows: Iterable[SweepRow]) -> Past:
    """A sweep, of whose rows those without a time are left out."""
    opened = {info.kernel: info.version for info in sweep.opened}
    entrants = {e.kernel: e for e in sweep.plan.entrants}
    answers = []
    for row in rows:
        if not row.timed:
            continue
        entrant = entrants.get(row.kernel)
        about = {"version": row.version, "code": row.code_sha}
        if entrant is not None and entrant.kind != "own":
            about = {
                "adapter": row.version,
                "library": opened.get(row.kernel, ""),
                "package": entrant.package_version,
                "code": row.code_sha,
            }
        answers.append(
            Answer(row.kernel, row.case_id, row.case, row.cell, row.origin, row.time_s, row.timed_by or "machine", row.code_sha, about)
        )
    return Past(sweep.run, str(sweep.path), tuple(answers))


def past_of_gate(gate: Gate) -> Past:
    """A gate: the times of its new side in its own cells."""
    opened = {o.contest: o.opened.version for o in gate.opened if o.side == "new"}
    entrants = {contest.name: contest.new for contest in gate.plan.contests}
    visits: dict[int, list[int]] = {}
    for number, block in enumerate(gate.blocks):
        if block.stage is not Stage.PILOT and not block.dropped:
            visits.setdefault(block.cell, []).append(number)
    answers = []
    for place, cell in enumerate(gate.plan.cells):
        if cell.control is not Control.NONE or place not in visits:
            continue
        _, new_s = times_of(gate.blocks[i] for i in visits[place])
        if not (new_s > 0 and math.isfinite(new_s)):
            continue
        entrant = entrants[cell.contest]
        about = {"adapter": entrant.version, "library": opened.get(cell.contest, ""), "package": entrant.package_version}
        answers.append(Answer(cell.contest, cell.case.id, cell.case, cell.case.name, cell.origin, new_s, "machine", "", about))
    return Past(gate.run, str(gate.path), tuple(answers))


def history_document(
    pasts: Sequence[Past],
    *,
    keeps: Callable[[Answer], bool] = lambda _: True,
    reference: str = "",
    across: bool = False,
    alpha: float = ALPHA,
    seed: int = 0,
) -> HistoryDocument:
    """Everything that is to be said of these runs, which are of one machine and at least one.

    `keeps` chooses among the answers (the reference is looked for among all of them); `across` takes runs of other mmbench versions in.
    UsageError for a reference that is not in the runs or whose code changed.
    """
    ordered = sorted({past.run.id: past for past in pasts}.values(), key=lambda p: (p.run.started_at, p.run.id))
    kept, refused = ([*ordered], {}) if across else _alike(ordered)
    notes = []
    if len(kept) > MOST_RUNS:
        notes.append(f"of {len(kept)} runs the newest {MOST_RUNS} are shown: choose others with --since")
        kept = kept[-MOST_RUNS:]
    name, why = _reference(kept, reference)
    series = _series(kept, keeps, name)
    found = change_points({_name(s): [math.log(v) for v in s.values] for s in series}, alpha=alpha, seed=seed)
    tested = sum(not math.isnan(f.needed) for f in found.values())
    return HistoryDocument(
        HISTORY_SCHEMA,
        kept[-1].run.machine_id,
        reference=name,
        reference_why=why,
        alpha=alpha,
        tested=tested,
        runs=tuple(_run(past, kept[i - 1] if i else None) for i, past in enumerate(kept)),
        series=tuple(_judged(s, found[_name(s)], alpha, len(series)) for s in series),
        refused=refused,
        notes=tuple(notes),
    )


def _alike(pasts: Sequence[Past]) -> tuple[list[Past], dict[str, str]]:
    """The runs that were measured as the newest one was, and why the others were not."""
    newest = pasts[-1].run.versions.get("mmbench", "")
    kept, refused = [], {}
    for past in pasts:
        version = past.run.versions.get("mmbench", "")
        if version == newest:
            kept.append(past)
        else:
            refused[past.run.id] = (
                f"measured by mmbench {version or 'of unknown version'}, the newest run by {newest or 'one of unknown version'}"
            )
    return kept, refused


def _reference(pasts: Sequence[Past], wanted: str) -> tuple[str, str]:
    """(the reference kernel, or "" for none; why). UsageError for one that was asked for and cannot be it."""
    codes: dict[str, dict[str, set[str]]] = {}
    for past in pasts:
        for answer in past.answers:
            if past.run.kind == SWEEP:
                codes.setdefault(answer.kernel, {}).setdefault(answer.case_id, set()).add(answer.code_sha)
    frozen = {kernel for kernel, cells in codes.items() if all(len(shas) == 1 and "" not in shas for shas in cells.values())}
    if wanted:
        if wanted not in codes:
            known = ", ".join(sorted(codes)) or "none"
            raise UsageError(f"--reference: no sweep here has a time of '{wanted}'", f"kernels with times: {known}")
        if wanted not in frozen:
            message = f"--reference: the machine code of {wanted} is not the same in all runs, so that it is no fixed measure"
            raise UsageError(message, f"these kept theirs: {', '.join(sorted(frozen)) or 'none'}; or choose runs with --since")
        return wanted, "as asked for; its machine code is the same in all runs"
    for kernel in REFERENCES:
        if kernel in frozen:
            return kernel, "its machine code is the same in all runs"
    return "", _NO_REFERENCE if codes else "no sweep here has a time"


def _series(pasts: Sequence[Past], keeps: Callable[[Answer], bool], reference: str) -> list[HistorySeries]:
    """One series for each kernel and cell, kind of run and stopwatch, in the order in which they first occur."""
    points: dict[tuple[str, str, str, str], dict[int, Answer]] = {}
    measure: dict[tuple[int, str], float] = {}
    for i, past in enumerate(pasts):
        for answer in past.answers:
            if answer.kernel == reference and past.run.kind == SWEEP:
                measure[i, answer.case_id] = answer.time_s
            if keeps(answer):
                points.setdefault((answer.kernel, answer.case_id, past.run.kind, answer.timed_by), {})[i] = answer
    return [_one_series(key, each, measure, reference) for key, each in points.items()]


def _one_series(
    key: tuple[str, str, str, str], each: dict[int, Answer], measure: dict[tuple[int, str], float], reference: str
) -> HistorySeries:
    kernel, case_id, kind, timed_by = key
    beside = {} if kind == GATE or kernel == reference else {i: measure[i, case_id] for i in each if (i, case_id) in measure}
    by_ratio = 2 * len(beside) >= len(each) and bool(beside)
    runs = tuple(beside) if by_ratio else tuple(each)
    values = tuple(each[i].time_s / beside[i] for i in runs) if by_ratio else tuple(each[i].time_s for i in runs)
    steps = [math.log(now / then) for then, now in itertools.pairwise(values)]
    newest = each[max(each)]
    return HistorySeries(
        kernel,
        newest.cell,
        case_id,
        newest.case,
        kind,
        timed_by,
        Unit.RATIO if by_ratio else Unit.SECONDS,
        newest.origin,
        reference if by_ratio else "",
        runs,
        values,
        len(each) - len(runs),
        math.expm1(mad_sd(steps) / math.sqrt(2)) if len(steps) > 1 else math.nan,
        altered=tuple(
            Alteration(now, altered) for then, now in itertools.pairwise(runs) if (altered := _altered(each[then].about, each[now].about))
        ),
    )


def _altered(old: dict[str, str], new: dict[str, str]) -> tuple[Altered, ...]:
    """What is another thing now; what only one of both runs knows is left out."""
    return tuple(Altered(what, old[what], new[what]) for what in old if old[what] and new.get(what) and old[what] != new[what])


def _name(series: HistorySeries) -> str:
    return " ".join((series.kernel, series.case_id, series.kind, series.timed_by))


def _run(past: Past, before: Past | None) -> HistoryRun:
    run = past.run
    ours = {name: text for name, text in run.versions.items() if name != COMMIT}
    return HistoryRun(
        run.id,
        run.kind,
        run.started_at,
        past.file,
        run.versions.get(COMMIT, ""),
        run.versions.get("mmbench", ""),
        _altered(before.run.versions, ours) if before else (),
    )


def _judged(series: HistorySeries, found: Found, alpha: float, count: int) -> HistorySeries:
    """The series with what was found in it."""
    if math.isnan(found.needed):
        return replace(series, untested=_too_short(len(series.values), alpha, count))
    altered = {each.run: each.altered for each in series.altered}
    ends = [0, *(split.at for split in found.splits), len(series.values)]
    changes = []
    for split, start, end in zip(found.splits, ends, ends[2:], strict=False):
        before, after = (statistics.median(part) for part in (series.values[start : split.at], series.values[split.at : end]))
        run = series.runs[split.at]
        changes.append(ChangePoint(series.runs[split.at - 1], run, after / before - 1, split.p, altered.get(run, ())))
    return replace(series, p=found.p, needed=found.needed, changes=tuple(changes))


def _too_short(runs: int, alpha: float, count: int) -> str:
    """`6 runs, and a change cannot be told from chance in fewer than 8`."""
    least = runs_needed(alpha)
    if runs < least:
        return f"{plural(runs, 'run')}, and a change cannot be told from chance in fewer than {least}"
    allowed = series_allowed(alpha, runs)
    return f"{runs} runs: enough for {allowed} series at once, and {count} series need {runs_needed(alpha, count)}"
