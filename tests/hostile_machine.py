"""Make machines that a hostile or broken file could hold: every leaf of a record replaced, by a rule and by chance, types kept."""

from __future__ import annotations

import dataclasses
import math
import random
from enum import Enum
from typing import Any

from mmbench.configs.facts import Fact
from mmbench.configs.machine import Machine

WORDS = (
    "<script>alert(1)</script>", "$x_{1}^2$ \\frac", "\x1b[31mred\x00\x07", "\u202eevil\u2066", "'\"><svg onload=x>", "", "a" * 100_000,
    "../../etc/passwd", "{{ 7 * 7 }}", "漢字 and e\u0301\u0301\u0301",
)  # fmt: skip
NUMBERS = (math.nan, math.inf, -math.inf, -1.0, 0.0, 5e-324, 1e308, -1e308, 1e-12, 3.0)
WHOLES = (0, -1, 1, 2**31, 2**63, 10**30, -(10**30), 7)


def spoilt(thing: Any, seed: int, share: float) -> Any:
    """The thing with about this share of its leaves replaced; the same for the same seed."""
    return _spoilt(thing, random.Random(seed), share)


def _spoilt(thing: Any, chance: random.Random, share: float) -> Any:
    if isinstance(thing, Fact):
        return _fact(thing, chance, share)
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        changes = {f.name: _spoilt(getattr(thing, f.name), chance, share) for f in dataclasses.fields(thing)}
        try:
            return dataclasses.replace(thing, **changes)
        except ValueError:  # what the record itself refuses, no file can hold
            return thing
    if isinstance(thing, tuple):
        if chance.random() < share / 8:
            return ()
        return tuple(_spoilt(each, chance, share) for each in thing)
    if isinstance(thing, dict):
        return {key if chance.random() > share / 4 else chance.choice(WORDS): _spoilt(each, chance, share) for key, each in thing.items()}
    return _leaf(thing, chance) if chance.random() < share else thing


def _fact(fact: Fact[Any], chance: random.Random, share: float) -> Fact[Any]:
    if chance.random() > share:
        return fact
    if chance.random() < 0.3:
        return dataclasses.replace(fact, value=None, note=chance.choice(WORDS) or "why not")
    low, high = sorted(chance.choice(NUMBERS[1:]) for _ in range(2))
    value = _leaf(fact.value, chance) if fact.value is not None else None
    return dataclasses.replace(fact, value=value, low=low, high=high, note=chance.choice(WORDS) or "-")


def _leaf(thing: Any, chance: random.Random) -> Any:
    if isinstance(thing, Enum):
        return chance.choice(list(type(thing)))
    if isinstance(thing, bool) or thing is None:
        return thing if thing is None else not thing
    if isinstance(thing, str):
        return chance.choice(WORDS)
    return chance.choice(WHOLES) if isinstance(thing, int) else chance.choice(NUMBERS)


def hostile_machine(machine: Machine, seed: int, share: float = 0.5) -> Machine:
    """The machine, spoilt, with its id kept."""
    found: Machine = spoilt(machine, seed, share)
    return dataclasses.replace(found, id=machine.id)
