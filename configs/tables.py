"""Read TOML tables strictly: every key known, every value of its kind, and each error with its file and place."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .errors import UsageError
from .files import not_regular

_MOST_BYTES = 1 << 20  # of a file that a person writes; a device such as /dev/zero never ends


def near(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """A hint for a word that is not known: its nearest neighbours, else `otherwise`, else all words."""
    words = list(dict.fromkeys(known))
    found = difflib.get_close_matches(word, words, n=2, cutoff=0.6)
    return f"did you mean {' or '.join(found)}?" if found else otherwise or "known: " + ", ".join(words)


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """The content of a TOML file; UsageError says where it is malformed."""
    other = not_regular(path)
    if other:
        raise UsageError(f"{path}: the {what} cannot be read: it is {other}, not a regular file", "name a readable TOML file")
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise UsageError(f"{path}: more than {_MOST_BYTES >> 20} MiB, which is too large for a {what}", "name a TOML file")
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: byte {error.start} is not UTF-8 text", "TOML files are UTF-8") from None
    except OSError as error:
        raise UsageError(f"{path}: the {what} cannot be read: {error.strerror}", "name a readable TOML file") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not valid TOML: {error}", "see https://toml.io for the rules") from None
    except RecursionError:
        raise UsageError(f"{path}: nested too deeply to be a {what}") from None
    except ValueError as error:  # Python reads no number of more than 4300 digits
        raise UsageError(f"{path}: it holds a value that cannot be read: {error}") from None


def _shown(value: object) -> str:
    """A value for a message, not too long."""
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= 80 else text[:77] + "…"


class Table:
    """A table and its place (`mine.toml: grid 2`). Keys are taken one by one; `end` refuses those that are left."""

    def __init__(self, place: str, values: object) -> None:
        self.place = place
        if not isinstance(values, dict):
            raise UsageError(f"{place}: must be a table, not {_shown(values)}")
        self._values: dict[str, Any] = dict(values)
        self._known: list[str] = []

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def error(self, key: str, reason: str, hint: str = "") -> UsageError:
        """The error of one key."""
        return UsageError(f"{self.place}: {key} {reason}", hint)

    def take(self, key: str) -> Any:
        """The raw value, None where there is none."""
        self._known.append(key)
        return self._values.pop(key, None)

    def text(self, key: str, default: str | None = None) -> str:
        """A text; without a default it must be there and not be empty."""
        value = self.take(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or (default is None and not value.strip()):
            raise self.error(key, "is missing" if value is None else f"must be a text, not {_shown(value)}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts (numbers are read as texts, one text is a list of one); empty where there is none."""
        value = self.take(key)
        if value is None:
            return ()
        items = value if isinstance(value, list) else [value]
        for item in items:
            if not isinstance(item, (str, int)) or isinstance(item, bool):
                raise self.error(key, f"must be a list of texts, but holds {_shown(item)}")
        return tuple(str(item) for item in items)

    def whole(self, key: str, default: int | None = None) -> int:
        """A whole number above zero."""
        value = self.take(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**31:
            raise self.error(key, "is missing" if value is None else f"must be a whole number above zero, not {_shown(value)}")
        return value

    def wholes(self, key: str) -> tuple[int, ...]:
        """A list of whole numbers above zero; empty where there is none."""
        value = self.take(key)
        items = [] if value is None else value
        if not isinstance(items, list) or any(not isinstance(i, int) or isinstance(i, bool) or not 0 < i < 2**31 for i in items):
            raise self.error(key, f"must be a list of whole numbers above zero, not {_shown(value)}")
        return tuple(items)

    def truth(self, key: str) -> bool:
        """True or false; false where there is none."""
        value = self.take(key)
        if value is not None and not isinstance(value, bool):
            raise self.error(key, f"must be true or false, not {_shown(value)}")
        return bool(value)

    def tables(self, key: str) -> list[Table]:
        """A list of tables, each with its place."""
        value = self.take(key)
        if value is not None and not isinstance(value, list):
            raise self.error(key, f"must be a list of tables, [[{key}]]")
        return [Table(f"{self.place}: {key} {number}", item) for number, item in enumerate(value or [], 1)]

    def named(self, key: str) -> dict[str, Table]:
        """Tables by name."""
        value = self.take(key)
        if value is not None and not isinstance(value, dict):
            raise self.error(key, f"must be tables, [{key}.NAME]")
        return {name: Table(f"{self.place}: {key}.{name}", item) for name, item in (value or {}).items()}

    def schema(self, newest: int) -> None:
        """The file's schema must be one that is known."""
        value = self.take("schema")
        if value != newest or isinstance(value, bool):
            raise self.error(
                "schema",
                "is missing" if value is None else f"is {_shown(value)}, but this mmbench reads {newest}",
                f"write schema = {newest}",
            )

    def end(self) -> None:
        """Nothing may be left."""
        for key in self._values:
            raise UsageError(f"{self.place}: there is no key '{key}'", near(key, self._known))
