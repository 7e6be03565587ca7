"""Settings models: frozen structs whose fields carry their description, unit, example, environment names and secrecy.

An exporter subclasses `ExporterSettings` (or `HttpSettings`), gives `env_prefix`, and writes each option once:

    index: Annotated[str, option("Index or data stream to write to.", example="metrics-app")] = "magicapi-metrics"

Help, documentation, sample files, the JSON schema and error messages are generated from them. `load` creates the values.
Units: `seconds` also takes `250ms`, `10s`, `2m`, `1h`; `bytes` also takes `5MB` (a million each) and `512KiB` (1024 each).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import msgspec

from magictel.errors import SettingsError
from magictel.secrets.secret import Secret
from magictel.secrets.shapes import SHAPES
from magictel.settings.fields import fields_of
from magictel.settings.names import either
from magictel.settings.secret_values import hide_logins, secret_values

if TYPE_CHECKING:
    from magictel.net.address import Address

HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
Problem = tuple[str, str, str, str | None]
"""A field's key, a code, one sentence, a remedy."""


def option(
    sentence: str,
    *,
    unit: str | None = None,
    example: Any = None,
    secret: bool = False,
    env: Iterable[str] = (),
    read: Mapping[str, Callable[[str], Any]] | None = None,
    deprecated: str | None = None,
    address: bool = False,
    routes: bool | None = None,
    file: bool | None = None,
    credential: bool = False,
    gt: float | None = None,
    ge: float | None = None,
    le: float | None = None,
) -> msgspec.Meta:
    """Return the metadata of a field.

    `env`: names of its variables instead of `env_prefix` + KEY; messages show the first. `read`: for each variable that is written
    in another form, a function that converts its text (`10000` ms) to the option's form (`10s`); it raises `ValueError` for
    invalid text. `secret` is implied by the type `Secret`. `address`: a URL, or a list of URLs, that may contain `user:password@`.
    `deprecated`: what to use instead; a value then causes a warning.

    For a file that the user did not name (see `trust`): `routes`: the option decides where requests go or which server is trusted
    (default: true unless it has a unit or is secret). `file`: the option is a path (default: its name decides). `credential`: it
    identifies the user although it may be shown.
    """
    extra = {
        "unit": unit,
        "secret": secret,
        "env": (env,) if isinstance(env, str) else tuple(env),
        "read": dict(read or {}),
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


def duration(sentence: str, *, example: Any, gt: float | None = None, ge: float | None = None) -> msgspec.Meta:
    """Return the metadata of an option in seconds, an hour at most."""
    return option(sentence, unit="seconds", example=example, gt=gt, ge=ge, le=3600)


def _why_unusable(pattern: str) -> str:
    """Return what is wrong with a regular expression, or an empty text."""
    try:
        with warnings.catch_warnings():  # Python warns of some valid ones on standard error
            warnings.simplefilter("ignore")
            matches_nothing = re.search(pattern, "") is not None
    except re.error as failure:
        return f"is not a regular expression: {failure}"
    except (OverflowError, RecursionError):
        return "is too complex for a regular expression"
    return "matches the empty text, which every value contains" if matches_nothing else ""


class SettingsModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every settings model is: fields with their descriptions, and the redaction of attributes."""

    env_prefix: ClassVar[str] = ""
    env_names: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Variables of inherited options, by key, instead of `env_prefix` + KEY; messages show the first."""
    env_read: ClassVar[Mapping[str, Callable[[str], Any]]] = {}
    """As `read` of `option`, by variable, for inherited options."""
    env_others: ClassVar[tuple[str, ...]] = ()
    """Prefixes of variables that begin like this exporter's and belong to other programs (`OTEL_EXPORTER_OTLP_TRACES_`)."""
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Values of options, in the form of the file, by the value of the option `preset`; options that are set replace them."""

    redact_attributes: Annotated[
        list[str],
        option(
            "Attributes whose values are masked with ***, as shell patterns.",
            example=["http.request.header.*"],
            routes=False,
        ),
    ] = []
    drop_attributes: Annotated[
        list[str], option("Attributes to drop, as shell patterns.", example=["user.*", "client.address"], routes=False)
    ] = []
    start_check: Annotated[
        Literal["background", "warn", "required"],
        option(
            "Connection test of magictel.runtime.start(): in the background; before it returns (warn); or before it returns, with an"
            " error if the test fails (required).",
            routes=False,
        ),
    ] = "background"
    hash_attributes: Annotated[
        list[str],
        option(
            "Attributes whose values are replaced by a keyed hash, as shell patterns; needs hash_salt.",
            example=["user.id"],
            routes=False,
        ),
    ] = []
    keep_attributes: Annotated[
        list[str],
        option("Attributes that no rule changes, as shell patterns.", example=["license.key"], routes=False),
    ] = []
    redact_shapes: Annotated[
        list[str],
        option(
            "Sensitive shapes to redact in every attribute: names (of secrets, such as password), tokens, urls (credentials in them), "
            "cards, emails. [] disables them.",
            example=[*SHAPES],
            routes=False,
        ),
    ] = msgspec.field(default_factory=lambda: [*SHAPES[:-1]])
    redact_patterns: Annotated[
        list[str],
        option(
            "Regular expressions: what they match in any value is redacted as well.",
            example=["EMP-[0-9]+"],
            routes=False,
        ),
    ] = []
    redact_with: Annotated[
        Literal["mask", "hash", "drop"],
        option(
            "What happens to a sensitive shape or pattern: masked with ***, hashed (needs hash_salt), or the attribute is dropped.",
            routes=False,
        ),
    ] = "mask"
    hash_salt: Annotated[Secret | None, option("Key of the hashes: the same one gives the same hashes.")] = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(field.key, field.shown(getattr(self, field.key))) for field in fields_of(type(self))]

    def __post_init__(self) -> None:
        hide_logins(self)

    def problems(self) -> Iterable[Problem]:
        """Yield problems that involve several fields; a model extends it: `yield from super().problems()`."""
        if (self.hash_attributes or self.redact_with == "hash") and not self.hash_salt:
            key = "hash_attributes" if self.hash_attributes else "redact_with"
            yield (
                key,
                "config.value",
                f"{key}: a hash needs hash_salt, which is not set",
                "set hash_salt to a random text",
            )
        for shape in self.redact_shapes:
            if shape not in SHAPES:
                yield (
                    "redact_shapes",
                    "config.value",
                    f"redact_shapes: {shape!r} is not a shape",
                    f"use {either(SHAPES)}",
                )
        for pattern in self.redact_patterns:
            why = _why_unusable(pattern)
            if why:
                yield (
                    "redact_patterns",
                    "config.value",
                    f"redact_patterns: {pattern[:80]!r} {why}",
                    "correct the expression",
                )

    def secret_values(self) -> Iterator[str]:
        """Return every secret of these settings in plain text, for a redactor: credentials, headers, logins in URLs."""
        return secret_values(self)

    def secrets(self) -> Iterator[Secret]:
        """Yield every secret of these settings, those in mappings and lists among them."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            values = (
                value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else (value,)
            )
            yield from (each for each in values if isinstance(each, Secret))

    def plain_values(self) -> Iterator[str]:
        """Return every text of these settings that is neither secret nor an address: a backend may return it."""
        return (
            value
            for field in fields_of(type(self))
            if not field.secret and not field.address and isinstance(value := getattr(self, field.key), str)
        )

    @classmethod
    def unusable(cls) -> Self:
        """Return placeholder settings for unusable ones: defaults, or empty values."""
        return cls(**{field.key: field.nothing for field in fields_of(cls) if field.required})


class ExporterSettings(SettingsModel, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Delivery options of every exporter that sends."""

    timeout: Annotated[float, duration("Timeout of one attempt to send a payload.", example=30, gt=0)] = 10.0
    connect_timeout: Annotated[float, duration("Connect timeout, including the TLS handshake.", example=3, gt=0)] = 5.0
    retry_budget: Annotated[
        float,
        duration(
            "Time that one export() may spend on retries; points not yet sent then wait in the outbox.",
            example=5,
            ge=0,
        ),
    ] = 2.0
    backoff_initial: Annotated[
        float, duration("Longest wait before the first retry; it doubles each time (full jitter).", example=1, gt=0)
    ] = 0.5
    backoff_max: Annotated[float, duration("Longest wait between retries.", example=60, gt=0)] = 30.0
    rate_limit: Annotated[
        float,
        option(
            "Maximum requests per second, including retries; 0 means no limit.", unit="requests/s", example=10, ge=0
        ),
    ] = 0.0
    breaker_failures: Annotated[
        int, option("Consecutive failures before sending pauses.", unit="failures", example=10, ge=1)
    ] = 5
    breaker_cooldown: Annotated[
        float, option("Length of this pause before the next attempt.", unit="seconds", example=60, gt=0)
    ] = 30.0
    outbox_points: Annotated[
        int,
        option(
            "Maximum points in the outbox while the backend is down; the oldest are dropped first.", unit="points", ge=0
        ),
    ] = 50_000
    outbox_bytes: Annotated[
        int, option("Maximum bytes in the outbox while the backend is down.", unit="bytes", example="64MiB", ge=0)
    ] = 33_554_432
    spool: Annotated[
        str | None,
        option(
            "Directory for points that are not delivered yet, which then survive the process. Default: they wait in memory.",
            example="/var/lib/magictel",
            routes=False,
            file=True,
        ),
    ] = None
    spool_bytes: Annotated[
        int, option("Maximum bytes in the spool; the oldest are dropped first.", unit="bytes", example="1GiB", ge=0)
    ] = 268_435_456
    spool_age: Annotated[
        float, option("Longest time in the spool; older points are dropped.", unit="seconds", example="6h", gt=0)
    ] = 86_400.0
    in_flight: Annotated[
        int,
        option("Payloads sent in parallel; values above 1 use a thread pool.", example=4, routes=False, ge=1, le=64),
    ] = 1
    max_batch_points: Annotated[
        int, option("Maximum points per request.", unit="points", example=1000, ge=1, le=1_000_000)
    ] = 5_000
    max_batch_bytes: Annotated[
        int, option("Maximum request body before compression.", unit="bytes", example="1MB", ge=1024)
    ] = 5_000_000
    temporality: Annotated[
        Literal["cumulative", "delta"],
        option("Whether sums count from the start (cumulative) or since the last export (delta).", routes=False),
    ] = "cumulative"
    verify_with: Annotated[
        str | None,
        option(
            "Target that stores what this one forwards: send-sample and replay --verify read the points back from it. In the file also:"
            ' verify = { target = "NAME" }.',
            example="prod-prometheus",
            routes=False,
        ),
    ] = None
    shutdown_timeout: Annotated[float, duration("Time that shutdown may spend on queued points.", example=10, ge=0)] = (
        10.0
    )

    def problems(self) -> Iterable[Problem]:
        """Yield problems that involve several fields; see `SettingsModel`."""
        yield from super().problems()
        if self.backoff_max < self.backoff_initial:
            yield (
                "backoff_max",
                "config.value",
                f"backoff_max: {self.backoff_max:g} s is below backoff_initial, {self.backoff_initial:g} s",
                "raise backoff_max or lower backoff_initial",
            )


class HttpSettings(ExporterSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of every HTTP exporter."""

    compression: Annotated[Literal["none", "gzip"], option("Compression of request bodies.", routes=False)] = "gzip"
    ca_file: Annotated[
        str | None, option("PEM file with the CAs to trust instead of the system's.", example="/etc/ssl/private-ca.pem")
    ] = None
    ca_fingerprint: Annotated[
        str | None,
        option(
            "SHA-256 fingerprint, in hex, of a CA to trust.",
            example="a52dd93511e8c6045e21f16654b77c9ee0f34aea26d9f40320b531c474676228",
        ),
    ] = None
    client_cert_file: Annotated[
        str | None,
        option(
            "PEM file with the client certificate (mutual TLS).", example="client.pem", routes=False, credential=True
        ),
    ] = None
    client_key_file: Annotated[
        str | None,
        option(
            "PEM file with the client certificate's key, unless it is in the same file.",
            example="client.key",
            routes=False,
            credential=True,
        ),
    ] = None
    verify: Annotated[
        bool, option("Whether to verify the server's certificate; false lets anyone intercept the connection.")
    ] = True
    server_name: Annotated[
        str | None,
        option("Expected certificate name (SNI) if it differs from the host.", example="metrics.example.net"),
    ] = None
    headers: Annotated[
        dict[str, Secret],
        option("Headers of every request, as name=value; never shown.", example={"X-Tenant": "blue"}, routes=True),
    ] = {}
    proxy: Annotated[
        str | None,
        option(
            "URL of an HTTP proxy; empty disables it. Default: from the environment.",
            example="http://proxy.example.net:3128",
            address=True,
        ),
    ] = None
    trust_env: Annotated[
        bool, option("Whether to use HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY from the environment.")
    ] = True

    def addresses(self) -> tuple[Address, ...]:
        """Return the addresses of the option `url` (a text or a list) in order; nothing without such an option.

        Raise `SettingsError` for an address that does not parse.
        """
        from magictel.net.address import parse_endpoint

        urls = getattr(self, "url", ())
        return tuple(parse_endpoint(url) for url in ((urls,) if isinstance(urls, str) else urls))

    def request_headers(self) -> Mapping[str, str]:
        """Return the headers with credentials and tenant."""
        return {}

    def problems(self) -> Iterable[Problem]:
        """Add: addresses that do not parse, a key without its certificate, invalid fingerprints, proxies and headers."""
        yield from super().problems()
        if self.client_key_file and not self.client_cert_file:
            yield (
                "client_key_file",
                "config.value",
                "client_key_file is set, but client_cert_file is not",
                "set client_cert_file as well",
            )
        for name in self.headers:
            if not HEADER_NAME.fullmatch(name):
                yield (
                    "headers",
                    "config.value",
                    "headers: the text before a = is not a valid header name",  # not shown: it may be a secret
                    'use name=value,name=value, or in the file headers = { "X-Tenant" = "blue" }',
                )
        for parse in (self.addresses, self._parse):
            try:
                parse()
            except SettingsError as failure:
                yield failure.message.partition(":")[0], failure.code, failure.message, failure.remedy

    def _parse(self) -> None:
        """Raise `SettingsError` for an invalid text."""
        if self.ca_fingerprint:
            from magictel.net.tls import TlsOptions  # imported only if it is set

            assert TlsOptions(ca_fingerprint=self.ca_fingerprint).fingerprint
        if self.proxy and self.proxy.strip():
            from magictel.net.proxy import parse_proxy

            parse_proxy(self.proxy, "proxy")
