"""The settings of OTLP, with the variables that OpenTelemetry's specification gives them."""

from __future__ import annotations

import math
import re
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from magictel.errors import SettingsError
from magictel.exporters.otlp.presets import ADDRESSES, KEYS, PRESETS, Name, key_problem
from magictel.net.address import Address, parse_endpoint
from magictel.net.endpoint import Endpoint
from magictel.secrets.secret import Secret
from magictel.settings.convert import split_mapping
from magictel.settings.login import LoginSettings
from magictel.settings.model import HEADER_NAME, Problem, option

_DEFAULT_URL = "http://localhost:4318/v1/metrics"
_DEFAULT_GRPC_URL = "http://localhost:4317"
_GENERAL, _METRICS = "OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_METRICS_"
_LONGEST_TIMEOUT = 3600.0
_METADATA = re.compile(r"[0-9A-Za-z_.-]+")


def _names(key: str) -> tuple[str, str]:
    """Return the variables of an option: the one for metrics, which takes precedence, and the general one."""
    return _METRICS + key, _GENERAL + key


def _with_path(address: str) -> str:
    """Append the path of the signal, as the specification does for the general address only.

    An address without a scheme stays as it is: gRPC needs no path, and the error for HTTP suggests what the variable should contain.
    """
    return f"{address.strip().rstrip('/')}/v1/metrics" if "://" in address or "$" in address else address


def _seconds(milliseconds: str) -> str:
    try:
        seconds = float(milliseconds) / 1000
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= _LONGEST_TIMEOUT:
        raise ValueError(f'"{milliseconds}" is not a number of milliseconds from 1 to 3600000, as in 10000')
    return str(seconds)


def _word(text: str) -> str:
    return text.strip().lower()


def _decoded(headers: str) -> Mapping[str, str]:
    """Return headers with their values URL-decoded (`Basic%20…`)."""
    return {name: urllib.parse.unquote(value) for name, value in split_mapping(headers).items()}


class OtlpSettings(LoginSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where and how OTLP is sent."""

    env_prefix = "OTLP_"
    env_names: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "timeout": _names("TIMEOUT"),
        "headers": _names("HEADERS"),
        "ca_file": _names("CERTIFICATE"),
        "client_cert_file": _names("CLIENT_CERTIFICATE"),
        "client_key_file": _names("CLIENT_KEY"),
    }
    env_read: ClassVar[Mapping[str, Callable[[str], Any]]] = {
        **dict.fromkeys(_names("TIMEOUT"), _seconds),
        **dict.fromkeys(_names("HEADERS"), _decoded),
    }
    env_others = ("OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_LOGS_", "OTEL_EXPORTER_OTLP_PROFILES_")

    presets = PRESETS

    preset: Annotated[
        Name | None,
        option(
            "Defaults for a vendor: address, header of the key, temporality, limits. Options that are set take precedence.",
            example="newrelic-eu",
        ),
    ] = None
    url: Annotated[
        str | None,
        option(
            "Address of the receiver, path included (for grpc without a path). OTEL_EXPORTER_OTLP_ENDPOINT gets /v1/metrics"
            " appended. Default: http://localhost:4318/v1/metrics, with grpc http://localhost:4317.",
            example="https://collector.example.net:4318/v1/metrics",
            address=True,
            env=_names("ENDPOINT"),
            read={_GENERAL + "ENDPOINT": _with_path},
        ),
    ] = None
    api_key: Annotated[Secret | None, option("API key, sent in the header that api_key_header names.")] = None
    api_key_header: Annotated[str, option("Name of the header that carries api_key.", example="api-key")] = (
        "Authorization"
    )
    api_key_scheme: Annotated[
        str, option("Word before api_key in its header, as in `ApiKey KEY`.", example="ApiKey", routes=False)
    ] = ""
    protocol: Annotated[
        Literal["http/protobuf", "http/json", "grpc"],
        option(
            "Protocol. grpc needs `pip install 'magictel[grpc]'`, and usually port 4317 instead of 4318.",
            routes=False,
            env=_names("PROTOCOL"),
            read=dict.fromkeys(_names("PROTOCOL"), _word),
        ),
    ] = "http/protobuf"
    insecure: Annotated[
        bool,
        option(
            "With grpc: whether to use no TLS for an address without http:// or https://.",
            routes=True,
            env=_names("INSECURE"),
        ),
    ] = False
    compression: Annotated[
        Literal["none", "gzip"],
        option("Compression of request bodies.", routes=False, env=_names("COMPRESSION")),
    ] = "none"
    temporality: Annotated[
        Literal["cumulative", "delta", "lowmemory"],
        option(
            "Whether sums count from the start (cumulative) or since the last export (delta). lowmemory: delta for synchronous"
            " counters and histograms only.",
            routes=False,
            env=(_METRICS + "TEMPORALITY_PREFERENCE",),
            read={_METRICS + "TEMPORALITY_PREFERENCE": _word},
        ),
    ] = "cumulative"  # type: ignore[assignment] # more values than those of other exporters
    histogram_aggregation: Annotated[
        Literal["explicit_bucket_histogram", "base2_exponential_bucket_histogram"],
        option(
            "Default aggregation of histograms: explicit or exponential buckets. Views override it.",
            routes=False,
            env=(_METRICS + "DEFAULT_HISTOGRAM_AGGREGATION",),
            read={_METRICS + "DEFAULT_HISTOGRAM_AGGREGATION": _word},
        ),
    ] = "explicit_bucket_histogram"
    query_url: Annotated[
        str | None,
        option(
            "Address for read-back from Prometheus: the part before /api/v1/query. Default: derived from url if it has the path of"
            " Prometheus, Mimir or VictoriaMetrics. Other receivers cannot be queried.",
            example="https://prometheus.example.net",
            address=True,
        ),
    ] = None
    scope_labels: Annotated[
        bool,
        option(
            "For read-back: whether Prometheus adds labels of the scope such as otel_scope_name (promote_scope_metadata).",
            routes=False,
        ),
    ] = False
    prometheus_naming: Annotated[
        bool,
        option(
            "For read-back: whether VictoriaMetrics runs with -opentelemetry.usePrometheusNaming.",
            routes=False,
        ),
    ] = False

    def credentials(self) -> Mapping[str, str]:
        """Add the key."""
        if not self.api_key:
            return super().credentials()
        return {**super().credentials(), "api_key": f"{self.api_key_scheme} {self.api_key.reveal()}".strip()}

    def credential_options(self) -> tuple[str, ...]:
        """Add the key."""
        return (*super().credential_options(), "api_key")

    def request_headers(self) -> Mapping[str, str]:
        """Send the key in its own header."""
        headers = dict(super().request_headers())
        if self.api_key and (value := headers.pop("Authorization", None)):
            headers[self.api_key_header] = value
        return headers

    def addresses(self) -> tuple[Address, ...]:
        """Return the address of the receiver, which for gRPC has no path. Raise `SettingsError`."""
        if self.protocol != "grpc":
            return (parse_endpoint(_DEFAULT_URL if self.url is None else self.url),)
        url = _DEFAULT_GRPC_URL if self.url is None else self.url
        if url.strip() and "://" not in url:
            url = f"{'http' if self.insecure else 'https'}://{url}"
        address = parse_endpoint(url)
        return (msgspec.structs.replace(address, endpoint=msgspec.structs.replace(address.endpoint, path="")),)

    def problems(self) -> Iterable[Problem]:
        """Add: an address without a path, one to query that does not parse, and what a preset lacks or gRPC cannot do."""
        yield from super().problems()
        yield from self._preset_problems()
        if not HEADER_NAME.fullmatch(self.api_key_header):
            message = "api_key_header: this is not a valid header name"  # not shown: it may be the key
            yield "api_key_header", "config.value", message, 'set the name only, as in api_key_header = "api-key"'
        try:
            self.query_endpoint()
            (address,) = self.addresses()
        except SettingsError as failure:
            if not failure.message.startswith("url:"):  # that is among `super().problems()`
                yield "query_url", failure.code, failure.message, failure.remedy
            return
        if self.protocol == "grpc":
            yield from self._grpc_problems()
            return
        path = address.endpoint.path
        if not path.strip("/"):
            yield (
                "url",
                "config.value",
                "url: it has no path",
                "add the path of the receiver: the Collector's is /v1/metrics, Prometheus' is /api/v1/otlp/v1/metrics",
            )
        signal = path.rpartition("/v1/")[2]
        if signal in ("traces", "logs"):
            message = f"url: {path} receives {signal}; it would accept metrics and store none"
            yield "url", "config.value", message, f"replace /v1/{signal} by /v1/metrics"

    def _grpc_problems(self) -> Iterable[Problem]:
        for key, unusable in (("verify", not self.verify), ("ca_fingerprint", bool(self.ca_fingerprint))):
            if unusable:
                message = f"{key}: gRPC always verifies certificates by their CA"
                yield key, "config.value", message, "set ca_file to the CA's certificate, or use protocol http/protobuf"
        for name in self.headers:
            if not _METADATA.fullmatch(name):
                message = f"headers: {name} is not a valid name of gRPC metadata"
                yield "headers", "config.value", message, "use letters, digits, - _ and . only"

    def _preset_problems(self) -> Iterator[Problem]:
        preset = self.preset or ""
        if preset in ADDRESSES and not self.url:
            message = f"url: the preset {preset} has no address of its own: every customer has another"
            yield "url", "config.required", message, f"set url, such as {ADDRESSES[preset]}"
        if preset in KEYS and not (self.credentials() or self.headers):
            remedy = "set username and password" if preset == "grafana-cloud" else f"set api_key: {KEYS[preset]}"
            yield "api_key", "config.required", f"api_key: the preset {preset} needs {KEYS[preset]}", remedy
        problem = key_problem(preset, self.api_key.reveal()) if self.api_key else None
        if problem is not None:
            yield "api_key", *problem

    def query_endpoint(self) -> Endpoint | None:
        """Return the address of the query API that an option gives, or None. Raises `SettingsError`."""
        return parse_endpoint(self.query_url, field="query_url").endpoint if self.query_url else None
