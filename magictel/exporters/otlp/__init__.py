"""OTLP over HTTP: the OpenTelemetry Collector and every backend with an OTLP receiver."""

from __future__ import annotations

from magictel.exporters.otlp.exporter import OtlpExporter

__all__ = ["OtlpExporter"]
