"""The points of OTLP requests in JSON or protobuf: the messages become parts whose points are the SDK's own.

Attributes, resources, scopes and metadata are decoded only if their bytes are new.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any

from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import Buckets, ExponentialHistogramDataPoint, HistogramDataPoint
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.formats.otlp import messages as otlp
from magictel.formats.otlp.members import MemberError
from magictel.model import validity
from magictel.model.metrics import Kind, Metadata, NumberPoints, Point, number_point, number_text, summary_part
from magictel.model.validity import EARLY, LATEST, NO_RECORDED_VALUE, Problem
from magictel.sources.batching import RESOURCES, Around, AttributesCache, Head, Heads, Interned, Part
from magictel.sources.skips import LOST_THRESHOLD, REPEATED_KEY, LineNotes, Skips
from magictel.sources.times import shifted


class OtlpPoints(ABC):
    """A builder of the points of a recording's requests. `shift` (nanoseconds) is added to every time; `skips` counts skipped points."""

    def __init__(self, name: str, shift: int = 0, skips: Skips | None = None) -> None:
        self.name = name
        self.shift = shift
        self.skips = skips or Skips()
        self._attributes = AttributesCache(self.attributes)
        self._heads = Heads()
        self._resources = Interned(self.resource, RESOURCES)
        self._scopes = Interned(self.scope, RESOURCES)
        self._notes = LineNotes()
        self._metric_path = ""

    @staticmethod
    @abstractmethod
    def attributes(raw: bytes) -> tuple[dict[str, Any], int]:
        """Decode attributes, and count their pairs."""

    @staticmethod
    @abstractmethod
    def resource(raw: bytes) -> Resource:
        """Decode a resource."""

    @staticmethod
    @abstractmethod
    def scope(raw: bytes) -> InstrumentationScope:
        """Decode a scope."""

    @abstractmethod
    def exemplars(self, given: list[Any]) -> list[Exemplar]:
        """Return a point's exemplars as the SDK's."""

    def _parts(self, request: otlp.Request, start: str = "") -> Iterator[Part]:
        """Yield the parts of a request at a path."""
        for first, resource_metrics in enumerate(request.resourceMetrics):
            resource = self._resources[bytes(resource_metrics.resource)]
            for second, scope_metrics in enumerate(resource_metrics.scopeMetrics):
                scope = self._scopes[bytes(scope_metrics.scope)]
                around = resource, scope, resource_metrics.schemaUrl, scope_metrics.schemaUrl
                path = f"{start}resourceMetrics[{first}].scopeMetrics[{second}]"
                for third, metric in enumerate(scope_metrics.metrics):
                    self._metric_path = f"{path}.metrics[{third}]"
                    yield from self._metric(around, metric)

    def _metric(self, around: Around, metric: otlp.Metric) -> Iterator[Part]:
        for kind, member in otlp.KINDS.items():
            data = getattr(metric, member)
            if data is not None:
                temporality = 0 if kind is Kind.GAUGE else data.aggregationTemporality
                head = self._head(around, metric, kind, temporality, kind is Kind.SUM and data.isMonotonic)
                numbers = kind in (Kind.GAUGE, Kind.SUM)
                yield self._numbers(head, data.dataPoints) if numbers else self._distributions(head, data.dataPoints)
                return
        if metric.summary is not None:
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
        odd = None in values or integers.count(None) < len(integers) or not _plain_times(moments, starts)
        odd = odd or not self._attributes.repeated.isdisjoint(keys)
        if odd or any([point.flags or point.exemplars for point in given]):  # noqa: C419 # a generator takes three times as long
            return self._mixed(head, given, attributes, keys)
        starts = shifted(starts, self.shift, unset=0)
        return Part(head, NumberPoints(attributes, starts, shifted(moments, self.shift), values), keys)

    def _mixed(self, head: Head, given: list[otlp.Point], attributes: list[Any], keys: list[int]) -> Part:
        """Return number points with exemplars, mixed types, missing values, or unusual times."""
        points: list[Point] = []
        kept: list[int] = []
        for at, (point, point_attributes) in enumerate(zip(given, attributes, strict=True)):
            if not self._possible(head.kind, head.name, at, point, _number_problem(point)):
                continue
            value: float = point.asDouble if point.asDouble is not None else point.asInt or 0
            exemplars = self.exemplars(point.exemplars) if point.exemplars else ()
            time = point.timeUnixNano + self.shift
            points.append(number_point(point_attributes, self._start(point), time, value, exemplars))
            kept.append(keys[at])
        return Part(head, points, kept)

    def _distributions(self, head: Head, given: Iterable[Any]) -> Part:
        make, problem = (
            (self._histogram, _histogram_problem)
            if head.kind is Kind.HISTOGRAM
            else (self._exponential, _exponential_problem)
        )
        points: list[Point] = []
        keys: list[int] = []
        for at, point in enumerate(given):
            if not self._possible(otlp.KINDS[head.kind], head.name, at, point, problem(point)):
                continue
            raw = bytes(point.attributes)
            exemplars = self.exemplars(point.exemplars) if point.exemplars else ()
            time = point.timeUnixNano + self.shift
            points.append(make(point, self._attributes[raw], self._start(point), time, exemplars))
            keys.append(hash(raw))
        return Part(head, points, keys)

    def _possible(self, kind: str, name: str, at: int, point: Any, problem: Problem | None) -> bool:
        """Return whether to send a point; otherwise count it."""
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
        """Yield a summary as sums `_count` and `_sum`, and a gauge for each quantile."""
        given = [
            (bytes(point.attributes), point, point.timeUnixNano + self.shift)
            for at, point in enumerate(points)
            if self._possible("summary", metric.name, at, point, _summary_problem(point))
        ]
        keys = [hash(raw) for raw, *_ in given]
        for suffix, unit, value in ("_count", "", attrgetter("count")), ("_sum", metric.unit, attrgetter("sum")):
            head = self._head(around, metric, Kind.SUM, 2, True, suffix, unit)
            numbers = [
                number_point(self._attributes[raw], self._start(point), time, value(point))
                for raw, point, time in given
            ]
            yield Part(head, numbers, keys)
        head = self._head(around, metric, Kind.GAUGE)
        numbers, keys = [], []
        for raw, point, time in given:
            for quantile in point.quantileValues:
                attributes = {**self._attributes[raw], "quantile": number_text(quantile.quantile)}
                numbers.append(number_point(attributes, 0, time, quantile.value))
                keys.append(hash((raw, quantile.quantile)))
        yield Part(head, numbers, keys)

    def _start(self, point: Any) -> int:
        start: int = point.startTimeUnixNano
        return start + self.shift if start else 0

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
        if isinstance(temporality, str) and temporality not in otlp.TEMPORALITY:
            raise MemberError(self._metric_path, f"unknown aggregationTemporality {temporality[:40]!r}")
        raw = bytes(metric.metadata)
        of_summary = metric.summary is not None  # a gauge beside it may have its name
        own_key = metric.name, metric.unit, metric.description, kind, temporality, monotonic, suffix, raw, of_summary

        def make() -> Head:
            metadata = self._metadata(raw)
            if of_summary:
                metadata = summary_part(metadata, metric.name, metric.unit)
            kept = kind, otlp.TEMPORALITY.get(temporality), monotonic, metadata
            own_unit = metric.unit if unit is None else unit
            return Head(*around, metric.name + suffix, metric.description, own_unit, *kept)

        return self._heads.of(around, own_key, make)

    def _metadata(self, raw: bytes) -> Metadata:
        """Return the text values of a metric's metadata."""
        if raw in (b"", b"null"):
            return ()
        return tuple((key, value) for key, value in self.attributes(raw)[0].items() if isinstance(value, str))


def _plain_times(moments: list[int], starts: list[int]) -> bool:
    """Return whether all times are present, in nanoseconds, and plausible."""
    return all(
        low < given[0] <= LATEST if given.count(given[0]) == len(given) else low < min(given) <= max(given) <= LATEST
        for low, given in ((EARLY, moments), (-1, starts))
        if given
    )


def _number_problem(point: otlp.Point) -> Problem | None:
    """Return the problem of a number point, or None."""
    if point.asDouble is None:
        return Problem("asDouble", "and asInt are missing: the point has no value") if point.asInt is None else None
    return None if point.asInt is None else Problem("asInt", "is set beside asDouble: a point has one value")


def _histogram_problem(point: Any) -> Problem | None:
    return validity.histogram(point.explicitBounds, point.bucketCounts, point.count, point.min, point.max)


def _exponential_problem(point: Any) -> Problem | None:
    positive, negative = point.positive or otlp.Buckets(), point.negative or otlp.Buckets()
    sides = (positive.offset, positive.bucketCounts), (negative.offset, negative.bucketCounts)
    return validity.exponential_histogram(
        point.scale, point.zeroCount, *sides, point.count, point.min, point.max, point.zeroThreshold
    )


def _summary_problem(point: otlp.Summary) -> Problem | None:
    return validity.summary(point.count, [value.quantile for value in point.quantileValues])
