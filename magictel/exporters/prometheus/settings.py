"""The settings of the page for Prometheus: its names and labels, and the Prometheus that scrapes it, for check and read-back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated

from magictel.errors import SettingsError
from magictel.formats.prometheus.names import TranslationStrategy
from magictel.net.address import Address, parse_endpoint
from magictel.secrets.secret import Secret
from magictel.settings.login import basic, half_logins
from magictel.settings.model import Problem, option
from magictel.settings.page import PageSettings


class PrometheusSettings(PageSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the page shows, and who scrapes it."""

    env_prefix = "OTEL_EXPORTER_PROMETHEUS_"

    translation_strategy: Annotated[
        TranslationStrategy,
        option(
            "How names are translated: whether characters unknown to Prometheus 2 become _, and whether unit and type are appended.",
            routes=False,
        ),
    ] = "UnderscoreEscapingWithSuffixes"
    target_info: Annotated[
        bool, option("Whether the resource's attributes are shown as the metric target_info.", routes=False)
    ] = True
    scope_labels: Annotated[
        bool, option("Whether series have the scope as labels (otel_scope_name and so on).", routes=False)
    ] = True
    native_histograms: Annotated[
        bool,
        option("Whether scrapers that ask for protobuf get exponential histograms as native histograms.", routes=False),
    ] = True
    created: Annotated[
        bool,
        option(
            "Whether OpenMetrics pages have _created lines (start times). Prometheus stores each as one more series.",
            routes=False,
        ),
    ] = True
    prometheus_url: Annotated[
        str | None,
        option(
            "Address of the Prometheus that scrapes the page: the part before /api/v1. check asks it whether it scrapes,"
            " and send-sample reads back from it.",
            example="http://prometheus.example.net:9090",
            address=True,
            env=("PROMETHEUS_URL",),
        ),
    ] = None
    prometheus_username: Annotated[
        str | None,
        option(
            "User for prometheus_url (basic authentication).",
            example="reader",
            routes=False,
            credential=True,
            env=("PROMETHEUS_USERNAME",),
        ),
    ] = None
    prometheus_password: Annotated[
        Secret | None, option("Password for prometheus_url.", env=("PROMETHEUS_PASSWORD",))
    ] = None
    prometheus_token: Annotated[
        Secret | None, option("Token for prometheus_url (bearer authentication).", env=("PROMETHEUS_TOKEN",))
    ] = None
    prometheus_ca_file: Annotated[
        str | None,
        option(
            "PEM file with the CAs to trust for prometheus_url instead of the system's.",
            example="/etc/ssl/private-ca.pem",
            env=("PROMETHEUS_CA_FILE",),
        ),
    ] = None

    def prometheus_address(self) -> Address | None:
        """Return the address of the Prometheus, or None. Raise `SettingsError` if it does not parse."""
        return parse_endpoint(self.prometheus_url, field="prometheus_url") if self.prometheus_url else None

    def prometheus_headers(self) -> Mapping[str, str]:
        """Return the Authorization header for the Prometheus, if credentials are set."""
        address = self.prometheus_address()
        if self.prometheus_token:
            return {"Authorization": f"Bearer {self.prometheus_token.reveal()}"}
        if self.prometheus_username is not None:
            return {"Authorization": basic(self.prometheus_username, self.prometheus_password)}
        if address is not None and address.username is not None:
            return {"Authorization": basic(address.username, address.password)}
        return {}

    def secret_values(self) -> Iterator[str]:
        """Add the login for the Prometheus as it is sent."""
        yield from super().secret_values()
        if self.prometheus_username and self.prometheus_password:
            yield f"{self.prometheus_username}:{self.prometheus_password.reveal()}"

    def problems(self) -> Iterable[Problem]:
        """Add: an address of the Prometheus that does not parse, and credentials for it that are incomplete or of two kinds."""
        yield from super().problems()
        yield from half_logins(self, "prometheus_")
        if self.prometheus_token and self.prometheus_username is not None:
            message = "prometheus_token: a user and a password are set as well, but only one can be sent"
            yield "prometheus_token", "config.credentials", message, "keep one of them"
        try:
            self.prometheus_address()
        except SettingsError as failure:
            yield "prometheus_url", failure.code, failure.message, failure.remedy
