"""Groups as the SDK's `MetricsData` again, for what takes a whole collection: an OpenTelemetry exporter of another package."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogram,
    Gauge,
    Histogram,
    Metric,
    MetricsData,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.model.metrics import Group, Kind, Stream

_TEMPORALITY = {"cumulative": AggregationTemporality.CUMULATIVE, "delta": AggregationTemporality.DELTA}


def metrics_data(groups: Iterable[Group]) -> MetricsData:
    """Return the collection that consists of these groups: the inverse of `metrics.groups`."""
    resources: dict[int, tuple[ResourceMetrics, dict[int, ScopeMetrics]]] = {}
    for group in groups:
        stream = group.stream
        source = group.source or (stream.resource, stream.scope_attributes)
        entry = resources.get(id(source[0]))
        if entry is None:
            entry = resources[id(source[0])] = ResourceMetrics(_resource(group), [], stream.resource_schema_url), {}
        around, scopes = entry
        inner = scopes.get(id(source[1]))
        if inner is None:
            inner = scopes[id(source[1])] = ScopeMetrics(_scope(group), [], stream.scope_schema_url)
            around.scope_metrics.append(inner)  # type: ignore[attr-defined] # the SDK's type is a Sequence
        data = data_of(stream.kind, stream.temporality, stream.monotonic, group.points)
        inner.metrics.append(Metric(stream.name, stream.description, stream.unit, data))  # type: ignore[attr-defined]
    return MetricsData([around for around, _ in resources.values()])


def data_of(kind: Kind, temporality: str | None, monotonic: bool, points: Sequence[Any]) -> Any:
    """Return the points of a metric as the SDK's data. An unknown temporality is 0, OTLP's unspecified one."""
    known: Any = _TEMPORALITY.get(temporality or "", 0)
    match kind:
        case Kind.GAUGE:
            return Gauge(points)
        case Kind.SUM:
            return Sum(points, known, monotonic)
        case Kind.HISTOGRAM:
            return Histogram(points, known)
        case Kind.EXPONENTIAL_HISTOGRAM:
            return ExponentialHistogram(points, known)


def _resource(group: Group) -> Resource:
    """Return the group's own resource, or one with other attributes if they were redacted."""
    stream = group.stream
    if group.source and group.source[0].attributes is stream.resource:
        resource: Resource = group.source[0]
        return resource
    return Resource(dict(stream.resource), stream.resource_schema_url)


def _scope(group: Group) -> InstrumentationScope:
    stream: Stream = group.stream
    if group.source and group.source[1] is not None and group.source[1].attributes == stream.scope_attributes:
        scope: InstrumentationScope = group.source[1]
        return scope
    attributes = dict(stream.scope_attributes)
    return InstrumentationScope(stream.scope_name, stream.scope_version, stream.scope_schema_url, attributes)
