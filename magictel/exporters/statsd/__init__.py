"""StatsD and DogStatsD, by UDP or a Unix socket."""

from __future__ import annotations

from magictel.exporters.statsd.exporter import StatsdExporter

__all__ = ["StatsdExporter"]
