"""Turn frozen records into plain JSON values and back, and say the place of whatever does not fit.

The type hints serve encoding, decoding and the JSON Schema, so that the three cannot drift apart. Additional keys are ignored on
reading (a newer minor writer may add them); missing keys take the record's default.

Decoding builds one function for each type, once: a run file has millions of numbers. A function knows nothing of its place; what does
not fit collects the place on its way up.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Callable, Hashable
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from .errors import SchemaError
from .facts import Fact

R = TypeVar("R")
Decoder = Callable[[Any], Any]


def encode(value: Any) -> Any:
    """A record as dicts, lists and scalars. Infinities and NaN become null: JSON has no word for them."""
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def decode(kind: type[R], value: Any, place: str = "$") -> R:
    """`value` as a `kind`; SchemaError names the place (`$.caches[0].size`) and what was expected there."""
    decoder: Decoder = _decoder(cast(Hashable, kind))
    try:
        result: R = decoder(value)
    except _MisfitError as misfit:
        raise SchemaError(f"{place}{''.join(reversed(misfit.steps))}: {misfit.what}") from None
    return result


class _MisfitError(Exception):
    """What does not fit. `steps` lead to it, the innermost first."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what
        self.steps: list[str] = []

    def under(self, step: str) -> _MisfitError:
        """One step further out."""
        self.steps.append(step)
        return self


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _misfit(expected: str, value: Any) -> _MisfitError:
    shown = repr(value)
    return _MisfitError(f"expected {expected}, found {shown if len(shown) <= 60 else shown[:57] + '...'}")


@cache
def _decoder(kind: Any) -> Decoder:
    origin = get_origin(kind)
    if kind is Any:
        return lambda value: value
    if isinstance(kind, TypeVar):  # Fact[T]: any scalar
        return _scalar
    if origin in (types.UnionType, Union):
        return _union_decoder(get_args(kind))
    if origin is tuple:
        return _tuple_decoder(get_args(kind)[0])
    if origin is dict:
        return _dict_decoder(get_args(kind)[1])
    if isinstance(origin or kind, type) and dataclasses.is_dataclass(origin or kind):
        return _RecordDecoder(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enum_decoder(kind)
    return _PLAIN_DECODERS[kind]


def _scalar(value: Any) -> Any:
    if not isinstance(value, (str, int, float, bool)):
        raise _misfit("a number, a word or true/false", value)
    return value


def _float(value: Any) -> float:
    if isinstance(value, float):
        return value
    if value is None:  # how `encode` writes NaN and the infinities
        return math.nan
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1e300:
        return float(value)
    raise _misfit("a number", value)


def _plain(kind: type, expected: str) -> Decoder:
    def decoded(value: Any) -> Any:
        if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):  # true is an instance of int, and no number
            return value
        raise _misfit(expected, value)

    return decoded


_PLAIN_DECODERS: dict[Any, Decoder] = {
    float: _float,
    int: _plain(int, "a whole number"),
    str: _plain(str, "a word"),
    bool: _plain(bool, "true or false"),
    type(None): _plain(type(None), "null"),
}


def _enum_decoder(kind: type[Enum]) -> Decoder:
    members = {member.value: member for member in kind}

    def decoded(value: Any) -> Any:
        try:
            return members[value]
        except (KeyError, TypeError):
            raise _misfit(" or ".join(repr(name) for name in members), value) from None

    return decoded


def _tuple_decoder(item_kind: Any) -> Decoder:
    one = _decoder(item_kind)
    ready = {item_kind} if item_kind in (float, int, str, bool) else None

    def decoded(value: Any) -> Any:
        if not isinstance(value, list):
            raise _misfit("a list", value)
        if ready is not None and set(map(type, value)) == ready:  # thousands of numbers at once
            return tuple(value)
        made = []
        for index, item in enumerate(value):
            try:
                made.append(one(item))
            except _MisfitError as misfit:
                raise misfit.under(f"[{index}]") from None
        return tuple(made)

    return decoded


def _dict_decoder(item_kind: Any) -> Decoder:
    one = _decoder(item_kind)

    def decoded(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _misfit("an object", value)
        made = {}
        for key, item in value.items():
            try:
                made[key] = one(item)
            except _MisfitError as misfit:
                raise misfit.under(f".{key}") from None
        return made

    return decoded


def _union_decoder(kinds: tuple[Any, ...]) -> Decoder:
    options = {kind: _decoder(kind) for kind in kinds if kind is not type(None)}
    may_be_none = type(None) in kinds

    def decoded(value: Any) -> Any:
        if value is None and may_be_none:
            return None
        exact = options.get(type(value))
        if exact is not None:
            return exact(value)
        first: _MisfitError | None = None
        for option in options.values():
            try:
                return option(value)
            except _MisfitError as misfit:
                first = first or misfit
        assert first is not None
        raise first

    return decoded


class _RecordDecoder:
    """Decodes one record. Its fields are looked up at the first use: records may hold themselves."""

    def __init__(self, kind: Any) -> None:
        self._record: Any = get_origin(kind) or kind
        self._argument = get_args(kind)[0] if get_args(kind) else None
        self._learnt: tuple[list[tuple[str, str, Decoder]], list[str]] | None = None

    def _learn(self) -> tuple[list[tuple[str, str, Decoder]], list[str]]:
        hints = _hints(self._record)
        fields, needed = [], []
        for field in dataclasses.fields(self._record):
            hint = hints[field.name]
            if self._argument is not None and self._record is Fact and field.name == "value":
                hint = self._argument | None
            fields.append((field.name, f".{field.name}", _decoder(hint)))
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                needed.append(field.name)
        self._learnt = fields, needed  # at once: another thread may decode, too
        return self._learnt

    def __call__(self, value: Any) -> Any:
        if not isinstance(value, dict):
            raise _misfit(f"an object ({self._record.__name__})", value)
        fields, needed = self._learnt or self._learn()
        values = {}
        for name, step, one in fields:
            if name in value:
                try:
                    values[name] = one(value[name])
                except _MisfitError as misfit:
                    raise misfit.under(step) from None
        for name in needed:
            if name not in values:
                raise _MisfitError(f"'{name}' is missing")
        try:
            return self._record(**values)
        except ValueError as error:  # an invariant of the record
            raise _MisfitError(str(error)) from None


def json_schema(kind: type, title: str, schema_id: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a record and all records in it."""
    definitions: dict[str, Any] = {}
    root = _schema(kind, definitions)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": schema_id, "title": title, **root, "$defs": definitions}


_PLAIN: dict[Any, dict[str, Any]] = {
    int: {"type": "integer"},
    float: {"type": ["number", "null"]},
    str: {"type": "string"},
    bool: {"type": "boolean"},
}


def _schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin = get_origin(kind)
    if kind in _PLAIN:
        return dict(_PLAIN[kind])
    if kind is Any:
        return {}
    if kind is type(None):
        return {"type": "null"}
    if isinstance(kind, TypeVar):
        return {"type": ["string", "number", "boolean"]}
    if origin in (types.UnionType, Union):
        return {"anyOf": [_schema(option, definitions) for option in get_args(kind)]}
    if origin is tuple:
        return {"type": "array", "items": _schema(get_args(kind)[0], definitions)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(get_args(kind)[1], definitions)}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"enum": [member.value for member in kind]}
    return _record_schema(kind, definitions)


def _record_schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    record = get_origin(kind) or kind
    if record.__name__ not in definitions:
        definitions[record.__name__] = {}  # placed first: records may hold themselves
        required = [
            f.name for f in dataclasses.fields(record) if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        ]
        properties = {name: _schema(hint, definitions) for name, hint in _hints(record).items()}
        summary = (record.__doc__ or "").strip().splitlines()[0]
        definitions[record.__name__] = {"type": "object", "description": summary, "properties": properties, "required": required}
    return {"$ref": f"#/$defs/{record.__name__}"}
