"""An exporter that holds every law, and its backend: JSON lines, a verdict for each, a line that comes again is the same line."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Annotated, Any, ClassVar
from urllib.parse import quote

from opentelemetry.sdk.metrics.export import NumberDataPoint

from magictel.clock import Clock
from magictel.encoding.payload import Payload, Route
from magictel.encoding.templates import Filled
from magictel.encoding.withheld import Withheld
from magictel.http.classify import judge_status
from magictel.http.wire import Reply, Request, Wire
from magictel.ladder.probe import probe
from magictel.model.finding import Finding, Rung
from magictel.model.metrics import Attributes, Kind, Point, Series, Stream
from magictel.model.outcome import Delivered, ItemVerdict, Outcome, Partial, Rejected
from magictel.model.verification import POINT, RUN_ID, Expected, SampleQuery, Seen, Unreadable
from magictel.plugin.http_exporter import HttpExporter, HttpReadBack
from magictel.plugin.interface import Encoder
from magictel.sandbox.emulator import Emulator
from magictel.secrets.secret import Secret
from magictel.settings.model import HttpSettings, option


class AcmeSettings(HttpSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    env_prefix: ClassVar[str] = "ACME_"

    url: Annotated[str, option("Where Acme listens.", example="http://localhost:8000", address=True)]
    token: Annotated[Secret | None, option("The token.")] = None


class AcmeReadBack(HttpReadBack["AcmeExporter"]):
    def expect(self, series: Series, point: Point) -> Expected | None:
        item = self.exporter.encoder.encode(series, point)
        assert isinstance(item, bytes)
        shown = json.loads(item)
        return Expected(_key(shown), f"{series.stream.name} {_key(shown)}", _fields(shown))

    def seen(self, query: SampleQuery) -> Sequence[Seen] | Unreadable:
        reply = self.wire().get(f"/points?run={quote(query.run_id)}")
        if not reply.ok:
            return Unreadable("acme.unreadable", f"Acme answers {reply.status}")
        return [Seen(_key(row), _fields(row)) for row in map(json.loads, reply.text.splitlines())]

    def visible_delay(self) -> float | Unreadable:
        return 0.0


class AcmeEncoder(Encoder["AcmeExporter"]):
    """A line for each point, numbers also by column."""

    def encode(self, series: Series, point: Point) -> bytes | Withheld:
        if isinstance(point, NumberDataPoint):
            value = json.dumps(point.value).encode()
            return _lead(series) + str(point.time_unix_nano).encode() + b',"value":' + value + b"}\n"
        return (
            _lead(series)
            + str(point.time_unix_nano).encode()
            + b","
            + json.dumps(_point_fields(point)).encode()[1:]
            + b"\n"
        )

    def split(self, body: bytes) -> list[bytes]:
        return body.splitlines(keepends=True)

    def columns(self, stream: Stream, points: Sequence[Point]) -> Filled | None:
        if stream.kind not in (Kind.GAUGE, Kind.SUM):
            return None
        times = [str(point.time_unix_nano).encode() for point in points]
        return Filled("number", [times, [json.dumps(point.value).encode() for point in points]])  # type: ignore[union-attr]

    def constants(self, stream: Stream, variant: Hashable, attributes: Sequence[Attributes]) -> Sequence[Any]:
        return [_lead(Series(stream, attribute)) for attribute in attributes], b',"value":', b"}\n"


class AcmeExporter(HttpExporter[AcmeSettings]):
    interface = 2
    name = "acme"
    summary = "Acme's collector of everything"
    Settings = AcmeSettings
    Encoder = AcmeEncoder
    ReadBack = AcmeReadBack
    content_type = "application/x-ndjson"
    limits = ("Nothing is refused or changed.",)
    cost = "A line for each point."

    def route(self) -> Route:
        return Route("/points", self.settings.max_batch_points, self.settings.max_batch_bytes)

    def headers(self) -> Mapping[str, str]:
        token = self.settings.token
        return {"Authorization": f"Bearer {token.reveal()}"} if token else {}

    def judge(self, payload: Payload, reply: Reply) -> Outcome:
        if reply.status != 200:
            return judge_status(reply, self.clock.now())
        document = reply.json()
        if isinstance(document, dict) and "dropped" in document:
            return Partial(unnamed=document["dropped"], why=ItemVerdict("acme.dropped", "points were dropped"))
        if not isinstance(document, dict) or "refused" not in document:
            return Rejected("acme.odd-answer", "something else than Acme answered")
        refused = {index: ItemVerdict(f"acme.{why}", why) for index, why in document["refused"]}
        again = {index: error for index, error in refused.items() if error.message == "busy"}
        gone = {index: error for index, error in refused.items() if error.message != "busy"}
        return Partial(gone, again) if refused else Delivered()

    @probe(Rung.HEALTH, "Acme is well")
    def health(self, wire: Wire) -> Finding:
        reply = wire.get("/health")
        if reply.ok:
            return Finding.passed(Rung.HEALTH, reply.text)
        return Finding.failed(Rung.HEALTH, "acme.ill", f"Acme answers {reply.status}")


class AcmeEmulator:
    """Acme in memory. `lines` is the store: a line that comes again is stored once."""

    name = "acme"
    item_errors = ("busy", "nonsense", "dropped")

    def __init__(self, clock: Clock | None = None) -> None:
        self.lines: dict[str, None] = {}
        self._lock = threading.Lock()

    def environment(self, origin: str) -> dict[str, str]:
        return {"ACME_URL": origin}

    def is_write(self, request: Request) -> bool:
        return request.method == "POST" and request.path == "/points"

    def handle(self, request: Request) -> Reply:
        return self._handle(request, lambda number: None)

    def handle_partially(self, request: Request, share: float, item_error: str) -> Reply:
        every = max(1, round(1 / share))
        kinds = self.item_errors[:2] if item_error == "mixed" else (item_error,)
        return self._handle(request, lambda number: None if number % every else kinds[number // every % len(kinds)])

    def _handle(self, request: Request, veto: Callable[[int], str | None]) -> Reply:
        if request.path == "/health":
            return Reply(200, {"content-type": "text/plain"}, b"well")
        if request.path != "/points":
            return Reply(404)
        with self._lock:
            if request.method == "GET":
                wanted = request.query.get("run")
                shown = [line for line in self.lines if json.loads(line)["attributes"].get(RUN_ID) == wanted]
                return Reply(200, {"content-type": "application/x-ndjson"}, "".join(shown).encode())
            return self._store(request, veto)

    def _store(self, request: Request, veto: Callable[[int], str | None]) -> Reply:
        import gzip

        body = gzip.decompress(request.body) if request.header("content-encoding") == "gzip" else request.body
        refused = []
        dropped = 0
        for number, line in enumerate(body.decode().splitlines(keepends=True)):
            why = veto(number)
            if why == "dropped":
                dropped += 1
            elif why is not None:
                refused.append((number, why))
            else:
                self.lines[line] = None
        counts = {"dropped": dropped} if dropped and not refused else {"refused": refused}
        return Reply(200, {"content-type": "application/json"}, json.dumps(counts).encode())


def emulator(clock: Clock) -> Emulator:
    return AcmeEmulator()


def _lead(series: Series) -> bytes:
    stream = series.stream
    fields = {
        "name": stream.name,
        "kind": [stream.kind, stream.temporality, stream.monotonic, stream.unit],
        "resource": dict(stream.resource),
        "attributes": dict(series.attributes),
    }
    return json.dumps(fields, default=str).encode()[:-1] + b',"time":'


def _point_fields(point: Any) -> dict[str, Any]:
    names = ("count", "sum", "min", "max", "bucket_counts", "explicit_bounds", "scale", "zero_count")
    fields = {name: getattr(point, name) for name in names if hasattr(point, name)}
    for side in ("positive", "negative"):
        if hasattr(point, side):
            fields[side] = [getattr(point, side).offset, *getattr(point, side).bucket_counts]
    return {name: list(value) if isinstance(value, list | tuple) else value for name, value in fields.items()}


def _key(shown: Mapping[str, Any]) -> str:
    return str(shown["attributes"].get(POINT, shown["name"]))


def _fields(shown: Mapping[str, Any]) -> dict[str, Any]:
    flat = {**shown, **{f"attributes.{key}": value for key, value in shown["attributes"].items()}}
    flat |= {f"resource.{key}": value for key, value in shown["resource"].items()}
    del flat["attributes"], flat["resource"]
    return {key: tuple(value) if isinstance(value, list) else value for key, value in flat.items()}
