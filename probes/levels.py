"""Turn a latency curve into cache levels: named, sized, held against the claims. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..configs.curve import Curve, Point
from ..configs.facts import Fact, derived, measured, unknown
from ..configs.machine import CacheClaim, CacheLevel, Machine
from ..configs.published import chip_of
from .inference.levels import LevelFit, find_levels
from .judge import judge_cache, judge_latency

_NOT_YET = "the geometry probe has not run"


def table_of(points: Sequence[Point], pages: str, *, cycles: bool = False) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(sizes in bytes, latency[allocation, size]) of one curve, in seconds or cycles: the median of a point's samples, NaN for none."""
    chosen = [p for p in points if p.at.get("pages") == pages]
    sizes = sorted({int(p.at["size_bytes"]) for p in chosen})
    allocations = sorted({int(p.at["allocation"]) for p in chosen})
    column = {size: i for i, size in enumerate(sizes)}
    table = np.full((len(allocations), len(sizes)), np.nan)
    for p in chosen:
        values = p.each_cycles() if cycles else p.each_s()
        if values:
            table[allocations.index(int(p.at["allocation"])), column[int(p.at["size_bytes"])]] = float(np.median(values))
    return np.array(sizes, dtype=float), table


def levels_of(curve: Curve, machine: Machine) -> tuple[CacheLevel, ...]:
    """The levels that the huge-page curve shows; none from fewer than four sizes."""
    sizes, seconds = table_of(curve.points, "huge")
    _, cycles = table_of(curve.points, "huge", cycles=True)
    if len(sizes) < 4:
        return ()
    counted = bool(np.isfinite(cycles).any())
    steps = _translation_steps(curve, machine)
    found = find_levels(sizes, cycles if counted else seconds * 1e9, cycles=counted, steps_of_translation=steps)
    hz = _clock_by_size(seconds, cycles) if counted else np.full(len(sizes), np.nan)
    oddities = found.notes + _page_oddities(curve)
    levels = []
    for index, fit in enumerate(found.levels):
        last = index + 1 == len(found.levels)
        edge = found.levels[-2].size_bytes or 0.0 if len(found.levels) > 1 else 0.0
        level = _level(curve, _name(index, last, machine, float(sizes[-1]), edge), fit, sizes, hz, counted)
        levels.append(_judged(level, machine, oddities if index == 0 else ()))
    return tuple(levels)


def _translation_steps(curve: Curve, machine: Machine) -> list[tuple[float, float]]:
    """Working sets in bytes at which translation was shown to step on huge pages, a little widened for the lines' random words."""
    found = [t for t in machine.tlbs if t.pages == "huge" and t.core_kind == curve.core_kind and t.entries.known]
    return [
        (0.9 * (t.entries.low or t.entries.number()) * t.page_bytes, 1.25 * (t.entries.high or t.entries.number()) * t.page_bytes)
        for t in found
    ]


def _clock_by_size(seconds: NDArray[np.float64], cycles: NDArray[np.float64]) -> NDArray[np.float64]:
    """The core clock at each size, as the samples saw it."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = cycles / seconds
    ratio[:, ~np.isfinite(ratio).any(axis=0)] = np.nanmedian(ratio)
    middle: NDArray[np.float64] = np.nanmedian(ratio, axis=0)
    return middle


def _page_oddities(curve: Curve) -> tuple[str, ...]:
    share = curve.readings.get("huge_share.huge")
    if share is None:
        return ("the system does not tell whether huge pages were given",)
    if float(share) < 0.9:
        return (f"only {100 * float(share):.0f} % of the memory was on huge pages: edges beyond L1 blur with page colours",)
    return ()


def _name(index: int, last: bool, machine: Machine, reached: float, edge: float) -> str:
    """L1d, L2, L3…; the last plateau is DRAM unless the curve may end inside a cache that is claimed."""
    claims = [c for c in machine.cache_claims if c.kind != "instruction"]
    inside = max((c.size_bytes for c in claims), default=0)
    deepest = max((c.level for c in claims), default=0)
    if last and index > 0 and (reached >= 1.5 * inside if inside else reached >= 16 * edge):
        return "DRAM"
    if last and inside and index + 1 > deepest:
        return "DRAM"
    return "L1d" if index == 0 else f"L{index + 1}"


def _level(curve: Curve, name: str, fit: LevelFit, sizes: NDArray[np.float64], hz: NDArray[np.float64], counted: bool) -> CacheLevel:
    by = curve.by
    size: Fact[int]
    if fit.size_bytes is None:
        size = unknown("B", by, "memory: no edge ends it" if name == "DRAM" else "its edge lies beyond the largest working set measured")
    else:
        size = measured(round(fit.size_bytes), "B", by, fit.size_low, fit.size_high, _mechanism_words(fit.mechanism))
    here = sizes <= fit.size_bytes if fit.size_bytes is not None else sizes >= sizes[-1] / 2
    clock = float(np.nanmedian(hz[here])) if counted and here.any() else float("nan")
    if counted:
        cycles: Fact[float] = measured(fit.latency, "cycle", by, fit.latency_low, fit.latency_high)
        seconds = derived(fit.latency / clock, "s", by, fit.latency_low / clock, fit.latency_high / clock)
    else:
        cycles = unknown("cycle", by, "the core clock could not be measured")
        seconds = measured(fit.latency * 1e-9, "s", by, fit.latency_low * 1e-9, fit.latency_high * 1e-9)
    why = "memory has none" if name == "DRAM" else _NOT_YET
    line: Fact[int] = unknown("B", by, why)
    ways: Fact[int] = unknown("ways", by, why)
    sharing: Fact[str] = unknown("", by, why)
    return CacheLevel(name, size, seconds, cycles, line, ways, sharing, oddities=fit.oddities, core_kind=curve.core_kind)


def _mechanism_words(mechanism: str) -> str:
    if mechanism.startswith("coloured-"):
        return f"edge as of random page colours over {mechanism.removeprefix('coloured-')} ways"
    return {"lru": "sharp edge, as of LRU", "random": "edge as of random replacement", "between": "edge of no clear kind"}.get(
        mechanism, ""
    )


def claims_for(machine: Machine, name: str) -> tuple[CacheClaim, ...]:
    """What is claimed of the level called `name`."""
    if not name.startswith("L"):
        return ()
    number = int(name[1])
    return tuple(c for c in machine.cache_claims if c.level == number and c.kind != "instruction")


def _judged(level: CacheLevel, machine: Machine, oddities: tuple[str, ...]) -> CacheLevel:
    claims, chip = claims_for(machine, level.name), chip_of(machine, level.core_kind)
    if level.name == "DRAM":
        return dataclasses.replace(level, oddities=level.oddities + oddities)
    judgement, more = judge_cache(level.name, level.size, claims, chip)
    odd = tuple(dict.fromkeys((*level.oddities, *oddities, *more, *judge_latency(level.name, level.latency_cycles, chip))))
    return dataclasses.replace(level, claims=claims, judgement=judgement, oddities=odd)
