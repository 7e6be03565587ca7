"""Points as JSON of the Metric API (docs.newrelic.com, "Report metrics via the Metric API"): one item is a metric, with a comma behind it.

What a resource's points share is their envelope: it is sent once, as `common`.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from itertools import chain
from typing import Any

import orjson
from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint, HistogramDataPoint

from magictel.encoding.columns import by_distinct, json_objects
from magictel.encoding.payload import Payload
from magictel.encoding.templates import Constant, Filled
from magictel.encoding.withheld import Withheld
from magictel.exporters.newrelic.limits import (
    LONGEST_NAME,
    LONGEST_VALUE,
    RESERVED,
    Limits,
    attributes_of,
    kind_of,
    shared_by,
    whole,
)
from magictel.model.identity_cache import StreamCache
from magictel.model.metrics import Attributes, Group, Kind, Point, Series, Stream, starts_of, times_of, values_of
from magictel.model.validity import is_finite

_TIME = re.compile(rb',"timestamp":(\d+)')
FRAME = len(b"[]")
ENVELOPE = len(b'{"common":{"attributes":},"metrics":[]},')


class NewRelicEncoder(Limits):
    """Points as JSON. The time of a count or a summary is the beginning of its interval."""

    def __init__(self, exporter: Any) -> None:
        super().__init__(exporter)
        self._envelopes: StreamCache[tuple[bytes]] = StreamCache(_envelope, 10_000)

    @staticmethod
    def seconds_of(item: bytes) -> float:
        """Return the time of an item that `encode` returned."""
        time = _TIME.search(item)
        assert time is not None
        return int(time[1]) / 1000

    def encode(self, series: Series, point: Point) -> bytes | Withheld:
        """Return the point as a metric, or why it is left out."""
        stream = series.stream
        problem = self.problem(series, point)
        if problem is not None:
            return problem
        value = _value(point)
        if value is None:
            return Withheld("nr.not-finite", "JSON has no NaN and no infinity", stream.name)
        end = point.time_unix_nano
        interval = _interval(point.start_time_unix_nano, end) if stream.temporality == "delta" else 0
        given = orjson.dumps(attributes_of(series.attributes))
        return _head(stream) + orjson.dumps(value) + _times(end, interval) + _tail(given)

    def columns(self, stream: Stream, points: Sequence[Point]) -> Filled | None:
        """Return value and time of numbers; None for histograms and for values that JSON does not have."""
        if stream.kind not in (Kind.GAUGE, Kind.SUM) or not self.fits(stream, points):
            return None
        try:
            values = orjson.dumps(values_of(points))[1:-1].split(b",")
        except TypeError:  # an integer beyond 64 bits
            return None
        if b"null" in values or max(values_of(points)) >= 1 << 63:  # which orjson writes, and New Relic drops
            return None
        interval = 0
        if stream.temporality == "delta":
            intervals = set(map(_interval, starts_of(points), times_of(points)))
            if len(intervals) > 1:
                return None
            (interval,) = intervals
        times = by_distinct(times_of(points), lambda nanos: _times(nanos, interval))
        return Filled(None, [values, times])

    def constants(self, stream: Stream, variant: Hashable, attributes: Sequence[Attributes]) -> Sequence[Constant]:
        """Return what precedes the value, and the attributes of each series behind value and time."""
        return [_head(stream), b"", list(map(_tail, _attributes_column(attributes)))]

    def split(self, body: bytes) -> list[bytes]:
        """Cut a body at its metrics, which orjson writes without blanks or line ends."""
        items = orjson.loads(b"[" + body[:-1] + b"]")
        return [orjson.dumps(item) + b"," for item in items]

    def envelope(self, group: Group) -> tuple[bytes, ...]:
        """The attributes of the resource."""
        return self._envelopes(group.stream)

    def frame(self, payload: Payload) -> bytes:
        """Return the request: an object for each resource."""
        parts: list[bytes | memoryview] = []
        start, body = 0, memoryview(payload.body)  # whose slices are no copies
        for run in payload.runs:
            end = start + run.size
            parts += b',{"common":{"attributes":', run.envelope[0], b'},"metrics":[', body[start : end - 1], b"]}"
            start = end
        parts[0] = b"[" + parts[0][1:]
        return b"".join((*parts, b"]"))


def _value(point: Any) -> Any:
    if not isinstance(point, HistogramDataPoint | ExponentialHistogramDataPoint):
        return _number(point.value)
    numbers: dict[str, Any] = {"count": _number(point.count), "sum": _number(point.sum)}
    for edge in ("min", "max"):
        value = getattr(point, edge)
        if (
            value is None or not point.count
        ):  # a summary needs both: the mean is the only value known to lie between them
            value = point.sum / point.count if point.count else 0.0
        numbers[edge] = _number(value)
    return None if None in numbers.values() else numbers


def _number(value: float) -> float | None:
    """Return a number that New Relic accepts: an integer of 64 bits or a finite decimal; None for others."""
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        return value
    return float(value) if is_finite(value) else None


def _head(stream: Stream) -> bytes:
    kind = orjson.dumps(kind_of(stream))
    return b'{"name":' + orjson.dumps(whole(stream.name)) + b',"type":' + kind + b',"value":'


def _times(end: int, interval: int) -> bytes:
    """Return the beginning of an interval that ends at this time (Unix nanoseconds), and its length in milliseconds, if it has one."""
    begin = end // 1_000_000 - interval
    return b',"timestamp":%d,"interval.ms":%d' % (begin, interval) if interval else b',"timestamp":%d' % begin


def _tail(attributes: bytes) -> bytes:
    """Return the end of a metric with these attributes as JSON."""
    return b',"attributes":' + attributes + b"}," if attributes != b"{}" else b"},"


def _attributes_column(given: Sequence[Attributes]) -> list[bytes]:
    """Return the attributes of many points as JSON; everyday ones, all in one call."""
    try:
        keys = set(chain.from_iterable(given))
        if RESERVED.isdisjoint(keys) and max(map(len, keys), default=0) <= LONGEST_NAME:
            objects = json_objects(given, 0)
            if objects is not None and max(map(len, objects)) <= LONGEST_VALUE:
                return objects
    except (AttributeError, TypeError):  # none, lone surrogates, integers beyond 53 bits
        pass
    return [orjson.dumps(attributes_of(attributes or {})) for attributes in given]


def _interval(start: int | None, end: int) -> int:
    """Return the length of a delta's interval in milliseconds: at least one, because New Relic drops counts without it."""
    return max(1, (end - start) // 1_000_000) if start and end > start else 1


def _envelope(stream: Stream) -> tuple[bytes]:
    return (orjson.dumps(attributes_of(shared_by(stream))),)
