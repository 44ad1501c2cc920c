"""Power tables against simulation, plans against their budget, turn lengths against traces whose best one is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from gate_cells import noise
from hypothesis import given, settings
from hypothesis import strategies as st
from mmbench.kernels.gate.planning import (
    BLIND,
    Noise,
    least_launches,
    noises_of,
    plan,
    sentence,
    smallest_effect,
    stages_for,
    tail_share_of,
)
from mmbench.kernels.gate.power import BLOCKS, blocks_needed, power_of, rounded_tail, shift_seen
from mmbench.kernels.gate.rules import Rules
from mmbench.kernels.gate.signed_rank import signed_rank_tail
from mmbench.kernels.gate.turn_length import choose_turn, turn_cost, turn_costs

RULES = Rules()


@pytest.mark.parametrize(
    ("blocks", "shift", "alpha", "wild"), [(13, 1.2, 0.025, 0.0), (20, 1.9, 5e-5, 0.0), (45, 1.3, 5e-5, 0.1), (90, 0.75, 5e-5, 0.1)]
)
def test_power_is_what_a_simulation_of_the_test_itself_finds(blocks, shift, alpha, wild):
    random = np.random.default_rng(7)
    found = sum(signed_rank_tail(noise(random, blocks, 1.0, wild) + shift).p <= alpha for _ in range(1500)) / 1500
    assert power_of(blocks, shift, alpha, wild) == pytest.approx(found, abs=0.025)


@pytest.mark.parametrize(("sigma", "calm", "wild"), [(0.01, 19, 33), (0.02, 43, 69), (0.03, 85, 117), (0.05, 213, 301)])
def test_blocks_agree_with_those_that_were_simulated_apart(sigma, calm, wild):
    """The figures of an earlier simulation by other code: 95 % power at 3 % against 1 %, alpha 5e-5."""
    shift = (math.log(1.03) - math.log(1.01)) / sigma
    assert blocks_needed(shift, 5e-5, 0.95) == pytest.approx(calm, rel=0.1)
    assert blocks_needed(shift, 5e-5, 0.95, 0.1) == pytest.approx(wild, rel=0.1)


def test_what_cannot_be_seen_is_said():
    assert power_of(14, 100.0, 5e-5) == 0.0  # 2^-14 is above 5e-5
    assert math.isinf(shift_seen(14, 5e-5, 0.95))
    assert power_of(15, 100.0, 5e-5) == 1.0
    assert blocks_needed(0.0, 0.05, 0.9) == 0
    assert blocks_needed(0.01, 5e-5, 0.95) == 0
    assert math.isinf(smallest_effect(14, Noise(0.01), RULES, 200))
    assert stages_for(Noise(5.0), 0.03, RULES, 200) is None
    assert stages_for(Noise(0.01), 0.01, RULES, 200) is None


@given(st.floats(0.4, 3.0), st.sampled_from([0.0, 0.1, 0.3]))
@settings(max_examples=25, deadline=None)
def test_blocks_and_shift_seen_are_inverse(shift, wild):
    needed = blocks_needed(shift, 1e-3, 0.9, wild)
    if not needed:  # more than the exact test is made for: then the most blocks that there are do not see it either
        assert shift_seen(BLOCKS[-1], 1e-3, 0.9, wild) > shift
        return
    assert shift_seen(needed, 1e-3, 0.9, wild) <= shift
    assert power_of(needed, shift, 1e-3, wild) >= 0.9 - 1e-3


def test_noise_is_found_again_and_a_shift_is_not_noise():
    random = np.random.default_rng(3)
    sigmas = [0.01] * 100 + [0.04] * 100
    differences = [noise(random, 13, sigma, 0.1) + 0.2 * (i % 2) for i, sigma in enumerate(sigmas)]
    found = noises_of(differences, [0.12] * 200)
    assert np.median([n.sigma for n in found[:100]]) == pytest.approx(0.01, rel=0.25)
    assert np.median([n.sigma for n in found[100:]]) == pytest.approx(0.04, rel=0.25)
    assert 0.03 < found[0].tail_share < 0.2
    alike = noises_of([noise(random, 13, 0.02, 0.0) for _ in range(200)], [0.12] * 200)
    assert np.std([n.sigma for n in alike]) / 0.02 < 0.1  # drawn together: their variety was chance


def test_noise_needs_blocks():
    few, many = [0.1, 0.2], [0.01, 0.02, 0.03, 0.04, 0.06]
    assert noises_of([few, many], [1.0, 1.0])[0].sigma == pytest.approx(noises_of([many], [1.0])[0].sigma)
    for nothing in ([], [few], [[0.0] * 6]):
        with pytest.raises(ValueError, match="four blocks"):
            noises_of(nothing, [1.0] * len(nothing))


def test_the_share_of_wild_blocks():
    random = np.random.default_rng(4)
    for share in (0.0, 0.1, 0.3):
        assert tail_share_of(noise(random, 20_000, 1.0, share)) == pytest.approx(share, abs=0.02)
    assert tail_share_of([]) == 0.0
    assert [rounded_tail(share) for share in (0.0, 0.01, 0.1, 0.9)] == [0.0, 0.05, 0.1, 0.5]


def test_a_plan_without_a_limit_shows_the_effect_on_every_cell():
    made = plan([Noise(0.01)] * 150 + [Noise(0.02)] * 50, RULES)
    assert set(made.sees) == {0.03}
    assert made.fits
    cells = sum(stage.expected for stage in made.stages) * 0.12
    assert made.time_s == pytest.approx(cells + made.launches * 0.5)
    assert sentence(made) == f"in {made.time_s / 60:.0f} min: 3 % on 200 of 200 cells"


def test_a_short_budget_is_kept_and_said():
    noises = [Noise(0.01)] * 187 + [Noise(0.04)] * 13
    free = plan(noises, RULES)
    made = plan(noises, RULES, budget_s=0.9 * free.time_s)
    assert made.fits
    assert made.sees.count(0.03) == 187
    needs = set(made.sees[187:])
    assert min(needs) > 0.03
    assert sentence(made).startswith(f"in {made.time_s / 60:.0f} min: 3 % on 187 of 200 cells; ")
    nothing = plan(noises, RULES, budget_s=1.0)
    assert set(nothing.sees) == {BLIND}
    assert nothing.time_s == 0
    assert sentence(nothing) == "in 1 s: nothing can be shown on any of 200 cells"


def test_a_hopeless_cell_is_named_and_costs_the_others_nothing():
    made = plan([Noise(0.01), Noise(50.0)], RULES)
    assert made.sees == (0.03, BLIND)
    assert sentence(made).endswith("3 % on 1 of 2 cells; nothing on 1")


@given(st.lists(st.floats(0.002, 0.2), min_size=20, max_size=20), st.floats(1, 1000))
@settings(max_examples=30, deadline=None)
def test_a_plan_never_exceeds_its_budget(sigmas, budget_s):
    made = plan([Noise(sigma, 0.1) for sigma in sigmas], RULES, budget_s)
    assert made.fits
    assert all(stage.screen > 0 or sees == BLIND for stage, sees in zip(made.stages, made.sees, strict=True))


def test_families_need_launches():
    assert [least_launches(n, RULES) for n in (0, 1, 4)] == [9, 9, 11]
    assert least_launches(1, replace(RULES, pooled_alpha=0.5)) == 6


def walk(random, calls, stay, white):
    """An autocorrelated trace around one microsecond: a neighbour that changes slowly, and white noise."""
    slow = np.zeros(calls)
    kicks = random.normal(0, 0.1 * math.sqrt(1 - stay**2), size=calls)
    for i in range(1, calls):
        slow[i] = stay * slow[i - 1] + kicks[i]
    return 1e-6 * np.exp(slow + random.normal(0, white, size=calls))


def test_slow_noise_asks_for_short_turns_and_dear_hand_offs_for_long_ones():
    trace = walk(np.random.default_rng(5), 200_000, 0.995, 0.01)
    lengths = (1, 3, 10, 30, 100, 300, 1000)
    cheap = {cost.calls: cost for cost in turn_costs(trace, lengths)}
    assert cheap[1000].variance_s > 10 * cheap[10].variance_s
    short = choose_turn(list(cheap.values()))
    assert short.calls <= 30
    mixed = walk(np.random.default_rng(5), 200_000, 0.9999, 0.05)
    assert choose_turn(turn_costs(mixed, lengths, switch_s=1e-3)).calls > choose_turn(turn_costs(mixed, lengths)).calls


def test_white_noise_leaves_the_choice_to_the_hand_off():
    trace = 1e-6 * np.exp(np.random.default_rng(6).normal(0, 0.05, size=100_000))
    assert choose_turn(turn_costs(trace, (1, 10, 100), switch_s=10e-6)).calls == 100


def test_a_turn_by_hand():
    trace = [1.0, 1.0, math.e, 1.0] * 8  # turns of one call: d = (0 + 1 - 0 - 0) / 2 in each of 8 quartets
    cost = turn_cost(trace, 1, switch_s=0.5, spoiled=0)
    assert cost is not None
    mean_s = (3 + math.e) / 4
    assert cost.turn_s == pytest.approx(mean_s + 0.5)
    assert cost.variance_s == pytest.approx(0.25 * 4 * (mean_s + 0.5))
    assert cost.relative_error == 0.5


def test_traces_too_short_or_broken_are_refused():
    assert turn_cost([1.0] * 31, 1, spoiled=0) is None
    assert turn_cost([1.0] * 32, 0) is None
    with pytest.raises(ValueError, match="too short"):
        choose_turn([])
    with pytest.raises(ValueError, match="above nought"), np.errstate(divide="ignore"):
        turn_cost([1.0, 0.0] * 100, 1)
