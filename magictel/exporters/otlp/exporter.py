"""OTLP over HTTP in protobuf: the OpenTelemetry Collector, Prometheus, VictoriaMetrics, and vendors with an OTLP receiver.

A success may say how many points were rejected, and never which. It proves that the receiver accepted the rest, not that a backend
behind it stored anything: only a read-back does, where the receiver can be queried.
"""

from __future__ import annotations

from typing import Any

from magictel.encoding.payload import Payload, Route
from magictel.encoding.withheld import Withheld
from magictel.exporters.otlp import encoding
from magictel.exporters.otlp.columns import Columns
from magictel.exporters.otlp.errors import STATUSES
from magictel.exporters.otlp.probes import OtlpProbes
from magictel.exporters.otlp.readback import OtlpReadBack
from magictel.exporters.otlp.response import judge, unverified_code
from magictel.exporters.otlp.settings import OtlpSettings
from magictel.http.wire import Reply
from magictel.model.identity_cache import StreamCache
from magictel.model.metrics import Group, Point, Series
from magictel.model.outcome import Outcome

_MOST_STREAMS = 10_000


class OtlpExporter(OtlpProbes):
    """Sends metrics by OTLP over HTTP."""

    name = "otlp"
    summary = "OpenTelemetry Collector and OTLP receivers, over HTTP"
    Settings = OtlpSettings
    ReadBack = OtlpReadBack
    content_type = "application/x-protobuf"
    code_families = ("otlp",)
    log_words = ("otlp", "otlphttp", "/v1/metrics", "4318", "otelcol", "opentelemetry-collector")
    statuses = STATUSES
    limits = (
        "A receiver counts rejected points and does not name them: no point is blamed, and none is sent again.",
        "400, 408 and 500 are not retried: OTLP retries 429, 502, 503 and 504 only.",
        "Integers beyond 64 bits are withheld.",
        "Read-back needs a receiver that can be queried (Prometheus, VictoriaMetrics) or verify_with; else a delivery stays unverified.",
    )
    cost = "One data point each; the receiver decides what it becomes."

    def __init__(self, settings: OtlpSettings | None = None, **options: Any) -> None:
        super().__init__(settings, **options)
        self._columns = Columns()
        self._envelopes = StreamCache(encoding.envelope, _MOST_STREAMS)

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
