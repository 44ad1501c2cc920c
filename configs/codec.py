"""Turn frozen records into plain JSON values and back, and say the place of whatever does not fit.

One walk over the type hints serves encoding, decoding and the JSON Schema, so that the three cannot drift apart. Additional
keys are ignored on reading (a newer minor writer may add them); missing keys take the record's default.
"""

from __future__ import annotations

import dataclasses
import math
import types
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import SchemaError
from .facts import Fact

R = TypeVar("R")


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
    result: R = _decode(kind, value, place)
    return result


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _fail(place: str, expected: str, value: Any) -> SchemaError:
    shown = repr(value)
    return SchemaError(f"{place}: expected {expected}, found {shown if len(shown) <= 60 else shown[:57] + '...'}")


def _decode(kind: Any, value: Any, place: str) -> Any:
    origin = get_origin(kind)
    if kind is Any:
        return value
    if isinstance(kind, TypeVar):  # Fact[T]: any scalar
        return _scalar(value, place)
    if origin in (types.UnionType, Union):
        return _decode_union(get_args(kind), value, place)
    if origin in (tuple, dict):
        return _decode_many(kind, value, place)
    if isinstance(origin or kind, type) and dataclasses.is_dataclass(origin or kind):
        return _decode_record(kind, value, place)
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(value)
        except ValueError:
            raise _fail(place, " or ".join(repr(m.value) for m in kind), value) from None
    return _decode_plain(kind, value, place)


def _decode_many(kind: Any, value: Any, place: str) -> Any:
    arguments = get_args(kind)
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise _fail(place, "a list", value)
        return tuple(_decode(arguments[0], item, f"{place}[{i}]") for i, item in enumerate(value))
    if not isinstance(value, dict):
        raise _fail(place, "an object", value)
    return {key: _decode(arguments[1], item, f"{place}.{key}") for key, item in value.items()}


def _scalar(value: Any, place: str) -> Any:
    if not isinstance(value, (str, int, float, bool)):
        raise _fail(place, "a number, a word or true/false", value)
    return value


def _decode_plain(kind: Any, value: Any, place: str) -> Any:
    if kind is float and value is None:  # how `encode` writes NaN and the infinities
        return math.nan
    if kind is float and isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1e300:
        return float(value)
    if kind is type(None) and value is None:
        return None
    if isinstance(kind, type) and isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise _fail(place, {int: "a whole number", float: "a number", str: "a word", bool: "true or false"}.get(kind, str(kind)), value)


def _decode_union(options: tuple[Any, ...], value: Any, place: str) -> Any:
    if value is None and type(None) in options:
        return None
    options = tuple(o for o in options if o is not type(None))
    exact = [o for o in options if type(value) is o]
    first: SchemaError | None = None
    for option in exact or options:
        try:
            return _decode(option, value, place)
        except SchemaError as error:
            first = first or error
    assert first is not None
    raise first


def _decode_record(kind: Any, value: Any, place: str) -> Any:
    record = get_origin(kind) or kind
    if not isinstance(value, dict):
        raise _fail(place, f"an object ({record.__name__})", value)
    hints = _hints(record)
    argument = get_args(kind)[0] if get_args(kind) else None
    values = {}
    for field in dataclasses.fields(record):
        if field.name in value:
            hint = hints[field.name]
            if argument is not None and record is Fact and field.name == "value":
                hint = argument | None
            values[field.name] = _decode(hint, value[field.name], f"{place}.{field.name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise SchemaError(f"{place}: '{field.name}' is missing")
    try:
        return record(**values)
    except ValueError as error:  # an invariant of the record
        raise SchemaError(f"{place}: {error}") from None


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
