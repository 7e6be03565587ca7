"""Texts of a reply: its message, its error types, and a failure that a 2xx reports in its JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from magictel.catalogue.banners import BANNERS
from magictel.http.wire import Reply
from magictel.text import clipped

_LONGEST = 200
_READ = 20_000
_TITLE = re.compile(r"<(?:title|h1)[^>]*>(.*?)</", re.IGNORECASE | re.DOTALL)
_XML = re.compile(r"<(?:\w+:)?(?:Code|Message|faultstring|faultcode)\b[^>]*>([^<]+)</", re.IGNORECASE)
"""Elements with the message in XML errors of cloud services and SOAP."""
_TAG = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_SENTENCES = (
    "message",
    "Message",
    "error_description",
    "reason",
    "detail",
    "details",
    "errorMessage",
    "description",
    "msg",
    "title",
    "error",
    "errors",
    "fault",
    "faultstring",
    "partialSuccess",
    "text",
    "code",
    "status",
)
_REFUSED_COUNT = re.compile(
    r"(?:^|_|(?<=[a-z])(?=[A-Z]))(?:num_?)?(?:rejected|dropped|discarded|failed|invalid|ignored)", re.IGNORECASE
)
"""JSON keys that count rejected items."""
_TYPES = ("__type", "type", "code", "Code", "status", "reason", "errorcode", "errorCode")
"""JSON keys with the type of an error."""
_OWN_WORDS = (
    *((banner.text, banner.code) for banner in BANNERS),
    ("plain HTTP request was sent to HTTPS port", "http.tls-port"),
    ("Client sent an HTTP request to an HTTPS server", "http.tls-port"),
    ("speaking plain HTTP to an SSL-enabled server port", "http.tls-port"),
    ("requires TLS", "http.tls-port"),
    ("No required SSL certificate was sent", "tls.client-cert-required"),
    ("The SSL certificate error", "tls.client-cert-rejected"),
)
"""Messages of servers about a wrong type of connection, sent with 400 by nginx, Go and Apache."""


def error_types(reply: Reply) -> str:
    """Return the error types of a reply, separated by spaces: `ThrottlingException`, `SlowDown`.

    From AWS's header, from XML's Code, and from JSON: single words under the keys that APIs use for a type, at any depth.
    """
    header = reply.headers.get("x-amzn-errortype", "")
    if header:
        return header.partition(":")[0]
    value = reply.json()
    if isinstance(value, Mapping):
        return " ".join(_type_names(value, 0))
    return " ".join(re.findall(r"<(?:\w+:)?Code>([^<]{1,100})</", reply.text[:_READ])[:5])


def _type_names(value: Any, depth: int) -> Iterator[str]:
    if depth > 4:
        return
    if isinstance(value, list):
        for item in value[:5]:
            yield from _type_names(item, depth + 1)
    elif isinstance(value, Mapping):
        for key in _TYPES:
            name = value.get(key)
            if isinstance(name, str) and re.fullmatch(r"[\w.#/ -]{1,120}", name) and name.count(" ") < 3:
                yield name
        for key in ("error", "errors", "fault", "detail"):
            yield from _type_names(value.get(key), depth + 1)


def words_of(reply: Reply) -> str:
    """Return a reply's message on a single line: from JSON, a page's title, gRPC's message, or its text; truncated, may be empty."""
    words = reply.headers.get("grpc-message", "")
    if not words:
        value = reply.json()
        if isinstance(value, dict | list):
            words = _sentence(value, 0)
        text = reply.text[:_READ]
        if not words and reply.looks_like_html:
            title = _TITLE.search(text)
            from html import unescape  # a large table, rarely needed

            words = unescape(_TAG.sub(" ", title.group(1) if title else text))
        if not words and text.lstrip("\ufeff \r\n\t").startswith("<"):
            words = ": ".join(part.strip() for part in _XML.findall(text)[:2])
        words = words or text
    return clipped("".join(character if character.isprintable() else " " for character in words[:_READ]), _LONGEST)


def own_words(reply: Reply) -> str | None:
    """Return the code of a server's message about the connection itself, or None."""
    if reply.ok and reply.json() is not None:
        return None
    text = reply.text[:1_000]
    return next((code for phrase, code in _OWN_WORDS if phrase in text), None)


def failure_within(reply: Reply) -> int | None:
    """Return the status of a failure that a 2xx reports in its JSON (400 if it names none), or None without a failure.

    `{"statusCode": 503}`, `{"status": "error"}`, `{"success": false}`, `{"errors": [...]}`, `{"error": {…}}`,
    OTLP's `partialSuccess`, `[{"status": 400}]`.
    """
    value = reply.json()
    if isinstance(value, list):  # a result for each item, as in some event APIs
        verdicts = [item for item in value if isinstance(item, Mapping)]
        worst = [item["status"] for item in verdicts if isinstance(item.get("status"), int)]
        refused = 400 if any(counts_refused(item) for item in verdicts) else None
        return max((status for status in worst if 400 <= status < 600), default=refused)
    if not isinstance(value, Mapping):
        return None
    partial = value.get("partialSuccess") or value.get("partial_success")
    if isinstance(partial, Mapping):
        return 400 if counts_refused(partial) else None
    for key in ("statusCode", "status_code", "httpStatusCode", "status", "code"):
        number = value.get(key)
        if isinstance(number, int) and 400 <= number < 600:
            return number
    bad = (
        str(value.get("status", "")).lower() in ("error", "failure", "failed", "fail")
        or value.get("success") is False
        or value.get("ok") is False
        or bool(value.get("error"))
        or bool(value.get("errors"))
        or counts_refused(value)
        or any(isinstance(item, Mapping) and counts_refused(item) for item in _items(value.get("status")))
    )
    return 400 if bad else None


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def counts_refused(value: Mapping[Any, Any]) -> bool:
    """Return whether JSON counts rejected items, as OTLP's partial success does (as texts): `rejectedDataPoints: "2"`.

    Also `failedMetricsCount: 1`, `linesInvalid: 3`, `num_points_dropped: 2`.
    """
    counted = [count for name, count in value.items() if _REFUSED_COUNT.search(str(name))]
    return any(str(count).isdigit() and int(count) for count in counted)


def _sentence(value: Any, depth: int) -> str:
    if depth > 4:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return next((sentence for item in value[:5] if (sentence := _sentence(item, depth + 1))), "")
    if isinstance(value, Mapping):
        return next((sentence for key in _SENTENCES if (sentence := _sentence(value.get(key), depth + 1))), "")
    return ""
