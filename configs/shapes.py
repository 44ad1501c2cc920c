"""Read and write shapes of matrix products as people type them: `128x768x768`, `12*128x128x64:nt`, `1024`.

    [BATCH*]MxNxK[/strided|/pointers|/same-a|/same-b][:nn|nt|tn|tt][[lda=..,ldb=..,ldc=..]]

C is m × n, A is m × k, B is k × n; leading dimensions count elements. One number alone is a cube. This is what `Case.shape` prints, and
reading that gives the same case. Two short forms stand for several shapes: braces hold alternatives (`{1,2,4}x4096x4096`) or a range with
a step (`{64..256..64}`), and `=m` or `=n` repeats a number to the left of it (`{64,128}x7x=m`).

Numbers go up to 2^31 - 1, because most libraries count in 32 bits. Zero is refused: there would be nothing to time.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .cases import BATCHES, LAYOUTS, Case
from .dtypes import MIXES
from .errors import UsageError

LARGEST = 2**31 - 1
MOST_ALTERNATIVES = 10_000  # of one word with braces: a slip of the hand shall not fill the memory
LEADS = ("lda", "ldb", "ldc")
_FORM = "write MxNxK such as 128x768x768, 12*128x128x64:nt or 1024; see `mmbench explain shapes`"


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes and layout of a product. `layout` is empty where nothing was said of it: nn, or nt for types that lie along k."""

    m: int
    n: int
    k: int
    batch: int = 1
    batch_kind: str = "strided"
    layout: str = ""
    lda: int = 0
    ldb: int = 0
    ldc: int = 0

    @property
    def text(self) -> str:
        """The shape as it is typed; the empty layout is left out, as nn is."""
        return self.case().shape

    @property
    def operations(self) -> int:
        """Arithmetic operations, 2·m·n·k a problem."""
        return 2 * self.m * self.n * self.k * self.batch

    def case(self, dtype: str = "f32", layout: str = "", **more: Any) -> Case:
        """The case of this shape; a `layout` given here wins over the shape's own. `more` are other fields of `Case`."""
        layout = layout or self.layout or ("nt" if MIXES[dtype].packed else "nn")
        leads = {name: getattr(self, name) for name in LEADS}
        return Case(self.m, self.n, self.k, dtype, layout, self.batch, self.batch_kind, **leads, **more)


def parse_shape(text: str) -> Shape:
    """One shape; UsageError with the place where it cannot be understood."""
    at = _Cursor(text)
    first = at.number("a size")
    batch = 1
    if at.take("*"):
        batch, first = first, at.number("m")
    sizes = [first]
    while at.take("x"):
        if len(sizes) == 3:
            raise at.error("a shape has three numbers", at.place - 1)
        sizes.append(at.number("mnk"[len(sizes)]))
    if len(sizes) == 2:
        raise UsageError(f"shape '{_shortened(text)}': two numbers, but a shape has three, m, n and k (or one, for a cube)", _FORM)
    kind, kind_at = "strided", at.place
    if at.take("/"):
        kind = at.word(BATCHES, "way in which a batch lies")
        if batch == 1:
            raise at.error(f"'/{kind}' says how the problems of a batch lie, but there is one problem only", kind_at)
    layout = at.word(LAYOUTS, "layout") if at.take(":") else ""
    leads = _leads(at)
    at.end()
    m, n, k = sizes if len(sizes) == 3 else sizes * 3
    shape = Shape(m, n, k, batch, kind, layout, **leads)
    reason = lead_problem(shape.case())
    if reason:
        raise UsageError(f"shape '{_shortened(text)}': {reason}", _FORM)
    return shape


def lead_problem(case: Case) -> str:
    """Empty, or which leading dimension is shorter than a row."""
    rows = {"lda": case.rows_a[1], "ldb": case.rows_b[1], "ldc": case.n}
    for name, row in rows.items():
        lead = getattr(case, name)
        if lead and lead < row:
            return f"{name}={lead} is shorter than a row of {row} elements"
    return ""


def looks_like_shape(word: str) -> bool:
    """Whether a word is meant as a shape, not as the name of a shape set: names begin with a letter, patterns of them with *."""
    return not re.match(r"[A-Za-z*]", word)


def _leads(at: _Cursor) -> dict[str, int]:
    leads: dict[str, int] = {}
    if not at.take("["):
        return leads
    while True:
        place = at.place
        name = at.word(LEADS, "leading dimension")
        if name in leads:
            raise at.error(f"{name} is given twice", place)
        if not at.take("="):
            raise at.error(f"'=' and a number must follow {name}", at.place)
        leads[name] = at.number(name)
        if at.take("]"):
            return leads
        if not at.take(","):
            raise at.error("',' or ']' must follow a leading dimension", at.place)


class _Cursor:
    """A place in the text that is read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0

    def error(self, reason: str, place: int) -> UsageError:
        """The error at a place, counted from 1."""
        return UsageError(f"shape '{_shortened(self.text)}', column {place + 1}: {reason}", _FORM)

    def take(self, sign: str) -> bool:
        """Whether the next character is `sign`; if so it is passed."""
        found = self.text[self.place : self.place + 1] == sign
        self.place += found
        return found

    def number(self, what: str) -> int:
        """The next number, from 1 to LARGEST."""
        match = re.compile(r"[-+]?[0-9]+").match(self.text, self.place)
        if not match:
            found = re.compile(r"[^x*/:\[\],=]*").match(self.text, self.place)
            word = found[0] if found else ""
            raise self.error(f"'{_shortened(word)}' is not a number" if word else f"a number is missing ({what})", self.place)
        digits = match[0].lstrip("+-0")
        if match[0].startswith("-") or not digits:
            why = "" if what in LEADS else ": there would be nothing to time"
            raise self.error(f"{what} is {_shortened(match[0])}, but must be 1 or more{why}", self.place)
        if len(digits) > 10 or int(digits) > LARGEST:
            raise self.error(f"{what} is more than {LARGEST}, the most that libraries count to", self.place)
        self.place = match.end()
        return int(digits)

    def word(self, known: tuple[str, ...], what: str) -> str:
        """The next word, one of `known`."""
        match = re.compile(r"[A-Za-z0-9_-]*").match(self.text, self.place)
        found = match[0] if match else ""
        if found not in known:
            raise self.error(f"'{_shortened(found)}' is no {what}: {', '.join(known)}", self.place)
        self.place += len(found)
        return found

    def end(self) -> None:
        """The text must end here."""
        if self.place < len(self.text):
            raise self.error(f"'{_shortened(self.text[self.place :])}' is not understood", self.place)


def _shortened(text: str) -> str:
    """The text for a message: not too long, and what does not print (line ends, bytes that are no UTF-8) as its escape."""
    text = text if len(text) <= 60 else text[:57] + "…"
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def split_words(text: str) -> list[str]:
    """Words of a list such as `256,bert-base:up,{1,2}x64x64[lda=80,ldb=80]`: split at commas and blanks outside of brackets and braces."""
    words, depth, word = [], 0, ""
    for sign in text:
        depth += sign in "[{"
        depth -= sign in "]}"
        if (sign == "," or sign.isspace()) and depth <= 0:
            words.append(word)
            word = ""
        else:
            word += sign
    return [w for w in (*words, word) if w]


def expand_word(word: str) -> Iterator[str]:
    """The shapes that a word with braces stands for, in order: the last brace changes fastest. A word without braces stands for itself."""
    pieces = [_alternatives(word, piece) for piece in re.split(r"(\{[^{}]*\})", word)]
    count = 1
    for piece in pieces:
        count *= len(piece)
    if count > MOST_ALTERNATIVES:
        raise UsageError(f"shape '{_shortened(word)}' stands for {count} shapes; {MOST_ALTERNATIVES} are the most", "use a larger step")
    for chosen in itertools.product(*pieces):
        yield _repeated(word, "".join(chosen))


def _alternatives(word: str, piece: str) -> list[str]:
    if not re.fullmatch(r"\{[^{}]*\}", piece):
        if "{" in piece or "}" in piece:
            raise UsageError(f"shape '{_shortened(word)}': a brace has no partner, or lies within another", _FORM)
        return [piece]
    found: list[str] = []
    for item in piece[1:-1].split(","):
        match = re.fullmatch(r"([0-9]{1,10})\.\.([0-9]{1,10})(?:\.\.([0-9]{1,10}))?", item.strip())
        if not match:
            if not item.strip() or ".." in item:
                raise UsageError(
                    f"shape '{_shortened(word)}': '{_shortened(item)}' in braces is no word or range", "write {1,2,4} or {64..256..64}"
                )
            found.append(item.strip())
            continue
        first, last, step = int(match[1]), int(match[2]), int(match[3] or 1)
        if step < 1 or last < first or (last - first) // step >= MOST_ALTERNATIVES:
            raise UsageError(f"shape '{_shortened(word)}': the range '{item.strip()}' is empty or too long", "write {FIRST..LAST..STEP}")
        found += [str(value) for value in range(first, last + 1, step)]
    return found


def _repeated(word: str, text: str) -> str:
    """`=m` and `=n` replaced by the number that stands there; leading dimensions (`lda=…`) are no repeats."""
    if "x=" not in text:
        return text
    sizes = text.partition("[")[0].rpartition("*")[2].split("x")
    for place, name in re.findall(r"x(=)([^x:/]*)", text.partition("[")[0]):
        index = {"m": 0, "n": 1}.get(name, len(sizes))
        repeated = re.match(r"[0-9]+", sizes[index]) if index < len(sizes) else None
        if repeated is None:
            raise UsageError(
                f"shape '{_shortened(word)}': '={_shortened(name)}' repeats nothing that stands to the left of it", "write =m or =n"
            )
        text = text.replace(f"x{place}{name}", f"x{repeated[0]}", 1)
    return text


def parse_shapes(word: str) -> list[Shape]:
    """The shapes that a word stands for, braces and repeats resolved."""
    return [parse_shape(text) for text in expand_word(word)]
