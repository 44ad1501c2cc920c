"""Make any string safe and measurable before it reaches a terminal: clean, shorten, measure, pad, wrap.

Every string of a machine file is hostile until it has passed `clean`: an escape sequence could recolour or rewrite the
terminal, a right-to-left mark could reverse a line, a megabyte could flood it. Widths are terminal cells, not characters:
wide East Asian characters take two, combining marks none (Unicode Standard Annex 11).
"""

from __future__ import annotations

import re
import unicodedata

# Operating system and control strings first: their payload must go with them (ECMA-48, sections 5.4 and 5.6).
_ESCAPES = re.compile(
    r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b.?"
)
_SPACES = re.compile(r"\s+")
_DROPPED = ("Cf", "Me")  # format characters (bidirectional marks, joiners, byte order mark), enclosing marks
_REFUSED = ("Cc", "Cs", "Co", "Cn", "Zl", "Zp")  # shown as one replacement character, so that a reader sees that something was there
_MOST_MARKS = 1  # combining marks on one base: more is decoration meant to spill over other lines

_ASCII = str.maketrans(
    {
        "±": "+-", "–": "-", "—": "-", "−": "-", "…": "...", "·": "|", "≠": "!=", "≤": "<=", "≥": ">=", "×": "x", "µ": "u", "μ": "u",
        "→": "->", "←": "<-", "↔": "<->", "²": "2", "³": "3", "‘": "'", "’": "'", "“": '"', "”": '"', "®": "(R)", "™": "(TM)", "°": " deg",
        "≈": "~", "\N{REPLACEMENT CHARACTER}": "?",
    }
)  # fmt: skip


def to_ascii(text: str) -> str:
    """`text` in ASCII with the same meaning where there is one: `±` is `+-`, `é` is `e`, anything else is `?`."""
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFKD", text.translate(_ASCII))
    return "".join(c if c.isascii() else "" if unicodedata.combining(c) else "?" for c in plain)


def clean(text: str, limit: int = 400, *, ascii_only: bool = False) -> str:
    """One line of harmless text of at most `limit` cells; what was longer ends in `…`.

    Escape sequences vanish whole, white space becomes single spaces, invisible and bidirectional marks vanish, and any
    other control, private or unassigned character becomes a replacement character.
    """
    head = _ESCAPES.sub("", text[: 8 * limit])
    head = unicodedata.normalize("NFC", _SPACES.sub(" ", head).strip())
    kept: list[str] = []
    marks = 0
    for character in head:
        category = unicodedata.category(character)
        marks = marks + 1 if category == "Mn" else 0
        if category in _DROPPED or marks > _MOST_MARKS or "\ufe00" <= character <= "\ufe0f" or (marks and not kept):
            continue
        kept.append("\N{REPLACEMENT CHARACTER}" if category in _REFUSED else " " if category == "Zs" else character)
    result = "".join(kept)
    if ascii_only:
        result = to_ascii(result)
    return shorten(result, limit, "..." if ascii_only else "…", force=len(text) > 8 * limit)


def shorten(text: str, limit: int, ending: str = "…", *, force: bool = False) -> str:
    """`text`, or its beginning and `ending` where it is wider than `limit` cells (or where `force` says that more was cut)."""
    if cell_width(text) <= limit and not force:
        return text
    kept = ""
    room = limit - cell_width(ending)
    for character in text:
        room -= _cells(character)
        if room < 0:
            break
        kept += character
    return kept.rstrip() + ending


def _cells(character: str) -> int:
    if character < "\x7f":
        return 1
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def cell_width(text: str) -> int:
    """Terminal cells that `text` takes."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def pad(text: str, width: int, align: str = "left") -> str:
    """`text` filled with spaces to `width` cells; unchanged where it is wider. `align`: left, right or centre."""
    room = max(0, width - cell_width(text))
    before = {"left": 0, "right": room, "centre": room // 2}[align]
    return " " * before + text + " " * (room - before)


def wrap(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` cells, broken at spaces; a longer word is broken inside, and nothing is lost."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        for piece in _pieces(word, width):
            if not line:
                line = piece
            elif cell_width(line) + 1 + cell_width(piece) <= width:
                line += " " + piece
            else:
                lines.append(line)
                line = piece
    return [*lines, line] if line else lines


def _pieces(word: str, width: int) -> list[str]:
    """`word` in pieces that each fit into `width` cells."""
    if cell_width(word) <= width:
        return [word]
    pieces = [""]
    room = width
    for character in word:
        room -= _cells(character)
        if room < 0 and pieces[-1]:
            pieces.append("")
            room = width - _cells(character)
        pieces[-1] += character
    return pieces
