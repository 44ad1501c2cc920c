"""Look at drawn figures as a reader would: where their words stand, and whether any two meet or leave the picture."""

from __future__ import annotations

import itertools

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from mmbench.reports.figures.svg import Classes, inline
from mmbench.reports.figures.theme import Drawing, styled
from mmbench.reports.page.blocks import Block, Cards, Figure, Points, Prose, Table, Value


def drawing_of(figure: Figure) -> Drawing:
    return styled(figure.draw)


def svg_of(figure: Figure) -> str:
    return inline(drawing_of(figure), "f", figure.title, figure.description, Classes())


def words_of(drawn: Drawing) -> dict[str, Bbox]:
    """Every visible text of a drawing with its box, in pixels of the figure; those that stand twice have a number behind them."""
    FigureCanvasAgg(drawn.figure).draw()
    found: dict[str, Bbox] = {}
    hidden = _beyond(drawn)
    for number, artist in enumerate(drawn.figure.findobj(Text)):
        assert isinstance(artist, Text)
        if artist.get_visible() and artist.get_text().strip() and artist not in hidden:
            name = artist.get_text()
            found[name if name not in found else f"{name} #{number}"] = artist.get_window_extent()
    return found


def _beyond(drawn: Drawing) -> list[Text]:
    """Labels of ticks that lie beyond the ends of their axis, which are not drawn."""
    axes = [axis for each in drawn.figure.axes for axis in (each.xaxis, each.yaxis)]
    ticks = [(axis, tick) for axis in axes for tick in axis.get_major_ticks()]
    return [
        label
        for axis, tick in ticks
        for label in (tick.label1, tick.label2)
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
    ]


def overlapping(drawn: Drawing) -> list[tuple[str, str]]:
    """Pairs of words that cover each other by more than a pixel."""
    boxes = words_of(drawn)
    return [(a, b) for (a, x), (b, y) in itertools.combinations(boxes.items(), 2) if _meet(x, y)]


def _meet(a: Bbox, b: Bbox) -> bool:
    return min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1


def outside(drawn: Drawing) -> list[str]:
    """Words that stick out of the picture, and would be cut in a file."""
    edge = drawn.figure.bbox
    return [
        name
        for name, box in words_of(drawn).items()
        if box.x0 < edge.x0 - 1 or box.x1 > edge.x1 + 1 or box.y0 < edge.y0 - 1 or box.y1 > edge.y1 + 1
    ]


def figures(blocks: list[Block]) -> dict[str, Figure]:
    found = [block for block in blocks if isinstance(block, Figure)]
    assert len({figure.name for figure in found}) == len(found)
    return {figure.name: figure for figure in found}


def tables(blocks: list[Block]) -> dict[str, Table]:
    """Every table by its caption, those of figures and cards too."""
    found: dict[str, Table] = {}
    for block in blocks:
        if isinstance(block, Table):
            found[block.caption] = block
        elif isinstance(block, Figure):
            found[block.table.caption] = block.table
        elif isinstance(block, Cards):
            for card in block.cards:
                found |= {f"{card.title}: {caption}": table for caption, table in tables(list(card.blocks)).items()}
    return found


def rows(table: Table) -> dict[str, list[Value]]:
    """Rows by their first cell."""
    cells = [[cell if isinstance(cell, Value) else Value(cell) for cell in row] for row in table.rows]
    return {row[0].text: row[1:] for row in cells}


def prose(blocks: list[Block]) -> str:
    """All running words."""
    parts: list[str] = []
    for block in blocks:
        if isinstance(block, Prose):
            parts.append(block.text)
        elif isinstance(block, Points):
            parts += [f"{who} {text}" for who, text in block.items]
        elif isinstance(block, Cards):
            parts += [prose(list(card.blocks)) for card in block.cards]
    return "\n".join(parts)
