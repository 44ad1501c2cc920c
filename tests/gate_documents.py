"""Gates of every ending, and one whose every string is hostile, for the tests of exports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mmbench.configs.gatedoc import GateDocument
from mmbench.configs.gatelog import Gate
from mmbench.configs.gateplan import CellState, Control, Side
from mmbench.reports.gate_rows import gate_document
from synthetic_gate import gate_plan, synthetic_gate

HOSTILE = (
    "<script>alert(1)</script>\"'&`|\n::set-output name=x::y\r\n%0A::error::z ]]> [a](http://x) {{7*7}} \x1b[31m\u202e, a:b \\ ${IFS}$(id)"
)
SAME_CELL = 12  # the first cell of the negative control in `gate_plan()`
BROKEN = (
    CellState(3, "wrong", "new", "full range failed"),
    CellState(4, "crashed", "new", "SIGILL"),
    CellState(5, "timeout", "old", "no answer in 30 s"),
    CellState(6, "deleted", "new", "the kernel is not there"),
    CellState(7, "missing", "", "the plan left no time for it"),
)

Found = tuple[Gate, GateDocument]


def found(gate: Gate) -> Found:
    """The gate and its document."""
    return gate, gate_document(gate)


def passed(results: Path) -> Found:
    """Twelve cells, none slower."""
    return found(synthetic_gate(results, changes={}, run_id="aa01"))


def regressed(results: Path) -> Found:
    """Cell 1 slower by 6 %, cell 2 faster by 8 %, all controls as they should be."""
    return found(synthetic_gate(results, run_id="aa02"))


def broken(results: Path) -> Found:
    """No regression, and a cell for each way to have no result."""
    return found(synthetic_gate(results, changes={}, states=BROKEN, run_id="aa03"))


def mixed(results: Path) -> Found:
    """A regression, an improvement, and a cell for each way to have no result."""
    return found(synthetic_gate(results, states=BROKEN, run_id="aa04"))


def inconclusive(results: Path) -> Found:
    """So much noise on so few launches that nobody can tell."""
    return found(synthetic_gate(results, plan=gate_plan(controls=False), changes={}, noise=0.05, screen=4, confirm=0, run_id="aa05"))


def untrusted(results: Path) -> Found:
    """A regression, in a run in which the old side differs from its own copy."""
    return found(synthetic_gate(results, changes={1: 0.06, SAME_CELL: 0.2}, run_id="aa06"))


def advisory(results: Path) -> Found:
    """The slow cell runs on two threads, and so fails nothing."""
    plan = gate_plan(controls=False)
    cells = list(plan.cells)
    cells[1] = replace(cells[1], case=replace(cells[1].case, threads=2))
    return found(synthetic_gate(results, plan=replace(plan, cells=tuple(cells)), changes={1: 0.06}, run_id="aa07"))


def family(results: Path) -> Found:
    """Every cell slower by half a percent: too little for any of them, and plain for all together."""
    changes = dict.fromkeys(range(12), 0.006)
    return found(synthetic_gate(results, plan=gate_plan(controls=False), changes=changes, noise=0.002, screen=40, run_id="aa08"))


def hostile(results: Path) -> Found:
    """`mixed` with a hostile word wherever a file may hold one."""
    plan = gate_plan()
    contests = tuple(replace(contest, name=HOSTILE) for contest in plan.contests)
    cells = tuple(
        replace(cell, contest=HOSTILE, origin=HOSTILE, family=HOSTILE if cell.control is Control.NONE else cell.family)
        for cell in plan.cells
    )
    side = Side(HOSTILE, HOSTILE, HOSTILE, HOSTILE, {HOSTILE: HOSTILE})
    plan = replace(plan, old=side, contests=contests, cells=cells, preset=HOSTILE, notes=(HOSTILE,))
    states = tuple(replace(state, reason=HOSTILE) for state in BROKEN)
    return found(synthetic_gate(results, plan=plan, states=states, run_id="aa09"))


EVERY = {each.__name__: each for each in (passed, regressed, broken, mixed, inconclusive, untrusted, advisory, family, hostile)}
