"""Write a stored machine, sweep or gate for other programs: JSON, CSV, Parquet, google-benchmark's and pyperf's formats, JUnit and more."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..configs.errors import StoreError, UsageError
from ..configs.files import write_all, write_atomic
from ..configs.gateplan import GATE
from ..configs.machine import Machine
from ..configs.runlog import list_runs, read_head
from ..configs.store import find_machine, find_run, load_machine, machine_folders, machine_text
from ..configs.sweeplog import SWEEP, read_sweep
from . import console
from .outputs import check_output
from .state import State, pass_state, results_option

if TYPE_CHECKING:
    from ..configs.sweepdoc import SweepDocument
    from ..configs.sweeplog import Sweep

FACT_COLUMNS = ("path", "value", "unit", "how", "by", "low", "high", "note")
OF_BOTH = ("json", "csv")  # of a machine, or of a sweep or a gate where one is named
OF_RUNS = ("gbench", "pyperf", "junit", "markdown")
OF_SWEEPS = ("parquet",)
OF_GATES = ("pyperf-old", "pyperf-new", "github", "gab", "bencher", "openmetrics")


@click.command()
@click.argument("form", type=click.Choice([*OF_BOTH, *OF_RUNS, *OF_SWEEPS, *OF_GATES]))
@click.argument("what", default="", metavar="[MACHINE|RUN|FOLDER]")
@click.option("--curves", is_flag=True, help="CSV of a machine: one row a raw sample, instead of one row a fact.")
@click.option("-o", "--output", metavar="FILE", help="Write there instead of to standard output.")
@results_option
@pass_state
def export(state: State, form: str, what: str, curves: bool, output: str | None) -> None:
    """Write a stored machine, sweep or gate for other programs.

    json and csv take a machine (a file, an id, or the beginning of one; the one probed last by default) or a RUN (likewise): a sweep or a
    gate. gbench (google-benchmark), pyperf, junit and markdown take a RUN, the newest by default; parquet a sweep. Of a gate alone:
    pyperf-old and pyperf-new (one side each, for pyperf compare_to), github (annotations of a workflow), gab (github-action-benchmark),
    bencher, openmetrics. A FOLDER of results, or of one machine, stands for the machine that was probed there last, or the newest run.
    """
    if curves and form != "csv":
        raise UsageError("--curves is for csv", "the JSON file holds the curves anyway")
    if output is not None and (not output or "\0" in output):
        raise UsageError(f"--output: {output!r} is not a file name")
    path, is_run, results = _meant(state.settings.results, form, what, curves)
    if output is not None:
        check_output(Path(output), "--output", [path])
    content = _of_run(form, path, results) if is_run else _of_machine(form, load_machine(path), curves)
    if output is not None:
        write_atomic(Path(output), content)
        console.say(f"wrote {output}")
    elif form == "parquet":
        _write_binary(content)
    else:
        console.answer(content.decode("utf-8", errors="replace"))


def _meant(results: Path, form: str, what: str, curves: bool) -> tuple[Path, bool, Path]:
    """(file that is meant, whether it is a run, the results folder that it belongs to)."""
    if not os.path.isdir(what):  # noqa: PTH112 - no error for any name
        run = _run_path(results, form, what, curves)
        return (find_machine(results, what), False, results) if run is None else (run, True, results)
    folder = Path(what).resolve()
    one = (folder / "machine.json").is_file() or (folder / "runs").is_dir()
    results = folder.parent if one else folder
    if form in OF_BOTH and (curves or (folder / "machine.json").is_file() or (not one and machine_folders(folder))):
        return find_machine(results, str(folder) if one else ""), False, results
    newest = _newest(results, form, folder.name if one else "")
    if newest is None:
        wanted = " or ".join(("machine", *_kinds(form)) if form in OF_BOTH else _kinds(form))
        raise UsageError(f"no {wanted} is stored in {what}", "name another folder, or a file")
    return newest, True, results


def _kinds(form: str) -> tuple[str, ...]:
    """What kinds of runs the form can be made of."""
    return (SWEEP,) if form in OF_SWEEPS else (GATE,) if form in OF_GATES else (SWEEP, GATE)


def _newest(results: Path, form: str, machine_id: str = "") -> Path | None:
    """The newest run that the form can be made of."""
    runs = [run for run in list_runs(results, machine_id) if run.kind in _kinds(form) and not run.problem]
    return runs[0].path if runs else None


def _run_path(results: Path, form: str, what: str, curves: bool) -> Path | None:
    """The run that is meant; None where a machine is."""
    if curves or (form in OF_BOTH and not what):
        return None
    if not what:
        newest = _newest(results, form)
        if newest is None:
            command = "mmbench sweep --against" if form in OF_GATES else "mmbench sweep"
            hint = f"run `{command}` first, or name another folder with --results"
            raise UsageError(f"no {' or '.join(_kinds(form))} is stored in {results}", hint)
        return newest
    if form in OF_BOTH:
        try:
            find_machine(results, what)
        except UsageError as no_machine:
            try:
                return find_run(results, what)
            except UsageError:
                raise no_machine from None
        return Path(what) if what.endswith(".jsonl") and Path(what).is_file() else None
    return find_run(results, what)


def _of_machine(form: str, machine: Machine, curves: bool) -> bytes:
    text = machine_text(machine) if form == "json" else samples_csv(machine) if curves else facts_csv(machine)
    return text.encode("utf-8", errors="backslashreplace")


def _of_run(form: str, path: Path, results: Path) -> bytes:
    """A sweep or a gate; SchemaError or UsageError for a run that the form cannot be made of."""
    if form in OF_GATES or read_head(path).kind == GATE:
        if form in OF_SWEEPS:
            raise UsageError(f"{path.name} is a gate, and {form} takes a sweep", "export csv instead")
        from .gate_exports import stored_gate_text

        return stored_gate_text(form, path, results).encode("utf-8", errors="backslashreplace")
    return _of_sweep(form, path, results)


def _of_sweep(form: str, path: Path, results: Path) -> bytes:
    from ..reports import exchange

    sweep = read_sweep(path)
    if form == "gbench":
        from .show import machine_of

        text = exchange.gbench(sweep, machine_of(sweep, results)[0])
    elif form == "pyperf":
        text = exchange.pyperf(sweep)
        if not text:
            raise UsageError(f"sweep {sweep.run.id} has no row with a time, and pyperf no way to say so", "export json instead")
    else:
        return _of_document(form, sweep, results)
    return text.encode("utf-8", errors="backslashreplace")


def _of_document(form: str, sweep: Sweep, results: Path) -> bytes:
    from ..reports.flat import COLUMNS, flat_rows
    from ..reports.sweep_rows import sweep_document
    from .show import machine_of

    document: SweepDocument = sweep_document(sweep, *machine_of(sweep, results))
    if form in ("json", "junit", "markdown"):
        from .exports import export_text

        return export_text(form, document, sweep).encode("utf-8", errors="backslashreplace")
    rows = flat_rows(document.machine_id, document.rows)
    if form == "parquet":
        from ..reports.parquet import parquet_bytes

        return parquet_bytes(rows)
    from ..reports.csvtext import csv_text

    return csv_text(rows, COLUMNS).encode("utf-8", errors="backslashreplace")


def _write_binary(content: bytes) -> None:
    if sys.stdout.isatty():
        raise UsageError("a Parquet file is no text for a terminal", "name a file with -o, or redirect standard output")
    sys.stdout.flush()
    try:
        write_all(sys.stdout.fileno(), content)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StoreError(f"standard output cannot be written: {error.strerror}", "choose another file or free some space") from error


def facts_csv(machine: Machine) -> str:
    """One row a Fact; an unknown value is an empty cell, its reason in the note."""
    from ..reports.csvtext import csv_text
    from ..reports.facts import machine_facts

    def row(path: str, fact: Any) -> dict[str, Any]:
        return {"path": path} | {name: getattr(fact, name) for name in FACT_COLUMNS[1:]}

    return csv_text((row(path, fact) for path, fact in machine_facts(machine)), FACT_COLUMNS)


def samples_csv(machine: Machine) -> str:
    """One row a raw sample; the columns are all settings that any point has."""
    from ..reports.csvtext import csv_text
    from ..reports.samples import machine_samples

    rows = list(machine_samples(machine))
    return csv_text(rows, tuple(dict.fromkeys(name for row in rows for name in row)))
