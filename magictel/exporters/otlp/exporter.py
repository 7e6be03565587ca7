"""OTLP over HTTP, in protobuf or JSON, and over gRPC: to the OpenTelemetry Collector, Prometheus, VictoriaMetrics, and vendors.

A success may say how many points were rejected, and never which. It proves that the receiver accepted the rest, not that a backend
behind it stored anything: only a read-back does, where the receiver can be queried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.sdk.metrics import Histogram
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation

from magictel.encoding.payload import Payload, Route
from magictel.encoding.templates import Filled
from magictel.encoding.withheld import Withheld
from magictel.exporters.otlp import encoding, grpc_status, json_encoding
from magictel.exporters.otlp.columns import Columns
from magictel.exporters.otlp.errors import STATUSES
from magictel.exporters.otlp.grpc import METHOD, GrpcTransport, must_be_importable
from magictel.exporters.otlp.probes import OtlpProbes
from magictel.exporters.otlp.readback import OtlpReadBack
from magictel.exporters.otlp.response import judge, unverified_code
from magictel.exporters.otlp.settings import OtlpSettings
from magictel.http.wire import Reply, Transport
from magictel.model.identity_cache import StreamCache
from magictel.model.metrics import Group, Point, Series, Stream
from magictel.model.outcome import Outcome
from magictel.plugin.interface import Encoder

_MOST_STREAMS = 10_000
_GRPC_MESSAGE = 4 * 1024 * 1024
"""The largest message in bytes that gRPC servers accept by default."""
_JSON_FRAME = len(b'{"resourceMetrics":[]}')


class OtlpEncoder(Columns, Encoder["OtlpExporter"]):
    """Points as messages in protobuf, also by column, or as JSON."""

    def __init__(self, exporter: OtlpExporter) -> None:
        super().__init__(exporter)
        self._in_json = exporter.settings.protocol == "http/json"
        envelope = json_encoding.envelope if self._in_json else encoding.envelope
        self._envelopes: StreamCache[tuple[bytes, ...]] = StreamCache(envelope, _MOST_STREAMS)

    def encode(self, series: Series, point: Point) -> bytes | Withheld:
        """The point's message, as a field of its metric's data, or as JSON."""
        return json_encoding.encode(series, point) if self._in_json else encoding.encode(series, point)

    def columns(self, stream: Stream, points: Sequence[Point]) -> Filled | None:
        """The same bytes by column; not for JSON."""
        return None if self._in_json else super().columns(stream, points)

    def envelope(self, group: Group) -> tuple[bytes, ...]:
        """Resource, scope and metric, which neighbours share."""
        return self._envelopes(group.stream)

    def frame(self, payload: Payload) -> bytes:
        """The request, from the payload's runs."""
        return json_encoding.request(payload) if self._in_json else encoding.request(payload)


class OtlpExporter(OtlpProbes):
    """Sends metrics by OTLP."""

    name = "otlp"
    summary = "OpenTelemetry Collector and OTLP receivers, over HTTP or gRPC"
    Settings = OtlpSettings
    Encoder = OtlpEncoder
    ReadBack = OtlpReadBack
    content_type = "application/x-protobuf"
    code_families = ("otlp",)
    log_words = ("otlp", "otlphttp", "/v1/metrics", "4318", "otelcol", "opentelemetry-collector")
    statuses = STATUSES
    renewed_by_files = ("tls.", "otlp.grpc.unknown-ca")
    limits = (
        "A receiver counts rejected points and does not name them: no point is blamed, and none is sent again.",
        "400, 408 and 500 are not retried: OTLP over HTTP retries 429, 502, 503 and 504 only.",
        "gRPC verifies certificates by CA only (no ca_fingerprint, no verify = false), and counts bytes before compression.",
        "Integers beyond 64 bits are withheld.",
        "Read-back needs a receiver that can be queried (Prometheus, VictoriaMetrics) or verify_with; else a delivery stays unverified.",
    )
    cost = "One data point each; the receiver decides what it becomes."

    def __init__(self, settings: OtlpSettings | None = None, **options: Any) -> None:
        super().__init__(settings, **options)
        if self.settings.histogram_aggregation == "base2_exponential_bucket_histogram":
            self._preferred_aggregation = {Histogram: ExponentialBucketHistogramAggregation()}

    @classmethod
    def check_settings(cls, settings: Any) -> None:
        """Add: gRPC needs a package."""
        super().check_settings(settings)
        if settings.protocol == "grpc":
            must_be_importable()

    def route(self) -> Route:
        """The endpoint contains the path; gRPC has its own."""
        limits = self.settings.max_batch_points, self.settings.max_batch_bytes
        match self.settings.protocol:
            case "http/json":
                return Route("", *limits, content_type="application/json", frame_bytes=_JSON_FRAME)
            case "grpc":
                points, size = limits
                return Route(METHOD, points, min(size, _GRPC_MESSAGE), content_type=grpc_status.CONTENT_TYPE)
        return Route("", *limits)

    def compress(self, body: bytes) -> tuple[bytes, Mapping[str, str]]:
        """As over HTTP; gRPC compresses the message itself."""
        if self.settings.protocol != "grpc":
            return super().compress(body)
        return body, {"grpc-encoding": "gzip"} if self.settings.compression == "gzip" else {}

    def create_transport(self) -> Transport:
        """Return the transport of the protocol."""
        http = super().create_transport()
        if self.settings.protocol != "grpc":
            return http
        return GrpcTransport(http, self.settings, self.tls_options(), self.redact)

    def judge(self, payload: Payload, reply: Reply) -> Outcome:
        """Partial success is counted without blame; a success that is no OTLP response is not delivered."""
        return judge(payload.points, reply, self.clock.now(), self.products)

    def unverified_code(self, reply: Reply) -> str | None:
        """A success proves that the receiver accepted the points, not that a backend stored them."""
        return unverified_code(reply)

    def parse_log(self, text: str, status: int | None) -> Reply | None:
        """Add: a gRPC status with a text that means something of its own."""
        reply = grpc_status.in_log(text)
        if reply is not None and (status in (None, reply.status) or "HTTP status code received" in text):
            return reply
        return super().parse_log(text, status)
