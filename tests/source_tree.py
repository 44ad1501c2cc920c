"""Find the files of this checkout, and draw the map of the package out of the first lines of its modules."""

from __future__ import annotations

import ast
import re
import subprocess
import textwrap
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FOLDERS = ("configs", "kernels", "probes", "reports", "cli")  # the layers, lowest first
WIDEST = 110  # columns of a purpose in the map
_GENERATED = {".git", ".cache", ".venv", "build", "dist", "__pycache__", "mmbench-results"}


@cache
def files() -> tuple[Path, ...]:
    """Every file that is or could be committed, relative to the root; without git, everything that no tool generated."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = [Path(name) for name in subprocess.run(command, capture_output=True, check=True, text=True).stdout.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        listed = [path.relative_to(ROOT) for path in ROOT.rglob("*")]
    return tuple(sorted(path for path in listed if (ROOT / path).is_file() and not _GENERATED & set(path.parts)))


def modules() -> list[Path]:
    """The Python files of the package itself, relative to the root."""
    return [p for p in files() if p.suffix == ".py" and p.parts[0] in FOLDERS]


@cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of a file given relative to the root."""
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), str(path))


@cache
def project() -> dict[str, Any]:
    """What pyproject.toml says."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def purpose(path: Path) -> str:
    """What a module does: the first line of its docstring, or its first clause where the line is too long for the map."""
    line = (ast.get_docstring(tree(path)) or "").split("\n")[0].rstrip(".")
    if len(line) > WIDEST:
        line = re.split(r"[:;.] | \(", line, maxsplit=1)[0]
    return textwrap.shorten(line, WIDEST, placeholder="…")


def package_map() -> str:
    """A line for every folder and file of the package, in the order in which imports may go."""
    lines: list[str] = []
    for folder in FOLDERS:
        for path in sorted((p for p in modules() if p.parts[0] == folder), key=lambda p: (p.parent, p.name != "__init__.py", p.name)):
            if path.name == "__init__.py":
                lines += ["", f"{path.parent.as_posix()}/".ljust(26) + purpose(path)]
            else:
                lines.append(f"    {path.name}".ljust(26) + purpose(path))
    return "\n".join(lines).strip("\n")


def packaged_init() -> str:
    """The text that `__init__.py` at the root should have: its docstring with the map drawn anew, and the code below it."""
    old = (ROOT / "__init__.py").read_text(encoding="utf-8")
    head, _, rest = old.partition("\n\nThe map:\n")
    code = rest.partition('"""\n')[2]
    return f'{head}\n\nThe map:\n\n{package_map()}\n"""\n{code}'
