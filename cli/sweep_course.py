"""One sweep from its first row to its exit code: the run file, the roofs, the rows, exports, screen and what failed."""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..configs import store
from ..configs.errors import Exit, MmbenchError, NotPossibleError, StoreError
from ..configs.machine import Conditions, Machine
from ..configs.plan import SweepPlan
from ..configs.runs import RUN_SCHEMA, Run
from ..configs.settings import Settings
from ..configs.sweeplog import SWEEP, Missing, Sweep, read_sweep
from ..configs.units import duration_words
from . import console, stored_gate
from .exports import Exports
from .sweep_request import Request

if TYPE_CHECKING:
    from ..configs.sweepdoc import SweepDocument

FAIL_WORDS = ("wrong", "crashed", "timeout", "missing")
NO_PROBE = "no_probe"  # in the settings of a run
_WORTH_A_NOTE_S = 3.0  # finding out which machine this is takes less


class SweepCourse:
    """One sweep from its first row to its exit code."""

    def __init__(self, settings: Settings, words: dict[str, Any], exports: Exports, fail_on: frozenset[str]) -> None:
        self.settings = settings
        self.as_json: bool = words["as_json"]
        self.full: bool = words["full"]
        self.may_probe: bool = not words["no_probe"]
        self.exports = exports
        self.fail_on = fail_on
        self.stored: stored_gate.StoredGate = words.get("stored") or stored_gate.StoredGate()

    def start(self, plan: SweepPlan, absent: tuple[Missing, ...], request: Request) -> int:
        """A new run."""
        from ..kernels.measure.conditions import read_conditions, read_overrides
        from .machine_file import versions
        from .revision import revision

        machine, no_roofs, left = self._roofs(plan)
        run = Run(
            RUN_SCHEMA,
            store.new_run_id(),
            SWEEP,
            machine.id,
            store.utc_now(),
            settings={**self.settings.plain(), **request.plain(), **({} if self.may_probe else {NO_PROBE: True})},
            seed=plan.seed,
            versions={**versions(), **revision()},
            conditions=Conditions(before=read_conditions(), overrides=read_overrides(os.environ)),
        )
        with store.RunWriter(store.results_dir(self.settings)).open(run) as writer:
            writer.append("plan", plan)
            if absent:
                writer.append("absent", absent)
            if plan.time_budget_s - left.time_budget_s > _WORTH_A_NOTE_S:
                went_s = duration_words(plan.time_budget_s - left.time_budget_s)
                writer.append("note", f"{went_s} of the time budget of {duration_words(plan.time_budget_s)} went to measuring the roofs")
            return self._run(left, machine, no_roofs, writer, frozenset())

    def go_on(self, found: Sweep, writer: store.RunWriter, time_budget_s: float | None) -> int:
        """A run that was cut off; a time budget that is given now holds for what is left."""
        self.may_probe = self.may_probe and found.run.settings.get(NO_PROBE) is not True  # as the run was begun, so it goes on
        plan = found.plan if time_budget_s is None else replace(found.plan, time_budget_s=time_budget_s)
        machine, no_roofs, left = self._roofs(plan)
        return self._run(left, machine, no_roofs, writer, found.done)

    def _roofs(self, plan: SweepPlan) -> tuple[Machine, str, SweepPlan]:
        """(this machine, why its roofs are unknown, the plan with what is left of its time budget): measuring roofs counts as its time."""
        from .machine_file import with_roofs

        began, budget_s = time.monotonic(), plan.time_budget_s
        machine, no_roofs = with_roofs(self.settings, may_probe=self.may_probe, quiet=self.as_json, time_budget_s=budget_s)
        left_s = max(budget_s / 2, budget_s - (time.monotonic() - began))  # `with_roofs` plans with half of it at most
        return machine, no_roofs, replace(plan, time_budget_s=left_s)

    def _run(self, plan: SweepPlan, machine: Machine, no_roofs: str, writer: store.RunWriter, done: frozenset[tuple[str, str]]) -> int:
        from ..kernels.host import Host
        from ..kernels.measure.affinity import allowed_cpus
        from ..kernels.measure.conditions import read_conditions
        from ..kernels.sweep import run_sweep
        from .machine_file import ending_as_by_interrupt
        from .sweep_progress import SweepProgress

        watch = SweepProgress(quiet=self.as_json, ascii_only=console.wants_ascii(self.settings))
        roofs = None if no_roofs else machine
        ended: KeyboardInterrupt | MmbenchError | None = None
        try:
            with ending_as_by_interrupt():
                run_sweep(plan, host=Host.of(roofs, allowed_cpus()), machine=roofs, writer=writer, watch=watch, done=done)
                writer.append("conditions", Conditions(after=read_conditions()))
        except (KeyboardInterrupt, MmbenchError) as error:  # a full disk under the run file, say: what is finished counts
            ended = error
        finally:
            watch.end()
            writer.close()
        return self._finish(writer.path, roofs, no_roofs, ended)

    def _finish(self, path: Path, machine: Machine | None, no_roofs: str, ended: KeyboardInterrupt | MmbenchError | None) -> int:
        """Exports, screen, where it is kept, and the exit code. Exports are written whatever happened."""
        from ..reports.sweep_rows import sweep_document

        found = read_sweep(path)
        document = sweep_document(found, machine, no_roofs)
        trouble = ended if isinstance(ended, MmbenchError) else None
        try:
            self.exports.write(document, found)
        except StoreError as error:
            trouble = trouble or error
        if not (self.as_json and self.stored.against):  # one document: the gate's
            show_sweep(document, self.settings, as_json=self.as_json, full=self.full)
        if isinstance(ended, KeyboardInterrupt):
            rows = "1 finished row is" if len(found.rows) == 1 else f"{len(found.rows)} finished rows are"
            console.complain(f"interrupted; {rows} kept in {path}", f"go on with mmbench sweep --resume {found.run.id}")
            return Exit.INTERRUPTED
        if not self.as_json:
            console.say(f"kept in {path}")
        if trouble is not None:
            raise trouble
        if self.stored.against is not None:
            self.stored.judge(path, self.settings, self.fail_on, as_json=self.as_json, full=self.full)
        elif broken := failed_words(document, self.fail_on):
            raise MmbenchError(f"{broken} (--fail-on {','.join(sorted(self.fail_on))})", "", Exit.BROKEN_KERNEL)
        if not any(row.timed for row in document.rows):
            raise NotPossibleError(f"no kernel got a time in {any_of(document.cells)}: {untimed_words(document)}")
        self.stored.keep(path, quiet=self.as_json)
        return Exit.OK


def show_sweep(document: SweepDocument, settings: Settings, *, as_json: bool, full: bool) -> None:
    """The answer: one JSON document, or the screen."""
    from ..configs.codec import encode

    if as_json:
        console.answer_json(encode(document))
        return
    from ..reports.sweep_screen import sweep_screen

    color, plain = console.wants_color(settings), console.wants_ascii(settings)
    console.answer(sweep_screen(document, width=console.width(), color=color, ascii_only=plain, full=full))


def untimed_words(document: SweepDocument) -> str:
    """Why no row has a time: how the rows ended, the most frequent first, or why there is none."""
    counted = Counter(f"{row.kernel} {row.status.value}" + (f" ({row.reason})" if row.reason else "") for row in document.rows)
    words = [f"{text} in {count}" for text, count in counted.most_common(3)]
    return "; ".join(words) or document.end_reason or "no row was written"


def failed_words(document: SweepDocument, fail_on: frozenset[str]) -> str:
    """`2 rows are wrong, 1 library is missing`; empty where nothing is that `fail_on` names."""
    parts = []
    for word in FAIL_WORDS[:3]:
        count = sum(row.status.value == word for row in document.rows)
        if word in fail_on and count:
            verb = {"wrong": ("is wrong", "are wrong"), "crashed": ("crashed",) * 2, "timeout": ("timed out",) * 2}[word]
            parts.append(f"1 row {verb[0]}" if count == 1 else f"{count} rows {verb[1]}")
    missing = sorted({m.library for m in document.absent} | {k.name for k in document.kernels if k.problem})
    if "missing" in fail_on and missing:
        parts.append(f"missing: {', '.join(missing)}")
    return ", ".join(parts)


def any_of(cells: int) -> str:
    """`the one cell`, `any of the 3 cells`."""
    return "the one cell" if cells == 1 else f"any of the {cells} cells"
