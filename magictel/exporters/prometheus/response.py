"""Replies about a page: the targets of a Prometheus, and the page itself as a scraper reads it."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from magictel.net.endpoint import Endpoint

_PORTS = {"http": 80, "https": 443}
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0, "y": 31_536_000.0}
_PART = re.compile(r"(\d+)(ms|[smhdwy])")
_DURATION = re.compile(r"(?:\d+(?:ms|[smhdwy]))*")
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # addresses to compare with


class Target(msgspec.Struct, frozen=True):
    """A target of a Prometheus: its address, labels, health (`up`, `down`, `unknown`), latest error, and seconds between scrapes.

    `scraped`: Unix seconds of the latest scrape, or None.
    """

    url: str
    labels: Mapping[str, str]
    health: str
    error: str = ""
    interval: float | None = None
    timeout: float | None = None
    scraped: float | None = None

    @property
    def shown(self) -> str:
        """Return the address with its job."""
        return f"{self.url} (job {self.labels.get('job', '?')})"


def targets_of(answer: Mapping[str, Any]) -> tuple[list[Target], list[str]]:
    """Return the targets of a reply of `/api/v1/targets`, and the addresses of those that a relabelling rule dropped."""
    data = answer.get("data") or {}
    active = [
        Target(
            str(row.get("scrapeUrl", "")),
            {str(name): str(value) for name, value in (row.get("labels") or {}).items()},
            str(row.get("health", "unknown")),
            str(row.get("lastError") or ""),
            _seconds(row.get("scrapeInterval")),
            _seconds(row.get("scrapeTimeout")),
            _moment(row.get("lastScrape")),
        )
        for row in data.get("activeTargets") or ()
    ]
    return active, [_dropped(row.get("discoveredLabels") or {}) for row in data.get("droppedTargets") or ()]


def of_page(targets: Iterable[Target], page: Endpoint) -> Sequence[Target]:
    """Return the targets that may be this page: those with its host, otherwise those with its port and path."""
    alike = [target for target in targets if _place(target.url)[1:] == (page.port, page.path or "/")]
    same_host = [target for target in alike if _same_host(_place(target.url)[0], page.host)]
    return same_host or alike


def _place(url: str) -> tuple[str, int, str]:
    try:
        parts = urllib.parse.urlsplit(url)
        return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0), parts.path or "/"
    except ValueError:
        return "", 0, ""


def _same_host(host: str, other: str) -> bool:
    return host == other or {host, other} <= _LOCAL


def _dropped(labels: Mapping[str, str]) -> str:
    scheme, address = labels.get("__scheme__", "http"), labels.get("__address__", "")
    return f"{scheme}://{address}{labels.get('__metrics_path__', '/metrics')}"


def _seconds(text: Any) -> float | None:
    """Return the seconds of a duration of Prometheus (`1m30s`), or None."""
    parts = _DURATION.fullmatch(str(text))
    if parts is None or not parts[0]:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(parts[0]))


def _moment(text: Any) -> float | None:
    """Return the Unix seconds of a time in RFC 3339; None for Go's zero time (never)."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment.timestamp() if moment.year > 1970 else None
