"""The plugin author's view: never run, only type-checked (`mypy --strict tests/typing_api.py`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, ClassVar, assert_type

from opentelemetry.sdk.metrics.export import MetricsData

from magictel import (
    Attempted,
    Delivered,
    Encoder,
    Endpoint,
    Expected,
    Exporter,
    ExporterSettings,
    Finding,
    Group,
    HttpExporter,
    HttpReadBack,
    HttpSettings,
    ItemVerdict,
    Outcome,
    PageExporter,
    PageSettings,
    Partial,
    Payload,
    Point,
    Receipt,
    Reply,
    Request,
    Route,
    Rung,
    SampleQuery,
    Secret,
    Seen,
    Series,
    Throttled,
    Unreadable,
    Wire,
    Withheld,
    option,
    probe,
    runtime,
)


class AcmeSettings(HttpSettings, frozen=True, kw_only=True):
    env_prefix: ClassVar[str] = "ACME_"

    url: Annotated[str, option("Where Acme listens.", example="https://acme.example.net", address=True)]
    api_key: Annotated[Secret | None, option("The key.")] = None


class AcmeReadBack(HttpReadBack["AcmeExporter"]):
    def expect(self, series: Series, point: Point) -> Expected | None:
        return Expected("key", series.stream.name, {"value": 1.0})

    def seen(self, query: SampleQuery) -> Sequence[Seen] | Unreadable:
        reply = self.wire().post("/v1/query", {"run": query.run_id})
        return [Seen("key", {"value": 1.0})] if reply.ok else Unreadable("acme.unreadable", "may not read")


class AcmeEncoder(Encoder["AcmeExporter"]):
    def encode(self, series: Series, point: Point) -> bytes | Withheld:
        assert_type(series.stream.name, str)
        if not series.attributes:
            return Withheld("acme.anonymous", "Acme knows no series without attributes", series.stream.name)
        return b"{}\n"


class AcmeExporter(HttpExporter[AcmeSettings]):
    interface = 2
    name = "acme"
    summary = "Acme's metrics API"
    Settings = AcmeSettings
    Encoder = AcmeEncoder
    ReadBack = AcmeReadBack

    def route(self) -> Route:
        return Route("/v1/points", self.settings.max_batch_points, self.settings.max_batch_bytes)

    def endpoints(self) -> tuple[Endpoint, ...]:
        assert_type(self.settings.url, str)
        return (Endpoint("https", "acme.example.net", 443),)

    def headers(self) -> Mapping[str, str]:
        key = self.settings.api_key
        return {"X-Acme-Key": key.reveal()} if key else {}

    def judge(self, payload: Payload, reply: Reply) -> Outcome:
        if reply.status == 207:
            return Partial({0: ItemVerdict("acme.refused", "no such metric")}, {}, {})
        return Delivered() if reply.ok else Throttled("acme.busy", "Acme is busy", reply.retry_after(self.clock.now()))

    @probe(Rung.HEALTH, "Acme is well")
    def health(self, wire: Wire) -> Finding:
        return Finding.passed(Rung.HEALTH, wire.get("/health").text)


class PipeEncoder(Encoder["PipeExporter"]):
    def encode(self, series: Series, point: Point) -> bytes:
        return b""


class PipeExporter(Exporter[ExporterSettings]):
    interface = 2
    name = "pipe"
    summary = "Lines into a pipe"
    Settings = ExporterSettings
    Encoder = PipeEncoder

    def route(self) -> Route:
        return Route("", 1, 1)

    def attempt(self, payload: Payload, timeout: float) -> Attempted:
        return Attempted(Delivered(), len(payload.body))


class LinesSettings(PageSettings, frozen=True, kw_only=True):
    env_prefix = "LINES_"


class LinesExporter(PageExporter[LinesSettings]):
    interface = 2
    name = "lines"
    summary = "A page with a line for each metric"
    Settings = LinesSettings

    def page(self, groups: Sequence[Group], accept: str | None) -> tuple[str, Iterator[bytes | Withheld]]:
        return "text/plain", (f"{group.stream.name}\n".encode() for group in groups)


def use(data: MetricsData) -> None:
    exporter = AcmeExporter(AcmeSettings(url="https://acme.example.net"), target="prod")
    assert_type(exporter.deliver(data, seconds=3), Receipt)
    assert_type(exporter.ledger.balanced, bool)
    assert_type(exporter.settings, AcmeSettings)
    for request, body in exporter.requests(data):
        assert_type(request, Request)
        assert_type(body, bytes)
    PipeExporter().shutdown()
    assert_type(LinesExporter().deliver(data), Receipt)
    with runtime.start(environment={}, interval=10.0) as telemetry:
        assert_type(telemetry.ledgers(), dict[str, Receipt])
        assert_type(telemetry.health().ready, bool)
        assert_type(telemetry.force_flush(), bool)
    target = runtime.Target(AcmeExporter, AcmeSettings(url="https://acme.example.net"))
    assert_type(target, runtime.Target[AcmeSettings])
    runtime.start(config=runtime.TelemetryConfig(targets={"prod": target, "page": LINES}))
    runtime.Target(AcmeExporter, LinesSettings())  # type: ignore[misc] # settings of another exporter


LINES = runtime.Target(LinesExporter, LinesSettings(), enabled=False)
