"""How near the generated kernel comes to the peak of its own core, and that no data type of it is slower than the three loops.

The peak is the fused multiply-add loop of the same type in the same process, in turns of some milliseconds with the product: both see the
same clock and the same neighbours. The share is the median of operations a cycle of one over that of the other.

Against the three loops every type is measured small, large, and as one row of A by a large B (as language models decode), for this chip
and, where it has AVX-512, for the same chip without: what a machine with AVX2 alone would run.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from mmbench.configs.cases import Case
from mmbench.configs.dtypes import MIXES
from mmbench.configs.machine import Machine
from mmbench.kernels import abi
from mmbench.kernels.emit.instruction import links_of
from mmbench.kernels.emit.isa.registry import units_of
from mmbench.kernels.emit.isa.trial import Trial, timing_bench
from mmbench.kernels.emit.target import Target, host_arch
from mmbench.kernels.host import Host
from mmbench.kernels.measure.affinity import allowed_cpus, pin
from mmbench.kernels.operands import Operands
from mmbench.kernels.registry import own_kernel
from mmbench.kernels.turns import MachineTurns
from mmbench.kernels.verify import bind, verify
from row import Row

SIZES = (1024, 1536, 2048, 4096)
ROUNDS = 12
SHAPES = (("128³", Case(128, 128, 128)), ("512³", Case(512, 512, 512)), ("1x2048x2048:nt", Case(1, 2048, 2048, layout="nt")))


def peaks(dtype: str) -> list[tuple[str, MachineTurns, float]]:
    """Every FMA loop of a type that this machine runs: its name, its turns, and operations a unit of work."""
    found = []
    for unit in units_of(host_arch()):
        rows = [(i, row) for i, row in enumerate(unit.instructions) if row.op == "fma" and row.dtype == dtype and row.width_bits >= 128]
        if not rows:
            continue
        trial = Trial.of(unit)
        if not all(proof.right for proof in trial.prove().values()):
            continue
        for index, row in rows:
            kernel = timing_bench(row, trial.vscale).kernel(trial.code.address(f"rate_{index}"), trial.code)
            found.append((f"{unit.name} {row.name}", MachineTurns(kernel), links_of(row, "throughput") * row.ops_each(trial.vscale)))
    return found


def turns_of(name: str, case: Case, host: Host, **choices: Any) -> MachineTurns:
    """One of our kernels on a case, proven on these operands; `choices` are what `vectorized` may be given besides."""
    kernel: Any = own_kernel(name)
    prepared = kernel.prepare(case, host, **choices)
    operands = Operands(case, timing=True)
    check = verify(prepared, operands)
    if not check.passed:
        raise SystemExit(f"{name} is wrong on {case.name}: {check.failed} {check.where}")
    bind(prepared, operands)
    return MachineTurns(abi.timed(prepared.address, [operands.block], (prepared, operands)))


def cycles(turns: MachineTurns) -> list[float]:
    """Cycles a call of one turn."""
    turn = turns.take(0.02)
    return [s * hz / n for s, hz, n in zip(turn.time_s, turn.clock_hz, turn.calls, strict=True) if hz > 0]


def share_of_peak(case: Case, host: Host) -> tuple[float, float, str]:
    """(share, op/cycle of the product, the peak's name): medians of turns in one run."""
    best = max(peaks(case.dtype), key=lambda p: p[2] / statistics.median(cycles(p[1])))
    product = turns_of("vectorized", case, host)
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours += [case.operations / c for c in cycles(product)]
        theirs += [best[2] / c for c in cycles(best[1])]
    return statistics.median(ours) / statistics.median(theirs), statistics.median(ours), best[0]


def measure() -> Iterator[Row]:
    """Shares of the peak for f32 and f64, then every type against naive."""
    pin(allowed_cpus()[-1])
    host = Host.of(_machine(), allowed_cpus())
    for dtype in ("f32", "f64"):
        for size in SIZES:
            share, rate, peak = share_of_peak(Case(size, size, size, dtype=dtype), host)
            yield Row(f"{dtype} {size}³, share of the FMA peak", f"{100 * share:.1f} %", "90 %", f"{rate:.1f} op/cycle; {peak}")
    yield from against_naive(host)


def targets() -> list[tuple[str, Target]]:
    """This chip, and the same one without AVX-512 where it has that."""
    here = Target.host()
    if "+avx512f" not in here.features:
        return [("this chip", here)]
    return [("this chip", here), ("AVX2", here.with_features("-avx512f", "-evex512"))]


def against_naive(host: Host) -> Iterator[Row]:
    """How many times as fast as the three loops, a line for each type and chip; the loops are measured once."""
    slowest: dict[str, tuple[float, str]] = {}
    for dtype in MIXES:
        found: dict[str, list[str]] = {}
        for shape, plain in SHAPES:
            case = replace(plain, dtype=dtype, layout="nt" if MIXES[dtype].packed else plain.layout)
            loops = statistics.median(cycles(turns_of("naive", case, host)))
            for chip, target in targets():
                times = loops / statistics.median(cycles(turns_of("vectorized", case, host, target=target)))
                found.setdefault(chip, []).append(f"{shape} {times:.1f} ×")
                slowest[chip] = min(slowest.get(chip, (times, "")), (times, f"{dtype} {shape}"))
        for chip, each in found.items():
            yield Row(f"{dtype}, vectorized against naive, {chip}", each[0].split()[1] + " ×", "1 ×", ", ".join(each[1:]))
    for chip, (times, where) in slowest.items():
        yield Row(f"vectorized against naive, {chip}, the least of all", f"{times:.1f} ×", "1 ×", where)


def _machine() -> Machine | None:
    """The stored machine that was probed last, for its measured caches; None where there is none."""
    from mmbench.configs.errors import MmbenchError
    from mmbench.configs.settings import load_settings
    from mmbench.configs.store import find_machine, load_machine

    try:
        return load_machine(find_machine(load_settings().results, ""))
    except MmbenchError:
        return None
