"""The dimensions of a time-series index, which distinguish documents of one millisecond, read from settings and mapping.

An index keeps one document for each set of dimension values and time. Elasticsearch computes the set in two ways, which read
values differently (tried on 8.19 and 9.2). With `index.routing_path` the mapping decides: a keyword takes the text of any value
(1 is "1"), a number is cut to a whole one (1.2 is 1.7), and every text of a routing field counts as it is written. With
`index.dimensions` (data streams since 9.2) the JSON value decides (1 is not "1"), whatever the field's type.
Where it is not certain that the index takes two values for one, they are kept apart here.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import lru_cache, partial
from typing import Any, Protocol

import msgspec
import orjson

Leaves = Mapping[str, Sequence[Any]]
"""The scalars of a document by their full paths, in document order; None among them."""
_Read = Callable[[Any], str | None]
_WHOLE = frozenset({"long", "integer", "short", "byte", "unsigned_long"})
_FLOATS = {"half_float": "e", "float": "f", "double": "d"}
_MOST_DIGITS = 20
"""Digits of a 64-bit number: what has more fits no field of whole numbers."""
_METRIC_NAMES_COUNT_AFTER = 9_111_000
"""Indices of a later `index.version.created` may keep two documents of a series and time that hold different metric fields."""


def leaves_of(document: Mapping[str, Any]) -> Leaves:
    """Return the scalars of a document by path; keys with dots and nested objects are the same path."""
    leaves: dict[str, list[Any]] = {}
    for path, value in _walk(document, ""):
        leaves.setdefault(path, []).append(value)
    return leaves


class Dimensions(Protocol):
    """The fields that distinguish documents of one time in an index."""

    def identity(self, leaves: Leaves) -> bytes:
        """Return what two documents of a time have in common where the index takes them for one."""
        ...

    def holds(self, path: str) -> bool:
        """Return whether a field is a dimension, or may become one."""
        ...


class SourceDimensions(msgspec.Struct, frozen=True):
    """`index.dimensions`: patterns of paths whose JSON values count, each with its type."""

    patterns: tuple[str, ...]
    metrics: frozenset[str] = frozenset()

    def identity(self, leaves: Leaves) -> bytes:
        """The values of the fields that a pattern names, and their JSON types."""
        values = (
            (path, [(type(value).__name__, repr(value)) for value in listed if value is not None])
            for path, listed in leaves.items()
            if self.holds(path)
        )
        return _identity([value for value in values if value[1]], self.metrics, leaves)

    def holds(self, path: str) -> bool:
        """Return whether a pattern names the field."""
        return _matches(self.patterns, path)


class MappedDimensions:
    """`index.routing_path`: fields that the mapping marks with `time_series_dimension`, each read by its type."""

    def __init__(self, mapping: Mapping[str, Any], routing: Sequence[str] = (), count_metrics: bool = False) -> None:
        self._routing = tuple(routing)
        self._fields: dict[str, Mapping[str, Any]] = {}
        self._open: list[str] = []
        """Paths of `passthrough` objects whose new fields become dimensions."""
        self._closed: list[str] = []
        """Paths of objects whose fields are not indexed."""
        self._collect(mapping, "")
        self._rules = [rule for rule in _dynamic_rules(mapping) if _is_dimension(rule.get("mapping", {}))]
        metrics = (path for path, field in self._fields.items() if "time_series_metric" in field)
        self.metrics = frozenset(metrics if count_metrics else ())
        """Fields whose presence tells documents apart."""
        self._readers: dict[str, _Read | None] = {}
        self._source = orjson.dumps([mapping, self._routing, count_metrics], option=orjson.OPT_SORT_KEYS)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MappedDimensions) and self._source == other._source

    def __hash__(self) -> int:
        return hash(self._source)

    def identity(self, leaves: Leaves) -> bytes:
        """The values of the fields that are dimensions, as the index reads them."""
        values: list[tuple[str, list[str]]] = []
        for path, listed in leaves.items():
            read = self._readers[path] if path in self._readers else self._reader(path)
            if read is not None:
                kept = [text for text in map(read, listed) if text is not None]
                if kept:
                    values.append((path, kept))
        return _identity(values, self.metrics, leaves)

    def holds(self, path: str) -> bool:
        """Return whether a field is a dimension, or may become one."""
        return self._reader(path) is not None

    def _reader(self, path: str) -> _Read | None:
        if path not in self._readers:
            if len(self._readers) > 10_000:
                self._readers.clear()
            self._readers[path] = self._new_reader(path)
        return self._readers[path]

    def _new_reader(self, path: str) -> _Read | None:
        if _matches(self._routing, path):
            return _text
        field = self._fields.get(path)
        if field is not None:
            return _reader_of(field)
        parents = [path[:at] for at, letter in enumerate(path) if letter == "."]
        for parent in parents:
            if parent in self._closed:
                return None
            if parent in self._fields:  # a flattened field: its keys that are dimensions are listed in it
                keys = self._fields[parent].get("time_series_dimensions", ())
                return _text if path[len(parent) + 1 :] in keys else None
        if any(parent in self._open for parent in parents) or any(_may_make(rule, path) for rule in self._rules):
            return _text
        return None

    def _collect(self, node: Mapping[str, Any], prefix: str) -> None:
        for name, field in (node.get("properties") or {}).items():
            path = f"{prefix}{name}"
            kind = field.get("type", "object")
            if kind not in ("object", "passthrough", "nested"):
                self._fields[path] = field
                continue
            if field.get("enabled") in (False, "false"):
                self._closed.append(path)
            if kind == "passthrough" and _is_dimension(field):
                self._open.append(path)
            self._collect(field, f"{path}.")


def dimensions_of(settings: Mapping[str, Any], mapping: Mapping[str, Any]) -> Dimensions:
    """Return the dimensions of a time-series index, from its flat settings and its mapping."""
    count_metrics = int(settings.get("index.version.created") or 0) > _METRIC_NAMES_COUNT_AFTER
    patterns = _listed(settings.get("index.dimensions"))
    mapped = MappedDimensions(mapping, _listed(settings.get("index.routing_path")), count_metrics)
    return SourceDimensions(patterns, mapped.metrics) if patterns else mapped


def _walk(node: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in node.items():
        yield from _walk_value(f"{prefix}{name}", value)


def _walk_value(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from _walk(value, f"{path}.")
    elif isinstance(value, list):
        for element in value:
            yield from _walk_value(path, element)
    else:
        yield path, value


def _listed(setting: Any) -> tuple[str, ...]:
    return tuple(setting.split(",")) if isinstance(setting, str) else tuple(setting or ())


def _matches(patterns: tuple[str, ...], path: str) -> bool:
    return bool(patterns) and _pattern(patterns).fullmatch(path) is not None


@lru_cache(maxsize=256)
def _pattern(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Return Elasticsearch's simple patterns as one expression: only a star is special in them."""
    return re.compile("|".join(".*".join(map(re.escape, pattern.split("*"))) for pattern in patterns), re.DOTALL)


def _identity(values: list[tuple[str, Any]], metrics: frozenset[str], leaves: Leaves) -> bytes:
    """Return the values as JSON in the order of their paths: bytes are cheap to keep, however many series there are."""
    if metrics:
        names = [path for path in metrics if any(value is not None for value in leaves.get(path, ()))]
        values.append(("", sorted(names)))
    return orjson.dumps(sorted(values))


def _is_dimension(field: Mapping[str, Any]) -> bool:
    return field.get("time_series_dimension") in (True, "true")


def _dynamic_rules(mapping: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for template in mapping.get("dynamic_templates") or ():
        yield from template.values()


def _may_make(rule: Mapping[str, Any], path: str) -> bool:
    """Return whether a dynamic template may be the one that maps a new field. Types, and what is not a plain pattern, are left open."""
    if rule.get("match_pattern") == "regex":
        return True
    name = path.rsplit(".", 1)[-1]
    return all(
        wanted is None or _matches((wanted,) if isinstance(wanted, str) else tuple(wanted), text)
        for wanted, text in ((rule.get("match"), name), (rule.get("path_match"), path))
    )


def _reader_of(field: Mapping[str, Any]) -> _Read | None:
    """Return how a mapped field reads a value, or None where it is no dimension."""
    if "copy_to" in field or any(_is_dimension(inner) for inner in (field.get("fields") or {}).values()):
        return _text
    if not _is_dimension(field):
        return None
    kind = field.get("type")
    read: _Read = _text
    if kind == "keyword" and "ignore_above" in field:
        read = partial(_short_text, limit=int(field["ignore_above"]))
    elif kind in _WHOLE:
        read = _whole
    elif kind in _FLOATS:
        read = partial(_rounded, width=_FLOATS[kind])
    elif kind == "boolean":
        read = _boolean
    elif kind == "ip":
        read = _address
    if field.get("null_value") is None:
        return read
    instead = read(field["null_value"])
    return lambda value: instead if value is None else read(value)


def _text(value: Any) -> str | None:
    """Return a scalar as the text that the document contains."""
    return value if value is None or isinstance(value, str) else orjson.dumps(value).decode()


def _short_text(value: Any, limit: int) -> str | None:
    text = _text(value)
    return None if text is not None and len(text.encode("utf-16-le")) > 2 * limit else text


def _whole(value: Any) -> str | None:
    text = _text(value)
    if not text:  # null and "" are no number, and no refusal
        return None
    try:
        number = Decimal(text)
        return str(int(number)) if number.is_finite() and number.adjusted() < _MOST_DIGITS else text
    except InvalidOperation:
        return text


def _rounded(value: Any, width: str) -> str | None:
    text = _text(value)
    if not text:
        return None
    try:
        (rounded,) = struct.unpack(width, struct.pack(width, float(text)))
        return str(int(rounded))
    except (ValueError, OverflowError):
        return text


def _boolean(value: Any) -> str | None:
    text = _text(value)
    return "false" if text == "" else text


def _address(value: Any) -> str | None:
    text = _text(value)
    if text is None:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
