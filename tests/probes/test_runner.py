"""Planning, running and folding, with probes and a worker that are not real."""

from __future__ import annotations

import dataclasses
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from mmbench.configs.codec import decode, encode
from mmbench.configs.curve import Curve
from mmbench.configs.facts import measured
from mmbench.configs.machine import Conditions, Cpu, Machine, Notice, Topology
from mmbench.kernels.measure.worker import Worker, WorkerError
from mmbench.probes import conditions, registry, runner
from mmbench.probes.context import Context, Effort
from mmbench.probes.registry import Probe
from mmbench.probes.runner import Plan, Step, Watcher, make_plan, reinfer, run

EMPTY = Machine(1, "")


def note_down(curve: Curve, machine: Machine) -> Machine:
    """The usual inference here: a fact of the probe's own name, and the order in which curves were folded."""
    if "fail" in curve.readings:
        raise {"value": ValueError, "key": KeyError, "zero": ZeroDivisionError, "bug": RuntimeError}[curve.readings["fail"]]("odd samples")
    name = f"{curve.probe}[{curve.core_kind}]" if curve.core_kind else curve.probe
    order = f"{machine.identity['order'].value} {name}" if "order" in machine.identity else name
    facts = {**machine.identity, name: measured(curve.readings.get("n", 0), "", curve.by), "order": measured(order, "", "")}
    return dataclasses.replace(machine, id="test-1", identity=facts, topology=curve.readings.get("topology") or machine.topology)


def fake(name: str, *needs: str, seconds: tuple[float, float, float] = (1, 4, 10), per_kind: bool = False, version: int = 1) -> Probe:
    """A probe of a module of its own, which holds `infer`."""
    module = types.ModuleType(f"fake_{name}", "Say what it is.\n\nMore.")
    module.infer = note_down  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module

    def measure(_context: Context) -> Curve:
        return Curve(name, version)

    measure.__module__ = module.__name__
    return Probe(name, version, measure, needs, seconds, per_kind, False)


class FakeWorker(Worker):
    """Answers without a process; what it answers for a probe is a curve, an error to raise, or a function of the arguments."""

    def __init__(self, **answers: Any) -> None:
        super().__init__()
        self.answers = answers
        self.calls: list[tuple[Mapping[str, Any], float]] = []

    def call(self, function: str, arguments: Any, timeout_s: float, progress: Any = None) -> Any:
        assert function == "mmbench.probes.runner:measure_in_worker"
        self.calls.append((arguments, timeout_s))
        answer = self.answers.get(arguments["probe"], Curve(arguments["probe"], 1, readings={"n": len(self.calls)}))
        if isinstance(answer, Callable):  # type: ignore[arg-type]
            answer = answer(arguments, progress)
        if isinstance(answer, BaseException):
            raise answer
        return encode(dataclasses.replace(answer, core_kind=arguments["core_kind"]))


class Recorder(Watcher):
    """Everything that was told, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.machine: Machine | None = None
        self.done: list[tuple[float, float]] = []

    def started(self, step: Step, done_s: float, total_s: float) -> None:
        self.told.append(("started", step.label))
        self.done.append((done_s, total_s))

    def progress(self, step: Step, fraction: float, note: str) -> None:
        self.told.append((f"{fraction:g} {note}", step.label))

    def finished(self, step: Step, curve: Curve, machine: Machine, took_s: float) -> None:
        assert curve.probe == step.probe.name
        assert machine.curves[step.label] == curve
        self.told.append(("finished", step.label))
        self.machine = machine

    def failed(self, step: Step, reason: str) -> None:
        self.told.append((f"failed: {reason}", step.label))


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Probe]]:
    """Make the given probes the only ones there are."""

    def these(*probes: Probe) -> list[Probe]:
        monkeypatch.setattr(registry, "_load_all", lambda: None)
        monkeypatch.setattr(registry, "_REGISTERED", {p.name: p for p in probes})
        return list(probes)

    return these


def usual() -> tuple[Probe, ...]:
    return fake("identity"), fake("topology", "identity"), fake("alpha", "topology"), fake("beta", "alpha"), fake("gamma")


def plan_of(*probes: Probe, effort: Effort = Effort.DEFAULT, scale: float = 1.0) -> Plan:
    return Plan(probes, effort, scale, False)


# --- the plan


def test_everything_is_planned_without_names_and_needs_with_them(register: Callable[..., list[Probe]]) -> None:
    register(*usual())
    assert [p.name for p in make_plan((), Effort.DEFAULT, None).probes] == ["identity", "topology", "alpha", "beta", "gamma"]
    some = make_plan(("beta",), Effort.DEFAULT, None)
    assert [p.name for p in some.probes] == ["identity", "topology", "alpha", "beta"]
    assert some.only
    assert not make_plan((), Effort.DEFAULT, None).only
    assert [p.name for p in make_plan(("gamma", "gamma"), Effort.QUICK, None).probes] == ["identity", "topology", "gamma"]


@pytest.mark.parametrize(
    ("effort", "budget_s", "becomes", "scale"),
    [
        (Effort.DEFAULT, None, Effort.DEFAULT, 1.0),
        (Effort.DEFAULT, 1000, Effort.DEFAULT, 1.0),  # more time changes nothing
        (Effort.DEFAULT, 20, Effort.DEFAULT, 1.0),
        (Effort.DEFAULT, 19, Effort.QUICK, 1.0),
        (Effort.DEEP, 49, Effort.DEFAULT, 1.0),
        (Effort.DEEP, 6, Effort.QUICK, 1.0),
        (Effort.DEEP, 2.5, Effort.QUICK, 0.5),
        (Effort.QUICK, 1, Effort.QUICK, 0.2),
    ],
)
def test_a_budget_lowers_the_effort_then_shortens_all_alike(
    register: Callable[..., list[Probe]], effort: Effort, budget_s: float | None, becomes: Effort, scale: float
) -> None:
    register(*usual())
    plan = make_plan((), effort, budget_s)
    assert plan.effort is becomes
    assert plan.scale == pytest.approx(scale)
    assert plan.estimate_s == pytest.approx(5 * (1, 4, 10)[becomes.rank] * scale)
    assert budget_s is None or plan.estimate_s <= budget_s


def test_the_scale_reaches_the_worker_as_seconds_and_as_its_time_limit() -> None:
    worker = FakeWorker()
    run(plan_of(fake("identity"), effort=Effort.QUICK, scale=0.5), Watcher(), worker=worker)
    ((arguments, timeout_s),) = worker.calls
    assert arguments["seconds"] == 0.5
    assert timeout_s == 2 * 0.5 + runner._GRACE_S


# --- the run


def test_probes_run_in_order_and_see_what_is_known_so_far() -> None:
    worker, watcher = FakeWorker(), Recorder()
    machine = run(plan_of(*usual()), watcher, seed=7, worker=worker)
    assert machine.identity["order"].value == "identity topology alpha beta gamma"
    assert [label for word, label in watcher.told if word == "finished"] == list(machine.curves)
    assert watcher.done == [(4.0 * i, 20.0) for i in range(5)]
    seen = decode(Machine, worker.calls[3][0]["machine"])
    assert set(seen.identity) == {"identity", "topology", "alpha", "order"}
    assert seen.curves == {}  # facts go to the worker, samples do not
    assert {c[0]["seed"] for c in worker.calls} == {7}
    assert {c[0]["effort"] for c in worker.calls} == {"default"}


def test_a_probe_that_fails_costs_its_own_rows_only() -> None:
    worker = FakeWorker(alpha=WorkerError("killed by SIGILL"), gamma=WorkerError("no answer within 9 s: ended"))
    watcher = Recorder()
    machine = run(plan_of(*usual()), watcher, worker=worker)
    assert machine.not_run == {"alpha": "killed by SIGILL", "gamma": "no answer within 9 s: ended"}
    assert list(machine.curves) == ["identity", "topology", "beta"]
    assert ("failed: killed by SIGILL", "alpha") in watcher.told


@pytest.mark.parametrize("how", ["value", "key", "zero"])
def test_samples_that_cannot_be_understood_are_kept_and_named(how: str) -> None:
    worker = FakeWorker(alpha=Curve("alpha", 1, readings={"fail": how}))
    machine = run(plan_of(*usual()), Watcher(), worker=worker)
    assert machine.not_run["alpha"].startswith("its samples could not be understood: ")
    assert "odd samples" in machine.not_run["alpha"]
    assert machine.curves["alpha"].readings == {"fail": how}
    assert "beta" in machine.identity
    assert "alpha" not in machine.identity


def test_a_bug_in_an_inference_is_not_hidden() -> None:
    with pytest.raises(RuntimeError):
        run(plan_of(*usual()), Watcher(), worker=FakeWorker(alpha=Curve("alpha", 1, readings={"fail": "bug"})))


def test_an_interrupt_passes_through_after_the_finished_probes_were_told() -> None:
    watcher = Recorder()
    with pytest.raises(KeyboardInterrupt):
        run(plan_of(*usual()), watcher, worker=FakeWorker(beta=KeyboardInterrupt()))
    assert [label for word, label in watcher.told if word == "finished"] == ["identity", "topology", "alpha"]
    assert watcher.machine is not None
    assert list(watcher.machine.curves) == ["identity", "topology", "alpha"]


def test_progress_reaches_the_watcher() -> None:
    def tell(_arguments: Any, progress: Callable[[float, str], None]) -> Curve:
        progress(0.5, "half")
        return Curve("identity", 1)

    watcher = Recorder()
    run(plan_of(fake("identity")), watcher, worker=FakeWorker(identity=tell))
    assert watcher.told == [("started", "identity"), ("0.5 half", "identity"), ("finished", "identity")]


def hybrid(*allowed_kinds: str) -> Machine:
    count = measured(len(allowed_kinds), "", "t")
    cpus = tuple(Cpu(i, kind=kind) for i, kind in enumerate(allowed_kinds))
    return Machine(1, "h", topology=Topology(count, count, count, count, cpus, tuple(range(len(cpus))), ("P", "E")))


def test_a_hybrid_chip_gets_a_step_for_each_kind_of_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "allowed_cpus", lambda: (0, 1, 2, 3))
    worker = FakeWorker()
    machine = run(plan_of(fake("each", per_kind=True), fake("once")), Watcher(), start=hybrid("P", "P", "E", "E"), worker=worker)
    assert list(machine.curves) == ["each[P]", "each[E]", "once"]
    assert [(c[0]["core_kind"], c[0]["cpu"]) for c in worker.calls] == [("P", 1), ("E", 3), ("", 3)]
    assert machine.curves["each[E]"].core_kind == "E"


def test_a_kind_of_core_that_may_not_be_used_gets_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "allowed_cpus", lambda: (0, 1))
    worker = FakeWorker()
    machine = run(plan_of(fake("each", per_kind=True)), Watcher(), start=hybrid("P", "P", "E", "E"), worker=worker)
    assert list(machine.curves) == ["each[P]"]
    monkeypatch.setattr(runner, "allowed_cpus", lambda: (9,))
    machine = run(plan_of(fake("each", per_kind=True)), Watcher(), start=hybrid("P", "E"), worker=worker)
    assert list(machine.curves) == ["each"]


# --- inferring again


def test_inferring_again_is_the_same_as_the_first_fold_and_stays_so(register: Callable[..., list[Probe]]) -> None:
    probes = register(*usual())
    first = run(plan_of(*probes), Watcher(), worker=FakeWorker(alpha=Curve("alpha", 1, readings={"fail": "key"}), beta=WorkerError("hung")))
    after = Conditions(after={"load": measured(1.0, "", "x")})
    first = dataclasses.replace(first, probed_at="2026", versions={"mmbench": "1"}, conditions=after)
    once = reinfer(first)
    assert once == first
    assert reinfer(once) == once


def test_what_the_end_of_a_run_told_is_told_again(register: Callable[..., list[Probe]], monkeypatch: pytest.MonkeyPatch) -> None:
    probes = register(*usual())
    monkeypatch.setattr(conditions, "diagnose", lambda state, _topology: [Notice("it was busy", "others ran")] if state.after else [])
    first = conditions.closed(run(plan_of(*probes), Watcher(), worker=FakeWorker()), {"load_1m": measured(64.0, "", "t")})
    assert [n.what for n in first.notices] == ["it was busy"]
    assert reinfer(first) == first


def test_inferring_again_follows_the_order_of_probes_not_of_the_file(register: Callable[..., list[Probe]]) -> None:
    probes = register(*usual())
    first = run(plan_of(*probes), Watcher(), worker=FakeWorker())
    shuffled = dataclasses.replace(first, curves=dict(reversed(first.curves.items())))
    assert reinfer(shuffled).identity["order"] == first.identity["order"]


def test_curves_of_other_versions_and_of_unknown_probes_are_named_and_left_out(register: Callable[..., list[Probe]]) -> None:
    register(*usual())
    curves = {"alpha": Curve("alpha", 9), "beta": Curve("beta", 1), "elsewhere": Curve("elsewhere", 1)}
    found = reinfer(Machine(1, "kept-id", curves=curves, not_run={"gamma": "hung", "beta": "old"}))
    assert found.id == "kept-id"
    assert set(found.curves) == {"beta"}
    assert found.not_run["alpha"] == "measured by version 9 of the probe, this is version 1"
    assert "no probe 'elsewhere'" in found.not_run["elsewhere"]
    assert found.not_run["gamma"] == "hung"
    assert "beta" not in found.not_run


# --- the worker's side


def test_the_workers_side_gives_the_probe_its_context(register: Callable[..., list[Probe]], monkeypatch: pytest.MonkeyPatch) -> None:
    contexts: list[Context] = []
    probe = fake("alpha")

    def measure(context: Context) -> Curve:
        contexts.append(context)
        context.progress(0.25, "there")
        return Curve("alpha", 1, readings={"cpu": context.cpu})

    register(dataclasses.replace(probe, measure=measure))
    pinned: list[int] = []
    monkeypatch.setattr(runner, "pin", pinned.append)
    heard: list[tuple[float, str]] = []
    arguments = {"probe": "alpha", "effort": "deep", "machine": encode(Machine(1, "m")), "seed": 3, "cpu": 5}
    arguments |= {"core_kind": "E", "memory_bytes": 12345, "seconds": 100.0}
    answer = runner.measure_in_worker(arguments, lambda fraction, note: heard.append((fraction, note)))
    assert decode(Curve, answer).readings == {"cpu": 5}
    (context,) = contexts
    assert (context.effort, context.seed, context.core_kind, context.memory_bytes) == (Effort.DEEP, 3, "E", 12345)
    assert context.machine.id == "m"
    assert 100 < context.time_left_s() <= 150
    assert not context.expired()
    assert heard == [(0.25, "there")]
    assert pinned == [5]
