"""One line of the benchmark table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A measured value as a reader should see it, and what the project aims at ("" where there is no aim)."""

    what: str
    value: str
    aim: str = ""
    note: str = ""
