"""The settings of OTLP, with the variables that OpenTelemetry's specification gives them."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from magictel.errors import SettingsError
from magictel.exporters.otlp.presets import ADDRESSES, KEYS, PRESETS, Name, key_problem
from magictel.net.address import parse_endpoint
from magictel.net.endpoint import Endpoint
from magictel.secrets.secret import Secret
from magictel.settings.convert import split_mapping
from magictel.settings.login import LoginSettings
from magictel.settings.model import Problem, option

_DEFAULT_URL = "http://localhost:4318/v1/metrics"
_GENERAL, _METRICS = "OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_METRICS_"


def _names(key: str) -> tuple[str, str]:
    """Return the variables of an option: the one for metrics, which takes precedence, and the general one."""
    return _METRICS + key, _GENERAL + key


def _with_path(address: str) -> str:
    """Append the path of the signal, as the specification does for the general address only."""
    return f"{address.strip().rstrip('/')}/v1/metrics"


def _seconds(milliseconds: str) -> str:
    try:
        return str(float(milliseconds) / 1000)
    except ValueError:
        raise ValueError(f'"{milliseconds}" is not a number of milliseconds, as in 10000') from None


def _protocol(name: str) -> str:
    """Return the protocol. Raise `ValueError` for the two others of the specification."""
    if name.strip() in ("grpc", "http/json"):
        raise ValueError(f"{name.strip()} is not supported; use http/protobuf, usually on port 4318")
    return name


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
            "Backend whose address, header of the key, temporality and limits to use; every option that is set replaces its value.",
            example="newrelic-eu",
        ),
    ] = None
    url: Annotated[
        str,
        option(
            "The address of the OTLP/HTTP receiver, path included. OTEL_EXPORTER_OTLP_ENDPOINT gets /v1/metrics appended.",
            example="https://collector.example.net:4318/v1/metrics",
            address=True,
            env=_names("ENDPOINT"),
            read={_GENERAL + "ENDPOINT": _with_path},
        ),
    ] = _DEFAULT_URL
    api_key: Annotated[Secret | None, option("Key of the backend, sent in the header that api_key_header names.")] = (
        None
    )
    api_key_header: Annotated[str, option("Header of api_key.", example="api-key")] = "Authorization"
    api_key_scheme: Annotated[
        str, option("Word before api_key in its header, as in `ApiKey KEY`.", example="ApiKey", routes=False)
    ] = ""
    protocol: Annotated[
        Literal["http/protobuf"],
        option(
            "The protocol: OTLP over HTTP, in protobuf.",
            routes=False,
            env=_names("PROTOCOL"),
            read=dict.fromkeys(_names("PROTOCOL"), _protocol),
        ),
    ] = "http/protobuf"
    compression: Annotated[
        Literal["none", "gzip"],
        option("Compression of request bodies.", routes=False, env=_names("COMPRESSION")),
    ] = "none"
    temporality: Annotated[
        Literal["cumulative", "delta"],
        option(
            "Whether sums count from the start (cumulative) or since the last export (delta).",
            routes=False,
            env=(_METRICS + "TEMPORALITY_PREFERENCE",),
            read={_METRICS + "TEMPORALITY_PREFERENCE": str.lower},
        ),
    ] = "cumulative"
    query_url: Annotated[
        str | None,
        option(
            "Address for read-back, where the receiver is a Prometheus: the part before /api/v1/query. Default: derived from the path"
            " of the receivers of Prometheus, Mimir and VictoriaMetrics; other receivers cannot be queried.",
            example="https://prometheus.example.net",
            address=True,
        ),
    ] = None
    scope_labels: Annotated[
        bool,
        option(
            "For read-back: whether Prometheus adds the scope as labels (otel_scope_name; otlp.promote_scope_metadata).",
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

    def problems(self) -> Iterable[Problem]:
        """Add: an address without a path, one to query that does not parse, and what a preset lacks."""
        yield from super().problems()
        yield from self._preset_problems()
        try:
            self.query_endpoint()
            (address,) = self.addresses()
        except SettingsError as failure:
            if not failure.message.startswith("url:"):  # that is among `super().problems()`
                yield "query_url", failure.code, failure.message, failure.remedy
            return
        if not address.endpoint.path.strip("/"):
            yield (
                "url",
                "config.value",
                "url: it has no path",
                "add the path of the receiver: the Collector's is /v1/metrics, Prometheus' is /api/v1/otlp/v1/metrics",
            )

    def _preset_problems(self) -> Iterator[Problem]:
        preset = self.preset or ""
        if preset in ADDRESSES and self.url == _DEFAULT_URL:
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
