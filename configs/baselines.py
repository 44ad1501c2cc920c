"""Keep runs under names, so that a later sweep can be held against `main` or `v1.2`.

    <results>/<machine-id>/baselines/<name>.json     which of the machine's runs the name means; replaced as a whole

A baseline points at a run file of its own machine and copies nothing: removing that run makes the name useless, and it says so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from .codec import decode, encode
from .errors import NotPossibleError, SchemaError, StoreError, UsageError
from .files import Migrations, check_id, is_id, parse_json, read_text, upgrade, write_atomic
from .runlog import read_head, runs_path, utc_now

BASELINE_SCHEMA = 1
BASELINE_MIGRATIONS: Migrations = {}  # schema n -> how a document of schema n becomes one of schema n + 1. Schema 1 is the first.
_MOST_NAMES = 8  # of a hint


@dataclass(frozen=True, slots=True)
class Baseline:
    """A name for a run. `file` is the run file's own name, within the machine's `runs`."""

    schema: int
    name: str
    run_id: str
    file: str
    saved_at: str


def check_name(name: str) -> str:
    """`name` if it can be a baseline's: no path, no option. UsageError otherwise."""
    if not is_id(name):
        shown = repr(name if len(name) <= 60 else name[:57] + "...")
        raise UsageError(f"{shown} cannot be the name of a baseline", "letters, digits, '-', '_' and single dots, such as main or v1.2")
    return name


def baselines_path(results: Path, machine_id: str) -> Path:
    """The folder of the machine's baselines."""
    return results / check_id(machine_id) / "baselines"


def save_baseline(results: Path, machine_id: str, name: str, run: Path) -> Path:
    """Let `name` mean this run, whatever it meant before; the path. StoreError for a file that is not among the machine's runs."""
    head = read_head(run)
    if run.resolve().parent != runs_path(results, machine_id).resolve() or head.machine_id != machine_id:
        raise StoreError(f"{run} is not among the runs of {machine_id} in {results}, so that no baseline can name it")
    path = baselines_path(results, machine_id) / f"{check_name(name)}.json"
    made = Baseline(BASELINE_SCHEMA, name, head.id, run.name, utc_now())
    write_atomic(path, (json.dumps(encode(made), indent=1) + "\n").encode())
    return path


def list_baselines(results: Path, machine_id: str) -> list[str]:
    """The names that are kept for a machine."""
    try:
        entries = sorted(baselines_path(results, machine_id).iterdir())
    except OSError:
        return []
    return [entry.stem for entry in entries if entry.suffix == ".json" and is_id(entry.stem)]


def find_baseline(results: Path, machine_id: str, name: str) -> Path:
    """The run file that the name means. NotPossibleError with the names that there are for an unknown one, and for a run that is gone."""
    check_name(name)
    path = baselines_path(results, machine_id) / f"{name}.json"
    if not path.is_file():
        known = list_baselines(results, machine_id)
        more = f" and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
        hint = f"known: {', '.join(known[:_MOST_NAMES])}{more}" if known else f"keep one with mmbench sweep --save-baseline {name}"
        raise NotPossibleError(f"no baseline '{name}' is kept for {machine_id} in {results}", hint)
    baseline = _read(path)
    run = runs_path(results, machine_id) / baseline.file
    if not is_id(baseline.file) or not run.is_file():
        raise NotPossibleError(f"baseline '{name}' means run {baseline.run_id}, whose file is gone: {run.name}", "save it anew")
    if read_head(run).id != baseline.run_id:
        raise NotPossibleError(f"baseline '{name}' means run {baseline.run_id}, and {run.name} holds another", "save it anew")
    return run


def _read(path: Path) -> Baseline:
    document = upgrade(parse_json(read_text(path), str(path)), BASELINE_SCHEMA, BASELINE_MIGRATIONS, str(path))
    try:
        return decode(Baseline, document)
    except SchemaError as error:
        raise SchemaError(f"{path}: {error.message}", "the file was damaged or edited: save the baseline anew") from None
