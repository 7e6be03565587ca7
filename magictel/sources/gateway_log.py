"""Request logs of an AI gateway: a record per request, as JSON lines or a JSON array, with names in camel or snake case.

Each record becomes the metrics that `magictel.gateway` would have recorded, by the same mapping: counters and histograms of all records
so far. Contents and users are not sent: neither messages nor users become attributes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable
from datetime import UTC, datetime
from functools import lru_cache, partial
from math import inf
from typing import Any

import msgspec
from opentelemetry.sdk.metrics.export import HistogramDataPoint
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.gateway.custom import CustomMetric
from magictel.gateway.instruments import SCOPE, Instrument
from magictel.gateway.mapping import Cell, Mapping
from magictel.gateway.request import RecordError, read_request
from magictel.model import validity
from magictel.model.metrics import Kind, Point, number_point
from magictel.sources.batching import Head, Heads, Part
from magictel.sources.errors import SourceError, broken
from magictel.sources.json_errors import broken_at, column_of, undecodable
from magictel.sources.skips import Skips

_MILLISECOND = 1_000_000
_KINDS = {
    "counter": (Kind.SUM, "cumulative", True),
    "up_down_counter": (Kind.SUM, "cumulative", False),
    "gauge": (Kind.GAUGE, None, False),
    "histogram": (Kind.HISTOGRAM, "cumulative", False),
}


class GatewayLog:
    """A decoder of records. `shift` (nanoseconds) is added to every time. `custom`: metrics besides those of every gateway."""

    def __init__(
        self, name: str, shift: int = 0, skips: Skips | None = None, custom: Iterable[CustomMetric] = ()
    ) -> None:
        self.name = name
        self._shift = shift
        self._skips = skips or Skips()
        self._scope = InstrumentationScope(SCOPE)
        self._resources = lru_cache(1_000)(lambda pairs: Resource(dict(pairs)))
        self._mapping = Mapping(custom=custom)
        self._series: dict[Hashable, _Series] = {}
        self._begin = 0
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
            except RecordError as failure:
                path = f"[{index}].{failure.path}" if isinstance(records, list) else failure.path
                self._skips.record(partial(self._broken, number, text, path, failure.expected))
        return parts

    def _broken(self, number: int, text: bytes, path: str, expected: str) -> SourceError:
        return broken_at(self.name, number, text, column_of(text, path), expected)

    def _record(self, record: Any) -> list[Part]:
        if not isinstance(record, dict):
            raise RecordError("", "expected a record with attributes")
        request = read_request(record)
        time = _time(record.get("timestamp"))
        resource = self._resource(record.get("resource"))
        return [self._part(resource, cell, value, time) for cell, value in self._mapping(request)]

    def _part(self, resource: Resource, cell: Cell, value: float, time: int) -> Part:
        """Return a measurement as a point. Records of a series in one millisecond, or out of order, get the next free millisecond."""
        instrument = self._mapping.instruments[cell.at]
        key = id(resource), cell.at, frozenset(cell.attributes.items())
        self._begin = self._begin or time
        time = max(time, self._begin)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = _Series(
                time - _MILLISECOND, time - _MILLISECOND, [0] * (len(instrument.bounds) + 1)
            )
        series.latest = max(time, series.latest + _MILLISECOND)
        point = series.point(instrument, cell.attributes, value, self._shift)
        return Part(self._head(resource, instrument), [point], [hash(key)])

    def _resource(self, given: Any) -> Resource:
        pairs = tuple((str(key), str(value)) for key, value in given.items()) if isinstance(given, dict) else ()
        return self._resources(pairs)

    def _head(self, resource: Resource, instrument: Instrument) -> Head:
        around = resource, self._scope, "", ""
        described = instrument.name, instrument.description, instrument.unit
        return self._heads.of(around, (instrument.name,), lambda: Head(*around, *described, *_KINDS[instrument.kind]))


def _time(written: Any) -> int:
    """Return a timestamp in Unix nanoseconds. Raise `RecordError`."""
    try:
        moment = datetime.fromisoformat(str(written))
    except ValueError:
        raise RecordError("timestamp", "expected a timestamp in ISO 8601") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    time = ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000
    if validity.time(time) is not None:
        raise RecordError("timestamp", "expected a time of the years 1970 to 2262")
    return time


class _Series(msgspec.Struct):
    """What a series has counted so far."""

    start: int
    latest: int
    counts: list[int]
    total: float = 0
    smallest: float = inf
    largest: float = 0

    def point(self, instrument: Instrument, attributes: dict[str, Any], value: float, shift: int) -> Point:
        """Add a measurement and return the point."""
        start, time = self.start + shift, self.latest + shift
        if instrument.kind == "gauge":
            return number_point(attributes, 0, time, value)
        self.total += value
        if instrument.kind != "histogram":
            return number_point(attributes, start, time, self.total)
        self.counts[bisect_left(instrument.bounds, value)] += 1
        self.smallest, self.largest = min(self.smallest, value), max(self.largest, value)
        buckets = sum(self.counts), self.total, list(self.counts), instrument.bounds
        return HistogramDataPoint(attributes, start, time, *buckets, self.smallest, self.largest)
