"""Evidence for tests of reports: two synthetic machines with sweeps, whose answers are known."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from mmbench.configs.cases import Case
from mmbench.configs.machine import Machine
from mmbench.configs.plan import Cell
from mmbench.configs.runs import Run
from mmbench.configs.store import save_machine
from mmbench.reports.page.evidence import Evidence, gather
from synthetic_machine import synthetic_machine
from synthetic_sweep import CELLS, RUN, plan, write_sweep

OTHER = "synthetic-neoverse-000001"


def grid(count: int, seed: int = 1) -> tuple[Cell, ...]:
    """So many different cells: cubes, skinny ones and layers of models, in several types, with one and two threads."""
    order = random.Random(seed)
    found: dict[Case, Cell] = {c.case: c for c in CELLS}
    sizes = [16, 31, 64, 96, 127, 128, 200, 256, 384, 512, 768, 1024, 1536, 2048, 4096]
    origins = ("cube", "BERT-base ffn up, 128 tokens", "Llama-3-8B QKV, 1 token", "ResNet-50 im2col")
    while len(found) < count:
        n = order.choice(sizes)
        m, k = (n, n) if order.random() < 0.4 else (order.choice([1, 4, 8, *sizes]), order.choice(sizes))
        dtype = order.choice(["f32", "f32", "f64", "bf16", "s8", "int4bf16"])
        case = Case(
            m, n + order.choice([0, 0, 1]), k, dtype=dtype, layout="nt" if dtype == "int4bf16" else "nn", threads=order.choice([1, 1, 2])
        )
        found.setdefault(case, Cell(case, order.choice(origins)))
    return tuple(found.values())


def other_machine() -> Machine:
    """A machine of another architecture: the synthetic one with another name, without what only x86 has."""
    machine = synthetic_machine()
    identity = {**machine.identity}
    for name, word in (("microarchitecture", "neoverse_v2"), ("brand", "Synthetic Neoverse"), ("vendor", "ARM")):
        if name in identity:
            identity[name] = replace(identity[name], value=word)
    return replace(machine, id=OTHER, identity=identity)


def two_machines(results: Path, cells: int = 60, count: int = 12) -> Evidence:
    """Both machines with the same grid, in files under `results`, read back as a report reads them."""
    write_machines(results, cells, count)
    return gather([], results)


def write_machines(results: Path, cells: int = 60, count: int = 12) -> None:
    """The files of `two_machines`."""
    save_machine(results, replace(synthetic_machine(), id=RUN.machine_id))
    save_machine(results, other_machine())
    a_plan = plan(grid(cells))
    write_sweep(results, a_plan, count=count)
    write_sweep(results, a_plan, count=count, run=_other_run())


def _other_run() -> Run:
    return replace(RUN, id="6b4f", machine_id=OTHER)
