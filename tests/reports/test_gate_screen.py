"""The screen of a gate, and its words: for gates whose answers are known, and for documents that no gate writes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hostile_machine import spoilt
from mmbench.configs.gatedoc import GateDocument, Verdict
from mmbench.configs.gateplan import CellState
from mmbench.reports.gate_compare import gate_compare_screen
from mmbench.reports.gate_rows import gate_document
from mmbench.reports.gate_screen import MOST_CELLS, gate_screen
from mmbench.reports.gate_words import outcome_sentence, seen_words, shown, took_words, worst_first
from mmbench.reports.text import cell_width
from synthetic_gate import gate_plan, synthetic_gate

LOOKS: dict[str, dict[str, Any]] = {
    "": {},
    "-60-ascii": {"width": 60, "ascii_only": True},
    "-120-full": {"width": 120, "full": True},
}
FALLEN = (CellState(3, "crashed", "new", "signal 11"), CellState(5, "wrong", "new", "element 3 is 7, not 8"))


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> GateDocument:
    return gate_document(synthetic_gate(tmp_path_factory.mktemp("gate")))


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> GateDocument:
    """Cells of every kind: slower, faster, equivalent, inconclusive, crashed, wrong; cut off before its end."""
    changes = {1: 0.2, 2: -0.2, 4: 0.05}
    return gate_document(synthetic_gate(tmp_path_factory.mktemp("noisy"), changes=changes, noise=0.028, states=FALLEN, finished=False))


@pytest.mark.parametrize("look", list(LOOKS))
def test_the_screen_is_as_it_was_read_last(document: GateDocument, look: str, golden: Callable[[str, str], None]) -> None:
    text = gate_screen(document, **LOOKS[look])
    assert max(cell_width(line) for line in text.splitlines()) <= LOOKS[look].get("width", 80)
    if LOOKS[look].get("ascii_only"):
        assert text.isascii()
    golden(f"gate-screen{look}.txt", text + "\n")


@pytest.mark.parametrize("look", list(LOOKS))
def test_a_screen_with_every_verdict_is_as_it_was_read_last(noisy: GateDocument, look: str, golden: Callable[[str, str], None]) -> None:
    text = gate_screen(noisy, **LOOKS[look])
    assert max(cell_width(line) for line in text.splitlines()) <= LOOKS[look].get("width", 80)
    assert "…" not in text
    golden(f"gate-screen-noisy{look}.txt", text + "\n")


def test_the_first_line_says_the_outcome_with_its_figures(document: GateDocument) -> None:
    assert gate_screen(document).splitlines()[0] == "1 of 12 cells is slower: f64 32x32x32 by 6.0 % (5.8 to 6.2 %)"


def test_a_gate_without_a_regression_says_what_it_could_not_have_seen(document: GateDocument) -> None:
    calm = tuple(replace(row, verdict=Verdict.EQUIVALENT) for row in document.rows)
    quiet = replace(document, rows=calm, outcome="passed")
    assert outcome_sentence(quiet) == "no regression: all 12 cells are equivalent within 3 %"
    unsure = tuple(replace(r, verdict=Verdict.INCONCLUSIVE, smallest=0.0512 + i / 100) if i < 2 else r for i, r in enumerate(calm))
    said = outcome_sentence(replace(quiet, rows=unsure, outcome="inconclusive"))
    assert said == "no regression was confirmed: 10 of 12 cells are equivalent within 3 %, 2 inconclusive: 6.2 % would have been seen"
    blind = (replace(unsure[0], smallest=math.nan), *unsure[1:])
    assert outcome_sentence(replace(quiet, rows=blind)).endswith("6.2 % would have been seen, nothing at all in 1 of them")


def test_distrust_comes_before_any_verdict(document: GateDocument) -> None:
    doubted = replace(document, outcome="untrusted", controls=replace(document.controls, untrusted=("a differs from its own copy",)))
    first, *_ = gate_screen(doubted, width=120).splitlines()
    assert first == "untrusted, so that no verdict of this run counts: a differs from its own copy"


def test_a_cell_without_a_result_is_never_good_news(document: GateDocument) -> None:
    rows = [replace(row, verdict=Verdict.EQUIVALENT) for row in document.rows]
    rows[4] = replace(rows[4], verdict=Verdict.CRASHED, why="new side: signal 11")
    said = outcome_sentence(replace(document, rows=tuple(rows), outcome="crashed"))
    assert said == "no regression, but 1 of 12 cells crashed: f32 96x96x96 (new side: signal 11)"


def test_families_speak_where_no_cell_does(document: GateDocument) -> None:
    rows = tuple(replace(row, verdict=Verdict.EQUIVALENT) for row in document.rows)
    families = tuple(replace(f, verdict=Verdict.REGRESSION, change=0.005, low=0.003, high=0.0071) for f in document.families)
    said = outcome_sentence(replace(document, rows=rows, families=families, outcome="regression"))
    assert said == "no cell alone is slower, but 12 cells together are, by 0.5 % (0.3 to 0.7 %)"


def test_an_advisory_cell_is_marked_and_decides_nothing(document: GateDocument) -> None:
    rows = tuple(replace(row, advisory=row.verdict is Verdict.REGRESSION) for row in document.rows)
    advised = replace(document, rows=rows, outcome="passed")
    text = gate_screen(advised)
    said = "no regression: 10 of 11 cells are equivalent within 3 %, 1 faster; 1 advisory cell is slower of 12 cells"
    assert " ".join(text.split()).startswith(said)
    assert "> regression*" in text
    assert "! *: its threads share CPUs" in text


def test_the_worst_comes_first(noisy: GateDocument) -> None:
    rows = worst_first(noisy.rows)
    order = ["regression", "wrong", "crashed", "inconclusive", "improvement", "equivalent"]
    places = [order.index(row.verdict) for row in rows]
    assert places == sorted(places)
    assert set(places) == set(range(6))
    changes = [row.change for row in rows if row.verdict is Verdict.REGRESSION]
    assert changes == sorted(changes, reverse=True)
    assert {row.name for row in rows} == {row.name for row in noisy.rows}


def test_figures_are_rounded_so_that_they_promise_no_more() -> None:
    assert seen_words(0.0601) == "6.1 %"
    assert seen_words(0.06) == "6 %"
    assert seen_words(math.inf) == seen_words(math.nan) == ""
    assert shown(0.06, 0.058, 0.062) == ("+6.0", "+5.8", "+6.2")
    assert shown(-0.08, -0.081, -0.0784).words == "8.0 % (7.8 to 8.1 %)"
    assert shown(0.001, -0.002, 0.003).words == "+0.1 % (-0.2 to +0.3 %)"
    assert shown(0.1, -1.0, math.inf) == ("+10.0", "", "")


def test_what_was_promised_stands_beside_what_came(document: GateDocument) -> None:
    rows = (
        replace(document.rows[0], verdict=Verdict.INCONCLUSIVE, could_hide=True, promised=0.06, smallest=0.055),
        replace(document.rows[1], verdict=Verdict.INCONCLUSIVE, could_hide=True, promised=0.03, smallest=0.2),
        *document.rows[2:],
    )
    assert took_words(replace(document, rows=rows)) == "in 1:58 min: 3 % shown or excluded in 10 of 12 cells, the promise kept in 11 of 12"


def test_hundreds_of_cells_are_told_in_a_bounded_screen(tmp_path: Path) -> None:
    whole = gate_document(synthetic_gate(tmp_path, plan=gate_plan(300, controls=False), changes={}, screen=3, confirm=0))
    rows = tuple(replace(row, verdict=Verdict.INCONCLUSIVE, why="why") for row in whole.rows)
    text = gate_screen(replace(whole, rows=rows))
    table = text[text.index("\ncell ") :]
    assert table.count("? inconclusive") == MOST_CELLS
    assert "… and 180 more: mmbench show 9a7e --full" in text
    assert gate_screen(replace(whole, rows=rows), full=True).count("? inconclusive") >= 300


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("screen", [gate_screen, gate_compare_screen])
def test_no_document_breaks_a_screen(noisy: GateDocument, seed: int, screen: Callable[..., str]) -> None:
    text = screen(spoilt(noisy, seed, 0.3), full=seed % 2 == 0, ascii_only=seed % 3 == 0)
    assert max(map(cell_width, text.splitlines())) <= 80
    assert not set("\x1b\x00\x07\u202e\u2066") & set(text)


@pytest.mark.parametrize("look", list(LOOKS))
def test_a_gate_compared_is_as_it_was_read_last(noisy: GateDocument, look: str, golden: Callable[[str, str], None]) -> None:
    text = gate_compare_screen(noisy, **LOOKS[look])
    assert max(cell_width(line) for line in text.splitlines()) <= LOOKS[look].get("width", 80)
    golden(f"gate-compare{look}.txt", text + "\n")


def test_a_gate_compared_has_ratios_of_its_own_estimates(document: GateDocument) -> None:
    text = gate_compare_screen(document)
    assert "\nf64 32x32x32     1.060x  1.058 to 1.062  > regression  " in text
    assert "f64 32x32x32      2.00 µs   2.12 µs  1.060x  1.058 to 1.062  > regression" in gate_compare_screen(document, full=True)
    assert max(map(cell_width, gate_compare_screen(document, width=120).splitlines())) <= 120
    names = [row.name for row in sorted(document.rows, key=lambda row: row.name)]
    by_name = gate_compare_screen(document, by_name=True)
    places = [by_name.index(f"\n{name.split()[1]} {name.split()[2]} ") for name in names]
    assert places == sorted(places)
