"""Call Arm Performance Libraries: CBLAS, and bf16 with single-precision results where the release has it.

Written from Arm's reference guide (26.07); it has not been run, for want of such a machine. The gate judges it where it is found.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import ClassVar

from .cblas import Cblas, Routine
from .discovery import copies, on_system
from .environment import OPENMP
from .files import first_of, has
from .library import Found


class ArmPl(Cblas):
    """Arm Performance Libraries."""

    name = "armpl"
    title = "Arm Performance Libraries"
    licence = "Arm Performance Libraries EULA"
    bring = "install it from developer.arm.com (macOS: brew install --cask arm-performance-libraries)"
    platforms = ("aarch64", "arm64")
    prefixes = ("ARMPL_", *OPENMP)
    source = "https://developer.arm.com/documentation/101004/"
    routines: ClassVar[dict[str, Routine]] = {**Cblas.routines, "bf16": Routine("sbgemm", "float")}

    def find(self) -> Sequence[Found]:
        """The threaded builds with 32-bit integers first, then the sequential ones; the loader's and the installer's folders."""
        names = ("libarmpl_lp64_mp.so", "libarmpl_lp64_mp.dylib", "libarmpl_lp64.so", "libarmpl_lp64.dylib")
        return copies([found for name in names for found in on_system(self.name, (name,))])

    def describe(self) -> tuple[str, str, str]:
        """`armplversion` gives major, minor, patch and a tag."""
        version = ""
        if has(self.handle, "armplversion"):
            numbers = [ctypes.c_int(0) for _ in range(3)]
            tag = ctypes.c_char_p()
            self.handle.armplversion(*(ctypes.byref(number) for number in numbers), ctypes.byref(tag))
            version = ".".join(str(number.value) for number in numbers)
        return version, "", "openmp" if "_mp" in self._found.path else "sequential"

    def set_threads(self, count: int) -> str:
        """Through its own function, or its OpenMP runtime's."""
        setter = first_of(self.handle, ["armpl_set_num_threads", "omp_set_num_threads"])
        if not setter:
            return super().set_threads(count)
        getattr(self.handle, setter)(count)
        return ""


LIBRARY = ArmPl()
