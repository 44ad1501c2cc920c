"""Turn facts, verdicts and rates of a machine into cells of tables and cards: what chip sheets, memory and cores share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...configs.facts import Fact
from ...configs.machine import CacheClaim, Judgement, Machine, Roof, UnitRate, Verdict
from ...configs.units import size_words
from ..cells import HasKind, kinds, number_cell
from ..compute import dtypes_in_order
from ..look import WIDEST, Look
from ..numbers import figure as three
from ..numbers import half_width, plus_minus, size_number, size_unit, value_of
from ..verdicts import QUIET, WORDS, grouped
from .blocks import Points, Value, plain

LOOK = Look(width=WIDEST, full=True)
NONE = Value("–", "dim")
_LARGEST_SIZE = 2**60
_UNEVEN = 1.5  # sides of an interval that differ by more are both told
_FINE = 0.03  # of the value: what is known so well needs no two ends
_INTERVAL = re.compile(r" (?:±\S+|\(\S+ to \S+\))")


def number(fact: Fact[Any], scale: float = 1.0, mark: str = "", note: str = "") -> Value:
    """A number with its interval; a dash that knows why where there is none."""
    value = value_of(fact, scale)
    if value is None:
        return Value("–", "dim", plain(fact.note or "no number"))
    ends = uneven(fact, scale)
    whole = isinstance(value, int)
    words = [size_number(end) if whole else three(end) for end in ends or ()]
    tail = f"({' to '.join(words)})" if words else number_cell(fact, LOOK, scale).tail
    return Value(f"{three(value)} {tail}".strip(), mark, note or plain(fact.note), float(value))


def uneven(fact: Fact[Any], scale: float = 1.0) -> tuple[float, float] | None:
    """The ends of an interval whose sides differ too much for one `±`: it would say nothing of the shorter side. None for others."""
    value = value_of(fact, scale)
    low, high = (
        value_of(replace(fact, value=end, low=None, high=None), scale) if end is not None else None for end in (fact.low, fact.high)
    )
    if value is None or low is None or high is None or not low <= value <= high:
        return None
    short, long = sorted((value - low, high - value))
    return (low, high) if long > _UNEVEN * short and long > _FINE * abs(value) else None


def without_interval(value: Value) -> Value:
    """The number and its unit alone; the whole goes into the note."""
    short = _INTERVAL.sub("", value.text)
    return value if short == value.text else replace(value, text=short, note="; ".join(filter(None, (value.text, value.note))))


def size(fact: Fact[Any]) -> Value:
    """A size with its interval in one binary unit: `49.4 ±2.2 KiB`."""
    value = value_of(fact)
    if value is None or not 0 < value < _LARGEST_SIZE:
        return Value("–", "dim", plain(fact.note or "no size"))
    factor, unit = size_unit(value)
    shown = float(value) / factor
    half, ends = half_width(fact), uneven(fact)
    spread = plus_minus(shown, half / factor) if half is not None else ""
    spread = f"({size_number(ends[0] / factor)} to {size_number(ends[1] / factor)})" if ends else spread
    return Value(" ".join(filter(None, (size_number(shown), spread, unit))), "", plain(fact.note), float(value))


def size_claims(claims: Sequence[CacheClaim]) -> str:
    """`2 MiB`, or `2 MiB or 1 MiB` where sources differ; empty without a claim."""
    sizes = sorted({claim.size_bytes for claim in claims if 0 < claim.size_bytes < _LARGEST_SIZE})
    return " or ".join(size_words(s) for s in sizes[:3]) + (f" or {len(sizes) - 3} others" if len(sizes) > 3 else "")


def judged(judgement: Judgement, claimed: str = "") -> Value:
    """What is claimed, marked by how it stands to what was measured; the verdict in words where the claim is not known."""
    verdict = judgement.verdict
    mark = {Verdict.AGREES: "good", Verdict.NO_CLAIM: "dim", Verdict.NOT_MEASURABLE: "dim"}.get(verdict, "odd")
    words = WORDS[verdict]
    return Value(claimed or words, mark, plain(f"{words}: {judgement.why}" if judgement.why else words, 400))


def disagreements(pairs: Iterable[tuple[str, Judgement]], title: str = "") -> list[Points]:
    """Each verdict that is neither agreement nor absence of a claim with its reason, those of one reason together."""
    found = [
        (subject, f"{WORDS[j.verdict]} ({plain(j.why, 400)})" if j.why else WORDS[j.verdict])
        for subject, j in pairs
        if j.verdict not in QUIET
    ]
    items = tuple(grouped(found))[:20]
    return [Points(items, title, "note")] if items else []


def kind_word(machine: Machine, record: HasKind) -> str:
    """`P ` before a name where there are several kinds of core."""
    return kind_name(machine, record.core_kind)


def kind_name(machine: Machine, kind: str) -> str:
    """The same of a kind's name."""
    several = machine.topology is not None and len(machine.topology.kinds) > 1
    return f"{plain(kind, 10)} " if kind and several else ""


def kind_title(what: str, machine: Machine, kind: str, label: str) -> str:
    """`Latency: a machine`, or `Latency of P cores: a machine`."""
    name = kind_name(machine, kind)
    return f"{what} of {name}cores: {label}" if name else f"{what}: {label}"


def kinds_of(machine: Machine, records: Iterable[HasKind], most: int = 3) -> list[str]:
    """The kinds of core that these records speak of, fastest first."""
    return kinds(machine, records)[:most]


@dataclass(frozen=True, slots=True)
class Peak:
    """The highest rate of a data type on one kind of core: op/s of one thread and of all, op/cycle, and what reaches it."""

    dtype: str
    core_kind: str
    one: Fact[float] | None
    every: Fact[float] | None
    threads: int
    per_cycle: Fact[float] | None
    unit: str
    instruction: str


def peaks(machine: Machine) -> list[Peak]:
    """For each kind of core and data type: from the ceilings where there are some, else from the instructions themselves."""
    found = []
    roofs = [r for r in machine.roofs if r.kind == "compute" and value_of(r.rate) is not None]
    rates = [r for r in machine.simd if value_of(r.rate) is not None]
    for kind in kinds_of(machine, [*roofs, *rates]):
        mine, ours = [r for r in rates if r.core_kind == kind], [r for r in roofs if r.core_kind == kind]
        dtypes = dtypes_in_order([r.dtype for r in mine] + [r.dtype for r in ours])[:16]
        found += [_peak(d, kind, [r for r in mine if r.dtype == d], [r for r in ours if r.dtype == d]) for d in dtypes]
    return found


def _peak(dtype: str, kind: str, rates: Sequence[UnitRate], roofs: Sequence[Roof]) -> Peak:
    highest: dict[int, Roof] = {}
    for roof in roofs:
        if roof.threads not in highest or _rate(roof) > _rate(highest[roof.threads]):
            highest[roof.threads] = roof
    one, most = highest.get(1), max(highest, default=1)
    every = highest[most] if most > 1 else None
    best = one or every
    named = best.name if best else ""
    rate = max((r for r in rates if named in ("", f"{r.unit} {r.op} {r.dtype}")), key=_rate, default=None)
    return Peak(
        plain(dtype, 12),
        kind,
        one.rate if one else rate.rate if rate and not every else None,
        every.rate if every else None,
        most,
        rate.op_per_cycle if rate else None,
        plain(rate.unit if rate else named.partition(" ")[0], 20),
        plain(rate.instruction if rate else named, 30),
    )


def _rate(record: Roof | UnitRate) -> float:
    return value_of(record.rate) or 0.0
