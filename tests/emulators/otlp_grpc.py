"""OTLP receivers over gRPC, with grpcio's own server: one in front of the sandbox's HTTP server, and ones that give one answer."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from magictel.clock import Clock, SystemClock
from magictel.conformance.stages import HttpStage
from magictel.sandbox.otlp import OtlpEmulator
from magictel.sandbox.otlp_grpc import SERVICE, GrpcGateway, retry_info

METHOD = f"/{SERVICE}/Export"


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
            context.set_trailing_metadata(retry_info(code, message, delay))
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
        super().__init__(self.emulator, clock or SystemClock())
        self._gateway = GrpcGateway(self.origin, clock=clock)
        self.port = self._gateway.port

    def environment(self) -> Mapping[str, str]:
        """Return the variables of a gRPC exporter."""
        return self._gateway.environment()

    def stop(self) -> None:
        """Stop both servers."""
        super().stop()
        self._gateway.close()
