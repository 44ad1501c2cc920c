"""What the gate finds and what it cries wolf at, by simulation, beside the decision rules of five other tools in the same noise.

Nothing here is measured on a machine: the noise is that of `gate_noise.py`, seeded, and the figures are shares of simulated gates. A gate
has 200 cells and runs as a driver would run it: six launches to learn the noise, a plan, the rest of the screen, fresh blocks for what was
flagged, verdicts. "False gates" are gates of unchanged code with a regression, of a cell or of a family; "power" is the share of planted
slowdowns of 3 % (ten cells of a gate) that are called regressions. Intervals are Clopper-Pearson, 95 %.
The other tools are shown twice: with the samples that they would take themselves, and with the blocks that the gate's screen took.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from gate_noise import BLOCK_STEPS, STEP_S, Blocks, Floats, alternating_blocks, turn_blocks
from gate_peers import PEERS
from mmbench.configs.gatedoc import Verdict
from mmbench.kernels.gate.blocks import Block, Cell, Order, counted
from mmbench.kernels.gate.controls import clopper_pearson
from mmbench.kernels.gate.decide import decide, flags
from mmbench.kernels.gate.planning import Stages, noises_of, plan, sentence, stages_for
from mmbench.kernels.gate.pooled import decide_families
from mmbench.kernels.gate.rules import Rules
from row import Row

CELLS, PLANTED, EFFECT = 200, 10, math.log(1.03)
PILOT, LAUNCH_S = 6, 0.5
BLOCK_S = BLOCK_STEPS * STEP_S
LEVELS = ((0.01, 400), (0.02, 200))  # luck of a launch, gates of each kind
PEER_GATES = 30
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


def joined(first: Blocks, second: Blocks) -> Blocks:
    """Two stretches of launches as one."""
    return Blocks(
        *(np.concatenate([a, b], axis=1) for a, b in ((first.differences, second.differences), (first.shared, second.shared))),
        seen=np.concatenate([first.seen, second.seen], axis=1),
    )


def screened(random: np.random.Generator, luck_sd: float, shifts: Floats) -> tuple[list[Cell], Blocks, int]:
    """The screen as a driver runs it: pilot, plan, the rest. Cells, all blocks of the longest screen, and how many launches."""
    taken = alternating_blocks(random, CELLS, PILOT, luck_sd)
    noises = noises_of([row[~seen] for row, seen in zip(taken.differences, taken.seen, strict=True)], [BLOCK_S] * CELLS)
    stages = plan(noises, RULES, launch_s=LAUNCH_S).stages
    launches = max(stage.screen for stage in stages)
    taken = joined(taken, alternating_blocks(random, CELLS, launches - PILOT, luck_sd))
    cells = [Cell(f"c{i:03}", screen=blocks_of(taken, i, shifts[i], 0)[: stages[i].screen]) for i in range(CELLS)]
    return cells, taken, launches


def gate(random: np.random.Generator, luck_sd: float, planted: int, rest: float = 0.0) -> Outcome:
    """One gate from its first launch to its verdicts; the first `planted` cells are slower by 3 %, all others by `rest` (a log)."""
    shifts = np.where(np.arange(CELLS) < planted, EFFECT, rest)
    cells, _, launches = screened(random, luck_sd, shifts)
    flagged = flags(cells, RULES)
    noises = noises_of([counted(cell.screen) for cell in cells], [BLOCK_S] * CELLS)
    wanted = {i: stages_for(noises[i], RULES.detect, RULES, CELLS) or Stages(0, 300, 1.0) for i in range(CELLS) if cells[i].name in flagged}
    most = max((stage.confirm for stage in wanted.values()), default=0)
    if wanted:
        fresh = alternating_blocks(random, len(wanted), most, luck_sd)
        for row, (i, stage) in enumerate(wanted.items()):
            cells[i] = replace(cells[i], confirm=blocks_of(fresh, row, shifts[i], launches)[: stage.confirm])
    findings = decide(cells, RULES, {cell.name: noise for cell, noise in zip(cells, noises, strict=True)})
    hits = [finding.verdict is Verdict.REGRESSION for finding in findings]
    families = sum(f.verdict is Verdict.REGRESSION for f in decide_families(cells, RULES))
    blocks = sum(len(cell.screen) + len(cell.confirm) for cell in cells)
    unknown = sum(f.verdict is Verdict.INCONCLUSIVE and f.could_hide for f in findings)
    return Outcome(
        sum(hits[planted:]), families, sum(hits[:planted]), unknown, len(flagged), blocks * BLOCK_S + (launches + most) * LAUNCH_S
    )


def share(hits: int, count: int) -> str:
    """A share with its interval."""
    low, high = clopper_pearson(hits, count)
    return f"{hits} of {count}, {100 * low:.2g} to {100 * high:.3g} %"


def our_rows(luck_sd: float, gates: int) -> Iterator[Row]:
    """False alarms of unchanged code, power, time."""
    same = [gate(np.random.default_rng([1, int(luck_sd * 1e4), i]), luck_sd, 0) for i in range(gates)]
    slower = [gate(np.random.default_rng([2, int(luck_sd * 1e4), i]), luck_sd, PLANTED) for i in range(gates)]
    false = sum(bool(o.false_cells or o.false_families) for o in same)
    found, planted = sum(o.found for o in slower), gates * PLANTED
    name = f"gate, luck {100 * luck_sd:g} %"
    yield Row(f"{name}: false gates", f"{100 * false / gates:.1f} %", "1 %", share(false, gates))
    beside = sum(bool(o.false_cells) for o in slower)
    yield Row("  power at 3 %", f"{100 * found / planted:.1f} %", "95 %", f"{share(found, planted)}; {beside} gates with another cell red")
    minutes = np.array([o.time_s for o in same]) / 60
    note = f"median; 9 in 10 below {np.quantile(minutes, 0.9):.1f}; {np.median([o.flagged for o in same]):.0f} cells flagged"
    yield Row("  time, unchanged code", f"{np.median(minutes):.1f} min", "10 min", note)
    unknown = np.mean([o.inconclusive for o in same])
    yield Row("  cells that could hide 3 %, unchanged code", f"{unknown:.1f} of {CELLS}", "", "mean of a gate, after confirming")


def margin_row(luck_sd: float, gates: int) -> Row:
    """The worst case that is still no regression: every cell slower by just the margin."""
    found = [gate(np.random.default_rng([5, i]), luck_sd, 0, RULES.margin_log) for i in range(gates)]
    false = sum(bool(o.false_cells) for o in found)
    families = sum(bool(o.false_families) for o in found)
    note = f"{share(false, gates)}; the pooled test finds the common 1 % in {families}"
    return Row("every cell slower by the margin: gates with a red cell", f"{100 * false / gates:.1f} %", "1 %", note)


def peer_rows(luck_sd: float) -> Iterator[Row]:
    """The other tools' rules: on their own samples, then on ours."""
    slower = slice(0, PLANTED)
    ours = [screened(np.random.default_rng([1, int(luck_sd * 1e4), i]), luck_sd, np.zeros(CELLS))[1] for i in range(PEER_GATES)]
    for name, (rule, schedule) in PEERS.items():
        own = [schedule.take(np.random.default_rng([3, i]), CELLS, luck_sd) for i in range(PEER_GATES)]
        minutes = schedule.seconds(CELLS) / 60
        blocks = [(b.shared - b.differences / 2, b.shared + b.differences / 2) for b in ours]
        for label, samples, when in ((name, own, f"{minutes:.1f} min"), ("  the same rule on our blocks", blocks, "")):
            alarms = [rule(old, new) for old, new in samples]
            found = sum(int(rule(old[slower], new[slower] + EFFECT).sum()) for old, new in samples)
            wolf, cells = sum(bool(a.any()) for a in alarms), sum(int(a.sum()) for a in alarms)
            value = f"{100 * wolf / PEER_GATES:.0f} % false"
            power = f"power at 3 % {100 * found / (PEER_GATES * PLANTED):.1f} %"
            yield Row(
                label,
                value,
                "",
                ", ".join(filter(None, (power, f"{100 * cells / (PEER_GATES * CELLS):.1f} % of unchanged cells red", when))),
            )


def turn_row(luck_sd: float) -> Row:
    """What the plan would be if a turn lasted 10 ms."""
    differences = turn_blocks(np.random.default_rng(4), CELLS, 40, luck_sd)
    noises = noises_of(list(differences), [BLOCK_S] * CELLS)
    made = plan(noises, RULES, launch_s=LAUNCH_S)
    sigma = float(np.median([noise.sigma for noise in noises]))
    return Row(
        "the plan, were turns 10 ms long",
        f"{made.time_s / 60:.0f} min",
        "10 min",
        f"noise of a block {100 * sigma:.1f} %; {sentence(made)}",
    )


def measure() -> Iterator[Row]:
    """Ours at two levels of noise and at the margin, then the peers at the first."""
    for luck_sd, gates in LEVELS:
        yield from our_rows(luck_sd, gates)
    yield margin_row(LEVELS[0][0], LEVELS[-1][1])
    yield turn_row(LEVELS[0][0])
    yield from peer_rows(LEVELS[0][0])
