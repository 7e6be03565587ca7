"""Prometheus remote write 1.0 and 2.0: Prometheus, Mimir, Cortex, Thanos, VictoriaMetrics and other receivers.

Protobuf in snappy's block format, and a reply without item verdicts. By 1.0 Prometheus takes all of a request or nothing
(one bad sample costs the good ones), so a request refused for its points is halved until the bad ones stand alone; sending
a stored sample again is no error. It also answers 204 for series it drops in silence: only the read-back shows it.

By 2.0 it stores the good samples and counts them. A receiver that does not understand 2.0 stores nothing of it and refuses it (415, 400),
or answers 2xx without these counts: with `protocol = "auto"` it gets the same payload by 1.0, and from then on only 1.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import cramjam
import msgspec

from magictel.delivery.attempt import Attempted
from magictel.encoding.payload import Payload, Route
from magictel.encoding.withheld import Withheld
from magictel.exporters.prometheus_remote_write.columns import ColumnEncoder
from magictel.exporters.prometheus_remote_write.probes import RemoteWriteProbes
from magictel.exporters.prometheus_remote_write.readback import RemoteWriteReadBack
from magictel.exporters.prometheus_remote_write.response import ONLY_VERSION_2, judge, unverified_code
from magictel.exporters.prometheus_remote_write.scan import native_items
from magictel.exporters.prometheus_remote_write.settings import PrometheusRemoteWriteSettings
from magictel.exporters.prometheus_remote_write.stale import LatestCollection, VanishedSeries
from magictel.exporters.prometheus_remote_write.symbols import Requests
from magictel.exporters.prometheus_remote_write.written import NOT_VERSION_2
from magictel.formats.prometheus.collisions import SampleCollisions
from magictel.http.wire import Reply
from magictel.model.metrics import Group
from magictel.model.outcome import Delivered, Outcome, Partial, Rejected, TooLarge
from magictel.plugin.interface import Encoder

_ALL_BAD = 32
_HEADERS = {
    "1.0": {"Content-Type": "application/x-protobuf", "X-Prometheus-Remote-Write-Version": "0.1.0"},
    "2.0": {
        "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",  # a blank in it, and it is read as 1.0
        "X-Prometheus-Remote-Write-Version": "2.0.0",
    },
}


class RemoteWriteEncoder(ColumnEncoder, Encoder["PrometheusRemoteWriteExporter"]):
    """Points as `TimeSeries` messages, with what the exporter's settings say about names and `target_info`."""

    def __init__(self, exporter: PrometheusRemoteWriteExporter) -> None:
        Encoder.__init__(self, exporter)
        configured = exporter.settings
        super().__init__(
            suffixes=configured.name_suffixes,
            scope_labels=configured.scope_labels,
            label_names=configured.label_names,
            page_names=configured.page_names,
            newer=configured.protocol != "1.0",
            custom_buckets=configured.histograms == "native",
        )
        self._requests = Requests()
        self._collisions = SampleCollisions(self, "prom.rw.collision", lambda stream: self.left_out(stream) is not None)
        self._vanished = VanishedSeries(self.encode)

    def resource_prefix(self, group: Group) -> bytes:
        """The resource's `target_info`, and the ends of series that its scrape lacks."""
        info = self.target_info(group) if self.exporter.settings.target_info else b""
        return info + self._vanished.markers

    def envelope(self, group: Group) -> tuple[bytes, ...]:
        """The metric's metadata."""
        return self.metadata(group.stream)

    def frame(self, payload: Payload) -> bytes:
        """Return the request in the payload's version of the protocol."""
        if payload.form == "2.0":
            return self._requests.version_2(payload)
        return self._requests.version_1(payload) if self.newer else payload.body

    def deduplicate(self, groups: Iterable[Group]) -> Iterable[Group | Withheld]:
        """Return the points without those that are the same sample as an earlier one to Prometheus."""
        parts: Iterable[Group | Withheld] = self._collisions.deduplicate(groups)
        if self.whole_scrapes:
            parts = list(parts)
            self._vanished.follow([part for part in parts if isinstance(part, Group)])
        return parts


class PrometheusRemoteWriteExporter(RemoteWriteProbes):
    """Sends metrics by remote write."""

    name = "prometheus-remote-write"
    summary = "Prometheus, Mimir, VictoriaMetrics by remote write"
    Settings = PrometheusRemoteWriteSettings
    Encoder = RemoteWriteEncoder
    ReadBack = RemoteWriteReadBack
    content_type = "application/x-protobuf"
    in_time_order = True
    code_families = ("prom", "mimir", "vm")
    log_words = (
        *("remote write", "remote_write", "remotewrite", "remote-write", "remote storage", "component=remote"),
        *(
            "/api/v1/write",
            "/api/v1/push",
            "/api/prom/push",
            "/api/v1/receive",
            "prometheus",
            "mimir",
            "cortex",
            "thanos",
        ),
        *("victoriametrics", "vmagent", "vminsert", "x-scope-orgid"),
    )
    temporalities = ("cumulative",)
    limits = (
        "Deltas are added up. Remote write 1.0 withholds exponential histograms; 2.0 sends them as native ones.",
        "Every number is a 64-bit float: integers beyond 2^53 lose digits. Times are cut to milliseconds.",
        "Names and attribute keys become letters, digits and underscores, as Prometheus 3 names the same OTLP data; values become text.",
        "Series of a Prometheus page keep their names and labels, and get no otel_scope labels (page_names).",
        "Minima and maxima are not sent, and by remote write 1.0 no start times, exemplars and descriptions.",
        "A point's own job, instance or le is kept as exported_job and so on.",
        "Points of a collection that become one series and time to Prometheus: the first is sent, the others are rejected beforehand.",
    )
    cost = "One series per number; a histogram of n buckets is n + 3 series. Prometheus' memory grows with the series, not the samples."

    encoder: RemoteWriteEncoder

    def __init__(self, settings: PrometheusRemoteWriteSettings | None = None, **options: Any) -> None:
        super().__init__(settings, **options)
        self._form = "1.0" if self.settings.protocol == "1.0" else "2.0"
        self._refused_in_a_row = 0
        self._latest = LatestCollection()

    def form(self) -> str:
        """The version of the protocol."""
        return self._form

    def last_payloads(self) -> Iterable[Payload]:
        """The stale markers of what was delivered last."""
        return self._latest.markers(int(self.clock.now() * 1000))

    def route(self) -> Route:
        """The endpoint contains the write path."""
        return Route("", self.settings.max_batch_points, self.settings.max_batch_bytes)

    def compress(self, body: bytes) -> tuple[bytes, Mapping[str, str]]:
        """Snappy's block format; the framed one is refused."""
        return bytes(cramjam.snappy.compress_raw(body)), {"Content-Encoding": "snappy"}

    def form_headers(self, form: str) -> Mapping[str, str]:
        """Return the headers that name the version of the protocol."""
        return _HEADERS.get(form, _HEADERS["1.0"])

    def window(self) -> tuple[float, float]:
        """Return an hour before the newest sample and ten minutes ahead: a later sample makes Prometheus 2 refuse all others."""
        return 3600.0, 600.0

    # ---- verdicts ------------------------------------------------------------------------------------------------------

    def judge(self, payload: Payload, reply: Reply) -> Outcome:
        """Return the outcome: an empty 2xx delivers all, by 2.0 if it counts all; a refusal that blames points halves the payload."""
        return judge(payload, reply, self.clock.now(), self.products)

    def unverified_code(self, reply: Reply) -> str | None:
        """A bare 2xx to a write proves no storage; a query without a result may have come too early."""
        return unverified_code(reply)

    def attempt(self, payload: Payload, timeout: float) -> Attempted:
        """Send once, and by 1.0 what the receiver does not understand in 2.0.

        After many refused points in a row nothing is halved any more: a whole replay may be too old.
        """
        attempted = self._native_only(payload, self._form) or super().attempt(payload, timeout)
        outcome = attempted.outcome
        if self.settings.protocol == "auto" and isinstance(outcome, Rejected) and outcome.code == NOT_VERSION_2:
            attempted = self._by_version_1(payload, timeout, attempted)
            outcome = attempted.outcome
        if self.settings.stale_markers and isinstance(outcome, Delivered | Partial) and payload.points:
            self._latest.delivered(payload)
        if isinstance(outcome, Delivered):
            self._refused_in_a_row = 0
        elif not isinstance(outcome, TooLarge):
            return attempted
        elif payload.points <= 1:
            self._refused_in_a_row += 1
        elif self._refused_in_a_row >= _ALL_BAD and outcome.code not in ("prom.rw.too-large", "http.too-large"):
            message = f"{outcome.message} (as were the {self._refused_in_a_row} points before; these points were not tested one by one)"
            return Attempted(Rejected(outcome.code, message), attempted.bytes)
        return attempted

    def _by_version_1(self, payload: Payload, timeout: float, before: Attempted) -> Attempted:
        """Send a payload by 1.0. Its receiver gets 1.0 from now on, unless it does not understand that either."""
        waited = before.waited or 0.0
        attempted = self._native_only(payload, "1.0") or self._attempt_once(
            replace(payload, form="1.0"), timeout - waited
        )
        if isinstance(attempted.outcome, Delivered | Partial):
            self._form = "1.0"
        waited += attempted.waited or 0.0
        return msgspec.structs.replace(attempted, bytes=before.bytes + attempted.bytes, waited=waited)

    def _native_only(self, payload: Payload, form: str) -> Attempted | None:
        """Return the rejection of a payload of which nothing can be sent in this version; None for any other payload."""
        if form == "2.0" or not payload.points or len(native_items(payload.runs)) < payload.points:
            return None
        return Attempted(Rejected(ONLY_VERSION_2.code, ONLY_VERSION_2.message))
