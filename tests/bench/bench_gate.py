"""What the gate finds and what it cries wolf at, by simulation, beside the decision rules of five other tools in the same noise.

The figures are shares of simulated gates, seeded. Their noise is what a machine recorded in real gates of unchanged code, and one that is
assumed and harsher (`gate_noise.py`). A gate has 200 cells and runs as the driver runs it: six launches to learn the noise, a plan, the
rest of the screen, fresh blocks for what was flagged, blocks that were dropped taken again, verdicts. "False gates" are gates of unchanged
code with a regression, of a cell or of a family; "power" is the share of planted slowdowns of 3 % (ten cells of a gate) that are called
regressions. Intervals are Clopper-Pearson, 95 %. The other tools are shown with the samples that they would take themselves, and with the
blocks that the gate's screen took.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from gate_noise import BLOCK_STEPS, STEP_S, Blocks, Floats, alternating_blocks, recorded_blocks, turn_blocks
from gate_peers import PEERS
from gate_traces import load
from mmbench.configs.gatedoc import Verdict
from mmbench.kernels.gate.blocks import Block, Cell, Order, counted
from mmbench.kernels.gate.controls import clopper_pearson
from mmbench.kernels.gate.decide import decide, flags
from mmbench.kernels.gate.planning import Stages, noises_of, plan, sentence, stages_for
from mmbench.kernels.gate.pooled import decide_families
from mmbench.kernels.gate.rules import Rules
from row import Row

CELLS, PLANTED, EFFECT = 200, 10, math.log(1.03)
PILOT, LAUNCH_S, PREPARE_S = 6, 0.5, 0.012  # the last two as measured in gates of 200 cells
TRACE = "emerald-rapids-guest"
RECORDED, ASSUMED, HARSH = "recorded noise", "assumed noise, luck 1 %", "assumed noise, luck 2 %"
LUCK = {ASSUMED: 0.01, HARSH: 0.02}  # of a launch
LEVELS = ((RECORDED, 400), (ASSUMED, 400), (HARSH, 200))  # gates of each kind
PEER_GATES = 30
TRIES = 2  # blocks that are taken at most, in multiples of those that are to count, as in `kernels/gate/run.py`
RULES = Rules()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one simulated gate said."""

    false_cells: int
    false_families: int
    found: int
    inconclusive: int
    flagged: int
    time_s: float


def blocks_of(taken: Blocks, row: int, shift: float, first: int) -> tuple[Block, ...]:
    """One cell's blocks, with the shift planted."""
    return tuple(
        Block(first + i, Order.ABBA, float(d) + shift, "disturbed" if seen else "")
        for i, (d, seen) in enumerate(zip(taken.differences[row], taken.seen[row], strict=True))
    )


class Noise:
    """What gates run in: blocks of all cells for some launches, or of some of them."""

    def __init__(self, name: str, random: np.random.Generator) -> None:
        self.random = random
        self.trace = load(TRACE) if name == RECORDED else None
        self.luck = LUCK.get(name, 0.0)
        self.sigmas = random.choice(self.trace.sigmas, size=CELLS) if self.trace else np.zeros(CELLS)
        self.block_s = self.trace.visit_s + PREPARE_S if self.trace else BLOCK_STEPS * STEP_S

    def take(self, cells: Sequence[int], launches: int) -> Blocks:
        """Launches that visit these cells."""
        if self.trace:
            return recorded_blocks(self.random, self.sigmas[list(cells)], launches, self.trace)
        return alternating_blocks(self.random, len(cells), launches, self.luck)


def until(blocks: tuple[Block, ...], count: int) -> tuple[Block, ...]:
    """As many as it takes for so many that count: dropped ones are taken again, as the driver does."""
    kept = 0
    for place, block in enumerate(blocks):
        kept += not block.dropped
        if kept == count or place + 1 == TRIES * count:
            return blocks[: place + 1]
    return blocks


def joined(first: Blocks, second: Blocks) -> Blocks:
    """Two stretches of launches as one."""
    return Blocks(
        *(np.concatenate([a, b], axis=1) for a, b in ((first.differences, second.differences), (first.shared, second.shared))),
        seen=np.concatenate([first.seen, second.seen], axis=1),
    )


def screened(noise: Noise, shifts: Floats) -> tuple[list[Cell], Blocks, int]:
    """The screen as a driver runs it: pilot, plan, the rest. Cells, all blocks of the longest screen, and how many launches."""
    taken = noise.take(range(CELLS), PILOT)
    noises = noises_of([row[~seen] for row, seen in zip(taken.differences, taken.seen, strict=True)], [noise.block_s] * CELLS)
    stages = plan(noises, RULES, launch_s=LAUNCH_S).stages
    launches = max(stage.screen for stage in stages)
    taken = joined(taken, noise.take(range(CELLS), TRIES * launches - PILOT))
    cells = [Cell(f"c{i:03}", screen=until(blocks_of(taken, i, shifts[i], 0), stages[i].screen)) for i in range(CELLS)]
    launches = max(len(cell.screen) for cell in cells)
    taken = Blocks(*(each[:, :launches] for each in (taken.differences, taken.shared)), seen=taken.seen[:, :launches])
    return cells, taken, launches


def gate(noise: Noise, planted: int, rest: float = 0.0) -> Outcome:
    """One gate from its first launch to its verdicts; the first `planted` cells are slower by 3 %, all others by `rest` (a log)."""
    shifts = np.where(np.arange(CELLS) < planted, EFFECT, rest)
    cells, _, launches = screened(noise, shifts)
    flagged = flags(cells, RULES)
    noises = noises_of([counted(cell.screen) for cell in cells], [noise.block_s] * CELLS)
    wanted = {i: stages_for(noises[i], RULES.detect, RULES, CELLS) or Stages(0, 300, 1.0) for i in range(CELLS) if cells[i].name in flagged}
    most = max((stage.confirm for stage in wanted.values()), default=0)
    if wanted:
        fresh = noise.take(list(wanted), TRIES * most)
        for row, (i, stage) in enumerate(wanted.items()):
            cells[i] = replace(cells[i], confirm=until(blocks_of(fresh, row, shifts[i], launches), stage.confirm))
        most = max(len(cells[i].confirm) for i in wanted)
    findings = decide(cells, RULES, {cell.name: known for cell, known in zip(cells, noises, strict=True)})
    hits = [finding.verdict is Verdict.REGRESSION for finding in findings]
    families = sum(f.verdict is Verdict.REGRESSION for f in decide_families(cells, RULES))
    blocks = sum(len(cell.screen) + len(cell.confirm) for cell in cells)
    unknown = sum(f.verdict is Verdict.INCONCLUSIVE and f.could_hide for f in findings)
    return Outcome(
        sum(hits[planted:]), families, sum(hits[:planted]), unknown, len(flagged), blocks * noise.block_s + (launches + most) * LAUNCH_S
    )


def share(hits: int, count: int) -> str:
    """A share with its interval."""
    low, high = clopper_pearson(hits, count)
    return f"{hits} of {count}, {100 * low:.2g} to {100 * high:.3g} %"


def our_rows(name: str, gates: int) -> Iterator[Row]:
    """False alarms of unchanged code, power, time."""
    seed = list(name.encode())
    same = [gate(Noise(name, np.random.default_rng([1, *seed, i])), 0) for i in range(gates)]
    slower = [gate(Noise(name, np.random.default_rng([2, *seed, i])), PLANTED) for i in range(gates)]
    false = sum(bool(o.false_cells or o.false_families) for o in same)
    found, planted = sum(o.found for o in slower), gates * PLANTED
    yield Row(f"{name}: false gates", f"{100 * false / gates:.1f} %", "1 %", share(false, gates))
    beside = sum(bool(o.false_cells) for o in slower)
    yield Row("  power at 3 %", f"{100 * found / planted:.1f} %", "95 %", f"{share(found, planted)}; {beside} gates with another cell red")
    minutes = np.array([o.time_s for o in same]) / 60
    note = f"median; 9 in 10 below {np.quantile(minutes, 0.9):.1f}; {np.median([o.flagged for o in same]):.0f} cells flagged"
    yield Row("  time, unchanged code", f"{np.median(minutes):.1f} min", "10 min", note)
    unknown = np.mean([o.inconclusive for o in same])
    yield Row("  cells that could hide 3 %, unchanged code", f"{unknown:.1f} of {CELLS}", "", "mean of a gate, after confirming")


def margin_row(name: str, gates: int) -> Row:
    """The worst case that is still no regression: every cell slower by just the margin."""
    found = [gate(Noise(name, np.random.default_rng([5, i])), 0, RULES.margin_log) for i in range(gates)]
    false = sum(bool(o.false_cells) for o in found)
    families = sum(bool(o.false_families) for o in found)
    note = f"{share(false, gates)}; the pooled test finds the common 1 % in {families}"
    return Row("every cell slower by the margin: gates with a red cell", f"{100 * false / gates:.1f} %", "1 %", note)


def peer_rows() -> Iterator[Row]:
    """The other tools' rules: on samples that they would take themselves, then on the blocks of our screen, in both kinds of noise."""
    slower, trace = slice(0, PLANTED), load(TRACE)
    ours = {}
    for name in (RECORDED, ASSUMED):
        taken = [screened(Noise(name, np.random.default_rng([1, i])), np.zeros(CELLS))[1] for i in range(PEER_GATES)]
        ours[name] = [(b.shared - b.differences / 2, b.shared + b.differences / 2) for b in taken]
    for name, (rule, schedule) in PEERS.items():
        own = [schedule.take(np.random.default_rng([3, i]), CELLS, LUCK[ASSUMED]) for i in range(PEER_GATES)]
        real = [schedule.take(np.random.default_rng([3, i]), CELLS, float(np.median(trace.sigmas)), trace) for i in range(PEER_GATES)]
        minutes = f"{schedule.seconds(CELLS) / 60:.1f} min"
        for label, samples, when in (
            (f"{name}, assumed", own, minutes),
            (f"{name}, recorded", real, minutes),
            ("  the same rule on our blocks, recorded", ours[RECORDED], ""),
            ("  the same rule on our blocks, assumed", ours[ASSUMED], ""),
        ):
            alarms = [rule(old, new) for old, new in samples]
            found = sum(int(rule(old[slower], new[slower] + EFFECT).sum()) for old, new in samples)
            wolf, cells = sum(bool(a.any()) for a in alarms), sum(int(a.sum()) for a in alarms)
            power = f"power at 3 % {100 * found / (PEER_GATES * PLANTED):.1f} %"
            red = f"{100 * cells / (PEER_GATES * CELLS):.1f} % of unchanged cells red"
            yield Row(label, f"{100 * wolf / PEER_GATES:.0f} % false", "", ", ".join(filter(None, (power, red, when))))


def turn_row() -> Row:
    """What the plan would be if a turn lasted 10 ms, in the assumed noise."""
    differences = turn_blocks(np.random.default_rng(4), CELLS, 40, LUCK[ASSUMED])
    noises = noises_of(list(differences), [BLOCK_STEPS * STEP_S] * CELLS)
    made = plan(noises, RULES, launch_s=LAUNCH_S)
    sigma = float(np.median([noise.sigma for noise in noises]))
    note = f"noise of a block {100 * sigma:.1f} %; {sentence(made)}"
    return Row("the plan, were turns 10 ms long", f"{made.time_s / 60:.0f} min", "10 min", note)


def measure() -> Iterator[Row]:
    """Ours in three kinds of noise and at the margin, then the peers."""
    for name, gates in LEVELS:
        yield from our_rows(name, gates)
    yield margin_row(RECORDED, LEVELS[-1][1])
    yield turn_row()
    yield from peer_rows()
