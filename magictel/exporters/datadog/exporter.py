"""Datadog's v2 intake: numbers as series, histograms as distributions. 202 accepts a payload without reading it: only a query shows it."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from magictel.encoding.payload import Payload, Route
from magictel.exporters.datadog.encoding import WINDOW, DatadogEncoder
from magictel.exporters.datadog.errors import FORBIDDEN_BODY, RULES
from magictel.exporters.datadog.messages import JSON_FRAME
from magictel.exporters.datadog.probes import DatadogProbes
from magictel.exporters.datadog.readback import DatadogReadBack
from magictel.exporters.datadog.response import judge
from magictel.exporters.datadog.settings import DatadogSettings
from magictel.http.wire import Reply
from magictel.model.metrics import Kind, Stream
from magictel.model.outcome import Outcome
from magictel.transports.compression import zstd

SERIES, SKETCHES = "/api/v2/series", "/api/beta/sketches"
_LARGEST, _LARGEST_SENT = 5_242_880, 512_000
"""The most bytes of a body, before and after compression."""


class DatadogExporter(DatadogProbes):
    """Sends metrics to Datadog."""

    name = "datadog"
    summary = "Datadog, by its v2 API"
    Settings = DatadogSettings
    Encoder = DatadogEncoder
    ReadBack = DatadogReadBack
    content_type = "application/x-protobuf"
    errors = RULES
    temporalities = ("delta",)
    code_families = ("dd",)
    log_words = ("datadog", "datadoghq", "ddog-gov", "/api/v2/series", "/api/beta/sketches")
    limits = (
        "Datadog answers 202 to every key and drops data silently: only a read-back, which needs DD_APP_KEY, proves arrival.",
        "Points older than an hour or more than ten minutes ahead are withheld: Datadog would drop them silently.",
        "Times have whole seconds; of two points of a series within a second, counts move to the next one, and other values are withheld.",
        "Names and tags have Datadog's characters, tags in lower case; both end after 200 characters.",
        "Deltas without a start time have no interval: sums are right, and as_rate() does not know their length.",
        "The API key is sent to its own site only; with check --probe-other-sites, a rejected one goes to the other sites as well.",
        "NaN and infinity are withheld. Exemplars and descriptions are not sent.",
    )
    cost = "A custom metric for each series; a distribution counts as five."

    def route(self) -> Route:
        """The route of numbers."""
        route = self._route_to(SERIES, "")
        if self.settings.encoding == "protobuf":
            return route
        return replace(route, content_type="application/json", frame_bytes=sum(map(len, JSON_FRAME)))

    def routes(self) -> tuple[Route, ...]:
        """Two: distributions have their own."""
        return self.route(), self._route_to(SKETCHES, "sketches")

    def route_of(self, stream: Stream) -> str:
        """Distributions go to their route."""
        histogram = stream.kind not in (Kind.GAUGE, Kind.SUM)
        return "sketches" if histogram and self.settings.histograms == "distributions" else ""

    def compress(self, body: bytes) -> tuple[bytes, Mapping[str, str]]:
        """As over HTTP, and with zstd."""
        if self.settings.compression == "zstd":
            return zstd(body), {"Content-Encoding": "zstd"}
        return super().compress(body)

    def window(self) -> tuple[float, float]:
        """Return Datadog's: an hour and ten minutes."""
        return WINDOW

    def judge(self, payload: Payload, reply: Reply) -> Outcome:
        """Return the outcome: accepted is all that a reply can say."""
        return judge(reply, self.clock.now(), self.products)

    def parse_log(self, text: str, status: int | None) -> Reply | None:
        """Add: the body of a 403 alone, which every route has for a key that it does not accept."""
        body = FORBIDDEN_BODY.search(text) if status is None else None
        return Reply(403, {}, body[0].encode()) if body else super().parse_log(text, status)

    def unverified_code(self, reply: Reply) -> str | None:
        """Return the code for what 202 leaves open: everything."""
        return "dd.auth.fake-202" if reply.ok else None

    def _route_to(self, path: str, name: str) -> Route:
        points, size = self.settings.max_batch_points, min(self.settings.max_batch_bytes, _LARGEST)
        return Route(path, points, size, name, max_sent_bytes=_LARGEST_SENT)
