"""Measure a machine and keep what was found: what `mmbench probe` does, and `mmbench sweep` before its first time on a machine."""

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

from .. import __version__
from ..configs import store
from ..configs.codec import encode
from ..configs.errors import StoreError
from ..configs.files import store_error
from ..configs.machine import Conditions, Machine
from ..configs.runs import RUN_SCHEMA, Run
from ..configs.settings import Settings
from . import console

if TYPE_CHECKING:
    from ..configs.curve import Curve
    from ..probes.runner import Plan, Step

# What roofs and block sizes come from; `make_plan` adds what these need.
ROOF_PROBES = ("conditions", "clock", "simd", "matrix", "latency", "geometry", "bandwidth", "peaks")


class Keeper:
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
                versions=versions(),
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
            machine = dataclasses.replace(machine, probed_at=self.started_at, versions=versions())
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
def ending_as_by_interrupt() -> Iterator[None]:
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


def versions() -> dict[str, str]:
    """Of mmbench and of what its figures depend on."""
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


def measure(plan: Plan, settings: Settings, *, quiet: bool) -> tuple[Keeper, Machine | None, KeyboardInterrupt | StoreError | None]:
    """Run a probe's plan, its curves written as they come: (the keeper to close, what was found, what ended it early)."""
    from ..kernels.measure.conditions import read_conditions
    from ..probes.conditions import closed
    from ..probes.roofs import add_roofs
    from ..probes.runner import run
    from .progress import Progress

    keeper = Keeper(settings, plan)

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
        with ending_as_by_interrupt():
            machine = run(plan, watch, seed=settings.seed)
    except (KeyboardInterrupt, StoreError) as error:  # an interrupt, or a full disk under the run file: what is finished counts
        ended = error
        machine = add_roofs(keeper.machine) if keeper.machine else None
    finally:
        watch.clear()
    if machine is not None:
        machine = closed(machine, read_conditions())
    return keeper, machine, ended


def identified() -> Machine:
    """What this machine is, with its id: the two probes that everything is stored under, in half a second. NotPossibleError without."""
    from ..probes.context import Effort
    from ..probes.runner import ALWAYS, Watcher, make_plan, run
    from ..probes.topology import machine_id

    machine = run(make_plan(ALWAYS, Effort.QUICK, None), Watcher())
    return machine if machine.id else dataclasses.replace(machine, id=machine_id(machine))


_LEAST_SCALE = 0.5  # of the quick probes' usual time: with less, cache sizes are guesses


def with_roofs(settings: Settings, *, may_probe: bool, quiet: bool, time_budget_s: float = 0.0) -> tuple[Machine, str]:
    """(this machine, why its roofs are unknown): its stored file, or measured now and stored where that may be done.

    Measuring takes half of `time_budget_s` (0: none) at most, and is left out where that is too little. Without roofs the machine has an
    id, and nothing else may be known of it. KeyboardInterrupt passes through.
    """
    from ..probes.context import Effort
    from ..probes.runner import make_plan

    found = identified()
    path = store.machine_path(store.results_dir(settings), found.id)
    why = f"no machine file is stored for {found.id}"
    if os.path.lexists(path):
        try:
            stored = store.load_machine(path)
        except StoreError as error:
            why = error.message
        else:
            if stored.simd and any(roof.kind == "memory" for roof in stored.roofs):
                return stored, ""
            found, why = stored, f"the machine file of {found.id} holds no roofs"
    if not may_probe:
        return found, f"{why}, and --no-probe was given"
    plan = make_plan(ROOF_PROBES, Effort.QUICK, time_budget_s / 2 if time_budget_s else None)
    if plan.scale < _LEAST_SCALE:
        return found, f"{why}, and half of the time budget is too short to measure one (mmbench probe does)"
    if not quiet:
        whose = " of the time budget" if time_budget_s else ""
        console.say(f"{why}: measuring the roofs first, about {plan.estimate_s:.0f} s{whose}")
    keeper, machine, ended = measure(plan, settings, quiet=quiet)
    machine, kept = keeper.close(machine, interrupted=isinstance(ended, KeyboardInterrupt), whole=False)
    if ended is not None:
        raise ended
    if machine is None:
        return found, "no probe gave a result"
    if not quiet:
        console.say(f"kept in {kept}")
    return machine, ""
