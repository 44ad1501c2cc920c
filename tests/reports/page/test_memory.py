"""The memory section: what is drawn is what was measured, no words meet, and machines that lie or lack everything do no harm."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from drawn_figures import drawing_of, figures, outside, overlapping, prose, rows, svg_of, tables, words_of
from hostile_machine import hostile_machine
from mmbench.configs.curve import Curve, Point
from mmbench.configs.facts import measured, unknown
from mmbench.configs.machine import LoadedLatency, Machine
from mmbench.reports.figures.keys import Entry, key_rows, log_ticks
from mmbench.reports.figures.latency import curve_names, shown
from mmbench.reports.figures.loaded import lines_of
from mmbench.reports.figures.tlb import added_times, drawn_levels
from mmbench.reports.page.blocks import Block, Figure
from mmbench.reports.page.evidence import Subject, arranged
from mmbench.reports.page.html import Page, page_html
from mmbench.reports.page.registry import sections_of
from mmbench.reports.page.sections.memory import memory
from mmbench.reports.sparkline import LatencyCurve, latency_curves
from screen_machines import bare, five_levels, hybrid, no_caches, one_cpu, two_levels
from synthetic_machine import synthetic_machine


def section(*machines: Machine) -> list[Block]:
    return memory(arranged([Subject(m.id, m.id, m) for m in machines]))


def named(machine: Machine, number: int) -> Machine:
    return replace(machine, id=f"m{number}-2c-000000")


def tlb_curve(kinds: tuple[str, ...] = ("small", "huge"), rounds: int = 4) -> Curve:
    """Loads of 2 ns packed; spread they take 3 ns more beyond 100 pages, and 10 ns more beyond 2000; each round a little more."""
    points = []
    for kind in kinds:
        for pages in (12, 48, 96, 192, 768, 3072, 8192):
            added = 0.0 if pages <= 100 else 3e-9 if pages <= 2000 else 10e-9
            for number in range(rounds):
                at = {"kind": kind, "pages": pages, "round": number, "pass": "search"}
                points.append(Point({**at, "layout": "packed"}, 1000.0, (2e-6,)))
                points.append(Point({**at, "layout": "spread"}, 1000.0, (2e-6 + 1000 * (added + number * 1e-11),)))
    return Curve("tlb", 1, "load", tuple(points))


def with_tlb() -> Machine:
    machine = synthetic_machine()
    return replace(machine, curves={**machine.curves, "tlb": tlb_curve()})


def test_the_latency_figure_holds_the_curves_levels_and_claims() -> None:
    machine = synthetic_machine()
    figure = figures(section(machine))["latency"]
    drawn = drawing_of(figure)
    assert drawn.series == {"curve0": "huge pages", "curve1": "small pages"}
    assert drawn.legend == {"key0": "huge pages", "key1": "small pages"}
    for number, curve in enumerate(latency_curves(machine)):
        points, absurd = shown(curve)
        marks = drawn.marks[f"curve{number}"]
        assert absurd == 0
        assert len(marks) == len(points) < len(curve.latency_s)
        assert marks[0].words == f"4 KiB: {points[0][1]:.2f} ns ({drawn.series[f'curve{number}']})"
    claims = [mark.words for gid, marks in drawn.marks.items() if gid.startswith("claims") for mark in marks]
    assert claims == ["claimed L1d: 48 KiB (agrees)", "claimed L2: 2 MiB (agrees)", "claimed L3: 30 MiB (claim larger)"]
    assert {"L1d", "L2", "L3", "DRAM", "1.43 ns", "112 ns", "2 MiB", "24 MiB", "huge pages", "small pages"} <= set(words_of(drawn))
    everything = sum(len(c.latency_s) for c in latency_curves(machine))
    count = sum(len(marks) for gid, marks in drawn.marks.items() if gid.startswith("curve"))
    assert figure.note == f"{count} of {everything} points drawn: points that would overlap were left out."
    assert "L3 21.1 ns up to 24 MiB" in figure.description
    assert len(figure.table.rows) == everything


@pytest.mark.parametrize("machine", [synthetic_machine, with_tlb, two_levels, five_levels, hybrid, one_cpu])
def test_no_words_meet_and_none_is_cut(machine: Callable[[], Machine]) -> None:
    found = figures(section(machine()))
    assert found
    for figure in found.values():
        drawn = drawing_of(figure)
        assert overlapping(drawn) == [], figure.name
        assert outside(drawn) == [], figure.name


def test_no_words_meet_where_levels_crowd_together() -> None:
    machine = synthetic_machine()
    sizes = (44 << 10, 50 << 10, 57 << 10)
    crowded = [
        replace(c, size=measured(size, "B", "latency@1", size * 0.9, size * 1.1)) for c, size in zip(machine.caches, sizes, strict=False)
    ]
    drawn = drawing_of(figures(section(replace(machine, caches=(*crowded, machine.caches[-1]))))["latency"])
    assert {"44 KiB", "50 KiB", "57 KiB"} <= set(words_of(drawn))
    assert overlapping(drawn) == []


def test_several_machines_share_an_overlay_and_have_names_of_their_own() -> None:
    found = figures(section(named(synthetic_machine(), 1), named(with_tlb(), 2)))
    assert set(found) == {"latency-machines", "latency-1", "latency-2", "bandwidth-1", "bandwidth-2", "tlb-2", "loaded-latency"}
    drawn = drawing_of(found["latency-machines"])
    assert list(drawn.series.values()) == list(drawn.legend.values())
    assert len(drawn.series) == 2
    assert overlapping(drawn) == []
    assert drawing_of(found["loaded-latency"]).series["line1"].endswith(", read")
    assert "latency-machines" not in figures(section(synthetic_machine()))


def test_only_the_first_machines_have_figures_of_their_own_and_the_section_says_so() -> None:
    blocks = section(*(named(synthetic_machine(), i) for i in range(9)))
    found = figures(blocks)
    assert [name for name in found if name.startswith("bandwidth")] == ["bandwidth-1", "bandwidth-2", "bandwidth-3"]
    assert "the first 3 of 9 machines" in prose(blocks)
    assert found["latency-machines"].note == "8 of 9 machines drawn."
    assert found["loaded-latency"].note == "8 of 9 lines drawn."
    assert len(tables(blocks)["Levels as measured"].rows) == 9 * 4


def test_kinds_of_core_have_figures_of_their_own() -> None:
    found = figures(section(hybrid()))
    assert found["latency"].title.startswith("Latency of P cores: ")
    assert found["latency-kind2"].title.startswith("Latency of E cores: ")
    assert "L3" in words_of(drawing_of(found["latency"]))
    assert "L3" not in words_of(drawing_of(found["latency-kind2"]))
    ticks = [label.get_text() for label in drawing_of(found["bandwidth"]).figure.axes[0].get_xticklabels()]
    assert ticks == ["L1d", "L2", "L3", "DRAM"]


def test_curves_have_names_that_differ() -> None:
    curves = [LatencyCurve(setting, "", ((4096, 1e-9),)) for setting in ("huge grouped", "small random", "small grouped", "", "")]
    assert curve_names(curves) == ["huge pages", "small pages random", "small pages grouped", "latency (4)", "latency (5)"]


def test_points_that_no_machine_can_have_are_left_out_and_counted() -> None:
    curve = LatencyCurve("huge", "", ((4096, 1e-9), (8192, 1e-300), (16384, 5.0), (32768, 2e-9)))
    assert shown(curve) == ([(4096, pytest.approx(1.0)), (32768, pytest.approx(2.0))], 2)


def test_bandwidth_has_a_mark_for_each_stream_level_and_thread_count() -> None:
    machine = synthetic_machine()
    figure = figures(section(machine))["bandwidth"]
    drawn = drawing_of(figure)
    marks = {gid: [m.words for m in found] for gid, found in drawn.marks.items()}
    assert set(marks) == {f"stream{i}-{which}" for i in range(5) for which in ("one", "all")}
    assert marks["stream0-one"][0] == "L1d read, 1 thread, 512 bit: 385 ±8 GB/s"
    assert marks["stream1-all"][-1] == "DRAM write, 4 threads, 512 bit: 17.6 ±0.4 GB/s"
    assert drawn.series["stream0-one"] == drawn.series["stream0-all-interval"] == drawn.series["stream0-link"] == "read"
    assert len(figure.table.rows) == len(machine.bandwidths)
    assert {"1 thread", "4 threads", "nt-write"} <= set(words_of(drawn))


def test_one_thread_alone_needs_no_second_mark() -> None:
    drawn = drawing_of(figures(section(one_cpu()))["bandwidth"])
    assert set(drawn.marks) == {f"stream{i}-all" for i in range(5)}
    assert "1 thread" not in words_of(drawn)


def test_the_fastest_width_of_a_stream_counts() -> None:
    machine = synthetic_machine()
    read = machine.bandwidths[0]
    narrow = replace(read, width_bits=128, rate=measured(1e9, "B/s", "bandwidth@1"))
    drawn = drawing_of(figures(section(replace(machine, bandwidths=(narrow, *machine.bandwidths))))["bandwidth"])
    assert "512 bit" in drawn.marks["stream0-one"][0].words


def test_time_added_by_translation_is_spread_less_packed() -> None:
    added = added_times(tlb_curve())
    assert list(added) == ["small", "huge"]
    by_pages = {point.pages: point for point in added["small"]}
    assert by_pages[96].ns == pytest.approx(0.015, abs=1e-6)  # the median of 0, 0.01, 0.02 and 0.03
    assert by_pages[192].ns == pytest.approx(3.015)
    assert by_pages[8192].ns == pytest.approx(10.015)
    assert (by_pages[192].low_ns, by_pages[192].high_ns) == (pytest.approx(3.0075), pytest.approx(3.0225))
    assert by_pages[192].rounds == 4


def test_the_tlb_figure_draws_lines_and_levels() -> None:
    found = section(with_tlb())
    drawn = drawing_of(figures(found)["tlb"])
    assert [m.words for m in drawn.marks["pages0"]][-1] == "8192 small pages: 10.0 ns added"
    assert {"L1 dTLB", "96 pages", "L2 TLB", "1600 pages"} <= set(words_of(drawn))
    assert "10.0 ns at 8,192 small pages" in figures(found)["tlb"].description
    levels = rows(tables(found)["Levels of translation"])
    assert [cell.text for cell in levels["L1 dTLB"]] == ["4 KiB", "small", "96 ±4", "2.00 ±0.02", "7.00 ±0.07", "agrees"]
    assert levels["L2 TLB"][-1].mark == "odd"


def test_levels_of_huge_pages_are_drawn_only_where_small_ones_show_none() -> None:
    small = synthetic_machine().tlbs
    huge = tuple(replace(t, pages="huge") for t in small)
    assert drawn_levels((*small, *huge)) == list(small)
    assert drawn_levels(huge) == list(huge)


def test_broken_translation_points_are_left_alone() -> None:
    odd = [
        {},
        {"kind": 1, "pages": 4, "layout": "spread"},
        {"kind": "small", "pages": -4, "layout": "spread"},
        {"kind": "small", "pages": True},
    ]
    no_work = Point({"kind": "small", "pages": 12, "layout": "spread"}, 0.0, (1e-6,))
    points = (*(Point(at, 1000.0, (1e-6,)) for at in odd), no_work)
    assert added_times(Curve("tlb", 1, "load", points)) == {}


def test_loaded_latency_has_a_line_for_each_kind_of_load_from_idle_on() -> None:
    def row(injectors: int, gbs: float, ns: float, kernel: str) -> LoadedLatency:
        return LoadedLatency(injectors, 1, measured(gbs * 1e9, "B/s", "l"), measured(ns * 1e-9, "s", "l", ns * 0.9e-9, ns * 1.3e-9), kernel)

    idle = replace(row(0, 0, 90, ""), rate=unknown("B/s", "l", "nothing was drawn"))
    measured_rows = (row(1, 9, 200, "read"), idle, row(1, 4, 100, "read"), row(1, 6, 120, "copy"))
    lines = lines_of("", 0, measured_rows)
    assert [(line.label, [r.rate.value and r.rate.number() / 1e9 for r in line.rows]) for line in lines] == [
        ("read", [None, 4, 9]),
        ("copy", [None, 6]),
    ]
    figure = figures(section(replace(synthetic_machine(), loaded_latency=measured_rows)))["loaded-latency"]
    drawn = drawing_of(figure)
    assert [m.words for m in drawn.marks["line0"]] == [
        "read: 90.0 ±27.0 ns at no load",
        "read: 100 ±30 ns at 1 injecting, 4.00 GB/s drawn",
        "read: 200 ±60 ns at 1 injecting, 9.00 GB/s drawn",
    ]
    low, high = drawn.figure.axes[0].get_ylim()
    assert low == 0
    assert high > 260  # the whisker is not cut
    assert "read: 90.0 ns idle, 200 ns at 9.00 GB/s" in figure.description


def test_nodes_have_a_table_where_there_are_several() -> None:
    machine = synthetic_machine()
    found = [t for caption, t in tables(section(machine)).items() if caption.startswith("Between nodes")]
    assert [[c if isinstance(c, str) else c.text for c in row] for row in found[0].rows][1] == ["0", "1", "190 ±2", "24.0 ±0.3"]
    assert not [c for c in tables(section(replace(machine, nodes=machine.nodes[:1]))) if c.startswith("Between nodes")]


def test_levels_hold_size_claim_latency_and_geometry() -> None:
    levels = rows(tables(section(synthetic_machine()))["Levels as measured"])
    assert [cell.text for cell in levels["L3"]] == ["24 ±1.0 MiB", "30 MiB", "21.1 ±0.3", "74.0 ±0.8", "64", "–", "shared"]
    assert levels["L3"][5].note == "index hashed: no stride shows the ways"
    assert "soft edge" in tables(section(synthetic_machine()))["Levels as measured"].note


def test_machines_without_memory_say_nothing() -> None:
    assert section(bare()) == []
    assert section() == []
    assert figures(section(replace(no_caches(), nodes=()))) == {}


def test_the_same_machine_gives_the_same_bytes() -> None:
    for name, figure in figures(section(with_tlb())).items():
        again = figures(section(with_tlb()))[name]
        assert svg_of(figure) == svg_of(again)


def test_figures_stay_small() -> None:
    for figure in figures(section(with_tlb())).values():
        assert sum(len(marks) for marks in drawing_of(figure).marks.values()) < 260
        assert len(svg_of(figure)) < 60_000


@pytest.mark.parametrize("share", [0.05, 0.4, 0.95])
@pytest.mark.parametrize("seed", range(3))
def test_hostile_machines_are_drawn_or_left_out(seed: int, share: float) -> None:
    machines = [named(hostile_machine(base, seed, share), i) for i, base in enumerate((with_tlb(), hybrid(), five_levels()))]
    group = machines if seed else machines[:1]
    page = page_html(Page("title", "", ""), sections_of(arranged([Subject(m.id, m.id, m) for m in group]), ("memory",)))
    assert "<script>alert" not in page
    assert not re.search(r"\b(nan|inf)\b", " ".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL)))
    assert len(page) < 1_000_000


def test_ticks_are_few_and_within() -> None:
    assert log_ticks(1.0, 100.0) == [1, 2, 5, 10, 20, 50, 100]
    for low, high in ((0.9, 1e4), (1e-9, 1e9), (3.0, 4.0)):
        ticks = log_ticks(low, high)
        assert len(ticks) <= 9
        assert all(low <= tick <= high for tick in ticks)
    assert log_ticks(math.nan, 1) == log_ticks(5, 2) == log_ticks(0, 1) == []


def test_a_key_breaks_into_rows_that_fit() -> None:
    entries = [Entry(f"series number {i}", f"s{i}", marker="o") for i in range(7)]
    lines = key_rows(entries, 300)
    assert [entry for line in lines for entry in line] == entries
    assert len(lines) > 1


def test_a_figure_is_a_figure_and_its_table_has_units() -> None:
    for block in section(with_tlb()):
        if isinstance(block, Figure):
            assert block.description.endswith(".")
            assert block.how
            assert any(column.unit in ("ns", "GB/s") for column in block.table.columns)
