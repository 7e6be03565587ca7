"""The settings of remote write."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from magictel.formats.prometheus.names import LabelNames
from magictel.secrets.secret import Secret
from magictel.settings.model import HttpSettings, Problem, option


class PrometheusRemoteWriteSettings(HttpSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
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
            "Where read-back asks: what stands before /api/v1/query. Default: url without its last path segments.",
            example="https://prometheus.example.net",
            address=True,
        ),
    ] = None
    username: Annotated[
        str | None, option("User for basic authentication.", example="123456", routes=False, credential=True)
    ] = None
    password: Annotated[Secret | None, option("Password for basic authentication.")] = None
    bearer_token: Annotated[Secret | None, option("Token for bearer authentication.")] = None
    org_id: Annotated[
        str | None, option("Tenant, sent as X-Scope-OrgID, for Mimir and Cortex.", example="team-a", routes=False)
    ] = None
    protocol: Annotated[Literal["1.0"], option("Version of the remote-write protocol.", routes=False)] = "1.0"
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
            "Whether series of a Prometheus page keep their names and labels; if not, they are renamed as OpenTelemetry's are.",
            routes=False,
        ),
    ] = True
    scope_labels: Annotated[
        bool,
        option(
            "Whether series carry their scope: otel_scope_name, _version, _schema_url and its attributes. Two scopes may share a metric.",
            routes=False,
        ),
    ] = True
    target_info: Annotated[
        bool,
        option(
            "Whether a resource's attributes beyond job and instance are sent, as the series target_info.", routes=False
        ),
    ] = True
    compression: Annotated[
        Literal["snappy"], option("How request bodies travel: remote write knows no other way.", routes=False)
    ] = "snappy"  # type: ignore[assignment] # narrower than its parent's
    temporality: Annotated[
        Literal["cumulative"], option("Prometheus needs sums that count from the start.", routes=False)
    ] = "cumulative"

    def problems(self) -> Iterable[Problem]:
        """Adds: credentials of two kinds, a password without its user, a URL without path."""
        yield from super().problems()
        if self.bearer_token and (self.username or self.password):
            yield (
                "bearer_token",
                "config.value",
                "bearer_token: there is a username or password as well",
                "set one of them",
            )
        if self.password and not self.username and "@" not in self.url:
            yield "password", "config.value", "password: there is no username", "set username as well"
