"""Emit the whole product: loops over blocks around packing and tile, one C function for every size, layout and batch.

`gemm(ptr arguments)` takes the slots of `abi.Slot`; slot STATE points to a record (`State`) with steps, block sizes and workspaces. For
each stripe of rows and kc steps of k, A is packed once; for each block of nc columns, B; then tile by tile, mc rows at a time. (Goto's
order packs A again for every block of B; in this one the stripe's part of C stays in the last cache between blocks of k.) Sums of one
block of k are kept in C itself, or in a workspace where C is narrower than the sums. Tiles at the edges are computed whole into a small
buffer and then merged, so that no element outside C is touched. After the last block of k the epilogue is applied to each tile while it is
in the first cache.

alpha multiplies each block's sums, beta what C held before; alpha 0 leaves A and B unread, beta 0 leaves C unread.
Source: K. Goto and R. van de Geijn, Anatomy of high-performance matrix multiplication, ACM TOMS 34(3), 2008.
"""

from __future__ import annotations

from ....configs.dtypes import ELEMENTS, Mix
from ...abi import Slot
from ..elements import CODES, read_element
from ..epilogue import finish_ir
from ..target import Target
from ..writer import Writer
from .pack import ARGUMENTS, pack_ir
from .recipe import SUMS, Recipe
from .rows import row_ir, rows_needed
from .state import POINTERS, State, entry_ir, once, scalar_slot
from .tile import tile_ir


def gemm_ir(mix: Mix, recipe: Recipe, target: Target, steps: tuple[str, ...]) -> str:
    """The module: `gemm(ptr arguments)` for one thread, `part(ptr arguments, ptr state)` for a thread of several."""
    modules = [tile_ir(recipe, target), pack_ir(recipe, mix, "a"), pack_ir(recipe, mix, "b"), _merge_ir(recipe)]
    modules += [row_ir(recipe, mix, side) for side in rows_needed(mix)]
    if _finishes(mix, steps):
        modules.append(finish_ir(mix, steps, stored=False, in_place=not _keeps_sums(mix)))
    if _keeps_sums(mix):
        modules.append(_widen_ir(mix))
    modules += [_blocks_ir(mix, recipe, steps), entry_ir()]
    text = "".join(modules) + "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)\n"
    return once(text)


def _keeps_sums(mix: Mix) -> bool:
    """Whether sums need a workspace, C being too narrow for them."""
    return mix.c != mix.acc


def _finishes(mix: Mix, steps: tuple[str, ...]) -> bool:
    return bool(steps) or _keeps_sums(mix)


def _merge_ir(recipe: Recipe) -> str:
    """`merge(ptr edge, ptr c, i64 ldc, i64 rows, i64 columns, T beta, i1 read)`: an edge tile from its buffer into C."""
    kind, size = SUMS[recipe.sums]
    multiply, add = ("mul", "add") if kind == "i32" else ("fmul", "fadd")
    arguments = (("ptr", "edge"), ("ptr", "c"), ("i64", "ldc"), ("i64", "rows"), ("i64", "columns"), (kind, "beta"), ("i1", "read"))
    w = Writer("merge", arguments)
    with w.loop(0, "%rows") as row, w.loop(0, "%columns") as column:
        value = w.variable(kind)
        w.store(kind, w.load(kind, w.at("%edge", w.add(w.mul(row, recipe.nr), column), kind), size), value, size)
        place = w.at("%c", w.add(w.mul(row, "%ldc"), column), kind)
        with w.when("%read"):
            old = w.op(multiply, w.load(kind, place, size), "%beta", kind)
            w.store(kind, w.op(add, w.load(kind, value, size), old, kind), value, size)
        w.store(kind, w.load(kind, value, size), place, size)
    return w.text()


def _widen_ir(mix: Mix) -> str:
    """`widen(ptr c, i64 ldc, ptr sums, i64 ld, i64 rows, i64 columns)`: what a narrow C held before, as sums."""
    arguments = (("ptr", "c"), ("i64", "ldc"), ("ptr", "sums"), ("i64", "ld"), ("i64", "rows"), ("i64", "columns"))
    w = Writer("widen", arguments)
    kind, _ = SUMS[mix.acc]
    with w.loop(0, "%rows") as row, w.loop(0, "%columns") as column:
        value = read_element(w, mix.c, mix.acc, "%c", w.add(w.mul(row, "%ldc"), column), "null")
        w.store(kind, value, w.at("%sums", w.add(w.mul(row, "%ld"), column), kind))
    return w.text()


def _blocks_ir(mix: Mix, recipe: Recipe, steps: tuple[str, ...]) -> str:
    """`blocks(ptr s, ptr own, ptr a, ptr b, ptr c, ptr residual)`: one problem, or one thread's part of it."""
    kind, size = SUMS[mix.acc]
    w = Writer(
        "blocks", (("ptr", "s"), ("ptr", "own"), ("ptr", "a"), ("ptr", "b"), ("ptr", "c"), ("ptr", "residual")), attributes="noinline"
    )
    state = {slot: w.slot("%own", slot, "ptr" if slot in POINTERS else "i64") for slot in State}
    alpha, beta = (scalar_slot(w, kind, slot) for slot in (Slot.ALPHA, Slot.BETA))
    nothing = w.let(f"fcmp oeq double {w.slot('%s', Slot.ALPHA, 'double')}, 0x0000000000000000")
    depth = w.select(nothing, 0, w.slot("%s", Slot.K))
    reads = w.let(f"fcmp une double {w.slot('%s', Slot.BETA, 'double')}, 0x0000000000000000")
    last_n, last_m = state[State.LAST_N], state[State.LAST_M]
    least = w.select(w.compare("sgt", depth, 0), depth, 1)  # without any k, C still becomes beta · C
    scales = [w.slot("%s", slot, "ptr") for slot in (Slot.SCALE_A, Slot.SCALE_B)]
    with w.loop(state[State.FIRST_M], last_m, state[State.STRIPE]) as top:
        height = w.least(state[State.STRIPE], w.sub(last_m, top))
        _prefill(w, mix, state, top, height, reads)
        with w.loop(0, least, state[State.KC]) as pc:
            ks = w.least(state[State.KC], w.sub(depth, pc))
            packed_steps = w.op("udiv", w.add(ks, recipe.pair - 1), recipe.pair)
            unit = w.mul(packed_steps, recipe.pair * recipe.packed_bytes)
            last = w.compare("sge", w.add(pc, state[State.KC]), depth)
            fresh = w.compare("eq", pc, 0)
            one = "1" if kind == "i32" else ("0x3FF0000000000000")
            times = w.select(fresh, beta, one, kind)
            read = w.select(fresh, reads, "true", "i1")
            with w.loop(0, height, recipe.mr) as ir:
                _pack(w, recipe, state, "a", w.add(top, ir), w.sub(height, ir), pc, ks, (ir, scales[0]))
            with w.loop(state[State.FIRST_N], last_n, state[State.NC]) as jc:
                columns = w.least(state[State.NC], w.sub(last_n, jc))
                with w.loop(0, columns, recipe.nr) as jr:
                    _pack(w, recipe, state, "b", w.add(jc, jr), w.sub(columns, jr), pc, ks, (jr, scales[1]))
                with w.loop(0, height, state[State.MC]) as ic:
                    end = w.least(height, w.add(ic, state[State.MC]))
                    with w.loop(0, columns, recipe.nr) as jr:
                        panel_b = w.at(state[State.PACK_B], w.mul(jr, unit), "i8")
                        with w.loop(ic, end, recipe.mr) as ir:
                            panel_a = w.at(state[State.PACK_A], w.mul(ir, unit), "i8")
                            rows, wide = w.least(recipe.mr, w.sub(height, ir)), w.least(recipe.nr, w.sub(columns, jr))
                            here = _Tile(w.add(top, ir), w.add(jc, jr), rows, wide)
                            where = _target(w, mix, state, here, top)
                            _compute(w, recipe, (panel_a, panel_b, packed_steps), where, here, (alpha, times, read, kind, size), state)
                            if _finishes(mix, steps):
                                with w.when(last):
                                    _finish(w, mix, here, where, steps)
    return w.text()


class _Tile:
    """A tile's place in C: first row and column, and how many of each it really has."""

    def __init__(self, row: str, column: str, rows: str, columns: str) -> None:
        self.row, self.column, self.rows, self.columns = row, column, rows, columns


def _prefill(w: Writer, mix: Mix, state: dict[State, str], top: str, height: str, reads: str) -> None:
    """With a workspace for sums, what C held goes there first, where beta asks for it."""
    if not _keeps_sums(mix):
        return
    with w.when(reads):
        ldc, first = w.slot("%s", Slot.LDC), state[State.FIRST_N]
        start = w.at("%c", w.add(w.mul(top, ldc), first), CODES[mix.c])
        columns = w.sub(state[State.LAST_N], first)
        w.call("widen", [("ptr", start), ("i64", ldc), ("ptr", state[State.SUMS]), ("i64", columns), ("i64", height), ("i64", columns)])


def _pack(
    w: Writer, recipe: Recipe, state: dict[State, str], side: str, row: str, left: str, pc: str, ks: str, more: tuple[str, str]
) -> None:
    """Pack one panel; `more`: its place in the block, and the scales."""
    place, scales = more
    wide = recipe.mr if side == "a" else recipe.nr
    step, step_k = (state[State.STEP_A], state[State.STEP_A_K]) if side == "a" else (state[State.STEP_B], state[State.STEP_B_K])
    scale_table = state[State[f"TABLE_SCALE_{side.upper()}"]]
    begin = w.add(w.mul(row, step), w.mul(pc, step_k))
    padded = w.mul(w.op("udiv", w.add(ks, recipe.pair - 1), recipe.pair), recipe.pair * recipe.packed_bytes)
    target = w.at(state[State.PACK_A if side == "a" else State.PACK_B], w.mul(place, padded), "i8")
    values = (
        *(f"%{side}", begin, step, step_k, w.least(wide, left), ks, target),
        *(scales, scale_table, row, pc, state[State.GROUPS_A if side == "a" else State.GROUPS_B]),
    )
    w.call(f"pack_{side}", [(kind, value) for (kind, _), value in zip(ARGUMENTS, values, strict=True)])


def _target(w: Writer, mix: Mix, state: dict[State, str], here: _Tile, top: str) -> tuple[str, str]:
    """(address, leading dimension) of the tile's sums: in C, or in the workspace."""
    kind, _ = SUMS[mix.acc]
    if not _keeps_sums(mix):
        ldc = w.slot("%s", Slot.LDC)
        return w.at("%c", w.add(w.mul(here.row, ldc), here.column), kind), ldc
    width = w.sub(state[State.LAST_N], state[State.FIRST_N])
    place = w.add(w.mul(w.sub(here.row, top), width), w.sub(here.column, state[State.FIRST_N]))
    return w.at(state[State.SUMS], place, kind), width


def _compute(
    w: Writer,
    recipe: Recipe,
    panels: tuple[str, str, str],
    where: tuple[str, str],
    here: _Tile,
    how: tuple[str, str, str, str, int],
    state: dict[State, str],
) -> None:
    """A whole tile straight into its place, an edge through the buffer."""
    alpha, times, read, kind, _ = how
    whole = w.op("and", w.compare("eq", here.rows, recipe.mr), w.compare("eq", here.columns, recipe.nr), "i1")
    ragged = w.op("xor", whole, "true", "i1")
    start = [("ptr", panels[0]), ("ptr", panels[1]), ("i64", panels[2])]
    with w.when(whole):
        w.call("tile", [*start, ("ptr", where[0]), ("i64", where[1]), (kind, alpha), (kind, times), ("i1", read)])
    with w.when(ragged):
        edge = state[State.EDGE]
        w.call("tile", [*start, ("ptr", edge), ("i64", recipe.nr), (kind, alpha), (kind, times), ("i1", "false")])
        sizes = [("i64", here.rows), ("i64", here.columns)]
        w.call("merge", [("ptr", edge), ("ptr", where[0]), ("i64", where[1]), *sizes, (kind, times), ("i1", read)])


def _finish(w: Writer, mix: Mix, here: _Tile, where: tuple[str, str], steps: tuple[str, ...]) -> None:
    """The epilogue of a tile, from its sums to its place in C."""
    code, ldc = CODES[mix.c], w.slot("%s", Slot.LDC)
    place = w.add(w.mul(here.row, ldc), here.column)
    bias = w.at(w.slot("%s", Slot.BIAS, "ptr"), here.column, code) if "bias" in steps else "null"
    residual = w.at("%residual", place, code) if "residual" in steps else "null"
    sizes = [("i64", here.rows), ("i64", here.columns)]
    start = [("ptr", where[0]), ("i64", where[1]), ("ptr", w.at("%c", place, code)), ("i64", ldc)]
    w.call("finish", [*start, *sizes, ("ptr", bias), ("ptr", residual)])


def workspace_bytes(mix: Mix, recipe: Recipe, stripe: int, kc: int, nc: int, columns: int) -> dict[str, int]:
    """How many bytes each workspace of a thread needs: packed A and B, sums of a stripe, and the edge tile."""
    pair = recipe.pair
    deep = -(-kc // pair) * pair * recipe.packed_bytes
    size = SUMS[mix.acc][1]

    def up(value: int, step: int) -> int:
        return -(-value // step) * step

    sums = stripe * columns * size if ELEMENTS[mix.c].bits < 8 * size else 0
    return {"a": up(stripe, recipe.mr) * deep, "b": up(nc, recipe.nr) * deep, "sums": sums, "edge": recipe.mr * recipe.nr * size}
