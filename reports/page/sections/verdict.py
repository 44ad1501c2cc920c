"""The verdict: at most four sentences with their figures, and what to run next where something is missing."""

from __future__ import annotations

import math
from collections import Counter

from ....configs.machine import CacheLevel, Machine, Verdict
from ....configs.sweepdoc import SweepRow
from ....configs.units import pretty, size_words
from ...comparison import geometric_mean, pairs_of_kernels
from ...numbers import figure as three
from ...numbers import value_of
from ...sweep_rows import FAILED, NEAR
from ...sweep_words import case_words, precision_words, rate_unit
from ..blocks import Block, Code, Points, Prose, plain
from ..evidence import Evidence, Subject
from ..registry import section

MOST_SENTENCES = 4


@section("verdict", "Verdict")
def verdict(evidence: Evidence) -> list[Block]:
    """What is best, by how much and how surely; what is wrong or missing."""
    sentences = [s for s in (_best(evidence), _by_how_much(evidence), _wrong(evidence), _claims(evidence)) if s]
    blocks: list[Block] = [Prose(text, "lead") for text in sentences[:MOST_SENTENCES]]
    return [*blocks, *_synthetic(evidence), *_next(evidence)]


def library_rows(subject: Subject) -> list[SweepRow]:
    """Rows without those of kernels that do their epilogue apart: these are no libraries of their own."""
    return [row for row in subject.rows if "-unfused" not in row.kernel]


def _best(evidence: Evidence) -> str:
    """Who is fastest most often, and its fastest cell against the roof."""
    if not evidence.swept:
        return ""
    subject = evidence.swept[0]
    rows = [row for row in library_rows(subject) if row.timed]
    cells = {row.case_id for row in library_rows(subject)}
    near = Counter(row.kernel for row in rows if row.ratio <= NEAR)
    if not near:
        return f"On {subject.label}, no kernel gave a right result in any of {len(cells)} cells."
    kernel, count = max(near.items(), key=lambda item: (item[1], item[0]))
    top = max((row for row in rows if row.kernel == kernel), key=lambda row: row.rate)
    roof = f", {100 * top.roof_share:.0f} % of the measured roof" if math.isfinite(top.roof_share) else ""
    rate = f"{three(top.rate * 1e-9)} {rate_unit(top.case)} {precision_words(top)}".strip()
    return (
        f"On {subject.label}, {evidence.name(kernel)} is fastest or within 5 % of it in {count} of {_cells(len(cells))}, "
        f"more than any other; its highest rate is {rate}{roof}, in {plain(top.case.dtype, 12)} {case_words(top.case)}."
    )


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"


def _by_how_much(evidence: Evidence) -> str:
    """The best kernel against the next best, over the cells that both serve."""
    if not evidence.swept:
        return ""
    subject = evidence.swept[0]
    rows = [row for row in library_rows(subject) if row.timed]
    near = Counter(row.kernel for row in rows if row.ratio <= NEAR)
    if len(near) < 2:
        return ""
    (first, _), (second, _) = sorted(near.items(), key=lambda item: (-item[1], item[0]))[:2]
    pairs = pairs_of_kernels(rows, first, second)
    mean = geometric_mean([pair.ratio for pair in pairs])
    if mean is None:
        return f"{evidence.name(first)} and {evidence.name(second)} share no cell that could be compared."
    spoken = f"geometric mean of {_cells(mean.n)}, 95 % interval {three(mean.low)} to {three(mean.high)}"
    if mean.low <= 1.0 <= mean.high:
        return f"Between {evidence.name(first)} and {evidence.name(second)} no difference is shown over all cells ({spoken})."
    faster, slower, ratio = (first, second, mean.value) if mean.value > 1 else (second, first, 1 / mean.value)
    interval = mean if mean.value > 1 else mean.inverse()
    spoken = f"geometric mean of {_cells(mean.n)}, 95 % interval {three(interval.low)} to {three(interval.high)}"
    return f"{evidence.name(faster)} is {three(ratio)} times as fast as {evidence.name(slower)} ({spoken})."


def _wrong(evidence: Evidence) -> str:
    """Who is wrong where, and which cells one kernel alone serves."""
    parts: list[str] = []
    for subject in evidence.swept:
        rows = library_rows(subject)
        failed = [row for row in rows if row.status in FAILED]
        if failed:
            who = Counter((evidence.name(row.kernel), row.status.value) for row in failed)
            named = ", ".join(f"{name} {status} in {count}" for (name, status), count in who.most_common(3))
            more = f" and {len(who) - 3} more" if len(who) > 3 else ""
            parts.append(f"on {subject.label} {named}{more}")
    alone = _served_alone(evidence)
    text = f"Wrong or failed: {'; '.join(parts)}." if parts else "No kernel gave a wrong result." if evidence.swept else ""
    return " ".join(filter(None, (text, alone)))


def _served_alone(evidence: Evidence) -> str:
    """The cells that no library serves right."""
    if not evidence.swept:
        return ""
    subject = evidence.swept[0]
    kinds = {name: kernel.kind for name, kernel in subject.kernels.items()}
    cells = {row.case_id for row in subject.rows}
    served = {row.case_id for row in subject.rows if row.timed and kinds.get(row.kernel) in ("library", "framework")}
    count = len(cells - served)
    if not count or not any(kind == "library" for kind in kinds.values()):
        return ""
    return f"{_cells(count)} of {len(cells)} {'is' if count == 1 else 'are'} served right by no vendor's library that took part."


def _claims(evidence: Evidence) -> str:
    """The first level whose measured size is not what is claimed, on each machine."""
    parts = [words for s in evidence.probed if s.machine is not None and (words := _claim_words(s.machine, s.label))]
    return f"Measured and not as claimed: {'; '.join(parts)}." if parts else ""


def _claim_words(machine: Machine, label: str) -> str:
    odd = [c for c in machine.caches if c.judgement.verdict in (Verdict.CLAIM_LARGER, Verdict.CLAIM_SMALLER, Verdict.CLAIMS_DISAGREE)]
    return f"on {label} {', '.join(filter(None, map(_level_words, odd[:3])))}" if odd else ""


def _level_words(level: CacheLevel) -> str:
    size = value_of(level.size)
    if size is None:
        return ""
    claims = sorted({claim.size_bytes for claim in level.claims if 0 < claim.size_bytes < 2**60})
    claimed = " or ".join(size_words(c) for c in claims[:3])
    return f"{plain(level.name, 8)} {pretty(float(three(size)) if size < 1000 else size, 'B')} of {claimed or 'nothing'} claimed"


def _synthetic(evidence: Evidence) -> list[Block]:
    made_up = [s.label for s in evidence.subjects if s.synthetic]
    if not made_up:
        return []
    return [Prose(f"Made up, and measured nowhere: {', '.join(made_up)}. Nothing that is said of it holds for any real machine.", "warn")]


def _next(evidence: Evidence) -> list[Block]:
    """What to run next where there is nothing, or half."""
    if not evidence.subjects:
        return [
            Prose("There is nothing to report yet: no machine and no sweep was found.", "lead"),
            Code("mmbench probe\nmmbench sweep\nmmbench report", "What to run next"),
        ]
    steps: list[tuple[str, str]] = []
    for subject in evidence.subjects:
        if subject.machine is None:
            steps.append((subject.label, "has sweeps but no machine file, so no roofs and no chip sheet: run `mmbench probe` there."))
        elif not subject.rows:
            steps.append((subject.label, "was probed but not swept, so no kernel is compared: run `mmbench sweep` there."))
    return [Points(tuple(steps), "What to run next")] if steps else []
