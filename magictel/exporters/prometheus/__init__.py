"""A page that Prometheus scrapes. Start reading at `exporter`; what every page inherits is in `plugin.page_exporter`."""

from __future__ import annotations

from magictel.exporters.prometheus.exporter import PrometheusExporter
from magictel.exporters.prometheus.settings import PrometheusSettings

__all__ = ["PrometheusExporter", "PrometheusSettings"]
