"""Write a number with its interval in one notation everywhere: `4.98 ±0.02`.

What stands behind `±` is the larger of the two distances from the value to the ends of its interval, rounded up in the last
figure shown: an uneven interval reads wider than it is, never narrower. Numbers have three significant figures; counts that
are whole stay whole. Infinite and absurd numbers of a hand-edited file count as missing or get an exponent: no cell can
grow without bound.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ..configs.facts import Fact
from ..configs.units import GIB, KIB, MIB, three_figures

_LARGEST, _SMALLEST = 1e7, 1e-4  # outside of these a plain figure is longer than a cell
_HUGE = 10**300  # whole numbers of a file have no bound, floats do


def value_of(fact: Fact[Any], scale: float = 1.0) -> float | None:
    """The number times `scale`; None where there is none, or none that can be shown."""
    if isinstance(fact.value, bool) or not isinstance(fact.value, (int, float)):
        return None
    return _finite(fact.value, scale)


def half_width(fact: Fact[Any], scale: float = 1.0) -> float | None:
    """The larger distance from the value to an end of its interval, times `scale`; None without an interval."""
    value = value_of(fact, scale)
    ends = [_finite(end, scale) for end in (fact.low, fact.high) if end is not None]
    distances = [abs(end - value) for end in ends if end is not None] if value is not None else []
    return max(distances, default=0.0) or None


def relative_width(fact: Fact[Any]) -> float | None:
    """Half the interval as a share of the value."""
    value, half = value_of(fact), half_width(fact)
    return half / abs(value) if value and half is not None else None


def worst_width(facts: Iterable[Fact[Any]]) -> float | None:
    """The largest relative half-width of several facts; None where no fact has an interval."""
    return max((width for fact in facts if (width := relative_width(fact)) is not None), default=None)


def figure(value: float) -> str:
    """Three significant figures; whole numbers of type int as they are."""
    if isinstance(value, int) and abs(value) < _LARGEST:
        return str(value)
    if value != 0 and (abs(value) >= _LARGEST or abs(value) < _SMALLEST):
        return f"{value:.2e}" if abs(value) < _HUGE else "-huge" if value < 0 else "huge"
    return three_figures(value)


def plus_minus(value: float, half: float | None) -> str:
    """`±0.02` with as many decimals as `figure(value)` has, rounded up; empty without an interval."""
    if half is None or not math.isfinite(half):
        return ""
    shown = figure(value)
    if "e" in shown:
        return f"±{half:.1e}"
    if half >= _LARGEST:
        return f"±{half:.1e}"
    step = _step(shown)
    steps = max(1, math.ceil(half / step * (1 - 1e-9)))  # 0.02 / 0.01 is a little more than 2
    decimals = max(0, -round(math.log10(step)))
    return f"±{steps * step:.{decimals}f}"


def percent(share: float) -> str:
    """`±0.4 %`, rounded up to two significant figures at most."""
    value = 100 * share
    if value >= 1000:
        return "±1000 % or more"
    decimals = 1 if value < 10 else 0
    return f"±{math.ceil(value * 10**decimals - 1e-9) / 10**decimals:.{decimals}f} %"


def size_unit(size_bytes: float) -> tuple[float, str]:
    """(factor, name) of the binary unit in which a size is best read."""
    return next(((factor, name) for factor, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")) if abs(size_bytes) >= factor), (1, "B"))


def size_number(value: float) -> str:
    """A size in its unit: whole numbers stay whole, up to the 1023 that three figures would blur."""
    return str(int(value)) if value == int(value) and abs(value) < _LARGEST else figure(float(value))


def _step(shown: str) -> float:
    """The worth of the last figure shown; of 1230 it is ten, because three figures are meant."""
    digits = shown.lstrip("-")
    if "." in digits:
        return float(10 ** -len(digits.split(".")[1]))
    return float(10 ** max(0, len(digits) - 3)) if digits.endswith("0") else 1.0


def _finite(value: float, scale: float) -> float | None:
    try:
        scaled = value if scale == 1.0 else value * scale
        return scaled if math.isfinite(float(scaled)) else None
    except OverflowError:
        return None
