"""TLS of a server: its certificate, and the CAs of the clients that it lets in."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Mapping
from pathlib import Path

from magictel.errors import SettingsError
from magictel.files import open_regular

_UNREADABLE: Mapping[type[OSError], str] = {
    FileNotFoundError: "the file does not exist",
    PermissionError: "this user may not read it",
    IsADirectoryError: "it is a directory",
}


class ServerTls:
    """The TLS context of a server, loaded again when one of its files changes. Raise `SettingsError` for unusable files.

    `prefix`: what the names of the options begin with, for messages: `tls_` of `tls_cert_file`, `tls_key_file`, `tls_client_ca_file`.
    """

    def __init__(
        self, cert_file: str, key_file: str | None = None, client_ca_file: str | None = None, *, prefix: str = "tls_"
    ) -> None:
        self._cert, self._key, self._ca = cert_file, key_file, client_ca_file
        self._prefix = prefix
        self._lock = threading.Lock()
        self._stamps = self._stamped()
        self._context = self._loaded()

    def context(self) -> ssl.SSLContext:
        """Return the context for the next connection; while renewed files cannot be used, the one before."""
        with self._lock:
            stamps = self._stamped()
            if stamps != self._stamps:
                self._stamps = stamps
                with contextlib.suppress(SettingsError):  # half of a renewal: its rest changes the stamps again
                    self._context = self._loaded()
            return self._context

    def _stamped(self) -> tuple[tuple[int, int, int] | None, ...]:
        stamps: list[tuple[int, int, int] | None] = []
        for path in filter(None, (self._cert, self._key, self._ca)):
            try:
                stat = Path(path).stat()
            except OSError:
                stamps.append(None)
            else:
                stamps.append((stat.st_ino, stat.st_mtime_ns, stat.st_size))
        return tuple(stamps)

    def _loaded(self) -> ssl.SSLContext:
        for option, path in (("cert_file", self._cert), ("key_file", self._key), ("client_ca_file", self._ca)):
            if path:
                self._must_be_readable(option, path)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(self._cert, self._key, password=_no_password)
        except _Encrypted:
            why = "the key is encrypted; store it without a password"
            raise self._unusable("key_file", self._key or self._cert, why) from None
        except ssl.SSLError as failure:
            if failure.reason == "KEY_VALUES_MISMATCH":
                raise self._unusable("key_file", self._key or self._cert, "it is not the certificate's key") from None
            what = f"{self._cert} and {self._key}" if self._key else self._cert
            raise self._unusable("cert_file", what, "no PEM certificate with an unencrypted key") from None
        if self._ca:
            try:
                context.load_verify_locations(self._ca)
            except (ssl.SSLError, OSError):
                raise self._unusable("client_ca_file", self._ca, "it contains no PEM certificate") from None
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _must_be_readable(self, option: str, path: str) -> None:
        try:
            open_regular(path).close()
        except OSError as failure:
            why = _UNREADABLE.get(type(failure)) or failure.strerror or "it cannot be read"
            raise self._unusable(option, path, why) from None

    def _unusable(self, option: str, path: str, why: str) -> SettingsError:
        code = "config.tls.ca-file" if option == "client_ca_file" else "config.tls.server-cert"
        key = self._prefix + option
        return SettingsError(code, f"{key}: {path}: {why}", f"set {key} to a readable PEM file")


class _Encrypted(Exception):  # noqa: N818
    pass


def _no_password() -> str:
    raise _Encrypted
