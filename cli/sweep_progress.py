"""Show how far a sweep is: one transient line on a terminal, one line a finished cell elsewhere.

The line is drawn only when the sweep reports, which it does while every kernel is stopped: it takes no time from a sample.
"""

from __future__ import annotations

import math
import sys

from ..configs.cases import Measurement, Status
from ..configs.plan import Cell, Opened, SweepPlan
from ..configs.units import duration_words, pretty
from ..kernels.measure.stats import half_width_share
from ..reports.numbers import percent
from ..reports.sweep_rows import each_s, interval, short_names
from ..reports.text import to_ascii
from . import console

_BAR = 20


class SweepProgress:
    """A `kernels.sweep.Watch` that tells stderr."""

    def __init__(self, *, quiet: bool = False, ascii_only: bool = False) -> None:
        self._terminal = sys.stderr.isatty() and not quiet
        self._quiet = quiet
        self._ascii = ascii_only
        self._glyphs = ("#", ".", "|") if ascii_only else ("━", "─", "·")
        self._names: dict[str, str] = {}
        self._cell: Cell | None = None
        self._place = (0, 1)
        self._count = 0
        self._left_s = 0.0
        self._noise = ""
        self._rows: list[Measurement] = []

    def started(self, plan: SweepPlan) -> None:
        """Learn the kernels' short names."""
        self._names = short_names(plan.entrants)
        self._place = (0, max(1, len(plan.cells)))
        self._left_s = plan.estimate_s
        if self._terminal:
            self._write("starting the kernels")

    def opened(self, info: Opened) -> None:
        """Say at once what cannot be used: it may explain a wait."""
        if info.problem and not self._quiet:
            self.clear()
            console.say(f"{self._names.get(info.kernel, info.kernel)}: {info.problem}")

    def cell(self, index: int, total: int, cell: Cell, left_s: float) -> None:
        """The next cell begins, so the one before is finished. Cells are counted as they come: a resumed sweep passes over some."""
        del index
        self._tell()
        self._count += 1
        self._cell, self._left_s, self._place, self._noise = cell, left_s, (self._count, total), ""
        self._draw()

    def noise(self, share: float) -> None:
        """How well the cell's worst kernel is known so far."""
        self._noise = self._percent(share) if share < 10 else ""
        self._draw()

    def row(self, row: Measurement) -> None:
        """Remember it for the cell's line; a failure is said at once."""
        self._rows.append(row)
        if row.status in (Status.WRONG, Status.CRASHED, Status.TIMEOUT) and not self._quiet:
            self.clear()
            name = self._names.get(row.variant.kernel, row.variant.kernel)
            console.say(f"{row.status.value.upper()} {name}, {row.case.name}: {row.reason}")
        self._draw()

    def note(self, text: str) -> None:
        """Something to know."""
        if not self._quiet:
            self.clear()
            console.say(f"note: {text}")

    def end(self) -> None:
        """The last cell is finished, or the sweep was interrupted in it."""
        self._tell()
        self.clear()

    def clear(self) -> None:
        """Remove the transient line."""
        if self._terminal:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()

    def _tell(self) -> None:
        """Without a terminal: the line of the cell that is finished."""
        if self._cell is not None and self._rows and not self._terminal and not self._quiet:
            place, total = self._place
            left = f", {duration_words(self._left_s)} left when it began" if self._left_s >= 1 else ""
            console.say(f"{place}/{total} {self._cell.case.name}: {self._result()}{left}")
        self._cell, self._rows = None, []

    def _result(self) -> str:
        """The fastest row, and the interval of the worst-known one."""
        timed = [(interval(each_s(row.samples)[0]), row) for row in self._rows if row.samples.time_s]
        if not timed:
            return ", ".join(dict.fromkeys(row.status.value for row in self._rows))
        (middle, _, _), row = min(timed, key=lambda pair: pair[0][0])
        worst = max(half_width_share(*found) for found, _ in timed)
        rate = pretty(row.case.operations / middle, "OP/s" if row.case.mix.integer else "FLOP/s")
        name = self._names.get(row.variant.kernel, row.variant.kernel)
        known = f"all within {self._percent(worst)}" if math.isfinite(worst) else "some with too few samples to say how well"
        return f"{name} {pretty(middle, 's')}, {rate}, {known}"

    def _percent(self, share: float) -> str:
        return to_ascii(percent(share)) if self._ascii else percent(share)

    def _draw(self) -> None:
        if not self._terminal or self._cell is None:
            return
        place, total = self._place
        full, empty, dot = self._glyphs
        done = round(_BAR * (place - 1) / total)
        parts = [f"{place}/{total}", f"{duration_words(self._left_s)} left", self._noise, self._cell.case.name]
        self._write(f"{full * done}{empty * (_BAR - done)} " + f" {dot} ".join(part for part in parts if part))

    def _write(self, line: str) -> None:
        sys.stderr.write("\r\x1b[2K" + console.clean(line)[: console.width() - 1])
        sys.stderr.flush()
