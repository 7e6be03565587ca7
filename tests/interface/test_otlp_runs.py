"""OTLP over HTTP through `envelope` and `runs`: what encloses points is written once for neighbours, whatever became of the payload.

Bodies are read by the official classes, and say the same as the official encoder's, point by point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb
from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from magictel.encoding.payload import Payload, Route
from magictel.http.wire import Reply, Request
from magictel.model.metrics import Group, Kind, Point, Series
from magictel.model.outcome import Delivered, Fate, ItemVerdict, Outcome, Partial
from magictel.net.endpoint import Endpoint
from magictel.plugin.http_exporter import HttpExporter
from magictel.plugin.interface import Encoder
from magictel.settings.model import HttpSettings
from tests.delivery.points import collection

_DATA = {Kind.GAUGE: "gauge", Kind.SUM: "sum", Kind.HISTOGRAM: "histogram"}


class OtlpSettings(HttpSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    env_prefix = "OTLP_"


class OtlpEncoder(Encoder["OtlpExporter"]):
    def encode(self, series: Series, point: Point) -> bytes:
        """A point's message, as a field of the data that holds it."""
        request = encode_metrics(_alone(series, point))
        data = request.resource_metrics[0].scope_metrics[0].metrics[0]
        message = getattr(data, data.WhichOneof("data")).data_points[0].SerializeToString()
        return _field(1, message)

    def envelope(self, group: Group) -> tuple[bytes, ...]:
        """What stands once of a resource, a scope, a metric and its data; the last is the field that the data is."""
        request = encode_metrics(_alone(Series(group.stream, group.points[0].attributes or {}), group.points[0]))
        resource = request.resource_metrics[0]
        scope = resource.scope_metrics[0]
        metric = scope.metrics[0]
        which = metric.WhichOneof("data")
        data = getattr(metric, which)
        number = pb.Metric.DESCRIPTOR.fields_by_name[which].number
        del data.data_points[:], scope.metrics[:], resource.scope_metrics[:]
        inner = data.SerializeToString()
        metric.ClearField(which)
        around = [message.SerializeToString() for message in (resource, scope, metric)]
        return (*around, bytes((number,)), inner)

    def frame(self, payload: Payload) -> bytes:
        """The whole request, from runs and items."""
        return b"".join(_resources(payload))


class OtlpExporter(HttpExporter[OtlpSettings]):
    interface = 2
    name = "otlp"
    summary = "OTLP over HTTP"
    Settings = OtlpSettings
    Encoder = OtlpEncoder
    content_type = "application/x-protobuf"

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (Endpoint("http", "localhost", 4318),)

    def route(self) -> Route:
        return Route("/v1/metrics", self.settings.max_batch_points, self.settings.max_batch_bytes)

    def judge(self, payload: Payload, reply: Reply) -> Outcome:
        """A success may say how many points were rejected, and never which."""
        if reply.status != 200:
            return super().judge(payload, reply)
        partial = ExportMetricsServiceResponse.FromString(reply.body).partial_success
        why = ItemVerdict("otlp.rejected", partial.error_message)
        if partial.rejected_data_points:
            return Partial(unnamed=partial.rejected_data_points, why=why)
        return Delivered(warning=why if partial.error_message else None)


def _resources(payload: Payload) -> Iterator[bytes]:
    start = 0
    placed = []
    for run in payload.runs:
        placed.append((run.envelope, payload.body[start : start + run.size]))
        start += run.size
    for resource, runs in groupby(placed, key=lambda place: place[0][0]):
        scopes = b""
        for scope, inner in groupby(runs, key=lambda place: place[0][1]):
            metrics = b"".join(
                _field(2, around[2] + _field(around[3][0], around[4] + items)) for around, items in inner
            )
            scopes += _field(2, scope + metrics)
        yield _field(1, resource + scopes)


def _field(number: int, body: bytes) -> bytes:
    length, size = len(body), bytearray()
    while length > 127:
        size.append(length & 127 | 128)
        length >>= 7
    return bytes((number << 3 | 2, *size, length)) + body


def _alone(series: Series, point: Any) -> MetricsData:
    """A collection of one point, for the official encoder."""
    from opentelemetry.sdk.metrics.export import AggregationTemporality, Gauge, Histogram, Metric, Sum

    stream = series.stream
    temporality = AggregationTemporality.DELTA if stream.temporality == "delta" else AggregationTemporality.CUMULATIVE
    data: Any = Gauge([point])
    if stream.kind is Kind.SUM:
        data = Sum([point], temporality, stream.monotonic)
    elif stream.kind is Kind.HISTOGRAM:
        data = Histogram([point], temporality)
    metric = Metric(stream.name, stream.description, stream.unit, data)
    scope = InstrumentationScope(
        stream.scope_name, stream.scope_version, stream.scope_schema_url, dict(stream.scope_attributes)
    )
    resource = Resource(dict(stream.resource), stream.resource_schema_url)
    return MetricsData([ResourceMetrics(resource, [ScopeMetrics(scope, [metric], "")], "")])


def several() -> MetricsData:
    """Two resources, two scopes of one, all kinds of points."""
    first, second = collection(range(9)), collection(range(9, 16))
    group = ResourceMetrics(Resource({"service.name": "other"}), second.resource_metrics[0].scope_metrics, "")
    two = first.resource_metrics[0]
    more = ScopeMetrics(
        InstrumentationScope("more", "1.0"), collection(range(16, 20)).resource_metrics[0].scope_metrics[0].metrics, ""
    )
    return MetricsData([ResourceMetrics(two.resource, [*two.scope_metrics, more], ""), group])


def points_of(request: Any) -> list[tuple[str, ...]]:
    """Every point with all that encloses it."""
    rows = []
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                which = metric.WhichOneof("data")
                data = getattr(metric, which)
                for point in data.data_points:
                    kind = (which, getattr(data, "aggregation_temporality", 0), getattr(data, "is_monotonic", False))
                    named = (metric.name, metric.unit)
                    rows.append((str(resource.resource), str(scope.scope), str(named), str(kind), str(point)))
    return sorted(rows)


class Receiver:
    """Decodes with the official classes; answers by script, then takes all."""

    def __init__(self, *script: Callable[[Any], Reply]) -> None:
        self.script = list(script)
        self.bodies: list[Any] = []
        self.taken: list[Any] = []

    def send(self, request: Request, timeout: float) -> Reply:
        message = ExportMetricsServiceRequest.FromString(request.body)
        self.bodies.append(message)
        reply = self.script.pop(0)(message) if self.script else Reply(200)
        if reply.status == 200:
            self.taken.append(message)
        return reply

    def close(self) -> None: ...


def delivered(receiver: Receiver, **settings: Any) -> Any:
    options = {"compression": "none", "backoff_initial": 0.001, **settings}
    exporter = OtlpExporter(OtlpSettings(**options), transport=receiver)
    receipt = exporter.deliver(several())
    exporter.shutdown(0)
    return receipt


@pytest.mark.parametrize("points", [1, 3, 7, 100])
def test_payloads_say_what_the_official_encoder_says(points: int) -> None:
    receiver = Receiver()
    assert delivered(receiver, max_batch_points=points).delivered == 20
    rows = sorted(row for body in receiver.taken for row in points_of(body))
    assert rows == points_of(encode_metrics(several()))
    if points == 100:
        (body,) = receiver.taken
        assert [len(resource.scope_metrics) for resource in body.resource_metrics] == [2, 1], "neighbours share"


def test_halves_after_413_are_enclosed_as_the_whole_was() -> None:
    receiver = Receiver(*[lambda _: Reply(413)] * 3)
    assert delivered(receiver).delivered == 20
    assert sorted(row for body in receiver.taken for row in points_of(body)) == points_of(encode_metrics(several()))


def test_what_is_rejected_without_being_named_is_rejected_and_sent_once() -> None:
    reply = ExportMetricsServiceResponse()
    reply.partial_success.rejected_data_points = 3
    reply.partial_success.error_message = "three points are too old"
    receiver = Receiver(lambda _: Reply(200, {}, reply.SerializeToString()))
    receipt = delivered(receiver)
    assert (receipt.delivered, receipt.rejected, receipt.unnamed, receipt.attempts) == (17, 3, 3, 1)


def test_a_message_beside_a_success_is_a_warning() -> None:
    reply = ExportMetricsServiceResponse()
    reply.partial_success.error_message = "send less often"
    receipt = delivered(Receiver(lambda _: Reply(200, {}, reply.SerializeToString())))
    assert receipt.delivered == 20
    assert [(reason.code, reason.fate) for reason in receipt.reasons] == [("otlp.rejected", Fate.DELIVERED)]
