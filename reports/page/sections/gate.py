"""Show what each gate found: forest of changes, controls, noise over time, blocks of the worst cell, differences, commands."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Sequence
from functools import partial

from ....configs.codec import encode
from ....configs.gatedoc import GateDocument, GateRow, Moment, Verdict
from ....configs.gateplan import Control
from ...cells import plural
from ...figures.gate_changes import ChangeRow, Group, Guide, draw_changes
from ...figures.gate_launches import MOST_LAUNCHES, BlockPoint, LaunchPoint, draw_blocks, draw_noise
from ...figures.thinning import spread
from ...gate_words import (
    cell_words,
    control_words,
    discard_words,
    effect_words,
    known,
    outcome_sentence,
    rules_words,
    seen_words,
    shown_of,
    side_words,
    tally_words,
    took_words,
    verdict_words,
    warnings_of,
    worst_first,
)
from ..blocks import Block, Code, Figure, File, Heading, Points, Prose, plain
from ..evidence import Evidence
from ..gate_tables import block_table, cell_table, command_table, differences_table, families_table, launch_table
from ..registry import section

MOST_GATES = 3  # shown with figures; of more, their sentences
MOST_CELLS = 120  # of a forest
MOST_WARNINGS = 40
_MOST_FILE = 400 << 10  # compressed

_TURNS = (
    "Old and new side took turns within each block (ABBA or BAAB, by a coin), and every block is a launch of fresh processes with another "
    "layout of memory. A block gives one difference of logarithms; an estimate is the Hodges-Lehmann shift of a cell's blocks, its 95 % "
    "interval comes from the exact signed-rank test, as do the verdicts."
)
_VERDICTS = (
    "All cells are screened; those that the screen could not let pass are confirmed on fresh blocks only. Equivalent means that the whole "
    "interval lies within the effect to detect; inconclusive means that nobody knows, not that nothing changed. `mmbench explain gate` "
    "says what is not covered."
)
_FOREST_HOW = (
    "Each point is the change of time of the new side in one cell with its 95 % interval: right of nought it takes longer. A regression "
    "lies right of the margin with its fresh blocks, an equivalent cell between the two lines of the effect to detect with its whole "
    "interval. What ends at the edge of the picture goes on beyond it."
)
_CONTROLS_HOW = (
    "Above, the old side against a second copy of itself: these must not differ. Below, the old side against a copy that does more work "
    "than it says: these must be found, and lie at the dashed line."
)
_NOISE_HOW = (
    "Spread is the interquartile range of all times of a visit over their median, the median over the visits of a launch. Blocks are "
    "dropped for what the system reports (steal, switches, throttling), never for their times."
)
_BLOCKS_HOW = (
    "Each point is one launch: a trend over launches is drift, two levels are two layouts of memory, a gap between the orders of turns is "
    "bias of order. The line is the estimate, the band its 95 % interval."
)


@section("gate", "Gate", after="verdict")
def gate(evidence: Evidence) -> list[Block]:
    """The newest gates in full, the older ones in a sentence each."""
    if not evidence.gates:
        return []
    several = len(evidence.gates) > 1
    blocks: list[Block] = [Prose(_TURNS, "how"), Prose(_VERDICTS, "how")]
    for number, document in enumerate(evidence.gates[:MOST_GATES], 1):
        title = gate_title(evidence, document)
        blocks += [Heading(title)] if several else []
        blocks += _shown(document, "" if several else title, "" if number == 1 else f"-{number}")
    older = evidence.gates[MOST_GATES:]
    if older:
        items = tuple((gate_title(evidence, document), sentence_of(document, "")) for document in older)
        blocks.append(Points(items, "Older gates"))
    if evidence.older_gates:
        blocks.append(Prose(f"{plural(evidence.older_gates, 'older gate')} not read; `mmbench show` shows any of them.", "note"))
    return blocks


def gate_title(evidence: Evidence, document: GateDocument) -> str:
    """Which gate it is."""
    when = plain(document.started_at, 24).replace("T", " ").replace("Z", " UTC")
    return f"Gate {plain(document.run_id, 24)} on {evidence.place(document.machine_id)}, {when}"


def sentence_of(document: GateDocument, ahead: str) -> str:
    """The outcome as a sentence of a page."""
    text = f"{ahead}{plain(outcome_sentence(document), 600)}"
    return f"{_capital(text)}."


def _shown(document: GateDocument, where: str, end: str) -> list[Block]:
    """One gate: sentences, figures, tables. The forest may be long, so that it stands alone with its data beside it."""
    facts = [
        ("Old", plain(", ".join(side_words(document.old, document.new)), 400)),
        ("New", plain(", ".join(side_words(document.new, document.old)), 400)),
        *((("Where", where),) if where else ()),
        ("Rules", rules_words(document)),
        ("Promised", plain(document.promise, 300) or "nothing: it ended before there was a plan"),
        ("Came", took_words(document)),
        *((_capital(name), plain(text, 400)) for name, text in control_words(document)),
        *((("Discarded", words),) if (words := discard_words(document)) else ()),
    ]
    reasons = len(document.controls.untrusted)
    told = warnings_of(document)[1 if reasons == 1 else 0 :][:MOST_WARNINGS]  # a single reason stands in the sentence
    warned = tuple((plain(subject, 40), plain(sentence, 400)) for subject, sentence in told)
    blocks: list[Block] = [
        Prose(sentence_of(document, ""), "lead"),
        Prose(f"{_capital(tally_words(document))}." if document.rows else "The gate had no cell."),
        Points(tuple(facts)),
        *([Points(warned, kind="warn")] if warned else []),
    ]
    blocks += [figure] if (figure := _forest(document, end)) else []
    blocks += families_table(document) or [Prose("No cells were judged together.", "note")]
    blocks += [figure for figure in (_controls(document, end), _noise(document, end), _blocks(document, end)) if figure]
    blocks += differences_table(document)
    return [*blocks, *_commands(document), *_raw(document, end)]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


# --- figures ------------------------------------------------------------------------------------------------------------------


def chosen(rows: Sequence[GateRow], most: int = MOST_CELLS) -> list[GateRow]:
    """At most so many: the worst of them, and of the others those with the widest intervals; sorted by the upper end of the interval."""
    worst = worst_first(rows)
    if len(worst) > most:
        first, rest = worst[: 2 * most // 3], worst[2 * most // 3 :]
        worst = first + sorted(rest, key=lambda row: (-_width(row), row.name))[: most - len(first)]
    return sorted(
        worst, key=lambda row: (row.verdict.broken, -row.high if known(row.high) else -math.inf, -_percent(row.change, 0.0), row.name)
    )


def _width(row: GateRow) -> float:
    return row.high - row.low if known(row.high) and known(row.low) else math.inf


def _percent(share: float, otherwise: float = math.nan) -> float:
    return 100 * share if known(share) else otherwise


def change_row(row: GateRow, document: GateDocument) -> ChangeRow:
    """A cell as a row of a figure."""
    label = plain(cell_words(row, document), 100) + ("*" if row.advisory else "")
    texts = shown_of(row)
    said = f"{label}: {texts.change} %, {texts.span or 'interval unknown'}{' %' if texts.span else ''}, " if texts.change else f"{label}: "
    sees = f", would have seen {seen_words(row.smallest) or 'nothing'}" if row.verdict is Verdict.INCONCLUSIVE else ""
    words = f"{said}{verdict_words(row)} on {plural(row.blocks, 'block')}{sees}"
    text = row.verdict.value if row.verdict.broken else f"{texts.change} %" if texts.change else "unknown"
    ends = _percent(row.low, -math.inf), _percent(row.high, math.inf)
    return ChangeRow(label, row.verdict, _percent(row.change), *ends, text, words, row.case_id)


def guides_of(document: GateDocument) -> list[Guide]:
    """The lines that a verdict is held against."""
    found = (("margin", document.margin), ("detect", document.detect))
    return [Guide(name, 100 * share) for name, share in found if known(share) and share > 0]


def _counts(rows: Sequence[GateRow]) -> list[tuple[Verdict, int]]:
    order = (Verdict.REGRESSION, Verdict.INCONCLUSIVE, Verdict.IMPROVEMENT, Verdict.EQUIVALENT)
    return [(verdict, count) for verdict in order if (count := sum(row.verdict is verdict for row in rows))]


def _forest(document: GateDocument, end: str) -> Figure | None:
    if not document.rows:
        return None
    drawn = chosen(document.rows)
    note = ""
    if len(drawn) < len(document.rows):
        note = f"{len(drawn)} of {len(document.rows):,} cells drawn: the worst, and those with the widest intervals."
    groups = [Group("", tuple(change_row(row, document) for row in drawn))]
    return Figure(
        f"gate-forest{end}",
        "How much slower or faster each cell became",
        f"Change of time with interval in {plural(len(document.rows), 'cell')}. {sentence_of(document, '')}",
        partial(draw_changes, groups, guides_of(document), _counts(document.rows)),
        cell_table(document, worst_first(document.rows), "Change of time of the new side, the worst cell first"),
        how=_FOREST_HOW,
        note=note,
    )


def _controls(document: GateDocument, end: str) -> Figure | None:
    if not document.control_rows:
        return None
    titles = {Control.SAME: "old against its own copy", Control.PLANTED: f"planted {effect_words(document.controls.planted_share)}"}
    groups, left = [], 0
    for control, title in titles.items():
        own = [row for row in document.control_rows if row.control is control]
        rows = chosen(own, MOST_CELLS // 3)
        left += len(own) - len(rows)
        groups += [Group(plain(title, 40), tuple(change_row(row, document) for row in rows))] if rows else []
    share = document.controls.planted_share
    guides = [Guide("planted", 100 * share)] if known(share) and share > 0 else []
    said = ". ".join(_capital(plain(text, 300)) for _, text in control_words(document))
    return Figure(
        f"gate-controls{end}",
        "What the gate says of answers that are known",
        f"{said}.",
        partial(draw_changes, groups, guides, _counts(document.control_rows)),
        cell_table(document, document.control_rows, "Controls: the old side against copies of itself"),
        how=_CONTROLS_HOW,
        note=f"{left} more controls are in the table." if left else "",
    )


def launch_point(moment: Moment) -> LaunchPoint:
    """A launch as a point of a figure."""
    share = 100 * moment.dropped / moment.blocks if 0 < moment.blocks < 10**9 and 0 <= moment.dropped <= moment.blocks else 0.0
    stage = plain(moment.stage, 20) or "unknown"
    spoiled = ", ".join(f"{plain(name, 30)} {count}" for name, count in sorted(moment.marks.items())[:6])
    lost = f"{plain(moment.dropped, 12)} of {plain(moment.blocks, 12)} blocks dropped"
    words = f"launch {plain(moment.launch, 12)}, {stage}: spread {_spread_words(moment.spread)}, {lost}"
    spread_share = _percent(moment.spread) if moment.spread >= 0 else math.nan
    return LaunchPoint(stage, spread_share, share, plain(f"{words}; turns marked: {spoiled}" if spoiled else words, 400))


def _spread_words(share: float) -> str:
    return f"{100 * share:.2g} %" if known(share) and share >= 0 else "unknown"


def _noise(document: GateDocument, end: str) -> Figure | None:
    moments = document.moments
    if not moments:
        return None
    drawn = spread(moments, MOST_LAUNCHES)
    spreads = sorted(moment.spread for moment in moments if known(moment.spread) and moment.spread >= 0)
    range_words = f"from {_spread_words(spreads[0])} to {_spread_words(spreads[-1])}" if spreads else "unknown"
    lost = f" {_capital(words)}." if (words := discard_words(document)) else ""
    return Figure(
        f"gate-noise{end}",
        "Noise over time",
        f"Spread of times within a visit over {plural(len(moments), 'launch', 'launches')}: {range_words}.{lost}",
        partial(draw_noise, [launch_point(moment) for moment in drawn]),
        launch_table(document),
        how=_NOISE_HOW,
        note=f"{len(drawn)} of {len(moments)} launches drawn, evenly spread." if len(drawn) < len(moments) else "",
    )


def _blocks(document: GateDocument, end: str) -> Figure | None:
    """The blocks of the cell that one would look at first."""
    row = next((row for row in worst_first(document.rows) if row.differences), None)
    if row is None:
        return None
    label = plain(cell_words(row, document), 100)
    places = spread(range(len(row.differences)), MOST_LAUNCHES)
    points = [block_point(row, place) for place in places]
    texts = shown_of(row)
    said = f"{label}: {plural(len(row.differences), 'block')}, {verdict_words(row)}" + (f", {texts.change} %" if texts.change else "")
    estimate = _percent(row.change), _percent(row.low, -math.inf), _percent(row.high, math.inf)
    return Figure(
        f"gate-blocks{end}",
        f"Every block of {label}",
        f"Blocks of the worst cell in the order of launches. {said}{f' ({texts.span} %)' if texts.span else ''}.",
        partial(draw_blocks, points, estimate, guides_of(document)),
        block_table(row, label),
        how=_BLOCKS_HOW,
        note=f"{len(points)} of {len(row.differences)} blocks drawn, evenly spread." if len(points) < len(row.differences) else "",
    )


def block_point(row: GateRow, place: int) -> BlockPoint:
    """A block as a point of a figure."""
    log = row.differences[place]
    change = 100 * math.expm1(log) if -5 < log < 5 else math.nan if math.isnan(log) else math.copysign(1e4, log)
    order = row.orders[place] if place < len(row.orders) else ""
    launch = row.launches[place] if place < len(row.launches) else place + 1
    order = order if order in ("ABBA", "BAAB") else "mixed"
    return BlockPoint(change, order, f"launch {plain(launch, 12)}, {order}: {change:+.2f} %")


# --- commands -----------------------------------------------------------------------------------------------------------------


def _commands(document: GateDocument) -> list[Block]:
    """What to run again: the whole, the worst cells, and in a folded table every cell."""
    worst = [row.command for row in worst_first(document.rows) if row.command and not row.verdict.green][:5]
    lines = [plain(command, 2000) for command in (document.command, *worst) if command]
    found: list[Block] = [Code("\n".join(lines), "Run it again: the whole gate, then its worst cells alone")] if lines else []
    return [*found, *command_table(document)]


def _raw(document: GateDocument, end: str) -> list[Block]:
    """All of it to download; where that is too large for a page, how to get it."""
    text = json.dumps(encode(document), ensure_ascii=False) + "\n"
    content = gzip.compress(text.encode("utf-8", errors="backslashreplace"), compresslevel=9, mtime=0)
    if len(content) > _MOST_FILE:
        return [Prose("The blocks of this gate are too many for a page: `mmbench show RUN --json` writes them.", "note")]
    return [File(f"gate{end}.json.gz", "This gate with every block (JSON)", "application/gzip", content)]
