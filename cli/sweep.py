"""`mmbench sweep`: run every kernel over a grid of shapes and data types, proven right before it is timed."""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import __version__
from ..configs import store
from ..configs.errors import Exit, MmbenchError, NotPossibleError, StoreError, UsageError
from ..configs.gatelog import read_gate
from ..configs.gateplan import GATE
from ..configs.machine import Conditions, Machine
from ..configs.plan import SweepPlan
from ..configs.runlog import read_head
from ..configs.runs import RUN_SCHEMA, Run
from ..configs.settings import Settings
from ..configs.sweeplog import SWEEP, Missing, Sweep, read_sweep
from ..configs.units import duration_words, parse_duration
from . import console
from .exports import Exports
from .state import State, json_option, pass_state, results_option, seed_option
from .sweep_request import Request, ask_given, check_same_kernels, listed, planned, refuse_empty, split_shapes

if TYPE_CHECKING:
    from ..configs.sweepdoc import SweepDocument

FAIL_WORDS = ("wrong", "crashed", "timeout", "missing")
NEWEST = "\0newest"  # --resume without a name
NO_PROBE = "no_probe"  # in the settings of a run
_WORTH_A_NOTE_S = 3.0  # finding out which machine this is takes less


@click.command()
@click.option("--preset", metavar="NAME|FILE", help="What to run: quick (the default), ci, full… or a TOML file of your own.")
@click.option("--shapes", multiple=True, metavar="SHAPES", help="Shapes such as 128x768x768 or 1024, or the name of a set; commas between.")
@click.option("--dtypes", multiple=True, metavar="TYPES", help="Data types; see mmbench list dtypes.")
@click.option("--kernels", multiple=True, metavar="KERNELS", help="Kernels or libraries, such as vectorized, openblas, 'mkl*'.")
@click.option("--threads", metavar="LIST", help="1, all, scaling, or a list such as 1,2,4.")
@click.option("--layouts", multiple=True, metavar="LIST", help="Of nn, nt, tn, tt.")
@click.option("--epilogues", multiple=True, metavar="LIST", help="none, or steps joined by +, such as bias+gelu.")
@click.option("--temperature", type=click.Choice(["hot", "cold", "both"]), help="Whether operands are in the caches when a call begins.")
@click.option("-k", "expression", metavar="EXPR", help="Only cells and kernels that match, such as 'bert and not cold'.")
@click.option("--time-budget", metavar="TIME", help="End after this time, such as 45s or 5m.")
@click.option("--precision", metavar="SHARE", help="Sample until a time is known so well, such as 2%.")
@click.option("--check", type=click.Choice(["quick", "full"]), help="How much of the correctness gate each kernel passes first.")
@click.option(
    "--library",
    "libraries",
    multiple=True,
    metavar="NAME=PATH",
    help="Time the library in this file, as NAME@given, beside those of --kernels; may be repeated.",
)
@click.option("--against", metavar="ARTIFACT", help="Hold it against lib:PATH, venv:PATH, pip:SPEC or kernel:NAME, run again beside it.")
@click.option("--margin", metavar="SHARE", help="With --against: a slowdown that is let pass (1%).")
@click.option("--detect", metavar="SHARE", help="With --against: the slowdown to find (3%).")
@click.option("--alpha", metavar="SHARE", help="With --against: how often unchanged code may fail (1%).")
@click.option("--power", metavar="SHARE", help="With --against: how often such a slowdown is to be found (95%).")
@click.option("--resume", is_flag=False, flag_value=NEWEST, metavar="[RUN]", help="Go on with a sweep that was cut off (the newest).")
@click.option("--dry-run", is_flag=True, help="Say what would be run, and run nothing.")
@seed_option
@click.option("--no-probe", is_flag=True, help="Do not measure the roofs first where none are stored.")
@click.option("--full", is_flag=True, help="Show every row.")
@click.option("--fail-on", metavar="LIST", default="wrong,crashed,timeout", show_default=True, help="Exit with 4 for these; or none.")
@click.option("--export-json", metavar="FILE", help="Write the derived figures there.")
@click.option("--export-junit", metavar="FILE", help="Write a JUnit file there.")
@click.option("--export-markdown", metavar="FILE", help="Write Markdown tables there.")
@json_option
@results_option
@pass_state
def sweep(state: State, /, **words: Any) -> int:
    """Run every kernel over shapes and data types, proven right, then timed.

    Each cell is asked of every kernel that serves it, in turns; rows say how far each is from this machine's own roof. Nothing is timed
    before its result was proven right in the same process.
    """
    fail_on = _fail_words(words["fail_on"])
    refuse_empty((_option(name), words[name]) for name in _NEVER_EMPTY)
    exports = Exports(words["export_json"], words["export_junit"], words["export_markdown"])
    if words["dry_run"]:
        exports.refuse("--dry-run runs nothing that could be exported", "for the plan as JSON: --dry-run --json")
    for name in ("time_budget", "seed"):
        if words[name] is not None:
            state.give(name, words[name])
    settings = state.settings

    from ..kernels.measure.lean import check_room

    check_room()  # before NumPy and LLVM come in
    exports.check()
    if words["resume"] is not None:
        _refuse_with_resume(words)
        return _resume(words["resume"], settings, words, exports, fail_on)
    request = _request(words, settings)
    if words["against"] is not None:
        from .gate import run_against

        return run_against(words["against"], request, words, settings)
    _refuse_without_against(words)
    plan, absent = planned(request)
    _nothing_to_do(plan)
    plan = ask_given(plan)
    _nothing_to_do(plan)
    if words["dry_run"]:
        _tell(plan, absent, settings, words["as_json"])
        return Exit.OK
    store.check_writable(store.results_dir(settings))
    if not words["as_json"]:
        _say_plan(plan, absent, settings)
    return _Course(settings, words, exports, fail_on).start(plan, absent, request)


# Of the options whose values are lists, `sweep_request.listed` says it.
_NEVER_EMPTY = ("against", "preset", "threads", "expression", "time_budget", "precision", "fail_on", "resume")


def _option(name: str) -> str:
    """As the user types it."""
    return {"expression": "-k", "libraries": "--library"}.get(name, f"--{name.replace('_', '-')}")


def _fail_words(text: str) -> frozenset[str]:
    words = frozenset(filter(None, (word.strip() for word in text.split(","))))
    if words == {"none"}:
        return frozenset()
    for word in sorted(words):
        if word not in FAIL_WORDS:
            raise UsageError(f"--fail-on: there is no '{word}'", f"words: {', '.join(FAIL_WORDS)}, or none")
    return words


def _request(words: dict[str, Any], settings: Settings) -> Request:
    own = words["shapes"] or words["dtypes"]
    budget_s = parse_duration(words["time_budget"]) if words["time_budget"] else settings.time_budget_s
    given = []
    for text in words["libraries"]:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise UsageError(f"--library {text}: a name and a path are needed", "write it as openblas=/path/to/libopenblas.so")
        given.append((name, path))
    return Request(
        preset=words["preset"] or ("" if own else "quick"),
        shapes=split_shapes(words["shapes"]),
        dtypes=listed("--dtypes", words["dtypes"]),
        kernels=listed("--kernels", words["kernels"]),
        threads=words["threads"] or "",
        layouts=listed("--layouts", words["layouts"]),
        epilogues=listed("--epilogues", words["epilogues"]),
        temperature=words["temperature"] or "",
        expression=words["expression"] or "",
        time_budget_s=budget_s,
        precision=_precision(words["precision"]) if words["precision"] else None,
        check=words["check"] or "",
        seed=settings.seed,
        given=tuple(given),
    )


def _precision(text: str) -> float:
    from ..configs.profiles import parse_share

    try:
        return parse_share(text)
    except UsageError as error:
        raise UsageError(f"--precision: {error.message}", error.hint) from None


_GATE_ONLY = ("margin", "detect", "alpha", "power")
_FIXED_BY_RESUME = (
    *("preset", "shapes", "dtypes", "kernels", "threads", "layouts", "epilogues", "temperature", "expression", "precision", "check"),
    *("libraries", "seed", "against", *_GATE_ONLY),
)


def _refuse_with_resume(words: dict[str, Any]) -> None:
    given = [name for name in _FIXED_BY_RESUME if words[name] not in (None, ())]
    if given:
        shown = ", ".join(map(_option, given))
        raise UsageError(f"--resume takes its plan from the run file, so {shown} cannot be given with it", "leave it out, or start anew")


def _refuse_without_against(words: dict[str, Any]) -> None:
    """What only a gate can do."""
    for name in _GATE_ONLY:
        if words[name] is not None:
            raise UsageError(f"--{name} belongs to a gate, and there is nothing to hold against", "name it with --against")


def _nothing_to_do(plan: SweepPlan) -> None:
    if not plan.cells:
        raise UsageError("no cell is left to measure", "see what was asked for with --dry-run")
    if not plan.entrants:
        raise UsageError("no kernel takes part", "see mmbench list kernels and mmbench list vendors")
    skipped = {(index, skip.kernel) for skip in plan.skips for index in skip.cells}
    if len(skipped) >= len(plan.cells) * len(plan.entrants):
        reasons = "; ".join(dict.fromkeys(skip.reason for skip in plan.skips))
        raise UsageError(f"no kernel serves {_any_of(len(plan.cells))}", reasons)


def _any_of(cells: int) -> str:
    return "the one cell" if cells == 1 else f"any of the {cells} cells"


def _tell(plan: SweepPlan, absent: tuple[Missing, ...], settings: Settings, as_json: bool) -> None:
    from ..reports.sweep_plan import plan_document, plan_text

    if as_json:
        console.answer_json(plan_document(plan, absent))
        return
    color, plain = console.wants_color(settings), console.wants_ascii(settings)
    text = plan_text(plan, absent, width=console.width(), color=color, ascii_only=plain, cells=True)
    console.answer(f"{text}\nnothing was run")


def _say_plan(plan: SweepPlan, absent: tuple[Missing, ...], settings: Settings) -> None:
    from ..reports.sweep_plan import plan_text

    console.say(plan_text(plan, absent, width=console.width(), ascii_only=console.wants_ascii(settings)).rstrip("\n"))


def _resume(name: str, settings: Settings, words: dict[str, Any], exports: Exports, fail_on: frozenset[str]) -> int:
    """Go on with a run that was cut off; everything that speaks against it is said before anything is timed."""
    from .machine_file import identified

    results = store.results_dir(settings)
    machine_id = identified().id
    path = _newest_unfinished(results, machine_id) if name == NEWEST else store.find_run(results, name)
    if read_head(path).kind == GATE:
        from .gate import resume_gate

        return resume_gate(path, machine_id, settings, words)
    writer = store.RunWriter(results).reopen(path)
    try:
        found = read_sweep(path)
        _check_resumable(found, machine_id, named=name != NEWEST)
        check_same_kernels(found)
        if words["dry_run"]:
            left = sum(1 for _ in _left(found))
            console.answer(f"{len(found.rows)} rows are done and {left} are left of sweep {found.run.id}; nothing was run")
            return Exit.OK
        if not words["as_json"]:
            console.say(f"going on with {path}: {len(found.rows)} rows are done and kept")
        return _Course(settings, words, exports, fail_on).go_on(found, writer, settings.time_budget_s)
    finally:
        writer.close()


def _newest_unfinished(results: Path, machine_id: str) -> Path:
    for run in store.list_runs(results, machine_id):
        try:
            if (run.kind == SWEEP and not read_sweep(run.path).finished) or (run.kind == GATE and not read_gate(run.path).finished):
                return run.path
        except StoreError as error:
            console.say(f"note: {error.message}")
    raise UsageError(f"there is no unfinished sweep of {machine_id} in {results}", "start one with mmbench sweep")


def _left(found: Sweep) -> list[tuple[str, str]]:
    skipped = {(index, skip.kernel) for skip in found.plan.skips for index in skip.cells}
    pairs = [(i, cell.case.id, e.kernel) for i, cell in enumerate(found.plan.cells) for e in found.plan.entrants]
    done = found.done
    return [(case_id, kernel) for i, case_id, kernel in pairs if (i, kernel) not in skipped and (case_id, kernel) not in done]


def _check_resumable(found: Sweep, machine_id: str, *, named: bool) -> None:
    anew = "start a new sweep"
    if found.run.machine_id != machine_id:
        raise UsageError(f"sweep {found.run.id} was run on {found.run.machine_id}, and this is {machine_id}", anew)
    version = found.run.versions.get("mmbench", "")
    if version != __version__:
        message = f"sweep {found.run.id} was begun by mmbench {version or 'of unknown version'}, and this is {__version__}"
        raise UsageError(message, f"rows of different versions never mix: {anew}")
    if named and found.finished:
        raise UsageError(f"sweep {found.run.id} is finished: nothing is left to resume", anew)


class _Course:
    """One sweep from its first row to its exit code."""

    def __init__(self, settings: Settings, words: dict[str, Any], exports: Exports, fail_on: frozenset[str]) -> None:
        self.settings = settings
        self.as_json: bool = words["as_json"]
        self.full: bool = words["full"]
        self.may_probe: bool = not words["no_probe"]
        self.exports = exports
        self.fail_on = fail_on

    def start(self, plan: SweepPlan, absent: tuple[Missing, ...], request: Request) -> int:
        """A new run."""
        from ..kernels.measure.conditions import read_conditions, read_overrides
        from .machine_file import versions

        machine, no_roofs, left = self._roofs(plan)
        run = Run(
            RUN_SCHEMA,
            store.new_run_id(),
            SWEEP,
            machine.id,
            store.utc_now(),
            settings={**self.settings.plain(), **request.plain(), **({} if self.may_probe else {NO_PROBE: True})},
            seed=plan.seed,
            versions=versions(),
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
        show_sweep(document, self.settings, as_json=self.as_json, full=self.full)
        if isinstance(ended, KeyboardInterrupt):
            rows = "1 finished row is" if len(found.rows) == 1 else f"{len(found.rows)} finished rows are"
            console.complain(f"interrupted; {rows} kept in {path}", f"go on with mmbench sweep --resume {found.run.id}")
            return Exit.INTERRUPTED
        if not self.as_json:
            console.say(f"kept in {path}")
        if trouble is not None:
            raise trouble
        broken = failed_words(document, self.fail_on)
        if broken:
            raise MmbenchError(f"{broken} (--fail-on {','.join(sorted(self.fail_on))})", "", Exit.BROKEN_KERNEL)
        if not any(row.timed for row in document.rows):
            raise NotPossibleError(f"no kernel got a time in {_any_of(document.cells)}: {untimed_words(document)}")
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
