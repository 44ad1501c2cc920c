import dataclasses
import itertools

import pytest
from mmbench.configs.cases import Case
from mmbench.configs.facts import How, measured
from mmbench.configs.machine import MACHINE_SCHEMA, CacheClaim, CacheLevel, Machine, Roof, UnitRate
from mmbench.kernels.roofline import Compute, Level, Roofs, elsewhere


def unit(op, dtype, instruction, rate, per_cycle, core_kind=""):
    fact = measured(per_cycle, "op/cycle", "simd@1")
    other = measured(1.0, "", "simd@1")
    return UnitRate("unit", op, dtype, 512, instruction, measured(rate, "op/s", "simd@1"), fact, other, other, other, core_kind=core_kind)


def cache(name, size, sharing="private"):
    number = measured(1.0, "", "latency@1")
    return CacheLevel(name, measured(size, "B", "latency@1"), number, number, number, number, measured(sharing, "", "geometry@1"))


def machine():
    memory = [
        ("L1d", 1, 200e9),
        ("L1d", 2, 400e9),
        ("L2", 1, 100e9),
        ("L2", 2, 200e9),
        ("L3", 1, 80e9),
        ("L3", 2, 120e9),
        ("DRAM", 1, 20e9),
    ]
    roofs = tuple(Roof("memory", f"{level} read", "", level, t, measured(rate, "B/s", "bandwidth@1")) for level, t, rate in memory)
    rates = (
        unit("fma", "f32", "vfmadd", 128e9, 32.0),
        unit("fma+add", "f32", "vfmadd + vaddps", 177e9, 44.0),
        unit("fma", "f16", "vfmaddph", 256e9, 64.0),
        unit("dot", "bf16", "vdpbf16ps", 250e9, 62.0),
        unit("dot", "int8", "vpmaddubsw", 600e9, 150.0),
        unit("dot", "int8", "vpdpbusd", 500e9, 125.0),
    )
    caches = (cache("L1d", 48 << 10), cache("L2", 1 << 20), cache("L3", 16 << 20, "shared"), cache("DRAM", 1))
    return Machine(MACHINE_SCHEMA, "m", simd=rates, caches=caches, roofs=roofs)


def test_only_multiply_adds_that_give_right_sums_make_a_ceiling():
    roofs = Roofs.of(machine())
    assert roofs.compute["f32"] == Compute(128e9, 32.0, "unit vfmadd f32")  # not the mix with additions
    assert "f16" not in roofs.compute  # sums in half precision
    assert roofs.compute["int8"].name == "unit vpdpbusd int8"  # not the saturating one
    assert roofs.compute_of(Case(8, 8, 8, dtype="f16")) == roofs.compute["f32"]
    assert roofs.compute_of(Case(8, 8, 8, dtype="bf16")) == roofs.compute["bf16"]


def test_the_roof_of_a_large_cube_is_compute_at_the_clock_of_the_sample():
    roofs = Roofs.of(machine())
    case = Case(1024, 1024, 1024)
    assert roofs.roof(case).rate == 128e9
    slowed = roofs.roof(case, clock_hz=2e9)
    assert (slowed.rate, slowed.bound) == (64e9, "compute")
    assert roofs.roof(dataclasses.replace(case, threads=2)).rate == 256e9


def vector_of(size_bytes):
    """A matrix times a vector whose operands are about so large."""
    n = round((size_bytes / 4) ** 0.5)
    return Case(1, n, n)


def test_the_roof_of_a_matrix_times_a_vector_is_the_level_that_holds_it():
    roofs = Roofs.of(machine())
    small = roofs.roof(Case(1, 96, 96))  # 37 KiB
    assert small.bound == "L1d"
    assert small.rate == pytest.approx(200e9 * small.intensity)
    assert roofs.roof(Case(1, 400, 400)).bound == "L2"
    assert roofs.roof(Case(1, 4096, 4096)).bound == "DRAM"
    assert roofs.roof(Case(1, 96, 96, temperature="cold")).bound == "DRAM"


def test_what_does_not_fit_comes_from_further_out_and_the_rest_does_not():
    roofs = Roofs.of(machine())
    case = vector_of(1.5 * (1 << 20))
    size = case.traffic_bytes()
    first, second = 48 << 10, 1 << 20
    wanted = size / (first / 200e9 + (second - first) / 100e9 + (size - second) / 80e9)
    assert roofs.memory(case) == (pytest.approx(wanted), pytest.approx(wanted), "L2")
    cold = dataclasses.replace(case, temperature="cold")
    assert roofs.memory(cold) == (pytest.approx(20e9), pytest.approx(20e9), "DRAM")


def test_a_roof_never_leaps_where_a_level_ends():
    roofs = Roofs.of(machine())
    rates = [roofs.memory(vector_of(2.0**e))[0] for e in [10 + 0.02 * i for i in range(900)]]
    assert all(1.000001 * a >= b > 0.93 * a for a, b in itertools.pairwise(rates))
    assert rates[0] == pytest.approx(200e9)
    assert 20e9 < rates[-1] < 23e9


def claimed(level, size, high=None):
    claim = CacheClaim("sysfs", 2, "unified", size)
    return dataclasses.replace(level, claims=(claim,), size=dataclasses.replace(level.size, low=1.0, high=high or level.size.value))


def test_a_private_cache_may_hold_what_is_claimed_and_a_shared_one_what_was_measured():
    one = machine()
    caches = [one.caches[0], claimed(one.caches[1], 2 << 20), claimed(one.caches[2], 99 << 20, high=20 << 20), one.caches[3]]
    levels = {level.name: level.size_bytes for level in Roofs.of(dataclasses.replace(one, caches=tuple(caches))).levels}
    assert levels == {"L1d": 48 << 10, "L2": 2 << 20, "L3": 20 << 20, "DRAM": None}


def test_without_a_rate_of_a_level_that_is_needed_only_compute_bounds():
    one = machine()
    roofs = Roofs.of(dataclasses.replace(one, roofs=tuple(r for r in one.roofs if r.level != "L3")))
    assert roofs.memory(vector_of(1 << 14)) is not None
    assert roofs.memory(vector_of(4 << 20)) is None
    assert roofs.roof(vector_of(4 << 20)).bound == "compute"


def test_private_caches_of_several_threads_add_up_and_shared_ones_do_not():
    private, shared = Level("L2", 100, False, {1: 1.0}), Level("L3", 100, True, {1: 1.0})
    assert private.room(2) == 200
    assert shared.room(2) == 100
    assert Level("DRAM", None, True, {}).room(1) > 1 << 60


@pytest.mark.parametrize(("threads", "rate"), [(1, 10.0), (2, 15.0), (3, 20.0), (4, 20.0)])
def test_bandwidth_between_two_counts_of_threads_is_interpolated(threads, rate):
    assert Level("L3", 1, True, {1: 10.0, 3: 20.0}).rate(threads) == rate


def test_a_rate_over_the_peak_is_told_and_one_at_the_peak_is_not():
    roofs = Roofs.of(machine())
    case = Case(512, 512, 512)
    assert roofs.too_fast(case, 128e9, 4e9) == ""
    assert roofs.too_fast(case, 140e9, 4e9) == ""  # within 110 %
    assert "200 % of the measured peak" in roofs.too_fast(case, 256e9, 4e9)
    assert "peak" in roofs.too_fast(case, 140e9, 2e9)  # at half the clock it is too much
    assert roofs.too_fast(case, float("nan"), 4e9) == ""


def test_without_a_machine_nothing_is_known_and_nothing_is_too_fast():
    roofs = Roofs.of(None)
    assert not roofs.known
    assert roofs.roof(Case(8, 8, 8)) is None
    assert roofs.too_fast(Case(8, 8, 8), 1e30, 1e9) == ""


def test_a_row_from_another_device_has_no_roof_here():
    assert elsewhere({"device": "cuda:0"})
    assert not elsewhere({"device": "cpu"})
    assert not elsewhere({})


def test_a_rate_is_above_its_roof_only_beyond_the_upper_end_of_the_roof():
    one = machine()
    wide = tuple(
        dataclasses.replace(r, rate=measured(r.rate.value, "B/s", "bandwidth@1", r.rate.value / 1.1, r.rate.value * 1.1)) for r in one.roofs
    )
    roof = Roofs.of(dataclasses.replace(one, roofs=wide)).roof(vector_of(1 << 28))
    assert roof.high == pytest.approx(1.1 * roof.rate)
    assert not roof.below(1.08 * roof.rate)
    assert roof.below(1.12 * roof.rate)
    exact = Roofs.of(one).roof(vector_of(1 << 28))
    assert exact.high == pytest.approx(exact.rate)


def test_several_threads_have_the_roof_that_they_reached_together():
    one = machine()
    together = Roof("compute", "unit fma f32", "f32", "", 2, measured(200e9, "op/s", "peaks@1", 190e9, 210e9))
    derived = dataclasses.replace(together, threads=4, rate=dataclasses.replace(together.rate, value=512e9, how=How.DERIVED))
    roofs = Roofs.of(dataclasses.replace(one, roofs=(*one.roofs, together, derived)))
    case = Case(1024, 1024, 1024, threads=2)
    assert roofs.roof(case, clock_hz=4e9).rate == 200e9
    assert roofs.roof(case).high == pytest.approx(210e9)
    assert roofs.roof(dataclasses.replace(case, threads=4)).rate == 4 * 128e9  # that one was never measured
    assert roofs.roof(dataclasses.replace(case, threads=1), clock_hz=2e9).rate == 64e9
