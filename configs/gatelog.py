"""Read a gate's run file: the plan, what was tuned and promised, the launches, every block, and how it ended."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .cases import Case
from .codec import decode
from .errors import SchemaError
from .gateplan import GATE, CellState, GateBlock, GateOpened, GatePlan, Launch, Promise, Tuned
from .machine import Conditions
from .plan import SweepEnd
from .runlog import Event, StoredRun, list_runs, read_run, stream_run
from .runs import Run
from .sweeplog import payload_of, wrong_in

# What is read of a gate; other events are those of a newer writer.
EVENTS: dict[str, Any] = {
    "gate_plan": GatePlan,
    "gate_opened": GateOpened,
    "tuned": Tuned,
    "promise": Promise,
    "launch": Launch,
    "block": GateBlock,
    "state": CellState,
    "conditions": Conditions,
    "note": str,
    "end": SweepEnd,
}


@dataclass(frozen=True, slots=True)
class Gate:
    """All that a gate's file holds. Of `tuned` and `states` the last of each cell counts, of `promises` the last one."""

    run: Run
    path: Path
    plan: GatePlan
    opened: tuple[GateOpened, ...] = ()
    tuned: tuple[Tuned, ...] = ()
    promises: tuple[Promise, ...] = ()
    launches: tuple[Launch, ...] = ()
    blocks: tuple[GateBlock, ...] = ()
    states: tuple[CellState, ...] = ()
    conditions: tuple[Conditions, ...] = ()
    notes: tuple[str, ...] = ()
    ends: tuple[SweepEnd, ...] = ()
    torn: tuple[str, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether it came to its end."""
        return bool(self.ends) and self.ends[-1].finished


def read_gate(path: Path, *, tolerant: bool = False) -> Gate:
    """The gate in a run file. `tolerant`: damaged lines are skipped and noted in `torn`, for files that somebody else wrote.

    StoreError or SchemaError, with file and line, where it cannot be read as one.
    """
    events: Iterable[tuple[int, Event]]
    if tolerant:
        run, events, torn = stream_run(path)
    else:
        run, strict, torn = read_run(path)
        events = enumerate(strict, start=2)
    if run.kind != GATE:
        raise SchemaError(f"{path}: this is a {run.kind[:40]} run, not a gate", "see `mmbench list runs`")
    seen: dict[str, list[Any]] = {name: [] for name in EVENTS}
    damaged: list[str] = []
    for line, event in events:
        kind = EVENTS.get(event.event)
        if kind is None:
            continue  # of a newer writer
        try:
            payload = decode(kind, event.payload)
            _check(payload, seen["gate_plan"])
        except SchemaError as error:
            message = f"{path}, line {line}: {event.event} {error.message}"
            if not tolerant:
                raise SchemaError(message, "the file was damaged or edited: restore it") from None
            damaged.append(message)
            continue
        seen[event.event].append(payload)
    if damaged:
        torn.append(f"{damaged[0]}; the line was skipped" + (f", and {len(damaged) - 1} more like it" if len(damaged) > 1 else ""))
    if not seen["gate_plan"]:
        raise SchemaError(f"{path}: the gate ended before its plan was written", "start it anew")
    return Gate(
        run,
        path,
        seen["gate_plan"][0],
        tuple(seen["gate_opened"]),
        tuple(seen["tuned"]),
        tuple(seen["promise"]),
        tuple(seen["launch"]),
        tuple(seen["block"]),
        tuple(seen["state"]),
        tuple(seen["conditions"]),
        tuple(seen["note"]),
        tuple(seen["end"]),
        tuple(torn),
    )


def _check(payload: Any, plans: list[GatePlan]) -> None:
    """Refuse values that no gate writes; every reader may then compute with them."""
    if isinstance(payload, GatePlan):
        known: set[Case] = set()
        for cell in payload.cells:
            if cell.case not in known and (wrong := wrong_in(cell.case)):
                raise SchemaError(f"$.cells: {wrong}")
            known.add(cell.case)
        if not 0 <= payload.margin < payload.detect or not all(0 < x < 1 for x in (payload.alpha, payload.power)):
            raise SchemaError("$: margins, effects or chances that cannot be")
        return
    if isinstance(payload, (Tuned, GateBlock, CellState)):
        if not plans:
            raise SchemaError("$: before the plan")
        if not 0 <= payload.cell < len(plans[0].cells):
            raise SchemaError(f"$.cell: there is no cell {payload.cell}")
    if isinstance(payload, Promise) and plans:
        for name in ("sees", "screen", "confirm"):
            if len(getattr(payload, name)) != len(plans[0].cells):
                raise SchemaError(f"$.{name}: not one for each cell")
    if isinstance(payload, GateBlock):
        _check_block(payload)


def _check_block(block: GateBlock) -> None:
    quartets = len(block.orders)
    if set(block.orders) - {"a", "b"} or block.units < 1 or len(block.times_s) != 4 * block.units * quartets:
        raise SchemaError("$: times, orders and units do not fit together")
    if block.marks and len(block.marks) != 4 * quartets:
        raise SchemaError("$.marks: not one for each turn")


def list_gates(results: Path, machine_id: str = "") -> list[StoredRun]:
    """The gates of one machine, or of all; newest first. Files that cannot be read are left out."""
    return [run for run in list_runs(results, machine_id) if run.kind == GATE and not run.problem]


@dataclass(frozen=True, slots=True)
class GateOutline:
    """What a list of runs says of a gate. Without a plan `cells` is 0; its controls are not counted."""

    preset: str = ""
    against: str = ""
    cells: int = 0
    blocks: int = 0
    finished: bool = False


def gate_outline(path: Path) -> GateOutline:
    """The outline of a run file without reading its blocks. What cannot be understood counts as not there: reading the gate says why."""
    plan = end = b""
    blocks = 0
    with contextlib.suppress(OSError), path.open("rb") as file:
        for line in file:
            if line.startswith(b'{"event":"block"'):
                blocks += line.endswith(b"\n")
            elif line.startswith(b'{"event":"gate_plan"'):
                plan = line
            elif line.startswith(b'{"event":"end"'):
                end = line
    planned, ended = payload_of(plan), payload_of(end)
    cells, preset, old = planned.get("cells"), planned.get("preset"), planned.get("old")
    word = old.get("word") if isinstance(old, dict) else ""
    own = [cell for cell in cells if isinstance(cell, dict) and not cell.get("control")] if isinstance(cells, list) else []
    finished = ended.get("finished") is True
    return GateOutline(preset if isinstance(preset, str) else "", word if isinstance(word, str) else "", len(own), blocks, finished)


def promised_of(gate: Gate, cell: int) -> float:
    """The effect that the last plan promised for a cell; infinite for none, NaN before there was a plan."""
    if not gate.promises:
        return math.nan
    sees = gate.promises[-1].sees[cell]
    return math.inf if sees is None or math.isnan(sees) else sees
