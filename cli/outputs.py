"""Keep an output from destroying what it is made of, or anything else that took hours to measure."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from ..configs.errors import MmbenchError, UsageError
from ..configs.runlog import read_head

_ELSEWHERE = "name another file to write"


def check_output(path: Path, option: str, inputs: Iterable[Path] = ()) -> None:
    """UsageError where writing `path` would overwrite one of the inputs, or a run file or machine file that is stored.

    A copy of a machine file outside its machine's folder is an export, and may be written again.
    """
    if not os.path.isfile(path):  # noqa: PTH113 - no error for any name; writing it says what is wrong
        return
    if any(_same(path, each) for each in inputs):
        raise UsageError(f"{option}: {path} is what is read here, and would be overwritten", _ELSEWHERE)
    if _is_run(path):
        raise UsageError(f"{option}: {path} holds a run's measurements, and would be overwritten", _ELSEWHERE)
    if _is_machine_file(path):
        raise UsageError(f"{option}: {path} is a stored machine, and would be overwritten", _ELSEWHERE)


def _same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:
        return False


def _is_run(path: Path) -> bool:
    """Whether its first line is that of a run file, whatever it is called."""
    try:
        read_head(path)
    except MmbenchError:
        return False
    return True


def _is_machine_file(path: Path) -> bool:
    """Whether it is the machine.json in a folder that is called as the machine is, or that has runs."""
    place = Path(os.path.realpath(path))
    if place.name != "machine.json":
        return False
    if (place.parent / "runs").is_dir():
        return True
    try:
        document = json.loads(place.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("id") == place.parent.name
