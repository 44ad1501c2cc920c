"""Run real gates on this machine: of a library against itself, and against itself slower by 3 %. Each is a command of its own.

The two sides are shims in front of one OpenBLAS (`gate_shim.c`, built here by gcc): both hand every product on, and that of a slower side
then runs the clock on by 3 % of the time that the call took. GATES of each kind, turn about, each with its own seed, on two shapes, with
the controls that every gate has. What is asked: how many gates of unchanged code fail, how many cells slower by 3 % are found, how long a
gate takes. `MMBENCH_BENCH_GATES=5 make bench BENCH=gate_real` runs fewer. Idle machines only: nothing else must run beside.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmbench.kernels.gate.controls import clopper_pearson
from mmbench.kernels.plan import find_entrants
from row import Row

GATES = int(os.environ.get("MMBENCH_BENCH_GATES", "20"))
SHAPES, DTYPES, SHARE = "96,256", "f32", 0.03
_SYSTEM = "openblas@debian"  # spells its functions as the shim does


def built(folder: Path, share: float) -> Path:
    """A shim that takes so much longer."""
    found = find_entrants((_SYSTEM,))[0][0].path
    path = folder / f"libopenblas-shim-{share:g}.so"
    defines = [f'-DREAL="{found}"', "-DPREFIX=", "-DSUFFIX=", f"-DSHARE={share:g}"]
    source = Path(__file__).with_name("gate_shim.c")
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", *defines, "-o", str(path), str(source), "-ldl"], check=True)
    return path


def gate(old: Path, new: Path, seed: int, results: Path) -> dict[str, Any]:
    """One gate, as a user runs it: its document, its exit code and its seconds."""
    words = ["sweep", "--against", f"lib:openblas={old}", "--library", f"openblas={new}", "--shapes", SHAPES, "--dtypes", DTYPES]
    command = [sys.executable, "-m", "mmbench", *words, "--seed", str(seed), "--no-probe", "--json", "--results", str(results)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    found: dict[str, Any] = json.loads(done.stdout)
    return found | {"exit": done.returncode, "took_s": time.monotonic() - began}


def measure() -> Iterator[Row]:
    """Gates of both kinds, turn about; then what they said."""
    kept = os.environ.get("MMBENCH_BENCH_RESULTS")
    with tempfile.TemporaryDirectory() as temporary:
        folder, results = Path(temporary), Path(kept or temporary)
        plain, slow = built(folder, 0.0), built(folder, SHARE)
        same, slower = [], []
        for number in range(GATES):
            same.append(gate(plain, plain.with_name(plain.name), 2 * number, results))
            slower.append(gate(plain, slow, 2 * number + 1, results))
            said = ", ".join(f"{document['outcome']} {document['exit']}" for document in (same[-1], slower[-1]))
            print(f"    {number + 1}: {said}", file=sys.stderr)
    failed = sum(document["exit"] != 0 for document in same)
    yield _row("gates of unchanged code that failed", failed, len(same), "1 %")
    rows = [row for document in slower for row in document["rows"]]
    yield _row("cells slower by 3 % that were found", sum(row["verdict"] == "regression" for row in rows), len(rows), "95 %")
    yield _row("gates with a cell slower by 3 % that failed", sum(document["exit"] == 1 for document in slower), len(slower), "")
    every = [*same, *slower]
    controls = [document["controls"] for document in every]
    differ, held = sum(len(c["same_hits"]) for c in controls), sum(c["same"] for c in controls)
    yield _row("controls: old side against its copy, differs", differ, held, "")
    planted = sum(c["planted"] for c in controls)
    yield _row("controls: planted cells that were found", sum(c["planted_found"] for c in controls), planted, "95 %")
    yield _row("untrusted gates", sum(bool(c["untrusted"]) for c in controls), len(every), "")
    took = sorted(document["took_s"] for document in every)
    changes = [100 * row["change"] for row in rows if row["change"] is not None]
    yield Row("time of a gate", f"{statistics.median(took):.0f} s", "", f"{took[0]:.0f} to {took[-1]:.0f} s")
    yield Row("slowdown as estimated", f"{statistics.median(changes):.2f} %", "3 %", f"{min(changes):.2f} to {max(changes):.2f} %")
    noise = [100 * row["noise"] for document in every for row in document["rows"] if row["noise"] is not None]
    dropped = statistics.mean(document["discarded"] for document in every)
    note = f"{min(noise):.2f} to {max(noise):.2f} %; {100 * dropped:.1f} % dropped"
    yield Row("noise of a block", f"{statistics.median(noise):.2f} %", "", note)


def _row(what: str, hits: int, count: int, aim: str) -> Row:
    low, high = clopper_pearson(hits, count)
    return Row(what, f"{hits} of {count}", aim, f"{100 * low:.2g} to {100 * high:.3g} % (95 %)")
