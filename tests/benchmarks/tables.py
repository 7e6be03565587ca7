"""The tables: who is compared with whom, on what. The first row of a table is ours; the others are told as multiples of it."""

from __future__ import annotations

import gc
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opentelemetry.sdk.metrics.export import AggregationTemporality

from magictel.plugin.exporter import Exporter
from tests.benchmarks import senders, vendors
from tests.benchmarks.data import Data
from tests.benchmarks.gateway import overheads
from tests.benchmarks.measure import Row, cpu_per_export, cpu_per_million, held_bytes, instructions, transient_mib
from tests.benchmarks.senders import (
    bodies,
    elasticsearch_exporter,
    helpers_bulk,
    official_otlp_body,
    orjson_lines,
    otlp_exporter,
    otlp_http,
    ours,
    remote_write_exporter,
    remote_write_peer,
)

SMALL = 50
_ROUND = 200


@dataclass(frozen=True, slots=True)
class Table:
    """`rows` are names and figures; `multiples`: the figures after the first are also told as multiples of it."""

    title: str
    unit: str
    rows: list[tuple[str, float]]
    multiples: bool = True


def elasticsearch(port: int, points: int) -> Iterator[Table]:
    """End to end."""
    for kind in ("gauge", "histogram"):
        data = Data(points, kind)
        rows = [
            Row("magictel, warm", data, ours(elasticsearch_exporter(port))),
            Row(
                "magictel, cold: new attributes each time",
                Data(points, kind),
                ours(elasticsearch_exporter(port)),
                1,
                True,
            ),
            Row("elasticsearch-py helpers.bulk", data, helpers_bulk(port)),
            Row("elasticsearch-py helpers.bulk, orjson", data, helpers_bulk(port, fast_json=True)),
            Row("an orjson line per document, http.client", data, orjson_lines(port)),
        ]
        if kind == "gauge":
            plain = elasticsearch_exporter(port, ELASTICSEARCH_COMPRESSION="none")
            brief = {"filter_path": "errors,items.*.status,items.*.error"}
            rows.insert(1, Row("magictel, warm, compression off as the peers have it", data, ours(plain)))
            rows.insert(
                5,
                Row(
                    "elasticsearch-py helpers.bulk, orjson, short replies",
                    data,
                    helpers_bulk(port, fast_json=True, **brief),
                ),
            )
        yield Table(
            f"Elasticsearch, {kind}s, {points} points an export", "CPU s per million points", cpu_per_million(rows)
        )


def remote_write(port: int, points: int) -> Iterator[Table]:
    """End to end; the peer is measured on fewer points where it is slow: the figure is per million anyway."""
    for kind, fewer in (("gauge", 10_000), ("histogram", 2_000)):
        rows = [
            row
            for version in ("1.0", "2.0")
            for row in (
                Row(f"magictel {version}, warm", Data(points, kind), ours(remote_write_exporter(port, version))),
                Row(
                    f"magictel {version}, cold: new attributes each time",
                    Data(points, kind),
                    ours(remote_write_exporter(port, version)),
                    1,
                    True,
                ),
            )
        ]
        rows += [
            Row(
                "opentelemetry-exporter-prometheus-remote-write",
                Data(min(points, fewer), kind),
                remote_write_peer(port),
            ),
        ]
        yield Table(
            f"Remote write, {kind}s, {points} points an export", "CPU s per million points", cpu_per_million(rows)
        )


def page(points: int) -> Iterator[Table]:
    """The scrape page, from the collection to its bytes; the peer is measured on fewer points where it is slow."""
    for kind, fewer in (("gauge", 20_000), ("histogram", 2_000)):
        rows = [
            Row("magictel, warm", Data(points, kind), senders.page()),
            Row("magictel, cold: new attributes each time", Data(points, kind), senders.page(), 1, True),
            Row("magictel, warm, OpenMetrics", Data(points, kind), senders.page("openmetrics")),
            Row("magictel, warm, protobuf", Data(points, kind), senders.page("protobuf")),
            Row(
                "opentelemetry-exporter-prometheus, generate_latest",
                Data(min(points, fewer), kind),
                senders.page_peer(),
            ),
        ]
        yield Table(f"Scrape page, {kind}s, {points} points", "CPU s per million points", cpu_per_million(rows))


def otlp(port: int, points: int) -> Iterator[Table]:
    """Encoding alone, where the peer is what the official exporters spend most of their time with; and end to end with gzip."""
    for kind, fewer in (("gauge", 20_000), ("histogram", 10_000)):
        rows = [
            Row("magictel, warm", Data(points, kind), bodies(otlp_exporter(port))),
            Row(
                "magictel, cold: new attributes each time",
                Data(points, kind),
                bodies(otlp_exporter(port)),
                1,
                True,
            ),
            Row("encode_metrics(...).SerializeToString()", Data(min(points, fewer), kind), official_otlp_body),
        ]
        yield Table(
            f"OTLP requests of {kind}s, {points} points, nothing sent",
            "CPU s per million points",
            cpu_per_million(rows),
        )
    rows = [
        Row("magictel, warm", Data(points, "histogram"), ours(otlp_exporter(port, "gzip"))),
        Row("OpenTelemetry's OTLP/HTTP exporter", Data(min(points, 10_000), "histogram"), otlp_http(port, gzip=True)),
    ]
    yield Table(
        f"OTLP, histograms with gzip, {points} points an export", "CPU s per million points", cpu_per_million(rows)
    )


def vendors_clients(port: int, points: int) -> Iterator[Table]:
    """End to end; sketches are encoded alone, which is all that their package does. Slow peers are measured on fewer points."""
    fewer = min(points, 10_000)
    peers = {
        "Datadog": (vendors.datadog_exporter, {"datadog-api-client": vendors.datadog_client(port)}),
        "New Relic": (vendors.newrelic_exporter, {"newrelic-telemetry-sdk": vendors.newrelic_client(port)}),
        "StatsD": (
            vendors.statsd_exporter,
            {
                "datadog, buffered": vendors.statsd_client(port, buffered=True),
                "datadog": vendors.statsd_client(port, buffered=False),
            },
        ),
    }
    for backend, (exporter, clients) in peers.items():
        rows = [
            Row("magictel, warm", Data(points), ours(exporter(port))),
            Row("magictel, cold: new attributes each time", Data(points), ours(exporter(port)), 1, True),
            *(Row(name, Data(fewer), send) for name, send in clients.items()),
        ]
        yield Table(f"{backend}, gauges, {points} points an export", "CPU s per million points", cpu_per_million(rows))
    delta = AggregationTemporality.DELTA
    rows = [
        Row("magictel, warm", Data(fewer, "histogram", delta), bodies(vendors.datadog_exporter(port))),
        Row(
            "magictel, cold: new attributes each time",
            Data(fewer, "histogram", delta),
            bodies(vendors.datadog_exporter(port)),
            1,
            True,
        ),
        Row("ddsketch, bucket by bucket", Data(fewer // 5, "histogram", delta), vendors.sketches),
        Row("ddsketch, value by value", Data(fewer // 5, "histogram", delta), vendors.sketches_of_values),
    ]
    yield Table(
        f"Sketches of histograms, {fewer} points, nothing sent", "CPU s per million points", cpu_per_million(rows)
    )


def small(port: int) -> Iterator[Table]:
    """What an application's reader does every few seconds."""
    data = Data(SMALL)
    peers = [
        Row("OpenTelemetry's OTLP/HTTP exporter", data, otlp_http(port), _ROUND),
        Row("elasticsearch-py helpers.bulk", data, helpers_bulk(port), _ROUND),
        Row("elasticsearch-py helpers.bulk, orjson", data, helpers_bulk(port, fast_json=True), _ROUND),
    ]
    search = Row("magictel, Elasticsearch", data, ours(elasticsearch_exporter(port)), _ROUND)
    yield Table(f"Elasticsearch, exports of {SMALL} points", "CPU µs an export", cpu_per_export([search, *peers]))
    otlp_row = Row("magictel, OTLP", data, ours(otlp_exporter(port)), _ROUND)
    yield Table(f"OTLP, exports of {SMALL} points", "CPU µs an export", cpu_per_export([otlp_row, peers[0]]))
    write = Row("magictel, remote write", data, ours(remote_write_exporter(port)), _ROUND)
    peer = Row("opentelemetry-exporter-prometheus-remote-write", data, remote_write_peer(port), _ROUND)
    yield Table(f"Remote write, exports of {SMALL} points", "CPU µs an export", cpu_per_export([write, peers[0], peer]))


def gateway() -> Iterator[Table]:
    """Recording of a request, without the SDK's calls."""
    yield Table("GatewayMetrics, beyond the SDK's calls", "CPU µs a request", overheads(), multiples=False)


def memory(port: int, points: int) -> Iterator[Table]:
    """What is held while a collection is sent, and between two."""
    data = Data(points)
    batch = data.collect(0)
    exporters: dict[str, Exporter[Any]] = {
        "magictel, Elasticsearch": elasticsearch_exporter(port),
        "magictel, remote write": remote_write_exporter(port),
        "magictel, OTLP": otlp_exporter(port),
    }
    rows = [(name, transient_mib(lambda e=exporter: e.deliver(batch))) for name, exporter in exporters.items()]  # type: ignore[misc]
    bulk = helpers_bulk(port, fast_json=True)
    rows.append(("elasticsearch-py helpers.bulk, orjson", transient_mib(lambda: bulk(batch))))
    whole = senders.page()
    rows.append(("magictel, scrape page", transient_mib(lambda: whole(batch))))
    yield Table(f"Memory while {points} gauge points are sent", "MiB at the peak", rows)
    cached: list[tuple[str, float]] = []
    for kind in ("gauge", "histogram"):
        series = Data(points // 5, kind)
        few, many = Data(10, kind).collect(0), series.collect(0)
        for name, make in (("Elasticsearch", elasticsearch_exporter), ("remote write", remote_write_exporter)):
            exporter = make(port)
            exporter.deliver(few)  # imports and connections are not the cache
            gc.collect()
            size = held_bytes(lambda e=exporter, all_=many: e.deliver(all_)) / series.points  # type: ignore[misc]
            cached.append((f"magictel, {name}, a {kind}'s series", size))
    cached[-1] = (f"{cached[-1][0]} (each is 15 of Prometheus')", cached[-1][1])
    yield Table("Cache between two exports", "bytes per series", cached, multiples=False)


def start_up() -> Iterator[Table]:
    """Whole commands, counted by valgrind; nothing where it is not installed."""
    bare = instructions("-c", "pass")
    if bare is None:
        return
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    commands = {
        "magictel list": ("list",),
        "magictel --version": ("--version",),
        "magictel --help": ("--help",),
        "magictel check, refused port": ("check", "elasticsearch", "--set", f"url=http://127.0.0.1:{port}"),
    }
    counted = [(name, (instructions("-m", "magictel", *command) or 0) / bare) for name, command in commands.items()]
    yield Table("Start-up", "instructions, as multiples of a bare interpreter's", counted, multiples=False)
