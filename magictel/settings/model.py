"""What can be set: frozen structs whose fields carry their own sentence, unit, example, environment names and secrecy.

An exporter subclasses `ExporterSettings` (or `HttpSettings`), gives `env_prefix`, and writes each option once:

    index: Annotated[str, option("Index or data stream that is written to.", example="metrics-app")] = "magicapi-metrics"

Help, documentation, sample files, the JSON schema and every error sentence come from there. Values are made by `load`.
Units: `seconds` also takes `250ms`, `10s`, `2m`, `1h`; `bytes` also takes `5MB` (a million each) and `512KiB` (1024 each).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import msgspec

from magictel.errors import SettingsError
from magictel.secrets.secret import Secret

if TYPE_CHECKING:
    from magictel.net.address import Address

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
Problem = tuple[str, str, str, str | None]
"""A field's key, a code, one sentence, a remedy."""


def option(
    sentence: str,
    *,
    unit: str | None = None,
    example: Any = None,
    secret: bool = False,
    env: Iterable[str] = (),
    deprecated: str | None = None,
    address: bool = False,
    routes: bool | None = None,
    file: bool | None = None,
    credential: bool = False,
    gt: float | None = None,
    ge: float | None = None,
    le: float | None = None,
) -> msgspec.Meta:
    """What stands on a field. `env`: its variables instead of `env_prefix` + KEY, the first is the one shown.

    `secret` is implied by the type `Secret`. `address`: a URL, or a list of them, that may hold `user:password@`.
    `deprecated`: what to use instead; a value then warns.

    What a config file that was only found may not decide for your secrets (see `trust`): `routes` says whether the option decides
    where requests go or who is believed; left out, every option does that has no unit and is not a secret. `file`: it is the path
    of a file; left out, its name says so. `credential`: it proves who you are although it may be shown.
    """
    extra = {
        "unit": unit,
        "secret": secret,
        "env": (env,) if isinstance(env, str) else tuple(env),
        "deprecated": deprecated,
        "address": address,
        "routes": routes,
        "file": file,
        "credential": credential,
    }
    bounds: dict[str, Any] = {"gt": gt, "ge": ge, "le": le}
    examples = None if example is None else [example]
    meta: msgspec.Meta = msgspec.Meta(description=sentence, examples=examples, extra=extra, **bounds)
    return meta


class ExporterSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The delivery options that every exporter has."""

    env_prefix: ClassVar[str] = ""

    timeout: Annotated[
        float, option("Time for one attempt to send a payload.", unit="seconds", example=30, gt=0, le=3600)
    ] = 10.0
    connect_timeout: Annotated[
        float, option("Connect timeout, including the TLS handshake.", unit="seconds", example=3, gt=0, le=3600)
    ] = 5.0
    retry_budget: Annotated[
        float,
        option(
            "Time that one export() of the running application may spend on retries; what is left waits in the outbox.",
            unit="seconds",
            example=5,
            ge=0,
            le=3600,
        ),
    ] = 2.0
    backoff_initial: Annotated[
        float,
        option(
            "Longest wait before the first retry; it doubles with each (full jitter).",
            unit="seconds",
            example=1,
            gt=0,
            le=3600,
        ),
    ] = 0.5
    backoff_max: Annotated[
        float, option("Longest wait before any retry.", unit="seconds", example=60, gt=0, le=3600)
    ] = 30.0
    rate_limit: Annotated[
        float, option("Most requests a second, retries included; 0 is no limit.", unit="requests/s", example=10, ge=0)
    ] = 0.0
    breaker_failures: Annotated[
        int, option("Failures in a row after which sending pauses.", unit="failures", example=10, ge=1)
    ] = 5
    breaker_cooldown: Annotated[
        float, option("How long sending pauses before one request tries again.", unit="seconds", example=60, gt=0)
    ] = 30.0
    outbox_points: Annotated[
        int,
        option("Most points that wait for a backend that is away; the oldest are dropped first.", unit="points", ge=0),
    ] = 50_000
    outbox_bytes: Annotated[
        int, option("Most bytes that wait for a backend that is away.", unit="bytes", example="64MiB", ge=0)
    ] = 33_554_432
    in_flight: Annotated[
        int,
        option("Payloads under way at once; above 1 a pool of threads is made.", example=4, routes=False, ge=1, le=64),
    ] = 1
    max_batch_points: Annotated[
        int, option("Most points in one request.", unit="points", example=1000, ge=1, le=1_000_000)
    ] = 5_000
    max_batch_bytes: Annotated[
        int, option("Largest request body before compression.", unit="bytes", example="1MB", ge=1024)
    ] = 5_000_000
    temporality: Annotated[
        Literal["cumulative", "delta"],
        option("Whether sums count from the start or since the last export.", routes=False),
    ] = "cumulative"
    redact_attributes: Annotated[
        list[str],
        option(
            "Attributes whose value is replaced by ***, as shell patterns.",
            example=["http.request.header.*"],
            routes=False,
        ),
    ] = []
    drop_attributes: Annotated[
        list[str],
        option("Attributes that are left out, as shell patterns.", example=["user.*", "client.address"], routes=False),
    ] = []
    shutdown_timeout: Annotated[
        float,
        option("Time that shutdown may spend on what still waits.", unit="seconds", example=10, ge=0, le=3600),
    ] = 10.0

    def __repr__(self) -> str:
        from magictel.settings.fields import fields_of

        shown = ", ".join(f"{one.key}={one.shown(getattr(self, one.key))!r}" for one in fields_of(type(self)))
        return f"{type(self).__name__}({shown})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        from magictel.settings.fields import fields_of

        return [(one.key, one.shown(getattr(self, one.key))) for one in fields_of(type(self))]

    def __post_init__(self) -> None:
        from magictel.settings.fields import hide_logins

        hide_logins(self)

    def problems(self) -> Iterable[Problem]:
        """What no single field can see; an exporter's model extends it: `yield from super().problems()`."""
        if self.backoff_max < self.backoff_initial:
            yield (
                "backoff_max",
                "config.value",
                f"backoff_max: {self.backoff_max:g} s is below backoff_initial, {self.backoff_initial:g} s",
                "raise backoff_max or lower backoff_initial",
            )

    def secret_values(self) -> Iterator[str]:
        """Every secret in these settings in clear, for a redactor: credentials, headers, what stands in a URL before its @."""
        from magictel.settings.fields import secret_values

        return secret_values(self)

    def plain_values(self) -> Iterator[str]:
        """Every text in these settings that is no secret and no address: what a backend may rightly say."""
        from magictel.settings.fields import fields_of

        return (
            value
            for field in fields_of(type(self))
            if not field.secret and not field.address and isinstance(value := getattr(self, field.key), str)
        )

    @classmethod
    def unusable(cls) -> Self:
        """Settings to stand in where the real ones cannot be used: defaults, and something empty where there is none."""
        from magictel.settings.fields import fields_of

        return cls(**{field.key: field.nothing for field in fields_of(cls) if field.required})


class HttpSettings(ExporterSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of every exporter that speaks HTTP."""

    compression: Annotated[Literal["none", "gzip"], option("How request bodies travel.", routes=False)] = "gzip"
    ca_file: Annotated[
        str | None,
        option("PEM file with the authorities to trust, in place of the system's.", example="/etc/ssl/private-ca.pem"),
    ] = None
    ca_fingerprint: Annotated[
        str | None,
        option(
            "SHA-256 fingerprint, in hex, of an authority to trust.",
            example="a52dd93511e8c6045e21f16654b77c9ee0f34aea26d9f40320b531c474676228",
        ),
    ] = None
    client_cert_file: Annotated[
        str | None,
        option(
            "PEM file with our certificate, where the server asks for one.",
            example="client.pem",
            routes=False,
            credential=True,
        ),
    ] = None
    client_key_file: Annotated[
        str | None,
        option(
            "PEM file with our certificate's key, unless it is in the same file.",
            example="client.key",
            routes=False,
            credential=True,
        ),
    ] = None
    verify: Annotated[
        bool, option("Whether the server's certificate is verified; false lets anybody listen and answer.")
    ] = True
    server_name: Annotated[
        str | None,
        option("Expected certificate name (SNI) if it differs from the host.", example="es.example.net"),
    ] = None
    headers: Annotated[
        dict[str, Secret],
        option(
            "Headers that every request carries, as name=value; never shown.",
            example={"X-Tenant": "blue"},
            routes=True,
        ),
    ] = {}
    proxy: Annotated[
        str | None,
        option(
            "HTTP proxy, as a URL; an empty value disables it. Default: what the environment says.",
            example="http://proxy.example.net:3128",
            address=True,
        ),
    ] = None
    trust_env: Annotated[
        bool, option("Whether HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY of the environment count.")
    ] = True

    def addresses(self) -> tuple[Address, ...]:
        """Return what the option `url` names (a text or a list), in its order; nothing without such an option.

        Raises `SettingsError` for an address that does not parse.
        """
        from magictel.net.address import parse_endpoint

        urls = getattr(self, "url", ())
        return tuple(parse_endpoint(url) for url in ((urls,) if isinstance(urls, str) else urls))

    def request_headers(self) -> Mapping[str, str]:
        """Return the headers that say who we are."""
        return {}

    def problems(self) -> Iterable[Problem]:
        """Adds: addresses that do not parse, a key without its certificate, an impossible fingerprint or proxy, headers that are none."""
        yield from super().problems()
        if self.client_key_file and not self.client_cert_file:
            yield (
                "client_key_file",
                "config.value",
                "client_key_file: a key alone is no use, client_cert_file is not set",
                "set client_cert_file as well",
            )
        for name in self.headers:
            if not _HEADER.fullmatch(name):
                yield (
                    "headers",
                    "config.value",
                    "headers: what stands before a = cannot be the name of a header",  # not shown: it may be a secret
                    'write name=value,name=value, or in the file headers = { "X-Tenant" = "blue" }',
                )
        for parse in (self.addresses, self._parse):
            try:
                parse()
            except SettingsError as failure:
                yield failure.message.partition(":")[0], failure.code, failure.message, failure.remedy

    def _parse(self) -> None:
        """Raises `SettingsError` for a text that is not what it should be."""
        if self.ca_fingerprint:
            from magictel.net.tls import TlsOptions  # what nobody sets costs nothing

            assert TlsOptions(ca_fingerprint=self.ca_fingerprint).fingerprint
        if self.proxy and self.proxy.strip():
            from magictel.net.proxy import parse_proxy

            parse_proxy(self.proxy, "proxy")
