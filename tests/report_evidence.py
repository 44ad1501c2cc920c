"""Evidence for tests of reports: two machines with sweeps whose answers are known, one of them always a made-up AArch64."""

from __future__ import annotations

import gzip
import random
from dataclasses import replace
from pathlib import Path

from mmbench.configs.cases import Case
from mmbench.configs.machine import Machine
from mmbench.configs.plan import Cell
from mmbench.configs.store import parse_machine, save_machine
from mmbench.probes.runner import reinfer
from mmbench.reports.page.evidence import Evidence, gather
from synthetic_machine import synthetic_machine
from synthetic_neoverse import ID as OTHER
from synthetic_neoverse import PARTY, synthetic_neoverse
from synthetic_sweep import CELLS, RUN, plan, write_sweep

CAPTURED = Path(__file__).parent / "machines" / "probe-emeraldrapids-guest.json.gz"


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


def captured_machine() -> Machine:
    """A machine that was measured: everything that today's code infers from the captured curves of a guest with AVX-512 and AMX."""
    return reinfer(parse_machine(gzip.decompress(CAPTURED.read_bytes()).decode(), str(CAPTURED)))


def two_machines(results: Path, cells: int = 60, count: int = 12) -> Evidence:
    """Both machines with the same grid, in files under `results`, read back as a report reads them."""
    write_machines(results, cells, count)
    return gather([], results)


def write_machines(results: Path, cells: int = 60, count: int = 12) -> None:
    """The files of `two_machines`: an x86 machine and one of another architecture, both made up."""
    _write(results, replace(synthetic_machine(), id=RUN.machine_id), cells, count)


def real_and_made_up(results: Path, cells: int = 24, count: int = 12) -> Evidence:
    """The captured machine and the synthetic one of another architecture. The rows of both are made up: no sweep was captured."""
    _write(results, captured_machine(), cells, count)
    return gather([], results)


def _write(results: Path, first: Machine, cells: int, count: int) -> None:
    """The machine and the Neoverse, each with a sweep of the same grid by the kernels and libraries that exist for it."""
    save_machine(results, first)
    save_machine(results, synthetic_neoverse())
    write_sweep(results, plan(grid(cells)), count=count, run=replace(RUN, machine_id=first.id))
    write_sweep(results, plan(grid(cells), PARTY.entrants), count=count, run=replace(RUN, id="6b4f", machine_id=OTHER), party=PARTY)
