"""Figures in a real browser, magnified, and on a phone: axes keep their labels, keys can be touched, nothing is cut."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
from browsing import AGAIN, HEAT, HOME, LINES, Opened, centre, drag, marks, view
from synthetic_page import KERNELS


def test_zoom_by_rectangle_by_wheel_by_button_and_back(opened: Opened) -> None:
    page = opened()
    home = view(page, LINES)
    drag(page, LINES, (0.3, 0.3), (0.5, 0.6))
    x, y, width, height = view(page, LINES)
    assert home == HOME
    assert width == pytest.approx(0.3 * home[2], rel=0.02)  # the height asks for more
    assert height / width == pytest.approx(home[3] / home[2], rel=0.01)
    middle = (x + width / 2 - home[0], y + height / 2 - home[1])
    assert middle == (pytest.approx(0.4 * home[2], rel=0.02), pytest.approx(0.45 * home[3], rel=0.02))
    page.get_by_role("button", name="reset: Rate against size", exact=True).click()
    assert view(page, LINES) == home
    page.get_by_role("button", name="zoom in: Rate against size", exact=True).click()
    assert view(page, LINES)[2] == pytest.approx(0.6 * home[2])
    page.mouse.move(*centre(page.locator(f"#{AGAIN} .plot > svg")))
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    page.wait_for_function(f"document.querySelector('#{AGAIN} .view').viewBox.baseVal.width < {home[2]}")
    assert view(page, HEAT)[2] == 756  # another figure stays
    page.mouse.wheel(0, 50)
    page.wait_for_function("scrollY > 0")  # a wheel without Ctrl scrolls


def test_zoom_stays_inside_the_figure_and_keeps_the_size_of_marks(opened: Opened) -> None:
    page = opened()
    before = marks(page, LINES).nth(4).bounding_box()
    drag(page, LINES, (-0.1, -0.04), (0.5, 0.5))  # from beside the axes
    x, y, width, _ = view(page, LINES)
    assert (x, y) == (HOME[0], HOME[1])
    assert width < HOME[2]
    after = marks(page, LINES).nth(4).bounding_box()
    assert before
    assert after
    assert after["width"] == pytest.approx(before["width"], abs=1.5)


LABELS = """figure => [...document.querySelectorAll(`#${figure} [data-x],#${figure} [data-y]`)].filter(e => e.getClientRects().length)
    .map(e => {
        const m = document.querySelector(`#${figure} .view`).getScreenCTM(), { x, y } = e.dataset, box = e.getBoundingClientRect();
        const at = x ? m.e + m.a * x : m.f + m.d * y, middle = x ? (box.left + box.right) / 2 : (box.top + box.bottom) / 2;
        return [x ? 'x' : 'y', e.textContent.trim(), at - middle, box.left, box.top, box.right, box.bottom];
    })"""


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_zoom_keeps_the_labels_of_the_axes_beside_what_they_label(opened: Opened, steps: int) -> None:
    page = opened()
    before = page.evaluate(LABELS, LINES)
    drag(page, LINES, (0.3, 0.2), (0.8, 0.7))
    for _ in range(steps - 1):
        page.get_by_role("button", name="zoom in: Rate against size", exact=True).click()
    assert HOME[2] / view(page, LINES)[2] == pytest.approx(min(10, 2 / 0.6 ** (steps - 1)), rel=0.02)
    box = page.locator(f"#{LINES} .plot > svg").bounding_box()
    assert box is not None
    after = page.evaluate(LABELS, LINES)
    for axis in "xy":
        found = [words for name, words, *_ in after if name == axis]
        assert len(found) > 1
        assert set(found) != {words for name, words, *_ in before if name == axis}
    for axis, words, off, left, top, right, bottom in after:
        assert abs(off) < 4, (axis, words)
        assert box["x"] - 1 <= left < right <= box["x"] + box["width"] + 1
        assert box["y"] - 1 <= top < bottom <= box["y"] + box["height"] + 1
    places = {axis: sorted((b[3:7] for b in after if b[0] == axis), key=lambda b: b[axis == "y"]) for axis in "xy"}
    assert all(a[2] <= b[0] for a, b in pairwise(places["x"]))  # none over another
    assert all(a[3] <= b[1] + 6 for a, b in pairwise(places["y"]))
    for words in ("size", "GFLOP/s", *KERNELS):  # titles and the key stay where they were
        assert page.locator(f"#{LINES} svg text", has_text=re.compile(f"^{words}$")).bounding_box() is not None
    page.get_by_role("button", name="reset: Rate against size", exact=True).click()
    page.evaluate("scrollTo(0, 0)")
    assert [(axis, words) for axis, words, *_ in page.evaluate(LABELS, LINES)] == [(axis, words) for axis, words, *_ in before]


def test_what_is_magnified_is_cut_at_the_axes(opened: Opened) -> None:
    page = opened()
    assert page.locator(f"#{LINES} .view").evaluate("e => getComputedStyle(e).overflow") == "visible"
    drag(page, LINES, (0.3, 0.2), (0.8, 0.7))
    assert page.locator(f"#{LINES} .view").evaluate("e => getComputedStyle(e).overflow") == "hidden"


def test_a_grid_is_magnified_with_its_type(opened: Opened) -> None:
    page = opened()
    assert page.locator(".view.whole").count() == 0  # the sample's heatmap stands in ordinary axes
    page.evaluate(f"document.querySelector('#{HEAT} .view').classList.add('whole')")
    before = marks(page, HEAT).nth(25).bounding_box()
    drag(page, HEAT, (0.25, 0.25), (0.75, 0.75))
    after = marks(page, HEAT).nth(25).bounding_box()
    assert before
    assert after
    assert after["width"] == pytest.approx(2 * before["width"], rel=0.1)


PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 780}, "has_touch": True, "is_mobile": True}


def test_on_a_phone_a_key_can_be_touched(opened: Opened) -> None:
    page = opened(**PHONE)
    entries = page.locator(f"#{LINES} .keys [data-legend]")
    assert entries.all_inner_texts() == list(KERNELS)
    boxes = [box for entry in entries.all() if (box := entry.bounding_box())]
    assert all(box["height"] >= 24 and box["width"] >= 24 for box in boxes)
    entries.nth(1).tap()
    assert page.locator("[data-series=mkl]:visible").count() == 0
    assert entries.nth(1).get_attribute("aria-pressed") == "false"
    entries.nth(1).focus()
    page.keyboard.press("Enter")
    assert page.locator("[data-series=mkl]:visible").count() == 2
    assert opened().locator(".keys:visible").count() == 0  # a mouse finds the key itself


def test_on_a_phone_a_figure_scrolls_in_its_own_place_and_says_so(opened: Opened) -> None:
    page = opened(**PHONE)
    plot = page.locator(f"#{LINES} .plot")
    assert plot.evaluate("e => [e.scrollWidth > e.clientWidth, getComputedStyle(e, '::after').content]")[0]
    assert "scroll sideways" in plot.evaluate("e => getComputedStyle(e, '::after').content")
    plot.evaluate("e => e.scrollTo(9999, 0)")
    box = page.locator(f"#{LINES} .plot > svg").bounding_box()
    assert box
    assert box["x"] + box["width"] == pytest.approx(360, abs=1)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    wide = opened(viewport={"width": 480, "height": 800})
    assert wide.locator(f"#{LINES} .plot").evaluate("e => e.scrollWidth <= e.clientWidth")
    assert wide.locator(f"#{LINES} .plot").evaluate("e => getComputedStyle(e, '::after').content") == "none"
