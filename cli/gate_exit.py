"""Turn what a gate found, and what `--fail-on` names, into an exit code and the sentence that goes with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..configs.errors import Exit, UsageError
from ..configs.gatedoc import Verdict

if TYPE_CHECKING:
    from ..configs.gatedoc import GateDocument, GateRow

GATE_FAIL_WORDS = ("regression", "missing", "wrong", "crashed", "timeout", "inconclusive", "untrusted")
GATE_FAIL_ON = "regression,wrong,crashed,timeout,missing,untrusted"  # what --fail-on is where it is not given
_NAMED = {  # word -> the verdicts that it stands for, and what is said of one cell and of several
    "wrong": ((Verdict.WRONG,), "is wrong", "are wrong"),
    "crashed": ((Verdict.CRASHED,), "crashed", "crashed"),
    "timeout": ((Verdict.TIMEOUT,), "timed out", "timed out"),
    "missing": ((Verdict.MISSING, Verdict.DELETED), "is missing", "are missing"),
}


def gate_fail_words(text: str) -> frozenset[str]:
    """The words of --fail-on; none for `none`. UsageError for others, and for no word at all."""
    words = frozenset(filter(None, (word.strip() for word in text.split(","))))
    if words == {"none"}:
        return frozenset()
    hint = f"words: {', '.join(GATE_FAIL_WORDS)}, or none"
    if not words:
        raise UsageError("--fail-on: no word was given", hint)
    for word in sorted(words):
        if word not in GATE_FAIL_WORDS:
            raise UsageError(f"--fail-on: there is no '{word}'" + (" beside other words" if word == "none" else ""), hint)
    return words


def gate_exit(document: GateDocument, fail_on: frozenset[str]) -> tuple[Exit, str]:
    """(exit code, why in one sentence). Advisory cells fail nothing.

    A gate that compared nothing is no success whatever `fail_on` says (5), unless something that it names explains it; nor is one that
    ended before anything was decided (3), unless `fail_on` is empty. A run that is untrusted confirms no regression: where `fail_on` names
    either, that ends with 3, and what else is wrong comes after it.
    """
    binding = [row for row in document.rows if not row.advisory]
    counted = binding or list(document.rows)
    if not counted or all(row.verdict is Verdict.MISSING for row in counted):
        return Exit.NOT_POSSIBLE, f"nothing was compared: {_why_nothing(document, counted)}"
    slower = _slower(document, binding)
    if document.controls.untrusted and ("untrusted" in fail_on or ("regression" in fail_on and slower)):
        unconfirmed = f" (so not confirmed: {slower})" if slower else ""
        return Exit.INCONCLUSIVE, f"the run is untrusted: {'; '.join(document.controls.untrusted)}{unconfirmed}"
    if not document.finished and fail_on and all(row.verdict is Verdict.INCONCLUSIVE for row in counted):
        return Exit.INCONCLUSIVE, f"nothing was decided: {document.end_reason or 'the gate was cut off'}"
    if slower and "regression" in fail_on:
        return Exit.REGRESSION, slower
    if broken := _broken(binding, fail_on):
        return Exit.BROKEN_KERNEL, broken
    unsure = [row.name for row in binding if row.verdict is Verdict.INCONCLUSIVE]
    if "inconclusive" in fail_on and unsure:
        return Exit.INCONCLUSIVE, f"{_count(unsure, 'is', 'are')} inconclusive"
    if "inconclusive" in fail_on and not document.finished:
        return Exit.INCONCLUSIVE, f"the gate did not come to its end: {document.end_reason or 'it was cut off'}"
    if all(row.verdict.broken for row in counted):
        return Exit.NOT_POSSIBLE, f"nothing was compared: {_why_nothing(document, counted)}"
    return Exit.OK, f"nothing that --fail-on names: {document.outcome}"


def _slower(document: GateDocument, binding: list[GateRow]) -> str:
    """Which cells or families are slower; empty for none."""
    rows = [row.name for row in binding if row.verdict is Verdict.REGRESSION]
    families = [family for family in document.families if family.verdict is Verdict.REGRESSION]
    said = [_count(rows, "is slower", "are slower")] if rows else []
    said += [
        f"{_whole(family.family)} {'is' if family.family != 'all' else 'are'} slower by {100 * family.change:.2g} %" for family in families
    ]
    return "; ".join(said)


def _whole(family: str) -> str:
    return "all cells together" if family == "all" else f"the family {family} as a whole"


def _broken(binding: list[GateRow], fail_on: frozenset[str]) -> str:
    said = []
    for word, (verdicts, one, several) in _NAMED.items():
        names = [row.name for row in binding if row.verdict in verdicts]
        if word in fail_on and names:
            said.append(_count(names, one, several))
    return "; ".join(said)


def _count(names: list[str], one: str, several: str) -> str:
    """`1 cell is slower (NAME)`, `3 cells are slower (NAME and 2 more)`."""
    if len(names) == 1:
        return f"1 cell {one} ({names[0]})"
    return f"{len(names):,} cells {several} ({names[0]} and {len(names) - 1:,} more)"


def _why_nothing(document: GateDocument, rows: Iterable[GateRow]) -> str:
    reasons = dict.fromkeys(row.why for row in rows if row.why)
    return "; ".join(list(reasons)[:3]) or document.end_reason or "no cell has a time on both sides"
