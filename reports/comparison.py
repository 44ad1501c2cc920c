"""Compare two sides cell by cell: ratio of times with its interval, what the interval shows, and what cannot be compared and why.

Like is held against like only. Sides that are machines or runs are paired by the same question (Case) and the same kernel at the same
version; sides that are kernels by the same question, on one machine. Everything else gets a reason instead of a ratio.

The ratio is the time of B over the time of A, so above 1 A is faster. Its interval combines those of both times on the logarithmic scale,
each side of it for itself: ln high = sqrt(ln(high_B / time_B)² + ln(time_A / low_A)²), and the same downwards. That is exact for
independent errors of about normal shape. Two assumptions are not met, and said where a ratio is shown:

- Kernels of one sweep take turns, so that both see the same moments: part of their errors is shared and would cancel. The interval does
  not know that and is rather too wide than too narrow.
- Rows of different runs share nothing, and what changed between the runs (clock, neighbours, temperature) is *not* in the interval.

The mean over cells is geometric, its interval Student's t on the logarithms over the cells. It takes the cells as a sample of the products
that one may meet; it says how the ratio varies between them, and cells that are much alike make it look surer than it is.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from ..configs.cases import Case, Status
from ..configs.comparedoc import COMPARE_SCHEMA, Apart, CompareDocument, ComparedSide, KernelMean, Mean, Outcome, Pair, Ratio, Timed, Why
from ..configs.kernel_names import is_unfused
from ..configs.sweepdoc import SweepRow
from ..kernels.roofline import elsewhere
from .compare_notes import notes_of
from .sweep_rows import FAILED
from .sweep_words import is_helped

ABSENT = "absent"
_CONFIDENCE = 0.95
_LEAST_CELLS = 3  # for an interval of their mean
_FAILED_WORDS = {Status.WRONG: "wrong", Status.CRASHED: "crashed", Status.TIMEOUT: "timed out"}


def ratio_of(a: SweepRow, b: SweepRow) -> Ratio | None:
    """Time of `b` over time of `a` with its interval; None where a time or an interval is missing or absurd."""
    up_a, down_a = _log_widths(a)
    up_b, down_b = _log_widths(b)
    if not (a.timed and b.timed and all(map(math.isfinite, (up_a, down_a, up_b, down_b)))):
        return None
    middle = math.log(b.time_s) - math.log(a.time_s)
    ends = (middle, middle - math.hypot(down_b, up_a), middle + math.hypot(up_b, down_a))
    if not all(abs(end) < _MOST_LOG for end in ends):
        return None
    found = Ratio(*(math.exp(end) for end in ends))
    return found if found.usable else None


_MOST_LOG = 700.0  # e^700 is the last that a double holds


def _log_widths(row: SweepRow) -> tuple[float, float]:
    """(ln(high / time), ln(time / low)) of a row; infinite where there is no such interval."""
    if not all(math.isfinite(s) and s > 0 for s in (row.time_s, row.low_s, row.high_s)):
        return math.inf, math.inf
    if not row.low_s <= row.time_s <= row.high_s:
        return math.inf, math.inf
    return math.log(row.high_s / row.time_s), math.log(row.time_s / row.low_s)


def geometric_mean(ratios: Iterable[Ratio]) -> Mean | None:
    """The geometric mean with a 95 % interval by Student's t on the logarithms, and the median; None without any ratio.

    Of one ratio the interval is its own. Of two there is none: with one degree of freedom it would reach over orders of magnitude.
    Ratios that are no numbers are left out, and `n` counts the others. The median is the geometric one of an even number.
    """
    used = [ratio for ratio in ratios if ratio.usable]
    if not used:
        return None
    if len(used) == 1:
        return Mean(used[0].value, used[0].low, used[0].high, 1, used[0].value)
    n = len(used)
    logs = [math.log(ratio.value) for ratio in used]
    middle, median = math.fsum(logs) / n, math.exp(statistics.median(logs))
    if n < _LEAST_CELLS:
        return Mean(math.exp(middle), math.nan, math.nan, n, median)
    from scipy.special import stdtrit  # here: it is slow to import, and `--help` comes past

    spread = math.sqrt(math.fsum((each - middle) ** 2 for each in logs) / (n - 1))
    half = float(stdtrit(n - 1, 0.5 + _CONFIDENCE / 2)) * spread / math.sqrt(n)
    value, low, high = (math.exp(min(_MOST_LOG, max(-_MOST_LOG, end))) for end in (middle, middle - half, middle + half))
    return Mean(value, low, high, n, median)


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison. With `kernel`, its rows are those of that kernel, and it was chosen by name; else those of all kernels.

    `absence` says why it lacks a cell, where that is known better than "was not asked".
    """

    name: str
    kind: str
    machine_id: str
    rows: tuple[SweepRow, ...] = field(repr=False)
    runs: tuple[str, ...] = ()
    kernel: str = ""
    synthetic: bool = False
    absence: str = ""

    @property
    def shown(self) -> ComparedSide:
        """What a document says of it."""
        return ComparedSide(self.name, self.kind, self.machine_id, self.runs, self.kernel, self.synthetic)

    def only(self, kernel: str, name: str) -> Side:
        """The side of one of its kernels."""
        return replace(self, name=name, kind="kernel", kernel=kernel, rows=tuple(row for row in self.rows if row.kernel == kernel))


def pairs_of_kernels(rows: Iterable[SweepRow], a: str, b: str) -> list[Pair]:
    """The cells in which two kernels of one machine can be compared, those in which `a` is fastest first."""
    kept = tuple(rows)
    whole = Side("", "machine", "", kept)
    return _by_ratio(matched(whole.only(a, a), whole.only(b, b))[0])


def compare(a: Side, b: Side) -> CompareDocument:
    """Everything that is to be said of A against B; without a ruling.

    Kernels with their epilogue in a pass of its own are no libraries of their own: a side that was not chosen as one leaves them out, as
    pages do, so that both speak of the same cells.
    """
    left_out = [] if a.kernel and b.kernel else [row.kernel for side in (a, b) for row in side.rows if _is_twin(row, side)]
    pairs, apart = matched(_without_twins(a), _without_twins(b))
    ordered = _by_ratio(pairs)
    counts = counted(ordered)
    document = CompareDocument(
        COMPARE_SCHEMA,
        a.shown,
        b.shown,
        pairs=tuple(ordered),
        apart=tuple(apart),
        mean=geometric_mean(pair.ratio for pair in ordered),
        kernels=tuple(_kernel_means(ordered)) if not a.kernel else (),
        a_faster=counts[Outcome.A_FASTER],
        b_faster=counts[Outcome.B_FASTER],
        no_difference=counts[Outcome.NO_DIFFERENCE],
    )
    return replace(document, notes=(*notes_of(document), *_twin_notes(left_out)))


def _is_twin(row: SweepRow, side: Side) -> bool:
    return not side.kernel and is_unfused(row.kernel)


def _without_twins(side: Side) -> Side:
    return side if side.kernel else replace(side, rows=tuple(row for row in side.rows if not _is_twin(row, side)))


def _twin_notes(kernels: Sequence[str]) -> list[str]:
    """Who was left out, and how to compare it all the same."""
    if not kernels:
        return []
    names = list(dict.fromkeys(kernels))
    who = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return [f"left out: {who}, which run an epilogue in a pass of its own and are no libraries of their own; name one to compare it"]


def counted(pairs: Iterable[Pair]) -> dict[Outcome, int]:
    """How many cells came out how."""
    counts = dict.fromkeys(Outcome, 0)
    for pair in pairs:
        counts[pair.outcome] += 1
    return counts


def _by_ratio(pairs: Iterable[Pair]) -> list[Pair]:
    return sorted(pairs, key=lambda p: (-p.ratio.value, p.a.kernel, p.case.operations, p.cell))


def _kernel_means(pairs: Sequence[Pair]) -> Iterable[KernelMean]:
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(pair.a.kernel, []).append(pair)
    for kernel, group in sorted(groups.items()):
        mean = geometric_mean(pair.ratio for pair in group)
        if mean is not None:
            counts = counted(group)
            yield KernelMean(kernel, mean, counts[Outcome.A_FASTER], counts[Outcome.B_FASTER], counts[Outcome.NO_DIFFERENCE])


_Key = tuple[str, str]


def _keyed(side: Side) -> dict[_Key, SweepRow]:
    """Rows by question, and by kernel where the side has several; a row that came twice counts as it was last."""
    return {(row.case_id, "" if side.kernel else row.kernel): row for row in side.rows}


def matched(a: Side, b: Side) -> tuple[list[Pair], list[Apart]]:
    """Every cell of either side, as a pair or with the reason why it is none."""
    rows_a, rows_b = _keyed(a), _keyed(b)
    absence_a, absence_b = _Absence(a), _Absence(b)
    pairs: list[Pair] = []
    apart: list[Apart] = []
    for key in dict.fromkeys([*rows_a, *rows_b]):
        row_a, row_b = rows_a.get(key), rows_b.get(key)
        if row_a is not None and row_b is not None:
            reason = _difference(row_a, row_b, named=bool(a.kernel))
            ratio = ratio_of(row_a, row_b) if reason is None else None
            if ratio is not None:
                pairs.append(_pair(row_a, row_b, ratio))
                continue
            reason = reason or (Why.NO_INTERVAL, "a time or its interval is missing, zero or beyond all measure")
        elif row_a is not None:
            reason = _alone(row_a, Why.ONLY_A, Why.FAILED_A, "A", absence_b)
        else:
            assert row_b is not None
            reason = _alone(row_b, Why.ONLY_B, Why.FAILED_B, "B", absence_a)
        row = row_a or row_b
        assert row is not None
        status_a, status_b = (each.status.value if each else ABSENT for each in (row_a, row_b))
        apart.append(Apart(row.kernel, row.cell, row.case_id, row.case, *reason, status_a, status_b))
    return pairs, apart


def _pair(a: SweepRow, b: SweepRow, ratio: Ratio) -> Pair:
    return Pair(a.cell, a.case_id, a.case, a.origin or b.origin, _timed(a), _timed(b), ratio, ratio.outcome)


def _timed(row: SweepRow) -> Timed:
    return Timed(row.kernel, row.version, row.time_s, row.low_s, row.high_s, row.status is Status.NOISY, any(map(is_helped, row.warnings)))


def _difference(a: SweepRow, b: SweepRow, *, named: bool) -> tuple[Why, str] | None:
    """Why two rows of one question cannot be compared; None where they can. `named`: the kernels were chosen, so versions may differ."""
    failed_a, failed_b = _FAILED_WORDS.get(a.status, ""), _FAILED_WORDS.get(b.status, "")
    if failed_a and failed_b:
        return Why.FAILED_BOTH, f"{failed_a} in both" if failed_a == failed_b else f"{failed_a} in A, {failed_b} in B"
    if failed_a or failed_b:
        return (Why.FAILED_A, f"{failed_a} in A") if failed_a else (Why.FAILED_B, f"{failed_b} in B")
    declined = [name for name, row in (("A", a), ("B", b)) if row.status is Status.SKIPPED]
    if declined:
        return Why.DECLINED, f"{' and '.join(declined)} {'decline' if len(declined) == 2 else 'declines'} it"
    if not a.timed or not b.timed:
        return Why.NO_INTERVAL, f"no time in {'A' if not a.timed else 'B'}"
    if a.version != b.version and not named:
        return Why.OTHER_VERSION, f"{a.kernel} is version {a.version or 'unknown'} in A, {b.version or 'unknown'} in B"
    if elsewhere(a.params) != elsewhere(b.params) or a.params.get("device", "cpu") != b.params.get("device", "cpu"):
        return Why.OTHER_DEVICE, f"on {a.params.get('device', 'cpu')} in A, on {b.params.get('device', 'cpu')} in B"
    if a.timed_by != b.timed_by:
        return Why.TIMED_OTHERWISE, f"timed by {a.timed_by or 'unknown'} in A, by {b.timed_by or 'unknown'} in B"
    return None


def _alone(row: SweepRow, only: Why, failed: Why, side: str, other: _Absence) -> tuple[Why, str]:
    """The reason of a row without a partner; that it failed comes first."""
    if row.status in FAILED:
        return failed, f"{_FAILED_WORDS[row.status]} in {side}, absent in the other"
    beyond = f"{'B' if side == 'A' else 'A'} {other.words(row)}"
    return (Why.DECLINED, f"{side} declines it, {beyond}") if row.status is Status.SKIPPED else (only, f"only in {side}: {beyond}")


_DIFFERING = (("dtype", "data type"), ("threads", "number of threads"), ("temperature", "temperature of the caches"))


class _Absence:
    """Says why a side has no partner for a row."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._kernels = {row.kernel for row in side.rows}
        self._cases = {row.case for row in side.rows}
        self._alike: dict[Case, list[Case]] = {}
        for case in dict.fromkeys(row.case for row in side.rows):
            self._alike.setdefault(_product(case), []).append(case)

    def words(self, row: SweepRow) -> str:
        """`has no kernel mkl@mkl`, `has it only with another data type`, `has no such question`."""
        if self._side.absence:
            return self._side.absence
        if not self._side.kernel and row.kernel not in self._kernels:
            return f"has no kernel {row.kernel}"
        if row.case in self._cases:
            return f"did not ask it of {row.kernel}"
        nearest = min((_differing(row.case, case) for case in self._near(row)), key=len, default=())
        if nearest:
            return f"has it only with another {' and '.join(nearest)}"
        return "was not asked" if self._side.kernel else "has no such question"

    def _near(self, row: SweepRow) -> list[Case]:
        return self._alike.get(_product(row.case), [])


def _differing(case: Case, other: Case) -> tuple[str, ...]:
    return tuple(words for name, words in _DIFFERING if getattr(case, name) != getattr(other, name))


def _product(case: Case) -> Case:
    """What is left of a question without data type, threads and temperature."""
    return replace(case, dtype="f32", threads=1, temperature="hot")
