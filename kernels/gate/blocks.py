"""Turn the timings of a quartet (ABBA or BAAB) or of a whole launch into one difference of logs: a block, or a reason to drop it.

A is the old side, B the new one; a difference above 0 means that B takes longer. In a quartet a linear drift cancels, and the coin that
chose its order makes the sign of what is left fair. The unit that counts is the launch: timings within one share its luck with memory
layout, so a launch gives one block for a cell however many quartets it holds.

Whether a block is dropped is decided on its four slots as a bag: the rule (`disturbance`) is handed slots without arms, and gives the same
answer in any order. What it looks at are the marks of the system's own counters (`measure/contamination.py`), never the times, except that
a time at or below nought is no time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ..measure.stats import median

MARKED_SHARE = 0.2  # of all timings in a quartet: more, and it is dropped
MARKED_SLOT_SHARE = 0.5  # of the timings of one slot: at more, the centre of this slot is the disturbance
LEAST_QUARTETS_SHARE = 0.5  # of a launch's quartets must be kept, or the launch is dropped


class Order(StrEnum):
    """In which order the sides took turns."""

    ABBA = "ABBA"
    BAAB = "BAAB"
    MIXED = "mixed"  # a launch of several quartets, each with a coin of its own


class State(StrEnum):
    """What became of a cell before anything was decided: only a timed one can be green."""

    TIMED = "timed"
    DELETED = "deleted"  # the old side has it, the new one does not
    MISSING = "missing"  # planned, and no timing came
    CRASHED = "crashed"
    TIMEOUT = "timeout"
    WRONG = "wrong"  # a side did not pass its proof


@dataclass(frozen=True, slots=True)
class Slot:
    """The timings of one turn, in seconds a call, and what disturbed each ("" or nothing at all: undisturbed). It knows no side."""

    times_s: tuple[float, ...]
    marks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.marks and len(self.marks) != len(self.times_s):
            raise ValueError("a mark for each timing, or none")

    @property
    def disturbed(self) -> int:
        """How many timings are marked or are no times."""
        marks = self.marks or ("",) * len(self.times_s)
        return sum(bool(mark) or not _is_time(time_s) for time_s, mark in zip(self.times_s, marks, strict=True))


@dataclass(frozen=True, slots=True)
class Quartet:
    """Four turns in a row, in the order of time."""

    order: Order
    slots: tuple[Slot, Slot, Slot, Slot]

    def __post_init__(self) -> None:
        if self.order is Order.MIXED:
            raise ValueError("a quartet is ABBA or BAAB")


@dataclass(frozen=True, slots=True)
class Block:
    """One independent comparison of the two sides on a cell. `dropped` says why it does not count; its difference may then be NaN."""

    launch: int
    order: Order
    difference: float
    dropped: str = ""
    quartets: int = 1

    def __post_init__(self) -> None:
        if not self.dropped and not math.isfinite(self.difference):
            raise ValueError("a block that counts has a finite difference")


@dataclass(frozen=True, slots=True)
class Cell:
    """Everything known of one cell of the grid: blocks of the screen, and fresh ones taken to confirm.

    `sees` is the effect (a share) that the plan promised for it; 0 stands for what the rules want to detect.
    """

    name: str
    family: str = ""
    state: State = State.TIMED
    screen: tuple[Block, ...] = ()
    confirm: tuple[Block, ...] = ()
    sees: float = 0.0
    note: str = ""

    def __post_init__(self) -> None:
        shared = {block.launch for block in self.screen} & {block.launch for block in self.confirm}
        if shared:
            raise ValueError(f"{self.name}: launch {min(shared)} serves both to screen and to confirm; confirming takes fresh blocks only")


def _is_time(time_s: float) -> bool:
    return math.isfinite(time_s) and time_s > 0


def centre(slot: Slot) -> float:
    """The log of a slot's median time, disturbed timings included so long as they are times; NaN for none."""
    return median([math.log(time_s) for time_s in slot.times_s if _is_time(time_s)])


def disturbance(slots: Iterable[Slot]) -> str:
    """Why a quartet with these slots is dropped, or "". Sees neither sides nor order, and times only as far as they are none."""
    bag = list(slots)
    if any(not any(_is_time(time_s) for time_s in slot.times_s) for slot in bag):
        return "a turn without a time"
    counts = [(slot.disturbed, len(slot.times_s)) for slot in bag]
    if sum(marked for marked, _ in counts) > MARKED_SHARE * sum(count for _, count in counts):
        return "disturbed"
    if any(marked > MARKED_SLOT_SHARE * count for marked, count in counts):
        return "a turn mostly disturbed"
    return ""


def difference(quartet: Quartet) -> float:
    """Half of (ln B + ln B - ln A - ln A) of the four centres: the log of new over old."""
    first, second, third, fourth = (centre(slot) for slot in quartet.slots)
    inner, outer = second + third, first + fourth
    return (inner - outer) / 2 if quartet.order is Order.ABBA else (outer - inner) / 2


def block_of_quartet(launch: int, quartet: Quartet) -> Block:
    """The block of a launch that holds one quartet."""
    why = disturbance(quartet.slots)
    return Block(launch, quartet.order, difference(quartet) if why != "a turn without a time" else math.nan, why)


def block_of_launch(launch: int, quartets: Sequence[Quartet]) -> Block:
    """The block of a launch: the median over its undisturbed quartets. Dropped where fewer than half are left."""
    if len(quartets) == 1:
        return block_of_quartet(launch, quartets[0])
    kept = [difference(quartet) for quartet in quartets if not disturbance(quartet.slots)]
    if not kept:
        return Block(launch, Order.MIXED, math.nan, "every quartet disturbed" if quartets else "no quartet", 0)
    few = len(kept) < LEAST_QUARTETS_SHARE * len(quartets)
    return Block(launch, Order.MIXED, median(kept), "most quartets disturbed" if few else "", len(kept))


def counted(blocks: Iterable[Block]) -> list[float]:
    """The differences of the blocks that count, in order."""
    return [block.difference for block in blocks if not block.dropped]


def discard_share(cells: Iterable[Cell]) -> float:
    """Which share of all blocks was dropped; 0 for no blocks."""
    blocks = [block for cell in cells for block in (*cell.screen, *cell.confirm)]
    return sum(bool(block.dropped) for block in blocks) / len(blocks) if blocks else 0.0
