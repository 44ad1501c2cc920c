"""Tell a probe what it may use: effort, time, CPUs, memory, and what is known of the machine so far."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ..configs.machine import Machine


class Effort(StrEnum):
    """How much time a probe may take for how much detail."""

    QUICK = "quick"
    DEFAULT = "default"
    DEEP = "deep"

    @property
    def rank(self) -> int:
        """0, 1, 2."""
        return list(Effort).index(self)

    def pick(self, quick: int, default: int, deep: int) -> int:
        """The number for this effort."""
        return (quick, default, deep)[self.rank]


def _silent(_fraction: float, _note: str) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class Context:
    """What `measure` gets. The worker is pinned to `cpu` already where the system can pin.

    `memory_bytes` is what may be allocated in all, from the container's limits, never from the host's caches. A probe that
    works through a list of points asks `expired()` between them, and says in its curve's `missing` what it left out.
    """

    effort: Effort
    machine: Machine
    seed: int = 0
    cpu: int = 0
    cpus: tuple[int, ...] = (0,)
    core_kind: str = ""
    memory_bytes: int = 2**30
    deadline: float = float("inf")  # time.monotonic()
    root: Path = Path("/")  # where /proc and /sys are looked for; tests point it at captured machines
    progress: Callable[[float, str], None] = field(default=_silent)

    def time_left_s(self) -> float:
        """Seconds until the probe should end."""
        return self.deadline - time.monotonic()

    def expired(self) -> bool:
        """Whether the probe should stop and return what it has."""
        return self.time_left_s() <= 0
