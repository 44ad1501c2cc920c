"""Build a sweep with known answers: cells of several types, kernels that serve, refuse, fail and differ, and its run file."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmbench.configs.cases import Case, Check, Measurement, Samples, Status, Variant
from mmbench.configs.kernel_names import is_unfused
from mmbench.configs.machine import Conditions
from mmbench.configs.plan import Cell, Entrant, Opened, Skip, SweepEnd, SweepPlan
from mmbench.configs.runs import RUN_SCHEMA, Run
from mmbench.configs.store import RunWriter
from mmbench.configs.sweeplog import Missing

RUN = Run(
    RUN_SCHEMA, "5a3e", "sweep", "synthetic-16c-000000", "2026-11-24T16:40:11Z", {"preset": "quick"}, 7, {"mmbench": "0.1.0", "llvm": "22"}
)
ENTRANTS = (
    Entrant("naive", "own", "1", "the three loops"),
    Entrant("vectorized", "own", "3", "packed panels and a generated micro-kernel"),
    Entrant("openblas@debian", "library", "1", "OpenBLAS", "/usr/lib/libopenblas.so.0", "0.3.29"),
    Entrant("onednn@onednn", "library", "1", "oneDNN", "/opt/lib/libdnnl.so.3", "2026.1"),
    Entrant("onednn-unfused@onednn", "library", "1", "oneDNN", "/opt/lib/libdnnl.so.3", "2026.1"),
    Entrant("mkl@mkl", "library", "2", "oneMKL", "/opt/lib/libmkl_rt.so.3", "2026.2"),
)
OPENED = (
    Opened("naive", "1", start_s=0.4),
    Opened("vectorized", "3", start_s=0.6),
    Opened("openblas@debian", "0.3.29", "SkylakeX", "pthreads", ("libopenblas.so.0",), 35 << 20, ("OPENBLAS_CORETYPE=SkylakeX",), (), 0.5),
    Opened("onednn@onednn", "3.13", "avx512_core_bf16", "libiomp5", ("libdnnl.so.3",), 88 << 20, start_s=0.8),
    Opened("onednn-unfused@onednn", "3.13", "avx512_core_bf16", "libiomp5", ("libdnnl.so.3",), 88 << 20, start_s=0.8),
    Opened("mkl@mkl", problem="libmkl_rt.so.3 is for AArch64, this is x86_64"),
)
ABSENT = (
    Missing("blis", "BLIS", "not installed", "pip install blis"),
    Missing("armpl", "Arm Performance Libraries", "exists for AArch64 only", ""),
)
CELLS = (
    Cell(Case(128, 768, 768), "BERT-base attention output, 128 tokens"),
    Cell(Case(1, 6144, 4096), "Llama-3-8B QKV, 1 token"),
    Cell(Case(1021, 1021, 1021), "prime cube"),
    Cell(Case(384, 384, 64, batch=12, layout="nt"), "BERT-base QK^T, 384 tokens"),
    Cell(Case(128, 3072, 768, epilogue="bias+gelu"), "BERT-base ffn up, 128 tokens"),
    Cell(Case(1024, 1024, 1024, threads=2), "cube"),
    Cell(Case(512, 512, 512, dtype="f64"), "cube"),
    Cell(Case(7, 9, 5, dtype="s8", layout="nt"), "tails"),
    Cell(Case(256, 256, 256, dtype="s8", temperature="cold"), "cube"),
)
# kernel -> op/s, or the status and reason of its rows
SPEED = {"naive": 1.5e9, "vectorized": 90e9, "openblas@debian": 88e9, "onednn@onednn": 80e9, "onednn-unfused@onednn": 60e9}


@dataclass(frozen=True)
class Party:
    """Who takes part in a sweep, who is absent, and what each gives: `speed` in op/s by kernel, `isa` by data type ("" for the others).

    `slower` is how many times as long as by `speed` a product of a data type takes; `declined` are data types that a kernel does not have.
    """

    entrants: tuple[Entrant, ...]
    opened: tuple[Opened, ...]
    absent: tuple[Missing, ...]
    speed: dict[str, float]
    isa: dict[str, str]
    slower: dict[str, float]
    declined: dict[str, tuple[str, ...]]
    clock_hz: float = 4.1e9


X86 = Party(ENTRANTS, OPENED, ABSENT, SPEED, {"": "avx512f"}, {"s8": 0.6}, {"openblas@debian": ("s8",)})


def samples(time_s: float, count: int = 30, seed: int = 1, spread: float = 0.004, clock_hz: float = 4.1e9) -> Samples:
    """`count` samples around `time_s`, the fifth of them disturbed."""
    noise = random.Random(seed)
    calls = max(1, round(5e-5 / time_s))
    times = tuple(time_s * calls * (1 + spread * noise.random()) * (3 if i == 4 else 1) for i in range(count))
    marks = tuple("switched" if i == 4 else "" for i in range(count))
    return Samples((calls,) * count, times, (clock_hz,) * count, tuple(round(0.01 * i, 6) for i in range(count)), marks)


def row(cell: Cell, kernel: str, number: int = 0, count: int = 30, party: Party = X86) -> Measurement:
    """The answer of a kernel in a cell."""
    case = cell.case
    isa = party.isa.get(case.dtype) or party.isa.get("", "")
    variant = Variant(kernel, "3" if kernel == "vectorized" else "1", isa, {"tile": "14x32"} if kernel == "vectorized" else {})
    if kernel == "mkl@mkl":
        return Measurement(case, variant, Status.CRASHED, cell.origin, "libmkl_rt.so.3 is for AArch64, this is x86_64")
    if kernel == "onednn@onednn" and case.dtype == "s8":
        check = Check(False, 31131, 0, "whole numbers", "exact", ("integers",), "full range", "row 3, column 2: 511 for 638", "saturation")
        return Measurement(case, variant, Status.WRONG, cell.origin, "full range: row 3, column 2: 511 for 638: saturation", check=check)
    if case.dtype in party.declined.get(kernel, ()):
        title = next((e.title for e in party.entrants if e.kernel == kernel), kernel)
        what = "bytes" if case.dtype == "s8" else case.dtype
        return Measurement(case, variant, Status.SKIPPED, cell.origin, f"{title} has no product of {what}")
    check = Check(True, 1.2, 40.0, "ulp", "f64", ("integers", "normal", "tails"), bitwise="yes")
    if case.threads > 1:
        check = replace(check, threads_bitwise="yes" if kernel == "vectorized" else "no")
    time_s = case.operations / party.speed[kernel] / case.threads * party.slower.get(case.dtype, 1.0) + 2e-7
    taken = samples(time_s, count, number, 0.09 if kernel == "naive" else 0.004, party.clock_hz)
    status, reason = (Status.NOISY, "known to ±4.5 %, asked for ±2 %") if kernel == "naive" else (Status.OK, "")
    return Measurement(case, variant, status, cell.origin, reason, taken, check, 0.012, "0a1b2c3d", ())


def plan(cells: Sequence[Cell] = CELLS, entrants: Sequence[Entrant] = ENTRANTS) -> SweepPlan:
    """A plan over these cells, in which naive is kept from what would take too long and oneDNN-unfused from cells without epilogue."""
    slow = tuple(i for i, cell in enumerate(cells) if cell.case.operations > 1e9)
    plain = tuple(i for i, cell in enumerate(cells) if not cell.case.epilogue)
    twins = [Skip(e.kernel, "the case has no epilogue", plain) for e in entrants if is_unfused(e.kernel)]
    skips = (Skip("naive", "a call would take longer than 50 ms", slow), *twins)
    return SweepPlan(tuple(cells), tuple(entrants), skips, "quick", 7, time_budget_s=50.0, estimate_s=44.0)


def rows_of(a_plan: SweepPlan, count: int = 30, party: Party = X86) -> list[Measurement]:
    """Every row that the plan leads to, cell by cell."""
    skipped = {(i, skip.kernel) for skip in a_plan.skips for i in skip.cells}
    pairs = [(i, cell, e.kernel) for i, cell in enumerate(a_plan.cells) for e in a_plan.entrants if (i, e.kernel) not in skipped]
    return [row(cell, kernel, number, count, party) for number, (_, cell, kernel) in enumerate(pairs)]


def write_sweep(
    results: Path, a_plan: SweepPlan | None = None, *, end: bool = True, count: int = 30, run: Run = RUN, party: Party = X86
) -> Path:
    """A run file with all of it."""
    a_plan = a_plan or plan(entrants=party.entrants)
    with RunWriter(results).open(run) as writer:
        writer.append("plan", a_plan)
        writer.append("absent", party.absent)
        for info in party.opened:
            writer.append("opened", info)
        for each in rows_of(a_plan, count, party):
            writer.append("row", each)
        if end:
            parts_s = {"starting": 2.0, "proving": 4.0, "sampling": 40.0, "finishing": 1.5, "other": 0.5}
            writer.append("end", SweepEnd(True, 48.0, parts_s))
            writer.append("conditions", Conditions())
    return writer.path


def many_cells(count: int) -> tuple[Cell, ...]:
    """So many different cells, of four types and three origins."""
    types, origins = ("f32", "f64", "bf16", "s8"), ("BERT-base ffn up", "Llama-3-8B QKV", "prime cube")
    return tuple(Cell(Case(8 + i, 64 + i % 7, 32 + i % 5, dtype=types[i % 4]), origins[i % 3]) for i in range(count))
