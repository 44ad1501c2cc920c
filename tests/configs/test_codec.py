"""The codec: what goes out comes back, and what does not fit is named with its place."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmbench.configs.codec import decode, encode
from mmbench.configs.curve import Curve, Point
from mmbench.configs.errors import SchemaError
from mmbench.configs.facts import Fact, How, measured, reported, unknown
from mmbench.configs.machine import Machine, Verdict
from synthetic_machine import synthetic_machine


@dataclass(frozen=True, slots=True)
class Leaf:
    """A record for these tests."""

    size: int
    share: float = 0.5
    name: str = ""
    kind: str = "a"
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tree:
    """A record of records."""

    leaves: tuple[Leaf, ...] = ()
    verdict: Verdict = Verdict.NO_CLAIM
    best: Leaf | None = None
    word: Fact[str] = field(default_factory=lambda: reported("x", "", "test"))


def through_json(value: Any) -> Any:
    return json.loads(json.dumps(encode(value), allow_nan=False))


def test_a_machine_survives_json() -> None:
    machine = synthetic_machine()
    assert decode(Machine, through_json(machine)) == machine


scalars = st.one_of(st.text(), st.integers(-(2**60), 2**60), st.floats(allow_nan=False, allow_infinity=False), st.booleans())


@given(scalars, st.sampled_from(list(How)), st.text(), st.text())
def test_any_fact_survives_json(value: str | float | bool, how: How, unit: str, note: str) -> None:
    fact: Fact[Any] = Fact(value, unit, how, "test", note=note)
    back = decode(Fact, through_json(fact))
    assert back == fact
    assert type(back.value) is type(value)


@given(st.dictionaries(st.text(), scalars), st.lists(st.floats(0, 1e3), max_size=5))
def test_any_point_survives_json(at: dict[str, Any], times: list[float]) -> None:
    point = Point(at, 2.0, tuple(times), tuple(times), ("",) * len(times))
    assert decode(Point, through_json(point)) == point


def test_infinities_and_nan_are_written_as_null() -> None:
    assert encode({"a": math.inf, "b": [math.nan, 1.0]}) == {"a": None, "b": [None, 1.0]}
    json.dumps(encode(measured(1.0, "s", "t", -math.inf, math.inf)), allow_nan=False)


def test_whole_numbers_are_taken_for_fractions_and_not_the_other_way() -> None:
    assert decode(Leaf, {"size": 3, "share": 1}) == Leaf(3, 1.0)
    assert isinstance(decode(Leaf, {"size": 3, "share": 1}).share, float)
    with pytest.raises(SchemaError, match=r"^\$\.size: expected a whole number, found 3\.5"):
        decode(Leaf, {"size": 3.5})


def test_true_is_no_number() -> None:
    for name in ("size", "share"):
        with pytest.raises(SchemaError, match=rf"\$\.{name}: expected a"):
            decode(Leaf, {"size": 1, name: True})


def test_missing_keys_take_the_default_and_new_keys_are_passed_over() -> None:
    assert decode(Leaf, {"size": 1, "added_later": [1, 2]}) == Leaf(1)
    with pytest.raises(SchemaError, match=r"^\$: 'size' is missing"):
        decode(Leaf, {})


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"leaves": [{"size": 1}, {"size": "x"}]}, r"\$\.leaves\[1\]\.size: expected a whole number, found 'x'"),
        ({"leaves": {"size": 1}}, r"\$\.leaves: expected a list"),
        ({"leaves": [[1]]}, r"\$\.leaves\[0\]: expected an object \(Leaf\)"),
        ({"verdict": "sure"}, r"\$\.verdict: expected 'agrees' or"),
        ({"best": 7}, r"\$\.best: expected an object \(Leaf\)"),
        ({"best": {"size": 1, "kind": 3}}, r"\$\.best\.kind: expected a word, found 3"),
        ({"best": {"size": 1, "extra": []}}, r"\$\.best\.extra: expected an object"),
        ({"word": {"value": 3, "unit": "", "how": "measured", "by": "x"}}, r"\$\.word\.value: expected a word, found 3"),
        ({"word": {"value": [1], "unit": "", "how": "measured", "by": "x"}}, r"\$\.word\.value: expected a word"),
        ({"word": {"unit": "", "how": "measured", "by": "x"}}, r"\$\.word: 'value' is missing"),
        ([], r"\$: expected an object \(Tree\)"),
        (None, r"\$: expected an object \(Tree\)"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(value: Any, place: str) -> None:
    with pytest.raises(SchemaError, match="^" + place):
        decode(Tree, value)


def test_a_long_value_is_shortened_in_the_message() -> None:
    with pytest.raises(SchemaError) as raised:
        decode(Tree, {"leaves": "x" * 10_000})
    assert len(raised.value.message) < 120


def test_invariants_of_records_are_told_with_their_place() -> None:
    bad = {"probe": "x", "version": 1, "points": [{"at": {}, "work": 1, "time_s": [1, 2], "clock_hz": [1]}]}
    with pytest.raises(SchemaError, match=r"^\$\.points\[0\]: clock_hz has 1 entries for 2 samples"):
        decode(Curve, bad)


def test_the_unknown_stays_unknown() -> None:
    fact = unknown("B", "latency@1", "no memory")
    assert decode(Fact, through_json(fact)) == fact
    tree = replace(Tree(), word=unknown("", "t", "why"))
    assert decode(Tree, through_json(tree)) == tree
