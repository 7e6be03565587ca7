"""New Relic, by its Metric API."""

from __future__ import annotations

from magictel.exporters.newrelic.exporter import NewRelicExporter
from magictel.exporters.newrelic.settings import NewRelicSettings

__all__ = ["NewRelicExporter", "NewRelicSettings"]
