"""`mmbench probe`: measure this machine, show it, keep it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..configs import store
from ..configs.errors import Exit, MmbenchError, StoreError, UsageError
from ..configs.machine import Machine
from ..configs.settings import Settings
from ..configs.units import duration_words
from . import console
from .machine_file import Keeper, measure
from .state import State, json_option, pass_state, results_option, seed_option

if TYPE_CHECKING:
    from ..probes.runner import Plan


@click.command()
@click.option("--only", "names", multiple=True, metavar="NAME", help="Run this probe and what it needs; may be given more than once.")
@click.option("--quick", is_flag=True, help="Coarser and shorter: about 15 seconds.")
@click.option("--deep", is_flag=True, help="Finer and longer: several minutes.")
@click.option("--time-budget", metavar="TIME", help="Fit into this time, such as 30s or 2m.")
@seed_option
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


def _run(plan: Plan, settings: Settings, *, as_json: bool, full: bool) -> int:
    keeper, machine, ended = measure(plan, settings, quiet=as_json)
    return _finish(keeper, machine, ended, as_json=as_json, full=full)


def _finish(keeper: Keeper, machine: Machine | None, ended: KeyboardInterrupt | StoreError | None, *, as_json: bool, full: bool) -> int:
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
