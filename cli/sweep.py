"""`mmbench sweep`: run every kernel over a grid of shapes and data types, proven right before it is timed."""

from __future__ import annotations

from typing import Any

import click

from ..configs import store
from ..configs.errors import Exit, UsageError
from ..configs.gateplan import GATE
from ..configs.plan import SweepPlan
from ..configs.settings import Settings
from ..configs.sweeplog import Missing
from ..configs.units import parse_duration
from . import console, stored_gate
from .exports import Exports
from .gate_exit import GATE_FAIL_ON, gate_fail_words
from .gate_exports import EXPORT_OPTIONS, GateExports, gate_export_options
from .resume import NEWEST
from .state import State, json_option, pass_state, results_option, seed_option
from .sweep_course import FAIL_WORDS, SweepCourse, any_of
from .sweep_request import Request, ask_given, listed, planned, refuse_empty, split_shapes

SWEEP_FAIL_ON = "wrong,crashed,timeout"


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
@click.option(
    "--against", metavar="ARTIFACT", help="Hold it against lib:PATH, venv:PATH, pip:SPEC or kernel:NAME, run beside it; or run:FILE."
)
@stored_gate.stored_options
@click.option("--margin", metavar="SHARE", help="With --against: a slowdown that is let pass (1%).")
@click.option("--detect", metavar="SHARE", help="With --against: the slowdown to find (3%).")
@click.option("--alpha", metavar="SHARE", help="With --against: how often unchanged code may fail (1%).")
@click.option("--power", metavar="SHARE", help="With --against: how often such a slowdown is to be found (95%).")
@click.option("--resume", is_flag=False, flag_value=NEWEST, metavar="[RUN]", help="Go on with a sweep that was cut off (the newest).")
@click.option("--dry-run", is_flag=True, help="Say what would be run, and run nothing.")
@seed_option
@click.option("--no-probe", is_flag=True, help="Do not measure the roofs first where none are stored.")
@click.option("--full", is_flag=True, help="Show every row.")
@click.option("--fail-on", metavar="LIST", help="Fail for these (wrong,crashed,timeout; a gate: see mmbench explain ci); or none.")
@gate_export_options
@json_option
@results_option
@pass_state
def sweep(state: State, /, **words: Any) -> int:
    """Run every kernel over shapes and data types, proven right, then timed.

    Each cell is asked of every kernel that serves it, in turns; rows say how far each is from this machine's own roof. Nothing is timed
    before its result was proven right in the same process.
    """
    refuse_empty((_option(name), words[name]) for name in _NEVER_EMPTY)
    stored = stored_gate.is_asked(words)
    if (words["against"] is None or stored) and words["resume"] is None:
        _refuse_without_against(words)
    if words["dry_run"]:
        GateExports(words).refuse("--dry-run runs nothing that could be exported", "for the plan as JSON: --dry-run --json")
    for name in ("time_budget", "seed"):
        if words[name] is not None:
            state.give(name, words[name])
    settings = state.settings

    from ..kernels.measure.lean import check_room

    check_room()  # before NumPy and LLVM come in
    if words["against"] is not None and words["resume"] is None and not stored:
        if words["save_baseline"] is not None:
            raise UsageError("--save-baseline keeps a sweep, and this is a gate", "leave one of the two out")
        from .gate import run_against

        return run_against(words["against"], _request(words, settings), words, settings)
    if words["resume"] is not None:
        _refuse_with_resume(words)
        return _resumed(words, settings)
    fail_on, exports = _for_a_sweep(words, settings)
    request = _request(words, settings)
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
    return SweepCourse(settings, words, exports, fail_on).start(plan, absent, request)


# Of the options whose values are lists, `sweep_request.listed` says it.
_NEVER_EMPTY = (
    *("against", "baseline", "save_baseline"),
    *("preset", "threads", "expression", "time_budget", "precision", "fail_on", "resume"),
)


def _option(name: str) -> str:
    """As the user types it."""
    return {"expression": "-k", "libraries": "--library"}.get(name, f"--{name.replace('_', '-')}")


def _fail_words(text: str) -> frozenset[str]:
    words = frozenset(filter(None, (word.strip() for word in text.split(","))))
    if words == {"none"}:
        return frozenset()
    for word in sorted(words):
        if word not in FAIL_WORDS:
            raise UsageError(f"--fail-on: there is no '{word}'", f"words: {', '.join(FAIL_WORDS)}, or none; of a gate there are more")
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


_GATE_EXPORTS = ("github", *(f"export_{form}" for form in EXPORT_OPTIONS if form not in ("json", "junit", "markdown")))
_GATE_ONLY = ("margin", "detect", "alpha", "power")
_FIXED_BY_RESUME = (
    *("preset", "shapes", "dtypes", "kernels", "threads", "layouts", "epilogues", "temperature", "expression", "precision", "check"),
    *("libraries", "seed", *_GATE_ONLY),
)


def _refuse_with_resume(words: dict[str, Any]) -> None:
    given = [name for name in _FIXED_BY_RESUME if words[name] not in (None, ())]
    if given:
        shown = ", ".join(map(_option, given))
        raise UsageError(f"--resume takes its plan from the run file, so {shown} cannot be given with it", "leave it out, or start anew")


def _for_a_sweep(words: dict[str, Any], settings: Settings) -> tuple[frozenset[str], Exports]:
    """What fails a sweep, and its exports, tried; those of a gate are looked at where it is known to be one."""
    exports = Exports(words["export_json"], words["export_junit"], words["export_markdown"])
    exports.check()
    words["stored"] = stored_gate.asked(words, settings)
    if words["stored"].against is not None:
        return gate_fail_words(GATE_FAIL_ON if words["fail_on"] is None else words["fail_on"]), exports
    return _fail_words(SWEEP_FAIL_ON if words["fail_on"] is None else words["fail_on"]), exports


def _resumed(words: dict[str, Any], settings: Settings) -> int:
    """A gate or a sweep that was cut off: which it is, its file says."""
    from .resume import find_resumable, resume_sweep

    path, kind, machine_id = find_resumable(words["resume"], settings)
    if kind == GATE:
        from .gate import resume_gate

        return resume_gate(path, machine_id, settings, words)
    _refuse_without_against(words)
    fail_on, exports = _for_a_sweep(words, settings)
    return resume_sweep(path, machine_id, settings, words, exports, fail_on)


def _refuse_without_against(words: dict[str, Any]) -> None:
    """What only a gate can do."""
    for name in (*_GATE_ONLY, *_GATE_EXPORTS):
        if words[name]:
            raise UsageError(f"{_option(name)} belongs to a gate, and there is nothing to hold against", "name it with --against")


def _nothing_to_do(plan: SweepPlan) -> None:
    if not plan.cells:
        raise UsageError("no cell is left to measure", "see what was asked for with --dry-run")
    if not plan.entrants:
        raise UsageError("no kernel takes part", "see mmbench list kernels and mmbench list vendors")
    skipped = {(index, skip.kernel) for skip in plan.skips for index in skip.cells}
    if len(skipped) >= len(plan.cells) * len(plan.entrants):
        reasons = "; ".join(dict.fromkeys(skip.reason for skip in plan.skips))
        raise UsageError(f"no kernel serves {any_of(len(plan.cells))}", reasons)


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
