"""Cores and units: how long a line takes from one CPU to another, operations a cycle by width and type, and which units work."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Sequence

from ....configs.facts import Fact
from ....configs.machine import CoreToCore, Cpu, Machine, Topology, UnitRate
from ...compute import dtypes_in_order
from ...cores import pairs_ns
from ...figures.cores import MOST_DRAWN, MOST_MARKED, Matrix, draw_cores, is_wide, matrix_of
from ...numbers import figure as three
from ...numbers import value_of
from ...verdicts import QUIET, WORDS, grouped
from ..blocks import Block, Cell, Column, Figure, Heading, Points, Prose, Table, Value, numbers, plain
from ..evidence import Evidence, Subject
from ..registry import section
from ..values import NONE, judged, kind_name, kind_word, kinds_of, number

_DETAILED, _MOST_FIGURES = 4, 8
_MOST_CELLS = 5000  # numbers in all squares together: a page has other things to carry
_MOST_ROWS, _MOST_WIDTHS = 300, 16
_MODES = {"cas": "compare-and-swap", "flag": "flags"}
_HOW = (
    "Rows are the CPU that a line comes from, columns where it goes, both in the order of packages, nodes and cores; the strip below gives "
    "the shades. Lines part packages, nodes and kinds of core. One way is half of a round trip where only round trips can be timed."
)
_BEST_NOTE = "Operations a cycle of the fastest instruction, a multiply-add as two. Behind each stand its name and what is published."
_UNIT_NOTE = (
    "A unit is usable where the system allows it, a child process executed it without a trap, and every value was right. "
    "What the chip claims does not count."
)


@section("cores", "Cores and units", after="comparison")
def cores(evidence: Evidence) -> list[Block]:
    """Every machine's squares and tables."""
    machines = [(s, s.machine) for s in evidence.probed if s.machine is not None]
    blocks = _squares(machines)
    for subject, machine in machines[:_DETAILED]:
        rows = [*_widths(subject, machine), *_units(subject, machine)]
        blocks += [Heading(f"Units of {subject.label}"), *rows] if rows else []
    if blocks and len(machines) > _DETAILED:
        blocks.insert(0, Prose(f"Tables of their own have the first {_DETAILED} of {len(machines)} machines.", "note"))
    return blocks


def _squares(machines: Sequence[tuple[Subject, Machine]]) -> list[Block]:
    """A figure for each machine and mode; narrow ones first, so that they stand side by side."""
    figures: list[Figure] = []
    cells = left_out = 0
    for index, (subject, machine) in enumerate(machines, 1):
        names: set[str] = set()
        for measured in machine.core_to_core:
            if not pairs_ns(measured):
                continue
            mode = plain(measured.mode, 10)
            name = f"cores-{mode if mode in _MODES else 'other'}" + (f"-{index}" if len(machines) > 1 else "")
            if name in names or len(figures) >= _MOST_FIGURES:
                left_out += 1
                continue
            names.add(name)
            most = MOST_DRAWN if cells + min(len(measured.cpus), MOST_DRAWN) ** 2 <= _MOST_CELLS else MOST_DRAWN // 2
            matrix = matrix_of(measured, machine.topology, most)
            cells += len(matrix.cpus) ** 2
            figures.append(_square(name, subject, machine, measured, matrix))
    if not figures:
        return []
    figures.sort(key=lambda figure: figure.wide)
    note = [Prose(f"{left_out} more squares are in the raw data.", "note")] if left_out else []
    return [Heading("From one CPU to another"), *figures, *note]


def _square(name: str, subject: Subject, machine: Machine, measured: CoreToCore, matrix: Matrix) -> Figure:
    times = pairs_ns(measured)
    by = _MODES.get(measured.mode, plain(measured.mode, 16))
    classes = _classes(measured, machine.topology)
    said = "; ".join(f"{words} {three(statistics.median(found))}" for words, found in classes)
    thinned = ""
    if len(matrix.cpus) < len(measured.cpus):
        thinned = (
            f"{len(matrix.cpus)} of {len(measured.cpus)} CPUs drawn, evenly in the order of the topology; median and classes are of all."
        )
    return Figure(
        name,
        f"Core to core by {by}: median {three(statistics.median(times))} ns, {subject.label}",
        f"Nanoseconds that a cache line takes one way between two CPUs, from {three(min(times))} to {three(max(times))}. Medians: {said}.",
        functools.partial(draw_cores, matrix),
        _square_table(matrix) if len(matrix.cpus) <= MOST_MARKED else _class_table(classes),
        how=_HOW,
        note=thinned,
        wide=is_wide(matrix),
    )


def _square_table(matrix: Matrix) -> Table:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (three(cpu), *(Value(three(ns), sort=ns) if ns is not None else NONE for ns in row))
        for cpu, row in zip(matrix.cpus, matrix.ns, strict=True)
    )
    return Table("Nanoseconds one way", (Column("From CPU"), *numbers(*((f"to {three(cpu)}", "ns") for cpu in matrix.cpus))), rows)


def _class_table(classes: Sequence[tuple[str, list[float]]]) -> Table:
    rows = tuple((words, str(len(ns)), *(three(v) for v in (statistics.median(ns), min(ns), max(ns)))) for words, ns in classes)
    columns = (Column("Between"), *numbers("Pairs", ("Median", "ns"), ("Least", "ns"), ("Most", "ns")))
    return Table("Nanoseconds one way, by how the CPUs lie to each other", columns, rows, "The raw data has every pair.")


def _classes(measured: CoreToCore, topology: Topology | None) -> list[tuple[str, list[float]]]:
    """Times by how two CPUs lie to each other, nearest first."""
    known = {cpu.id: cpu for cpu in (topology.cpus if topology else ())}
    cpus = [known.get(cpu, Cpu(cpu)) for cpu in measured.cpus]
    found: dict[str, list[float]] = {}
    for a, row in zip(cpus, measured.median_s, strict=False):
        for b, value in zip(cpus, row, strict=False):
            if a is not b and 0 < value < 1.0:
                found.setdefault(_between(a, b), []).append(value * 1e9)
    order = ("threads of one core", "cores of one node", "nodes of one package", "packages", "CPUs")
    return [(words, found[words]) for words in order if words in found]


def _between(a: Cpu, b: Cpu) -> str:
    if min(a.package, b.package) < 0:
        return "CPUs"
    if a.package != b.package:
        return "packages"
    if a.core >= 0 and a.core == b.core:
        return "threads of one core"
    return "cores of one node" if a.node == b.node else "nodes of one package"


def _widths(subject: Subject, machine: Machine) -> list[Block]:
    """Operations a cycle: the best instruction of each width and type, then every instruction."""
    found: list[Block] = []
    known = [r for r in machine.simd if value_of(r.op_per_cycle) is not None]
    for kind in kinds_of(machine, known):
        mine = [r for r in known if r.core_kind == kind]
        dtypes = dtypes_in_order(r.dtype for r in mine)[:16]
        rows: tuple[tuple[Cell, ...], ...] = tuple(
            (label, *(_best(group, dtype) for dtype in dtypes)) for label, group in _by_width(mine)[:24]
        )
        columns = (Column("Width"), *numbers(*(plain(dtype, 10) for dtype in dtypes)))
        found.append(Table(f"Operations a cycle, {kind_name(machine, kind)}{subject.label}", columns, rows, _BEST_NOTE))
    odd = [
        (f"{kind_word(machine, r)}{plain(r.instruction, 30)} {plain(r.dtype, 10)} {three(r.width_bits)} bit", words)
        for r in machine.simd
        for words in (*([_verdict(r)] if r.judgement.verdict not in QUIET else []), *(plain(o, 200) for o in r.oddities))
    ]
    items = tuple(grouped(odd, most=2))
    found += [Points(items[:12], "Not as published, or odd", "note")] if items else []
    found += [Prose(f"{len(items) - 12} more are in the table of instructions and in the raw data.", "note")] if len(items) > 12 else []
    return [*found, *_instructions(subject, machine)]


def _verdict(rate: UnitRate) -> str:
    words = WORDS[rate.judgement.verdict]
    return f"{words} ({plain(rate.judgement.why, 300)})" if rate.judgement.why else words


def _by_width(rows: Sequence[UnitRate]) -> list[tuple[str, list[UnitRate]]]:
    """Vector instructions by width, narrowest first, then each matrix unit by name."""
    vector, matrix = [r for r in rows if r.op != "mma"], [r for r in rows if r.op == "mma"]
    widths = sorted({r.width_bits for r in vector})[:_MOST_WIDTHS]
    units = list(dict.fromkeys(r.unit for r in matrix))[:_MOST_WIDTHS]
    groups = [(f"{three(bits)} bit", [r for r in vector if r.width_bits == bits]) for bits in widths]
    return groups + [(plain(unit, 20), [r for r in matrix if r.unit == unit]) for unit in units]


def _best(rows: Sequence[UnitRate], dtype: str) -> Value:
    best = max((r for r in rows if r.dtype == dtype), key=lambda r: value_of(r.op_per_cycle) or 0.0, default=None)
    if best is None:
        return Value("", "dim")
    why = plain(best.judgement.why or WORDS[best.judgement.verdict], 200)
    note = f"{plain(best.unit, 20)} {plain(best.op, 12)} {plain(best.instruction, 30)}; {why}"
    note += "".join(f"; {plain(oddity, 200)}" for oddity in best.oddities[:2])
    return number(best.op_per_cycle, mark=_mark(best), note=note)


def _mark(rate: UnitRate) -> str:
    mark = judged(rate.judgement).mark
    return "odd" if rate.oddities or mark == "odd" else "good" if mark == "good" else ""


def _instructions(subject: Subject, machine: Machine) -> list[Block]:
    rows: list[tuple[Cell, ...]] = [
        (
            kind_word(machine, r) + plain(r.instruction, 40),
            plain(r.unit, 20),
            plain(r.op, 12),
            plain(r.dtype, 10),
            three(r.width_bits),
            number(r.op_per_cycle, mark=_mark(r), note=plain(r.judgement.why)),
            number(r.rate, 1e-9),
            number(r.instr_per_cycle),
            number(r.latency_cycles),
            number(r.clock_hz, 1e-9),
            judged(r.judgement, WORDS[r.judgement.verdict]),
        )
        for r in machine.simd[:_MOST_ROWS]
    ]
    if not rows:
        return []
    figures = ("Width", "bit"), ("Rate", "op/cycle"), ("Rate", "Gop/s"), ("Issue", "instr/cycle"), ("Latency", "cycles"), ("Clock", "GHz")
    columns = (
        Column("Instruction"),
        Column("Unit"),
        Column("Does"),
        Column("Type"),
        *numbers(*figures),
        Column("Against what is published"),
    )
    note = (
        f"The first {_MOST_ROWS} of {len(machine.simd)} instructions. The raw data has the rest." if len(machine.simd) > _MOST_ROWS else ""
    )
    return [Table(f"Every instruction that was timed, {subject.label}", columns, tuple(rows), note, folded=True)]


def _units(subject: Subject, machine: Machine) -> list[Block]:
    """Whether each unit is claimed, allowed, executed and right, and why it cannot be used where it cannot."""
    if not machine.matrix_units:
        return []
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            kind_word(machine, u) + plain(u.name, 24),
            _answer(u.claimed, "" if u.claimed.value in (None, u.usable) else "odd"),
            *(_answer(fact) for fact in (u.allowed, u.executed, u.right)),
            Value("yes", "good") if u.usable else Value("no", "odd" if u.claimed.value else "dim"),
            Value(plain(u.reason, 160), "", plain(u.reason, 400)),
        )
        for u in machine.matrix_units[:_MOST_ROWS]
    )
    columns = (Column("Unit"), *(Column(head) for head in ("Claimed", "Allowed", "Executed", "Right", "Usable", "Reason")))
    return [Table(f"Vector and matrix units, {subject.label}", columns, rows, _UNIT_NOTE)]


def _answer(fact: Fact[bool], mark: str = "") -> Value:
    if fact.value is None:
        return Value("–", "dim", plain(fact.note))
    return Value("yes" if fact.value else "no", mark or ("" if fact.value else "dim"), plain(fact.note))
