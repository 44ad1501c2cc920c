"""Show what each machine can do by data type and threads, and how near every kernel comes to it in every shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ....configs.chips import Chip
from ....configs.dtypes import MIXES
from ....configs.machine import Machine
from ....configs.machine import Roof as MachineRoof
from ....configs.published import chip_of
from ....configs.sweepdoc import SweepRow
from ....kernels.roofline import Compute, Roofs, elsewhere, is_ceiling
from ...cells import plural
from ...figures.keys import Series
from ...figures.roofline import Ceiling, Point, Slope, draw_roofline, kept_points
from ...figures.theme import Mark
from ...numbers import figure as three
from ...numbers import half_width, plus_minus, value_of
from ...sweep_words import precision_words
from .. import rows as swept
from ..blocks import Block, Cell, Column, Figure, Prose, Table, Value, numbers, plain
from ..evidence import Evidence, Subject
from ..registry import section

MOST_FIGURES = 12
_MARKS, _ROWS = 1600, 1200  # of all figures of the page together: a mark takes some 230 bytes, a row of a table some 250
_MOST, _LEAST = 250, 60  # marks and rows of one figure
_AGREES = 0.02  # published and measured ceilings that differ by less share one line
_MOST_CEILINGS = 5  # measured lines of a figure
_PRODUCTS = ("fma", "dot", "mma")
_HOW = (
    "Level lines are measured compute rates of instructions that make such a product, the strongest the one that points are held "
    "against; rising lines are measured bandwidths of memory levels, of reading where no other stream is named; dashed lines are "
    "published. A point stands at the operations that its product has for each byte that must move at least; the roof above it is "
    "that of the level from which its operands come, at the clock that was measured with it, so that it may be lower than the "
    "lines. A red cross lies above its own roof."
)


@section("rooflines", "Rooflines", after="memory")
def rooflines(evidence: Evidence) -> list[Block]:
    """One figure for each machine, data type and number of threads that has rows, as far as there is room."""
    wanted = sorted(
        ((s, g) for s in evidence.swept for g in swept.groups_of(filter(_drawable, swept.rows_of(s)))), key=lambda each: -len(each[1].rows)
    )
    if not wanted:
        return []
    chosen, rest = wanted[:MOST_FIGURES], wanted[MOST_FIGURES:]
    blocks: list[Block] = [_figure(evidence, subject, group, len(chosen)) for subject, group in chosen]
    if rest:
        blocks.append(Prose(f"Not drawn, because fewer rows speak of them: {swept.listed(evidence, rest)}.", "note"))
    return blocks


def _drawable(row: SweepRow) -> bool:
    """Whether it has a place under the processor's roofs; what ran on another device has none."""
    return swept.is_timed(row) and swept.positive(row.intensity) and not elsewhere(row.params)


@dataclass(frozen=True, slots=True)
class Lines:
    """What is drawn besides points, the rows of the table that say the same, and what is missing of it."""

    ceilings: tuple[Ceiling, ...]
    slopes: tuple[Slope, ...]
    rows: tuple[tuple[Cell, ...], ...]
    missing: str


def _figure(evidence: Evidence, subject: Subject, group: swept.Group, figures: int) -> Figure:
    lines = lines_of(subject.machine, group)
    names = swept.names_of(evidence, subject, group.rows)
    points = [_point(evidence, names, row) for row in _by_importance(group.rows)]
    most = min(_MOST, max(_LEAST, _MARKS // figures))
    kept = kept_points(lines.ceilings, lines.slopes, points, most)
    above = [row for row in group.rows if swept.is_above(row)]
    notes = [
        f"{len(kept):,} of {len(points):,} points drawn: points that would overlap were left out." if len(kept) < len(points) else "",
        _above_words(above, names),
        lines.missing,
        swept.python_note(names.values()),
        swept.help_note(group.rows),
    ]
    return Figure(
        f"roofline-{group.name}{swept.suffix(evidence, subject)}",
        f"Roofline, {group.words}: {subject.label}",
        _description(group, subject, names, above),
        lambda: draw_roofline(lines.ceilings, lines.slopes, kept, group.unit),
        _table(group, lines, names, min(_MOST, max(_LEAST, _ROWS // figures))),
        how=_HOW,
        note=" ".join(filter(None, notes)),
    )


def _by_importance(rows: tuple[SweepRow, ...]) -> list[SweepRow]:
    """The fastest first: where points overlap, the first stays."""
    return sorted(rows, key=lambda r: (-r.rate, r.kernel, r.case_id))


def _point(evidence: Evidence, names: dict[str, str], row: SweepRow) -> Point:
    name = names[row.kernel]
    mark = Mark(swept.point_words(name, row), row.case_id)
    return Point(Series(name, evidence.number(row.kernel)), row.intensity, row.rate, mark, swept.is_above(row))


def _count_above(above: list[SweepRow]) -> str:
    return "1 point is above its roof" if len(above) == 1 else f"{len(above):,} points are above their roof"


def _above_words(above: list[SweepRow], names: dict[str, str]) -> str:
    if not above:
        return ""
    worst = max(above, key=lambda r: r.roof_share)
    where = f"{names[worst.kernel]} in {swept.shape_words(worst.case)} ({swept.roof_words(worst)} of {plain(worst.roof_bound, 12)})"
    return f"{_count_above(above)}, most of all {where}: {swept.NOT_A_WIN}."


def _description(group: swept.Group, subject: Subject, names: dict[str, str], above: list[SweepRow]) -> str:
    best = swept.highest(group.rows)
    rate = f"{three(best.rate * 1e-9)}{swept.help_mark(best)} {group.unit}"
    roof = f", {swept.roof_words(best)} of its roof" if swept.roof_words(best) and not swept.is_above(best) else ""
    cells = len({row.case_id for row in group.rows})
    kernels, shapes = plural(len(names), "kernel"), plural(cells, "case")
    odd = f" {_count_above(above)}." if above else " No point is above its roof."
    return (
        f"Operations a second against operations a byte for {kernels} in {shapes} of {group.words} on {subject.label}: the highest is "
        f"{names[best.kernel]} in {swept.shape_words(best.case)} with {rate}{roof}.{odd}"
    )


# --- ceilings -----------------------------------------------------------------------------------------------------------------


def lines_of(machine: Machine | None, group: swept.Group) -> Lines:
    """The measured and published ceilings for a data type and a number of threads."""
    if machine is None:
        return Lines((), (), (), "No ceilings: there is no machine file beside these rows; `mmbench probe` writes one.")
    roofs = Roofs.of(machine)
    measured = _measured(machine, roofs, group)
    slopes = _slopes(machine, roofs, group.threads)
    chip = chip_of(machine, machine.topology.kinds[0] if machine.topology and machine.topology.kinds else "")
    published, agrees = _published(machine, chip, measured, group)
    missing = [] if measured else ["No compute rate was measured for this data type."]
    missing += [] if slopes else ["No bandwidth was measured for this number of threads."]
    if chip is None:
        missing.append("Nothing is published here of this chip, so no line is dashed.")
    if chip is not None and agrees:
        missing.append(f"Published for {plain(chip.title, 60)} and within 2\u00a0% of the measured: {', '.join(agrees)}.")
    if chip is not None and not published:
        missing.append(f"No published rate of {plain(chip.title, 60)} is known for these instructions.")
    rows = tuple(row for _, row in measured) + tuple(row for _, row in published) + tuple(row for _, row in slopes)
    ceilings = tuple(c for c, _ in measured) + tuple(c for c, _ in published)
    return Lines(ceilings, tuple(s for s, _ in slopes), rows, " ".join(missing))


Row = tuple[Cell, ...]


def _measured(machine: Machine, roofs: Roofs, group: swept.Group) -> list[tuple[Ceiling, Row]]:
    """The units that bound such a product, the fastest first: of the type of the fastest, with instructions that make a right one."""
    wanted = MIXES[group.dtype].rates
    found: list[tuple[Ceiling, Row]] = []
    binding = _binding(roofs, group)
    taken = False
    for roof in _compute_roofs(machine, binding.name.split()[-1:] if binding else wanted, group.threads):
        rate = value_of(roof.rate)
        if rate is None or not swept.positive(rate):
            continue
        own = binding is not None and not taken and _same(roof, binding) and group.threads > 0
        taken = taken or own
        name = _ceiling_name(roof, wanted)
        unit = "measured" if roof.rate.by.startswith("peaks") or group.threads == 1 else "one core's rate times the cores"
        cells = _line_row(name, f"{plain(roof.name, 40)}, {unit}", rate * 1e-9, half_width(roof.rate, 1e-9), group.unit)
        found.append((Ceiling(name, rate, own), cells))
    if binding is not None and not taken and swept.positive(binding.rate * group.threads):
        name, rate = plain(binding.name.partition(" ")[0], 14), binding.rate * group.threads
        words = (
            f"{plain(binding.name, 40)}, one core's rate times {group.threads} threads" if group.threads > 1 else plain(binding.name, 40)
        )
        found.append((Ceiling(name, rate, True), _line_row(name, words, rate * 1e-9, None, group.unit)))
    return sorted(found, key=lambda each: (not each[0].binding, -each[0].rate))[:_MOST_CEILINGS]


def _binding(roofs: Roofs, group: swept.Group) -> Compute | None:
    found = [roofs.compute[name] for name in MIXES[group.dtype].rates if name in roofs.compute]
    return max(found, key=lambda c: c.rate) if found else None


def _same(roof: MachineRoof, compute: Compute) -> bool:
    """Whether a ceiling of the machine is the one of this instruction: unit and type are the first and last word of both names."""
    words, others = roof.name.split(), compute.name.split()
    return bool(words and others) and (words[0], words[-1]) == (others[0], others[-1])


def _compute_roofs(machine: Machine, dtypes: Sequence[str], threads: int) -> list[MachineRoof]:
    first = machine.topology.kinds[0] if machine.topology and machine.topology.kinds else ""
    bound = {f"{row.unit} {row.op} {row.dtype}" for row in machine.simd if is_ceiling(row)}
    usable = [r for r in machine.roofs if r.kind == "compute" and r.threads == threads and r.core_kind in ("", first)]
    return [r for r in usable if r.dtype in dtypes and (r.name in bound or not machine.simd)]


def _ceiling_name(roof: MachineRoof, dtypes: tuple[str, ...]) -> str:
    """The unit, and what does not go without saying: the type where several may serve, the operation where it is no multiply-add."""
    words = roof.name.split()
    unit = plain(words[0] if words else "unit", 14)
    op = words[1] if len(words) > 2 and words[1] not in _PRODUCTS else ""
    return " ".join(filter(None, (unit, plain(op, 7), _type_word(unit, roof.dtype, dtypes))))


def _type_word(unit: str, dtype: str, dtypes: tuple[str, ...]) -> str:
    """The data type where several may serve and the unit's name does not say it."""
    return plain(dtype, 6) if len(dtypes) > 1 and not unit.endswith(dtype) else ""


def _slopes(machine: Machine, roofs: Roofs, threads: int) -> list[tuple[Slope, Row]]:
    names = {r.level: (r.name, half_width(r.rate, 1e-9)) for r in machine.roofs if r.kind == "memory" and r.threads == threads}
    found: list[tuple[Slope, Row]] = []
    for level in roofs.levels:
        rate = level.rate(threads)
        if rate is None or not swept.positive(rate):
            continue
        name, half = names.get(level.name, (f"{level.name}, between the numbers of threads that were measured", None))
        found.append(
            (Slope(_level_word(level.name, name), rate), _line_row(plain(level.name, 12), plain(name, 80), rate * 1e-9, half, "GB/s"))
        )
    return found


def _level_word(level: str, name: str) -> str:
    """`L2`, `L1d copy`: which stream moves so much, where it is not reading."""
    stream = name.removeprefix(level).strip() if name.startswith(f"{level} ") else ""
    return " ".join(filter(None, (plain(level, 6), plain(stream, 10) if stream not in ("", "read") else "")))


def _published(
    machine: Machine, chip: Chip | None, measured: list[tuple[Ceiling, Row]], group: swept.Group
) -> tuple[list[tuple[Ceiling, Row]], list[str]]:
    """Published rates at the clock that was measured, where they differ from the measured ones; and the names of those that agree."""
    found: list[tuple[Ceiling, Row]] = []
    agrees: list[str] = []
    shown = {ceiling.name for ceiling, _ in measured}
    wanted = MIXES[group.dtype].rates
    for unit in machine.simd if chip is not None else ():
        cell = (
            chip.rate(unit.op, unit.dtype, unit.width_bits, unit.unit) if chip and unit.dtype in wanted and unit.op in _PRODUCTS else None
        )
        clock, per_cycle = value_of(unit.clock_hz), value_of(unit.op_per_cycle)
        name = " ".join(filter(None, (plain(unit.unit, 14), _type_word(plain(unit.unit, 14), unit.dtype, wanted))))
        if cell is None or clock is None or per_cycle is None or name not in shown:
            continue
        shown.discard(name)
        value = cell.nearest(per_cycle)
        rate = value * clock * group.threads
        if not swept.positive(rate) or not per_cycle > 0:
            continue
        same = abs(value / per_cycle - 1) <= _AGREES
        agrees += [f"{name} {value:g} op a cycle"] if same else []
        words = f"published: {value:g} op a cycle at the measured {three(clock * 1e-9)} GHz ({plain(cell.source, 120)})"
        found.append(
            (Ceiling("" if same else f"publ. {name}", rate, published=True), _line_row(name, words, rate * 1e-9, None, group.unit))
        )
    return found, agrees


def _line_row(name: str, words: str, value: float, half: float | None, unit: str) -> Row:
    number = Value(" ".join(filter(None, (f"{three(value)} {unit}", plus_minus(value, half)))), "strong", sort=value)
    return (Value(name, "strong"), Value(words, "dim"), "", number, "", "")


# --- the table ----------------------------------------------------------------------------------------------------------------


def _table(group: swept.Group, lines: Lines, names: dict[str, str], most: int) -> Table:
    """Ceilings, then points: those above their roof, then by share of the roof."""
    ordered = sorted(
        group.rows, key=lambda r: (not swept.is_above(r), -r.roof_share if swept.positive(r.roof_share) else 0.0, -r.rate, r.kernel)
    )
    shown = ordered[:most]
    rows = [*lines.rows, *(_row(row, names[row.kernel]) for row in shown)]
    left_out = len(ordered) - len(shown)
    note = f"The {len(shown):,} rows nearest to their roof; the raw data has the other {left_out:,}." if left_out else ""
    columns = (
        Column("Kernel or ceiling"),
        Column("Case"),
        *numbers(("Intensity", "op/B"), ("Rate", group.unit), ("Roof", "%")),
        Column("Bound by"),
    )
    return Table(f"Rates and roofs, {group.words}", columns, tuple(rows), note)


def _row(row: SweepRow, name: str) -> Row:
    above = swept.is_above(row)
    mark = "bad" if above else ""
    rate = " ".join(filter(None, (three(row.rate * 1e-9) + swept.help_mark(row), precision_words(row))))
    share = three(100 * row.roof_share) if swept.positive(row.roof_share) else ""
    return (
        name,
        swept.shape_words(row.case),
        Value(three(row.intensity), sort=row.intensity),
        Value(rate, sort=row.rate * 1e-9),
        Value(share, mark, swept.NOT_A_WIN if above else "", row.roof_share * 100 if share else None),
        plain(row.roof_bound, 16),
    )
