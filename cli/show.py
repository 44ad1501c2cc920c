"""Show what is stored: a machine's screen, or what happened in a run."""

from __future__ import annotations

import contextlib
from collections import Counter
from pathlib import Path

import click

from ..configs.codec import encode
from ..configs.errors import SchemaError, UsageError
from ..configs.machine import Machine
from ..configs.runs import Run
from ..configs.store import Event, find_machine, find_run, load_machine, machine_text, read_run
from . import console
from .state import State, json_option, pass_state, results_option


@click.command()
@click.argument("what", default="", metavar="[MACHINE|RUN]")
@click.option("--full", is_flag=True, help="Every row and every reason, not the digest.")
@click.option("--reinfer", is_flag=True, help="Draw the conclusions again from the stored curves, with this version's methods.")
@json_option
@results_option
@pass_state
def show(state: State, what: str, full: bool, reinfer: bool, as_json: bool) -> None:
    """Show a stored machine or run again.

    MACHINE and RUN are a file, an id, or the beginning of one. Without a name: the machine that was probed last.
    """
    path = find_stored(state.settings.results, what)
    if path.suffix == ".jsonl":
        _show_run(path, as_json)
        return
    machine = load_machine(path)
    if reinfer:
        machine = reinferred(machine)
    if as_json:
        console.answer(machine_text(machine))
        return
    from ..reports.screen import machine_screen

    settings = state.settings
    color, plain = console.wants_color(settings), console.wants_ascii(settings)
    console.answer(machine_screen(machine, width=console.width(), color=color, ascii_only=plain, full=full))


def find_stored(results: Path, what: str) -> Path:
    """The machine or run file that `what` means; UsageError when it is neither."""
    if what.endswith(".jsonl"):
        return find_run(results, what)
    try:
        return find_machine(results, what)
    except UsageError as error:
        if what and "could mean" not in error.message:
            with contextlib.suppress(UsageError):
                return find_run(results, what)
        raise


def reinferred(machine: Machine) -> Machine:
    """The machine as this version's inference sees its curves."""
    if not machine.curves:
        raise SchemaError(f"machine {machine.id} holds no curves to infer from", "it was stored without them: run mmbench probe again")
    from ..probes.runner import reinfer

    return reinfer(machine)


def _show_run(path: Path, as_json: bool) -> None:
    run, events, notes = read_run(path)
    for note in notes:
        console.say(f"note: {note}")
    everything = list(events)
    if as_json:
        console.answer_json({**encode(run), "events": encode(everything), "notes": notes})
    else:
        console.answer(run_words(run, everything, path))


def run_words(run: Run, events: list[Event], path: Path) -> str:
    """A run in a few lines: who, when, with which settings, and how many events of each kind."""
    lines = [
        f"{run.kind} run {run.id} on {run.machine_id}",
        f"started   {run.started_at}",
        f"ended     {events[-1].at if events else 'before its first event'}",
        f"seed      {run.seed}",
    ]
    for title, pairs in (("settings", run.settings), ("versions", run.versions)):
        if pairs:
            lines.append(f"{title}  {', '.join(f'{name} {value}' for name, value in pairs.items())}")
    counted = Counter(event.event for event in events)
    lines.append(f"events    {', '.join(f'{count} {kind}' for kind, count in counted.items()) or 'none'}")
    lines.append(f"file      {path}")
    return "\n".join(console.clean(line) for line in lines)
