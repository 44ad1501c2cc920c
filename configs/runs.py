"""Name a run: who measured what, when, on which machine, with which settings. The first line of every run file."""

from __future__ import annotations

from dataclasses import dataclass, field

from .facts import Scalar
from .machine import Conditions

RUN_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Run:
    """A run file's first line; every later line is an event of this run."""

    schema: int
    id: str
    kind: str  # probe, sweep
    machine_id: str
    started_at: str  # ISO 8601, UTC
    settings: dict[str, Scalar] = field(default_factory=dict)
    seed: int = 0
    versions: dict[str, str] = field(default_factory=dict)
    conditions: Conditions = field(default_factory=Conditions)
