"""OTLP over gRPC: the transport of `protocol = "grpc"`, and the only module that uses grpcio (`pip install 'magictel[grpc]'`).

A call is a POST with gRPC's content type, and its status a reply with the corresponding status of HTTP: credentials, retries, limits and
probes are those of HTTP. The bytes of a message pass through a generic stub as they are.
"""

from __future__ import annotations

import os
import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magictel.errors import SettingsError, WireError
from magictel.exporters.otlp.grpc_status import CONTENT_TYPE, HTTP_STATUS, connection_fault
from magictel.http.wire import Reply, Request, Transport
from magictel.net.address import parse_endpoint
from magictel.net.endpoint import Endpoint
from magictel.net.tls import TlsOptions, ssl_context
from magictel.secrets.redactor import Redactor
from magictel.secrets.secret import revealed
from magictel.settings.model import HttpSettings
from magictel.text import clipped
from magictel.transports.exchange_log import log_failure, log_reply, log_request
from magictel.transports.headers import must_travel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

METHOD = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
"""The path of an export."""
HEALTH = "/grpc.health.v1.Health/Check"
"""The path of a call that writes nothing, and that any gRPC server answers, be it with UNIMPLEMENTED."""
_OF_THE_PROTOCOL = frozenset({"content-type", "user-agent", "host", "te", "grpc-encoding"})
"""Headers that gRPC writes itself."""
_SYSTEM_CAS = Path("/etc/ssl/certs/ca-certificates.crt")


def must_be_importable() -> None:
    """Raise `SettingsError` if grpcio is not installed, or cannot be imported."""
    try:
        import grpc  # noqa: F401
    except Exception as failure:  # a package for another system or Python raises anything
        missing = isinstance(failure, ModuleNotFoundError) and failure.name == "grpc"
        why = "is not installed" if missing else f"cannot be imported ({clipped(str(failure), 200)})"
        install = "pip install 'magictel[grpc]'" if missing else "uninstall grpcio and install it for this Python"
        raise SettingsError(
            "config.extra",
            f"protocol: grpc needs the package grpcio, which {why}",
            f"{install}, or set protocol to http/protobuf, usually on port 4318",
        ) from None


class GrpcTransport:
    """`magictel.http.wire.Transport` over gRPC; other requests, such as queries of a read-back, go over HTTP.

    Thread-safe. A forked child opens its own channel. After a failed connection the next call connects again at once: gRPC's own
    delay between two connections would outlast the exporter's.
    """

    def __init__(self, http: Transport, settings: HttpSettings, tls: TlsOptions, redact: Redactor) -> None:
        must_be_importable()
        self._http = http
        self._settings = settings
        self._tls = tls
        self._redact = redact
        self._channels: dict[str, Any] = {}
        self._pid = os.getpid()

    def send(self, request: Request, timeout: float) -> Reply:
        """Return the status of the call with its message as body. Raise `WireError` without a connection."""
        if not request.header("content-type").startswith(CONTENT_TYPE):
            return self._http.send(request, timeout)
        must_travel(request)
        log_request(request, self._redact)
        try:
            reply = self._call(request, timeout)
        except WireError as failure:
            log_failure(request, failure.code, failure.message, self._redact)
            raise
        log_reply(request, reply, self._redact)
        return reply

    def _call(self, request: Request, timeout: float) -> Reply:
        import grpc

        endpoint = parse_endpoint(request.url).endpoint
        channel = self._channel(endpoint, request.header("user-agent"))
        call = channel.unary_unary(request.path)
        gzip = grpc.Compression.Gzip if request.header("grpc-encoding") == "gzip" else None
        began = time.monotonic()
        try:
            body, answer = call.with_call(request.body, timeout, list(_metadata(request.headers)), compression=gzip)
        except grpc.RpcError as failure:
            body, answer = b"", failure
        except ValueError:  # another thread has just closed it
            why = f"{endpoint.origin}: the channel was closed before the call"
            raise WireError("otlp.grpc.unavailable", why, phase="write") from None
        number, _ = answer.code().value
        details = self._redact(answer.details() or "")
        fault = connection_fault(number, details, endpoint)
        if fault is not None:
            self._channels.pop(endpoint.origin, None)  # not closed: other threads may be sending on it
            raise fault
        seconds = time.monotonic() - began
        metadata = dict((*(answer.initial_metadata() or ()), *(answer.trailing_metadata() or ())))
        texts = {name: value for name, value in metadata.items() if isinstance(value, str)}
        headers = {**texts, "content-type": CONTENT_TYPE, "grpc-status": str(number), "grpc-message": details}
        return Reply(HTTP_STATUS[number], headers, body or metadata.get("grpc-status-details-bin", b""), seconds)

    def close(self) -> None:
        """Close the channels; the next send opens new ones."""
        channels, self._channels = self._channels, {}
        if self._pid == os.getpid():
            for channel in channels.values():
                channel.close()
        self._http.close()

    def _channel(self, endpoint: Endpoint, agent: str) -> Any:
        """Return the open channel. No lock: a fork could leave it locked; threads that come together get the same channel."""
        if self._pid != os.getpid():
            self._channels, self._pid = {}, os.getpid()
        channel = self._channels.get(endpoint.origin)
        return channel or self._channels.setdefault(endpoint.origin, self._open(endpoint, agent))

    def _open(self, endpoint: Endpoint, agent: str) -> Any:
        import grpc

        settings = self._settings
        options: list[tuple[str, Any]] = [
            ("grpc.primary_user_agent", agent),
            ("grpc.enable_retries", 0),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        if settings.proxy:
            options.append(("grpc.http_proxy", revealed(settings.proxy)))
        elif settings.proxy is not None or not settings.trust_env:
            options.append(("grpc.enable_http_proxy", 0))
        target = endpoint.origin.partition("://")[2]
        if not endpoint.tls:
            return grpc.insecure_channel(target, options)
        if settings.server_name:
            options.append(("grpc.ssl_target_name_override", settings.server_name))
        ssl_context(self._tls)  # raises `SettingsError` for unusable files
        files = (
            self._tls.ca_file or _system_cas(),
            self._tls.client_key_file or self._tls.client_cert_file,
            self._tls.client_cert_file,
        )
        contents = [Path(file).read_bytes() if file else None for file in files]
        return grpc.secure_channel(target, grpc.ssl_channel_credentials(*contents), options)


def _system_cas() -> str | None:
    """Return the file with the system's CAs, as for HTTPS; None: grpcio's own."""
    file = ssl.get_default_verify_paths().cafile
    return file or (str(_SYSTEM_CAS) if _SYSTEM_CAS.exists() else None)


def _metadata(headers: Mapping[str, str]) -> Iterable[tuple[str, str | bytes]]:
    for name, value in headers.items():
        key = name.lower()
        if key not in _OF_THE_PROTOCOL:
            yield key, value.encode() if key.endswith("-bin") else value
