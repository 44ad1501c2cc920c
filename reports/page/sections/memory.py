"""The memory hierarchy: latency against working set, bandwidth of each level, translation, latency under load, nodes."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

from ....configs.machine import Machine
from ....configs.units import size_words
from ...cells import plural
from ...figures.bandwidth import MOST_KERNELS, MOST_LEVELS, draw_bandwidth, fastest, sane_rate, streams, thread_counts
from ...figures.latency import MOST_CURVES, MOST_MACHINES, curve_names, draw_latency, draw_overlay, shown
from ...figures.loaded import MOST_LINES, Line, draw_loaded, lines_of
from ...figures.loaded import MOST_POINTS as MOST_LOADS
from ...figures.thinning import spread
from ...figures.tlb import MOST_POINTS, Added, added_times, draw_tlb
from ...numbers import figure as three
from ...numbers import value_of
from ...sparkline import LatencyCurve, latency_curves
from ..blocks import Block, Cell, Column, Figure, Heading, Prose, Table, Value, numbers, plain
from ..evidence import Evidence, Subject
from ..registry import section
from ..values import NONE, disagreements, judged, kind_title, kind_word, kinds_of, number, size, size_claims

_DETAILED = 3  # machines with figures of their own: a page is read, not searched
_MOST_ROWS = 300  # of a table
_IN_TABLE = 30  # levels, or points of one machine's curve, in a table

_HOW_LATENCY = (
    "Flat parts are levels of the hierarchy. A vertical line is the size that one thread can use, its shade the interval; triangles are "
    "sizes that the system claims, red where they are not what was measured. Where small pages are slower than huge ones, the difference "
    "is address translation."
)
_HOW_BANDWIDTH = (
    "Hollow marks are one thread, filled ones all threads together; bars are intervals, often smaller than the mark. Bytes that the "
    "hardware moves besides (reading a line before it is written) are not counted."
)
_HOW_TLB = (
    "The same number of lines once spread over pages and once packed; the difference is translation alone. A band holds the middle half "
    "of the rounds; vertical lines are the pages that a level reaches, with their intervals."
)
_HOW_LOADED = (
    "One thread chases pointers in memory while the others stream; further right they draw more. Bars are intervals. Where a line turns "
    "up, memory is full."
)


@section("memory", "Memory hierarchy", after="chips")
def memory(evidence: Evidence) -> list[Block]:
    """Every machine's curves and tables."""
    machines = [(s, s.machine) for s in evidence.probed if s.machine is not None]
    detailed = machines[:_DETAILED]
    figures: list[Block] = [f for number, (s, m) in enumerate(detailed, 1) for f in _latency(s, m, _ending(number, len(machines)))]
    blocks: list[Block] = [*_overlay(machines), *figures, *_levels(machines)]
    blocks += _titled("Bandwidth", [b for n, (s, m) in enumerate(detailed, 1) for b in _bandwidth(s, m, _ending(n, len(machines)))])
    tlbs = [b for n, (s, m) in enumerate(detailed, 1) for b in _tlb_figure(s, m, _ending(n, len(machines)))]
    blocks += _titled("Address translation", [*tlbs, *_tlb_table(machines)])
    blocks += _titled("Latency under load", _loaded(machines))
    blocks += _titled("Nodes", _nodes(machines))
    if blocks and len(machines) > _DETAILED:
        text = f"Figures of their own have the first {_DETAILED} of {len(machines)} machines; the tables have all that they have room for."
        blocks.insert(0, Prose(text, "note"))
    return blocks if len(machines) > 1 else _figures_first(blocks)


def _figures_first(blocks: list[Block]) -> list[Block]:
    """One machine has one figure a topic: side by side they fill a page, the tables behind them. Captions say what a table is of."""
    figures = [block for block in blocks if isinstance(block, Figure)]
    return [*figures, *(block for block in blocks if not isinstance(block, (Figure, Heading)))]


def _ending(index: int, count: int) -> str:
    """What a figure's name ends in where several machines have such a figure."""
    return f"-{index}" if count > 1 else ""


def _table(caption: str, columns: tuple[Column, ...], rows: Sequence[tuple[Cell, ...]], what: str, more: str = "") -> Table:
    """A table of as many rows as a page has room for; its note says how many `what` there are, and `more`."""
    note = f"The first {_MOST_ROWS} of {len(rows):,} {what}. The raw data has the rest." if len(rows) > _MOST_ROWS else ""
    return Table(caption, columns, tuple(rows[:_MOST_ROWS]), " ".join(filter(None, (note, more))))


def _titled(title: str, blocks: list[Block]) -> list[Block]:
    return [Heading(title), *blocks] if blocks else []


def _kind_ending(index: int) -> str:
    return f"-kind{index}" if index > 1 else ""


def _latency(subject: Subject, machine: Machine, ending: str) -> list[Figure]:
    """A figure for each kind of core."""
    curves = [c for c in latency_curves(machine) if shown(c)[0]]
    found = []
    for index, kind in enumerate(kinds_of(machine, curves), 1):
        mine = [c for c in curves if c.core_kind == kind][:MOST_CURVES]
        caches = [c for c in machine.caches if c.core_kind == kind]
        levels = "; ".join(
            f"{plain(c.name, 8)} {three(ns)} ns" + (f" up to {size_words(end)}" if (end := _size(c.size.value)) else "")
            for c in caches[:6]
            if (ns := value_of(c.latency, 1e9)) is not None
        )
        most = (
            " and ".join(f"{plain(c.name, 8)} up to {size_words(end)}" for c in caches[:6] if (end := _size(c.size.value)))
            if not levels
            else ""
        )
        found.append(
            Figure(
                f"latency{ending}{_kind_ending(index)}",
                kind_title("Latency", machine, kind, subject.label),
                f"Time of one dependent load against the working set, both on logarithmic axes. {levels or most or 'No level was found'}.",
                functools.partial(draw_latency, caches, mine),
                _curve_table(mine),
                how=_HOW_LATENCY,
                note=_thinned(mine),
            )
        )
    return found


def _size(value: object) -> int | None:
    return value if type(value) is int and 0 < value < 2**60 else None


def _thinned(curves: Sequence[LatencyCurve]) -> str:
    everything, drawn, absurd = (
        sum(len(c.latency_s) for c in curves),
        sum(len(shown(c)[0]) for c in curves),
        sum(shown(c)[1] for c in curves),
    )
    words = ""
    if everything - absurd > drawn:
        words = f"{drawn:,} of {everything - absurd:,} points drawn: points that would overlap were left out."
    return f"{words} {absurd:,} points that no machine can have were left out.".strip() if absurd else words


def _curve_table(curves: Sequence[LatencyCurve]) -> Table:
    points = [(size, name, s) for name, c in zip(curve_names(curves), curves, strict=True) for size, s in c.latency_s]
    rows = tuple((Value(size_words(z), sort=float(z)), name, Value(three(s * 1e9), sort=s * 1e9)) for z, name, s in points)
    columns = (Column("Working set"), Column("Curve"), *numbers(("Latency", "ns")))
    return _table("Latency by working set", columns, rows, "points")


def _overlay(machines: Sequence[tuple[Subject, Machine]]) -> list[Block]:
    """The curves of several machines in one figure: of each its fastest core, on huge pages where there are some."""
    curves = [(s.label, curve) for s, m in machines if (curve := next((c for c in latency_curves(m) if shown(c)[0]), None)) is not None]
    if len(curves) < 2:
        return []
    chosen = curves[:MOST_MACHINES]
    rows: list[tuple[Cell, ...]] = [
        (label, Value(size_words(z), sort=float(z)), Value(three(ns), sort=ns))
        for label, curve in chosen
        for z, ns in spread(shown(curve)[0], _IN_TABLE)
    ]
    table = _table(
        "Latency by machine and working set", (Column("Machine"), Column("Working set"), *numbers(("Latency", "ns"))), rows, "points"
    )
    ends = "; ".join(f"{label} {three(points[0][1])} to {three(points[-1][1])} ns" for label, c in chosen if (points := shown(c)[0]))
    return [
        Figure(
            "latency-machines",
            "Latency: all machines",
            f"Time of one dependent load against the working set on each machine, both on logarithmic axes: {ends}.",
            functools.partial(draw_overlay, chosen),
            table,
            how="Each line is the first curve of one machine: its fastest cores, on huge pages where it has some. Lower is better.",
            note=f"{len(chosen)} of {len(curves)} machines drawn." if len(curves) > len(chosen) else "",
        )
    ]


def _levels(machines: Sequence[tuple[Subject, Machine]]) -> list[Block]:
    """Geometry beside latency, a row for each level."""
    several = len(machines) > 1
    rows: list[tuple[Cell, ...]] = []
    for subject, machine in machines:
        for c in machine.caches[:_MOST_ROWS]:
            lead = (kind_word(machine, c) + plain(c.name, 10), *((subject.label,) if several else ()))
            sharing = plain(str(c.sharing.value), 12) if c.sharing.value is not None else Value("–", "dim", plain(c.sharing.note))
            cells = (size(c.size), judged(c.judgement, size_claims(c.claims)), number(c.latency, 1e9), number(c.latency_cycles))
            rows.append((*lead, *cells, number(c.line), number(c.ways), sharing))
    if not rows:
        return []
    columns = (
        Column("Level"),
        *((Column("Machine"),) if several else ()),
        Column("Size", right=True),
        Column("Claimed"),
        *numbers(("Latency", "ns"), ("Latency", "cycles"), ("Line", "B"), "Ways"),
        Column("Sharing"),
    )
    odd = [
        (f"{plain(c.name, 10)}, {s.label}" if several else plain(c.name, 10), o) for s, m in machines for c in m.caches for o in c.oddities
    ]
    words = " ".join(f"{name}: {plain(text, 200)}." for name, text in odd[:6])
    return [_table("Levels as measured", columns, rows, "levels", words)]


def _bandwidth(subject: Subject, machine: Machine, ending: str) -> list[Block]:
    """A figure for each kind of core."""
    found: list[Block] = []
    usable = [b for b in machine.bandwidths if sane_rate(b) is not None]
    for index, kind in enumerate(kinds_of(machine, usable), 1):
        mine = [b for b in usable if b.core_kind == kind]
        order = {c.name: i for i, c in reversed(list(enumerate(machine.caches)))}
        mine.sort(key=lambda b: order.get(b.level, len(order)))
        counts, levels = thread_counts(mine), list(dict.fromkeys(b.level for b in mine))
        reads = [b for level in levels[:MOST_LEVELS] if (b := fastest(mine, level, "read", counts[0])) is not None]
        said = ", ".join(f"{plain(b.level, 8)} {three(sane_rate(b) or 0)}" for b in reads)
        rows = tuple(
            (
                plain(b.level, 10),
                plain(b.kernel, 14),
                three(b.threads),
                number(b.rate, 1e-9),
                number(b.per_cycle),
                three(b.width_bits),
                size_words(b.size_bytes) if 0 < b.size_bytes < 2**60 else NONE,
            )
            for level in levels[:_IN_TABLE]
            for kernel in streams(mine)[:MOST_KERNELS]
            for threads in counts
            if (b := fastest(mine, level, kernel, threads)) is not None
        )
        columns = (
            Column("Level"),
            Column("Stream"),
            *numbers("Threads", ("Rate", "GB/s"), ("Rate", "B/cycle"), ("Width", "bit"), "Working set"),
        )
        found.append(
            Figure(
                f"bandwidth{ending}{_kind_ending(index)}",
                kind_title("Bandwidth", machine, kind, subject.label),
                "Bytes a second that streams move at each level, on a logarithmic axis, as asked for by the program."
                + (f" Reading with {plural(counts[0], 'thread')}, in GB/s: {said}." if said else ""),
                functools.partial(draw_bandwidth, mine),
                _table("Bandwidth by level and stream, fastest width", columns, rows, "rows"),
                how=_HOW_BANDWIDTH,
                note=f"{MOST_LEVELS} of {len(levels)} levels drawn." if len(levels) > MOST_LEVELS else "",
            )
        )
    return found


def _tlb_figure(subject: Subject, machine: Machine, ending: str) -> list[Block]:
    found: list[Block] = []
    curves = [c for c in machine.curves.values() if c.probe == "tlb"]
    for index, kind in enumerate(kinds_of(machine, curves), 1):
        added = next((times for c in curves if c.core_kind == kind and (times := added_times(c))), None)
        if not added:
            continue
        levels = [t for t in machine.tlbs if t.core_kind == kind]
        rows = tuple(
            (Value(f"{p.pages:,}", sort=float(p.pages)), f"{plain(pages, 12)}", *_added(p))
            for pages, points in added.items()
            for p in points
        )
        columns = (Column("Pages touched", right=True), Column("Asked for"), *numbers(("Added", "ns"), ("Middle half", "ns"), "Rounds"))
        most = "; ".join(f"{three(points[-1].ns)} ns at {points[-1].pages:,} {plain(pages, 12)} pages" for pages, points in added.items())
        found.append(
            Figure(
                f"tlb{ending}{_kind_ending(index)}",
                kind_title("Added by translation", machine, kind, subject.label),
                f"Nanoseconds added to a load by address translation, against the number of pages that are touched: {most}.",
                functools.partial(draw_tlb, added, levels),
                _table("Time added by translation", columns, rows, "points"),
                how=_HOW_TLB,
                note=_at_most(MOST_POINTS, added.values()),
            )
        )
    return found


def _added(point: Added) -> tuple[Cell, ...]:
    return Value(three(point.ns), sort=point.ns), f"{three(point.low_ns)} to {three(point.high_ns)}", str(point.rounds)


def _tlb_table(machines: Sequence[tuple[Subject, Machine]]) -> list[Block]:
    several = len(machines) > 1
    rows: list[tuple[Cell, ...]] = []
    judgements = []
    for subject, machine in machines:
        for t in machine.tlbs[:_MOST_ROWS]:
            name = kind_word(machine, t) + plain(t.name, 12)
            page = size_words(t.page_bytes) if 0 < t.page_bytes < 2**60 else NONE
            lead = (name, *((subject.label,) if several else ()), page, plain(t.pages, 8))
            rows.append((*lead, number(t.entries), number(t.miss, 1e9), number(t.miss_cycles), judged(t.judgement)))
            judgements.append((f"{name}, {subject.label}" if several else name, t.judgement))
    if not rows:
        return []
    machine_column = (Column("Machine"),) if several else ()
    cells = numbers("Entries", ("A miss adds", "ns"), ("A miss adds", "cycles"))
    columns = (Column("Level"), *machine_column, Column("Page"), Column("Asked for"), *cells, Column("Against claims"))
    return [_table("Levels of translation", columns, rows, "levels"), *disagreements(judgements)]


def _loaded(machines: Sequence[tuple[Subject, Machine]]) -> list[Block]:
    """One line a machine and kind of load; of several machines reading alone."""
    several = len([m for _, m in machines if m.loaded_latency]) > 1
    lines: list[Line] = []
    for index, (subject, machine) in enumerate(machines):
        own = lines_of(subject.label if several else "", index if several else 0, machine.loaded_latency)
        lines += own[:1] if several else own
    if not lines:
        return []
    rows: list[tuple[Cell, ...]] = [
        (
            line.label,
            "none" if r.injectors == 0 else f"{three(r.injectors)} {plain(r.kernel, 12)}".strip(),
            number(r.rate, 1e-9),
            number(r.latency, 1e9),
        )
        for line in lines
        for r in line.rows
    ]
    columns = (Column("Line"), Column("Injectors"), *numbers(("Drawn", "GB/s"), ("Latency", "ns")))
    said = "; ".join(f"{line.label}: {_from_to(line)}" for line in lines[:MOST_LINES])
    title = "Memory latency under load" + ("" if several else f": {next(s.label for s, m in machines if m.loaded_latency)}")
    return [
        Figure(
            "loaded-latency",
            title,
            f"Latency of a load in memory while other threads draw bandwidth. {said}.",
            functools.partial(draw_loaded, lines[:MOST_LINES]),
            _table("Latency by load", columns, rows, "loads"),
            how=_HOW_LOADED,
            note=" ".join(
                filter(
                    None,
                    (
                        f"{MOST_LINES} of {len(lines)} lines drawn." if len(lines) > MOST_LINES else "",
                        _at_most(MOST_LOADS, [line.rows for line in lines[:MOST_LINES]]),
                    ),
                )
            ),
        )
    ]


def _at_most(most: int, lines: Iterable[Sequence[object]]) -> str:
    """The note of a figure whose lines have more points than it draws."""
    return f"At most {most} points of a line drawn, spread evenly." if any(len(points) > most for points in lines) else ""


def _from_to(line: Line) -> str:
    first, last = line.rows[0], line.rows[-1]
    ends = [three(value_of(row.latency, 1e9) or 0.0) for row in (first, last)]
    return f"{ends[0]} ns idle, {ends[1]} ns at {three(value_of(last.rate, 1e-9) or 0.0)} GB/s"


def _nodes(machines: Sequence[tuple[Subject, Machine]]) -> list[Block]:
    """A row for each pair of a node that computes and one that remembers."""
    tables: list[Block] = []
    for subject, machine in machines:
        if len({n.memory_node for n in machine.nodes}) < 2:
            continue
        rows = tuple((three(n.cpu_node), three(n.memory_node), number(n.latency, 1e9), number(n.rate, 1e-9)) for n in machine.nodes)
        columns = (Column("CPUs of node"), Column("Memory of node"), *numbers(("Latency", "ns"), ("Reading", "GB/s")))
        tables.append(_table(f"Between nodes, {subject.label}", columns, rows, "pairs"))
    return tables[:12]
