"""Points as messages of Datadog's intake: a number is a `MetricSeries`, a histogram a `Sketch` or several series.

`DatadogEncoder.encode` is the reference; `columns` creates the same bytes faster.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import repeat
from operator import attrgetter
from typing import Any

from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint, HistogramDataPoint

from magictel.encoding.columns import encoded_attributes, little_endian, with_tails
from magictel.encoding.payload import Payload
from magictel.encoding.protobuf import text_fields, varint
from magictel.encoding.templates import Constant, Filled, Pieces
from magictel.encoding.window import Window
from magictel.encoding.withheld import Withheld
from magictel.exporters.datadog import messages, sketch_encoding
from magictel.exporters.datadog.collisions import SecondCollisions
from magictel.exporters.datadog.messages import COUNT, EPOCH_WIDTH, GAUGE, POINT, UNITS, About
from magictel.exporters.datadog.names import bound, metric_name, tag, tags_of, tags_of_key
from magictel.exporters.datadog.settings import DatadogSettings
from magictel.model.identity_cache import IdentityCache, StreamCache
from magictel.model.metrics import (
    Attributes,
    Group,
    Kind,
    Point,
    Series,
    Stream,
    attributes_of,
    starts_of,
    times_of,
    values_of,
)
from magictel.model.outcome import Outcome
from magictel.model.validity import all_finite, is_finite
from magictel.plugin.interface import Encoder

WINDOW = 3600.0, 600.0
"""Seconds before and after now within which Datadog stores points."""
_RULE = "Datadog drops points older than an hour or more than ten minutes ahead"
_SECOND = 1_000_000_000
_HOST = ("datadog.host.name", "host.name")
_UNIFIED = {"service": "service.name", "version": "service.version", "env": "deployment.environment.name"}
"""Datadog's unified service tags, and the resource attributes that give them."""
_OLD_ENVIRONMENT = "deployment.environment"
_INSTANCE = "service.instance.id"
"""Always a tag, as Datadog's translator has it: of processes on one host Datadog would keep only the last one's point of a second."""
_sum = attrgetter("sum")


class DatadogEncoder(Encoder[Any]):
    """Points as protobuf, or numbers as JSON."""

    def __init__(self, exporter: Any) -> None:
        super().__init__(exporter)
        self._settings: DatadogSettings = exporter.settings
        self._in_json = self._settings.encoding == "json"
        self._heads: StreamCache[tuple[list[str], str]] = StreamCache(self._head, 10_000)
        self._window = Window(*WINDOW, "dd.loss.timestamp", _RULE, messages.seconds_of)
        self._around_sketch: StreamCache[tuple[bytes, bytes]] = StreamCache(self._sketch_ends, 10_000)
        self._sketch_tags = IdentityCache[Any, bytes](messages.sketch_tags, 200_000)
        self._collisions = SecondCollisions(self._shared)

    def begin_recording(self) -> None:
        """Forget which seconds are taken."""
        self._collisions = SecondCollisions(self._shared)

    def deduplicate(self, groups: Iterable[Group]) -> Iterable[Group | Withheld]:
        """Move counts whose second is taken to the next free one, and leave out other points: Datadog would keep only the last of them."""
        return self._collisions.deduplicate(groups)

    def convert(self, groups: Iterable[Group], batch: int) -> Iterable[Group | Withheld]:
        """Leave out points whose time Datadog does not accept: it would drop them in silence."""
        return self._window.inside(groups, self.exporter.clock.now(), batch)

    def expired(self, payload: Payload) -> Outcome | None:
        """Reject points that became too old in the outbox."""
        return self._window.expired(payload, self.exporter.clock.now(), self.split)

    def frame(self, payload: Payload) -> bytes:
        """Return the body of a request: as JSON a document, as protobuf the items themselves."""
        if not payload.body.startswith(b"{"):
            return payload.body
        before, after = messages.JSON_FRAME
        return before + payload.body[:-1] + after

    # ---- the reference -----------------------------------------------------------------------------------------------

    def encode(self, series: Series, point: Point) -> bytes | Withheld:
        """Return the point's series or sketch, or why it is left out."""
        stream = series.stream
        name = metric_name(stream.name)
        if not name:
            return Withheld("dd.name", "no character of its name can begin a name in Datadog", stream.name)
        if stream.temporality == "cumulative" and (stream.monotonic or stream.kind not in (Kind.SUM, Kind.GAUGE)):
            return Withheld("dd.cumulative", "Datadog needs delta counts, and this point is cumulative", stream.name)
        if isinstance(point, HistogramDataPoint | ExponentialHistogramDataPoint):
            return self._histogram(series, point, name)
        if not is_finite(point.value):
            return Withheld("dd.not-finite", "Datadog has no NaN and no infinity", stream.name)
        kind = COUNT if stream.temporality == "delta" else GAUGE
        return self._series(series, name, self.tags(series), float(point.value), point, kind)

    def tags(self, series: Series) -> list[str]:
        """Return the tags of a series: of its attributes, its resource, and the settings."""
        return [*tags_of(series.attributes), *self._heads(series.stream)[0]]

    def host(self, stream: Stream) -> str:
        """Return the host of a stream, or an empty text."""
        return self._heads(stream)[1]

    def _shared(self, stream: Stream) -> Hashable:
        """Return what the series of a stream have in common in Datadog; None for distributions, which it adds up."""
        if self.exporter.route_of(stream):
            return None
        tags, host = self._heads(stream)
        return metric_name(stream.name), host, frozenset(tags)

    def _head(self, stream: Stream) -> tuple[list[str], str]:
        """Return the tags and the host of a resource."""
        resource, settings = dict(stream.resource), self._settings
        unified = {
            "service": settings.service,
            "version": settings.version,
            "env": settings.env,
        }
        tags = []
        for name, key in _UNIFIED.items():
            old = resource.pop(_OLD_ENVIRONMENT, None) if name == "env" else None
            value = unified[name] or resource.pop(key, None) or old
            if value and not (name == "service" and str(value).startswith("unknown_service")):
                tags.append(tag(f"{name}:{value}"))
        host = next((str(resource[key]) for key in _HOST if resource.get(key)), None)
        kept = set(resource) - set(_HOST) if settings.resource_tags else {_INSTANCE}
        tags += tags_of({key: value for key, value in resource.items() if key in kept})
        tags += [written for given in settings.tags if (written := tag(given))]
        return list(dict.fromkeys(tags)), settings.hostname or host or ""

    def _series(
        self, series: Series, name: str, tags: Sequence[str], value: float, point: Point, kind: int, unit: bool = True
    ) -> bytes:
        interval = _seconds(point.start_time_unix_nano, point.time_unix_nano) if kind == COUNT else 0
        about = self._about(series.stream, name, tags, kind, interval, unit)
        write = messages.json_series if self._in_json else messages.series
        return write(about, value, point.time_unix_nano // _SECOND)

    def _about(
        self, stream: Stream, name: str, tags: Sequence[str], kind: int, interval: int, unit: bool = True
    ) -> About:
        return About(name, self.host(stream), tags, kind, UNITS.get(stream.unit) if unit else None, interval)

    def _histogram(self, series: Series, point: Any, name: str) -> bytes | Withheld:
        stream = series.stream
        if not is_finite(point.sum):
            return Withheld("dd.not-finite", "Datadog has no NaN and no infinity", stream.name)
        if self._settings.histograms == "distributions":
            return self._sketch(stream, series.attributes, point)
        if self._settings.histograms == "counters" and isinstance(point, ExponentialHistogramDataPoint):
            return Withheld("dd.buckets", "an exponential histogram has no bounds that could be tags", stream.name)
        tags = self.tags(series)
        return b"".join(
            self._series(series, f"{name}.{part}", [*more, *tags], value, point, kind, part in ("sum", "min", "max"))
            for part, more, value, kind in self._parts(point)
        )

    def _parts(self, point: Any) -> Iterator[tuple[str, Sequence[str], float, int]]:
        """Yield the parts of a histogram: suffix, tags, value, and type."""
        yield "count", (), float(point.count), COUNT
        yield "sum", (), float(point.sum), COUNT
        for edge in ("min", "max"):
            value = getattr(point, edge)
            if value is not None and is_finite(value):
                yield edge, (), float(value), GAUGE
        if self._settings.histograms != "counters":
            return
        edges = [-math.inf, *point.explicit_bounds, math.inf]
        for at, count in enumerate(point.bucket_counts):
            limits = zip(("lower_bound", "upper_bound"), edges[at : at + 2], strict=True)
            yield "bucket", [tag(f"{name}:{bound(edge)}") for name, edge in limits], float(count), COUNT

    def _sketch(self, stream: Stream, attributes: Attributes, point: Any) -> bytes | Withheld:
        encoded = sketch_encoding.encoded(point)
        if encoded is None:
            return Withheld("dd.empty", "a histogram without values says nothing in Datadog", stream.name)
        return messages.sketch(self._around_sketch(stream), self._sketch_tags(attributes), encoded)

    def _sketch_ends(self, stream: Stream) -> tuple[bytes, bytes]:
        tags, host = self._heads(stream)
        return messages.around_sketch(metric_name(stream.name), host, tags)

    # ---- by column ---------------------------------------------------------------------------------------------------

    def columns(self, stream: Stream, points: Sequence[Point]) -> Filled | None:
        """Return value and time of numbers, and whole sketches; None for other histograms, JSON, and times of unusual lengths."""
        if stream.kind is Kind.HISTOGRAM and self._settings.histograms == "distributions":
            return self._sketches(stream, points)
        if self._in_json or stream.kind not in (Kind.GAUGE, Kind.SUM) or not metric_name(stream.name):
            return None
        if stream.monotonic and stream.temporality == "cumulative":
            return None
        values, times = values_of(points), times_of(points)
        try:
            numbers = little_endian("d", values)
        except OverflowError:
            return None
        if not all_finite(values):
            return None
        interval = 0
        if stream.temporality == "delta":
            intervals = {_seconds(*pair) for pair in set(zip(starts_of(points), times, strict=True))}
            if len(intervals) > 1:
                return None
            (interval,) = intervals
        kind = COUNT if stream.temporality == "delta" else GAUGE
        after = messages.around(self._about(stream, "", (), kind, interval))[1]
        tails = {time: b"\x10" + varint(time // _SECOND) + after for time in set(times)}
        width = 1 + EPOCH_WIDTH + len(after)
        if set(map(len, tails.values())) != {width}:
            return None
        ends = tails[times[0]] if len(tails) == 1 else list(map(tails.__getitem__, times))
        return Filled((kind, interval), [with_tails(numbers, ends)], 8 + width)

    def _sketches(self, stream: Stream, points: Sequence[Point]) -> Filled | None:
        """Return each sketch as one hole: its length precedes what is constant."""
        if stream.temporality == "cumulative" or not metric_name(stream.name):
            return None
        try:
            encoded = sketch_encoding.encoded_column(points) if is_finite(sum(map(_sum, points))) else None
        except (OverflowError, TypeError):  # no sum
            encoded = None
        if encoded is None:
            return None
        tags = map(self._sketch_tags, attributes_of(points))
        items = list(map(messages.sketch, repeat(self._around_sketch(stream)), tags, encoded))
        return Filled(None, [items], list(map(len, items)))

    def constants(self, stream: Stream, variant: Hashable, attributes: Sequence[Attributes]) -> Sequence[Constant]:
        """Return what precedes the value of each series; nothing for sketches."""
        if variant is None:
            return [b"", b""]
        assert isinstance(variant, tuple)
        before, after = messages.around(self._about(stream, metric_name(stream.name), (), *variant))
        shared = b"".join(text_fields(3, self._heads(stream)[0])) + POINT
        tags = encoded_attributes(attributes, _tags)
        rest = len(before) + len(shared) + 8 + 1 + EPOCH_WIDTH + len(after)
        sizes = list(map(len, tags))
        leads = {size: b"\x0a" + varint(size + rest) + before for size in set(sizes)}
        return [Pieces((list(map(leads.__getitem__, sizes)), tags, shared)), b""]


def _tags(key: str, values: Sequence[Any]) -> Sequence[bytes]:
    return text_fields(3, tags_of_key(key, values))


def _seconds(start: int | None, end: int) -> int:
    """Return the length of a delta's interval in whole seconds; 0 if it is not known."""
    return max(1, round((end - start) / 1e9)) if start and end > start else 0
