"""Classification of failed TLS handshakes: OpenSSL's verify codes and reasons become stable codes with a message and a remedy."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

import msgspec

HANDSHAKE_FAILURE = "SSLV3_ALERT_HANDSHAKE_FAILURE"
"""The most generic alert: ciphers, names, or (up to TLS 1.2) a missing client certificate."""


class TlsFault(msgspec.Struct, frozen=True):
    """Why a handshake, or the first read after it, failed: stable code, message, remedy."""

    code: str
    message: str
    remedy: str | None = None


class PinMismatch(ssl.SSLError):
    """None of the server's certificates has the pinned fingerprint."""


class CertificateWanted(ssl.SSLError):
    """The server requested a client certificate, got none, and aborted the handshake with a generic alert."""


_BY_VERIFY_CODE = {  # OpenSSL, x509_vfy.h
    9: "tls.not-yet-valid",
    10: "tls.expired",
    18: "tls.self-signed",
    2: "tls.unknown-ca",
    19: "tls.unknown-ca",
    20: "tls.unknown-ca",
    21: "tls.unknown-ca",
    62: "tls.hostname-mismatch",
    64: "tls.hostname-mismatch",
}
_PLAINTEXT = {
    "WRONG_VERSION_NUMBER",
    "HTTP_REQUEST",
    "UNKNOWN_PROTOCOL",
    "RECORD_LAYER_FAILURE",
    "PACKET_LENGTH_TOO_LONG",
}
_VERSION = {
    "TLSV1_ALERT_PROTOCOL_VERSION",
    "UNSUPPORTED_PROTOCOL",
    "NO_PROTOCOLS_AVAILABLE",
    "VERSION_TOO_LOW",
    "WRONG_SSL_VERSION",
    "TLSV1_ALERT_INSUFFICIENT_SECURITY",
}
_CERTIFICATE_ALERTS = {
    "TLSV1_ALERT_UNKNOWN_CA",
    "SSLV3_ALERT_BAD_CERTIFICATE",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED",
    "SSLV3_ALERT_CERTIFICATE_REVOKED",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
    "TLSV1_ALERT_ACCESS_DENIED",
    "TLSV1_ALERT_DECRYPT_ERROR",
}
_SENTENCES: Mapping[str, tuple[str, str | None]] = {
    "tls.not-yet-valid": (
        "the certificate is not valid yet: usually this machine's clock is behind",
        "timedatectl status",
    ),
    "tls.expired": ("the certificate has expired", "renew the certificate on the server"),
    "tls.self-signed": (
        "the server's certificate is self-signed",
        "if it is the right one, pin it with ca_fingerprint, or set ca_file to a copy of it",
    ),
    "tls.unknown-ca": (
        "the certificate's CA is not trusted",
        "set ca_file to that CA's certificate; the server may also omit an intermediate one",
    ),
    "tls.hostname-mismatch": (
        "the certificate is for another host name",
        "use a name from the certificate as the host, or set server_name to it",
    ),
    "tls.pin-mismatch": (
        "none of the server's certificates matches ca_fingerprint",
        "compare: openssl x509 -noout -fingerprint -sha256 -in http_ca.crt",
    ),
    "tls.certificate-refused": ("the certificate fails verification", None),
    "tls.plaintext-server": (
        "the address says https://, but the server does not speak TLS",
        "use http:// in the address, or enable TLS on the server",
    ),
    "tls.protocol-version": ("the server supports only outdated TLS versions", "upgrade the server"),
    "tls.client-cert-required": (
        "the server requires a client certificate, but none is set",
        "set client_cert_file and client_key_file",
    ),
    "tls.client-cert-rejected": (
        "the server rejects the client certificate",
        "use a valid certificate from a CA that the server trusts",
    ),
    "tls.closed": (
        "the server closed the connection during the TLS handshake",
        "check the server's log: it may expect another server name or a client certificate, or not speak TLS",
    ),
    "tls.handshake": (
        "the TLS handshake failed",
        "check the server's log: it may require a client certificate or other ciphers",
    ),
    "tls.handshake-timeout": (
        "the TLS handshake timed out",
        "check whether the server is overloaded, or does not speak TLS on this port",
    ),
}


def fault(failure: BaseException, *, client_certificate: bool) -> TlsFault | None:
    """Return the meaning of a TLS exception, or None for others. Based on `verify_code` and `reason`, never on the message."""
    code = _code(failure, client_certificate)
    if code is None:
        return None
    message, remedy = _SENTENCES[code]
    if code in ("tls.certificate-refused", "tls.handshake"):
        detail = getattr(failure, "verify_message", None) or getattr(failure, "reason", None)
        message = f"{message}: {str(detail).lower().replace('_', ' ')}" if detail else message
    return TlsFault(code, message, remedy)


def known_fault(code: str) -> TlsFault:
    """Return the message and remedy of a `tls.` code."""
    message, remedy = _SENTENCES[code]
    return TlsFault(code, message, remedy)


def _code(failure: BaseException, client_certificate: bool) -> str | None:
    if isinstance(failure, PinMismatch):
        return "tls.pin-mismatch"
    if isinstance(failure, CertificateWanted):
        return "tls.client-cert-required"
    if isinstance(failure, ssl.SSLCertVerificationError):
        return _BY_VERIFY_CODE.get(failure.verify_code, "tls.certificate-refused")
    if isinstance(failure, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "tls.closed"
    if not isinstance(failure, ssl.SSLError):
        return None
    reason = failure.reason or ""
    if reason == "UNEXPECTED_EOF_WHILE_READING":
        return "tls.closed"
    if reason in _PLAINTEXT:
        return "tls.plaintext-server"
    if reason in _VERSION:
        return "tls.protocol-version"
    if reason == "TLSV13_ALERT_CERTIFICATE_REQUIRED":
        return "tls.client-cert-required"
    if reason in _CERTIFICATE_ALERTS:
        return "tls.client-cert-rejected" if client_certificate else "tls.client-cert-required"
    return "tls.handshake"
