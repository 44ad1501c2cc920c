"""The page of every registered section, out of files: its figures say what they draw, and a browser has nothing to complain of."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from mmbench.configs.gateplan import CellState
from mmbench.reports.figures.svg import Classes, inline, mismatched
from mmbench.reports.figures.theme import styled
from mmbench.reports.page.blocks import Section
from mmbench.reports.page.evidence import gather
from mmbench.reports.page.html import Page as Head
from mmbench.reports.page.html import page_html
from mmbench.reports.page.registry import all_sections, sections_of
from playwright.sync_api import Page
from report_evidence import real_and_made_up
from synthetic_gate import gate_plan, write_gate


@pytest.fixture(scope="module")
def sections(tmp_path_factory: pytest.TempPathFactory) -> list[Section]:
    results = tmp_path_factory.mktemp("results")
    real_and_made_up(results)
    write_gate(
        results, gate_plan(60), changes={1: 0.06, 2: -0.08, 9: 0.04}, noise=0.03, states=[CellState(3, "crashed", "new", "signal 11")]
    )
    return sections_of(gather([], results))


@pytest.fixture(scope="module")
def whole(sections: list[Section], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "report.html"
    path.write_bytes(page_html(Head("Two machines", "synthetic", "mmbench report"), sections).encode("utf-8"))
    return path


def test_the_marks_of_every_figure_fit_what_is_drawn_and_its_colours_have_names(sections: list[Section]) -> None:
    wrong = []
    for figure in [figure for section in sections for figure in section.figures()]:
        drawn, classes = styled(figure.draw), Classes()
        text = inline(drawn, "_1", "t", "d", classes)
        wrong += [f"{figure.title}: marks of {gid}" for gid in mismatched(drawn)]
        wrong += [f"{figure.title}: {found}" for found in re.findall(r"(?:fill|stroke):#\w+", classes.rules())]
        wrong += [
            f"{figure.title}: {name} has a legend and no series" for name in sorted({*drawn.legend.values()} - {*drawn.series.values()})
        ]
        wrong += [] if text.count("<title>") > 0 else [f"{figure.title}: no words"]
    assert wrong == []


def test_every_section_has_something_to_say_of_two_whole_machines_and_a_gate(sections: list[Section]) -> None:
    assert [section.name for section in sections] == [maker.name for maker in all_sections()]


def test_the_page_is_quiet_and_stays_inside_a_phone(opened: Callable[..., Page], whole: Path) -> None:
    page = opened(path=whole, viewport={"width": 360, "height": 800})
    page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.locator("figure .tools").count() == page.locator("figure").count() > 10


SMALLEST = """() => Math.min(...[...document.querySelectorAll('.plot > svg text')].filter(e => e.getClientRects().length).map(e => {
    const { a, b } = e.getScreenCTM();
    return parseFloat(getComputedStyle(e).fontSize) * Math.hypot(a, b);
}))"""


def test_type_can_be_read_on_a_phone_and_every_key_be_touched(opened: Callable[..., Page], whole: Path) -> None:
    page = opened(path=whole, viewport={"width": 360, "height": 780}, has_touch=True, is_mobile=True)
    assert page.evaluate(SMALLEST) >= 11
    keys = "all => all.map(e => e.getBoundingClientRect()).map(({ width, height }) => Math.min(width, height))"
    assert min(page.locator(".keys [data-legend]").evaluate_all(keys)) >= 24
    drawn = "() => [...document.querySelectorAll('svg [data-legend][role]')].every(e => {\n"
    same = drawn + "  return [...e.closest('figure').querySelectorAll('.keys *')].some(o => o.dataset.legend === e.dataset.legend); })"
    assert page.evaluate(same)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_page(opened: Callable[..., Page], whole: Path, scheme: str) -> None:
    page = opened(path=whole, bypass_csp=True, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    found = Axe().run(page).response["violations"]
    assert [(v["id"], [n["html"][:160] for n in v["nodes"][:5]]) for v in found] == []
