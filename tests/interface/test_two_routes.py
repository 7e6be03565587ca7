"""One collection to two end points (Datadog's series and sketches): each with its own limits, also after compression."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from magictel.encoding.payload import Payload, Route
from magictel.http.wire import Reply, Request
from magictel.model.metrics import Kind, Point, Series, Stream
from magictel.net.endpoint import Endpoint
from magictel.plugin.http_exporter import HttpExporter
from magictel.plugin.interface import Encoder
from magictel.settings.model import HttpSettings
from tests.delivery.points import collection


class TwoSettings(HttpSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    env_prefix = "TWO_"


class Objects(Encoder["TwoRoutes"]):
    def encode(self, series: Series, point: Point) -> bytes:
        return json.dumps({"n": series.attributes["n"], "pad": "x" * 50}).encode() + b","

    def frame(self, payload: Payload) -> bytes:
        return b'{"series":[%b]}' % payload.body[:-1]


class TwoRoutes(HttpExporter[TwoSettings]):
    interface = 2
    name = "two"
    summary = "series and sketches"
    Settings = TwoSettings
    Encoder = Objects
    most_sent: int | None = None

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (Endpoint("http", "localhost", 1),)

    def route(self) -> Route:
        return Route("/series", 5, 100_000, frame_bytes=len(b'{"series":[]}'), max_sent_bytes=self.most_sent)

    def routes(self) -> tuple[Route, ...]:
        return self.route(), Route("/sketches", 2, 100_000, "sketches", "application/x-protobuf")

    def route_of(self, stream: Stream) -> str:
        return "sketches" if stream.kind is Kind.HISTOGRAM else ""


class Receiver:
    def __init__(self) -> None:
        self.seen: list[tuple[str, str, list[int], int]] = []

    def send(self, request: Request, timeout: float) -> Reply:
        numbers = [point["n"] for point in json.loads(request.body)["series"]]
        self.seen.append((request.path, request.headers["Content-Type"], numbers, len(request.body)))
        return Reply(200, {"content-type": "application/json"}, b'{"status":"ok"}')

    def close(self) -> None: ...


def delivered(points: int, most_sent: int | None = None) -> tuple[Any, Receiver]:
    receiver = Receiver()
    exporter = TwoRoutes(TwoSettings(compression="none"), transport=receiver)
    exporter.most_sent = most_sent
    receipt = exporter.deliver(collection(range(points)))
    exporter.shutdown(0)
    return receipt, receiver


def test_each_route_has_its_path_its_type_and_its_limits() -> None:
    receipt, receiver = delivered(24)
    assert receipt.delivered == 24
    by_route: dict[tuple[str, str], list[list[int]]] = {}
    for path, kind, numbers, _ in receiver.seen:
        by_route.setdefault((path, kind), []).append(numbers)
    series = by_route["/series", "application/json"]
    sketches = by_route["/sketches", "application/x-protobuf"]
    assert [len(numbers) for numbers in series] == [5, 5, 5, 1]
    assert [len(numbers) for numbers in sketches] == [2, 2, 2, 2]
    assert all(number % 3 == 2 for numbers in sketches for number in numbers)
    assert Counter(n for _, _, numbers, _ in receiver.seen for n in numbers) == Counter(range(24))


def test_what_is_too_large_once_compressed_is_halved_before_it_is_sent() -> None:
    receipt, receiver = delivered(24, most_sent=220)
    assert receipt.delivered == 24
    assert all(size <= 220 for path, _, _, size in receiver.seen if path == "/series")
    assert receipt.attempts > len(receiver.seen), "an attempt that sends nothing is one all the same"
