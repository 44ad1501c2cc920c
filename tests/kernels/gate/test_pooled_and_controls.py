"""A small shift of a whole family, and what the controls make of a run."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from gate_cells import cell, gate_of, noise
from mmbench.configs.gatedoc import Verdict
from mmbench.kernels.gate.blocks import Block, Cell, Order, State
from mmbench.kernels.gate.controls import clopper_pearson, judge_controls
from mmbench.kernels.gate.decide import decide
from mmbench.kernels.gate.pooled import decide_families, families_of, launch_shifts
from mmbench.kernels.gate.rules import Rules
from scipy.stats import binomtest

RULES = Rules()
CALM = [0.001 * k for k in range(-7, 8)]


def grid(random, shift, families=("f32", "f64"), each=30, launches=14):
    return [cell(f"{name}-{i}", noise(random, launches, 0.01) + shift, family=name) for name in families for i in range(each)]


def test_the_number_of_a_launch_by_hand():
    cells = [
        cell("a", [1.0, 2.0, 3.0]),
        cell("b", [2.0, 4.0, 9.0]),
        Cell("c", screen=(Block(0, Order.ABBA, 3.0), Block(2, Order.ABBA, 0.0, "x"))),
    ]
    assert launch_shifts(cells) == [2.0, 3.0, 6.0]
    assert launch_shifts([*cells, Cell("d"), Cell("e")]) == [2.0]  # three of five have a block in launch 0, two in the others


def test_families_need_cells_and_all_is_one_of_them():
    cells = grid(np.random.default_rng(0), 0, each=5)
    assert {name: len(members) for name, members in families_of(cells).items()} == {"f32": 5, "f64": 5, "all": 10}
    assert list(families_of(cells[:5])) == ["all"]
    assert families_of(cells[:4]) == {}
    gone = [replace(c, state=State.CRASHED) for c in cells[:3]]
    assert {name: len(members) for name, members in families_of([*gone, *cells[3:]]).items()} == {"f64": 5, "all": 7}


def test_a_common_shift_of_half_a_percent_is_seen_in_the_family_and_in_no_cell():
    cells = grid(np.random.default_rng(1), math.log(1.006))
    found = decide_families(cells, RULES)
    assert [(f.family, f.verdict) for f in found][-1] == ("all", Verdict.REGRESSION)
    assert found[-1].low < 0.006 < found[-1].high
    assert all(f.verdict is not Verdict.REGRESSION for f in decide(cells, RULES))
    mirrored = decide_families(grid(np.random.default_rng(1), -math.log(1.006)), RULES)
    assert mirrored[-1].verdict is Verdict.IMPROVEMENT


def test_too_few_launches_say_nothing_of_a_family():
    found = decide_families(grid(np.random.default_rng(2), 0.05, launches=8), RULES)
    assert {f.verdict for f in found} == {Verdict.INCONCLUSIVE}  # 2^-8 is above 0.002 / 3


def test_luck_that_a_launch_shares_over_all_its_cells_raises_no_false_alarm():
    """The reason for one number a launch: pooled as single blocks, these would be some thousand independent witnesses."""
    random = np.random.default_rng(3)
    rules = replace(RULES, pooled_alpha=0.05, pooled_margin=0.0)
    wolf = 0
    for _ in range(400):
        shared = noise(random, 14, 0.01)
        cells = [cell(f"c{i}", shared + noise(random, 14, 0.002), family="f") for i in range(6)]
        wolf += any(f.verdict is Verdict.REGRESSION for f in decide_families(cells, rules))
    assert binomtest(wolf, 400, 0.05, alternative="greater").pvalue > 1e-3
    assert wolf > 4  # and it is a test: some alarms there must be


def controls(found, of, same=2):
    """Controls with so many planted cells found, beside a calm gate of 20."""
    shifts = [math.log(1.05)] * found + [0.0] * (of - found)
    random = np.random.default_rng(4)
    planted = gate_of(random, shifts, RULES, 14, 40, 0.005, 0)
    return judge_controls([cell(f"same{i}", CALM) for i in range(same)], planted, [cell(f"c{i}", CALM) for i in range(20)], RULES)


def test_a_sound_run_is_trusted_and_prints_its_power():
    said = controls(6, 6)
    assert (said.untrusted, said.notes) == ((), ())
    assert (said.planted_found, said.same_hits, said.discarded) == (6, (), 0.0)
    assert said.power == pytest.approx((0.5407, 1.0), abs=1e-3)


@pytest.mark.parametrize(
    ("found", "of", "distrusted"), [(0, 1, False), (0, 2, True), (1, 2, False), (4, 6, False), (3, 6, True), (18, 20, False)]
)
def test_misses_condemn_a_run_only_where_luck_does_not_explain_them(found, of, distrusted):
    # P(at most x of k found) at 95 %: 0 of 1 0.05; 0 of 2 0.0025; 1 of 2 0.0975; 4 of 6 0.033; 3 of 6 0.0022; 18 of 20 0.26
    assert bool(controls(found, of).untrusted) is distrusted


def test_one_planted_cell_is_said_to_show_nothing():
    assert controls(1, 1).notes == ("1 planted cells are too few to tell a blind gate from bad luck",)
    assert controls(3, 3, same=0).notes == ("the old side was not run against its own copy",)


def test_a_difference_between_equals_makes_the_run_untrusted():
    biased = cell("place", [0.04 + d for d in CALM], [0.04 + d for d in CALM])
    faster = cell("place-", [-0.04 + d for d in CALM], [-0.04 + d for d in CALM])
    for one in (biased, faster):
        said = judge_controls([one, cell("calm", CALM)], [], [cell("c", CALM)], RULES)
        assert said.same_hits == (one.name,)
        assert one.name in said.untrusted[0]


def test_broken_controls_and_too_many_dropped_blocks_are_reasons():
    said = judge_controls([Cell("same", state=State.CRASHED)], [], [cell("c", CALM)], RULES)
    assert said.untrusted == ("no control came of same",)
    dirty = Cell("c", screen=tuple(Block(i, Order.ABBA, 0.0, "" if i < 4 else "disturbed") for i in range(10)))
    said = judge_controls([cell("same", CALM[:1])], [], [dirty], RULES)
    assert said.untrusted == ("55% of all blocks were disturbed",)


def test_clopper_pearson_agrees_with_scipy():
    for hits, count in ((0, 10), (3, 10), (10, 10), (57, 200)):
        theirs = binomtest(hits, count).proportion_ci(0.95, "exact")
        assert clopper_pearson(hits, count) == pytest.approx((theirs.low, theirs.high))
    assert clopper_pearson(0, 0) == (0.0, 1.0)
