"""HTTP requests and replies, complete, and the one guard where replies enter: whatever a server says becomes a value or a `WireError`.

Text for people comes out masked: a server may say back the credentials that it was sent. Nothing here raises `KeyError`,
`TypeError`, `UnicodeDecodeError` or `RecursionError` into a caller: `json` and `decoded` give None, and `reading` turns what an
author's own code trips over, in an answer of another shape, into `http.malformed-reply`.
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
"""What code raises that reads an answer of another shape than it expects. `msgspec.DecodeError` and `UnicodeError` are among it."""
_asked: ContextVar[str | None] = ContextVar("magictel_asked", default=None)
"""The latest question to a backend inside `reading`, for its sentence."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, complete: absolute URL, all headers, body bytes as they travel. `repr` shows no header value."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def path(self) -> str:
        """The path without the query."""
        return urllib.parse.urlsplit(self.url).path or "/"

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters; of a repeated one the last, a bare one as an empty text."""
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.url).query, keep_blank_values=True))

    def header(self, name: str) -> str:
        """A header's value whatever its case, or an empty text."""
        wanted = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == wanted), "")


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete HTTP reply. Header names are lower case; `body` is decompressed; `seconds` from first byte out to last byte in.

    `body` is as it came, so `repr` shows neither it nor a header. `text`, `json` and `decoded` mask the secrets that `redact` knows and
    that a server said back. `request` is what it answers, where an exporter's attempt sent that.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    seconds: float = 0.0
    redact: Redactor | None = field(default=None, repr=False, compare=False)
    request: Request | None = field(default=None, repr=False, compare=False)

    @property
    def ok(self) -> bool:
        """A 2xx. It proves that something answered, never that anything was stored."""
        return 200 <= self.status < 300

    @property
    def content_type(self) -> str:
        """The media type, lower case, without parameters."""
        return self.headers.get("content-type", "").split(";")[0].strip().lower()

    def masked(self, redact: Redactor) -> Reply:
        """The same reply, in which headers and what is read of the body show none of these secrets."""
        headers = self.headers
        together = "\n".join(headers.values())
        if redact.echoed(together) != together:
            headers = {name: redact.echoed(value) for name, value in headers.items()}
        return replace(self, headers=headers, redact=redact)

    @property
    def text(self) -> str:
        """The body as text; bytes that are no UTF-8 are replaced."""
        text = self.body.decode("utf-8", "replace")
        return text if self.redact is None else self.redact.echoed(text)

    def json(self, *, masked: bool = True) -> Any:
        """The body's JSON value, or None where it is not JSON. `masked=False`: for values that are compared and not shown."""
        return self._read(json.loads, masked)

    def decoded(self, decode: Callable[[bytes], T]) -> T | None:
        """What a typed decoder makes of the body, or None where it is not of that shape."""
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
        """The Retry-After header in seconds from `now` (Unix time): a number or an HTTP date (RFC 9110 §10.2.3); None without."""
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
        """True for a page made for people: by its content type or its first bytes."""
        return self.content_type in {"text/html", "application/xhtml+xml"} or self.body[
            :64
        ].lstrip().lower().startswith((b"<!doctype html", b"<html"))


@contextmanager
def reading() -> Iterator[None]:
    """Raise `WireError` (`http.malformed-reply`) where an answer that came meanwhile has another shape than the code inside expects.

    Where nothing was asked inside, it is a bug, and stays one.
    """
    before = _asked.set(None)
    try:
        yield
    except MISREAD as failure:
        asked = _asked.get()
        if asked is None:
            raise
        raise malformed(asked, failure) from None  # its text may quote the answer
    finally:
        _asked.reset(before)


def asking(method: str, path: str) -> None:
    """Note the question that is asked, for `reading`."""
    _asked.set(f"{method} {path}")


def malformed(asked: str, failure: BaseException | None = None) -> WireError:
    """The error for an answer of another shape than the backend's own."""
    return WireError(
        "http.malformed-reply",
        f"the answer to {asked} is not in this backend's format and cannot be read",
        "look at the answer with curl: it may come from another service, a proxy or an unknown version",
        phase="read",
        maybe_delivered=True,
        evidence={"exception": type(failure).__name__} if failure is not None else {},
    )
