"""Describe what a sweep found, derived and ready to be read: what `--json` and `--export-json` write, and what screens are drawn from.

Numbers are in base units (s, op/s, B/s, Hz); what is not known is null. An operation is a multiplication or an addition: a product has
2·m·n·k of them. Raw samples stay in the run file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isnan, nan

from .cases import Case, Check, Status
from .facts import Scalar
from .sweeplog import Missing

SWEEP_DOCUMENT_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class SweepRow:
    """One kernel in one cell.

    `time_s` is that of one call, with an interval of about 95 %; `samples` of them count, `dropped` were left out. `disturbed` says what
    disturbed samples (words of `mmbench explain contamination`) and how many, a sample under each of its words; `unclean` of those count
    all the same, because the row has too few others. `rate` is operations a second, `traffic` the least bytes that must move a second,
    `intensity` operations a byte. `roof_share` is the rate over the machine's own roof at that intensity, `roof_bound` what bounds it
    (compute, or a level); `above_roof`: it is over its roof by more than both are uncertain, so one of the two is wrong. `ratio` is the
    time over that of the cell's fastest kernel. `timed_by` is machine, or python for a framework.
    """

    cell: str
    case_id: str
    case: Case
    kernel: str
    status: Status
    operations: int = 0
    origin: str = ""
    reason: str = ""
    version: str = ""
    isa: str = ""
    params: dict[str, Scalar] = field(default_factory=dict)
    time_s: float = nan
    low_s: float = nan
    high_s: float = nan
    samples: int = 0
    dropped: int = 0
    disturbed: dict[str, int] = field(default_factory=dict)
    unclean: int = 0
    timed_by: str = ""
    rate: float = nan
    traffic: float = nan
    intensity: float = nan
    clock_hz: float = nan
    cycles: float = nan
    roof_share: float = nan
    roof_bound: str = ""
    roof_name: str = ""
    above_roof: bool = False
    ratio: float = nan
    first_call_s: float | None = None
    check: Check | None = None
    code_sha: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def timed(self) -> bool:
        """Whether it was right and has a time."""
        return not isnan(self.time_s)


@dataclass(frozen=True, slots=True)
class SweepKernel:
    """One kernel of the sweep: what it is, and how many cells it served.

    `name` is short where that is unambiguous (`openblas` for `openblas@numpy`). Of all cells it served `served` with a right result,
    was fastest in `best`, and within 5 % of the fastest in `near` (the fastest included); in `failed` it was wrong, crashed or hung.
    """

    kernel: str
    name: str
    kind: str
    version: str = ""
    title: str = ""
    library_version: str = ""
    core: str = ""
    threading: str = ""
    path: str = ""
    size_bytes: int = 0
    overrides: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    start_s: float = nan
    problem: str = ""
    served: int = 0
    near: int = 0
    best: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class SweepSkip:
    """How many cells a kernel was not asked, or declined, and why."""

    kernel: str
    reason: str
    cells: int


@dataclass(frozen=True, slots=True)
class SweepFused:
    """One cell in which a kernel ran with its epilogue fused, and with the epilogue in a pass of its own.

    `gain` is the time of the second over that of the first; `saved_bytes` what the pass moves besides in each call: C written by the
    product is read and written once more. What both read (bias, residual) is saved by neither.
    """

    kernel: str
    case_id: str
    cell: str
    gain: float
    saved_bytes: int


@dataclass(frozen=True, slots=True)
class SweepDocument:
    """A whole sweep. `cells` were planned, `measured` have at least one row. `no_roofs` says why roofs are unknown, if they are.

    `samples`, `dropped` and `disturbed` are those of all rows together.
    """

    schema: int
    run_id: str
    machine_id: str
    started_at: str
    kind: str = "sweep"
    file: str = ""
    preset: str = ""
    seed: int = 0
    precision: float = 0.0
    time_budget_s: float = 0.0
    check: str = ""
    estimate_s: float = 0.0
    finished: bool = False
    end_reason: str = ""
    wall_s: float = nan
    parts_s: dict[str, float] = field(default_factory=dict)
    cells: int = 0
    measured: int = 0
    no_roofs: str = ""
    samples: int = 0
    dropped: int = 0
    disturbed: dict[str, int] = field(default_factory=dict)
    kernels: tuple[SweepKernel, ...] = ()
    absent: tuple[Missing, ...] = ()
    skips: tuple[SweepSkip, ...] = ()
    rows: tuple[SweepRow, ...] = ()
    fused: tuple[SweepFused, ...] = ()
    notes: tuple[str, ...] = ()
    settings: dict[str, Scalar] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
