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
    rows of C before the inner loop. `ahead`: bytes of the packed panel of B to fetch ahead, 0 for none; `ahead_a` likewise of A. ValueError
    for sizes that no tile has. Whether operands are packed at all is not said here but by the form of the product (`vectorized.FORMS`).
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

    def __post_init__(self) -> None:
        """Check the sizes; whether the registers hold them is asked of `fits`."""
        if self.sums not in SUMS or self.lanes < 2 or self.lanes & (self.lanes - 1):
            raise ValueError(f"no vectors of {self.lanes} x {self.sums}: lanes are a power of two, sums one of {', '.join(SUMS)}")
        if min(self.mr, self.vectors, self.unroll) < 1 or min(self.ahead, self.ahead_a) < 0:
            raise ValueError(
                f"tile {self.mr} x {self.vectors} vectors, unrolled {self.unroll}: each is at least 1, and no distance negative"
            )
        if self.pair != (2 if self.sums == "s32" else 1):
            raise ValueError(f"pair {self.pair} with sums in {self.sums}: bytes are multiplied in pairs, all else alone")

    @property
    def registers(self) -> int:
        """Vector registers that the inner loop holds at once: the sums, a row of B, an element of A and, of integers, a pair's products."""
        return self.mr * self.vectors + self.vectors + self.pair

    @property
    def vector_bytes(self) -> int:
        """Bytes of one vector of sums."""
        return self.lanes * SUMS[self.sums][1]

    def fits(self, target: Target) -> bool:
        """Whether the chip has such vectors, and registers for all of them: what does not fit is right too, but slow."""
        return self.vector_bytes <= vector_bytes(target) and self.registers <= vector_registers(target, self.vector_bytes)

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
        fetched = {"prefetch_c": self.prefetch_c, "ahead": self.ahead, "ahead_a": self.ahead_a}
        return {"tile": f"{self.mr}x{self.nr}", "unroll": self.unroll, "lanes": self.lanes, **fetched}


def vector_bytes(target: Target) -> int:
    """Bytes of the widest vector that is emitted for a chip; 16 where it has none."""
    return max(16, widest_vector_bytes(target))


def vector_registers(target: Target, size_bytes: int) -> int:
    """Vector registers of a chip for vectors of this size: 32 for those of AVX-512, and of x86 otherwise the 16 of AVX2."""
    return 32 if size_bytes == 64 else _VECTOR_REGISTERS.get(target.arch, 16)


def default_recipe(mix: Mix, target: Target) -> Recipe:
    """The tile for this chip: as many sums as registers hold beside one row of B and a broadcast of A.

    Chosen from reference section 2 ("tiles in use"): 14 × 2 vectors for 32 registers, 6 × 2 for 16. Measured on Zen 5 (AVX-512, f32, 1024³,
    against the FMA loop of the same process): see `make bench BENCH=gemm`.
    """
    width = vector_bytes(target)
    registers = vector_registers(target, width)
    bytes_ = SUMS[mix.acc][1]
    lanes = width // bytes_
    if mix.acc == "s32":
        rows = 4 if registers < 32 else 12 if width == 64 else 8  # without a multiply that adds pairs, more would not stay in registers
        return Recipe("s32", lanes, rows, 2, unroll=2, pair=2)
    if width == 16 and registers >= 32:
        return Recipe(mix.acc, lanes, 12, 2, unroll=2)
    return Recipe(mix.acc, lanes, 6, 4 if registers >= 32 else 2, unroll=2 if width == 64 else 4)
