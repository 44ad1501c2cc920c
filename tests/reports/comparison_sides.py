"""Build rows and sides of comparisons whose ratios are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mmbench.configs.cases import Case, Status
from mmbench.configs.sweepdoc import SweepRow
from mmbench.reports.comparison import Side

CASE = Case(128, 768, 768)


def timed(
    time_s: float, low: float = 0.99, high: float = 1.01, case: Case = CASE, kernel: str = "openblas@debian", **more: Any
) -> SweepRow:
    """A row with a time; `low` and `high` are its interval's ends as shares of it."""
    given = {"version": "1", "timed_by": "machine", **more}
    return SweepRow(
        case.name,
        case.id,
        case,
        kernel,
        given.pop("status", Status.OK),
        operations=case.operations,
        time_s=time_s,
        low_s=time_s * low,
        high_s=time_s * high,
        **given,
    )


def untimed(status: Status, case: Case = CASE, kernel: str = "openblas@debian", reason: str = "because") -> SweepRow:
    """A row without a time."""
    return SweepRow(case.name, case.id, case, kernel, status, reason=reason, version="2")


def cases(count: int) -> list[Case]:
    """So many different questions."""
    return [Case(16 + i, 64, 32) for i in range(count)]


def run_of(rows: Sequence[SweepRow], name: str = "5a3e", machine: str = "zen5-16c-1f3a2b") -> Side:
    """A whole run."""
    return Side(f"sweep {name}", "sweep", machine, tuple(rows), (name,), synthetic=machine.startswith("synthetic-"))


def spread_rows(ratios: Sequence[float], kernel: str, width: float = 0.01) -> list[SweepRow]:
    """A row a case, each so many times a microsecond."""
    return [timed(1e-6 * ratio, 1 - width, 1 + width, case, kernel) for ratio, case in zip(ratios, cases(len(ratios)), strict=True)]


def combined(*shares: float) -> float:
    """Relative widths combined by hand: e to the root of the sum of squared logarithms."""
    return math.exp(math.sqrt(sum(math.log(share) ** 2 for share in shares)))
