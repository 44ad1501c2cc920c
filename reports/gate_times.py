"""Write the raw times of a gate for the tools of others: google-benchmark's JSON and pyperf's, old and new side apart, a value a launch.

A value is the median over the undisturbed turns of one side in one launch, in seconds a call. A launch is a fresh pair of processes: the
unit that repeats. Turns within one share its luck, so they are no values of their own, or both tools would take them for independent. Only
those launches count on which the verdict rests. What is lost is the pairing: neither format can say that an old and a new value belong
together, so intervals that those tools work out are wider than the gate's.
Sources: as `exchange.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..configs.gatedoc import GateDocument, GateRow
from ..configs.gatelog import Gate
from ..configs.gateplan import GateBlock
from ..configs.machine import Machine
from ..kernels.gate.evidence import times_of
from .exchange import LEAST_S, MOST_S, gbench_entries, gbench_text, pyperf_text
from .gate_summary import named
from .text import clean

SIDES = ("old", "new")
_NOTE = "a repetition is a launch: the median over its turns; mhz_per_cpu is not known"


def launch_times(gate: Gate, document: GateDocument) -> Iterator[tuple[GateRow, tuple[float, ...], tuple[float, ...]]]:
    """(row, seconds a call of the old side in each launch, the same of the new one) of every cell that has both."""
    places = {cell.name: place for place, cell in enumerate(gate.plan.cells)}
    visits: dict[tuple[int, int], GateBlock] = {(visit.cell, visit.launch): visit for visit in gate.blocks}
    for row in document.rows:
        found = [visits.get((places.get(row.name, -1), launch)) for launch in row.launches]
        pairs = [times_of([visit]) for visit in found if visit is not None]
        pairs = [pair for pair in pairs if all(LEAST_S < time_s < MOST_S for time_s in pair)]
        if pairs:
            yield row, tuple(old for old, _ in pairs), tuple(new for _, new in pairs)


def _sides(gate: Gate, document: GateDocument, side: str) -> Iterator[tuple[str, str, GateRow, tuple[float, ...]]]:
    """(name, side, row, times) of the sides that are wanted; with both in one file, each has its side behind its name."""
    names = {id(row): name.replace(" ", "/") for name, row in named(document.rows)}
    for row, old, new in launch_times(gate, document):
        base = names[id(row)]
        for which, times in zip(SIDES, (old, new), strict=True):
            if side in ("", which):
                yield base if side else f"{base}/{which}", which, row, times


def gate_pyperf(gate: Gate, document: GateDocument, side: str = "") -> str:
    """A pyperf suite, format 1.0: a run for each launch. With `side` (old, new) that one alone, under names that the other's file has, too:
    `pyperf compare_to OLD NEW` holds benchmarks of the same name against each other. Empty where no cell has times."""
    benchmarks: list[dict[str, Any]] = []
    for name, which, row, times in _sides(gate, document, side):
        metadata = {
            "name": name,
            "unit": "second",
            "loops": max(row.calls, 1),
            "mmbench_side": which,
            "mmbench_kernel": clean(row.kernel, 300),
            "mmbench_case": clean(row.case.name, 300),
            "mmbench_verdict": row.verdict.value,
        }
        benchmarks.append({"metadata": metadata, "runs": [{"values": [time_s]} for time_s in times]})
    return pyperf_text(gate.run, benchmarks)


def gate_gbench(gate: Gate, document: GateDocument, machine: Machine | None = None) -> str:
    """What google-benchmark would write: every launch a repetition of each side."""
    entries: list[dict[str, Any]] = []
    threads = max((cell.case.threads for cell in gate.plan.cells), default=1)
    for number, (name, _, row, times) in enumerate(_sides(gate, document, "")):
        entries += gbench_entries(number, name, row.case, times, max(row.calls, 1))
    return gbench_text(gate.run, "mmbench sweep --against", machine, entries, threads=threads, note=_NOTE)
