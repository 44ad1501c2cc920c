"""Make the README's pictures out of stored results: a terminal screen and a page, by the commands that the README names.

    make pictures RESULTS=mmbench-results

The screens are what `mmbench show` prints, in the colours of a terminal; the page is what `mmbench report` writes. Both are photographed in
headless Chromium, so the pictures cannot show what the program does not.
"""

from __future__ import annotations

import html
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
MMBENCH = str(Path(sys.executable).with_name("mmbench"))
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
# The eight colours of a terminal, as a dark one shows them.
COLOURS = {
    "1": "font-weight:600",
    "2": "color:#8b949e",
    "31": "color:#ff7b72",
    "32": "color:#7ee787",
    "33": "color:#e3b341",
    "36": "color:#79c0ff",
}
PAGE = (
    '<!doctype html><meta charset="utf-8"><body style="margin:0;background:#0d1117"><pre style="display:inline-block;margin:0;'
    "padding:18px 22px;background:#0d1117;color:#e6edf3;font:15px/1.32 'DejaVu Sans Mono',monospace\">%s</pre>"
)
_CODE = re.compile(r"\x1b\[([0-9;]*)m")


def as_html(text: str) -> str:
    """What a terminal would show of this text, as spans."""
    parts, opened = [], False
    for index, piece in enumerate(_CODE.split(text)):
        if index % 2 == 0:
            parts.append(html.escape(piece))
            continue
        parts.append("</span>" if opened else "")
        styles = ";".join(COLOURS[code] for code in piece.split(";") if code in COLOURS)
        opened = bool(styles)
        parts.append(f'<span style="{styles}">' if opened else "")
    return "".join(parts) + ("</span>" if opened else "")


def screen(browser: Browser, name: str, *words: str, lines: int | None = None) -> None:
    """A picture of what a command prints; of its first lines, where so many are named."""
    run = subprocess.run([MMBENCH, "--color", *words], capture_output=True, text=True, check=True, env=None)
    text = run.stdout if lines is None else "".join(run.stdout.splitlines(keepends=True)[:lines])
    shown = f"\x1b[2m$\x1b[0m mmbench {' '.join(word for word in words if not word.startswith('--results'))}\n{text}"
    page = browser.new_page(viewport={"width": 900, "height": 700}, device_scale_factor=1.5)
    page.set_content(PAGE % as_html(shown))
    page.locator("pre").screenshot(path=FOLDER / name)
    page.close()


def photograph(browser: Browser, results: str) -> None:
    """The page from its top, light and dark, and on a phone."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        subprocess.run([MMBENCH, "--results", results, "report", "-o", str(path)], check=True, stdout=subprocess.DEVNULL)
        for name, width, height, scheme, section in (
            ("page.png", 1280, 860, "light", ""),
            ("page-rooflines.png", 1280, 900, "light", "rooflines"),
            ("page-fragmentation.png", 900, 1180, "dark", "fragmentation"),
        ):
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce")
            page.goto(path.as_uri() + (f"#{section}" if section else ""))
            page.screenshot(path=FOLDER / name)
            page.close()


def main(results: str) -> None:
    """All pictures, from the machine and the sweep that were stored last."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=list(FLAGS))
        screen(browser, "probe.png", f"--results={results}", "show", lines=24)
        sweeps = subprocess.run([MMBENCH, f"--results={results}", "list", "runs"], capture_output=True, text=True, check=True).stdout
        newest = next(line.split()[0] for line in sweeps.splitlines() if " sweep " in line)
        screen(browser, "sweep.png", f"--results={results}", "show", newest, lines=34)
        photograph(browser, results)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
