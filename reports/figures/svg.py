"""Turn a drawing into files (SVG, PNG, PDF), and into SVG to stand inside a page under a strict policy.

What matplotlib writes is parsed and written anew: no style attributes and no comments (the page's policy permits neither, and a comment
may hold a name), ids that are unique in the page, coordinates to a tenth of a pixel, colours as classes that the page gives for light, dark
and print. Only elements and attributes that a drawing needs pass, whatever a name says. Marks get the words of their tooltip as a `title`,
which browsers show with scripts switched off, too. Lengths are multiplied by `--z`, which the page's script sets when a reader zooms, so
that type, lines and markers keep their size.

The same drawing gives the same bytes: a fixed salt for ids, and no dates.
"""

from __future__ import annotations

import contextlib
import functools
import io
import re
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from typing import TypeVar
from xml.etree import ElementTree

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter
from matplotlib.transforms import Bbox

from .keys import text_width
from .panes import AXES, Panes, parted
from .theme import COLOURS, DIM, SMALL, STYLE, TYPE, UNIT, Drawing, Mark

_SVG, _LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
_NUMBER = re.compile(r"-?\d*\.\d+")
_PATH_SPACES = re.compile(r" ?([A-Za-z]) ?")
_NO_ROTATION = re.compile(r"rotate\(-?0 [^)]*\)")
_TAGS = {"g", "path", "use", "defs", "clipPath", "rect", "text", "tspan"}
_PLACES = {"x", "y", "width", "height", "d"}
# What XML does not permit, what hides or reverses text, and halves of a pair, which no encoding can write.
_HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_LONGEST_TEXT, _LONGEST_WORDS = 300, 600
_PNG_DPI = 180.0
_MARGIN, _TITLE_LINE, _FOOT = 10.0, 15.0, 16.0  # pixels around what files have besides the drawing
_CANVASES = {"svg": FigureCanvasSVG, "png": FigureCanvasAgg, "pdf": FigureCanvasPdf}
_METADATA: dict[str, dict[str, str | None]] = {
    "svg": {"Date": None, "Creator": "mmbench"},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": "mmbench", "Producer": None},
}
FORMS = tuple(_CANVASES)
_BAND = '<rect class="band" width="0"/>'  # what a reader draws to zoom
_Buffer = TypeVar("_Buffer", io.BytesIO, io.StringIO)


def harmless(text: str, limit: int = _LONGEST_WORDS) -> str:
    """A string that any document can hold: no control or bidirectional characters, no half of a pair, no more than `limit` characters."""
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    return _HARMFUL.sub("\N{REPLACEMENT CHARACTER}", short)


def file_of(drawn: Drawing, form: str, title: str = "") -> bytes:
    """The drawing as the content of a file: svg, png or pdf. A file stands alone, so the title is written above, who made it below."""
    with _titled(drawn, title) as box:
        return _svg_text(drawn, box).encode() if form == "svg" else _printed(drawn, form, io.BytesIO(), box).getvalue()


@contextlib.contextmanager
def _titled(drawn: Drawing, title: str) -> Iterator[Bbox | None]:
    """The part of the plane to print, in inches, with the title and the foot drawn there as long as this lasts; None without a title."""
    if not title:
        yield None
        return
    figure = drawn.figure
    width, height = (inches * UNIT for inches in figure.get_size_inches())
    lines = textwrap.wrap(harmless(title, _LONGEST_TEXT), max(20, int((width - 2 * _MARGIN) / (1.17 * text_width("n", TYPE))))) or [""]
    above = _TITLE_LINE * len(lines) + _MARGIN
    place = _MARGIN / width
    words = [
        figure.text(place, 1 + (above - _MARGIN / 2) / height, "\n".join(lines), va="top", fontsize=TYPE, weight="bold", linespacing=1.25)
    ]
    words.append(figure.text(1 - place, -_FOOT / 2 / height, "mmbench", ha="right", va="center", fontsize=SMALL, color=DIM))
    try:
        yield Bbox([[0, -_FOOT / UNIT], [width / UNIT, (height + above) / UNIT]])
    finally:
        for text in words:
            text.remove()


def _svg_text(drawn: Drawing, box: Bbox | None = None) -> str:
    """What matplotlib writes, without characters that would spoil the file: names of groups (gid) come from files, too."""
    return _HARMFUL.sub("\N{REPLACEMENT CHARACTER}", _printed(drawn, "svg", io.StringIO(), box).getvalue())


def _printed(drawn: Drawing, form: str, buffer: _Buffer, box: Bbox | None = None) -> _Buffer:
    _harmless_texts(drawn)
    dpi = _PNG_DPI if form == "png" else 72
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a name in a script that the font lacks: boxes, not a failure
        _CANVASES[form](drawn.figure).print_figure(buffer, format=form, metadata=_METADATA[form], dpi=dpi, bbox_inches=box)
    return buffer


def _harmless_texts(drawn: Drawing) -> None:
    """Make what will be laid out harmless: matplotlib's fonts refuse halves of a pair, and a megabyte takes them minutes."""
    for text in drawn.figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_text(harmless(text.get_text(), _LONGEST_TEXT))
    for axes in drawn.figure.axes:
        for formatter in (axes.xaxis.get_major_formatter(), axes.yaxis.get_major_formatter()):
            if isinstance(formatter, FuncFormatter):  # labels of ticks are made while they are drawn
                formatter.func = functools.partial(_harmless_label, formatter.func)


def _harmless_label(make: Callable[..., str], value: float, position: int | None = None) -> str:
    return harmless(make(value, position), _LONGEST_TEXT)


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
    panes = parted(drawn)
    root = ElementTree.fromstring(_svg_text(drawn))  # noqa: S314 - what matplotlib wrote a moment ago
    if panes is not None:
        panes = replace(panes, outside={*map(_gid, panes.outside)}, along={_gid(gid): goes for gid, goes in panes.along.items()})
    view = root.get("viewBox", "")
    context = _Context(_Meaning.of(drawn), _Names(prefix), classes, panes)
    head = (
        f'<svg viewBox="{escape(view)}" role="img" aria-labelledby="{prefix}-t {prefix}-d" class="figure">'
        f'<title id="{prefix}-t">{escape(harmless(title))}</title><desc id="{prefix}-d">{escape(harmless(description, 2000))}</desc>'
    )
    body = "".join(_written(child, context) for child in root)
    return f"{head}{body}</svg>" if panes is not None else f"{head}{body}{_BAND}</svg>"


def mismatched(drawn: Drawing) -> list[str]:
    """The artists (gid) that draw another number of marks than have words; the page shows none of their words. For tests of figures."""
    root = ElementTree.fromstring(_svg_text(drawn))  # noqa: S314 - what matplotlib wrote a moment ago
    found = {element.get("id", ""): element for element in root.iter(f"{_SVG}g")}
    told = _Meaning.of(drawn).marks
    return [gid for gid, marks in told.items() if gid not in found or len(_drawn_marks(found[gid])) != len(marks)]


class _Names:
    """Short ids, unique in the page."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._known: dict[str, str] = {}

    def of(self, name: str) -> str:
        return self._known.setdefault(name, f"{self._prefix}-{len(self._known)}")


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What a drawing says of its artists, by the name that each has in the file."""

    marks: dict[str, Sequence[Mark]]
    series: dict[str, str]
    legend: dict[str, str]

    @classmethod
    def of(cls, drawn: Drawing) -> _Meaning:
        return cls(
            {_gid(gid): marks for gid, marks in drawn.marks.items()},
            {_gid(gid): harmless(name, 120) for gid, name in drawn.series.items()},
            {_gid(gid): harmless(name, 120) for gid, name in drawn.legend.items()},
        )


def _gid(gid: str) -> str:
    """A gid as it comes back out of the file: a parser turns white space in an attribute into spaces."""
    return _HARMFUL.sub("\N{REPLACEMENT CHARACTER}", gid).translate({9: 32, 10: 32})


@dataclass(frozen=True, slots=True)
class _Context:
    """Where in the drawing we are: `marks` are those of the enclosing artist, by the element that draws each."""

    meaning: _Meaning
    names: _Names
    classes: Classes
    panes: Panes | None = None
    marks: dict[ElementTree.Element, Mark] = field(default_factory=dict)


def _drawn_marks(artist: ElementTree.Element) -> list[ElementTree.Element]:
    """The elements that draw an artist's marks. matplotlib uses a marker again where that is shorter, and writes paths where it is not."""
    hidden = {inner for tag in ("defs", "clipPath") for outer in artist.iter(_SVG + tag) for inner in outer.iter()}
    uses = [e for e in artist.iter(f"{_SVG}use") if e not in hidden]
    return uses or [e for e in artist.iter(f"{_SVG}path") if e not in hidden]


def _written(element: ElementTree.Element, context: _Context) -> str:
    tag = element.tag.removeprefix(_SVG)
    if tag not in _TAGS:
        return ""
    own = element.get("id", "")
    if own == AXES and context.panes is not None:
        return _frozen(element, context, context.panes)
    meaning = context.meaning
    if own in meaning.marks:
        places, marks = _drawn_marks(element), meaning.marks[own]
        if len(places) == len(marks):  # else: no words are better than those of another mark
            context = replace(context, marks=dict(zip(places, marks, strict=True)))
    mark = context.marks.get(element)
    attributes = _attributes(element, tag, context)
    if context.panes is not None and own in context.panes.along:
        goes = context.panes.along[own]
        attributes |= {f"data-{goes.axis}": f"{goes.place:.1f}"} if goes.axis else {"class": "home"}
    if own in meaning.series:
        attributes["data-series"] = meaning.series[own]
    if own in meaning.legend:
        attributes["data-legend"] = meaning.legend[own]
    if mark is not None and mark.key:
        attributes["data-key"] = harmless(mark.key, 120)
    inner = f"<title>{escape(harmless(mark.words))}</title>" if mark is not None and mark.words else ""
    inner += escape((element.text or "").strip()) if tag in ("text", "tspan") else ""
    inner += "".join(_written(child, context) for child in element)
    if not inner and tag in ("g", "defs"):
        return ""
    if tag == "g" and not attributes:
        return inner
    text = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())
    return f"<{tag}{text}>{inner}</{tag}>" if inner else f"<{tag}{text}/>"


def _frozen(axes: ElementTree.Element, context: _Context, panes: Panes) -> str:
    """The axes with what a zoom magnifies in an `svg` of its own, behind what lies below it and before what lies above."""
    below: list[str] = []
    inside: list[str] = []
    above: list[str] = []
    for child in axes:
        if child.get("id", "").startswith("matplotlib.axis"):
            for tick in child:
                for line in [line for line in tick if any(path.get("clip-path") for path in line.findall(f"{_SVG}path"))]:
                    inside.append(_written(line, context))
                    tick.remove(line)
            below += [_written(child, context), *_between_ticks(child, context, panes)]
        elif child.get("id", "") in panes.outside:
            (above if inside or below else below).append(_written(child, context))
        else:
            inside.append(_written(child, context))
    left, top, width, height = (f"{size:.1f}".removesuffix(".0") for size in panes.frame)
    place = f'x="{left}" y="{top}" width="{width}" height="{height}" viewBox="{left} {top} {width} {height}"'
    whole = " whole" if panes.grid else ""
    return f'{"".join(below)}<svg class="view{whole}" {place}>{"".join(inside)}{_BAND}</svg>{"".join(above)}'


def _between_ticks(axis: ElementTree.Element, context: _Context, panes: Panes) -> list[str]:
    """The finer labels of an axis, in the look and the line of those that are there."""
    labels = [
        (goes, text) for tick in axis if (goes := panes.along.get(tick.get("id", ""))) and (text := tick.find(f".//{_SVG}text")) is not None
    ]
    if not labels:
        return []
    goes, text = labels[0]
    style = context.classes.of(_style(text.get("style", ""), "text"))
    x, y = float(text.get("x", "0")), float(text.get("y", "0"))
    made = []
    for each in panes.finer:
        if each.axis == goes.axis:
            far = each.place - goes.place
            at = f'x="{x + far:.1f}" y="{y:.1f}"' if each.axis == "x" else f'x="{x:.1f}" y="{y + far:.1f}"'
            words = f'<text class="{style}" {at}>{escape(harmless(each.words, _LONGEST_TEXT))}</text>'
            made.append(f'<g data-{each.axis}="{each.place:.1f}" class="gone" data-k="{each.least:.2g}">{words}</g>')
    return made


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
        elif name == "transform":
            turned = _NO_ROTATION.sub("", _NUMBER.sub(lambda m: f"{float(m[0]):.3f}".rstrip("0").rstrip("."), value)).strip()
            kept |= {name: turned} if turned else {}
        elif name in _PLACES:
            short = _NUMBER.sub(_short, value)
            kept[name] = _PATH_SPACES.sub(r"\1", " ".join(short.split())) if name == "d" else short
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
        elif name in ("font", "font-size"):
            size = re.search(r"([\d.]+)px", value)
            kept.append(f"font-size:calc({size[1] if size else 11}px*var(--z,1)*var(--t,1))")
            kept += ["font-weight:600"] if re.search(r"\b(bold|600|700)\b", value) else []
        elif name == "stroke-dasharray":
            kept.append(f"{name}:" + ",".join(f"calc({length}px*var(--z,1))" for length in value.split(",")))
        elif name == "stroke-width":
            kept.append(f"{name}:calc({value}px*var(--z,1))")
        elif name not in ("font-family", "") and not (tag == "text" and name == "text-align"):
            kept.append(f"{name}:{value}")
    return ";".join(kept)
