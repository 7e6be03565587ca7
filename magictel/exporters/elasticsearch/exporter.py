"""The Elasticsearch exporter, and OpenSearch as a dialect of it: what goes over the wire and when.

What a document looks like is in `encoding` (for speed: `columns`), what a reply means in `response` and `errors`, what is asked
back in `readback`, the probes of the ladder in `probes` and `permission`, what an index should have in `prepare`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote, urlencode

from msgspec.structs import replace

from magictel.delivery.attempt import Attempted
from magictel.encoding.payload import Payload, Route
from magictel.encoding.withheld import Withheld
from magictel.exporters.elasticsearch import encoding, logs, permission, prepare, probes
from magictel.exporters.elasticsearch.collisions import DocumentCollisions
from magictel.exporters.elasticsearch.columns import Columns
from magictel.exporters.elasticsearch.dimensions import Dimensions
from magictel.exporters.elasticsearch.index_mode import IndexMode, without_ids
from magictel.exporters.elasticsearch.places import Places
from magictel.exporters.elasticsearch.readback import SearchReadBack
from magictel.exporters.elasticsearch.response import FILTER, judge_bulk
from magictel.exporters.elasticsearch.settings import ElasticsearchSettings, OpenSearchSettings, SearchSettings
from magictel.exporters.elasticsearch.values import LONGEST_TEXT
from magictel.http.wire import Reply, Wire
from magictel.ladder.probe import probe
from magictel.model.finding import Finding, Rung
from magictel.model.metrics import Group, Point, Series
from magictel.model.outcome import Outcome
from magictel.model.verification import Unreadable
from magictel.plugin.http_exporter import HttpExporter
from magictel.plugin.http_interface import Preparation
from magictel.plugin.interface import Encoder

S = TypeVar("S", bound=SearchSettings)
_LEAST = 0.2
"""Seconds to ask where documents went, however little of the attempt's time is left."""
_WITHOUT_IDS = "without ids"
_TIME_SERIES_WINDOW = (7200.0, 1800.0)
"""index.look_back_time and index.look_ahead_time as they are by default."""


class SearchEncoder(Columns, Encoder["SearchExporter[Any]"]):
    """Points as action lines with their documents, point by point and by column."""

    def __init__(self, exporter: SearchExporter[Any]) -> None:
        Encoder.__init__(self, exporter)
        super().__init__()
        self.collisions: DocumentCollisions | None = None
        """Of a time-series index whose dimensions are known."""

    def encode(self, series: Series, point: Point) -> bytes:
        """Return the action line and the document of a point."""
        return encoding.encode(self.stream_frame(series.stream), series, point)

    def split(self, body: bytes) -> list[bytes]:
        """Return the pairs of an action line and its document."""
        return encoding.split(body)

    def frame(self, payload: Payload) -> bytes:
        """Return the body of a bulk request."""
        return without_ids(payload.body) if payload.form == _WITHOUT_IDS else payload.body

    def deduplicate(self, groups: Iterable[Group]) -> Iterable[Group | Withheld]:
        """Return the points without those that a time-series index would take for an earlier one."""
        return groups if self.collisions is None else self.collisions.deduplicate(groups)

    def know(self, dimensions: Sequence[Dimensions]) -> None:
        """Set the dimensions of the index; none if it is no time-series index."""
        if (self.collisions.dimensions if self.collisions else ()) != dimensions:
            self.collisions = DocumentCollisions(dimensions, self.encode, self.stream_frame) if dimensions else None


class SearchExporter(HttpExporter[S]):
    """The exporter for both products: bulk requests of flat documents, one for each point."""

    content_type = "application/x-ndjson"
    Encoder = SearchEncoder
    ReadBack = SearchReadBack
    opensearch: ClassVar[bool] = False
    rights_codes = ("es.auth.", "es.authz.", "os.auth.", "os.authz.")
    limits = (
        "Times have milliseconds.",
        "Decimals beyond a 32-bit float's range, NaN, infinities and whole numbers beyond 64 bits are stored as text in value_text.",
        f"Texts of attributes are cut at {LONGEST_TEXT} characters.",
        "After prepare, attributes are text in one flattened field each; lists lose order and repeats.",
        "Descriptions, exemplars and flags are not stored.",
        "In a time-series index, of a collection's points with equal dimensions and time only the first is sent; the others are rejected.",
    )
    cost = "One document for each point: about 100 to 200 bytes on disk for a number, once resource and scope are compressed away."

    encoder: SearchEncoder

    def __init__(self, settings: S | None = None, **options: Any) -> None:
        super().__init__(settings, **options)
        self.mode = IndexMode(self.settings.index, self.settings.pipeline or "")

    @cached_property
    def places(self) -> Places:
        """Where documents were stored."""
        return Places(self.settings.index)

    def route(self) -> Route:
        """Return the index's bulk endpoint, with a timeout for shards that is shorter than the request's own."""
        return self._bulk

    @cached_property
    def _bulk(self) -> Route:
        configured = self.settings
        query = {"timeout": f"{max(1, int(configured.timeout * 800))}ms"}
        query |= {
            name: value for name, value in (("pipeline", configured.pipeline), ("routing", configured.routing)) if value
        }
        path = f"/{quote(configured.index)}/_bulk?{FILTER}&{urlencode(query)}"
        return Route(path, configured.max_batch_points, configured.max_batch_bytes)

    # ---- replies to verdicts -----------------------------------------------------------------------------------------

    def before_delivery(self, timeout: float) -> None:
        """Ask the index's mode once, and the dimensions of a time-series index."""
        known = self.encoder.collisions
        if known is not None and known.occurred:
            known.occurred, self.mode.doubted = False, True
        self.mode.ask_once(self.wire, timeout, self.clock.monotonic())
        self.encoder.know(self.mode.dimensions)

    def form(self) -> str:
        """Return whether items carry ids: time-series indices generate their own."""
        return _WITHOUT_IDS if self.mode.time_series else ""

    def attempt(self, payload: Payload, timeout: float) -> Attempted:
        """Send once; learn the index's mode and where the documents were stored."""
        started = self.clock.monotonic()
        self.before_delivery(timeout)
        attempted = super().attempt(payload, timeout - (self.clock.monotonic() - started))
        outcome = attempted.outcome
        if self.mode.learn(outcome):
            self.before_delivery(max(_LEAST, timeout - (self.clock.monotonic() - started)))
        elif self.encoder.collisions is not None:
            outcome = self.encoder.collisions.explain(payload, outcome)
        left = timeout - (self.clock.monotonic() - started)
        return replace(attempted, outcome=self.places.settle(outcome, self.wire, max(_LEAST, left)))

    def judge(self, payload: Payload, reply: Reply) -> Outcome:
        """Return the outcome, from the status and every item."""
        ids = payload.form != _WITHOUT_IDS
        index = self.settings.index if payload.body else None  # an answer from a log belongs to no request
        unknown = self.mode.unknown_because
        now = self.clock.now()
        return judge_bulk(payload, reply, now, ids=ids, opensearch=self.opensearch, index=index, unknown=unknown)

    def parse_log(self, text: str, status: int | None) -> Reply | None:
        """Return the reply in a log's text: JSON, Python's repr of it, or status, type and reason in a row."""
        return logs.reply_in(text, status)

    def unverified_code(self, reply: Reply) -> str | None:
        """Return the code for a search or count without hits: probably not refreshed yet."""
        return "es.read.not-yet-visible" if logs.found_nothing(reply) else None

    # ---- the ladder --------------------------------------------------------------------------------------------------

    @probe(Rung.HTTP, "Elasticsearch or OpenSearch answers")
    def product(self, wire: Wire) -> Finding:
        """Check that the backend is this product."""
        return probes.http(wire, self.opensearch, self.clock.now())

    @probe(Rung.AUTH, "the cluster accepts the credentials")
    def authenticated(self, wire: Wire) -> Finding:
        """Check the credentials."""
        return probes.auth(wire, self.opensearch, self.sent_credentials())

    @probe(Rung.CLOCK, "the clocks agree")
    def clocks(self, wire: Wire) -> Finding:
        """Compare the clocks; the index accepts points within a window only."""
        window = _TIME_SERIES_WINDOW if self.mode.time_series else self.window()
        return probes.time(wire, self.clock, window)

    @probe(Rung.HEALTH, "the cluster is healthy")
    def cluster_health(self, wire: Wire) -> Finding:
        """Check the cluster's health."""
        return probes.health(wire)

    @probe(Rung.WRITE, "writing is allowed, and the index keeps the values")
    def may_write(self, wire: Wire) -> Finding:
        """Check the permission to write, and the effect of the index's mapping on the values. Nothing is written."""
        return permission.write(wire, self.settings.index, self.opensearch, self.sent_credentials(), self.target)

    def preparations(self, wire: Wire) -> Sequence[Preparation] | Unreadable:
        """Return the requests that create a template for the index or data stream."""
        planned = prepare.preparations(wire, self.settings.index, self.opensearch)
        if isinstance(planned, Unreadable) and planned.code == "http.unauthorized":
            sent = self.sent_credentials()
            message = planned.message
            if not sent.option:
                message = message.replace("the credentials are rejected", "credentials are required")
            return replace(planned, message=message, remedy=sent.remedy)
        return planned


class ElasticsearchExporter(SearchExporter[ElasticsearchSettings]):
    """Elasticsearch 7.x to 9.x, Elastic Cloud and serverless."""

    name = "elasticsearch"
    code_families = ("es", "os")
    log_words = ("elasticsearch", "x-elastic-product", "_bulk", "elastic", "output:es:")
    summary = "Elasticsearch 7.x to 9.x"
    Settings = ElasticsearchSettings


class OpenSearchExporter(SearchExporter[OpenSearchSettings]):
    """OpenSearch 1.x to 3.x."""

    name = "opensearch"
    code_families = ("os", "es")
    log_words = ("opensearch", "es:eshttp", "_plugins/_security", "_bulk")
    summary = "OpenSearch 1.x to 3.x"
    Settings = OpenSearchSettings
    opensearch = True
