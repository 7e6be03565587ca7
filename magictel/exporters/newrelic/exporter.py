"""New Relic's Metric API: gauges, counts and summaries; or OTLP. 202 accepts a payload unread: only a query shows it."""

from __future__ import annotations

import uuid
from dataclasses import replace
from functools import cached_property

from magictel.encoding.payload import Payload, Route
from magictel.exporters.newrelic.encoding import ENVELOPE, FRAME, NewRelicEncoder
from magictel.exporters.newrelic.errors import RULES
from magictel.exporters.newrelic.limits import WINDOW, Limits
from magictel.exporters.newrelic.otlp import NewRelicOtlpEncoder
from magictel.exporters.newrelic.probes import NewRelicProbes
from magictel.exporters.newrelic.readback import NewRelicReadBack
from magictel.exporters.newrelic.response import judge
from magictel.exporters.newrelic.settings import NewRelicSettings
from magictel.exporters.otlp import response as otlp_response
from magictel.exporters.otlp.exporter import OtlpExporter
from magictel.http.wire import Reply, Request
from magictel.model.outcome import Outcome
from magictel.net.endpoint import Endpoint

_LARGEST_SENT = 1_000_000
"""The most bytes of a body after compression."""


class NewRelicExporter(NewRelicProbes):
    """Sends metrics to New Relic."""

    name = "newrelic"
    summary = "New Relic, by its Metric API or OTLP"
    Settings = NewRelicSettings
    Encoder = NewRelicEncoder
    ReadBack = NewRelicReadBack
    errors = RULES
    temporalities = ("delta",)
    code_families = ("nr",)
    log_words = ("newrelic", "new relic", "metric-api", "/metric/v1", "nr-data.net")
    limits = (
        "New Relic answers 202 to every payload and drops data silently: only a read-back, which needs NEW_RELIC_USER_KEY, proves arrival.",
        "By the Metric API, histograms become summaries (count, sum, min, max). protocol = otlp sends their buckets.",
        "Points older than 48 hours or more than 24 hours ahead are withheld: New Relic would drop them silently.",
        "Names have 255 characters at most, values of attributes 4096: longer values are cut. Lists become text.",
        "A point has 150 attributes at most, with those of its resource: one with more is rejected.",
        "OTLP does not recognise repeats: a request that is sent again after a lost reply may be stored twice.",
        "Negative counts are rejected, and so are series that differ only in what is reserved or cut: New Relic would merge them.",
        "Deltas without a start time get an interval of 1 ms: New Relic needs one, and sums do not depend on it.",
        "NaN and infinity are withheld. Exemplars and descriptions are not sent.",
    )
    cost = "About 200 bytes of ingest for each point."

    @cached_property
    def encoder(self) -> Limits:
        """The encoder of the protocol."""
        return NewRelicOtlpEncoder(self) if self.in_otlp else NewRelicEncoder(self)

    def route(self) -> Route:
        """The path of the protocol."""
        limits = self.settings.max_batch_points, self.settings.max_batch_bytes
        if self.in_otlp:
            return Route(self.path, *limits, content_type=OtlpExporter.content_type, max_sent_bytes=_LARGEST_SENT)
        return Route(self.path, *limits, max_sent_bytes=_LARGEST_SENT, frame_bytes=FRAME + ENVELOPE)

    def request(self, endpoint: Endpoint, payload: Payload) -> Request:
        """Add the request's id, kept for the read-back: the same for all retries of a payload, another one for each half."""
        request = super().request(endpoint, payload)
        identity = str(uuid.UUID(bytes=payload.id, version=4))
        self.request_ids.append((self.clock.now(), identity))
        return replace(request, headers={**request.headers, "x-request-id": identity})

    def window(self) -> tuple[float, float]:
        """Return New Relic's: two days and one day."""
        return WINDOW

    def judge(self, payload: Payload, reply: Reply) -> Outcome:
        """Return the outcome: accepted is all that a reply can say."""
        if self.in_otlp and reply.ok:
            return otlp_response.judge(payload.points, reply, self.clock.now(), self.products)
        return judge(reply, self.clock.now(), self.products)

    def unverified_code(self, reply: Reply) -> str | None:
        """Return the code for what 202 leaves open: everything."""
        return "nr.accepted" if reply.ok else None
