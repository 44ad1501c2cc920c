"""The sentences of the verdict, held against figures computed here; and the method's tables, commands and files."""

from __future__ import annotations

import csv
import gzip
import io
import math
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from mmbench.cli.sweep import sweep
from mmbench.configs.cases import Case
from mmbench.configs.store import parse_machine, save_machine
from mmbench.configs.sweepdoc import SweepDocument
from mmbench.reports.page.blocks import Block, Code, File, Points, Prose, Table, Value
from mmbench.reports.page.evidence import Evidence, Skipped, Subject, arranged, gather
from mmbench.reports.page.rows import HELP_NOTE, NOT_A_WIN
from mmbench.reports.page.sections.fragmentation import fragmentation
from mmbench.reports.page.sections.method import method, sweep_command
from mmbench.reports.page.sections.verdict import verdict
from mmbench.reports.page.standings import Standings
from mmbench.reports.sweep_rows import NEAR
from report_evidence import two_machines
from report_rows import answer, evidence_of
from synthetic_machine import synthetic_machine
from synthetic_sweep import write_sweep


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    return two_machines(tmp_path_factory.mktemp("results"))


def leads(blocks: list[Block]) -> list[str]:
    return [b.text for b in blocks if isinstance(b, Prose) and b.kind == "lead"]


def test_four_sentences_at_most_with_their_figures(evidence: Evidence) -> None:
    sentences = leads(verdict(evidence))
    assert 3 <= len(sentences) <= 4
    rows = [r for r in evidence.swept[0].rows if "-unfused" not in r.kernel]
    near = sum(r.timed and r.ratio <= NEAR and r.kernel == "vectorized" for r in rows)
    cells = len({r.case_id for r in rows})
    assert f"vectorized is fastest or within 5 % of it in {near} of {cells} cells" in sentences[0]
    assert "geometric mean of" in sentences[1]
    assert "95 % interval" in sentences[1]
    assert "onednn wrong in" in sentences[2]
    assert "mkl crashed in" in sentences[2]


def test_how_much_faster_is_the_geometric_mean_of_the_cells_both_serve(evidence: Evidence) -> None:
    times: dict[str, dict[str, float]] = {}
    for row in evidence.swept[0].rows:
        if row.timed:
            times.setdefault(row.case_id, {})[row.kernel] = row.time_s
    logs = [math.log(t["openblas@debian"] / t["vectorized"]) for t in times.values() if {"openblas@debian", "vectorized"} <= set(t)]
    mean = math.exp(math.fsum(logs) / len(logs))
    sentence = leads(verdict(evidence))[1]
    assert sentence.startswith(f"vectorized is {mean:.2f} times as fast as openblas (geometric mean of {len(logs)} cells")


def test_of_two_that_lead_equally_often_neither_is_called_first() -> None:
    a, b = Case(64, 64, 64), Case(96, 96, 96)
    rows = [
        answer(a, "mkl@pip", 100.0),
        answer(b, "mkl@pip", 50.0),
        answer(a, "openblas@debian", 50.0),
        answer(b, "openblas@debian", 100.0),
    ]
    first, second, *_ = leads(verdict(evidence_of(rows)))
    assert "mkl is fastest or within 5 % of it in 1 of 2 cells, as often as openblas;" in first
    assert second.startswith("Between mkl and openblas no difference is shown over all cells (geometric mean of 2 cells")


def test_who_had_help_is_marked_as_in_tables_and_the_mark_is_explained_once() -> None:
    cases = Case(64, 64, 64, batch=12), Case(96, 96, 96), Case(128, 128, 128)
    rows = [answer(case, kernel, rate) for case in cases for kernel, rate in (("mkl@pip", 100.0), ("openblas@debian", 50.0))]
    rows.append(answer(Case(31, 31, 31), "openblas@debian", 50.0))
    aided = [replace(row, warnings=("threads of its own used: 4",)) if row.kernel == "mkl@pip" else row for row in rows]
    blocks = verdict(evidence_of(aided))
    first, second, *_ = leads(blocks)
    assert "mkl* is fastest or within 5 % of it in 3 of 4 cells" in first
    assert "its highest rate is 100 GFLOP/s ±2.0 %*, 50 % of the measured roof" in first
    assert second.startswith("mkl* is 2.00 times as fast as openblas (")
    assert [b.text for b in blocks if isinstance(b, Prose) and b.kind == "note"] == [HELP_NOTE]
    plain = verdict(evidence_of(rows))
    assert leads(plain) == [text.replace("mkl*", "mkl").replace("%*,", "%,") for text in leads(blocks)]
    assert not any(isinstance(b, Prose) and b.text == HELP_NOTE for b in plain)


def test_help_for_a_kernel_that_no_sentence_names_is_no_matter() -> None:
    case = Case(64, 64, 64)
    rows = [answer(case, "mkl@pip", 100.0), replace(answer(case, "naive", 1.0), warnings=("threads of its own used: 4",))]
    assert not any(isinstance(b, Prose) and b.text == HELP_NOTE for b in verdict(evidence_of(rows)))


def test_what_is_above_its_roof_is_an_error_and_no_highest_rate() -> None:
    a, b = Case(64, 64, 64), Case(96, 96, 96)
    first, last = leads(verdict(evidence_of([answer(a, "mkl@pip", 100.0, share=1.2), answer(b, "mkl@pip", 50.0, share=0.6)])))
    assert "its highest rate is 50.0 GFLOP/s ±2.0 %, 60 % of the measured roof, in f32 96x96x96." in first
    assert last == f"No kernel gave a wrong result; 1 rate is above the roof: {NOT_A_WIN}."
    only = leads(verdict(evidence_of([answer(a, "mkl@pip", 100.0, share=1.2)])))[0]
    assert f"120 % of the measured roof ({NOT_A_WIN})" in only


def test_verdict_and_fragmentation_count_alike(evidence: Evidence) -> None:
    for one in (evidence, arranged([evidence.subjects[0]])):
        table = next(b for b in fragmentation(one) if isinstance(b, Table) and b.caption.startswith("All "))
        near = {str(row[0]): row[-2] for row in table.rows}
        found = re.search(r", (\S+) is fastest or within 5 % of it in (\d+) of (\d+) cells", leads(verdict(one))[0])
        assert found is not None
        assert isinstance(cell := near[found[1]], Value)
        assert cell.text == found[2]
        assert f"All {found[3]} cells" in table.caption


def test_the_fastest_twin_counts_for_the_best_as_it_does_in_the_raw_data() -> None:
    case = Case(64, 64, 64, epilogue="bias")
    one = evidence_of([answer(case, "mkl@pip", 50.0), answer(case, "mkl-unfused@pip", 100.0)])
    standings = Standings.of(one, one.subjects[0])
    assert standings is not None
    assert [(t.name, t.near, t.best, round(t.speed or 0, 3)) for t in standings.totals] == [("mkl", 0, 0, 0.5)]


def test_machines_that_were_made_up_are_called_so(evidence: Evidence) -> None:
    (warning,) = [b for b in verdict(evidence) if isinstance(b, Prose) and b.kind == "warn"]
    assert all(subject.label in warning.text for subject in evidence.subjects)


def test_without_results_it_says_what_to_run() -> None:
    blocks = verdict(Evidence(()))
    assert "nothing to report" in leads(blocks)[0]
    assert any(isinstance(b, Code) and "mmbench probe" in b.text and "mmbench sweep" in b.text for b in blocks)


def test_with_results_of_one_kind_it_says_what_is_missing(tmp_path: Path) -> None:
    write_sweep(tmp_path / "swept")
    save_machine(tmp_path / "probed", replace(synthetic_machine(), id="synthetic-x-1"))
    for name, command in (("swept", "mmbench probe"), ("probed", "mmbench sweep")):
        (points,) = [b for b in verdict(gather([], tmp_path / name)) if isinstance(b, Points)]
        assert command in points.items[0][1]


def test_where_nobody_is_right_nobody_is_called_best(evidence: Evidence) -> None:
    subject = evidence.subjects[0]
    failed = tuple(replace(r, time_s=math.nan, ratio=math.nan, rate=math.nan) for r in subject.rows)
    sentences = leads(verdict(arranged([replace(subject, rows=failed)])))
    assert "no kernel gave a right result" in sentences[0]
    assert not any("times as fast" in s for s in sentences)


def test_the_command_that_is_shown_is_one_that_sweep_takes(evidence: Evidence) -> None:
    settings = {"preset": "quick", "shapes": "128x768x768,1024", "expression": "bert and not cold", "kernels": "", "no_probe": False}
    document = SweepDocument(1, "r", "m", "t", settings=settings, seed=7)
    words = shlex.split(sweep_command(document))
    assert words == [
        *("mmbench", "sweep", "--preset", "quick", "--shapes", "128x768x768,1024"),
        *("-k", "bert and not cold", "--seed", "7"),
    ]
    sweep.make_context("sweep", words[2:], resilient_parsing=True)  # click knows every option
    hostile = replace(document, settings={"shapes": "$(rm -rf /); `x` 'y'\n\x1b[31m"})
    assert len(shlex.split(sweep_command(hostile))) == 6


def files(blocks: list[Block]) -> dict[str, str]:
    return {b.name: gzip.decompress(b.content).decode() for b in blocks if isinstance(b, File)}


def test_the_raw_data_can_be_read_again(evidence: Evidence) -> None:
    found = files(method(evidence))
    rows = list(csv.DictReader(io.StringIO(found["mmbench-rows.csv.gz"])))
    assert len(rows) == sum(len(s.rows) for s in evidence.subjects)
    assert {row["machine"] for row in rows} == {s.id for s in evidence.subjects}
    machine = parse_machine(found["machine-1.json.gz"], "the page")
    assert machine == evidence.probed[0].machine


def test_what_was_skipped_and_what_warns_is_told(evidence: Evidence) -> None:
    blocks = method(Evidence(evidence.subjects, (Skipped("x.jsonl", "it is torn"),), evidence.names, evidence.order))
    told = [item for b in blocks if isinstance(b, Points) for item in b.items]
    assert ("x.jsonl", "it is torn") in told
    assert any("OPENBLAS_CORETYPE" in who for who, _ in told)
    runs = next(b for b in blocks if isinstance(b, Table) and b.caption == "What was run")
    assert len(runs.rows) == 2


def test_a_version_in_a_warning_is_no_figure_that_stops_the_page(evidence: Evidence) -> None:
    subject = evidence.subjects[0]
    rows = tuple(replace(row, warnings=("core 0.3.29 is not what was asked",)) for row in subject.rows[:2])
    told = [item for b in method(arranged([replace(subject, rows=rows)])) if isinstance(b, Points) for item in b.items]
    assert any(words.startswith("core 0.3.29 is not what was asked") for _, words in told)


def test_nothing_at_all_has_no_method() -> None:
    assert method(Evidence(())) == []


def test_a_hostile_machine_breaks_no_section() -> None:
    evil = "<script>alert(1)</script>\x1b[31m\u202e" + "A" * 100_000
    machine = replace(synthetic_machine(), id="synthetic-evil-1", versions={evil: evil}, not_run={evil: evil})
    subject = Subject("synthetic-evil-1", "evil", machine)
    blocks = [*verdict(arranged([subject])), *method(arranged([subject]))]
    for block in blocks:
        if isinstance(block, Points):
            for who, what in block.items:
                assert len(who) < 700
                assert len(what) < 700
                assert "\x1b" not in who + what
                assert "\u202e" not in who + what


def test_no_sentence_counts_an_unfused_twin_as_a_library(evidence: Evidence) -> None:
    assert not any("unfused" in sentence for sentence in leads(verdict(evidence)))
