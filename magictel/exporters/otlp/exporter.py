"""OTLP over HTTP in protobuf: the OpenTelemetry Collector, Prometheus, VictoriaMetrics, and vendors with an OTLP receiver.

A success may say how many points were rejected, and never which. It proves that the receiver accepted the rest, not that a backend
behind it stored anything: only a read-back does, where the receiver can be queried.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from magictel.encoding.payload import Payload, Route
from magictel.encoding.withheld import Withheld
from magictel.exporters.otlp import encoding
from magictel.exporters.otlp.columns import Columns
from magictel.exporters.otlp.errors import READ_RULES, STATUSES
from magictel.exporters.otlp.probes import OtlpProbes
from magictel.exporters.otlp.readback import wire_to_query
from magictel.exporters.otlp.response import judge, unverified_code
from magictel.exporters.otlp.settings import OtlpSettings
from magictel.formats.prometheus.native import is_native
from magictel.formats.prometheus.series import SeriesNames
from magictel.http.wire import Reply, Wire
from magictel.model.identity_cache import StreamCache
from magictel.model.metrics import Group, Kind, Point, Series
from magictel.model.outcome import Outcome
from magictel.model.verification import Expected, SampleQuery, Seen, Unreadable, Value
from magictel.promql.readback import PromqlReadBack

_MOST_STREAMS = 10_000


class OtlpExporter(OtlpProbes):
    """Sends metrics by OTLP over HTTP."""

    name = "otlp"
    summary = "OpenTelemetry Collector and OTLP receivers, over HTTP"
    Settings = OtlpSettings
    content_type = "application/x-protobuf"
    code_families = ("otlp",)
    log_words = ("otlp", "otlphttp", "/v1/metrics", "4318", "otelcol", "opentelemetry-collector")
    statuses = STATUSES
    limits = (
        "A receiver counts rejected points and does not name them: no point is blamed, and none is sent again.",
        "400, 408 and 500 are not retried: OTLP retries 429, 502, 503 and 504 only.",
        "Integers beyond 64 bits are withheld.",
        "Read-back needs a receiver that can be queried (Prometheus); otherwise a delivery stays unverified.",
    )
    cost = "One data point each; the receiver decides what it becomes."

    def __init__(self, settings: OtlpSettings | None = None, **options: Any) -> None:
        super().__init__(settings, **options)
        self._columns = Columns()
        self._envelopes = StreamCache(encoding.envelope, _MOST_STREAMS)
        self._readback = PromqlReadBack(
            SeriesNames(scope_labels=self.settings.scope_labels, page_names=False),
            _is_shown,
            partial(wire_to_query, self.settings),
            self.clock.now,
            READ_RULES,
            carrier="Prometheus' OTLP receiver",
            target_info=True,
        )

    # ---- encoding ----------------------------------------------------------------------------------------------------

    def encode(self, series: Series, point: Point) -> bytes | Withheld:
        """The point's message, as a field of its metric's data."""
        return encoding.encode(series, point)

    def template(self) -> Columns:
        """The same bytes by column."""
        return self._columns

    def envelope(self, group: Group) -> encoding.Envelope:
        """Resource, scope and metric, which neighbours share."""
        return self._envelopes(group.stream)

    def frame(self, payload: Payload) -> bytes:
        """The request, from the payload's runs."""
        return encoding.request(payload)

    def route(self) -> Route:
        """The endpoint contains the path."""
        return Route("", self.settings.max_batch_points, self.settings.max_batch_bytes)

    # ---- verdicts ----------------------------------------------------------------------------------------------------

    def judge(self, payload: Payload, reply: Reply) -> Outcome:
        """Partial success is counted without blame; a success that is no OTLP response is not delivered."""
        return judge(payload.points, reply, self.clock.now(), self.products)

    def unverified_code(self, reply: Reply) -> str | None:
        """A success proves that the receiver accepted the points, not that a backend stored them."""
        return unverified_code(reply)

    # ---- read-back ---------------------------------------------------------------------------------------------------

    def expect(self, series: Series, point: Point) -> Expected | None:
        """Return the point as a query shows it."""
        return self._readback.expect(series, point)

    def identify(self, series: Series, point: Point) -> Expected | None:
        """Return the point's samples, each with its series."""
        return self._readback.identify(series, point)

    def find(self, expected: Sequence[Expected]) -> Sequence[Seen] | Unreadable:
        """Return the raw samples of these metrics at these times."""
        return self._readback.find(self.wire(), expected)

    def declared(self, field: str, sent: Value, seen: Value) -> str | None:
        """Milliseconds, text, normalised names, 64-bit floats, and what Prometheus does not store."""
        return self._readback.declared(field, sent, seen)

    def read_back(self, wire: Wire, query: SampleQuery) -> Sequence[Seen] | Unreadable:
        """Return the raw samples of the run, and the attributes of its resources."""
        return self._readback.read_back(wire, query)

    def visible_after(self, wire: Wire) -> float | Unreadable:
        """Prometheus shows a sample at once."""
        return self._readback.visible_after(wire)

    def count_run(self, wire: Wire, run_id: str) -> int | Unreadable:
        """Return the number of stored points of the run."""
        return self._readback.count(wire, run_id)

    def delete_run(self, wire: Wire, run_id: str) -> int | Unreadable:
        """By Prometheus' admin API."""
        return self._readback.delete(wire, run_id)


def _is_shown(series: Series, point: Point) -> bool:
    """Return whether Prometheus stores the point: of exponential histograms those whose scale it knows."""
    return series.stream.kind is not Kind.EXPONENTIAL_HISTOGRAM or is_native(point)
