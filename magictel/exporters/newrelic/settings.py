"""The settings of New Relic: its keys are distinguished by their form, offline."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal

from magictel.errors import SettingsError
from magictel.net.address import Address, parse_endpoint
from magictel.net.endpoint import Endpoint
from magictel.secrets.secret import Secret
from magictel.settings.model import HttpSettings, Problem, option

Region = Literal["us", "eu", "fedramp"]
INTAKES: Mapping[str, str] = {
    "us": "https://metric-api.newrelic.com",
    "eu": "https://metric-api.eu.newrelic.com",
    "fedramp": "https://gov-metric-api.newrelic.com",
}
OTLP_INTAKES: Mapping[str, str] = {
    "us": "https://otlp.nr-data.net",
    "eu": "https://otlp.eu01.nr-data.net",
    "fedramp": "https://gov-otlp.nr-data.net",
}
QUERIES: Mapping[str, str] = {
    "us": "https://api.newrelic.com",
    "eu": "https://api.eu.newrelic.com",
    "fedramp": "https://api.newrelic.com",
}
_EU = re.compile(r"eu\d\dx")
_KINDS = (
    (re.compile(r"NRAK-"), "a user key, which only queries"),
    (re.compile(r"NRBR-|NRJS-"), "a browser key"),
    (re.compile(r"AA[0-9a-f]{40}"), "a mobile key"),
)


def _region(text: str) -> str:
    return text.strip().lower()


class NewRelicSettings(HttpSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where and how metrics go to New Relic."""

    env_prefix = "NEW_RELIC_"
    env_others = (
        "NEW_RELIC_APP_",
        "NEW_RELIC_LOG",
        "NEW_RELIC_ENABLED",
        "NEW_RELIC_DISTRIBUTED_",
        "NEW_RELIC_CONFIG_",
        "NEW_RELIC_LABELS",
        "NEW_RELIC_MONITOR_",
        "NEW_RELIC_HOST",
        "NEW_RELIC_AI_",
        "NEW_RELIC_AGENT_",
        "NEW_RELIC_ENVIRONMENT",
    )

    license_key: Annotated[
        Secret,
        option(
            "Licence key (ends in NRAL) or insert key (begins with NRII-). It can send metrics, but not query.",
            env=("NEW_RELIC_LICENSE_KEY", "NEW_RELIC_API_KEY"),
        ),
    ]
    region: Annotated[
        Region | None,
        option(
            "Region of the account. Default: eu for a licence key that begins with eu, otherwise us.",
            example="eu",
            routes=True,
            env=("NEW_RELIC_REGION",),
            read={"NEW_RELIC_REGION": _region},
        ),
    ] = None
    url: Annotated[
        str | None,
        option(
            "Address to use instead of the region's. The path of the protocol is appended.",
            example="https://metric-api.newrelic.com",
            address=True,
        ),
    ] = None
    protocol: Annotated[
        Literal["metric-api", "otlp"],
        option("Protocol. otlp keeps the buckets of histograms, and New Relic prefers it.", routes=True),
    ] = "metric-api"
    account_id: Annotated[
        int | None, option("Number of the account, for read-back.", unit=None, example=1234567, ge=1, routes=False)
    ] = None
    user_key: Annotated[
        Secret | None,
        option("User key (begins with NRAK-) for read-back. Without it, deliveries stay unverified."),
    ] = None
    query_url: Annotated[
        str | None,
        option(
            "Address to use instead of the region's NerdGraph, for read-back.",
            example="https://api.newrelic.com",
            address=True,
        ),
    ] = None
    temporality: Annotated[
        Literal["delta"], option("Temporality of sums and histograms: New Relic needs deltas.", routes=False)
    ] = "delta"

    def place(self) -> str:
        """Return the region, by the option or by the key."""
        key = self.license_key.reveal() if self.license_key else ""  # settings that cannot be used have none
        return self.region or ("eu" if _EU.match(key) else "us")

    def addresses(self) -> tuple[Address, ...]:
        """Return the address that receives metrics. Raise `SettingsError`."""
        intakes = OTLP_INTAKES if self.protocol == "otlp" else INTAKES
        return (parse_endpoint(self.url or intakes[self.place()]),)

    def query_endpoint(self) -> Endpoint:
        """Return the address of NerdGraph. Raise `SettingsError`."""
        return parse_endpoint(self.query_url or QUERIES[self.place()], field="query_url").endpoint

    def request_headers(self) -> Mapping[str, str]:
        """Add the licence key."""
        return {**super().request_headers(), "Api-Key": self.license_key.reveal()}

    def problems(self) -> Iterable[Problem]:
        """Add: keys of another kind or region, and a user key without the account. Other tools of New Relic need the account alone."""
        yield from super().problems()
        yield from self._key_problems()
        if self.user_key is not None and self.account_id is None:
            message = "account_id: not set, but user_key needs it for read-back"
            yield "account_id", "config.value", message, "set account_id, or unset user_key"
        try:
            self.query_endpoint()
        except SettingsError as failure:
            yield "query_url", failure.code, failure.message, failure.remedy

    def _key_problems(self) -> Iterator[Problem]:
        licence = self.license_key.reveal()
        kind = next((kind for pattern, kind in _KINDS if pattern.match(licence)), None)
        if kind is not None:
            yield "license_key", "nr.key-kind", f"license_key: this is {kind}", "set a licence key, which ends in NRAL"
        if self.region is not None and self.region != "eu" and _EU.match(licence):
            message = f"region: {self.region}, but the licence key belongs to eu"
            yield "region", "nr.region", message, "set region to eu, or unset it"
        user = self.user_key.reveal() if self.user_key else ""
        if user.endswith("NRAL") or user.startswith("NRII-"):
            message = "user_key: this is a key that sends, and it cannot query"
            yield "user_key", "nr.key-kind", message, "set a user key, which begins with NRAK-"
