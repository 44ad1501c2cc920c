"""`mmbench compare`: hold two runs, machines or kernels against each other, cell by cell, and fail where B fell behind."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from ..configs.codec import encode
from ..configs.dtypes import MIXES
from ..configs.errors import Exit, MmbenchError, NotPossibleError, UsageError
from . import console
from .state import State, json_option, pass_state, results_option
from .sweep_request import listed, refuse_empty
from .words import not_known

if TYPE_CHECKING:
    from ..configs.comparedoc import CompareDocument, Ruling
    from ..reports.comparison import Side


@click.command()
@click.argument("a", metavar="A")
@click.argument("b", required=False, metavar="[B]")
@click.option("--run", metavar="RUN", help="The sweep in which kernels are looked for (the newest).")
@click.option("-k", "expression", metavar="EXPR", help="Only cells and kernels that match, such as 'bert and not cold'.")
@click.option("--dtypes", multiple=True, metavar="TYPES", help="Only these data types; see mmbench list dtypes.")
@click.option("--sort", "order", type=click.Choice(["ratio", "name"]), default="ratio", show_default=True, help="Order of the table.")
@click.option("--full", is_flag=True, help="Every cell and every reason, not the digest.")
@click.option("--fail-on", metavar="SHARE[,LIST]", help="Exit with 1 where B is slower than A by more than this share, such as 5%.")
@json_option
@results_option
@pass_state
def compare(
    state: State,
    a: str,
    b: str | None,
    run: str | None,
    expression: str | None,
    dtypes: tuple[str, ...],
    order: str,
    full: bool,
    fail_on: str | None,
    as_json: bool,
) -> int:
    """Compare two runs, machines or kernels, cell by cell.

    A and B are two runs (an id or a file), two machines (an id or a folder), or two kernels or libraries of one sweep: --run RUN, or the
    newest. RUN:KERNEL names one kernel of a run. Each ratio is the time of B over the time of A, so 1.08x means that A is 1.08x as fast.

    --fail-on 5% exits with 1 where in any cell B takes more than 5 % longer than A with its whole interval, and with 4 where B is wrong,
    crashed, timed out or missing in a cell that A has. With words behind commas (wrong, crashed, timeout, missing, slower) only these are
    judged besides slowness; inconclusive comes on top. Nothing to compare with is exit 5. See mmbench explain compare.
    """
    refuse_empty([("--run", run), ("-k", expression), ("--fail-on", fail_on)])
    from ..reports.compare_rule import judged, parse_rule
    from ..reports.comparison import compare as compared
    from .compare_gate import gate_to_show, show_gate_compared
    from .compare_sides import sides_of

    rule = parse_rule(fail_on) if fail_on is not None else None
    chosen = _dtypes(dtypes)
    gate = gate_to_show([a] if b is None else [a, b], state.settings.results, run=run, fail_on=fail_on)
    if gate is not None:
        show_gate_compared(gate, state.settings, expression or "", chosen, as_json=as_json, full=full, by_name=order == "name")
        return Exit.OK
    sides = sides_of((a, b or ""), state.settings.results, run or "")
    left, right = _selected(sides, expression or "", chosen)
    document = compared(left, right)
    ruling = judged(document, rule) if rule is not None else None
    if not document.pairs and (ruling is None or not ruling.broken):  # without a pair, only a failure of B is a finding
        raise _nothing_in_common(document)
    _show(replace(document, ruling=ruling), state, as_json=as_json, full=full, by_name=order == "name")
    return _verdict(ruling, fail_on or "")


def _dtypes(texts: tuple[str, ...]) -> tuple[str, ...]:
    chosen = listed("--dtypes", texts)
    for name in chosen:
        if name not in MIXES:
            raise not_known("data type", name, MIXES, "see mmbench list dtypes")
    return chosen


def _selected(sides: tuple[Side, Side], expression: str, dtypes: tuple[str, ...]) -> tuple[Side, Side]:
    """Both sides without what -k and --dtypes leave out; UsageError where nothing at all is left."""
    from ..kernels.expressions import parse_expression
    from .compare_sides import narrowed

    fits = parse_expression(expression) if expression else None
    kept = []
    for side in sides:
        keeps = [
            (not dtypes or row.case.dtype in dtypes)
            and (fits is None or fits("\n".join((row.case.name, row.origin, row.case.dtype, row.kernel))))
            for row in side.rows
        ]
        kept.append(narrowed(side, keeps))
    if any(side.rows for side in sides) and not any(side.rows for side in kept):
        asked = " and ".join(filter(None, (f"-k {expression!r}" if expression else "", f"--dtypes {','.join(dtypes)}" if dtypes else "")))
        raise UsageError(f"{asked} selects no cell of either side", "words are looked for in cells, origins, data types and kernels")
    return kept[0], kept[1]


def _nothing_in_common(document: CompareDocument) -> NotPossibleError:
    from ..reports.compare_words import apart_groups

    groups = apart_groups(document.apart)
    reasons = "; ".join(f"{group.words} ({group.count})" for group in groups[:3])
    more = f"; and {len(groups) - 3} more reasons" if len(groups) > 3 else ""
    a, b = document.a.name, document.b.name
    return NotPossibleError(
        f"no cell of {a} (A) can be compared with one of {b} (B)", f"{reasons}{more}" if reasons else "neither side has a row"
    )


def _show(document: CompareDocument, state: State, *, as_json: bool, full: bool, by_name: bool) -> None:
    if as_json:
        console.answer_json(encode(document))
        return
    from ..reports.compare_screen import compare_screen

    color, plain = console.wants_color(state.settings), console.wants_ascii(state.settings)
    console.answer(compare_screen(document, width=console.width(), color=color, ascii_only=plain, full=full, by_name=by_name))


def _verdict(ruling: Ruling | None, fail_on: str) -> int:
    """The exit code; the error says in one sentence what failed."""
    if ruling is None or ruling.exit_code == Exit.OK:
        return Exit.OK
    from ..reports.cells import plural

    parts = [
        f"{plural(len(found), 'cell')} {words}"
        for found, words in (
            (ruling.broken, "failed in B"),
            (ruling.missing, "that A has and B lacks"),
            (ruling.slower, "slower in B"),
            (ruling.unsure, "that may be slower in B"),
        )
        if found
    ]
    raise MmbenchError(f"{', '.join(parts)} (--fail-on {fail_on})", "", Exit(ruling.exit_code))
