"""Second probes: one more question, without credentials, that tells apart what looks alike. Each ends within the seconds given."""

from __future__ import annotations

import ssl
import time

from magictel.http.wire import Wire
from magictel.ladder.certificate import not_again
from magictel.model.finding import Finding, Rung
from magictel.net.connect import left, reach
from magictel.net.endpoint import Endpoint
from magictel.net.proxy import Proxy, ProxyRefused
from magictel.net.tls import TlsOptions, handshake, ssl_context

_TLS_RECORDS = frozenset({b"\x15", b"\x15\x03", b"\x16", b"\x16\x03"})
"""How an alert and a handshake begin (RFC 8446 §5.1), as far as they came: it speaks TLS, after all."""


def answers_in_plaintext(endpoint: Endpoint, proxy: Proxy | None, timeout: float) -> str:
    """The first line of an HTTP answer to a plain request on this port; empty: there is none."""
    first = plain_answer(endpoint, proxy, timeout)
    return status_line(first) if first.startswith(b"HTTP/") else ""


def status_line(first: bytes) -> str:
    """The first line."""
    return first.split(b"\r\n")[0].decode("latin-1")


def another_service(first: bytes, endpoint: Endpoint) -> Finding | None:
    """The finding for what answers in plain text, and not in HTTP."""
    if not first or first.startswith(b"HTTP/") or first[:2] in _TLS_RECORDS:
        return None
    greeting = "".join(character if character.isprintable() else "." for character in first.decode("latin-1")).strip(
        " ."
    )
    if b"This is not an HTTP port" in first:  # Elasticsearch's and OpenSearch's TcpTransport
        code, why = "es.http.wrong-port", "is the port on which the nodes talk to each other, not the one for clients"
        remedy = "use the HTTP port, 9200 unless it was changed"
    elif first[:2] == b"\x00\x00" and first[3:4] == b"\x04":  # a SETTINGS frame, RFC 9113 §6.5
        code, why = "tls.plaintext-server", "is a gRPC port without TLS (it speaks HTTP/2 at once)"
        remedy = "use the backend's HTTP port; for OTLP that is 4318, not 4317"
    else:
        code, why = "http.not-http", f"speaks neither TLS nor HTTP: it said {greeting!r}"
        remedy = "check host and port: another service listens there"
    return Finding.failed(Rung.TLS, code, f"{endpoint.origin} {why}", remedy, first_bytes=greeting)


def plain_answer(endpoint: Endpoint, proxy: Proxy | None, timeout: float) -> bytes:
    """What comes first to a plain request on this port; empty: nothing."""
    until = time.monotonic() + timeout
    try:
        with reach(endpoint, proxy, until) as sock:
            sock.sendall(f"HEAD / HTTP/1.0\r\nHost: {endpoint.host}\r\n\r\n".encode())
            sock.settimeout(left(until))
            return sock.recv(80)
    except (OSError, ProxyRefused):
        return b""


def speaks_tls(endpoint: Endpoint, proxy: Proxy | None, timeout: float) -> bool:
    """Does a TLS handshake, verifying nothing, work on this port (or fail in the way only a TLS server lets it fail)?"""
    blind = TlsOptions(verify=False, minimum_version="1.2")
    until = time.monotonic() + timeout
    try:
        handshake(reach(endpoint, proxy, until), endpoint.host, blind, ssl_context(blind), not_again).close()
    except ssl.SSLError as failure:
        return "ALERT" in (failure.reason or "")
    except (OSError, ProxyRefused):
        return False
    return True


def banner(wire: Wire, timeout: float) -> str:
    """What a server says unasked, as SSH, SMTP and MySQL do; empty: nothing, or HTTP."""
    until = time.monotonic() + timeout
    try:
        with reach(wire.endpoint, None, until) as sock:
            first = sock.recv(80)
    except OSError:
        return ""
    if first.startswith(b"HTTP/"):
        return ""
    text = first.decode("latin-1")
    return "".join(character if character.isprintable() else "." for character in text).strip(" .")
