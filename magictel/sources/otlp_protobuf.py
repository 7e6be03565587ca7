"""OTLP in protobuf: a single request, or many, each after its length (four bytes, big-endian, like the Collector's file exporter).

Parsed field by field (opentelemetry/proto/metrics/v1/metrics.proto), so that attributes are recognised by their bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Raw
from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.model.validity import Problem
from magictel.sources import otlp_messages as otlp
from magictel.sources.batching import Part
from magictel.sources.errors import SourceError, broken, impossible
from magictel.sources.otlp_members import MemberError
from magictel.sources.otlp_points import OtlpPoints
from magictel.sources.protobuf_values import buckets, counted_attributes, framed, pairs_of
from magictel.sources.protobuf_wire import (
    BadWireError,
    all_of,
    double,
    fields_of,
    first,
    fixed,
    gathered,
    merged,
    number_in,
    packed,
    signed,
    text,
    zigzag,
)
from magictel.sources.skips import LineNotes

Fields = dict[int, list[Any]]
_METADATA = 12
_PLAIN_FIELDS = (1, 2, 3, _METADATA)
_OLDER = {4: ", intGauge of OTLP before 0.9", 6: ", intSum of OTLP before 0.9", 8: ", intHistogram of OTLP before 0.9"}
_OLDER_SCOPE_METRICS = 1000


class OtlpProtobuf(OtlpPoints):
    """A decoder of the requests of a recording."""

    def message(self, raw: bytes, number: int) -> list[Part]:
        """Return the parts of a request. Raise `SourceError`."""
        self._notes = LineNotes()
        self._metric_path = ""
        try:
            parts = list(self._request(raw))
        except MemberError as failure:
            raise broken(self.name, number, None, f"{failure}, in {failure.path}", unit="message") from None
        except (BadWireError, struct.error, ValueError, IndexError, TypeError, AttributeError) as failure:
            why = "text that is not UTF-8" if isinstance(failure, UnicodeDecodeError) else "other bytes"
            where = f", in {self._metric_path}" if self._metric_path else ""
            why = f"expected an OTLP metrics request in protobuf, got {why}{where}"
            raise broken(self.name, number, None, why, unit="message") from None

        def error(path: str, name: str, problem: Problem) -> SourceError:
            return impossible(self.name, number, None, f"{name}: {problem}, in {path}", unit="message")

        self._notes.settle(self.skips, error)
        return parts

    def _request(self, raw: bytes) -> Iterator[Part]:
        if raw and not any(number == 1 for number, _ in fields_of(raw)):
            raise MemberError("the request", "expected the field resourceMetrics (1)")
        for at, resource_metrics in enumerate(all_of(raw, 1)):
            inner = gathered(resource_metrics)
            if _OLDER_SCOPE_METRICS in inner:
                why = "unknown field 1000, instrumentationLibraryMetrics of OTLP before 0.16"
                raise MemberError(f"resourceMetrics[{at}]", why)
            resource = self._resources[merged(inner, 1)]
            for second, scope_metrics in enumerate(inner.get(2, ())):
                scope = gathered(scope_metrics)
                around = resource, self._scopes[merged(scope, 1)], text(inner, 3), text(scope, 3)
                for third, metric in enumerate(scope.get(2, ())):
                    self._metric_path = f"resourceMetrics[{at}].scopeMetrics[{second}].metrics[{third}]"
                    yield from self._metric(around, self._message(gathered(metric)))

    def _message(self, fields: Fields) -> otlp.Metric:
        """Return a metric with its points; of several kinds the last, as protobuf has it."""
        metadata = Raw(_framed(fields, _METADATA))
        metric = otlp.Metric(text(fields, 1), text(fields, 2), text(fields, 3), metadata=metadata)
        kinds = [number for number in fields if number in _KINDS]
        if not kinds:
            self._known(fields)
            return metric
        name, kind, point = _KINDS[kinds[-1]]
        data = gathered(merged(fields, kinds[-1]))
        points = kind([point(gathered(raw)) for raw in data.get(1, ())])
        if kind not in (otlp.Gauges, otlp.Summaries):
            points.aggregationTemporality = number_in(data, 2)
        if kind is otlp.Sums:
            points.isMonotonic = bool(number_in(data, 3))
        setattr(metric, name, points)
        return metric

    def _known(self, metric: Fields) -> None:
        """Raise `MemberError` for a metric with data of an unknown type; a metric without data has no points."""
        odd = [number for number in metric if number not in _PLAIN_FIELDS]
        if odd:
            which = ", ".join(f"{number}{_OLDER.get(number, '')}" for number in odd)
            raise MemberError(self._metric_path, f"unknown kind of metric (field {which}), of {text(metric, 1)}")

    def attributes(self, raw: bytes) -> tuple[dict[str, Any], int]:
        """Decode attributes, and count their pairs."""
        return counted_attributes(raw)

    def resource(self, raw: bytes) -> Resource:
        """Decode a resource."""
        return Resource(pairs_of(all_of(raw, 1)))

    def scope(self, raw: bytes) -> InstrumentationScope:
        """Decode a scope."""
        scope = gathered(raw)
        return InstrumentationScope(text(scope, 1), text(scope, 2), None, pairs_of(scope.get(3, ())))

    def exemplars(self, given: list[bytes]) -> list[Exemplar]:
        """Return the exemplars of a point as the SDK's."""
        return [
            Exemplar(
                pairs_of(fields.get(7, ())),
                signed(fields, 6) if 6 in fields else double(fields, 3) or 0.0,
                fixed(fields, 2) + self.shift,
                int.from_bytes(first(fields, 4), "big") or None,
                int.from_bytes(first(fields, 5), "big") or None,
            )
            for fields in map(gathered, given)
        ]


def _framed(fields: Fields, number: int) -> bytes:
    return b"".join(framed(pair) for pair in fields.get(number, ()))


def _start_time_count(fields: Fields) -> tuple[int, int, int]:
    return fixed(fields, 2), fixed(fields, 3), fixed(fields, 4)


def _number(fields: Fields) -> otlp.Point:
    last = next((number for number in reversed(fields) if number in (4, 6)), 0)  # one field with two types
    values = double(fields, 4) if last == 4 else None, signed(fields, 6) if last == 6 else None
    attributes = Raw(_framed(fields, 7))
    return otlp.Point(attributes, fixed(fields, 2), fixed(fields, 3), *values, fields.get(5), number_in(fields, 8))


def _histogram(fields: Fields) -> otlp.Histogram:
    return otlp.Histogram(
        Raw(_framed(fields, 9)),
        *_start_time_count(fields),
        double(fields, 5),
        packed(fields, 6, "Q"),
        packed(fields, 7, "d"),
        double(fields, 11),
        double(fields, 12),
        fields.get(8),
        number_in(fields, 10),
    )


def _exponential(fields: Fields) -> otlp.Exponential:
    return otlp.Exponential(
        Raw(_framed(fields, 1)),
        *_start_time_count(fields),
        double(fields, 5),
        zigzag(number_in(fields, 6)),
        fixed(fields, 7),
        buckets(fields, 8),
        buckets(fields, 9),
        double(fields, 12),
        double(fields, 13),
        double(fields, 14) or 0.0,
        fields.get(11),
        number_in(fields, 10),
    )


def _summary(fields: Fields) -> otlp.Summary:
    quantiles = [
        otlp.Quantile(double(quantile, 1) or 0.0, double(quantile, 2) or 0.0)
        for quantile in map(gathered, fields.get(6, ()))
    ]
    attributes = Raw(_framed(fields, 7))
    return otlp.Summary(
        attributes, *_start_time_count(fields), double(fields, 5) or 0.0, quantiles, number_in(fields, 8)
    )


_KINDS: dict[int, tuple[str, Any, Callable[[Fields], Any]]] = {
    5: ("gauge", otlp.Gauges, _number),
    7: ("sum", otlp.Sums, _number),
    9: ("histogram", otlp.Histograms, _histogram),
    10: ("exponentialHistogram", otlp.Exponentials, _exponential),
    11: ("summary", otlp.Summaries, _summary),
}
"""The kinds of a metric by their fields: the member, the message, and its points."""
