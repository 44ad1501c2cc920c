"""What is installed is the package, all of it and nothing else; what it needs is declared, used and explained."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from source_tree import FOLDERS, ROOT, files, modules, project, tree

DATA = {".toml", ".json", ".md", ".css", ".js", ".html", ".svg", ".j2"}


def plain(requirement: str) -> str:
    """The name in a requirement, as metadata spells it."""
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def declared() -> set[str]:
    return {plain(requirement) for requirement in project()["project"]["dependencies"]}


def optional() -> set[str]:
    """What an extra brings to the package itself; what is only for its tests, or is measured, is imported by nothing here."""
    return {plain(requirement) for requirement in project()["project"]["optional-dependencies"]["parquet"]}


def imported() -> dict[str, set[str]]:
    """Top-level module to the files of the package that import it, anywhere in the file."""
    found: dict[str, set[str]] = {}
    for path in [*modules(), Path("__init__.py"), Path("__main__.py")]:
        for node in ast.walk(tree(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            for name in names:
                found.setdefault(name.split(".")[0], set()).add(path.as_posix())
    return found


def test_the_list_of_packages_is_the_list_of_folders() -> None:
    folders = {".".join(("mmbench", *path.parent.parts)) for path in modules() if path.name == "__init__.py"}
    assert set(project()["tool"]["setuptools"]["packages"]) == {"mmbench", *folders}


def test_every_folder_with_code_is_a_package() -> None:
    bare = {path.parent for path in modules() if not (ROOT / path.parent / "__init__.py").exists()}
    assert bare == set()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in a wheel built from a copy of the sources, as pip would, with nothing fetched."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for path in files():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, source / path)
    build = f"from setuptools import build_meta; build_meta.build_wheel({str(out)!r})"
    run = subprocess.run([sys.executable, "-c", build], cwd=source, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    with zipfile.ZipFile(next(out.glob("*.whl"))) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_the_package_and_nothing_else(wheel: set[str]) -> None:
    wanted = {f"mmbench/{name}" for name in ("__init__.py", "__main__.py", "py.typed")}
    wanted |= {f"mmbench/{path.as_posix()}" for path in files() if path.parts[0] in FOLDERS and path.suffix in {".py", *DATA}}
    assert {name for name in wheel if ".dist-info/" not in name} == wanted
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel)


def test_every_file_of_the_package_is_of_a_known_kind() -> None:
    assert {path.as_posix() for path in files() if path.parts[0] in FOLDERS and path.suffix not in {".py", *DATA}} == set()


def test_what_is_imported_is_declared() -> None:
    spelled = packages_distributions()
    foreign = {name: where for name, where in imported().items() if name not in sys.stdlib_module_names and name != "mmbench"}
    assert foreign
    undeclared = {
        name: where for name, where in foreign.items() if not {plain(d) for d in spelled.get(name, [])} & (declared() | optional())
    }
    assert undeclared == {}


def test_what_is_declared_is_imported() -> None:
    spelled = packages_distributions()
    used = {plain(distribution) for name in imported() for distribution in spelled.get(name, [])}
    assert declared() - used == set()


def test_every_dependency_has_its_reason_in_contributing() -> None:
    chapter = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("\n## Dependencies\n")[2].partition("\n## ")[0]
    told = {plain(name) for name in re.findall(r"^\| `([^`]+)`", chapter, re.MULTILINE)}
    extras = project()["project"]["optional-dependencies"]
    assert told == declared() | {plain(requirement) for extra in extras.values() for requirement in extra}


def test_the_version_is_in_the_changelog() -> None:
    version = re.search(r'^__version__ = "(.+)"$', (ROOT / "__init__.py").read_text(encoding="utf-8"), re.MULTILINE)
    assert version
    assert re.search(rf"^## \[({re.escape(version[1])}|Unreleased)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
