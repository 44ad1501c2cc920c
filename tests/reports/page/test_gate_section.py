"""The section of gates: its figures draw what the document says, thin what is too much, stay legible, and survive any document."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from drawn_figures import drawing_of, figures, outside, overlapping, prose, rows, svg_of, tables, words_of
from hostile_machine import spoilt
from mmbench.configs.gatedoc import GateDocument, Verdict
from mmbench.configs.gateplan import CellState
from mmbench.reports.figures.gate_changes import limits, percent_ticks
from mmbench.reports.figures.svg import file_of, mismatched
from mmbench.reports.gate_rows import gate_document
from mmbench.reports.page.blocks import Block, Code, File, Prose
from mmbench.reports.page.document import report_csv, report_json
from mmbench.reports.page.evidence import MOST_GATES, Evidence, gather
from mmbench.reports.page.html import Page, page_html
from mmbench.reports.page.markdown import page_markdown
from mmbench.reports.page.registry import sections_of
from mmbench.reports.page.sections import gate as section
from mmbench.reports.page.sections.gate import MOST_CELLS, change_row, chosen, gate
from mmbench.reports.page.sections.verdict import verdict
from report_evidence import two_machines, write_machines
from synthetic_gate import gate_plan, synthetic_gate, write_gate
from synthetic_page import DEFECTS, HOSTILE

FALLEN = (CellState(3, "crashed", "new", "signal 11"), CellState(5, "wrong", "new", "element 3 is 7, not 8"))
FIGURES = ["gate-forest", "gate-controls", "gate-noise", "gate-blocks"]


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> GateDocument:
    changes = {1: 0.2, 2: -0.2, 4: 0.05}
    return gate_document(synthetic_gate(tmp_path_factory.mktemp("gate"), changes=changes, noise=0.028, states=FALLEN))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> GateDocument:
    changes = {1: 0.06, 2: -0.08, 30: 3.0}
    return gate_document(synthetic_gate(tmp_path_factory.mktemp("many"), plan=gate_plan(200), changes=changes, noise=0.012, screen=8))


def shown(*documents: GateDocument) -> list[Block]:
    return gate(Evidence((), gates=documents))


def test_without_a_gate_there_is_no_section(tmp_path: Path) -> None:
    assert gate(two_machines(tmp_path, cells=4)) == []


def test_every_figure_is_there_and_its_words_fit(document: GateDocument, many: GateDocument) -> None:
    for each in (document, many):
        found = figures(shown(each))
        assert list(found) == FIGURES
        for name, figure in found.items():
            drawn = drawing_of(figure)
            assert not mismatched(drawn), name
            assert not overlapping(drawn), name
            assert not outside(drawn), name
            assert figure.table.rows
            assert figure.description.endswith(".")
            assert figure.how


def test_the_forest_draws_each_cell_and_its_table_has_the_same_figures(document: GateDocument) -> None:
    figure = figures(shown(document))["gate-forest"]
    drawn = drawing_of(figure)
    said = [mark.words for marks in drawn.marks.values() for mark in marks]
    assert len(said) == 10  # of 12, two have no result
    worst = next(row for row in document.rows if row.verdict is Verdict.REGRESSION)
    ends = f"{100 * worst.low:+.1f} to {100 * worst.high:+.1f}"
    assert f"f64 32x32x32: {100 * worst.change:+.1f} %, {ends} %, > regression on 30 blocks" in said
    words = words_of(drawn)
    assert {"crashed", "wrong", "detect +3 %", "margin +1 %", "← new faster", "new slower →"} <= set(words)
    by_cell = rows(figure.table)
    assert next(iter(by_cell)) == "f64 32x32x32"
    for row in document.rows:
        verdict_cell, change, *_ = by_cell[f"{row.case.dtype} {row.case.shape}"]
        assert row.verdict.value in verdict_cell.text.lower()
        if not row.verdict.broken:
            assert change.sort == pytest.approx(100 * row.change)


def test_the_picture_of_the_forest_is_as_it_was_read_last(document: GateDocument, golden: Callable[[str, str], None]) -> None:
    figure = figures(shown(document))["gate-forest"]
    golden("gate-forest.svg", file_of(drawing_of(figure), "svg", figure.title).decode("utf-8"))


def test_a_great_many_cells_are_thinned_to_the_worst_and_the_widest(many: GateDocument) -> None:
    figure = figures(shown(many))["gate-forest"]
    assert f"{MOST_CELLS} of 200 cells drawn: the worst, and those with the widest intervals." in figure.note
    drawn = drawing_of(figure)
    assert sum(map(len, drawn.marks.values())) == MOST_CELLS
    assert drawn.figure.get_size_inches()[1] < 12
    kept = chosen(many.rows)
    left = [row for row in many.rows if row not in kept]
    assert all(row.verdict is Verdict.EQUIVALENT for row in left)
    assert max(row.high - row.low for row in many.rows) == max(row.high - row.low for row in kept)
    (far,) = [row for row in many.rows if row.change > 1]
    assert f"{100 * far.change:+.0f} % →" in words_of(drawn)


def test_a_far_change_does_not_make_the_others_small(many: GateDocument) -> None:
    rows_ = [change_row(row, many) for row in many.rows]
    low, high = limits(rows_, [1.0, 3.0])
    assert -12 < low < -3.9
    assert 3.9 < high < 12
    for low, high in ((-4.0, 4.0), (-0.5, 900.0), (-90.0, 1.0)):
        ticks = percent_ticks(low, high, 200)
        assert 2 <= len(ticks) <= 6
        assert 0.0 in ticks


def test_controls_stand_in_two_groups_with_the_promised_effect(document: GateDocument) -> None:
    figure = figures(shown(document))["gate-controls"]
    words = words_of(drawing_of(figure))
    assert {"old against its own copy", "planted 3 %", "planted +3 %"} <= set(words)
    assert len(figure.table.rows) == 6
    assert figure.description.startswith("Old against its own copy: 0 of 3 differ. Planted 3 % found in 2 of 3")


def test_noise_marks_stages_and_dropped_blocks(document: GateDocument) -> None:
    lossy = replace(document, moments=tuple(replace(m, dropped=6 if m.launch == 5 else 0, marks={"steal": 3}) for m in document.moments))
    drawn = drawing_of(figures(shown(lossy))["gate-noise"])
    assert [mark.words for mark in drawn.marks["dropped"]] == [
        f"launch 5, screen: spread {100 * lossy.moments[5].spread:.2g} %, 6 of 16 blocks dropped; turns marked: steal 3"
    ]
    assert {"stage-screen", "stage-confirm"} <= set(drawn.marks)
    assert "no block was dropped" in words_of(drawing_of(figures(shown(document))["gate-noise"]))


def test_blocks_of_the_worst_cell_are_told_by_the_order_of_turns(document: GateDocument) -> None:
    worst = next(row for row in document.rows if row.name.startswith("openblas@numpy f64 32x32x32"))
    orders = tuple(("ABBA", "BAAB", "mixed")[i % 3] for i in range(worst.blocks))
    changed = replace(document, rows=tuple(replace(row, orders=orders) if row is worst else row for row in document.rows))
    drawn = drawing_of(figures(shown(changed))["gate-blocks"])
    assert {gid: len(marks) for gid, marks in drawn.marks.items()} == {f"order-{order}": 10 for order in ("ABBA", "BAAB", "mixed")}
    assert drawn.marks["order-ABBA"][0].words == f"launch {worst.launches[0]}, ABBA: {100 * math.expm1(worst.differences[0]):+.2f} %"


def test_every_cell_has_a_command_and_the_sides_differ_in_what_they_do(document: GateDocument) -> None:
    blocks = shown(document)
    commands = rows(tables(blocks)["The command for each cell alone"])
    assert len(commands) == 12
    assert all(cell[0].text.startswith("mmbench sweep --against lib:") for cell in commands.values())
    (code,) = [block for block in blocks if isinstance(block, Code)]
    assert code.text.splitlines()[0] == document.command
    assert rows(tables(blocks)["In what the sides differ"])["openblas@numpy: core"][0].text == "Haswell"


def test_the_page_carries_the_whole_gate(document: GateDocument, monkeypatch: pytest.MonkeyPatch) -> None:
    (file,) = [block for block in shown(document) if isinstance(block, File)]
    carried = json.loads(gzip.decompress(file.content))
    assert carried["rows"][1]["differences"] == list(document.rows[1].differences)
    monkeypatch.setattr(section, "_MOST_FILE", 100)
    assert "too many for a page" in prose(shown(document))


def test_several_gates_have_headings_and_figures_of_their_own(document: GateDocument) -> None:
    named = [replace(document, run_id=f"run{number}") for number in range(5)]
    blocks = shown(*named)
    assert [name for name in figures(blocks) if name.startswith("gate-forest")] == ["gate-forest", "gate-forest-2", "gate-forest-3"]
    assert "Gate run4 on synthetic-golden-000000" in prose(blocks)


def test_the_verdict_begins_with_the_gate_and_keeps_to_four_sentences(tmp_path: Path) -> None:
    write_machines(tmp_path, cells=24)
    before = [b.text for b in verdict(gather([], tmp_path)) if isinstance(b, Prose) and b.kind == "lead"]
    write_gate(tmp_path, machine_id="synthetic-16c-000000")
    after = [b.text for b in verdict(gather([], tmp_path)) if isinstance(b, Prose) and b.kind == "lead"]
    assert len(after) == 4
    assert after[0].startswith("Gate 9a7e on syntheticlake, 4 CPUs (synthetic): 1 of 12 cells is slower: f64 32x32x32 by 6.0 %")
    assert after[1:] == [before[0], *before[2:]]


def test_a_gate_alone_is_a_report(tmp_path: Path) -> None:
    path = write_gate(tmp_path)
    evidence = gather([str(path)], tmp_path)
    assert [b.text for b in verdict(evidence) if isinstance(b, Prose)] == [
        "Gate 9a7e on synthetic-golden-000000: 1 of 12 cells is slower: f64 32x32x32 by 6.0 % (5.8 to 6.2 %)."
    ]
    assert [made.name for made in sections_of(evidence)] == ["verdict", "gate"]


def test_damaged_gates_are_skipped_by_name_and_damaged_lines_cost_themselves(tmp_path: Path) -> None:
    whole = write_gate(tmp_path)
    torn = write_gate(tmp_path, run_id="b0b0")
    lines = torn.read_text(encoding="utf-8").splitlines(keepends=True)
    torn.write_text("".join([*lines[:-3], '{"event":"block","payload":{"cell":99}}\n', *lines[-3:]]), encoding="utf-8")
    headless = write_gate(tmp_path, run_id="c0c0")
    headless.write_text(headless.read_text(encoding="utf-8").splitlines(keepends=True)[0], encoding="utf-8")
    absurd = write_gate(tmp_path, run_id="d0d0")
    text = absurd.read_text(encoding="utf-8").replace('"margin":0.01', '"margin":5.0')
    absurd.write_text(text, encoding="utf-8")
    evidence = gather([], tmp_path)
    assert {document.run_id for document in evidence.gates} == {"9a7e", "b0b0"}
    skipped = {Path(each.place).stem.rpartition("-")[2]: each.reason for each in evidence.skipped}
    assert set(skipped) == {"b0b0", "c0c0", "d0d0"}
    assert "ended before its plan was written" in skipped["c0c0"]
    assert whole.name not in str(evidence.skipped)


def test_only_the_newest_gates_are_worked_out(tmp_path: Path) -> None:
    for number in range(MOST_GATES + 2):
        write_gate(tmp_path, gate_plan(2, controls=False), screen=2, confirm=0, run_id=f"{number:04}")
    evidence = gather([], tmp_path)
    assert [document.run_id for document in evidence.gates] == [f"{number:04}" for number in range(MOST_GATES + 1, 1, -1)]
    assert evidence.older_gates == 2
    assert "2 older gates not read" in prose(gate(evidence))


def test_other_formats_have_the_gate(tmp_path: Path) -> None:
    write_machines(tmp_path, cells=6)
    write_gate(tmp_path)
    evidence = gather([], tmp_path)
    made = sections_of(evidence)
    assert [g["outcome"] for g in json.loads(report_json(evidence, made))["gates"]] == ["regression"]
    table = list(csv.DictReader(io.StringIO(report_csv(evidence))))
    own = [row for row in table if row["gate"]]
    assert len(own) == 18
    assert [row["cell"] for row in own if row["gate_verdict"] == "regression" and not row["gate_control"]] == [
        "openblas@numpy f64 32x32x32 t1 hot"
    ]
    assert {row["time_s"] for row in own} == {""}
    assert all(row["time_s"] or row["status"] != "ok" for row in table if not row["gate"])
    markdown = page_markdown(Page("t", "s", "c"), made, "")
    assert "## Gate" in markdown
    assert "f64 32x32x32 by 6.0 % (5.8 to 6.2 %)" in markdown


@pytest.mark.parametrize("seed", range(24))
def test_no_document_breaks_the_section(document: GateDocument, seed: int) -> None:
    made = sections_of(Evidence((), gates=(spoilt(document, seed, 0.25), document)))
    text = page_html(Page("t", "s", "c"), made)
    assert not set(DEFECTS) & set(text)
    assert "<script>alert" not in text
    assert "<svg onload" not in text


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_reasons_and_notes_stay_words(document: GateDocument, name: str) -> None:
    word = HOSTILE[name]
    side = replace(document.old, word=word, place=word, packages={word: word})
    rows_ = tuple(
        replace(row, kernel=f"{word}{i}", origin=word, why=word, command=word, case_id=word) for i, row in enumerate(document.rows)
    )
    moments = tuple(replace(moment, stage=word, marks={word: 1}) for moment in document.moments)
    differences = tuple(replace(each, what=word, old=word, new=word) for each in document.differences)
    families = tuple(replace(each, family=word) for each in document.families)
    bad = replace(document, old=side, new=side, rows=rows_, moments=moments, differences=differences, families=families, run_id=word)
    controls = replace(document.controls, untrusted=(word,), notes=(word,), same_hits=(word,))
    bad = replace(bad, controls=controls, notes=(word,), promise=word, command=word, machine_id=word, started_at=word, weak=word)
    text = page_html(Page("t", "s", "c"), sections_of(Evidence((), gates=(bad,))))
    assert not set(DEFECTS) & set(text)
    for tag in ("<script>document", "<img", "<!--", 'onload="alert'):
        assert tag not in text
    for figure in figures(gate(Evidence((), gates=(bad,)))).values():
        assert "<script" not in svg_of(figure)
