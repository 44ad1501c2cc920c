"""How near a probe comes to what is published of this chip: FMA peaks, first-level latency, cache sizes.

One default probe. An FMA peak is held against the nearest whole number of pipes × lanes × 2 in each measured cycle, latency and sizes
against the published row of the chip (`mmbench list chips`) and against the claims. Sizes can only be true where nothing else shares the
cache and the host gives contiguous memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench_probe import probe
from mmbench.configs.machine import Machine
from mmbench.configs.published import chip_of
from row import Row


def fma_rows(machine: Machine) -> Iterator[Row]:
    """Every FMA row: operations per measured cycle, and how far from whole pipes."""
    for rate in machine.simd:
        if rate.op == "fma" and rate.instr_per_cycle.known:
            each = rate.instr_per_cycle.number()
            pipes = max(1, round(each))
            value, off = rate.op_per_cycle.number(), 100 * (each / pipes - 1)
            yield Row(f"{rate.unit} {rate.dtype} {rate.width_bits} bit, op/cycle", f"{value:.2f}", "1 %", f"{off:+.2f} % of {pipes} pipes")


def cache_rows(machine: Machine) -> Iterator[Row]:
    """Latency and size of each level beside the published figure and the claim."""
    chip = chip_of(machine)
    for level in machine.caches:
        published = chip.cache(level.name).latency_cycles if chip else None
        if level.latency_cycles.known:
            aim = "0.3 cycles" if level.name.startswith("L1") else ""
            note = f"published {published.nearest(level.latency_cycles.number()):g}" if published else "nothing published here"
            yield Row(f"{level.name} latency, cycles", f"{level.latency_cycles.number():.2f}", aim, note)
        if level.size.known and level.claims:
            claim = level.claims[0].size_bytes
            off = 100 * (level.size.number() / claim - 1)
            low, high = (100 * ((bound or 0) / claim - 1) for bound in (level.size.low, level.size.high))
            note = f"{off:+.1f} % of the claim, interval {low:+.1f} to {high:+.1f} %"
            yield Row(f"{level.name} effective size, KiB", f"{level.size.number() / 1024:.1f}", "5 %", note)


def measure() -> Iterator[Row]:
    """One probe, two tables."""
    with tempfile.TemporaryDirectory() as folder:
        machine = probe([], Path(folder)).machine
    yield from fma_rows(machine)
    yield from cache_rows(machine)
