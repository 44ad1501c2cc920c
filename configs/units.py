"""Turn sizes, times and rates into words, and words into sizes and times.

Inside the program there is one base unit for each quantity (bytes, seconds, hertz, operations per second), and the name of a
variable carries it (`size_bytes`, `time_s`). Prettiness happens here, at the edge.
"""

from __future__ import annotations

import math
import re

from .errors import UsageError

KIB = 1024
MIB = 1024**2
GIB = 1024**3

_BINARY = {"": 1, "k": KIB, "m": MIB, "g": GIB, "t": 1024**4}
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def three_figures(value: float) -> str:
    """`value` with three significant figures and no exponent: 0.0123, 1.23, 12.3, 123, 1230."""
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if round(abs(value) / 10**exponent, 2) >= 10:
        exponent += 1
    digits = 2 - exponent
    return f"{value:.{digits}f}" if digits > 0 else f"{round(value, digits):.0f}"


def size_words(size_bytes: float) -> str:
    """Bytes as a binary size: `48 KiB`, `1.25 MiB`; whole numbers stay whole."""
    for factor, name in ((1024**5, "PiB"), (1024**4, "TiB"), (GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if abs(size_bytes) >= factor:
            return f"{_short(size_bytes / factor)} {name}"
    return f"{_short(size_bytes)} B"


def _short(value: float) -> str:
    return f"{value:.0f}" if value == round(value) else three_figures(value)


def scaled(value: float, unit: str) -> tuple[str, str]:
    """(number, prefixed unit) with three figures and a decimal prefix: 1.2e11, "FLOP/s" gives ("120", "GFLOP/s")."""
    if value == 0 or not math.isfinite(value):
        return three_figures(value), unit
    steps = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"))
    for factor, prefix in steps:
        if abs(value) >= factor * 0.9995:
            return three_figures(value / factor), prefix + unit
    return three_figures(value / 1e-12), "p" + unit


def pretty(value: float, unit: str) -> str:
    """`scaled` as one word pair; bytes become binary sizes."""
    if unit == "B":
        return size_words(value)
    number, name = scaled(value, unit)
    return f"{number} {name}".rstrip()


def parse_size(text: str) -> int:
    """`48K`, `1.25MiB`, `2g`, `4096` to bytes (binary multiples); UsageError otherwise."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*", text.lower())
    if not match:
        raise UsageError(f"'{text}' is not a size", "write a number and K, M or G, such as 48K or 1.25M")
    return round(float(match[1]) * _BINARY[match[2]])


def parse_duration(text: str) -> float:
    """`90`, `15s`, `1.5m`, `200ms` to seconds; UsageError otherwise."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ns|us|µs|ms|s|min|m|h|)\s*", text.lower())
    if not match or float(match[1]) <= 0:
        raise UsageError(f"'{text}' is not a duration", "write a number above zero and s, m or h, such as 45s or 2m")
    return float(match[1]) * _SECONDS[match[2]]


def duration_words(time_s: float) -> str:
    """Seconds for a person who waits: `8 s`, `1:05`, `2 h 03 min`."""
    whole = round(time_s)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
