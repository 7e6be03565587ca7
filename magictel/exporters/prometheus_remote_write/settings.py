"""The settings of remote write."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from magictel.errors import SettingsError
from magictel.formats.prometheus.names import LabelNames
from magictel.net.address import parse_endpoint
from magictel.net.endpoint import Endpoint
from magictel.settings.login import TenantSettings
from magictel.settings.model import Problem, option


class PrometheusRemoteWriteSettings(TenantSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where and how remote write goes."""

    env_prefix = "PROMETHEUS_REMOTE_WRITE_"

    url: Annotated[
        str,
        option(
            "The remote-write address, path included.",
            example="https://prometheus.example.net/api/v1/write",
            address=True,
        ),
    ]
    query_url: Annotated[
        str | None,
        option(
            "Address for read-back: the part before /api/v1/query. Default: url without its last path segments.",
            example="https://prometheus.example.net",
            address=True,
        ),
    ] = None
    protocol: Annotated[
        Literal["auto", "1.0", "2.0"],
        option(
            "Version of the protocol. auto: 2.0, or 1.0 if the receiver does not understand 2.0.",
            routes=False,
        ),
    ] = "1.0"
    histograms: Annotated[
        Literal["classic", "native"],
        option(
            "How histograms with explicit buckets are sent: as _bucket, _sum and _count series (classic), or as one native"
            " histogram with custom buckets. native needs remote write 2.0 and Prometheus 3.",
            routes=False,
        ),
    ] = "classic"
    name_suffixes: Annotated[
        bool, option("Whether a metric's name ends in its unit and type, as in _seconds and _total.", routes=False)
    ] = True
    label_names: Annotated[
        LabelNames,
        option(
            "How attribute keys become label names. prometheus: as Prometheus 3's OTLP receiver does by default (a..b is a__b, _a is"
            " key_a). specification: as OpenTelemetry's specification says (a..b is a_b, _a stays).",
            routes=False,
        ),
    ] = "prometheus"
    page_names: Annotated[
        bool,
        option(
            "Whether series of a Prometheus page keep their names and labels. If not, they are translated as OpenTelemetry's are.",
            routes=False,
        ),
    ] = True
    scope_labels: Annotated[
        bool,
        option(
            "Whether series carry their scope: otel_scope_name, _version, _schema_url and its attributes. If not, equal metrics of two"
            " scopes collide.",
            routes=False,
        ),
    ] = True
    target_info: Annotated[
        bool,
        option(
            "Whether a resource's attributes beyond job and instance are sent, as the series target_info.", routes=False
        ),
    ] = True
    stale_markers: Annotated[
        bool,
        option(
            "Whether series end at shutdown: queries stop showing them at once, not after five minutes.",
            routes=False,
        ),
    ] = False
    compression: Annotated[
        Literal["snappy"], option("Compression of request bodies. Remote write has no other.", routes=False)
    ] = "snappy"  # type: ignore[assignment] # narrower than its parent's
    temporality: Annotated[
        Literal["cumulative"], option("Temporality of sums: Prometheus needs cumulative ones.", routes=False)
    ] = "cumulative"

    def problems(self) -> Iterable[Problem]:
        """Add: an address to write to without a path, an address to query that does not parse."""
        yield from super().problems()
        if self.histograms == "native" and self.protocol == "1.0":
            yield (
                "histograms",
                "config.value",
                "histograms = native needs remote write 2.0, and protocol is 1.0",
                "set protocol = auto or 2.0, or histograms = classic",
            )
        try:
            address = parse_endpoint(self.url)
            self.query_endpoint()
        except SettingsError as failure:
            if not failure.message.startswith("url:"):  # that is among `super().problems()`
                yield "query_url", failure.code, failure.message, failure.remedy
            return
        if not address.endpoint.path:
            yield (
                "url",
                "config.value",
                "url: it has no path",
                "add the path: Prometheus' is /api/v1/write, Mimir's /api/v1/push",
            )

    def query_endpoint(self) -> Endpoint | None:
        """Return where read-back asks, or None where no option says it. Raises `SettingsError`."""
        return parse_endpoint(self.query_url, field="query_url").endpoint if self.query_url else None
