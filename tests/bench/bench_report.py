"""How long a report takes, how large it is, and how much memory it needs: two machines with a full grid, then two hundred runs.

The grids are synthetic, and as large as the aims name: 5,000 rows on two machines, 100,000 rows in 200 runs. Time and memory are those of
the whole command, start-up included.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from row import Row

sys.path.insert(0, str(Path(__file__).parent.parent))  # builders beside the tests
from report_evidence import grid, write_machines
from synthetic_sweep import RUN, plan, write_sweep

MMBENCH = str(Path(sys.executable).with_name("mmbench"))
CELLS, RUNS, ROWS_OF_A_RUN = 520, 200, 500


def made(results: Path, output: Path) -> tuple[float, float]:
    """(seconds, MiB at the most) of `mmbench report`."""
    began = time.perf_counter()
    process = subprocess.Popen([MMBENCH, "--results", str(results), "report", "-o", str(output)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"mmbench report ended with {status}")
    return time.perf_counter() - began, _mebibytes(usage)


def _mebibytes(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def measure() -> Iterator[Row]:
    """Both, and the smaller one again with half of the cells, to see how it grows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for cells in (CELLS // 2, CELLS):
            results = folder / f"two-{cells}"
            write_machines(results, cells, 30)
            rows = sum(text.count('"event":"row"') for text in (p.read_text() for p in results.glob("*/runs/*.jsonl")))
            time_s, memory = made(results, folder / "page.html")
            size = (folder / "page.html").stat().st_size / 1e6
            aims = ("15 s", "3 MB") if cells == CELLS else ("", "")
            yield Row(f"report of 2 machines, {rows} rows", f"{time_s:.1f} s", aims[0], f"{memory:.0f} MiB at the most")
            yield Row("  the page", f"{size:.2f} MB", aims[1])
        yield from many_runs(folder / "many", folder / "page.html")


def many_runs(results: Path, output: Path) -> Iterator[Row]:
    """Two hundred runs of one machine, no two of the same cells, and half of them before."""
    per_run = ROWS_OF_A_RUN // 5
    cells = grid(RUNS * per_run, seed=3)
    rows = 0
    for number in range(RUNS):
        run = replace(RUN, id=f"{number:08x}", started_at=f"2026-11-24T{number // 60:02d}:{number % 60:02d}:00Z")
        path = write_sweep(results, plan(cells[number * per_run : (number + 1) * per_run]), run=run, count=30)
        rows += path.read_text().count('"event":"row"')
        if number + 1 in (RUNS // 2, RUNS):
            time_s, memory = made(results, output)
            aims = ("60 s", "1024 MiB") if number + 1 == RUNS else ("", "")
            yield Row(f"report of {number + 1} runs, {rows} rows", f"{time_s:.1f} s", aims[0])
            yield Row("  memory at the most", f"{memory:.0f} MiB", aims[1], f"{output.stat().st_size / 1e6:.2f} MB")
