"""Sent against seen for OTLP JSON: a point's fields as they were given, and as they are found again in a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint, HistogramDataPoint

from magictel.formats.otlp import messages as otlp
from magictel.formats.otlp.members import canonical
from magictel.model.metrics import Point, Series
from magictel.model.verification import POINT, RUN_ID, Expected, Seen, Value

_TELLING = ("attributes.", "resource.", "scope.")


def identity(fields: Mapping[str, Value]) -> str:
    """Return the identity of a point: everything except its numbers."""
    identity = sorted(
        (name, repr(value))
        for name, value in fields.items()
        if name.startswith(_TELLING) or name in ("name", "unit", "kind", "temporality", "monotonic", "time_unix_nano")
    )
    return repr(identity)


def identified(series: Series, point: Point) -> Expected:
    """As `expected`, for any point."""
    point_expected = expected(series, point)
    return Expected(
        identity(point_expected.fields), f"{series.stream.name} {dict(series.attributes)}"[:200], point_expected.fields
    )


def every_point(text: bytes) -> Iterator[Seen]:
    """Return the points of one line by their identity, from any writer; a line that is not a request has none."""
    for fields in _every(text):
        yield Seen(identity(fields), fields)


def expected(series: Series, point: Point) -> Expected:
    """A point as its line should hold it: no field is left out, none is changed."""
    stream = series.stream
    fields: dict[str, Value] = {
        "name": stream.name,
        "unit": stream.unit,
        "description": stream.description,
        "kind": stream.kind.value,
        "temporality": stream.temporality,
        "monotonic": stream.monotonic,
        "resource.schema_url": stream.resource_schema_url,
        "scope.name": stream.scope_name,
        "scope.version": stream.scope_version,
        "scope.schema_url": stream.scope_schema_url,
        "start_time_unix_nano": point.start_time_unix_nano or 0,
        "time_unix_nano": point.time_unix_nano,
        **_attributes("resource.attributes", stream.resource),
        **_attributes("scope.attributes", stream.scope_attributes),
        **_attributes("attributes", series.attributes),
    }
    if isinstance(point, HistogramDataPoint | ExponentialHistogramDataPoint):
        fields |= {"count": point.count, "sum": _float(point.sum), "min": _float(point.min), "max": _float(point.max)}
    if isinstance(point, HistogramDataPoint):
        fields |= {
            "bucket_counts": tuple(point.bucket_counts),
            "explicit_bounds": tuple(map(float, point.explicit_bounds)),
        }
    elif isinstance(point, ExponentialHistogramDataPoint):
        fields |= {"scale": point.scale, "zero_count": point.zero_count}
        for side, buckets in (("positive", point.positive), ("negative", point.negative)):
            fields |= {f"{side}.offset": buckets.offset, f"{side}.bucket_counts": tuple(buckets.bucket_counts)}
    else:
        fields["value"] = point.value
    name = series.attributes.get(POINT)
    shown = f"{stream.name} {name}" if name else stream.name
    return Expected(str(name or f"{stream.name} {dict(series.attributes)}"), shown, fields)


def points(text: bytes, run_id: str) -> Iterator[Seen]:
    """The points of a run in one line; a line that is no request has none."""
    for fields in _every(text):
        if fields.get(f"attributes.{RUN_ID}") == run_id:
            key = fields.get(f"attributes.{POINT}")
            attributes = {name: value for name, value in fields.items() if name.startswith("attributes.")}
            yield Seen(str(key or f"{fields['name']} {attributes}"), fields)


def _every(text: bytes) -> Iterator[dict[str, Value]]:
    text = otlp.with_signs(text)
    try:
        request = otlp.REQUEST.decode(text)
    except ValueError:  # includes msgspec's exceptions
        try:
            request = otlp.REQUEST.decode(canonical(text, lambda _: None))
        except ValueError:
            return
    for resource_metrics in request.resourceMetrics:
        resource = otlp.RESOURCE.decode(resource_metrics.resource) if resource_metrics.resource else otlp.Resource()
        for scope_metrics in resource_metrics.scopeMetrics:
            scope = otlp.SCOPE.decode(scope_metrics.scope) if scope_metrics.scope else otlp.Scope()
            around: dict[str, Value] = {
                "resource.schema_url": resource_metrics.schemaUrl,
                "scope.name": scope.name,
                "scope.version": scope.version,
                "scope.schema_url": scope_metrics.schemaUrl,
                **_attributes("resource.attributes", otlp.dictionary(resource.attributes)),
                **_attributes("scope.attributes", otlp.dictionary(scope.attributes)),
            }
            for metric in scope_metrics.metrics:
                for point, fields in _points(metric):
                    attributes = otlp.attributes(bytes(point.attributes))[0]
                    yield {**around, **fields, **_attributes("attributes", attributes)}


def _points(metric: otlp.Metric) -> Iterator[tuple[Any, dict[str, Value]]]:
    for kind, member in otlp.KINDS.items():
        data = getattr(metric, member)
        if data is None:
            continue
        shared: dict[str, Value] = {
            "name": metric.name,
            "unit": metric.unit,
            "description": metric.description,
            "kind": kind.value,
            "temporality": otlp.TEMPORALITY.get(getattr(data, "aggregationTemporality", 0)),
            "monotonic": getattr(data, "isMonotonic", False),
        }
        for point in data.dataPoints:
            yield point, {**shared, **_numbers(point)}


def _numbers(point: otlp.Point | otlp.Histogram | otlp.Exponential) -> dict[str, Value]:
    fields: dict[str, Value] = {
        "start_time_unix_nano": point.startTimeUnixNano,
        "time_unix_nano": point.timeUnixNano,
    }
    if isinstance(point, otlp.Point):
        fields["value"] = point.asDouble if point.asInt is None else point.asInt
        return fields
    fields |= {"count": point.count, "sum": point.sum, "min": point.min, "max": point.max}
    if isinstance(point, otlp.Histogram):
        fields["bucket_counts"] = tuple(point.bucketCounts)
        fields["explicit_bounds"] = tuple(point.explicitBounds)
        return fields
    fields |= {"scale": point.scale, "zero_count": point.zeroCount}
    for side, buckets in (("positive", point.positive), ("negative", point.negative)):
        fields[f"{side}.offset"] = buckets.offset if buckets else 0
        fields[f"{side}.bucket_counts"] = tuple(buckets.bucketCounts) if buckets else ()
    return fields


def _attributes(prefix: str, attributes: Mapping[str, Any]) -> dict[str, Value]:
    return {f"{prefix}.{key}": _plain(value) for key, value in attributes.items()}


def _plain(value: Any) -> Value:
    """An attribute's value as `Value`: lists as tuples, maps as pairs, bytes in hex."""
    if isinstance(value, list | tuple):
        return tuple(map(_plain, value))
    if isinstance(value, Mapping):
        return tuple((key, _plain(item)) for key, item in value.items())
    if isinstance(value, bytes):
        return value.hex()
    known: Value = value
    return known


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)
