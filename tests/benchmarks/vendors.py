"""Vendors' clients, used as their documentation shows, beside our exporters for the same backends.

None of them knows OpenTelemetry: tags, attributes and units are taken from the collection point by point, as an application does.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import urllib3
from datadog import DogStatsd
from datadog_api_client import ApiClient, Configuration
from datadog_api_client.v2.api.metrics_api import MetricsApi
from datadog_api_client.v2.model.metric_content_encoding import MetricContentEncoding
from datadog_api_client.v2.model.metric_intake_type import MetricIntakeType
from datadog_api_client.v2.model.metric_payload import MetricPayload
from datadog_api_client.v2.model.metric_point import MetricPoint
from datadog_api_client.v2.model.metric_resource import MetricResource
from datadog_api_client.v2.model.metric_series import MetricSeries
from ddsketch import DDSketch
from ddsketch.pb.proto import DDSketchProto
from newrelic_telemetry_sdk import GaugeMetric, MetricClient

from magictel.exporters.datadog import DatadogExporter
from magictel.exporters.newrelic import NewRelicExporter
from magictel.exporters.statsd import StatsdExporter
from magictel.model.metrics import groups
from tests.benchmarks.senders import Send

_PER_REQUEST = 5_000
_KEY = "0" * 32


def datadog_exporter(port: int) -> DatadogExporter:
    """Straight from the environment, as the runtime makes it."""
    return DatadogExporter(environment={"DD_API_KEY": _KEY, "DD_URL": f"http://127.0.0.1:{port}"})


def newrelic_exporter(port: int) -> NewRelicExporter:
    """Straight from the environment, as the runtime makes it."""
    return NewRelicExporter(
        environment={"NEW_RELIC_LICENSE_KEY": f"{_KEY}1234NRAL", "NEW_RELIC_URL": f"http://127.0.0.1:{port}"}
    )


def statsd_exporter(port: int) -> StatsdExporter:
    """Straight from the environment, as the runtime makes it."""
    return StatsdExporter(environment={"STATSD_HOST": "127.0.0.1", "STATSD_PORT": str(port)})


def datadog_client(port: int) -> Send:
    """datadog-api-client's `submit_metrics`, compressed."""
    configuration = Configuration(host=f"http://127.0.0.1:{port}", api_key={"apiKeyAuth": _KEY})
    api = MetricsApi(ApiClient(configuration))

    def send(collected: Any) -> None:
        series = _series(collected)
        while some := list(islice(series, _PER_REQUEST)):
            reply = api.submit_metrics(MetricPayload(series=some), content_encoding=MetricContentEncoding.ZSTD1)
            assert not reply.errors

    return send


def newrelic_client(port: int) -> Send:
    """newrelic-telemetry-sdk's `MetricClient`, without TLS."""
    client = MetricClient(f"{_KEY}1234NRAL", host="127.0.0.1", port=port)
    client._pool = urllib3.HTTPConnectionPool("127.0.0.1", port, headers=client._pool.headers)

    def send(collected: Any) -> None:
        for group in groups(collected):
            name, common = group.stream.name, {"attributes": dict(group.stream.resource)}
            metrics = (
                GaugeMetric(name, point.value, dict(point.attributes), point.time_unix_nano // 1_000_000)
                for point in group.points
            )
            while some := list(islice(metrics, _PER_REQUEST)):
                assert client.send_batch(some, common).status == 202

    return send


def statsd_client(port: int, *, buffered: bool) -> Send:
    """The `datadog` package's client: a datagram for each point, or full ones."""
    client = DogStatsd(host="127.0.0.1", port=port, disable_buffering=not buffered)

    def send(collected: Any) -> None:
        for group in groups(collected):
            for point in group.points:
                client.gauge(group.stream.name, point.value, tags=_tags(point))
        client.flush()

    return send


def sketches(collected: Any) -> None:
    """Make the `ddsketch` package's sketches of histograms: each bucket's count at its upper bound, encoded in protobuf."""
    for group in groups(collected):
        for point in group.points:
            sketch = DDSketch()
            for bound, count in zip((*point.explicit_bounds, point.max), point.bucket_counts, strict=True):
                if count:
                    sketch.add(bound, count)
            DDSketchProto.to_proto(sketch).SerializeToString()


def sketches_of_values(collected: Any) -> None:
    """As `sketches`, but as a program that measures does: value by value."""
    for group in groups(collected):
        for point in group.points:
            sketch = DDSketch()
            for bound, count in zip((*point.explicit_bounds, point.max), point.bucket_counts, strict=True):
                for _ in range(count):
                    sketch.add(bound)
            DDSketchProto.to_proto(sketch).SerializeToString()


def _series(collected: Any) -> Iterator[MetricSeries]:
    for group in groups(collected):
        stream = group.stream
        host = [MetricResource(name=stream.resource["host.name"], type="host")]
        shared = [f"service:{stream.resource['service.name']}", f"version:{stream.resource['service.version']}"]
        for point in group.points:
            yield MetricSeries(
                metric=stream.name,
                type=MetricIntakeType.GAUGE,
                points=[MetricPoint(timestamp=point.time_unix_nano // 1_000_000_000, value=point.value)],
                tags=[*_tags(point), *shared],
                resources=host,
                unit="second",
            )


def _tags(point: Any) -> list[str]:
    return [f"{key}:{value}" for key, value in point.attributes.items()]
