"""Points as lines of StatsD (github.com/statsd/statsd, docs/metric_types.md) or DogStatsD (docs.datadoghq.com, "Datagram format")."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import orjson
from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint, HistogramDataPoint

from magictel.encoding.templates import Constant, Filled
from magictel.encoding.withheld import Withheld
from magictel.formats.prometheus.names import label_value
from magictel.model.metrics import Attributes, Kind, Point, Series, Stream, values_of
from magictel.model.validity import is_finite
from magictel.plugin.interface import Encoder

_NOT_IN_NAME = re.compile(r"[\s:|@#,]+")
_NOT_IN_TAG = re.compile(r"[\s|,#]+")
_NOT_IN_PART = re.compile(r"[^\w-]+")


class StatsdEncoder(Encoder[Any]):
    """A line for each number, several for a histogram: one item for each point."""

    def encode(self, series: Series, point: Point) -> bytes | Withheld:
        """Return the point's lines, or why it is left out."""
        stream = series.stream
        if stream.temporality == "cumulative" and (stream.monotonic or stream.kind is not Kind.SUM):
            return Withheld("statsd.cumulative", "StatsD needs deltas, and this point is cumulative", stream.name)
        name, tags = self._named(series)
        if isinstance(point, HistogramDataPoint | ExponentialHistogramDataPoint):
            if self.exporter.settings.histograms == "distributions" and not point.count:
                return Withheld("statsd.empty", "a distribution without values has no line", stream.name)
            if not is_finite(point.sum):
                return Withheld("statsd.not-finite", "StatsD has no NaN and no infinity", stream.name)
            distributions = self.exporter.settings.histograms == "distributions"
            lines = _distribution(name, point) if distributions else self._aggregates(name, point)
        elif not is_finite(point.value):
            return Withheld("statsd.not-finite", "StatsD has no NaN and no infinity", stream.name)
        elif stream.temporality == "delta":
            lines = iter((f"{name}:{point.value}|c",))
        else:
            lines = self._gauge(name, point.value)
        return _utf8("".join(f"{line}{tags}\n" for line in lines))

    def columns(self, stream: Stream, points: Sequence[Point]) -> Filled | None:
        """Return the values of numbers; None for histograms, what is left out, and gauges that need two lines."""
        delta = stream.temporality == "delta"
        if stream.kind not in (Kind.GAUGE, Kind.SUM) or (stream.monotonic and not delta):
            return None
        values = values_of(points)
        if set(map(type, values)) not in ({int}, {float}):
            return None
        try:
            written = orjson.dumps(values)
        except TypeError:  # an integer beyond 64 bits
            return None
        if b"null" in written or b"e" in written:  # Python writes exponents in another form
            return None
        if b"-" in written and not delta and self.exporter.settings.tags != "dogstatsd":
            return None
        texts = written[1:-1].split(b",")
        return Filled(delta, [texts], list(map(len, texts)))

    def constants(self, stream: Stream, variant: Hashable, attributes: Sequence[Attributes]) -> Sequence[Constant]:
        """Return the name before the value of each series, and its type and tags behind it."""
        named = [self._named(Series(stream, given or {})) for given in attributes]
        kind = "c" if variant else "g"
        before = [_utf8(f"{name}:") for name, _ in named]
        return [before, [_utf8(f"|{kind}{tags}\n") for _, tags in named]]

    def split(self, body: bytes) -> list[bytes]:
        """Cut a body into its items; never needed: their lengths are known."""
        return body.splitlines(keepends=True)

    def _named(self, series: Series) -> tuple[str, str]:
        """Return the name, and what follows a line."""
        settings = self.exporter.settings
        name = _NOT_IN_NAME.sub("_", settings.prefix + series.stream.name)
        attributes = {**_of_resource(series.stream.resource), **series.attributes}
        if settings.tags == "dogstatsd":
            tags = [_NOT_IN_TAG.sub("_", f"{key}:{label_value(value)}") for key, value in attributes.items()]
            return name, f"|#{','.join(tags)}" if tags else ""
        if settings.tags == "joined":
            parts = [part for key, value in attributes.items() for part in (key, label_value(value))]
            name = ".".join([name, *(_NOT_IN_PART.sub("_", part) for part in parts)])
        return name, ""

    def _gauge(self, name: str, value: float) -> Iterator[str]:
        if str(value).startswith("-") and self.exporter.settings.tags != "dogstatsd":
            yield f"{name}:0|g"  # a sign changes a plain gauge by the number
        yield f"{name}:{value}|g"

    def _aggregates(self, name: str, point: Any) -> Iterator[str]:
        yield f"{name}.count:{point.count}|c"
        yield f"{name}.sum:{point.sum}|c"
        for edge in ("min", "max"):
            value = getattr(point, edge)
            if point.count and value is not None and is_finite(value):
                yield from self._gauge(f"{name}.{edge}", value)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _of_resource(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return what tells processes apart; the agent adds its own host."""
    service = resource.get("service.name", "")
    return {"service": service} if service and not str(service).startswith("unknown_service") else {}


def _distribution(name: str, point: Any) -> Iterator[str]:
    """Yield a value for each bucket, with a sample rate that counts it as often as the bucket does."""
    for value, count in _values(point):
        rate = f"|@{math.nextafter(1 / count, 0)!r}" if count > 1 else ""  # the agent truncates 1/rate
        yield f"{name}:{value}|d{rate}"


def _values(point: Any) -> Iterator[tuple[float, int]]:
    low, high = point.min, point.max
    for lower, upper, count in _buckets(point):
        if count:
            first = lower if low is None else max(lower, low)
            last = upper if high is None else min(upper, high)
            ends = [end for end in (first, last) if is_finite(end)] or [0.0]
            yield sum(ends) / len(ends), count


def _buckets(point: Any) -> Iterator[tuple[float, float, int]]:
    """Yield the bounds and the count of each bucket."""
    if isinstance(point, HistogramDataPoint):
        edges = [-math.inf, *point.explicit_bounds, math.inf]
        yield from zip(edges[:-1], edges[1:], point.bucket_counts, strict=True)
        return
    width = 2.0**-point.scale  # the logarithm to base 2 of the ratio of two bounds
    yield 0.0, 0.0, point.zero_count
    for sign, side in ((1, point.positive), (-1, point.negative)):
        for at, count in enumerate(side.bucket_counts):
            ends = sorted(sign * 2.0 ** min((side.offset + at + step) * width, 1023.999) for step in (0, 1))
            yield ends[0], ends[1], count
