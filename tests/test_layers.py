"""Imports go one way: configs, kernels, then probes or reports (which never meet), then cli."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from importlinter.cli import lint_imports
from source_tree import ROOT, modules, tree

UPSIDE_DOWN = """\
[tool.importlinter]
root_packages = ["mmbench"]
[[tool.importlinter.contracts]]
name = "upside down"
type = "layers"
layers = ["mmbench.configs", "mmbench.cli"]
"""


def test_the_contracts_are_kept() -> None:
    assert lint_imports(str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True) == 0


def test_the_linter_sees_the_package(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(UPSIDE_DOWN, encoding="utf-8")
    assert lint_imports(str(tmp_path / "pyproject.toml"), no_cache=True, no_logo=True) == 1


def test_imports_inside_the_package_are_relative() -> None:
    absolute = [
        f"{path}:{node.lineno}"
        for path in modules()
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] == "mmbench")
        or (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "mmbench" for alias in node.names))
    ]
    assert absolute == []


def test_configs_import_the_standard_library_only() -> None:
    foreign = [
        f"{path}:{node.lineno}"
        for path in modules()
        if path.parts[0] == "configs"
        for node in ast.walk(tree(path))
        for name in (
            [a.name for a in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        if not (isinstance(node, ast.ImportFrom) and node.level) and name.split(".")[0] not in sys.stdlib_module_names
    ]
    assert foreign == []
