"""A history whose answers are known: sweeps of one machine day by day, with drift that all kernels share and steps planted in some."""

from __future__ import annotations

import datetime
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mmbench.configs.cases import Case, Measurement
from mmbench.configs.plan import Cell, Entrant, Opened, SweepPlan
from mmbench.configs.runs import RUN_SCHEMA, Run
from mmbench.configs.store import RunWriter
from synthetic_sweep import row, samples

MACHINE = "synthetic-history-000000"
KERNELS = ("naive", "vectorized", "openblas@debian")
GRID = tuple(Cell(Case(64 + 16 * i, 64, 64, dtype="f64" if i % 2 else "f32"), "cube") for i in range(4))
Time = Callable[[int, str, int], float]  # (day, kernel, cell) to a factor on the usual time


def entrant(kernel: str, package: str = "0.3.29") -> Entrant:
    own = "@" not in kernel
    return Entrant(kernel, "own" if own else "library", "1", kernel, "" if own else "/usr/lib/libopenblas.so.0", "" if own else package)


def answer(cell: Cell, kernel: str, factor: float, sha: str = "0a1b2c3d") -> Measurement:
    """The usual answer, so many times slower."""
    made = row(cell, kernel)
    usual_s = cell.case.operations / {"naive": 1.5e9, "vectorized": 90e9, "openblas@debian": 80e9}[kernel]
    return replace(made, samples=samples(usual_s * factor, 8, spread=0.0), code_sha=sha)


def write_day(
    results: Path,
    day: int,
    time: Time,
    *,
    machine: str = MACHINE,
    versions: Mapping[str, str] = {},
    kernels: Sequence[str] = KERNELS,
    grid: Sequence[Cell] = GRID,
    package: str = "0.3.29",
    sha: Mapping[str, str] = {},
    run_id: str = "",
) -> Path:
    """One sweep, `day` days after the first of September 2026."""
    at = datetime.datetime(2026, 9, 1, 12) + datetime.timedelta(days=day)
    known = {"mmbench": "0.1.0", "numpy": "2.4.0", "commit": f"{day:02d}" + "ab" * 19, **versions}
    run = Run(RUN_SCHEMA, run_id or f"d{day:03}", "sweep", machine, at.strftime("%Y-%m-%dT%H:%M:%SZ"), versions=known)
    with RunWriter(results).open(run) as writer:
        writer.append("plan", SweepPlan(tuple(grid), tuple(entrant(k, package) for k in kernels)))
        for kernel in kernels:
            writer.append("opened", Opened(kernel, package if "@" in kernel else "1"))
            for i, cell in enumerate(grid):
                writer.append("row", answer(cell, kernel, time(day, kernel, i), sha.get(kernel, "0a1b2c3d")))
    return writer.path


def course(*, noise: float = 0.01, drift: float = 0.03, step: float = 0.05, at: int = 18, cell: int = 1, seed: int = 1) -> Time:
    """Every day its own drift for the whole machine, noise for each time, and a step in openblas in one cell."""

    def time(day: int, kernel: str, place: int) -> float:
        machine = random.Random(f"{seed} {day}").gauss(0, drift)
        mine = random.Random(f"{seed} {day} {kernel} {place}").gauss(0, noise)
        planted = math.log1p(step) if kernel.startswith("openblas") and place == cell and day >= at else 0.0
        return math.exp(machine + mine + planted)

    return time


def write_history(results: Path, days: int = 30, time: Time | None = None) -> None:
    """So many days; openblas gets another package on the day of its step."""
    for day in range(days):
        write_day(results, day, time or course(), package="0.3.30" if day >= 18 else "0.3.29")
