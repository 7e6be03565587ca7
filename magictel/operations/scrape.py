"""Scraping: a page of Prometheus' text format or OpenMetrics is requested, checked, and returned with the time of the request."""

from __future__ import annotations

import base64
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field

from magictel.clock import Clock
from magictel.errors import SettingsError, UsageError
from magictel.http.wire import Request, Transport
from magictel.net.address import parse_endpoint, printable
from magictel.secrets.redactor import Redactor
from magictel.sources.errors import SourceError
from magictel.sources.prometheus_pages import ACCEPT, OPENMETRICS

SCHEMES = ("http://", "https://")
_PORTS = {"http": 80, "https": 443}
TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Page:
    """The scraped page: the address without its login, which is sent as a header; `shown` also has no query, which may contain a token."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    shown: str
    instance: str
    """Host and port, as Prometheus labels a target."""
    redact: Redactor

    @classmethod
    def at(cls, source: str) -> Page:
        """Parse an address. Raise `UsageError` if it is not valid."""
        address, _, query = source.partition("?")
        try:
            known = parse_endpoint(address, field="--from")
        except SettingsError as failure:
            raise UsageError("usage.record", failure.message, failure.remedy) from None
        parts = urllib.parse.urlsplit(source)
        bare = parts.netloc.rpartition("@")[2]
        url = parts._replace(netloc=bare, fragment="").geturl()
        user, password = known.username, known.password.reveal() if known.password else ""
        login = f"{user}:{password}"
        encoded = base64.b64encode(login.encode()).decode()
        headers = {} if user is None else {"Authorization": f"Basic {encoded}"}
        secrets = [login, password, *(value for _, value in urllib.parse.parse_qsl(query))]
        instance = bare if parts.port else f"{bare.rstrip(':')}:{_PORTS.get(parts.scheme, 80)}"
        return cls(url, headers, printable(source), instance, Redactor(secrets))


@dataclass(frozen=True, slots=True)
class Scraped:
    """A page's body, the time of the request (Unix nanoseconds, whole milliseconds), and whether it claims to be OpenMetrics."""

    body: bytes
    time: int
    openmetrics: bool | None


def scrape(page: Page, transport: Transport, clock: Clock, timeout: float = TIMEOUT) -> Scraped:
    """Request the page. Raise `WireError` or `SourceError`."""
    time = int(clock.now() * 1000) * 1_000_000
    headers = {"Accept": ACCEPT, "Accept-Encoding": "gzip", **page.headers}
    reply = transport.send(Request("GET", page.url, headers), timeout).masked(page.redact)
    if reply.status != 200:
        destination = f", to {reply.headers['location']}" if reply.headers.get("location") else ""
        raise SourceError(
            "source.scrape", f"{page.shown} answers {reply.status}{destination}, expected 200", "check it with curl"
        )
    media_type = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    openmetrics = OPENMETRICS.get(media_type)
    if openmetrics and not reply.body.rstrip().endswith(b"# EOF"):
        raise SourceError(
            "source.scrape",
            f"{page.shown} is truncated: an OpenMetrics page ends with # EOF, but this one does not",
            "check it with curl",
        )
    return Scraped(reply.body, time, openmetrics)
