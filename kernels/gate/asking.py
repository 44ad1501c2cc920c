"""Ask both sides of a gate which cells they serve, before anything is measured: a plan holds what was there, and says what is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...configs.cases import Case
from ...configs.codec import encode
from ...configs.errors import NotPossibleError
from ...configs.gateplan import CellState, Contest, GateCell, GatePlan, Launch, Stage
from ..host import Host
from ..measure.affinity import allowed_cpus
from ..measure.worker import WorkerError
from .grid import controls_for
from .launch import Starter

_OPEN_S = 120.0


def asked(plan: GatePlan, start: Starter, absent: frozenset[str] = frozenset()) -> tuple[GatePlan, list[CellState]]:
    """Ask both sides which cells they serve: the plan with controls and without cells that the old side never had, and those that are lost.

    A cell is lost where only the new side does not serve it (deleted), and where the old side of its contest cannot be used at all while
    that of another one can (missing). Contests of `absent` kernels are such that the new side has not. NotPossibleError where no old side
    can be used: there is nothing to hold the new one against.
    """
    kept: list[GateCell] = []
    lost: dict[GateCell, tuple[str, str, str]] = {}
    notes: list[str] = []
    problems: list[str] = []
    for contest in plan.contests:
        cells = [cell for cell in plan.cells if cell.contest == contest.name]
        old, old_problem = _reasons(start, contest, "old", [cell.case for cell in cells])
        if old_problem:
            problems.append(f"{contest.name}: the old side ({plan.old.word}) cannot be used: {old_problem}")
            kept += cells
            lost |= dict.fromkeys(cells, ("missing", "old", old_problem))
            continue
        if contest.name in absent:
            new, new_problem = [""] * len(cells), "there is no such kernel"
        else:
            new, new_problem = _reasons(start, contest, "new", [cell.case for cell in cells])
        for cell, old_reason, new_reason in zip(cells, old, new, strict=True):
            if not old_reason:
                kept.append(cell)
                if new_problem or new_reason:
                    lost[cell] = ("deleted", "new", new_problem or new_reason)
            elif not new_reason:
                notes.append(f"left out, nothing to hold it against: {cell.name} ({old_reason})")
    if len(problems) == len(plan.contests) or not kept:
        raise NotPossibleError("; ".join(problems) or "the old side serves none of the cells", "see what it is with mmbench doctor")
    judged = [cell for cell in kept if cell not in lost]
    cells = [*kept, *(controls_for(judged, plan.seed) if judged else [])]
    states = [CellState(i, *lost[cell]) for i, cell in enumerate(cells) if cell in lost]
    return replace(plan, cells=tuple(cells), notes=(*plan.notes, *_summed(notes))), states


def _summed(notes: Sequence[str], most: int = 3) -> list[str]:
    more = len(notes) - most
    return [*notes[:most], f"{more} more cells were left out, which the old side does not serve"] if more > 0 else list(notes)


def _reasons(start: Starter, contest: Contest, side: str, cases: list[Case]) -> tuple[list[str], str]:
    """For each case empty or why this side does not serve it; and why the side cannot be used at all."""
    try:
        with start(side, contest, Launch(-1, Stage.PILOT)) as (worker, entrant), worker:
            arguments = {"entrant": encode(entrant), "host": encode(Host.of(None, allowed_cpus()))}
            worker.call("mmbench.kernels.session:open_kernel", arguments, _OPEN_S)
            asked_of = {"cases": [encode(case) for case in cases]}
            return list(worker.call("mmbench.kernels.session:ask_cases", asked_of, _OPEN_S)), ""
    except WorkerError as error:
        return [""] * len(cases), f"{error.message} ({error.hint})" if error.hint else error.message
