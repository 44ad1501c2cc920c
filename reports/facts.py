"""List every Fact of a machine under a dotted path: what the CSV export writes and what comparisons hold side by side.

A path is made of field names and of what tells records of one list apart: `caches.L2.size`, `caches.P.L2.size` on a chip with
kinds of core, `bandwidths.L2.read.512b.1t.rate`. Dots and spaces inside a name become `_` and `-`. Paths of one machine are
unique: a second record of the same name gets `~2`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

from ..configs.facts import Fact, How
from ..configs.machine import (
    Bandwidth,
    CacheLevel,
    ClockFacts,
    CoreToCore,
    LoadedLatency,
    Machine,
    NodeToNode,
    Roof,
    TlbLevel,
    Unit,
    UnitRate,
)
from ..configs.units import size_words

_LONGEST_NAME = 80  # characters of one part of a path: a file may hold any string


def machine_facts(machine: Machine) -> Iterator[tuple[str, Fact[Any]]]:
    """(path, Fact) for every Fact of the machine in the order of its fields, then the core-to-core times as Facts in seconds."""
    seen: dict[str, int] = {}
    for path, fact in (*_walk(machine, ""), *_core_to_core(machine)):
        seen[path] = seen.get(path, 0) + 1
        yield (path if seen[path] == 1 else f"{path}~{seen[path]}"), fact


def _walk(value: Any, path: str) -> Iterator[tuple[str, Fact[Any]]]:
    if isinstance(value, Fact):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _walk(item, _joined(path, key))
    elif isinstance(value, tuple):
        for item in value:
            yield from _walk(item, _joined(path, *_names(item)))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            if field.name != "curves":
                yield from _walk(getattr(value, field.name), _joined(path, field.name))


def _joined(path: str, *names: object) -> str:
    words = [str(name)[:_LONGEST_NAME].strip().replace(".", "_").replace(" ", "-") for name in names]
    return ".".join(word for word in (path, *words) if word)


def _names(record: object) -> tuple[object, ...]:
    """What tells this record from the others of its list."""
    match record:
        case ClockFacts():
            return (record.core_kind,)
        case CacheLevel() | Unit():
            return (record.core_kind, record.name)
        case TlbLevel():
            return (record.core_kind, record.name, _page(record.page_bytes))
        case Bandwidth():
            return (record.core_kind, record.level, record.kernel, f"{record.width_bits}b", f"{record.threads}t")
        case UnitRate():
            return (record.core_kind, record.unit, record.op, record.dtype, f"{record.width_bits}b")
        case Roof():
            return (record.kind, record.core_kind, record.name, f"{record.threads}t")
        case NodeToNode():
            return (f"{record.cpu_node}-{record.memory_node}",)
        case LoadedLatency():
            return (f"{record.injectors}i", f"{record.delay}d")
        case _:
            return ()


def _page(page_bytes: int) -> str:
    return size_words(page_bytes).replace(" ", "") if 0 <= page_bytes < 2**60 else "page"


def _core_to_core(machine: Machine) -> Iterator[tuple[str, Fact[Any]]]:
    by = next((curve.by for curve in machine.curves.values() if curve.probe == "core-to-core"), "core-to-core")
    for matrix in machine.core_to_core:
        for i, source in enumerate(matrix.cpus):
            for j, target in enumerate(matrix.cpus):
                value = _at(matrix.median_s, i, j)
                if i != j and value is not None:
                    low, high = _ends(matrix, i, j)
                    yield _joined("core_to_core", matrix.mode, f"{source}-{target}"), Fact(value, "s", How.MEASURED, by, low, high)


def _at(matrix: tuple[tuple[float, ...], ...], i: int, j: int) -> float | None:
    value = matrix[i][j] if i < len(matrix) and j < len(matrix[i]) else None
    return value if value is not None and -math.inf < value < math.inf else None


def _ends(matrix: CoreToCore, i: int, j: int) -> tuple[float | None, float | None]:
    """The interval; none where a file has it upside down."""
    low, high = _at(matrix.low_s, i, j), _at(matrix.high_s, i, j)
    return (None, None) if low is not None and high is not None and low > high else (low, high)
