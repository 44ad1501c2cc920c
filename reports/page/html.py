"""Write a report as one HTML file that needs nothing else: no network, no scripts to be readable, no styles of its own making.

Strings of files reach the page through Jinja2's autoescape or `html.escape`, never as markup; each is cut to a length that a reader could
still want, and characters that hide, reverse or break text become replacement characters. Names become ids of small letters, digits and
hyphens, each once in the page. The Content-Security-Policy names the hashes of the one style sheet and the one script that the page
carries, and permits nothing else: no request, no inline style, no `eval`. The same evidence gives the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ..figures.keys import switches
from ..figures.svg import Classes, harmless, inline
from ..figures.theme import Drawing, styled
from .blocks import MARKS, Figure, File, Section, Table, Value

# What stands before a marked value, for eyes and for screen readers.
SIGNS = {"good": ("✓", "agrees"), "odd": ("≠", "differs"), "bad": ("✗", "wrong"), "best": ("★", "best")}
_LONGEST, _LONGEST_CODE, _LONGEST_CELL, _LONGEST_NAME = 2_000, 40_000, 400, 120
_MOST_ALIGNED = 24  # columns with a rule in page.css
_COMMAND = re.compile(r"`(mmbench(?: [A-Za-z0-9_.,=-]+)*)`")
_RESERVED = ("top", "content", "tip")


@dataclass(frozen=True, slots=True)
class Page:
    """What the page is besides its sections: its title, what it shows in one line, and the words that made it."""

    title: str
    subtitle: str
    command: str


def page_html(page: Page, sections: Sequence[Section]) -> str:
    """The whole document."""
    writer = _Writer()
    body = writer.template("page.html.j2").render(page=page, sections=writer.named(sections), writer=writer)
    style = _asset("page.css") + "\n" + writer.classes.rules()
    script = _asset("page.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    shell = writer.template("shell.html.j2")
    ours = {"body": Markup(body), "style": Markup(style), "script": Markup(script)}  # noqa: S704 - escaped, and our own
    whole: str = shell.render(page=page, policy=policy, **ours)
    return harmless(whole, len(whole)).replace("\r", "\N{REPLACEMENT CHARACTER}")


def _asset(name: str) -> str:
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8").strip()


def _hash(text: str) -> str:
    """The source expression of CSP for an element with exactly this content."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _bounded(value: object) -> object:
    """What a template is about to write, before it is escaped: our own markup as it is, strings of a bounded length."""
    if isinstance(value, str) and not isinstance(value, Markup) and len(value) > _LONGEST:
        return value[: _LONGEST - 1] + "…"
    return value


class _Writer:
    """What the templates ask for."""

    def __init__(self) -> None:
        self.classes = Classes()
        self._environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_bounded)
        self._environment.globals.update(kind=self.kind, cell=self.cell)
        self._templates: dict[str, Any] = {}
        self._figures = 0
        self._ids: dict[str, int] = dict.fromkeys(_RESERVED, 1)

    def template(self, name: str) -> Any:
        """A template of the package's assets."""
        if name not in self._templates:
            self._templates[name] = self._environment.from_string(_asset(name))
        return self._templates[name]

    def named(self, sections: Sequence[Section]) -> list[tuple[str, Section]]:
        """Sections with their ids: before those of figures are given, so that a section keeps its name."""
        return [(self.id(section.name), section) for section in sections]

    def id(self, name: str) -> str:
        """An id that no other element has, from a name. Ids of drawings begin with an underscore, which none of these does."""
        word = re.sub(r"[^a-z0-9]+", "-", name[:200].lower()).strip("-")[:60] or "part"
        while word in self._ids:
            self._ids[word] += 1
            word = f"{word}-{self._ids[word]}"
        self._ids[word] = 1
        return word

    def kind(self, block: object) -> str:
        """The name of a block's class."""
        return type(block).__name__.lower()

    def cell(self, cell: object) -> Value:
        """A cell as a Value."""
        return cell if isinstance(cell, Value) else Value(str(cell))

    def sign(self, mark: str) -> Markup:
        """The sign of a mark, which says its meaning to a screen reader."""
        if mark not in SIGNS:
            return Markup("")
        shape, meaning = SIGNS[mark]
        return Markup(f'<span class="sign" role="img" aria-label="{meaning}">{shape}</span> ')  # noqa: S704 - our own words

    def drawn(self, figure: Figure) -> Drawing:
        """The figure, drawn."""
        return styled(figure.draw)

    def keys(self, drawn: Drawing) -> list[tuple[str, str, str]]:
        """(series, words, colour) of what its key switches, to be touched where the key itself is too small for a finger."""
        return [(harmless(name, _LONGEST_NAME), harmless(words, _LONGEST_NAME), colour) for name, words, colour in switches(drawn)]

    def svg(self, figure: Figure, drawn: Drawing) -> Markup:
        """The picture itself."""
        self._figures += 1
        text = inline(drawn, f"_{self._figures}", figure.title, figure.description, self.classes)
        return Markup(text)  # noqa: S704 - made of escaped pieces

    def words(self, text: str) -> Markup:
        """A sentence; a command of ours in backticks looks like one. That is all that a string can do here, and harmless."""
        return Markup(_COMMAND.sub(r"<code>\1</code>", escape(str(_bounded(text)))))  # noqa: S704 - escaped

    def code(self, text: str) -> Markup:
        """Words to be copied: longer than others may be."""
        return Markup(escape(text if len(text) <= _LONGEST_CODE else text[:_LONGEST_CODE] + "…"))  # noqa: S704 - escaped

    def filename(self, name: str) -> str:
        """A name for a download: no folder, no surprise."""
        return re.sub(r"[^A-Za-z0-9._-]+", "-", name[-200:])[-100:].lstrip(".-") or "file"

    def href(self, file: File) -> Markup:
        """A file as an address that holds it."""
        mime = file.mime if re.fullmatch(r"[a-z]+/[a-z0-9.+-]{1,60}", file.mime) else "application/octet-stream"
        return Markup(f"data:{mime};base64,{base64.b64encode(file.content).decode()}")  # noqa: S704 - harmless letters

    def right(self, table: Table) -> str:
        """Classes for its columns of numbers: said once, not in each cell."""
        return " ".join(f"r{index}" for index, column in enumerate(table.columns[:_MOST_ALIGNED], 1) if column.right)

    def rows(self, table: Table) -> Markup:
        """Rows of a table. Not by template: a report has some ten thousand cells."""
        parts: list[str] = []
        for row in table.rows:
            parts.append("<tr>")
            parts += [self._td(content, index == 0) for index, content in enumerate(row)]
            parts.append("</tr>\n")
        return Markup("".join(parts))  # noqa: S704 - every piece was escaped

    def _td(self, content: object, head: bool) -> str:
        value = self.cell(content)
        more = f' class="m-{value.mark}"' if value.mark in MARKS[1:] else ""
        if value.note:
            more += f' title="{escape(value.note[:_LONGEST_CELL])}"'
        if value.sort is not None and math.isfinite(value.sort):
            more += f' data-v="{value.sort:.6g}"'
        text = value.text if len(value.text) <= _LONGEST_CELL else value.text[: _LONGEST_CELL - 1] + "…"
        inner = f"{self.sign(value.mark)}{escape(text)}"
        return f'<th scope="row"{more}>{inner}</th>' if head else f"<td{more}>{inner}</td>"
