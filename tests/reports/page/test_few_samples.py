"""A time of one or two samples is shown without ±, and wins nothing."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from pathlib import Path

from mmbench.configs.sweepdoc import SweepRow
from mmbench.reports.page.blocks import Figure, Table, Value
from mmbench.reports.page.evidence import Evidence, arranged
from mmbench.reports.page.rows import highest, is_timed
from mmbench.reports.page.sections.performance import performance
from report_evidence import two_machines


def hasty(evidence: Evidence) -> Evidence:
    """The first machine, whose fastest row of each cell is of a single sample."""
    subject = evidence.subjects[0]
    rows = tuple(replace(row, low_s=nan, high_s=nan, samples=1) if row.timed and row.ratio == 1.0 else row for row in subject.rows)
    return arranged([replace(subject, rows=rows)])


def tables(evidence: Evidence) -> list[Table]:
    return [block.table for block in performance(evidence) if isinstance(block, Figure)]


def stars(evidence: Evidence) -> int:
    return sum(isinstance(cell, Value) and cell.mark == "best" for table in tables(evidence) for row in table.rows for cell in row)


def test_no_star_and_no_highest_rate_for_a_single_sample(tmp_path: Path) -> None:
    evidence = two_machines(tmp_path)
    assert stars(arranged([evidence.subjects[0]])) > 10
    few = hasty(evidence)
    assert stars(few) == 0
    timed: list[SweepRow] = [row for row in few.subjects[0].rows if is_timed(row)]
    assert highest(timed).samples > 1
    alone = [row for row in timed if row.samples == 1]
    assert highest(alone) in alone
