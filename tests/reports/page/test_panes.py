"""What a zoom of a figure magnifies, what goes along its axes, and what stays; finer ticks have true labels."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from mmbench.configs.units import parse_size
from mmbench.reports.figures.keys import set_log_ticks, set_size_ticks, switches
from mmbench.reports.figures.panes import parted
from mmbench.reports.figures.svg import Classes, file_of, inline
from mmbench.reports.figures.theme import NARROW, Drawing, axes_in, drawing, styled
from synthetic_page import HOSTILE, KERNELS, drawing_of, heat, lines

SVG = "{http://www.w3.org/2000/svg}"


def written(drawn: Drawing) -> ElementTree.Element:
    return ElementTree.fromstring(inline(drawn, "_1", "t", "d", Classes()).replace("<svg", f'<svg xmlns="{SVG[1:-1]}"', 1))


def words_of(element: ElementTree.Element) -> list[str]:
    return ["".join(text.itertext()).strip() for text in element.iter(f"{SVG}text")]


def view_of(root: ElementTree.Element) -> ElementTree.Element:
    (view,) = [element for element in root.iter(f"{SVG}svg") if element is not root]
    return view


def test_what_lies_in_the_axes_is_in_an_svg_of_its_own_and_the_labels_are_not() -> None:
    root = written(styled(lines))
    view = view_of(root)
    assert view.get("viewBox") == "52 14 278 206"
    assert [view.get(name) for name in ("x", "y", "width", "height")] == ["52", "14", "278", "206"]
    inside = {e.get("data-series") for e in view.iter() if e.get("data-series")}
    assert inside == set(KERNELS)
    assert words_of(view) == []
    outside = words_of(root)
    assert {"size", "GFLOP/s", *KERNELS} <= set(outside)
    assert len(list(view.iter(f"{SVG}use"))) == 40
    assert view[-1].get("class") == "band"


def test_each_tick_says_where_it_is() -> None:
    def draw() -> Drawing:
        drawn = drawing(200)
        axes = axes_in(drawn, left=50, right=20, top=10, bottom=40, xlim=(0, 10), ylim=(0, 100))
        axes.set_xticks([0, 5, 10])
        axes.set_yticks([0, 50, 100])
        return drawn

    root = written(styled(draw))
    width = NARROW - 70
    major = {words_of(e)[0]: float(e.get("data-x", "nan")) for e in root.iter() if e.get("data-x") and not e.get("data-k")}
    assert major == {"0": 50, "5": pytest.approx(50 + width / 2, abs=0.1), "10": NARROW - 20}
    up = {words_of(e)[0]: float(e.get("data-y", "nan")) for e in root.iter() if e.get("data-y") and not e.get("data-k")}
    assert up == {"0": 160, "50": 85, "100": 10}
    finer = {words_of(e)[0]: float(e.get("data-x", "nan")) for e in root.iter() if e.get("data-x") and e.get("data-k")}
    assert finer == {word: pytest.approx(50 + width * float(word) / 10, abs=0.1) for word in "12346789"}
    assert all(float(e.get("data-k", "0")) > 1 and e.get("class") == "gone" for e in root.iter() if e.get("data-k"))


@pytest.mark.parametrize(("low", "high"), [(0.7, 300.0), (1.0, 9.0), (3.0, 2e6), (20.0, 90.0)])
def test_finer_ticks_of_a_logarithmic_axis_have_true_labels_and_room(low: float, high: float) -> None:
    def draw() -> Drawing:
        drawn = drawing(260)
        axes = axes_in(drawn, yscale="log", xscale="log", ylim=(low, high), xlim=(4096, 4096 * high / low))
        set_log_ticks(axes.yaxis, low, high)
        set_size_ticks(axes, *axes.get_xlim())
        return drawn

    root = written(styled(draw))
    _, top, _, height = map(float, (view_of(root).get("viewBox") or "").split())
    seen = [(float(e.get("data-y", "0")), float(e.get("data-k", "1")), words_of(e)[0]) for e in root.iter() if e.get("data-y")]
    assert len([1 for _, k, _ in seen if k > 1]) >= len(seen) // 2
    for place, _, words in seen:
        assert float(words) == pytest.approx(low * math.exp((top + height - place) / height * math.log(high / low)), rel=0.01)
    for k in (2.0, 4.0, 10.0):
        shown = sorted(place * k for place, least, _ in seen if least <= k)
        assert all(b - a > 9 for a, b in pairwise(shown))
    left, _, width, _ = map(float, (view_of(root).get("viewBox") or "").split())
    for e in root.iter():
        if e.get("data-x"):
            share = (float(e.get("data-x", "0")) - left) / width
            assert parse_size(words_of(e)[0]) == pytest.approx(4096 * math.exp(share * math.log(high / low)), rel=0.02)


def test_categories_have_no_ticks_between_them() -> None:
    def draw() -> Drawing:
        drawn = drawing(200)
        axes = axes_in(drawn, xlim=(-0.5, 2.5), ylim=(0, 3))
        axes.set_xticks([0, 1, 2], ["L1d", "L2", "DRAM"])
        axes.set_yticks([0.5, 1.5, 2.5], ["0", "1", "2"])  # names that are numbers, beside other values
        return drawn

    assert [words_of(e) for e in written(styled(draw)).iter() if e.get("data-k")] == []


def test_powers_of_ten_as_matplotlib_writes_them_stand_alone() -> None:
    def draw() -> Drawing:
        drawn = drawing(200)
        axes_in(drawn, xscale="log", xlim=(1, 1e4), ylim=(0, 1))
        return drawn

    root = written(styled(draw))
    assert len([e for e in root.iter() if e.get("data-x")]) >= 5
    assert [e for e in root.iter() if e.get("data-x") and e.get("data-k")] == []


def test_a_figure_as_a_file_is_the_same_before_and_after() -> None:
    drawn = styled(lines)
    before = file_of(drawn, "svg", "t")
    assert parted(drawn) is not None
    again = file_of(drawn, "svg", "t")
    assert re.sub(rb'id="[^"]*"', b"", again) == re.sub(rb'id="[^"]*"', b"", before)


def test_a_frame_that_a_drawing_names_is_what_is_magnified() -> None:
    def draw() -> Drawing:
        drawn = heat()
        axes = drawn.figure.axes[0]
        drawn.frame = (90.0, 14.0, 300.0, 146.0)
        drawn.follow(axes.text(9.5, 2, "right of it"), "y")
        drawn.follow(axes.text(9.5, 3, "only without a zoom"), "")
        return drawn

    root = written(styled(draw))
    view = view_of(root)
    assert view.get("class") == "view whole"
    assert "right of it" not in words_of(view)
    (goes,) = [e for e in root.iter() if e.get("data-y") and words_of(e) == ["right of it"]]
    assert float(goes.get("data-y", "0")) == pytest.approx(14 + 146 / 2, abs=1)
    assert [words_of(e) for e in root.iter() if e.get("class") == "home"] == [["only without a zoom"]]


def test_drawings_of_no_or_several_axes_are_magnified_as_a_whole() -> None:
    def several() -> Drawing:
        drawn = drawing(200)
        axes_in(drawn, left=250)
        axes_in(drawn, right=250)
        return drawn

    for draw in (several, lambda: drawing(100)):
        root = written(styled(draw))
        assert [e for e in root.iter(f"{SVG}svg") if e is not root] == []
        assert root[-1].get("class") == "band"


@pytest.mark.parametrize("kind", HOSTILE)
def test_names_of_artists_that_are_hostile_part_nothing_wrongly(kind: str) -> None:
    plain, root = (written(styled(lambda text=text: drawing_of(text))) for text in ("plain words", HOSTILE[kind]))
    assert [e.tag for e in view_of(plain).iter()] == [e.tag for e in view_of(root).iter()]


def test_a_key_says_its_words_and_its_colour() -> None:
    assert switches(styled(lines)) == [(kernel, kernel, f"c{number}") for number, kernel in enumerate(KERNELS)]
