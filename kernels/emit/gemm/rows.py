"""Emit the decoding of one row along k: stored elements, times their scales, as the type that sums run in, side by side.

`row_x(ptr from, i64 begin, i64 step.k, i64 depth, ptr to, ptr scales, ptr scale.table, i64 row, i64 k, i64 groups)`: elements
`begin`, `begin + step.k`, … of `from` to `depth` values at `to`. `row` and `k` say where in the operand the row begins: they find its
scales. Plain loops over one group of k each, without tables, so that LLVM's passes vectorise them. 4-bit elements lie along k, begin at a
whole byte, and are decoded two at a time.
"""

from __future__ import annotations

from collections.abc import Callable

from ....configs.dtypes import ELEMENTS, Mix
from ..elements import CODES, narrow_value, read_element, widened
from ..writer import Writer
from .recipe import SUMS, Recipe

ROW_ARGUMENTS = (
    *(("ptr noalias", "from"), ("i64", "begin"), ("i64", "step.k"), ("i64", "depth"), ("ptr noalias", "to")),
    *(("ptr noalias", "scales"), ("ptr noalias", "scale.table"), ("i64", "row"), ("i64", "k"), ("i64", "groups")),
)


def packed_kind(recipe: Recipe) -> str:
    """LLVM's type of one packed element: that of the sums, or 16-bit integers where pairs are multiplied."""
    return "i16" if recipe.pair == 2 else SUMS[recipe.sums][0]


def rows_needed(mix: Mix) -> tuple[str, ...]:
    """The operands ("a", "b") whose panels are packed from decoded rows: those with scales, or with elements narrower than a byte."""
    sides = (("a", mix.a, mix.scale_a), ("b", mix.b, mix.scale_b))
    return tuple(side for side, element, scale in sides if scale or ELEMENTS[element].bits < 8)


def row_ir(recipe: Recipe, mix: Mix, side: str) -> str:
    """The function `row_a` or `row_b`."""
    element = mix.a if side == "a" else mix.b
    scale, group = (mix.scale_a, mix.group_a) if side == "a" else (mix.scale_b, mix.group_b)
    w = Writer(f"row_{side}", ROW_ARGUMENTS, attributes="noinline")
    if not scale:
        _stretch(w, recipe, element, "0", "%depth", "")
    elif group < 0:
        _stretch(w, recipe, element, "0", "%depth", read_element(w, scale, "f32", "%scales", "%row", "%scale.table"))
    else:
        first = w.op("udiv", "%k", group)
        end = w.op("udiv", w.add(w.add("%k", "%depth"), group - 1), group)
        start = w.mul("%row", "%groups")
        with w.loop(first, end) as number:
            before, after = w.sub(w.mul(number, group), "%k"), w.sub(w.mul(w.add(number, 1), group), "%k")
            low = w.select(w.compare("sgt", before, 0), before, 0)
            factor = read_element(w, scale, "f32", "%scales", w.add(start, number), "%scale.table")
            _stretch(w, recipe, element, low, w.least(after, "%depth"), factor)
    return w.text()


def _stretch(w: Writer, recipe: Recipe, element: str, low: str, high: str, factor: str) -> None:
    """Values `low` to `high` of the row, times `factor` where there is one."""
    kind = packed_kind(recipe)

    def keep(value: str, index: str) -> None:
        scaled = w.op("fmul", value, factor, kind) if factor else value
        w.store(kind, scaled, w.at("%to", index, kind))

    if ELEMENTS[element].bits < 8:
        _nibbles(w, element, low, high, keep)
        return
    for contiguous in (True, False):
        with w.when(w.compare("eq" if contiguous else "ne", "%step.k", 1)), w.loop(low, high) as i:
            index = w.add("%begin", i if contiguous else w.mul(i, "%step.k"))
            keep(widened(w, element, recipe.sums, w.load(CODES[element], w.at("%from", index, CODES[element]))), i)


def _nibbles(w: Writer, element: str, low: str, high: str, keep: Callable[[str, str], None]) -> None:
    """4-bit elements, a byte at a time; an odd last one by itself."""
    first = w.op("lshr", "%begin", 1)
    with w.loop(w.op("lshr", low, 1), w.op("lshr", high, 1)) as byte:
        both = w.load("i8", w.at("%from", w.add(first, byte), "i8"))
        even = w.op("shl", byte, 1)
        keep(narrow_value(w, element, w.op("and", both, 15, "i8")), even)
        keep(narrow_value(w, element, w.op("lshr", both, 4, "i8")), w.add(even, 1))
    with w.when(w.compare("ne", w.op("and", high, 1), 0)):
        last = w.sub(high, 1)
        both = w.load("i8", w.at("%from", w.add(first, w.op("lshr", last, 1)), "i8"))
        keep(narrow_value(w, element, w.op("and", both, 15, "i8")), last)
