"""Sent against seen for OTLP JSON: a point's fields as they were given, and as `json` finds them again in a line."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint, HistogramDataPoint

from magictel.model.metrics import Kind, Point, Series
from magictel.model.verification import POINT, RUN_ID, Expected, Seen, Value

_TELLING = ("attributes.", "resource.", "scope.")
_KINDS = {
    "sum": Kind.SUM,
    "gauge": Kind.GAUGE,
    "histogram": Kind.HISTOGRAM,
    "exponentialHistogram": Kind.EXPONENTIAL_HISTOGRAM,
}
_TEMPORALITY = {0: None, 1: "delta", 2: "cumulative"}


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
        **{f"resource.attributes.{key}": _plain(value) for key, value in stream.resource.items()},
        **{f"scope.attributes.{key}": _plain(value) for key, value in stream.scope_attributes.items()},
        **{f"attributes.{key}": _plain(value) for key, value in series.attributes.items()},
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
    try:
        request = json.loads(text)
    except ValueError:
        return
    for resource_metrics in _list(request, "resourceMetrics"):
        resource = resource_metrics.get("resource", {})
        for scope_metrics in _list(resource_metrics, "scopeMetrics"):
            scope = scope_metrics.get("scope", {})
            around: dict[str, Value] = {
                "resource.schema_url": resource_metrics.get("schemaUrl", ""),
                "scope.name": scope.get("name", ""),
                "scope.version": scope.get("version", ""),
                "scope.schema_url": scope_metrics.get("schemaUrl", ""),
                **_attributes("resource.attributes", resource),
                **_attributes("scope.attributes", scope),
            }
            for metric in _list(scope_metrics, "metrics"):
                for point, fields in _points(metric):
                    yield {**around, **fields, **_attributes("attributes", point)}


def _points(metric: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], dict[str, Value]]]:
    for key, kind in _KINDS.items():
        if key not in metric:
            continue
        data = metric[key]
        shared: dict[str, Value] = {
            "name": metric.get("name", ""),
            "unit": metric.get("unit", ""),
            "description": metric.get("description", ""),
            "kind": kind.value,
            "temporality": _TEMPORALITY.get(data.get("aggregationTemporality", 0)),
            "monotonic": data.get("isMonotonic", False),
        }
        for point in _list(data, "dataPoints"):
            yield point, {**shared, **_numbers(kind, point)}


def _numbers(kind: Kind, point: Mapping[str, Any]) -> dict[str, Value]:
    fields: dict[str, Value] = {
        "start_time_unix_nano": int(point.get("startTimeUnixNano", 0)),
        "time_unix_nano": int(point.get("timeUnixNano", 0)),
    }
    if kind in (Kind.SUM, Kind.GAUGE):
        fields["value"] = int(point["asInt"]) if "asInt" in point else _float(point.get("asDouble"))
        return fields
    fields |= {"count": int(point.get("count", 0)), **{name: _float(point.get(name)) for name in ("sum", "min", "max")}}
    if kind is Kind.HISTOGRAM:
        fields["bucket_counts"] = tuple(map(int, _list(point, "bucketCounts")))
        fields["explicit_bounds"] = tuple(map(_float, _list(point, "explicitBounds")))
        return fields
    fields |= {"scale": point.get("scale", 0), "zero_count": int(point.get("zeroCount", 0))}
    for side in ("positive", "negative"):
        buckets = point.get(side, {})
        fields[f"{side}.offset"] = buckets.get("offset", 0)
        fields[f"{side}.bucket_counts"] = tuple(map(int, _list(buckets, "bucketCounts")))
    return fields


def _attributes(prefix: str, holder: Mapping[str, Any]) -> dict[str, Value]:
    return {
        f"{prefix}.{attribute['key']}": _value(attribute.get("value", {})) for attribute in _list(holder, "attributes")
    }


def _value(value: Mapping[str, Any]) -> Value:
    for key, entry in value.items():
        match key:
            case "intValue":
                return int(entry)
            case "doubleValue":
                return _float(entry)
            case "arrayValue":
                return tuple(_value(item) for item in _list(entry, "values"))
            case "kvlistValue":
                return tuple((pair["key"], _value(pair.get("value", {}))) for pair in _list(entry, "values"))
            case "bytesValue":
                return base64.b64decode(entry).hex()
            case _:
                plain: Value = entry
                return plain
    return None


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


def _float(value: Any) -> float | None:
    """A double: JSON's number, or `NaN` and `Infinity` as text."""
    return None if value is None else float(value)


def _list(holder: Mapping[str, Any], key: str) -> list[Any]:
    value = holder.get(key)
    return value if isinstance(value, list) else []
