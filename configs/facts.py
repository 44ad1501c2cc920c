"""Keep everything that is known as a Fact: a value and how it came to be known."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

Scalar = str | int | float | bool
T = TypeVar("T", bound=Scalar)


class How(StrEnum):
    """Where a value comes from, in falling order of trust."""

    MEASURED = "measured"
    DERIVED = "derived"
    REPORTED = "reported"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class Fact(Generic[T]):
    """One value with its unit, its origin and its interval.

    `value` is None when the thing could not be known; `note` then says why. `by` names the probe and its version
    (`latency@1`) or the source of a claim (`sysfs`, `cpuid.4`). `low` and `high` bound the value in the same unit: an
    approximate 95 % interval unless the note says otherwise.
    """

    value: T | None
    unit: str
    how: How
    by: str
    low: float | None = None
    high: float | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if self.value is None and not self.note:
            raise ValueError("a Fact without a value must say why in its note")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"interval upside down: {self.low} > {self.high}")

    @property
    def known(self) -> bool:
        """Whether there is a value at all."""
        return self.value is not None

    def number(self) -> float:
        """The value as a float; ValueError where there is none or it is a word."""
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)):
            raise ValueError(f"no number: {self.note or self.value!r}")
        return float(self.value)


def measured(value: T, unit: str, by: str, low: float | None = None, high: float | None = None, note: str = "") -> Fact[T]:
    """A Fact that a probe measured here."""
    return Fact(value, unit, How.MEASURED, by, low, high, note)


def derived(value: T, unit: str, by: str, low: float | None = None, high: float | None = None, note: str = "") -> Fact[T]:
    """A Fact computed from other Facts."""
    return Fact(value, unit, How.DERIVED, by, low, high, note)


def reported(value: T, unit: str, by: str, note: str = "") -> Fact[T]:
    """A Fact that the machine or its system claims of itself."""
    return Fact(value, unit, How.REPORTED, by, note=note)


def unknown(unit: str, by: str, why: str) -> Fact[T]:
    """A Fact that could not be had, with the reason."""
    return Fact(None, unit, How.MEASURED, by, note=why)
