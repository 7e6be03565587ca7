"""The metric model: `Stream` (a metric of a scope and resource), `Series` (a stream and attributes), and points.

Points are the OpenTelemetry SDK's own data points, so that runtime and command line use the same type, `MetricsData`.
The numbers of a recording are columns (`NumberPoints`), and a point is created on access.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter
from typing import Any, overload

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    Sum,
)

Point = NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint
Attributes = Mapping[str, Any]
Metadata = tuple[tuple[str, str], ...]
"""OTLP's `Metric.metadata`: additional facts about a metric, as pairs of text."""
PROMETHEUS_TYPE = "prometheus.type"
"""Metadata key (from the Collector): the metric comes from a Prometheus page with this type, so its names are already Prometheus names."""
SUMMARY_NAME, SUMMARY_UNIT = "magictel.summary.name", "magictel.summary.unit"
"""Metadata keys: the metric is a part of this OTLP summary (its `_count`, its `_sum` or its quantiles)."""


class Kind(StrEnum):
    """The four types of OpenTelemetry metrics that the SDK produces."""

    SUM = "sum"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    EXPONENTIAL_HISTOGRAM = "exponential_histogram"


@dataclass(frozen=True, slots=True)
class Stream:
    """A metric of a resource and scope: everything that its series share. Streams with equal content are equal."""

    name: str
    unit: str
    description: str
    kind: Kind
    temporality: str | None
    """`cumulative`, `delta`, or None for a gauge."""
    monotonic: bool
    """True for a monotonic sum; False otherwise."""
    resource: Attributes = field(hash=False)
    resource_schema_url: str
    scope_name: str
    scope_version: str
    scope_attributes: Attributes = field(hash=False)
    scope_schema_url: str
    metadata: Metadata = ()


@dataclass(frozen=True)
class MetricWithMetadata(Metric):
    """The SDK's `Metric` with OTLP's metadata, for which the SDK has no field."""

    metadata: Metadata = ()


@dataclass(frozen=True, slots=True)
class Series:
    """The identity of a time series: the stream and a set of point attributes."""

    stream: Stream
    attributes: Attributes = field(hash=False)

    def __str__(self) -> str:
        attributes = ", ".join(f"{key}={value}" for key, value in self.attributes.items())
        return f"{self.stream.name}{{{attributes}}}"[:200]


@dataclass(frozen=True, slots=True)
class Group:
    """A stream with its points of a collection. `source` are the SDK objects, kept to recognise them by identity."""

    stream: Stream
    points: Sequence[Point]
    source: tuple[Any, ...] = field(repr=False, compare=False, default=())
    attributes: list[Attributes] | None = field(repr=False, compare=False, default=None)
    """The points' attributes if they were compared before: the same list means the same objects in the same order."""


_NO_ATTRIBUTES: Attributes = {}
"""The same object for every scope without attributes: what is known of a scope is looked up by its identity."""
_attributes = attrgetter("attributes")
_start = attrgetter("start_time_unix_nano")
_time = attrgetter("time_unix_nano")
_value = attrgetter("value")
_new = object.__new__
_fill: Any = NumberDataPoint.__dict__["__dict__"].__set__
_TEMPORALITY = {AggregationTemporality.CUMULATIVE: "cumulative", AggregationTemporality.DELTA: "delta"}


def groups(data: MetricsData) -> Iterator[Group]:
    """Yield a group for each metric that has points, in order."""
    for resource_metrics in data.resource_metrics:
        resource = resource_metrics.resource
        for scope_metrics in resource_metrics.scope_metrics:
            scope = scope_metrics.scope
            for metric in scope_metrics.metrics:
                inner = metric.data
                if not inner.data_points:
                    continue
                stream = Stream(
                    metric.name,
                    metric.unit or "",
                    metric.description or "",
                    _kind(inner),
                    None if isinstance(inner, Gauge) else _TEMPORALITY.get(inner.aggregation_temporality),
                    isinstance(inner, Sum) and inner.is_monotonic,
                    resource.attributes,
                    resource_metrics.schema_url or resource.schema_url or "",
                    scope.name if scope else "",
                    (scope.version if scope else None) or "",
                    (scope.attributes if scope else None) or _NO_ATTRIBUTES,
                    scope_metrics.schema_url or (scope.schema_url if scope else None) or "",
                    metric.metadata if isinstance(metric, MetricWithMetadata) else (),
                )
                yield Group(stream, inner.data_points, (resource, scope))


_PROMETHEUS_RECEIVERS = frozenset(
    (
        "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/prometheusreceiver",
        "otelcol/prometheusreceiver",
    )
)
"""Scopes of metrics scraped by the OpenTelemetry Collector; old versions write no metadata."""


def named_by_prometheus(stream: Stream) -> bool:
    """Return whether a stream comes from a Prometheus page, so that its names are already Prometheus names."""
    return any(key == PROMETHEUS_TYPE for key, _ in stream.metadata) or stream.scope_name in _PROMETHEUS_RECEIVERS


def summary_part(metadata: Metadata, name: str, unit: str) -> Metadata:
    """Return the metadata of a part of an OTLP summary; a summary from a Prometheus page already has Prometheus names."""
    if any(key == PROMETHEUS_TYPE for key, _ in metadata):
        return metadata
    return (*metadata, (SUMMARY_NAME, name), (SUMMARY_UNIT, unit))


def in_time_order(group: Group) -> Group:
    """Return the group with its points ordered by time, or the group itself if they already are."""
    times = times_of(group.points)
    if len(set(times)) < 2 or times == sorted(times):
        return group
    return replace(group, points=sorted(group.points, key=_time), attributes=None)


def count_points(data: MetricsData) -> int:
    """Return the number of data points of a collection (a histogram counts as one)."""
    return sum(
        len(metric.data.data_points)
        for resource_metrics in data.resource_metrics
        for scope_metrics in resource_metrics.scope_metrics
        for metric in scope_metrics.metrics
    )


def _kind(data: Sum | Gauge | Histogram | ExponentialHistogram) -> Kind:
    match data:
        case Sum():
            return Kind.SUM
        case Gauge():
            return Kind.GAUGE
        case Histogram():
            return Kind.HISTOGRAM
        case ExponentialHistogram():
            return Kind.EXPONENTIAL_HISTOGRAM
    raise TypeError(f"unknown metric data {type(data).__name__}")


def number_text(number: float) -> str:
    """Return a bucket's bound or a quantile as Prometheus writes it: shortest form, no exponent, no `.0`."""
    if number - number != 0:
        return "NaN" if number != number else "+Inf" if number > 0 else "-Inf"
    text = format(Decimal(repr(float(number))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def number_point(
    attributes: Any, start: int, time: int, value: float, exemplars: Sequence[Any] = ()
) -> NumberDataPoint:
    """Return a `NumberDataPoint` without the five calls of its frozen `__init__`: recordings contain millions."""
    point = _new(NumberDataPoint)
    _fill(
        point,
        {
            "attributes": attributes,
            "start_time_unix_nano": start,
            "time_unix_nano": time,
            "value": value,
            "exemplars": exemplars,
        },
    )
    return point


class NumberPoints(Sequence[NumberDataPoint]):
    """Number points without exemplars: four immutable columns of equal length."""

    __slots__ = ("attributes", "starts", "times", "values")

    def __init__(self, attributes: list[Any], starts: list[int], times: list[int], values: list[Any]) -> None:
        self.attributes = attributes
        self.starts = starts
        self.times = times
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, at: int) -> NumberDataPoint: ...
    @overload
    def __getitem__(self, at: slice) -> NumberPoints: ...
    def __getitem__(self, at: int | slice) -> NumberDataPoint | NumberPoints:
        if isinstance(at, slice):
            return NumberPoints(self.attributes[at], self.starts[at], self.times[at], self.values[at])
        return number_point(self.attributes[at], self.starts[at], self.times[at], self.values[at])

    def __iter__(self) -> Iterator[NumberDataPoint]:
        return map(number_point, self.attributes, self.starts, self.times, self.values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str | bytes):
            return NotImplemented
        return list(self) == list(other)

    __hash__ = None  # type: ignore[assignment] # like a list

    def __repr__(self) -> str:
        return repr(list(self))


def joined(runs: Sequence[Sequence[Any]]) -> Sequence[Any]:
    """Concatenate points: columns if all are columns, otherwise a list."""
    if len(runs) == 1:
        return runs[0]
    columns = [run for run in runs if isinstance(run, NumberPoints)]
    if len(columns) < len(runs):
        return [point for run in runs for point in run]
    points = NumberPoints([], [], [], [])
    for run in columns:
        points.attributes += run.attributes
        points.starts += run.starts
        points.times += run.times
        points.values += run.values
    return points


def attributes_of(points: Sequence[Any]) -> list[Any]:
    """Return the points' attributes as a list for reading."""
    return points.attributes if isinstance(points, NumberPoints) else list(map(_attributes, points))


def attributes_of_group(group: Group) -> list[Any]:
    """Return the attributes of a group's points as a list for reading: the same list again if an earlier stage compared them."""
    return attributes_of(group.points) if group.attributes is None else group.attributes


def starts_of(points: Sequence[Any]) -> list[int]:
    """Return the points' start times."""
    return points.starts if isinstance(points, NumberPoints) else list(map(_start, points))


def times_of(points: Sequence[Any]) -> list[int]:
    """Return the points' times."""
    return points.times if isinstance(points, NumberPoints) else list(map(_time, points))


def values_of(points: Sequence[Any]) -> list[Any]:
    """Return the values of number points."""
    return points.values if isinstance(points, NumberPoints) else list(map(_value, points))
