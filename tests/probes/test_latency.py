"""Cache levels out of planted latency curves, a real sliver of one, and a whole machine that was captured."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path

import numpy as np
import pytest
from mmbench.configs.curve import Curve, Point
from mmbench.configs.facts import measured
from mmbench.configs.machine import CacheClaim, Machine, TlbLevel, Verdict
from mmbench.configs.store import parse_machine
from mmbench.configs.units import GIB, KIB, MIB
from mmbench.kernels.measure.chase import GROUP_BYTES
from mmbench.probes.context import Context, Effort
from mmbench.probes.latency import infer, sizes_between, top_bytes
from mmbench.probes.runner import reinfer
from mmbench.reports.screen import machine_screen

HZ = 3e9
CLAIMS = (CacheClaim("sysfs", 1, "data", 48 * KIB), CacheClaim("sysfs", 2, "unified", 2 * MIB), CacheClaim("sysfs", 3, "unified", 32 * MIB))
MACHINE = Machine(1, "test", cache_claims=CLAIMS)
CACHES = ((48 * KIB, 5.0), (2 * MIB, 16.0), (32 * MIB, 70.0))
CAPTURED = Path(__file__).parents[1] / "machines" / "probe-emeraldrapids-guest.json.gz"


def planted(
    *,
    caches: tuple[tuple[int, float], ...] = CACHES,
    memory: float = 300.0,
    hz: float = HZ,
    steps: tuple[tuple[int, float], ...] = (),
    top: int = 256 * MIB,
) -> Curve:
    """Sharp caches, eight sizes an octave, five allocations; `steps`: (working set, cycles that translation adds beyond it)."""
    random = np.random.default_rng(3)
    points = []
    for allocation in range(5):
        for size in sizes_between(8 * KIB, top, 8, 64):
            cycles = next((c for limit, c in caches if size <= limit), memory) + sum(c for limit, c in steps if size > limit)
            times = tuple(1000 * cycles * float(np.exp(abs(random.normal(0, 0.004)))) / HZ for _ in range(3))
            at = {"pages": "huge", "order": "grouped", "allocation": allocation, "size_bytes": size}
            points.append(Point(at, 1000.0, times, (hz,) * 3))
    return Curve("latency", 1, "load", tuple(points), {"huge_share.huge": 1.0, "line_bytes": 64})


def test_planted_levels_are_found_named_and_judged() -> None:
    levels = infer(planted(), MACHINE).caches
    assert [c.name for c in levels] == ["L1d", "L2", "L3", "DRAM"]
    for level, (size, cycles) in zip(levels, CACHES, strict=False):
        assert level.size.number() == pytest.approx(size, rel=0.06)
        assert level.latency_cycles.number() == pytest.approx(cycles, rel=0.03)
        assert level.latency.number() == pytest.approx(cycles / HZ, rel=0.03)
        assert level.judgement.verdict is Verdict.AGREES
        assert level.claims
    assert levels[-1].latency_cycles.number() == pytest.approx(300, rel=0.03)
    assert not levels[-1].size.known
    assert all(c.latency.low <= c.latency.number() <= c.latency.high for c in levels)


def test_a_step_of_translation_on_huge_pages_is_no_level() -> None:
    entries = measured(96, "pages", "tlb@1", 96, 104)
    cost = measured(7.0, "cycles", "tlb@1")
    machine = Machine(1, "test", cache_claims=CLAIMS, tlbs=(TlbLevel("L1 dTLB", 4096, entries, cost, cost, pages="huge"),))
    levels = infer(planted(steps=((96 * 4096, 7.0),)), machine).caches
    assert [c.name for c in levels] == ["L1d", "L2", "L3", "DRAM"]
    assert levels[1].size.number() == pytest.approx(2 * MIB, rel=0.1)


def test_a_claim_that_is_not_met_is_judged() -> None:
    levels = infer(planted(caches=((48 * KIB, 5.0), (MIB, 16.0), (32 * MIB, 70.0))), MACHINE).caches
    assert levels[1].judgement.verdict is Verdict.CLAIM_LARGER
    assert levels[1].size.number() == pytest.approx(MIB, rel=0.06)


def test_without_a_clock_latencies_are_in_seconds_alone() -> None:
    level = infer(planted(hz=0.0), MACHINE).caches[0]
    assert level.latency.number() == pytest.approx(5 / HZ, rel=0.03)
    assert "core clock" in level.latency_cycles.note


def test_a_curve_that_ends_inside_a_cache_does_not_call_it_memory() -> None:
    levels = infer(planted(top=8 * MIB), MACHINE).caches
    assert [c.name for c in levels] == ["L1d", "L2", "L3"]
    assert "beyond the largest working set" in levels[-1].size.note


def test_too_few_sizes_give_no_levels() -> None:
    assert infer(Curve("latency", 1, "load", planted().points[:3]), MACHINE).caches == ()


def test_sizes_lie_even_and_whole() -> None:
    sizes = sizes_between(8 * KIB, 256 * MIB, 8, 64)
    assert sizes[0] == 8 * KIB
    assert sizes[-1] == 256 * MIB
    assert all(s % 64 == 0 for s in sizes)
    assert all(s % GROUP_BYTES == 0 for s in sizes if s >= 32 * MIB)
    assert max(b / a for a, b in itertools.pairwise(sizes)) < 1.12


def test_the_top_stays_within_what_may_be_allocated_and_never_follows_the_hosts_cache() -> None:
    absurd = Machine(1, "test", cache_claims=(CacheClaim("cpuid.4", 3, "unified", 100 * GIB),))
    for effort in Effort:
        assert top_bytes(Context(effort, absurd, memory_bytes=256 * MIB)) <= 256 * MIB // 3
        assert top_bytes(Context(effort, absurd, memory_bytes=1024 * GIB)) <= 4 * GIB
        assert top_bytes(Context(effort, Machine(1, "none"), memory_bytes=64 * GIB)) >= 64 * MIB
        assert top_bytes(Context(effort, absurd, memory_bytes=100 * MIB)) % GROUP_BYTES == 0


@pytest.fixture(scope="module")
def captured() -> Machine:
    """An Emerald Rapids guest as one default run saw it, inferred by today's code."""
    return reinfer(parse_machine(gzip.decompress(CAPTURED.read_bytes()).decode("utf-8"), CAPTURED.name))


def test_the_captured_machine_has_the_truth_of_its_first_level(captured: Machine) -> None:
    assert captured.not_run == {}
    first = captured.caches[0]
    assert first.name == "L1d"
    assert first.size.number() == pytest.approx(48 * KIB, rel=0.05)
    assert first.latency_cycles.number() == pytest.approx(5, abs=0.3)
    assert first.judgement.verdict is Verdict.AGREES
    assert captured.caches[1].latency_cycles.number() == pytest.approx(16, abs=1)
    assert captured.caches[-1].name == "DRAM"
    latencies = [c.latency.number() for c in captured.caches]
    assert latencies == sorted(latencies)


def test_the_captured_machine_can_be_inferred_again_and_drawn(captured: Machine) -> None:
    assert reinfer(captured) == captured
    for full in (False, True):
        lines = machine_screen(captured, width=80, color=False, ascii_only=False, full=full).splitlines()
        assert max(map(len, lines)) <= 80
        assert any("L1d" in line and "KiB" in line for line in lines)
