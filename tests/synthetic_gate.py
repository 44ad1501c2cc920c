"""A gate's run file whose answers are known: times are drawn with a planted change for each cell, through the very events of a real run."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmbench.configs.cases import Case
from mmbench.configs.gatelog import Gate, read_gate
from mmbench.configs.gateplan import (
    GATE,
    CellState,
    Contest,
    Control,
    GateBlock,
    GateCell,
    GateOpened,
    GatePlan,
    Launch,
    Promise,
    Side,
    Stage,
    Tuned,
    TurnRate,
)
from mmbench.configs.plan import Entrant, Opened, SweepEnd
from mmbench.configs.runs import RUN_SCHEMA, Run
from mmbench.configs.store import RunWriter

MACHINE = "synthetic-golden-000000"
KERNEL = "openblas@numpy"
OLD = Side("lib:/opt/blas/old/libopenblas.so", "lib", place="/opt/blas/old/libopenblas.so", packages={"numpy": "2.3.1"})
NEW = Side("here", packages={"numpy": "2.4.0"})
SLOWER, FASTER = 0.06, -0.08  # planted in cells 1 and 2
SCREEN, CONFIRM = 12, 30


def gate_plan(cells: int = 12, *, controls: bool = True) -> GatePlan:
    """A grid of so many cells of one contest, in two data types, with three cells for each control."""
    contest = Contest(
        KERNEL,
        Entrant("openblas@given", "library", "2", "OpenBLAS", "/opt/blas/old/libopenblas.so"),
        Entrant(KERNEL, "library", "2", "OpenBLAS", "/opt/blas/new/libopenblas.so", "2.4.0"),
    )
    own = []
    for number in range(cells):
        size = 32 * (number // 2 + 1)
        dtype = "f32" if number % 2 == 0 else "f64"
        own.append(GateCell(Case(size, size, size, dtype=dtype), KERNEL, "cube", family=dtype))
    chosen = own[:3] if controls else []
    held = [GateCell(c.case, c.contest, c.origin, control, c.family) for control in (Control.SAME, Control.PLANTED) for c in chosen]
    return GatePlan(OLD, NEW, (contest,), (*own, *held), seed=7, preset="ci", notes=("2 cells left out: more threads than CPUs",))


def write_gate(
    results: Path,
    plan: GatePlan | None = None,
    *,
    changes: Mapping[int, float] | None = None,
    noise: float = 0.004,
    states: Sequence[CellState] = (),
    screen: int = SCREEN,
    confirm: int = CONFIRM,
    finished: bool = True,
    machine_id: str = MACHINE,
    run_id: str = "9a7e",
    seed: int = 1,
) -> Path:
    """Write the file and say where it is. `changes` are shares of time by the cell's index; confirming blocks go to all changed cells."""
    plan = plan or gate_plan()
    changes = {1: SLOWER, 2: FASTER} if changes is None else changes
    planted = {i: plan.planted for i, cell in enumerate(plan.cells) if cell.control is Control.PLANTED}
    true = {**planted, **changes}
    order = random.Random(seed)
    run = Run(RUN_SCHEMA, run_id, GATE, machine_id, "2026-11-22T16:40:11Z", {"against": plan.old.word}, plan.seed, {"mmbench": "0.1"})
    fallen = {state.cell for state in states}
    with RunWriter(results).open(run) as writer:
        writer.append("gate_plan", plan)
        for contest in plan.contests:
            old = Opened(contest.old.kernel, "0.3.28", "Haswell", "pthreads", (contest.old.path,), 30_000_000)
            new = Opened(contest.new.kernel, "0.3.30", "SkylakeX", "pthreads", (contest.new.path,), 38_000_000)
            writer.append("gate_opened", GateOpened(contest.name, "old", old))
            writer.append("gate_opened", GateOpened(contest.name, "new", new))
        for i, cell in enumerate(plan.cells):
            if i not in fallen:
                costs = (TurnRate(1, 2.1e-6), TurnRate(2, 3.0e-6), TurnRate(8, 9.4e-6))
                writer.append("tuned", Tuned(i, 4, 1, 1, call_s(cell), "futex", 6e-6, costs, 0.29, ("integer-exact", "normal numbers")))
        for state in states:
            writer.append("state", state)
        count = len(plan.cells)
        writer.append(
            "promise", Promise(f"in 2 min: 3 % on {count} of {count} cells", (0.03,) * count, (screen,) * count, (confirm,) * count, 120.0)
        )
        for launch in range(screen + confirm):
            stage = Stage.SCREEN if launch < screen else Stage.CONFIRM
            writer.append("launch", Launch(launch, stage, order.randrange(4096), order.randrange(8, 120), 64 * order.randrange(64), "old"))
            for i, cell in enumerate(plan.cells):
                if i not in fallen and (stage is Stage.SCREEN or i in true):
                    writer.append("block", _visit(i, launch, stage, call_s(cell), true.get(i, 0.0), noise, order))
        writer.append(
            "end", SweepEnd(finished, 118.0, {"sampling": 96.0, "starting": 15.0, "other": 7.0}, "" if finished else "interrupted")
        )
    return writer.path


def call_s(cell: GateCell) -> float:
    """Seconds a call of the old side."""
    return max(2e-6, cell.case.operations / 50e9)


def _visit(cell: int, launch: int, stage: Stage, time_s: float, change: float, noise: float, order: random.Random) -> GateBlock:
    luck = order.gauss(0.0, noise)
    orders = "".join(order.choice("ab") for _ in range(4))
    times = []
    for letter in orders:
        for new in (False, True, True, False) if letter == "a" else (True, False, False, True):
            drift = order.gauss(0.0, noise)
            times.append(time_s * math.exp(new * (math.log1p(change) + luck) + drift))
    marks = ("off-cpu", *[""] * 15) if order.random() < 0.1 else ()
    return GateBlock(cell, launch, stage, orders, 1, tuple(times), marks, at_s=2.5 * launch, wall_s=0.1)


def synthetic_gate(results: Path, **words: object) -> Gate:
    """The same, read back."""
    return read_gate(write_gate(results, **words))  # type: ignore[arg-type]
