"""Timings to differences, and what is dropped without a look at the sides."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmbench.kernels.gate.blocks import (
    Block,
    Cell,
    Order,
    Quartet,
    Slot,
    block_of_launch,
    block_of_quartet,
    centre,
    counted,
    difference,
    discard_share,
    disturbance,
)

TIMES = st.lists(st.floats(1e-7, 1.0), min_size=1, max_size=5).map(tuple)
SLOTS = st.tuples(TIMES, TIMES, TIMES, TIMES).map(lambda four: tuple(Slot(times) for times in four))
MARKED = st.lists(st.sampled_from(["", "", "steal", "switched"]), min_size=5, max_size=5).map(tuple)


def quartet(order, *times_s, marks=((), (), (), ())):
    return Quartet(order, tuple(Slot((t,) if isinstance(t, float) else t, m) for t, m in zip(times_s, marks, strict=True)))


def test_a_quartet_by_hand():
    # A 1, B 2, B 4, A 1: half of (ln 2 + ln 4 - ln 1 - ln 1) = 1.5 ln 2
    assert difference(quartet(Order.ABBA, 1.0, 2.0, 4.0, 1.0)) == pytest.approx(1.5 * math.log(2))
    assert difference(quartet(Order.BAAB, 1.0, 2.0, 4.0, 1.0)) == pytest.approx(-1.5 * math.log(2))


def test_a_steady_drift_cancels_and_a_shift_stays():
    drifting = [math.exp(0.3 * i) for i in range(4)]
    assert difference(quartet(Order.ABBA, *drifting)) == pytest.approx(0, abs=1e-15)
    slower = [t * (1.03 if side == "B" else 1.0) for t, side in zip(drifting, "BAAB", strict=True)]
    assert difference(quartet(Order.BAAB, *slower)) == pytest.approx(math.log(1.03))


def test_the_centre_of_a_slot_is_robust_and_skips_what_is_no_time():
    assert centre(Slot((1.0, 1.0, 50.0))) == 0.0
    assert centre(Slot((math.e, math.nan, -1.0, 0.0))) == 1.0
    assert math.isnan(centre(Slot((0.0,))))


def test_disturbed_blocks_are_dropped_whole():
    clean = ("", "", "", "", "")
    times = (1.0,) * 5
    one_each = (("steal", "", "", "", ""),) * 4
    assert disturbance(quartet(Order.ABBA, times, times, times, times, marks=one_each).slots) == ""  # a fifth, and no more
    five = (("steal", "steal", "", "", ""), *one_each[1:])
    assert disturbance(quartet(Order.ABBA, times, times, times, times, marks=five).slots) == "disturbed"
    lumped = (("off-cpu",) * 3 + ("", ""), clean, clean, clean)
    assert disturbance(quartet(Order.ABBA, times, times, times, times, marks=lumped).slots) == "a turn mostly disturbed"
    block = block_of_quartet(7, quartet(Order.ABBA, times, times, times, times, marks=five))
    assert (block.launch, block.dropped, block.difference) == (7, "disturbed", 0.0)
    assert counted([block]) == []


def test_a_clock_that_runs_backwards_costs_the_block():
    block = block_of_quartet(0, quartet(Order.ABBA, 1.0, -1.0, 1.0, 1.0))
    assert block.dropped == "a turn without a time"
    assert math.isnan(block.difference)


@given(SLOTS, st.lists(MARKED, min_size=4, max_size=4))
@settings(max_examples=100, deadline=None)
def test_dropping_cannot_tell_sides_or_order(slots, marks):
    marked = [Slot(slot.times_s, mark[: len(slot.times_s)]) for slot, mark in zip(slots, marks, strict=True)]
    assert len({disturbance(order) for order in itertools.permutations(marked)}) == 1


@given(SLOTS, st.floats(1e-3, 1e3))
@settings(max_examples=200, deadline=None)
def test_scaling_both_sides_changes_nothing(slots, factor):
    scaled = tuple(Slot(tuple(t * factor for t in slot.times_s)) for slot in slots)
    for order in (Order.ABBA, Order.BAAB):
        assert difference(Quartet(order, scaled)) == pytest.approx(difference(Quartet(order, slots)), abs=1e-12)


@given(SLOTS)
@settings(max_examples=100, deadline=None)
def test_swapping_the_names_of_the_sides_turns_the_sign_exactly(slots):
    assert difference(Quartet(Order.ABBA, slots)) == -difference(Quartet(Order.BAAB, slots))


def test_a_launch_is_the_median_of_its_undisturbed_quartets():
    quartets = [quartet(Order.ABBA, 1.0, math.exp(d), math.exp(d), 1.0) for d in (0.1, 0.2, 0.9)]
    block = block_of_launch(3, quartets)
    assert (block.launch, block.order, block.dropped, block.quartets) == (3, Order.MIXED, "", 3)
    assert block.difference == pytest.approx(0.2)
    dirty = quartet(Order.ABBA, 1.0, 9.0, 9.0, 1.0, marks=(("steal",),) * 4)
    assert block_of_launch(3, [*quartets, dirty]) == block
    assert block_of_launch(3, [*quartets[:1], dirty, dirty]).dropped == "most quartets disturbed"
    assert block_of_launch(3, [dirty, dirty]).dropped == "every quartet disturbed"
    assert block_of_launch(3, []).dropped == "no quartet"
    assert block_of_launch(3, quartets[:1]).order is Order.ABBA


def test_records_refuse_what_cannot_be():
    with pytest.raises(ValueError, match="finite"):
        Block(0, Order.ABBA, math.nan)
    with pytest.raises(ValueError, match="ABBA or BAAB"):
        quartet(Order.MIXED, 1.0, 1.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="mark"):
        Slot((1.0, 2.0), ("",))
    with pytest.raises(ValueError, match="launch 1 serves both"):
        Cell("c", screen=(Block(1, Order.ABBA, 0.0),), confirm=(Block(1, Order.ABBA, 0.0),))


def test_the_share_of_dropped_blocks():
    good, bad = Block(0, Order.ABBA, 0.0), Block(1, Order.ABBA, math.nan, "disturbed")
    assert discard_share([Cell("a", screen=(good, bad)), Cell("b", confirm=(bad, bad))]) == 0.75
    assert discard_share([Cell("a")]) == 0.0
