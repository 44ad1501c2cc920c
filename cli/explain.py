"""Explain one topic: how a number is measured, what it means, where it misleads, how to check it with other tools."""

from __future__ import annotations

from importlib.resources import files

import click

from . import console
from .state import json_option
from .words import not_known

EXPLAIN_SCHEMA = 1


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


@click.command()
@click.argument("topic", default="", metavar="[TOPIC]", shell_complete=lambda _ctx, _par, word: [t for t in topics() if t.startswith(word)])
@json_option
def explain(topic: str, as_json: bool) -> None:
    """Explain a number, a word or a method in plain words.

    Without a TOPIC: the topics there are.
    """
    if topic:
        text = topic_text(topic)
        if as_json:
            console.answer_json({"schema": EXPLAIN_SCHEMA, "topic": topic, "text": text})
        else:
            console.answer(text.removeprefix("# "))
    elif as_json:
        console.answer_json({"schema": EXPLAIN_SCHEMA, "topics": topics()})
    else:
        console.answer(console.rows(list(topics().items()), ("topic", "about")))
