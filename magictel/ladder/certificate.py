"""A server's certificate as evidence: subject, issuer, names, days left."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from magictel.errors import SettingsError
from magictel.net.connect import reach
from magictel.net.endpoint import Endpoint
from magictel.net.proxy import Proxy, ProxyRefused
from magictel.net.tls import TlsOptions, fingerprint, handshake, presented, ssl_context

_DAY = 86_400.0
_SHORT = {"organizationalUnitName": "OU", "organizationName": "O"}
Certificate = Mapping[str, Any]


def described(sock: ssl.SSLSocket, endpoint: Endpoint, options: TlsOptions, now: float) -> dict[str, Any]:
    """Return the result of a handshake: version, cipher, the chain, and the server's own certificate."""
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
            described[name] = utc(ssl.cert_time_to_seconds(fields[key]))
    return described


def _name(parts: Sequence[Sequence[tuple[str, str]]]) -> str:
    """Return a short form of a distinguished name: its common name, or unit and organisation, or all of it."""
    pairs = dict(pair for part in parts for pair in part)
    if "commonName" in pairs:
        return f"CN={pairs['commonName']}"
    short = [f"{sign}={pairs[key]}" for key, sign in _SHORT.items() if key in pairs]
    return ", ".join(short or [f"{key}={value}" for key, value in pairs.items()])


def last_issuer(evidence: Mapping[str, Any]) -> str:
    """Return the issuer of the last certificate in the chain."""
    chain = evidence.get("chain") or [evidence]
    return str(chain[-1].get("issuer") or evidence.get("issuer"))


def shown_anyway(
    endpoint: Endpoint, options: TlsOptions, now: float, proxy: Proxy | None, timeout: float
) -> dict[str, Any]:
    """Return the certificate from a second handshake within `timeout` seconds that verifies and sends nothing; empty on failure."""
    blind = replace(options, verify=False, ca_fingerprint=None, ca_file=None)
    until = time.monotonic() + timeout
    try:
        sock = handshake(reach(endpoint, proxy, until), endpoint.host, blind, ssl_context(blind), not_again)
    except (OSError, ProxyRefused, SettingsError):
        return {}
    try:
        return described(sock, endpoint, options, now) | {"verified": False}
    finally:
        sock.close()


def not_again() -> socket.socket:
    """Raise `OSError`: a handshake without verification never reconnects."""
    raise OSError("this handshake does not reconnect")


def utc(seconds: float) -> str:
    """Return a time with minutes."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
