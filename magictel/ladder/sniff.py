"""Second probes: another request without credentials that distinguishes similar faults. Each ends within the given seconds."""

from __future__ import annotations

import socket
import ssl
import time

from magictel.catalogue.banners import banner_in
from magictel.http.wire import Wire
from magictel.ladder.certificate import not_again
from magictel.model.finding import Finding, Rung
from magictel.net.connect import left, reach
from magictel.net.dns import resolve
from magictel.net.endpoint import Endpoint
from magictel.net.proxy import Proxy, ProxyRefused
from magictel.net.tls import TlsOptions, handshake, ssl_context

_TLS_RECORDS = frozenset({b"\x15", b"\x15\x03", b"\x16", b"\x16\x03"})
"""The first bytes of an alert and of a handshake (RFC 8446 §5.1), which prove that the port speaks TLS."""


def answers_in_plaintext(endpoint: Endpoint, proxy: Proxy | None, timeout: float) -> str:
    """Return the first line of an HTTP reply to a plain request on this port, or an empty text."""
    first = plain_answer(endpoint, proxy, timeout)
    return status_line(first) if first.startswith(b"HTTP/") else ""


def status_line(first: bytes) -> str:
    """Return the first line."""
    return first.split(b"\r\n")[0].decode("latin-1")


def another_service(first: bytes, endpoint: Endpoint) -> Finding | None:
    """Return the finding for a server that answers in plain text other than HTTP."""
    if not first or first.startswith(b"HTTP/") or first[:2] in _TLS_RECORDS:
        return None
    greeting = "".join(character if character.isprintable() else "." for character in first.decode("latin-1")).strip(
        " ."
    )
    banner = banner_in(first.decode("latin-1"))
    if banner is not None:
        code, why, remedy = banner.code, banner.sentence, banner.remedy
    elif first[:2] == b"\x00\x00" and first[3:4] == b"\x04":  # a SETTINGS frame, RFC 9113 §6.5
        code, why = "tls.plaintext-server", "is a gRPC port without TLS (it speaks HTTP/2)"
        remedy = "use the backend's HTTP port; for OTLP that is 4318, not 4317"
    else:
        code, why = "http.not-http", f"speaks neither TLS nor HTTP: it sent {greeting!r}"
        remedy = "check the host and port: another service is listening there"
    return Finding.failed(Rung.TLS, code, f"{endpoint.origin} {why}", remedy, first_bytes=greeting)


def plain_answer(endpoint: Endpoint, proxy: Proxy | None, timeout: float) -> bytes:
    """Return the first bytes of the reply to a plain request on this port; empty for none."""
    until = time.monotonic() + timeout
    try:
        with reach(endpoint, proxy, until) as sock:
            sock.sendall(f"HEAD / HTTP/1.0\r\nHost: {endpoint.host}\r\n\r\n".encode())
            sock.settimeout(left(until))
            return sock.recv(80)
    except (OSError, ProxyRefused):
        return b""


def speaks_tls(endpoint: Endpoint, proxy: Proxy | None, timeout: float) -> bool:
    """Return whether a TLS handshake without verification succeeds on this port, or fails as only a TLS server does."""
    blind = TlsOptions(verify=False)
    until = time.monotonic() + timeout
    try:
        handshake(reach(endpoint, proxy, until), endpoint.host, blind, ssl_context(blind), not_again).close()
    except ssl.SSLError as failure:
        return "ALERT" in (failure.reason or "")
    except (OSError, ProxyRefused):
        return False
    return True


def listens_on_localhost_only(endpoint: Endpoint, timeout: float) -> bool:
    """Return whether an address of this machine, whose port refuses connections, accepts them on 127.0.0.1."""
    until = time.monotonic() + timeout
    try:
        hosts = {str(address[4][0]) for address in resolve(endpoint.host, endpoint.port, timeout)}
        if "127.0.0.1" in hosts or not any(map(_is_of_this_machine, hosts)):
            return False
        with reach(Endpoint(endpoint.scheme, "127.0.0.1", endpoint.port), None, until):
            return True
    except OSError:
        return False


def _is_of_this_machine(host: str) -> bool:
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((host, 0))
    except OSError:
        return False
    return True


def banner(wire: Wire, timeout: float) -> str:
    """Return what a server sends first, as SSH, SMTP and MySQL do; empty for none, or for HTTP."""
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
