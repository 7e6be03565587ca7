"""OTLP over gRPC in front of the sandbox's OTLP receiver, with grpcio's own server: calls become HTTP requests, replies statuses."""

from __future__ import annotations

import contextlib
import http.client
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import Any

import grpc

from magictel.clock import Clock, SystemClock
from magictel.errors import UsageError
from magictel.sandbox.otlp import PATH
from magictel.sandbox.protobuf_classes import message_class

SERVICE = "opentelemetry.proto.collector.metrics.v1.MetricsService"
_STATUS = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.UNIMPLEMENTED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    **dict.fromkeys((502, 503, 504), grpc.StatusCode.UNAVAILABLE),
}
"""The gRPC status for a status of HTTP, as gateways translate it; others are INTERNAL."""
_MESSAGES = {
    "Status": ("int64 code = 1", "string message = 2", "*Any details = 3"),
    "Any": ("string type_url = 1", "bytes value = 2"),
    "RetryInfo": ("Duration retry_delay = 1",),
    "Duration": ("int64 seconds = 1", "int64 nanos = 2"),
}
_Status, _RetryInfo = (message_class("rpc", _MESSAGES, name) for name in ("Status", "RetryInfo"))


def retry_info(code: grpc.StatusCode, message: str, delay: float) -> tuple[tuple[str, bytes], ...]:
    """Return the trailing metadata of a status that says after how many seconds to retry."""
    seconds, nanos = divmod(round(delay * 1e9), 10**9)
    info = _RetryInfo(retry_delay={"seconds": seconds, "nanos": nanos}).SerializeToString()
    detail = {"type_url": "type.googleapis.com/google.rpc.RetryInfo", "value": info}
    status = _Status(code=code.value[0], message=message, details=[detail])
    return (("grpc-status-details-bin", status.SerializeToString()),)


class GrpcGateway(contextlib.ExitStack):
    """Serves OTLP over gRPC on `port` for the HTTP server at `origin`, whose faults it translates; a context manager."""

    def __init__(self, origin: str, *, port: int = 0, clock: Clock | None = None) -> None:
        """Listen. Raise `UsageError` if the port is taken."""
        super().__init__()
        self.origin = origin
        self._clock = clock or SystemClock()
        server = grpc.server(self.enter_context(ThreadPoolExecutor(16)), options=[("grpc.so_reuseport", 0)])
        export = grpc.unary_unary_rpc_method_handler(self._export)
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {"Export": export})])
        try:
            self.port: int = server.add_insecure_port(f"127.0.0.1:{port}")
        except RuntimeError:
            message = f"the sandbox cannot listen on port {port} for OTLP over gRPC"
            remedy = "stop the program that listens there, or omit --port to use free ports"
            raise UsageError("sandbox.port", message, remedy) from None
        server.start()
        self.callback(lambda: server.stop(0).wait(10))

    def environment(self) -> dict[str, str]:
        """Return the variables of an exporter that uses gRPC; its queries go to the HTTP server."""
        return {
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc",
            "OTLP_QUERY_URL": self.origin,
        }

    def _export(self, body: bytes, context: Any) -> bytes:
        headers = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        connection = http.client.HTTPConnection(self.origin.partition("://")[2], timeout=60)
        try:
            connection.request("POST", PATH, body, {**headers, "Content-Type": "application/x-protobuf"})
            reply = connection.getresponse()
            text = reply.read()
        except (OSError, http.client.HTTPException):
            context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        finally:
            connection.close()
        if reply.status == 200:
            if b"<html" in text:
                context.abort(grpc.StatusCode.UNKNOWN, "invalid content-type: text/html")
            return text
        code = _STATUS.get(reply.status, grpc.StatusCode.INTERNAL)
        message = "grpc: received message larger than max" if reply.status == 413 else text.decode()
        if reply.status == 429 or (reply.status == 503 and reply.getheader("retry-after")):
            context.set_trailing_metadata(retry_info(code, message, self._seconds(reply.getheader("retry-after"))))
        context.abort(code, message)
        raise AssertionError("abort raises")

    def _seconds(self, retry_after: str | None) -> float:
        try:
            return float(retry_after or 0.1)
        except ValueError:
            return max(0.0, parsedate_to_datetime(retry_after or "").timestamp() - self._clock.now())
