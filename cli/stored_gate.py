"""Hold a sweep that has just been run against a stored one (`--against run:`, `--baseline`), and keep it under a name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .. import __version__
from ..configs import store
from ..configs.baselines import check_name, find_baseline, save_baseline
from ..configs.codec import encode
from ..configs.errors import Exit, MmbenchError, NotPossibleError, StoreError, UsageError
from ..configs.runlog import read_head
from ..configs.settings import Settings
from ..configs.sweeplog import SWEEP, read_sweep
from . import console
from .gate_exit import gate_exit

if TYPE_CHECKING:
    from ..configs.gatedoc import GateDocument
    from ..configs.machine import Machine

RUN = "run:"
F = TypeVar("F", bound=Callable[..., Any])


def stored_options(function: F) -> F:
    """Accept --baseline and --save-baseline."""
    for option in (
        click.option("--save-baseline", metavar="NAME", help="Keep the run under this name."),
        click.option("--baseline", metavar="NAME", help="As --against, with the run that is kept under this name."),
    ):
        function = option(function)
    return function


@dataclass(frozen=True, slots=True)
class StoredGate:
    """What is asked of a sweep besides running: the stored run to hold it against (None: none) and the name to keep it under ("": none)."""

    word: str = ""
    against: Path | None = None
    save: str = ""

    def judge(self, path: Path, settings: Settings, fail_on: frozenset[str], *, as_json: bool, full: bool) -> None:
        """Show how the run in `path` stands to the stored one. MmbenchError, with the exit code, where it fails."""
        assert self.against is not None
        document = run_against_stored(self.against, self.word, path)
        _show(document, settings, as_json=as_json, full=full)
        code, why = gate_exit(document, fail_on)
        if code is not Exit.OK:
            if self.save:  # it would become the measure of the next
                console.say(f"not kept as baseline '{self.save}'")
            raise MmbenchError(f"{why} (against {document.old.word})", "", code)

    def keep(self, path: Path, *, quiet: bool) -> None:
        """Keep the run in `path` under its name, if it was given one. StoreError for one that is not finished."""
        if not self.save:
            return
        found = read_sweep(path)
        if not found.finished:
            raise StoreError(f"not kept as baseline '{self.save}': the sweep is not finished", f"mmbench sweep --resume {found.run.id}")
        save_baseline(path.parents[2], found.run.machine_id, self.save, path)
        if not quiet:
            console.say(f"kept as baseline '{self.save}' of {found.run.machine_id}")


def is_asked(words: dict[str, Any]) -> bool:
    """Whether the old side is a stored run, and nothing that is run again."""
    return words["baseline"] is not None or (words["against"] or "").startswith(RUN)


def asked(words: dict[str, Any], settings: Settings) -> StoredGate:
    """What the command line asks for, with everything that speaks against it said before anything is measured."""
    against, name, save = words["against"], words["baseline"], words["save_baseline"]
    if save is not None:
        check_name(save)
    if against is not None and name is not None:
        raise UsageError("--against and --baseline both name the old side", "give one of them")
    if against is None and name is None:
        return StoredGate(save=save or "")
    from ..reports.gate_stored import BASELINE
    from .machine_file import identified

    machine, results = identified(), store.results_dir(settings)
    if name is not None:
        word, path = f"{BASELINE}{name}", find_baseline(results, machine.id, name)
    else:
        word, path = against, _named(against, results)
    _check(path, machine)
    return StoredGate(word, path, save or "")


def _named(against: str, results: Path) -> Path:
    """The run file that `run:FILE` means."""
    if not against.startswith(RUN) or against == RUN:
        raise UsageError(
            f"--against '{against[:60]}': no side can be made of it", "write run:FILE, with a run file or the id of a stored run"
        )
    try:
        return store.find_run(results, against.removeprefix(RUN))
    except UsageError as error:
        raise NotPossibleError(error.message, error.hint) from None


def _check(path: Path, machine: Machine) -> None:
    from ..reports.gate_stored import check_comparable

    head = read_head(path)
    if head.kind != SWEEP:
        raise UsageError(f"{path}: this is a {head.kind[:40]} run, not a sweep", "see `mmbench list runs`")
    check_comparable(head, machine.id, __version__, (_beside(path), machine))
    read_sweep(path)  # a damaged one is said now, not after minutes of measuring


def _beside(path: Path) -> Machine | None:
    """The machine file of a run's own results folder."""
    try:
        return store.load_machine(path.resolve().parents[1] / "machine.json")
    except (MmbenchError, IndexError):
        return None


def run_against_stored(old: Path, word: str, new: Path) -> GateDocument:
    """The verdicts on the finished run in `new` against the stored one in `old`; NotPossibleError where they cannot be compared."""
    from ..reports.gate_stored import stored_gate_document

    return stored_gate_document(read_sweep(old), read_sweep(new), word=word, machines=(_beside(old), _beside(new)))


def _show(document: GateDocument, settings: Settings, *, as_json: bool, full: bool) -> None:
    if as_json:
        console.answer_json(encode(document))
        return
    from ..reports.gate_screen import gate_screen

    color, plain = console.wants_color(settings), console.wants_ascii(settings)
    console.answer("\n" + gate_screen(document, width=console.width(), color=color, ascii_only=plain, full=full))
