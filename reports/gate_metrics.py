"""Write a gate as OpenMetrics text: gauges with labels in base units, for whoever scrapes or pushes files of metrics.

Sizes of effects are ratios (0.03: 3 % more time), times seconds a call. A value that is not known has no sample.
Source: OpenMetrics 1.0, prometheus/OpenMetrics, specification/OpenMetrics.md: names end in their unit, `# EOF` ends the text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from ..configs.gatedoc import GateDocument, GateRow, Verdict
from .gate_summary import NAME, interval_of, named
from .text import clean

_PREFIX = "mmbench_gate"
_ROW_GAUGES: tuple[tuple[str, str, str, Callable[[GateRow], float]], ...] = (
    ("change_ratio", "ratio", "New time over old time, less one; above 0 is slower.", lambda row: row.change),
    ("change_low_ratio", "ratio", "Lower end of the interval of the change; infinite where it is open.", lambda row: interval_of(row)[0]),
    ("change_high_ratio", "ratio", "Upper end of the interval of the change; infinite where it is open.", lambda row: interval_of(row)[1]),
    ("p_value", "", "P-value of the direction of the verdict.", lambda row: row.p),
    ("p_needed", "", "What the p-value was held against.", lambda row: row.needed),
    ("smallest_ratio", "ratio", "Least slowdown that would have been confirmed, of an inconclusive cell.", lambda row: row.smallest),
    ("promised_ratio", "ratio", "Slowdown that the plan promised to show.", lambda row: row.promised),
    ("old_seconds", "seconds", "Time of one call of the old side.", lambda row: row.old_s),
    ("new_seconds", "seconds", "Time of one call of the new side.", lambda row: row.new_s),
    ("launches", "", "Fresh pairs of processes that count.", lambda row: row.blocks),
    ("dropped", "", "Launches that were disturbed and do not count.", lambda row: row.dropped),
)


def gate_openmetrics(document: GateDocument) -> str:
    """The whole text."""
    rows = [(_of_row(name, row), row) for name, row in named(document.rows)]
    verdicts = [(_labels({**names, "verdict": row.verdict.value}), 1.0) for names, row in rows]
    lines = _gauge("verdict", "", "1 for the verdict of each cell.", verdicts)
    for name, unit, about, value_of in _ROW_GAUGES:
        lines += _gauge(name, unit, about, [(_labels(names), value_of(row)) for names, row in rows])
    return "\n".join([*lines, *_whole(document), "# EOF"]) + "\n"


def _whole(document: GateDocument) -> list[str]:
    """What is said of the gate as a whole."""
    tally = document.tally()
    lines = _gauge("cells", "", "Cells of each verdict.", [(_labels({"verdict": v.value}), tally.get(v, 0)) for v in Verdict])
    families = [(_labels({"family": clean(f.family, NAME), "verdict": f.verdict.value}), f.change) for f in document.families]
    lines += _gauge("family_change_ratio", "ratio", "Change of all cells of a family together.", families)
    controls = document.controls
    lines += _gauge(
        "trusted", "", "1 where the controls speak for the run, 0 where it deserves no trust.", [("", float(not controls.untrusted))]
    )
    lines += _gauge("finished", "", "1 where the gate came to its end.", [("", float(document.finished))])
    lines += _gauge("planted", "", "Planted slowdowns.", [("", controls.planted)])
    lines += _gauge("planted_found", "", "Planted slowdowns that were found.", [("", controls.planted_found)])
    lines += _gauge("discarded_ratio", "ratio", "Share of all blocks that were disturbed.", [("", document.discarded)])
    lines += _gauge("wall_seconds", "seconds", "How long the gate took.", [("", document.wall_s)])
    about = {
        "run": document.run_id,
        "machine": document.machine_id,
        "outcome": document.outcome,
        "old": document.old.word,
        "new": document.new.word,
        "started_at": document.started_at,
    }
    labels = _labels({name: clean(value, NAME) for name, value in about.items()})
    return [*lines, f"# TYPE {_PREFIX} info", f"# HELP {_PREFIX} Which gate this is.", f"{_PREFIX}_info{labels} 1"]


def _of_row(name: str, row: GateRow) -> dict[str, str]:
    """What names a cell, the same in two runs."""
    return {
        "cell": name,
        "case_id": clean(row.case_id, NAME),
        "kernel": clean(row.kernel, NAME),
        "op": clean(row.case.op, NAME),
        "dtype": clean(row.case.dtype, NAME),
        "advisory": "yes" if row.advisory else "no",
    }


def _gauge(name: str, unit: str, about: str, samples: Iterable[tuple[str, float]]) -> list[str]:
    """A family of samples; none at all where nothing is known."""
    known = [f"{_PREFIX}_{name}{labels} {_number(value)}" for labels, value in samples if not math.isnan(value)]
    head = [f"# TYPE {_PREFIX}_{name} gauge", *([f"# UNIT {_PREFIX}_{name} {unit}"] if unit else []), f"# HELP {_PREFIX}_{name} {about}"]
    return [*head, *known] if known else []


def _number(value: float) -> str:
    return ("+Inf" if value > 0 else "-Inf") if math.isinf(value) else f"{value:.9g}"


def _labels(values: dict[str, str]) -> str:
    """`{cell="…",…}`: a backslash, a quote and a line's end are escaped."""
    escaped = {name: value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for name, value in values.items()}
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped.items()) + "}"
