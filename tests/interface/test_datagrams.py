"""Datagrams: an exporter with an `attempt` of its own, small limits that are filled, and nobody who says that anything arrived."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated

import pytest
from opentelemetry.sdk.metrics.export import HistogramDataPoint, MetricExportResult

from magictel.delivery.attempt import Attempted
from magictel.encoding.payload import Payload, Route
from magictel.encoding.withheld import Withheld
from magictel.ladder.climb import climb
from magictel.ladder.steps import network_steps
from magictel.model.finding import Finding, Rung, Status
from magictel.model.metrics import Point, Series
from magictel.model.outcome import Fate, TooLarge, Unavailable, Unconfirmed
from magictel.net.endpoint import Endpoint
from magictel.net.tls import TlsOptions
from magictel.plugin.exporter import Exporter
from magictel.plugin.interface import Encoder
from magictel.settings.model import ExporterSettings, option
from tests.delivery.points import collection

LARGEST = 1432


class StatsdSettings(ExporterSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    env_prefix = "STATSD_"

    port: Annotated[int, option("Where the agent listens.", example=8125)] = 8125
    largest: Annotated[int, option("Bytes of a datagram.", unit="bytes", example=1432)] = LARGEST


class StatsdEncoder(Encoder["StatsdExporter"]):
    def encode(self, series: Series, point: Point) -> bytes | Withheld:
        if isinstance(point, HistogramDataPoint):
            return Withheld("statsd.histogram", "StatsD has no histograms", series.stream.name)
        tags = ",".join(f"{key}:{value}" for key, value in series.attributes.items())
        return f"{series.stream.name}:{point.value}|g|#{tags}\n".encode()  # type: ignore[union-attr]


class StatsdExporter(Exporter[StatsdSettings]):
    interface = 2
    name = "statsd"
    summary = "lines in datagrams"
    Settings = StatsdSettings
    Encoder = StatsdEncoder
    confirms = False

    def route(self) -> Route:
        return Route("", 10_000, self.settings.largest)

    def attempt(self, payload: Payload, timeout: float) -> Attempted:
        if len(payload.body) > self.settings.largest:
            return Attempted(TooLarge("statsd.too-large", "a line is longer than a datagram may be"))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
            try:
                wire.sendto(payload.body, ("127.0.0.1", self.settings.port))
            except OSError as failure:
                return Attempted(Unavailable("statsd.unreachable", str(failure)))
        return Attempted(Unconfirmed("statsd.unconfirmed", "UDP has no answers"), len(payload.body))


@pytest.fixture
def agent() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(5)
        yield listening


def received(agent: socket.socket, points: int) -> list[bytes]:
    datagrams: list[bytes] = []
    while sum(datagram.count(b"\n") for datagram in datagrams) < points:
        datagrams.append(agent.recv(65_535))
    return datagrams


def test_datagrams_are_nine_tenths_full_and_count_as_unconfirmed(agent: socket.socket) -> None:
    exporter = StatsdExporter(StatsdSettings(port=agent.getsockname()[1]))
    receipt = exporter.deliver(collection(range(300)))
    datagrams = received(agent, 200)
    assert (receipt.unconfirmed, receipt.withheld, receipt.delivered) == (200, 100, 0)
    assert receipt.balanced
    assert all(len(datagram) <= LARGEST for datagram in datagrams)
    assert all(len(datagram) >= 0.9 * LARGEST for datagram in datagrams[:-1])
    lines = b"".join(datagrams).splitlines()
    assert len(set(lines)) == 200


def test_that_nobody_confirms_is_no_failure_of_an_export(
    agent: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    exporter = StatsdExporter(StatsdSettings(port=agent.getsockname()[1]))
    assert exporter.export(collection([0, 1])) is MetricExportResult.SUCCESS
    assert exporter.ledger.unconfirmed == 2
    assert caplog.records == []


def test_a_line_that_no_datagram_can_carry_is_rejected_and_not_sent(agent: socket.socket) -> None:
    exporter = StatsdExporter(StatsdSettings(port=agent.getsockname()[1], largest=40))
    receipt = exporter.deliver(collection([0, 111_111_111_111_112]))
    assert (receipt.unconfirmed, receipt.rejected) == (1, 1)
    assert {reason.code for reason in receipt.reasons if reason.fate is Fate.REJECTED} == {"statsd.too-large"}
    assert len(received(agent, 1)) == 1


class StreamExporter(StatsdExporter):
    """The same lines over a connection, say: network rungs without HTTP."""

    name = "stream"

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (Endpoint("http", "127.0.0.1", self.settings.port),)

    def tls_options(self) -> TlsOptions:
        return TlsOptions()

    def steps(self, timeout: float) -> Mapping[Rung, Callable[[], Finding]]:
        return network_steps(self, timeout, (Rung.DNS, Rung.TCP))


def test_the_network_rungs_need_no_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        exporter = StreamExporter(StatsdSettings(port=listening.getsockname()[1]))
        well = {finding.rung: finding.outcome for finding in climb(exporter.steps(2.0), until=Rung.TCP)}
        assert well[Rung.DNS] is well[Rung.TCP] is Status.PASS
    findings = {finding.rung: finding for finding in climb(exporter.steps(2.0), until=Rung.WRITE)}
    assert (findings[Rung.TCP].outcome, findings[Rung.TCP].code) == (Status.FAIL, "net.tcp.refused")
    assert findings[Rung.WRITE].outcome in (Status.BLOCKED, Status.SKIPPED)
