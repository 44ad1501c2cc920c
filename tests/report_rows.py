"""Build rows of sweeps and evidence from them, ordinary and hostile ones, without files; and look at what a figure draws."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

from mmbench.configs.cases import Case, Check, Status
from mmbench.configs.machine import Machine
from mmbench.configs.sweepdoc import SweepDocument, SweepKernel, SweepRow
from mmbench.reports.figures.svg import Classes, inline
from mmbench.reports.figures.theme import styled
from mmbench.reports.page.blocks import Block, Figure, Prose, Table, Value
from mmbench.reports.page.evidence import Evidence, Subject, arranged

KINDS = {"vectorized": "own", "naive": "own", "mkl@pip": "library", "openblas@debian": "library", "pytorch@pip": "framework"}
EVIL = "<script>alert(1)</script>\x1b[31m\u202e$x$\"'&" + "A" * 1_000_000


def answer(
    case: Case, kernel: str, gops: float = 50.0, *, share: float = 0.5, origin: str = "cube", status: Status = Status.OK
) -> SweepRow:
    """A row with that rate in billions of operations a second, and that share of its roof."""
    row = SweepRow(case.name, case.id, case, kernel, status, case.operations, origin)
    if status is not Status.OK:
        check = (
            Check(False, failed="full range", where="row 3, column 2: 511 for 638", cause="saturation") if status is Status.WRONG else None
        )
        return replace(row, check=check, reason="no reason" if check else "signal 11")
    time_s = case.operations / (gops * 1e9)
    return replace(
        row, time_s=time_s, low_s=time_s * 0.99, high_s=time_s * 1.02, samples=30, rate=gops * 1e9,
        intensity=case.operations / case.traffic_bytes(), roof_share=share, above_roof=share > 1.005,
        roof_bound="compute", roof_name="avx512f vfmadd231ps f32",
    )  # fmt: skip


def evidence_of(*rows: Sequence[SweepRow], machine: Machine | None = None) -> Evidence:
    """A machine for each sequence of rows."""
    subjects = []
    for number, own in enumerate(rows):
        kernels = tuple(SweepKernel(k, k.partition("@")[0], KINDS.get(k, "library"), "1") for k in dict.fromkeys(r.kernel for r in own))
        name = f"box{number}"
        document = SweepDocument(1, "5a3e", name, "2026-11-24T16:40:11Z", kernels=kernels)
        subjects.append(Subject(name, name, machine, "", (document,), tuple(own)))
    return arranged(subjects)


def hostile_rows() -> list[SweepRow]:
    """Rows with every number that no sweep writes, and words that no page may take as they are."""
    case = Case(64, 64, 64)
    good = answer(case, "vectorized")
    rows = [good, answer(Case(128, 128, 128), "vectorized"), answer(Case(128, 128, 128), EVIL, origin=EVIL)]
    for number, value in enumerate((math.nan, math.inf, -math.inf, 0.0, -1.0, 1e308, 5e-324)):
        names = ("time_s", "rate", "low_s", "high_s", "intensity", "roof_share", "ratio", "traffic")
        words = {"kernel": f"k{number % 3}", "cell": EVIL, "roof_bound": EVIL, "roof_name": EVIL}
        rows += [replace(good, **{**words, name: value}) for name in names]  # type: ignore[arg-type]
    odd = (Case(0, 0, 0), Case(10**400, 5, 5), Case(5, 5, 5, dtype="f77"), Case(-3, 4, 5), Case(1, 1, 10**8), Case(8, 8, 8, threads=0))
    rows += [replace(good, case=each, case_id=f"odd{i}") for i, each in enumerate(odd)]
    wrong = answer(case, "mkl@pip", status=Status.WRONG)
    rows.append(replace(wrong, reason=EVIL, check=Check(False, where=EVIL, cause=EVIL, failed=EVIL)))
    rows += [replace(answer(case, "openblas@debian", status=s), reason=r) for s, r in ((Status.CRASHED, EVIL), (Status.TIMEOUT, ""))]
    return [*rows, replace(wrong, check=None, reason="", kernel="pytorch@pip")]


def figures(blocks: Sequence[Block]) -> dict[str, Figure]:
    """The figures by name."""
    found = {b.name: b for b in blocks if isinstance(b, Figure)}
    assert len(found) == sum(isinstance(b, Figure) for b in blocks)
    return found


def tables(blocks: Sequence[Block]) -> dict[str, Table]:
    """The tables that stand for themselves, by caption."""
    return {b.caption: b for b in blocks if isinstance(b, Table)}


def prose(blocks: Sequence[Block]) -> str:
    """All paragraphs."""
    return "\n".join(b.text for b in blocks if isinstance(b, Prose))


def svg_of(figure: Figure) -> str:
    """The figure as the page has it. Every mark must have found its place: `use` elements with a title, one a mark."""
    drawn = styled(figure.draw)
    text = inline(drawn, "f", figure.title, figure.description, Classes())
    titles = re.findall(r"<use\b[^>]*><title>", text)
    assert len(titles) == sum(1 for marks in drawn.marks.values() for mark in marks if mark.words)
    assert "<script" not in text
    assert len(text) < 400_000
    return text


def words_in(svg: str) -> list[str]:
    """The texts that are drawn."""
    return [re.sub(r"<[^>]+>", "", text) for text in re.findall(r"<text\b[^>]*>(.*?)</text>", svg, re.DOTALL)]


def marks_in(figure: Figure) -> list[str]:
    """The words of all marks."""
    return [mark.words for marks in styled(figure.draw).marks.values() for mark in marks]


def texts(table: Table) -> list[tuple[str, ...]]:
    """The rows of a table as plain texts."""
    return [tuple(cell.text if isinstance(cell, Value) else cell for cell in row) for row in table.rows]


def assert_harmless(blocks: Sequence[Block]) -> None:
    """No block holds a control character, a bidirectional mark, or a string without bound; every figure can be drawn."""
    for block in blocks:
        shown = repr(block)  # which spells out what cannot be printed
        assert "\\x1b" not in shown
        assert "\\u202e" not in shown
        assert len(shown) < 400_000
        if isinstance(block, Figure):
            svg_of(block)
