"""Fill operands with values that find errors: exact integers, normal numbers, the full range of bytes, extremes of changing sign.

Values come from a pattern of `PATTERN` (a prime) elements that is laid down again and again: as fast as memory, and as no leading dimension
is a multiple of it, no two rows of an operand are alike.
"""

from __future__ import annotations

import functools
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from ..configs.dtypes import ELEMENTS, Element, Mix

Array = NDArray[Any]
PATTERN = 65521
FILLS = ("integers", "normal", "full-range", "alternating", "largest")
# Signalling NaNs: arithmetic makes a quiet one of them, so that a C that was read can be told from one that was never written.
_SIGNALLING = {"f64": 0x7FF4000000000000, "f32": 0x7FA00000, "f16": 0x7D00, "bf16": 0x7FA0}


@functools.cache
def storage(name: str) -> np.dtype[Any]:
    """NumPy's type of one stored unit: the element itself, or a byte of two narrow ones."""
    element = ELEMENTS[name]
    if element.bits < 8:
        return np.dtype(np.uint8)
    return np.dtype(getattr(ml_dtypes, element.numpy, None) or element.numpy)


@functools.cache
def narrow_values(name: str) -> Array:
    """What each of the 16 codes of a 4-bit element means, as f64."""
    codes = np.arange(16, dtype=np.uint8)
    if name == "s4":
        return ((codes.astype(np.int64) ^ 8) - 8).astype(np.float64)
    return np.asarray(codes.view(np.dtype(getattr(ml_dtypes, ELEMENTS[name].numpy))).astype(np.float64))


def whole_limit(mix: Mix, k: int) -> int:
    """The largest integer for which every sum of k products is exact in the accumulator and finite in the result (scales up to 2)."""
    acc, c = ELEMENTS[mix.acc], ELEMENTS[mix.c]
    room = min(2.0**acc.digits if acc.digits else 2.0**31, c.high) / max(k, 1) / (4.0 if mix.scaled else 1.0)
    most = min(*(2.0**e.digits if e.digits else e.high for e in (ELEMENTS[mix.a], ELEMENTS[mix.b])), 64.0)
    return max(1, int(min(most, room**0.5)))


@functools.lru_cache(maxsize=48)  # the gate asks for the same few again and again; 48 are 3 to 24 MiB
def pattern(name: str, fill: str, seed: int, limit: int) -> Array:
    """PATTERN stored units (bytes of two codes for 4-bit elements) of this element and fill, read-only; integers lie within ± `limit`."""
    values = _pattern(name, fill, seed, limit)
    values.setflags(write=False)
    return values


def _pattern(name: str, fill: str, seed: int, limit: int) -> Array:
    random = np.random.default_rng((seed, sum(map(ord, name + fill))))
    element = ELEMENTS[name]
    if element.bits < 8:
        codes = _narrow_codes(element, fill, random, limit)
        return np.asarray(codes[0::2] | (codes[1::2] << 4), dtype=np.uint8)
    if element.digits == 0:
        return _bytes(element, fill, random, limit).astype(storage(name))
    if fill == "normal":
        return random.standard_normal(PATTERN, dtype=np.float32).astype(storage(name))
    if fill == "alternating":
        signs = np.where(np.arange(PATTERN) % 2 == 0, 1.0, -1.0)
        return (signs * limit).astype(storage(name))
    return random.integers(-limit, limit, size=PATTERN, endpoint=True).astype(np.float32).astype(storage(name))


def _bytes(element: Element, fill: str, random: np.random.Generator, limit: int) -> Array:
    low, high = int(element.low), int(element.high)
    if fill == "integers":
        return random.integers(max(low, -limit), min(high, limit), size=PATTERN, endpoint=True)
    if fill == "alternating":  # by chance, not in turn: two that are alike must meet too, (-128)² twice is more than 16 bits hold
        return random.choice((low, high), size=PATTERN)
    if fill == "largest":  # sums beyond 2^24 that are odd as often as not: single precision cannot hold them
        return random.integers(high - 7, high, size=PATTERN, endpoint=True)
    return random.integers(max(low, -(2**31)), high, size=PATTERN, endpoint=True)


def _narrow_codes(element: Element, fill: str, random: np.random.Generator, limit: int) -> Array:
    values = narrow_values(element.name)
    if fill == "integers":
        fitting = np.flatnonzero((values == np.rint(values)) & (np.abs(values) <= limit))
    elif fill == "alternating":
        fitting = np.array([int(np.argmax(values)), int(np.argmin(values))])
        return np.asarray(fitting[np.arange(2 * PATTERN) % 2], dtype=np.uint8)
    else:
        fitting = np.arange(16)
    return np.asarray(random.choice(fitting, size=2 * PATTERN), dtype=np.uint8)


@functools.lru_cache(maxsize=48)
def scale_pattern(name: str, fill: str, seed: int) -> Array:
    """Scales, read-only: 1 and 2 for exact fills, else positive numbers about one (powers of two for e8m0)."""
    random = np.random.default_rng((seed, 99))
    if fill == "normal":
        values = 2.0 ** random.integers(-2, 3, size=PATTERN) if name == "e8m0" else random.uniform(0.25, 2.0, size=PATTERN)
    else:
        values = random.integers(1, 2, size=PATTERN, endpoint=True).astype(np.float64)
    stored = values.astype(np.float32).astype(storage(name))
    stored.setflags(write=False)
    return stored


def lay(target: Array, values: Array) -> None:
    """Repeat the pattern over a contiguous array of the same type."""
    flat, length = target.reshape(-1), len(values)
    whole = len(flat) // length * length
    if whole:
        flat[:whole].reshape(-1, length)[:] = values
    flat[whole:] = values[: len(flat) - whole]


def poison(name: str) -> Any:
    """What C holds before a product that must not read it: a signalling NaN, or an integer that no test expects."""
    element = ELEMENTS[name]
    if name in _SIGNALLING:
        return np.array(_SIGNALLING[name], dtype=f"uint{element.bits}").view(storage(name))
    return storage(name).type(-(0x5A5A5A5A) if element.bits == 32 else 0x5A)


def untouched(stored: Array, name: str) -> Array:
    """Where elements of C still hold the poison, bit for bit."""
    words = np.dtype(f"uint{ELEMENTS[name].bits}")
    return np.asarray(stored.view(words) == np.asarray(poison(name)).view(words))


def decoded(stored: Array, name: str, columns: int) -> Array:
    """The first `columns` elements of each row as f64 (int64 for integers of a byte and more); exact for every element type."""
    element = ELEMENTS[name]
    if element.bits < 8:
        low, high = stored & 15, stored >> 4
        codes = np.stack((low, high), axis=-1).reshape(*stored.shape[:-1], 2 * stored.shape[-1])[..., :columns]
        return np.asarray(narrow_values(name)[codes])
    part = stored[..., :columns]
    with np.errstate(invalid="ignore"):  # signalling NaNs of a C that was not written
        return np.asarray(part.astype(np.int64 if element.digits == 0 else np.float64))
