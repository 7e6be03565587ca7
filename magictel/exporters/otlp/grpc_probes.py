"""Probes of receivers over gRPC. A call of the health service, which writes nothing, shows gRPC and refused credentials."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from magictel.errors import WireError
from magictel.exporters.otlp.grpc import HEALTH, METHOD
from magictel.exporters.otlp.grpc_status import CONTENT_TYPE
from magictel.http.wire import Reply, Wire
from magictel.ladder.credentials import REFUSED, empty_write
from magictel.ladder.http import explain_wire_error
from magictel.ladder.sniff import speaks_tls
from magictel.model.finding import Finding, Rung
from magictel.model.outcome import Outcome

_ANSWERED = frozenset({200, 404, 501})
"""Served, unknown to the health service, and no health service: any of them is an answer in gRPC."""
_OWN_CODES = {
    "tls.plaintext-server": ("otlp.grpc.tls-to-plain", "use http:// in the address, or enable TLS on the server"),
    "tls.unknown-ca": (
        "otlp.grpc.unknown-ca",
        "set ca_file or OTEL_EXPORTER_OTLP_CERTIFICATE to that CA's certificate",
    ),
    "http.tls-port": ("otlp.grpc.plain-to-tls", None),
}

Judge = Callable[[Reply], Outcome]


def in_grpc_terms(finding: Finding) -> Finding:
    """Return a finding of the general rungs with the code and the remedy that it has for gRPC."""
    code, remedy = _OWN_CODES.get(finding.code or "", (finding.code, None))
    return replace(finding, code=code, remedy=remedy or finding.remedy)


def speaks_grpc(wire: Wire, judge: Judge) -> Finding:
    """Return the finding of rung http: does this port answer a gRPC call?"""
    try:
        reply = _call(wire, HEALTH)
    except WireError as failure:
        if failure.code == "otlp.grpc.http-port" and not wire.endpoint.tls:  # a TLS alert is no SETTINGS frame either
            failure.code = "net.tcp.reset" if speaks_tls(wire.endpoint, None, wire.timeout / 2) else failure.code
        return in_grpc_terms(explain_wire_error(failure, wire))
    seen = _seen(reply)
    if reply.status in REFUSED:
        return Finding.passed(Rung.HTTP, "it answers in gRPC: it asks for credentials or rights", **seen)
    if reply.status in _ANSWERED:
        return Finding.passed(Rung.HTTP, "it answers in gRPC", **seen)
    return _failed(Rung.HTTP, judge(reply), reply)


def credentials(wire: Wire, judge: Judge) -> Finding:
    """Return the finding of rung auth: are the credentials of a call refused?"""
    reply = _call(wire, HEALTH)
    if reply.status in REFUSED:
        return _failed(Rung.AUTH, judge(reply), reply)
    return Finding.passed(Rung.AUTH, "the credentials are not rejected", **_seen(reply))


def empty_export(wire: Wire, judge: Judge) -> Finding:
    """Return the finding of rung write: is a request without points accepted?"""
    headers = {"Content-Type": CONTENT_TYPE}
    return empty_write(wire, METHOD, b"", headers, lambda reply: _failed(Rung.WRITE, judge(reply), reply), judge)


def _call(wire: Wire, path: str) -> Reply:
    return wire.request("POST", path, headers={"Content-Type": CONTENT_TYPE})


def _failed(rung: Rung, outcome: Outcome, reply: Reply) -> Finding:
    message = getattr(outcome, "message", f"status {reply.status}")
    code = getattr(outcome, "code", "otlp.grpc.rejected")
    return Finding.failed(rung, code, message, getattr(outcome, "remedy", None), **_seen(reply))


def _seen(reply: Reply) -> dict[str, str]:
    return {"grpc_status": reply.headers.get("grpc-status", "0"), "grpc_message": reply.headers.get("grpc-message", "")}
