"""`mmbench probe`: measure this machine, show it, keep it."""

from __future__ import annotations

import contextlib
import dataclasses
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import __version__
from ..configs import store
from ..configs.codec import encode
from ..configs.errors import Exit, MmbenchError
from ..configs.machine import Conditions, Machine
from ..configs.runs import RUN_SCHEMA, Run
from ..configs.settings import Settings
from ..configs.units import duration_words
from . import console
from .state import State, json_option, pass_state, results_option

if TYPE_CHECKING:
    from ..configs.curve import Curve
    from ..probes.runner import Plan, Step


@click.command()
@click.option("--only", "names", multiple=True, metavar="NAME", help="Run this probe and what it needs; may be given more than once.")
@click.option("--quick", "effort", flag_value="quick", help="Coarser and shorter: about 15 seconds.")
@click.option("--deep", "effort", flag_value="deep", help="Finer and longer: several minutes.")
@click.option("--time-budget", metavar="TIME", help="Fit into this time, such as 30s or 2m.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Seed of every random order (default: 0).")
@click.option("--dry-run", is_flag=True, help="Say what would be measured, and how long it would take.")
@click.option("--full", is_flag=True, help="Show every row.")
@json_option
@results_option
@pass_state
def probe(
    state: State,
    names: tuple[str, ...],
    effort: str | None,
    time_budget: str | None,
    seed: int | None,
    dry_run: bool,
    full: bool,
    as_json: bool,
) -> int:
    """Measure this machine: caches, bandwidths, SIMD and matrix units.

    Needs no root, no compiler and no performance counters. What cannot be measured here is said, with the reason.
    """
    for name, value in (("effort", effort), ("time_budget", time_budget), ("seed", seed)):
        if value is not None:
            state.give(name, value)
    settings = state.settings

    from ..probes.context import Effort
    from ..probes.runner import make_plan

    wanted = tuple(name for word in names for name in word.split(",") if name)
    plan = make_plan(wanted, Effort(settings.effort), settings.time_budget_s)
    if dry_run:
        _tell_plan(plan, as_json)
        return Exit.OK
    store.check_writable(store.results_dir(settings))
    return _run(plan, settings, as_json=as_json, full=full)


def _tell_plan(plan: Plan, as_json: bool) -> None:
    """What would be done."""
    rows = [(p.name, p.estimate_s(plan.effort) * plan.scale, p.summary) for p in plan.probes]
    if as_json:
        listed = [{"probe": name, "estimate_s": round(seconds, 2), "summary": summary} for name, seconds, summary in rows]
        console.answer_json({"schema": 1, "effort": plan.effort.value, "estimate_s": round(plan.estimate_s, 1), "probes": listed})
        return
    table = console.rows([(name, f"{seconds:.1f}", summary) for name, seconds, summary in rows], ("probe", "seconds", "what"))
    console.answer(table)
    console.answer(f"\n{plan.effort.value}: about {duration_words(plan.estimate_s)} on one kind of core; nothing was measured.")


class _Keeper:
    """Writes every curve into the run file as it comes, and the machine file at the end, whatever the end is."""

    def __init__(self, settings: Settings, plan: Plan) -> None:
        self.settings = settings
        self.plan = plan
        self.results: Path = store.results_dir(settings)
        self.machine: Machine | None = None
        self.writer: store.RunWriter | None = None
        self._waiting: list[tuple[str, Any]] = []
        self.started_at = store.utc_now()

    def keep(self, label: str, curve: Curve, machine: Machine) -> None:
        """One more curve. The run file opens once the machine has a name."""
        self.machine = machine
        self.write("curve", {"label": label, "curve": encode(curve)})

    def write(self, kind: str, payload: Any) -> None:
        """One line, now or as soon as there is a file."""
        self._waiting.append((kind, payload))
        if self.writer is None and self.machine is not None and self.machine.id:
            run = Run(
                RUN_SCHEMA,
                store.new_run_id(),
                "probe",
                self.machine.id,
                self.started_at,
                settings=self.settings.plain(),
                seed=self.settings.seed,
                versions=_versions(),
                conditions=self.machine.conditions,
            )
            self.writer = store.RunWriter(self.results).open(run)
        if self.writer is not None:
            while self._waiting:
                self.writer.append(*self._waiting.pop(0))

    def close(self, machine: Machine | None) -> tuple[Machine | None, Path | None]:
        """Save the machine; (what was saved, where)."""
        machine = machine or self.machine
        with contextlib.ExitStack() as stack:
            if self.writer is not None:
                stack.callback(self.writer.close)
            if machine is None or not machine.id:
                return machine, None
            machine = dataclasses.replace(machine, probed_at=self.started_at, versions=_versions())
            return machine, store.save_machine(self.results, machine)


def _versions() -> dict[str, str]:
    import llvmlite
    import llvmlite.binding as llvm
    import numpy as np

    return {
        "mmbench": __version__,
        "python": platform.python_version(),
        "llvmlite": llvmlite.__version__,
        "llvm": ".".join(map(str, llvm.llvm_version_info)),
        "numpy": np.__version__,
    }


def _run(plan: Plan, settings: Settings, *, as_json: bool, full: bool) -> int:
    from ..kernels.measure.conditions import read_conditions
    from ..probes.roofs import add_roofs
    from ..probes.runner import run
    from .progress import Progress

    keeper = _Keeper(settings, plan)
    quiet = as_json

    class Watch(Progress):
        def finished(self, step: Step, curve: Curve, machine: Machine, took_s: float) -> None:
            super().finished(step, curve, machine, took_s)
            keeper.keep(step.label, curve, machine)

        def failed(self, step: Step, reason: str) -> None:
            super().failed(step, reason)
            keeper.write("failed", {"label": step.label, "reason": reason})

    watch = Watch(quiet=quiet, ascii_only=console.wants_ascii(settings))
    machine: Machine | None = None
    interrupted = False
    try:
        machine = run(plan, watch, seed=settings.seed, start=_start(plan, settings))
    except KeyboardInterrupt:
        interrupted = True
        machine = add_roofs(keeper.machine) if keeper.machine else None
    finally:
        watch.clear()
    if machine is not None:
        conditions = Conditions(machine.conditions.before, read_conditions(), machine.conditions.overrides)
        machine = dataclasses.replace(machine, conditions=conditions)
    keeper.write("ended", {"interrupted": interrupted})
    saved, path = keeper.close(machine)
    if saved is not None and not interrupted:
        _show(saved, settings, as_json=as_json, full=full)
    if path is not None and not as_json:
        console.say(f"kept in {path}" if not interrupted else f"interrupted; what was finished is kept in {path}")
    elif interrupted:
        console.say(f"interrupted{'; what was finished is kept in ' + str(path) if path else ' before anything was finished'}")
    if saved is None and not interrupted:
        raise MmbenchError("no probe gave a result", "see the reasons above; `mmbench doctor` may tell more", Exit.NOT_POSSIBLE)
    return Exit.INTERRUPTED if interrupted else Exit.OK


def _start(plan: Plan, settings: Settings) -> Machine | None:
    """With --only, the stored facts of this same machine stay beside the new ones."""
    del plan, settings
    return None


def _show(machine: Machine, settings: Settings, *, as_json: bool, full: bool) -> None:
    if as_json:
        console.answer_json(encode(machine))
        return
    from ..reports.screen import machine_screen

    console.answer(
        machine_screen(
            machine, width=console.width(), color=console.wants_color(settings), ascii_only=console.wants_ascii(settings), full=full
        )
    )
