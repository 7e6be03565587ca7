"""The read-back of receivers that can be queried, Prometheus and VictoriaMetrics; the queries themselves are in `magictel.promql`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from magictel.exporters.otlp.readback.victoriametrics import VictoriaMetricsNames
from magictel.exporters.otlp.settings import OtlpSettings
from magictel.formats.prometheus.native import is_native
from magictel.formats.prometheus.series import SeriesNames
from magictel.http.wire import Wire
from magictel.model.metrics import Kind, Point, Series
from magictel.model.verification import Expected, SampleQuery, Seen, Unreadable, Value
from magictel.promql import query
from magictel.promql.errors import read_rules
from magictel.promql.readback import PromqlReadBack

if TYPE_CHECKING:
    from magictel.exporters.otlp.exporter import OtlpExporter

_PROMETHEUS = (("/api/v1/otlp/v1/metrics", ""), ("/otlp/v1/metrics", "/prometheus"))
"""Ends of write paths, and their replacements for queries: Prometheus and Mimir."""
_VICTORIAMETRICS = (("/opentelemetry/v1/metrics", ""), ("/opentelemetry/api/v1/push", ""))
_TEMPORALITY = "temporality"


def query_wire(settings: OtlpSettings, wire: Wire) -> Wire | None:
    """Return a wire to the query API, or None where no option gives its address and the path is of no receiver that has one."""
    return query.query_wire(wire, settings.query_endpoint(), (*_PROMETHEUS, *_VICTORIAMETRICS))


def wire_to_query(settings: OtlpSettings, wire: Wire) -> Wire | Unreadable:
    """Return a wire to the query API, or why there is none."""
    return query_wire(settings, wire) or Unreadable(
        "verify.unsupported",
        f"{wire.endpoint} cannot be queried: OTLP has no query",
        "set query_url if the receiver is a Prometheus or VictoriaMetrics",
    )


class OtlpReadBack(PromqlReadBack["OtlpExporter"]):
    """Read-back of what Prometheus or VictoriaMetrics stores of OTLP: the path of the address shows which of them it is."""

    def __init__(self, exporter: OtlpExporter) -> None:
        settings = exporter.settings
        paths = tuple(ending for ending, _ in _VICTORIAMETRICS)
        self._victoriametrics = any(endpoint.path.endswith(paths) for endpoint in exporter.endpoints())
        super().__init__(
            exporter,
            VictoriaMetricsNames(prometheus_naming=settings.prometheus_naming)
            if self._victoriametrics
            else SeriesNames(scope_labels=settings.scope_labels, page_names=False),
            _is_shown if self._victoriametrics else _is_stored,
            partial(wire_to_query, settings),
            read_rules("otlp"),
            carrier="VictoriaMetrics' OTLP receiver" if self._victoriametrics else "Prometheus' OTLP receiver",
            target_info=not self._victoriametrics,
        )
        query = settings.query_endpoint()
        if query is not None and settings.protocol == "grpc":  # the receiver answers no GET
            self.wire = partial(exporter.wire, query)

    def expect(self, series: Series, point: Point) -> Expected | None:
        """Add the temporality where the receiver stores deltas as if they were cumulative."""
        return self._with_temporality(series, super().expect(series, point))

    def identify(self, series: Series, point: Point) -> Expected | None:
        """As `expect`."""
        return self._with_temporality(series, super().identify(series, point))

    def declared(self, field: str, sent: Value, seen: Value) -> str | None:
        """Add: VictoriaMetrics stores decimals, which have no minus zero."""
        known = super().declared(field, sent, seen)
        if known is None and self._victoriametrics and isinstance(sent, float) and sent == seen == 0:
            return "VictoriaMetrics stores no minus zero"
        return known

    def seen(self, query: SampleQuery) -> Sequence[Seen] | Unreadable:
        """Add that every point is cumulative."""
        return self._as_cumulative(query.expected, super().seen(query))

    def find(self, expected: Sequence[Expected]) -> Sequence[Seen] | Unreadable:
        """As `seen`."""
        return self._as_cumulative(expected, super().find(expected))

    def _with_temporality(self, series: Series, expected: Expected | None) -> Expected | None:
        if expected is None or not self._victoriametrics or series.stream.temporality != "delta":
            return expected
        return replace(expected, fields={**expected.fields, _TEMPORALITY: "delta"})

    def _as_cumulative(
        self, expected: Sequence[Expected], seen: Sequence[Seen] | Unreadable
    ) -> Sequence[Seen] | Unreadable:
        deltas = {point.key for point in expected if _TEMPORALITY in point.fields}
        if isinstance(seen, Unreadable) or not deltas:
            return seen
        return [
            replace(point, fields={**point.fields, _TEMPORALITY: "cumulative"}) if point.key in deltas else point
            for point in seen
        ]


def _is_stored(series: Series, point: Point) -> bool:
    """Return whether Prometheus stores the point: of exponential histograms those whose scale it knows."""
    return series.stream.kind is not Kind.EXPONENTIAL_HISTOGRAM or is_native(point)


def _is_shown(series: Series, point: Point) -> bool:
    """Return whether a query of VictoriaMetrics shows the point whole: not two buckets of one range, as it writes ranges."""
    try:
        samples = list(VictoriaMetricsNames().samples(series.stream, point))
    except (OverflowError, ValueError):
        return True  # looked for, so that it is lost if it is not stored
    return len({(suffix, *extra.values()) for suffix, extra, _ in samples}) == len(samples)
