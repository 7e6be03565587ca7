"""Points as JSON of the Metric API (docs.newrelic.com, "Report metrics via the Metric API"): one item is a metric, with a comma behind it.

What a resource's points share is their envelope: it is sent once, as `common`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import orjson
from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint, HistogramDataPoint

from magictel.encoding.columns import by_distinct, json_objects
from magictel.encoding.payload import Payload
from magictel.encoding.templates import Constant, Filled
from magictel.encoding.window import Window
from magictel.encoding.withheld import Withheld
from magictel.model.identity_cache import StreamCache
from magictel.model.metrics import Attributes, Group, Kind, Point, Series, Stream, starts_of, times_of, values_of
from magictel.model.metrics import attributes_of as attributes_of_points
from magictel.model.outcome import Outcome
from magictel.model.validity import is_finite
from magictel.plugin.interface import Encoder

WINDOW = 48 * 3600.0, 24 * 3600.0
"""Seconds before and after now within which New Relic stores points."""
_RULE = "New Relic drops points older than two days or more than a day ahead"
_LONGEST_NAME, _LONGEST_VALUE, _MOST_ATTRIBUTES = 255, 4096, 150
_TIME = re.compile(rb',"timestamp":(\d+)')
FRAME = len(b"[]")
ENVELOPE = len(b'{"common":{"attributes":},"metrics":[]},')
_MANY = (
    f"it has more than {_MOST_ATTRIBUTES} attributes, with those of its resource: New Relic would drop it in silence"
)
RESERVED = frozenset({"accountId", "appId", "eventType", "metricName", "timestamp", "endTimestamp", "interval.ms"})
"""Attributes that New Relic gives a meaning of its own, or drops."""


class NewRelicEncoder(Encoder[Any]):
    """Points as JSON."""

    def __init__(self, exporter: Any) -> None:
        super().__init__(exporter)
        self._envelopes: StreamCache[tuple[bytes]] = StreamCache(_envelope, 10_000)
        self._window = Window(*WINDOW, "nr.write.time", _RULE, _seconds_of)

    def encode(self, series: Series, point: Point) -> bytes | Withheld:
        """Return the point as a metric, or why it is left out."""
        stream = series.stream
        problem = _problem(stream)
        if problem is not None:
            return Withheld(*problem, stream.name)
        value = _value(point)
        if value is None:
            return Withheld("nr.not-finite", "JSON has no NaN and no infinity", stream.name)
        most = _MOST_ATTRIBUTES - 2  # the scope's are two
        given = {**stream.resource, **series.attributes}
        if len(given) > most and len(attributes_of(given)) > most:
            return Withheld("nr.attributes", _MANY, stream.name, refused=True)
        start = point.start_time_unix_nano if stream.temporality == "delta" else None
        return (
            _head(stream)
            + orjson.dumps(value)
            + _timestamp(point.time_unix_nano)
            + _interval_field(_interval(start, point.time_unix_nano) if stream.temporality == "delta" else 0)
            + _tail(orjson.dumps(attributes_of(series.attributes)))
        )

    def convert(self, groups: Iterable[Group], batch: int) -> Iterable[Group | Withheld]:
        """Leave out points whose time New Relic does not accept: it would drop them in silence."""
        return self._window.inside(groups, self.exporter.clock.now(), batch)

    def expired(self, payload: Payload) -> Outcome | None:
        """Reject points that became too old in the outbox."""
        return self._window.expired(payload, self.exporter.clock.now(), self.split)

    def columns(self, stream: Stream, points: Sequence[Point]) -> Filled | None:
        """Return value and time of numbers; None for histograms and for values that JSON does not have."""
        if stream.kind not in (Kind.GAUGE, Kind.SUM) or _problem(stream) is not None:
            return None
        try:
            values = orjson.dumps(values_of(points))[1:-1].split(b",")
        except TypeError:  # an integer beyond 64 bits
            return None
        if b"null" in values or max(values_of(points)) >= 1 << 63:  # which orjson writes, and New Relic drops
            return None
        most = max(map(len, filter(None, attributes_of_points(points))), default=0)
        if most + len(stream.resource) > _MOST_ATTRIBUTES - 2:
            return None  # `encode` counts them exactly
        interval = 0
        if stream.temporality == "delta":
            intervals = set(map(_interval, starts_of(points), times_of(points)))
            if len(intervals) > 1:
                return None
            (interval,) = intervals
        timed = _interval_field(interval)
        times = by_distinct(times_of(points), lambda nanos: _timestamp(nanos) + timed)
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
        parts = []
        start = 0
        for run in payload.runs:
            items = payload.body[start : start + run.size - 1]
            parts.append(b'{"common":{"attributes":' + run.envelope[0] + b'},"metrics":[' + items + b"]}")
            start += run.size
        return b"[" + b",".join(parts) + b"]"


def _seconds_of(item: bytes) -> float:
    """Return the time of an item that `NewRelicEncoder` encoded."""
    time = _TIME.search(item)
    assert time is not None
    return int(time[1]) / 1000


def kind_of(stream: Stream) -> str:
    """Return the type of a stream's metrics in New Relic."""
    if stream.kind not in (Kind.GAUGE, Kind.SUM):
        return "summary"
    return "count" if stream.temporality == "delta" else "gauge"


def attributes_of(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes as New Relic stores them: texts, numbers and booleans, within its limits."""
    written: dict[str, Any] = {}
    for key, value in attributes.items():
        if key in RESERVED or len(key) > _LONGEST_NAME:
            continue
        if isinstance(value, str):
            written[key] = value[:_LONGEST_VALUE]
        elif isinstance(value, bool | int):  # an integer beyond 64 bits would cost the whole request
            written[key] = value if -(1 << 63) <= value < 1 << 63 else str(value)
        elif isinstance(value, float):
            written[key] = value if is_finite(value) else str(value)
        elif value is not None:
            written[key] = json.dumps(value, default=str, ensure_ascii=False, separators=(",", ":"))[:_LONGEST_VALUE]
    return {_text(key): _text(value) if isinstance(value, str) else value for key, value in written.items()}


def _text(text: str) -> str:
    """Return a text without half characters, which JSON cannot have."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _problem(stream: Stream) -> tuple[str, str] | None:
    if not 0 < len(stream.name) <= _LONGEST_NAME:
        return "nr.name", "New Relic's names have 1 to 255 characters"
    if stream.temporality == "cumulative" and (stream.monotonic or stream.kind is not Kind.SUM):
        return "nr.cumulative", "New Relic needs delta counts, and this point is cumulative"
    return None


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
    return b'{"name":' + orjson.dumps(_text(stream.name)) + b',"type":' + kind + b',"value":'


def _timestamp(nanoseconds: int) -> bytes:
    return b',"timestamp":%d' % (nanoseconds // 1_000_000)


def _interval_field(milliseconds: int) -> bytes:
    return b',"interval.ms":%d' % milliseconds if milliseconds else b""


def _tail(attributes: bytes) -> bytes:
    """Return the end of a metric with these attributes as JSON."""
    return b',"attributes":' + attributes + b"}," if attributes != b"{}" else b"},"


def _attributes_column(given: Sequence[Attributes]) -> list[bytes]:
    """Return the attributes of many points as JSON; everyday ones, all in one call."""
    try:
        keys = set(chain.from_iterable(given))
        if RESERVED.isdisjoint(keys) and max(map(len, keys), default=0) <= _LONGEST_NAME:
            objects = json_objects(given, 0)
            if objects is not None and max(map(len, objects)) <= _LONGEST_VALUE:
                return objects
    except (AttributeError, TypeError):  # none, lone surrogates, integers beyond 53 bits
        pass
    return [orjson.dumps(attributes_of(attributes or {})) for attributes in given]


def _interval(start: int | None, end: int) -> int:
    """Return the length of a delta's interval in milliseconds: at least one, because New Relic drops counts without it."""
    return max(1, (end - start) // 1_000_000) if start and end > start else 1


def _envelope(stream: Stream) -> tuple[bytes]:
    scope = {"otel.library.name": stream.scope_name, "otel.library.version": stream.scope_version}
    shared = {**stream.resource, **{key: value for key, value in scope.items() if value}}
    return (orjson.dumps(attributes_of(shared)),)
