"""Choose a gate's cells: each case that the old side serves, in each contest, and some of them again as controls."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ...configs.gateplan import Contest, Control, GateCell
from ...configs.plan import Cell, Skip

SAME_SHARE, PLANTED_SHARE = 0.1, 0.1  # of the cells
LEAST_CONTROLS = 2  # of each kind: one planted cell can never show that a gate is blind (`controls`)
MOST_CONTROLS = 12


def contest_cells(cells: Sequence[Cell], contests: Sequence[Contest], skips: Sequence[Skip] = ()) -> list[GateCell]:
    """Every case of the grid in every contest whose new side was planned for it, with the data type as its family."""
    skipped = {(skip.kernel, index) for skip in skips for index in skip.cells}
    return [
        GateCell(cell.case, contest.name, cell.origin, family=cell.case.dtype)
        for contest in contests
        for index, cell in enumerate(cells)
        if (contest.new.kernel, index) not in skipped
    ]


def controls_for(cells: Sequence[GateCell], seed: int) -> list[GateCell]:
    """Cells to be measured again, old side against its own copy, as they are (`same`) and with a planted slowdown (`planted`).

    Drawn by the seed, from cells of one thread where there are such.
    """
    able = [cell for cell in cells if cell.case.threads == 1] or list(cells)
    order = random.Random(seed)
    found: list[GateCell] = []
    for control, share in ((Control.SAME, SAME_SHARE), (Control.PLANTED, PLANTED_SHARE)):
        count = min(len(able), MOST_CONTROLS, max(LEAST_CONTROLS, round(share * len(cells))))
        found += [GateCell(c.case, c.contest, c.origin, control, c.family) for c in order.sample(able, count)]
    return found
