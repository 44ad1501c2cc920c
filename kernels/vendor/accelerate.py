"""Call Apple's Accelerate: CBLAS, with the matrix units that no other library may use on these chips.

It has two interfaces: the old one (CBLAS of LAPACK 3.2) and, since macOS 13.3, one of LAPACK 3.9 with 32-bit or 64-bit integers whose
symbols end in `$NEWLAPACK` and `$NEWLAPACK$ILP64`; the newest is taken. Threads are all or one (`BLASSetThreading`, macOS 15, for the
thread that asks, which is the one that is timed), elsewhere `VECLIB_MAXIMUM_THREADS` before it is loaded. Narrower types go through `bnns`.
Its file lies in the loader's shared cache, not in the folder, so that rows have neither its size nor a hash. Written from Apple's headers;
the gate judges it where it is.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from .cblas import Cblas
from .files import has
from .library import Found

_PATH = "/System/Library/Frameworks/Accelerate.framework/Accelerate"
_AS_IT_LIKES = "Accelerate takes as many threads as it likes"


def of_macos(name: str) -> list[Found]:
    """The framework under a library's name; nothing on other systems."""
    if sys.platform != "darwin" or not Path(_PATH).parent.exists():
        return []
    return [Found(name, "macos", _PATH, platform.mac_ver()[0])]


class Accelerate(Cblas):
    """Apple's Accelerate framework."""

    name = "accelerate"
    title = "Apple Accelerate"
    licence = "part of macOS"
    bring = ""
    platforms = ("macos",)
    prefixes = ("VECLIB_",)
    source = "https://developer.apple.com/documentation/accelerate/blas"
    spellings: ClassVar[Sequence[tuple[str, int]]] = (("cblas_{}$NEWLAPACK$ILP64", 64), ("cblas_{}$NEWLAPACK", 32), ("cblas_{}", 32))

    def find(self) -> Sequence[Found]:
        """Every macOS has it."""
        return of_macos(self.name)

    def describe(self) -> tuple[str, str, str]:
        """It has no version of its own: that of the system."""
        return f"macOS {platform.mac_ver()[0]}", "", "its own"

    def set_threads(self, count: int) -> str:
        """One or all."""
        if not has(self.handle, "BLASSetThreading"):
            return "this macOS gives no way to hold Accelerate to one thread" if count == 1 else _AS_IT_LIKES
        refused = int(self.handle.BLASSetThreading(1 if count == 1 else 0))  # BLAS_THREADING_SINGLE_THREADED, _MULTI_THREADED
        if count == 1:
            return "Accelerate does not hold itself to one thread here" if refused else ""
        return _AS_IT_LIKES


LIBRARY = Accelerate()
