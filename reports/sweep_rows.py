"""Derive a sweep's figures from its raw samples: time with interval, rates, share of the roof, who is best, who serves how many cells.

The interval is that of `stats.interval_over_time`, without arrays: a run file may hold ten thousand rows of thirty samples, and an array
for each would take longer than everything else (a test holds the two against each other). Which samples count is `stats.counting`, for
the rows that are shown as for the rule that ends sampling: samples that something disturbed are left out where enough others remain.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from ..configs.cases import Case, Measurement, Samples, Status
from ..configs.dtypes import ELEMENTS, MIXES
from ..configs.kernel_names import is_given, unfused_of, without_origin
from ..configs.machine import Machine
from ..configs.plan import Entrant, Opened
from ..configs.sweepdoc import SWEEP_DOCUMENT_SCHEMA, SweepDocument, SweepFused, SweepKernel, SweepRow, SweepSkip
from ..configs.sweeplog import Sweep
from ..kernels.measure.stats import INSTRUMENT_SHARE, LEAST_CLEAN, counting
from ..kernels.roofline import Roofs, elsewhere

NEAR = 1.05  # within 5 % of the fastest
LEAST_FOR_INTERVAL = 3  # samples: fewer know nothing of their own spread
FAILED = (Status.WRONG, Status.CRASHED, Status.TIMEOUT)


def sweep_document(sweep: Sweep, machine: Machine | None, no_machine: str = "") -> SweepDocument:
    """Everything that is to be said of a sweep; `no_machine` is the reason where there is no machine file."""
    derived = RowMaker(Roofs.of(machine))
    for row in sweep.rows:
        derived.take(row)
    return document_of(sweep, derived, no_machine)


def document_of(sweep: Sweep, derived: RowMaker, no_machine: str = "") -> SweepDocument:
    """The same from rows that were derived one at a time as they were read (`sweeplog.stream_sweep`)."""
    roofs = derived.roofs
    rows = with_ratios(derived.rows())
    end = sweep.ends[-1] if sweep.ends else None
    wall_s = sum(e.wall_s for e in sweep.ends)
    parts_s: Counter[str] = Counter()
    for each in sweep.ends:
        parts_s.update(each.parts_s)
    plan = sweep.plan
    disturbed: Counter[str] = Counter()
    for row in rows:
        disturbed.update(row.disturbed)
    return SweepDocument(
        SWEEP_DOCUMENT_SCHEMA,
        sweep.run.id,
        sweep.run.machine_id,
        sweep.run.started_at,
        file=str(sweep.path),
        preset=plan.preset,
        seed=plan.seed,
        precision=plan.precision,
        time_budget_s=plan.time_budget_s,
        check=plan.check,
        estimate_s=plan.estimate_s,
        finished=sweep.finished,
        end_reason=end.reason if end else "it was cut off: the process ended without a word",
        wall_s=wall_s if sweep.ends else math.nan,
        parts_s=dict(parts_s),
        cells=len(plan.cells),
        measured=len({row.case for row in rows}),
        no_roofs="" if roofs.known else no_machine or "the machine file holds no measured rates",
        samples=sum(row.samples for row in rows),
        dropped=sum(row.dropped for row in rows),
        disturbed=dict(disturbed),
        kernels=_kernels(plan.entrants, {info.kernel: info for info in sweep.opened}, rows),
        absent=sweep.absent,
        skips=_skips(sweep, rows),
        rows=rows,
        fused=_fused(rows),
        notes=tuple(dict.fromkeys((*plan.notes, *sweep.notes, *sweep.torn))),
        settings=sweep.run.settings,
        versions=sweep.run.versions,
    )


@dataclass(frozen=True, slots=True)
class _About:
    """What is the same for all rows of a case; their one Case, too, so that a long file does not hold a hundred equal ones."""

    case: Case
    name: str
    id: str
    operations: int
    traffic_bytes: int


@cache
def _outer_rank(count: int) -> int:
    """Largest k for which [k-th smallest, k-th largest] covers the median with 95 %; at least 1. As in `stats`, in whole numbers."""
    rank, tail = 0, 0
    for k in range(count // 2):
        tail += math.comb(count, k)
        if 40 * tail > 2**count:
            break
        rank = k + 1
    return max(rank, 1)


def _middle(ordered: Sequence[float]) -> float:
    count = len(ordered)
    return (ordered[(count - 1) // 2] + ordered[count // 2]) / 2


def interval(each: Sequence[float]) -> tuple[float, float, float]:
    """(median, low, high) as `stats.interval_over_time` has them; NaN for no samples.

    Of one or two samples the ends are NaN: what the instrument is good to would pass for what is known of the time.
    """
    count = len(each)
    if not count:
        return math.nan, math.nan, math.nan
    ordered = sorted(each)
    if count < LEAST_FOR_INTERVAL:
        return _middle(ordered), math.nan, math.nan
    rank = _outer_rank(count)
    low, high = ordered[rank - 1], ordered[count - rank]
    parts = min(3, count)
    size, more = divmod(count, parts)
    start = 0
    for part in range(parts):
        stop = start + size + (part < more)
        centre = _middle(sorted(each[start:stop]))
        low, high = min(low, centre), max(high, centre)
        start = stop
    return _middle(ordered), low * (1 - INSTRUMENT_SHARE), high * (1 + INSTRUMENT_SHARE)


def each_s(samples: Samples) -> tuple[list[float], list[float]]:
    """(seconds of one call, clocks in Hz where known) of the samples that count."""
    times, calls, dirty, clocks = samples.time_s, samples.calls, samples.dirty, samples.clock_hz
    if not any(dirty) and times and min(times) > 0:
        return [t / n for t, n in zip(times, calls, strict=True)], [hz for hz in clocks if hz > 0]
    kept = counting(times, dirty)
    return [times[i] / calls[i] for i in kept], [clocks[i] for i in kept if clocks and clocks[i] > 0]


def marks(samples: Samples) -> dict[str, int]:
    """What disturbed samples, the most frequent first: word -> how many samples. One that two things disturbed counts under both."""
    if not any(samples.dirty):
        return {}
    return dict(Counter(word for mark in samples.dirty for word in mark.split("+") if word).most_common())


class RowMaker:
    """Derive rows from measurements, one at a time; raw samples are not kept. A row that was written twice counts once, as it was last."""

    def __init__(self, roofs: Roofs) -> None:
        self.roofs = roofs
        self._about: dict[Case, _About] = {}
        self._rows: dict[tuple[str, str], SweepRow] = {}

    def take(self, m: Measurement) -> None:
        """One more."""
        known = self._about.get(m.case)
        if known is None:
            known = self._about[m.case] = _About(m.case, m.case.name, m.case.id, m.case.operations, m.case.traffic_bytes())
        self._rows[known.id, m.variant.kernel] = _row(m, known, self.roofs)

    def rows(self) -> list[SweepRow]:
        """All that were taken."""
        return list(self._rows.values())


def _row(m: Measurement, about: _About, roofs: Roofs) -> SweepRow:
    row = SweepRow(
        cell=about.name,
        case_id=about.id,
        case=about.case,
        kernel=m.variant.kernel,
        status=m.status,
        operations=about.operations,
        origin=m.origin,
        reason=m.reason,
        version=m.variant.version,
        isa=m.variant.isa,
        params=m.variant.params,
        first_call_s=m.first_call_s,
        check=m.check,
        code_sha=m.code_sha,
        warnings=m.warnings,
    )
    if m.status not in (Status.OK, Status.NOISY) or not m.samples.time_s:
        return row
    each, clocks = each_s(m.samples)
    time_s, low_s, high_s = interval(each)
    if not (time_s > 0 and math.isfinite(time_s) and not math.isinf(high_s)):  # a file may hold times that no sum survives
        return row
    clock_hz = _middle(sorted(clocks)) if clocks else math.nan
    rate = about.operations / time_s
    dropped, disturbed = len(m.samples.time_s) - len(each), marks(m.samples)
    clean = sum(t > 0 and not mark for t, mark in zip(m.samples.time_s, m.samples.dirty, strict=True)) if disturbed else len(each)
    roof = None if elsewhere(m.variant.params) else roofs.roof(m.case, clock_hz if clocks else 0.0)
    return replace(
        row,
        time_s=time_s,
        low_s=low_s,
        high_s=high_s,
        samples=len(each),
        dropped=dropped,
        disturbed=disturbed,
        unclean=len(each) - clean if disturbed and clean < LEAST_CLEAN else 0,
        timed_by=m.samples.timed_by,
        rate=rate,
        traffic=about.traffic_bytes / time_s,
        intensity=about.operations / max(about.traffic_bytes, 1),
        clock_hz=clock_hz,
        cycles=time_s * clock_hz,
        roof_share=rate / roof.rate if roof and roof.rate > 0 else math.nan,
        roof_bound=roof.bound if roof else "",
        roof_name=roof.name if roof else "",
        above_roof=roof is not None and roof.below(about.operations / high_s),
    )


def with_ratios(rows: Sequence[SweepRow]) -> tuple[SweepRow, ...]:
    """The rows, be they of one sweep or of several, each with the ratio of its time to the shortest in its cell."""
    fastest: dict[str, float] = {}
    for row in rows:
        if row.timed and row.time_s < fastest.get(row.case_id, math.inf):
            fastest[row.case_id] = row.time_s
    return tuple(replace(row, ratio=row.time_s / fastest[row.case_id]) if row.timed else row for row in rows)


def _kernels(entrants: Sequence[Entrant], opened: dict[str, Opened], rows: Sequence[SweepRow]) -> tuple[SweepKernel, ...]:
    served, near, best, failed = (Counter[str]() for _ in range(4))
    for row in rows:
        if row.timed:
            served[row.kernel] += 1
            near[row.kernel] += row.ratio <= NEAR
            best[row.kernel] += row.ratio == 1.0
        failed[row.kernel] += row.status in FAILED
    names = short_names(entrants)
    made = []
    for e in entrants:
        info = opened.get(e.kernel, Opened(e.kernel, start_s=math.nan))
        made.append(
            SweepKernel(
                e.kernel,
                names[e.kernel],
                e.kind,
                e.version,
                e.title,
                (info.version if e.kind != "own" else "") or e.package_version,
                info.core,
                info.threading,
                e.path,
                info.size_bytes,
                info.overrides,
                info.warnings,
                info.start_s,
                info.problem,
                served[e.kernel],
                near[e.kernel],
                best[e.kernel],
                failed[e.kernel],
            )
        )
    return tuple(made)


def short_names(entrants: Iterable[Entrant]) -> dict[str, str]:
    """Kernel to the name to show: without its origin where only one copy of the library takes part, and no file that the user named."""
    plain = {e.kernel: without_origin(e.kernel) for e in entrants}
    counted = Counter(plain.values())
    return {kernel: name if counted[name] == 1 and not is_given(kernel) else kernel for kernel, name in plain.items()}


def _skips(sweep: Sweep, rows: Sequence[SweepRow]) -> tuple[SweepSkip, ...]:
    """What the plan left out, and what a kernel declined when it was asked."""
    counted: Counter[tuple[str, str]] = Counter()
    for skip in sweep.plan.skips:
        counted[skip.kernel, skip.reason] += len(skip.cells)
    for row in rows:
        if row.status is Status.SKIPPED:
            counted[row.kernel, row.reason] += 1
    return tuple(SweepSkip(kernel, reason, cells) for (kernel, reason), cells in counted.items() if cells)


@dataclass(frozen=True, slots=True)
class CellRows:
    """All that was found of one cell: its rows, the fastest first, those without a time last."""

    case: Case
    origin: str
    rows: tuple[SweepRow, ...]

    @property
    def timed(self) -> tuple[SweepRow, ...]:
        """The rows that are right and have a time."""
        return tuple(row for row in self.rows if row.timed)


def cells_of(document: SweepDocument) -> list[CellRows]:
    """The document's rows by cell, ordered by data type, threads, epilogue, temperature and size."""
    groups: dict[Case, list[SweepRow]] = {}
    for row in document.rows:
        groups.setdefault(row.case, []).append(row)
    order = {name: i for i, name in enumerate(MIXES)}
    cells = [
        CellRows(case, rows[0].origin, tuple(sorted(rows, key=lambda r: (not r.timed, r.time_s if r.timed else 0.0, r.kernel))))
        for case, rows in groups.items()
    ]
    return sorted(
        cells, key=lambda c: (order[c.case.dtype], c.case.threads, c.case.epilogue, c.case.temperature != "hot", c.case.operations)
    )


@dataclass(frozen=True, slots=True)
class Fused:
    """How a library's fused epilogue stands to the same product with the epilogue in a pass of its own: unfused time over fused, and the
    bytes that a call does not move."""

    kernel: str
    cells: int
    gain: float  # median
    least: float
    most: float
    least_bytes: int
    most_bytes: int


def fused_gains(document: SweepDocument) -> list[Fused]:
    """One line for each kernel that ran both ways in the same cells."""
    found: dict[str, list[SweepFused]] = {}
    for each in document.fused:
        found.setdefault(each.kernel, []).append(each)
    made = []
    for kernel, seen in found.items():
        gains, saved = [f.gain for f in seen], [f.saved_bytes for f in seen]
        made.append(Fused(kernel, len(seen), statistics.median(gains), min(gains), max(gains), min(saved), max(saved)))
    return made


def _fused(rows: Sequence[SweepRow]) -> tuple[SweepFused, ...]:
    """Every cell and kernel that ran both ways."""
    timed = {(row.case_id, row.kernel): row for row in rows if row.timed and row.case.epilogue}
    found = []
    for (case_id, kernel), row in timed.items():
        apart = timed.get((case_id, unfused_of(kernel)))
        if apart is not None and apart is not row:
            found.append(SweepFused(kernel, case_id, row.cell, apart.time_s / row.time_s, pass_bytes(row.case)))
    return tuple(found)


def pass_bytes(case: Case) -> int:
    """What an epilogue in a pass of its own moves beyond a fused one: C, once more in and once more out."""
    return 2 * case.m * case.n * case.batch * ELEMENTS[case.mix.c].bits // 8
