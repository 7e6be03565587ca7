"""Our exporters as a user gets them: default settings, only the address given."""

from __future__ import annotations

from magictel.exporters.elasticsearch import ElasticsearchExporter
from magictel.exporters.prometheus_remote_write import PrometheusRemoteWriteExporter


def elasticsearch_exporter(port: int) -> ElasticsearchExporter:
    """Straight from the environment, as the runtime makes it."""
    return ElasticsearchExporter(environment={"ELASTICSEARCH_URL": f"http://127.0.0.1:{port}"})


def remote_write_exporter(port: int) -> PrometheusRemoteWriteExporter:
    """Straight from the environment, as the runtime makes it."""
    url = f"http://127.0.0.1:{port}/api/v1/write"
    return PrometheusRemoteWriteExporter(environment={"PROMETHEUS_REMOTE_WRITE_URL": url})
