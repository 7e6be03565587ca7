"""What a failed TLS handshake means: OpenSSL's verify codes and reasons become stable codes, with a sentence and a remedy each."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass

HANDSHAKE_FAILURE = "SSLV3_ALERT_HANDSHAKE_FAILURE"
"""The alert that says least: ciphers, names, or (up to TLS 1.2) that a client certificate was wanted and none came."""


@dataclass(frozen=True, slots=True)
class TlsFault:
    """Why a handshake, or the first read after it, failed: stable code, sentence, remedy."""

    code: str
    message: str
    remedy: str | None = None


class PinMismatch(ssl.SSLError):
    """None of the certificates the server presents has the pinned fingerprint."""


class CertificateWanted(ssl.SSLError):
    """The server asked for a client certificate, got none, and broke the handshake off with an alert that does not say why."""


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
        "the certificate is not valid yet: most often this machine's clock is behind",
        "timedatectl status",
    ),
    "tls.expired": ("the certificate has expired", "renew the certificate on the server"),
    "tls.self-signed": (
        "the server shows a certificate that it signed itself",
        "if it is the right one, pin it with ca_fingerprint, or set ca_file to a copy of it",
    ),
    "tls.unknown-ca": (
        "the certificate was signed by a CA that is not trusted here",
        "set ca_file to that CA's certificate; the server may also leave out an intermediate one",
    ),
    "tls.hostname-mismatch": (
        "the certificate is for another name than the one in the address",
        "use a name that stands in the certificate as the host, or name it with server_name",
    ),
    "tls.pin-mismatch": (
        "none of the presented certificates has the fingerprint of ca_fingerprint",
        "compare: openssl x509 -noout -fingerprint -sha256 -in http_ca.crt",
    ),
    "tls.certificate-refused": ("the certificate does not pass verification", None),
    "tls.plaintext-server": (
        "the address says https://, and the server does not speak TLS",
        "use http:// in the address, or enable TLS at the server",
    ),
    "tls.protocol-version": (
        "the server speaks only TLS versions older than this side accepts",
        "upgrade the server",
    ),
    "tls.client-cert-required": (
        "the server demands a client certificate, and none is set",
        "set client_cert_file and client_key_file",
    ),
    "tls.client-cert-rejected": (
        "the server refuses the client certificate",
        "use one that a CA of the server's choice has signed, and that has not expired",
    ),
    "tls.closed": (
        "the server closed the connection in the middle of the TLS handshake",
        "it may demand another server name or a client certificate, or not speak TLS at all",
    ),
    "tls.handshake": (
        "the TLS handshake failed",
        "the server may demand a client certificate or ciphers that this side does not offer; its log says which",
    ),
    "tls.handshake-timeout": (
        "connected, and the TLS handshake did not end in time",
        "the server is overloaded, or speaks no TLS on this port",
    ),
}


def fault(failure: BaseException, *, client_certificate: bool) -> TlsFault | None:
    """What a TLS exception means; None if it is none. Read from `verify_code` and `reason`, never from the text."""
    code = _code(failure, client_certificate)
    if code is None:
        return None
    message, remedy = _SENTENCES[code]
    if code in ("tls.certificate-refused", "tls.handshake"):
        detail = getattr(failure, "verify_message", None) or getattr(failure, "reason", None)
        message = f"{message}: {str(detail).lower().replace('_', ' ')}" if detail else message
    return TlsFault(code, message, remedy)


def known_fault(code: str) -> TlsFault:
    """The sentence and remedy of a `tls.` code."""
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
