"""Keep what is known of a gate under way: what was measured, who fell out, where the time went. Decisions are made elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from ...configs.gatelog import Gate
from ...configs.gateplan import CellState, GateBlock, GateOpened, GatePlan, Promise, Stage, Tuned
from ...configs.store import RunWriter
from ..host import Host
from .blocks import Block, Cell, State
from .evidence import block_of_visit
from .launch import Proven, Starter
from .planning import BLIND
from .relay import Baton


class GateWatch(Protocol):
    """What the command line shows while a gate runs; a test records it."""

    def opened(self, info: GateOpened) -> None:
        """A side's worker answered."""

    def stage(self, stage: Stage, cells: int, launches: int) -> None:
        """A stage begins: so many cells, in so many launches if nothing is dropped."""

    def cell(self, stage: Stage, number: int, total: int, name: str, left_s: float) -> None:
        """A cell is visited; `left_s` is the time left by what is known so far (NaN: not known)."""

    def promise(self, promise: Promise) -> None:
        """The planner spoke."""

    def state(self, name: str, state: CellState) -> None:
        """A cell fell out."""


@dataclass(slots=True)
class Course:
    """A gate under way."""

    plan: GatePlan
    host: Host
    writer: RunWriter
    watch: GateWatch
    start: Starter
    baton: Baton
    baton_path: str
    began: float
    proven: Proven = field(default_factory=Proven)
    tuned: dict[int, Tuned] = field(default_factory=dict)
    clocks: dict[int, float] = field(default_factory=dict)
    blocks: dict[Stage, dict[int, list[Block]]] = field(default_factory=lambda: {Stage.SCREEN: {}, Stage.CONFIRM: {}})
    block_s: dict[int, list[float]] = field(default_factory=dict)  # what a block costs, preparing included
    fallen: dict[int, CellState] = field(default_factory=dict)
    told: set[tuple[str, str]] = field(default_factory=set)  # sides whose `opened` was written
    retried: set[tuple[int, str]] = field(default_factory=set)  # (first cell, side) of rounds in which a side could not be opened
    launches: int = 0
    launch_s: list[float] = field(default_factory=list)
    promise: Promise | None = None
    parts_s: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("starting", "proving", "tuning", "sampling"), 0.0))

    def remember(self, seen: Gate) -> None:
        """Take over what a gate that was cut off has in its file. Proofs are not kept there: each process makes its own."""
        self.tuned = {t.cell: t for t in seen.tuned}
        self.fallen = {s.cell: s for s in seen.states}
        if any(visit.stage is Stage.CONFIRM for visit in seen.blocks):  # before that the plan is made anew, for the time that there is now
            self.promise = seen.promises[-1]
        numbers = {launch.launch for launch in seen.launches} | {block.launch for block in seen.blocks}
        self.launches = max(numbers, default=-1) + 1
        self.told = {(o.contest, o.side) for o in seen.opened}
        for visit in seen.blocks:
            if visit.stage is not Stage.PILOT:
                self.blocks[visit.stage].setdefault(visit.cell, []).append(block_of_visit(visit))
                self.block_s.setdefault(visit.cell, []).append(visit.wall_s)

    def keep(self, visit: GateBlock) -> None:
        """Write a block, and count it."""
        self.writer.append("block", visit)
        self.blocks[visit.stage].setdefault(visit.cell, []).append(block_of_visit(visit))

    def left_s(self) -> float:
        """What is left of the budget; infinite without one."""
        budget_s = self.plan.time_budget_s
        return budget_s - (time.monotonic() - self.began) if budget_s else math.inf

    def counted(self, stage: Stage, cell: int) -> int:
        """Blocks of a cell that count."""
        return sum(not block.dropped for block in self.blocks[stage].get(cell, ()))

    def alive(self) -> list[int]:
        """Cells that have not fallen out."""
        return [i for i in range(len(self.plan.cells)) if i not in self.fallen]

    def judged(self, cells: Iterable[int]) -> list[Cell]:
        """Cells as `decide` sees them, by what was measured so far."""
        found = []
        for i in cells:
            cell = self.plan.cells[i]
            screen, confirm = (tuple(self.blocks[stage].get(i, ())) for stage in (Stage.SCREEN, Stage.CONFIRM))
            sees = self.promise.sees[i] if self.promise else self.plan.detect
            sees = BLIND if sees is None or math.isnan(sees) else sees
            found.append(Cell(cell.name, cell.family, State.TIMED, screen, confirm, sees))
        return found
