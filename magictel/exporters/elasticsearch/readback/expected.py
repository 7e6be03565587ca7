"""The expected form of a sent point, and the documented losses."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from typing import Any

import orjson

from magictel.exporters.elasticsearch.encoding import value_fields
from magictel.exporters.elasticsearch.values import LONGEST_TEXT, time_text, uncut
from magictel.formats import lossy
from magictel.model.identity_cache import IdentityCache
from magictel.model.metrics import Attributes, Point, Series
from magictel.model.verification import Expected, Value

RUN_ID = "attributes.magictel.run.id"
POINT = "attributes.magictel.sample.point"
TIMES = ("@timestamp", "start_timestamp")
ATTRIBUTES = ("attributes.", "resource.attributes.", "scope.attributes.")
_MOST_FLATTENED = 5_000


class FlatAttributes:
    """Attributes by the names of their fields, flattened once while the same objects come again."""

    def __init__(self) -> None:
        self._flat = {prefix: IdentityCache(partial(_flattened, prefix), _MOST_FLATTENED) for prefix in ATTRIBUTES}

    def of(self, series: Series) -> dict[str, Value]:
        """Return those of a point, its resource and its scope."""
        stream = series.stream
        given = series.attributes, stream.resource, stream.scope_attributes
        fields: dict[str, Value] = {}
        for flat, attributes in zip(self._flat.values(), given, strict=True):
            if attributes:
                fields |= flat(attributes)
        return fields


def expected(series: Series, point: Point, item: bytes, flat: FlatAttributes) -> Expected | None:
    """Return every field of the point's document except the run id, before any loss: times in nanoseconds, texts at full length.

    Made from the point and not from `item`, its encoded form, of which only the `_id` is taken: a bug of the encoding shows.

    Return None for a point without the attribute `magictel.sample.point`, which identifies it.
    """
    key = (series.attributes or {}).get("magictel.sample.point")
    if not isinstance(key, str):
        return None
    values = _fields(series, point, flat)
    values.pop(RUN_ID, None)
    return Expected(key, f"{series.stream.name} {key}", values, document_id(item))


def identified(series: Series, point: Point, item: bytes, flat: FlatAttributes) -> Expected | None:
    """As `expected`, for any point: its key is the `_id`."""
    key = document_id(item)
    if key is None:
        return None
    attributes = ", ".join(f"{name}={value}" for name, value in (series.attributes or {}).items())
    moment = nanosecond_text(point.time_unix_nano)
    return Expected(key, f"{series.stream.name}{{{attributes[:200]}}} at {moment}", _fields(series, point, flat), key)


def _fields(series: Series, point: Point, flat: FlatAttributes) -> dict[str, Value]:
    stream = series.stream
    fields: dict[str, Value] = {
        "@timestamp": nanosecond_text(point.time_unix_nano),
        "name": stream.name,
        "unit": stream.unit or None,
        "kind": stream.kind.value,
        "temporality": stream.temporality,
        "monotonic": stream.monotonic if stream.kind == "sum" else None,
        "resource.schema_url": stream.resource_schema_url or None,
        "scope.name": stream.scope_name or None,
        "scope.version": stream.scope_version or None,
        "scope.schema_url": stream.scope_schema_url or None,
    }
    if point.start_time_unix_nano:
        fields["start_timestamp"] = nanosecond_text(point.start_time_unix_nano)
    fields |= dict(_flat("", value_fields(point)))
    fields |= flat.of(series)
    return {name: value for name, value in fields.items() if value is not None}


def declared(field: str, sent: Value, seen: Value) -> str | None:
    """Return the documented lossy form that explains a difference, or None."""
    if field in TIMES and isinstance(sent, str) and isinstance(seen, str):
        return "timestamps truncated to milliseconds" if sent[:23] == seen[:23] and seen[23:] == "000000Z" else None
    if not field.startswith(ATTRIBUTES):
        return None
    if isinstance(sent, str) and isinstance(seen, str):
        return lossy.cut_text(sent, seen, LONGEST_TEXT)
    if isinstance(sent, tuple):
        return _list_form(sent, seen if isinstance(seen, tuple) else () if seen is None else (seen,))
    return lossy.text(as_text(sent), seen, "attributes become text in a flattened field")


def as_text(value: Value) -> str:
    """A value as a flattened field shows it: the text that stood in the JSON."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


@lru_cache(maxsize=1_024)
def nanosecond_text(nanoseconds: int) -> str:
    """A time as ISO 8601 in UTC with nanoseconds."""
    return f"{time_text(nanoseconds)[:20]}{nanoseconds % 1_000_000_000:09d}Z"


def _list_form(sent: tuple[Any, ...], seen: tuple[Any, ...]) -> str | None:
    items = [item for item in sent if item is not None]
    if sorted(map(_sortable, items)) == sorted(map(_sortable, seen)):
        return "lists come sorted"
    if {_sortable(item) for item in items} == {_sortable(item) for item in seen}:
        return "lists lose order and repeats"
    if {as_text(item)[:LONGEST_TEXT] for item in items} == {as_text(item) for item in seen}:
        return "attributes become text in a flattened field; lists lose order and repeats"
    return None


def _sortable(item: Any) -> tuple[str, str]:
    if isinstance(item, float) and math.isnan(item):
        return "float", "NaN"
    return type(item).__name__, repr(item)


def _flattened(prefix: str, given: Attributes) -> Mapping[str, Value]:
    return dict(_flat(prefix, uncut(given)))


def _flat(prefix: str, fields: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    """Nested objects as dotted names; nothing for null, an empty list or an empty object, which the engine does not store."""
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}{name}.", value)
        elif isinstance(value, list):
            items = tuple(tuple(item) if isinstance(item, list) else item for item in value)
            if items:
                yield prefix + name, items
        elif value is not None:
            yield prefix + name, value


def document_id(item: bytes) -> str | None:
    """The `_id` that an item asks for."""
    identity = orjson.loads(item.split(b"\n", 1)[0]).get("create", {}).get("_id")
    return identity if isinstance(identity, str) else None
