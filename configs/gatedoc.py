"""Describe what a gate found, derived and ready to be read: what `--json` and the exports write, and what screens and pages are drawn from.

Changes are shares of time: 0.03 is 3 % more time on the new side, -0.02 is 2 % less. What is not known is null.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from math import nan

from .cases import Case
from .facts import Scalar
from .gateplan import Control, Side

GATE_DOCUMENT_SCHEMA = 1


class Verdict(StrEnum):
    """What is said of a cell. The last five are those of cells without a result."""

    REGRESSION = "regression"
    IMPROVEMENT = "improvement"
    EQUIVALENT = "equivalent"
    INCONCLUSIVE = "inconclusive"
    DELETED = "deleted"
    MISSING = "missing"
    CRASHED = "crashed"
    TIMEOUT = "timeout"
    WRONG = "wrong"

    @property
    def green(self) -> bool:
        """Whether this is good news that was shown, and not only the lack of bad news."""
        return self in (Verdict.EQUIVALENT, Verdict.IMPROVEMENT)

    @property
    def broken(self) -> bool:
        """Whether there is no result to judge."""
        return self in BROKEN


BROKEN = (Verdict.DELETED, Verdict.MISSING, Verdict.CRASHED, Verdict.TIMEOUT, Verdict.WRONG)


@dataclass(frozen=True, slots=True)
class GateRow:
    """One cell. `change` is the Hodges-Lehmann estimate with an interval (`low`, `high`) by inverting the test.

    `p` is that of the verdict's direction (slower, where it has none), `needed` what it was held against. `blocks` launches count,
    `confirmed_on` of them fresh ones for confirming; `dropped` were disturbed. `promised` is the effect that the plan promised to show;
    `smallest`, of an inconclusive cell, the least slowdown that would have been confirmed (null: none could). `could_hide`: a slowdown of
    the size to detect is not excluded. `old_s` and `new_s` are seconds a call, `noise` the spread of one block. `calls`, `units` and
    `spoiled` tell how it was measured (see `gateplan.Tuned`). `differences` are those of the counted blocks, as logs of new over old, with
    `launches` and `orders` (ABBA, BAAB or mixed) beside them. `advisory`: its verdict fails nothing.
    """

    name: str
    case_id: str
    case: Case
    kernel: str
    verdict: Verdict
    origin: str = ""
    family: str = ""
    control: Control = Control.NONE
    change: float = nan
    low: float = nan
    high: float = nan
    p: float = nan
    needed: float = nan
    blocks: int = 0
    confirmed_on: int = 0
    dropped: int = 0
    promised: float = nan
    smallest: float = nan
    could_hide: bool = True
    why: str = ""
    old_s: float = nan
    new_s: float = nan
    noise: float = nan
    calls: int = 0
    units: int = 0
    spoiled: int = 0
    handoff: str = ""
    advisory: bool = False
    differences: tuple[float, ...] = ()
    launches: tuple[int, ...] = ()
    orders: tuple[str, ...] = ()
    command: str = ""


@dataclass(frozen=True, slots=True)
class GateFamily:
    """Cells that were judged together on one number a launch: a shift too small to be seen in any one of them."""

    family: str
    cells: int
    launches: int
    verdict: Verdict
    change: float = nan
    low: float = nan
    high: float = nan
    p: float = nan
    needed: float = nan


@dataclass(frozen=True, slots=True)
class GateControls:
    """What the controls said. `power_low` to `power_high` is where the power lies by the planted cells that were found (95 %).

    `untrusted` are the reasons why the run deserves no trust; none for one that does.
    """

    same: int = 0
    same_hits: tuple[str, ...] = ()
    planted: int = 0
    planted_share: float = nan
    planted_found: int = 0
    power_low: float = nan
    power_high: float = nan
    discarded: float = nan
    untrusted: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """The noise at one launch: when it began (seconds into the run), the median spread within its visits, how many blocks it lost."""

    launch: int
    stage: str
    at_s: float
    spread: float = nan
    blocks: int = 0
    dropped: int = 0
    marks: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """Something in which the sides are not alike besides what is compared: `what`, and its value on each side."""

    what: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class GateDocument:
    """A whole gate. `rows` are the gate's own cells, `control_rows` those of its controls. `weak` says why its verdicts are worth less than
    those of a baseline that was run again (empty: they are not). `outcome` is one word for all: `passed`, or the gravest of `untrusted`,
    a verdict, `unfinished`."""

    schema: int
    run_id: str
    machine_id: str
    started_at: str
    old: Side
    new: Side
    kind: str = "gate"
    file: str = ""
    outcome: str = ""
    weak: str = ""
    finished: bool = False
    end_reason: str = ""
    wall_s: float = nan
    parts_s: dict[str, float] = field(default_factory=dict)
    preset: str = ""
    seed: int = 0
    margin: float = nan
    detect: float = nan
    alpha: float = nan
    power: float = nan
    time_budget_s: float = 0.0
    promise: str = ""
    discarded: float = nan
    rows: tuple[GateRow, ...] = ()
    control_rows: tuple[GateRow, ...] = ()
    families: tuple[GateFamily, ...] = ()
    controls: GateControls = GateControls()
    moments: tuple[Moment, ...] = ()
    differences: tuple[Difference, ...] = ()
    command: str = ""
    notes: tuple[str, ...] = ()
    settings: dict[str, Scalar] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def tally(self) -> dict[Verdict, int]:
        """How many cells have each verdict; only those that occur."""
        found: dict[Verdict, int] = {}
        for row in self.rows:
            found[row.verdict] = found.get(row.verdict, 0) + 1
        return {verdict: found[verdict] for verdict in Verdict if verdict in found}
