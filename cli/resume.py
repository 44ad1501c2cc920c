"""Go on with a sweep or a gate that was cut off; everything that speaks against it is said before anything is timed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import __version__
from ..configs import store
from ..configs.errors import Exit, StoreError, UsageError
from ..configs.gatelog import read_gate
from ..configs.gateplan import GATE
from ..configs.runlog import read_head
from ..configs.settings import Settings
from ..configs.sweeplog import SWEEP, Sweep, read_sweep
from . import console
from .exports import Exports
from .sweep_course import SweepCourse
from .sweep_request import check_same_kernels

NEWEST = "\0newest"  # --resume without a name


def find_resumable(name: str, settings: Settings) -> tuple[Path, str, str]:
    """(the run file that `name` means, its kind, this machine's id); UsageError where there is none."""
    from .machine_file import identified

    results = store.results_dir(settings)
    machine_id = identified().id
    path = _newest_unfinished(results, machine_id) if name == NEWEST else store.find_run(results, name)
    return path, read_head(path).kind, machine_id


def resume_sweep(
    path: Path, machine_id: str, settings: Settings, words: Mapping[str, Any], exports: Exports, fail_on: frozenset[str]
) -> int:
    """The rest of a sweep."""
    results = store.results_dir(settings)
    writer = store.RunWriter(results).reopen(path)
    try:
        found = read_sweep(path)
        _check_resumable(found, machine_id, named=words["resume"] != NEWEST)
        check_same_kernels(found)
        if words["dry_run"]:
            left = sum(1 for _ in _left(found))
            console.answer(f"{len(found.rows)} rows are done and {left} are left of sweep {found.run.id}; nothing was run")
            return Exit.OK
        if not words["as_json"]:
            console.say(f"going on with {path}: {len(found.rows)} rows are done and kept")
        return SweepCourse(settings, dict(words), exports, fail_on).go_on(found, writer, settings.time_budget_s)
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
