"""OTLP JSON, one request per line, as the Collector's file exporter writes it (and its flush format: one after another).

Attributes stay undecoded until their bytes are new; a line becomes parts whose points are the SDK's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import Buckets, ExponentialHistogramDataPoint, HistogramDataPoint
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.model.metrics import Kind, NumberPoints, Point, number_point, number_text, summary_part
from magictel.model.validity import NO_RECORDED_VALUE, Problem
from magictel.sources import otlp_messages as otlp
from magictel.sources.batching import RESOURCES, Around, Attributes, Head, Heads, Interned, Part
from magictel.sources.errors import SourceError, broken, impossible
from magictel.sources.in_memory import shifted
from magictel.sources.json_errors import broken_at, column_of, place, undecodable, undecoded
from magictel.sources.line_cache import Shapes
from magictel.sources.otlp_members import MemberError, canonical
from magictel.sources.otlp_problems import PROBLEMS, number_problem
from magictel.sources.otlp_times import has_all_times, has_all_values, plain_times
from magictel.sources.otlp_values import counted_attributes, dictionary, identifier, metadata_of
from magictel.sources.skips import LOST_THRESHOLD, REPEATED_KEY, UNREADABLE_IDENTIFIER, LineNotes, Skips

_TEMPORALITY = {
    0: None,
    "0": None,
    "AGGREGATION_TEMPORALITY_UNSPECIFIED": None,
    1: "delta",
    2: "cumulative",
    "AGGREGATION_TEMPORALITY_DELTA": "delta",
    "AGGREGATION_TEMPORALITY_CUMULATIVE": "cumulative",
    "1": "delta",
    "2": "cumulative",
}


class OtlpJson:
    """Decodes lines of one recording. `shift` (nanoseconds) is added to every time; `skips` counts what is not sent."""

    def __init__(self, name: str, shift: int = 0, skips: Skips | None = None) -> None:
        self.name = name
        self.shift = shift
        self.skips = skips or Skips()
        self._attributes = Attributes(counted_attributes)
        self._heads = Heads()
        self._resources = Interned(_resource, RESOURCES)
        self._scopes = Interned(_scope, RESOURCES)
        self._shapes = Shapes(self._decoded, shift)
        self._text, self._number = b"", 0
        self._notes = LineNotes()
        self._metric_path = ""

    def line(self, text: bytes, number: int) -> list[Part]:
        """The parts of one line. Raises `SourceError` for one that is broken: then none of its points counts."""
        self._text, self._number = text, number
        try:
            return self._shapes.parts(text)
        except RecursionError:
            raise broken(
                self.name, number, None, "expected an OTLP request, got JSON that is nested too deep"
            ) from None
        except MemberError as failure:
            column = column_of(text, failure.path)
            raise broken_at(self.name, number, text, column, _at(str(failure), failure.path)) from None
        except msgspec.DecodeError as failure:
            raise undecoded(self.name, number, text, failure) from None
        except (ValueError, OverflowError):
            raise undecodable(self.name, number, text) from None

    def _decoded(self, text: bytes) -> list[Part]:
        self._notes = LineNotes()
        try:
            request = otlp.REQUEST.decode(text)
            plain = has_all_times(request, text) and has_all_values(request, text)
            parts = list(self._parts([request])) if plain else None
        except msgspec.ValidationError:
            parts = None
        if (
            parts is None or self._notes.problems or self._notes.ended
        ):  # a point without a time makes up for one that is lost
            parts = self._carefully(text)
        self._notes.settle(self.skips, self._impossible)
        return parts

    def _carefully(self, text: bytes) -> list[Part]:
        """The parts of a line that has other members than the usual, or not as many times as points."""
        self._notes = LineNotes()
        others: list[str] = []
        document = canonical(text, others.append)
        several = document.startswith(b"[")
        requests = otlp.REQUESTS.decode(document) if several else [otlp.REQUEST.decode(document)]
        parts = list(self._parts(requests, several=several))
        for name in dict.fromkeys(others):
            self.skips.other_signals[name] += 1
        return parts

    def _impossible(self, path: str, name: str, problem: Problem) -> SourceError:
        """A point cannot be: where its line shows it."""
        column = column_of(self._text, f"{path}.{problem.field}") or column_of(self._text, path)
        return impossible(self.name, *place(self._number, self._text, column), f"{name}: {problem}, in {path}")

    def _parts(self, requests: list[otlp.Request], *, several: bool = False) -> Iterator[Part]:
        for first, request in enumerate(requests):
            start = f"[{first}].resourceMetrics" if several else "resourceMetrics"
            for second, resource_metrics in enumerate(request.resourceMetrics):
                resource = self._resources[bytes(resource_metrics.resource)]
                for third, scope_metrics in enumerate(resource_metrics.scopeMetrics):
                    scope = self._scopes[bytes(scope_metrics.scope)]
                    around = resource, scope, resource_metrics.schemaUrl, scope_metrics.schemaUrl
                    for fourth, metric in enumerate(scope_metrics.metrics):
                        self._metric_path = f"{start}[{second}].scopeMetrics[{third}].metrics[{fourth}]"
                        yield from self._metric(around, metric)

    def _metric(self, around: Around, metric: otlp.Metric) -> Iterator[Part]:
        if metric.gauge is not None:
            yield self._numbers(self._head(around, metric, Kind.GAUGE), metric.gauge.dataPoints)
        elif metric.sum is not None:
            own = metric.sum
            head = self._head(around, metric, Kind.SUM, own.aggregationTemporality, own.isMonotonic)
            yield self._numbers(head, own.dataPoints)
        elif metric.histogram is not None:
            head = self._head(around, metric, Kind.HISTOGRAM, metric.histogram.aggregationTemporality)
            yield self._others(head, metric.histogram.dataPoints, self._histogram, "histogram")
        elif metric.exponentialHistogram is not None:
            exponential = metric.exponentialHistogram
            head = self._head(around, metric, Kind.EXPONENTIAL_HISTOGRAM, exponential.aggregationTemporality)
            yield self._others(head, exponential.dataPoints, self._exponential, "exponentialHistogram")
        elif metric.summary is not None:
            yield from self._summaries(around, metric, metric.summary.dataPoints)

    def _numbers(self, head: Head, given: list[otlp.Point]) -> Part:
        raws = [bytes(point.attributes) for point in given]
        keys = list(map(hash, raws))
        attributes = list(map(self._attributes.__getitem__, raws))
        values: list[float | None] = [point.asDouble for point in given]
        integers = [point.asInt for point in given]
        if not any(values) and values.count(None) == len(values):
            values, integers = integers, values  # type: ignore[assignment] # an int is as good
        moments, starts = [point.timeUnixNano for point in given], [point.startTimeUnixNano for point in given]
        odd = None in values or integers.count(None) < len(integers) or not plain_times(moments, starts)
        odd = odd or not self._attributes.repeated.isdisjoint(keys)
        if odd or any([point.flags or point.exemplars for point in given]):  # noqa: C419 # a generator takes three times as long
            return self._mixed(head, given, attributes, keys)
        starts = shifted(starts, self.shift, unset=0)
        return Part(head, NumberPoints(attributes, starts, shifted(moments, self.shift), values), keys)

    def _mixed(self, head: Head, given: list[otlp.Point], attributes: list[Any], keys: list[int]) -> Part:
        """Numbers with exemplars, of both types, without a value, or with odd times."""
        shift = self.shift
        points: list[Point] = []
        kept: list[int] = []
        for at, (point, own) in enumerate(zip(given, attributes, strict=True)):
            if not self._possible(head.kind, head.name, at, point, number_problem(point)):
                continue
            value: float = point.asDouble if point.asDouble is not None else point.asInt or 0
            start = point.startTimeUnixNano
            exemplars = self._exemplars(point.exemplars) if point.exemplars else ()
            points.append(
                number_point(own, start + shift if start else 0, point.timeUnixNano + shift, value, exemplars)
            )
            kept.append(keys[at])
        return Part(head, points, kept)

    def _others(self, head: Head, given: Iterable[Any], make: Any, kind: str) -> Part:
        points: list[Point] = []
        keys: list[int] = []
        for at, point in enumerate(given):
            if not self._possible(kind, head.name, at, point, PROBLEMS[kind](point)):
                continue
            raw = bytes(point.attributes)
            start = point.startTimeUnixNano + self.shift if point.startTimeUnixNano else 0
            exemplars = self._exemplars(point.exemplars) if point.exemplars else ()
            points.append(make(point, self._attributes[raw], start, point.timeUnixNano + self.shift, exemplars))
            keys.append(hash(raw))
        return Part(head, points, keys)

    def _possible(self, kind: str, name: str, at: int, point: Any, problem: Problem | None) -> bool:
        """Whether a point is to be sent; else it is counted."""
        if point.flags & NO_RECORDED_VALUE:
            self._notes.ended += 1
            return False
        path = f"{self._metric_path}.{kind}.dataPoints[{at}]"
        if not self._notes.possible(path, name, problem, point.timeUnixNano, point.startTimeUnixNano):
            return False
        raw = bytes(point.attributes)
        if self._attributes[raw] and hash(raw) in self._attributes.repeated:
            self._notes.doubts[REPEATED_KEY] += 1
        return True

    @staticmethod
    def _histogram(point: otlp.Histogram, attributes: Any, start: int, time: int, exemplars: Any) -> Point:
        return HistogramDataPoint(
            attributes,
            start,
            time,
            point.count,
            point.sum,  # type: ignore[arg-type] # OTLP has optional sums, minima and maxima
            point.bucketCounts,
            point.explicitBounds,
            point.min,  # type: ignore[arg-type]
            point.max,  # type: ignore[arg-type]
            exemplars,
        )

    def _exponential(self, point: otlp.Exponential, attributes: Any, start: int, time: int, exemplars: Any) -> Point:
        positive, negative = point.positive or otlp.Buckets(), point.negative or otlp.Buckets()
        if point.zeroThreshold > 0:
            self._notes.doubts[LOST_THRESHOLD] += 1
        return ExponentialHistogramDataPoint(
            attributes,
            start,
            time,
            point.count,
            point.sum,  # type: ignore[arg-type]
            point.scale,
            point.zeroCount,
            Buckets(positive.offset, positive.bucketCounts),
            Buckets(negative.offset, negative.bucketCounts),
            0,
            point.min,  # type: ignore[arg-type]
            point.max,  # type: ignore[arg-type]
            exemplars,
        )

    def _summaries(self, around: Around, metric: otlp.Metric, points: list[otlp.Summary]) -> Iterator[Part]:
        """A summary as sums `_count` and `_sum`, and one gauge for each quantile."""
        given = [
            point
            for at, point in enumerate(points)
            if self._possible("summary", metric.name, at, point, PROBLEMS["summary"](point))
        ]
        for suffix in ("_count", "_sum"):
            head = self._head(around, metric, Kind.SUM, 2, True, suffix, "" if suffix == "_count" else metric.unit)
            numbers, keys = [], []
            for point in given:
                raw = bytes(point.attributes)
                start = point.startTimeUnixNano + self.shift if point.startTimeUnixNano else 0
                value = point.count if suffix == "_count" else point.sum
                numbers.append(number_point(self._attributes[raw], start, point.timeUnixNano + self.shift, value))
                keys.append(hash(raw))
            yield Part(head, numbers, keys)
        head = self._head(around, metric, Kind.GAUGE)
        numbers, keys = [], []
        for point in given:
            raw = bytes(point.attributes)
            for own in point.quantileValues:
                attributes = {**self._attributes[raw], "quantile": number_text(own.quantile)}
                numbers.append(number_point(attributes, 0, point.timeUnixNano + self.shift, own.value))
                keys.append(hash((raw, own.quantile)))
        yield Part(head, numbers, keys)

    def _exemplars(self, given: list[otlp.Exemplar]) -> list[Exemplar]:
        exemplars = []
        for exemplar in given:
            span, trace = identifier(exemplar.spanId, 8), identifier(exemplar.traceId, 16)
            if (exemplar.spanId and span is None) or (exemplar.traceId and trace is None):
                self._notes.doubts[UNREADABLE_IDENTIFIER] += 1
            value = (exemplar.asInt if exemplar.asInt is not None else exemplar.asDouble) or 0
            exemplars.append(
                Exemplar(
                    dictionary(exemplar.filteredAttributes), value, exemplar.timeUnixNano + self.shift, span, trace
                )
            )
        return exemplars

    def _head(
        self,
        around: Around,
        metric: otlp.Metric,
        kind: Kind,
        temporality: int | str = 0,
        monotonic: bool = False,
        suffix: str = "",
        unit: str | None = None,
    ) -> Head:
        if not metric.name:
            raise MemberError(self._metric_path, "expected a metric's name")
        if isinstance(temporality, str) and temporality not in _TEMPORALITY:
            raise MemberError(self._metric_path, f"unknown aggregationTemporality {temporality[:40]!r}")
        raw = bytes(metric.metadata)
        of_summary = metric.summary is not None  # a gauge beside it may have its name
        own_key = metric.name, metric.unit, metric.description, kind, temporality, monotonic, suffix, raw, of_summary

        def make() -> Head:
            metadata = metadata_of(raw) if raw not in (b"", b"null") else ()
            if of_summary:
                metadata = summary_part(metadata, metric.name, metric.unit)
            kept = kind, _TEMPORALITY.get(temporality), monotonic, metadata
            own_unit = metric.unit if unit is None else unit
            return Head(*around, metric.name + suffix, metric.description, own_unit, *kept)

        return self._heads.of(around, own_key, make)


def _resource(raw: bytes) -> Resource:
    return Resource(dictionary(otlp.RESOURCE.decode(raw).attributes) if raw else {})


def _scope(raw: bytes) -> InstrumentationScope:
    scope = otlp.SCOPE.decode(raw) if raw else otlp.Scope()
    return InstrumentationScope(scope.name, scope.version, None, dictionary(scope.attributes))


def _at(why: str, path: str) -> str:
    return f"{why}, in {path}" if path else why
