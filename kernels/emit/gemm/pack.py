"""Emit the packing of a panel: elements decoded into the type that the tile computes with, in the order in which it reads them.

`pack_x(ptr from, i64 begin, i64 step, i64 step.k, i64 valid, i64 depth, ptr to, …)`: `valid` of `wide` rows (of A, or columns of B)
times `depth` steps of k, from element `begin` on, `step` elements from row to row and `step.k` along k; to
[ceil(depth / pair)][wide][pair], what is missing filled with zeros. Rows that lie side by side are copied by vectors, rows that lie along k
are turned in registers. Elements with scales, and those of 4 bits, are first decoded a row at a time (`rows`). A scaled element is exact in
f32 for every type but int4 with f32 scales, where it is rounded once.
"""

from __future__ import annotations

from dataclasses import dataclass

from ....configs.dtypes import ELEMENTS, Mix
from ..elements import CODES, widened
from ..writer import Writer
from .recipe import SUMS, Recipe
from .rows import packed_kind

# `row` is the number of the panel's first row in the whole operand, `k` the first step of k: both to find scales. `groups`: scales a row.
ARGUMENTS = (
    *(("ptr", "from"), ("i64", "begin"), ("i64", "step"), ("i64", "step.k"), ("i64", "valid"), ("i64", "depth"), ("ptr", "to")),
    *(("ptr", "scales"), ("ptr", "scale.table"), ("i64", "row"), ("i64", "k"), ("i64", "groups")),
)
_CHUNK = 64  # steps of k that are decoded at a time, on the stack


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a panel comes from and goes to: names of values."""

    element: str
    base: str = "%from"
    begin: str = "%begin"
    step: str = "%step"
    step_k: str = "%step.k"
    depth: str = "%depth"
    to: str = "%to"


def pack_ir(recipe: Recipe, mix: Mix, side: str) -> str:
    """The function `pack_a` or `pack_b`; it calls `row_a` or `row_b` where elements are scaled or narrower than a byte."""
    wide = recipe.mr if side == "a" else recipe.nr
    element, scale = (mix.a, mix.scale_a) if side == "a" else (mix.b, mix.scale_b)
    w = Writer(f"pack_{side}", ARGUMENTS, attributes="noinline")
    whole = w.compare("eq", "%valid", wide)
    ragged = w.op("or", w.compare("ne", "%valid", wide), w.compare("ne", w.op("urem", "%depth", recipe.pair), 0), "i1")
    with w.when(ragged):
        size = w.mul(w.mul(w.op("udiv", w.add("%depth", recipe.pair - 1), recipe.pair), recipe.pair), wide * recipe.packed_bytes)
        w.line(f"call void @llvm.memset.p0.i64(ptr %to, i8 0, i64 {size}, i1 false)")
    if scale or ELEMENTS[element].bits < 8:
        _by_rows(w, recipe, side, wide, whole)
        return w.text()
    source = _Source(element)
    w.line(f"br i1 {w.op('and', w.compare('eq', '%step', 1), whole, 'i1')}, label %tight, label %other")
    w.block("tight")
    _tight(w, recipe, element, wide, packed_kind(recipe))
    w.line("br label %finished")
    w.block("other")
    w.line(f"br i1 {w.op('and', w.compare('eq', '%step.k', 1), whole, 'i1')}, label %turned, label %scalar")
    w.block("turned")
    _scalar(w, recipe, source, wide, _turned(w, recipe, source, wide))
    w.line("br label %finished")
    w.block("scalar")
    _scalar(w, recipe, source, wide, "0")
    w.line("br label %finished")
    w.block("finished")
    return w.text()


def _by_rows(w: Writer, recipe: Recipe, side: str, wide: int, whole: str) -> None:
    """Rows decoded a stretch at a time into f32 on the stack, and from there into the panel."""
    rows = w.variable(f"[{wide * _CHUNK} x float]")
    with w.loop(0, "%depth", _CHUNK) as k:
        depth = w.least(_CHUNK, w.sub("%depth", k))
        begin = w.add("%begin", w.mul(k, "%step.k"))
        with w.loop(0, "%valid") as i:
            to = w.at(rows, w.mul(i, _CHUNK), "float")
            place = [("ptr", "%from"), ("i64", w.add(begin, w.mul(i, "%step"))), ("i64", "%step.k"), ("i64", depth), ("ptr", to)]
            scales = [("ptr", "%scales"), ("ptr", "%scale.table"), ("i64", w.add("%row", i)), ("i64", w.add("%k", k)), ("i64", "%groups")]
            w.call(f"row_{side}", [*place, *scales])
        source = _Source("f32", rows, "0", str(_CHUNK), "1", depth, w.at("%to", w.mul(k, wide), "float"))
        with w.when(whole):
            _scalar(w, recipe, source, wide, _turned(w, recipe, source, wide))
        with w.when(w.op("xor", whole, "true", "i1")):
            _scalar(w, recipe, source, wide, "0")


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
                value = widened(w, element, recipe.sums, w.load(code, w.at("%from", w.add(start, i), code)))
                w.store("i16", value, w.at("%to", w.add(w.mul(whole, wide * 2), w.mul(i, 2)), "i16"))


def _turned(w: Writer, recipe: Recipe, source: _Source, wide: int) -> str:
    """Rows that lie along k, turned by 4 × 4 blocks in registers; the number of steps of k that were done (a multiple of 4 units).

    A unit is what lies together in the panel: one element, or a pair of 16-bit integers. Source: reference section 2 (packing).
    """
    code, unit = CODES[source.element], "i32" if recipe.pair == 2 else SUMS[recipe.sums][0]
    depth = 4 * recipe.pair
    whole = w.op("udiv", source.depth, depth)
    with w.loop(0, whole) as block:
        start = w.add(source.begin, w.mul(block, depth))
        target = w.at(source.to, w.mul(block, 4 * wide), unit)
        for first in range(0, wide, 4):
            rows = min(4, wide - first)
            loaded = []
            for i in range(first, first + rows):
                place = w.at(source.base, w.add(start, w.mul(i, source.step)), code)
                values = widened(w, source.element, recipe.sums, w.load(f"<{depth} x {code}>", place), depth)
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


def _scalar(w: Writer, recipe: Recipe, source: _Source, wide: int, first: str) -> None:
    """One element at a time, along k from `first` on within a row: the source is read in order, the panel written in steps."""
    kind, code = packed_kind(recipe), CODES[source.element]
    with w.loop(0, "%valid") as i:
        start = w.add(source.begin, w.mul(i, source.step))
        with w.loop(first, source.depth) as step:
            loaded = w.load(code, w.at(source.base, w.add(start, w.mul(step, source.step_k)), code))
            value = widened(w, source.element, recipe.sums, loaded)
            if recipe.pair == 1:
                place = w.add(w.mul(step, wide), i)
            else:
                place = w.add(w.mul(w.op("udiv", step, 2), 2 * wide), w.add(w.mul(i, 2), w.op("urem", step, 2)))
            w.store(kind, value, w.at(source.to, place, kind))
