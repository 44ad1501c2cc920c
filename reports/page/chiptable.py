"""Lay several chips out row by row: what each is, has and reaches, with the best marked where its interval is clear of all others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...configs.facts import Fact
from ...configs.kernel_names import is_unfused
from ...configs.machine import Machine
from ..figures.bandwidth import fastest, thread_counts
from ..numbers import value_of
from .blocks import Cell, Column, Table, Value, plain
from .evidence import Subject
from .values import NONE, Peak, number, peaks, size, size_claims

_MOST_ROWS = 150


@dataclass(frozen=True, slots=True)
class _Row:
    """One thing of all machines: a Fact each, in a unit, and whether more (1) or less (-1) of it is better; 0: neither is.

    `claims` are those of sizes, a machine's in words; other things have none.
    """

    title: str
    facts: tuple[Fact[float] | Fact[int] | None, ...]
    scale: float = 1.0
    better: int = 0
    claims: tuple[str, ...] = ()


def compared_chips(subjects: Sequence[Subject]) -> list[Table]:
    """The table, where there are several machines with a machine file."""
    chosen = [(s, s.machine) for s in subjects if s.machine is not None]
    if len(chosen) < 2:
        return []
    machines = [machine for _, machine in chosen]
    rows = [
        *_identity(machines),
        *(_cells(row) for row in (*_counts(machines), *_levels(machines), *_bandwidths(machines), *_peaks(machines))),
    ]
    rows += [*_units(machines), *_libraries([s for s, _ in chosen])]
    shown = tuple(row for row in rows if any(text not in ("", "–") for text in map(_text, row[1:])))
    note = "★ marks the best of a row where its interval is clear of all others."
    if len(shown) > _MOST_ROWS:
        note += f" {len(shown) - _MOST_ROWS} more rows are in the raw data."
    return [Table("The chips row by row", (Column(""), *(Column(s.label, right=True) for s, _ in chosen)), shown[:_MOST_ROWS], note)]


def _text(cell: Cell) -> str:
    return cell.text if isinstance(cell, Value) else cell


def _identity(machines: Sequence[Machine]) -> list[tuple[Cell, ...]]:
    names = (("Microarchitecture", "microarchitecture"), ("Processor", "brand"), ("Architecture", "arch"), ("Guest of", "hypervisor"))
    return [(title, *(_word(machine, name) for machine in machines)) for title, name in (*names, ("Kernel", "kernel"))]


def _word(machine: Machine, name: str) -> Cell:
    fact = machine.identity.get(name)
    return plain(fact.value, 48) if fact is not None and fact.value is not None else NONE


def _cells(row: _Row) -> tuple[Cell, ...]:
    best = _clear_best(row)
    cells: list[Cell] = [row.title]
    for index, fact in enumerate(row.facts):
        if fact is None:
            cells.append(NONE)
            continue
        value = _claimed(size(fact), row.claims[index]) if row.claims else number(fact, row.scale)
        cells.append(Value(value.text, "best", value.note, value.sort) if index == best else value)
    return tuple(cells)


def _clear_best(row: _Row) -> int | None:
    """The machine whose interval is better than every other's; None where two overlap, or only one has a value."""
    spans = []
    for index, fact in enumerate(row.facts):
        value = value_of(fact) if fact is not None else None
        if fact is None or value is None:
            continue
        ends = [end for end in (fact.low, fact.high, value) if end is not None and math.isfinite(end)]
        spans.append((min(ends), max(ends), index))
    if not row.better or len(spans) < 2:
        return None
    if row.better > 0:
        best = max(spans)
        return best[2] if all(best[0] > high for _, high, index in spans if index != best[2]) else None
    best = min(spans, key=lambda span: span[1])
    return best[2] if all(best[1] < low for low, _, index in spans if index != best[2]) else None


def _counts(machines: Sequence[Machine]) -> list[_Row]:
    topologies = [machine.topology for machine in machines]
    clocks = tuple(machine.clocks[0].core_hz if machine.clocks else None for machine in machines)
    return [
        _Row("CPUs", tuple(t.threads if t else None for t in topologies)),
        _Row("Packages", tuple(t.packages if t else None for t in topologies)),
        _Row("Clock, GHz", clocks, 1e-9),
    ]


def _levels(machines: Sequence[Machine]) -> list[_Row]:
    """Size, claim and latency of each level of the fastest cores, by name."""
    tables = [{cache.name: cache for cache in reversed(machine.caches)} for machine in machines]
    rows = []
    for name in list(dict.fromkeys(name for table in tables for name in reversed(table)))[:8]:
        here = [table.get(name) for table in tables]
        title = plain(name, 10)
        claims = tuple(size_claims(c.claims) if c else "" for c in here)
        rows.append(_Row(f"{title} size", tuple(c.size if c else None for c in here), better=1, claims=claims))
        rows.append(_Row(f"{title} latency, ns", tuple(c.latency if c else None for c in here), 1e9, better=-1))
    return rows


def _claimed(value: Value, claim: str) -> Value:
    """A size, and what is claimed behind it."""
    return Value(value.text, value.mark, f"claimed {claim}" if claim else value.note, value.sort)


def _bandwidths(machines: Sequence[Machine]) -> list[_Row]:
    rows = []
    ours = [[b for b in machine.bandwidths if b.core_kind == (machine.bandwidths[0].core_kind)] for machine in machines]
    counts = [thread_counts(mine) for mine in ours]
    for level in list(dict.fromkeys(b.level for mine in ours for b in mine))[:8]:
        for title, which in (("1 thread", 0), ("all threads", -1)):
            found = [
                fastest(mine, level, "read", known[which]) if known and (which == 0 or len(known) > 1) else None
                for mine, known in zip(ours, counts, strict=True)
            ]
            rows.append(_Row(f"{plain(level, 10)} read, {title}, GB/s", tuple(b.rate if b else None for b in found), 1e-9, better=1))
    return rows


def _peaks(machines: Sequence[Machine]) -> list[_Row]:
    tables: list[dict[str, Peak]] = []
    for machine in machines:
        found: dict[str, Peak] = {}
        for peak in peaks(machine):
            found.setdefault(peak.dtype, peak)
        tables.append(found)
    rows = []
    for dtype in list(dict.fromkeys(dtype for table in tables for dtype in table))[:16]:
        here = [table.get(dtype) for table in tables]
        rows.append(_Row(f"{dtype}, 1 thread, Gop/s", tuple(p.one if p else None for p in here), 1e-9, better=1))
        rows.append(_Row(f"{dtype}, all threads, Gop/s", tuple(p.every if p else None for p in here), 1e-9, better=1))
        rows.append(_Row(f"{dtype}, op/cycle", tuple(p.per_cycle if p else None for p in here), better=1))
    return rows


def _units(machines: Sequence[Machine]) -> list[tuple[Cell, ...]]:
    """Units that not every machine can use."""
    tables = [{unit.name: unit for unit in reversed(machine.matrix_units)} for machine in machines]
    rows: list[tuple[Cell, ...]] = []
    for name in list(dict.fromkeys(name for table in tables for name in reversed(table)))[:60]:
        here = [table.get(name) for table in tables]
        if all(unit is not None and unit.usable for unit in here):
            continue
        cells = [NONE if u is None else Value("yes", "good") if u.usable else Value("no", "dim", plain(u.reason)) for u in here]
        rows.append((f"{plain(name, 20)} usable", *cells))
    return rows


def _libraries(subjects: Sequence[Subject]) -> list[tuple[Cell, ...]]:
    """Version and core kernel of each library, by name."""
    tables = [{name: k for name, k in s.kernels.items() if k.kind != "own" and not is_unfused(name)} for s in subjects]
    rows: list[tuple[Cell, ...]] = []
    for name in sorted({name for table in tables for name in table})[:30]:
        here = [table.get(name) for table in tables]
        words = [", ".join(filter(None, (plain(k.library_version, 24), plain(k.core, 24)))) if k else "" for k in here]
        rows.append(
            (plain(name, 40), *(Value(w) if w else Value("not opened", "dim") if k else NONE for w, k in zip(words, here, strict=True)))
        )
    return rows
