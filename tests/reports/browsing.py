"""What tests in a browser share: the figures of the sample page, and what a reader does with them."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

LINES, AGAIN, HEAT = "rates-2", "rates-3", "heat"  # ids of the three figures
HOME = [52, 14, 278, 206]  # the axes of a figure of lines

Opened = Callable[..., Page]


def marks(page: Page, figure: str) -> Locator:
    return page.locator(f"#{figure} svg [role=img]")


def view(page: Page, figure: str) -> list[float]:
    return [float(n) for n in (page.locator(f"#{figure} svg .view").get_attribute("viewBox") or "").split()]


def centre(place: Locator) -> tuple[float, float]:
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def hash_of(page: Page, pattern: str) -> str:
    """The page's address once it fits."""
    expect(page).to_have_url(re.compile(pattern))
    return "#" + page.url.partition("#")[2]


def drag(page: Page, figure: str, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw a rectangle; places are shares of the axes, which nobody has magnified yet."""
    place = page.locator(f"#{figure} .plot > svg")
    place.scroll_into_view_if_needed()
    box, (left, top, width, height) = place.bounding_box(), view(page, figure)
    assert box is not None
    one = box["width"] / float((place.get_attribute("viewBox") or "").split()[2])
    for action, (x, y) in ((page.mouse.move, start), (None, start), (page.mouse.move, end)):
        if action is None:
            page.mouse.down()
        else:
            action(box["x"] + one * (left + x * width), box["y"] + one * (top + y * height))
    page.mouse.up()
