"""Read a sweep's run file: the plan, who was opened, the rows, and how it ended.

The file is that of `configs.plan`, with two events besides: `absent` (a list of `Missing`, before the plan is run) and `conditions` (a
`Conditions`, read after it). A file of another kind, of no plan, or with values that mean nothing is refused with its line.
"""

from __future__ import annotations

import contextlib
import gc
import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .cases import BATCHES, LAYOUTS, STEPS, TEMPERATURES, Case, Measurement, Status
from .codec import decode
from .dtypes import MIXES
from .errors import SchemaError
from .machine import Conditions
from .plan import Opened, SweepEnd, SweepPlan
from .runlog import Event, StoredRun, list_runs, read_run, stream_run
from .runs import Run

SWEEP = "sweep"  # the kind of its run
_LARGEST = 2**62  # of any dimension: products of three stay in what a reader of JSON may hold
# Beyond these a row is no result (`absurdity`): no function returns in a nanosecond, no sweep waits a day for one call.
_LEAST_S, _MOST_S = 1e-9, 86_400.0
_LEAST_HZ, _MOST_HZ = 10e6, 20e9
_MOST_THREADS = 65_536
_MOST_RATE = 1e18  # operations a second: a thousand times the fastest accelerator of today


@dataclass(frozen=True, slots=True)
class Missing:
    """A library that is not on the machine, and the command that brings it ("" where none does here)."""

    library: str
    title: str = ""
    reason: str = ""
    bring: str = ""


@dataclass(frozen=True, slots=True)
class Sweep:
    """All that a sweep's file holds. `opened` has the last answer of each kernel; `ends` one end for each time that it ran."""

    run: Run
    path: Path
    plan: SweepPlan
    opened: tuple[Opened, ...] = ()
    rows: tuple[Measurement, ...] = ()
    absent: tuple[Missing, ...] = ()
    conditions: tuple[Conditions, ...] = ()
    ends: tuple[SweepEnd, ...] = ()
    notes: tuple[str, ...] = ()
    torn: tuple[str, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether every cell was done."""
        return bool(self.ends) and self.ends[-1].finished

    @property
    def done(self) -> frozenset[tuple[str, str]]:
        """(case id, kernel) of every row: what a resumed sweep does not measure again."""
        return frozenset((row.case.id, row.variant.kernel) for row in self.rows)


def read_sweep(path: Path) -> Sweep:
    """The sweep in a run file; StoreError or SchemaError with file and line where it cannot be read as one."""
    with _without_collections():
        run, events, torn = read_run(path)
        _refuse_other_kinds(run, path)
        return _folded(run, path, enumerate(events, start=2), torn, None, None)


def stream_sweep(path: Path, take: Callable[[Measurement], None], most_rows: int) -> Sweep:
    """As `read_sweep`, for readers of files that they did not write: each row goes to `take`, and none is kept in the Sweep.

    A damaged line, and a row with values that mean nothing or cannot be (`absurdity`), is skipped and noted in `torn`; so are rows beyond
    `most_rows`. StoreError or SchemaError only where there is no sweep to be read at all.
    """
    with _without_collections():
        run, events, torn = stream_run(path)
        _refuse_other_kinds(run, path)
        return _folded(run, path, events, torn, take, most_rows)


@contextlib.contextmanager
def _without_collections() -> Iterator[None]:
    """Hold the garbage collector back: rows hold no cycles, and it would walk all that were read so far, again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _refuse_other_kinds(run: Run, path: Path) -> None:
    if run.kind != SWEEP:
        raise SchemaError(f"{path}: this is a {run.kind[:40]} run, not a sweep", "see `mmbench list runs`")


def _folded(
    run: Run,
    path: Path,
    events: Iterable[tuple[int, Event]],
    torn: list[str],
    take: Callable[[Measurement], None] | None,
    most_rows: int | None,
) -> Sweep:
    """The Sweep that the events add up to. With `take` it is tolerant, and holds no rows."""
    seen: dict[str, list[Any]] = {name: [] for name in _KINDS}
    known: set[Case] = set()
    rows = damaged = 0
    first_damage = ""
    absurd: dict[str, list[int]] = {}  # why -> the lines
    for line, event in events:
        kind = _KINDS.get(event.event)
        if kind is None:
            continue
        if event.event == "row" and most_rows is not None and rows >= most_rows:
            rows += 1
            continue
        try:
            payload = _payload(kind, event, f"{path}, line {line}", known)
        except SchemaError as error:
            if take is None:
                raise
            damaged += 1
            first_damage = first_damage or error.message
            continue
        if event.event != "row" or take is None:
            seen[event.event].append(payload)
        elif why := absurdity(payload):
            absurd.setdefault(why, []).append(line)
            continue
        else:
            take(payload)
        rows += event.event == "row"
    if damaged:
        torn.append(f"{first_damage}; the line was skipped" + (f", and {damaged - 1} more like it" if damaged > 1 else ""))
    torn += [f"{path}: {_set_aside(why, lines)}" for why, lines in absurd.items()]
    if most_rows is not None and rows > most_rows:
        torn.append(f"{path}: {rows - most_rows} rows beyond the first {most_rows} were skipped")
    if not seen["plan"]:
        raise SchemaError(f"{path}: the sweep ended before its plan was written", "start it anew")
    opened = {info.kernel: info for info in seen["opened"]}
    return Sweep(
        run,
        path,
        seen["plan"][-1],
        tuple(opened.values()),
        tuple(seen["row"]),
        tuple(m for found in seen["absent"] for m in found),
        tuple(seen["conditions"]),
        tuple(seen["end"]),
        tuple(seen["note"]),
        tuple(torn),
    )


# What is read of a sweep; other events are those of a newer writer.
_KINDS: dict[str, Any] = {
    "plan": SweepPlan,
    "opened": Opened,
    "row": Measurement,
    "absent": tuple[Missing, ...],
    "conditions": Conditions,
    "note": str,
    "end": SweepEnd,
}


def _payload(kind: Any, event: Event, place: str, known: set[Case]) -> Any:
    try:
        found = decode(kind, event.payload)
        if isinstance(found, Measurement):
            _check_cases((found.case,), known, "$.case")
            _check_samples(found)
        elif isinstance(found, SweepPlan):
            _check_cases((cell.case for cell in found.cells), known, "$.cells")
    except SchemaError as error:
        raise SchemaError(f"{place}: {event.event} {error.message}", "the file was damaged or edited: restore it") from None
    return found


def _check_cases(cases: Iterable[Case], known: set[Case], place: str) -> None:
    """Refuse values that no sweep writes; every reader may then compute with them."""
    for case in cases:
        if case not in known:
            wrong = wrong_in(case)
            if wrong:
                raise SchemaError(f"{place}: {wrong}")
            known.add(case)


def wrong_in(case: Case) -> str:
    """Why no sweep asks such a case ("" where it may)."""
    words = (
        ("dtype", case.dtype, MIXES),
        ("layout", case.layout, LAYOUTS),
        ("batch_kind", case.batch_kind, BATCHES),
        ("temperature", case.temperature, TEMPERATURES),
        *(("epilogue", step, STEPS) for step in case.steps),
    )
    for name, word, known in words:
        if word not in known:
            return f"there is no {name} {word[:40]!r}"
    for name, least in (("m", 0), ("n", 0), ("k", 0), ("batch", 1), ("threads", 1), ("lda", 0), ("ldb", 0), ("ldc", 0)):
        value = getattr(case, name)
        if not least <= value < _LARGEST:
            return f"{name} is out of range"
    return ""


def absurdity(row: Measurement) -> str:
    """Why a row that can be read is no result: its times, its clock or its threads are such as no machine has ("" for a result).

    Of times and clocks the middle one counts: single samples may be disturbed by anything, and say so. A row that has no result to show,
    because it failed or was declined, has no times that could be wrong.
    """
    if row.case.threads > _MOST_THREADS:
        return f"for more than {_MOST_THREADS} threads"
    if row.status not in (Status.OK, Status.NOISY):
        return ""
    samples = row.samples
    each = sorted(t / n for t, n in zip(samples.time_s, samples.calls, strict=True) if 0 < t < math.inf)
    if not each:
        return "without a usable time"
    if each[len(each) // 2] < _LEAST_S:
        return "with a call below 1 ns"
    if each[-1] > _MOST_S:
        return "with a call above a day"
    if row.case.operations / each[len(each) // 2] > _MOST_RATE:
        return "with more than 10^18 operations a second"
    clocks = sorted(hz for hz in samples.clock_hz if hz > 0)
    if clocks and not _LEAST_HZ <= clocks[len(clocks) // 2] <= _MOST_HZ:
        return "with a clock outside 10 MHz to 20 GHz"
    return ""


def _set_aside(why: str, lines: list[int]) -> str:
    """`18 rows without a usable time were set aside, the first in line 12`."""
    if len(lines) == 1:
        return f"1 row {why} was set aside, in line {lines[0]}"
    return f"{len(lines)} rows {why} were set aside, the first in line {lines[0]}"


def _check_samples(row: Measurement) -> None:
    samples = row.samples
    count = len(samples.time_s)
    for name in ("calls", "clock_hz", "at_s", "dirty"):
        size = len(getattr(samples, name))
        if size != count and (size or name == "calls"):
            raise SchemaError(f"$.samples: {name} has {size} entries for {count} samples")
    if samples.calls and min(samples.calls) < 1:
        raise SchemaError("$.samples: a sample has less than one call")


@dataclass(frozen=True, slots=True)
class Outline:
    """What a list of runs says of a sweep. Without a plan `cells` is 0."""

    preset: str = ""
    cells: int = 0
    rows: int = 0
    finished: bool = False


def outline(path: Path) -> Outline:
    """The outline of a run file, at a tenth of the cost of reading it: lines are told apart by how they begin, and few are parsed.

    What cannot be understood counts as not there: reading the sweep says why.
    """
    plan = end = b""
    rows = 0
    with contextlib.suppress(OSError), path.open("rb") as file:
        for line in file:
            if line.startswith(b'{"event":"row"'):
                rows += line.endswith(b"\n")
            elif line.startswith(b'{"event":"plan"'):
                plan = line
            elif line.startswith(b'{"event":"end"'):
                end = line
    planned, ended = payload_of(plan), payload_of(end)
    cells, preset = planned.get("cells"), planned.get("preset")
    return Outline(
        preset if isinstance(preset, str) else "", len(cells) if isinstance(cells, list) else 0, rows, ended.get("finished") is True
    )


def payload_of(line: bytes) -> dict[str, Any]:
    """What an event holds; empty where its line cannot be understood."""
    try:
        payload = json.loads(line)["payload"] if line else {}
    except (ValueError, KeyError, RecursionError):
        return {}
    return payload if isinstance(payload, dict) else {}


def list_sweeps(results: Path, machine_id: str = "") -> list[StoredRun]:
    """The sweeps of one machine, or of all; newest first. Files that cannot be read are left out."""
    return [run for run in list_runs(results, machine_id) if run.kind == SWEEP and not run.problem]
