"""Read a sweep's rows as figures need them: only what can be drawn, by group, with names, classes of shapes and the best of each cell.

Rows may come from anybody's file, so nothing here trusts a number: a time that is not above zero, an infinite rate, an unknown data type
cost their row, never the report.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...configs.cases import Case, Status
from ...configs.dtypes import MIXES
from ...configs.kernel_names import is_unfused
from ...configs.sweepdoc import SweepRow
from ..numbers import figure as three
from ..sweep_rows import FAILED
from ..sweep_words import HELPED, case_words, is_helped, precision_words, rate_unit, relative_width, share_words
from .blocks import plain
from .evidence import Evidence, Subject

NOT_A_WIN = "an error of flop count, unit, clock or roof, never a win"
FEW = 16  # rows or columns up to this number are few
_LONGEST = 4.0  # a side that is so many times another makes a product tall, wide or deep
_LARGEST = 10**9
TYPE_ORDER = {name: place for place, name in enumerate(MIXES)}


def rows_of(subject: Subject) -> list[SweepRow]:
    """Its rows that can be compared: of known data types and possible sizes, without libraries whose epilogue was forced apart."""
    return [row for row in subject.rows if not is_unfused(row.kernel) and sane(row.case)]


def sane(case: Case) -> bool:
    """Whether arithmetic with this case is safe."""
    return (
        case.dtype in MIXES and 0 < case.threads < _LARGEST and all(0 <= size < _LARGEST for size in (case.m, case.n, case.k, case.batch))
    )


def is_timed(row: SweepRow) -> bool:
    """Whether it was right and has a time and a rate that can be drawn."""
    return positive(row.time_s) and positive(row.rate)


def positive(value: float) -> bool:
    """A finite number above zero, and far enough from both ends that a logarithmic axis can hold it."""
    return math.isfinite(value) and 1e-30 < value < 1e30


def is_above(row: SweepRow) -> bool:
    """Whether it is above its roof: something is wrong with it, or with the roof."""
    return row.above_roof


def roof_words(row: SweepRow) -> str:
    """Its share of its roof, `91 %`; empty where it is unknown."""
    share = row.roof_share
    return "" if not positive(share) else "over 9999 %" if share > 99.99 else share_words(share)


def highest(rows: Iterable[SweepRow]) -> SweepRow:
    """The row of the highest rate; what is above its roof, or has no interval, is no candidate while there is another."""
    return max(rows, key=lambda row: (not is_above(row), relative_width(row) is not None, row.rate, row.kernel, row.case_id))


def rate_words(row: SweepRow) -> str:
    """`89.1 GFLOP/s ±1.2 %`."""
    return f"{three(row.rate * 1e-9)} {rate_unit(row.case)} {precision_words(row)}".strip()


HELP_NOTE = (
    f"{HELPED}: threads or processes of its own helped beyond those that were asked for, so that this is no fair time for so many threads."
)


def helped(row: SweepRow) -> bool:
    """Whether others than the asked threads worked for this time."""
    return row.timed and any(map(is_helped, row.warnings))


def help_mark(row: SweepRow) -> str:
    """`*` behind what such a row gives, as on screens."""
    return HELPED if helped(row) else ""


def help_note(rows: Iterable[SweepRow]) -> str:
    """What `*` means, where a row has it."""
    return HELP_NOTE if any(map(helped, rows)) else ""


def point_words(name: str, row: SweepRow) -> str:
    """The tooltip of a row that is a point in a figure."""
    share = roof_words(row)
    bound = f" ({plain(row.roof_bound, 12)})" if row.roof_bound else ""
    roof = f", {share} of the roof{bound}" if share else ""
    words = f"{name} {shape_words(row.case)}: {rate_words(row)}{help_mark(row)}{roof}"
    return words + (f": {NOT_A_WIN}" if is_above(row) else "") + (". Threads of its own helped" if helped(row) else "")


def failed(row: SweepRow) -> bool:
    """Wrong, crashed or hung."""
    return row.status in FAILED


def best_times(subject: Subject) -> dict[str, float]:
    """Cell to the shortest time of any kernel, in seconds; those with their epilogue in a pass of its own are held against, too."""
    best: dict[str, float] = {}
    for row in subject.rows:
        if is_timed(row) and sane(row.case):
            best[row.case_id] = min(row.time_s, best.get(row.case_id, row.time_s))
    return best


def mean_share(shares: Iterable[float]) -> float | None:
    """Geometric mean of numbers above zero; None without any."""
    logs = [math.log(share) for share in shares if positive(share)]
    return math.exp(math.fsum(logs) / len(logs)) if logs else None


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that share a figure: one data type and one number of threads."""

    dtype: str
    threads: int
    rows: tuple[SweepRow, ...]

    @property
    def name(self) -> str:
        """`f32-t1`."""
        return f"{self.dtype}-t{self.threads}"

    @property
    def words(self) -> str:
        """`f32, 1 thread`."""
        return f"{self.dtype}, {self.threads} thread" + ("s" if self.threads != 1 else "")

    @property
    def unit(self) -> str:
        """GOP/s where whole numbers may be multiplied, GFLOP/s elsewhere."""
        return rate_unit(self.rows[0].case)


def groups_of(rows: Iterable[SweepRow]) -> list[Group]:
    """By data type and threads, the one with most rows first."""
    found: dict[tuple[str, int], list[SweepRow]] = {}
    for row in rows:
        found.setdefault((row.case.dtype, row.case.threads), []).append(row)
    groups = [Group(dtype, threads, tuple(each)) for (dtype, threads), each in found.items()]
    return sorted(groups, key=lambda g: (-len(g.rows), g.threads, TYPE_ORDER[g.dtype]))


def listed(evidence: Evidence, groups: Sequence[tuple[Subject, Group]], most: int = 30) -> str:
    """Groups in words, with the machine where there are several."""
    several = len(evidence.swept) > 1
    words = ", ".join(f"{group.words} on {subject.label}" if several else group.words for subject, group in groups[:most])
    return words + (f" and {len(groups) - most} more" if len(groups) > most else "")


def suffix(evidence: Evidence, subject: Subject) -> str:
    """What makes a figure's name differ from that of the other machines: empty for the first, `-2` for the second."""
    number = next((i for i, s in enumerate(evidence.subjects) if s.id == subject.id), 0)
    return f"-{number + 1}" if number else ""


def names_of(evidence: Evidence, subject: Subject, rows: Iterable[SweepRow]) -> dict[str, str]:
    """Kernel to `shown_name` for all that have rows, in the order of their numbers."""
    kernels = dict.fromkeys(row.kernel for row in rows)
    kinds = {name: known.kind for name, known in subject.kernels.items()}
    ordered = sorted(kernels, key=lambda kernel: (evidence.number(kernel), kernel))
    return {k: evidence.name(k) + (" (py)" if kinds.get(k) == "framework" else "") for k in ordered}


PYTHON_NOTE = "(py): a framework that only Python can call, timed from there with its overhead."


def python_note(names: Iterable[str]) -> str:
    """What `(py)` means, where a name says it."""
    return PYTHON_NOTE if any(name.endswith(" (py)") for name in names) else ""


def shape_class(case: Case) -> str:
    """What kind of product it is by its sides, in one or two words."""
    m, n, k = case.m, case.n, case.k
    if case.batch > 1:
        return "batch"
    if min(m, n) <= 1:
        return "vector"
    if min(m, n) <= FEW:
        return "few rows" if m <= n else "few columns"
    if k * _LONGEST <= min(m, n):
        return "shallow"
    if k >= _LONGEST * max(m, n):
        return "deep"
    if m >= _LONGEST * n or n >= _LONGEST * m:
        return "tall" if m > n else "wide"
    return "near cube"


CLASS_WORDS = (
    f"Classes of shapes: vector has one row or column of C, few rows and few columns have up to {FEW}; shallow and deep: k is at "
    "most a quarter of the smaller, or at least four times the larger, of m and n; tall and wide: m or n is at least four times "
    "the other; the rest is near a cube; batch: several products at once."
)


def size_of(case: Case) -> float:
    """The side of the cube with as many operations: the cube root of m·n·k·batch."""
    return math.cbrt(case.m * case.n * case.k * case.batch)


def shape_words(case: Case, limit: int = 60) -> str:
    """The shape and what is unusual of the case, harmless."""
    return plain(case_words(case), limit)


def status_words(status: Status) -> str:
    """WRONG, CRASHED, TIMEOUT in capitals, as screens have them."""
    return status.value.upper() if status in FAILED else status.value
