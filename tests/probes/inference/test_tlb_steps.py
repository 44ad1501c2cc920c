import math

import numpy as np
import pytest
from mmbench.probes.inference.tlb import find_tlb, find_tlb_steps

COUNTS = np.unique(np.round(12 * 2 ** (np.arange(0, 57) / 6)))


def cache(lines, l1d_lines=512):
    return 4 + 8 * (lines > l1d_lines) + 30 * (lines > 8192)


def tables(levels, *, counts=COUNTS, rounds=5, noise=0.1, seed=0, slow_from=math.inf, extra=lambda _: 0.0):
    """(spread, packed): `levels` are (entries, cost of a miss); beyond `slow_from` pages delta climbs without end."""
    random = np.random.default_rng(seed)
    packed = np.array([cache(n) for n in counts], dtype=float)
    cost = [sum(c for e, c in levels if n > e) + 6 * math.log2(max(1.0, n / slow_from)) + extra(n) for n in counts]
    return tuple(base + random.normal(0, noise, (rounds, len(counts))) for base in (packed + np.array(cost), packed))


def steps(levels, *, validated=True, cycles=True, noise_floor=1.0, l1d_lines=512, **how):
    spread, packed = tables(levels, seed=1, **how)
    again = tables(levels, seed=2, **how) if validated else None
    counts = how.get("counts", COUNTS)
    return find_tlb(counts, spread, packed, validation=again, l1d_lines=l1d_lines, noise_floor=noise_floor, cycles=cycles)


@pytest.mark.parametrize("entries", [32, 48, 64, 96, 160, 256])
def test_small_first_levels_are_found_below_the_l1_capacity(entries):
    found = steps([(entries, 7), (2048, 25)]).steps
    assert len(found) == 2
    assert found[0].entries_low <= entries < found[0].entries_high
    assert found[0].entries_high / found[0].entries_low < 1.2
    assert found[0].miss == pytest.approx(7, abs=0.3)
    assert found[1].entries_low <= 2048 < found[1].entries_high
    assert found[1].miss == pytest.approx(25, abs=0.5)
    assert all(s.validated and s.miss_low <= s.miss <= s.miss_high for s in found)


def test_edges_of_data_caches_cancel():
    found = steps([])
    assert found.steps == ()


@pytest.mark.parametrize("seed", range(4))
def test_noise_alone_gives_no_step(seed):
    spread, packed = tables([], noise=1.5, seed=seed)
    assert find_tlb_steps(COUNTS, spread, packed, l1d_lines=512, noise_floor=1.0, cycles=True) == []


def test_heavy_noise_still_shows_both_levels():
    found = steps([(64, 7), (1536, 25)], noise=2.0, rounds=9).steps
    assert [s.entries_low <= e <= s.entries_high for s, e in zip(found, (64, 1536), strict=True)] == [True, True]


def test_bump_at_the_l1_capacity_is_no_level():
    found = steps([(64, 7)], extra=lambda n: 6.0 if 300 < n <= 900 else 0.0)
    assert [s.entries_low <= 64 < s.entries_high for s in found.steps] == [True]
    assert any("falls back" in note for note in found.notes)


def test_level_at_the_l1_capacity_that_stays_is_one():
    found = steps([(48, 11), (512, 30)]).steps
    assert len(found) == 2
    assert found[1].entries_low <= 512 < found[1].entries_high


def test_step_at_the_l1_capacity_unseen_beyond_it_is_turned_down():
    counts = COUNTS[COUNTS <= 1000]
    found = steps([(64, 7), (700, 9)], counts=counts)
    assert len(found.steps) == 1
    assert any("capacity of the L1 data cache" in note for note in found.notes)


def test_slow_climb_of_page_walks_is_no_level_and_says_why():
    found = steps([(64, 7), (1024, 20)], slow_from=3000)
    assert len(found.steps) == 2
    assert found.steps[1].entries_low <= 1024 < found.steps[1].entries_high
    endless = steps([(64, 7)], slow_from=500)
    assert len(endless.steps) == 1
    assert any("without levelling off" in note for note in endless.notes)


def test_step_under_half_a_nanosecond_does_not_count():
    assert steps([(64, 0.3)], noise=0.01, noise_floor=0.05, cycles=False).steps == ()
    assert len(steps([(64, 0.8)], noise=0.01, noise_floor=0.05, cycles=False).steps) == 1


def test_step_that_the_second_pass_does_not_show_is_dropped():
    spread, packed = tables([(64, 7), (1536, 25)], seed=1)
    again = tables([(64, 7)], seed=2)
    found = find_tlb(COUNTS, spread, packed, validation=again, l1d_lines=512, noise_floor=1.0, cycles=True)
    assert len(found.steps) == 1
    assert any("validation" in note for note in found.notes)


def test_without_a_second_pass_steps_are_marked_so():
    found = steps([(64, 7)], validated=False).steps
    assert [s.validated for s in found] == [False]


def test_step_at_the_last_points_does_not_persist():
    counts = COUNTS[COUNTS <= 80]
    assert steps([(70, 7)], counts=counts).steps == ()


def test_holes_and_order_do_not_matter():
    spread, packed = tables([(64, 7), (2048, 25)], seed=1)
    spread[0, ::3] = math.nan
    packed[:, 17] = math.nan
    turned = find_tlb_steps(COUNTS[::-1], spread[:, ::-1], packed[:, ::-1], l1d_lines=512, noise_floor=1.0, cycles=True)
    assert turned == find_tlb_steps(COUNTS, spread, packed, l1d_lines=512, noise_floor=1.0, cycles=True)
    assert len(turned) == 2


def test_too_few_points_say_so():
    found = find_tlb(COUNTS[:4], np.ones((3, 4)), np.ones((3, 4)), l1d_lines=512, noise_floor=1.0, cycles=True)
    assert found.steps == ()
    assert "fewer than 6" in found.notes[0]


def test_soft_edge_has_a_wide_range_around_its_half_way_point():
    found = steps([], extra=lambda n: 20 / (1 + (1500 / n) ** 4)).steps
    assert len(found) == 1
    assert found[0].entries == pytest.approx(1500, rel=0.15)
    assert found[0].entries_low < 1250
    assert found[0].entries_high > 1800
