"""Write to a person: answers to stdout, everything else to stderr; never an escape sequence that came out of a file."""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from ..configs.errors import StoreError
from ..configs.settings import Settings

LEAST_WIDTH, MOST_WIDTH = 60, 120
_LEAST_ROOM = 20  # cells that running text needs beside other columns


def clean(text: str, keep: str = "\n") -> str:
    """`text` with control, bidirectional and other invisible characters written as escapes; those in `keep` stay."""
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode("ascii") for c in text)


def answer(text: str) -> None:
    """Write the answer to stdout. StoreError where it cannot be taken (a full disk behind `>`)."""
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StoreError(f"standard output cannot be written: {error.strerror}", "choose another file or free some space") from error


def answer_json(document: Mapping[str, Any]) -> None:
    """Write one JSON document to stdout; it says its own schema."""
    assert "schema" in document
    answer(json.dumps(document, ensure_ascii=False, indent=1))


def say(text: str) -> None:
    """Tell the person something that is not the answer."""
    try:
        sys.stderr.write(clean(text) + "\n")
        sys.stderr.flush()
    except OSError:  # nobody is left to tell, and Python would end with 120 over what it still holds
        abandon(sys.stderr)


def complain(message: str, hint: str) -> None:
    """`error: …` and, where there is one, `hint: …`."""
    say(f"error: {message}" + (f"\nhint: {hint}" if hint else ""))


def flush() -> None:
    """Bring the answer out now, so that a full disk or a closed pipe is noticed while it can still be said."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        abandon_output()
        raise StoreError(f"standard output cannot be written: {error.strerror}", "choose another file or free some space") from error


def reader_is_gone() -> bool:
    """Whether the other end of stdout was closed. True where the system cannot tell (no poll)."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):  # no pipe at all: stdout is held in memory
        return False
    if not hasattr(select, "poll"):
        return True
    poll = select.poll()
    poll.register(descriptor, 0)  # POLLERR is always reported
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def abandon_output() -> None:
    """Give up stdout, see `abandon`."""
    abandon(sys.stdout)


def abandon(stream: TextIO) -> None:
    """Send what is still buffered nowhere, so that the interpreter does not complain about it on its way out."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def open_missing_streams() -> None:
    """Give a process that was started with a standard stream closed (`>&-`) the null device in its place.

    Otherwise Python has no such stream at all, and the next file that is opened takes its number.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is not None:
            continue
        nowhere = os.open(os.devnull, os.O_RDWR)
        if nowhere != number:
            os.dup2(nowhere, number)
            os.close(nowhere)
        setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8"))  # noqa: PTH123, SIM115 - open until the end


def tolerate_narrow_encodings() -> None:
    """Let a terminal without Unicode show `?` rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def wants_color(settings: Settings, stream: TextIO | None = None, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether to write colour to `stream` (stdout).

    A flag or setting wins; then NO_COLOR, FORCE_COLOR and CLICOLOR_FORCE, CLICOLOR=0, TERM=dumb (https://no-color.org,
    https://bixense.com/clicolors); otherwise a terminal gets colour.
    """
    if settings.color != "auto":
        return settings.color == "always"
    if environ.get("NO_COLOR"):
        return False
    if any(environ.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    if environ.get("CLICOLOR") == "0" or environ.get("TERM") == "dumb":
        return False
    return (stream or sys.stdout).isatty()


def wants_ascii(settings: Settings, stream: TextIO | None = None) -> bool:
    """Whether to draw with ASCII only: asked for, or the stream's encoding has no box characters."""
    if settings.ascii:
        return True
    try:
        "╭─╮▁█".encode(getattr(stream or sys.stdout, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return True
    return False


def width() -> int:
    """Columns to draw for: the terminal's within reason, 80 elsewhere ($COLUMNS wins)."""
    return min(MOST_WIDTH, max(LEAST_WIDTH, shutil.get_terminal_size((80, 24)).columns))


def rows(cells: Sequence[tuple[str, ...]], head: tuple[str, ...]) -> str:
    """Left-aligned columns under a head line; the last column is wrapped at words where the screen ends.

    Where the others leave too little room for it, and it holds more than words, it has lines of its own below each row.
    """
    cleaned = [tuple(clean(cell, keep="") for cell in row) for row in cells]
    widths = [max(len(row[i]) for row in [head, *cleaned]) for i in range(len(head))]
    start = sum(widths[:-1]) + 2 * (len(widths) - 1)
    below = width() - start < min(widths[-1], _LEAST_ROOM) and any(" " in row[-1] for row in cleaned)
    if below:
        start = 4
    lines = []
    for row in [head, *cleaned]:
        first = "".join(f"{cell:<{size}}  " for cell, size in zip(row[:-1], widths[:-1], strict=True))
        wrapped = textwrap.wrap(row[-1], max(1, width() - start), break_long_words=False, break_on_hyphens=False) or [""]
        if below:
            lines += [first.rstrip(), *(" " * start + line for line in wrapped)]
        else:
            lines += [(first + wrapped[0]).rstrip(), *(" " * start + line for line in wrapped[1:])]
    return "\n".join(line for line in lines if line.strip())
