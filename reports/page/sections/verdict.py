"""The verdict: at most four sentences with their figures, and what to run next where something is missing."""

from __future__ import annotations

from collections import Counter

from ....configs.comparedoc import Outcome
from ....configs.machine import CacheLevel, Machine, Verdict
from ....configs.units import size_words
from ...cells import plural
from ...compare_words import span_words
from ...comparison import geometric_mean, pairs_of_kernels
from ...numbers import figure as three
from ...numbers import value_of
from ..blocks import Block, Code, Points, Prose, plain
from ..evidence import Evidence, Subject
from ..registry import section
from ..rows import HELP_NOTE, NOT_A_WIN, failed, help_mark, highest, is_above, is_timed, rate_words, roof_words, rows_of, shape_words
from ..standings import Standings, Total
from ..values import size_claims
from .gate import sentence_of

MOST_SENTENCES = 4

_MOST_NAMES = 3


@section("verdict", "Verdict")
def verdict(evidence: Evidence) -> list[Block]:
    """What is best, by how much and how surely; what is wrong or missing. Libraries are ranked on the first machine, the rest is of all."""
    first = Standings.of(evidence, evidence.swept[0]) if evidence.swept else None
    ranked = _ranked(first) if first is not None else []
    sentences = [_best(first, ranked), _by_how_much(first, ranked), _wrong(evidence, first)] if first is not None else []
    sentences.append(_claims(evidence))
    sentences = _with_gate(evidence, [text for text in sentences if text])
    aided = [Prose(HELP_NOTE, "note")] if any(t.aided for t in _named(ranked)) else []
    return [*(Prose(text, "lead") for text in sentences if text), *aided, *_synthetic(evidence), *_next(evidence)]


def _with_gate(evidence: Evidence, sentences: list[str]) -> list[str]:
    """The newest gate comes first. Of more than four sentences the second goes: the comparison has it."""
    if not evidence.gates:
        return sentences
    newest = evidence.gates[0]
    told = [sentence_of(newest, f"gate {plain(newest.run_id, 24)} on {evidence.place(newest.machine_id)}: "), *sentences]
    return told if len(told) <= MOST_SENTENCES else [*told[:2], *told[3:]]


def _ranked(standings: Standings) -> list[Total]:
    """The kernels that are within 5 % of the fastest anywhere, those that are so most often first."""
    return sorted((t for t in standings.totals if t.near), key=lambda t: (-t.near, t.name))


def _named(ranked: list[Total]) -> list[Total]:
    """Those that the sentences name: the first, the next, and the first few that lead as often."""
    return [t for t in ranked[: _MOST_NAMES + 1] if t in ranked[:2] or t.near == ranked[0].near]


def _best(standings: Standings, ranked: list[Total]) -> str:
    """Who is fastest most often, and its fastest cell against the roof."""
    place, cells = standings.subject.label, plural(len(standings.cells), "cell")
    if not ranked:
        return f"On {place}, no kernel gave a right result in any of {cells}."
    best = ranked[0]
    equal = [t.marked for t in ranked[1:] if t.near == best.near]
    top = highest(row for row in standings.rows if row.kernel == best.kernel and is_timed(row))
    share = f"{roof_words(top)} of the measured roof" if roof_words(top) else ""
    roof = f", {share}{f' ({NOT_A_WIN})' if is_above(top) else ''}" if share else ""
    rate = f"{rate_words(top)}{help_mark(top)}{roof}"
    return (
        f"On {place}, {best.marked} is fastest or within 5 % of it in {best.near:,} of {cells}, "
        f"{f'as often as {_listed(equal)}' if equal else 'more than any other'}; its highest rate is {rate}, "
        f"in {top.case.dtype} {shape_words(top.case)}."
    )


def _listed(names: list[str], most: int = _MOST_NAMES) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _by_how_much(standings: Standings, ranked: list[Total]) -> str:
    """The best kernel against the next best, over the cells that both serve."""
    if len(ranked) < 2:
        return ""
    first, second = ranked[:2]
    mean = geometric_mean(pair.ratio for pair in pairs_of_kernels(standings.rows, first.kernel, second.kernel))
    if mean is None:
        return f"{first.marked} and {second.marked} share no cell that could be compared."
    if mean.outcome is Outcome.B_FASTER:
        first, second, mean = second, first, mean.inverse()
    spoken = f"geometric mean of {plural(mean.n, 'cell')}, 95 % interval {span_words(mean)}"
    if mean.outcome is Outcome.NO_DIFFERENCE:
        return f"Between {first.marked} and {second.marked} no difference is shown over all cells ({spoken})."
    return f"{first.marked} is {three(mean.value)} times as fast as {second.marked} ({spoken})."


def _wrong(evidence: Evidence, first: Standings) -> str:
    """Who is wrong where, what is above its roof, and which cells no library serves: one sentence."""
    parts = [words for subject in evidence.swept if (words := _wrong_words(evidence, subject))]
    right = any(is_timed(row) for subject in evidence.swept for row in rows_of(subject))
    text = f"Wrong or failed: {'; '.join(parts)}" if parts else "No kernel gave a wrong result" if right else ""
    above = sum(is_above(row) for subject in evidence.swept for row in rows_of(subject))
    odd = f"{plural(above, 'rate is', 'rates are')} above the roof: {NOT_A_WIN}" if above else ""
    told = "; ".join(filter(None, (text, odd, _no_library(first))))
    return f"{told[0].upper()}{told[1:]}." if told else ""


def _wrong_words(evidence: Evidence, subject: Subject) -> str:
    who = Counter((evidence.name(row.kernel), row.status.value) for row in rows_of(subject) if failed(row))
    named = [f"{name} {status} in {count}" for (name, status), count in sorted(who.items(), key=lambda item: (-item[1], item[0]))]
    return f"on {subject.label} {_listed(named)}" if named else ""


def _no_library(standings: Standings) -> str:
    """How many cells no library serves right."""
    if not any(kernel.kind == "library" for kernel in standings.subject.kernels.values()):
        return ""
    served = sum(not kinds.isdisjoint(("library", "framework")) for kinds in standings.served_by().values())
    count = len(standings.cells) - served
    return (
        f"{count:,} of {plural(len(standings.cells), 'cell')} {'is' if count == 1 else 'are'} served right by no library" if count else ""
    )


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
    return f"{plain(level.name, 8)} {size_words(size)} of {size_claims(level.claims) or 'nothing'} claimed"


def _synthetic(evidence: Evidence) -> list[Block]:
    made_up = [s.label for s in evidence.subjects if s.synthetic]
    if not made_up:
        return []
    return [Prose(f"Made up, and measured nowhere: {', '.join(made_up)}. Nothing that is said of it holds for any real machine.", "warn")]


_NO_ROWS = "was swept, but no row of its sweeps could be read and used: see what was skipped, at the end."


def _next(evidence: Evidence) -> list[Block]:
    """What to run next where there is nothing, or half."""
    if not evidence.subjects and evidence.gates:
        return []
    if not evidence.subjects:
        return [
            Prose("There is nothing to report yet: no machine and no sweep was found.", "lead"),
            Code("mmbench probe\nmmbench sweep\nmmbench report", "What to run next"),
        ]
    steps: list[tuple[str, str]] = []
    for subject in evidence.subjects:
        if subject.machine is None:
            steps.append((subject.label, "has sweeps but no machine file, so no roofs and no chip sheet: run `mmbench probe` there."))
        elif not subject.rows and (subject.sweeps or subject.unread):
            steps.append((subject.label, _NO_ROWS))
        elif not subject.rows:
            steps.append((subject.label, "was probed but not swept, so no kernel is compared: run `mmbench sweep` there."))
    return [Points(tuple(steps), "What to run next")] if steps else []
