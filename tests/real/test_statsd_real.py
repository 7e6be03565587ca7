"""StatsD against real receivers: the Collector's, by UDP and a Unix socket, and the original daemon.

Run: `bash ../shared/real/start_prom3.sh -- bash ../shared/real/start_collector.sh -- python -m pytest -m real
tests/real/test_statsd_real.py`; the original daemon besides with `npm install --prefix FOLDER statsd@0.9.0` and
MT_STATSD_JS=FOLDER/node_modules/statsd.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from opentelemetry.sdk.metrics.export import AggregationTemporality, Gauge, Histogram, Metric, NumberDataPoint, Sum
from opentelemetry.sdk.resources import Resource

from magictel.conformance.points import wrapped
from magictel.exporters.statsd import StatsdExporter
from magictel.exporters.statsd.settings import StatsdSettings
from magictel.formats.otlp.readback import every_point
from magictel.model.verification import Value
from tests.cli.running import magictel
from tests.exporters.statsd.test_statsd import histogram

HOW = (
    "bash ../shared/real/start_prom3.sh -- bash ../shared/real/start_collector.sh --"
    " python -m pytest -m real tests/real/test_statsd_real.py"
)
DAEMON = "npm install --prefix FOLDER statsd@0.9.0; MT_STATSD_JS=FOLDER/node_modules/statsd"
SECONDS = 20.0
pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]


def given(variable: str, how: str = HOW) -> str:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set; this runs it: {how}")
    return value


def free(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def until(shown: Callable[[], Any]) -> Any:
    """Return what is shown once it is something."""
    end = time.monotonic() + SECONDS
    while not (value := shown()) and time.monotonic() < end:
        time.sleep(0.05)
    return value


class Door(NamedTuple):
    """A receiver: the options that reach it, and the file of what it forwards."""

    options: Mapping[str, Any]
    file: Path

    def points(self, name: str) -> list[Mapping[str, Value]]:
        """Return the points of a metric in the file."""
        texts = self.file.read_bytes().splitlines()
        return [seen.fields for text in texts for seen in every_point(text) if seen.fields["name"] == name]


CONFIG = """
extensions: {{health_check: {{endpoint: "127.0.0.1:{health}"}}}}
receivers:
  statsd/udp: &form
    endpoint: "127.0.0.1:{port}"
    aggregation_interval: 1s
    counter_type: float
    timer_histogram_mapping: [{{statsd_type: distribution, observer_type: histogram, histogram: {{max_size: 160}}}}]
  statsd/unix: {{<<: *form, transport: unixgram, endpoint: "{folder}/dsd.socket"}}
processors: {{deltatocumulative: {{}}}}
exporters:
  file/udp: {{path: "{folder}/udp.jsonl", flush_interval: 50ms}}
  file/unix: {{path: "{folder}/unix.jsonl", flush_interval: 50ms}}
  prometheus_remote_write: {{endpoint: "{prometheus}"}}
service:
  extensions: [health_check]
  telemetry: {{metrics: {{level: none}}, logs: {{level: warn}}}}
  pipelines:
    metrics/udp: {{receivers: [statsd/udp], exporters: [file/udp]}}
    metrics/unix: {{receivers: [statsd/unix], exporters: [file/unix]}}
    metrics/prometheus: {{receivers: [statsd/udp], processors: [deltatocumulative], exporters: [prometheus_remote_write]}}
"""


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Door]]:
    """A Collector of ours, the same program as the one that runs, that keeps decimals of counts and merges distributions."""
    program = Path(f"/proc/{given('MT_PID_OTELCOL')}/exe").resolve()
    folder, port, health = tmp_path_factory.mktemp("c"), free(socket.SOCK_DGRAM), free(socket.SOCK_STREAM)
    prometheus = os.environ.get("MT_PROM3_RW_URL", "http://127.0.0.1:9/")
    config = CONFIG.format(folder=folder, port=port, health=health, prometheus=prometheus)
    (folder / "config.yaml").write_text(config)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "--config", folder / "config.yaml"], stdout=log, stderr=log)
        try:
            until(lambda: ready(f"http://127.0.0.1:{health}/") or process.poll() is not None)
            assert process.poll() is None, (folder / "log").read_text()
            yield {
                "udp": Door({"port": port}, folder / "udp.jsonl"),
                "unix": Door({"socket": str(folder / "dsd.socket"), "max_datagram_bytes": 8192}, folder / "unix.jsonl"),
            }
        finally:
            process.terminate()
            process.wait(20)


def ready(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def delivered(options: Mapping[str, Any], *metrics: Metric, times: int = 1) -> None:
    exporter = StatsdExporter(StatsdSettings(**options))
    for _ in range(times):
        receipt = exporter.deliver(wrapped(list(metrics), Resource({})))
        assert receipt.unconfirmed == receipt.sent, receipt
    exporter.shutdown()


def number(value: float, **attributes: Any) -> NumberDataPoint:
    now = time.time_ns()
    return NumberDataPoint(attributes, now - 10**9, now, value)


def counts(name: str, *values: float, **attributes: Any) -> Metric:
    points = [number(value, **attributes) for value in values]
    return Metric(name, "", "", Sum(points, AggregationTemporality.DELTA, True))


@pytest.mark.parametrize("way", ["udp", "unix"])
def test_counts_gauges_and_tags_are_what_the_collector_forwards(way: str, doors: dict[str, Door]) -> None:
    door, name = doors[way], f"n{time.time_ns()}"
    tags = {"zone": "größe, a|b", "shard": 3, "canary": True, "empty": ""}
    delivered(
        door.options, counts(f"{name}.count", 3, 0.5, **tags), Metric(f"{name}.gauge", "", "", Gauge([number(-2.5)]))
    )
    (count,) = until(lambda: door.points(f"{name}.count"))
    (gauge,) = until(lambda: door.points(f"{name}.gauge"))
    assert (count["value"], count["kind"], count["temporality"], gauge["value"]) == (3.5, "sum", "delta", -2.5)
    shown = {key.removeprefix("attributes."): text for key, text in count.items() if key.startswith("attributes.")}
    assert shown == {"zone": "größe_a_b", "shard": "3", "canary": "true"}


def test_a_negative_gauge_that_is_sent_again_before_the_flush_is_not_added_up(doors: dict[str, Door]) -> None:
    name = f"n{time.time_ns()}"
    delivered(doors["udp"].options, Metric(name, "", "", Gauge([number(-2)])), times=5)
    shown = until(lambda: doors["udp"].points(name))
    assert {point["value"] for point in shown} == {-2.0}


@pytest.mark.parametrize("way", ["udp", "unix"])
def test_a_distribution_has_as_many_values_as_the_histogram(way: str, doors: dict[str, Door]) -> None:
    name, door = f"n{time.time_ns()}", doors[way]
    point = replace(histogram([1, 2, 60_000]), attributes={})
    data = Histogram([point], AggregationTemporality.DELTA)
    delivered({**door.options, "histograms": "distributions"}, Metric(name, "", "", data))
    (shown,) = until(lambda: door.points(name))
    assert (shown["kind"], shown["count"]) == ("exponential_histogram", 60_003)
    assert (shown["min"], shown["max"]) == (0.75, 3.0)  # the middles of the first and the last bucket


def verified(folder: Path, options: Mapping[str, Any], reader: str) -> Any:
    lines = [f"{key} = {json.dumps(value)}" for key, value in options.items()]
    (folder / "magictel.toml").write_text(
        f'[targets.agent]\nexporter = "statsd"\nverify = {{ target = "behind" }}\n{chr(10).join(lines)}\n'
        f"[targets.behind]\n{reader}\n"
    )
    command = ("send-sample", "agent", "--config", "magictel.toml", "--within", "20s", "--format", "json")
    ran = magictel(*command, folder=folder)
    return ran.code, ran.document["targets"][0]


@pytest.mark.parametrize("way", ["udp", "unix"])
def test_a_sample_is_verified_with_the_collectors_file(way: str, doors: dict[str, Door], tmp_path: Path) -> None:
    door = doors[way]
    code, target = verified(tmp_path, door.options, f'exporter = "file"\npath = "{door.file}"')
    assert (code, target["outcome"], target["verification"]["found"]) == (0, "verified", 12), target


def test_a_sample_is_verified_with_a_prometheus_behind_the_collector(doors: dict[str, Door], tmp_path: Path) -> None:
    url = given("MT_PROM3_RW_URL")
    code, target = verified(tmp_path, doors["udp"].options, f'exporter = "prometheus-remote-write"\nurl = "{url}"')
    assert (code, target["outcome"], target["verification"]["found"]) == (0, "verified", 12), target


def test_a_collector_as_it_is_by_default_cuts_counts_and_the_sample_says_so(tmp_path: Path) -> None:
    port = int(given("MT_OTELCOL_STATSD").rpartition(":")[2])
    reader = f'exporter = "file"\npath = "{given("MT_OTELCOL_FILE")}"'
    code, target = verified(tmp_path, {"port": port}, reader)
    altered = {
        (difference["field"], difference["sent"], difference["seen"])
        for difference in target["verification"]["differences"]
        if difference["declared"] is None
    }
    assert (code, target["outcome"]) == (1, "altered"), target
    assert altered == {
        ("value", 0.5, 0),
        ("value", 1234.25, 1234),
        ("sum", 18.75, 18),
        ("sum", 1.5, 1),
        ("sum", 96.5, 96),
    }


# ---- the original daemon ------------------------------------------------------------------------------------------------

BACKEND = """
const fs = require('fs');
exports.init = (started, config, events) => {
  events.on('flush', (time, metrics) =>
    fs.appendFileSync(config.dump, JSON.stringify({counters: metrics.counters, gauges: metrics.gauges}) + '\\n'));
  return true;
};
"""


class Daemon(NamedTuple):
    """A StatsD daemon: its port, and the file to which it writes each flush."""

    port: int
    file: Path

    def gauges(self) -> Mapping[str, float]:
        return self._flushed()[-1]["gauges"] if self._flushed() else {}

    def counters(self) -> Mapping[str, float]:
        """Return the counts of all flushes."""
        added: dict[str, float] = {}
        for flushed in self._flushed():
            for name, value in flushed["counters"].items():
                added[name] = added.get(name, 0) + value
        return added

    def _flushed(self) -> list[Any]:
        return [json.loads(text) for text in self.file.read_text().splitlines()]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    installed = Path(given("MT_STATSD_JS", DAEMON))
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    folder, port, management = tmp_path_factory.mktemp("d"), free(socket.SOCK_DGRAM), free(socket.SOCK_STREAM)
    (folder / "dump.js").write_text(BACKEND)
    (folder / "dump.jsonl").touch()
    (folder / "config.js").write_text(
        f"{{port: {port}, address: '127.0.0.1', mgmt_port: {management}, mgmt_address: '127.0.0.1', flushInterval: 300,"
        f" deleteCounters: true, backends: ['{folder}/dump.js'], dump: '{folder}/dump.jsonl'}}"
    )
    daemon = Daemon(port, folder / "dump.jsonl")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([node, installed / "stats.js", folder / "config.js"], stdout=log, stderr=log)
        try:
            until(daemon._flushed)
            assert process.poll() is None, (folder / "log").read_text()
            yield daemon
        finally:
            process.terminate()
            process.wait(20)


def test_the_original_daemon_stores_joined_names_counts_and_negative_gauges(original: Daemon) -> None:
    name = f"n{time.time_ns()}"
    gauge = Metric(f"{name}.größe", "", "", Gauge([number(-2.5, zone="eu/west 1")]))
    histograms = Histogram([replace(histogram([1, 2, 3]), attributes={})], AggregationTemporality.DELTA)
    metrics = gauge, counts(f"{name}.count", 3, 0.5, zone="a"), Metric(f"{name}.time", "", "", histograms)
    delivered({"port": original.port, "tags": "joined"}, *metrics, times=2)
    shown = until(lambda: {key: value for key, value in original.gauges().items() if key.startswith(name)})
    assert shown == {f"{name}.gr_e.zone.eu_west_1": -2.5, f"{name}.time.min": 0.5, f"{name}.time.max": 4}
    added = until(lambda: {key: value for key, value in original.counters().items() if key.startswith(name)})
    assert added == {f"{name}.count.zone.a": 7, f"{name}.time.count": 12, f"{name}.time.sum": 24}


def test_the_original_daemon_adds_up_counts_without_tags_and_gets_one_gauge_of_each_name(original: Daemon) -> None:
    name = f"n{time.time_ns()}"
    exporter = StatsdExporter(StatsdSettings(port=original.port, tags="dropped"))
    points = [number(at, zone=at) for at in (1, 2, 3)]
    counted = counts(f"{name}.count", 1, 2, zone="a")
    receipt = exporter.deliver(wrapped([Metric(name, "", "", Gauge(points)), counted], Resource({})))
    exporter.shutdown()
    assert (receipt.unconfirmed, receipt.withheld) == (3, 2)
    shown = until(lambda: {key: value for key, value in original.gauges().items() if key.startswith(name)})
    assert shown == {name: 1}
    assert until(lambda: original.counters().get(f"{name}.count")) == 3


def test_check_and_send_sample_of_the_original_daemon(original: Daemon, tmp_path: Path) -> None:
    options = ("--set", f"port={original.port}", "--set", "tags=joined")
    assert magictel("check", "statsd", *options, folder=tmp_path).code == 0
    ran = magictel("send-sample", "statsd", *options, "--format", "json", folder=tmp_path)
    (target,) = ran.document["targets"]
    assert (ran.code, target["outcome"], target["code"]) == (3, "unverified", "verify.unsupported"), target
    name = "magictel.sample.temperature"
    shown = until(lambda: [value for key, value in original.gauges().items() if key.startswith(name)])
    assert sorted(shown) == [-0.25, 21.5]


def test_the_original_daemon_reads_tags_too(original: Daemon) -> None:
    name = f"n{time.time_ns()}"
    delivered({"port": original.port}, Metric(name, "", "", Gauge([number(-2.5, zone="eu", shard=3)])), times=2)
    shown = until(lambda: {key: value for key, value in original.gauges().items() if key.startswith(name)})
    assert shown == {f"{name};shard=3;zone=eu": -2.5}
