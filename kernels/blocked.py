"""The three loops in blocks that fit the caches, packed so that the compiler can vectorise them: what loops alone reach.

Strips of B (kc × width) and rows of A are decoded into the accumulator's type, so one loop serves every data type and layout. The loop
that LLVM vectorises runs along a row of C and adds four products to each sum of two rows: every sum is still made in the order of k, so
nothing need be reassociated; multiplication and addition may fuse ("contract"). Sums stay in memory between steps of k, unlike in
`vectorized`, whose registers hold them; that is what this rung shows. Known flaws: edges are filled up with zeros, so a case of few columns
does work that nobody asked for; and packing B for a single row of A costs more than it gives (`naive` can be faster there).

numba only reads the Python. What it gives, LLVM IR without numba's own optimisation, is kept on disk under a hash of all sources, and
`emit.jit` makes machine code of it: a second worker needs neither numba's import nor its compilation (some 0.5 s each).
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from enum import IntEnum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..configs.cases import Case, Variant
from ..configs.dtypes import ELEMENTS, MIXES
from ..configs.errors import NotPossibleError
from ..configs.facts import Scalar
from .abi import Slot
from .compiled import Elements, memory, numba, state_of
from .crew import crew_of
from .emit import ir as words
from .emit.jit import Code, cache_dir, cached_object, compile_ir, optimized, store_object
from .emit.target import Target
from .host import CacheSize, Host
from .measure.memory import Buffer
from .registry import Prepared, kernel

if TYPE_CHECKING:
    from .operands import Operands

WIDTHS = (16, 32, 64)  # columns of a strip: the least that holds n, else the last
_QUAD = 4  # steps of k in one round of the vectorised loop
_PAIR = 2  # rows of C in one round
_ALIGN = 4096
_LIBM = frozenset({"exp", "expf", "tanh", "tanhf"})  # what the loops may call
_REFERENCE = re.compile(r"^define [^@]*@(NRT_(?:incref|decref))\(.*?^}\n", re.MULTILINE | re.DOTALL)
_NO_SIZE = np.zeros(1, dtype=np.int64)
_LAID = 9  # slots that `compiled.state_of` fills


class State(IntEnum):
    """What a part's state record holds beyond the slots of `compiled.state_of`: workspaces, and the part of C that it makes."""

    LEFT = 9
    PANEL = 10
    SUMS = 11
    FIRST_ROW = 12
    LAST_ROW = 13
    FIRST_COLUMN = 14
    LAST_COLUMN = 15


@dataclass(frozen=True, slots=True)
class Sizes:
    """Rows of C, steps of k and columns of C in one block, and columns of a strip of B."""

    mc: int
    kc: int
    nc: int
    width: int


@kernel("blocked", version=1, source="loop tiling; K. Goto and R. van de Geijn, ACM TOMS 34(3), 2008, for what is packed")
class Blocked:
    """Loops in cache-sized blocks, vectorised by the compiler."""

    name: str
    version: str

    def serves(self, case: Case) -> str:
        """Everything that is defined: gelu and silu are not, in integers."""
        undefined = case.mix.integer and {"gelu", "silu"} & set(case.steps)
        return "gelu and silu have no meaning in 32-bit integers" if undefined else ""

    def prepare(self, case: Case, host: Host) -> Prepared:
        """The loops for the case's types and the host's caches; sizes and layouts are arguments."""
        sizes = loop_sizes(case, host)
        code = loops(case.dtype, case.steps, sizes)
        work = _Workspaces(case, sizes)
        address, state = code.address("gemm"), work.states[0]
        keep: list[object] = [code, work]
        if case.threads > 1:
            crew = crew_of(case.threads, host.cpus)
            address, state = crew.address, crew.record(code.address("part"), work.states)
            keep += [crew, state]

        def bind(_operands: Operands) -> int:
            return int(state.ctypes.data)

        params: dict[str, Scalar] = {"mc": sizes.mc, "kc": sizes.kc, "nc": sizes.nc, "width": sizes.width, "unroll": _QUAD}
        return Prepared(Variant(self.name, self.version, code.target.cpu, params), address, bind, sha=code.sha, keep=keep)


def loop_sizes(case: Case, host: Host) -> Sizes:
    """Block sizes from the caches as measured: mc is even, kc a multiple of 8, nc of the width.

    A strip of B (kc × width) fills half of the first cache, all strips of a block of B (kc × nc) half of the second. mc comes from the last
    cache (half of this core's share, for mc × nc sums), or from the second where there is no third; more rows pack B less often.
    """
    width, bytes_ = next((w for w in WIDTHS if case.n <= w), WIDTHS[-1]), ELEMENTS[case.mix.acc].bits // 8
    first, second, last = host.caches[0], host.caches[min(1, len(host.caches) - 1)], host.caches[-1]
    kc = min(512, max(32, _room(first) // (width * bytes_) // 8 * 8))
    nc = min(4096, max(width, _room(second) // (kc * bytes_) // width * width))
    mc = min(1024, max(64, _room(last) // (nc * bytes_) // _PAIR * _PAIR))
    return Sizes(mc, kc, nc, width)


def _room(cache: CacheSize) -> int:
    """Half of this core's share of a cache, in bytes: the rest is for what streams through."""
    return cache.size_bytes // max(1, cache.shared_by) // 2


def ir_of(case: Case, host: Host) -> str:
    """LLVM IR of the loops for a case, as numba gives it: for no chip, before any pass (`emit.jit.optimized` runs them for a target)."""
    return _ir(case.dtype, case.steps, loop_sizes(case, host))


def wide(target: Target) -> Target:
    """The same chip with its widest vectors allowed: LLVM's models of some Intel cores prefer 256 bits. Source: numba issue 9895."""
    return target.with_features("-prefer-256-bit") if target.arch == "x86_64" else target


@functools.cache
def loops(dtype: str, steps: tuple[str, ...], sizes: Sizes, target: Target | None = None) -> Code:
    """Machine code: `gemm(arguments)` and `part(arguments, state)`; `target` is this chip, perhaps with fewer features."""
    return compile_ir(_ir(dtype, steps, sizes), wide(target or Target.host()), optimize=True)


def _ir(dtype: str, steps: tuple[str, ...], sizes: Sizes) -> str:
    text = kept_ir((dtype, steps, repr(MIXES[dtype])), lambda: _product(Elements.of(MIXES[dtype], steps)))
    values = "".join(f"@mmbench_{f.name} = internal constant i64 {getattr(sizes, f.name)}\n" for f in fields(sizes))
    return text + values


class _Workspaces:
    """Memory for packing, one set and one state record a thread."""

    def __init__(self, case: Case, sizes: Sizes) -> None:
        bytes_ = ELEMENTS[case.mix.acc].bits // 8
        self.buffers: list[Buffer] = []
        self.states: list[NDArray[np.int64]] = []
        for part in parts_of(case):
            rows = min(sizes.mc, -(-max(part[1] - part[0], 1) // _PAIR) * _PAIR)
            strips = -(-max(min(sizes.nc, part[3] - part[2]), 1) // sizes.width)
            needs = (rows * sizes.kc, strips * sizes.kc * sizes.width, strips * sizes.mc * sizes.width)
            steps = [-(-need * bytes_ // _ALIGN) * _ALIGN + 64 * 7 for need in needs]  # not at equal distances modulo 4 KiB
            buffer = Buffer(sum(steps), "huge" if sum(steps) > 1 << 21 else "default")
            state = np.zeros(len(State) + _LAID, dtype=np.int64)
            state[:_LAID] = state_of(case)
            state[State.LEFT : State.SUMS + 1] = [buffer.address + sum(steps[:i]) for i in range(3)]
            state[State.FIRST_ROW : State.LAST_COLUMN + 1] = part
            self.buffers.append(buffer)
            self.states.append(state)


def parts_of(case: Case) -> list[tuple[int, int, int, int]]:
    """(first row, last row, first column, last column) of each thread: the longer side of C is cut, rows at pairs."""
    along_m = case.m >= case.n
    whole, unit = (case.m, _PAIR) if along_m else (case.n, WIDTHS[0])
    units = -(-whole // unit)
    cuts = [min(whole, units * i // case.threads * unit) for i in range(case.threads)] + [whole]
    pairs = itertools.pairwise(cuts)
    return [(first, last, 0, case.n) if along_m else (0, case.m, first, last) for first, last in pairs]


# From here on: Python that numba compiles.


@functools.cache
def _size(name: str) -> Any:
    """`size()`: a field of `Sizes`, a constant for LLVM and none for numba: so one front end's IR serves all sizes."""
    import llvmlite.binding as llvm
    from llvmlite import ir

    types = numba().core.types
    llvm.add_symbol(f"mmbench_{name}", _NO_SIZE.ctypes.data)  # numba links what it compiles, and never calls it

    @numba().extending.intrinsic  # type: ignore[untyped-decorator]
    def size(_context: Any) -> Any:
        def make(_c: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
            symbol = f"mmbench_{name}"
            held = builder.module.globals.get(symbol)
            if held is None:
                held = ir.GlobalVariable(builder.module, ir.IntType(64), symbol)
                held.global_constant = True
            return builder.load(held)

        return types.int64(), make

    return size


@functools.cache
def _access(number: type) -> tuple[Any, Any]:
    """`get(address, index)` and `put(address, index, value)`: workspaces, without checks for negative indices (no vectors with them)."""
    package, unit = numba(), np.dtype(number)
    types, kind = package.core.types, package.from_dtype(unit)

    def place(context: Any, builder: Any, arguments: Any) -> Any:
        start = builder.inttoptr(arguments[0], context.get_value_type(kind).as_pointer())
        return builder.gep(start, [arguments[1]])

    @package.extending.intrinsic  # type: ignore[untyped-decorator]
    def get(_context: Any, _address: Any, _index: Any) -> Any:
        def make(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return builder.load(place(context, builder, arguments), align=unit.itemsize)

        return kind(types.int64, types.int64), make

    @package.extending.intrinsic  # type: ignore[untyped-decorator]
    def put(_context: Any, _address: Any, _index: Any, _value: Any) -> Any:
        def make(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            builder.store(arguments[2], place(context, builder, arguments), align=unit.itemsize)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, kind), make

    return get, put


def _multiplication(number: type) -> Any:
    """sums += left · panel: strips of `width` columns, pairs of rows, four steps of k at a time; the loop over `w` becomes vectors."""
    get, put = _access(number)
    size_mc, size_kc, size_width = _size("mc"), _size("kc"), _size("width")

    def multiply(sums: int, left: int, panel: int, rows: int, steps: int, strips: int) -> None:
        mc, kc, width = size_mc(), size_kc(), size_width()
        for strip in range(strips):
            for i in range(0, rows, 2):
                c = (strip * mc + i) * width
                for p in range(0, steps, 4):
                    at = i * kc + p
                    x0, x1, x2, x3 = get(left, at), get(left, at + 1), get(left, at + 2), get(left, at + 3)
                    y0, y1, y2, y3 = get(left, at + kc), get(left, at + kc + 1), get(left, at + kc + 2), get(left, at + kc + 3)
                    b = (strip * kc + p) * width
                    for w in range(width):
                        b0, b1 = get(panel, b + w), get(panel, b + width + w)
                        b2, b3 = get(panel, b + 2 * width + w), get(panel, b + 3 * width + w)
                        put(sums, c + w, number(get(sums, c + w) + x0 * b0 + x1 * b1 + x2 * b2 + x3 * b3))
                        put(sums, c + width + w, number(get(sums, c + width + w) + y0 * b0 + y1 * b1 + y2 * b2 + y3 * b3))

    return numba().njit(multiply, fastmath={"contract"})


def _filling(number: type) -> Any:
    """Zeros into a workspace: what is not packed over must not count."""
    _, put = _access(number)

    def clear(address: int, first: int, count: int) -> None:
        for x in range(first, first + count):
            put(address, x, number(0))

    return numba().njit(clear)


def _packing_b(types: Elements) -> Any:
    """A block of B as strips [strip][step of k][column], decoded and scaled; read along the direction in which B lies."""
    load, scale, number = types.load_b, types.scale_b, types.number
    _, put = _access(number)
    size_kc, size_width = _size("kc"), _size("width")

    def pack(s: Any, state: Any, b: Any, panel: int, deep: int, steps: int, side: int, columns: int) -> None:
        kc, width, row, column = size_kc(), size_width(), state[2], state[3]
        for strip in range((columns + width - 1) // width):
            first, start = side + strip * width, strip * kc * width
            count = min(width, side + columns - first)
            if column == 1:
                for p in range(steps):
                    for w in range(count):
                        x = load(b, state, (deep + p) * row + (first + w)) * scale(s, state, first + w, deep + p)
                        put(panel, start + p * width + w, number(x))
            else:
                for w in range(count):
                    for p in range(steps):
                        x = load(b, state, (deep + p) * row + (first + w) * column) * scale(s, state, first + w, deep + p)
                        put(panel, start + p * width + w, number(x))

    return numba().njit(pack)


def _packing_a(types: Elements) -> Any:
    """A block of A as rows of kc, decoded and scaled."""
    load, scale, number = types.load_a, types.scale_a, types.number
    _, put = _access(number)
    size_kc = _size("kc")

    def pack(s: Any, state: Any, a: Any, left: int, top: int, rows: int, deep: int, steps: int) -> None:
        kc, row, column = size_kc(), state[0], state[1]
        for i in range(rows):
            for p in range(steps):
                x = load(a, state, (top + i) * row + (deep + p) * column) * scale(s, state, top + i, deep + p)
                put(left, i * kc + p, number(x))

    return numba().njit(pack)


def _product(types: Elements) -> Any:
    """The product of one part: blocks of rows, of columns, of k; pack, multiply, and finish C once all of k has been added."""
    at, number, result = memory(), types.number, types.result
    get, _ = _access(number)
    clear, multiply = _filling(number), _multiplication(number)
    pack_a, pack_b = _packing_a(types), _packing_b(types)
    codes_a, codes_b, codes_c, slots = types.codes_a, types.codes_b, types.codes_c, types.words
    size_mc, size_kc, size_nc, size_width = _size("mc"), _size("kc"), _size("nc"), _size("width")
    list_a, list_b, list_c, k, batch, scalar = (int(x) for x in (Slot.LIST_A, Slot.LIST_B, Slot.LIST_C, Slot.K, Slot.BATCH, Slot.ALPHA))
    work, part = int(State.LEFT), int(State.FIRST_ROW)

    def gemm(arguments: int, own: int) -> None:
        s, state = at(arguments, slots), at(own, slots)
        mc, kc, nc, width = size_mc(), size_kc(), size_nc(), size_width()
        left, panel, sums = state[work], state[work + 1], state[work + 2]
        first_row, last_row, first_column, last_column = state[part], state[part + 1], state[part + 2], state[part + 3]
        alpha = number(s.view(np.float64)[scalar])
        depth = s[k] if alpha != 0 else 0
        for problem in range(s[batch]):
            a = at(at(s[list_a], slots)[problem], codes_a)
            b = at(at(s[list_b], slots)[problem], codes_b)
            c = at(at(s[list_c], slots)[problem], codes_c)
            for top in range(first_row, last_row, mc):
                rows = min(mc, last_row - top)
                for side in range(first_column, last_column, nc):
                    columns = min(nc, last_column - side)
                    strips = (columns + width - 1) // width
                    for strip in range(strips):
                        clear(sums, strip * mc * width, (rows + rows % 2) * width)
                    for deep in range(0, depth, kc):
                        steps = min(kc, depth - deep)
                        for strip in range(strips):
                            clear(panel, strip * kc * width, (steps + 3) // 4 * 4 * width)
                        clear(left, 0, (rows + rows % 2) * kc)
                        pack_b(s, state, b, panel, deep, steps, side, columns)
                        pack_a(s, state, a, left, top, rows, deep, steps)
                        multiply(sums, left, panel, rows, steps, strips)
                    for i in range(rows):
                        for j in range(columns):
                            total = get(sums, (j // width * mc + i) * width + j % width)
                            result(s, state, c, problem, top + i, side + j, alpha * total)

    return gemm


# numba's result as LLVM IR that names no chip, and its cache.

_ENTRY = """
define void @part(ptr %arguments, ptr %state) nounwind {
entry:
  %nothing = alloca ptr
  %problem = alloca ptr
  %s = ptrtoint ptr %arguments to i64
  %own = ptrtoint ptr %state to i64
  %status = call i32 @loops(ptr %nothing, ptr %problem, i64 %s, i64 %own)
  ret void
}
"""


@contextmanager
def _unoptimized() -> Iterator[None]:
    """numba without LLVM's passes: they would choose vectors for this chip, and would run again later."""
    config = numba().core.config
    kept = config.OPT
    config.OPT = type(kept)(0)
    try:
        yield
    finally:
        config.OPT = kept


def front_end(function: Callable[[int, int], None]) -> str:
    """LLVM IR of `function(arguments, state)`: `gemm(ptr arguments)` and `part(ptr arguments, ptr state)`.

    NotPossibleError where a call into numba's own run time is left, which no later process could serve.
    """
    import llvmlite.binding as llvm

    types = numba().core.types
    with _unoptimized():
        signature = types.void(types.int64, types.int64)
        made = numba().njit(signature, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
    (found,) = made.overloads.values()
    module = llvm.parse_assembly(found.library.get_llvm_str())
    for part in [*module.functions, *module.global_variables]:
        if not part.is_declaration:
            part.linkage = "internal"
    main = module.get_function(found.fndesc.llvm_func_name)
    main.name = "loops"
    # All arrays here are views of memory that numba does not own: counting references to it is nothing, and would call numba's run time.
    text = _REFERENCE.sub(r"define internal void @\1(ptr %0) alwaysinline {\n  ret void\n}\n", str(module))
    text = re.sub(r"^(target |source_filename|; ModuleID).*\n", "", text, flags=re.MULTILINE)
    body = ["entry:", words.slot("%state", Slot.STATE, context="%arguments"), "  call void @part(ptr %arguments, ptr %state)", "  ret void"]
    text += _ENTRY + words.function("gemm", "\n".join(body), arguments="ptr %arguments")
    text = re.sub(r"^@mmbench_.*\n", "", text, flags=re.MULTILINE)
    values = "".join(f"@mmbench_{f.name} = internal constant i64 16\n" for f in fields(Sizes))
    called = set(re.findall(r"^declare [^@]*@\"?([\w.]+)", optimized(text + values, Target.host()), re.MULTILINE))
    outside = {name for name in called if not name.startswith("llvm.")} - _LIBM
    if outside:
        raise NotPossibleError(f"numba {version('numba')} leaves calls in this loop that nothing serves: {', '.join(sorted(outside))}")
    return text


@functools.cache
def _sources() -> str:
    """A hash of what the front end's result depends on, apart from the kernel's own choices."""
    folder = Path(__file__).parent
    parts = [(folder / name).read_bytes() for name in ("blocked.py", "compiled.py", "abi.py", "fills.py", "emit/ir.py")]
    parts += [version(package).encode() for package in ("numba", "llvmlite", "numpy")]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def kept_ir(key: tuple[object, ...], make: Callable[[], Callable[[int, int], None]]) -> str:
    """The IR of the function that `make` builds, from disk where the same was built before; `key` says what `make` depends on."""
    path = cache_dir() / f"{hashlib.sha256(repr((_sources(), key)).encode()).hexdigest()}.ll"
    kept = cached_object(path)
    if kept is None:
        kept = front_end(make()).encode()
        store_object(path, kept)
    return kept.decode()
