"""Compare within a gate: its new side against its old one, by its own evidence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..configs.codec import encode
from ..configs.errors import StoreError, UsageError
from ..configs.gatelog import read_gate
from ..configs.gateplan import GATE
from ..configs.runlog import find_run, read_head
from . import console

if TYPE_CHECKING:
    from ..configs.gatedoc import GateDocument
    from ..configs.settings import Settings


def gate_of(word: str, results: Path) -> Path | None:
    """The gate that a word means: its file, its id or the only beginning of one; None where it means something else, or several things."""
    if not word.strip() or "\0" in word:
        return None
    try:
        path = find_run(results, word)
        return path if read_head(path).kind == GATE else None
    except (UsageError, StoreError, OSError):
        return None


def gate_to_show(words: list[str], results: Path, *, run: str | None, fail_on: str | None) -> Path | None:
    """The gate that a comparison asks for; None where no word means one, UsageError where a gate is asked for what it cannot say."""
    gates = [gate_of(word, results) for word in words]
    first = next((gate for gate in gates if gate is not None), None)
    if first is None:
        if len(words) == 1:
            raise UsageError(
                f"'{words[0]}' alone is nothing to compare", "name a second run, machine or kernel; a gate alone holds both sides"
            )
        return None
    named = next(word for word, gate in zip(words, gates, strict=True) if gate is not None)
    if len(words) > 1:
        if all(gates):
            message = f"'{words[0]}' and '{words[1]}' are gates: each holds an old and a new side, which took turns with each other only"
        else:
            other = next(word for word, gate in zip(words, gates, strict=True) if gate is None)
            message = f"'{named}' is a gate, which holds both of its sides: it cannot be held against '{other}'"
        raise UsageError(message, f"mmbench compare {named} shows new against old; mmbench show {named} all that the gate found")
    if run is not None or fail_on is not None:
        option = "--run" if run is not None else "--fail-on"
        raise UsageError(f"{option} says nothing of a gate: '{named}' was decided by rules of its own", "leave it out")
    return first


def show_gate_compared(
    path: Path, settings: Settings, expression: str, dtypes: tuple[str, ...], *, as_json: bool, full: bool, by_name: bool
) -> None:
    """Its cells with ratio, interval and verdict: one JSON document (that of the gate), or the screen."""
    from ..reports.gate_rows import gate_document

    document = _narrowed(gate_document(read_gate(path)), expression, dtypes)
    if as_json:
        console.answer_json(encode(document))
        return
    from ..reports.gate_compare import gate_compare_screen

    color, plain = console.wants_color(settings), console.wants_ascii(settings)
    console.answer(gate_compare_screen(document, width=console.width(), color=color, ascii_only=plain, full=full, by_name=by_name))


def _narrowed(document: GateDocument, expression: str, dtypes: tuple[str, ...]) -> GateDocument:
    """The gate without the cells that -k and --dtypes leave out; each verdict stays the one that it got among all cells."""
    if not expression and not dtypes:
        return document
    from ..kernels.expressions import parse_expression
    from ..reports.gate_rows import outcome_of

    fits = parse_expression(expression) if expression else None
    rows = tuple(
        row
        for row in document.rows
        if (not dtypes or row.case.dtype in dtypes)
        and (fits is None or fits("\n".join((row.case.name, row.origin, row.case.dtype, row.kernel))))
    )
    if document.rows and not rows:
        raise UsageError("-k or --dtypes selects no cell of the gate", "words are looked for in cells, origins, data types and kernels")
    return replace(document, rows=rows, families=(), outcome=outcome_of(rows, (), document.controls, document.finished))
