"""Compare two sides: hand-computed ratios, means against SciPy, what is paired and what is not and why, and the rule that judges."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from typing import Any

import pytest
from comparison_sides import CASE, cases, combined, run_of, spread_rows, timed, untimed
from hypothesis import given
from hypothesis import strategies as st
from mmbench.configs.cases import Case, Status
from mmbench.configs.codec import encode
from mmbench.configs.comparedoc import Outcome, Ratio, Why
from mmbench.configs.errors import UsageError
from mmbench.configs.sweepdoc import SweepRow
from mmbench.reports.compare_rule import USUAL, judged, parse_rule
from mmbench.reports.compare_words import apart_groups, count_words, mean_words, span_words
from mmbench.reports.comparison import Side, compare, geometric_mean, matched, pairs_of_kernels, ratio_of
from mmbench.reports.figures.thinning import spread
from scipy import stats  # type: ignore[import-untyped]


def test_a_ratio_is_the_time_of_b_over_that_of_a_with_both_intervals_in_quadrature() -> None:
    ratio = ratio_of(timed(1e-3, 0.97, 1.05), timed(1.08e-3, 0.98, 1.02))
    assert ratio is not None
    assert ratio.value == pytest.approx(1.08)
    assert ratio.high == pytest.approx(1.08 * combined(1.02, 1 / 0.97))  # B's upper end with A's lower end
    assert ratio.low == pytest.approx(1.08 / combined(1 / 0.98, 1.05))
    assert ratio.outcome is Outcome.A_FASTER


def test_one_exact_side_leaves_the_other_interval_as_it_is() -> None:
    ratio = ratio_of(timed(1.0, 1.0, 1.0), timed(2.0, 0.9, 1.2))
    assert ratio is not None
    assert (ratio.low, ratio.value, ratio.high) == pytest.approx((1.8, 2.0, 2.4))


@pytest.mark.parametrize(
    ("b", "outcome"), [(1.2, Outcome.A_FASTER), (0.8, Outcome.B_FASTER), (1.01, Outcome.NO_DIFFERENCE), (1.0, Outcome.NO_DIFFERENCE)]
)
def test_an_interval_that_covers_one_shows_no_difference(b: float, outcome: Outcome) -> None:
    ratio = ratio_of(timed(1.0), timed(b))
    assert ratio is not None
    assert ratio.outcome is outcome


NAN, INF = math.nan, math.inf
ABSURD: list[dict[str, Any]] = [
    *({"time_s": bad} for bad in (NAN, INF, -INF, 0.0, -1.0)),
    *({"low_s": bad} for bad in (NAN, 0.0, -1.0, INF, 2.0)),
    *({"high_s": bad} for bad in (NAN, INF, 0.5, -1.0)),
]


@pytest.mark.parametrize("change", ABSURD, ids=str)
def test_absurd_times_give_no_ratio_and_are_told(change: dict[str, Any]) -> None:
    bad, good = replace(timed(1.0), **change), timed(1.0)
    assert ratio_of(bad, good) is None
    assert ratio_of(good, bad) is None
    document = compare(run_of([bad]), run_of([good], "6b4f"))
    assert not document.pairs
    assert [each.why for each in document.apart] == [Why.NO_INTERVAL]
    assert document.mean is None


def test_ratios_beyond_what_a_number_holds_are_refused() -> None:
    assert ratio_of(timed(1e-300), timed(1e300)) is None
    assert not Ratio(NAN, NAN, NAN).usable
    assert Ratio(NAN, NAN, NAN).outcome is Outcome.NO_DIFFERENCE
    assert Ratio(2.0, 3.0, 4.0).outcome is Outcome.NO_DIFFERENCE  # its interval does not hold it


def test_the_mean_of_three_by_hand() -> None:
    mean = geometric_mean([Ratio(x, x * 0.99, x * 1.01) for x in (1.0, 2.0, 4.0)])
    assert mean is not None
    assert mean.value == pytest.approx(2.0)
    # logs 0, ln 2, 2 ln 2: standard deviation ln 2; t of two degrees of freedom at 97.5 % is 4.30265
    half = 4.302652729911275 * math.log(2) / math.sqrt(3)
    assert mean.low == pytest.approx(2.0 * math.exp(-half))
    assert mean.high == pytest.approx(2.0 * math.exp(half))
    assert mean.n == 3


@given(st.lists(st.floats(0.01, 100.0), min_size=2, max_size=40))
def test_the_interval_of_the_mean_is_that_of_scipy(values: list[float]) -> None:
    mean = geometric_mean([Ratio(x, x, x) for x in values])
    assert mean is not None
    logs = [math.log(x) for x in values]
    error = stats.sem(logs)
    assert mean.value == pytest.approx(stats.gmean(values))
    assert math.log(mean.median) == pytest.approx(statistics.median(logs), abs=1e-9)
    assert mean.has_interval is (len(values) != 2)
    if error > 1e-9 and mean.has_interval:
        low, high = stats.t.interval(0.95, len(logs) - 1, loc=sum(logs) / len(logs), scale=error)
        assert math.log(mean.low) == pytest.approx(low, abs=1e-9)
        assert math.log(mean.high) == pytest.approx(high, abs=1e-9)


def test_a_mean_of_one_is_its_own_interval_and_of_none_is_none() -> None:
    mean = geometric_mean([Ratio(1.2, 1.1, 1.4)])
    assert mean is not None
    assert (mean.value, mean.low, mean.high, mean.n) == (1.2, 1.1, 1.4, 1)
    assert geometric_mean([]) is None
    assert geometric_mean([Ratio(NAN, NAN, NAN), Ratio(INF, 1.0, INF)]) is None
    assert "its own interval" in mean_words(mean, "A", "B")
    assert mean_words(None, "A", "B") == "no cell can be compared, so there is no mean"


_times = st.floats(1e-7, 1e2)
_shares = st.floats(1e-3, 0.5)
_sides = st.tuples(_times, _shares, _shares)


def _row(side: tuple[float, float, float], case: Case = CASE, kernel: str = "openblas@debian") -> SweepRow:
    time_s, below, above = side
    return timed(time_s, 1 - below, 1 + above, case, kernel)


@given(_sides, _sides)
def test_exchanging_the_sides_inverts_a_ratio(a: tuple[float, float, float], b: tuple[float, float, float]) -> None:
    there, back = ratio_of(_row(a), _row(b)), ratio_of(_row(b), _row(a))
    assert there is not None
    assert back is not None
    inverse = back.inverse()
    assert (there.low, there.value, there.high) == pytest.approx((inverse.low, inverse.value, inverse.high))
    opposite = {Outcome.A_FASTER: Outcome.B_FASTER, Outcome.B_FASTER: Outcome.A_FASTER}
    if min(abs(math.log(end)) for end in (there.low, there.high)) > 1e-12:
        assert back.outcome is opposite.get(there.outcome, there.outcome)


@given(_sides, _sides, st.floats(1e-3, 1e3))
def test_a_machine_that_is_slower_at_everything_changes_no_ratio(
    a: tuple[float, float, float], b: tuple[float, float, float], factor: float
) -> None:
    before = ratio_of(_row(a), _row(b))
    after = ratio_of(_row((a[0] * factor, *a[1:])), _row((b[0] * factor, *b[1:])))
    assert before is not None
    assert after is not None
    assert (after.low, after.value, after.high) == pytest.approx((before.low, before.value, before.high))


@given(st.lists(st.tuples(_sides, _sides), min_size=1, max_size=12))
def test_exchanging_the_sides_inverts_a_whole_comparison(
    sides: list[tuple[tuple[float, float, float], tuple[float, float, float]]],
) -> None:
    questions = cases(len(sides))
    a = run_of([_row(x, c) for (x, _), c in zip(sides, questions, strict=True)])
    b = run_of([_row(y, c) for (_, y), c in zip(sides, questions, strict=True)], "6b4f")
    there, back = compare(a, b), compare(b, a)
    assert there.mean is not None
    assert back.mean is not None
    inverse = back.mean.inverse()
    ends = [(mean.low, mean.value, mean.high, mean.median) for mean in (there.mean, inverse)]
    assert ends[0] == pytest.approx(ends[1], rel=1e-6, nan_ok=True)
    assert there.a_faster + there.b_faster + there.no_difference == there.mean.n == len(sides)
    assert [pair.ratio.value for pair in there.pairs] == sorted((pair.ratio.value for pair in there.pairs), reverse=True)


def _reason(a: list[SweepRow], b: list[SweepRow], machine_b: str = "zen5-16c-1f3a2b") -> tuple[Why, str]:
    pairs, apart = matched(run_of(a), run_of(b, "6b4f", machine_b))
    assert not pairs
    return apart[0].why, apart[0].words


def test_only_like_is_held_against_like() -> None:
    good = timed(1.0)
    other = Case(128, 768, 768, dtype="f64", threads=2)
    cases_of = {
        "has no kernel": ([good], [timed(1.0, kernel="mkl@mkl")], Why.ONLY_A),
        "A has no kernel mkl@mkl": ([], [timed(1.0, kernel="mkl@mkl")], Why.ONLY_B),
        "B has it only with another data type and number of threads": ([good], [timed(1.0, case=other)], Why.ONLY_A),
        "B has it only with another temperature of the caches": ([good], [timed(1.0, case=replace(CASE, temperature="cold"))], Why.ONLY_A),
        "B has no such question": ([good], [timed(1.0, case=Case(5, 6, 7))], Why.ONLY_A),
        "openblas@debian is version 1 in A, 0.3.30 in B": ([good], [timed(1.0, version="0.3.30")], Why.OTHER_VERSION),
        "timed by machine in A, by python in B": ([good], [timed(1.0, timed_by="python")], Why.TIMED_OTHERWISE),
        "on cpu in A, on cuda:0 in B": ([good], [timed(1.0, params={"device": "cuda:0"})], Why.OTHER_DEVICE),
        "wrong in A": ([untimed(Status.WRONG)], [good], Why.FAILED_A),
        "crashed in B": ([good], [untimed(Status.CRASHED)], Why.FAILED_B),
        "timed out in both": ([untimed(Status.TIMEOUT)], [untimed(Status.TIMEOUT)], Why.FAILED_BOTH),
        "wrong in A, timed out in B": ([untimed(Status.WRONG)], [untimed(Status.TIMEOUT)], Why.FAILED_BOTH),
        "B declines it": ([good], [untimed(Status.SKIPPED)], Why.DECLINED),
        "A and B decline it": ([untimed(Status.SKIPPED)], [untimed(Status.SKIPPED)], Why.DECLINED),
        "wrong in A, absent in the other": ([untimed(Status.WRONG)], [], Why.FAILED_A),
        "A declines it, B has no kernel": ([untimed(Status.SKIPPED)], [], Why.DECLINED),
    }
    for words, (a, b, why) in cases_of.items():
        found, told = _reason(a, b)
        assert words in told
        assert found is why, words


def test_kernels_that_were_named_are_compared_across_versions_and_that_is_said() -> None:
    old, new = (run_of([timed(1.0, version=v)], v).only("openblas@debian", "openblas") for v in ("0.3.29", "0.3.30"))
    document = compare(old, new)
    assert len(document.pairs) == 1
    assert any("versions differ: 0.3.29 in A, 0.3.30 in B" in note for note in document.notes)


def test_two_kernels_of_a_sweep_are_paired_by_the_question_alone() -> None:
    rows = [
        timed(1.0, kernel="openblas@debian"),
        timed(0.5, kernel="mkl@mkl", version="2026.2"),
        timed(1.0, case=Case(5, 6, 7), kernel="mkl@mkl"),
    ]
    (pair,) = pairs_of_kernels(rows, "openblas@debian", "mkl@mkl")
    assert pair.ratio.value == pytest.approx(0.5)
    assert (pair.a.kernel, pair.b.kernel, pair.b.version) == ("openblas@debian", "mkl@mkl", "2026.2")
    whole = run_of(rows)
    document = compare(whole.only("openblas@debian", "openblas"), whole.only("mkl@mkl", "mkl"))
    assert [(each.why, each.words) for each in document.apart] == [(Why.ONLY_B, "only in B: A was not asked")]


def test_what_cannot_be_compared_is_counted_by_reason_failures_first() -> None:
    questions = cases(5)
    a = [timed(1.0, case=case) for case in questions]
    b = [untimed(Status.WRONG, questions[0]), *(untimed(Status.SKIPPED, case) for case in questions[1:3])]
    groups = apart_groups(compare(run_of(a), run_of(b, "6b4f")).apart)
    assert [(group.count, group.words) for group in groups] == [
        (1, "wrong in B"),
        (2, "only in A: B has no such question"),
        (2, "B declines it"),
    ]
    assert groups[2].first.cell == questions[1].name


def test_a_comparison_says_what_its_intervals_leave_out() -> None:
    rows = [timed(1.0, case=case) for case in cases(30)]
    again = compare(run_of(rows), run_of(rows, "6b4f"))
    assert "two runs of one machine" in again.notes[0]
    assert "not in the intervals" in again.notes[0]
    assert any("of 30 cells without a difference, about 2 would show one by chance" in note for note in again.notes)
    elsewhere = compare(run_of(rows), run_of(rows, "6b4f", "synthetic-neoverse-000001"))
    assert elsewhere.notes[0].startswith("synthetic: B (synthetic-neoverse-000001) is made up")
    assert "runs of two machines" in elsewhere.notes[1]
    whole = run_of([*rows, *(timed(1.0, case=case, kernel="mkl@mkl", status=Status.NOISY) for case in cases(30))])
    within = compare(whole.only("openblas@debian", "openblas"), whole.only("mkl@mkl", "mkl"))
    assert not any("between the runs" in note for note in within.notes)
    assert any("in 30 of 30 cells a time is not known as well" in note for note in within.notes)
    several = replace(whole, runs=("1", "2"))
    assert "of 2 sweeps" in compare(several.only("openblas@debian", "a"), several.only("mkl@mkl", "b")).notes[0]


def test_each_kernel_of_two_runs_has_a_mean_of_its_own() -> None:
    a = run_of([*spread_rows([1, 1, 1], "x"), *spread_rows([1, 1], "y")])
    b = run_of([*spread_rows([2, 2.2, 1.8], "x"), *spread_rows([0.5, 0.6], "y")], "6b4f")
    document = compare(a, b)
    assert [(each.kernel, each.mean.n, each.a_faster, each.b_faster) for each in document.kernels] == [("x", 3, 3, 0), ("y", 2, 0, 2)]
    assert document.kernels[0].mean.value == pytest.approx((2 * 2.2 * 1.8) ** (1 / 3))
    assert (document.a_faster, document.b_faster, document.no_difference) == (3, 2, 0)
    assert document.mean is not None
    assert document.mean.n == 5


def test_words_say_who_is_faster_and_by_how_much() -> None:
    assert count_words(20, 11, 23, "openblas", "mkl") == (
        "of 54 cells, openblas is faster in 20 and mkl in 11; no difference is shown in 23"
    )
    mean = geometric_mean([Ratio(x, x, x) for x in (1.0, 1.1, 0.95)])
    assert mean_words(mean, "A", "B").endswith(": no difference is shown")
    assert span_words(Ratio(1.1, 1.003, 1.2)) == "1.003 to 1.20"
    assert span_words(Ratio(0.99, 0.98, 0.9996)) == "0.980 to 0.9996"
    assert span_words(Ratio(1.0, 1.0, 1.0)) == "1.00 to 1.00"
    assert span_words(Ratio(1e302, 1e-302, 1e302)) == "1.00e-302 to huge"  # times of a file may lie so far apart


def test_a_spread_keeps_both_ends() -> None:
    assert spread(list(range(100)), 4) == [0, 33, 66, 99]
    assert spread([1, 2], 4) == [1, 2]
    assert spread([], 4) == []


def _both(ratios: list[float], width: float = 0.01) -> tuple[Side, Side]:
    return run_of(spread_rows([1.0] * len(ratios), "x", width)), run_of(spread_rows(ratios, "x", width), "6b4f")


@pytest.mark.parametrize(
    ("ratios", "code", "count"),
    [([1.0, 1.02], 0, 0), ([1.0, 1.2], 1, 1), ([1.3, 1.2, 0.5], 1, 2), ([1.055], 0, 0), ([0.5], 0, 0)],
)
def test_a_cell_fails_when_its_whole_interval_is_beyond_the_share(ratios: list[float], code: int, count: int) -> None:
    ruling = judged(compare(*_both(ratios)), parse_rule("5%"))
    assert (ruling.exit_code, len(ruling.slower)) == (code, count)
    if count:
        assert f"{max(ratios):.2f}x the time of A" in ruling.slower[0]


def test_what_may_be_slower_fails_only_where_that_is_asked_for() -> None:
    document = compare(*_both([1.055, 1.0]))
    assert judged(document, parse_rule("5%")).exit_code == 0
    ruling = judged(document, parse_rule("5%,inconclusive"))
    assert (ruling.exit_code, len(ruling.unsure)) == (3, 1)


def test_a_cell_that_is_gone_or_broken_is_never_green_unless_that_is_asked_for() -> None:
    questions = cases(4)
    a = [timed(1.0, case=case, kernel="x") for case in questions]
    b = [timed(1.0, case=questions[0], kernel="x"), untimed(Status.CRASHED, questions[1], "x"), untimed(Status.SKIPPED, questions[2], "x")]
    document = compare(run_of(a), run_of(b, "6b4f"))
    ruling = judged(document, parse_rule("5%"))
    assert ruling.exit_code == 4
    assert (len(ruling.broken), len(ruling.missing), ruling.not_judged) == (1, 2, "")
    slower = judged(document, parse_rule("5%,slower"))
    assert slower.exit_code == 0
    assert slower.not_judged == "1 cell that failed in B and 2 cells that A has and B lacks"
    assert judged(document, parse_rule("5%,crashed")).exit_code == 4
    assert judged(document, parse_rule("5%,wrong")).exit_code == 0


def test_a_failure_that_was_there_before_is_no_finding() -> None:
    both = [untimed(Status.WRONG, kernel="x")]
    document = compare(run_of(both), run_of(both, "6b4f"))
    assert judged(document, parse_rule("5%")).exit_code == 0


def test_the_gravest_finding_gives_the_exit_code() -> None:
    questions = cases(2)
    a = [timed(1.0, case=case, kernel="x") for case in questions]
    b = [timed(2.0, case=questions[0], kernel="x"), untimed(Status.WRONG, questions[1], "x")]
    ruling = judged(compare(run_of(a), run_of(b, "6b4f")), parse_rule("5%"))
    assert ruling.exit_code == 4
    assert ruling.slower
    assert ruling.broken


def test_a_rule_is_a_share_and_words() -> None:
    assert parse_rule("5%").words == USUAL
    assert parse_rule("5%,inconclusive").words == (*USUAL, "inconclusive")
    assert parse_rule(" 0.05 , missing").words == ("slower", "missing")
    assert parse_rule("2.5%").share_words == "2.5 %"
    assert "more than 5 % longer" in " ".join(parse_rule("5%").sentences())
    for text in ("", "missing", "5%,10%", "5%,everything", "200%", "5", "-5%", "nan%"):
        with pytest.raises(UsageError, match="--fail-on"):
            parse_rule(text)


def test_a_document_is_plain_json() -> None:
    document = compare(run_of([timed(1.0), timed(NAN, case=Case(1, 2, 3))]), run_of([timed(1.1), timed(1.0, case=Case(1, 2, 3))], "6b4f"))
    plain = encode(replace(document, ruling=judged(document, parse_rule("5%"))))
    assert plain["schema"] == 1
    assert plain["pairs"][0]["ratio"]["value"] == pytest.approx(1.1)
    assert plain["pairs"][0]["outcome"] == "a-faster"
    assert plain["ruling"]["exit_code"] == 4


def test_kernels_with_their_epilogue_apart_are_compared_by_name_only() -> None:
    rows = [timed(1e-6, case=case, kernel=kernel) for case in cases(3) for kernel in ("onednn@pip", "onednn-unfused@pip")]
    a, b = run_of(rows), run_of(rows, "6b4f")
    document = compare(a, b)
    assert {pair.a.kernel for pair in document.pairs} == {"onednn@pip"}
    assert any(note.startswith("left out: onednn-unfused@pip") for note in document.notes)
    named = compare(a.only("onednn@pip", "onednn"), a.only("onednn-unfused@pip", "onednn-unfused"))
    assert len(named.pairs) == 3
    assert not any(note.startswith("left out") for note in named.notes)
