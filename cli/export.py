"""Write a stored machine for other programs: its JSON file, or a table of facts or of raw samples."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from ..configs.errors import UsageError
from ..configs.files import write_atomic
from ..configs.machine import Machine
from ..configs.store import find_machine, load_machine, machine_text
from . import console
from .state import State, pass_state, results_option

FACT_COLUMNS = ("path", "value", "unit", "how", "by", "low", "high", "note")


@click.command()
@click.argument("form", type=click.Choice(["json", "csv"]))
@click.argument("machine", default="", metavar="[MACHINE]")
@click.option("--curves", is_flag=True, help="CSV: one row a raw sample, instead of one row a fact.")
@click.option("-o", "--output", metavar="FILE", help="Write there instead of to standard output.")
@results_option
@pass_state
def export(state: State, form: str, machine: str, curves: bool, output: str | None) -> None:
    """Write a stored machine as JSON or CSV.

    MACHINE is a file, an id, or the beginning of one; without it, the machine that was probed last.
    """
    if curves and form == "json":
        raise UsageError("--curves is for csv", "the JSON file holds the curves anyway")
    stored = load_machine(find_machine(state.settings.results, machine))
    text = machine_text(stored) if form == "json" else samples_csv(stored) if curves else facts_csv(stored)
    if output is None:
        console.answer(text)
    else:
        write_atomic(Path(output), text.encode("utf-8", errors="backslashreplace"))
        console.say(f"wrote {output}")


def facts_csv(machine: Machine) -> str:
    """One row a Fact; an unknown value is an empty cell, its reason in the note."""
    from ..reports.facts import machine_facts

    def row(path: str, fact: Any) -> dict[str, Any]:
        return {"path": path} | {name: getattr(fact, name) for name in FACT_COLUMNS[1:]}

    return csv_text((row(path, fact) for path, fact in machine_facts(machine)), FACT_COLUMNS)


def samples_csv(machine: Machine) -> str:
    """One row a raw sample; the columns are all settings that any point has."""
    from ..reports.samples import machine_samples

    rows = list(machine_samples(machine))
    return csv_text(rows, tuple(dict.fromkeys(name for row in rows for name in row)))


def csv_text(rows: Iterable[Mapping[str, Any]], columns: tuple[str, ...]) -> str:
    """RFC 4180 text. A word that a spreadsheet would run as a formula gets an apostrophe in front."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([_harmless(name) for name in columns])
    for row in rows:
        writer.writerow([_harmless(row.get(name)) for name in columns])
    return buffer.getvalue()


def _harmless(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return value
