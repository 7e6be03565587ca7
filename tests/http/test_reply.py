"""The guard where replies enter: whatever a server says becomes a value or a `WireError`, for exporters that know nothing of it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from magictel import (
    Encoder,
    Endpoint,
    Finding,
    HttpExporter,
    HttpReadBack,
    HttpSettings,
    Outcome,
    Payload,
    Point,
    Reply,
    Route,
    Rung,
    Series,
)
from magictel.delivery.attempt import Attempted
from magictel.errors import WireError
from magictel.http.messages import reading
from magictel.http.wire import Wire
from magictel.ladder.climb import climb
from magictel.ladder.probe import probe
from magictel.model.finding import Status
from magictel.model.outcome import Delivered, Rejected, Unavailable
from magictel.model.verification import SampleQuery, Seen, Unreadable
from magictel.verify.asking import ask
from tests.delivery.points import collection
from tests.fake_transport import FakeTransport

SHAPES = [
    b"",
    b"null",
    b"[]",
    b'"text"',
    b"1.5",
    b"NaN",
    b"{}",
    b'{"took": {"ms": null}}',
    b'{"took": {"ms": "x"}}',
    b'{"took": {"ms": 1e999}}',
    b'{"took": {"ms": %s}}' % (b"9" * 5000),
    b'{"took": "\xfc"}',
    b"[" * 100_000 + b"]" * 100_000,
    b'{"took":' * 100_000 + b"1" + b"}" * 100_000,
    b"\xff\xfe\x00",
]


class TrustingReadBack(HttpReadBack["Trusting"]):
    def seen(self, query: SampleQuery) -> list[Seen]:
        return [Seen(str(int(self.wire().get("/data").json()["took"]["ms"])), {})]


class TrustingEncoder(Encoder["Trusting"]):
    def encode(self, series: Series, point: Point) -> bytes:
        return b"x\n"

    def split(self, body: bytes) -> list[bytes]:
        return body.splitlines(keepends=True)


class Trusting(HttpExporter[HttpSettings]):
    """An exporter by an author who believes what servers say."""

    ReadBack = TrustingReadBack
    name = "trusting"
    summary = "Believes every answer."
    Settings = HttpSettings
    Encoder = TrustingEncoder

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (Endpoint("http", "127.0.0.1", 9),)

    def route(self) -> Route:
        return Route("/write", 1000, 1_000_000)

    def judge(self, payload: Payload, reply: Reply) -> Outcome:
        return Delivered() if int(json.loads(reply.body)["took"]["ms"]) >= 0 else Rejected("http.refused", "no")

    @probe(Rung.HEALTH, "It is well.")
    def healthy(self, wire: Wire) -> Finding:
        return Finding.passed(Rung.HEALTH, f"{int(wire.get('/health').json()['took']['ms'])} ms")


class _Took(msgspec.Struct):
    took: dict[str, int] = {}


def same(body: bytes, status: int = 200) -> FakeTransport:
    return FakeTransport(lambda request: Reply(status, {"content-type": "application/json"}, body))


@pytest.mark.parametrize("body", SHAPES, ids=lambda body: repr(body[:20]))
def test_no_shape_of_an_answer_breaks_an_exporter_that_believes_it(body: bytes) -> None:
    exporter = Trusting(HttpSettings(), transport=same(body))
    attempted: Attempted = exporter.attempt(Payload(b"x\n", 1), 1.0)
    assert isinstance(attempted.outcome, Unavailable)
    assert attempted.outcome.code == "http.malformed-reply"
    assert attempted.outcome.maybe_stored, "it may be stored: it is sent again"

    finding = next(
        finding for finding in climb({Rung.HEALTH: exporter.steps(1.0)[Rung.HEALTH]}) if finding.rung is Rung.HEALTH
    )
    assert (finding.outcome, finding.code) == (Status.FAIL, "http.malformed-reply")
    assert "GET /health" in finding.message

    shown: Any = ask(exporter.readback.seen, SampleQuery("run", 0, 1, ()))
    assert isinstance(shown, Unreadable)
    assert shown.code == "http.malformed-reply"
    exporter.shutdown(0)


@pytest.mark.parametrize(
    ("status", "code"), [(400, "http.refused"), (503, "http.server-error"), (429, "http.throttled")]
)
def test_a_refusal_that_cannot_be_read_is_what_its_status_says(status: int, code: str) -> None:
    exporter = Trusting(HttpSettings(), transport=same(b'{"message":"verf\xfcgbar"}', status))
    assert getattr(exporter.attempt(Payload(b"x\n", 1), 1.0).outcome, "code", None) == code
    exporter.shutdown(0)


def test_the_ledger_balances_over_answers_that_cannot_be_read() -> None:
    for body in SHAPES:
        exporter = Trusting(HttpSettings(backoff_initial=0.001), transport=same(body))
        receipt = exporter.deliver(collection([0, 1, 2]), seconds=0)
        assert receipt.balanced
        assert receipt.delivered == 0
        assert {reason.code for reason in receipt.reasons} == {"http.malformed-reply"}
        assert all(reason.maybe_stored for reason in receipt.reasons)
        exporter.shutdown(0)


def test_a_bug_before_any_answer_stays_a_bug() -> None:
    with pytest.raises(KeyError), reading():
        raise KeyError("x")
    with pytest.raises(ZeroDivisionError), reading():
        raise ZeroDivisionError


def test_only_an_answer_inside_counts() -> None:
    wire = Wire(same(b"{}"), Endpoint("http", "127.0.0.1", 9))
    wire.get("/before")
    with pytest.raises(KeyError), reading():
        raise KeyError("x")
    with pytest.raises(WireError, match="GET /inside"), reading():
        wire.get("/inside?token=x").json()["missing"]


def test_json_and_typed_decoding_never_raise() -> None:
    for body in SHAPES:
        reply = Reply(200, {}, body)
        reply.json()
        assert isinstance(reply.text, str)
        assert reply.decoded(msgspec.json.Decoder(_Took).decode) in (None, _Took({}))
