"""Show how far a probe run is: one transient line on a terminal, one line a finished probe elsewhere.

The line is drawn only when a worker reports, which it does between samples: no thread of ours wakes up during one.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from ..configs.units import duration_words
from ..probes.runner import Watcher
from . import console

if TYPE_CHECKING:
    from ..configs.curve import Curve
    from ..configs.machine import Machine
    from ..probes.runner import Step

_BAR = 24


class Progress(Watcher):
    """Tells stderr; `noise` is the share of samples so far that something disturbed."""

    def __init__(self, *, quiet: bool = False, ascii_only: bool = False) -> None:
        self._terminal = sys.stderr.isatty() and not quiet
        self._quiet = quiet
        self._glyphs = ("#", ".", "|") if ascii_only else ("━", "─", "·")
        self._done_s = 0.0
        self._total_s = 1.0
        self._began = time.monotonic()
        self._samples = 0
        self._disturbed = 0

    def started(self, step: Step, done_s: float, total_s: float) -> None:
        """Draw the line anew."""
        self._done_s, self._total_s = done_s, max(total_s, 0.1)
        self._draw(step, 0.0, "")

    def progress(self, step: Step, fraction: float, note: str) -> None:
        """Move the bar."""
        self._draw(step, fraction, note)

    def finished(self, step: Step, curve: Curve, machine: Machine, took_s: float) -> None:
        """Count what was disturbed; without a terminal say a line."""
        del machine
        for point in curve.points:
            self._samples += len(point.time_s)
            self._disturbed += sum(1 for mark in point.dirty if mark)
        if not self._terminal and not self._quiet:
            console.say(f"{step.label}: {len(curve.points)} points in {took_s:.1f} s")

    def failed(self, step: Step, reason: str) -> None:
        """Say so at once: it may explain a wait."""
        self.clear()
        if not self._quiet:
            console.say(f"{step.label}: {reason}")

    def clear(self) -> None:
        """Remove the transient line."""
        if self._terminal:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()

    def noise(self) -> str:
        """`2 % of samples disturbed`, or empty when none was."""
        if not self._disturbed:
            return ""
        share = 100 * self._disturbed / self._samples
        return f"{share:.0f} % disturbed" if share >= 1 else "<1 % disturbed"

    def _draw(self, step: Step, fraction: float, note: str) -> None:
        if not self._terminal:
            return
        done_s = self._done_s + step.seconds * min(1.0, max(0.0, fraction))
        share = min(1.0, done_s / self._total_s)
        elapsed_s = time.monotonic() - self._began
        left_s = max(self._total_s - done_s, elapsed_s / max(share, 0.05) * (1 - share) if share > 0.3 else 0.0)
        full, empty, dot = self._glyphs
        bar = full * round(_BAR * share) + empty * (_BAR - round(_BAR * share))
        parts = [f"{step.label} {note}".strip(), f"{duration_words(left_s)} left", self.noise()]
        line = f"{bar} " + f" {dot} ".join(p for p in parts if p)
        sys.stderr.write("\r\x1b[2K" + console.clean(line)[: console.width() - 1])
        sys.stderr.flush()
