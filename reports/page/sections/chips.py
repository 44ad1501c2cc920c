"""The chips: a sheet for each machine (what it is, what it claims beside what was measured, its libraries), and all of them row by row."""

from __future__ import annotations

from collections.abc import Sequence

from ....configs.facts import Fact
from ....configs.kernel_names import is_unfused, without_origin
from ....configs.machine import Machine, Topology
from ....configs.sweepdoc import SweepKernel
from ....configs.sweeplog import Missing
from ....configs.units import pretty, size_words
from ...cells import plural
from ...figures.bandwidth import fastest, sane_rate, thread_counts
from ...numbers import figure as three
from ...numbers import value_of
from ...sweep_rows import FAILED
from ...verdicts import grouped
from ..blocks import Block, Card, Cards, Cell, Column, Points, Prose, Table, Value, numbers, plain
from ..chiptable import compared_chips
from ..evidence import Evidence, Subject
from ..registry import section
from ..values import (
    NONE,
    Peak,
    disagreements,
    judged,
    kind_name,
    kind_word,
    kinds_of,
    number,
    peaks,
    size,
    size_claims,
    without_interval,
)

_MOST_CARDS = 12
_MOST_LEVELS, _MOST_PEAKS, _MOST_LIBRARIES, _MOST_ABSENT = 24, 24, 30, 20
_NOWHERE = ("", "none", "none seen")


@section("chips", "The chips", after="verdict")
def chips(evidence: Evidence) -> list[Block]:
    """A card a machine; a table of all where there are several."""
    if not evidence.subjects:
        return []
    shown = evidence.subjects[:_MOST_CARDS]
    blocks: list[Block] = [Cards(tuple(_card(subject, evidence) for subject in shown))]
    if len(evidence.subjects) > len(shown):
        blocks.append(
            Prose(f"{len(shown)} of {len(evidence.subjects)} machines have a sheet here; the others are in the sections below.", "note")
        )
    return [*blocks, *compared_chips(shown)]


def _card(subject: Subject, evidence: Evidence) -> Card:
    machine = subject.machine
    badge = "synthetic" if subject.synthetic else ""
    libraries = [*_libraries(subject, evidence), *_absent(subject)]
    if machine is None:
        lead: tuple[tuple[str, Cell], ...] = (("Machine file", Value("none", "odd", plain(subject.no_machine))),)
        return Card(subject.label, plain(subject.no_machine or "nothing is known of the machine itself"), lead, tuple(libraries), badge)
    blocks = [
        *_unnamed(machine),
        *_claims(machine),
        *_peaks(machine),
        *_bandwidths(machine),
        *_units(machine),
        *_not_run(machine),
        *libraries,
    ]
    brand = machine.identity.get("brand")
    subtitle = (
        plain(brand.value, 80)
        if brand is not None and brand.value not in (None, "", "unknown")
        else "a processor that does not tell its name"
    )
    return Card(subject.label, subtitle, _identity(machine), tuple(blocks), badge)


def _unnamed(machine: Machine) -> list[Block]:
    """Why the design has no name, where it has none: a hypervisor that shows another chip's number is worth a sentence."""
    design = machine.identity.get("microarchitecture")
    if design is None or design.value is not None:
        return []
    return [Prose(f"Its design is not named: {plain(design.note, 300)}.", "note")]


def _identity(machine: Machine) -> tuple[tuple[str, Cell], ...]:
    """Name and value of what identifies the machine and of its conditions; a reason where the system hides one."""
    lead: list[tuple[str, Cell]] = [("Microarchitecture", _word(machine, "microarchitecture"))]
    if machine.topology is not None:
        lead += _counts(machine.topology)
    system = " ".join(filter(None, (_word(machine, name, 40).text for name in ("os", "kernel"))))
    lead += [("System", system or Value("–", "dim"))]
    lead += [(title, cell) for title, name in (("Guest of", "hypervisor"), ("Container", "container")) if (cell := _inside(machine, name))]
    for clock in machine.clocks[:4]:
        lead.append((f"{kind_name(machine, clock.core_kind)}Clock", _with_unit(number(clock.core_hz, 1e-9), "GHz")))
        loads = [(bits, value_of(hz, 1e-9)) for bits, hz in list(clock.under_load.items())[:5] if bits != "scalar"]
        words = " / ".join(three(ghz) for _, ghz in loads if ghz is not None)
        under = " / ".join(plain(bits, 8) for bits, ghz in loads if ghz is not None)
        lead += [(f"{kind_name(machine, clock.core_kind)}Under {under} bit", f"{words} GHz")] if words else []
    lead += [
        (title, _word(machine, name)) for title, name in (("Governor", "governor"), ("Turbo", "turbo")) if name in machine.conditions.before
    ]
    memory = value_of(machine.conditions.before["memory_total"]) if "memory_total" in machine.conditions.before else None
    lead += [("Memory", size_words(float(three(memory / 2**30)) * 2**30))] if memory is not None and 2**20 < memory < 2**60 else []
    return (*lead, ("Probed", plain(machine.probed_at, 24).replace("T", " ").replace("Z", " UTC") or Value("–", "dim")))


def _word(machine: Machine, name: str, limit: int = 60) -> Value:
    """A fact of the identity or the conditions as a word; a note with the reason where there is none."""
    fact = machine.identity.get(name) or machine.conditions.before.get(name)
    if fact is None:
        return Value("", "dim")
    if fact.value is None:
        return Value("not known" if name in machine.identity else "not shown", "dim", plain(fact.note))
    words = {True: "on", False: "off"}[fact.value] if isinstance(fact.value, bool) else plain(fact.value, limit)
    return Value(words, "", plain(fact.note))


def _inside(machine: Machine, name: str) -> Value | None:
    """The hypervisor or the container, where there is one."""
    fact = machine.conditions.before.get(name) or machine.identity.get(name)
    if fact is None or fact.value is None or str(fact.value)[:20] in _NOWHERE:
        return None
    return Value(plain(fact.value, 40).partition(" (")[0], "", plain(fact.note))


def _with_unit(value: Value, unit: str) -> Value:
    return Value(f"{value.text} {unit}", value.mark, value.note, value.sort) if value.sort is not None else value


def _counts(topology: Topology) -> list[tuple[str, Cell]]:
    """CPUs, cores, packages, nodes; kinds of core where there are several."""
    facts = (("CPUs", topology.threads), ("Cores", topology.cores), ("Packages", topology.packages), ("Nodes", topology.nodes))
    found: list[tuple[str, Cell]] = [(title, number(fact)) for title, fact in facts if title != "Nodes" or (value_of(fact) or 0) > 1]
    if len(topology.kinds) > 1:
        counts = [(sum(cpu.kind == kind for cpu in topology.cpus), plain(kind, 10)) for kind in topology.kinds[:4]]
        words = " + ".join(f"{count} {kind}" if any(n for n, _ in counts) else kind for count, kind in counts)
        found.append(("Kinds of core", words))
    allowed, threads = len(topology.allowed), value_of(topology.threads)
    return [*found, ("Allowed here", plural(allowed, "CPU"))] if threads is not None and 0 < allowed < threads else found


def _claims(machine: Machine) -> list[Block]:
    """Each cache and TLB level as measured, and as claimed."""
    rows: list[tuple[Cell, ...]] = []
    judgements = []
    for c in machine.caches[:_MOST_LEVELS]:
        name = kind_word(machine, c) + plain(c.name, 10)
        measured = without_interval(size(c.size))
        claimed = judged(c.judgement, size_claims(c.claims)) if c.claims or measured.sort is not None else Value("")
        rows.append(
            (name, measured if measured.sort is not None or c.claims else Value(""), claimed, without_interval(number(c.latency, 1e9)))
        )
        judgements.append((name, c.judgement))
    for t in machine.tlbs[:_MOST_LEVELS]:
        name = kind_word(machine, t) + plain(t.name, 12) + (", huge" if t.pages == "huge" else "")
        added = without_interval(number(t.miss, 1e9))
        added = Value(f"+{added.text}", added.mark, added.note, added.sort) if added.sort is not None else added
        rows.append((name, _with_unit(without_interval(number(t.entries)), "pages"), judged(t.judgement), added))
        judgements.append((name, t.judgement))
    if not rows:
        return []
    columns = (Column("Level"), Column("Measured", right=True), Column("Claimed"), *numbers("ns"))
    return [Table("Measured beside claimed, and ns a load", columns, tuple(rows)), *disagreements(judgements)]


def _peaks(machine: Machine) -> list[Block]:
    found = peaks(machine)
    if not found:
        return []
    threads = max(p.threads for p in found)
    rows = tuple(_peak_row(machine, peak, several=threads > 1) for peak in found[:_MOST_PEAKS])
    heads = ["×1", *([f"×{three(threads)}"] if threads > 1 else []), "op/cycle"]
    most = f"; ×{three(threads)} is {three(threads)} threads" if threads > 1 else ""
    return [Table(f"Highest rate of each data type in Gop/s{most}", (Column("Type"), *numbers(*heads), Column("By")), rows)]


def _peak_row(machine: Machine, peak: Peak, *, several: bool) -> tuple[Cell, ...]:
    rates = [_short(fact, 1e-9) for fact in ((peak.one, peak.every) if several else (peak.one,))]
    return (
        kind_name(machine, peak.core_kind) + peak.dtype,
        *rates,
        _short(peak.per_cycle),
        Value(peak.instruction, "", f"{peak.unit} {peak.instruction}"),
    )


def _short(fact: Fact[float] | None, scale: float = 1.0) -> Value:
    return NONE if fact is None else without_interval(number(fact, scale))


def _bandwidths(machine: Machine) -> list[Block]:
    """Reading and writing of each level, with one thread and with all."""
    blocks: list[Block] = []
    usable = [b for b in machine.bandwidths if sane_rate(b) is not None]
    for kind in kinds_of(machine, usable):
        mine = [b for b in usable if b.core_kind == kind]
        counts = thread_counts(mine)
        pairs = [(kernel, threads) for threads in counts for kernel in ("read", "write", "copy") if kernel != "copy" or len(counts) == 1]
        rows: list[tuple[Cell, ...]] = []
        for level in list(dict.fromkeys(b.level for b in mine))[:_MOST_LEVELS]:
            found = [fastest(mine, level, kernel, threads) for kernel, threads in pairs]
            rows.append((plain(level, 8), *(_short(b.rate, 1e-9) if b else Value("–", "dim") for b in found)))
        heads = [f"{kernel.capitalize()} ×{three(threads)}" for kernel, threads in pairs]
        most = f"; ×{three(counts[-1])} is {three(counts[-1])} threads" if len(counts) > 1 else ""
        caption = f"Bandwidth in GB/s{', ' + plain(kind, 10) if kind_name(machine, kind) else ''}{most}"
        blocks.append(Table(caption, (Column("Level"), *numbers(*heads)), tuple(rows)))
    return blocks


def _units(machine: Machine) -> list[Block]:
    """Which units can be used; why the others cannot."""
    if not machine.matrix_units:
        return []
    usable = dict.fromkeys(kind_word(machine, u) + plain(u.name, 20) for u in machine.matrix_units if u.usable)
    refused = [
        (kind_word(machine, u) + plain(u.name, 20), plain(u.reason or "no reason given", 200)) for u in machine.matrix_units if not u.usable
    ]
    despite = [(kind_word(machine, u) + plain(u.name, 20), plain(u.reason, 200)) for u in machine.matrix_units if u.usable and u.reason]
    items = [("Usable", ", ".join(list(usable)[:60]) or "none")]
    items += [(f"Not {who}:", why) for who, why in grouped(refused, most=8)[:12]]
    items += [(f"{who}:", why) for who, why in grouped(despite, most=8)[:6]]
    return [Points(tuple(items), "Units")]


def _not_run(machine: Machine) -> list[Block]:
    items = tuple((plain(name, 30), plain(why, 200)) for name, why in list(machine.not_run.items())[:12])
    return [Points(items, "Not measured", "note")] if items else []


def _libraries(subject: Subject, evidence: Evidence) -> list[Block]:
    """Who took part in its sweeps: libraries and frameworks first, then our own kernels."""
    kernels = [k for name, k in subject.kernels.items() if not is_unfused(name)]
    if not kernels:
        return []
    asked: dict[str, int] = {}
    served: dict[str, int] = {}
    failed: dict[str, int] = {}
    for row in subject.rows:
        asked[row.kernel] = asked.get(row.kernel, 0) + 1
        served[row.kernel] = served.get(row.kernel, 0) + row.timed
        failed[row.kernel] = failed.get(row.kernel, 0) + (row.status in FAILED)
    cells = len({row.case_id for row in subject.rows})
    kernels.sort(key=lambda k: (k.kind == "own", -served.get(k.kernel, 0), k.kernel))
    items = []
    for k in kernels[:_MOST_LIBRARIES]:
        count = f"served {served.get(k.kernel, 0)} of {plural(cells, 'cell')}" if cells else "was asked nothing"
        count += f", failed in {failed[k.kernel]}" if failed.get(k.kernel) else ""
        items.append((evidence.name(k.kernel), "; ".join(filter(None, (_kernel_words(k), count, _problem(k))))))
    left = len(kernels) - _MOST_LIBRARIES
    items += [("", f"and {left} more in the raw data")] if left > 0 else []
    return [Points(tuple(items), "Libraries and kernels of its sweeps")]


def _kernel_words(kernel: SweepKernel) -> str:
    """`OpenBLAS 0.3.29, core SkylakeX, pthreads, 35 MiB on disk`."""
    if kernel.kind == "own":
        return f"{plain(kernel.title or 'our own', 80)}, version {plain(kernel.version, 12)}"
    version = plain(kernel.library_version, 40)
    parts = [" ".join(filter(None, (plain(kernel.title or kernel.name, 60), version or "of unknown version")))]
    parts += [f"core {plain(kernel.core, 40)}"] if kernel.core else []
    parts += [f"threads by {plain(kernel.threading, 40)}"] if kernel.threading else []
    parts += (
        [f"{pretty(float(three(kernel.size_bytes)) if kernel.size_bytes < 1000 else kernel.size_bytes, 'B')} on disk"]
        if 0 < kernel.size_bytes < 2**60
        else []
    )
    parts += ["timed from Python"] if kernel.kind == "framework" else []
    return ", ".join(parts)


def _problem(kernel: SweepKernel) -> str:
    return f"could not be opened: {plain(kernel.problem, 200)}" if kernel.problem else ""


def _absent(subject: Subject) -> list[Block]:
    """Libraries that no sweep of this machine found, and the command that brings each."""
    here = {without_origin(name) for name in subject.kernels}
    found: dict[str, Missing] = {}
    for sweep in subject.sweeps:
        for missing in sweep.absent:
            if missing.library not in here:
                found.setdefault(missing.library, missing)
    everyone: Sequence[Missing] = list(found.values())
    rows = tuple(
        (plain(m.title or m.library, 40), plain(m.reason or "not found", 120), plain(m.bring or "–", 160)) for m in everyone[:_MOST_ABSENT]
    )
    note = f"{len(everyone) - _MOST_ABSENT} more are in the raw data." if len(everyone) > _MOST_ABSENT else ""
    columns = (Column("Library"), Column("Why"), Column("What brings it"))
    return [Table(f"Not here: {plural(len(everyone), 'library', 'libraries')}", columns, rows, note, folded=True)] if rows else []
