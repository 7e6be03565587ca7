"""Prometheus remote write 1.0.

settings    what can be set
names       OpenTelemetry's names as Prometheus knows them
encoding    points as `TimeSeries` messages: plainly, and by column
refusals    what receivers say when they refuse, as a table
probes      the ladder above the network
query       the query API
reading     sent against seen, in Prometheus' terms
exporter    all of it put together: begin there
"""

from __future__ import annotations

from magictel.exporters.prometheus_remote_write.exporter import PrometheusRemoteWriteExporter
from magictel.exporters.prometheus_remote_write.settings import PrometheusRemoteWriteSettings

__all__ = ["PrometheusRemoteWriteExporter", "PrometheusRemoteWriteSettings"]
