"""Emit the packing of a panel: elements decoded into the type that the tile computes with, in the order in which it reads them.

`pack_x(ptr from, i64 begin, i64 step, i64 step.k, i64 valid, i64 depth, ptr to, …)`: `valid` of `wide` rows (of A, or columns of B)
times `depth` steps of k, from element `begin` on, `step` elements from row to row and `step.k` along k; to
[ceil(depth / pair)][wide][pair], what is missing filled with zeros. Scales are multiplied in here: an element times its scale is exact in
f32 for every type but int4 with f32 scales, where it is rounded once.
"""

from __future__ import annotations

from ....configs.dtypes import ELEMENTS, Mix
from ..elements import CODES, TABLED, read_element, widened
from ..writer import Writer
from .recipe import SUMS, Recipe

_ROWS_AHEAD = 8
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
        whole = w.compare("eq", "%valid", wide)
        tight = w.op("and", w.compare("eq", "%step", 1), whole, "i1")
        w.line(f"br i1 {tight}, label %rows, label %other")
        w.block("rows")
        _tight(w, recipe, element, wide, kind)
        w.line("br label %finished")
        w.block("other")
        along = w.op("and", w.compare("eq", "%step.k", 1), whole, "i1")
        w.line(f"br i1 {along}, label %turned, label %scalar")
        w.block("turned")
        done = _turned(w, recipe, element, wide)
        _scalar(w, recipe, element, wide, kind, (scale, group), done)
        w.line("br label %finished")
        w.block("scalar")
    _scalar(w, recipe, element, wide, kind, (scale, group), "0")
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
        coming = w.add(start, w.mul("%step.k", _ROWS_AHEAD * recipe.pair))  # rows lie far apart: no hardware prefetcher follows them
        for offset in range(0, wide, 64 // (ELEMENTS[element].bits // 8)):
            w.line(f"call void @llvm.prefetch.p0(ptr {w.at('%from', w.add(coming, offset), code)}, i32 0, i32 3, i32 1)")
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


def _turned(w: Writer, recipe: Recipe, element: str, wide: int) -> str:
    """Rows that lie along k, turned by 4 × 4 blocks in registers; the number of steps of k that were done (a multiple of 4 units).

    A unit is what lies together in the panel: one element, or a pair of 16-bit integers. Source: reference section 2 (packing).
    """
    code, unit = CODES[element], "i32" if recipe.pair == 2 else SUMS[recipe.sums][0]
    depth = 4 * recipe.pair
    whole = w.op("udiv", "%depth", depth)
    with w.loop(0, whole) as block:
        start = w.add("%begin", w.mul(block, depth))
        target = w.at("%to", w.mul(block, 4 * wide), unit)
        for first in range(0, wide, 4):
            rows = min(4, wide - first)
            loaded = []
            for i in range(first, first + rows):
                place = w.at("%from", w.add(start, w.mul(i, "%step")), code)
                values = widened(w, element, recipe.sums, w.load(f"<{depth} x {code}>", place), depth)
                loaded.append(w.let(f"bitcast <{depth} x i16> {values} to <4 x i32>") if recipe.pair == 2 else values)
            for step, column in enumerate(_transposed(w, loaded, unit)):
                w.store(f"<{rows} x {unit}>", column, w.at(target, step * wide + first, unit))
    return w.mul(whole, depth)


def _transposed(w: Writer, rows: list[str], unit: str) -> list[str]:
    """Four columns of up to four rows of <4 x unit>."""

    def shuffled(a: str, b: str, lanes: int, order: tuple[int, ...]) -> str:
        picked = ", ".join(f"i32 {i}" for i in order)
        return w.let(f"shufflevector <{lanes} x {unit}> {a}, <{lanes} x {unit}> {b}, <{len(order)} x i32> <{picked}>")

    if len(rows) == 1:
        return [shuffled(rows[0], "poison", 4, (i,)) for i in range(4)]
    halves = ((0, 4, 1, 5), (2, 6, 3, 7))
    pairs = [[shuffled(rows[i], rows[i + 1], 4, order) for order in halves] for i in range(0, len(rows) - 1, 2)]
    if len(rows) == 2:
        return [shuffled(half, "poison", 4, order) for half in pairs[0] for order in ((0, 1), (2, 3))]
    if len(rows) == 3:
        last = [shuffled(rows[2], "poison", 4, (i, i, i, i)) for i in range(4)]
        return [shuffled(pairs[0][i // 2], last[i], 4, (2 * (i % 2), 2 * (i % 2) + 1, 4)) for i in range(4)]
    return [shuffled(pairs[0][i // 2], pairs[1][i // 2], 4, (0, 1, 4, 5) if i % 2 == 0 else (2, 3, 6, 7)) for i in range(4)]


def _scalar(w: Writer, recipe: Recipe, element: str, wide: int, kind: str, scaled: tuple[str, int], first: str) -> None:
    """One element at a time, along k from `first` on within a row: the source is read in order, the panel written in steps."""
    scale, group = scaled
    with w.loop(0, "%valid") as i:
        start = w.add("%begin", w.mul(i, "%step"))
        row = w.mul(w.add("%row", i), "%groups") if scale else ""
        with w.loop(first, "%depth") as step:
            value = read_element(w, element, recipe.sums, "%from", w.add(start, w.mul(step, "%step.k")), "%table")
            if scale:
                place = row if group < 0 else w.add(row, w.op("udiv", w.add("%k", step), group))
                value = w.op("fmul", value, read_element(w, scale, "f32", "%scales", place, "%scale.table"), "float")
            if recipe.pair == 1:
                place = w.add(w.mul(step, wide), i)
            else:
                place = w.add(w.mul(w.op("udiv", step, 2), 2 * wide), w.add(w.mul(i, 2), w.op("urem", step, 2)))
            w.store(kind, value, w.at("%to", place, kind))
