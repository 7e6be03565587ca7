"""OTLP requests in protobuf (opentelemetry/proto/metrics/v1/metrics.proto), decoded to the messages of OTLP JSON.

Parsed field by field, so that attributes are recognised by their bytes. `attributes` and `metadata` of a message are pairs, each
after its length in four bytes; `exemplars` stay undecoded.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Raw
from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.encoding.protobuf import MALFORMED, BadWireError, Fields, all_of, fields_of
from magictel.formats.otlp import messages as otlp
from magictel.formats.otlp.members import MemberError

_METADATA = 12
_PLAIN_FIELDS = (1, 2, 3, _METADATA)
_OLDER = {4: ", intGauge of OTLP before 0.9", 6: ", intSum of OTLP before 0.9", 8: ", intHistogram of OTLP before 0.9"}
_OLDER_SCOPE_METRICS = 1000
_DEEPEST = 32


def request(raw: bytes) -> otlp.Request:
    """Decode a request. Raise `MemberError`."""
    decoder = _Decoder()
    try:
        return decoder.request(raw)
    except MemberError:
        raise
    except MALFORMED as failure:
        raise malformed(failure, decoder.path) from None


class _Decoder:
    """A decoder of a request. `path`: the position that it has reached."""

    path = ""

    def request(self, raw: bytes) -> otlp.Request:
        given = all_of(raw, 1)
        if raw and not given:
            raise MemberError("the request", "expected the field resourceMetrics (1)")
        return otlp.Request([self._resource_metrics(fields, at) for at, fields in enumerate(map(Fields, given))])

    def _resource_metrics(self, fields: Fields, at: int) -> otlp.ResourceMetrics:
        self.path = path = f"resourceMetrics[{at}]"
        if _OLDER_SCOPE_METRICS in fields:
            raise MemberError(path, "unknown field 1000, instrumentationLibraryMetrics of OTLP before 0.16")
        scopes = []
        for second, scope in enumerate(map(Fields, fields.get(2, ()))):
            metrics = []
            for third, metric in enumerate(scope.get(2, ())):
                self.path = f"{path}.scopeMetrics[{second}].metrics[{third}]"
                metrics.append(_metric(Fields(metric), self.path))
            scopes.append(otlp.ScopeMetrics(Raw(scope.merged(1)), metrics, scope.text(3)))
        return otlp.ResourceMetrics(Raw(fields.merged(1)), scopes, fields.text(3))


def malformed(failure: Exception, path: str) -> MemberError:
    """Return the error for bytes at a path whose decoding raised one of `MALFORMED`."""
    got = "text that is not UTF-8" if isinstance(failure, UnicodeDecodeError) else "other bytes"
    return MemberError(path, f"expected an OTLP metrics request in protobuf, got {got}")


def attributes(raw: bytes) -> tuple[dict[str, Any], int]:
    """Decode a message's attributes or metadata, and count their pairs. Raise one of `MALFORMED`."""
    pairs, at = [], 0
    while at < len(raw):
        size = int.from_bytes(raw[at : at + 4], "big")
        pairs.append(raw[at + 4 : at + 4 + size])
        at += 4 + size
    return _dictionary(pairs), len(pairs)


def resource(raw: bytes) -> Resource:
    """Decode a resource. Raise one of `MALFORMED`."""
    return Resource(_dictionary(all_of(raw, 1)))


def scope(raw: bytes) -> InstrumentationScope:
    """Decode a scope. Raise one of `MALFORMED`."""
    fields = Fields(raw)
    return InstrumentationScope(fields.text(1), fields.text(2), None, _dictionary(fields.get(3, ())))


def exemplar(raw: bytes, shift: int) -> Exemplar:
    """Decode an exemplar, and add `shift` nanoseconds to its time. Raise one of `MALFORMED`."""
    fields = Fields(raw)
    value = fields.fixed(6, signed=True) if 6 in fields else fields.double(3) or 0.0
    span, trace = (int.from_bytes(fields.content(number), "big") or None for number in (4, 5))
    return Exemplar(_dictionary(fields.get(7, ())), value, fields.fixed(2) + shift, span, trace)


def _metric(fields: Fields, path: str) -> otlp.Metric:
    """Return a metric with its points; of several kinds the last, as protobuf has it."""
    metric = otlp.Metric(fields.text(1), fields.text(2), fields.text(3), metadata=_pairs(fields, _METADATA))
    kinds = [number for number in fields if number in _KINDS]
    if not kinds:
        odd = [number for number in fields if number not in _PLAIN_FIELDS]
        if odd:
            which = ", ".join(f"{number}{_OLDER.get(number, '')}" for number in odd)
            raise MemberError(path, f"unknown kind of metric (field {which}), of {metric.name}")
        return metric
    name, kind, point = _KINDS[kinds[-1]]
    data = Fields(fields.merged(kinds[-1]))
    points = kind([point(Fields(raw)) for raw in data.get(1, ())])
    if kind not in (otlp.Gauges, otlp.Summaries):
        points.aggregationTemporality = data.number(2)
    if kind is otlp.Sums:
        points.isMonotonic = bool(data.number(3))
    setattr(metric, name, points)
    return metric


def _pairs(fields: Fields, number: int) -> Raw:
    """Return pairs, each after its length, as the key of their values."""
    return Raw(b"".join([len(pair).to_bytes(4, "big") + pair for pair in fields.get(number, ())]))


def _times(fields: Fields) -> tuple[int, int]:
    return fields.fixed(2), fields.fixed(3)


def _number(fields: Fields) -> otlp.Point:
    last = next((number for number in reversed(fields) if number in (4, 6)), 0)  # one field with two types
    values = fields.double(4) if last == 4 else None, fields.fixed(6, signed=True) if last == 6 else None
    return otlp.Point(_pairs(fields, 7), *_times(fields), *values, fields.get(5), fields.number(8))


def _histogram(fields: Fields) -> otlp.Histogram:
    return otlp.Histogram(
        _pairs(fields, 9),
        *_times(fields),
        fields.fixed(4),
        fields.double(5),
        fields.packed(6, "Q"),
        fields.packed(7, "d"),
        fields.double(11),
        fields.double(12),
        fields.get(8),
        fields.number(10),
    )


def _exponential(fields: Fields) -> otlp.Exponential:
    positive, negative = (Fields(fields.merged(number)) for number in (8, 9))
    return otlp.Exponential(
        _pairs(fields, 1),
        *_times(fields),
        fields.fixed(4),
        fields.double(5),
        fields.zigzag(6),
        fields.fixed(7),
        otlp.Buckets(positive.zigzag(1), positive.packed_varints(2)),
        otlp.Buckets(negative.zigzag(1), negative.packed_varints(2)),
        fields.double(12),
        fields.double(13),
        fields.double(14) or 0.0,
        fields.get(11),
        fields.number(10),
    )


def _summary(fields: Fields) -> otlp.Summary:
    quantiles = [
        otlp.Quantile(quantile.double(1) or 0.0, quantile.double(2) or 0.0)
        for quantile in map(Fields, fields.get(6, ()))
    ]
    numbers = fields.fixed(4), fields.double(5) or 0.0
    return otlp.Summary(_pairs(fields, 7), *_times(fields), *numbers, quantiles, fields.number(8))


_KINDS: dict[int, tuple[str, Any, Callable[[Fields], Any]]] = {
    5: ("gauge", otlp.Gauges, _number),
    7: ("sum", otlp.Sums, _number),
    9: ("histogram", otlp.Histograms, _histogram),
    10: ("exponentialHistogram", otlp.Exponentials, _exponential),
    11: ("summary", otlp.Summaries, _summary),
}
"""The kinds of a metric by their fields: the member, the message, and its points."""


def _dictionary(pairs: Iterable[bytes], depth: int = 0) -> dict[str, Any]:
    """Return KeyValue messages as a dictionary of plain values."""
    values = {}
    for fields in map(Fields, pairs):
        values[fields.text(1)] = _value(fields.content(2), depth) if 2 in fields else None
    return values


def _value(raw: bytes, depth: int) -> Any:
    if depth > _DEEPEST:
        raise BadWireError
    plain: Any = None
    for number, value in fields_of(raw):
        match number:
            case 1:
                plain = value.decode()
            case 2:
                plain = bool(value)
            case 3:
                plain = value - (1 << 64) if value >> 63 else value
            case 4:
                plain = struct.unpack("<d", value)[0]
            case 5:
                plain = [_value(element, depth + 1) for element in all_of(value, 1)]
            case 6:
                plain = _dictionary(all_of(value, 1), depth + 1)
            case 7:
                plain = value
    return plain
