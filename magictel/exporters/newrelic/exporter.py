"""New Relic's Metric API: gauges, counts and summaries. 202 accepts a payload unread: only a query shows it."""

from __future__ import annotations

import uuid
from dataclasses import replace

from magictel.encoding.payload import Payload, Route
from magictel.exporters.newrelic.encoding import ENVELOPE, FRAME, WINDOW, NewRelicEncoder
from magictel.exporters.newrelic.errors import RULES
from magictel.exporters.newrelic.probes import INTAKE, NewRelicProbes
from magictel.exporters.newrelic.readback import NewRelicReadBack
from magictel.exporters.newrelic.response import judge
from magictel.exporters.newrelic.settings import NewRelicSettings
from magictel.http.wire import Reply, Request
from magictel.model.outcome import Outcome
from magictel.net.endpoint import Endpoint

_LARGEST_SENT = 1_000_000
"""The most bytes of a body after compression."""


class NewRelicExporter(NewRelicProbes):
    """Sends metrics to New Relic."""

    name = "newrelic"
    summary = "New Relic, by its Metric API"
    Settings = NewRelicSettings
    Encoder = NewRelicEncoder
    ReadBack = NewRelicReadBack
    errors = RULES
    temporalities = ("delta",)
    code_families = ("nr",)
    log_words = ("newrelic", "new relic", "metric-api", "/metric/v1", "nr-data.net")
    limits = (
        "New Relic answers 202 to every payload and drops in silence: only a read-back, which needs NEW_RELIC_USER_KEY, proves arrival.",
        "Histograms become summaries (count, sum, min, max): buckets are not sent, but by the exporter otlp (preset newrelic-us).",
        "Points older than 48 hours or more than 24 hours ahead are withheld: New Relic would drop them in silence.",
        "Names have 255 characters at most, values of attributes 4096: longer values are cut. Lists become text.",
        "A point has 150 attributes at most, with those of its resource: one with more is rejected.",
        "NaN and infinity are withheld. Exemplars and descriptions are not sent.",
    )
    cost = "About 200 bytes of ingest for each point."

    def route(self) -> Route:
        """The Metric API."""
        settings = self.settings
        return Route(
            INTAKE,
            settings.max_batch_points,
            settings.max_batch_bytes,
            max_sent_bytes=_LARGEST_SENT,
            frame_bytes=FRAME + ENVELOPE,
        )

    def request(self, endpoint: Endpoint, payload: Payload) -> Request:
        """Add the request's id: the same for all retries of a payload, another one for each half."""
        request = super().request(endpoint, payload)
        return replace(
            request, headers={**request.headers, "x-request-id": str(uuid.UUID(bytes=payload.id, version=4))}
        )

    def window(self) -> tuple[float, float]:
        """Return New Relic's: two days and one day."""
        return WINDOW

    def judge(self, payload: Payload, reply: Reply) -> Outcome:
        """Return the outcome: accepted is all that a reply can say."""
        return judge(reply, self.clock.now(), self.products)

    def unverified_code(self, reply: Reply) -> str | None:
        """Return the code for what 202 leaves open: everything."""
        return "nr.accepted" if reply.ok else None
