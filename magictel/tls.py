"""How TLS is spoken to a backend, the same for transport and ladder: options, the context made of them, faults by name.

A pinned fingerprint (Elasticsearch prints its CA's at the first start) replaces verification by name: the pinned certificate,
the server's own or a CA it presents, becomes the only trust anchor. A chain is never trusted because it merely *contains* the pin:
anybody can append a public CA certificate to a chain of his own, so the handshake is made again with the pin as anchor.
"""

from __future__ import annotations

import errno
import hashlib
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magictel.errors import SettingsError

_VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """What a target's settings say about TLS. Files are paths to PEM; `ca_fingerprint` is SHA-256 in hex, colons allowed."""

    ca_file: str | None = None
    ca_fingerprint: str | None = None
    client_cert_file: str | None = None
    client_key_file: str | None = None
    verify: bool = True
    server_name: str | None = None
    minimum_version: str = "1.2"

    @property
    def fingerprint(self) -> str | None:
        """The pin as 64 lower-case hex digits, or None. Raises `SettingsError` for anything else."""
        if not self.ca_fingerprint:
            return None
        digits = re.sub(r"[:\s]", "", self.ca_fingerprint).lower()
        if not re.fullmatch(r"[0-9a-f]{64}", digits):
            raise SettingsError(
                "config.tls.fingerprint",
                f"ca_fingerprint: {len(digits)} characters are not the 64 hex digits of a SHA-256 fingerprint",
                "openssl x509 -noout -fingerprint -sha256 -in http_ca.crt",
            )
        return digits


@dataclass(frozen=True, slots=True)
class TlsFault:
    """Why a handshake, or the first read after it, failed: stable code, sentence, remedy."""

    code: str
    message: str
    remedy: str | None = None


class PinMismatch(ssl.SSLError):
    """None of the certificates the server presents has the pinned fingerprint."""


def ssl_context(options: TlsOptions) -> ssl.SSLContext:
    """The context of these options; raises `SettingsError` naming the field whose file or value cannot be used.

    With a pin the context verifies nothing by itself: connect through `handshake`, which does.
    """
    pinned = options.fingerprint is not None
    try:
        context = ssl.create_default_context(cafile=options.ca_file or None)
    except FileNotFoundError:
        raise _unusable("ca_file", options.ca_file, "there is no such file") from None
    except PermissionError:
        raise _unusable("ca_file", options.ca_file, "this user may not read it") from None
    except (ssl.SSLError, OSError):
        raise _unusable("ca_file", options.ca_file, "it holds no PEM certificate") from None
    if options.minimum_version not in _VERSIONS:
        raise SettingsError(
            "config.tls.minimum-version",
            f"minimum_version: {options.minimum_version!r} is none of {', '.join(_VERSIONS)}",
            "use 1.2",
        )
    context.minimum_version = _VERSIONS[options.minimum_version]
    context.set_alpn_protocols(["http/1.1"])
    if pinned or not options.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    _load_client_certificate(context, options)
    return context


def handshake(
    sock: socket.socket,
    host: str,
    options: TlsOptions,
    context: ssl.SSLContext,
    reconnect: Callable[[], socket.socket],
) -> ssl.SSLSocket:
    """Speak TLS over a connected socket, whose timeout holds. Raises `OSError` (`ssl.SSLError` among them); closes what failed.

    `reconnect` gives another connected socket: a pinned CA needs a second handshake with the pin as its only anchor.
    """
    name = options.server_name or host
    wrapped = _wrap(context, sock, name)
    pin = options.fingerprint
    if pin is None:
        return wrapped
    chain = [der for der, _ in presented(wrapped)]
    if chain and fingerprint(chain[0]) == pin:
        return wrapped  # the handshake proved that the server holds this certificate's key
    wrapped.close()
    anchor = next((der for der in chain if fingerprint(der) == pin), None)
    if anchor is None:
        raise PinMismatch(1, "no certificate of the presented chain has the pinned fingerprint")
    strict = ssl_context(options)
    strict.load_verify_locations(cadata=anchor)
    strict.verify_mode = ssl.CERT_REQUIRED
    strict.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return _wrap(strict, reconnect(), name)


def presented(sock: ssl.SSLSocket) -> list[tuple[bytes, Mapping[str, Any]]]:
    """The chain a server presents, its own certificate first: DER bytes, and the fields as `getpeercert()` names them.

    Works without verification too, where `getpeercert()` says nothing. CPython has had the chain since 3.10, under a private
    name (public from 3.13, without the fields); an interpreter without it gives the server's own certificate and no fields.
    """
    chain = getattr(getattr(sock, "_sslobj", None), "get_unverified_chain", None)
    if chain is not None:
        try:
            return [(ssl.PEM_cert_to_DER_cert(one.public_bytes()), one.get_info()) for one in chain() or ()]
        except (AttributeError, ValueError, ssl.SSLError):
            pass
    own = sock.getpeercert(binary_form=True)
    return [(own, sock.getpeercert() or {})] if own else []


def fingerprint(der: bytes) -> str:
    """A certificate's SHA-256 fingerprint, 64 lower-case hex digits."""
    return hashlib.sha256(der).hexdigest()


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
    "tls.expired": ("the certificate has expired", "the server must renew it; nothing on this side can"),
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


def _wrap(context: ssl.SSLContext, sock: socket.socket, name: str) -> ssl.SSLSocket:
    try:
        # CPython takes a socket that was reset meanwhile for one that is not connected yet, and wraps it without a handshake.
        sock.getpeername()
        wrapped = context.wrap_socket(sock, server_hostname=name)
    except BaseException:
        sock.close()
        raise
    if wrapped.version() is None:
        wrapped.close()
        raise ConnectionResetError(errno.ECONNRESET, "reset before the TLS handshake")
    return wrapped


def _load_client_certificate(context: ssl.SSLContext, options: TlsOptions) -> None:
    certificate, key = options.client_cert_file, options.client_key_file
    if not certificate:
        if key:
            raise SettingsError(
                "config.tls.client-cert",
                "client_key_file is set, client_cert_file is not",
                "set client_cert_file as well",
            )
        return
    for field, path in (("client_cert_file", certificate), ("client_key_file", key)):
        if path:
            _must_be_readable(field, path)
    try:
        # An encrypted key must not stop a program to ask at a terminal that nobody watches.
        context.load_cert_chain(certificate, key or None, password=_no_password)
    except ssl.SSLError as failure:
        if failure.reason == "KEY_VALUES_MISMATCH":
            raise _unusable("client_key_file", key, "it is not the key of client_cert_file") from None
        what = f"{certificate} and {key}" if key else certificate
        raise _unusable("client_cert_file", what, "no PEM certificate with its key, unencrypted, can be read") from None
    except _Encrypted:
        raise _unusable(
            "client_key_file", key or certificate, "the key is encrypted; store it without a password"
        ) from None


class _Encrypted(Exception):  # noqa: N818
    pass


def _no_password() -> str:
    raise _Encrypted


def _must_be_readable(field: str, path: str) -> None:
    try:
        with Path(path).open("rb"):
            pass
    except OSError as failure:
        raise _unusable(field, path, (failure.strerror or "it cannot be read").lower()) from None


def _unusable(field: str, path: str | None, why: str) -> SettingsError:
    code = "config.tls.ca-file" if field == "ca_file" else "config.tls.client-cert"
    return SettingsError(code, f"{field}: {path}: {why}", f"set {field} to a PEM file that this user can read")
