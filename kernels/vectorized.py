"""The generated kernel: packed panels, a micro-kernel emitted for this chip, block sizes from the measured caches, a fused epilogue.

Serves every data type, layout, batch, epilogue and scalar. Narrow types are decoded while they are packed; sums run in f32 (f64 for f64,
32-bit integers for bytes, exact over their full range: 16-bit pairs, multiplied and added). Sizes are arguments, so one module serves all
shapes of a data type and epilogue, and a new shape compiles nothing.

What later tuning may choose is handed over with the case: the recipe (tile, unrolling, fetching ahead), the block sizes, the form (which
says whether operands are packed into panels, or read where they lie and decoded row by row), and the chip to generate for.

`vectorized-unfused` does the same product and then the epilogue in a pass of its own, to show what fusing saves.
"""

from __future__ import annotations

import functools
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..configs.cases import Case, Variant
from ..configs.dtypes import MIXES, group_count
from ..configs.errors import NotPossibleError
from .abi import Slot
from .blocks import Blocks, block_sizes
from .compiled import table
from .crew import crew_of
from .emit import ir
from .emit.gemm.macro import gemm_ir, workspace_bytes
from .emit.gemm.recipe import Recipe, default_recipe
from .emit.gemm.state import STATE_SLOTS, State
from .emit.gemm.thin import MOST_FEW, thin_ir, thin_workspace_bytes
from .emit.jit import Code, compile_ir
from .emit.target import Target
from .epilogue import rounds_early, separate_epilogue
from .host import Host
from .measure.memory import Buffer
from .registry import Prepared, kernel

if TYPE_CHECKING:
    from .operands import Operands

_ALIGN = 4096
_TINY = 64  # multiplications, and elements of C
_LEAST_K = 16
FORMS = ("panels", "few columns", "few rows", "tiny")
_SUMS_BYTES = 64 << 20


@kernel("vectorized", version=1, source="Goto and van de Geijn, ACM TOMS 34(3), 2008")
class Vectorized:
    """Packed panels and a micro-kernel generated for this chip."""

    name: str
    version: str
    fuses = True

    def serves(self, case: Case) -> str:
        """Everything."""
        del case
        return ""

    def prepare(
        self,
        case: Case,
        host: Host,
        *,
        recipe: Recipe | None = None,
        blocks: Blocks | None = None,
        form: str = "",
        target: Target | None = None,
    ) -> Prepared:
        """Code for the case's types; workspaces and block sizes for its shape.

        A `recipe`, `blocks` or `form` (a word of FORMS) that is not given is chosen here; block sizes are cut to the case. `target`: this
        chip with fewer features. NotPossibleError for a recipe, blocks or form that the case cannot be done with.
        """
        target = target or Target.host()
        steps = case.steps if self.fuses else ()
        recipe = _checked(case, recipe or default_recipe(case.mix, target), blocks)
        form = form_of(case, form)
        code = _code(case.dtype, recipe, steps, form, target)
        blocks = blocks_for(case, recipe, host, blocks)
        work = _Workspaces(case, recipe, blocks, form)
        params = {
            **recipe.params,
            "form": form,
            "mc": blocks.mc,
            "kc": blocks.kc,
            "nc": blocks.nc,
            "epilogue": "fused" if self.fuses else "a pass of its own",
        }
        keep: list[object] = [code, work]
        address, state = code.address("gemm"), work.states[0].ctypes.data
        if case.threads > 1:
            crew = crew_of(case.threads, host.cpus)
            record = crew.record(code.address("part"), work.states)
            address, state = crew.address, record.ctypes.data
            keep += [crew, record]
        if not self.fuses and case.epilogue:
            address, state, kept = _then_epilogue(case, address, state)
            keep += kept

        def bind(_operands: Operands) -> int:
            return int(state)

        return Prepared(Variant(self.name, self.version, target.cpu, params), address, bind, sha=code.sha, keep=keep)


@kernel("vectorized-unfused", version=1, source="the same product, then the epilogue over all of C")
class VectorizedUnfused(Vectorized):
    """The generated product, and the epilogue in a pass of its own."""

    fuses = False

    def serves(self, case: Case) -> str:
        """Only what has an epilogue, and a result of the sums' own type: a narrower one would be rounded twice."""
        if not case.epilogue:
            return "without an epilogue it is `vectorized`"
        return rounds_early(case)


def _checked(case: Case, recipe: Recipe, blocks: Blocks | None) -> Recipe:
    """The recipe, if the case's sums are what it computes, and if the blocks are made of its tiles; else NotPossibleError."""
    if recipe.sums != case.mix.acc:
        raise NotPossibleError(f"a tile of {recipe.sums} cannot sum {case.dtype}, whose sums are {case.mix.acc}")
    problem = "" if blocks is None else blocks.problem(recipe.mr, recipe.nr)
    if problem:
        raise NotPossibleError(f"these block sizes do not go with a tile of {recipe.mr} x {recipe.nr}: {problem}")
    return recipe


@functools.cache
def _code(dtype: str, recipe: Recipe, steps: tuple[str, ...], form: str, target: Target) -> Code:
    return compile_ir(form_ir(dtype, recipe, target, steps, form), target, optimize=True)


def form_ir(dtype: str, recipe: Recipe, target: Target, steps: tuple[str, ...], form: str) -> str:
    """The module of one form (a word of `form_of`): functions `gemm` and `part`."""
    mix = MIXES[dtype]
    if form == "panels":
        return gemm_ir(mix, recipe, target, steps)
    return thin_ir(mix, recipe, target, steps, {"few columns": "a", "few rows": "b"}.get(form, "tiny"))


def emit_ir(dtype: str, target: Target, steps: tuple[str, ...] = ()) -> str:
    """The packed product for one data type and any chip, as it would be compiled there."""
    return form_ir(dtype, default_recipe(MIXES[dtype], target), target, steps, "panels")


def form_of(case: Case, wanted: str = "") -> str:
    """How the case is done: `panels`, or by dot products along k (`few rows` of A, `few columns` of B), or `tiny`, element by element.

    Dot products need the longer operand to lie along k: otherwise panels read it in order, and dot products would not. A form that is
    `wanted` is taken wherever it is right; NotPossibleError where it is not. `panels` alone packs, and is right for every case.
    """
    if wanted:
        fits = {
            "panels": True,
            "few columns": case.n <= MOST_FEW,
            "few rows": case.m <= MOST_FEW,
            "tiny": case.m * case.n <= _TINY,
        }
        if not fits.get(wanted):
            raise NotPossibleError(f"the form '{wanted}' does not serve {case.shape}", "forms: " + ", ".join(FORMS))
        return wanted
    if case.m * case.n * case.k <= _TINY and case.m * case.n <= _TINY:
        return "tiny"
    if case.k < _LEAST_K or min(case.m, case.n) > MOST_FEW:
        return "panels"
    if case.n <= case.m:
        return "few columns" if case.layout[0] == "n" else "panels"
    return "few rows" if case.layout[1] == "t" else "panels"


def blocks_for(case: Case, recipe: Recipe, host: Host, given: Blocks | None = None) -> Blocks:
    """Block sizes, those given or from the caches, no larger than the case."""
    found = given or block_sizes(host, recipe.mr, recipe.nr, recipe.packed_bytes)
    kc = min(found.kc, -(-max(case.k, 1) // 8) * 8)
    mc = min(found.mc, -(-max(case.m, 1) // recipe.mr) * recipe.mr)
    nc = min(found.nc, -(-max(case.n, 1) // recipe.nr) * recipe.nr)
    return Blocks(mc, kc, nc, found.stripe)


class _Workspaces:
    """Memory for packing, one set and one state record a thread."""

    def __init__(self, case: Case, recipe: Recipe, blocks: Blocks, form: str) -> None:
        self.parts = parts_of(case, recipe)
        rows = max(1, *(last - first for first, last, _, _ in self.parts))
        columns = max(1, *(last - first for _, _, first, last in self.parts))
        stripe = stripe_of(case, recipe, blocks, rows, columns)
        sizes = workspace_bytes(case.mix, recipe, stripe, blocks.kc, blocks.nc, columns)
        if form != "panels":
            sizes = thin_workspace_bytes(recipe)
        places, total = {}, 0
        for name, size in sizes.items():
            places[name] = total
            total += -(-size // _ALIGN) * _ALIGN + _ALIGN
        self.buffers = [Buffer(total, "huge" if total > 1 << 21 else "default") for _ in self.parts]
        self.states = []
        for buffer, part in zip(self.buffers, self.parts, strict=True):
            state: NDArray[np.int64] = np.zeros(STATE_SLOTS, dtype=np.int64)
            for slot, name in ((State.PACK_A, "a"), (State.PACK_B, "b"), (State.SUMS, "sums"), (State.EDGE, "edge")):
                state[slot] = buffer.address + places[name]
            state[State.STRIPE] = stripe
            self.states.append(_filled(state, case, blocks, part))


def _filled(state: NDArray[np.int64], case: Case, blocks: Blocks, part: tuple[int, int, int, int]) -> NDArray[np.int64]:
    mix = case.mix
    state[State.MC : State.NC + 1] = blocks.mc, blocks.kc, blocks.nc
    state[State.STEP_A : State.STEP_A_K + 1] = (case.stride_a, 1) if case.layout[0] == "n" else (1, case.stride_a)
    state[State.STEP_B : State.STEP_B_K + 1] = (1, case.stride_b) if case.layout[1] == "n" else (case.stride_b, 1)
    for slot, element in (
        (State.TABLE_A, mix.a),
        (State.TABLE_B, mix.b),
        (State.TABLE_SCALE_A, mix.scale_a),
        (State.TABLE_SCALE_B, mix.scale_b),
    ):
        state[slot] = table(element).ctypes.data
    state[State.GROUPS_A], state[State.GROUPS_B] = group_count(case.k, mix.group_a), group_count(case.k, mix.group_b)
    state[State.FIRST_M : State.LAST_N + 1] = part
    return state


def stripe_of(case: Case, recipe: Recipe, blocks: Blocks, rows: int, columns: int) -> int:
    """Rows of A that are packed at once: bounded, so that memory does not grow with the problem; fewer where sums need a workspace."""
    most = blocks.stripe
    if case.mix.c != case.mix.acc:
        most = min(most, max(recipe.mr, _SUMS_BYTES // (4 * columns)))
    return min(-(-rows // recipe.mr), most // recipe.mr) * recipe.mr


def parts_of(case: Case, recipe: Recipe) -> list[tuple[int, int, int, int]]:
    """(first row, last row, first column, last column) of each thread: the longer side is cut, at tiles; fewer parts than threads where
    there are fewer tiles."""
    tiles_m, tiles_n = -(-max(case.m, 1) // recipe.mr), -(-max(case.n, 1) // recipe.nr)
    along_m = tiles_m * recipe.mr >= tiles_n * recipe.nr
    tiles, size, whole = (tiles_m, recipe.mr, case.m) if along_m else (tiles_n, recipe.nr, case.n)
    cuts = [min(whole, tiles * i // case.threads * size) for i in range(case.threads)] + [whole]
    return [(first, last, 0, case.n) if along_m else (0, case.m, first, last) for first, last in pairwise(cuts)]


def _then_epilogue(case: Case, address: int, state: int) -> tuple[int, int, list[object]]:
    """The product, then the pass: one function that calls both, each with its own state."""
    epilogue, kept = separate_epilogue(case)
    record = np.array([address, state, epilogue], dtype=np.int64)
    code = compile_ir(_chain_ir())
    return code.address("both"), int(record.ctypes.data), [kept, record, code]


def _chain_ir() -> str:
    """`both(ptr arguments)`: STATE points to (product, its state, epilogue); the slot holds the product's own state while it runs."""
    lines = ["entry:", ir.slot("%record", Slot.STATE, context="%arguments"), ir.slot("%product", 0, context="%record")]
    lines += [ir.slot("%own", 1, "i64", "%record"), ir.slot("%epilogue", 2, context="%record")]
    lines += [f"  %place = getelementptr i64, ptr %arguments, i64 {int(Slot.STATE)}", "  store i64 %own, ptr %place, align 8"]
    lines += ["  call void %product(ptr %arguments)", "  store ptr %record, ptr %place, align 8", "  call void %epilogue(ptr %arguments)"]
    return ir.function("both", "\n".join([*lines, "  ret void"]), arguments="ptr %arguments")
