"""Build pages of every kind of block: one with known figures and tables, and one that holds a given string in every field there is."""

from __future__ import annotations

from matplotlib.patches import Rectangle
from mmbench.reports.figures.keys import set_log_ticks
from mmbench.reports.figures.theme import (
    NARROW,
    WIDE,
    Drawing,
    Mark,
    axes_in,
    colour_of,
    dash_of,
    drawing,
    ink_on,
    marker_of,
    step_of,
)
from mmbench.reports.page.blocks import (
    Block,
    Card,
    Cards,
    Code,
    Column,
    Figure,
    File,
    Heading,
    Points,
    Prose,
    Section,
    Table,
    Value,
    numbers,
)
from mmbench.reports.page.html import Page, page_html

KERNELS = ("openblas", "mkl", "vectorized", "onednn")
SIZES = tuple(1 << power for power in range(4, 14))
# What a hostile file may hold, and what each would do to a careless writer.
HOSTILE = {
    "element": "<script>document.title='broken'</script><img src=x onerror=alert(1)>",
    "attribute": "\" onload=\"alert(1)\" x='y' onfocus='alert(1)' autofocus",
    "entity": "&lt;b&gt;&amp;&#60;script&#62; & &nosuch;",
    "ends": "]]> --> </style></script></title></svg></textarea></table> <!-- <![CDATA[",
    "template": "{{ 7*7 }}{% raw %}{# #}${7*7}",
    "control": "a\x00b\x01\x08\x0b\x0c\x1b[31m\x7f\x85\r\tc\ufffe\uffff",
    "bidirectional": "\u202eexe.txt\u2066\u2069\u200f\u200e\u061c",
    "surrogate": "\ud800 half \udfff\udc80",
    "path": "../../etc/passwd#&?%00\\..\\",
    "address": "javascript:alert(1)",
    "css": "}</style>*{display:none}/*\\;@import url(x)",
    "maths": "$\\frac{1}{0}$ \\textbf{x} %s %(x)s {0}",
}
DEFECTS = "\x00\x01\x08\x0b\x0c\r\x1b\x7f\x85\u202e\u2066\u2069\u200f\u200e\u061c\ud800\udfff\udc80\ufffe\uffff"


def rate_of(kernel: int, size: int) -> float:
    """The rate of a kernel at a size, in GFLOP/s: what `lines` draws and its table holds."""
    return (kernel + 1) * size / (size + 64) * 25


def lines() -> Drawing:
    """A line a kernel, each size a mark with the key that it has in every figure, labels at the right that switch their series."""
    drawn = drawing(260)
    axes = axes_in(drawn, right=90, xlabel="size", ylabel="GFLOP/s", xscale="log")
    for number, kernel in enumerate(KERNELS):
        rates = [rate_of(number, size) for size in SIZES]
        line = axes.plot(SIZES, rates, color=colour_of(number), marker=marker_of(number), ls=dash_of(number))[0]
        line.set_gid(f"line{number}")
        drawn.series[f"line{number}"] = kernel
        drawn.marks[f"line{number}"] = [Mark(f"{kernel} at {s}: {r:.3g} GFLOP/s", f"cell{s}") for s, r in zip(SIZES, rates, strict=True)]
        label = axes.text(1.03, 0.95 - 0.1 * number, kernel, transform=axes.transAxes, color=colour_of(number), va="center")
        label.set_gid(f"legend{number}")
        drawn.legend[f"legend{number}"] = kernel
    axes.set_ylim(0, 110)
    set_log_ticks(axes.xaxis, *axes.get_xlim())
    return drawn


def heat() -> Drawing:
    """A heatmap of rectangles, each an artist of its own with one mark and its number in it."""
    drawn = drawing(200, width=WIDE)
    axes = axes_in(drawn, left=90, grid="", xlim=(0, len(SIZES)), ylim=(0, len(KERNELS)))
    for row, kernel in enumerate(KERNELS):
        for column, size in enumerate(SIZES):
            share = rate_of(row, size) / 100
            cell = Rectangle((column, row), 0.96, 0.94, color=step_of(share), lw=0)
            cell.set_gid(f"cell{row}-{column}")
            axes.add_patch(cell)
            drawn.marks[f"cell{row}-{column}"] = [Mark(f"{kernel} at {size}: {share:.0%} of the best", f"cell{size}")]
            axes.text(column + 0.48, row + 0.47, f"{share:.0%}", color=ink_on(step_of(share)), ha="center", va="center")
    axes.set_yticks([row + 0.47 for row in range(len(KERNELS))], KERNELS)
    axes.set_xticks([column + 0.48 for column in range(len(SIZES))], [str(size) for size in SIZES])
    return drawn


def rates() -> Table:
    """The data of `lines`."""
    rows = [
        (str(size), kernel, Value(f"{rate_of(number, size):.3g}", mark="best" if number == 3 else "", sort=rate_of(number, size)))
        for number, kernel in enumerate(KERNELS)
        for size in SIZES
    ]
    return Table("Rate by size", (Column("Size"), Column("Kernel"), *numbers(("Rate", "GFLOP/s"))), tuple(rows))


def sample() -> tuple[Page, list[Section]]:
    """A page with known answers: two line figures that share series and keys, a heatmap, cards, tables, code, a file."""
    how = "Higher is better."
    first = Figure("rates", "Rate against size", "All four kernels grow with the size; onednn is the fastest.", lines, rates(), how=how)
    second = Figure("rates", "Rate against size, again", "The same on another machine.", lines, rates(), note="40 of 80 points drawn")
    third = Figure("heat", "Share of the best", "The share grows with the size.", heat, rates(), wide=True)
    lead = (("L2", Value("1.00 MiB", "odd", "claimed: 2 MiB")), ("f32", Value("not measured", "dim")))
    wide = Table(
        "Wide", numbers(*(f"measure {i}" for i in range(14))), (tuple(Value(f"{i}.5", ("", "good", "bad")[i % 3]) for i in range(14)),)
    )
    return Page("Two machines", "a subtitle", "mmbench report a b"), [
        Section(
            "verdict", "Verdict", (Prose("openblas is best.", "lead"), Prose("Beware.", "warn"), Points((("zen5", "No AMX."),), "Missing"))
        ),
        Section("chips", "Chips", (Cards((Card("Zen 5", "16 cores", lead, badge="synthetic"), Card("Neoverse", "", lead, (rates(),)))),)),
        Section(
            "rates",
            "Rates",
            (first, second, third, Heading("In numbers"), rates(), wide, Prose("Left is small.", "how"), Prose("x", "note")),
        ),
        Section("method", "Method", (Code("mmbench probe\nmmbench sweep", "Commands"), File("raw.json", "Raw", "application/json", b"{}"))),
    ]


def sample_html() -> str:
    """The document of `sample`."""
    return page_html(*sample())


def full_of(text: str) -> tuple[Page, list[Section]]:
    """A page with `text` in every field of every block, and in every string of a drawing."""
    columns = (Column(text, text), Column(text, text, right=True))
    cells = ((text, Value(text, "odd", text, 1.0)), (Value(text, "bad", text), text))
    table = Table(text, columns, cells, text)
    blocks: tuple[Block, ...] = (
        *(Prose(text, kind) for kind in ("", "lead", "note", "warn", "how")),
        Points(((text, text), ("", text)), text, "note"),
        table,
        Table(text, columns, cells, folded=True),
        Figure(text, text, text, lambda: drawing_of(text), table, text, text),
        Figure(text, text, text, lambda: drawing_of(text), table, text, text, wide=True),
        Heading(text),
        Code(text, text),
        File(text, text, text, text.encode("utf-8", "surrogatepass")[:100]),
        Cards((Card(text, text, ((text, text), (text, Value(text, "good", text))), (table,), text),)),
    )
    return Page(text, text, text), [Section(text, text, blocks), Section(text, text, (Prose(text),))]


def drawing_of(text: str) -> Drawing:
    """A drawing with `text` as its labels, ticks, title, groups, marks, keys, series and legend."""
    short = text[:2000]  # what it costs to lay text out is the drawing's affair; the writer cuts what it is given
    drawn = drawing(200, width=NARROW)
    axes = axes_in(drawn, xlim=(0, 4), ylim=(0, 4))
    line = axes.plot([1, 2, 3], [1, 2, 3], marker="o")[0]
    points = axes.scatter([2.5], [1], marker="s")
    box = axes.add_patch(Rectangle((0.2, 3), 0.5, 0.5))
    label = axes.text(0.5, 0.5, short)
    for number, artist in enumerate((line, points, box, label)):
        gid = f"{text}{number}"
        artist.set_gid(gid)
        drawn.series[gid] = text
    for number, count in enumerate((3, 1, 1)):
        drawn.marks[f"{text}{number}"] = [Mark(text, text)] * count
    drawn.legend[f"{text}3"] = text
    axes.set_title(short)
    axes.set_xlabel(short)
    axes.set_xticks([1, 2], [short, "b"])
    return drawn
