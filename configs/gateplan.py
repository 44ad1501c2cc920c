"""Describe a gate before it runs: two sides, who meets whom in which cell, the rules, and what was chosen from the machine's own noise.

A gate's run file holds, after its first line, these events: `gate_plan` (a GatePlan), `gate_opened` (a GateOpened, for each side of a
contest), `tuned` (a Tuned, for each cell, from its pilot visit), `promise` (a Promise, before anything is decided), `launch` (a Launch),
`block` (a GateBlock, once a visit of a cell is over), `state` (a CellState, where a cell fell out), `conditions`, `note`, `end` (a
SweepEnd). A resumed gate appends to the same file. Verdicts are no events: they are worked out of these when the file is read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from .cases import Case
from .plan import Entrant, Opened

GATE = "gate"  # the kind of its run


class Control(StrEnum):
    """What a cell is for: the gate itself, or holding the gate to account."""

    NONE = ""
    SAME = "same"  # the old side against its own second copy: whatever is found there is bias
    PLANTED = "planted"  # the old side against its own copy that does more work: it has to be found


class Stage(StrEnum):
    """What a launch was taken for. Only `confirm` can condemn, and only `screen` and `confirm` count."""

    PILOT = "pilot"
    SCREEN = "screen"
    CONFIRM = "confirm"


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the gate. `word` is what was asked for (`lib:/opt/a/libfoo.so`), `kind` its first part, or `here` for this installation.

    `python` is the interpreter that its workers run ("" for this one), `place` the environment or file, `packages` the versions that it
    has of what matters.
    """

    word: str
    kind: str = "here"
    python: str = ""
    place: str = ""
    packages: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Contest:
    """Who meets whom: `name` is that of the new side's kernel."""

    name: str
    old: Entrant
    new: Entrant


@dataclass(frozen=True, slots=True)
class GateCell:
    """One case in one contest. `family` is what the pooled test puts together (a data type)."""

    case: Case
    contest: str
    origin: str = ""
    control: Control = Control.NONE
    family: str = ""

    @property
    def name(self) -> str:
        """The same for the same cell, and no other's."""
        return " ".join(filter(None, (self.contest, self.case.name, self.control and f"[{self.control}]")))


@dataclass(frozen=True, slots=True)
class GatePlan:
    """What a gate will do. Effects are shares (0.03: 3 % more time); `alpha` is the chance that a whole gate of unchanged code fails.

    `planted` is the share of work that a planted cell does besides. `visit_s` is how long one launch measures one cell at least, `quartets`
    how many quartets of turns it takes at least. `time_budget_s` of 0 means none.
    """

    old: Side
    new: Side
    contests: tuple[Contest, ...]
    cells: tuple[GateCell, ...]
    margin: float = 0.01
    detect: float = 0.03
    alpha: float = 0.01
    power: float = 0.95
    planted: float = 0.03
    visit_s: float = 0.05
    quartets: int = 4
    time_budget_s: float = 0.0
    seed: int = 0
    preset: str = ""
    check: str = "quick"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GateOpened:
    """What a side's worker found when it opened its kernel."""

    contest: str
    side: str  # old, new
    opened: Opened


@dataclass(frozen=True, slots=True)
class TurnRate:
    """What turns of so many units buy: variance of the robust centre times seconds of measuring."""

    units: int
    variance_s: float


@dataclass(frozen=True, slots=True)
class Tuned:
    """How a cell is measured: a timed unit is `calls` calls, a turn `units` units of which none of the `spoiled` first ones counts.

    `call_s` is a first estimate of one call. `handoff` is how sides take over from each other (futex or driver) and `switch_s` what
    that costs. `costs` are the lengths of turns as rated on a trace of this cell; `cost_error` is their relative error. `proofs` says by
    which steps each side's result was proven.
    """

    cell: int
    calls: int
    units: int
    spoiled: int
    call_s: float
    handoff: str = ""
    switch_s: float = 0.0
    costs: tuple[TurnRate, ...] = ()
    cost_error: float = 0.0
    proofs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Promise:
    """What the planner said before anything was decided: for each cell the effect that it will show (null: none), and its blocks."""

    sentence: str
    sees: tuple[float | None, ...]
    screen: tuple[int, ...]
    confirm: tuple[int, ...]
    time_s: float


@dataclass(frozen=True, slots=True)
class Launch:
    """One fresh pair of processes, and what was drawn for it: the size of the environment and the length of the install path (those of the
    old side; `kernels.gate.launch.turned` moves them on for the others), the place of operands within a page, which side began."""

    launch: int
    stage: Stage
    environment_bytes: int = 0
    path_chars: int = 0
    offset_bytes: int = 0
    first: str = "old"


@dataclass(frozen=True, slots=True)
class GateBlock:
    """One visit of a launch to a cell: quartets of turns, in the order of time.

    `orders` has a letter for each quartet: `a` for ABBA (A is the old side), `b` for BAAB. `times_s` are seconds a call of each timed unit:
    for each quartet four turns of `units` units. `marks` says of each turn what disturbed it ("" where nothing did; no marks at all where
    nothing disturbed any). `dropped` says what disturbed the visit as a whole (steal, a throttled quota).
    """

    cell: int
    launch: int
    stage: Stage
    orders: str
    units: int
    times_s: tuple[float, ...]
    marks: tuple[str, ...] = ()
    dropped: str = ""
    at_s: float = 0.0
    wall_s: float = 0.0


@dataclass(frozen=True, slots=True)
class CellState:
    """Why a cell has no verdict of its own: `state` is a word of `kernels.gate.blocks.State`, `side` whose fault it was."""

    cell: int
    state: str
    side: str = ""
    reason: str = ""
