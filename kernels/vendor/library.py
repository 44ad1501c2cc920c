"""Meet a vendor's library: find its files, load one, learn what it is, and make its calls ready.

A library is one file of this folder with a class (`class OpenBlas(Library)`) and `LIBRARY = OpenBlas()`. Loading happens only in a worker
of its own: two OpenMP runtimes in one process fight for the cores, and a crash there costs its rows only.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ...configs.cases import Case
from ...configs.errors import UsageError
from ...configs.kernel_names import GIVEN, named
from ..host import Host
from ..registry import Prepared
from .stated import stated_version


@dataclass(frozen=True, slots=True)
class Found:
    """A library that lies on this machine, not loaded yet.

    `origin` is one word: the package or system it came with (`numpy`, `scipy-openblas32`, `debian`), or `given` for a path by the user.
    `package_version` is that of the package, where there is one. `path` is empty for a framework that is imported, not loaded.
    """

    library: str
    origin: str
    path: str
    package_version: str = ""

    @property
    def spec(self) -> str:
        """The name under which it is chosen: `openblas@numpy`."""
        return named(self.library, self.origin)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a loaded library says of itself. `files` are all that it needs on disk beyond the C library, the library itself first."""

    version: str
    core: str = ""  # the kernels that it chose for this chip, in its own words
    threading: str = ""  # pthreads, openmp (libgomp), tbb, sequential…
    files: tuple[str, ...] = ()
    size_bytes: int = 0
    overrides: tuple[str, ...] = ()  # environment variables in force that change what it does: NAME=value
    warnings: tuple[str, ...] = ()


class Library(ABC):
    """A vendor's library. Class attributes describe it without loading anything; after `load` it is ready to prepare cases.

    `kind`: `library` (C calls, timed as machine code) or `framework` (called from Python, and timed so). `bring` is the command that
    installs it, `platforms` where it exists (words of `platform.machine()`, or `macos`). `prefixes` are those of environment variables that
    change what it does. `unfused`: a second kernel `NAME-unfused` shall be offered, for cases with an epilogue, that does the product and
    then the epilogue in a pass of its own, to show what fusing saves.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    licence: ClassVar[str]
    bring: ClassVar[str]
    version: ClassVar[str] = "1"  # of this adapter
    kind: ClassVar[str] = "library"
    platforms: ClassVar[tuple[str, ...]] = ()
    prefixes: ClassVar[tuple[str, ...]] = ()
    unfused: ClassVar[bool] = False
    source: ClassVar[str] = ""
    mark: ClassVar[bytes] = b""  # a pattern whose one group is the library's own version, as text in its file

    @abstractmethod
    def find(self) -> Sequence[Found]:
        """Every copy on this machine, the newest first; loads nothing."""

    def files(self, found: Found) -> tuple[str, ...]:
        """What a copy takes on disk, the library first: as far as can be read from the files, or is known of the library.

        What it loads by itself once it runs belongs to it, on any chip, not only on this one.
        """
        from .files import needed_files  # which looks for files through `discovery`, which knows `Found`

        return needed_files(found.path) if found.path else ()

    def on_disk(self, found: Found) -> tuple[tuple[str, ...], int]:
        """(files, their bytes): the size of a copy, the same in `mmbench list vendors` and in the rows of a sweep."""
        from .files import size_of

        files = self.files(found)
        return files, size_of(files)

    def stated(self, found: Found) -> str:
        """The library's own version, read from its file; empty where that does not say. Packages number otherwise."""
        return stated_version(found.path, self.mark)

    @abstractmethod
    def serves(self, case: Case) -> str:
        """Empty, or why no version of this library answers such a case; loads nothing."""

    @abstractmethod
    def load(self, found: Found) -> Loaded:
        """Load it into this process; NotPossibleError says what is wrong with the file, and names a missing symbol."""

    @abstractmethod
    def prepare(self, case: Case, host: Host, *, fused: bool = True) -> Prepared:
        """The call for one case, threads set; NotPossibleError where this build or this chip does not serve it. Only after `load`."""


@functools.cache
def libraries() -> dict[str, Library]:
    """Every library that an adapter is written for, by name: the modules of this folder that hold LIBRARY."""
    found = {}
    package = importlib.import_module(__package__)
    for module in pkgutil.iter_modules(package.__path__):
        held = getattr(importlib.import_module(f"{__package__}.{module.name}"), "LIBRARY", None)
        if isinstance(held, Library):
            found[held.name] = held
    return dict(sorted(found.items()))


def library(name: str) -> Library:
    """The adapter by name; UsageError with the known names otherwise."""
    known = libraries()
    if name not in known:
        raise UsageError(f"there is no library '{name}'", "libraries: " + ", ".join(known))
    return known[name]


def given(name: str, path: str) -> Found:
    """The library at a path that the user names; UsageError when it is not a readable file."""
    library(name)
    place = Path(path)
    try:
        with place.open("rb") as file:
            file.read(4)
    except OSError as error:
        raise UsageError(f"--library {name}={path}: cannot be read: {error.strerror}", "name the shared library's own file") from None
    return Found(name, GIVEN, str(place.resolve()))
