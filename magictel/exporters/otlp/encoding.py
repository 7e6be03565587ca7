"""Points as OTLP messages (opentelemetry/proto/metrics/v1/metrics.proto): one item is a data point, as a field of its metric's data.

Resource, scope and metric enclose the points; `envelope` returns them, and `request` writes each once for neighbours.
`encode` is the reference; `columns` creates the same bytes faster.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint, HistogramDataPoint

from magictel.encoding.payload import Payload
from magictel.encoding.protobuf import field, varint
from magictel.encoding.withheld import Withheld
from magictel.model.metrics import Kind, Point, Series, Stream

DATA = {Kind.GAUGE: 5, Kind.SUM: 7, Kind.HISTOGRAM: 9, Kind.EXPONENTIAL_HISTOGRAM: 10}
"""The field of `Metric` for each kind of data."""
_TEMPORALITY = {"delta": b"\x10\x01", "cumulative": b"\x10\x02", None: b""}
_MONOTONIC = b"\x18\x01"
Part = bytes | memoryview
_INT64 = range(-(1 << 63), 1 << 63)
Envelope = tuple[bytes, bytes, bytes, bytes, bytes]
"""The bytes of a resource, a scope and a metric without what they enclose, the number of the data's field, and the data's own bytes."""


def encode(series: Series, point: Point) -> bytes | Withheld:
    """Return a point's message as field 1 of its data, or why it is left out."""
    try:
        return field(1, _message(series.attributes, point))
    except OverflowError:
        return Withheld("otlp.number", "an integer does not fit the 64 bits that OTLP has for it", series.stream.name)


def _message(attributes: Mapping[str, Any], point: Point) -> bytes:
    times = fixed(2, point.start_time_unix_nano or 0) + fixed(3, point.time_unix_nano)
    if isinstance(point, HistogramDataPoint):
        counts = b"".join([struct.pack("<Q", count) for count in _counts(point.bucket_counts)])
        bounds = struct.pack(f"<{len(point.explicit_bounds)}d", *point.explicit_bounds)
        distribution = fixed(4, _unsigned(point.count)) + double(5, point.sum)
        distribution += packed(6, counts) + packed(7, bounds) + exemplars(8, point)
        edges = double(11, point.min) + double(12, point.max)
        return times + distribution + key_values(9, attributes) + edges
    if isinstance(point, ExponentialHistogramDataPoint):
        return key_values(1, attributes) + times + _exponential(point)
    return times + number(4, 6, point.value) + exemplars(5, point) + key_values(7, attributes)


def _exponential(point: ExponentialHistogramDataPoint) -> bytes:
    scale = b"\x30" + varint((point.scale << 1) ^ (point.scale >> 31)) if point.scale else b""
    sides = b"".join(
        field(place, _buckets(side.offset, side.bucket_counts))
        for place, side in ((8, point.positive), (9, point.negative))
        if side.bucket_counts
    )
    threshold = getattr(point, "zero_threshold", 0.0)
    distribution = fixed(4, _unsigned(point.count)) + double(5, point.sum) + scale
    distribution += fixed(7, _unsigned(point.zero_count)) + sides + exemplars(11, point)
    edges = double(12, point.min) + double(13, point.max)
    return distribution + edges + (double(14, threshold) if threshold else b"")


def _buckets(offset: int, counts: Sequence[int]) -> bytes:
    zigzag = b"\x08" + varint((offset << 1) ^ (offset >> 31)) if offset else b""
    return zigzag + packed(2, b"".join(map(varint, _counts(counts))))


def _counts(counts: Iterable[int]) -> list[int]:
    return list(map(_unsigned, counts))


def _unsigned(count: int) -> int:
    if not 0 <= count < 1 << 64:
        raise OverflowError
    return int(count)


def fixed(place: int, value: int) -> bytes:
    """Return a fixed64 field of a time or a count; nothing for 0, as protobuf's default."""
    return varint(place << 3 | 1) + struct.pack("<Q", value) if value else b""


def double(place: int, value: float | None) -> bytes:
    """Return an optional double; nothing for None."""
    return b"" if value is None else varint(place << 3 | 1) + struct.pack("<d", value)


def number(as_double: int, as_int: int, value: float) -> bytes:
    """Return the value of a point or an exemplar, in the field of its type. Raise `OverflowError`."""
    if isinstance(value, int):
        if value not in _INT64:
            raise OverflowError
        return varint(as_int << 3 | 1) + struct.pack("<q", value)
    return varint(as_double << 3 | 1) + struct.pack("<d", value)


def packed(place: int, content: bytes) -> bytes:
    """Return a packed field; nothing without content."""
    return field(place, content) if content else b""


def exemplars(place: int, point: Any) -> bytes:
    """Return a point's exemplars."""
    given = getattr(point, "exemplars", None)
    return b"".join([field(place, _exemplar(exemplar)) for exemplar in given]) if given else b""


def _exemplar(exemplar: Any) -> bytes:
    message = fixed(2, exemplar.time_unix_nano) + number(3, 6, exemplar.value)
    if exemplar.span_id is not None and exemplar.trace_id is not None:
        message += field(4, exemplar.span_id.to_bytes(8, "big")) + field(5, exemplar.trace_id.to_bytes(16, "big"))
    return message + key_values(7, exemplar.filtered_attributes or {})


def key_values(place: int, attributes: Mapping[str, Any]) -> bytes:
    """Return attributes as repeated `KeyValue` fields."""
    return b"".join([field(place, key_value(key, value)) for key, value in attributes.items()])


def key_value(key: str, value: Any) -> bytes:
    """Return one attribute."""
    return field(1, _utf8(key)) + field(2, any_value(value))


def any_value(value: Any) -> bytes:
    """Return an `AnyValue`; empty for None. What OTLP has no type for, such as an integer beyond 64 bits, becomes text."""
    match value:
        case None:
            return b""
        case bool():
            return b"\x10\x01" if value else b"\x10\x00"
        case str():
            return field(1, _utf8(value))
        case int() if value in _INT64:
            return b"\x18" + varint(value)
        case float():
            return b"\x21" + struct.pack("<d", value)
        case bytes():
            return field(7, value)
        case Mapping():
            return field(6, key_values(1, value))
        case Sequence():
            return field(5, b"".join([field(1, any_value(each)) for each in value]))
    return field(1, _utf8(str(value)))


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")  # half a character


def envelope(stream: Stream) -> Envelope:
    """Return what encloses the points of a stream."""
    resource = field(1, key_values(1, stream.resource)) + _text(3, stream.resource_schema_url)
    scope = _text(1, stream.scope_name) + _text(2, stream.scope_version) + key_values(3, stream.scope_attributes)
    metric = _text(1, stream.name) + _text(2, stream.description) + _text(3, stream.unit)
    data = b"" if stream.kind is Kind.GAUGE else _TEMPORALITY[stream.temporality]
    if stream.kind is Kind.SUM and stream.monotonic:
        data += _MONOTONIC
    return (
        resource,
        field(1, scope) + _text(3, stream.scope_schema_url),
        metric + key_values(12, dict(stream.metadata)),
        bytes((DATA[stream.kind],)),
        data,
    )


def _text(place: int, text: str) -> bytes:
    return field(place, _utf8(text)) if text else b""


def request(payload: Payload) -> bytes:
    """Return an `ExportMetricsServiceRequest` of a payload's runs."""
    start = 0
    body = memoryview(payload.body)  # whose slices are no copies
    enclosed: list[tuple[tuple[bytes, ...], memoryview]] = []
    for run in payload.runs:
        enclosed.append((run.envelope, body[start : start + run.size]))
        start += run.size
    parts: list[Part] = []
    for resource, of_resource in groupby(enclosed, key=lambda run: run[0][0]):
        scopes: list[Part] = [resource]
        for scope, of_scope in groupby(of_resource, key=lambda run: run[0][1]):
            metrics: list[Part] = [scope]
            for (metric, data_field, data), of_metric in groupby(of_scope, key=lambda run: run[0][2:]):
                points: list[Part] = [data, *(points for _, points in of_metric)]
                metrics += _in_parts(2, [metric, *_in_parts(data_field[0], points)])
            scopes += _in_parts(2, metrics)
        parts += _in_parts(1, scopes)
    return b"".join(parts)


def _in_parts(number: int, content: list[Part]) -> list[Part]:
    """Return a length-delimited field of these parts, not joined: a request's points are copied once."""
    return [varint(number << 3 | 2), varint(sum(map(len, content))), *content]
