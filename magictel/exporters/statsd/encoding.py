"""Points as lines of StatsD (github.com/statsd/statsd, docs/metric_types.md) or DogStatsD (docs.datadoghq.com, "Datagram format")."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson
from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint, HistogramDataPoint

from magictel.encoding.templates import Constant, Filled
from magictel.encoding.withheld import Withheld
from magictel.exporters.statsd.settings import StatsdSettings
from magictel.formats.prometheus.names import label_value
from magictel.model.identity_cache import IdentityCache, StreamCache
from magictel.model.metrics import Attributes, Group, Kind, Point, Series, Stream, attributes_of, values_of
from magictel.model.validity import is_finite
from magictel.plugin.interface import Encoder

_NOT_IN_NAME = re.compile(r"[\s:|@#,]+")
_NOT_IN_PLAIN_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
"""What the original daemon leaves out of a name."""
_NOT_IN_PART = re.compile(r"[^A-Za-z0-9_-]+")
_NOT_IN_TAG = re.compile(r"[\s|,#]+")
_MOST_SERIES = 200_000
_EDGES = (".min", ".max")
_NO_ATTRIBUTES: Attributes = {}


class StatsdEncoder(Encoder[Any]):
    """A line for each number, several for a histogram: one item for each point."""

    def __init__(self, exporter: Any) -> None:
        super().__init__(exporter)
        self._written = IdentityCache[Attributes, list[str]](self._write, _MOST_SERIES)
        self._owners: dict[tuple[str, str], Series] = {}
        """The series of each gauge that was sent: of several, the same one is sent in every collection."""
        self._owners_of = StreamCache[IdentityCache[Attributes, Series | None]](
            lambda stream: IdentityCache(lambda given: self._other(Series(stream, given)), _MOST_SERIES), 10_000
        )

    def deduplicate(self, groups: Iterable[Group]) -> Iterator[Group | Withheld]:
        """Leave out gauges that the daemon cannot tell from those of another series. Counts of several series add up, and are sent."""
        refused = self.exporter.settings.tags != "dropped"
        for group in groups:
            if not self._gauges_of(group.stream):
                yield group
                continue
            owner = self._owners_of(group.stream)
            others = [owner(given or _NO_ATTRIBUTES) for given in attributes_of(group.points)]
            if not any(others):
                yield group
                continue
            kept: list[Point] = []
            for other, point in zip(others, group.points, strict=True):
                if other is None:
                    kept.append(point)
                    continue
                why = f"the daemon stores it as the same gauge as {other}, and keeps only one value"
                point_name = str(Series(group.stream, point.attributes or {}))
                yield Withheld("statsd.collision", why, point_name, refused=refused)
            if kept:
                yield replace(group, points=kept, attributes=None)

    def encode(self, series: Series, point: Point) -> bytes | Withheld:
        """Return the point's lines, or why it is left out."""
        stream = series.stream
        if stream.temporality == "cumulative" and (stream.monotonic or stream.kind is not Kind.SUM):
            return Withheld("statsd.cumulative", "StatsD needs deltas, and this point is cumulative", stream.name)
        name, tags = self.named(series)
        if isinstance(point, HistogramDataPoint | ExponentialHistogramDataPoint):
            distributions = self.exporter.settings.histograms == "distributions"
            if distributions and not point.count:
                return Withheld("statsd.empty", "a distribution without values has no line", stream.name)
            if not is_finite(point.sum):
                return Withheld("statsd.not-finite", "StatsD has no NaN and no infinity", stream.name)
            lines = _distribution(name, point) if distributions else self._aggregates(name, point)
        elif not is_finite(point.value):
            return Withheld("statsd.not-finite", "StatsD has no NaN and no infinity", stream.name)
        elif stream.temporality == "delta":
            lines = iter((f"{name}:{point.value}|c",))
        else:
            lines = _gauge(name, point.value)
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
        if b"-" in written and not delta:
            return None
        texts = written[1:-1].split(b",")
        return Filled(delta, [texts], list(map(len, texts)))

    def constants(self, stream: Stream, variant: Hashable, attributes: Sequence[Attributes]) -> Sequence[Constant]:
        """Return the name before the value of each series, and its type and tags behind it."""
        named = [self.named(Series(stream, given or {})) for given in attributes]
        kind = "c" if variant else "g"
        before = [_utf8(f"{name}:") for name, _ in named]
        return [before, [_utf8(f"|{kind}{tags}\n") for _, tags in named]]

    def split(self, body: bytes) -> list[bytes]:
        """Cut a body into its items; never needed: their lengths are known."""
        return body.splitlines(keepends=True)

    def named(self, series: Series) -> tuple[str, str]:
        """Return the name of a series' lines, and the tags that follow each."""
        tags, name = self.exporter.settings.tags, self.exporter.settings.prefix + series.stream.name
        written = self._written(series.attributes) if series.attributes else []
        service = _of_resource(series.stream.resource)
        if service and "service" not in series.attributes:
            written = [*self._write(service), *written]
        written = sorted(written)  # the original daemon makes another series of another order
        if tags == "dogstatsd":
            return _NOT_IN_NAME.sub("_", name) or "_", f"|#{','.join(written)}" if written else ""
        return (_NOT_IN_PLAIN_NAME.sub("_", name) or "_") + "".join(written), ""

    def _write(self, attributes: Attributes) -> list[str]:
        """Return attributes as tags, or as parts of a name. One without a value is left out: a tag needs one."""
        tags = self.exporter.settings.tags
        if tags == "dropped":
            return []
        texts = [(key or "_", text) for key, value in attributes.items() if (text := label_value(value))]
        if tags == "joined":
            return [f".{_NOT_IN_PART.sub('_', key)}.{_NOT_IN_PART.sub('_', text)}" for key, text in texts]
        return [tag_text(f"{key}:{text}") for key, text in texts]

    def _gauges_of(self, stream: Stream) -> tuple[str, ...]:
        """Return the suffixes of the gauges that a stream's points become; nothing if they become counts or distributions only."""
        if stream.kind in (Kind.GAUGE, Kind.SUM):
            return () if stream.monotonic or stream.temporality == "delta" else ("",)
        return _EDGES if self._sends_edges() else ()

    def _sends_edges(self) -> bool:
        """Whether minima and maxima are sent. Without tags those of several series would overwrite each other."""
        settings: StatsdSettings = self.exporter.settings
        return settings.histograms == "aggregates" and settings.tags != "dropped"

    def _other(self, series: Series) -> Series | None:
        """Return the other series to which one of a series' gauges belongs, or None: they are its own."""
        name, tags = self.named(series)
        if len(self._owners) >= _MOST_SERIES:
            self._owners.clear()
            self._owners_of.clear()
        places = [(name + suffix, tags) for suffix in self._gauges_of(series.stream)]
        owners = [self._owners.setdefault(place, series) for place in places]
        return next((owner for owner in owners if not _same(owner, series)), None)

    def _aggregates(self, name: str, point: Any) -> Iterator[str]:
        yield f"{name}.count:{point.count}|c"
        yield f"{name}.sum:{point.sum}|c"
        for edge in ("min", "max") if self._sends_edges() else ():
            value = getattr(point, edge)
            if point.count and value is not None and is_finite(value):
                yield from _gauge(f"{name}.{edge}", value)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def tag_text(text: str) -> str:
    """Return a text as a tag has it: without the characters that end one."""
    return _NOT_IN_TAG.sub("_", text)


def _gauge(name: str, value: float) -> Iterator[str]:
    """Yield a gauge's lines. A daemon may subtract a negative number from the value that it has, so that value is set to 0 first."""
    if str(value).startswith("-"):
        yield f"{name}:0|g"
    yield f"{name}:{value}|g"


def _same(first: Series, second: Series) -> bool:
    """Return whether two series are one; a new description makes no other."""
    identities = [
        (stream.name, stream.kind, stream.scope_name, stream.scope_version, stream.resource)
        for stream in (first.stream, second.stream)
    ]
    return identities[0] == identities[1] and first.attributes == second.attributes


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
