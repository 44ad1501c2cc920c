"""Plan and run probes, one worker process for all of them, and fold what they saw into a Machine.

A Machine is the fold of `infer` over the curves in the order of the probes; `reinfer` does the same again from stored curves. A
probe that crashes, hangs or is killed leaves its reason in `not_run` and a fresh worker for the next one.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..configs.codec import decode, encode
from ..configs.curve import Curve
from ..configs.errors import MmbenchError
from ..configs.machine import MACHINE_SCHEMA, Machine
from ..kernels.emit.target import initialize
from ..kernels.measure.affinity import allowed_cpus, pin
from ..kernels.measure.conditions import memory_budget_bytes
from ..kernels.measure.worker import Progress, Worker, WorkerError
from .conditions import closed
from .context import Context, Effort
from .registry import Probe, all_probes, choose
from .roofs import add_roofs

_GRACE_S = 20.0  # beyond twice the estimate, before a probe counts as hung
ALWAYS = ("identity", "topology")  # without them nothing says whose facts the others are


@dataclass(frozen=True, slots=True)
class Step:
    """One run of one probe: on which kind of core, with how many seconds."""

    probe: Probe
    core_kind: str
    cpu: int
    seconds: float

    @property
    def label(self) -> str:
        """The name of its curve."""
        return f"{self.probe.name}[{self.core_kind}]" if self.core_kind else self.probe.name


@dataclass(frozen=True, slots=True)
class Plan:
    """Which probes, how thoroughly, for how long in all (an estimate)."""

    probes: tuple[Probe, ...]
    effort: Effort
    scale: float  # of every probe's usual time
    only: bool  # some probes were named: the rest of a stored machine stays

    @property
    def estimate_s(self) -> float:
        """Expected seconds in all, on one kind of core."""
        return sum(p.estimate_s(self.effort) for p in self.probes) * self.scale


def make_plan(names: tuple[str, ...], effort: Effort, time_budget_s: float | None) -> Plan:
    """The named probes (all for none) and what they need, fitted into the budget.

    A budget under the effort's usual time lowers the effort, then shortens every probe alike; a larger one changes nothing.
    """
    probes = tuple(choose(tuple(dict.fromkeys((*ALWAYS, *names))) if names else ()))
    scale = 1.0
    if time_budget_s is not None:
        while effort is not Effort.QUICK and sum(p.estimate_s(effort) for p in probes) > time_budget_s:
            effort = list(Effort)[effort.rank - 1]
        scale = min(1.0, time_budget_s / max(0.1, sum(p.estimate_s(effort) for p in probes)))
    return Plan(probes, effort, scale, bool(names))


class Watcher:
    """What happens, as it happens; the command line shows it, tests record it. Every method may be left as it is."""

    def started(self, step: Step, done_s: float, total_s: float) -> None:
        """A probe begins."""

    def progress(self, step: Step, fraction: float, note: str) -> None:
        """A probe says how far it is."""

    def finished(self, step: Step, curve: Curve, machine: Machine, took_s: float) -> None:
        """A probe has its curve; `machine` holds what is known now."""

    def failed(self, step: Step, reason: str) -> None:
        """A probe ended without a result."""


def run(plan: Plan, watcher: Watcher, *, seed: int = 0, start: Machine | None = None, worker: Worker | None = None) -> Machine:
    """Run the plan; KeyboardInterrupt passes through, with what was finished already told to the watcher."""
    machine = start or Machine(MACHINE_SCHEMA, "")
    memory_bytes = memory_budget_bytes()[0]
    done_s = 0.0
    with worker or Worker() as crew:
        for probe in plan.probes:
            for step in _steps(probe, machine, plan):
                watcher.started(step, done_s, plan.estimate_s)
                began = time.monotonic()
                outcome = _measure(crew, step, plan, machine, memory_bytes, seed, watcher)
                if isinstance(outcome, str):
                    machine = dataclasses.replace(machine, not_run={**machine.not_run, step.label: outcome})
                    watcher.failed(step, outcome)
                else:
                    machine = fold(machine, step.label, probe, outcome)
                    watcher.finished(step, outcome, machine, time.monotonic() - began)
                done_s += step.seconds
    return add_roofs(machine)


def _steps(probe: Probe, machine: Machine, plan: Plan) -> list[Step]:
    """Once, or once for each kind of core, on the first allowed CPU of that kind."""
    seconds = probe.estimate_s(plan.effort) * plan.scale
    allowed = allowed_cpus()
    kinds = machine.topology.kinds if machine.topology else ("",)
    if not probe.per_kind or len(kinds) < 2:
        return [Step(probe, "", allowed[-1], seconds)]
    assert machine.topology is not None
    steps = []
    for kind in kinds:
        mine = [c.id for c in machine.topology.cpus if c.kind == kind and c.id in allowed]
        if mine:
            steps.append(Step(probe, kind, mine[-1], seconds))
    return steps or [Step(probe, "", allowed[-1], seconds)]


def _measure(crew: Worker, step: Step, plan: Plan, machine: Machine, memory_bytes: int, seed: int, watcher: Watcher) -> Curve | str:
    """The curve, or the reason why there is none."""
    arguments = {
        "probe": step.probe.name,
        "effort": plan.effort.value,
        "machine": encode(dataclasses.replace(machine, curves={})),
        "seed": seed,
        "cpu": step.cpu,
        "core_kind": step.core_kind,
        "memory_bytes": memory_bytes,
        "seconds": step.seconds,
    }
    try:
        answer = crew.call(
            f"{__name__}:measure_in_worker", arguments, 2 * step.seconds + _GRACE_S, lambda f, note: watcher.progress(step, f, note)
        )
    except WorkerError as error:
        return error.message
    return decode(Curve, answer)


def measure_in_worker(arguments: Mapping[str, Any], progress: Progress) -> Any:
    """The worker's side of one step."""
    pin(arguments["cpu"])
    probe = next(p for p in all_probes() if p.name == arguments["probe"])
    initialize()  # LLVM takes its own memory before what is left is counted
    context = Context(
        effort=Effort(arguments["effort"]),
        machine=decode(Machine, arguments["machine"]),
        seed=arguments["seed"],
        cpu=arguments["cpu"],
        cpus=_CPUS,
        core_kind=arguments["core_kind"],
        memory_bytes=min(arguments["memory_bytes"], memory_budget_bytes()[0]),  # the limits of this process, beside the parent
        deadline=time.monotonic() + 1.5 * arguments["seconds"],
        progress=progress,
    )
    return encode(probe.measure(context))


_CPUS = allowed_cpus()  # before any pinning


def fold(machine: Machine, label: str, probe: Probe, curve: Curve) -> Machine:
    """The machine with one more curve and what follows from it. An inference that fails is that probe's loss only."""
    kept = dataclasses.replace(machine, curves={**machine.curves, label: curve})
    try:
        return probe.infer(curve, kept)
    except (MmbenchError, ValueError, ArithmeticError, LookupError, TypeError, MemoryError) as error:
        reason = f"its samples could not be understood: {type(error).__name__}: {error}"
        return dataclasses.replace(kept, not_run={**machine.not_run, label: reason})


def reinfer(machine: Machine) -> Machine:
    """Everything inferred again from the stored curves by today's code; `not_run` names curves of unknown probes or other versions.

    What is known of the state of the system after the run comes from no curve, and stays as it was stored.
    """
    probes = all_probes()
    known = {p.name for p in probes}
    fresh = Machine(
        machine.schema,
        machine.id,
        probed_at=machine.probed_at,
        versions=machine.versions,
        not_run={label: why for label, why in machine.not_run.items() if label not in machine.curves},
    )
    for label, curve in machine.curves.items():
        if curve.probe not in known:
            fresh = dataclasses.replace(fresh, not_run={**fresh.not_run, label: f"there is no probe '{curve.probe}' here to understand it"})
    for probe in probes:
        for label, curve in machine.curves.items():
            if curve.probe != probe.name:
                continue
            if curve.version != probe.version:
                why = f"measured by version {curve.version} of the probe, this is version {probe.version}"
                fresh = dataclasses.replace(fresh, not_run={**fresh.not_run, label: why})
            else:
                fresh = fold(fresh, label, probe, curve)
    if machine.conditions.after:
        fresh = closed(fresh, machine.conditions.after)
    return dataclasses.replace(add_roofs(fresh), id=machine.id)
