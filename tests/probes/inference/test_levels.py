import math
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
from mmbench.probes.inference.levels import find_levels, refine_sizes

_SPEC = spec_from_file_location("synthetic_curves", Path(__file__).with_name("synthetic_curves.py"))
made = module_from_spec(_SPEC)
sys.modules[_SPEC.name] = made  # where its dataclasses look their own module up
_SPEC.loader.exec_module(made)
Cache, Fake, KIB, MIB = made.Cache, made.Fake, made.KIB, made.MIB

MACHINES = {
    "two levels": (Fake((Cache(32 * KIB, 4),), 80), 256 * MIB),
    "48K, 1.25M": (Fake((Cache(48 * KIB, 5), Cache(1.25 * MIB, 16, "random")), 300), 256 * MIB),
    "48K, 1.25M, 36M": (Fake((Cache(48 * KIB, 5), Cache(1.25 * MIB, 16), Cache(36 * MIB, 70, "random")), 350), 256 * MIB),
    "stacked cache": (Fake((Cache(32 * KIB, 4), Cache(1 * MIB, 14), Cache(96 * MIB, 50, "random")), 400), 1024 * MIB),
    "big first level": (Fake((Cache(128 * KIB, 3), Cache(12 * MIB, 16, "random")), 300), 256 * MIB),
    "five levels": (
        Fake((Cache(32 * KIB, 4), Cache(256 * KIB, 12), Cache(2 * MIB, 30), Cache(32 * MIB, 80, "random"), Cache(256 * MIB, 200)), 500),
        1024 * MIB,
    ),
    "page colours": (Fake((Cache(32 * KIB, 4), Cache(512 * KIB, 12, "coloured", 8), Cache(8 * MIB, 40, "coloured", 16)), 250), 256 * MIB),
}


def solved(fake, *, high=256 * MIB, per_octave=8, cycles=True, steps=(), **noise):
    sizes = made.grid(high=high, per_octave=per_octave)
    return find_levels(sizes, made.curve(fake, sizes, **noise), cycles=cycles, steps_of_translation=steps)


def assert_sizes(found, fake, within):
    caches = [level for level in found.levels if level.size_bytes is not None]
    assert len(caches) == len(fake.caches)
    for level, cache in zip(caches, fake.caches, strict=True):
        assert level.size_low <= cache.size <= level.size_high
        assert level.size_bytes == pytest.approx(cache.size, rel=within)
        assert level.size_low <= level.size_bytes <= level.size_high


def assert_latencies(found, fake, within):
    true = [*(c.latency for c in fake.caches), fake.memory]
    for level, latency in zip(found.levels, true, strict=True):
        assert level.latency == pytest.approx(latency, rel=within)
        assert level.latency_low <= level.latency <= level.latency_high
    assert found.levels[-1].size_bytes is None
    assert found.levels[-1].mechanism == ""


@pytest.mark.parametrize("name", MACHINES)
def test_quiet_machine_is_read_exactly(name):
    fake, high = MACHINES[name]
    found = solved(fake, high=high, noise=0.01, seed=1)
    assert_sizes(found, fake, within=0.06)
    assert_latencies(found, fake, within=0.03)
    assert found.non_monotone == ()
    for level, cache in zip(found.levels, fake.caches, strict=False):
        assert level.mechanism == (f"coloured-{cache.ways}" if cache.how == "coloured" else cache.how)


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("seed", [2, 3])
def test_heavy_noise_with_outliers_invents_and_loses_no_level(name, seed):
    fake, high = MACHINES[name]
    found = solved(fake, high=high, noise=0.15, outliers=0.05, seed=seed)
    caches = [level for level in found.levels if level.size_bytes is not None]
    assert len(caches) == len(fake.caches)
    for level, cache in zip(caches, fake.caches, strict=True):
        assert level.size_low / 1.05 <= cache.size <= level.size_high * 1.05
        assert level.size_bytes == pytest.approx(cache.size, rel=0.35)
    assert_latencies(found, fake, within=0.15)


def test_few_sizes_and_allocations_of_a_quick_run_are_enough():
    fake = MACHINES["48K, 1.25M, 36M"][0]
    found = solved(fake, per_octave=4, allocations=3, noise=0.03, seed=4)
    assert_sizes(found, fake, within=0.15)


def test_bisection_brings_every_edge_within_its_tolerance():
    fake = MACHINES["48K, 1.25M, 36M"][0]
    sizes = made.grid(per_octave=4)
    table = made.curve(fake, sizes, seed=5)
    for number in range(12):
        more = refine_sizes(sizes, table, tolerance=0.03, most=8)
        assert len(more) <= 8
        assert all(s % 64 == 0 and (s <= 16 * MIB or s % (256 * KIB) == 0) for s in more)
        assert not set(more) & set(sizes)
        if not more:
            break
        new = np.array(more, dtype=float)
        sizes = np.concatenate([sizes, new])
        table = np.concatenate([table, made.curve(fake, new, seed=100 + number)], axis=1)
    assert not more
    assert len(sizes) < 110
    found = find_levels(sizes, table, cycles=True)
    assert_sizes(found, fake, within=0.03)
    assert found.levels[0].size_high / found.levels[0].size_low < 1.07


def test_interval_is_never_finer_than_the_sizes_measured():
    found = solved(MACHINES["two levels"][0], noise=0.001, seed=6)
    first = found.levels[0]
    assert first.size_high / first.size_low >= 2 ** (1 / 8) * 0.999


def test_soft_shared_slice_is_one_level_with_a_wide_interval():
    fake = Fake((Cache(32 * KIB, 4), Cache(1 * MIB, 14), Cache(12 * MIB, 50, "soft", octaves=2.5)), 300)
    for noise in (0.01, 0.05):
        found = solved(fake, high=512 * MIB, noise=noise, seed=7)
        assert len(found.levels) == 4
        third = found.levels[2]
        assert third.size_low < 7 * MIB
        assert third.size_high > 20 * MIB
        assert third.size_bytes == pytest.approx(12 * MIB, rel=0.15)
        assert any("soft edge" in oddity for oddity in third.oddities)


def test_level_hidden_between_two_soft_edges_is_found_by_its_shelf():
    fake = Fake((Cache(32 * KIB, 4), Cache(512 * KIB, 12, "coloured", 8), Cache(6 * MIB, 37, "soft", octaves=2)), 250)
    found = solved(fake, noise=0.01, seed=3)
    assert len(found.levels) == 4
    assert found.levels[2].latency == pytest.approx(37, rel=0.12)
    assert found.levels[1].size_bytes == pytest.approx(512 * KIB, rel=0.1)
    assert any("no plateau of its own" in oddity for oddity in found.levels[2].oddities)


def test_single_wide_ramp_is_not_split():
    fake = Fake((Cache(32 * KIB, 4), Cache(6 * MIB, 37, "soft", octaves=4)), 250)
    for seed in range(3):
        assert len(solved(fake, high=1024 * MIB, noise=0.04, seed=seed).levels) == 3


def test_proven_tlb_step_ends_no_level():
    fake = Fake((Cache(48 * KIB, 5), Cache(1.25 * MIB, 16)), 300, tlb=((384 * KIB, 7),))
    assert len(solved(fake, noise=0.01).levels) == 4
    found = solved(fake, noise=0.01, steps=[(360 * KIB, 410 * KIB)])
    assert len(found.levels) == 3
    assert found.levels[1].latency == pytest.approx(16, rel=0.02)
    assert found.levels[1].size_low <= 1.25 * MIB <= found.levels[1].size_high
    assert any("TLB" in oddity for oddity in found.levels[1].oddities)


def test_tlb_range_over_a_real_cache_edge_does_not_hide_it():
    fake = MACHINES["48K, 1.25M, 36M"][0]
    found = solved(fake, noise=0.01, steps=[(1.1 * MIB, 1.4 * MIB)])
    assert_sizes(found, fake, within=0.06)


def test_learnt_chase_is_marked_where_latency_falls_again():
    fake = Fake((Cache(64 * KIB, 4), Cache(2 * MIB, 11), Cache(32 * MIB, 80)), 350, dips=((64 * KIB, 300 * KIB, 9),))
    found = solved(fake, noise=0.02, seed=3)
    assert len(found.levels) == 4
    assert found.levels[1].latency == pytest.approx(11, rel=0.06)
    assert len(found.non_monotone) == 1
    low, high = found.non_monotone[0]
    assert 64 * KIB <= low <= 300 * KIB <= high <= 2.1 * MIB
    assert any("prefetcher" in oddity for oddity in found.levels[1].oddities)
    assert found.notes


def test_small_step_inside_a_level_is_an_oddity():
    fake = Fake((Cache(64 * KIB, 4), Cache(1 * MIB, 11)), 120, tlb=((512 * KIB, 2),))
    found = solved(fake, noise=0.005, seed=8)
    assert len(found.levels) == 3
    assert any("inside this level" in oddity for oddity in found.levels[1].oddities)


def test_memory_that_drifts_upwards_is_still_one_level():
    sizes = made.grid(high=1024 * MIB)
    fake = MACHINES["48K, 1.25M, 36M"][0]
    drift = np.maximum(1, 1 + 0.06 * np.log2(sizes / (64 * MIB)))
    found = find_levels(sizes, made.curve(fake, sizes, noise=0.02, seed=9) * drift, cycles=True)
    assert len(found.levels) == 4


def test_curve_cut_off_in_its_last_climb_gives_a_lower_bound():
    fake = Fake((Cache(32 * KIB, 4), Cache(512 * KIB, 12), Cache(96 * MIB, 50, "random")), 400)
    found = solved(fake, high=192 * MIB, noise=0.01, seed=10)
    assert len(found.levels) == 4
    assert found.levels[3].latency < 400
    assert any("lower bound" in oddity for oddity in found.levels[3].oddities)
    assert found.levels[2].size_low <= 96 * MIB <= found.levels[2].size_high


def test_curve_that_starts_beyond_the_first_plateau_says_so():
    sizes = made.grid(24 * KIB, 64 * MIB)
    fake = Fake((Cache(32 * KIB, 4), Cache(1 * MIB, 14)), 200)
    found = find_levels(sizes, made.curve(fake, sizes, seed=11), cycles=True)
    assert [round(level.latency) for level in found.levels] == [4, 14, 200]


def test_only_one_level():
    found = solved(Fake((), 90), noise=0.05, seed=12)
    assert len(found.levels) == 1
    assert found.levels[0].size_bytes is None
    assert found.levels[0].latency == pytest.approx(90, rel=0.03)
    assert "one plateau only" in found.notes[0]


def test_holes_in_the_table_are_ignored():
    fake = MACHINES["48K, 1.25M, 36M"][0]
    sizes = made.grid()
    table = made.curve(fake, sizes, noise=0.02, seed=13)
    random = np.random.default_rng(13)
    table[random.random(table.shape) < 0.2] = math.nan
    table[:, 30] = math.nan
    table[0, :] = math.nan
    assert_sizes(find_levels(sizes, table, cycles=True), fake, within=0.07)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_too_few_sizes_give_a_clear_empty_answer(count):
    found = find_levels(np.arange(count) + 1024, np.ones((3, count)), cycles=False)
    assert found.levels == ()
    assert "fewer than 8 sizes" in found.notes[0]
    assert refine_sizes(np.arange(count) + 1024, np.ones((3, count))) == []


def test_table_without_a_number_gives_the_empty_answer():
    assert find_levels(made.grid(), np.full((3, len(made.grid())), math.nan), cycles=True).levels == ()


def test_table_of_another_width_is_our_bug():
    with pytest.raises(ValueError, match="10 sizes"):
        find_levels(np.arange(10) + 1024, np.ones((3, 9)), cycles=False)


def test_same_input_and_seed_give_the_same_answer_in_any_order_of_sizes():
    fake = MACHINES["page colours"][0]
    sizes = made.grid()
    table = made.curve(fake, sizes, noise=0.03, seed=14)
    first = find_levels(sizes, table, cycles=True, seed=1)
    assert first == find_levels(sizes[::-1], table[:, ::-1], cycles=True, seed=1)


def test_one_allocation_gives_levels_with_intervals_too():
    fake = MACHINES["48K, 1.25M, 36M"][0]
    found = solved(fake, allocations=1, noise=0.02, seed=15)
    assert_sizes(found, fake, within=0.1)


def test_measured_curve_of_a_zen_3_guest():
    # Page-grouped random chase on a guest, ns; few sizes, so drawn at eight an octave between them.
    kib = [16, 24, 32, 64, 128, 192, 256, 384, 512, 1024, 2048, 4096, 8192, 32768, 65536]
    ns = [1.37, 1.55, 1.88, 3.78, 3.84, 3.89, 4.5, 4.1, 6.7, 11.4, 12.4, 11.9, 81, 80, 84]
    sizes = np.exp2(np.arange(14, 26.01, 1 / 8))
    drawn = np.exp(np.interp(np.log2(sizes), np.log2(np.array(kib) * KIB), np.log(ns)))
    table = drawn * np.exp(np.random.default_rng(0).normal(0, 0.03, (5, len(sizes))))
    found = find_levels(sizes, table, cycles=False)
    assert [round(level.latency) for level in found.levels] == [1, 4, 12, 80]
    assert found.levels[0].size_bytes == pytest.approx(45 * KIB, rel=0.3)
    assert found.levels[1].size_low <= 512 * KIB <= found.levels[1].size_high
    assert 4 * MIB <= found.levels[2].size_bytes <= 8 * MIB
