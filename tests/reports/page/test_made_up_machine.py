"""The machine of another architecture that tests compare with: it is one, and whoever is shown it is told that it is made up."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner
from mmbench.cli import main
from mmbench.configs import schema_files, store
from mmbench.configs.cases import Case
from mmbench.configs.published import chip_of
from mmbench.kernels.roofline import Roofs
from mmbench.reports.figures.theme import styled
from mmbench.reports.page.blocks import Card, Cards, Figure, Heading, Points, Prose, Section, Table, Value
from mmbench.reports.page.evidence import Evidence
from mmbench.reports.page.registry import sections_of
from mmbench.reports.screen import machine_screen
from report_evidence import OTHER, captured_machine, real_and_made_up
from synthetic_neoverse import ROWS, synthetic_neoverse

X86 = re.compile(r"avx|amx|sse|zmm|ymm|xmm|vfmadd|cpuid\.|x86|mkl|rdtsc|\btsc\b", re.IGNORECASE)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def evidence(results: Path) -> Evidence:
    return real_and_made_up(results)


@pytest.fixture(scope="module")
def sections(evidence: Evidence) -> list[Section]:
    return sections_of(evidence)


def test_it_is_an_aarch64_machine_through_and_through() -> None:
    machine = synthetic_neoverse()
    told = store.machine_text(machine)
    assert X86.findall(told) == []
    identity = {key: machine.identity[key].value for key in ("arch", "vendor", "family", "model", "stepping", "microarchitecture")}
    assert identity == {
        "arch": "aarch64",
        "vendor": "ARM",
        "family": 0x41,
        "model": 0xD4F,
        "stepping": "r0p1",
        "microarchitecture": "neoverse-v2",
    }
    chip = chip_of(machine)
    assert chip is not None
    assert "Neoverse V2" in chip.title
    assert {row.unit for row in machine.simd} <= {row.name for row in ROWS}
    assert {"neon", "neon_fp16", "dotprod", "i8mm", "neon_bf16", "sve", "sve_i8mm", "sve_bf16"} <= {row.unit for row in machine.simd}
    assert {unit.name: unit.usable for unit in machine.matrix_units}["sme"] is False
    assert machine.clocks[0].timer.value == "cntvct"
    assert {tlb.page_bytes for tlb in machine.tlbs} == {65536}


def test_its_file_is_valid_and_is_read_back_as_it_was() -> None:
    machine = synthetic_neoverse()
    text = store.machine_text(machine)
    assert list(jsonschema.Draft202012Validator(schema_files.machine_schema()).iter_errors(json.loads(text))) == []
    assert store.parse_machine(text, "here") == machine == synthetic_neoverse()


def test_it_fills_every_field_that_a_probe_fills() -> None:
    machine = synthetic_neoverse()
    assert [field.name for field in dataclasses.fields(machine) if getattr(machine, field.name) in ((), {}, "", None)] == []


def test_its_roofs_hold_every_type_that_its_sweep_has(evidence: Evidence) -> None:
    roofs = Roofs.of(synthetic_neoverse())
    cubes = {dtype: roofs.roof(Case(1024, 1024, 1024, dtype=dtype)) for dtype in ("f64", "f32", "bf16", "s8")}
    assert {dtype: roof.rate * 1e-9 for dtype, roof in cubes.items() if roof} == pytest.approx(
        {"f64": 16 * 2.8, "f32": 32 * 2.8, "bf16": 128 * 2.8, "s8": 256 * 2.8}, rel=0.02
    )
    rows = evidence.subjects[1].rows
    assert {row.isa for row in rows} == {"sve", "sve_bf16", "sve_i8mm"}
    assert not any(X86.search(row.kernel) for row in rows)


def test_the_other_machine_was_measured(evidence: Evidence) -> None:
    real, made_up = evidence.subjects
    assert (real.id, real.synthetic) == (captured_machine().id, False)
    assert (made_up.id, made_up.synthetic) == (OTHER, True)
    assert "synthetic" not in real.label


# --- it says so -----------------------------------------------------------------------------------------------------------------


def texts(block: object) -> Iterator[str]:
    """Every string of a block, those that its figure draws and the words of its marks among them."""
    if isinstance(block, Value | str):
        yield from (block.text, block.note) if isinstance(block, Value) else (block,)
    elif isinstance(block, Figure):
        drawn = styled(block.draw)
        yield from (text.get_text() for text in drawn.figure.findobj() if hasattr(text, "get_text"))
        yield from (mark.words for marks in drawn.marks.values() for mark in marks)
        yield from (block.title, block.description, block.note, block.how, *texts(block.table))
    elif isinstance(block, Prose | Heading):
        yield block.text
    elif isinstance(block, Points):
        yield from (block.title, *(word for item in block.items for word in item))
    elif isinstance(block, Table):
        yield from (block.caption, block.note, *(column.title for column in block.columns))
        for row in block.rows:
            for cell in row:
                yield from texts(cell)
    elif isinstance(block, Cards):
        for card in block.cards:
            yield from (card.title, card.subtitle, card.badge)
            for inner in card.blocks:
                yield from texts(inner)


def test_every_place_that_names_it_says_that_it_is_made_up(evidence: Evidence, sections: list[Section]) -> None:
    label = evidence.subjects[1].label
    assert label == "neoverse-v2, 8 CPUs (synthetic)"
    short = label.partition(" (")[0]
    seen = {section.name: [t for b in section.blocks for t in texts(b) if short in t] for section in sections}
    assert {name for name, found in seen.items() if not found} == set()  # each section speaks of it
    for name, found in seen.items():
        for text in found:
            assert text.count(short) == text.count(label), (name, text)


def test_every_figure_of_it_says_so_in_its_title_or_its_key(sections: list[Section]) -> None:
    figures = [figure for section in sections for figure in section.figures()]
    its_own = [figure for figure in figures if any("neoverse" in text for text in texts(figure))]
    assert len(its_own) > 10
    for figure in its_own:
        drawn = [text for text in texts(figure) if "synthetic" in text]
        assert "synthetic" in figure.title or any(text in words_of(figure) for text in drawn), figure.name


def words_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in styled(figure.draw).figure.findobj() if hasattr(text, "get_text")]


def test_its_sheet_has_a_badge_and_its_brand_says_that_there_is_no_such_chip(sections: list[Section]) -> None:
    (cards,) = [block for section in sections for block in section.blocks if isinstance(block, Cards) and section.name == "chips"]
    sheets: dict[str, Card] = {card.badge: card for card in cards.cards}
    assert set(sheets) == {"", "synthetic"}
    assert sheets["synthetic"].subtitle == "Synthetic Neoverse V2 (no such chip)"


def test_screens_and_comparisons_say_so_too(results: Path, evidence: Evidence) -> None:
    assert "Synthetic Neoverse V2 (no such chip)" in machine_screen(synthetic_neoverse()).splitlines()[0]
    said = CliRunner().invoke(main.cli, ["--results", str(results), "compare", evidence.subjects[0].id, OTHER])
    assert said.exit_code == 0, said.output
    words = " ".join(said.stdout.split())
    assert f"synthetic: B ({OTHER}) is made up and was measured nowhere" in words
    page = results / "page.html"
    made = CliRunner().invoke(main.cli, ["--results", str(results), "report", "-o", str(page)])
    assert made.exit_code == 0, made.output
    text = re.sub(r"<(script|style)\b.*?</\1>|<[^>]+>", "\n", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    naming = [line for line in text.splitlines() if "neoverse-v2, 8 CPUs" in line]
    assert len(naming) > 20
    assert [line for line in naming if "neoverse-v2, 8 CPUs (synthetic)" not in line] == []
