"""OTLP in protobuf: one request as it travels, or many, each behind its length (four bytes, big-endian, as the Collector's file exporter).

Read field by field from the wire (opentelemetry/proto/metrics/v1/metrics.proto), so that attributes are known again by their bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any

from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint, HistogramDataPoint
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.model import validity
from magictel.model.metrics import Kind, Point, number_point, number_text, summary_part
from magictel.model.validity import NO_RECORDED_VALUE, Problem
from magictel.sources.batching import RESOURCES, Around, Attributes, Head, Heads, Interned, Part
from magictel.sources.errors import SourceError, broken, impossible
from magictel.sources.otlp_members import MemberError
from magictel.sources.protobuf_values import buckets, counted_attributes, framed, number_value, pairs_of
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
    text,
    zigzag,
)
from magictel.sources.skips import LOST_THRESHOLD, REPEATED_KEY, LineNotes, Skips

_TEMPORALITY = {1: "delta", 2: "cumulative"}
_KINDS = {5: Kind.GAUGE, 7: Kind.SUM, 9: Kind.HISTOGRAM, 10: Kind.EXPONENTIAL_HISTOGRAM}
_SUMMARY, _METADATA = 11, 12
_NAMES = {
    Kind.GAUGE: "gauge",
    Kind.SUM: "sum",
    Kind.HISTOGRAM: "histogram",
    Kind.EXPONENTIAL_HISTOGRAM: "exponentialHistogram",
}
_PLAIN_FIELDS = (1, 2, 3, _METADATA)
_OLDER = {4: ", intGauge of OTLP before 0.9", 6: ", intSum of OTLP before 0.9", 8: ", intHistogram of OTLP before 0.9"}
_OLDER_SCOPE_METRICS = 1000


class OtlpProtobuf:
    """Decodes requests. `shift` (nanoseconds) is added to every time; `skips` counts what is not sent."""

    def __init__(self, name: str, shift: int = 0, skips: Skips | None = None) -> None:
        self.name = name
        self.shift = shift
        self.skips = skips or Skips()
        self._attributes = Attributes(counted_attributes)
        self._resources = Interned(_resource, RESOURCES)
        self._scopes = Interned(_scope, RESOURCES)
        self._heads = Heads()
        self._notes = LineNotes()
        self._path = ""

    def message(self, raw: bytes, number: int) -> list[Part]:
        """The parts of one request. Raises `SourceError`."""
        self._notes = LineNotes()
        self._path = ""
        try:
            parts = list(self._request(raw))
        except MemberError as failure:
            raise broken(self.name, number, None, f"{failure}, in {failure.path}", unit="message") from None
        except (BadWireError, struct.error, ValueError, IndexError, TypeError, AttributeError) as failure:
            why = "text that is not UTF-8" if isinstance(failure, UnicodeDecodeError) else "bytes that are none"
            where = f", in {self._path}" if self._path else ""
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
                own = gathered(scope_metrics)
                around = resource, self._scopes[merged(own, 1)], text(inner, 3), text(own, 3)
                for third, metric in enumerate(own.get(2, ())):
                    self._path = f"resourceMetrics[{at}].scopeMetrics[{second}].metrics[{third}]"
                    yield from self._metric(around, gathered(metric))

    def _metric(self, around: Around, metric: dict[int, list[Any]]) -> Iterator[Part]:
        kinds = [number for number in metric if number in _KINDS or number == _SUMMARY]
        if not kinds:
            self._known(metric)
            return
        data = gathered(merged(metric, kinds[-1]))
        if kinds[-1] == _SUMMARY:
            yield from self._summary(around, metric, data.get(1, ()))
            return
        kind = _KINDS[kinds[-1]]
        head = self._head(around, metric, kind, int(number_in(data, 2)), bool(number_in(data, 3)))
        path = f"{self._path}.{_NAMES[kind]}"
        points: list[Point] = []
        keys: list[int] = []
        for at, raw in enumerate(data.get(1, ())):
            point, key = self._point(kind, head.name, raw, f"{path}.dataPoints[{at}]")
            if point is not None:
                points.append(point)
                keys.append(key)
        yield Part(head, points, keys)

    def _known(self, metric: dict[int, list[Any]]) -> None:
        """Raises for a metric that has data of a kind that is not known; one without any data has no points."""
        odd = [number for number in metric if number not in _PLAIN_FIELDS]
        if odd:
            which = ", ".join(f"{number}{_OLDER.get(number, '')}" for number in odd)
            raise MemberError(self._path, f"unknown kind of metric (field {which}), of {text(metric, 1)}")

    def _point(self, kind: Kind, name: str, raw: bytes, path: str) -> tuple[Point | None, int]:
        fields = gathered(raw)
        number = kind in (Kind.GAUGE, Kind.SUM)
        if int(number_in(fields, 8 if number else 10)) & NO_RECORDED_VALUE:
            self._notes.ended += 1
            return None, 0
        start, time = fixed(fields, 2), fixed(fields, 3)
        shifted_start = start + self.shift if start else 0
        if number:
            value = number_value(fields)
            missing = "and asInt are missing: the point has no value"
            problem = Problem("asDouble", missing) if value is None else None
            if not self._notes.possible(path, name, problem, time, start):
                return None, 0
            own, key = self._own(fields, 7)
            exemplars = self._exemplars(fields.get(5, ()))
            return number_point(own, shifted_start, time + self.shift, 0 if value is None else value, exemplars), key
        if kind is Kind.HISTOGRAM:
            counts, bounds = packed(fields, 6, "Q"), packed(fields, 7, "d")
            extremes = double(fields, 11), double(fields, 12)
            count = fixed(fields, 4)
            problem = validity.histogram(bounds, counts, count, *extremes)
            if not self._notes.possible(path, name, problem, time, start):
                return None, 0
            own, key = self._own(fields, 9)
            made: Any = HistogramDataPoint
            exemplars = self._exemplars(fields.get(8, ()))
            total = count, double(fields, 5)
            return made(own, shifted_start, time + self.shift, *total, counts, bounds, *extremes, exemplars), key
        sides = [buckets(fields, 8), buckets(fields, 9)]
        positive, negative = ((side.offset, side.bucket_counts) for side in sides)
        extremes = double(fields, 12), double(fields, 13)
        count, scale, zeros = fixed(fields, 4), zigzag(number_in(fields, 6)), fixed(fields, 7)
        threshold = double(fields, 14) or 0.0
        problem = validity.exponential_histogram(scale, zeros, positive, negative, count, *extremes, threshold)
        if not self._notes.possible(path, name, problem, time, start):
            return None, 0
        if threshold:
            self._notes.doubts[LOST_THRESHOLD] += 1
        own, key = self._own(fields, 1)
        exponential: Any = ExponentialHistogramDataPoint
        numbers = count, double(fields, 5), scale, zeros
        exemplars = self._exemplars(fields.get(11, ()))
        return exponential(own, shifted_start, time + self.shift, *numbers, *sides, 0, *extremes, exemplars), key

    def _summary(self, around: Around, metric: dict[int, list[Any]], given: Iterable[bytes]) -> Iterator[Part]:
        """A summary as sums `_count` and `_sum`, and one gauge for each quantile."""
        heads = [self._head(around, metric, Kind.SUM, 2, True, suffix) for suffix in ("_count", "_sum")]
        heads.append(self._head(around, metric, Kind.GAUGE, 0, False))
        made: list[tuple[list[Point], list[int]]] = [([], []), ([], []), ([], [])]
        for at, raw in enumerate(given):
            fields = gathered(raw)
            if int(number_in(fields, 8)) & NO_RECORDED_VALUE:
                self._notes.ended += 1
                continue
            start, time, count = fixed(fields, 2), fixed(fields, 3), fixed(fields, 4)
            quantiles = [
                (double(quantile, 1) or 0.0, double(quantile, 2) or 0.0)
                for quantile in map(gathered, fields.get(6, ()))
            ]
            problem = validity.summary(count, [quantile for quantile, _ in quantiles])
            if not self._notes.possible(f"{self._path}.summary.dataPoints[{at}]", heads[2].name, problem, time, start):
                continue
            own, key = self._own(fields, 7)
            values: list[float] = [count, double(fields, 5) or 0.0]
            for (points, keys), value in zip(made, values, strict=False):
                points.append(number_point(own, start + self.shift if start else 0, time + self.shift, value))
                keys.append(key)
            for quantile, value in quantiles:
                attributes = {**own, "quantile": number_text(quantile)}
                made[2][0].append(number_point(attributes, 0, time + self.shift, value))
                made[2][1].append(hash((key, quantile)))
        for head, (points, keys) in zip(heads, made, strict=True):
            yield Part(head, points, keys)

    def _own(self, fields: dict[int, list[Any]], number: int) -> tuple[dict[str, Any], int]:
        raw = b"".join(framed(pair) for pair in fields.get(number, ()))
        attributes, key = self._attributes[raw], hash(raw)
        if key in self._attributes.repeated:
            self._notes.doubts[REPEATED_KEY] += 1
        return attributes, key

    def _exemplars(self, given: Iterable[bytes]) -> list[Exemplar] | tuple[()]:
        made = []
        for fields in map(gathered, given):
            whole = int.from_bytes(fields[6][0], "little", signed=True) if 6 in fields else None
            value = whole if whole is not None else double(fields, 3) or 0.0
            span, trace = first(fields, 4), first(fields, 5)
            made.append(
                Exemplar(
                    pairs_of(fields.get(7, ())),
                    value,
                    fixed(fields, 2) + self.shift,
                    int.from_bytes(span, "big") if span else None,
                    int.from_bytes(trace, "big") if trace else None,
                )
            )
        return made or ()

    def _head(
        self,
        around: Around,
        metric: dict[int, list[Any]],
        kind: Kind,
        temporality: int,
        monotonic: bool,
        suffix: str = "",
    ) -> Head:
        name, description, unit = text(metric, 1), text(metric, 2), text(metric, 3)
        if not name:
            raise MemberError(self._path, "expected a metric's name")
        if kind is Kind.GAUGE:
            temporality = 0
        monotonic = monotonic and kind is Kind.SUM
        unit = "" if suffix == "_count" else unit
        raw = tuple(metric.get(_METADATA, ()))
        of_summary = _SUMMARY in metric  # a gauge beside it may have its name
        own_key = name, unit, description, kind, temporality, monotonic, suffix, raw, of_summary

        def make() -> Head:
            metadata = tuple((key, value) for key, value in pairs_of(raw).items() if isinstance(value, str))
            if of_summary:
                metadata = summary_part(metadata, name, text(metric, 3))
            kept = kind, _TEMPORALITY.get(temporality), monotonic, metadata
            return Head(*around, name + suffix, description, unit, *kept)

        return self._heads.of(around, own_key, make)


def _resource(raw: bytes) -> Resource:
    return Resource(pairs_of(all_of(raw, 1)))


def _scope(raw: bytes) -> InstrumentationScope:
    own = gathered(raw)
    return InstrumentationScope(text(own, 1), text(own, 2), None, pairs_of(own.get(3, ())))
