"""Sort cells into rows of a heatmap: shapes where there are few, else where the shapes come from, as finely as there is room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from ...configs.shape_sets import set_title
from ...configs.sweepdoc import SweepRow
from .blocks import plain

MOST_ROWS = 24
OTHERS = "others"
_LIMIT = 30  # letters of a row's name


def labels_of(rows: Iterable[SweepRow]) -> dict[str, str]:
    """Cell to the name of its row in a heatmap, for at most `MOST_ROWS` names: the finest division that is not too fine.

    By shape; by origin (`BERT-base ffn up, batch 1, 128 tokens`); by its head (`BERT-base ffn up`); by the set of shapes (`BERT-base`);
    and where even these are too many, those with the most cells, and the others together.
    """
    cells = {row.case_id: row for row in rows}
    ways: tuple[Callable[[SweepRow], str], ...] = (
        lambda row: plain(row.case.shape, _LIMIT),
        lambda row: plain(row.origin or "given", 60),
        lambda row: plain(row.origin.partition(",")[0] or "given", 60),
        lambda row: set_title(plain(row.origin, 60)),
    )
    found: dict[str, str] = {}
    for number, way in enumerate(ways):
        found = {case_id: plain(way(row), _LIMIT) for case_id, row in cells.items()}
        names = dict.fromkeys(found.values())
        if number == 1 and len(names) > 1 and any(len(way(row)) > _LIMIT for row in cells.values()):
            continue  # cut names might mean different origins
        if len(names) <= MOST_ROWS:
            return found
    common = Counter(found.values()).most_common(MOST_ROWS - 1)
    kept = {name for name, _ in common}
    return {case_id: name if name in kept else OTHERS for case_id, name in found.items()}
