"""Load the shapes of real programs, each with its origin: `presets/shapes/*.toml`.

    schema = 1
    [set.resnet-50]                       # a list of shapes
    title = "ResNet-50"
    source = "where the shapes were taken from"
    part = [{ name = "im2col, batch 1", tags = ["conv"], shapes = ["12544x64x147", "{49,196}x512x=m"] }]

    [model.bert-base]                     # a transformer: its layer shapes are derived (`transformers`)
    title = "BERT-base"
    source = "its model card"
    d = 768
    ffn = 3072
    heads = 12
    head = 64
    vocab = 30522
    prefill = ["1x128", "8x384"]          # BATCHxTOKENS
    decode = []                           # sequences that add one token each
    contexts = []                         # tokens that attention reads in decode
    part = []                             # further shapes, as in a set

A shape is chosen by the set's name (`bert-base`, or a pattern, `llama-*`), and by tags joined with + (`llama-3-8b:decode+up`): all of them
must fit.
"""

from __future__ import annotations

import fnmatch
import functools
from dataclasses import dataclass
from pathlib import Path

from .errors import UsageError
from .shapes import expand_word, looks_like_shape, parse_shapes
from .tables import Table, near, read_toml
from .transformers import NamedShape, Transformer

SHAPES_SCHEMA = 1
_FOLDER = Path(__file__).parent / "presets" / "shapes"


@dataclass(frozen=True, slots=True)
class ShapeSet:
    """Shapes that belong together. `source` says where they were taken from. One shape may occur several times, with different origins."""

    name: str
    title: str
    source: str
    shapes: tuple[NamedShape, ...]

    @property
    def tags(self) -> tuple[str, ...]:
        """All tags of its shapes, in the order of their first use."""
        return tuple(dict.fromkeys(tag for shape in self.shapes for tag in sorted(shape.tags)))

    def chosen(self, tags: tuple[str, ...]) -> tuple[NamedShape, ...]:
        """The shapes that have all these tags, each once with its first origin; UsageError for tags that none has, alone or together."""
        for tag in tags:
            if tag not in self.tags:
                raise UsageError(f"shape set '{self.name}' has no tag '{tag}'", near(tag, self.tags))
        found = {s.shape: s for s in reversed(self.shapes) if set(tags) <= s.tags}
        if not found:
            raise UsageError(f"no shape of '{self.name}' has the tags {' and '.join(tags)} together", "tags joined by + must all fit")
        return tuple(reversed(found.values()))


def read_shape_sets(path: Path) -> dict[str, ShapeSet]:
    """The sets of one file; UsageError with file and place for anything that is not understood."""
    table = Table(str(path), read_toml(path, "shape set"))
    table.schema(SHAPES_SCHEMA)
    found: dict[str, ShapeSet] = {}
    for name, item in table.named("set").items():
        found[name] = _made(name, item, item.text("title"), [])
    for name, item in table.named("model").items():
        if name in found:
            raise UsageError(f"{item.place}: there is a set of this name already")
        model = Transformer.read(item)
        found[name] = _made(name, item, model.title, list(model.shapes()))
    table.end()
    return found


def _made(name: str, table: Table, title: str, derived: list[NamedShape]) -> ShapeSet:
    source = table.text("source")
    shapes = [*derived, *(shape for part in table.tables("part") for shape in _part(title, part))]
    table.end()
    if not shapes:
        raise UsageError(f"{table.place}: it has no shapes")
    return ShapeSet(name, title, source, tuple(shapes))


def _part(title: str, table: Table) -> list[NamedShape]:
    origin = f"{title} {table.text('name')}"
    tags = frozenset(table.texts("tags"))
    found = []
    for word in table.texts("shapes"):
        try:
            found += [NamedShape(shape, origin, tags) for shape in parse_shapes(word)]
        except UsageError as error:
            raise UsageError(f"{table.place}: {error.message}", error.hint) from None
    table.end()
    return found


@functools.cache
def shape_sets() -> dict[str, ShapeSet]:
    """Every shape set that comes with mmbench, by name."""
    found: dict[str, ShapeSet] = {}
    for path in sorted(_FOLDER.glob("*.toml")):
        found.update(read_shape_sets(path))
    return dict(sorted(found.items()))


@functools.lru_cache(maxsize=4096)
def set_title(origin: str) -> str:
    """The title of the set that an origin names (`Llama-3.2 1B` of `Llama-3.2 1B ffn up, 4 tokens`); without one, what precedes a comma."""
    titles = [s.title for s in shape_sets().values() if f"{origin},".startswith((f"{s.title} ", f"{s.title},"))]
    return max(titles, key=len, default="") or origin.partition(",")[0]


def shapes_of(word: str, origin: str) -> list[NamedShape]:
    """What a word of a list of shapes means: a shape (`origin` is then where it comes from), or a set with its tags.

    UsageError where it is neither. Braces stand for alternatives in both.
    """
    found: list[NamedShape] = []
    for text in expand_word(word):
        if looks_like_shape(text):
            found += [NamedShape(shape, origin, frozenset()) for shape in parse_shapes(text)]
            continue
        name, colon, tags = text.partition(":")
        if colon and not all(tags.split("+")):
            raise UsageError(f"'{text}': a tag is missing", "write tags joined by +, such as bert-base:up+b1, or the name alone")
        found += _from_sets(name, tuple(filter(None, tags.split("+"))))
    return found


def _from_sets(name: str, tags: tuple[str, ...]) -> list[NamedShape]:
    """The shapes of a set, or of all sets that fit a pattern (`llama-*`, `*`) and know the tags."""
    known = shape_sets()
    names = [name] if name in known else fnmatch.filter(known, name) if "*" in name else []
    if not names:
        raise UsageError(f"there is no shape set '{name}', and it is no shape MxNxK either", near(name, known, "see `mmbench list shapes`"))
    if len(names) > 1:
        knowing = [n for n in names if set(tags) <= set(known[n].tags)]
        if not knowing:
            tags_here = sorted({tag for n in names for tag in known[n].tags})
            lacking = [tag for tag in tags if tag not in tags_here]
            raise UsageError(
                f"no shape set that fits '{name}' has " + (f"the tag '{lacking[0]}'" if lacking else f"all of the tags {', '.join(tags)}"),
                near(lacking[0], tags_here, "see `mmbench list shapes`") if lacking else "tags joined by + must all fit",
            )
        names = [n for n in knowing if any(set(tags) <= shape.tags for shape in known[n].shapes)] or knowing[:1]
    return [shape for n in names for shape in known[n].chosen(tags)]
