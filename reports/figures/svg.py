"""Turn a drawing into files (SVG, PNG, PDF), and into SVG to stand inside a page under a strict policy.

What matplotlib writes is parsed and written anew: no style attributes and no comments (the page's policy permits neither, and a comment
may hold a name), ids that are unique in the page, coordinates to a tenth of a pixel, colours as classes that the page gives for light, dark
and print. Marks get the words of their tooltip as a `title`, which browsers show with scripts switched off, too.

The same drawing gives the same bytes: a fixed salt for ids, and no dates.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from xml.etree import ElementTree

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG

from .theme import COLOURS, STYLE, Drawing

_SVG, _LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
_NUMBER = re.compile(r"-?\d*\.\d+")
_DROPPED = {"metadata", "style"}
_PNG_DPI = 180.0
_CANVASES = {"svg": FigureCanvasSVG, "png": FigureCanvasAgg, "pdf": FigureCanvasPdf}
_METADATA: dict[str, dict[str, str | None]] = {
    "svg": {"Date": None, "Creator": "mmbench"},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": "mmbench", "Producer": None},
}
FORMS = tuple(_CANVASES)


def file_of(drawn: Drawing, form: str) -> bytes:
    """The drawing as the content of a file: svg, png or pdf."""
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a name in a script that the font lacks: boxes, not a failure
        _CANVASES[form](drawn.figure).print_figure(buffer, format=form, metadata=_METADATA[form], dpi=_PNG_DPI if form == "png" else 72)
    return buffer.getvalue()


@dataclass(slots=True)
class Classes:
    """The classes that stand for style attributes, shared by all drawings of a page."""

    names: dict[str, str] = field(default_factory=dict)

    def of(self, style: str) -> str:
        """The class for these declarations."""
        return self.names.setdefault(style, f"s{len(self.names)}")

    def rules(self) -> str:
        """The style sheet of all that were asked for."""
        return "\n".join(f".{name}{{{style}}}" for style, name in self.names.items())


def inline(drawn: Drawing, prefix: str, title: str, description: str, classes: Classes) -> str:
    """The drawing as an `svg` element. Its ids begin with `prefix`; `title` and `description` are for screen readers."""
    root = ElementTree.fromstring(file_of(drawn, "svg"))  # noqa: S314 - what matplotlib wrote a moment ago
    view = root.get("viewBox", "")
    names = _Names(prefix)
    head = (
        f'<svg viewBox="{escape(view)}" role="img" aria-labelledby="{prefix}-t {prefix}-d" class="figure">'
        f'<title id="{prefix}-t">{escape(title)}</title><desc id="{prefix}-d">{escape(description)}</desc>'
    )
    body = "".join(_written(child, _Context(drawn, names, classes)) for child in root)
    return f"{head}{body}</svg>"


class _Names:
    """Short ids, unique in the page."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._known: dict[str, str] = {}

    def of(self, name: str) -> str:
        return self._known.setdefault(name, f"{self._prefix}-{len(self._known)}")


@dataclass(frozen=True, slots=True)
class _Context:
    """Where in the drawing we are: the marks of the enclosing artist are told one after another."""

    drawn: Drawing
    names: _Names
    classes: Classes
    marks: Iterator[tuple[str, str]] | None = None


def _written(element: ElementTree.Element, context: _Context) -> str:
    tag = element.tag.removeprefix(_SVG)
    if tag in _DROPPED:
        return ""
    own = element.get("id", "")
    drawn = context.drawn
    if own in drawn.marks:
        context = _Context(drawn, context.names, context.classes, iter([(m.words, m.key) for m in drawn.marks[own]]))
    words, key = next(context.marks, ("", "")) if tag == "use" and context.marks is not None else ("", "")
    attributes = _attributes(element, tag, context)
    if own in drawn.series:
        attributes["data-series"] = drawn.series[own]
    if own in drawn.legend:
        attributes["data-legend"] = drawn.legend[own]
    if key:
        attributes["data-key"] = key
    inner = f"<title>{escape(words)}</title>" if words else ""
    inner += escape((element.text or "").strip()) if tag in ("text", "tspan") else ""
    inner += "".join(_written(child, context) for child in element)
    if not inner and tag in ("g", "defs"):
        return ""
    if tag == "g" and not attributes:
        return inner
    text = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())
    return f"<{tag}{text}>{inner}</{tag}>" if inner else f"<{tag}{text}/>"


def _attributes(element: ElementTree.Element, tag: str, context: _Context) -> dict[str, str]:
    """Those that stay, with short names, short numbers, and a class in the place of a style."""
    kept: dict[str, str] = {}
    for name, value in element.attrib.items():
        if name == "id":
            if tag != "g":
                kept["id"] = context.names.of(value)
        elif name == _LINK:
            kept["href"] = "#" + context.names.of(value.removeprefix("#"))
        elif name == "clip-path":
            kept[name] = f"url(#{context.names.of(value.removeprefix('url(#').removesuffix(')'))})"
        elif name == "style":
            kept["class"] = context.classes.of(_style(value, tag))
        elif name == "d":
            kept[name] = _NUMBER.sub(_short, " ".join(value.split()))
        else:
            kept[name] = _NUMBER.sub(_short, value)
    return kept


def _short(match: re.Match[str]) -> str:
    number = f"{float(match[0]):.1f}"
    return number.removesuffix(".0") if number != "-0.0" else "0"


def _style(text: str, tag: str) -> str:
    """Declarations with our colours by name and without matplotlib's font: the page has its own."""
    kept = []
    for declaration in text.split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name in ("fill", "stroke"):
            colour = COLOURS.get(value.lower())
            kept.append(f"{name}:var(--{colour})" if colour else f"{name}:{value}")
        elif name == "font":
            size = re.search(r"([\d.]+)px", value)
            kept.append(f"font-size:{size[1] if size else 11}px")
            kept += ["font-weight:600"] if re.search(r"\b(bold|600|700)\b", value) else []
        elif name not in ("font-family", "") and not (tag == "text" and name == "text-align"):
            kept.append(f"{name}:{value}")
    return ";".join(kept)
