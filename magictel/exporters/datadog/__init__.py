"""Datadog, by its v2 API."""

from __future__ import annotations

from magictel.exporters.datadog.exporter import DatadogExporter

__all__ = ["DatadogExporter"]
