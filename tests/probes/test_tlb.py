"""TLB levels out of planted rounds, on small and on huge pages."""

from __future__ import annotations

import numpy as np
import pytest
from mmbench.configs.curve import Curve, Point
from mmbench.configs.machine import CacheClaim, Machine
from mmbench.probes.context import Context, Effort
from mmbench.probes.tlb import infer, measure

HZ = 3e9
CLAIMED = Machine(1, "test", cache_claims=(CacheClaim("sysfs", 1, "data", 48 * 1024),))
COUNTS = sorted({round(12 * 2 ** (i / 6)) for i in range(57)})


def planted(steps: dict[str, dict[int, float]], *, hz: float = HZ, noise: float = 0.05, seed: int = 0, core_kind: str = "") -> Curve:
    """Both layouts of both kinds of pages, in both passes; `steps` of a kind: {entries: cycles a miss adds}."""
    random = np.random.default_rng(seed)
    points = []
    for kind, levels in steps.items():
        for stage in ("search", "validate"):
            for number in range(3):
                for pages in COUNTS:
                    base = 5 + 9 * (pages > 768)
                    for layout in ("spread", "packed"):
                        cycles = base + (sum(c for e, c in levels.items() if pages > e) if layout == "spread" else 0)
                        cycles += random.normal(0, noise)
                        at = {"layout": layout, "pages": pages, "round": number, "pass": stage, "kind": kind}
                        points.append(Point(at, 1000.0, (1000 * cycles / HZ,), (hz,)))
    readings = {"page_bytes": 4096, "line_bytes": 64}
    return Curve("tlb", 1, "load", tuple(points), readings, core_kind=core_kind)


def test_levels_of_small_pages_with_their_cost() -> None:
    machine = infer(planted({"small": {96: 7, 2048: 20}, "huge": {}}), CLAIMED)
    first, second = machine.tlbs
    assert (first.name, second.name) == ("L1 dTLB", "L2 TLB")
    for level, entries, miss in ((first, 96, 7), (second, 2048, 20)):
        assert level.entries.low <= entries <= level.entries.high
        assert level.miss_cycles.number() == pytest.approx(miss, abs=0.3)
        assert level.miss.number() == pytest.approx(miss / HZ, rel=0.05)
        assert (level.page_bytes, level.pages) == (4096, "small")
    assert machine.notices == ()


def test_steps_inside_huge_pages_are_told_and_have_no_claim() -> None:
    machine = infer(planted({"small": {96: 7}, "huge": {96: 7}}), CLAIMED)
    assert [t.pages for t in machine.tlbs] == ["small", "huge"]
    (notice,) = machine.notices
    assert notice.what == "huge pages act as small ones here"


def test_without_steps_there_are_no_levels() -> None:
    machine = infer(planted({"small": {}, "huge": {}}), CLAIMED)
    assert machine.tlbs == ()
    assert infer(Curve("tlb", 1, "load", (), {"page_bytes": 4096}), CLAIMED).tlbs == ()


def test_without_a_core_clock_misses_are_in_nanoseconds_alone() -> None:
    (level,) = infer(planted({"small": {96: 7}}, hz=0.0), CLAIMED).tlbs
    assert level.miss.number() == pytest.approx(7 / HZ, rel=0.05)
    assert "core clock could not be measured" in level.miss_cycles.note


def test_kinds_of_core_are_kept_apart() -> None:
    machine = infer(planted({"small": {96: 7}}, core_kind="P"), CLAIMED)
    machine = infer(planted({"small": {48: 9}}, core_kind="E", seed=1), machine)
    assert [(t.core_kind, t.entries.low <= e <= t.entries.high) for t, e in zip(machine.tlbs, (96, 48), strict=True)] == [
        ("P", True),
        ("E", True),
    ]


def test_a_quick_measurement_pairs_every_count_in_both_passes() -> None:
    curve = measure(Context(Effort.QUICK, CLAIMED, memory_bytes=4 * 256 * 4096))
    assert curve.readings["page_bytes"] > 0
    for kind in ("small", "huge"):
        seen = [
            {(p.at["round"], p.at["pages"]) for p in curve.where(kind=kind, layout=lay, **{"pass": s})}
            for lay in ("spread", "packed")
            for s in ("search", "validate")
        ]
        assert all(s == seen[0] for s in seen)
        assert seen[0]
        assert max(pages for _, pages in seen[0]) <= 256


def test_a_measurement_that_is_out_of_time_says_what_is_missing() -> None:
    curve = measure(Context(Effort.QUICK, CLAIMED, memory_bytes=4 * 64 * 4096, deadline=0.0))
    assert curve.points == ()
    assert all("for lack of time" in m for m in curve.missing)
    assert len(curve.missing) == 2
