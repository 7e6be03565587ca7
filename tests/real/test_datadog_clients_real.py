"""Datadog's own Go clients, which send to our emulator: it stores what they send, and our exporter sends the same for the same points.

The clients are the two of the Collector's Datadog exporter: the agent's serializer (protobuf, deflate) and the Go API client (JSON, gzip).
Once: `bash ../shared/real/start_datadog_client.sh --build-only`. Then `python -m pytest -m real tests/real/test_datadog_clients_real.py`
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    ScopeMetrics,
)

from magictel.exporters.datadog import DatadogExporter
from magictel.exporters.datadog.names import metric_name, tag
from magictel.exporters.datadog.settings import DatadogSettings
from magictel.exporters.otlp import OtlpExporter
from magictel.exporters.otlp.settings import OtlpSettings
from magictel.http.wire import Request
from magictel.sandbox.datadog import API_KEY, APP_KEY, SERIES, SKETCHES, DatadogEmulator
from magictel.sandbox.datadog_protobuf import MetricPayload, SketchPayload
from magictel.sandbox.endpoints import decompressed
from magictel.sandbox.server import Server
from magictel.secrets.secret import Secret
from magictel.sources.sample import sample

SCRIPT = Path(__file__).parents[3] / "shared" / "real" / "start_datadog_client.sh"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "magictel-real"
BUILT = sorted(CACHE.glob("mt-datadogclient-????????????????"))
HOST = "magictel-host"
"""The host that the clients are configured with."""
NOT_OURS = ("instrumentation_scope",)
"""Tags of the scope and the resource that the clients always send, and we do not."""
MODES = {"distributions": "distributions", "counters": "counters", "aggregates": "nobuckets"}
pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(120),
    pytest.mark.skipif(not (SCRIPT.exists() and BUILT), reason=f"bash {SCRIPT} --build-only builds these clients"),
]


class Clients(NamedTuple):
    """The OTLP addresses of both clients, and the emulator that they send to."""

    doors: dict[str, str]
    server: Server
    emulator: DatadogEmulator
    histograms: str


@pytest.fixture(scope="module", params=MODES)
def clients(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    emulator = DatadogEmulator()
    ready = tmp_path_factory.mktemp("clients") / "env"
    with Server(emulator, record=True) as server:
        command = ["bash", str(SCRIPT), "--to", server.origin, "--api-key", API_KEY, "--fail-on-invalid-key"]
        given = {"DATADOG_CLIENT_BIN": str(BUILT[-1]), "MT_DDC_HISTOGRAMS": MODES[request.param]}
        given |= {"MT_DDC_AGGREGATIONS": "true"} if request.param != "distributions" else {}
        with subprocess.Popen(
            [*command, "--env-file", str(ready), "--for", "100"],
            env={**os.environ, **given},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as running:
            try:
                until = time.monotonic() + 60
                while not ready.exists() and running.poll() is None and time.monotonic() < until:
                    time.sleep(0.05)
                assert ready.exists(), running.communicate(timeout=10)[1].decode()
                doors = dict(re.findall(r"MT_DDCLIENT_(AGENT|API)_OTLP_HTTP_URL=(\S+)", ready.read_text()))
                yield Clients(doors, server, emulator, request.param)
            finally:
                running.terminate()


class Item(NamedTuple):
    """A series or a sketch, its name and tags as Datadog stores them; `numbers`: type, time and value, or those of the sketch."""

    metric: str
    host: str
    tags: frozenset[str]
    numbers: tuple[Any, ...]


def items(requests: Iterable[Request], run: str) -> set[Item]:
    """Return the series and sketches of a run that requests carry."""
    sent = set()
    for request in requests:
        body = decompressed(request)
        assert body is not None
        if request.path == SERIES:
            text = "json" in request.header("Content-Type")
            payload = ParseDict(json.loads(body), MetricPayload()) if text else MetricPayload.FromString(body)
            for series in payload.series:
                host = next((resource.name for resource in series.resources if resource.type == "host"), "")
                numbers = (series.type, *((point.timestamp, point.value) for point in series.points))
                sent.add(Item(metric_name(series.metric), host, stored(series.tags), numbers))
        elif request.path == SKETCHES:
            for sketch in SketchPayload.FromString(body).sketches:
                (bins,) = sketch.dogsketches
                numbers = bins.ts, bins.cnt, bins.min, bins.max, bins.avg, bins.sum, tuple(bins.k), tuple(bins.n)
                sent.add(Item(metric_name(sketch.metric), sketch.host, stored(sketch.tags), numbers))
    return {item for item in sent if f"a_run:{run}" in item.tags}


def stored(tags: Iterable[str]) -> frozenset[str]:
    return frozenset(tag(each) for each in tags if not each.startswith(NOT_OURS))


def ours(data: MetricsData, histograms: str, run: str) -> set[Item]:
    options: dict[str, Any] = {"api_key": Secret(API_KEY), "hostname": HOST, "histograms": histograms}
    exporter = DatadogExporter(DatadogSettings(**options), prepare=False)
    return items((request for request, _ in exporter.requests(data)), run)


def is_exponential(item: Item, histograms: str) -> bool:
    """Return whether an item is of an exponential histogram in a form that we do not send, in these modes: distributions, or any."""
    exponential = item.metric.startswith("magictel.sample.size")
    return exponential and (histograms == "counters" or (histograms == "aggregates" and item.metric.endswith("size")))


@pytest.mark.parametrize("client", ["AGENT", "API"])
def test_a_client_of_datadog_sends_what_we_send_and_the_emulator_stores_it(clients: Clients, client: str) -> None:
    run, now = f"r{uuid.uuid4().hex[:10]}", time.time_ns()
    data = sample(run, time.time(), thorough=True, attributes={"a_run": run}).preferred(delta=True).data
    wide = HistogramDataPoint({"a_run": run}, now - 10**10, now, 10, 2e6, [1, 2, 3, 4], [1e-5, 1e6, 1234567.5], 0, 2e6)
    extra = Metric("wide", "", "By", Histogram([wide], AggregationTemporality.DELTA))
    (resource,) = data.resource_metrics
    scope = ScopeMetrics(resource.scope_metrics[0].scope, [extra], "")
    data = MetricsData([replace(resource, scope_metrics=[*resource.scope_metrics, scope])])
    door = OtlpExporter(OtlpSettings(url=clients.doors[client]))
    receipt = door.deliver(data)
    door.shutdown(0)
    assert receipt.delivered == 18, receipt
    expected = ours(data, clients.histograms, run)
    assert expected
    until = time.monotonic() + 30
    while not expected <= items(list(clients.server.requests), run) and time.monotonic() < until:
        time.sleep(0.1)
    theirs = items(list(clients.server.requests), run)
    assert {item for item in theirs if not is_exponential(item, clients.histograms)} == expected
    places = {(point.metric, point.tags) for point in clients.emulator.points if f"a_run:{run}" in point.tags}
    assert len(places) >= len(expected)


def test_what_a_client_sent_answers_a_query(clients: Clients) -> None:
    run = f"r{uuid.uuid4().hex[:10]}"
    data = sample(run, time.time(), attributes={"a_run": run}).preferred(delta=True).data
    door = OtlpExporter(OtlpSettings(url=clients.doors["API"]))
    assert door.deliver(data).delivered == 12
    door.shutdown(0)
    name = "magictel.sample.latency"
    query = f"count:{name}" if clients.histograms == "distributions" else f"sum:{name}.count"
    asked = {
        "from": int(time.time()) - 600,
        "to": int(time.time()) + 60,
        "query": f"{query}{{a_run:{run}}} by {{shard}}",
    }
    keys = {"DD-API-KEY": API_KEY, "DD-APPLICATION-KEY": APP_KEY}
    reply = httpx.get(f"{clients.server.origin}/api/v1/query", params=asked, headers=keys, trust_env=False).json()
    shown = {row["tag_set"][0]: [value for _, value in row["pointlist"]] for row in reply["series"]}
    assert shown == {"shard:9": [14.0], "shard:10": [3.0]}


def test_every_request_of_a_client_is_accepted(clients: Clients) -> None:
    """Also the check of the key at their start; `--fail-on-invalid-key` ends them otherwise."""
    asked = {(request.method, request.path.partition("?")[0]) for request in clients.server.requests}
    assert asked >= {("GET", "/api/v1/validate")}
    assert asked <= {("GET", "/api/v1/validate"), ("GET", "/api/v1/query"), ("POST", SERIES), ("POST", SKETCHES)}
