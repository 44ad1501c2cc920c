"""Write a report as one HTML file that needs nothing else: no network, no scripts to be readable, no styles of its own making.

Strings of files reach the page through Jinja2's autoescape or `html.escape`, never as markup. The Content-Security-Policy names the hashes
of the one style sheet and the one script that the page carries, and permits nothing else: no request, no inline style, no `eval`. The same
evidence gives the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ..figures.svg import Classes, inline
from ..figures.theme import styled
from .blocks import Cards, Code, Column, Figure, File, Heading, Points, Prose, Section, Table, Value

SIGNS = {"good": "✓", "odd": "≠", "bad": "✗", "best": "★", "dim": "", "strong": "", "": ""}
_KINDS = (Prose, Points, Table, Figure, Code, File, Cards, Heading)


@dataclass(frozen=True, slots=True)
class Page:
    """What the page is besides its sections: its title, what it shows in one line, and the words that made it."""

    title: str
    subtitle: str
    command: str


def page_html(page: Page, sections: Sequence[Section]) -> str:
    """The whole document."""
    classes = Classes()
    writer = _Writer(classes)
    body = writer.template("page.html.j2").render(page=page, sections=sections, writer=writer)
    style = _asset("page.css") + "\n" + classes.rules()
    script = _asset("page.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    whole: str = writer.template("shell.html.j2").render(
        page=page, body=Markup(body), style=Markup(style), script=Markup(script), policy=policy
    )  # noqa: S704 - our own
    return whole


def _asset(name: str) -> str:
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8").strip()


def _hash(text: str) -> str:
    """The source expression of CSP for an element with exactly this content."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


class _Writer:
    """What the templates ask for."""

    def __init__(self, classes: Classes) -> None:
        self._classes = classes
        self._environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        self._environment.globals.update(kind=self.kind, cell=self.cell, signs=SIGNS)
        self._templates: dict[str, Any] = {}
        self._figures = 0

    def template(self, name: str) -> Any:
        """A template of the package's assets."""
        if name not in self._templates:
            self._templates[name] = self._environment.from_string(_asset(name))
        return self._templates[name]

    def kind(self, block: object) -> str:
        """The name of a block's class."""
        return type(block).__name__.lower()

    def cell(self, cell: object) -> Value:
        """A cell as a Value."""
        return cell if isinstance(cell, Value) else Value(str(cell))

    def svg(self, figure: Figure) -> Markup:
        """The picture itself."""
        self._figures += 1
        text = inline(styled(figure.draw), f"f{self._figures}", figure.title, figure.description, self._classes)
        return Markup(text)  # noqa: S704 - made of escaped pieces

    def href(self, file: File) -> str:
        """A file as an address that holds it."""
        return f"data:{file.mime};base64,{base64.b64encode(file.content).decode()}"

    def table(self, table: Table) -> Markup:
        """Rows of a table. Not by template: a report has some ten thousand cells."""
        parts: list[str] = []
        for row in table.rows:
            parts.append("<tr>")
            for index, (column, content) in enumerate(zip(table.columns, row, strict=True)):
                parts.append(self._td(column, content, index == 0))
            parts.append("</tr>")
        return Markup("".join(parts))  # noqa: S704 - every piece was escaped

    @staticmethod
    def _td(column: Column, content: object, head: bool) -> str:
        value = content if isinstance(content, Value) else Value(str(content))
        tag = 'th scope="row"' if head else "td"
        names = " ".join(filter(None, ("r" if column.right else "", f"m-{value.mark}" if value.mark else "")))
        more = f' class="{names}"' if names else ""
        if value.note:
            more += f' title="{escape(value.note)}"'
        if value.sort is not None:
            more += f' data-v="{value.sort:.6g}"'
        sign = f'<span class="sign" aria-hidden="true">{SIGNS[value.mark]}</span> ' if SIGNS.get(value.mark) else ""
        return f"<{tag}{more}>{sign}{escape(value.text)}</{tag.split()[0]}>"
