"""Libraries that misbehave, each in its manner, through a real sweep: the row says so, and no other kernel's row is lost."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from mmbench.configs.cases import Case, Measurement
from mmbench.configs.plan import Cell, Entrant, Opened, SweepPlan
from mmbench.kernels.entrants import find_entrants
from mmbench.kernels.host import Host
from mmbench.kernels.measure.worker import Worker
from mmbench.kernels.sweep import run_sweep

sys.path.insert(0, str(Path(__file__).parent))
from broken_libraries.build import build, compiler

pytestmark = pytest.mark.skipif(compiler() is None, reason="needs gcc")
SMALL = Case(24, 20, 24)
HOST = Host.of(None, (0, 1))


class Record:
    """The run file and the watcher in one: what was written."""

    def __init__(self) -> None:
        self.rows: list[Measurement] = []
        self.openings: dict[str, Opened] = {}

    def append(self, kind, payload=None):
        pass

    def started(self, plan):
        pass

    def opened(self, info):
        self.openings[info.kernel] = info

    def cell(self, index, total, cell, left_s):
        pass

    def noise(self, share):
        pass

    def row(self, row):
        self.rows.append(row)

    def note(self, text):
        pass


def entrant_of(folder: Path, manner: str) -> Entrant:
    """The library as `--library openblas=PATH` gives it; its origin also tells the manner, so that many fit into one sweep."""
    found, _ = find_entrants(("naive",), {"openblas": str(build(folder, manner))})
    (given,) = [e for e in found if e.kernel == "openblas@given"]
    return replace(given, kernel=f"openblas@given-{manner}")


class Hurried(Worker):
    """A worker that is given up early where it runs a library of ours: these answer in milliseconds or never."""

    hurried = False

    def call(self, function, arguments, timeout_s, progress=None):
        self.hurried |= arguments.get("entrant", {}).get("kind") == "library"
        return super().call(function, arguments, 4.0 if self.hurried and "open_kernel" not in function else timeout_s, progress)


def swept(folder, manners, cases):
    record = Record()
    naive, _ = find_entrants(("naive",))
    plan = SweepPlan(tuple(Cell(case) for case in cases), (*naive, *(entrant_of(folder, m) for m in manners)), precision=0.5)
    end = run_sweep(plan, host=HOST, machine=None, writer=record, watch=record, make_worker=Hurried)
    assert end.finished
    return record
