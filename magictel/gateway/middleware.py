"""ASGI and WSGI middleware that records each HTTP request of a gateway.

The application adds what only it knows, within a request: `annotate(provider="openai", model="gpt-4o", input_tokens=48)`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from contextvars import ContextVar
from typing import Any

from magictel.clock import Clock, SystemClock
from magictel.gateway.metrics import GatewayMetrics
from magictel.gateway.request import GatewayRequest

_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_Asgi = Callable[[MutableMapping[str, Any], _Receive, _Send], Awaitable[None]]
_notes: ContextVar[dict[str, Any] | None] = ContextVar("magictel_gateway_notes", default=None)
_FIELDS = frozenset(GatewayRequest.__struct_fields__)


def annotate(**fields: Any) -> None:
    """Add fields of `GatewayRequest` to the request that is being served; outside of one, do nothing. Raise `TypeError` for others."""
    unknown = sorted(fields.keys() - _FIELDS)
    if unknown:
        raise TypeError(f"GatewayRequest has no field {', '.join(unknown)}")
    notes = _notes.get()
    if notes is not None:
        notes.update(fields)


class _Exchange:
    """What is measured of one request."""

    def __init__(self, gateway_metrics: GatewayMetrics, clock: Clock, method: str, scheme: str, path: str) -> None:
        self._metrics, self._clock = gateway_metrics, clock
        self.notes: dict[str, Any] = {"method": method, "scheme": scheme, "path": path}
        self.received = self.sent = 0
        self._first: float | None = None
        self._began = clock.monotonic()
        self._ended = False

    def body(self, size: int, *, more: bool) -> None:
        """Count a part of the response. The first one of several gives the time to the first token."""
        if size and self._first is None and more:
            self._first = self._clock.monotonic() - self._began
        self.sent += size

    def end(self, failure: BaseException | None = None) -> None:
        """Record the request, once. What the application has added takes precedence."""
        if self._ended:
            return
        self._ended = True
        measured: dict[str, Any] = {
            "duration": self._clock.monotonic() - self._began,
            "request_size": self.received,
            "response_size": self.sent,
        }
        if self._first is not None and "provider" in self.notes:
            measured["first_token"] = self._first
        if failure is not None:
            measured |= {"status_code": 500, "error_type": type(failure).__qualname__}
        self._metrics.record(GatewayRequest(**{**measured, **self.notes}))


class AsgiMetrics:
    """Middleware for FastAPI, Starlette and other ASGI applications: `app.add_middleware(AsgiMetrics, gateway_metrics=…)`."""

    def __init__(self, app: _Asgi, gateway_metrics: GatewayMetrics, clock: Clock | None = None) -> None:
        self._app, self._metrics, self._clock = app, gateway_metrics, clock or SystemClock()

    async def __call__(self, scope: MutableMapping[str, Any], receive: _Receive, send: _Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(self._metrics, self._clock, scope["method"], scope.get("scheme", "http"), scope["path"])

        async def receiving() -> MutableMapping[str, Any]:
            message = await receive()
            exchange.received += len(message.get("body", b""))
            return message

        async def sending(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                exchange.notes.setdefault("status_code", message["status"])
            elif message["type"] == "http.response.body":
                exchange.body(len(message.get("body", b"")), more=message.get("more_body", False))
            await send(message)

        token = _notes.set(exchange.notes)
        failure: BaseException | None = None
        try:
            await self._app(scope, receiving, sending)
        except BaseException as raised:
            failure = raised
            raise
        finally:
            _notes.reset(token)
            template = getattr(scope.get("route"), "path", None)
            if isinstance(template, str):
                exchange.notes.setdefault("route", template)
            exchange.end(failure)


class WsgiMetrics:
    """Middleware for Flask, Django and other WSGI applications: `app.wsgi_app = WsgiMetrics(app.wsgi_app, gateway_metrics)`."""

    def __init__(
        self, app: Callable[..., Iterable[bytes]], gateway_metrics: GatewayMetrics, clock: Clock | None = None
    ) -> None:
        self._app, self._metrics, self._clock = app, gateway_metrics, clock or SystemClock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve a request. It is recorded when the server closes the response."""
        scheme, path = environ.get("wsgi.url_scheme", "http"), environ.get("PATH_INFO", "")
        exchange = _Exchange(self._metrics, self._clock, environ["REQUEST_METHOD"], scheme, path)
        length = environ.get("CONTENT_LENGTH") or "0"
        exchange.received = int(length) if length.isdigit() else 0

        def starting(status: str, headers: Any, *exc_info: Any) -> Any:
            exchange.notes["status_code"] = int(status[:3])
            return start_response(status, headers, *exc_info)

        token = _notes.set(exchange.notes)
        try:
            parts = self._app(environ, starting)
        except BaseException as failure:
            exchange.end(failure)
            raise
        finally:
            _notes.reset(token)
        return _Response(parts, exchange)


class _Response:
    """The parts of a WSGI response, counted."""

    def __init__(self, parts: Iterable[bytes], exchange: _Exchange) -> None:
        self._parts, self._exchange = parts, exchange

    def __iter__(self) -> Iterator[bytes]:
        streamed = not isinstance(self._parts, list | tuple)
        iterator = iter(self._parts)
        while True:
            token = _notes.set(self._exchange.notes)
            try:
                part = next(iterator)
            except StopIteration:
                return
            except Exception as failure:
                self._exchange.end(failure)
                raise
            finally:
                _notes.reset(token)
            self._exchange.body(len(part), more=streamed)
            yield part

    def close(self) -> None:
        """Close the application's response, and record the request."""
        try:
            close = getattr(self._parts, "close", None)
            if close is not None:
                close()
        finally:
            self._exchange.end()
