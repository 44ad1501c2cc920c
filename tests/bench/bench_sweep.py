"""What a sweep costs beside its measuring: wall time and where it went, the start of its workers, and reading a long run file.

`quick` and `ci` are run as a user runs them, twice and once, with every library that is installed; the shares are those that the run file
ends with. The first `quick` may compile what the later ones find in the cache. Variables that make OpenBLAS, MKL, BLIS and oneDNN run other
code than they would choose are taken out of the environment.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from mmbench.configs.runlog import list_runs
from mmbench.configs.settings import load_settings
from mmbench.configs.sweeplog import SWEEP, Sweep, read_sweep
from row import Row

sys.path.insert(0, str(Path(__file__).parent.parent))  # builders beside the tests
from synthetic_sweep import many_cells, plan, write_sweep

MMBENCH = str(Path(sys.executable).with_name("mmbench"))
OVERRIDES = ("OPENBLAS_", "GOTO_", "MKL_", "BLIS_", "AOCL_", "ONEDNN_", "DNNL_", "NVPL_", "OMP_", "KMP_")
RUNS = (("quick", "60 s"), ("quick", "60 s"), ("ci", "5 min"))
MANY = 10_000


def swept(preset: str, results: Path) -> Sweep:
    """One sweep, stored there."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OVERRIDES)}
    command = [MMBENCH, "--results", str(results), "sweep", "--preset", preset, "--fail-on", "none"]
    subprocess.run(command, check=True, env=kept, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    newest = next(run for run in list_runs(results) if run.kind == SWEEP)
    return read_sweep(newest.path)


def measure() -> Iterator[Row]:
    """Walls and shares of sweeps, then a file of many rows."""
    results = load_settings().results
    for preset, aim in RUNS:
        sweep = swept(preset, results)
        end, kernels = sweep.ends[-1], len(sweep.plan.entrants)
        note = f"{len(sweep.plan.cells)} cells, {kernels} kernels, {len(sweep.rows)} rows"
        yield Row(f"sweep --preset {preset}", f"{end.wall_s:.1f} s", aim, note if end.finished else f"{note}; {end.reason}")
        share = {name: 100 * time_s / end.wall_s for name, time_s in end.parts_s.items()}
        rest = ", ".join(f"{name} {value:.1f} %" for name, value in share.items() if name != "sampling")
        yield Row("  of it sampling", f"{share['sampling']:.1f} %", "85 %", rest)
        starts = sorted(info.start_s for info in sweep.opened if not info.problem)
        yield Row("  start of a worker, slowest and median", f"{starts[-1]:.2f}, {starts[len(starts) // 2]:.2f} s", "1 s")
    yield from many_rows()


def many_rows() -> Iterator[Row]:
    """A file of 10,000 rows, read, summarised and shown by the command itself."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_sweep(Path(folder), plan(many_cells(MANY // 5)), count=30)
        rows = len(read_sweep(path).rows)
        walls = []
        for _ in range(3):
            began = time.perf_counter()
            subprocess.run([MMBENCH, "--results", folder, "show", str(path)], check=True, stdout=subprocess.DEVNULL)
            walls.append(time.perf_counter() - began)
        size = path.stat().st_size / 2**20
        yield Row(f"show a run of {rows} rows", f"{sorted(walls)[1]:.2f} s", "2 s", f"median of three; {size:.0f} MiB")
