"""StatsD: lines as a daemon reads them, datagrams that are full, and what can be known without replies."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from dataclasses import replace
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
    Gauge,
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


@pytest.mark.parametrize("tags", ["dogstatsd", "joined", "dropped"])
def test_a_negative_gauge_is_set_to_0_first_because_daemons_subtract_it(tags: str) -> None:
    shown = lines(stream(), number(-2), tags=tags)
    assert shown == [Line("queue.size", 0, "g", 1, ()), Line("queue.size", -2, "g", 1, ())]


def test_a_plain_daemon_gets_names_without_tags_in_characters_that_it_keeps() -> None:
    assert lines(stream(), number(2), {"zone": "eu"}, tags="dropped") == [Line("queue.size", 2, "g", 1, ())]
    (line,) = lines(stream(), number(2), {"zone": "größe.1", "ä": 1}, tags="joined", prefix="gate/way.")
    assert line.name == "gate_way.queue.size._.1.zone.gr_e_1"


@pytest.mark.parametrize("tags", ["joined", "dogstatsd"])
def test_a_name_and_its_tags_do_not_depend_on_the_order_of_attributes(tags: str) -> None:
    first, second = {"a": 1, "b": 2}, {"b": 2, "a": 1}
    assert lines(stream(), number(2), first, tags=tags) == lines(stream(), number(2), second, tags=tags)


def test_an_attribute_without_a_value_is_no_tag_because_the_collector_drops_the_whole_line() -> None:
    assert lines(stream(), number(2), {"zone": "", "shard": 3}) == [Line("queue.size", 2, "g", 1, ("shard:3",))]


def test_minima_and_maxima_of_series_without_tags_would_overwrite_each_other() -> None:
    shown = lines(stream(Kind.HISTOGRAM, "delta"), histogram([1, 2, 3]), tags="dropped")
    assert [line.name for line in shown] == ["queue.size.count", "queue.size.sum"]


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


GAUGES = {
    "joined": ({"zone": "a.b"}, {"zone": "a_b"}, {"zone": "c"}),
    "dogstatsd": ({"zone": "a b"}, {"zone": "a_b"}, {"zone": "c"}),
    "types": ({"zone": "1"}, {"zone": 1}, {"zone": "c"}),
}


@pytest.mark.parametrize("name", GAUGES)
@pytest.mark.parametrize("kind", ["gauge", "histogram"])
def test_gauges_that_become_one_are_refused_by_name_and_the_first_one_stays(name: str, kind: str) -> None:
    tags = "dogstatsd" if name == "types" else name
    exporter = StatsdExporter(StatsdSettings(tags=tags), clock=FakeClock())  # type: ignore[arg-type] # a text
    first, second, third = GAUGES[name]
    for order in ((first, second, third), (second, third, first)):
        points: list[Any] = [
            replace(histogram([1, 2, 3]), attributes=given)
            if kind == "histogram"
            else replace(number(1), attributes=given)
            for given in order
        ]
        data = Gauge(points) if kind == "gauge" else Histogram(points, AggregationTemporality.DELTA)
        prepared = exporter.prepare(wrapped([Metric("queue.size", "", "", data)]))
        (refused,) = prepared.withheld
        assert (refused.code, refused.refused) == ("statsd.collision", True)
        assert "queue.size{zone=" in refused.message
        assert [dict(series.attributes) for series, _ in prepared.points()] == [x for x in order if x is not second]
    exporter.shutdown(0)


def test_without_tags_a_gauge_of_each_name_is_sent_and_counts_add_up() -> None:
    exporter = StatsdExporter(StatsdSettings(tags="dropped"), clock=FakeClock())
    points: list[Any] = [replace(number(at), attributes={"zone": at}) for at in range(3)]
    added = Sum(points, AggregationTemporality.DELTA, True)
    prepared = exporter.prepare(wrapped([Metric("size", "", "", Gauge(points)), Metric("count", "", "", added)]))
    exporter.shutdown(0)
    assert [(left_out.code, left_out.refused) for left_out in prepared.withheld] == [("statsd.collision", False)] * 2
    assert [series.stream.name for series, _ in prepared.points()] == ["size", "count", "count", "count"]


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


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_check_names_a_port_that_refuses_datagrams(tmp_path: Path) -> None:
    checked = magictel("check", "statsd", "--set", f"port={free_port()}", folder=tmp_path)
    assert checked.code == 1
    assert "statsd.refused" in checked.out


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_check_names_the_process_that_listens_at_a_port_of_this_machine(address: str, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind((address, 0))
        ran = magictel(
            "check", "statsd", "--set", f"port={daemon.getsockname()[1]}", "--format", "json", folder=tmp_path
        )
    message = next(rung["message"] for rung in ran.document["targets"][0]["rungs"] if rung["rung"] == "write")
    assert ran.code == 0
    if sys.platform == "linux":
        assert f"process {os.getpid()} (" in message
    assert "whether it reads StatsD is not known" in message


@pytest.mark.parametrize("there", ["nothing", "a file", "a stream", "left behind", "a process"])
def test_check_of_a_unix_socket_knows_whether_a_process_listens(there: str, tmp_path: Path) -> None:
    path = tmp_path / "dsd.socket"
    kind = socket.SOCK_STREAM if there == "a stream" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_UNIX, kind) as agent:
        if there == "a file":
            path.touch()
        elif there != "nothing":
            agent.bind(str(path))
        if there == "left behind":
            agent.close()
        ran = magictel("check", "statsd", "--set", f"socket={path}", "--format", "json", folder=tmp_path)
    write = next(rung for rung in ran.document["targets"][0]["rungs"] if rung["rung"] == "write")
    if there == "a process":
        assert (ran.code, write["code"]) == (0, None)
        assert write["message"].startswith("a process listens at this socket")
    else:
        expected = "statsd.unreachable" if there == "a stream" else "statsd.uds"
        assert (ran.code, write["code"]) == (1, expected), write


def test_a_sample_goes_to_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "dsd.socket"
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
