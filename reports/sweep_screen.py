"""The terminal screen of a sweep: who is best at what, who is wrong or absent, and how many cells each serves.

One string out of one document, the same wherever and whenever it is drawn. A grid of more than `MOST_CELLS` cells is summed up by data
type and origin of the shapes; `full` shows every row.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence

from ..configs.cases import Case
from ..configs.plan import is_given
from ..configs.shape_sets import set_title
from ..configs.sweepdoc import SweepDocument, SweepRow
from .cells import plural
from .look import NARROWEST, WIDEST, Line, Look, Span, flow, joined, paint
from .numbers import figure
from .sweep_rows import CellRows, cells_of
from .sweep_words import (
    absent_words,
    bits_words,
    case_words,
    code_words,
    compared,
    condition_words,
    disturbed_words,
    end_words,
    failures,
    fragmentation,
    fused_words,
    kernel_words,
    next_best,
    precision_words,
    proof_words,
    rate_unit,
    rate_words,
    ratio_words,
    relative_width,
    share_words,
    short,
    skip_words,
    time_words,
    unfinished_words,
    warnings,
)
from .tables import Cell, Column, grid, table
from .text import cell_width, pad

MOST_CELLS = 120  # preset ci has 80
_MOST_SETS = 40
_FEW = 8


def sweep_screen(document: SweepDocument, *, width: int = 80, color: bool = False, ascii_only: bool = False, full: bool = False) -> str:
    """The screen in lines of at most `width` cells (60 to 200; other widths count as the nearest of these).

    `color` adds colour and no information, `ascii_only` draws the same with ASCII, `full` shows every row. Strings of the file are made
    harmless.
    """
    look = Look(min(WIDEST, max(NARROWEST, width)), color, ascii_only, full)
    cells = cells_of(document)
    if full:
        tables = _every_row(document, cells, look)
    elif len(cells) <= MOST_CELLS:
        tables = _best_tables(document, cells, look)
    else:
        tables = _summary(document, cells, look)
    groups = [
        _head(document, look),
        *(tables or [[(Span("no row was written"),)]]),
        _failed(document, look),
        _fused(document, look),
        _fragments(document, look),
        _who(document, look),
        _absent(document, look),
        _ending(document, look),
    ]
    lines: list[Line] = []
    for group in groups:
        lines += [(), *group] if lines and group else group
    return paint(lines, look)


def _head(document: SweepDocument, look: Look) -> list[Line]:
    when = look.word(document.started_at, 32).replace("T", " ").replace("Z", " UTC")
    first = [f"sweep {look.word(document.run_id, 40)}", f"on {look.word(document.machine_id, 80)}", when]
    counted = f"{plural(document.cells, 'cell')}, {plural(len(document.kernels), 'kernel')}"
    preset = f"preset {look.word(document.preset, 40)}" if document.preset else ""
    second = [preset, counted, f"seed {document.seed}"]
    lines = [(Span(line[0].text, "strong" if i == 0 else ""),) for i, line in enumerate(joined(list(filter(None, first)), look))]
    return [*lines, *joined(list(filter(None, second)), look), *flow(look.prose(end_words(document)), look, rest="  ")]


def _group_key(case: Case) -> tuple[str, str]:
    return case.dtype, condition_words(case)


def _grouped(cells: Iterable[CellRows]) -> dict[tuple[str, str], list[CellRows]]:
    groups: dict[tuple[str, str], list[CellRows]] = {}
    for cell in cells:
        groups.setdefault(_group_key(cell.case), []).append(cell)
    return groups


def _best_tables(document: SweepDocument, cells: Sequence[CellRows], look: Look) -> list[list[Line]]:
    """The fastest kernel of each cell, a table for each data type and condition."""
    names = {kernel: look.word(name, 30) for kernel, name in short(document).items()}
    rows = {key: [_best_row(cell, names, look) for cell in group] for key, group in _grouped(cells).items()}
    flat = [row for each in rows.values() for row in each]
    heads = {key: look.own(" ".join(filter(None, key))) for key in rows}
    least = [max((cell_width(row[i].text) for row in flat), default=0) for i in range(6)]
    least[0] = max(least[0], *map(cell_width, heads.values())) if heads else least[0]
    made = []
    for key, body in rows.items():
        units = rate_unit(next(cell.case for cell in cells if _group_key(cell.case) == key))
        columns = (
            Column(heads[key], "left", least=least[0]),
            Column("fastest", "left", least=least[1]),
            Column("time", least=least[2]),
            Column(units, least=max(least[3], 7)),
            Column("roof", least=least[4]),
            Column("next", "left", least=least[5]),
        )
        made.append(
            table(grid(columns, body, _worst(cell.timed[0] for cell in cells if cell.timed and _group_key(cell.case) == key)), look)
        )
    return made


def _worst(rows: Iterable[SweepRow]) -> float | None:
    return max((share for row in rows if (share := relative_width(row)) is not None), default=None)


def _best_row(cell: CellRows, names: dict[str, str], look: Look) -> tuple[Cell, ...]:
    shape = Cell(look.word(cell.case.shape, 60))
    second = Cell(look.word(next_best(cell, names), 60))
    if not cell.timed:
        return shape, Cell("none", "bad"), Cell(look.missing, "dim"), Cell(look.missing, "dim"), Cell(), second._replace(style="bad")
    best = cell.timed[0]
    name = names.get(best.kernel, look.word(best.kernel, 30))
    return shape, Cell(name, "good"), _time(best, look), Cell(rate_words(best)), _share(best), second


def _time(row: SweepRow, look: Look) -> Cell:
    return Cell(look.own(time_words(row)) or look.missing, "" if row.timed else "dim", look.own(precision_words(row)))


def _share(row: SweepRow) -> Cell:
    words = share_words(row.roof_share)
    return Cell(words, "odd" if words.startswith("!") else "")


def _summary(document: SweepDocument, cells: Sequence[CellRows], look: Look) -> list[list[Line]]:
    """Large grids: who is fastest most often, by data type and origin (by data type alone where there are too many origins)."""
    names = short(document)
    sets: dict[tuple[str, str], list[CellRows]] = {}
    for cell in cells:
        sets.setdefault((cell.case.dtype, set_of(cell.origin)), []).append(cell)
    if len(sets) > _MOST_SETS:
        sets = {}
        for cell in cells:
            sets.setdefault((cell.case.dtype, ""), []).append(cell)
    rows = []
    for (dtype, name), group in sets.items():
        best = [cell.timed[0] for cell in group if cell.timed]
        won = Counter(names.get(row.kernel, row.kernel) for row in best).most_common(2)
        shares = [row.roof_share for row in best if row.roof_share == row.roof_share]
        rates = [row.rate * 1e-9 for row in best]
        rows.append(
            (
                Cell(dtype),
                Cell(look.word(name, 30)),
                Cell(str(len(group))),
                Cell(figure(statistics.median(rates)) if rates else look.missing),
                Cell(share_words(statistics.median(shares)) if shares else ""),
                Cell(look.word(", ".join(f"{who} {count}" for who, count in won) or "nobody is right", 60)),
            )
        )
    columns = (
        Column("type", "left"),
        Column("shapes", "left"),
        Column("cells"),
        Column("Gop/s"),
        Column("roof"),
        Column("fastest most often", "left", flows=True),
    )
    every = f"mmbench show {look.word(document.run_id, 40)} --full"
    why = f"medians over the fastest kernel of each cell; all {len(cells)} cells, each with all of its rows: {every}"
    return [[*table(grid(columns, rows), look), *flow(why, look, style="dim")]]


def set_of(origin: str) -> str:
    """The set that a shape comes from (`Llama-3.2 1B` of `Llama-3.2 1B ffn up, 128 tokens`)."""
    return set_title(origin)


def _every_row(document: SweepDocument, cells: Sequence[CellRows], look: Look) -> list[list[Line]]:
    """Every row of every cell: the full screen only."""
    names = {kernel: look.word(name, 30) for kernel, name in short(document).items()}
    made = []
    for (dtype, condition), group in _grouped(cells).items():
        rows = [row for cell in group for row in _cell_rows(cell, names, look)]
        columns = (
            Column(look.own(" ".join(filter(None, (dtype, condition)))), "left"),
            Column("kernel", "left"),
            Column("time"),
            Column(rate_unit(group[0].case)),
            Column("roof"),
            Column("bound", "left", optional=True),
            Column("ratio"),
            Column("GB/s", optional=True),
            Column("cycles", optional=True),
            Column("first call", optional=True),
            Column("n", optional=True),
            Column("bits", "left", optional=True),
            Column("code", "left", optional=True),
            Column("error", "left", optional=True),
        )
        made.append(table(grid(columns, rows, _worst(row for cell in group for row in cell.timed)), look))
    return made


def _cell_rows(cell: CellRows, names: dict[str, str], look: Look) -> Iterable[tuple[Cell, ...]]:
    for i, row in enumerate(cell.rows):
        shape = Cell(look.word(cell.case.shape, 60) if i == 0 else "")
        name = Cell(names.get(row.kernel, look.word(row.kernel, 30)))
        empty = (Cell(),) * 10
        if not row.timed:
            bad = row.status.value not in ("ok", "noisy", "skipped")
            yield shape, name, Cell(row.status.value.upper() if bad else row.status.value, "bad" if bad else "dim"), *empty, Cell()
            continue
        check = row.check
        error = f"{figure(check.error)} of {figure(check.bound)} {look.word(check.unit, 12)}" if check and check.bound else ""
        yield (
            shape,
            name,
            _time(row, look),
            Cell(rate_words(row)),
            _share(row),
            Cell(look.word(row.roof_bound, 12)),
            Cell(ratio_words(row)),
            Cell(figure(row.traffic * 1e-9)),
            Cell(figure(row.cycles) if row.clock_hz > 0 else ""),
            Cell(f"{1e3 * row.first_call_s:.3g} ms" if row.first_call_s is not None else ""),
            Cell(f"{row.samples}" + (f"+{row.dropped}" if row.dropped else "")),
            Cell(bits_words(row)),
            Cell(look.word(code_words(row), 8)),
            Cell(error),
        )


def _failed(document: SweepDocument, look: Look) -> list[Line]:
    names = short(document)
    found = failures(document)
    lines: list[Line] = []
    for f in found if look.full else found[:_FEW]:
        more = f" and {f.cells - 1} more" if f.cells > 1 else ""
        where = f"{f.first.case.dtype} {case_words(f.first.case)}{more}"
        text = f"{f.status.value.upper()} {names.get(f.kernel, f.kernel)}, {where}: {f.words}"
        lines += flow(look.prose(text), look, rest="  ", style="bad")
    return [*lines, *_more(len(found) - _FEW, look, document)]


def _more(left: int, look: Look, document: SweepDocument) -> list[Line]:
    if left <= 0 or look.full:
        return []
    return [(Span(look.own(f"… and {left} more: mmbench show {look.word(document.run_id, 40)} --full"), "dim"),)]


def _fused(document: SweepDocument, look: Look) -> list[Line]:
    return flow(look.prose(words), look, rest="  ") if (words := fused_words(document)) else []


def _fragments(document: SweepDocument, look: Look) -> list[Line]:
    return flow(look.prose(fragmentation(document), 2000), look, rest="  ", style="strong")


def _who(document: SweepDocument, look: Look) -> list[Line]:
    """Which builds these are: the versions without which no figure can be compared."""
    lead = min(24, max((cell_width(look.word(k.name, 24)) for k in document.kernels), default=0)) + 2
    lines: list[Line] = []
    for kernel in compared(document):
        if kernel.problem:
            continue
        body = flow(look.prose(kernel_words(kernel), 300), look, width=look.width - lead)
        lines += [(Span(pad(look.word(kernel.name, 24) if i == 0 else "", lead)), *line) for i, line in enumerate(body)]
        more = [kernel.path if not is_given(kernel.kernel) else "", proof_words(document, kernel.kernel)] if look.full else []
        for words in filter(None, more):
            lines += [(Span(" " * lead), *line) for line in flow(look.prose(words), look, width=look.width - lead, style="dim")]
    return lines


def _absent(document: SweepDocument, look: Look) -> list[Line]:
    lines: list[Line] = []
    for missing in document.absent:
        text = f"{missing.title or missing.library}: {absent_words(missing)}"
        lines += flow(look.prose(text), look, first="absent  ", rest="        ", style="dim")
    return lines


def _ending(document: SweepDocument, look: Look) -> list[Line]:
    """What to know, what is unknown and why, and what to do next: one block."""
    lines: list[Line] = []
    if unfinished := unfinished_words(document):
        lines += flow(look.prose(unfinished), look, first="! ", rest="  ", style="warn")
    found = warnings(document)
    for subject, sentence in found if look.full else found[:_FEW]:
        text = look.prose(f"{subject}: {sentence}" if subject else sentence)
        lines += flow(text, look, first="! ", rest="  ", style="warn")
    lines += _more(len(found) - _FEW, look, document)
    if document.no_roofs:
        lines += flow(look.prose(f"roof: unknown, {document.no_roofs}"), look, first=f"{look.missing} ", rest="  ", style="dim")
    if disturbed := disturbed_words(document):
        lines += flow(look.prose(disturbed), look, first=f"{look.missing} ", rest="  ", style="dim")
    skipped = skip_words(document)
    for who, reason in skipped if look.full else skipped[:_FEW]:
        lines += flow(look.prose(f"{who}: {reason}"), look, first=f"{look.missing} ", rest="  ", style="dim")
    lines += _more(len(skipped) - _FEW, look, document)
    return lines
