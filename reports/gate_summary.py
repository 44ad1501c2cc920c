"""Say in words what a gate found, for every export alike: what `gate_words` says, made harmless, and each cell with its figures.

Nothing here is escaped: each format does that its own way. Strings of the file have passed `clean`, so they are one harmless line each.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from ..configs.gatedoc import BROKEN, GateDocument, GateFamily, GateRow
from ..configs.units import duration_words, pretty
from .cells import plural
from .gate_words import BROKEN_WORDS, control_words, discard_words, outcome_sentence, tally_words
from .numbers import figure
from .text import clean

NAME = 300  # cells that a name has room for
_WORD = 120


def name_of(row: GateRow) -> str:
    """The cell's name, harmless."""
    return clean(row.name, NAME)


def named(rows: Iterable[GateRow]) -> list[tuple[str, GateRow]]:
    """(name, row) with names that are unique even where they were told apart by invisible characters only."""
    found: dict[str, GateRow] = {}
    for row in rows:
        name, number = name_of(row), 2
        while name in found:
            name, number = f"{name_of(row)} ({number})", number + 1
        found[name] = row
    return list(found.items())


def plain_share(share: float) -> str:
    """`3 %`: a share that somebody chose, so without figures that say how well it is known."""
    return f"{100 * share:.4g} %" if math.isfinite(share) else "unknown"


def share_words(share: float) -> str:
    """`+6.02 %`, `-8.00 %`; `unknown` where there is no such number."""
    return "unknown" if not math.isfinite(share) else f"{'+' if share > 0 else ''}{figure(100 * share)} %"


def interval_of(row: GateRow | GateFamily) -> tuple[float, float]:
    """The ends of the interval of the change; infinite where it is open, as with so few launches that nothing can be excluded."""
    return (-math.inf if row.low <= -1 else row.low), row.high


def interval_words(row: GateRow | GateFamily) -> str:
    """`+5.81 to +6.24 %`; open ends are said, and empty where nothing is known."""
    low, high = interval_of(row)
    if math.isnan(low) or math.isnan(high):
        return ""
    if math.isfinite(low) and math.isfinite(high):
        return f"{share_words(low).removesuffix(' %')} to {share_words(high)}"
    return f"{share_words(low)} or more" if math.isfinite(low) else f"up to {share_words(high)}" if math.isfinite(high) else "any change"


def change_words(row: GateRow | GateFamily) -> str:
    """`+6.02 % (+5.81 to +6.24 %)`; empty where nothing is known."""
    if math.isnan(row.change):
        return ""
    return " ".join(filter(None, (share_words(row.change), f"({interval_words(row)})" if interval_words(row) else "")))


def times_words(row: GateRow) -> str:
    """`2.00 µs -> 2.12 µs`; empty without times."""
    known = [pretty(time_s, "s") if math.isfinite(time_s) else "?" for time_s in (row.old_s, row.new_s)]
    return " → ".join(known) if known != ["?", "?"] else ""


def finding_words(row: GateRow) -> str:
    """What is to be said of a cell, in one line."""
    if row.verdict in BROKEN:
        why = clean(row.why, 400)
        return BROKEN_WORDS[row.verdict][0] + (f": {why}" if why else "")
    words = [change_words(row) or "no change is known", times_words(row)]
    words += [f"p {row.p:.2g} of at most {row.needed:.2g}"] if math.isfinite(row.p) and math.isfinite(row.needed) else []
    words += [f"{plural(row.blocks, 'launch', 'launches')}" + (", fresh ones" if row.confirmed_on else "")]
    words += [clean(row.why, 400)] if row.why else []
    words += ["advisory: fails nothing"] if row.advisory else []
    return "; ".join(filter(None, words))


def sees_words(row: GateRow) -> str:
    """The smallest slowdown that this cell could have shown: what it would have confirmed, else what was promised; empty if unknown."""
    if row.verdict in BROKEN:
        return ""
    smallest = row.promised if math.isnan(row.smallest) else row.smallest
    return "" if math.isnan(smallest) else "none" if math.isinf(smallest) else plain_share(float(f"{smallest:.3g}"))


def sides_words(document: GateDocument) -> str:
    """`old lib:/old.so, new here`."""
    return f"old {clean(document.old.word, _WORD)}, new {clean(document.new.word, _WORD)}"


def headline(document: GateDocument) -> str:
    """The whole gate in one sentence, as on every screen, harmless; it begins with a capital letter."""
    said = clean(outcome_sentence(document), 1000)
    return said[:1].upper() + said[1:]


def counts_words(document: GateDocument) -> str:
    """`of 12 cells: 1 regression, 1 improvement, 10 equivalent within 3 %`."""
    return tally_words(document) or "no cells"


def family_words(family: GateFamily) -> str:
    """`all 6 cells of f32 together changed by +0.51 % (+0.4 to +0.6 %)`."""
    whose = "" if family.family == "all" else f" of {clean(family.family, _WORD)}"
    return f"all {plural(family.cells, 'cell')}{whose} together changed by {change_words(family)}"


def held_words(document: GateDocument) -> list[str]:
    """What the controls and the counters of disturbances say, a sentence each."""
    said = [text for _, text in control_words(document)]
    reasons = [f"untrusted: {reason}" for reason in document.controls.untrusted]
    return [clean(text, 600) for text in (*reasons, *said, discard_words(document), *document.controls.notes) if text]


def run_words(document: GateDocument) -> str:
    """Where, when, how long, by which rules."""
    words = [f"run {clean(document.run_id, _WORD)}", f"machine {clean(document.machine_id, _WORD)}", clean(document.started_at, _WORD)]
    words += [f"preset {clean(document.preset, _WORD)}"] if document.preset else []
    words += [f"seed {document.seed}"]
    words += [duration_words(document.wall_s)] if math.isfinite(document.wall_s) else []
    rules = [("margin", document.margin), ("to detect", document.detect), ("false alarms", document.alpha), ("power", document.power)]
    words += [f"{name} {plain_share(value)}" for name, value in rules if math.isfinite(value)]
    return ", ".join(words)


def fingerprint(document: GateDocument) -> str:
    """What has to be the same for two gates to be compared: the machine, both sides, and the versions."""
    versions = sorted(f"{name} {version}" for name, version in document.versions.items())
    return clean("; ".join([document.machine_id, sides_words(document), *versions]), 1000)
