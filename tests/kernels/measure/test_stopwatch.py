"""The stopwatch: its arithmetic on planted stamps, and one real run."""

from __future__ import annotations

import ctypes
import dataclasses

import numpy as np
import pytest
from mmbench.kernels.emit import ir
from mmbench.kernels.emit.jit import assembly, compile_ir
from mmbench.kernels.emit.target import Target
from mmbench.kernels.measure.stopwatch import CHAIN_LINKS, STAMPS, Kernel, MachineStopwatch, reading_of, stopwatch, stopwatch_ir
from mmbench.kernels.measure.timer import timer

TICK_HZ = 2e9
CHAIN = 48
LINK_TICKS = 0.625  # a core at 3.2 GHz under a counter of 2 GHz
CORE_HZ = TICK_HZ / LINK_TICKS


def stamps(
    bursts: int, work: float, *, cost: float = 100.0, first: float = 900.0, doubled: bool = True, extra: np.ndarray | None = None
) -> np.ndarray:
    """Nine stamps a burst: chains, kernel(n), what lies between; a piece costs `cost` beyond its work; `extra` is added."""
    once = CHAIN * CHAIN_LINKS * LINK_TICKS + cost
    twice = 2 * CHAIN * CHAIN_LINKS * LINK_TICKS + cost
    again = 2 * work + cost if doubled else 0.0
    pieces = np.tile([once, twice, first, work + cost, again, 300.0, once, twice], (bursts, 1))
    if extra is not None:
        pieces = pieces + extra
    begin = np.arange(bursts)[:, None] * (pieces.sum() + 1000)
    return np.round(np.hstack([begin, begin + np.cumsum(pieces, axis=1)])).astype(np.int64)


def test_a_burst_has_as_many_stamps_as_the_arithmetic_expects() -> None:
    assert stamps(2, 1.0).shape == (2, STAMPS)


@pytest.mark.parametrize("cost", [0.0, 100.0, 7777.0])
@pytest.mark.parametrize("first", [0.0, 1e6])
def test_the_difference_of_n_and_2n_takes_every_constant_cost_away(cost: float, first: float) -> None:
    reading = reading_of(stamps(5, 80_000, cost=cost, first=first), TICK_HZ, CHAIN, doubled=True)
    assert reading.time_s == pytest.approx(80_000 / TICK_HZ, rel=1e-9)
    assert reading.clock_hz == pytest.approx(CORE_HZ, rel=1e-9)


def test_undoubled_work_is_the_one_run_with_its_cost() -> None:
    reading = reading_of(stamps(3, 5e6, doubled=False), TICK_HZ, CHAIN, doubled=False)
    assert reading.time_s == pytest.approx((5e6 + 100) / TICK_HZ, rel=1e-9)
    assert reading.clock_hz == pytest.approx(CORE_HZ, rel=1e-9)


def with_slower_chains(ticks: np.ndarray, share: float) -> np.ndarray:
    """The same burst, its chains behind the work `share` times as long: pieces 6 and 7 of 8."""
    pieces = np.diff(ticks, axis=1).astype(np.float64)
    pieces[:, 6:8] *= share
    return np.round(np.hstack([ticks[:, :1], ticks[:, :1] + np.cumsum(pieces, axis=1)])).astype(np.int64)


@pytest.mark.parametrize(("share", "clock"), [(1.2, CORE_HZ / 1.2), (0.9, CORE_HZ / 0.9), (4.0, CORE_HZ)])
def test_long_work_has_the_clock_that_it_leaves_behind_unless_that_chain_was_disturbed(share: float, clock: float) -> None:
    ticks = with_slower_chains(stamps(1, 5e7, doubled=False), share)
    assert reading_of(ticks, TICK_HZ, CHAIN, doubled=False).clock_hz == pytest.approx(clock, rel=1e-4)


def test_short_work_has_the_clock_of_the_chain_that_nothing_disturbed() -> None:
    ticks = with_slower_chains(stamps(5, 80_000), 1.3)
    assert reading_of(ticks, TICK_HZ, CHAIN, doubled=True).clock_hz == pytest.approx(CORE_HZ, rel=1e-4)


def test_wall_time_is_from_the_first_stamp_to_the_last() -> None:
    ticks = stamps(4, 1000)
    assert reading_of(ticks, TICK_HZ, CHAIN, doubled=True).wall_s == (ticks.max() - ticks.min()) / TICK_HZ


def test_disturbed_bursts_change_neither_time_nor_clock() -> None:
    extra = np.zeros((9, STAMPS - 1))
    extra[1, :] = 50_000
    extra[4, 3] = 30_000  # in kernel(n): its doubled difference is far too small
    extra[7, 4] = 30_000  # in kernel(2n)
    extra[2, 0] = 9_000  # in a chain
    reading = reading_of(stamps(9, 80_000, extra=extra), TICK_HZ, CHAIN, doubled=True)
    assert reading.time_s == pytest.approx(80_000 / TICK_HZ, rel=1e-6)
    assert reading.clock_hz == pytest.approx(CORE_HZ, rel=1e-6)


def test_chains_that_make_no_sense_give_no_clock() -> None:
    ticks = stamps(5, 80_000)
    ticks[:] = ticks[:, [0, 1, 1, 3, 4, 5, 6, 7, 7]]  # chain(2c) took no time at all
    reading = reading_of(ticks, TICK_HZ, CHAIN, doubled=True)
    assert reading.clock_hz == 0.0
    assert reading.time_s == pytest.approx(80_000 / TICK_HZ)


def test_work_below_nothing_is_told_as_it_was_read() -> None:
    extra = np.zeros((3, STAMPS - 1))
    extra[:, 3] = 10_000
    assert reading_of(stamps(3, 10, extra=extra), TICK_HZ, CHAIN, doubled=True).time_s < 0


COUNT = "\n".join(
    [
        "entry:",
        "  %last = getelementptr i64, ptr %context, i64 1",
        "  store i64 %n, ptr %last",
        "  br label %loop",
        ir.counted_loop(
            "loop", "%n", [], ["  %v = load volatile i64, ptr %context", "  %w = add i64 %v, 1", "  store volatile i64 %w, ptr %context"]
        ),
        "done:",
        "  ret void",
    ]
)


def counter() -> tuple[Kernel, np.ndarray]:
    """A kernel that adds n to word 0 and leaves n in word 1."""
    code = compile_ir(ir.function("count", COUNT))
    words = np.zeros(2, dtype=np.int64)
    return Kernel(code.address("count"), words.ctypes.data, (code, words)), words


@pytest.mark.parametrize(("doubled", "units"), [(True, 4), (False, 1)])
def test_the_kernel_does_n_units_then_twice_of_it_in_every_burst(doubled: bool, units: int) -> None:
    kernel, words = counter()
    ticks = stopwatch().stamps(kernel, 50, 6, doubled=doubled)
    assert words[0] == 6 * 50 * units
    assert words[1] == (100 if doubled else 50)
    assert ticks.shape == (6, STAMPS)
    assert (np.diff(ticks.ravel()) >= 0).all()


def test_a_real_reading_is_plausible() -> None:
    kernel, _ = counter()
    readings = [stopwatch().read(kernel, 20_000, 7, doubled=True) for _ in range(5)]
    assert np.median([r.time_s for r in readings]) > 0
    assert 0.2e9 < np.median([r.clock_hz for r in readings]) < 8e9
    assert all(r.wall_s > r.time_s for r in readings)


def test_a_coarse_counter_gets_a_longer_chain() -> None:
    fine, coarse = (dataclasses.replace(timer(), step_s=step_s) for step_s in (1e-10, 1 / 24e6))
    assert MachineStopwatch(fine, chain_c=48).chain_c == 48
    assert MachineStopwatch(coarse, chain_c=48).chain_c * CHAIN_LINKS / 3e9 == pytest.approx(400 / 24e6, rel=0.02)


def test_the_chain_is_the_sum_that_it_claims() -> None:
    code = compile_ir(ir.chain_loop(Target.host().arch, 8))
    slots = np.array([3, 0], dtype=np.int64)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(code.address("chain"))(slots.ctypes.data, 10)
    assert slots[1] == 3 * (1 + 80)


@pytest.mark.parametrize(
    ("name", "read", "fence"),
    [
        ("haswell", r"rdtsc", "lfence"),
        ("znver5", r"rdtsc", "lfence"),
        ("neoverse-v2", "CNTVCT_EL0", "isb"),
        ("apple-m4", "CNTVCT_EL0", "isb"),
        ("spacemit-x60", "rdtime", "fence"),
        ("pwr10", "clock_gettime", ""),
    ],
)
def test_the_stopwatch_can_be_emitted_with_nine_fenced_reads(name: str, read: str, fence: str) -> None:
    target = Target.named(name)
    text = assembly(stopwatch_ir(target), target)
    if fence:
        assert text.count(read) == STAMPS, text
        assert sum(line.split()[:1] == [fence] for line in text.splitlines()) == 2 * STAMPS
    else:
        assert read in text
