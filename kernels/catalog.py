"""List every piece of code that can be emitted, by name and for any target: what `mmbench emit` prints."""

from __future__ import annotations

from collections.abc import Callable

from ..configs.dtypes import MIXES
from ..configs.errors import NotPossibleError
from .emit import ir
from .emit.instruction import unit_ir
from .emit.isa.registry import all_units, units_of
from .emit.jit import assembly, optimized
from .emit.loads import fma_loop_ir, multiply_chain_ir
from .emit.streams import STREAMS, Stream, chase_ir, is_scalable, stream_ir, widest_vector_bytes
from .emit.target import Target
from .measure.stopwatch import stopwatch_ir
from .measure.team import team_ir
from .measure.timer import read_many_ir, row_for
from .measure.trap import can_trap, run_trapping
from .vectorized import emit_ir

Emitter = Callable[[Target], str]
_EMIT_S = 60.0  # a module of many instructions takes LLVM some tenths of a second


def _stream(stream: Stream) -> Emitter:
    # As `streaming.widest_here` chooses, save for SVE: only a running chip tells whether it is longer than NEON.
    return lambda target: stream_ir(stream, target, widest_vector_bytes(target), scalable=target.arch == "riscv64" and is_scalable(target))


def _load(width_bits: int) -> Emitter:
    def emitted(target: Target) -> str:
        widest = 8 * widest_vector_bytes(target)
        if width_bits > widest:  # LLVM would run out of registers, and end the process
            raise NotPossibleError(f"{target.name} has no vectors of {width_bits} bits", f"its widest fixed ones have {widest}")
        return fma_loop_ir(target, width_bits)

    return emitted


_LOOPS: dict[str, tuple[str, Emitter]] = {
    "clock-chain": ("dependent additions: the core clock", lambda target: ir.chain_loop(target.arch)),
    "multiply-chain": ("dependent multiplications: confirms the clock", multiply_chain_ir),
    "timer": ("reads of the timer, fenced", lambda target: read_many_ir(row_for(target))),
    "stopwatch": ("what times every kernel", stopwatch_ir),
    "team": ("several threads over one window", team_ir),
    "chase": ("a pointer chase: latency", lambda _target: chase_ir()),
    **{f"stream-{s.name}": (f"memory stream: {s.name}, widest vectors", _stream(s)) for s in STREAMS},
    **{f"fma-{w}": (f"fused multiply-adds, {w} bit: the load for the clock", _load(w)) for w in (128, 256, 512)},
}


def catalog() -> dict[str, str]:
    """Name to what it does; `unit-NAME` holds all instructions of one vector or matrix unit."""
    units = {f"unit-{u.name}": f"throughput, latency and check of {u.name} ({u.arch})" for u in all_units()}
    loops = {name: summary for name, (summary, _) in _LOOPS.items()}
    return loops | {f"gemm-{m.name}": f"the generated product: {m.summary}" for m in MIXES.values()} | units


def emit(name: str, target: Target) -> tuple[str, str]:
    """(LLVM IR, assembly) of the named code; NotPossibleError when the target has no such unit, or no vectors of that width."""
    if name.startswith("unit-"):
        rows = [u for u in units_of(target.arch) if f"unit-{u.name}" == name]
        if not rows:
            raise NotPossibleError(f"{target.name} ({target.arch}) has no unit '{name.removeprefix('unit-')}'", "see `mmbench list isas`")
        text = unit_ir(rows[0], target)
    elif name.startswith("gemm-"):
        text = _in_child(name, lambda: optimized(emit_ir(name.removeprefix("gemm-"), target), target), target)
    else:
        text = _LOOPS[name][1](target)
    return text, _assembly(name, text, target)


def _assembly(name: str, text: str, target: Target) -> str:
    return _in_child(name, lambda: assembly(text, target), target)


def _in_child(name: str, make: Callable[[], str], target: Target) -> str:
    """What `make` returns, for another chip made in a child: LLVM ends the process over code that it cannot generate."""
    if target.is_host or not can_trap():
        return make()
    ended = run_trapping(make, _EMIT_S)
    if not ended.ok:
        raise NotPossibleError(f"LLVM makes no code of '{name}' for {target.name}: {ended.reason}", "see `mmbench list targets` for others")
    return str(ended.value)
