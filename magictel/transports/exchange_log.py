"""DEBUG log of each request and its reply, redacted: shown by `--debug`, and available to applications.

> POST http://127.0.0.1:9200/_bulk
>   content-type: application/x-ndjson, content-encoding: gzip, authorization: ***
>   1204 bytes: {"create":{"_index":"magicapi-metrics"}} …
< 200 POST http://127.0.0.1:9200/_bulk in 41 ms, application/json
<   {"took":3,"errors":false, …
"""

from __future__ import annotations

import logging
import zlib

from magictel.http.messages import Reply
from magictel.http.wire import Request
from magictel.secrets.redactor import Redactor
from magictel.secrets.secret import MASK

_LOG = logging.getLogger(__name__)
_SHOWN = 600
"""Maximum length of a shown body."""
_READ = 4096
"""Bytes of a body that are decoded to show its start."""
_PLAIN_HEADERS = frozenset(
    {"accept", "accept-encoding", "content-encoding", "content-length", "content-type", "host", "user-agent"}
    | {"x-prometheus-remote-write-version"}
)
"""Headers whose values are shown: any other may contain a credential."""


def log_request(request: Request, redact: Redactor) -> None:
    """Log a request before it is sent."""
    if not _LOG.isEnabledFor(logging.DEBUG):
        return
    headers = ", ".join(
        f"{name.lower()}: {value if name.lower() in _PLAIN_HEADERS else MASK}"
        for name, value in request.headers.items()
    )
    lines = [f"> {_asked(request)}", *([f">   {headers}"] if headers else [])]
    if request.body:
        start = _start(request.body, request.header("content-encoding"), redact)
        lines.append(f">   {len(request.body)} bytes" + (f": {start}" if start else ""))
    _log(lines, redact)


def log_reply(request: Request, reply: Reply, redact: Redactor) -> None:
    """Log a complete reply."""
    if not _LOG.isEnabledFor(logging.DEBUG):
        return
    kind = f", {reply.content_type}" if reply.content_type else ""
    lines = [f"< {reply.status} {_asked(request)} in {reply.seconds * 1000:.0f} ms{kind}"]
    if reply.body:
        start = _start(reply.body, "", redact)
        lines.append(f"<   {start or f'{len(reply.body)} bytes'}")
    _log(lines, redact)


def log_failure(request: Request, code: str, message: str, redact: Redactor) -> None:
    """Log that no complete reply was received."""
    if _LOG.isEnabledFor(logging.DEBUG):
        _log([f"< no reply to {_asked(request)}: {message} ({code})"], redact)


def _asked(request: Request) -> str:
    return f"{request.method} {request.url}"


def _log(lines: list[str], redact: Redactor) -> None:
    _LOG.debug("%s", redact("\n".join(lines)))


def _start(body: bytes, coding: str, redact: Redactor) -> str:
    """Return the beginning of a text body on a single line, or an empty text for binary bodies."""
    if coding.lower() == "gzip":
        try:
            body = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(body, _READ)
        except zlib.error:
            return ""
    cut = body[:_READ]
    text = cut.decode("utf-8", "replace")
    if "\x00" in text or text.count("\ufffd") > len(text) // 20 + 1:
        return ""
    shown = " ".join(redact.echoed(text).split())
    return shown if len(shown) <= _SHOWN and len(body) <= _READ else f"{shown[:_SHOWN]} …"
