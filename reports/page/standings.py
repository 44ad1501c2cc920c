"""Count how every kernel stands on a machine: the cells that it serves right, how near it comes to the best, where it failed.

The verdict and the section on fragmentation both speak of these figures. The best of a cell is the shortest time of any kernel, one with
its epilogue in a pass of its own included, as in a sweep's own screen; such kernels are no libraries of their own and have no standing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ...configs.cases import Status
from ...configs.sweepdoc import SweepRow
from ..sweep_rows import NEAR
from ..sweep_words import HELPED
from .evidence import Evidence, Subject
from .rows import best_times, failed, helped, is_timed, mean_share, names_of, rows_of


@dataclass(frozen=True, slots=True)
class Total:
    """What one kernel did in all cells: how many it served right, within 5 % of the best, as the best; how often it failed, and how.

    `speed` is the geometric mean of the best time over its own; None where it serves nothing. `aided`: in some cell others than the asked
    threads worked for it.
    """

    kernel: str
    name: str
    kind: str
    served: int
    near: int
    best: int
    failed: Counter[Status]
    speed: float | None
    aided: bool

    @property
    def marked(self) -> str:
        """Its name, with the mark of kernels that others helped."""
        return self.name + (HELPED if self.aided else "")


@dataclass(frozen=True, slots=True)
class Standings:
    """A machine's rows that can be compared, a row of each cell, the best time of each, the kernels in order of the cells they serve."""

    subject: Subject
    rows: tuple[SweepRow, ...]
    cells: dict[str, SweepRow]
    best: dict[str, float]
    totals: tuple[Total, ...]

    @staticmethod
    def of(evidence: Evidence, subject: Subject) -> Standings | None:
        """Those of one machine; None where no row can be compared."""
        rows = rows_of(subject)
        if not rows:
            return None
        best = best_times(subject)
        kinds = {name: kernel.kind for name, kernel in subject.kernels.items()}
        own: dict[str, list[SweepRow]] = {}
        for row in rows:
            own.setdefault(row.kernel, []).append(row)
        totals = [_total(k, name, kinds.get(k, ""), own[k], best) for k, name in names_of(evidence, subject, rows).items()]
        totals.sort(key=lambda t: (-t.served, -t.near, t.name))
        return Standings(subject, tuple(rows), {row.case_id: row for row in rows}, best, tuple(totals))

    def served_by(self) -> dict[str, set[str]]:
        """Cell to the kinds of kernel (own, library, framework) that serve it right; cells that nobody serves are not in it."""
        kinds = {t.kernel: t.kind for t in self.totals}
        found: dict[str, set[str]] = {}
        for row in self.rows:
            if is_timed(row):
                found.setdefault(row.case_id, set()).add(kinds[row.kernel])
        return found


def _total(kernel: str, name: str, kind: str, rows: list[SweepRow], best: dict[str, float]) -> Total:
    ratios = [row.time_s / best[row.case_id] for row in rows if is_timed(row)]
    return Total(
        kernel,
        name,
        kind,
        len(ratios),
        sum(ratio <= NEAR for ratio in ratios),
        sum(ratio <= 1.0 for ratio in ratios),
        Counter(row.status for row in rows if failed(row)),
        mean_share(1 / ratio for ratio in ratios),
        any(map(helped, rows)),
    )
