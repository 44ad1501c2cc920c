"""Gather what a report stands on: machines, sweeps and gates out of files, folders and globs, and what could not be read and why.

Files may be anybody's: a damaged line costs itself, a damaged file costs itself, and both are told in `Evidence.skipped`. Of several sweeps
of one machine the newest row of each kernel in each cell counts; rows of other versions of a kernel are superseded, never mixed in.
Rows are derived as they are read, so that memory grows with what is shown and not with raw samples.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...configs.errors import MmbenchError, StoreError, UsageError
from ...configs.files import not_regular
from ...configs.gatedoc import GateDocument
from ...configs.gatelog import read_gate
from ...configs.gateplan import GATE
from ...configs.kernel_names import without_origin
from ...configs.machine import Machine
from ...configs.runlog import read_head
from ...configs.store import find_run, load_machine, machine_folders
from ...configs.sweepdoc import SweepDocument, SweepKernel, SweepRow
from ...configs.sweeplog import SWEEP, stream_sweep
from ...kernels.roofline import Roofs
from ..gate_rows import gate_document
from ..sweep_rows import RowMaker, document_of, with_ratios
from .blocks import plain

MOST_ROWS = 250_000  # of all files together: half a gigabyte
MOST_GATES = 6  # that are worked out: a second each
MOST_GATE_BYTES = 256 << 20
_DEPTH = 4  # folders below the one that is named: results/machine/runs
SYNTHETIC = "synthetic"
_PROBE = "probe"  # the kind of a probe's run


@dataclass(frozen=True, slots=True)
class Subject:
    """One machine of the report: its file if there is one, its sweeps (the newest first, without their rows), and its rows.

    `label` is short and different from those of the other machines; a synthetic machine says so in it. `rows` hold the newest answer of
    each kernel in each cell; `superseded` older ones are not shown. `unread` of its run files could not be read as sweeps.
    """

    id: str
    label: str
    machine: Machine | None = None
    no_machine: str = ""
    sweeps: tuple[SweepDocument, ...] = ()
    rows: tuple[SweepRow, ...] = ()
    superseded: int = 0
    unread: int = 0

    @property
    def synthetic(self) -> bool:
        """Whether it was made up, for trying things out."""
        return is_synthetic(self.id)

    @property
    def kernels(self) -> dict[str, SweepKernel]:
        """Every kernel of its sweeps by name, as the newest sweep has it."""
        found: dict[str, SweepKernel] = {}
        for sweep in self.sweeps:
            for kernel in sweep.kernels:
                found.setdefault(kernel.kernel, kernel)
        return found


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or a part of one that could not be read, and why."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a report knows. `names` gives each kernel the name to show, `order` its number: one colour and marker in every figure.

    `gates` are the newest ones, the newest first; `older_gates` more were found and not read.
    """

    subjects: tuple[Subject, ...]
    skipped: tuple[Skipped, ...] = ()
    names: dict[str, str] = field(default_factory=dict)
    order: dict[str, int] = field(default_factory=dict)
    gates: tuple[GateDocument, ...] = ()
    older_gates: int = 0

    @property
    def swept(self) -> tuple[Subject, ...]:
        """The machines with rows."""
        return tuple(s for s in self.subjects if s.rows)

    @property
    def probed(self) -> tuple[Subject, ...]:
        """The machines with a machine file."""
        return tuple(s for s in self.subjects if s.machine is not None)

    def name(self, kernel: str) -> str:
        """The name to show of a kernel."""
        return self.names.get(kernel, plain(kernel, 40))

    def place(self, machine_id: str) -> str:
        """The label of a machine; its id where nothing else is known of it."""
        return next((s.label for s in self.subjects if s.id == machine_id), plain(machine_id, 60))

    def number(self, kernel: str) -> int:
        """Its number, which chooses colour, marker and dash."""
        return self.order.get(self.name(kernel), 0)


def is_synthetic(machine_id: str) -> bool:
    """Machines that were made up have ids that begin so, and never any other."""
    return machine_id.startswith(f"{SYNTHETIC}-")


def gather(words: Iterable[str], results: Path) -> Evidence:
    """The evidence in files, folders and globs (without any: in `results`). UsageError for a word that names nothing at all."""
    skipped: list[Skipped] = []
    machines: dict[str, Path] = {}
    runs: dict[Path, str] = {}  # a run file to its machine's id
    gates: list[Path] = []
    for path in files_of(list(words), results):
        try:
            _sort_in(path, machines, runs, gates)
        except MmbenchError as error:
            skipped.append(_skipped(path, error.message))
    for path, machine_id in list(runs.items()):
        beside = path.parent.parent / "machine.json"
        if machine_id not in machines and beside.is_file():
            machines[machine_id] = beside
    loaded = _loaded(machines, skipped)
    subjects: list[Subject] = []
    for machine_id, paths in _by_machine(loaded, runs).items():
        room = MOST_ROWS - sum(len(subject.rows) for subject in subjects)
        subjects.append(_subject(machine_id, loaded.get(machine_id), paths, skipped, room))
    read, older = _gates(gates, skipped)
    return replace(arranged([s for s in subjects if s.machine is not None or s.sweeps], skipped), gates=read, older_gates=older)


def _gates(paths: list[Path], skipped: list[Skipped]) -> tuple[tuple[GateDocument, ...], int]:
    """(the newest gates that can be read, how many older ones were left): names of run files begin with the moment."""
    found: list[GateDocument] = []
    ordered = sorted(paths, key=lambda path: path.name, reverse=True)
    for number, path in enumerate(ordered):
        if len(found) == MOST_GATES:
            return tuple(found), len(ordered) - number
        try:
            if path.stat().st_size > MOST_GATE_BYTES:
                raise StoreError(f"it is larger than the {MOST_GATE_BYTES >> 20} MiB of any gate")
            gate = read_gate(path, tolerant=True)
            found.append(gate_document(gate))
            skipped += [_skipped(path, note) for note in gate.torn]
        except (MmbenchError, OSError) as error:
            skipped.append(_skipped(path, error.message if isinstance(error, MmbenchError) else error.strerror or str(error)))
    return tuple(found), 0


def _skipped(path: Path, message: str) -> Skipped:
    """The place once: messages that name the file lose its name."""
    place = str(path)
    if message.startswith(place):
        message = message[len(place) :].lstrip(":, ") or message
    return Skipped(place, message)


def arranged(subjects: list[Subject], skipped: Iterable[Skipped] = ()) -> Evidence:
    """The evidence of these machines, in order (real ones first, the one with most rows first), with labels that differ."""
    ordered = sorted(subjects, key=lambda s: (s.synthetic, -len(s.rows), s.id))
    labels = _labels(ordered)
    labelled = tuple(replace(s, label=labels[s.id]) for s in ordered)
    names = _names(labelled)
    return Evidence(labelled, tuple(skipped), names, _order(names))


def files_of(words: list[str], results: Path) -> Iterator[Path]:
    """The files that the words name, each once: files, all of a folder, or what fits a glob."""
    seen: set[Path] = set()
    for word in words or [str(results)]:
        for path in sorted(_meant(word, results, bool(words))):
            if path not in seen:
                seen.add(path)
                yield path


def _meant(word: str, results: Path, named: bool) -> list[Path]:
    if "\0" in word or not word:
        raise UsageError(f"{word!r} is no file name", "name a machine.json, a run file, a folder or a glob")
    path = Path(word)
    try:
        if path.is_dir():
            return list(_below(path, _DEPTH, path.resolve()))
        if path.is_file():
            return [path]
        odd = not_regular(path)
    except OSError as error:
        raise UsageError(f"{word}: {error.strerror or error}", "name another file") from None
    if odd:
        raise UsageError(f"{word} is {odd}, not a file", "write what comes out of it into a file, and name that")
    found = [Path(p) for p in glob.glob(word, recursive=True) if not os.path.isdir(p)]  # noqa: PTH112, PTH207 - absolute patterns, too
    if found or not named:
        return found
    return _stored(word, results)


def _stored(word: str, results: Path) -> list[Path]:
    """What a machine id or a run id means in the results folder, or the unique beginning of one."""
    machines = [i for i in machine_folders(results) if i.startswith(word)]
    if len(machines) == 1:
        return _meant(str(results / machines[0]), results, True)
    try:
        return [find_run(results, word)]
    except UsageError:
        shown = word if len(word) <= 80 else word[:77] + "..."
        message = f"there is no file, folder or glob {shown!r}, and no machine or run of that name in {results}"
        raise UsageError(message, "see `mmbench list runs` and `mmbench list machines`") from None


def _below(folder: Path, depth: int, top: Path) -> Iterator[Path]:
    """What is called as a file of ours in a folder and those below, be it a file or not, and folders that cannot be gone into.

    Links to folders are not followed, since they may lead in circles; those that lead out of `top` are among what is found.
    """
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        yield folder
        return
    for entry in entries:
        is_folder = os.path.isdir(entry)  # noqa: PTH112 - no error where it cannot be asked
        leads_out = is_folder and entry.is_symlink() and not entry.resolve().is_relative_to(top)
        if leads_out or entry.suffix == ".jsonl" or entry.name == "machine.json":
            yield entry
        if is_folder and depth > 1 and not entry.is_symlink():
            yield from _below(entry, depth - 1, top)


def _sort_in(path: Path, machines: dict[str, Path], runs: dict[Path, str], gates: list[Path]) -> None:
    """Sort a machine, sweep or gate in; a probe's run holds what the machine file holds, and is left out. MmbenchError otherwise."""
    odd = not_regular(path)
    if odd == "a folder" and path.suffix not in (".json", ".jsonl"):
        why = "a link to a folder elsewhere is not followed: name that folder, too" if path.is_symlink() else "the folder cannot be read"
        raise StoreError(why)
    if odd:
        raise StoreError(f"this is {odd}, not a file")
    if path.suffix == ".json":
        machines[str(path)] = path
        return
    head = read_head(path)
    if head.kind == SWEEP:
        runs[path] = head.machine_id
    elif head.kind == GATE:
        gates.append(path)
    elif head.kind != _PROBE:
        raise StoreError(f"there is no kind of run that is called {head.kind[:40]!r}")


def _loaded(machines: dict[str, Path], skipped: list[Skipped]) -> dict[str, Machine]:
    found: dict[str, Machine] = {}
    for path in dict.fromkeys(machines.values()):
        try:
            machine = load_machine(path)
        except StoreError as error:
            skipped.append(_skipped(path, error.message))
            continue
        known = found.get(machine.id)
        if known is None or known.probed_at < machine.probed_at:
            found[machine.id] = machine
    return found


def _by_machine(loaded: dict[str, Machine], runs: dict[Path, str]) -> dict[str, list[Path]]:
    """Run files by machine, newest first: their names begin with the moment."""
    groups: dict[str, list[Path]] = {machine_id: [] for machine_id in loaded}
    for path, machine_id in sorted(runs.items(), key=lambda item: item[0].name, reverse=True):
        groups.setdefault(machine_id, []).append(path)
    return groups


def _subject(machine_id: str, machine: Machine | None, paths: list[Path], skipped: list[Skipped], room: int) -> Subject:
    """A machine with its sweeps read, as far as there is room for their rows."""
    roofs = Roofs.of(machine)
    why = "" if machine is not None else "there is no machine file beside its runs: `mmbench probe` writes one"
    sweeps: list[SweepDocument] = []
    rows: dict[tuple[str, str], SweepRow] = {}
    superseded = unread = 0
    for path in paths:
        maker = RowMaker(roofs)
        try:
            sweep = stream_sweep(path, maker.take, max(0, room - len(rows)))
        except StoreError as error:
            skipped.append(_skipped(path, error.message))
            unread += 1
            continue
        skipped += [_skipped(path, note) for note in sweep.torn]
        document = document_of(sweep, maker, why)
        for row in document.rows:
            superseded += (row.case_id, row.kernel) in rows
            rows.setdefault((row.case_id, row.kernel), row)
        sweeps.append(replace(document, rows=()))
    return Subject(machine_id, machine_id, machine, why, tuple(sweeps), with_ratios(list(rows.values())), superseded, unread)


def _labels(subjects: list[Subject]) -> dict[str, str]:
    """Short labels that differ: the microarchitecture and the CPUs, with a part of the id where that is not enough."""
    wanted = {s.id: _label(s) for s in subjects}
    counted = list(wanted.values())
    return {i: label if counted.count(label) == 1 else f"{label} {plain(i, 60)[-4:]}" for i, label in wanted.items()}


def _label(subject: Subject) -> str:
    words = [plain(subject.id, 28)]
    machine = subject.machine
    if machine is not None:
        names = [fact.value for key in ("microarchitecture", "brand") if (fact := machine.identity.get(key)) is not None and fact.value]
        words = [plain(names[0], 32)] if names else words
        if machine.topology is not None and machine.topology.threads.known:
            words.append(f"{plain(machine.topology.threads.value, 6)} CPUs")
    return ", ".join(words) + (" (synthetic)" if subject.synthetic else "")


def _names(subjects: tuple[Subject, ...]) -> dict[str, str]:
    """Kernel to the name to show: without its origin where no machine has two copies of that library."""
    several: set[str] = set()
    everyone: dict[str, None] = {}
    for subject in subjects:
        here = dict.fromkeys([*subject.kernels, *(row.kernel for row in subject.rows)])
        everyone.update(here)
        short = [without_origin(kernel) for kernel in here]
        several.update(name for name in short if short.count(name) > 1)
    return {k: plain(k if without_origin(k) in several else without_origin(k), 40) for k in everyone}


_FIRST = ("vectorized", "openblas", "mkl", "onednn", "aocl", "blis", "naive", "blocked", "libxsmm")


def _order(names: dict[str, str]) -> dict[str, int]:
    """Numbers by name: the usual kernels keep theirs in every report, so that a reader knows a colour again."""
    shown = dict.fromkeys(names.values())
    ranks = {name: _FIRST.index(plain_name) if (plain_name := without_origin(name)) in _FIRST else len(_FIRST) for name in shown}
    return {name: number for number, name in enumerate(sorted(shown, key=lambda n: (ranks[n], n)))}
