from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmbench.reports.text import cell_width, clean, pad, shorten, to_ascii, wrap


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;owned\x07title", "title"),
        ("\x1b]8;;http://example.org\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Jgone", "gone"),
        ("\x1bPpayload\x1b\\after", "after"),
        ("one\ntwo\tthree\r\nfour", "one two three four"),
        ("back\x08space", "back\ufffdspace"),
        ("\u202eevil\u202c", "evil"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("a\u0300\u0301\u0302\u0303", "\xe0\u0301"),
        ("nul\x00", "nul\ufffd"),
        ("\ud800", "\ufffd"),
        ("  Xeon(R)   CPU  ", "Xeon(R) CPU"),
        ("", ""),
    ],
)
def test_clean_leaves_only_harmless_text(hostile: str, harmless: str) -> None:
    assert clean(hostile) == harmless


def test_clean_shortens_a_megabyte_and_says_so() -> None:
    assert clean("x" * 1_000_000, 20) == "x" * 19 + "…"
    assert clean("x" * 1_000_000, 20, ascii_only=True) == "x" * 17 + "..."
    assert clean("\u200b" * 1_000_000 + "tail", 20) == "…", "what lies behind a flood of nothing is not shown, and a reader sees that"


def test_clean_keeps_what_just_fits() -> None:
    assert clean("x" * 20, 20) == "x" * 20
    assert clean("寸" * 10, 20) == "寸" * 10
    assert clean("寸" * 11, 20) == "寸" * 9 + "…"


def test_ascii_keeps_the_meaning() -> None:
    assert to_ascii("4.98 ±0.02 µs ≠ 3 × café → 東") == "4.98 +-0.02 us != 3 x cafe -> ?"


def test_wide_characters_take_two_cells() -> None:
    assert cell_width("abc") == 3
    assert cell_width("キャッシュ") == 10
    assert cell_width("e\u0301") == 1
    assert pad("キ", 4, "right") == "  キ"
    assert pad("ab", 5, "centre") == " ab  "
    assert pad("too wide", 3) == "too wide"


def test_shorten_never_splits_a_wide_character() -> None:
    assert shorten("漢字漢字", 6) == "漢字…"


@given(st.text(max_size=300), st.integers(8, 60))
def test_wrap_loses_nothing_and_fits(text: str, width: int) -> None:
    safe = clean(text)
    lines = wrap(safe, width)
    assert all(cell_width(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(safe.split())


@given(st.text(max_size=500), st.integers(5, 80), st.booleans())
def test_clean_is_always_harmless_and_bounded(text: str, limit: int, ascii_only: bool) -> None:
    result = clean(text, limit, ascii_only=ascii_only)
    assert cell_width(result) <= limit
    assert not any(unicodedata.category(c)[0] == "C" or c in "\u2028\u2029\n" for c in result)
    assert result.isascii() or not ascii_only
