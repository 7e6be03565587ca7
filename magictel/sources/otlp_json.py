"""OTLP JSON, one request per line, as the Collector's file exporter writes it (and its flush format: one after another).

Attributes stay undecoded until their bytes are new; a line becomes parts whose points are the SDK's own.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from operator import itemgetter
from sys import intern
from typing import Any

import msgspec
from msgspec import UNSET
from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import Buckets, ExponentialHistogramDataPoint, HistogramDataPoint
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.model import Kind, Metadata, NumberPoints, Point, number_point, number_text, summary_part
from magictel.sources import otlp_messages as otlp
from magictel.sources.json_trouble import undecoded
from magictel.sources.once import shifted
from magictel.sources.parts import LATEST, Head, Interned, Part
from magictel.sources.shapes import Shapes
from magictel.sources.trouble import broken

_NOT_RECORDED = 1
"""The flag of a point without a value (a series has ended): nothing that could be sent."""
_TIMES = re.compile(rb'"timeUnixNano"\s*:\s*"?(\d+)')
_TIME_NAME = b'"timeUnixNano"'
_MOMENT = itemgetter(slice(0, 22))
_PLAIN_MOMENT = re.compile(rb':"[1-9]\d{18}"')
"""A time behind its name, as the Collector writes it: of one length, so that texts sort as numbers do."""
_TEMPORALITY = {
    0: None,
    1: "delta",
    2: "cumulative",
    "AGGREGATION_TEMPORALITY_DELTA": "delta",
    "AGGREGATION_TEMPORALITY_CUMULATIVE": "cumulative",
    "1": "delta",
    "2": "cumulative",
}


class OtlpJson:
    """Decodes lines of one recording. `shift` (nanoseconds) is added to every time; `ended` counts points without a value."""

    def __init__(self, name: str, shift: int = 0) -> None:
        self.name = name
        self.shift = shift
        self.ended = 0
        self._attributes = Interned(_attributes)
        self._heads: dict[tuple[Any, ...], Head] = {}
        self._resources: dict[bytes, Resource] = {}
        self._scopes: dict[bytes, InstrumentationScope] = {}
        self._shapes = Shapes(self._decoded, shift)

    def line(self, text: bytes, number: int) -> list[Part]:
        """The parts of one line. Raises `SourceError` for one that is broken: then none of its points counts."""
        try:
            return self._shapes.parts(text)
        except RecursionError:
            raise broken(
                self.name, number, None, "expected an OTLP request, got JSON that is nested too deep"
            ) from None
        except msgspec.DecodeError as failure:
            raise undecoded(self.name, number, text, failure) from None
        except (ValueError, OverflowError):
            raise broken(self.name, number, None, "expected an OTLP request, got text that is not UTF-8") from None

    def _decoded(self, text: bytes) -> list[Part]:
        return list(self._parts(otlp.REQUEST.decode(text)))

    def _parts(self, request: otlp.Request) -> Iterator[Part]:
        for resource_metrics in request.resourceMetrics:
            resource = self._resource(bytes(resource_metrics.resource))
            for scope_metrics in resource_metrics.scopeMetrics:
                scope = self._scope(bytes(scope_metrics.scope))
                around = resource, scope, resource_metrics.schemaUrl, scope_metrics.schemaUrl
                for metric in scope_metrics.metrics:
                    yield from self._metric(around, metric)

    def _metric(self, around: tuple[Resource, InstrumentationScope, str, str], metric: otlp.Metric) -> Iterator[Part]:
        if metric.gauge is not None:
            yield self._numbers(self._head(around, metric, Kind.GAUGE), metric.gauge.dataPoints)
        elif metric.sum is not None:
            own = metric.sum
            head = self._head(around, metric, Kind.SUM, own.aggregationTemporality, own.isMonotonic)
            yield self._numbers(head, own.dataPoints)
        elif metric.histogram is not None:
            head = self._head(around, metric, Kind.HISTOGRAM, metric.histogram.aggregationTemporality)
            yield self._others(head, metric.histogram.dataPoints, self._histogram)
        elif metric.exponentialHistogram is not None:
            exponential = metric.exponentialHistogram
            head = self._head(around, metric, Kind.EXPONENTIAL_HISTOGRAM, exponential.aggregationTemporality)
            yield self._others(head, exponential.dataPoints, self._exponential)
        elif metric.summary is not None:
            yield from self._summaries(around, metric, metric.summary.dataPoints)

    def _numbers(self, head: Head, given: list[otlp.Point]) -> Part:
        raws = [bytes(one.attributes) for one in given]
        keys = list(map(hash, raws))
        attributes = list(map(self._attributes.__getitem__, raws))
        values: list[float | None] = [one.asDouble for one in given]
        if None in values:
            integers = [one.asInt for one in given]
            if None in integers or values.count(None) < len(values):
                return self._mixed(head, given, attributes, keys)
            values = integers  # type: ignore[assignment] # an int is as good
        if any([one.exemplars for one in given]):  # noqa: C419 # a generator takes three times as long
            return self._mixed(head, given, attributes, keys)
        starts = shifted([one.startTimeUnixNano for one in given], self.shift, unset=0)
        times = shifted([one.timeUnixNano for one in given], self.shift)
        return Part(head, NumberPoints(attributes, starts, times, values), keys)

    def _mixed(self, head: Head, given: list[otlp.Point], attributes: list[Any], keys: list[int]) -> Part:
        """Numbers with exemplars, of both types, or without a value."""
        shift = self.shift
        points: list[Point] = []
        ended: list[int] = []
        for at, (one, own) in enumerate(zip(given, attributes, strict=True)):
            value = one.asDouble
            if value is None:
                value = one.asInt
                if value is None:
                    if not one.flags & _NOT_RECORDED:
                        raise msgspec.ValidationError("Expected a value (asDouble or asInt)")
                    ended.append(at)
                    continue
            start = one.startTimeUnixNano
            exemplars = _made_exemplars(one.exemplars, shift) if one.exemplars else ()
            points.append(number_point(own, start + shift if start else 0, one.timeUnixNano + shift, value, exemplars))
        if ended:
            self.ended += len(ended)
            for at in reversed(ended):
                del keys[at]
        return Part(head, points, keys)

    def _others(self, head: Head, given: Iterable[Any], make: Any) -> Part:
        points: list[Point] = []
        keys: list[int] = []
        for one in given:
            if one.flags & _NOT_RECORDED:
                self.ended += 1
                continue
            raw = bytes(one.attributes)
            start = one.startTimeUnixNano + self.shift if one.startTimeUnixNano else 0
            exemplars = _made_exemplars(one.exemplars, self.shift) if one.exemplars else ()
            points.append(make(one, self._attributes[raw], start, one.timeUnixNano + self.shift, exemplars))
            keys.append(hash(raw))
        return Part(head, points, keys)

    @staticmethod
    def _histogram(one: otlp.Histogram, attributes: Any, start: int, time: int, exemplars: Any) -> Point:
        if one.bucketCounts and len(one.bucketCounts) != len(one.explicitBounds) + 1:
            raise msgspec.ValidationError("Expected one bucket count more than there are bounds")
        return HistogramDataPoint(
            attributes,
            start,
            time,
            one.count,
            one.sum,  # type: ignore[arg-type] # OTLP has optional sums, minima and maxima
            one.bucketCounts,
            one.explicitBounds,
            one.min,  # type: ignore[arg-type]
            one.max,  # type: ignore[arg-type]
            exemplars,
        )

    @staticmethod
    def _exponential(one: otlp.Exponential, attributes: Any, start: int, time: int, exemplars: Any) -> Point:
        positive, negative = one.positive or otlp.Buckets(), one.negative or otlp.Buckets()
        return ExponentialHistogramDataPoint(
            attributes,
            start,
            time,
            one.count,
            one.sum,  # type: ignore[arg-type]
            one.scale,
            one.zeroCount,
            Buckets(positive.offset, positive.bucketCounts),
            Buckets(negative.offset, negative.bucketCounts),
            0,
            one.min,  # type: ignore[arg-type]
            one.max,  # type: ignore[arg-type]
            exemplars,
        )

    def _summaries(self, around: Any, metric: otlp.Metric, given: list[otlp.Summary]) -> Iterator[Part]:
        """A summary as sums `_count` and `_sum`, and one gauge for each quantile."""
        for suffix in ("_count", "_sum"):
            head = self._head(around, metric, Kind.SUM, 2, True, suffix, "" if suffix == "_count" else metric.unit)
            points, keys = [], []
            for one in given:
                if one.flags & _NOT_RECORDED:
                    self.ended += suffix == "_count"
                    continue
                raw = bytes(one.attributes)
                start = one.startTimeUnixNano + self.shift if one.startTimeUnixNano else 0
                value = one.count if suffix == "_count" else one.sum
                points.append(number_point(self._attributes[raw], start, one.timeUnixNano + self.shift, value))
                keys.append(hash(raw))
            yield Part(head, points, keys)
        head = self._head(around, metric, Kind.GAUGE)
        points, keys = [], []
        for one in given:
            raw = bytes(one.attributes)
            for own in () if one.flags & _NOT_RECORDED else one.quantileValues:
                attributes = {**self._attributes[raw], "quantile": number_text(own.quantile)}
                points.append(number_point(attributes, 0, one.timeUnixNano + self.shift, own.value))
                keys.append(hash((raw, own.quantile)))
        yield Part(head, points, keys)

    def _head(
        self,
        around: tuple[Resource, InstrumentationScope, str, str],
        metric: otlp.Metric,
        kind: Kind,
        temporality: int | str = 0,
        monotonic: bool = False,
        suffix: str = "",
        unit: str | None = None,
    ) -> Head:
        if not metric.name:
            raise msgspec.ValidationError("Expected a metric's name")
        raw = bytes(metric.metadata)
        own_key = metric.name, metric.unit, metric.description, kind, temporality, monotonic, suffix, raw
        key = (id(around[0]), id(around[1]), *around[2:], *own_key)
        known = self._heads.get(key)
        if known is None or known.resource is not around[0] or known.scope is not around[1]:
            if len(self._heads) > 10_000:
                self._heads.clear()
            own = metric.unit if unit is None else unit
            metadata = _metadata(raw) if raw not in (b"", b"null") else ()
            if metric.summary is not None:
                metadata = summary_part(metadata, metric.name, metric.unit)
            kept = kind, _TEMPORALITY.get(temporality), monotonic, metadata
            known = Head(*around, metric.name + suffix, metric.description, own, *kept)
            self._heads[key] = known
        return known

    def _resource(self, raw: bytes) -> Resource:
        known = self._resources.get(raw)
        if known is None:
            if len(self._resources) > 1_000:
                self._resources.clear()
            known = Resource(_dict(otlp.RESOURCE.decode(raw).attributes) if raw else {})
            self._resources[raw] = known
        return known

    def _scope(self, raw: bytes) -> InstrumentationScope:
        known = self._scopes.get(raw)
        if known is None:
            if len(self._scopes) > 1_000:
                self._scopes.clear()
            own = otlp.SCOPE.decode(raw) if raw else otlp.Scope()
            known = InstrumentationScope(own.name, own.version, None, _dict(own.attributes))
            self._scopes[raw] = known
        return known


def times(line: bytes) -> tuple[int, int] | None:
    """The oldest and the newest time in a line (Unix nanoseconds), without decoding it; None: it has none."""
    first = line.find(_TIME_NAME)
    if first < 0:
        return None
    one = line[first : first + len(_TIME_NAME) + 22]
    if _PLAIN_MOMENT.fullmatch(one, len(_TIME_NAME)) and line.count(one) == line.count(_TIME_NAME):
        found = [one[len(_TIME_NAME) + 2 : -1]]  # nearly always: a collection has one time
    else:
        moments = set(map(_MOMENT, line.split(_TIME_NAME)[1:]))
        plain = all(map(_PLAIN_MOMENT.fullmatch, moments))
        found = [moment[2:-1] for moment in (min(moments), max(moments))] if plain else _TIMES.findall(line)
    numbers = [number for number in map(int, found) if 0 < number <= LATEST]
    return (min(numbers), max(numbers)) if numbers else None


def _attributes(raw: bytes) -> dict[str, Any]:
    return _dict(otlp.ATTRIBUTES.decode(raw)) if raw else {}


def _metadata(raw: bytes) -> Metadata:
    """A metric's metadata, what is text of it."""
    return tuple((key, value) for key, value in _attributes(raw).items() if isinstance(value, str))


def _dict(pairs: list[otlp.Pair]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for pair in pairs:
        value = pair.value
        if value is None:
            made[intern(pair.key)] = None
        else:
            text = value.stringValue
            made[intern(pair.key)] = text if text is not UNSET else _plain(value)
    return made


def _plain(value: otlp.Value) -> Any:
    for plain in (value.stringValue, value.intValue, value.boolValue, value.doubleValue):
        if plain is not UNSET:
            return plain
    if isinstance(value.arrayValue, otlp.Array):
        return [_plain(one) for one in value.arrayValue.values]
    if isinstance(value.kvlistValue, otlp.Pairs):
        return _dict(value.kvlistValue.values)
    return base64.b64decode(value.bytesValue) if isinstance(value.bytesValue, str) else None


def _made_exemplars(given: list[otlp.Exemplar], shift: int) -> list[Exemplar]:
    return [
        Exemplar(
            _dict(one.filteredAttributes),
            (one.asInt if one.asInt is not None else one.asDouble) or 0,
            one.timeUnixNano + shift,
            int(one.spanId, 16) if one.spanId else None,
            int(one.traceId, 16) if one.traceId else None,
        )
        for one in given
    ]
