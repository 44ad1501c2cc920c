"""Sort cells into rows of a heatmap: shapes where there are few, else where the shapes come from, as finely as there is room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from ...configs.cases import Case
from ...configs.dtypes import MIXES
from ...configs.shape_sets import set_title
from ...configs.sweepdoc import SweepRow
from .blocks import plain

MOST_ROWS = 24
OTHERS = "others"
_LIMIT = 30  # letters of a row's name
_TRANSPOSED = "transposed"


def _kind(case: Case) -> str:
    """What parts a cell from others of its origin: `scaled cold`; empty for a plain one."""
    plain_layout = "nt" if MIXES[case.dtype].packed else "nn"
    words = (
        _TRANSPOSED if case.m == case.n == case.k and case.layout != plain_layout else "",
        "scaled" if (case.alpha, case.beta) != (1.0, 0.0) else "",
        "cold" if case.temperature != "hot" else "",
    )
    return " ".join(filter(None, words))


def labels_of(rows: Iterable[SweepRow]) -> dict[str, str]:
    """Cell to the name of its row in a heatmap, for at most `MOST_ROWS` names: the finest division that is not too fine.

    Cold caches, scalars and transposed cubes have rows of their own: a mean of unlike questions says nothing of either.
    By shape; by origin (`BERT-base ffn up, batch 1, 128 tokens`); by its head (`BERT-base ffn up`); by the set of shapes (`BERT-base`);
    and where even these are too many, those with the most cells, and the others together.
    """
    cells = {row.case_id: row for row in rows}
    kinds = {case_id: _kind(row.case) for case_id, row in cells.items()}
    ways: tuple[Callable[[SweepRow], str], ...] = (
        lambda row: plain(row.case.shape, _LIMIT),
        lambda row: plain(row.origin or "given", 60),
        lambda row: plain(row.origin.partition(",")[0] or "given", 60),
        lambda row: set_title(plain(row.origin, 60)),
    )
    found: dict[str, str] = {}
    for number, way in enumerate(ways):
        found = {case_id: " ".join(filter(None, (plain(way(row), _LIMIT), kinds[case_id]))) for case_id, row in cells.items()}
        names = dict.fromkeys(found.values())
        if number == 0:  # shapes say themselves how they are laid out
            found = {case_id: name.replace(f" {_TRANSPOSED}", "") for case_id, name in found.items()}
            names = dict.fromkeys(found.values())
        if number == 1 and len(names) > 1 and any(len(way(row)) > _LIMIT for row in cells.values()):
            continue  # cut names might mean different origins
        if len(names) <= MOST_ROWS:
            return found
    common = Counter(found.values()).most_common(MOST_ROWS - 1)
    kept = {name for name, _ in common}
    return {case_id: name if name in kept else OTHERS for case_id, name in found.items()}
