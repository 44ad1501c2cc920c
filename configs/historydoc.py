"""Describe what became of kernels over stored runs of one machine: what `mmbench history --json` writes, and what its screen is drawn from.

Changes are shares of time: 0.05 is 5 % more time after than before. What is not known is null. Advisory: no history fails anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from math import nan

from .cases import Case

HISTORY_SCHEMA = 1


class Unit(StrEnum):
    """What the values of a series are; the two never share one."""

    RATIO = "ratio"  # the time over that of the reference kernel in the same cell and run
    SECONDS = "seconds"  # of one call, drift of the machine and all


@dataclass(frozen=True, slots=True)
class Altered:
    """Something that was one thing in the run before and is another in this one: a version, the code, a package."""

    what: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class HistoryRun:
    """One stored run. `commit` is that of the folder in which it was started ("" for none), `altered` what is not as in the run before."""

    id: str
    kind: str
    started_at: str
    file: str = ""
    commit: str = ""
    mmbench: str = ""
    altered: tuple[Altered, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """A change between two runs, by their index in `HistoryDocument.runs`: `after` is the first run of the new time.

    `change` compares the medians of both sides, up to the neighbouring change points. `p` is that of its split, after maximising over all
    places. `altered` is what changed in the kernel at that very run: a likely cause, and no more than that.
    """

    before: int
    after: int
    change: float
    p: float
    altered: tuple[Altered, ...] = ()


@dataclass(frozen=True, slots=True)
class Alteration:
    """What was altered of a kernel at a run (by index), whether or not times changed with it."""

    run: int
    altered: tuple[Altered, ...]


@dataclass(frozen=True, slots=True)
class HistorySeries:
    """One kernel in one cell over the runs in which it has a time. `runs` are indices into `HistoryDocument.runs`, one for each value.

    `left_out` runs have a time and no reference beside it, and are not in the series. `noise` is the robust spread from run to run, as a
    share. `p` and `needed` are those of the first split and of its Holm step; both null, and `untested` says why, where there was no test.
    """

    kernel: str
    cell: str
    case_id: str
    case: Case
    kind: str
    timed_by: str
    unit: Unit
    origin: str = ""
    reference: str = ""
    runs: tuple[int, ...] = ()
    values: tuple[float, ...] = ()
    left_out: int = 0
    noise: float = nan
    p: float = nan
    needed: float = nan
    untested: str = ""
    changes: tuple[ChangePoint, ...] = ()
    altered: tuple[Alteration, ...] = ()


@dataclass(frozen=True, slots=True)
class HistoryDocument:
    """A whole history. `refused` are runs that cannot stand beside the newest one, with the reason. `tested` series share `alpha`."""

    schema: int
    machine_id: str
    kind: str = "history"
    reference: str = ""
    reference_why: str = ""
    alpha: float = nan
    tested: int = 0
    runs: tuple[HistoryRun, ...] = ()
    series: tuple[HistorySeries, ...] = ()
    refused: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
