"""How long a person waits for words: `mmbench --help` beside an empty Python.

Wall time of whole processes. The commands take turns, so that a busy spell of the machine falls on all of them alike; the figure is
the median, with the quartiles as its note. The empty process is `python -I -c pass`.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from row import Row

ROUNDS = 20
MMBENCH = str(Path(sys.executable).with_name("mmbench"))
COMMANDS = {
    "python -c pass": [sys.executable, "-I", "-c", "pass"],
    "mmbench --help": [MMBENCH, "--help"],
    "mmbench --version": [MMBENCH, "--version"],
}


def wall_s(command: list[str], folder: str) -> float:
    """Seconds from start to end of one process. CalledProcessError where it fails."""
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def measure() -> Iterator[Row]:
    """One row a command, in milliseconds."""
    times_s: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(ROUNDS + 1):
            for name, command in COMMANDS.items():
                seconds = wall_s(command, folder)
                if turn:  # the first one reads from disk
                    times_s[name].append(seconds)
    for name, seen in times_s.items():
        low, middle, high = (1e3 * q for q in statistics.quantiles(seen, n=4))
        yield Row(
            name, f"{middle:.0f} ms", "150 ms" if name == "mmbench --help" else "", f"quartiles {low:.0f} to {high:.0f}, n = {ROUNDS}"
        )
