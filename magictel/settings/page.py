"""Options of every page that is scraped: where it listens, who may read it, and how `check` reads it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from magictel.errors import SettingsError
from magictel.net.address import Address, parse_endpoint
from magictel.secrets.secret import Secret
from magictel.settings.login import basic, half_logins
from magictel.settings.model import Problem, SettingsModel, duration, option

_ANY = frozenset({"", "0.0.0.0", "::"})  # addresses to compare with, not to bind
_LAST = 65_535


class PageSettings(SettingsModel, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The page, and the options of a client that reads it."""

    host: Annotated[
        str,
        option("Address to listen on. In a container use 0.0.0.0, or nothing outside can scrape.", example="0.0.0.0"),
    ] = "localhost"
    port: Annotated[int, option("Port of the page; 0 means any free port.", example=9464, ge=0, le=_LAST)] = 9464
    ports: Annotated[
        int,
        option(
            "Number of ports, from `port` upward. Each process of an application serves its own page on the first free one."
            " Scrape all of them.",
            example=4,
            routes=False,
            ge=1,
            le=1024,
        ),
    ] = 1
    path: Annotated[str, option("Path of the page.", example="/metrics", routes=False, file=False)] = "/metrics"
    username: Annotated[
        str | None,
        option(
            "User that a scraper must send (basic authentication).", example="scraper", routes=False, credential=True
        ),
    ] = None
    password: Annotated[Secret | None, option("Password that a scraper must send.")] = None
    tls_cert_file: Annotated[
        str | None,
        option("PEM file with the page's certificate; the page then speaks TLS.", example="page.pem", routes=False),
    ] = None
    tls_key_file: Annotated[
        str | None,
        option("PEM file with its key, unless it is in the same file.", example="page.key", routes=False),
    ] = None
    tls_client_ca_file: Annotated[
        str | None,
        option(
            "PEM file with the CAs whose client certificates may scrape (mutual TLS).", example="ca.pem", routes=False
        ),
    ] = None
    url: Annotated[
        str | None,
        option(
            "Address where check reads the page of the running application. Default: from host, port and path.",
            example="http://app.example.net:9464/metrics",
            address=True,
        ),
    ] = None
    ca_file: Annotated[
        str | None,
        option("PEM file with the CAs that check trusts instead of the system's.", example="/etc/ssl/private-ca.pem"),
    ] = None
    client_cert_file: Annotated[
        str | None,
        option("PEM file with the client certificate of check (mutual TLS).", example="client.pem", credential=True),
    ] = None
    client_key_file: Annotated[
        str | None,
        option("PEM file with its key, unless it is in the same file.", example="client.key", credential=True),
    ] = None
    server_name: Annotated[
        str | None,
        option("Expected certificate name (SNI) if it differs from the host.", example="app.example.net"),
    ] = None
    sample_port: Annotated[
        int | None,
        option(
            "Port of the page that send-sample serves. Prometheus must scrape it. Default: `port`.",
            example=9465,
            ge=1,
            le=_LAST,
        ),
    ] = None
    timeout: Annotated[
        float,
        duration("Timeout of one request of read-back; one of check may take its --timeout.", example=30, gt=0),
    ] = 10.0
    connect_timeout: Annotated[
        float, duration("Connect timeout of read-back and check, including the TLS handshake.", example=3, gt=0)
    ] = 5.0

    def page_address(self) -> Address:
        """Return the address of the running page, for a client. Raise `SettingsError` for a `url` that does not parse."""
        return parse_endpoint(self.url or self.served_at(self.port or 80))

    def served_at(self, port: int) -> str:
        """Return the URL of a page on this port, for a client on the same machine."""
        scheme = "https" if self.tls_cert_file else "http"
        host = "localhost" if self.host in _ANY else f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{port}{self.path}"

    def authorization(self) -> str | None:
        """Return the Authorization header that a scraper must send; None without a login. Half a login fits no scraper."""
        return None if self.username is None and not self.password else basic(self.username or "", self.password)

    def client_authorization(self) -> str | None:
        """Return the Authorization header of a client: the login in `url`, otherwise that of a scraper."""
        address = self.page_address()
        return self.authorization() if address.username is None else basic(address.username, address.password)

    def problems(self) -> Iterable[Problem]:
        """Yield an incomplete login, a key or CA without a certificate, ports beyond the last, a path without a slash, a bad address."""
        yield from super().problems()
        yield from half_logins(self)
        for key, needs in (
            ("tls_key_file", "tls_cert_file"),
            ("tls_client_ca_file", "tls_cert_file"),
            ("client_key_file", "client_cert_file"),
        ):
            if getattr(self, key) and not getattr(self, needs):
                yield key, "config.value", f"{key}: set, but {needs} is not", f"set {needs} as well"
        if self.ports > 1 and not 0 < self.port <= _LAST + 1 - self.ports:
            why = f"ports: {self.ports} ports cannot follow port {self.port}"
            yield "ports", "config.value", why, f"set port to a number from 1 to {_LAST + 1 - self.ports}"
        if not self.path.startswith("/") or "?" in self.path or "#" in self.path:
            yield (
                "path",
                "config.value",
                f"path: {self.path!r} is not a path",
                'begin it with a slash, as in "/metrics"',
            )
        try:
            self.page_address()
        except SettingsError as failure:
            yield failure.message.partition(":")[0], failure.code, failure.message, failure.remedy
