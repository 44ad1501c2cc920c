"""Show how far a gate is: one transient line on a terminal, a line for each stage and every few launches elsewhere.

Drawn only between visits, when nobody's turn is running.
"""

from __future__ import annotations

import math
import sys
import time

from ..configs.gateplan import CellState, GateOpened, GatePlan, Promise, Stage
from ..configs.units import duration_words
from . import console

_BAR = 20
_EVERY_S = 20.0  # without a terminal: a line at most so often
_WORDS = {Stage.PILOT: "proving and tuning", Stage.SCREEN: "screening", Stage.CONFIRM: "confirming"}


class GateProgress:
    """A `kernels.gate.course.GateWatch` that tells stderr."""

    def __init__(self, *, quiet: bool = False, ascii_only: bool = False) -> None:
        self._terminal = sys.stderr.isatty() and not quiet
        self._quiet = quiet
        self._glyphs = ("#", ".", "|") if ascii_only else ("━", "─", "·")
        self._stage, self._launches, self._launch = Stage.PILOT, 1, 0
        self._began_s = self._said_s = time.monotonic()

    def begin(self, plan: GatePlan) -> None:
        """Say who meets whom."""
        cells = sum(not cell.control for cell in plan.cells)
        controls = len(plan.cells) - cells
        self._say(f"{plan.new.word} against {plan.old.word}: {cells} cells, and {controls} controls")

    def opened(self, info: GateOpened) -> None:
        """Say at once what a side's worker warns of."""
        for warning in info.opened.warnings:
            self._say(f"{info.contest}, {info.side} side: {warning}")

    def stage(self, stage: Stage, cells: int, launches: int) -> None:
        """A stage begins."""
        self._stage, self._launches, self._launch = stage, max(launches, 1), 0
        self._began_s = time.monotonic()
        times = "" if stage is Stage.PILOT else f", {launches} launch{'es' if launches != 1 else ''}"
        self._say(f"{_WORDS[stage]}: {cells} cell{'s' if cells != 1 else ''}{times}")

    def cell(self, stage: Stage, number: int, total: int, name: str, left_s: float) -> None:
        """A cell is visited; the first of a launch counts it."""
        self._launch += number == 0
        of = max(self._launches, self._launch)  # blocks that were dropped are taken again
        share = min(1.0, (self._launch - 1 + number / max(total, 1)) / of)
        took_s = time.monotonic() - self._began_s
        guess_s = took_s / share * (1 - share) if share > 0.02 else math.nan
        known = min(guess_s, left_s) if math.isfinite(guess_s) else left_s
        left = f"{duration_words(known)} left of this stage" if math.isfinite(known) and known >= 1 else ""
        if self._terminal:
            full, empty, dot = self._glyphs
            done = round(_BAR * share)
            parts = [_WORDS[stage], f"launch {self._launch} of {of}", left, name]
            self._write(f"{full * done}{empty * (_BAR - done)} " + f" {dot} ".join(part for part in parts if part))
        elif number == 0 and time.monotonic() - self._said_s > _EVERY_S:
            self._say(", ".join(part for part in (f"{_WORDS[stage]}: launch {self._launch} of {of}", left) if part))

    def promise(self, promise: Promise) -> None:
        """What the planner says this machine can show."""
        self._say(f"this machine can show, {promise.sentence}")

    def state(self, name: str, state: CellState) -> None:
        """A cell fell out."""
        self._say(f"{state.state.upper()} {name}: {state.side + ' side: ' if state.side else ''}{state.reason}")

    def end(self) -> None:
        """Remove the transient line."""
        self._clear()

    def _clear(self) -> None:
        if self._terminal:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()

    def _say(self, text: str) -> None:
        if not self._quiet:
            self._clear()
            console.say(text)
            self._said_s = time.monotonic()

    def _write(self, line: str) -> None:
        sys.stderr.write("\r\x1b[2K" + console.clean(line)[: console.width() - 1])
        sys.stderr.flush()
