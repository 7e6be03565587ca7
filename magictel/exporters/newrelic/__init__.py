"""New Relic, by its Metric API."""

from __future__ import annotations

from magictel.exporters.newrelic.exporter import NewRelicExporter

__all__ = ["NewRelicExporter"]
