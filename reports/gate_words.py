"""Say in words what a gate found: what the screen, the page, lists and comparisons all say alike.

Changes are shares of time and shown in percent; what stands in one row has the same decimals. Nothing here is made harmless for a terminal
or a page: whoever shows it does that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..configs.gatedoc import GateDocument, GateFamily, GateRow, Verdict
from ..configs.gateplan import Side
from ..configs.units import duration_words
from .cells import plural
from .gate_rows import ADVISORY, UNFINISHED, UNTRUSTED
from .sweep_words import case_words

# Beside the word, so that colour never says it alone: new takes longer, less, the same, who knows; no result.
SIGNS = {Verdict.REGRESSION: ">", Verdict.IMPROVEMENT: "<", Verdict.EQUIVALENT: "=", Verdict.INCONCLUSIVE: "?"}
BROKEN_SIGN = "x"
NOT_BINDING = "*"  # behind the verdict of an advisory cell
_UNKNOWN = 1e3  # beyond a thousandfold nothing is known of an interval's end
_ORDER = (  # from the worst
    *(Verdict.REGRESSION, Verdict.WRONG, Verdict.CRASHED, Verdict.TIMEOUT, Verdict.DELETED, Verdict.MISSING),
    *(Verdict.INCONCLUSIVE, Verdict.IMPROVEMENT, Verdict.EQUIVALENT),
)
BROKEN_WORDS = {
    Verdict.WRONG: ("gave a wrong result", "gave a wrong result"),
    Verdict.CRASHED: ("crashed", "crashed"),
    Verdict.TIMEOUT: ("did not come to an end", "did not come to an end"),
    Verdict.DELETED: ("is gone from the new side", "are gone from the new side"),
    Verdict.MISSING: ("was never timed", "were never timed"),
}


class Shown(NamedTuple):
    """A change and the ends of its interval in percent with a sign, without the unit: `+6.0`, `+5.8`, `+6.2`; "" for what is unknown."""

    change: str
    low: str
    high: str

    @property
    def span(self) -> str:
        """`+5.8 to +6.2`; empty where the interval is unknown."""
        return f"{self.low} to {self.high}" if self.low and self.high else ""

    @property
    def words(self) -> str:
        """`6.0 % (5.8 to 6.2 %)` of a slowdown, `8.0 % (7.8 to 8.1 %)` of a speed-up: the size alone where no end has another sign."""
        change, low, high = self
        signs = {text[0] for text in self if text} & {"+", "-"}
        if len(signs) == 1:
            change, low, high = (text.lstrip("+-") for text in self)
        if signs == {"-"}:
            low, high = high, low
        if not change:
            return "an unknown share"
        return f"{change} %" + (f" ({low} to {high} %)" if low and high else "")


def known(change: float) -> bool:
    """Whether a share is a number that can be shown: neither all of the time nor a thousandfold."""
    return math.isfinite(change) and -1 < change < _UNKNOWN


def shown(change: float, low: float, high: float) -> Shown:
    """All three with the same decimals, as many as the interval's width is worth."""
    ends = [end for end in (low, high) if known(end)]
    width = 100 * (max(ends) - min(ends)) if len(ends) == 2 else 1.0
    large = known(change) and abs(change) >= 1
    decimals = 0 if width >= 10 or large else 2 if width < 0.1 else 1
    return Shown(*(_signed(x, decimals) for x in (change, low, high)))


def _signed(share: float, decimals: int) -> str:
    text = f"{100 * share:+.{decimals}f}" if known(share) else ""
    return text if text.strip("+-0.") else text.lstrip("+-")  # nought has no sign


def shown_of(row: GateRow | GateFamily) -> Shown:
    """Those of a cell or of a family."""
    return shown(row.change, row.low, row.high)


def effect_words(share: float) -> str:
    """`3 %`, `0.5 %`: an effect that was chosen; `no effect` for one that is none."""
    return f"{100 * share:.3g} %" if known(share) else "no effect"


def seen_words(share: float) -> str:
    """`6 %`: the smallest effect that would have been seen, rounded up; empty where none would."""
    if not known(share) or share <= 0:
        return ""
    step = 10.0 ** (math.floor(math.log10(100 * share)) - 1)
    return f"{math.ceil(100 * share / step - 1e-9) * step:.2g} %"


def verdict_words(row: GateRow | GateFamily) -> str:
    """`> regression`; a star for one that binds nobody."""
    star = NOT_BINDING if isinstance(row, GateRow) and row.advisory else ""
    return f"{SIGNS.get(row.verdict, BROKEN_SIGN)} {row.verdict.value}{star}"


def cell_words(row: GateRow, document: GateDocument) -> str:
    """`f64 32x32x32`; the kernel before it where the gate has several."""
    several = len({each.kernel for each in document.rows}) > 1
    return f"{row.kernel} " * several + f"{row.case.dtype} {case_words(row.case)}"


def worst_first(rows: Iterable[GateRow]) -> list[GateRow]:
    """By verdict, and what binds before what is advisory: regressions by size, cells without a result, what is not known by how much it
    could hide, speed-ups, and the equivalent."""

    def key(row: GateRow) -> tuple[int, bool, float, float, str]:
        size = row.high if row.verdict in (Verdict.INCONCLUSIVE, Verdict.EQUIVALENT) else row.change
        size = row.change if row.verdict is Verdict.IMPROVEMENT and known(row.change) else -size
        low = row.low if math.isfinite(row.low) else 0.0
        return _ORDER.index(row.verdict), row.advisory, size if not math.isnan(size) else 0.0, -low, row.name

    return sorted(rows, key=key)


def outcome_sentence(document: GateDocument) -> str:
    """The whole in one sentence with its figures."""
    binding = [row for row in document.rows if not row.advisory]
    total = plural(len(binding), "cell")
    if not document.rows:
        return "no cell was planned, so nothing is known"
    if document.outcome == UNTRUSTED or document.controls.untrusted:
        reasons = document.controls.untrusted
        more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        return f"untrusted, so that no verdict of this run counts: {reasons[0] if reasons else 'a control failed'}{more}"
    slower = worst_first(row for row in binding if row.verdict is Verdict.REGRESSION)
    if slower:
        worst = f"{'worst ' if len(slower) > 1 else ''}{cell_words(slower[0], document)} by {shown_of(slower[0]).words}"
        return f"{len(slower)} of {total} {'is' if len(slower) == 1 else 'are'} slower: {worst}"
    families = [family for family in document.families if family.verdict is Verdict.REGRESSION]
    if families:
        whole = max(families, key=lambda family: family.cells)
        which = plural(whole.cells, "cell") + (f" of {whole.family}" if whole.family != "all" else "")
        return f"no cell alone is slower, but {which} together are, by {shown_of(whole).words}"
    for verdict, (one, several) in BROKEN_WORDS.items():
        broken = [row for row in worst_first(binding) if row.verdict is verdict]
        if broken and (document.finished or verdict is not Verdict.MISSING):
            first = cell_words(broken[0], document) + (f" ({broken[0].why})" if broken[0].why else "")
            words = one if len(broken) == 1 else several
            return f"no regression, but {len(broken)} of {total} {words}: {'first ' if len(broken) > 1 else ''}{first}"
    return _green_sentence(document, binding) if binding else f"every cell is advisory: {ADVISORY}"


def _green_sentence(document: GateDocument, binding: Sequence[GateRow]) -> str:
    """No regression was confirmed: how much of it is known."""
    total = len(binding)
    if document.outcome == UNFINISHED or not document.finished:
        judged = sum(not row.verdict.broken and row.verdict is not Verdict.INCONCLUSIVE for row in binding)
        return f"unfinished: {judged} of {plural(total, 'cell')} {'has' if judged == 1 else 'have'} a verdict so far, and none is slower"
    alike = sum(row.verdict is Verdict.EQUIVALENT for row in binding)
    faster = sum(row.verdict is Verdict.IMPROVEMENT for row in binding)
    unsure = [row for row in binding if row.verdict is Verdict.INCONCLUSIVE]
    within = f"equivalent within {effect_words(document.detect)}"
    if alike == total:
        parts = [f"all {plural(total, 'cell')} are {within}" if total > 1 else f"the one cell is {within}"]
    else:
        parts = [f"{alike} of {plural(total, 'cell')} {'is' if alike == 1 else 'are'} {within}"]
    parts += [f"{faster} faster"] if faster else []
    parts += [f"{len(unsure)} inconclusive: {would_have_seen(unsure)}"] if unsure else []
    aside = sum(row.advisory and row.verdict is Verdict.REGRESSION for row in document.rows)
    advisory = f"; {plural(aside, 'advisory cell')} {'is' if aside == 1 else 'are'} slower" if aside else ""
    seen = "no regression was confirmed" if any(row.could_hide for row in unsure) else "no regression"
    return f"{seen}: {', '.join(parts)}{advisory}"


def would_have_seen(unsure: Sequence[GateRow]) -> str:
    """`6 % would have been seen`, the largest of them, and how many would have seen nothing."""
    sizes = [row.smallest for row in unsure if seen_words(row.smallest)]
    if not sizes:
        return "no slowdown would have been seen"
    blind = len(unsure) - len(sizes)
    return f"{seen_words(max(sizes))} would have been seen" + (f", nothing at all in {blind} of them" if blind else "")


def tally_words(document: GateDocument) -> str:
    """`of 12 cells: 1 regression, 1 improvement, 10 equivalent within 3 %`."""
    several = {Verdict.REGRESSION: "regressions", Verdict.IMPROVEMENT: "improvements"}
    tally = document.tally()
    parts = []
    for verdict in _ORDER:
        if count := tally.get(verdict, 0):
            word = several.get(verdict, verdict.value) if count > 1 else verdict.value
            parts.append(f"{count} {word}" + (f" within {effect_words(document.detect)}" if verdict is Verdict.EQUIVALENT else ""))
    return f"of {plural(len(document.rows), 'cell')}: {', '.join(parts)}" if parts else ""


def side_words(side: Side, other: Side) -> list[str]:
    """What was asked for, where that lies, and the versions of what matters, as far as those of the other side are not the same."""
    place = [side.place] if side.place and side.place not in side.word else []
    apart = {name: version for name, version in sorted(side.packages.items()) if other.packages.get(name, version) != version}
    return [side.word or side.kind, *place, *(f"{name} {version}" for name, version in apart.items())]


def rules_words(document: GateDocument) -> str:
    """What the gate was asked, in one sentence."""
    return (
        f"regression: surely more than {effect_words(document.margin)} slower; {effect_words(document.detect)} is found with "
        f"{100 * document.power:.3g} % power; unchanged code fails {100 * document.alpha:.3g} % of all gates"
    )


def took_words(document: GateDocument) -> str:
    """`in 118 s: 3 % shown or excluded in 12 of 12 cells`: what came of the promise."""
    rows = document.rows
    settled = [not row.verdict.broken and (row.verdict is not Verdict.INCONCLUSIVE or not row.could_hide) for row in rows]
    promised = [known(row.promised) for row in rows]
    kept = sum(
        there and (done or (known(row.smallest) and row.smallest <= row.promised * (1 + 1e-9)))
        for there, done, row in zip(promised, settled, rows, strict=True)
    )
    text = f"{effect_words(document.detect)} shown or excluded in {sum(settled)} of {plural(len(rows), 'cell')}"
    text += f", the promise kept in {kept} of {sum(promised)}" if any(promised) and kept != sum(settled) else ""
    return (f"in {duration_words(document.wall_s)}: " if 0 <= document.wall_s < 1e9 else "") + text


def control_words(document: GateDocument) -> list[tuple[str, str]]:
    """(name, sentence) of each kind of control."""
    controls = document.controls
    found = []
    if controls.same:
        hits = f" ({', '.join(controls.same_hits)})" if controls.same_hits else ""
        differ = "differs" if len(controls.same_hits) == 1 else "differ"
        found.append(("same", f"old against its own copy: {len(controls.same_hits)} of {controls.same} {differ}{hits}"))
    if controls.planted:
        share, low, high = controls.planted_share, controls.power_low, controls.power_high
        power = f" (power {100 * low:.0f} to {100 * high:.0f} %)" if known(low) and known(high) else ""
        found.append(("planted", f"planted {effect_words(share)} found in {controls.planted_found} of {controls.planted}{power}"))
    return found or [("none", "no control was run, so nothing shows that this gate can see")]


def discard_words(document: GateDocument) -> str:
    """`0.4 % of all blocks were disturbed and dropped`; empty where that is unknown."""
    share = document.discarded
    return f"{100 * share:.2g} % of all blocks were disturbed and dropped" if 0 <= share <= 1 else ""


def family_name(family: GateFamily) -> str:
    """`all cells`, or the name."""
    return "all cells" if family.family == "all" else family.family


def warnings_of(document: GateDocument) -> list[tuple[str, str]]:
    """(subject, sentence) of what a reader must know besides: the gravest first."""
    found = [("untrusted", reason) for reason in document.controls.untrusted]
    if not document.finished:
        found.append(("unfinished", document.end_reason or "it was cut off"))
    found += [("controls", note) for note in document.controls.notes]
    if any(row.advisory for row in document.rows):
        found.append((NOT_BINDING, ADVISORY))
    return found + [("", note) for note in document.notes]
