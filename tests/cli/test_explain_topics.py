"""The topics: all there, readable at 80 columns, pointing only to each other and to commands that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from mmbench.cli.explain import topic_text, topics
from mmbench.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
ISSUED = (
    *("cache-size", "latency", "tlb", "bandwidth", "simd", "matrix-units", "roofs", "verdicts", "plausibility", "clock"),
    *("contamination", "huge-pages", "core-to-core", "loaded-latency", "containers", "exit-codes", "files", "json-schema", "doctor"),
)


def test_the_promised_topics_are_there() -> None:
    assert set(ISSUED) <= set(topics())


@pytest.mark.parametrize("topic", sorted(topics()))
def test_a_topic_is_short_and_fits_the_screen(topic: str) -> None:
    text = topic_text(topic)
    lines = text.splitlines()
    assert lines[0].startswith("# ")
    assert 10 <= len(lines) <= 31
    assert max(len(line) for line in lines) <= 80
    assert "\t" not in text


@pytest.mark.parametrize("topic", sorted(topics()))
def test_topics_point_to_what_exists(topic: str) -> None:
    text = topic_text(topic)
    see = re.search(r"See also: ([^.]*)\.", text)
    assert see is not None
    assert {word.strip() for word in see[1].split(",")} <= set(topics()) - {topic}
    for command in re.findall(r"(?:`|^    .*)mmbench ([a-z]+)", text, flags=re.MULTILINE):
        assert command in COMMANDS, command
    for other in re.findall(r"mmbench explain ([a-z-]+)", text):
        assert other in topics()


def sources() -> list[Path]:
    return [path for folder in ("probes", "reports", "kernels", "cli", "configs") for path in (ROOT / folder).rglob("*.py")]


def named_topics(path: Path) -> set[str]:
    """Topics in `Notice(what, why, hint, topic)` calls and in `mmbench explain TOPIC` within words."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "Notice":
            given = [*node.args[3:4], *(k.value for k in node.keywords if k.arg == "topic")]
            found |= {value.value for value in given if isinstance(value, ast.Constant)}
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= set(re.findall(r"mmbench explain ([a-z][a-z-]+)", node.value))
    return found - {""}


def test_every_topic_that_a_message_names_can_be_explained() -> None:
    named = {topic: path.name for path in sources() for topic in named_topics(path)}
    assert "huge-pages" in named
    assert {topic: file for topic, file in named.items() if topic not in topics()} == {}
