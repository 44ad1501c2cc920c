"""Emit products in which A has few rows or B few columns, as dot products along k: nothing is packed into panels, little is padded.

A tile of 6 × 64 wastes nearly all its work on a vector, and packing for it reads one operand only once. Here the `few` rows are decoded
once for a block of k, each row of the `many` side follows them, decoded (or read where it lies), through vectors of sums. Sums of a block
of rows stay in a workspace until k is done; then alpha, beta, the epilogue and the rounding happen once for each element of C. `tiny`
problems are done one element at a time, which costs less than getting ready.

Same signature and records as `macro`; the block sizes are constants: _KC_BYTES of each row, _ROWS rows at a time.
"""

from __future__ import annotations

from ....configs.dtypes import Mix
from ...abi import Slot
from ..elements import CODES, read_element
from ..epilogue import finish_ir
from ..target import Target
from ..writer import Writer
from .recipe import SUMS, Recipe
from .rows import packed_kind, row_ir
from .state import POINTERS, State, entry_ir, once, scalar_slot
from .tile import multiply_add, pair_declarations

MOST_FEW = 8
_GROUP = 4  # of the few rows that are multiplied by one row at a time
_KC_BYTES = 4096
_ROWS = 256


def thin_workspace_bytes(recipe: Recipe) -> dict[str, int]:
    """Bytes of each workspace of a thread: a decoded row, the few decoded rows, and the sums."""
    padded = _KC_BYTES + 2 * _step(recipe) * recipe.packed_bytes
    return {"a": padded, "b": MOST_FEW * padded, "sums": MOST_FEW * _ROWS * SUMS[recipe.sums][1], "edge": 64}


def _step(recipe: Recipe) -> int:
    """Elements along k in one round of `dots`."""
    return 2 * recipe.lanes * recipe.pair


def thin_ir(mix: Mix, recipe: Recipe, target: Target, steps: tuple[str, ...], many: str) -> str:
    """The module: `gemm` and `part` as in `macro`; `many` says whose rows are many (`a`, `b`), or that the problem is `tiny`."""
    if many == "tiny":
        modules = [_tiny_ir(mix)]
    else:
        modules = [*(_dots_ir(recipe, target, count) for count in (1, _GROUP)), *(row_ir(recipe, mix, side) for side in "ab")]
        modules += [_blocks_ir(mix, recipe, many), _declared(recipe, target)]
    text = "".join(modules) + _settle_ir(mix) + finish_ir(mix, steps, stored=False, in_place=False) + entry_ir()
    return once(text + "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)\n")


def _declared(recipe: Recipe, target: Target) -> str:
    kind, _ = SUMS[recipe.sums]
    vector, name = f"<{recipe.lanes} x {kind}>", f"v{recipe.lanes}{ {'float': 'f32', 'double': 'f64', 'i32': 'i32'}[kind] }"
    if kind == "i32":
        return f"declare i32 @llvm.vector.reduce.add.{name}({vector})\n" + pair_declarations(recipe, target)
    return f"declare {kind} @llvm.vector.reduce.fadd.{name}({kind}, {vector})\n" + pair_declarations(recipe, target)


def _dots_ir(recipe: Recipe, target: Target, count: int) -> str:
    """`dots_N(ptr x, ptr y, i64 rounds, ptr sums, i64 step)`: adds x · y_j to `sums` for N rows of y, _KC_BYTES and a bit apart."""
    kind, size = SUMS[recipe.sums]
    vector, chains = f"<{recipe.lanes} x {kind}>", 2
    w = Writer(f"dots_{count}", (("ptr", "x"), ("ptr", "y"), ("i64", "rounds"), ("ptr", "sums"), ("i64", "step")), attributes="noinline")
    sums = [[w.variable(vector) for _ in range(chains)] for _ in range(count)]
    for places in sums:
        for place in places:
            w.store(vector, "zeroinitializer", place, 64)
    loaded = f"<{recipe.lanes * 2} x i16>" if recipe.pair == 2 else vector
    as_x = f"<{recipe.lanes} x i32>" if recipe.pair == 2 else vector
    apart = _KC_BYTES + 2 * _step(recipe) * recipe.packed_bytes
    bytes_ = recipe.lanes * recipe.pair * recipe.packed_bytes
    with w.loop(0, "%rounds") as i:
        for chain in range(chains):
            at = w.add(w.mul(i, chains * bytes_), chain * bytes_)
            x = w.load(as_x, w.at("%x", at, "i8"), recipe.packed_bytes)
            for j in range(count):
                y = w.load(loaded, w.at("%y", w.add(at, j * apart), "i8"), recipe.packed_bytes)
                out = w.name("f")
                for line in multiply_add(recipe, target, out, w.load(vector, sums[j][chain], 64), x, y):
                    w.line(line.strip())
                w.store(vector, out, sums[j][chain], 64)
    add, name = ("add", f"add.v{recipe.lanes}i32") if kind == "i32" else ("fadd", f"fadd.v{recipe.lanes}f{8 * size}")
    for j in range(count):
        both = w.op(add, w.load(vector, sums[j][0], 64), w.load(vector, sums[j][1], 64), vector)
        start = "" if kind == "i32" else f"{kind} {'-0.0'}, "
        total = w.let(f"call {'' if kind == 'i32' else 'reassoc '}{kind} @llvm.vector.reduce.{name}({start}{vector} {both})")
        place = w.at("%sums", w.mul("%step", j), kind)
        w.store(kind, w.op(add, w.load(kind, place, size), total, kind), place, size)
    return w.text()


_SETTLE = (
    ("ptr", "s"),
    ("ptr", "sums"),
    ("i64", "ld"),
    ("ptr", "c"),
    ("i64", "row"),
    ("i64", "column"),
    ("i64", "rows"),
    ("i64", "columns"),
)


def _settle_ir(mix: Mix) -> str:
    """`settle(…)`: sums of a part of C become alpha · sum + beta · C, and go through the epilogue to their place."""
    kind, size = SUMS[mix.acc]
    multiply, add = ("mul", "add") if kind == "i32" else ("fmul", "fadd")
    w = Writer("settle", (*_SETTLE, ("ptr", "residual")))
    alpha, beta = (scalar_slot(w, kind, slot) for slot in (Slot.ALPHA, Slot.BETA))
    ldc = w.slot("%s", Slot.LDC)
    code = CODES[mix.c]
    place = w.add(w.mul("%row", ldc), "%column")
    here = w.at("%c", place, code)
    plain = w.let(f"fcmp oeq double {w.slot('%s', Slot.ALPHA, 'double')}, 1.0")
    with w.when(w.op("xor", plain, "true", "i1")), w.loop(0, "%rows") as i, w.loop(0, "%columns") as j:
        at = w.at("%sums", w.add(w.mul(i, "%ld"), j), kind)
        w.store(kind, w.op(multiply, w.load(kind, at, size), alpha, kind), at, size)
    reads = w.let(f"fcmp une double {w.slot('%s', Slot.BETA, 'double')}, 0.0")
    with w.when(reads), w.loop(0, "%rows") as i, w.loop(0, "%columns") as j:
        at = w.at("%sums", w.add(w.mul(i, "%ld"), j), kind)
        old = read_element(w, mix.c, mix.acc, here, w.add(w.mul(i, ldc), j), "null")
        w.store(kind, w.op(add, w.load(kind, at, size), w.op(multiply, old, beta, kind), kind), at, size)
    bias = w.at(w.slot("%s", Slot.BIAS, "ptr"), "%column", code)
    values = [("ptr", "%sums"), ("i64", "%ld"), ("ptr", here), ("i64", ldc), ("i64", "%rows"), ("i64", "%columns")]
    w.call("finish", [*values, ("ptr", bias), ("ptr", w.at("%residual", place, code))])
    return w.text()


_BLOCKS = (("ptr", "s"), ("ptr", "own"), ("ptr", "a"), ("ptr", "b"), ("ptr", "c"), ("ptr", "residual"))


def _blocks_ir(mix: Mix, recipe: Recipe, many: str) -> str:
    """`blocks(…)` as in `macro`: one problem, or a thread's part of it."""
    kind, size = SUMS[mix.acc]
    w = Writer("blocks", _BLOCKS, attributes="noinline")
    state = {slot: w.slot("%own", slot, "ptr" if slot in POINTERS else "i64") for slot in State}
    few = "b" if many == "a" else "a"
    bounds = {"a": (state[State.FIRST_M], state[State.LAST_M]), "b": (state[State.FIRST_N], state[State.LAST_N])}
    nothing = w.let(f"fcmp oeq double {w.slot('%s', Slot.ALPHA, 'double')}, 0.0")
    depth = w.select(nothing, 0, w.slot("%s", Slot.K))
    first_few, count = bounds[few][0], w.sub(bounds[few][1], bounds[few][0])
    kc = _KC_BYTES // recipe.packed_bytes
    apart = _KC_BYTES + 2 * _step(recipe) * recipe.packed_bytes
    sums, buffer = state[State.SUMS], state[State.PACK_B]
    ld = MOST_FEW if many == "a" else _ROWS
    with w.loop(bounds[many][0], bounds[many][1], _ROWS) as top:
        height = w.least(_ROWS, w.sub(bounds[many][1], top))
        rows, columns = (height, count) if many == "a" else (count, height)
        cleared = w.mul(w.mul(rows, ld), size)
        w.line(f"call void @llvm.memset.p0.i64(ptr {sums}, i8 0, i64 {cleared}, i1 false)")
        with w.loop(0, depth, kc) as pc:
            ks = w.least(kc, w.sub(depth, pc))
            with w.loop(0, count) as j:
                _decode(w, recipe, few, state, w.add(first_few, j), pc, ks, w.at(buffer, w.mul(j, apart), "i8"))
            with w.loop(0, height) as i:
                to = w.at(sums, w.mul(i, ld) if many == "a" else i, kind)
                _row(w, recipe, mix, many, state, (w.add(top, i), pc, ks), (count, to, 1 if many == "a" else ld))
        row, column = (top, first_few) if many == "a" else (first_few, top)
        place = [("ptr", "%c"), ("i64", row), ("i64", column), ("i64", rows), ("i64", columns)]
        w.call("settle", [("ptr", "%s"), ("ptr", sums), ("i64", ld), *place, ("ptr", "%residual")])
    return w.text()


def _decode(w: Writer, recipe: Recipe, side: str, state: dict[State, str], row: str, pc: str, ks: str, to: str) -> None:
    """Row `row` of a side, `ks` steps of k from `pc` on, decoded to `to`, and zeros up to whole rounds."""
    up = side.upper()
    step, step_k = state[State[f"STEP_{up}"]], state[State[f"STEP_{up}_K"]]
    begin = w.add(w.mul(row, step), w.mul(pc, step_k))
    scales = w.slot("%s", Slot[f"SCALE_{up}"], "ptr")
    values = [("ptr", f"%{side}"), ("i64", begin), ("i64", step_k), ("i64", ks), ("ptr", to), ("ptr", scales)]
    values += [("ptr", state[State[f"TABLE_SCALE_{up}"]]), ("i64", row), ("i64", pc), ("i64", state[State[f"GROUPS_{up}"]])]
    w.call(f"row_{side}", values)
    padding = w.at(to, ks, packed_kind(recipe))
    w.line(f"call void @llvm.memset.p0.i64(ptr {padding}, i8 0, i64 {_step(recipe) * recipe.packed_bytes}, i1 false)")


def _row(
    w: Writer,
    recipe: Recipe,
    mix: Mix,
    many: str,
    state: dict[State, str],
    where: tuple[str, str, str],
    sums: tuple[str, str, int],
) -> None:
    """One row of the many side through all of the few: whole rounds where it lies, if its type and step allow, the rest decoded."""
    row, pc, ks = where
    count, to, step = sums
    apart = _KC_BYTES + 2 * _step(recipe) * recipe.packed_bytes
    kind, _ = SUMS[recipe.sums]
    up, buffer = many.upper(), state[State.PACK_A]

    def multiply(x: str, offset: str, rounds: str) -> None:
        y = w.at(state[State.PACK_B], offset, "i8")
        single = w.compare("eq", count, 1)
        with w.when(single):
            w.call("dots_1", [("ptr", x), ("ptr", y), ("i64", rounds), ("ptr", to), ("i64", step)])
        with w.when(w.op("xor", single, "true", "i1")), w.loop(0, count, _GROUP) as j:
            place, sum_place = w.at(y, w.mul(j, apart), "i8"), w.at(to, w.mul(j, step), kind)
            w.call(f"dots_{_GROUP}", [("ptr", x), ("ptr", place), ("i64", rounds), ("ptr", sum_place), ("i64", step)])

    element = mix.a if many == "a" else mix.b
    done = "0"
    if element == recipe.sums and recipe.pair == 1:  # f32 and f64, which need no decoding
        contiguous = w.compare("eq", state[State[f"STEP_{up}_K"]], 1)
        rounds = w.select(contiguous, w.op("udiv", ks, _step(recipe)), 0)
        place = w.add(w.mul(row, state[State[f"STEP_{up}"]]), pc)
        with w.when(w.compare("sgt", rounds, 0)):
            multiply(w.at(f"%{many}", place, kind), "0", rounds)
        done = w.mul(rounds, _step(recipe))
    left = w.sub(ks, done)
    with w.when(w.compare("sgt", left, 0)):
        _decode(w, recipe, many, state, row, w.add(pc, done), left, buffer)
        rounds = w.op("udiv", w.add(left, _step(recipe) - 1), _step(recipe))
        multiply(buffer, w.mul(done, recipe.packed_bytes), rounds)


def _tiny_ir(mix: Mix) -> str:
    """`blocks(…)` for problems of a few elements: three loops. Integers are multiplied as 32-bit ones."""
    kind, size = SUMS[mix.acc]
    w = Writer("blocks", _BLOCKS, attributes="noinline")
    names = (
        *("SUMS", "STEP_A", "STEP_A_K", "STEP_B", "STEP_B_K", "TABLE_A", "TABLE_B", "TABLE_SCALE_A", "TABLE_SCALE_B"),
        *("GROUPS_A", "GROUPS_B", "FIRST_M", "LAST_M", "FIRST_N", "LAST_N"),
    )
    own = {name: w.slot("%own", State[name], "ptr" if State[name] in POINTERS else "i64") for name in names}
    nothing = w.let(f"fcmp oeq double {w.slot('%s', Slot.ALPHA, 'double')}, 0.0")
    depth = w.select(nothing, 0, w.slot("%s", Slot.K))
    rows, columns = w.sub(own["LAST_M"], own["FIRST_M"]), w.sub(own["LAST_N"], own["FIRST_N"])
    total = w.variable(kind)

    def value(side: str, row: str, k: str) -> str:
        element, scale, group = (mix.a, mix.scale_a, mix.group_a) if side == "A" else (mix.b, mix.scale_b, mix.group_b)
        index = w.add(w.mul(row, own[f"STEP_{side}"]), w.mul(k, own[f"STEP_{side}_K"]))
        found = read_element(w, element, mix.acc, f"%{side.lower()}", index, own[f"TABLE_{side}"])
        if mix.integer:
            found = w.let(f"sext i16 {found} to i32")
        if scale:
            at = w.add(w.mul(row, own[f"GROUPS_{side}"]), "0" if group < 0 else w.op("udiv", k, group))
            scales = w.slot("%s", Slot[f"SCALE_{side}"], "ptr")
            found = w.op("fmul", found, read_element(w, scale, "f32", scales, at, own[f"TABLE_SCALE_{side}"]), kind)
        return found

    with w.loop(0, rows) as i, w.loop(0, columns) as j:
        w.store(kind, "0" if kind == "i32" else "0.0", total, size)
        with w.loop(0, depth) as k:
            a, b = value("A", w.add(own["FIRST_M"], i), k), value("B", w.add(own["FIRST_N"], j), k)
            product = w.op("mul" if kind == "i32" else "fmul", a, b, kind)
            w.store(kind, w.op("add" if kind == "i32" else "fadd", w.load(kind, total, size), product, kind), total, size)
        w.store(kind, w.load(kind, total, size), w.at(own["SUMS"], w.add(w.mul(i, columns), j), kind), size)
    place = [("ptr", "%c"), ("i64", own["FIRST_M"]), ("i64", own["FIRST_N"]), ("i64", rows), ("i64", columns)]
    w.call("settle", [("ptr", "%s"), ("ptr", own["SUMS"]), ("i64", columns), *place, ("ptr", "%residual")])
    return w.text()
