"""Find out what the two words of `mmbench compare A B` mean: runs, machines, or kernels of one sweep."""

from __future__ import annotations

import contextlib
import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ..configs.errors import MmbenchError, NotPossibleError, StoreError, UsageError
from ..configs.files import is_id
from ..configs.kernel_names import is_unfused, without_origin
from ..configs.runlog import StoredRun, list_runs
from ..configs.store import load_machine, machine_folders
from ..configs.sweeplog import SWEEP, list_sweeps
from ..reports.comparison import Side
from . import console
from .words import not_known

_MOST_NAMES = 8  # of a hint


def sides_of(words: tuple[str, str], results: Path, run: str) -> tuple[Side, Side]:
    """Both sides. `run` names the sweep in which kernels are looked for ("" for the newest). UsageError for words that mean nothing,
    several things, or two kinds of thing; NotPossibleError where there is nothing to compare with."""
    finder = _Finder(results, run)
    a, b = (finder.side(word) for word in words)
    if a.kernel and b.kernel and a.runs != b.runs and finder.used_default:
        which = next(word for word in words if ":" not in word)
        message = f"'{which}' is a kernel of sweep {', '.join((a if which == words[0] else b).runs)}, and the other side names another run"
        raise UsageError(message, f"write RUN:{which}")
    _check_alike(a, b)
    if (a.machine_id, a.runs, a.kernel) == (b.machine_id, b.runs, b.kernel):
        raise UsageError(f"'{words[0]}' and '{words[1]}' are the same: {_described(a)}", "name two different runs, machines or kernels")
    if run and not (finder.used_default and a.kernel):
        raise UsageError("--run says in which sweep kernels are looked for, and here A and B name their own", "leave it out")
    return a, b


def _check_alike(a: Side, b: Side) -> None:
    if bool(a.kernel) != bool(b.kernel):
        hint = f"to compare one kernel of both, write RUN:{a.kernel or b.kernel} on both sides"
        raise UsageError(f"{_described(a)} cannot be compared with {_described(b)}: only like with like", hint)
    if a.kernel and a.machine_id != b.machine_id and without_origin(a.kernel) != without_origin(b.kernel):
        message = (
            f"{_described(a)} and {_described(b)} differ in the machine and in the kernel, so that a ratio would say nothing of either"
        )
        raise NotPossibleError(message, "compare two kernels of one machine, or one kernel on two")


def _described(side: Side) -> str:
    if side.kernel:
        return f"kernel {side.kernel} of sweep {', '.join(side.runs) or 'unknown'}"
    return f"machine {side.machine_id}" if side.kind == "machine" else f"sweep {', '.join(side.runs)}"


@dataclass(frozen=True, slots=True)
class _Meaning:
    """One thing that a word can mean: how it is described, how its rows are loaded, and whether the word is its whole name."""

    words: str
    kind: str
    path: Path
    exact: bool


class _Finder:
    """Looks words up in files, in the stored runs and machines, and among the kernels of a sweep."""

    def __init__(self, results: Path, run: str) -> None:
        self._results = results
        self._run = run
        self._known: dict[Path, Side] = {}
        self.used_default = False

    @cached_property
    def _runs(self) -> list[StoredRun]:
        return list_runs(self._results)

    @cached_property
    def _machines(self) -> list[str]:
        """Machines with a file or with runs."""
        return sorted({*machine_folders(self._results), *(run.machine_id for run in self._runs if is_id(run.machine_id))})

    def side(self, word: str) -> Side:
        """What the word means."""
        if not word.strip() or "\0" in word:
            raise UsageError(f"{word!r} names nothing", "name a run, a machine or a kernel: mmbench explain compare")
        source, colon, kernel = word.rpartition(":")
        if colon and not _is_there(word):
            if not source or not kernel:
                raise UsageError(f"'{word}': a name is missing on one side of the colon", "write RUN:KERNEL, such as 5a3e:openblas")
            return self._kernel_of(self._source(source), kernel, word)
        meanings = self._meanings(word)
        kernels = self._default_kernels(word) if not _looks_like_a_file(word) else []
        if not meanings and not kernels:
            raise self._unknown(word)
        if kernels and (not meanings or not any(m.exact for m in meanings)):
            if meanings:
                raise _ambiguous(word, [*(m.words for m in meanings), f"kernel {kernels[0]}"])
            return self._kernel_of(self._default(), word, word)
        if kernels and any(m.exact for m in meanings):
            raise _ambiguous(word, [*(m.words for m in meanings if m.exact), f"kernel {kernels[0]}"])
        return self._loaded(_one(word, meanings))

    def _source(self, word: str) -> Side:
        meanings = self._meanings(word)
        if not meanings:
            raise not_known("run or machine", word, self._names(), "see `mmbench list runs` and `mmbench list machines`")
        return self._loaded(_one(word, meanings))

    def _meanings(self, word: str) -> list[_Meaning]:
        """The files, runs and machines that the word can mean."""
        path = Path(word)
        with contextlib.suppress(OSError, ValueError):
            if path.is_dir():
                return [_Meaning(f"folder {path}", "machine", path, exact=True)]
            if path.is_file():
                return [_Meaning(f"file {path}", "machine" if path.suffix == ".json" else "run", path, exact=True)]
        found = []
        for run in self._runs:
            exact = word in (run.id, run.path.stem, run.path.name)
            if exact or (run.id and run.id.startswith(word)) or run.path.stem.startswith(word):
                found.append(_Meaning(f"{run.kind or 'damaged'} run {run.path.stem}", "run", run.path, exact=exact))
        named = [name for name in self._machines if name.startswith(word)]
        return found + [_Meaning(f"machine {name}", "machine", self._results / name, exact=name == word) for name in named]

    def _loaded(self, meaning: _Meaning) -> Side:
        if meaning.path not in self._known:
            self._known[meaning.path] = run_side(meaning.path) if meaning.kind == "run" else machine_side(meaning.path, self._results)
        return self._known[meaning.path]

    def _default(self) -> Side:
        """The sweep in which kernels without a run are looked for."""
        self.used_default = True
        if self._run:
            return self._source(self._run)
        newest = next(iter(list_sweeps(self._results)), None)
        if newest is None:
            raise NotPossibleError(
                f"no sweep is stored in {self._results}", "run mmbench sweep first, or name another folder with --results"
            )
        return self._loaded(_Meaning("the newest sweep", "run", newest.path, exact=True))

    def _default_kernels(self, word: str) -> list[str]:
        """Kernels of that sweep that the word fits; none where there is no sweep."""
        try:
            side = self._default()
        except StoreError:
            if self._run:
                raise
            return []
        except NotPossibleError:
            return []
        return kernels_named(word, side)

    def _kernel_of(self, side: Side, word: str, whole: str) -> Side:
        found = kernels_named(word, side)
        if not found:
            known = kernels_of(side)
            where = f"{_described(side)} has no kernel '{word}'"
            near = not_known("kernel", word, [*known, *map(without_origin, known)], f"it has {_some(known)}").hint
            raise UsageError(where, near)
        if len(found) > 1:
            raise UsageError(f"'{whole}' could mean {len(found)} kernels of {_described(side)}", _some(found))
        name = without_origin(found[0]) if [without_origin(k) for k in kernels_of(side)].count(without_origin(found[0])) == 1 else found[0]
        return side.only(found[0], name)

    def _unknown(self, word: str) -> MmbenchError:
        if _looks_like_a_file(word):
            return NotPossibleError(
                f"there is no file or folder {word!r} to compare with", "see `mmbench list runs` and `mmbench list machines`"
            )
        try:
            kernels = kernels_of(self._default())
        except MmbenchError as error:
            message = f"'{word}' is no run and no machine, and kernels cannot be looked for: {error.message}"
            return UsageError(message, error.hint, error.exit_code)
        names = [*self._names(), *kernels, *map(without_origin, kernels)]
        return not_known(
            "run, machine or kernel", word, dict.fromkeys(names), f"kernels of the sweep: {_some(kernels)}; see also `mmbench list runs`"
        )

    def _names(self) -> list[str]:
        return [*(run.id for run in self._runs if run.id), *self._machines]


def _one(word: str, meanings: list[_Meaning]) -> _Meaning:
    """The only meaning; whole names before beginnings of names."""
    best = [m for m in meanings if m.exact] or meanings
    if len(best) > 1:
        raise _ambiguous(word, [m.words for m in best])
    return best[0]


def _ambiguous(word: str, meanings: list[str]) -> UsageError:
    return UsageError(f"'{word}' could mean {_some(meanings)}", "write more of the name, the file, or RUN:KERNEL for a kernel")


def _some(names: Iterable[str]) -> str:
    known = list(names)
    more = f" and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
    return (", ".join(known[:_MOST_NAMES]) or "none") + more


def _is_there(word: str) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return Path(word).exists()
    return False


def _looks_like_a_file(word: str) -> bool:
    return "/" in word or word.endswith((".json", ".jsonl"))


def kernels_of(side: Side) -> list[str]:
    """The kernels that have rows, those first that are no halves of a fused pair."""
    found = dict.fromkeys(row.kernel for row in side.rows)
    return sorted(found, key=lambda kernel: (is_unfused(kernel), kernel))


def kernels_named(word: str, side: Side) -> list[str]:
    """Kernels that a word means: its whole name, its library's name, or a pattern such as `openblas@*`."""
    known = kernels_of(side)
    for fits in (
        lambda kernel: kernel == word,
        lambda kernel: without_origin(kernel) == word,
        lambda kernel: fnmatch.fnmatchcase(kernel, word) or fnmatch.fnmatchcase(without_origin(kernel), word),
    ):
        found = [kernel for kernel in known if fits(kernel)]
        if found:
            return found
    return []


def run_side(path: Path) -> Side:
    """The sweep in a run file. StoreError where it cannot be read as one; damaged lines are skipped, and said."""
    from ..configs.sweeplog import stream_sweep
    from ..kernels.roofline import Roofs
    from ..reports.page.evidence import MOST_ROWS, is_synthetic
    from ..reports.sweep_rows import RowMaker

    maker = RowMaker(Roofs.of(None))
    sweep = stream_sweep(path, maker.take, MOST_ROWS)
    for note in sweep.torn:
        console.say(f"note: {note}")
    machine_id = sweep.run.machine_id
    return Side(f"sweep {sweep.run.id}", SWEEP, machine_id, tuple(maker.rows()), (sweep.run.id,), synthetic=is_synthetic(machine_id))


def machine_side(place: Path, results: Path) -> Side:
    """All sweeps of the machine whose file or folder this is, the newest row of each kernel in each cell."""
    from ..reports.page.evidence import gather

    folder = place if place.is_dir() else place.parent
    try:
        machine_id = "" if place.is_dir() else load_machine(place).id
    except StoreError as error:
        raise UsageError(
            f"no machine can be read: {error.message}", "a run is a .jsonl file, a machine a machine.json or its folder"
        ) from None
    evidence = gather([str(folder)], results)
    for skipped in evidence.skipped:
        console.say(f"note: {skipped.place}: {skipped.reason}")
    swept = [subject for subject in evidence.swept if machine_id in ("", subject.id)]
    if not swept:
        machine = machine_id or next((subject.id for subject in evidence.subjects), "")
        who = f"of {machine} " if machine else ""
        raise NotPossibleError(f"no sweep {who}is stored in {folder}", "run mmbench sweep on that machine, or name one of its run files")
    if len(swept) > 1:
        raise UsageError(f"{folder} holds sweeps of {len(swept)} machines: {_some(s.id for s in swept)}", "name the folder of one machine")
    subject = swept[0]
    runs = tuple(sweep.run_id for sweep in subject.sweeps)
    return Side(subject.id, "machine", subject.id, subject.rows, runs, synthetic=subject.synthetic)


def narrowed(side: Side, keeps: Iterable[bool]) -> Side:
    """The side with the rows for which `keeps` says so."""
    return replace(side, rows=tuple(row for row, keep in zip(side.rows, keeps, strict=True) if keep))
