"""Turn facts into cells, and core kinds into labels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from ..configs.facts import Fact
from ..configs.machine import Machine
from .look import Look
from .numbers import figure, half_width, plus_minus, value_of
from .tables import Cell


class HasKind(Protocol):
    """A record of one kind of core."""

    @property
    def core_kind(self) -> str:
        """The kind's name; empty where all cores are alike."""
        ...


def number_cell(fact: Fact[Any], look: Look, scale: float = 1.0, style: str = "") -> Cell:
    """A number with its interval; a dash where there is none."""
    value = value_of(fact, scale)
    if value is None:
        return Cell(look.missing, "dim")
    return Cell(figure(value), style, look.own(plus_minus(value, half_width(fact, scale))))


def number_words(fact: Fact[Any], look: Look, unit: str = "", scale: float = 1.0) -> str:
    """The same as running text: `3.50 ±0.01 GHz`; a dash where there is none."""
    cell = number_cell(fact, look, scale)
    return cell.text if cell.text == look.missing else " ".join(filter(None, (cell.text, cell.tail, unit)))


def reasons(pairs: Iterable[tuple[str, Fact[Any]]], look: Look) -> tuple[tuple[str, str], ...]:
    """(subject, why) for each fact without a value that can be shown."""
    return tuple((subject, look.prose(fact.note or "no number")) for subject, fact in pairs if fact.value is None or _odd(fact))


def _odd(fact: Fact[Any]) -> bool:
    return isinstance(fact.value, float) and value_of(fact) is None


def kinds(machine: Machine, records: Iterable[HasKind]) -> list[str]:
    """The core kinds that these records speak of, fastest first."""
    present = dict.fromkeys(record.core_kind for record in records)
    known = machine.topology.kinds if machine.topology else ()
    return [kind for kind in known if kind in present] + [kind for kind in present if kind not in known]


def kind_prefix(machine: Machine, kind: str, look: Look) -> str:
    """`P ` before a name where there are several kinds of core."""
    several = machine.topology is not None and len(machine.topology.kinds) > 1
    return f"{look.word(kind, 8)} " if kind and several else ""


def level_prefix(machine: Machine, record: HasKind, look: Look) -> str:
    """`kind_prefix` of a record."""
    return kind_prefix(machine, record.core_kind, look)


def plural(count: int | float | str | bool | None, one: str, several: str = "") -> str:
    """`1 core`, `2 cores`, `5,000 cores`; `several` where it is not `one` with an s."""
    shown = f"{count:,}" if type(count) is int else str(count)
    return f"{shown} {one}" if shown == "1" else f"{shown} {several or one + 's'}"
