"""Rules of the house that no linter of ours knows: lengths, and nothing of a developer's machine in any file."""

from __future__ import annotations

import ast
import re

from source_tree import ROOT, files, modules, project, tree

FILE_LINES, FUNCTION_LINES = 450, 60  # the aim is 400 and 50; this is where the build stops

# Written in pieces, so that this file does not hold what it looks for.
PRIVATE = re.compile(r"(?<![\w.~-])/(?:work|root|home/\w+)/")
REGISTRIES = re.compile(
    "|".join(re.escape(host) for host in ("pypi" + ".org", "python" + "hosted.org", "registry.npm" + "js.org", "deb.deb" + "ian.org"))
)


def python_files() -> list[str]:
    return [path.as_posix() for path in files() if path.suffix == ".py"]


def test_no_file_is_too_long() -> None:
    lengths = {name: len((ROOT / name).read_text(encoding="utf-8").splitlines()) for name in python_files()}
    assert {name: lines for name, lines in lengths.items() if lines > FILE_LINES} == {}


def test_no_function_is_too_long() -> None:
    long = {
        f"{path}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1
        for path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.end_lineno and node.end_lineno - node.lineno >= FUNCTION_LINES
    }
    assert long == {}


def test_nothing_of_a_developers_machine_and_no_registry_is_in_a_file() -> None:
    found = []
    for path in files():
        text = (ROOT / path).read_bytes().decode("utf-8", errors="replace")
        found += [f"{path}:{number}" for number, line in enumerate(text.splitlines(), 1) if PRIVATE.search(line) or REGISTRIES.search(line)]
    assert found == []


def test_the_patterns_find_what_they_are_for() -> None:
    for path in ("/" + "work/main/x.py", "see /" + "root/.cache/x", "'/" + "home/someone/x'"):
        assert PRIVATE.search(path), path
    assert not PRIVATE.search("https://example.org/work/of/art")
    assert REGISTRIES.search("https://pypi" + ".org/simple")


def test_the_linter_watches_docstrings_and_prints() -> None:
    lint = project()["tool"]["ruff"]["lint"]
    assert {"D1", "T20"} <= set(lint["select"])
    assert [where for where, rules in lint["per-file-ignores"].items() if "T20" in rules and not where.startswith(("cli/", "tests/"))] == []
    assert [where for where, rules in lint["per-file-ignores"].items() if "D1" in rules and not where.startswith("tests/")] == []
