"""Write files whole or not at all, read them with errors in words: what the stores of machines and of runs share."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from .errors import SchemaError, StoreError

Document = dict[str, Any]
Migrations = dict[int, Callable[[Document], Document]]  # schema n -> how a document of n becomes one of n + 1

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
# What to do about a refusal, but for the other place that may be chosen.
_REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space, or ",
    errno.EDQUOT: "your disk quota is used up: free some space, or ",
    errno.EACCES: "mend the permissions, or ",
    errno.EPERM: "mend the permissions, or ",
    errno.EROFS: "the file system is read-only: ",
    errno.ENOTDIR: "a file stands where a folder is needed: move it, or ",
    errno.EEXIST: "a file stands where a folder is needed: move it, or ",
    errno.ENOENT: "no folder can be made there: ",
}
_OTHER_FOLDER = "choose another folder with --results"
_STORED = "see `mmbench list machines` and `mmbench list runs` for what is stored"
# A machine file with its curves takes some hundred kilobytes: what must fit before measuring is worth the time.
_TRIAL_BYTES = 512 * 1024


def store_error(doing: str, path: Path, error: OSError, instead: str = _OTHER_FOLDER) -> StoreError:
    """The system's refusal as one sentence with a hint, which ends with `instead`: the other place that may be chosen."""
    hint = _STORED if doing == "read" and error.errno == errno.ENOENT else _REMEDIES.get(error.errno or 0, "") + instead
    return StoreError(f"{path} cannot be {doing}: {error.strerror or error}", hint)


def is_id(word: str) -> bool:
    """Whether `word` can name a folder, and nothing outside it."""
    return bool(_ID.fullmatch(word)) and ".." not in word


def check_id(word: str, what: str = "machine id") -> str:
    """`word` if it can name a folder and nothing outside it; StoreError otherwise."""
    if not is_id(word):
        shown = repr(word if len(word) <= 60 else word[:57] + "...")
        raise StoreError(f"{shown} cannot be a {what}", "letters, digits, '-', '_' and single dots, at most 128 of them")
    return word


def check_writable(results: Path) -> None:
    """Try to write as much as a machine file takes, before time is spent on measuring; StoreError says why not."""
    trial = results / f".trial-{os.getpid()}-{secrets.token_hex(4)}.tmp"
    try:
        results.mkdir(parents=True, exist_ok=True)
        _write_new(trial, b"\0" * _TRIAL_BYTES)
    except OSError as error:
        raise store_error("written", results, error) from error
    finally:
        with contextlib.suppress(OSError):
            trial.unlink(missing_ok=True)


def _write_new(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        write_all(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, content: bytes) -> None:
    """All of `content`, in one call where the system takes it in one."""
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def sync_folder(folder: Path) -> None:
    """Make a rename or a new name last through a power cut, where the system has such a thing."""
    with contextlib.suppress(OSError, AttributeError):  # Windows opens no folders; some file systems sync none
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_atomic(path: Path, content: bytes, instead: str = _OTHER_FOLDER) -> None:
    """`path` holds either what it held or all of `content`, whenever the process or the power ends. `instead` as in `store_error`.

    Only a regular file is replaced. A symbolic link stays, and the file that it leads to is replaced; a pipe or a device is written into.
    """
    try:
        if _is_written_into(path):
            _write_into(path, content)
            return
        place = Path(os.path.realpath(path)) if path.is_symlink() else path
    except OSError as error:
        raise store_error("written", path, error, instead) from error
    temporary = place.with_name(f".{place.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _write_new(temporary, content)
        temporary.replace(place)
    except OSError as error:
        raise store_error("written", path, error, instead) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    sync_folder(place.parent)


def _is_written_into(path: Path) -> bool:
    """Whether what stands there takes bytes, and must not be replaced: no regular file, or a link to one of our own open streams.

    StoreError for a disk: nobody means to write a page over it. OSError for links that lead in circles.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    if stat.S_ISBLK(found.st_mode):
        raise StoreError(f"{path} cannot be written: it is a disk or a part of one", "name a file")
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return not stat.S_ISREG(found.st_mode) or (path.is_symlink() and _stream_of(found) is not None)


def _write_into(path: Path, content: bytes) -> None:
    """As `>` would. Into our own standard streams where they stand (/dev/stdout behind `> file`), not once more from the beginning."""
    stream = _stream_of(path.stat())
    if stream is not None:
        with contextlib.suppress(ValueError):  # no stream at all
            (sys.stdout if stream == 1 else sys.stderr).flush()
        write_all(stream, content)
        return
    descriptor = os.open(path, os.O_WRONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOCTTY", 0))
    try:
        write_all(descriptor, content)
    finally:
        os.close(descriptor)


def _stream_of(found: os.stat_result) -> int | None:
    """1 or 2 where it is what standard output or standard error writes into."""
    for number in (1, 2):
        with contextlib.suppress(OSError):  # that stream is closed
            if os.path.samestat(found, os.fstat(number)):
                return number
    return None


def not_regular(path: Path) -> str:
    """What stands at `path` in place of a file that can be read to its end ("" for such a file, and for nothing at all).

    Opening a pipe waits until somebody writes into it.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # opening it says why
        return ""
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a pipe",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
        stat.S_IFSOCK: "a socket",
    }
    return "" if stat.S_ISREG(mode) else kinds.get(stat.S_IFMT(mode), "something else")


def read_text(path: Path) -> str:
    """A file's text; StoreError where it cannot be read, SchemaError where it is no text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SchemaError(f"{path}: byte {error.start} is not UTF-8 text", "this is no file of mmbench, or it is damaged") from None
    except OSError as error:
        raise store_error("read", path, error) from error
    except ValueError as error:  # a NUL in the name
        raise StoreError(f"{str(path)!r} cannot be read: {error}") from None


def _no_such_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def parse_json(text: str, place: str) -> Any:
    """JSON as the standard has it (no NaN, no Infinity); SchemaError with line and column."""
    try:
        return json.loads(text, parse_constant=_no_such_number)
    except json.JSONDecodeError as error:
        torn = " (the end is missing)" if error.pos >= len(text.rstrip()) else ""
        raise SchemaError(f"{place}: not valid JSON at line {error.lineno}, column {error.colno}: {error.msg}{torn}") from None
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise SchemaError(f"{place}: not valid JSON: {why}") from None


def upgrade(document: Any, current: int, migrations: Migrations, place: str) -> Document:
    """The document in the current schema; SchemaError for a newer one, a too old one, or something else altogether."""
    if not isinstance(document, dict):
        raise SchemaError(f"{place}: expected an object with a 'schema', found {type(document).__name__}")
    found = document.get("schema")
    if not isinstance(found, int) or isinstance(found, bool):
        raise SchemaError(f"{place}: there is no 'schema' number, so this is no file of mmbench")
    if found > current:
        raise SchemaError(f"{place}: written with schema {found}, this mmbench reads up to {current}", "update mmbench to read it")
    upgraded: Document = document
    for step in range(found, current):
        if step not in migrations:
            raise SchemaError(f"{place}: schema {found} is too old for this mmbench, which reads {current}", "measure again")
        upgraded = {**migrations[step](upgraded), "schema": step + 1}
    return upgraded
