"""The read-back, and the address of the query API; the queries themselves are in `magictel.promql`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from magictel.exporters.prometheus_remote_write.settings import PrometheusRemoteWriteSettings
from magictel.http.wire import Wire
from magictel.model.verification import Unreadable
from magictel.promql import query
from magictel.promql.errors import read_rules
from magictel.promql.readback import PromqlReadBack

if TYPE_CHECKING:
    from magictel.exporters.prometheus_remote_write.exporter import PrometheusRemoteWriteExporter

_WRITE_PATHS = (("/api/v1/write", ""), ("/api/v1/push", "/prometheus"), ("/api/prom/push", "/api/prom"))
"""Ends of write paths, and their replacements for queries: Prometheus and VictoriaMetrics, Mimir, Grafana Cloud and Cortex."""


def query_wire(settings: PrometheusRemoteWriteSettings, wire: Wire) -> Wire | None:
    """Return a wire to the query API, or None where its address cannot be guessed from the write address."""
    return query.query_wire(wire, settings.query_endpoint(), _WRITE_PATHS)


def wire_to_query(settings: PrometheusRemoteWriteSettings, wire: Wire) -> Wire | Unreadable:
    """Return a wire to the query API, or why there is none."""
    return query_wire(settings, wire) or Unreadable(
        "prom.read.no-query-api",
        f"the query address cannot be derived from {wire.endpoint}",
        "set query_url to the part of the URL before /api/v1/query",
    )


class RemoteWriteReadBack(PromqlReadBack["PrometheusRemoteWriteExporter"]):
    """Read-back of what remote write carries."""

    def __init__(self, exporter: PrometheusRemoteWriteExporter) -> None:
        super().__init__(
            exporter,
            exporter.encoder,
            exporter.encoder.carries,
            partial(wire_to_query, exporter.settings),
            read_rules("prom"),
            carrier="remote write",
            target_info=exporter.settings.target_info,
        )
