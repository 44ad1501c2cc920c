"""What a probe costs, and whether two in a row agree.

For `--quick` and for the default: wall time of the whole process; peak resident memory of the largest single process (from the
kernel's own accounting of the process and all it waited for) and of all of them together (sampled five times a second, shared pages
counted once a process, so an upper bound); then the share of measured facts whose intervals overlap in two runs, one after the other.
Facts without an interval are counted apart: they cannot be held against themselves.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from mmbench.configs.facts import Fact, How
from mmbench.configs.machine import Machine
from mmbench.configs.store import load_machine
from mmbench.reports.facts import machine_facts
from row import Row

MMBENCH = str(Path(sys.executable).with_name("mmbench"))
EFFORTS = {"--quick": (["--quick"], "15 s"), "default": ([], "60 s")}
WORST = 12  # facts named where runs disagree


@dataclass(frozen=True, slots=True)
class Outcome:
    """One probe as seen from outside."""

    machine: Machine
    wall_s: float
    largest_bytes: int
    together_bytes: int


def resident_bytes(process: psutil.Process) -> int:
    """Resident memory of a process and everything below it; a process that ended meanwhile counts nothing."""
    total = 0
    with suppress(psutil.Error):
        for one in [process, *process.children(recursive=True)]:
            with suppress(psutil.Error):
                total += one.memory_info().rss
    return total


def probe(words: list[str], results: Path) -> Outcome:
    """Run `mmbench probe` once. RuntimeError where it fails or stores nothing."""
    peak, ended = [0], threading.Event()
    start = time.perf_counter()
    child = subprocess.Popen([MMBENCH, "--results", str(results), "probe", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def watch() -> None:
        tree = psutil.Process(child.pid)
        while not ended.wait(0.2):
            peak[0] = max(peak[0], resident_bytes(tree))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    _, status, usage = os.wait4(child.pid, 0)
    wall_s = time.perf_counter() - start
    ended.set()
    watcher.join()
    child.returncode = os.waitstatus_to_exitcode(status)
    stored = list(results.glob("*/machine.json"))
    if child.returncode or len(stored) != 1:
        raise RuntimeError(f"mmbench probe {' '.join(words)} exited {child.returncode} and left {len(stored)} machine files")
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2) counts bytes there, KiB elsewhere
    return Outcome(load_machine(stored[0]), wall_s, usage.ru_maxrss * unit, peak[0])


def comparable(machine: Machine) -> dict[str, Fact[str] | Fact[int] | Fact[float] | Fact[bool]]:
    """The numbers that were found here, by path; claims of the system and the conditions of the moment are not among them."""
    return {
        path: fact
        for path, fact in machine_facts(machine)
        if fact.how in (How.MEASURED, How.DERIVED) and not path.startswith("conditions") and isinstance(fact.value, (int, float))
    }


def agreement(first: Machine, second: Machine) -> tuple[int, list[str], int]:
    """(facts whose intervals overlap, the facts whose intervals do not, facts without an interval) among those both runs have."""
    one, two = comparable(first), comparable(second)
    overlapping, apart, bare = 0, [], 0
    for path in one.keys() & two.keys():
        a, b = one[path], two[path]
        if a.low is None or a.high is None or b.low is None or b.high is None:
            bare += 1
        elif a.low <= b.high and b.low <= a.high:
            overlapping += 1
        else:
            apart.append(f"{path}: {a.value:.4g} [{a.low:.4g}, {a.high:.4g}] then {b.value:.4g} [{b.low:.4g}, {b.high:.4g}] {a.unit}")
    return overlapping, sorted(apart), bare


def measure() -> Iterator[Row]:
    """Two runs an effort: rows of time, memory and agreement."""
    for name, (words, aim) in EFFORTS.items():
        runs = []
        for _ in range(2):
            with tempfile.TemporaryDirectory() as folder:
                runs.append(probe(words, Path(folder)))
        walls = " and ".join(f"{run.wall_s:.1f}" for run in runs)
        yield Row(f"probe {name}, wall time", f"{walls} s", aim)
        yield Row(f"probe {name}, peak memory, largest process", f"{max(r.largest_bytes for r in runs) / 2**20:.0f} MiB")
        yield Row(f"probe {name}, peak memory, all processes", f"{max(r.together_bytes for r in runs) / 2**20:.0f} MiB")
        overlapping, apart, bare = agreement(runs[0].machine, runs[1].machine)
        total = overlapping + len(apart)
        share = f"{100 * overlapping / total:.1f} %" if total else "none"
        yield Row(f"probe {name}, facts that agree", share, "95 %", f"{overlapping} of {total}; {bare} without an interval")
        for line in apart[:WORST]:
            yield Row(f"  {line}", "")
        if len(apart) > WORST:
            yield Row(f"  … and {len(apart) - WORST} more", "")
