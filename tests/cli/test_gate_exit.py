"""The exit code of a gate: one code, one meaning, for every ending and every word of --fail-on."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import gate_documents
import pytest
from mmbench.cli.gate_exit import GATE_FAIL_ON, GATE_FAIL_WORDS, gate_exit, gate_fail_words
from mmbench.configs.errors import Exit, UsageError
from mmbench.configs.gatedoc import GateDocument, Verdict

DEFAULT = gate_fail_words(GATE_FAIL_ON)
EVERYTHING = frozenset(GATE_FAIL_WORDS)


@cache
def document(name: str) -> GateDocument:
    """Of one of the gates in `gate_documents`."""
    with TemporaryDirectory() as folder:
        return gate_documents.EVERY[name](Path(folder))[1]


@pytest.mark.parametrize(
    ("gate", "fail_on", "code", "said"),
    [
        ("passed", "regression,wrong,inconclusive,untrusted", Exit.OK, "passed"),
        ("regressed", GATE_FAIL_ON, Exit.REGRESSION, "1 cell is slower (openblas@numpy f64 32x32x32 t1 hot)"),
        ("regressed", "wrong,inconclusive", Exit.OK, "regression"),
        ("regressed", "none", Exit.OK, "nothing that --fail-on names"),
        ("family", GATE_FAIL_ON, Exit.REGRESSION, "all cells together are slower by 0.6"),
        ("advisory", GATE_FAIL_ON, Exit.OK, "passed"),
        ("mixed", GATE_FAIL_ON, Exit.REGRESSION, "1 cell is slower"),
        ("mixed", "wrong,missing", Exit.BROKEN_KERNEL, "1 cell is wrong"),
        ("broken", GATE_FAIL_ON, Exit.BROKEN_KERNEL, "1 cell crashed"),
        ("broken", "wrong", Exit.BROKEN_KERNEL, "1 cell is wrong"),
        ("broken", "timeout", Exit.BROKEN_KERNEL, "1 cell timed out"),
        ("broken", "missing", Exit.BROKEN_KERNEL, "2 cells are missing (openblas@numpy f32 128x128x128 t1 hot and 1 more)"),
        ("broken", "regression", Exit.OK, ""),
        ("inconclusive", GATE_FAIL_ON, Exit.OK, "inconclusive"),
        ("inconclusive", "inconclusive", Exit.INCONCLUSIVE, "inconclusive"),
        ("untrusted", GATE_FAIL_ON, Exit.INCONCLUSIVE, "the run is untrusted: the old side against its own copy differs"),
        ("untrusted", "regression", Exit.INCONCLUSIVE, "so not confirmed: 1 cell is slower"),
        ("untrusted", "wrong", Exit.OK, "untrusted"),
    ],
)
def test_the_exit_code_and_what_it_says(gate: str, fail_on: str, code: Exit, said: str) -> None:
    found, sentence = gate_exit(document(gate), gate_fail_words(fail_on))
    assert found == code, sentence
    assert said in sentence
    assert "\n" not in sentence


def test_untrusted_comes_before_what_is_broken_and_that_before_what_nobody_can_tell() -> None:
    both = replace(document("broken"), controls=document("untrusted").controls)
    assert gate_exit(both, EVERYTHING)[0] == Exit.INCONCLUSIVE
    rows = (*document("broken").rows, *document("inconclusive").rows)
    assert gate_exit(replace(document("broken"), rows=rows), EVERYTHING)[0] == Exit.BROKEN_KERNEL
    assert gate_exit(replace(document("broken"), rows=rows), frozenset({"inconclusive"}))[0] == Exit.INCONCLUSIVE


def test_an_advisory_cell_without_a_result_fails_nothing() -> None:
    rows = tuple(replace(row, advisory=row.verdict.broken) for row in document("broken").rows)
    assert gate_exit(replace(document("broken"), rows=rows), EVERYTHING)[0] == Exit.OK


@pytest.mark.parametrize("fail_on", ["none", GATE_FAIL_ON, "inconclusive"])
def test_a_gate_that_compared_nothing_is_5_whatever_fails(fail_on: str) -> None:
    nothing = replace(document("passed"), rows=(), families=())
    code, sentence = gate_exit(nothing, gate_fail_words(fail_on))
    assert code == Exit.NOT_POSSIBLE
    assert "nothing was compared" in sentence
    rows = tuple(replace(row, verdict=Verdict.MISSING, why="the old side was never opened") for row in document("passed").rows)
    code, sentence = gate_exit(replace(nothing, rows=rows), gate_fail_words(fail_on))
    assert (code, sentence) == (Exit.NOT_POSSIBLE, "nothing was compared: the old side was never opened")


def test_a_gate_of_broken_cells_only_is_4_where_that_fails_and_never_0() -> None:
    rows = tuple(replace(row, verdict=Verdict.CRASHED) for row in document("passed").rows)
    crashed = replace(document("passed"), rows=rows, families=())
    assert gate_exit(crashed, DEFAULT)[0] == Exit.BROKEN_KERNEL
    assert gate_exit(crashed, frozenset())[0] == Exit.NOT_POSSIBLE


def test_a_gate_that_was_cut_off_is_inconclusive() -> None:
    cut = replace(document("passed"), finished=False, end_reason="the time budget ended")
    assert gate_exit(cut, DEFAULT)[0] == Exit.OK
    assert gate_exit(cut, frozenset({"inconclusive"})) == (
        Exit.INCONCLUSIVE,
        "the gate did not come to its end: the time budget ended",
    )


def test_words_that_are_none() -> None:
    assert gate_fail_words(" wrong , crashed ") == {"wrong", "crashed"}
    assert gate_fail_words("none") == frozenset()
    for text, said in (("wrnog", "there is no 'wrnog'"), ("", "no word"), (" , ", "no word"), ("none,wrong", "'none' beside other words")):
        with pytest.raises(UsageError, match=said) as raised:
            gate_fail_words(text)
        assert raised.value.exit_code == Exit.USAGE
        assert "inconclusive" in raised.value.hint
