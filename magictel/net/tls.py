"""How TLS is spoken to a backend, the same for transport and ladder: options, the context made of them, the handshake.

A pinned fingerprint (Elasticsearch prints its CA's at the first start) replaces verification by name: the pinned certificate,
the server's own or a CA it presents, becomes the only trust anchor. A chain is never trusted because it merely *contains* the pin:
anybody can append a public CA certificate to a chain of his own, so the handshake is made again with the pin as anchor.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from magictel.errors import SettingsError
from magictel.files import NotRegular, open_regular
from magictel.net.tls_errors import HANDSHAKE_FAILURE, CertificateWanted, PinMismatch

_CERTIFICATE_REQUEST = 13  # RFC 8446 §4
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


def ssl_context(options: TlsOptions) -> ssl.SSLContext:
    """The context of these options; raises `SettingsError` naming the field whose file or value cannot be used.

    With a pin the context verifies nothing by itself: connect through `handshake`, which does.
    """
    pinned = options.fingerprint is not None
    try:
        if options.ca_file:
            open_regular(options.ca_file).close()  # OpenSSL would wait for a pipe's writer
        context = ssl.create_default_context(cafile=options.ca_file or None)
    except FileNotFoundError:
        raise _unusable("ca_file", options.ca_file, "there is no such file") from None
    except PermissionError:
        raise _unusable("ca_file", options.ca_file, "this user may not read it") from None
    except IsADirectoryError:
        raise _unusable("ca_file", options.ca_file, "it is a directory") from None
    except NotRegular as failure:
        raise _unusable("ca_file", options.ca_file, str(failure.strerror)) from None
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

    `reconnect` gives another connected socket, whose timeout is what is left: a pinned CA needs a second handshake with the pin as
    its only anchor, and a server of TLS 1.2 that breaks off for want of a client certificate is asked whether it wanted one.
    """
    name = options.server_name or host
    try:
        wrapped = _wrap(context, sock, name)
    except ssl.SSLError as failure:
        if failure.reason != HANDSHAKE_FAILURE or options.client_cert_file:
            raise
        wanted = False
        with contextlib.suppress(OSError):
            wanted = asks_for_certificate(reconnect(), name, options)
        if wanted:
            raise CertificateWanted(1, "the server asked for a client certificate, and broke off") from failure
        raise
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


def asks_for_certificate(sock: socket.socket, name: str, options: TlsOptions) -> bool:
    """Does the server ask for a client certificate in its handshake (RFC 8446 §4.3.2)? Nothing is verified or sent; closes the socket.

    False also where this interpreter cannot overhear a handshake.
    """
    asked = False

    def overhear(_connection: Any, direction: str, _version: Any, _content: Any, kind: Any, _data: bytes) -> None:
        nonlocal asked
        asked = asked or (direction == "read" and kind == _CERTIFICATE_REQUEST)

    try:
        context = ssl_context(TlsOptions(verify=False, minimum_version=options.minimum_version))
        if not hasattr(context, "_msg_callback"):  # CPython's own, undocumented
            return False
        context._msg_callback = overhear  # noqa: SLF001
        with contextlib.suppress(OSError):
            _wrap(context, sock, name).close()
    finally:
        sock.close()
    return asked


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
        open_regular(path).close()
    except OSError as failure:
        raise _unusable(field, path, (failure.strerror or "it cannot be read").lower()) from None


def _unusable(field: str, path: str | None, why: str) -> SettingsError:
    code = "config.tls.ca-file" if field == "ca_file" else "config.tls.client-cert"
    return SettingsError(code, f"{field}: {path}: {why}", f"set {field} to a PEM file that this user can read")
