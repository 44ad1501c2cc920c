"""Build environments and wheels for tests of the gate, out of what is installed here: nothing is fetched."""

from __future__ import annotations

import importlib.metadata
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

WORKER_NEEDS = ("numpy", "llvmlite", "ml-dtypes")


def bare_environment(place: Path) -> Path:
    """A virtual environment without any package, pip included."""
    subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", str(place)], check=True)
    return place


def packages_folder(place: Path) -> Path:
    """Where its packages lie."""
    return next(place.glob("lib/python*/site-packages"))


def linked_environment(place: Path, names: Iterable[str] = WORKER_NEEDS) -> Path:
    """A virtual environment with these packages as symbolic links to this one's; NumPy's own libraries are copies."""
    target = packages_folder(bare_environment(place))
    for name in names:
        for source in top_level(name):
            if source.name.endswith((".libs", ".dylibs")):
                shutil.copytree(source, target / source.name)
            else:
                (target / source.name).symlink_to(source)
    return place


def top_level(name: str) -> list[Path]:
    """Files and folders that a distribution has put beside the others."""
    files = importlib.metadata.distribution(name).files or []
    root = Path(str(importlib.metadata.distribution(name).locate_file("")))
    parts = dict.fromkeys(file.parts[0] for file in files if file.parts[0] not in ("..", "__pycache__"))
    return [root / part for part in parts]


def repacked_wheel(name: str, folder: Path) -> Path:
    """The wheel of an installed distribution, packed again from its own list of files."""
    found = importlib.metadata.distribution(name)
    text = found.read_text("WHEEL") or ""
    tag = next(line.partition(": ")[2] for line in text.splitlines() if line.startswith("Tag: "))
    path = folder / f"{name.replace('-', '_')}-{found.version}-{tag}.whl"
    skipped = ("INSTALLER", "REQUESTED", "direct_url.json")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as wheel:
        for file in found.files or []:
            source = Path(str(found.locate_file(file)))
            if file.parts[0] != ".." and "__pycache__" not in file.parts and file.name not in skipped and source.is_file():
                wheel.write(source, file.as_posix())
    return path


def tiny_wheel(folder: Path, name: str, version: str, files: Mapping[str, str] | None = None, requires: str = "") -> Path:
    """A wheel of a few lines. `requires` is what it asks for besides."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    content = {
        **(files or {f"{name.replace('-', '_')}.py": ""}),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    path = folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in content.items():
            wheel.writestr(file, text)
        wheel.writestr(f"{info}/RECORD", "".join(f"{file},,\n" for file in (*content, f"{info}/RECORD")))
    return path


def pretend_installed(place: Path, name: str, version: str) -> None:
    """The record of a distribution, without its files."""
    info = packages_folder(place) / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")


def fake_interpreter(place: Path, script: str) -> Path:
    """An environment whose Python is a shell script."""
    (place / "bin").mkdir(parents=True)
    python = place / "bin" / "python"
    python.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return place
