"""Complete HTTP requests and replies, and the guard for reading replies: any server data becomes a value or a `WireError`.

Text is masked, because a server may echo credentials. Nothing here raises `KeyError`, `TypeError`, `UnicodeDecodeError` or
`RecursionError`: `json` and `decoded` return None, and `reading` turns errors of an author's code on an unexpected reply into
`http.malformed-reply`.
"""

from __future__ import annotations

import email.utils
import json
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from magictel.errors import WireError
from magictel.secrets.redactor import Redactor

T = TypeVar("T")
MISREAD = (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError)
"""Exceptions of code that reads a reply with an unexpected structure, including `msgspec.DecodeError` and `UnicodeError`."""
_asked: ContextVar[str | None] = ContextVar("magictel_asked", default=None)
"""The latest request to a backend inside `reading`, for its message."""


@dataclass(frozen=True, slots=True)
class Request:
    """A complete HTTP request: absolute URL, all headers, body bytes as sent. `repr` shows no header value."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def path(self) -> str:
        """Return the path without the query."""
        return urllib.parse.urlsplit(self.url).path or "/"

    @property
    def query(self) -> dict[str, str]:
        """Return the query's parameters; the last of repeated ones, an empty text for bare ones."""
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.url).query, keep_blank_values=True))

    def header(self, name: str) -> str:
        """Return a header's value, case-insensitively, or an empty text."""
        wanted = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == wanted), "")


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete HTTP reply. Header names are lower case; `body` is decompressed; `seconds` from first byte sent to last byte received.

    `body` is unmasked, so `repr` shows neither it nor a header. `text`, `json` and `decoded` mask secrets that a server echoed and that
    `redact` knows. `request` is the request of an exporter's attempt.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    seconds: float = 0.0
    redact: Redactor | None = field(default=None, repr=False, compare=False)
    request: Request | None = field(default=None, repr=False, compare=False)

    @property
    def ok(self) -> bool:
        """Return whether the status is 2xx, which does not prove that anything was stored."""
        return 200 <= self.status < 300

    @property
    def content_type(self) -> str:
        """Return the media type in lower case without parameters."""
        return self.headers.get("content-type", "").split(";")[0].strip().lower()

    def masked(self, redact: Redactor) -> Reply:
        """Return the same reply with these secrets masked in headers and in the parsed body."""
        headers = self.headers
        together = "\n".join(headers.values())
        if redact.echoed(together) != together:
            headers = {name: redact.echoed(value) for name, value in headers.items()}
        return replace(self, headers=headers, redact=redact)

    @property
    def text(self) -> str:
        """Return the body as text; invalid UTF-8 is replaced."""
        text = self.body.decode("utf-8", "replace")
        return text if self.redact is None else self.redact.echoed(text)

    def json(self, *, masked: bool = True) -> Any:
        """Return the body's JSON value, or None if it is not JSON. `masked=False`: for values that are compared, not shown."""
        return self._read(json.loads, masked)

    def decoded(self, decode: Callable[[bytes], T]) -> T | None:
        """Return the body decoded with a typed decoder, or None if it does not match."""
        value: T | None = self._read(decode, True)
        return value

    def _read(self, decode: Callable[[bytes], Any], masked: bool) -> Any:
        try:
            value = decode(self.body)
            if masked and self.redact is not None and value is not None:
                return self.redact.echoed_value(value, self.body)
        except (ValueError, RecursionError):
            return None
        return value

    def retry_after(self, now: float) -> float | None:
        """Return Retry-After in seconds from `now` (Unix time), a number or an HTTP date (RFC 9110 §10.2.3), or None."""
        text = self.headers.get("retry-after", "").strip()
        if not text:
            return None
        try:
            seconds = float(text)
        except ValueError:
            try:
                seconds = email.utils.parsedate_to_datetime(text).timestamp() - now
            except (ValueError, TypeError, OverflowError):
                return None
        return max(0.0, seconds) if seconds == seconds and seconds != float("inf") else None

    @property
    def looks_like_html(self) -> bool:
        """Return whether the reply is a web page, by its content type or its first bytes."""
        return self.content_type in {"text/html", "application/xhtml+xml"} or self.body[
            :64
        ].lstrip().lower().startswith((b"<!doctype html", b"<html"))


@contextmanager
def reading() -> Iterator[None]:
    """A context that raises `WireError` (`http.malformed-reply`) if a reply does not have the structure that the code inside expects.

    If no request was sent inside, the exception is a bug and is not changed.
    """
    before = _asked.set(None)
    try:
        yield
    except MISREAD as failure:
        asked = _asked.get()
        if asked is None:
            raise
        raise malformed(asked, failure) from None  # its message may quote the reply
    finally:
        _asked.reset(before)


def asking(method: str, path: str) -> None:
    """Note the current request, for `reading`."""
    _asked.set(f"{method} {path}")


def malformed(asked: str, failure: BaseException | None = None) -> WireError:
    """Return the error for a reply that is not in the backend's format."""
    return WireError(
        "http.malformed-reply",
        f"the response to {asked} is not in this backend's format",
        "look at the response with curl: it may come from another service, a proxy or an unknown version",
        phase="read",
        maybe_delivered=True,
        evidence={"exception": type(failure).__name__} if failure is not None else {},
    )
