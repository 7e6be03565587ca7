"""Points as OTLP JSON: as requests, and as lines with a request each, as the OpenTelemetry Collector's file exporter writes them.

An item of a line is one point with the heads and tails of all that encloses it (resource, scope, metric), so that items stay independent;
`request` lays neighbours of the same parent into one another.

The rules are those of OTLP's JSON mapping: 64-bit integers as text, enums as numbers, `NaN` and `Infinity` as text, bytes in base64.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import orjson
from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint, HistogramDataPoint

from magictel.encoding.withheld import Withheld
from magictel.formats.otlp.messages import KINDS
from magictel.model.metrics import Kind, Point, Series, Stream

_CUT = b"\x00"  # JSON escapes it, so no part contains it
_TEMPORALITY = {"delta": 1, "cumulative": 2, None: 0}
_INT64 = range(-(1 << 63), 1 << 63)


class OtlpJsonEncoder:
    """Encodes points. The enclosing parts of the latest stream are kept: its points follow each other."""

    def __init__(self) -> None:
        self._stream: Stream | None = None
        self._around: tuple[Sequence[bytes], Sequence[bytes]] = ((), ())

    def encode(self, series: Series, point: Point) -> bytes | Withheld:
        """The point and what encloses it, in seven parts; or why it is left out."""
        if series.stream is not self._stream:
            self._stream, self._around = series.stream, enclosing(series.stream)
        heads, tails = self._around
        item = data_point(series, point)
        return _CUT.join((*heads, item, *tails)) if isinstance(item, bytes) else item


def line(items: Iterable[bytes]) -> bytes:
    """Items as one request on one line, line feed included; empty without items."""
    parts = [item.split(_CUT) for item in items]
    return request(parts) + b"\n" if parts else b""


def request(parts: Sequence[Sequence[bytes]]) -> bytes:
    """Return a request of parts: three heads, the points, separated by commas, and three tails. Neighbours share their parents."""
    return b'{"resourceMetrics":[' + _nested(parts, 0) + b"]}"


def data_point(series: Series, point: Point) -> bytes | Withheld:
    """Return a point as an element of `dataPoints`, or why it is left out."""
    try:
        return _point(series, point)
    except OverflowError:
        return Withheld("otlp.number", "an integer does not fit the 64 bits that OTLP has for it", series.stream.name)


def _nested(parts: Sequence[Sequence[bytes]], depth: int) -> bytes:
    if depth == 3:
        return b",".join([part[3] for part in parts])
    texts = []
    for (head, tail), inner in groupby(parts, key=lambda part: (part[depth], part[6 - depth])):
        texts.append(head + _nested(list(inner), depth + 1) + tail)
    return b",".join(texts)


def enclosing(stream: Stream) -> tuple[Sequence[bytes], Sequence[bytes]]:
    """Return what encloses the points of a stream: the heads of resource, scope and metric, and their tails from the inside out."""
    resource = {"attributes": list(_attributes(stream.resource))} if stream.resource else {}
    scope: dict[str, Any] = {}
    for key, value in (("name", stream.scope_name), ("version", stream.scope_version)):
        if value:
            scope[key] = _text(value)
    if stream.scope_attributes:
        scope["attributes"] = list(_attributes(stream.scope_attributes))
    metric = {"name": stream.name, "description": stream.description, "unit": stream.unit}
    known: dict[str, Any] = {key: _text(value) for key, value in metric.items() if value}
    if stream.metadata:
        known["metadata"] = list(_attributes(dict(stream.metadata)))
    more: dict[str, Any] = {}
    if stream.kind is not Kind.GAUGE:
        more["aggregationTemporality"] = _TEMPORALITY[stream.temporality]
    if stream.kind is Kind.SUM and stream.monotonic:
        more["isMonotonic"] = True
    opened = orjson.dumps(known)[:-1] + (b"," if known else b"")
    heads = (
        b'{"resource":' + orjson.dumps(resource) + b',"scopeMetrics":[',
        b'{"scope":' + orjson.dumps(scope) + b',"metrics":[',
        opened + f'"{KINDS[stream.kind]}":{{"dataPoints":['.encode(),
    )
    tails = (
        b"]" + _rest(more) + b"}}",
        b"]" + _rest({"schemaUrl": stream.scope_schema_url} if stream.scope_schema_url else {}) + b"}",
        b"]" + _rest({"schemaUrl": stream.resource_schema_url} if stream.resource_schema_url else {}) + b"}",
    )
    return heads, tails


def _rest(members: Mapping[str, Any]) -> bytes:
    return b"," + orjson.dumps(members)[1:-1] if members else b""


def _point(series: Series, point: Point) -> bytes:
    fields: dict[str, Any] = {}
    if series.attributes:
        fields["attributes"] = list(_attributes(series.attributes))
    if point.start_time_unix_nano:
        fields["startTimeUnixNano"] = str(point.start_time_unix_nano)
    fields["timeUnixNano"] = str(point.time_unix_nano)
    if isinstance(point, HistogramDataPoint):
        fields |= {"count": str(point.count), **_doubles(point, "sum", "min", "max")}
        fields["bucketCounts"] = list(map(str, point.bucket_counts))
        fields["explicitBounds"] = list(map(_double, point.explicit_bounds))
    elif isinstance(point, ExponentialHistogramDataPoint):
        fields |= {"count": str(point.count), **_doubles(point, "sum", "min", "max")}
        fields |= {"scale": point.scale, "zeroCount": str(point.zero_count)}
        threshold = getattr(point, "zero_threshold", 0.0)
        if threshold:
            fields["zeroThreshold"] = _double(threshold)
        for side, buckets in (("positive", point.positive), ("negative", point.negative)):
            if buckets.bucket_counts or buckets.offset:
                fields[side] = {"offset": buckets.offset, "bucketCounts": list(map(str, buckets.bucket_counts))}
    else:
        fields |= _number(point.value)
    exemplars = getattr(point, "exemplars", None)
    if exemplars:
        fields["exemplars"] = [_exemplar(exemplar) for exemplar in exemplars]
    return orjson.dumps(fields)


def _exemplar(exemplar: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if exemplar.filtered_attributes:
        fields["filteredAttributes"] = list(_attributes(exemplar.filtered_attributes))
    fields |= {"timeUnixNano": str(exemplar.time_unix_nano), **_number(exemplar.value)}
    if exemplar.span_id is not None and exemplar.trace_id is not None:
        fields |= {"spanId": f"{exemplar.span_id:016x}", "traceId": f"{exemplar.trace_id:032x}"}
    return fields


def _number(value: float) -> dict[str, Any]:
    if isinstance(value, int):
        if value not in _INT64:
            raise OverflowError
        return {"asInt": str(int(value))}
    return {"asDouble": _double(value)}


def _doubles(point: Any, *names: str) -> dict[str, Any]:
    """Optional doubles; an empty histogram's minimum and maximum are infinite and say nothing."""
    given = ((name, getattr(point, name)) for name in names)
    return {
        name: _double(value)
        for name, value in given
        if value is not None and not (point.count == 0 and math.isinf(value))
    }


def _double(value: float) -> float | str:
    if math.isfinite(value):
        return float(value)
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def _attributes(attributes: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for key, value in attributes.items():
        yield {"key": _text(key), "value": _value(value)}


def _value(value: Any) -> dict[str, Any]:
    match value:
        case str():
            return {"stringValue": _text(value)}
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)} if value in _INT64 else {"stringValue": str(value)}
        case float():
            return {"doubleValue": _double(value)}
        case bytes():
            return {"bytesValue": base64.b64encode(value).decode()}
        case Mapping():
            return {"kvlistValue": {"values": list(_attributes(value))}}
        case list() | tuple():
            return {"arrayValue": {"values": list(map(_value, value))}}
        case None:
            return {}
    return {"stringValue": _text(str(value))}


def _text(text: str) -> str:
    """Half a surrogate pair has no UTF-8, and becomes the replacement character."""
    return text if text.isascii() else text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
