"""What a metric is to us: `Stream` (one metric of one scope and resource), `Series` (a stream's attributes), and its points.

Points are the OpenTelemetry SDK's own data points, so that runtime and command line hand over the same type, `MetricsData`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from operator import attrgetter
from typing import Any

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    MetricsData,
    NumberDataPoint,
    Sum,
)

Point = NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint
Attributes = Mapping[str, Any]


class Kind(StrEnum):
    """The four point shapes of OpenTelemetry metrics that the SDK makes."""

    SUM = "sum"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    EXPONENTIAL_HISTOGRAM = "exponential_histogram"


@dataclass(frozen=True, slots=True)
class Stream:
    """One metric of one resource and scope: all that its series share. Equal content is equal, whoever made it."""

    name: str
    unit: str
    description: str
    kind: Kind
    temporality: str | None
    """`cumulative`, `delta`, or None for a gauge."""
    monotonic: bool
    """True for a sum that only grows; False for every other kind."""
    resource: Attributes = field(hash=False)
    resource_schema_url: str
    scope_name: str
    scope_version: str
    scope_attributes: Attributes = field(hash=False)
    scope_schema_url: str


@dataclass(frozen=True, slots=True)
class Series:
    """A metric stream's identity: the stream and one set of point attributes."""

    stream: Stream
    attributes: Attributes = field(hash=False)


@dataclass(frozen=True, slots=True)
class Group:
    """A stream together with the points of one collection. `source` are the SDK objects, kept to recognise them by identity."""

    stream: Stream
    points: Sequence[Point]
    source: tuple[Any, ...] = field(repr=False, compare=False, default=())


_time = attrgetter("time_unix_nano")
_TEMPORALITY = {AggregationTemporality.CUMULATIVE: "cumulative", AggregationTemporality.DELTA: "delta"}


def groups(data: MetricsData) -> Iterator[Group]:
    """Walk a collection: one group for each metric that has points, in the order given."""
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
                    (scope.attributes if scope else None) or {},
                    scope_metrics.schema_url or (scope.schema_url if scope else None) or "",
                )
                yield Group(stream, inner.data_points, (resource, scope))


def in_time_order(group: Group) -> Group:
    """The group with its points in the order of their times; the same group where they are in it already."""
    times = list(map(_time, group.points))
    if len(set(times)) < 2 or times == sorted(times):
        return group
    return replace(group, points=sorted(group.points, key=_time))


def count_points(data: MetricsData) -> int:
    """How many data points a collection holds (a histogram is one)."""
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
