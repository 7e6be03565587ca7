"""Datadog, by its v2 API."""

from __future__ import annotations

from magictel.exporters.datadog.exporter import DatadogExporter
from magictel.exporters.datadog.settings import DatadogSettings

__all__ = ["DatadogExporter", "DatadogSettings"]
