"""Pages are whole, safe whatever stands in a file, the same each time, and legible by their colours."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import pytest
import synthetic_page
from mmbench.reports.page.blocks import Card, Cards, Code, Column, Figure, File, Heading, Prose, Section, Table, Value
from mmbench.reports.page.html import Page, page_html
from synthetic_page import DEFECTS, HOSTILE, full_of, lines, rates, sample_html

VOID = {"meta", "link", "img", "br", "hr"}
PAGE = Page("t", "s", "c")
BYTES = 1_000_000  # of a page in which each of some hundred fields holds a megabyte that grows fourfold when it is escaped


class Skeleton(HTMLParser):
    """The elements of a document with the names of their attributes, in order; and whether each is closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.attributes: list[tuple[str, str]] = []
        self.text: dict[str, list[str]] = {}
        self.others: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag.replace("clippath", "clippath")

    def handle_data(self, data: str) -> None:
        if self._open:
            self.text.setdefault(self._open[-1], []).append(data)

    def handle_comment(self, data: str) -> None:
        self.others.append(data)

    def unknown_decl(self, data: str) -> None:
        self.others.append(data)

    def all(self, name: str) -> list[str]:
        return [value for attribute, value in self.attributes if attribute == name]


@pytest.fixture(scope="module")
def page() -> str:
    return sample_html()


@pytest.fixture(scope="module")
def parsed(page: str) -> Skeleton:
    return Skeleton(page)


@pytest.fixture(scope="module")
def harmless_skeleton() -> Skeleton:
    return Skeleton(page_html(*full_of("plain words")))


def test_elements_are_closed_and_ids_are_unique_and_meant(parsed: Skeleton) -> None:
    ids = parsed.all("id")
    assert [name for name, count in Counter(ids).items() if count > 1] == []
    wanted = [word for name in ("aria-labelledby", "aria-describedby") for value in parsed.all(name) for word in value.split()]
    wanted += [href.removeprefix("#") for href in parsed.all("href") if href.startswith("#")]
    wanted += re.findall(r"url\(#([^)]+)\)", " ".join(parsed.all("clip-path")))
    assert len(wanted) > 50
    assert set(wanted) <= set(ids)


def test_a_figure_of_the_name_of_another_gets_an_id_of_its_own(parsed: Skeleton) -> None:
    ids = parsed.all("id")
    assert {"rates", "rates-2", "rates-3", "heat"} <= set(ids)  # the section, and the two figures of that name
    assert ids.index("rates") < ids.index("rates-2") < ids.index("rates-3")


@pytest.mark.parametrize("name", ["top", "content", "tip", "", "///", "_1-t", "Ä", '"><b>', "a" * 1000, "\ud800"])
def test_names_become_ids_of_letters_digits_and_hyphens(name: str) -> None:
    figure = Figure(name, "t", "d", lines, rates())
    ids = Skeleton(page_html(PAGE, [Section(name, "t", (figure, figure))])).all("id")
    assert all(re.fullmatch(r"_?[a-z0-9-]+", value) or value.startswith("_h-") for value in ids)
    assert len(set(ids)) == len(ids)
    assert max(map(len, ids)) < 80


def test_the_policy_names_what_the_page_holds_and_permits_nothing_else(page: str, parsed: Skeleton) -> None:
    policy = dict(part.strip().partition(" ")[::2] for part in parsed.all("content")[0].split(";"))
    for tag in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256("".join(parsed.text[tag]).encode()).digest()).decode()
        assert policy.pop(f"{tag}-src") == f"'sha256-{digest}'"
        assert len(re.findall(f"<{tag}[ >]", page)) == 1
    assert policy == {"default-src": "'none'", "img-src": "data:", "base-uri": "'none'", "form-action": "'none'"}


def test_the_page_asks_for_nothing_and_has_no_styles_or_handlers_in_attributes(page: str, parsed: Skeleton) -> None:
    names = {name for name, _ in parsed.attributes}
    assert not any(name.startswith("on") or name in ("style", "src", "srcset", "action", "formaction", "ping") for name in names)
    assert all(value.startswith(("#", "data:")) for value in parsed.all("href"))
    assert not re.search(r"@import|url\((?!#)|https?://", "".join(parsed.text["style"] + parsed.text["script"]))


def test_the_script_is_small_and_plain() -> None:
    script = files("mmbench.reports.page").joinpath("assets", "page.js").read_bytes()
    assert len(script) <= 12 * 1024
    assert script.isascii()
    forbidden = rb"\beval\b|Function\(|innerHTML|outerHTML|insertAdjacent|document\.write|fetch|XMLHttp|import|Socket|Storage|cookie|</"
    assert re.findall(forbidden, script) == []


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_string_makes_an_element_or_an_attribute(kind: str, harmless_skeleton: Skeleton) -> None:
    html = page_html(*full_of(HOSTILE[kind]))
    assert Skeleton(html).elements == harmless_skeleton.elements
    assert Skeleton(html).others == harmless_skeleton.others
    assert not set(DEFECTS) & set(html)
    html.encode("utf-8")


def test_hostile_text_is_shown_as_it_is() -> None:
    text = HOSTILE["element"]
    found = Skeleton(page_html(*full_of(text)))
    assert text in found.text["h1"]
    assert text in found.text["td"]
    assert text in found.text["text"]  # of a drawing
    assert found.all("data-key").count(text[:119] + "…" if len(text) > 120 else text) == 10


def test_a_megabyte_in_every_field_is_cut() -> None:
    html = page_html(*full_of("<&\"'\ud800" * 200_000))
    assert len(html) < BYTES + len(sample_html())
    assert "…" in html


def test_numbers_that_are_none_do_not_sort() -> None:
    cells = tuple((str(v), Value("x", sort=v)) for v in (float("nan"), float("inf"), -float("inf"), 1e308, 1 / 3, None))
    html = page_html(PAGE, [Section("a", "A", (Table("t", (Column("a"), Column("b")), cells),))])
    assert Skeleton(html).all("data-v") == ["1e+308", "0.333333"]


def test_columns_of_numbers_are_said_once(page: str) -> None:
    assert '<table class="r3">' in page
    assert '<td class="r' not in page


def test_marks_have_a_sign_that_says_its_meaning(page: str) -> None:
    assert '<dd class="m-odd" title="claimed: 2 MiB"><span class="sign" role="img" aria-label="differs">≠</span> 1.00 MiB</dd>' in page


def test_a_mark_that_nobody_knows_is_none() -> None:
    html = page_html(PAGE, [Section("a", "A", (Table("t", (Column("a"),), ((Value("x", '"><b>'),),)),))])
    assert '<th scope="row">x</th>' in html


def test_headings_go_down_by_one(parsed: Skeleton) -> None:
    levels = [int(tag[1]) for tag, _ in parsed.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_figures_in_a_row_stand_side_by_side_and_what_follows_does_not() -> None:
    figure = Figure("f", "t", "d", lines, rates())
    blocks = (figure, figure, Prose("between"), figure, Heading("h"), Cards((Card("c", "", (), (figure,)),)), figure)
    html = page_html(PAGE, [Section("a", "A", blocks)])
    assert html.count('<div class="grid">') == 4
    Skeleton(html)  # every one is closed


def test_a_file_travels_whole_under_a_name_without_folders() -> None:
    content = bytes(range(256)) * 5
    html = page_html(PAGE, [Section("a", "A", (File("../../etc/passwd", "Raw", "application/json", content),))])
    found = Skeleton(html)
    assert found.all("download") == ["etc-passwd"]
    assert base64.b64decode(found.all("href")[-1].partition("base64,")[2]) == content


def test_words_to_copy_are_not_changed() -> None:
    command = "mmbench sweep --only 'a b' \\\n  && echo \"<done>\" " + "x" * 10_000
    assert command in Skeleton(page_html(PAGE, [Section("a", "A", (Code(command),))])).text["code"]


def test_a_command_in_backticks_looks_like_one_and_nothing_else_does() -> None:
    text = "run `mmbench probe --deep` or `<b>` or `mmbench <b>` or `rm`"
    html = page_html(PAGE, [Section("a", "A", (Prose(text),))])
    assert "<p>run <code>mmbench probe --deep</code> or `&lt;b&gt;` or `mmbench &lt;b&gt;` or `rm`</p>" in html


def test_a_page_without_sections_is_a_page() -> None:
    found = Skeleton(page_html(PAGE, []))
    assert "main" in [tag for tag, _ in found.elements]
    assert "nav" not in [tag for tag, _ in found.elements]


def test_the_same_input_gives_the_same_bytes() -> None:
    code = (
        "import hashlib, sys; sys.path.insert(0, sys.argv[1]); import synthetic_page as s; from mmbench.reports.page.html import page_html;"
    )
    code += "print(hashlib.sha256((s.sample_html() + page_html(*s.full_of(s.HOSTILE['ends']))).encode()).hexdigest())"
    builders = str(Path(synthetic_page.__file__).parent)

    def digest(seed: str) -> str:
        run = [sys.executable, "-c", code, builders]
        return subprocess.run(run, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True).stdout

    assert len(digest("1")) == 65
    assert digest("1") == digest("4242")


# Contrast: WCAG 2.2, 1.4.3 (text, 4.5) and 1.4.11 (graphics, 3).


def _luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(d * 2 for d in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _palettes() -> dict[str, dict[str, str]]:
    css = files("mmbench.reports.page").joinpath("assets", "page.css").read_text(encoding="utf-8")
    roots = [dict(re.findall(r"--([a-z]+\d?):(#[0-9a-f]{3,6})\b", rule)) for rule in re.findall(r":root\{([^}]*)\}", css)]
    light, dark, printed = roots
    return {"light": light, "dark": {**light, **dark}, "print": {**light, **printed}}


def test_contrast_is_computed_right() -> None:
    assert _contrast("#000", "#ffffff") == 21
    assert _contrast("#777777", "#fff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("name", ["light", "dark", "print"])
def test_text_and_graphics_stand_out_from_their_ground(name: str) -> None:
    palette = _palettes()[name]
    assert len(palette) == 28
    texts = ["ink", "dim", "link", "bad", "good", "odd", *(f"c{i}" for i in range(8))]  # labels of lines have their colour
    poor = [(text, ground) for text in texts for ground in ("paper", "card") if _contrast(palette[text], palette[ground]) < 4.5]
    poor += [(f"h{i}", "ink") for i in range(5) if _contrast(palette[f"h{i}"], palette["ink"]) < 4.5]
    poor += [(f"h{i}", "paper") for i in range(5, 10) if _contrast(palette[f"h{i}"], palette["paper"]) < 4.5]
    poor += [("absent", text) for text in ("ink", "dim") if _contrast(palette["absent"], palette[text]) < 4.5]
    assert poor == []
    steps = [_luminance(palette[f"h{i}"]) for i in range(10)]
    assert steps == sorted(steps, reverse=name != "dark")
