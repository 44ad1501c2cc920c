"""Address translation: how many pages each TLB level reaches, and what a miss costs.

Method: the same number of nodes laid in two ways, `spread` (one a page, at a line that moves with the page) and `packed` (on
consecutive lines).
Both touch the same number of cache lines, so the difference is translation alone; each pair is measured in one round, the order
alternating. A step counts when it is large enough, its bootstrap bound clears the noise, the next two points persist, and a second pass
with new orders finds it again.

Done twice: on small pages (asked for), which shows the TLB, and on huge pages at the same spacing, where nothing should show: where it
does, a guest's huge pages are small for its host, and the latency curve must know.

Units of work: loads. Known flaws: in a guest a miss walks two page tables, and what is found is the translation as the guest gets it.
Source: reference 2.3.
"""

from __future__ import annotations

import dataclasses
import mmap

import numpy as np
from numpy.typing import NDArray

from ..configs.curve import Curve, Point
from ..configs.errors import NotPossibleError
from ..configs.facts import Fact, derived, measured
from ..configs.machine import Machine, Notice, TlbLevel
from ..configs.published import chip_of
from ..kernels.emit.streams import CHASE_UNROLL
from ..kernels.measure.chase import Chase
from ..kernels.measure.memory import Buffer
from ..kernels.measure.sampler import Plan, Sampler
from .claims import claimed_line, tlb_claims
from .context import Context
from .inference.tlb import TlbStep, find_tlb_steps
from .judge import judge_tlb
from .registry import probe

_NOISE_FLOOR_CYCLES = 1.0
_LAYOUTS = ("spread", "packed")
_GIVEN_SHARE = 0.9  # of a buffer on huge pages: fewer, and its translation is that of small ones


def _page_counts(effort_per_octave: int, most: int) -> list[int]:
    steps = np.arange(0, np.log2(most / 12) + 1e-9, 1 / effort_per_octave)
    return sorted({round(12 * 2.0**s) for s in steps})


@probe("tlb", version=1, needs=("topology", "clock"), seconds=(1, 3, 28), per_kind=True)
def measure(context: Context) -> Curve:
    """Two passes (search and validation) of paired rounds over a ladder of page counts, on small and on huge pages."""
    page, line = mmap.PAGESIZE, claimed_line(context.machine)
    readings: dict[str, object] = {"page_bytes": page, "line_bytes": line}
    points: list[Point] = []
    missing: list[str] = []
    rounds = context.effort.pick(2, 3, 9)
    for pages in ("small", "huge"):
        most = min(context.effort.pick(2048, 8192, 32768), context.memory_bytes // 4 // page)
        counts = _page_counts(context.effort.pick(4, 6, 12), most)
        try:
            spread, packed = Buffer(most * page, pages), Buffer(max(most * line, page), "huge")
        except NotPossibleError as error:
            missing.append(error.message)
            continue
        readings[f"huge_share.{pages}"] = spread.huge_share
        chases = {"spread": Chase(spread, line, context.seed + 1), "packed": Chase(packed, line, context.seed + 2)}
        points += _rounds(context, chases, pages, counts, rounds, missing)
    return Curve("tlb", 1, "load", tuple(points), readings, tuple(missing), context.core_kind)


def _rounds(context: Context, chases: dict[str, Chase], pages: str, counts: list[int], rounds: int, missing: list[str]) -> list[Point]:
    """Every page count in both layouts, `rounds` times for the search and as often again for the validation."""
    sampler = Sampler()
    points: list[Point] = []
    for number in range(2 * rounds):
        if context.expired():
            missing.append(f"{pages} pages: {2 * rounds - number} of {2 * rounds} rounds, for lack of time")
            break
        at = {"round": number % rounds, "pass": "search" if number < rounds else "validate", "kind": pages}
        for count in counts:
            layouts = _LAYOUTS if (number + count) % 2 else _LAYOUTS[::-1]
            points += [_point(sampler, chases[layout], layout, count, at) for layout in layouts]
        context.progress((number + 1) / (2 * rounds) / 2 + (0.5 if pages == "huge" else 0), f"{pages} pages")
    return points


def _point(sampler: Sampler, chase: Chase, layout: str, pages: int, at: dict[str, str | int]) -> Point:
    """One layout of `pages` nodes in a fresh random order."""
    page, line = mmap.PAGESIZE, chase.line_bytes
    order = chase.rng.permutation(pages).astype(np.int64)
    word = chase.rng.integers(0, line // 8, pages) * 8
    offsets = order * line + word if layout == "packed" else order * page + order % (page // line) * line + word
    chase.through(offsets)
    chase.run(2 * pages)
    laps = max(1, round(4096 / pages))
    plan = Plan(samples=1, n=max(1, laps * pages // CHASE_UNROLL), bursts=3)
    return sampler.point(chase.kernel, {"layout": layout, "pages": pages, **at}, CHASE_UNROLL, plan)


def _table(curve: Curve, kind: str, stage: str, layout: str, counts: list[int], *, cycles: bool) -> NDArray[np.float64]:
    """Latency [round, pages] of one layout in one pass; NaN where it is missing."""
    chosen = curve.where(kind=kind, layout=layout, **{"pass": stage})
    rounds = 1 + max((int(p.at["round"]) for p in chosen), default=0)
    table = np.full((rounds, len(counts)), np.nan)
    for p in chosen:
        values = p.each_cycles() if cycles else [s * 1e9 for s in p.each_s()]
        if values:
            table[int(p.at["round"]), counts.index(int(p.at["pages"]))] = float(np.median(values))
    return table


def infer(curve: Curve, machine: Machine) -> Machine:
    """TLB levels for small pages, and what shows of them on huge ones."""
    others = tuple(t for t in machine.tlbs if t.core_kind != curve.core_kind)
    small, huge = (_levels(curve, machine, kind) for kind in ("small", "huge"))
    return dataclasses.replace(machine, tlbs=others + small + huge, notices=machine.notices + _huge_notices(curve, huge))


def _huge_notices(curve: Curve, steps: tuple[TlbLevel, ...]) -> tuple[Notice, ...]:
    """What is odd about huge pages: not given, or given and yet with the steps of small ones."""
    share = curve.readings.get("huge_share.huge")
    if share is not None and float(share) < _GIVEN_SHARE:
        what = f"huge pages were asked for, and {float(share):.0%} of the memory got them"
        why = "translation adds to the latency of caches and memory"
        return (Notice(what, why, "look at /sys/kernel/mm/transparent_hugepage, and for free memory in one piece", "huge-pages"),)
    if not steps:
        return ()
    where = ", ".join(str(t.entries.value) for t in steps)
    why = f"translation steps appear at {where} pages of {curve.readings['page_bytes']} B inside them"
    if share is None:
        why += "; whether they were given at all, the system does not tell"
    hint = "the host backs this guest with small pages: ask for a host or an instance with huge pages"
    return (Notice("huge pages act as small ones here", why, hint, "huge-pages"),)


def _levels(curve: Curve, machine: Machine, kind: str) -> tuple[TlbLevel, ...]:
    """The steps of one kind of pages, as records."""
    counts = sorted({int(p.at["pages"]) for p in curve.where(kind=kind)})
    if len(counts) < 6:
        return ()
    cycles = any(p.each_cycles() for p in curve.points)
    tables = {(s, lay): _table(curve, kind, s, lay, counts, cycles=cycles) for s in ("search", "validate") for lay in _LAYOUTS}
    validation = (tables["validate", "spread"], tables["validate", "packed"])
    steps = find_tlb_steps(
        np.array(counts, dtype=float),
        tables["search", "spread"],
        tables["search", "packed"],
        validation=validation if np.isfinite(validation[0]).any() else None,
        l1d_lines=_l1d_lines(curve, machine),
        noise_floor=_NOISE_FLOOR_CYCLES if cycles else 0.5,
        cycles=cycles,
    )
    hz = _clock_hz(curve)
    levels = [_level(curve, step, number, len(steps), cycles, hz) for number, step in enumerate(steps)]
    return tuple(_judged(dataclasses.replace(level, pages=kind), machine) for level in levels)


def _judged(level: TlbLevel, machine: Machine) -> TlbLevel:
    """Held against what CPUID claims and what is published; only small pages have claims of their own size."""
    if level.pages != "small":
        return level
    topology = machine.curves.get("topology")
    short = "l1d" if level.name.startswith("L1") else level.name[:2].lower()
    said = tlb_claims(topology) if topology is not None else ()
    claims = [(c.source, c.entries) for c in said if c.page_bytes == level.page_bytes and c.name.lower().startswith(short)]
    judgement, oddities = judge_tlb(short, level.page_bytes, level.entries, claims, chip_of(machine, level.core_kind))
    why = "; ".join(filter(None, (judgement.why, *oddities)))
    return dataclasses.replace(level, judgement=dataclasses.replace(judgement, why=why))


def _l1d_lines(curve: Curve, machine: Machine) -> int:
    """Lines of the first data cache as claimed; 32 KiB where nothing is."""
    claims = [c.size_bytes for c in machine.cache_claims if c.level == 1 and c.kind != "instruction"]
    return max(claims, default=32768) // int(curve.readings.get("line_bytes", 64))


def _clock_hz(curve: Curve) -> float:
    seen = [hz for p in curve.points for hz in p.clock_hz if hz > 0]
    return float(np.median(seen)) if seen else 0.0


def _level(curve: Curve, step: TlbStep, number: int, of: int, cycles: bool, hz: float) -> TlbLevel:
    """One step as a record; names follow the order, the last of several is the unified second level."""
    name = "L1 dTLB" if number == 0 else f"L{number + 1} TLB"
    note = "" if step.validated else "seen in the first pass only"
    if of > 2 and number == of - 1:
        note = "; ".join(filter(None, (note, "may be the page-walk caches rather than a TLB")))
    entries = measured(round(step.entries), "pages", curve.by, step.entries_low, step.entries_high, note)
    miss: Fact[float] = measured(step.miss, "cycle" if cycles else "ns", curve.by, step.miss_low, step.miss_high)
    if cycles and hz > 0:
        seconds = derived(step.miss / hz, "s", curve.by, step.miss_low / hz, step.miss_high / hz)
        return TlbLevel(name, int(curve.readings["page_bytes"]), entries, seconds, miss, core_kind=curve.core_kind)
    seconds = derived(step.miss * 1e-9, "s", curve.by, step.miss_low * 1e-9, step.miss_high * 1e-9)
    no_clock: Fact[float] = Fact(None, "cycle", seconds.how, curve.by, note="the core clock could not be measured")
    return TlbLevel(name, int(curve.readings["page_bytes"]), entries, seconds, no_clock, core_kind=curve.core_kind)
