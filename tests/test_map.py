"""The map of the package, in `__init__.py` at the root, names every module with what it does."""

from __future__ import annotations

import ast

import pytest
from source_tree import ROOT, modules, packaged_init, purpose, tree


def test_the_map_is_true(request: pytest.FixtureRequest) -> None:
    wanted = packaged_init()
    if request.config.getoption("--update-golden"):
        (ROOT / "__init__.py").write_text(wanted, encoding="utf-8", newline="\n")
    assert (ROOT / "__init__.py").read_text(encoding="utf-8") == wanted, "draw it again: pytest tests/test_map.py --update-golden"


def test_every_module_says_what_it_does() -> None:
    assert modules()
    assert [str(path) for path in modules() if len(purpose(path).split()) < 2] == []


def test_init_files_hold_a_docstring_only() -> None:
    full = [str(p) for p in modules() if p.name == "__init__.py" and len(tree(p).body) != 1]
    assert full == []
    assert all(isinstance(tree(p).body[0], ast.Expr) for p in modules() if p.name == "__init__.py")
