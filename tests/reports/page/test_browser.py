"""Pages in a real browser: what a reader can do with them, with scripts and without, on paper, by keyboard, and by a hostile address."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import AGAIN, HEAT, HOME, LINES, Opened, centre, drag, hash_of, marks, view
from mmbench.reports.page.html import page_html
from playwright.sync_api import Browser, Page, expect
from synthetic_page import HOSTILE, KERNELS, SIZES, full_of, rate_of

SKELETON = """() => [...document.querySelectorAll('*')].map(e => [e.localName, ...[...e.attributes].map(a => a.name)].join(' '))"""


def test_hover_shows_the_value_and_lights_the_same_everywhere(opened: Opened) -> None:
    page = opened()
    expect(page.locator("#tip")).to_be_hidden()
    page.mouse.move(*centre(marks(page, LINES).nth(len(SIZES) + 3)))  # the second kernel's fourth size
    expect(page.locator("#tip")).to_have_text(f"mkl at {SIZES[3]}: {rate_of(1, SIZES[3]):.3g} GFLOP/s")
    tip, mark = page.locator("#tip").bounding_box(), marks(page, LINES).nth(len(SIZES) + 3).bounding_box()
    assert tip
    assert mark
    assert abs(tip["x"] + tip["width"] / 2 - mark["x"] - mark["width"] / 2) < 3
    assert 0 < mark["y"] - tip["y"] - tip["height"] < 30
    assert page.locator("[data-series=mkl].lit").count() == 2  # in both figures
    assert page.locator("svg.has-lit").count() == 2
    keys = page.locator(".lit-key")
    assert keys.count() == 12  # four kernels in three figures
    assert set(keys.evaluate_all("all => all.map(e => e.dataset.key)")) == {f"cell{SIZES[3]}"}
    page.mouse.move(5, 5)
    expect(page.locator("#tip")).to_be_hidden()
    assert page.locator(".lit, .lit-key, .has-lit").count() == 0


def test_a_pointer_beside_a_small_mark_finds_it(opened: Opened) -> None:
    page = opened()
    x, y = centre(marks(page, LINES).nth(0))
    page.mouse.move(x - 8, y + 6)
    expect(page.locator("#tip")).to_have_text(f"openblas at 16: {rate_of(0, 16):.3g} GFLOP/s")


def test_a_cell_with_a_number_in_it_shows_its_words(opened: Opened) -> None:
    page = opened()
    page.mouse.move(*centre(marks(page, HEAT).nth(0)))
    expect(page.locator("#tip")).to_have_text("openblas at 16: 5% of the best")


def test_a_tap_shows_the_value_and_a_tap_elsewhere_hides_it(opened: Opened) -> None:
    page = opened(has_touch=True, is_mobile=True, viewport={"width": 390, "height": 800})
    page.touchscreen.tap(*centre(marks(page, LINES).nth(5)))
    expect(page.locator("#tip")).to_contain_text("openblas at 512")
    page.touchscreen.tap(*centre(page.locator(f"#{LINES} figcaption > :first-child")))
    expect(page.locator("#tip")).to_be_hidden()


def test_native_titles_do_not_double_the_tooltip(opened: Opened) -> None:
    page = opened()
    assert page.locator("svg title, main [title]").count() == 0
    page.mouse.move(*centre(page.locator("dd.m-odd").first))
    expect(page.locator("#tip")).to_have_text("claimed: 2 MiB")


def test_a_legend_switches_its_series_in_every_figure(opened: Opened) -> None:
    page = opened()
    entry = page.locator(f"#{LINES} svg [data-legend=mkl]")
    assert entry.get_attribute("aria-pressed") == "true"
    entry.click()
    assert page.locator("[data-series=mkl]:visible").count() == 0
    assert page.locator("[data-series=openblas]:visible").count() == 2
    assert page.locator("svg [data-legend=mkl]:visible").count() == 2  # it can be switched on again
    assert page.locator("svg [data-legend=mkl][aria-pressed=false].out").count() == 2
    page.mouse.move(*centre(marks(page, LINES).nth(0)))
    entry.focus()
    page.keyboard.press("Enter")
    assert page.locator("[data-series=mkl]:visible").count() == 2
    page.keyboard.press("Space")
    assert entry.get_attribute("aria-pressed") == "false"


def test_state_comes_back_from_the_address(opened: Opened) -> None:
    page = opened()
    page.locator(f"#{LINES} svg [data-legend=vectorized]").click()
    drag(page, AGAIN, (0.3, 0.3), (0.6, 0.6))
    page.locator(f"#{LINES} summary").click()
    hash_of(page, r"&d=.*&z=rates-3:.*&o=vectorized")
    zoomed = view(page, AGAIN)
    page.reload()
    assert view(page, AGAIN) == pytest.approx(zoomed, abs=0.2)
    assert view(page, LINES) == HOME
    assert page.locator("[data-series=vectorized]:visible").count() == 0
    assert page.locator("details[open]").evaluate_all("all => all.map(e => e.closest('figure').id)") == [LINES]


def test_a_link_to_a_section_keeps_the_state_and_the_address_brings_both_back(opened: Opened) -> None:
    page = opened()
    page.locator(f"#{LINES} svg [data-legend=mkl]").click()
    hash_of(page, "&o=mkl$")
    page.get_by_role("link", name="Method").click()
    address = hash_of(page, "#method&o=mkl$")
    other = opened(address)
    assert other.locator("[data-series=mkl]:visible").count() == 0
    other.wait_for_function("scrollY > 0")
    other.evaluate("location.hash = '#rates&o=openblas'")
    expect(other.locator("[data-series=openblas].off")).to_have_count(2)
    assert other.locator("[data-series=mkl]:visible").count() == 2


@pytest.mark.parametrize(
    "address",
    [
        "#<script>alert(1)</script>",
        "#&o=nobody,%E0%A4%A,%00,__proto__,constructor,mkl%00",
        "#&z=rates-2:NaN,1,1;rates-2:1,2;nobody:1,1,1;:;__proto__:1,1,1;rates-2:Infinity,0,9;rates-3:1e999,1,1",
        "#&d=99999,-1,1e3,0x1,,&d=0",
        "#rates-2&o&z&d&=&&&",
        "#javascript:alert(1)&x=" + "y" * 100_000,
        "#%",
        "#'];*{}",
        "#" + "&o=mkl" * 3 + "," * 50_000,
    ],
)
def test_a_hostile_address_does_nothing(opened: Opened, address: str) -> None:
    page = opened(address)
    skeleton = opened().evaluate(SKELETON)
    switched = 2 if "o=mkl," in address else 0
    assert page.locator(".off").count() == switched
    assert view(page, LINES) == view(page, AGAIN) == HOME
    assert page.locator("details[open]").count() == 0
    if not switched:
        assert page.evaluate(SKELETON) == skeleton
    page.locator(f"#{LINES} svg [data-legend=onednn]").click()
    assert len(hash_of(page, "onednn")) < 2500


def test_the_address_stays_short_whatever_is_switched(opened: Opened) -> None:
    page = opened()
    page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    for kernel in KERNELS:
        page.locator(f"#{LINES} svg [data-legend={kernel}]").click()
    hash_of(page, "&o=openblas,mkl,vectorized,onednn$")
    assert len(page.url.partition("#")[2]) < 2000


def test_tables_sort_by_a_click_on_a_head(opened: Opened) -> None:
    page = opened()
    table = page.locator("#rates > .scroll > table").first
    column = lambda: [float(text) for text in table.locator("tbody td:nth-child(3)").evaluate_all("all => all.map(e => e.dataset.v)")]  # noqa: E731
    before = column()
    head = table.get_by_role("button", name="Rate GFLOP/s")
    head.click()
    assert column() == sorted(before)
    assert table.locator("th[aria-sort=ascending]").count() == 1
    head.press("Enter")
    assert column() == sorted(before, reverse=True)
    assert table.locator("th[aria-sort=descending]").inner_text().startswith("Rate")
    head.click()
    assert column() == before
    assert table.locator("th[aria-sort]").count() == 0
    table.get_by_role("button", name="Kernel").click()
    names = table.locator("tbody td:nth-child(2)").all_inner_texts()
    assert names == sorted(names)


def test_keyboard_reaches_every_value_and_leaves(opened: Opened) -> None:
    page = opened()
    page.get_by_role("button", name="zoom in: Rate against size", exact=True).focus()
    page.keyboard.press("Tab")
    focused = lambda: page.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent.trim()")  # noqa: E731
    assert focused().startswith("openblas at 16:")
    expect(page.locator("#tip")).to_contain_text("openblas at 16:")
    page.keyboard.press("ArrowRight")
    assert focused().startswith("openblas at 32:")
    expect(page.locator("#tip")).to_contain_text("openblas at 32:")
    page.keyboard.press("ArrowDown")
    assert focused().startswith("mkl at")
    page.keyboard.press("End")
    assert focused().startswith(f"onednn at {SIZES[-1]}:")
    page.keyboard.press("Home")
    assert focused().startswith("openblas at 16:")
    assert page.locator(f"#{LINES} svg [role=img][tabindex='0']").count() == 1  # one stop for forty marks
    page.keyboard.press("Tab")
    assert focused() == "openblas"  # the first entry of the legend
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Escape")
    expect(page.locator("#tip")).to_be_hidden()
    assert page.evaluate("document.activeElement.localName") == "body"


def test_tab_shows_where_it_is(opened: Opened) -> None:
    page = opened()
    seen = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        name, width = page.evaluate(
            "() => { const e = document.activeElement; return [e.localName, parseFloat(getComputedStyle(e).outlineWidth) || 0]; }"
        )
        seen.add(name)
        assert name == "body" or width >= 2, name
    assert {"a", "button", "use", "g", "summary", "div"} <= seen


@pytest.mark.parametrize(("scheme", "ground", "ink"), [("light", 255, 27), ("dark", 20, 232)])
def test_the_page_follows_the_reader_s_colours(opened: Opened, scheme: str, ground: int, ink: int) -> None:
    page = opened(color_scheme=scheme)
    red = lambda selector, name: int(page.locator(selector).first.evaluate(f"e => getComputedStyle(e).{name}.match(/\\d+/)[0]"))  # noqa: E731
    assert red("body", "backgroundColor") == ground
    assert red("h1", "color") == ink
    assert red(f"#{LINES} svg > path", "fill") == ground  # the ground of a drawing
    assert red(f"#{LINES} [data-series=openblas] path", "stroke") == {"light": 0, "dark": 86}[scheme]


def test_print_is_light_whole_and_open(opened: Opened, tmp_path: Path) -> None:
    page = opened(color_scheme="dark")
    closed = page.locator("details:not([open])").count()
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.locator("details:not([open])")).to_have_count(0)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("nav:visible, .tools:visible, .skip:visible").count() == 0
    assert page.locator(".data .scroll").first.evaluate("e => e.scrollHeight - e.clientHeight") <= 1  # nothing is scrolled away
    page.pdf(path=tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().count(b"/Type /Page\n") > 1
    page.emulate_media(media="screen")
    expect(page.locator("details:not([open])")).to_have_count(closed)


def test_without_scripts_the_page_is_whole(opened: Opened) -> None:
    page = opened(java_script_enabled=False)
    assert page.locator("svg use > title").count() == 80
    assert page.locator("svg use > title").first.text_content() == f"openblas at 16: {rate_of(0, 16):.3g} GFLOP/s"
    assert page.locator("button").count() == 0  # nothing that would do nothing
    page.locator(f"#{LINES} summary").click()
    assert page.locator(f"#{LINES} tbody tr:visible").count() == len(KERNELS) * len(SIZES)
    assert page.locator("dd[title='claimed: 2 MiB']").count() == 2
    page.get_by_role("link", name="Method").click()
    expect(page).to_have_url(re.compile("#method$"))


def test_without_scripts_print_opens_the_tables(opened: Opened) -> None:
    page = opened(java_script_enabled=False)
    page.emulate_media(media="print")
    assert page.locator(f"#{LINES} tbody tr").first.bounding_box() is not None
    box = page.locator(f"#{LINES} tbody tr").last.bounding_box()
    assert box is not None
    assert box["height"] > 5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_axe_finds_nothing(opened: Opened, scheme: str, width: int) -> None:
    page = opened(bypass_csp=True, color_scheme=scheme, viewport={"width": width, "height": 900})
    page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    found = Axe().run(page)
    assert [(v["id"], v["help"], [n["html"][:160] for n in v["nodes"]]) for v in found.response["violations"]] == []
    assert len(found.response["passes"]) > 25


@pytest.mark.parametrize("width", [320, 360, 768, 1200, 1920])
def test_nothing_overflows(opened: Opened, width: int) -> None:
    page = opened(viewport={"width": width, "height": 900})
    page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    # what is wider than the page scrolls in a region of its own that a keyboard can reach
    page.evaluate("scrollTo(10000, 0)")
    assert page.evaluate("scrollX") == 0
    hidden = """() => [...document.querySelectorAll('main *')].filter(e =>
        e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX === 'auto')
        .map(e => e.tabIndex && !e.querySelector('[tabindex="0"]'))"""
    found = page.evaluate(hidden)
    assert not any(found)
    assert found or width > 800


def skeleton_of(opened: Opened, path: Path, text: str) -> list[str]:
    """The elements and attributes of a page full of `text`, after it was used and loaded again."""
    path.write_bytes(page_html(*full_of(text)).encode("utf-8"))
    page = opened(path=path)
    page.locator("[data-legend][role]").first.click()
    hash_of(page, "&o=")
    page.reload()
    assert page.locator(".off").count() > 0
    assert page.title() != "broken"
    return list(page.evaluate(SKELETON))


@pytest.fixture(scope="module")
def plain_skeleton(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    def open_page(path: Path) -> Page:
        page = browser.new_page()
        page.goto(path.as_uri())
        return page

    return skeleton_of(open_page, tmp_path_factory.mktemp("plain") / "page.html", "plain words")


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_browser_makes_no_element_of_a_string(kind: str, opened: Opened, plain_skeleton: list[str], tmp_path: Path) -> None:
    assert skeleton_of(opened, tmp_path / "page.html", HOSTILE[kind]) == plain_skeleton
