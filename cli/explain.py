"""Explain one topic: how a number is measured, what it means, where it misleads, how to check it with other tools."""

from __future__ import annotations

import itertools
import re
import textwrap
from collections.abc import Iterable, Iterator
from importlib.resources import files

import click

from . import console
from .state import json_option
from .words import not_known

EXPLAIN_SCHEMA = 1
_LEAST_ROOM = 20  # cells that a column of text needs


def topics() -> dict[str, str]:
    """Topic -> its title line, by name."""
    found = {}
    for entry in sorted((e for e in files(__package__).joinpath("topics").iterdir()), key=lambda e: e.name):
        if entry.name.endswith(".md"):
            found[entry.name.removesuffix(".md")] = entry.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
    return found


def topic_text(topic: str) -> str:
    """The text of a topic; UsageError with the nearest names for an unknown one."""
    known = topics()
    if topic not in known:
        raise not_known("topic", topic, known, "see `mmbench explain` for the list")
    return files(__package__).joinpath("topics", f"{topic}.md").read_text(encoding="utf-8")


def reflowed(text: str, width: int) -> str:
    """A topic for a screen narrower than it was written for: paragraphs filled anew, tables with their last column wrapped.

    What is to be copied (an indented line without columns) stays whole.
    """
    lines = text.splitlines()
    if max(map(len, lines), default=0) <= width:
        return text
    found: list[str] = []
    for kind, block in itertools.groupby(lines, key=lambda line: "" if not line else "table" if line.startswith("    ") else "prose"):
        if kind == "prose":
            found += _wrapped(" ".join(block), width)
        elif kind == "table":
            found += [piece for row in _rows(block) for piece in _narrowed(row, width)]
        else:
            found += block
    return "\n".join(found) + "\n"


def _wrapped(text: str, width: int, indent: int = 0) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)


def _last_column(row: str) -> int:
    """Where the last column of a row begins; 0 where it has no columns."""
    return max((match.end() for match in re.finditer(r"(?<=\S) {2,}(?=\S)", row)), default=0)


def _rows(block: Iterable[str]) -> Iterator[str]:
    """The rows of a table, each in one line: a line that stands below a last column goes on with it."""
    row = ""
    for line in block:
        indent = len(line) - len(line.lstrip())
        if row and indent == _last_column(row):
            row += " " + line.strip()
            continue
        if row:
            yield row
        row = line
    yield row


def _narrowed(row: str, width: int) -> list[str]:
    """A row in lines of `width`: its last column below itself, or on lines of its own where there is little room."""
    start = _last_column(row)
    if len(row) <= width or not start:
        return [row]
    if width - start >= _LEAST_ROOM:
        return _wrapped(row, width, start)
    return [row[:start].rstrip(), *_wrapped(" " * 8 + row[start:], width, 8)]


@click.command()
@click.argument(
    "topic", required=False, metavar="[TOPIC]", shell_complete=lambda _ctx, _par, word: [t for t in topics() if t.startswith(word)]
)
@json_option
def explain(topic: str | None, as_json: bool) -> None:
    """Explain a number, a word or a method in plain words.

    Without a TOPIC: the topics there are.
    """
    if topic is not None:
        text = topic_text(topic)
        if as_json:
            console.answer_json({"schema": EXPLAIN_SCHEMA, "topic": topic, "text": text})
        else:
            console.answer(reflowed(text.removeprefix("# "), console.width()))
    elif as_json:
        console.answer_json({"schema": EXPLAIN_SCHEMA, "topics": topics()})
    else:
        console.answer(console.rows(list(topics().items()), ("topic", "about")))
