"""How often the gate errs, by simulation with fixed seeds, held against binomial bounds that a wrong gate fails."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gate_cells import cell, gate_of, noise
from mmbench.configs.gatedoc import Verdict
from mmbench.kernels.gate.blocks import Order, Quartet, Slot, block_of_launch, block_of_quartet, counted
from mmbench.kernels.gate.decide import decide, flags
from mmbench.kernels.gate.rules import Direction, Rules
from mmbench.kernels.gate.signed_rank import bounds_of, signed_rank_tail
from scipy.stats import binomtest

LOUD = Rules(slower=Direction(alpha=0.2, miss=0.025), faster=Direction(alpha=0.2, flag_alpha=0.1))  # an error rate that can be counted


def at_most(hits, count, chance):
    return binomtest(int(hits), count, chance, alternative="greater").pvalue > 1e-3


def at_least(hits, count, chance):
    return binomtest(int(hits), count, chance, alternative="less").pvalue > 1e-3


def disturbed_logs(kind, random, slots):
    """The log of each slot's time on a troubled machine; four slots are a quartet."""
    white = random.normal(0, 0.02, size=slots)
    place = np.arange(slots) % 4
    if kind == "drift":
        return white + 0.01 * np.arange(slots)
    if kind == "first turn is slow":
        return white + 0.10 * (place == 0)
    if kind == "later turns are slow":
        return white + np.array([0.0, 0.05, 0.06, 0.0])[place]
    if kind == "autocorrelated":
        return white + np.cumsum(random.normal(0, 0.05, size=slots))
    if kind == "heavy tails":
        return 0.02 * random.standard_t(1.5, size=slots)
    return white + 0.3 * (random.random(slots) < 0.1)  # bursts


def launched(kind, random, count, coin=True, shift=0.0):
    """Blocks of one quartet each; B is slower by `shift`."""
    logs = disturbed_logs(kind, random, 4 * count)
    found = []
    for launch in range(count):
        order = Order.BAAB if coin and random.random() < 0.5 else Order.ABBA
        times = [math.exp(x + shift * (side == "B")) for x, side in zip(logs[4 * launch :], order.value, strict=False)]
        found.append(block_of_quartet(launch, Quartet(order, tuple(Slot((t,)) for t in times))))
    return counted(found)


KINDS = ("drift", "first turn is slow", "later turns are slow", "autocorrelated", "heavy tails", "bursts")


@pytest.mark.parametrize("kind", KINDS)
def test_no_trouble_of_the_machine_raises_the_error_while_a_coin_sets_the_order(kind):
    random = np.random.default_rng(31)
    hits = sum(signed_rank_tail(launched(kind, random, 15)).p <= 0.05 for _ in range(1200))
    assert at_most(hits, 1200, 0.05)
    assert at_least(hits, 1200, 0.025)  # and the test still can fail


@pytest.mark.parametrize("kind", KINDS)
def test_the_interval_holds_the_planted_shift(kind):
    random = np.random.default_rng(40)
    ends = [bounds_of(launched(kind, random, 15, shift=0.05)) for _ in range(1000)]
    assert at_least(sum(low <= 0.05 <= high for low, high in ends), 1000, 0.95)


def test_without_the_coin_an_order_effect_is_a_regression():
    """Why the order is drawn anew: a fixed ABBA takes what the place does for what the code does."""
    random = np.random.default_rng(33)
    hits = sum(signed_rank_tail(launched("later turns are slow", random, 15, coin=False)).p <= 0.05 for _ in range(200))
    assert hits > 190


def test_quartets_of_one_launch_are_no_witnesses_of_their_own():
    """Each launch has luck of its own. One block a launch keeps the level; its quartets as blocks do not come near it."""
    random = np.random.default_rng(34)
    by_launch = by_quartet = 0
    for _ in range(300):
        launches = []
        for _ in range(10):
            luck = random.normal(0, 0.02)
            quartets = []
            for _ in range(6):
                a, b, c, d = random.normal(0, 0.005, size=4)
                slots = tuple(Slot((math.exp(x),)) for x in (a, b + luck, c + luck, d))
                quartets.append(Quartet(Order.ABBA, slots))
            launches.append(quartets)
        blocks = [block_of_launch(i, quartets) for i, quartets in enumerate(launches)]
        singles = [block_of_quartet(i, q) for i, quartets in enumerate(launches) for q in quartets]
        by_launch += signed_rank_tail(counted(blocks)).p <= 0.05
        by_quartet += signed_rank_tail(counted(singles)).p <= 0.05
    assert at_most(by_launch, 300, 0.05)
    assert by_quartet > 60


@pytest.mark.parametrize("wild", [0.0, 0.1])
def test_the_screen_lets_a_real_slowdown_pass_as_seldom_as_it_says(wild):
    """The promise holds for any noise, since it is a test and not a plan: noise flags more cells, and misses no more."""
    random = np.random.default_rng(35)
    rules = Rules()
    for sd in (0.01, 0.05):
        cells = [cell(f"c{i}", noise(random, 13, sd, wild) + rules.detect_log) for i in range(1500)]
        assert at_most(1500 - len(flags(cells, rules)), 1500, rules.slower.miss)


@pytest.mark.parametrize("shift", [0.0, math.log(1.01)])
def test_the_family_wise_error_holds_for_unchanged_code_and_at_the_margin(shift):
    random = np.random.default_rng(36)
    wolf = 0
    for _ in range(300):
        cells = gate_of(random, [shift] * 20, LOUD, screen=10, confirm=24, sd=0.02)
        wolf += any(f.verdict is Verdict.REGRESSION for f in decide(cells, LOUD, {}))
    assert at_most(wolf, 300, 0.2)
    if shift:  # at the margin the bound is nearly reached, where cells are many enough to be flagged
        assert at_least(wolf, 300, 0.08)


def test_choosing_the_fresh_blocks_by_the_noise_of_the_screen_is_no_cheating():
    random = np.random.default_rng(37)
    rules = Rules(slower=Direction(alpha=0.05, miss=0.025), faster=Direction(alpha=0.05, flag_alpha=0.1))
    wolf = 0
    for _ in range(1500):
        screen = noise(random, 10) + rules.margin_log
        confirm = noise(random, 8 + int(400 * np.std(screen))) + rules.margin_log
        wolf += decide([cell("c", screen, confirm)], rules, {})[0].verdict is Verdict.REGRESSION
    assert at_most(wolf, 1500, 0.05)


def test_power_reaches_what_the_plan_promised():
    """200 cells in the correction, noise of 2 % with wild blocks: 14 to screen and 68 to confirm are what the planner says."""
    random = np.random.default_rng(38)
    rules = Rules()
    found = 0
    for _ in range(12):
        shifts = [rules.detect_log] * 40 + [0.0] * 160
        findings = decide(gate_of(random, shifts, rules), rules, {})
        found += sum(f.verdict is Verdict.REGRESSION for f in findings[:40])
        assert all(f.verdict is not Verdict.REGRESSION for f in findings[40:])
    assert at_least(found, 480, 0.95)


def test_equivalent_hides_a_real_slowdown_as_seldom_as_its_interval_says():
    random = np.random.default_rng(39)
    rules = Rules()
    findings = [decide([c], rules, {})[0] for c in gate_of(random, [rules.detect_log] * 1500, rules, screen=12, confirm=20)]
    assert at_most(sum(f.verdict is Verdict.EQUIVALENT for f in findings), 1500, 0.05)  # 2.5 % in the screen, 2.5 % after it
