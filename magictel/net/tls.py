"""TLS for transport and ladder: options, the SSL context, the handshake.

A pinned fingerprint (Elasticsearch prints its CA's at the first start) replaces verification by name: the pinned certificate,
the server's own or a CA that it presents, becomes the only trust anchor. A chain is not trusted because it merely *contains* the
pin: anyone can append a public CA certificate to a chain, so the handshake is repeated with the pin as anchor.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from magictel.errors import SettingsError
from magictel.files import open_regular
from magictel.net.tls_errors import HANDSHAKE_FAILURE, CertificateWanted, PinMismatch

_CERTIFICATE_REQUEST = 13  # RFC 8446 §4
_UNREADABLE: Mapping[type[OSError], str] = {
    FileNotFoundError: "the file does not exist",
    PermissionError: "this user may not read it",
    IsADirectoryError: "it is a directory",
}


class TlsOptions(msgspec.Struct, frozen=True):
    """TLS options of a target. Files are paths to PEM; `ca_fingerprint` is SHA-256 in hex, colons allowed."""

    ca_file: str | None = None
    ca_fingerprint: str | None = None
    client_cert_file: str | None = None
    client_key_file: str | None = None
    verify: bool = True
    server_name: str | None = None

    @property
    def fingerprint(self) -> str | None:
        """Return the pin as 64 lower-case hex digits, or None. Raise `SettingsError` for anything else."""
        if not self.ca_fingerprint:
            return None
        digits = re.sub(r"[:\s]", "", self.ca_fingerprint).lower()
        if not re.fullmatch(r"[0-9a-f]{64}", digits):
            raise SettingsError(
                "config.tls.fingerprint",
                f"ca_fingerprint: not a SHA-256 fingerprint of 64 hex digits ({len(digits)} characters)",
                "openssl x509 -noout -fingerprint -sha256 -in http_ca.crt",
            )
        return digits


def tls_options(settings: msgspec.Struct) -> TlsOptions:
    """Return the TLS options that settings have by these names."""
    return msgspec.convert(settings, TlsOptions, from_attributes=True)


def file_stamps(options: TlsOptions) -> tuple[tuple[int, int, int] | None, ...]:
    """Return inode, modification time and size of each file, to detect changes; None for a file that does not exist."""
    stamps: list[tuple[int, int, int] | None] = []
    for path in (options.ca_file, options.client_cert_file, options.client_key_file):
        try:
            stat = Path(path).stat() if path else None
        except OSError:
            stat = None
        stamps.append(None if stat is None else (stat.st_ino, stat.st_mtime_ns, stat.st_size))
    return tuple(stamps)


def ssl_context(options: TlsOptions) -> ssl.SSLContext:
    """Return the SSL context for these options. Raise `SettingsError` with the field whose file or value is unusable.

    With a pin the context itself verifies nothing: use `handshake`, which does.
    """
    pinned = options.fingerprint is not None
    if options.ca_file:
        _must_be_readable("ca_file", options.ca_file)
    try:
        context = ssl.create_default_context(cafile=options.ca_file or None)
    except (ssl.SSLError, OSError):
        raise _unusable("ca_file", options.ca_file, "it contains no PEM certificate") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if pinned or not options.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    _load_client_certificate(context, options)
    return context


def handshake(
    sock: socket.socket, host: str, options: TlsOptions, context: ssl.SSLContext, reconnect: Callable[[], socket.socket]
) -> ssl.SSLSocket:
    """Start TLS on a connected socket, within its timeout. Raise `OSError` (including `ssl.SSLError`) and close the socket on failure.

    `reconnect` returns another connected socket with the remaining timeout: a pinned CA needs a second handshake with the pin as
    the only anchor, and a TLS 1.2 server that aborts the first handshake may require a client certificate, which the second one shows.
    """
    name = options.server_name or host
    try:
        wrapped = _wrap(context, sock, name)
    except ssl.SSLError as failure:
        if failure.reason != HANDSHAKE_FAILURE or options.client_cert_file:
            raise
        wanted = False
        with contextlib.suppress(OSError):
            wanted = asks_for_certificate(reconnect(), name)
        if wanted:
            raise CertificateWanted(1, "the server requested a client certificate and aborted") from failure
        raise
    pin = options.fingerprint
    if pin is None:
        return wrapped
    chain = [der for der, _ in presented(wrapped)]
    if chain and fingerprint(chain[0]) == pin:
        return wrapped  # the handshake proved that the server has this certificate's key
    wrapped.close()
    anchor = next((der for der in chain if fingerprint(der) == pin), None)
    if anchor is None:
        raise PinMismatch(1, "no certificate of the presented chain has the pinned fingerprint")
    strict = ssl_context(options)
    strict.load_verify_locations(cadata=anchor)
    strict.verify_mode = ssl.CERT_REQUIRED
    strict.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return _wrap(strict, reconnect(), name)


def asks_for_certificate(sock: socket.socket, name: str) -> bool:
    """Return whether the server requests a client certificate in its handshake (RFC 8446 §4.3.2). Close the socket.

    Return False if this interpreter cannot observe a handshake.
    """
    asked = False

    def observe(_connection: Any, direction: str, _version: Any, _content: Any, kind: Any, _data: bytes) -> None:
        nonlocal asked
        asked = asked or (direction == "read" and kind == _CERTIFICATE_REQUEST)

    try:
        context = ssl_context(TlsOptions(verify=False))
        if not hasattr(context, "_msg_callback"):  # undocumented in CPython
            return False
        context._msg_callback = observe  # noqa: SLF001
        with contextlib.suppress(OSError):
            _wrap(context, sock, name).close()
    finally:
        sock.close()
    return asked


def presented(sock: ssl.SSLSocket) -> list[tuple[bytes, Mapping[str, Any]]]:
    """Return the chain that a server presents, its own certificate first: DER bytes, and the fields as in `getpeercert()`.

    Works without verification, when `getpeercert()` is empty. CPython has the chain since 3.10, under a private name (public from
    3.13, without the fields); other interpreters return the server's own certificate without fields.
    """
    chain = getattr(getattr(sock, "_sslobj", None), "get_unverified_chain", None)
    if chain is not None:
        try:
            return [
                (ssl.PEM_cert_to_DER_cert(certificate.public_bytes()), certificate.get_info())
                for certificate in chain() or ()
            ]
        except (AttributeError, ValueError, ssl.SSLError):
            pass
    certificate = sock.getpeercert(binary_form=True)
    return [(certificate, sock.getpeercert() or {})] if certificate else []


def fingerprint(der: bytes) -> str:
    """Return a certificate's SHA-256 fingerprint as 64 lower-case hex digits."""
    return hashlib.sha256(der).hexdigest()


def _wrap(context: ssl.SSLContext, sock: socket.socket, name: str) -> ssl.SSLSocket:
    try:
        # CPython treats a reset socket as one that is not connected yet, and wraps it without a handshake.
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
                "client_key_file is set, but client_cert_file is not",
                "set client_cert_file as well",
            )
        return
    for field, path in (("client_cert_file", certificate), ("client_key_file", key)):
        if path:
            _must_be_readable(field, path)
    try:
        # An encrypted key must not make a program prompt on a terminal.
        context.load_cert_chain(certificate, key or None, password=_no_password)
    except ssl.SSLError as failure:
        if failure.reason == "KEY_VALUES_MISMATCH":
            raise _unusable("client_key_file", key, "it is not the key of client_cert_file") from None
        what = f"{certificate} and {key}" if key else certificate
        raise _unusable("client_cert_file", what, "it contains no PEM certificate with an unencrypted key") from None
    except _Encrypted:
        raise _unusable(
            "client_key_file", key or certificate, "the key is encrypted; store it without a password"
        ) from None


class _Encrypted(Exception):  # noqa: N818
    pass


def _no_password() -> str:
    raise _Encrypted


def _must_be_readable(field: str, path: str) -> None:
    """Raise `SettingsError` for a file that cannot be read, and for a pipe, on which OpenSSL would block."""
    try:
        open_regular(path).close()
    except OSError as failure:
        why = _UNREADABLE.get(type(failure)) or failure.strerror or "it cannot be read"
        raise _unusable(field, path, why) from None


def _unusable(field: str, path: str | None, why: str) -> SettingsError:
    code = "config.tls.ca-file" if field == "ca_file" else "config.tls.client-cert"
    return SettingsError(code, f"{field}: {path}: {why}", f"set {field} to a readable PEM file")
