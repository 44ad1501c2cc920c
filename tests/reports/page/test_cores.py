"""Cores and units: squares in the order of the topology with every number, rates by width, and why units cannot be used."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from drawn_figures import drawing_of, figures, outside, overlapping, prose, rows, svg_of, tables, words_of
from hostile_machine import hostile_machine
from mmbench.configs.facts import reported
from mmbench.configs.machine import CoreToCore, Cpu, Judgement, Machine, Topology, Verdict
from mmbench.reports.figures.cores import MOST_DRAWN, matrix_of
from mmbench.reports.page.blocks import Block
from mmbench.reports.page.evidence import Subject, arranged
from mmbench.reports.page.html import Page, page_html
from mmbench.reports.page.registry import sections_of
from mmbench.reports.page.sections.cores import cores
from screen_machines import bare, hybrid, many_cpus, many_units, one_cpu, two_cpus
from synthetic_machine import synthetic_machine


def section(*machines: Machine) -> list[Block]:
    return cores(arranged([Subject(m.id, m.id, m) for m in machines]))


def siblings(count: int, modes: tuple[str, ...] = ("cas",)) -> Machine:
    """So many CPUs, half of them second threads of cores as Linux numbers them, in two packages; a pair's time says how it lies."""
    half = count // 2
    cpus = tuple(Cpu(i, i % half, (i % half) * 2 // half, (i % half) * 2 // half) for i in range(count))

    def one_way_s(a: Cpu, b: Cpu) -> float:
        if a is b:
            return 0.0
        return 8e-9 if a.core == b.core else 50e-9 if a.package == b.package else 200e-9

    table = tuple(tuple(one_way_s(a, b) for b in cpus) for a in cpus)
    counts = tuple(reported(n, "", "sysfs") for n in (2, half, count, 2))
    topology = Topology(*counts, cpus=cpus, allowed=tuple(range(count)))
    squares = tuple(CoreToCore(mode, tuple(range(count)), table, table, table) for mode in modes)
    return replace(synthetic_machine(), id=f"big-{count}c-000000", topology=topology, core_to_core=squares)


def test_the_square_is_in_the_order_of_the_topology() -> None:
    machine = siblings(8)
    matrix = matrix_of(machine.core_to_core[0], machine.topology)
    assert matrix.cpus == (0, 4, 1, 5, 2, 6, 3, 7)
    assert [round(ns) if ns is not None else None for ns in matrix.ns[0]] == [None, 8, 50, 50, 200, 200, 200, 200]
    assert [group[0] for group in matrix.groups] == [0, 0, 0, 0, 1, 1, 1, 1]


def test_every_cell_has_its_number_and_its_words() -> None:
    figure = figures(section(siblings(8)))["cores-cas"]
    drawn = drawing_of(figure)
    assert len(drawn.marks["cells"]) == 64
    assert drawn.marks["cells"][1].words == "CPU 0 to 4: 8.00 ns (8.00 to 8.00)"
    assert drawn.marks["cells"][0].words == "CPU 0"
    numbers = [t.get_text() for t in drawn.figure.axes[0].texts]
    assert (len(numbers), numbers.count("8.00"), numbers.count("50.0"), numbers.count("200")) == (56, 8, 16, 32)
    assert "median 200 ns" in figure.title
    assert "threads of one core 8.00; cores of one node 50.0; packages 200" in figure.description
    table = rows(figure.table)
    assert [cell.text for cell in table["4"]][:3] == ["8.00", "–", "50.0"]


@pytest.mark.parametrize("count", [2, 4, 8, 16, 20, 24, 32])
def test_numbers_shrink_and_never_meet(count: int) -> None:
    figure = figures(section(siblings(count)))["cores-cas"]
    assert figure.wide == (count > 20)
    drawn = drawing_of(figure)
    assert len(drawn.figure.axes[0].texts) == count * count - count
    assert outside(drawn) == []
    if count <= 16:
        assert overlapping(drawn) == []


def test_many_cpus_become_shapes_with_numbers_and_a_table_of_classes() -> None:
    figure = figures(section(siblings(32)))["cores-cas"]
    drawn = drawing_of(figure)
    assert drawn.marks == {}
    assert {len(axes.collections) for axes in drawn.figure.axes[:1]} == {4}  # nothing, 8, 50 and 200 ns: a shape each
    classes = rows(figure.table)
    assert [cell.text for cell in classes["packages"]] == ["512", "200", "200", "200"]
    assert [cell.text for cell in classes["threads of one core"]] == ["32", "8.00", "8.00", "8.00"]
    assert len(svg_of(figure)) < 150_000


def test_beyond_64_cpus_the_square_is_thinned_and_says_so() -> None:
    machine = siblings(160)
    figure = figures(section(machine))["cores-cas"]
    matrix = matrix_of(machine.core_to_core[0], machine.topology)
    assert len(matrix.cpus) == len(set(matrix.cpus)) == MOST_DRAWN
    assert {group[0] for group in matrix.groups} == {0, 1}
    assert figure.note.startswith("64 of 160 CPUs drawn, evenly in the order of the topology")
    assert "packages 200" in figure.description
    assert len(svg_of(figure)) < 500_000


def test_a_second_large_square_is_thinned_more_so_that_a_page_stays_small() -> None:
    found = figures(section(siblings(64, ("cas", "flag"))))
    assert found["cores-cas"].note == ""
    assert found["cores-flag"].note.startswith("32 of 64 CPUs drawn")
    assert found["cores-flag"].title.startswith("Core to core by flags: ")


def test_two_cpus_have_a_small_square_without_shades() -> None:
    figure = figures(section(two_cpus()))["cores-cas"]
    drawn = drawing_of(figure)
    assert {"58.2", "57.9", "to CPU", "from"} <= set(words_of(drawn))
    assert len(drawn.figure.axes) == 1
    assert "median 58.1 ns" in figure.title or "median 58.0 ns" in figure.title


def test_names_carry_the_machine_where_there_are_several() -> None:
    first, second = (replace(siblings(4, ("cas", "flag")), id=f"m{i}-4c-000000") for i in range(2))
    assert set(figures(section(first, second))) == {"cores-cas-1", "cores-flag-1", "cores-cas-2", "cores-flag-2"}


def test_a_ragged_or_damaged_square_is_drawn_as_far_as_it_goes() -> None:
    odd = CoreToCore("cas", (0, 1, 2, 2), ((0.0, math.nan, 5e-8), (-1.0,), (), (math.inf, 6e-8, 1e300, 0.0)))
    figure = figures(section(replace(synthetic_machine(), core_to_core=(odd,))))["cores-cas"]
    drawn = drawing_of(figure)
    numbers = [t.get_text() for t in drawn.figure.axes[0].texts]
    assert sorted(set(numbers)) == ["50.0", "60.0", "–"]
    assert "median 55.0 ns" in figure.title
    assert any(mark.words.endswith("no time") for mark in drawn.marks["cells"])
    empty = CoreToCore("cas", (0, 1), ())
    assert figures(section(replace(synthetic_machine(), core_to_core=(empty,)))) == {}


def test_two_squares_of_one_mode_are_not_drawn_under_one_name() -> None:
    machine = siblings(4, ("cas", "cas"))
    blocks = section(machine)
    assert list(figures(blocks)) == ["cores-cas"]
    assert "1 more squares are in the raw data" in prose(blocks)


def test_rates_stand_by_width_and_type_with_their_verdict() -> None:
    machine = synthetic_machine()
    odd = replace(
        machine.simd[0],
        judgement=Judgement(Verdict.CLAIM_LARGER, "published 8"),
        op_per_cycle=replace(machine.simd[0].op_per_cycle, value=99.0, high=99.5),
    )
    found = section(replace(machine, simd=(odd, *machine.simd[1:])))
    table = next(t for caption, t in tables(found).items() if caption.startswith("Operations a cycle"))
    assert [column.title for column in table.columns] == ["Width", "f64", "f32", "bf16", "int8", "int32"]
    widths = rows(table)
    assert list(widths) == ["128 bit", "256 bit", "512 bit"]
    assert [cell.text.split(" ")[0] for cell in widths["512 bit"]] == ["32.0", "64.0", "64.0", "256", "32.0"]
    assert widths["512 bit"][1].mark == "good"
    assert widths["512 bit"][1].note.startswith("avx512f fma vfmadd231ps; ")
    assert widths["128 bit"][0].mark == "odd"
    assert "claim larger (published 8)" in prose(found)
    every = next(t for caption, t in tables(found).items() if caption.startswith("Every instruction"))
    assert every.folded
    assert len(every.rows) == len(machine.simd)


def test_matrix_units_have_rows_of_their_own_and_oddities_are_told() -> None:
    found = section(many_units())
    widths = rows(next(t for caption, t in tables(found).items() if caption.startswith("Operations a cycle")))
    assert [cell.text for cell in widths["amx_int8"] if cell.text] == ["2050 ±10"]
    assert next(cell for cell in widths["amx_int8"] if cell.text).mark == "odd"
    assert "tdpbssd i8 8192 bit 1.62 instructions a cycle" in prose(found)


def test_units_say_claimed_allowed_executed_right_and_why_not() -> None:
    units = rows(next(t for caption, t in tables(section(synthetic_machine())).items() if caption.startswith("Vector and matrix units")))
    assert [cell.text for cell in units["avx512f"]] == ["yes", "yes", "yes", "yes", "yes", ""]
    refused = units["amx_int8"]
    assert [cell.text for cell in refused[:5]] == ["yes", "no", "–", "–", "no"]
    assert [cell.mark for cell in refused[:5]] == ["odd", "dim", "dim", "dim", "odd"]  # claimed, and yet not to be used
    assert refused[5].text.startswith("the system refuses tile state")
    lacking = rows(next(t for caption, t in tables(section(many_units())).items() if caption.startswith("Vector and matrix units")))["sme"]
    assert [cell.mark for cell in lacking[:5]] == ["dim", "dim", "dim", "dim", "dim"]  # neither claimed nor usable: nothing is odd


def test_kinds_of_core_have_tables_of_their_own() -> None:
    captions = [caption for caption in tables(section(hybrid())) if caption.startswith("Operations a cycle")]
    assert [caption.partition(", ")[2][:2] for caption in captions] == ["P ", "E "]


def test_machines_without_cores_or_units_say_nothing() -> None:
    assert section() == []
    assert section(bare()) == []
    assert figures(section(one_cpu())) == {}


@pytest.mark.parametrize("share", [0.05, 0.4, 0.95])
@pytest.mark.parametrize("seed", range(3))
def test_hostile_machines_are_drawn_or_left_out(seed: int, share: float) -> None:
    bases = (synthetic_machine(), many_units(), siblings(24, ("cas", "flag")))
    machines = [replace(hostile_machine(base, seed, share), id=f"m{i}") for i, base in enumerate(bases)]
    page = page_html(Page("title", "", ""), sections_of(arranged([Subject(m.id, m.id, m) for m in machines]), ("cores",)))
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert len(page) < 1_000_000


def test_squares_of_many_machines_stay_within_what_a_page_carries() -> None:
    machines = [replace(many_cpus(64), id=f"m{i}-64c-000000") for i in range(12)]
    found = figures(section(*machines))
    assert len(found) == 8
    assert sum(len(svg_of(figure)) for figure in found.values()) < 1_500_000
