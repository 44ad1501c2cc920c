"""Answer a mistyped word with its neighbours."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from ..configs.errors import UsageError


def not_known(what: str, word: str, known: Iterable[str], otherwise: str = "") -> UsageError:
    """The error for a `word` that is no `what`: the nearest known words as the hint, else all of them (or `otherwise`)."""
    words = list(known)
    near = difflib.get_close_matches(word.lower(), words, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else otherwise or f"known: {', '.join(words)}"
    return UsageError(f"there is no {what} '{word}'", hint)
