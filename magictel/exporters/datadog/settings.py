"""The settings of Datadog, with the variables that its agent and its libraries give them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from magictel.errors import SettingsError
from magictel.net.address import Address, parse_endpoint
from magictel.secrets.secret import Secret
from magictel.settings.model import HttpSettings, Problem, option

SITES = (
    "datadoghq.com",
    "us3.datadoghq.com",
    "us5.datadoghq.com",
    "datadoghq.eu",
    "ap1.datadoghq.com",
    "ap2.datadoghq.com",
    "uk1.datadoghq.com",
    "ddog-gov.com",
    "us2.ddog-gov.com",
)
_SITE = re.compile(r"[a-z0-9.-]+\.[a-z]+", re.IGNORECASE)


def _separated(tags: str) -> list[str]:
    """Return DD_TAGS, which blanks or commas separate, as a list."""
    return [each for each in re.split(r"[,\s]+", tags) if each]


class DatadogSettings(HttpSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where and how metrics go to Datadog."""

    env_prefix = "DATADOG_"

    api_key: Annotated[
        Secret,
        option("API key of the site. It can send metrics, but not query.", env=("DD_API_KEY", "DATADOG_API_KEY")),
    ]
    app_key: Annotated[
        Secret | None,
        option(
            "Application key for read-back. Without it, deliveries stay unverified.",
            env=("DD_APP_KEY", "DD_APPLICATION_KEY", "DATADOG_APP_KEY"),
        ),
    ] = None
    site: Annotated[
        str,
        option("Datadog's site, as in the browser's address.", example="datadoghq.eu", env=("DD_SITE",), routes=True),
    ] = "datadoghq.com"
    url: Annotated[
        str | None,
        option(
            "Address to use instead of the site's API, for a proxy or another receiver. Default: https://api.SITE.",
            example="http://localhost:8428/datadog",
            address=True,
            env=("DD_DD_URL", "DD_URL"),
        ),
    ] = None
    tags: Annotated[
        list[str],
        option(
            "Tags added to every metric.",
            example=["team:payments"],
            routes=False,
            env=("DD_TAGS",),
            read={"DD_TAGS": _separated},
        ),
    ] = []  # noqa: RUF012 # msgspec copies it
    env: Annotated[
        str | None,
        option(
            "Tag env; default: the resource's deployment.environment.name.",
            example="prod",
            env=("DD_ENV",),
            routes=False,
        ),
    ] = None
    service: Annotated[
        str | None,
        option(
            "Tag service; default: the resource's service.name.", example="gateway", env=("DD_SERVICE",), routes=False
        ),
    ] = None
    version: Annotated[
        str | None,
        option(
            "Tag version; default: the resource's service.version.", example="1.4.2", env=("DD_VERSION",), routes=False
        ),
    ] = None
    hostname: Annotated[
        str | None,
        option(
            "Host of every metric; default: the resource's datadog.host.name or host.name.",
            example="gateway-1",
            env=("DD_HOSTNAME",),
            routes=False,
        ),
    ] = None
    resource_tags: Annotated[bool, option("Whether the resource's other attributes become tags too.", routes=False)] = (
        False
    )
    histograms: Annotated[
        Literal["distributions", "counters", "aggregates"],
        option(
            "How histograms are sent. distributions: with percentiles. counters: a count for each bucket (tags lower_bound and"
            " upper_bound), with .count, .sum, .min and .max. aggregates: these four only.",
            routes=False,
        ),
    ] = "distributions"
    encoding: Annotated[
        Literal["protobuf", "json"],
        option(
            "Encoding of series. Distributions are always protobuf, the only encoding that Datadog has for them.",
            routes=False,
        ),
    ] = "protobuf"
    compression: Annotated[Literal["none", "gzip", "zstd"], option("Compression of request bodies.", routes=False)] = (
        "zstd"  # type: ignore[assignment] # more values than other exporters have
    )
    temporality: Annotated[
        Literal["delta"], option("Temporality of sums and histograms: Datadog needs deltas.", routes=False)
    ] = "delta"

    def addresses(self) -> tuple[Address, ...]:
        """Return the API's address. Raise `SettingsError`."""
        return (parse_endpoint(self.url or f"https://api.{self.site}"),)

    def problems(self) -> Iterable[Problem]:
        """Add: a site that is an address or no name."""
        yield from super().problems()
        site = self.site.strip()
        if not _SITE.fullmatch(site):
            remedy = f"set the site only, such as {SITES[0]} or datadoghq.eu"
            yield "site", "config.value", f"site: {site!r} is not the name of a site", remedy
        elif site.lower().startswith(("app.", "api.", "www.")):
            yield (
                "site",
                "dd.site.custom-domain",
                f"site: {site} is an address of this site",
                f"set site to {site.partition('.')[2]}",
            )

    def request_headers(self) -> Mapping[str, str]:
        """Add the API key."""
        return {**super().request_headers(), "DD-API-KEY": self.api_key.reveal()}

    def on_a_site(self) -> bool:
        """Return whether the address is Datadog's own."""
        try:
            (address,) = self.addresses()
        except SettingsError:
            return False
        return address.endpoint.host.removeprefix("api.") in SITES
