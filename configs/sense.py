"""Find what no machine can have: numbers that are no numbers, amounts below zero, tables that are not square.

The types of a machine file are the codec's business. These are the mistakes that types cannot see, and that a later reader
would otherwise stumble over (a division by zero, a picture of minus 3 GiB). What is merely odd is the probes' to judge.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from .curve import Curve
from .errors import SchemaError
from .facts import Fact
from .machine import CoreToCore, Machine

# Amounts that cannot be below zero. A derived difference has none of these units alone.
_AMOUNTS = ("B", "s", "Hz", "B/s", "op/s", "op/cycle", "instr/cycle", "B/cycle", "cycle")


def check_machine(machine: Machine) -> None:
    """SchemaError with the place of the first thing that makes no sense."""
    for field in dataclasses.fields(machine):
        _walk(getattr(machine, field.name), f"$.{field.name}")


def _walk(value: Any, place: str) -> None:
    if isinstance(value, Fact):
        _check_fact(value, place)
    elif isinstance(value, Curve):
        _check_curve(value, place)
    elif isinstance(value, float):
        _check_number(value, place)
    elif isinstance(value, dict):
        for key, item in value.items():
            _walk(item, f"{place}.{key}")
    elif isinstance(value, tuple):
        for i, item in enumerate(value):
            _walk(item, f"{place}[{i}]")
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        if isinstance(value, CoreToCore):
            _check_square(value, place)
        for field in dataclasses.fields(value):
            _walk(getattr(value, field.name), f"{place}.{field.name}")


def _check_number(value: float, place: str) -> None:
    if not math.isfinite(value):
        raise SchemaError(f"{place}: {value} is no number")


def _check_fact(fact: Fact[Any], place: str) -> None:
    for name in ("value", "low", "high"):
        number = getattr(fact, name)
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            continue
        _check_number(number, f"{place}.{name}")
        if name == "value" and number < 0 and fact.unit in _AMOUNTS:
            raise SchemaError(f"{place}.{name}: {number} {fact.unit} is below zero")


def _check_curve(curve: Curve, place: str) -> None:
    for i, point in enumerate(curve.points):
        if not (math.isfinite(point.work) and point.work > 0):
            raise SchemaError(f"{place}.points[{i}].work: {point.work} units of work take no time")
        for name in ("time_s", "clock_hz"):
            for k, number in enumerate(getattr(point, name)):
                known = name == "time_s" and bool(point.dirty) and "negative" in point.dirty[k]  # kept as it was, never used
                if math.isinf(number) or (number < 0 and not known):
                    raise SchemaError(f"{place}.points[{i}].{name}: {number} cannot be measured")


def _check_square(table: CoreToCore, place: str) -> None:
    size = len(table.cpus)
    for name in ("median_s", "low_s", "high_s"):
        rows = getattr(table, name)
        if (rows or name == "median_s") and (len(rows) != size or any(len(row) != size for row in rows)):
            raise SchemaError(f"{place}.{name}: expected {size} rows of {size} numbers, one for each CPU")
