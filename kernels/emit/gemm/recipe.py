"""Choose the shape of a generated product: tile, unrolling, packing. Everything that later tuning may vary is a field of `Recipe`."""

from __future__ import annotations

from dataclasses import dataclass

from ....configs.dtypes import Mix
from ..streams import widest_vector_bytes
from ..target import Target

# LLVM's name of the type that sums run in, and its bytes.
SUMS = {"f32": ("float", 4), "f64": ("double", 8), "s32": ("i32", 4)}
_VECTOR_REGISTERS = {"x86_64": 16, "aarch64": 32, "riscv64": 32, "ppc64le": 64, "s390x": 32, "loongarch64": 32}


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a product is generated.

    The micro-kernel keeps `mr` × (`vectors` × `lanes`) sums in registers. `pair` elements along k lie side by side in the packed panels (2
    for 16-bit integers, whose products are added in pairs). `unroll`: steps of k in one round of the inner loop. `prefetch_c`: fetch the
    rows of C before the inner loop. `ahead`: bytes of the packed panel of B to fetch ahead, 0 for none.
    """

    sums: str  # f32, f64, s32
    lanes: int
    mr: int
    vectors: int
    unroll: int = 4
    pair: int = 1
    prefetch_c: bool = False
    ahead: int = 1024
    ahead_a: int = 0

    @property
    def nr(self) -> int:
        """Columns of a tile."""
        return self.vectors * self.lanes

    @property
    def packed_bytes(self) -> int:
        """Bytes of one packed element."""
        return 2 if self.pair == 2 else SUMS[self.sums][1]

    @property
    def params(self) -> dict[str, str | int | float | bool]:
        """For the row of a measurement."""
        return {"tile": f"{self.mr}x{self.nr}", "unroll": self.unroll, "lanes": self.lanes}


def default_recipe(mix: Mix, target: Target) -> Recipe:
    """The tile for this chip: as many sums as registers hold beside one row of B and a broadcast of A.

    Chosen from reference section 2 ("tiles in use"): 14 × 2 vectors for 32 registers, 6 × 2 for 16. Measured on Zen 5 (AVX-512, f32, 1024³,
    against the FMA loop of the same process): see `make bench BENCH=gemm`.
    """
    width = max(16, widest_vector_bytes(target))
    registers = 32 if width == 64 else _VECTOR_REGISTERS.get(target.arch, 16)
    bytes_ = SUMS[mix.acc][1]
    lanes = width // bytes_
    if mix.acc == "s32":
        rows = 4 if registers < 32 else 12 if width == 64 else 8  # without a multiply that adds pairs, more would not stay in registers
        return Recipe("s32", lanes, rows, 2, unroll=2, pair=2)
    if width == 16 and registers >= 32:
        return Recipe(mix.acc, lanes, 12, 2, unroll=2)
    return Recipe(mix.acc, lanes, 6, 4 if registers >= 32 else 2, unroll=2 if width == 64 else 4)
