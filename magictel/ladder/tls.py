"""The tls rung: version, chain, names, days left. The certificate is shown even when it does not pass."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from magictel.dial import left, reach
from magictel.errors import SettingsError
from magictel.finding import Finding, Rung
from magictel.proxy import Proxy, ProxyRefused
from magictel.tls import TlsFault, TlsOptions, fault, fingerprint, handshake, known_fault, presented, ssl_context
from magictel.wire import Endpoint

EXPIRES_SOON = 21
"""Days left below which a certificate warns: time enough to have it renewed by people."""

_DAY = 86_400.0
_CERTIFICATE_REQUEST = 13  # RFC 8446 §4
_SHORT = {"organizationalUnitName": "OU", "organizationName": "O"}
Certificate = Mapping[str, Any]


def tls(
    endpoint: Endpoint,
    options: TlsOptions,
    *,
    now: float,
    proxy: Proxy | None = None,
    timeout: float = 10.0,
) -> Finding:
    """Shake hands as delivery does, then read the certificate. `now`: Unix time, against which days are counted."""
    if not endpoint.tls:
        return Finding.skipped(Rung.TLS, "not used: the address is http://")
    until = time.monotonic() + timeout
    try:
        context = ssl_context(options)
    except SettingsError as failure:
        return Finding.failed(Rung.TLS, failure.code, failure.message, failure.remedy)
    try:
        reached = reach(endpoint, proxy, until)
    except ProxyRefused as refused:
        return _proxy_refused(refused, proxy, endpoint)
    except TimeoutError as failure:
        if proxy is not None:
            return _proxy_silent(proxy, endpoint)
        return _failed(failure, endpoint, options, now, proxy, timeout)
    except OSError as failure:
        return _failed(failure, endpoint, options, now, proxy, timeout)
    try:
        sock = handshake(reached, endpoint.host, options, context, lambda: reach(endpoint, proxy, until))
        try:
            evidence = _evidence(sock, endpoint, options, now)
            _let_in(sock, endpoint, until)
        finally:
            sock.close()
    except ProxyRefused as refused:
        return _proxy_refused(refused, proxy, endpoint)
    except OSError as failure:
        return _failed(failure, endpoint, options, now, proxy, timeout)
    return _held(endpoint, options, evidence)


def _held(endpoint: Endpoint, options: TlsOptions, evidence: dict[str, Any]) -> Finding:
    days = evidence.get("days_left")
    subject = evidence.get("subject") or endpoint.host
    if days is not None and days < EXPIRES_SOON:
        ends = f"in {days:.0f} days" if days >= 0 else f"{-days:.0f} days ago"
        return Finding.warned(
            Rung.TLS,
            "tls.expires-soon",
            f"the certificate of {subject} {'expires' if days >= 0 else 'expired'} {ends}, on {evidence['not_after']}",
            "have it renewed at the server",
            **evidence,
        )
    if not options.verify and options.fingerprint is None:
        return Finding.warned(
            Rung.TLS,
            "tls.unverified",
            f"{evidence.get('version')}, and nobody checks whose certificate it is: verify is off",
            "set ca_file, or pin the certificate with ca_fingerprint, and leave verify on",
            **evidence,
        )
    left_over = f", {days:.0f} days left" if days is not None else ""
    pinned = ", as pinned" if options.fingerprint is not None else ""
    issued = f", issued by {evidence['issuer']}" if evidence.get("issuer") else ""
    return Finding.passed(Rung.TLS, f"{evidence['version']}, {subject}{issued}{left_over}{pinned}", **evidence)


def _failed(
    failure: OSError, endpoint: Endpoint, options: TlsOptions, now: float, proxy: Proxy | None, timeout: float
) -> Finding:
    found = fault(failure, client_certificate=bool(options.client_cert_file))
    if found is None:
        found = known_fault("tls.handshake-timeout" if isinstance(failure, TimeoutError) else "tls.closed")
    evidence: dict[str, Any] = {}
    if found.code in ("tls.handshake-timeout", "tls.closed", "tls.plaintext-server"):
        first = _plain_answer(endpoint, proxy, min(timeout, 3.0))
        other = _another_service(first, endpoint)
        if other is not None:
            return other
        if first.startswith(b"HTTP/"):
            found = known_fault("tls.plaintext-server")
            evidence["first_bytes"] = _status_line(first)
    elif found.code != "tls.protocol-version":
        evidence = _shown_anyway(endpoint, options, now, proxy, min(timeout, 5.0))
        if found.code == "tls.handshake" and evidence.get("client_certificate_asked") and not options.client_cert_file:
            found = known_fault("tls.client-cert-required")  # in TLS 1.2 its want shows as a failed handshake
    if isinstance(failure, ssl.SSLError) and failure.reason:
        evidence["reason"] = failure.reason
    return Finding.failed(
        Rung.TLS, found.code, _sentence(found, endpoint, options, evidence, now), found.remedy, **evidence
    )


def _sentence(found: TlsFault, endpoint: Endpoint, options: TlsOptions, evidence: Mapping[str, Any], now: float) -> str:
    """The fault's sentence, with what the certificate itself says."""
    name = options.server_name or endpoint.host
    days = evidence.get("days_left")
    match found.code:
        case "tls.expired" if days is not None:
            return f"the certificate of {evidence.get('subject')} expired {_ago(-days)}, on {evidence.get('not_after')}"
        case "tls.not-yet-valid" if evidence.get("not_before"):
            return f"the certificate is valid from {evidence['not_before']} on, and here it is {_utc(now)}"
        case "tls.hostname-mismatch" if evidence.get("names"):
            return f"the certificate is for {', '.join(evidence['names'][:6])}, not for {name}"
        case "tls.hostname-mismatch" if evidence:
            return f"the certificate names no host at all, so not {name} either"
        case "tls.unknown-ca" if evidence.get("issuer"):
            return f"the certificate was issued by {_last_issuer(evidence)}, which is not trusted here"
        case "tls.self-signed" if evidence.get("fingerprint_sha256"):
            return f"the server signed its certificate itself ({evidence.get('subject')})"
        case "tls.pin-mismatch" if evidence.get("fingerprint_sha256"):
            return (
                f"no certificate has the pinned fingerprint; the server's own is {evidence['fingerprint_sha256'][:16]}…"
            )
    return found.message


def _last_issuer(evidence: Mapping[str, Any]) -> str:
    chain = evidence.get("chain") or [evidence]
    return str(chain[-1].get("issuer") or evidence.get("issuer"))


def _shown_anyway(
    endpoint: Endpoint, options: TlsOptions, now: float, proxy: Proxy | None, timeout: float
) -> dict[str, Any]:
    """The certificate, by a second handshake that verifies nothing and sends nothing."""
    blind = replace(options, verify=False, ca_fingerprint=None, ca_file=None)
    until = time.monotonic() + timeout
    asked: dict[str, Any] = {}

    def overhear(_connection: Any, direction: str, _version: Any, _content: Any, kind: Any, _data: bytes) -> None:
        if direction == "read" and kind == _CERTIFICATE_REQUEST:
            asked["client_certificate_asked"] = True

    try:
        context = ssl_context(blind)
        if hasattr(context, "_msg_callback"):  # CPython's own, undocumented; without it less is told
            context._msg_callback = overhear  # noqa: SLF001
        sock = handshake(reach(endpoint, proxy, until), endpoint.host, blind, context, _never)
    except (OSError, ProxyRefused, SettingsError):
        return asked
    try:
        return _evidence(sock, endpoint, options, now) | {"verified": False} | asked
    finally:
        sock.close()


def _evidence(sock: ssl.SSLSocket, endpoint: Endpoint, options: TlsOptions, now: float) -> dict[str, Any]:
    chain = presented(sock)
    cipher = sock.cipher()
    evidence: dict[str, Any] = {
        "version": sock.version(),
        "cipher": cipher[0] if cipher else None,
        "server_name": options.server_name or endpoint.host,
        "verified": options.verify or options.fingerprint is not None,
        "chain": [_described(der, fields) for der, fields in chain],
    }
    if chain:
        der, fields = chain[0]
        evidence |= _described(der, fields)
        evidence["names"] = [str(value) for _, value in fields.get("subjectAltName", ())]
        evidence["fingerprint_sha256"] = fingerprint(der)
        if "notAfter" in fields:
            evidence["days_left"] = (ssl.cert_time_to_seconds(fields["notAfter"]) - now) / _DAY
    return evidence


def _described(der: bytes, fields: Certificate) -> dict[str, Any]:
    described: dict[str, Any] = {"subject": _name(fields.get("subject", ())), "issuer": _name(fields.get("issuer", ()))}
    for key, name in (("notBefore", "not_before"), ("notAfter", "not_after")):
        if key in fields:
            described[name] = _utc(ssl.cert_time_to_seconds(fields[key]))
    return described


def _name(parts: Sequence[Sequence[tuple[str, str]]]) -> str:
    """A distinguished name, short: its common name, else its unit and organisation, else everything in it."""
    pairs = dict(pair for part in parts for pair in part)
    if "commonName" in pairs:
        return f"CN={pairs['commonName']}"
    short = [f"{sign}={pairs[key]}" for key, sign in _SHORT.items() if key in pairs]
    return ", ".join(short or [f"{key}={value}" for key, value in pairs.items()])


def _let_in(sock: ssl.SSLSocket, endpoint: Endpoint, until: float) -> None:
    """Ask something and read the first byte: in TLS 1.3 the refusal of a client certificate comes only there (RFC 8446 §4.4.2)."""
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
        found = fault(failure, client_certificate=False)
        if found is not None and found.code in ("tls.client-cert-required", "tls.client-cert-rejected"):
            raise
    except OSError:
        pass  # what it says in HTTP, or does not say, is the http rung's
    if isinstance(broken, ssl.SSLError) and not isinstance(broken, ssl.SSLEOFError):
        raise broken


def answers_in_plaintext(endpoint: Endpoint, proxy: Proxy | None, timeout: float) -> str:
    """The first line of an HTTP answer to a plain request on this port; empty: there is none."""
    first = _plain_answer(endpoint, proxy, timeout)
    return _status_line(first) if first.startswith(b"HTTP/") else ""


def _status_line(first: bytes) -> str:
    return first.split(b"\r\n")[0].decode("latin-1")


def _another_service(first: bytes, endpoint: Endpoint) -> Finding | None:
    """The finding for what answers in plain text, and not in HTTP."""
    if not first or first.startswith((b"HTTP/", b"\x15\x03", b"\x16\x03")):  # the last two: it speaks TLS, after all
        return None
    said = "".join(one if one.isprintable() else "." for one in first.decode("latin-1")).strip(" .")
    if b"This is not an HTTP port" in first:  # Elasticsearch's and OpenSearch's TcpTransport
        code, why = "es.http.wrong-port", "is the port on which the nodes talk to each other, not the one for clients"
        remedy = "use the HTTP port, 9200 unless it was changed"
    elif first[:2] == b"\x00\x00" and first[3:4] == b"\x04":  # a SETTINGS frame, RFC 9113 §6.5
        code, why = "tls.plaintext-server", "is a gRPC port without TLS (it speaks HTTP/2 at once)"
        remedy = "use the backend's HTTP port; for OTLP that is 4318, not 4317"
    else:
        code, why = "http.not-http", f"speaks neither TLS nor HTTP: it said {said!r}"
        remedy = "check host and port: another service listens there"
    return Finding.failed(Rung.TLS, code, f"{endpoint.origin} {why}", remedy, first_bytes=said)


def _plain_answer(endpoint: Endpoint, proxy: Proxy | None, timeout: float) -> bytes:
    until = time.monotonic() + timeout
    try:
        with reach(endpoint, proxy, until) as sock:
            sock.settimeout(left(until))
            sock.sendall(f"HEAD / HTTP/1.0\r\nHost: {endpoint.host}\r\n\r\n".encode())
            return sock.recv(80)
    except (OSError, ProxyRefused):
        return b""


def speaks_tls(endpoint: Endpoint, proxy: Proxy | None, timeout: float) -> bool:
    """Does a TLS handshake, verifying nothing, work on this port (or fail in the way only a TLS server lets it fail)?"""
    blind = TlsOptions(verify=False, minimum_version="1.2")
    until = time.monotonic() + timeout
    try:
        handshake(reach(endpoint, proxy, until), endpoint.host, blind, ssl_context(blind), _never).close()
    except ssl.SSLError as failure:
        return "ALERT" in (failure.reason or "")
    except (OSError, ProxyRefused):
        return False
    return True


def _proxy_refused(refused: ProxyRefused, proxy: Proxy | None, endpoint: Endpoint) -> Finding:
    who = f"the proxy {proxy} (from {proxy.source})" if proxy is not None else "the proxy"
    if refused.status == 407:
        return Finding.failed(
            Rung.TLS,
            "http.proxy.auth",
            f"{who} wants credentials (407)",
            "write them into the proxy's URL as http://user:password@host:port, or except this host with NO_PROXY",
            status=refused.status,
        )
    return Finding.failed(
        Rung.TLS,
        "http.proxy.refused",
        f"{who} does not connect to {endpoint.origin}: it answered {refused.status or 'something else than HTTP'}",
        "ask the proxy's owner to allow this host and port, or except it with NO_PROXY",
        status=refused.status,
    )


def _proxy_silent(proxy: Proxy, endpoint: Endpoint) -> Finding:
    return Finding.failed(
        Rung.TLS,
        "http.proxy.refused",
        f"the proxy {proxy} (from {proxy.source}) was asked for a tunnel to {endpoint.origin} and did not answer in time",
        "the backend may not answer the proxy: ask the proxy's owner, or except this host with NO_PROXY",
        status=0,
    )


def _never() -> socket.socket:
    raise AssertionError("only a pinned handshake connects twice")


def _ago(days: float) -> str:
    if days < 1:
        return f"{days * 24:.0f} hours ago"
    return f"{days:.0f} day{'' if round(days) == 1 else 's'} ago"


def _utc(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
