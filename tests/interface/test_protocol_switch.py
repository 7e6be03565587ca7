"""A protocol that is switched while eight payloads are under way: each reply is judged by the request that it answers."""

from __future__ import annotations

import random
import threading
import time
from typing import Any

import pytest

from magictel.delivery.attempt import Attempted
from magictel.encoding.payload import Payload, Route
from magictel.http.wire import Reply, Request
from magictel.model.metrics import Point, Series
from magictel.model.outcome import Outcome, Rejected
from magictel.net.endpoint import Endpoint
from magictel.plugin.http_exporter import HttpExporter
from magictel.plugin.interface import Encoder
from magictel.settings.model import HttpSettings
from tests.delivery.points import collection

IN_FLIGHT = 8


class SwitchSettings(HttpSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    env_prefix = "SWITCH_"


class OneByte(Encoder["Switching"]):
    def encode(self, series: Series, point: Point) -> bytes:
        return b"x"


class Switching(HttpExporter[SwitchSettings]):
    """Speaks 2.0 until a receiver shows that it does not: an old one answers 204 to everything, and keeps nothing of 2.0."""

    interface = 2
    name = "switch"
    summary = "a protocol in two versions"
    Settings = SwitchSettings
    Encoder = OneByte

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.version = "2.0"
        super().__init__(*arguments, **options)

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (Endpoint("http", "localhost", 1),)

    def route(self) -> Route:
        return Route("/", 1, 1_000_000)

    def form(self) -> str:
        return self.version

    def request(self, endpoint: Endpoint, payload: Payload) -> Request:
        request = super().request(endpoint, payload)
        return Request(request.method, request.url, {**request.headers, "X-Version": payload.form}, request.body)

    def attempt(self, payload: Payload, timeout: float) -> Attempted:
        attempted = super().attempt(payload, timeout)
        if isinstance(attempted.outcome, Rejected) and attempted.outcome.code == "switch.downgrade":
            self.version = "1.0"
            return super().attempt(payload, timeout)
        return attempted

    def sent_as(self, payload: Payload, reply: Reply) -> str:
        assert reply.request is not None
        return reply.request.headers["X-Version"]

    def judge(self, payload: Payload, reply: Reply) -> Outcome:
        if reply.ok and self.sent_as(payload, reply) == "2.0" and "x-written" not in reply.headers:
            return Rejected("switch.downgrade", "2.0 is not understood: nothing is stored")
        return super().judge(payload, reply)


class SwitchingByForm(Switching):
    def sent_as(self, payload: Payload, reply: Reply) -> str:
        return payload.form


class SwitchingByState(Switching):
    """What an author must not do."""

    def sent_as(self, payload: Payload, reply: Reply) -> str:
        return self.version


class OldReceiver:
    """Counts what it stores. Answers the first eight once all have come, seven of them only after the switch."""

    def __init__(self, dice: random.Random | None = None) -> None:
        self.stored = 0
        self._dice = dice
        self._together = threading.Barrier(IN_FLIGHT)
        self._lock = threading.Lock()
        self._switched = threading.Event()

    def send(self, request: Request, timeout: float) -> Reply:
        old = request.headers["X-Version"] == "1.0"
        with self._lock:
            self.stored += old
        if self._dice is not None:
            time.sleep(self._dice.choice((0.0, 0.001, 0.003)))
        elif old:
            self._switched.set()
        elif self._together.wait(10):  # all but one
            self._switched.wait(10)
        return Reply(204)

    def close(self) -> None: ...


def wrong(kind: type[Switching], receiver: OldReceiver, points: int) -> int:
    settings = SwitchSettings(in_flight=IN_FLIGHT, compression="none")
    exporter = kind(settings, transport=receiver)
    receipt = exporter.deliver(collection(range(points)))
    exporter.shutdown(0)
    assert receipt.sent == points
    return receipt.delivered - receiver.stored


@pytest.mark.parametrize("kind", [Switching, SwitchingByForm])
def test_what_counts_as_delivered_is_stored(kind: type[Switching]) -> None:
    assert wrong(kind, OldReceiver(), IN_FLIGHT) == 0


def test_a_verdict_by_what_is_known_now_would_be_wrong() -> None:
    assert wrong(SwitchingByState, OldReceiver(), IN_FLIGHT) == IN_FLIGHT - 1


@pytest.mark.parametrize("kind", [Switching, SwitchingByForm])
def test_none_of_800_points_is_wrong(kind: type[Switching]) -> None:
    assert sum(wrong(kind, OldReceiver(random.Random(run)), 40) for run in range(20)) == 0
