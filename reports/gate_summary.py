"""Say in words what a gate found, for every export alike: the verdict in one sentence, counts, controls, and each cell from the worst on.

Nothing here is escaped: each format does that its own way. Strings of the file have passed `clean`, so they are one harmless line each.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from ..configs.gatedoc import BROKEN, GateDocument, GateFamily, GateRow, Verdict
from ..configs.units import duration_words, pretty
from .cells import plural
from .numbers import figure
from .text import clean

NAME = 300  # cells that a name has room for
_WORD = 120
_OPEN = 1e9  # an interval whose end lies beyond has none: `decide` writes the largest number that it can for it
# Gravest first: as `outcome_of` ranks them, then what cannot be told, then good news.
_GRAVITY = (
    *(Verdict.REGRESSION, Verdict.WRONG, Verdict.CRASHED, Verdict.TIMEOUT, Verdict.DELETED, Verdict.MISSING),
    *(Verdict.INCONCLUSIVE, Verdict.IMPROVEMENT, Verdict.EQUIVALENT),
)
_BROKEN_WORDS = {
    Verdict.WRONG: "gave a wrong result",
    Verdict.CRASHED: "crashed",
    Verdict.TIMEOUT: "timed out",
    Verdict.DELETED: "was deleted",
    Verdict.MISSING: "was never timed",
}


def worst_first(rows: Iterable[GateRow]) -> list[GateRow]:
    """By gravity, what binds before what is advisory, and by the change: slowest first."""

    def key(row: GateRow) -> tuple[int, bool, float, str]:
        change = row.change if math.isfinite(row.change) else -math.inf
        return _GRAVITY.index(row.verdict), row.advisory, -change, row.name

    return sorted(rows, key=key)


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
    low = -math.inf if row.low <= -1 else row.low
    return low, math.inf if row.high > _OPEN else row.high


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
        return _BROKEN_WORDS[row.verdict] + (f": {why}" if why else "")
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


def counts_words(document: GateDocument) -> str:
    """`1 regression, 1 improvement, 10 equivalent`."""
    tally = document.tally()
    said = [plural(tally[v], v.value) if v in _NOUNS else f"{tally[v]:,} {v.value}" for v in _GRAVITY if v in tally]
    advisory = sum(row.advisory for row in document.rows)
    return (", ".join(said) or "no cells") + (f"; {advisory:,} of them advisory" if advisory else "")


_NOUNS = (Verdict.REGRESSION, Verdict.IMPROVEMENT, Verdict.TIMEOUT)


def sides_words(document: GateDocument) -> str:
    """`old lib:/old.so, new here`."""
    return f"old {clean(document.old.word, _WORD)}, new {clean(document.new.word, _WORD)}"


def verdict_words(document: GateDocument) -> str:
    """The whole gate in one sentence: the outcome, and the worst that stands behind it."""
    binding = [row for row in document.rows if not row.advisory]
    if document.controls.untrusted:
        return f"Untrusted: {'; '.join(clean(reason, 400) for reason in document.controls.untrusted)}. Nothing here is confirmed"
    slower = [row for row in worst_first(binding) if row.verdict is Verdict.REGRESSION]
    if slower:
        first = slower[0]
        among = "the worst " if len(slower) > 1 else ""
        return f"Regression: {_of(len(slower), binding)} slower, {among}{name_of(first)} by {change_words(first).replace('+', '')}"
    families = [family for family in document.families if family.verdict is Verdict.REGRESSION]
    if families:
        return f"Regression: {family_words(families[0])}, which no single cell shows"
    broken = [row for row in worst_first(binding) if row.verdict in BROKEN]
    if broken:
        first = broken[0]
        return f"Failed: {_of(len(broken), binding)} without a result, the first {name_of(first)} {finding_words(first)}"
    if not document.finished:
        return f"Unfinished: {clean(document.end_reason, 400) or 'it was cut off'}; {counts_words(document)}"
    unsure = [row for row in binding if row.verdict is Verdict.INCONCLUSIVE]
    if unsure:
        hiding = sum(row.could_hide for row in unsure)
        hidden = f"; {hiding} could hide a slowdown of {plain_share(document.detect)}" if hiding else ""
        return f"Inconclusive: nobody can tell of {len(unsure):,} of {plural(len(binding), 'cell')}{hidden}"
    if not binding:
        return "Nothing was compared: no cell binds"
    faster = sum(row.verdict is Verdict.IMPROVEMENT for row in binding)
    return f"Passed: of {plural(len(binding), 'cell')} none is slower by {plain_share(document.detect)}" + (
        f", {faster} faster" if faster else ""
    )


def _of(count: int, rows: list[GateRow]) -> str:
    """`1 of 12 cells is`, `2 of 12 cells are`."""
    return f"{count:,} of {plural(len(rows), 'cell')} {'is' if count == 1 else 'are'}"


def family_words(family: GateFamily) -> str:
    """`all 6 cells of f32 together changed by +0.51 % (+0.4 to +0.6 %)`."""
    whose = "" if family.family == "all" else f" of {clean(family.family, _WORD)}"
    return f"all {plural(family.cells, 'cell')}{whose} together changed by {change_words(family)}"


def control_words(document: GateDocument) -> list[str]:
    """What the controls say, a sentence each."""
    controls = document.controls
    said = []
    if controls.same:
        hits = ", ".join(clean(name, _WORD) for name in controls.same_hits)
        said.append(
            f"the old side against its own copy: {plural(controls.same, 'cell')}, {f'differs on {hits}' if hits else 'no difference'}"
        )
    if controls.planted:
        power = f" (power {100 * controls.power_low:.0f} to {100 * controls.power_high:.0f} %)" if math.isfinite(controls.power_low) else ""
        found = f"found on {controls.planted_found} of {plural(controls.planted, 'cell')}{power}"
        said.append(f"a planted slowdown of {plain_share(controls.planted_share)}: {found}")
    if math.isfinite(document.discarded):
        said.append(f"{100 * document.discarded:.2g} % of all blocks were disturbed and dropped")
    return said + [clean(note, 400) for note in controls.notes]


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
