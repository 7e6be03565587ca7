"""The tls rung: version, chain, names, days left. The certificate is shown even if it fails."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from typing import Any

from magictel.errors import SettingsError
from magictel.ladder.certificate import described, last_issuer, shown_anyway, utc
from magictel.ladder.deferred import Meanwhile, seconds_left
from magictel.ladder.sniff import another_service, plain_answer, status_line
from magictel.model.finding import Finding, Rung
from magictel.net.connect import left, reach
from magictel.net.endpoint import Endpoint
from magictel.net.proxy import Proxy, ProxyRefused
from magictel.net.tls import TlsOptions, handshake, ssl_context
from magictel.net.tls_errors import TlsFault, fault, known_fault

EXPIRES_SOON = 21
"""Remaining days that cause a warning: enough time to renew a certificate manually."""


def tls(
    endpoint: Endpoint,
    options: TlsOptions,
    *,
    now: float,
    proxy: Proxy | None = None,
    timeout: float = 10.0,
) -> Finding:
    """Perform the handshake of delivery, then read the certificate. `now`: Unix time for counting days."""
    if not endpoint.tls:
        return Finding.skipped(Rung.TLS, "not used: the address is http://")
    until = time.monotonic() + timeout
    try:
        context = ssl_context(options)
    except SettingsError as failure:
        return Finding.failed(Rung.TLS, failure.code, failure.message, failure.remedy)
    with Meanwhile(lambda seconds: plain_answer(endpoint, proxy, seconds), until) as second:
        reached = None
        try:
            reached = reach(endpoint, proxy, until)
            sock = handshake(reached, endpoint.host, options, context, lambda: reach(endpoint, proxy, until))
        except ProxyRefused as refused:
            return _proxy_refused(refused, proxy, endpoint)
        except OSError as failure:
            if reached is None and proxy is not None and isinstance(failure, TimeoutError):
                return _proxy_silent(proxy, endpoint)
            return _failed(failure, endpoint, options, now, proxy, until, second)
    try:
        evidence = described(sock, endpoint, options, now)
        _let_in(sock, endpoint, until)
    except OSError as failure:
        return _failed(failure, endpoint, options, now, proxy, until, second)
    finally:
        sock.close()
    return _handshake(endpoint, options, evidence)


def _handshake(endpoint: Endpoint, options: TlsOptions, evidence: dict[str, Any]) -> Finding:
    days = evidence.get("days_left")
    subject = evidence.get("subject") or endpoint.host
    if days is not None and days < EXPIRES_SOON:
        ends = f"in {days:.0f} days" if days >= 0 else f"{-days:.0f} days ago"
        return Finding.warned(
            Rung.TLS,
            "tls.expires-soon",
            f"the certificate of {subject} {'expires' if days >= 0 else 'expired'} {ends}, on {evidence['not_after']}",
            "renew the certificate on the server",
            **evidence,
        )
    if not options.verify and options.fingerprint is None:
        return Finding.warned(
            Rung.TLS,
            "tls.unverified",
            f"{evidence.get('version')}, but the certificate is not verified: verify is false",
            "set ca_file, or pin the certificate with ca_fingerprint, and set verify = true",
            **evidence,
        )
    left_over = f", {days:.0f} days left" if days is not None else ""
    pinned = ", as pinned" if options.fingerprint is not None else ""
    issued = f", issued by {evidence['issuer']}" if evidence.get("issuer") else ""
    return Finding.passed(Rung.TLS, f"{evidence['version']}, {subject}{issued}{left_over}{pinned}", **evidence)


def _failed(
    failure: OSError,
    endpoint: Endpoint,
    options: TlsOptions,
    now: float,
    proxy: Proxy | None,
    until: float,
    second: Meanwhile[bytes],
) -> Finding:
    tls_fault = fault(failure, client_certificate=bool(options.client_cert_file))
    if tls_fault is None:
        tls_fault = known_fault("tls.handshake-timeout" if isinstance(failure, TimeoutError) else "tls.closed")
    evidence: dict[str, Any] = {}
    if tls_fault.code in ("tls.handshake-timeout", "tls.closed", "tls.plaintext-server"):
        first = second.answer()
        if first is None and (seconds := seconds_left(until)):
            first = plain_answer(endpoint, proxy, seconds)
        if first is None:
            evidence["not_tried"] = "whether it answers plain HTTP: no time was left"
            first = b""
        other = another_service(first, endpoint)
        if other is not None:
            return other
        if first.startswith(b"HTTP/"):
            tls_fault = known_fault("tls.plaintext-server")
            evidence["first_bytes"] = status_line(first)
    elif tls_fault.code != "tls.protocol-version":
        seconds = seconds_left(until)
        evidence = shown_anyway(endpoint, options, now, proxy, seconds) if seconds else {}
    reason = getattr(failure, "reason", None)
    if reason:
        evidence["reason"] = reason
    return Finding.failed(
        Rung.TLS, tls_fault.code, _sentence(tls_fault, endpoint, options, evidence, now), tls_fault.remedy, **evidence
    )


def _sentence(
    tls_fault: TlsFault, endpoint: Endpoint, options: TlsOptions, evidence: Mapping[str, Any], now: float
) -> str:
    """Return the fault's message with details of the certificate."""
    name = options.server_name or endpoint.host
    days = evidence.get("days_left")
    match tls_fault.code:
        case "tls.expired" if days is not None:
            return f"the certificate of {evidence.get('subject')} expired {_ago(-days)}, on {evidence.get('not_after')}"
        case "tls.not-yet-valid" if evidence.get("not_before"):
            return f"the certificate is valid from {evidence['not_before']}, but this machine's clock says {utc(now)}"
        case "tls.hostname-mismatch" if evidence.get("names"):
            return f"the certificate is for {', '.join(evidence['names'][:6])}, not for {name}"
        case "tls.hostname-mismatch" if evidence:
            return f"the certificate contains no host name, so not {name} either"
        case "tls.unknown-ca" if evidence.get("issuer"):
            return f"the certificate was issued by {last_issuer(evidence)}, which is not trusted"
        case "tls.self-signed" if evidence.get("fingerprint_sha256"):
            return f"the certificate is self-signed ({evidence.get('subject')})"
        case "tls.pin-mismatch" if evidence.get("fingerprint_sha256"):
            return f"no certificate matches the pinned fingerprint; the server's own is {evidence['fingerprint_sha256'][:16]}…"
    return tls_fault.message


def _let_in(sock: ssl.SSLSocket, endpoint: Endpoint, until: float) -> None:
    """Send a request and read the first byte: in TLS 1.3 a client certificate is rejected only then (RFC 8446 §4.4.2)."""
    if sock.version() != "TLSv1.3":
        return
    request = f"HEAD / HTTP/1.1\r\nHost: {endpoint.origin.partition('://')[2]}\r\nConnection: close\r\n\r\n".encode()
    broken: OSError | None = None
    try:
        sock.settimeout(left(until))
        sock.sendall(request)
    except TimeoutError:
        return
    except OSError as failure:
        broken = failure
    try:
        sock.settimeout(min(2.0, left(until)))
        sock.recv(1)
    except ssl.SSLError as failure:
        tls_fault = fault(failure, client_certificate=False)
        if tls_fault is not None and tls_fault.code in ("tls.client-cert-required", "tls.client-cert-rejected"):
            raise
    except OSError:
        pass  # the HTTP reply, or its absence, belongs to the http rung
    if isinstance(broken, ssl.SSLError) and not isinstance(broken, ssl.SSLEOFError):
        raise broken


def _proxy_refused(refused: ProxyRefused, proxy: Proxy | None, endpoint: Endpoint) -> Finding:
    who = f"the proxy {proxy} (from {proxy.source})" if proxy is not None else "the proxy"
    if refused.status == 407:
        return Finding.failed(
            Rung.TLS,
            "http.proxy.auth",
            f"{who} requires credentials (407)",
            "put them into the proxy's URL as http://user:password@host:port, or exclude this host with NO_PROXY",
            status=refused.status,
        )
    return Finding.failed(
        Rung.TLS,
        "http.proxy.refused",
        f"{who} does not connect to {endpoint.origin}: it answered {refused.status or 'with something other than HTTP'}",
        "ask the proxy's owner to allow this host and port, or exclude the host with NO_PROXY",
        status=refused.status,
    )


def _proxy_silent(proxy: Proxy, endpoint: Endpoint) -> Finding:
    return Finding.failed(
        Rung.TLS,
        "http.proxy.refused",
        f"the proxy {proxy} (from {proxy.source}) did not open a tunnel to {endpoint.origin} in time",
        "the backend may not answer the proxy: ask the proxy's owner, or exclude this host with NO_PROXY",
        status=0,
    )


def _ago(days: float) -> str:
    if days < 1:
        return f"{days * 24:.0f} hours ago"
    return f"{days:.0f} day{'' if round(days) == 1 else 's'} ago"
