"""Write what happens in a run as it happens, a line an event, and read it again, torn last line and all."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from .codec import decode, encode
from .errors import SchemaError, StoreError, UsageError
from .files import Migrations, check_id, is_id, parse_json, store_error, sync_folder, upgrade, write_all
from .runs import RUN_SCHEMA, Run

try:
    import fcntl
except ImportError:  # Windows has no such locks: two writers of one file are not caught there
    fcntl = None  # type: ignore[assignment]

# Schema n -> how a first line of schema n becomes one of schema n + 1. Schema 1 is the first.
RUN_MIGRATIONS: Migrations = {}


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a run file after the first: what happened, when (ISO 8601, UTC), and its content."""

    event: str
    at: str
    payload: Any = None


def utc_now() -> str:
    """The time as it is written everywhere: 2026-11-22T16:40:11Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def new_run_id() -> str:
    """A name for a run, different from all others of the same second on the same machine."""
    return secrets.token_hex(4)


def _line(value: Any) -> bytes:
    return json.dumps(encode(value), ensure_ascii=False, separators=(",", ":")).encode("utf-8", errors="backslashreplace") + b"\n"


def runs_path(results: Path, machine_id: str) -> Path:
    """The folder of the machine's run files."""
    return results / check_id(machine_id) / "runs"


class RunWriter:
    """Append events to a new run file: `with RunWriter(results).open(run) as writer: writer.append("curve", curve)`.

    Each event is one line and one write; what was appended before a crash stays. `path` is the file's place. The file is locked while
    it is open (where the system and the file system have such a thing), so that no second process appends to it.
    """

    def __init__(self, results: Path) -> None:
        self._results = results
        self._descriptor = -1
        self.path = Path()

    def open(self, run: Run) -> RunWriter:
        """Create the file with the run as its first line; StoreError where it cannot be made or exists already."""
        folder = runs_path(self._results, run.machine_id)
        moment = re.sub(r"[^0-9TZ]", "", re.sub(r"(\.\d+)?(\+00:?00)?$", "", run.started_at).rstrip("Z")) + "Z"
        self.path = folder / f"{moment}-{check_id(run.id, 'run id')}.jsonl"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)
            self._descriptor = os.open(self.path, flags, 0o666)
        except OSError as error:
            raise store_error("written", self.path, error) from error
        self._lock()
        self._write(_line(run))
        sync_folder(folder)
        return self

    def reopen(self, path: Path) -> RunWriter:
        """Go on appending to a run that was cut off. A torn last line is removed, a whole one that lacks its end gets it.

        StoreError where the file cannot be written, or where another process is writing it now.
        """
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise store_error("written", path, error) from error
        self._lock()
        try:
            self._mend_end()
        except OSError as error:
            self.close()
            raise store_error("written", path, error) from error
        return self

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            self._descriptor = -1
            raise StoreError(f"{self.path} is being written by another process", "wait until that run has ended, or end it") from None
        except OSError:  # some network file systems have no locks: then nothing guards the file
            return

    def _mend_end(self) -> None:
        size = os.fstat(self._descriptor).st_size
        kept, tail = size, b""
        while kept and b"\n" not in tail:
            start = max(0, kept - (1 << 16))
            os.lseek(self._descriptor, start, os.SEEK_SET)
            tail = os.read(self._descriptor, kept - start) + tail
            kept = start
        last = tail[tail.rfind(b"\n") + 1 :]
        if not last:
            return
        with contextlib.suppress(ValueError):  # a line that is no JSON is torn
            json.loads(last)
            write_all(self._descriptor, b"\n")
            return
        os.ftruncate(self._descriptor, size - len(last))

    def append(self, kind: str, payload: Any = None) -> None:
        """Write one event; a record (`Curve`, `Fact`…) is encoded. StoreError leaves the file as it was before."""
        self._write(_line(Event(kind, utc_now(), payload)))

    def _write(self, line: bytes) -> None:
        if self._descriptor < 0:
            raise StoreError(f"{self.path} is not open for writing")
        size = os.fstat(self._descriptor).st_size
        try:
            write_all(self._descriptor, line)
        except OSError as error:
            os.ftruncate(self._descriptor, size)  # a full disk may have taken half of the line
            raise store_error("written", self.path, error) from error

    def close(self) -> None:
        """Make everything last, and end."""
        if self._descriptor < 0:
            return
        descriptor, self._descriptor = self._descriptor, -1
        try:
            os.fsync(descriptor)
        except OSError as error:
            raise store_error("written", self.path, error) from error
        finally:
            os.close(descriptor)

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self.close()


def read_run(path: Path) -> tuple[Run, Iterator[Event], list[str]]:
    """The run, its events in order, and notes (a torn last line). SchemaError names the line of whatever is wrong."""
    notes: list[str] = []
    run, lines = _opened(path)
    return run, iter([event for _, event in _events(path, lines, notes, tolerant=False)]), notes


def stream_run(path: Path) -> tuple[Run, Iterator[tuple[int, Event]], list[str]]:
    """As `read_run`, but events come one at a time with their line, and a damaged line is skipped and noted, never an end.

    For readers of files that they did not write, and of files that do not fit into memory. `notes` is complete when the events are over.
    StoreError or SchemaError where there is no file, or no first line.
    """
    notes: list[str] = []
    run, lines = _opened(path)
    return run, _events(path, lines, notes, tolerant=True), notes


_MOST_LINE = 1 << 26  # bytes; a row has some thousand
_MOST_NOTES = 5  # of damaged lines, told one by one


def _opened(path: Path) -> tuple[Run, Iterator[tuple[int, bytes]]]:
    """The first line, and the others with their numbers."""
    lines = _lines(path)
    _, first = next(lines, (1, b""))
    if not first.strip(b"\n"):
        raise SchemaError(f"{path}: the file is empty: the run ended before its first line was written", "remove it")
    return _first_line(_text(first, f"{path}, line 1"), path), lines


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Each line with its number, from 1; its end stays, so that a torn one can be told."""
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(_MOST_LINE):
                number += 1
                yield number, line
    except OSError as error:
        raise store_error("read", path, error) from error
    except ValueError as error:  # a NUL in the name
        raise StoreError(f"{str(path)!r} cannot be read: {error}") from None


def _text(line: bytes, place: str) -> str:
    try:
        return line.decode("utf-8").rstrip("\n")
    except UnicodeDecodeError as error:
        raise SchemaError(f"{place}: byte {error.start} is not UTF-8 text", "this is no file of mmbench, or it is damaged") from None


def _events(path: Path, lines: Iterator[tuple[int, bytes]], notes: list[str], *, tolerant: bool) -> Iterator[tuple[int, Event]]:
    damaged = 0
    for number, line in lines:
        place = f"{path}, line {number}"
        try:
            event = decode(Event, parse_json(_text(line, place), place), "$")
        except SchemaError as error:
            if not line.endswith(b"\n"):
                notes.append(f"{path}: line {number} is torn (the run was cut off while writing it) and was skipped")
                return
            message = error.message if error.message.startswith(str(path)) else f"{place}: {error.message}"
            if not tolerant:
                raise SchemaError(message, "the file was damaged or edited: restore it") from None
            damaged += 1
            if damaged <= _MOST_NOTES:
                notes.append(f"{message}; the line was skipped")
        else:
            yield number, event
    if damaged > _MOST_NOTES:
        notes.append(f"{path}: {damaged - _MOST_NOTES} more damaged lines were skipped")


def read_head(path: Path) -> Run:
    """The run of a file, of which only the first line is read. StoreError or SchemaError where it cannot be."""
    try:
        with path.open("rb") as file:
            line = file.readline(1 << 24).decode("utf-8", errors="replace")
    except OSError as error:
        raise store_error("read", path, error) from error
    return _first_line(line, path)


def _first_line(line: str, path: Path) -> Run:
    place = f"{path}, line 1"
    document = upgrade(parse_json(line, place), RUN_SCHEMA, RUN_MIGRATIONS, place)
    try:
        return decode(Run, document)
    except SchemaError as error:
        raise SchemaError(f"{place}: {error.message}", "the file was damaged or edited: restore it") from None


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run file that was found. `problem` says why its first line cannot be read, in which case the rest is empty."""

    path: Path
    machine_id: str
    id: str = ""
    kind: str = ""
    started_at: str = ""
    problem: str = field(default="")


def list_runs(results: Path, machine_id: str = "") -> list[StoredRun]:
    """The runs of one machine, or of all; newest first, damaged ones last. Only the first line of each file is read."""
    found = []
    for name in [check_id(machine_id)] if machine_id else _folders(results):
        folder = runs_path(results, name)
        try:
            paths = sorted(p for p in folder.iterdir() if p.suffix == ".jsonl" and p.is_file())
        except OSError:
            continue
        for path in paths:
            try:
                run = read_head(path)
            except StoreError as error:
                found.append(StoredRun(path, name, problem=str(error)))
                continue
            found.append(StoredRun(path, name, run.id, run.kind, run.started_at))
    return sorted(found, key=lambda r: (not r.problem, r.started_at), reverse=True)


def _folders(results: Path) -> list[str]:
    """Ids that have runs; a first probe that was cut off has no machine file beside them."""
    try:
        return sorted(p.name for p in results.iterdir() if is_id(p.name) and (p / "runs").is_dir())
    except OSError:
        return []


def find_run(results: Path, name: str) -> Path:
    """The file that `name` means: a path, a run id, a file name, or the unique beginning of either."""
    if Path(name).is_file():
        return Path(name)
    runs = list_runs(results)
    matches = [r.path for r in runs if name in (r.id, r.path.stem, r.path.name)]
    matches = matches or [r.path for r in runs if (r.id and r.id.startswith(name)) or r.path.stem.startswith(name)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UsageError(f"'{name}' could mean {len(matches)} runs", ", ".join(p.stem for p in matches[:5]))
    raise UsageError(f"no run '{name}' is stored in {results}", "see `mmbench list runs`")
