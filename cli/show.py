"""Show what is stored: a machine's screen, a sweep's tables, a gate's verdicts, or what happened in a run."""

from __future__ import annotations

import contextlib
from collections import Counter
from pathlib import Path

import click

from ..configs.codec import encode
from ..configs.errors import SchemaError, StoreError, UsageError
from ..configs.gatelog import Gate
from ..configs.gateplan import GATE
from ..configs.machine import Machine
from ..configs.runlog import read_head
from ..configs.runs import Run
from ..configs.settings import Settings
from ..configs.store import Event, find_machine, find_run, list_runs, load_machine, machine_folders, machine_path, machine_text, read_run
from ..configs.sweeplog import SWEEP, Sweep, read_sweep
from . import console
from .state import State, json_option, pass_state, results_option


@click.command()
@click.argument("what", required=False, metavar="[MACHINE|RUN]")
@click.option("--full", is_flag=True, help="Every row and every reason, not the digest.")
@click.option("--reinfer", is_flag=True, help="Draw the conclusions again from the stored curves, with this version's methods.")
@json_option
@results_option
@pass_state
def show(state: State, what: str | None, full: bool, reinfer: bool, as_json: bool) -> None:
    """Show a stored machine or run again.

    A sweep is shown with its tables, a gate with its verdicts. MACHINE and RUN are a file, an id, or the beginning of one. Without a name:
    the machine that was probed last, or the newest run where no machine is stored.
    """
    path = newest_stored(state.settings.results) if what is None else find_stored(state.settings.results, what)
    if path.suffix == ".jsonl":
        _show_run(path, state, as_json=as_json, full=full)
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


def newest_stored(results: Path) -> Path:
    """The machine that was probed last; where none is stored, the newest run (a sweep that was told not to probe)."""
    runs = [] if machine_folders(results) else [run for run in list_runs(results) if not run.problem]
    if not runs:
        return find_machine(results)
    console.say(f"no machine is stored in {results}: this is the newest run")
    return runs[0].path


def find_stored(results: Path, what: str) -> Path:
    """The machine or run file that `what` means; UsageError when it is neither."""
    if not what:
        raise UsageError("the name of a machine or a run is empty", "leave it out for the machine that was probed last")
    if what.endswith(".jsonl"):
        return find_run(results, what)
    try:
        return find_machine(results, what)
    except UsageError as error:
        if "could mean" in error.message:
            raise
    if "/" in what or what.endswith(".json"):
        raise UsageError(f"there is no file {what!r}", "see `mmbench list machines` and `mmbench list runs`")
    try:
        return find_run(results, what)
    except UsageError as error:
        if "could mean" in error.message:
            raise
    machines, runs = machine_folders(results), len(list_runs(results))
    stored = [*([", ".join(machines)] if machines else []), *([f"{runs} run{'s' if runs > 1 else ''} (mmbench list runs)"] if runs else [])]
    raise UsageError(f"no machine and no run '{what}' is stored in {results}", f"stored: {'; '.join(stored) or 'none'}")


def reinferred(machine: Machine) -> Machine:
    """The machine as this version's inference sees its curves."""
    if not machine.curves:
        raise SchemaError(f"machine {machine.id} holds no curves to infer from", "it was stored without them: run mmbench probe again")
    from ..probes.runner import reinfer

    return reinfer(machine)


def show_gate(path: Path, settings: Settings, *, as_json: bool, full: bool) -> None:
    """A gate's verdicts: one JSON document, or the screen. StoreError or SchemaError where the file cannot be read as a gate."""
    from ..configs.gatelog import read_gate
    from ..reports.gate_rows import gate_document
    from ..reports.gate_screen import gate_screen

    document = gate_document(read_gate(path))
    if as_json:
        console.answer_json(encode(document))
        return
    color, plain = console.wants_color(settings), console.wants_ascii(settings)
    console.answer(gate_screen(document, width=console.width(), color=color, ascii_only=plain, full=full))


def _show_run(path: Path, state: State, *, as_json: bool, full: bool) -> None:
    kind = _kind(path)
    if kind == GATE:
        show_gate(path, state.settings, as_json=as_json, full=full)
        return
    if kind == SWEEP:
        from ..reports.sweep_rows import sweep_document
        from .sweep_course import show_sweep

        found = read_sweep(path)
        machine, why = machine_of(found, state.settings.results)
        show_sweep(sweep_document(found, machine, why), state.settings, as_json=as_json, full=full)
        return
    run, events, notes = read_run(path)
    for note in notes:
        console.say(f"note: {note}")
    everything = list(events)
    if as_json:
        console.answer_json({**encode(run), "events": encode(everything), "notes": notes})
    else:
        console.answer(run_words(run, everything, path))


def _kind(path: Path) -> str:
    """What kind of run it is, by its first line; empty where that cannot be read (reading all of it says why)."""
    with contextlib.suppress(StoreError):
        return read_head(path).kind
    return ""


def machine_of(found: Sweep | Gate, results: Path) -> tuple[Machine | None, str]:
    """(the machine that the sweep or gate ran on, why its roofs are unknown): beside its run file, or in the results folder."""
    beside = found.path.parent.parent / "machine.json"
    path = beside if beside.is_file() else machine_path(results, found.run.machine_id)
    if not path.is_file():
        return None, f"no machine file of {found.run.machine_id} is stored"
    try:
        machine = load_machine(path)
    except StoreError as error:
        return None, error.message
    if machine.id != found.run.machine_id:
        return None, f"{path} is of another machine ({machine.id})"
    return machine, ""


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
