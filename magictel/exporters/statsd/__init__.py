"""StatsD and DogStatsD, by UDP or a Unix socket."""

from __future__ import annotations

from magictel.exporters.statsd.exporter import StatsdExporter
from magictel.exporters.statsd.settings import StatsdSettings

__all__ = ["StatsdExporter", "StatsdSettings"]
