"""The connection of an exporter over HTTP: its pooled transport, its TLS files, and the wires of probes and read-backs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from magictel.errors import SettingsError
from magictel.http.wire import Transport, Wire
from magictel.net.endpoint import Endpoint
from magictel.net.proxy import proxy_for
from magictel.net.tls import TlsOptions, file_stamps, ssl_context, tls_options
from magictel.plugin.exporter import Exporter
from magictel.plugin.http_interface import HttpAuthored, S
from magictel.transports.http import HttpTransport, import_all


class HttpConnection(HttpAuthored[S], Exporter[S]):
    """An exporter with a connection to the endpoint that replied last."""

    def __init__(
        self, settings: S | None = None, *, transport: Transport | None = None, prepare: bool = True, **options: Any
    ) -> None:
        """Create the exporter. `prepare`: import and create now what a send needs, not in the first one."""
        self._given = transport
        self._transports: dict[str, Transport] = {}
        self._first = 0
        """Number of the endpoint that replied last."""
        super().__init__(settings, **options)
        self._tls_files = file_stamps(self.tls_options())
        if prepare and transport is None and self.unusable is None:
            self._prepare()

    def secrets(self) -> Iterator[str]:
        """Return all secrets, with those of a proxy from the environment."""
        yield from super().secrets()
        settings = self.settings
        with contextlib.suppress(SettingsError):  # an address or proxy that does not parse is not used either
            for endpoint in self.endpoints():
                proxy = proxy_for(endpoint, settings.proxy, trust_env=settings.trust_env, environment=os.environ)  # noqa: TID251
                yield from proxy.secrets if proxy is not None else ()

    def endpoint(self) -> str:
        """Return the endpoints for display, without credentials."""
        return ", ".join(map(str, self.endpoints()))

    def tls_options(self) -> TlsOptions:
        """Return the TLS settings, for the transport and the ladder."""
        return tls_options(self.settings)

    @classmethod
    def check_settings(cls, settings: Any) -> None:
        """Check that the TLS files exist and can be used; an exporter may add checks. Raise `SettingsError`."""
        if settings.ca_file or settings.client_cert_file or settings.client_key_file:
            ssl_context(tls_options(settings))

    @property
    def transport(self) -> Transport:
        """The pooled transport, created at first use."""
        if self._given is not None:
            return self._given
        transport = self._transports.get("http")
        if transport is None:
            created = self.create_transport()
            # atomic: threads that come together get the same one
            transport = self._transports.setdefault("http", created)
        return transport

    def create_transport(self) -> Transport:
        """Return a new transport, with the TLS files of now; default: HTTP/1.1 over pooled connections."""
        return HttpTransport(
            self.tls_options(),
            connect_timeout=self.settings.connect_timeout,
            proxy=self.settings.proxy,
            trust_env=self.settings.trust_env,
            redact=self.redact,
            observer=self.observers,
        )

    def wire(
        self,
        endpoint: Endpoint | None = None,
        timeout: float | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Wire:
        """Return a wire to one endpoint for probes and read-backs (default: the endpoint that delivery uses now).

        `headers`: sent in place of the exporter's own headers and signature, for an API with a key of its own, which must not get those
        of delivery.
        """
        return Wire(
            self.transport,
            endpoint or self.endpoints()[self._first % len(self.endpoints())],
            self._all_headers() if headers is None else {**_user_agent(), **headers},
            redact=self.redact,
            timeout=timeout or self.settings.timeout,
            authorize=self.authorize if headers is None else None,
        )

    def renew(self) -> bool:
        """Reload the secret and TLS files for later sends; return True if one of them has changed."""
        renewed = [secret for secret in self.settings.secrets() if secret.renew()]
        self.redact.add(renewed)
        files = file_stamps(self.tls_options())
        changed, self._tls_files = files != self._tls_files, files
        if changed:
            # Not closed: other threads may be sending on it. Its connections are closed when the last of them lets it go.
            self._transports.pop("http", None)
        return bool(renewed) or changed

    def close(self) -> None:
        """Close pooled connections; the next send opens new ones."""
        for transport in (self._given, self._transports.pop("http", None)):
            if transport is not None:
                transport.close()

    def _prepare(self) -> None:
        """Import what a send needs and create what it reuses: the first send would spend its timeout on it, and a child forked
        meanwhile would inherit a locked import lock.
        """
        import_all()
        with contextlib.suppress(Exception):  # such as a TLS file that does not exist yet: the first send reports it
            transport = self.transport
            if isinstance(transport, HttpTransport):
                transport.prepare(endpoint.url("/") for endpoint in self.endpoints())

    def _all_headers(self) -> dict[str, str]:
        extra = {name: value.reveal() for name, value in self.settings.headers.items()}
        return {**_user_agent(), **self.headers(), **extra}


def _user_agent() -> dict[str, str]:
    from magictel import __version__

    return {"User-Agent": f"magictel/{__version__}"}
