"""Put verdicts into words: the short one beside a value, and the reasons behind all that are worth a reader's time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..configs.machine import CacheClaim, Judgement, Machine, Verdict
from ..configs.units import pretty
from .cells import level_prefix
from .look import Line, Look, Section, flow, titled
from .tables import Cell, Column, grid, table

_MARKS = {Verdict.AGREES: "=", Verdict.NO_CLAIM: "–", Verdict.NOT_MEASURABLE: "–"}
_STYLES = {Verdict.AGREES: "good", Verdict.NO_CLAIM: "dim", Verdict.NOT_MEASURABLE: "dim"}
WORDS = {
    Verdict.AGREES: "agrees",
    Verdict.CLAIM_LARGER: "claim larger",
    Verdict.CLAIM_SMALLER: "claim smaller",
    Verdict.CLAIMS_DISAGREE: "claims differ",
    Verdict.NO_CLAIM: "no claim",
    Verdict.NOT_MEASURABLE: "not measurable",
}
QUIET = (Verdict.AGREES, Verdict.NO_CLAIM)


def check_cell(judgement: Judgement, look: Look, claims: Sequence[CacheClaim] = (), *, agrees: str = "reported") -> Cell:
    """`= reported`, `≠ reported 32 MiB`, `≠ claims differ`, `– no claim`: mark and words say the same as the colour."""
    verdict = judgement.verdict
    words = agrees if verdict is Verdict.AGREES else WORDS[verdict]
    sizes = sorted({claim.size_bytes for claim in claims if 0 < claim.size_bytes < 2**60})
    if verdict in (Verdict.CLAIM_LARGER, Verdict.CLAIM_SMALLER) and len(sizes) == 1:
        words = f"reported {pretty(sizes[0], 'B')}"
    return Cell(look.own(f"{_MARKS.get(verdict, '≠')} {words}"), _STYLES.get(verdict, "odd"))


@dataclass(frozen=True, slots=True)
class Finding:
    """What a reader should know of one value: its subject, its verdict, and a sentence."""

    subject: str
    name: str  # the subject without its kind of core
    judgement: Judgement
    oddities: tuple[str, ...] = ()


def findings(machine: Machine, look: Look) -> list[Finding]:
    """Every judged value of the machine, in screen order."""
    found = []
    for cache in machine.caches:
        name = look.word(cache.name, 16)
        found.append(Finding(level_prefix(machine, cache, look) + name, name, cache.judgement, cache.oddities))
    for tlb in machine.tlbs:
        name = look.word(tlb.name, 16)
        found.append(Finding(level_prefix(machine, tlb, look) + name, name, tlb.judgement))
    for rate in machine.simd:
        bits = str(rate.width_bits) if 0 <= rate.width_bits < 10**6 else ""
        name = " ".join(filter(None, (look.word(rate.unit, 16), look.word(rate.op, 8), look.word(rate.dtype, 8), bits)))
        found.append(Finding(level_prefix(machine, rate, look) + name, name, rate.judgement, rate.oddities))
    return found


def grouped(pairs: Iterable[tuple[str, str]], *, most: int = 3) -> list[tuple[str, str]]:
    """(subject, sentence) pairs with subjects of one sentence brought together: `L2, L3 and 4 more`."""
    subjects: dict[str, list[str]] = {}
    for subject, sentence in pairs:
        known = subjects.setdefault(sentence, [])
        if subject not in known:
            known.append(subject)
    return [(_listed(names, most), sentence) for sentence, names in subjects.items()]


def _listed(names: Sequence[str], most: int) -> str:
    if len(names) <= most + 1:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def finding_sentences(machine: Machine, look: Look) -> list[tuple[str, str, str]]:
    """(mark, subject, sentence) for each verdict that is neither agreement nor absence of a claim, and for each oddity.

    What a notice says already is left out: a notice that begins with the subject, or that holds the sentence.
    """
    everything = findings(machine, look)
    told = [look.prose(notice.what) for notice in machine.notices]
    said = {look.prose(text) for notice in machine.notices for text in (notice.what, notice.why)}
    verdicts = [
        (f.subject, _verdict_words(f, look))
        for f in everything
        if f.judgement.verdict not in QUIET and not any(what.startswith((f.subject + " ", f.name + " ")) for what in told)
    ]
    odd = [(f.subject, look.prose(oddity)) for f in everything for oddity in f.oddities]
    return [(look.own("≠"), *pair) for pair in grouped(verdicts)] + [("?", *pair) for pair in grouped(odd) if pair[1] not in said]


def _verdict_words(finding: Finding, look: Look) -> str:
    """`claim larger (other guests share this cache)`."""
    why = look.prose(finding.judgement.why)
    return WORDS[finding.judgement.verdict] + (f" ({why})" if why else "")


def verdict_section(machine: Machine, look: Look) -> Section:
    """Every verdict with its reason, sentences that several values share told once: the full screen only."""
    lines: list[Line] = []
    for subject, sentence in grouped(((f.subject, _verdict_words(f, look)) for f in findings(machine, look)), most=4):
        lines += flow(f"{subject}: {sentence}", look, width=look.width - look.lead)
    return Section(tuple(titled("verdicts", lines, look.lead)))


def claim_section(machine: Machine, look: Look) -> Section:
    """What each source claims of the caches, side by side."""
    rows = []
    for claim in machine.cache_claims:
        size = pretty(claim.size_bytes, "B") if 0 < claim.size_bytes < 2**60 else look.missing
        rows.append(
            (
                Cell(look.word(claim.source, 16)),
                Cell(f"L{claim.level}" if 0 <= claim.level < 100 else "?"),
                Cell(look.word(claim.kind, 12)),
                Cell(size),
                *(Cell(str(number) if 0 < number < 10**6 else look.missing) for number in (claim.ways, claim.line_bytes, claim.shared_by)),
            )
        )
    columns = (
        Column("cache claims", "left", least=12),
        Column("level", "left"),
        Column("kind", "left"),
        *(Column(head) for head in ("size", "ways", "line B", "CPUs sharing")),
    )
    return Section(tuple(table(grid(columns, rows), look)))


def sentence_lines(pairs: Iterable[tuple[str, str, str]], look: Look, style: str) -> list[Line]:
    """`mark subject: sentence`, wrapped under itself."""
    lines: list[Line] = []
    for mark, subject, sentence in pairs:
        lines += flow(f"{subject}: {sentence}" if subject else sentence, look, first=f"{mark} ", rest="  ", style=style)
    return lines
