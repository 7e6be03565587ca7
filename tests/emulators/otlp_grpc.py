"""OTLP receivers over gRPC, with grpcio's own server: one in front of the sandbox's HTTP server, and ones that give one answer."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from magictel.clock import Clock, SystemClock
from magictel.conformance.stages import HttpStage
from magictel.sandbox.otlp import PATH, OtlpEmulator

METHOD = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
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


def details(code: grpc.StatusCode, message: str, delay: float) -> tuple[tuple[str, bytes], ...]:
    """Return the trailing metadata with a RetryInfo."""
    status = status_pb2.Status(code=code.value[0], message=message)
    info = error_details_pb2.RetryInfo()
    info.retry_delay.FromMilliseconds(round(delay * 1000))
    status.details.add().Pack(info)
    return (("grpc-status-details-bin", status.SerializeToString()),)


class _Method(grpc.GenericRpcHandler):
    """Serves one method, or every method if `only` is None, with bytes in and out."""

    def __init__(self, behavior: Any, only: str | None) -> None:
        self._handler = grpc.unary_unary_rpc_method_handler(behavior)
        self._only = only

    def service(self, handler_call_details: Any) -> Any:
        return self._handler if self._only in (None, handler_call_details.method) else None


@contextlib.contextmanager
def serving_grpc(
    behavior: Any, only: str | None = METHOD, credentials: grpc.ServerCredentials | None = None, port: int = 0
) -> Iterator[int]:
    """Serve `behavior(body, context) -> bytes` on a port of localhost."""
    with ThreadPoolExecutor(16) as pool:
        server = grpc.server(pool, [_Method(behavior, only)], options=[("grpc.so_reuseport", 0)])
        if credentials is None:
            port = server.add_insecure_port(f"127.0.0.1:{port}")
        else:
            port = server.add_secure_port(f"localhost:{port}", credentials)
        server.start()
        try:
            yield port
        finally:
            server.stop(0).wait(10)


@contextlib.contextmanager
def refusing_grpc(
    code: grpc.StatusCode,
    message: str,
    *,
    delay: float | None = None,
    only: str | None = None,
    first: int | None = None,
) -> Iterator[int]:
    """Serve one status; after the `first` calls accept the rest."""
    calls = 0

    def refuse(body: bytes, context: grpc.ServicerContext) -> bytes:
        nonlocal calls
        calls += 1
        if first is not None and calls > first:
            return b""
        if delay is not None:
            context.set_trailing_metadata(details(code, message, delay))
        context.abort(code, message)
        raise AssertionError("abort raises")

    with serving_grpc(refuse, only) as port:
        yield port


@contextlib.contextmanager
def silent_grpc() -> Iterator[int]:
    """Serve calls that are not answered until the end."""
    end = threading.Event()

    def wait(body: bytes, context: grpc.ServicerContext) -> bytes:
        end.wait(60)
        return b""

    with serving_grpc(wait, None) as port:
        try:
            yield port
        finally:
            end.set()


class GrpcStage(HttpStage):
    """The sandbox's OTLP receiver behind a gRPC server that translates calls and replies, faults included."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.emulator = OtlpEmulator(clock=clock)
        self.clock: Clock = clock or SystemClock()
        super().__init__(self.emulator, self.clock)
        self._grpc = contextlib.ExitStack()
        self.port = self._grpc.enter_context(serving_grpc(self._translate))

    def environment(self) -> Mapping[str, str]:
        """Return the variables of a gRPC exporter; queries go to the HTTP server."""
        return {
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc",
            "OTLP_QUERY_URL": self.origin,
        }

    def stop(self) -> None:
        """Stop both servers."""
        super().stop()
        self._grpc.close()

    def _translate(self, body: bytes, context: grpc.ServicerContext) -> bytes:
        metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        headers = {**metadata, "Content-Type": "application/x-protobuf"}
        connection = http.client.HTTPConnection(self.origin.partition("://")[2], timeout=60)
        try:
            connection.request("POST", PATH, body, headers)
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
            context.set_trailing_metadata(details(code, message, self._seconds(reply.getheader("retry-after"))))
        context.abort(code, message)
        raise AssertionError("abort raises")

    def _seconds(self, retry_after: str | None) -> float:
        try:
            return float(retry_after or 0.1)
        except ValueError:
            return max(0.0, parsedate_to_datetime(retry_after or "").timestamp() - self.clock.now())
