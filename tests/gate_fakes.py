"""Sides of a gate that measure nothing: times come from a model of noise, drift, order and true change, on a clock that is told."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmbench.configs.cases import Case
from mmbench.configs.codec import decode, encode
from mmbench.configs.gatelog import Gate, read_gate
from mmbench.configs.gateplan import GATE, CellState, Contest, Control, GateCell, GateOpened, GatePlan, Launch, Promise, Side, Stage
from mmbench.configs.plan import Entrant, Opened, SweepEnd
from mmbench.configs.runs import RUN_SCHEMA, Run
from mmbench.configs.store import RunWriter
from mmbench.kernels.gate.launch import OLD
from mmbench.kernels.gate.run import run_gate
from mmbench.kernels.host import CacheSize, Host
from mmbench.kernels.measure.worker import WorkerError

HOST = Host((CacheSize("L1d", 32768), CacheSize("L2", 1 << 20)), (0,))
ENTRANT = Entrant("vectorized", "own", "1")
CONTEST = Contest("vectorized", ENTRANT, ENTRANT)


@dataclass(slots=True)
class Model:
    """How times come about.

    `change`: the true share by case, `launch_sd`: the luck of a process, `turn_sd`: noise of a turn, `drift`: of the log of time by turn,
    `second`: what the second of two turns costs (an order effect), `wild`: share of turns that take twice as long, `marked`: whether wild
    turns are marked as disturbed.
    """

    change: Mapping[str, float] = field(default_factory=dict)
    launch_sd: float = 0.002
    turn_sd: float = 0.004
    drift: float = 0.0
    second: float = 0.0
    wild: float = 0.0
    marked: bool = False
    call_s: float = 1e-4
    seed: int = 1
    fails: Callable[[str, str, Case | None, int], None] = lambda *_: None  # (side, function, case, launch)


class FakeWorker:
    """Answers as a side's process would."""

    def __init__(self, model: Model, side: str, launch: Launch) -> None:
        self._model, self._side, self._launch = model, side, launch
        self._order = random.Random(f"{model.seed} {side} {launch.launch}")
        self._case: Case | None = None
        self.alive = False

    def start(self) -> None:
        self.alive = True

    def stop(self) -> None:
        self.alive = False

    def pause(self) -> None:
        """A process of no threads."""

    def __enter__(self) -> FakeWorker:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def call(self, function: str, arguments: Any, timeout_s: float, progress: object = None) -> Any:
        del timeout_s, progress
        name = function.partition(":")[2]
        self._model.fails(self._side, name, self._case, self._launch.launch)
        return getattr(self, f"_{name}")(arguments)

    def _open_kernel(self, _arguments: Any) -> Any:
        return encode(Opened("vectorized", "1"))

    def _ask_cases(self, arguments: Any) -> Any:
        return [""] * len(arguments["cases"])

    def _prepare_cell(self, arguments: Any) -> Any:
        self._case = decode(Case, arguments["case"])
        self._luck = self._order.gauss(0.0, self._model.launch_sd)
        proof = "" if arguments["digest"] == "d" else "integer-exact"
        return {"status": "ok", "reason": "", "digest": "d", "call_s": self._model.call_s, "proof": proof, "relays": True}

    def _tune_cell(self, _arguments: Any) -> Any:
        trace = [self._model.call_s * math.exp(self._order.gauss(0.0, self._model.turn_sd)) for _ in range(400)]
        return {"calls": 1, "call_s": self._model.call_s, "trace_s": trace}

    def _relay_cell(self, arguments: Any) -> Any:
        model, case = self._model, self._case
        assert case is not None
        change = model.change.get(case.shape, 0.0) if self._side == "new" else 0.0
        base = math.log(model.call_s) + math.log1p(change) + math.log1p(arguments["planted"]) + self._luck
        times, marks = [], []
        for turn in arguments["schedule"]:
            wild = self._order.random() < model.wild
            marks.append("off-cpu" if wild and model.marked else "")
            for _ in range(arguments["units"]):
                noise = self._order.gauss(0.0, model.turn_sd) + model.drift * turn + model.second * (turn % 2)
                times.append(math.exp(base + noise + (math.log(2.0) if wild else 0.0)))
        return {"time_s": times, "marks": marks, "clock_hz": [3_000_000_000] * len(marks), "wall_s": sum(times)}

    def _finish_cell(self, _arguments: Any) -> Any:
        return ""


def dying(message: str = "killed by SIGSEGV", *, hung: bool = False) -> WorkerError:
    """How a worker's death is told."""
    return WorkerError(message, died=True, hung=hung)


class Record:
    """A `GateWatch` that remembers."""

    def __init__(self) -> None:
        self.states: list[CellState] = []
        self.promises: list[Promise] = []
        self.stages: list[Stage] = []

    def opened(self, info: GateOpened) -> None:
        del info

    def stage(self, stage: Stage, cells: int, launches: int) -> None:
        del cells, launches
        self.stages.append(stage)

    def cell(self, stage: Stage, number: int, total: int, name: str, left_s: float) -> None:
        del stage, number, total, name, left_s

    def promise(self, promise: Promise) -> None:
        self.promises.append(promise)

    def state(self, name: str, state: CellState) -> None:
        del name
        self.states.append(state)


def plan_of(count: int = 8, *, controls: bool = True, **more: Any) -> GatePlan:
    """So many cells, with two of each control."""
    own = [GateCell(Case(16 * (i + 1), 16, 16), "vectorized", "cube", family="f32") for i in range(count)]
    held = [GateCell(c.case, c.contest, c.origin, kind, c.family) for kind in (Control.SAME, Control.PLANTED) for c in own[:2]]
    return GatePlan(Side("kernel:vectorized", "kernel"), Side("here"), (CONTEST,), (*own, *(held if controls else ())), **more)


def run_fake(
    folder: Path, plan: GatePlan, model: Model, *, path: Path | None = None, watch: Record | None = None
) -> tuple[Gate, SweepEnd | None]:
    """A whole gate with these sides; `path` goes on with a file. The file is read even where the run raised KeyboardInterrupt."""
    watch = watch or Record()

    def start(side: str, contest: Contest, launch: Launch) -> Any:
        return nullcontext((FakeWorker(model, side if side != "copy" else OLD + "'", launch), contest.old))

    run = Run(RUN_SCHEMA, "f00d", GATE, "fake-machine-000000", "2026-11-25T10:00:00Z", seed=plan.seed, versions={"mmbench": "0.1"})
    end = None
    writer = RunWriter(folder).open(run) if path is None else RunWriter(folder).reopen(path)
    with writer:
        seen = None
        if path is None:
            writer.append("gate_plan", plan)
        else:
            seen = read_gate(path)
        try:
            end = run_gate(plan, host=HOST, writer=writer, watch=watch, start=start, seen=seen)
        except KeyboardInterrupt:
            end = None
    return read_gate(writer.path), end
