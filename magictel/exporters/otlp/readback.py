"""The read-back of a Prometheus that receives OTLP, and the address of its query API; the queries themselves are in `magictel.promql`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from magictel.exporters.otlp.settings import OtlpSettings
from magictel.formats.prometheus.native import is_native
from magictel.formats.prometheus.series import SeriesNames
from magictel.http.wire import Wire
from magictel.model.metrics import Kind, Point, Series
from magictel.model.verification import Unreadable
from magictel.promql import query
from magictel.promql.errors import read_rules
from magictel.promql.readback import PromqlReadBack

if TYPE_CHECKING:
    from magictel.exporters.otlp.exporter import OtlpExporter

_PATHS = (("/api/v1/otlp/v1/metrics", ""), ("/otlp/v1/metrics", "/prometheus"))
"""Ends of write paths, and their replacements for queries: Prometheus and Mimir."""


def query_wire(settings: OtlpSettings, wire: Wire) -> Wire | None:
    """Return a wire to the query API, or None where no option gives its address and the path is not Prometheus'."""
    return query.query_wire(wire, settings.query_endpoint(), _PATHS)


def wire_to_query(settings: OtlpSettings, wire: Wire) -> Wire | Unreadable:
    """Return a wire to the query API, or why there is none."""
    return query_wire(settings, wire) or Unreadable(
        "verify.unsupported",
        f"{wire.endpoint} cannot be queried: OTLP has no query",
        "if the receiver is a Prometheus, set query_url; otherwise look for the run id in the backend behind the receiver",
    )


class OtlpReadBack(PromqlReadBack["OtlpExporter"]):
    """Read-back of what a Prometheus stores of OTLP."""

    def __init__(self, exporter: OtlpExporter) -> None:
        super().__init__(
            exporter,
            SeriesNames(scope_labels=exporter.settings.scope_labels, page_names=False),
            _is_stored,
            partial(wire_to_query, exporter.settings),
            read_rules("otlp"),
            carrier="Prometheus' OTLP receiver",
            target_info=True,
        )


def _is_stored(series: Series, point: Point) -> bool:
    """Return whether Prometheus stores the point: of exponential histograms those whose scale it knows."""
    return series.stream.kind is not Kind.EXPONENTIAL_HISTOGRAM or is_native(point)
