"""Turn a gate's run file into the cells that `decide` judges, and the rules that it was begun with: the same file, the same verdicts."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ...configs.gatelog import Gate, promised_of
from ...configs.gateplan import Control, GateBlock, GatePlan, Stage
from .blocks import Block, Cell, Order, Quartet, Slot, State, block_of_launch
from .rules import Direction, Rules

_CELLS_SHARE = 0.8  # of alpha; families have the rest


def rules_of(plan: GatePlan) -> Rules:
    """The rules by the plan's figures: four fifths of alpha for cells, one for families; half of what the power leaves to the screen."""
    alpha = plan.alpha * _CELLS_SHARE
    return Rules(
        plan.margin,
        plan.detect,
        plan.power,
        slower=Direction(alpha=alpha, miss=(1 - plan.power) / 2),
        faster=Direction(alpha=alpha, flag_alpha=0.01),
        pooled_alpha=plan.alpha - alpha,
        pooled_margin=plan.margin / 4,
    )


def quartets_of(block: GateBlock) -> list[Quartet]:
    """The quartets of one visit, with their marks."""
    found = []
    for number, letter in enumerate(block.orders):
        slots = []
        for turn in range(4 * number, 4 * number + 4):
            times = block.times_s[turn * block.units : (turn + 1) * block.units]
            mark = block.marks[turn] if block.marks else ""
            slots.append(Slot(times, (mark,) * len(times) if mark else ()))
        found.append(Quartet(Order.ABBA if letter == "a" else Order.BAAB, (slots[0], slots[1], slots[2], slots[3])))
    return found


def block_of_visit(visit: GateBlock) -> Block:
    """What a visit counts for: one block, or a reason why it does not count. The rule never sees which side a time belongs to."""
    block = block_of_launch(visit.launch, quartets_of(visit))
    if visit.dropped and not block.dropped:
        return Block(block.launch, block.order, block.difference, visit.dropped, block.quartets)
    return block


def cells_of(gate: Gate, control: Control | None = None) -> list[Cell]:
    """The cells of the gate in the plan's order: its own (`Control.NONE`), those of one control, or all (None)."""
    plan = gate.plan
    blocks: dict[tuple[int, Stage], list[Block]] = {}
    for visit in gate.blocks:
        if visit.stage is not Stage.PILOT:
            blocks.setdefault((visit.cell, visit.stage), []).append(block_of_visit(visit))
    states = {state.cell: state for state in gate.states}
    found = []
    for index, cell in enumerate(plan.cells):
        if control is not None and cell.control is not control:
            continue
        screen, confirm = blocks.get((index, Stage.SCREEN), []), blocks.get((index, Stage.CONFIRM), [])
        fallen = states.get(index)
        state, note = State(fallen.state) if fallen else State.TIMED, ""
        if fallen:
            note = f"{fallen.side} side: {fallen.reason}" if fallen.side else fallen.reason
        elif not screen:
            state, note = State.MISSING, "the gate ended before this cell was timed"
        sees = promised_of(gate, index)
        found.append(Cell(cell.name, cell.family, state, tuple(screen), tuple(confirm), 0.0 if math.isnan(sees) else sees, note))
    return found


def sides_of(visit: GateBlock) -> tuple[list[float], list[float]]:
    """The times of the undisturbed turns of a visit: of the old side, of the new one."""
    sides: tuple[list[float], list[float]] = ([], [])
    for number, letter in enumerate(visit.orders):
        for place, turn in enumerate(range(4 * number, 4 * number + 4)):
            new = (place in (1, 2)) == (letter == "a")
            if not (visit.marks and visit.marks[turn]):
                sides[new].extend(visit.times_s[turn * visit.units : (turn + 1) * visit.units])
    return sides


def times_of(visits: Iterable[GateBlock]) -> tuple[float, float]:
    """Seconds a call of the old and of the new side: the medians over all undisturbed turns of all visits; NaN for none."""
    from ..measure.stats import median

    sides: tuple[list[float], list[float]] = ([], [])
    for visit in visits:
        for side, times in zip(sides, sides_of(visit), strict=True):
            side += times
    old_s, new_s = (median(times) if times else math.nan for times in sides)
    return old_s, new_s
