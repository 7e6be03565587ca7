"""Prometheus remote write 1.0: Prometheus, Mimir, Cortex, Thanos, VictoriaMetrics and other receivers.

Protobuf in snappy's block format, and a reply without item verdicts. Prometheus takes all of a request or nothing
(one bad sample costs the good ones), so a request refused for its points is halved until the bad ones stand alone; sending
a stored sample again is no error. It also answers 204 for series it drops in silence: only the read-back shows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import cramjam

from magictel.delivery.attempt import Attempted
from magictel.encoding.payload import Payload, Route
from magictel.encoding.withheld import Withheld
from magictel.exporters.prometheus_remote_write.columns import ColumnEncoder
from magictel.exporters.prometheus_remote_write.encoding import left_out
from magictel.exporters.prometheus_remote_write.probes import RemoteWriteProbes
from magictel.exporters.prometheus_remote_write.readback import RemoteWriteReadBack
from magictel.exporters.prometheus_remote_write.response import judge, unverified_code
from magictel.exporters.prometheus_remote_write.settings import PrometheusRemoteWriteSettings
from magictel.formats.prometheus.collisions import SampleCollisions
from magictel.http.wire import Reply
from magictel.model.metrics import Group, Point, Series
from magictel.model.outcome import Delivered, Outcome, Rejected, TooLarge

_ALL_BAD = 32


class PrometheusRemoteWriteExporter(RemoteWriteProbes):
    """Sends metrics by remote write 1.0."""

    name = "prometheus-remote-write"
    summary = "Prometheus, Mimir, VictoriaMetrics by remote write 1.0"
    Settings = PrometheusRemoteWriteSettings
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
        "Delta points and exponential histograms are withheld: remote write 1.0 can carry neither.",
        "Every number is a 64-bit float: integers beyond 2^53 lose digits. Times are cut to milliseconds.",
        "Names and attribute keys become letters, digits and underscores, as Prometheus 3 names the same OTLP data; values become text.",
        "Series of a Prometheus page keep their names and labels, and get no otel_scope labels (page_names).",
        "Start times, minima, maxima, exemplars and descriptions are not sent.",
        "A point's own job, instance or le is kept as exported_job and so on.",
        "Points of a collection that become one series and time to Prometheus: the first is sent, the others are rejected beforehand.",
    )
    cost = "One series per number; a histogram of n buckets is n + 3 series. Prometheus' memory grows with the series, not the samples."

    def __init__(self, settings: PrometheusRemoteWriteSettings | None = None, **options: Any) -> None:
        super().__init__(settings, **options)
        configured = self.settings
        self.encoder = ColumnEncoder(
            suffixes=configured.name_suffixes,
            scope_labels=configured.scope_labels,
            label_names=configured.label_names,
            page_names=configured.page_names,
        )
        self._collisions = SampleCollisions(
            self.encoder, "prom.rw.collision", lambda stream: left_out(stream) is not None
        )
        self._refused_in_a_row = 0

    # ---- encoding ----------------------------------------------------------------------------------------------------

    def encode(self, series: Series, point: Point) -> bytes | Withheld:
        """The point's `TimeSeries` messages."""
        return self.encoder.encode(series, point)

    def template(self) -> ColumnEncoder:
        """The same bytes by column."""
        return self.encoder

    def resource_prefix(self, group: Group) -> bytes:
        """The resource's `target_info`."""
        return self.encoder.target_info(group) if self.settings.target_info else b""

    def deduplicate(self, groups: Iterable[Group]) -> Iterable[Group | Withheld]:
        """Return the points without those that are the same sample as an earlier one to Prometheus."""
        return self._collisions.deduplicate(groups)

    def route(self) -> Route:
        """The endpoint contains the write path."""
        return Route("", self.settings.max_batch_points, self.settings.max_batch_bytes)

    def compress(self, body: bytes) -> tuple[bytes, Mapping[str, str]]:
        """Snappy's block format; the framed one is refused."""
        return bytes(cramjam.snappy.compress_raw(body)), {
            "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        }

    def window(self) -> tuple[float, float]:
        """Return an hour before the newest sample and ten minutes ahead: a later sample makes Prometheus 2 refuse all others."""
        return 3600.0, 600.0

    # ---- verdicts ------------------------------------------------------------------------------------------------------

    def judge(self, payload: Payload, reply: Reply) -> Outcome:
        """An empty 2xx delivers all; a sentence that blames points halves the payload, whose last single point is rejected."""
        return judge(payload, reply, self.clock.now(), self.products)

    def unverified_code(self, reply: Reply) -> str | None:
        """A bare 2xx to a write proves no storage; a query without a result may have come too early."""
        return unverified_code(reply)

    def attempt(self, payload: Payload, timeout: float) -> Attempted:
        """Send once. After many refused points in a row nothing is halved any more: a whole replay may be too old."""
        attempted = super().attempt(payload, timeout)
        outcome = attempted.outcome
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
