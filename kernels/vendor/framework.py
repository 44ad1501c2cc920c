"""Meet a framework that only Python can call: PyTorch, JAX, Modular MAX. Timed from Python, with its dispatch, and its rows say so.

A framework is one entrant a device: `torch@cpu`, `torch@cuda:1`, `jax@tpu:0`. Operands are copied to the device before anything is timed;
every timed run ends with the device's own synchronisation. What a framework does not serve is refused, never emulated.

Its size on disk is that of its packages as installed, with what NVIDIA's libraries for it take. The hash in a row is that of its main
shared library as its package's list of files has it, which pip wrote when it installed it: those files have some 500 MB, and the code that
runs is chosen or generated at run time.
"""

from __future__ import annotations

import fnmatch
import hashlib
import importlib
import importlib.metadata
import os
import platform
import re
import sys
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...configs.cases import Case
from ...configs.errors import NotPossibleError
from .files import file_sha
from .library import Found, Library, Loaded

NO_SCALES = "weights in groups with scales are not one of its matrix products"


def accelerators(root: Path = Path("/")) -> dict[str, int]:
    """How many accelerators of each kind this system shows, by signs that cost nothing to read; no driver is loaded."""
    found: dict[str, int] = {}
    if sys.platform == "darwin" and platform.machine() == "arm64":
        found["mps"] = 1
    signs = {"cuda": ("dev", "nvidia[0-9]*"), "rocm": ("sys/class/kfd/kfd/topology/nodes", "*/gpu_id"), "tpu": ("dev", "accel[0-9]*")}
    for word, (folder, pattern) in signs.items():
        count = sum(word != "rocm" or _read(path) not in ("", "0") for path in (root / folder).glob(pattern))  # 0: a processor's node
        if count:
            found[word] = count
    if "tpu" not in found and (root / "dev/vfio/0").exists():
        found["tpu"] = 1
    if any((root / "sys/module" / name).exists() for name in ("xe", "i915")):
        drivers = [path for name in ("xe", "i915") for path in (root / f"sys/module/{name}/drivers").glob("pci:*/*:*")]
        found["xpu"] = max(1, len(drivers))
    return found


def _read(path: Path) -> str:
    """A small file of the system's; empty where it cannot be read."""
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def package_version(name: str) -> str:
    """The version of an installed package, without importing it; empty where it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def package_files(patterns: Sequence[str]) -> tuple[tuple[str, ...], int]:
    """(the folder of the first package, bytes of all files of the packages that fit); nothing where no list of files is kept."""
    place, size = "", 0
    for found in _installed(patterns):
        paths = [found.locate_file(file) for file in found.files or ()]
        size += sum(Path(str(path)).stat().st_size for path in paths if Path(str(path)).is_file())
        place = place or (str(found.locate_file("")) if paths else "")
    return (place,) if place else (), size


def _installed(patterns: Sequence[str]) -> list[importlib.metadata.Distribution]:
    """Installed distributions whose names fit, each once: the first that the import path leads to, in the order of the patterns."""
    named: dict[str, importlib.metadata.Distribution] = {}
    for found in importlib.metadata.distributions():
        named.setdefault(str(found.metadata["Name"]).lower().replace("_", "-"), found)
    wanted = {name: None for pattern in patterns for name in sorted(named) if fnmatch.fnmatchcase(name, pattern)}
    return [named[name] for name in wanted]


def package_sha(package: str, *names: str) -> str:
    """A hash of the shared libraries of a package whose names fit one of `names` (the largest one, without names).

    Taken from the package's list of files, which holds a hash of each as it was installed; the file itself is read where there is none.
    """
    found = _installed((package,))
    held = [file for each in found for file in each.files or () if re.search(r"\.(so|dylib|dll|pyd)\b", file.name)]
    chosen = [file for file in held if any(fnmatch.fnmatchcase(file.name, name) for name in names)]
    if not names and held:
        chosen = [max(held, key=lambda file: file.size or 0)]
    words = [file.hash.value if file.hash else file_sha(str(file.locate())) for file in chosen]
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:16] if all(words) and words else ""


def confine(cpus: Sequence[int], root: Path = Path("/")) -> str:
    """Hold every thread of this process on these CPUs; words for the row where its pool has more threads than CPUs, else empty."""
    if not hasattr(os, "sched_setaffinity"):
        return "its pool's threads cannot be held on fewer CPUs on this system"
    tasks = [int(task.name) for task in (root / "proc/self/task").iterdir()]
    for task in tasks:
        try:
            os.sched_setaffinity(task, cpus)
        except OSError:  # it ended meanwhile
            continue
    return f"a pool of its own, held on {len(cpus)} CPU" + ("s" if len(cpus) > 1 else "")


def problems(values: NDArray[Any]) -> NDArray[Any]:
    """A view of an operand with the problems of a batch in front, one of them where there is no batch."""
    return values if values.ndim == 3 else values[np.newaxis]


class Framework(Library):
    """A framework. `package` is its distribution, `packages` all that belong to it (names or patterns, its main one first).

    `devices` maps words of `accelerators` to the names of its devices, which a number follows (except `mps`, of which there is one).
    """

    kind: ClassVar[str] = "framework"
    package: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    devices: ClassVar[dict[str, str]] = {}
    dtypes: ClassVar[dict[str, str]] = {}  # data types that it may serve, and how it calls the element

    def find(self) -> Sequence[Found]:
        """The processor, and each accelerator that the system shows signs of."""
        version = package_version(self.package)
        if not version:
            return []
        names = ["cpu"]
        for kind, count in accelerators().items():
            word = self.devices.get(kind, "")
            names += [word if word == "mps" else f"{word}:{i}" for i in range(count)] if word else []
        return [Found(self.name, name, "", version) for name in dict.fromkeys(names)]

    def on_disk(self, found: Found) -> tuple[tuple[str, ...], int]:
        """The folder that it lies in, and the size of its packages."""
        del found
        return package_files(self.packages)

    def serves(self, case: Case) -> str:
        """Plain layouts of the types that it has; no gaps in rows, alpha 1, beta 0."""
        if case.dtype not in self.dtypes:
            return NO_SCALES if case.mix.scaled else f"{self.title} has no product of {case.mix.summary}"
        if (case.alpha, case.beta) != (1.0, 0.0):
            return f"{self.title} is asked for plain products only (alpha 1, beta 0)"
        if case.ldc or case.batch_kind == "pointers":
            return f"{self.title} gives whole tensors: no gaps between the rows of C, no lists of pointers"
        return ""

    @abstractmethod
    def load(self, found: Found) -> Loaded:
        """Import it and look for the device; NotPossibleError where it has none."""


def device_index(origin: str) -> tuple[str, int]:
    """(kind, number) of a device's name: `cuda:1` is the second of cuda, `cpu` the first of cpu."""
    kind, _, number = origin.partition(":")
    if number and not number.isdecimal():
        raise NotPossibleError(f"'{origin}' names no device", "give its kind and a number: cuda:1")
    return kind, int(number or 0)


def imported(name: str, title: str) -> object:
    """The module, imported; NotPossibleError in words where that fails (a broken or half-installed package)."""
    try:
        return importlib.import_module(name)
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        raise NotPossibleError(f"{title} is installed but cannot be imported: {error}", f"install it again: pip install {name}") from error
