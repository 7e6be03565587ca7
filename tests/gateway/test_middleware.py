"""Middleware records each request of an ASGI or WSGI application, with what the application adds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider

from magictel.gateway import AsgiMetrics, GatewayMetrics, GatewayRequest, WsgiMetrics, annotate
from tests.fake_clock import FakeClock


class Recorded(GatewayMetrics):
    """Keeps the requests."""

    def __init__(self) -> None:
        super().__init__(MeterProvider())
        self.requests: list[GatewayRequest] = []

    def record(self, request: Any) -> None:
        super().record(request)
        self.requests.append(request)


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


def asgi(app: Callable[..., Any], recorded: Recorded, clock: FakeClock, scope: dict[str, Any]) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []
    bodies = iter(({"type": "http.request", "body": b"four"},))

    async def receive() -> dict[str, Any]:
        return next(bodies)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(AsgiMetrics(app, recorded, clock)(scope, receive, send))
    return sent


HTTP = {"type": "http", "method": "POST", "scheme": "https", "path": "/v1/chat/completions"}


def test_an_asgi_request_is_measured_with_what_the_application_adds(recorded: Recorded) -> None:
    clock = FakeClock()

    class Route:
        path = "/v1/chat/{kind}"

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        scope["route"] = Route
        annotate(provider="openai", model="gpt-4o", input_tokens=3)
        clock.wait(0.5)
        await send({"type": "http.response.start", "status": 201})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        clock.wait(1.0)
        await send({"type": "http.response.body", "body": b"three"})

    sent = asgi(app, recorded, clock, dict(HTTP))
    assert len(sent) == 3
    (request,) = recorded.requests
    assert (request.method, request.scheme, request.route) == ("POST", "https", "/v1/chat/{kind}")
    assert (request.provider, request.model, request.input_tokens) == ("openai", "gpt-4o", 3)
    assert (request.status_code, request.request_size, request.response_size) == (201, 4, 8)
    assert (request.first_token, request.duration) == (0.5, 1.5)


def test_an_asgi_application_that_fails_is_recorded_and_its_exception_passes(recorded: Recorded) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asgi(app, recorded, FakeClock(), dict(HTTP))
    assert [(request.status_code, request.error_type) for request in recorded.requests] == [(500, "ZeroDivisionError")]


def test_what_is_no_http_request_passes_unrecorded(recorded: Recorded) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})

    assert asgi(app, recorded, FakeClock(), {"type": "websocket"}) == [{"type": "websocket.accept"}]
    assert recorded.requests == []


def wsgi(app: Callable[..., Iterable[bytes]], recorded: Recorded, clock: FakeClock) -> list[bytes]:
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/v1/embeddings",
        "CONTENT_LENGTH": "4",
        "wsgi.url_scheme": "http",
    }
    response = WsgiMetrics(app, recorded, clock)(environ, lambda status, headers, exc_info=None: None)
    parts = list(response)
    assert recorded.requests == []
    response.close()  # type: ignore[attr-defined]
    return parts


def test_a_wsgi_response_is_measured_until_it_is_closed(recorded: Recorded) -> None:
    clock = FakeClock()

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        clock.wait(0.25)
        yield b"one"
        annotate(provider="openai", cost=0.5)
        clock.wait(0.75)
        yield b"three"

    assert wsgi(app, recorded, clock) == [b"one", b"three"]
    (request,) = recorded.requests
    assert (request.status_code, request.request_size, request.response_size) == (200, 4, 8)
    assert (request.provider, request.cost, request.first_token, request.duration) == ("openai", 0.5, 0.25, 1.0)
    assert request.path == "/v1/embeddings"


def test_a_wsgi_application_that_fails_is_recorded(recorded: Recorded) -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        wsgi(app, recorded, FakeClock())
    assert recorded.requests[0].error_type == "ZeroDivisionError"


def test_a_note_outside_of_a_request_is_ignored_and_an_unknown_one_is_refused() -> None:
    annotate(provider="openai")
    with pytest.raises(TypeError, match="GatewayRequest has no field modle"):
        annotate(modle="gpt-4o")
