"""What tests of pages share: a browser, and a page opened in it under watch."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from synthetic_page import sample_html

FLAGS = [
    "--no-sandbox",  # a container's root has none
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium without a window."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("needs chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of synthetic_page.py, in a file."""
    path = tmp_path_factory.mktemp("page") / "sample.html"
    path.write_text(sample_html(), encoding="utf-8", newline="\n")
    return path


@pytest.fixture
def opened(browser: Browser, sample: Path) -> Iterator[Callable[..., Page]]:
    """`opened(hash="", path=…, **context)` is the page; at the end nothing was said on its console and nothing was asked of any server."""
    contexts = []
    said: list[str] = []

    def open_page(address: str = "", path: Path = sample, **context: Any) -> Page:
        contexts.append(browser.new_context(**{"viewport": {"width": 1200, "height": 900}, "reduced_motion": "reduce", **context}))
        page = contexts[-1].new_page()

        def asked(url: str) -> None:
            if not url.startswith("data:") and url.partition("#")[0] != path.as_uri():
                said.append(f"request: {url}")

        page.on("console", lambda message: said.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on("request", lambda request: asked(request.url))
        page.goto(path.as_uri() + address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
