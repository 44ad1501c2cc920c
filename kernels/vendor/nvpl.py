"""Call NVIDIA's BLAS for Arm servers (NVPL): CBLAS with both widths of integers and batches, from PyPI's wheel or the HPC SDK.

Symbols were read from the wheel of 0.6.0; it has not been run, for want of such a machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from .cblas_batch import GroupBatch
from .discovery import copies, in_packages, on_system
from .environment import OPENMP
from .files import has
from .library import Found


class Nvpl(GroupBatch):
    """NVIDIA Performance Libraries: BLAS."""

    name = "nvpl"
    title = "NVPL BLAS"
    licence = "NVIDIA Software License"
    bring = "pip install nvpl-blas"
    platforms = ("aarch64", "arm64")
    prefixes = ("NVPL_", *OPENMP)
    source = "https://docs.nvidia.com/nvpl/latest/blas/"
    spellings: ClassVar[Sequence[tuple[str, int]]] = (("cblas_{}_64", 64), ("cblas_{}", 32))

    def find(self) -> Sequence[Found]:
        """The wheel's threaded build, then those that are installed."""
        wheel = in_packages(self.name, (("nvpl-blas", "nvpl/lib/libnvpl_blas_lp64_gomp.so*"),))
        return copies([*wheel, *on_system(self.name, ("libnvpl_blas_lp64_gomp.so", "libnvpl_blas_lp64_seq.so"))])

    def describe(self) -> tuple[str, str, str]:
        """Its version is one number: 10000 · major + 100 · minor + patch."""
        version = ""
        if has(self.handle, "nvpl_blas_get_version"):
            number = int(self.handle.nvpl_blas_get_version())
            version = f"{number // 10000}.{number // 100 % 100}.{number % 100}"
        return version, "", "openmp" if "gomp" in self._found.path else "sequential"

    def set_threads(self, count: int) -> str:
        """Set, and read back."""
        if not has(self.handle, "nvpl_blas_set_num_threads"):
            return super().set_threads(count)
        self.handle.nvpl_blas_set_num_threads(count)
        got = int(self.handle.nvpl_blas_get_max_threads()) if has(self.handle, "nvpl_blas_get_max_threads") else count
        return "" if got == count else f"asked for {count} threads, NVPL says {got}"


LIBRARY = Nvpl()
