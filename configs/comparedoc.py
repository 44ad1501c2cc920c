"""Describe a comparison of two sides, cell by cell: what `mmbench compare --json` writes, and what screens and pages are drawn from.

Every ratio here is the time of B over the time of A. Above 1, A is faster: 1.08 reads "A is 1.08x as fast as B". What is not known is null.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite, nan

from .cases import Case

COMPARE_SCHEMA = 1


class Outcome(StrEnum):
    """What an interval shows. That no difference is shown is a result of its own, and not that there is none."""

    A_FASTER = "a-faster"
    B_FASTER = "b-faster"
    NO_DIFFERENCE = "no-difference-shown"


class Why(StrEnum):
    """Why a cell of one side has no ratio."""

    ONLY_A = "only-in-a"
    ONLY_B = "only-in-b"
    FAILED_A = "failed-in-a"  # wrong, crashed or timed out
    FAILED_B = "failed-in-b"
    FAILED_BOTH = "failed-in-both"
    DECLINED = "declined"  # a side was asked and does not serve it
    OTHER_VERSION = "other-version"
    TIMED_OTHERWISE = "timed-otherwise"  # from Python on one side, in machine code on the other
    OTHER_DEVICE = "other-device"
    NO_INTERVAL = "no-interval"


@dataclass(frozen=True, slots=True)
class Ratio:
    """Time of B over time of A, with an interval of about 95 %. Above 1, A is faster."""

    value: float
    low: float
    high: float

    @property
    def usable(self) -> bool:
        """Whether it is a positive finite number inside a positive finite interval."""
        return all(map(isfinite, (self.value, self.low, self.high))) and 0 < self.low <= self.value <= self.high

    @property
    def outcome(self) -> Outcome:
        """What its interval shows; nothing where it covers 1, or where there is none."""
        if self.usable and self.low > 1:
            return Outcome.A_FASTER
        if self.usable and self.high < 1:
            return Outcome.B_FASTER
        return Outcome.NO_DIFFERENCE

    def inverse(self) -> Ratio:
        """The same with A and B exchanged."""
        return Ratio(1 / self.value, 1 / self.high, 1 / self.low)


@dataclass(frozen=True, slots=True)
class Mean:
    """A geometric mean of the ratios of `n` cells, with an interval of 95 % and the median beside it.

    Of one cell the interval is that cell's own; of two there is none, because two cells say next to nothing of how cells vary.
    """

    value: float
    low: float
    high: float
    n: int
    median: float = nan

    @property
    def has_interval(self) -> bool:
        """Whether there is an interval."""
        return isfinite(self.low) and isfinite(self.high)

    @property
    def outcome(self) -> Outcome:
        """What its interval shows."""
        return Ratio(self.value, self.low, self.high).outcome

    def inverse(self) -> Mean:
        """The same with A and B exchanged."""
        return Mean(1 / self.value, 1 / self.high, 1 / self.low, self.n, 1 / self.median)


@dataclass(frozen=True, slots=True)
class Timed:
    """What one side contributes to a ratio: the time of one call in seconds with its interval, and which kernel and version took it.

    `noisy`: known less well than its sweep asked for. `helped`: threads of its own worked besides those that were asked for.
    """

    kernel: str
    version: str
    time_s: float
    low_s: float
    high_s: float
    noisy: bool = False
    helped: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """One question that both sides answered, and the ratio of their times."""

    cell: str
    case_id: str
    case: Case
    origin: str
    a: Timed
    b: Timed
    ratio: Ratio
    outcome: Outcome

    @property
    def helped(self) -> bool:
        """Whether the ratio is unfair: threads that nobody asked for worked on a side."""
        return self.a.helped or self.b.helped


@dataclass(frozen=True, slots=True)
class Apart:
    """One cell that cannot be compared, and why. `a` and `b` are how each side answered: a status of a row, or absent."""

    kernel: str
    cell: str
    case_id: str
    case: Case
    why: Why
    words: str
    a: str
    b: str


@dataclass(frozen=True, slots=True)
class ComparedSide:
    """One side: its name on the screen, what kind of thing it is (kernel, run or machine), where its rows come from."""

    name: str
    kind: str
    machine_id: str
    runs: tuple[str, ...] = ()
    kernel: str = ""
    synthetic: bool = False


@dataclass(frozen=True, slots=True)
class KernelMean:
    """The geometric mean of one kernel's cells, where the sides are machines or runs."""

    kernel: str
    mean: Mean
    a_faster: int
    b_faster: int
    no_difference: int


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a rule (`--fail-on`) found: the rule in words, the findings, the exit code that follows; `not_judged` is what it leaves out."""

    rule: str
    exit_code: int
    slower: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()
    not_judged: str = ""


@dataclass(frozen=True, slots=True)
class CompareDocument:
    """A whole comparison. `pairs` are sorted by ratio, those in which A is fastest first. `mean` is null where no cell can be compared."""

    schema: int
    a: ComparedSide
    b: ComparedSide
    kind: str = "comparison"
    pairs: tuple[Pair, ...] = ()
    apart: tuple[Apart, ...] = ()
    mean: Mean | None = None
    kernels: tuple[KernelMean, ...] = ()
    a_faster: int = 0
    b_faster: int = 0
    no_difference: int = 0
    notes: tuple[str, ...] = ()
    ruling: Ruling | None = None
