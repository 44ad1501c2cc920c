"""Show what memory gives beyond the pyramid: geometry, translation, streams, latency under load, the nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..configs.facts import Fact
from ..configs.machine import Bandwidth, CacheLevel, LoadedLatency, Machine
from ..configs.units import size_words
from .cells import kind_prefix, kinds, level_prefix, number_cell, number_words, plural, reasons
from .look import Line, Look, Section, Span, joined, titled
from .numbers import figure, value_of, worst_width
from .pyramid import is_memory
from .sparkline import curve_lines, latency_curves
from .tables import Cell, Column, grid, table
from .text import pad
from .verdicts import check_cell

_KERNELS = ("read", "write", "copy", "triad", "nt-write")
_FEW_LOADS = 5
_MOST_NODES = 4


def curve_section(machine: Machine, look: Look) -> Section:
    """The latency curve of each kind of core: huge pages where there are any; every setting on the full screen."""
    lines = []
    shown: set[str] = set()
    for curve in latency_curves(machine):
        if curve.core_kind in shown and not look.full:
            continue
        shown.add(curve.core_kind)
        caches = [cache for cache in machine.caches if cache.core_kind == curve.core_kind]
        words = [f"{kind_prefix(machine, curve.core_kind, look)}latency", look.word(curve.setting, look.lead - 1)]
        body = curve_lines(curve, caches, look, look.width - look.lead)
        titles = (Span(pad(words[0], look.lead), "strong"), Span(pad(words[1], look.lead), "dim"), Span(" " * look.lead))
        lines += [(title, *line) for title, line in zip((titles[0], titles[1], *[titles[2]] * len(body)), body, strict=False)]
    return Section(tuple(lines))


def geometry_section(machine: Machine, look: Look) -> Section:
    """Line size, ways and sharing of each cache in one line a kind of core."""
    lines = []
    why: list[tuple[str, Fact[int] | Fact[str]]] = []
    for kind in kinds(machine, machine.caches):
        rows = [c for c in machine.caches if c.core_kind == kind]
        rows = [c for c in rows if not is_memory(c, rows)]
        if not rows:
            continue
        parts = [_lines_words(rows, look), _ways_words(rows, look), *_sharing_words(rows, look)]
        lines += titled(
            f"{kind_prefix(machine, kind, look)}geometry", joined(parts, look, rest="", width=look.width - look.lead), look.lead
        )
        for c in rows:
            name = level_prefix(machine, c, look) + look.word(c.name, 10)
            why += [(f"{name} line", c.line), (f"{name} ways", c.ways), (f"{name} sharing", c.sharing)]
    return Section(tuple(lines), reasons(why, look))


def _lines_words(rows: Sequence[CacheLevel], look: Look) -> str:
    sizes = [number_words(c.line, look, "B") for c in rows]
    if len(set(sizes)) == 1:
        return f"line {sizes[0]}"
    return "line " + ", ".join(f"{look.word(c.name, 10)} {size}" for c, size in zip(rows, sizes, strict=True))


def _ways_words(rows: Sequence[CacheLevel], look: Look) -> str:
    return "ways " + ", ".join(f"{look.word(c.name, 10)} {number_words(c.ways, look)}" for c in rows)


def _sharing_words(rows: Sequence[CacheLevel], look: Look) -> list[str]:
    groups: dict[str, list[str]] = {}
    for c in rows:
        words = look.word(str(c.sharing.value), 12) if c.sharing.value is not None else f"sharing {look.missing}"
        groups.setdefault(words, []).append(look.word(c.name, 10))
    return [f"{', '.join(names)} {words}" for words, names in groups.items()]


def tlb_section(machine: Machine, look: Look) -> Section:
    """Entries and miss cost of each level of translation."""
    rows = []
    why: list[tuple[str, Fact[Any]]] = []
    for level in machine.tlbs:
        name = level_prefix(machine, level, look) + look.word(level.name, 12)
        page = size_words(level.page_bytes) if 0 < level.page_bytes < 2**60 else look.missing
        page += " in huge" if level.pages == "huge" else ""
        facts: tuple[Fact[Any], ...] = (level.entries, level.miss, level.miss_cycles)
        cells = [number_cell(fact, look, scale) for fact, scale in zip(facts, (1.0, 1e9, 1.0), strict=True)]
        rows.append((Cell(name), Cell(page), *cells, check_cell(level.judgement, look)))
        why += list(zip((f"{name} entries", f"{name} miss", f"{name} miss cycles"), facts, strict=True))
    heads = (Column("page"), Column("entries"), Column("miss ns"), Column("cycles"), Column("check", "left"))
    worst = worst_width(fact for _, fact in why)
    return Section(tuple(table(grid((Column("TLB", "left", least=look.lead), *heads), rows, worst), look)), reasons(why, look))


def bandwidth_section(machine: Machine, look: Look) -> Section:
    """Level by kernel, for one thread and for the most threads tried; every count of threads on the full screen.

    Several threads multiply a private cache and nothing else, so a first screen shows them for shared levels and memory only.
    """
    kernels = [k for k in _KERNELS if any(b.kernel == k for b in machine.bandwidths)]
    kernels += sorted({b.kernel for b in machine.bandwidths} - set(kernels))
    rows: list[tuple[Cell, ...]] = []
    shown: list[Bandwidth] = []
    for kind in kinds(machine, machine.bandwidths):
        mine = [b for b in machine.bandwidths if b.core_kind == kind]
        counts = sorted({b.threads for b in mine})
        for threads in counts if look.full else sorted({counts[0], counts[-1]}):
            label = kind_prefix(machine, kind, look) + plural(threads, "thread")
            for level in dict.fromkeys(b.level for b in mine if b.threads == threads):
                if threads > 1 and not look.full and _private(machine, kind, level):
                    continue
                best = [_best(mine, level, kernel, threads) for kernel in kernels]
                cells = [number_cell(b.rate, look, 1e-9) if b else Cell() for b in best]
                rows.append((Cell(look.word(label, 24)), Cell(look.word(level, 10)), *cells))
                label = ""
                shown += [b for b in best if b]
    columns = (Column("bandwidth", "left", least=look.lead), Column("GB/s", "left"), *(Column(look.word(k, 10)) for k in kernels))
    why = [(f"{look.word(b.level, 10)} {look.word(b.kernel, 12)}, {plural(b.threads, 'thread')}", b.rate) for b in shown]
    return Section(tuple(table(grid(columns, rows, worst_width(b.rate for b in shown)), look)), reasons(why, look))


def _private(machine: Machine, kind: str, level: str) -> bool:
    """Whether this cache was measured to be private, or could not be told and is not among the last two levels."""
    rows = [c for c in machine.caches if c.core_kind == kind]
    found = next((i for i, c in enumerate(rows) if c.name == level), None)
    if found is None:
        return False
    sharing = rows[found].sharing.value
    return sharing == "private" if sharing is not None else found < len(rows) - 2


def _best(rows: Sequence[Bandwidth], level: str, kernel: str, threads: int) -> Bandwidth | None:
    """The fastest width of this stream."""
    found = [b for b in rows if (b.level, b.kernel, b.threads) == (level, kernel, threads)]
    return max(found, key=lambda b: value_of(b.rate) or 0.0, default=None)


def loaded_section(machine: Machine, look: Look) -> Section:
    """Latency against the bandwidth drawn at the same time, lowest load first; a row a load on the full screen."""
    rows = sorted(machine.loaded_latency, key=lambda r: value_of(r.rate) or 0.0)
    if not rows:
        return Section()
    why = [(f"latency under load, {plural(r.injectors, 'injector')}", f) for r in rows for f in (r.rate, r.latency)]
    if look.full:
        return Section(tuple(_loaded_list(rows, look)), reasons(why, look))
    few = _spread_out([r for r in rows if r.kernel != "copy"] or rows)
    drawn = (Cell("under load", "strong"), Cell("drawn GB/s", "dim"), *(number_cell(r.rate, look, 1e-9) for r in few))
    latency = (Cell(), Cell("latency ns", "dim"), *(number_cell(r.latency, look, 1e9) for r in few))
    columns = (Column("", "left", least=look.lead), Column("", "left"), *(Column("") for _ in few))
    lines = table(grid(columns, (drawn, latency)), look)
    return Section(tuple(lines if len(lines) == 2 else _loaded_list(few, look)), reasons(why, look))


def _loaded_list(rows: Sequence[LoadedLatency], look: Look) -> list[Line]:
    columns = (Column("under load", "left", least=look.lead), Column("pause"), Column("drawn GB/s"), Column("latency ns"))
    cells = [
        (
            Cell(look.word(" ".join(filter(None, (plural(r.injectors, "injector"), r.kernel if r.injectors else ""))), 24)),
            Cell(look.word(figure(r.delay), 12)),
            number_cell(r.rate, look, 1e-9),
            number_cell(r.latency, look, 1e9),
        )
        for r in rows
    ]
    return table(grid(columns, cells, worst_width(f for r in rows for f in (r.rate, r.latency))), look)


def _spread_out(rows: Sequence[LoadedLatency]) -> list[LoadedLatency]:
    """A few rows from the lowest to the highest load."""
    if len(rows) <= _FEW_LOADS:
        return list(rows)
    return [rows[round(i * (len(rows) - 1) / (_FEW_LOADS - 1))] for i in range(_FEW_LOADS)]


def node_section(machine: Machine, look: Look) -> Section:
    """Latency and read bandwidth between NUMA nodes, a row for each node that computes: nothing to show for a single node."""
    memories = sorted({n.memory_node for n in machine.nodes})
    if len(memories) < 2:
        return Section()
    pairs = {(n.cpu_node, n.memory_node): n for n in machine.nodes}
    if len(memories) > _MOST_NODES and not look.full:
        memories = memories[:_MOST_NODES]
    rows = []
    for node in sorted({n.cpu_node for n in machine.nodes})[: None if look.full else _MOST_NODES]:
        mine = [pairs.get((node, memory)) for memory in memories]
        cells = [number_cell(n.latency, look, 1e9) if n else Cell() for n in mine]
        cells += [number_cell(n.rate, look, 1e-9) if n else Cell() for n in mine]
        rows.append((Cell(look.word(f"on node {figure(node)}", 20)), *cells))
    named = [look.word(figure(memory), 10) for memory in memories]
    columns = (
        Column("memory of node", "left", least=look.lead),
        *(Column(f"{name} ns") for name in named),
        *(Column(f"{name} GB/s") for name in named),
    )
    why = [(look.word(f"node {n.cpu_node} to {n.memory_node}", 30), f) for n in machine.nodes for f in (n.latency, n.rate)]
    worst = worst_width(fact for _, fact in why)
    return Section(tuple(table(grid(columns, rows, worst), look)), reasons(why, look))
