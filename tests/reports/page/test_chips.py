"""Chip sheets: what stands on a card is what the machine file and the sweeps hold, and disagreements are marked with their reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from drawn_figures import prose, rows, tables
from hostile_machine import hostile_machine
from mmbench.configs.facts import measured, unknown
from mmbench.configs.machine import Machine
from mmbench.reports.page.blocks import Block, Card, Cards, Points, Prose, Table, Value
from mmbench.reports.page.evidence import Evidence, Subject, arranged
from mmbench.reports.page.html import Page, page_html
from mmbench.reports.page.registry import sections_of
from mmbench.reports.page.sections.chips import chips
from report_evidence import two_machines
from screen_machines import bare, hybrid, many_units
from synthetic_machine import synthetic_machine


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    return two_machines(tmp_path_factory.mktemp("results"))


def alone(machine: Machine) -> list[Block]:
    return chips(arranged([Subject(machine.id, machine.id, machine)]))


def cards(blocks: list[Block]) -> list[Card]:
    return [card for block in blocks if isinstance(block, Cards) for card in block.cards]


def lead(card: Card) -> dict[str, Value]:
    return {name: cell if isinstance(cell, Value) else Value(cell) for name, cell in card.lead}


def table(card: Card, start: str) -> Table:
    return next(block for block in card.blocks if isinstance(block, Table) and block.caption.startswith(start))


def points(card: Card, title: str) -> dict[str, str]:
    return {who: text for block in card.blocks if isinstance(block, Points) and block.title == title for who, text in block.items}


def test_a_card_says_who_the_machine_is() -> None:
    (card,) = cards(alone(synthetic_machine()))
    told = lead(card)
    assert card.subtitle == "Synthetic 4-core (no such chip)"
    assert (told["Microarchitecture"].text, told["CPUs"].text, told["Packages"].text, told["Nodes"].text) == (
        "syntheticlake",
        "4",
        "2",
        "2",
    )
    assert (told["Guest of"].text, told["System"].text, told["Governor"].text) == ("KVM", "Linux 6.12.0", "performance")
    assert told["Clock"].text == "3.50 ±0.01 GHz"
    assert told["Under 128 / 256 / 512 bit"].text == "3.50 / 3.45 / 3.20 GHz"
    assert "Container" not in told


def test_synthetic_machines_wear_a_badge_and_real_ones_do_not() -> None:
    assert [card.badge for card in cards(alone(synthetic_machine()))] == ["synthetic"]
    assert [card.badge for card in cards(alone(replace(synthetic_machine(), id="zen5-2c-000000")))] == [""]


def test_what_the_system_hides_is_not_shown_and_says_why() -> None:
    machine = synthetic_machine()
    before = {**machine.conditions.before, "governor": unknown("", "sysfs", "hidden by the guest")}
    (card,) = cards(alone(replace(machine, conditions=replace(machine.conditions, before=before))))
    assert lead(card)["Governor"] == Value("not shown", "dim", "hidden by the guest")


def test_each_level_stands_beside_its_claim_with_its_verdict() -> None:
    (card,) = cards(alone(synthetic_machine()))
    levels = rows(table(card, "Measured beside claimed"))
    assert [cell.text for cell in levels["L1d"]] == ["48 KiB", "48 KiB", "1.43"]
    assert levels["L1d"][1].mark == "good"
    assert [cell.text for cell in levels["L3"]] == ["24 MiB", "30 MiB", "21.1"]
    assert levels["L3"][1].mark == "odd"
    assert "other guests share this cache" in levels["L3"][1].note
    assert levels["L3"][0].note.startswith("24 ±1.0 MiB")
    assert [cell.text for cell in levels["DRAM"]] == ["", "", "112"]
    assert [cell.text for cell in levels["L2 TLB"]] == ["1600 pages", "claim larger", "+8.57"]
    assert [cell.mark for cell in levels["L1 dTLB"]] == ["", "good", ""]
    told = prose(list(card.blocks))
    assert "L3 claim larger (30 MiB claimed: other guests share this cache)" in told
    assert "L2 TLB claim larger (2048 claimed" in told
    assert "the interval covers the claim" not in told


def test_peaks_are_the_highest_ceilings_with_the_instruction_that_reaches_them() -> None:
    machine = synthetic_machine()
    (card,) = cards(alone(machine))
    found = rows(table(card, "Highest rate"))
    for dtype in ("f64", "f32"):
        for place, threads in ((0, 1), (1, 4)):
            best = max(r.rate.number() for r in machine.roofs if (r.kind, r.dtype, r.threads) == ("compute", dtype, threads))
            assert found[dtype][place].sort == pytest.approx(best * 1e-9)
    assert [cell.text for cell in found["f32"]] == ["205", "819", "64.0", "vfmadd231ps"]
    assert found["int8"][0].text == "819"  # no ceiling of its own: the instruction's rate
    assert (found["int8"][1].text, found["int8"][3].text) == ("–", "vpdpbusd")


def test_bandwidths_are_those_of_reading_and_writing_with_one_thread_and_all() -> None:
    machine = synthetic_machine()
    (card,) = cards(alone(machine))
    drawn = table(card, "Bandwidth")
    assert [column.title for column in drawn.columns] == ["Level", "Read ×1", "Write ×1", "Read ×4", "Write ×4"]
    rates = {(b.level, b.kernel, b.threads): b.rate.number() * 1e-9 for b in machine.bandwidths}
    for level, cells in rows(drawn).items():
        wanted = [rates[level, kernel, threads] for threads in (1, 4) for kernel in ("read", "write")]
        assert [cell.sort for cell in cells] == pytest.approx(wanted)


def test_units_work_or_have_a_reason() -> None:
    (card,) = cards(alone(many_units()))
    told = points(card, "Units")
    assert told["Usable"] == "avx512f, avx512_vnni, avx512_bf16"
    assert told["Not amx_bf16, amx_fp16, avx512_fp16, avx_vnni_int8, sme:"] == "the chip does not claim it"


def test_libraries_have_version_core_size_and_what_they_served(evidence: Evidence) -> None:
    subject = evidence.subjects[0]
    card = cards(chips(evidence))[0]
    told = points(card, "Libraries and kernels of its sweeps")
    served = Counter(row.kernel for row in subject.rows if row.timed)
    cells = len({row.case_id for row in subject.rows})
    assert told["openblas"].startswith("OpenBLAS 0.3.29, core SkylakeX, threads by pthreads, 35 MiB on disk; ")
    assert f"served {served['openblas@debian']} of {cells} cells" in told["openblas"]
    failed = sum(row.kernel == "onednn@onednn" and row.status.value == "wrong" for row in subject.rows)
    assert failed
    assert f"failed in {failed}" in told["onednn"]
    assert told["mkl"].endswith("could not be opened: libmkl_rt.so.3 is for AArch64, this is x86_64")
    assert list(told)[-2:] == ["vectorized", "naive"]
    assert "onednn-unfused" not in told


def test_absent_libraries_come_with_what_brings_them(evidence: Evidence) -> None:
    absent = rows(table(cards(chips(evidence))[0], "Not here: 2 libraries"))
    assert [cell.text for cell in absent["BLIS"]] == ["not installed", "pip install blis"]
    assert [cell.text for cell in absent["Arm Performance Libraries"]] == ["exists for AArch64 only", "–"]


def test_a_machine_without_a_file_says_so_and_still_has_its_libraries(evidence: Evidence) -> None:
    subject = replace(evidence.subjects[0], machine=None, no_machine="there is no machine file")
    (card,) = cards(chips(replace(evidence, subjects=(subject,))))
    assert lead(card)["Machine file"] == Value("none", "odd", "there is no machine file")
    assert "openblas" in points(card, "Libraries and kernels of its sweeps")


def test_several_chips_are_compared_row_by_row_and_one_is_not(evidence: Evidence) -> None:
    assert "The chips row by row" in tables(chips(evidence))
    assert "The chips row by row" not in tables(alone(synthetic_machine()))


def test_best_is_marked_only_where_the_interval_is_clear_of_all_others() -> None:
    slow = replace(synthetic_machine(), id="a-000000")
    l1d, l2, *others = slow.caches
    faster = replace(l1d, latency=measured(1e-9, "s", "latency@1", 0.99e-9, 1.01e-9))
    overlapping = replace(l2, latency=replace(l2.latency, value=l2.latency.number() * 0.99, low=l2.latency.number() * 0.98))
    fast = replace(slow, id="b-000000", caches=(faster, overlapping, *others))
    both = chips(arranged([Subject(m.id, m.id, m) for m in (slow, fast)]))
    table = tables(both)["The chips row by row"]
    assert [cell.mark for cell in rows(table)["L1d latency, ns"]] == ["", "best"]
    assert [cell.mark for cell in rows(table)["L2 latency, ns"]] == ["", ""]
    assert [cell.mark for cell in rows(table)["L1d read, 1 thread, GB/s"]] == ["", ""]
    assert [cell.text for cell in rows(table)["L3 size"]] == ["24 ±1.0 MiB"] * 2
    assert {cell.note for cell in rows(table)["L3 size"]} == {"claimed 30 MiB"}
    assert "avx512f usable" not in rows(table)  # both have it


def test_kinds_of_core_have_rows_of_their_own() -> None:
    (card,) = cards(alone(hybrid()))
    assert lead(card)["Kinds of core"].text == "4 P + 8 E"
    unsorted = replace(hybrid(), topology=replace(hybrid().topology or pytest.fail("no topology"), cpus=()))
    assert lead(cards(alone(unsorted))[0])["Kinds of core"].text == "P + E"
    levels = rows(table(card, "Measured beside claimed"))
    assert {"P L1d", "E L1d", "P L3", "P L1 dTLB"} <= set(levels)
    assert "E L3" not in levels
    assert lead(card)["E Clock"].text == "2.50 ±0.01 GHz"


def test_no_evidence_no_section_and_a_bare_machine_a_bare_card() -> None:
    assert chips(arranged([])) == []
    (card,) = cards(alone(bare()))
    assert card.subtitle == "a processor that does not tell its name"
    assert card.blocks == ()


def test_more_machines_than_sheets_are_told() -> None:
    many = [Subject(f"m-{i:06d}", "", replace(synthetic_machine(), id=f"m-{i:06d}")) for i in range(15)]
    blocks = chips(arranged(many))
    assert len(cards(blocks)) == 12
    assert any(isinstance(b, Prose) and b.text.startswith("12 of 15 machines") for b in blocks)


@pytest.mark.parametrize("share", [0.05, 0.4, 0.95])
@pytest.mark.parametrize("seed", range(8))
def test_hostile_machines_become_harmless_cards(seed: int, share: float) -> None:
    machines = [replace(hostile_machine(base, seed, share), id=f"m{i}") for i, base in enumerate((synthetic_machine(), hybrid()))]
    found = arranged([Subject(m.id, m.id, m) for m in machines])
    page = page_html(Page("title", "", ""), sections_of(found, ("chips",)))
    assert "<script>alert" not in page
    assert "<svg onload" not in page
    assert "\u202e" not in page
    assert "\x1b" not in page
    assert len(page) < 400_000
