"""What becomes of cells that a side does not serve, before anything is measured."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from gate_fakes import CONTEST, FakeWorker, Model, plan_of
from mmbench.configs.errors import NotPossibleError
from mmbench.configs.gateplan import Contest, GateCell, GatePlan, Launch
from mmbench.configs.plan import Entrant
from mmbench.kernels.gate.asking import asked
from mmbench.kernels.gate.launch import Starter
from mmbench.kernels.measure.worker import WorkerError

OTHER = Contest("blocked", Entrant("blocked", "own", "1"), Entrant("blocked", "own", "1"))


def two_contests() -> GatePlan:
    plan = plan_of(3, controls=False)
    more = [replace(cell, contest=OTHER.name) for cell in plan.cells]
    return replace(plan, contests=(CONTEST, OTHER), cells=(*plan.cells, *more))


def serving(*, lacks: dict[tuple[str, str], str] | None = None, broken: tuple[tuple[str, str], ...] = ()) -> Starter:
    """Sides of which some (contest, side) cannot be opened, and some do not serve the first case."""

    class Asked(FakeWorker):
        def __init__(self, contest: Contest, side: str, launch: Launch) -> None:
            super().__init__(Model(), side, launch)
            self.key = (contest.name, side)

        def _open_kernel(self, arguments: Any) -> Any:
            if self.key in broken:
                raise WorkerError("cannot be loaded")
            return super()._open_kernel(arguments)

        def _ask_cases(self, arguments: Any) -> Any:
            first, *others = super()._ask_cases(arguments)
            return [(lacks or {}).get(self.key, first), *others]

    @contextlib.contextmanager
    def start(side: str, contest: Contest, launch: Launch) -> Iterator[tuple[Any, Entrant]]:
        yield Asked(contest, side, launch), contest.old

    return start


def own(plan: GatePlan) -> list[GateCell]:
    return [cell for cell in plan.cells if not cell.control]


def test_what_both_serve_is_kept_with_controls_beside_it() -> None:
    plan, lost = asked(plan_of(3, controls=False), serving())
    assert (len(own(plan)), len(plan.cells), lost) == (3, 7, [])


def test_what_only_the_new_side_lacks_is_deleted() -> None:
    plan, lost = asked(plan_of(3, controls=False), serving(lacks={("vectorized", "new"): "not this type"}))
    assert [(state.cell, state.state, state.side, state.reason) for state in lost] == [(0, "deleted", "new", "not this type")]
    assert not any(cell.control and cell.case == plan.cells[0].case for cell in plan.cells)  # it cannot be a control


def test_what_only_the_old_side_lacks_is_left_out_and_said() -> None:
    plan, lost = asked(plan_of(3, controls=False), serving(lacks={("vectorized", "old"): "too new"}))
    assert (len(own(plan)), lost) == (2, [])
    assert any("nothing to hold it against" in note and "too new" in note for note in plan.notes)


def test_what_neither_serves_is_nobodys_loss() -> None:
    plan, lost = asked(plan_of(3, controls=False), serving(lacks={("vectorized", "old"): "no", ("vectorized", "new"): "no"}))
    assert (len(own(plan)), lost, plan.notes) == (2, [], ())


def test_an_old_side_that_cannot_be_used_in_one_contest_is_missing_there_and_never_green() -> None:
    _, lost = asked(two_contests(), serving(broken=(("blocked", "old"),)))
    assert [(state.cell, state.state, state.side) for state in lost] == [(i, "missing", "old") for i in (3, 4, 5)]


def test_an_old_side_that_cannot_be_used_at_all_is_an_error() -> None:
    with pytest.raises(NotPossibleError, match="cannot be loaded"):
        asked(two_contests(), serving(broken=(("blocked", "old"), ("vectorized", "old"))))


def test_a_kernel_that_the_new_side_has_not_is_deleted_unasked() -> None:
    _, lost = asked(two_contests(), serving(broken=(("blocked", "new"),)), frozenset({"blocked"}))
    assert [(state.cell, state.state, state.reason) for state in lost] == [(i, "deleted", "there is no such kernel") for i in (3, 4, 5)]
