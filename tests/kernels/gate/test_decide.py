"""Flags, Holm's steps and the verdicts: by hand, and by properties."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from gate_cells import blocks, cell, gate_of
from hypothesis import given, settings
from hypothesis import strategies as st
from mmbench.configs.gatedoc import Verdict
from mmbench.kernels.gate.blocks import Cell, State
from mmbench.kernels.gate.decide import decide, flags, holm
from mmbench.kernels.gate.rules import Direction, Rules

RULES = Rules()
EVEN = Rules(slower=Direction(0.01, 0.025, 0.02), faster=Direction(0.01, 0.025, 0.02))
NEAR = [0.001 * k for k in range(-7, 8)]  # fifteen blocks about nought
FAR = [0.05 + 0.001 * k for k in range(-10, 11)]
MIRROR = {Verdict.REGRESSION: Verdict.IMPROVEMENT, Verdict.IMPROVEMENT: Verdict.REGRESSION}


def only(cells, rules=RULES):
    (finding,) = decide([cells], rules)
    return finding


def test_holm_by_hand():
    # 0.01 <= 0.05/4, 0.013 <= 0.05/3, 0.03 > 0.05/2: the rest stays, whatever it is
    assert holm([0.03, 0.01, 0.04, 0.013], 0.05) == [(False, 0.025), (True, 0.0125), (False, 0.025), (True, pytest.approx(0.05 / 3))]
    assert holm([], 0.05) == []
    assert holm([0.06], 0.05) == [(False, 0.05)]


@given(st.lists(st.floats(0, 0.2), min_size=1, max_size=12), st.floats(0.001, 0.2))
def test_holm_lies_between_bonferroni_and_no_correction(p_values, alpha):
    for p, (rejected, level) in zip(p_values, holm(p_values, alpha), strict=True):
        assert rejected == (p <= level and rejected)
        assert rejected or p > alpha / len(p_values)
        assert not rejected or p <= alpha


def test_a_calm_cell_is_let_pass_and_equivalent():
    calm = cell("calm", NEAR)
    assert flags([calm], RULES) == {}
    finding = only(calm)
    assert finding.verdict is Verdict.EQUIVALENT
    assert (finding.blocks, finding.confirmed_on, finding.p, finding.could_hide) == (15, 0, 1.0, False)
    assert abs(finding.change) < 1e-12


def test_a_slow_cell_is_confirmed_on_fresh_blocks_only():
    slow = cell("slow", FAR[:10], FAR)
    assert flags([slow], RULES)["slow"].slower
    finding = only(slow)
    assert finding.verdict is Verdict.REGRESSION
    assert finding.p == 2.0**-21
    assert finding.needed == RULES.slower.alpha
    assert finding.low < finding.change < finding.high
    assert finding.change == pytest.approx(math.expm1(0.05))
    assert (finding.blocks, finding.confirmed_on) == (21, 21)


def test_the_screen_alone_never_confirms():
    finding = only(cell("slow", FAR * 3))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert finding.could_hide
    assert math.isinf(finding.smallest)
    assert "no fresh block" in finding.why


def test_fresh_blocks_of_a_cell_that_was_let_pass_do_not_count():
    finding = only(cell("calm", NEAR, FAR))
    assert (finding.verdict, finding.confirmed_on, finding.p) == (Verdict.EQUIVALENT, 0, 1.0)


def test_every_planned_cell_counts_in_the_correction():
    slow = cell("slow", FAR[:10], FAR[:12])  # p = 2^-12 = 0.00024
    assert only(slow).verdict is Verdict.REGRESSION
    crowd = [Cell(f"gone{i}", state=State.DELETED) for i in range(40)]
    findings = decide([slow, *crowd], RULES)
    assert findings[0].needed == pytest.approx(0.008 / 41)  # 0.000195
    assert findings[0].verdict is Verdict.INCONCLUSIVE


def test_a_fast_cell_is_an_improvement():
    finding = only(cell("fast", [-d for d in FAR], [-d for d in FAR]))
    assert (finding.verdict, finding.could_hide) == (Verdict.IMPROVEMENT, False)
    assert finding.change < -0.04
    assert Verdict.IMPROVEMENT.green


def test_a_small_slowdown_below_the_margin_is_no_regression():
    shift = math.log(1.008)
    finding = only(cell("layout", [shift] * 10, [shift + d for d in NEAR]))
    assert finding.verdict is Verdict.EQUIVALENT


def test_noise_is_inconclusive_and_says_what_it_could_have_seen():
    finding = only(cell("noisy", [12 * d for d in NEAR], [0.02 + 0.005 * k for k in range(-20, 20)]))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert finding.could_hide
    assert not finding.verdict.green
    assert 0.03 < finding.smallest < 0.2
    assert finding.why == f"40 fresh blocks would have confirmed {100 * finding.smallest:.2g} % or more"


@pytest.mark.parametrize("state", [state for state in State if state is not State.TIMED])
def test_what_was_not_timed_is_named_and_never_green(state):
    finding = only(replace(cell("c", NEAR, NEAR), state=state))
    assert finding.verdict.value == state.value
    assert not finding.verdict.green
    assert finding.could_hide
    assert finding.why
    assert only(Cell("c", state=state, note="SIGILL")).why == "SIGILL"


def test_a_timed_cell_without_a_block_that_counts_is_inconclusive():
    dirty = Cell("c", screen=blocks(NEAR, dropped="disturbed"))
    assert list(flags([dirty], RULES)) == ["c"]
    finding = only(dirty)
    assert (finding.verdict, finding.dropped, finding.blocks) == (Verdict.INCONCLUSIVE, 15, 0)
    assert finding.could_hide
    assert math.isnan(finding.change)


def test_a_cell_promised_less_is_screened_for_less_and_says_so():
    wide = [0.015 * k for k in range(-4, 5)]
    assert "c" in flags([cell("c", wide)], RULES)
    promised = cell("c", wide, sees=0.06)
    assert flags([promised], RULES) == {}
    finding = only(promised)
    assert (finding.verdict, finding.smallest, finding.could_hide) == (Verdict.INCONCLUSIVE, 0.06, True)
    assert "6 %" in finding.why
    assert only(cell("c", sees=math.inf)).verdict is Verdict.INCONCLUSIVE


def test_agreed_looks_share_alpha():
    slow = cell("slow", FAR[:10], FAR[:7])  # 2^-7 = 0.0078 <= 0.008
    assert only(slow).verdict is Verdict.REGRESSION
    assert only(slow, replace(RULES, looks=3)).verdict is not Verdict.REGRESSION


def test_names_are_unique_and_rules_make_sense():
    with pytest.raises(ValueError, match="one name"):
        decide([cell("a", NEAR), cell("a", NEAR)], RULES)
    for wrong in ({"detect": 0.005}, {"margin": -0.1}, {"looks": 0}, {"slower": Direction(2.0)}, {"level": 1.0}):
        with pytest.raises(ValueError, match=r"margin|cannot be|between"):
            replace(RULES, **wrong)


@given(st.integers(0, 2**32 - 1), st.lists(st.sampled_from([-0.06, -0.03, 0.0, 0.01, 0.03, 0.06]), min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_swapping_the_sides_mirrors_every_verdict(seed, shifts):
    for rules in (EVEN, RULES):
        cells = gate_of(np.random.default_rng(seed), shifts, rules, screen=9, confirm=20)
        other = [cell(c.name, [-b.difference for b in c.screen], [-b.difference for b in c.confirm]) for c in cells]
        for one, two in zip(decide(cells, rules), decide(other, rules.mirrored()), strict=True):
            assert two.verdict is MIRROR.get(one.verdict, one.verdict)
            assert (1 + one.low) * (1 + two.high) == pytest.approx(1)
            assert (1 + one.change) * (1 + two.change) == pytest.approx(1)


@given(st.integers(0, 2**32 - 1), st.permutations(range(5)))
@settings(max_examples=30, deadline=None)
def test_the_order_of_the_cells_changes_no_verdict(seed, order):
    cells = gate_of(np.random.default_rng(seed), [0.0, 0.02, 0.04, -0.05, 0.0], RULES, screen=9, confirm=20)
    findings = {finding.cell: finding for finding in decide(cells, RULES)}
    for again in decide([cells[i] for i in order], RULES):
        first = findings[again.cell]
        assert again.smallest == pytest.approx(first.smallest)  # from a mean over cells, which rounds by their order
        assert replace(again, smallest=0.0) == replace(first, smallest=0.0)
