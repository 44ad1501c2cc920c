"""Keep machines in files, found again by name; the one door to everything stored (runs: `runlog`, files: `files`).

    <results>/<machine-id>/machine.json              replaced as a whole: new file, fsync, rename
    <results>/<machine-id>/runs/<time>-<id>.jsonl    only ever appended to: one whole line an event

A reader gets one sentence with the place for whatever does not fit, and what it can read of the rest: a torn last line (the
process died while writing it) is reported and skipped. A file of a newer schema is refused by name, an older one is migrated.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path

from . import sense
from .codec import decode, encode
from .errors import SchemaError, StoreError, UsageError
from .files import Migrations, check_id, check_writable, is_id, parse_json, read_text, upgrade, write_atomic
from .machine import MACHINE_SCHEMA, Machine
from .runlog import Event, RunWriter, StoredRun, find_run, list_runs, new_run_id, read_run, utc_now
from .settings import Settings

__all__ = [
    "Event",
    "RunWriter",
    "StoredMachine",
    "StoredRun",
    "check_id",
    "check_writable",
    "find_machine",
    "find_run",
    "list_machines",
    "list_runs",
    "load_machine",
    "machine_folders",
    "machine_path",
    "machine_text",
    "new_run_id",
    "parse_machine",
    "read_run",
    "results_dir",
    "save_machine",
    "utc_now",
]

# Schema n -> how a document of schema n becomes one of schema n + 1. Schema 1 is the first.
MACHINE_MIGRATIONS: Migrations = {}


def results_dir(settings: Settings) -> Path:
    """The folder in which results are kept."""
    return settings.results


def machine_path(results: Path, machine_id: str) -> Path:
    """Where the machine's file lies."""
    return results / check_id(machine_id) / "machine.json"


def machine_text(machine: Machine) -> str:
    """The machine file's text: JSON, one line a field, so that two files can be compared by eye and by diff."""
    lines = (f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in encode(machine).items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def save_machine(results: Path, machine: Machine) -> Path:
    """Store the machine in place of what was known of it; the path.

    The text is read back before it replaces anything: a record that could not be read again must not cost the one before it.
    """
    path = machine_path(results, machine.id)
    text = machine_text(machine)
    parse_machine(text, "the new machine record")
    write_atomic(path, text.encode("utf-8", errors="backslashreplace"))
    return path


def parse_machine(text: str, place: str) -> Machine:
    """The machine in the text of a machine file; `place` names the file in errors."""
    document = upgrade(parse_json(text, place), MACHINE_SCHEMA, MACHINE_MIGRATIONS, place)
    try:
        machine = decode(Machine, document)
        sense.check_machine(machine)
    except SchemaError as error:
        raise SchemaError(f"{place}: {error.message}", "the file was damaged or edited: restore it, or run mmbench probe again") from None
    except RecursionError:
        raise SchemaError(f"{place}: nested too deeply to be a machine") from None
    check_id(machine.id)
    return machine


def load_machine(path: Path) -> Machine:
    """The machine in a file. StoreError when it cannot be read, SchemaError when it is not what its schema says."""
    return parse_machine(read_text(path), str(path))


@dataclass(frozen=True, slots=True)
class StoredMachine:
    """A machine file that was found. `problem` says why it cannot be read, in which case the rest is empty."""

    id: str
    path: Path
    brand: str = ""
    probed_at: str = ""
    problem: str = ""


def machine_folders(results: Path) -> list[str]:
    """The ids under which a machine file lies, without reading one; nothing where the folder cannot be read."""
    try:
        names = sorted(p.name for p in results.iterdir() if (p / "machine.json").is_file())
    except OSError:
        return []
    return [name for name in names if is_id(name)]


def list_machines(results: Path) -> list[StoredMachine]:
    """Every stored machine, the most recently probed first; damaged ones last, with what is wrong."""
    found = []
    for name in machine_folders(results):
        path = machine_path(results, name)
        try:
            machine = load_machine(path)
        except StoreError as error:
            found.append(StoredMachine(name, path, problem=error.message))
            continue
        brand = machine.identity.get("brand")
        found.append(StoredMachine(name, path, str(brand.value) if brand and brand.known else "", machine.probed_at))
    return sorted(found, key=lambda m: (not m.problem, m.probed_at), reverse=True)


def find_machine(results: Path, name: str = "") -> Path:
    """The file that `name` means: a path, an id, or its unique beginning; the one most recently probed for no name."""
    if not name:
        usable = [m for m in list_machines(results) if not m.problem]
        if not usable:
            damaged = machine_folders(results)
            if damaged:
                load_machine(machine_path(results, damaged[0]))  # says what is wrong
            raise UsageError(f"no machine is stored in {results}", "run `mmbench probe` first, or name another folder with --results")
        return usable[0].path
    path = Path(name)
    with contextlib.suppress(OSError, ValueError):
        if path.is_file():
            return path
        if (path / "machine.json").is_file():
            return path / "machine.json"
    if "/" in name or name.endswith((".json", ".jsonl")):
        raise UsageError(f"there is no file {name!r}", "see `mmbench list machines`")
    ids = machine_folders(results)
    matches = [name] if name in ids else [i for i in ids if i.startswith(name)]
    if len(matches) == 1:
        return machine_path(results, matches[0])
    if matches:
        raise UsageError(f"'{name}' could mean {len(matches)} machines", ", ".join(matches))
    raise UsageError(f"no machine '{name}' is stored in {results}", "stored: " + (", ".join(ids) or "none"))
