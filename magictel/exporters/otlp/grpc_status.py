"""What a gRPC status means for an export: the specification's table of retries, and failed connections by grpcio's own texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from magictel.catalogue.retry import RetryClass
from magictel.errors import Phase, WireError
from magictel.exporters.otlp import errors
from magictel.http.error_rules import BackendError, Rule, match
from magictel.http.wire import Reply
from magictel.model.outcome import Outcome, Rejected, Throttled, Unavailable
from magictel.net.endpoint import Endpoint
from magictel.net.tls_errors import known_fault
from magictel.text import clipped

CONTENT_TYPE = "application/grpc"
NAMES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
"""The statuses by their number."""
HTTP_STATUS = (200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401)
"""The status of HTTP for each (google/rpc/code.proto)."""
_RETRIED = frozenset({"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"})
"""Retried in any case; RESOURCE_EXHAUSTED only with a RetryInfo (opentelemetry.io/docs/specs/otlp, "Failures")."""
_MAYBE_STORED = frozenset({"CANCELLED", "DEADLINE_EXCEEDED"})

RULES: tuple[Rule, ...] = (
    Rule(
        "otlp.grpc.exhausted",
        "{status}: {said}",
        "lower max_batch_points, or raise the receiver's max_recv_msg_size_mib",
        RetryClass.SPLIT,
        types=("RESOURCE_EXHAUSTED", "UNKNOWN"),
        text="larger than max|http2 header with status: 413",
    ),
    Rule(
        "otlp.grpc.http-401",
        "{status}: a server in front of the receiver answered 401 in plain HTTP: {said}",
        "set the credentials that it needs, or use the receiver's own address",
        types=("UNAUTHENTICATED",),
        text="HTTP status code 401|unexpected content-type|http2 header with status: 401",
    ),
    Rule(
        "otlp.grpc.unauthenticated",
        "{status}: {said}",
        "set or correct the credentials: api_key, bearer_token or headers",
        types=("UNAUTHENTICATED",),
    ),
    Rule(
        "otlp.grpc.denied",
        "{status}: {said}",
        "use a key that may write metrics; New Relic needs an ingest licence key",
        types=("PERMISSION_DENIED",),
    ),
    Rule(
        "otlp.grpc.http-400",
        "{status}: a server in front of the receiver does not pass gRPC on: {said}",
        "use a load balancer or proxy with HTTP/2, or protocol http/protobuf, usually on port 4318",
        types=("INTERNAL", "UNKNOWN", "UNIMPLEMENTED"),  # UNAVAILABLE, of 502 to 504, is temporary
        text="HTTP status code received|invalid content.type|http2 header with status",
    ),
    Rule(
        "otlp.grpc.no-service",
        "{status}: this gRPC server has no OTLP receiver for metrics: {said}",
        "correct the address, or add metrics to the receiver's pipelines",
        types=("UNIMPLEMENTED",),
    ),
    *errors.RULES,  # by the status of HTTP
)
"""What the text of a status means; without such a rule the table of retries decides."""


class _Fault(NamedTuple):
    pattern: str
    code: str
    phase: Phase
    sentence: str = ""
    remedy: str | None = None


_CLOSED = _Fault(
    "Connection reset|Socket closed|Broken pipe", "net.tcp.reset", "read", "closed the connection before it answered"
)
_FAULTS = (
    _Fault(
        "Expected SETTINGS frame|Failed parsing HTTP/2|http1.x server",
        "otlp.grpc.http-port",
        "read",
        "does not speak gRPC (it answers HTTP/1.1)",
        "use the receiver's gRPC port, 4317 by default; 4318 is HTTP",
    ),
    _Fault(
        "selected ALPN",
        "otlp.grpc.http-port",
        "tls",
        "speaks TLS without HTTP/2 (ALPN h2), which gRPC needs",
        "use the receiver's gRPC port, or enable ALPN with h2 on the load balancer or proxy in front of it",
    ),
    _Fault(
        "HTTP proxy returned response code 407",
        "http.proxy.auth",
        "proxy",
        "is behind a proxy that needs a login (407)",
        "put user and password into the proxy's URL",
    ),
    _Fault(
        "WRONG_VERSION_NUMBER",
        "otlp.grpc.tls-to-plain",
        "tls",
        "does not speak TLS, but the address says https://",
        "use http:// in the address, or enable TLS on the server",
    ),
    _Fault(
        "unable to get (local )?issuer|self.signed certificate in certificate chain",
        "otlp.grpc.unknown-ca",
        "tls",
        "presents a certificate whose CA is not trusted",
        "set ca_file or OTEL_EXPORTER_OTLP_CERTIFICATE to that CA's certificate",
    ),
    _Fault("self.signed certificate", "tls.self-signed", "tls"),
    _Fault("certificate has expired", "tls.expired", "tls"),
    _Fault("not yet valid", "tls.not-yet-valid", "tls"),
    _Fault("Hostname Verification|Peer name .* not in", "tls.hostname-mismatch", "tls"),
    _Fault("CERTIFICATE_REQUIRED", "tls.client-cert-required", "tls"),
    _Fault("ALERT_UNKNOWN_CA|ALERT_BAD_CERTIFICATE|ALERT_CERTIFICATE", "tls.client-cert-rejected", "tls"),
    _Fault("CERTIFICATE_VERIFY_FAILED", "tls.certificate-refused", "tls"),
    _Fault("Tls handshake failed|SSL_ERROR", "tls.handshake", "tls"),
    _Fault(
        "Domain name not found|errors? resolving|DNS resolution failed", "net.dns.not-found", "dns", "does not resolve"
    ),
    _Fault("Connection refused", "net.tcp.refused", "tcp", "refused the connection: nothing is listening there"),
    _Fault("[Tt]imed? ?out", "net.tcp.timeout", "tcp", "did not accept the connection in time"),
    _Fault(
        "Connection reset",
        "net.tcp.reset",
        "tcp",
        "reset the connection at once",
        "if the server speaks TLS, use https:// in the address",
    ),
    _CLOSED,
    _Fault("failed to connect to all addresses", "net.tcp.unreachable", "tcp", "is unreachable"),
)
_CONNECTING = ("failed to connect to all addresses", "errors resolving", "DNS resolution failed")


def connection_fault(number: int, details: str, endpoint: Endpoint) -> WireError | None:
    """Return the error for a call without an answer of the server, by grpcio's text for it; None: the server answered."""
    connecting = details.startswith(_CONNECTING)  # other texts are those of a server, about its own connections
    faults = _FAULTS if connecting else (_CLOSED,)
    fault = next((fault for fault in faults if re.search(fault.pattern, details)), None)
    if fault is None or NAMES[number] != "UNAVAILABLE":
        return None
    sentence, remedy = fault.sentence, fault.remedy
    if not sentence:
        known = known_fault(fault.code)
        sentence, remedy = known.message, known.remedy
    separator = ": " if not fault.sentence else " "
    return WireError(
        fault.code,
        f"{endpoint.origin}{separator}{sentence}",
        remedy,
        phase=fault.phase,
        maybe_delivered=not connecting,
        evidence={"peer": endpoint.origin, "phase": fault.phase, "grpc": clipped(details, 300)},
    )


def is_status(reply: Reply) -> bool:
    """Return whether a reply is the status of a gRPC call that did not succeed."""
    return "grpc-status" in reply.headers and not reply.ok


def judge(reply: Reply, delay: float | None) -> Outcome:
    """Return the outcome of a status other than OK. `delay`: the seconds of its RetryInfo, if it has one."""
    name = NAMES[int(reply.headers["grpc-status"])]
    text = clipped(reply.headers.get("grpc-message", reply.text), 200)
    message = f"{name}: {text}" if text else name
    words = {"status": name, "said": text or "no reason is given"}
    known = match(BackendError(reply.status, frozenset({name}), (text,), words), RULES)
    if known is not None:
        outcome = known.outcome(reply, 0.0, text)
        return Throttled(outcome.code, outcome.message, delay) if isinstance(outcome, Throttled) else outcome
    if name == "DEADLINE_EXCEEDED":
        return Unavailable("otlp.grpc.deadline", f"{message}: the receiver may have stored the points", delay, True)
    if delay is not None and name in ("RESOURCE_EXHAUSTED", "UNAVAILABLE"):
        return Throttled("otlp.grpc.throttled", message, delay)
    if name in _RETRIED:
        return Unavailable("otlp.grpc.unavailable", message, delay, name in _MAYBE_STORED)
    return Rejected("otlp.grpc.rejected", f"{message} (OTLP does not retry {name})")


_LOGGED = re.compile(rf"\bcode = (\w+)|\b({'|'.join(NAMES[1:])})\b")
_BY_WORD: Mapping[str, int] = {name.replace("_", ""): number for number, name in enumerate(NAMES)}


def in_log(text: str) -> Reply | None:
    """Return the status that a line of a log quotes (`RESOURCE_EXHAUSTED: …`, `code = Unavailable desc = …`), if a rule knows its text."""
    logged = _LOGGED.search(text)
    if logged is None:
        return None
    number = _BY_WORD.get((logged[1] or logged[2]).replace("_", "").upper(), 2)
    error = BackendError(HTTP_STATUS[number], frozenset({NAMES[number]}), (text,), {"status": "", "said": ""})
    if match(error, tuple(rule for rule in RULES if rule.text)) is None:
        return None
    details = re.split(r"desc = |details = |: ", text[logged.end() :], maxsplit=1)[-1]
    return Reply(HTTP_STATUS[number], {"content-type": CONTENT_TYPE, "grpc-status": str(number)}, details.encode())
