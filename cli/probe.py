"""`mmbench probe`: measure this machine, show it, keep it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import platform
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import __version__
from ..configs import store
from ..configs.codec import encode
from ..configs.errors import Exit, MmbenchError, StoreError, UsageError
from ..configs.files import store_error
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
@click.option("--quick", is_flag=True, help="Coarser and shorter: about 15 seconds.")
@click.option("--deep", is_flag=True, help="Finer and longer: several minutes.")
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
    quick: bool,
    deep: bool,
    time_budget: str | None,
    seed: int | None,
    dry_run: bool,
    full: bool,
    as_json: bool,
) -> int:
    """Measure this machine: caches, bandwidths, SIMD and matrix units.

    Needs no root, no compiler and no performance counters. What cannot be measured here is said, with the reason.
    """
    if quick and deep:
        raise UsageError("--quick and --deep exclude each other", "choose one of them")
    effort = "quick" if quick else "deep" if deep else None
    for name, value in (("effort", effort), ("time_budget", time_budget), ("seed", seed)):
        if value is not None:
            state.give(name, value)
    settings = state.settings

    from ..kernels.measure.lean import check_room

    check_room()  # before NumPy and LLVM come in
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

    def close(self, machine: Machine | None, *, interrupted: bool, whole: bool) -> tuple[Machine | None, Path | None]:
        """Save the machine; (what was saved, where). `whole`: everything was measured, so nothing of an earlier run is kept."""
        with contextlib.ExitStack() as stack:
            if machine is None or not machine.curves:
                return None, None
            machine = dataclasses.replace(machine, probed_at=self.started_at, versions=_versions())
            if not machine.id:
                from ..probes.topology import machine_id

                machine = dataclasses.replace(machine, id=machine_id(machine))  # its topology was lost: a name from the rest
            self.machine = machine
            self.write("ended", {"interrupted": interrupted})
            if self.writer is not None:
                stack.callback(self.writer.close)
            machine = _beside_stored(machine, self.results, whole=whole)
            return machine, store.save_machine(self.results, machine)


def _beside_stored(machine: Machine, results: Path, *, whole: bool) -> Machine:
    """With the stored curves that were not measured again, unless the run was `whole`. A file that cannot be read is moved aside."""
    path = store.machine_path(results, machine.id)
    if not os.path.lexists(path):
        return machine
    try:
        stored = store.load_machine(path)
    except StoreError as error:
        base = f"{path.name}.unreadable-{store.utc_now().replace(':', '')}"
        names = (base, *(f"{base}-{number}" for number in range(2, 1000)))
        aside = next(free for name in names if not os.path.lexists(free := path.with_name(name)))
        try:
            path.rename(aside)
        except OSError as refused:
            raise store_error("moved aside", path, refused) from refused
        console.say(f"note: {error.message}\nnote: it was moved to {aside}; nothing of it is used")
        return machine
    return machine if whole else merged(stored, machine)


def merged(stored: Machine, new: Machine) -> Machine:
    """`new` with the curves of `stored` that it has none of its own for, all inferred again together.

    A probe that failed this time keeps its stored rows, and `not_run` says both.
    """
    from ..probes.conditions import closed
    from ..probes.runner import reinfer

    not_run = {label: why for label, why in stored.not_run.items() if label not in new.curves}
    curves = {**stored.curves, **new.curves}
    both = reinfer(dataclasses.replace(new, curves=curves, not_run={**not_run, **new.not_run}, conditions=Conditions()))
    both = closed(dataclasses.replace(both, conditions=new.conditions), new.conditions.after)
    old = {label: f"{why}; its rows are those of {stored.probed_at}" for label, why in new.not_run.items() if label in both.curves}
    old = {label: why for label, why in old.items() if label not in new.curves}
    return dataclasses.replace(both, not_run={**both.not_run, **old})


@contextlib.contextmanager
def _ending_as_by_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGHUP (a cancelled job, a stopped container, a closed terminal) end the run as Ctrl-C does."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    numbers = [n for n in (getattr(signal, name) for name in names) if signal.getsignal(n) is signal.SIG_DFL]  # nohup ignores: so it stays
    if threading.current_thread() is not threading.main_thread():
        numbers = []
    for number in numbers:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


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
    from ..probes.conditions import closed
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
    ended: KeyboardInterrupt | StoreError | None = None
    try:
        with _ending_as_by_interrupt():
            machine = run(plan, watch, seed=settings.seed)
    except (KeyboardInterrupt, StoreError) as error:  # an interrupt, or a full disk under the run file: what is finished counts
        ended = error
        machine = add_roofs(keeper.machine) if keeper.machine else None
    finally:
        watch.clear()
    if machine is not None:
        machine = closed(machine, read_conditions())
    return _finish(keeper, machine, ended, as_json=as_json, full=full)


def _finish(keeper: _Keeper, machine: Machine | None, ended: KeyboardInterrupt | StoreError | None, *, as_json: bool, full: bool) -> int:
    """Keep what was measured, show it, and say where it is. What cannot be kept is shown before that is said."""
    interrupted = isinstance(ended, KeyboardInterrupt)
    trouble = ended if isinstance(ended, StoreError) else None
    path = None
    try:
        machine, path = keeper.close(machine, interrupted=interrupted, whole=ended is None and not keeper.plan.only)
    except StoreError as error:
        trouble = trouble or error
    if machine is not None and not interrupted:
        _show(machine, keeper.settings, as_json=as_json, full=full)
    if interrupted:
        kept = f"; what was finished is kept in {path}" if path else " before anything was kept"
        console.say(f"interrupted{kept}")
    elif path is not None and not as_json:
        console.say(f"kept in {path}")
    if trouble is not None:
        raise trouble
    if machine is None and not interrupted:
        raise MmbenchError("no probe gave a result", "see the reasons above; `mmbench doctor` may tell more", Exit.NOT_POSSIBLE)
    return Exit.INTERRUPTED if interrupted else Exit.OK


def _show(machine: Machine, settings: Settings, *, as_json: bool, full: bool) -> None:
    if as_json:
        console.answer(store.machine_text(machine))
        return
    from ..reports.screen import machine_screen

    console.answer(
        machine_screen(
            machine, width=console.width(), color=console.wants_color(settings), ascii_only=console.wants_ascii(settings), full=full
        )
    )
