"""An emulator of Prometheus 3 as an OTLP receiver, with the query and admin API around it.

It decodes protobuf and JSON with protobuf's own classes and stores what Prometheus stores: series named as its OTLP receiver names them,
and `target_info`. Not emulated: exemplars.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import ParseError
from google.protobuf.message import DecodeError
from google.protobuf.text_format import MessageToString

from magictel.clock import Clock
from magictel.errors import UsageError
from magictel.http.wire import Reply, Request
from magictel.sandbox.endpoints import dated, decompressed
from magictel.sandbox.otlp_protobuf import MetricsRequest, from_json
from magictel.sandbox.otlp_series import DeltaError, series_of
from magictel.sandbox.prometheus_remote_write import Parameters, PrometheusRemoteWriteEmulator, sentence, success
from magictel.sandbox.prometheus_store import RefusedError

PATH = "/api/v1/otlp/v1/metrics"
_DECODERS = {"application/x-protobuf": MetricsRequest.FromString, "application/json": from_json}
_REFUSALS = {
    400: "proto: wrong wireType",
    401: "Unauthorized",
    404: "otlp write receiver needs to be enabled with --web.enable-otlp-receiver",
    413: "http: request body too large",
    415: "unsupported content type",
    500: 'invalid temporality and type combination for metric "sample"',
    503: "Service Unavailable",
}


class OtlpEmulator(PrometheusRemoteWriteEmulator):
    """A Prometheus in memory that receives OTLP."""

    name = "otlp"
    version = "3.0.0"

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__(clock=clock)
        self.routes.on("POST", PATH)(self.export)
        self.routes.on("*", PATH)(self.not_a_write)

    def is_write(self, request: Request) -> bool:
        """True for exports, empty ones too."""
        return request.method == "POST" and request.path == PATH

    def environment(self, origin: str) -> dict[str, str]:
        """The variable that points the exporter here."""
        return {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": origin + PATH}

    def check_settings(self, settings: Any) -> None:
        """Refuse gRPC."""
        if settings.protocol == "grpc":
            why = "--sandbox: the embedded OTLP receiver speaks HTTP only, and protocol is grpc"
            remedy = "add --set protocol=http/protobuf; for gRPC start magictel sandbox in another terminal, and leave out --sandbox"
            raise UsageError("usage.sandbox-protocol", why, remedy)

    def refusal(self, status: int) -> Reply:
        """Prometheus' own sentence for a status; without one, no body."""
        return dated(sentence(status, _REFUSALS[status]) if status in _REFUSALS else Reply(status), self.clock)

    def readable(self, body: bytes) -> list[str]:
        """Return a request with a line for each metric."""
        try:
            message = MetricsRequest.FromString(body)
        except DecodeError:
            return []
        return [
            MessageToString(metric, as_one_line=True, as_utf8=True)
            for resource_metrics in message.resource_metrics
            for scope_metrics in resource_metrics.scope_metrics
            for metric in scope_metrics.metrics
        ]

    def flags(self, request: Request, parameters: Parameters) -> Reply:
        """Show the flags that commands look at."""
        return success({"web.enable-otlp-receiver": "true", "web.enable-admin-api": "true", "enable-feature": ""})

    def export(self, request: Request, parameters: Parameters) -> Reply:
        """Store a request, all of it or nothing."""
        kind = request.header("Content-Type").split(";")[0].strip()
        decode = _DECODERS.get(kind)
        if decode is None:
            return sentence(415, f"unsupported content type: {kind}")
        body = decompressed(request)
        if body is None:
            return sentence(400, "gzip: invalid header")
        try:
            message = decode(body)
            series = [each for received in message.resource_metrics for each in series_of(received)]
            self.store.append(series, self.now())
        except (DecodeError, ParseError, ValueError) as failure:
            return sentence(400, str(failure) or "unexpected EOF")
        except DeltaError as failure:
            return sentence(500, f'invalid temporality and type combination for metric "{failure}"')
        except RefusedError as refused:
            return sentence(refused.status, refused.sentence)
        return Reply(200)
