import dataclasses

import pytest
from mmbench.configs.curve import Curve, Point
from mmbench.configs.machine import CacheClaim, Machine
from mmbench.configs.units import GIB, MIB
from mmbench.kernels.measure.affinity import allowed_cpus
from mmbench.probes import loaded_latency
from mmbench.probes.context import Context, Effort
from mmbench.probes.loaded_latency import infer, measure, set_bytes

EMPTY = Machine(1, "test")
CLAIMED = dataclasses.replace(EMPTY, cache_claims=(CacheClaim("sysfs", 3, "unified", 32 * MIB),))


def test_sets_lie_beyond_the_largest_cache_as_far_as_memory_allows():
    assert set_bytes(Context(Effort.DEFAULT, CLAIMED, memory_bytes=8 * GIB), 2) == (128 * MIB, 128 * MIB)
    assert set_bytes(Context(Effort.DEFAULT, CLAIMED, memory_bytes=8 * GIB), 9) == (128 * MIB, 16 * MIB)
    assert set_bytes(Context(Effort.DEFAULT, CLAIMED, memory_bytes=256 * MIB), 2) == (64 * MIB, 64 * MIB)


def test_one_cpu_or_too_little_memory_give_the_reason():
    assert "only one CPU" in measure(Context(Effort.QUICK, CLAIMED, cpus=(0,))).missing[0]
    cpus = (allowed_cpus()[0], 100_000)
    assert "too small" in measure(Context(Effort.QUICK, CLAIMED, cpu=cpus[0], cpus=cpus, memory_bytes=16 * MIB)).missing[0]
    assert "100000" in measure(Context(Effort.QUICK, CLAIMED, cpu=100_000, cpus=(100_000, 0))).missing[0]


def window(kernel: str, delay: int, injectors: int, drawn: float, latency_s: float, number: int) -> Point:
    """A window of 10 ms."""
    at = {"kernel": kernel, "delay": delay, "injectors": injectors, "drawn_bytes": drawn, "round": number}
    return Point(at, 0.01 / latency_s, (0.01,))


def test_rows_rise_in_bandwidth_and_hold_medians_over_rounds():
    points = [window("read", 1, 3, 4e8, latency_s, i) for i, latency_s in enumerate((200e-9, 210e-9, 900e-9))]
    points += [window("copy", 64, 3, 1e8, 120e-9, 0), window("", 0, 0, 0.0, 100e-9, 0)]
    machine = infer(Curve("loaded-latency", 1, "load", tuple(points), {"note": "a small set"}), EMPTY)
    assert [(r.injectors, r.delay) for r in machine.loaded_latency] == [(0, 0), (3, 64), (3, 1)]
    idle, copy, read = machine.loaded_latency
    assert idle.rate.number() == 0
    assert read.rate.number() == pytest.approx(4e10)
    assert read.latency.number() == pytest.approx(210e-9)
    assert read.latency.high == pytest.approx(900e-9, rel=4e-3)
    assert "half" in copy.latency.note
    assert "a small set" in idle.latency.note
    assert infer(Curve("loaded-latency", 1), EMPTY).loaded_latency == ()


@pytest.mark.skipif(len(allowed_cpus()) < 2, reason="needs two CPUs")
def test_a_sweep_has_an_idle_point_and_every_delay_of_both_kinds():
    cpus = allowed_cpus()[:2]
    curve = measure(Context(Effort.QUICK, EMPTY, cpu=cpus[0], cpus=cpus, memory_bytes=64 * MIB))
    rows = infer(curve, EMPTY).loaded_latency
    assert len(rows) == 1 + 2 * len(loaded_latency._DELAYS[Effort.QUICK])
    assert rows[0].injectors == 0
    assert all(r.latency.number() > 0 for r in rows)
    assert all(r.rate.number() > 0 for r in rows[1:])


def test_out_of_time_is_said():
    cpus = (allowed_cpus()[0], allowed_cpus()[-1])
    if cpus[0] == cpus[1]:
        cpus = (cpus[0], cpus[0] + 1)
    curve = measure(Context(Effort.QUICK, EMPTY, cpu=cpus[0], cpus=cpus, memory_bytes=64 * MIB, deadline=0.0))
    assert curve.points == ()
    assert "lack of time" in curve.missing[0]
