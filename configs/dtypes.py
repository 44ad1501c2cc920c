"""List the data types: how one element is stored, and which elements a matrix product takes, sums in and gives.

Two tables. `ELEMENTS`: what one number is. `MIXES`: what a matrix product of type `f32` or `int4bf16` reads, accumulates and writes:
the word that people give to `--dtypes`. To add a type, add a row.

Elements narrower than a byte lie two in a byte, the first in the low half. Such operands are stored along k (A as [m][k], B as
[n][k]: layout `nt`), each row filled up to a whole byte, as quantised weights are everywhere.

Scales: `group` elements along k share one scale, stored as [rows][ceil(k / group)] in `scale` elements, rows being those of A (m)
or of B (n). A value is element × scale. Sources: OCP Microscaling Formats 1.0 (MXFP4: e2m1, blocks of 32, e8m0), OCP OFP8 (e4m3, e5m2),
NVIDIA's NVFP4 (e2m1, blocks of 16, e4m3), GPTQ's and AWQ's group size of 128 for int4 weights.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import UsageError


@dataclass(frozen=True, slots=True)
class Element:
    """One number as stored. `digits` is the precision of a float in bits, the hidden one included; 0 for integers.

    `numpy` is the name under which NumPy or ml_dtypes knows it. `low` and `high` bound the finite values.
    """

    name: str
    bits: int
    kind: str  # float, int, uint, scale
    digits: int
    numpy: str
    low: float
    high: float

    @property
    def unit_roundoff(self) -> float:
        """u = 2^-digits: half the spacing of numbers near one; 0 for integers."""
        return 2.0**-self.digits if self.digits else 0.0


ELEMENTS: dict[str, Element] = {
    e.name: e
    for e in (
        Element("f64", 64, "float", 53, "float64", -1.7976931348623157e308, 1.7976931348623157e308),
        Element("f32", 32, "float", 24, "float32", -3.4028234663852886e38, 3.4028234663852886e38),
        Element("f16", 16, "float", 11, "float16", -65504.0, 65504.0),
        Element("bf16", 16, "float", 8, "bfloat16", -3.3895313892515355e38, 3.3895313892515355e38),
        Element("e4m3", 8, "float", 4, "float8_e4m3fn", -448.0, 448.0),
        Element("e5m2", 8, "float", 3, "float8_e5m2", -57344.0, 57344.0),
        Element("e2m1", 4, "float", 2, "float4_e2m1fn", -6.0, 6.0),
        Element("s32", 32, "int", 0, "int32", -(2.0**31), 2.0**31 - 1),
        Element("s8", 8, "int", 0, "int8", -128, 127),
        Element("u8", 8, "uint", 0, "uint8", 0, 255),
        Element("s4", 4, "int", 0, "int4", -8, 7),
        Element("e8m0", 8, "scale", 1, "float8_e8m0fnu", 2.0**-127, 2.0**127),
    )
}


@dataclass(frozen=True, slots=True)
class Mix:
    """What a product of one type reads (a, b), sums in (acc) and writes (c); all names of `ELEMENTS`.

    `group_a` and `group_b` are the elements along k that share a scale of type `scale_a` or `scale_b` (0 and "": there is none).
    `group_a = -1`: one scale a row. `rates` are the data types whose machine rates (see `Machine.simd`) a kernel may use for it: its
    compute roof is the fastest of them. `bias` and the residual are of type `c`.
    """

    name: str
    a: str
    b: str
    acc: str
    c: str
    summary: str
    rates: tuple[str, ...]
    group_a: int = 0
    group_b: int = 0
    scale_a: str = ""
    scale_b: str = ""

    @property
    def packed(self) -> bool:
        """Whether an operand has elements narrower than a byte, which lie along k."""
        return ELEMENTS[self.a].bits < 8 or ELEMENTS[self.b].bits < 8

    @property
    def scaled(self) -> bool:
        """Whether an operand has scales."""
        return bool(self.scale_a or self.scale_b)

    @property
    def integer(self) -> bool:
        """Whether the result is an integer, and so exact."""
        return ELEMENTS[self.c].kind == "int"


MIXES: dict[str, Mix] = {
    m.name: m
    for m in (
        Mix("f64", "f64", "f64", "f64", "f64", "double precision", ("f64",)),
        Mix("f32", "f32", "f32", "f32", "f32", "single precision", ("f32",)),
        Mix("f16", "f16", "f16", "f32", "f32", "half precision in, single out", ("f32", "f16")),
        Mix("f16f16", "f16", "f16", "f32", "f16", "half precision in and out, summed in single", ("f32", "f16")),
        Mix("bf16", "bf16", "bf16", "f32", "f32", "bfloat16 in, single out", ("f32", "bf16")),
        Mix("bf16bf16", "bf16", "bf16", "f32", "bf16", "bfloat16 in and out, summed in single", ("f32", "bf16")),
        Mix("s8", "s8", "s8", "s32", "s32", "signed bytes, exact", ("int8", "int16", "f32")),
        Mix("u8s8", "u8", "s8", "s32", "s32", "unsigned × signed bytes, exact", ("int8", "int16", "f32")),
        Mix("int4f16", "f16", "s4", "f32", "f32", "half × 4-bit weights in groups of 128", ("f32", "f16"), group_b=128, scale_b="f16"),
        Mix("int4bf16", "bf16", "s4", "f32", "f32", "bfloat16 × 4-bit weights in groups", ("f32", "bf16"), group_b=128, scale_b="bf16"),
        Mix("int4s8", "s8", "s4", "f32", "f32", "bytes, a scale a row × 4-bit weights", ("int8", "int16", "f32"), -1, 128, "f32", "f32"),
        Mix("e4m3", "e4m3", "e4m3", "f32", "f32", "8-bit floats (OFP8 E4M3), single out", ("f32", "bf16", "f16")),
        Mix("e5m2", "e5m2", "e5m2", "f32", "f32", "8-bit floats (OFP8 E5M2), single out", ("f32", "bf16", "f16")),
        Mix(
            "mxfp4",
            "e2m1",
            "e2m1",
            "f32",
            "f32",
            "4-bit floats, power-of-two scales",
            ("f32", "bf16", "int8"),
            32,
            32,
            "e8m0",
            "e8m0",
        ),
        Mix(
            "nvfp4",
            "e2m1",
            "e2m1",
            "f32",
            "f32",
            "4-bit floats, E4M3 scales",
            ("f32", "bf16", "int8"),
            16,
            16,
            "e4m3",
            "e4m3",
        ),
    )
}


def element(name: str) -> Element:
    """The element of this name; UsageError with the known names otherwise."""
    if name not in ELEMENTS:
        raise UsageError(f"there is no element type '{name}'", "elements: " + ", ".join(ELEMENTS))
    return ELEMENTS[name]


def mix(name: str) -> Mix:
    """The product's types by name; UsageError with the known names otherwise."""
    if name not in MIXES:
        raise UsageError(f"there is no data type '{name}'", "data types: " + ", ".join(MIXES) + "; see `mmbench list dtypes`")
    return MIXES[name]


def packed_bytes(elements: int, bits: int) -> int:
    """Bytes of a row of `elements` of `bits` each, filled up to a whole byte."""
    return (elements * bits + 7) // 8


def group_count(k: int, group: int) -> int:
    """How many scales a row of k elements has; 1 for one scale a row (group -1), 0 for none."""
    return 1 if group < 0 else 0 if group == 0 else max(1, -(-k // group))
