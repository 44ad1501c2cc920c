"""Drawings become SVG with the words of their marks on the right marks, harmless whatever they are called, the same each time."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from xml.etree import ElementTree

import numpy as np
import pytest
from mmbench.reports.figures.svg import FORMS, Classes, file_of, harmless, inline, mismatched
from mmbench.reports.figures.theme import COLOURS, Drawing, Mark, axes_in, drawing, styled
from synthetic_page import DEFECTS, HOSTILE, SIZES, drawing_of, heat, lines, rate_of

SVG = "{http://www.w3.org/2000/svg}"
TAGS = {"svg", "title", "desc", "g", "path", "use", "defs", "clipPath", "rect", "text", "tspan"}


def written(drawn: Drawing, classes: Classes | None = None) -> ElementTree.Element:
    return ElementTree.fromstring(
        inline(drawn, "_1", "title", "description", classes or Classes()).replace("<svg", f'<svg xmlns="{SVG[1:-1]}"')
    )


def told(root: ElementTree.Element) -> list[tuple[str, str, str]]:
    """(tag, words, key) of every mark, in the order of the document."""
    return [
        (element.tag.removeprefix(SVG), title.text or "", element.get("data-key", ""))
        for element in root.iter()
        if element is not root and (title := element.find(f"{SVG}title")) is not None
    ]


def test_the_marks_of_a_line_have_their_words_in_order_and_at_their_place() -> None:
    root = written(styled(lines))
    assert told(root)[: len(SIZES)] == [("use", f"openblas at {s}: {rate_of(0, s):.3g} GFLOP/s", f"cell{s}") for s in SIZES]
    places = [float(e.get("x", "")) for e in root.iter(f"{SVG}use") if (e.findtext(f"{SVG}title") or "").startswith("openblas")]
    assert places == sorted(places)
    assert len(set(places)) == len(SIZES)


def test_each_rectangle_has_its_own_words() -> None:
    marks = told(written(styled(heat)))
    assert len(marks) == 40
    assert marks[1] == ("path", "openblas at 32: 8% of the best", "cell32")


@pytest.mark.parametrize("marker", ["o", "s", "^", "x"])
@pytest.mark.parametrize("count", [1, 2, 3, 8, 40])
def test_every_point_of_a_cloud_has_its_words_however_few_there_are(count: int, marker: str) -> None:
    """matplotlib writes few markers as paths of their own and many as copies of one."""

    def draw() -> Drawing:
        drawn = drawing(200)
        axes_in(drawn).scatter(range(count), range(count), marker=marker).set_gid("cloud")
        drawn.marks["cloud"] = [Mark(f"point {i}") for i in range(count)]
        return drawn

    drawn = styled(draw)
    assert [words for _, words, _ in told(written(drawn))] == [f"point {i}" for i in range(count)]
    assert mismatched(drawn) == []


def test_marks_that_do_not_fit_what_is_drawn_say_nothing_and_are_told_to_tests() -> None:
    def draw() -> Drawing:
        drawn = drawing(200)
        axes = axes_in(drawn)
        axes.plot([1, np.nan, 3], [1, 2, 3], marker="o")[0].set_gid("gap")
        axes.plot([1, 2], [1, 2], marker="o")[0].set_gid("right")
        drawn.marks = {"gap": [Mark("a"), Mark("b"), Mark("c")], "right": [Mark("d"), Mark("e")], "nowhere": [Mark("f")]}
        return drawn

    drawn = styled(draw)
    assert [words for _, words, _ in told(written(drawn))] == ["d", "e"]
    assert mismatched(drawn) == ["gap", "nowhere"]


def test_series_and_legends_are_named() -> None:
    root = written(styled(lines))
    groups = {e.get("data-series"): e for e in root.iter(f"{SVG}g") if e.get("data-series")}
    assert list(groups) == ["openblas", "mkl", "vectorized", "onednn"]
    assert all(len(list(g.iter(f"{SVG}use"))) == len(SIZES) for g in groups.values())
    assert ["".join(e.itertext()).strip() for e in root.iter(f"{SVG}g") if e.get("data-legend") == "mkl"] == ["mkl"]


def test_colours_are_names_that_the_page_gives_and_lengths_follow_the_zoom() -> None:
    classes = Classes()
    written(styled(lines), classes)
    written(styled(heat), classes)
    rules = classes.rules()
    assert set(re.findall(r"var\(--(\w+)\)", rules)) <= set(COLOURS.values())
    assert re.findall(r"#[0-9a-fA-F]{3,6}", rules) == []
    assert re.findall(r"(?:stroke-width|font-size|stroke-dasharray):(?!calc)", rules) == []
    assert "font-size:calc(9.5px*var(--z,1)*var(--t,1))" in rules


def test_a_drawing_is_small() -> None:
    text = inline(styled(lines), "_1", "t", "d", Classes())
    marks = re.findall(r"<use[^>]*><title>.*?</use>", text)
    assert len(marks) == 40
    assert max(map(len, marks)) < 130
    assert "rotate(-0" not in text
    assert re.search(r"\d\.\d\d", re.sub(r"<title>.*?</title>|transform=\"[^\"]*\"", "", text)) is None


def test_ids_are_the_page_s_own_and_what_is_meant_is_there() -> None:
    text = inline(styled(heat), "_7", "t", "d", Classes())
    ids = re.findall(r' id="([^"]*)"', text)
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"_7-\w+", one) for one in ids)
    assert set(re.findall(r'href="#([^"]*)"', text)) | set(re.findall(r"url\(#([^)]*)\)", text)) <= set(ids)


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_strings_stay_strings(kind: str) -> None:
    text = HOSTILE[kind]
    drawn = styled(lambda: drawing_of(text))
    root = written(drawn)  # parsed as XML: nothing broke out
    key = harmless(text, 120).replace("\t", " ")  # what XML makes of an attribute
    assert {e.tag.removeprefix(SVG) for e in root.iter()} <= TAGS
    assert sorted(told(root)) == sorted([("use", harmless(text), key)] * 4 + [("path", harmless(text), key)])
    assert {e.get("data-series") for e in root.iter()} - {None} == {key}
    assert not set(DEFECTS) & set("".join(root.itertext()))
    assert mismatched(drawn) == []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["element", "control", "surrogate", "ends", "maths"])
def test_files_of_hostile_drawings_can_be_written(kind: str, form: str) -> None:
    content = file_of(styled(lambda: drawing_of(HOSTILE[kind])), form)
    assert content.startswith({"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}[form])
    if form == "svg":
        ElementTree.fromstring(content)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("draw", [lines, heat])
def test_the_same_drawing_gives_the_same_file(draw: Callable[[], Drawing], form: str) -> None:
    assert file_of(styled(draw), form) == file_of(styled(draw), form)


def test_writing_twice_gives_the_same() -> None:
    drawn = styled(lambda: drawing_of("a & b"))
    assert inline(drawn, "_1", "t", "d", Classes()) == inline(drawn, "_1", "t", "d", Classes())


def test_titles_and_descriptions_are_escaped_and_cut() -> None:
    text = inline(styled(lines), "_1", "<b>" + "x" * 10**6, '"&' + "y" * 10**6, Classes())
    assert len(text) < 60_000
    assert escape("<b>xx") in text
    assert "<b>" not in text


def test_links_and_pictures_of_a_drawing_do_not_pass() -> None:
    def draw() -> Drawing:
        drawn = drawing(200)
        axes = axes_in(drawn)
        axes.text(0.5, 0.5, "linked").set_url("https://example.invalid/")
        axes.imshow([[0, 1], [1, 0]])
        return drawn

    text = inline(styled(draw), "_1", "t", "d", Classes())
    assert "example.invalid" not in text
    assert "<image" not in text
    assert "<a" not in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("a\x00b", "a\N{REPLACEMENT CHARACTER}b"),
        ("\ud800", "\N{REPLACEMENT CHARACTER}"),
        ("a\nb\tc", "a\nb\tc"),
        ("שלום", "שלום"),
    ],
)
def test_harmless(text: str, expected: str) -> None:
    assert harmless(text) == expected
    assert len(harmless(text * 1000, 10)) == 10


def test_a_file_has_its_title_and_its_maker_and_the_page_has_neither() -> None:
    drawn = styled(lines)
    plain = inline(drawn, "_1", "t", "d", Classes())
    title = "Latency: Emerald Rapids, 2 CPUs (synthetic) " + "long " * 30
    words = [text.strip() for text in ElementTree.fromstring(file_of(drawn, "svg", title)).itertext() if text.strip()]
    assert [word for word in words if "(synthetic)" in word]
    assert " ".join(words).count("long") == 30
    assert words[-1] == "mmbench"
    assert file_of(drawn, "svg", title) == file_of(drawn, "svg", title)
    assert inline(drawn, "_1", "t", "d", Classes()) == plain
    heights = [int.from_bytes(file_of(drawn, "png", name)[20:24], "big") for name in ("", "short", title)]
    assert heights == sorted(set(heights))
