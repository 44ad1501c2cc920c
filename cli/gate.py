"""`mmbench sweep --against ARTIFACT`: run the old side again, interleaved with the new one, and judge every cell."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..configs import store
from ..configs.codec import encode
from ..configs.errors import Exit, MmbenchError, StoreError, UsageError
from ..configs.gatelog import Gate, read_gate
from ..configs.gateplan import GATE, CellState, Contest, GatePlan, Side
from ..configs.machine import Conditions, Machine
from ..configs.plan import SweepPlan
from ..configs.runs import RUN_SCHEMA, Run
from ..configs.settings import Settings
from . import console
from .gate_exit import GATE_FAIL_ON, gate_fail_words
from .gate_exports import GateExports
from .sweep_request import Request, planned

if TYPE_CHECKING:
    from ..kernels.gate.artifact import Artifact, Sides

# Least and most of each share: below 0.1 % a machine's own unevenness of layout is what would be found.
_LIMITS = {"margin": (0.001, 0.5), "detect": (0.002, 0.9), "alpha": (1e-6, 0.2), "power": (0.5, 0.999)}


def aims_of(words: Mapping[str, Any], time_budget_s: float) -> GatePlan:
    """A plan without sides and cells that has what the command line asks for; UsageError for what cannot be."""
    from ..configs.profiles import parse_share

    usual = GatePlan(Side(""), Side(""), (), ())

    def share(name: str) -> float:
        if words[name] is None:
            return float(getattr(usual, name))
        try:
            return parse_share(words[name], *_LIMITS[name])
        except UsageError as error:
            raise UsageError(f"--{name}: {error.message}", error.hint) from None

    margin, detect, alpha, power = map(share, _LIMITS)
    if not margin < detect:
        raise UsageError(
            f"--detect {detect:.3g} must lie above --margin {margin:.3g}: what is to be found is more than what is let pass",
            f"the usual: --margin {usual.margin:.0%} --detect {usual.detect:.0%}",
        )
    return replace(usual, margin=margin, detect=detect, alpha=alpha, power=power, planted=detect, time_budget_s=time_budget_s)


def run_against(text: str, request: Request, words: Mapping[str, Any], settings: Settings) -> int:
    """A new gate, from its words to its exit code."""
    from ..kernels.gate import starting
    from ..kernels.gate.artifact import parse_artifact, sides_of
    from ..kernels.gate.asking import asked
    from ..kernels.gate.installs import remove_environment

    course = GateCourse(settings, words)
    artifact = parse_artifact(text)
    aims = aims_of(words, request.time_budget_s or 0.0)
    request = _with_kernels(request, artifact)
    plan, _ = planned(request)
    if words["dry_run"] and artifact.kind == "pip":
        raise UsageError("--dry-run makes no environment, and without one it is not known what pip: brings", "leave --dry-run out")
    run_id = store.new_run_id()
    sides = sides_of(artifact, plan.entrants, wanted=request.kernels, run=run_id, tell=console.say)
    try:
        gate = gate_plan(plan, sides, aims)
        if words["dry_run"]:
            _tell(gate, sides, as_json=words["as_json"])
            return Exit.OK
        store.check_writable(store.results_dir(settings))
        gate, fallen = asked(gate, starting.starter(gate), frozenset(gone.kernel for gone in sides.absent))
        return course.start(gate, fallen, request, run_id)
    finally:
        # An environment of a gate that was cut off is kept for its resume; one of a gate that never began is not.
        if sides.old.kind == "pip" and (course.finished or not _begun(settings, run_id)):
            remove_environment(sides.old)


def _begun(settings: Settings, run_id: str) -> bool:
    return any(run.id == run_id for run in store.list_runs(store.results_dir(settings)))


def _with_kernels(request: Request, artifact: Artifact) -> Request:
    """Without --kernels, another build of a library meets the newest copy of this library, or the file that --library names."""
    if request.kernels or request.given or artifact.kind != "lib" or not artifact.name:
        return request
    return replace(request, kernels=(artifact.name,))


def gate_plan(plan: SweepPlan, sides: Sides, aims: GatePlan) -> GatePlan:
    """The plan of a gate on the grid of a sweep's plan; controls come later, when it is known which cells both sides serve."""
    from ..kernels.gate.grid import contest_cells

    # Kernels that only the old side has: their cells were there before, so they are cells of this gate, and deleted ones.
    contests = (*sides.contests, *(Contest(gone.kernel, gone, gone) for gone in sides.absent))
    cells = contest_cells(plan.cells, contests, plan.skips)
    if not cells:
        reasons = "; ".join(dict.fromkeys(skip.reason for skip in plan.skips))
        raise UsageError("no kernel serves any of the cells", reasons or "see what was asked for with --dry-run")
    return replace(
        aims,
        old=sides.old,
        new=sides.new,
        contests=contests,
        cells=tuple(cells),
        seed=plan.seed,
        preset=plan.preset,
        check=plan.check,
        notes=(*plan.notes, *sides.notes),
    )


def _tell(plan: GatePlan, sides: Sides, *, as_json: bool) -> None:
    if as_json:
        console.answer_json({"schema": 1, "kind": "gate-plan", **encode(plan)})
        return
    lines = [f"old  {sides.old.word}", f"new  {sides.new.word}", ""]
    lines += [f"{contest.old.kernel} against {contest.new.kernel}" for contest in plan.contests]
    lines += ["", f"{len(plan.cells)} cells:", *(f"  {cell.name}" for cell in plan.cells)]
    lines += [f"note: {note}" for note in plan.notes]
    console.answer("\n".join([*lines, "nothing was run"]))


class GateCourse:
    """One gate from its first line to its exit code."""

    def __init__(self, settings: Settings, words: Mapping[str, Any]) -> None:
        self.settings = settings
        self.words = words
        self.as_json: bool = words["as_json"]
        self.fail_on = gate_fail_words(GATE_FAIL_ON if words["fail_on"] is None else words["fail_on"])
        self.exports = GateExports(dict(words))
        self.exports.check()
        self.finished = False

    def start(self, plan: GatePlan, fallen: Sequence[CellState], request: Request, run_id: str) -> int:
        """A new run."""
        from ..kernels.measure.conditions import read_conditions, read_overrides
        from .machine_file import versions
        from .revision import revision

        machine = self._machine()
        run = Run(
            RUN_SCHEMA,
            run_id,
            GATE,
            machine.id,
            store.utc_now(),
            settings={**self.settings.plain(), **request.plain(), "against": plan.old.word},
            seed=plan.seed,
            versions={**versions(), **revision()},
            conditions=Conditions(before=read_conditions(), overrides=read_overrides(os.environ)),
        )
        with store.RunWriter(store.results_dir(self.settings)).open(run) as writer:
            writer.append("gate_plan", plan)
            for state in fallen:
                writer.append("state", state)
            return self._run(plan, machine, writer, read_gate(writer.path) if fallen else None)

    def go_on(self, seen: Gate, writer: store.RunWriter, time_budget_s: float | None) -> int:
        """A gate that was cut off. The budget of the new words, or of the plan, holds for what is left."""
        plan = seen.plan if time_budget_s is None else replace(seen.plan, time_budget_s=time_budget_s)
        return self._run(plan, self._machine(), writer, seen)

    def _machine(self) -> Machine:
        """This machine, with what is stored of it."""
        from .machine_file import with_roofs

        machine, _ = with_roofs(self.settings, may_probe=False, quiet=True, time_budget_s=0.0)
        return machine

    def _run(self, plan: GatePlan, machine: Machine, writer: store.RunWriter, seen: Gate | None) -> int:
        import tempfile

        from ..kernels.gate import starting
        from ..kernels.gate.run import run_gate
        from ..kernels.host import Host
        from ..kernels.measure.affinity import allowed_cpus
        from ..kernels.measure.conditions import read_conditions
        from .gate_progress import GateProgress
        from .machine_file import ending_as_by_interrupt

        watch = GateProgress(quiet=self.as_json, ascii_only=console.wants_ascii(self.settings))
        ended: KeyboardInterrupt | MmbenchError | None = None
        with tempfile.TemporaryDirectory(prefix="mmbench-gate-", ignore_cleanup_errors=True) as folder:
            start = starting.starter(plan, Path(folder))
            try:
                with ending_as_by_interrupt():
                    watch.begin(plan)
                    run_gate(plan, host=Host.of(machine, allowed_cpus()), writer=writer, watch=watch, start=start, seen=seen)
                    writer.append("conditions", Conditions(after=read_conditions()))
            except (KeyboardInterrupt, MmbenchError) as error:  # what is written counts
                ended = error
            finally:
                watch.end()
                writer.close()
        return self._finish(writer.path, machine, ended)

    def _finish(self, path: Path, machine: Machine, ended: KeyboardInterrupt | MmbenchError | None) -> int:
        """Exports, screen, where it is kept, and the exit code. Exports are written whatever happened."""
        from ..reports.gate_rows import gate_document
        from .gate_exit import gate_exit
        from .show import show_gate

        found = read_gate(path)
        self.finished = found.finished
        document = gate_document(found)
        trouble = ended if isinstance(ended, MmbenchError) else None
        try:
            self.exports.write(document, found, machine)
        except StoreError as error:
            trouble = trouble or error
        show_gate(path, self.settings, as_json=self.as_json, full=self.words["full"])
        if isinstance(ended, KeyboardInterrupt):
            kept = f"interrupted; {len(found.blocks)} finished blocks are kept in {path}"
            console.complain(kept, f"go on with mmbench sweep --resume {found.run.id}")
            return Exit.INTERRUPTED
        if not self.as_json:
            console.say(f"kept in {path}")
        if trouble is not None:
            raise trouble
        code, why = gate_exit(document, self.fail_on)
        if code is not Exit.OK:
            named = ",".join(sorted(self.fail_on)) or "none"
            raise MmbenchError(f"{why} (--fail-on {named})", f"each cell: mmbench show {found.run.id} --full", code)
        return Exit.OK


def resume_gate(path: Path, machine_id: str, settings: Settings, words: Mapping[str, Any]) -> int:
    """Go on with a gate that was cut off; everything that speaks against it is said before anything is timed."""
    from ..kernels.gate.artifact import reopen
    from ..kernels.gate.installs import remove_environment

    writer = store.RunWriter(store.results_dir(settings)).reopen(path)
    try:
        seen = read_gate(path)
        anew = "start a new gate"
        if seen.run.machine_id != machine_id:
            raise UsageError(f"gate {seen.run.id} was run on {seen.run.machine_id}, and this is {machine_id}", anew)
        version = seen.run.versions.get("mmbench", "")
        if version != __version__:
            raise UsageError(f"gate {seen.run.id} was begun by mmbench {version or 'of unknown version'}, and this is {__version__}", anew)
        if seen.finished:
            raise UsageError(f"gate {seen.run.id} is finished: nothing is left to resume", anew)
        reopen(seen.plan.old)
        if words["dry_run"]:
            console.answer(f"{len(seen.blocks)} blocks of gate {seen.run.id} are kept; nothing was run")
            return Exit.OK
        if not words["as_json"]:
            console.say(f"going on with {path}: {len(seen.blocks)} blocks are done and kept")
        course = GateCourse(settings, words)
        try:
            return course.go_on(seen, writer, settings.time_budget_s)
        finally:
            if course.finished and seen.plan.old.kind == "pip":
                remove_environment(seen.plan.old)
    finally:
        writer.close()
