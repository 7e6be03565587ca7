"""StatsD: lines as a daemon reads them, datagrams that are full, and what can be known without replies."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Buckets,
    ExponentialHistogramDataPoint,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    Sum,
)
from opentelemetry.sdk.resources import Resource

from magictel.conformance.points import wrapped
from magictel.encoding.chunks import Chunk, chunks
from magictel.encoding.layouts import Layouts
from magictel.encoding.withheld import Withheld
from magictel.exporters.statsd import StatsdExporter
from magictel.exporters.statsd.encoding import StatsdEncoder
from magictel.exporters.statsd.settings import StatsdSettings
from magictel.model.metrics import Kind, Series, groups
from magictel.sandbox.statsd import Line, StatsdEmulator
from magictel.settings.load import resolve_settings
from tests.cli.running import magictel
from tests.exporters.datadog.test_encoding import number, stream
from tests.exporters.otlp.test_encoding import collections
from tests.fake_clock import FakeClock

NOW = 1_764_000_000 * 10**9


def lines(given: Any, point: Any, attributes: dict[str, Any] | None = None, **options: Any) -> list[Line]:
    exporter = StatsdExporter(StatsdSettings(**options), clock=FakeClock())
    item = StatsdEncoder(exporter).encode(Series(given, attributes or {}), point)
    exporter.shutdown(0)
    assert isinstance(item, bytes)
    emulator = StatsdEmulator(clock=FakeClock())
    emulator.receive(item)
    assert emulator.bad == []
    return emulator.lines


def test_numbers() -> None:
    assert lines(stream(), number(1.5)) == [Line("queue.size", 1.5, "g", 1, ())]
    counted = stream(Kind.SUM, "delta", monotonic=True)
    assert lines(counted, number(7), {"a b": "x|y"}) == [Line("queue.size", 7, "c", 1, ("a_b:x_y",))]


def test_a_plain_daemon_gets_no_tags_and_a_negative_gauge_in_two_lines() -> None:
    assert lines(stream(), number(-2), {"zone": "eu"}, tags="dropped") == [
        Line("queue.size", 0, "g", 1, ()),
        Line("queue.size", -2, "g", 1, ()),
    ]
    assert lines(stream(), number(2), {"zone": "eu"}, tags="joined")[0].name == "queue.size.zone.eu"


def histogram(counts: list[int]) -> HistogramDataPoint:
    return HistogramDataPoint({}, 0, NOW, sum(counts), 12.0, counts, [1.0, 2.0], 0.5, 4.0)


def test_a_histogram_is_its_aggregates() -> None:
    shown = {
        line.name: (line.value, line.kind) for line in lines(stream(Kind.HISTOGRAM, "delta"), histogram([1, 2, 3]))
    }
    assert shown == {
        "queue.size.count": (6, "c"),
        "queue.size.sum": (12, "c"),
        "queue.size.min": (0.5, "g"),
        "queue.size.max": (4, "g"),
    }


@given(st.lists(st.integers(0, 60_000), min_size=3, max_size=3).filter(any))
def test_a_distribution_counts_every_value(counts: list[int]) -> None:
    given_lines = lines(stream(Kind.HISTOGRAM, "delta"), histogram(counts), histograms="distributions")
    assert sum(line.weight for line in given_lines) == sum(counts)
    assert all(0.5 <= line.value <= 4 and line.kind == "d" for line in given_lines)


def test_an_exponential_histogram_is_a_distribution_too() -> None:
    point = ExponentialHistogramDataPoint({}, 0, NOW, 6, 3.0, 0, 1, Buckets(0, [2]), Buckets(0, [3]), 0, -2.0, 2.0)
    shown = lines(stream(Kind.EXPONENTIAL_HISTOGRAM, "delta"), point, histograms="distributions")
    assert sorted((line.value, line.weight) for line in shown) == [(-1.5, 3), (0.0, 1), (1.5, 2)]


@pytest.mark.parametrize(
    ("given", "value", "code"),
    [
        (stream(), float("inf"), "statsd.not-finite"),
        (stream(Kind.SUM, "cumulative", monotonic=True), 1, "statsd.cumulative"),
    ],
)
def test_what_statsd_has_no_form_for_is_withheld(given: Any, value: float, code: str) -> None:
    exporter = StatsdExporter(StatsdSettings(), clock=FakeClock())
    left_out = StatsdEncoder(exporter).encode(Series(given, {}), number(value))
    exporter.shutdown(0)
    assert isinstance(left_out, Withheld)
    assert left_out.code == code


def test_datagrams_are_full() -> None:
    points = [NumberDataPoint({"user": f"u{at}"}, NOW - 10**10, NOW, at) for at in range(2_000)]
    data = wrapped([Metric("orders", "", "", Sum(points, AggregationTemporality.DELTA, True))], Resource({}))
    exporter = StatsdExporter(StatsdSettings(), clock=FakeClock())
    sizes = [len(payload.body) for payload in exporter.payloads(data) if not isinstance(payload, Withheld)]
    exporter.shutdown(0)
    assert max(sizes) <= 1432
    assert sum(sizes[:-1]) / (1432 * len(sizes[:-1])) > 0.9


def test_no_datagram_is_larger_than_the_limit_and_an_empty_histogram_sends_none() -> None:
    many = HistogramDataPoint({}, 0, NOW, 20, 0.0, [1] * 20, [float(at) for at in range(19)], 0.0, 19.0)
    empty = HistogramDataPoint({}, 0, NOW, 0, 0.0, [0, 0], [1.0], float("inf"), float("-inf"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(5)
        settings = StatsdSettings(port=daemon.getsockname()[1], histograms="distributions", max_datagram_bytes=128)
        exporter = StatsdExporter(settings, clock=FakeClock())
        receipt = exporter.deliver(
            wrapped([Metric("waited", "", "", Histogram([many, empty], AggregationTemporality.DELTA))])
        )
        assert (receipt.unconfirmed, receipt.withheld) == (1, 1)
        exporter.shutdown(0)
        sizes = [len(daemon.recv(65535))]
        daemon.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                sizes.append(len(daemon.recv(65535)))
    assert max(sizes) <= 128
    assert len(sizes) > 1


def test_the_variable_that_kubernetes_sets_for_a_service_named_statsd_is_its_port() -> None:
    environment = {"STATSD_PORT": "udp://10.0.0.7:9125", "STATSD_PORT_9125_UDP_ADDR": "10.0.0.7"}
    resolved = resolve_settings("statsd", "statsd", StatsdSettings, environment=environment)
    assert (resolved.settings.port, resolved.warnings) == (9125, ())


def test_a_port_at_which_nothing_listens_is_named(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    checked = magictel("check", "statsd", "--set", f"port={port}", folder=tmp_path)
    assert checked.code == 1
    assert "statsd.refused" in checked.out


def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "dsd.socket"
    assert "statsd.refused" in magictel("check", "statsd", "--set", f"socket={path}", folder=tmp_path).out
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as agent:
        agent.bind(str(path))
        agent.settimeout(5)
        assert magictel("send-sample", "statsd", "--set", f"socket={path}", folder=tmp_path).code == 3
        assert b"|#" in b"".join(agent.recv(65535) for _ in range(3))


def test_a_sample_is_sent_and_not_confirmed(tmp_path: Path) -> None:
    sent = magictel("send-sample", "statsd", "--sandbox", "--format", "json", folder=tmp_path)
    (target,) = sent.document["targets"]
    assert (sent.code, target["outcome"]) == (3, "unverified")


@settings(max_examples=50)
@given(collections, st.sampled_from(["dogstatsd", "joined", "dropped"]))
def test_columns_give_the_bytes_of_encode(data: MetricsData, tags: Any) -> None:
    encoder = StatsdEncoder(SimpleNamespace(settings=StatsdSettings(tags=tags)))
    slow, fast = (list(chunks(groups(data), encoder.encode, each, Layouts(), 50)) for each in (None, encoder))
    assert b"".join(chunk.body for chunk in fast if isinstance(chunk, Chunk)) == b"".join(
        chunk.body for chunk in slow if isinstance(chunk, Chunk)
    )
    for chunk in fast:
        assert not isinstance(chunk, Chunk) or sum(chunk.sizes or ()) == len(chunk.body)
