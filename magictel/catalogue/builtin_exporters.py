"""What is known of built-in exporters without importing them: written by `python -m tests.builtin_table`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class BuiltIn(NamedTuple):
    """Where the class is, its one-line summary, and (key, variable) of each option that has no default."""

    value: str
    summary: str
    required: tuple[tuple[str, str], ...]


BUILT_IN: Mapping[str, BuiltIn] = {
    "elasticsearch": BuiltIn(
        "magictel.exporters.elasticsearch:ElasticsearchExporter",
        "Elasticsearch 7.x to 9.x",
        (),
    ),
    "opensearch": BuiltIn(
        "magictel.exporters.elasticsearch:OpenSearchExporter",
        "OpenSearch 1.x to 3.x",
        (),
    ),
    "otlp": BuiltIn(
        "magictel.exporters.otlp:OtlpExporter",
        "OpenTelemetry Collector and OTLP receivers, over HTTP or gRPC",
        (),
    ),
    "prometheus": BuiltIn(
        "magictel.exporters.prometheus:PrometheusExporter",
        "a page that Prometheus scrapes: text, OpenMetrics and protobuf",
        (),
    ),
    "prometheus-remote-write": BuiltIn(
        "magictel.exporters.prometheus_remote_write:PrometheusRemoteWriteExporter",
        "Prometheus, Mimir, VictoriaMetrics by remote write",
        (("url", "PROMETHEUS_REMOTE_WRITE_URL"),),
    ),
    "datadog": BuiltIn(
        "magictel.exporters.datadog:DatadogExporter",
        "Datadog, by its v2 API",
        (("api_key", "DD_API_KEY"),),
    ),
    "newrelic": BuiltIn(
        "magictel.exporters.newrelic:NewRelicExporter",
        "New Relic, by its Metric API or OTLP",
        (("license_key", "NEW_RELIC_LICENSE_KEY"),),
    ),
    "statsd": BuiltIn(
        "magictel.exporters.statsd:StatsdExporter",
        "StatsD daemons and Datadog's agent, by UDP or a Unix socket",
        (),
    ),
    "console": BuiltIn(
        "magictel.exporters.console:ConsoleExporter",
        "metrics on the terminal, for people or as OTLP JSON lines",
        (),
    ),
    "file": BuiltIn(
        "magictel.exporters.file:FileExporter",
        "OTLP JSON lines in a file, as the Collector's file exporter writes them",
        (),
    ),
}
