"""Meet a framework that only Python can call: PyTorch, JAX, Modular MAX. Timed from Python, with its dispatch, and its rows say so.

A framework is one entrant a device: `torch@cpu`, `torch@cuda:0`, `jax@tpu:0`. Operands are copied to the device before anything is timed;
every timed run ends with the device's own synchronisation. What a framework does not serve is refused, never emulated.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import sys
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...configs.cases import Case
from ...configs.errors import NotPossibleError
from .library import Found, Library, Loaded

NO_SCALES = "weights in groups with scales are not one of its matrix products"


def accelerators(root: Path = Path("/")) -> list[str]:
    """Words for the kinds of accelerator that this system shows, by signs that cost nothing to read; no driver is loaded."""
    found = []
    if sys.platform == "darwin" and platform.machine() == "arm64":
        found.append("mps")
    signs = {"cuda": ("dev/nvidia0", "dev/nvidiactl"), "rocm": ("dev/kfd",), "tpu": ("dev/accel0", "dev/vfio/0")}
    for word, paths in signs.items():
        if any((root / path).exists() for path in paths):
            found.append(word)
    if any((root / "sys/module" / name).exists() for name in ("xe", "i915")):
        found.append("xpu")
    return found


def package_version(name: str) -> str:
    """The version of an installed package, without importing it; empty where it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def package_files(name: str) -> tuple[tuple[str, ...], int]:
    """(the package's folder, bytes of all its files as installed); nothing where its file list is not kept."""
    try:
        found = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return (), 0
    paths = [found.locate_file(file) for file in found.files or ()]
    size = sum(Path(str(path)).stat().st_size for path in paths if Path(str(path)).is_file())
    return (str(found.locate_file("")),) if paths else (), size


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
    """A framework. `package` is its distribution; `devices` maps words of `accelerators` to the names of its devices."""

    kind: ClassVar[str] = "framework"
    package: ClassVar[str]
    devices: ClassVar[dict[str, str]] = {}
    dtypes: ClassVar[dict[str, str]] = {}  # data types that it may serve, and how it calls the element

    def find(self) -> Sequence[Found]:
        """The processor, and each kind of accelerator that the system shows signs of."""
        version = package_version(self.package)
        if not version:
            return []
        words = ["cpu", *(self.devices[word] for word in accelerators() if word in self.devices)]
        return [Found(self.name, word, "", version) for word in words]

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


def imported(name: str, title: str) -> object:
    """The module, imported; NotPossibleError in words where that fails (a broken or half-installed package)."""
    try:
        return importlib.import_module(name)
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        raise NotPossibleError(f"{title} is installed but cannot be imported: {error}", f"install it again: pip install {name}") from error
