"""Show what the cores can compute: operations a cycle by width and data type, the units that work, the ceilings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..configs.facts import Fact
from ..configs.machine import Machine, Roof, Unit, UnitRate
from .cells import kind_prefix, kinds, level_prefix, number_cell, number_words, plural, reasons
from .look import Line, Look, Section, Span, joined, titled
from .numbers import figure, value_of, worst_width
from .tables import Cell, Column, grid, table
from .verdicts import QUIET, check_cell, grouped

_DTYPES = ("f64", "f32", "tf32", "f16", "bf16", "fp8", "i8", "int8", "u8", "i16", "int16", "i32", "int32", "i64", "int64")


def dtypes_in_order(names: Iterable[str]) -> list[str]:
    """Data types in the order in which a reader expects them, unknown ones last."""
    present = set(names)
    return [d for d in _DTYPES if d in present] + sorted(present - set(_DTYPES))


def compute_section(machine: Machine, look: Look) -> Section:
    """Operations a cycle, width by data type, the best instruction of each, and below them the ceilings in operations a second."""
    lines: list[Line] = []
    roofs = [r for r in machine.roofs if r.kind == "compute"]
    for kind in kinds(machine, [*machine.simd, *roofs]):
        lines += _best_rates(machine, kind, [r for r in roofs if r.core_kind == kind], look)
    missing = [(_rate_name(machine, r, look), r.op_per_cycle) for r in machine.simd]
    missing += [(f"roof {look.word(r.name, 30)}", r.rate) for r in roofs]
    return Section(tuple(lines), reasons(missing, look))


def _rate_name(machine: Machine, rate: UnitRate, look: Look) -> str:
    return f"{level_prefix(machine, rate, look)}{look.word(rate.unit, 16)} {look.word(rate.op, 8)} {look.word(rate.dtype, 8)}"


def _best_rates(machine: Machine, kind: str, roofs: Sequence[Roof], look: Look) -> list[Line]:
    mine = [r for r in machine.simd if r.core_kind == kind and value_of(r.op_per_cycle) is not None]
    dtypes = dtypes_in_order([r.dtype for r in mine] + [r.dtype for r in roofs])
    rows: list[tuple[Cell, ...]] = []
    shown: list[Fact[float]] = []
    for label, group in _by_width(mine, look):
        best = [_best(group, dtype) for dtype in dtypes]
        shown += [r.op_per_cycle for r in best if r]
        fma = [r for r in group if r.op == "fma" and value_of(r.latency_cycles) is not None]
        latency = number_cell(min(fma, key=lambda r: (r.dtype != "f32", r.dtype)).latency_cycles, look) if fma else Cell()
        rows.append((Cell(label), *(_rate_cell(r, look) for r in best), latency._replace(tail="")))
    if rows:
        names = [_best(mine, dtype) for dtype in dtypes]
        rows.append((Cell("by", "dim"), *(Cell(look.word(r.op, 6) if r else "", "dim") for r in names), Cell()))
    for threads in sorted({r.threads for r in roofs}):
        highest = [_highest([r for r in roofs if (r.threads, r.dtype) == (threads, d)]) for d in dtypes]
        shown += [r.rate for r in highest if r]
        label = look.word(f"Gop/s {plural(threads, 'thread')}", 24)
        rows.append((Cell(label), *(number_cell(r.rate, look, 1e-9) if r else Cell() for r in highest), Cell()))
    heads = [Column(look.word(dtype, 8), least=5) for dtype in dtypes]
    title = f"{kind_prefix(machine, kind, look)}op/cycle"
    return table(grid([Column(title, "left", least=look.lead), *heads, Column("fma cycles")], rows, worst_width(shown)), look)


def _by_width(rows: Sequence[UnitRate], look: Look) -> list[tuple[str, list[UnitRate]]]:
    """Vector rows by width, narrowest first, then each matrix unit by name."""
    vector = [r for r in rows if r.op != "mma"]
    groups = []
    for bits in sorted({r.width_bits for r in vector}):
        group = [r for r in vector if r.width_bits == bits]
        scalar = all(r.unit == "scalar" for r in group)
        groups.append(("scalar" if scalar else look.word(f"{figure(bits)} bit", 12), group))
    matrix = [r for r in rows if r.op == "mma"]
    return groups + [(look.word(unit, 16), [r for r in matrix if r.unit == unit]) for unit in dict.fromkeys(r.unit for r in matrix)]


def _best(rows: Sequence[UnitRate], dtype: str) -> UnitRate | None:
    return max((r for r in rows if r.dtype == dtype), key=lambda r: value_of(r.op_per_cycle) or 0.0, default=None)


def _rate_cell(rate: UnitRate | None, look: Look) -> Cell:
    """The number; a leading `!` where its verdict or an oddity is told at the end of the screen."""
    if rate is None:
        return Cell()
    cell = number_cell(rate.op_per_cycle, look)
    if rate.judgement.verdict in QUIET and not rate.oddities:
        return cell
    return Cell("!" + cell.text, "odd", cell.tail)


def rate_section(machine: Machine, look: Look) -> Section:
    """Every instruction with its rate: the full screen only."""
    rows, shown, why = [], [], []
    for r in machine.simd:
        prefix = level_prefix(machine, r, look)
        rows.append(
            (
                Cell(prefix + look.word(r.unit, 16)),
                Cell(look.word(r.op, 8)),
                Cell(look.word(r.dtype, 8)),
                Cell(look.word(figure(r.width_bits), 10)),
                Cell(look.word(r.instruction, 20)),
                number_cell(r.op_per_cycle, look),
                number_cell(r.rate, look, 1e-9),
                number_cell(r.instr_per_cycle, look)._replace(tail=""),
                number_cell(r.latency_cycles, look)._replace(tail=""),
                number_cell(r.clock_hz, look, 1e-9)._replace(tail=""),
                check_cell(r.judgement, look, agrees="expected"),
            )
        )
        shown += [r.op_per_cycle, r.rate]
        name = _rate_name(machine, r, look)
        why += [(name, r.op_per_cycle), (f"{name} latency", r.latency_cycles)]
    columns = (
        Column("SIMD", "left", least=look.lead - 1),
        Column("op", "left"),
        Column("type", "left"),
        Column("bits"),
        Column("instruction", "left", optional=True),
        Column("op/cycle"),
        Column("Gop/s"),
        Column("instr/cycle", optional=True),
        Column("latency"),
        Column("GHz", optional=True),
        Column("check", "left"),
    )
    return Section(tuple(table(grid(columns, rows, worst_width(shown)), look)), reasons(why, look))


def unit_section(machine: Machine, look: Look) -> Section:
    """The vector and matrix units that work, and the reason for each that does not."""
    lines: list[Line] = []
    every = kinds(machine, machine.matrix_units)
    alike = len({tuple(_sameness(u) for u in machine.matrix_units if u.core_kind == kind) for kind in every}) == 1 and not look.full
    for kind in every[:1] if alike else every:
        mine = [u for u in machine.matrix_units if u.core_kind == kind]
        usable = [_unit_words(machine, u, look) for u in mine if u.usable]
        refused = grouped(((look.word(u.name, 20), look.prose(u.reason or "no reason given")) for u in mine if not u.usable), most=12)
        body = joined(usable or ["none usable"], look, rest="", width=look.width - look.lead)
        for names, reason in refused:
            body += [
                (Span(line[0].text, "odd"),) for line in joined([f"not {names}: {reason}"], look, rest="  ", width=look.width - look.lead)
            ]
        lines += titled("units" if alike else f"{kind_prefix(machine, kind, look)}units", body, look.lead)
        lines += _unit_table(mine, look) if look.full else []
    return Section(tuple(lines))


def _sameness(unit: Unit) -> tuple[object, ...]:
    """What a first screen shows of a unit."""
    return unit.name, unit.usable, unit.reason


def _unit_words(machine: Machine, unit: Unit, look: Look) -> str:
    """`amx_int8` with its best rate where that is not in the table of widths already."""
    rates = [r for r in machine.simd if r.unit == unit.name and r.core_kind == unit.core_kind and value_of(r.rate) is not None]
    best = max(rates, key=lambda r: value_of(r.rate) or 0.0, default=None)
    name = look.word(unit.name, 20)
    return f"{name} {number_words(best.rate, look, 'Gop/s', 1e-9)}" if best is not None and look.full else name


def _unit_table(units: Sequence[Unit], look: Look) -> list[Line]:
    def answer(fact: Fact[bool]) -> Cell:
        return Cell(look.missing, "dim") if fact.value is None else Cell("yes" if fact.value else "no", "" if fact.value else "odd")

    rows = [(Cell(look.word(u.name, 20)), *map(answer, (u.claimed, u.allowed, u.executed, u.right))) for u in units]
    heads = (Column(head, "left") for head in ("claimed", "allowed", "executed", "right"))
    return table(grid((Column("unit", "left", least=look.lead), *heads), rows), look)


def _highest(roofs: Sequence[Roof]) -> Roof | None:
    return max(roofs, key=lambda r: value_of(r.rate) or 0.0, default=None)


def roof_section(machine: Machine, look: Look) -> Section:
    """Every ceiling by name: the full screen only."""
    rows = []
    for r in machine.roofs:
        rate = number_cell(r.rate, look, 1e-9)
        unit = {"compute": "Gop/s", "memory": "GB/s"}.get(r.kind, "")
        label = level_prefix(machine, r, look) + look.word(r.name, 30)
        rows.append((Cell(label), Cell(plural(r.threads, "thread")), rate, Cell(unit)))
    columns = (Column("roofs", "left", least=look.lead), Column("threads", "left"), Column("rate"), Column("unit", "left"))
    missing = [(look.word(r.name, 30), r.rate) for r in machine.roofs]
    return Section(tuple(table(grid(columns, rows, worst_width(r.rate for r in machine.roofs)), look)), reasons(missing, look))
