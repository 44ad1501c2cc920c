"""Emit the packing of a panel: elements decoded into the type that the tile computes with, in the order in which it reads them.

`pack_x(ptr from, i64 begin, i64 step, i64 step.k, i64 valid, i64 depth, ptr to, …)`: `valid` of `wide` rows (of A, or columns of B) times
`depth` steps of k, from element `begin` on, `step` elements from row to row and `step.k` along k; to [ceil(depth / pair)][wide][pair], what is
missing filled with zeros. Scales are multiplied in here: an element times its scale is exact in f32 for every type but int4 with f32
scales, where it is rounded once.
"""

from __future__ import annotations

from ....configs.dtypes import ELEMENTS, Mix
from ..elements import CODES, TABLED, read_element, widened
from ..writer import Writer
from .recipe import SUMS, Recipe

# `row` is the number of the panel's first row in the whole operand, `k` the first step of k: both to find scales. `groups`: scales a row.
ARGUMENTS = (
    *(("ptr", "from"), ("i64", "begin"), ("i64", "step"), ("i64", "step.k"), ("i64", "valid"), ("i64", "depth"), ("ptr", "to")),
    *(("ptr", "table"), ("ptr", "scales"), ("ptr", "scale.table"), ("i64", "row"), ("i64", "k"), ("i64", "groups")),
)


def pack_ir(recipe: Recipe, mix: Mix, side: str) -> str:
    """The function `pack_a` or `pack_b`."""
    wide = recipe.mr if side == "a" else recipe.nr
    element = mix.a if side == "a" else mix.b
    scale, group = (mix.scale_a, mix.group_a) if side == "a" else (mix.scale_b, mix.group_b)
    w = Writer(f"pack_{side}", ARGUMENTS, attributes="noinline")
    kind = _kind(recipe)
    ragged = w.op("or", w.compare("ne", "%valid", wide), w.compare("ne", w.op("urem", "%depth", recipe.pair), 0), "i1")
    with w.when(ragged):
        size = w.mul(w.mul(w.op("udiv", w.add("%depth", recipe.pair - 1), recipe.pair), recipe.pair), wide * recipe.packed_bytes)
        w.line(f"call void @llvm.memset.p0.i64(ptr %to, i8 0, i64 {size}, i1 false)")
    vectorised = ELEMENTS[element].bits >= 8 and element not in TABLED and not scale
    if vectorised:
        tight = w.op("and", w.compare("eq", "%step", 1), w.compare("eq", "%valid", wide), "i1")
        w.line(f"br i1 {tight}, label %rows, label %scalar")
        w.block("rows")
        _tight(w, recipe, element, wide, kind)
        w.line("br label %finished")
        w.block("scalar")
    _scalar(w, recipe, element, wide, kind, (scale, group))
    if vectorised:
        w.line("br label %finished")
        w.block("finished")
    return w.text()


def _kind(recipe: Recipe) -> str:
    return "i16" if recipe.pair == 2 else SUMS[recipe.sums][0]


def _tight(w: Writer, recipe: Recipe, element: str, wide: int, kind: str) -> None:
    """Rows that lie side by side: whole vectors at a time; pairs are interleaved by a shuffle."""
    lanes = recipe.lanes if wide % recipe.lanes == 0 else wide
    code = CODES[element]

    def row(start: str, part: int) -> str:
        loaded = w.load(f"<{lanes} x {code}>", w.at("%from", w.add(start, part * lanes), code))
        return widened(w, element, recipe.sums, loaded, lanes)

    whole = w.op("udiv", "%depth", recipe.pair)
    with w.loop(0, whole) as step:
        start = w.add("%begin", w.mul(w.mul(step, recipe.pair), "%step.k"))
        target = w.at("%to", w.mul(step, wide * recipe.pair), kind)
        for part in range(wide // lanes):
            if recipe.pair == 1:
                w.store(f"<{lanes} x {kind}>", row(start, part), w.at(target, part * lanes, kind))
                continue
            first, second = row(start, part), row(w.add(start, "%step.k"), part)
            order = ", ".join(f"i32 {x}, i32 {x + lanes}" for x in range(lanes))
            both = w.let(f"shufflevector <{lanes} x i16> {first}, <{lanes} x i16> {second}, <{2 * lanes} x i32> <{order}>")
            w.store(f"<{2 * lanes} x i16>", both, w.at(target, part * lanes * 2, kind))
    if recipe.pair == 2:
        with w.when(w.compare("ne", w.op("urem", "%depth", 2), 0)):
            start = w.add("%begin", w.mul(w.mul(whole, 2), "%step.k"))
            with w.loop(0, wide) as i:
                value = read_element(w, element, recipe.sums, "%from", w.add(start, i), "%table")
                w.store("i16", value, w.at("%to", w.add(w.mul(whole, wide * 2), w.mul(i, 2)), "i16"))


def _scalar(w: Writer, recipe: Recipe, element: str, wide: int, kind: str, scaled: tuple[str, int]) -> None:
    """One element at a time, along k within a row: the source is read in order, the panel written in steps."""
    scale, group = scaled
    with w.loop(0, "%valid") as i:
        start = w.add("%begin", w.mul(i, "%step"))
        row = w.mul(w.add("%row", i), "%groups") if scale else ""
        with w.loop(0, "%depth") as step:
            value = read_element(w, element, recipe.sums, "%from", w.add(start, w.mul(step, "%step.k")), "%table")
            if scale:
                place = row if group < 0 else w.add(row, w.op("udiv", w.add("%k", step), group))
                value = w.op("fmul", value, read_element(w, scale, "f32", "%scales", place, "%scale.table"), "float")
            if recipe.pair == 1:
                place = w.add(w.mul(step, wide), i)
            else:
                place = w.add(w.mul(w.op("udiv", step, 2), 2 * wide), w.add(w.mul(i, 2), w.op("urem", step, 2)))
            w.store(kind, value, w.at("%to", place, kind))
