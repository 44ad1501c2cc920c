"""Keep what real gates of unchanged code recorded, small enough to be stored, as the noise that simulated gates run in.

`python tests/bench/gate_traces.py RUN.jsonl… > traces/NAME.json` reads run files whose two sides were the same code. Of each screening
visit, in the order of time: its difference over the spread of its cell (`z`, in thousandths), how far the old side's time lay from the
cell's middle (`shared`, a log in ten-thousandths), and whether the rules dropped it. Besides, the spreads of the cells (in millionths) and
seconds a visit. So tails, bursts and what neighbouring visits share are those of the machine, and no law is assumed for them.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmbench.configs.gatelog import Gate, read_gate
from mmbench.configs.gateplan import Control, Stage
from mmbench.kernels.gate.evidence import block_of_visit, times_of
from mmbench.kernels.gate.planning import noises_of
from numpy.typing import NDArray

FOLDER = Path(__file__).parent / "traces"


@dataclass(frozen=True, slots=True)
class Trace:
    """One machine's recorded noise; see the module's text. Arrays of visits in the order of time, and of cells."""

    name: str
    z: NDArray[np.float64]
    shared: NDArray[np.float64]
    dropped: NDArray[np.bool_]
    sigmas: NDArray[np.float64]
    visit_s: float


def load(name: str) -> Trace:
    """A stored trace."""
    found = json.loads((FOLDER / f"{name}.json").read_text(encoding="ascii"))
    z, shared = np.array(found["z"]) / 1e3, np.array(found["shared"]) / 1e4
    return Trace(name, z, shared, np.array(found["dropped"], dtype=bool), np.array(found["sigmas"]) / 1e6, found["visit_s"])


def recorded(gates: Iterable[Gate]) -> dict[str, object]:
    """The trace of some gates, one after another."""
    z: list[int] = []
    shared: list[int] = []
    dropped: list[int] = []
    sigmas: list[int] = []
    seconds: list[float] = []
    for gate in gates:
        unchanged = {i for i, cell in enumerate(gate.plan.cells) if cell.control is not Control.PLANTED}
        visits = [visit for visit in gate.blocks if visit.stage is Stage.SCREEN and visit.cell in unchanged]
        blocks = [(visit, block_of_visit(visit)) for visit in visits]
        cells = sorted({visit.cell for visit in visits})
        counted = {i: [b.difference for v, b in blocks if v.cell == i and not b.dropped] for i in cells}
        spreads = dict(zip(cells, (n.sigma for n in noises_of([counted[i] for i in cells], [0.0] * len(cells))), strict=True))
        middles = {i: statistics.median(counted[i]) if counted[i] else 0.0 for i in cells}
        old = {i: statistics.median(times_of([v])[0] for v in visits if v.cell == i) for i in cells}
        for visit, block in blocks:
            lost = bool(block.dropped) or not math.isfinite(block.difference)
            z.append(0 if lost else round(1e3 * (block.difference - middles[visit.cell]) / spreads[visit.cell]))
            level = math.log(times_of([visit])[0] / old[visit.cell])
            shared.append(round(1e4 * level) if math.isfinite(level) else 0)
            dropped.append(int(lost))
            seconds.append(visit.wall_s)
        sigmas += [round(1e6 * spread) for spread in spreads.values()]
    return {"z": z, "shared": shared, "dropped": dropped, "sigmas": sigmas, "visit_s": round(statistics.median(seconds), 4)}


if __name__ == "__main__":
    print(json.dumps(recorded(read_gate(Path(name)) for name in sys.argv[1:]), separators=(",", ":")))
