"""Prometheus remote write 1.0 and 2.0. Start reading at `exporter`; names are in `formats.prometheus`, the read-back in `promql`."""

from __future__ import annotations

from magictel.exporters.prometheus_remote_write.exporter import PrometheusRemoteWriteExporter
from magictel.exporters.prometheus_remote_write.settings import PrometheusRemoteWriteSettings

__all__ = ["PrometheusRemoteWriteExporter", "PrometheusRemoteWriteSettings"]
