"""Request logs of an AI gateway: a record per request, as JSON lines or a JSON array, with names in camel or snake case.

Each record becomes gauges of the request: latency, tokens, sizes, cost. Contents and users are not sent: neither messages nor users
become attributes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any

import msgspec
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.model import validity
from magictel.model.metrics import Kind, number_point
from magictel.sources.batching import Head, Heads, Part
from magictel.sources.errors import SourceError, broken
from magictel.sources.json_errors import broken_at, column_of, undecodable
from magictel.sources.skips import Skips

PREFIX = "ai_gateway."
_METRICS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("request.latency", "ms", "Duration of the request.", ("latency",)),
    ("provider.latency", "ms", "Duration of the provider's part.", ("provider_latency",)),
    ("tokens.input", "{token}", "Input tokens.", ("tokens", "input")),
    ("tokens.output", "{token}", "Output tokens.", ("tokens", "output")),
    ("tokens.total", "{token}", "Input and output tokens.", ("tokens", "total")),
    ("cost", "{USD}", "Cost of the request.", ("cost",)),
    ("request.size", "By", "Size of the request's body.", ("request_size",)),
    ("response.size", "By", "Size of the response's body.", ("response_size",)),
)
_FROM_RECORD = ("provider", "model", "org_id", "project_id")
_FROM_METADATA = ("project_id", "status", "path", "method", "status_code", "error_type", "provider_error_type")


class _UnexpectedError(ValueError):
    """A record is invalid at a path (empty: the whole)."""

    def __init__(self, path: str, expected: str) -> None:
        super().__init__(expected)
        self.path, self.expected = path, expected


class GatewayLog:
    """A decoder of records. `shift` (nanoseconds) is added to every time."""

    def __init__(self, name: str, shift: int = 0, skips: Skips | None = None) -> None:
        self.name = name
        self._shift = shift
        self._skips = skips or Skips()
        self._scope = InstrumentationScope("magictel.gateway-log")
        self._resources = lru_cache(1_000)(lambda pairs: Resource(dict(pairs)))
        self._attributes = lru_cache(20_000)(dict[str, Any])
        self._heads = Heads()

    def line(self, text: bytes, number: int) -> list[Part]:
        """Return the parts of a record, or of an array of records. Raise `SourceError`, or count the broken record."""
        try:
            records = msgspec.json.decode(text)
        except RecursionError:
            raise broken(self.name, number, None, "expected a request log record, got JSON nested too deep") from None
        except (msgspec.DecodeError, ValueError) as failure:
            if "UTF-8" in str(failure):
                raise undecodable(self.name, number, text) from None
            at = str(failure).rpartition("(byte ")[2].rstrip(")")
            column = int(at) + 1 if at.isdigit() else None
            why = "expected a request log record in JSON"
            raise broken_at(self.name, number, text, column, why) from None
        parts = []
        for index, record in enumerate(records if isinstance(records, list) else [records]):
            try:
                parts += self._record(record)
            except _UnexpectedError as failure:
                path = f"[{index}].{failure.path}" if isinstance(records, list) else failure.path
                self._skips.record(partial(self._broken, number, text, path, failure.expected))
        return parts

    def _broken(self, number: int, text: bytes, path: str, expected: str) -> SourceError:
        return broken_at(self.name, number, text, column_of(text, path), expected)

    def _record(self, record: Any) -> list[Part]:
        attributes = record.get("attributes") if isinstance(record, dict) else None
        if not isinstance(attributes, dict):
            raise _UnexpectedError("", "expected a record with attributes")
        above = "" if "metadata" not in attributes and "metadata" in record else "attributes."
        if not above:
            attributes = {**attributes, "metadata": record["metadata"]}
        try:
            moment = datetime.fromisoformat(str(record.get("timestamp")))
        except ValueError:
            raise _UnexpectedError("timestamp", "expected a timestamp in ISO 8601") from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        since = moment - datetime(1970, 1, 1, tzinfo=UTC)
        recorded = ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000
        if validity.time(recorded) is not None:
            raise _UnexpectedError("timestamp", "expected a time of the years 1970 to 2262")
        time = recorded + self._shift
        metadata = _snake(attributes.get("metadata") or {})
        point_attributes = self._point_attributes(_snake(attributes), metadata)
        resource = self._resource(record.get("resource"))
        parts = []
        for name, unit, description, path in _METRICS:
            value: Any = metadata
            above_it: Any = metadata
            for key in path:
                above_it, value = value, value.get(key) if isinstance(value, Mapping) else None
            if value is not None or not (above_it is None or isinstance(above_it, Mapping)):
                try:
                    number = _number(value)
                except ValueError as why:
                    place = ".".join((f"{above}metadata", *_as_written(attributes["metadata"], path)))
                    raise _UnexpectedError(place, f"expected a number for {'.'.join(path)}{why}") from None
                head = self._head(resource, name, unit, description)
                parts.append(
                    Part(
                        head, [number_point(point_attributes, 0, time, number)], [hash(tuple(point_attributes.items()))]
                    )
                )
        if not parts:
            raise _UnexpectedError(
                f"{above}metadata" if metadata else "",
                "expected a record with latency, tokens, sizes or cost in its metadata",
            )
        return parts

    def _point_attributes(self, record: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
        values = {key: record[key] for key in _FROM_RECORD if _plain(record.get(key))}
        values |= {key: metadata[key] for key in _FROM_METADATA if key not in values and _plain(metadata.get(key))}
        return self._attributes(tuple(values.items()))

    def _resource(self, given: Any) -> Resource:
        pairs = tuple((str(key), str(value)) for key, value in given.items()) if isinstance(given, dict) else ()
        return self._resources(pairs)

    def _head(self, resource: Resource, name: str, unit: str, description: str) -> Head:
        around = resource, self._scope, "", ""
        kind = Kind.GAUGE, None, False
        return self._heads.of(around, (name,), lambda: Head(*around, PREFIX + name, description, unit, *kind))


def _snake(given: Any) -> dict[str, Any]:
    """Return `threadId` as `thread_id`."""
    if not isinstance(given, dict):
        return {}
    return {
        "".join(f"_{character.lower()}" if character.isupper() else character for character in key): value
        for key, value in given.items()
    }


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError  # noqa: TRY004 # the caller's only exception
    try:
        return float(value)
    except OverflowError:
        raise ValueError(", got too many digits") from None


def _as_written(metadata: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """Return a path's names in the log's spelling; only the first has two spellings."""
    yield next(key for key in metadata if path[0] in _snake({key: None}))
    yield from path[1:]


def _plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and value != ""
