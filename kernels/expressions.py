"""Understand `-k EXPR`: words joined by and, or, not and parentheses; a word fits where it occurs in the text, in capitals or not.

    -k "vectorized and not int4"     -k "(mkl or openblas) and bert"     -k "'ffn up' and t1"

Words are anything without blanks and parentheses (`128x768x768`, `openblas@numpy`, `+bias`); with blanks they go in quotes. `not` binds
closer than `and`, that closer than `or`. Nothing is evaluated as Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ..configs.errors import UsageError

Predicate = Callable[[str], bool]
_TOKEN = re.compile(r"""\s*(?:(?P<sign>[()])|(?P<quote>'[^']*'|"[^"]*")|(?P<word>[^\s()'"]+))""")
_DEEPEST = 100


def parse_expression(text: str) -> Predicate:
    """A function that says whether a text fits the expression; UsageError with the place where it cannot be understood."""
    parser = _Parser(text)
    found = parser.any_of(0)
    if parser.kind != "end":
        raise parser.error("')' closes nothing" if parser.value == ")" else f"'and' or 'or' must stand before {parser.value!r}")
    return found


class _Parser:
    """Recursive descent over the tokens; `kind` is sign, operator, word or end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0
        self._start = 0
        self.kind = self.value = ""
        self._next()

    def error(self, reason: str) -> UsageError:
        """The error at the current token."""
        return UsageError(f"-k {self._text!r}, column {self._start + 1}: {reason}", "write words with and, or, not and parentheses")

    def _next(self) -> None:
        match = _TOKEN.match(self._text, self._place)
        if match is None:
            rest = self._text[self._place :]
            self._start = self._place + len(rest) - len(rest.lstrip())
            self.kind, self.value = "end", ""
            if rest.strip():
                raise self.error("a quote has no end")
            return
        self._place, self._start = match.end(), match.start(match.lastgroup or 0)
        self.value = match[match.lastgroup or 0]
        if match.lastgroup == "word":
            self.kind = "operator" if self.value.lower() in ("and", "or", "not") else "word"
        else:
            self.kind = "sign"
        if match.lastgroup == "quote":
            self.kind, self.value = "word", self.value[1:-1]

    def _take(self, operator: str) -> bool:
        found = self.kind == "operator" and self.value.lower() == operator
        if found:
            self._next()
        return found

    def any_of(self, depth: int) -> Predicate:
        """A or B or C."""
        parts = [self._all_of(depth)]
        while self._take("or"):
            parts.append(self._all_of(depth))
        return lambda text: any(part(text) for part in parts)

    def _all_of(self, depth: int) -> Predicate:
        parts = [self._single(depth)]
        while self._take("and"):
            parts.append(self._single(depth))
        return lambda text: all(part(text) for part in parts)

    def _single(self, depth: int) -> Predicate:
        if depth > _DEEPEST:
            raise self.error("nested too deeply")
        if self._take("not"):
            inner = self._single(depth + 1)
            return lambda text: not inner(text)
        if self.kind == "sign" and self.value == "(":
            opened = self._start
            self._next()
            inner = self.any_of(depth + 1)
            if self.kind != "sign" or self.value != ")":
                self._start = opened
                raise self.error("this '(' is not closed")
            self._next()
            return inner
        if self.kind != "word" or not self.value:
            raise self.error("a word is missing" + (f" before {self.value!r}" if self.value else ""))
        word = self.value.casefold()
        self._next()
        return lambda text: word in text.casefold()
