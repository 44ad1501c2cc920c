"""Describe a sweep before it runs and when it ends: cells, entrants, what cannot run and why, and where the time went.

A sweep's run file holds, after its first line, these events: `plan` (a SweepPlan), `opened` (an Opened, once a worker serves), `row` (a
Measurement, once it is finished), `conditions` (before and after), `note` (a sentence), `end` (a SweepEnd). A resumed sweep appends to the
same file, with a second `opened` and `end`; the last one counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .cases import Case
from .kernel_names import library_of


@dataclass(frozen=True, slots=True)
class Cell:
    """One case of the grid, and where its shape comes from ("BERT-base ffn up, batch 1, 128 tokens")."""

    case: Case
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Entrant:
    """A kernel that takes part. `kernel` is its name (`vectorized`) or a library's (`openblas@numpy`, `onednn-unfused@onednn`).

    `kind` is own, library or framework; `path` the library's file ("" for what is imported or is our own); `version` that of the kernel
    or of the adapter.
    """

    kernel: str
    kind: str
    version: str
    title: str = ""
    path: str = ""
    package_version: str = ""

    @property
    def library(self) -> str:
        """The library's name without origin and mark; the kernel's own name where it is ours."""
        return library_of(self.kernel) if self.kind != "own" else self.kernel


@dataclass(frozen=True, slots=True)
class Skip:
    """Cells (by their index in the plan) that a kernel does not serve, and why."""

    kernel: str
    reason: str
    cells: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """What a sweep will do, in order: `cells` are shuffled by the seed already.

    `precision` is what may stand behind ± (`stats.half_width_share`) of a kernel that has been sampled enough. `time_budget_s` of 0 means
    none. `check` is quick or full. `estimate_s` is a guess made beforehand.
    """

    cells: tuple[Cell, ...]
    entrants: tuple[Entrant, ...]
    skips: tuple[Skip, ...] = ()
    preset: str = ""
    seed: int = 0
    precision: float = 0.02
    time_budget_s: float = 0.0
    check: str = "quick"
    estimate_s: float = 0.0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Opened:
    """What a worker found when it opened a kernel. `problem` says why it cannot be used at all."""

    kernel: str
    version: str = ""  # of the library, in its own words
    core: str = ""
    threading: str = ""
    files: tuple[str, ...] = ()
    size_bytes: int = 0
    overrides: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    start_s: float = 0.0  # from starting the process to its first answer
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SweepEnd:
    """Where the wall time went, and whether all cells were done. `parts_s` adds up to `wall_s`: sampling, proving, starting, …"""

    finished: bool
    wall_s: float
    parts_s: dict[str, float] = field(default_factory=dict)
    reason: str = ""
