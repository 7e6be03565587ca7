"""Requests and replies show no secret, and Retry-After is read in both its forms."""

from __future__ import annotations

import email.utils

import pytest

from magictel.http.wire import Reply, Request, Wire
from magictel.net.endpoint import Endpoint
from magictel.secrets.redactor import Redactor
from magictel.secrets.secret import Secret
from tests.fake_transport import FakeTransport

SECRET = "s3cret-Ä key"


def echo() -> FakeTransport:
    """A backend that repeats our own credentials in its reply."""

    def answer(request: Request) -> Reply:
        return Reply(200, {"content-type": "text/plain"}, f"you sent {request.headers} to {request.url}".encode())

    return FakeTransport(answer)


def test_a_requests_repr_shows_no_header_and_no_body() -> None:
    shown = repr(Request("POST", "http://h/x", {"Authorization": SECRET}, SECRET.encode()))
    assert SECRET not in shown
    assert "POST" in shown


def test_a_wire_records_every_exchange_without_the_credentials() -> None:
    transport = echo()
    wire = Wire(transport, Endpoint("http", "h", 9200), {"Authorization": SECRET}, redact=Redactor([Secret(SECRET)]))
    reply = wire.get("/_cluster/health")
    assert SECRET.encode() in reply.body
    assert SECRET not in reply.text
    assert transport.requests[0].headers["Authorization"] == SECRET
    assert SECRET not in repr(wire.exchanges) + wire.first_bytes(reply)
    assert [(exchange.method, exchange.status) for exchange in wire.exchanges] == [("GET", 200)]


def test_a_wire_can_leave_the_credentials_out() -> None:
    transport = echo()
    Wire(transport, Endpoint("http", "h", 9200), {"Authorization": SECRET}).request("GET", "/", credentials=False)
    assert "Authorization" not in transport.requests[0].headers


def test_wires_that_share_their_replies_ask_a_path_once() -> None:
    transport = echo()
    wires = [Wire(transport, Endpoint("http", "h", 9200)) for _ in range(3)]
    for wire in wires[1:]:
        wire.known = wires[0].known
    first = wires[0].get("/")
    assert all(wire.get_once("/") is first for wire in wires)
    assert len(transport.requests) == 1
    wires[1].get("/")
    wires[2].get_once("/other")
    assert [request.path for request in transport.requests] == ["/", "/", "/other"]


def test_a_failure_is_asked_for_again_and_does_not_replace_an_earlier_success() -> None:
    statuses = [503, 200, 429]
    transport = FakeTransport(lambda request: Reply(statuses[len(transport.requests) - 1]))
    wire = Wire(transport, Endpoint("http", "h", 9200))
    assert wire.get_once("/").status == 503
    assert wire.get_once("/").status == 200
    assert wire.get("/").status == 429
    assert wire.get_once("/").status == 200
    assert len(transport.requests) == 3


def test_a_reply_to_a_request_without_credentials_is_not_shared() -> None:
    transport = FakeTransport(lambda request: Reply(200, {}, b"mine" if request.headers else b"anybody's"))
    wire = Wire(transport, Endpoint("http", "h", 9200), {"Authorization": SECRET})
    assert wire.request("GET", "/", credentials=False).text == "anybody's"
    assert wire.get_once("/").text == "mine"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3", 3.0), ("0", 0.0), ("1.5", 1.5), ("-4", 0.0), ("soon", None), ("", None), ("inf", None), ("nan", None)],
)
def test_retry_after_in_seconds(text: str, seconds: float | None) -> None:
    assert Reply(429, {"retry-after": text}).retry_after(1000.0) == seconds


def test_retry_after_as_a_date_counts_from_the_moment_given() -> None:
    date = email.utils.formatdate(1010, usegmt=True)
    assert Reply(503, {"retry-after": date}).retry_after(1000.0) == 10.0
    assert Reply(503, {"retry-after": date}).retry_after(2000.0) == 0.0


@pytest.mark.parametrize(
    ("headers", "body", "html"),
    [
        ({"content-type": "text/html; charset=utf-8"}, b"hello", True),
        ({}, b"\n <!DOCTYPE HTML><title>x", True),
        ({}, b"<HTML>", True),
        ({"content-type": "application/json"}, b'{"a": "<html>"}', False),
    ],
)
def test_a_page_for_people_is_recognised(headers: dict[str, str], body: bytes, html: bool) -> None:
    assert Reply(200, headers, body).looks_like_html is html


def test_an_endpoints_url_brackets_ipv6_and_keeps_its_path() -> None:
    assert Endpoint("http", "::1", 9200, "/es/").url("/_bulk") == "http://[::1]:9200/es/_bulk"
