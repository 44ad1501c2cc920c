"""Make the heatmaps of a report: how near the best kernel comes to the roof, and one kernel to the best, by shape and data type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...configs.sweepdoc import SweepRow
from ..figures.heatmap import NOTHING, Grid, Tile, draw_heatmap, is_wide, percent_words
from ..figures.theme import Mark
from ..sweep_words import HELPED
from .blocks import Block, Column, Figure, Prose, Table, Value, numbers, plain
from .evidence import Evidence, Subject
from .origins import labels_of
from .rows import NOT_A_WIN, TYPE_ORDER, best_times, failed, help_note, helped, is_timed, mean_share, names_of, positive, rows_of, suffix

_MACHINES = 2
_COLUMNS = 24
_CHOSEN = "vectorized"  # the kernel that is held against the best, where it took part


_Share = Callable[[list[SweepRow]], float | None]


def heatmaps(evidence: Evidence) -> list[Block]:
    """Two figures a machine, for the machines with most rows."""
    blocks: list[Block] = []
    for subject in evidence.swept[:_MACHINES]:
        rows = rows_of(subject)
        if any(is_timed(row) for row in rows):
            blocks += _of_machine(evidence, subject, rows)
    left = [plain(s.label, 60) for s in evidence.swept[_MACHINES:]]
    if left and blocks:
        blocks.append(Prose(f"No heatmaps of {', '.join(left[:20])}: the raw data has their rows.", "note"))
    return blocks


def _of_machine(evidence: Evidence, subject: Subject, rows: list[SweepRow]) -> list[Block]:
    columns = _columns(rows)
    labels = labels_of(rows)
    tiles: dict[tuple[str, str], dict[str, list[SweepRow]]] = {}
    for row in rows:
        tiles.setdefault((labels[row.case_id], column_of(row)), {}).setdefault(row.case_id, []).append(row)
    names = list(dict.fromkeys(labels[row.case_id] for row in sorted(rows, key=lambda r: (r.case.operations, labels[r.case_id]))))
    left_out = [c for c in dict.fromkeys(map(column_of, rows)) if c not in columns]
    note = f"Left out, with fewer cells: {', '.join(left_out[:12])}." if left_out else ""
    best = best_times(subject)
    chosen = _chosen(subject, rows)
    shown = names_of(evidence, subject, rows)[chosen]
    blocks: list[Block] = []
    if any(positive(row.roof_share) for row in rows):
        share = _Way(
            _roof_share,
            "of the roof",
            "the best kernel's share of the roof",
            "Best kernel, share of the roof",
            f"roof-heat{suffix(evidence, subject)}",
        )
        blocks.append(_figure(subject, share, names, columns, tiles, note))
    ratio = _Way(
        lambda own: _ratio(own, chosen, best),
        "of the best",
        f"the speed of {shown} as a share of the best kernel's",
        f"Speed of {shown}, share of the best",
        f"best-heat{suffix(evidence, subject)}",
        chosen,
    )
    blocks.append(_figure(subject, ratio, names, columns, tiles, note))
    return blocks


@dataclass(frozen=True, slots=True)
class _Way:
    """One heatmap: the share of a cell, its words (key, what it shows), its title and name, and the kernel whose failures count."""

    share: _Share
    key: str
    words: str
    title: str
    name: str
    kernel: str = ""

    def behind(self, own: list[SweepRow]) -> list[SweepRow]:
        """The rows of a cell on which its share stands: the best under the roof; or those of the kernel and of the fastest."""
        if not self.kernel:
            return [best] if (best := _best(own)) is not None else []
        timed = [row for row in own if is_timed(row)]
        mine = [row for row in timed if row.kernel == self.kernel]
        return [*mine, min(timed, key=lambda r: r.time_s)] if mine else []


def column_of(row: SweepRow) -> str:
    """`f32`, `f32 t4`."""
    return row.case.dtype if row.case.threads == 1 else f"{row.case.dtype} t{row.case.threads}"


def _columns(rows: list[SweepRow]) -> list[str]:
    """Data types and threads, those with most cells, in the order of data types."""
    cells: dict[str, dict[str, None]] = {}
    first: dict[str, tuple[int, int]] = {}
    for row in rows:
        name = column_of(row)
        cells.setdefault(name, {})[row.case_id] = None
        first[name] = (row.case.threads, TYPE_ORDER[row.case.dtype])
    kept = sorted(cells, key=lambda name: (-len(cells[name]), first[name]))[:_COLUMNS]
    return sorted(kept, key=lambda name: first[name])


def _chosen(subject: Subject, rows: list[SweepRow]) -> str:
    """Our generated kernel; else the one of our own, else any, that serves most cells."""
    served: dict[str, int] = {}
    for row in rows:
        served[row.kernel] = served.get(row.kernel, 0) + is_timed(row)
    if _CHOSEN in served:
        return _CHOSEN
    kinds = {name: kernel.kind for name, kernel in subject.kernels.items()}
    return max(sorted(served), key=lambda kernel: (kinds.get(kernel) == "own", served[kernel]))


def _roof_share(own: list[SweepRow]) -> float | None:
    """The best kernel's share of the roof in one cell."""
    best = _best(own)
    return best.roof_share if best else None


def _best(own: list[SweepRow]) -> SweepRow | None:
    """The fastest row of a cell among those whose roof is known."""
    timed = [row for row in own if is_timed(row) and positive(row.roof_share)]
    return min(timed, key=lambda r: r.time_s, default=None)


def _ratio(own: list[SweepRow], chosen: str, best: dict[str, float]) -> float | None:
    """The chosen kernel's speed as a share of the best in one cell."""
    return next((best[row.case_id] / row.time_s for row in own if row.kernel == chosen and is_timed(row)), None)


Tiles = dict[tuple[str, str], dict[str, list[SweepRow]]]


def _figure(subject: Subject, way: _Way, names: list[str], columns: list[str], tiles: Tiles, note: str) -> Figure:
    made = [[_tile(way, name, column, tiles.get((name, column), {})) for column in columns] for name in names]
    titles = [_row_title(name, [tiles.get((name, column), {}) for column in columns]) for name in names]
    grid = Grid(titles, columns, [[tile for tile, _ in row] for row in made], way.key)
    behind = [row for cells in tiles.values() for own in cells.values() for row in way.behind(own)]
    table = Table(
        f"{way.words[:1].upper()}{way.words[1:]}, by shape and data type",
        (Column("Shapes"), *numbers(*((column, "%") for column in columns))),
        tuple((title, *(value for _, value in row)) for title, row in zip(titles, made, strict=True)),
    )
    shares = [value.sort for row in made for _, value in row if value.sort is not None]
    odd = sum(tile.bad for row in grid.tiles for tile in row)
    spoken = f"{min(shares):.0f} to {max(shares):.0f} %" if shares else "nothing served"
    what = "with an answer that was wrong or above its roof" if odd else "wrong or above its roof"
    return Figure(
        way.name,
        f"{way.title}: {subject.label}",
        f"For {len(names)} groups of shapes and {len(columns)} data types on {subject.label}, {way.words}: {spoken}; "
        f"{odd or 'none'} {what}.",
        lambda: draw_heatmap(grid),
        table,
        how=(
            "Each number is a geometric mean in percent over the cells of its row and column that are served; in brackets stands how "
            "many cells a row has in all its columns, where a number is of several. Grey with a dash: "
            "not served; empty: no such cell was asked. A red outline with a cross: an answer was wrong, crashed or hung, or a "
            f"rate lies above its roof: {NOT_A_WIN}."
        ),
        note=" ".join(filter(None, (note, help_note(behind)))),
        wide=is_wide(grid),
    )


def _row_title(name: str, columns: list[dict[str, list[SweepRow]]]) -> str:
    """The name of a row with the number of its cells, where a tile is the mean of several."""
    return f"{name} ({sum(map(len, columns))})" if any(len(cells) > 1 for cells in columns) else name


def _tile(way: _Way, name: str, column: str, cells: dict[str, list[SweepRow]]) -> tuple[Tile, Value]:
    """A tile, and the same for the table."""
    shares = {case_id: share for case_id, own in cells.items() if (share := way.share(own)) is not None and positive(share)}
    mean = mean_share(shares.values())
    wrong = sum(failed(row) for own in cells.values() for row in own if row.kernel == way.kernel)
    above = 0 if way.kernel else sum(best is not None and best.above_roof for best in map(_best, cells.values()))
    faults = ", ".join(
        filter(None, (f"wrong, crashed or hung in {wrong}" if wrong else "", f"above the roof in {above}: {NOT_A_WIN}" if above else ""))
    )
    if not cells:
        return NOTHING, Value("")
    where = f"{name}, {column}"
    if mean is None:
        text = "failed" if wrong else "–"
        words = f"{where}: " + (faults or "not served")
        return Tile("" if wrong else "–", None, Mark(words), bool(wrong)), Value(text, "bad" if wrong else "dim", words)
    spread = f", {100 * min(shares.values()):.0f} to {100 * max(shares.values()):.0f} %" if len(shares) > 1 else ""
    served = f"{len(shares)} of {len(cells)} cells" if len(cells) > 1 else "1 cell"
    star = HELPED if any(helped(row) for own in cells.values() for row in way.behind(own)) else ""
    number = percent_words(mean)
    words = f"{where}: {number} % {way.key} ({served}{spread})" + (f"; {faults}" if faults else "")
    return Tile(number + star, mean, Mark(words), bool(faults)), Value(number + star, "bad" if faults else "", words, 100 * mean)
