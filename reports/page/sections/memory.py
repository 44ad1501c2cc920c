"""The memory hierarchy: latency against working set, bandwidth of each level, translation, latency under load."""

from __future__ import annotations

from ....configs.units import size_words
from ...figures.latency import draw_latency, words_of
from ...numbers import figure as three
from ...sparkline import latency_curves
from ..blocks import Block, Column, Figure, Table, numbers
from ..evidence import Evidence, Subject
from ..registry import section


@section("memory", "Memory hierarchy", after="chips")
def memory(evidence: Evidence) -> list[Block]:
    """Every machine's curves and tables."""
    blocks: list[Block] = []
    for subject in evidence.probed:
        blocks += _latency(subject)
    return blocks


def _latency(subject: Subject) -> list[Block]:
    machine = subject.machine
    curves = latency_curves(machine) if machine else []
    if machine is None or not curves:
        return []
    rows = [(size_words(size), words_of(c), f"{three(s * 1e9)}") for c in curves for size, s in c.latency_s]
    table = Table("Latency by working set", (Column("Working set"), Column("Curve"), *numbers(("Latency", "ns"))), tuple(rows))
    return [
        Figure(
            "latency",
            f"Latency, {subject.label}",
            "Time of one dependent load against the working set, on logarithmic axes; vertical lines are the measured sizes.",
            lambda: draw_latency(machine, curves),
            table,
            how="Flat parts are levels. Triangles at the foot are sizes that the system claims.",
        )
    ]
