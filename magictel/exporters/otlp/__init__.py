"""OTLP over HTTP: the OpenTelemetry Collector and every backend with an OTLP receiver."""

from __future__ import annotations

from magictel.exporters.otlp.exporter import OtlpExporter
from magictel.exporters.otlp.settings import OtlpSettings

__all__ = ["OtlpExporter", "OtlpSettings"]
